//! A batch ensemble is its members, each a network of its own: outputs, losses, predictions and gradients; it trains on the
//! mean of their losses and predicts the mean of what they predict.

use ndarray::{Array1, Array2, ArrayView2, Axis, Slice, array, s};
use polytask::data::{Dataset, datasets};
use polytask::gradcheck::{self, Probe};
use polytask::layer::{Draw, Mode};
use polytask::loss::{Labels, Loss};
use polytask::optim::Adam;
use polytask::{Activation, ErrorKind, Layer, Model, ModelBuilder, Result, Scalar, Sharing, Task, Trainer};
use serde_json::Value;

use crate::layers::{matrix, take_parameters};

/// Sums of a few hundred products in another order, each rounded in f64, and the last digits of exponentials.
const TOLERANCE: f64 = 1e-10;

#[track_caller]
fn assert_near<'a>(
    found: impl IntoIterator<Item = &'a f64>,
    expected: impl IntoIterator<Item = &'a f64>,
    place: &str,
) {
    let (found, expected): (Vec<f64>, Vec<f64>) =
        (found.into_iter().copied().collect(), expected.into_iter().copied().collect());
    assert_eq!(found.len(), expected.len(), "{place}");
    let size = expected.iter().fold(1e-3_f64, |size, x| size.max(x.abs()));
    for (found, expected) in found.iter().zip(&expected) {
        // A comparison with NaN is false, so it is not let pass.
        let is_near = (found - expected).abs() <= TOLERANCE * size;
        assert!(is_near, "{place}: {found:e}, expected {expected:e}");
    }
}

/// The networks of `golden/make_ensembles.py`, by their names there.
fn twin(case: &str) -> ModelBuilder {
    let dense = Layer::dense;
    let residual = Layer::residual([dense(6, Activation::Relu), dense(5, Activation::Identity)]);
    match case {
        "regression" => Model::builder(4)
            .trunk([dense(5, Activation::Tanh), Layer::layer_norm(), residual, dense(3, Activation::Silu)])
            .task(Task::regression("a").weight(0.7))
            .task(Task::regression("b").weight(1.3).head([dense(4, Activation::Tanh)]))
            .batch_ensemble(3),
        "classes" => Model::builder(4)
            .sharing(Sharing::mmoe(2, [dense(5, Activation::Tanh), dense(3, Activation::Silu)]))
            .task(Task::classes("a", 3).weight(0.7))
            .task(Task::binary("b").weight(1.3))
            .batch_ensemble(4),
        other => panic!("no twin of {other}"),
    }
}

