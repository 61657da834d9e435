//! Some of an estimator's networks, fitted apart from the others, on another day or another machine, and merged with
//! them afterwards.
//!
//! ```text
//! fit_members(data, 0..4) ──▶ FittedMembers ──┐
//! fit_members(data, 4..7) ──▶ FittedMembers ──┼── Fitted::merge ──▶ Fitted, as fit_table gives it, to the bit
//! fit_members(data, 7..10) ─▶ FittedMembers ──┘
//! ```
//! A network's kind, folds, initial parameters and order of rows depend on the settings and on its number alone. Networks of
//! several kinds bring along what they predict for the rows that they held out, so that a merge finds the weights of the kinds;
//! and the rows that are kept for calibration, which only the whole estimator can score, come with each part.

use std::marker::PhantomData;
use std::ops::Range;

use super::calibration::CalibrationRows;
use super::ensemble::Networks;
use super::held_out::{self, HeldOut, LabelTable};
use super::member_kind::MemberKind;
use super::target::Target;
use super::wanted::{Ranges, Wanted};
use super::{Checked, Estimator, EstimatorKind, Fitted};
use crate::data::{Dataset, Fingerprint};
use crate::{Error, ErrorKind, Model, Result, Scalar};

/// Some of the networks of an estimator, made by [`Estimator::fit_members`].
///
/// It predicts nothing: [`Fitted::merge`] makes an estimator of all of them. With feature `persist`, it is saved where it
/// was fitted and loaded where it is merged.
///
/// ```
/// use polytask::estimator::Fitted;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f32>(60, 0.05, 42);
/// let settings = MultiTaskRegressor::new().hidden([8]).members(3).epochs(3);
/// let (first, others) = (settings.fit_members(&data, 0..1)?, settings.fit_members(&data, 1..3)?);
/// assert_eq!(others.range(), 1..3);
/// let merged = Fitted::merge([others, first])?;
/// let x = data.features().to_owned();
/// assert_eq!(merged.predict(&x)?, settings.fit_table(&data)?.predict(&x)?);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FittedMembers<Kind, F: Scalar> {
    pub(super) members: Vec<Model<F>>,
    pub(super) kinds: Vec<MemberKind>,
    /// What each held out, and the labels; if the estimator has several kinds of networks, or quantities to calibrate.
    pub(super) held_out: Option<(Vec<HeldOut>, LabelTable)>,
    /// The rows that are kept apart.
    pub(super) calibration: Option<CalibrationRows<F>>,
    /// Between which values quantities are predicted.
    pub(super) ranges: Option<Ranges>,
    pub(super) kind: PhantomData<Kind>,
    pub(super) provenance: Provenance,
}

/// Which networks of which estimator they are.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(deny_unknown_fields))]
pub(super) struct Provenance {
    /// The number of the first one.
    pub(super) first: usize,
    /// How many the estimator has.
    pub(super) of: usize,
    settings: String,
    /// The hidden layers, which networks of different kinds cannot show; empty in files of earlier versions.
    #[cfg_attr(feature = "persist", serde(default, skip_serializing_if = "String::is_empty"))]
    hidden: String,
    /// The fingerprint of the table.
    table: String,
}

impl Provenance {
    /// In what the table differs from the one of others.
    fn other_table(&self, of_others: &Self) -> String {
        let tables = [self, of_others].map(|provenance| Fingerprint::from_text(&provenance.table));
        match tables {
            [Some(own), Some(others)] if own != others => {
                format!("a table with other {}", own.differences(&others).join(" and other "))
            }
            _ => "another table".into(),
        }
    }

    pub(super) fn range(&self, n_members: usize) -> Range<usize> {
        self.first..self.first + n_members
    }
}

