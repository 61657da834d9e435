//! Plots are well-formed, finite and legible for whatever numbers and names they are given.

use polytask::balance::UpGrad;
use polytask::loss::Labels;
use polytask::metric::ConfusionMatrix;
use polytask::ndarray::{Array1, Array2, array};
use polytask::plot::{self, Axis, Chart, Drawing, Pen};
use polytask::prelude::*;
use polytask::train::History;

const NAN: f64 = f64::NAN;

/// Every element is closed, every text is escaped, every number is finite, and no point lies outside the paper.
#[track_caller]
fn assert_sound(svg: &str) {
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    let mut open = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, words) = part.split_once('>').expect("the end of a tag");
        assert!(!words.contains('>'), "a mark that is not escaped: {words}");
        let name = tag.split([' ', '/']).next().expect("a name");
        match (tag.strip_prefix('/'), tag.ends_with('/')) {
            (Some(name), _) => assert_eq!(open.pop(), Some(name), "{svg}"),
            (None, false) => open.push(name),
            (None, true) => {}
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        for part in words.split('&').skip(1) {
            assert!(["amp;", "lt;", "gt;", "quot;"].iter().any(|name| part.starts_with(name)), "{words}");
        }
        for list in tag.split("points=\"").skip(1) {
            for number in list.split('"').next().expect("an end").split([' ', ',']) {
                let number: f64 = number.parse().expect("a number");
                assert!((-50.0..2000.0).contains(&number), "{number} in {tag}");
            }
        }
    }
    assert!(open.is_empty(), "{open:?} stays open");
}

fn history(loss_scale: f64, all_labels: bool) -> History {
    let data = datasets::robot_arm::<f64>(120, 0.05, 3);
    let mut targets = data.targets().mapv(|t| loss_scale * t);
    if !all_labels {
        targets.slice_mut(polytask::ndarray::s![5.., 1]).fill(NAN);
    }
    let data = Dataset::new(data.features().to_owned(), targets).unwrap();
    let (train, test) =
        data.with_target_names(["<shoulder> & \"co\"", "肘部的力矩"]).unwrap().split(0.8, 1).unwrap();
    let mut model = Model::builder(10)
        .trunk([Layer::dense(4, Activation::Tanh)])
        .task(Task::regression("<shoulder> & \"co\""))
        .task(Task::regression("肘部的力矩"))
        .build::<f64>()
        .unwrap();
    let trainer = Trainer::new(Adam::new(0.01)).batch_size(16).epochs(40).balance(UpGrad::new());
    trainer.fit_validated(&mut model, &train, &test).unwrap()
}

#[test]
fn a_training_is_drawn() {
    let history = history(1.0, true);
    let (curves, weights) = (plot::learning_curves(&history), plot::task_weights(&history));
    let cosines = plot::gradient_cosines(&history).expect("a method that looks at gradients");
    let gradients = plot::gradient_diagnostics(&history).expect("a method that looks at gradients");
    for svg in [&curves, &weights, &cosines, &gradients] {
        assert_sound(svg);
        assert!(svg.contains("&lt;shoulder&gt; &amp; &quot;co&quot;") && svg.contains("肘部的力矩"), "{svg}");
        assert!(!svg.contains("nothing to show"));
    }
    assert_eq!(curves.matches("<polyline").count(), 4, "batches and validation of two tasks");
    assert_eq!(gradients.matches("<polyline").count(), 5, "two lengths and three numbers");
    keep("curves", &curves);
    keep("weights", &weights);
    keep("cosines", &cosines);
    keep("gradients", &gradients);
}

/// A task with five labels, losses of 1e40, and a method that has seen no gradient.
#[test]
fn gaps_and_extremes_are_drawn() {
    for history in [history(1.0, false), history(1e20, true)] {
        assert_sound(&plot::learning_curves(&history));
        assert_sound(&plot::task_weights(&history));
        assert_sound(&plot::gradient_cosines(&history).unwrap());
        assert_sound(&plot::gradient_diagnostics(&history).unwrap());
    }
    let data = datasets::robot_arm::<f64>(20, 0.05, 3);
    let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f64>().unwrap();
    let history = Trainer::new(Adam::new(0.01)).steps(1).fit(&mut model, &data).unwrap();
    assert!(plot::gradient_cosines(&history).is_none());
    assert!(plot::gradient_diagnostics(&history).is_none());
    assert_sound(&plot::learning_curves(&history));
}

