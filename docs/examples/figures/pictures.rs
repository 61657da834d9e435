//! One function per figure or table of the book.

use polytask::Activation;
use polytask::balance::{
    Balance, Balancer, CaGrad, Equal, Famo, FixedEvidence, GradNorm, Mgda, NashMtl, Order, PcGrad,
};
use polytask::ndarray::array;
use polytask::optim::{Adam, Optimizer, Sgd};
use polytask::plot::{self, Anchor, Axis, Chart, Drawing, Pen};

use super::{basics, experiments, growth, layers, mixtures, scaling, streams, toy, two_scales};

/// What makes the content of a file.
type Draw = fn() -> String;

/// File names and what makes their content.
pub const ALL: [(&str, Draw); 29] = [
    ("neuron.svg", basics::neuron),
    ("products.svg", basics::products),
    ("losses.svg", basics::losses),
    ("agreement.svg", basics::agreement),
    ("engines.svg", basics::engines),
    ("few-labels.svg", basics::few_labels),
    ("mixed-values.svg", basics::mixed_values),
    ("mixed-grades.svg", basics::mixed_grades),
    ("rounding.svg", basics::rounding),
    ("file.svg", basics::file),
    ("difference-error.svg", difference_error),
    ("valley.svg", valley),
    ("first-training.svg", first_training),
    ("two-heads.svg", two_heads),
    ("missing-labels.txt", missing_labels),
    ("fight.svg", fight_picture),
    ("fight.txt", fight_table),
    ("surgery.svg", surgery),
    ("conflicts.svg", conflicts),
    ("toy.svg", toy),
    ("two-scales.svg", two_scales),
    ("gains.svg", gains),
    ("growth.svg", growth::growth),
    ("embeddings.svg", layers::embeddings),
    ("normalisation.svg", layers::normalisation),
    ("shuffling.svg", streams::shuffling),
    ("scaling.svg", scaling::scaling),
    ("mixtures.svg", mixtures::picture),
    ("mixtures.txt", mixtures::table),
];

/// Median error of central differences over points near z, so that one lucky rounding does not show.
fn median_error(activation: Activation, z: f64, h: f64) -> f64 {
    let at = |z: f64| {
        let numeric = (activation.value(z + h) - activation.value(z - h)) / (2.0 * h);
        (numeric - activation.derivative(z)).abs()
    };
    let mut errors: Vec<f64> = (0..101).map(|i| at(z * (1.0 + 1e-3 * f64::from(i - 50)))).collect();
    errors.sort_by(f64::total_cmp);
    errors[50]
}

fn difference_error() -> String {
    let decades = |from: i32, to: i32, every: usize| {
        (from..=to).step_by(every).map(|e| (10_f64.powi(e), format!("1e{e}"))).collect::<Vec<_>>()
    };
    let x = Axis::log("step h").range(1e-12, 0.1).ticks(decades(-12, -1, 1));
    let y = Axis::log("error").range(1e-16, 1.0).ticks(decades(-16, 0, 4));
    let points = [(Activation::Tanh, 0.3, "tanh at 0.3"), (Activation::Relu, 1e-4, "ReLU at 0.0001")];
    let mut chart = Chart::new("Error of a central difference against the step h", x, y);
    for (activation, z, name) in points {
        let line = (0..=44)
            .map(|i| 10_f64.powf(-1.0 - 0.25 * f64::from(i)))
            .map(|h| [h, median_error(activation, z, h).max(1e-16)]);
        chart = chart.line(name, line);
    }
    chart.drawing().svg()
}

fn valley() -> String {
    let (x, y) = (Axis::linear("x").range(-4.5, 1.5), Axis::linear("y").range(-1.5, 1.5));
    let mut chart = Chart::new("Forty steps of three optimisers in a narrow valley", x, y);
    for level in [0.5_f64, 2.0, 8.0, 20.0] {
        // ½ (x² + 50 y²) = level
        let ellipse = (0..=96)
            .map(|i| f64::from(i) * std::f64::consts::TAU / 96.0)
            .map(|a| [(2.0 * level).sqrt() * a.cos(), (2.0 * level / 50.0).sqrt() * a.sin()]);
        chart = chart.line_with(Pen::GRID.dashed(), "", ellipse);
    }
    let runs: [(&str, Optimizer<f64>); 3] = [
        ("SGD, 0.035", Optimizer::new(Sgd::new(0.035), 2).expect("valid settings")),
        ("momentum 0.9, 0.01", Optimizer::new(Sgd::new(0.01).momentum(0.9), 2).expect("valid settings")),
        ("Adam, 0.3", Optimizer::new(Adam::new(0.3), 2).expect("valid settings")),
    ];
    for (k, (name, mut optimizer)) in runs.into_iter().enumerate() {
        let mut theta = [-4.0, 1.0];
        let mut path = vec![theta];
        for _ in 0..40 {
            let gradient = [theta[0], 50.0 * theta[1]];
            optimizer.step(&mut theta, &gradient);
            path.push(theta);
        }
        chart = chart.line_with(Pen::series(k), name, path.iter().copied());
        chart = chart.dots(Pen::colour(k).opacity(0.75), 2.5, "", path);
    }
    chart.drawing().svg()
}

