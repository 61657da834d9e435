//! Files that earlier versions wrote are read by this one, and what is in them has the same bits.
//!
//! `tests/golden/v0` has models, estimators and checkpoints that the first version of the format wrote,
//! what they must predict, and the θ and the history with which each training must end that goes on from its
//! checkpoint. `make.rs` in that folder is the program that wrote them; the settings below are its settings in the
//! words of today. A file is never written anew: where a version changes what a file means on purpose, the number
//! that changes is changed in `expected_….json`, in the commit that says why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use polytask::balance::{
    Aggregate, AlignedMtl, Balance, CaGrad, CommonScale, ConFig, DbMtl, DbMtlMomentum, DualProj, Dwa, Equal,
    ExcessMtl, FairGrad, Famo, Fixed, Gls, GradDrop, GradNorm, GradVac, Imtl, ImtlG, ImtlL, Mgda, MoCo,
    NashMtl, Normalisation, Order, PcGrad, Rescale, Rlw, ScaleInvariant, Stch, Uncertainty, UpGrad,
};
use polytask::layer::Dense;
use polytask::loss::{Labels, ListTarget, Loss};
use polytask::metric::{Average, Direction, Gain, Metric, MetricFunction};
use polytask::ndarray::{Array2, ArrayView2};
use polytask::optim::{Plateau, Rule};
use polytask::prelude::*;
use polytask::train::History;
use polytask::train::callback::{
    Budget, EarlyStopping, FreezeConverged, Log, Monitor, ReduceOnPlateau, TaskSchedule, each_step,
};
use polytask::{GramianScope, ModelBuilder, Result, Scalar};
use serde_json::Value;
use std::ops::ControlFlow;

/// Rows of features: 0 to 3 in steps of 0.3.
fn features<F: Scalar>(rows: usize, columns: usize) -> Array2<F> {
    Array2::from_shape_fn((rows, columns), |(i, j)| F::from_f64(((i * 7 + j * 3) % 11) as f64 * 0.3))
}

/// Twenty rows of three quantities; a label of `b` is missing.
fn quantities<F: Scalar>() -> Dataset<F> {
    let x = features::<f64>(20, 3);
    let y = Array2::from_shape_fn((20, 3), |(i, k)| match k {
        0 => x[[i, 0]] - 0.5 * x[[i, 1]],
        1 if i == 4 => f64::NAN,
        1 => 0.4 * x[[i, 1]] * x[[i, 2]] - x[[i, 0]],
        _ => (x[[i, 2]] - 1.0).abs() + 0.1 * i as f64,
    });
    let data = Dataset::new(x.mapv(F::from_f64), y.mapv(F::from_f64)).expect("a table");
    data.with_target_names(["a", "b", "c"]).expect("a name for each")
}

/// Every activation, every way to draw first parameters.
fn layers(width: usize) -> Vec<Layer> {
    use Activation::*;
    use Init::*;
    let activations = [
        Identity,
        Relu,
        LeakyRelu { slope: 0.1 + 0.2 },
        Elu { alpha: 1.0 / 3.0 },
        Gelu,
        Silu,
        Tanh,
        Sigmoid,
        Softplus,
    ];
    let inits = [
        GlorotUniform,
        GlorotNormal,
        HeUniform,
        HeNormal,
        LeCunUniform,
        LeCunNormal,
        GlorotUniform,
        Constant(-0.1),
        HeNormal,
    ];
    let layer = |(activation, init)| Dense::new(width, activation).init(init).bias_init(Constant(0.1)).into();
    activations.into_iter().zip(inits).map(layer).collect()
}

