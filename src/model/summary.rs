//! A model in words: how large it is, and what each task learns, on which scale.

use std::fmt::{self, Write as _};

use super::{Model, ModelBuilder};
use crate::Scalar;

/// What the model was built from: what [`summary`](Model::summary) prints as a table.
impl<F: Scalar> fmt::Debug for Model<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (spec, n_parameters) = (&*self.spec, self.n_parameters());
        let mut model = f.debug_struct("Model");
        model.field("scalar", &F::NAME).field("spec", spec).field("n_parameters", &n_parameters);
        model.finish_non_exhaustive()
    }
}

impl<F: Scalar> Model<F> {
    /// All settings of the model but the seed of its first parameters, and what it standardises by: what tells it from models
    /// that compute something else.
    pub(crate) fn settings_in_words(&self) -> String {
        let spec = ModelBuilder { seed: 0, ..ModelBuilder::clone(&self.spec) };
        format!("{spec:?} {:?}", self.scaling)
    }

    /// The model in a few lines: features and parameters; a table of its layers; for each task its loss and whether its
    /// targets are standardised, with the mean and the deviation once they are known; its penalties;
    /// then its [`warnings`](Self::warnings).
    ///
    /// The table has the widths of what a layer reads and writes, its parameters, the numbers of running state that it
    /// keeps besides (left out where no layer has any), the bytes of activations that it needs for each row of a batch, and
    /// whose it is: all tasks', or one task's.
    ///
    /// ```
    /// use polytask::ndarray::array;
    /// use polytask::prelude::*;
    ///
    /// let data = Dataset::new(array![[1.0], [3.0]], array![[100.0, 7.0], [300.0, 2.0]])?
    ///     .with_target_names(["price", "visits"])?;
    /// let builder = Model::builder(1).task(Task::regression("price")).task(Task::count("visits"));
    /// let mut model = builder.standardize().build::<f64>()?;
    /// assert!(model.summary().contains("price: mean_squared_error, targets will be standardised"));
    /// model.fit_scaling(&data)?;
    /// assert_eq!(
    ///     model.summary(),
    ///     "1 feature, standardised; 4 parameters, 0 of them shared by all tasks\n\
    ///      24 bytes of activations per row, and as many again to train\n\
    ///      layer          kind   in  out  parameters  bytes per row  belongs to\n\
    ///      head.price.0   dense   1    1           2              8  price\n\
    ///      head.visits.0  dense   1    1           2              8  visits\n\
    ///      price: mean_squared_error, targets standardised (mean 200, deviation 100)\n\
    ///      visits: poisson, targets as they are: this loss does not take standardised ones\n"
    /// );
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn summary(&self) -> String {
        let count = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
        let features = match (self.spec.standardizes, &self.scaling.features) {
            (_, Some(_)) => "standardised",
            (true, None) => "to be standardised",
            (false, None) => "as they are",
        };
        let mut summary = format!(
            "{}, {features}; {}, {} of them shared by all tasks\n",
            count(self.n_features(), "feature"),
            count(self.n_parameters(), "parameter"),
            self.network.layout().n_shared(),
        );
        if self.network.members() > 1 {
            let members = self.network.members();
            writeln!(summary, "an ensemble of {members} members, whose predictions are averaged")
                .expect("a string takes all");
        }
        writeln!(
            summary,
            "{} bytes of activations per row, and as many again to train",
            self.network.activation_bytes()
        )
        .expect("a string takes all");
        summary += &self.table_of_layers();
        for (task, scaling) in self.tasks().iter().zip(&self.scaling.targets) {
            let targets = match scaling {
                Some(scaling) => {
                    let of_column = |(mean, deviation)| format!("mean {mean}, deviation {deviation}");
                    let columns: Vec<_> = scaling.mean().iter().zip(scaling.scale()).map(of_column).collect();
                    format!("standardised ({})", columns.join("; "))
                }
                None if !self.spec.standardizes => "as they are".to_owned(),
                None if !task.loss().standardizes() => {
                    "as they are: this loss does not take standardised ones".to_owned()
                }
                None if self.scaling.features.is_none() => "will be standardised".to_owned(),
                None => "as they are: there were none to take a mean of".to_owned(),
            };
            let targets = match task.target_transform() {
                None => targets,
                Some(transform) => match self.fitted_transform(task.name()) {
                    None => format!("to be transformed ({transform:?}), {targets}"),
                    Some(fitted) => format!("transformed ({fitted:?}), {targets}"),
                },
            };
            writeln!(summary, "{}: {}, targets {targets}", task.name(), task.loss().name())
                .expect("a string takes all");
        }
        for penalty in self.network.penalties() {
            let value = penalty.value(&self.theta);
            writeln!(summary, "penalty: {}, now {value:.4}", penalty.name()).expect("a string takes all");
        }
        for warning in self.warnings() {
            writeln!(summary, "warning: {warning}").expect("a string takes all");
        }
        summary
    }

    fn table_of_layers(&self) -> String {
        let has_state = !self.network.state_layout().is_empty();
        let mut rows: Vec<Vec<String>> = vec![
            ["layer", "kind", "in", "out", "parameters", "bytes per row", "belongs to"]
                .map(str::to_owned)
                .to_vec(),
        ];
        for (layer, owner) in self.network.layers() {
            let owner = match owner {
                Some(None) => "all tasks",
                Some(Some(task)) => self.tasks()[task].name(),
                None => "",
            };
            let bytes = layer.row_len * self.network.members() * size_of::<F>();
            rows.push(vec![
                layer.name.clone(),
                layer.kind.to_owned(),
                layer.shape.0.to_string(),
                layer.shape.1.to_string(),
                layer.parameters.len().to_string(),
                bytes.to_string(),
                owner.to_owned(),
            ]);
        }
        if has_state {
            let states = self.network.layers().map(|(layer, _)| layer.n_state.to_string());
            let states = std::iter::once("state".to_owned()).chain(states);
            rows.iter_mut().zip(states).for_each(|(row, state)| row.insert(5, state));
        }
        let n = rows[0].len();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..n).map(width).collect();
        let mut table = String::new();
        for row in &rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let is_number = (2..n - 1).contains(&column);
                let cell = if is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
                line += &cell;
                line += "  ";
            }
            table += line.trim_end();
            table.push('\n');
        }
        table
    }
}