#[test]
fn degenerate_series_are_drawn() {
    let series: [&[f64]; 12] = [
        &[],
        &[3.0],
        &[NAN, NAN],
        &[0.0, 0.0, 0.0],
        &[7.0, 7.0, 7.0],
        &[1.0, NAN, 2.0, f64::INFINITY, 3.0, f64::NEG_INFINITY],
        &[-1.0, -2.0],
        &[1e-308, 1e-300],
        &[f64::MAX, f64::MIN, 1.0],
        &[1e12, 1e12 + 1.0],
        &[1e9, 1e9 * (1.0 + 1e-15)],
        &[1e-9, 3e-9, 2e-9],
    ];
    for values in series {
        for axis in [Axis::linear, Axis::log] {
            let points = values.iter().enumerate().map(|(i, &y)| [i as f64, y]);
            let chart = Chart::new("t", Axis::linear("x"), axis("y")).line("a", points.clone());
            let svg = chart.dots(Pen::colour(1), 2.0, "b", points).drawing().svg();
            assert_sound(&svg);
            let is_drawn = svg.contains("<polyline") || svg.matches("<circle").count() > 1;
            assert!(is_drawn || svg.contains("nothing to show"), "{values:?}: {svg}");
        }
        let values = Array1::from(values.to_vec());
        assert_sound(&plot::predicted_against_true("t", values.view(), values.view()));
    }
    let unusable = Axis::linear("x").range(1.0, 1.0).range(NAN, 2.0);
    assert_sound(&Chart::new("t", unusable, Axis::log("y").range(-1.0, 1.0)).drawing().svg());
}

/// A gap breaks the line and is not bridged; one point between gaps is a dot.
#[test]
fn gaps_break_lines() {
    let y = [1.0, 2.0, NAN, 3.0, NAN, 4.0, 5.0];
    let points = y.iter().enumerate().map(|(i, &y)| [i as f64, y]);
    let svg = Chart::new("t", Axis::linear("x"), Axis::linear("y")).line("", points).drawing().svg();
    assert_eq!((svg.matches("<polyline").count(), svg.matches("<circle").count()), (2, 1));
}

/// The words of a plot.
fn words(svg: &str) -> Vec<&str> {
    svg.split("<text").skip(1).filter_map(|part| part.split_once('>')?.1.split('<').next()).collect()
}

#[test]
fn ticks_of_large_numbers_and_plateaus_differ() {
    let drawn = |axis: Axis, y: [f64; 3]| {
        let points = y.iter().enumerate().map(|(i, &y)| [i as f64, y]);
        Chart::new("t", Axis::linear("x"), axis).line("", points).drawing().svg()
    };
    let svg = drawn(Axis::linear("price"), [1_000_000.0, 1_004_000.0, 1_010_000.0]);
    let of_price: Vec<&str> = words(&svg).into_iter().filter(|word| word.contains("e6")).collect();
    assert_eq!(of_price, ["1e6", "1.002e6", "1.004e6", "1.006e6", "1.008e6", "1.01e6"]);
    let svg = drawn(Axis::linear("time, s"), [1_700_000_000.0, 1_700_000_004.0, 1_700_000_010.0]);
    assert!(words(&svg).contains(&"time, s − 1.7e9") && words(&svg).contains(&"10"), "{svg}");
    // A loss that stands nearly still.
    let svg = drawn(Axis::log("loss"), [0.012345, 0.012342, 0.012340]);
    let all = words(&svg);
    let distinct: std::collections::BTreeSet<&str> = all.iter().copied().collect();
    assert!(all.iter().any(|word| word.starts_with("loss − 1.234e-2")), "{all:?}");
    assert!(distinct.len() + 1 >= all.len(), "{all:?}"); // both axes have a 0
}

