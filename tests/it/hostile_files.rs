//! Files that were cut off, damaged or made on purpose: every reader answers with an error or with what it could
//! read, never with a panic, and takes no more memory than the file's size warrants.
//!
//! The targets under `tests/fuzz` run the same functions for as long as one likes.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use polytask::balance::{Balance, DbMtlMomentum, Dwa, ExcessMtl, GradNorm, GradVac, MoCo};
use polytask::data::csv::CsvReader;
use polytask::data::{npy, npz::Archive};
use polytask::estimator::{Fitted, FittedMembers, Mixed, MultiTask, Regression};
use polytask::layer::PiecewiseLinear;
use polytask::prelude::*;
use polytask::sharing::ProgressiveExtraction;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use safetensors::tensor::SafeTensors;

use crate::allocations::peak;

#[path = "../fuzz/fuzz_targets/wrapped.rs"]
mod wrapped;

/// Reads a file in every way that there is for it; whether it could.
type Read<'a> = &'a dyn Fn(&[u8]) -> bool;

/// One small change, or several, of a kind that finds mistakes: cut, flip, lie about a length, repeat, swap words.
fn damaged(whole: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..rng.random_range(1..4) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        // Headers are at the front, and worth more tries than numbers.
        let at = if rng.random_range(0..3) == 0 { at } else { at % 1500.min(bytes.len()) };
        match rng.random_range(0..8) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at] = rng.random_range(0..=255) as u8,
            3 => {
                let lie = [0, 1, u64::MAX, i64::MAX as u64, 1 << 32, 1 << 40][rng.random_range(0..6)];
                let end = bytes.len().min(at + 8);
                bytes[at..end].copy_from_slice(&lie.to_le_bytes()[..end - at]);
            }
            4 => {
                bytes.remove(at);
            }
            5 => {
                let piece = bytes[at..bytes.len().min(at + 9)].to_vec();
                bytes.splice(at..at, piece);
            }
            // A number in text becomes another.
            6 => {
                let Some(digit) = bytes[at..].iter().position(u8::is_ascii_digit) else { continue };
                let words: [&[u8]; 8] = [
                    b"-1",
                    b"0",
                    b"1e999",
                    b"18446744073709551615",
                    b"9999999999999",
                    b"null",
                    b"1e-320",
                    b"[]",
                ];
                bytes.splice(at + digit..=at + digit, words[rng.random_range(0..8)].iter().copied());
            }
            _ => {
                let Some(quote) = bytes[at..].iter().position(|byte| *byte == b'"') else { continue };
                bytes.splice(at + quote..at + quote, *b"x");
            }
        }
    }
    bytes
}

/// A file whose text, or the lengths and numbers of whose tensors, are damaged.
fn inside_damaged(whole: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let changes = rng.random_range(1..4);
    let mut bytes = vec![2 + rng.random_range(0..2) as u8];
    for _ in 0..changes {
        bytes.extend((0..4).map(|_| rng.random_range(0..=255) as u8));
        let texts: [&[u8; 8]; 6] = [
            b"99999999",
            b"-1\0\0\0\0\0\0",
            b"null\0\0\0\0",
            b"\0\0\0\0\0\0\0\0",
            b"1e-320\0\0",
            b"{\"x\":0},",
        ];
        let numbers = [f64::NAN, f64::INFINITY, -1.0, 1e300, 0.0, 5e-324].map(f64::to_le_bytes);
        let which = rng.random_range(0..6);
        bytes.extend(if bytes[0] == 2 { *texts[which] } else { numbers[which] });
    }
    // In the text a change begins with place and length, in tensors with which, length and place: 12 bytes each.
    wrapped::inside(&bytes, || whole.to_vec())
}

