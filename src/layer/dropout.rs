//! Dropout: in training, each number of each row is zero with probability p, so that no number can rely on another.
//!
//! N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014, in the form
//! that scales in training instead of in prediction ("inverted dropout").
//!
//! ```text
//! training      m[n, j] = 0 with probability p, else 1 / (1 − p)
//!               y = m ∘ x                batch × width
//!               dx = m ∘ dy              (propagate)
//! prediction    y = x,  dx = dy
//! ```
//! Why: for a fixed mask y[n, j] = m[n, j] x[n, j] is linear in x, with the slope m[n, j]. And E m = p · 0 + (1 − p) /
//! (1 − p) = 1, so that the mean of y over the masks is x: prediction, which takes x itself, needs no factor.
//!
//! The mask is a function of (seed, step, layer, row) alone, see [`Draw`](super::Draw): number j of a row takes the
//! row's word j, of 32 bits, and is dropped where the word is below p · 2³².

use rand::Rng;

use super::{BuildContext, BuildLayer, BuiltLayer, Mode, Pass, Propagation};
use crate::arena::{ActivationBlock, Arena};
use crate::{Error, ErrorKind, Result, Scalar};

/// Settings of dropout: the probability p with which a number is zero in training.
///
/// ```
/// use polytask::layer::{Draw, Mode};
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(200, 0.05, 1);
/// let layers = [Layer::dense(64, Activation::Relu), Layer::dropout(0.5)];
/// let mut model = Model::builder(10).trunk(layers).task(Task::regression("elbow")).build::<f64>()?;
/// let mut trace = model.trace(200);
/// let mut loss = |mode, draw| {
///     model.forward_at(&model.pass(mode).with_draw(draw), &data.all(), &mut trace)?;
///     Ok::<f64, polytask::Error>(trace.losses()[0])
/// };
/// let (one, other) = (Draw::new(7, 0), Draw::new(7, 1));
/// assert_eq!(loss(Mode::Train, one)?, loss(Mode::Train, one)?); // the same mask again
/// assert_ne!(loss(Mode::Train, one)?, loss(Mode::Train, other)?);
/// assert_eq!(loss(Mode::Predict, one)?, loss(Mode::Predict, other)?); // none
/// let checks = model.check_gradients(&data.batch(&[0, 1, 2, 3, 4]))?;
/// assert!(checks.passed(), "{checks}");
/// Trainer::new(Adam::new(0.01)).steps(20).fit(&mut model, &data)?; // a draw for each step
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct Dropout {
    probability: f64,
}

impl Dropout {
    /// Drops each number with this probability, at least 0 and below 1.
    pub fn new(probability: f64) -> Self {
        Self { probability }
    }
}

impl From<Dropout> for super::Layer {
    fn from(dropout: Dropout) -> Self {
        Self::Dropout(dropout)
    }
}

impl<F: Scalar> BuildLayer<F> for Dropout {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        let p = self.probability;
        if !(0.0..1.0).contains(&p) {
            let place = format!("dropout probability of {}", context.name());
            return Err(Error::new(ErrorKind::Setting, place, "at least 0 and below 1", p));
        }
        let input = context.input();
        Ok(Box::new(BuiltDropout {
            // Below 2³² for every p below 1.
            dropped_below: (p * 2_f64.powi(32)) as u32,
            scale: 1.0 / (1.0 - p),
            stream: context.random_stream(),
            input,
            mask: context.activations(input.width()),
            output: context.activations(input.width()),
        }))
    }
}

#[derive(Debug)]
struct BuiltDropout {
    /// Which words of a row drop a number.
    dropped_below: u32,
    /// 1 / (1 − p).
    scale: f64,
    stream: u64,
    input: ActivationBlock,
    /// m; not written in prediction.
    mask: ActivationBlock,
    output: ActivationBlock,
}

impl<F: Scalar> BuiltLayer<F> for BuiltDropout {
    fn output(&self) -> ActivationBlock {
        self.output
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let (x, y) = values.padded_pair(self.input, self.output);
        y.copy_from_slice(x);
        if pass.mode == Mode::Predict {
            return;
        }
        let (first_row, scale) = (values.first_row(), F::from_f64(self.scale));
        for (i, row) in values.rows_mut(self.mask).enumerate() {
            let mut words = pass.draw.generator(self.stream, first_row + i);
            for m in row {
                *m = if words.next_u32() < self.dropped_below { F::ZERO } else { scale };
            }
        }
        let (m, y) = values.padded_pair(self.mask, self.output);
        y.iter_mut().zip(m).for_each(|(y, &m)| *y *= m);
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        let x = graph.value(self.input);
        graph.set(self.output, x);
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        if pass.mode == Mode::Train {
            let m = values.padded(self.mask, 0..1);
            for lane in 0..to.lanes {
                let dy = deltas.padded_mut(self.output, lane..lane + 1);
                dy.iter_mut().zip(m).for_each(|(dy, &m)| *dy *= m);
            }
        }
        to.entrywise(deltas, self.output, self.input, |_, _, dx| dx);
    }
}
