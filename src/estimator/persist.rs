//! A fitted estimator in a file: its networks one beside the other, and between which values it predicts.
//!
//! ```text
//! member.0.trunk.0.weight …      parameters and scaling of network 0, as a model's file has them      the architecture,
//! member.1.trunk.0.weight …      those of network 1                                                   the same for all
//! labels.smallest, .largest      between which quantities are predicted, unless it extrapolates       kind and members
//! ```
//! What stands on the right is in the text of the header. If there are several kinds of networks, it also has the kind of each
//! network, the architectures of the other kinds, and the weights of the kinds. Networks that are to be merged with others
//! bring what the weights are found by:
//!
//! ```text
//! held_out.labels, .weights      the table's labels and their weights, rows × targets; NaN where there is none
//! held_out.groups                which rows are ranked together, if there are rankings
//! held_out.0.rows, .judged …     the rows that network 0 has not learnt from, and what it predicts for them, rows × targets
//! ```
//! What is kept for calibration is in `persist_calibration.rs`.

use std::marker::PhantomData;
use std::path::Path;

use ndarray::Array2;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::calibration::{Calibration, CalibrationRows};
use super::held_out::{HeldOut, LabelTable, each_once};
use super::kind::sealed::Sealed;
use super::members::Provenance;
use super::settings::MOST_MEMBERS;
use super::target::Target;
use super::wanted::Ranges;
use super::{Estimator, EstimatorKind, Fitted, FittedMembers, MemberKind, Stack, Stopped};
use crate::model::ESTIMATOR;
use crate::persist::{Reader, Writer};
use crate::{Error, ErrorKind, Model, Registry, Result, Scalar, file};

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    kind: String,
    members: usize,
    /// That of each network; empty if all are plain, as in files of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<MemberKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stack: Option<Stack>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped: Option<Stopped>,
    /// How many rows were kept for calibration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calibrated: Option<usize>,
    /// If they are some of an estimator's networks, of which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provenance: Option<Provenance>,
}

impl<K: EstimatorKind, F: Scalar> Fitted<K, F> {
    /// Saves the estimator to one file that [`Estimator::load`] reads back, exact to the bit, and that Python's
    /// `safetensors` opens.
    ///
    /// The parameters of network m are called `member.m.` and as [`Model::save`] calls them; it is written as that
    /// writes, so that a crash leaves the old file or the new one, whole.
    ///
    /// ```
    /// use polytask::ndarray::Array2;
    /// use polytask::prelude::*;
    ///
    /// let x = Array2::from_shape_fn((60, 2), |(i, j)| ((i * (j + 3)) % 17) as f32 / 17.0);
    /// let y = Array2::from_shape_fn((60, 2), |(i, k)| x[[i, k]] - x[[i, 0]] * x[[i, 1]]);
    /// let model = MultiTaskRegressor::new().members(3).epochs(20).fit(&x, &y)?;
    ///
    /// # let path = std::env::temp_dir().join(format!("polytask-estimator-{}.safetensors", std::process::id()));
    /// model.save(&path)?;
    /// let served = MultiTaskRegressor::load::<f32>(&path)?;
    /// assert_eq!(served.predict(&x)?, model.predict(&x)?);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if a parameter is not a finite number; [`ErrorKind::File`] if the file cannot be
    /// written; [`ErrorKind::Setting`] if the sharing form has a part of your own, which no file can hold:
    /// then save the [`members`](Self::members) one by one.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.written()?.save(path.as_ref())
    }

    /// The bytes of the file that [`save`](Self::save) writes.
    ///
    /// # Errors
    /// As [`save`](Self::save), but for writing.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.written()?.bytes()
    }

    fn written(&self) -> Result<Writer> {
        let (stack, stopped) = (self.stack.clone(), self.stopped.clone());
        let calibrated = self.calibration.as_ref().map(|calibration| calibration.n_rows);
        let about = About { stack, stopped, calibrated, ..About::default() };
        let mut writer = write::<K, F>(&self.members, &self.kinds, self.ranges.as_deref(), about)?;
        self.calibration.iter().try_for_each(|calibration| calibration.write(&mut writer))?;
        Ok(writer)
    }
}

