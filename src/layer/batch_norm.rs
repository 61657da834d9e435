//! Batch normalisation: each feature is brought to mean 0 and variance 1 over the batch, then scaled and shifted.
//!
//! S. Ioffe and C. Szegedy, "Batch normalization", ICML 2015.
//!
//! For a column of B numbers, with a scale g and a bias b of the feature:
//!
//! ```text
//! training    μ = Σₙ xₙ / B        v = Σₙ (xₙ − μ)² / B          v is the biased variance
//!             r = 1 / √(v + ε)     x̂ = r (x − μ)     y = g x̂ + b
//!
//!             dg = Σₙ dyₙ x̂ₙ       db = Σₙ dyₙ                    (gradient)
//!             dx = g r (dy − db / B − x̂ dg / B)                   (propagate)
//!
//! after a     running μ ← (1 − m) running μ + m μ                 PyTorch's convention: a momentum m of 0.1 takes a
//! step        running v ← (1 − m) running v + m v B / (B − 1)     tenth of the batch; the running v is unbiased
//!
//! prediction  μ and v are the running ones, so rows do not meet: dx = g r dy
//! ```
//! Why: as in [layer normalisation](super::LayerNorm), with columns for rows: x acts on every x̂ of its column through μ
//! and r, which subtracts the mean of dx̂ = g dy, and its part along x̂, from each entry. As g is the same down the
//! column, both means are those of the gradient of b and g.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2};

use super::layer_norm::check_epsilon;
use super::{BuildContext, BuildLayer, BuiltLayer, Mode, Pass, Propagation};
use crate::arena::{ActivationBlock, Arena, Chunk, ChunkNumbers};
use crate::kernel::{self, Accumulate, SimdLoop};
use crate::{Block, Error, ErrorKind, Init, Result, Scalar};

/// Settings of batch normalisation: `y = g ∘ (x − μ) / √(v + ε) + b`, with the mean μ and the biased variance v of each
/// feature over the batch; in prediction, with running ones.
///
/// The parameters are `scale` (g, first 1) and `bias` (b, first 0), `1 × features` each; the running state is `mean`
/// (first 0) and `variance` (first 1, the unbiased one). [`Trainer`](crate::Trainer) updates the state after each step;
/// predictions, evaluations and gradient checks never do. Ioffe and Szegedy, 2015; conventions as in PyTorch.
///
/// All rows of a batch count alike, whatever weights and labels they have. Because each output depends on every row of
/// the batch:
/// - a batch of one row is an error in training, and a batch size that leaves one row over is refused before training
///   begins;
/// - [accumulation](crate::Trainer::accumulate) is an error, unless statistics [per part](Self::per_part) are asked for;
/// - the rows of a batch stay in one chunk, in prediction as well: threads then share the gradients of wide layers, but
///   not the rows, and activations of a large batch leave the caches.
///
/// ```
/// use polytask::layer::{BatchNorm, Mode};
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(200, 0.05, 1);
/// let layers = [Layer::dense(16, Activation::Identity), Layer::batch_norm(), Layer::dense(8, Activation::Relu)];
/// let mut model = Model::builder(10).trunk(layers).task(Task::regression("elbow")).build::<f64>()?;
/// let checks = model.gradient_check(&data.batch(&[0, 1, 2, 3, 4])).allow_zero().run()?;
/// assert!(checks.passed(), "{checks}"); // the bias before it has no effect
/// assert_eq!((model.state()[0], model.state()[16]), (0.0, 1.0)); // a check moves nothing
///
/// Trainer::new(Adam::new(0.01)).batch_size(50).epochs(2).fit(&mut model, &data)?;
/// let variance = model.network().state_layout().block("trunk.1.variance").expect("of the layer");
/// assert!(model.state()[variance.range()].iter().all(|v| *v != 1.0));
///
/// let alone = model.forward(&data.batch(&[7]), &mut model.trace(1)).unwrap_err();
/// assert!(alone.to_string().contains("at least 2"), "{alone}");
/// assert_eq!(model.predict(data.features())?["elbow"].dim(), (200, 1)); // one row would do
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct BatchNorm {
    epsilon: f64,
    momentum: f64,
    per_part: bool,
}

impl BatchNorm {
    /// Batch normalisation with ε = 1e-5 and momentum 0.1, as in PyTorch.
    pub fn new() -> Self {
        Self { epsilon: 1e-5, momentum: 0.1, per_part: false }
    }

