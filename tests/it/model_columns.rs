//! A model keeps how its CSV file was encoded and what its classes are called, through a file and back.

use polytask::data::csv::{CsvReader, Encoding};
use polytask::prelude::*;
use polytask::{ErrorKind, Result};
use safetensors::tensor::{SafeTensors, serialize};

const FILE: &str = "\
area,roof,age,code,price,kind,sold
514.5,flat,3,10,15.5,barn,yes
563.5,pitched,,2,20.8,house,no
612.5,,5,10,24.1,house,yes
700,flat,9,2,30.5,shed,no
";

fn table() -> (Dataset<f64>, Encoding) {
    let reader = CsvReader::new().targets(["price"]).class_targets(["kind", "sold"]).categorical(["code"]);
    reader.read_from(FILE.as_bytes(), "houses.csv").expect("a table")
}

fn builder(n_features: usize) -> polytask::ModelBuilder {
    Model::builder(n_features)
        .trunk([Layer::dense(4, Activation::Tanh)])
        .task(Task::regression("price"))
        .task(Task::classes("kind", 3))
        .task(Task::binary("is_sold").columns(["sold"]))
        .standardize()
}

fn model() -> Model<f64> {
    let (data, encoding) = table();
    let mut model = builder(data.n_features()).build::<f64>().expect("valid settings");
    model.fit_scaling(&data).expect("data");
    model.set_encoding(encoding).expect("the table's own encoding");
    model
}

/// The bytes of a model's file with another text in its header.
fn with_text(bytes: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(bytes).expect("a file in order");
    let mut texts = header.metadata().clone().expect("a text");
    let changed = change(&texts["polytask"]);
    texts.insert("polytask".into(), changed);
    let tensors = SafeTensors::deserialize(bytes).expect("a file in order").tensors();
    serialize(tensors, Some(texts)).expect("a file")
}

#[test]
fn a_loaded_model_encodes_rows_and_names_classes() {
    let model = model();
    let loaded = Model::<f64>::from_bytes(&model.to_bytes().expect("bytes")).expect("its own file");
    assert_eq!(loaded.encoding(), model.encoding());
    assert_eq!(loaded.to_bytes().expect("bytes"), model.to_bytes().expect("bytes"));
    assert_eq!(loaded.class_names("kind").expect("classes"), ["barn", "house", "shed"]);
    assert_eq!(loaded.class_names("is_sold").expect("classes"), ["no", "yes"]);
    assert_eq!(loaded.class_names("price"), None);
    assert_eq!(loaded.class_names("no such task"), None);

    // Other order, no targets, a gap: the features of the next row are what the first encoding makes of it.
    let next = "roof,code,area,age\n,2,600,\npitched,10,550.5,4\n";
    let encoded = |encoding: &Encoding| {
        let table = encoding.table_from(next.as_bytes(), "next.csv").expect("a table");
        encoding.features::<f64>(&table).expect("rows like those of the file")
    };
    let (features, expected) = (encoded(loaded.encoding().expect("kept")), encoded(&table().1));
    assert_eq!(features, expected);
    assert_eq!(
        loaded.predict(features.view()).expect("a prediction")["kind"],
        model.predict(expected.view()).expect("a prediction")["kind"]
    );
    let single = loaded.cast::<f32>().expect("numbers within f32");
    assert_eq!(single.encoding(), model.encoding());
}

#[test]
fn a_model_without_an_encoding_is_as_before() {
    let mut model = builder(7).build::<f64>().expect("valid settings");
    let bytes = model.to_bytes().expect("bytes");
    assert!(!String::from_utf8_lossy(&bytes).contains("encoding"));
    let loaded = Model::<f64>::from_bytes(&bytes).expect("its own file");
    assert!(loaded.encoding().is_none() && loaded.class_names("kind").is_none());

    // Set before anything was fitted, the encoding names the columns.
    let (data, encoding) = table();
    assert_eq!(data.n_features(), 8);
    assert_eq!(model.set_encoding(encoding.clone()).expect_err("8 for 7").kind(), ErrorKind::Shape);
    let mut model = builder(8).build::<f64>().expect("valid settings");
    model.set_encoding(encoding).expect("as many features");
    assert_eq!(model.names().expect("names").features, data.feature_names());
}

