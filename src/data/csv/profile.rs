//! A report of what was found out about a file, and how encodings print.

use std::fmt;

use super::super::names::{listed, quoted};
use super::cells::{Cells, spelling};
use super::{Column, Content, Encoding, Notation, Table, dialect};
use crate::Result;

/// What was found out about a file: how it is cut into cells, and what each of its columns holds.
///
/// It prints as a report, with what looks wrong at its end. [`Encoding::profile`] makes it.
///
/// ```
/// use polytask::data::csv::CsvReader;
///
/// let reader = CsvReader::new().targets(["price"]);
/// let table = reader.table_from("area;roof;price\n51,4;flat;3\n56,3;;NA\n".as_bytes(), "houses.csv")?;
/// let profile = reader.fit(&table)?.profile(&table)?;
/// assert_eq!(
///     profile.to_string(),
///     "\
/// houses.csv: 2 rows, 3 columns, separated by `;`, named in line 1
/// area   feature, numbers with mean 53.850000; decimal comma; such as `51,4`, `56,3`
/// roof   texts, a feature for each of `flat`; 1 missing
/// price  target; 1 missing (`NA`); such as `3`
/// "
/// );
/// assert_eq!(profile.columns[2].gaps, ["NA"]);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Profile {
    /// The name of the file.
    pub source: String,
    /// The number of rows.
    pub n_rows: usize,
    /// What separates cells: a byte, where a space stands for any number of spaces and tabs.
    pub delimiter: u8,
    /// The line that names the columns; `None` if they are called `column1`, `column2` …
    pub header_line: Option<usize>,
    /// The columns.
    pub columns: Vec<ColumnProfile>,
    /// What was left out of the file.
    pub notes: Vec<String>,
    /// What looks wrong, and what to do if it is.
    pub warnings: Vec<String>,
}

/// What was found out about one column of a file.
///
/// ```
/// use polytask::data::csv::CsvReader;
///
/// let reader = CsvReader::new();
/// let table = reader.table_from("area,age\n514,3\n?,5\n563,3\n".as_bytes(), "houses.csv")?;
/// let profile = reader.fit(&table)?.profile(&table)?;
/// let area = &profile.columns[0];
/// assert_eq!((&*area.column.name, area.n_missing), ("area", 1));
/// assert_eq!((&area.examples[..], &area.gaps[..]), (&["514".into(), "563".into()][..], &["?".into()][..]));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ColumnProfile {
    /// The column as it is read.
    pub column: Column,
    /// The first different texts of filled cells, up to three.
    pub examples: Vec<String>,
    /// How many cells of the table are gaps.
    pub n_missing: usize,
    /// The texts that were read as gaps.
    pub gaps: Vec<String>,
}

