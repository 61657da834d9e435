//! The tutorial of the README, pinned: the same seed gives the same training everywhere.

use polytask::Scalar;
use polytask::prelude::*;
use polytask::train::History;

/// Losses of both tasks before the update of these steps, recorded from a run. The instruction paths differ in the
/// order of summation, which 1000 steps in f64 magnify to no more than 1e-10 of a loss here.
const RECORDED: [(usize, [f64; 2]); 5] = [
    (0, [64.39794559640296, 6.91202158525928]),
    (1, [54.26271698716506, 4.10182325910089]),
    (10, [31.42786256384729, 4.1973834207907]),
    (100, [14.83221205885517, 0.65817864745401]),
    (999, [2.72954964602474, 0.4299783092203]),
];

/// The model of the tutorial after its training, with the rows that it learnt from and those that it has not seen.
fn trained<F: Scalar>() -> (Model<F>, History, [Dataset<F>; 2]) {
    let data = datasets::robot_arm::<F>(4_000, 0.05, 42);
    let (train, test) = data.split(0.8, 42).expect("two parts");
    let mut model = Model::builder(train.n_features())
        .trunk([Layer::dense(10, Activation::Relu)])
        .task(Task::regression("shoulder"))
        .task(Task::regression("elbow"))
        .seed(42)
        .build::<F>()
        .expect("valid settings");
    let trainer = Trainer::new(Adam::new(0.01)).batch_size(32).steps(1_000);
    let history = trainer.fit(&mut model, &train).expect("a training");
    (model, history, [train, test])
}

#[test]
fn ten_losses_of_the_tutorial() {
    let (model, history, [_, test]) = trained::<f64>();
    for (step, recorded) in RECORDED {
        for (task, recorded) in recorded.into_iter().enumerate() {
            let found = history.losses()[[step, task]];
            println!("step {step}, task {task}: {found:.14}");
            if std::env::var_os("RECORD").is_some() {
                continue;
            }
            assert!(
                (found - recorded).abs() < 1e-9 * recorded,
                "step {step}, task {task}: {found:.12}, was {recorded}"
            );
        }
    }
    let report = model.evaluate(&test).expect("an evaluation");
    assert!(
        report["shoulder"].score("r2") > Some(0.85) && report["elbow"].score("r2") > Some(0.85),
        "{report}"
    );
}

/// In f32, whose roundings 1000 steps magnify; yet the instruction paths of one machine agree in all digits shown.
#[test]
fn the_front_page_shows_what_the_program_finds() {
    let (model, _, parts) = trained::<f32>();
    let [seen, unseen] = parts.each_ref().map(|rows| model.evaluate(rows).expect("an evaluation"));

    let page = include_str!("../../README.md");
    let shown = |line: &str| -> Vec<f64> {
        let line = page.lines().find(|shown| shown.starts_with(line)).expect("a line that begins so");
        line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    for (task, loss) in [("shoulder", "Loss1:"), ("elbow", "Loss2:")] {
        let r2 = unseen[task].score("r2").expect("targets that differ");
        let found = [seen[task].loss, unseen[task].loss, r2, unseen[task].loss];
        println!("{task}: {found:.4?}");
        let shown = [shown(&format!("{task:33}")), shown(loss)].concat();
        assert_eq!(shown.len(), found.len(), "{shown:?}");
        for (found, shown) in found.into_iter().zip(shown) {
            assert!((found - shown).abs() <= 0.001 * shown, "{task}: {found:.4}, and the page says {shown}");
        }
    }
}
