//! Threads that wait between pieces of work, so that work can be shared out many times a second.
//!
//! Work is cut into pieces by shape and settings, never by the number of threads, and which thread does
//! a piece changes nothing in the result. A [`ThreadPool`] is owned by whoever runs the loop; its threads
//! sleep when there is nothing to do, and a call spawns and allocates nothing.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::{io, mem};

/// The calling thread and a number of sleeping workers.
///
/// Handing out work and joining again costs about a microsecond if the last work ended a moment ago, since a thread that
/// has nothing to do spins for some tens of microseconds before it goes to sleep; 5 to 50 µs when the workers
/// are asleep (waking a thread is the operating system's work); and nothing for a pool of one. The caller works too, and
/// does not wait for a worker that wakes up too late to find a piece.
pub struct ThreadPool {
    board: Arc<Board>,
    workers: Vec<JoinHandle<()>>,
}

/// The most threads that a pool has.
pub const MOST_THREADS: usize = 1024;

/// What the threads share: the work on offer and who is working on it.
#[derive(Default)]
struct Board {
    state: Mutex<State>,
    offered: Condvar,
    left: Condvar,
    /// The next piece to take.
    next: AtomicUsize,
    /// Workers that have accepted the offer and not yet left it.
    busy: AtomicUsize,
    /// How many offers there have been: a worker checks this before it goes to sleep.
    n_offers: AtomicU64,
    /// How many times a thread looks for work before it goes to sleep.
    looks: usize,
}

/// How many times a thread looks for work before it goes to sleep if each thread has a processor of its own: some tens
/// of microseconds, longer than the pause between two parts of a training step.
const LOOKS: usize = 2048;
/// How many times if it has not, so that looking takes time from threads that work.
const FEW_LOOKS: usize = 64;

#[derive(Default)]
struct State {
    offer: Option<Offer>,
    /// How many offers there have been, so that no worker accepts the same one twice.
    number: u64,
    /// Workers that sleep until there is an offer.
    asleep: usize,
    /// Whether the caller sleeps until the last worker leaves.
    is_awaited: bool,
    panic: Option<Box<dyn Any + Send>>,
    closed: bool,
}

#[derive(Clone, Copy)]
struct Offer {
    work: &'static (dyn Fn(usize) + Sync),
    n_pieces: usize,
}

impl ThreadPool {
    /// A pool of `n_threads`, the calling thread among them; 0 is taken as 1.
    ///
    /// If more than [`MOST_THREADS`] are asked for, or the operating system refuses a thread, the pool has as many
    /// as it could get and says so on standard error; results are the same with any number.
    pub fn new(n_threads: usize) -> Self {
        let (pool, refusal) = Self::with_spawn(n_threads.min(MOST_THREADS), |i, work| {
            thread::Builder::new().name(format!("polytask-{i}")).spawn(work)
        });
        if pool.n_threads() < n_threads {
            let reason =
                refusal.map_or_else(|| format!("{MOST_THREADS} are the most"), |error| error.to_string());
            eprintln!("polytask: works on {} threads instead of {n_threads}: {reason}", pool.n_threads());
        }
        pool
    }