/// The file of an estimator, or of some of its networks; of the text, what they do not say.
fn write<K: Sealed, F: Scalar>(
    members: &[Model<F>],
    kinds: &[MemberKind],
    ranges: Option<&[(f64, f64)]>,
    about: About,
) -> Result<Writer> {
    if let Some(own) = members[0].own_parts() {
        let expected = "layers and sharing forms of the crate";
        return Err(Error::new(ErrorKind::Setting, "estimator to save", expected, own)
            .advise("save its members one by one"));
    }
    let mut writer = Writer::new()?;
    let is_plain = kinds.iter().all(|kind| *kind == MemberKind::Plain);
    let kinds = if is_plain { &[] } else { kinds };
    let about = About { kind: K::NAME.into(), members: members.len(), kinds: kinds.to_vec(), ..about };
    writer.section(ESTIMATOR, &about)?;
    members[0].write_text(&mut writer)?;
    let mut others: Vec<Box<RawValue>> = Vec::new();
    for kind in each_once(kinds).into_iter().skip(1) {
        let mut of_kind = Writer::new()?;
        if let Some(first) = kinds.iter().position(|other| *other == kind) {
            members[first].write_text(&mut of_kind)?;
        }
        others.extend(of_kind.raw_section(ARCHITECTURE).map(RawValue::to_owned));
    }
    if !others.is_empty() {
        writer.section(OTHER_ARCHITECTURES, &others)?;
    }
    for (m, member) in members.iter().enumerate() {
        let within = |error: Error| error.within(format!("member {m}"));
        member.write_numbers(&mut writer, &format!("member.{m}.")).map_err(within)?;
    }
    if let Some(ranges) = ranges {
        let (smallest, largest): (Vec<f64>, Vec<f64>) = ranges.iter().copied().unzip();
        writer.tensor(SMALLEST, &[ranges.len()], &smallest)?;
        writer.tensor(LARGEST, &[ranges.len()], &largest)?;
    }
    Ok(writer)
}

/// An estimator, or some of its networks, as [`write`] wrote it.
struct Read<F: Scalar> {
    about: About,
    members: Vec<Model<F>>,
    kinds: Vec<MemberKind>,
    held_out: Option<(Vec<HeldOut>, LabelTable)>,
    calibration: Option<Calibration>,
    calibration_rows: Option<CalibrationRows<F>>,
    targets: Vec<Target>,
    ranges: Option<Ranges>,
}

