//! The estimator on the table of `large_table.py`: R² on new rows, seconds and memory.
//!
//! ```text
//! cargo run --release --example large_table -- target/large [members]
//! ```

use std::path::Path;
use std::time::Instant;

use ndarray::Array2;
use polytask::data::npy;
use polytask::prelude::*;

fn main() -> polytask::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("the folder that large_table.py has written");
    let load = |name: &str| npy::read::<f32>(&Path::new(&folder).join(format!("{name}.npy")));
    let [x, y, test_x, test_y]: [Array2<f32>; 4] =
        [load("train_x")?, load("train_y")?, load("test_x")?, load("test_y")?];
    let before = most_memory();
    let mut settings = MultiTaskRegressor::new();
    if let Some(members) = arguments.next() {
        settings = settings.members(members.parse().expect("a number of networks"));
    }
    let begin = Instant::now();
    let model = settings.fit(&x, &y)?;
    let predicted = model.predict(&test_x)?;
    let seconds = begin.elapsed().as_secs_f64();
    let r2 = |k: usize| {
        let column = |all: &Array2<f32>| all.column(k).mapv(f64::from);
        let (y, p) = (column(&test_y), column(&predicted));
        let mean = y.mean().expect("rows");
        1.0 - (&y - &p).mapv(|e| e * e).sum() / y.mapv(|y| (y - mean).powi(2)).sum()
    };
    let each: Vec<f64> = (0..y.ncols()).map(r2).collect();
    println!(
        "polytask: R2 {:.4} ({each:.4?}), {seconds:.1} s, {} MB at most, {before} MB before the fit",
        each.iter().sum::<f64>() / each.len() as f64,
        most_memory(),
    );
    if let Some(stack) = model.stack() {
        println!("{stack}");
    }
    Ok(())
}

/// The most memory that this process has had, in megabytes, by the kernel's count.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.map_or(0, |kilobytes| kilobytes / 1024)
}