    /// A pool whose workers are made by `spawn`, up to the first that it refuses, and why it did.
    fn with_spawn(
        n_threads: usize,
        spawn: impl Fn(usize, Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>>,
    ) -> (Self, Option<io::Error>) {
        // Asking for the number of processors reads files; a pool of one, which each small prediction makes, does not
        // need it.
        let has_processors =
            n_threads > 1 && thread::available_parallelism().is_ok_and(|n| n_threads <= n.get());
        let looks = if has_processors { LOOKS } else { FEW_LOOKS };
        let (board, (ready, begun)) = (Arc::new(Board { looks, ..Board::default() }), mpsc::channel());
        let mut pool = Self { board, workers: Vec::new() };
        let mut refusal = None;
        while pool.n_threads() < n_threads && refusal.is_none() {
            let (board, ready) = (Arc::clone(&pool.board), ready.clone());
            let work = move || {
                super::scratch::reserve();
                // If the pool was dropped, nobody waits for it, and the board is closed.
                let _ = ready.send(());
                board.serve();
            };
            match spawn(pool.n_threads(), Box::new(work)) {
                Ok(worker) => pool.workers.push(worker),
                Err(error) => refusal = Some(error),
            }
        }
        drop(ready);
        begun.iter().take(pool.workers.len()).for_each(drop);
        (pool, refusal)
    }

    /// How many threads the pool has, the calling thread among them.
    pub fn n_threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `work(0)` to `work(n_pieces - 1)`, each once and on any thread, and returns when all are done.
    ///
    /// With one thread or one piece the calls are made here, in order.
    ///
    /// # Panics
    /// With the panic of a piece, if one panics; pieces that no thread has taken by then are not done.
    pub fn run(&mut self, n_pieces: usize, work: &(dyn Fn(usize) + Sync)) {
        if self.workers.is_empty() || n_pieces <= 1 {
            return (0..n_pieces).for_each(work);
        }
        // SAFETY: only the lifetime changes. Workers reach `work` through the offer alone. The offer is
        // withdrawn below, on every way out, and then awaited until nobody is at it any more.
        let work =
            unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(work) };
        let offer = Offer { work, n_pieces };
        let asleep = self.board.make(offer);
        for _ in 0..asleep.min(n_pieces - 1) {
            self.board.offered.notify_one();
        }
        let mine = catch_unwind(AssertUnwindSafe(|| self.board.take_pieces(offer)));
        if mine.is_err() {
            self.board.next.store(n_pieces, Ordering::Relaxed);
        }
        match (mine, self.board.withdraw()) {
            (Err(mine), theirs) => {
                mem::forget(theirs); // as in `serve`
                resume_unwind(mine);
            }
            (Ok(()), Some(theirs)) => resume_unwind(theirs),
            (Ok(()), None) => {}
        }
    }

    /// Calls `work(i, &mut items[i])` for every item, each once and on any thread.
    ///
    /// # Panics
    /// With the panic of a piece, if one panics.
    pub fn for_each_mut<T: Send>(&mut self, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
        // Nearly all small steps and predictions.
        if let [item] = items {
            return work(0, item);
        }
        let first = Shared(items.as_mut_ptr());
        self.run(items.len(), &|i| {
            // SAFETY: i < items.len(), and `run` hands out each i once, so no two references meet.
            work(i, unsafe { &mut *first.get().add(i) });
        });
    }

    /// Calls `work(i, &mut a[i], &mut b[i])` for every item of the shorter slice, each once and on any thread.
    ///
    /// # Panics
    /// With the panic of a piece, if one panics.
    pub fn for_each_pair_mut<A: Send, B: Send>(
        &mut self,
        a: &mut [A],
        b: &mut [B],
        work: impl Fn(usize, &mut A, &mut B) + Sync,
    ) {
        let second = Shared(b.as_mut_ptr());
        let n = a.len().min(b.len());
        self.for_each_mut(&mut a[..n], |i, a| {
            // SAFETY: i < b.len(), and each i is handed out once, so no two references meet.
            work(i, a, unsafe { &mut *second.get().add(i) });
        });
    }

    /// Cuts several slices of one length at the same places and calls
    /// `work(i, [&mut slices[0][cuts[i]], ..])` for every cut, each once and on any thread.
    ///
    /// # Panics
    /// If the slices differ in length, or if the cuts overlap, are not in rising order or reach beyond the
    /// slices; and with the panic of a piece, if one panics.
    #[track_caller]
    pub fn for_each_part<T: Send, const N: usize>(
        &mut self,
        cuts: &[Range<usize>],
        slices: [&mut [T]; N],
        work: impl Fn(usize, [&mut [T]; N]) + Sync,
    ) {
        let len = slices.first().map_or(0, |slice| slice.len());
        assert!(slices.iter().all(|slice| slice.len() == len), "slices of one length are cut together");
        let mut end = 0;
        for cut in cuts {
            assert!(
                end <= cut.start && cut.start <= cut.end && cut.end <= len,
                "cut {cut:?} behind a cut that ends at {end}, of slices of length {len}"
            );
            end = cut.end;
        }
        let first = slices.map(|slice| Shared(slice.as_mut_ptr()));
        self.run(cuts.len(), &|i| {
            let cut = cuts[i].clone();
            let parts = std::array::from_fn(|s| {
                // SAFETY: the cuts are disjoint and lie inside the slices (checked above), the slices are
                // disjoint (each is borrowed for writing), and `run` hands out each i once.
                unsafe { std::slice::from_raw_parts_mut(first[s].get().add(cut.start), cut.len()) }
            });
            work(i, parts);
        });
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.board.lock().closed = true;
        self.board.offered.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches the panics of its pieces, so there is none to pass on here.
            let _ = worker.join();
        }
    }
}

