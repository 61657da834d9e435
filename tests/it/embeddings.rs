//! Embeddings: bins come from the rows that a model learns from, indices are those of its tables, and both go wherever the
//! model goes.

use ndarray::{Array2, array};
use polytask::data::Dataset;
use polytask::data::csv::CsvReader;
use polytask::layer::Embedding;
use polytask::prelude::*;
use polytask::train::Checkpoints;
use polytask::validation::CrossValidation;
use polytask::{ErrorKind, Layer, Model, Task};

use crate::hostile_settings::refused;

/// Two numbers, and between them an index among five.
fn table(rows: usize) -> Dataset<f64> {
    let x = Array2::from_shape_fn((rows, 3), |(i, j)| match j {
        1 => (i * 7 % 6) as f64,
        _ => 100.0 + 30.0 * ((i * 3 + j) as f64).sin(),
    });
    let y = Array2::from_shape_fn((rows, 1), |(i, _)| [0.3, -1.0, 2.0, 0.1, 0.0, 5.0][i * 7 % 6]);
    let named = Dataset::new(x, y).and_then(|data| data.with_feature_names(["size", "make", "age"]));
    let data = named.and_then(|data| data.with_target_names(["price"]));
    data.and_then(|data| data.with_index_columns([("make", 5)])).expect("a table")
}

fn model(data: &Dataset<f64>) -> Model<f64> {
    let first = Embedding::new(data.index_columns(), 3).numbers([Layer::piecewise_linear(4, 2)]);
    let layers = [first.into(), Layer::dense(6, Activation::Tanh)];
    let builder = Model::builder(3).trunk(layers).task(Task::regression("price")).standardize();
    builder.seed(3).build().expect("valid settings")
}

fn edges(model: &Model<f64>) -> Array2<f64> {
    let block = model.network().state_layout().block("trunk.0.numbers.0.edges").expect("of the layer");
    block.of(model.state()).to_owned()
}

#[test]
fn an_index_is_learnt_and_never_scaled() {
    let (data, mut model) = (table(60), model(&table(60)));
    let trainer = Trainer::new(Adam::new(0.02)).batch_size(20).epochs(200);
    trainer.fit(&mut model, &data).expect("a training");
    let error = model.evaluate(&data).expect("a report")["price"].score("rmse").expect("a metric");
    assert!(error < 0.05, "each index has a price of its own: {error}");
    assert!(model.warnings().is_empty(), "{:?}", model.warnings());

    // The scaled number would be no index, and the network would have panicked; its row is that of the table.
    let table = model.network().layout().block("trunk.0.table.1").expect("of the layer");
    let mut other = model.clone();
    let row = table.range().start + 4 * 3..table.range().start + 5 * 3;
    other.parameters_mut()[row].fill(9.0);
    let (before, after) = (model.predict_table(&data), other.predict_table(&data));
    let (before, after) = (before.expect("a prediction"), after.expect("a prediction"));
    for (i, row) in data.features().rows().into_iter().enumerate() {
        let moved = before["price"][[i, 0]] != after["price"][[i, 0]];
        assert_eq!(moved, row[1] == 4.0, "row {i}");
    }
}

#[test]
fn a_column_is_found_by_its_name() {
    let (data, mut model) = (table(30), model(&table(30)));
    model.fit_scaling(&data).expect("data that fit");
    let swapped = data.features().select(ndarray::Axis(1), &[1, 2, 0]);
    let swapped = Dataset::new(swapped, data.targets().to_owned())
        .and_then(|data| data.with_feature_names(["make", "age", "size"]))
        .and_then(|data| data.with_target_names(["price"]))
        .expect("a table");
    let declared = swapped.clone().with_index_columns([("make", 5)]).expect("indices");
    for table in [swapped, declared] {
        let (there, here) = (model.predict_table(&table), model.predict_table(&data));
        assert_eq!(there.expect("a prediction")["price"], here.expect("a prediction")["price"]);
        assert_eq!(model.evaluate(&table).expect("a report"), model.evaluate(&data).expect("a report"));
    }
}

