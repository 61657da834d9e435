//! Files of models: named tensors with a text that says what they are, in safetensors' format.
//!
//! ```text
//! u64, little-endian   length of the header, n
//! n bytes              JSON: name → { dtype, shape, data_offsets }, and "__metadata__": { "polytask": text }
//! the rest             the numbers of all tensors, little-endian, one tensor after the other
//! ```
//! The text is JSON too: an object of sections, such as `architecture` and `run`. Numbers that must keep every bit
//! are tensors; counts and settings are in the text, where serde_json writes and reads every finite `f64`
//! exactly.
//!
//! Reading takes no word of a file for granted: what a header says is compared with the length of the file before
//! anything is allocated for it, so that reading needs a small multiple of the file's size at most.
//!
//! Source of the format: <https://github.com/huggingface/safetensors>, whose crate reads and writes the outer layer.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::scalar::from_half;
use crate::{Error, ErrorKind, Result, Scalar, file};

/// The version of the text's sections; a reader takes files up to its own.
const FORMAT: u32 = 1;

/// The key of the text in the header.
const KEY: &str = "polytask";

/// A file that is being put together.
#[derive(Debug, Default)]
pub struct Writer {
    sections: BTreeMap<&'static str, Box<RawValue>>,
    tensors: BTreeMap<String, Numbers>,
}

#[derive(Debug)]
struct Numbers {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Writer {
    /// A file that holds nothing but the versions of its format and of this crate.
    pub(crate) fn new() -> Result<Self> {
        let mut writer = Self::default();
        writer.section("format", &FORMAT)?;
        writer.section("crate", env!("CARGO_PKG_VERSION"))?;
        Ok(writer)
    }

    /// Adds a section of the text.
    pub(crate) fn section(&mut self, name: &'static str, content: &(impl Serialize + ?Sized)) -> Result<()> {
        let text = serde_json::value::to_raw_value(content).map_err(|cause| {
            Error::new(ErrorKind::File, name, "settings that can be written", &cause).caused_by(cause)
        })?;
        self.sections.insert(name, text);
        Ok(())
    }

    /// The text of a section.
    pub(crate) fn raw_section(&self, name: &str) -> Option<&RawValue> {
        self.sections.get(name).map(|text| &**text)
    }

    /// Adds a tensor.
    ///
    /// # Panics
    /// If there are not as many numbers as the shape says.
    #[track_caller]
    pub(crate) fn tensor<F: Scalar>(
        &mut self,
        name: impl Into<String>,
        shape: &[usize],
        numbers: &[F],
    ) -> Result<()> {
        assert_eq!(numbers.len(), shape.iter().product::<usize>(), "numbers of a tensor of shape {shape:?}");
        let name = name.into();
        let (dtype, bytes) = match F::NAME {
            "f32" => (Dtype::F32, numbers.iter().flat_map(|x| (x.to_f64() as f32).to_le_bytes()).collect()),
            _ => (Dtype::F64, numbers.iter().flat_map(|x| x.to_f64().to_le_bytes()).collect()),
        };
        match self.tensors.insert(name.clone(), Numbers { dtype, shape: shape.to_vec(), bytes }) {
            None => Ok(()),
            Some(_) => {
                Err(Error::new(ErrorKind::Name, "tensors", "names that differ", format!("`{name}` twice")))
            }
        }
    }

    /// The bytes of the file: the same for the same content.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        let fault = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::File, "file", "names and settings of at most 100 MB", &cause)
                .caused_by(cause)
        };
        let text = serde_json::to_string(&self.sections).map_err(|cause| fault(cause.into()))?;
        let views = self.tensors.iter().map(|(name, Numbers { dtype, shape, bytes })| {
            Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?))
        });
        let views: Vec<_> = views
            .collect::<Result<_, safetensors::SafeTensorError>>()
            .map_err(|cause| fault(cause.into()))?;
        serialize(views, Some([(KEY.to_owned(), text)].into_iter().collect()))
            .map_err(|cause| fault(cause.into()))
    }

    /// Puts the file in the place of the one at `path`, if there is any: a crash leaves either the old or the
    /// new one, whole.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        file::replace(path, &self.bytes()?)
    }
}

