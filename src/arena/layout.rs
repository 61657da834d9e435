//! Addresses of activations, handed out while a network is built.

/// The address of one matrix of activations, `rows × width`, in every chunk of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivationBlock {
    /// Numbers per row in front of this block.
    pub(super) offset: usize,
    pub(super) width: usize,
    /// From one row to the next: the width, rounded up to whole vectors.
    pub(super) stride: usize,
}

impl ActivationBlock {
    /// How many numbers of a row are used.
    pub fn width(self) -> usize {
        self.width
    }

    /// Whether the other block begins where this one ends.
    pub(crate) fn is_followed_by(self, other: Self) -> bool {
        self.offset + self.stride == other.offset
    }
}

/// The address of numbers that a layer keeps per chunk of rows, such as the mean of a feature over the batch; taken
/// with [`BuildContext::chunk_numbers`](crate::layer::BuildContext::chunk_numbers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkNumbers {
    pub(super) offset: usize,
    pub(super) len: usize,
}

impl ChunkNumbers {
    /// How many numbers there are.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(self) -> usize {
        self.len
    }
}

/// Hands out the addresses of activations while a network is built.
///
/// ```
/// use polytask::arena::ActivationLayout;
///
/// let mut layout = ActivationLayout::new();
/// let (narrow, wide) = (layout.activations(3), layout.activations(100));
/// assert_eq!((narrow.width(), wide.width()), (3, 100));
/// assert_eq!(layout.row_len(), 4 + 112); // padded to whole vectors
/// assert_eq!(layout.chunk_rows(), 64);   // a layer of 100 is neither narrow nor very wide
/// assert_eq!(layout.chunk_numbers(5).len(), 5);
/// layout.couple_rows();
/// assert_eq!(layout.chunk_rows(), usize::MAX); // the batch is one chunk
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivationLayout {
    row_len: usize,
    chunk_len: usize,
    widest: usize,
    couples_rows: bool,
}

impl ActivationLayout {
    /// A layout without activations.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new block of `width` numbers per row.
    pub fn activations(&mut self, width: usize) -> ActivationBlock {
        let stride = padded(width);
        let block = ActivationBlock { offset: self.row_len, width, stride };
        self.row_len = self.row_len.saturating_add(stride);
        self.widest = self.widest.max(width);
        block
    }

    /// A new block of `n` numbers per chunk.
    pub fn chunk_numbers(&mut self, n: usize) -> ChunkNumbers {
        let numbers = ChunkNumbers { offset: self.chunk_len, len: n };
        self.chunk_len = self.chunk_len.saturating_add(n);
        numbers
    }

    /// Keeps all rows of a batch in one chunk, because a layer's output in one row depends on other rows.
    pub fn couple_rows(&mut self) {
        self.couples_rows = true;
    }

    /// Numbers of activations kept per row, padding included.
    pub fn row_len(&self) -> usize {
        self.row_len
    }

    /// Numbers kept per chunk.
    pub(super) fn chunk_len(&self) -> usize {
        self.chunk_len
    }

    /// How many rows a chunk has at most: few enough that a layer's activations stay in the caches (those of a
    /// narrow layer in the first), many enough that its weights are read seldom: more where a row is long, as with many
    /// experts, so that little of it stays in the caches anyway; all of them if a layer couples rows.
    /// It depends on the layers alone, so the sums of a gradient are taken in the same order whatever the number of
    /// threads.
    pub fn chunk_rows(&self) -> usize {
        match (self.couples_rows, self.widest) {
            (true, _) => usize::MAX,
            (false, 0..512) => {
                let fewest = if self.row_len > LONG_ROW { 128 } else { 64 };
                (4096 / padded(self.widest)).clamp(fewest, 256)
            }
            (false, _) => 256,
        }
    }
}

/// How many numbers a row has beyond which 64 rows and their deltas are more than a second cache of 1 MB holds, in `f32`.
const LONG_ROW: usize = 2048;

/// Rows are padded to a multiple of 16 numbers (one 512-bit vector of `f32`); very narrow ones to a power of two.
fn padded(width: usize) -> usize {
    if width <= 8 {
        width.next_power_of_two()
    } else {
        width.checked_next_multiple_of(16).unwrap_or(usize::MAX)
    }
}
