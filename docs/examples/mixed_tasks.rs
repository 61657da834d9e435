//! One network learns a quantity, a yes or no, one of five classes and a ranking at once, from a table in which
//! 40 % of the labels are missing.
//!
//! ```text
//! cargo run --release --example mixed_tasks
//! cargo run --release --example mixed_tasks -- coverage
//! ```
//! Prints how good it is at each on rows it has not seen, and beside it how good four networks are that learn one
//! task each; then the estimator `MultiTask`, which is told of nothing but the tasks.
//!
//! With `coverage`, half as many rows are cut into ten folds three times, and in each a quarter of the rows to learn from is kept
//! for intervals and sets. Printed are the shares of labels that are within their interval or set, and of rows with all three labels
//! within those for all together; and how far a share may be from what is promised: two deviations, 2√(α(1 − α)(1/n + 1/m)),
//! for n labels that are judged by m that were kept.

use polytask::Report;
use polytask::estimator::{ClassSets, Intervals};
use polytask::prelude::*;

const STEPS: u64 = 3_000;

fn main() -> polytask::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("coverage") {
        return (1..=3).try_for_each(coverage);
    }
    let data = datasets::mixed_tasks::<f32>(6_000, 0.4, 42);
    let (train, test) = data.split(0.5, 42)?; // queries stay whole

    let scores = [
        ("value", "r2", 1.0),
        ("accepted", "roc_auc", 1.0),
        ("grade", "accuracy", 1.0),
        ("relevance", "ndcg@10", 1.0),
    ];
    let print = |report: &Report| -> polytask::Result<()> {
        let average = report.average(&scores)?.value.unwrap_or(f64::NAN);
        println!("\n{report}\nmean of r2, roc_auc, accuracy and ndcg@10: {average:.4}\n");
        Ok(())
    };
    let layers = || [Layer::dense(64, Activation::Relu), Layer::dense(64, Activation::Relu)];
    for (title, sharing) in [
        ("One trunk for all tasks", Sharing::shared_trunk(layers())),
        ("A trunk for each task", Sharing::independent(layers())),
    ] {
        let mut model = Model::builder(train.n_features())
            .sharing(sharing)
            .task(Task::regression("value"))
            .task(Task::binary("accepted"))
            .task(Task::classes("grade", 5))
            .task(Task::ranking("relevance"))
            .standardize()
            .seed(42)
            .build::<f32>()?;
        let trainer =
            Trainer::new(AdamW::new(0.003).weight_decay(0.1)).schedule(Schedule::cosine(STEPS, 0.0));
        trainer.batch_size(64).steps(STEPS).fit(&mut model, &train)?;

        println!("{title}: {} parameters", model.n_parameters());
        print(&model.evaluate(&test)?)?;
    }

    let settings = MultiTask::new().task(Task::classes("grade", 5)).task(Task::ranking("relevance"));
    let model = settings.fit_table(&train)?;
    println!("An estimator of {} networks of three kinds", model.members().len());
    print(&model.evaluate(&test)?)?;
    if let Some(stack) = model.stack() {
        println!("{stack}");
    }
    Ok(())
}

/// What has an interval or a set; a ranking has neither.
const COVERED: [&str; 3] = ["value", "accepted", "grade"];

fn coverage(seed: u64) -> polytask::Result<()> {
    let data = datasets::mixed_tasks::<f32>(3_000, 0.4, 42);
    let promised = [0.8, 0.9, 0.95];
    // For each of the three, and for all together: labels or rows within, and all of them; how many were kept.
    let (mut within, mut all, mut kept) = ([[0; 4]; 3], [0; 4], [0; 4]);
    for (number, fold) in (0..).zip(data.fold_rows(10, seed)?) {
        let (train, test) = (data.select(&fold.train), data.select(&fold.test));
        // Other rows are kept in each fold.
        let settings = MultiTask::new().task(Task::classes("grade", 5)).task(Task::ranking("relevance"));
        let model = settings.seed(100 * seed + number).calibrate(0.25).fit_table(&train)?;
        let calibration = model.calibration().expect("a quarter of the rows");
        let labels = calibration.targets.iter().map(|target| target.scores.len());
        kept = std::array::from_fn(|k| labels.clone().nth(k).unwrap_or(calibration.joint.len()));
        let x = test.features().to_owned();
        for (promised, within) in promised.into_iter().zip(&mut within) {
            let each = (model.predict_interval(&x, promised)?, model.predict_set(&x, promised)?);
            let together = model.predict_jointly(&x, promised)?;
            for row in 0..test.n_rows() {
                let mut of_row = Some(true);
                for (k, name) in COVERED.into_iter().enumerate() {
                    let label = test.targets()[[row, test.names().target(name)?]];
                    if label.is_nan() {
                        of_row = None;
                        continue;
                    }
                    all[k] += usize::from(promised == 0.8);
                    within[k] += usize::from(is_within(&each, row, name, label));
                    of_row = of_row.map(|so_far| so_far && is_within(&together, row, name, label));
                }
                all[3] += usize::from(promised == 0.8 && of_row.is_some());
                within[3] += usize::from(of_row == Some(true));
            }
        }
    }
    println!("folds of seed {seed}: {}, all together", COVERED.join(", "));
    for (promised, within) in promised.into_iter().zip(within) {
        for k in 0..4 {
            let room =
                2.0 * (promised * (1.0 - promised) * (1.0 / all[k] as f64 + 1.0 / kept[k] as f64)).sqrt();
            print!("  {:.3} of {promised:.2} ± {room:.3}", within[k] as f64 / all[k] as f64);
        }
        println!();
    }
    Ok(())
}

fn is_within((intervals, sets): &(Intervals<f32>, ClassSets), row: usize, target: &str, label: f32) -> bool {
    match intervals.targets.iter().position(|name| name == target) {
        Some(k) => (intervals.low[[row, k]]..=intervals.high[[row, k]]).contains(&label),
        None => {
            let k =
                sets.targets.iter().position(|name| name == target).expect("a set for what has no interval");
            sets.contains[k][[row, label as usize]]
        }
    }
}