impl Encoding {
    /// What was found out about a table that this encoding was fitted to. There is an example at [`Profile`].
    ///
    /// # Errors
    /// [`ErrorKind::Name`](crate::ErrorKind::Name) if the table lacks a column.
    pub fn profile(&self, table: &Table) -> Result<Profile> {
        let mut warnings = Vec::new();
        let columns = self
            .columns
            .iter()
            .map(|column| {
                let cells = Cells::new(table, column, &self.reader)?;
                warnings.extend(suspicions(column, &cells));
                Ok(ColumnProfile::new(column, &cells))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Profile {
            source: table.source().to_owned(),
            n_rows: table.n_rows(),
            delimiter: table.delimiter(),
            header_line: table.header_line(),
            columns,
            notes: table.notes().to_vec(),
            warnings,
        })
    }
}

impl ColumnProfile {
    fn new(column: &Column, cells: &Cells<'_>) -> Self {
        let mut examples: Vec<String> = Vec::new();
        for text in (0..cells.n_rows()).filter_map(|row| cells.get(row)) {
            if examples.len() == 3 {
                break;
            }
            if !examples.iter().any(|known| known == text) {
                examples.push(text.to_owned());
            }
        }
        let n_missing = (0..cells.n_rows()).filter(|&row| cells.get(row).is_none()).count();
        let gaps = cells.gap_texts().into_iter().map(String::from).collect();
        Self { column: column.clone(), examples, n_missing, gaps }
    }
}

/// What looks wrong in a column.
fn suspicions(column: &Column, cells: &Cells<'_>) -> Vec<String> {
    let name = &column.name;
    let mut found = Vec::new();
    match &column.content {
        Content::Numbers { .. } | Content::Target { .. } => {
            let is_feature = matches!(column.content, Content::Numbers { .. });
            let filled = (0..cells.n_rows()).filter(|&row| cells.get(row).is_some());
            let numbers: Vec<f64> = filled.filter_map(|row| cells.number(row).ok()).collect();
            if let Some((number, n)) = sentinel(&numbers) {
                found.push(format!(
                    "`{name}` is {number} in {n} rows, far from all others: if that marks a gap, say \
                     `CsvReader::missing_in(\"{name}\", [\"{number}\"])`"
                ));
            }
            let is_numbered = |from: f64| numbers.iter().enumerate().all(|(i, &x)| x == from + i as f64);
            let is_plain = column.notation.is_plain();
            let is_whole = is_plain && cells.n_rows() > 5 && numbers.len() == cells.n_rows();
            if is_feature && is_whole && (is_numbered(0.0) || is_numbered(1.0)) {
                found.push(format!("`{name}` numbers the rows: leave it out with `CsvReader::ignore`"));
            }
        }
        Content::Texts { categories, .. } | Content::Indices { categories, .. } => {
            found.extend(spellings(name, cells, categories));
        }
        Content::Classes { classes, .. } => {
            found.extend(spellings(name, cells, classes));
            if classes.len() == 1 {
                found.push(format!("all labels of `{name}` are of one class, {}", quoted(classes)));
            }
        }
        _ => {}
    }
    found
}

/// A number that often stands for a gap, if it is there more than once and far from all others.
fn sentinel(numbers: &[f64]) -> Option<(f64, usize)> {
    const USUAL: [f64; 10] =
        [-1.0, -9.0, -99.0, -200.0, -999.0, -9999.0, -99_999.0, 999.0, 9_999.0, 99_999.0];
    USUAL.into_iter().find_map(|usual| {
        let n = numbers.iter().filter(|&&x| x == usual).count();
        let others = || numbers.iter().copied().filter(|&x| x != usual);
        let (low, high) =
            (others().fold(f64::INFINITY, f64::min), others().fold(f64::NEG_INFINITY, f64::max));
        let distance = if usual < low { low - usual } else { usual - high };
        (n > 1 && low < high && distance > high - low).then_some((usual, n))
    })
}

/// A warning if texts of different spelling are read as one.
fn spellings(name: &str, cells: &Cells<'_>, known: &[String]) -> Option<String> {
    let mut others: Vec<&str> = (0..cells.n_rows())
        .filter_map(|row| cells.get(row))
        .filter(|text| !known.iter().any(|known| known == text))
        .filter(|text| known.iter().any(|known| spelling(known) == spelling(text)))
        .collect();
    others.sort_unstable();
    others.dedup();
    let known = known.iter().filter(|known| others.iter().any(|text| spelling(text) == spelling(known)));
    let known: Vec<&String> = known.collect();
    (!others.is_empty()).then(|| format!("in `{name}`, {} are read as {}", quoted(&others), quoted(&known)))
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, n_rows, columns, .. } = self;
        let of = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
        write!(f, "{source}: {}, {}", of(*n_rows, "row"), of(columns.len(), "column"))?;
        if columns.len() > 1 {
            write!(f, ", separated by {}", dialect::shown(self.delimiter))?;
        }
        match self.header_line {
            Some(line) => writeln!(f, ", named in line {line}")?,
            None => writeln!(f, ", without a header")?,
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        let width = columns.iter().map(|column| column.column.name.chars().count()).max().unwrap_or(0);
        for column in columns {
            writeln!(f, "{:width$}  {column}", column.column.name)?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ColumnProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column: Column { content, notation, .. }, examples, n_missing, gaps } = self;
        write!(f, "{}", content.kind(10))?;
        if !notation.is_plain() {
            write!(f, "; {notation}")?;
        }
        if *n_missing > 0 && !matches!(content, Content::Empty | Content::Ignored) {
            write!(f, "; {n_missing} missing")?;
            if !gaps.is_empty() {
                write!(f, " ({})", listed(gaps))?;
            }
        }
        match content {
            Content::Texts { .. } | Content::Indices { .. } | Content::Classes { .. } | Content::Empty => {
                Ok(())
            }
            _ => write!(f, "; such as {}", quoted(examples)),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
        for Column { name, content, notation } in &self.columns {
            write!(f, "{name:width$}  {content}")?;
            if *notation != Notation::default() {
                write!(f, "; {notation}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Content {
    /// What it is, with that many texts at most.
    fn kind(&self, most: usize) -> String {
        let shown = |texts: &[String]| match texts.len() > most {
            true => format!("{} and {} more", quoted(&texts[..most]), texts.len() - most),
            false => quoted(texts),
        };
        match self {
            Self::Numbers { mean, constant: true, .. } => format!("feature, always {mean}"),
            Self::Numbers { mean, base, .. } if *base != 0.0 => {
                format!("feature, numbers with mean {mean:.6}, minus {base}")
            }
            Self::Numbers { mean, .. } => format!("feature, numbers with mean {mean:.6}"),
            Self::Texts { categories, other: false, .. } => {
                format!("texts, a feature for each of {}", shown(categories))
            }
            Self::Texts { categories, .. } => {
                format!("texts, a feature for each of {}, and one for all others", shown(categories))
            }
            Self::Indices { categories, .. } => format!("feature, the index among {}", shown(categories)),
            Self::Target { .. } => "target".into(),
            Self::Classes { classes, .. } => format!("target, with the classes {}", shown(classes)),
            Self::Empty => "left out: every cell is empty".into(),
            Self::Ignored => "left out by the settings".into(),
            Self::Weights => "weights".into(),
            Self::Groups => "groups".into(),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind(usize::MAX))?;
        match self {
            Self::Numbers { missing, .. }
            | Self::Texts { missing, .. }
            | Self::Indices { missing, .. }
            | Self::Target { missing }
            | Self::Classes { missing, .. }
                if *missing > 0 =>
            {
                write!(f, "; {missing} missing")
            }
            _ => Ok(()),
        }
    }
}
