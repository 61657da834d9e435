//! Figures of the chapters on one network, on tables of several tasks and on files.

use polytask::loss::{Labels, Loss};
use polytask::metric::ConfusionMatrix;
use polytask::ndarray::{Array2, array, s};
use polytask::plot::{self, Anchor, Axis, Chart, Drawing, Pen, sheet};
use safetensors::SafeTensors;

use super::experiments;

/// Side by side on a page.
const HALF: [f64; 2] = [420.0, 320.0];

fn decades(from: i32, to: i32, every: usize) -> Vec<(f64, String)> {
    (from..=to).step_by(every).map(|e| (10_f64.powi(e), format!("1e{e}"))).collect()
}

/// The rows and the walk of the first chapter.
pub fn neuron() -> String {
    let rows = [[0.0, 1.0], [1.0, 3.0], [2.0, 5.0], [3.0, 7.0]];
    let (mut w, mut b, mut losses) = (0.5, 0.0, Vec::new());
    let (x, y) = (Axis::linear("x").range(-0.3, 3.3), Axis::linear("w x + b").range(-1.0, 8.0));
    let mut lines = Chart::new("The neuron after some steps", x, y).size(HALF[0], HALF[1]);
    for step in 0..=100 {
        if [0, 1, 100].contains(&step) {
            lines = lines.line(format!("step {step}"), [-0.3, 3.3].map(|x| [x, w * x + b]));
        }
        let residuals = rows.map(|[x, t]| w * x + b - t);
        losses.push([f64::from(step), residuals.iter().map(|r| r * r / 4.0).sum::<f64>()]);
        let dw: f64 = residuals.iter().zip(rows).map(|(r, [x, _])| 2.0 * r * x / 4.0).sum();
        let db: f64 = residuals.iter().map(|r| 2.0 * r / 4.0).sum();
        (w, b) = (w - 0.1 * dw, b - 0.1 * db);
    }
    let lines = lines.dots(Pen::INK, 4.0, "rows", rows);
    let (x, y) = (Axis::linear("step").range(0.0, 100.0), Axis::log("loss").range(1e-8, 100.0));
    let y = y.ticks(decades(-8, 2, 2));
    let falling = Chart::new("Its loss", x, y).size(HALF[0], HALF[1]).line("", losses);
    sheet("A neuron learns a line", &[lines, falling], 2).svg()
}

/// A matrix as a grid of cells, its name above and its shape below.
fn matrix(
    drawing: &mut Drawing,
    [x, y]: [f64; 2],
    [rows, cols]: [usize; 2],
    pen: Pen,
    name: &str,
    shape: &str,
) {
    const CELL: f64 = 18.0;
    for (row, col) in (0..rows * cols).map(|at| (at / cols, at % cols)) {
        let corner = [x + CELL * col as f64, y + CELL * row as f64];
        drawing.bar(corner, [CELL, CELL], pen.opacity(0.2));
        drawing.frame(corner, [CELL, CELL], pen.width(1.0));
    }
    let middle = x + CELL * cols as f64 / 2.0;
    drawing.text([middle, y - 8.0], Anchor::Middle, pen, name);
    drawing.text([middle, y + CELL * rows as f64 + 16.0], Anchor::Middle, Pen::ASIDE, shape);
}

/// The products of a dense layer for B = 5, I = 3, O = 2.
pub fn products() -> String {
    let mut drawing = Drawing::new("The four products of a dense layer and their shapes", [680.0, 330.0]);
    let (value, delta, gradient) = (Pen::colour(0), Pen::colour(1), Pen::colour(2));
    let products = [
        (
            [20.0, 40.0],
            [("x", [5, 3], "B × I", value), ("W", [3, 2], "I × O", value), ("z", [5, 2], "B × O", value)],
        ),
        (
            [360.0, 40.0],
            [("dz", [5, 2], "B × O", delta), ("Wᵀ", [2, 3], "O × I", value), ("dx", [5, 3], "B × I", delta)],
        ),
        (
            [20.0, 205.0],
            [
                ("xᵀ", [3, 5], "I × B", value),
                ("dz", [5, 2], "B × O", delta),
                ("dW", [3, 2], "I × O", gradient),
            ],
        ),
        (
            [360.0, 205.0],
            [
                ("1ᵀ", [1, 5], "1 × B", value),
                ("dz", [5, 2], "B × O", delta),
                ("db", [1, 2], "1 × O", gradient),
            ],
        ),
    ];
    for ([left, top], factors) in products {
        for (place, (name, shape, words, pen)) in factors.into_iter().enumerate() {
            let x = left + 112.0 * place as f64;
            matrix(&mut drawing, [x, top], shape, pen, name, words);
            if place < 2 {
                drawing.text([x + 101.0, top + 24.0], Anchor::Middle, Pen::INK, ["·", "="][place]);
            }
        }
    }
    drawing.svg()
}