/// A file that is being read, or the part of it whose tensors have names that begin alike.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    tensors: Arc<SafeTensors<'a>>,
    /// The names of all tensors, sorted.
    names: Arc<[String]>,
    /// Empty if another program wrote the file.
    sections: Arc<BTreeMap<String, Box<RawValue>>>,
    /// What the names of the part begin with.
    prefix: String,
}

impl<'a> Reader<'a> {
    /// Reads the header; the file need not have been written by this crate.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self> {
        let fault = |cause: safetensors::SafeTensorError| {
            // Without JSON after the length of the header it is not such a file at all, whatever that length is.
            let found = match bytes.get(8) {
                Some(b'{') | None => cause.to_string(),
                Some(_) => format!("a file of another kind ({cause})"),
            };
            Error::new(ErrorKind::File, "file", "a whole file in safetensors' format", found).caused_by(cause)
        };
        let tensors = SafeTensors::deserialize(bytes).map_err(fault)?;
        // The length of the header has been found to be within the file.
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(fault)?;
        let text = header.metadata().as_ref().and_then(|texts| texts.get(KEY));
        let sections = match text {
            None => BTreeMap::new(),
            Some(text) => serde_json::from_str(text).map_err(|cause| {
                Error::new(ErrorKind::File, "header", "sections in JSON", &cause).caused_by(cause)
            })?,
        };
        let mut names: Vec<String> = tensors.names().into_iter().map(str::to_owned).collect();
        names.sort_unstable();
        let (tensors, names, sections) = (Arc::new(tensors), names.into(), Arc::new(sections));
        let reader = Self { tensors, names, sections, prefix: String::new() };
        if reader.is_ours() {
            let format: u32 = reader.section("format")?;
            if format == 0 || format > FORMAT {
                let expected = format!("a version from 1 to {FORMAT}");
                return Err(Error::new(ErrorKind::File, "version of the file's format", expected, format)
                    .advise("read it with the version of the crate that wrote it"));
            }
        }
        Ok(reader)
    }

    /// Whether this crate wrote the file.
    pub(crate) fn is_ours(&self) -> bool {
        !self.sections.is_empty()
    }

    /// Whether the text has that section.
    pub(crate) fn has_section(&self, name: &str) -> bool {
        self.sections.contains_key(name)
    }

    /// A section of the text.
    pub(crate) fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let place = format!("section `{name}` of the header");
        let Some(text) = self.sections.get(name) else {
            return Err(Error::new(ErrorKind::File, place, "a section of that name", "none"));
        };
        serde_json::from_str(text.get()).map_err(|cause| {
            let error =
                Error::new(ErrorKind::File, place, "settings that this version knows", &cause).caused_by(cause);
            let writer = self.sections.get("crate").map(|text| text.get().trim_matches('"'));
            match writer.filter(|_| name != "crate") {
                None => error,
                Some(writer) => error.advise(format!(
                    "the file was written by version {writer} of the crate: read it with that one, or a later one"
                )),
            }
        })
    }

    /// The text of a section as it was written.
    pub(crate) fn raw_section(&self, name: &str) -> Option<&str> {
        self.sections.get(name).map(|text| text.get())
    }

    /// The same file with another text in the place of a section.
    pub(crate) fn with_section(&self, name: &str, text: Box<RawValue>) -> Self {
        let mut sections = BTreeMap::clone(&self.sections);
        sections.insert(name.to_owned(), text);
        Self { sections: Arc::new(sections), ..self.clone() }
    }

    /// The part of the file whose tensors' names begin with `prefix`; in it they are called by the rest. The text is
    /// that of the file.
    pub(crate) fn part(&self, prefix: &str) -> Self {
        Self { prefix: format!("{}{prefix}", self.prefix), ..self.clone() }
    }

    /// The names of the tensors, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let first = self.names.partition_point(|name| *name < self.prefix);
        self.names[first..].iter().map_while(|name| name.strip_prefix(&*self.prefix))
    }

    /// How many numbers all tensors have together.
    pub(crate) fn n_numbers(&self) -> usize {
        let numbers = |name| Some(self.view(name)?.shape().iter().product::<usize>());
        self.names().filter_map(numbers).sum()
    }

    fn view(&self, name: &str) -> Option<TensorView<'a>> {
        self.tensors.tensor(&format!("{}{name}", self.prefix)).ok()
    }

    /// The type and shape of a tensor, for a person: `f32 [10, 64]`.
    pub(crate) fn describe(&self, name: &str) -> Option<String> {
        let tensor = self.view(name)?;
        Some(format!("{} {:?}", format!("{:?}", tensor.dtype()).to_lowercase(), tensor.shape()))
    }

    /// Whether there is a tensor of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.view(name).is_some()
    }

    /// Whether the numbers of a tensor are of `F`, or of half precision, which `F` holds exactly.
    pub(crate) fn is_within<F: Scalar>(&self, name: &str) -> bool {
        self.view(name)
            .is_some_and(|tensor| [dtype::<F>(), Dtype::F16, Dtype::BF16].contains(&tensor.dtype()))
    }

    /// Whether a tensor has this shape.
    pub(crate) fn has_shape(&self, name: &str, shape: &[usize]) -> bool {
        self.view(name).is_some_and(|tensor| tensor.shape() == shape)
    }

    /// The numbers of a tensor with this shape: of `F`, or of half precision.
    pub(crate) fn tensor<F: Scalar>(&self, name: &str, shape: &[usize]) -> Result<Vec<F>> {
        let is_it = self.is_within::<F>(name) && self.has_shape(name, shape);
        let Some(tensor) = self.view(name).filter(|_| is_it) else {
            let place = format!("tensor `{}{name}`", self.prefix);
            let found = self.describe(name).unwrap_or("none".into());
            return Err(Error::new(ErrorKind::File, place, format!("{} {shape:?}", F::NAME), found));
        };
        let single = |bits: u32| F::from_f64(f32::from_bits(bits).into());
        Ok(match tensor.dtype() {
            Dtype::F16 => numbers(tensor.data(), |bytes| F::from_f64(from_half(u16::from_le_bytes(bytes)))),
            // The upper half of an f32.
            Dtype::BF16 => numbers(tensor.data(), |bytes| single(u32::from(u16::from_le_bytes(bytes)) << 16)),
            Dtype::F32 => numbers(tensor.data(), |bytes| single(u32::from_le_bytes(bytes))),
            _ => numbers(tensor.data(), |bytes| F::from_f64(f64::from_le_bytes(bytes))),
        })
    }

    /// The numbers of a tensor of `columns` columns, row by row, as many rows as there are.
    pub(crate) fn rows<F: Scalar>(&self, name: &str, columns: usize) -> Result<Vec<F>> {
        let rows = self.view(name).and_then(|tensor| tensor.shape().first().copied()).unwrap_or(0);
        self.tensor(name, &[rows, columns])
    }

    /// The numbers of a tensor of one dimension, as many as there are.
    pub(crate) fn list<F: Scalar>(&self, name: &str) -> Result<Vec<F>> {
        let length = self.view(name).map_or(0, |tensor| tensor.shape().iter().product());
        self.tensor(name, &[length])
    }
}

fn dtype<F: Scalar>() -> Dtype {
    if F::NAME == "f32" { Dtype::F32 } else { Dtype::F64 }
}

fn numbers<F, const SIZE: usize>(bytes: &[u8], decode: impl Fn([u8; SIZE]) -> F) -> Vec<F> {
    let (numbers, _) = bytes.as_chunks::<SIZE>();
    numbers.iter().map(|bytes| decode(*bytes)).collect()
}