fn losses() -> Vec<Loss> {
    vec![
        Loss::mean_squared_error(),
        Loss::mean_absolute_error(),
        Loss::huber(0.1 + 0.2),
        Loss::smooth_l1(1e-3),
        Loss::log_cosh(),
        Loss::quantiles([0.1, 0.5, 1.0 - f64::EPSILON]),
        Loss::poisson(),
        Loss::gaussian(),
        Loss::BinaryCrossEntropy { positive_weights: vec![1.0 / 3.0], label_smoothing: 0.0 },
        Loss::BinaryFocal { gamma: 1.5, alpha: 0.3, label_smoothing: 0.0 },
        Loss::CrossEntropy { classes: 3, class_weights: vec![0.1, 2.0, 0.7], label_smoothing: 0.1 },
        Loss::Focal { classes: 2, class_weights: vec![], gamma: 1.5, label_smoothing: 0.0 },
        Loss::ordinal(4),
        Loss::rank_net(),
        Loss::lambda_rank(),
        Loss::ListNet { target: ListTarget::Proportion },
        Loss::ListNet { target: ListTarget::Softmax },
        Loss::list_mle(),
        Loss::ApproxNdcg { temperature: 0.5 },
    ]
}

/// Every loss; every metric, each on a task that it fits; a product of two tasks.
fn every_task(mut builder: ModelBuilder) -> ModelBuilder {
    for (k, loss) in losses().into_iter().enumerate() {
        let mut task = Task::new(format!("{k}, “größe” \"{}\" \\ \n", loss.name()), loss).columns(["a"]);
        if k % 3 == 0 {
            task = task.head([Layer::dense(2, Activation::Tanh)]).weight(0.1 + 0.2);
        }
        builder = builder.task(task);
    }
    let with = |task: Task, metrics: Vec<Metric>| metrics.into_iter().fold(task, Task::metric);
    builder
        .task(with(
            Task::regression("quantity").columns(["a"]),
            vec![
                Metric::MeanSquaredError,
                Metric::RootMeanSquaredError,
                Metric::MeanAbsoluteError,
                Metric::MaxError,
                Metric::R2,
                Metric::ExplainedVariance,
                Metric::RelativeRootMeanSquaredError { training_mean: vec![0.1 + 0.2] },
                Metric::Pinball { quantile: 0.9 },
            ],
        ))
        .task(with(
            Task::classes("class", 3).columns(["b"]),
            vec![
                Metric::Accuracy,
                Metric::BalancedAccuracy,
                Metric::TopKAccuracy { k: 2 },
                Metric::Precision(Average::Macro),
                Metric::Recall(Average::Micro),
                Metric::LogLoss,
                Metric::Brier,
                Metric::RocAuc,
                Metric::AveragePrecision,
            ],
        ))
        .task(with(Task::multi_label("two labels", ["b", "c"]), vec![Metric::F1(Average::Macro)]))
        .task(with(Task::new("box", Loss::huber(1.0)).columns(["a", "b", "c", "a"]), vec![Metric::MeanIou]))
        .task(with(Task::binary("clicked").columns(["b"]), vec![Metric::F1(Average::Binary)]))
        .task(Task::binary("bought if clicked").without_loss())
        .task(Task::product("bought", ["clicked", "bought if clicked"]).columns(["c"]))
        .task(with(
            Task::ranking("rank").columns(["a"]),
            vec![
                Metric::Ndcg { k: Some(3), gain: Gain::Linear },
                Metric::Ndcg { k: None, gain: Gain::Exponential },
                Metric::MeanAveragePrecision,
                Metric::MeanReciprocalRank,
            ],
        ))
}

/// Three tasks of one number each.
fn three_tasks(builder: ModelBuilder) -> ModelBuilder {
    builder.task(Task::regression("a")).task(Task::regression("b").weight(0.5)).task(Task::regression("c"))
}

/// Other order, no targets, gaps.
const NEXT_HOUSES: &str = "roof,code,area,age\n,2,600,\npitched,10,550.5,4\nflat,2,,9\n";

/// A metric of a person's own, which no file can hold.
#[derive(Debug)]
struct Own;

