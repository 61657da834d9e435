//! Layers, activations and sharing forms against their twins in PyTorch: outputs and all gradients (`tests/golden/make_layers.py`).

use ndarray::Array2;
use polytask::data::Dataset;
use polytask::layer::{BatchNorm, Embedding, LayerNorm, Mode, Periodic, PiecewiseLinear};
use polytask::sharing::{AdaTt, DSelectK, MixtureOfExperts, ProgressiveExtraction};
use polytask::{Activation, Layer, Model, Sharing, Task};
use serde_json::Value;

/// Sums of a few hundred products in another order, each rounded in f64, and the last digits of exponentials.
const TOLERANCE: f64 = 1e-10;

fn recorded() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/layers.json");
    let text = std::fs::read_to_string(path).expect("what the script has written");
    let file: Value = serde_json::from_str(&text).expect("JSON");
    file["cases"].as_array().expect("a list").clone()
}

pub(crate) fn matrix(value: &Value) -> Array2<f64> {
    let rows = value.as_array().expect("rows");
    let n = rows[0].as_array().map_or(0, Vec::len);
    Array2::from_shape_fn((rows.len(), n), |(i, j)| rows[i][j].as_f64().expect("a number"))
}

#[track_caller]
fn assert_near(found: impl IntoIterator<Item = f64>, expected: &Array2<f64>, place: &str) {
    let size = expected.iter().fold(1e-3_f64, |size, x| size.max(x.abs()));
    let found: Vec<f64> = found.into_iter().collect();
    assert_eq!(found.len(), expected.len(), "{place}");
    for (found, expected) in found.iter().zip(expected) {
        // A comparison with NaN is false, so it is not let pass.
        let is_near = (found - expected).abs() <= TOLERANCE * size;
        assert!(is_near, "{place}: {found:e} by hand, {expected:e} in PyTorch");
    }
}

/// Gives the model the parameters of a recorded case, which are those of all its blocks.
pub(crate) fn take_parameters(case: &Value, model: &mut Model<f64>) {
    let name = case["case"].as_str().expect("a name");
    let parameters = case["parameters"].as_object().expect("named blocks");
    let layout = model.network().layout().clone();
    assert_eq!(layout.blocks().len(), parameters.len(), "{name}: {:?}", parameters.keys());
    for (block, numbers) in parameters {
        let address = layout.block(block).unwrap_or_else(|| panic!("{name}: no {block}"));
        let numbers = matrix(numbers);
        assert_eq!(address.shape(), numbers.dim(), "{name}: {block}");
        address.of_mut(model.parameters_mut()).assign(&numbers);
    }
}

fn compare(case: &Value, sharing: Sharing) {
    let name = case["case"].as_str().expect("a name");
    let builder = Model::builder(4).sharing(sharing).task(Task::regression("a").weight(0.7));
    let mut model = builder.task(Task::regression("b").weight(1.3)).build::<f64>().expect("valid settings");
    take_parameters(case, &mut model);
    let layout = model.network().layout().clone();
    let (x, y) = (matrix(&case["features"]), matrix(&case["targets"]));
    let rows = x.nrows();
    let data = Dataset::new(x, y).and_then(|data| data.with_target_names(["a", "b"])).expect("a table");
    let mut trace = model.trace(rows).with_input_gradient();
    let pass = model.pass(Mode::Train);
    model.forward_at(&pass, &data.all(), &mut trace).expect("data that fit");
    let mut gradient = vec![f64::NAN; model.n_parameters()];
    model.backward(&mut trace, &model.loss_weights(), &mut gradient);

    let outputs = (0..rows).flat_map(|row| [trace.outputs(0)[[row, 0]], trace.outputs(1)[[row, 0]]]);
    assert_near(outputs, &matrix(&case["outputs"]), &format!("{name}: outputs"));
    for (block, numbers) in case["gradient"].as_object().expect("named blocks") {
        let address = layout.block(block).expect("it has parameters");
        assert_near(gradient[address.range()].iter().copied(), &matrix(numbers), &format!("{name}: {block}"));
    }
    // An index has no derivative: NaN here, 0 in PyTorch.
    let mut dx = model.network().input_gradient(&trace);
    for feature in index_columns(name) {
        assert!(dx.column(feature).iter().all(|dx| dx.is_nan()), "{name}: dx of an index");
        dx.column_mut(feature).fill(0.0);
    }
    assert_near(dx, &matrix(&case["input_gradient"]), &format!("{name}: dx"));

    // θ stays as it is, so that only the running state moves on.
    model.update_state(&trace);
    let state_layout = model.network().state_layout().clone();
    let state = case["state"].as_object().expect("named blocks");
    assert_eq!(state_layout.blocks().len(), state.len(), "{name}: {state:?}");
    for (block, numbers) in state {
        let address = state_layout.block(block).unwrap_or_else(|| panic!("{name}: no {block}"));
        assert_near(
            model.state()[address.range()].iter().copied(),
            &matrix(numbers),
            &format!("{name}: {block}"),
        );
    }
    let predicted = model.predict(data.features()).expect("features that fit");
    let rows = (0..rows).flat_map(|row| [predicted["a"][[row, 0]], predicted["b"][[row, 0]]]);
    assert_near(rows, &matrix(&case["predicted"]), &format!("{name}: predicted"));
}