impl<K: EstimatorKind> Estimator<K> {
    /// Checks the settings and fits the networks of these numbers, from 0 to the number of
    /// [`members`](Self::members): one of several jobs whose results [`Fitted::merge`] puts together.
    ///
    /// Settings and table must be the same in all jobs, but not the number of threads. If a callback ends the fit, what is
    /// returned are the networks before the first that was ended, as [`range`](FittedMembers::range) says.
    ///
    /// ```
    /// use polytask::estimator::{Fitted, FittedMembers, Regression};
    /// use polytask::prelude::*;
    ///
    /// let settings = MultiTaskRegressor::new().hidden([8]).members(4).epochs(3);
    /// let n_jobs = 2; // of an array of jobs on a cluster, each with its number
    /// let job = |number: usize| -> polytask::Result<FittedMembers<Regression, f64>> {
    ///     let data = datasets::robot_arm(60, 0.05, 42);
    ///     settings.fit_members(&data, number * 4 / n_jobs..(number + 1) * 4 / n_jobs)
    /// };
    /// let model = Fitted::merge([job(0)?, job(1)?])?;
    /// assert_eq!(model.members().len(), 4);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As the estimator's `fit`; [`ErrorKind::Setting`] if the numbers are none, or beyond those of the members;
    /// [`ErrorKind::Value`] if a callback ended the fit before a network was complete.
    pub fn fit_members<F: Scalar>(
        &self,
        data: &Dataset<F>,
        numbers: Range<usize>,
    ) -> Result<FittedMembers<K, F>> {
        self.check()?.fit_members(data, numbers)
    }
}

impl<K: EstimatorKind> Checked<K> {
    /// As [`Estimator::fit_members`].
    ///
    /// # Errors
    /// As there, but for settings.
    pub fn fit_members<F: Scalar>(
        &self,
        data: &Dataset<F>,
        numbers: Range<usize>,
    ) -> Result<FittedMembers<K, F>> {
        let of = self.settings.n_members();
        if numbers.is_empty() || numbers.end > of {
            let expected = format!("some of 0..{of}");
            return Err(Error::new(
                ErrorKind::Setting,
                "numbers of networks",
                expected,
                format!("{numbers:?}"),
            ));
        }
        let wanted = Wanted::of::<K, F>(&self.settings, data)?;
        let (learnt, calibration) = self.settings.parted(data, &wanted)?;
        let (networks, stopped) = self.settings.fit_networks(&learnt, &wanted, numbers.clone())?;
        if let Some(stopped) = stopped.filter(|stopped| stopped.n_complete == 0) {
            let found = format!("none: `{}` ended the fit", stopped.by);
            let place = format!("networks {numbers:?}");
            return Err(Error::new(ErrorKind::Value, place, "at least one trained to its end", found));
        }
        let provenance = Provenance {
            first: numbers.start,
            of,
            settings: self.settings.in_words(),
            hidden: self.settings.hidden_in_words(),
            table: data.fingerprint().to_text(),
        };
        let Networks { members, kinds, held_out } = networks;
        let label_table = || LabelTable::of(&learnt, &wanted.targets, &wanted.columns);
        let held_out = (!held_out.is_empty()).then(|| (held_out, label_table()));
        let ranges = self.settings.ranges(&learnt, &wanted);
        Ok(FittedMembers { members, kinds, held_out, calibration, ranges, kind: PhantomData, provenance })
    }

    /// All networks at once.
    pub(super) fn fit_all<F: Scalar>(&self, data: &Dataset<F>) -> Result<Fitted<K, F>> {
        let wanted = Wanted::of::<K, F>(&self.settings, data)?;
        let (learnt, calibration) = self.settings.parted(data, &wanted)?;
        let range = 0..self.settings.n_members();
        let (Networks { members, kinds, held_out }, stopped) =
            self.settings.fit_networks(&learnt, &wanted, range)?;
        let table = LabelTable::of(&learnt, &wanted.targets, &wanted.columns);
        let stack = held_out::stack(&kinds, &held_out, &table, &wanted.targets);
        let ranges = self.settings.ranges(&learnt, &wanted);
        let targets = wanted.targets;
        let fitted =
            Fitted { members, kinds, targets, stack, ranges, stopped, calibration: None, kind: PhantomData };
        fitted.calibrated(calibration, &held_out, Some(&table))
    }
}

impl<K, F: Scalar> FittedMembers<K, F> {
    /// The numbers of the networks.
    pub fn range(&self) -> Range<usize> {
        self.provenance.range(self.members.len())
    }

    /// The networks.
    pub fn members(&self) -> &[Model<F>] {
        &self.members
    }

    /// The kind of each.
    pub fn member_kinds(&self) -> &[MemberKind] {
        &self.kinds
    }
}

