//! What the columns of a CSV file are to an estimator (feature `csv`).

use std::path::Path;

use super::{Estimator, Fitted, Mixed};
use crate::data::csv::{Content, CsvReader, Encoding};
use crate::{Result, Scalar};

impl<Kind, F: Scalar> Fitted<Kind, F> {
    /// Keeps the encoding of the file that the estimator learnt from, as [`Model::set_encoding`](crate::Model::set_encoding)
    /// does: a new row is encoded in the same way, and it is saved and loaded with the estimator.
    ///
    /// ```
    /// use polytask::data::csv::CsvReader;
    /// use polytask::prelude::*;
    ///
    /// let file = "area,roof,kind\n514,flat,barn\n563,pitched,house\n612,flat,house\n510,flat,barn\n";
    /// let (data, encoding) = CsvReader::new().class_targets(["kind"]).read_from::<f32>(file.as_bytes(), "houses.csv")?;
    /// let mut model = MultiTaskClassifier::new().members(2).fit_table(&data)?;
    /// model.set_encoding(encoding)?;
    ///
    /// let encoding = model.encoding().expect("it was set");
    /// let row = encoding.features::<f32>(&encoding.table_from("roof,area\nflat,620\n".as_bytes(), "next.csv")?)?;
    /// let class = model.predict(&row)?[[0, 0]] as usize;
    /// assert_eq!(model.class_names("kind").expect("classes")[class], "house");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Name`](crate::ErrorKind::Name) if the features that it makes are not the estimator's,
    /// [`ErrorKind::Shape`](crate::ErrorKind::Shape) if a target has fewer classes than its column.
    pub fn set_encoding(&mut self, encoding: Encoding) -> Result<()> {
        self.members.iter_mut().try_for_each(|member| member.set_encoding(encoding.clone()))
    }

    /// How the columns of a CSV file become features, if that was kept.
    pub fn encoding(&self) -> Option<&Encoding> {
        self.members[0].encoding()
    }

    /// What the classes 0, 1, 2 … of a target are called, if its column held texts in the file of the
    /// [`encoding`](Self::encoding).
    pub fn class_names(&self, target: &str) -> Option<&[String]> {
        self.members[0].class_names(target)
    }
}

impl Estimator<Mixed> {
    /// Reads a CSV file with a header and fits the settings to it: these columns are targets, and all others are features,
    /// encoded as [`CsvReader`] does. The fitted estimator keeps the [`encoding`](Fitted::encoding).
    ///
    /// A target column of texts is of classes, one of numbers of quantities, or of yes or no if they are 0 and 1, unless
    /// [`task`](Self::task) says more; empty cells are missing labels. A file that is read with other settings, with groups or
    /// weights, is read by a [`CsvReader`]; then there are [`fit_table`](Self::fit_table) and
    /// [`set_encoding`](Fitted::set_encoding).
    ///
    /// ```
    /// use polytask::data::csv::CsvReader;
    /// use polytask::estimator::MultiTask;
    ///
    /// # let path = std::env::temp_dir().join(format!("polytask-fit-{}.csv", std::process::id()));
    /// let mut file = String::from("area,roof,price,kind\n");
    /// for i in 0..40 {
    ///     let (area, roof, kind) = (40 + 3 * i, ["flat", "pitched"][i % 2], ["barn", "house"][i / 20]);
    ///     file += &format!("{area},{roof},{},{kind}\n", 2 * area);
    /// }
    /// std::fs::write(&path, file).expect("a folder that can be written");
    /// let model = MultiTask::new().hidden([8]).members(2).epochs(80).fit_csv::<f64>(&path, ["price", "kind"])?;
    /// let row = model.encoding().expect("it was kept").table_from("area,roof\n130,flat\n".as_bytes(), "next.csv")?;
    /// let p = model.predict(&model.encoding().expect("it was kept").features(&row)?)?;
    /// assert!((p["price"][[0, 0]] - 260.0).abs() < 60.0);
    /// assert_eq!(model.class_names("kind").expect("texts")[1], "house");
    /// assert!(p["kind"][[0, 0]] > 0.5); // the probability of class 1
    /// # std::fs::remove_file(&path).expect("it is there");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`CsvReader::read`] and [`fit_table`](Self::fit_table).
    pub fn fit_csv<F: Scalar>(
        &self,
        path: impl AsRef<Path>,
        targets: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Fitted<Mixed, F>> {
        let targets: Vec<String> = targets.into_iter().map(Into::into).collect();
        let table = CsvReader::new().targets(&targets).table(path)?;
        // What the columns hold, if they were features.
        let looks = CsvReader::new().max_categories(usize::MAX).fit(&table)?;
        let is_text = |name: &&String| {
            let of_name = looks.columns().iter().find(|column| column.name == **name);
            of_name.is_some_and(|column| matches!(column.content, Content::Texts { .. }))
        };
        let (classes, numbers): (Vec<&String>, Vec<&String>) = targets.iter().partition(is_text);
        let encoding = CsvReader::new().targets(numbers).class_targets(classes).fit(&table)?;
        let mut fitted = self.fit_table(&encoding.apply(&table)?)?;
        fitted.set_encoding(encoding)?;
        Ok(fitted)
    }
}
