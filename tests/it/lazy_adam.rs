//! LazyAdam: what a batch reads moves as with TensorFlow Addons and PyTorch, whatever else stays to the bit, and the gradient
//! with a list of touched rows is the one without.

use std::ops::Range;

use ndarray::Array2;
use polytask::arena::{ActivationBlock, Arena, Chunk};
use polytask::balance::{Balance, Fixed, GradDrop, MoCo, UpGrad};
use polytask::data::Batch;
use polytask::layer::{BuildContext, BuildLayer, BuiltLayer, Embedding, Lookup, Pass, Propagation};
use polytask::optim::{LazyAdam, Optimizer, ParameterGroups, Rule, global_norm};
use polytask::penalty::Penalty;
use polytask::prelude::*;
use polytask::sharing::MixtureOfExperts;
use polytask::train::Checkpoints;
use polytask::{Block, Layout, ModelBuilder, Scalar, TouchedRows};
use serde_json::Value;

/// The problem of `golden/make_lazy_adam.py`.
struct Problem {
    state: u64,
    step: usize,
}

impl Problem {
    fn next(&mut self) -> f64 {
        self.state = (1103515245 * self.state + 12345) % (1 << 31);
        self.state as f64 / f64::from(1_u32 << 31)
    }

    /// The indices of the next batch, and the gradient of the table and of w.
    fn batch(&mut self, theta: &[f64]) -> (Vec<usize>, Vec<f64>) {
        self.step += 1;
        let indices: Vec<usize> = (0..5).map(|_| ((7.0 * self.next()) as usize).min(5)).collect();
        let mut gradient = vec![0.0; 23];
        for row in &indices {
            for at in 3 * row..3 * row + 3 {
                let delta = 0.5 * (theta[at] - 1.0) + 4.0 * self.next() - 2.0;
                gradient[at] += if (20..30).contains(&self.step) { 0.0 } else { delta };
            }
        }
        for at in 21..23 {
            gradient[at] = 0.5 * (theta[at] + 1.0) + 4.0 * self.next() - 2.0;
        }
        (indices, gradient)
    }
}

#[test]
fn trajectories_are_those_of_tensorflow_addons_and_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("../golden/lazy_adam.json")).expect("JSON");
    let trajectories = golden["trajectories"].as_array().expect("a list");
    assert_eq!(trajectories.len(), 5);
    for entry in trajectories {
        let setting = |name: &str| entry["settings"][name].as_f64();
        let of = |name: &str| setting(name).expect("a number");
        let rule = LazyAdam::new(of("learning_rate")).betas(of("beta1"), of("beta2")).epsilon(of("epsilon"));
        let mut layout = Layout::new();
        let mut touched = TouchedRows::new(23, [layout.push("table", 7, 3)], 5);
        let mut lazy = Optimizer::new(rule.epsilon_hat(), 23).expect("valid settings");
        if let Some(norm) = setting("clip") {
            lazy = lazy.clip_norm(norm).expect("a norm");
        }
        let mut problem = Problem { state: 42, step: 0 };
        let mut theta: Vec<f64> = (0..21).map(|i| 0.1 * f64::from(i)).chain([1.0, -1.0]).collect();
        let mut checked = (lazy.clone(), theta.clone());
        for t in 1..=60 {
            let (indices, gradient) = problem.batch(&theta);
            touched.set([indices]);
            lazy.step_rows(&mut theta, &gradient, &touched);
            checked.0.checked_step_rows(&mut checked.1, &gradient, &touched).expect("finite numbers");
            assert_eq!(theta, checked.1, "step {t}");
            if let Some(expected) = entry["theta"].get(t.to_string()) {
                for (i, expected) in expected.as_array().expect("numbers").iter().enumerate() {
                    let expected = expected.as_f64().expect("a number");
                    // A few roundings a step, in another order.
                    let off = (theta[i] - expected).abs();
                    assert!(off < 1e-13, "{}, step {t}, [{i}]: {} for {expected}", entry["source"], theta[i]);
                }
            }
        }
        assert_eq!(theta[18..21], [0.1 * 18.0, 0.1 * 19.0, 0.1 * 20.0], "the row that no batch reads");
    }
}

