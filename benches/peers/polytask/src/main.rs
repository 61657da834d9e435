//! polytask. `plain` takes the steps of `Trainer::fit`. `gramian` asks for the Gramian of the tasks' gradients
//! and then for the gradient of their mean, which is what a balancing method costs; `representation` for that of the
//! gradients of the shared representation.

#[path = "../../worker.rs"]
mod worker;

use polytask::balance::{Evidence, Over, Weights};
use polytask::ndarray::{Array2, ArrayView2, Axis, concatenate};
use polytask::optim::Optimizer;
use polytask::prelude::*;
use worker::{Workload, serve};

fn main() -> polytask::Result<()> {
    let workload = Workload::from_args();
    let data = table(&workload)?;
    let model = network(&workload)?;
    let adam = Adam::new(workload.learning_rate);
    let trace = || model.trace(workload.batch).threads(workload.threads);
    let loss = |model: &Model<f32>, trace: &mut polytask::Trace<f32>| -> f64 {
        model.forward(&data.all(), trace).expect("a batch that fits");
        trace.losses().iter().sum()
    };
    match workload.mode.as_str() {
        "plain" => {
            let trainer = Trainer::new(adam).batch_size(workload.batch).in_order().threads(workload.threads);
            let run = trainer.steps(u64::MAX).start(&model, &data)?;
            let desk = run.desk(&model, None);
            serve(
                (model.clone(), run, desk),
                |(model, run, desk)| run.step(model, &data, desk).expect("a finite loss"),
                |(model, ..)| loss(model, &mut model.trace(workload.batch)),
            );
        }
        mode @ ("gramian" | "representation") => {
            let over = if mode == "gramian" { Over::SharedParameters } else { Over::Representation };
            let optimizer = Optimizer::new(adam, model.n_parameters())?;
            let gradient = vec![0.0; model.n_parameters()];
            let mean = Weights {
                shared: vec![1.0 / workload.tasks as f64; workload.tasks],
                own: vec![1.0; workload.tasks],
            };
            serve(
                (model.clone(), trace(), optimizer, gradient),
                |(model, trace, optimizer, gradient)| {
                    model.forward(&data.all(), trace).expect("a batch that fits");
                    std::hint::black_box(model.evidence(trace).over(over).gramian());
                    model.backward(trace, &mean, gradient);
                    optimizer.step(model.parameters_mut(), gradient);
                },
                |(model, trace, ..)| loss(model, trace),
            );
        }
        mode => panic!("no mode named {mode:?}"),
    }
    Ok(())
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