/// `n` damaged copies of each file; each read may take `factor` times the file's size and a little, because a header in
/// text is smaller than what it describes.
fn attack(name: &str, files: &[Vec<u8>], read: Read<'_>, n: usize, factor: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut survived = 0;
    for whole in files {
        let is_safetensors = whole.get(8) == Some(&b'{');
        assert!(read(whole), "{name}: the file as it was");
        for case in 0..n {
            let bytes = match case % 2 == 0 && is_safetensors {
                false => damaged(whole, &mut rng),
                // The outside stays in order, so that more than the first length is tried.
                true => inside_damaged(whole, &mut rng),
            };
            let (outcome, most) = peak(|| catch_unwind(AssertUnwindSafe(|| read(&bytes))));
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(3000)]).into_owned();
            match outcome {
                Ok(was_read) => survived += usize::from(was_read),
                Err(_) => panic!("{name}: case {case} panicked: {shown}"),
            }
            assert!(most < factor * bytes.len() + 300_000, "{name}: case {case} took {most} bytes: {shown}");
        }
    }
    println!("{name}: {survived} of {} damaged files could be read all the same", n * files.len());
}

fn in_file(read: impl Fn(&Path) -> bool, name: &str) -> impl Fn(&[u8]) -> bool {
    let path = std::env::temp_dir().join(format!("polytask-hostile-{name}-{}", std::process::id()));
    move |bytes| {
        fs::write(&path, bytes).expect("a file");
        let was_read = read(&path);
        fs::remove_file(&path).expect("a file");
        was_read
    }
}

fn model() -> Model<f32> {
    let builder = Model::builder(10)
        .trunk([Layer::dense(6, Activation::LeakyRelu { slope: 0.1 }), Layer::dense(4, Activation::Gelu)])
        .task(Task::regression("shoulder").head([Layer::dense(3, Activation::Elu { alpha: 0.5 })]))
        .task(Task::new("both", polytask::loss::Loss::quantiles([0.1, 0.9])).columns(["shoulder", "elbow"]))
        .standardize();
    builder.build().expect("valid settings")
}

fn arm() -> Dataset<f32> {
    datasets::robot_arm(40, 0.05, 42)
}

