//! What all blocks of a file hold, one after the other.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

#[cfg(feature = "parquet")]
use super::super::arrow::Columns;
use super::super::{Column, Content, Encoding, Table, Values};
use super::block::Block;
use super::tally::Tally;
use crate::{Error, ErrorKind, Result};

/// The blocks of a file, and how their cells are read.
pub(super) struct Tallied {
    pub(super) encoding: Encoding,
    pub(super) blocks: Vec<Block>,
    /// What is wrong with the targets for a scalar type with 24 bits.
    pub(super) coarse: Option<Error>,
}

impl Tallied {
    /// Looks at all blocks, and fits the encoding, which was found from the first rows, to all rows.
    pub(super) fn fitted(encoding: Encoding, source: &str, next: Next<'_>) -> Result<Self> {
        let tallies = encoding.columns.iter().map(|column| Tally::of(&column.content, false)).collect();
        Self::look(encoding, tallies, true, source, next)
    }

    /// Looks at all blocks of a file whose encoding is known.
    pub(super) fn known(encoding: Encoding, source: &str, next: Next<'_>) -> Result<Self> {
        let tallies = encoding.columns.iter().map(|column| Tally::of(&column.content, true)).collect();
        Self::look(encoding, tallies, false, source, next)
    }

    fn look(
        mut encoding: Encoding,
        mut tallies: Vec<Tally>,
        fits: bool,
        source: &str,
        next: Next<'_>,
    ) -> Result<Self> {
        let reader = encoding.reader.clone();
        let (mut blocks, mut groups) = (Vec::new(), HashSet::new());
        while let Some((mut block, rows)) = next()? {
            block.groups_before = groups.len() as u64;
            let Some(table) = rows.texts(&mut tallies, &encoding)? else {
                blocks.push(block);
                continue;
            };
            if let Some(name) = &reader.group {
                note_groups(&table, table.column(name)?, &mut groups)?;
            }
            for (tally, column) in tallies.iter_mut().zip(&encoding.columns) {
                tally.add(&table, column, &reader)?;
            }
            blocks.push(block);
        }
        let mut coarse = None;
        for (tally, column) in tallies.iter().zip(&mut encoding.columns) {
            let place = format!("{source}, column `{}`", column.name);
            if matches!(column.content, Content::Target { .. }) {
                coarse = coarse.or_else(|| tally.coarse_labels(&place));
            }
            if fits {
                column.content = tally.content(column, &reader, || place.clone())?;
            }
        }
        Ok(Self { encoding, blocks, coarse })
    }
}

/// The next block, and its cells.
pub(super) type Next<'a> = &'a mut dyn FnMut() -> Result<Option<(Block, Rows)>>;

/// The cells of a block.
pub(super) enum Rows {
    Texts(Table),
    /// The columns that are to be known, which hold nothing but numbers.
    Numbers(Vec<(String, Values)>),
    #[cfg(feature = "parquet")]
    Columns(Columns),
}

impl Rows {
    /// The cells as texts.
    #[cfg(feature = "parquet")]
    pub(super) fn into_table(self) -> Result<Table> {
        match self {
            Self::Texts(table) => Ok(table),
            Self::Columns(columns) => columns.into_table(),
            Self::Numbers(_) => unreachable!("a text that is read as numbers"),
        }
    }

    /// The cells as texts; `None` if they have been added to the tallies without.
    fn texts(self, tallies: &mut [Tally], encoding: &Encoding) -> Result<Option<Table>> {
        match self {
            Self::Texts(table) => Ok(Some(table)),
            Self::Numbers(columns) => {
                let find =
                    |name: &str| columns.iter().find(|(other, _)| other == name).map(|(_, values)| values);
                let is_added = add_numbers(tallies, &encoding.columns, find);
                assert!(is_added, "a column that is to be known is not among the numbers");
                Ok(None)
            }
            #[cfg(feature = "parquet")]
            Self::Columns(columns) => {
                let find =
                    |name: &str| columns.values().find(|(other, _)| *other == name).map(|(_, values)| values);
                let has_groups = encoding.reader.group.is_some();
                match !has_groups && add_numbers(tallies, &encoding.columns, find) {
                    true => Ok(None),
                    false => columns.into_table().map(Some),
                }
            }
        }
    }
}

/// Adds the rows of a block without a look at their texts, if all that is to be known of them are numbers and gaps.
fn add_numbers<'v>(
    tallies: &mut [Tally],
    known: &[Column],
    find: impl Fn(&str) -> Option<&'v Values>,
) -> bool {
    let counting = || known.iter().enumerate().filter(|(at, _)| !tallies[*at].is_nothing());
    let pairs: Option<Vec<_>> =
        counting().map(|(at, column)| Some((at, column, find(&column.name)?))).collect();
    let Some(pairs) = pairs else { return false };
    if !pairs.iter().all(|&(at, column, values)| tallies[at].takes(column, values)) {
        return false;
    }
    pairs.into_iter().for_each(|(at, _, values)| tallies[at].add_numbers(values));
    true
}

/// Fails if a group is there again that had ended.
fn note_groups(table: &Table, column: usize, groups: &mut HashSet<u64>) -> Result<()> {
    let mut before: Option<&str> = None;
    for row in 0..table.n_rows() {
        let group = table.cell(row, column);
        if before != Some(group) {
            let mut hasher = DefaultHasher::new();
            group.hash(&mut hasher);
            if !groups.insert(hasher.finish()) {
                let expected = "the rows of a group side by side";
                let found = format!("`{group}` once more");
                return Err(Error::new(ErrorKind::Value, table.place(row, column), expected, found)
                    .advise("sort the file by its groups"));
            }
            before = Some(group);
        }
    }
    Ok(())
}