/// Reads what [`write`] wrote.
fn read<K: Sealed, F: Scalar>(reader: &Reader<'_>, registry: &Registry) -> Result<Read<F>> {
    if !reader.has_section(ESTIMATOR) {
        let expected = format!("a {} saved by polytask", K::NAME);
        return Err(Error::new(ErrorKind::File, "header", expected, "a model alone, or other tensors")
            .advise("Model::load reads a model"));
    }
    let about: About = reader.section(ESTIMATOR)?;
    if about.kind != K::NAME {
        return Err(Error::new(ErrorKind::File, "kind of estimator", K::NAME, about.kind));
    }
    let n_members = about.members;
    if n_members == 0 {
        return Err(Error::new(ErrorKind::File, "members", "at least 1", 0));
    }
    if let Some(Provenance { first, of, .. }) = &about.provenance
        && (*of > MOST_MEMBERS || first.checked_add(n_members).is_none_or(|last| last > *of))
    {
        let expected = format!("networks within the {of} of the estimator, at most {MOST_MEMBERS}");
        let found = format!("{n_members} from number {first} on");
        return Err(Error::new(ErrorKind::File, "networks of an estimator", expected, found));
    }
    let members = read_members(reader, registry, &about)?;
    let kinds = if about.kinds.is_empty() { vec![MemberKind::Plain; n_members] } else { about.kinds.clone() };
    for (k, task) in members[0].tasks().iter().enumerate() {
        let kind = members[0].network().loss(k).kind();
        if !K::has(kind) {
            let found = format!("{kind:?}");
            let place = format!("task {:?}", task.name());
            return Err(Error::new(ErrorKind::File, place, format!("a task of a {}", K::NAME), found));
        }
    }
    let targets = Target::of_tasks(members[0].tasks())?;
    check_stack(&about, &kinds, &targets)?;
    let held_out = read_held_out(reader, n_members, targets.len())?;
    let read = |n_rows| Calibration::read(reader, n_rows, &targets);
    let calibration = about.calibrated.filter(|_| about.provenance.is_none()).map(read).transpose()?;
    let calibration_rows = match about.provenance {
        Some(_) => CalibrationRows::read(reader, members[0].n_features(), &targets)?,
        None => None,
    };
    let n_quantities = targets.iter().filter(|target| target.is_quantity()).count();
    let ranges = if n_quantities > 0 { read_ranges(reader, n_quantities)? } else { None };
    let has_ranges = ranges.is_some();
    let has_groups = held_out.as_ref().is_some_and(|(_, table)| table.groups.is_some());
    // `01` is a number, but no name of a member.
    let is_member = |text: &str| text.parse().is_ok_and(|m: usize| m < n_members && m.to_string() == text);
    let is_known = |name: &str| {
        let number = |first: &str| name.strip_prefix(first).and_then(|rest| rest.split_once('.'));
        let of_held_out = |(m, rest): (&str, &str)| is_member(m) && [ROWS, JUDGED].contains(&rest);
        number("member.").is_some_and(|(m, _)| is_member(m))
            || calibration.as_ref().is_some_and(|calibration| calibration.has_tensor(name))
            || calibration_rows.is_some() && CalibrationRows::<F>::has_tensor(name)
            || has_ranges && [SMALLEST, LARGEST].contains(&name)
            || held_out.is_some()
                && ([LABELS, WEIGHTS].contains(&name) || number(HELD_OUT).is_some_and(of_held_out))
            || has_groups && name == GROUPS
    };
    match reader.names().find(|name| !is_known(name)) {
        None => Ok(Read { about, members, kinds, held_out, calibration, calibration_rows, targets, ranges }),
        Some(extra) => {
            let expected = format!("those of a {} of {n_members} members", K::NAME);
            Err(Error::new(ErrorKind::File, "tensors", expected, format!("`{extra}`")))
        }
    }
}

/// The networks. Each is in the file, or that is the end of it: no number says how much memory is taken.
fn read_members<F: Scalar>(reader: &Reader<'_>, registry: &Registry, about: &About) -> Result<Vec<Model<F>>> {
    let wrong = |place: &str, expected: String, found: String| {
        Err(Error::new(ErrorKind::File, place, expected, found))
    };
    let kinds = &about.kinds;
    if !kinds.is_empty() && kinds.len() != about.members {
        let found = kinds.len().to_string();
        return wrong("kinds of networks", format!("one for each of {} networks", about.members), found);
    }
    let names = each_once(kinds);
    let others: Vec<Box<RawValue>> = match reader.has_section(OTHER_ARCHITECTURES) {
        true => reader.section(OTHER_ARCHITECTURES)?,
        false => Vec::new(),
    };
    if others.len() != names.len().saturating_sub(1) {
        let expected = format!("one for each of {} kinds of networks but the first", names.len());
        return wrong(OTHER_ARCHITECTURES, expected, others.len().to_string());
    }
    let within = |m: usize| move |error: Error| error.within(format!("member {m}"));
    let mut members: Vec<Model<F>> = Vec::new();
    for m in 0..about.members {
        let first =
            if kinds.is_empty() { 0 } else { kinds.iter().position(|kind| *kind == kinds[m]).unwrap_or(m) };
        let part = reader.part(&format!("member.{m}."));
        if first < m {
            members.push(members[first].twin(&part).map_err(within(m))?);
            continue;
        }
        let place = kinds.get(m).and_then(|kind| names.iter().position(|name| name == kind)).unwrap_or(0);
        let part = match place.checked_sub(1) {
            None => part,
            Some(other) => part.with_section(ARCHITECTURE, others[other].clone()),
        };
        let member = Model::<F>::read(&part, registry).map_err(within(m))?;
        if let Some(first) = members.first().filter(|first| !member.reads_like(first)) {
            let tasks: Vec<&str> = first.tasks().iter().map(|task| task.name()).collect();
            let expected = format!("the features and tasks of the first network: {}", tasks.join(", "));
            return wrong("networks of another kind", expected, "others".into()).map_err(within(m));
        }
        members.push(member);
    }
    Ok(members)
}

