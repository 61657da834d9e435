//! Promises of the CSV reader on files that are as they should be; `hostile_input.rs` has the others.
#![cfg(feature = "csv")]

use polytask::Result;
use polytask::data::Dataset;
use polytask::data::csv::{Content, CsvReader, DateOrder, Encoding, Profile};

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
    let table = CsvReader::new().table_from(text.as_bytes(), "test.csv").unwrap();
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
fn utf_16_is_read_and_other_bytes_are_told() {
    let text = "name;zürich\n1;🚲\n2;y\n";
    let plain = read(&CsvReader::new(), text).unwrap().0;
    let units: Vec<u16> = text.encode_utf16().collect();
    let little = [0xff, 0xfe].into_iter().chain(units.iter().flat_map(|unit| unit.to_le_bytes()));
    let big = [0xfe, 0xff].into_iter().chain(units.iter().flat_map(|unit| unit.to_be_bytes()));
    for bytes in [little.collect::<Vec<u8>>(), big.collect()] {
        let table = CsvReader::new().table_from(&bytes[..], "test.csv").unwrap();
        let encoding = CsvReader::new().fit(&table).unwrap();
        let data = encoding.apply::<f64>(&table).unwrap();
        assert_eq!((data.features(), data.feature_names()), (plain.features(), plain.feature_names()));
        assert_eq!(encoding.profile(&table).unwrap().notes, ["the file is UTF-16 text"]);
        let odd = CsvReader::new().table_from(&bytes[..bytes.len() - 1], "test.csv").unwrap_err().to_string();
        assert!(odd.contains("expected UTF-16 text, as its first two bytes say"), "{odd}");
    }
    let latin =
        CsvReader::new().table_from(&b"name,x\nZ\xfcrich,1\n"[..], "test.csv").unwrap_err().to_string();
    assert!(
        latin.contains("line 2, column `name`: expected UTF-8 text") && latin.contains("Latin-1"),
        "{latin}"
    );
}

