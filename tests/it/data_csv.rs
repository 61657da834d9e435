//! Promises of the CSV reader on files that are as they should be; `hostile_input.rs` has the others.
#![cfg(feature = "csv")]

use polytask::Result;
use polytask::data::Dataset;
use polytask::data::csv::{Content, CsvReader, Encoding, Table};

fn read(reader: &CsvReader, text: &str) -> Result<(Dataset<f64>, Encoding)> {
    reader.read_from(text.as_bytes(), "test.csv")
}

const MACHINES: &str = "\
id,speed,material,coolant,note,torque,worn,trust,shift
m1,10,steel,oil,,1.5,no,1,early
m2,20.5,brass,,,,yes,0.5,late
m3,,steel,water,,-3e2,no,2,early
m4,-1,tin,oil,,4,,0,night
";

fn machines() -> CsvReader {
    CsvReader::new()
        .class_targets(["worn"])
        .targets(["torque"])
        .weights_column("trust")
        .group_column("shift")
        .ignore(["id"])
}

#[test]
fn a_file_of_every_kind_of_column_is_read_as_told() {
    let (data, encoding) = read(&machines(), MACHINES).unwrap();
    assert_eq!(
        data.feature_names(),
        [
            "speed",
            "speed_missing",
            "material=brass",
            "material=steel",
            "material=tin",
            "coolant=oil",
            "coolant=water",
            "coolant_missing"
        ]
    );
    let mean = (10.0 + 20.5 - 1.0) / 3.0;
    let features = [
        [10.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0],
        [20.5, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
        [mean, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0],
        [-1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0],
    ];
    for (row, expected) in features.iter().enumerate() {
        for (found, expected) in data.feature_row(row).iter().zip(expected) {
            approx::assert_relative_eq!(found, expected, max_relative = 1e-15);
        }
    }
    assert_eq!(data.target_names(), ["worn", "torque"], "in the order of the settings");
    assert_eq!(data.target_row(0), [0.0, 1.5]);
    assert!(data.target_row(1)[1].is_nan() && data.target_row(3)[0].is_nan());
    assert_eq!(data.target_row(2), [0.0, -300.0]);
    assert_eq!(data.weights().unwrap().to_vec(), [1.0, 0.5, 2.0, 0.0]);
    assert_eq!(data.groups().unwrap(), [0, 1, 0, 2]);

    let report = encoding.to_string();
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(
        lines,
        [
            "id        left out by the settings",
            "speed     feature, numbers with mean 9.833333; 1 missing",
            "material  texts, a feature for each of `brass`, `steel`, `tin`",
            "coolant   texts, a feature for each of `oil`, `water`; 1 missing",
            "note      left out: every cell is empty",
            "torque    target; 1 missing",
            "worn      target, with the classes `no`, `yes`; 1 missing",
            "trust     weights",
            "shift     groups",
        ]
    );
    assert_eq!(encoding.columns()[4].content, Content::Empty);
}

#[test]
fn another_file_is_read_the_same_way() {
    let (data, encoding) = read(&machines(), MACHINES).unwrap();
    let again = encoding.read_from::<f64>(MACHINES.as_bytes(), "again.csv").unwrap();
    assert_eq!(again.features(), data.features());
    assert_eq!(again.groups(), data.groups());

    // Other order, other means, columns that are new: none of it matters.
    let next =
        "new,worn,coolant,material,speed,torque,trust,shift\n?,yes,,tin,7,1,1,a\n?,no,oil,steel,,2,1,a\n";
    let next = encoding.read_from::<f64>(next.as_bytes(), "next.csv").unwrap();
    assert_eq!(next.feature_names(), data.feature_names());
    assert_eq!(next.feature_row(0), [7.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    assert_eq!(next.feature_row(1)[..2], data.feature_row(2)[..2], "the mean of the fitted file");
    assert_eq!(next.target_row(0), [1.0, 1.0]);

    let to_predict =
        encoding.table_from("material,coolant,speed\nbrass,oil,1\n".as_bytes(), "p.csv").unwrap();
    let features = encoding.features::<f32>(&to_predict).unwrap();
    assert_eq!(features.row(0).to_vec(), [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn nothing_of_the_test_rows_gets_into_an_encoding_fitted_on_training_rows() {
    let text = "x,kind,y\n1,a,1\n3,b,2\n,a,3\n1000,b,4\n";
    let table = Table::read_from(text.as_bytes(), "test.csv", b',').unwrap();
    let encoding = CsvReader::new().targets(["y"]).fit_rows(&table, &[0, 1, 2]).unwrap();
    assert_eq!(
        encoding.columns()[0].content,
        Content::Numbers { mean: 2.0, constant: false, missing: 1, base: 0.0 }
    );
    let data = encoding.apply::<f64>(&table).unwrap();
    assert_eq!(data.feature_row(2), [2.0, 1.0, 1.0, 0.0]);
    assert_eq!(data.feature_row(3), [1000.0, 0.0, 0.0, 1.0]);
}

#[test]
fn a_lenient_encoding_reads_surprises_as_nothing_known() {
    let (_, encoding) = read(&CsvReader::new(), "x,kind\n1,a\n3,b\n").unwrap();
    let surprise = "x,kind\n,c\n5,\n";
    let lenient = encoding.lenient().read_from::<f64>(surprise.as_bytes(), "s.csv").unwrap();
    assert_eq!(lenient.feature_row(0), [2.0, 0.0, 0.0]);
    assert_eq!(lenient.feature_row(1), [5.0, 0.0, 0.0]);
}

#[test]
fn settings_change_what_is_a_number_a_gap_and_a_separator() {
    let text = "zip;size;y\n10;NA;1\n9;2;?\n 10 ;4;3\n";
    let reader = CsvReader::new().targets(["y"]).delimiter(b';').missing(["NA", "?"]).categorical(["zip"]);
    let (data, _) = read(&reader, text).unwrap();
    assert_eq!(data.feature_names(), ["zip=9", "zip=10", "size", "size_missing"], "numbers sort by size");
    assert_eq!(data.feature_row(0), [0.0, 1.0, 3.0, 1.0]);
    assert!(data.target_row(1)[0].is_nan());
}

#[test]
fn files_of_every_system_and_spreadsheet_are_read() {
    let plain = read(&CsvReader::new(), "a,b\n1,x\n2,y\n").unwrap().0;
    for text in [
        "a,b\r\n1,x\r\n2,y\r\n",
        "\u{feff}a,b\n1,x\n2,y\n",
        "a,b\n1,x\n2,y",
        "\n\na , b\n\n 1,x \n\n2 ,y\n\n",
        "\"a\",\"b\"\n\"1\",\"x\"\n\"2\",\"y\"\n",
        "a,b\r1,x\r2,y\r",
    ] {
        let data = read(&CsvReader::new(), text).unwrap().0;
        assert_eq!(data.features(), plain.features(), "{text:?}");
        assert_eq!(data.feature_names(), plain.feature_names(), "{text:?}");
    }
    let quoted = read(&CsvReader::new(), "a,b\n1,\"x,\ny\"\n2,\"say \"\"z\"\"\"\n").unwrap().0;
    assert_eq!(quoted.feature_names(), ["a", "b=say \"z\"", "b=x,\ny"]);
}

#[test]
fn a_file_on_disk_is_read_as_its_text() {
    let path = std::env::temp_dir().join(format!("polytask-{}.csv", std::process::id()));
    std::fs::write(&path, MACHINES).unwrap();
    let read_back = machines().read::<f32>(&path);
    std::fs::remove_file(&path).unwrap();
    let (data, encoding) = read_back.unwrap();
    let expected = read(&machines(), MACHINES).unwrap();
    assert_eq!(data.features(), expected.0.cast::<f32>().unwrap().features());
    assert_eq!(encoding, expected.1);
}
