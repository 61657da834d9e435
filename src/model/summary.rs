//! A model in words: how large it is, and what each task learns, on which scale.

use std::fmt::Write as _;

use super::Model;
use crate::Scalar;

impl<F: Scalar> Model<F> {
    /// The model in a few lines: features, parameters, and for each task its loss and whether its targets are standardised,
    /// with the mean and the deviation once they are known; then its [`warnings`](Self::warnings).
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
            writeln!(summary, "{}: {}, targets {targets}", task.name(), task.loss().name())
                .expect("a string takes all");
        }
        for warning in self.warnings() {
            writeln!(summary, "warning: {warning}").expect("a string takes all");
        }
        summary
    }
}
