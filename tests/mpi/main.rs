//! Processes as ranks do what threads as ranks do, to the bit; one that dies ends all and leaves a checkpoint whole.
//!
//! The program starts itself with `mpirun`, on 1, 2 and 4 processes, and compares what they write with what threads come to.
//! Where there is no `mpirun`, it says so and passes.

#[path = "../it/balancers/aggregates.rs"]
#[allow(dead_code, unused_imports)]
mod aggregates;
#[path = "../it/balancers/members.rs"]
#[allow(dead_code, unused_imports)]
mod members;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use polytask::prelude::*;
use polytask::ranks::{Exchange, ProcessRank, Ranks, on_processes, on_threads};
use polytask::train::Checkpoints;
use polytask::train::callback::each_step;
use polytask::{Error, ErrorKind, Result};

use aggregates::aggregates;
use members::{TASKS, members};

/// What a process that `mpirun` starts is to do, and the folder for what comes of it.
const WORK: &str = "POLYTASK_MPI_WORK";
const FOLDER: &str = "POLYTASK_MPI_FOLDER";

fn main() {
    if let Ok(work) = env::var(WORK) {
        let folder = PathBuf::from(env::var_os(FOLDER).expect("a folder"));
        if let Err(error) = on_processes(|ranks| child(&work, &folder, ranks)) {
            eprintln!("{error}");
            std::process::exit(1);
        }
        return;
    }
    if Command::new("mpirun").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("SKIPPED: there is no mpirun (Debian's packages openmpi-bin and libopenmpi-dev)");
        return;
    }
    let tests: [(&str, fn(&Path)); 6] = [
        ("sums", sums_are_in_order),
        ("one training", one_training_is_that_of_threads),
        ("every method", every_method_is_that_of_threads),
        ("members", an_estimator_is_that_of_one_process),
        ("errors and panics", what_fails_ends_all),
        ("a rank is killed", a_killed_rank_leaves_a_checkpoint),
    ];
    for (name, test) in tests {
        let folder = env::temp_dir().join(format!("polytask-mpi-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let begun = Instant::now();
        test(&folder);
        fs::remove_dir_all(&folder).expect("a folder");
        println!("{name}: ok, {:.1?}", begun.elapsed());
    }
}

/// Runs a piece of work on that many processes. Whether they ended well, and what they wrote to the error stream.
fn mpirun(n: usize, work: &str, folder: &Path) -> (bool, String) {
    let mut run = Command::new("mpirun")
        .args(["-n", &n.to_string()])
        .arg(env::current_exe().expect("this program"))
        // Open MPI's ways to run as root, as containers do, and more processes than processors.
        .envs(["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"].map(|name| (name, "1")))
        .envs(["OMPI_MCA_rmaps_base_oversubscribe", "OMPI_MCA_mpi_yield_when_idle"].map(|name| (name, "1")))
        .env("OMPI_MCA_btl_vader_single_copy_mechanism", "none")
        .env(WORK, work)
        .env(FOLDER, folder)
        .stderr(fs::File::create(folder.join("errors")).expect("a file"))
        .spawn()
        .expect("mpirun");
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = run.try_wait().expect("mpirun") {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(60) {
            run.kill().expect("mpirun");
            panic!("{work} on {n} processes hangs");
        }
        thread::sleep(Duration::from_millis(5));
    };
    (status.success(), fs::read_to_string(folder.join("errors")).expect("a text"))
}

#[track_caller]
fn mpirun_well(n: usize, work: &str, folder: &Path) -> Vec<Vec<u64>> {
    let (is_well, errors) = mpirun(n, work, folder);
    assert!(is_well, "{work} on {n}: {errors}");
    let of_rank = |rank: usize| {
        let bytes = fs::read(folder.join(format!("{work}-{rank}"))).expect("what the rank came to");
        bytes.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word)).collect()
    };
    (0..n).map(of_rank).collect()
}

