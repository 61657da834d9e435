//! The card of a model names what there is, escapes what a person wrote, and tells a model that was trained again from another.

use ndarray::{Array1, Array2};
use polytask::card::{Identity, ModelCard, Subject, verify};
use polytask::prelude::*;
use polytask::validation::Importance;
use polytask::{Error, ErrorKind, Result, Scalar};

fn table<F: Scalar>() -> Dataset<F> {
    datasets::mixed_tasks::<F>(160, 0.2, 1)
}

fn fitted<F: Scalar>(data: &Dataset<F>, seed: u64) -> Result<Model<F>> {
    let builder = Model::builder(data.n_features()).trunk([Layer::dense(6, Activation::Relu)]).standardize();
    let builder = builder.task(Task::regression("value")).task(Task::binary("accepted"));
    let mut model = builder.task(Task::classes("grade", 5)).task(Task::ranking("relevance")).build::<F>()?;
    Trainer::new(Adam::new(0.01)).epochs(2).seed(seed).fit(&mut model, data)?;
    Ok(model)
}

#[test]
fn a_card_is_verified_by_training_again() -> Result<()> {
    fn check<F: Scalar, S: Subject<F>>(
        train: impl Fn(&Dataset<F>, u64) -> Result<S>,
        data: &Dataset<F>,
    ) -> Result<()> {
        let page = ModelCard::new("a model", &train(data, 1)?, data, data)?.html();
        let again = verify(&page, data, |data| train(data, 1))?;
        assert!(!again.networks().is_empty());
        let differs = |result: Result<S>, part: &str| {
            let error = result.err().expect("another model");
            assert!(error.kind() == ErrorKind::Value && error.to_string().starts_with(part), "{error}");
        };
        differs(verify(&page, data, |data| train(data, 2)), "parameters of the model");
        // One label is another: the error comes before anything is trained.
        let mut targets = data.targets().to_owned();
        targets[[3, 0]] = F::from_f64(1.25);
        let other = Dataset::new(data.features().to_owned(), targets)?
            .with_feature_names(data.feature_names().to_vec())?
            .with_target_names(data.target_names().to_vec())?;
        differs(
            verify(&page, &other, |_| -> Result<S> { panic!("it is not trained") }),
            "table of the model",
        );
        Ok(())
    }
    check(fitted::<f32>, &table())?;
    check(fitted::<f64>, &table())?;
    let settings = |seed| {
        MultiTask::new().task(Task::ranking("relevance")).hidden([4]).members(4).folds(2).epochs(2).seed(seed)
    };
    check(|data: &Dataset<f32>, seed| settings(seed).fit_table(data), &table())?;
    let robot = datasets::robot_arm::<f64>(50, 0.05, 1);
    let regressor = |seed| MultiTaskRegressor::new().hidden([4]).members(2).epochs(2).seed(seed);
    check(|data: &Dataset<f64>, seed| regressor(seed).fit_table(data), &robot)?;
    let classes =
        Dataset::new(robot.features().to_owned(), Array2::from_shape_fn((50, 1), |(i, _)| (i % 3) as f64))?;
    let classifier = |seed| MultiTaskClassifier::new().hidden([4]).members(2).epochs(2).seed(seed);
    check(|data: &Dataset<f64>, seed| classifier(seed).fit_table(data), &classes)
}

#[test]
fn the_identity_says_what_differs() -> Result<()> {
    let data = table::<f32>();
    let identity = Identity::of(&[fitted(&data, 1)?], &data);
    assert_eq!(identity.to_string().parse::<Identity>()?, identity);
    let parts = [("table", "0-0"), ("scalar", "f64"), ("version", "0.0.1"), ("simd", "portable9")];
    for (part, value) in parts {
        let words = identity.to_string();
        let words = words.split(' ').map(|word| match word.starts_with(&format!("{part}=")) {
            true => format!("{part}={value}"),
            // With another table, version or processor, parameters are others: the reason is named.
            false if word.starts_with("parameters=") => "parameters=0".into(),
            false => word.into(),
        });
        let other: Identity = words.collect::<Vec<_>>().join(" ").parse()?;
        let error = identity.check(&other).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{part} of the model: expected")) && error.contains(value),
            "{error}"
        );
    }
    let wrong: Error = "table=1 scalar=f32".parse::<Identity>().unwrap_err();
    assert!(wrong.to_string().contains("parameters="), "{wrong}");
    let no_card = verify("<html></html>", &data, |data| fitted(data, 1)).expect_err("no card");
    assert!(
        no_card.kind() == ErrorKind::File && no_card.to_string().contains("ModelCard::html"),
        "{no_card}"
    );
    Ok(())
}

#[test]
fn a_page_shows_what_there_is_and_escapes_what_a_person_wrote() -> Result<()> {
    let data = table::<f64>();
    let names: Vec<String> = (0..data.n_features()).map(|j| format!("<x{j}>")).collect();
    let data = data.with_feature_names(names)?;
    let model = fitted(&data, 1)?;
    let importance = Importance::new().repeats(2).run(&model, &data)?;
    let card = ModelCard::new("\"<b>\" & co", &model, &data, &data)?.importance(&importance).note("a < b");
    let page = card.command("train > file").html();
    assert!(!page.contains("<b>") && !page.contains("<x0>") && page.contains("&lt;x0&gt;"));
    assert!(page.contains("a &lt; b") && page.contains("train &gt; file"));
    let of_model =
        page.split("<h2>Model</h2>").nth(1).and_then(|rest| rest.split("</pre>").next()).expect("it");
    assert_eq!(of_model.lines().count(), 1 + model.summary().lines().count()); // the first is that of the heading
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("href="));
    // A quantity, a calibration curve, two confusion matrices; an importance for each task.
    assert_eq!(page.matches("<svg").count(), 1 + 1 + 2 + 4);
    assert!(!page.contains("<h2>Training</h2>"), "there is no history");
    for task in ["value", "accepted", "grade", "relevance"] {
        assert!(page.contains(&format!("<td>{task}</td>")), "{task}");
    }
    // The numbers are those of the report.
    let r2 = model.evaluate(&data)?["value"].score("r2").expect("labels");
    assert!(page.contains(&format!("r2 {r2:.4}")), "{r2}");
    // Missing labels are counted, and a target without labels among the rows to judge by is undefined.
    let value = data.names().target("value")?;
    let missing = data.targets().column(value).iter().filter(|y| y.is_nan()).count();
    assert!(page.contains(&format!("<td class=\"n\">{missing}</td>")));
    let mut targets = data.targets().to_owned();
    targets.column_mut(data.names().target("accepted")?).assign(&Array1::from_elem(160, f64::NAN));
    let bare = Dataset::new(data.features().to_owned(), targets)?
        .with_feature_names(data.feature_names().to_vec())?
        .with_target_names(data.target_names().to_vec())?;
    let page = ModelCard::new("bare", &model, &data, &bare)?.html();
    assert!(page.contains("roc_auc undefined"));
    Ok(())
}
