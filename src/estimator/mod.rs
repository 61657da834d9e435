//! Estimators: two lines from two arrays to a good model.
//!
//! ```
//! use polytask::estimator::MultiTaskRegressor;
//! use polytask::ndarray::Array2;
//!
//! let x = Array2::from_shape_fn((80, 2), |(i, j)| ((i * (j + 3)) % 17) as f64 / 17.0);
//! let y = Array2::from_shape_fn((80, 2), |(i, k)| x[[i, k]] - x[[i, 0]] * x[[i, 1]]);
//! let model = MultiTaskRegressor::new().fit(&x, &y)?;
//! assert!(model.score(&x, &y)? > 0.9);                      // mean R²
//! assert_eq!(model.predict(&x)?.dim(), (80, 2));            // rows × targets
//! # Ok::<(), polytask::Error>(())
//! ```
//!
//! Settings, checked settings and fitted model are three types: [`Estimator`] is settings that anything can be said
//! in; [`check`](Estimator::check) makes [`Checked`] of them, which are in their ranges; its `fit` makes [`Fitted`],
//! which predicts. [`MultiTaskRegressor`] and [`MultiTaskClassifier`] are estimators of quantities and of classes, in arrays with a
//! column for each; [`MultiTask`] is one of tasks of every kind, by their names.
//!
//! What is fitted is an ensemble of several networks, each of which stops early on rows of its own. They are of several
//! [kinds](Estimator::kinds), and what each predicts for the rows that it has not learnt from says how much weight its kind
//! gets, for each target anew:
//!
//! ```text
//! rows ── folds ──▶ member m learns from all folds but one, and is judged on that one after every epoch;
//!                   it keeps the θ that was best there
//! held-out predictions of all members ──▶ weights w of the kinds (stack.rs): least squares, or log loss
//! prediction = Σ over kinds of w · mean over the members of the kind
//! ```
//! L. Breiman, "Stacked regressions", 1996, and A. Krogh and J. Vedelsby, "Neural network ensembles, cross validation, and
//! active learning", NeurIPS 1995: members that have not seen the same rows err in different places.
//!
//! How sure a prediction is can be said by an estimator that keeps rows apart ([`Estimator::calibrate`]), from which nothing
//! learns:
//!
//! ```text
//! rows ── calibrate(0.25) ──▶ a quarter: how far the whole estimator is off there says how wide intervals must be
//!                        └──▶ the others: everything above
//! ```
//!
//! The networks can be fitted by several jobs and merged ([`Estimator::fit_members`]), or over ranks (`fit_over`).
//!
//! Defaults, the same for every table, and what others were measured to give by ten-fold cross-validation on six tables
//! of 103 to 1137 rows (the book's chapter on honest evaluation has the table and how it came about); from the folds on, those
//! of ten plain networks:
//!
//! ```text
//! setting         default                      why
//! kinds           plain, binned, linear        ten plain ones err 6 % more on average (-1 to 33 %), in 0.3 to 0.6 of the time
//! members         15, five of each kind        ten of each: 0.7 % less error in twice the time; one: 15 % more (1 to 53 %)
//! folds           5                            10: better on the table without noise, worse on the two noisiest
//! hidden          64, 64 rectified             128: one better, one worse, twice the time; SiLU: one better by a
//!                                              tenth, one twice the error
//! learning rate   0.005 (AdamW, cosine to 0)   0.003 and 0.01: one table better, another worse
//! weight decay    0.1                          0.5: a fifth more error on the table without noise, else alike
//! batch size      32
//! epochs          300, fewer above 2100 rows   so that a member takes about 20 000 steps; at least 10
//! patience        a third of the epochs
//! predictions     within the range of labels   a network extrapolates wildly on rare rows
//! calibrate       no rows                      intervals cost rows: with a quarter kept, 0 to 27 % more error
//! ```

mod builder;
mod calibration;
mod callbacks;
mod classifier;
#[cfg(feature = "csv")]
mod columns;
mod effort;
mod ensemble;
mod held_out;
mod intervals;
#[cfg(feature = "persist")]
mod kept;
mod kind;
mod labels;
mod member_kind;
mod members;
mod mixed;
#[cfg(feature = "onnx")]
mod onnx;
#[cfg(feature = "persist")]
mod over_ranks;
#[cfg(feature = "persist")]
mod persist;
#[cfg(feature = "persist")]
mod persist_calibration;
mod regressor;
mod settings;
mod stack;
mod stack_ranking;
mod stacked;
mod target;
mod wanted;

use std::marker::PhantomData;

use ndarray::{Array1, Array2, Axis, CowArray, Ix2};

