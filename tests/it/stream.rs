//! A file that is read block by block gives what the whole of it gives, in an order of its own, wherever it is taken up.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use polytask::data::csv::{Content, CsvReader, Encoding, Stream};
use polytask::data::{Dataset, Order, Source};
use polytask::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// A folder that is gone when it is no longer needed.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("polytask-stream-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder that can be written");
        Self(folder)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file in a folder of its own.
struct Rows {
    path: PathBuf,
    _folder: Folder,
}

impl AsRef<Path> for Rows {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// More than a megabyte: rows of numbers, texts, gaps, classes and weights. What is new in the last rows is in no other.
fn rows() -> String {
    let mut text = String::from("id,area,roof,age,zone,price,kind,count\n");
    for i in 0..25_000_u64 {
        let noise = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let is_late = i > 24_900;
        let roof = if is_late && i % 3 == 0 {
            "thatched"
        } else {
            ["flat", "pitched", "\"gable,\nhip\""][(noise % 3) as usize]
        };
        let age = if is_late && i % 5 == 0 { String::new() } else { format!("{}.{}", noise % 90, i % 10) };
        let price = if i % 11 == 3 { "NA".into() } else { format!("{:.3}", (noise % 1000) as f64 / 7.0) };
        let kind = if is_late && i % 7 == 0 { "tower" } else { ["barn", "house"][(noise % 2) as usize] };
        let end = if i % 1000 == 17 { "\r\n\r\n" } else { "\n" };
        let _ = write!(
            text,
            "{i},{},{roof},{age},{},{price},{kind},{}{end}",
            noise % 977,
            8000 + noise % 5,
            1 + i % 3
        );
    }
    text
}

fn reader() -> CsvReader {
    CsvReader::new().targets(["price"]).class_targets(["kind"]).categorical(["zone"]).weights_column("count")
}

fn file(name: &str, text: impl AsRef<[u8]>) -> Rows {
    let folder = Folder::new(name);
    let path = folder.join("rows.csv");
    fs::write(&path, text).expect("a folder that can be written");
    Rows { path, _folder: folder }
}

fn order(batch_size: usize, seed: Option<u64>) -> Order {
    Order { batch_size, seed, keeps_groups: false }
}

/// The first feature of the rows of an epoch, batch by batch.
fn ids(source: &mut impl Source<f64>) -> Vec<Vec<u64>> {
    let mut seen = Vec::new();
    loop {
        source.advance().expect("a batch");
        let batch = source.batch();
        seen.push(batch.rows.iter().map(|&row| batch.dataset.feature_row(row)[0] as u64).collect());
        if source.epoch_finished() {
            return seen;
        }
    }
}

/// Whether two numbers are equal, but for the rounding of a mean that replaces a gap, or both missing.
fn same(a: &f64, b: &f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-11 * a.abs()
}

/// Whether both say the same, means to rounding.
fn assert_same_encoding(one: &Encoding, other: &Encoding) {
    for (one, other) in one.columns().iter().zip(other.columns()) {
        match (&one.content, &other.content) {
            (
                Content::Numbers { mean: a, constant, missing, base },
                Content::Numbers {
                    mean: b,
                    constant: other_constant,
                    missing: other_missing,
                    base: other_base,
                },
            ) => {
                // A sum of 25 000 terms, in another order.
                assert!((a - b).abs() <= 1e-11 * a.abs(), "{}: {a}, {b}", one.name);
                assert_eq!(
                    (constant, missing, base),
                    (other_constant, other_missing, other_base),
                    "{}",
                    one.name
                );
            }
            (a, b) => assert_eq!(a, b, "{}", one.name),
        }
        assert_eq!((&one.name, &one.notation), (&other.name, &other.notation));
    }
}

#[test]
fn columns_and_rows_are_those_of_the_whole_file() {
    let path = file("whole", rows());
    let stream: Stream<f64> = reader().stream(&path).expect("a stream");
    let (whole, encoding) = reader().read::<f64>(&path).expect("a table");
    assert_same_encoding(stream.encoding(), &encoding);
    let read = stream.read().expect("all rows");
    assert_eq!((read.n_rows(), Source::n_rows(&stream)), (25_000, Some(25_000)));
    assert_eq!((read.names(), stream.names()), (whole.names(), whole.names()));
    assert_eq!(read.weights(), whole.weights());
    assert!(read.features().iter().zip(whole.features()).all(|(a, b)| same(a, b)));
    assert!(read.targets().iter().zip(whole.targets()).all(|(a, b)| same(a, b)));
}

#[test]
fn every_row_comes_once_in_an_epoch_in_an_order_of_its_own() {
    let path = file("order", rows());
    let mut stream = reader().stream::<f64>(&path).expect("a stream").window(8_000);
    stream.begin(order(64, Some(7))).expect("batches");
    let epochs = [ids(&mut stream), ids(&mut stream)];
    assert_eq!(stream.epoch(), 1);
    for epoch in &epochs {
        let mut all = epoch.concat();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..25_000));
    }
    assert_ne!(epochs[0], epochs[1]);
    // Neighbours in the file are seldom neighbours in a batch, and a batch has rows from far apart.
    let first = &epochs[0][3];
    assert!(first.iter().max().unwrap() - first.iter().min().unwrap() > 5_000, "{first:?}");
    stream.begin(order(64, Some(7))).expect("batches");
    assert_eq!(ids(&mut stream), epochs[0]);
    stream.begin(order(64, Some(8))).expect("batches");
    assert_ne!(ids(&mut stream), epochs[0]);
    stream.begin(order(64, None)).expect("batches");
    assert!(ids(&mut stream).concat().into_iter().eq(0..25_000));

    // Anywhere in an epoch, and at its end, it goes on as it would have.
    for (epoch, batches) in [(0, 0), (0, 130), (1, 300), (1, epochs[1].len())] {
        let before: usize = epochs[epoch][..batches].iter().map(Vec::len).sum();
        stream.begin(order(64, Some(7))).expect("batches");
        stream.seek(epoch as u64, before).expect("a place in the epoch");
        assert_eq!((stream.epoch(), stream.position()), (epoch as u64, before));
        match batches == epochs[epoch].len() {
            true => {
                assert!(stream.epoch_finished());
                stream.advance().expect("the first batch of the next");
                assert_eq!((stream.epoch(), stream.position()), (epoch as u64 + 1, 64));
            }
            false => assert_eq!(ids(&mut stream), epochs[epoch][batches..]),
        }
    }
    assert!(stream.seek(0, 25_001).is_err());
}