#[test]
fn outputs_losses_predictions_and_gradients_agree_with_pytorch() {
    let file: Value = serde_json::from_str(include_str!("../golden/ensembles.json")).expect("JSON");
    let cases = file["cases"].as_array().expect("a list");
    assert_eq!(cases.len(), 2);
    for case in cases {
        let name = case["case"].as_str().expect("a name");
        let mut model = twin(name).build::<f64>().expect("valid settings");
        take_parameters(case, &mut model);
        let layout = model.network().layout().clone();
        let (x, y) = (matrix(&case["features"]), matrix(&case["targets"]));
        let rows = x.nrows();
        let data = Dataset::new(x, y).and_then(|data| data.with_target_names(["a", "b"])).expect("a table");
        let mut trace = model.trace(rows).with_input_gradient();
        model.forward_at(&model.pass(Mode::Train), &data.all(), &mut trace).expect("data that fit");
        let mut gradient = vec![f64::NAN; model.n_parameters()];
        model.backward(&mut trace, &model.loss_weights(), &mut gradient);

        for (k, task) in ["a", "b"].into_iter().enumerate() {
            let expected = matrix(&case["outputs"][task]);
            assert_eq!(trace.outputs(k).dim(), expected.dim());
            assert_near(trace.outputs(k), &expected, &format!("{name}: outputs of {task}"));
        }
        let losses: Vec<f64> =
            case["losses"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        assert_near(trace.losses(), &losses, &format!("{name}: losses"));
        for (block, numbers) in case["gradient"].as_object().expect("named blocks") {
            let address = layout.block(block).expect("it has parameters");
            assert_near(&gradient[address.range()], &matrix(numbers), &format!("{name}: {block}"));
        }
        let dx = model.network().input_gradient(&trace);
        assert_near(&dx, &matrix(&case["input_gradient"]), &format!("{name}: dx"));
        let predicted = model.predict(data.features()).expect("features that fit");
        for task in ["a", "b"] {
            assert_near(
                &predicted[task],
                &matrix(&case["predicted"][task]),
                &format!("{name}: predicted {task}"),
            );
        }
    }
}

/// Member `m` of an ensemble with one trunk of dense layers as a plain network: `W_m = W ∘ r_mᵀ s_m`.
fn member_of(ensemble: &Model<f64>, builder: &ModelBuilder, m: usize) -> Model<f64> {
    let mut member = builder.clone().batch_ensemble(1).build::<f64>().expect("valid settings");
    let (from, to) = (ensemble.network().layout(), member.network().layout().clone());
    let block = |name: &str| from.block(name).map(|block| block.of(ensemble.parameters()).to_owned());
    let blocks: Vec<_> = to.blocks().map(|(name, block)| (name.to_owned(), block)).collect();
    for (name, address) in blocks {
        let (layer, _) = name.rsplit_once('.').expect("a layer and a block");
        let all = block(&name).expect("the same blocks");
        let (rows, _) = address.shape();
        let own = match block(&format!("{layer}.input_scale")) {
            Some(r) if name.ends_with("weight") => {
                let s = block(&format!("{layer}.output_scale")).expect("with the other");
                Array2::from_shape_fn(all.dim(), |(i, j)| all[[i, j]] * r[[m, i]] * s[[m, j]])
            }
            _ => all.slice(s![m * rows..(m + 1) * rows, ..]).to_owned(),
        };
        address.of_mut(member.parameters_mut()).assign(&own);
    }
    member
}

/// Regression, classes and a logit, with gaps and weights, on several chunks of rows.
fn several_tasks() -> (ModelBuilder, Dataset<f64>) {
    let data = datasets::mixed_tasks::<f64>(150, 0.3, 1);
    let names: Vec<String> = data.target_names().to_vec();
    let mut targets = data.targets().to_owned();
    for (row, mut labels) in targets.rows_mut().into_iter().enumerate() {
        labels.iter_mut().enumerate().for_each(|(k, label)| {
            if (row + k) % 5 == 2 {
                *label = f64::NAN
            }
        });
    }
    let data = Dataset::new(data.features().to_owned(), targets)
        .and_then(|data| data.with_target_names(names.clone()))
        .and_then(|data| data.with_weights(Array1::from_shape_fn(150, |row| (row % 3) as f64)))
        .expect("a table");
    let layers = [Layer::dense(9, Activation::Tanh), Layer::dense(7, Activation::Silu)];
    let builder = Model::builder(data.n_features())
        .trunk(layers)
        .task(Task::new("first", Loss::huber(0.7)).columns([&names[0]]).weight(0.4))
        .task(
            Task::new("second", Loss::gaussian())
                .columns([&names[0]])
                .head([Layer::dense(4, Activation::Gelu)]),
        )
        .batch_ensemble(5);
    (builder, data)
}

#[test]
fn each_member_is_a_plain_network() -> Result<()> {
    let (builder, data) = several_tasks();
    let mut model = builder.build::<f64>()?;
    // After some steps the factors are no longer those of the start.
    Trainer::new(Adam::new(0.02)).batch_size(40).steps(12).fit(&mut model, &data)?;
    let (members, rows) = (5, data.n_rows());
    let mut trace = model.trace(rows);
    model.forward(&data.all(), &mut trace)?;
    let predicted = model.predict(data.features())?;
    let mut losses = [0.0; 2];
    let mut means = [Array2::<f64>::zeros((rows, 1)), Array2::zeros((rows, 2))];
    for m in 0..members {
        let member = member_of(&model, &builder, m);
        let mut own = member.trace(rows);
        member.forward(&data.all(), &mut own)?;
        let of_member = member.predict(data.features())?;
        for (k, task) in ["first", "second"].into_iter().enumerate() {
            let outputs = trace.outputs(k);
            let outputs = outputs.slice_axis(Axis(0), Slice::new(m as isize, None, members as isize));
            assert_near(outputs, own.outputs(k), &format!("outputs of member {m} for the {task} task"));
            losses[k] += own.losses()[k] / members as f64;
            means[k].scaled_add(1.0 / members as f64, &of_member[task]);
        }
    }
    assert_near(trace.losses(), &losses, "the mean of the members' losses");
    for (k, task) in ["first", "second"].into_iter().enumerate() {
        assert_near(&predicted[task], &means[k], "the mean of the members' predictions");
    }
    Ok(())
}

/// Of members that are wrong in opposite directions, the mean is right and has a loss of 0; the mean loss has not.
#[test]
fn the_mean_of_the_losses_is_trained_and_not_the_loss_of_the_mean() -> Result<()> {
    let builder = Model::builder(1).task(Task::regression("y")).batch_ensemble(2);
    let mut model = builder.build::<f64>()?;
    let bias = model.network().layout().block("head.y.0.bias").expect("of the head");
    model.parameters_mut().fill(0.0);
    bias.of_mut(model.parameters_mut()).assign(&array![[3.0], [-1.0]]);
    let data = Dataset::new(array![[0.0], [0.0]], array![[1.0], [1.0]])?.with_target_names(["y"])?;
    let mut trace = model.trace(2);
    model.forward(&data.all(), &mut trace)?;
    assert_eq!(trace.losses(), [4.0]);
    assert_eq!(trace.delta(0), array![[1.0], [-1.0], [1.0], [-1.0]]); // 2 r / (rows · members)
    assert_eq!(model.predict(data.features())?["y"], array![[1.0], [1.0]]);
    Ok(())
}

#[test]
fn probabilities_are_averaged_and_not_logits() -> Result<()> {
    let builder = Model::builder(1).task(Task::binary("b")).task(Task::classes("c", 2)).batch_ensemble(2);
    let mut model = builder.build::<f64>()?;
    model.parameters_mut().fill(0.0);
    let layout = model.network().layout().clone();
    let of = |name: &str| layout.block(name).expect("of a head");
    of("head.b.0.bias").of_mut(model.parameters_mut()).assign(&array![[40.0], [0.0]]);
    of("head.c.0.bias").of_mut(model.parameters_mut()).assign(&array![[0.0, 40.0], [0.0, 0.0]]);
    let predicted = model.predict(array![[0.0]].view())?;
    // (1 + ½) / 2; the mean of the logits, 20, would be a probability of 1.
    assert!((predicted["b"][[0, 0]] - 0.75).abs() < 1e-12, "{:?}", predicted["b"]);
    assert!((predicted["c"][[0, 1]] - 0.75).abs() < 1e-12, "{:?}", predicted["c"]);
    // A trace that a step has left says the same.
    let mut trace = model.trace(1);
    let data = Dataset::new(array![[0.0]], array![[1.0, 1.0]])?.with_target_names(["b", "c"])?;
    model.forward(&data.all(), &mut trace)?;
    let mut probability = Array2::zeros((1, 1));
    model.predict_task(0, &trace, probability.view_mut());
    assert_eq!(probability, predicted["b"]);
    Ok(())
}

/// A mean of logarithms is not the logarithm of a mean: targets in their own unit are averaged.
#[test]
fn members_are_averaged_in_the_unit_of_the_target() -> Result<()> {
    use polytask::data::TargetTransform;
    let task = Task::regression("y").transform(TargetTransform::Log1p);
    let mut model = Model::builder(1).task(task).batch_ensemble(2).build::<f64>()?;
    let bias = model.network().layout().block("head.y.0.bias").expect("of the head");
    model.parameters_mut().fill(0.0);
    bias.of_mut(model.parameters_mut()).assign(&array![[3.0_f64.ln()], [9.0_f64.ln()]]);
    let predicted = model.predict(array![[0.0]].view())?;
    assert!((predicted["y"][[0, 0]] - (2.0 + 8.0) / 2.0).abs() < 1e-12, "{:?}", predicted["y"]);
    Ok(())
}

#[test]
fn members_begin_apart_by_signs_where_they_read_the_same_and_nowhere_else() -> Result<()> {
    let layers = [Layer::layer_norm(), Layer::dense(6, Activation::Relu), Layer::dense(5, Activation::Relu)];
    let builder = Model::builder(8).sharing(Sharing::independent(layers));
    let builder = builder.task(Task::regression("a")).task(Task::regression("b")).batch_ensemble(4);
    let model = builder.build::<f64>()?;
    let block = |name: &str| {
        let address = model.network().layout().block(name).unwrap_or_else(|| panic!("no {name}"));
        address.of(model.parameters()).to_owned()
    };
    for task in ["a", "b"] {
        let signs = block(&format!("trunk.{task}.1.input_scale"));
        assert_eq!(signs.dim(), (4, 8));
        assert!(signs.iter().all(|r| r.abs() == 1.0));
        assert!(signs.iter().any(|r| *r < 0.0) && signs.iter().any(|r| *r > 0.0));
        assert!(signs.axis_windows(Axis(0), 2).into_iter().any(|pair| pair.row(0) != pair.row(1)));
        for ones in ["1.output_scale", "2.input_scale", "2.output_scale"] {
            assert!(block(&format!("trunk.{task}.{ones}")).iter().all(|s| *s == 1.0), "{ones}");
        }
        // Each member's head is drawn as one of a plain network is.
        let (weight, limit) = (block(&format!("head.{task}.0.weight")), (6.0_f64 / 6.0).sqrt());
        assert_eq!(weight.dim(), (4 * 5, 1));
        assert!(weight.iter().all(|w| w.abs() <= limit) && weight.iter().any(|w| w.abs() > 0.5 * limit));
    }
    Ok(())
}

#[test]
fn no_members_are_an_error_and_one_is_a_plain_network() -> Result<()> {
    let builder = Model::builder(3).trunk([Layer::dense(4, Activation::Relu)]).task(Task::regression("y"));
    let error = builder.clone().batch_ensemble(0).build::<f32>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Setting);
    let said = error.to_string();
    assert!(said.starts_with("members of the ensemble: expected at least 1, found 0"), "{said}");
    let (one, plain) = (builder.clone().batch_ensemble(1).build::<f32>()?, builder.build::<f32>()?);
    assert_eq!(one.parameters(), plain.parameters());
    assert_eq!(one.summary(), plain.summary());
    assert!(!one.summary().contains("members"));
    Ok(())
}