#[test]
fn models() {
    let mut trained = model();
    Trainer::new(Adam::new(0.01)).steps(3).fit(&mut trained, &arm()).expect("a training");
    let layers = [
        Layer::gated(4, Activation::Mish),
        Layer::layer_norm(),
        Layer::batch_norm(),
        Layer::dropout(0.2),
        Layer::parametric(Activation::Selu),
        Layer::periodic(2, 1),
        PiecewiseLinear::with_edges([-0.5, 0.1, 0.4], 1).into(),
        Layer::residual([Layer::scale(), Layer::dense(4, Activation::Tanh)]),
    ];
    let independent = Model::builder(3)
        .sharing(Sharing::independent(layers))
        .task(Task::classes("kind", 3))
        .task(Task::binary("yes"))
        .build::<f32>()
        .expect("valid settings");
    let csv = b"size,roof,price,kind\n1.5,flat,3,b\n2,round,,c\n3,flat,1,a\n";
    let reader = CsvReader::new().targets(["price"]).class_targets(["kind"]);
    let (_, encoding) = reader.read_from::<f32>(&csv[..], "csv").expect("a table");
    let mut encoded = Model::builder(3)
        .task(Task::classes("kind", 3))
        .task(Task::regression("price"))
        .build::<f32>()
        .expect("valid settings");
    encoded.set_encoding(encoding).expect("three features");
    let experts = Model::builder(3)
        .sharing(Sharing::mmoe(2, [Layer::dense(3, Activation::Tanh)]))
        .task(Task::classes("kind", 3))
        .build::<f32>()
        .expect("valid settings");
    let levels = ProgressiveExtraction::new(1, 1, [Layer::dense(2, Activation::Relu)]);
    let levels = levels.level(1, 1, [Layer::dense(2, Activation::Relu)]);
    let extraction = Model::builder(3)
        .sharing(levels.into())
        .task(Task::binary("yes"))
        .build::<f32>()
        .expect("valid settings");
    let stitched = Model::builder(3)
        .sharing(Sharing::cross_stitch([Layer::dense(2, Activation::Relu)]))
        .task(Task::binary("yes"))
        .task(Task::regression("price"))
        .build::<f32>()
        .expect("valid settings");
    let tied = Model::builder(3)
        .sharing(Sharing::soft(0.1, [Layer::dense(2, Activation::Relu)]))
        .penalty(polytask::penalty::Penalty::l2("head.*", 0.1))
        .task(Task::binary("yes"))
        .task(Task::regression("price"))
        .build::<f32>()
        .expect("valid settings");
    let binned = [Layer::piecewise_linear(3, 2), Layer::dense(2, Activation::Relu)];
    let builder = Model::builder(10).trunk(binned).task(Task::regression("elbow"));
    let mut binned = builder.build::<f32>().expect("valid settings");
    binned.fit_scaling(&arm()).expect("data");
    let embedded_csv = b"size,roof,price,kind\n1.5,flat,3,b\n2,round,,c\n3,,1,a\n";
    let reader = CsvReader::new().targets(["price"]).embed(["roof", "kind"]);
    let (table, encoding) = reader.read_from::<f32>(&embedded_csv[..], "csv").expect("a table");
    let builder = Model::builder(3).trunk([Layer::embedding(table.index_columns(), 2)]);
    let mut embedded = builder.task(Task::regression("price")).build::<f32>().expect("valid settings");
    embedded.set_encoding(encoding).expect("its features");
    let chosen = Model::builder(3)
        .sharing(Sharing::dselect_k(3, 2, [Layer::dense(2, Activation::Relu)]))
        .task(Task::regression("price"))
        .build::<f32>()
        .expect("valid settings");
    let fused = Model::builder(3)
        .sharing(Sharing::adatt(2, [Layer::dense(2, Activation::Relu)]))
        .task(Task::binary("yes"))
        .task(Task::regression("price"))
        .build::<f32>()
        .expect("valid settings");
    let models = [
        &trained,
        &independent,
        &encoded,
        &experts,
        &extraction,
        &stitched,
        &tied,
        &binned,
        &embedded,
        &chosen,
        &fused,
    ];
    let files = models.map(|model| model.to_bytes().expect("bytes"));
    let read = |bytes: &[u8]| {
        let Ok(model) = Model::<f32>::from_bytes(bytes) else { return false };
        // What could be read can be used.
        if let Some(encoding) = model.encoding() {
            let _ = encoding.clone().lenient().read_from::<f32>(&csv[..], "csv");
        }
        let features = polytask::ndarray::Array2::zeros((1, model.n_features()));
        model.predict(features.view()).is_ok()
    };
    attack("models", &files, &read, 4_000, 40);
    let load = in_file(|path| model().load_weights(path).is_ok(), "weights");
    attack("weights", &files[..1], &load, 500, 40);
}

#[test]
fn a_file_of_another_kind_is_called_so() {
    let path = std::env::temp_dir().join(format!("polytask-kind-{}.csv", std::process::id()));
    fs::write(&path, "city,area,price\nBern,120,3\n").expect("a file");
    let error = Model::<f32>::load(&path).expect_err("no model").to_string();
    assert!(error.contains("a file of another kind"), "{error}");
    fs::remove_file(&path).expect("a file");
}

