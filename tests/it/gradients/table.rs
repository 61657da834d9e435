//! The table: each member of each family in a small network, with a batch to check it on.

use std::f64::consts::TAU;

use ndarray::{Array1, Array2};
use polytask::data::Dataset;
use polytask::layer::{BatchNorm, Dense, Embedding, LayerNorm, Periodic, PiecewiseLinear};
use polytask::loss::{ListTarget, Loss};
use polytask::sharing::{AdaTt, DSelectK, MixtureOfExperts, ProgressiveExtraction};
use polytask::{Activation, Init, Layer, Model, ModelBuilder, Scalar, Sharing, Task};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::custom::{Centre, Gated, Quartic, Scale, Square, TwoTrunks};

/// One row of the table.
pub struct Row {
    pub name: String,
    pub sharing: Sharing,
    pub tasks: Vec<Task>,
    pub batch: Batch,
    pub standardizes: bool,
    /// How many members see every row: 1, but for a batch ensemble.
    pub members: usize,
    /// The features that are indices, with their numbers of categories.
    pub index_columns: Vec<(usize, usize)>,
    /// Whether some blocks have no gradient, by nature: no label, weight 0, a saturated loss.
    pub allows_zero: bool,
}

/// What a row is checked on.
#[derive(Clone, Copy)]
pub struct Batch {
    pub rows: usize,
    pub n_features: usize,
    /// The largest feature: 1.5, or a thousand for extreme logits.
    pub size: f64,
    /// Whether a fifth of the labels is missing, a different fifth for each task.
    pub gaps: bool,
    /// Whether all labels of the first task are missing.
    pub first_unlabelled: bool,
    /// Whether examples have weights.
    pub weighted: bool,
}

const PLAIN: Batch =
    Batch { rows: 7, n_features: 4, size: 1.5, gaps: false, first_unlabelled: false, weighted: false };

impl Row {
    fn new(name: impl Into<String>, sharing: Sharing, tasks: Vec<Task>) -> Self {
        let (name, index_columns) = (name.into(), Vec::new());
        let (standardizes, members, allows_zero) = (false, 1, false);
        Self { name, sharing, tasks, batch: PLAIN, standardizes, members, index_columns, allows_zero }
    }

    fn on(self, batch: Batch) -> Self {
        Self { batch, ..self }
    }

    fn allowing_zero(self) -> Self {
        Self { allows_zero: true, ..self }
    }

    /// The model over either scalar, with biases drawn at random: at zero, rectifiers of deep networks lie on
    /// their kinks.
    pub fn model<F: Scalar>(&self, data: &Dataset<F>) -> Model<F> {
        let mut builder: ModelBuilder = Model::builder(self.batch.n_features).sharing(self.sharing.clone());
        for task in &self.tasks {
            builder = builder.task(task.clone());
        }
        let builder = if self.standardizes { builder.standardize() } else { builder };
        let builder = builder.batch_ensemble(self.members);
        let mut model = builder.seed(3).build::<F>().expect("valid settings");
        model.fit_scaling(data).expect("data that fit");
        let mut rng = ChaCha8Rng::seed_from_u64(17);
        let blocks: Vec<_> =
            model.network().layout().blocks().map(|(name, block)| (name.to_owned(), block)).collect();
        // Factors that are all 1 at first would hide which of them was taken.
        for (end, first) in [("bias", 0.0), ("scale", 1.0), ("strength", 0.8)] {
            for (_, block) in blocks.iter().filter(|(name, _)| name.ends_with(end)) {
                let draws = Init::GlorotUniform.draw(1, block.len(), &mut rng);
                let numbers = &mut model.parameters_mut()[block.range()];
                numbers.iter_mut().zip(draws).for_each(|(to, from)| *to = F::from_f64(first + 0.5 * from));
            }
        }
        // Nothing goes through weights that are all 0 at first.
        for (_, block) in blocks {
            let numbers = &mut model.parameters_mut()[block.range()];
            if numbers.iter().all(|x| *x == F::ZERO) {
                let draws = Init::GlorotUniform.draw(1, block.len(), &mut rng);
                numbers.iter_mut().zip(draws).for_each(|(to, from)| *to = F::from_f64(from));
            }
        }
        model
    }

