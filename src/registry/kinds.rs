//! The kinds that are registered, and how serde finds them.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::SavedAs;
use crate::{Error, ErrorKind, Result};

/// The kinds of layers, sharing forms, losses, metrics and penalties of your own that files may name.
///
/// Give it to [`Model::load_with`](crate::Model::load_with). Each kind has a function that makes the part from the
/// [settings](SavedAs::settings) in the file; of two with the same name and of the same sort, the later counts.
///
/// ```
/// use polytask::layer::{BuildContext, BuildLayer, BuiltLayer, Dense};
/// use polytask::prelude::*;
/// use polytask::{Error, ErrorKind, Registry, Result, SavedAs, Scalar};
///
/// /// A dense layer with tanh, as an example of a layer of your own.
/// #[derive(Debug)]
/// struct Squash(usize);
///
/// impl<F: Scalar> BuildLayer<F> for Squash {
///     fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
///         Dense::new(self.0, Activation::Tanh).build(context)
///     }
///     fn saved_as(&self) -> Option<SavedAs> {
///         Some(SavedAs::new("squash", self.0.to_string()))
///     }
/// }
///
/// fn squash(settings: &str) -> Result<Squash> {
///     let width = settings.parse();
///     width.map(Squash).map_err(|_| Error::new(ErrorKind::File, "width of squash", "a number", settings))
/// }
///
/// let model = Model::builder(2).trunk([Layer::custom(Squash(4))]).task(Task::regression("y")).build::<f32>()?;
/// let bytes = model.to_bytes()?;
/// let registry = Registry::new().layer("squash", squash);
/// assert_eq!(Model::<f32>::from_bytes_with(&bytes, &registry)?.parameters(), model.parameters());
/// assert!(Model::<f32>::from_bytes(&bytes).unwrap_err().to_string().contains("squash"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    makers: BTreeMap<(&'static str, String), Maker>,
}

/// Makes the part, an `Arc<dyn …>` of its sort, from its settings.
type Maker = Arc<dyn Fn(&str) -> Result<Box<dyn Any>> + Send + Sync>;

/// A sort of parts that a person can write: `dyn CustomLayer` and the like.
pub(crate) trait Registered: 'static {
    /// The sort in a word, which is also the name of the method that registers a kind.
    const SORT: &'static str;

    /// The enum's variant for parts of this sort.
    const VARIANT: &'static str;

    fn saved_as(&self) -> Option<SavedAs>;
}

impl Registry {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind of parts of the sort `T`.
    pub(crate) fn with<T: Registered + ?Sized>(
        mut self,
        kind: &str,
        make: impl Fn(&str) -> Result<Arc<T>> + Send + Sync + 'static,
    ) -> Self {
        let make = move |settings: &str| Ok(Box::new(make(settings)?) as Box<dyn Any>);
        self.makers.insert((T::SORT, kind.to_owned()), Arc::new(make));
        self
    }

    /// Runs `read`, to which the registered kinds are known.
    ///
    /// Serde's derived code hands nothing on to what it reads, so the registry reaches a nested part through the
    /// thread, from here and for no longer than `read`.
    pub(crate) fn reading<R>(&self, read: impl FnOnce() -> R) -> R {
        struct Restore(Option<Registry>);
        impl Drop for Restore {
            fn drop(&mut self) {
                IN_FORCE.set(self.0.take());
            }
        }
        let _restore = Restore(IN_FORCE.replace(Some(self.clone())));
        read()
    }

    fn make<T: Registered + ?Sized>(&self, saved: &SavedAs) -> Result<Arc<T>> {
        let SavedAs { kind, settings } = saved;
        let place = format!("{} of the kind {kind:?}", T::SORT);
        let Some(maker) = self.makers.get(&(T::SORT, kind.clone())) else {
            let known: Vec<&str> =
                self.makers.keys().filter(|(sort, _)| *sort == T::SORT).map(|(_, kind)| &**kind).collect();
            let expected = match known.is_empty() {
                true => "one that is registered".to_owned(),
                false => format!("a registered kind, one of {}", known.join(", ")),
            };
            return Err(Error::new(ErrorKind::File, place, expected, "none of that name").advise(format!(
                "register it with Registry::{} and read the file with Model::load_with",
                T::SORT.replace(' ', "_")
            )));
        };
        let made = maker(settings).map_err(|error| error.within(&place))?;
        let part: Arc<T> = *made.downcast().expect("a maker under a sort makes that sort");
        // Otherwise the model would not be the one that was saved, or be saved as another.
        match part.saved_as() {
            Some(again) if again == *saved => Ok(part),
            again => {
                let found = again.map_or("none".into(), |it| format!("{:?} {:?}", it.kind, it.settings));
                let expected = format!("a part that is saved as {kind:?} {settings:?} again");
                Err(Error::new(ErrorKind::Setting, place, expected, found))
            }
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_set().entries(self.makers.keys()).finish()
    }
}

thread_local! {
    static IN_FORCE: RefCell<Option<Registry>> = const { RefCell::new(None) };
}

pub(crate) fn serialize<T: Registered + ?Sized, S: Serializer>(
    part: &Arc<T>,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    match part.saved_as() {
        Some(saved) => saved.serialize(to),
        None => Err(S::Error::custom(format!("{} cannot be written: it has no saved_as", T::VARIANT))),
    }
}

pub(crate) fn deserialize<'de, T: Registered + ?Sized, D: Deserializer<'de>>(
    from: D,
) -> std::result::Result<Arc<T>, D::Error> {
    let saved = SavedAs::deserialize(from)?;
    // Released before the part is made: its maker may read a file itself.
    let registry = IN_FORCE.with_borrow(Clone::clone).unwrap_or_default();
    registry.make(&saved).map_err(D::Error::custom)
}
