//! A history as CSV and as JSON, for other programs.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::History;

impl History {
    /// Writes a CSV table: a line for each record and each validation, in the order of the steps. Cells that do not
    /// apply are empty, as is a loss without labels; a validation loss that is not a
    /// number is `NaN`.
    ///
    /// ```text
    /// step            after how many steps: the last one that a record is the mean of
    /// loss.T          the loss of task T on the batches
    /// weight.T        its weight
    /// penalty         the penalty of the model, where it has one
    /// norm.T          the length of its gradient, where Gramians were computed
    /// cosine.T.U      the cosine of the angle between its gradient and that of a later task U, likewise
    /// validation.T    its loss on the validation data
    /// ```
    /// Numbers are written such that reading them gives the same bits.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(64, 0.05, 1);
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let history = Trainer::new(Adam::new(0.01)).epochs(1).fit_validated(&mut model, &data, &data)?;
    /// let mut file = Vec::new();
    /// history.write_csv(&mut file).expect("memory takes it");
    /// let text = String::from_utf8(file).expect("text");
    /// assert!(text.starts_with("step,loss.elbow,weight.elbow,validation.elbow\n1,"));
    /// assert_eq!(text.lines().count(), 1 + 2 + 1);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `to` cannot be written to.
    pub fn write_csv(&self, to: &mut impl Write) -> io::Result<()> {
        let (norms, cosines) = (self.gradient_norms(), self.cosines_of_pairs());
        let of_tasks = |kind: &str| self.tasks().iter().map(|task| format!("{kind}.{task}")).collect();
        let mut columns: Vec<String> = of_tasks("loss");
        columns.append(&mut of_tasks("weight"));
        let penalty = self.penalty();
        columns.extend(penalty.map(|_| "penalty".to_owned()));
        if norms.is_some() {
            columns.append(&mut of_tasks("norm"));
            for (high, later) in self.tasks().iter().enumerate() {
                columns.extend(self.tasks()[..high].iter().map(|task| format!("cosine.{task}.{later}")));
            }
        }
        let (n, before) = (self.tasks().len(), columns.len());
        columns.append(&mut of_tasks("validation"));
        let columns: Vec<_> = columns.iter().map(|name| quoted(name, [',', '"', '\n', '\r'])).collect();
        writeln!(to, "step,{}", columns.join(","))?;

        let mut validations = self.validations().iter().peekable();
        for record in 0..self.losses().nrows() {
            let step = self.step_of(record);
            // A validation comes after the record of its step, also if that one goes on behind it.
            while let Some(validation) = validations.next_if(|validation| validation.step < step) {
                self.write_validation(to, validation, before)?;
            }
            let (losses, weights) = (self.losses(), self.weights());
            let row = losses.row(record).to_vec().into_iter().chain(weights.row(record).to_vec());
            let row = row.chain(penalty.map(|penalty| penalty[record]));
            let gradients = norms.iter().chain(&cosines);
            let row = row.chain(gradients.flat_map(|numbers| numbers.row(record).to_vec()));
            let row: Vec<String> = row.map(|x| csv_number(present(x))).collect();
            writeln!(to, "{step},{}{}", row.join(","), ",".repeat(n))?;
        }
        validations.try_for_each(|validation| self.write_validation(to, validation, before))
    }

    fn write_validation(&self, to: &mut impl Write, at: &super::Validation, before: usize) -> io::Result<()> {
        let losses: Vec<String> = at.losses.iter().map(|&loss| csv_number(loss)).collect();
        writeln!(to, "{}{},{}", at.step, ",".repeat(before), losses.join(","))
    }

