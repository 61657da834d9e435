//! One flat vector θ holds all parameters; a [`Layout`] is its table of contents.
//!
//! The gradient and the moments of the optimiser have the same layout as θ, and so has a row of the task
//! Jacobian, as far as the shared parameters. So an optimiser is one loop, clipping is a norm and a factor, and
//! a gradient check moves `theta[i]` and reports `trunk.0.weight[2, 5]`.
//!
//! ```text
//! θ = [ shared by all tasks | owned by one task inside the sharing form | heads ]
//!       0 .. n_shared
//! ```

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::{Error, ErrorKind, Result, kernel};

mod touched;

pub(crate) use touched::MOST_IN_RANGE;
pub use touched::TouchedRows;

/// The address of one matrix inside θ: `rows × cols`, row-major, without padding.
///
/// A bias is a block of one row. Only a [`Layout`] makes blocks, so an offset cannot be wrong.
///
/// ```
/// use ndarray::array;
/// use polytask::Layout;
///
/// let mut layout = Layout::new();
/// layout.push("bias", 1, 2);
/// let weight = layout.push("weight", 3, 2);
/// assert_eq!((weight.shape(), weight.len(), weight.range()), ((3, 2), 6, 2..8));
/// let mut theta = [0.0; 8];
/// weight.of_mut(&mut theta)[[2, 1]] = 5.0;
/// assert_eq!(theta[7], 5.0);
/// assert_eq!(weight.of(&theta).row(2), array![0.0, 5.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    offset: usize,
    rows: usize,
    cols: usize,
}

impl Block {
    /// The number of rows and of columns.
    pub fn shape(self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// The number of entries.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(self) -> usize {
        self.rows.saturating_mul(self.cols)
    }

    /// The range of θ that the block takes.
    pub fn range(self) -> Range<usize> {
        self.offset..self.offset + self.len()
    }

    /// The block as a matrix: a view into a slice laid out like θ.
    ///
    /// # Panics
    /// If `theta` is too short to hold the block.
    #[inline]
    #[track_caller]
    pub fn of<F>(self, theta: &[F]) -> ArrayView2<'_, F> {
        kernel::matrix(&theta[self.range()], self.rows, self.cols, self.cols)
    }

    /// The block as a mutable matrix: a view into a slice laid out like θ.
    ///
    /// # Panics
    /// If `theta` is too short to hold the block.
    #[track_caller]
    pub fn of_mut<F>(self, theta: &mut [F]) -> ArrayViewMut2<'_, F> {
        kernel::matrix_mut(&mut theta[self.range()], self.rows, self.cols, self.cols)
    }
}

/// The table of contents of θ: named blocks, those shared by all tasks first.
///
/// ```
/// use polytask::Layout;
///
/// let mut layout = Layout::new();
/// let weight = layout.push("trunk.0.weight", 3, 2);
/// let bias = layout.push("trunk.0.bias", 1, 2);
/// layout.end_shared();
/// layout.push("head.price.weight", 2, 1);
///
/// assert_eq!((layout.len(), layout.n_shared()), (10, 8));
/// assert_eq!(layout.name_of(5), "trunk.0.weight[2, 1]");
/// assert_eq!(layout.name_of(7), "trunk.0.bias[1]");
/// let theta: Vec<f64> = (0..10).map(f64::from).collect();
/// assert_eq!(weight.of(&theta)[[2, 1]], 5.0);
/// assert_eq!(bias.of(&theta)[[0, 1]], 7.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    entries: Vec<(String, Block)>,
    /// Where the name of each block is among the entries.
    places: HashMap<String, usize>,
    len: usize,
    n_shared: Option<usize>,
}

impl Layout {
    /// A layout without blocks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a block of `rows × cols` after the last one, and returns its address.
    ///
    /// # Panics
    /// If there already is a block of that name.
    #[track_caller]
    pub fn push(&mut self, name: impl Into<String>, rows: usize, cols: usize) -> Block {
        let name = name.into();
        let before = self.places.insert(name.clone(), self.entries.len());
        assert!(before.is_none(), "the layout already has a block named {name}");
        let block = Block { offset: self.len, rows, cols };
        // Whoever builds a network checks that its length can be addressed at all.
        self.len = self.len.saturating_add(block.len());
        self.entries.push((name, block));
        block
    }

