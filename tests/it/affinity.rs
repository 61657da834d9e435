//! Task affinity is what separate models say it is, measuring changes no training, and the groups that are proposed from it
//! are the best there are.

use ndarray::{Array2, ArrayView1, s};
use polytask::ErrorKind;
use polytask::balance::{UpGrad, Weights};
use polytask::layer::{Draw, Mode};
use polytask::prelude::*;
use polytask::together::{TogetherOrApart, propose_groups};
use polytask::train::callback::Budget;
use polytask::train::{Affinity, Checkpoints};
use polytask::validation::CrossValidation;

const TASKS: [&str; 3] = ["task0", "task1", "task2"];

/// Some labels are missing, and in the last rows all of task 2.
fn table() -> Dataset<f64> {
    let data = datasets::related_tasks::<f64>(48, 5, 3, 0.6, 0.3, 2);
    let mut targets = data.targets().to_owned();
    for row in (0..48).step_by(5) {
        targets[[row, row % 3]] = f64::NAN;
    }
    targets.slice_mut(s![32.., 2]).fill(f64::NAN);
    let data = Dataset::new(data.features().to_owned(), targets).expect("a table");
    data.with_target_names(TASKS).expect("three names")
}

fn builder(trunk: &[Layer]) -> polytask::ModelBuilder {
    Model::builder(5).trunk(trunk.to_vec()).standardize().seed(4)
}

fn joint(trunk: &[Layer]) -> Model<f64> {
    TASKS
        .iter()
        .fold(builder(trunk), |builder, task| builder.task(Task::regression(*task)))
        .build()
        .expect("a model")
}

/// The model of one task alone, with the parameters that it has in the joint model, whose shared ones are at `shared`.
fn alone(trunk: &[Layer], joint: &Model<f64>, shared: &[f64], task: &str, data: &Dataset<f64>) -> Model<f64> {
    let mut own = builder(trunk).task(Task::regression(task)).build::<f64>().expect("a model");
    own.fit_scaling(data).expect("a table that fits");
    let blocks: Vec<(String, polytask::Block)> =
        own.network().layout().blocks().map(|(name, block)| (name.to_owned(), block)).collect();
    for (name, block) in blocks {
        let from = joint.network().layout().block(&name).expect("a block of the same name").range();
        let numbers: Vec<f64> = match from.end <= shared.len() {
            true => shared[from].to_vec(),
            false => joint.parameters()[from].to_vec(),
        };
        own.parameters_mut()[block.range()].copy_from_slice(&numbers);
    }
    own
}

/// The loss on some rows and its gradient with respect to the trunk, if there is a label.
fn loss_and_gradient(
    model: &Model<f64>,
    data: &Dataset<f64>,
    rows: &[usize],
    draw: Draw,
) -> Option<(f64, Vec<f64>)> {
    let mut trace = model.trace(rows.len());
    let batch = polytask::data::Batch { dataset: data, rows };
    model
        .forward_at(&model.pass(Mode::Train).with_draw(draw), &batch, &mut trace)
        .expect("a table that fits");
    let mut gradient = vec![0.0; model.n_parameters()];
    trace.labelled()[0].then(|| {
        model.backward(&mut trace, &Weights::ones(1), &mut gradient);
        gradient.truncate(model.network().layout().n_shared());
        (trace.losses()[0], gradient)
    })
}

#[derive(Default)]
struct Mean(f64, usize);

impl Mean {
    fn add(&mut self, value: f64) {
        self.0 += value;
        self.1 += 1;
    }

    fn close(&self, found: Option<f64>) {
        match (self.1, found) {
            (0, None) => {}
            // Sums of some hundred terms, each rounded to 1.1e-16; losses are differences of such.
            (n, Some(found)) if n > 0 => {
                let mean = self.0 / n as f64;
                assert!((found - mean).abs() <= 1e-10 * mean.abs().max(1.0), "{found} is not {mean}");
            }
            (n, found) => panic!("{found:?} over {n} steps"),
        }
    }
}