#[test]
fn with_every_row_touched_it_is_adam_to_the_bit() {
    let mut layout = Layout::new();
    let tables = [layout.push("first", 50, 3), layout.push("second", 9, 2)];
    layout.push("weight", 5, 5);
    let n = layout.len();
    let touched = TouchedRows::new(n, tables, 4);
    let rules: [(Box<dyn Rule>, Box<dyn Rule>); 3] = [
        (Box::new(LazyAdam::new(0.01)), Box::new(Adam::new(0.01))),
        (Box::new(LazyAdam::new(0.1).weight_decay(0.2)), Box::new(Adam::new(0.1).weight_decay(0.2))),
        (
            Box::new(LazyAdam::new(0.1).betas(0.7, 0.8).epsilon(0.01).epsilon_hat()),
            Box::new(Adam::new(0.1).betas(0.7, 0.8).epsilon(0.01).epsilon_hat()),
        ),
    ];
    let groups = ParameterGroups::new().rate("second", 0.5).decay("weight", 0.0);
    for (lazy, adam) in rules {
        let optimizer =
            |rule: &dyn Rule| Optimizer::from_rule(rule, n).and_then(|o| o.groups(&layout, &groups));
        let mut lazy = optimizer(&*lazy).expect("valid settings");
        let mut without_list = lazy.clone();
        let mut adam = optimizer(&*adam).expect("valid settings");
        let [mut of_lazy, mut of_adam, mut unlisted] = [(); 3].map(|()| vec![0.5_f32; n]);
        for t in 0..10 {
            let gradient: Vec<f32> = (0..n).map(|i| ((i * 7 + t * 11) % 13) as f32 * 0.3 - 1.5).collect();
            lazy.checked_step_rows(&mut of_lazy, &gradient, &touched).expect("finite numbers");
            without_list.step(&mut unlisted, &gradient);
            adam.step(&mut of_adam, &gradient);
            assert!(of_lazy == of_adam && unlisted == of_adam, "{:?}", lazy.rule());
        }
        assert_eq!(lazy.moments(), adam.moments());
    }
}

/// Two columns of indices among four, the larger one with far more categories than rows.
fn table<F: Scalar>(rows: usize) -> Dataset<F> {
    let x = Array2::from_shape_fn((rows, 4), |(i, j)| {
        F::from_f64(match j {
            1 => (i * 37 % 301) as f64,
            2 => (i % 4) as f64,
            _ => ((i * 4 + j) as f64).sin(),
        })
    });
    let y = Array2::from_shape_fn((rows, 2), |(i, k)| match (i + k) % 9 {
        0 => F::NAN,
        _ => F::from_f64(((i % 17 * (k + 1)) as f64).cos()),
    });
    let data = Dataset::new(x, y).and_then(|data| data.with_target_names(["a", "b"]));
    data.and_then(|data| data.with_index_columns([("x1", 300), ("x2", 5)])).expect("a table")
}

fn layers() -> [Layer; 2] {
    let numbers = [Layer::dense(3, Activation::Tanh)];
    [
        Embedding::new([(1, 300), (2, 5)], 3).width_of(2, 2).numbers(numbers).into(),
        Layer::dense(4, Activation::Tanh),
    ]
}

fn forms() -> Vec<(&'static str, ModelBuilder)> {
    let tasks = |builder: ModelBuilder| builder.task(Task::regression("a")).task(Task::regression("b"));
    let of = |sharing: Sharing| tasks(Model::builder(4).sharing(sharing)).seed(5);
    let head = |name| Task::regression(name).head(layers());
    let in_the_heads = Model::builder(4).trunk(Vec::<Layer>::new()).task(head("a")).task(head("b"));
    vec![
        ("a trunk", of(Sharing::shared_trunk(layers()))),
        ("a trunk for each", of(Sharing::independent(layers()))),
        ("the heads", in_the_heads.seed(5)),
        ("soft sharing", of(Sharing::soft(0.1, layers()))),
        ("cross-stitch", of(Sharing::cross_stitch(layers()))),
        ("MMoE", of(MixtureOfExperts::new(2, layers()).gate(layers()).into())),
        ("DSelect-k", of(Sharing::dselect_k(3, 2, layers()))),
        ("an ensemble", of(Sharing::shared_trunk(layers())).batch_ensemble(2)),
        ("a penalty", of(Sharing::shared_trunk(layers())).penalty(Penalty::l2("*.table.2", 0.3))),
    ]
}

