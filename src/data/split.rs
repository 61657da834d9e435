//! Splitting a table for training and testing: in two, in three, or into k folds; by groups, or stratified.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::Dataset;
use super::batches::{members, shuffle};
use crate::{Error, ErrorKind, Result, Scalar};

/// One fold of cross-validation, as row indices in ascending order.
///
/// ```
/// use polytask::data::{Dataset, Fold};
///
/// let data = Dataset::<f64>::from_slices(&[0.0, 1.0, 2.0, 3.0], 1, &[], 0)?;
/// for Fold { train, test, .. } in data.fold_rows(4, 42)? {
///     assert_eq!((train.len(), test.len()), (3, 1));
///     let mut rows = [train, test].concat();
///     rows.sort();
///     assert_eq!(rows, [0, 1, 2, 3]); // each row is in one of the two
/// }
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fold {
    /// The rows to train on.
    pub train: Vec<usize>,
    /// The rows to test on: one k-th of the table.
    pub test: Vec<usize>,
}

impl Fold {
    /// A fold of your own, for [`CrossValidation::with_folds`](crate::validation::CrossValidation::with_folds).
    ///
    /// ```
    /// use polytask::data::Fold;
    ///
    /// let fold = Fold::new(vec![0, 1, 2], vec![3]);
    /// assert_eq!((fold.train.len(), fold.test.len()), (3, 1));
    /// ```
    pub fn new(train: Vec<usize>, test: Vec<usize>) -> Self {
        Self { train, test }
    }
}

impl<F: Scalar> Dataset<F> {
    /// Splits the table in two at random: about `share` of the rows, and the rest.
    ///
    /// The number of rows is rounded to the nearest integer, and each part gets at least one row. If the rows
    /// have groups, groups are not divided: the first part takes whole groups as long as that brings it nearer
    /// to its share.
    ///
    /// ```
    /// use polytask::data::Dataset;
    ///
    /// let data = Dataset::<f64>::from_slices(&[0.0, 1.0, 2.0, 3.0, 4.0], 1, &[], 0)?;
    /// let (train, test) = data.split(0.8, 42)?;
    /// assert_eq!((train.n_rows(), test.n_rows()), (4, 1));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if `share` is not between 0 and 1, [`ErrorKind::Shape`] if there are fewer than
    /// two rows, or two groups.
    pub fn split(&self, share: f64, seed: u64) -> Result<(Self, Self)> {
        F::split(self, share, seed)
    }

    pub(crate) fn split_here(&self, share: f64, seed: u64) -> Result<(Self, Self)> {
        let (first, second) = self.split_rows(share, seed)?;
        Ok((self.select(&first), self.select(&second)))
    }

    /// The rows of the two parts of [`split`](Self::split).
    pub(crate) fn split_rows(&self, share: f64, seed: u64) -> Result<(Vec<usize>, Vec<usize>)> {
        check_share(share)?;
        let units = self.shuffled_units(seed);
        self.check_units("a split", &units, 2)?;
        let cut = self.cut(&units, 0, share, 1);
        Ok((units[..cut].concat(), units[cut..].concat()))
    }

    /// Splits the table in three at random: about `shares[0]` of the rows for training, `shares[1]` for
    /// validation, and the rest for testing.
    ///
    /// Rounding and groups are as in [`split`](Self::split).
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(50, 0.05, 1);
    /// let (train, validation, test) = data.split_three([0.6, 0.2], 42)?;
    /// assert_eq!((train.n_rows(), validation.n_rows(), test.n_rows()), (30, 10, 10));
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if the shares are not above 0 with a sum below 1, [`ErrorKind::Shape`] if there
    /// are fewer than three rows, or three groups.
    pub fn split_three(&self, shares: [f64; 2], seed: u64) -> Result<(Self, Self, Self)> {
        let [first, second] = shares;
        // NaN fails every comparison.
        if !(first > 0.0 && second > 0.0 && first + second < 1.0) {
            return Err(Error::new(
                ErrorKind::Setting,
                "shares of a split in three",
                "two numbers above 0 with a sum below 1",
                format!("{first} and {second}"),
            ));
        }
        let units = self.shuffled_units(seed);
        self.check_units("a split in three", &units, 3)?;
        let one = self.cut(&units, 0, first, 2);
        let two = self.cut(&units, one, second, 1);
        let part = |units: &[Vec<usize>]| self.select(&units.concat());
        Ok((part(&units[..one]), part(&units[one..two]), part(&units[two..])))
    }

