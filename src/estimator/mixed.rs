//! Tasks of every kind at once: quantities, counts, yes or no, classes and rankings beside one another.

use ndarray::{ArrayRef2, ArrayView1};

use super::kind::sealed::Sealed;
use super::settings::Settings;
use super::{Checked, ClassSets, Estimator, EstimatorKind, Fitted, Intervals};
use crate::data::Dataset;
use crate::{Predictions, Report, Result, Scalar, Task};

/// Predicts tasks of every kind at once, each from the weighted mean of several networks with a shared trunk.
///
/// What the labels are is seen from them, unless [`task`](Self::task) says it.
///
/// ```
/// use polytask::estimator::MultiTask;
/// use polytask::prelude::*;
///
/// let data = datasets::mixed_tasks::<f32>(300, 0.3, 1); // a quantity, yes or no, a class and a relevance; 30 % are missing
/// let (train, test) = data.split(0.8, 1)?;
/// let settings = MultiTask::new().task(Task::classes("grade", 5)).task(Task::ranking("relevance"));
/// let model = settings.members(2).epochs(10).fit_table(&train)?;
/// let p = model.predict_table(&test)?;
/// assert_eq!((p["accepted"].ncols(), p["grade"].ncols()), (1, 5)); // the probability of yes, and of each grade
/// let report = model.evaluate(&test)?;
/// assert!(report["value"].score("r2").is_some_and(|r2| r2 > 0.0));
/// # Ok::<(), polytask::Error>(())
/// ```
pub type MultiTask = Estimator<Mixed>;

/// The kind of estimator that predicts tasks of every kind.
///
/// ```
/// use polytask::estimator::{Fitted, Mixed, MultiTask};
/// use polytask::ndarray::array;
/// use polytask::prelude::*;
///
/// let x = array![[1.0], [2.0], [3.0], [4.0]];
/// let y = array![[2.5, 0.0], [3.5, 0.0], [4.5, 1.0], [5.5, 1.0]];
/// let model: Fitted<Mixed, f64> = MultiTask::new().hidden([4]).members(1).epochs(2).fit(&x, &y)?;
/// let losses: Vec<&str> = model.tasks().iter().map(|task| task.loss().name()).collect();
/// assert_eq!(losses, ["mean_squared_error", "binary_cross_entropy"]); // what it took the labels for
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixed {}

impl Estimator<Mixed> {
    /// Says what the labels of a target, or of several, are, and how they are learnt: [`Task`] has all kinds.
    ///
    /// A target column without a task is taken for what it looks like, as [`Fitted::tasks`] tells: a column with
    /// class names for classes, or for yes or no if there are two; one in which every label is 0 or 1 for yes or no; every
    /// other for a quantity. So counts, classes that are numbered, orders and rankings must be declared. A second task of the
    /// same name takes the place of the first.
    ///
    /// ```
    /// use polytask::estimator::MultiTask;
    /// use polytask::ndarray::Array2;
    /// use polytask::prelude::*;
    ///
    /// let x = Array2::from_shape_fn((60, 1), |(i, _)| i as f64);
    /// let y = Array2::from_shape_fn((60, 3), |(i, k)| [(i / 20) as f64, (i / 30) as f64, (i % 2) as f64][k]);
    /// let data = Dataset::new(x, y)?.with_target_names(["visits", "late", "odd"])?;
    /// let settings = MultiTask::new().hidden([8]).members(2).epochs(5);
    /// let flags = Task::multi_label("flags", ["late", "odd"]); // one task of two columns
    /// let model = settings.task(Task::count("visits")).task(flags).fit_table(&data)?;
    /// assert_eq!(model.predict_table(&data)?["flags"].dim(), (60, 2));
    /// assert_eq!(model.target_names().collect::<Vec<_>>(), ["visits", "late", "odd"]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// A fit refuses tasks that predict several numbers for a quantity (quantiles, a variance: see
    /// [`calibrate`](Self::calibrate)), products of tasks and tasks without a loss: train a [`Model`](crate::Model) with these.
    #[must_use]
    pub fn task(mut self, task: Task) -> Self {
        self.settings.tasks.retain(|known| known.name() != task.name());
        self.settings.tasks.push(task);
        self
    }

    /// Leaves target columns of a table out.
    ///
    /// ```
    /// use polytask::estimator::MultiTask;
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::mixed_tasks::<f32>(100, 0.0, 1);
    /// let settings = MultiTask::new().without(["grade", "relevance"]).hidden([8]).members(1).epochs(1);
    /// assert_eq!(settings.fit_table(&data)?.target_names().collect::<Vec<_>>(), ["value", "accepted"]);
    /// assert!(settings.without(["prize"]).fit_table(&data).is_err()); // there is none
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn without(mut self, targets: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.left_out.extend(targets.into_iter().map(Into::into));
        self
    }