fn first_training() -> String {
    let losses = experiments::tutorial();
    let (x, y) = (Axis::linear("step").range(0.0, 1000.0), Axis::log("loss, (N m)²").range(0.1, 100.0));
    let mut chart = Chart::new("Losses of the tutorial program", x, y);
    for (k, task) in ["shoulder", "elbow"].into_iter().enumerate() {
        // The mean of 20 steps at a time: single batches jump.
        let line = (0..50).map(|i| {
            let mean = (20 * i..20 * i + 20).map(|step| losses[[step, k]]).sum::<f64>() / 20.0;
            [20.0 * i as f64 + 10.0, mean]
        });
        chart = chart.line(task, line);
    }
    chart.drawing().svg()
}

fn two_heads() -> String {
    let mut drawing = Drawing::new("Forward and backward through one trunk and two heads", [640.0, 300.0]);
    let (forward, backward) = (Pen::colour(0), Pen::colour(1));
    let boxes = [
        ([20.0, 120.0], [70.0, 60.0], "x", "B × I"),
        ([150.0, 120.0], [110.0, 60.0], "trunk", "W, b"),
        ([330.0, 120.0], [70.0, 60.0], "h", "B × H"),
        ([450.0, 35.0], [80.0, 60.0], "head 1", "V₁, c₁"),
        ([450.0, 205.0], [80.0, 60.0], "head 2", "V₂, c₂"),
        ([575.0, 35.0], [50.0, 60.0], "L₁", ""),
        ([575.0, 205.0], [50.0, 60.0], "L₂", ""),
    ];
    for ([x, y], [width, height], name, below) in boxes {
        drawing.panel([x, y], [width, height]);
        let middle = x + width / 2.0;
        drawing.text(
            [middle, y + if below.is_empty() { 35.0 } else { 27.0 }],
            Anchor::Middle,
            Pen::INK,
            name,
        );
        drawing.text([middle, y + 47.0], Anchor::Middle, Pen::ASIDE, below);
    }
    for (from, to) in [
        ([90.0, 140.0], [150.0, 140.0]),
        ([260.0, 140.0], [330.0, 140.0]),
        ([385.0, 120.0], [450.0, 72.0]),
        ([385.0, 180.0], [450.0, 228.0]),
        ([530.0, 55.0], [575.0, 55.0]),
        ([530.0, 225.0], [575.0, 225.0]),
    ] {
        drawing.arrow(from, to, forward);
    }
    for (from, to) in [
        ([575.0, 78.0], [530.0, 78.0]),
        ([575.0, 248.0], [530.0, 248.0]),
        ([450.0, 88.0], [400.0, 127.0]),
        ([450.0, 212.0], [400.0, 173.0]),
        ([330.0, 162.0], [260.0, 162.0]),
    ] {
        drawing.arrow(from, to, backward);
    }
    drawing.text([552.0, 112.0], Anchor::Middle, backward, "w₁ dy₁");
    drawing.text([552.0, 196.0], Anchor::Middle, backward, "w₂ dy₂");
    drawing.text([412.0, 155.0], Anchor::Start, backward, "dh = w₁ dy₁ V₁ᵀ + w₂ dy₂ V₂ᵀ");
    drawing.text([205.0, 215.0], Anchor::Middle, backward, "dW = xᵀ dz, once");
    drawing.text([20.0, 25.0], Anchor::Start, forward, "forward: h goes to both heads");
    drawing.text([20.0, 45.0], Anchor::Start, backward, "backward: what comes back adds up");
    drawing.svg()
}

fn missing_labels() -> String {
    let [alone, beside] = experiments::few_labels(60);
    let mut text = String::from("```text\nR² of the elbow's torque on unseen rows\n");
    for (name, values) in [("60 labels, alone", alone), ("60 labels, beside 2000 of the shoulder", beside)] {
        let [mean, error] = experiments::summary(&values);
        let listed: Vec<String> = values.iter().map(|v| format!("{v:.2}")).collect();
        text += &format!("{name:39} {mean:.2} ± {error:.2}   ({})\n", listed.join(" "));
    }
    text + "```\n"
}

