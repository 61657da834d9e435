//! The names of a table's columns, and help for a person who has misspelt one.

use std::collections::HashSet;

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
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct Names {
    /// Feature columns, in order.
    pub features: Vec<String>,
    /// Target columns, in order.
    pub targets: Vec<String>,
}

impl Names {
    /// The index of the feature column called `name`.
    ///
    /// ```
    /// # use polytask::data::Names;
    /// let names = Names { features: vec!["mass".into(), "length".into()], targets: vec![] };
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
    /// let names = Names { features: vec!["speed".into()], targets: vec!["shoulder".into(), "elbow".into()] };
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
            near => error.advise(format!("the nearest names are {}", quoted(near))),
        }
    })
}

/// Fails unless `names` are as many as `count`, none of them empty and none twice.
pub(super) fn check(place: &str, names: &[String], count: usize) -> Result<()> {
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