impl std::fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadPool").field("n_threads", &self.n_threads()).finish()
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an offer, and returns how many workers must be woken for it.
    fn make(&self, offer: Offer) -> usize {
        let mut state = self.lock();
        self.next.store(0, Ordering::Relaxed);
        state.number += 1;
        state.offer = Some(offer);
        self.n_offers.store(state.number, Ordering::Release);
        state.asleep
    }

    /// Looks a number of times, or until `is_there`.
    fn look(&self, is_there: impl Fn() -> bool) {
        for _ in 0..self.looks {
            if is_there() {
                break;
            }
            std::hint::spin_loop();
        }
    }

    fn take_pieces(&self, offer: Offer) {
        loop {
            let i = self.next.fetch_add(1, Ordering::Relaxed);
            if i >= offer.n_pieces {
                return;
            }
            (offer.work)(i);
        }
    }

    /// Ends the offer, waits for the workers still busy with it, and returns the panic of one of them.
    fn withdraw(&self) -> Option<Box<dyn Any + Send>> {
        self.lock().offer = None;
        // Pieces are equal, so the others are almost done; to sleep and be woken would cost more.
        self.look(|| self.busy.load(Ordering::Acquire) == 0);
        let mut state = self.lock();
        while self.busy.load(Ordering::Acquire) > 0 {
            state.is_awaited = true;
            state = self.left.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.is_awaited = false;
        }
        state.panic.take()
    }

    /// The life of a worker.
    fn serve(&self) {
        let mut seen = 0;
        while let Some(offer) = self.await_offer(&mut seen) {
            let done = catch_unwind(AssertUnwindSafe(|| self.take_pieces(offer)));
            if let Err(panic) = done {
                self.next.store(offer.n_pieces, Ordering::Relaxed);
                let mut state = self.lock();
                match state.panic {
                    None => state.panic = Some(panic),
                    // A panic's payload may panic again when it is dropped, and the worker would be lost.
                    Some(_) => mem::forget(panic),
                }
            }
            if self.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
                // With the lock held, the caller is either asleep already or has not yet looked.
                if self.lock().is_awaited {
                    self.left.notify_one();
                }
            }
        }
    }

    /// Waits until there is an offer not seen before, and accepts it; `None` when the pool is closed.
    fn await_offer(&self, seen: &mut u64) -> Option<Offer> {
        self.look(|| self.n_offers.load(Ordering::Acquire) != *seen);
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(offer) = state.offer.filter(|_| *seen != state.number) {
                *seen = state.number;
                self.busy.fetch_add(1, Ordering::Relaxed);
                return Some(offer);
            }
            state.asleep += 1;
            state = self.offered.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.asleep -= 1;
        }
    }
}

/// The start of a slice whose parts go to different threads.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);

impl<T> Shared<T> {
    /// Through a method, so that a closure holds the wrapper and not the bare pointer.
    fn get(&self) -> *mut T {
        self.0
    }
}

