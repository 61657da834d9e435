//! How an example reads a table of your own: options of its command line.

use polytask::data::csv::{CsvReader, Table};
use polytask::prelude::*;

/// The options, as `--help` prints them.
pub const OPTIONS: &str = "\
options; the first five are found from the file unless given:
  --delimiter C       what separates cells: a character, `tab` or `space`
  --header yes|no     whether the first line names the columns (otherwise they are column1, column2 ...)
  --decimal-comma     a comma stands before the decimals
  --thousands C       what stands between groups of three digits
  --day-first yes|no  how to read dates such as 03/04/2024
  --missing T,T...    more texts that mark a gap, such as -999
  --missing-in A=T,.. the same in column A alone; may be given again for other columns
  --only-missing T,.. the only texts that mark a gap
  --order A=T,T...    a target of classes in their order, from the lowest; may be given again
  --comment C         what lines begin with that are comments
  --skip-lines N      lines above the table
  --ignore A,B...     columns to leave out
  --categorical A,... columns of numbers that are names, such as postal codes
  --embed A,B...      columns of categories, each of which gets a learnt vector instead of a feature of its own
  --max-categories N  the most different texts in a column (100)
  --frequent N        the most frequent texts of a column that get a feature each; others share one
  --epochs N          how long to learn";

/// What the command line says besides the table and its targets.
#[derive(Debug, Default)]
pub struct Options {
    /// How the file is read.
    pub reader: CsvReader,
    /// How long to learn, if that was given.
    pub epochs: Option<u64>,
    /// Whether columns of categories get learnt vectors.
    pub embeds: bool,
    /// The targets whose classes have an order.
    pub ordered: Vec<String>,
}

impl Options {
    /// Takes the options out of the arguments, and leaves the others; the error says which one is wrong.
    pub fn take(arguments: &[String]) -> Result<(Self, Vec<&str>), String> {
        let (mut options, mut rest) = (Self::default(), Vec::new());
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(option) = arguments.next() {
            let reader = std::mem::take(&mut options.reader);
            let is_known = OPTIONS.lines().any(|line| line.split_whitespace().next() == Some(option));
            if !is_known {
                rest.push(option);
                options.reader = reader;
                continue;
            }
            if option == "--decimal-comma" {
                options.reader = reader.decimal_comma(true);
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{option} wants a value"))?;
            let wrong = |expected: &str| format!("{option}: expected {expected}, found `{value}`");
            let names = || listed(value);
            let of_column = || value.split_once('=').ok_or_else(|| wrong("a column, `=` and texts"));
            let number = || value.parse::<usize>().map_err(|_| wrong("a number"));
            let character = || match (value, value.chars().count()) {
                ("tab", _) => Ok('\t'),
                ("space", _) => Ok(' '),
                (_, 1) => Ok(value.chars().next().unwrap_or_default()),
                _ => Err(wrong("one character")),
            };
            let byte = || u8::try_from(character()?).map_err(|_| wrong("an ASCII character"));
            let yes = || match value {
                "yes" => Ok(true),
                "no" => Ok(false),
                _ => Err(wrong("yes or no")),
            };
            options.reader = match option {
                "--delimiter" => reader.delimiter(byte()?),
                "--header" => reader.header(yes()?),
                "--thousands" => reader.thousands(character()?),
                "--day-first" => reader.day_first(yes()?),
                "--missing" => reader.missing(names()),
                "--missing-in" => {
                    let (column, texts) = of_column()?;
                    reader.missing_in(column, listed(texts))
                }
                "--only-missing" => reader.only_missing(names()),
                "--order" => {
                    let (column, texts) = of_column()?;
                    options.ordered.push(column.to_owned());
                    reader.classes_in_order(column, listed(texts))
                }
                "--comment" => reader.comment(byte()?),
                "--skip-lines" => reader.skip_lines(number()?),
                "--ignore" => reader.ignore(names()),
                "--categorical" => reader.categorical(names()),
                "--embed" => {
                    options.embeds = true;
                    reader.embed(names())
                }
                "--max-categories" => reader.max_categories(number()?),
                "--frequent" => reader.frequent_categories(number()?),
                _ => {
                    options.epochs = Some(number()? as u64);
                    reader
                }
            };
        }
        Ok((options, rest))
    }

    /// A reader that knows the targets, the names of which are separated by commas, the table as text, and a report of
    /// what was found in it.
    pub fn table(
        &self,
        file: &str,
        targets: &str,
        classes: &str,
    ) -> polytask::Result<(CsvReader, Table, String)> {
        let reader = self.reader.clone().targets(listed(targets)).class_targets(listed(classes));
        let table = reader.table(file)?;
        let report = reader.fit(&table)?.profile(&table)?.to_string();
        Ok((reader, table, report))
    }

    /// The table with its targets as numbers, and a report of what was found in it.
    pub fn read(&self, file: &str, targets: &str, classes: &str) -> polytask::Result<(Dataset<f32>, String)> {
        let (reader, table, report) = self.table(file, targets, classes)?;
        Ok((reader.fit(&table)?.apply(&table)?, report))
    }
}

/// What a trunk begins with: learnt vectors for the columns of a table that are indices of categories, if there are any.
pub fn first_layers(data: &Dataset<f32>) -> Vec<Layer> {
    let columns = data.index_columns();
    (!columns.is_empty()).then(|| Layer::embedding(columns, VECTOR)).into_iter().collect()
}

/// How many numbers there are in the vector of a category.
const VECTOR: usize = 8;

/// The texts between commas.
fn listed(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|text| !text.is_empty())
}
