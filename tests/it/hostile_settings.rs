//! Settings that cannot work, and tables that do not fit a model, are errors that say what was expected, what was
//! found and where; nothing panics, and what was there before is kept.

use ndarray::{Array2, array};
use polytask::balance::Uncertainty;
use polytask::layer::{Dense, LayerNorm, Periodic, PiecewiseLinear, Scale};
use polytask::optim::{Adam, AdamW, LazyAdam, Schedule, Sgd};
use polytask::prelude::*;
use polytask::sharing::{AdaTt, DSelectK, MixtureOfExperts, ProgressiveExtraction};
use polytask::train::Checkpoints;
use polytask::train::callback::TaskSchedule;
use polytask::{ErrorKind, ModelBuilder, Result};

fn table() -> Dataset<f64> {
    let x = Array2::from_shape_fn((8, 3), |(i, j)| (i * 3 + j) as f64 / 7.0);
    let y = Array2::from_shape_fn((8, 2), |(i, j)| (i + j) as f64 / 5.0);
    Dataset::new(x, y).and_then(|data| data.with_target_names(["a", "b"])).expect("a table")
}

fn builder() -> ModelBuilder {
    Model::builder(3).trunk([Layer::dense(4, Activation::Relu)]).task(Task::regression("a"))
}

/// Asserts that `result` is an error of `kind` whose text has all of `words`.
#[track_caller]
pub fn refused<T>(result: Result<T>, kind: ErrorKind, words: &[&str]) {
    let Err(error) = result else { panic!("no error, though {words:?} were expected") };
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    assert!(words.iter().all(|word| text.contains(word)), "{text:?} does not say {words:?}");
}