fn model(data: &impl Source<f64>) -> Model<f64> {
    let builder = Model::builder(data.names().features.len()).trunk([Layer::dense(4, Activation::Tanh)]);
    builder.task(Task::regression("price")).task(Task::classes("kind", 3)).build().expect("a model")
}

#[test]
fn in_the_order_of_the_file_the_steps_are_those_of_the_table() {
    let path = file("steps", rows());
    let stream = reader().stream::<f64>(&path).expect("a stream");
    let data = stream.read().expect("all rows");
    let trainer = Trainer::new(Adam::new(0.01)).batch_size(1 << 15).epochs(2).in_order();
    let (mut streamed, mut whole) = (model(&stream), model(&stream));
    let mut stream = stream.window(1 << 18);
    let history = trainer.fit_source(&mut streamed, &mut stream, None).expect("a training");
    let expected = trainer.fit(&mut whole, &data).expect("a training");
    assert_eq!(streamed.parameters(), whole.parameters());
    assert_eq!(history.losses(), expected.losses());

    let (one, other) = (streamed.evaluate(&data).unwrap(), streamed.evaluate_source(&mut stream).unwrap());
    assert_eq!((one.n_rows(), one.warnings()), (other.n_rows(), other.warnings()));
    for (one, other) in one.tasks().iter().zip(other.tasks()) {
        // Sums over batches that end elsewhere.
        assert!((one.loss - other.loss).abs() <= 1e-11 * one.loss.abs(), "{}", one.name);
        assert_eq!(
            (&one.scores, &one.confusion, one.n_labels),
            (&other.scores, &other.confusion, other.n_labels)
        );
    }
}