    /// Splits the table in two at random, stratified by the target column `target`: both parts get their fair
    /// share of each class, to within one row. A target with more than 20 different labels is not treated as
    /// classes; its numbers are divided into ten strata of about equal size, and both parts get their share of
    /// each. Rows without a label are a stratum of their own.
    ///
    /// ```
    /// use polytask::data::Dataset;
    ///
    /// let labels: Vec<f64> = (0..40).map(|row| f64::from(u8::from(row % 4 == 0))).collect();
    /// let data = Dataset::from_slices(&[0.5; 40], 1, &labels, 1)?;
    /// let (train, test) = data.stratified_split(0.8, "y0", 42)?;
    /// assert_eq!((train.targets().sum(), test.targets().sum()), (8.0, 2.0));
    ///
    /// // In three parts: the rest is split again.
    /// let (train, rest) = data.stratified_split(0.5, "y0", 42)?;
    /// let (validation, test) = rest.stratified_split(0.5, "y0", 42)?;
    /// assert_eq!([&train, &validation, &test].map(|part| part.n_rows()), [20, 10, 10]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`split`](Self::split); [`ErrorKind::Name`] if there is no target column `target`;
    /// [`ErrorKind::Setting`] if rows have groups, which cannot be both kept whole and stratified.
    pub fn stratified_split(&self, share: f64, target: &str, seed: u64) -> Result<(Self, Self)> {
        check_share(share)?;
        let units = self.stratified_units("a stratified split", target, seed)?;
        self.check_units("a split", &units, 2)?;
        // Row i goes to the first part if the running count i · share, rounded, increases with it.
        let count = |i: usize| (i as f64 * share + 0.5) as usize;
        let (mut first, mut second): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        for (i, unit) in units.iter().enumerate() {
            let part = if count(i + 1) > count(i) { &mut first } else { &mut second };
            part.extend(unit);
        }
        if first.is_empty() || second.is_empty() {
            let (from, to) =
                if first.is_empty() { (&mut second, &mut first) } else { (&mut first, &mut second) };
            to.extend(from.pop());
        }
        Ok((self.select(&first), self.select(&second)))
    }

    /// Where to cut `units[start..]` so that the first piece has about `share` of all rows. It has at least one
    /// unit, and at least `left` units come after it.
    fn cut(&self, units: &[Vec<usize>], start: usize, share: f64, left: usize) -> usize {
        let wanted = share * self.n_rows() as f64;
        let mut taken = units[start].len();
        let mut cut = start + 1;
        while cut + left < units.len() && taken as f64 + units[cut].len() as f64 / 2.0 <= wanted {
            taken += units[cut].len();
            cut += 1;
        }
        cut
    }

    /// The k (training part, test part) pairs of k-fold cross-validation; see [`fold_rows`](Self::fold_rows).
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f64>(50, 0.05, 42);
    /// for (train, test) in data.folds(5, 42)? {
    ///     assert_eq!((train.n_rows(), test.n_rows()), (40, 10));
    /// }
    /// assert!(data.folds(1, 42).is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fold_rows`](Self::fold_rows).
    pub fn folds(&self, k: usize, seed: u64) -> Result<Vec<(Self, Self)>> {
        let folds = self.fold_rows(k, seed)?;
        Ok(folds.iter().map(|fold| (self.select(&fold.train), self.select(&fold.test))).collect())
    }

    /// The rows of k-fold cross-validation: every row is tested in exactly one fold.
    ///
    /// Folds differ by at most one row. If the rows have groups, each group is in one fold as a whole; to make
    /// the folds even, groups are dealt out from the largest to the smallest, each to the smallest fold.
    ///
    /// ```
    /// use polytask::data::Dataset;
    ///
    /// let data = Dataset::<f64>::from_slices(&[0.0, 1.0, 2.0, 3.0, 4.0], 1, &[], 0)?;
    /// let folds = data.fold_rows(2, 42)?;
    /// assert_eq!(folds.len(), 2);
    /// assert_eq!(folds[0].train, folds[1].test);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if `k` is less than 2, [`ErrorKind::Shape`] if there are fewer than `k` rows or
    /// groups.
    pub fn fold_rows(&self, k: usize, seed: u64) -> Result<Vec<Fold>> {
        let mut units = self.shuffled_units(seed);
        units.sort_by_key(|unit| std::cmp::Reverse(unit.len()));
        self.deal(units, k)
    }

