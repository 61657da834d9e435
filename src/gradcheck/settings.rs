//! What a check is told beside the function and θ.

use super::report::Coverage;
use crate::Scalar;

#[derive(Clone, Debug)]
pub struct Settings {
    pub coverage: Coverage,
    pub seed: u64,
    pub tolerance: f64,
    pub batch: Option<usize>,
    /// The blocks to check: that of this name, or those whose names begin with it.
    pub only: Option<String>,
    pub allow_zero: bool,
    /// The blocks that may be 0 if not all may.
    pub zero_in: Vec<String>,
    /// Whether to check beside θ, off the kinks.
    pub off_kinks: bool,
}

impl Settings {
    /// The defaults for a gradient in `F`.
    pub fn new<F: Scalar>() -> Self {
        // Far above what rounding does to an honest gradient (about √ε) and far below a mistake.
        let (coverage, tolerance) = (Coverage::Auto, 64.0 * F::EPSILON.sqrt());
        let (batch, only, zero_in) = (None, None, Vec::new());
        Self { coverage, seed: 0, tolerance, batch, only, allow_zero: false, zero_in, off_kinks: false }
    }

    #[track_caller]
    pub fn set_coverage(&mut self, coverage: Coverage) {
        assert!(
            !matches!(coverage, Coverage::Sample(0) | Coverage::Directions(0)),
            "{coverage:?} would check nothing"
        );
        self.coverage = coverage;
    }

    #[track_caller]
    pub fn set_tolerance(&mut self, tolerance: f64) {
        let fits = tolerance > 0.0 && tolerance < 1.0;
        assert!(fits, "a tolerance of {tolerance}: between 0 and 1 is expected");
        self.tolerance = tolerance;
    }

    /// Whether the block of that name may pass with a gradient of 0.
    pub fn allows_zero(&self, block: &str) -> bool {
        self.allow_zero || self.zero_in.iter().any(|name| name == block)
    }

    /// Whether the block of that name is to be checked; `exists` says whether a block is called just like [`only`](Self::only).
    pub fn chooses(&self, name: &str, exists: bool) -> bool {
        match &self.only {
            Some(only) if exists => name == only,
            Some(only) => name.starts_with(only.as_str()),
            None => true,
        }
    }
}
