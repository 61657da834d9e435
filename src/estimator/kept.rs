//! Networks that are kept in files while an estimator is fitted, so that a fit that was killed is taken up.
//!
//! ```text
//! network.trunk.0.weight …       parameters and scaling of the network, as a model's file has them      the architecture,
//! held_out.rows, .judged         the rows that it has not learnt from, and what it predicts for them    the fit
//! ```
//! What stands on the right is in the text of the header. The name of a file is a number made from what the fit is, and the
//! number of the network.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array2;

use super::Estimator;
use super::held_out::{FittedNetwork, HeldOut};
use super::settings::Settings;
use crate::data::{Dataset, number_of};
use crate::persist::{Reader, Writer};
use crate::{Error, ErrorKind, Model, Registry, Result, Scalar, file};

/// The section of the text.
const SECTION: &str = "estimator_fit";
const NETWORK: &str = "network.";
const ROWS: &str = "held_out.rows";
const JUDGED: &str = "held_out.judged";

/// The folder of the networks of one fit.
#[derive(Debug)]
pub(super) struct Kept {
    folder: PathBuf,
    fit: String,
    n_rows: usize,
    n_features: usize,
    tasks: String,
    n_targets: usize,
}

impl Kept {
    /// The folder that is set, for fitting networks like `first` to a table.
    pub(super) fn open<F: Scalar>(
        settings: &Settings,
        data: &Dataset<F>,
        first: &Model<F>,
        n_targets: usize,
    ) -> Result<Option<Self>> {
        let Some(folder) = &settings.keep_in else { return Ok(None) };
        // Parts of one's own cannot be written, or not be read without a registry.
        let reads_back = || {
            let mut writer = Writer::new()?;
            first.write(&mut writer)?;
            Model::<F>::read(&Reader::new(&writer.bytes()?)?, &Registry::new())
        };
        if let Some(own) = first.own_parts().or_else(|| reads_back().err().map(|error| error.to_string())) {
            let expected = "layers and sharing forms of the crate";
            return Err(Error::new(ErrorKind::Setting, "estimator whose networks are kept", expected, own));
        }
        fs::create_dir_all(folder).map_err(|cause| {
            let place = folder.display();
            Error::new(ErrorKind::File, place, "a folder that can be made", &cause).caused_by(cause)
        })?;
        let tasks = format!("{:?}", first.tasks());
        let fit = format!(
            "{}, {:?}, {:?} hidden, {} networks of {}, polytask {}, tasks {tasks}, table {}",
            settings.in_words(),
            settings.sharing,
            settings.hidden,
            settings.n_members(),
            F::NAME,
            env!("CARGO_PKG_VERSION"),
            data.fingerprint().to_text(),
        );
        let (folder, n_rows, n_features) = (folder.clone(), data.n_rows(), data.n_features());
        Ok(Some(Self { folder, fit, n_rows, n_features, tasks, n_targets }))
    }

    fn path(&self, m: usize) -> PathBuf {
        self.folder.join(format!("{:016x}-{m:04}.safetensors", number_of(&self.fit)))
    }

    /// Network `m`, if it is in the folder.
    pub(super) fn read<F: Scalar>(&self, m: usize) -> Result<Option<FittedNetwork<F>>> {
        let path = self.path(m);
        if !path.exists() {
            return Ok(None);
        }
        let read = || {
            let bytes = file::read(&path)?;
            let reader = Reader::new(&bytes)?;
            let fit: String = reader.section(SECTION)?;
            if fit != self.fit {
                return Err(Error::new(ErrorKind::File, "fit", &self.fit, fit));
            }
            let model = Model::<F>::read(&reader.part(NETWORK), &Registry::new())?;
            if model.n_features() != self.n_features || format!("{:?}", model.tasks()) != self.tasks {
                let expected = format!("{} features and the tasks {}", self.n_features, self.tasks);
                return Err(Error::new(ErrorKind::File, "network", expected, "others"));
            }
            let rows = reader.list::<f64>(ROWS)?;
            let is_none = |row: &&f64| !((0.0..self.n_rows as f64).contains(*row) && row.fract() == 0.0);
            if let Some(wrong) = rows.iter().find(is_none) {
                return Err(Error::new(ErrorKind::File, ROWS, format!("rows of {}", self.n_rows), wrong));
            }
            let rows: Vec<usize> = rows.into_iter().map(|row| row as usize).collect();
            let shape = (rows.len(), self.n_targets);
            let judged = reader.tensor::<f64>(JUDGED, &[shape.0, shape.1])?;
            let judged = Array2::from_shape_vec(shape, judged).expect("the shape has been checked");
            Ok(FittedNetwork { model, ended_by: None, held_out: HeldOut { rows, judged } })
        };
        let advice = "remove the file, and the network is trained anew";
        read().map(Some).map_err(|error| error.within(path.display()).advise(advice))
    }

    /// Puts network `m` into the folder, if it was trained to its end.
    pub(super) fn write<F: Scalar>(&self, m: usize, network: &FittedNetwork<F>) -> Result<()> {
        let FittedNetwork { model, ended_by: None, held_out } = network else { return Ok(()) };
        let mut writer = Writer::new()?;
        writer.section(SECTION, &self.fit)?;
        model.write_text(&mut writer)?;
        model.write_numbers(&mut writer, NETWORK)?;
        let rows: Vec<f64> = held_out.rows.iter().map(|&row| row as f64).collect();
        writer.tensor(ROWS, &[rows.len()], &rows)?;
        let judged: Vec<f64> = held_out.judged.iter().copied().collect();
        writer.tensor(JUDGED, &[rows.len(), held_out.judged.ncols()], &judged)?;
        writer.save(&self.path(m))
    }
}

impl<Kind> Estimator<Kind> {
    /// Keeps each network in a file in this folder as soon as it is trained, and takes from there those that have been: a fit
    /// that was stopped or killed is simply run again, and is then what it would have been, to the bit.
    ///
    /// A network is known by all that it depends on: the settings, the table, the scalar type, the version of the crate. If any
    /// of that is another, it is trained, and the old file stays. The folder is made if need be; remove it when the estimator is
    /// [saved](super::Fitted::save). Callbacks hear nothing of networks that are taken from files.
    ///
    /// ```
    /// use polytask::prelude::*;
    /// use polytask::train::callback::each_step;
    /// use std::ops::ControlFlow;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// # let folder = std::env::temp_dir().join(format!("polytask-kept-{}", std::process::id()));
    /// let data = datasets::robot_arm::<f32>(60, 0.05, 1);
    /// let settings = MultiTaskRegressor::new().hidden([4]).epochs(5).members(5).threads(1);
    /// let long = settings.clone().keep_in(&folder);
    /// let n_steps = AtomicUsize::new(0);
    /// let power_cut = each_step(move |_| match n_steps.fetch_add(1, Ordering::Relaxed) {
    ///     29 => ControlFlow::Break(()), // in the third network, each of which takes ten steps
    ///     _ => ControlFlow::Continue(()),
    /// });
    /// assert!(long.clone().callback(power_cut).fit_table(&data)?.stopped().is_some());
    /// assert_eq!(std::fs::read_dir(&folder)?.count(), 2);
    /// assert_eq!(long.fit_table(&data)?.to_bytes()?, settings.fit_table(&data)?.to_bytes()?); // trains the other three
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A fit returns an error if the folder cannot be made or written to, if a file in it is damaged, or if the sharing form has
    /// a part of your own, which no file can hold.
    #[must_use]
    pub fn keep_in(mut self, folder: impl AsRef<Path>) -> Self {
        self.settings.keep_in = Some(folder.as_ref().to_owned());
        self
    }
}
