//! The pages can be read: programs fit the page, links lead to headings that exist, pictures are shown; and how much of
//! it the suite runs is printed.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What fits on a page of the book beside its margins.
const WIDTH: usize = 112;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All pages: the root's, those of docs, and the book's.
fn pages() -> Vec<PathBuf> {
    let mut all = Vec::new();
    for folder in ["", "docs", "docs/zh", "docs/book/src"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|ending| ending == "md") {
                all.push(path);
            }
        }
    }
    all.sort();
    all
}

/// The lines of a page, whether each is code, and in which language.
fn lines(page: &str) -> Vec<(&str, Option<&str>)> {
    let mut language = None;
    let mut found = Vec::new();
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), language) {
            (Some(name), None) => language = Some(name),
            (Some(_), Some(_)) => language = None,
            (None, _) => found.push((line, language)),
        }
    }
    found
}

/// What a heading is called in a link, as GitHub and mdBook name it.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(page: &str) -> BTreeSet<String> {
    lines(page)
        .into_iter()
        .filter(|(line, code)| code.is_none() && line.starts_with('#'))
        .map(|(line, _)| anchor(line))
        .collect()
}

#[test]
fn programs_fit_the_page() {
    let mut faults = Vec::new();
    for path in pages() {
        for (line, _) in lines(&read(&path)).into_iter().filter(|(_, code)| *code == Some("rust")) {
            let is_hidden = line.trim_start().starts_with("# ");
            if !is_hidden && line.chars().count() > WIDTH {
                faults.push(format!("{}: {line}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "lines of more than {WIDTH} characters:\n{}", faults.join("\n"));
}

#[test]
fn links_to_headings_lead_there() {
    let mut faults = Vec::new();
    for path in pages() {
        let page = read(&path);
        let prose = lines(&page).into_iter().filter(|(_, code)| code.is_none()).map(|(line, _)| line);
        let prose = prose.collect::<Vec<_>>().join("\n");
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let Some((file, heading)) = link.split_once('#').filter(|_| !link.contains("://")) else {
                continue;
            };
            let target = match file {
                "" => page.clone(),
                file => read(&path.parent().expect("a folder").join(file)),
            };
            if !anchors(&target).contains(heading) {
                faults.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "links:\n{}", faults.join("\n"));
    assert_eq!(anchor("## f32, f64, and `the` same bits"), "f32-f64-and-the-same-bits");
}

/// Also counts, past the harness's hold on what passing tests print.
#[test]
fn every_figure_is_shown() {
    let (mut blocks, mut outputs, mut shown) = (0, 0, String::new());
    for path in pages() {
        let page = read(&path);
        blocks += page.matches("\n```rust\n").count();
        outputs += page.matches("# assert!(page.contains(&out)").count();
        shown += &page;
    }
    let figures = fs::read_dir(root().join("docs/book/src/figures")).expect("the figures");
    let figures: Vec<String> =
        figures.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    for figure in &figures {
        assert!(
            shown.contains(&format!("figures/{figure})")) || shown.contains(&format!("figures/{figure}}}")),
            "{figure}"
        );
    }
    assert!(blocks > 50 && outputs > 10);
    let mut out = std::io::stdout();
    let _ = writeln!(
        out,
        "\nbook: {blocks} Rust blocks run by the doctests, {outputs} printed outputs and {} figures and tables compared",
        figures.len()
    );
}