#[test]
fn counts_of_decisions_are_written_in_full() {
    let weights = Array1::from(vec![1_250_000.0, 3.0]);
    let (p, t) = (array![[0.9], [0.1]], array![[1.0], [0.0]]);
    let labels = Labels { targets: t.view(), weights: Some(weights.view()), groups: None };
    let matrix = ConfusionMatrix::new(p.view(), &labels).unwrap();
    let svg = plot::confusion_matrix("sold", &matrix, &["no", "yes"]);
    assert_sound(&svg);
    assert!(words(&svg).contains(&"1250000") && words(&svg).contains(&"3"), "{svg}");
}

#[test]
fn ticks_are_round_and_few() {
    for (low, high, expected) in [
        (0.0, 1.0, vec!["0.0", "0.2", "0.8", "1.0"]),
        (-3.0, 40.0, vec!["0", "10", "40"]),
        (0.0, 5e7, vec!["1e7"]),
    ] {
        let svg = Chart::new("t", Axis::linear("x").range(low, high), Axis::linear("y").range(0.0, 1.0))
            .drawing()
            .svg();
        for tick in expected {
            assert!(svg.contains(&format!(">{tick}</text>")), "{tick}: {svg}");
        }
        assert!(svg.matches("<text").count() < 20);
    }
}

#[test]
fn many_lines_differ_in_colour_or_dashes() {
    let pens: Vec<Pen> = (0..42).map(Pen::series).collect();
    for (i, pen) in pens.iter().enumerate() {
        assert!(pens[..i].iter().all(|other| other != pen), "line {i}");
    }
}

#[test]
fn predictions_are_drawn() {
    let truth = Array1::from_shape_fn(5000, |i| (i as f64).sin());
    let predicted = truth.mapv(|t| 0.9 * t + 0.1 * (40.0 * t).sin());
    let svg = plot::predicted_against_true("elbow, N m", predicted.view(), truth.view());
    assert_sound(&svg);
    assert_eq!(svg.matches("<circle").count(), 2000);
    assert!(svg.contains("5000 rows, 2000 of them drawn"));
    keep("predicted", &svg);

    for (n, rows) in [(2_usize, 0_usize), (3, 40), (7, 500), (30, 3000)] {
        let probabilities = Array2::from_shape_fn((rows, n), |(i, c)| ((i * (c + 3)) as f64).cos().abs());
        let targets = Array2::from_shape_fn((rows, 1), |(i, _)| (i % n) as f64);
        let matrix = ConfusionMatrix::new(probabilities.view(), &Labels::new(targets.view())).unwrap();
        let names = ["ellipse", "<b>", "a name that is much longer than its square is wide"];
        let svg = plot::confusion_matrix("shape", &matrix, &names);
        assert_sound(&svg);
        assert!(svg.contains("&lt;b&gt;") || n < 2, "{svg}");
        keep(&format!("confusion-{n}"), &svg);
    }
    let labels = array![[1.0], [0.0]];
    let matrix = ConfusionMatrix::new(array![[0.9], [0.1]].view(), &Labels::new(labels.view())).unwrap();
    let svg = plot::confusion_matrix("accepted", &matrix, &["no", "yes"]);
    assert_eq!((svg.matches(">100 %<").count(), svg.matches(">0 %<").count()), (2, 2));
}

#[test]
fn a_drawing_leaves_out_what_has_no_place() {
    let mut drawing = Drawing::new("a < b", [10.0, 10.0]);
    drawing.line([0.0, NAN], [1.0, 1.0], Pen::INK);
    drawing.bar([0.0, 0.0], [f64::INFINITY, 1.0], Pen::INK);
    drawing.image([0.0, 0.0], 1.0, 2, &[0.0, NAN, 2.0, -1.0]);
    let svg = drawing.svg();
    assert_sound(&svg);
    assert!(!svg.contains("<line") && svg.contains("a &lt; b"));
}

/// With POLYTASK_PLOTS set to a folder, what is drawn here can be looked at.
fn keep(name: &str, svg: &str) {
    if let Ok(folder) = std::env::var("POLYTASK_PLOTS") {
        std::fs::write(format!("{folder}/{name}.svg"), svg).expect("a folder to write to");
    }
}
