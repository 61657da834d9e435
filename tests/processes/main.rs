//! Promises that take a process of their own: these tests start this program again, kill it, send it signals, or choose
//! its SIMD level.

mod default_profile;
mod interrupt;
mod killed;
mod simd_levels;

#[path = "../it/tutorial_record.rs"]
mod tutorial_record;
