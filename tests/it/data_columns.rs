//! Tables of columns in memory: read as a file of the same columns is, but nothing is guessed.

use polytask::data::csv::{CsvReader, Table, Values};
use polytask::prelude::*;
use polytask::{ErrorKind, Result};
use serde::Serialize;
use std::collections::BTreeMap;

pub const FILE: &str = "\
area,rooms,roof,sold,heating,kind
514.5,3,flat,true,15.25,house
,4,pitched,false,,barn
612.123456789,,,true,1e-7,house
1e21,-7,flat,false,24,shed
";

pub fn columns() -> Vec<(&'static str, Values)> {
    let texts =
        |texts: [&str; 4]| Values::from(texts.map(|text| (!text.is_empty()).then_some(text)).to_vec());
    vec![
        ("area", vec![Some(514.5), None, Some(612.123456789), Some(1e21)].into()),
        ("rooms", vec![Some(3_i64), Some(4), None, Some(-7)].into()),
        ("roof", texts(["flat", "pitched", "", "flat"])),
        ("sold", vec![true, false, true, false].into()),
        ("heating", vec![Some(15.25), None, Some(1e-7), Some(24.0)].into()),
        ("kind", texts(["house", "barn", "house", "shed"])),
    ]
}

pub fn reader() -> CsvReader {
    CsvReader::new().targets(["heating"]).class_targets(["kind"])
}

/// The same data, the same encoding, the same bits after a training; and each encoding reads the other table.
#[test]
fn columns_are_read_as_the_file_that_they_could_be() -> Result<()> {
    let (from_file, encoding) = reader().read_from::<f64>(FILE.as_bytes(), "houses.csv")?;
    let table = Table::from_columns("houses", columns())?;
    let of_columns = reader().fit(&table)?;
    assert_eq!(of_columns, encoding);
    let from_columns = of_columns.apply::<f64>(&table)?;
    let mut shuffled = columns();
    shuffled.reverse();
    shuffled.insert(2, ("owner", vec!["Ada", "Ben", "Cleo", "Dan"].into()));
    let again = encoding.apply::<f64>(&Table::from_columns("houses", shuffled)?)?;
    let trained = |data: &Dataset<f64>| -> Result<Vec<u64>> {
        let builder =
            Model::builder(data.n_features()).trunk([Layer::dense(4, Activation::Tanh)]).standardize();
        let builder = builder.task(Task::regression("heating")).task(Task::classes("kind", 3));
        let mut model = builder.build::<f64>()?;
        Trainer::new(Adam::new(0.01)).epochs(5).batch_size(2).fit(&mut model, data)?;
        Ok(model.parameters().iter().map(|x| x.to_bits()).collect())
    };
    let expected = trained(&from_file)?;
    for data in [&from_columns, &again] {
        assert_eq!(data.features(), from_file.features());
        assert_eq!(data.feature_names(), from_file.feature_names());
        assert_eq!(data.target_names(), from_file.target_names());
        assert_eq!(trained(data)?, expected);
    }
    Ok(())
}

/// What may be a gap, a number or a date in a file is what its type says.
#[test]
fn nothing_is_guessed_from_texts_and_numbers() -> Result<()> {
    let numbers = [1.234, 2.5, 20240102.0, -999.0];
    let table = Table::from_columns(
        "lands",
        [
            ("country", vec!["NA", "CH", "-", "?"].into()),
            ("zone", vec!["8001", "8002", "1,5", "2024-01-02"].into()),
            ("size", numbers.to_vec().into()),
        ],
    )?;
    let data = CsvReader::new().missing(["-999"]).fit(&table)?.apply::<f64>(&table)?;
    let of_texts = ["country=-", "country=?", "country=CH", "country=NA"];
    assert_eq!(data.feature_names()[..4], of_texts);
    assert_eq!(data.n_features(), 4 + 4 + 2); // and whether the size is missing
    assert_eq!((0..3).map(|row| data.feature_row(row)[8]).collect::<Vec<_>>(), numbers[..3]);
    assert_eq!(data.feature_row(3)[9], 1.0);
    Ok(())
}

#[test]
fn what_is_no_table_is_an_error_that_says_where() {
    let error = |columns: Vec<(&str, Values)>| Table::from_columns("frame", columns).unwrap_err();
    let one = || Values::from(vec![1.0]);
    for (columns, kind, text) in [
        (vec![], ErrorKind::Shape, "frame: expected columns with at least one row, found no column"),
        (
            vec![("a", Values::Numbers(vec![]))],
            ErrorKind::Shape,
            "frame: expected columns with at least one row, found no row",
        ),
        (
            vec![("a", one()), ("b", vec![1.0, 2.0].into())],
            ErrorKind::Shape,
            "frame, column `b`: expected 1 rows, as in column `a`, found 2",
        ),
        (
            vec![("a", vec![1.0, f64::NAN].into())],
            ErrorKind::Value,
            "frame, row 1, column `a`: expected a finite number, or none, found NaN",
        ),
        (
            vec![("a", vec![f32::INFINITY].into())],
            ErrorKind::Value,
            "frame, row 0, column `a`: expected a finite number, or none, found inf",
        ),
        (
            vec![("a", vec![(1_i64 << 53) + 1].into())],
            ErrorKind::Value,
            "frame, row 0, column `a`: expected a whole number of at most 2⁵³, which f64 holds exactly, found 9007199254740993",
        ),
        (
            vec![("a", vec![""].into())],
            ErrorKind::Value,
            "frame, row 0, column `a`: expected a text that is not empty, or none, found an empty one",
        ),
    ] {
        let error = error(columns);
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
    }
    for names in [["a", "a"], ["a", ""]] {
        let error = error(names.map(|name| (name, one())).to_vec());
        assert_eq!(error.kind(), ErrorKind::Name, "{error}");
    }
}

