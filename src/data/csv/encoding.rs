//! How each column of a file is read: found from one file, applied to others.

use std::io::Read;
use std::path::Path;

use ndarray::{Array2, ArrayViewMut1, s};

use super::cells::{Cells, groups, index_of, weights};
use super::column::{Column, Content};
use super::{CsvReader, Table, Target};
use crate::data::{Dataset, resolution};
use crate::{Error, ErrorKind, Result, Scalar};

/// How the columns of a file are read. [`CsvReader`] fits an encoding to one file; the encoding then reads
/// other files into the same features.
///
/// It prints as a report with one line per column. Columns are found by name, so their order in the other file
/// does not matter, and columns that the fitted file did not have are skipped.
///
/// ```
/// use polytask::data::csv::CsvReader;
///
/// let file = "area,roof,price\n514,flat,3\n563,pitched,4\n";
/// let (data, encoding) = CsvReader::new().targets(["price"]).read_from::<f64>(file.as_bytes(), "houses.csv")?;
/// assert_eq!(encoding.feature_names(), data.feature_names());
///
/// let next = encoding.table_from("price,roof,area,owner\n5,pitched,600,Ada\n".as_bytes(), "next.csv")?;
/// assert_eq!(encoding.features::<f64>(&next)?, ndarray::array![[600.0, 0.0, 1.0]]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct Encoding {
    pub(super) reader: CsvReader,
    pub(super) columns: Vec<Column>,
    #[cfg_attr(feature = "persist", serde(default))]
    pub(super) lenient: bool,
    #[cfg_attr(feature = "persist", serde(default, skip_serializing_if = "std::ops::Not::not"))]
    pub(super) lenient_labels: bool,
}

impl Encoding {
    /// The columns of the fitted file, in its order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The names of the features, in order.
    pub fn feature_names(&self) -> Vec<String> {
        self.columns.iter().flat_map(Column::features).collect()
    }

