//! ONNX files: everything that the gradient checks go through is exported, or refused with its name. That ONNX Runtime
//! predicts from them what the crate does is for `golden/check_onnx.py` to see, whose files the last test writes.

use std::fs;
use std::path::{Path, PathBuf};

use polytask::data::TargetTransform;
use polytask::estimator::MultiTask;
use polytask::ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use polytask::prelude::*;
use polytask::{Result, Scalar};
use serde_json::{Value, json};

use crate::gradients::table::{Row, table};
use crate::onnx_columns;

/// Whether the row has a layer, form or loss of the tests' own, which does not add itself to a graph.
fn is_own(row: &Row) -> bool {
    let settings = format!("{:?} {:?}", row.sharing, row.tasks);
    settings.contains("Custom(")
}

#[test]
fn whatever_is_checked_is_exported_or_refused_with_its_name() {
    let (mut exported, mut refused) = (0, 0);
    for row in table() {
        let data = row.data();
        match row.model::<f64>(&data).to_onnx() {
            Ok(bytes) => {
                assert!(!is_own(&row) && bytes.len() > 100, "{}", row.name);
                exported += 1;
            }
            Err(error) => {
                let error = error.to_string();
                assert!(is_own(&row), "{}: {error}", row.name);
                let kinds =
                    ["a layer without one: it::", "a sharing form without one: it::", "a loss of your own: "];
                assert!(kinds.iter().any(|kind| error.contains(kind)), "{}: {error}", row.name);
                refused += 1;
            }
        }
    }
    assert!(exported > 100 && refused > 3, "{exported} {refused}");
}

#[test]
fn a_model_that_is_not_fitted_is_refused() {
    let builder = Model::builder(2).task(Task::regression("price")).standardize();
    let error = builder.build::<f32>().unwrap().to_onnx().unwrap_err().to_string();
    assert!(error.contains("means and deviations of the features"), "{error}");
}

#[test]
fn the_input_has_a_name_of_its_own() {
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|word| word == text.as_bytes());
    let named = |task: &str| Model::builder(2).task(Task::regression(task)).build::<f32>().unwrap().to_onnx();
    assert!(!has(&named("price").unwrap(), "features.input"));
    assert!(has(&named("features").unwrap(), "features.input"));
}

/// Labels of `n` rows: quantities of either sign and a positive one, two that are yes or no, a class.
fn labels(features: ArrayView2<'_, f64>) -> Array2<f64> {
    let quantity = features.map_axis(Axis(1), |row| row.sum()).insert_axis(Axis(1));
    let positive = quantity.mapv(|y| (0.3 * y).exp());
    let yes = |column: usize| features.slice(s![.., column..=column]).mapv(|x| f64::from(u8::from(x > 0.1)));
    let class = quantity.mapv(|y| f64::from(u8::from(y > -1.0)) + f64::from(u8::from(y > 1.0)));
    concatenate![Axis(1), quantity, quantity.mapv(|y| y * y - 1.0), positive, yes(0), yes(1), class]
}

fn data<F: Scalar>() -> Result<Dataset<F>> {
    let mut features = datasets::robot_arm::<f64>(40, 0.05, 3).features().to_owned();
    features.column_mut(4).fill(0.25);
    let names = ["plain", "curved", "positive", "clicked", "bought", "kind"];
    Dataset::new(features.clone(), labels(features.view()))?.with_target_names(names)?.cast()
}