#[test]
fn rare_texts_share_a_feature_where_asked_for() {
    let text = "zip,x\n1.0,1\n2,2\n2,3\n1,4\n3,5\n3,6\n4,7\n,8\n";
    let reader = CsvReader::new().categorical(["zip"]).frequent_categories(2);
    let (data, encoding) = read(&reader, text).unwrap();
    // `1.0` and `1` are one text; of three that are there twice, the first two.
    assert_eq!(data.feature_names(), ["zip=1", "zip=2", "zip_other", "zip_missing", "x"]);
    for (row, expected) in [(0, [1.0, 0.0, 0.0, 0.0]), (4, [0.0, 0.0, 1.0, 0.0]), (7, [0.0, 0.0, 0.0, 1.0])] {
        assert_eq!(data.feature_row(row)[..4], expected, "row {row}");
    }
    let again = encoding.read_from::<f64>("x,zip\n9,77\n".as_bytes(), "next.csv").unwrap();
    assert_eq!(again.feature_row(0), [0.0, 0.0, 1.0, 0.0, 9.0], "a text met later is another one too");
    let table = reader.table_from(text.as_bytes(), "test.csv").unwrap();
    let report = encoding.profile(&table).unwrap().to_string();
    assert!(report.contains("a feature for each of `1`, `2`, and one for all others; 1 missing"), "{report}");

    // A column with few texts is read as ever, and none is frequent if none may be.
    let few = read(&reader, "zip,x\n1,1\n2,2\n").unwrap().0;
    assert_eq!(few.feature_names(), ["zip=1", "zip=2", "x"]);
    let none = read(&CsvReader::new().frequent_categories(0), "kind,x\na,1\nb,2\n").unwrap().0;
    assert_eq!(none.feature_names(), ["kind_other", "x"]);

    // A column of very many texts is an error that names the setting.
    let many: String = (0..150).map(|i| format!("t{i},{i}\n")).collect();
    let error = read(&CsvReader::new(), &format!("kind,x\n{many}")).unwrap_err().to_string();
    assert!(error.contains("CsvReader::frequent_categories"), "{error}");
    assert_eq!(
        read(&CsvReader::new().frequent_categories(20), &format!("kind,x\n{many}")).unwrap().0.n_features(),
        22
    );
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

fn profile(reader: &CsvReader, text: &str) -> Result<Profile> {
    let table = reader.table_from(text.as_bytes(), "test.csv")?;
    reader.fit(&table)?.profile(&table)
}

fn numbers(text: &str) -> Vec<f64> {
    let data = read(&CsvReader::new(), text).unwrap_or_else(|error| panic!("{text:?}: {error}")).0;
    data.features().iter().copied().collect()
}

#[test]
fn delimiters_are_found_and_reported() {
    for (text, shown) in [
        ("a,b\n1,2\n3,4\n", "`,`"),
        ("a;b\n1;2\n3;4\n", "`;`"),
        ("a\tb\n1\t2\n3\t4\n", "tabs"),
        ("a|b\n1|2\n3|4\n", "`|`"),
        ("  a   b\n  1  2\n  3 4  \n", "spaces"),
        ("a \t b\n1   2\n3\t4\n", "spaces"),
        ("sep=;\na;b\n1;2\n3;4\n", "`;`"),
        ("a;b\n1;2\n;\n3;4\n;\n;\n", "`;`"),
    ] {
        let report =
            profile(&CsvReader::new(), text).unwrap_or_else(|error| panic!("{text:?}: {error}")).to_string();
        let first = report.lines().next().unwrap();
        assert!(
            first.contains(&format!("2 columns, separated by {shown}, named in line")),
            "{text:?}: {report}"
        );
    }
    // Names that are the text of a car in quotes, after a tab.
    let text = "18.0   8   307.0\t\"chevrolet chevelle\"\n15.5   8   ?\t\"buick skylark\"\n";
    let report = profile(&CsvReader::new(), text).unwrap();
    assert_eq!((report.delimiter, report.header_line), (b' ', None));
    assert_eq!(report.columns[2].gaps, ["?"]);
    assert_eq!(report.columns[3].examples, ["chevrolet chevelle", "buick skylark"]);
    // Texts with spaces are no tables.
    let (data, _) = read(&CsvReader::new(), "full name\nAda Lovelace\nAlan Turing\n").unwrap();
    assert_eq!(data.feature_names(), ["full name=Ada Lovelace", "full name=Alan Turing"]);
}

#[test]
fn what_can_be_cut_or_read_in_two_ways_is_an_error_that_names_the_setting() {
    for (text, setting) in [
        ("a;b,c\n1;x,2\n3;y,4\n", "CsvReader::delimiter"),
        ("0,1\n5,6\n7,8\n", "CsvReader::header(true)"),
        ("2010,2020\n5,6\n7,8\n", "CsvReader::header(false)"),
        ("a;b\n1,234;5\n", "CsvReader::decimal_comma"),
        ("a;b\n1,234;5\n", "CsvReader::thousands"),
        ("a;b\n1,5;1.234\n2,5;3.456\n", "CsvReader::thousands"),
        ("a;b\n03/04/2024;5\n", "CsvReader::day_first"),
        ("Houses\na,b\n1,2\n", "CsvReader::skip_lines"),
        ("a,b\n1,2\n# sold\n3,4\n", "CsvReader::comment"),
        ("a,b\nx 1,2,3\ny 2,3,4\n", "give it a name in the header"),
    ] {
        let error = read(&CsvReader::new(), text).err().unwrap_or_else(|| panic!("{text:?} was read"));
        assert!(error.to_string().contains(setting), "{text:?}: {error}");
    }
}

#[test]
fn files_without_a_header_are_read() {
    let report = profile(&CsvReader::new(), "M,0.45,15\nF,0.53,9\nM,0.44,10\n").unwrap();
    assert!(report.to_string().contains("3 rows, 3 columns, separated by `,`, without a header"), "{report}");
    assert_eq!(report.columns[2].column.name, "column3");
    // Texts alone: those of the first row are found again below.
    let report = profile(&CsvReader::new(), "p,x,s\ne,x,s\np,y,s\n").unwrap();
    assert_eq!((report.header_line, report.n_rows), (None, 3));
    // A column that the settings name is in the header, whatever it looks like.
    let (data, _) = read(&CsvReader::new().targets(["1"]), "0,1\n5,6\n7,8\n").unwrap();
    assert_eq!((data.n_rows(), data.target_row(0)), (2, &[6.0][..]));
    // The next file has none either.
    let (_, encoding) = read(&CsvReader::new().targets(["column2"]), "1.5,2\n3.5,4\n").unwrap();
    let next = encoding.read_from::<f64>("5,6\n".as_bytes(), "next.csv").unwrap();
    assert_eq!((next.feature_row(0), next.target_row(0)), (&[5.0][..], &[6.0][..]));
    let error = read(&CsvReader::new().targets(["y"]), "1.5,2\n3.5,4\n").unwrap_err().to_string();
    assert!(error.contains("no header") && error.contains("`column1`"), "{error}");
}

#[test]
fn numbers_of_rows_and_padding_are_left_out() {
    let plain = [1.5, 2.0, 3.5, 4.0];
    for text in [
        ",a,b\n0,1.5,2\n1,3.5,4\n",
        "\"\",\"a\",\"b\"\n\"x\",1.5,2\n\"y\",3.5,4\n",
        "a,b\n1,1.5,2\n2,3.5,4\n",
        "a b\n1 1.5 2\n2 3.5 4\n",
        "a,b,\n1.5,2,\n3.5,4,\n",
        "a,b,\n1.5,2\n3.5,4\n",
        "a,b\n1.5,2,\n3.5,4,\n",
        "a;b;;\n1,5;2;;\n3,5;4;;\n;;;\n;;;\n",
    ] {
        assert_eq!(numbers(text), plain, "{text:?}");
    }
    let report = profile(&CsvReader::new(), "a;b;;\n1,5;2;;\n;;;\n").unwrap();
    assert_eq!(report.notes.len(), 2, "{report}");
    let index = profile(&CsvReader::new(), ",a\n0,5\n1,6\n").unwrap();
    assert!(index.to_string().contains("the first column is left out: it has no name"), "{index}");
    // A column without a name that is no index may be data.
    assert!(read(&CsvReader::new(), ",a\n1,5\n1,6\n").unwrap_err().to_string().contains("an empty name"));
}

#[test]
fn comments_and_skipped_lines_are_counted_in_places() {
    let reader = CsvReader::new().comment(b'#').skip_lines(2);
    let error = read(&reader, "Houses\n\n# first\na,b\n\n# second\n1,2\nx,3\n# third\n4,5\n").unwrap_err();
    assert!(error.to_string().starts_with("test.csv, line 8, column `a`"), "{error}");
    for ends in ["\r", "\n", "\r\n"] {
        let text = "a,b\n1,2\n\n3,4\nx,5\n".replace('\n', ends);
        let error = read(&CsvReader::new(), &text).unwrap_err();
        assert!(error.to_string().starts_with("test.csv, line 5, column `a`"), "{ends:?}: {error}");
    }
    let marked = profile(&CsvReader::new(), "# measured in 2020\n# by hand\na,b\n1,2\n3,4\n").unwrap();
    assert_eq!((marked.header_line, marked.n_rows), (Some(3), 2));
    assert!(marked.to_string().contains("2 lines above the table are left out"), "{marked}");
}

#[test]
fn a_quote_after_a_space_opens_a_cell() {
    let text = "n, town\n5, \"Bern, CH\"\n6, \"Paris, FR\" \n";
    let (data, _) = read(&CsvReader::new(), text).unwrap();
    assert_eq!(data.feature_names(), ["n", "town=Bern, CH", "town=Paris, FR"]);
}

#[test]
fn marks_of_gaps_are_known_in_features_and_targets() {
    let text = "size,kind,price,grade\n1,a,NA,nan\n?,NA,4,low\n3,?,5,high\n-,a,.,low\n";
    let reader = CsvReader::new().targets(["price"]).class_targets(["grade"]);
    let (data, encoding) = read(&reader, text).unwrap();
    assert_eq!(data.feature_names(), ["size", "size_missing", "kind=a", "kind_missing"]);
    assert_eq!(data.feature_row(3), [2.0, 1.0, 1.0, 0.0]);
    assert!(data.target_row(0).iter().all(|label| label.is_nan()));
    assert_eq!(data.target_row(1), [4.0, 1.0]);
    assert_eq!(encoding.classes("grade").unwrap(), ["high", "low"], "`nan` is no class");
    let report = profile(&reader, text).unwrap().to_string();
    assert!(report.contains("price  target; 2 missing (`NA`, `.`)"), "{report}");
    // Without them a mark is a text, which fits neither numbers nor a quantity.
    let told = reader.only_missing(["?", "-", "."]);
    assert!(read(&told, text).unwrap_err().to_string().contains("add it to `CsvReader::missing`"));
}

#[test]
fn a_number_that_marks_a_gap_counts_however_it_is_written() {
    let text = "a;b\n-999,0;1\n2,5;-999\n-999;3\n4,5;4\n3,5;2\n";
    let (data, _) = read(&CsvReader::new().missing(["-999"]), text).unwrap();
    assert_eq!(data.feature_row(0), [3.5, 1.0, 1.0, 0.0]);
    assert_eq!(data.feature_row(1), [2.5, 0.0, 2.5, 1.0]);
    let (data, _) = read(&CsvReader::new().missing_in("a", ["-999"]), text).unwrap();
    assert_eq!(data.feature_row(1), [2.5, 0.0, -999.0]);
    let warnings = profile(&CsvReader::new(), text).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("`a` is -999 in 2 rows") && warnings[0].contains("missing_in"),
        "{warnings:?}"
    );
    assert!(profile(&CsvReader::new(), "a,b\n-1,2.5\n-1,3\n0,4\n1,5\n").unwrap().warnings.is_empty());
}

