//! Which file of the sources names which: paths are followed through `use` lines to where an item is defined.

use std::collections::{BTreeMap, BTreeSet};

use super::{assert_none, code, files};

/// Files that still name each other. The list may only shrink.
const MUTUAL: &[(&str, &str)] = &[
    // Stays: the scalar's calls of the engine are a trait that it must name, and they are for scalars.
    ("src/compiled.rs", "src/scalar.rs"),
];

/// The modules of the crate: their files, and where the names come from that each takes in.
struct Tree {
    /// `layer::dense` → `src/layer/dense.rs`; the root of the crate is the empty name.
    files: BTreeMap<String, String>,
    /// (module, name) → what the name stands for, as it is written in the module.
    names: BTreeMap<(String, String), String>,
}

/// `src/layer/dense.rs` → `layer::dense`.
fn module(path: &str) -> String {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    path.trim_end_matches("lib").trim_end_matches("/mod").replace('/', "::")
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

/// The paths of a `use` tree, each with the name that it brings.
pub fn leaves(tree: &str) -> Vec<(String, String)> {
    let tree = tree.trim();
    if let Some((prefix, rest)) = tree.split_once('{') {
        let (mut depth, mut item, mut items) = (0, String::new(), Vec::new());
        for c in rest.chars() {
            match c {
                '}' if depth == 0 => break,
                ',' if depth == 0 => items.push(std::mem::take(&mut item)),
                _ => {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    item.push(c);
                }
            }
        }
        items.push(item);
        let below = items.iter().filter(|item| !item.trim().is_empty()).flat_map(|item| leaves(item));
        return below
            .map(|(path, name)| {
                let path = format!("{prefix}{path}");
                let path = path.trim_end_matches("::self").to_owned();
                let name = if name == "self" { last(&path).to_owned() } else { name };
                (path, name)
            })
            .collect();
    }
    let (path, name) = tree.split_once(" as ").unwrap_or((tree, last(tree)));
    vec![(path.trim().to_owned(), name.trim().to_owned())]
}

fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path).trim()
}

/// The `use` trees of a file, and what else of its code begins with `crate::` or `super::`.
fn trees_and_paths(code: &str) -> (Vec<String>, Vec<String>) {
    let (mut trees, mut paths) = (Vec::new(), Vec::new());
    for statement in code.split_inclusive([';', '{', '}', '\n']).scan(String::new(), |open, part| {
        // A `use` statement ends at its semicolon, whatever braces and lines are in it.
        open.push_str(part);
        let begun = open.trim_start();
        let is_use =
            ["use ", "pub use ", "pub(crate) use ", "pub(super) use "].iter().any(|w| begun.starts_with(w));
        Some(if is_use && !open.trim_end().ends_with(';') { None } else { Some(std::mem::take(open)) })
    }) {
        let Some(statement) = statement else { continue };
        let text = statement.trim();
        match text.split_once("use ").filter(|(before, _)| before.is_empty() || before.starts_with("pub")) {
            Some((_, tree)) if text.ends_with(';') => {
                trees.push(tree.trim_end_matches(';').replace('\n', " "))
            }
            _ => paths.extend(paths_of(text)),
        }
    }
    (trees, paths)
}

fn paths_of(text: &str) -> Vec<String> {
    let of_a_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c: char| !of_a_path(c)).map(|word| word.trim_end_matches(':'));
    words
        .filter(|word| word.starts_with("crate::") || word.starts_with("super::"))
        .map(str::to_owned)
        .collect()
}

impl Tree {
    fn read() -> Self {
        let paths = files("src", &[".rs"]).into_iter().filter(|path| !is_test(path));
        let mut tree =
            Self { files: paths.map(|path| (module(&path), path)).collect(), names: BTreeMap::new() };
        for (module, path) in &tree.files {
            for (path, name) in trees_and_paths(&code(path)).0.iter().flat_map(|tree| leaves(tree)) {
                tree.names.insert((module.clone(), name), path);
            }
        }
        tree
    }

