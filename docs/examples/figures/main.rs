//! Draws the figures of the book and computes its longer tables.
//!
//! ```text
//! cargo run --release --example figures
//! ```
//! The files go to `docs/book/src/figures`; a test compares them with what this program draws.

mod basics;
mod experiments;
mod growth;
mod pictures;

fn main() -> std::io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/book/src/figures");
    std::fs::create_dir_all(&folder)?;
    for (name, draw) in pictures::ALL {
        std::fs::write(folder.join(name), draw())?;
        println!("{name}");
    }
    Ok(())
}