/// The layers of the script by their names there.
fn layers() -> Vec<(&'static str, Layer)> {
    use Activation::*;
    let dense = |activation| Layer::dense(5, activation);
    let inner = Layer::residual([Layer::dense(6, Silu)]);
    vec![
        ("identity", dense(Identity)),
        ("relu", dense(Relu)),
        ("leaky_relu 0.2", dense(LeakyRelu { slope: 0.2 })),
        ("elu 0.7", dense(Elu { alpha: 0.7 })),
        ("gelu", dense(Gelu)),
        ("silu", dense(Silu)),
        ("mish", dense(Mish)),
        ("selu", dense(Selu)),
        ("tanh", dense(Tanh)),
        ("sigmoid", dense(Sigmoid)),
        ("softplus", dense(Softplus)),
        ("glu", Layer::gated(5, Sigmoid)),
        ("swiglu", Layer::gated(5, Silu)),
        ("geglu", Layer::gated(5, Gelu)),
        ("reglu", Layer::gated(5, Relu)),
        ("bilinear", Layer::gated(5, Identity)),
        ("layer_norm 1e-5", Layer::layer_norm()),
        ("layer_norm 0.3", LayerNorm::new().epsilon(0.3).into()),
        ("batch_norm", Layer::batch_norm()),
        ("batch_norm 0.3 0.4", BatchNorm::new().epsilon(0.3).momentum(0.4).into()),
        ("scale", Layer::scale()),
        ("dropout 0.3", Layer::dropout(0.3)),
        ("periodic", Layer::periodic(3, 2)),
        ("periodic 1.5", Periodic::new(1, 4).deviation(1.5).into()),
        ("piecewise_linear", PiecewiseLinear::with_edges([-0.6, -0.1, 0.05, 0.7], 2).into()),
        ("piecewise_linear, one bin", PiecewiseLinear::with_edges([-0.3, 0.4], 3).into()),
        ("parametric mish", Layer::parametric(Mish)),
        ("parametric selu", Layer::parametric(Selu)),
        ("residual", Layer::residual([Layer::layer_norm(), Layer::dense(6, Relu), inner, dense(Identity)])),
    ]
}

/// The sharing forms of the script by their names there.
fn forms() -> Vec<(&'static str, Sharing)> {
    let expert = || [Layer::dense(5, Activation::Tanh), Layer::dense(3, Activation::Silu)];
    let gate = [Layer::dense(6, Activation::Tanh)];
    vec![
        ("mmoe", Sharing::mmoe(3, expert())),
        ("mmoe, hidden layers in the gates", MixtureOfExperts::new(4, expert()).gate(gate).into()),
        ("omoe", Sharing::omoe(3, expert())),
        ("cross-stitch", Sharing::cross_stitch(expert())),
        ("soft 0.3", Sharing::soft(0.3, expert())),
        ("dselect-k 4 2", DSelectK::new(4, 2, expert()).width(5.0).entropy(0.3).into()),
        ("dselect-k 5 3", DSelectK::new(5, 3, expert()).width(2.0).entropy(0.1).into()),
        ("adatt 1", Sharing::adatt(1, expert())),
        ("adatt 2", AdaTt::new(2, expert()).level(1, expert()).level(3, expert()).into()),
        ("cgc", Sharing::cgc(2, 1, expert())),
        ("ple 2", ProgressiveExtraction::new(1, 2, expert()).level(2, 1, expert()).into()),
        (
            "ple 3",
            ProgressiveExtraction::new(1, 1, expert()).level(2, 2, expert()).level(2, 1, expert()).into(),
        ),
    ]
}

/// Forms that share nothing, and forms behind a stem, of the script by their names there.
fn stems() -> Vec<(&'static str, Sharing)> {
    let expert = || [Layer::dense(5, Activation::Tanh), Layer::dense(3, Activation::Silu)];
    let tanh = || Layer::dense(5, Activation::Tanh);
    let two = DSelectK::new(4, 2, expert()).width(5.0).entropy(0.3);
    vec![
        ("independent", Sharing::independent(expert())),
        ("mmoe behind a stem", Sharing::mmoe(3, expert()).with_stem([tanh()])),
        ("omoe behind a stem", Sharing::omoe(3, expert()).with_stem([tanh()])),
        ("cross-stitch behind a stem", Sharing::cross_stitch(expert()).with_stem([tanh()])),
        // Two stems are one.
        (
            "cgc behind a stem",
            Sharing::cgc(2, 1, expert()).with_stem([tanh()]).with_stem([Layer::dense(6, Activation::Gelu)]),
        ),
        ("dselect-k behind a stem", Sharing::from(two).with_stem([tanh()])),
        ("adatt behind a stem", Sharing::adatt(2, expert()).with_stem([tanh()])),
        ("independent behind a stem", Sharing::independent(expert()).with_stem([tanh()])),
    ]
}