/// The tables of vectors in θ.
fn tables<F: Scalar>(model: &Model<F>) -> Vec<(String, Block)> {
    let blocks = model.network().layout().blocks().filter(|(name, _)| name.contains("table."));
    blocks.map(|(name, block)| (name.to_owned(), block)).collect()
}

/// A step as the formula says, number by number.
struct Obvious {
    moments: Vec<[f64; 2]>,
    t: i32,
}

impl Obvious {
    fn step(&mut self, theta: &mut [f64], gradient: &[f64], touched: &[bool], decay: f64) {
        self.t += 1;
        for (i, [m, v]) in self.moments.iter_mut().enumerate().filter(|(i, _)| touched[*i]) {
            let g = gradient[i] + decay * theta[i];
            *m = 0.9 * *m + 0.1 * g;
            *v = 0.999 * *v + 0.001 * g * g;
            let (m_hat, v_hat) = (*m / (1.0 - 0.9_f64.powi(self.t)), *v / (1.0 - 0.999_f64.powi(self.t)));
            theta[i] -= 0.01 * m_hat / (v_hat.sqrt() + 1e-3);
        }
    }
}

/// Ways to train, each with any rule.
type Way = fn(Trainer) -> Trainer;

const WAYS: [(&str, Way); 9] = [
    ("plain", |trainer| trainer),
    ("weights", |trainer| trainer.balance(Fixed::new(&[0.25, 3.0]))),
    ("clipped", |trainer| trainer.clip_norm(0.05)),
    ("accumulated", |trainer| trainer.batch_size(4).accumulate(3)),
    ("balanced", |trainer| trainer.balance(UpGrad::new())),
    // Weights of the tasks' own parameters that are not those of the shared ones.
    ("heads apart", |trainer| trainer.balance(UpGrad::new().scale_heads(true))),
    ("heads left", |trainer| trainer.balance(Fixed::new(&[0.25, 3.0]).scale_heads(false))),
    ("aggregated", |trainer| trainer.aggregate(GradDrop::new(3))),
    ("with memory", |trainer| trainer.aggregate(MoCo::new())),
];

#[test]
fn gradients_are_those_without_a_list_and_rows_that_are_not_read_stay() {
    let data = table::<f64>(60);
    for (form, builder) in forms() {
        for (way, set) in WAYS {
            let nothing_shared = ["a trunk for each", "soft sharing", "the heads"].contains(&form);
            if nothing_shared && ["balanced", "heads apart", "aggregated", "with memory"].contains(&way) {
                continue;
            }
            let case = format!("{form}, {way}");
            let mut model = builder.build::<f64>().expect("valid settings");
            let set = |trainer: Trainer| set(trainer.batch_size(12).steps(100)).threads(2);
            let lazy = set(Trainer::new(LazyAdam::new(0.01).epsilon(1e-3).weight_decay(0.1)));
            let mut lazy = lazy.start(&model, &data).expect("valid settings");
            let mut dense = set(Trainer::new(Adam::new(0.01))).start(&model, &data).expect("valid settings");
            let (mut of_lazy, mut of_dense) = (lazy.workspace(&model, None), dense.workspace(&model, None));
            let mut obvious = Obvious { moments: vec![[0.0; 2]; model.n_parameters()], t: 0 };
            let mut theta = model.parameters().to_vec();
            for step in 0..5_usize {
                let rows: Vec<usize> = (0..12).map(|i| (step * 31 + i * i + 7 * i) % 60).collect();
                let batch = Batch { dataset: &data, rows: &rows };
                lazy.gradient(&model, &batch, &mut of_lazy).expect("a gradient");
                dense.gradient(&model, &batch, &mut of_dense).expect("a gradient");
                let gradient = of_dense.gradient().to_vec();
                assert_eq!(of_lazy.gradient(), gradient, "{case}, step {step}");
                let before = (model.parameters().to_vec(), lazy.optimizer().moments().map(<[f64]>::to_vec));
                lazy.update(&mut model, &mut of_lazy).expect("a step");

                let mut touched = vec![true; model.n_parameters()];
                for (name, block) in tables(&model) {
                    let (column, width) = (if name.ends_with("table.1") { 1 } else { 2 }, block.shape().1);
                    for row in 0..block.shape().0 {
                        let at = block.range().start + row * width..block.range().start + (row + 1) * width;
                        let is_read = rows.iter().any(|&of| data.features()[[of, column]] == row as f64);
                        touched[at.clone()].fill(is_read || gradient[at].iter().any(|g| *g != 0.0));
                    }
                }
                let norm = global_norm(&gradient);
                let scale = if way == "clipped" && norm > 0.05 { 0.05 / norm } else { 1.0 };
                let scaled: Vec<f64> = gradient.iter().map(|g| g * scale).collect();
                obvious.step(&mut theta, &scaled, &touched, 0.1);
                let moments = lazy.optimizer().moments();
                for (i, touched) in touched.iter().enumerate() {
                    let (now, then) = (model.parameters()[i], before.0[i]);
                    let off = (now - theta[i]).abs();
                    assert!(off < 1e-12, "{case}, step {step}, θ[{i}]: {now} for {}", theta[i]);
                    let stays = now == then && (0..2).all(|k| moments[k][i] == before.1[k][i]);
                    assert!(*touched || stays, "{case}, step {step}: θ[{i}] is not touched and moves");
                }
                let n = touched.iter().filter(|touched| **touched).count();
                let touches_all = way == "with memory" || form == "soft sharing";
                assert!(touches_all || n < model.n_parameters() / 2, "{case}: {n} touched");
            }
        }
    }
}

