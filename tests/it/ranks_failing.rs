//! What cannot be shared with other ranks is refused, what fails on one ends all, and what was saved goes on.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use polytask::balance::UpGrad;
use polytask::data::{Batch, Names, Order, Source, TableSource};
use polytask::layer::BatchNorm;
use polytask::prelude::*;
use polytask::ranks::{Exchange, Ranks, ThreadRank, on_threads};
use polytask::together::TogetherOrApart;
use polytask::train::callback::each_step;
use polytask::train::{Affinity, Checkpoints};
use polytask::{Error, ErrorKind, GramianScope, ModelBuilder, Result};

fn data() -> Dataset<f64> {
    datasets::robot_arm(120, 0.05, 1)
}

fn builder() -> ModelBuilder {
    let trunk = [Layer::dense(8, Activation::Tanh)];
    Model::builder(10).trunk(trunk).task(Task::regression("shoulder")).task(Task::regression("elbow"))
}

fn trainer() -> Trainer {
    Trainer::new(Adam::new(0.01)).batch_size(30).epochs(6)
}

/// The error of each of three ranks.
fn errors(work: impl Fn(ThreadRank) -> Result<()> + Sync) -> Vec<Error> {
    on_threads(3, |ranks| Ok(work(ranks).expect_err("every rank ends with an error"))).unwrap()
}

fn fit(builder: &ModelBuilder, trainer: &Trainer, ranks: ThreadRank) -> Result<()> {
    let mut model: Model<f64> = builder.build()?;
    trainer.clone().ranks(ranks).fit(&mut model, &data()).map(drop)
}

#[test]
fn what_cannot_be_shared_is_refused_with_what_to_do() {
    let normalised = |layer: BatchNorm| builder().trunk([Layer::dense(8, Activation::Tanh), layer.into()]);
    let sketch = GramianScope::Sketch { sums: 4, seed: 1 };
    for (builder, trainer, advice) in [
        (normalised(BatchNorm::new()), trainer(), "use layer normalisation"),
        (normalised(BatchNorm::new().per_part()), trainer(), "use layer normalisation"),
        (
            builder(),
            trainer().balance(UpGrad::new()).balance_over(sketch),
            "use GramianScope::SharedParameters",
        ),
    ] {
        for error in errors(|ranks| fit(&builder, &trainer, ranks)) {
            assert!(error.kind() == ErrorKind::Setting && error.to_string().contains(advice), "{error}");
        }
        let mut model: Model<f64> = builder.build().unwrap();
        trainer.fit(&mut model, &data()).expect("possible in one process");
    }
    // Without a Gramian nothing is sketched.
    on_threads(2, |ranks| fit(&builder(), &trainer().balance_over(sketch), ranks)).unwrap();

    let table = datasets::robot_arm::<f64>(30, 0.05, 1);
    let index = ndarray::Array2::from_shape_fn((30, 1), |(row, _)| (row % 5) as f64);
    let indexed = Dataset::new(index, table.targets().to_owned()).unwrap();
    let indexed = indexed.with_target_names(["shoulder", "elbow"]).unwrap();
    for error in errors(|ranks| {
        let mut model = Model::builder(1)
            .trunk([Layer::embedding([(0, 5)], 2), Layer::dense(3, Activation::Tanh)])
            .task(Task::regression("elbow"))
            .build::<f64>()?;
        Trainer::new(LazyAdam::new(0.01)).ranks(ranks).fit(&mut model, &indexed).map(drop)
    }) {
        assert!(error.to_string().contains("LazyAdam, with tables of vectors (use Adam"), "{error}");
    }
}

#[test]
fn jobs_that_train_several_models_take_no_ranks() {
    for error in errors(|ranks| {
        let trainer = trainer().ranks(ranks);
        let tasks = ["shoulder", "elbow"].map(Task::regression);
        let together = TogetherOrApart::new(tasks).hidden([4]).trainer(trainer.clone()).run(&data());
        let mut model: Model<f64> = builder().build()?;
        assert!(Affinity::measure(&trainer, &mut model, &data(), 2).is_err());
        together.map(drop)
    }) {
        assert!(error.to_string().contains("found ranks"), "{error}");
    }
}