    /// The rows of k-fold cross-validation, stratified by the target column `target`: every fold gets its fair
    /// share of each stratum. The strata are those of [`stratified_split`](Self::stratified_split).
    ///
    /// ```
    /// use polytask::data::Dataset;
    ///
    /// let labels: Vec<f64> = (0..20).map(|row| f64::from(u8::from(row < 5))).collect(); // five of class 1
    /// let data = Dataset::from_slices(&[0.5; 20], 1, &labels, 1)?;
    /// for fold in data.stratified_fold_rows(5, "y0", 42)? {
    ///     assert_eq!(fold.test.iter().filter(|&&row| row < 5).count(), 1); // one in each fold
    ///     assert_eq!(fold.test.len(), 4);
    /// }
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fold_rows`](Self::fold_rows); [`ErrorKind::Name`] if there is no target column `target`; and
    /// [`ErrorKind::Setting`] if rows have groups, which cannot be both kept whole and stratified.
    pub fn stratified_fold_rows(&self, k: usize, target: &str, seed: u64) -> Result<Vec<Fold>> {
        let units = self.stratified_units("stratified folds", target, seed)?;
        self.deal(units, k)
    }

    /// The rows stratum by stratum, in random order within each; rows without a label come last.
    fn stratified_units(&self, place: &str, target: &str, seed: u64) -> Result<Vec<Vec<usize>>> {
        let column = self.names().target(target)?;
        if self.groups().is_some() {
            return Err(Error::new(ErrorKind::Setting, place, "rows without groups", "groups")
                .advise("use split or fold_rows, which keep groups whole"));
        }
        let label = |row: usize| self.targets()[[row, column]].to_f64();
        let mut values: Vec<f64> = (0..self.n_rows()).map(label).filter(|y| !y.is_nan()).collect();
        values.sort_by(f64::total_cmp);
        // The smallest label of each stratum.
        let mut bounds = values.clone();
        bounds.dedup();
        if bounds.len() > CLASSES {
            bounds = (0..TENTHS).map(|tenth| values[tenth * values.len() / TENTHS]).collect();
        }
        let stratum = |unit: &Vec<usize>| match label(unit[0]) {
            y if y.is_nan() => usize::MAX,
            y => bounds.partition_point(|&bound| bound <= y),
        };
        let mut units = self.shuffled_units(seed);
        units.sort_by_key(stratum);
        Ok(units)
    }

    /// The units that must not be divided, in random order: the groups, or single rows if there are none.
    fn shuffled_units(&self, seed: u64) -> Vec<Vec<usize>> {
        let mut units = match self.groups() {
            Some(groups) => members(groups),
            None => (0..self.n_rows()).map(|row| vec![row]).collect(),
        };
        shuffle(&mut units, &mut ChaCha8Rng::seed_from_u64(seed));
        units
    }

    fn check_units(&self, place: &str, units: &[Vec<usize>], needed: usize) -> Result<()> {
        if units.len() >= needed {
            return Ok(());
        }
        let kind = if self.groups().is_some() { "groups" } else { "rows" };
        Err(Error::new(ErrorKind::Shape, place, format!("at least {needed} {kind}"), units.len()))
    }

    /// Deals `units` to `k` folds, each to the one with the fewest rows so far.
    fn deal(&self, units: Vec<Vec<usize>>, k: usize) -> Result<Vec<Fold>> {
        if k < 2 {
            return Err(Error::new(ErrorKind::Setting, "number of folds", "at least 2", k));
        }
        self.check_units(&format!("{k} folds"), &units, k)?;
        let mut fold_of = vec![0; self.n_rows()];
        let mut sizes = vec![0; k];
        for unit in units {
            let smallest = (0..k).min_by_key(|&fold| sizes[fold]).expect("k is at least 2");
            sizes[smallest] += unit.len();
            for row in unit {
                fold_of[row] = smallest;
            }
        }
        Ok((0..k)
            .map(|fold| {
                let (test, train) = (0..self.n_rows()).partition(|&row| fold_of[row] == fold);
                Fold { train, test }
            })
            .collect())
    }
}

/// A target with more different labels than this is a quantity, whose strata are its tenths.
const CLASSES: usize = 20;
const TENTHS: usize = 10;

fn check_share(share: f64) -> Result<()> {
    if share > 0.0 && share < 1.0 {
        return Ok(());
    }
    let expected = "a number between 0 and 1, both excluded";
    Err(Error::new(ErrorKind::Setting, "share of a split", expected, share))
}
