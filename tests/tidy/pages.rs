//! The pages can be read: programs fit the page, links lead to headings that exist and stay in the book, chapters have
//! their parts, pictures are shown, Chinese pages have the code of the English ones; and how much of it the suite runs is
//! printed.

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

/// A line that rustdoc and mdBook run and do not show; every other renderer shows it.
fn is_hidden(line: &str) -> bool {
    line.trim() == "#" || line.trim_start().starts_with("# ")
}

/// These pages are read where hidden lines are shown. What is marked as run is a whole program.
#[test]
fn programs_of_front_pages_can_be_copied() {
    let mut n_programs = 0;
    for path in pages() {
        let is_front = path == root().join("README.md") || path.starts_with(root().join("docs/zh"));
        if !is_front {
            continue;
        }
        let page = read(&path);
        for block in page.split("\n```rust").skip(1).filter_map(|rest| rest.split("\n```").next()) {
            let is_whole = block.contains("\nfn main() ");
            assert!(!block.lines().any(is_hidden), "{}: hidden lines in {block}", path.display());
            assert!(block.starts_with(",ignore\n") || is_whole, "{}: no main in {block}", path.display());
            n_programs += usize::from(is_whole);
        }
    }
    assert!(n_programs >= 4);
}

#[test]
fn programs_fit_the_page() {
    let mut faults = Vec::new();
    for path in pages() {
        for (line, _) in lines(&read(&path)).into_iter().filter(|(_, code)| *code == Some("rust")) {
            if !is_hidden(line) && line.chars().count() > WIDTH {
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
        for link in links(&page) {
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

/// The text of the links of a page, code aside.
fn links(page: &str) -> Vec<String> {
    let prose = lines(page).into_iter().filter(|(_, code)| code.is_none()).map(|(line, _)| line);
    let prose = prose.collect::<Vec<_>>().join("\n");
    prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect()
}

/// In a browser the book is a folder by itself, in which nothing that lies beside it can be reached.
#[test]
fn links_of_the_book_stay_in_it() {
    let mut faults = Vec::new();
    for path in pages().into_iter().filter(|path| path.starts_with(root().join("docs/book"))) {
        let page = read(&path);
        faults.extend(
            (links(&page).into_iter().filter(|link| link.contains("..") || link.contains("://")))
                .map(|link| format!("{}: {link}", path.display())),
        );
        // On a code forge an include is three words in braces.
        if page.contains("{{#") {
            faults.push(format!("{}: an include", path.display()));
        }
    }
    assert!(faults.is_empty(), "links:\n{}", faults.join("\n"));
}

#[test]
fn chapters_have_their_parts() {
    let parts = ["The idea", "By hand", "In code", "What came out", "Exercises"];
    let summary = read(&root().join("docs/book/src/SUMMARY.md"));
    let chapters: Vec<String> = (summary.lines().filter(|line| line.starts_with("- [")))
        .filter_map(|line| line.split("](").nth(1)?.strip_suffix(')').map(str::to_owned))
        .collect();
    assert!(chapters.len() >= 18, "{chapters:?}");
    let mut faults = Vec::new();
    for chapter in &chapters {
        let page = read(&root().join("docs/book/src").join(chapter));
        let headings: Vec<&str> = (lines(&page).into_iter().filter(|(_, code)| code.is_none()))
            .filter_map(|(line, _)| line.strip_prefix("## "))
            .collect();
        let mut rest = headings.iter();
        for part in parts {
            if !rest.any(|heading| heading.starts_with(part)) {
                faults.push(format!("{chapter}: no `## {part}` in its place"));
            }
        }
        if !page.contains("](figures/") {
            faults.push(format!("{chapter}: no figure"));
        }
        let exercises = page.split("\n## Exercises\n").nth(1).unwrap_or_default();
        let n_exercises =
            exercises.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).count();
        let n_hints = exercises.matches("<details><summary>Hint</summary>").count();
        if n_exercises != n_hints || !exercises.contains("*(in code: `") && chapter != "from-tensorflow.md" {
            faults.push(format!("{chapter}: {n_exercises} exercises, {n_hints} hints"));
        }
    }
    assert!(faults.is_empty(), "chapters:\n{}", faults.join("\n"));
}

/// Whether a page that prints compares what is printed with what it shows.
fn compares(block: &str) -> bool {
    let prints = ["println!(\"{out}\")", "println!(\"{report}\")"].iter().any(|print| block.contains(print));
    !prints || block.contains("# assert!(page.contains(")
}

#[test]
fn printed_outputs_are_compared() {
    let mut faults = Vec::new();
    for path in pages() {
        for block in read(&path).split("\n```rust\n").skip(1).filter_map(|rest| rest.split("\n```").next()) {
            if !compares(block) {
                faults.push(format!("{}: {}", path.display(), block.lines().next().unwrap_or_default()));
            }
        }
    }
    assert!(faults.is_empty(), "blocks that print and do not look:\n{}", faults.join("\n"));
    assert!(!compares("let out = 1;\nprintln!(\"{out}\");"));
}

/// The programs of a page without their comments, and what programs printed.
fn programs_and_outputs(page: &str) -> (Vec<String>, Vec<String>) {
    let (mut programs, mut outputs) = (Vec::new(), Vec::new());
    for part in page.split("\n```").skip(1).step_by(2) {
        let (language, block) = part.split_once('\n').expect("a block");
        match language {
            "rust" | "rust,ignore" | "python" => {
                // The Chinese pages show what the English ones show, and run no more than that.
                let shown = block.lines().filter(|line| language == "python" || !is_hidden(line));
                let plain = shown.map(|line| line.split("//").next().unwrap_or_default().trim_end());
                programs.push(plain.collect::<Vec<_>>().join("\n"));
            }
            // Drawings and formulas have words to translate.
            "text" if !block.contains("──") && !block.contains('₁') => outputs.push(block.to_owned()),
            _ => {}
        }
    }
    (programs, outputs)
}

#[test]
fn chinese_pages_have_the_code_and_outputs_of_the_english_ones() {
    for (english, chinese, n_programs) in [
        ("README.md", "docs/zh/README.md", 1),
        ("docs/book/src/one-neuron.md", "docs/zh/one-neuron.md", 3),
        ("docs/book/src/dense-layer.md", "docs/zh/dense-layer.md", 3),
        ("docs/book/src/two-heads.md", "docs/zh/two-heads.md", 2),
        ("docs/book/src/from-tensorflow.md", "docs/zh/from-tensorflow.md", 10),
        ("docs/book/src/missing-labels.md", "docs/zh/missing-labels.md", 3),
        ("docs/book/src/kinds-of-task.md", "docs/zh/kinds-of-task.md", 3),
    ] {
        let [english, chinese] =
            [english, chinese].map(|path| programs_and_outputs(&read(&root().join(path))));
        assert!(english.0.len() >= n_programs);
        for (in_english, in_chinese) in [(english.0, chinese.0), (english.1, chinese.1)] {
            let mut rest = in_chinese.iter();
            for block in in_english {
                assert!(rest.any(|other| *other == block), "not in Chinese, or not in its place:\n{block}");
            }
        }
    }
}

/// Also counts, past the harness's hold on what passing tests print.
#[test]
fn every_figure_is_shown() {
    let (mut blocks, mut outputs, mut shown) = (0, 0, String::new());
    for path in pages() {
        let page = read(&path);
        blocks += page.matches("\n```rust\n").count();
        outputs += page.matches("# assert!(page.contains(").count();
        shown += &page;
    }
    let folder = root().join("docs/book/src/figures");
    let figures = fs::read_dir(&folder).expect("the figures");
    let figures: Vec<String> =
        figures.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    for figure in &figures {
        let expected = match figure.ends_with(".txt") {
            true => read(&folder.join(figure)), // a table stands in the page itself
            false => format!("figures/{figure})"),
        };
        assert!(shown.contains(&expected), "no page shows {figure}:\n{expected}");
    }
    assert!(blocks > 50 && outputs > 10);
    let mut out = std::io::stdout();
    let _ = writeln!(
        out,
        "\nbook: {blocks} Rust blocks run by the doctests, {outputs} printed outputs and {} figures and tables compared",
        figures.len()
    );
}
