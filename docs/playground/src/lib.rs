//! Two tasks that learn from two-dimensional data, to be watched in a browser: polytask itself, compiled to WebAssembly.
//!
//! What JavaScript calls is below. It hands over numbers and gets numbers, or the place of a list in the memory that
//! WebAssembly shares with it. A place is good until the next call of [`reset`], [`step`] or [`look`].

pub mod arrows;
pub mod engine;
pub mod plane;
pub mod setup;
pub mod stops;

use std::cell::RefCell;

use engine::{Engine, View};
use setup::{N_SETTINGS, Setup};
use stops::STOPS;

/// What the page computes in. A page for both widths would be twice as large.
#[cfg(not(feature = "single"))]
type Number = f64;
#[cfg(feature = "single")]
type Number = f32;

/// What the page works on.
#[derive(Default)]
struct Page {
    setup: Setup,
    run: Option<Engine<Number>>,
    view: View,
}

thread_local! {
    static PAGE: RefCell<Page> = RefCell::default();
}

fn page<T>(work: impl FnOnce(&mut Page) -> T) -> T {
    PAGE.with_borrow_mut(work)
}

/// How many settings there are.
#[unsafe(no_mangle)]
pub extern "C" fn n_settings() -> usize {
    N_SETTINGS
}

/// How many guided stops there are.
#[unsafe(no_mangle)]
pub extern "C" fn n_stops() -> usize {
    STOPS.len()
}

/// The number of points on a side of the grid.
#[unsafe(no_mangle)]
pub extern "C" fn side() -> usize {
    plane::SIDE
}

/// The setting at a place.
///
/// # Panics
/// If there is no such place.
#[unsafe(no_mangle)]
pub extern "C" fn get(place: usize) -> f64 {
    page(|page| page.setup.get(place))
}

/// Changes the setting at a place, for the next [`reset`].
#[unsafe(no_mangle)]
pub extern "C" fn set(place: usize, value: f64) {
    page(|page| page.setup.set(place, value));
}

/// Takes the settings of a guided stop, or, where there is no such stop, those that the page begins with.
#[unsafe(no_mangle)]
pub extern "C" fn preset(stop: usize) {
    page(|page| page.setup = STOPS.get(stop).map_or_else(Setup::default, stops::Stop::setup));
}

/// Changes the settings as the answer to a stop's question does.
#[unsafe(no_mangle)]
pub extern "C" fn answer(stop: usize) {
    page(|page| {
        if let Some(stop) = STOPS.get(stop) {
            (stop.answer)(&mut page.setup);
        }
    });
}

/// After how many steps a stop is judged.
#[unsafe(no_mangle)]
pub extern "C" fn stop_steps(stop: usize) -> usize {
    STOPS.get(stop).map_or(0, |stop| stop.steps as usize)
}

/// Whether what a stop claims holds now; with `answered`, what its answer claims.
#[unsafe(no_mangle)]
pub extern "C" fn holds(stop: usize, answered: bool) -> bool {
    page(|page| {
        let figures = page.run.as_mut().and_then(|run| run.figures().ok());
        match (STOPS.get(stop), figures) {
            (Some(stop), Some(figures)) if answered => (stop.answered)(&figures),
            (Some(stop), Some(figures)) => (stop.claim)(&figures),
            _ => false,
        }
    })
}

/// Draws rows and first parameters anew with the settings. Says whether that worked.
#[unsafe(no_mangle)]
pub extern "C" fn reset() -> bool {
    page(|page| {
        page.run = Engine::new(&page.setup).ok();
        page.run.is_some()
    })
}

/// Takes up to `n` steps, and says how many it took: fewer if a loss is no longer finite.
#[unsafe(no_mangle)]
pub extern "C" fn step(n: usize) -> usize {
    page(|page| {
        let Some(run) = page.run.as_mut() else { return 0 };
        (0..n).take_while(|_| matches!(run.step(), Ok(true))).count()
    })
}

/// Computes all that the functions below give, the [`units`] only if they are asked for. Says whether that worked.
#[unsafe(no_mangle)]
pub extern "C" fn look(units: bool) -> bool {
    page(|page| page.run.as_mut().is_some_and(|run| run.look(&mut page.view, units).is_ok()))
}

/// The figures: see [`Figures::list`](engine::Figures::list).
#[unsafe(no_mangle)]
pub extern "C" fn figures() -> *const f64 {
    page(|page| page.view.figures.as_ptr())
}

/// How many figures there are.
#[unsafe(no_mangle)]
pub extern "C" fn n_figures() -> usize {
    page(|page| page.view.figures.len())
}

/// Both targets over the grid, one after the other.
#[unsafe(no_mangle)]
pub extern "C" fn targets() -> *const f32 {
    page(|page| page.view.targets.as_ptr())
}

/// The same of what is predicted.
#[unsafe(no_mangle)]
pub extern "C" fn predictions() -> *const f32 {
    page(|page| page.view.predictions.as_ptr())
}

/// Over the grid, the units that the head of A reads, then those that the head of B reads: as many each as the width.
#[unsafe(no_mangle)]
pub extern "C" fn units() -> *const f32 {
    page(|page| page.view.units.as_ptr())
}

/// Four numbers for each row: see [`View::rows`].
#[unsafe(no_mangle)]
pub extern "C" fn rows() -> *const f32 {
    page(|page| page.view.rows.as_ptr())
}

/// How many rows there are.
#[unsafe(no_mangle)]
pub extern "C" fn n_rows() -> usize {
    page(|page| page.view.rows.len() / 4)
}
