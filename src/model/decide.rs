//! From probabilities to decisions: one answer for each label, by thresholds that the model keeps.

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis, s};

use super::{Model, Predictions};
use crate::data::Dataset;
use crate::loss::{Kind, Labels};
use crate::metric::{ChosenThreshold, ThresholdCriterion};
use crate::{Error, ErrorKind, Result, Scalar};

impl<F: Scalar> Model<F> {
    /// What the model decides for `features` (`rows × features`), one number for each target column, as labels are: of
    /// yes or no 1 if the probability is above the task's [threshold](Self::thresholds) and else 0; of classes the index
    /// of the likeliest, of equally likely ones the first; quantities and scores as they are predicted. What is predicted as NaN
    /// stays NaN.
    ///
    /// ```
    /// use polytask::metric::ThresholdCriterion;
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::mixed_tasks::<f64>(400, 0.0, 1);
    /// let (train, held_out, test) = data.split_three([0.5, 0.25], 1)?;
    /// let mut model = Model::builder(data.n_features())
    ///     .trunk([Layer::dense(16, Activation::Tanh)])
    ///     .task(Task::regression("value"))
    ///     .task(Task::binary("accepted"))
    ///     .build::<f64>()?;
    /// Trainer::new(Adam::new(0.01)).epochs(20).fit(&mut model, &train)?;
    ///
    /// let costs = ThresholdCriterion::Cost { false_positive: 1.0, false_negative: 10.0 };
    /// let chosen = model.fit_threshold("accepted", &held_out, costs)?; // on rows that it has not seen
    /// let threshold = chosen[0].threshold;
    /// assert!(threshold < 0.5 && chosen[0].value < chosen[0].value_at_half);
    ///
    /// let (p, decided) = (model.predict(test.features())?, model.decide(test.features())?);
    /// let of_row = |row: usize| f64::from(u8::from(p["accepted"][[row, 0]] > threshold));
    /// assert!((0..test.n_rows()).all(|row| decided["accepted"][[row, 0]] == of_row(row)));
    /// assert_eq!(decided["value"], p["value"]);
    /// // Reports judge by the same decisions.
    /// let report = model.evaluate(&test)?;
    /// let n_yes: f64 = decided["accepted"].sum();
    /// assert_eq!(report["accepted"].confusion.as_ref().expect("decisions").counts().column(1).sum(), n_yes);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn decide(&self, features: ArrayView2<'_, F>) -> Result<Predictions<F>> {
        Ok(self.decided(self.predict(features)?))
    }

    /// The decisions that follow from predictions, by this model's thresholds.
    pub(crate) fn decided(&self, mut predictions: Predictions<F>) -> Predictions<F> {
        for (k, values) in predictions.values.iter_mut().enumerate() {
            let columns = self.tasks()[k].columns_list().len();
            match self.network.loss(k).kind() {
                Kind::Binary => {
                    for (c, column) in values.columns_mut().into_iter().enumerate() {
                        self.decide_column(k, c, column);
                    }
                }
                Kind::Classes { .. } => {
                    let width = values.ncols() / columns;
                    *values = Array2::from_shape_fn((values.nrows(), columns), |(row, c)| {
                        let p = values.slice(s![row, c * width..(c + 1) * width]);
                        likeliest(p).map_or(F::NAN, |class| F::from_f64(class as f64))
                    });
                }
                Kind::Quantity { parts, point } => {
                    let points: Vec<usize> = (0..columns).map(|c| c * parts + point).collect();
                    *values = values.select(Axis(1), &points);
                }
                Kind::Ranking => {}
            }
        }
        predictions
    }

    /// [`decide`](Self::decide) for the features of a table, found by name.
    ///
    /// # Errors
    /// As [`predict_table`](Self::predict_table).
    pub fn decide_table(&self, data: &Dataset<F>) -> Result<Predictions<F>> {
        self.decide(self.features_of(data)?.view())
    }

    /// Chooses the decision thresholds of a task of yes or no, one for each of its target columns, on rows that the model
    /// has not learnt from, and keeps them: [`decide`](Self::decide) and [`evaluate`](Self::evaluate) go by them, and files
    /// hold them. There is an example at [`decide`](Self::decide). Choose anew after more training.
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if there is no such task, [`ErrorKind::Setting`] if it is not one of yes or no; those of
    /// [`evaluate`](Self::evaluate) and [`ThresholdCriterion::choose`].
    pub fn fit_threshold(
        &mut self,
        task: &str,
        held_out: &Dataset<F>,
        criterion: ThresholdCriterion,
    ) -> Result<Vec<ChosenThreshold>> {
        let k = self.binary_task(task)?;
        self.bind(held_out)?;
        let columns = &self.columns(held_out)?[k];
        if columns.is_empty() {
            let place = format!("labels of {}", self.place(k));
            let found = "none, because it has no loss and the table has not its columns";
            return Err(Error::new(ErrorKind::Name, place, "labels to choose by", found));
        }
        let predicted = self.predict_table(held_out)?.values[k].mapv(Scalar::to_f64);
        let targets = held_out.targets().select(Axis(1), columns).mapv(Scalar::to_f64);
        let weights = held_out.task_weights(columns)?.map(|weights| weights.mapv(Scalar::to_f64));
        let weights = weights.as_ref().map(|weights| weights.view());
        let labels = Labels { weights, ..Labels::new(targets.view()) };
        let chosen =
            criterion.choose(predicted.view(), &labels).map_err(|error| error.within(self.place(k)))?;
        self.thresholds[k] = Some(chosen.iter().map(|chosen| chosen.threshold).collect());
        Ok(chosen)
    }

    /// Sets the decision thresholds of a task of yes or no, one for each of its target columns.
    ///
    /// ```
    /// use ndarray::array;
    /// use polytask::prelude::*;
    ///
    /// let mut model = Model::builder(1).task(Task::multi_label("genres", ["comedy", "drama"])).build::<f32>()?;
    /// assert_eq!(model.thresholds("genres"), None); // ½
    /// model.parameters_mut().fill(0.0); // all probabilities are ½
    /// model.set_thresholds("genres", &[0.4, 0.6])?;
    /// assert_eq!(model.decide(array![[3.0]].view())?["genres"], array![[1.0, 0.0]]);
    /// assert!(model.set_thresholds("genres", &[0.4]).is_err() && model.set_thresholds("genres", &[0.4, 1.5]).is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if there is no such task; [`ErrorKind::Setting`] if it is not one of yes or no, or a threshold is
    /// not from 0 to 1; [`ErrorKind::Shape`] if there is not one for each column.
    pub fn set_thresholds(&mut self, task: &str, thresholds: &[f64]) -> Result<()> {
        let k = self.binary_task(task)?;
        let place = || format!("thresholds of {}", self.place(k));
        let n_columns = self.tasks()[k].columns_list().len();
        if thresholds.len() != n_columns {
            let expected = format!("{n_columns}, one for each target column");
            return Err(Error::new(ErrorKind::Shape, place(), expected, thresholds.len()));
        }
        if let Some(wrong) = thresholds.iter().find(|threshold| !(0.0..=1.0).contains(*threshold)) {
            return Err(Error::new(ErrorKind::Setting, place(), "numbers from 0 to 1", wrong));
        }
        self.thresholds[k] = Some(thresholds.to_vec());
        Ok(())
    }

    /// The thresholds above which a task of yes or no is decided to be yes, one for each target column; `None` if none were
    /// chosen, and they are ½.
    pub fn thresholds(&self, task: &str) -> Option<&[f64]> {
        let k = self.tasks().iter().position(|candidate| candidate.name() == task)?;
        self.thresholds[k].as_deref()
    }

    fn binary_task(&self, task: &str) -> Result<usize> {
        let Some(k) = self.tasks().iter().position(|candidate| candidate.name() == task) else {
            let there: Vec<&str> = self.tasks().iter().map(|task| task.name()).collect();
            return Err(Error::new(ErrorKind::Name, "task to decide", format!("one of {there:?}"), task));
        };
        match self.network.loss(k).kind() {
            Kind::Binary => Ok(k),
            other => {
                let place = format!("thresholds of {}", self.place(k));
                Err(Error::new(ErrorKind::Setting, place, "a task of yes or no", format!("{other:?}")))
            }
        }
    }

    fn decide_column(&self, task: usize, column: usize, mut p: ArrayViewMut1<'_, F>) {
        let threshold = self.thresholds[task].as_ref().map_or(0.5, |thresholds| thresholds[column]);
        p.mapv_inplace(|p| match p.to_f64() {
            number if number.is_nan() => p,
            number if number > threshold => F::ONE,
            _ => F::ZERO,
        });
    }
}

/// The class with the largest probability, the first if several have it; none if one is not a number.
fn likeliest<F: Scalar>(p: ArrayView1<'_, F>) -> Option<usize> {
    let larger = |best: usize, class: usize| if p[class] > p[best] { class } else { best };
    p.iter().all(|p| !p.is_nan()).then(|| (1..p.len()).fold(0, larger))
}
