//! What it costs to look at tasks and rows while training, as multiples of a plain step on the same batch: the affinity of tasks
//! between the halves of a step, gradients of all rows of the batch and their norms, and products of every pair of rows for one
//! pair of tasks. One thread, `f32`.
//!
//! Plain steps and what is measured take turns, so that what slows the machine down slows both; printed are medians of the turns'
//! ratios.

mod sizes;

use std::hint::black_box;
use std::time::Instant;

use polytask::ledger::RowGradients;
use polytask::prelude::*;
use polytask::train::Affinity;
use sizes::Size;

const TURNS: usize = 31;

fn main() -> polytask::Result<()> {
    println!("size    affinity   norms   products");
    for size in [Size::small("S32", 32), Size::small("S1024", 1024), Size::medium(), Size::large()] {
        let ratios = measure(&size)?.map(|ratio| format!("{ratio:.2}"));
        println!("{:6}  {:>8}  {:>6}   {:>8}", size.name, ratios[0], ratios[1], ratios[2]);
    }
    Ok(())
}

fn measure(size: &Size) -> polytask::Result<[f64; 3]> {
    let data = size.table::<f32>(size.batch)?;
    let mut model = size.model::<f32>()?;
    let trainer = Trainer::new(Adam::new(1e-4)).batch_size(size.batch).steps(u64::MAX).threads(1);
    let mut run = trainer.start(&model, &data)?;
    model.fit_scaling(&data)?;
    let mut workspace = run.workspace(&model, None);
    let mut affinity = Affinity::new(&model);
    // As often as takes some milliseconds.
    let often = (2_000_000 / (size.batch * model.n_parameters())).clamp(1, 200);
    let mut ratios = [(); 3].map(|()| Vec::with_capacity(TURNS));
    for turn in 0..TURNS + 3 {
        let mut timed = |with_affinity: bool| -> polytask::Result<f64> {
            let begun = Instant::now();
            for _ in 0..often {
                run.gradient(&model, &data.all(), &mut workspace)?;
                if with_affinity {
                    affinity.observe(&run, &model, &data.all(), &mut workspace)?;
                }
                run.update(&mut model, &mut workspace)?;
            }
            Ok(begun.elapsed().as_secs_f64())
        };
        let (plain, with_affinity) = (timed(false)?, timed(true)?);
        let begun = Instant::now();
        for _ in 0..often {
            black_box(RowGradients::of(&model, &data)?.norms());
        }
        let norms = begun.elapsed().as_secs_f64();
        let rows = RowGradients::of(&model, &data)?;
        let begun = Instant::now();
        for _ in 0..often {
            black_box(rows.products(0, &rows, 1));
        }
        let products = begun.elapsed().as_secs_f64();
        // The first turns are to warm up.
        if turn >= 3 {
            for (ratios, time) in ratios.iter_mut().zip([with_affinity, norms, products]) {
                ratios.push(time / plain);
            }
        }
    }
    Ok(ratios.map(|mut ratios| {
        ratios.sort_by(f64::total_cmp);
        ratios[TURNS / 2]
    }))
}