    pub fn data(&self) -> Dataset<f64> {
        let Batch { rows, n_features, size, gaps, first_unlabelled, weighted } = self.batch;
        let mut rng = ChaCha8Rng::seed_from_u64(rows as u64 + 1);
        let mut features =
            Array2::from_shape_fn((rows, n_features), |_| size * (2.0 * rng.random::<f64>() - 1.0));
        for &(feature, n) in &self.index_columns {
            features
                .column_mut(feature)
                .iter_mut()
                .enumerate()
                .for_each(|(i, x)| *x = (i * 7 % (n + 1)) as f64);
        }
        let columns: Vec<(usize, &Task)> = (self.tasks.iter().enumerate())
            .flat_map(|(k, task)| task.columns_list().iter().map(move |_| (k, task)))
            .collect();
        let targets = Array2::from_shape_fn((rows, columns.len()), |(row, column)| {
            let (k, task) = columns[column];
            let label = label(task.loss(), rng.random(), rng.random());
            let missing = gaps && (row + 2 * k) % 5 == 4 || first_unlabelled && k == 0;
            if missing { f64::NAN } else { label }
        });
        let names: Vec<&String> = self.tasks.iter().flat_map(Task::columns_list).collect();
        let groups = (0..rows as u64).map(|row| row * 7 % (rows as u64).div_ceil(4)).collect();
        let mut data = Dataset::new(features, targets).unwrap().with_target_names(names).unwrap();
        let indices = self.index_columns.iter().map(|&(feature, n)| (format!("x{feature}"), n));
        data = data.with_index_columns(indices).unwrap();
        if self.tasks.iter().any(|task| ranks(task.loss())) {
            data = data.with_groups(groups).unwrap();
        }
        if weighted {
            let weights = Array1::from_shape_fn(rows, |row| [1.0, 0.25, 3.0, 0.0][row % 4]);
            data = data.with_weights(weights).unwrap();
            let own = Array1::from_shape_fn(rows, |row| [1.0, 2.0, 0.0, 1.0, 0.5][row % 5]);
            for column in self.tasks.iter().skip(1).step_by(2).flat_map(Task::columns_list) {
                data = data.with_target_weights(column, own.clone()).unwrap();
            }
        }
        data
    }
}

pub fn table() -> Vec<Row> {
    let mut rows = activations();
    rows.extend(layers());
    rows.extend(losses().into_iter().flat_map(with_loss));
    rows.extend(sharing_forms());
    rows.extend(batches());
    rows.extend(products());
    rows.extend(alone());
    rows.extend(ensembles());
    rows
}

/// Each activation, layer, loss and sharing form on a single example.
fn alone() -> Vec<Row> {
    // A list of one has no order, so a ranking loss of it is 0.
    let losses = losses().into_iter().filter(|(loss, _)| !ranks(loss));
    let rows = activations().into_iter().chain(layers()).chain(sharing_forms());
    rows.chain(losses.map(|loss| with_loss(loss).into_iter().next().expect("the plain one")))
        .filter(|row| row.batch.rows < 300 && row.batch.n_features < 1000)
        // One row is its own mean, and nothing is left of it.
        .filter(|row| row.name != "layer Centre" && !row.name.starts_with("layer BatchNorm"))
        .map(|row| Row {
            name: format!("{}, one example", row.name),
            batch: Batch { rows: 1, ..row.batch },
            // It may leave a rectifier's layer off, and meet a loss where it is flat.
            allows_zero: true,
            ..row
        })
        .collect()
}

