//! The promises hold on every SIMD level that the processor has, not only on the widest: gradients, the record
//! of TensorFlow, and the bits of a training.
//!
//! The level is chosen once per process, so this program starts itself once for each of them, with `POLYTASK_SIMD` set.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use polytask::gradcheck::{self, Coverage, Probe};
use polytask::kernel::{self, SimdLevel};
use polytask::optim::Sgd;
use polytask::prelude::*;
use polytask::{Error, ErrorKind, Network, Scalar, layer};

use crate::tutorial_record;

/// Says to the child where its numbers go.
const FILE: &str = "POLYTASK_LEVELS_FILE";

/// No width is a multiple of a register of any level, and one is more than a register of each.
fn model<F: Scalar>() -> Model<F> {
    let leaky = layer::Activation::LeakyRelu { slope: 0.1 };
    Model::builder(10)
        .trunk([Layer::dense(19, Activation::Tanh), Layer::dense(9, leaky)])
        .task(Task::regression("shoulder").head([Layer::dense(7, Activation::Gelu)]))
        .task(Task::regression("elbow").head([Layer::dense(3, Activation::Softplus)]))
        .task(Task::regression("both").columns(["elbow"]).head([Layer::dense(5, Activation::Silu)]))
        .seed(3)
        .build()
        .expect("valid settings")
}

/// One row, less than a register, a little more than a register, and several chunks.
const BATCHES: [usize; 4] = [1, 3, 33, 300];

/// θ after ten steps with each size of batch.
fn trained<F: Scalar>() -> Vec<F> {
    let data = datasets::robot_arm::<F>(500, 0.05, 3);
    let mut model = model::<F>();
    for batch in BATCHES {
        // SGD, because Adam divides by small numbers and would show a last digit at the size of its step.
        let trainer = Trainer::new(Sgd::new(0.01)).batch_size(batch).steps(10).seed(5).threads(2);
        trainer.fit(&mut model, &data).expect("a training");
    }
    model.parameters().to_vec()
}

fn check_gradients() {
    let (data, model) = (datasets::robot_arm::<f64>(300, 0.05, 42), model::<f64>());
    for batch in BATCHES {
        let (rows, mut trace) = ((0..batch).collect::<Vec<_>>(), model.trace(batch));
        let loss = |theta: &[f64], probe: &mut Probe<'_, f64>| {
            model.probe(theta, &data.batch(&rows), &mut trace, probe)
        };
        let check = gradcheck::check(model.parameters(), loss).named(model.network().layout());
        // Every entry, or, where a loss takes long, several directions in each block.
        let derivatives = if batch < 300 { Coverage::Every } else { Coverage::Directions(4) };
        // As in tests/it/gradients: extrapolated central differences leave about 1e-9.
        let report = check.coverage(derivatives).tolerance(1e-7).run();
        assert!(report.passed(), "{batch} rows on {}\n{report}", kernel::simd_level());
    }
}

/// Not a test by itself: what the other test starts.
#[test]
fn the_child() {
    let Some(file) = env::var_os(FILE) else { return };
    assert_eq!(env::var("POLYTASK_SIMD").expect("the parent's request"), kernel::simd_level().name());
    check_gradients();
    tutorial_record::assert_f64_agrees();
    tutorial_record::assert_f32_agrees();
    let (single, double) = (trained::<f32>(), trained::<f64>());
    let numbers = single.iter().map(|&x| f64::from(x)).chain(double);
    fs::write(file, numbers.flat_map(f64::to_le_bytes).collect::<Vec<u8>>()).expect("a file");
}

/// θ in f32, which f64 holds exactly, and in f64.
fn theta_on(level: SimdLevel, file: &Path) -> [Vec<f64>; 2] {
    let mut child = Command::new(env::current_exe().expect("this program"));
    child
        .args(["--exact", "simd_levels::the_child", "--nocapture"])
        .env("POLYTASK_SIMD", level.name())
        .env(FILE, file);
    let output = child.output().expect("a child");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{level}:\n{said}");
    let bytes = fs::read(file).expect("the numbers of the child");
    fs::remove_file(file).expect("the file of the child");
    let numbers: Vec<f64> = bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    assert_eq!(numbers.len(), 2 * model::<f32>().n_parameters());
    let (single, double) = numbers.split_at(numbers.len() / 2);
    [single.to_vec(), double.to_vec()]
}

