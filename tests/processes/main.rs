//! Promises that take a process of their own: these tests start this program again, kill it, send it signals, or choose
//! its instruction path.

mod default_profile;
mod interrupt;
mod killed;
mod paths;

#[path = "../it/tutorial_record.rs"]
mod tutorial_record;
