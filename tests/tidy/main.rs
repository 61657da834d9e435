//! The tree and what docs/architecture.md and docs/style.md say of it agree.

mod exports;
mod names;
mod pages;
mod paths;
mod playground;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The most lines of a Rust file.
const LONGEST: usize = 600;

/// Files that are longer and by how many lines at most. The list may only shrink.
const LONG: [(&str, usize); 0] = [];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` that has one of the endings, by its path from the root, in order.
fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.expect("a readable folder").path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let path = path.strip_prefix(root()).expect("below the root");
                found.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

fn rust_files() -> Vec<String> {
    ["src", "tests", "benches", "docs"].iter().flat_map(|folder| files(folder, &[".rs"])).collect()
}

fn text_files() -> Vec<String> {
    let endings = [".rs", ".md", ".toml", ".py"];
    let mut all: Vec<String> =
        ["src", "tests", "benches", "docs"].iter().flat_map(|folder| files(folder, &endings)).collect();
    let top = fs::read_dir(root()).expect("the root").map(|entry| entry.expect("an entry").path());
    all.extend(
        top.filter(|path| path.is_file())
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .filter(|name| endings.iter().any(|ending| name.ends_with(ending))),
    );
    all
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The code of a source file: no comments, and nothing from its unit tests on.
fn code(path: &str) -> String {
    let text = read(path);
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| line.split(" // ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn assert_none(faults: Vec<String>, rule: &str) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

/// The top-level module that a source file belongs to; `None` for lib.rs.
fn module_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix("src/")?.split('/').next()?.trim_end_matches(".rs");
    (name != "lib").then_some(name)
}

/// What each module may use, from the table in docs/architecture.md.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let page = read("docs/architecture.md");
    let table = page.split("| module | may use |\n|---|---|\n").nth(1).expect("the table of modules");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let uses = cells[1].split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        (cells[0].trim_matches('`').to_owned(), uses.collect())
    })
    .collect()
}

/// Where the names come from that lib.rs re-exports at the root of the crate: `Scalar` from `scalar`.
fn reexports() -> BTreeMap<String, String> {
    let mut from = BTreeMap::new();
    for line in read("src/lib.rs").lines().filter(|line| !line.starts_with(' ')) {
        let Some(path) = line.strip_prefix("pub use ").and_then(|line| line.strip_suffix(';')) else {
            continue;
        };
        let Some((module, names)) = path.split_once("::") else { continue };
        for name in names.trim_matches(['{', '}']).split(',') {
            from.insert(name.trim().to_owned(), module.to_owned());
        }
    }
    from
}