/// The forms that an embedding stands before, with its columns and their numbers of categories, by their names in the script.
fn embedded_forms() -> Vec<(&'static str, Vec<(usize, usize)>, Sharing)> {
    let form = |name: &str| forms().into_iter().find(|(other, _)| *other == name).expect("a form").1;
    vec![
        ("an embedding before mmoe", vec![(1, 3), (3, 5)], form("mmoe")),
        ("an embedding before ple 2", vec![(0, 4)], form("ple 2")),
        ("an embedding before adatt 2", vec![(2, 2)], form("adatt 2")),
        ("an embedding before soft 0.3", vec![(0, 1), (2, 6)], form("soft 0.3")),
    ]
}

/// The columns of indices that a case embeds.
fn index_columns(name: &str) -> Vec<usize> {
    let of_forms = embedded_forms().into_iter().map(|(case, columns, _)| {
        (case, columns.into_iter().map(|(feature, _)| feature).collect::<Vec<_>>())
    });
    let of_layers = embeddings().into_iter().map(|(case, columns, _)| (case, columns));
    of_layers.chain(of_forms).find(|(case, _)| *case == name).map_or(vec![], |(_, columns)| columns)
}

/// The embeddings of category columns of the script by their names there, with the columns.
fn embeddings() -> Vec<(&'static str, Vec<usize>, Layer)> {
    let bins = PiecewiseLinear::with_edges([-0.6, -0.1, 0.05, 0.7], 2);
    vec![
        ("embedding", vec![1, 3], Layer::embedding([(1, 3), (3, 5)], 2)),
        ("embedding, numbers in bins", vec![0], Embedding::new([(0, 4)], 3).numbers([bins]).into()),
        ("embedding, no numbers", vec![0, 1, 2, 3], Layer::embedding([(3, 2), (0, 2), (1, 9), (2, 1)], 1)),
    ]
}

fn first(layer: Layer) -> Sharing {
    Sharing::shared_trunk([layer, Layer::dense(3, Activation::Tanh)])
}

fn trunk(layer: Layer) -> Sharing {
    Sharing::shared_trunk([Layer::dense(5, Activation::Tanh), layer, Layer::dense(3, Activation::Tanh)])
}

#[test]
fn outputs_and_gradients_agree_with_pytorch() {
    let layers = layers().into_iter().map(|(name, layer)| (name, trunk(layer)));
    let embeddings = embeddings().into_iter().map(|(name, _, layer)| (name, first(layer)));
    let before = embedded_forms()
        .into_iter()
        .map(|(name, columns, form)| (name, form.with_stem([Layer::embedding(columns, 2)])));
    let twins: Vec<_> = layers.chain(forms()).chain(embeddings).chain(stems()).chain(before).collect();
    let cases = recorded();
    for case in &cases {
        let name = case["case"].as_str().expect("a name");
        let twin = twins.iter().find(|(twin, _)| *twin == name);
        let (_, sharing) = twin.unwrap_or_else(|| panic!("no twin of {name}"));
        compare(case, sharing.clone());
    }
    assert_eq!(cases.len(), twins.len(), "a case for each layer and form");
}

/// Every activation of the crate has its case.
#[test]
fn every_activation_has_a_twin() {
    for activation in Activation::ALL {
        let has_twin = layers().iter().any(|(_, layer)| {
            let printed = format!("{layer:?}");
            let name = format!("{activation:?}");
            let name = name.split(' ').next().expect("a name");
            printed.starts_with("Dense") && printed.contains(&format!("activation: {name}"))
        });
        assert!(has_twin, "{activation:?}");
    }
}

/// PyTorch's twin of dropout takes the mask from its script, which has it from here.
#[test]
fn the_mask_of_dropout_is_that_of_the_script() {
    let names = ["a", "b", "c", "d", "e"];
    let builder = Model::builder(5).trunk([Layer::dropout(0.3)]);
    let builder = names.into_iter().fold(builder, |builder, name| builder.task(Task::regression(name)));
    let mut model = builder.build::<f64>().expect("valid settings");
    // Each head reads a column of its own.
    model.parameters_mut().iter_mut().enumerate().for_each(|(i, x)| *x = f64::from(i % 7 == 0 && i < 35));
    let data = Dataset::new(Array2::from_elem((7, 5), 0.7), Array2::zeros((7, 5)));
    let data = data.and_then(|data| data.with_target_names(names)).expect("a table");
    let mut trace = model.trace(7);
    model.forward_at(&model.pass(Mode::Train), &data.all(), &mut trace).expect("data that fit");
    let drawn = Array2::from_shape_fn((7, 5), |(row, column)| trace.outputs(column)[[row, 0]].round());
    let cases = recorded();
    let case = cases.iter().find(|case| case["case"] == "dropout 0.3").expect("its case");
    assert_eq!(matrix(&case["mask"]), drawn);
}
