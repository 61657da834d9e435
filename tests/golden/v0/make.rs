//! Made the files in this folder, with the first version of the file format (0.1.0 before its first release).
//!
//! It is documentation: it compiles against the version of that day and no other, so it is not part of the tests.
//! `tests/it/golden_files.rs` reads what it wrote. Dependencies: `polytask` (features `csv`, `persist`), `serde_json`
//! (feature `float_roundtrip`). To run it: `make FOLDER files`, then `make FOLDER expected`, once with the
//! environment variable that limits the vector instructions, whose name ended in `PATH` then, set to `portable` and once
//! without.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use polytask::balance::{
    Aggregate, AlignedMtl, Balance, CaGrad, CommonScale, ConFig, DbMtl, DbMtlMomentum, DualProj, Dwa, Equal,
    ExcessMtl, FairGrad, Famo, Fixed, Gls, GradDrop, GradNorm, GradVac, Imtl, ImtlG, ImtlL, Mgda, MoCo,
    NashMtl, Normalisation, Order, Over, PcGrad, Rescale, Rlw, ScaleInvariant, Stch, Uncertainty, UpGrad,
};
use polytask::data::csv::CsvReader;
use polytask::layer::Dense;
use polytask::loss::{Labels, ListTarget, Loss};
use polytask::metric::{Average, Direction, Gain, Metric, MetricFunction};
use polytask::ndarray::{Array2, ArrayView2};
use polytask::optim::{Plateau, Rule};
use polytask::prelude::*;
use polytask::train::callback::{
    Budget, EarlyStopping, Flow, FreezeConverged, Log, ReduceOnPlateau, TaskSchedule, Watch, each_step,
};
use polytask::train::{Checkpoints, History};
use polytask::{ModelBuilder, Result, Scalar};
use serde_json::{Value, json};

// The settings that follow up to `main` are in the test as well, in the words of today; the tables that models were
// fitted to are here alone.

/// Rows of features: 0 to 3 in steps of 0.3.
fn features<F: Scalar>(rows: usize, columns: usize) -> Array2<F> {
    Array2::from_shape_fn((rows, columns), |(i, j)| F::from_f64(((i * 7 + j * 3) % 11) as f64 * 0.3))
}

/// A table whose labels, 0 and 1, fit every loss; six lists of five rows.
fn yes_no<F: Scalar>() -> Dataset<F> {
    let targets = Array2::from_shape_fn((30, 3), |(i, j)| F::from_f64(((i / (j + 1)) % 2) as f64));
    let data = Dataset::new(features(30, 4), targets).expect("a table");
    let data =
        data.with_groups((0..30).map(|row| row / 5).collect::<Vec<_>>()).expect("a group for each row");
    data.with_feature_names(["w", "x", "y", "z"]).unwrap().with_target_names(["a", "b", "c"]).unwrap()
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
        Loss::BinaryCrossEntropy { positive_weights: vec![1.0 / 3.0] },
        Loss::BinaryFocal { gamma: 1.5, alpha: 0.3 },
        Loss::CrossEntropy { classes: 3, class_weights: vec![0.1, 2.0, 0.7], label_smoothing: 0.1 },
        Loss::Focal { classes: 2, class_weights: vec![], gamma: 1.5 },
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

const HOUSES: &str = "\
area,roof,age,code,price,kind,sold
514.5,flat,3,10,15.5,barn,yes
563.5,pitched,,2,20.8,house,no
612.5,,5,10,24.1,house,yes
700,flat,9,2,30.5,shed,no
530,pitched,4,2,17.0,barn,yes
650,,7,10,26.0,shed,no
";

/// Other order, no targets, gaps.
const NEXT_HOUSES: &str = "roof,code,area,age\n,2,600,\npitched,10,550.5,4\nflat,2,,9\n";

fn reader() -> CsvReader {
    CsvReader::new().targets(["price"]).class_targets(["kind", "sold"]).categorical(["code"])
}

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
                .callback(EarlyStopping::new().watch(Watch::metric("a", "r2")).patience(50))
                .callback(ReduceOnPlateau::new(Plateau::new().factor(0.5).patience(0).threshold(0.9)))
                .callback(FreezeConverged::new().patience(1).min_delta(1e9))
                .callback(TaskSchedule::new("b", Schedule::exponential(0.9)))
                .callback(Budget::steps(6))
                .callback(Log::new().to(std::io::sink()))
                .callback(each_step(|_| Flow::Continue)),
        ),
        ("representation", adam().balance(GradNorm::new()).balance_over(Over::Representation)),
        ("sketch", adam().balance(GradNorm::new()).balance_over(Over::Sketch { sums: 2, seed: 1 })),
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

