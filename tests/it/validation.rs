//! Cross-validation: nothing of a row that is held out reaches the model that predicts it; the numbers say over what they
//! are; the same bits on any number of threads.

use polytask::data::Fold;
use polytask::data::csv::CsvReader;
use polytask::ndarray::{Array2, Axis, array};
use polytask::prelude::*;
use polytask::validation::{CrossValidated, CrossValidation, Predictor, TrainingPart};
use polytask::{Error, ErrorKind, Result, Warning};

fn network(part: &TrainingPart<'_, f64>) -> Result<Model<f64>> {
    let mut builder = Model::builder(part.data.n_features()).trunk([Layer::dense(6, Activation::Tanh)]);
    for target in part.data.target_names() {
        builder = builder.task(Task::regression(target));
    }
    let mut model = builder.standardize().seed(part.seed).build::<f64>()?;
    Trainer::new(Adam::new(0.02))
        .epochs(8)
        .batch_size(8)
        .seed(part.seed)
        .threads(1)
        .fit(&mut model, part.data)?;
    Ok(model)
}

fn bits(result: &CrossValidated, task: &str, repeat: usize) -> Vec<u64> {
    result[task].out_of_fold(repeat).iter().map(|y| y.to_bits()).collect()
}

#[test]
fn the_same_bits_on_any_number_of_threads() -> Result<()> {
    let data = datasets::robot_arm::<f64>(50, 0.05, 3);
    let run = |threads| CrossValidation::new(4).repeats(2).seed(5).threads(threads).run(&data, network);
    let one = run(1)?;
    for threads in [2, 3, 16] {
        let many = run(threads)?;
        for (task, repeat) in [("shoulder", 0), ("elbow", 0), ("elbow", 1)] {
            assert_eq!(bits(&one, task, repeat), bits(&many, task, repeat), "{threads} threads");
        }
        assert_eq!(one.to_string(), many.to_string());
    }
    assert_ne!(bits(&one, "elbow", 0), bits(&one, "elbow", 1)); // cut anew
    Ok(())
}

#[test]
fn a_row_does_not_reach_the_model_that_predicts_it() -> Result<()> {
    let data = datasets::robot_arm::<f64>(30, 0.05, 3);
    let cut = CrossValidation::new(5).seed(2);
    let before = cut.run(&data, network)?;
    let row = 11;
    let mut targets = data.targets().to_owned();
    targets.row_mut(row).fill(1e6);
    let changed =
        Dataset::new(data.features().to_owned(), targets)?.with_target_names(["shoulder", "elbow"])?;
    let after = cut.run(&changed, network)?;
    let fold = before.folds().iter().find(|fold| fold.rows.test.contains(&row)).unwrap();
    for row in 0..30 {
        let same = before["elbow"].out_of_fold(0)[[row, 0]] == after["elbow"].out_of_fold(0)[[row, 0]];
        // The models of the other folds have learnt from the changed label.
        assert_eq!(same, fold.rows.test.contains(&row), "row {row}");
    }
    Ok(())
}

/// A file of 24 rows with gaps, a category and a class that one row alone has, and dates whose order one row settles.
fn file(row: Option<usize>) -> String {
    let mut text = String::from("area,roof,sold,kind,price\n");
    for i in 0..24 {
        let area = if i % 7 == 0 { String::new() } else { (500 + 13 * i).to_string() };
        let roof = if i == 5 { "thatched" } else { ["flat", "pitched"][i % 2] };
        let sold = if i == 9 { "25/02/2020".to_owned() } else { format!("0{}/03/2020", 1 + i % 9) };
        let kind = if i == 13 { "tower" } else { ["barn", "house", "shed"][i % 3] };
        text += &match row == Some(i) {
            false => format!("{area},{roof},{sold},{kind},{}\n", 100 + i * i),
            true => format!("99999,slate,{sold},{kind},{}\n", 100 + i * i),
        };
    }
    text
}