#[test]
fn rows_that_a_person_writes_to_are_touched() {
    let data = table::<f64>(60);
    let mut model = forms()[0].1.build::<f64>().expect("valid settings");
    let trainer = Trainer::new(LazyAdam::new(0.01)).batch_size(12).steps(100);
    let mut run = trainer.start(&model, &data).expect("valid settings");
    let mut workspace = run.workspace(&model, None);
    let table = tables(&model)[0].1;
    let at = |row: usize| table.range().start + 3 * row;
    let rows: Vec<usize> = (0..12).collect();
    let batch = Batch { dataset: &data, rows: &rows };
    run.gradient(&model, &batch, &mut workspace).expect("a gradient");
    workspace.gradient_mut()[at(299)] = 1.0;
    let before = model.parameters().to_vec();
    run.update(&mut model, &mut workspace).expect("a step");
    assert_ne!(model.parameters()[at(299)], before[at(299)]);
    assert_eq!(model.parameters()[at(298)], before[at(298)]);

    // What was written is gone with the next batch, whether a step was taken along it or not.
    workspace.gradient_mut().fill(7.0);
    run.gradient(&model, &batch, &mut workspace).expect("a gradient");
    assert_eq!(workspace.gradient()[at(298)..at(300)], [0.0; 6]);
    let moments = run.optimizer().moments()[0][at(299)];
    run.update(&mut model, &mut workspace).expect("a step");
    assert_eq!(run.optimizer().moments()[0][at(299)], moments);
    workspace.gradient_mut()[at(298)] = f64::NAN;
    let error = run.update(&mut model, &mut workspace).unwrap_err().to_string();
    assert!(error.starts_with("gradient at step 3: expected finite numbers"), "{error}");
}

/// An embedding that tells its tables as often as it says, and does what it tells.
#[derive(Debug)]
struct Telling(usize);

#[derive(Debug)]
struct BuiltTelling<F: Scalar> {
    inside: Box<dyn BuiltLayer<F>>,
    times: usize,
}

impl<F: Scalar> BuildLayer<F> for Telling {
    fn build(&self, context: &mut BuildContext<'_>) -> polytask::Result<Box<dyn BuiltLayer<F>>> {
        let embedding = Embedding::new([(1, 300), (2, 5)], 3);
        Ok(Box::new(BuiltTelling::<F> { inside: embedding.build(context)?, times: self.0 }))
    }
}

impl<F: Scalar> BuiltLayer<F> for BuiltTelling<F> {
    fn output(&self) -> ActivationBlock {
        self.inside.output()
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        self.inside.forward(pass, values);
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        self.inside.propagate(pass, values, deltas, to);
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        self.inside.pieces()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]) {
        self.inside.gradient(chunks, lane, piece, gradient);
    }

    fn lookups(&self) -> Vec<Lookup> {
        (0..self.times).flat_map(|_| self.inside.lookups()).collect()
    }
}

fn telling(times: usize) -> ModelBuilder {
    let builder = Model::builder(4).trunk([Layer::custom(Telling(times))]).task(Task::regression("a"));
    builder.task(Task::regression("b")).seed(2)
}

