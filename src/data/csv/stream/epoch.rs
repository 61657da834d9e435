//! In which order the blocks of a file are read in an epoch, and which of them make a window.

use std::ops::Range;
use std::sync::Arc;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::blocks::Blocks;
use crate::data::Order;
use crate::data::batches::shuffle;
use crate::{Error, ErrorKind, Result};

/// The blocks of an epoch in their order, cut into windows.
#[derive(Clone, Debug, Default)]
pub(super) struct EpochWindows {
    blocks: Vec<usize>,
    /// Where each window ends among the blocks, and the rows up to there.
    ends: Vec<(usize, usize)>,
}

impl EpochWindows {
    /// The windows of an epoch: they depend on the seed of the order and the epoch alone.
    pub(super) fn of(blocks: &Blocks, own: &[usize], window: usize, order: &Order, epoch: u64) -> Self {
        let mut sequence = own.to_vec();
        if let Some(seed) = order.seed {
            let mut generator = ChaCha8Rng::seed_from_u64(seed);
            generator.set_stream(epoch);
            shuffle(&mut sequence, &mut generator);
        }
        let (mut ends, mut rows, mut since) = (Vec::new(), 0, 0);
        for (at, &block) in sequence.iter().enumerate() {
            rows += blocks.n_rows(block);
            since += blocks.n_rows(block);
            if since >= window || at + 1 == sequence.len() {
                ends.push((at + 1, rows));
                since = 0;
            }
        }
        Self { blocks: sequence, ends }
    }

    pub(super) fn n_windows(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn n_rows(&self) -> usize {
        self.ends.last().map_or(0, |&(_, rows)| rows)
    }

    /// The blocks of a window.
    pub(super) fn window(&self, at: usize) -> &[usize] {
        let begin = if at == 0 { 0 } else { self.ends[at - 1].0 };
        let range: Range<usize> = begin..self.ends[at].0;
        &self.blocks[range]
    }

    /// How many rows come before a window.
    pub(super) fn before(&self, at: usize) -> usize {
        if at == 0 { 0 } else { self.ends[at - 1].1 }
    }

    /// The window that the row after the first `position` is in.
    pub(super) fn window_at(&self, position: usize) -> usize {
        self.ends.partition_point(|&(_, rows)| rows <= position)
    }
}

/// What the order of the rows of a window is drawn from.
pub(super) fn seed_of_window(seed: u64, epoch: u64, window: usize) -> u64 {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(epoch);
    // Far behind what the order of the blocks takes.
    generator.set_word_pos((1 << 60) + 2 * window as u128);
    generator.next_u64()
}

/// The blocks divided at random into two parts, the first with a share of all rows, as near as blocks allow.
pub(super) fn divided(
    blocks: &Arc<Blocks>,
    own: &[usize],
    share: f64,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>)> {
    let total: usize = own.iter().map(|&block| blocks.n_rows(block)).sum();
    if own.len() < 2 {
        let found = format!("one of {total} rows");
        let expected = "a block of rows for each of the two parts";
        return Err(Error::new(ErrorKind::Setting, "split of a stream", expected, found)
            .advise("a file as small as this can be read as a whole, and split row by row"));
    }
    let mut sequence = own.to_vec();
    shuffle(&mut sequence, &mut ChaCha8Rng::seed_from_u64(seed));
    let (mut rows, mut cut) = (0, 0);
    // The next block is nearer to the share than no further one.
    while cut + 1 < sequence.len()
        && rows as f64 + 0.5 * blocks.n_rows(sequence[cut]) as f64 <= share * total as f64
    {
        rows += blocks.n_rows(sequence[cut]);
        cut += 1;
    }
    let (mut first, mut second) = (sequence[..cut.max(1)].to_vec(), sequence[cut.max(1)..].to_vec());
    first.sort_unstable();
    second.sort_unstable();
    Ok((first, second))
}