#[test]
fn numbers_are_read_as_they_are_written() {
    assert_eq!(numbers("a;b\n1,5;2\n-0,25;1,125\n"), [1.5, 2.0, -0.25, 1.125]);
    assert_eq!(numbers("a,b\n\"1,234,567\",2\n\"1,234\",3\n"), [1_234_567.0, 2.0, 1_234.0, 3.0]);
    assert_eq!(numbers("a,b\n\"1,234\",0.5\n\"2,000\",1.5\n"), [1_234.0, 0.5, 2_000.0, 1.5]);
    assert_eq!(numbers("a,b\n12%,$3\n7.5 %,-$4.50\n"), [12.0, 3.0, 7.5, -4.5]);
    assert_eq!(numbers("a;b\n1.200,50 €;1\n3,00 €;0\n"), [1_200.5, 1.0, 3.0, 0.0]);
    let text = "day,other\n1970-01-03,13/01/2020\n1970-01-01,02/01/2020\n";
    let (data, encoding) = read(&CsvReader::new(), text).unwrap();
    assert_eq!(data.features().column(0).to_vec(), [2.0, 0.0]);
    assert_eq!(encoding.columns()[1].notation.date, Some(DateOrder::DayMonthYear));
    // A later file is read in the same way, and what is written otherwise is an error.
    let (_, encoding) = read(&CsvReader::new(), "a;b\n1,5;12%\n2,5;13%\n").unwrap();
    let next = |text: &str| encoding.read_from::<f64>(text.as_bytes(), "next.csv");
    assert_eq!(next("a;b\n1,234;8%\n").unwrap().feature_row(0), [1.234, 8.0]);
    let error = next("a;b\n1.5;8%\n").unwrap_err().to_string();
    assert!(error.contains("a number as in the other rows (decimal comma), found `1.5`"), "{error}");
    assert!(next("a;b\n1,5;8\n").unwrap_err().to_string().contains("(in %)"));
}