pub use calibration::{CalibratedTarget, Calibration};
pub use callbacks::Stopped;
pub use classifier::{Classification, MultiTaskClassifier};
pub use effort::Effort;
pub use intervals::{ClassSets, Intervals};
pub use kind::EstimatorKind;
pub use member_kind::MemberKind;
pub use members::FittedMembers;
pub use mixed::{Mixed, MultiTask};
pub use regressor::{MultiTaskRegressor, Regression};
use settings::Settings;
pub use stacked::{Stack, StackedTarget};
use target::{RANKING, Target};
use wanted::Ranges;

use crate::data::Dataset;
use crate::{Model, Result, Scalar, Warning};

/// The settings of an estimator; `Kind` is [`Regression`], [`Classification`] or [`Mixed`].
///
/// ```
/// use polytask::estimator::MultiTaskClassifier;
///
/// let settings = MultiTaskClassifier::new().hidden([32]).members(5).seed(7);
/// let checked = settings.check()?;
/// assert!(MultiTaskClassifier::new().members(0).check().is_err());
/// # let _ = checked;
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Estimator<Kind> {
    settings: Settings,
    kind: PhantomData<Kind>,
}

/// Settings that are in their ranges, made by [`Estimator::check`].
///
/// ```
/// use polytask::estimator::{Checked, MultiTaskRegressor, Regression};
/// use polytask::ndarray::array;
///
/// let checked: Checked<Regression> = MultiTaskRegressor::new().hidden([8]).members(2).epochs(5).check()?;
/// // From here on only data can be at fault.
/// let error = checked.fit(&array![[0.0], [f64::NAN]], &array![[1.0], [2.0]]).unwrap_err();
/// assert_eq!(error.to_string().split(':').next(), Some("features[1, 0]"));
/// assert!(checked.fit(&array![[0.0], [1.0]], &array![[1.0], [2.0]]).is_ok());
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checked<Kind> {
    settings: Settings,
    kind: PhantomData<Kind>,
}

/// A fitted estimator.
///
/// ```
/// use polytask::estimator::{Fitted, Regression};
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(60, 0.05, 42);
/// let settings = MultiTaskRegressor::new().hidden([8]).members(2).epochs(3).extrapolate();
/// let model: Fitted<Regression, f64> = settings.fit_table(&data)?;
/// assert_eq!(model.target_names().collect::<Vec<_>>(), ["shoulder", "elbow"]);
///
/// let x = data.features().to_owned();
/// let mut elbow = 0.0;
/// for member in model.members() {
///     elbow += member.predict(x.view())?["elbow"][[0, 0]] / 2.0;
/// }
/// assert!((model.predict(&x)?[[0, 1]] - elbow).abs() < 1e-12); // the mean of the two
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fitted<Kind, F: Scalar> {
    members: Vec<Model<F>>,
    kinds: Vec<MemberKind>,
    targets: Vec<Target>,
    stack: Option<Stack>,
    /// Between which values quantities are predicted.
    ranges: Option<Ranges>,
    stopped: Option<Stopped>,
    calibration: Option<Calibration>,
    kind: PhantomData<Kind>,
}

impl<Kind, F: Scalar> Fitted<Kind, F> {
    /// The networks, whose mean is what is predicted: weighted by [`stack`](Self::stack), if they are of several kinds.
    pub fn members(&self) -> &[Model<F>] {
        &self.members
    }

    /// The kind of each network.
    pub fn member_kinds(&self) -> &[MemberKind] {
        &self.kinds
    }

