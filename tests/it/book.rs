//! The book's figures and tables are what the program draws, its exercises can be solved, and its stubs are stubs.

use std::path::PathBuf;

use crate::{toy, tutorial_record, two_scales};

#[macro_use]
#[path = "../../docs/book/exercises/checks.rs"]
mod checks;
#[path = "../../docs/book/exercises/solutions.rs"]
mod solutions;
#[path = "../../docs/book/exercises/yours.rs"]
mod yours;

#[allow(dead_code)]
#[path = "../../docs/examples/scaling/cost.rs"]
mod cost;

#[path = "../../docs/examples/figures/basics.rs"]
mod basics;
#[path = "../../docs/examples/figures/experiments.rs"]
mod experiments;
#[path = "../../docs/examples/figures/growth.rs"]
mod growth;
#[path = "../../docs/examples/figures/layers.rs"]
mod layers;
#[path = "../../docs/examples/figures/mixtures.rs"]
mod mixtures;
#[path = "../../docs/examples/figures/pictures.rs"]
mod pictures;
#[path = "../../docs/examples/figures/scaling.rs"]
mod scaling;
#[path = "../../docs/examples/figures/streams.rs"]
mod streams;

use checks::{Check, Outcome, outcome};

#[test]
fn every_solution_is_right() {
    let checks: Vec<Check> = checks_of!(solutions);
    for check in &checks {
        assert_eq!(outcome(check), Outcome::Right, "{}", check.0);
    }
}

#[test]
fn every_stub_is_still_to_do() {
    let checks: Vec<Check> = checks_of!(yours);
    for check in &checks {
        assert_eq!(outcome(check), Outcome::ToDo, "{}: the repository holds stubs, not answers", check.0);
    }
}

/// A check that lets everything pass would call these right.
#[test]
fn checks_find_mistakes() {
    let forgets_the_mean = |x: &[f64], t: &[f64], w: f64, b: f64| {
        let (dw, db) = solutions::neuron_gradient(x, t, w, b);
        (dw * x.len() as f64, db * x.len() as f64)
    };
    let overflows = |z: &[f64], dy: &[f64]| -> Vec<f64> {
        let slope = |z: f64| {
            let e = z.exp();
            e / (1.0 + e) * (1.0 + z / (1.0 + e))
        };
        z.iter().zip(dy).map(|(&z, dy)| dy * slope(z)).collect()
    };
    let multiplies_by_the_mask = |y: &[f64], t: &[f64], w: &[f64]| {
        let mask = |t: f64| if t.is_nan() { 0.0 } else { 1.0 };
        let total: f64 = t.iter().zip(w).map(|(&t, w)| w * mask(t)).sum();
        let delta = |n: usize| 2.0 * w[n] * mask(t[n]) * (y[n] - t[n]) / total;
        (2.0, (0..y.len()).map(delta).collect())
    };
    let wrong: [Check; 3] = [
        ("a sum for a mean", Box::new(move || checks::neuron_gradient(forgets_the_mean))),
        ("an overflow", Box::new(move || checks::silu_backward(overflows))),
        ("0 times NaN", Box::new(move || checks::masked_mean_squared_error(multiplies_by_the_mask))),
    ];
    for check in &wrong {
        assert!(matches!(outcome(check), Outcome::Wrong(_)), "{} passed", check.0);
    }
}

fn figure(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/book/src/figures").join(name)
}

/// A text cut into its numbers and what stands between them.
fn numbers(text: &str) -> (Vec<f64>, String) {
    let (mut numbers, mut rest, mut digits) = (Vec::new(), String::new(), String::new());
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_digit() || (c == '.' && !digits.is_empty()) {
            digits.push(c);
        } else {
            if !digits.is_empty() {
                numbers.push(digits.trim_end_matches('.').parse().expect("digits"));
                digits.clear();
                rest.push('#');
            }
            // A sign or a space before a number may change with its last digit.
            if !matches!(c, ' ' | '-' | '+') {
                rest.push(c);
            }
        }
    }
    (numbers, rest)
}

/// Trainings in the pictures end a little elsewhere on a processor that rounds its sums differently: 3 pixels, or
/// 0.05 of a table's numbers, are within that, and far below what a change of the code would move.
fn assert_same(name: &str, drawn: &str, kept: &str) {
    let ((drawn, drawn_words), (kept, kept_words)) = (numbers(drawn), numbers(kept));
    assert_eq!(drawn_words, kept_words, "{name}: other words than the program's");
    let tolerance = if name.ends_with(".svg") { 3.0 } else { 0.05 };
    for (drawn, kept) in drawn.iter().zip(&kept) {
        assert!((drawn - kept).abs() <= tolerance, "{name}: {kept}, and the program says {drawn}");
    }
}

#[test]
fn figures_are_what_the_program_draws() {
    for (name, draw) in pictures::ALL {
        let advice = "draw the figures with `cargo run --example figures`, and look at them";
        let kept = std::fs::read_to_string(figure(name)).unwrap_or_else(|_| panic!("no {name}; {advice}"));
        assert_same(name, &draw(), &kept);
    }
    let n_files = std::fs::read_dir(figure("")).expect("the folder of figures").count();
    assert_eq!(n_files, pictures::ALL.len(), "files in the folder of figures, and in the program");
}

#[test]
fn the_comparison_of_figures_can_fail() {
    let moved =
        std::panic::catch_unwind(|| assert_same("a.svg", "<line x1=\"10.0\"/>", "<line x1=\"14.0\"/>"));
    let renamed = std::panic::catch_unwind(|| assert_same("a.svg", "<text>h</text>", "<text>x</text>"));
    assert!(moved.is_err() && renamed.is_err());
    assert_same("a.svg", "<line x1=\"10.0\" y1=\"-0.1\"/>", "<line x1=\"11.0\" y1=\"0.1\"/>");
}