/// Each layer, loss and sharing form in a batch ensemble, its members on several chunks where a loss has several batches.
fn ensembles() -> Vec<Row> {
    let with_losses = losses().into_iter().flat_map(|loss| with_loss(loss).into_iter().take(2));
    let rows = activations().into_iter().step_by(2).chain(layers()).chain(sharing_forms()).chain(products());
    rows.filter(|row| row.batch.n_features < 1000)
        // Whatever a batch of 300 rows finds, 120 rows of three members find too.
        .chain(
            with_losses.map(|row| Row { batch: Batch { rows: row.batch.rows.min(40), ..row.batch }, ..row }),
        )
        .map(|row| Row {
            name: format!("{}, three members", row.name),
            batch: Batch { rows: row.batch.rows.min(60), ..row.batch },
            members: 3,
            ..row
        })
        .collect()
}

/// Each activation in a trunk and in a head, with one task and with three.
fn activations() -> Vec<Row> {
    let others = [Activation::LeakyRelu { slope: 0.3 }, Activation::Elu { alpha: 0.4 }];
    let all = Activation::ALL.into_iter().chain(others);
    all.flat_map(|activation| {
        let trunk = || Sharing::shared_trunk([dense(5, activation), dense(4, activation)]);
        let head = vec![dense(3, activation)];
        [
            Row::new(format!("{activation:?}, 1 task"), trunk(), tasks(1, &head)),
            Row::new(format!("{activation:?}, 3 tasks"), trunk(), tasks(3, &head)),
        ]
    })
    .collect()
}

/// Each layer, first, between others, last before the heads, and in a head.
fn layers() -> Vec<Row> {
    let tanh = || dense(4, Activation::Tanh);
    let mut rows = Vec::new();
    for (name, layer) in each_layer() {
        let trunk = [layer.clone(), tanh(), layer.clone(), tanh(), layer.clone()];
        let tasks = tasks(3, &[layer, tanh()]);
        let row = Row::new(format!("layer {name}"), Sharing::shared_trunk(trunk), tasks);
        // What is the same in every row, such as a bias, does not outlive a mean that is taken off.
        let takes_means = name == "Centre" || name.starts_with("BatchNorm");
        rows.push(if takes_means { row.allowing_zero() } else { row });
    }
    // So many that no row of seven lies on an edge.
    let bins = || Layer::piecewise_linear(5, 2);
    for (name, sharing) in [
        ("first", Sharing::shared_trunk([bins(), tanh()])),
        ("apart", Sharing::independent([bins()])),
        ("of experts", Sharing::mmoe(2, [bins(), tanh()])),
    ] {
        rows.push(Row::new(
            format!("layer PiecewiseLinear, bins of features, {name}"),
            sharing,
            tasks(3, &[]),
        ));
    }
    let columns = || [(1, 2), (3, 5)];
    let embedding = || Layer::embedding(columns(), 2);
    let numbers = || Layer::from(Embedding::new(columns(), 3).numbers([bins(), tanh()]));
    let experts = || MixtureOfExperts::new(2, [embedding(), tanh()]).gate([numbers()]);
    for (name, sharing, head) in [
        ("first", Sharing::shared_trunk([embedding(), tanh()]), vec![]),
        ("alone", Sharing::shared_trunk([Layer::from(Embedding::new([(1, 2)], 1))]), vec![]),
        ("with bins", Sharing::shared_trunk([numbers()]), vec![tanh()]),
        ("apart", Sharing::independent([numbers(), tanh()]), vec![]),
        ("of experts", experts().into(), vec![]),
        ("in heads", Sharing::shared_trunk(Vec::<Layer>::new()), vec![numbers()]),
        ("before MMoE", Sharing::mmoe(2, [tanh()]).with_stem([numbers()]), vec![]),
        ("before CGC", Sharing::cgc(2, 1, [tanh()]).with_stem([embedding()]), vec![]),
        ("before AdaTT", Sharing::adatt(2, [tanh()]).with_stem([embedding(), tanh()]), vec![]),
        ("before soft sharing", Sharing::soft(0.3, [tanh()]).with_stem([embedding()]), vec![]),
    ] {
        let index_columns = if name == "alone" { vec![(1, 2)] } else { columns().to_vec() };
        let row = Row::new(format!("layer Embedding, {name}"), sharing, tasks(3, &head));
        // Not every index is in every batch.
        rows.push(Row { index_columns, ..row });
    }
    // 70 400 weights: the gradient is computed in two pieces.
    let wide = Sharing::shared_trunk([dense(64, Activation::Tanh)]);
    let batch = Batch { rows: 3, n_features: 1100, size: 0.1, ..PLAIN };
    rows.push(Row::new("layer Dense of two pieces", wide, tasks(2, &[])).on(batch));
    // From width 512 on a chunk has 256 rows.
    let wide = Sharing::shared_trunk([dense(512, Activation::Sigmoid)]);
    rows.push(Row::new("layer Dense, large chunks", wide, tasks(2, &[])).on(Batch { rows: 300, ..PLAIN }));
    rows
}

