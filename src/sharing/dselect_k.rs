//! DSelect-k: a mixture of experts in which each task learns which few experts it reads.
//!
//! H. Hazimeh et al., "DSelect-k: differentiable selection in the mixture of experts with applications to multi-task
//! learning", NeurIPS 2021.
//!
//! ```text
//! forward     fₑ = expertₑ(x)                   E experts, chains of layers of one shape
//!             hₖ = Σₑ pₖₑ fₑ                    pₖ: the shares of task k's selector, at most k of them not 0
//!
//! backward    dpₖₑ = Σ over rows of ⟨dhₖ, fₑ⟩, and from there to the selector's parameters       see selector.rs
//!             dfₑ = Σₖ pₖₑ dhₖ
//! ```
//! The shares do not depend on x (the paper's static gates). Experts are shared by all tasks; a selector belongs to its
//! task, and is left out where gradients of tasks are compared, as the gates of a mixture of experts are. An expert
//! whose share is 0 is computed all the same, for the tasks that read it.

use std::ops::Range;

use super::mixture::{self, Mixture};
use super::mixture_of_experts::check_experts;
use super::selector::{Selector, Undecided};
use super::{BuiltSharing, Piece, Representation};
use crate::arena::{Arena, Chunk, ChunkNumbers};
use crate::kernel::{self, Accumulate};
use crate::layer::{Affine, BuildContext, Chain, Layer, Lookup, Pass, Propagation};
use crate::penalty::{PenaltyFunction, check_strength};
use crate::{Error, ErrorKind, Init, Result, Scalar};

/// Settings of DSelect-k: a mixture of experts in which every task chooses at most k of them, the same for all rows.
///
/// ```text
/// hₖ = Σₑ pₖₑ fₑ(x),   pₖₑ = Σᵢ softmax(w)ᵢ Π_b (S(z_ib) or 1 − S(z_ib), as digit b of e is 1 or 0)
/// ```
/// S is a smooth step, exactly 0 and 1 beyond ±γ/2. A penalty, λ times the entropy of the choices, pushes them to be
/// decided. Experts are shared by all tasks (`expert.0.0.weight`, …); a selector belongs to its task
/// (`gate.price.codes`, z, k × ⌈log₂ E⌉, and `gate.price.weights`, w, 1 × k). Hazimeh et al., 2021.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::sharing::DSelectK;
///
/// let form = DSelectK::new(4, 2, [Layer::dense(8, Activation::Relu)]).entropy(0.1); // or Sharing::dselect_k(4, 2, [..])
/// let builder = Model::builder(10).sharing(form.into()).task(Task::regression("shoulder"));
/// let mut model = builder.task(Task::regression("elbow")).build::<f64>()?;
/// assert_eq!(model.network().layout().n_shared(), 4 * (10 * 8 + 8));
/// let data = datasets::robot_arm::<f64>(100, 0.05, 1);
/// let checks = model.check_gradients(&data.all())?;
/// assert!(checks.passed(), "{checks}");
/// let trainer = Trainer::new(Adam::new(0.02)).steps(400);
/// let entropy = trainer.fit(&mut model, &data)?.penalty().expect("that of the choices").to_vec();
/// assert!(entropy[399] < 0.5 * entropy[0]);
/// let none = DSelectK::new(4, 0, [Layer::dense(8, Activation::Relu)]);
/// assert!(Model::builder(10).sharing(none.into()).task(Task::regression("elbow")).build::<f64>().is_err());
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct DSelectK {
    experts: usize,
    k: usize,
    layers: Vec<Layer>,
    width: f64,
    entropy: f64,
}

impl DSelectK {
    /// `experts` experts, at least 2, of these layers each, at least one, of which each task reads at most `k`, at
    /// least 1 and no more than there are.
    pub fn new(
        experts: usize,
        k: usize,
        layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>,
    ) -> Self {
        let layers = layers.into_iter().map(std::convert::Into::into).collect();
        Self { experts, k, layers, width: 1.0, entropy: 1e-6 }
    }

    /// γ, the width of the smooth steps: a digit is decided once its number is beyond ±γ/2. (Default: 1.)
    #[must_use]
    pub fn width(self, width: f64) -> Self {
        Self { width, ..self }
    }

    /// λ, the factor of the entropy of the choices, at least 0. (Default: 10⁻⁶, that of published code.)
    #[must_use]
    pub fn entropy(self, strength: f64) -> Self {
        Self { entropy: strength, ..self }
    }

    fn check<F: Scalar>(&self) -> Result<()> {
        check_experts("experts", self.experts, 2, &self.layers)?;
        if !(1..=self.experts).contains(&self.k) {
            let expected = format!("at least 1, and no more than the {} experts", self.experts);
            return Err(Error::new(ErrorKind::Setting, "k of DSelect-k", expected, self.k)
                .advise("k is how many experts a task may read"));
        }
        let is_width = F::from_f64(self.width.powi(3));
        if !(is_width > F::ZERO && is_width.is_finite()) {
            let expected = format!("a positive number whose cube is within the range of {}", F::NAME);
            return Err(Error::new(
                ErrorKind::Setting,
                "width of the steps of DSelect-k",
                expected,
                self.width,
            ));
        }
        check_strength::<F>("the entropy of DSelect-k", self.entropy)
    }

