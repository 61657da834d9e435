//! What a column matters: shuffling it costs what the formula says, and nothing where it is not read.

use std::cell::RefCell;

use ndarray::{Array2, Axis, array};
use polytask::plot;
use polytask::prelude::*;
use polytask::validation::{Importance, PartialDependence, Predictor};

/// y = 2 x₀ − x₂ exactly, the probability of yes by x₁, and what it was asked to predict for.
struct Known {
    tasks: Vec<Task>,
    asked: RefCell<Vec<Array2<f64>>>,
}

impl Known {
    fn new() -> Self {
        let tasks = vec![Task::regression("price"), Task::binary("sold"), Task::regression("never")];
        Self { tasks, asked: RefCell::new(Vec::new()) }
    }
}

impl Predictor<f64> for Known {
    fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    fn predict_tasks(&self, data: &Dataset<f64>) -> polytask::Result<Vec<Array2<f64>>> {
        self.asked.borrow_mut().push(data.features().to_owned());
        let of = |f: &dyn Fn(&[f64]) -> f64| {
            Array2::from_shape_fn((data.n_rows(), 1), |(row, _)| f(data.feature_row(row)))
        };
        Ok(vec![of(&|x| 2.0 * x[0] - x[2]), of(&|x| x[1]), of(&|_| 0.0)])
    }
}

fn data() -> Dataset<f64> {
    let x = Array2::from_shape_fn((60, 5), |(i, j)| ((i * (2 * j + 3) + j) % 17) as f64 / 17.0);
    let y = Array2::from_shape_fn((60, 3), |(i, k)| match k {
        0 if i % 7 == 3 => f64::NAN,
        0 => 2.0 * x[[i, 0]] - x[[i, 2]] + ((i % 5) as f64 - 2.0) / 10.0,
        1 => f64::from(u8::from(x[[i, 1]] + ((i % 3) as f64 - 1.0) / 4.0 > 0.5)),
        _ => f64::NAN,
    });
    let data = Dataset::new(x, y).unwrap().with_feature_names(["a", "b", "c", "d", "e"]).unwrap();
    let data = data.with_target_names(["price", "sold", "never"]).unwrap();
    data.with_weights((0..60).map(|i| f64::from(i % 4)).collect()).unwrap()
}

/// The weighted root mean squared error of `price` for these features.
fn rmse(x: &Array2<f64>, data: &Dataset<f64>) -> f64 {
    let (mut sum, mut total) = (0.0, 0.0);
    for i in 0..60 {
        let (y, weight) = (data.targets()[[i, 0]], data.weights().unwrap()[i]);
        if !y.is_nan() {
            sum += weight * (2.0 * x[[i, 0]] - x[[i, 2]] - y).powi(2);
            total += weight;
        }
    }
    (sum / total).sqrt()
}

#[test]
fn shuffling_costs_what_the_formula_says() {
    let (data, known) = (data(), Known::new());
    let report = Importance::new().repeats(4).seed(3).together("de", ["e", "d"]).run(&known, &data).unwrap();
    let asked = known.asked.borrow();
    // As they are, and four times for each of a, b, c and d with e.
    assert_eq!((asked.len(), asked[0].view()), (1 + 4 * 4, data.features()));
    let own = [vec![0], vec![1], vec![2], vec![3, 4]];
    for (c, shuffled) in own.iter().enumerate() {
        for repeat in 0..4 {
            let x = &asked[1 + 4 * c + repeat];
            for column in 0..5 {
                let sorted = |x: &Array2<f64>| {
                    let mut column = x.column(column).to_vec();
                    column.sort_by(f64::total_cmp);
                    column
                };
                assert_eq!(sorted(x), sorted(&asked[0]));
                assert_eq!(x.column(column) == data.features().column(column), !shuffled.contains(&column));
            }
            // Features that are one column keep their rows.
            let pairs = |x: &Array2<f64>| {
                let mut pairs: Vec<[u64; 2]> =
                    x.rows().into_iter().map(|row| [row[3].to_bits(), row[4].to_bits()]).collect();
                pairs.sort_unstable();
                pairs
            };
            assert_eq!(pairs(x), pairs(&asked[0]));
            let expected = rmse(x, &data) - rmse(&asked[0], &data);
            let found = report["price"].columns[c].worse[repeat].expect("a number");
            assert!((found - expected).abs() < 1e-12, "column {c}: {found}, {expected}");
        }
    }
    let price = &report["price"];
    assert!((price.score.unwrap() - rmse(&asked[0], &data)).abs() < 1e-12);
    assert_eq!(price.get("b").unwrap().worse, [Some(0.0); 4]);
    assert_eq!(
        (price.get("de").unwrap().mean(), price.get("de").unwrap().deviation()),
        (Some(0.0), Some(0.0))
    );
    let a = price.get("a").unwrap();
    let (n, mean) = (4.0, a.mean().unwrap());
    let variance = a.worse.iter().map(|x| (x.unwrap() - mean).powi(2)).sum::<f64>() / (n - 1.0);
    assert!((a.deviation().unwrap() - variance.sqrt()).abs() < 1e-15);
    assert_eq!(price.by_importance()[0].column, "a");

    // A score where higher is better, and a task without labels.
    let sold = &report["sold"];
    assert_eq!((sold.metric.as_str(), sold.by_importance()[0].column.as_str()), ("roc_auc", "b"));
    assert!(sold.get("b").unwrap().mean() > Some(0.2) && sold.get("a").unwrap().mean() == Some(0.0));
    let never = &report["never"];
    assert_eq!((never.score, never.columns[0].mean(), never.columns[0].deviation()), (None, None, None));

    let text = report.to_string();
    assert!(text.contains("price: rmse ↓") && text.contains("worse by undefined ± undefined"), "{text}");
    assert!(text.ends_with("on 60 rows"), "{text}");
    assert!(
        plot::importance(never).contains("nothing to show") && plot::importance(price).contains("± 0.000")
    );
}