#[test]
fn means_and_deviations_are_those_of_all_rows() {
    let path = file("scaling", rows());
    let mut stream = reader().stream::<f64>(&path).expect("a stream");
    let data = stream.read().expect("all rows");
    let build = || {
        let builder =
            Model::builder(data.n_features()).task(Task::regression("price")).task(Task::classes("kind", 3));
        builder.standardize().build::<f64>().expect("a model")
    };
    let (mut one, mut other) = (build(), build());
    one.fit_scaling(&data).unwrap();
    other.fit_scaling_from(&mut stream).unwrap();
    let x = data.features().slice(ndarray::s![..500, ..]).to_owned();
    let (one, other) = (one.predict(x.view()).unwrap(), other.predict(x.view()).unwrap());
    for task in ["price", "kind"] {
        let pairs = one[task].iter().zip(other[task].iter());
        pairs.for_each(|(a, b)| assert!((a - b).abs() <= 1e-9 * (1.0 + a.abs()), "{task}: {a}, {b}"));
    }
}

#[test]
fn a_training_taken_up_in_the_middle_of_an_epoch_has_the_bits_of_one_that_was_not_stopped() {
    let path = file("resume", rows());
    let folder = Folder::new("resume-file");
    let open = || reader().stream::<f64>(&path).expect("a stream").window(7_000);
    let trainer = Trainer::new(Adam::new(0.01)).batch_size(256).steps(150).seed(3);
    let mut stream = open();
    let mut whole = model(&stream);
    let mut run = trainer.start_source(&whole, &mut stream).expect("a run");
    let mut workspace = run.workspace(&whole, None);
    while !run.is_finished() {
        if run.history().n_steps() == 111 {
            run.save(&whole, folder.join("run.safetensors")).expect("a file");
        }
        run.step_from(&mut whole, &mut stream, &mut workspace).expect("a step");
    }
    let mut again = open();
    let mut resumed = model(&again);
    let saved = folder.join("run.safetensors");
    let mut run = trainer.resume_source(&mut resumed, &mut again, &saved).expect("the run");
    while !run.is_finished() {
        run.step_from(&mut resumed, &mut again, &mut workspace).expect("a step");
    }
    assert_eq!(resumed.parameters(), whole.parameters());

    // Another window is another order, and other rows are another table.
    let error =
        trainer.resume_source(&mut resumed, &mut open().window(6_000), &saved).unwrap_err().to_string();
    assert!(error.contains("rows of a window: expected 7000, as it was, found 6000"), "{error}");
    let (mut part, _) = open().split(0.5, 1).expect("two parts");
    assert!(trainer.resume_source(&mut resumed, &mut part, &saved).is_err());
}

#[test]
fn a_split_keeps_every_row_once_and_blocks_whole() {
    let path = file("split", rows());
    let stream = reader().stream::<f64>(&path).expect("a stream");
    let (train, held_out) = stream.split(0.6, 5).expect("two parts");
    let ids = |part: &Stream<f64>| -> Vec<u64> {
        part.read().expect("rows").features().column(0).iter().map(|&id| id as u64).collect()
    };
    let (a, b) = (ids(&train), ids(&held_out));
    assert!((a.len() as f64 - 0.6 * 25_000.0).abs() < 3_000.0, "{}", a.len());
    let mut all = [a, b].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..25_000));
    assert!(
        reader()
            .stream::<f64>(file("small", "area,price,kind,zone,count\n1,2,a,1,1\n"))
            .unwrap()
            .split(0.5, 1)
            .is_err()
    );
}