/// After so many steps a training is in its file: in the middle of its second epoch.
const SAVED_AT: u64 = 4;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let folder = PathBuf::from(arguments.next().expect("a folder"));
    match arguments.next().as_deref() {
        Some("files") => files(&folder),
        _ => expected(&folder),
    }
}

fn fit<F: Scalar>(builder: ModelBuilder, data: &Dataset<F>) -> Result<Model<F>> {
    let mut model = builder.build::<F>()?;
    Trainer::new(Adam::new(1e-2)).batch_size(7).steps(5).threads(1).fit(&mut model, data)?;
    Ok(model)
}

fn files(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).unwrap();
    let save = |name: &str| folder.join(format!("{name}.safetensors"));

    let mut every = fit::<f32>(
        every_task(Model::builder(4).sharing(Sharing::shared_trunk(layers(3))).standardize()),
        &yes_no(),
    )?;
    every.parameters_mut()[..3].copy_from_slice(&[-0.0, 1e-45, 1.0 / 3.0]);
    every.save(save("model_f32_standardized"))?;
    fit::<f64>(every_task(Model::builder(4).sharing(Sharing::shared_trunk(layers(3)))), &yes_no())?
        .save(save("model_f64"))?;
    fit::<f32>(three_tasks(Model::builder(3).sharing(Sharing::independent(layers(2)))), &quantities())?
        .save(save("model_f32_independent"))?;
    fit::<f64>(
        three_tasks(Model::builder(3).sharing(Sharing::independent(layers(2))).standardize().seed(u64::MAX)),
        &quantities(),
    )?
    .save(save("model_f64_independent_standardized"))?;
    fit::<f64>(own(), &quantities())?.save(save("model_f64_own_metric"))?;

    let (houses, encoding) = reader().read_from::<f64>(HOUSES.as_bytes(), "houses.csv")?;
    let builder = Model::builder(houses.n_features())
        .trunk([Layer::dense(4, Activation::Tanh)])
        .task(Task::regression("price"))
        .task(Task::classes("kind", 3))
        .task(Task::binary("is_sold").columns(["sold"]))
        .standardize();
    let mut model = fit(builder, &houses)?;
    model.set_encoding(encoding.lenient())?;
    model.save(save("model_f64_encoding"))?;

    let regressor = || MultiTaskRegressor::new().hidden([4]).members(2).epochs(3).threads(1);
    regressor().fit_table::<f32>(&quantities())?.save(save("regressor_f32"))?;
    regressor()
        .sharing(Sharing::independent([Layer::dense(3, Activation::Silu)]))
        .extrapolate()
        .fit_table::<f64>(&quantities())?
        .save(save("regressor_f64_extrapolates"))?;
    let (houses, encoding) = CsvReader::new()
        .class_targets(["kind", "sold"])
        .ignore(["price"])
        .categorical(["code"])
        .read_from::<f32>(HOUSES.as_bytes(), "houses.csv")?;
    let classifier = MultiTaskClassifier::new().hidden([4]).members(2).folds(2).epochs(3).threads(1);
    let mut fitted = classifier.fit_table::<f32>(&houses)?;
    fitted.set_encoding(encoding.lenient())?;
    fitted.save(save("classifier_f32_encoding"))?;

    for (number, (name, trainer)) in trainings().into_iter().enumerate() {
        match is_f64(name) {
            true => checkpoint::<f64>(folder, name, &trainer, trained(number))?,
            false => checkpoint::<f32>(folder, name, &trainer, trained(number))?,
        }
    }
    Ok(())
}

fn is_f64(name: &str) -> bool {
    ["adam", "callbacks", "sketch", "famo", "moco"].contains(&name)
}

fn checkpoint<F: Scalar>(folder: &Path, name: &str, trainer: &Trainer, builder: ModelBuilder) -> Result<()> {
    let there = folder.join("checkpoints");
    let trainer = trainer.clone().checkpoint(Checkpoints::new(&there).every_steps(1).keep_last(100));
    let mut model = builder.build::<F>()?;
    trainer.fit_validated(&mut model, &quantities(), &quantities())?;
    let saved = there.join(format!("step-{SAVED_AT:012}.safetensors"));
    fs::rename(saved, folder.join(format!("run_{name}.safetensors"))).unwrap();
    fs::remove_dir_all(there).unwrap();
    Ok(())
}

