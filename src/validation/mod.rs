//! Cross-validation: what a way of fitting is worth on rows that it has not seen.
//!
//! ```text
//! for each repeat, for each fold:
//!     rows ──▶ training part ──▶ encode (CSV), scale, fit ──▶ model
//!         └──▶ held-out part ───────────────────────────────▶ predictions ──▶ scores of the fold
//! all held-out predictions of a repeat, each row by the model that has not seen it ──▶ pooled scores
//! ```
//!
//! Everything that is learnt from rows is learnt from the training part of a fold alone. The function that fits is given
//! that part and nothing else, so that scaling, early stopping and the choice of settings inside it cannot look at what
//! is held out; [`CrossValidation::run_csv`] also fits the encoding of a file (means that fill gaps, lists of
//! categories) anew in every fold. What says how a file is written (decimal commas, dates) and which classes a target
//! has is taken from the whole file: it is the question, not the answer.
//!
//! ```
//! use polytask::prelude::*;
//! use polytask::validation::CrossValidation;
//!
//! let data = datasets::robot_arm::<f64>(600, 0.05, 1);
//! let result = CrossValidation::new(3).seed(7).run(&data, |part| {
//!     let mut model = Model::builder(part.data.n_features())
//!         .trunk([Layer::dense(16, Activation::Relu)])
//!         .task(Task::regression("shoulder"))
//!         .task(Task::regression("elbow"))
//!         .standardize()
//!         .seed(part.seed)
//!         .build::<f64>()?;
//!     Trainer::new(Adam::new(0.01)).epochs(80).seed(part.seed).fit(&mut model, part.data)?;
//!     Ok(model)
//! })?;
//! println!("{result}"); // a table: each score of each task, its mean and deviation over the folds
//!
//! let r2 = result["elbow"].score("r2").expect("a score of quantities");
//! assert_eq!(r2.folds.len(), 3);
//! assert!(r2.mean().is_some_and(|r2| r2 > 0.3 && r2 < 1.0), "{result}");
//! assert_eq!(result["elbow"].out_of_fold(0).dim(), (600, 1)); // each row by the model that has not seen it
//! # Ok::<(), polytask::Error>(())
//! ```
//!
//! The estimators fit in one line: `|part| settings.clone().seed(part.seed).fit_table(part.data)`. Anything else that
//! predicts, such as a rule of thumb to compare with, implements [`Predictor`].

mod comparison;
mod comparison_table;
mod folds;
mod importance;
mod judge;
pub(crate) mod outcome;
#[cfg(feature = "persist")]
mod over_ranks;
pub(crate) mod paired;
mod partial_dependence;
mod predictor;
mod scoring;
mod sign_flip;
mod student;
mod summary;
mod table;

use std::time::Instant;

#[cfg(feature = "persist")]
use std::sync::Arc;

use ndarray::Array2;

pub use comparison::{Comparison, ComparisonReport, Contender, Difference, Verdict};
pub(crate) use comparison_table::rough;
pub use importance::{ColumnImportance, Importance, ImportanceReport, TaskImportance};
pub use partial_dependence::PartialDependence;
pub use predictor::Predictor;
pub use scoring::{CrossValidated, FoldReport, MeanScore};
pub use sign_flip::{SignFlip, sign_flip};
pub use summary::{ScoreSummary, TaskValidation};

use crate::data::{Dataset, Fold};
use crate::kernel::{MOST_THREADS, run_jobs};
#[cfg(feature = "persist")]
use crate::ranks::{Ranks, run_jobs_over};
use crate::{Error, ErrorKind, Result, Scalar};
use outcome::{FoldPlace, Folds, OfFold, Outcome};

/// How rows are cut into folds, and how often; [`run`](Self::run) does the rest.
///
/// Rows that have groups stay together: whole groups are held out. The same seed gives the same bits, whatever the number
/// of [`threads`](Self::threads).
///
/// ```
/// use polytask::prelude::*;
/// use polytask::validation::CrossValidation;
///
/// let data = datasets::mixed_tasks::<f32>(90, 0.4, 1);
/// let settings = MultiTaskClassifier::new().hidden([8]).members(1).epochs(5);
/// let data = Dataset::new(data.features().to_owned(), data.targets().select(ndarray::Axis(1), &[1]))?
///     .with_target_names(["accepted"])?;
/// let result = CrossValidation::new(5)
///     .stratify("accepted") // the same share of yes in each fold
///     .repeats(2)           // ten models
///     .threads(2)
///     .run(&data, |part| settings.clone().seed(part.seed).fit_table(part.data))?;
/// let accuracy = result["accepted"].score("accuracy").expect("a score of classes");
/// assert_eq!((accuracy.folds.len(), accuracy.pooled.len()), (10, 2));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct CrossValidation {
    cut: Cut,
    repeats: usize,
    seed: u64,
    threads: usize,
    #[cfg(feature = "persist")]
    ranks: Option<Arc<dyn Ranks>>,
}

