//! The figure of the chapter on more machines than one.

use polytask::plot::{Axis, Chart, sheet};

use super::cost::{NETWORKS, WIRES, efficiency};

/// How much of the time of 8 and of 64 ranks is worth its while, by the rows that each has of a step.
pub fn scaling() -> String {
    let charts = [8.0, 64.0].map(|ranks| {
        let x = Axis::log("rows of a step for each rank").range(1.0, 1e5);
        let y = Axis::linear("efficiency").range(0.0, 1.0);
        let mut chart = Chart::new(format!("{ranks} ranks"), x, y).size(420.0, 320.0);
        for network in &NETWORKS[1..] {
            for wire in WIRES {
                let rows = (0..=50).map(|i| 10.0_f64.powf(0.1 * f64::from(i)));
                let points = rows.map(|rows| [rows, efficiency(*network, wire, ranks, rows * ranks)]);
                chart = chart.line(format!("{}, {}", network.name, wire.name), points);
            }
        }
        chart
    });
    sheet("What part of their time ranks spend on what one process would have to do", &charts, 2).svg()
}