    /// Writes one JSON object.
    ///
    /// ```text
    /// { "tasks": [names], "n_steps": n, "interval": steps per record, "stopped_by": name or null,
    ///   "restored_step": n or null, "steps": [n], "losses": [[one per task]], "weights": [[one per task]],
    ///   "penalty": [numbers] or null, "gradient_norms": [[one per task]] or null, "gradient_cosines": [[one per pair]]
    ///   or null, "validations": [{ "step": n, "losses": [one per task] }] }
    /// ```
    /// The pairs of tasks are in the order (0, 1), (0, 2), (1, 2), (0, 3), …
    ///
    /// What does not exist is null: a loss without a label, the gradients of a record without a Gramian. A
    /// validation loss that is not a finite number is the text `"NaN"`, `"Infinity"` or `"-Infinity"`, since JSON has
    /// no such numbers. Numbers are written such that reading them gives the same bits.
    ///
    /// ```
    /// use polytask::prelude::*;
    ///
    /// let data = datasets::robot_arm::<f32>(64, 0.05, 1);
    /// let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>()?;
    /// let history = Trainer::new(Adam::new(0.01)).steps(3).fit(&mut model, &data)?;
    /// let mut file = Vec::new();
    /// history.write_json(&mut file).expect("memory takes it");
    /// let json: serde_json::Value = serde_json::from_slice(&file).expect("JSON");
    /// assert_eq!(json["losses"][2][0], history.losses()[[2, 0]]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `to` cannot be written to.
    pub fn write_json(&self, to: &mut impl Write) -> io::Result<()> {
        let names = list(self.tasks().iter().map(|task| json_text(task)));
        let or_null = |text: Option<String>| text.unwrap_or_else(|| "null".to_owned());
        let matrix = |rows: ndarray::ArrayView2<'_, f64>| {
            list(rows.rows().into_iter().map(|row| list(row.iter().map(|&x| json_number(present(x))))))
        };
        writeln!(to, "{{\"tasks\": {names},")?;
        writeln!(to, "\"n_steps\": {}, \"interval\": {},", self.n_steps(), self.interval())?;
        writeln!(to, "\"stopped_by\": {},", or_null(self.stopped_by().map(json_text)))?;
        writeln!(to, "\"restored_step\": {},", or_null(self.restored_step().map(|step| step.to_string())))?;
        let steps = (0..self.losses().nrows()).map(|record| self.step_of(record).to_string());
        writeln!(to, "\"steps\": {},", list(steps))?;
        writeln!(to, "\"losses\": {},", matrix(self.losses()))?;
        writeln!(to, "\"weights\": {},", matrix(self.weights()))?;
        let penalty =
            |values: ndarray::ArrayView1<'_, f64>| list(values.iter().map(|&x| json_number(Some(x))));
        writeln!(to, "\"penalty\": {},", or_null(self.penalty().map(penalty)))?;
        writeln!(to, "\"gradient_norms\": {},", or_null(self.gradient_norms().map(matrix)))?;
        writeln!(to, "\"gradient_cosines\": {},", or_null(self.cosines_of_pairs().map(matrix)))?;
        let validations = self.validations().iter().map(|validation| {
            let losses = list(validation.losses.iter().map(|&x| json_number(x)));
            format!("{{\"step\": {}, \"losses\": {losses}}}", validation.step)
        });
        writeln!(to, "\"validations\": {}}}", list(validations))
    }

    /// The last step that a record is the mean of.
    fn step_of(&self, record: usize) -> u64 {
        ((record as u64 + 1) * self.interval()).min(self.n_steps())
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A number of a matrix in which NaN means that there is none.
fn present(x: f64) -> Option<f64> {
    Some(x).filter(|x| !x.is_nan())
}

/// The shortest decimal that reads back as the same number.
fn json_number(x: Option<f64>) -> String {
    match x {
        None => "null".to_owned(),
        Some(x) if x.is_finite() => format!("{x:e}"),
        Some(x) if x.is_nan() => "\"NaN\"".to_owned(),
        Some(x) => format!("\"{}Infinity\"", if x < 0.0 { "-" } else { "" }),
    }
}

fn csv_number(x: Option<f64>) -> String {
    x.map_or_else(String::new, |x| format!("{x:e}"))
}

/// A text in quotes if it has one of the characters that need them, quotes in it doubled.
fn quoted(text: &str, special: [char; 4]) -> String {
    match text.contains(special) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

fn json_text(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if u32::from(c) < 0x20 => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
