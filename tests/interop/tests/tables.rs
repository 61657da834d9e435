//! One table as a CSV file, a Parquet file, Arrow's record batches, a frame of Polars, structs and columns: six times the same
//! data and encoding, and the same bits after a training.

use std::error::Error;
use std::fs::File;
use std::sync::Arc;

use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, Series};
use polytask::arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use polytask::data::csv::{CsvReader, Encoding, Table};
use polytask::prelude::*;
use polytask_interop::{dataset, table};
use serde::Serialize;

const FILE: &str = "\
area,rooms,roof,sold,heating,kind
514.5,3,flat,true,15.25,house
,4,pitched,false,,barn
612.123456789,,,true,1e-7,house
1e21,-7,flat,false,24,shed
88.25,2,round,true,-3.5,barn
";

const AREA: [Option<f64>; 5] = [Some(514.5), None, Some(612.123456789), Some(1e21), Some(88.25)];
const ROOMS: [Option<i64>; 5] = [Some(3), Some(4), None, Some(-7), Some(2)];
const ROOF: [Option<&str>; 5] = [Some("flat"), Some("pitched"), None, Some("flat"), Some("round")];
const SOLD: [bool; 5] = [true, false, true, false, true];
const HEATING: [Option<f64>; 5] = [Some(15.25), None, Some(1e-7), Some(24.0), Some(-3.5)];
const KIND: [&str; 5] = ["house", "barn", "house", "shed", "barn"];

fn reader() -> CsvReader {
    CsvReader::new().targets(["heating"]).class_targets(["kind"])
}