/// The first names of all paths of `code` that begin with `crate::`, those in braces one by one.
fn paths_of_the_crate(code: &str) -> Vec<String> {
    let name = |text: &str| {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => found.push(name(rest)),
            Some(list) => {
                let (mut depth, mut item) = (0, String::new());
                for c in list.chars() {
                    match c {
                        '}' if depth == 0 => break,
                        ',' if depth == 0 => found.push(name(&std::mem::take(&mut item))),
                        _ => {
                            depth += i32::from(c == '{') - i32::from(c == '}');
                            item.push(c);
                        }
                    }
                }
                found.push(name(&item));
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

#[test]
fn modules_use_what_the_architecture_allows() {
    let (allowed, reexports) = (allowed(), reexports());
    let mut faults = Vec::new();
    let mut modules = BTreeSet::new();
    for path in files("src", &[".rs"]) {
        let Some(module) = module_of(&path).filter(|module| *module != "book") else { continue };
        modules.insert(module.to_owned());
        let Some(allowed) = allowed.get(module) else {
            faults.push(format!("{path}: `{module}` has no row in docs/architecture.md"));
            continue;
        };
        if path.ends_with("/tests.rs") {
            continue;
        }
        for name in paths_of_the_crate(&code(&path)) {
            let used = reexports.get(&name).unwrap_or(&name);
            if used != module && !allowed.contains(used) {
                faults.push(format!("{path}: `{module}` uses `{used}` (as crate::{name})"));
            }
        }
    }
    faults.extend(
        allowed.keys().filter(|row| !modules.contains(*row)).map(|row| format!("no module `{row}` in src")),
    );
    assert_none(faults, "arrows between modules (docs/architecture.md, code map)");
}

/// Invariant 7 by name, so that nobody widens the table without noticing.
#[test]
fn the_mathematics_knows_no_network() {
    let allowed = allowed();
    for module in ["loss", "balance", "optim", "gradcheck", "metric"] {
        for network in ["layer", "sharing", "network", "model", "train"] {
            assert!(!allowed[module].contains(network), "`{module}` may not use `{network}`");
        }
    }
}

/// The arrows test reads paths; these are the ways a path could escape it.
#[test]
fn no_path_leaves_a_module_by_super() {
    let mut faults = Vec::new();
    for path in files("src", &[".rs"]) {
        let depth = path.matches('/').count() - usize::from(path.ends_with("/mod.rs"));
        let escape = "super::".repeat(depth.max(1));
        if depth > 0 && path != "src/lib.rs" && code(&path).contains(&escape) {
            faults.push(format!("{path}: `{escape}` is the root of the crate; write `crate::`"));
        }
    }
    assert_none(faults, "paths");
}

#[test]
fn the_arrows_test_can_fail() {
    let code = "use crate::{Block, layer::{Dense, Into}, Result};\nfn f() -> crate::network::Network {}";
    assert_eq!(paths_of_the_crate(code), ["Block", "layer", "Result", "network"]);
    assert_eq!(reexports()["Scalar"], "scalar");
    assert!(!allowed()["loss"].contains("layer"));
}

#[test]
fn files_are_short() {
    let faults = rust_files().into_iter().filter_map(|path| {
        let lines = read(&path).lines().count();
        let most = LONG.iter().find(|(long, _)| *long == path).map_or(LONGEST, |(_, most)| *most);
        (lines > most).then(|| format!("{path}: {lines} lines, at most {most}"))
    });
    assert_none(faults.collect(), "length of files");
}

#[test]
fn unsafe_code_is_in_the_kernel() {
    let word = concat!("un", "safe");
    // The playground's functions that JavaScript calls keep their names; what is in them is checked like any code.
    let kept_name = concat!("#[un", "safe(no_mangle)]");
    let faults = rust_files().into_iter().filter(|path| {
        let mut text = code(path);
        if path == "docs/playground/src/lib.rs" {
            text = text.replace(kept_name, "");
        }
        let is_used = text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|token| token == word);
        let counts_allocations = path.starts_with("tests/") && text.contains("impl GlobalAlloc for");
        is_used && !path.starts_with("src/kernel/") && !counts_allocations
    });
    assert_none(faults.collect(), "code that the compiler cannot check lies in src/kernel");
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let faults = files("src", &[".rs"]).into_iter().filter(|path| {
        let text = read(path);
        let first = text.lines().next().unwrap_or_default();
        !(first.starts_with("//! ") && first.len() >= 20)
    });
    assert_none(faults.collect(), "a file begins with //! and a sentence");
}

#[test]
fn nothing_is_unfinished() {
    let words =
        [concat!("todo", "!"), concat!("unimplement", "ed!"), concat!("TO", "DO"), concat!("FIX", "ME")];
    let mut faults = Vec::new();
    for path in rust_files().into_iter().filter(|path| !path.starts_with("docs/book/exercises/")) {
        let text = read(&path);
        faults
            .extend(words.iter().filter(|word| text.contains(**word)).map(|word| format!("{path}: {word}")));
    }
    assert_none(faults, "unfinished code");
}

#[test]
fn text_is_clean() {
    let mut faults = Vec::new();
    let machine = [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/tm", "p/")];
    for path in text_files() {
        let text = read(&path);
        for (number, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line)) {
            if line.ends_with([' ', '\t', '\r']) {
                faults.push(format!("{path}:{number}: trailing space"));
            }
            if line.contains('\t') {
                faults.push(format!("{path}:{number}: tab"));
            }
            let comment = line.trim_start().trim_start_matches(['/', '#', '!']).trim();
            let is_comment = line.trim_start().starts_with("//");
            if is_comment && comment.len() >= 4 && comment.chars().all(|c| "-=─═*".contains(c)) {
                faults.push(format!("{path}:{number}: banner"));
            }
            if machine.iter().any(|place| line.contains(place)) {
                faults.push(format!("{path}:{number}: a path of one machine"));
            }
        }
        if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
            faults.push(format!("{path}: one newline at the end"));
        }
    }
    assert_none(faults, "text");
}

/// Rule of place: who knows a member's name finds its file in one page of the book.
#[test]
fn every_member_of_a_family_is_in_the_map() {
    let map = read("docs/book/src/where-it-is.md");
    let mut faults = Vec::new();
    for family in ["layer", "sharing", "loss", "balance", "optim", "metric"] {
        let parent = read(&format!("src/{family}/mod.rs"));
        for path in files(&format!("src/{family}"), &[".rs"]) {
            let inside = path.strip_prefix(&format!("src/{family}/")).expect("of the family");
            if inside.contains('/') || inside == "mod.rs" {
                continue;
            }
            if !parent.contains(&format!("mod {};", inside.trim_end_matches(".rs"))) {
                faults.push(format!("{path}: no `mod` line in src/{family}/mod.rs"));
            }
            if !map.contains(&format!("src/{family}/{inside}")) {
                faults.push(format!("{path}: not in docs/book/src/where-it-is.md"));
            }
        }
    }
    for path in map.split('`').filter(|word| word.starts_with("src/") || word.starts_with("tests/")) {
        if !root().join(path).exists() {
            faults.push(format!("docs/book/src/where-it-is.md: no file {path}"));
        }
    }
    assert_none(faults, "the map of formulas");
}

#[test]
fn every_example_is_declared() {
    let manifest = read("Cargo.toml");
    let faults = files("docs/examples", &[".rs"]).into_iter().filter(|path| {
        let is_program = code(path).contains("fn main()");
        is_program && !manifest.contains(&format!("path = \"{path}\""))
    });
    assert_none(faults.collect(), "[[example]] in Cargo.toml");
}

/// A learner's answer is checked without building what tests and benchmarks need.
#[test]
fn exercises_are_a_package_without_dependencies() {
    let manifest = read("docs/book/exercises/Cargo.toml");
    assert!(!manifest.contains("dependencies"), "{manifest}");
    assert!(
        read("Cargo.toml").contains("members = [\"docs/book/exercises\"]"),
        "its target folder is the root's"
    );
}

/// The text of the links of a page, code aside: what stands in `](…)`.
fn links(page: &str) -> Vec<String> {
    let mut in_code = false;
    let prose = page.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    });
    let prose = prose.collect::<Vec<_>>().join("\n");
    let ends = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    ends.map(str::to_owned).collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut faults = Vec::new();
    for path in text_files().into_iter().filter(|path| path.ends_with(".md")) {
        let folder: PathBuf = root().join(&path).parent().expect("a folder").to_owned();
        for link in links(&read(&path)) {
            let file = link.split('#').next().unwrap_or_default();
            let outside = link.contains("://") || link.starts_with("mailto:") || file.is_empty();
            if !outside && !folder.join(file).exists() {
                faults.push(format!("{path}: {link}"));
            }
        }
    }
    assert_none(faults, "links");
}

