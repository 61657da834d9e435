//! Reports as text, at most 80 columns wide: first what is wrong, then the table, then how it was found.

use std::fmt;

use super::report::{BlockReport, Cause, Coverage, Entry, Fault, GradientReport, Uncertain, Verdict};

const WIDTH: usize = 80;
/// Passing blocks are left out of a table longer than this.
const LONG_TABLE: usize = 24;
/// So many failed blocks are described in full.
const DESCRIBED: usize = 8;

impl fmt::Display for GradientReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fault) = &self.fault {
            writeln!(f, "gradient check FAILED before any derivative was compared\n")?;
            return write!(f, "{}", wrapped(&fault.to_string(), 0));
        }
        let n = self.blocks.len();
        let (count, outcome) = match self.verdict {
            Verdict::Fail => (self.failed().count(), "FAILED"),
            Verdict::Inconclusive => {
                (self.blocks.iter().filter(|b| b.verdict == Verdict::Inconclusive).count(), "INCONCLUSIVE")
            }
            Verdict::Pass => (n, "passed"),
        };
        writeln!(f, "gradient check {outcome}: {count} of {n} {}\n", plural(n, "block"))?;
        let failed: Vec<_> = self.failed().take(DESCRIBED).collect();
        for alike in failed.chunk_by(|a, b| a.causes == b.causes) {
            describe(f, alike)?;
        }
        let more = self.failed().count().saturating_sub(DESCRIBED);
        if more > 0 {
            writeln!(f, "... and {more} more {}", plural(more, "block"))?;
        }
        let mut doubted: Vec<Uncertain> = self.blocks.iter().filter_map(|b| b.uncertain).collect();
        doubted.dedup();
        for (i, uncertain) in
            doubted.iter().enumerate().filter(|(i, uncertain)| !doubted[..*i].contains(uncertain))
        {
            let named = self.blocks.iter().find(|b| b.uncertain == Some(doubted[i])).expect("it has a block");
            writeln!(f, "{}", wrapped(&format!("{}: {uncertain}", named.name), 2))?;
        }
        if self.verdict != Verdict::Pass {
            writeln!(f)?;
        }
        self.table(f)?;
        self.footer(f)
    }
}

/// The worst entries of failed blocks, and what would explain them alike.
fn describe(f: &mut fmt::Formatter<'_>, alike: &[&BlockReport]) -> fmt::Result {
    for block in alike {
        match &block.worst {
            Some(entry) => writeln!(f, "{}", wrapped(&entry.to_string(), 2))?,
            None => writeln!(f, "{}: wrong along a random direction, no entry stands out", block.name)?,
        }
    }
    for cause in &alike[0].causes {
        writeln!(f, "{}", wrapped(&format!("  likely cause: {cause}"), 4))?;
    }
    Ok(())
}