#[test]
fn indices_that_are_none_are_errors_at_their_place() {
    use ErrorKind::{Name, Setting, Shape, Value};
    let (data, fitted) = (table(12), model(&table(12)));
    let mut fitted = fitted;
    fitted.fit_scaling(&data).expect("data that fit");
    for (x, words) in
        [(6.0, "found 6"), (-1.0, "found -1"), (1.5, "found 1.5"), (1e300, "found 1"), (f64::NAN, "NaN")]
    {
        let features = array![[100.0, 2.0, 100.0], [100.0, x, 100.0]];
        let words = [if x.is_nan() { "row 1, feature 1" } else { "row 1, column `make`" }, words];
        refused(fitted.predict(features.view()), Value, &words);
        let mut trace = fitted.trace(2);
        refused(fitted.forward_features(features.view(), &mut trace), Value, &words);
        if x.is_finite() {
            let table = Dataset::new(features, array![[1.0], [2.0]]).expect("a table");
            refused(table.clone().with_index_columns([("x1", 5)]), Value, &["row 1, column `x1`", words[1]]);
            let table = table.with_target_names(["price"]).expect("a name");
            let mut model = model(&data);
            refused(
                Trainer::new(Adam::new(0.1)).fit(&mut model, &table),
                Value,
                &["row 1, column `x1`", words[1]],
            );
        }
    }
    refused(data.clone().with_index_columns([("maker", 5)]), Name, &["`maker`", "`make`"]);
    refused(
        data.clone().with_index_columns([("make", 0)]),
        Setting,
        &["categories of column `make`", "from 1"],
    );
    refused(data.clone().with_index_columns([("make", usize::MAX)]), Setting, &["categories", "to 16777216"]);
    let more = data.clone().with_index_columns([("make", 6)]).expect("indices");
    refused(fitted.evaluate(&more), Shape, &["column `make`", "5 categories", "found 6"]);
    refused(fitted.predict_table(&more), Shape, &["column `make`", "5 categories", "found 6"]);
    let builder =
        Model::builder(3).trunk([Layer::dense(2, Activation::Relu)]).task(Task::regression("price"));
    let mut plain = builder.build::<f64>().expect("valid settings");
    let embeds = ["column `make`", "a layer that embeds it", "Layer::embedding"];
    refused(Trainer::new(Adam::new(0.1)).fit(&mut plain, &data), Setting, &embeds);
    refused(plain.predict_table(&data), Setting, &embeds);
}

#[test]
fn tables_that_cannot_be_built_say_why() {
    use ErrorKind::Setting;
    let build =
        |layers: Vec<Layer>| Model::builder(3).trunk(layers).task(Task::regression("price")).build::<f32>();
    let first = |layer: Embedding| build(vec![layer.into()]);
    refused(first(Embedding::new([], 2)), Setting, &["columns of trunk.0", "with_index_columns"]);
    refused(first(Embedding::new([(3, 2)], 2)), Setting, &["feature 3 of trunk.0", "3 features"]);
    refused(first(Embedding::new([(1, 2), (1, 2)], 2)), Setting, &["feature 1", "one table", "two"]);
    refused(first(Embedding::new([(1, 0)], 2)), Setting, &["categories for feature 1", "from 1", "0"]);
    refused(first(Embedding::new([(1, usize::MAX)], 2)), Setting, &["categories for feature 1"]);
    refused(first(Embedding::new([(1, 2)], 0)), Setting, &["width for feature 1", "at least 1"]);
    refused(first(Embedding::new([(1, 1 << 24)], usize::MAX)), Setting, &["parameters", "at most"]);
    for deviation in [-0.1, f64::NAN, f64::INFINITY] {
        refused(first(Embedding::new([(1, 2)], 2).deviation(deviation)), Setting, &["deviation of trunk.0"]);
    }
    let behind = vec![Layer::scale(), Layer::embedding([(1, 2)], 2)];
    refused(build(behind), Setting, &["input of trunk.1", "features", "put the layer first"]);
    let all = Embedding::new([(0, 2), (1, 2), (2, 2)], 2).numbers([Layer::scale()]);
    refused(first(all), Setting, &["numbers of trunk.0", "none"]);
    // Two trunks with a table each, which do not agree.
    let task = |name: &str, n: usize| Task::regression(name).head([Layer::embedding([(1, n)], 2)]);
    let differ = Model::builder(3).task(task("a", 4)).task(task("b", 5)).build::<f32>();
    refused(differ, Setting, &["categories for feature 1 of head.b.0", "4", "5"]);
    assert!(Model::builder(3).task(task("a", 4)).task(task("b", 4)).build::<f32>().is_ok());
}

