//! The figure and the table of mixtures of experts, of what `docs/examples/mixtures` has found.

use polytask::plot::{Axis, Chart, Pen};

/// The errors of a form at a cosine, seed by seed.
struct Found {
    cosine: f64,
    rate: String,
    form: String,
    errors: Vec<f64>,
}

/// Cosine by cosine, and form by form in each.
fn found() -> Vec<Found> {
    let lines = include_str!("../mixtures/results.txt").lines().skip(1);
    let read = |line: &str| {
        let (form, errors) = line.split_once(": ").expect("a form and its errors");
        let mut words = form.splitn(3, ' ').map(str::trim);
        let mut next = || words.next().expect("a cosine, a rate and a form").to_owned();
        let (cosine, rate, form) = (next().parse().expect("a cosine"), next(), next());
        Found {
            cosine,
            rate,
            form,
            errors: errors.split(' ').map(|e| e.parse().expect("a number")).collect(),
        }
    };
    lines.map(|line| read(&line.split_whitespace().collect::<Vec<_>>().join(" "))).collect()
}

fn mean(errors: &[f64]) -> f64 {
    errors.iter().sum::<f64>() / errors.len() as f64
}

/// The standard deviation between seeds.
fn spread(errors: &[f64]) -> f64 {
    let mean = mean(errors);
    (errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / (errors.len() - 1) as f64).sqrt()
}

pub fn picture() -> String {
    let found = found();
    let mut cosines: Vec<f64> = found.iter().map(|found| found.cosine).collect();
    cosines.dedup();
    let ticks = cosines.iter().enumerate().map(|(i, cosine)| (i as f64 + 0.5, cosine.to_string()));
    let x = Axis::linear("cosine between the tasks' weights").range(0.0, cosines.len() as f64).ticks(ticks);
    let all = || found.iter().flat_map(|found| &found.errors).copied();
    let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    let margin = 0.08 * (most - least);
    let y = Axis::linear("error, 1 − R²").range((least - margin).max(0.0), most + margin);
    let mut chart = Chart::new("Errors of three forms with as many parameters, seed by seed", x, y);
    let forms = found.len() / cosines.len();
    for (at, Found { form, errors, .. }) in found.iter().enumerate() {
        let (group, k) = (at / forms, at % forms);
        let centre = group as f64 + 0.22 + 0.28 * k as f64;
        // One name each in the legend.
        let name = if group == 0 { form.as_str() } else { "" };
        let width = 0.2 / errors.len() as f64;
        let dots =
            errors.iter().enumerate().map(|(seed, &e)| [centre - 0.1 + width * (seed as f64 + 0.5), e]);
        let mean = mean(errors);
        chart = chart.dots(Pen::colour(k).opacity(0.75), 3.0, name, dots).line_with(
            Pen::colour(k),
            "",
            [[centre - 0.11, mean], [centre + 0.11, mean]],
        );
    }
    chart.drawing().svg()
}

pub fn table() -> String {
    let mut text = String::from(
        "```text\ncosine  form            rate    error, mean and spread   minus that of the shared trunk\n",
    );
    let found = found();
    for Found { cosine, rate, form, errors } in &found {
        let shared = found.iter().find(|other| other.cosine == *cosine).expect("the first of the cosine");
        let differences: Vec<f64> = errors.iter().zip(&shared.errors).map(|(a, b)| a - b).collect();
        let (mean_error, deviation) = (mean(errors), spread(errors));
        let difference = match shared.form == *form {
            true => String::new(),
            false => {
                let error = spread(&differences) / (differences.len() as f64).sqrt();
                format!("{:>+10.4} ± {error:.4}", mean(&differences))
            }
        };
        let line =
            format!("{cosine:<7} {form:<15} {rate:<7} {mean_error:>8.4}  {deviation:.4}      {difference}");
        text += line.trim_end();
        text.push('\n');
    }
    text + "```\n"
}