#[test]
fn columns_are_encoded_by_the_training_part_alone() -> Result<()> {
    let reader = CsvReader::new().targets(["price"]).ignore(["kind"]);
    let table = reader.table_from(file(None).as_bytes(), "houses.csv")?;
    let cut = CrossValidation::new(6).seed(3);
    let result = cut.run_csv(&reader, &table, |part| {
        let names = part.data.feature_names();
        let column = |name: &str| names.iter().position(|other| other == name);
        // A gap is filled with the mean of the training part's cells.
        let (area, gap) = (column("area").unwrap(), column("area_missing").unwrap());
        let (filled, gaps): (Vec<f64>, Vec<f64>) = (0..part.data.n_rows())
            .map(|row| (part.data.feature_row(row)[area], part.data.feature_row(row)[gap]))
            .unzip();
        let present: Vec<f64> =
            filled.iter().zip(&gaps).filter(|(_, gap)| **gap == 0.0).map(|(x, _)| *x).collect();
        let mean = present.iter().sum::<f64>() / present.len() as f64;
        for (x, _) in filled.iter().zip(&gaps).filter(|(_, gap)| **gap == 1.0) {
            assert!((x - mean).abs() < 1e-9, "{x} for {mean}");
        }
        // A category that it lacks is no column.
        if let Some(thatched) = column("roof=thatched") {
            assert!((0..part.data.n_rows()).any(|row| part.data.feature_row(row)[thatched] == 1.0));
        }
        network(part)
    })?;
    let widths: Vec<bool> = result.folds().iter().map(|fold| fold.rows.test.contains(&5)).collect();
    assert_eq!(widths.iter().filter(|held_out| **held_out).count(), 1);
    assert!(result["price"].scores.iter().all(|score| score.n_defined() == 6));

    // Another row 16 leaves the model that does not see it as it was, to the bit.
    let other = reader.table_from(file(Some(16)).as_bytes(), "houses.csv")?;
    let changed = cut.run_csv(&reader, &other, network)?;
    let fold = result.folds().iter().find(|fold| fold.rows.test.contains(&16)).unwrap();
    for &row in fold.rows.test.iter().filter(|row| **row != 16) {
        assert_eq!(result["price"].out_of_fold(0)[[row, 0]], changed["price"].out_of_fold(0)[[row, 0]]);
    }
    // Encoded as a whole, the same table gives other features in every fold.
    let whole = reader.fit(&table)?.apply::<f64>(&table)?;
    let leaky = cut.run(&whole, network)?;
    assert_ne!(bits(&leaky, "price", 0), bits(&result, "price", 0));
    Ok(())
}

#[test]
fn a_class_that_a_fold_does_not_know_has_probability_0_and_counts_as_wrong() -> Result<()> {
    let reader = CsvReader::new().class_targets(["kind"]).ignore(["sold", "price"]);
    let table = reader.table_from(file(None).as_bytes(), "houses.csv")?;
    let settings = MultiTaskClassifier::new().hidden([6]).members(1).epochs(5);
    let result =
        CrossValidation::new(4).run_csv(&reader, &table, |part| settings.fit_table::<f64>(part.data))?;
    let kind = &result["kind"];
    assert_eq!((kind.out_of_fold(0).dim(), kind.n_labels), ((24, 4), 24));
    assert_eq!(kind.out_of_fold(0)[[13, 3]], 0.0); // of `tower`, which nobody else is
    let whole = reader.fit(&table)?.apply::<f64>(&table)?;
    let hits = (0..24).filter(|&row| {
        let p = kind.out_of_fold(0).row(row).to_owned();
        let likeliest = (0..4).fold(0, |best, c| if p[c] > p[best] { c } else { best });
        likeliest as f64 == whole.targets()[[row, 0]]
    });
    assert_eq!(kind.score("accuracy").unwrap().pooled, [Some(hits.count() as f64 / 24.0)]);
    Ok(())
}

