//! CSV files (feature `csv`): from text to a [`Dataset`], and from later files to the same columns.
//!
//! ```text
//! file ──▶ Table (text) ── fit ──▶ Encoding (how each column is read) ── apply ──▶ Dataset
//!                                      │
//!                     next file ───────┴── apply ──▶ Dataset with the same columns
//! ```
//!
//! | a column of the file | becomes |
//! |---|---|
//! | numbers | one feature with the column's name; empty cells get the mean of the others |
//! | dates | one feature, days since 1970 |
//! | … too close together for `f32`, such as seconds since 1970 | the same, with the smallest of them subtracted |
//! | texts | one-hot features: one feature `name=text` for each text, in sorted order |
//! | … named in [`CsvReader::embed`] | one feature, the index of the text |
//! | … of which only the frequent ones are to be kept | in addition a feature `name_other`, 1 for all other texts |
//! | numbers or texts with empty cells | in addition a feature `name_missing`, 1 where the cell is empty |
//! | nothing: every cell is empty | no feature |
//! | a target | one target; empty cells are missing labels (NaN) |
//! | a class target | one target: the class, which is the index of the text among the sorted texts |
//!
//! The means and the lists of texts are fitted, to all rows of the table unless you choose. If you fit them to
//! a whole file and split it afterwards, a little information about the test rows leaks into training. Where
//! that matters, fit them to the training rows only, with [`CsvReader::fit_rows`], or to a separate training
//! file.

#[cfg(feature = "arrow")]
mod arrow;
mod cells;
mod column;
mod columns;
mod dialect;
mod encoding;
mod fit;
mod indices;
mod marks;
mod notation;
#[cfg(feature = "parquet")]
mod parquet;
mod profile;
#[cfg(feature = "serde")]
mod rows;
mod stream;
mod table;

use std::io::Read;
use std::path::Path;

pub use column::{Column, Content};
pub use columns::Values;
pub use encoding::Encoding;
pub use notation::{DateOrder, Notation};
pub use profile::{ColumnProfile, Profile};
pub use stream::Stream;
pub use table::Table;

use self::dialect::Dialect;
use super::Dataset;
use crate::{Result, Scalar};

/// How to read a CSV file: which columns are targets, weights and groups. All others are features.
///
/// ```
/// use polytask::data::csv::CsvReader;
///
/// let file = "\
/// area,roof,age,heating,cooling
/// 514.5,flat,3,15.5,21.3
/// 563.5,pitched,,20.8,
/// 612.5,flat,5,24.1,29.0
/// ";
/// let reader = CsvReader::new().targets(["heating", "cooling"]);
/// let (data, encoding) = reader.read_from::<f64>(file.as_bytes(), "houses.csv")?;
///
/// assert_eq!(data.feature_names(), ["area", "roof=flat", "roof=pitched", "age", "age_missing"]);
/// assert_eq!(data.feature_row(1), [563.5, 0.0, 1.0, 4.0, 1.0]);
/// assert!(data.targets()[[1, 1]].is_nan());
///
/// let next = "roof,area,age\nflat,500,\n";
/// let features = encoding.features::<f64>(&encoding.table_from(next.as_bytes(), "next.csv")?)?;
/// assert_eq!(features.row(0).to_vec(), [500.0, 1.0, 0.0, 4.0, 1.0]);
/// # Ok::<(), polytask::Error>(())
/// ```
///
/// The file must be UTF-8 text, or UTF-16 with a mark of the byte order. Spaces around a cell are ignored. These are found from the file, unless a setting says
/// otherwise, and where the file can be read in two ways, the error names the setting: [`delimiter`](Self::delimiter),
/// [`header`](Self::header), [`decimal_comma`](Self::decimal_comma), [`thousands`](Self::thousands), signs of percent
/// and currency, dates ([`day_first`](Self::day_first)), and marks of a gap ([`missing`](Self::missing)). Numbers of the
/// rows that have no name in the header, and empty columns and rows at the end, are left out. [`Encoding::profile`]
/// reports what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", default, deny_unknown_fields))]
#[must_use]
pub struct CsvReader {
    targets: Vec<Target>,
    weights: Option<String>,
    /// Targets, and the columns that hold the weights of their labels.
    #[cfg_attr(feature = "persist", serde(skip_serializing_if = "Vec::is_empty"))]
    target_weights: Vec<(String, String)>,
    group: Option<String>,
    categorical: Vec<String>,
    #[cfg_attr(feature = "persist", serde(skip_serializing_if = "Vec::is_empty"))]
    embedded: Vec<String>,
    ignored: Vec<String>,
    missing: Vec<String>,
    #[cfg_attr(feature = "persist", serde(skip_serializing_if = "Vec::is_empty"))]
    missing_in: Vec<(String, String)>,
    /// Whether texts such as `NA` are gaps. Files of earlier versions do not say, and there they were not.
    #[cfg_attr(feature = "persist", serde(default))]
    known_marks: bool,
    /// Files that do not say are of earlier versions, in which it was the comma.
    #[cfg_attr(feature = "persist", serde(default = "comma"))]
    delimiter: Option<u8>,
    comment: Option<u8>,
    skip_lines: usize,
    /// Files of earlier versions do not say, and all had one.
    #[cfg_attr(feature = "persist", serde(default = "has_header"))]
    header: Option<bool>,
    decimal_comma: Option<bool>,
    thousands: Option<char>,
    day_first: Option<bool>,
    max_categories: usize,
    #[cfg_attr(feature = "persist", serde(skip_serializing_if = "Option::is_none"))]
    frequent_categories: Option<usize>,
}