/// What was predicted for each task.
fn predicted<F: Scalar>(model: &Model<F>, x: &Array2<F>) -> Result<Value> {
    let predictions = model.predict(x.view())?;
    let tasks = predictions.iter().map(|(task, values)| (task.to_owned(), numbers(values.iter().copied())));
    Ok(json!(tasks.collect::<BTreeMap<String, Value>>()))
}

/// The shortest decimals that read back as the same numbers.
fn numbers<F: Scalar>(values: impl IntoIterator<Item = F>) -> Value {
    json!(values.into_iter().map(F::to_f64).collect::<Vec<f64>>())
}

fn expected(folder: &Path) -> Result<()> {
    let of = |name: &str| folder.join(format!("{name}.safetensors"));
    let mut all = BTreeMap::new();
    for name in ["model_f32_standardized", "model_f32_independent"] {
        let model = Model::<f32>::load(of(name))?;
        all.insert(name.to_owned(), predicted(&model, &features(3, model.n_features()))?);
    }
    for name in ["model_f64", "model_f64_independent_standardized"] {
        let model = Model::<f64>::load(of(name))?;
        all.insert(name.to_owned(), predicted(&model, &features(3, model.n_features()))?);
    }
    let mut model = own().build::<f64>()?;
    model.load_weights(of("model_f64_own_metric"))?;
    all.insert("model_f64_own_metric".into(), predicted(&model, &features(3, 3))?);

    let model = Model::<f64>::load(of("model_f64_encoding"))?;
    let encoding = model.encoding().expect("that of the houses");
    let x = encoding.features::<f64>(&encoding.table_from(NEXT_HOUSES.as_bytes(), "next.csv")?)?;
    all.insert("model_f64_encoding".into(), predicted(&model, &x)?);
    all.insert("model_f64_encoding, features".into(), numbers(x));

    let x = features::<f32>(3, 3);
    let y = MultiTaskRegressor::load::<f32>(of("regressor_f32"))?.predict(&x)?;
    all.insert("regressor_f32".into(), numbers(y));
    let x = features::<f64>(3, 3);
    let y = MultiTaskRegressor::load::<f64>(of("regressor_f64_extrapolates"))?.predict(&x)?;
    all.insert("regressor_f64_extrapolates".into(), numbers(y));
    let classifier = MultiTaskClassifier::load::<f32>(of("classifier_f32_encoding"))?;
    let encoding = classifier.encoding().expect("that of the houses");
    let x = encoding.features::<f32>(&encoding.table_from(NEXT_HOUSES.as_bytes(), "next.csv")?)?;
    let p = classifier.predict_proba(&x)?;
    all.insert("classifier_f32_encoding".into(), numbers(p.into_iter().flatten()));

    for (number, (name, trainer)) in trainings().into_iter().enumerate() {
        let file = of(&format!("run_{name}"));
        let left = match is_f64(name) {
            true => resumed::<f64>(&file, &trainer, trained(number))?,
            false => resumed::<f32>(&file, &trainer, trained(number))?,
        };
        all.insert(format!("run_{name}"), left);
    }
    let arithmetic = if polytask::kernel::path().name() == "portable" { "portable" } else { "fused" };
    let text = serde_json::to_string(&all).unwrap().replace("],\"", "],\n\"").replace("},\"", "},\n\"");
    fs::write(folder.join(format!("expected_{arithmetic}.json")), text + "\n").unwrap();
    Ok(())
}

/// What the training leaves that goes on from a file.
fn resumed<F: Scalar>(file: &Path, trainer: &Trainer, builder: ModelBuilder) -> Result<Value> {
    let there = env::temp_dir().join(format!("polytask-golden-{}", std::process::id()));
    fs::create_dir_all(&there).unwrap();
    fs::copy(file, there.join(format!("step-{SAVED_AT:012}.safetensors"))).unwrap();
    let mut model = builder.build::<F>()?;
    let history =
        trainer.clone().resume_from(&there).fit_validated(&mut model, &quantities(), &quantities())?;
    fs::remove_dir_all(there).unwrap();
    let theta = numbers(model.parameters().iter().copied());
    let steps = (history.n_steps(), history.restored_step(), history.stopped_by());
    Ok(json!({ "theta": theta, "steps": steps, "history": format!("{:016x}", digest(&history)) }))
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
        numbers.extend(&validation.losses);
    }
    let bits = |x: &f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    let bytes = numbers.iter().flat_map(|x| bits(x).to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
