//! Category columns of a table of yours, one-hot and as learnt vectors: error, parameters and time, by cross-validation.
//!
//! ```text
//! cargo run --release --example categories -- table.csv price,rent make,city [10]
//! ```
//! The targets are quantities; the columns named last hold the categories. A number behind them says how often the rows are cut
//! into five folds anew (ten times).

use std::sync::Mutex;
use std::time::Instant;

use polytask::data::csv::CsvReader;
use polytask::prelude::*;
use polytask::validation::CrossValidation;

/// How a column of categories is given to a network.
#[derive(Clone, Copy)]
enum Given {
    OneHot,
    /// As vectors of this width.
    Vectors(usize),
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (table, targets, columns, repeats) = match &arguments[..] {
        [table, targets, columns] => (table, targets, columns, 10),
        [table, targets, columns, repeats] => (table, targets, columns, repeats.parse()?),
        _ => return Err("usage: categories TABLE TARGET,... COLUMN,... [REPEATS]".into()),
    };
    if repeats < 2 {
        return Err("REPEATS: expected at least 2, for a spread".into());
    }
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let (targets, columns) = (list(targets), list(columns));
    println!(
        "{:<16} {:>10} {:>10} {:>22} {:>9}",
        "columns", "features", "parameters", "relative error", "seconds"
    );
    for given in [Given::OneHot, Given::Vectors(2), Given::Vectors(4), Given::Vectors(8)] {
        println!("{}", judged(table, &targets, &columns, given, repeats)?);
    }
    Ok(())
}

/// A line of the table: five folds, repeated.
fn judged(
    path: &str,
    targets: &[String],
    columns: &[String],
    given: Given,
    repeats: usize,
) -> polytask::Result<String> {
    let reader = CsvReader::new().targets(targets.to_vec());
    let reader = match given {
        Given::OneHot => reader.categorical(columns.to_vec()).max_categories(usize::MAX),
        Given::Vectors(_) => reader.embed(columns.to_vec()),
    };
    let (table, sizes, begin) = (reader.table(path)?, Mutex::new((0, 0)), Instant::now());
    let folds = CrossValidation::new(5).repeats(repeats).seed(1);
    let result = folds.run_csv(&reader, &table, |part| {
        let data = part.data;
        let dense = || Layer::dense(32, Activation::Relu);
        let builder = match given {
            Given::OneHot => Model::builder(data.n_features()).trunk([dense(), dense()]),
            Given::Vectors(width) => {
                let first = Layer::embedding(data.index_columns(), width);
                Model::builder(data.n_features()).trunk([first, dense(), dense()])
            }
        };
        let builder = targets.iter().fold(builder, |builder, target| builder.task(Task::regression(target)));
        let mut model = builder.standardize().seed(part.seed).build::<f32>()?;
        *sizes.lock().expect("no fold panics") = (data.n_features(), model.n_parameters());
        // The best of 100 epochs by a tenth of the rows.
        let (learn, watch) = data.split(0.9, part.seed)?;
        let stop = polytask::train::callback::EarlyStopping::new().patience(15);
        let batch = if learn.n_rows() > 5000 { 256 } else { 32 };
        let trainer =
            Trainer::new(AdamW::new(0.003)).batch_size(batch).epochs(100).seed(part.seed).callback(stop);
        trainer.fit_validated(&mut model, &learn, &watch)?;
        Ok(model)
    })?;
    let seconds = begin.elapsed().as_secs_f64() / (5 * repeats) as f64;
    let (features, parameters) = *sizes.lock().expect("no fold panics");
    // √(1 − R²): the error beside that of always saying the mean. Of all rows of a repeat together, in each by a model that
    // has not seen it.
    let mut errors = vec![0.0; repeats];
    for target in targets {
        let r2 = result[target.as_str()].score("r2").expect("a score of quantities");
        for (error, r2) in errors.iter_mut().zip(&r2.pooled) {
            *error += (1.0 - r2.unwrap_or(f64::NAN)).sqrt() / targets.len() as f64;
        }
    }
    let mean = errors.iter().sum::<f64>() / repeats as f64;
    let squares = errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>();
    let deviation = (squares / (repeats - 1) as f64).sqrt();
    let name = match given {
        Given::OneHot => "one-hot".to_owned(),
        Given::Vectors(width) => format!("vectors of {width}"),
    };
    Ok(format!(
        "{name:<16} {features:>10} {parameters:>10} {:>22} {seconds:>9.3}",
        format!("{mean:.4} ± {deviation:.4}")
    ))
}