#[test]
fn groups_stay_whole_and_their_numbers_apart() {
    let mut text = String::from("query,clicks,area\n");
    for i in 0..80_000_u64 {
        let _ = writeln!(text, "q{},{},{}", i / 7, i % 3, i);
    }
    let path = file("groups", &text);
    let reader = CsvReader::new().targets(["clicks"]).group_column("query");
    let mut stream = reader.stream::<f64>(&path).expect("a stream").window(9_000);
    stream.begin(Order { batch_size: 100, seed: Some(1), keeps_groups: true }).expect("batches");
    let mut sizes: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
    let mut n_batches = 0;
    loop {
        stream.advance().expect("a batch");
        let batch = stream.batch();
        let groups = batch.dataset.groups().expect("groups");
        for &row in batch.rows {
            let (n, first) = sizes.entry(groups[row]).or_insert((0, n_batches));
            *n += 1;
            assert_eq!(*first, n_batches, "a group in two batches");
        }
        n_batches += 1;
        if stream.epoch_finished() {
            break;
        }
    }
    assert_eq!(sizes.len(), 80_000_usize.div_ceil(7));
    assert!(sizes.values().rev().skip(1).all(|(n, _)| *n == 7 || *n == 80_000 % 7));
    let error =
        stream.begin(Order { batch_size: 5, seed: None, keeps_groups: true }).unwrap_err().to_string();
    assert!(error.contains("batch size: expected at least 7"), "{error}");

    text.push_str("q3,1,5\n");
    let error = reader.stream::<f64>(file("groups-again", &text)).unwrap_err().to_string();
    assert!(
        error.contains(
            "line 80002, column `query`: expected the rows of a group side by side, found `q3` once more"
        ),
        "{error}"
    );
}