/// How rows are cut.
#[derive(Clone, Debug)]
enum Cut {
    Folds { k: usize, stratify: Option<String> },
    Own { folds: Vec<Fold>, stratify: Option<String> },
}

/// What the function that fits is given in one fold.
#[derive(Debug)]
#[non_exhaustive]
pub struct TrainingPart<'a, F> {
    /// The rows to learn from. To stop early, [`split`](Dataset::split) them again.
    pub data: &'a Dataset<F>,
    /// Which repeat this is, from 0.
    pub repeat: usize,
    /// Which fold of the repeat, from 0.
    pub fold: usize,
    /// A seed that differs from fold to fold, made from that of the cross-validation.
    pub seed: u64,
}

impl CrossValidation {
    /// Cross-validation in `k` folds, at least 2, of about equal size; each row, or group of rows, is held out in one
    /// of them.
    pub fn new(k: usize) -> Self {
        Self {
            cut: Cut::Folds { k, stratify: None },
            repeats: 1,
            seed: 0,
            threads: 1,
            #[cfg(feature = "persist")]
            ranks: None,
        }
    }

    /// Cross-validation in folds of your own, such as those that others have used, or years of which each is predicted
    /// from those before it. Rows may be left out, and there is one repeat.
    ///
    /// ```
    /// use polytask::data::Fold;
    /// use polytask::prelude::*;
    /// use polytask::validation::CrossValidation;
    ///
    /// let data = datasets::robot_arm::<f64>(40, 0.05, 1); // ten rows a year
    /// let year = |n: usize| Fold::new((0..10 * n).collect(), (10 * n..10 * n + 10).collect());
    /// let settings = MultiTaskRegressor::new().hidden([4]).members(1).epochs(5);
    /// let result = CrossValidation::with_folds([year(1), year(2), year(3)])
    ///     .run(&data, |part| settings.fit_table(part.data))?;
    /// let predicted = result["elbow"].out_of_fold(0);
    /// assert!(predicted[[9, 0]].is_nan() && predicted[[10, 0]].is_finite()); // the first year is never held out
    /// assert_eq!(result["elbow"].n_labels, 30);
    ///
    /// let leaky = CrossValidation::with_folds([Fold::new((0..20).collect(), vec![19, 20])]);
    /// let error = leaky.run(&data, |part| settings.fit_table(part.data)).unwrap_err();
    /// assert!(error.to_string().contains("row 19, which is in both"), "{error}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn with_folds(folds: impl IntoIterator<Item = Fold>) -> Self {
        let cut = Cut::Own { folds: folds.into_iter().collect(), stratify: None };
        Self { cut, ..Self::new(2) }
    }

    /// Every fold gets its fair share of the classes of a target column: see
    /// [`Dataset::stratified_fold_rows`].
    pub fn stratify(mut self, target: impl Into<String>) -> Self {
        let (Cut::Folds { stratify, .. } | Cut::Own { stratify, .. }) = &mut self.cut;
        *stratify = Some(target.into());
        self
    }

    /// How often the rows are cut into folds, each time anew, at least 1 (default: 1).
    pub fn repeats(mut self, repeats: usize) -> Self {
        self.repeats = repeats;
        self
    }

    /// The seed of the folds and of each fold's own seed (default: 0). Repeat r is cut as
    /// [`fold_rows`](Dataset::fold_rows) with the seed plus r.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many folds are fitted at the same time, at least 1 (default: 1). Trainers and estimators have threads of their
    /// own: give them one where there are several folds at a time.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Fits to the training part of each fold, predicts the rows that are held out, and judges.
    ///
    /// Each task is judged by its usual metrics and those added to it, as in
    /// [`Model::evaluate`](crate::Model::evaluate); quantities also by `rrmse`, relative to predicting the mean of the
    /// fold's training labels. A class that a fold's model does not know has probability 0 in it.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if there are less than 2 folds, 1 repeat or 1 thread, if rows that have groups are to be
    /// stratified, or folds of your own are, or hold a row in both parts or out twice, or tear a group;
    /// [`ErrorKind::Shape`] if there are fewer rows or groups than folds; [`ErrorKind::Name`] if a target column is not
    /// there. What `fit` returns, with the fold in front: of several folds that fail the first.
    pub fn run<F: Scalar, P: Predictor<F>>(
        &self,
        data: &Dataset<F>,
        fit: impl Fn(&TrainingPart<'_, F>) -> Result<P> + Sync,
    ) -> Result<CrossValidated> {
        self.run_cut(data, |fold| Ok((data.select(&fold.train), data.select(&fold.test))), fit)
    }

    /// [`run`](Self::run) on the table of a CSV file, whose columns are encoded in each fold by what is in its training
    /// part: the means that fill gaps, and the lists of categories. A category that only held-out rows have is no
    /// category, and a gap in a column without gaps is filled.
    ///
    /// ```
    /// use polytask::data::csv::CsvReader;
    /// use polytask::prelude::*;
    /// use polytask::validation::CrossValidation;
    ///
    /// let mut file = String::from("area,roof,price\n");
    /// for i in 0..30 {
    ///     let roof = if i == 7 { "thatched" } else { ["flat", "pitched"][i % 2] };
    ///     file += &format!("{},{roof},{}\n", 500 + 10 * i, 3 * i);
    /// }
    /// let reader = CsvReader::new().targets(["price"]);
    /// let table = reader.table_from(file.as_bytes(), "houses.csv")?;
    /// let settings = MultiTaskRegressor::new().hidden([4]).members(1).epochs(3);
    /// let result = CrossValidation::new(3).run_csv(&reader, &table, |part| {
    ///     // In one of three folds the only thatched roof is held out, and nothing is known of it.
    ///     assert!([3, 4].contains(&part.data.n_features()));
    ///     settings.fit_table::<f32>(part.data)
    /// })?;
    /// assert_eq!(result.folds().len(), 3);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run) and [`CsvReader::fit`](crate::data::csv::CsvReader::fit), with the fold in front where it is
    /// one fold's.
    #[cfg(feature = "csv")]
    pub fn run_csv<F: Scalar, P: Predictor<F>>(
        &self,
        reader: &crate::data::csv::CsvReader,
        table: &crate::data::csv::Table,
        fit: impl Fn(&TrainingPart<'_, F>) -> Result<P> + Sync,
    ) -> Result<CrossValidated> {
        let whole = reader.fit(table)?.apply::<F>(table)?;
        let parts = |fold: &Fold| {
            let encoding = reader.fit_part(table, &fold.train)?;
            let data = encoding.lenient().apply::<F>(table)?;
            Ok((data.select(&fold.train), data.select(&fold.test)))
        };
        self.run_cut(&whole, parts, fit)
    }

    /// Runs the folds of `whole`, of which `parts` gives what to learn from and what to predict.
    fn run_cut<F: Scalar, P: Predictor<F>>(
        &self,
        whole: &Dataset<F>,
        parts: impl Fn(&Fold) -> Result<(Dataset<F>, Dataset<F>)> + Sync,
        fit: impl Fn(&TrainingPart<'_, F>) -> Result<P> + Sync,
    ) -> Result<CrossValidated> {
        let of_fold = |place: FoldPlace, fold: &Fold| {
            let (train, test) = parts(fold)?;
            let FoldPlace { repeat, fold, seed } = place;
            let begun = Instant::now();
            let fitted = fit(&TrainingPart { data: &train, repeat, fold, seed })?;
            let fit_time = begun.elapsed();
            Ok(Outcome {
                tasks: fitted.tasks().to_vec(),
                thresholds: (0..fitted.tasks().len()).map(|k| fitted.thresholds(k)).collect(),
                predictions: in_f64(fitted.predict_tasks(&test)?),
                warnings: fitted.warnings_on(&test)?,
                fit_time,
                n_parameters: fitted.n_parameters(),
            })
        };
        F::cross_validation(self, whole, &of_fold)
    }

    pub(crate) fn run_here<F: Scalar>(
        &self,
        whole: &Dataset<F>,
        of_fold: &OfFold<'_>,
    ) -> Result<CrossValidated> {
        let cut = self.cut_rows(whole)?;
        let job =
            |at: usize| of_fold(cut.place(at), &cut.folds[at]).map_err(|error| error.within(cut.name(at)));
        #[cfg(feature = "persist")]
        if let Some(ranks) = &cut.ranks {
            let (to, from) = (Outcome::to_bytes, Outcome::from_bytes);
            let outcomes = run_jobs_over(ranks, cut.folds.len(), cut.threads, job, to, from)?;
            return CrossValidated::new(whole, &cut, outcomes);
        }
        let outcomes = run_jobs(cut.folds.len(), cut.threads, job)?;
        CrossValidated::new(whole, &cut, outcomes)
    }

    /// Checks the settings and cuts the rows.
    pub(crate) fn cut_rows<F: Scalar>(&self, whole: &Dataset<F>) -> Result<Folds> {
        self.check()?;
        let folds = self.folds(whole)?;
        Ok(Folds {
            folds,
            repeats: self.repeats,
            seed: self.seed,
            threads: self.threads,
            #[cfg(feature = "persist")]
            ranks: self.ranks.clone(),
        })
    }

    fn check(&self) -> Result<()> {
        for (found, most, what) in
            [(self.repeats, usize::MAX, "repeats"), (self.threads, MOST_THREADS, "threads")]
        {
            let place = format!("cross-validation, {what}");
            if found < 1 {
                return Err(Error::new(ErrorKind::Setting, place, "at least 1", found));
            }
            if found > most {
                return Err(Error::new(ErrorKind::Setting, place, format!("at most {most}"), found));
            }
        }
        Ok(())
    }
}

pub(crate) fn in_f64<F: Scalar>(matrices: Vec<Array2<F>>) -> Vec<Array2<f64>> {
    matrices.into_iter().map(|matrix| matrix.mapv(Scalar::to_f64)).collect()
}