// SAFETY: the users above give every element to one thread only, and T may be sent to it.
unsafe impl<T: Send> Sync for Shared<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_done_once_by_any_number_of_threads() {
        for n_threads in [0, 1, 2, 3, 7] {
            let mut pool = ThreadPool::new(n_threads);
            assert_eq!(pool.n_threads(), n_threads.max(1));
            for n_pieces in [0, 1, 2, 3, 64] {
                for _ in 0..50 {
                    let counts: Vec<AtomicU64> = (0..n_pieces).map(|_| AtomicU64::new(0)).collect();
                    pool.run(n_pieces, &|i| {
                        counts[i].fetch_add(1, Ordering::Relaxed);
                    });
                    assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
                }
            }
        }
    }

    #[test]
    fn pairs_of_different_lengths_end_with_the_shorter() {
        let (mut a, mut b) = (vec![0; 10], vec![1; 7]);
        ThreadPool::new(2).for_each_pair_mut(&mut a, &mut b, |i, a, b| (*a, *b) = (i + *b, 0));
        assert_eq!((a, b), (vec![1, 2, 3, 4, 5, 6, 7, 0, 0, 0], vec![0; 7]));
    }

    #[test]
    fn two_threads_can_meet_inside_the_work() {
        let barrier = std::sync::Barrier::new(2);
        ThreadPool::new(2).run(2, &|_| {
            barrier.wait();
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let mut pool = ThreadPool::new(3);
        for bad in 0..8 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                pool.run(8, &|i| assert_ne!(i, bad, "piece {i} is bad"));
            }));
            let message = *caught.unwrap_err().downcast::<String>().unwrap();
            assert!(message.contains(&format!("piece {bad} is bad")), "{message}");
            let mut items = [0; 20];
            pool.for_each_mut(&mut items, |i, item| *item = i + 1);
            assert!(items.iter().enumerate().all(|(i, item)| *item == i + 1));
        }
    }

    #[test]
    fn what_panics_when_it_is_dropped_stops_nobody() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("a panic was dropped");
            }
        }
        let (done, result) = mpsc::channel();
        // A thread of its own, since a pool that hangs would take the test with it.
        thread::spawn(move || {
            let (mut pool, all_here) = (ThreadPool::new(3), std::sync::Barrier::new(3));
            let caught = catch_unwind(AssertUnwindSafe(|| {
                pool.run(3, &|_| {
                    all_here.wait();
                    std::panic::panic_any(Bomb);
                });
            }));
            let panic = caught.expect_err("three panics");
            let is_bomb = panic.is::<Bomb>();
            mem::forget(panic);
            let mut items = [0; 20];
            pool.for_each_mut(&mut items, |i, item| *item = i + 1);
            drop(pool);
            done.send((is_bomb, items)).expect("the test waits");
        });
        let (is_bomb, items) = result.recv_timeout(std::time::Duration::from_secs(60)).expect("an end");
        assert!(is_bomb && items.iter().enumerate().all(|(i, item)| *item == i + 1));
    }

    #[test]
    fn a_pool_works_with_the_threads_that_it_gets_and_leaves_none_behind() {
        for (n_refused, n_asked) in [(1, 5), (2, 5), (4, 5), (3, usize::MAX)] {
            let (mut pool, refusal) = ThreadPool::with_spawn(n_asked, |i, work| match i {
                i if i < n_refused => thread::Builder::new().spawn(work),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            });
            assert_eq!(refusal.expect("a refusal").kind(), io::ErrorKind::WouldBlock);
            assert_eq!(pool.n_threads(), n_refused);
            let mut items = [0; 20];
            pool.for_each_mut(&mut items, |i, item| *item = i + 1);
            assert!(items.iter().enumerate().all(|(i, item)| *item == i + 1));
            let board = Arc::clone(&pool.board);
            drop(pool);
            assert_eq!(Arc::strong_count(&board), 1, "a worker lives on");
        }
    }

    #[test]
    fn parts_are_cut_alike() {
        let mut pool = ThreadPool::new(2);
        let (mut a, mut b) = (vec![0; 10], vec![0; 10]);
        pool.for_each_part(&[0..3, 3..3, 5..10], [&mut a, &mut b], |i, [a, b]| {
            a.fill(i + 1);
            b.fill(a.len());
        });
        assert_eq!(a, [1, 1, 1, 0, 0, 3, 3, 3, 3, 3]);
        assert_eq!(b, [3, 3, 3, 0, 0, 5, 5, 5, 5, 5]);
    }

    #[test]
    fn cuts_that_overlap_or_reach_too_far_are_refused() {
        let backwards = Range { start: 3, end: 1 };
        for cuts in [[0..3, 2..4], [2..4, 0..1], [0..3, 3..11], [backwards, 4..5]] {
            let (mut a, mut b) = (vec![0; 10], vec![0; 10]);
            let call = || ThreadPool::new(2).for_each_part(&cuts, [&mut a, &mut b], |_, _| ());
            assert!(catch_unwind(AssertUnwindSafe(call)).is_err(), "{cuts:?}");
        }
        let (mut a, mut b) = (vec![0; 10], vec![0; 9]);
        let call = || ThreadPool::new(2).for_each_part(&[0..1, 1..2], [&mut a, &mut b], |_, _| ());
        assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    }
}
