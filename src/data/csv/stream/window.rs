//! A window: the rows of some blocks, in memory, and the thread that reads the next one.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::blocks::Blocks;
use super::epoch::{EpochWindows, seed_of_window};
use crate::data::{Batch, Dataset, Order, Sampler};
use crate::{Error, ErrorKind, Result, Scalar};

/// Rows in memory, and the batches that they are cut into.
#[derive(Debug)]
pub(super) struct Window<F> {
    data: Dataset<F>,
    sampler: Sampler,
}

impl<F: Scalar> Window<F> {
    fn read(blocks: &Blocks, of: &[usize], order: Order) -> Result<Self> {
        let mut parts = of.iter().map(|&block| blocks.read(block)).collect::<Result<Vec<_>>>()?;
        let data = if parts.len() == 1 { parts.remove(0) } else { Dataset::joined(&parts) };
        drop(parts);
        let sampler = Sampler::of(&data, order).map_err(|error| error.within(blocks.source()))?;
        Ok(Self { data, sampler })
    }

    pub(super) fn n_rows(&self) -> usize {
        self.data.n_rows()
    }

    pub(super) fn position(&self) -> usize {
        self.sampler.position()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.sampler.epoch_finished()
    }

    pub(super) fn seek(&mut self, position: usize) -> Result<()> {
        self.sampler.seek(0, position)
    }

    pub(super) fn advance(&mut self) {
        self.sampler.next_batch(&self.data);
    }

    #[track_caller]
    pub(super) fn batch(&self) -> Batch<'_, F> {
        let rows = self.sampler.rows();
        assert!(!rows.is_empty(), "a batch before the first advance");
        Batch { dataset: &self.data, rows }
    }
}

/// The thread that reads windows, one ahead.
#[derive(Debug)]
pub(super) struct Reading<F> {
    /// `None` only while it is dropped.
    windows: Option<Receiver<Result<Window<F>>>>,
    thread: Option<JoinHandle<()>>,
    source: String,
}

impl<F: Scalar> Reading<F> {
    /// Reads the windows from one of an epoch on, and those of all epochs behind it.
    pub(super) fn start(
        blocks: Arc<Blocks>,
        own: Vec<usize>,
        window: usize,
        order: Order,
        mut epoch: u64,
        first: usize,
    ) -> Self {
        // Nothing waits between the two: a window is read while another is learnt from, and there are never three.
        let (sender, receiver) = sync_channel(0);
        let source = blocks.source().to_owned();
        let read = move || {
            let mut at = first;
            loop {
                let windows = EpochWindows::of(&blocks, &own, window, &order, epoch);
                while at < windows.n_windows() {
                    let seed = order.seed.map(|seed| seed_of_window(seed, epoch, at));
                    let read = Window::read(&blocks, windows.window(at), Order { seed, ..order });
                    let failed = read.is_err();
                    // Nobody listens any more, or has anything to go on with.
                    if sender.send(read).is_err() || failed {
                        return;
                    }
                    at += 1;
                }
                (epoch, at) = (epoch + 1, 0);
            }
        };
        let thread = Builder::new().name("reader".into()).spawn(read).ok();
        Self { windows: Some(receiver), thread, source }
    }

    pub(super) fn next(&mut self) -> Result<Window<F>> {
        let ended = |_| {
            Err(Error::new(ErrorKind::File, &self.source, "a thread that reads it", "one that has ended")
                .advise("begin again: a thread could not be started, or an error was passed over"))
        };
        self.windows.as_ref().expect("it is not dropped yet").recv().unwrap_or_else(ended)
    }
}

impl<F> Drop for Reading<F> {
    fn drop(&mut self) {
        // It ends when it finds nobody to send to.
        drop(self.windows.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