/// Every member of [`Layer`], four features wide, those with settings in several settings.
pub fn each_layer() -> Vec<(&'static str, Layer)> {
    let tanh = || dense(4, Activation::Tanh);
    vec![
        ("Scale of one's own", Layer::custom(Scale)),
        ("Square", Layer::custom(Square)),
        ("Centre", Layer::custom(Centre)),
        ("Dense", tanh()),
        ("BatchNorm", Layer::batch_norm()),
        ("BatchNorm, a large ε", BatchNorm::new().epsilon(0.5).into()),
        ("Dropout", Layer::dropout(0.3)),
        ("Gated", Layer::gated(4, Activation::Silu)),
        ("Gated, a kink", Layer::gated(4, Activation::Relu)),
        ("Gated, bilinear", Layer::gated(4, Activation::Identity)),
        ("LayerNorm", Layer::layer_norm()),
        ("LayerNorm, a large ε", LayerNorm::new().epsilon(0.5).into()),
        ("ParametricActivation", Layer::parametric(Activation::Mish)),
        ("ParametricActivation, a kink", Layer::parametric(Activation::LeakyRelu { slope: 0.2 })),
        ("ParametricActivation, SELU", Layer::parametric(Activation::Selu)),
        ("Periodic", Periodic::new(2, 1).deviation(0.4).into()),
        ("PiecewiseLinear", PiecewiseLinear::with_edges([-0.5, -0.1, 0.3, 0.35], 1).into()),
        ("Residual", Layer::residual([tanh()])),
        (
            "Residual, deep",
            Layer::residual([
                Layer::layer_norm(),
                Layer::gated(6, Activation::Gelu),
                Layer::dropout(0.2),
                Layer::residual([Layer::parametric(Activation::Elu { alpha: 0.7 }), Layer::scale()]),
                dense(4, Activation::Identity),
            ]),
        ),
        ("Scale", Layer::scale()),
    ]
}

/// Every member of [`Loss`], those with settings in several settings, and how many target columns each has here.
pub fn losses() -> Vec<(Loss, usize)> {
    let class_weights = vec![1.0, 0.5, 2.0, 0.3];
    vec![
        (Loss::mean_squared_error(), 2),
        (Loss::mean_absolute_error(), 2),
        (Loss::huber(0.6), 2),
        (Loss::smooth_l1(0.6), 2),
        (Loss::log_cosh(), 2),
        (Loss::quantiles([0.1, 0.5, 0.9]), 2),
        (Loss::ordered_quantiles([0.1, 0.2, 0.5, 0.8, 0.9]), 2),
        (Loss::poisson(), 2),
        (Loss::gaussian(), 2),
        (Loss::binary_cross_entropy(), 1),
        (Loss::BinaryCrossEntropy { positive_weights: vec![3.0], label_smoothing: 0.0 }, 2),
        (Loss::BinaryCrossEntropy { positive_weights: vec![3.0], label_smoothing: 0.1 }, 2),
        (Loss::BinaryCrossEntropy { positive_weights: vec![3.0, 0.5], label_smoothing: 0.2 }, 2),
        (Loss::BinaryCrossEntropy { positive_weights: vec![3.0, 0.5], label_smoothing: 0.0 }, 2),
        (Loss::binary_focal(), 2),
        (Loss::BinaryFocal { gamma: 0.5, alpha: 0.6, label_smoothing: 0.0 }, 1),
        (Loss::BinaryFocal { gamma: 2.0, alpha: 0.3, label_smoothing: 0.1 }, 2),
        (Loss::cross_entropy(4), 2),
        (Loss::CrossEntropy { classes: 4, class_weights: class_weights.clone(), label_smoothing: 0.1 }, 1),
        (Loss::focal(4), 2),
        (
            Loss::Focal {
                classes: 4,
                class_weights: class_weights.clone(),
                gamma: 0.5,
                label_smoothing: 0.0,
            },
            1,
        ),
        (Loss::Focal { classes: 4, class_weights, gamma: 2.0, label_smoothing: 0.1 }, 2),
        (Loss::ordinal(4), 2),
        (Loss::ordinal(2), 1),
        (Loss::Ordinal { classes: 4, label_smoothing: 0.1 }, 2),
        (Loss::rank_net(), 2),
        (Loss::lambda_rank(), 2),
        (Loss::list_net(), 2),
        (Loss::ListNet { target: ListTarget::Proportion }, 1),
        (Loss::list_mle(), 2),
        (Loss::approx_ndcg(), 1),
        (Loss::ApproxNdcg { temperature: 1.0 }, 2),
        (Loss::custom(Quartic), 2),
    ]
}

