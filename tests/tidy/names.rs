//! Names that were given up for the field's own: none of them comes back.

use super::{assert_none, code, files, text_files};

/// A name that was given up, what stands in its place, and where it is forbidden: the sources whose paths begin so.
type Renamed = (&'static str, &'static str, &'static [&'static str]);

const EVERYWHERE: &[&str] = &["src/"];
const ENGINE: &[&str] = &["src/arena/", "src/layer/", "src/sharing/", "src/network"];

/// One word for one thing. Where a name means something else in another module, that module is left out.
const RENAMED: &[Renamed] = &[
    ("Area", "BlockRef", EVERYWHERE),
    ("Audience", "Callbacks", EVERYWHERE),
    ("Bundle", "FusedHeads", EVERYWHERE),
    ("Combination", "GemvAxpy", EVERYWHERE),
    ("crew", "thread_pool", EVERYWHERE),
    ("Crew", "ThreadPool", EVERYWHERE),
    ("dots", "gemv", &["src/kernel"]),
    ("Desk", "Workspace", EVERYWHERE),
    ("desk", "workspace", EVERYWHERE),
    ("Dots", "GemvDot", EVERYWHERE),
    ("Doubt", "Uncertain", EVERYWHERE),
    ("Every", "EveryNth", &["src/balance"]),
    ("Finish", "Epilogue", EVERYWHERE),
    ("Flow", "Propagation", ENGINE),
    ("Flow", "std::ops::ControlFlow", &["src/train/"]),
    ("glance", "quick_entry", EVERYWHERE),
    ("Goal", "Objective", EVERYWHERE),
    ("Into", "InputDelta", ENGINE),
    ("Keeping", "CheckpointPolicy", EVERYWHERE),
    ("Kind", "EstimatorKind", &["src/estimator/"]),
    ("Mode", "Coverage", &["src/gradcheck/"]),
    ("Observed", "FixedEvidence", EVERYWHERE),
    ("Operands", "Gemm", EVERYWHERE),
    ("Origin", "Accumulate", EVERYWHERE),
    ("Over", "GramianScope", EVERYWHERE),
    ("Pass", "SimdLoop", &["src/kernel"]),
    ("path", "simd_level", &["src/kernel"]),
    ("Path", "SimdLevel", &["src/kernel"]),
    ("picture", "plot", EVERYWHERE),
    ("Plan", "ActivationLayout", EVERYWHERE),
    ("Recipe", "Settings", EVERYWHERE),
    ("Report", "GradientReport", &["src/gradcheck/"]),
    ("Row", "Gevm", &["src/kernel"]),
    ("Rows", "TaskGradients", &["src/balance"]),
    ("Site", "BuildContext", EVERYWHERE),
    ("Slot", "ActivationBlock", EVERYWHERE),
    ("Start", "Accumulate", &["src/kernel"]),
    ("Step", "Stride", &["src/kernel"]),
    ("tell", "notify", EVERYWHERE),
    ("Trial", "BlockResult", EVERYWHERE),
    ("vectorize", "simd, dispatch", EVERYWHERE),
    ("Watch", "Monitor", EVERYWHERE),
    ("witness", "dual", EVERYWHERE),
];

/// Variables of the environment that are no longer read, in halves so that this file does not name them.
const VARIABLES: [(&str, &str); 1] = [(concat!("POLYTASK_", "PATH"), "POLYTASK_SIMD")];

/// The items that the code defines or exports: what stands behind a keyword of a definition, and what a `pub use` brings.
fn items(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let words: Vec<&str> =
        code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
    for pair in words.windows(2) {
        if ["struct", "enum", "trait", "type", "fn", "mod", "const", "static", "union"].contains(&pair[0]) {
            found.push(pair[1].to_owned());
        }
    }
    for rest in code.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next()) {
        let names = rest.split(['{', '}', ',']).map(|path| path.rsplit("::").next().unwrap_or(path));
        found.extend(names.map(|name| name.rsplit(' ').next().unwrap_or(name).trim().to_owned()));
    }
    found
}

#[test]
fn names_that_were_given_up_do_not_come_back() {
    let mut faults = Vec::new();
    for path in files("src", &[".rs"]) {
        let items = items(&code(&path));
        let rows = RENAMED.iter().filter(|(_, _, places)| places.iter().any(|place| path.starts_with(place)));
        for (old, new, _) in rows {
            let is_file =
                path.rsplit('/').next() == Some(&format!("{old}.rs")) || path.contains(&format!("/{old}/"));
            if is_file || items.iter().any(|item| item == old) {
                faults.push(format!("{path}: `{old}` is called {new}"));
            }
        }
    }
    for path in text_files() {
        let text = super::read(&path);
        let old = VARIABLES.iter().filter(|(old, _)| text.contains(old));
        faults.extend(old.map(|(old, new)| format!("{path}: {old} is called {new}")));
    }
    assert_none(faults, "one word for one thing (docs/style.md)");
}

#[test]
fn definitions_and_exports_are_found() {
    let code = "pub(crate) struct Desk<F> { crew: F }\nfn tell() {}\npub use a::{Watch, b::Slot as Place};\npub use c::Flow;";
    assert_eq!(items(code), ["Desk", "tell", "", "Watch", "Place", "", "Flow"]);
}
