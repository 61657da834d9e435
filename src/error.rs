//! What can go wrong with a person's data, settings and files, said so that they can mend it.

use std::error::Error as StdError;
use std::fmt;

/// The result of every fallible function of the crate.
///
/// ```
/// fn positive(x: f64) -> polytask::Result<f64> {
///     use polytask::{Error, ErrorKind};
///     if x > 0.0 { Ok(x) } else { Err(Error::new(ErrorKind::Value, "x", "a number above 0", x)) }
/// }
/// assert_eq!(positive(2.0)?, 2.0);
/// assert_eq!(positive(-1.0).unwrap_err().to_string(), "x: expected a number above 0, found -1");
/// # Ok::<(), polytask::Error>(())
/// ```
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
///
/// ```
/// use polytask::prelude::*;
/// use polytask::ErrorKind;
///
/// let data = datasets::robot_arm::<f32>(10, 0.05, 42);
/// assert_eq!(data.split(1.5, 42).unwrap_err().kind(), ErrorKind::Setting);
/// assert_eq!(data.folds(11, 42).unwrap_err().kind(), ErrorKind::Shape);
/// assert_eq!(data.names().target("ankle").unwrap_err().kind(), ErrorKind::Name);
/// ```
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
    /// Another rank of a training over several processes: it has ended, or does something else.
    Rank,
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
    ///
    /// ```
    /// use polytask::{Error, ErrorKind};
    /// use std::error::Error as _;
    ///
    /// let cause = "12,5".parse::<f64>().unwrap_err();
    /// let error = Error::new(ErrorKind::Value, "line 7", "a number", "`12,5`").caused_by(cause.clone());
    /// assert_eq!(error.source().map(ToString::to_string), Some(cause.to_string()));
    /// assert_eq!(format!("{error:?}"), format!("Value error: {error}; cause: {cause}"));
    /// ```
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Puts the error at a place inside `outer`, so that a message names the whole way: `outer, place`.
    ///
    /// ```
    /// # use polytask::{Error, ErrorKind};
    /// let error = Error::new(ErrorKind::Value, "line 7", "a number", "`12,5`").within("houses.csv");
    /// assert_eq!(error.to_string(), "houses.csv, line 7: expected a number, found `12,5`");
    /// ```
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
