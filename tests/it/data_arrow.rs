//! Tables of Arrow record batches and Parquet files: the same data, encoding and bits as the CSV file; and what is no table is an
//! error that says where.

use std::path::PathBuf;
use std::sync::Arc;

use polytask::arrow_array::types::{Int8Type, UInt16Type};
use polytask::arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array,
    Int8Array, Int64Array, LargeStringArray, ListArray, NullArray, PrimitiveArray, RecordBatch, StringArray,
    StringViewArray, UInt64Array,
};
use polytask::data::csv::{Table, Values};
use polytask::prelude::*;
use polytask::{ErrorKind, Result};

use super::data_columns::{FILE, columns, reader};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// The table in other types of Arrow than the plain ones, if `is_odd`.
fn houses(is_odd: bool) -> RecordBatch {
    let texts = |name: &str| -> Vec<Option<String>> {
        let (_, values) = columns().into_iter().find(|(other, _)| *other == name).expect("a column");
        match values {
            Values::Texts(texts) => texts,
            other => panic!("{name} holds texts, not {other:?}"),
        }
    };
    let roof: ArrayRef = match is_odd {
        false => Arc::new(StringArray::from(texts("roof"))),
        true => {
            Arc::new(texts("roof").iter().map(|text| text.as_deref()).collect::<DictionaryArray<Int8Type>>())
        }
    };
    let kind: ArrayRef = match is_odd {
        false => Arc::new(LargeStringArray::from(texts("kind"))),
        true => Arc::new(StringViewArray::from(texts("kind"))),
    };
    let rooms: ArrayRef = match is_odd {
        false => Arc::new(Int64Array::from(vec![Some(3), Some(4), None, Some(-7)])),
        true => Arc::new(Int8Array::from(vec![Some(3), Some(4), None, Some(-7)])),
    };
    batch(vec![
        ("area", Arc::new(Float64Array::from(vec![Some(514.5), None, Some(612.123456789), Some(1e21)]))),
        ("rooms", rooms),
        ("roof", roof),
        ("sold", Arc::new(BooleanArray::from(vec![true, false, true, false]))),
        ("heating", Arc::new(Float64Array::from(vec![Some(15.25), None, Some(1e-7), Some(24.0)]))),
        ("kind", kind),
    ])
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/parquet").join(name)
}

fn trained(data: &Dataset<f64>) -> Result<Vec<u64>> {
    let builder = Model::builder(data.n_features()).trunk([Layer::dense(4, Activation::Tanh)]).standardize();
    let builder = builder.task(Task::regression("heating")).task(Task::classes("kind", 3));
    let mut model = builder.build::<f64>()?;
    Trainer::new(Adam::new(0.01)).epochs(5).batch_size(2).fit(&mut model, data)?;
    Ok(model.parameters().iter().map(|x| x.to_bits()).collect())
}

/// Batches of every cut, and files of pyarrow, Polars and pandas: `tests/golden/make_parquet.py`.
#[test]
fn every_source_gives_the_data_of_the_file() -> Result<()> {
    let (expected, encoding) = reader().read_from::<f64>(FILE.as_bytes(), "houses.csv")?;
    let bits = trained(&expected)?;
    let (plain, odd) = (houses(false), houses(true));
    let mut tables = vec![
        Table::from_arrow("houses", [&plain])?,
        Table::from_arrow("houses", [&odd])?,
        Table::from_arrow("houses", [&odd.slice(0, 1), &odd.slice(1, 0), &odd.slice(1, 3)])?,
    ];
    for name in ["pyarrow", "types", "polars", "pandas"] {
        tables.push(Table::read_parquet(golden(&format!("{name}.parquet")))?);
    }
    for table in &tables {
        let own = reader().fit(table)?;
        assert_eq!(own, encoding);
        let data = own.apply::<f64>(table)?;
        assert_eq!((data.features(), data.feature_names()), (expected.features(), expected.feature_names()));
        assert_eq!(data.target_names(), expected.target_names());
        assert_eq!(trained(&data)?, bits);
    }
    // At prediction, columns in another order, and more of them.
    let schema = odd.schema();
    let mut shuffled: Vec<(&str, ArrayRef)> = schema
        .fields()
        .iter()
        .zip(odd.columns())
        .map(|(field, array)| (field.name().as_str(), array.clone()))
        .collect();
    shuffled.reverse();
    shuffled.push(("owner", Arc::new(StringArray::from(vec!["Ada", "Ben", "Cleo", "Dan"]))));
    let again = encoding.features::<f64>(&Table::from_arrow("next", [&batch(shuffled)])?)?;
    assert_eq!(again, expected.features());
    Ok(())
}

