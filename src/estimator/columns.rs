//! What the columns of a CSV file are to an estimator (feature `csv`).

use super::Fitted;
use crate::data::csv::Encoding;
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