#[test]
fn estimators() {
    let x = polytask::ndarray::Array2::from_shape_fn((12, 2), |(i, j)| ((i * (j + 3)) % 7) as f32);
    let y = polytask::ndarray::Array2::from_shape_fn((12, 2), |(i, k)| ((i + k) % 3) as f32);
    let groups = (0..12).map(|row| row / 3).collect();
    let data = Dataset::new(x.clone(), y.clone()).and_then(|data| data.with_groups(groups)).expect("a table");
    let regressor = MultiTaskRegressor::new().members(2).hidden([3]).epochs(1).threads(1);
    let classifier = MultiTaskClassifier::new().members(2).hidden([3]).epochs(1).threads(1);
    let mixed = MultiTask::new().task(Task::ranking("y0")).task(Task::classes("y1", 3)).calibrate(0.3);
    let mixed = mixed.members(4).folds(2).hidden([3]).epochs(1).threads(1);
    let files = [
        regressor.fit(&x, &y).expect("a table").to_bytes().expect("bytes"),
        classifier.fit(&x, &y).expect("a table").to_bytes().expect("bytes"),
        regressor.fit_members(&data, 1..2).expect("one network").to_bytes().expect("bytes"),
        // Of two kinds.
        regressor.clone().members(4).folds(2).fit(&x, &y).expect("a table").to_bytes().expect("bytes"),
        classifier.clone().members(4).folds(2).fit(&x, &y).expect("a table").to_bytes().expect("bytes"),
        // With rows that are kept apart.
        regressor.clone().calibrate(0.3).fit(&x, &y).expect("a table").to_bytes().expect("bytes"),
        classifier.calibrate(0.3).fit(&x, &y).expect("a table").to_bytes().expect("bytes"),
        regressor.clone().calibrate(0.3).fit_members(&data, 0..2).expect("all").to_bytes().expect("bytes"),
        regressor.members(4).folds(2).fit_members(&data, 0..4).expect("all").to_bytes().expect("bytes"),
        mixed.fit_table(&data).expect("a table").to_bytes().expect("bytes"),
        mixed.fit_members(&data, 0..4).expect("all").to_bytes().expect("bytes"),
    ];
    let rows = |model: &Model<f32>| polytask::ndarray::Array2::zeros((1, model.n_features()));
    let read = |bytes: &[u8]| {
        let regressor = MultiTaskRegressor::from_bytes::<f32>(bytes);
        let regressor = regressor.is_ok_and(|model| {
            let _ = model.predict_joint_interval(&rows(&model.members()[0]), 0.5);
            model.predict(&rows(&model.members()[0])).is_ok()
        });
        let classifier = MultiTaskClassifier::from_bytes::<f32>(bytes);
        let part = FittedMembers::<Regression, f32>::from_bytes(bytes);
        let part = part.is_ok_and(|part| {
            let merged = Fitted::merge([part.clone()]);
            let _ = merged.map(|model| model.predict_interval(&rows(&model.members()[0]), 0.5));
            Fitted::merge([part.clone(), part]).is_err()
        });
        let mixed = MultiTask::from_bytes::<f32>(bytes).is_ok_and(|model| {
            let _ = model.predict_jointly(&rows(&model.members()[0]), 0.5);
            model.predict(&rows(&model.members()[0])).is_ok()
        });
        let part_of_mixed = FittedMembers::<Mixed, f32>::from_bytes(bytes);
        let part_of_mixed = part_of_mixed.is_ok_and(|part| Fitted::merge([part]).is_ok());
        part || mixed
            || part_of_mixed
            || regressor
            || classifier.is_ok_and(|model| model.predict(&rows(&model.members()[0])).is_ok())
    };
    attack("estimators", &files, &read, 2_000, 40);
}