#[test]
fn a_column_of_another_kind_is_named() -> Result<()> {
    let table = Table::from_columns("houses", columns())?;
    let fit = |reader: CsvReader| reader.fit(&table).unwrap_err().to_string();
    let said = fit(CsvReader::new().targets(["roof"]));
    assert!(said.contains("houses, column `roof`: expected a target of numbers"), "{said}");
    let said = fit(CsvReader::new().weights_column("kind"));
    assert!(
        said.contains("houses, column `kind`: expected weights, which are numbers, found texts"),
        "{said}"
    );
    let said = fit(CsvReader::new().targets(["heat"]));
    assert!(said.starts_with("houses: expected a column named `heat`"), "{said}");
    let encoding = reader().fit(&table)?;
    let mut other = columns();
    other[0].1 = vec!["1", "2", "3", "4"].into();
    let said = encoding.apply::<f64>(&Table::from_columns("next", other)?).unwrap_err().to_string();
    assert_eq!(
        said,
        "next, column `area`: expected a column of numbers, as in the fitted table, found texts"
    );
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    House,
    Barn,
    Shed,
}

#[derive(Serialize)]
struct Size(f64);

#[derive(Serialize)]
struct House {
    area: Option<Size>,
    rooms: Option<i8>,
    roof: Option<&'static str>,
    sold: bool,
    heating: Option<f64>,
    kind: Kind,
}

#[test]
fn rows_of_structs_are_the_columns_of_their_fields() -> Result<()> {
    let house = |area: Option<f64>, rooms, roof, sold, heating, kind| House {
        area: area.map(Size),
        rooms,
        roof,
        sold,
        heating,
        kind,
    };
    let rows = [
        house(Some(514.5), Some(3), Some("flat"), true, Some(15.25), Kind::House),
        house(None, Some(4), Some("pitched"), false, None, Kind::Barn),
        house(Some(612.123456789), None, None, true, Some(1e-7), Kind::House),
        house(Some(1e21), Some(-7), Some("flat"), false, Some(24.0), Kind::Shed),
    ];
    let of_rows = Table::from_rows("houses", &rows)?;
    let of_columns = Table::from_columns("houses", columns())?;
    assert_eq!(of_rows.names(), of_columns.names());
    assert_eq!(reader().fit(&of_rows)?, reader().fit(&of_columns)?);
    assert_eq!(
        reader().fit(&of_columns)?.apply::<f64>(&of_rows)?.features(),
        reader().read_from::<f64>(FILE.as_bytes(), "houses.csv")?.0.features()
    );
    // Rows with other fields: what one does not have is missing; whole numbers beside others are numbers.
    let maps = [BTreeMap::from([("a", 1.5)]), BTreeMap::from([("b", 2.0), ("a", 3.0)])];
    let table = Table::from_rows("maps", &maps)?;
    assert_eq!(
        (table.names(), table.cell(0, 1), table.cell(1, 1)),
        (&["a".into(), "b".into()][..], "", "2.0")
    );
    Ok(())
}

#[test]
fn rows_that_are_no_rows_of_one_value_each_are_refused_by_name() {
    fn said<T: Serialize>(rows: impl IntoIterator<Item = T>) -> String {
        Table::from_rows("frame", rows).unwrap_err().to_string()
    }
    #[derive(Serialize)]
    struct Nested {
        id: u64,
        sizes: Vec<f64>,
    }
    #[derive(Serialize)]
    struct Pair(f64, f64);
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Either {
        Number { x: f64 },
        Text { x: &'static str },
        Large { x: u64 },
    }
    let expected = "a number, a boolean, a text, or none";
    assert_eq!(
        said([Nested { id: 1, sizes: vec![1.0] }]),
        format!("frame, row 0, column `sizes`: expected {expected}, found a list")
    );
    let fields = "a struct or a map, whose fields are columns";
    assert_eq!(
        said([Pair(1.0, 2.0)]),
        format!("frame, row 0: expected {fields}, found the struct `Pair`, whose fields have no names")
    );
    assert_eq!(said([1.0]), format!("frame, row 0: expected {fields}, found a number"));
    assert_eq!(
        said([Either::Number { x: 1.0 }, Either::Text { x: "one" }]),
        "frame, row 1, column `x`: expected a number, as in the rows before, found a text"
    );
    let large = said([Either::Large { x: u64::MAX }]);
    assert!(large.contains("row 0, column `x`: expected a whole number of at most 2⁵³"), "{large}");
    assert!(said([Either::Number { x: f64::NAN }]).contains("expected a finite number, or none, found NaN"));
    assert!(said(Vec::<BTreeMap<String, f64>>::new()).contains("found no column"));
}
