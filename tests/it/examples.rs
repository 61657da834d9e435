//! Programs for tables of a person's own read them as they are published, say what they found, and print what is
//! undefined as that: no NaN, no infinity.

#[allow(dead_code, clippy::duplicate_mod)]
#[path = "../../docs/examples/cross_validation.rs"]
mod cross_validation;
#[allow(dead_code, clippy::duplicate_mod)]
#[path = "../../docs/examples/estimator.rs"]
mod estimator;
#[allow(dead_code, clippy::duplicate_mod)]
#[path = "../../docs/examples/tutorial.rs"]
mod tutorial;

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
    let (table, folds) = cross_validation::cross_validate(&with_gaps()?, 500)?;
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

/// The tables of `tests/tables` have the quirks of well-known ones, and made-up numbers: what stands behind `tutorial
/// --csv`, and lines of the report.
const TABLES: [(&str, &[&str]); 12] = [
    (
        "fish.csv --targets Weight,Height --epochs 2",
        &[
            "18 rows, 6 columns, separated by `,`, named in line 1",
            "Species  texts, a feature for each of `Bream`, `Perch`, `Roach`",
            "Weight   target; such as `231`, `288`, `352`",
        ],
    ),
    (
        "penguins.csv --targets body_mass_g --classes species --epochs 2",
        &[
            "sex                texts, a feature for each of `FEMALE`, `MALE`; 3 missing (`NA`)",
            "bill_length_mm     feature, numbers with mean 44.784211; 1 missing (`NA`); such as `38.1`, `39.9`, `40.7`",
            "body_mass_g        target; 1 missing (`NA`); such as",
            "species            target, with the classes `Adelie`, `Chinstrap`, `Gentoo`",
        ],
    ),
    (
        "penguins.csv --order species=Gentoo,Adelie,Chinstrap --frequent 1 --missing-in sex=MALE --epochs 2",
        &[
            "island             texts, a feature for each of `Biscoe`, and one for all others",
            "sex                texts, a feature for each of `FEMALE`; 11 missing (`MALE`, `NA`)",
            "species            target, with the classes `Gentoo`, `Adelie`, `Chinstrap`",
        ],
    ),
    (
        "adult.csv --classes column10 --epochs 2",
        &[
            "15 rows, 10 columns, separated by `,`, without a header",
            "column2   texts, a feature for each of `Private`, `Self-emp`; 2 missing (`?`)",
            "column8   texts, a feature for each of `Aged 20, or more`, `Aged 30, or more`, `Aged 40, or more`",
            "column10  target, with the classes `<=50K`, `>50K`",
        ],
    ),
    (
        "wine.csv --targets quality,pH --epochs 2",
        &[
            "12 rows, 6 columns, separated by `;`, named in line 1",
            "density           feature, numbers with mean 0.99",
        ],
    ),
    (
        "student.csv --targets G1,G2,G3 --epochs 2",
        &[
            "separated by `;`",
            "school     texts, a feature for each of `GP`, `MS`",
            "G1         target; such as `6`, `5`, `8`",
        ],
    ),
    (
        "titanic.csv --classes Survived --ignore PassengerId,Name,Ticket,Cabin --epochs 2",
        &[
            "Name         left out by the settings",
            "Age          feature, numbers with mean 28.846154; 2 missing; such as",
            "Embarked     texts, a feature for each of `C`, `Q`, `S`; 1 missing",
        ],
    ),
    (
        "auto-mpg.data --targets column1 --ignore column9 --epochs 2",
        &[
            "12 rows, 9 columns, separated by spaces, without a header",
            "column4  feature, numbers with mean 114.200000; 2 missing (`?`); such as `130.0`, `164.0`, `151.0`",
        ],
    ),
    (
        "abalone.data --targets column8 --epochs 2",
        &["separated by `,`, without a header", "column1  texts, a feature for each of `F`, `I`, `M`"],
    ),
    (
        "airquality.csv --targets Ozone,Temp --epochs 2",
        &[
            "12 rows, 6 columns, separated by `,`, named in line 1",
            "the first column is left out: it has no name, and numbers or names the rows",
            "Ozone    target; 2 missing (`NA`)",
        ],
    ),
    (
        "cars.txt --targets mpg --epochs 2",
        &[
            "10 rows, 5 columns, separated by spaces, named in line 1",
            "the first column is left out: it has no name, and numbers the rows",
        ],
    ),
    (
        "air.csv --targets CO(GT),NOx(GT) --missing -200 --ignore Time --epochs 2",
        &[
            "12 rows, 7 columns, separated by `;`, named in line 1",
            "2 rows at the end are left out: all their cells are empty",
            "2 columns at the end are left out: they have neither a name nor a filled cell",
            "Date      feature, numbers with mean 12490.500000; dates as day.month.year, in days since 1970",
            "CO(GT)    target; decimal comma; 2 missing (`-200`); such as `2,7`, `2,1`, `2,3`",
            "NOx(GT)   target; 3 missing (`-200`)",
        ],
    ),
];

#[test]
fn published_tables_are_read_reported_and_learnt_from() -> Result<()> {
    for (line, expected) in TABLES {
        let (file, arguments) = line.split_once(' ').expect("a file and its targets");
        let path = format!("{}/tests/tables/{file}", env!("CARGO_MANIFEST_DIR"));
        let arguments = ["--csv", &path].into_iter().chain(arguments.split(' ')).map(String::from);
        let arguments: Vec<String> = arguments.collect();
        let (options, rest) = tutorial::own_table::Options::take(&arguments).expect("known options");
        let (data, report) = tutorial::own(&options, &rest)?.expect("a table");
        println!("{report}");
        for expected in expected {
            assert!(report.contains(expected), "no `{expected}` in\n{report}");
        }
        assert!(!report.contains("warning"), "{report}");
        let learnt = tutorial::learn(&data, Some(&options))?;
        for target in data.target_names() {
            assert!(learnt.contains(&format!("\n{target} ")), "{learnt}");
        }
        assert!(!learnt.contains("NaN") && !learnt.contains("inf"), "{learnt}");
    }
    Ok(())
}

#[test]
fn options_that_are_wrong_are_named() {
    let take = |line: &str| {
        let arguments: Vec<String> = line.split(' ').map(String::from).collect();
        tutorial::own_table::Options::take(&arguments).map(|(_, rest)| rest.join(" "))
    };
    assert_eq!(take("t.csv --delimiter tab a,b --decimal-comma").unwrap(), "t.csv a,b");
    for (line, expected) in [
        ("--delimiter ;;", "--delimiter: expected one character, found `;;`"),
        ("--header maybe", "--header: expected yes or no, found `maybe`"),
        ("t.csv --skip-lines", "--skip-lines wants a value"),
        ("--epochs few", "--epochs: expected a number, found `few`"),
        ("--order low,high", "--order: expected a column, `=` and texts, found `low,high`"),
    ] {
        assert_eq!(take(line).unwrap_err(), expected);
    }
}
