//! Columns of texts that become one feature each, the index of the text: for a layer that embeds it.
//!
//! ```text
//! the k texts of the fitted file, in sorted order      0 … k − 1
//! an empty cell, if there were any                     k
//! every other text                                     n, the number of categories: k, or k + 1 with empty cells
//! ```

use std::collections::HashMap;

use ndarray::ArrayViewMut1;

use super::cells::{Cells, spelling};
use super::column::Content;
use super::{CsvReader, Encoding};
use crate::{Result, Scalar};

impl CsvReader {
    /// Names feature columns of texts, or of numbers to be read as texts, that become one feature each, the index of the
    /// text, for [`Layer::embedding`](crate::Layer::embedding): few features, however many texts there are. Further calls add
    /// more.
    ///
    /// Every text that the fitted file does not have gets an index of its own, the same for all, and so do all but the most
    /// [`frequent_categories`](Self::frequent_categories), if that is set. Empty cells, if there are any, are a category; in
    /// a later file they are an error if there were none, unless it is read [leniently](Encoding::lenient).
    ///
    /// ```
    /// use polytask::data::csv::CsvReader;
    /// use polytask::prelude::*;
    ///
    /// let file = "make,age,price\nFiat,5,4\nSaab,3,7\nAudi,8,2\nSaab,9,3\n";
    /// let reader = CsvReader::new().targets(["price"]).embed(["make"]);
    /// let (data, encoding) = reader.read_from::<f64>(file.as_bytes(), "cars.csv")?;
    /// assert_eq!((data.feature_names(), data.index_columns()), (&["make".into(), "age".into()][..], vec![(0, 3)]));
    /// assert_eq!(data.feature_row(1), [2.0, 3.0]); // Audi, Fiat, Saab
    ///
    /// let layers = [Layer::embedding(data.index_columns(), 2), Layer::dense(4, Activation::Tanh)];
    /// let mut model = Model::builder(2).trunk(layers).task(Task::regression("price")).standardize().build::<f64>()?;
    /// model.set_encoding(encoding)?;
    /// Trainer::new(Adam::new(0.05)).batch_size(4).steps(100).fit(&mut model, &data)?;
    ///
    /// let encoding = model.encoding().expect("it was set");
    /// let next = encoding.features::<f64>(&encoding.table_from("age,make\n5,Trabant\n".as_bytes(), "next.csv")?)?;
    /// assert_eq!(next, ndarray::array![[3.0, 5.0]]); // a make of no table
    /// assert!(model.predict(next.view()).is_ok());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn embed(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.embedded.extend(names.into_iter().map(Into::into));
        self
    }
}

/// How many categories a column has.
fn n_categories(texts: &[String], missing: usize) -> usize {
    texts.len() + usize::from(missing > 0)
}

impl Encoding {
    /// The columns that become indices, and how many categories each has.
    pub(crate) fn index_columns(&self) -> impl Iterator<Item = (&str, usize)> {
        self.columns.iter().filter_map(|column| match &column.content {
            Content::Indices { categories, missing } => {
                Some((column.name.as_str(), n_categories(categories, *missing)))
            }
            _ => None,
        })
    }

    /// The index of each cell.
    pub(super) fn fill_indices<F: Scalar>(
        &self,
        cells: &Cells<'_>,
        texts: &[String],
        missing: usize,
        mut features: ArrayViewMut1<'_, F>,
    ) -> Result<()> {
        let known: HashMap<_, _> = texts.iter().enumerate().map(|(i, text)| (spelling(text), i)).collect();
        let unknown = n_categories(texts, missing);
        for (row, feature) in features.iter_mut().enumerate() {
            let index = match cells.get(row) {
                Some(text) => known.get(&spelling(text)).copied().unwrap_or(unknown),
                None if missing > 0 => texts.len(),
                None if self.lenient => unknown,
                None => return Err(Self::unexpected_gap(cells, row, "as none of the categories")),
            };
            *feature = F::from_f64(index as f64);
        }
        Ok(())
    }
}
