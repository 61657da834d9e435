//! Trainings drawn at random: settings, data, threads, and where the training is killed. Whatever comes, nothing panics, an
//! error leaves a model with finite parameters, and a training that ends has the same bits on any number of threads and
//! after a resume. `POLYTASK_CASES` says how many are drawn (default: 1000); a case is repeated by its number alone.

use std::path::PathBuf;

use polytask::balance::{
    AlignedMtl, Balance, CaGrad, ConFig, DbMtl, DbMtlMomentum, DualProj, Dwa, Equal, ExcessMtl, FairGrad,
    Famo, Gls, GradDrop, GradNorm, GradVac, Imtl, ImtlG, ImtlL, Mgda, MoCo, NashMtl, PcGrad, Rlw,
    ScaleInvariant, Smoothed, Stch, Uncertainty, UpGrad,
};
use polytask::data::TargetTransform;
use polytask::layer::{BatchNorm, PiecewiseLinear};
use polytask::ndarray::{Array1, Array2};
use polytask::optim::{LazyAdam, ParameterGroups, Plateau};
use polytask::prelude::*;
use polytask::ranks::on_threads;
use polytask::sharing::{AdaTt, ProgressiveExtraction};
use polytask::train::callback::{Budget, EarlyStopping, FreezeConverged, ReduceOnPlateau};
use polytask::train::{History, Run};
use polytask::{GramianScope, ModelBuilder, Result, Scalar};
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

type Rng = ChaCha8Rng;

/// One of several, drawn.
fn one<T: Clone>(rng: &mut Rng, of: &[T]) -> T {
    of.choose(rng).expect("several").clone()
}

/// A number whose logarithm is uniform.
fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    rng.random_range(low.ln()..high.ln()).exp()
}

fn layers(rng: &mut Rng, most: usize) -> Vec<Layer> {
    let n = rng.random_range(0..=most);
    let mut layers = Vec::new();
    for _ in 0..n {
        let width = one(rng, &[1, 2, 3, 7, 8, 9, 17, 33]);
        layers.push(Layer::dense(width, one(rng, &Activation::ALL)));
        if rng.random_bool(0.4) {
            layers.push(other_layer(rng, width));
        }
    }
    layers
}

/// A layer that is no dense one, behind `width` features.
fn other_layer(rng: &mut Rng, width: usize) -> Layer {
    match rng.random_range(0..9) {
        7 => Layer::periodic(one(rng, &[1, 3]), one(rng, &[1, 4])),
        8 => PiecewiseLinear::with_edges([-0.4, 0.1, 0.3], one(rng, &[1, 3])).into(),
        6 => BatchNorm::new().per_part().into(),
        0 => Layer::dropout(rng.random_range(0.0..0.9)),
        1 if width > 1 => Layer::layer_norm(),
        2 => Layer::parametric(one(rng, &Activation::ALL[1..])),
        3 => Layer::gated(one(rng, &[1, 4, 9]), one(rng, &Activation::ALL)),
        4 => Layer::residual([Layer::dense(5, Activation::Silu), Layer::dense(width, Activation::Identity)]),
        _ => Layer::scale(),
    }
}

/// What labels a target has.
#[derive(Clone, Copy)]
enum Labels {
    Quantity,
    Below(usize),
}

fn task(rng: &mut Rng, name: String) -> (Task, Labels) {
    let (task, labels) = match rng.random_range(0..14) {
        0..4 => (Task::regression(name), Labels::Quantity),
        4 => (Task::new(name, Loss::mean_absolute_error()), Labels::Quantity),
        5 => (Task::new(name, Loss::huber(0.7)), Labels::Quantity),
        6 => {
            let quantiles = if rng.random_bool(0.5) { Loss::quantiles } else { Loss::ordered_quantiles };
            (Task::new(name, quantiles([0.1, 0.9])), Labels::Quantity)
        }
        7 => (Task::new(name, Loss::gaussian()), Labels::Quantity),
        8 => (Task::binary(name), Labels::Below(2)),
        9 => (Task::new(name, Loss::binary_focal()), Labels::Below(2)),
        10 => (Task::classes(name, 3), Labels::Below(3)),
        11 => (Task::ordinal(name, 4), Labels::Below(4)),
        12 => (Task::count(name), Labels::Below(9)),
        _ => (Task::ranking(name), Labels::Below(3)),
    };
    let task = if rng.random_bool(0.2) { task.head(layers(rng, 2)) } else { task };
    let task = if rng.random_bool(0.3) { task.weight(one(rng, &[0.0, 1e-3, 0.5, 20.0])) } else { task };
    let is_transformed = matches!(labels, Labels::Quantity) && rng.random_bool(0.15);
    let task = match is_transformed {
        // One that not all labels have refuses.
        true => task.transform(one(rng, &[TargetTransform::yeo_johnson(), TargetTransform::Log1p])),
        false => task,
    };
    (task, labels)
}