/// Checks that the weights are those of the kinds for each target.
fn check_stack(about: &About, kinds: &[MemberKind], targets: &[Target]) -> Result<()> {
    let wrong = |expected: &str, found: String| {
        Err(Error::new(ErrorKind::File, "weights of kinds of networks", expected, found))
    };
    let kinds = each_once(kinds);
    let Some(stack) = &about.stack else {
        return match kinds.len() > 1 && about.provenance.is_none() {
            true => wrong("weights of several kinds", "none".into()),
            false => Ok(()),
        };
    };
    if stack.kinds != kinds || kinds.len() < 2 || about.provenance.is_some() {
        return wrong("those of the kinds of the networks, which are several", format!("{:?}", stack.kinds));
    }
    let as_stacked = stack.targets.iter().map(|target| (target.target.as_str(), target.metric.as_str()));
    if !as_stacked.eq(targets.iter().map(|target| (target.name.as_str(), target.metric()))) {
        return wrong("those of the targets, in their order", "others".into());
    }
    for (target, of_task) in stack.targets.iter().zip(targets) {
        let sum: f64 = target.weights.iter().sum();
        let are_weights = target.weights.iter().all(|w| *w >= 0.0) && sum <= 1.0 + 1e-9;
        let has_mean = target.mean.is_some_and(f64::is_finite) == of_task.is_quantity();
        let are_as_many = target.weights.len() == kinds.len() && target.errors.len() == kinds.len();
        if !(are_weights && has_mean && are_as_many) {
            let expected =
                "one for each kind, at least 0, with a sum of at most 1, and the mean of quantities";
            return wrong(expected, format!("{:?}", target.weights))
                .map_err(|error| error.within(&target.target));
        }
    }
    Ok(())
}

const ARCHITECTURE: &str = "architecture";
const OTHER_ARCHITECTURES: &str = "other_architectures";
const HELD_OUT: &str = "held_out.";
const LABELS: &str = "held_out.labels";
const WEIGHTS: &str = "held_out.weights";
const GROUPS: &str = "held_out.groups";
const ROWS: &str = "rows";
const JUDGED: &str = "judged";

fn write_held_out(writer: &mut Writer, held_out: &(Vec<HeldOut>, LabelTable)) -> Result<()> {
    let (of_members, LabelTable { labels, weights, groups }) = held_out;
    let tensor = |writer: &mut Writer, name: String, numbers: &Array2<f64>| {
        let all: Vec<f64> = numbers.iter().copied().collect();
        writer.tensor(name, &[numbers.nrows(), numbers.ncols()], &all)
    };
    tensor(writer, LABELS.into(), labels)?;
    tensor(writer, WEIGHTS.into(), weights)?;
    if let Some(groups) = groups {
        let groups: Vec<f64> = groups.iter().map(|&group| group as f64).collect();
        writer.tensor(GROUPS, &[groups.len()], &groups)?;
    }
    for (m, HeldOut { rows, judged }) in of_members.iter().enumerate() {
        tensor(writer, format!("{HELD_OUT}{m}.{JUDGED}"), judged)?;
        let rows: Vec<f64> = rows.iter().map(|&row| row as f64).collect();
        writer.tensor(format!("{HELD_OUT}{m}.{ROWS}"), &[rows.len()], &rows)?;
    }
    Ok(())
}