#[test]
fn the_summary_counts_all_members() -> Result<()> {
    let builder = Model::builder(3).trunk([Layer::dense(16, Activation::Relu)]).task(Task::regression("y"));
    let (plain, ensemble) = (builder.build::<f32>()?, builder.batch_ensemble(8).build::<f32>()?);
    assert!(ensemble.summary().contains("an ensemble of 8 members, whose predictions are averaged"));
    let bytes = |model: &Model<f32>| -> usize {
        let summary = model.summary();
        let line = summary.lines().find(|line| line.contains("bytes of activations")).expect("a line");
        line.split(' ').next().and_then(|n| n.parse().ok()).expect("a number")
    };
    // Scaled inputs and products are kept too.
    assert!(bytes(&ensemble) >= 8 * bytes(&plain), "{} and {}", bytes(&ensemble), bytes(&plain));
    Ok(())
}

/// A trace of a plain network has no room for members, and is refused.
#[test]
fn a_trace_of_a_plain_network_is_refused() -> Result<()> {
    let builder = Model::builder(3).task(Task::regression("y"));
    let (plain, ensemble) = (builder.build::<f64>()?, builder.batch_ensemble(3).build::<f64>()?);
    let error = ensemble.forward_features(array![[0.0, 1.0, 2.0]].view(), &mut plain.trace(1)).unwrap_err();
    assert!(error.to_string().contains("of 3 members"), "{error}");
    Ok(())
}