impl MetricFunction for Own {
    fn name(&self) -> String {
        "own".into()
    }
    fn direction(&self) -> Direction {
        Direction::HigherIsBetter
    }
    fn evaluate(&self, _: ArrayView2<'_, f64>, _: &Labels<'_, f64>) -> Option<f64> {
        Some(1.0)
    }
}

fn own() -> ModelBuilder {
    let builder = Model::builder(3).trunk([Layer::dense(4, Activation::Tanh)]).standardize();
    builder.task(Task::regression("a").metric(Metric::Custom(Arc::new(Own)))).task(Task::regression("b"))
}

/// Steps of 8 of 20 rows: an epoch is 3 steps.
fn trainer(rule: impl Rule + 'static) -> Trainer {
    Trainer::new(rule).batch_size(8).seed(3).steps(7).threads(1)
}

/// A training for every setting that is in a checkpoint, and every list of numbers that somebody keeps.
fn trainings() -> Vec<(&'static str, Trainer)> {
    let adam = || trainer(Adam::new(0.01));
    let mut all = vec![
        ("adam", adam()),
        (
            "adam_betas",
            trainer(Adam::new(0.01).betas(0.8, 0.99).epsilon(1e-6).epsilon_hat().weight_decay(0.1)),
        ),
        ("adamw", trainer(AdamW::new(0.01).weight_decay(0.1))),
        ("sgd", trainer(Sgd::new(0.05).weight_decay(0.01))),
        ("momentum", trainer(Sgd::new(0.05).momentum(0.9))),
        ("nesterov", trainer(Sgd::new(0.05).nesterov(0.9))),
        ("cosine", adam().schedule(Schedule::cosine(6, 0.1).warm_up(2)).clip_norm(0.5)),
        ("one_cycle", adam().schedule(Schedule::one_cycle(7))),
        ("exponential", adam().schedule(Schedule::exponential(0.9)).in_order()),
        ("every_steps", adam().schedule(Schedule::steps(2, 0.5))),
        ("epochs", adam().epochs(3)),
        ("accumulate", adam().accumulate(2)),
        ("early_stopping", adam().callback(EarlyStopping::new().patience(1).min_delta(1e9))),
        (
            "callbacks",
            adam()
                .callback(EarlyStopping::new().monitor(Monitor::metric("a", "r2")).patience(50))
                .callback(ReduceOnPlateau::new(Plateau::new().factor(0.5).patience(0).threshold(0.9)))
                .callback(FreezeConverged::new().patience(1).min_delta(1e9))
                .callback(TaskSchedule::new("b", Schedule::exponential(0.9)))
                .callback(Budget::steps(6))
                .callback(Log::new().to(std::io::sink()))
                .callback(each_step(|_| ControlFlow::Continue(()))),
        ),
        ("representation", adam().balance(GradNorm::new()).balance_over(GramianScope::Representation)),
        ("sketch", adam().balance(GradNorm::new()).balance_over(GramianScope::Sketch { sums: 2, seed: 1 })),
    ];
    all.extend(methods().into_iter().map(|(name, method)| (name, adam().balance(method))));
    all.extend(aggregates().into_iter().map(|(name, method)| (name, adam().aggregate(method))));
    all
}