#[test]
fn a_model_that_cannot_be_built_says_why() {
    use ErrorKind::{Name, Setting};
    let build = |builder: ModelBuilder| builder.build::<f64>();
    refused(
        build(Model::builder(0).task(Task::regression("a"))),
        Setting,
        &["number of features", "at least 1", "0"],
    );
    refused(build(Model::builder(3)), Setting, &["tasks", "at least 1", ".task("]);
    refused(build(builder().task(Task::regression("a"))), Name, &["tasks", "\"a\" twice"]);
    refused(build(builder().task(Task::regression(""))), Name, &["name of a task"]);
    for weight in [f64::NAN, -1.0, f64::INFINITY] {
        refused(build(builder().task(Task::regression("b").weight(weight))), Setting, &["weight", "\"b\""]);
    }
    refused(build(builder().trunk([Layer::dense(0, Activation::Relu)])), Setting, &["trunk.0", "width", "0"]);
    let slope = |slope| Layer::dense(4, Activation::LeakyRelu { slope });
    refused(build(builder().trunk([slope(f64::NAN)])), Setting, &["trunk.0", "slope", "NaN"]);
    refused(build(builder().trunk([slope(1.0)])), Setting, &["slope", "1"]);
    let elu = Layer::dense(4, Activation::Elu { alpha: -1.0 });
    refused(build(builder().task(Task::regression("b").head([elu]))), Setting, &["head.b.0", "alpha", "-1"]);
    refused(build(builder().task(Task::new("b", Loss::huber(-1.0)))), Setting, &["-1"]);
    // 2⁴⁰ units: no machine has the memory, and an allocation that fails ends the process.
    let wide = Layer::dense(1 << 40, Activation::Relu);
    refused(build(builder().trunk([wide])), Setting, &["parameters", "memory", "narrower"]);
    let biased = |value| [Layer::from(Dense::new(4, Activation::Relu).bias_init(Init::Constant(value)))];
    refused(build(builder().trunk(biased(f64::NAN))), Setting, &["initial value of trunk.0.bias", "NaN"]);
    build(builder().trunk(biased(1e300))).expect("a number of f64");
    let trunk = |layer: Layer| build(builder().trunk([layer]));
    for epsilon in [0.0, -1e-5, f64::NAN, f64::INFINITY] {
        refused(
            trunk(LayerNorm::new().epsilon(epsilon).into()),
            Setting,
            &["epsilon of trunk.0", "positive"],
        );
    }
    let tiny = builder().trunk([LayerNorm::new().epsilon(1e-60)]).build::<f32>();
    refused(tiny, Setting, &["epsilon of trunk.0", "range of f32"]);
    let of_one = builder().trunk([Layer::dense(1, Activation::Relu), Layer::layer_norm()]);
    refused(build(of_one), Setting, &["trunk.1", "at least 2", "leave the layer out"]);
    refused(trunk(Layer::gated(0, Activation::Silu)), Setting, &["width of trunk.0", "at least 1"]);
    refused(
        trunk(Layer::gated(usize::MAX, Activation::Silu)),
        Setting,
        &["parameters up to trunk", "at most"],
    );
    refused(trunk(Layer::periodic(0, 2)), Setting, &["frequencies of trunk.0", "at least 1"]);
    refused(trunk(Layer::periodic(2, 0)), Setting, &["width of trunk.0", "at least 1"]);
    refused(trunk(Layer::periodic(usize::MAX, 2)), Setting, &["parameters up to trunk", "at most"]);
    for deviation in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        refused(trunk(Periodic::new(2, 2).deviation(deviation).into()), Setting, &["deviation of trunk.0"]);
    }
    refused(trunk(Layer::piecewise_linear(0, 2)), Setting, &["bins of trunk.0", "from 1"]);
    refused(trunk(Layer::piecewise_linear(usize::MAX, 2)), Setting, &["bins of trunk.0", "to 65536"]);
    refused(trunk(Layer::piecewise_linear(4, 0)), Setting, &["width of trunk.0", "at least 1"]);
    for edges in
        [vec![], vec![0.0], vec![0.0, 0.0], vec![1.0, 0.0], vec![0.0, f64::NAN], vec![0.0, f64::INFINITY]]
    {
        refused(
            trunk(PiecewiseLinear::with_edges(edges, 2).into()),
            Setting,
            &["edges of trunk.0", "ascending"],
        );
    }
    let behind = builder().trunk([Layer::scale(), Layer::piecewise_linear(4, 2)]);
    refused(build(behind), Setting, &["input of trunk.1", "features", "with_edges"]);
    let mmoe = |form: MixtureOfExperts| build(builder().sharing(form.into()));
    let relu = || [Layer::dense(2, Activation::Relu)];
    refused(mmoe(MixtureOfExperts::new(0, relu())), Setting, &["experts", "at least 2", "0", "a gate needs"]);
    refused(mmoe(MixtureOfExperts::new(1, relu())), Setting, &["experts", "at least 2", "shared_trunk"]);
    refused(mmoe(MixtureOfExperts::new(usize::MAX, relu())), Setting, &["experts", "at most 4096"]);
    let none = MixtureOfExperts::new(3, Vec::<Layer>::new());
    refused(mmoe(none), Setting, &["layers of experts", "at least 1"]);
    let narrow = MixtureOfExperts::new(3, [Layer::dense(0, Activation::Relu)]);
    refused(mmoe(narrow), Setting, &["width of expert.0.0", "at least 1"]);
    let selecting = |form: DSelectK| build(builder().sharing(form.into()));
    for k in [0, 4, usize::MAX] {
        refused(
            selecting(DSelectK::new(3, k, relu())),
            Setting,
            &["k of DSelect-k", "the 3 experts", "may read"],
        );
    }
    refused(selecting(DSelectK::new(1, 1, relu())), Setting, &["experts", "at least 2"]);
    refused(
        selecting(DSelectK::new(3, 1, Vec::<Layer>::new())),
        Setting,
        &["layers of experts", "at least 1"],
    );
    for width in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 1e300] {
        let form = DSelectK::new(3, 1, relu()).width(width);
        refused(selecting(form), Setting, &["width of the steps of DSelect-k", "a positive number"]);
    }
    for strength in [-1.0, f64::NAN, f64::INFINITY] {
        let form = DSelectK::new(3, 1, relu()).entropy(strength);
        refused(selecting(form), Setting, &["strength of the entropy of DSelect-k", "at least 0"]);
    }
    let adatt = |form: AdaTt| build(builder().sharing(form.into()));
    refused(adatt(AdaTt::new(0, relu())), Setting, &["experts of a task of level 0", "at least 1", "0"]);
    refused(adatt(AdaTt::new(1, relu()).level(5000, relu())), Setting, &["of level 1", "at most 4096"]);
    let none = AdaTt::new(2, Vec::<Layer>::new());
    refused(adatt(none), Setting, &["layers of experts of a task of level 0", "at least 1"]);
    let none = Sharing::cross_stitch(Vec::<Layer>::new());
    refused(build(builder().sharing(none)), Setting, &["layers of a cross-stitch network", "at least 1"]);
    let stem = |layers: Vec<Layer>| build(builder().sharing(Sharing::cgc(1, 1, relu()).with_stem(layers)));
    refused(stem(vec![]), Setting, &["layers of a stem", "at least 1", "by itself"]);
    refused(stem(vec![Layer::dense(0, Activation::Relu)]), Setting, &["width of stem.0", "at least 1"]);
    let narrow = Sharing::cross_stitch([Layer::dense(0, Activation::Relu)]);
    refused(build(builder().sharing(narrow)), Setting, &["width of layer.0.a.0", "at least 1"]);
    let cgc = |shared, own| build(builder().sharing(Sharing::cgc(shared, own, relu())));
    refused(cgc(0, 1), Setting, &["shared experts of level 0", "at least 1", "0"]);
    refused(cgc(1, 0), Setting, &["experts of a task of level 0", "at least 1", "0"]);
    refused(cgc(1, 5000), Setting, &["experts of a task of level 0", "at most 4096"]);
    let second = ProgressiveExtraction::new(1, 1, relu()).level(1, 1, [Layer::dense(0, Activation::Relu)]);
    let second = build(builder().sharing(second.into()));
    refused(second, Setting, &["width of level.1.shared.0.0", "at least 1"]);
    let gate = MixtureOfExperts::new(3, relu()).gate([Layer::dense(0, Activation::Relu)]);
    refused(mmoe(gate), Setting, &["width of gate.a.0", "at least 1"]);
    let slope = Activation::LeakyRelu { slope: 2.0 };
    refused(trunk(Layer::gated(4, slope)), Setting, &["trunk.0", "slope", "2"]);
    refused(trunk(Layer::parametric(slope)), Setting, &["trunk.0", "slope", "2"]);
    refused(trunk(Layer::parametric(Activation::Identity)), Setting, &["activation of trunk.0", "identity"]);
    refused(trunk(Layer::residual(Vec::<Layer>::new())), Setting, &["residual block trunk.0", "at least 1"]);
    let wider = Layer::residual([Layer::dense(5, Activation::Relu)]);
    refused(trunk(wider), Setting, &["residual block trunk.0", "3", "5", "end it with a layer"]);
    // The inner layers of a residual block of task `a` are called as the layers of a task `a.0`.
    let dense = || Layer::dense(3, Activation::Relu);
    let with_block = || Model::builder(3).task(Task::regression("a").head([Layer::residual([dense()])]));
    let twice = with_block().task(Task::regression("a.0").head([dense()]));
    refused(build(twice), Name, &["head.a.0.0.weight twice", "begins with another and a dot"]);
    build(with_block().task(Task::regression("a.b").head([dense()]))).expect("names that differ");
    let scale = Scale::new().init(Init::Constant(f64::INFINITY));
    refused(trunk(scale.into()), Setting, &["initial value of trunk.0.scale", "inf"]);
    let narrow = builder().trunk(biased(1e300)).build::<f32>();
    refused(narrow, Setting, &["trunk.0.bias", "range of f32"]);
}