/// In the order of the fights.
const RELATIONS: [&str; 3] = ["p = 1, the same", "p = 0, unrelated", "p = −1, opposed"];

fn fight_picture() -> String {
    let x = Axis::linear("step").range(0.0, experiments::FIGHT_STEPS as f64);
    let y = Axis::linear("cosine").range(-1.0, 1.0);
    let mut chart = Chart::new("Cosine between the gradients of two tasks", x, y);
    for (fight, name) in experiments::FIGHTS.iter().zip(RELATIONS) {
        let steps = (0..).map(|i| (experiments::FIGHT_EVERY * i) as f64);
        chart = chart.line(name, steps.zip(&fight.cosines).map(|(step, &cosine)| [step, cosine]));
    }
    chart.drawing().svg()
}

fn fight_table() -> String {
    let mut text = String::from(
        "```text\n                    shared trunk     separate trunks   shared − separate   cosine, first and last steps\n",
    );
    for (found, name) in experiments::FIGHTS.iter().zip(RELATIONS) {
        let differences: Vec<f64> = found.shared.iter().zip(&found.separate).map(|(a, b)| a - b).collect();
        let [shared, separate, difference] =
            [&found.shared, &found.separate, &differences].map(|values| experiments::summary(values));
        let early = found.cosines[..3].iter().sum::<f64>() / 3.0;
        let late = found.cosines[47..].iter().sum::<f64>() / 3.0;
        text += &format!(
            "{name:17} {:>7.3} ± {:.3}   {:>7.3} ± {:.3}     {:>+7.3} ± {:.3}   {early:>+8.2} {late:>+6.2}\n",
            shared[0], shared[1], separate[0], separate[1], difference[0], difference[1]
        );
    }
    text + "```\n"
}

fn surgery() -> String {
    let (first, second): ([f64; 2], [f64; 2]) = ([1.0, 0.25], [-2.0, 1.4]);
    let jacobian = array![[first[0], first[1]], [second[0], second[1]]];
    let title = "Two gradients in conflict and the directions of five methods";
    let mut drawing = Drawing::new(title, [640.0, 400.0]);
    let origin = [360.0, 330.0];
    let at = |[x, y]: [f64; 2]| [origin[0] + 150.0 * x, origin[1] - 150.0 * y];
    // Where a direction serves task k: the side of its gradient of the line at right angles to it.
    for (k, g) in [first, second].into_iter().enumerate() {
        let length = g[0].hypot(g[1]);
        let across = [-g[1] / length * 1.9, g[0] / length * 1.9];
        let ends = [at(across), at([-across[0], -across[1]])];
        drawing.line(ends[0], ends[1], Pen::ASIDE.dashed());
        drawing.arrow(at([0.0, 0.0]), at(g), Pen::INK.width(3.0));
        let tip = at(g);
        drawing.text(
            [tip[0] + if k == 0 { 8.0 } else { -8.0 }, tip[1] - 6.0],
            if k == 0 { Anchor::Start } else { Anchor::End },
            Pen::INK,
            ["∇₁", "∇₂"][k],
        );
    }
    let methods: [(&str, Box<dyn Balance>); 5] = [
        ("sum", Box::new(Equal::sum())),
        ("MGDA", Box::new(Mgda::new())),
        ("PCGrad", Box::new(PcGrad::new().order(Order::Ascending))),
        ("CAGrad 0.4", Box::new(CaGrad::new(0.4))),
        ("Nash-MTL", Box::new(NashMtl::new())),
    ];
    for (k, (name, method)) in methods.into_iter().enumerate() {
        let mut balancer = Balancer::new(method, 2).expect("valid settings");
        let weights = balancer.weights(&mut FixedEvidence::from_jacobian(&jacobian));
        let d = [0, 1].map(|i| weights.shared[0] * first[i] + weights.shared[1] * second[i]);
        let length = d[0].hypot(d[1]);
        let unit = d.map(|x| 1.3 * x / length);
        drawing.arrow(at([0.0, 0.0]), at(unit), Pen::series(k));
        let y = 40.0 + 18.0 * k as f64;
        drawing.line([410.0, y - 4.0], [434.0, y - 4.0], Pen::series(k));
        let served = [first, second].map(|g| (g[0] * d[0] + g[1] * d[1]) / length);
        let words = format!("{name}: {:+.2}, {:+.2}", served[0], served[1]);
        drawing.text([442.0, y], Anchor::Start, Pen::INK, &words);
    }
    drawing.text([410.0, 20.0], Anchor::Start, Pen::ASIDE, "⟨∇₁, d⟩, ⟨∇₂, d⟩, |d| = 1");
    drawing.text(
        [20.0, 385.0],
        Anchor::Start,
        Pen::ASIDE,
        "dashed: below its line a direction opposes that task",
    );
    drawing.svg()
}