    /// Lets predictions of quantities leave the range of the labels that were learnt from.
    #[must_use]
    pub fn extrapolate(mut self) -> Self {
        self.settings.extrapolates = true;
        self
    }

    /// Checks the settings and fits them to `x`, `rows × features`, and `y`, `rows × targets`; NaN in `y` is a missing label.
    /// The targets are called `y0`, `y1` …
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if a setting is outside its range, or a task is none that an estimator
    /// can have; [`ErrorKind::Name`](crate::ErrorKind::Name) if the table has not a task's columns;
    /// [`ErrorKind::Shape`](crate::ErrorKind::Shape) if the numbers of rows differ or are less than 2, or there is no feature
    /// or no target; [`ErrorKind::Value`](crate::ErrorKind::Value) if a feature is not finite, a label is none of its task's,
    /// or a target has no label.
    pub fn fit<F: Scalar>(&self, x: &ArrayRef2<F>, y: &ArrayRef2<F>) -> Result<Fitted<Mixed, F>> {
        self.check()?.fit(x, y)
    }

    /// The same as [`fit`](Self::fit) for a table, whose columns have names, whose labels and rows may have weights, and whose
    /// rows may have groups, which are what is ranked.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_table<F: Scalar>(&self, data: &Dataset<F>) -> Result<Fitted<Mixed, F>> {
        self.check()?.fit_table(data)
    }
}

impl Checked<Mixed> {
    /// As [`Estimator::fit`](Estimator::<Mixed>::fit).
    ///
    /// # Errors
    /// As there, but for settings.
    pub fn fit<F: Scalar>(&self, x: &ArrayRef2<F>, y: &ArrayRef2<F>) -> Result<Fitted<Mixed, F>> {
        self.fit_table(&Dataset::new(x.to_owned(), y.to_owned())?)
    }

    /// As [`Estimator::fit_table`](Estimator::<Mixed>::fit_table).
    ///
    /// # Errors
    /// As there, but for settings.
    pub fn fit_table<F: Scalar>(&self, data: &Dataset<F>) -> Result<Fitted<Mixed, F>> {
        self.fit_all(data)
    }
}

impl EstimatorKind for Mixed {}

impl Sealed for Mixed {
    const NAME: &'static str = "multi-task estimator";

    fn tasks<F: Scalar>(settings: &Settings, data: &Dataset<F>) -> Result<Vec<Task>> {
        for name in &settings.left_out {
            data.names().target(name)?;
        }
        let declares = |task: &&Task, column: &String| task.columns_list().contains(column);
        let mut tasks: Vec<Task> = Vec::new();
        // In the order of the columns, a task of several at the place of its first.
        for (column, labels) in data.target_names().iter().zip(data.targets().columns()) {
            if settings.left_out.contains(column) {
                continue;
            }
            match settings.tasks.iter().find(|task| declares(task, column)) {
                None => tasks.push(taken_for(column, labels, data)),
                Some(task) if tasks.iter().all(|known| known.name() != task.name()) => {
                    tasks.push(task.clone())
                }
                Some(_) => {}
            }
        }
        // Of columns that are left out, or not there, which is an error in the end.
        let others =
            settings.tasks.iter().filter(|task| tasks.iter().all(|known| known.name() != task.name()));
        let others: Vec<Task> = others.cloned().collect();
        tasks.extend(others);
        Ok(tasks)
    }

    #[cfg(feature = "persist")]
    fn has(_: crate::loss::Kind) -> bool {
        true
    }
}

/// The task that the labels of a column look like.
fn taken_for<F: Scalar>(column: &str, labels: ArrayView1<'_, F>, data: &Dataset<F>) -> Task {
    let n_named = data.names().classes.get(column).map(Vec::len);
    let mut present = labels.iter().filter(|label| !label.is_nan());
    match n_named {
        Some(n) if n > 2 => Task::classes(column, n),
        Some(_) => Task::binary(column),
        None if present.all(|&label| label == F::ZERO || label == F::ONE) => Task::binary(column),
        None => Task::regression(column),
    }
}

impl<F: Scalar> Fitted<Mixed, F> {
    /// What the labels of each target were taken for.
    pub fn tasks(&self) -> &[Task] {
        self.members[0].tasks()
    }

    /// What is predicted for `x`, `rows × features`, of each task, as [`Model::predict`](crate::Model::predict) has it: a
    /// quantity or a rate, the probability of yes for each column, the probability of each class, scores.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`](crate::ErrorKind::Shape) if `x` has not as many features as there were,
    /// [`ErrorKind::Value`](crate::ErrorKind::Value) if one is not finite.
    pub fn predict(&self, x: &ArrayRef2<F>) -> Result<Predictions<F>> {
        Ok(Predictions::of_tasks(self.tasks(), self.by_task(x.view())?))
    }

