//! polytask. `plain` takes the steps of `Trainer::fit`. `gramian` and `representation` too, with a balancing method that
//! asks for the Gramian of the tasks' gradients, or of those of the shared representation, and takes the mean whatever
//! it says: what every method costs besides its own solver.

#[path = "../../worker.rs"]
mod worker;

use polytask::balance::{Balance, Needs, Tasks, Weights};
use polytask::GramianScope;
use polytask::ndarray::{Array2, ArrayView2, Axis, concatenate};
use polytask::prelude::*;
use worker::{Workload, serve};

fn main() -> polytask::Result<()> {
    let workload = Workload::from_args();
    let data = table(&workload)?;
    let model = network(&workload)?;
    let trainer = Trainer::new(Adam::new(workload.learning_rate)).batch_size(workload.batch).in_order();
    let trainer = trainer.threads(workload.threads).steps(u64::MAX);
    let trainer = match workload.mode.as_str() {
        "plain" => trainer,
        "gramian" => trainer.balance(Mean).balance_over(GramianScope::SharedParameters),
        "representation" => trainer.balance(Mean).balance_over(GramianScope::Representation),
        mode => panic!("no mode named {mode:?}"),
    };
    let run = trainer.start(&model, &data)?;
    let workspace = run.workspace(&model, None);
    serve(
        (model.clone(), run, workspace),
        |(model, run, workspace)| run.step(model, &data, workspace).expect("a finite loss"),
        |(model, ..)| {
            let mut trace = model.trace(workload.batch);
            model.forward(&data.all(), &mut trace).expect("a batch that fits");
            trace.losses().iter().sum()
        },
    );
    Ok(())
}

/// Asks for the Gramian, and takes the mean of the gradients.
#[derive(Clone, Debug)]
struct Mean;

impl Balance for Mean {
    fn needs(&self) -> Needs {
        Needs::GRAMIAN
    }

    fn weigh(&mut self, tasks: &mut Tasks<'_>, weights: &mut Weights) {
        std::hint::black_box(tasks.gramian());
        weights.shared.fill(1.0 / tasks.len() as f64);
    }
}

/// The batch as a table: task k learns the columns `k.0`, `k.1`, …
fn table(workload: &Workload) -> polytask::Result<Dataset<f32>> {
    let matrix =
        |cols, numbers| ArrayView2::from_shape((workload.batch, cols), numbers).expect("rows × cols numbers");
    let targets: Vec<_> = workload.ys.iter().map(|y| matrix(workload.outputs, y)).collect();
    let targets: Array2<f32> = concatenate(Axis(1), &targets).expect("as many labels of each task");
    Dataset::new(matrix(workload.inputs, &workload.x).to_owned(), targets)?
        .with_target_names((0..workload.tasks).flat_map(|k| columns(workload, k)))
}

/// The network with the numbers that all peers begin with: θ lies in the order of the file.
fn network(workload: &Workload) -> polytask::Result<Model<f32>> {
    let dense = |&width: &usize| Layer::dense(width, Activation::Relu);
    let mut builder = Model::builder(workload.inputs).trunk(workload.trunk.iter().map(dense));
    for k in 0..workload.tasks {
        let task = Task::regression(k.to_string()).columns(columns(workload, k));
        builder = builder.task(task.head(workload.head.iter().map(dense)));
    }
    let mut model = builder.build()?;
    model.parameters_mut().copy_from_slice(&workload.parameters);
    Ok(model)
}

fn columns(workload: &Workload, task: usize) -> impl Iterator<Item = String> {
    (0..workload.outputs).map(move |column| format!("{task}.{column}"))
}
