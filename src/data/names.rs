//! The names of a table's columns, and help for a person who has misspelt one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::{Error, ErrorKind, Result};

/// The names of the columns of a table. Parts of one table share one copy.
///
/// ```
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f32>(10, 0.05, 42);
/// assert_eq!(data.names().targets, ["shoulder", "elbow"]);
/// let (train, test) = data.split(0.8, 42)?;
/// assert!(std::sync::Arc::ptr_eq(train.names(), test.names()));
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", from = "Stored"))]
#[non_exhaustive]
pub struct Names {
    /// Feature columns, in order.
    pub features: Vec<String>,
    /// Target columns, in order.
    pub targets: Vec<String>,
    /// What the classes 0, 1, 2 … are called, of each target column of which that is known.
    #[cfg_attr(feature = "persist", serde(skip_serializing_if = "BTreeMap::is_empty"))]
    pub classes: BTreeMap<String, Vec<String>>,
    /// How many categories there are of each feature that is an index of one, by its name.
    #[cfg_attr(feature = "persist", serde(skip_serializing_if = "BTreeMap::is_empty"))]
    pub categories: BTreeMap<String, usize>,
    /// Whether the features are called `x0, x1, …` because nobody named them.
    generated: bool,
    /// Targets whose classes are texts in alphabetical order, because nobody said in which they stand.
    #[cfg_attr(feature = "persist", serde(skip_serializing_if = "BTreeSet::is_empty"))]
    alphabetical: BTreeSet<String>,
}

/// Names as a file holds them.
#[cfg(feature = "persist")]
#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
struct Stored {
    features: Vec<String>,
    targets: Vec<String>,
    #[serde(default)]
    classes: BTreeMap<String, Vec<String>>,
    /// Files of earlier versions do not say.
    #[serde(default)]
    categories: BTreeMap<String, usize>,
    generated: Option<bool>,
    #[serde(default)]
    alphabetical: BTreeSet<String>,
}

#[cfg(feature = "persist")]
impl From<Stored> for Names {
    fn from(stored: Stored) -> Self {
        let Stored { features, targets, classes, categories, generated, alphabetical } = stored;
        let looks_generated = || features.iter().enumerate().all(|(i, name)| *name == format!("x{i}"));
        Self {
            generated: generated.unwrap_or_else(looks_generated),
            features,
            targets,
            classes,
            categories,
            alphabetical,
        }
    }
}