/// One loss: plain, beside others with gaps and weights over three chunks, and at logits of ±1000.
fn with_loss((loss, columns): (Loss, usize)) -> [Row; 3] {
    let columns = ["a", "b"][..columns].to_vec();
    let only_order = ranks(&loss);
    let task = || Task::new("task", loss.clone()).columns(columns.clone());
    let trunk = || Sharing::shared_trunk([dense(5, Activation::Silu)]);
    let others = vec![task().weight(0.6), Task::regression("other"), Task::regression("third").weight(2.5)];
    let uneven = Batch { rows: 300, gaps: true, weighted: true, ..PLAIN };
    let extreme = Batch { rows: 19, size: 1e3, ..PLAIN };
    let empty: [Layer; 0] = [];
    // To a ranking loss a bias that moves all scores alike is nothing.
    let zero = |row: Row| if only_order { row.allowing_zero() } else { row };
    [
        zero(Row::new(format!("{loss:?}"), trunk(), vec![task()]).on(Batch { rows: 11, ..PLAIN })),
        zero(Row::new(format!("{loss:?}, gaps and weights"), trunk(), others).on(uneven)),
        Row::new(format!("{loss:?}, extreme"), Sharing::shared_trunk(empty), vec![task()])
            .on(extreme)
            .allowing_zero(),
    ]
}

/// Each sharing form with one and three tasks, with and without hidden layers in the heads.
fn sharing_forms() -> Vec<Row> {
    let trunk = || vec![dense(5, Activation::Tanh), dense(4, Activation::Gelu)];
    let none: [Layer; 0] = [];
    let mut rows = Vec::new();
    for (name, sharing) in [
        ("SharedTrunk", Sharing::shared_trunk(trunk())),
        ("SharedTrunk, empty", Sharing::shared_trunk(none.clone())),
        ("Independent", Sharing::independent(trunk())),
        ("Independent, empty", Sharing::independent(none.clone())),
        ("Custom, a gate per task", Sharing::custom(Gated(trunk()))),
        ("Custom, two trunks", Sharing::custom(TwoTrunks(trunk()))),
        ("Custom, two trunks behind a stem", Sharing::custom(TwoTrunks(trunk())).with_stem(trunk())),
        ("SharedTrunk, empty, behind a stem", Sharing::shared_trunk(none.clone()).with_stem(trunk())),
        ("Independent, empty, behind a stem", Sharing::independent(none.clone()).with_stem(trunk())),
    ]
    .into_iter()
    .chain(mixtures())
    .chain(behind_stems())
    {
        for n in [1, 3] {
            for (head, layers) in [("no", vec![]), ("a", vec![dense(3, Activation::Softplus)])] {
                let row = Row::new(
                    format!("{name}, {n} tasks, {head} hidden head"),
                    sharing.clone(),
                    tasks(n, &layers),
                );
                // With one task nobody reads the second trunk, and a gate over a single expert gives it the share 1 whatever
                // its logit is.
                let is_idle = [
                    "Custom, two trunks",
                    "Custom, two trunks behind a stem",
                    "AdaTT",
                    "AdaTT, three levels",
                    "AdaTT of two levels behind a stem",
                ]
                .contains(&name);
                rows.push(if is_idle && n == 1 { row.allowing_zero() } else { row });
            }
        }
    }
    rows
}