#[test]
fn groups_stay_whole_and_classes_are_shared_out() -> Result<()> {
    let x = Array2::from_shape_fn((40, 2), |(i, j)| ((i * (j + 3)) % 11) as f64);
    let y = Array2::from_shape_fn((40, 1), |(i, _)| f64::from(u8::from(i % 4 == 0)));
    let data = Dataset::new(x, y)?.with_target_names(["late"])?;
    let settings = MultiTaskClassifier::new().hidden([4]).members(1).epochs(2);
    let fit = |part: &TrainingPart<'_, f64>| settings.fit_table(part.data);
    let stratified = CrossValidation::new(5).stratify("late").run(&data, fit)?;
    for fold in stratified.folds() {
        assert_eq!(fold.rows.test.iter().filter(|row| **row % 4 == 0).count(), 2);
    }
    let groups: Vec<u64> = (0..40).map(|row| row / 5).collect();
    let grouped = data.clone().with_groups(groups.clone())?;
    for fold in CrossValidation::new(4).run(&grouped, fit)?.folds() {
        let held_out = |row: &usize| fold.rows.test.iter().any(|other| groups[*other] == groups[*row]);
        assert!(!fold.rows.train.iter().any(held_out));
    }
    Ok(())
}

/// Means are rounded before they are divided.
#[track_caller]
fn assert_close(found: Option<f64>, expected: f64) {
    assert!((found.unwrap() - expected).abs() < 1e-14, "found {found:?}, expected {expected}");
}

/// Predicts the same for all rows.
struct Constant(Vec<Task>, f64);

impl Predictor<f64> for Constant {
    fn tasks(&self) -> &[Task] {
        &self.0
    }
    fn predict_tasks(&self, data: &Dataset<f64>) -> Result<Vec<Array2<f64>>> {
        Ok(self.0.iter().map(|_| Array2::from_elem((data.n_rows(), 1), self.1)).collect())
    }
    fn warnings_on(&self, _: &Dataset<f64>) -> Result<Vec<Warning>> {
        Ok(vec![Warning::NoFeatureNames])
    }
}