impl Names {
    /// The names of the feature and target columns of a table.
    pub fn new(
        features: impl IntoIterator<Item = impl Into<String>>,
        targets: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            features: features.into_iter().map(Into::into).collect(),
            targets: targets.into_iter().map(Into::into).collect(),
            classes: BTreeMap::new(),
            categories: BTreeMap::new(),
            generated: false,
            alphabetical: BTreeSet::new(),
        }
    }

    /// The names of a table whose columns nobody named: `x0, x1, …` and `y0, y1, …`.
    pub(super) fn generated(n_features: usize, n_targets: usize) -> Self {
        let names = |letter: char, n: usize| (0..n).map(move |i| format!("{letter}{i}"));
        Self { generated: true, ..Self::new(names('x', n_features), names('y', n_targets)) }
    }

    /// The same with other names of the features.
    pub(super) fn with_features(&self, features: Vec<String>) -> Self {
        let renamed = self.features.iter().zip(&features);
        let categories = renamed.filter_map(|(from, to)| Some((to.clone(), *self.categories.get(from)?)));
        Self { categories: categories.collect(), features, generated: false, ..self.clone() }
    }

    /// The same with other names of the targets, whose classes keep theirs.
    pub(super) fn with_targets(&self, targets: Vec<String>) -> Self {
        let renamed = self.targets.iter().zip(&targets);
        let classes =
            renamed.clone().filter_map(|(from, to)| Some((to.clone(), self.classes.get(from)?.clone())));
        let alphabetical =
            renamed.filter(|(from, _)| self.alphabetical.contains(*from)).map(|(_, to)| to.clone());
        Self { classes: classes.collect(), alphabetical: alphabetical.collect(), targets, ..self.clone() }
    }

    /// Names the classes of a target; `is_alphabetical` if their order has no other reason.
    pub(super) fn set_classes(&mut self, target: &str, classes: Vec<String>, is_alphabetical: bool) {
        self.classes.insert(target.to_owned(), classes);
        match is_alphabetical {
            true => self.alphabetical.insert(target.to_owned()),
            false => self.alphabetical.remove(target),
        };
    }

    /// Whether the classes of a target are in alphabetical order because nobody said in which they stand.
    pub(crate) fn is_alphabetical(&self, target: &str) -> bool {
        self.alphabetical.contains(target)
    }

    /// Learns what the classes of a target are called, if it knows fewer of them.
    pub(crate) fn learn_classes(self: &mut Arc<Self>, target: &str, classes: &[String]) {
        if self.classes.get(target).is_none_or(|known| known.len() < classes.len()) {
            Arc::make_mut(self).classes.insert(target.to_owned(), classes.to_vec());
        }
    }

    /// Whether somebody named the features; if not, they are called `x0, x1, …`.
    ///
    /// ```
    /// # use polytask::data::Dataset;
    /// let data = Dataset::<f64>::from_slices(&[1.0, 2.0], 2, &[], 0)?;
    /// assert!(!data.names().has_feature_names());
    /// assert!(data.with_feature_names(["mass", "length"])?.names().has_feature_names());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    pub fn has_feature_names(&self) -> bool {
        !self.generated
    }

    /// Where each of these features is found in a table with the names `table`: `None` if they stand at the same
    /// positions, which is also assumed where the features of one of the two have not been named.
    ///
    /// ```
    /// # use polytask::data::Names;
    /// let names = Names::new(["mass", "length"], ["period"]);
    /// assert_eq!(names.find_features(&names)?, None);
    /// assert_eq!(names.find_features(&Names::new(["length", "mass"], ["period"]))?, Some(vec![1, 0]));
    /// let error = names.find_features(&Names::new(["length", "colour"], ["period"])).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "features: expected the columns `mass`, `length`, found a table without `mass`, but with `colour`"
    /// );
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if both have been named and one has a feature that the other lacks.
    pub fn find_features(&self, table: &Self) -> Result<Option<Vec<usize>>> {
        if self.features == table.features {
            return Ok(None);
        }
        let positions: HashMap<&str, usize> = positions(&table.features);
        let order: Option<Vec<usize>> =
            self.features.iter().map(|name| positions.get(name.as_str()).copied()).collect();
        match order {
            Some(order) if order.len() == table.features.len() => Ok(Some(order)),
            _ if self.generated || table.generated => Ok(None),
            _ => Err(self.mismatch(table)),
        }
    }

    fn mismatch(&self, table: &Self) -> Error {
        let (own, found) = (positions(&self.features), positions(&table.features));
        let missing: Vec<&String> =
            self.features.iter().filter(|name| !found.contains_key(name.as_str())).collect();
        let extra: Vec<&String> =
            table.features.iter().filter(|name| !own.contains_key(name.as_str())).collect();
        let found = match (missing.is_empty(), extra.is_empty()) {
            (false, false) => format!("a table without {}, but with {}", listed(&missing), listed(&extra)),
            (false, true) => format!("a table without {}", listed(&missing)),
            (true, _) => format!("a table that also has {}", listed(&extra)),
        };
        Error::new(ErrorKind::Name, "features", format!("the columns {}", listed(&self.features)), found)
    }

    /// The index of the feature column called `name`.
    ///
    /// ```
    /// # use polytask::data::Names;
    /// let names = Names::new(["mass", "length"], [""; 0]);
    /// assert_eq!(names.feature("length")?, 1);
    /// let error = names.feature("lenght").unwrap_err();
    /// assert!(error.to_string().contains("the nearest names are `length`, `mass`"), "{error}");
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if there is none; the message lists the names nearest to it.
    pub fn feature(&self, name: &str) -> Result<usize> {
        find("features", &self.features, name)
    }

    /// The index of the target column called `name`.
    ///
    /// ```
    /// use polytask::data::Names;
    ///
    /// let names = Names::new(["speed"], ["shoulder", "elbow"]);
    /// assert_eq!(names.target("elbow")?, 1);
    /// let error = names.target("elbov").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "targets: expected a column named `elbov`, found none (the nearest names are `elbow`, `shoulder`)"
    /// );
    /// # Ok::<(), polytask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if there is none; the message lists the names nearest to it.
    pub fn target(&self, name: &str) -> Result<usize> {
        find("targets", &self.targets, name)
    }
}