fn features(rows: usize, n: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, n), |(i, j)| ((i * n + j) as f64 * 0.7).sin())
}

/// Every loss, on rows that are predicted in one go, one by one, and in a trace with room for a few.
#[test]
fn rows_are_predicted_alike_however_they_are_cut() -> Result<()> {
    let layers = [Layer::dense(12, Activation::Relu), Layer::batch_norm(), Layer::dense(5, Activation::Tanh)];
    let builder = Model::builder(4).trunk(layers).task(Task::classes("c", 3)).task(Task::regression("y"));
    let model = builder.batch_ensemble(7).build::<f64>()?;
    let x = features(400, 4);
    let whole = model.predict(x.view())?;
    for capacity in [1, 3, 50, 1024] {
        let (mut trace, mut predictions) = (model.trace(capacity), model.predictions(400));
        model.predict_reusing(x.view(), &mut trace, &mut predictions)?;
        for (task, values) in predictions.iter() {
            assert_near(values, &whole[task], task);
        }
    }
    Ok(())
}

/// Parts of a batch have the masks of the whole, member by member.
#[test]
fn an_accumulated_batch_is_the_whole_batch() -> Result<()> {
    let layers = [Layer::dense(12, Activation::Tanh), Layer::dropout(0.4), Layer::dense(5, Activation::Tanh)];
    let builder = Model::builder(10).trunk(layers).task(Task::regression("elbow")).batch_ensemble(3);
    let data = datasets::robot_arm::<f64>(48, 0.05, 1);
    let train = |rows: usize, parts: usize| -> Result<Vec<f64>> {
        let mut model = builder.build::<f64>()?;
        Trainer::new(Adam::new(0.01)).batch_size(rows).accumulate(parts).steps(6).fit(&mut model, &data)?;
        Ok(model.parameters().to_vec())
    };
    let (whole, parts) = (train(24, 1)?, train(8, 3)?);
    // Adam divides by the root of a mean of squares, which makes more of a rounding.
    let apart = whole.iter().zip(&parts).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart < 1e-8, "{apart:e}");
    Ok(())
}