#[test]
fn an_encoding_that_does_not_fit_is_refused() {
    let (data, encoding) = table();
    let mut few = Model::builder(8).task(Task::classes("kind", 2)).build::<f64>().expect("valid settings");
    let message = few.set_encoding(encoding.clone()).expect_err("3 classes for 2").to_string();
    assert!(message.contains("task \"kind\": expected at most 2 classes, found 3"), "{message}");
    assert!(few.encoding().is_none() && few.names().is_none());

    let mut other = builder(8).build::<f64>().expect("valid settings");
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    other.fit_scaling(&data.with_feature_names(names).expect("names")).expect("data");
    let message = other.set_encoding(encoding).expect_err("other names").to_string();
    assert!(message.contains("found column `area`"), "{message}");
}

/// Texts that serde takes and that are no encoding all the same: an error, never a panic, now or when it is used.
#[test]
fn an_encoding_in_a_file_is_not_believed() {
    let bytes = model().to_bytes().expect("bytes");
    let load = |from: &str, to: &str| -> Result<Model<f64>> {
        let change = |text: &str| {
            assert!(text.contains(from), "{from} is not in {text}");
            // What is before it stays: the names of the model are in a section of their own.
            let (before, encoding) = text.split_once("\"encoding\":").expect("a section");
            format!("{before}\"encoding\":{}", encoding.replacen(from, to, 1))
        };
        Model::from_bytes(&with_text(&bytes, change))
    };
    assert!(load("", "").is_ok());
    for (from, to, says) in [
        ("\"flat\"", "\"flat\",\"more\"", "column `roof`"),
        ("\"flat\"", "\"even\"", "column `roof`"),
        ("\"pitched\"", "\"pitched\",\"\"", "column `roof`"),
        ("\"name\":\"area\"", "\"name\":\"are\"", "column `are`"),
        ("\"missing\":0", "\"missing\":1", "column `area`"),
        ("\"missing\":0", "\"missing\":-1", "settings that this version knows"),
        ("\"mean\":597.625", "\"mean\":1e999", "settings that this version knows"),
        ("\"barn\"", "\"barn\",\"x\"", "at most 3 classes"),
        ("\"name\":\"price\"", "\"name\":\"prize\"", "the target column `prize`"),
        ("\"lenient\":false", "\"lenient\":0", "settings that this version knows"),
        ("\"lenient\":false", "\"lenient\":false,\"lenience\":1", "settings that this version knows"),
    ] {
        let message = load(from, to).expect_err(to).to_string();
        assert!(message.contains(says), "{to}: `{says}` is not in `{message}`");
    }
    // Without names there is nothing to hold it against.
    let nameless = with_text(&bytes, |text| {
        let (before, rest) = text.split_once("\"names\":{").expect("a section");
        let mut depth = 1;
        let is_end = |c: char| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0
        };
        let end = rest.find(is_end).expect("the end of the section");
        format!("{before}\"names\":null{}", &rest[end + 1..])
    });
    let message = Model::<f64>::from_bytes(&nameless).expect_err("no names").to_string();
    assert!(message.contains("features of the encoding"), "{message}");
}

#[test]
fn settings_that_a_file_lacks_have_their_defaults_and_unknown_ones_are_refused() {
    let model = model();
    let bytes = model.to_bytes().expect("bytes");
    let fields = [
        (",\"standardizes\":true", ""),
        (",\"lenient\":false", ""),
        (",\"max_categories\":100", ""),
        (",\"group\":null", ""),
        ("\"delimiter\":44,", ""),
    ];
    for (field, without) in fields {
        let changed = with_text(&bytes, |text| {
            assert!(text.contains(field), "{field} in {text}");
            text.replace(field, without)
        });
        let read = Model::<f64>::from_bytes(&changed);
        if field.contains("standardizes") {
            // Its default is false, and then the means and deviations are too many.
            assert!(read.unwrap_err().to_string().contains("scaling.features.mean"));
        } else {
            assert_eq!(read.expect("a file of an earlier version").encoding(), model.encoding(), "{field}");
        }
    }
    for (field, with) in
        [("\"lenient\":false", "\"lenient\":false,\"new\":1"), ("\"seed\":0", "\"seed\":0,\"new\":1")]
    {
        let error =
            Model::<f64>::from_bytes(&with_text(&bytes, |text| text.replace(field, with))).unwrap_err();
        assert!(error.to_string().contains("unknown field `new`"), "{error}");
    }
}