/// Value and delta of a loss for one output and label.
fn value_and_delta(loss: &Loss, output: f64, label: f64) -> [f64; 2] {
    let (y, t, mut delta) = (array![[output]], array![[label]], Array2::zeros((1, 1)));
    let loss = loss.build::<f64>().expect("valid settings");
    let value = loss.value_and_delta(y.view(), &Labels::new(t.view()), delta.view_mut());
    [value, delta[[0, 0]]]
}

pub fn losses() -> String {
    let regression = [
        ("squared", Loss::mean_squared_error()),
        ("absolute", Loss::mean_absolute_error()),
        ("Huber, δ = 1", Loss::huber(1.0)),
    ];
    let decision = [("label 1", 1.0), ("label 0", 0.0)];
    let grid = |i: i32| f64::from(i) / 20.0;
    let mut charts = Vec::new();
    for (side, name) in ["loss", "delta"].into_iter().enumerate() {
        let y = Axis::linear(name).range([0.0, -4.0][side], 4.0);
        let mut chart =
            Chart::new(format!("{name} of a residual"), Axis::linear("y − t").range(-3.0, 3.0), y);
        for (k, (name, loss)) in regression.iter().enumerate() {
            let line = (-60..=60).map(|i| [grid(i), value_and_delta(loss, grid(i), 0.0)[side]]);
            chart = chart.line_with(Pen::series(k), *name, line.filter(|[_, y]| y.abs() <= 4.0));
        }
        charts.push(chart.size(HALF[0], HALF[1]));
    }
    for (side, name) in ["loss", "delta"].into_iter().enumerate() {
        let y = Axis::linear(name).range([0.0, -1.0][side], [6.0, 1.0][side]);
        let mut chart = Chart::new(format!("{name} of a logit"), Axis::linear("z").range(-6.0, 6.0), y);
        for (k, (name, label)) in decision.into_iter().enumerate() {
            let loss = Loss::binary_cross_entropy();
            let line = (-120..=120).map(|i| [grid(i), value_and_delta(&loss, grid(i), label)[side]]);
            chart = chart.line_with(Pen::series(k), name, line.filter(|[_, y]| y.abs() <= 6.0));
        }
        charts.push(chart.size(HALF[0], HALF[1]));
    }
    sheet("Losses and their deltas", &charts, 2).svg()
}

/// How far right and wrong gradients are from differences, for twenty draws of θ.
pub fn agreement() -> String {
    let found = experiments::agreement();
    let ticks = found.iter().enumerate().map(|(i, (name, _))| (i as f64 + 0.5, (*name).to_owned()));
    let x = Axis::linear("gradient handed in").range(0.0, found.len() as f64).ticks(ticks);
    let y = Axis::log("|numeric − by hand| / |numeric|").range(1e-12, 10.0).ticks(decades(-12, 0, 2));
    let mut chart = Chart::new("A right gradient, and three that are wrong", x, y);
    for (i, (_, errors)) in found.iter().enumerate() {
        let dots = errors.iter().enumerate().map(|(draw, &error)| {
            // Roundings differ from processor to processor: a right gradient is shown no closer than this.
            [i as f64 + 0.25 + 0.025 * draw as f64, error.max(1e-9)]
        });
        chart = chart.dots(Pen::colour(usize::from(i > 0)).opacity(0.75), 4.0, "", dots);
    }
    chart.drawing().svg()
}

/// The tutorial in both engines, from the same first weights on the same rows.
pub fn engines() -> String {
    let [recorded, found] = experiments::tutorial_in_both_engines();
    let x = Axis::linear("step").range(0.0, 1000.0);
    let y = Axis::log("loss, mean of 20 steps").range(0.01, 10.0);
    let mut chart = Chart::new("The tutorial in both engines", x, y);
    let mean = |losses: &Array2<f64>, from: usize, k: usize| losses.slice(s![from..from + 20, k]).mean();
    for k in 0..2 {
        let at = |losses: &Array2<f64>, i: usize| {
            [20.0 * i as f64 + 10.0, mean(losses, 20 * i, k).expect("steps")]
        };
        let line: Vec<_> = (0..50).map(|i| at(&found, i)).collect();
        let dots: Vec<_> = (0..50).step_by(4).map(|i| at(&recorded, i)).collect();
        chart = chart.line_with(Pen::series(k), format!("Loss{}, polytask", k + 1), line).dots(
            Pen::colour(k),
            4.0,
            format!("Loss{}, TensorFlow", k + 1),
            dots,
        );
    }
    chart.drawing().svg()
}

pub fn few_labels() -> String {
    let sizes = [20, 60, 200, 600];
    let x =
        Axis::log("labels of the elbow").range(15.0, 800.0).ticks(sizes.map(|n| (n as f64, n.to_string())));
    let y = Axis::linear("R² of the elbow").range(0.0, 1.0);
    let mut chart = Chart::new("A task with few labels, alone and beside another", x, y);
    let found = sizes.map(experiments::few_labels);
    for (k, name) in ["alone", "beside 2000 labels of the shoulder"].into_iter().enumerate() {
        let mean = |i: usize| experiments::summary(&found[i][k])[0];
        let aside = [0.97, 1.03][k];
        let dots =
            (0..sizes.len()).flat_map(|i| found[i][k].iter().map(move |&r2| [aside * sizes[i] as f64, r2]));
        chart = chart.dots(Pen::colour(k).opacity(0.5), 3.0, "", dots).line_with(
            Pen::series(k),
            name,
            (0..sizes.len()).map(|i| [sizes[i] as f64, mean(i)]),
        );
    }
    chart.drawing().svg()
}