    pub(super) fn build<F: Scalar>(
        &self,
        tasks: &[&str],
        context: &mut BuildContext<'_>,
    ) -> Result<BuiltDSelectK<F>> {
        self.check::<F>()?;
        let expert = |e: usize| {
            context.named(&format!("expert.{e}"), |context| Chain::<F>::build(&self.layers, context))
        };
        let experts = (0..self.experts).map(expert).collect::<Result<Vec<_>>>()?;
        context.end_shared();
        let outputs: Vec<_> = experts.iter().map(Chain::output).collect();
        let digits = self.experts.next_power_of_two().trailing_zeros() as usize;
        let choice = |task: &&str| {
            let selector = context.named(&format!("gate.{task}"), |c| Selector {
                codes: c.parameter("codes", self.k, digits, Init::Uniform(self.width / 100.0)),
                weights: c.parameter("weights", 1, self.k, Init::Uniform(0.05)),
                n_experts: self.experts,
                width: self.width,
            });
            let mixture = Mixture {
                shares: context.activations(self.experts),
                output: context.activations(outputs[0].width()),
                experts: outputs.clone(),
            };
            Choice {
                name: (*task).to_owned(),
                sums: context.chunk_numbers(self.experts + self.k * (digits + 1)),
                selector,
                mixture,
            }
        };
        let choices = tasks.iter().map(choice).collect();
        Ok(BuiltDSelectK { experts, choices, entropy: self.entropy })
    }
}

impl From<DSelectK> for super::Sharing {
    fn from(form: DSelectK) -> Self {
        Self::DSelectK(form)
    }
}

/// What a task reads.
#[derive(Debug)]
struct Choice {
    name: String,
    selector: Selector,
    mixture: Mixture,
    /// Among the deltas: dp, summed over the rows of a chunk, and after it the selector's gradient from it.
    sums: ChunkNumbers,
}

impl Choice {
    fn range(&self) -> Range<usize> {
        self.selector.codes.range().start..self.selector.weights.range().end
    }

    fn share<F: Scalar>(&self, theta: &[F], values: &mut Arena<F>) {
        let mut rows = values.rows_mut(self.mixture.shares);
        if let Some(first) = rows.next() {
            self.selector.shares(theta, first);
            rows.for_each(|row| row.copy_from_slice(first));
        }
    }

    /// From dp to the selector.
    fn propagate<F: Scalar>(&self, theta: &[F], deltas: &mut Arena<F>) {
        let ([dp], [], sums) = deltas.split_with_numbers([(self.mixture.shares, 0..1)], [], (self.sums, 0));
        let (sums, gradient) = sums.split_at_mut(self.selector.n_experts);
        kernel::column_sums(dp, Accumulate::Write, sums);
        self.selector.propagate(theta, sums, gradient);
    }
}

#[derive(Debug)]
pub(super) struct BuiltDSelectK<F> {
    experts: Vec<Chain<F>>,
    /// For each task.
    choices: Vec<Choice>,
    entropy: f64,
}

impl<F: Scalar> BuiltSharing<F> for BuiltDSelectK<F> {
    fn representation(&self, task: usize) -> Representation {
        Representation { activations: self.choices[task].mixture.output, is_shared: false }
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        self.experts.iter().for_each(|expert| expert.forward(pass, values));
        self.choices.iter().for_each(|choice| choice.share(pass.theta, values));
        mixture::mix(self.choices.iter().map(|choice| &choice.mixture), values);
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        self.experts.iter().try_for_each(|expert| expert.export(graph))?;
        for Choice { selector, mixture, .. } in &self.choices {
            let mut shares = vec![0.0; selector.n_experts];
            selector.shares(graph.theta(), &mut shares);
            let shares = graph.constant(&[1, selector.n_experts], &shares);
            graph.set(mixture.shares, shares);
            mixture.export(graph);
        }
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let mixtures = self.choices.iter().map(|choice| &choice.mixture);
        // The experts have one sum, or a lane for each task.
        match to.lanes {
            1 => mixture::unmix(mixtures, values, deltas, 0, |k, _| (0, k > 0)),
            _ => mixture::unmix(mixtures, values, deltas, 0, |k, _| (k, false)),
        }
        self.choices.iter().for_each(|choice| choice.propagate(pass.theta, deltas));
        for (e, expert) in self.experts.iter().enumerate() {
            expert.propagate(pass, values, deltas, if e == 0 { to } else { to.adding() });
        }
    }

    fn pieces(&self) -> Vec<Piece> {
        let experts = self.experts.iter().flat_map(Chain::pieces).map(|range| Piece { range, owner: None });
        let choices = self.choices.iter().enumerate();
        experts.chain(choices.map(|(k, choice)| Piece { range: choice.range(), owner: Some(k) })).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        let Some(task) = piece.owner else {
            let mut experts = self.experts.iter();
            return experts
                .find_map(|expert| expert.gradient(chunks, lane, piece.range.clone(), gradient))
                .expect("the piece is of an expert");
        };
        gradient.fill(F::ZERO);
        for chunk in chunks {
            let Choice { sums, selector, .. } = &self.choices[task];
            let of_chunk = &chunk.deltas.numbers(*sums, 0)[selector.n_experts..];
            gradient.iter_mut().zip(of_chunk).for_each(|(sum, &d)| *sum += d);
        }
    }

    fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
        self.experts.iter().for_each(|expert| expert.update_state(chunks, state));
    }

    fn affine(&self) -> Vec<Affine> {
        self.experts.iter().flat_map(Chain::affine).collect()
    }

    fn lookups(&self) -> Vec<Lookup> {
        self.experts.iter().flat_map(Chain::lookups).collect()
    }

    fn penalties(&self) -> Vec<Box<dyn PenaltyFunction<F>>> {
        let of = |choice: &Choice| {
            let name = format!("the undecided choices of task {:?}", choice.name);
            let penalty = Undecided { name, selector: choice.selector.clone(), strength: self.entropy };
            Box::new(penalty) as Box<dyn PenaltyFunction<F>>
        };
        self.choices.iter().map(of).collect()
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.experts.iter().for_each(|expert| expert.branches(pass, values, record));
    }
}