fn method(rng: &mut Rng, trainer: Trainer) -> Trainer {
    let all: [fn() -> Box<dyn Balance>; 27] = [
        || Box::new(Equal::mean()),
        || Box::new(ScaleInvariant::new()),
        || Box::new(Uncertainty::new()),
        || Box::new(ImtlL::new()),
        || Box::new(Dwa::new()),
        || Box::new(Gls::new()),
        || Box::new(Stch::new(0.3)),
        || Box::new(Famo::new()),
        || Box::new(Rlw::new(3)),
        || Box::new(Mgda::new()),
        || Box::new(PcGrad::new()),
        || Box::new(GradVac::new()),
        || Box::new(CaGrad::new(0.4)),
        || Box::new(NashMtl::new()),
        || Box::new(FairGrad::new(2.0)),
        || Box::new(ImtlG::new()),
        || Box::new(Imtl::new()),
        || Box::new(AlignedMtl::new()),
        || Box::new(UpGrad::new()),
        || Box::new(DualProj::new()),
        || Box::new(ConFig::new()),
        || Box::new(GradNorm::new()),
        || Box::new(DbMtl::new()),
        || Box::new(Smoothed::new(UpGrad::new(), 0.5)),
        || Box::new(UpGrad::new().every(2)),
        || Box::new(Equal::mean().scale_heads(false)),
        || Box::new(Equal::sum()),
    ];
    match rng.random_range(0..10) {
        0..3 => trainer,
        3 => match rng.random_range(0..4) {
            0 => trainer.aggregate(GradDrop::new(5)),
            1 => trainer.aggregate(MoCo::new()),
            2 => trainer.aggregate(ExcessMtl::new()),
            _ => trainer.aggregate(DbMtlMomentum::new()),
        },
        _ => {
            use GramianScope::{LastSharedLayer, Representation, SharedParameters, Sketch};
            let over =
                one(rng, &[SharedParameters, LastSharedLayer, Representation, Sketch { sums: 8, seed: 1 }]);
            trainer.balance(one(rng, &all)()).balance_over(over)
        }
    }
}

fn trainer(rng: &mut Rng, is_validated: bool) -> Trainer {
    let rate = between(rng, 1e-4, 3.0);
    let trainer = match rng.random_range(0..5) {
        0 => Trainer::new(AdamW::new(rate)),
        4 => Trainer::new(LazyAdam::new(rate)),
        1 => Trainer::new(Sgd::new(rate)),
        2 => Trainer::new(Sgd::new(rate).momentum(0.9)),
        _ => Trainer::new(Adam::new(rate)),
    };
    let trainer = trainer.batch_size(rng.random_range(1..40)).seed(rng.random());
    let trainer = match rng.random_bool(0.5) {
        true => trainer.steps(rng.random_range(1..12)),
        false => trainer.epochs(rng.random_range(1..4)),
    };
    let mut trainer = method(rng, trainer);
    if rng.random_bool(0.2) {
        trainer = trainer.accumulate(rng.random_range(1..4));
    }
    if rng.random_bool(0.3) {
        trainer = trainer.clip_norm(between(rng, 1e-3, 1e3));
    }
    if rng.random_bool(0.2) {
        trainer = trainer.in_order();
    }
    if rng.random_bool(0.2) {
        let groups =
            ParameterGroups::new().no_decay_of_biases().decay("*.weight", one(rng, &[0.0, 1.0, 3.0]));
        trainer = trainer.parameter_groups(groups.rate("*.0.*", one(rng, &[0.0, 0.1, 5.0])));
    }
    if rng.random_bool(0.2) {
        trainer = trainer.schedule(Schedule::exponential(0.9));
    }
    if rng.random_bool(0.2) {
        trainer = trainer.callback(Budget::steps(rng.random_range(1..9)));
    }
    if is_validated && rng.random_bool(0.5) {
        trainer = match rng.random_range(0..3) {
            0 => trainer.callback(EarlyStopping::new().patience(1)),
            1 => trainer.callback(ReduceOnPlateau::new(Plateau::new().patience(1))),
            _ => trainer.callback(FreezeConverged::new().patience(1)),
        };
    }
    trainer
}

