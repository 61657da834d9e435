//! Which columns mattered for which task: how much worse the predictions become when a column is shuffled.
//!
//! ```text
//! worse[c, k] = s(yₖ, f(X with the rows of column c in another order)) − s(yₖ, f(X))
//!               s a score where lower is better; for one where higher is better, the other way round
//! ```
//! L. Breiman, "Random forests", Machine Learning 45, 2001; for any model, A. Fisher, C. Rudin and F. Dominici, "All models are
//! wrong, but many are useful", JMLR 20, 2019. Nothing is fitted again: it tells what this model reads, not what could be learnt
//! without the column. Of two columns that say the same, a model may read either or half of each, and shuffling one alone makes
//! rows that no table has. On rows that were learnt from, it tells of what was memorised too.

use std::fmt;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::judge::Judge;
use super::predictor::Predictor;
#[cfg(feature = "csv")]
use crate::data::csv::Encoding;
use crate::data::{Dataset, shuffle};
use crate::metric::{Direction, Score};
use crate::report::{cut, number};
use crate::{Error, ErrorKind, Result, Scalar};

/// How importance is measured; [`run`](Self::run) does so.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::validation::Importance;
///
/// let x = polytask::ndarray::Array2::from_shape_fn((300, 3), |(i, j)| ((i * (2 * j + 3)) % 19) as f64 / 19.0);
/// let y = polytask::ndarray::Array2::from_shape_fn((300, 2), |(i, k)| if k == 0 { x[[i, 0]] } else { x[[i, 1]] });
/// let data = Dataset::new(x, y)?.with_feature_names(["area", "age", "noise"])?.with_target_names(["price", "rent"])?;
/// let (train, held_out) = data.split(0.7, 1)?;
/// let model = MultiTaskRegressor::new().hidden([16]).members(2).epochs(60).fit_table(&train)?;
///
/// let report = Importance::new().run(&model, &held_out)?;
/// println!("{report}");
/// let rent = &report["rent"];
/// assert_eq!(rent.metric, "rmse");
/// assert_eq!(rent.by_importance()[0].column, "age");
/// assert!(rent.get("age").and_then(|age| age.mean()) > Some(0.2));
/// assert!(rent.get("noise").and_then(|noise| noise.mean()) < Some(0.1));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Importance {
    repeats: usize,
    seed: u64,
    metric: Option<String>,
    together: Vec<(String, Vec<String>)>,
}

impl Default for Importance {
    fn default() -> Self {
        Self { repeats: 10, seed: 0, metric: None, together: Vec::new() }
    }
}

impl Importance {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often each column is shuffled, at least 2 (default: 10): the spread is that between the times.
    #[must_use]
    pub fn repeats(mut self, repeats: usize) -> Self {
        self.repeats = repeats;
        self
    }