/// The forms between one trunk and a trunk for each task.
pub fn mixtures() -> Vec<(&'static str, Sharing)> {
    let expert = || [dense(5, Activation::Tanh), dense(3, Activation::Gelu)];
    let gate = [dense(3, Activation::Tanh)];
    vec![
        ("MMoE", Sharing::mmoe(3, expert())),
        ("MMoE, hidden layers in the gates", MixtureOfExperts::new(4, expert()).gate(gate).into()),
        ("OMoE", Sharing::omoe(3, expert())),
        ("CrossStitch", Sharing::cross_stitch(expert())),
        ("SoftSharing", Sharing::soft(0.3, expert())),
        ("DSelectK", DSelectK::new(4, 2, expert()).entropy(0.3).into()),
        ("DSelectK, three experts", DSelectK::new(3, 3, expert()).width(0.7).into()),
        ("AdaTT", Sharing::adatt(1, expert())),
        ("AdaTT, two experts", Sharing::adatt(2, expert())),
        ("AdaTT, three levels", AdaTt::new(2, expert()).level(1, expert()).level(2, expert()).into()),
        ("CGC", Sharing::cgc(2, 1, expert())),
        ("PLE, two levels", ProgressiveExtraction::new(1, 2, expert()).level(2, 1, expert()).into()),
        (
            "PLE, three levels",
            ProgressiveExtraction::new(1, 1, expert()).level(2, 1, expert()).level(1, 2, expert()).into(),
        ),
    ]
}

/// Forms behind layers that all tasks share.
pub fn behind_stems() -> Vec<(&'static str, Sharing)> {
    let expert = || [dense(3, Activation::Gelu)];
    let two = || ProgressiveExtraction::new(1, 1, expert()).level(1, 2, expert());
    [
        ("SharedTrunk behind a stem", Sharing::shared_trunk(expert())),
        ("Independent behind a stem", Sharing::independent(expert())),
        ("SoftSharing behind a stem", Sharing::soft(0.3, expert())),
        ("CrossStitch behind a stem", Sharing::cross_stitch(expert())),
        ("MMoE behind a stem", Sharing::mmoe(2, expert())),
        ("OMoE behind a stem", Sharing::omoe(2, expert())),
        ("DSelectK behind a stem", DSelectK::new(3, 2, expert()).entropy(0.3).into()),
        ("CGC behind a stem", Sharing::cgc(1, 1, expert())),
        ("PLE behind a stem", two().into()),
        ("AdaTT behind a stem", Sharing::adatt(2, expert())),
        ("AdaTT of two levels behind a stem", AdaTt::new(1, expert()).level(2, expert()).into()),
    ]
    .map(|(name, form)| (name, form.with_stem([dense(4, Activation::Tanh)])))
    .into()
}

