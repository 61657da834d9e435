//! One network learns a quantity, a yes or no, one of five classes and a ranking at once, from a table in which
//! 40 % of the labels are missing.
//!
//! ```text
//! cargo run --release --example mixed_tasks
//! ```
//! Prints how good it is at each on rows it has not seen, and beside it how good four networks are that learn one
//! task each; then the estimator `MultiTask`, which is told of nothing but the tasks.

use polytask::Report;
use polytask::prelude::*;

const STEPS: u64 = 3_000;

fn main() -> polytask::Result<()> {
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