/// Models with what the table does not have: transforms, products, constant features, bins of quantiles.
fn models<F: Scalar>() -> Result<Vec<(String, Model<F>)>> {
    let transforms = [
        ("log", "positive", TargetTransform::Log),
        ("log1p", "positive", TargetTransform::Log1p),
        ("Box-Cox", "positive", TargetTransform::box_cox()),
        ("Box-Cox, no power", "positive", TargetTransform::BoxCox { lambda: Some(0.0) }),
        ("Yeo-Johnson", "plain", TargetTransform::yeo_johnson()),
        ("Yeo-Johnson, 2", "plain", TargetTransform::YeoJohnson { lambda: Some(2.0) }),
        ("Yeo-Johnson, 0", "curved", TargetTransform::YeoJohnson { lambda: Some(0.0) }),
    ];
    let trunk = [Layer::piecewise_linear(4, 3), Layer::dense(8, Activation::Tanh)];
    let builder = || Model::builder(10).trunk(trunk.clone()).standardize();
    let mut builders = Vec::new();
    for (name, target, transform) in transforms {
        let untouched = Task::regression("both").columns(["plain", "curved"]);
        builders.push((name, builder().task(untouched).task(Task::regression(target).transform(transform))));
    }
    let gaussian = Task::new("features", Loss::gaussian()).columns(["plain", "positive"]);
    builders.push(("a task of the input's name", builder().task(gaussian)));
    let factor = Task::binary("if_clicked").without_loss();
    let product = Task::product("bought", ["clicked", "if_clicked"]);
    builders.push(("a product", builder().task(Task::binary("clicked")).task(factor).task(product)));
    let mut models = Vec::new();
    for (name, builder) in builders {
        for members in [1, 3] {
            let mut model = builder.clone().batch_ensemble(members).build::<F>()?;
            Trainer::new(Adam::new(0.01)).epochs(5).fit(&mut model, &data()?)?;
            models.push((format!("{name}, {members} members"), model));
        }
    }
    Ok(models)
}

/// Where cases go: files, and a list of what is predicted from each.
struct Cases {
    folder: PathBuf,
    list: Vec<Value>,
}

impl Cases {
    fn add<F: Scalar>(
        &mut self,
        name: &str,
        bytes: &[u8],
        x: ArrayView2<'_, F>,
        predicted: Vec<(&str, Array2<F>)>,
    ) {
        let file = format!("{:04}.onnx", self.list.len());
        fs::write(self.folder.join(&file), bytes).expect("a folder to write to");
        // JSON has no infinity: a text that Python reads.
        let number = |x: f64| if x.is_finite() { json!(x) } else { json!(x.to_string()) };
        let rows = |matrix: ArrayView2<'_, F>| -> Vec<Vec<Value>> {
            matrix.rows().into_iter().map(|row| row.iter().map(|x| number(x.to_f64())).collect()).collect()
        };
        let predicted: Vec<Value> =
            predicted.iter().map(|(task, matrix)| json!([task, rows(matrix.view())])).collect();
        let name = format!("{}, {name}", F::NAME);
        self.list.push(json!({ "name": name, "file": file, "scalar": F::NAME, "features": rows(x), "predicted": predicted }));
    }

    /// A file whose inputs are columns, with what is predicted for them; nothing if it is to fail.
    fn add_columns<F: Scalar>(&mut self, case: &onnx_columns::Case<F>) {
        let predicted = case.predicted.iter().flatten().map(|(task, matrix)| (task.as_str(), matrix.clone()));
        self.add(&case.name, &case.bytes, Array2::zeros((0, 0)).view(), predicted.collect());
        let written = self.list.last_mut().expect("it was added");
        written["columns"] = case.columns.clone();
        written["fails"] = json!(case.predicted.is_none());
    }

    fn add_model<F: Scalar>(&mut self, name: &str, model: &Model<F>, x: ArrayView2<'_, F>) -> Result<()> {
        let predictions = model.predict(x)?;
        let predicted = predictions.iter().map(|(task, matrix)| (task, matrix.to_owned())).collect();
        self.add(name, &model.to_onnx()?, x, predicted);
        Ok(())
    }

    fn add_all<F: Scalar>(&mut self) -> Result<()> {
        for row in table().iter().filter(|row| !is_own(row)) {
            let data = row.data();
            let (model, x) = (
                row.model::<F>(&data.cast()?),
                data.features().slice(s![..data.n_rows().min(12), ..]).to_owned(),
            );
            self.add_model(&row.name, &model, x.mapv(F::from_f64).view())?;
        }
        let data = data::<F>()?;
        for (name, model) in models()? {
            self.add_model(&name, &model, data.features())?;
        }
        // Beyond the range of the labels, where predictions are kept in it.
        let far = data.features().mapv(|x| x * F::from_f64(3.0));
        let columns = |columns: &[usize]| data.targets().select(Axis(1), columns);
        let regressor = MultiTaskRegressor::new().hidden([6]).members(3).epochs(3);
        let fitted = regressor.fit(&data.features(), &columns(&[0, 1]))?;
        let predicted = fitted.predict(&far)?;
        let predicted = ["y0", "y1"]
            .into_iter()
            .zip(predicted.columns())
            .map(|(name, column)| (name, column.insert_axis(Axis(1)).to_owned()));
        self.add("a regressor", &fitted.to_onnx()?, far.view(), predicted.collect());
        let fitted = MultiTaskClassifier::new()
            .hidden([6])
            .members(3)
            .epochs(3)
            .fit(&data.features(), &columns(&[3, 5]))?;
        let predicted = ["y0", "y1"].into_iter().zip(fitted.predict_proba(&far)?).collect();
        self.add("a classifier", &fitted.to_onnx()?, far.view(), predicted);
        // Several kinds of networks, with a target whose labels are equal: that is all mean.
        let mut targets = columns(&[0, 1, 2]);
        targets.column_mut(1).fill(F::from_f64(2.5));
        for (name, settings) in
            [("kept in range", regressor.clone()), ("extrapolating", regressor.extrapolate())]
        {
            let fitted = settings.members(9).folds(3).fit(&data.features(), &targets)?;
            assert!(fitted.stack().is_some());
            let predicted = fitted.predict(&far)?;
            let columns = ["y0", "y1", "y2"].into_iter().zip(predicted.columns());
            let predicted = columns.map(|(name, column)| (name, column.insert_axis(Axis(1)).to_owned()));
            let name = format!("a regressor of three kinds, {name}");
            self.add(&name, &fitted.to_onnx()?, far.view(), predicted.collect());
        }
        let kinds = MultiTaskClassifier::new().hidden([6]).members(9).folds(3).epochs(3);
        let fitted = kinds.fit(&data.features(), &columns(&[3, 5]))?;
        let predicted = ["y0", "y1"].into_iter().zip(fitted.predict_proba(&far)?).collect();
        self.add("a classifier of three kinds", &fitted.to_onnx()?, far.view(), predicted);
        // Tasks of several kinds, some of several columns.
        let names = data.target_names();
        let pair = Task::new("pair", Loss::MeanSquaredError).columns([&names[0], &names[2]]);
        let flags = Task::multi_label("flags", [&names[3], &names[4]]);
        let settings = MultiTask::new().hidden([6]).members(9).folds(3).epochs(3);
        let fitted = settings.task(pair).task(flags).task(Task::classes(&names[5], 3)).fit_table(&data)?;
        let predicted = fitted.predict(&far)?;
        let predicted = predicted.iter().map(|(task, matrix)| (task, matrix.to_owned())).collect();
        self.add("tasks of several kinds", &fitted.to_onnx()?, far.view(), predicted);
        Ok(())
    }
}