impl GradientReport {
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let long = self.blocks.len() > LONG_TABLE;
        let shown = || self.blocks.iter().filter(|b| !long || b.verdict != Verdict::Pass);
        let shape = |b: &BlockReport| format!("{} x {}", b.shape.0, b.shape.1);
        let shape_width = shown().map(|b| shape(b).len()).max().unwrap_or(0).max("shape".len());
        let name_width = shown().map(|b| b.name.chars().count()).max().unwrap_or(0).max("block".len());
        let name_width = name_width.min(WIDTH - shape_width - 47);
        if shown().next().is_some() {
            writeln!(
                f,
                "{:name_width$}  {:>shape_width$}  |gradient|     error    step  verdict",
                "block", "shape"
            )?;
        }
        for block in shown() {
            let verdict = match block.verdict {
                Verdict::Pass => "pass",
                Verdict::Inconclusive => "inconclusive",
                Verdict::Fail => "FAIL",
            };
            let (name, shape) = (shortened(&block.name, name_width), shape(block));
            let (norm, error, step) = (block.norm, block.error, block.step);
            writeln!(
                f,
                "{name:name_width$}  {shape:>shape_width$}  {norm:>10.3e}  {error:>8.1e}  {step:>6.0e}  {verdict}"
            )?;
        }
        let hidden = self.blocks.len() - shown().count();
        if hidden > 0 {
            writeln!(f, "... and {hidden} {} that passed", plural(hidden, "block"))?;
        }
        writeln!(f)
    }

    fn footer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coverage = match self.coverage {
            Coverage::Auto | Coverage::Every => "every entry".to_owned(),
            Coverage::Sample(m) => format!("{m} {} a block", if m == 1 { "entry" } else { "entries" }),
            Coverage::Directions(k) => format!("{k} random {} a block", plural(k, "direction")),
        };
        let Self { scalar, tolerance, seed, n_losses, n_gradients, .. } = self;
        let text = format!(
            "{coverage}, {scalar}, tolerance {tolerance:.0e}, {n_losses} losses and {n_gradients} gradients"
        );
        writeln!(f, "{}", wrapped(&text, 2))?;
        let (untested, n) = (self.untested(), self.n_entries());
        if untested > 0 {
            let text = format!("untested: {untested} of {n} entries, whose gradient is exactly 0");
            writeln!(f, "{}", wrapped(&text, 2))?;
        }
        if self.blocks.iter().any(|b| b.verdict == Verdict::Pass && b.norm > 0.0) {
            let text = match (self.coverage, self.miss_probability(1e-3)) {
                (Coverage::Sample(_), p) => {
                    format!("an error in one entry escapes with probability up to {p:.2}")
                }
                (_, 0.0) => "no error of 1e-3 |gradient| or more in a passing block can escape".to_owned(),
                (_, 1.0..) if *scalar == "f32" => {
                    "an error of 1e-3 |gradient| in a passing block can escape in f32: check in f64"
                        .to_owned()
                }
                (_, 1.0..) => "an error of 1e-3 |gradient| in a passing block can escape".to_owned(),
                (_, p) => {
                    format!(
                        "an error of 1e-3 |gradient| in a passing block escapes with probability < {p:.0e}"
                    )
                }
            };
            writeln!(f, "{}", wrapped(&text, 2))?;
        }
        if self.on_kinks > 0 {
            let (on, n) = (self.on_kinks, self.n_decisions);
            writeln!(f, "smallest distance to a kink: 0, in {on} of {n} {}", plural(n, "decision"))?;
        } else if let Some(margin) = self.margin {
            writeln!(f, "smallest distance to a kink: {margin:.1e}")?;
        }
        if let Some(distance) = self.moved {
            writeln!(f, "checked beside theta, off its kinks: no number moved by more than {distance:.0e}")?;
        }
        let only = match self.blocks.iter().find(|b| b.verdict == self.verdict) {
            Some(block) if self.verdict != Verdict::Pass => format!(".only({:?})", block.name),
            _ => String::new(),
        };
        let moved = if self.moved.is_some() { ".off_kinks()" } else { "" };
        write!(f, "reproduce: .coverage(Coverage::{:?}).seed({seed}){moved}{only}", self.coverage)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (by_hand, numeric) = told_apart(self.by_hand, self.numeric);
        write!(f, "{}: by hand {by_hand}, numeric {numeric}", self.name)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LossNotFinite { loss } => write!(f, "the loss at theta is {loss}"),
            Self::LossNotRepeatable { first, second } => write!(
                f,
                "the loss is {first:?} at first and {second:?} when computed again: look for an unseeded \
                 mask, a new batch, or a sum whose order changes"
            ),
            Self::LossDependsOnGradient { without, with } => write!(
                f,
                "the loss is {without:?} without and {with:?} with the gradient: the two passes do not compute \
                 the same function"
            ),
            Self::LossRemembers { before, after } => write!(
                f,
                "the loss at theta is {before:?} before and {after:?} after a visit to another point: state is \
                 kept between calls (running statistics, a cache, a step counter)"
            ),
            Self::GradientNotRepeatable { name, first, second } => {
                write!(f, "{name}: by hand {first:?} at first and {second:?} when computed again")
            }
            Self::NotWritten { name, count, of } => {
                write!(f, "{name}: the gradient is not written, here and in {count} of {of} entries in all")
            }
            Self::AddedToRubbish { name, count, of } => write!(
                f,
                "{name}: the gradient is added to what the buffer held before, here and in {count} of {of} entries \
                 in all; write it with =, not +="
            ),
            Self::GradientNotFinite { name, value, count } => {
                write!(
                    f,
                    "{name}: by hand {value}; {count} {} not finite",
                    if *count == 1 { "entry is" } else { "entries are" }
                )
            }
        }
    }
}