fn read_held_out(
    reader: &Reader<'_>,
    n_members: usize,
    n_targets: usize,
) -> Result<Option<(Vec<HeldOut>, LabelTable)>> {
    if !reader.has(LABELS) {
        return Ok(None);
    }
    let table = |name: &str| {
        let numbers = reader.rows::<f64>(name, n_targets)?;
        let rows = numbers.len() / n_targets.max(1);
        let wrong = |_| Error::new(ErrorKind::File, name, format!("{n_targets} numbers a row"), "others");
        Array2::from_shape_vec((rows, n_targets), numbers).map_err(wrong)
    };
    let (labels, weights) = (table(LABELS)?, table(WEIGHTS)?);
    let n_rows = labels.nrows();
    let is_weight = |(weight, label): (&f64, &f64)| {
        *weight == 0.0 || *weight > 0.0 && weight.is_finite() && label.is_finite()
    };
    if weights.dim() != labels.dim() || !weights.iter().zip(&labels).all(is_weight) {
        let expected = "a finite weight for each label, and 0 where there is none";
        return Err(Error::new(ErrorKind::File, WEIGHTS, expected, "others"));
    }
    let mut of_members = Vec::new();
    for m in 0..n_members {
        let judged = table(&format!("{HELD_OUT}{m}.{JUDGED}"))?;
        let name = format!("{HELD_OUT}{m}.{ROWS}");
        let rows = reader.list::<f64>(&name)?;
        let is_row = |row: &f64| (0.0..n_rows as f64).contains(row) && row.fract() == 0.0;
        if rows.len() != judged.nrows() || !rows.iter().all(is_row) {
            let expected = format!("{} of the table's {n_rows} rows", judged.nrows());
            return Err(Error::new(ErrorKind::File, name, expected, "others"));
        }
        of_members.push(HeldOut { rows: rows.into_iter().map(|row| row as usize).collect(), judged });
    }
    let groups = match reader.has(GROUPS) {
        false => None,
        true => Some(reader.tensor::<f64>(GROUPS, &[n_rows])?),
    };
    let is_group = |group: &f64| (0.0..n_rows as f64).contains(group) && group.fract() == 0.0;
    if let Some(wrong) = groups.iter().flatten().find(|group| !is_group(group)) {
        return Err(Error::new(ErrorKind::File, GROUPS, "groups numbered from 0", wrong));
    }
    let groups = groups.map(|groups| groups.into_iter().map(|group| group as u64).collect());
    Ok(Some((of_members, LabelTable { labels, weights, groups })))
}

const SMALLEST: &str = "labels.smallest";
const LARGEST: &str = "labels.largest";

fn read_ranges(reader: &Reader<'_>, n_targets: usize) -> Result<Option<Vec<(f64, f64)>>> {
    if !reader.has(SMALLEST) {
        return Ok(None);
    }
    let list = |name| reader.tensor::<f64>(name, &[n_targets]);
    let ranges: Vec<(f64, f64)> = list(SMALLEST)?.into_iter().zip(list(LARGEST)?).collect();
    // NaN is below nothing.
    match ranges.iter().find(|(smallest, largest)| !(smallest <= largest && largest.is_finite())) {
        None => Ok(Some(ranges)),
        Some((smallest, largest)) => {
            let found = format!("{smallest} and {largest}");
            Err(Error::new(ErrorKind::File, SMALLEST, "numbers up to the largest labels", found))
        }
    }
}

impl<K: EstimatorKind> Estimator<K> {
    /// Reads the fitted estimator that [`Fitted::save`] wrote. Everything in the file is checked, as
    /// [`Model::load`] does, and it is loaded in the precision in which it was saved.
    ///
    /// # Errors
    /// [`ErrorKind::File`] if the file cannot be read or is cut off, holds a model or the other kind of
    /// estimator, or is of the other precision; another kind if a name, a shape or a number in it is not what
    /// it should be.
    pub fn load<F: Scalar>(path: impl AsRef<Path>) -> Result<Fitted<K, F>> {
        Self::load_with(path, &Registry::new())
    }

