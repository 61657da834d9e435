//! Prints both tasks' losses after 100 steps at each guided stop, as `tests/losses.mjs` does in WebAssembly.

use playground::engine::Engine;
use playground::setup::Setup;
use playground::stops::STOPS;
use polytask::{Result, Scalar};

fn losses<F: Scalar>(setup: &Setup) -> Result<[f64; 2]> {
    let mut engine = Engine::<F>::new(setup)?;
    for _ in 0..100 {
        engine.step()?;
    }
    Ok(engine.figures()?.losses)
}

fn main() -> Result<()> {
    for (i, stop) in STOPS.iter().enumerate() {
        let setup = stop.setup();
        for (width, [a, b]) in [("f32", losses::<f32>(&setup)?), ("f64", losses::<f64>(&setup)?)] {
            println!("{i} {width} {a:?} {b:?}");
        }
    }
    Ok(())
}
