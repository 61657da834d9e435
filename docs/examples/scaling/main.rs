//! What a training over ranks costs: measured here, and predicted for machines that are not here.
//!
//! ```sh
//! cargo run --release --example scaling                                  # predicts, from the constants in cost.rs
//! cargo build --release --features mpi --example scaling
//! for n in 1 2 4; do mpirun -n $n target/release/examples/scaling measure; done
//! ```

mod cost;
#[path = "../../../benches/sizes/mod.rs"]
mod sizes;

use std::time::Instant;

use cost::{NETWORKS, WIRES};
use polytask::prelude::*;
use polytask::ranks::{Exchange, Ranks};
use sizes::Size;

fn main() -> polytask::Result<()> {
    if std::env::args().nth(1).as_deref() != Some("measure") {
        predict();
        return Ok(());
    }
    #[cfg(feature = "mpi")]
    return polytask::ranks::on_processes(measure);
    #[cfg(not(feature = "mpi"))]
    measure(polytask::ranks::Alone)
}

/// The lower quartile of some times, in seconds: neighbours on a shared machine only ever make them longer.
fn quartile(n: usize, mut work: impl FnMut() -> polytask::Result<()>) -> polytask::Result<f64> {
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        let begun = Instant::now();
        work()?;
        times.push(begun.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[n / 4])
}

fn measure(ranks: impl Ranks + Clone + 'static) -> polytask::Result<()> {
    let (is_first, size) = (ranks.rank() == 0, ranks.size());
    let mut exchange = Exchange::new(ranks.clone());
    if is_first {
        println!("{size} rank(s)");
    }
    for len in [8, 132, 4096, 65_536, 148_484, 1 << 20, 2_913_360] {
        let mut numbers = vec![1.0_f32; len];
        let time = quartile(if len > 100_000 { 30 } else { 300 }, || exchange.sum(&mut numbers))?;
        if is_first && size > 1 {
            println!("sum of {len:>8} numbers: {:>10.1} µs", 1e6 * time);
        }
    }
    let mut all = vec![0.0; 8 * size];
    let time = quartile(1000, || exchange.gather(&[0.0; 8], &mut all))?;
    if is_first && size > 1 {
        println!("8 numbers to all: {:.1} µs", 1e6 * time);
    }
    for network in [Size::small("S", 32), Size::medium(), Size::large()] {
        let mut at = Vec::new();
        for batch in [network.batch / 8, network.batch] {
            let data = network.table::<f32>(4 * batch)?;
            let mut model = network.model::<f32>()?;
            let trainer = Trainer::new(Adam::new(1e-4)).batch_size(batch).threads(1).steps(u64::MAX);
            let mut run = trainer.ranks(ranks.clone()).start(&model, &data)?;
            let mut workspace = run.workspace(&model, None);
            let steps = (4e8 / (batch * model.n_parameters()) as f64).clamp(9.0, 5000.0) as usize;
            let time = quartile(steps, || run.step(&mut model, &data, &mut workspace))?;
            at.push((batch as f64, time, model.n_parameters()));
        }
        let [(few, fast, _), (many, slow, parameters)] = at[..] else { unreachable!("two batches") };
        let per_row = (slow - fast) / (many - few);
        if is_first {
            println!(
                "{} of {parameters} parameters: {:.2} µs at {few} rows, {:.2} µs at {many}: {:.3} µs + {:.4} µs per row",
                network.name,
                1e6 * fast,
                1e6 * slow,
                1e6 * (fast - per_row * few),
                1e6 * per_row,
            );
        }
    }
    Ok(())
}

/// A number with two or three digits.
fn short(x: f64) -> String {
    match x {
        _ if x >= 1e6 => format!("{:.1} M", x / 1e6),
        _ if x >= 1e4 => format!("{:.0} k", x / 1e3),
        _ if x >= 10.0 => format!("{x:.0}"),
        _ => format!("{x:.2}"),
    }
}

fn predict() {
    let counts = [8.0, 64.0, 512.0];
    println!("times faster than one process, with the batch of the benchmark over all ranks:");
    println!("| network | batch | wire | 8 ranks | 64 | 512 |\n|---|---|---|---|---|---|");
    for network in NETWORKS {
        for wire in WIRES {
            let times = counts.map(|n| short(n * cost::efficiency(network, wire, n, network.batch)));
            println!("| {} | {} | {} | {} |", network.name, network.batch, wire.name, times.join(" | "));
        }
    }
    println!("\nthe same with that batch on every rank:");
    println!("| network | wire | 8 ranks | 64 | 512 |\n|---|---|---|---|---|");
    for network in NETWORKS {
        for wire in WIRES {
            let times = counts.map(|n| short(n * cost::efficiency(network, wire, n, n * network.batch)));
            println!("| {} | {} | {} |", network.name, wire.name, times.join(" | "));
        }
    }
    println!("\nrows that each rank must have for an efficiency of a half:");
    println!("| network | wire | 8 ranks | 64 | 512 |\n|---|---|---|---|---|");
    for network in NETWORKS {
        for wire in WIRES {
            let rows = counts.map(|n| short(cost::rows_for_half(network, wire, n)));
            println!("| {} | {} | {} |", network.name, wire.name, rows.join(" | "));
        }
    }
    println!("\nparameters of a dense network from which on 8 ranks are faster than one process:");
    println!("| batch over all ranks | 1 Gbit/s | 10 Gbit/s |\n|---|---|---|");
    for batch in [64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0] {
        let least = WIRES.map(|wire| cost::least_parameters(wire, 8.0, batch).map_or("none".into(), short));
        println!("| {batch} | {} |", least.join(" | "));
    }
    println!("\nan epoch of a billion rows, in hours, computing and exchanging alone:");
    println!("| network | wire | rows per rank | 1 rank | 8 | 64 | 512 |\n|---|---|---|---|---|---|---|");
    for network in NETWORKS {
        for wire in WIRES {
            let hours = [1.0, 8.0, 64.0, 512.0].map(|n| {
                let batch = network.batch * n;
                short(1e9 / batch * cost::step(network, wire, n, batch) / 3600.0)
            });
            println!("| {} | {} | {} | {} |", network.name, wire.name, network.batch, hours.join(" | "));
        }
    }
}
