//! A mixture of experts with a gate for each task (MMoE), or one gate for all (OMoE).
//!
//! J. Ma et al., "Modeling task relationships in multi-task learning with multi-gate mixture-of-experts", KDD 2018; with one
//! gate, R. A. Jacobs, M. I. Jordan, S. J. Nowlan and G. E. Hinton, "Adaptive mixtures of local experts", 1991.
//!
//! ```text
//! forward     fₑ = expertₑ(x)                   E experts, chains of layers of one shape
//!             aₖ = gateₖ(x)                     batch × E, from the last, linear layer of the gate
//!             hₖ = Σₑ softmax(aₖ)ₑ fₑ           what the head of task k reads
//!
//! backward    gate k   from dhₖ: daₖ, and pₖₑ dhₖ for expert e        see gate.rs
//!             expert   dfₑ = Σₖ pₖₑ dhₖ                               deltas of several readers add up
//!             dx       the sum of what experts and gates send back
//! ```
//! All tasks share the experts; a gate belongs to its task, and is left out where gradients of tasks are compared, as in
//! LibMTL. A single gate is shared too. The paper's gates have no bias and no hidden layer; these have a bias, which
//! starts at 0, and hidden layers if asked for.

use super::gate::{self, SoftmaxGate};
use super::mixture::Mixture;
use super::{BuiltSharing, Piece, Representation};
use crate::arena::{Arena, Chunk};
use crate::layer::{Activation, Affine, BuildContext, Chain, Layer, Lookup, Pass, Propagation};
use crate::{Error, ErrorKind, Result, Scalar};

/// Settings of a mixture of experts: every task reads a mean of the experts' outputs, weighted row by row by a softmax gate.
///
/// ```text
/// hₖ = Σₑ pₖₑ fₑ(x),  pₖ = softmax(gateₖ(x))
/// dfₑ = Σₖ pₖₑ dhₖ,   daₖₑ = pₖₑ (⟨dhₖ, fₑ⟩ − Σ_c pₖ_c ⟨dhₖ, f_c⟩)
/// ```
/// The experts are shared by all tasks (`expert.0.0.weight`, …); each gate belongs to its task
/// (`gate.price.0.weight`), unless there is one for all (`gate.0.weight`). Ma et al., 2018.
///
/// ```
/// use polytask::prelude::*;
/// use polytask::sharing::MixtureOfExperts;
///
/// let experts = MixtureOfExperts::new(4, [Layer::dense(8, Activation::Relu)]);
/// let builder = |form: MixtureOfExperts| {
///     let builder = Model::builder(10).sharing(form.into());
///     builder.task(Task::regression("shoulder")).task(Task::regression("elbow"))
/// };
/// let model = builder(experts.clone()).build::<f64>()?; // or Sharing::mmoe(4, [..])
/// let layout = model.network().layout();
/// assert_eq!(layout.n_shared(), 4 * (10 * 8 + 8));
/// assert_eq!(layout.block("gate.elbow.0.weight").map(|gate| gate.shape()), Some((10, 4)));
/// let checks = model.check_gradients(&datasets::robot_arm::<f64>(7, 0.05, 1).all())?;
/// assert!(checks.passed(), "{checks}");
///
/// let one_gate = builder(experts.one_gate()).build::<f64>()?; // or Sharing::omoe(4, [..])
/// assert_eq!(one_gate.network().layout().n_shared(), 4 * (10 * 8 + 8) + (10 * 4 + 4));
/// assert!(builder(MixtureOfExperts::new(0, [Layer::dense(8, Activation::Relu)])).build::<f64>().is_err());
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct MixtureOfExperts {
    experts: usize,
    layers: Vec<Layer>,
    gate_layers: Vec<Layer>,
    has_one_gate: bool,
}

impl MixtureOfExperts {
    /// `experts` experts, at least 2, of these layers each, at least one, and a gate for each task.
    pub fn new(experts: usize, layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        let layers = layers.into_iter().map(std::convert::Into::into).collect();
        Self { experts, layers, gate_layers: Vec::new(), has_one_gate: false }
    }

    /// Hidden layers of each gate, before the linear one that it ends in. (Default: none.)
    #[must_use]
    pub fn gate(mut self, layers: impl IntoIterator<Item = impl std::convert::Into<Layer>>) -> Self {
        self.gate_layers = layers.into_iter().map(std::convert::Into::into).collect();
        self
    }

    /// One gate for all tasks, which then all read the same mixture.
    #[must_use]
    pub fn one_gate(self) -> Self {
        Self { has_one_gate: true, ..self }
    }
}

impl From<MixtureOfExperts> for super::Sharing {
    fn from(form: MixtureOfExperts) -> Self {
        Self::MixtureOfExperts(form)
    }
}

/// The most experts of a level: a file that asks for more is refused before they are built.
const MOST_EXPERTS: usize = 4096;

/// Fails unless there are experts to mix, of at least one layer.
pub(super) fn check_experts(what: &str, n: usize, least: usize, layers: &[Layer]) -> Result<()> {
    let fault = |place: String, expected: String, found: usize, advice: &str| {
        Err(Error::new(ErrorKind::Setting, place, expected, found).advise(advice))
    };
    match n {
        _ if n < least => fault(
            what.to_owned(),
            format!("at least {least}"),
            n,
            "a gate needs experts to choose from; Sharing::shared_trunk has one trunk for all",
        ),
        _ if n > MOST_EXPERTS => {
            fault(what.to_owned(), format!("at most {MOST_EXPERTS}"), n, "make the experts wider instead")
        }
        _ if layers.is_empty() => fault(
            format!("layers of {what}"),
            "at least 1".to_owned(),
            0,
            "without any, experts do not differ",
        ),
        _ => Ok(()),
    }
}

