//! Two things that take turns, so that what slows the machine down slows both.

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId};

/// Measures `own` beside `other`, sample by sample, and returns the medians of `other`'s time divided by `own`'s, and of the
/// seconds of each; nothing if the benchmark was filtered out.
pub fn in_turns(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    mut own: impl FnMut(),
    mut other: impl FnMut(),
) -> Option<(f64, [f64; 2])> {
    let (mut ratios, mut times) = (Vec::new(), [Vec::new(), Vec::new()]);
    group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
        bencher.iter_custom(|n| {
            let mut took = [Duration::ZERO; 2];
            // In short turns: what slows the machine down lasts longer.
            let turn = n.div_ceil(8).max(1);
            let mut left = n;
            while left > 0 {
                let turn = turn.min(left);
                left -= turn;
                let timed = |step: &mut dyn FnMut()| {
                    let start = Instant::now();
                    (0..turn).for_each(|_| step());
                    start.elapsed()
                };
                took[0] += timed(&mut own);
                took[1] += timed(&mut other);
            }
            ratios.push(took[1].as_secs_f64() / took[0].as_secs_f64());
            for (times, took) in times.iter_mut().zip(took) {
                times.push(took.as_secs_f64() / n as f64);
            }
            took[0]
        });
    });
    let median = |mut list: Vec<f64>| {
        list.sort_by(f64::total_cmp);
        list.get(list.len() / 2).copied()
    };
    let [own, other] = times;
    Some((median(ratios)?, [median(own)?, median(other)?]))
}