/// Members are given masks of their own.
#[test]
fn members_drop_out_apart() -> Result<()> {
    let builder =
        Model::builder(6).trunk([Layer::dropout(0.5)]).task(Task::regression("y")).batch_ensemble(4);
    let mut model = builder.build::<f64>()?;
    let weight = model.network().layout().block("head.y.0.weight").expect("of the head");
    weight.of_mut(model.parameters_mut()).fill(1.0);
    let data = Dataset::new(features(2, 6), array![[0.0], [0.0]])?.with_target_names(["y"])?;
    let mut trace = model.trace(2);
    model.forward_at(&model.pass(Mode::Train).with_draw(Draw::new(3, 1)), &data.all(), &mut trace)?;
    let outputs = trace.outputs(0);
    assert!((1..4).any(|m| outputs[[m, 0]] != outputs[[0, 0]]), "{outputs}");
    Ok(())
}

fn train<F: Scalar>(threads: usize) -> Result<(Vec<F>, Vec<f64>)> {
    let layers =
        [Layer::dense(64, Activation::Relu), Layer::layer_norm(), Layer::dense(48, Activation::Mish)];
    let builder = Model::builder(10).sharing(Sharing::mmoe(2, layers)).task(Task::regression("shoulder"));
    let mut model = builder.task(Task::regression("elbow")).batch_ensemble(6).build::<F>()?;
    let data = datasets::robot_arm::<F>(150, 0.05, 3);
    let trainer = Trainer::new(Adam::new(0.003)).batch_size(80).steps(5).threads(threads);
    let trainer = trainer.balance(polytask::balance::UpGrad::new());
    let history = trainer.fit(&mut model, &data)?;
    Ok((model.parameters().to_vec(), history.losses().iter().copied().collect()))
}

