//! What is predicted on average when a column has one value in all rows, for one value after the other.
//!
//! ```text
//! d(v) = Σᵢ wᵢ f(xᵢ with column c set to v) / Σᵢ wᵢ        wᵢ: the weights of rows, or 1
//! ```
//! J. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29, 2001. Where columns hang
//! together, some of these rows are like none that was learnt from, and what is predicted for them is a guess.

use ndarray::{Array1, Array2};

use super::predictor::Predictor;
use crate::data::Dataset;
use crate::{Error, ErrorKind, Result, Scalar};

/// Mean predictions over the values of a column.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::validation::PartialDependence;
///
/// let x = polytask::ndarray::Array2::from_shape_fn((200, 2), |(i, j)| ((i * (2 * j + 3)) % 19) as f64 / 19.0);
/// let y = polytask::ndarray::Array2::from_shape_fn((200, 1), |(i, _)| 3.0 * x[[i, 0]] + x[[i, 1]]);
/// let data = Dataset::new(x, y)?.with_feature_names(["area", "age"])?.with_target_names(["price"])?;
/// let model = MultiTaskRegressor::new().hidden([]).members(2).epochs(60).learning_rate(0.05).fit_table(&data)?;
///
/// let area = PartialDependence::of_number(&model, &data, "area", 5)?;
/// let price = area.means("price").expect("a task");                    // values × prediction width
/// assert_eq!(price.dim(), (5, 1));
/// let slope = (price[[4, 0]] - price[[0, 0]]) / (area.values()[4] - area.values()[0]);
/// assert!((slope - 3.0).abs() < 0.2, "{slope}");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PartialDependence {
    column: String,
    values: Vec<f64>,
    labels: Vec<String>,
    tasks: Vec<(String, Array2<f64>)>,
}

impl PartialDependence {
    /// For a feature of numbers, at up to `points` of its quantiles from the smallest to the largest, equal ones once.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if the points are fewer than 2, [`ErrorKind::Name`] if there is no such feature; those of the
    /// predictor.
    pub fn of_number<F: Scalar, P: Predictor<F>>(
        predictor: &P,
        data: &Dataset<F>,
        feature: &str,
        points: usize,
    ) -> Result<Self> {
        if points < 2 {
            return Err(Error::new(ErrorKind::Setting, "points of a dependence", "at least 2", points));
        }
        let at = data.names().feature(feature)?;
        let mut sorted: Vec<F> = data.features().column(at).to_vec();
        sorted.sort_by(|a, b| a.partial_cmp(b).expect("features are finite"));
        let quantile = |t: usize| sorted[(t * (sorted.len() - 1) + (points - 1) / 2) / (points - 1)];
        let mut grid: Vec<F> = (0..points).map(quantile).collect();
        grid.dedup();
        let rows = grid.iter().map(|&value| vec![(at, value)]);
        let tasks = means(predictor, data, rows)?;
        let values: Vec<f64> = grid.iter().map(|value| value.to_f64()).collect();
        let labels = values.iter().map(f64::to_string).collect();
        Ok(Self { column: feature.to_owned(), values, labels, tasks })
    }

    /// For a category, whose features are 1 one after the other, and the others 0; it is called `column`.
    ///
    /// ```
    /// use polytask::data::csv::CsvReader;
    /// use polytask::prelude::*;
    /// use polytask::validation::PartialDependence;
    ///
    /// let file = "area,roof,price\n514,flat,3\n563,pitched,4\n612,pitched,5\n590,flat,4\n";
    /// let (data, encoding) = CsvReader::new().targets(["price"]).read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// let mut model = Model::builder(3).task(Task::regression("price")).build::<f64>()?;
    /// model.parameters_mut().copy_from_slice(&[0.0, 1.0, 5.0, 0.0]); // area, roof=flat, roof=pitched, bias
    /// let roof = PartialDependence::of_category(&model, &data, "roof", encoding.columns()[1].features())?;
    /// assert_eq!(roof.labels(), ["roof=flat", "roof=pitched"]);
    /// assert_eq!(roof.means("price").map(|means| means.column(0).to_vec()), Some(vec![1.0, 5.0]));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if there is no feature, [`ErrorKind::Name`] if one is not there; those of the predictor.
    pub fn of_category<F: Scalar, P: Predictor<F>>(
        predictor: &P,
        data: &Dataset<F>,
        column: &str,
        features: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self> {
        let labels: Vec<String> = features.into_iter().map(Into::into).collect();
        if labels.is_empty() {
            return Err(Error::new(ErrorKind::Setting, format!("column `{column}`"), "features", "none"));
        }
        let all = labels.iter().map(|name| data.names().feature(name)).collect::<Result<Vec<_>>>()?;
        let one = |chosen: usize| -> Vec<(usize, F)> {
            all.iter().map(|&at| (at, if at == chosen { F::ONE } else { F::ZERO })).collect()
        };
        let tasks = means(predictor, data, all.iter().map(|&chosen| one(chosen)))?;
        let values = (0..all.len()).map(|i| i as f64).collect();
        Ok(Self { column: column.to_owned(), values, labels, tasks })
    }

    /// The name of the column.
    pub fn column(&self) -> &str {
        &self.column
    }

    /// The values of a number, in ascending order; of a category, 0, 1, 2 …
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// What the values are called.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The names of the tasks.
    pub fn tasks(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tasks.iter().map(|(name, _)| name.as_str())
    }

    /// The mean predictions of a task, `values × prediction width`: quantities, probabilities or scores.
    pub fn means(&self, task: &str) -> Option<&Array2<f64>> {
        self.tasks.iter().find(|(name, _)| name == task).map(|(_, means)| means)
    }
}

/// For each task the mean predictions with some features set, one row for each of the settings.
fn means<F: Scalar, P: Predictor<F>>(
    predictor: &P,
    data: &Dataset<F>,
    settings: impl ExactSizeIterator<Item = Vec<(usize, F)>>,
) -> Result<Vec<(String, Array2<f64>)>> {
    let weights: Array1<f64> = match data.weights() {
        None => Array1::ones(data.n_rows()),
        Some(weights) => weights.mapv(Scalar::to_f64),
    };
    let total = weights.sum();
    let n = settings.len();
    let mut all: Vec<(String, Array2<f64>)> = Vec::new();
    for (i, setting) in settings.enumerate() {
        let mut x = data.features().to_owned();
        for (at, value) in setting {
            x.column_mut(at).fill(value);
        }
        let predictions = predictor.predict_tasks(&data.with_other_features(x))?;
        if all.is_empty() {
            let of_task = |(task, predictions): (&crate::Task, &Array2<F>)| {
                (task.name().to_owned(), Array2::zeros((n, predictions.ncols())))
            };
            all = predictor.tasks().iter().zip(&predictions).map(of_task).collect();
        }
        for ((_, means), predictions) in all.iter_mut().zip(predictions) {
            let mean = weights.dot(&predictions.mapv(Scalar::to_f64)) / total;
            means.row_mut(i).assign(&mean);
        }
    }
    Ok(all)
}