#[test]
fn ranks_begin_alike_or_not_at_all() {
    type Differ = fn(usize, ModelBuilder, Trainer) -> (ModelBuilder, Trainer, usize);
    let differ: [(&str, Differ); 4] = [
        ("settings of the trainer", |rank, builder, trainer| (builder, trainer.seed(rank as u64 / 2), 120)),
        ("settings of the trainer", |rank, builder, trainer| {
            (builder, if rank == 2 { trainer.balance(UpGrad::new()) } else { trainer }, 120)
        }),
        ("model", |rank, builder, trainer| {
            (
                if rank == 2 {
                    builder.trunk([Layer::dense(8, Activation::Relu), Layer::dense(2, Activation::Relu)])
                } else {
                    builder
                },
                trainer,
                120,
            )
        }),
        ("data", |rank, builder, trainer| (builder, trainer, 120 + rank / 2)),
    ];
    for (what, differ) in differ {
        for error in errors(|ranks| {
            let (builder, trainer, rows) = differ(ranks.rank(), builder(), trainer());
            let mut model: Model<f64> = builder.build()?;
            let data = datasets::robot_arm(rows, 0.05, 1);
            trainer.ranks(ranks).fit(&mut model, &data).map(drop)
        }) {
            let text = error.to_string();
            assert!(text.contains(&format!("rank 2, {what}: expected what rank 0 has")), "{text}");
        }
    }
    // Run by hand, nothing is broadcast, but what differs is found.
    for error in errors(|ranks| {
        let model: Model<f64> = builder().seed(ranks.rank() as u64).build()?;
        let mut run = trainer().ranks(ranks).start(&model, &data())?;
        let mut workspace = run.workspace(&model, None);
        run.step(&mut model.clone(), &data(), &mut workspace)
    }) {
        assert!(error.to_string().contains("rank 1, parameters: expected those of rank 0"), "{error}");
    }
}

/// Runs by hand have the bits of `fit`; a workspace may be that of a run in one process.
#[test]
fn steps_can_be_taken_by_hand() {
    let by_hand = on_threads(3, |ranks| {
        let mut model: Model<f64> = builder().build()?;
        let alone = trainer().start(&model, &data())?;
        let mut workspace = alone.workspace(&model, None);
        let mut run = trainer().ranks(ranks).start(&model, &data())?;
        while !run.is_finished() {
            run.advance(&mut model, &data(), None, &mut workspace)?;
        }
        run.finish(&mut model)?;
        Ok(model.parameters().to_vec())
    })
    .unwrap();
    let fitted = on_threads(3, |ranks| {
        let mut model: Model<f64> = builder().build()?;
        trainer().ranks(ranks).fit(&mut model, &data())?;
        Ok(model.parameters().to_vec())
    })
    .unwrap();
    assert!(by_hand == fitted && fitted[0] == fitted[2]);
}

/// A table of which one rank cannot read the fourth batch.
#[derive(Debug)]
struct Torn<'a> {
    table: TableSource<'a, f64>,
    left: usize,
}

impl Source<f64> for Torn<'_> {
    fn names(&self) -> &Arc<Names> {
        self.table.names()
    }
    fn n_rows(&self) -> Option<usize> {
        self.table.n_rows()
    }
    fn begin(&mut self, order: Order) -> Result<()> {
        self.table.begin(order)
    }
    fn advance(&mut self) -> Result<()> {
        self.left -= 1;
        match self.left {
            0 => Err(Error::new(ErrorKind::File, "part.csv, line 7", "a number", "`x`")),
            _ => self.table.advance(),
        }
    }
    fn batch(&self) -> Batch<'_, f64> {
        self.table.batch()
    }
    fn epoch(&self) -> u64 {
        self.table.epoch()
    }
    fn position(&self) -> usize {
        self.table.position()
    }
    fn epoch_finished(&self) -> bool {
        self.table.epoch_finished()
    }
    fn seek(&mut self, epoch: u64, position: usize) -> Result<()> {
        self.table.seek(epoch, position)
    }
    fn fingerprint(&self) -> u64 {
        self.table.fingerprint()
    }
}

