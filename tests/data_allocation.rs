//! Batches allocate nothing once they are set up.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use polytask::data::{Sampler, datasets};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(act: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    act();
    ALLOCATIONS.get() - before
}

#[test]
fn no_batch_allocates() {
    let plain = datasets::robot_arm::<f32>(1_000, 0.05, 1);
    let grouped = datasets::mixed_tasks::<f32>(1_000, 0.4, 1);
    assert!(allocations(|| drop(vec![1])) > 0, "the count counts");
    for data in [plain, grouped] {
        let mut sampler = Sampler::shuffled(&data, 32, 7).unwrap();
        let mut rows = 0;
        let count = allocations(|| {
            while sampler.epoch() < 5 {
                rows += sampler.next_batch(&data).n_rows();
            }
        });
        assert_eq!(count, 0, "in {rows} rows of a sampler");

        let mut pass = data.batches(32, 7);
        let count = allocations(|| while pass.next_batch().unwrap().is_some() {});
        assert_eq!(count, 0, "in one pass");
    }
}