/// A page of the book is in its table of contents, and its Rust blocks are run by `cargo test --doc`.
#[test]
fn every_page_of_the_book_is_listed_and_run() {
    let (summary, tests) = (read("docs/book/src/SUMMARY.md"), read("src/book.rs"));
    let others: String =
        files("src", &[".rs"]).iter().filter(|path| *path != "src/book.rs").map(|path| read(path)).collect();
    let mut faults = Vec::new();
    for path in files("docs/book/src", &[".md"]).into_iter().filter(|path| !path.ends_with("SUMMARY.md")) {
        let name = path.strip_prefix("docs/book/src/").expect("a page");
        if !summary.contains(&format!("({name})")) {
            faults.push(format!("{path}: not in SUMMARY.md"));
        }
        let is_run = tests.contains(&format!("\"{name}\"")) || others.contains(&path);
        let page = read(&path);
        if page.contains("\n```rust\n") && !is_run {
            faults.push(format!("{path}: not in src/book.rs"));
        }
        // What needs Polars is taken from the page by tests/interop, which compiles and runs it.
        if page.replace("```rust,ignore\nuse polars::", "").contains("```rust,") {
            faults.push(format!("{path}: a Rust block that is not run"));
        }
    }
    for path in files("docs/zh", &[".md"]) {
        let name = path.strip_prefix("docs/").expect("a page");
        if read(&path).contains("\n```rust\n") && !tests.contains(&format!("\"../../{name}\"")) {
            faults.push(format!("{path}: not in src/book.rs"));
        }
    }
    assert_none(faults, "pages of the book");
}

/// A program that a page shows under the comment `<!-- docs/examples/NAME.rs -->` is that example, word for word.
#[test]
fn programs_in_pages_are_the_examples() {
    let mut faults = Vec::new();
    for path in text_files().into_iter().filter(|path| path.ends_with(".md")) {
        for part in read(&path).split("<!-- docs/examples/").skip(1) {
            let (name, rest) = part.split_once(" -->").expect("the end of the comment");
            let shown =
                rest.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
            let example = read(&format!("docs/examples/{name}"));
            let program = example.lines().skip_while(|line| line.starts_with("//!") || line.is_empty());
            if shown.trim() != program.collect::<Vec<_>>().join("\n").trim() {
                faults.push(format!("{path}: differs from docs/examples/{name}"));
            }
        }
    }
    assert_none(faults, "programs");
}