#[test]
fn an_estimator_of_no_use_says_why() {
    let regressor = MultiTaskRegressor::new;
    let refused = |result: Result<_>, words| refused(result, ErrorKind::Setting, words);
    refused(regressor().members(0).check(), &["members", "at least 1"]);
    refused(regressor().members(1 << 60).check(), &["members", "at most 10000", "1152921504606846976"]);
    refused(regressor().threads(usize::MAX).check(), &["threads", "at most 1024"]);
}

#[test]
fn a_training_that_cannot_start_says_why() {
    use ErrorKind::Setting;
    let data = table();
    let fit = |trainer: Trainer| {
        let mut model = builder().build::<f64>().expect("valid settings");
        let before = model.parameters().to_vec();
        let result = trainer.fit(&mut model, &data);
        assert_eq!(model.parameters(), before, "a refused training changes nothing");
        result
    };
    refused(fit(Trainer::new(Adam::new(0.01)).batch_size(0)), Setting, &["batch size", "at least 1", "0"]);
    for threads in [1025, usize::MAX] {
        let found = threads.to_string();
        refused(
            fit(Trainer::new(Adam::new(0.01)).threads(threads)),
            Setting,
            &["threads", "at most 1024", &found],
        );
    }
    for rate in [f64::NAN, 0.0, -0.1, f64::INFINITY] {
        refused(fit(Trainer::new(Adam::new(rate))), Setting, &["learning rate"]);
        refused(fit(Trainer::new(LazyAdam::new(rate))), Setting, &["learning rate"]);
        refused(fit(Trainer::new(AdamW::new(rate))), Setting, &["learning rate"]);
        refused(fit(Trainer::new(Sgd::new(rate))), Setting, &["learning rate"]);
    }
    refused(fit(Trainer::new(Adam::new(0.01)).clip_norm(0.0)), Setting, &["norm"]);
    refused(fit(Trainer::new(Adam::new(0.01)).clip_norm(f64::NAN)), Setting, &["norm"]);
    refused(fit(Trainer::new(Adam::new(0.01)).schedule(Schedule::exponential(f64::NAN))), Setting, &["NaN"]);
    for factor in [f64::NAN, -1.0, f64::INFINITY] {
        let own = || Schedule::custom(move |_| factor);
        let found = factor.to_string();
        refused(
            fit(Trainer::new(Adam::new(0.01)).schedule(own())),
            Setting,
            &["learning rate of step 1", &found[..1]],
        );
        let weight = TaskSchedule::new("a", own());
        refused(
            fit(Trainer::new(Adam::new(0.01)).callback(weight)),
            Setting,
            &["weight of task \"a\"", &found],
        );
    }
    for begin in [f64::NAN, f64::INFINITY, -1000.0] {
        let method = Uncertainty::new().begin_at(begin);
        refused(fit(Trainer::new(Adam::new(0.01)).balance(method)), Setting, &["log-variance", "50"]);
    }
    let best = Checkpoints::new(std::env::temp_dir().join("never-made")).keep_best();
    let trainer = Trainer::new(Adam::new(0.01)).checkpoint(best);
    refused(fit(trainer), Setting, &["best", "validation data", "fit_validated"]);
}

