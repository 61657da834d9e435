//! How a file names a layer, sharing form, loss, metric or penalty of your own, and how it is made again from that name.
//!
//! ```text
//! save    a part says what it is:      saved_as() → SavedAs { kind, settings }   which the file holds
//! load    a Registry has for its kind: settings → the part                       which `load_with` is given
//! ```

#[cfg(feature = "persist")]
mod kinds;

#[cfg(feature = "persist")]
pub use kinds::Registry;
#[cfg(feature = "persist")]
pub(crate) use kinds::{Registered, deserialize, serialize};

/// What a part of your own is called in a file: the name of its kind and its settings.
///
/// A layer returns one from [`BuildLayer::saved_as`](crate::layer::BuildLayer::saved_as), and sharing forms, losses,
/// metrics and penalties from the method of the same name. The settings are a text of your choice, which the function that you register
/// is given when the file is loaded; JSON from your own `serde_json` will do.
///
/// ```
/// use polytask::SavedAs;
///
/// let saved = SavedAs::new("sparse_dense", "width=10 kept=0.1");
/// assert_eq!((saved.kind(), saved.settings()), ("sparse_dense", "width=10 kept=0.1"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(deny_unknown_fields))]
pub struct SavedAs {
    kind: String,
    settings: String,
}

impl SavedAs {
    /// A part of the kind of that name, with these settings (empty if it has none).
    pub fn new(kind: impl Into<String>, settings: impl Into<String>) -> Self {
        Self { kind: kind.into(), settings: settings.into() }
    }

    /// The name of the kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The settings.
    pub fn settings(&self) -> &str {
        &self.settings
    }
}
