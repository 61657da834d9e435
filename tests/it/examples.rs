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
use polytask::validation::TrainingPart;

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
    let data = with_gaps()?;
    let result = cross_validation::ten_folds().run(&data, |part| cross_validation::fit(part, 500))?;
    let printed = cross_validation::summary(&result)?;
    println!("{printed}");
    assert!(!printed.contains("NaN") && !printed.contains("inf"), "{printed}");
    let error = |target: &str| result[target].score("rrmse").and_then(|score| score.mean_pooled());
    let [whole, gap] = ["whole", "gap"].map(|target| error(target).unwrap());
    assert_eq!(["whole", "gap", "equal"].map(|target| result[target].n_labels), [20, 19, 20]);
    assert_eq!(error("equal"), None);
    // The means of the training labels are those by hand.
    let by_hand = |target: usize| {
        let (mut error, mut of_mean) = (0.0, 0.0);
        for fold in result.folds() {
            let labels = |rows: &[usize]| -> Vec<(usize, f64)> {
                let all = rows.iter().map(|&row| (row, f64::from(data.targets()[[row, target]])));
                all.filter(|(_, t)| !t.is_nan()).collect()
            };
            let train = labels(&fold.rows.train);
            let mean = train.iter().map(|(_, t)| t).sum::<f64>() / train.len() as f64;
            for (row, t) in labels(&fold.rows.test) {
                error += (result.tasks()[target].out_of_fold(0)[[row, 0]] - t).powi(2);
                of_mean += (mean - t).powi(2);
            }
        }
        (error / of_mean).sqrt()
    };
    // A few dozen roundings in f64.
    assert!((whole - by_hand(0)).abs() < 1e-12 && (gap - by_hand(1)).abs() < 1e-12);
    let last = printed.lines().last().unwrap();
    assert_eq!(last, format!("mean rrmse {:.4} over 2 of 3 tasks", 0.5 * (whole + gap)));
    assert_eq!(cross_validation::fold_of_each_row(&result, 20).len(), 20);
    Ok(())
}

#[test]
fn an_estimator_of_gaps_and_constants() -> Result<()> {
    let settings = MultiTaskRegressor::new().hidden([8]).members(2).epochs(30).threads(1);
    let fit = |part: &TrainingPart<'_, f32>| estimator::Both::fit(&settings, part);
    let line = estimator::line("small", 20, &estimator::ten_folds(1).run(&with_gaps()?, fit)?, [0.1, 0.2]);
    println!("{line}");
    let found = numbers(&line.replace('±', ""));
    assert!(is_finite(&found), "{line}");
    let is_there: Vec<bool> = found.iter().map(Option::is_some).collect();
    // Rows; one network, ten alike, the estimator; the difference and its error; seconds of both; of each target.
    assert_eq!(is_there, [[true; 10].as_slice(), &[false]].concat());
    let average = 0.5 * (found[8].unwrap() + found[9].unwrap());
    assert!((found[3].unwrap() - average).abs() < 1e-3, "{line}");
    Ok(())
}

#[test]
fn intervals_of_gaps_and_constants() -> Result<()> {
    let settings = MultiTaskRegressor::new().hidden([8]).members(2).epochs(5).threads(1);
    let data = datasets::robot_arm::<f32>(100, 0.05, 3);
    let lines = estimator::lines_of_coverage("arm", &data, &settings, 1)?;
    assert_eq!(lines.len(), 3);
    for line in &lines {
        let found: Vec<f64> = numbers(line).into_iter().flatten().collect();
        // Rows, coverage; of the estimator and of one network coverages and widths, each and all; errors; of each target.
        assert_eq!((found.len(), found[0]), (14, 22.0), "{line}");
        assert!((found[2] - 0.5 * (found[12] + found[13])).abs() < 2e-3, "{line}");
        assert!(found[5] > found[4], "all together are wider: {line}");
    }
    Ok(())
}

/// The tables of `tests/tables` have the quirks of well-known ones, and made-up numbers: what stands behind `tutorial
/// --csv`, and lines of the report.
const TABLES: [(&str, &[&str]); 13] = [
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
        "penguins.csv --targets body_mass_g --embed island,sex --epochs 2",
        &[
            "species            texts, a feature for each of `Adelie`, `Chinstrap`, `Gentoo`",
            "island             feature, the index among `Biscoe`, `Dream`, `Torgersen`",
            "sex                feature, the index among `FEMALE`, `MALE`",
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

/// The vectors of categories are in the networks of both programs, and their columns are no longer features of their own.
#[test]
fn embedded_columns_get_learnt_vectors() -> Result<()> {
    let path = format!("{}/tests/tables/penguins.csv", env!("CARGO_MANIFEST_DIR"));
    let arguments = [path.as_str(), "body_mass_g", "--embed", "island,sex"].map(String::from);
    let (options, rest) = cross_validation::own_table::Options::take(&arguments).expect("known options");
    let (data, _) = options.read(rest[0], rest[1], "")?;
    assert_eq!(data.index_columns().len(), 2);
    let result = cross_validation::ten_folds().run(&data, |part| {
        let model = cross_validation::fit(part, 1)?;
        for (feature, n) in data.index_columns() {
            let table = model.network().layout().block(&format!("trunk.0.table.{feature}"));
            assert_eq!(table.map(|table| table.shape()), Some((n + 1, 8)));
        }
        Ok(model)
    })?;
    assert!(cross_validation::summary(&result)?.contains("body_mass_g"));
    Ok(())
}

/// Several networks predict their mean, of one seed each.
#[test]
fn networks_of_a_fold_predict_together() -> Result<()> {
    use cross_validation::{Networks, Together};
    use polytask::validation::Predictor;
    let data = datasets::robot_arm::<f32>(60, 0.05, 3);
    let (together, rest) = Together::take(vec!["t.csv", "--networks", "3", "a"]).expect("known options");
    assert_eq!((together.networks, together.members, rest), (3, 1, vec!["t.csv", "a"]));
    assert!(
        Together::take(vec!["--ensemble", "0"]).unwrap_err().contains("a whole number from 1 on, found `0`")
    );
    let sizes = std::sync::Mutex::new(Vec::new());
    let fold = |together: Together| {
        cross_validation::ten_folds().run(&data, |part| {
            let networks = Networks::fit(part, 1, together)?;
            sizes.lock().expect("no panic").push(networks.n_parameters().expect("it is known"));
            if together == Together::default() {
                let one = cross_validation::fit(part, 1)?;
                assert_eq!(networks.predict_tasks(&data)?, one.predict_tasks(&data)?);
            }
            Ok(networks)
        })
    };
    let one = fold(Together::default())?;
    let three = fold(together)?;
    fold(Together { members: 3, ..Together::default() })?;
    assert_ne!(one["elbow"].out_of_fold(0), three["elbow"].out_of_fold(0));
    let sizes = sizes.into_inner().expect("no panic");
    assert_eq!(3 * sizes[0], sizes[10]);
    assert!(sizes[0] < sizes[20] && sizes[20] < sizes[10], "{sizes:?}");
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
