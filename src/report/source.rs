//! Evaluating a model on rows that are read while it predicts.

use ndarray::{Array1, Array2};

use super::{Judged, LossSums, Report};
use crate::data::{Order, Source};
use crate::layer::Mode;
use crate::{Model, Result, Scalar, Warning};

/// Labels and predictions of a task, as they come.
struct Gathered {
    width: usize,
    predictions: Vec<f64>,
    n_columns: usize,
    targets: Vec<f64>,
    weights: Option<Vec<f64>>,
}

impl<F: Scalar> Model<F> {
    /// As [`evaluate`](Self::evaluate), on all rows of a [`Source`]: the same numbers but for the order of sums, since
    /// metrics such as the area under a curve are computed over all rows together.
    ///
    /// What is kept in memory are predictions and labels of all rows, eight bytes for each number; the features are not. The
    /// source is left at the end of an epoch.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::mixed_tasks::<f64>(300, 0.4, 1);
    /// let builder = Model::builder(data.n_features()).task(Task::regression("value"));
    /// let model = builder.task(Task::binary("accepted")).build::<f64>()?;
    /// let (one, other) = (model.evaluate(&data)?, model.evaluate_source(&mut data.source())?);
    /// assert_eq!(one["accepted"].score("roc_auc"), other["accepted"].score("roc_auc"));
    /// assert_eq!(one.n_rows(), other.n_rows());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there, and those of the source.
    pub fn evaluate_source(&self, source: &mut dyn Source<F>) -> Result<Report> {
        F::evaluate_source(self, source)
    }

    pub(crate) fn evaluate_source_here(&self, source: &mut dyn Source<F>) -> Result<Report> {
        let batch_size = self.prediction_rows();
        source.begin(Order { batch_size, seed: None, keeps_groups: self.compares_rows() })?;
        let mut trace = self.trace(batch_size);
        let mut of_batch: Vec<Array2<F>> =
            (0..self.tasks().len()).map(|k| Array2::zeros((batch_size, self.prediction_width(k)))).collect();
        let mut gathered: Vec<Gathered> = of_batch
            .iter()
            .map(|of_task| Gathered {
                width: of_task.ncols(),
                predictions: Vec::new(),
                n_columns: 0,
                targets: Vec::new(),
                weights: None,
            })
            .collect();
        let (mut sums, mut warnings) = (LossSums::new(self.tasks().len()), self.warnings());
        let (mut groups, mut looked_at): (Option<Vec<u64>>, _) = (None, None);
        loop {
            source.advance()?;
            let batch = source.batch();
            self.forward_at(&self.pass(Mode::Predict), &batch, &mut trace)?;
            sums.add(self, &trace);
            let (data, rows) = (batch.dataset, batch.rows);
            let columns = self.columns(data)?;
            for (k, (gathered, columns)) in gathered.iter_mut().zip(&columns).enumerate() {
                let mut predictions = of_batch[k].slice_mut(ndarray::s![..rows.len(), ..]);
                self.predict_task(k, &trace, predictions.view_mut());
                gathered.predictions.extend(predictions.iter().map(|x| x.to_f64()));
                gathered.n_columns = columns.len();
                let labels = rows.iter().flat_map(|&row| {
                    let labels = data.target_row(row);
                    columns.iter().map(move |&column| labels[column].to_f64())
                });
                gathered.targets.extend(labels);
                if let Some(weights) = data.task_weights(columns)? {
                    let all = gathered.weights.get_or_insert_default();
                    all.extend(rows.iter().map(|&row| weights[row].to_f64()));
                }
            }
            if let Some(of_rows) = data.groups() {
                groups.get_or_insert_default().extend(rows.iter().map(|&row| of_rows[row]));
            }
            if looked_at != Some(data.id()) {
                looked_at = Some(data.id());
                self.warnings_on(data)?.into_iter().for_each(|warning| add(&mut warnings, warning));
            }
            if source.epoch_finished() {
                break;
            }
        }
        let judged: Vec<Judged> = gathered.into_iter().map(Gathered::judged).collect();
        Ok(self.report(&judged, &sums.means(), groups.as_deref(), warnings))
    }
}

impl Gathered {
    fn judged(self) -> Judged {
        let n_rows = self.predictions.len() / self.width.max(1);
        let matrix =
            |numbers, columns| Array2::from_shape_vec((n_rows, columns), numbers).expect("whole rows");
        Judged {
            predictions: matrix(self.predictions, self.width),
            targets: matrix(self.targets, self.n_columns),
            weights: self.weights.map(Array1::from_vec),
        }
    }
}

/// Adds a warning about further rows.
fn add(warnings: &mut Vec<Warning>, warning: Warning) {
    if let Warning::ChangedConstants { names, rows } = &warning {
        let known = warnings.iter_mut().find_map(|known| match known {
            Warning::ChangedConstants { names, rows } => Some((names, rows)),
            _ => None,
        });
        if let Some((known, n)) = known {
            *n += rows;
            known.extend(names.iter().filter(|name| !known.contains(name)).cloned().collect::<Vec<_>>());
            return;
        }
    }
    if !warnings.contains(&warning) {
        warnings.push(warning);
    }
}