    /// Marks all blocks so far as shared by all tasks, and those that follow as not.
    ///
    /// # Panics
    /// If it has been called before.
    #[track_caller]
    pub fn end_shared(&mut self) {
        assert!(self.n_shared.is_none(), "end_shared was called twice");
        self.n_shared = Some(self.len);
    }

    /// The length of θ.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether θ is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many parameters all tasks share. They come first in θ. Without [`end_shared`](Self::end_shared), it
    /// is all of them.
    pub fn n_shared(&self) -> usize {
        self.n_shared.unwrap_or(self.len)
    }

    /// The blocks with their names, in the order of θ.
    ///
    /// ```
    /// use polytask::Layout;
    ///
    /// let mut layout = Layout::new();
    /// assert!(layout.is_empty());
    /// let (weight, bias) = (layout.push("0.weight", 3, 2), layout.push("0.bias", 1, 2));
    /// assert_eq!(layout.blocks().collect::<Vec<_>>(), [("0.weight", weight), ("0.bias", bias)]);
    /// assert_eq!((layout.block("0.bias"), layout.block("1.bias")), (Some(bias), None));
    /// assert_eq!(layout.n_shared(), 8); // all, until `end_shared` is called
    /// ```
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = (&str, Block)> {
        self.entries.iter().map(|(name, block)| (name.as_str(), *block))
    }

    /// The block of that name, if there is one.
    pub fn block(&self, name: &str) -> Option<Block> {
        self.places.get(name).map(|&at| self.entries[at].1)
    }

    /// The blocks whose names match `pattern`, in which `*` stands for any text, in the order of θ. `place` says in messages
    /// whose pattern it is.
    ///
    /// # Errors
    /// [`ErrorKind::Name`] if no block matches.
    pub(crate) fn matching(&self, place: &str, pattern: &str) -> Result<Vec<(&str, Block)>> {
        let found: Vec<_> = self.blocks().filter(|(name, _)| matches(pattern, name)).collect();
        if found.is_empty() {
            const SHOWN: usize = 20;
            let all: Vec<&str> = self.blocks().map(|(name, _)| name).collect();
            let more = if all.len() > SHOWN { ", and more" } else { "" };
            let expected = format!("one of {:?}{more}, or `*` in a part of it", &all[..all.len().min(SHOWN)]);
            return Err(Error::new(ErrorKind::Name, place, expected, "none that matches"));
        }
        Ok(found)
    }

    /// The name of the parameter `theta[index]` in messages: `trunk.0.weight[2, 5]`, or `trunk.0.bias[5]`.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    #[track_caller]
    pub fn name_of(&self, index: usize) -> String {
        assert!(index < self.len, "index {index} in a layout of {} numbers", self.len);
        let at = self.entries.partition_point(|(_, block)| block.range().end <= index);
        let (name, block) = &self.entries[at];
        let (row, col) = ((index - block.offset) / block.cols, (index - block.offset) % block.cols);
        let mut text = name.clone();
        let _ = match block.rows {
            1 => write!(text, "[{col}]"),
            _ => write!(text, "[{row}, {col}]"),
        };
        text
    }
}

/// Whether `name` is `pattern`, in which `*` stands for any text.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(start) else { return false };
    match rest.is_empty() {
        true => true,
        false => name.char_indices().map(|(at, _)| &name[at..]).any(|tail| matches(rest, tail)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("trunk.0.bias", "trunk.0.bias", true),
            ("trunk.0.bias", "trunk.0.bia", false),
            ("*", "head.price.0.weight", true),
            ("*.bias", "trunk.0.bias", true),
            ("*.bias", "trunk.0.bias.weight", false),
            ("head.*.weight", "head.price.0.weight", true),
            ("head.*.weight", "head.weight", false),
            ("*price*", "head.price.0.weight", true),
            ("*.*.*.*.*", "head.price.0.weight", false),
            ("head.*", "head.größe.0.bias", true),
            ("*ße*", "head.größe.0.bias", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