struct Case<F: Scalar> {
    builder: ModelBuilder,
    trainer: Trainer,
    data: Dataset<F>,
    validation: Option<Dataset<F>>,
}

impl<F: Scalar> Case<F> {
    fn draw(rng: &mut Rng) -> Result<Self> {
        let (n_features, n_tasks) = (rng.random_range(1..7), rng.random_range(1..5));
        let (tasks, labels): (Vec<Task>, Vec<Labels>) =
            (0..n_tasks).map(|k| task(rng, format!("task {k}"))).unzip();
        let mut trunk = layers(rng, 3);
        let first = rng.random_range(0..10);
        let categories = (first == 0).then(|| rng.random_range(1..9));
        let encoding = match categories {
            Some(n) => Some(Layer::embedding([(0, n)], one(rng, &[1, 5]))),
            None if first == 1 => Some(Layer::piecewise_linear(one(rng, &[1, 4]), one(rng, &[1, 3]))),
            None => None,
        };
        let form = rng.random_range(0..20);
        // A gate would take an index for a quantity.
        let has_stem = categories.is_some() && matches!(form, 2..6 | 9) || rng.random_bool(0.5);
        let (stem, inside) = if has_stem { (encoding, None) } else { (None, encoding) };
        trunk.splice(0..0, inside);
        let sharing = match form {
            0..2 => Sharing::independent(trunk),
            2 if !trunk.is_empty() => Sharing::mmoe(rng.random_range(2..4), trunk),
            6 if !trunk.is_empty() => Sharing::cross_stitch(trunk),
            8 if !trunk.is_empty() => Sharing::dselect_k(rng.random_range(2..6), 2, trunk),
            9 if !trunk.is_empty() => {
                let form = AdaTt::new(rng.random_range(1..3), [Layer::dense(3, Activation::Tanh)]);
                form.level(1, trunk).into()
            }
            7 if !trunk.is_empty() => Sharing::soft(rng.random_range(0.0..0.5), trunk),
            3 if !trunk.is_empty() => Sharing::omoe(2, trunk),
            4 if !trunk.is_empty() => Sharing::cgc(rng.random_range(1..3), 1, trunk),
            5 if !trunk.is_empty() => {
                let form = ProgressiveExtraction::new(1, 1, [Layer::dense(3, Activation::Tanh)]);
                form.level(1, 2, trunk).into()
            }
            _ => Sharing::shared_trunk(trunk),
        };
        let sharing = match stem {
            Some(layer) => sharing.with_stem([layer]),
            None => sharing,
        };
        let mut builder = Model::builder(n_features).sharing(sharing);
        let binaries: Vec<String> =
            tasks.iter().filter(|task| is_binary(task)).map(|task| task.name().to_owned()).collect();
        builder = tasks.into_iter().fold(builder, ModelBuilder::task);
        let product = match &binaries[..] {
            [a, b, ..] => {
                let both = Task::product("both", [a, b]).columns([a]);
                Some(if rng.random_bool(0.3) { both.without_loss() } else { both })
            }
            _ => None,
        };
        if let Some(product) = product {
            builder = builder.task(product);
        }
        if rng.random_bool(0.6) {
            builder = builder.standardize();
        }
        let builder = builder.seed(rng.random());
        let members = if rng.random_range(0..6) == 0 { rng.random_range(2..5) } else { 1 };
        let builder = builder.batch_ensemble(members);
        let data = Self::table(rng, n_features, &labels, categories)?;
        let validation = if rng.random_bool(0.5) {
            Some(Self::table(rng, n_features, &labels, categories)?)
        } else {
            None
        };
        let trainer = trainer(rng, validation.is_some());
        Ok(Self { builder, trainer, data, validation })
    }