    /// The seed of the shuffles (default: 0).
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The score, by the name that reports give it, such as `"r2"`; tasks that do not have it have no importances. By default
    /// `rmse` for quantities, `roc_auc` for yes or no, `log_loss` for classes, `ndcg@10` for rankings.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::validation::Importance;
    ///
    /// let data = datasets::robot_arm::<f64>(80, 0.05, 1);
    /// let model = Model::builder(10).task(Task::regression("elbow")).build::<f64>()?;
    /// let report = Importance::new().metric("mae").repeats(3).seed(7).run(&model, &data)?;
    /// assert_eq!((report["elbow"].metric.as_str(), report["elbow"].columns[0].worse.len()), ("mae", 3));
    /// assert!(Importance::new().metric("speed").run(&model, &data).is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>) -> Self {
        self.metric = Some(name.into());
        self
    }

    /// Shuffles these features as one column, called `name`: what a category was turned into, or what is known to say the same.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::validation::Importance;
    ///
    /// let data = datasets::robot_arm::<f64>(80, 0.05, 1);
    /// let (model, names) = (Model::builder(10).task(Task::regression("elbow")).build::<f64>()?, data.feature_names());
    /// let report = Importance::new().together("both", [&names[0], &names[1]]).run(&model, &data)?;
    /// assert_eq!((report["elbow"].columns.len(), report["elbow"].columns[0].column.as_str()), (9, "both"));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn together(
        mut self,
        name: impl Into<String>,
        features: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.together.push((name.into(), features.into_iter().map(Into::into).collect()));
        self
    }

    /// Shuffles what each column of a file was turned into as one: a category's features, a number and the mark of its gaps.
    ///
    /// ```
    /// use polytask::data::csv::CsvReader;
    /// use polytask::prelude::*;
    /// use polytask::validation::Importance;
    ///
    /// let file = "area,roof,price\n514,flat,3\n563,pitched,4\n612,,5\n590,flat,4\n";
    /// let (data, encoding) = CsvReader::new().targets(["price"]).read_from::<f64>(file.as_bytes(), "houses.csv")?;
    /// let model = Model::builder(4).task(Task::regression("price")).build::<f64>()?;
    /// let report = Importance::new().columns_of(&encoding).run(&model, &data)?;
    /// let columns: Vec<&str> = report["price"].columns.iter().map(|column| column.column.as_str()).collect();
    /// assert_eq!(columns, ["area", "roof"]); // not roof=flat, roof=pitched, roof_missing
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[cfg(feature = "csv")]
    #[must_use]
    pub fn columns_of(mut self, encoding: &Encoding) -> Self {
        for column in encoding.columns().iter().filter(|column| column.features().len() > 1) {
            self = self.together(&column.name, column.features());
        }
        self
    }

    /// Measures what `predictor` reads on `data`, best rows that it has not learnt from.
    ///
    /// The predictions are computed once for each column and repeat. The same seed gives the same bits.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if the repeats are fewer than 2, or no task has the metric; [`ErrorKind::Name`] if a feature is
    /// not there, or in two columns; those of the predictor.
    pub fn run<F: Scalar, P: Predictor<F>>(
        &self,
        predictor: &P,
        data: &Dataset<F>,
    ) -> Result<ImportanceReport> {
        if self.repeats < 2 {
            let place = "repeats of a shuffle";
            return Err(Error::new(ErrorKind::Setting, place, "at least 2, for their spread", self.repeats));
        }
        let columns = self.columns(data)?;
        let judges =
            predictor.tasks().iter().map(|task| Judge::new(task, data)).collect::<Result<Vec<_>>>()?;
        let scores = |data: &Dataset<F>| -> Result<Vec<Option<Score>>> {
            let predictions = predictor.predict_tasks(data)?;
            let of_task = |(k, (judge, predictions)): (usize, (&Judge, ndarray::Array2<F>))| {
                let predictions = predictions.mapv(Scalar::to_f64);
                let scores = judge.scores_of(predictions, predictor.thresholds(k).as_deref());
                let wanted = self.metric.as_deref().unwrap_or(judge.telling());
                scores.into_iter().find(|score| score.name == wanted)
            };
            Ok(judges.iter().zip(predictions).enumerate().map(of_task).collect())
        };
        let before = scores(data)?;
        if before.iter().all(Option::is_none) {
            let found = self.metric.as_deref().unwrap_or("none");
            return Err(Error::new(ErrorKind::Setting, "score of importances", "one that a task has", found));
        }
        let mut tasks: Vec<Option<TaskImportance>> = predictor
            .tasks()
            .iter()
            .zip(&before)
            .map(|(task, score)| {
                score.as_ref().map(|score| TaskImportance {
                    task: task.name().to_owned(),
                    metric: score.name.clone(),
                    direction: score.direction,
                    score: score.value,
                    columns: Vec::with_capacity(columns.len()),
                })
            })
            .collect();
        for (c, (name, features)) in columns.iter().enumerate() {
            let mut worse = vec![Vec::with_capacity(self.repeats); tasks.len()];
            for repeat in 0..self.repeats {
                let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
                generator.set_stream((repeat * columns.len() + c) as u64);
                let mut order: Vec<usize> = (0..data.n_rows()).collect();
                shuffle(&mut order, &mut generator);
                let mut x = data.features().to_owned();
                for &feature in features {
                    let shuffled = data.features().column(feature).select(ndarray::Axis(0), &order);
                    x.column_mut(feature).assign(&shuffled);
                }
                let after = scores(&data.with_other_features(x))?;
                for ((worse, before), after) in worse.iter_mut().zip(&before).zip(after) {
                    worse.push(before.as_ref().zip(after).and_then(|(before, after)| {
                        let rise = after.value? - before.value?;
                        Some(if before.direction == Direction::LowerIsBetter { rise } else { -rise })
                    }));
                }
            }
            for (task, worse) in tasks.iter_mut().zip(worse) {
                if let Some(task) = task {
                    task.columns.push(ColumnImportance { column: name.clone(), worse });
                }
            }
        }
        Ok(ImportanceReport { tasks: tasks.into_iter().flatten().collect(), n_rows: data.n_rows() })
    }

    /// The columns, each by its name and its features, in the order of the table.
    fn columns<F: Scalar>(&self, data: &Dataset<F>) -> Result<Vec<(String, Vec<usize>)>> {
        let mut owner: Vec<Option<usize>> = vec![None; data.n_features()];
        let mut columns: Vec<(usize, String, Vec<usize>)> = Vec::new();
        for (name, features) in &self.together {
            let mut own = Vec::with_capacity(features.len());
            for feature in features {
                let at = data.names().feature(feature)?;
                if let Some(other) = owner[at].replace(columns.len()) {
                    let others = columns.get(other).map_or(name, |(_, name, _)| name);
                    let place = format!("feature `{feature}`");
                    let found = format!("two, `{others}` and `{name}`");
                    return Err(Error::new(ErrorKind::Name, place, "one column that it belongs to", found));
                }
                own.push(at);
            }
            let Some(&first) = own.iter().min() else { continue };
            columns.push((first, name.clone(), own));
        }
        let alone = owner.iter().enumerate().filter(|(_, owner)| owner.is_none());
        columns.extend(alone.map(|(at, _)| (at, data.feature_names()[at].clone(), vec![at])));
        columns.sort_by_key(|(first, ..)| *first);
        Ok(columns.into_iter().map(|(_, name, features)| (name, features)).collect())
    }
}

