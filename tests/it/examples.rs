//! Programs for tables of a person's own print what is undefined as that: no NaN, no infinity.

#[allow(dead_code)]
#[path = "../../docs/examples/cross_validation.rs"]
mod cross_validation;
#[allow(dead_code)]
#[path = "../../docs/examples/estimator.rs"]
mod estimator;

use polytask::Result;
use polytask::ndarray::Array2;
use polytask::prelude::*;

/// Twenty rows of three targets: one whole, one with a gap, one whose labels are all equal.
fn with_gaps() -> Result<Dataset<f32>> {
    let x = Array2::from_shape_fn((20, 2), |(i, j)| ((i * (7 * j + 3)) % 11) as f32 * 0.3);
    let y = Array2::from_shape_fn((20, 3), |(i, k)| match k {
        0 => x[[i, 0]] - x[[i, 1]],
        1 if i == 3 => f32::NAN,
        1 => x[[i, 0]] + x[[i, 1]],
        _ => 5.0,
    });
    Dataset::new(x, y)?.with_target_names(["whole", "gap", "equal"])
}

/// The numbers of a line, and `None` for what is undefined.
fn numbers(line: &str) -> Vec<Option<f64>> {
    let words = line.split_whitespace().skip(1);
    words.map(|word| (word != "undefined").then(|| word.parse().expect("a number"))).collect()
}

fn is_finite(numbers: &[Option<f64>]) -> bool {
    numbers.iter().flatten().all(|x| x.is_finite())
}

#[test]
fn cross_validation_of_gaps_and_constants() -> Result<()> {
    let (table, folds) = cross_validation::cross_validate(&with_gaps()?)?;
    println!("{table}");
    let lines: Vec<&str> = table.lines().collect();
    let [whole, gap, equal] = [1, 2, 3].map(|line| numbers(lines[line]));
    assert!(is_finite(&whole) && is_finite(&gap));
    assert!(whole[..2].iter().chain(&gap[..2]).all(Option::is_some));
    assert_eq!([whole[2], gap[2]], [Some(20.0), Some(19.0)]); // labels
    assert_eq!(equal, [None, None, Some(20.0)]);
    let average = 0.5 * (whole[1].unwrap() + gap[1].unwrap());
    let (said, over) = lines[4].strip_prefix("aRRMSE ").unwrap().split_once(' ').unwrap();
    // Four decimals are printed.
    assert!((said.parse::<f64>().unwrap() - average).abs() < 1e-4, "{table}");
    assert_eq!(over, "over 2 of 3 targets");
    assert_eq!(folds.len(), 20);
    Ok(())
}

#[test]
fn an_estimator_of_gaps_and_constants() -> Result<()> {
    let settings = MultiTaskRegressor::new().hidden([8]).members(2).epochs(30).threads(1);
    let line = estimator::line("small", &with_gaps()?, 1, &settings)?;
    println!("{line}");
    let found = numbers(&line);
    assert!(is_finite(&found), "{line}");
    let is_there: Vec<bool> = found.iter().map(Option::is_some).collect();
    // Rows, one network, the estimator, seconds; of each target.
    assert_eq!(is_there, [true, true, true, true, true, true, false]);
    let average = 0.5 * (found[4].unwrap() + found[5].unwrap());
    assert!((found[2].unwrap() - average).abs() < 1e-3, "{line}");
    Ok(())
}
