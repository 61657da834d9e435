//! All that can be set on the page, as numbers in one order: controls, links and presets are lists of them.

use polytask::balance::{
    AlignedMtl, Balance, CaGrad, Equal, GradNorm, Imtl, Mgda, NashMtl, PcGrad, ScaleInvariant, Uncertainty,
    UpGrad,
};
use polytask::optim::{Adam, Rule, Sgd};
use polytask::{Activation, Layer, Sharing};

/// The settings of a run. Each is a number, so that JavaScript can hand it over and a link can hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// The correlation of the two targets over the plane, from 0 (unrelated) to 1 (the same).
    pub relatedness: f64,
    /// The standard deviation of the noise on the labels, where that of the targets is 1.
    pub noise: f64,
    /// The number of rows to learn from.
    pub rows: usize,
    /// The share of the rows that have no label of task B.
    pub missing: f64,
    /// What task B's labels are multiplied by.
    pub scale: f64,
    /// The width of both hidden layers.
    pub width: usize,
    /// The sharing form, an index into [`SHARING`].
    pub sharing: usize,
    /// The balancing method, an index into [`METHODS`].
    pub method: usize,
    /// The optimiser, an index into [`OPTIMISERS`].
    pub optimiser: usize,
    /// The learning rate.
    pub rate: f64,
    /// Draws the rows, the noise and the first parameters.
    pub seed: u64,
}

/// The sharing forms, in the order of their numbers.
pub const SHARING: [&str; 4] = ["shared trunk", "independent", "cross-stitch", "MMoE"];

/// The balancing methods, in the order of their numbers.
pub const METHODS: [&str; 12] = [
    "sum",
    "uncertainty",
    "scale-invariant",
    "GradNorm",
    "IMTL",
    "MGDA",
    "PCGrad",
    "CAGrad",
    "Nash-MTL",
    "Aligned-MTL",
    "UPGrad",
    "mean",
];

/// The optimisers, in the order of their numbers.
pub const OPTIMISERS: [&str; 3] = ["SGD", "momentum", "Adam"];

/// The number of settings.
pub const N_SETTINGS: usize = 11;

impl Default for Setup {
    fn default() -> Self {
        Self {
            relatedness: 0.9,
            noise: 0.3,
            rows: 60,
            missing: 0.0,
            scale: 1.0,
            width: 12,
            sharing: 0,
            method: 0,
            optimiser: 2,
            rate: 0.01,
            seed: 1,
        }
    }
}

impl Setup {
    /// The setting at a place, in the order of the fields.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn get(&self, place: usize) -> f64 {
        match place {
            0 => self.relatedness,
            1 => self.noise,
            2 => self.rows as f64,
            3 => self.missing,
            4 => self.scale,
            5 => self.width as f64,
            6 => self.sharing as f64,
            7 => self.method as f64,
            8 => self.optimiser as f64,
            9 => self.rate,
            10 => self.seed as f64,
            _ => panic!("setting {place} of {N_SETTINGS}"),
        }
    }

    /// Sets what is at a place to the nearest value that it can have; a link may hold anything. NaN changes nothing.
    pub fn set(&mut self, place: usize, value: f64) {
        if value.is_nan() {
            return;
        }
        let index = |n: usize| value.clamp(0.0, (n - 1) as f64) as usize;
        match place {
            0 => self.relatedness = value.clamp(0.0, 1.0),
            1 => self.noise = value.clamp(0.0, 2.0),
            2 => self.rows = value.clamp(4.0, 1000.0) as usize,
            3 => self.missing = value.clamp(0.0, 0.95),
            4 => self.scale = value.clamp(0.01, 100.0),
            5 => self.width = value.clamp(1.0, 32.0) as usize,
            6 => self.sharing = index(SHARING.len()),
            7 => self.method = index(METHODS.len()),
            8 => self.optimiser = index(OPTIMISERS.len()),
            9 => self.rate = value.clamp(1e-4, 1.0),
            10 => self.seed = value.clamp(0.0, 999_999.0) as u64,
            _ => {}
        }
    }

    /// How the two tasks share: two hidden layers in each form.
    pub fn sharing(&self) -> Sharing {
        let layers = self.layers();
        match self.sharing {
            0 => Sharing::shared_trunk(layers),
            1 => Sharing::independent(layers),
            2 => Sharing::cross_stitch(layers),
            _ => Sharing::mmoe(3, layers),
        }
    }

    /// The hidden layers of a trunk, an expert, or a network of one task.
    pub fn layers(&self) -> [Layer; 2] {
        [(); 2].map(|()| Layer::dense(self.width, Activation::Tanh))
    }

    /// The balancing method.
    pub fn method(&self) -> Box<dyn Balance> {
        match METHODS[self.method] {
            "uncertainty" => Box::new(Uncertainty::new()),
            "scale-invariant" => Box::new(ScaleInvariant::new()),
            "GradNorm" => Box::new(GradNorm::new()),
            "IMTL" => Box::new(Imtl::new()),
            "MGDA" => Box::new(Mgda::new()),
            "PCGrad" => Box::new(PcGrad::new()),
            "CAGrad" => Box::new(CaGrad::new(0.5)),
            "Nash-MTL" => Box::new(NashMtl::new()),
            "Aligned-MTL" => Box::new(AlignedMtl::new()),
            "UPGrad" => Box::new(UpGrad::new()),
            "mean" => Box::new(Equal::mean()),
            _ => Box::new(Equal::sum()),
        }
    }

    /// The optimiser.
    pub fn optimiser(&self) -> Box<dyn Rule> {
        match OPTIMISERS[self.optimiser] {
            "Adam" => Box::new(Adam::new(self.rate)),
            "momentum" => Box::new(Sgd::new(self.rate).momentum(0.9)),
            _ => Box::new(Sgd::new(self.rate)),
        }
    }
}
