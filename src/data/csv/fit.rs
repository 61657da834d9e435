//! Finds out what each column of a file holds.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::super::names::{self, listed};
use super::cells::{Cells, index_of, spelling};
use super::column::Kind;
use super::notation::{self, Hints, Reading};
use super::{Column, Content, CsvReader, Encoding, Notation, Table};
use crate::data::resolution;
use crate::{Error, ErrorKind, Result};

/// The rows that an encoding is fitted to.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// The rows that means, categories and gaps are of.
    pub learnt: &'a [usize],
    /// The rows that show how the file is written and which classes there are: the same, or more.
    pub seen: &'a [usize],
}

/// The encoding of `table` with the settings of `reader`, fitted to the given rows.
pub(super) fn fit(reader: &CsvReader, table: &Table, rows: Rows<'_>) -> Result<Encoding> {
    check_roles(reader, table)?;
    let hints = hints(reader, table, rows.seen)?;
    let columns = table
        .names()
        .iter()
        .map(|name| {
            let (content, notation) = content(reader, table, name, rows, hints)?;
            Ok(Column { name: name.clone(), content, notation })
        })
        .collect::<Result<Vec<_>>>()?;
    if columns.iter().all(|column| column.features().is_empty()) {
        return Err(Error::new(
            ErrorKind::File,
            table.source(),
            "at least one filled column that is a feature",
            "none",
        )
        .advise("all columns are targets, weights, groups, left out, or empty"));
    }
    // Later files are cut as this one was.
    let mut reader = reader.clone();
    reader.delimiter = Some(table.delimiter());
    reader.header = Some(table.header_line().is_some());
    Ok(Encoding { reader, columns, lenient: false, lenient_labels: false })
}

impl CsvReader {
    /// [`fit_rows`](Self::fit_rows) to the training part of a table that is known as a whole: how its cells are written,
    /// and which classes its targets have, is taken from all rows.
    pub(crate) fn fit_part(&self, table: &Table, rows: &[usize]) -> Result<Encoding> {
        let all: Vec<usize> = (0..table.n_rows()).collect();
        fit(self, table, Rows { learnt: rows, seen: &all })
    }

    /// The targets whose labels have their weights in `column`.
    pub(super) fn weighted_by<'a>(&'a self, column: &'a str) -> impl Iterator<Item = &'a str> {
        let of_column = self.target_weights.iter().filter(move |(_, weights)| weights == column);
        of_column.map(|(target, _)| target.as_str())
    }

    /// The columns that the settings name.
    pub(super) fn names(&self) -> Vec<&str> {
        let targets = self.targets.iter().map(|target| &target.name);
        let others = self
            .weights
            .iter()
            .chain(&self.group)
            .chain(&self.categorical)
            .chain(&self.ignored)
            .chain(&self.embedded);
        targets
            .chain(others)
            .chain(self.target_weights.iter().map(|(_, column)| column))
            .chain(self.missing_in.iter().map(|(name, _)| name))
            .map(String::as_str)
            .collect()
    }

    /// The order in which a person put the classes of a target.
    pub(super) fn order_of(&self, name: &str) -> Option<&[String]> {
        let target = self.targets.iter().find(|target| target.name == name)?;
        (!target.order.is_empty()).then_some(&target.order)
    }
}

/// What the settings and all columns together say about how numbers are written.
fn hints(reader: &CsvReader, table: &Table, rows: &[usize]) -> Result<Hints> {
    let mut hints = Hints {
        decimal_comma: reader.decimal_comma,
        thousands: reader.thousands,
        day_first: reader.day_first,
        ..Hints::default()
    };
    let evidence = table
        .names()
        .iter()
        .filter(|name| {
            ![&reader.ignored, &reader.categorical, &reader.embedded].iter().any(|list| list.contains(name))
        })
        .filter(|name| table.column(name).is_ok_and(|column| table.kind(column).is_none()))
        .map(|name| {
            let cells = Cells::texts(table, name, reader)?.numbers(Notation::default());
            Ok(notation::evidence(&filled(&cells, rows).1, hints))
        })
        .collect::<Result<Vec<_>>>()?;
    hints.sees_decimal_comma = evidence.iter().any(|&(comma, _)| comma);
    hints.sees_decimal_point = evidence.iter().any(|&(_, point)| point);
    Ok(hints)
}

/// The rows whose cells are filled, and their texts.
fn filled<'a>(cells: &Cells<'a>, rows: &[usize]) -> (Vec<usize>, Vec<&'a str>) {
    rows.iter().filter_map(|&row| Some((row, cells.get(row)?))).unzip()
}