#[test]
fn threads_change_no_bit_of_an_ensemble() -> Result<()> {
    let alone = train::<f32>(1)?;
    for threads in [2, 3] {
        assert!(train::<f32>(threads)? == alone, "{threads} threads");
    }
    Ok(())
}

/// The Gramian of an ensemble is that of the tasks' gradients, whatever it is computed from.
#[test]
fn the_gramian_is_that_of_the_task_gradients() -> Result<()> {
    let (builder, data) = several_tasks();
    let model = builder.build::<f64>()?;
    let mut trace = model.trace(data.n_rows());
    model.forward(&data.all(), &mut trace)?;
    let gramian = model.network().gramian(&model.pass(Mode::Train), &mut trace).to_owned();
    let rows = model.task_gradients(&mut trace);
    let expected: Array2<f64> = rows.dot(&rows.t());
    assert_near(&gramian, &expected, "the Gramian");
    Ok(())
}

/// One member's part of any block, a hundredth too large.
#[test]
fn a_slip_in_the_gradient_of_one_member_is_found() -> Result<()> {
    let (builder, data) = several_tasks();
    let data = data.select(&[0, 1, 2, 3, 4, 5, 6, 7]);
    let model = builder.build::<f64>()?;
    let layout = model.network().layout();
    for name in [
        "trunk.0.weight",
        "trunk.0.input_scale",
        "trunk.1.output_scale",
        "trunk.1.bias",
        "head.first.0.weight",
        "head.second.1.bias",
    ] {
        let block = layout.block(name).unwrap_or_else(|| panic!("no {name}"));
        let of_last = block.range().end - block.shape().1..block.range().end;
        let mut trace = model.trace(data.n_rows());
        let mut check = |factor: f64| {
            let loss = |theta: &[f64], probe: &mut Probe<'_, f64>| {
                let value = model.probe(theta, &data.all(), &mut trace, probe);
                if let Some(gradient) = probe.gradient() {
                    gradient[of_last.clone()].iter_mut().for_each(|g| *g *= factor);
                }
                value
            };
            gradcheck::check(model.parameters(), loss).named(layout).run()
        };
        assert!(check(1.0).passed(), "{name}: {}", check(1.0));
        let slipped = check(1.01);
        assert!(!slipped.passed() && slipped.to_string().contains(name), "{name}: {slipped}");
    }
    Ok(())
}

#[test]
fn a_strided_loss_is_the_contiguous_one() -> Result<()> {
    let outputs = features(12, 6);
    for (loss, classes) in [
        (Loss::cross_entropy(3), 3.0),
        (Loss::ordinal(4), 4.0),
        (Loss::mean_squared_error(), 9.0),
        (Loss::ordered_quantiles([0.1, 0.5, 0.9]), 9.0),
        (Loss::gaussian(), 9.0),
        (Loss::binary_cross_entropy(), 2.0),
    ] {
        let built = loss.build::<f64>()?;
        let width = built.output_width(1);
        let targets = Array2::from_shape_fn((6, 1), |(i, _)| (i as f64 * 1.3).rem_euclid(classes).floor());
        let labels = Labels::new(targets.view());
        let outputs = outputs.slice(s![.., ..width]).to_owned();
        let of_second: ArrayView2<'_, f64> = outputs.slice(s![1..;2, ..]);
        let mut deltas = Array2::zeros(outputs.dim());
        let mut delta = Array2::zeros((6, width));
        let strided = built.value_and_delta(of_second, &labels, deltas.slice_mut(s![1..;2, ..]));
        let copied = built.value_and_delta(of_second.to_owned().view(), &labels, delta.view_mut());
        assert_near([&strided], [&copied], loss.name());
        assert_near(deltas.slice(s![1..;2, ..]), &delta, loss.name());
        assert!(deltas.slice(s![0..;2, ..]).iter().all(|d| *d == 0.0), "{}", loss.name());
    }
    Ok(())
}

