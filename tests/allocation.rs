//! A training step allocates nothing once its memory has been taken: `fit`'s own steps, on one thread and on
//! several, across the short last batch and the reshuffling of an epoch. Nor does a prediction in memory of the caller.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::Array2;
use polytask::GramianScope;
use polytask::balance::{Balance, CaGrad, Famo, GradDrop, PcGrad, UpGrad};
use polytask::layer::{Embedding, PiecewiseLinear};
use polytask::optim::{LazyAdam, ParameterGroups, Sgd};
use polytask::prelude::*;
use polytask::sharing::{AdaTt, ProgressiveExtraction};
use polytask::train::callback::{Budget, Log, TaskSchedule, each_step};
use std::ops::ControlFlow;

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system's allocator as it is; counting does not touch memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as this function's own.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as this function's own.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as this function's own.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    work();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

#[track_caller]
fn assert_no_allocations(name: &str, trainer: &Trainer, model: &mut Model<f32>, data: &Dataset<f32>) {
    let mut run = trainer.start(model, data).expect("valid settings");
    let mut workspace = run.workspace(model, None);
    let mut steps = |n: usize| {
        for _ in 0..n {
            run.step(model, data, &mut workspace).expect("a step");
        }
    };
    // A method asked at every third step fills its buffers in the fourth.
    steps(4);
    assert_eq!(allocations(|| steps(40)), 0, "{name}");
}

/// One program without a harness, because the counter is one for the whole process.
fn main() {
    steady_steps_allocate_nothing();
    predictions_allocate_nothing(1);
    predictions_allocate_nothing(5);
    println!("steps and predictions allocate nothing");
}