impl<K: EstimatorKind, F: Scalar> Fitted<K, F> {
    /// The estimator of all networks, which were fitted apart from one another; in any order.
    ///
    /// ```
    /// use polytask::estimator::Fitted;
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(60, 0.05, 42);
    /// let settings = MultiTaskRegressor::new().hidden([8]).members(5).epochs(2);
    /// let parts = [settings.fit_members(&data, 0..2)?, settings.fit_members(&data, 4..5)?];
    /// let error = Fitted::merge(parts).unwrap_err().to_string();
    /// assert!(error.contains("networks 2..4 are missing"), "{error}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if networks are missing or there twice, or if they were fitted with different settings or to
    /// different tables.
    pub fn merge(parts: impl IntoIterator<Item = FittedMembers<K, F>>) -> Result<Self> {
        let mut parts: Vec<_> = parts.into_iter().collect();
        parts.sort_by_key(|part| part.provenance.first);
        let wrong = |place: String, expected: &str, found: &str| {
            Err(Error::new(ErrorKind::Setting, place, expected, found))
        };
        let Some(first) = parts.first().cloned() else {
            return wrong("networks to merge".into(), "at least one part", "none");
        };
        let FittedMembers { ranges, provenance, .. } = &first;
        // The first network of each kind.
        let mut of_kinds: Vec<(MemberKind, &Model<F>)> = Vec::new();
        let mut end = 0;
        for part in &parts {
            let (range, of_part) = (part.range(), &part.provenance);
            let place = || format!("networks {range:?}");
            if of_part.of != provenance.of {
                let of = |of: usize| format!("of an estimator of {of}");
                return wrong(place(), &of(provenance.of), &of(of_part.of));
            }
            if of_part.settings != provenance.settings {
                return wrong(place(), &provenance.settings, &of_part.settings);
            }
            if of_part.table != provenance.table || part.ranges != *ranges {
                let expected = "networks that were fitted to the same table as the others";
                return wrong(place(), expected, &of_part.other_table(provenance));
            }
            let mut is_like_others = of_part.hidden == provenance.hidden;
            for (&kind, model) in part.kinds.iter().zip(&part.members) {
                match of_kinds.iter().find(|(other, _)| *other == kind) {
                    Some((_, other)) => is_like_others &= model.is_built_like(other),
                    None => of_kinds.push((kind, model)),
                }
                is_like_others &= model.reads_like(&first.members[0]);
            }
            let brings = |part: &FittedMembers<K, F>| (part.held_out.is_some(), part.calibration.is_some());
            if !is_like_others || brings(part) != brings(&first) {
                return wrong(place(), "the architecture of the others", "another one");
            }
            if range.start < end {
                let found = format!("those before {end} in another part too");
                return wrong(place(), "each network once", &found);
            }
            check_complete(end..range.start)?;
            end = range.end;
        }
        check_complete(end..provenance.of)?;
        let FittedMembers { ranges, held_out, calibration, .. } = first;
        let kinds: Vec<MemberKind> = parts.iter().flat_map(|part| part.kinds.iter().copied()).collect();
        let of_parts = parts.iter_mut().filter_map(|part| part.held_out.take());
        let held_out_by: Vec<HeldOut> = of_parts.flat_map(|(of_members, _)| of_members).collect();
        let members: Vec<Model<F>> = parts.into_iter().flat_map(|part| part.members).collect();
        let targets = Target::of_tasks(members[0].tasks())?;
        let table = held_out.as_ref().map(|(_, table)| table);
        let stack = table.and_then(|table| held_out::stack(&kinds, &held_out_by, table, &targets));
        let (stopped, kind) = (None, PhantomData);
        let merged = Self { members, kinds, targets, stack, ranges, stopped, calibration: None, kind };
        merged.calibrated(calibration, &held_out_by, table)
    }
}

fn check_complete(missing: Range<usize>) -> Result<()> {
    match missing.is_empty() {
        true => Ok(()),
        false => {
            let found = format!("networks {missing:?} are missing");
            Err(Error::new(ErrorKind::Setting, "networks to merge", "all of the estimator's", found)
                .advise(format!("fit them with fit_members(data, {missing:?})")))
        }
    }
}