#[test]
fn what_fails_on_one_rank_ends_all_and_names_it() {
    let data = data();
    // A source that cannot be read, before the first step or between two.
    for left in [1, 4] {
        let found = errors(|ranks| {
            let left = if ranks.rank() == 1 { left } else { 1000 };
            let mut source = Torn { table: data.source(), left };
            let mut model: Model<f64> = builder().build()?;
            trainer().ranks(ranks).fit_source(&mut model, &mut source, None).map(drop)
        });
        for error in found {
            let text = error.to_string();
            let is_named = text.starts_with("rank 1") && text.contains("part.csv, line 7: expected a number");
            assert!(is_named && error.kind() == ErrorKind::File, "{text}");
        }
    }
    // A loss that is not finite for the rows of one rank: the last of the batch.
    let mut x = data.features().to_owned();
    x.row_mut(119).fill(1e300);
    let wild = Dataset::new(x, data.targets().to_owned()).unwrap();
    let wild = wild.with_target_names(["shoulder", "elbow"]).unwrap();
    let builder = builder().trunk([Layer::dense(4, Activation::Identity)]);
    for trainer in [trainer().in_order(), trainer().in_order().balance(UpGrad::new())] {
        let found = errors(|ranks| {
            let mut model: Model<f64> = builder.build()?;
            let trunk = model.parameters().to_vec();
            let error = trainer.clone().ranks(ranks).fit(&mut model, &wild).map(drop);
            assert!(model.parameters() != trunk, "three steps were taken before {error:?}");
            error
        });
        for error in found {
            let text = error.to_string();
            assert!(text.starts_with("rank 2") && text.contains("at step 4"), "{text}");
        }
    }
    // A callback that fails, or stops.
    let failing = |rank: usize| {
        polytask::train::callback::each_step(move |at| match (rank, at.step) {
            (1, 5) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    };
    let stopped = on_threads(3, |ranks| {
        let (mut model, rank): (Model<f64>, _) = (self::builder().build()?, ranks.rank());
        let history = trainer().ranks(ranks).callback(failing(rank)).fit(&mut model, &data)?;
        Ok((history.n_steps(), history.stopped_by().map(str::to_owned), model.parameters().to_vec()))
    })
    .unwrap();
    assert!(stopped[0].0 == 5 && stopped[0].1.is_some() && stopped.iter().all(|other| *other == stopped[0]));
}

#[test]
fn a_rank_that_is_gone_ends_the_others() {
    let steps = AtomicUsize::new(0);
    let error = on_threads(3, |ranks| {
        let (rank, mut model) = (ranks.rank(), builder().build::<f64>()?);
        let mut run = trainer().ranks(ranks).start(&model, &data())?;
        let mut workspace = run.workspace(&model, None);
        while !run.is_finished() {
            if rank == 1 && run.history().n_steps() == 3 {
                return Ok(());
            }
            run.step(&mut model, &data(), &mut workspace)?;
            steps.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })
    .unwrap_err();
    assert_eq!((error.kind(), steps.load(Ordering::Relaxed)), (ErrorKind::Rank, 9));
    assert!(
        error.to_string().contains("rank 1: expected an exchange with the others, found that it has ended")
    );

    let panics = std::panic::catch_unwind(|| {
        on_threads(2, |ranks| {
            assert!(ranks.rank() == 0, "rank 1 has a bug");
            Exchange::new(ranks).sum(&mut [1.0_f64])
        })
    });
    assert!(panics.is_err(), "the panic of a rank is that of all");
    let other_work = on_threads(2, |ranks| {
        let len = 1 + ranks.rank();
        Exchange::new(ranks).sum(&mut vec![1.0_f64; len])
    });
    assert!(other_work.unwrap_err().to_string().contains("the same work in the same order"));
    assert!(on_threads(0, |_| Ok(())).is_err());
}

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("polytask-ranks-{name}-{}", std::process::id()))
}

#[test]
fn checkpoints_are_written_once_and_taken_up_by_any_number_of_ranks() {
    let data = data();
    let kept = folder("resume");
    let checkpoints = || Checkpoints::new(&kept).every_steps(4).keep_last(2).keep_best();
    let fit = |ranks: usize, trainer: &Trainer| {
        let fitted = on_threads(ranks, |rank| {
            let mut model: Model<f64> = builder().standardize().build()?;
            let history = trainer.clone().ranks(rank).fit_validated(&mut model, &data, &data)?;
            Ok((model.parameters().to_vec(), history.losses().to_owned()))
        });
        let fitted = fitted.unwrap();
        assert!(fitted.iter().all(|other| *other == fitted[0]));
        fitted.into_iter().next().unwrap()
    };
    let straight = fit(3, &trainer());
    let resuming = || trainer().checkpoint(checkpoints()).resume_from(&kept);
    fit(3, &resuming().epochs(2));
    let names: Vec<String> = std::fs::read_dir(&kept)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".safetensors"))
        .collect();
    assert_eq!(names.len(), 3, "two steps and the best: {names:?}");
    // On as many ranks: to the bit. On others: up to rounding.
    let (other, copy) = (folder("other"), folder("copy"));
    for to in [&other, &copy] {
        std::fs::create_dir_all(to).unwrap();
        for name in &names {
            std::fs::copy(kept.join(name), to.join(name)).unwrap();
        }
    }
    assert_eq!(fit(3, &resuming()), straight);
    let on_two = fit(2, &trainer().checkpoint(Checkpoints::new(&other)).resume_from(&other));
    let on_one = fit(1, &trainer().checkpoint(Checkpoints::new(&copy)).resume_from(&copy));
    for (theta, losses) in [on_two, on_one] {
        assert_eq!(losses.dim(), straight.1.dim());
        assert!(theta.iter().zip(&straight.0).all(|(a, b)| (a - b).abs() < 1e-10));
    }
    // A folder that is taken is refused on every rank, and so is a checkpoint that cannot be written.
    for error in errors(|ranks| {
        let mut model: Model<f64> = builder().standardize().build()?;
        trainer().checkpoint(checkpoints()).ranks(ranks).fit_validated(&mut model, &data, &data).map(drop)
    }) {
        assert!(error.kind() == ErrorKind::File && error.to_string().starts_with("rank 0"), "{error}");
    }
    let broken = folder("broken");
    for error in errors(|ranks| {
        let mut model: Model<f64> = builder().build()?;
        let inside = broken.clone();
        let spoil = each_step(move |at| {
            if at.step == 3 {
                let _ = std::fs::remove_dir_all(&inside);
            }
            ControlFlow::Continue(())
        });
        let keep = Checkpoints::new(&broken).every_steps(4);
        trainer().checkpoint(keep).callback(spoil).ranks(ranks).fit(&mut model, &data).map(drop)
    }) {
        assert!(error.kind() == ErrorKind::File && error.to_string().starts_with("rank 0"), "{error}");
    }
    for folder in [kept, other, copy] {
        std::fs::remove_dir_all(folder).unwrap();
    }
}