#[test]
fn a_table_that_does_not_fit_says_why() {
    use ErrorKind::{Name, Shape, Value};
    let mut model = builder().build::<f64>().expect("valid settings");
    let trainer = Trainer::new(Adam::new(0.01)).steps(3);
    let wide = Dataset::new(Array2::<f64>::zeros((4, 5)), Array2::zeros((4, 1))).expect("a table");
    refused(trainer.fit(&mut model, &wide), Shape, &["number of features", "3", "5"]);
    refused(model.evaluate(&wide), Shape, &["number of features", "3", "5"]);
    let unnamed = Dataset::new(Array2::<f64>::zeros((4, 3)), Array2::zeros((4, 1))).expect("a table");
    refused(trainer.fit(&mut model, &unnamed), Name, &["task \"a\"", "a column named `a`", "y0"]);
    refused(model.predict(array![[1.0, 2.0]].view()), Shape, &["number of features", "3", "2"]);
    refused(model.predict(array![[1.0, f64::NAN, 2.0]].view()), Value, &["row 0, feature 1", "NaN"]);
    let data = table();
    let mut trace = model.trace(4);
    refused(model.forward(&data.all(), &mut trace), Shape, &["rows of a batch", "at most 4", "8"]);
}

#[test]
fn a_loss_that_is_not_finite_stops_with_the_last_good_parameters() {
    let x = Array2::from_shape_fn((8, 3), |(i, j)| (i * 3 + j) as f32 * 1e6);
    let y = Array2::from_shape_fn((8, 1), |(i, _)| i as f32 * 1e18);
    let data = Dataset::new(x, y).and_then(|data| data.with_target_names(["a"])).expect("a table");
    let mut model = builder().build::<f32>().expect("valid settings");
    let result = Trainer::new(Sgd::new(1.0)).steps(100).fit(&mut model, &data);
    refused(result.map(|_| ()), ErrorKind::Value, &["loss of task \"a\" at step", "learning rate"]);
}

#[test]
fn odd_but_possible_settings_work() {
    let data = table();
    let mut model = builder().task(Task::regression("b").weight(0.0)).build::<f64>().expect("valid settings");
    let history =
        Trainer::new(Adam::new(0.01)).batch_size(1000).epochs(3).fit(&mut model, &data).expect("a training");
    assert_eq!(history.n_steps(), 3, "a batch larger than the table is the whole table");
    for (nothing, place) in [
        (Trainer::new(Adam::new(0.01)).steps(0), "steps"),
        (Trainer::new(Adam::new(0.01)).epochs(0), "epochs"),
    ] {
        let result = nothing.fit(&mut model, &data).map(|_| ());
        refused(result, ErrorKind::Setting, &[place, "expected at least 1, found 0"]);
    }
    assert!(model.predict(Array2::zeros((0, 3)).view()).expect("no rows")["a"].is_empty());

    let constant = Dataset::new(array![[1.0, 0.0, 5.0], [1.0, 2.0, 4.0]], array![[1.0], [2.0]])
        .and_then(|data| data.with_target_names(["a"]))
        .expect("a table");
    let mut model = builder().standardize().build::<f64>().expect("valid settings");
    Trainer::new(Adam::new(0.01)).steps(3).fit(&mut model, &constant).expect("a training");
    assert_eq!(model.constant_features(), [0], "a constant column is scaled by 1 and listed");
    assert!(model.parameters().iter().all(|p| p.is_finite()));
}