/// The chain of a gate over `n` experts.
pub(super) fn build_gate<F: Scalar>(
    hidden: &[Layer],
    n: usize,
    context: &mut BuildContext<'_>,
) -> Result<Chain<F>> {
    let layers = [hidden, &[Layer::dense(n, Activation::Identity)]].concat();
    Chain::build(&layers, context)
}

impl MixtureOfExperts {
    pub(super) fn build<F: Scalar>(
        &self,
        tasks: &[&str],
        context: &mut BuildContext<'_>,
    ) -> Result<BuiltMixture<F>> {
        check_experts("experts", self.experts, 2, &self.layers)?;
        let expert = |e: usize, context: &mut BuildContext<'_>| {
            context.named(&format!("expert.{e}"), |context| Chain::<F>::build(&self.layers, context))
        };
        let experts = (0..self.experts).map(|e| expert(e, context)).collect::<Result<Vec<_>>>()?;
        let gate = |name: &str, context: &mut BuildContext<'_>| {
            let gate = context.named(name, |c| build_gate(&self.gate_layers, self.experts, c))?;
            let outputs: Vec<_> = experts.iter().map(Chain::output).collect();
            let mixture = Mixture {
                shares: context.activations(self.experts),
                output: context.activations(outputs[0].width()),
                experts: outputs,
            };
            let mixing = SoftmaxGate { logits: gate.output(), mixture };
            Ok((gate, mixing))
        };
        let gates = match self.has_one_gate {
            true => {
                let only = gate("gate", context)?;
                context.end_shared();
                vec![only]
            }
            false => {
                context.end_shared();
                let gates = tasks.iter().map(|task| gate(&format!("gate.{task}"), context));
                gates.collect::<Result<Vec<_>>>()?
            }
        };
        Ok(BuiltMixture { experts, gates, has_one_gate: self.has_one_gate })
    }
}

#[derive(Debug)]
pub(super) struct BuiltMixture<F> {
    experts: Vec<Chain<F>>,
    /// One for each task, or one for all.
    gates: Vec<(Chain<F>, SoftmaxGate)>,
    has_one_gate: bool,
}

impl<F: Scalar> BuiltMixture<F> {
    fn chains(&self) -> impl Iterator<Item = &Chain<F>> {
        self.experts.iter().chain(self.gates.iter().map(|(gate, _)| gate))
    }

    /// The gate's task, if it belongs to one.
    fn owner(&self, gate: usize) -> Option<usize> {
        (!self.has_one_gate).then_some(gate)
    }
}

impl<F: Scalar> BuiltSharing<F> for BuiltMixture<F> {
    fn representation(&self, task: usize) -> Representation {
        match self.has_one_gate {
            true => Representation { activations: self.gates[0].1.output(), is_shared: true },
            false => Representation { activations: self.gates[task].1.output(), is_shared: false },
        }
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        self.chains().for_each(|chain| chain.forward(pass, values));
        gate::mix(self.gates.iter().map(|(_, gate)| gate), values);
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        self.chains().try_for_each(|chain| chain.export(graph))?;
        self.gates.iter().for_each(|(_, gate)| gate.export(graph));
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let gates = self.gates.iter().map(|(_, gate)| gate);
        match self.has_one_gate {
            true => (0..to.lanes)
                .for_each(|lane| gate::unmix(gates.clone(), values, deltas, lane, |_, _| (lane, false))),
            // The experts have one sum, or a lane for each task.
            false if to.lanes == 1 => gate::unmix(gates, values, deltas, 0, |k, _| (0, k > 0)),
            false => gate::unmix(gates, values, deltas, 0, |k, _| (k, false)),
        }
        for (e, expert) in self.experts.iter().enumerate() {
            expert.propagate(pass, values, deltas, if e == 0 { to } else { to.adding() });
        }
        for (k, (gate, _)) in self.gates.iter().enumerate() {
            let to = if self.has_one_gate { to } else { to.of_task(k) };
            gate.propagate(pass, values, deltas, to.adding());
        }
    }

    fn pieces(&self) -> Vec<Piece> {
        let of =
            |chain: &Chain<F>, owner| chain.pieces().map(|range| Piece { range, owner }).collect::<Vec<_>>();
        let experts = self.experts.iter().flat_map(|expert| of(expert, None));
        let gates = self.gates.iter().enumerate().flat_map(|(k, (gate, _))| of(gate, self.owner(k)));
        experts.chain(gates).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        let lane = if piece.owner.is_some() { 0 } else { lane };
        let mut chains = self.chains();
        chains
            .find_map(|chain| chain.gradient(chunks, lane, piece.range.clone(), gradient))
            .expect("the piece is of an expert or a gate");
    }

    fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
        self.chains().for_each(|chain| chain.update_state(chunks, state));
    }

    fn affine(&self) -> Vec<Affine> {
        let gates = self.gates.iter().filter(|_| self.has_one_gate).map(|(gate, _)| gate);
        self.experts.iter().chain(gates).flat_map(Chain::affine).collect()
    }

    fn lookups(&self) -> Vec<Lookup> {
        self.chains().flat_map(Chain::lookups).collect()
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.chains().for_each(|chain| chain.branches(pass, values, record));
    }
}