#[test]
fn what_is_undefined_is_not_0_and_totals_say_what_they_are_over() -> Result<()> {
    let targets = array![
        [0.0, 3.0, f64::NAN],
        [1.0, 3.0, f64::NAN],
        [2.0, 3.0, f64::NAN],
        [4.0, 3.0, 1.0],
        [8.0, 3.0, f64::NAN],
        [9.0, 3.0, 2.0]
    ];
    let data = Dataset::new(Array2::ones((6, 1)), targets)?.with_target_names(["a", "equal", "rare"])?;
    let weighted = data.clone().with_weights(array![1.0, 1.0, 1.0, 1.0, 0.5, 0.0])?;
    let tasks: Vec<Task> = ["a", "equal", "rare"].map(Task::regression).to_vec();
    let folds = [Fold::new(vec![3, 4, 5], vec![0, 1, 2]), Fold::new(vec![0, 1, 2], vec![3, 4])];
    let cut = CrossValidation::with_folds(folds);
    let result = cut.run(&data, |_| Ok(Constant(tasks.clone(), 3.0)))?;
    println!("{result}");
    // Held out 0, 1, 2 and 4, 8; the training means are 7 and 1.
    let rmse = result["a"].score("rmse").unwrap();
    let first = ((9.0 + 4.0 + 1.0) / 3.0_f64).sqrt();
    let second = ((1.0 + 25.0) / 2.0_f64).sqrt();
    assert_eq!(rmse.folds, [Some(first), Some(second)]);
    assert_eq!(rmse.pooled, [Some((40.0 / 5.0_f64).sqrt())]);
    assert_eq!(rmse.mean(), Some((first + second) / 2.0));
    let rrmse = result["a"].score("rrmse").unwrap();
    assert_close(rrmse.folds[0], (14.0 / 110.0_f64).sqrt()); // 49 + 36 + 25
    assert_close(rrmse.pooled[0], (40.0 / 168.0_f64).sqrt()); // 9 + 49 more
    // All labels are equal: no R², and predicting the mean does not err.
    for name in ["r2", "rrmse"] {
        let score = result["equal"].score(name).unwrap();
        assert_eq!(
            (score.mean(), score.mean_pooled(), score.deviation(), score.n_defined()),
            (None, None, None, 0)
        );
    }
    // No label in the first fold; one in the second, whose training part has none.
    let rare = &result["rare"];
    assert_eq!(rare.score("mae").unwrap().folds, [None, Some(2.0)]);
    assert_eq!(rare.score("rrmse").unwrap().folds, [None, None]);
    assert_eq!(rare.n_labels, 1);
    assert!(result["a"].out_of_fold(0)[[5, 0]].is_nan()); // never held out
    assert_eq!(
        result.mean_over_tasks("rrmse")?.to_string(),
        format!("rrmse {:.4} over 1 of 3 tasks", rrmse.mean_pooled().unwrap())
    );
    let error = result.mean_over_tasks("accuracy").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Name);
    let printed = result.to_string();
    assert!(printed.contains("rare   mae ↓       2.0000         2.0000  undefined  1 of 2"), "{printed}");
    assert!(!printed.contains("NaN") && printed.matches("warning").count() == 1, "{printed}");
    // Rows count by their weights.
    let result = cut.run(&weighted, |_| Ok(Constant(tasks.clone(), 3.0)))?;
    let second = ((1.0 + 0.5 * 25.0) / 1.5_f64).sqrt();
    assert_eq!(result["a"].score("rmse").unwrap().folds, [Some(first), Some(second)]);
    // The second fold's mean is that of rows 0 to 2.
    assert_close(result["a"].score("rrmse").unwrap().folds[1], (13.5 / 33.5_f64).sqrt());
    Ok(())
}