#[test]
fn every_gradient_agrees_but_that_of_an_index_which_has_none() {
    let (data, mut model) = (table(12), model(&table(12)));
    model.fit_scaling(&data).expect("data that fit");
    for (i, theta) in model.parameters_mut().iter_mut().enumerate() {
        *theta += 0.2 * (i as f64).sin();
    }
    let checks = model.check_gradients(&data.all()).expect("a check");
    assert!(checks.passed(), "{checks}");
    assert_eq!(checks.sum.block("inputs").expect("inputs").shape, (12, 2));
    let mut trace = model.trace(12).with_input_gradient();
    model.forward(&data.all(), &mut trace).expect("data that fit");
    let mut gradient = vec![f64::NAN; model.n_parameters()];
    model.backward(&mut trace, &model.loss_weights(), &mut gradient);
    let dx = model.network().input_gradient(&trace);
    assert!(gradient.iter().all(|g| g.is_finite()) && dx.column(1).iter().all(|dx| dx.is_nan()));
    assert!(dx.column(0).iter().chain(dx.column(2)).all(|dx| dx.is_finite()));
}

/// What a dense layer on one-hot columns computes, and its gradient.
#[test]
fn a_table_is_a_dense_layer_on_one_hot_columns() {
    let data = table(12);
    let x = Array2::from_shape_fn((12, 8), |(i, j)| match j {
        0 => data.feature_row(i)[0],
        1 => data.feature_row(i)[2],
        j => f64::from(data.feature_row(i)[1] == (j - 2) as f64),
    });
    let hot = Dataset::new(x, data.targets().to_owned()).and_then(|data| data.with_target_names(["price"]));
    let hot = hot.expect("a table");
    let gradient = |model: &Model<f64>, data: &Dataset<f64>| {
        let (mut trace, mut gradient) = (model.trace(12), vec![f64::NAN; model.n_parameters()]);
        model.forward(&data.all(), &mut trace).expect("data that fit");
        model.backward(&mut trace, &model.loss_weights(), &mut gradient);
        (trace.losses()[0], gradient)
    };
    let embedded = Model::builder(3).trunk([Layer::embedding(data.index_columns(), 1)]);
    let embedded = embedded.task(Task::regression("price")).build::<f64>().expect("valid settings");
    let mut dense = Model::builder(8).task(Task::regression("price")).build::<f64>().expect("valid settings");
    // θ: a table of six numbers, and the head's weights of size, age and the table's number, and its bias.
    let theta = embedded.parameters();
    let (rows, head) = theta.split_at(6);
    dense.parameters_mut()[..2].copy_from_slice(&head[..2]);
    for (to, row) in dense.parameters_mut()[2..8].iter_mut().zip(rows) {
        *to = row * head[2];
    }
    dense.parameters_mut()[8] = head[3];
    let ((loss, of_table), (expected, of_dense)) = (gradient(&embedded, &data), gradient(&dense, &hot));
    assert!((loss - expected).abs() < 1e-9 * expected);
    for (row, (found, dense)) in of_table[..6].iter().zip(&of_dense[2..8]).enumerate() {
        assert!((found - dense * head[2]).abs() < 1e-9 * (1.0 + dense.abs()), "row {row}");
    }
    assert_eq!(rows[5], 0.0, "what is none of the categories is 0 at first");
}

