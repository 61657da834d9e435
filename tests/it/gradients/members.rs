//! No member of a family is without a row: the members are read from the sources.

use super::table::table;
use polytask::{Layer, Sharing, Task};

/// The variants of `pub enum <name>` in the text of a source file.
fn variants<'a>(name: &str, source: &'a str) -> Vec<&'a str> {
    let begin = source.find(&format!("pub enum {name} {{")).expect("the enum is in its file");
    let body = &source[begin..begin + source[begin..].find("\n}").expect("it ends")];
    let names = body.lines().skip(1).filter_map(|line| line.strip_prefix("    "));
    names.filter(|line| line.starts_with(char::is_uppercase)).map(leading_name).collect()
}

/// The name that a variant's definition, or its value printed for debugging, begins with.
fn leading_name(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric()).next().expect("split gives one part at least")
}

#[track_caller]
fn assert_all(name: &str, source: &str, at_least: usize, in_table: &[String]) {
    let members = variants(name, source);
    assert!(members.len() >= at_least, "the members of {name} were not found: {members:?}");
    for member in members {
        let has_row = in_table.iter().any(|printed| leading_name(printed) == member);
        assert!(has_row, "{name}::{member} has no row in the table of gradients");
    }
}

#[test]
fn every_member_has_a_row() {
    let rows = table();
    let tasks = || rows.iter().flat_map(|row| &row.tasks);
    let trunk_layers = rows.iter().flat_map(|row| match &row.sharing {
        Sharing::SharedTrunk(layers) | Sharing::Independent(layers) => layers.as_slice(),
        _ => &[],
    });
    let layers: Vec<&Layer> = trunk_layers.chain(tasks().flat_map(Task::layers)).collect();
    let printed_layers: Vec<String> = layers.iter().map(|layer| format!("{layer:?}")).collect();
    let activations: Vec<String> = printed_layers
        .iter()
        .filter_map(|layer| Some(layer.split_once("activation: ")?.1.to_owned()))
        .collect();
    let losses: Vec<String> = tasks().map(|task| format!("{:?}", task.loss())).collect();
    let forms: Vec<String> = rows.iter().map(|row| format!("{:?}", row.sharing)).collect();

    assert_all("Activation", include_str!("../../../src/layer/activation.rs"), 11, &activations);
    assert_all("Layer", include_str!("../../../src/layer/mod.rs"), 12, &printed_layers);
    assert_all("Loss", include_str!("../../../src/loss/spec.rs"), 19, &losses);
    assert_all("ListTarget", include_str!("../../../src/loss/listwise.rs"), 2, &list_targets(&losses));
    assert_all("Sharing", include_str!("../../../src/sharing/mod.rs"), 10, &forms);
}

fn list_targets(losses: &[String]) -> Vec<String> {
    losses.iter().filter_map(|loss| Some(loss.split_once("ListNet { target: ")?.1.to_owned())).collect()
}

#[test]
fn the_activations_of_all_are_all() {
    let all = polytask::Activation::ALL.map(|activation| format!("{activation:?}"));
    assert_all("Activation", include_str!("../../../src/layer/activation.rs"), 11, &all);
}

#[test]
fn a_member_without_a_row_is_noticed() {
    let source = "pub enum Layer {\n    /// Doc.\n    Dense(Dense),\n    /// Doc.\n    Fancy {\n        /// Width.\n        \
                  width: usize,\n    },\n}\n";
    assert_eq!(variants("Layer", source), ["Dense", "Fancy"]);
}
