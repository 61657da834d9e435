//! The book's program for frames of Polars, as it stands on the page.

include!(concat!(env!("OUT_DIR"), "/polars.rs"));
