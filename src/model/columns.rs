//! What the columns of a CSV file are to a model (feature `csv`): how a new row is encoded, what classes are called.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Model;
use super::binding::check_classes;
use crate::data::Names;
use crate::data::csv::{Column, Content, Encoding};
use crate::loss::Kind;
use crate::{Error, ErrorKind, Result, Scalar};

impl<F: Scalar> Model<F> {
    /// Keeps the encoding of the file that the model learns from, so that whoever has the model can encode a new row in
    /// the same way and name its classes. It is saved and loaded with the model.
    ///
    /// ```
    /// use polytask::data::csv::CsvReader;
    /// use polytask::prelude::*;
    ///
    /// let file = "area,roof,kind\n514,flat,barn\n563,pitched,house\n612,flat,house\n";
    /// let (data, encoding) = CsvReader::new().class_targets(["kind"]).read_from::<f32>(file.as_bytes(), "houses.csv")?;
    /// let mut model = Model::builder(data.n_features()).task(Task::classes("kind", 2)).standardize().build::<f32>()?;
    /// model.set_encoding(encoding)?;
    /// Trainer::new(Adam::new(0.1)).batch_size(3).steps(100).fit(&mut model, &data)?;
    ///
    /// let encoding = model.encoding().expect("it was set");
    /// let row = encoding.features::<f32>(&encoding.table_from("roof,area\nflat,600\n".as_bytes(), "next.csv")?)?;
    /// let probabilities = &model.predict(row.view())?["kind"];
    /// let likelier = usize::from(probabilities[[0, 1]] > probabilities[[0, 0]]);
    /// assert_eq!(model.class_names("kind").expect("classes")[likelier], "house");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] or [`ErrorKind::Name`] if the features that it makes are not the model's;
    /// [`ErrorKind::Shape`] if a task has fewer classes than its column.
    pub fn set_encoding(&mut self, encoding: Encoding) -> Result<()> {
        let names = match &self.names {
            Some(names) if names.has_feature_names() => Arc::clone(names),
            _ => Arc::new(Names::new(encoding.feature_names(), encoding.target_names())),
        };
        self.keep_encoding(encoding, names)
    }

    /// Keeps an encoding whose features are called `names`.
    pub(super) fn keep_encoding(&mut self, encoding: Encoding, mut names: Arc<Names>) -> Result<()> {
        self.check_encoding(&encoding, &names)?;
        for (name, n) in encoding.index_columns() {
            Arc::make_mut(&mut names).categories.insert(name.to_owned(), n);
        }
        for Column { name, content, .. } in encoding.columns() {
            if let Content::Classes { classes, .. } = content {
                check_classes(name, names.classes.get(name), classes)?;
                names.learn_classes(name, classes);
            }
        }
        self.names = Some(names);
        self.bindings.clear();
        self.encoding = Some(Arc::new(encoding));
        Ok(())
    }

    /// How the columns of a CSV file become the features of the model, if that was kept.
    pub fn encoding(&self) -> Option<&Encoding> {
        self.encoding.as_deref()
    }

    fn check_encoding(&self, encoding: &Encoding, names: &Names) -> Result<()> {
        if names.features.len() != self.n_features() {
            let (expected, found) = (self.n_features(), names.features.len());
            return Err(Error::new(ErrorKind::Shape, "features of the encoding", expected, found));
        }
        encoding.check(&names.features)?;
        let of_encoding: BTreeMap<usize, usize> =
            encoding.index_columns().map(|(name, n)| Ok((names.feature(name)?, n))).collect::<Result<_>>()?;
        if of_encoding != *self.network.index_columns() {
            let described = |columns: &BTreeMap<usize, usize>| {
                let of = |(feature, n): (&usize, &usize)| {
                    format!("{n} categories of `{}`", names.features[*feature])
                };
                let list: Vec<String> = columns.iter().map(of).collect();
                if list.is_empty() { "no column of indices".to_owned() } else { list.join(", ") }
            };
            let (expected, found) = (described(self.network.index_columns()), described(&of_encoding));
            return Err(Error::new(ErrorKind::Shape, "encoding", expected, found)
                .advise("embed the columns in Layer::embedding that are named in CsvReader::embed"));
        }
        for (k, task) in self.tasks().iter().enumerate() {
            let most = match self.network.loss(k).kind() {
                Kind::Classes { classes, .. } => classes,
                Kind::Binary => 2,
                _ => continue,
            };
            let classes = task.columns_list().iter().filter_map(|column| encoding.classes(column));
            if let Some(classes) = classes.into_iter().find(|classes| classes.len() > most) {
                let expected = format!("at most {most} classes");
                return Err(Error::new(ErrorKind::Shape, self.place(k), expected, classes.len())
                    .advise("the task has one output for each class"));
            }
        }
        Ok(())
    }
}