fn conflicts() -> String {
    let history = experiments::conflicts().expect("losses stay finite");
    plot::gradient_diagnostics(&history).expect("UPGrad looks at gradients")
}

fn toy() -> String {
    let [x, y] = ["x₁", "x₂"].map(|name| Axis::linear(name).range(-10.0, 10.0));
    let front = [[-7.0, -8.43], [0.0, -8.355], [7.0, -8.43]];
    let title = "Ways of four methods from five starts to the Pareto front of two losses";
    let mut chart = Chart::new(title, x, y).size(640.0, 520.0).line_with(Pen::GRID.width(10.0), "", front);
    let problem = toy::Toy { scale: 0.1 };
    let methods: [(&str, Box<dyn Balance>); 4] = [
        ("mean", Box::new(Equal::mean())),
        ("CAGrad", Box::new(CaGrad::new(0.4))),
        ("Nash-MTL", Box::new(NashMtl::new().unlimited())),
        ("FAMO", Box::new(Famo::new().bounds(&[-2.1, -21.0]).decay(0.0))),
    ];
    for (k, (name, method)) in methods.into_iter().enumerate() {
        for (i, start) in toy::SCALED_STARTS.into_iter().enumerate() {
            let mut path = Vec::new();
            problem.walk(&*method, start, 50_000, |step, x| {
                if step % 500 == 0 {
                    // Behind the decimals of a pixel no picture shows what a rounding did.
                    path.push(x.map(|x| (20.0 * x).round() / 20.0));
                }
            });
            let end = path[path.len() - 1];
            chart = chart.line_with(Pen::series(k).opacity(0.7), if i == 0 { name } else { "" }, path).dots(
                Pen::colour(k),
                4.0,
                "",
                [end],
            );
        }
    }
    chart.dots(Pen::INK, 5.0, "", toy::SCALED_STARTS).drawing().svg()
}

fn two_scales() -> String {
    let x = Axis::linear("step").range(0.0, 1000.0);
    let y = Axis::log("loss, divided by the first one").range(0.01, 10.0);
    let title = "Losses of two tasks that are alike but for their scale";
    let mut chart = Chart::new(title, x, y).size(640.0, 400.0);
    let methods: [(&str, Box<dyn Balance>); 2] =
        [("equal", Box::new(Equal::sum())), ("GradNorm", Box::new(GradNorm::new().alpha(0.12)))];
    for (name, method) in methods {
        let history = two_scales::train(&*method, 1).expect("losses stay finite");
        let at = |i: usize| two_scales::remaining(&history, 20 * i, 20 * i + 20);
        for (k, task) in ["small", "large"].into_iter().enumerate() {
            let line: Vec<_> = (0..50).map(|i| [20.0 * i as f64 + 10.0, at(i)[k]]).collect();
            chart = chart.line(format!("{name}, {task}"), line);
        }
    }
    chart.drawing().svg()
}

fn gains() -> String {
    let sizes = [50, 200, 800];
    let ticks = sizes.iter().enumerate().map(|(i, size)| (i as f64 + 0.5, size.to_string()));
    let x = Axis::linear("training rows").range(0.0, 3.0).ticks(ticks);
    let y = Axis::linear("gain, per cent").range(-80.0, 80.0);
    let mut chart = Chart::new("Gain of a shared trunk over separate trunks, seed by seed", x, y).line_with(
        Pen::ASIDE,
        "",
        [[0.0, 0.0], [3.0, 0.0]],
    );
    for (i, size) in sizes.into_iter().enumerate() {
        let values = experiments::gains(size);
        let centre = i as f64 + 0.5;
        let [mean, error] = experiments::summary(&values);
        let seeds = values.iter().enumerate().map(|(seed, &gain)| [centre - 0.14 + 0.04 * seed as f64, gain]);
        let bar = [mean - 2.0 * error, mean + 2.0 * error].map(|gain| [centre + 0.3, gain]);
        // One name each in the legend.
        let name = |name: &'static str| if i == 0 { name } else { "" };
        chart = chart
            .dots(Pen::colour(0).opacity(0.75), 4.0, name("one seed each"), seeds)
            .line_with(Pen::colour(1), name("mean ± 2 standard errors"), bar)
            .dots(Pen::colour(1), 5.0, "", [[centre + 0.3, mean]]);
    }
    chart.drawing().svg()
}
