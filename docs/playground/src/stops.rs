//! The guided stops: settings, a number of steps, and what is to be seen after them.

use crate::engine::Figures;
use crate::setup::Setup;

/// A guided stop. Its words are in the page's table of texts.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// What the answer to its question changes in the settings.
    pub answer: fn(&mut Setup),
    /// Whether its claim holds in what came out of its settings.
    pub claim: fn(&Figures) -> bool,
    /// Whether its answer holds in what came out of the changed settings.
    pub answered: fn(&Figures) -> bool,
    /// After how many steps it is judged.
    pub steps: u64,
    settings: fn() -> Setup,
}

impl Stop {
    /// The settings that it begins with.
    pub fn setup(&self) -> Setup {
        (self.settings)()
    }
}

fn mean(errors: [f64; 2]) -> f64 {
    (errors[0] + errors[1]) / 2.0
}

fn together_wins(figures: &Figures) -> bool {
    mean(figures.errors) < mean(figures.errors_apart)
}

fn together_loses(figures: &Figures) -> bool {
    mean(figures.errors) > mean(figures.errors_apart)
}

fn number(name: &str, of: &[&str]) -> usize {
    of.iter().position(|other| *other == name).expect("a name of the list")
}

fn method(name: &str) -> usize {
    number(name, &crate::setup::METHODS)
}

/// All stops, in their order.
pub const STOPS: [Stop; 5] = [
    // Related tasks and few noisy rows: together wins. With many rows, each task can learn alone.
    Stop {
        settings: || Setup { relatedness: 0.95, noise: 1.0, rows: 150, width: 12, ..Setup::default() },
        steps: 300,
        claim: together_wins,
        answer: |setup| setup.rows = 1000,
        answered: |figures| mean(figures.errors_apart) - mean(figures.errors) < 0.1,
    },
    // Unrelated tasks and a narrow trunk: together loses. A wider trunk has room for both.
    Stop {
        settings: || Setup { relatedness: 0.0, noise: 0.1, rows: 200, width: 4, ..Setup::default() },
        steps: 300,
        claim: together_loses,
        answer: |setup| setup.width = 24,
        answered: |figures| mean(figures.errors) < 0.1,
    },
    // Task B's labels are ten times as large, and its loss a hundred times: A starves.
    Stop {
        settings: || Setup {
            relatedness: 0.5,
            scale: 10.0,
            noise: 0.1,
            rows: 150,
            width: 6,
            ..Setup::default()
        },
        steps: 400,
        claim: |figures| figures.errors[0] > 5.0 * figures.errors_apart[0],
        answer: |setup| setup.method = method("scale-invariant"),
        answered: |figures| figures.errors[0] < 2.0 * figures.errors_apart[0],
    },
    // The direction of the sum opposes a task again and again; that of PCGrad never does.
    Stop {
        settings: || Setup {
            relatedness: 0.0,
            scale: 3.0,
            noise: 0.1,
            rows: 200,
            width: 4,
            optimiser: 0,
            rate: 0.02,
            seed: 3,
            ..Setup::default()
        },
        steps: 600,
        claim: |figures| 10 * figures.conflicts[1] > figures.steps,
        answer: |setup| setup.method = method("PCGrad"),
        answered: |figures| figures.conflicts[1] == 0,
    },
    // Most rows have no label of B: what A teaches the trunk helps it. With all of its labels it needs less help.
    Stop {
        settings: || Setup {
            relatedness: 0.95,
            noise: 0.3,
            rows: 60,
            missing: 0.8,
            width: 12,
            ..Setup::default()
        },
        steps: 300,
        claim: |figures| figures.errors[1] < figures.errors_apart[1],
        answer: |setup| setup.missing = 0.0,
        answered: |figures| figures.errors_apart[1] - figures.errors[1] < 0.1,
    },
];