/// What members have in common, such as a long list in the settings, is in the memory once, as it is in the file.
#[test]
fn many_members_share_their_settings() {
    let x = polytask::ndarray::Array2::from_shape_fn((12, 1), |(i, _)| i as f32);
    let fitted = MultiTaskRegressor::new().members(1).hidden([]).epochs(1).fit(&x, &x).expect("a table");
    let whole = fitted.to_bytes().expect("bytes");
    let (_, header) = SafeTensors::read_metadata(&whole).expect("a file in order");
    let text = &header.metadata().as_ref().expect("a text")["polytask"];
    let list = vec![r#""r2""#; 50_000].join(",");
    let metrics = format!(r#""metrics":[{list}]"#);
    let with_list =
        text.replacen(r#""metrics":[]"#, &metrics, 1).replacen(r#""members":1"#, r#""members":300"#, 1);
    assert!(with_list.len() > text.len() + list.len(), "{text}");

    let tensors = SafeTensors::deserialize(&whole).expect("a file in order");
    let mut copies = Vec::new();
    for (name, tensor) in tensors.tensors() {
        match name.strip_prefix("member.0.") {
            None => copies.push((name, tensor)),
            Some(rest) => copies.extend((0..300).map(|m| (format!("member.{m}.{rest}"), tensor.clone()))),
        }
    }
    let text = [("polytask".to_owned(), with_list)].into_iter().collect();
    let bytes = safetensors::tensor::serialize(copies, Some(text)).expect("bytes");
    let (read, most) = peak(|| MultiTaskRegressor::from_bytes::<f32>(&bytes));
    let read = read.expect("settings that a person could have");
    assert_eq!(read.members().len(), 300);
    assert!(most < 40 * bytes.len(), "{} bytes in the file, {most} in memory", bytes.len());
}

#[test]
fn checkpoints() {
    let data = arm();
    let trainer = || Trainer::new(Adam::new(0.01)).batch_size(16).steps(8).threads(1);
    let trainers = [
        trainer().balance(GradNorm::new().every(2).smoothed(0.5)),
        trainer().balance(Dwa::new()),
        trainer().balance(GradVac::new()),
        trainer().aggregate(MoCo::new()),
        trainer().aggregate(ExcessMtl::new()),
        trainer().aggregate(DbMtlMomentum::new()),
        trainer(),
    ];
    let path = std::env::temp_dir().join(format!("polytask-hostile-run-{}", std::process::id()));
    for trainer in trainers {
        let mut trained = model();
        let mut run = trainer.start(&trained, &data).expect("a run");
        trained.fit_scaling(&data).expect("data");
        let mut workspace = run.workspace(&trained, None);
        for _ in 0..4 {
            run.step(&mut trained, &data, &mut workspace).expect("a step");
        }
        run.save(&trained, &path).expect("a checkpoint");
        let file = fs::read(&path).expect("a checkpoint");
        let resume = in_file(
            |path| {
                let mut model = model();
                let Ok(mut run) = trainer.resume(&mut model, &data, path) else { return false };
                let mut workspace = run.workspace(&model, None);
                // The numbers may be nonsense, and a step may say so.
                (0..2).all(|_| run.is_finished() || run.step(&mut model, &data, &mut workspace).is_ok());
                true
            },
            "checkpoint",
        );
        attack("checkpoints", &[file], &resume, 1_000, 60);
    }
    fs::remove_file(path).expect("a checkpoint");
}

#[test]
fn tables() {
    let golden = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/npy"));
    let names = ["little_f4.npy", "big_f8.npy", "byte_u1.npy", "fortran.npy", "version2.npy", "vector.npy"];
    let files = names.map(|name| fs::read(golden.join(name)).expect("a golden file"));
    attack("npy", &files, &in_file(|path| npy::read::<f32>(path).is_ok(), "npy"), 1_000, 40);

    let golden = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/npz"));
    let files =
        ["stored.npz", "deflated.npz"].map(|name| fs::read(golden.join(name)).expect("a golden file"));
    let read = |bytes: &[u8]| {
        let archive = Archive::from_bytes(bytes.to_vec(), "npz");
        archive.is_ok_and(|archive| ["x", "y", "zeros"].iter().any(|name| archive.array::<f32>(name).is_ok()))
    };
    // An array may be 1032 times as long as it is packed.
    attack("npz", &files, &read, 3_000, 1_100);

    let csv = b"size,colour,\"a, b\",price\n1.5,red,3,10\n,blue,4,\n2e3,\"gr\"\"een\",5,12\n".to_vec();
    let read = in_file(|path| CsvReader::new().targets(["price"]).read::<f32>(path).is_ok(), "csv");
    attack("csv", &[csv], &read, 2_000, 400);
}
