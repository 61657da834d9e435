//! Scratch memory for copies of matrix blocks, kept by each thread from one product to the next.

use std::cell::RefCell;

/// 64 bytes on their own cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

thread_local! {
    static SCRATCH: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with memory for `len` numbers, aligned to a cache line, whose content is arbitrary bytes.
///
/// Allocates only when a thread asks for more than ever before. `work` may not ask for memory again.
pub fn with<F: Copy + 'static, R>(len: usize, work: impl FnOnce(*mut F) -> R) -> R {
    const { assert!(align_of::<F>() <= align_of::<Line>()) };
    SCRATCH.with_borrow_mut(|scratch| {
        let n_bytes = len.checked_mul(size_of::<F>()).expect("a scratch buffer whose bytes can be counted");
        let n_lines = n_bytes.div_ceil(size_of::<Line>());
        if scratch.len() < n_lines {
            scratch.resize(n_lines, Line([0; 64]));
        }
        work(scratch.as_mut_ptr().cast())
    })
}

/// Allocates the most that a product asks for, so that a thread that starts late allocates nothing then.
pub fn reserve() {
    with::<u8, _>(1 << 20, |_| ());
}