/// Against separate models of one task each, whose gradients and losses are computed by themselves, step by step.
#[test]
fn affinities_are_those_of_separate_models() {
    let data = table();
    for trunk in [
        vec![Layer::dense(6, Activation::Tanh), Layer::dense(4, Activation::Relu)],
        vec![Layer::dense(8, Activation::Tanh), Layer::dropout(0.3)],
    ] {
        let trainer = Trainer::new(Sgd::new(0.05).momentum(0.5))
            .schedule(Schedule::steps(2, 0.5))
            .batch_size(8)
            .in_order()
            .steps(9)
            .seed(3);
        let mut model = joint(&trunk);
        model.fit_scaling(&data).expect("a table that fits");
        let mut run = trainer.start(&model, &data).expect("a run");
        let (mut workspace, mut found) = (run.workspace(&model, None), Affinity::new(&model));
        let mut means: Vec<[Mean; 3]> = (0..9).map(|_| Default::default()).collect();
        let n_shared = model.network().layout().n_shared();
        for step in 0..9_u64 {
            let rows: Vec<usize> = (0..8).map(|i| (step as usize * 8 + i) % 48).collect();
            let batch = polytask::data::Batch { dataset: &data, rows: &rows };
            let (rate, draw) = (0.05 * 0.5_f64.powi(step as i32 / 2), Draw::new(3, step));
            let shared = model.parameters()[..n_shared].to_vec();
            let of = |shared: &[f64], task: &str| {
                loss_and_gradient(&alone(&trunk, &model, shared, task, &data), &data, &rows, draw)
            };
            let before = TASKS.map(|task| of(&shared, task));
            for (i, (_, g)) in before.iter().enumerate().filter_map(|(i, known)| Some((i, known.as_ref()?))) {
                let moved: Vec<f64> = shared.iter().zip(g).map(|(theta, g)| theta - rate * g).collect();
                let dot = |a: &[f64], b: &[f64]| ArrayView1::from(a).dot(&ArrayView1::from(b));
                for (j, (loss, h)) in
                    before.iter().enumerate().filter_map(|(j, known)| Some((j, known.as_ref()?)))
                {
                    let [cosine, first_order, lookahead] = &mut means[3 * i + j];
                    cosine.add(dot(g, h) / (dot(g, g) * dot(h, h)).sqrt());
                    first_order.add(rate * dot(g, h));
                    let (after, _) = of(&moved, TASKS[j]).expect("the same labels");
                    lookahead.add(1.0 - after / loss);
                }
            }
            run.gradient(&model, &batch, &mut workspace).expect("a table that fits");
            let gradient = workspace.gradient().to_vec();
            found.observe(&run, &model, &batch, &mut workspace).expect("a batch at this θ");
            assert_eq!(gradient, workspace.gradient());
            run.update(&mut model, &mut workspace).expect("a finite gradient");
        }
        for (i, j) in (0..9).map(|pair| (pair / 3, pair % 3)) {
            let [cosine, first_order, lookahead] = &means[3 * i + j];
            cosine.close(found.cosine(i, j));
            first_order.close(found.first_order(i, j));
            lookahead.close(found.lookahead(i, j));
        }
        // In the rows from 32 on task 2 has no label, so that two of six batches say nothing of it.
        assert_eq!((means[8][0].1, means[0][0].1, found.n_measured()), (7, 9, 9));
        assert!(found.to_string().ends_with("means over 9 steps"), "{found}");
    }
}

#[test]
fn measuring_changes_no_training() {
    let data = table();
    let trunk = [Layer::dense(6, Activation::Tanh), Layer::dropout(0.2)];
    for trainer in [
        Trainer::new(Adam::new(0.01)).batch_size(16).epochs(5),
        Trainer::new(Adam::new(0.01)).batch_size(16).epochs(5).balance(UpGrad::new()),
    ] {
        let [mut plain, mut measured] = [joint(&trunk), joint(&trunk)];
        let history = trainer.fit(&mut plain, &data).expect("a table that fits");
        let (affinity, of_measured) = Affinity::measure(&trainer, &mut measured, &data, 4).expect("the same");
        assert_eq!(plain.parameters(), measured.parameters());
        assert_eq!(history.losses(), of_measured.losses());
        assert_eq!(affinity.n_measured(), 4); // steps 0, 4, 8, 12 of 15
        for threads in [1, 3] {
            let mut other = joint(&trunk);
            let (again, _) =
                Affinity::measure(&trainer.clone().threads(threads), &mut other, &data, 4).expect("the same");
            for (i, j) in (0..9).map(|pair| (pair / 3, pair % 3)) {
                assert_eq!(again.lookahead(i, j), affinity.lookahead(i, j));
                assert_eq!(again.cosine(i, j), affinity.cosine(i, j));
            }
        }
    }
}