fn methods() -> Vec<(&'static str, Box<dyn Balance>)> {
    vec![
        ("equal", Box::new(Equal::mean())),
        ("fixed", Box::new(Fixed::new(&[1.0, 0.5, 2.0]))),
        ("scale_invariant", Box::new(ScaleInvariant::new())),
        ("uncertainty", Box::new(Uncertainty::new().classification(&[1]).begin_at(-0.5))),
        ("imtl_l", Box::new(ImtlL::new())),
        ("dwa", Box::new(Dwa::new())),
        ("gls", Box::new(Gls::new())),
        ("stch", Box::new(Stch::new(0.3))),
        ("famo", Box::new(Famo::new())),
        ("rlw", Box::new(Rlw::new(3))),
        ("mgda", Box::new(Mgda::new().normalisation(Normalisation::Length))),
        ("pcgrad", Box::new(PcGrad::new().order(Order::Ascending))),
        ("pcgrad_drawn", Box::new(PcGrad::new())),
        ("gradvac", Box::new(GradVac::new())),
        ("cagrad", Box::new(CaGrad::new(1.0).rescale(Rescale::None))),
        ("nash_mtl", Box::new(NashMtl::new())),
        ("fairgrad", Box::new(FairGrad::new(2.0))),
        ("imtl_g", Box::new(ImtlG::new())),
        ("imtl", Box::new(Imtl::new())),
        ("aligned_mtl", Box::new(AlignedMtl::new().common_scale(CommonScale::Median))),
        ("upgrad", Box::new(UpGrad::new())),
        ("dual_proj", Box::new(DualProj::new())),
        ("config", Box::new(ConFig::new())),
        ("gradnorm", Box::new(GradNorm::new())),
        ("db_mtl", Box::new(DbMtl::new())),
        ("every", Box::new(UpGrad::new().every(2))),
        ("smoothed", Box::new(Mgda::new().smoothed(0.5).scale_heads(true))),
    ]
}

fn aggregates() -> Vec<(&'static str, Box<dyn Aggregate>)> {
    vec![
        ("graddrop", Box::new(GradDrop::new(5).leak(&[0.0, 0.5, 1.0]))),
        ("moco", Box::new(MoCo::new().ridge(0.1).rates(0.2, 0.05).fading(0.0))),
        ("excess_mtl", Box::new(ExcessMtl::new().rate(1.0).warm_up(2))),
        ("db_mtl_momentum", Box::new(DbMtlMomentum::new().momentum(0.5, 0.3))),
    ]
}

/// The model of a training: scaled where the number is even.
fn trained(number: usize) -> ModelBuilder {
    let builder = three_tasks(Model::builder(3).trunk([Layer::dense(2, Activation::Tanh)]).seed(5));
    if number.is_multiple_of(2) { builder.standardize() } else { builder }
}

/// After this many steps a training is in its file: in the middle of its second epoch.
const SAVED_AT: u64 = 4;

fn is_f64(name: &str) -> bool {
    ["adam", "callbacks", "sketch", "famo", "moco"].contains(&name)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v0")
}

fn file(name: &str) -> PathBuf {
    folder().join(format!("{name}.safetensors"))
}

/// What the files must give: with fused multiply-add the last digits are others than without.
fn expected() -> BTreeMap<String, Value> {
    let arithmetic = if polytask::kernel::simd_level().name() == "portable" { "portable" } else { "fused" };
    let text = fs::read_to_string(folder().join(format!("expected_{arithmetic}.json"))).expect("a file");
    serde_json::from_str(&text).expect("JSON")
}

/// The methods that work with the eigenvalues of the Gramian. These have been found in another way since the files were
/// written, so the numbers agree to rounding.
const EIGENVALUES: [&str; 4] = ["imtl_g", "imtl", "aligned_mtl", "config"];

#[track_caller]
fn assert_near<F: Scalar>(found: impl IntoIterator<Item = F>, expected: &Value, place: &str) {
    let expected = expected.as_array().unwrap_or_else(|| panic!("{place}: nothing is expected"));
    let pairs = expected.iter().map(|x| x.as_f64().expect("a number")).zip(found);
    let apart = pairs.map(|(a, b)| (a - b.to_f64()).abs()).fold(0.0, f64::max);
    assert!(apart < 1e-6, "{place}: {apart} apart");
}

/// Fails unless the numbers have the bits of those expected.
#[track_caller]
fn assert_bits<F: Scalar>(found: impl IntoIterator<Item = F>, expected: &Value, place: &str) {
    let expected = expected.as_array().unwrap_or_else(|| panic!("{place}: nothing is expected"));
    let expected: Vec<f64> = expected.iter().map(|x| x.as_f64().expect("a number")).collect();
    let found: Vec<f64> = found.into_iter().map(F::to_f64).collect();
    let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits();
    let is_same = found.len() == expected.len() && found.iter().zip(&expected).all(same);
    assert!(is_same, "{place}: found {found:?}, expected {expected:?}");
}