    /// The module in which the item of a path is defined; `None` outside of the crate.
    fn home(&self, module: &str, path: &str, depth: usize) -> Option<String> {
        let mut at = module.to_owned();
        let mut names = path.split("::").peekable();
        let first = *names.peek()?;
        match first {
            "crate" => at.clear(),
            "super" => at = parent(module).to_owned(),
            "self" => {}
            _ if self.files.contains_key(&join(&at, first)) => {}
            _ => return None,
        }
        if matches!(first, "crate" | "super" | "self") {
            names.next();
        }
        while let Some(name) = names.next() {
            if name == "super" {
                at = parent(&at).to_owned();
            } else if self.files.contains_key(&join(&at, name)) {
                at = join(&at, name);
            } else if let Some(taken) = self.names.get(&(at.clone(), name.to_owned())).filter(|_| depth < 8) {
                let rest: Vec<&str> = names.collect();
                let taken = [vec![taken.as_str()], rest].concat().join("::");
                return self.home(&at, &taken, depth + 1);
            } else {
                break;
            }
        }
        Some(at)
    }

    /// The modules whose items a module names, but for its own.
    fn uses(&self, module: &str) -> BTreeSet<String> {
        let (trees, paths) = trees_and_paths(&code(&self.files[module]));
        let taken = trees.iter().flat_map(|tree| leaves(tree)).map(|(path, _)| path);
        let homes = taken.chain(paths).filter_map(|path| self.home(module, &path, 0));
        homes.filter(|home| home != module).collect()
    }
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path == "src/book.rs" || path.starts_with("src/dual/")
}

/// A contract and its members are one subject: a module may name what lies below it, and that the module.
fn is_above(one: &str, other: &str) -> bool {
    one.is_empty() || other.starts_with(&format!("{one}::"))
}

#[test]
fn no_file_names_a_file_that_names_it() {
    let tree = Tree::read();
    let uses: BTreeMap<&String, BTreeSet<String>> =
        tree.files.keys().map(|module| (module, tree.uses(module))).collect();
    let mut mutual = BTreeSet::new();
    for (module, used) in &uses {
        for other in used.iter().filter(|other| *module < other) {
            if uses[other].contains(*module) && !is_above(module, other) {
                mutual.insert((tree.files[*module].as_str(), tree.files[other].as_str()));
            }
        }
    }
    let known: BTreeSet<(&str, &str)> = MUTUAL.iter().copied().collect();
    let new = mutual.difference(&known).map(|(a, b)| format!("{a} and {b} name each other"));
    let gone = known.difference(&mutual).map(|(a, b)| format!("{a} and {b} are apart: take them off MUTUAL"));
    assert_none(new.chain(gone).collect(), "files know each other one way");
}

#[test]
fn paths_are_followed_to_where_an_item_is() {
    let (trees, paths) = trees_and_paths(
        "use crate::{Block, layer::{self, Dense}};\npub use std::fmt as f;\nfn f() -> super::Arena { crate::x::y() }",
    );
    let leaves: Vec<_> = trees.iter().flat_map(|tree| leaves(tree)).collect();
    let expected = [
        ("crate::Block", "Block"),
        ("crate::layer", "layer"),
        ("crate::layer::Dense", "Dense"),
        ("std::fmt", "f"),
    ];
    assert_eq!(leaves, expected.map(|(path, name)| (path.to_owned(), name.to_owned())));
    assert_eq!(paths, ["super::Arena", "crate::x::y"]);

    let tree = Tree::read();
    let home = |module: &str, path: &str| tree.home(module, path, 0);
    assert_eq!(home("network", "crate::Scalar").as_deref(), Some("scalar"));
    assert_eq!(home("train::run", "crate::optim::Adam").as_deref(), Some("optim::adam"));
    assert_eq!(home("optim::adam", "super::Rule").as_deref(), home("train", "crate::optim::Rule").as_deref());
    assert_eq!(home("network", "ndarray::Array2"), None);
    assert!(tree.uses("optim::adam").contains("scalar"));
}
