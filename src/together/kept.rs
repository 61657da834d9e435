//! Jobs that are kept in files: what was predicted, what it cost, or what went wrong.
//!
//! ```text
//! predictions.0, .1, …      for each task held-out rows × prediction width      what the job is, times, counts, warnings
//! moments                   epochs × (1 + tasks): seconds, held-out losses
//! ```
//! What stands on the right is in the text of the header. The name of a file is a number made from what the job is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::curve::Moment;
use super::trained::{JobResult, Trained};
use crate::data::{Dataset, number_of};
use crate::persist::{Reader, Writer};
use crate::{Error, ErrorKind, Result, Scalar, file};

/// The section of the text.
const SECTION: &str = "together_job";

/// The folder of the jobs of one table.
#[derive(Debug)]
pub(super) struct Kept {
    folder: PathBuf,
    table: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    table: String,
    job: String,
    failure: Option<String>,
    seconds_of_fit: f64,
    seconds_of_prediction: f64,
    parameters: usize,
    bytes: usize,
    warnings: Vec<String>,
    /// For each task the shape of its predictions.
    shapes: Vec<[usize; 2]>,
    epochs: usize,
}

impl Kept {
    pub(super) fn open<F: Scalar>(folder: &Path, data: &Dataset<F>) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|cause| {
            Error::new(ErrorKind::File, folder.display(), "a folder that can be made", &cause)
                .caused_by(cause)
        })?;
        Ok(Self { folder: folder.to_owned(), table: data.fingerprint().to_text() })
    }

    fn path(&self, job: &str) -> PathBuf {
        self.folder.join(format!("job-{:016x}.safetensors", number_of(&format!("{} {job}", self.table))))
    }

    /// The job's result, and whether it was in the folder already; if not, it is trained now and kept, unless it is ended
    /// before its end.
    pub(super) fn read_or(
        &self,
        job: &str,
        n_tasks: usize,
        train: impl FnOnce() -> Option<JobResult>,
    ) -> Result<Option<(JobResult, bool)>> {
        if let Some(before) = self.read(job, n_tasks)? {
            return Ok(Some((before, true)));
        }
        let Some(result) = train() else { return Ok(None) };
        self.write(job, &result)?;
        Ok(Some((result, false)))
    }

    fn read(&self, job: &str, n_tasks: usize) -> Result<Option<JobResult>> {
        let path = self.path(job);
        if !path.exists() {
            return Ok(None);
        }
        let read = || read_job(&file::read(&path)?, &self.table, job, n_tasks);
        let within =
            |error: Error| error.within(path.display()).advise("remove the file, and the job is done anew");
        read().map(Some).map_err(within)
    }

    fn write(&self, job: &str, result: &JobResult) -> Result<()> {
        written(&self.table, job, result)?.save(&self.path(job))
    }
}

/// What a job came to, from the bytes of its file.
pub(super) fn read_job(bytes: &[u8], table: &str, job: &str, n_tasks: usize) -> Result<JobResult> {
    let reader = Reader::new(bytes)?;
    let about: About = reader.section(SECTION)?;
    if about.job != job || about.table != table {
        let found = "another of the same name";
        return Err(Error::new(ErrorKind::File, "job", "this one", found));
    }
    if let Some(failure) = about.failure {
        return Ok(Err(failure));
    }
    let duration = |seconds: f64| {
        Duration::try_from_secs_f64(seconds).map_err(|cause| {
            Error::new(ErrorKind::File, "times", "seconds of at least 0", seconds).caused_by(cause)
        })
    };
    if about.shapes.len() != n_tasks {
        let found = about.shapes.len();
        return Err(Error::new(ErrorKind::File, "predictions", format!("of {n_tasks} tasks"), found));
    }
    let prediction = |(k, shape): (usize, &[usize; 2])| {
        let name = format!("predictions.{k}");
        let numbers = reader.tensor::<f64>(&name, shape)?;
        if let Some(wrong) = numbers.iter().find(|number| !number.is_finite()) {
            return Err(Error::new(ErrorKind::File, name, "finite numbers", wrong));
        }
        Ok(Array2::from_shape_vec(*shape, numbers).expect("the shape has been checked"))
    };
    Ok(Ok(Trained {
        predictions: about.shapes.iter().enumerate().map(prediction).collect::<Result<_>>()?,
        fit_time: duration(about.seconds_of_fit)?,
        prediction_time: duration(about.seconds_of_prediction)?,
        n_parameters: about.parameters,
        n_bytes: about.bytes,
        warnings: about.warnings,
        moments: moments(&reader, [about.epochs, 1 + n_tasks])?,
    }))
}

/// What a job came to, as a file.
pub(super) fn written(table: &str, job: &str, result: &JobResult) -> Result<Writer> {
    let mut about = About {
        table: table.to_owned(),
        job: job.to_owned(),
        failure: None,
        seconds_of_fit: 0.0,
        seconds_of_prediction: 0.0,
        parameters: 0,
        bytes: 0,
        warnings: Vec::new(),
        shapes: Vec::new(),
        epochs: 0,
    };
    let mut writer = Writer::new()?;
    match result {
        Err(failure) => about.failure = Some(failure.clone()),
        Ok(trained) => {
            about.seconds_of_fit = trained.fit_time.as_secs_f64();
            about.seconds_of_prediction = trained.prediction_time.as_secs_f64();
            (about.parameters, about.bytes) = (trained.n_parameters, trained.n_bytes);
            about.warnings.clone_from(&trained.warnings);
            about.epochs = trained.moments.len();
            let width = 1 + trained.predictions.len();
            let row = |moment: &Moment| [&[moment.seconds], &moment.losses[..]].concat();
            let numbers: Vec<f64> = trained.moments.iter().flat_map(row).collect();
            writer.tensor("moments", &[about.epochs, width], &numbers)?;
            for (k, of_task) in trained.predictions.iter().enumerate() {
                let shape = [of_task.nrows(), of_task.ncols()];
                about.shapes.push(shape);
                let numbers: Vec<f64> = of_task.iter().copied().collect();
                writer.tensor(format!("predictions.{k}"), &shape, &numbers)?;
            }
        }
    }
    writer.section(SECTION, &about)?;
    Ok(writer)
}

/// The held-out losses after each epoch; NaN where there was no label.
fn moments(reader: &Reader<'_>, shape: [usize; 2]) -> Result<Vec<Moment>> {
    let numbers = reader.tensor::<f64>("moments", &shape)?;
    let of = |row: &[f64]| match row[0].is_finite() && row[0] >= 0.0 {
        true => Ok(Moment { seconds: row[0], losses: row[1..].to_vec() }),
        false => Err(Error::new(ErrorKind::File, "moments", "seconds of at least 0", row[0])),
    };
    numbers.chunks_exact(shape[1]).map(of).collect()
}