/// What a process does; it writes the bits that it comes to.
fn child(work: &str, folder: &Path, ranks: ProcessRank) -> Result<()> {
    let rank = ranks.rank();
    let bits = match work {
        "sums" => sums(ranks)?,
        "train" => train(&trainer(), ranks)?,
        "methods" => methods(ranks)?,
        "members" => estimator(ranks)?,
        "error" if rank == 1 => return Err(Error::new(ErrorKind::File, "part-1.csv", "a file", "none")),
        "panic" if rank == 1 => panic!("rank 1 has a bug"),
        "error" | "panic" => train(&trainer(), ranks)?,
        "kill" | "resume" => {
            let is_to_die = work == "kill";
            let dies = each_step(move |at| {
                if is_to_die && (rank, at.step) == (1, 23) {
                    // As the system does to a process that takes too much memory.
                    Command::new("kill")
                        .args(["-9", &std::process::id().to_string()])
                        .status()
                        .expect("kill");
                }
                ControlFlow::Continue(())
            });
            train(&kept_in(folder).callback(dies), ranks)?
        }
        _ => panic!("unknown work: {work}"),
    };
    let bytes: Vec<u8> = bits.iter().flat_map(|word| word.to_le_bytes()).collect();
    fs::write(folder.join(format!("{work}-{rank}")), bytes).expect("a folder");
    Ok(())
}

fn sums(ranks: impl Ranks + 'static) -> Result<Vec<u64>> {
    let (rank, mut exchange) = (ranks.rank(), Exchange::new(ranks));
    let mut bits = Vec::new();
    for len in [1, 1000, 1_500_000] {
        let mut numbers: Vec<f32> =
            (0..len).map(|i| (1.0 + i as f32) * [1e8, 1.25, -1e8, 3.5][rank]).collect();
        exchange.sum(&mut numbers)?;
        bits.extend(numbers.iter().step_by(97).map(|x| u64::from(x.to_bits())));
        exchange.broadcast(&mut numbers)?;
    }
    Ok(bits)
}

fn data() -> Dataset<f64> {
    let arm = datasets::robot_arm::<f64>(200, 0.05, 7);
    let targets = ndarray::Array2::from_shape_fn((200, TASKS), |(row, k)| match (row % 5, k) {
        (0, 0) | (1, 3) => f64::NAN,
        (_, 1) => f64::from(u8::from(arm.target_row(row)[1] > 0.0)),
        _ => arm.target_row(row)[k % 2],
    });
    let data = Dataset::new(arm.features().to_owned(), targets).expect("a table");
    data.with_target_names(["a", "b", "c", "d"]).expect("names")
}

fn model() -> Model<f64> {
    let tasks = [Task::regression("a"), Task::binary("b"), Task::regression("c"), Task::regression("d")];
    let builder = Model::builder(10).trunk([Layer::dense(12, Activation::Tanh), Layer::dropout(0.1)]);
    tasks.into_iter().fold(builder, polytask::ModelBuilder::task).seed(3).build().expect("valid settings")
}

fn trainer() -> Trainer {
    Trainer::new(Adam::new(0.01)).batch_size(30).steps(100).seed(5)
}

fn kept_in(folder: &Path) -> Trainer {
    let kept = folder.join("kept");
    trainer().checkpoint(Checkpoints::new(&kept).every_steps(5).keep_last(2)).resume_from(kept)
}

fn train(trainer: &Trainer, ranks: impl Ranks + 'static) -> Result<Vec<u64>> {
    let mut model = model();
    if ranks.rank() > 0 {
        model.parameters_mut().fill(1.0);
    }
    let history = trainer.clone().ranks(ranks).fit(&mut model, &data())?;
    Ok(model.parameters().iter().chain(history.losses().iter()).map(|x| x.to_bits()).collect())
}

fn methods(ranks: impl Ranks + Clone + 'static) -> Result<Vec<u64>> {
    let balances = members().into_iter().map(|member| trainer().balance(member.method));
    let along = aggregates().into_iter().map(|(method, _)| trainer().aggregate(method));
    let all = balances.chain(along).map(|trainer| train(&trainer.steps(20), ranks.clone()));
    Ok(all.collect::<Result<Vec<_>>>()?.concat())
}

