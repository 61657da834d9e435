//! Parts of a table for training and testing: one split, or k folds.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::Dataset;
use super::batches::{members, shuffle};
use crate::{Error, ErrorKind, Result, Scalar};

/// One way to cut a table for cross-validation, as row indices in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The rows to train on.
    pub train: Vec<usize>,
    /// The rows to test on: a k-th of the table.
    pub test: Vec<usize>,
}

impl<F: Scalar> Dataset<F> {
    /// Cuts the table in two at random: about `share` of the rows, and the rest.
    ///
    /// The number of rows is rounded to the nearest; each part has at least one. Where rows have groups, each
    /// group goes to one part whole, and the first part takes groups while that brings it nearer to its share.
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
    /// If `share` is not between 0 and 1, or there are not at least two rows, or groups, to part.
    pub fn split(&self, share: f64, seed: u64) -> Result<(Self, Self)> {
        if !(share > 0.0 && share < 1.0) {
            return Err(Error::new(
                ErrorKind::Setting,
                "share of a split",
                "a number between 0 and 1, both excluded",
                share,
            ));
        }
        let units = self.shuffled_units(seed);
        self.check_units("a split", &units, 2)?;
        let wanted = share * self.n_rows() as f64;
        let mut taken = units[0].len();
        let mut cut = 1;
        while cut + 1 < units.len() && taken as f64 + units[cut].len() as f64 / 2.0 <= wanted {
            taken += units[cut].len();
            cut += 1;
        }
        Ok((self.select(&units[..cut].concat()), self.select(&units[cut..].concat())))
    }

    /// The k (training part, test part) pairs of k-fold cross-validation; see [`fold_rows`](Self::fold_rows).
    ///
    /// # Errors
    /// As [`fold_rows`](Self::fold_rows).
    pub fn folds(&self, k: usize, seed: u64) -> Result<Vec<(Self, Self)>> {
        let folds = self.fold_rows(k, seed)?;
        Ok(folds.iter().map(|fold| (self.select(&fold.train), self.select(&fold.test))).collect())
    }

    /// The rows of k-fold cross-validation: every row is tested in exactly one fold.
    ///
    /// Folds differ by at most one row. Where rows have groups, each group is tested whole, and folds are as
    /// even as dealing the largest groups first makes them.
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
    /// If `k` is less than 2, or there are fewer than `k` rows, or groups.
    pub fn fold_rows(&self, k: usize, seed: u64) -> Result<Vec<Fold>> {
        let mut units = self.shuffled_units(seed);
        units.sort_by_key(|unit| std::cmp::Reverse(unit.len()));
        self.deal(units, k)
    }

    /// The rows of k-fold cross-validation in which every fold has its fair share of the values of the target
    /// column `target`: of each class, or of small and large numbers. Rows whose label is missing are spread
    /// evenly too.
    ///
    /// # Errors
    /// As [`fold_rows`](Self::fold_rows), and if there is no target column `target` or rows have groups, which
    /// cannot be both whole and evenly spread.
    pub fn stratified_fold_rows(&self, k: usize, target: &str, seed: u64) -> Result<Vec<Fold>> {
        let column = self.names().target(target)?;
        if self.groups().is_some() {
            return Err(Error::new(ErrorKind::Setting, "stratified folds", "rows without groups", "groups")
                .advise("use fold_rows, which keeps groups whole"));
        }
        let mut units = self.shuffled_units(seed);
        let label = |unit: &[usize]| self.targets()[[unit[0], column]].to_f64();
        units.sort_by(|a, b| label(a).total_cmp(&label(b)));
        self.deal(units, k)
    }

    /// What must stay together, in random order: the rows of each group, or else each row by itself.
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