/// What a reader says of the text of a file.
fn fault(reader: CsvReader, text: &str) -> String {
    let path = file("faults", text);
    match reader.stream::<f64>(&path) {
        Ok(stream) => stream.read().expect_err("a fault").to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_wrong_far_down_is_told_with_its_line() {
    let good = rows();
    let last_line = good.lines().count();
    let with = |row: &str| fault(reader(), &format!("{good}{row}\n"));
    let at = |what: &str| format!("line {}, {what}", last_line + 1);
    let message = with("1,2,flat,3,8000,4,barn");
    assert!(
        message.contains(&format!("line {}: expected 8 cells, as in line 1, found 7", last_line + 1)),
        "{message}"
    );
    let message = with("1,much,flat,3,8000,4,barn,1");
    assert!(message.contains(&at("column `area`: expected a number, found `much`")), "{message}");
    let message = with("1,2,514,3,8000,4,barn,1");
    assert!(message.contains(&at("column `roof`: expected a text that is not a number")), "{message}");
    let message = with("1,2,flat,3,8000,dear,barn,1");
    assert!(message.contains(&at("column `price`: expected a number, found `dear`")), "{message}");
    let message = with("1,2,flat,3,8000,4,barn,-1");
    assert!(message.contains(&at("column `count`: expected a weight, at least 0, found -1")), "{message}");
    let message = with("1,2, \"flat\",3,8000,4,barn,1");
    assert!(message.contains("expected quotes right behind the delimiter"), "{message}");
    let message = fault(CsvReader::new(), &format!("{good},,,,,,,\n"));
    assert!(message.contains("expected a last row with a filled cell"), "{message}");
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain("a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let message = CsvReader::new().stream::<f64>(file("utf16", utf16)).unwrap_err().to_string();
    assert!(
        message.contains(
            "expected UTF-8 text, found UTF-16 text (`CsvReader::read` reads such a file as a whole)"
        ),
        "{message}"
    );
    assert!(CsvReader::new().stream::<f64>(Folder::new("none").join("none.csv")).is_err());
}

#[test]
fn a_file_that_changes_and_a_text_that_is_new_are_errors() {
    let path = file("changes", rows());
    let mut stream = reader().stream::<f64>(&path).expect("a stream").window(8_000);
    let encoding = stream.encoding().clone();
    let mut model = model(&stream);
    let trainer = Trainer::new(Adam::new(0.01)).batch_size(500).epochs(3);
    let mut run = trainer.start_source(&model, &mut stream).expect("a run");
    let mut workspace = run.workspace(&model, None);
    run.step_from(&mut model, &mut stream, &mut workspace).expect("a step");
    fs::write(&path, format!("{}1,2,straw,3,8000,4,barn,1\n", rows())).expect("the same file, longer");
    let error = loop {
        if let Err(error) = run.step_from(&mut model, &mut stream, &mut workspace) {
            break error.to_string();
        }
    };
    assert!(
        error.contains(
            "expected the file as it was when it was opened, found one that has been written to since"
        ),
        "{error}"
    );

    let mut next = encoding.stream::<f64>(&path).expect("its columns are there");
    let error = next.begin(order(100, None)).map_or_else(
        |error| error.to_string(),
        |()| loop {
            if let Err(error) = next.advance() {
                break error.to_string();
            }
        },
    );
    assert!(
        error.contains("column `roof`: expected one of the texts that the encoding was fitted to"),
        "{error}"
    );
    let lenient: Dataset<f64> = encoding.lenient().stream(&path).expect("a stream").read().expect("all rows");
    assert_eq!(lenient.n_rows(), 25_001);
}

/// Blocks of plain numbers are decoded as they are parsed, all others cell by cell: the numbers are the same.
#[test]
fn plain_numbers_are_read_as_all_others() {
    let mut text = String::from("a,since,unused,y\n");
    for i in 0..60_000_u64 {
        let a = f64::from_bits((1_023 << 52) | i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 12) - 1.5;
        let _ = writeln!(text, "{a},{},note {i}, {}e-1", 1_700_000_000 + i, i % 7);
    }
    let reader = CsvReader::new().targets(["y"]).ignore(["unused"]);
    let path = file("plain", &text);
    let stream = reader.stream::<f32>(&path).expect("a stream");
    let whole = reader.read::<f32>(&path).expect("a table").0;
    let read = stream.read().expect("all rows");
    assert_eq!((read.features(), read.targets()), (whole.features(), whole.targets()));
    assert_eq!(read.feature_row(59_999)[1], 59_999.0); // the smallest is subtracted
    // A single gap in a block, and a number that is none.
    let gap = text.replacen("note 50000, 6e-1", "note 50000, ", 1);
    let stream = reader.stream::<f64>(file("plain-gap", gap)).expect("a stream");
    assert_eq!(stream.encoding().columns()[3].content, Content::Target { missing: 1 });
    let infinite = text.replacen("note 50000, 6e-1", "note 50000, 1e999", 1);
    let error = reader.stream::<f64>(file("plain-infinite", infinite)).unwrap_err().to_string();
    assert!(error.contains("line 50002, column `y`: expected a finite number, found `1e999`"), "{error}");
}

/// Whatever is done to a file, what the stream reads is what the whole of it is read as; or it is an error.
#[test]
fn damaged_files_are_read_as_a_whole_reads_them_or_refused() {
    // Columns of all sorts; and numbers alone, which are read a shorter way.
    damage(&rows(), &reader(), 3);
    let mut numbers = String::from("id,area,price\n");
    (0..80_000_u64).for_each(|i| {
        let _ = writeln!(numbers, "{i},{}.5,{}", i * 37 % 977, i % 1000);
    });
    damage(&numbers, &CsvReader::new().targets(["price"]), 4);
}

fn damage(good: &str, reader: &CsvReader, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let scraps: [&[u8]; 12] =
        [b",", b"\"", b"\n", b"\r", b"\r\n", b"\n\n", b"NA", b"7", b"flat", b"\xff", b"\xc3\xa9", b" \"x\" "];
    let (mut n_read, mut n_refused) = (0, 0);
    for case in 0..n_damaged() {
        let mut bytes = good.as_bytes().to_vec();
        // A digit more in every second file: it may be in a number, and then all is well.
        let is_mild = case % 2 == 1;
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            let end = if is_mild { at } else { (at + rng.random_range(0..6)).min(bytes.len()) };
            let scrap = if is_mild { &b"7"[..] } else { scraps[rng.random_range(0..scraps.len())] };
            bytes.splice(at..end, scrap.iter().copied());
        }
        let truncates = !is_mild && rng.random_bool(0.2);
        if truncates {
            bytes.truncate(rng.random_range(0..bytes.len()));
        }
        let path = file("damaged", &bytes);
        let whole = reader.read::<f64>(&path);
        let streamed = reader.stream::<f64>(&path).and_then(|stream| Ok((stream.read()?, stream)));
        match (whole, streamed) {
            (Ok((whole, encoding)), Ok((data, stream))) => {
                assert_same_encoding(stream.encoding(), &encoding);
                assert_eq!((data.names(), data.n_rows()), (whole.names(), whole.n_rows()));
                assert!(data.features().iter().zip(whole.features()).all(|(a, b)| same(a, b)));
                assert!(data.targets().iter().zip(whole.targets()).all(|(a, b)| same(a, b)));
                n_read += 1;
            }
            (whole, Ok((data, _))) => {
                let error = whole.expect_err("an error");
                panic!("{} rows are read of what is refused as a whole: {error}", data.n_rows());
            }
            (_, Err(_)) => n_refused += 1,
        }
    }
    assert!(n_read > 0 && n_refused > 0, "{n_read} read, {n_refused} refused");
}

/// How many files are damaged; `POLYTASK_CASES` asks for more.
fn n_damaged() -> usize {
    std::env::var("POLYTASK_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(6)
}

#[cfg(feature = "parquet")]
mod parquet {
    use polytask::data::csv::Table;

    use super::*;

    fn path() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/parquet/long.parquet")
    }

    #[test]
    fn columns_and_rows_are_those_of_the_whole_file() {
        // With texts and gaps; and numbers alone, which take the short way.
        for reader in [
            CsvReader::new().targets(["price"]).ignore(["query"]),
            CsvReader::new().targets(["area"]).ignore(["query", "roof", "price", "age"]),
        ] {
            let table = Table::read_parquet(path()).expect("a table");
            let encoding = reader.fit(&table).expect("an encoding");
            let whole: Dataset<f64> = encoding.apply(&table).expect("a table of numbers");
            let mut stream = reader.stream_parquet::<f64>(path()).expect("a stream").window(5_000);
            assert_same_encoding(stream.encoding(), &encoding);
            let read = stream.read().expect("all rows");
            assert_eq!((read.names(), read.n_rows()), (whole.names(), 60_000));
            assert!(read.features().iter().zip(whole.features()).all(|(a, b)| same(a, b)));
            assert!(read.targets().iter().zip(whole.targets()).all(|(a, b)| same(a, b)));

            stream.begin(order(64, Some(1))).expect("batches");
            let epoch = ids(&mut stream);
            let mut all = epoch.concat();
            all.sort_unstable();
            assert!(all.iter().copied().eq(0..60_000));
            let known = encoding.stream_parquet::<f64>(path()).expect("a stream").read().expect("all rows");
            assert_eq!(known.features(), whole.features());
        }
    }

    #[test]
    fn groups_stay_whole() {
        let reader = CsvReader::new().targets(["price"]).group_column("query").ignore(["roof", "age"]);
        let mut stream = reader.stream_parquet::<f64>(path()).expect("a stream").window(10_000);
        stream.begin(Order { batch_size: 50, seed: Some(1), keeps_groups: true }).expect("batches");
        let mut sizes: BTreeMap<u64, usize> = BTreeMap::new();
        loop {
            stream.advance().expect("a batch");
            let batch = stream.batch();
            let groups = batch.dataset.groups().expect("groups");
            batch.rows.iter().for_each(|&row| {
                assert_eq!(groups[row], batch.dataset.feature_row(row)[0] as u64 / 7);
                *sizes.entry(groups[row]).or_default() += 1;
            });
            if stream.epoch_finished() {
                break;
            }
        }
        assert!(sizes.len() == 60_000_usize.div_ceil(7) && sizes.values().rev().skip(1).all(|&n| n == 7));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_row() {
        let reader = CsvReader::new().targets(["price"]).ignore(["query"]);
        let encoding = reader.stream_parquet::<f64>(path()).expect("a stream").encoding().clone();
        // Fitted to the first rows alone: a text, and a gap, that they do not have.
        let table = Table::read_parquet(path()).expect("a table");
        let first = reader.fit_rows(&table, &(0..1000).collect::<Vec<_>>()).expect("an encoding");
        let error = first.stream_parquet::<f64>(path()).expect("a stream").read().unwrap_err().to_string();
        assert!(error.contains("row 59955, column `age`: expected a filled cell"), "{error}");
        assert!(encoding.stream_parquet::<f64>(path()).expect("a stream").read().is_ok());
        let bytes = fs::read(path()).expect("a file");
        for length in [0, 3, 100, bytes.len() / 2, bytes.len() - 1] {
            assert!(reader.stream_parquet::<f64>(file("parquet-cut", &bytes[..length])).is_err(), "{length}");
        }
        let error = reader.stream_parquet::<f64>(Folder::new("no-parquet").join("none")).unwrap_err();
        assert_eq!(error.kind(), polytask::ErrorKind::File);
    }
}
