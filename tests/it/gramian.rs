//! The Gramian and the combined gradient are those of K separate backward passes, whatever form they are computed
//! in, over however many rows, tasks, layers and threads, and in whatever order one asks for them.

use ndarray::{Array2, s};
use polytask::GramianScope;
use polytask::arena::{ActivationBlock, Arena, Chunk};
use polytask::balance::{Evidence, Weights};
use polytask::layer::{
    BuildContext, BuildLayer, BuiltLayer, Dense, Draw, Embedding, Mode, Pass, Propagation,
};
use polytask::prelude::*;
use polytask::{Form, Result, Scalar, Trace};

/// Sums of at most some hundred products of numbers near 1: rounding is far below.
const TOLERANCE: f64 = 1e-12;

fn table<F: Scalar>(rows: usize, tasks: usize, missing: bool) -> Dataset<F> {
    let x = Array2::from_shape_fn((rows, 5), |(i, j)| F::from_f64(((i * 5 + j) as f64 * 0.7 + 0.1).sin()));
    let y = Array2::from_shape_fn((rows, tasks), |(i, k)| {
        // The last of several tasks has no label at all.
        let is_missing = missing && (k + 1 == tasks && k > 0 || (i + k) % 3 == 0);
        if is_missing { F::NAN } else { F::from_f64(((i * 3 + k * 11) as f64 * 0.31).cos()) }
    });
    Dataset::new(x, y).expect("a table")
}

fn model<F: Scalar>(trunk: &[Layer], tasks: usize) -> Model<F> {
    let mut builder = Model::builder(5).trunk(trunk.to_vec()).seed(3);
    for k in 0..tasks {
        let head = [Layer::from(Dense::new(4, Activation::Tanh).bias_init(Init::LeCunUniform))];
        let task = Task::regression(format!("y{k}"));
        builder = builder.task(if k % 2 == 0 { task.head(head) } else { task });
    }
    builder.build().expect("valid settings")
}

fn dense(width: usize, activation: Activation) -> Layer {
    Dense::new(width, activation).bias_init(Init::LeCunUniform).into()
}

/// One row for each task: the gradient of all parameters.
fn one_by_one<F: Scalar>(model: &Model<F>, data: &Dataset<F>) -> Array2<F> {
    let n = model.tasks().len();
    let mut rows = Array2::zeros((n, model.n_parameters()));
    let mut trace = model.trace(data.n_rows());
    model.forward(&data.all(), &mut trace).expect("a batch that fits");
    for (k, mut row) in rows.rows_mut().into_iter().enumerate() {
        let mut only = Weights { shared: vec![0.0; n], own: vec![0.0; n] };
        (only.shared[k], only.own[k]) = (1.0, 1.0);
        model.backward(&mut trace, &only, row.as_slice_mut().expect("a row"));
    }
    rows
}

fn uneven(n: usize) -> Weights {
    let of = |step: f64| (0..n).map(|k| 0.3 + step * k as f64).collect();
    Weights { shared: of(0.4), own: of(0.1) }
}

/// Σ wₖ ∇ₖ, with the shared weights up to `n_shared` and the own ones from there on.
fn combined(rows: &Array2<f64>, n_shared: usize, weights: &Weights) -> Vec<f64> {
    let sum = |(p, column): (usize, ndarray::ArrayView1<'_, f64>)| {
        let weights = if p < n_shared { &weights.shared } else { &weights.own };
        column.iter().zip(weights).map(|(g, w)| g * w).sum()
    };
    rows.columns().into_iter().enumerate().map(sum).collect()
}