/// FNV-1a over the bits.
fn hash(theta: &[f64]) -> u64 {
    let bytes = theta.iter().flat_map(|x| x.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// With the fused instruction the order of every sum is the same, so AVX2 and AVX-512 agree to the bit
/// (`src/kernel/tile.rs`, `src/kernel/gemv.rs`). Without it each product is rounded once more: θ, of order 1, is the
/// sum of 40 steps of 0.01 times a gradient of order 10 with some hundred roundings, so some ε are to be expected,
/// and 2.2 ε were measured. 30 ε leave room, and a wrong lane would be a thousand times that.
#[test]
fn every_level_keeps_the_promises() {
    let file = env::temp_dir().join(format!("polytask-levels-{}", std::process::id()));
    let levels: Vec<SimdLevel> = SimdLevel::ALL.into_iter().filter(|level| level.is_available()).collect();
    for level in SimdLevel::ALL.into_iter().filter(|level| !level.is_available()) {
        // Not a macro's line, which is kept back where the test passes.
        writeln!(std::io::stderr(), "SKIPPED: {level}, which this processor does not have")
            .expect("standard error");
    }
    let thetas: Vec<_> = levels.iter().map(|&level| theta_on(level, &file)).collect();
    for (level, [single, double]) in levels.iter().zip(&thetas) {
        println!("{level}: θ in f32 {:016x}, in f64 {:016x}", hash(single), hash(double));
        for (theta, other, epsilon) in
            [(single, &thetas[0][0], f64::from(f32::EPSILON)), (double, &thetas[0][1], f64::EPSILON)]
        {
            let away = distance(theta, other);
            println!("  {:.1} ε from portable", away / epsilon);
            assert!(away <= 30.0 * epsilon, "{level}: {away:e} from portable");
        }
    }
    if let [_, avx2, avx512] = thetas.as_slice() {
        assert!(avx2 == avx512, "AVX2 and AVX-512 differ");
    }
    // A training that did nothing would agree everywhere.
    assert!(distance(&thetas[0][1], model::<f64>().parameters()) > 0.01);
    assert!(thetas.len() == 1 || thetas[0] != thetas[1], "was the level taken at all?");
}

/// The name that the variable had, in halves so that it is nowhere in the sources.
const FORMER: &str = concat!("POLYTASK_", "PATH");

/// Says to the child where a model's file is.
const DOORS: &str = "POLYTASK_DOORS_FILE";

/// Not a test by itself: what the next test starts.
#[test]
fn the_child_at_the_doors() {
    let Some(file) = env::var_os(DOORS) else { return };
    let refuses = |door: &str, error: Option<Error>| {
        let error = error.unwrap_or_else(|| panic!("{door} took the setting"));
        assert_eq!(error.kind(), ErrorKind::Setting, "{door}: {error}");
        assert!(error.to_string().contains("POLYTASK_SIMD"), "{door}: {error}");
    };
    let builder = Model::builder(10).task(Task::regression("elbow"));
    refuses("ModelBuilder::build", builder.build::<f32>().err());
    let (sharing, tasks) = (Sharing::shared_trunk(Vec::<Layer>::new()), [Task::regression("elbow")]);
    refuses("Network::new", Network::<f64>::new(10, &sharing, &tasks).err());
    refuses("Model::load", Model::<f32>::load(Path::new(&file)).err());
    let data = datasets::robot_arm::<f32>(100, 0.05, 3);
    let estimator = MultiTaskRegressor::new();
    refuses("an estimator", estimator.fit(&data.features(), &data.targets()).err());
    assert!(kernel::simd_level().is_available());
}

#[test]
fn a_setting_that_means_nothing_is_refused_at_every_door() {
    let file = env::temp_dir().join(format!("polytask-doors-{}.safetensors", std::process::id()));
    let model = Model::builder(10).task(Task::regression("elbow")).build::<f32>().expect("valid settings");
    model.save(&file).expect("a file");
    for (variable, word) in [("POLYTASK_SIMD", "avx1024"), ("POLYTASK_SIMD", ""), (FORMER, "avx2")] {
        let mut child = Command::new(env::current_exe().expect("this program"));
        child.args(["--exact", "simd_levels::the_child_at_the_doors", "--nocapture"]);
        child.env_remove("POLYTASK_SIMD").env(variable, word).env(DOORS, &file);
        let output = child.output().expect("a child");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{variable}={word}:\n{said}");
    }
    fs::remove_file(&file).expect("the file");
}