    /// [`predict`](Self::predict) for the features of a table, found by name.
    ///
    /// # Errors
    /// As [`Model::predict_table`](crate::Model::predict_table).
    pub fn predict_table(&self, data: &Dataset<F>) -> Result<Predictions<F>> {
        self.predict(&self.features_of(data)?)
    }

    /// What is decided for `x`, one number for each target column, as labels are: see
    /// [`Model::decide`](crate::Model::decide). The threshold of yes is ½.
    ///
    /// ```
    /// use polytask::estimator::MultiTask;
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::mixed_tasks::<f64>(100, 0.0, 1);
    /// let model = MultiTask::new().task(Task::classes("grade", 5)).hidden([8]).members(2).epochs(3).fit_table(&data)?;
    /// let x = data.features().to_owned();
    /// let (p, decided) = (model.predict(&x)?, model.decide(&x)?);
    /// assert_eq!(decided["accepted"][[0, 0]], f64::from(u8::from(p["accepted"][[0, 0]] > 0.5)));
    /// let grade = decided["grade"][[0, 0]] as usize;
    /// assert!(p["grade"].row(0).iter().all(|&other| other <= p["grade"][[0, grade]]));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn decide(&self, x: &ArrayRef2<F>) -> Result<Predictions<F>> {
        Ok(self.members[0].decided(self.predict(x)?))
    }

    /// [`decide`](Self::decide) for the features of a table, found by name.
    ///
    /// # Errors
    /// As [`predict_table`](Self::predict_table).
    pub fn decide_table(&self, data: &Dataset<F>) -> Result<Predictions<F>> {
        self.decide(&self.features_of(data)?)
    }

    /// How good the estimator is at each task, on a table: the metrics that [`Model::evaluate`](crate::Model::evaluate) has.
    /// There are no losses, since what is judged is a mean of networks.
    ///
    /// # Errors
    /// As [`Model::evaluate`](crate::Model::evaluate).
    pub fn evaluate(&self, data: &Dataset<F>) -> Result<Report> {
        let predictions = self.predicted_tasks(data)?;
        self.members[0].report_on(predictions, data, self.warnings_on(data)?)
    }

    /// For each row of `x` and each quantity an interval in which its label is with probability `coverage`: see
    /// [`MultiTaskRegressor`](super::MultiTaskRegressor)'s and [`calibrate`](Estimator::calibrate). Counts are quantities.
    ///
    /// ```
    /// use polytask::estimator::MultiTask;
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::mixed_tasks::<f32>(200, 0.2, 1);
    /// let settings = MultiTask::new().task(Task::classes("grade", 5)).task(Task::ranking("relevance"));
    /// let model = settings.hidden([8]).members(2).epochs(3).calibrate(0.3).fit_table(&data)?;
    /// let x = data.features().to_owned();
    /// assert_eq!(model.predict_interval(&x, 0.8)?.targets, ["value"]);
    /// assert_eq!(model.predict_set(&x, 0.8)?.targets, ["accepted", "grade"]); // a ranking has neither
    /// let (intervals, sets) = model.predict_jointly(&x, 0.8)?; // all three labels of a row at once
    /// assert!(intervals.low[[0, 0]] < intervals.high[[0, 0]] && sets.contains[1].ncols() == 5);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict`](Self::predict), and [`ErrorKind::Setting`](crate::ErrorKind::Setting) if the coverage is not between 0
    /// and 1, or no rows were kept apart.
    pub fn predict_interval(&self, x: &ArrayRef2<F>, coverage: f64) -> Result<Intervals<F>> {
        Ok(self.surely(x.view(), coverage, false)?.0)
    }

    /// For each row of `x` and each target of classes, or of yes (class 1) or no (class 0), the set of classes among which its
    /// label is with probability `coverage`. There is an example at [`predict_interval`](Self::predict_interval).
    ///
    /// # Errors
    /// As [`predict_interval`](Self::predict_interval).
    pub fn predict_set(&self, x: &ArrayRef2<F>, coverage: f64) -> Result<ClassSets> {
        Ok(self.surely(x.view(), coverage, false)?.1)
    }

    /// Intervals and sets in which *all* labels of a row are with probability `coverage`. Targets have room in proportion to
    /// their errors on held-out rows. Rows that were kept apart count if they have labels of all targets but rankings. There is
    /// an example at [`predict_interval`](Self::predict_interval).
    ///
    /// # Errors
    /// As [`predict_interval`](Self::predict_interval).
    pub fn predict_jointly(&self, x: &ArrayRef2<F>, coverage: f64) -> Result<(Intervals<F>, ClassSets)> {
        self.surely(x.view(), coverage, true)
    }
}