fn distance<'a>(a: impl IntoIterator<Item = &'a f64>, b: impl IntoIterator<Item = &'a f64>) -> f64 {
    a.into_iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn traces(model: &Model<f64>, rows: usize) -> [(&'static str, Trace<f64>); 3] {
    [
        ("chosen", model.trace(rows)),
        ("direct", model.trace(rows).gramian_form(Form::Direct)),
        ("Gram", model.trace(rows).gramian_form(Form::Gram)),
    ]
}

fn trunks() -> Vec<Vec<Layer>> {
    vec![
        vec![],
        vec![dense(7, Activation::Relu)],
        vec![dense(12, Activation::Tanh), dense(9, Activation::Gelu), dense(6, Activation::Relu)],
        vec![dense(9, Activation::Softplus), Layer::custom(Opaque(Dense::new(8, Activation::Sigmoid)))],
    ]
}

/// A dense layer that does not tell what it is.
#[derive(Debug)]
struct Opaque(Dense);

#[derive(Debug)]
struct BuiltOpaque<F: Scalar>(Box<dyn BuiltLayer<F>>);

impl<F: Scalar> BuildLayer<F> for Opaque {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        Ok(Box::new(BuiltOpaque::<F>(self.0.build(context)?)))
    }
}

impl<F: Scalar> BuiltLayer<F> for BuiltOpaque<F> {
    fn output(&self) -> ActivationBlock {
        self.0.output()
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        self.0.forward(pass, values);
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        self.0.propagate(pass, values, deltas, to);
    }

    fn pieces(&self) -> Vec<std::ops::Range<usize>> {
        self.0.pieces()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: std::ops::Range<usize>, gradient: &mut [F]) {
        self.0.gradient(chunks, lane, piece, gradient);
    }
}

fn agrees(model: &Model<f64>, data: &Dataset<f64>, case: &str) {
    let n = model.tasks().len();
    let (rows, n_shared) = (one_by_one(model, data), model.network().layout().n_shared());
    let shared = rows.slice(s![.., ..n_shared]);
    let (gramian, weights) = (shared.dot(&shared.t()), uneven(n));
    let expected = combined(&rows, n_shared, &weights);
    for (form, mut trace) in traces(model, data.n_rows()) {
        model.forward(&data.all(), &mut trace).expect("a batch that fits");
        let by_hand = model.evidence(&mut trace).gramian().to_owned();
        let off = distance(&by_hand, &gramian);
        assert!(off < TOLERANCE, "{case}, {form}: the Gramian is off by {off:e}");
        for _ in 0..2 {
            let mut gradient = vec![f64::NAN; model.n_parameters()];
            model.backward(&mut trace, &weights, &mut gradient);
            let off = distance(&gradient, &expected);
            assert!(off < TOLERANCE, "{case}, {form}: the gradient is off by {off:e}");
        }
    }
}

/// Two tables of vectors beside three numbers; the indices of a batch of 64 repeat in one, and hardly in the other.
fn indexed(rows: usize, tasks: usize, categories: [usize; 2]) -> Dataset<f64> {
    let plain = table::<f64>(rows, tasks, true);
    let mut x = plain.features().to_owned();
    for (i, mut row) in x.rows_mut().into_iter().enumerate() {
        row[1] = (i * 7 % categories[0]) as f64;
        row[4] = (i * 61 % categories[1]) as f64;
    }
    let data = Dataset::new(x, plain.targets().to_owned());
    data.and_then(|data| data.with_index_columns([("x1", categories[0]), ("x4", categories[1])]))
        .expect("a table")
}

#[test]
fn tables_of_vectors_agree_from_the_sums_of_each_index() {
    for categories in [[3, 500], [1, 2], [40, 41]] {
        for tasks in [1, 2, 3, 8] {
            for rows in [1, 2, 7, 64, 150, 300] {
                let data = indexed(rows, tasks, categories);
                let columns = data.index_columns().to_vec();
                let first = Embedding::new(columns, 3).width_of(4, 5).numbers([dense(4, Activation::Tanh)]);
                for trunk in [vec![first.clone().into()], vec![first.into(), dense(6, Activation::Tanh)]] {
                    let case = format!("{categories:?}, {tasks} tasks, {rows} rows, {} layers", trunk.len());
                    agrees(&model::<f64>(&trunk, tasks), &data, &case);
                }
            }
        }
    }
}