#[test]
fn tables_that_a_layer_does_not_tell_are_touched_whole() {
    let data = table::<f64>(60);
    let trained = |times: usize, rule: Trainer| {
        let mut model = telling(times).build::<f64>().expect("valid settings");
        rule.batch_size(12).steps(5).fit(&mut model, &data).expect("a training");
        model.parameters().to_vec()
    };
    let of_adam = trained(0, Trainer::new(Adam::new(0.01)));
    assert_eq!(trained(0, Trainer::new(LazyAdam::new(0.01))), of_adam);
    assert_eq!(trained(1, Trainer::new(Adam::new(0.01))), of_adam);
    assert_ne!(trained(1, Trainer::new(LazyAdam::new(0.01))), of_adam);
}

#[test]
#[should_panic(expected = "each table that is looked up must be one of the pieces, and looked up once")]
fn a_table_that_is_looked_up_twice_panics() {
    let _ = telling(2).build::<f64>();
}

#[test]
fn runs_of_both_kinds_take_turns_at_one_workspace() {
    let data = table::<f32>(60);
    let model = forms()[0].1.build::<f32>().expect("valid settings");
    let trained = |rule: &dyn Fn() -> Trainer, others: usize| {
        let start =
            |trainer: Trainer| trainer.batch_size(12).steps(6).start(&model, &data).expect("settings");
        let (mut run, mut own) = (start(rule()), model.clone());
        let mut workspace = run.workspace(&own, None);
        let mut between: Vec<_> =
            (0..others).map(|_| (start(Trainer::new(Sgd::new(0.1))), model.clone())).collect();
        while !run.is_finished() {
            run.step(&mut own, &data, &mut workspace).expect("a step");
            for (other, own) in &mut between {
                other.step(own, &data, &mut workspace).expect("a step");
            }
        }
        own.parameters().to_vec()
    };
    let lazy = || Trainer::new(LazyAdam::new(0.01));
    assert_eq!(trained(&lazy, 0), trained(&lazy, 1));
    assert_ne!(trained(&lazy, 0), trained(&|| Trainer::new(Adam::new(0.01)), 1));
}

#[test]
fn threads_change_no_bit() {
    let data = table::<f32>(300);
    // Layers so large that threads share them, behind tables of which only some rows are touched.
    let [first, _] = layers();
    let wide = || Layer::dense(330, Activation::Tanh);
    let builder = Model::builder(4).trunk([first, wide(), wide()]).task(Task::regression("a"));
    let builder = builder.task(Task::regression("b")).seed(5);
    let groups = || ParameterGroups::new().no_decay_of_biases().rate("trunk.1.*", 0.5).rate("*.table.1", 2.0);
    for grouped in [false, true] {
        let trained = |threads: usize| {
            let mut model = builder.build::<f32>().expect("valid settings");
            let trainer = Trainer::new(LazyAdam::new(0.01).weight_decay(0.1)).clip_norm(0.5);
            let trainer = if grouped { trainer.parameter_groups(groups()) } else { trainer };
            trainer.batch_size(64).steps(6).threads(threads).fit(&mut model, &data).expect("a training");
            model.parameters().to_vec()
        };
        let alone = trained(1);
        for threads in [2, 3, 4] {
            assert!(trained(threads) == alone, "{threads} threads");
        }
    }
}

#[test]
fn a_run_that_is_taken_up_goes_on_bit_for_bit() -> polytask::Result<()> {
    let data = table::<f32>(60);
    let folder = std::env::temp_dir().join(format!("polytask-lazy-{}", std::process::id()));
    for (way, set) in WAYS {
        let trainer = || set(Trainer::new(LazyAdam::new(0.01)).batch_size(12).steps(7));
        let build = || forms()[0].1.build::<f32>();
        let mut straight = build()?;
        trainer().fit(&mut straight, &data)?;
        trainer().steps(4).checkpoint(Checkpoints::new(&folder).every_steps(4)).fit(&mut build()?, &data)?;
        let mut resumed = build()?;
        trainer().resume_from(&folder).fit(&mut resumed, &data)?;
        assert_eq!(resumed.parameters(), straight.parameters(), "{way}");
        if way == "plain" {
            let error = Trainer::new(Adam::new(0.01)).batch_size(12).steps(7).resume_from(&folder);
            let error = error.fit(&mut build()?, &data).expect_err("another rule").to_string();
            assert!(error.contains("lazyadam"), "{error}");
        }
        std::fs::remove_dir_all(&folder).expect("the folder");
    }
    Ok(())
}
