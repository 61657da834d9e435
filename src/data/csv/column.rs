//! What a column of a file holds, and the features that it becomes.

use super::notation::Notation;

/// One column of a file.
///
/// ```
/// use polytask::data::csv::CsvReader;
///
/// let file = "area,roof,price\n514,flat,3\n563,,4\n";
/// let reader = CsvReader::new().targets(["price"]);
/// let (_, encoding) = reader.read_from::<f64>(file.as_bytes(), "houses.csv")?;
/// let [area, roof, price] = encoding.columns() else { unreachable!("three columns") };
/// assert_eq!((&*area.name, area.features()), ("area", vec!["area".to_owned()]));
/// assert_eq!(roof.features(), ["roof=flat", "roof_missing"]);
/// assert!(price.features().is_empty());
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
#[non_exhaustive]
pub struct Column {
    /// The column's name in the header.
    pub name: String,
    /// What the column holds.
    pub content: Content,
    /// How its numbers are written.
    #[cfg_attr(feature = "persist", serde(default, skip_serializing_if = "Notation::is_plain"))]
    pub notation: Notation,
}

/// What a column of a file was found to hold.
///
/// ```
/// use polytask::data::csv::{Content, CsvReader};
///
/// let file = "area,roof,kind\n500,flat,barn\n600,,house\n";
/// let reader = CsvReader::new().class_targets(["kind"]);
/// let (_, encoding) = reader.read_from::<f64>(file.as_bytes(), "houses.csv")?;
/// let contents: Vec<&Content> = encoding.columns().iter().map(|column| &column.content).collect();
/// assert_eq!(contents[0], &Content::Numbers { mean: 550.0, constant: false, missing: 0, base: 0.0 });
/// assert_eq!(contents[1], &Content::Texts { categories: vec!["flat".into()], other: false, missing: 1 });
/// assert_eq!(contents[2].to_string(), "target, with the classes `barn`, `house`");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
#[non_exhaustive]
pub enum Content {
    /// Numbers: one feature.
    Numbers {
        /// The mean of the numbers, which replaces empty cells.
        mean: f64,
        /// Whether all numbers are equal, so that the column carries no information.
        constant: bool,
        /// How many cells were empty. If any were, there is a second feature, `name_missing`.
        missing: usize,
        /// What is subtracted from every number. Usually it is 0; it is the smallest number if `f32` could not
        /// tell the numbers apart otherwise, such as seconds since 1970.
        #[cfg_attr(feature = "persist", serde(default, skip_serializing_if = "is_zero"))]
        base: f64,
    },
    /// Texts: one-hot features, one per text.
    Texts {
        /// The texts, sorted; if all of them are numbers, sorted as numbers.
        categories: Vec<String>,
        /// Whether all other texts share a feature, `name_other`.
        #[cfg_attr(feature = "persist", serde(default, skip_serializing_if = "std::ops::Not::not"))]
        other: bool,
        /// How many cells were empty. If any were, there is another feature, `name_missing`.
        missing: usize,
    },
    /// Texts: one feature, the index of the text, or n for any other, where n counts the texts and, if there were empty
    /// cells, one for those.
    Indices {
        /// The texts 0, 1, 2 …, in sorted order.
        categories: Vec<String>,
        /// How many cells were empty. If any were, an empty cell is the category after the last text.
        missing: usize,
    },
    /// Nothing, so no feature: every cell is empty.
    Empty,
    /// No feature: the settings leave the column out.
    Ignored,
    /// A target of numbers.
    Target {
        /// How many labels were missing.
        missing: usize,
    },
    /// A target of classes.
    Classes {
        /// The texts of the classes 0, 1, 2 …
        classes: Vec<String>,
        /// How many labels were missing.
        missing: usize,
    },
    /// The weight of each row, or of the labels of some targets.
    Weights,
    /// The group of each row.
    Groups,
}

#[cfg(feature = "persist")]
fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

impl Column {
    /// The names of the features that the column becomes.
    pub fn features(&self) -> Vec<String> {
        let name = &self.name;
        let (mut features, missing) = match &self.content {
            Content::Numbers { missing, .. } => (vec![name.clone()], *missing),
            Content::Indices { .. } => (vec![name.clone()], 0),
            Content::Texts { categories, other, missing } => {
                let of_texts = categories.iter().map(|text| format!("{name}={text}"));
                (of_texts.chain(other.then(|| format!("{name}_other"))).collect(), *missing)
            }
            _ => (vec![], 0),
        };
        if missing > 0 {
            features.push(format!("{name}_missing"));
        }
        features
    }
}

/// What a column of a table in memory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Numbers,
    Texts,
}
