//! How the cost of a step grows: times measured by `cargo bench --bench step -- growth`, beside the time that the
//! arithmetic would take at the processor's peak.

use polytask::plot::{Axis, Chart, sheet};

/// A network as in `benches/sizes`: 64 features, a trunk, heads of 64 → 1.
struct Network {
    batch: f64,
    width: f64,
    depth: f64,
    tasks: f64,
}

/// From which one number at a time is changed.
const MIDDLE: Network = Network { batch: 128.0, width: 128.0, depth: 2.0, tasks: 4.0 };

/// Operations a second of one core of the processor measured, by `benches/peak`.
const PEAK: f64 = 117e9;

impl Network {
    /// µs of the products of one step at the peak: forward, weights' gradients, and deltas but for the input's.
    fn at_peak(&self) -> f64 {
        let first = 64.0 * self.width;
        let all =
            first + (self.depth - 1.0) * self.width * self.width + self.tasks * (self.width * 64.0 + 64.0);
        2.0 * self.batch * (3.0 * all - first) / PEAK * 1e6
    }
}

/// A number that is changed, and for each value the median µs of a step of `fit`, f32, one thread (AMD EPYC 9004,
/// 2026-11-24).
type Series = (&'static str, fn(f64) -> Network, &'static [[f64; 2]]);

const MEASURED: [Series; 4] = [
    (
        "width",
        |width| Network { width, ..MIDDLE },
        &[[16.0, 59.3], [32.0, 102.2], [64.0, 202.6], [128.0, 469.4], [256.0, 1285.5], [512.0, 3626.6]],
    ),
    (
        "depth",
        |depth| Network { depth, ..MIDDLE },
        &[[1.0, 349.1], [2.0, 515.2], [4.0, 797.8], [8.0, 1341.6]],
    ),
    (
        "batch",
        |batch| Network { batch, ..MIDDLE },
        &[[1.0, 46.5], [8.0, 71.0], [32.0, 153.8], [128.0, 508.7], [512.0, 1916.8], [2048.0, 9476.8]],
    ),
    (
        "tasks",
        |tasks| Network { tasks, ..MIDDLE },
        &[[1.0, 257.2], [2.0, 338.5], [4.0, 507.3], [8.0, 811.3], [16.0, 1438.5]],
    ),
];

pub fn growth() -> String {
    let charts = MEASURED.map(|(what, network, measured)| {
        let x = Axis::log(what).ticks(measured.iter().map(|[value, _]| (*value, value.to_string())));
        let y = Axis::log("µs per step").range(1.0, 10_000.0).ticks([
            (1.0, "1"),
            (10.0, "10"),
            (100.0, "100"),
            (1_000.0, "1000"),
            (10_000.0, "10000"),
        ]);
        Chart::new(format!("Cost of a step against {what}"), x, y)
            .line("measured", measured.iter().copied())
            .line(
                "arithmetic at the peak",
                measured.iter().map(|&[value, _]| [value, network(value).at_peak()]),
            )
    });
    sheet("How the cost of a step grows", &charts, 2).svg()
}