#[cfg(feature = "persist")]
mod files {
    use super::*;
    use polytask::train::Checkpoints;

    fn builder() -> ModelBuilder {
        let layers =
            [Layer::dense(8, Activation::Relu), Layer::dropout(0.2), Layer::dense(6, Activation::Tanh)];
        let builder = Model::builder(10).trunk(layers).task(Task::regression("elbow")).standardize();
        builder.task(Task::regression("shoulder").head([Layer::dense(4, Activation::Silu)])).batch_ensemble(5)
    }

    #[test]
    fn an_ensemble_comes_back_from_a_file_and_goes_on_from_a_checkpoint() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("polytask-ensemble-{}", std::process::id()));
        let data = datasets::robot_arm::<f32>(60, 0.05, 1);
        let trainer = Trainer::new(Adam::new(0.01)).batch_size(20).steps(9);
        let mut model = builder().build::<f32>()?;
        trainer.fit(&mut model, &data)?;
        let loaded = Model::<f32>::from_bytes(&model.to_bytes()?)?;
        assert_eq!(loaded.network().members(), 5);
        let (then, now) = (model.predict(data.features())?, loaded.predict(data.features())?);
        assert_eq!(
            (then["elbow"].to_owned(), loaded.parameters()),
            (now["elbow"].to_owned(), model.parameters())
        );

        let kept = trainer.checkpoint(Checkpoints::new(&folder)).resume_from(&folder);
        kept.clone().steps(5).fit(&mut builder().build::<f32>()?, &data)?;
        let mut resumed = builder().build::<f32>()?;
        kept.fit(&mut resumed, &data)?;
        assert_eq!(resumed.parameters(), model.parameters());

        // The twin in f64 predicts the same, but for rounding.
        let double = model.cast::<f64>()?.predict(data.features().mapv(f64::from).view())?;
        for (double, single) in double["elbow"].iter().zip(&then["elbow"]) {
            assert!((double - f64::from(*single)).abs() < 1e-5);
        }
        std::fs::remove_dir_all(&folder).expect("its own folder");
        Ok(())
    }

    /// A file says how many members there are; what does not fit its numbers is refused before memory is taken for it.
    #[test]
    fn a_file_with_other_members_is_refused() -> Result<()> {
        let bytes = builder().build::<f32>()?.to_bytes()?;
        let with_members = |found: &str| {
            let (from, to) = (br#"\"members\":5"#.as_slice(), format!(r#"\"members\":{found}"#).into_bytes());
            assert_eq!(from.len(), to.len(), "a header of the same length");
            let at = bytes.windows(from.len()).position(|window| window == from).expect("the setting");
            let mut bytes = bytes.clone();
            bytes[at..at + to.len()].copy_from_slice(&to);
            Model::<f32>::from_bytes(&bytes)
        };
        assert!(with_members("5").is_ok());
        let none = with_members("0").unwrap_err();
        assert!(none.to_string().contains("members of the ensemble: expected at least 1, found 0"), "{none}");
        let others = with_members("4").unwrap_err();
        assert_eq!(others.kind(), ErrorKind::Shape, "{others}");
        assert!(with_members("9").is_err());
        Ok(())
    }
}