/// A step on shards is that of one process on the batch that their batches make.
#[test]
fn shards_learn_what_a_table_of_all_would() {
    let data = datasets::robot_arm::<f64>(120, 0.05, 1);
    let shard = |rank: usize, of: usize| {
        let rows: Vec<usize> = (120 * rank / of..120 * (rank + 1) / of).collect();
        data.select(&rows)
    };
    let build = || -> Result<Model<f64>> {
        let trunk = [Layer::dense(8, Activation::Tanh), Layer::dropout(0.2)];
        let mut model = builder().trunk(trunk).standardize().build()?;
        model.fit_scaling(&data)?;
        Ok(model)
    };
    for trainer in [
        trainer().in_order(),
        trainer().in_order().batch_size(15).accumulate(2),
        trainer().in_order().balance(UpGrad::new()),
    ] {
        // In the order of the table, step s of three shards has rows 10 s of each.
        let mut order = Vec::new();
        for step in 0..4 {
            (0..3).for_each(|rank| order.extend(40 * rank + 10 * step..40 * rank + 10 * (step + 1)));
        }
        let mut alone = build().unwrap();
        trainer.fit(&mut alone, &data.select(&order)).unwrap();
        for from_source in [false, true] {
            let models = on_threads(3, |ranks| {
                let (mut model, own) = (build()?, shard(ranks.rank(), 3));
                let trainer = trainer.clone().shards(ranks);
                match from_source {
                    false => trainer.fit(&mut model, &own)?,
                    true => trainer.fit_source(&mut model, &mut own.source(), None)?,
                };
                Ok(model.parameters().to_vec())
            })
            .unwrap();
            assert!(models.iter().all(|model| *model == models[0]));
            let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-10;
            assert!(models[0].iter().zip(alone.parameters()).all(near), "{trainer:?}");
        }
    }
    for error in errors(|ranks| {
        let mut model: Model<f64> = Model::builder(10).task(Task::ranking("elbow")).build()?;
        trainer().shards(ranks.clone()).fit(&mut model, &shard(ranks.rank(), 3)).map(drop)
    }) {
        assert!(error.to_string().contains("give them with Dataset::with_groups"), "{error}");
    }
    let refused: [(&str, fn(Trainer) -> Trainer, usize, bool); 4] = [
        ("a multiple of 3", |trainer| trainer.batch_size(32), 120, true),
        ("end of the epoch", |trainer| trainer, 110, true),
        ("call Model::fit_scaling with a sample", |trainer| trainer, 120, false),
        ("load the checkpoint as a model", |trainer| trainer.resume_from(folder("shards")), 120, true),
    ];
    for (word, change, rows, is_fitted) in refused {
        for error in errors(|ranks| {
            let own = shard(ranks.rank(), 3);
            let n = if ranks.rank() == 2 { rows - 80 } else { 40 };
            let own = own.select(&(0..n).collect::<Vec<_>>());
            let mut model = if is_fitted { build()? } else { builder().standardize().build()? };
            change(trainer()).shards(ranks).fit(&mut model, &own).map(drop)
        }) {
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
