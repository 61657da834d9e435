//! A model in a file: parameters under their names, and beside them all that it takes to build the model again.

mod scaling;
mod weights;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use scaling::{CONSTANTS, IGNORED, lambda_of};
use weights::Convention;

use super::binding::Bindings;
use super::scaling::{Scaling, fixed};
use super::{Model, ModelBuilder, Warning};
#[cfg(feature = "csv")]
use crate::data::Names;
use crate::data::Standardizer;
use crate::kernel::Aligned;
use crate::network::MOST_PARAMETERS;
use crate::persist::{Reader, Writer};
use crate::{Error, ErrorKind, Registry, Result, Scalar, file};

/// What the names of a run's tensors begin with: a checkpoint is a model with these beside it.
pub(crate) const RUN: &str = "run.";

/// What the names of the tensors of running state begin with.
const STATE: &str = "state.";

/// The section that an estimator's file has: the models in it are not this type's to read.
pub(crate) const ESTIMATOR: &str = "estimator";

/// The section of the thresholds that were chosen for tasks of yes or no.
const THRESHOLDS: &str = "decision_thresholds";

/// The section that a model has if its table came from a CSV file.
#[cfg(feature = "csv")]
const ENCODING: &str = "encoding";

impl<F: Scalar> Model<F> {
    /// Saves the model to one file that [`load`](Self::load) reads back, exact to the bit, and that Python's
    /// `safetensors` opens.
    ///
    /// In the file are the parameters under the names of the [`Layout`](crate::Layout), each `rows × cols`
    /// (`trunk.0.weight` is in × out); the means and deviations of features and targets, if the model
    /// standardises (`scaling.features.mean`, `scaling.task.<name>.std`, …), and a λ fitted to targets that are transformed
    /// (`scaling.task.<name>.lambda`); and in its metadata, as JSON under the key
    /// `polytask`, the architecture, the tasks with their losses and metrics, the names of the columns and
    /// their encoding (`set_encoding`, feature `csv`), the decision thresholds, and the versions of the format and of this crate. The same model always gives the same bytes.
    ///
    /// The file is written beside `path`, flushed to disk and then renamed, so that a crash leaves either
    /// the old file or the new one, complete. A symbolic link is followed, and the file it leads to replaced. The new
    /// file keeps the permissions and the owner of the old one. Not replaced, but an error, are what is no regular
    /// file (a device, a pipe), a file that has several names (hard links: the others would keep the old content),
    /// and a read-only file.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(200, 0.05, 1);
    /// let mut model = Model::builder(data.n_features())
    ///     .trunk([Layer::dense(10, Activation::Relu)])
    ///     .task(Task::regression("shoulder"))
    ///     .task(Task::regression("elbow"))
    ///     .standardize()
    ///     .build::<f32>()?;
    /// Trainer::new(Adam::new(0.01)).epochs(2).fit(&mut model, &data)?;
    ///
    /// # let path = std::env::temp_dir().join(format!("polytask-save-{}.safetensors", std::process::id()));
    /// model.save(&path)?;
    /// let loaded = Model::<f32>::load(&path)?;
    /// assert_eq!(loaded.parameters(), model.parameters());
    /// assert_eq!(loaded.predict(data.features())?["elbow"], model.predict(data.features())?["elbow"]);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if a parameter is not a finite number, [`ErrorKind::File`] if the file cannot be
    /// written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.written()?.save(path)
    }

    /// The bytes of the file that [`save`](Self::save) writes.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if a parameter is not a finite number.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.written()?.bytes()
    }

    /// Builds the model that [`save`](Self::save) wrote; a checkpoint of a training is such a file too.
    ///
    /// Every setting is checked, as in [`build`](super::ModelBuilder::build). A model is loaded in the precision in which it
    /// was saved; use [`cast`](Self::cast) for the other one. A file of an earlier version predicts what it did then, and
    /// [`warnings`](Self::warnings) says where later versions do better.
    ///
    /// # Errors
    /// [`ErrorKind::File`] if the file cannot be read, is cut off or otherwise not what it should be; if it
    /// has the other precision; or if the model has a layer, sharing form, loss or metric of your own:
    /// [`load_with`](Self::load_with) loads those that have a name in files; for others build the model as it was built,
    /// and call [`load_weights`](Self::load_weights). Of the kinds of
    /// [`build`](super::ModelBuilder::build), and [`ErrorKind::Shape`] or [`ErrorKind::Value`], if what is in
    /// the file does not fit together.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_with(path, &Registry::new())
    }

    /// [`load`](Self::load) for a model with parts of your own, which `registry` makes: see the example of [`Registry`].
    ///
    /// # Errors
    /// As [`load`](Self::load), and [`ErrorKind::File`] if a part's kind is not registered or its settings are refused.
    pub fn load_with(path: impl AsRef<Path>, registry: &Registry) -> Result<Self> {
        let path = path.as_ref();
        Self::from_bytes_with(&file::read(path)?, registry).map_err(|error| error.within(path.display()))
    }

    /// [`load`](Self::load) from the bytes of a file.
    ///
    /// ```
    /// use polytask::ErrorKind;
    /// use polytask::prelude::*;
    ///
    /// let model = Model::builder(2).task(Task::regression("price")).seed(7).build::<f32>()?;
    /// let bytes = model.to_bytes()?;                                   // to a database, over a wire
    /// assert_eq!(Model::<f32>::from_bytes(&bytes)?.parameters(), model.parameters());
    /// assert_eq!(Model::<f64>::from_bytes(&bytes).unwrap_err().kind(), ErrorKind::File);
    /// assert!(Model::<f32>::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
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
        let reader = Reader::new(bytes)?;
        if reader.has_section(ESTIMATOR) {
            return Err(Error::new(ErrorKind::File, "header", "a single model", "an estimator of several")
                .advise(
                    "load it with MultiTaskRegressor::load, MultiTaskClassifier::load or MultiTask::load",
                ));
        }
        Self::read(&reader, registry)
    }

    /// Takes the parameters from a file, by name and shape, and the scaling and the names of the columns, if they are
    /// in the file. The model's own settings stay; nothing is changed if there is an error. Numbers may be of half
    /// precision (float16, bfloat16), which is widened exactly.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// # let path = std::env::temp_dir().join(format!("polytask-weights-{}", std::process::id()));
    /// let build = |task: Task, seed: u64| Model::builder(2).task(task).seed(seed).build::<f32>();
    /// let old = build(Task::regression("price"), 1)?;
    /// old.save(&path)?;
    /// let mut new = build(Task::new("price", Loss::huber(1.0)), 2)?;   // learns on by another loss
    /// new.load_weights(&path)?;
    /// assert_eq!(new.parameters(), old.parameters());
    /// let error = build(Task::regression("rent"), 2)?.load_weights(&path).unwrap_err();
    /// assert!(error.to_string().contains("head.rent.0.weight"));
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::File`] if the file cannot be read, [`ErrorKind::Shape`] if blocks are missing, too many,
    /// or of another shape or type: the message has all of them. [`ErrorKind::Value`] if a number is not
    /// finite, [`ErrorKind::Name`] if the file was learnt from other features than the model.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = file::read(path)?;
        Reader::new(&bytes)
            .and_then(|reader| self.read_weights(&reader))
            .map_err(|error| error.within(path.display()))
    }

    /// The same model in the other precision, or in the same: parameters and scaling are rounded to `G`, which changes
    /// nothing on the way from `f32` to `f64`. Predictions differ by the rounding of the arithmetic all the same.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let double = Model::builder(2).task(Task::regression("y")).build::<f64>()?;
    /// let single = double.cast::<f32>()?;
    /// assert_eq!(single.parameters()[0], double.parameters()[0] as f32);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if a number is beyond the range of `G`.
    pub fn cast<G: Scalar>(&self) -> Result<Model<G>> {
        let network = self.spec.network::<G>(MOST_PARAMETERS)?;
        let numbers = |from: &[F]| from.iter().map(|x| G::from_f64(x.to_f64())).collect::<Vec<_>>();
        let features = self.scaling.features.as_ref().map(Standardizer::cast).transpose()?;
        let targets =
            self.scaling.targets.iter().map(|target| target.as_ref().map(Standardizer::cast).transpose());
        let model = Model {
            spec: Arc::clone(&self.spec),
            network: Arc::new(network),
            theta: numbers(&self.theta).into(),
            state: numbers(&self.state),
            scaling: Scaling {
                features,
                targets: targets.collect::<Result<_>>()?,
                transforms: self.scaling.transforms.clone(),
                ignores_constants: self.scaling.ignores_constants,
            },
            thresholds: self.thresholds.clone(),
            notes: self.notes.clone(),
            names: self.names.clone(),
            bindings: Bindings::default(),
            #[cfg(feature = "csv")]
            encoding: self.encoding.clone(),
        };
        model.check_numbers(&model.theta, &model.state)?;
        Ok(model)
    }

    fn written(&self) -> Result<Writer> {
        let mut writer = Writer::new()?;
        self.write(&mut writer)?;
        Ok(writer)
    }

    /// Writes all of the model.
    pub(crate) fn write(&self, writer: &mut Writer) -> Result<()> {
        self.write_text(writer)?;
        self.write_numbers(writer, "")
    }

    /// Writes what it takes to build the model, but for its numbers.
    pub(crate) fn write_text(&self, writer: &mut Writer) -> Result<()> {
        F::write_model_text(self, writer)
    }

    pub(crate) fn write_text_here(&self, writer: &mut Writer) -> Result<()> {
        writer.section("scalar", F::NAME)?;
        let (architecture, own) = self.spec.described();
        writer.section("architecture", &architecture)?;
        writer.section("own", &own)?;
        writer.section("names", &self.names.as_deref())?;
        if self.scaling.features.is_some() && self.scaling.ignores_constants {
            writer.section(CONSTANTS, IGNORED)?;
        }
        let thresholds: BTreeMap<&str, &[f64]> = self
            .tasks()
            .iter()
            .filter_map(|task| Some((task.name(), self.thresholds(task.name())?)))
            .collect();
        if !thresholds.is_empty() {
            writer.section(THRESHOLDS, &thresholds)?;
        }
        #[cfg(feature = "csv")]
        if let Some(encoding) = self.encoding() {
            writer.section(ENCODING, encoding)?;
        }
        Ok(())
    }

    /// Writes parameters, running state and scaling, as tensors whose names begin with `prefix`.
    pub(crate) fn write_numbers(&self, writer: &mut Writer, prefix: &str) -> Result<()> {
        F::write_model_numbers(self, writer, prefix)
    }

    pub(crate) fn write_numbers_here(&self, writer: &mut Writer, prefix: &str) -> Result<()> {
        self.check_numbers(&self.theta, &self.state)?;
        for (name, block) in self.network.layout().blocks() {
            let (rows, cols) = block.shape();
            writer.tensor(format!("{prefix}{name}"), &[rows, cols], &self.theta[block.range()])?;
        }
        for (name, block) in self.network.state_layout().blocks() {
            let (rows, cols) = block.shape();
            writer.tensor(format!("{prefix}{STATE}{name}"), &[rows, cols], &self.state[block.range()])?;
        }
        for (task, transforms) in self.tasks().iter().zip(&self.scaling.transforms) {
            // What was not fitted is in the settings.
            if fixed(task).is_empty() && !transforms.is_empty() {
                let lambdas: Vec<f64> =
                    transforms.iter().filter_map(|transform| transform.lambda()).collect();
                writer.tensor(format!("{prefix}{}", lambda_of(task.name())), &[lambdas.len()], &lambdas)?;
            }
        }
        for (name, standardizer) in self.standardizers() {
            let Some(standardizer) = standardizer else { continue };
            for (moment, numbers) in [("mean", standardizer.mean()), ("std", standardizer.std())] {
                writer.tensor(format!("{prefix}{name}.{moment}"), &[numbers.len()], numbers)?;
            }
        }
        Ok(())
    }

    /// Builds the model in a file.
    pub(crate) fn read(reader: &Reader<'_>, registry: &Registry) -> Result<Self> {
        F::read_model(reader, registry)
    }

    pub(crate) fn read_here(reader: &Reader<'_>, registry: &Registry) -> Result<Self> {
        if !reader.is_ours() {
            return Err(Error::new(ErrorKind::File, "header", "a model saved by polytask", "tensors alone")
                .advise("build the model and take them with load_weights, load_pytorch or load_keras"));
        }
        check_precision::<F>(reader)?;
        let architecture = registry.reading(|| reader.section::<Option<ModelBuilder>>("architecture"))?;
        let Some(spec) = architecture else {
            let own: Option<String> = reader.section("own")?;
            return Err(Error::new(
                ErrorKind::File,
                "architecture",
                "layers, sharing forms, losses and metrics of the crate",
                own.unwrap_or("none".into()),
            )
            .advise("build the model as it was built, and take the parameters with load_weights"));
        };
        let network = spec.network::<F>(reader.n_numbers())?;
        let (theta, state) = (Aligned::default(), Vec::new());
        let (scaling, thresholds) = (Scaling::none(&spec.tasks), vec![None; spec.tasks.len()]);
        let mut model = Self {
            spec: Arc::new(spec),
            network: Arc::new(network),
            theta,
            state,
            scaling,
            names: None,
            bindings: Bindings::default(),
            thresholds,
            notes: Vec::new(),
            #[cfg(feature = "csv")]
            encoding: None,
        };
        model.read_weights(reader)?;
        if reader.has_section(THRESHOLDS) {
            for (task, thresholds) in reader.section::<BTreeMap<String, Vec<f64>>>(THRESHOLDS)? {
                model.set_thresholds(&task, &thresholds)?;
            }
        }
        if model.names.is_none() {
            model.notes.push(Warning::NoFeatureNames);
        }
        #[cfg(feature = "csv")]
        if reader.has_section(ENCODING) {
            let none = || Arc::new(Names::new([""; 0], [""; 0]));
            let names = model.names.clone().unwrap_or_else(none);
            model.keep_encoding(reader.section(ENCODING)?, names)?;
        }
        Ok(model)
    }

    /// Another model of the same settings, which are shared, whose parameters and scaling are in a file.
    pub(crate) fn twin(&self, reader: &Reader<'_>) -> Result<Self> {
        let scaling = Scaling::none(&self.spec.tasks);
        let mut twin = Self { scaling, ..self.clone() };
        twin.read_weights(reader)?;
        Ok(twin)
    }

    /// What of a person's own the model has, which no file can hold.
    pub(crate) fn own_parts(&self) -> Option<String> {
        self.spec.described().1
    }

    /// Takes parameters, running state and scaling.
    pub(crate) fn read_weights(&mut self, reader: &Reader<'_>) -> Result<()> {
        let mut columns = self.names.clone();
        if reader.is_ours() {
            check_precision::<F>(reader)?;
            columns = self.names_with(reader.section("names")?)?;
        }
        let scaling: Vec<String> = self
            .standardizers()
            .flat_map(|(name, _)| [format!("{name}.mean"), format!("{name}.std")])
            .collect();
        let transforms = self.read_transforms(reader)?;
        let is_lambda = |name: &str| {
            let fitted = self
                .tasks()
                .iter()
                .filter(|task| task.target_transform().is_some() && fixed(task).is_empty());
            fitted.into_iter().any(|task| name == lambda_of(task.name()))
        };
        let may_be_there = |name: &str| {
            is_lambda(name)
                || name.starts_with(RUN)
                || (self.spec.standardizes && scaling.iter().any(|own| own == name))
        };
        let of_theta = self.network.layout().blocks().map(|(name, _)| name.to_owned());
        let of_state = self.network.state_layout().blocks().map(|(name, _)| format!("{STATE}{name}"));
        let names: Vec<_> = of_theta.chain(of_state).collect();
        let (theta, state) = self.blocks(reader, &names, Convention::Here, may_be_there)?;
        let scaling = match self.spec.standardizes && reader.has("scaling.features.mean") {
            true => Some(self.read_scaling(reader)?),
            false => None,
        };
        (self.theta, self.state, self.names) = (theta.into(), state, columns);
        self.bindings.clear();
        if let Some(scaling) = scaling {
            self.scaling = scaling;
        }
        self.scaling.transforms = transforms;
        Ok(())
    }

    /// Fails unless the model in the file was built with the same settings.
    pub(crate) fn check_described_in(&self, reader: &Reader<'_>) -> Result<()> {
        let (architecture, own) = self.spec.described();
        let same = |section: &str, text: serde_json::Result<String>| {
            reader.raw_section(section) == text.ok().as_deref()
        };
        let is_same = same("architecture", serde_json::to_string(&architecture))
            && same("own", serde_json::to_string(&own));
        match is_same {
            true => Ok(()),
            false => {
                let found = reader.raw_section("architecture").unwrap_or("none");
                Err(Error::new(ErrorKind::Setting, "architecture", "that of the model", found)
                    .advise("build the model as it was built then"))
            }
        }
    }

    fn check_numbers(&self, theta: &[F], state: &[F]) -> Result<()> {
        let of = [(self.network.layout(), theta), (self.network.state_layout(), state)];
        for (layout, numbers) in of {
            if let Some(at) = numbers.iter().position(|x| !x.is_finite()) {
                let place = layout.name_of(at);
                return Err(Error::new(ErrorKind::Value, place, "a finite number", numbers[at]));
            }
        }
        let place = |at| self.network.state_layout().name_of(at);
        if let Some(at) = self.network.falling_edge(state) {
            let expected = format!("at least {}, the edge before it", state[at - 1]);
            return Err(Error::new(ErrorKind::Value, place(at), expected, state[at]));
        }
        if let Some(at) = self.network.negative_state(state) {
            return Err(Error::new(ErrorKind::Value, place(at), "a number of at least 0", state[at]));
        }
        Ok(())
    }
}

impl ModelBuilder {
    /// The settings as a file holds them; where something is a person's own that has no name in files, what.
    fn described(&self) -> (Option<&Self>, Option<String>) {
        match serde_json::to_string(self) {
            Ok(_) => (Some(self), None),
            Err(cause) => {
                let cause = cause.to_string();
                (None, Some(cause.split(" cannot").next().unwrap_or(&cause).to_owned()))
            }
        }
    }
}

fn check_precision<F: Scalar>(reader: &Reader<'_>) -> Result<()> {
    let found: String = reader.section("scalar")?;
    match found == F::NAME {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::File, "precision", F::NAME, &found)
            .advise(format!("load it as Model::<{found}> and cast it"))),
    }
}