#[test]
fn what_is_wrong_is_an_error_that_names_the_fold() -> Result<()> {
    let data = datasets::robot_arm::<f64>(12, 0.05, 1);
    let grouped = data.clone().with_groups((0..12).map(|row| row / 4).collect())?;
    let settings = MultiTaskRegressor::new().hidden([2]).members(1).epochs(1);
    let fit = |part: &TrainingPart<'_, f64>| settings.fit_table(part.data);
    let own = |train: &[usize], test: &[usize]| {
        CrossValidation::with_folds([Fold::new(train.to_vec(), test.to_vec())])
    };
    let twice = [Fold::new(vec![0], vec![1]), Fold::new(vec![2], vec![3, 1])];
    for (cut, data, kind, words) in [
        (CrossValidation::new(1), &data, ErrorKind::Setting, "number of folds: expected at least 2, found 1"),
        (CrossValidation::new(13), &data, ErrorKind::Shape, "13 folds: expected at least 13 rows"),
        (CrossValidation::new(2).repeats(0), &data, ErrorKind::Setting, "repeats: expected at least 1"),
        (CrossValidation::new(2).threads(0), &data, ErrorKind::Setting, "threads: expected at least 1"),
        (CrossValidation::new(2).threads(usize::MAX), &data, ErrorKind::Setting, "threads: expected at most"),
        (CrossValidation::new(2).stratify("ankle"), &data, ErrorKind::Name, "`ankle`"),
        (CrossValidation::new(2).stratify("elbow"), &grouped, ErrorKind::Setting, "rows without groups"),
        (CrossValidation::new(4), &grouped, ErrorKind::Shape, "at least 4 groups, found 3"),
        (CrossValidation::with_folds([]), &data, ErrorKind::Setting, "at least 1, found 0"),
        (own(&[0], &[]), &data, ErrorKind::Setting, "at least one row in both parts"),
        (own(&[0], &[12]), &data, ErrorKind::Shape, "rows below 12, found row 12"),
        (own(&[0, 1], &[2, 1]), &data, ErrorKind::Setting, "row 1, which is in both"),
        (own(&[0, 1], &[2]), &grouped, ErrorKind::Setting, "rows of group 0 in both, such as row 2"),
        (CrossValidation::with_folds(twice), &data, ErrorKind::Setting, "row 1, held out in fold 0 too"),
        (own(&[0, 1], &[2]).repeats(2), &data, ErrorKind::Setting, "expected 1, found 2"),
        (own(&[0, 1], &[2]).stratify("elbow"), &data, ErrorKind::Setting, "no stratification"),
    ] {
        let error = cut.run(data, fit).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    for threads in [1, 4] {
        let cut = CrossValidation::new(6).repeats(2).threads(threads);
        let fails = |part: &TrainingPart<'_, f64>| match (part.repeat, part.fold) {
            (0, 4..) | (1, _) => Err(Error::new(ErrorKind::Value, "rows", "better ones", "these")),
            _ => fit(part),
        };
        let error = cut.run(&data, fails).unwrap_err();
        assert_eq!(error.to_string(), "fold 4 of repeat 0, rows: expected better ones, found these");
    }
    // Other tasks in another fold, and predictions of another shape.
    let named = |part: &TrainingPart<'_, f64>| {
        let name = if part.fold == 1 { "elbow" } else { "shoulder" };
        Ok(Constant(vec![Task::regression(name)], 0.0))
    };
    let error = CrossValidation::new(3).run(&data, named).unwrap_err();
    assert!(error.to_string().starts_with("fold 1, task \"shoulder\": expected"), "{error}");
    let wide = |_: &TrainingPart<'_, f64>| {
        Ok(Constant(vec![Task::regression("arm").columns(["shoulder", "elbow"])], 0.0))
    };
    let error = CrossValidation::new(3).run(&data, wide).unwrap_err();
    assert_eq!(error.to_string(), "fold 0, predictions of task \"arm\": expected 4 × 2, found 4 × 1");
    let gone = |_: &TrainingPart<'_, f64>| Ok(Constant(vec![Task::regression("ankle")], 0.0));
    assert_eq!(CrossValidation::new(3).run(&data, gone).unwrap_err().kind(), ErrorKind::Name);
    Ok(())
}

#[test]
fn tables_of_every_kind_of_task_are_judged_as_evaluate_judges() -> Result<()> {
    let data = datasets::mixed_tasks::<f64>(60, 0.3, 1);
    let fit = |part: &TrainingPart<'_, f64>| {
        let mut model = Model::builder(part.data.n_features())
            .trunk([Layer::dense(6, Activation::Tanh)])
            .task(Task::regression("value").metric(Metric::MaxError))
            .task(Task::binary("accepted"))
            .build::<f64>()?;
        Trainer::new(Adam::new(0.02)).epochs(3).seed(part.seed).fit(&mut model, part.data)?;
        Ok(model)
    };
    let result = CrossValidation::new(3).run(&data, fit)?;
    for (at, fold) in result.folds().iter().enumerate() {
        let train = data.select(&fold.rows.train);
        let seed = at as u64;
        let mut model = Model::builder(train.n_features())
            .trunk([Layer::dense(6, Activation::Tanh)])
            .task(Task::regression("value").metric(Metric::MaxError))
            .task(Task::binary("accepted"))
            .build::<f64>()?;
        Trainer::new(Adam::new(0.02)).epochs(3).seed(seed).fit(&mut model, &train)?;
        let report = model.evaluate(&data.select(&fold.rows.test))?;
        for task in report.tasks() {
            for score in &task.scores {
                assert_eq!(result[task.name.as_str()].score(&score.name).unwrap().folds[at], score.value);
            }
        }
    }
    assert_eq!(result["value"].out_of_fold(0).select(Axis(0), &[0]).dim(), (1, 1));
    Ok(())
}