    /// The names of the targets.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "area,kind,price\n500,barn,3\n600,house,4\n";
    /// let reader = CsvReader::new().targets(["price"]).class_targets(["kind"]);
    /// let (data, encoding) = reader.read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// assert_eq!(encoding.target_names(), ["price", "kind"]); // in the order of the settings
    /// assert_eq!(encoding.target_names(), data.target_names());
    /// assert_eq!(encoding.classes("kind"), Some(&["barn".to_owned(), "house".to_owned()][..]));
    /// assert_eq!(encoding.classes("price"), None);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn target_names(&self) -> Vec<String> {
        self.reader.targets.iter().map(|target| target.name.clone()).collect()
    }

    /// The same encoding, but tolerant of what the fitted file did not have: an unknown text becomes no
    /// category (all its one-hot features are 0), and an empty cell in a column without empty cells becomes the
    /// mean or no category. By default, both are errors.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "area,roof\n500,flat\n600,pitched\n";
    /// let (_, encoding) = CsvReader::new().read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// let next = encoding.table_from("area,roof\n,thatched\n".as_bytes(), "next.csv")?;
    /// assert!(encoding.features::<f64>(&next).is_err());
    /// assert_eq!(encoding.lenient().features::<f64>(&next)?, ndarray::array![[550.0, 0.0, 0.0]]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Whether it is [lenient](Self::lenient).
    #[cfg(feature = "onnx")]
    pub(crate) fn is_lenient(&self) -> bool {
        self.lenient
    }

    /// The same encoding, but a class that the fitted file did not have is a missing label. By default it is an error.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "area,kind\n500,barn\n600,house\n";
    /// let reader = CsvReader::new().class_targets(["kind"]);
    /// let (_, encoding) = reader.read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// let next = "area,kind\n550,tower\n";
    /// let error = encoding.read_from::<f64>(next.as_bytes(), "next.csv").unwrap_err();
    /// assert!(error.to_string().contains("`tower` (`Encoding::lenient_labels` accepts it"), "{error}");
    /// let data = encoding.lenient_labels().read_from::<f64>(next.as_bytes(), "next.csv")?;
    /// assert!(data.target_row(0)[0].is_nan());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn lenient_labels(mut self) -> Self {
        self.lenient_labels = true;
        self
    }

    /// Reads another file with the columns of the fitted one.
    ///
    /// ```
    /// # use polytask::data::csv::CsvReader;
    /// let file = "area,price\n514,3\n563,4\n";
    /// let reader = CsvReader::new().targets(["price"]);
    /// let (_, encoding) = reader.read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// # let path = std::env::temp_dir().join(format!("polytask-encoding-{}.csv", std::process::id()));
    /// std::fs::write(&path, "price,area\n5,600\n").expect("a folder that can be written");
    /// let data = encoding.read::<f64>(&path)?;
    /// assert_eq!((data.feature_row(0), data.target_row(0)), (&[600.0][..], &[5.0][..]));
    /// # std::fs::remove_file(&path).expect("it is there");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::File`] if the file cannot be read or is not a table, [`ErrorKind::Name`] if a column is
    /// missing, [`ErrorKind::Value`] if a cell does not hold what its column should. The message names the
    /// file, the line and the column.
    pub fn read<F: Scalar>(&self, path: impl AsRef<Path>) -> Result<Dataset<F>> {
        self.apply(&self.reader.table(path)?)
    }

    /// Reads from any source; error messages call it `name`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_from<F: Scalar>(&self, source: impl Read, name: &str) -> Result<Dataset<F>> {
        self.apply(&self.table_from(source, name)?)
    }

    /// Reads another file as text, with the settings of the first, to pass to [`apply`](Self::apply) or
    /// [`features`](Self::features).
    ///
    /// ```
    /// use polytask::data::csv::CsvReader;
    ///
    /// let reader = CsvReader::new().targets(["price"]);
    /// let (_, encoding) = reader.read_from::<f64>("area,price\n514,3\n563,4\n".as_bytes(), "houses.csv")?;
    /// # let path = std::env::temp_dir().join(format!("polytask-next-{}.csv", std::process::id()));
    /// std::fs::write(&path, "area\n600\n").expect("a folder that can be written");
    /// let next = encoding.table(&path)?;
    /// assert_eq!(encoding.features::<f64>(&next)?, ndarray::array![[600.0]]);
    /// # std::fs::remove_file(&path).expect("it is there");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::File`] if the file cannot be read or is not a table, [`ErrorKind::Name`] if a column name
    /// is empty or there twice.
    pub fn table(&self, path: impl AsRef<Path>) -> Result<Table> {
        self.reader.table(path)
    }

    /// Reads from any source as text; error messages call it `name`.
    ///
    /// # Errors
    /// As [`table`](Self::table).
    pub fn table_from(&self, source: impl Read, name: &str) -> Result<Table> {
        self.reader.table_from(source, name)
    }

    /// Converts a table to data: features, targets, weights and groups.
    ///
    /// ```
    /// use polytask::data::csv::CsvReader;
    ///
    /// let reader = CsvReader::new().targets(["price"]);
    /// let table = reader.table_from("area,price\n514,3\n563,\n612,5\n".as_bytes(), "houses.csv")?;
    /// let encoding = reader.fit(&table)?;
    /// let data = encoding.apply::<f32>(&table)?;
    /// assert_eq!(data.feature_row(2), [612.0]);
    /// assert!(data.target_row(1)[0].is_nan());
    /// let next = encoding.table_from("area\n700\n".as_bytes(), "next.csv")?;
    /// assert!(encoding.apply::<f32>(&next).is_err()); // without its target column, only the features can be read
    /// assert_eq!(encoding.features::<f32>(&next)?, ndarray::array![[700.0]]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if a column is missing, [`ErrorKind::Value`] if a cell does not hold what its
    /// column should.
    pub fn apply<F: Scalar>(&self, table: &Table) -> Result<Dataset<F>> {
        F::encoded(self, table)
    }

    /// As [`apply`](Self::apply), for a table that is a part of a larger one: what must hold of all rows of a column need not
    /// hold of these.
    pub(super) fn apply_part<F: Scalar>(&self, table: &Table) -> Result<Dataset<F>> {
        F::encoded_part(self, table)
    }

    pub(crate) fn apply_here<F: Scalar>(&self, table: &Table) -> Result<Dataset<F>> {
        let data = self.apply_part_here::<F>(table)?;
        for column in self.columns.iter().filter(|column| matches!(column.content, Content::Target { .. })) {
            let cells = Cells::new(table, column, &self.reader)?;
            let number = |row| cells.get(row).map_or(Ok(f64::NAN), |_| cells.number::<f64>(row));
            let numbers = (0..cells.n_rows()).map(number).collect::<Result<Vec<_>>>()?;
            resolution::check::<F>(cells.column_place(), &numbers)?;
        }
        data.check_weights().map_err(|error| error.within(table.source()))?;
        Ok(data)
    }

    pub(crate) fn apply_part_here<F: Scalar>(&self, table: &Table) -> Result<Dataset<F>> {
        let features = self.features(table)?;
        let mut targets = Array2::zeros((table.n_rows(), self.reader.targets.len()));
        for (Target { name, .. }, labels) in self.reader.targets.iter().zip(targets.columns_mut()) {
            let column = self.columns.iter().find(|column| column.name == *name);
            let column = column.expect("a target is a column of the fitted file");
            self.fill_labels(&Cells::new(table, column, &self.reader)?, &column.content, labels)?;
        }
        let mut data = Dataset::new(features, targets)?
            .with_feature_names(self.feature_names())
            .map_err(|error| {
                error
                    .within(table.source())
                    .advise("rename a column: the documentation of `data::csv` lists how features are named")
            })?
            .with_target_names(self.target_names())?;
        data = data.with_index_columns(self.index_columns())?;
        for column in &self.columns {
            match &column.content {
                Content::Classes { classes, .. } => {
                    let is_sorted = self.reader.order_of(&column.name).is_none();
                    // Of two classes either order is one, and numbers are in their own.
                    let is_alphabetical = is_sorted
                        && classes.len() > 2
                        && classes.iter().any(|class| class.parse::<f64>().is_err());
                    data = data.with_classes(&column.name, classes.clone(), is_alphabetical)?;
                }
                Content::Weights => {
                    let weights = weights(&Cells::new(table, column, &self.reader)?)?;
                    let place = |error: Error| error.within(table.source());
                    for target in self.reader.weighted_by(&column.name) {
                        data = data.with_part_target_weights(target, weights.clone()).map_err(place)?;
                    }
                    if self.reader.weights.as_ref() == Some(&column.name) {
                        data = data.with_part_weights(weights).map_err(place)?;
                    }
                }
                Content::Groups => {
                    data = data.with_groups(groups(&Cells::new(table, column, &self.reader)?)?)?;
                }
                _ => {}
            }
        }
        Ok(data)
    }

    /// Converts only the features of a table, `rows × features`. Target, weight and group columns may be
    /// absent, as they are when you want predictions.
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if a feature column is missing, [`ErrorKind::Value`] if a cell does not hold
    /// what its column should.
    pub fn features<F: Scalar>(&self, table: &Table) -> Result<Array2<F>> {
        let mut features = Array2::zeros((table.n_rows(), self.feature_names().len()));
        let mut at = 0;
        for column in &self.columns {
            let width = column.features().len();
            if width == 0 {
                continue;
            }
            let cells = Cells::new(table, column, &self.reader)?;
            let mut block = features.slice_mut(s![.., at..at + width]);
            if let Content::Indices { categories, missing } = &column.content {
                self.fill_indices(&cells, categories, *missing, block.column_mut(0))?;
                at += width;
                continue;
            }
            for (row, features) in block.rows_mut().into_iter().enumerate() {
                self.fill_features(&cells, row, &column.content, features)?;
            }
            at += width;
        }
        Ok(features)
    }

    /// The texts of the classes 0, 1, 2 … of the target column `name`; `None` if it is not a target of classes.
    pub fn classes(&self, name: &str) -> Option<&[String]> {
        let column = self.columns.iter().find(|column| column.name == name)?;
        match &column.content {
            Content::Classes { classes, .. } => Some(classes),
            _ => None,
        }
    }

    /// Fails unless the columns become features of exactly these names and every target in the settings is one
    /// of the columns. That is true of a fitted encoding, but may not be of one read from a file. The names are
    /// compared piece by piece and never put together, because in a malicious file they could be many times
    /// longer than the file.
    pub(crate) fn check(&self, features: &[String]) -> Result<()> {
        let mut names = features.iter();
        let mut next_is = |parts: [&str; 3]| {
            let rest = parts.iter().try_fold(names.next()?.as_str(), |rest, part| rest.strip_prefix(part))?;
            rest.is_empty().then_some(())
        };
        let mut fits = |column: &Column| {
            let missing = match &column.content {
                Content::Numbers { missing, mean, base, .. } => {
                    next_is([&column.name, "", ""]).filter(|()| mean.is_finite() && base.is_finite())?;
                    *missing
                }
                Content::Indices { .. } => {
                    next_is([&column.name, "", ""])?;
                    0
                }
                Content::Texts { categories, other, missing } => {
                    categories.iter().try_for_each(|text| next_is([&column.name, "=", text]))?;
                    if *other {
                        next_is([&column.name, "_other", ""])?;
                    }
                    *missing
                }
                _ => 0,
            };
            if missing > 0 { next_is([&column.name, "_missing", ""]) } else { Some(()) }
        };
        if let Some(column) = self.columns.iter().find(|&column| fits(column).is_none()) {
            let expected = format!("the names of the model's {} features", features.len());
            return Err(Error::new(
                ErrorKind::Name,
                "encoding",
                expected,
                format!("column `{}`", column.name),
            ));
        }
        if let Some(name) = names.next() {
            return Err(Error::new(ErrorKind::Name, "encoding", format!("a column for `{name}`"), "none"));
        }
        let is_there = |target: &&Target| self.columns.iter().any(|column| column.name == target.name);
        match self.reader.targets.iter().find(|target| !is_there(target)) {
            None => Ok(()),
            Some(Target { name, .. }) => {
                Err(Error::new(ErrorKind::Name, "encoding", format!("the target column `{name}`"), "none"))
            }
        }
    }

    fn fill_features<F: Scalar>(
        &self,
        cells: &Cells<'_>,
        row: usize,
        content: &Content,
        mut features: ArrayViewMut1<'_, F>,
    ) -> Result<()> {
        match (content, cells.get(row)) {
            (Content::Numbers { base, .. }, Some(_)) if *base != 0.0 => {
                features[0] = F::from_f64(cells.number::<f64>(row)? - base);
            }
            (Content::Numbers { .. }, Some(_)) => features[0] = cells.number(row)?,
            (Content::Numbers { mean, base, missing, .. }, None) => {
                features[0] = F::from_f64(mean - base);
                self.mark_missing(cells, row, *missing, features)?;
            }
            (Content::Texts { categories, other, .. }, Some(text)) => match index_of(categories, text) {
                Some(category) => features[category] = F::ONE,
                None if *other => features[categories.len()] = F::ONE,
                None if self.lenient => {}
                None => {
                    return Err(cells
                        .unknown(row, text, categories)
                        .advise("`Encoding::lenient` accepts it, as no category"));
                }
            },
            (Content::Texts { missing, .. }, None) => self.mark_missing(cells, row, *missing, features)?,
            _ => {}
        }
        Ok(())
    }

    /// Sets the last feature of a column, `name_missing`, which exists if cells were `missing` in the fitted
    /// file.
    fn mark_missing<F: Scalar>(
        &self,
        cells: &Cells<'_>,
        row: usize,
        missing: usize,
        mut features: ArrayViewMut1<'_, F>,
    ) -> Result<()> {
        if missing > 0 {
            let last = features.len() - 1;
            features[last] = F::ONE;
        } else if !self.lenient {
            return Err(Self::unexpected_gap(cells, row, "as the mean or as no category"));
        }
        Ok(())
    }

    /// The error of an empty cell in a column that had none; `as_what` says what a lenient encoding takes it for.
    pub(super) fn unexpected_gap(cells: &Cells<'_>, row: usize, as_what: &str) -> Error {
        let expected = "a filled cell, as in all rows that the encoding was fitted to";
        Error::new(ErrorKind::Value, cells.place(row), expected, "an empty cell")
            .advise(format!("`Encoding::lenient` accepts it, {as_what}"))
    }

    fn fill_labels<F: Scalar>(
        &self,
        cells: &Cells<'_>,
        content: &Content,
        mut labels: ArrayViewMut1<'_, F>,
    ) -> Result<()> {
        for (row, label) in labels.iter_mut().enumerate() {
            *label = match (content, cells.get(row)) {
                (_, None) => F::NAN,
                (Content::Classes { classes, .. }, Some(text)) => match index_of(classes, text) {
                    Some(class) => F::from_f64(class as f64),
                    None if self.lenient_labels => F::NAN,
                    None => {
                        return Err(cells
                            .unknown(row, text, classes)
                            .advise("`Encoding::lenient_labels` accepts it, as a missing label"));
                    }
                },
                (_, Some(_)) => cells.number(row)?,
            };
        }
        Ok(())
    }
}