/// Fails unless each column named in the settings exists and has only one role.
fn check_roles(reader: &CsvReader, table: &Table) -> Result<()> {
    let mut roles: Vec<(usize, &str)> = Vec::new();
    // Several targets may share their weights.
    let mut of_targets: Vec<&String> = Vec::new();
    for (target, column) in &reader.target_weights {
        let names: Vec<String> = reader.targets.iter().map(|target| target.name.clone()).collect();
        names::find("targets of the settings, of which one has weights", &names, target)?;
        if !of_targets.contains(&column) {
            of_targets.push(column);
        }
    }
    let named = (reader.targets.iter().map(|target| (&target.name, "a target")))
        .chain(reader.weights.iter().map(|name| (name, "the weights")))
        .chain(of_targets.into_iter().map(|name| (name, "the weights of a target")))
        .chain(reader.group.iter().map(|name| (name, "the groups")))
        .chain(reader.categorical.iter().map(|name| (name, "a categorical feature")))
        .chain(reader.embedded.iter().map(|name| (name, "a feature to embed")))
        .chain(reader.ignored.iter().map(|name| (name, "left out")));
    for (name, _) in &reader.missing_in {
        table.column(name)?;
    }
    for (name, role) in named {
        let column = table.column(name)?;
        if let Some((_, other)) = roles.iter().find(|(taken, _)| *taken == column) {
            return Err(Error::new(
                ErrorKind::Setting,
                table.column_place(column),
                "only one role in the settings",
                format!("two: {other}, and {role}"),
            ));
        }
        roles.push((column, role));
    }
    Ok(())
}

fn content(
    reader: &CsvReader,
    table: &Table,
    name: &String,
    Rows { learnt: rows, seen }: Rows<'_>,
    hints: Hints,
) -> Result<(Content, Notation)> {
    let texts = Cells::texts(table, name, reader)?;
    let n_missing = |cells: &Cells<'_>| rows.iter().filter(|&&row| cells.get(row).is_none()).count();
    let plain = |content| Ok((content, Notation::default()));
    if let Some(target) = reader.targets.iter().find(|target| target.name == *name) {
        return match target.is_class {
            true => {
                has_label(&texts, n_missing(&texts), rows)?;
                let classes = match reader.order_of(name) {
                    Some(order) => in_order(&texts, seen, order)?,
                    None => different(&texts, seen),
                };
                plain(Content::Classes { classes, missing: n_missing(&texts) })
            }
            false => {
                texts.check_are_numbers("a target of numbers, or one named in `CsvReader::class_targets`")?;
                quantity(texts, Rows { learnt: rows, seen }, hints)
            }
        };
    }
    if reader.group.as_ref() == Some(name) {
        return plain(Content::Groups);
    }
    if reader.ignored.contains(name) {
        return plain(Content::Ignored);
    }
    if reader.embedded.contains(name) {
        return match n_missing(&texts) {
            missing if missing == rows.len() => plain(Content::Empty),
            missing => plain(indices(reader, &texts, rows, missing)),
        };
    }
    if reader.weights.as_ref() == Some(name) || reader.weighted_by(name).next().is_some() {
        texts.check_are_numbers("weights, which are numbers")?;
    } else if reader.categorical.contains(name) || texts.kind() == Some(Kind::Texts) {
        return match n_missing(&texts) {
            missing if missing == rows.len() => plain(Content::Empty),
            missing => plain(categories(reader, &texts, rows, missing)?),
        };
    }
    let (cells, reading) = read(texts, seen, hints);
    if reader.weights.as_ref() == Some(name) || reader.weighted_by(name).next().is_some() {
        return Ok((Content::Weights, reading.numbers_of(&cells, seen)?.unwrap_or_default()));
    }
    if filled(&cells, seen).0.is_empty() {
        // Nothing, or marks that may be categories.
        let texts = Cells::texts(table, name, reader)?;
        return match n_missing(&texts) {
            missing if missing == rows.len() => plain(Content::Empty),
            missing => plain(categories(reader, &texts, rows, missing)?),
        };
    }
    if let Some(notation) = reading.numbers_of(&cells, seen)? {
        let cells = cells.numbers(notation.clone());
        return match n_missing(&cells) {
            missing if missing == rows.len() => plain(Content::Empty),
            missing => Ok((numbers(&cells, rows, missing)?, notation)),
        };
    }
    let Reading::Texts(best) = reading else { unreachable!("neither numbers nor unclear") };
    let texts = Cells::texts(table, name, reader)?;
    check_mixture(&cells.numbers(best), &texts, seen)?;
    match n_missing(&texts) {
        missing if missing == rows.len() => plain(Content::Empty),
        missing => plain(categories(reader, &texts, rows, missing)?),
    }
}