#[test]
fn a_table_just_before_the_heads_is_the_last_shared_layer() {
    let data = indexed(64, 2, [30, 500]);
    let trunk = [Embedding::new(data.index_columns().to_vec(), 3).into()];
    let model = model::<f64>(&trunk, 2);
    for form in [Form::Direct, Form::Gram] {
        let mut trace = model.trace(64).gramian_form(form);
        model.forward(&data.all(), &mut trace).expect("a batch that fits");
        let last = model.evidence(&mut trace).over(GramianScope::LastSharedLayer).gramian().to_owned();
        let all = model.evidence(&mut trace).gramian().to_owned();
        assert!(distance(&last, &all) < TOLERANCE && all[[0, 0]] > 0.0, "{form:?}: {last} for {all}");
    }
}

#[test]
fn gramian_and_gradient_are_those_of_separate_passes() {
    for (t, trunk) in trunks().iter().enumerate() {
        for tasks in [1, 2, 3, 8] {
            let model = model::<f64>(trunk, tasks);
            for rows in [1, 2, 7, 32, 64, 65, 150, 300] {
                for missing in [false, true] {
                    let data = table(rows, tasks, missing);
                    let case = format!("trunk {t}, {tasks} tasks, {rows} rows, missing labels {missing}");
                    agrees(&model, &data, &case);
                }
            }
        }
    }
}

/// A layer of more than 262 144 weights is cut into pieces.
#[test]
fn wide_layers_agree_too() {
    let model = model::<f64>(&[dense(520, Activation::Relu), dense(530, Activation::Identity)], 2);
    agrees(&model, &table(70, 2, true), "wide layers");
}

/// What a larger batch has left in the memory must not reach a shorter one.
#[test]
fn a_short_batch_after_a_long_one() {
    let model = model::<f64>(&trunks()[2], 3);
    let long = table(150, 3, false);
    let rows: Vec<usize> = (3..80).collect();
    for (form, mut trace) in traces(&model, 150) {
        model.forward(&long.all(), &mut trace).expect("a batch that fits");
        model.evidence(&mut trace).gramian();
        model.forward(&long.batch(&rows), &mut trace).expect("a batch that fits");
        let found = model.evidence(&mut trace).gramian().to_owned();
        let mut fresh = model.trace(rows.len());
        model.forward(&long.batch(&rows), &mut fresh).expect("a batch that fits");
        let off = distance(&found, model.evidence(&mut fresh).gramian());
        assert!(off < TOLERANCE, "{form}: {off:e}");
    }
}

#[test]
fn threads_change_no_bit() {
    let model = model::<f32>(&[dense(200, Activation::Relu), dense(180, Activation::Tanh)], 3);
    let data = table::<f32>(200, 3, true);
    for form in [Form::Direct, Form::Gram] {
        for over in
            [GramianScope::SharedParameters, GramianScope::LastSharedLayer, GramianScope::Representation]
        {
            let result = |threads: usize| {
                let mut trace = model.trace(200).threads(threads).gramian_form(form);
                model.forward(&data.all(), &mut trace).expect("a batch that fits");
                let gramian = model.evidence(&mut trace).over(over).gramian().to_owned();
                let mut gradient = vec![0.0; model.n_parameters()];
                model.backward(&mut trace, &uneven(3), &mut gradient);
                (gramian, gradient)
            };
            let alone = result(1);
            assert!(alone.0.iter().all(|g| g.is_finite()));
            for threads in [2, 3] {
                assert!(result(threads) == alone, "{form:?} over {over:?}, {threads} threads");
            }
        }
    }
}

#[test]
fn over_the_last_layer_only_its_parameters_count() {
    for (trunk, last) in [(&trunks()[1], "trunk.0"), (&trunks()[2], "trunk.2"), (&trunks()[3], "trunk.1")] {
        let (model, data) = (model::<f64>(trunk, 3), table(100, 3, true));
        let layout = model.network().layout();
        let range = |name: &str| layout.block(&format!("{last}.{name}")).expect("a layer").range();
        let rows = one_by_one(&model, &data);
        let of_layer = rows.slice(s![.., range("weight").start..range("bias").end]);
        let (gramian, weights) = (of_layer.dot(&of_layer.t()), uneven(3));
        let expected = combined(&rows, layout.n_shared(), &weights);
        for (form, mut trace) in traces(&model, 100) {
            model.forward(&data.all(), &mut trace).expect("a batch that fits");
            let found = model.evidence(&mut trace).over(GramianScope::LastSharedLayer).gramian().to_owned();
            assert!(distance(&found, &gramian) < TOLERANCE, "{last}, {form}");
            let mut gradient = vec![f64::NAN; model.n_parameters()];
            model.backward(&mut trace, &weights, &mut gradient);
            assert!(distance(&gradient, &expected) < TOLERANCE, "{last}, {form}");
        }
    }
}

