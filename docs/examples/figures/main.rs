//! Draws the figures of the book and computes its longer tables.
//!
//! ```text
//! cargo run --release --example figures              # or one of them: -- shuffling.svg
//! ```
//! The files go to `docs/book/src/figures`; a test compares them with what this program draws.

mod basics;
mod experiments;
mod growth;
mod layers;
mod mixtures;
mod pictures;
mod scaling;
mod streams;

// Parts of these are for the other programs that have them.
#[allow(dead_code)]
#[path = "../scaling/cost.rs"]
mod cost;
#[allow(dead_code)]
#[path = "../balance_toy/problem.rs"]
mod toy;
#[allow(dead_code)]
#[path = "../../../tests/it/tutorial_record.rs"]
mod tutorial_record;
#[allow(dead_code)]
#[path = "../balance_toy/two_scales.rs"]
mod two_scales;

fn main() -> std::io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/book/src/figures");
    std::fs::create_dir_all(&folder)?;
    let one = std::env::args().nth(1);
    for (name, draw) in pictures::ALL.iter().filter(|(name, _)| one.as_ref().is_none_or(|one| one == name)) {
        std::fs::write(folder.join(name), draw())?;
        println!("{name}");
    }
    Ok(())
}
