//! The figure of the chapter on tables larger than memory.

use polytask::plot::{Axis, Chart, Pen, sheet};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

const ROWS: usize = 100_000;
/// In memory at a time.
const TENTH: usize = ROWS / 10;
const BLOCK: usize = 250;

fn shuffled(mut items: Vec<usize>, rng: &mut ChaCha8Rng) -> Vec<usize> {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.random_range(0..=i));
    }
    items
}

/// The order that a buffer gives: each row that is drawn from it makes room for the next one of the file.
fn by_buffer(rng: &mut ChaCha8Rng) -> Vec<usize> {
    let (mut buffer, mut order): (Vec<usize>, _) = ((0..TENTH).collect(), Vec::new());
    for next in TENTH..ROWS {
        let at = rng.random_range(0..TENTH);
        order.push(std::mem::replace(&mut buffer[at], next));
    }
    order.extend(shuffled(buffer, rng));
    order
}

/// The order that windows of blocks give.
fn by_windows(rng: &mut ChaCha8Rng) -> Vec<usize> {
    let blocks = shuffled((0..ROWS / BLOCK).collect(), rng);
    let rows_of = |block: &usize| block * BLOCK..(block + 1) * BLOCK;
    let mut order = Vec::new();
    for window in blocks.chunks(TENTH / BLOCK) {
        order.extend(shuffled(window.iter().flat_map(rows_of).collect(), rng));
    }
    order
}

/// From where in the file the rows of batches come.
pub fn shuffling() -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let ways = [("A buffer", by_buffer(&mut rng)), ("Windows of blocks", by_windows(&mut rng))];
    let charts = ways.map(|(title, order)| {
        let x = Axis::linear("batch").range(0.0, 40.0);
        let y = Axis::linear("place in the file").range(0.0, 1.0);
        let every = ROWS / 40;
        let dots = (0..40).flat_map(|batch| {
            let rows = order[batch * every..batch * every + 16].iter();
            rows.map(move |&row| [batch as f64 + 0.5, row as f64 / ROWS as f64]).collect::<Vec<_>>()
        });
        Chart::new(title, x, y).size(420.0, 320.0).dots(Pen::colour(0), 2.0, "", dots)
    });
    sheet("From where the rows of a batch come, with a tenth of the file in memory", &charts, 2).svg()
}
