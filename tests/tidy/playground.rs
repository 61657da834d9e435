//! The page of the playground, which is built and committed, says which sources it was built from.

use std::io::Write as _;

use super::{files, read, root};

const PAGE: &str = "docs/book/src/two-tasks.html";

/// FNV-1a over the names and the bytes of files, as `docs/playground/bundle.py` computes it.
fn hash_of(mut paths: Vec<String>) -> String {
    paths.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for path in &paths {
        let bytes = std::fs::read(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        for byte in path.bytes().chain([0]).chain(bytes).chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

fn own_sources() -> Vec<String> {
    let single = ["Cargo.toml", "Cargo.lock", "build.sh", "bundle.py"];
    let mut paths: Vec<String> = single.iter().map(|name| format!("docs/playground/{name}")).collect();
    for folder in ["docs/playground/src", "docs/playground/page"] {
        paths.extend(files(folder, &[""]));
    }
    paths
}

#[test]
fn the_playground_was_built_from_its_sources() {
    let page = read(PAGE);
    let line = page.lines().find(|line| line.starts_with("<!-- built by ")).expect("what it was built from");
    let after = |word: &str| {
        let mut words = line.split(' ').skip_while(|other| *other != word);
        words.nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(
        after("own"),
        hash_of(own_sources()),
        "{PAGE} was built from other sources than docs/playground has now: run docs/playground/build.sh"
    );
    if after("library") != hash_of(files("src", &[".rs"])) {
        // Past the harness's hold on what passing tests print.
        let _ = writeln!(
            std::io::stdout(),
            "\nnotice: src has changed since {PAGE} was built (docs/playground/build.sh builds it again)"
        );
    }
}

/// It is to work from disk and offline.
#[test]
fn the_playground_is_one_file_that_asks_for_nothing() {
    let page = read(PAGE);
    assert!(page.contains("default-src 'none'"), "the browser is told to load nothing");
    for word in [" src=\"", "@import", "url(", "fetch(", "XMLHttpRequest", "import(", "://"] {
        assert!(!page.contains(word), "{PAGE} has {word}");
    }
    assert!(page.len() < 600_000, "{PAGE} has {} bytes", page.len());
}
