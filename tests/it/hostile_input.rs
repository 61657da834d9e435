//! Whatever a table or a file holds, the answer is an error that names place, expected and found. Nothing panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use polytask::data::{Dataset, Sampler, Standardizer};
use polytask::ndarray::{Array1, Array2, array};
use polytask::{Error, ErrorKind, Result};

/// What was done, the kind of error it must give, and what the message must say.
type Case<'a> = (&'a str, Box<dyn Fn() -> Result<()> + 'a>, ErrorKind, &'a [&'a str]);

fn case<'a, T>(
    what: &'a str,
    act: impl Fn() -> Result<T> + 'a,
    kind: ErrorKind,
    says: &'a [&'a str],
) -> Case<'a> {
    (what, Box::new(move || act().map(drop)), kind, says)
}

fn check(cases: &[Case<'_>]) {
    let faults: Vec<String> = cases.iter().filter_map(|case| fault(case).err()).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn fault((what, act, kind, says): &Case<'_>) -> std::result::Result<(), String> {
    let outcome = catch_unwind(AssertUnwindSafe(act)).map_err(|_| format!("{what}: panicked"))?;
    let error: Error = outcome.err().ok_or_else(|| format!("{what}: was accepted"))?;
    let message = error.to_string();
    let unsaid = says.iter().find(|part| !message.contains(**part));
    match unsaid {
        Some(part) => Err(format!("{what}: `{part}` is not in `{message}`")),
        None if error.kind() != *kind => Err(format!("{what}: {:?}, not {kind:?}", error.kind())),
        None => Ok(()),
    }
}

fn table() -> Dataset<f64> {
    Dataset::new(array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], array![[1.0], [2.0], [3.0]]).unwrap()
}

#[test]
fn tables() {
    use ErrorKind::{Name, Shape, Value};
    let zeros = |shape| Array2::<f64>::zeros(shape);
    check(&[
        case(
            "no rows",
            || Dataset::new(zeros((0, 2)), zeros((0, 1))),
            Shape,
            &["features", "at least one row", "0 × 2"],
        ),
        case("no features", || Dataset::new(zeros((2, 0)), zeros((2, 1))), Shape, &["features", "2 × 0"]),
        case(
            "rows differ",
            || Dataset::new(zeros((2, 1)), zeros((3, 1))),
            Shape,
            &["targets", "2 rows", "found 3"],
        ),
        case(
            "feature NaN",
            || Dataset::new(array![[0.0, 1.0], [2.0, f64::NAN]], zeros((2, 1))),
            Value,
            &["features[1, 1]", "finite", "NaN"],
        ),
        case(
            "target infinite",
            || Dataset::new(array![[0.0]], array![[0.0, f64::NEG_INFINITY]]),
            Value,
            &["targets[0, 1]", "NaN for a missing label", "-inf"],
        ),
        case(
            "ragged slice",
            || Dataset::from_slices(&[0.0; 5], 2, &[], 0),
            Shape,
            &["features", "2 rows × 2", "5 numbers"],
        ),
        case(
            "slice of no columns",
            || Dataset::from_slices(&[0.0; 5], 0, &[], 0),
            Shape,
            &["features", "5 numbers"],
        ),
        case(
            "targets short",
            || Dataset::from_slices(&[0.0; 4], 2, &[0.0], 1),
            Shape,
            &["targets", "2 rows", "found 1"],
        ),
        case(
            "too few names",
            || table().with_feature_names(["a"]),
            Name,
            &["feature names", "2 names", "1 names"],
        ),
        case(
            "a name twice",
            || table().with_feature_names(["a", "a"]),
            Name,
            &["feature names[1]", "`a` a second time"],
        ),
        case("no name", || table().with_target_names([" "]), Name, &["target names[0]", "an empty name"]),
        case(
            "unknown target",
            || table().names().target("Y0"),
            Name,
            &["targets", "`Y0`", "nearest", "`y0`"],
        ),
        case(
            "weights short",
            || table().with_weights(Array1::ones(2)),
            Shape,
            &["weights", "3, one per row", "found 2"],
        ),
        case(
            "weight negative",
            || table().with_weights(array![1.0, -1.0, 1.0]),
            Value,
            &["weights[1]", "at least 0", "-1"],
        ),
        case(
            "weight infinite",
            || table().with_weights(array![1.0, 1.0, f64::INFINITY]),
            Value,
            &["weights[2]", "inf"],
        ),
        case(
            "weights all 0",
            || table().with_weights(Array1::zeros(3)),
            Value,
            &["weights", "above 0", "only 0"],
        ),
        case("groups long", || table().with_groups(vec![0; 4]), Shape, &["groups", "3", "found 4"]),
        case(
            "too large for f32",
            || Dataset::from_slices(&[1e300], 1, &[], 0)?.cast::<f32>(),
            Value,
            &["features[0, 0]", "finite", "inf"],
        ),
    ]);
}

#[test]
fn settings_of_batches_splits_and_folds() {
    use ErrorKind::{Name, Setting, Shape, Value};
    let data = table();
    let grouped = table().with_groups(vec![4, 4, 5]).unwrap();
    let one_group = table().with_groups(vec![4; 3]).unwrap();
    let share = |share| {
        let data = &data;
        move || data.split(share, 1)
    };
    check(&[
        case(
            "batch of 0",
            || data.batches(0, 1).next_batch().map(drop),
            Setting,
            &["batch size", "at least 1", "found 0"],
        ),
        case("sampler of 0", || Sampler::in_order(&data, 0), Setting, &["batch size", "found 0"]),
        case(
            "group too large",
            || Sampler::shuffled(&grouped, 1, 1),
            Setting,
            &["batch size", "at least 2", "row 0", "found 1"],
        ),
        case(
            "seek past the end",
            || Sampler::shuffled(&data, 1, 1)?.seek(0, 4),
            Setting,
            &["position", "at most 3", "found 4"],
        ),
        case(
            "seek into a group",
            || Sampler::in_order(&grouped, 2)?.seek(0, 1),
            Setting,
            &["position", "inside a group"],
        ),
        case("share 0", share(0.0), Setting, &["share", "between 0 and 1", "found 0"]),
        case("share 1", share(1.0), Setting, &["share", "found 1"]),
        case("share NaN", share(f64::NAN), Setting, &["share", "NaN"]),
        case("split of one row", || data.select(&[0]).split(0.5, 1), Shape, &["split", "2 rows", "found 1"]),
        case("split of one group", || one_group.split(0.5, 1), Shape, &["split", "2 groups", "found 1"]),
        case("one fold", || data.folds(1, 1), Setting, &["folds", "at least 2", "found 1"]),
        case("more folds than rows", || data.folds(4, 1), Shape, &["4 folds", "4 rows", "found 3"]),
        case("more folds than groups", || grouped.fold_rows(3, 1), Shape, &["3 groups", "found 2"]),
        case("strata of nothing", || data.stratified_fold_rows(2, "y", 1), Name, &["`y`", "`y0`"]),
        case(
            "strata of groups",
            || grouped.stratified_fold_rows(2, "y0", 1),
            Setting,
            &["without groups", "fold_rows"],
        ),
        case(
            "std negative",
            || Standardizer::from_moments(vec![0.0], vec![-1.0]),
            Value,
            &["column 0", "at least 0", "-1"],
        ),
        case(
            "mean NaN",
            || Standardizer::from_moments(vec![0.0, f64::NAN], vec![1.0; 2]),
            Value,
            &["column 1", "NaN"],
        ),
        case(
            "lengths differ",
            || Standardizer::from_moments(vec![0.0], vec![1.0; 2]),
            Shape,
            &["1, one per mean", "found 2"],
        ),
        case(
            "mean beyond f64",
            || Standardizer::fit(array![[f64::MAX], [f64::MAX], [0.0]].view(), None),
            Value,
            &["column 0", "finite"],
        ),
        case(
            "std beyond f32",
            || Standardizer::<f64>::from_moments(vec![0.0], vec![1e300])?.cast::<f32>(),
            Value,
            &["column 0", "f32", "inf"],
        ),
    ]);
    let mut batches = data.batches(0, 1);
    assert!(batches.next_batch().is_err());
    assert!(batches.next_batch().unwrap().is_none(), "an error ends the pass");
}

#[cfg(feature = "csv")]
mod csv {
    use super::*;
    use polytask::data::csv::CsvReader;

    fn reader() -> CsvReader {
        CsvReader::new().targets(["y"])
    }

    #[test]
    fn files() {
        use ErrorKind::{File, Name, Setting, Value};
        let bad = |reader: CsvReader, text: &'static [u8]| move || reader.read_from::<f32>(text, "bad.csv");
        check(&[
            case(
                "no file",
                || reader().read::<f32>("no/such.csv"),
                File,
                &["no/such.csv", "can be read", "No such file"],
            ),
            case("a folder", || reader().read::<f32>(std::env::temp_dir()), File, &["can be read"]),
            case("empty", bad(reader(), b""), File, &["bad.csv", "a header line", "an empty file"]),
            case("only line ends", bad(reader(), b"\n\r\n\n"), File, &["bad.csv", "an empty file"]),
            case(
                "header only",
                bad(reader(), b"x,y\n"),
                File,
                &["bad.csv", "one row below the header", "none"],
            ),
            case(
                "short line",
                bad(reader(), b"x,z,y\n1,2,3\n1,2\n"),
                File,
                &["bad.csv, line 3", "3 cells", "found 2", "quotes"],
            ),
            case(
                "long line",
                bad(reader(), b"x,y\r\n1,2\r\n\r\n1,2,3\r\n"),
                File,
                &["line 4", "2 cells", "found 3"],
            ),
            case(
                "open quote",
                bad(reader(), b"x,y\n1,2\n\"1,2\n3,4\n"),
                File,
                &["line 3", "2 cells", "found 1"],
            ),
            case(
                "header twice",
                bad(reader(), b"x,x,y\n1,2,3\n"),
                Name,
                &["column names[1]", "`x` a second time"],
            ),
            case(
                "header cell empty",
                bad(reader(), b"x,,y\n1,2,3\n"),
                Name,
                &["column names[1]", "an empty name", "CsvReader::header(false)"],
            ),
            case(
                "header not UTF-8",
                bad(reader(), b"x,\xff,y\n1,2,3\n"),
                File,
                &["line 1, column 2", "UTF-8"],
            ),
            case(
                "cell not UTF-8",
                bad(reader(), b"x,y\n1,2\n\xe9t\xe9,2\n"),
                File,
                &["line 3, column `x`", "UTF-8", "t\u{fffd}"],
            ),
            case("zero bytes", bad(reader(), b"\0\0\0\0,\0\n\0"), File, &["line 2", "2 cells"]),
            case(
                "unknown target",
                bad(reader().targets(["Y1"]), b"x,y1,y\n1,2,3\n"),
                Name,
                &["bad.csv", "`Y1`", "nearest names are `y1`"],
            ),
            case(
                "unknown target of one column",
                bad(reader(), b"y1\n1\n"),
                Name,
                &["`y`", "the nearest name is `y1`"],
            ),
            case(
                "unknown weights",
                bad(reader().weights_column("weigth"), b"weight,y\n1,2\n"),
                Name,
                &["`weigth`", "`weight`"],
            ),
            case("unknown groups", bad(reader().group_column("q"), b"x,y\n1,2\n"), Name, &["`q`"]),
            case("unknown to ignore", bad(reader().ignore(["q"]), b"x,y\n1,2\n"), Name, &["`q`"]),
            case("unknown category", bad(reader().categorical(["q"]), b"x,y\n1,2\n"), Name, &["`q`"]),
            case(
                "two roles",
                bad(reader().weights_column("y"), b"x,y\n1,2\n"),
                Setting,
                &["column `y`", "one role", "a target, and the weights"],
            ),
            case(
                "target twice",
                bad(reader().targets(["y"]), b"x,y\n1,2\n"),
                Setting,
                &["column `y`", "one role"],
            ),
            case(
                "target of text",
                bad(reader(), b"x,y\n1,2\n1,high\n"),
                Value,
                &["bad.csv, line 3, column `y`", "a number", "`high`", "class_targets"],
            ),
            case(
                "target inf",
                bad(reader(), b"x,y\n1,inf\n"),
                Value,
                &["line 2, column `y`", "finite", "`inf`"],
            ),
            case(
                "target beyond f64",
                bad(reader(), b"x,y\n1,-1e999\n"),
                Value,
                &["line 2, column `y`", "finite", "`-1e999`", "leave the cell empty"],
            ),
            case(
                "target NaN",
                bad(reader(), b"x,y\n1,NaN\n"),
                Value,
                &["column `y`", "at least one label", "none"],
            ),
            case(
                "target without labels",
                bad(reader(), b"x,y\n1,\n2,\n"),
                Value,
                &["column `y`", "at least one label", "none"],
            ),
            case(
                "feature +nan",
                bad(reader(), b"x,y\n1,1\n+nan,1\n"),
                Value,
                &["line 3, column `x`", "finite", "`+nan`"],
            ),
            case(
                "feature infinity",
                bad(reader(), b"x,y\nblue,1\n-Infinity,1\n"),
                Value,
                &["line 3, column `x`", "`-Infinity`"],
            ),
            case(
                "feature beyond f32",
                bad(reader(), b"x,y\n1e39,1\n"),
                Value,
                &["line 2, column `x`", "range of f32", "`1e39`"],
            ),
            case(
                "feature beyond f64",
                bad(reader(), b"x,y\n1e999,1\n"),
                Value,
                &["line 2, column `x`", "finite", "`1e999`"],
            ),
            case(
                "text among numbers",
                bad(reader(), b"x,y\n1,1\n2,1\nabc,1\n"),
                Value,
                &["line 4, column `x`", "a number, as in 2 of the 3", "`abc`"],
            ),
            case(
                "number among texts",
                bad(reader(), b"x,y\na,1\n2,1\nb,1\n"),
                Value,
                &["line 3, column `x`", "not a number, as in 2 of the 3", "`2`"],
            ),
            case(
                "decimal comma",
                bad(reader(), b"x;y\n1,5;1\n2.5;1\n3,5;1\n"),
                Value,
                &["line 3, column `x`", "a number", "`2.5`", "CsvReader::categorical"],
            ),
            case(
                "too many texts",
                bad(reader().max_categories(2), b"x,y\na,1\nb,1\nc,1\n"),
                Value,
                &["column `x`", "at most 2", "3 different"],
            ),
            case("no features", bad(reader(), b"y\n1\n"), File, &["bad.csv", "feature", "none"]),
            case(
                "no filled features",
                bad(reader().ignore(["z"]), b"x,z,y\n,1,1\n"),
                File,
                &["feature", "none"],
            ),
            case(
                "weight missing",
                bad(reader().weights_column("w"), b"x,w,y\n1,,1\n"),
                Value,
                &["line 2, column `w`", "a number", "an empty cell"],
            ),
            case(
                "weight negative",
                bad(reader().weights_column("w"), b"x,w,y\n1,-2,1\n"),
                Value,
                &["line 2, column `w`", "at least 0", "-2"],
            ),
            case(
                "weights all 0",
                bad(reader().weights_column("w"), b"x,w,y\n1,0,1\n"),
                Value,
                &["bad.csv", "weights", "only 0"],
            ),
            case(
                "group missing",
                bad(reader().group_column("q"), b"x,q,y\n1,,1\n"),
                Value,
                &["line 2, column `q`", "a group", "an empty cell"],
            ),
            case(
                "a feature named like another",
                bad(reader(), b"x,x_missing,y\n1,2,3\n,2,3\n"),
                Name,
                &["bad.csv", "`x_missing` a second time", "rename a column"],
            ),
        ]);
    }

    #[test]
    fn files_unlike_the_fitted_one() {
        use ErrorKind::{Name, Value};
        let fitted = "x,kind,label,y\n1,a,no,1\n2,b,yes,2\n";
        let reader = reader().class_targets(["label"]);
        let (_, encoding) = reader.read_from::<f64>(fitted.as_bytes(), "fitted.csv").unwrap();
        let next = |text: &'static str| {
            let encoding = &encoding;
            move || encoding.read_from::<f64>(text.as_bytes(), "next.csv")
        };
        check(&[
            case("feature gone", next("kind,label,y\na,no,1\n"), Name, &["next.csv", "`x`"]),
            case("target gone", next("x,kind,label\n1,a,no\n"), Name, &["next.csv", "`y`"]),
            case(
                "new text",
                next("x,kind,label,y\n1,c,no,1\n"),
                Value,
                &["next.csv, line 2, column `kind`", "`a`, `b`", "`c`", "lenient"],
            ),
            case(
                "new class",
                next("x,kind,label,y\n1,a,maybe,1\n"),
                Value,
                &["line 2, column `label`", "`no`, `yes`", "`maybe`", "lenient_labels"],
            ),
            case(
                "new gap",
                next("x,kind,label,y\n1,a,no,1\n,a,no,1\n"),
                Value,
                &["line 3, column `x`", "filled", "an empty cell", "lenient"],
            ),
            case(
                "text for a number",
                next("x,kind,label,y\nsix,a,no,1\n"),
                Value,
                &["line 2, column `x`", "a number", "`six`"],
            ),
        ]);
    }

    /// No file of random bytes, biased to what has a meaning in CSV, makes the reader panic.
    #[test]
    fn noise() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let alphabet = b"xy01.,,,\n\n\r\"\" -eainf\xff\xc3\xa9\0";
        let mut accepted = 0;
        for _ in 0..20_000 {
            let length = random() % 24;
            let mut bytes = if random() % 2 == 0 { b"x,y\n".to_vec() } else { Vec::new() };
            bytes.extend((0..length).map(|_| alphabet[(random() % alphabet.len() as u64) as usize]));
            let read = || CsvReader::new().read_from::<f32>(bytes.as_slice(), "noise.csv");
            match catch_unwind(AssertUnwindSafe(read)) {
                Ok(Ok((data, _))) => {
                    accepted += 1;
                    assert!(data.features().iter().all(|x| x.is_finite()));
                }
                Ok(Err(error)) => assert!(error.to_string().starts_with("noise.csv"), "{error}"),
                Err(_) => panic!("the reader panicked on {:?}", String::from_utf8_lossy(&bytes)),
            }
        }
        assert!(
            accepted > 100,
            "only {accepted} of the files were tables: the noise is too wild to test with"
        );
    }
}