#[cfg(feature = "persist")]
fn comma() -> Option<u8> {
    Some(b',')
}

#[cfg(feature = "persist")]
fn has_header() -> Option<bool> {
    Some(true)
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
struct Target {
    name: String,
    #[cfg_attr(feature = "persist", serde(default))]
    is_class: bool,
    /// The classes in their order, if a person gave them one.
    #[cfg_attr(feature = "persist", serde(default, skip_serializing_if = "Vec::is_empty"))]
    order: Vec<String>,
}

impl Default for CsvReader {
    /// No targets; how the file is written is found from it, texts such as `NA` are gaps, and a column may have at most
    /// 100 different texts.
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            weights: None,
            target_weights: Vec::new(),
            group: None,
            categorical: Vec::new(),
            embedded: Vec::new(),
            ignored: Vec::new(),
            missing: Vec::new(),
            missing_in: Vec::new(),
            known_marks: true,
            delimiter: None,
            comment: None,
            skip_lines: 0,
            header: None,
            decimal_comma: None,
            thousands: None,
            day_first: None,
            max_categories: 100,
            frequent_categories: None,
        }
    }
}

impl CsvReader {
    /// A reader for files in which every column is a feature.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the columns of numbers that are targets. Further calls add more.
    pub fn targets(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.targets.extend(names.into_iter().map(|name| Target {
            name: name.into(),
            is_class: false,
            order: Vec::new(),
        }));
        self
    }