/// The position of `name` among `names`, which are found at `place`.
pub(super) fn find(place: impl std::fmt::Display, names: &[String], name: &str) -> Result<usize> {
    names.iter().position(|candidate| candidate == name).ok_or_else(|| {
        let error = Error::new(ErrorKind::Name, place, format!("a column named `{name}`"), "none");
        match nearest(name, names).as_slice() {
            [] => error.advise("there are no columns"),
            near @ [_] => error.advise(format!("the nearest name is {}", quoted(near))),
            near => error.advise(format!("the nearest names are {}", quoted(near))),
        }
    })
}

/// Fails unless `names` are as many as `count`, none of them empty and none twice.
pub(crate) fn check(place: &str, names: &[String], count: usize) -> Result<()> {
    if names.len() != count {
        return Err(Error::new(
            ErrorKind::Name,
            place,
            format!("{count} names, one per column"),
            format!("{} names", names.len()),
        ));
    }
    let mut seen = HashSet::new();
    for (column, name) in names.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(Error::new(ErrorKind::Name, format!("{place}[{column}]"), "a name", "an empty name"));
        }
        if !seen.insert(name) {
            return Err(Error::new(
                ErrorKind::Name,
                format!("{place}[{column}]"),
                "a name no other column has",
                format!("`{name}` a second time"),
            ));
        }
    }
    Ok(())
}

/// Up to five of `names`, the most similar to `wanted` first.
fn nearest<'a>(wanted: &str, names: &'a [String]) -> Vec<&'a str> {
    let mut ranked: Vec<_> = names.iter().map(|name| (edits(wanted, name), name.as_str())).collect();
    ranked.sort_by_key(|&(edits, _)| edits);
    ranked.into_iter().take(5).map(|(_, name)| name).collect()
}

/// How many letters must be changed, added or left out to turn `a` into `b`, taking capitals for small letters
/// (Levenshtein's distance).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut distances: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = distances[0];
        distances[0] = i + 1;
        for (j, &to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = distances[j + 1];
            distances[j + 1] = replaced.min(diagonal + 1).min(distances[j] + 1);
        }
    }
    distances[b.len()]
}

fn positions(names: &[String]) -> HashMap<&str, usize> {
    names.iter().enumerate().map(|(position, name)| (name.as_str(), position)).collect()
}

/// The first ten names as a message shows them, and how many there are besides.
pub(crate) fn listed(names: &[impl AsRef<str>]) -> String {
    let shown = quoted(&names[..names.len().min(10)]);
    match names.len() {
        0..=10 => shown,
        n => format!("{shown} and {} more", n - 10),
    }
}

/// The names as a message shows them: `a`, `b`.
pub(super) fn quoted(names: &[impl AsRef<str>]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{edits, nearest};

    #[test]
    fn edits_are_levenshteins_distance() {
        for (a, b, distance) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("Y1", "y1", 0),
            ("größe", "grosse", 3),
        ] {
            assert_eq!(edits(a, b), distance, "{a} to {b}");
            assert_eq!(edits(b, a), distance, "{b} to {a}");
        }
    }

    #[test]
    fn the_nearest_names_come_first_and_are_at_most_five() {
        let names: Vec<String> = ["aaaa", "abcd", "abcx", "zzzz", "yyyy", "wwww"].map(String::from).to_vec();
        assert_eq!(nearest("abcd", &names), ["abcd", "abcx", "aaaa", "zzzz", "yyyy"]);
    }
}