fn batch() -> RecordBatch {
    let columns: [(&str, ArrayRef); 6] = [
        ("area", Arc::new(Float64Array::from(AREA.to_vec()))),
        ("rooms", Arc::new(Int64Array::from(ROOMS.to_vec()))),
        ("roof", Arc::new(StringArray::from(ROOF.to_vec()))),
        ("sold", Arc::new(BooleanArray::from(SOLD.to_vec()))),
        ("heating", Arc::new(Float64Array::from(HEATING.to_vec()))),
        ("kind", Arc::new(StringArray::from(KIND.to_vec()))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn frame() -> DataFrame {
    DataFrame::new_infer_height(vec![
        Column::new("area".into(), AREA),
        Column::new("rooms".into(), ROOMS),
        Column::new("roof".into(), ROOF),
        Column::new("sold".into(), SOLD),
        Column::new("heating".into(), HEATING),
        Column::new("kind".into(), KIND),
    ])
    .expect("columns of one length")
}

#[derive(Serialize)]
struct House {
    area: Option<f64>,
    rooms: Option<i64>,
    roof: Option<&'static str>,
    sold: bool,
    heating: Option<f64>,
    kind: &'static str,
}

fn rows() -> Vec<House> {
    let row = |i: usize| House {
        area: AREA[i],
        rooms: ROOMS[i],
        roof: ROOF[i],
        sold: SOLD[i],
        heating: HEATING[i],
        kind: KIND[i],
    };
    (0..5).map(row).collect()
}

/// `name` is that of the test, which has a file of its own.
fn tables(name: &str) -> Result<Vec<(&'static str, Table)>, Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("polytask-{name}-{}.parquet", std::process::id()));
    let mut writer = parquet::arrow::ArrowWriter::try_new(File::create(&path)?, batch().schema(), None)?;
    writer.write(&batch())?;
    writer.close()?;
    let columns = [
        ("area", AREA.to_vec().into()),
        ("rooms", ROOMS.to_vec().into()),
        ("roof", ROOF.to_vec().into()),
        ("sold", SOLD.to_vec().into()),
        ("heating", HEATING.to_vec().into()),
        ("kind", KIND.to_vec().into()),
    ];
    let tables = vec![
        ("CSV", CsvReader::new().table_from(FILE.as_bytes(), "houses.csv")?),
        ("Parquet", Table::read_parquet(&path)?),
        ("Arrow", Table::from_arrow("houses", [&batch()])?),
        ("Polars", table("houses", &frame())?),
        ("structs", Table::from_rows("houses", rows())?),
        ("columns", Table::from_columns("houses", columns)?),
    ];
    std::fs::remove_file(path)?;
    Ok(tables)
}

fn trained(data: &Dataset<f64>) -> polytask::Result<Model<f64>> {
    let builder = Model::builder(data.n_features()).trunk([Layer::dense(4, Activation::Tanh)]).standardize();
    let builder = builder.task(Task::regression("heating")).task(Task::classes("kind", 3));
    let mut model = builder.build::<f64>()?;
    Trainer::new(Adam::new(0.01)).epochs(5).batch_size(2).fit(&mut model, data)?;
    Ok(model)
}

fn bits<'x>(numbers: impl IntoIterator<Item = &'x f64>) -> Vec<u64> {
    numbers.into_iter().map(|x| x.to_bits()).collect()
}

/// All that is in it: missing labels are NaN, which equals nothing but itself bit by bit.
fn content(data: &Dataset<f64>) -> (Vec<u64>, Vec<u64>, Vec<String>, Vec<String>) {
    let names = |names: &[String]| names.to_vec();
    let (features, targets) = (bits(data.features()), bits(data.targets()));
    (features, targets, names(data.feature_names()), names(data.target_names()))
}

#[test]
fn six_ways_in_give_one_table() -> Result<(), Box<dyn Error>> {
    let mut first = None;
    for (way, table) in tables("six")? {
        let encoding = reader().fit(&table)?;
        let data = encoding.apply::<f64>(&table)?;
        let theta = bits(trained(&data)?.parameters());
        assert_eq!((data.n_rows(), data.n_features(), data.n_targets()), (5, 10, 2), "{way}");
        let (of_first, expected, bits) = first.get_or_insert((encoding.clone(), data.clone(), theta.clone()));
        assert_eq!(encoding, *of_first, "{way}");
        assert_eq!(content(&data), content(expected), "{way}");
        assert_eq!(theta, *bits, "{way}");
        // And each is read by what was fitted to another.
        assert_eq!(content(&of_first.apply(&table)?), content(expected), "{way}");
    }
    Ok(())
}

/// A model that learnt from a CSV file, with its encoding.
fn served() -> Result<(Model<f64>, Encoding), Box<dyn Error>> {
    let (data, encoding) = reader().read_from::<f64>(FILE.as_bytes(), "houses.csv")?;
    let mut model = trained(&data)?;
    model.set_encoding(encoding.clone())?;
    Ok((model, encoding))
}

#[test]
fn a_frame_that_is_predicted_may_have_its_columns_in_another_order_and_more_of_them()
-> Result<(), Box<dyn Error>> {
    let (model, encoding) = served()?;
    let expected = model.predict(encoding.features(&tables("order")?[0].1)?.view())?;
    let mut columns = frame().columns().to_vec();
    // Neither labels nor a column that nobody asks for matter.
    columns.retain(|column| column.name() != "heating" && column.name() != "kind");
    columns.reverse();
    columns.insert(1, Column::new("owner".into(), ["Ada", "Ben", "Cleo", "Dan", "Eve"]));
    // Narrower types, and texts as categories, hold the same values.
    for column in &mut columns {
        match column.name().as_str() {
            "rooms" => *column = column.cast(&DataType::Int32)?,
            "roof" => {
                *column = column.cast(&DataType::from_categories(polars::prelude::Categories::global()))?
            }
            _ => {}
        }
    }
    let next = table("next", &DataFrame::new_infer_height(columns)?)?;
    let predictions = model.predict(encoding.features(&next)?.view())?;
    for task in ["heating", "kind"] {
        assert_eq!(bits(&predictions[task]), bits(&expected[task]), "{task}");
    }
    Ok(())
}

#[test]
fn a_column_that_is_missing_or_of_another_kind_is_named() -> Result<(), Box<dyn Error>> {
    let (_, encoding) = served()?;
    let said = |frame: &DataFrame| -> String {
        match table("next", frame) {
            Ok(next) => encoding.features::<f64>(&next).expect_err("a fault").to_string(),
            Err(fault) => fault.to_string(),
        }
    };
    let with = |column: Series| frame().with_column(column.into_column()).expect("of its length").clone();
    let texts = Series::new("area".into(), ["1", "2", "3", "4", "5"]);
    let not_a_number = Series::new("area".into(), [1.0, 2.0, f64::NAN, 4.0, 5.0]);
    let days = Series::new("area".into(), [1, 2, 3, 4, 5]).cast(&DataType::Date)?;
    let large = Series::new("rooms".into(), [1, 2, 3, 4, u64::MAX]);
    for (frame, expected) in [
        (frame().drop("roof")?, "next: expected a column named `roof`"),
        (
            with(texts),
            "next, column `area`: expected a column of numbers, as in the fitted table, found texts",
        ),
        (with(not_a_number), "next, row 2, column `area`: expected a finite number, or none, found NaN"),
        (with(days), "next, column `area`: expected numbers, booleans or texts, found date"),
        (with(large), "next, column `rooms`: expected whole numbers of 64 bits"),
    ] {
        let said = said(&frame);
        assert!(said.starts_with(expected), "{said}");
    }
    Ok(())
}

#[test]
fn a_frame_of_numbers_is_a_dataset_with_its_gaps() -> Result<(), Box<dyn Error>> {
    let frame = frame();
    let data = dataset(&frame.select(["rooms", "heating"])?.head(Some(2)), &["rooms"], &["heating"])?;
    assert_eq!((data.feature_names(), data.target_names()), (&["rooms".into()][..], &["heating".into()][..]));
    assert_eq!(data.features(), polytask::ndarray::array![[3.0], [4.0]]);
    assert!(data.targets()[[0, 0]] == 15.25 && data.targets()[[1, 0]].is_nan()); // a missing label
    let fault = dataset(&frame, &["rooms"], &["heating"]).expect_err("a gap in a feature").to_string();
    assert!(fault.contains("features[2, 0]: expected a finite number, found NaN"), "{fault}");
    Ok(())
}