#[test]
fn spellings_of_one_class_are_one_class() {
    let text = "x,y,z\n1,1,True\n2,1.0,TRUE\n3,0,false\n";
    let reader = CsvReader::new().class_targets(["y", "z"]);
    let (data, encoding) = read(&reader, text).unwrap();
    assert_eq!(encoding.classes("y").unwrap(), ["0", "1"]);
    assert_eq!(data.targets().column(0).to_vec(), [1.0, 1.0, 0.0]);
    assert_eq!(data.targets().column(1).to_vec(), [0.0, 0.0, 1.0]);
    let next = encoding.read_from::<f64>("x,y,z\n1,0.0,true\n".as_bytes(), "next.csv").unwrap();
    assert_eq!(next.target_row(0), [0.0, 0.0]);
    let report = profile(&reader, text).unwrap().to_string();
    assert!(report.contains("warning: in `y`, `1.0` are read as `1`"), "{report}");
    // Codes that only begin alike stay apart.
    let (_, encoding) =
        read(&CsvReader::new().class_targets(["y"]), "x,y\n1,1.1\n2,1.10\n3,01\n4,1\n").unwrap();
    assert_eq!(encoding.classes("y").unwrap().len(), 4);
}

#[test]
fn a_column_that_numbers_the_rows_is_told() {
    let text = "Id,x\n1,5\n2,3\n3,8\n4,1\n5,2\n6,2\n";
    let report = profile(&CsvReader::new(), text).unwrap();
    assert!(report.warnings[0].contains("`Id` numbers the rows: leave it out"), "{report}");
    assert!(profile(&CsvReader::new().ignore(["Id"]), text).unwrap().warnings.is_empty());
}