    /// The weights of the kinds of networks for each target, and their errors on rows that they have not learnt from; `None`
    /// if there is one kind, so that all networks count alike.
    ///
    /// For quantities the weights are at least 0 with a sum of at most 1, and have the least squared error on the held-out
    /// rows; what they leave is the weight of the labels' mean. For classes their sum is 1, and the log loss is the least.
    /// Labels count by their weights. A target with fewer than 10 such labels is predicted by the first kind alone, and
    /// [`warnings`](Self::warnings) names it. The error of the stack is that of the rows to which the weights were fitted, and
    /// the networks stopped early on the same rows: it is slightly better than that of new rows.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(100, 0.05, 42);
    /// let model = MultiTaskRegressor::new().hidden([16]).epochs(40).fit_table(&data)?;
    /// let stack = model.stack().expect("plain, binned and linear networks");
    /// println!("{stack}");
    /// let elbow = &stack.targets[1];
    /// assert!(elbow.weights.iter().all(|&w| w >= 0.0) && elbow.weights.iter().sum::<f64>() < 1.0 + 1e-9);
    /// assert!(elbow.error < elbow.of_constant); // better than predicting the mean
    /// assert!(stack.to_string().lines().nth(2).expect("a line for each").starts_with("elbow"));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn stack(&self) -> Option<&Stack> {
        self.stack.as_ref()
    }

    /// What ended the fit before all networks were trained, if something did.
    pub fn stopped(&self) -> Option<&Stopped> {
        self.stopped.as_ref()
    }

    fn of_itself(&self) -> impl Iterator<Item = Warning> {
        self.of_stop().chain(self.of_stack()).chain(self.of_constants()).chain(self.of_calibration())
    }

    fn of_stop(&self) -> impl Iterator<Item = Warning> {
        let warning = |stopped: &Stopped| Warning::FewerMembers {
            stopped_by: stopped.by.clone(),
            members: self.members.len(),
            wanted: stopped.wanted,
            are_complete: stopped.n_complete > 0,
        };
        self.stopped.as_ref().map(warning).into_iter()
    }

    fn of_stack(&self) -> impl Iterator<Item = Warning> {
        let names = |stack: &Stack| -> Vec<String> {
            let alone = stack.targets.iter().filter(|target| !target.is_stacked);
            alone.map(|target| target.target.clone()).collect()
        };
        let warning =
            |stack: &Stack| Warning::NotStacked { targets: names(stack), kind: stack.kinds[0].name().into() };
        self.stack
            .iter()
            .filter(|stack| !names(stack).is_empty())
            .map(warning)
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// What a constant predicts without an error is constant itself.
    fn of_constants(&self) -> impl Iterator<Item = Warning> {
        let is_constant =
            |target: &&StackedTarget| target.of_constant == Some(0.0) && target.metric != RANKING;
        let targets = self.stack.iter().flat_map(|stack| &stack.targets).filter(is_constant);
        let names: Vec<String> = targets.map(|target| target.target.clone()).collect();
        (!names.is_empty()).then_some(Warning::ConstantTargets(names)).into_iter()
    }

    /// The names of the targets.
    pub fn target_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.targets.iter().map(|target| target.name.as_str())
    }

    /// What a person should know before they trust the estimator: the [`warnings`](Model::warnings) of its members, each
    /// once.
    pub fn warnings(&self) -> Vec<Warning> {
        each_once(self.of_itself().chain(self.members.iter().flat_map(Model::warnings)))
    }

    /// [`warnings`](Self::warnings), and what there is to say of predictions for `data`, each once.
    ///
    /// ```
    /// use polytask::Warning;
    /// use polytask::ndarray::Array2;
    /// use polytask::prelude::*;
    ///
    /// let x = Array2::from_shape_fn((20, 2), |(i, j)| if j == 0 { i as f64 } else { 7.0 });
    /// let data = Dataset::new(x.clone(), x.select(polytask::ndarray::Axis(1), &[0]))?;
    /// let model = MultiTaskRegressor::new().hidden([4]).members(2).epochs(2).fit_table(&data)?;
    /// assert_eq!(model.warnings_on(&data)?, [Warning::IgnoredFeatures(vec!["x1".into()])]);
    /// let moved = Dataset::new(x.mapv(|x| x + 1.0), Array2::zeros((20, 0)))?;
    /// let changed = Warning::ChangedConstants { names: vec!["x1".into()], rows: 20 };
    /// assert!(model.warnings_on(&moved)?.contains(&changed));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Model::warnings_on`].
    pub fn warnings_on(&self, data: &Dataset<F>) -> Result<Vec<Warning>> {
        let of_members = self.members.iter().map(|member| member.warnings_on(data));
        let of_members = of_members.collect::<Result<Vec<_>>>()?.into_iter().flatten();
        Ok(each_once(self.of_itself().chain(of_members)))
    }

    /// The features of a table as [`predict`](Fitted::predict) wants them, found by name.
    fn features_of<'a>(&self, data: &'a Dataset<F>) -> Result<CowArray<'a, F, Ix2>> {
        self.members[0].features_of(data)
    }

    /// For each target of a table, in the same order, the weights of its labels if they have any.
    fn weights_of(&self, data: &Dataset<F>) -> Result<Vec<Option<Array1<f64>>>> {
        let columns = self.members[0].columns(data)?.concat();
        let weights = columns.into_iter().map(|column| data.label_weights(column));
        Ok(weights.map(|weights| weights.map(|weights| weights.mapv(Scalar::to_f64))).collect())
    }

    /// The targets of a table in the order of [`target_names`](Self::target_names).
    fn targets_of(&self, data: &Dataset<F>) -> Result<Array2<F>> {
        Ok(data.targets().select(Axis(1), &self.members[0].columns(data)?.concat()))
    }
}

fn each_once(warnings: impl Iterator<Item = Warning>) -> Vec<Warning> {
    let mut all: Vec<Warning> = Vec::new();
    for warning in warnings {
        if !all.contains(&warning) {
            all.push(warning);
        }
    }
    all
}