#[test]
fn bins_come_from_the_rows_that_are_learnt_from() {
    let data = table(60);
    let mut fitted = model(&data);
    let mut trace = fitted.trace(60);
    let words = ["bins of the model", "fit_scaling"];
    refused(fitted.forward(&data.all(), &mut trace), ErrorKind::Setting, &words);
    refused(fitted.predict(data.features()), ErrorKind::Setting, &["fit_scaling"]);
    fitted.fit_scaling(&data).expect("data that fit");
    let of_all = edges(&fitted);
    // Those of standardised numbers: the outer ones are the least and the greatest.
    let mean = data.features().column(0).mean().expect("rows");
    let std = data.features().column(0).std(0.0);
    let sorted = |order: fn(f64, f64) -> f64| data.features().column(0).iter().copied().reduce(order);
    let [least, most] = [f64::min, f64::max].map(|order| (sorted(order).expect("rows") - mean) / std);
    assert!((of_all[[0, 0]] - least).abs() < 1e-12 && (of_all[[0, 4]] - most).abs() < 1e-12);

    fitted.fit_scaling(&data.select(&[0, 1, 2])).expect("data that fit");
    assert_eq!(edges(&fitted), of_all, "only the first rows count");
    let mut part = model(&data);
    part.fit_scaling(&data.select(&[0, 1, 2])).expect("data that fit");
    assert_ne!(edges(&part), of_all);
}

#[test]
fn a_fold_takes_its_bins_from_its_own_rows() {
    let data = table(60);
    let seen = std::sync::Mutex::new(Vec::new());
    let report = CrossValidation::new(3).run(&data, |part| {
        let mut fold = model(&data);
        Trainer::new(Adam::new(0.01)).steps(2).fit(&mut fold, part.data)?;
        let mut alone = model(&data);
        alone.fit_scaling(part.data)?;
        seen.lock().expect("no panic").push((edges(&fold), edges(&alone)));
        Ok(fold)
    });
    report.expect("a report");
    let seen = seen.into_inner().expect("no panic");
    assert!(seen.len() == 3 && seen.iter().all(|(fold, alone)| fold == alone));
    assert_ne!(seen[0].0, seen[1].0);
}