#[track_caller]
fn assert_predicts<F: Scalar>(model: &Model<F>, x: &Array2<F>, expected: &Value, name: &str) {
    let predictions = model.predict(x.view()).expect("rows that fit");
    assert_eq!(predictions.iter().count(), expected.as_object().expect("an object").len(), "{name}");
    for (task, values) in predictions.iter() {
        assert_bits(values.iter().copied(), &expected[task], &format!("{name}, task {task:?}"));
    }
}

/// Loads a model, and holds it against the one that the same settings build today.
fn check_model<F: Scalar>(name: &str, settings: ModelBuilder, expected: &BTreeMap<String, Value>) {
    let model = Model::<F>::load(file(name)).expect("a model's file");
    assert_predicts(&model, &features(3, model.n_features()), &expected[name], name);
    let built = settings.build::<F>().expect("valid settings");
    assert_eq!(format!("{:?}", model.tasks()), format!("{:?}", built.tasks()), "{name}");
    let blocks = |model: &Model<F>| {
        let blocks = model.network().layout().blocks().map(|(name, block)| (name.to_owned(), block.shape()));
        blocks.collect::<Vec<_>>()
    };
    assert_eq!(blocks(&model), blocks(&built), "{name}");
    // What is saved anew is the same model.
    let again = Model::<F>::from_bytes(&model.to_bytes().expect("bytes")).expect("its own file");
    assert_predicts(&again, &features(3, model.n_features()), &expected[name], name);
}

#[test]
fn models_of_the_first_format_predict_the_same_bits() {
    let expected = expected();
    let trunk = || every_task(Model::builder(4).sharing(Sharing::shared_trunk(layers(3))));
    check_model::<f32>("model_f32_standardized", trunk().standardize(), &expected);
    check_model::<f64>("model_f64", trunk(), &expected);
    let apart = || three_tasks(Model::builder(3).sharing(Sharing::independent(layers(2))));
    check_model::<f32>("model_f32_independent", apart(), &expected);
    check_model::<f64>("model_f64_independent_standardized", apart().standardize(), &expected);

    // Minus zero, the smallest number above zero, and one that needs all digits.
    let model = Model::<f32>::load(file("model_f32_standardized")).expect("a model's file");
    let first = [-0.0_f32, 1e-45, 1.0 / 3.0];
    assert_eq!(
        model.parameters()[..3].iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
        first.map(f32::to_bits)
    );
}

#[test]
fn parameters_of_a_model_with_a_metric_of_ones_own_are_taken() {
    let name = "model_f64_own_metric";
    let mut model = own().build::<f64>().expect("valid settings");
    model.load_weights(file(name)).expect("parameters that fit");
    assert_predicts(&model, &features(3, 3), &expected()[name], name);
}

#[test]
fn an_encoding_of_the_first_format_encodes_the_same() {
    let (name, expected) = ("model_f64_encoding", expected());
    let model = Model::<f64>::load(file(name)).expect("a model's file");
    let encoding = model.encoding().expect("that of the houses");
    let next = encoding.table_from(NEXT_HOUSES.as_bytes(), "next.csv").expect("a table");
    let x = encoding.features::<f64>(&next).expect("rows like those of the file");
    assert_bits(x.iter().copied(), &expected["model_f64_encoding, features"], name);
    assert_predicts(&model, &x, &expected[name], name);
    assert_eq!(model.class_names("kind").expect("classes"), ["barn", "house", "shed"]);
    assert_eq!(model.class_names("is_sold").expect("classes"), ["no", "yes"]);
    assert_eq!(model.names().expect("names").targets, ["price", "kind", "sold"]);
    // It was saved as one that lets an unknown category pass.
    let unknown = NEXT_HOUSES.replace("pitched", "thatched");
    let unknown = encoding.table_from(unknown.as_bytes(), "next.csv").expect("a table");
    assert!(encoding.features::<f64>(&unknown).is_ok());
}

