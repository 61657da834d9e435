//! A training that is killed at any moment (SIGKILL) leaves a checkpoint from which it ends as if nothing had been.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use polytask::balance::GradNorm;
use polytask::prelude::*;
use polytask::train::Checkpoints;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Says to the child which folder is its own.
const FOLDER: &str = "POLYTASK_KILLED_FOLDER";

fn data() -> Dataset<f32> {
    datasets::robot_arm(200, 0.05, 42)
}

fn model() -> Model<f32> {
    let builder = Model::builder(10)
        .trunk([Layer::dense(24, Activation::Relu)])
        .task(Task::regression("shoulder"))
        .task(Task::regression("elbow"))
        .standardize();
    builder.build().expect("valid settings")
}

/// A state of every kind: moments, a schedule, a balance that learns, batches that do not divide the rows.
fn trainer() -> Trainer {
    let trainer = Trainer::new(Adam::new(0.01)).schedule(Schedule::cosine(30, 0.1)).balance(GradNorm::new());
    trainer.batch_size(32).steps(40).threads(1)
}

/// Goes on from what is in the folder, to the end, or until it is killed.
fn train_in(folder: &Path) {
    let checkpoints = Checkpoints::new(folder).every_steps(1).keep_last(2);
    trainer().checkpoint(checkpoints).resume_from(folder).fit(&mut model(), &data()).expect("a training");
}

/// Not a test by itself: what the other tests start and kill.
#[test]
fn the_child() {
    if let Some(folder) = env::var_os(FOLDER) {
        train_in(Path::new(&folder));
    }
}

fn bits(folder: Option<&Path>) -> Vec<u64> {
    let trainer = folder.map_or(trainer(), |folder| trainer().resume_from(folder));
    let mut model = model();
    let history = trainer.fit(&mut model, &data()).expect("a training");
    let numbers =
        history.losses().into_iter().chain(history.weights()).map(|x| x.to_bits()).collect::<Vec<_>>();
    model.parameters().iter().map(|x| u64::from(x.to_bits())).chain(numbers).collect()
}

fn child(folder: &Path) -> Command {
    let mut child = Command::new(env::current_exe().expect("this program"));
    child
        .args(["--exact", "killed::the_child"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    child
}

fn kill_at_moments(n: usize, seed: u64) {
    let straight = bits(None);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let folder = |i: usize| -> PathBuf {
        env::temp_dir().join(format!("polytask-killed-{seed}-{}-{i}", std::process::id()))
    };
    let begun = Instant::now();
    assert!(child(&folder(0)).status().expect("a child").success());
    let whole = begun.elapsed();
    fs::remove_dir_all(folder(0)).expect("a folder");

    // A folder serves until a child has got to the end: most trainings are killed several times.
    let (mut killed, mut at, mut in_between, mut without) = (0, 1, 0, 0);
    while killed < n {
        let folder = folder(at);
        let mut child = child(&folder).spawn().expect("a child");
        thread::sleep(Duration::from_secs_f64(whole.as_secs_f64() * rng.random_range(0.0..0.9)));
        let is_done = child.try_wait().expect("a child").is_some();
        child.kill().expect("a child");
        child.wait().expect("a child");
        if is_done {
            fs::remove_dir_all(&folder).expect("a folder");
            at += 1;
            continue;
        }
        killed += 1;
        let left: Vec<String> = fs::read_dir(&folder)
            .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        in_between += usize::from(left.iter().any(|name| name.ends_with(".unfinished")));
        without += usize::from(!left.iter().any(|name| name.ends_with(".safetensors")));
        assert!(bits(Some(&folder)) == straight, "killed {killed} times: from {left:?} to another end");
    }
    let _ = fs::remove_dir_all(folder(at));
    println!(
        "killed {killed} times, {in_between} in the middle of writing, {without} before the first checkpoint; \
         a training takes {whole:.2?}, all took {:.1?}",
        begun.elapsed()
    );
    // The moments are spread over a training in which writing is most of the work.
    assert!(in_between > 0 && without < n / 2);
}

#[test]
fn killed_at_fifty_moments() {
    kill_at_moments(50, 1);
}