/// The layers of a trunk, some of them taken for a stem: whatever is asked, the numbers are those of the one trunk.
#[test]
fn a_stem_and_a_trunk_are_one_trunk() {
    let (first, plain) = (|| dense(7, Activation::Tanh), Vec::<Layer>::new);
    for (stem, trunk) in [
        (vec![first()], vec![dense(5, Activation::Relu)]),
        (vec![first()], plain()),
        // No layer with parameters just before the heads, and none in the trunk at all.
        (vec![first()], vec![Layer::dropout(0.3)]),
        (vec![first(), Layer::dropout(0.3)], plain()),
        (vec![Layer::dropout(0.3)], vec![first()]),
    ] {
        let case = format!("{stem:?}, then {trunk:?}");
        let of = |sharing: Sharing| {
            let builder = Model::builder(5).sharing(sharing).seed(3);
            let tasks = (0..3).map(|k| Task::regression(format!("y{k}")));
            tasks.fold(builder, polytask::ModelBuilder::task).build::<f64>().expect("valid settings")
        };
        let whole = of(Sharing::shared_trunk([&stem[..], &trunk].concat()));
        let mut parted = of(Sharing::shared_trunk(trunk).with_stem(stem));
        parted.parameters_mut().copy_from_slice(whole.parameters());
        let data = table(90, 3, true);
        use GramianScope::{LastSharedLayer, Representation, SharedParameters};
        for over in [SharedParameters, LastSharedLayer, Representation] {
            let gramian = |model: &Model<f64>| {
                model.network().check_over(over).map_err(|error| error.to_string())?;
                let (mut trace, pass) = (model.trace(90), model.pass(Mode::Train).with_draw(Draw::new(1, 1)));
                model.forward_at(&pass, &data.all(), &mut trace).expect("a batch that fits");
                Ok::<_, String>(model.network().gramian_over(over, &pass, &mut trace).to_owned())
            };
            assert_eq!(gramian(&parted), gramian(&whole), "{over:?}: {case}");
        }
    }
}

/// Two networks that tell ∂L/∂h in another way: one whose representation is x, and one whose representation is the
/// output of a layer without activation, so that for a single row the bias has the gradient ∂L/∂h.
#[test]
fn over_the_representation_the_deltas_of_the_heads_count() {
    let (features, data) = (model::<f64>(&[], 3), table(90, 3, true));
    let mut trace = features.trace(90).with_input_gradient();
    features.forward(&data.all(), &mut trace).expect("a batch that fits");
    let mut gradient = vec![0.0; features.n_parameters()];
    let deltas: Vec<Array2<f64>> = (0..3)
        .map(|k| {
            let mut only = Weights { shared: vec![0.0; 3], own: vec![0.0; 3] };
            (only.shared[k], only.own[k]) = (1.0, 1.0);
            features.backward(&mut trace, &only, &mut gradient);
            features.network().input_gradient(&trace)
        })
        .collect();
    let expected = Array2::from_shape_fn((3, 3), |(k, l)| (&deltas[k] * &deltas[l]).sum());
    let found = features.evidence(&mut trace).over(GramianScope::Representation).gramian().to_owned();
    assert!(distance(&found, &expected) < TOLERANCE);

    let linear = model::<f64>(&[dense(9, Activation::Tanh), dense(6, Activation::Identity)], 3);
    let row = table(1, 3, false);
    let rows = one_by_one(&linear, &row);
    let bias = linear.network().layout().block("trunk.1.bias").expect("a layer").range();
    let of_bias = rows.slice(s![.., bias]);
    let mut trace = linear.trace(1);
    linear.forward(&row.all(), &mut trace).expect("a batch that fits");
    let found = linear.evidence(&mut trace).over(GramianScope::Representation).gramian().to_owned();
    assert!(distance(&found, &of_bias.dot(&of_bias.t())) < TOLERANCE);
}