/// Writes what `golden/check_onnx.py` reads, where the variable says.
#[test]
#[ignore = "writes files for Python"]
fn write_the_files_for_python() -> Result<()> {
    let folder = PathBuf::from(std::env::var_os("POLYTASK_FILES_FOR_PYTHON").expect("a folder to write to"))
        .join("onnx");
    fs::create_dir_all(&folder).expect("a folder to write to");
    let mut cases = Cases { folder, list: Vec::new() };
    cases.add_all::<f32>()?;
    cases.add_all::<f64>()?;
    onnx_columns::cases::<f32>()?.iter().for_each(|case| cases.add_columns(case));
    onnx_columns::cases::<f64>()?.iter().for_each(|case| cases.add_columns(case));
    fs::write(cases.folder.join("cases.json"), json!(cases.list).to_string()).expect("a folder to write to");
    served(&cases.folder.join("served"))
}

/// The model of the book's page, and what it predicts for the rows that the page's program has.
fn served(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).expect("a folder to write to");
    let data = datasets::robot_arm::<f32>(200, 0.05, 42);
    let builder = Model::builder(10).trunk([Layer::dense(16, Activation::Silu)]).standardize();
    let mut model =
        builder.task(Task::regression("shoulder")).task(Task::regression("elbow")).build::<f32>()?;
    Trainer::new(Adam::new(0.01)).epochs(10).fit(&mut model, &data)?;
    model.save_onnx(folder.join("model.onnx"))?;
    let predicted = model.predict(Array2::zeros((3, 10)).view())?;
    let column = |task: &str| predicted[task].iter().map(|&y| f64::from(y)).collect::<Vec<_>>();
    let expected = json!({ "shoulder": column("shoulder"), "elbow": column("elbow") });
    fs::write(folder.join("predicted.json"), expected.to_string()).expect("a folder to write to");
    Ok(())
}
