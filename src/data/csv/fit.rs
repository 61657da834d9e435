//! Finds out what each column of a file holds.

use super::encoding::Cells;
use super::{Column, Content, CsvReader, Encoding, Table};
use crate::data::resolution;
use crate::{Error, ErrorKind, Result};

/// The encoding of `table` with the settings of `reader`, fitted to the given rows.
pub(super) fn fit(reader: &CsvReader, table: &Table, rows: &[usize]) -> Result<Encoding> {
    check_roles(reader, table)?;
    let columns = table
        .names()
        .iter()
        .map(|name| {
            let cells = Cells::new(table, name, &reader.missing)?;
            Ok(Column { name: name.clone(), content: content(reader, name, &cells, rows)? })
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
    Ok(Encoding { reader: reader.clone(), columns, lenient: false })
}

/// Fails unless each column named in the settings exists and has only one role.
fn check_roles(reader: &CsvReader, table: &Table) -> Result<()> {
    let mut roles: Vec<(usize, &str)> = Vec::new();
    let named = (reader.targets.iter().map(|target| (&target.name, "a target")))
        .chain(reader.weights.iter().map(|name| (name, "the weights")))
        .chain(reader.group.iter().map(|name| (name, "the groups")))
        .chain(reader.categorical.iter().map(|name| (name, "a categorical feature")))
        .chain(reader.ignored.iter().map(|name| (name, "left out")));
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

fn content(reader: &CsvReader, name: &String, cells: &Cells<'_>, rows: &[usize]) -> Result<Content> {
    let missing = rows.iter().filter(|&&row| cells.get(row).is_none()).count();
    if let Some(target) = reader.targets.iter().find(|target| target.name == *name) {
        if missing == rows.len() {
            return Err(Error::new(ErrorKind::Value, cells.column_place(), "at least one label", "none"));
        }
        if target.is_class {
            return Ok(Content::Classes { classes: texts(cells, rows), missing });
        }
        for &row in rows.iter().filter(|&&row| cells.get(row).is_some()) {
            cells.number::<f64>(row).map_err(|error| match cells.get(row).map(str::parse::<f64>) {
                Some(Err(_)) => {
                    error.advise("if the target is a class, name it in `CsvReader::class_targets` instead")
                }
                _ => error,
            })?;
        }
        return Ok(Content::Target { missing });
    }
    if reader.weights.as_ref() == Some(name) {
        return Ok(Content::Weights);
    }
    if reader.group.as_ref() == Some(name) {
        return Ok(Content::Groups);
    }
    if reader.ignored.contains(name) {
        return Ok(Content::Ignored);
    }
    if missing == rows.len() {
        return Ok(Content::Empty);
    }
    if reader.categorical.contains(name) || holds_texts(cells, rows)? {
        let categories = texts(cells, rows);
        if categories.len() > reader.max_categories {
            return Err(Error::new(
                ErrorKind::Value,
                cells.column_place(),
                format!("numbers, or at most {} different texts", reader.max_categories),
                format!("{} different texts", categories.len()),
            )
            .advise("leave it out with `CsvReader::ignore`, or raise `CsvReader::max_categories`"));
        }
        return Ok(Content::Texts { categories, missing });
    }
    numbers(cells, rows, missing)
}

fn numbers(cells: &Cells<'_>, rows: &[usize], missing: usize) -> Result<Content> {
    let numbers = rows
        .iter()
        .filter(|&&row| cells.get(row).is_some())
        .map(|&row| cells.number::<f64>(row))
        .collect::<Result<Vec<_>>>()?;
    let count = numbers.len() as f64;
    let constant = numbers.iter().all(|&x| x == numbers[0]);
    // Divided before they are summed, so that the sum does not overflow.
    let mean = if constant { numbers[0] } else { numbers.iter().map(|x| x / count).sum() };
    let base = resolution::base(&numbers).unwrap_or(0.0);
    Ok(Content::Numbers { mean, constant, missing, base })
}

/// Whether the filled cells are texts rather than numbers. A mixture is an error, since it is most likely a
/// slip.
fn holds_texts(cells: &Cells<'_>, rows: &[usize]) -> Result<bool> {
    let filled = || rows.iter().copied().filter_map(|row| Some((row, cells.get(row)?)));
    let number = |text: &str| text.parse::<f64>().ok();
    if let Some((row, _)) = filled().find(|(_, text)| number(text).is_some_and(|x| !x.is_finite())) {
        cells.number::<f64>(row)?;
    }
    let decimal_comma = |text: &str| number(text).is_none() && number(&text.replacen(',', ".", 1)).is_some();
    if let Some((row, text)) = filled().find(|(_, text)| decimal_comma(text)) {
        return Err(Error::new(
            ErrorKind::Value,
            cells.place(row),
            "a number with a decimal point",
            format!("`{text}`"),
        )
        .advise("if it is not a number, name the column in `CsvReader::categorical`"));
    }
    let is_text = |(_, text): &(usize, &str)| number(text).is_none();
    let (texts, total) = (filled().filter(is_text).count(), filled().count());
    if texts == 0 || texts == total {
        return Ok(texts == total);
    }
    let slip_is_text = texts * 2 <= total;
    let (row, text) = filled().find(|cell| is_text(cell) == slip_is_text).expect("both kinds are there");
    let (expected, others) =
        if slip_is_text { ("a number", total - texts) } else { ("a text that is not a number", texts) };
    Err(Error::new(
        ErrorKind::Value,
        cells.place(row),
        format!("{expected}, as in {others} of the {total} filled cells of the column"),
        format!("`{text}`"),
    )
    .advise(
        "correct the cell, or add its text to `CsvReader::missing`, or the column to `CsvReader::categorical`",
    ))
}

/// The different texts of the filled cells, sorted; if all of them are numbers, sorted as numbers.
fn texts(cells: &Cells<'_>, rows: &[usize]) -> Vec<String> {
    let mut texts: Vec<&str> = rows.iter().filter_map(|&row| cells.get(row)).collect();
    texts.sort_unstable();
    texts.dedup();
    let numbers: Result<Vec<f64>, _> = texts.iter().map(|text| text.parse()).collect();
    if let Ok(numbers) = numbers {
        let mut keyed: Vec<_> = numbers.into_iter().zip(texts).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        texts = keyed.into_iter().map(|(_, text)| text).collect();
    }
    texts.into_iter().map(String::from).collect()
}