fn steady_steps_allocate_nothing() {
    let table = |rows: usize, features: usize| {
        let x = Array2::from_shape_fn((rows, features), |(i, j)| ((i * 7 + j * 3) % 11) as f32 - 5.0);
        let y = Array2::from_shape_fn((rows, 2), |(i, j)| ((i + 2 * j) % 5) as f32);
        Dataset::new(x, y).expect("a table")
    };
    let counted: usize = allocations(|| drop(std::hint::black_box(vec![1_u8; 64])));
    assert_eq!(counted, 1, "the counter counts");

    let over = |over| Trainer::new(Adam::new(1e-3)).balance(CaGrad::new(0.4)).balance_over(over).threads(2);
    for (name, width, rows, batch, trainer) in [
        ("small", 10, 70, 32, Trainer::new(Adam::new(1e-3))),
        ("weighted labels", 10, 70, 32, Trainer::new(Adam::new(1e-3))),
        ("momentum", 10, 70, 32, Trainer::new(Sgd::new(1e-3).momentum(0.9))),
        (
            "groups of parameters",
            200,
            1000,
            600,
            Trainer::new(Adam::new(1e-3))
                .parameter_groups(ParameterGroups::new().no_decay_of_biases().rate("trunk.*", 0.5))
                .threads(2),
        ),
        ("clipped", 10, 70, 32, Trainer::new(Sgd::new(1e-3)).clip_norm(1.0)),
        ("after the step", 10, 70, 32, Trainer::new(Adam::new(1e-3)).balance(Famo::new())),
        ("Gramian", 10, 70, 32, Trainer::new(Adam::new(1e-3)).balance(UpGrad::new())),
        ("now and then", 10, 70, 32, Trainer::new(Adam::new(1e-3)).balance(UpGrad::new().every(3))),
        ("Gramian of chunks", 96, 1000, 600, Trainer::new(Adam::new(1e-3)).balance(PcGrad::new()).threads(2)),
        ("representation", 96, 1000, 600, over(GramianScope::Representation)),
        ("last layer", 96, 1000, 600, over(GramianScope::LastSharedLayer)),
        ("sketch", 96, 1000, 600, over(GramianScope::Sketch { sums: 8, seed: 1 })),
        ("direction", 96, 1000, 600, Trainer::new(Adam::new(1e-3)).aggregate(GradDrop::new(1)).threads(2)),
        ("several chunks", 96, 1000, 600, Trainer::new(Adam::new(1e-3)).threads(1)),
        ("two threads", 96, 1000, 600, Trainer::new(Adam::new(1e-3)).threads(2)),
        ("accumulated", 96, 1000, 100, Trainer::new(Adam::new(1e-3)).accumulate(6).threads(2)),
        ("three threads", 96, 1000, 600, Trainer::new(Adam::new(1e-3)).threads(3)),
    ] {
        let mut data = table(rows, 12);
        if name == "weighted labels" {
            let weights = (0..rows).map(|row| (row % 3) as f32).collect();
            data = data.with_target_weights("y1", weights).expect("weights");
        }
        let mut model = Model::builder(12)
            .trunk([Layer::dense(width, Activation::Relu), Layer::dense(width, Activation::Tanh)])
            .task(Task::regression("y0").head([Layer::dense(width, Activation::Gelu)]))
            .task(Task::regression("y1"))
            .build::<f32>()
            .expect("valid settings");
        let trainer = trainer.batch_size(batch).steps(100);
        assert_no_allocations(name, &trainer, &mut model, &data);
    }

    // Layers other than dense ones.
    let inside = [Layer::layer_norm(), Layer::dense(48, Activation::Selu), Layer::dropout(0.2)];
    let layers = [
        Layer::scale(),
        Layer::gated(48, Activation::Silu),
        Layer::layer_norm(),
        Layer::batch_norm(),
        Layer::parametric(Activation::Mish),
        Layer::periodic(3, 1),
        PiecewiseLinear::with_edges([-0.5, 0.0, 0.1, 1.0], 1).into(),
        Layer::residual(inside),
    ];
    // Layers that read features. One table of vectors is larger than a batch, so its Gramian is had without gradients.
    let mut indexed = table(600, 12).features().to_owned();
    indexed.column_mut(3).iter_mut().enumerate().for_each(|(i, x)| *x = (i % 50) as f32);
    indexed.column_mut(5).iter_mut().enumerate().for_each(|(i, x)| *x = (i * 31 % 2000) as f32);
    let indexed = Dataset::new(indexed, table(600, 12).targets().to_owned());
    let indexed =
        indexed.and_then(|data| data.with_index_columns([("x3", 49), ("x5", 2000)])).expect("a table");
    let numbers = [Layer::piecewise_linear(8, 4), Layer::dropout(0.1)];
    let first = Embedding::new(indexed.index_columns(), 6).numbers(numbers);
    let builder = Model::builder(12).trunk([first.into(), Layer::dense(48, Activation::Relu)]);
    let builder = builder.task(Task::regression("y0")).task(Task::regression("y1"));
    let adam = || Trainer::new(Adam::new(1e-3)).batch_size(200);
    let lazy = || Trainer::new(LazyAdam::new(1e-3)).batch_size(200);
    for trainer in [
        adam(),
        adam().balance(UpGrad::new()),
        lazy().clip_norm(1.0),
        lazy().balance(UpGrad::new()),
        lazy().aggregate(GradDrop::new(1)),
        lazy().batch_size(50).accumulate(4),
    ] {
        let mut model = builder.build::<f32>().expect("valid settings");
        model.fit_scaling(&indexed).expect("a table that fits");
        let trainer = trainer.steps(100).threads(2);
        assert_no_allocations("embeddings", &trainer, &mut model, &indexed);
    }
    // One table for all parts of a form.
    let narrow = || [Layer::dense(24, Activation::Relu)];
    for form in [
        Sharing::independent(narrow()),
        Sharing::mmoe(3, narrow()),
        Sharing::cgc(2, 1, narrow()),
        Sharing::adatt(2, narrow()),
    ] {
        let stem = [Layer::embedding(indexed.index_columns(), 6)];
        let builder = Model::builder(12).sharing(form.with_stem(stem)).task(Task::regression("y0"));
        let builder = builder.task(Task::regression("y1"));
        for trainer in [adam(), adam().balance(UpGrad::new()), lazy().balance(UpGrad::new())] {
            let mut model = builder.build::<f32>().expect("valid settings");
            assert_no_allocations("stems", &trainer.steps(100).threads(2), &mut model, &indexed);
        }
    }
    for trainer in [Trainer::new(Adam::new(1e-3)), Trainer::new(Adam::new(1e-3)).balance(UpGrad::new())] {
        let data = table(600, 12);
        let builder =
            Model::builder(12).trunk(layers.clone()).task(Task::regression("y0").head(layers.clone()));
        let mut model = builder.task(Task::regression("y1")).build::<f32>().expect("valid settings");
        let trainer = trainer.batch_size(200).steps(100).threads(2);
        assert_no_allocations("layers", &trainer, &mut model, &data);
    }

    // Sharing forms, with and without a lane for each task.
    let expert = || [Layer::dense(32, Activation::Relu), Layer::dense(16, Activation::Tanh)];
    for sharing in [
        Sharing::independent(expert()),
        Sharing::cross_stitch(expert()),
        Sharing::mmoe(3, expert()),
        Sharing::omoe(3, expert()),
        Sharing::soft(0.1, expert()),
        Sharing::dselect_k(5, 2, expert()),
        AdaTt::new(2, expert()).level(1, expert()).into(),
        ProgressiveExtraction::new(1, 2, expert()).level(2, 1, expert()).into(),
    ] {
        // Where nothing is shared there is nothing to balance.
        let n = if matches!(sharing, Sharing::Independent(_) | Sharing::SoftSharing(_)) { 1 } else { 2 };
        let adam = || Trainer::new(Adam::new(1e-3));
        for trainer in [adam(), adam().balance(UpGrad::new())].into_iter().take(n) {
            let data = table(600, 12);
            let builder = Model::builder(12).sharing(sharing.clone()).task(Task::regression("y0"));
            let mut model = builder.task(Task::regression("y1")).build::<f32>().expect("valid settings");
            let trainer = trainer.batch_size(200).steps(100).threads(2);
            assert_no_allocations(&format!("{sharing:?}"), &trainer, &mut model, &data);
        }
    }

    // An ensemble, with and without a lane for each task.
    for trainer in [Trainer::new(Adam::new(1e-3)), Trainer::new(Adam::new(1e-3)).balance(UpGrad::new())] {
        let data = table(600, 12);
        let layers = [Layer::dense(32, Activation::Relu), Layer::dense(16, Activation::Tanh)];
        let builder = Model::builder(12).trunk(layers).task(Task::regression("y0"));
        let builder = builder.task(Task::new("y1", Loss::cross_entropy(5))).batch_ensemble(5);
        let mut model = builder.build::<f32>().expect("valid settings");
        let trainer = trainer.batch_size(100).steps(100).threads(2);
        assert_no_allocations("an ensemble", &trainer, &mut model, &data);
    }

    // A table whose columns stand in another order than the model's.
    let data = table(600, 2).with_feature_names(["a", "b"]).expect("names");
    let turned = data.clone().with_feature_names(["b", "a"]).expect("names");
    let builder = Model::builder(2).task(Task::regression("y0")).task(Task::regression("y1"));
    let mut model = builder.standardize().build::<f32>().expect("valid settings");
    model.fit_scaling(&data).expect("a table");
    let mut run = Trainer::new(Adam::new(1e-3)).steps(100).start(&model, &turned).expect("valid settings");
    let mut workspace = run.workspace(&model, None);
    let mut steps = |n: usize| {
        for _ in 0..n {
            run.step(&mut model, &turned, &mut workspace).expect("a step");
        }
    };
    steps(4);
    assert_eq!(allocations(|| steps(40)), 0, "columns in another order");

    let data = polytask::data::datasets::mixed_tasks::<f32>(400, 0.3, 1);
    let on = |name: &str, loss, column: &str| Task::new(name, loss).columns([column]);
    let mut model = Model::builder(8)
        .trunk([Layer::dense(10, Activation::Relu)])
        .task(on("quantiles", Loss::quantiles([0.1, 0.9]), "value"))
        .task(on("in order", Loss::ordered_quantiles([0.1, 0.5, 0.9]), "value"))
        .task(on("normal", Loss::gaussian(), "value"))
        .task(on("classes", Loss::focal(5), "grade"))
        .task(on("ordinal", Loss::ordinal(5), "grade"))
        .task(on("pairs", Loss::rank_net(), "relevance"))
        .task(on("lambda", Loss::lambda_rank(), "relevance"))
        .task(on("net", Loss::list_net(), "relevance"))
        .task(on("likelihood", Loss::list_mle(), "relevance"))
        .task(on("smooth", Loss::approx_ndcg(), "relevance"))
        .task(Task::binary("accepted"))
        .task(Task::binary("second").without_loss())
        .task(Task::product("both", ["accepted", "second"]).columns(["accepted"]))
        .build::<f32>()
        .expect("valid settings");
    let trainer = Trainer::new(Adam::new(1e-3)).batch_size(64).steps(100);
    let mut run = trainer.start(&model, &data).expect("valid settings");
    let mut workspace = run.workspace(&model, None);
    let mut steps = |n: usize| {
        for _ in 0..n {
            run.step(&mut model, &data, &mut workspace).expect("a step");
        }
    };
    // Buffers of lists grow to the longest of an epoch.
    steps(10);
    assert_eq!(allocations(|| steps(40)), 0, "losses");

    let data = table(400, 12);
    let mut model = Model::builder(12).task(Task::regression("y0")).build::<f32>().expect("valid settings");
    let trainer = Trainer::new(Adam::new(1e-3))
        .steps(100)
        .callback(each_step(|_| ControlFlow::Continue(())))
        .callback(Budget::steps(90))
        .callback(TaskSchedule::new("y0", Schedule::exponential(0.99)))
        .callback(Log::new().every_steps(1_000));
    let mut run = trainer.start(&model, &data).expect("valid settings");
    let mut workspace = run.workspace(&model, None);
    let mut steps = |n: usize| {
        for _ in 0..n {
            run.advance(&mut model, &data, None, &mut workspace).expect("a step");
        }
    };
    steps(4);
    assert_eq!(allocations(|| steps(40)), 0, "callbacks");
}

