//! Features that hold indices of categories: whether they are those that the layers embed.

use ndarray::ArrayView2;

use super::Model;
use crate::data::{Dataset, check_index};
use crate::{Error, ErrorKind, Result, Scalar};

impl<F: Scalar> Model<F> {
    /// Fails unless the columns of indices in `data` are those that the layers embed, with as many categories; `order` says
    /// where each feature is found.
    pub(super) fn check_index_columns(&self, data: &Dataset<F>, order: Option<&[usize]>) -> Result<()> {
        let (own, names) = (self.network.index_columns(), data.feature_names());
        let place = |name: &String| format!("column `{name}`");
        for (&feature, &n) in own {
            let at = order.map_or(feature, |order| order[feature]);
            match data.names().categories.get(&names[at]) {
                Some(&found) if found == n => {} // its numbers were checked
                Some(&found) => {
                    let expected = format!("{n} categories, as many as the layer that embeds it has");
                    return Err(Error::new(ErrorKind::Shape, place(&names[at]), expected, found)
                        .advise("read the table with the encoding that the model learnt from"));
                }
                None => {
                    for (row, &x) in data.features().column(at).iter().enumerate() {
                        check_index(x, n, || format!("row {row}, column `{}`", names[at]))?;
                    }
                }
            }
        }
        for (at, _) in data.index_columns() {
            let feature = order.map_or(Some(at), |order| order.iter().position(|column| *column == at));
            if feature.is_some_and(|feature| !own.contains_key(&feature)) {
                let expected = "a layer that embeds it, since it holds indices of categories";
                return Err(Error::new(ErrorKind::Setting, place(&names[at]), expected, "none").advise(
                    "begin with Layer::embedding(data.index_columns(), width), or encode the column one-hot",
                ));
            }
        }
        Ok(())
    }

    /// Fails if a number among `features` is no index of a layer's table.
    pub(super) fn check_indices(&self, features: ArrayView2<'_, F>) -> Result<()> {
        for (&feature, &n) in self.network.index_columns() {
            for (row, &x) in features.column(feature).iter().enumerate() {
                check_index(x, n, || match self.names() {
                    Some(names) => format!("row {row}, column `{}`", names.features[feature]),
                    None => format!("row {row}, feature {feature}"),
                })?;
            }
        }
        Ok(())
    }
}