/// The values of the chapter on kinds of tasks, predicted and true.
pub fn mixed_values() -> String {
    let (model, test) = experiments::mixed_tasks();
    let predictions = model.predict(test.features()).expect("rows of the model's width");
    plot::predicted_against_true("value", predictions["value"].column(0), test.targets().column(0))
}

/// Its grades, decided and true.
pub fn mixed_grades() -> String {
    let (model, test) = experiments::mixed_tasks();
    let predictions = model.predict(test.features()).expect("rows of the model's width");
    let column = test.names().target("grade").expect("a target of that name");
    let truth = test.targets().slice_move(s![.., column..column + 1]);
    let matrix = ConfusionMatrix::new(predictions["grade"].view(), &Labels::new(truth)).expect("labels");
    plot::confusion_matrix("grade, on unseen rows", &matrix, &["0", "1", "2", "3", "4"])
}

/// What rounding does to 1 + 1/2 + … + 1/n in f32.
pub fn rounding() -> String {
    let sizes: Vec<u32> = (4..=24).map(|i| 10_f64.powf(f64::from(i) / 4.0).round() as u32).collect();
    let x = Axis::log("n").range(10.0, 1e6).ticks(decades(1, 6, 1));
    let y = Axis::log("relative error").range(1e-9, 0.01).ticks(decades(-9, -2, 1));
    let mut chart = Chart::new("1 + 1/2 + … + 1/n in f32, one number after the other", x, y);
    let orders: [(&str, fn(u32) -> f32); 2] = [
        ("largest first", |n| (1..=n).fold(0.0, |sum, i| sum + 1.0 / i as f32)),
        ("smallest first", |n| (1..=n).rev().fold(0.0, |sum, i| sum + 1.0 / i as f32)),
    ];
    for (name, sum) in orders {
        let line = sizes.iter().map(|&n| {
            let exact: f64 = (1..=n).rev().map(|i| 1.0 / f64::from(i)).sum();
            [f64::from(n), ((f64::from(sum(n)) - exact) / exact).abs().max(1e-9)]
        });
        chart = chart.line(name, line);
    }
    chart.drawing().svg()
}

/// The file of a small network, from its bytes.
pub fn file() -> String {
    let bytes = experiments::small_file();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    let tensors = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let mut blocks: Vec<(usize, usize, String)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let from = tensor.data().as_ptr() as usize - bytes.as_ptr() as usize;
            (from, tensor.data().len(), name.to_owned())
        })
        .collect();
    blocks.sort();

    let mut drawing = Drawing::new("The bytes of a small model's file", [680.0, 230.0]);
    let whole = |at: usize| 20.0 + 640.0 * at as f64 / bytes.len() as f64;
    let parts = [(0, 8, Pen::colour(1)), (8, header, Pen::colour(0)), (header, bytes.len(), Pen::colour(2))];
    for (from, to, pen) in parts {
        drawing.bar([whole(from), 40.0], [whole(to) - whole(from), 30.0], pen.opacity(0.6));
    }
    let words = |drawing: &mut Drawing, x: f64, y: f64, anchor: Anchor, words: String| {
        drawing.text([x, y], anchor, Pen::INK, &words);
    };
    words(&mut drawing, 20.0, 30.0, Anchor::Start, "8 bytes: length of the header".into());
    words(&mut drawing, 340.0, 60.0, Anchor::Middle, format!("header: JSON, {} bytes", header - 8));
    words(&mut drawing, 660.0, 30.0, Anchor::End, format!("{} bytes: θ", bytes.len() - header));
    let near = |at: usize| 20.0 + 640.0 * (at - header) as f64 / (bytes.len() - header) as f64;
    drawing.line([whole(header), 70.0], [20.0, 120.0], Pen::ASIDE.dashed());
    drawing.line([whole(bytes.len()), 70.0], [660.0, 120.0], Pen::ASIDE.dashed());
    for (from, length, name) in blocks {
        let width = near(from + length) - near(from);
        drawing.bar([near(from), 120.0], [width, 30.0], Pen::colour(2).opacity(0.3));
        drawing.frame([near(from), 120.0], [width, 30.0], Pen::colour(2));
        let lower = if name.ends_with("bias") { 190.0 } else { 172.0 };
        words(&mut drawing, near(from) + width / 2.0, lower, Anchor::Middle, name);
        words(&mut drawing, near(from) + width / 2.0, 140.0, Anchor::Middle, format!("{length}"));
    }
    words(
        &mut drawing,
        340.0,
        220.0,
        Anchor::Middle,
        "the blocks of θ, by name, and how many bytes each has".into(),
    );
    drawing.svg()
}