    /// [`load`](Self::load) for an estimator whose networks have parts of your own, which `registry` makes.
    ///
    /// # Errors
    /// As [`load`](Self::load), and [`ErrorKind::File`] if a part's kind is not registered or its settings are refused.
    pub fn load_with<F: Scalar>(path: impl AsRef<Path>, registry: &Registry) -> Result<Fitted<K, F>> {
        let path = path.as_ref();
        Self::from_bytes_with(&file::read(path)?, registry).map_err(|error| error.within(path.display()))
    }

    /// [`load`](Self::load) from the bytes of a file.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_bytes<F: Scalar>(bytes: &[u8]) -> Result<Fitted<K, F>> {
        Self::from_bytes_with(bytes, &Registry::new())
    }

    /// [`load_with`](Self::load_with) from the bytes of a file.
    ///
    /// # Errors
    /// As [`load_with`](Self::load_with).
    pub fn from_bytes_with<F: Scalar>(bytes: &[u8], registry: &Registry) -> Result<Fitted<K, F>> {
        let Read { about, members, kinds, calibration, targets, ranges, .. } =
            read::<K, F>(&Reader::new(bytes)?, registry)?;
        match about.provenance {
            None => {
                let About { stack, stopped, .. } = about;
                let kind = PhantomData;
                Ok(Fitted { members, kinds, targets, stack, ranges, stopped, calibration, kind })
            }
            Some(provenance) => {
                let expected = format!("a whole {}", K::NAME);
                let found = format!("networks {:?} of {}", provenance.range(members.len()), provenance.of);
                Err(Error::new(ErrorKind::File, "estimator", expected, found)
                    .advise("load them with FittedMembers::load, and merge them with the others"))
            }
        }
    }
}

impl<K: EstimatorKind, F: Scalar> FittedMembers<K, F> {
    /// Saves the networks to one file that [`load`](Self::load) reads back, exact to the bit, as [`Fitted::save`] does.
    ///
    /// Rows that are kept for [calibration](Estimator::calibrate) are in it, features and labels: only the merged estimator can
    /// score them, and its file has their scores alone.
    ///
    /// # Errors
    /// As [`Fitted::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.written()?.save(path.as_ref())
    }

    /// The bytes of the file that [`save`](Self::save) writes.
    ///
    /// # Errors
    /// As [`Fitted::to_bytes`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.written()?.bytes()
    }

    fn written(&self) -> Result<Writer> {
        let about = About { provenance: Some(self.provenance.clone()), ..About::default() };
        let mut writer = write::<K, F>(&self.members, &self.kinds, self.ranges.as_deref(), about)?;
        self.held_out.iter().try_for_each(|held_out| write_held_out(&mut writer, held_out))?;
        self.calibration.iter().try_for_each(|rows| rows.write(&mut writer))?;
        Ok(writer)
    }

    /// Reads the networks that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// As [`Estimator::load`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_with(path, &Registry::new())
    }

    /// [`load`](Self::load) for networks with parts of your own, which `registry` makes.
    ///
    /// # Errors
    /// As [`Estimator::load_with`].
    pub fn load_with(path: impl AsRef<Path>, registry: &Registry) -> Result<Self> {
        let path = path.as_ref();
        Self::from_bytes_with(&file::read(path)?, registry).map_err(|error| error.within(path.display()))
    }

    /// [`load`](Self::load) from the bytes of a file.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes_with(bytes, &Registry::new())
    }

    /// [`load_with`](Self::load_with) from the bytes of a file.
    ///
    /// # Errors
    /// As [`load_with`](Self::load_with).
    pub fn from_bytes_with(bytes: &[u8], registry: &Registry) -> Result<Self> {
        let Read { about, members, kinds, held_out, calibration_rows: calibration, ranges, .. } =
            read::<K, F>(&Reader::new(bytes)?, registry)?;
        let Some(provenance) = about.provenance else {
            let expected = "some of an estimator's networks";
            return Err(Error::new(ErrorKind::File, "estimator", expected, format!("a whole {}", K::NAME))
                .advise("load it with the load of its estimator, as MultiTaskRegressor::load"));
        };
        Ok(Self { members, kinds, held_out, calibration, ranges, kind: PhantomData, provenance })
    }
}