/// Which columns mattered for which task, made by [`Importance::run`]. It prints as a table for each task; in code, write
/// `report["price"]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportanceReport {
    tasks: Vec<TaskImportance>,
    n_rows: usize,
}

/// Which columns mattered for one task.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskImportance {
    /// The task's name.
    pub task: String,
    /// The score that becomes worse.
    pub metric: String,
    /// Which direction of the score is better.
    pub direction: Direction,
    /// The score with all columns as they are; `None` if it is undefined.
    pub score: Option<f64>,
    /// The columns, in the order of the table.
    pub columns: Vec<ColumnImportance>,
}

/// How much a column mattered for a task.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ColumnImportance {
    /// The column's name.
    pub column: String,
    /// How much worse the score became, each time that the column was shuffled, in the unit of the score; `None` where it is
    /// undefined. Below 0, it became better, as happens by chance with a column that does not matter.
    pub worse: Vec<Option<f64>>,
}

impl ColumnImportance {
    /// The mean of [`worse`](Self::worse); `None` if it was undefined at some time.
    pub fn mean(&self) -> Option<f64> {
        let all: Vec<f64> = self.worse.iter().copied().collect::<Option<_>>()?;
        Some(all.iter().sum::<f64>() / all.len() as f64)
    }

    /// The standard deviation of [`worse`](Self::worse) between the shuffles, with n − 1; `None` if it was undefined at some
    /// time.
    pub fn deviation(&self) -> Option<f64> {
        let mean = self.mean()?;
        let squares: f64 = self.worse.iter().flatten().map(|x| (x - mean) * (x - mean)).sum();
        Some((squares / (self.worse.len() - 1) as f64).sqrt())
    }
}

impl TaskImportance {
    /// The column of that name, if there is one.
    pub fn get(&self, column: &str) -> Option<&ColumnImportance> {
        self.columns.iter().find(|importance| importance.column == column)
    }

    /// The columns, the one that mattered most first; those whose importance is undefined last.
    pub fn by_importance(&self) -> Vec<&ColumnImportance> {
        let mut columns: Vec<&ColumnImportance> = self.columns.iter().collect();
        let key = |column: &ColumnImportance| column.mean().unwrap_or(f64::NEG_INFINITY);
        columns.sort_by(|a, b| key(b).total_cmp(&key(a)));
        columns
    }
}

impl ImportanceReport {
    /// The tasks that have the score, in the order of the predictor.
    pub fn tasks(&self) -> &[TaskImportance] {
        &self.tasks
    }

    /// The task of that name, if it has the score.
    pub fn get(&self, task: &str) -> Option<&TaskImportance> {
        self.tasks.iter().find(|importance| importance.task == task)
    }
}

impl std::ops::Index<&str> for ImportanceReport {
    type Output = TaskImportance;

    /// # Panics
    /// If there is no task of that name.
    #[track_caller]
    fn index(&self, task: &str) -> &TaskImportance {
        match self.get(task) {
            Some(importance) => importance,
            None => panic!("no task named {task:?} in the report"),
        }
    }
}

/// The largest width of a name in the table.
const NAME: usize = 28;

impl fmt::Display for ImportanceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: Option<f64>| value.map_or_else(|| "undefined".to_owned(), number);
        for task in &self.tasks {
            let arrow = if task.direction == Direction::LowerIsBetter { '↓' } else { '↑' };
            writeln!(f, "{}: {} {arrow} {}", cut(&task.task, NAME), task.metric, shown(task.score))?;
            let columns = task.by_importance();
            let width = columns.iter().map(|column| column.column.chars().count().min(NAME)).max();
            for column in &columns {
                let name = cut(&column.column, NAME);
                let (mean, deviation) = (shown(column.mean()), shown(column.deviation()));
                writeln!(f, "  {name:0$}  worse by {mean} ± {deviation}", width.unwrap_or(0))?;
            }
        }
        write!(f, "on {} rows", self.n_rows)
    }
}
