//! Takes the program for Polars out of the book's page, so that the code that is tested is the code that is read.

use std::path::Path;
use std::{env, fs};

const PAGE: &str = "../../docs/book/src/saving-and-serving.md";

fn main() {
    println!("cargo::rerun-if-changed={PAGE}");
    let page = fs::read_to_string(PAGE).expect("the book's page");
    let mut programs = page.split("```").filter_map(|block| block.strip_prefix("rust,ignore\n"));
    let program = programs.find(|program| program.starts_with("use polars::")).expect("a program for Polars");
    let folder = env::var_os("OUT_DIR").expect("Cargo's folder");
    fs::write(Path::new(&folder).join("polars.rs"), program).expect("a folder to write to");
}
