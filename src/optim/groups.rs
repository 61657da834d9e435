//! Rates and decay of their own for some blocks of θ, chosen by name.
//!
//! ```text
//! α_b = rate_b · α        λ_b = decay_b · λ        b: a block of θ; both factors are 1 unless a pattern says otherwise
//! ```
//! Moments, count, schedule and clipping stay those of the whole θ: what is clipped is the norm of one gradient.
//! Decoupled decay shrinks by α_b λ_b, so a factor of the rate acts on it too, as with PyTorch's parameter groups.
//!
//! By default all of θ decays. That is what the sources of the rules say (AdamW: Loshchilov and Hutter 2019, algorithm 2,
//! line 12, decays the whole θ) and what PyTorch, TensorFlow and Optax do unless told otherwise. Many recipes leave biases
//! and scales out, since they multiply nothing that could overfit: I. Goodfellow, Y. Bengio and A. Courville, "Deep
//! Learning", 2016, section 7.1; T. He et al., "Bag of tricks for image classification", CVPR 2019, section 3.1.

use std::ops::Range;

use super::Step;
use crate::params::{Layout, matches};
use crate::{Error, ErrorKind, Result};

/// Which blocks of θ learn at another rate, or decay less or more than the others.
///
/// A pattern is the name of a block as [`Layout`] has it, in which `*` stands for any text. Of several patterns that
/// match a block, the last counts, for the rate and for the decay by itself.
///
/// ```
/// use polytask::optim::ParameterGroups;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f32>(64, 0.05, 1);
/// let builder = Model::builder(10).trunk([Layer::dense(8, Activation::Relu)]);
/// let mut model = builder.task(Task::regression("shoulder")).task(Task::regression("elbow")).build::<f32>()?;
/// let before = model.parameters().to_vec();
/// let groups = ParameterGroups::new()
///     .no_decay_of_biases()
///     .rate("trunk.*", 0.1)            // a trunk that has learnt already
///     .rate("head.elbow.*", 0.0);      // and a head that shall stay as it is
/// let trainer = Trainer::new(AdamW::new(0.01).weight_decay(0.1)).parameter_groups(groups).steps(1);
/// trainer.fit(&mut model, &data)?;
///
/// let layout = model.network().layout();
/// let moved = |name: &str| {
///     let range = layout.block(name).expect("a block").range();
///     range.map(|i| (model.parameters()[i] - before[i]).abs()).fold(0.0, f32::max)
/// };
/// assert!(moved("trunk.0.weight") < 0.2 * moved("head.shoulder.0.weight"));
/// assert_eq!(moved("head.elbow.0.weight"), 0.0);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParameterGroups {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    names: Names,
    rate: Option<f64>,
    decay: Option<f64>,
}

/// The blocks that an entry is about.
#[derive(Clone, Debug, PartialEq)]
enum Names {
    Matching(String),
    Biases,
}

impl Names {
    fn include(&self, name: &str) -> bool {
        match self {
            Self::Matching(pattern) => matches(pattern, name),
            Self::Biases => {
                let last = name.rsplit('.').next().unwrap_or(name);
                ["bias", "scale", "shift"].iter().any(|ending| last.ends_with(ending))
            }
        }
    }
}

impl ParameterGroups {
    /// No groups: every block has the rate and the decay of the rule.
    pub fn new() -> Self {
        Self::default()
    }

    /// Multiplies the learning rate of the blocks that match `pattern` by `factor`: 0 or more. With 0 they stay as they
    /// are.
    #[must_use]
    pub fn rate(mut self, pattern: impl Into<String>, factor: f64) -> Self {
        self.entries.push(Entry { names: Names::Matching(pattern.into()), rate: Some(factor), decay: None });
        self
    }

    /// Multiplies the weight decay of the blocks that match `pattern` by `factor`: 0 or more.
    ///
    /// ```
    /// use polytask::optim::{Optimizer, ParameterGroups, Sgd};
    /// use polytask::Layout;
    ///
    /// let mut layout = Layout::new();
    /// for name in ["trunk.0.weight", "trunk.1.weight", "head.weight"] {
    ///     layout.push(name, 1, 1);
    /// }
    /// let groups = ParameterGroups::new().decay("*", 0.0).decay("trunk.*.weight", 0.5).decay("trunk.0.*", 2.0);
    /// let mut sgd = Optimizer::new(Sgd::new(1.0).weight_decay(0.25), 3)?.groups(&layout, &groups)?;
    /// let mut theta = [1.0, 1.0, 1.0];
    /// sgd.step(&mut theta, &[0.0, 0.0, 0.0]);
    /// assert_eq!(theta, [0.5, 0.875, 1.0]);
    /// assert!(sgd.groups(&layout, &ParameterGroups::new().rate("tronk.*", 0.1)).is_err());
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn decay(mut self, pattern: impl Into<String>, factor: f64) -> Self {
        self.entries.push(Entry { names: Names::Matching(pattern.into()), rate: None, decay: Some(factor) });
        self
    }