    /// With an index among as many categories as the first feature, if there are any.
    fn table(
        rng: &mut Rng,
        n_features: usize,
        labels: &[Labels],
        categories: Option<usize>,
    ) -> Result<Dataset<F>> {
        let rows = rng.random_range(1..60);
        let scales: Vec<f64> = (0..n_features)
            .map(|_| if rng.random_bool(0.1) { 0.0 } else { between(rng, 1e-4, 1e5) })
            .collect();
        let absent = one(rng, &[0.0, 0.0, 0.0, 0.1, 0.5, 0.95]);
        let size = between(rng, 1e-3, 1e4);
        let mut x = Array2::from_shape_fn((rows, n_features), |(_, j)| {
            F::from_f64(if rng.random_bool(0.1) { 0.0 } else { rng.random_range(-1.0..1.0) * scales[j] })
        });
        if let Some(n) = categories {
            x.column_mut(0).iter_mut().for_each(|x| *x = F::from_f64(rng.random_range(0..=n) as f64));
        }
        let y = Array2::from_shape_fn((rows, labels.len()), |(_, k)| match labels[k] {
            _ if rng.random_bool(absent) => F::NAN,
            Labels::Quantity => F::from_f64(rng.random_range(-1.0..1.0) * size),
            Labels::Below(n) => F::from_f64(rng.random_range(0..n) as f64),
        });
        let names = (0..labels.len()).map(|k| format!("task {k}"));
        let mut data = Dataset::new(x, y)?.with_target_names(names)?;
        data = data.with_index_columns(categories.map(|n| ("x0", n)))?;
        if rng.random_bool(0.3) {
            let mut weights = Array1::from_shape_fn(rows, |_| F::from_f64(one(rng, &[0.0, 1.0, 0.3, 5.0])));
            weights[rows - 1] = F::ONE;
            data = data.with_weights(weights)?;
        }
        for k in 0..labels.len() {
            if rng.random_bool(0.15) {
                let mut own = Array1::from_shape_fn(rows, |_| F::from_f64(one(rng, &[0.0, 1.0, 0.2, 4.0])));
                own[rows - 1] = F::ONE;
                data = data.with_target_weights(&format!("task {k}"), own)?;
            }
        }
        if rng.random_bool(0.4) {
            data = data.with_groups((0..rows).map(|row| row as u64 / 3).collect())?;
        }
        Ok(data)
    }

    /// Trains on `threads` threads, killed and resumed after `kill` steps.
    fn train(&self, threads: usize, kill: Option<u64>, path: &PathBuf) -> Result<Vec<u64>> {
        let mut model = self.builder.build::<F>()?;
        let trainer = self.trainer.clone().threads(threads);
        let validation = self.validation.as_ref();
        let Some(kill) = kill else {
            let history = match validation {
                None => trainer.fit(&mut model, &self.data),
                Some(validation) => trainer.fit_validated(&mut model, &self.data, validation),
            };
            assert!(model.parameters().iter().all(|x| x.is_finite()), "{history:?}");
            return Ok(bits(&model, &history?));
        };
        let mut run = trainer.start(&model, &self.data)?;
        model.fit_scaling(&self.data)?;
        advance(&mut run, &mut model, self, Some(kill))?;
        run.save(&model, path)?;
        let mut resumed = self.builder.build::<F>()?;
        let mut run = trainer.resume(&mut resumed, &self.data, path)?;
        advance(&mut run, &mut resumed, self, None)?;
        let history = run.finish(&mut resumed)?;
        Ok(bits(&resumed, &history))
    }
}