impl fmt::Display for Uncertain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnKink => {
                "theta lies on a kink, where the loss has no derivative to compare with; .off_kinks() checks \
                 beside it"
            }
            Self::Crossing => {
                "every step, down to the smallest, crossed a kink or met a loss that is not finite; \
                 check at another point, or with .off_kinks()"
            }
            Self::Rough => {
                "the differences are too rough to judge so small a gradient; use f64, or a point where the \
                 gradient is larger"
            }
            Self::Zero => {
                "the gradient is 0 by hand and numerically, so nothing was tested; if it must be 0 here, add \
                 .allow_zero()"
            }
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Factor(c) if *c == 2.0 => write!(f, "a factor 2 is missing: numeric = 2 x by hand"),
            Self::Factor(c) if *c == 0.5 => write!(f, "a factor 2 too much: numeric = 1/2 x by hand"),
            Self::Factor(c) => write!(f, "a constant factor: numeric = {} x by hand", number(*c, 5)),
            Self::Sign => write!(f, "the sign: numeric = -by hand"),
            Self::SumNotMean { batch } => {
                write!(f, "a sum over the batch of {batch}, not a mean: numeric = 1/{batch} x by hand")
            }
            Self::MeanNotSum { batch } => {
                write!(f, "a mean over the batch of {batch}, not a sum: numeric = {batch} x by hand")
            }
            Self::Missing => write!(f, "no gradient by hand: 0 in the whole block"),
            Self::Transposed => write!(f, "transposed: numeric is by hand with rows and columns exchanged"),
            Self::TaskMissing { task } => write!(f, "the part of task '{task}' is missing"),
            Self::TaskTwice { task } => write!(f, "the part of task '{task}' is in it twice"),
            Self::TaskWeight { task, times } => {
                write!(f, "the part of task '{task}' is in it {} times", number(*times, 4))
            }
            Self::DecayMissing { lambda } => {
                write!(f, "weight decay is missing: numeric = by hand + {} theta", number(*lambda, 4))
            }
            Self::DecayExtra { lambda } => {
                write!(
                    f,
                    "weight decay that the loss lacks: numeric = by hand - {} theta",
                    number(*lambda, 4)
                )
            }
            Self::Mask => write!(
                f,
                "units are off by hand but on in truth, or the reverse: an activation's derivative is missing, or \
                 is that of another layer"
            ),
            Self::BiasSum => write!(
                f,
                "the weight of this layer is right, so the delta is: this is not that delta summed over the batch \
                 (one row alone? the delta before the activation's derivative?)"
            ),
            Self::Product => write!(
                f,
                "the bias of this layer is right, so the delta is: this is not the product of the layer's input with \
                 that delta (another input? another delta?)"
            ),
            Self::Delta => write!(
                f,
                "weight and bias are wrong alike: the delta that reaches this layer (its activation's derivative, a \
                 mask of another layer, or what comes between it and the loss), or the rows that both sum it over"
            ),
            Self::Follows { block } => {
                write!(f, "{block} comes later in theta and is wrong as well; look there first")
            }
            Self::OneEntry => write!(f, "this entry alone is wrong"),
            Self::OneRow { row } => write!(f, "row {row} alone is wrong"),
            Self::OneColumn { column } => write!(f, "column {column} alone is wrong"),
        }
    }
}

/// `x` to `digits` significant digits: plain from 0.001 to 10 000, else with an exponent.
pub(super) fn number(x: f64, digits: usize) -> String {
    let scientific = format!("{x:.*e}", digits - 1);
    let exponent = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok());
    match exponent {
        _ if x == 0.0 => "0".to_owned(),
        Some(exponent @ -3..4) => format!("{x:.*}", (digits as i32 - 1 - exponent).max(0) as usize),
        _ => scientific,
    }
}

/// Two numbers to five digits, or to as many more as it takes to tell them apart.
pub(super) fn told_apart(a: f64, b: f64) -> (String, String) {
    let pairs = (5..=17).map(|digits| (number(a, digits), number(b, digits)));
    pairs.clone().find(|(a, b)| a != b).unwrap_or_else(|| (a.to_string(), b.to_string()))
}

pub(super) fn plural(n: usize, word: &str) -> String {
    if n == 1 { word.to_owned() } else { format!("{word}s") }
}

/// A name of at most `width` characters, the middle left out if need be.
pub(super) fn shortened(name: &str, width: usize) -> String {
    let n = name.chars().count();
    if n <= width {
        return name.to_owned();
    }
    let (head, tail) = ((width - 2) / 2, width - 2 - (width - 2) / 2);
    let start: String = name.chars().take(head).collect();
    let end: String = name.chars().skip(n - tail).collect();
    format!("{start}..{end}")
}

/// `text` in lines of at most 80 characters, all but the first indented.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut length = text.len() - text.trim_start().len();
    lines.push_str(&text[..length]);
    for (i, word) in text.split_whitespace().enumerate() {
        let n = word.chars().count();
        if i > 0 && length + 1 + n > WIDTH {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            length = indent;
        } else if i > 0 {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(word);
        length += n;
    }
    lines
}