#[test]
fn the_order_of_questions_does_not_matter() {
    let (model, data) = (model::<f64>(&trunks()[2], 3), table(100, 3, true));
    let (rows, n_shared) = (one_by_one(&model, &data), model.network().layout().n_shared());
    let shared = rows.slice(s![.., ..n_shared]);
    let (exact, weights) = (shared.dot(&shared.t()), uneven(3));
    let expected = combined(&rows, n_shared, &weights);
    let overs = [GramianScope::SharedParameters, GramianScope::LastSharedLayer, GramianScope::Representation];
    let gramians = overs.map(|over| {
        let mut trace = model.trace(100);
        model.forward(&data.all(), &mut trace).expect("a batch that fits");
        model.evidence(&mut trace).over(over).gramian().to_owned()
    });
    assert!(distance(&gramians[0], &exact) < TOLERANCE);
    for (form, mut trace) in traces(&model, 100) {
        model.forward(&data.all(), &mut trace).expect("a batch that fits");
        let mut gradient = vec![0.0; model.n_parameters()];
        // Every pair of the five questions comes in both orders.
        for question in [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 0, 2, 4, 1, 3, 0, 3, 1, 4, 2, 0, 4, 3, 2, 1, 0] {
            let off = match question {
                0..=2 => {
                    let found = model.evidence(&mut trace).over(overs[question]).gramian().to_owned();
                    distance(&found, &gramians[question])
                }
                3 => distance(&model.task_gradients(&mut trace).to_owned(), &shared.to_owned()),
                _ => {
                    model.backward(&mut trace, &weights, &mut gradient);
                    distance(&gradient, &expected)
                }
            };
            assert!(off < TOLERANCE, "{form}, question {question}: {off:e}");
        }
    }
}

/// 300 rows through a layer of 60 inputs, which is sketched, after one of 5, which is not.
fn sketched() -> (Model<f64>, Dataset<f64>) {
    (model(&[dense(60, Activation::Relu), dense(50, Activation::Tanh)], 3), table(300, 3, true))
}

#[test]
fn a_sketch_is_right_in_the_mean_and_errs_as_stated() {
    let (model, data) = sketched();
    let mut trace = model.trace(300);
    model.forward(&data.all(), &mut trace).expect("a batch that fits");
    let exact = model.evidence(&mut trace).gramian().to_owned();
    let draws = 200;
    for sums in [8, 20] {
        let (mut mean, mut square) = (Array2::<f64>::zeros((3, 3)), Array2::<f64>::zeros((3, 3)));
        for seed in 0..draws {
            let sketch = GramianScope::Sketch { sums, seed };
            let error = &model.evidence(&mut trace).over(sketch).gramian() - &exact;
            mean += &(&error / draws as f64);
            square += &(&error * &error / draws as f64);
        }
        for (k, l) in [(0, 0), (1, 0), (1, 1)] {
            let (mean, deviation) = (mean[[k, l]], square[[k, l]].sqrt());
            let stated = (2.0 / sums as f64).sqrt() * (exact[[k, k]] * exact[[l, l]]).sqrt();
            assert!(mean.abs() < 4.0 * deviation / (draws as f64).sqrt(), "{sums} sums, ({k}, {l}): {mean}");
            assert!(deviation <= stated, "{sums} sums, ({k}, {l}): {deviation}, stated {stated}");
            // A few inputs are alike, so that it cannot be much better either.
            assert!(deviation > 0.05 * stated, "{sums} sums, ({k}, {l}): {deviation}, stated {stated}");
        }
        // The third task has no labels.
        assert!(square.row(2).iter().all(|square| *square == 0.0));
    }
}