#[test]
fn what_was_fitted_goes_where_the_model_goes() {
    let data = table(60);
    let folder = std::env::temp_dir().join(format!("polytask-embeddings-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let mut whole = model(&data);
    let trainer = Trainer::new(Adam::new(0.02)).batch_size(20).steps(9);
    trainer.fit(&mut whole, &data).expect("a training");
    let kept = trainer.checkpoint(Checkpoints::new(&folder)).resume_from(&folder);
    kept.clone().steps(4).fit(&mut model(&data), &data).expect("a training");
    let mut resumed = model(&data);
    kept.fit(&mut resumed, &data).expect("a training");
    assert_eq!((resumed.parameters(), resumed.state()), (whole.parameters(), whole.state()));

    let loaded = Model::<f64>::from_bytes(&whole.to_bytes().expect("bytes")).expect("a model");
    assert_eq!(
        loaded.predict_table(&data).expect("rows")["price"],
        whole.predict_table(&data).expect("rows")["price"]
    );
    let more = data.clone().with_index_columns([("make", 6)]).expect("indices");
    refused(loaded.predict_table(&more), ErrorKind::Shape, &["5 categories"]);
    let single = whole.cast::<f32>().expect("numbers of f32");
    let narrow = single.predict_table(&data.cast().expect("numbers of f32")).expect("rows");
    for (a, b) in narrow["price"].iter().zip(&whole.predict_table(&data).expect("rows")["price"]) {
        assert!((f64::from(*a) - b).abs() < 1e-3, "{a} {b}");
    }

    let mut falling = whole.clone();
    falling.state_mut().swap(0, 1);
    refused(falling.to_bytes(), ErrorKind::Value, &["edges[0, 1]", "the edge before it"]);
    std::fs::remove_dir_all(&folder).expect("a folder of its own");
}

const CARS: &str = "make,age,note,price\nSaab,1,x,9\nFiat,2,,4\nSaab,3,y,8\nAudi,4,x,7\nFiat,5,x,3\n";

#[test]
fn texts_become_indices() {
    let read = |reader: CsvReader| {
        let reader = reader.targets(["price"]);
        reader.read_from::<f64>(CARS.as_bytes(), "cars.csv").expect("a table")
    };
    let (data, encoding) = read(CsvReader::new().embed(["make", "note"]));
    assert_eq!(data.feature_names(), ["make", "age", "note"]);
    // Audi, Fiat, Saab; x, y, and no note.
    assert_eq!(data.features().column(0).to_vec(), [2.0, 1.0, 2.0, 0.0, 1.0]);
    assert_eq!(data.features().column(2).to_vec(), [0.0, 2.0, 1.0, 0.0, 0.0]);
    assert_eq!(data.index_columns(), [(0, 3), (2, 3)]);
    let printed = encoding.to_string();
    assert!(printed.contains("feature, the index among `Audi`, `Fiat`, `Saab`"), "{printed}");

    let features = |encoding: &polytask::data::csv::Encoding, text: &str| {
        encoding.features::<f64>(&encoding.table_from(text.as_bytes(), "next.csv")?)
    };
    let next = features(&encoding, "age,note,make\n1,z,Lada\n1,,Fiat\n").expect("a table");
    assert_eq!(next, array![[3.0, 1.0, 3.0], [1.0, 1.0, 2.0]]);
    let gap = features(&encoding, "age,note,make\n1,z,\n");
    refused(gap, ErrorKind::Value, &["line 2, column `make`", "an empty cell", "lenient"]);
    let lenient = features(&encoding.clone().lenient(), "age,note,make\n1,z,\n").expect("a table");
    assert_eq!(lenient, array![[3.0, 1.0, 3.0]]);

    // Rare texts are learnt from as what is none of the categories.
    let (data, _) = read(CsvReader::new().embed(["make"]).ignore(["note"]).frequent_categories(2));
    assert_eq!(data.features().column(0).to_vec(), [1.0, 0.0, 1.0, 2.0, 0.0]);
    assert_eq!(data.index_columns(), [(0, 2)]);
    // Numbers too may be names; and there may be more than a column of one-hot features may have.
    let (data, _) = read(CsvReader::new().embed(["age"]).max_categories(3));
    assert_eq!(data.index_columns(), [(3, 5)]); // behind three one-hot features
    let two = CsvReader::new().embed(["make"]).categorical(["make"]).targets(["price"]);
    refused(
        two.read_from::<f64>(CARS.as_bytes(), "cars.csv"),
        ErrorKind::Setting,
        &["a feature to embed", "a categorical feature"],
    );
}

#[test]
fn an_encoding_with_indices_goes_with_the_model() {
    let reader = CsvReader::new().targets(["price"]).embed(["make", "note"]);
    let (data, encoding) = reader.read_from::<f64>(CARS.as_bytes(), "cars.csv").expect("a table");
    let build = |columns: Vec<(usize, usize)>| {
        let builder = Model::builder(3).trunk([Layer::embedding(columns, 2)]).task(Task::regression("price"));
        builder.build::<f64>().expect("valid settings")
    };
    let mut model = build(data.index_columns());
    model.set_encoding(encoding.clone()).expect("its own columns");
    Trainer::new(Adam::new(0.1)).steps(20).fit(&mut model, &data).expect("a training");
    let loaded = Model::<f64>::from_bytes(&model.to_bytes().expect("bytes")).expect("a model");
    let encoded = loaded.encoding().expect("it was saved");
    assert_eq!(encoded, &encoding);
    let next = encoded
        .features::<f64>(&encoded.table_from("note,make,age\nx,Lada,3\n".as_bytes(), "n.csv").expect("text"));
    let next = next.expect("features");
    let rows = [&loaded, &model].map(|model| model.predict(next.view()).expect("a row")["price"].clone());
    assert_eq!(rows[0], rows[1]);

    let words = ["encoding", "3 categories of `make`", "CsvReader::embed"];
    refused(build(vec![(0, 3)]).set_encoding(encoding.clone()), ErrorKind::Shape, &words);
    refused(build(vec![(0, 4), (2, 3)]).set_encoding(encoding), ErrorKind::Shape, &words);
}
