//! Fitting the networks of an estimator over several ranks: each fits some of them, and all have the whole.

use std::sync::Arc;

use super::{Estimator, EstimatorKind, Fitted, FittedMembers};
use crate::data::Dataset;
use crate::ranks::{Exchange, Ranks};
use crate::{Result, Scalar};

impl<K: EstimatorKind> Estimator<K> {
    /// Fits the networks over [ranks](crate::ranks), processes or threads that call the same with the same table, and gives
    /// every rank the estimator of all of them: the one that one process fits, to the bit.
    ///
    /// Rank r of n fits networks `m r / n .. m (r + 1) / n` of m, with as many [threads](Self::threads) as a rank may have, and
    /// sends what a file of them would hold. If there are more ranks than networks, some have none to fit.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::ranks::on_threads;
    ///
    /// let data = datasets::robot_arm::<f32>(60, 0.05, 42);
    /// let settings = MultiTaskRegressor::new().hidden([8]).members(5).epochs(3).threads(1);
    /// let estimators = on_threads(2, |ranks| settings.fit_over(&data, ranks))?;
    /// let alone = settings.fit_table(&data)?;
    /// assert_eq!(estimators[1].to_bytes()?, alone.to_bytes()?);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fit_members`](Self::fit_members) and [`Fitted::merge`], on every rank; [`ErrorKind::Rank`](crate::ErrorKind::Rank)
    /// if a rank has left. Networks with parts of your own cannot be sent: save and merge them by hand, with a
    /// [`Registry`](crate::Registry).
    pub fn fit_over<F: Scalar>(
        &self,
        data: &Dataset<F>,
        ranks: impl Ranks + 'static,
    ) -> Result<Fitted<K, F>> {
        let ranks: Arc<dyn Ranks> = Arc::new(ranks);
        let (rank, size) = (ranks.rank(), ranks.size());
        let mut exchange = Exchange::new(ranks);
        let checked = exchange.agree(self.check())?;
        let n = checked.settings.n_members();
        let numbers = n * rank / size..n * (rank + 1) / size;
        let own = match numbers.is_empty() {
            true => Ok(Vec::new()),
            false => checked.fit_members(data, numbers).and_then(|part| part.to_bytes()),
        };
        let own = exchange.agree(own)?;
        let parts = exchange.gather_bytes(&own)?;
        let parts = parts.iter().filter(|bytes| !bytes.is_empty());
        Fitted::merge(parts.map(|bytes| FittedMembers::from_bytes(bytes)).collect::<Result<Vec<_>>>()?)
    }
}