    /// Leaves biases and scales out of weight decay: blocks whose name ends in `bias`, `scale` or `shift`.
    ///
    /// ```
    /// use polytask::optim::{AdamW, Optimizer, ParameterGroups};
    /// use polytask::prelude::*;
    ///
    /// let model = Model::builder(2).task(Task::regression("price")).build::<f64>()?;
    /// let mut adamw = Optimizer::new(AdamW::new(0.1).weight_decay(0.5), 3)?
    ///     .groups(model.network().layout(), &ParameterGroups::new().no_decay_of_biases())?;
    /// let mut theta = [1.0, 1.0, 1.0];                                 // two weights and a bias
    /// adamw.step(&mut theta, &[0.0, 0.0, 0.0]);
    /// assert_eq!(theta, [0.95, 0.95, 1.0]);
    /// # Ok::<(), polytask::Error>(())
    /// ```
    #[must_use]
    pub fn no_decay_of_biases(mut self) -> Self {
        self.entries.push(Entry { names: Names::Biases, rate: None, decay: Some(0.0) });
        self
    }

    /// Whether no block is told anything.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The factors of the block called `name`.
    fn factors(&self, name: &str) -> Factors {
        let last = |factor: fn(&Entry) -> Option<f64>| {
            let of_name = self.entries.iter().rev().filter(|entry| entry.names.include(name));
            of_name.filter_map(factor).next().unwrap_or(1.0)
        };
        Factors { rate: last(|entry| entry.rate), decay: last(|entry| entry.decay) }
    }

    /// The factors of every part of θ, neighbours that are alike taken together.
    pub(super) fn over(&self, layout: &Layout) -> Result<Vec<(Range<usize>, Factors)>> {
        self.check(layout)?;
        let mut parts: Vec<(Range<usize>, Factors)> = Vec::new();
        for (name, block) in layout.blocks().filter(|(_, block)| block.len() > 0) {
            let factors = self.factors(name);
            match parts.last_mut().filter(|(_, before)| *before == factors) {
                Some((range, _)) => range.end = block.range().end,
                None => parts.push((block.range(), factors)),
            }
        }
        Ok(parts)
    }

    /// Fails for a factor out of its range, and a pattern that no block matches.
    fn check(&self, layout: &Layout) -> Result<()> {
        for Entry { names, rate, decay } in &self.entries {
            let Names::Matching(pattern) = names else { continue };
            let what = if rate.is_some() { "rate" } else { "decay" };
            let place = format!("parameter groups, {what} of {pattern:?}");
            if let Some(factor) = rate.or(*decay).filter(|factor| !(factor.is_finite() && *factor >= 0.0)) {
                return Err(Error::new(ErrorKind::Setting, place, "a finite number, 0 or more", factor));
            }
            layout.matching(&place, pattern)?;
        }
        Ok(())
    }
}

/// What learning rate and decay of a block are multiplied by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Factors {
    pub(super) rate: f64,
    pub(super) decay: f64,
}

impl Factors {
    pub(super) const ONES: Self = Self { rate: 1.0, decay: 1.0 };

    /// The step for a block with these factors.
    pub(super) fn of(self, step: &Step) -> Step {
        Step {
            learning_rate: self.rate * step.learning_rate,
            decay_scale: self.decay * step.decay_scale,
            ..*step
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_alike_are_one_part() {
        let mut layout = Layout::new();
        for (name, n) in [("a.weight", 6), ("a.bias", 2), ("b.in_scale", 1), ("none", 0), ("b.weight", 3)] {
            layout.push(name, n, 1);
        }
        let (rate, no_decay) =
            (Factors { rate: 0.5, ..Factors::ONES }, Factors { decay: 0.0, ..Factors::ONES });
        let groups = ParameterGroups::new().no_decay_of_biases();
        let parts = groups.over(&layout).unwrap();
        assert_eq!(parts, [(0..6, Factors::ONES), (6..9, no_decay), (9..12, Factors::ONES)]);
        let groups =
            ParameterGroups::new().rate("*", 2.0).rate("*.weight", 0.5).rate("*s", 1.0).rate("*.??", 1.0);
        assert!(groups.over(&layout).is_err());
        let groups = ParameterGroups::new().rate("*", 2.0).rate("*.weight", 0.5).rate("*.bias", 0.5);
        let two = Factors { rate: 2.0, ..Factors::ONES };
        assert_eq!(groups.over(&layout).unwrap(), [(0..8, rate), (8..9, two), (9..12, rate)]);
    }

    #[test]
    fn wrong_groups_are_named() {
        let mut layout = Layout::new();
        layout.push("trunk.0.weight", 2, 2);
        let said = |groups: ParameterGroups| groups.over(&layout).unwrap_err().to_string();
        let expected = "parameter groups, rate of \"*\": expected a finite number, 0 or more, found -1";
        assert_eq!(said(ParameterGroups::new().rate("*", -1.0)), expected);
        assert!(said(ParameterGroups::new().decay("*", f64::NAN)).contains("decay of \"*\""));
        let unknown = said(ParameterGroups::new().rate("heads.*", 0.1));
        assert!(unknown.contains("rate of \"heads.*\": expected one of [\"trunk.0.weight\"]"), "{unknown}");
    }
}
