//! What can go wrong with a person's data, settings and files, said so that they can mend it.

use std::error::Error as StdError;
use std::fmt;

/// The result of every fallible function of the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A fault in data, settings or files: where it is, what was expected, what was found, what to do.
///
/// Misuse of shapes inside the mathematics is a programming error and panics instead; no public
/// function panics because of what a data set, a setting or a file contains.
///
/// ```
/// use polytask::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Setting, "batch size", "at least 1 row", 0)
///     .advise("use 32 if unsure");
/// assert_eq!(error.to_string(), "batch size: expected at least 1 row, found 0 (use 32 if unsure)");
/// assert_eq!(error.kind(), ErrorKind::Setting);
/// ```
pub struct Error(Box<Parts>);

struct Parts {
    kind: ErrorKind,
    place: String,
    expected: String,
    found: String,
    advice: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kind of thing that was at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting outside its range: a learning rate, a batch size, a width.
    Setting,
    /// Arrays whose shapes do not fit each other.
    Shape,
    /// A value in a table: not finite, of the wrong kind, outside its range.
    Value,
    /// A name that is not there, or is there twice.
    Name,
    /// A file that cannot be read or written, or does not hold what it should.
    File,
}

impl Error {
    /// An error of `kind` at `place`, with what was `expected` and what was `found` there.
    pub fn new(
        kind: ErrorKind,
        place: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self(Box::new(Parts {
            kind,
            place: place.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
            advice: None,
            source: None,
        }))
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn advise(mut self, advice: impl fmt::Display) -> Self {
        self.0.advice = Some(advice.to_string());
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Puts the error at a place inside `outer`, so that a message names the whole way: `outer, place`.
    #[must_use]
    pub fn within(mut self, outer: impl fmt::Display) -> Self {
        self.0.place = format!("{outer}, {}", self.0.place);
        self
    }

    /// The kind of thing that was at fault.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { place, expected, found, advice, .. } = &*self.0;
        write!(f, "{place}: expected {expected}, found {found}")?;
        match advice {
            Some(advice) => write!(f, " ({advice})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} error: {self}", self.0.kind)?;
        match &self.0.source {
            Some(source) => write!(f, "; cause: {source}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|e| e as &(dyn StdError + 'static))
    }
}