/// The cells as numbers in the notation that is found. What counts as a gap depends on it, if the settings call numbers
/// missing, so that it is found again without the gaps.
fn read<'a>(texts: Cells<'a>, rows: &[usize], hints: Hints) -> (Cells<'a>, Reading) {
    let cells = texts.numbers(Notation::default());
    let reading = match cells.kind() {
        // They are written as numbers are in Rust, whatever else that may look like.
        Some(Kind::Numbers) => Reading::Numbers(Notation::default()),
        _ => notation::find(&filled(&cells, rows).1, hints),
    };
    match reading {
        Reading::Numbers(ref notation) if !notation.is_plain() => {
            let cells = cells.numbers(notation.clone());
            let again = notation::find(&filled(&cells, rows).1, hints);
            (cells, again)
        }
        _ => (cells, reading),
    }
}

impl Reading {
    /// The notation, if all cells are numbers.
    fn numbers_of(&self, cells: &Cells<'_>, rows: &[usize]) -> Result<Option<Notation>> {
        match self {
            Self::Numbers(notation) => Ok(Some(notation.clone())),
            Self::Texts(_) => Ok(None),
            Self::Unclear { index, advice } => {
                let (rows, texts) = filled(cells, rows);
                let found = format!("`{}`, which can be read in two ways", texts[*index]);
                let error = Error::new(ErrorKind::Value, cells.place(rows[*index]), "a number", found);
                Err(error.advise(format!(
                    "{advice}; if it is not a number, name the column in `CsvReader::categorical`"
                )))
            }
        }
    }
}

fn has_label(cells: &Cells<'_>, n_missing: usize, rows: &[usize]) -> Result<()> {
    match n_missing == rows.len() {
        true => Err(Error::new(ErrorKind::Value, cells.column_place(), "at least one label", "none")),
        false => Ok(()),
    }
}

/// A target of numbers.
fn quantity(
    texts: Cells<'_>,
    Rows { learnt: rows, seen }: Rows<'_>,
    hints: Hints,
) -> Result<(Content, Notation)> {
    let (cells, reading) = read(texts, seen, hints);
    let notation = match reading.numbers_of(&cells, seen)? {
        Some(notation) => notation,
        None => match reading {
            Reading::Texts(best) => best,
            _ => unreachable!("neither numbers nor unclear"),
        },
    };
    let cells = cells.numbers(notation.clone());
    let (present, texts) = filled(&cells, rows);
    has_label(&cells, rows.len() - present.len(), rows)?;
    for (&row, text) in present.iter().zip(texts) {
        cells.number::<f64>(row).map_err(|error| match notation.parse(text) {
            None => error.advise(
                "if the target is a class, name it in `CsvReader::class_targets` instead; if the text marks a gap, \
                 add it to `CsvReader::missing`",
            ),
            Some(_) => error,
        })?;
    }
    Ok((Content::Target { missing: rows.len() - present.len() }, notation))
}

/// The classes in the order that a person gave, if no label is another one.
fn in_order(texts: &Cells<'_>, rows: &[usize], order: &[String]) -> Result<Vec<String>> {
    let (present, labels) = filled(texts, rows);
    present.iter().zip(labels).try_for_each(|(&row, text)| check_in_order(texts, row, text, order))?;
    Ok(order.to_vec())
}

/// Fails if a label is none of the classes that a person put in order.
pub(super) fn check_in_order(texts: &Cells<'_>, row: usize, text: &str, order: &[String]) -> Result<()> {
    match index_of(order, text) {
        Some(_) => Ok(()),
        None => {
            let expected = format!("one of {}", listed(order));
            Err(Error::new(ErrorKind::Value, texts.place(row), expected, format!("`{text}`")).advise(
                "`CsvReader::classes_in_order` names all classes; `CsvReader::missing` names marks of gaps",
            ))
        }
    }
}

fn categories(reader: &CsvReader, texts: &Cells<'_>, rows: &[usize], missing: usize) -> Result<Content> {
    let counts = counted(texts, rows);
    let (categories, other) = limited(reader, different(texts, rows), &counts, || texts.column_place())?;
    Ok(Content::Texts { categories, other, missing })
}

/// The categories that have a feature each, and whether others share one.
pub(super) fn limited(
    reader: &CsvReader,
    mut categories: Vec<String>,
    counts: &Counts<'_>,
    place: impl Fn() -> String,
) -> Result<(Vec<String>, bool)> {
    if let Some(most) = reader.frequent_categories.filter(|&most| categories.len() > most) {
        keep_frequent(&mut categories, most, counts);
        return Ok((categories, true));
    }
    if categories.len() > reader.max_categories {
        return Err(Error::new(
            ErrorKind::Value,
            place(),
            format!("numbers, or at most {} different texts", reader.max_categories),
            format!("{} different texts", categories.len()),
        )
        .advise(
            "leave it out with `CsvReader::ignore`, keep its most frequent texts with `CsvReader::frequent_categories`, or \
             raise `CsvReader::max_categories`",
        ));
    }
    Ok((categories, false))
}