fn estimator(ranks: impl Ranks + 'static) -> Result<Vec<u64>> {
    let settings = MultiTaskRegressor::new().hidden([6]).members(5).folds(3).epochs(3).threads(1);
    let table = datasets::robot_arm::<f64>(60, 0.05, 3);
    let bytes = settings.fit_over(&table, ranks)?.to_bytes()?;
    Ok(bytes.iter().map(|&byte| u64::from(byte)).collect())
}

/// Each of the ranks that are processes has the bits of the ranks that are threads.
#[track_caller]
fn same<W>(work: &str, folder: &Path, on_thread: W)
where
    W: Fn(polytask::ranks::ThreadRank) -> Result<Vec<u64>> + Sync,
{
    for n in [1, 2, 4] {
        let threads = on_threads(n, &on_thread).expect("threads");
        assert!(threads.iter().all(|bits| *bits == threads[0]), "{work}: threads differ");
        assert!(mpirun_well(n, work, folder) == threads, "{work} on {n}");
    }
}

fn sums_are_in_order(folder: &Path) {
    same("sums", folder, sums);
}

fn one_training_is_that_of_threads(folder: &Path) {
    same("train", folder, |ranks| train(&trainer(), ranks));
    let alone = train(&trainer(), polytask::ranks::Alone).expect("a training");
    for n in [1, 2, 4] {
        let ranks = mpirun_well(n, "train", folder);
        assert!(n > 1 || ranks[0] == alone, "one rank has the bits of no ranks");
        assert!(ranks.iter().all(|bits| *bits == ranks[0]), "ranks differ");
        let far = far(&ranks[0], &alone);
        println!("  {n} processes after 100 steps: {far:.1e} of the length of θ from one process");
        assert!(far < 1e-10);
    }
}

/// How far θ is from another, in lengths of it.
fn far(bits: &[u64], other: &[u64]) -> f64 {
    let n = model().n_parameters();
    let (theta, other) = (&bits[..n], &other[..n]);
    let numbers = || theta.iter().zip(other).map(|(&a, &b)| (f64::from_bits(a), f64::from_bits(b)));
    let (length, distance) = (numbers().map(|(a, _)| a * a), numbers().map(|(a, b)| (a - b) * (a - b)));
    distance.sum::<f64>().sqrt() / length.sum::<f64>().sqrt()
}

fn every_method_is_that_of_threads(folder: &Path) {
    same("methods", folder, methods);
}

fn an_estimator_is_that_of_one_process(folder: &Path) {
    same("members", folder, estimator);
}

fn what_fails_ends_all(folder: &Path) {
    for (work, word) in [("error", "part-1.csv: expected a file, found none"), ("panic", "rank 1 has a bug")]
    {
        let (is_well, errors) = mpirun(3, work, folder);
        assert!(!is_well && errors.contains(word), "{work}: {errors}");
    }
}

fn a_killed_rank_leaves_a_checkpoint(folder: &Path) {
    let alone = train(&trainer(), polytask::ranks::Alone).expect("a training");
    let straight = on_threads(3, |ranks| train(&trainer(), ranks)).expect("threads");
    for n in [1, 2, 3, 4] {
        let (is_well, _) = mpirun(3, "kill", folder);
        assert!(!is_well, "a process was killed");
        let steps = fs::read_dir(folder.join("kept")).expect("checkpoints");
        let names = steps.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let newest = names.filter(|name| name.ends_with(".safetensors")).max().expect("a checkpoint");
        assert_eq!(newest, "step-000000000020.safetensors");
        let ranks = mpirun_well(n, "resume", folder);
        assert!(n != 3 || ranks == straight, "as many ranks have the bits of a training without the kill");
        let far = far(&ranks[0], &alone);
        println!("  killed on 3, resumed on {n}: {far:.1e} of the length of θ from one process");
        assert!(far < 1e-10 && ranks.iter().all(|bits| *bits == ranks[0]));
        fs::remove_dir_all(folder.join("kept")).expect("a folder");
    }
}
