//! The allocator of this program, which counts what each thread takes from it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn note(change: isize) {
    BYTES.set(BYTES.get() + change);
    PEAK.set(PEAK.get().max(BYTES.get()));
}

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        note(layout.size() as isize);
        // SAFETY: the caller's promise about `layout` is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        // SAFETY: `pointer` came from `alloc` above, so from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// How often `work` allocates on this thread.
pub fn count<R>(work: impl FnOnce() -> R) -> usize {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

/// What `work` makes, and the most bytes that this thread holds at a time meanwhile, beyond those that it held before.
pub fn peak<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = BYTES.get();
    PEAK.set(before);
    let made = work();
    (made, usize::try_from(PEAK.get() - before).expect("the peak begins at what is held"))
}

#[test]
fn the_counters_count() {
    let work = || drop(std::hint::black_box(vec![1_u8; 1000]));
    assert_eq!((count(work), peak(work).1), (1, 1000));
    assert_eq!((count(|| ()), peak(|| ()).1), (0, 0));
}