    /// Names the columns of texts that are targets, each text a class. Further calls add more. The number of a
    /// class is the index of its text among the sorted texts of the column.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "area,kind\n514,house\n563,barn\n612,\n";
    /// let reader = CsvReader::new().class_targets(["kind"]);
    /// let (data, encoding) = reader.read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// assert_eq!(encoding.classes("kind").map(<[_]>::len), Some(2)); // barn is 0, house is 1
    /// assert_eq!((data.target_row(0), data.target_row(1)), (&[1.0][..], &[0.0][..]));
    /// assert!(data.target_row(2)[0].is_nan());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn class_targets(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.targets.extend(names.into_iter().map(|name| Target {
            name: name.into(),
            is_class: true,
            order: Vec::new(),
        }));
        self
    }

    /// Names a column of classes that is a target, with all its classes in their order: the first is 0. Without an order
    /// texts are sorted alphabetically, which [`Task::ordinal`](crate::Task::ordinal) refuses to learn. The order of a
    /// target that was already named is added to it.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "area,grade\n514,low\n563,high\n612,medium\n";
    /// let reader = CsvReader::new().classes_in_order("grade", ["low", "medium", "high"]);
    /// let (data, _) = reader.read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// assert_eq!(data.targets(), ndarray::array![[0.0], [2.0], [1.0]]);
    /// let error = CsvReader::new()
    ///     .classes_in_order("grade", ["low", "high"])
    ///     .read_from::<f64>(file.as_bytes(), "houses.csv")
    ///     .unwrap_err();
    /// assert!(error.to_string().contains("line 4, column `grade`: expected one of `low`, `high`, found `medium`"));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn classes_in_order(
        mut self,
        target: impl Into<String>,
        classes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let (name, order) = (target.into(), classes.into_iter().map(Into::into).collect());
        match self.targets.iter_mut().find(|target| target.name == name && target.is_class) {
            Some(target) => target.order = order,
            None => self.targets.push(Target { name, is_class: true, order }),
        }
        self
    }

    /// Names the column that holds the weights of the rows: numbers of at least 0. There is an example at
    /// [`group_column`](Self::group_column).
    pub fn weights_column(mut self, name: impl Into<String>) -> Self {
        self.weights = Some(name.into());
        self
    }

    /// Names the column that holds the weights of the labels of one target: numbers of at least 0, which multiply the
    /// weights of the rows if there are any. Several targets may share a column.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "area,price,trust,rooms\n514,3,1,4\n563,4,0.5,\n";
    /// let reader = CsvReader::new().targets(["price", "rooms"]).target_weights_column("price", "trust");
    /// let (data, encoding) = reader.read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// assert_eq!(data.label_weights(0).expect("weights"), ndarray::array![1.0, 0.5]);
    /// assert!(data.label_weights(1).is_none());
    /// assert_eq!(encoding.feature_names(), ["area"]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn target_weights_column(mut self, target: impl Into<String>, column: impl Into<String>) -> Self {
        let target = target.into();
        self.target_weights.retain(|(known, _)| *known != target);
        self.target_weights.push((target, column.into()));
        self
    }

    /// Names the column that says which rows belong together: rows with the same text are a group. Groups are
    /// numbered in order of appearance.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "query,count,clicks,price\nred shoes,2,7,30\nblue hat,1,1,12\nred shoes,0.5,3,45\n";
    /// let reader = CsvReader::new().targets(["clicks"]).group_column("query").weights_column("count");
    /// let (data, _) = reader.read_from::<f64>(file.as_bytes(), "clicks.csv")?;
    /// assert_eq!(data.groups(), Some(&[0, 1, 0][..]));
    /// assert_eq!(data.weights(), Some(ndarray::array![2.0, 1.0, 0.5].view()));
    /// assert_eq!(data.feature_names(), ["price"]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn group_column(mut self, name: impl Into<String>) -> Self {
        self.group = Some(name.into());
        self
    }

    /// Names feature columns to read as texts although they hold numbers, such as postal codes.
    pub fn categorical(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.categorical.extend(names.into_iter().map(Into::into));
        self
    }

    /// Names columns to leave out.
    pub fn ignore(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.ignored.extend(names.into_iter().map(Into::into));
        self
    }

    /// More texts that count as an empty cell. One that is a number counts in a column of numbers however it is written:
    /// `-999` is `-999.0` too.
    ///
    /// Without being told, `NA`, `N/A`, `NaN`, `null`, `?` and the like are gaps, and in columns of numbers also `-`,
    /// `.`, `None` and `unknown`; [`only_missing`](Self::only_missing) ends that.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// // `NA` for an unknown number, a number that stands for a gap, a code made of digits, a column to leave out.
    /// let file = "zone;area;note\n8001;514;sold\n8002;NA;new\n8001;-1.0;sold\n8001;612;sold\n";
    /// let reader = CsvReader::new().missing(["-1"]).categorical(["zone"]).ignore(["note"]);
    /// let (data, _) = reader.read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// assert_eq!(data.feature_names(), ["zone=8001", "zone=8002", "area", "area_missing"]);
    /// assert_eq!(data.feature_row(1), [0.0, 1.0, 563.0, 1.0]); // the mean of the others
    /// assert_eq!(data.feature_row(2), [1.0, 0.0, 563.0, 1.0]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn missing(mut self, texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.missing.extend(texts.into_iter().map(Into::into));
        self
    }

    /// Texts that count as an empty cell in one column, as [`missing`](Self::missing) in all.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "age,change\n-1,-1\n30,2\n40,0\n"; // nobody is -1 years old
    /// let (data, _) = CsvReader::new().missing_in("age", ["-1"]).read_from::<f64>(file.as_bytes(), "people.csv")?;
    /// assert_eq!(data.feature_row(0), [35.0, 1.0, -1.0]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn missing_in(
        mut self,
        column: impl Into<String>,
        texts: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let column = column.into();
        self.missing_in.extend(texts.into_iter().map(|text| (column.clone(), text.into())));
        self
    }

    /// The only texts that count as an empty cell, in place of those that usually do: `NA` is a category then.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "country,area\nNA,824\nCH,?\n"; // Namibia
    /// let (data, _) = CsvReader::new().only_missing(["?"]).read_from::<f64>(file.as_bytes(), "lands.csv")?;
    /// assert_eq!(data.feature_names(), ["country=CH", "country=NA", "area", "area_missing"]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn only_missing(mut self, texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.missing = texts.into_iter().map(Into::into).collect();
        self.known_marks = false;
        self
    }

    /// The separator between cells, otherwise found from the file. `b' '` stands for any number of spaces and tabs.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "8:514\n9:563\n";
    /// let reader = CsvReader::new().delimiter(b':').header(false);
    /// let (data, _) = reader.read_from::<f64>(file.as_bytes(), "houses.txt")?;
    /// assert_eq!(data.feature_row(1), [9.0, 563.0]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = Some(delimiter);
        self
    }

    /// What a line begins with that is a comment, such as `b'#'` (default: no line is one, but lines with `#` above the
    /// table are left out if they are not like a row).
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "area,price\n514,3\n# sold twice\n563,4\n";
    /// let (data, _) = CsvReader::new().comment(b'#').read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// assert_eq!(data.n_rows(), 2);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn comment(mut self, byte: u8) -> Self {
        self.comment = Some(byte);
        self
    }

    /// How many lines to leave out at the beginning of the file (default: 0).
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "Houses of the town\n\narea,price\n514,3\n563,4\n";
    /// let (data, _) = CsvReader::new().skip_lines(2).read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// assert_eq!(data.feature_names(), ["area", "price"]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn skip_lines(mut self, n: usize) -> Self {
        self.skip_lines = n;
        self
    }

    /// Whether the first line names the columns, otherwise found from the file. Without a header the columns are called
    /// `column1`, `column2` …
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "M,0.455,15\nF,0.53,9\nM,0.44,10\n";
    /// let (data, _) = CsvReader::new().targets(["column3"]).read_from::<f64>(file.as_bytes(), "shells.csv")?;
    /// assert_eq!(data.feature_names(), ["column1=F", "column1=M", "column2"]);
    /// let unclear = "0,1\n5,6\n"; // 0 and 1 may be names
    /// let error = CsvReader::new().read_from::<f64>(unclear.as_bytes(), "shells.csv").unwrap_err();
    /// assert!(error.to_string().contains("CsvReader::header(true)"), "{error}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn header(mut self, is_there: bool) -> Self {
        self.header = Some(is_there);
        self
    }

    /// Whether a comma stands before the decimals, otherwise found from the file.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "area;price\n1,234;3\n2,500;4\n"; // thousands, or decimals?
    /// assert!(CsvReader::new().read_from::<f64>(file.as_bytes(), "houses.csv").is_err());
    /// let (data, _) = CsvReader::new().decimal_comma(true).read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// assert_eq!(data.feature_row(0), [1.234, 3.0]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn decimal_comma(mut self, is_comma: bool) -> Self {
        self.decimal_comma = Some(is_comma);
        self
    }

    /// What stands between groups of three digits, otherwise found from the file.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "area;price\n1,234;3\n2,500;4\n";
    /// let (data, _) = CsvReader::new().thousands(',').read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// assert_eq!(data.feature_row(0), [1234.0, 3.0]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn thousands(mut self, separator: char) -> Self {
        self.thousands = Some(separator);
        self
    }

    /// Whether the day comes before the month in dates such as `03/04/2024`, otherwise found from the file.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "sold\n02/01/1970\n03/01/1970\n";
    /// assert!(CsvReader::new().read_from::<f64>(file.as_bytes(), "houses.csv").is_err());
    /// let (data, _) = CsvReader::new().day_first(true).read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// assert_eq!(data.feature_row(0), [1.0]); // days since 1970
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn day_first(mut self, is_first: bool) -> Self {
        self.day_first = Some(is_first);
        self
    }

    /// The most different texts that a feature column may hold (default: 100). A column with more most likely
    /// holds names or notes, which one-hot features are of no use for, so it is an error.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "owner,area\nAda,514\nBen,563\nCleo,612\n";
    /// let most_two = CsvReader::new().max_categories(2);
    /// let error = most_two.read_from::<f64>(file.as_bytes(), "houses.csv").unwrap_err();
    /// assert!(error.to_string().contains("column `owner`: expected numbers, or at most 2 different texts"));
    /// assert!(CsvReader::new().read_from::<f64>(file.as_bytes(), "houses.csv").is_ok());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn max_categories(mut self, max: usize) -> Self {
        self.max_categories = max;
        self
    }

    /// Gives only the `most` most frequent texts of a column a feature each. In a column with more, all other texts, and
    /// those that only later files have, share the feature `name_other`. Of equally frequent texts the first in sorted order
    /// is kept.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "make,area\nFiat,1\nSaab,2\nAudi,3\nFiat,4\nAudi,5\nLada,6\n";
    /// let (data, encoding) =
    ///     CsvReader::new().frequent_categories(2).read_from::<f64>(file.as_bytes(), "cars.csv")?;
    /// assert_eq!(data.feature_names(), ["make=Audi", "make=Fiat", "make_other", "area"]);
    /// assert_eq!(data.feature_row(1), [0.0, 0.0, 1.0, 2.0]); // a Saab
    /// let next = encoding.table_from("make,area\nTrabant,7\n".as_bytes(), "next.csv")?;
    /// assert_eq!(encoding.features::<f64>(&next)?, ndarray::array![[0.0, 0.0, 1.0, 7.0]]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn frequent_categories(mut self, most: usize) -> Self {
        self.frequent_categories = Some(most);
        self
    }

    /// Reads a file. Returns the data, and the encoding that says how each column was read.
    ///
    /// ```
    /// use polytask::data::csv::CsvReader;
    ///
    /// # let path = std::env::temp_dir().join(format!("polytask-read-{}.csv", std::process::id()));
    /// std::fs::write(&path, "area,price\n514,3\n563,4\n").expect("a folder that can be written");
    /// let (data, _) = CsvReader::new().targets(["price"]).read::<f32>(&path)?;
    /// assert_eq!((data.n_rows(), data.feature_row(1), data.target_row(1)), (2, &[563.0][..], &[4.0][..]));
    /// let error = CsvReader::new().targets(["prize"]).read::<f32>(&path).unwrap_err();
    /// assert!(error.to_string().contains("the nearest names are `price`, `area`"), "{error}");
    /// # std::fs::remove_file(&path).expect("it is there");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::File`](crate::ErrorKind::File) if the file cannot be read or is not a table, and the errors
    /// of [`fit`](Self::fit). The message names the file, the line and the column.
    pub fn read<F: Scalar>(&self, path: impl AsRef<Path>) -> Result<(Dataset<F>, Encoding)> {
        self.encode(&self.table(path)?)
    }

    /// Reads from any source; error messages call it `name`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_from<F: Scalar>(&self, source: impl Read, name: &str) -> Result<(Dataset<F>, Encoding)> {
        self.encode(&self.table_from(source, name)?)
    }

    /// Reads a file as text, to pass to [`fit`](Self::fit) and [`Encoding::apply`].
    ///
    /// # Errors
    /// [`ErrorKind::File`](crate::ErrorKind::File) if the file cannot be read, is not UTF-8, has no rows, can be cut into
    /// cells in two ways, or has a line without exactly one cell for each column;
    /// [`ErrorKind::Name`](crate::ErrorKind::Name) if a column name is empty or there twice.
    pub fn table(&self, path: impl AsRef<Path>) -> Result<Table> {
        Table::read(path.as_ref(), self.dialect(), &self.names())
    }

    /// Reads from any source as text; error messages call it `name`.
    ///
    /// # Errors
    /// As [`table`](Self::table).
    pub fn table_from(&self, source: impl Read, name: &str) -> Result<Table> {
        Table::read_from(source, name, self.dialect(), &self.names())
    }

    fn dialect(&self) -> Dialect {
        let Self { delimiter, comment, skip_lines, header, .. } = *self;
        Dialect { delimiter, comment, skip_lines, header }
    }

    fn encode<F: Scalar>(&self, table: &Table) -> Result<(Dataset<F>, Encoding)> {
        let encoding = self.fit(table)?;
        Ok((encoding.apply(table)?, encoding))
    }

    /// Finds out what each column of `table` holds, from all rows.
    ///
    /// # Errors
    /// [`ErrorKind::Name`](crate::ErrorKind::Name) if a column named in the settings is not there,
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if the settings give it two roles,
    /// [`ErrorKind::Value`](crate::ErrorKind::Value) if a cell does not hold what its column should, if a
    /// target has no label or if a column has too many texts, and [`ErrorKind::File`](crate::ErrorKind::File)
    /// if no feature is left.
    pub fn fit(&self, table: &Table) -> Result<Encoding> {
        self.fit_rows(table, &(0..table.n_rows()).collect::<Vec<_>>())
    }

    /// Finds out what each column of `table` holds, from the given rows only. Give it the training rows, so
    /// that the means and the lists of texts know nothing of the test rows.
    ///
    /// ```
    /// use polytask::data::csv::{Content, CsvReader};
    ///
    /// let table = CsvReader::new().table_from("area\n500\n600\n1000\n".as_bytes(), "houses.csv")?;
    /// let mean = |rows: &[usize]| match CsvReader::new().fit_rows(&table, rows)?.columns()[0].content {
    ///     Content::Numbers { mean, .. } => Ok::<_, polytask::Error>(mean),
    ///     _ => unreachable!("a column of numbers"),
    /// };
    /// assert_eq!(mean(&[0, 1])?, 550.0); // the last row is for testing
    /// assert_eq!(mean(&[0, 1, 2])?, 700.0);
    /// assert_eq!(CsvReader::new().fit(&table)?, CsvReader::new().fit_rows(&table, &[0, 1, 2])?);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    ///
    /// # Panics
    /// If one of the rows does not exist.
    #[track_caller]
    pub fn fit_rows(&self, table: &Table, rows: &[usize]) -> Result<Encoding> {
        fit::fit(self, table, fit::Rows { learnt: rows, seen: rows })
    }
}
