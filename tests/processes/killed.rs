//! A training that is killed at any moment (SIGKILL) leaves a checkpoint from which it ends as if nothing had been.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use polytask::balance::GradNorm;
use polytask::data::csv::CsvReader;
use polytask::prelude::*;
use polytask::train::{Checkpoints, History};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Says to the child which folder is its own, and which file it reads, if it does not learn from a table.
const FOLDER: &str = "POLYTASK_KILLED_FOLDER";
const FILE: &str = "POLYTASK_KILLED_FILE";

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

/// The table, or a file of several blocks that is read in windows.
fn fit(trainer: &Trainer, file: Option<&Path>) -> (Model<f32>, History) {
    let mut model = model();
    let history = match file {
        None => trainer.fit(&mut model, &data()),
        Some(file) => {
            let reader = CsvReader::new().targets(["shoulder", "elbow"]);
            let stream = reader.stream(file).expect("a stream");
            trainer.fit_source(&mut model, &mut stream.window(3000), None)
        }
    };
    (model, history.expect("a training"))
}

/// Goes on from what is in the folder, to the end, or until it is killed.
fn train_in(folder: &Path, file: Option<&Path>) {
    let checkpoints = Checkpoints::new(folder).every_steps(1).keep_last(2);
    fit(&trainer().checkpoint(checkpoints).resume_from(folder), file);
}

/// Not a test by itself: what the other tests start and kill.
#[test]
fn the_child() {
    if let Some(folder) = env::var_os(FOLDER) {
        let file = env::var_os(FILE).map(PathBuf::from);
        train_in(Path::new(&folder), file.as_deref());
    }
}

fn bits(folder: Option<&Path>, file: Option<&Path>) -> Vec<u64> {
    let trainer = folder.map_or(trainer(), |folder| trainer().resume_from(folder));
    let (model, history) = fit(&trainer, file);
    let numbers =
        history.losses().into_iter().chain(history.weights()).map(|x| x.to_bits()).collect::<Vec<_>>();
    model.parameters().iter().map(|x| u64::from(x.to_bits())).chain(numbers).collect()
}

fn child(folder: &Path, file: Option<&Path>) -> Command {
    let mut child = Command::new(env::current_exe().expect("this program"));
    child
        .args(["--exact", "killed::the_child"])
        .env(FOLDER, folder)
        .envs(file.map(|file| (FILE, file)))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    child
}

fn kill_at_moments(n: usize, seed: u64, file: Option<&Path>) {
    let straight = bits(None, file);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let folder = |i: usize| -> PathBuf {
        env::temp_dir().join(format!("polytask-killed-{seed}-{}-{i}", std::process::id()))
    };
    let begun = Instant::now();
    assert!(child(&folder(0), file).status().expect("a child").success());
    let whole = begun.elapsed();
    fs::remove_dir_all(folder(0)).expect("a folder");

    // A folder serves until a child has got to the end: most trainings are killed several times.
    let (mut killed, mut at, mut in_between, mut without) = (0, 1, 0, 0);
    while killed < n {
        let folder = folder(at);
        let mut child = child(&folder, file).spawn().expect("a child");
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
        assert!(bits(Some(&folder), file) == straight, "killed {killed} times: from {left:?} to another end");
    }
    let _ = fs::remove_dir_all(folder(at));
    println!(
        "killed {killed} times, {in_between} in the middle of writing, {without} before the first checkpoint; \
         a training takes {whole:.2?}, all took {:.1?}",
        begun.elapsed()
    );
    // The moments are spread over a training in which writing is most of the work; a file must be opened first.
    assert!(file.is_some() || in_between > 0 && without < n / 2);
    assert!(without < n, "never after a checkpoint");
}

#[test]
fn killed_at_fifty_moments() {
    kill_at_moments(50, 1, None);
}

#[test]
fn killed_while_a_file_is_read() {
    let data = datasets::robot_arm::<f64>(9000, 0.05, 42);
    let mut text = data.feature_names().join(",") + ",shoulder,elbow\n";
    for row in 0..data.n_rows() {
        let numbers = data.feature_row(row).iter().chain(data.target_row(row));
        text += &(numbers.map(f64::to_string).collect::<Vec<_>>().join(",") + "\n");
    }
    let path = env::temp_dir().join(format!("polytask-killed-{}.csv", std::process::id()));
    fs::write(&path, text).expect("a folder that can be written");
    kill_at_moments(15, 2, Some(&path));
    fs::remove_file(&path).expect("it is there");
}