#[test]
fn estimators_of_the_first_format_predict_the_same_bits() {
    let expected = expected();
    let name = "regressor_f32";
    let model = MultiTaskRegressor::load::<f32>(file(name)).expect("a regressor's file");
    assert_bits(model.predict(&features(3, 3)).expect("rows that fit"), &expected[name], name);
    assert_eq!(model.target_names().collect::<Vec<_>>(), ["a", "b", "c"]);
    let name = "regressor_f64_extrapolates";
    let model = MultiTaskRegressor::load::<f64>(file(name)).expect("a regressor's file");
    assert_bits(model.predict(&features(3, 3)).expect("rows that fit"), &expected[name], name);

    let name = "classifier_f32_encoding";
    let model = MultiTaskClassifier::load::<f32>(file(name)).expect("a classifier's file");
    let encoding = model.encoding().expect("that of the houses");
    let next = encoding.table_from(NEXT_HOUSES.as_bytes(), "next.csv").expect("a table");
    let x = encoding.features::<f32>(&next).expect("rows like those of the file");
    let p = model.predict_proba(&x).expect("rows that fit");
    assert_bits(p.into_iter().flatten(), &expected[name], name);
    assert_eq!(model.class_names("kind").expect("classes"), ["barn", "house", "shed"]);
}

/// Goes on from a checkpoint to the end, and holds what is left against what is expected.
fn check_run<F: Scalar>(
    name: &str,
    trainer: &Trainer,
    builder: ModelBuilder,
    expected: &Value,
) -> Result<()> {
    let there = env::temp_dir().join(format!("polytask-golden-{name}-{}", std::process::id()));
    fs::create_dir_all(&there).unwrap();
    fs::copy(file(&format!("run_{name}")), there.join(format!("step-{SAVED_AT:012}.safetensors"))).unwrap();
    let mut model = builder.build::<F>()?;
    let history = trainer.clone().resume_from(&there).fit_validated(&mut model, &quantities(), &quantities());
    fs::remove_dir_all(there).unwrap();
    let history = history.map_err(|error| error.within(name))?;
    let steps = serde_json::json!((history.n_steps(), history.restored_step(), history.stopped_by()));
    assert_eq!(steps, expected["steps"], "{name}");
    if EIGENVALUES.contains(&name) {
        assert_near(model.parameters().iter().copied(), &expected["theta"], name);
        return Ok(());
    }
    assert_bits(model.parameters().iter().copied(), &expected["theta"], name);
    assert_eq!(format!("{:016x}", digest(&history)), expected["history"], "the history of {name}");
    Ok(())
}

#[test]
fn trainings_of_the_first_format_go_on_to_the_same_bits() -> Result<()> {
    let expected = expected();
    let trainings = trainings();
    let files =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.filter(|name| name.starts_with("run_")).count(), trainings.len());
    for (number, (name, trainer)) in trainings.into_iter().enumerate() {
        let expected = &expected[&format!("run_{name}")];
        match is_f64(name) {
            true => check_run::<f64>(name, &trainer, trained(number), expected)?,
            false => check_run::<f32>(name, &trainer, trained(number), expected)?,
        }
    }
    Ok(())
}

/// FNV-1a of the bits of a history.
fn digest(history: &History) -> u64 {
    let mut numbers: Vec<f64> = history.losses().iter().chain(history.weights()).copied().collect();
    numbers.extend(history.gradient_norms().into_iter().flatten());
    for (low, high) in [(0, 1), (0, 2), (1, 2)] {
        numbers.extend(history.cosines(low, high).into_iter().flatten());
    }
    for validation in history.validations() {
        numbers.push(validation.step as f64);
        numbers.extend(validation.losses.iter().flatten());
    }
    let bits = |x: &f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    let bytes = numbers.iter().flat_map(|x| bits(x).to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