#[test]
fn the_seed_alone_decides() {
    let data = data();
    let run = |seed| Importance::new().repeats(3).seed(seed).run(&Known::new(), &data).unwrap();
    assert_eq!(run(1)["price"], run(1)["price"]);
    assert_ne!(run(1)["price"], run(2)["price"]);
}

#[test]
fn what_cannot_be_measured_is_an_error() {
    let (data, known) = (data(), Known::new());
    let fault = |importance: Importance| importance.run(&known, &data).unwrap_err().to_string();
    assert!(fault(Importance::new().repeats(1)).contains("expected at least 2, for their spread, found 1"));
    assert!(fault(Importance::new().metric("speed")).contains("expected one that a task has, found speed"));
    assert!(fault(Importance::new().together("x", ["z"])).contains("`z`"));
    let twice = Importance::new().together("x", ["a", "b"]).together("y", ["b"]);
    let error = fault(twice);
    assert!(
        error.contains("feature `b`: expected one column that it belongs to, found two, `x` and `y`"),
        "{error}"
    );
    let error = fault(Importance::new().together("x", ["a", "a"]));
    assert!(error.contains("found two, `x` and `x`"), "{error}");
    // Only the task that has the score.
    let report = Importance::new().metric("mae").run(&known, &data).unwrap();
    assert_eq!(report.tasks().iter().map(|task| task.task.as_str()).collect::<Vec<_>>(), ["price", "never"]);
    assert!(report.get("sold").is_none());
    assert!(PartialDependence::of_number(&known, &data, "z", 5).is_err());
    assert!(PartialDependence::of_number(&known, &data, "a", 1).is_err());
    assert!(PartialDependence::of_category(&known, &data, "x", Vec::<String>::new()).is_err());
}

#[test]
fn dependence_is_the_weighted_mean_of_predictions() {
    let (data, known) = (data(), Known::new());
    let along = PartialDependence::of_number(&known, &data, "a", 4).unwrap();
    let weights = data.weights().unwrap();
    let mean_c = weights.dot(&data.features().column(2)) / weights.sum();
    for (i, a) in along.values().iter().enumerate() {
        assert!((along.means("price").unwrap()[[i, 0]] - (2.0 * a - mean_c)).abs() < 1e-12);
    }
    let column = data.features().column(0).to_vec();
    let (low, high) =
        (column.iter().copied().fold(1.0, f64::min), column.iter().copied().fold(0.0, f64::max));
    assert_eq!((along.values()[0], along.values().last().copied()), (low, Some(high)));
    assert_eq!(along.tasks().collect::<Vec<_>>(), ["price", "sold", "never"]);
    assert!(along.means("rent").is_none());

    let category = PartialDependence::of_category(&known, &data, "abc", ["a", "c"]).unwrap();
    assert_eq!(category.means("price").unwrap(), &array![[2.0], [-1.0]]);
    let picture = plot::partial_dependence(&category, &["price", "rent"]);
    assert!(picture.contains("price") && !picture.contains("rent"));
    // A column that is the same in all rows has one value.
    let constant = Dataset::new(Array2::ones((60, 5)), data.targets().to_owned()).unwrap();
    let along = PartialDependence::of_number(&known, &constant, "x0", 5).unwrap();
    assert_eq!((along.values(), along.means("price").unwrap().len_of(Axis(0))), (&[1.0][..], 1));
}

/// A network finds what the labels are made of; a class that a model does not know has probability 0.
#[test]
fn of_models_and_estimators() {
    let data = datasets::mixed_tasks::<f64>(400, 0.1, 3);
    let (train, held_out) = data.split(0.6, 1).unwrap();
    let builder = Model::builder(data.n_features()).trunk([Layer::dense(16, Activation::Relu)]).standardize();
    let builder = builder.task(Task::regression("value")).task(Task::binary("accepted"));
    let mut model = builder.build::<f64>().unwrap();
    Trainer::new(Adam::new(0.01)).steps(400).fit(&mut model, &train).unwrap();
    let report = Importance::new().repeats(3).run(&model, &held_out).unwrap();
    for task in ["value", "accepted"] {
        assert_eq!(report[task].columns.len(), data.n_features());
        let most = report[task].by_importance()[0];
        assert!(most.mean() > most.deviation(), "{report}");
    }
    let x = Array2::from_shape_fn((60, 2), |(i, j)| ((i * (j + 3)) % 17) as f64 / 17.0);
    let y = x.map_axis(Axis(1), |x| f64::from(u8::from(x[0] > 0.5))).insert_axis(Axis(1));
    let table = Dataset::new(x, y).unwrap();
    let classes = MultiTaskClassifier::new().hidden([8]).members(2).epochs(40).fit_table(&table).unwrap();
    let report = Importance::new().repeats(3).run(&classes, &table).unwrap();
    assert_eq!(
        (report["y0"].metric.as_str(), report["y0"].by_importance()[0].column.as_str()),
        ("log_loss", "x0")
    );
}