/// Outputs of every kind, of one network or an ensemble, in batches that fit the trace, are smaller, larger than one, and on two threads.
fn predictions_allocate_nothing(members: usize) {
    let model = Model::builder(12)
        .trunk([Layer::dense(96, Activation::Relu)])
        .task(Task::regression("quantity").columns(["a", "b"]))
        .task(Task::binary("whether"))
        .task(Task::classes("kind", 5))
        .task(Task::new("grade", Loss::ordinal(4)))
        .task(Task::new("spread", Loss::gaussian()))
        .task(Task::new("range", Loss::quantiles([0.1, 0.5, 0.9])))
        .standardize()
        .batch_ensemble(members)
        .build::<f32>();
    let mut model = model.expect("valid settings");
    let features = Array2::from_shape_fn((1500, 12), |(i, j)| ((i * 7 + j * 3) % 11) as f32 - 5.0);
    let targets = Array2::from_shape_fn((1500, 7), |(i, j)| if j < 2 { i as f32 } else { (i % 2) as f32 });
    let data = Dataset::new(features.clone(), targets).expect("a table");
    let names = ["a", "b", "whether", "kind", "grade", "spread", "range"];
    model.fit_scaling(&data.with_target_names(names).expect("names")).expect("data");

    for (rows, capacity, threads) in
        [(1, 1, 1), (1, 40, 1), (40, 40, 1), (7, 40, 1), (1500, 1500, 1), (1500, 1024, 2), (256, 100, 1)]
    {
        let mut trace = model.trace(capacity).threads(threads);
        let mut to: Vec<Array2<f32>> =
            (0..6).map(|task| Array2::from_elem((rows, model.prediction_width(task)), f32::NAN)).collect();
        let mut views: Vec<_> = to.iter_mut().map(|to| to.view_mut()).collect();
        let features = features.slice(ndarray::s![..rows, ..]);
        let mut predict = || model.predict_into(features, &mut trace, &mut views).expect("a prediction");
        predict();
        assert_eq!(allocations(predict), 0, "{rows} rows in a trace for {capacity}");
        let expected = model.predict(features).expect("a prediction");
        for ((name, expected), found) in expected.iter().zip(&to) {
            assert!(expected == found, "{name}: {rows} rows in a trace for {capacity}");
        }

        // The same where nobody knows the tasks before: one value holds all, whatever it held before.
        let mut reused = model.predictions(rows.max(3));
        let few = features.slice(ndarray::s![..rows.min(3), ..]);
        model.predict_reusing(few, &mut trace, &mut reused).expect("a prediction");
        let mut predict = || model.predict_reusing(features, &mut trace, &mut reused).expect("a prediction");
        predict();
        assert_eq!(allocations(predict), 0, "{rows} rows in a trace for {capacity}, by name");
        let mut fewer = || model.predict_reusing(few, &mut trace, &mut reused).expect("a prediction");
        assert_eq!(allocations(&mut fewer), 0, "fewer than {rows} rows in a trace for {capacity}, by name");
        model.predict_reusing(features, &mut trace, &mut reused).expect("a prediction");
        for ((name, expected), (_, found)) in expected.iter().zip(reused.iter()) {
            assert!(expected == found, "{name}: {rows} rows in a trace for {capacity}, by name");
        }
    }
}