/// The texts that have an index of their own, however many.
fn indices(reader: &CsvReader, texts: &Cells<'_>, rows: &[usize], missing: usize) -> Content {
    let categories = indexed(reader, different(texts, rows), &counted(texts, rows));
    Content::Indices { categories, missing }
}

/// The categories that have an index of their own.
pub(super) fn indexed(reader: &CsvReader, mut categories: Vec<String>, counts: &Counts<'_>) -> Vec<String> {
    if let Some(most) = reader.frequent_categories.filter(|&most| categories.len() > most) {
        keep_frequent(&mut categories, most, counts);
    }
    categories
}

/// How often each text is there, by what its spellings have in common.
pub(super) type Counts<'a> = HashMap<Cow<'a, str>, u64>;

fn counted<'a>(texts: &Cells<'a>, rows: &[usize]) -> Counts<'a> {
    let mut counts = HashMap::new();
    filled(texts, rows).1.into_iter().for_each(|text| *counts.entry(spelling(text)).or_insert(0) += 1);
    counts
}

/// Keeps the `most` most frequent of the sorted categories; of equally frequent ones the first.
fn keep_frequent(categories: &mut Vec<String>, most: usize, counts: &Counts<'_>) {
    let mut order: Vec<usize> = (0..categories.len()).collect();
    order.sort_by_key(|&category| Reverse(counts[&spelling(&categories[category])]));
    let kept: HashSet<usize> = order[..most].iter().copied().collect();
    let mut category = 0..;
    categories.retain(|_| kept.contains(&category.next().expect("endless")));
}

fn numbers(cells: &Cells<'_>, rows: &[usize], missing: usize) -> Result<Content> {
    let numbers =
        filled(cells, rows).0.into_iter().map(|row| cells.number::<f64>(row)).collect::<Result<Vec<_>>>()?;
    let count = numbers.len() as f64;
    let constant = numbers.iter().all(|&x| x == numbers[0]);
    // Divided before they are summed, so that the sum does not overflow.
    let mean = if constant { numbers[0] } else { numbers.iter().map(|x| x / count).sum() };
    let base = resolution::base(&numbers).unwrap_or(0.0);
    Ok(Content::Numbers { mean, constant, missing, base })
}

/// Fails if some of the filled cells are numbers and others are texts, since that is most likely a slip.
fn check_mixture(numbers: &Cells<'_>, texts: &Cells<'_>, rows: &[usize]) -> Result<()> {
    let (present, _) = filled(texts, rows);
    let is_number = |row: &usize| numbers.get(*row).is_some() && numbers.is_number(*row);
    let is_text = |row: &usize| numbers.get(*row).is_some() && !numbers.is_number(*row);
    let infinite = present.iter().find(|&&row| numbers.is_number(row) && numbers.number::<f64>(row).is_err());
    if let Some(&row) = infinite {
        numbers.number::<f64>(row)?;
    }
    let total = present.len();
    let n_numbers = present.iter().filter(|row| is_number(row)).count();
    if n_numbers == 0 {
        return Ok(());
    }
    let n_texts = total - n_numbers;
    let slip_is_text = n_texts * 2 <= total;
    let slip = present.iter().copied().find(|row| if slip_is_text { is_text(row) } else { is_number(row) });
    let Some(row) = slip else { return Ok(()) };
    let (expected, others) = match slip_is_text {
        true => ("a number", n_numbers),
        false => ("a text that is not a number", n_texts),
    };
    let expected = format!("{expected}, as in {others} of the {total} filled cells of the column");
    Err(Error::new(ErrorKind::Value, texts.place(row), expected, format!("`{}`", texts.get(row).unwrap_or("")))
        .advise(
            "correct the cell, or add its text to `CsvReader::missing`, or the column to `CsvReader::categorical`",
        ))
}

/// The different texts of the filled cells, in the order of categories.
fn different(cells: &Cells<'_>, rows: &[usize]) -> Vec<String> {
    in_order_of_categories(filled(cells, rows).1)
}

/// The different ones among some texts, sorted; if all of them are numbers, sorted as numbers. Of spellings of one text the
/// first is kept.
pub(super) fn in_order_of_categories(mut texts: Vec<&str>) -> Vec<String> {
    texts.sort_unstable();
    texts.dedup();
    let numbers: Result<Vec<f64>, _> = texts.iter().map(|text| text.parse()).collect();
    if let Ok(numbers) = numbers {
        let mut keyed: Vec<_> = numbers.into_iter().zip(texts).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        texts = keyed.into_iter().map(|(_, text)| text).collect();
    }
    let mut seen = HashSet::new();
    texts.retain(|text| seen.insert(spelling(text)));
    texts.into_iter().map(String::from).collect()
}