    /// ε, which is added to the variance; positive. (Default: 1e-5.)
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// The weight m of a new batch in the running mean and variance, `running ← (1 − m) running + m new`; above 0 and at
    /// most 1. (Default: 0.1.) Keras and TensorFlow call 1 − m momentum.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
    }

    /// With [accumulation](crate::Trainer::accumulate), takes mean and variance of each part by itself, and updates the
    /// running ones once for each part. Such a step is not the step of the whole batch. (Default: accumulation is an
    /// error.)
    #[must_use]
    pub fn per_part(self) -> Self {
        Self { per_part: true, ..self }
    }
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self::new()
    }
}

impl From<BatchNorm> for super::Layer {
    fn from(norm: BatchNorm) -> Self {
        Self::BatchNorm(norm)
    }
}

impl<F: Scalar> BuildLayer<F> for BatchNorm {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        check_epsilon::<F>(self.epsilon, context)?;
        if !(self.momentum > 0.0 && self.momentum <= 1.0) {
            let place = format!("momentum of {}", context.name());
            return Err(Error::new(ErrorKind::Setting, place, "above 0 and at most 1", self.momentum)
                .advise(
                    "it is the weight of the new batch, as in PyTorch; Keras gives that of the old ones",
                ));
        }
        context.couple_rows();
        context.require_rows(2);
        if !self.per_part {
            context.require_whole_batches();
        }
        let (input, n) = (context.input(), context.input().width());
        Ok(Box::new(BuiltBatchNorm {
            epsilon: self.epsilon,
            momentum: self.momentum,
            scale: context.parameter("scale", 1, n, Init::Constant(1.0)),
            bias: context.parameter("bias", 1, n, Init::Zeros),
            running_mean: context.state("mean", 1, n, Init::Zeros),
            running_variance: context.non_negative_state("variance", 1, n, Init::Constant(1.0)),
            moments: context.chunk_numbers(2 * n),
            rates: context.chunk_numbers(n),
            input,
            normalized: context.activations(n),
            output: context.activations(n),
        }))
    }
}

#[derive(Debug)]
struct BuiltBatchNorm {
    epsilon: f64,
    momentum: f64,
    scale: Block,
    bias: Block,
    running_mean: Block,
    running_variance: Block,
    /// Among the values, μ and v, those of the batch or the running ones; among the deltas, dg and db of a lane.
    moments: ChunkNumbers,
    /// r.
    rates: ChunkNumbers,
    input: ActivationBlock,
    /// x̂.
    normalized: ActivationBlock,
    output: ActivationBlock,
}