#[test]
fn a_sketch_is_of_its_draws_and_leaves_the_gradient_exact() {
    let (model, data) = sketched();
    let (rows, n_shared, weights) =
        (one_by_one(&model, &data), model.network().layout().n_shared(), uneven(3));
    let expected = combined(&rows, n_shared, &weights);
    let mut trace = model.trace(300);
    model.forward(&data.all(), &mut trace).expect("a batch that fits");
    let of =
        |over: GramianScope, trace: &mut Trace<f64>| model.evidence(trace).over(over).gramian().to_owned();
    let exact = of(GramianScope::SharedParameters, &mut trace);
    let sketch = |sums, seed| GramianScope::Sketch { sums, seed };
    let first = of(sketch(8, 1), &mut trace);
    for (over, same) in [
        (sketch(8, 2), false),
        (sketch(8, 1), true),
        (sketch(9, 1), false),
        (GramianScope::Representation, false),
        (sketch(8, 1), true),
    ] {
        assert_eq!(of(over, &mut trace) == first, same, "{over:?}");
        let mut gradient = vec![f64::NAN; model.n_parameters()];
        model.backward(&mut trace, &weights, &mut gradient);
        assert!(distance(&gradient, &expected) < TOLERANCE, "{over:?}");
    }
    assert!(distance(&first, &exact) > TOLERANCE);
    assert!(of(sketch(60, 1), &mut trace) == exact, "a layer with as few inputs is not sketched");
    assert!(model.network().check_over(sketch(0, 1)).is_err());
}

/// 70 sums are more than one thread takes at a time.
#[test]
fn threads_change_no_bit_of_a_sketch() {
    let model = model::<f32>(&[dense(200, Activation::Relu), dense(180, Activation::Tanh)], 3);
    let data = table::<f32>(200, 3, true);
    let gramian = |over: GramianScope, threads: usize| {
        let mut trace = model.trace(200).threads(threads);
        model.forward(&data.all(), &mut trace).expect("a batch that fits");
        model.evidence(&mut trace).over(over).gramian().to_owned()
    };
    let sketch = GramianScope::Sketch { sums: 70, seed: 5 };
    let alone = gramian(sketch, 1);
    assert!(alone != gramian(GramianScope::SharedParameters, 1));
    assert!([2, 3].iter().all(|&threads| gramian(sketch, threads) == alone));
}

#[test]
fn a_direction_takes_the_place_of_the_shared_gradient() {
    let (model, data) = (model::<f64>(&trunks()[1], 2), table(40, 2, false));
    let (rows, n_shared) = (one_by_one(&model, &data), model.network().layout().n_shared());
    let mut trace = model.trace(40);
    model.forward(&data.all(), &mut trace).expect("a batch that fits");
    model.task_gradients(&mut trace);
    let direction: Vec<f64> = (0..n_shared).map(|p| p as f64).collect();
    let mut gradient = vec![f64::NAN; model.n_parameters()];
    model.backward_along(&mut trace, &direction, &[2.0, 0.5], &mut gradient);
    assert_eq!(gradient[..n_shared], direction);
    let weights = Weights { shared: vec![0.0; 2], own: vec![2.0, 0.5] };
    assert!(distance(&gradient[n_shared..], &combined(&rows, n_shared, &weights)[n_shared..]) < TOLERANCE);
}

#[test]
fn networks_without_a_common_representation_say_so() {
    let build = |sharing: Sharing| {
        let builder = Model::builder(5).sharing(sharing).task(Task::regression("y0"));
        builder.task(Task::regression("y1")).build::<f64>().expect("valid settings")
    };
    let apart = build(Sharing::independent([dense(4, Activation::Relu)]));
    for over in [GramianScope::LastSharedLayer, GramianScope::Representation] {
        let trainer =
            Trainer::new(Adam::new(0.1)).balance(polytask::balance::UpGrad::new()).balance_over(over);
        let error = trainer.start(&apart, &table(9, 2, false)).expect_err("nothing in common").to_string();
        assert!(error.contains("representation"), "{error}");
    }
    let bare = build(Sharing::shared_trunk(Vec::<Layer>::new()));
    assert!(bare.network().check_over(GramianScope::Representation).is_ok());
    assert!(bare.network().check_over(GramianScope::LastSharedLayer).is_err());
}