impl<F: Scalar> Case<F> {
    /// Trains over that many ranks: all are refused, or all have the same bits, and the first losses are those of one process.
    fn share(&self, n: usize, straight: &[u64], label: &str) {
        let of_ranks = on_threads(n, |ranks| {
            let trainer = self.trainer.clone().ranks(ranks);
            let mut model = self.builder.build::<F>()?;
            let history = match &self.validation {
                None => trainer.fit(&mut model, &self.data),
                Some(validation) => trainer.fit_validated(&mut model, &self.data, validation),
            };
            Ok(history.map(|history| bits(&model, &history)).map_err(|error| error.kind()))
        });
        let of_ranks = of_ranks.unwrap_or_else(|error| panic!("{error}, {n} ranks, {label}"));
        assert!(of_ranks.iter().all(|other| *other == of_ranks[0]), "{n} ranks differ, {label}");
        let Ok(bits) = &of_ranks[0] else { return };
        let model = self.builder.build::<F>().expect("it was built before");
        let begin = model.n_parameters() + model.state().len();
        let near = if F::NAME == "f32" { 1e-3 } else { 1e-9 };
        for (&own, &other) in bits[begin..].iter().zip(&straight[begin..]).take(model.tasks().len()) {
            let (own, other) = (f64::from_bits(own), f64::from_bits(other));
            let is_near = (own - other).abs() <= near * (1.0 + other.abs()) || own.is_nan() && other.is_nan();
            assert!(is_near, "{own} over {n} ranks, {other} in one process, {label}");
        }
    }
}

fn is_binary(task: &Task) -> bool {
    *task.loss() == Loss::binary_cross_entropy()
}

/// Takes steps until the run is finished or has taken `most`.
fn advance<F: Scalar>(
    run: &mut Run<F>,
    model: &mut Model<F>,
    case: &Case<F>,
    most: Option<u64>,
) -> Result<()> {
    let validation = case.validation.as_ref();
    let mut workspace = run.workspace(model, validation);
    while !run.is_finished() && most.is_none_or(|most| run.history().n_steps() < most) {
        run.advance(model, &case.data, validation, &mut workspace)?;
    }
    Ok(())
}

fn bits<F: Scalar>(model: &Model<F>, history: &History) -> Vec<u64> {
    let numbers = history.losses().into_iter().chain(history.weights()).copied().collect::<Vec<_>>();
    let theta = model.parameters().iter().chain(model.state()).map(|x| x.to_f64());
    theta.chain(numbers).map(f64::to_bits).collect()
}

fn check<F: Scalar>(number: u64, rng: &mut Rng) -> Option<u64> {
    let path = std::env::temp_dir().join(format!("polytask-random-{}-{number}", std::process::id()));
    let case = Case::<F>::draw(rng).expect("tables that can be");
    let label = || format!("case {number}: {:?} {:?}", case.builder, case.trainer);
    let straight = case.train(1, None, &path);
    let threads = one(rng, &[2, 3, 5, 16]);
    let cut = case.train(threads, None, &path);
    match (&straight, &cut) {
        (Ok(straight), Ok(cut)) => assert!(straight == cut, "{threads} threads, {}", label()),
        (Err(straight), Err(cut)) => assert_eq!(straight.to_string(), cut.to_string(), "{}", label()),
        _ => panic!("{straight:?} and {cut:?} with {threads} threads, {}", label()),
    }
    let straight = straight.ok()?;
    let kill = rng.random_range(1..5);
    let resumed = case.train(one(rng, &[1, 4]), Some(kill), &path);
    let _ = std::fs::remove_file(&path);
    let resumed = resumed.unwrap_or_else(|error| panic!("{error} after {kill} steps, {}", label()));
    assert!(straight == resumed, "killed after {kill} steps, {}", label());
    case.share(one(rng, &[2, 3, 5]), &straight, &label());
    Some(1)
}

#[test]
fn trainings_drawn_at_random_keep_their_promises() {
    let asked = std::env::var("POLYTASK_CASES").ok().map(|n| n.parse::<u64>().expect("a number of cases"));
    let cases = asked.unwrap_or(1000);
    let only = std::env::var("POLYTASK_CASE").ok().map(|n| n.parse::<u64>().expect("the number of a case"));
    let mut trained = 0;
    for number in only.map_or(0..cases, |only| only..only + 1) {
        let mut rng = Rng::seed_from_u64(number);
        let ended = match number % 2 {
            0 => check::<f32>(number, &mut rng),
            _ => check::<f64>(number, &mut rng),
        };
        trained += ended.map_or(0, |_| 1);
    }
    println!("{trained} of {cases} trainings ended, the others were refused");
    assert!(
        only.is_some() || trained * 4 > cases,
        "{trained} of {cases} trainings ended: the draw is too wild"
    );
}
