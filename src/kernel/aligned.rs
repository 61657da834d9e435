//! Numbers that begin on a cache line, so that no register is read from two lines.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::Scalar;

/// The bytes of a cache line, and of the widest register.
const LINE: usize = 64;

/// How many numbers are printed.
const SHOWN: usize = 8;

/// An owned slice that begins on a 64-byte boundary; `Vec` only promises the alignment of a number.
pub struct Aligned<F> {
    /// The numbers, with a line to spare.
    buffer: Vec<F>,
    /// First number used.
    start: usize,
    len: usize,
}

impl<F: Scalar> Aligned<F> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let line = LINE / size_of::<F>();
        let buffer = vec![F::ZERO; len + line];
        // Where nothing can be aligned, as in an interpreter without real addresses, it begins at most a line later.
        let start = buffer.as_ptr().align_offset(LINE).min(line);
        Self { buffer, start, len }
    }
}

impl<F: Scalar> Default for Aligned<F> {
    fn default() -> Self {
        Self::zeros(0)
    }
}

impl<F: Scalar> From<&[F]> for Aligned<F> {
    fn from(numbers: &[F]) -> Self {
        let mut aligned = Self::zeros(numbers.len());
        aligned.copy_from_slice(numbers);
        aligned
    }
}

impl<F: Scalar> From<Vec<F>> for Aligned<F> {
    fn from(numbers: Vec<F>) -> Self {
        Self::from(&numbers[..])
    }
}

// Not derived: a copy of the buffer begins at another address.
impl<F: Scalar> Clone for Aligned<F> {
    fn clone(&self) -> Self {
        Self::from(&**self)
    }
}

impl<F> Deref for Aligned<F> {
    type Target = [F];
    fn deref(&self) -> &[F] {
        &self.buffer[self.start..][..self.len]
    }
}

impl<F> DerefMut for Aligned<F> {
    fn deref_mut(&mut self) -> &mut [F] {
        &mut self.buffer[self.start..][..self.len]
    }
}

impl<F: fmt::Debug> fmt::Debug for Aligned<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // θ may be millions of numbers, and whoever prints what holds it wants a line.
        let mut list = f.debug_list();
        list.entries(self.iter().take(SHOWN));
        if self.len > SHOWN { list.finish_non_exhaustive() } else { list.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<F: Scalar>() {
        for len in 0..100 {
            let zeros = Aligned::<F>::zeros(len);
            let numbers: Vec<F> = (0..len).map(|i| F::from_f64(i as f64)).collect();
            // Several are alive at once, so that no two share an address.
            let (moved, borrowed) = (Aligned::from(numbers.clone()), Aligned::from(&numbers[..]));
            let copy = borrowed.clone();
            assert!(zeros.len() == len && zeros.iter().all(|&x| x == F::ZERO));
            for aligned in [&moved, &borrowed, &copy] {
                assert_eq!(aligned[..], numbers);
            }
            for aligned in [zeros, moved, borrowed, copy] {
                assert_eq!(aligned.as_ptr().addr() % LINE, 0, "{len} numbers of {}", F::NAME);
            }
        }
    }

    #[test]
    fn many_numbers_are_printed_in_short() {
        assert_eq!(format!("{:?}", Aligned::from(vec![1.0_f32, 2.0])), "[1.0, 2.0]");
        assert_eq!(format!("{:?}", Aligned::<f32>::zeros(1 << 20)).matches("0.0").count(), SHOWN);
    }

    #[test]
    fn numbers_begin_on_a_cache_line_wherever_they_are_copied() {
        check::<f32>();
        check::<f64>();
    }
}