#[test]
fn what_cannot_be_measured_is_an_error() {
    let data = table();
    let trainer = Trainer::new(Adam::new(0.01)).batch_size(16).epochs(1);
    let trunk = [Layer::dense(4, Activation::Tanh)];
    let error = |trainer: &Trainer, every: u64, model: &mut Model<f64>| {
        Affinity::measure(trainer, model, &data, every).expect_err("nothing to measure")
    };
    let independent =
        TASKS.iter().fold(builder(&trunk).sharing(Sharing::independent(trunk.clone())), |builder, task| {
            builder.task(Task::regression(*task))
        });
    let folder = std::env::temp_dir().join("polytask-never-made");
    for (error, said) in [
        (error(&trainer, 0, &mut joint(&trunk)), "at least 1"),
        (error(&trainer.clone().callback(Budget::steps(1)), 1, &mut joint(&trunk)), "no callbacks"),
        (
            error(&trainer.clone().checkpoint(Checkpoints::new(folder)), 1, &mut joint(&trunk)),
            "no checkpoints",
        ),
        (error(&trainer.clone().accumulate(2), 1, &mut joint(&trunk)), "parts of a batch"),
        (error(&trainer, 1, &mut independent.build::<f64>().expect("a model")), "share parameters"),
    ] {
        assert!(error.kind() == ErrorKind::Setting && error.to_string().contains(said), "{error}");
    }
    let mut model = joint(&trunk);
    model.fit_scaling(&data).expect("a table that fits");
    let run = trainer.start(&model, &data).expect("a run");
    let mut workspace = run.workspace(&model, None);
    let early =
        Affinity::new(&model).observe(&run, &model, &data.all(), &mut workspace).expect_err("no gradient");
    assert!(early.to_string().contains("Run::gradient"), "{early}");

    // Two tasks that no batch has labels of both of.
    let mut targets = data.targets().to_owned();
    targets.slice_mut(s![.., 0]).fill(f64::NAN);
    targets.slice_mut(s![..1, 0]).fill(1.0);
    let rare = Dataset::new(data.features().to_owned(), targets).expect("a table").with_target_names(TASKS);
    let settings = TogetherOrApart::new(TASKS.map(Task::regression))
        .hidden([4])
        .trainer(Trainer::new(Adam::new(0.01)).batch_size(2).steps(1));
    let proposals = (0..20).map(|seed| {
        settings.clone().folds(CrossValidation::new(2).seed(seed)).propose(rare.as_ref().expect("names"), 0.5)
    });
    let refused: Vec<String> = proposals.filter_map(|proposal| Some(proposal.err()?.to_string())).collect();
    assert!(
        refused.iter().any(|text| text.contains("a measured batch in which both have labels")),
        "{refused:?}"
    );
}

/// Two families of three tasks, cosine 0.9 within and 0 across: found in at least nine of ten draws, from rows that are not
/// those left to try the groups on.
#[test]
fn hidden_families_are_found() {
    for activation in [Activation::Tanh, Activation::Relu] {
        let mut n_found = 0;
        for seed in 1..=10 {
            let data = datasets::task_families::<f32>(800, 8, 2, 3, 0.9, 0.1, seed);
            let settings = TogetherOrApart::new((0..6).map(|k| Task::regression(format!("task{k}"))))
                .hidden([64])
                .activation(activation)
                .trainer(Trainer::new(Adam::new(0.01)).batch_size(128).epochs(6))
                .folds(CrossValidation::new(5).seed(seed));
            let proposal = settings.propose(&data, 0.5).expect("a table that fits");
            assert_eq!(proposal.rest.n_rows(), 400);
            let families = [["task0", "task2", "task4"], ["task1", "task3", "task5"]];
            n_found += usize::from(proposal.groups == families);
            if seed == 1 {
                let threads = settings.clone().folds(CrossValidation::new(5).seed(seed).threads(3));
                let again = threads.propose(&data, 0.5).expect("a table that fits");
                assert_eq!(again.affinity.lookahead(0, 1), proposal.affinity.lookahead(0, 1));
            }
        }
        assert!(n_found >= 9, "{activation:?}: {n_found} of 10");
    }
}

