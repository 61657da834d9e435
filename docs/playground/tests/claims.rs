//! What the guided stops claim, over seeds that played no part when their settings were chosen.

use std::ops::RangeInclusive;

use playground::engine::{Engine, Figures};
use playground::setup::Setup;
use playground::stops::STOPS;

/// Settings were chosen with seeds up to 80.
const SEEDS: RangeInclusive<u64> = 81..=100;
/// On how many of them a claim must hold at least.
const MOST: usize = 15;

fn after(setup: &Setup, steps: u64) -> Figures {
    let mut run = Engine::<f64>::new(setup).expect("settings in their range");
    (0..steps).for_each(|_| assert!(run.step().expect("a step"), "a loss is not finite: {setup:?}"));
    run.figures().expect("figures")
}

#[test]
fn stops_come_to_what_they_claim() {
    let mut table = String::new();
    let mut least = usize::MAX;
    for (i, stop) in STOPS.iter().enumerate() {
        let mut held = [0, 0];
        for seed in SEEDS {
            let mut setup = Setup { seed, ..stop.setup() };
            held[0] += usize::from((stop.claim)(&after(&setup, stop.steps)));
            (stop.answer)(&mut setup);
            held[1] += usize::from((stop.answered)(&after(&setup, stop.steps)));
        }
        table +=
            &format!("stop {}: claim {} of {} seeds, answer {}\n", i + 1, held[0], SEEDS.count(), held[1]);
        least = least.min(held[0]).min(held[1]);
    }
    println!("{table}");
    assert!(least >= MOST, "{table}");
}

/// The page begins with the first seed, so that one is to show it.
#[test]
fn stops_show_it_with_the_seed_they_begin_with() {
    for (i, stop) in STOPS.iter().enumerate() {
        let figures = after(&stop.setup(), stop.steps);
        assert!((stop.claim)(&figures), "stop {}: {figures:?}", i + 1);
    }
}

#[test]
fn every_sharing_form_and_method_learns() {
    use playground::setup::{METHODS, OPTIMISERS, SHARING};
    let settings = (0..SHARING.len())
        .map(|sharing| Setup { sharing, ..Setup::default() })
        .chain((0..METHODS.len()).map(|method| Setup { method, ..Setup::default() }))
        .chain((0..OPTIMISERS.len()).map(|optimiser| Setup { optimiser, rate: 0.02, ..Setup::default() }));
    for setup in settings {
        let figures = after(&setup, 300);
        assert!(figures.losses.iter().all(|loss| *loss < 0.7), "{setup:?}: {:?}", figures.losses);
        let own = if setup.sharing == 1 { 0 } else { figures.parameters[0] };
        assert_eq!(figures.parameters[0], own, "nothing is shared by independent networks");
        assert_eq!(figures.parameters[1], figures.parameters[2]);
    }
}
