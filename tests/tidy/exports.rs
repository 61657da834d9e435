//! What the crate exports is a list that was read: an item more or less is seen in a review.
//!
//! `RECORD=1 cargo test --test tidy` writes the list anew.

use std::collections::BTreeSet;
use std::fs;

use super::{assert_none, code, read, root};

const LIST: &str = "tests/tidy/exports.txt";

/// The items of a public module and of the public modules below it, by their paths from the root of the crate.
fn exported(path: &str, module: &str, found: &mut BTreeSet<String>) {
    let code = code(path);
    let folder = match path.rsplit_once('/').expect("in src") {
        (folder, "lib.rs" | "mod.rs") => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    };
    let mut add = |name: &str| {
        found.insert(format!("{module}{name}"));
    };
    for line in code.lines() {
        // Items of a module stand at the margin.
        let Some(item) = line.strip_prefix("pub ") else { continue };
        let item = item.strip_prefix("const ").filter(|rest| rest.starts_with("fn ")).unwrap_or(item);
        let item = ["struct ", "enum ", "trait ", "type ", "fn ", "const ", "static "]
            .iter()
            .find_map(|kind| item.strip_prefix(kind))
            .unwrap_or_default();
        let name: String = item.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !name.is_empty() {
            add(&name);
        }
    }
    for tree in format!("\n{code}").split("\npub use ").skip(1).filter_map(|rest| rest.split(';').next()) {
        super::paths::leaves(&tree.replace('\n', " ")).iter().for_each(|(_, name)| add(name));
    }
    for rest in format!("\n{code}").split("\npub mod ").skip(1) {
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let inside = format!("{module}{name}::");
        let places = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")];
        match places.iter().find(|place| root().join(place).exists()) {
            Some(place) => exported(place, &inside, found),
            None => {
                // A module in the same file, such as the prelude.
                let body =
                    rest.split_once("{\n").and_then(|(_, body)| body.split("\n}").next()).unwrap_or_default();
                for tree in body.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next()) {
                    let names = super::paths::leaves(&tree.replace('\n', " "));
                    found.extend(names.iter().map(|(_, name)| format!("{inside}{name}")));
                }
            }
        }
    }
}

#[test]
fn exports_are_those_of_the_list() {
    let mut found = BTreeSet::new();
    exported("src/lib.rs", "", &mut found);
    let lines: Vec<&str> = found.iter().map(String::as_str).collect();
    if std::env::var_os("RECORD").is_some() {
        return fs::write(root().join(LIST), lines.join("\n") + "\n").expect("the list");
    }
    let list = read(LIST);
    let known: BTreeSet<&str> = list.lines().collect();
    let new = lines.iter().filter(|line| !known.contains(*line)).map(|line| format!("{line}: not in {LIST}"));
    let gone =
        known.iter().filter(|line| !found.contains(**line)).map(|line| format!("{line}: no longer exported"));
    assert_none(
        new.chain(gone).collect(),
        "exported items; RECORD=1 cargo test --test tidy writes the list anew",
    );
    assert!(found.contains("Model") && found.contains("prelude::Trainer") && found.contains("optim::Adam"));
}