/// Batches of every awkward size, labels of every awkward pattern, weights of tasks from 0 up.
fn batches() -> Vec<Row> {
    let trunk =
        || Sharing::shared_trunk([dense(5, Activation::Relu), dense(4, Activation::Elu { alpha: 1.0 })]);
    let mixed = || {
        vec![
            Task::new("price", Loss::huber(0.6)).weight(0.3).head([dense(3, Activation::Relu)]),
            Task::new("kind", Loss::cross_entropy(3)).weight(2.5),
            Task::new("clicked", Loss::binary_cross_entropy()),
        ]
    };
    let mut rows = Vec::new();
    for n in [1, 2, 255, 256, 257, 300] {
        // One example may leave a rectifier's layer off.
        rows.push(
            Row::new(format!("batch of {n}"), trunk(), mixed())
                .on(Batch { rows: n, ..PLAIN })
                .allowing_zero(),
        );
        rows.push(
            Row::new(format!("batch of {n}, weights"), trunk(), mixed())
                .on(Batch { rows: n, weighted: true, ..PLAIN })
                .allowing_zero(),
        );
    }
    for n in [7, 257, 300] {
        let gaps = Batch { rows: n, gaps: true, ..PLAIN };
        rows.push(Row::new(format!("gaps, batch of {n}"), trunk(), mixed()).on(gaps));
        let unlabelled = Batch { rows: n, first_unlabelled: true, ..PLAIN };
        rows.push(
            Row::new(format!("a task without labels, batch of {n}"), trunk(), mixed())
                .on(unlabelled)
                .allowing_zero(),
        );
    }
    let mut silent = mixed();
    silent[1] = Task::new("kind", Loss::cross_entropy(3)).weight(0.0);
    rows.push(Row::new("a task of weight 0", trunk(), silent).allowing_zero());
    let standardized = Batch { rows: 257, gaps: true, weighted: true, ..PLAIN };
    rows.push(Row { standardizes: true, ..Row::new("standardized", trunk(), mixed()).on(standardized) });
    rows
}

/// Tasks whose outputs are made of those of others: a product, one of a product, and factors without a loss, in each
/// sharing form, with gaps, and several chunks where a form has few parameters.
fn products() -> Vec<Row> {
    let trunk = || vec![dense(4, Activation::Tanh)];
    let tasks = || {
        vec![
            Task::binary("clicked").weight(0.4).head([dense(3, Activation::Silu)]),
            Task::binary("bought_if_clicked").without_loss(),
            Task::product("bought", ["clicked", "bought_if_clicked"]).weight(1.5),
            Task::regression("price"),
            Task::binary("kept_if_bought").weight(0.7),
            Task::product("kept", ["bought", "kept_if_bought"]).weight(2.5),
        ]
    };
    let batch = Batch { rows: 257, gaps: true, weighted: true, ..PLAIN };
    [
        ("SharedTrunk", Sharing::shared_trunk(trunk())),
        ("Independent", Sharing::independent(trunk())),
        ("Custom", Sharing::custom(Gated(trunk()))),
    ]
    .into_iter()
    .chain(
        mixtures().into_iter().filter(|(name, _)| {
            ["MMoE", "PLE, two levels", "DSelectK", "AdaTT, three levels"].contains(name)
        }),
    )
    .map(|(name, sharing)| {
        // A difference for each of a thousand parameters: with all the rows, these two would take a third of the whole table's time.
        let rows = if ["PLE, two levels", "AdaTT, three levels"].contains(&name) { 30 } else { batch.rows };
        Row::new(format!("{name}, products of tasks"), sharing, tasks()).on(Batch { rows, ..batch })
    })
    .collect()
}

fn dense(width: usize, activation: Activation) -> Layer {
    Dense::new(width, activation).init(Init::LeCunNormal).into()
}

/// Regressions with weights 0.5, 1.5 and 2.5.
fn tasks(n: usize, head: &[Layer]) -> Vec<Task> {
    let task = |k: usize| Task::regression(["a", "b", "c"][k]).weight(k as f64 + 0.5).head(head.to_vec());
    (0..n).map(task).collect()
}

fn ranks(loss: &Loss) -> bool {
    use Loss::*;
    matches!(loss, RankNet | LambdaRank | ListNet { .. } | ListMle | ApproxNdcg { .. })
}

/// A label that suits the loss, from two numbers between 0 and 1.
fn label(loss: &Loss, u: f64, v: f64) -> f64 {
    match loss {
        Loss::Poisson => (5.0 * u).floor(),
        Loss::BinaryCrossEntropy { .. } | Loss::BinaryFocal { .. } => (2.0 * u).floor(),
        Loss::CrossEntropy { classes, .. } | Loss::Focal { classes, .. } | Loss::Ordinal { classes, .. } => {
            (*classes as f64 * u).floor()
        }
        _ if ranks(loss) => (4.0 * u).floor(),
        _ => (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos(),
    }
}
