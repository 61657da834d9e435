//! The settings of an estimator of any kind, one by one.

use std::marker::PhantomData;

use super::settings::Settings;
use super::{Checked, Estimator, MemberKind};
use crate::train::callback::Callback;
use crate::{Result, Sharing};

impl<Kind> Default for Estimator<Kind> {
    fn default() -> Self {
        Self { settings: Settings::default(), kind: PhantomData }
    }
}

impl<Kind> Estimator<Kind> {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The widths of the shared hidden layers, each with ReLU (default: 64 and 64); none makes a linear model.
    ///
    /// ```
    /// # use polytask::ndarray::Array2;
    /// use polytask::prelude::*;
    ///
    /// # let x = Array2::from_shape_fn((40, 3), |(i, j)| ((i * (j + 3)) % 17) as f64 / 17.0);
    /// # let y = Array2::from_shape_fn((40, 2), |(i, k)| x[[i, k]] - x[[i, 0]] * x[[i, 1]]);
    /// // Three features, two targets.
    /// let n_parameters = |settings: MultiTaskRegressor| {
    ///     let model = settings.members(1).epochs(1).fit(&x, &y)?;
    ///     Ok::<_, polytask::Error>(model.members()[0].n_parameters())
    /// };
    /// assert_eq!(n_parameters(MultiTaskRegressor::new().hidden([]))?, 2 * (3 + 1));
    /// assert_eq!(n_parameters(MultiTaskRegressor::new().hidden([5]))?, 5 * (3 + 1) + 2 * (5 + 1));
    /// let apart = Sharing::independent([Layer::dense(5, Activation::Relu)]); // a trunk for each target
    /// assert_eq!(n_parameters(MultiTaskRegressor::new().sharing(apart))?, 2 * (5 * (3 + 1) + (5 + 1)));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn hidden(mut self, widths: impl IntoIterator<Item = usize>) -> Self {
        self.settings.hidden = widths.into_iter().collect();
        self.settings.sharing = None;
        self
    }

    /// Another sharing form than a trunk of [`hidden`](Self::hidden) layers.
    #[must_use]
    pub fn sharing(mut self, sharing: Sharing) -> Self {
        self.settings.sharing = Some(sharing);
        self
    }

    /// The number of networks of all kinds, at least 1 (default: three for each fold, so 15; [`effort`](Self::effort) changes it):
    /// time and memory grow with it. As many as there are [`folds`](Self::folds) are of one [kind](Self::kinds), the next as many of
    /// the next kind, and so on, in turn. So with the defaults fewer than 10 are all plain, from 10 on there are binned ones, and
    /// from 15 on linear ones.
    #[must_use]
    pub fn members(mut self, members: usize) -> Self {
        self.settings.members = Some(members);
        self
    }

    /// Which kinds of networks there are, in turn: see [`MemberKind`] and [`members`](Self::members). Each target is predicted by
    /// a weighted mean of the kinds, by the weights that are best for the rows that networks have not learnt from
    /// ([`Fitted::stack`](super::Fitted::stack)). With one kind it is the plain mean of the networks.
    ///
    /// Default: plain, binned and linear ones; [`effort`](Self::effort) changes it. There are no binned or fine ones for more than
    /// 48 features, and none but plain ones if [`hidden`](Self::hidden) has no layer or [`sharing`](Self::sharing) is set. Hidden
    /// layers and weight decay that are set hold for all kinds, but that linear networks have no hidden layer, the first one of
    /// fine networks is twice as wide, and decayed ones have five times the decay.
    ///
    /// ```
    /// # use polytask::ndarray::Array2;
    /// use polytask::estimator::MemberKind;
    /// use polytask::prelude::*;
    ///
    /// # let x = Array2::from_shape_fn((40, 2), |(i, j)| ((i * (j + 3)) % 17) as f64 / 17.0);
    /// # let y = Array2::from_shape_fn((40, 2), |(i, k)| x[[i, k]] - x[[i, 0]] * x[[i, 1]]);
    /// let settings = MultiTaskRegressor::new().hidden([8]).epochs(2).folds(2).members(4);
    /// assert_eq!(settings.fit(&x, &y)?.member_kinds()[2..], [MemberKind::Binned; 2]);
    /// let mean = settings.clone().kinds([MemberKind::Plain]).fit(&x, &y)?; // of four networks alike
    /// assert!(mean.member_kinds() == [MemberKind::Plain; 4] && mean.stack().is_none());
    /// assert!(settings.kinds([]).check().is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// [`check`](Self::check) refuses a list that is empty or names a kind twice, and linear, binned or fine networks beside a
    /// sharing form of one's own.
    #[must_use]
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = MemberKind>) -> Self {
        self.settings.kinds = Some(kinds.into_iter().collect());
        self
    }

    /// The number of folds, at least 2 (default: 5): each network stops early on one fold of the rows and learns from
    /// the others. Where a kind has more members than folds, the rows are split into folds again for each further round of them.
    /// A table with fewer rows, or groups, has one fold for each of them.
    ///
    /// ```
    /// # use polytask::ndarray::Array2;
    /// # use polytask::prelude::*;
    /// # let x = Array2::from_shape_fn((40, 2), |(i, j)| ((i * (j + 3)) % 17) as f64 / 17.0);
    /// # let y = Array2::from_shape_fn((40, 2), |(i, k)| x[[i, k]] - x[[i, 0]] * x[[i, 1]]);
    /// let settings = MultiTaskRegressor::new().hidden([8]).epochs(2).members(3).folds(2);
    /// let model = settings.fit(&x, &y)?; // the third network cuts the rows anew
    /// assert_eq!(model.members().len(), 3);
    /// assert!(settings.folds(1).check().is_err()); // nothing would be left to learn from
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn folds(mut self, folds: usize) -> Self {
        self.settings.folds = folds;
        self
    }

    /// The initial learning rate of AdamW (default: 0.005); it decays to 0 along half a cosine.
    ///
    /// ```
    /// # use polytask::ndarray::Array2;
    /// # use polytask::prelude::*;
    /// # let x = Array2::from_shape_fn((60, 2), |(i, j)| ((i * (j + 3)) % 17) as f64 / 17.0);
    /// # let y = Array2::from_shape_fn((60, 2), |(i, k)| x[[i, k]] - x[[i, 0]] * x[[i, 1]]);
    /// let settings = MultiTaskRegressor::new().hidden([16]).members(1).epochs(20);
    /// let score = |rate| settings.clone().learning_rate(rate).fit(&x, &y)?.score(&x, &y);
    /// assert!(score(1e-5)? < score(0.005)?); // hardly moves in 20 epochs
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn learning_rate(mut self, rate: f64) -> Self {
        self.settings.learning_rate = rate;
        self
    }

    /// The weight decay of AdamW, at least 0 (default: 0.1).
    ///
    /// ```
    /// # use polytask::ndarray::Array2;
    /// # use polytask::prelude::*;
    /// # let x = Array2::from_shape_fn((60, 2), |(i, j)| ((i * (j + 3)) % 17) as f64 / 17.0);
    /// # let y = Array2::from_shape_fn((60, 2), |(i, k)| x[[i, k]] - x[[i, 0]] * x[[i, 1]]);
    /// let square = |decay| {
    ///     let settings = MultiTaskRegressor::new().hidden([16]).members(1).epochs(20).weight_decay(decay);
    ///     let model = settings.fit(&x, &y)?;
    ///     Ok::<_, polytask::Error>(model.members()[0].parameters().iter().map(|w| w * w).sum::<f64>())
    /// };
    /// assert!(square(2.0)? < 0.9 * square(0.0)?);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn weight_decay(mut self, decay: f64) -> Self {
        self.settings.weight_decay = decay;
        self
    }

    /// The number of rows in a batch, at least 1. Default: 32; with high [effort](Self::effort) 128 in a table of more than 20 000
    /// rows.
    ///
    /// ```
    /// # use polytask::ndarray::Array2;
    /// # use polytask::prelude::*;
    /// # let x = Array2::from_shape_fn((60, 2), |(i, j)| ((i * (j + 3)) % 17) as f64 / 17.0);
    /// # let y = Array2::from_shape_fn((60, 2), |(i, k)| x[[i, k]] - x[[i, 0]] * x[[i, 1]]);
    /// let settings = MultiTaskRegressor::new().hidden([16]).members(1).epochs(10);
    /// let score = |rows| settings.clone().batch_size(rows).fit(&x, &y)?.score(&x, &y);
    /// assert!(score(60)? < score(8)?); // one step for each pass over the rows, and six
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.settings.batch_size = Some(rows);
        self
    }

    /// The most passes over the rows, at least 1. Default: 300, or as many as make 20 000 steps if that is less, but at
    /// least 10.
    ///
    /// ```
    /// # use polytask::ndarray::Array2;
    /// # use polytask::prelude::*;
    /// # let x = Array2::from_shape_fn((60, 2), |(i, j)| ((i * (j + 3)) % 17) as f64 / 17.0);
    /// # let y = Array2::from_shape_fn((60, 2), |(i, k)| x[[i, k]] - x[[i, 0]] * x[[i, 1]]);
    /// let settings = MultiTaskRegressor::new().hidden([16]).members(1);
    /// let score = |epochs| settings.clone().epochs(epochs).fit(&x, &y)?.score(&x, &y);
    /// assert!(score(2)? < score(40)?);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn epochs(mut self, epochs: u64) -> Self {
        self.settings.epochs = Some(epochs);
        self
    }

    /// After how many epochs without a better loss on the held-out rows a network stops (default: a third of the epochs).
    ///
    /// ```
    /// # use polytask::ndarray::Array2;
    /// # use polytask::prelude::*;
    /// # let x = Array2::from_shape_fn((60, 2), |(i, j)| ((i * (j + 3)) % 17) as f64 / 17.0);
    /// # let y = Array2::from_shape_fn((60, 2), |(i, k)| x[[i, k]] - x[[i, 0]] * x[[i, 1]]);
    /// let rough = MultiTaskRegressor::new().hidden([16]).members(1).epochs(60).learning_rate(0.1);
    /// let score = |patience| rough.clone().patience(patience).fit(&x, &y)?.score(&x, &y);
    /// assert!(score(1)? < score(60)?); // the first epoch that is no better ends it, and none does
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn patience(mut self, epochs: u64) -> Self {
        self.settings.patience = Some(epochs);
        self
    }

    /// The seed of everything random: initial parameters, folds, order of rows (default: 0).
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The number of networks fitted at the same time (default: one per processor). The result does not depend on it,
    /// to the bit.
    ///
    /// ```
    /// # use polytask::ndarray::Array2;
    /// # use polytask::prelude::*;
    /// # let x = Array2::from_shape_fn((40, 2), |(i, j)| ((i * (j + 3)) % 17) as f64 / 17.0);
    /// # let y = Array2::from_shape_fn((40, 2), |(i, k)| x[[i, k]] - x[[i, 0]] * x[[i, 1]]);
    /// let settings = MultiTaskRegressor::new().hidden([8]).members(3).epochs(3).seed(7);
    /// let alone = settings.clone().threads(1).fit(&x, &y)?;
    /// assert_eq!(alone.predict(&x)?, settings.clone().threads(3).fit(&x, &y)?.predict(&x)?);
    /// assert_ne!(alone.predict(&x)?, settings.seed(8).fit(&x, &y)?.predict(&x)?);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.settings.threads = Some(threads);
        self
    }

    /// Adds a callback, such as a progress bar or Ctrl-C; the training of each network is told of by a copy of it.
    ///
    /// If one ends a training, that ends the whole fit, and not with an error: the estimator has the networks before the
    /// first that was ended, the same ones for any number of [`threads`](Self::threads). If there is none before it, it has
    /// that one, with its best parameters so far. [`Fitted::stopped`](super::Fitted::stopped) says which it was, and
    /// [`warnings`](super::Fitted::warnings) too. (A callback called `early_stopping` ends its network alone, as the estimator's
    /// own does.)
    ///
    /// ```
    /// use polytask::ndarray::Array2;
    /// use polytask::prelude::*;
    /// use polytask::train::callback::each_step;
    /// use std::ops::ControlFlow;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let x = Array2::from_shape_fn((40, 2), |(i, j)| ((i * (j + 3)) % 17) as f64 / 17.0);
    /// let n_steps = Arc::new(AtomicUsize::new(0));
    /// let count = Arc::clone(&n_steps);
    /// let settings = MultiTaskRegressor::new().hidden([8]).members(5).epochs(4).patience(9).threads(1);
    /// let model = settings
    ///     .callback(each_step(move |_| match count.fetch_add(1, Ordering::Relaxed) {
    ///         9 => ControlFlow::Break(()), // in the third network, each of which takes four steps
    ///         _ => ControlFlow::Continue(()),
    ///     }))
    ///     .fit(&x, &x)?;
    /// assert_eq!((model.members().len(), n_steps.load(Ordering::Relaxed)), (2, 10));
    /// assert_eq!(model.stopped().expect("it was").wanted, 5);
    /// assert!(model.warnings()[0].to_string().contains("2 of 5 networks are trained"));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.settings.callbacks.push(Box::new(callback));
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) names the first that is outside its range.
    pub fn check(&self) -> Result<Checked<Kind>> {
        self.settings.check()?;
        Ok(Checked { settings: self.settings.clone(), kind: PhantomData })
    }
}