#[test]
fn classes_have_an_order_or_an_ordinal_task_refuses_them() -> Result<()> {
    use polytask::prelude::*;
    let text = "x,grade\n1,low\n2,high\n3,medium\n4,low\n5,NA\n";
    let train = |reader: &CsvReader| {
        let (data, _) = reader.read_from::<f32>(text.as_bytes(), "test.csv")?;
        let mut model = Model::builder(1).task(Task::ordinal("grade", 3)).build::<f32>()?;
        Trainer::new(Adam::new(0.1)).steps(3).fit(&mut model, &data)?;
        Ok::<_, polytask::Error>(model.class_names("grade").map(<[_]>::to_vec))
    };
    let error = train(&CsvReader::new().class_targets(["grade"])).unwrap_err().to_string();
    assert!(error.contains("`high`, `low`, `medium`, which are in alphabetical order"), "{error}");
    assert!(error.contains("CsvReader::classes_in_order"), "{error}");
    let told = CsvReader::new().class_targets(["grade"]).classes_in_order("grade", ["low", "medium", "high"]);
    assert_eq!(train(&told)?.unwrap(), ["low", "medium", "high"]);
    let report = profile(&told, text)?.to_string();
    assert!(
        report.contains("grade  target, with the classes `low`, `medium`, `high`; 1 missing (`NA`)"),
        "{report}"
    );
    // Numbers are in their own order, and a person who names the classes of a table has ordered them.
    let (data, _) = read(&CsvReader::new().class_targets(["y"]), "x,y\n1,10\n2,9\n3,8\n")?;
    let mut model = Model::builder(1).task(Task::ordinal("y", 3)).build::<f64>()?;
    Trainer::new(Adam::new(0.1)).steps(3).fit(&mut model, &data)?;
    let (data, _) = read(&CsvReader::new().class_targets(["y"]), "x,y\n1,a\n2,b\n3,c\n")?;
    let mut model = Model::builder(1).task(Task::ordinal("y", 3)).build::<f64>()?;
    let trainer = Trainer::new(Adam::new(0.1)).steps(3);
    assert!(trainer.fit(&mut model, &data).is_err());
    trainer.fit(&mut model, &data.with_class_names("y", ["a", "b", "c"])?)?;
    Ok(())
}

#[test]
fn labels_from_1_to_k_are_told_what_to_do() -> Result<()> {
    use polytask::prelude::*;
    let text = "x,stars\n1,1\n2,3\n3,2\n";
    let fit = |reader: CsvReader| {
        let (data, _) = read(&reader, text)?;
        let mut model = Model::builder(1).task(Task::classes("stars", 3)).build::<f64>()?;
        Trainer::new(Adam::new(0.1)).steps(3).fit(&mut model, &data).map(|_| ())
    };
    let error = fit(CsvReader::new().targets(["stars"])).unwrap_err().to_string();
    assert!(
        error.contains("the labels are 1 … 3: subtract 1, or name the column in `CsvReader::class_targets`")
    );
    fit(CsvReader::new().class_targets(["stars"]))
}