impl<F: Scalar> BuiltLayer<F> for BuiltBatchNorm {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let n = self.input.width();
        let (x, mut normalized, moments) = values.pair_and_numbers(self.input, self.normalized, self.moments);
        let (mean, variance) = moments.split_at_mut(n);
        match pass.mode {
            Mode::Train => {
                let per_row = F::ONE / F::from_f64(x.nrows() as f64);
                kernel::column_sums(x, Accumulate::Write, mean);
                mean.iter_mut().for_each(|mean| *mean *= per_row);
                kernel::dispatch(Centre { x, mean, centred: normalized.view_mut() });
                kernel::column_products(normalized.view(), normalized.view(), Accumulate::Write, variance);
                variance.iter_mut().for_each(|variance| *variance *= per_row);
            }
            Mode::Predict => {
                mean.copy_from_slice(&pass.state[self.running_mean.range()]);
                variance.copy_from_slice(&pass.state[self.running_variance.range()]);
                kernel::dispatch(Centre { x, mean, centred: normalized });
            }
        }
        for j in 0..n {
            let variance = values.numbers(self.moments, 0)[n + j];
            values.numbers_mut(self.rates, 0)[j] = F::ONE / (variance + F::from_f64(self.epsilon)).sqrt();
        }
        let (_, normalized, rates) = values.pair_and_numbers(self.input, self.normalized, self.rates);
        kernel::dispatch(TimesRates { rates, normalized });
        let (normalized, y) = values.pair((self.normalized, 0..1), (self.output, 0..1));
        let (scale, bias) = (&pass.theta[self.scale.range()], &pass.theta[self.bias.range()]);
        kernel::scale_columns(normalized, scale, Accumulate::Bias(bias), y);
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        let x = graph.value(self.input);
        let (mean, variance) = (graph.state(self.running_mean), graph.state(self.running_variance));
        let centred = graph.node("Sub", &[&x, &mean]);
        let normalized = graph.over_deviation(&centred, &variance, self.epsilon);
        let (scale, bias) = (graph.parameter(self.scale), graph.parameter(self.bias));
        let y = graph.scale_and_shift(&normalized, &scale, &bias);
        graph.set(self.output, y);
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let (normalized, rates) = (values.get(self.normalized), values.numbers(self.rates, 0));
        let scale = &pass.theta[self.scale.range()];
        let per_row = match pass.mode {
            Mode::Train => F::ONE / F::from_f64(values.rows() as f64),
            Mode::Predict => F::ZERO,
        };
        for lane in 0..to.lanes {
            // What `gradient` reads, and dx as well.
            let dy = [(self.output, lane..lane + 1)];
            let ([dy], [], sums) = deltas.split_with_numbers(dy, [], (self.moments, lane));
            let (d_scale, d_bias) = sums.split_at_mut(scale.len());
            kernel::column_products(normalized, dy, Accumulate::Write, d_scale);
            kernel::column_sums(dy, Accumulate::Write, d_bias);
            let Some((lanes, start)) = to.target::<F>() else { continue };
            let adds = matches!(start, Accumulate::Add);
            let (into, dy) = (lanes.start + lane, [(self.output, lane..lane + 1)]);
            let dx = [(self.input, into..into + 1)];
            let ([dy], [dx], sums) = deltas.split_with_numbers(dy, dx, (self.moments, lane));
            kernel::dispatch(Backward { dy, normalized, rates, scale, sums, per_row, adds, dx });
        }
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        let all = self.scale.range().start..self.bias.range().end;
        vec![all]
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, _piece: Range<usize>, gradient: &mut [F]) {
        // One chunk, or none for a batch without rows.
        gradient.fill(F::ZERO);
        for chunk in chunks {
            gradient.copy_from_slice(chunk.deltas.numbers(self.moments, lane));
        }
    }

    fn update_state(&self, chunks: &[Chunk<F>], state: &mut [F]) {
        let n = self.input.width();
        for chunk in chunks {
            let rows = chunk.values.rows() as f64;
            let (mean, variance) = chunk.values.numbers(self.moments, 0).split_at(n);
            let momentum = F::from_f64(self.momentum);
            let unbiased = F::from_f64(rows / (rows - 1.0));
            for (running, &mean) in state[self.running_mean.range()].iter_mut().zip(mean) {
                *running += momentum * (mean - *running);
            }
            for (running, &variance) in state[self.running_variance.range()].iter_mut().zip(variance) {
                *running += momentum * (unbiased * variance - *running);
            }
        }
    }
}

/// x less a number for each column.
struct Centre<'a, F> {
    x: ArrayView2<'a, F>,
    mean: &'a [F],
    centred: ArrayViewMut2<'a, F>,
}

impl<F: Scalar> SimdLoop for Centre<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(mut self) {
        for (x, to) in self.x.rows().into_iter().zip(self.centred.rows_mut()) {
            let (x, to) = (x.to_slice().expect("row-major"), to.into_slice().expect("row-major"));
            for ((to, &x), &mean) in to.iter_mut().zip(x).zip(self.mean) {
                *to = x - mean;
            }
        }
    }
}

/// x̂ from x − μ.
struct TimesRates<'a, F> {
    rates: &'a [F],
    normalized: ArrayViewMut2<'a, F>,
}

impl<F: Scalar> SimdLoop for TimesRates<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(mut self) {
        for row in self.normalized.rows_mut() {
            for (x, &rate) in row.into_slice().expect("row-major").iter_mut().zip(self.rates) {
                *x *= rate;
            }
        }
    }
}

struct Backward<'a, F> {
    dy: ArrayView2<'a, F>,
    normalized: ArrayView2<'a, F>,
    rates: &'a [F],
    scale: &'a [F],
    /// dg, then db.
    sums: &'a [F],
    /// 1 / B, or 0 where mean and variance are not functions of the batch.
    per_row: F,
    adds: bool,
    dx: ArrayViewMut2<'a, F>,
}

impl<F: Scalar> SimdLoop for Backward<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(mut self) {
        let (d_scale, d_bias) = self.sums.split_at(self.scale.len());
        let rows = self.dy.rows().into_iter().zip(self.normalized.rows()).zip(self.dx.rows_mut());
        for ((dy, normalized), dx) in rows {
            let (dy, normalized) = (dy.to_slice(), normalized.to_slice());
            let entries = dx.into_slice().expect("row-major").iter_mut().zip(dy.expect("row-major"));
            let entries = entries.zip(normalized.expect("row-major"));
            let columns = self.scale.iter().zip(self.rates).zip(d_scale).zip(d_bias);
            for (((dx, &dy), &x), (((&g, &r), &dg), &db)) in entries.zip(columns) {
                let through = g * r * (dy - self.per_row * (db + x * dg));
                *dx = if self.adds { *dx + through } else { through };
            }
        }
    }
}