#[test]
fn heads_with_layers_of_their_own_are_measured_too() {
    let data = datasets::task_families::<f64>(200, 6, 1, 2, 1.0, 0.1, 3);
    let own = |name: &str| Task::regression(name).head([Layer::dense(8, Activation::Tanh)]);
    let settings = TogetherOrApart::new(["task0", "task1"].map(own))
        .hidden([16])
        .trainer(Trainer::new(Adam::new(0.01)).batch_size(50).epochs(20));
    let proposal = settings.propose(&data, 0.5).expect("a table that fits");
    assert!(proposal.affinity.cosine(0, 0).is_some_and(|cosine| (cosine - 1.0).abs() < 1e-12));
    assert!(proposal.affinity.lookahead(0, 0) > Some(0.0)); // the trunk's gradient is not 0 for ever
}

/// The value of groups, written out.
fn value(groups: &[Vec<usize>], affinity: &Array2<f64>) -> f64 {
    let mut sum = 0.0;
    for group in groups {
        for &j in group {
            let mut best: f64 = 0.0;
            for i in (0..affinity.nrows()).filter(|&i| i != j) {
                best = best.max(affinity[[i, j]]);
            }
            sum += group.iter().filter(|&&i| i != j).map(|&i| affinity[[i, j]] - best / 2.0).sum::<f64>();
        }
    }
    sum
}

/// All partitions, by putting each task into each group so far or a new one.
fn partitions(n: usize) -> Vec<Vec<Vec<usize>>> {
    let mut all = vec![Vec::new()];
    for task in 0..n {
        all = all
            .into_iter()
            .flat_map(|groups: Vec<Vec<usize>>| {
                (0..=groups.len()).map(move |to| {
                    let mut groups = groups.clone();
                    match to == groups.len() {
                        true => groups.push(vec![task]),
                        false => groups[to].push(task),
                    }
                    groups
                })
            })
            .collect();
    }
    all
}

#[test]
fn no_partition_is_better_than_the_one_proposed() {
    assert_eq!([1, 2, 3, 4, 5, 6].map(|n| partitions(n).len()), [1, 2, 5, 15, 52, 203]); // Bell's numbers
    for seed in 0..40_u64 {
        let n = 1 + (seed % 6) as usize;
        let draws = datasets::related_tasks::<f64>(n, n, 1, 0.0, 0.0, seed);
        let affinity = draws.features().to_owned();
        let found = propose_groups(n, |i, j| affinity[[i, j]]);
        let best = partitions(n).iter().map(|groups| value(groups, &affinity)).fold(f64::MIN, f64::max);
        assert!(
            (value(&found, &affinity) - best).abs() < 1e-12,
            "{found:?}: {} {best}",
            value(&found, &affinity)
        );
        let mut all: Vec<usize> = found.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..n));
    }
    assert!(propose_groups(0, |_, _| 1.0).is_empty());
    assert_eq!(propose_groups(3, |_, _| -1.0), [[0], [1], [2]]);

    // Beyond ten tasks by climbing: families are found, and no merge or move is better.
    for (n, families) in [(12, 3), (15, 5), (20, 2), (11, 11)] {
        let draws = datasets::related_tasks::<f64>(n, n, 1, 0.0, 0.0, 9);
        let affinity = Array2::from_shape_fn((n, n), |(i, j)| {
            (if i % families == j % families { 0.5 } else { -0.1 }) + 0.02 * draws.features()[[i, j]]
        });
        let expected: Vec<Vec<usize>> = (0..families).map(|f| (f..n).step_by(families).collect()).collect();
        assert_eq!(propose_groups(n, |i, j| affinity[[i, j]]), expected);
    }
}
