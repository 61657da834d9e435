//! A program of a user's, built as users build: with Cargo's default release profile, which compiles a crate in sixteen
//! parts.
//!
//! An instruction that the compiler could not inline is a function of `core::core_arch` in the program's table of
//! symbols. Each call of it goes through memory, and an inner loop of such calls is fifteen times as slow; a build in one
//! part, or with link-time optimisation, hides it. Nothing of the kind may be there but `_xgetbv`, with which the standard
//! library asks which instructions the processor has.

use std::process::Command;
use std::{env, fs, path::Path};

#[test]
#[ignore = "builds the crate with optimisation, minutes: cargo test --test processes default_profile -- --ignored"]
fn no_instruction_is_a_call() {
    if cfg!(not(all(target_arch = "x86_64", target_os = "linux"))) {
        eprintln!("SKIPPED: the table of symbols is read in ELF files of x86-64 Linux only");
        return;
    }
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("the crate's manifest");
    assert!(!manifest.contains("[profile.release"), "the default profile is to be the crate's own");
    let mut build = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    // Neither the flags nor the profile of whoever runs the tests.
    let ours = |name: &str| {
        name.starts_with("CARGO_PROFILE_") || ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"].contains(&name)
    };
    for name in env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| ours(name)) {
        build.env_remove(name);
    }
    // Where the examples are, so that what they have built is not built again.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the folder of all that is built");
    build.args(["run", "--release", "--offline", "--quiet", "--example", "default_profile", "--target-dir"]);
    let output = build.arg(target).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("elbow"), "the program did not run: {said}");

    let program = fs::read(target.join("release/examples/default_profile")).expect("the program");
    let names = function_names(&program);
    // A table without the crate's own functions would be no witness.
    assert!(names.iter().any(|name| name.contains("polytask")), "no table of symbols");
    let calls: Vec<_> = names.iter().filter(|name| name.contains("core_arch")).collect();
    let strangers: Vec<_> = calls.iter().filter(|name| !name.contains("_xgetbv")).collect();
    assert!(strangers.is_empty(), "instructions that are calls: {strangers:#?}");
}

/// The names in the table of symbols of a 64-bit ELF file, as the compiler made them. Names of what was inlined are in the
/// debugging sections only, which are not read.
fn function_names(elf: &[u8]) -> Vec<String> {
    let number = |at: usize, len: usize| -> usize {
        let bytes = elf[at..at + len].iter().rev();
        bytes.fold(0, |number, &byte| number << 8 | usize::from(byte))
    };
    assert_eq!(&elf[..6], b"\x7fELF\x02\x01", "a 64-bit file, little end first");
    let (headers, header_len, n_headers) = (number(0x28, 8), number(0x3a, 2), number(0x3c, 2));
    // Of a section: its kind, where it begins, its length, and which section belongs to it.
    let section = |i: usize| {
        let header = headers + i * header_len;
        (number(header + 4, 4), number(header + 0x18, 8), number(header + 0x20, 8), number(header + 0x28, 4))
    };
    const SYMBOLS: usize = 2;
    const SYMBOL_LEN: usize = 24;
    let mut names = Vec::new();
    for (_, begin, len, strings) in (0..n_headers).map(section).filter(|&(kind, ..)| kind == SYMBOLS) {
        let (_, strings, strings_len, _) = section(strings);
        let strings = &elf[strings..strings + strings_len];
        for symbol in (begin..begin + len).step_by(SYMBOL_LEN) {
            let name = &strings[number(symbol, 4)..];
            let end = name.iter().position(|&byte| byte == 0).expect("a name that ends");
            names.push(String::from_utf8_lossy(&name[..end]).into_owned());
        }
    }
    names
}
