//! A fitted estimator in a file: its networks one beside the other, and between which values it predicts.
//!
//! ```text
//! member.0.trunk.0.weight …      parameters and scaling of network 0, as a model's file has them      the architecture,
//! member.1.trunk.0.weight …      those of network 1                                                   the same for all
//! labels.smallest, .largest      between which a regressor predicts, unless it extrapolates           kind and members
//! ```
//! What stands on the right is in the text of the header.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::kind::sealed::Sealed;
use super::members::Provenance;
use super::settings::MOST_MEMBERS;
use super::{Estimator, EstimatorKind, Fitted, FittedMembers, Stopped};
use crate::model::ESTIMATOR;
use crate::persist::{Reader, Writer};
use crate::{Error, ErrorKind, Model, Registry, Result, Scalar, file};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    kind: String,
    members: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped: Option<Stopped>,
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
        write(&self.members, &self.kind, self.stopped.clone(), None)
    }
}

/// The file of an estimator, or of some of its networks.
fn write<K: Sealed, F: Scalar>(
    members: &[Model<F>],
    kind: &K,
    stopped: Option<Stopped>,
    provenance: Option<Provenance>,
) -> Result<Writer> {
    if let Some(own) = members[0].own_parts() {
        let expected = "layers and sharing forms of the crate";
        return Err(Error::new(ErrorKind::Setting, "estimator to save", expected, own)
            .advise("save its members one by one"));
    }
    let mut writer = Writer::new()?;
    writer
        .section(ESTIMATOR, &About { kind: K::NAME.into(), members: members.len(), stopped, provenance })?;
    members[0].write_text(&mut writer)?;
    for (m, member) in members.iter().enumerate() {
        let within = |error: Error| error.within(format!("member {m}"));
        member.write_numbers(&mut writer, &format!("member.{m}.")).map_err(within)?;
    }
    if let Some(ranges) = kind.ranges() {
        let (smallest, largest): (Vec<f64>, Vec<f64>) = ranges.iter().copied().unzip();
        writer.tensor(SMALLEST, &[ranges.len()], &smallest)?;
        writer.tensor(LARGEST, &[ranges.len()], &largest)?;
    }
    Ok(writer)
}

/// Reads what [`write`] wrote: the description, the networks, and what is kept beside them.
fn read<K: Sealed, F: Scalar>(reader: &Reader<'_>, registry: &Registry) -> Result<(About, Vec<Model<F>>, K)> {
    if !reader.has_section(ESTIMATOR) {
        let expected = format!("a {} saved by polytask", K::NAME);
        return Err(Error::new(ErrorKind::File, "header", expected, "a model alone, or other tensors")
            .advise("Model::load reads a model"));
    }
    let about: About = reader.section(ESTIMATOR)?;
    if about.kind != K::NAME {
        return Err(Error::new(ErrorKind::File, "kind of estimator", K::NAME, about.kind));
    }
    let members = about.members;
    if members == 0 {
        return Err(Error::new(ErrorKind::File, "members", "at least 1", 0));
    }
    if let Some(Provenance { first, of, .. }) = &about.provenance
        && (*of > MOST_MEMBERS || first.checked_add(members).is_none_or(|last| last > *of))
    {
        let expected = format!("networks within the {of} of the estimator, at most {MOST_MEMBERS}");
        let found = format!("{members} from number {first} on");
        return Err(Error::new(ErrorKind::File, "networks of an estimator", expected, found));
    }
    let within = |m: usize| move |error: Error| error.within(format!("member {m}"));
    let first = Model::<F>::read(&reader.part("member.0."), registry).map_err(within(0))?;
    let mut all = vec![first];
    // Each is in the file, or that is the end of it: no number says how much memory is taken.
    for m in 1..members {
        all.push(all[0].twin(&reader.part(&format!("member.{m}."))).map_err(within(m))?);
    }
    for (k, task) in all[0].tasks().iter().enumerate() {
        let (kind, width) = (all[0].network().loss(k).kind(), all[0].prediction_width(k));
        if !K::makes(kind, width) {
            let found = format!("{kind:?}, predictions of width {width}");
            let place = format!("task {:?}", task.name());
            return Err(Error::new(ErrorKind::File, place, format!("a task of a {}", K::NAME), found));
        }
    }
    let kind = K::with_ranges(read_ranges(reader, all[0].tasks().len())?);
    let has_ranges = kind.ranges().is_some();
    let is_known = |name: &str| {
        let number = name.strip_prefix("member.").and_then(|rest| Some(rest.split_once('.')?.0));
        // `01` is a number, but no name of a member.
        let is_member = |text: &str| text.parse().is_ok_and(|m: usize| m < members && m.to_string() == text);
        number.is_some_and(is_member) || has_ranges && [SMALLEST, LARGEST].contains(&name)
    };
    match reader.names().find(|name| !is_known(name)) {
        None => Ok((about, all, kind)),
        Some(extra) => {
            let expected = format!("those of a {} of {members} members", K::NAME);
            Err(Error::new(ErrorKind::File, "tensors", expected, format!("`{extra}`")))
        }
    }
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
        let (about, members, kind) = read(&Reader::new(bytes)?, registry)?;
        match about.provenance {
            None => Ok(Fitted { members, kind, stopped: about.stopped }),
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
        write(&self.members, &self.kind, None, Some(self.provenance.clone()))
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
        let (about, members, kind) = read(&Reader::new(bytes)?, registry)?;
        let Some(provenance) = about.provenance else {
            let expected = "some of an estimator's networks";
            return Err(Error::new(ErrorKind::File, "estimator", expected, format!("a whole {}", K::NAME))
                .advise("load it with MultiTaskRegressor::load or MultiTaskClassifier::load"));
        };
        Ok(Self { members, kind, provenance })
    }
}
