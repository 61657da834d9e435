//! The same settings give the same losses here and in WebAssembly: the built page is run in Node.

use std::path::Path;
use std::process::Command;

fn lines(command: &mut Command) -> Vec<(String, [f64; 2])> {
    let output = command.output().expect("a program that runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let losses = [words[2], words[3]].map(|loss| loss.parse().expect("a loss"));
        (format!("{} {}", words[0], words[1]), losses)
    };
    text.lines().map(line).collect()
}

/// Compares one width, and gives the largest difference relative to the loss.
fn compare(node: &mut Command, width: &str, most: f64) -> f64 {
    let here = lines(Command::new(env!("CARGO_BIN_EXE_losses")).env("POLYTASK_SIMD", "portable"));
    let here: Vec<_> = here.into_iter().filter(|(name, _)| name.ends_with(width)).collect();
    let there = lines(node);
    assert_eq!((here.len(), there.len()), (5, 5));
    let mut largest = 0.0_f64;
    for ((name, here), (other, there)) in here.iter().zip(&there) {
        assert_eq!(name, other);
        for k in 0..2 {
            let difference = (here[k] - there[k]).abs() / here[k].abs().max(1.0);
            assert!(difference <= most, "{name}: {here:?} here, {there:?} in WebAssembly");
            largest = largest.max(difference);
        }
    }
    largest
}

#[test]
fn webassembly_computes_what_this_machine_computes() {
    if Command::new("node").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no Node to run WebAssembly in");
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let node = |file: &Path, width: &str| {
        let mut node = Command::new("node");
        node.arg(folder.join("tests/losses.mjs")).arg(file).arg(width);
        node
    };
    let page = folder.join("../book/src/two-tasks.html");
    println!("f64: within {:.1e}", compare(&mut node(&page, "f64"), "f64", 1e-10));
    // The page has 64 bits; `build.sh single` builds the engine with 32.
    let single = folder.join("../../target/playground/single.wasm");
    if single.exists() {
        println!("f32: within {:.1e}", compare(&mut node(&single, "f32"), "f32", 1e-4));
    } else {
        eprintln!(
            "SKIPPED for 32 bits: there is no target/playground/single.wasm (docs/playground/build.sh single)"
        );
    }
}