/// Asked between the two halves of a step: it is that of the batch, and changes no bit of the step.
#[test]
fn a_run_gives_the_gramian_of_its_batch() -> Result<()> {
    use polytask::balance::{GradDrop, UpGrad};

    let data = table::<f64>(40, 3, false);
    let start =
        model::<f64>(&[dense(6, Activation::Tanh), dense(5, Activation::Relu), Layer::dropout(0.3)], 3);
    let sgd = || Trainer::new(Sgd::new(0.1)).batch_size(16).steps(6).seed(5);
    for (name, trainer) in [
        ("fixed", sgd()),
        ("balanced", sgd().balance(UpGrad::new())),
        ("by losses", sgd().balance(polytask::balance::Dwa::new())),
        ("aggregated", sgd().aggregate(GradDrop::new(1))),
        ("representation", sgd().balance_over(GramianScope::Representation)),
        ("sketch", sgd().balance_over(GramianScope::Sketch { sums: 4, seed: 2 })),
    ] {
        let (mut straight, mut looked_at) = (start.clone(), start.clone());
        let (mut one, mut other) = (trainer.start(&straight, &data)?, trainer.start(&looked_at, &data)?);
        let (mut room, mut room_of_other) =
            (one.workspace(&straight, None), other.workspace(&looked_at, None));
        for step in 0..6 {
            let rows: Vec<usize> = (0..16).map(|i| (7 * i + 5 * step) % 40).collect();
            assert!(other.gramian(&looked_at, &mut room_of_other).is_err(), "{name}: no batch yet");
            one.gradient(&straight, &data.batch(&rows), &mut room)?;
            other.gradient(&looked_at, &data.batch(&rows), &mut room_of_other)?;
            let before = room_of_other.gradient().to_vec();
            let found = other.gramian(&looked_at, &mut room_of_other)?.to_owned();
            assert_eq!(found, other.gramian(&looked_at, &mut room_of_other)?, "{name}: asked again");
            assert_eq!(room_of_other.gradient(), before, "{name}");
            if name != "representation" && name != "sketch" {
                let mut trace = looked_at.trace(16);
                let draw = polytask::layer::Draw::new(5, step as u64);
                let pass = looked_at.pass(polytask::layer::Mode::Train).with_draw(draw);
                looked_at.forward_at(&pass, &data.batch(&rows), &mut trace)?;
                let expected = looked_at.evidence(&mut trace).gramian().to_owned();
                assert!(
                    (&found - &expected).iter().all(|d| d.abs() < TOLERANCE),
                    "{name}: {found} {expected}"
                );
            }
            one.update(&mut straight, &mut room)?;
            other.update(&mut looked_at, &mut room_of_other)?;
            assert_eq!(straight.parameters(), looked_at.parameters(), "{name}");
        }
    }
    Ok(())
}

#[test]
fn a_run_has_no_gramian_of_a_sum_or_of_nothing_shared() -> Result<()> {
    let data = table::<f64>(40, 2, false);
    let said = |model: &Model<f64>, trainer: Trainer, n: usize| -> Result<String> {
        let mut run = trainer.start(model, &data)?;
        let mut workspace = run.workspace(model, None);
        let rows: Vec<usize> = (0..n).collect();
        run.gradient(model, &data.batch(&rows), &mut workspace)?;
        Ok(run.gramian(model, &mut workspace).expect_err("no Gramian").to_string())
    };
    let trainer = || Trainer::new(Sgd::new(0.1)).batch_size(10);
    let shared = model::<f64>(&[dense(6, Activation::Tanh)], 2);
    let error = said(&shared, trainer().accumulate(3), 30)?;
    assert!(error.contains("found the sum over parts of a batch (make the batch larger instead)"), "{error}");
    let error = said(&model::<f64>(&[], 2), trainer(), 10)?;
    assert!(error.starts_with("balancing by gradients: expected parameters that tasks share"), "{error}");
    let error = said(&model::<f64>(&[], 2), trainer().balance_over(GramianScope::LastSharedLayer), 10)?;
    assert!(error.starts_with("scope of the Gramian"), "{error}");
    Ok(())
}