#[test]
fn numbers_of_every_type_are_numbers() -> Result<()> {
    let decimal = Decimal128Array::from(vec![Some(1230), None, Some(-7)])
        .with_precision_and_scale(9, 2)
        .expect("a scale");
    let coded = DictionaryArray::<UInt16Type>::new(
        PrimitiveArray::from(vec![Some(1_u16), None, Some(0)]),
        Arc::new(Int64Array::from(vec![7, 8])),
    );
    let table = Table::from_arrow(
        "frame",
        [&batch(vec![
            ("decimal", Arc::new(decimal)),
            ("single", Arc::new(Float32Array::from(vec![0.5, 0.25, 4.0]))),
            ("count", Arc::new(UInt64Array::from(vec![1 << 53, 0, 3]))),
            ("coded", Arc::new(coded)),
            ("gap", Arc::new(NullArray::new(3))),
        ])],
    )?;
    let cells = |row: usize| (0..5).map(|column| table.cell(row, column)).collect::<Vec<_>>();
    assert_eq!(cells(0), ["12.3", "0.5", "9007199254740992", "8", ""]);
    assert_eq!(cells(1), ["", "0.25", "0", "", ""]);
    assert_eq!(cells(2), ["-0.07", "4.0", "3", "7", ""]);
    let of_file = Table::read_parquet(golden("decimal.parquet"))?;
    assert_eq!([0, 1, 2].map(|row| of_file.cell(row, 0)), ["12.3", "", "-0.07"]);
    Ok(())
}

#[test]
fn what_is_no_column_of_values_is_named() {
    let said = |batches: &[RecordBatch]| {
        let error = Table::from_arrow("frame", batches).unwrap_err();
        (error.kind(), error.to_string())
    };
    let one = |name: &'static str, array: ArrayRef| batch(vec![(name, array)]);
    let has = |batches: &[RecordBatch], kind: ErrorKind, parts: &[&str]| {
        let (found, message) = said(batches);
        assert_eq!(found, kind, "{message}");
        parts.iter().for_each(|part| assert!(message.contains(part), "{part} is not in: {message}"));
    };
    let numbers = |values: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
    has(&[], ErrorKind::Shape, &["frame: expected columns with at least one row, found no column"]);
    has(&[one("a", numbers(vec![]))], ErrorKind::Shape, &["found no row"]);
    has(
        &[one("day", Arc::new(Date32Array::from(vec![19_724])))],
        ErrorKind::Value,
        &[
            "frame, column `day`: expected a column of numbers, booleans or texts, found Date32",
            "days since a date",
        ],
    );
    let list: ListArray =
        ListArray::from_iter_primitive::<polytask::arrow_array::types::Int32Type, _, _>([Some([Some(1)])]);
    has(&[one("sizes", Arc::new(list))], ErrorKind::Value, &["column `sizes`", "found List", "each part"]);
    // The row is that of the whole table.
    has(
        &[one("a", numbers(vec![1.0, 2.0])), one("a", numbers(vec![3.0, f64::NAN]))],
        ErrorKind::Value,
        &["frame, row 3, column `a`: expected a finite number, or none, found NaN"],
    );
    has(
        &[one("n", Arc::new(UInt64Array::from(vec![1, u64::MAX])))],
        ErrorKind::Value,
        &["frame, row 1, column `n`: expected a whole number of at most 2⁵³", "18446744073709551615"],
    );
    has(
        &[one("a", numbers(vec![1.0])), one("b", numbers(vec![1.0]))],
        ErrorKind::Name,
        &["columns of batch 1", "[\"a\"]", "[\"b\"]"],
    );
    has(
        &[one("a", numbers(vec![1.0])), one("a", Arc::new(Int8Array::from(vec![1])))],
        ErrorKind::Value,
        &["frame, column `a`: expected Float64, as in the first batch, found Int8"],
    );
    has(
        &[batch(vec![("a", numbers(vec![1.0])), ("", numbers(vec![1.0]))])],
        ErrorKind::Name,
        &["column names"],
    );
}

#[test]
fn files_that_are_no_tables_are_errors() {
    let said = |name: &str| Table::read_parquet(golden(name)).unwrap_err().to_string();
    assert!(said("date.parquet").contains("column `day`"), "{}", said("date.parquet"));
    assert!(said("nested.parquet").contains("column `area`"), "{}", said("nested.parquet"));
    assert!(said("no_rows.parquet").contains("found no row"), "{}", said("no_rows.parquet"));
    assert!(said("gzip.parquet").to_lowercase().contains("gzip"), "{}", said("gzip.parquet"));
    assert!(said("not_there.parquet").contains("a file that can be read"), "{}", said("not_there.parquet"));
    let whole = std::fs::read(golden("polars.parquet")).expect("it is there");
    let error = |bytes: &[u8]| Table::parquet_from(bytes.to_vec(), "houses").unwrap_err();
    let mut encrypted = whole.clone();
    let n = whole.len();
    encrypted[n - 4..].copy_from_slice(b"PARE");
    for bytes in [&whole[..n / 2], &whole[..n - 1], &whole[4..], &[], &encrypted] {
        let error = error(bytes);
        assert_eq!(error.kind(), ErrorKind::File, "{error}");
        assert!(
            error.to_string().starts_with("houses: expected a Parquet file, whole and not encrypted"),
            "{error}"
        );
    }
}

/// Files with bytes changed at random are errors or tables.
#[test]
fn damaged_files_do_not_panic() {
    let mut state = 1_u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for name in ["polars.parquet", "pyarrow.parquet", "types.parquet", "decimal.parquet"] {
        let whole = std::fs::read(golden(name)).expect("it is there");
        for _ in 0..3_000 {
            let mut bytes = whole.clone();
            for _ in 0..1 + random(4) {
                bytes[random(whole.len())] = random(256) as u8;
            }
            let _ = Table::parquet_from(bytes, "houses");
        }
    }
}
