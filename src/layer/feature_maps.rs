//! A linear map for each feature, from its encoding: what embeddings of numbers end in.
//!
//! Y. Gorishniy, I. Rubachev and A. Babenko, "On embeddings for numerical features in tabular deep learning", NeurIPS
//! 2022. Feature j is a number xⱼ with an encoding eⱼ of t numbers, and becomes d numbers:
//!
//! ```text
//! forward     yⱼ = xⱼ lⱼ + eⱼ Wⱼ + bⱼ          eⱼ: batch × t, Wⱼ: t × d, lⱼ and bⱼ: 1 × d, y = [y₁ | y₂ | …]
//! backward    deⱼ = dyⱼ Wⱼᵀ                    (propagate)
//!             dxⱼ = dyⱼ lⱼᵀ + deⱼ · ∂eⱼ/∂xⱼ    (propagate; the encoding knows the second term)
//!             dWⱼ = eⱼᵀ dyⱼ    dlⱼ = xⱼᵀ dyⱼ    dbⱼ = 1ᵀ dyⱼ    (gradient)
//! ```
//! The term xⱼ lⱼ, the linear skip, lets through what the encoding flattens: a number beyond the last bin, the trend
//! beneath a wave.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2, s};

use super::{BuildContext, Pass, Special};
use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::kernel::{self, Accumulate, SimdLoop};
use crate::{Block, Error, ErrorKind, Init, Result, Scalar};

/// Where the maps and what they read are.
#[derive(Debug)]
pub(super) struct FeatureMaps {
    /// W₁, W₂ … one below the other.
    weight: Block,
    /// lⱼ in row j.
    linear: Block,
    /// bⱼ in row j.
    bias: Block,
    pub(super) input: ActivationBlock,
    /// e₁, e₂ … side by side.
    pub(super) encoded: ActivationBlock,
    pub(super) output: ActivationBlock,
}

/// The most numbers of W in a piece, up to rounding.
const PIECE: usize = 1 << 13;

impl FeatureMaps {
    /// Maps of `t` encoding numbers to `width` for each feature, the first values of W drawn by `init`.
    pub(super) fn build(t: usize, width: usize, init: Init, context: &mut BuildContext<'_>) -> Result<Self> {
        if width == 0 {
            let place = format!("width of {}", context.name());
            return Err(Error::new(ErrorKind::Setting, place, "at least 1", 0));
        }
        let (input, n) = (context.input(), context.input().width());
        let uniform = Init::Uniform((width as f64).sqrt().recip());
        let weight = context.parameter("weight", n.saturating_mul(t), width, init);
        context.is_special(weight, Special::Matrices(n));
        Ok(Self {
            weight,
            linear: context.parameter("linear", n, width, uniform),
            bias: context.parameter("bias", n, width, uniform),
            input,
            encoded: context.activations(n.saturating_mul(t)),
            output: context.activations(n.saturating_mul(width)),
        })
    }

    /// d.
    fn width(&self) -> usize {
        self.linear.shape().1
    }

    /// t.
    fn encoding(&self) -> usize {
        self.encoded.width() / self.input.width()
    }

    /// The columns of feature j in the encoding and in the output.
    fn columns(&self, j: usize) -> (Range<usize>, Range<usize>) {
        let (t, d) = (self.encoding(), self.width());
        (j * t..(j + 1) * t, j * d..(j + 1) * d)
    }

    /// y, once the encoding is written.
    pub(super) fn forward<F: Scalar>(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let (weight, bias) = (self.weight.of(pass.theta), &pass.theta[self.bias.range()]);
        let read = [(self.encoded, 0..1), (self.input, 0..1)];
        let ([e, x], [mut y]) = values.split(read, [(self.output, 0..1)]);
        for j in 0..self.input.width() {
            let (of_e, of_y) = self.columns(j);
            let (e, w) = (e.slice(s![.., of_e.clone()]), weight.slice(s![of_e, ..]));
            let start = Accumulate::Bias(&bias[of_y.clone()]);
            kernel::product(e, w, start, y.slice_mut(s![.., of_y]));
        }
        kernel::dispatch(Skip { x, linear: &pass.theta[self.linear.range()], y });
    }

    /// The same in a graph, from e with a matrix `features × t` in each row.
    #[cfg(feature = "onnx")]
    pub(super) fn export(&self, graph: &mut crate::onnx::Graph, e: &crate::onnx::Value) {
        let (n, t, d) = (self.input.width(), self.encoding(), self.width());
        let numbers = graph.theta()[self.weight.range()].to_vec();
        let weights = graph.constant(&[n, t, d], &numbers);
        let (linear, bias) = (graph.parameter(self.linear), graph.parameter(self.bias));
        let e = graph.reshape_rows(e, &[n, 1, t]);
        let products = graph.node("MatMul", &[&e, &weights]);
        let products = graph.reshape_rows(&products, &[n, d]);
        let x = graph.value(self.input);
        let x = graph.reshape_rows(&x, &[n, 1]);
        let skip = graph.node("Mul", &[&x, &linear]);
        let sum = graph.node("Add", &[&products, &skip]);
        let y = graph.node("Add", &[&sum, &bias]);
        let y = graph.reshape_rows(&y, &[n * d]);
        graph.set(self.output, y);
    }

    /// de.
    pub(super) fn propagate<F: Scalar>(&self, pass: &Pass<'_, F>, deltas: &mut Arena<F>, lanes: usize) {
        let weight = self.weight.of(pass.theta);
        let (dy, mut de) = deltas.pair((self.output, 0..lanes), (self.encoded, 0..lanes));
        for j in 0..self.input.width() {
            let (of_e, of_y) = self.columns(j);
            let (dy, w) = (dy.slice(s![.., of_y]), weight.slice(s![of_e.clone(), ..]));
            kernel::product(dy, w.reversed_axes(), Accumulate::Write, de.slice_mut(s![.., of_e]));
        }
    }

    /// dx of a lane, to lane `into` of the input. `slope` is given a row, a feature and what de holds for them, and gives
    /// deⱼ · ∂eⱼ/∂xⱼ.
    pub(super) fn input_delta<F: Scalar>(
        &self,
        pass: &Pass<'_, F>,
        deltas: &mut Arena<F>,
        (lane, into, adds): (usize, usize, bool),
        slope: impl Fn(usize, usize, &[F]) -> F,
    ) {
        let (t, d, linear) = (self.encoding(), self.width(), &pass.theta[self.linear.range()]);
        let read = [(self.output, lane..lane + 1), (self.encoded, lane..lane + 1)];
        let ([dy, de], [mut dx]) = deltas.split(read, [(self.input, into..into + 1)]);
        for (row, ((dy, de), mut dx)) in dy.rows().into_iter().zip(de.rows()).zip(dx.rows_mut()).enumerate() {
            let (dy, de) = (dy.to_slice().expect("row-major"), de.to_slice().expect("row-major"));
            for (j, dx) in dx.iter_mut().enumerate() {
                let (of_y, of_e) = (j * d..(j + 1) * d, j * t..(j + 1) * t);
                let through = slope(row, j, &de[of_e]) + kernel::dot(&dy[of_y.clone()], &linear[of_y]);
                *dx = if adds { *dx + through } else { through };
            }
        }
    }

    /// Those of W, some features each, and one of l and b.
    pub(super) fn pieces(&self) -> Vec<Range<usize>> {
        let (start, of_feature) = (self.weight.range().start, self.encoding() * self.width());
        let (n, at_once) = (self.input.width(), (PIECE / of_feature.max(1)).max(1));
        let of_weight = (0..n).step_by(at_once).map(|first| {
            let end = n.min(first + at_once);
            start + first * of_feature..start + end * of_feature
        });
        let of_skip = std::iter::once(self.linear.range().start..self.bias.range().end);
        of_weight.chain(of_skip).collect()
    }

    pub(super) fn gradient<F: Scalar>(
        &self,
        chunks: &[Chunk<F>],
        lane: usize,
        piece: Range<usize>,
        gradient: &mut [F],
    ) {
        let (t, d) = (self.encoding(), self.width());
        if piece.start == self.linear.range().start {
            let (dl, db) = gradient.split_at_mut(self.linear.range().len());
            let mut start = Accumulate::Write;
            dl.fill(F::ZERO);
            for chunk in chunks {
                let dy = chunk.deltas.lanes_of(self.output, lane..lane + 1);
                kernel::dispatch(OfSkip { x: chunk.values.get(self.input), dy, sums: dl });
                kernel::column_sums(dy, start, db);
                start = Accumulate::Add;
            }
            return;
        }
        let first = (piece.start - self.weight.range().start) / (t * d);
        for (j, dw) in (first..).zip(gradient.chunks_exact_mut(t * d)) {
            let (of_e, of_y) = self.columns(j);
            let mut start = Accumulate::Write;
            for chunk in chunks {
                let (e, dy) =
                    (chunk.values.get(self.encoded), chunk.deltas.lanes_of(self.output, lane..lane + 1));
                let (e, dy) = (e.slice(s![.., of_e.clone()]), dy.slice(s![.., of_y.clone()]));
                kernel::product(e.reversed_axes(), dy, start, kernel::matrix_mut(dw, t, d, d));
                start = Accumulate::Add;
            }
        }
    }
}

/// yⱼ ← yⱼ + xⱼ lⱼ.
struct Skip<'a, F> {
    x: ArrayView2<'a, F>,
    linear: &'a [F],
    y: ArrayViewMut2<'a, F>,
}

impl<F: Scalar> SimdLoop for Skip<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(mut self) {
        let d = self.linear.len() / self.x.ncols();
        for (x, y) in self.x.rows().into_iter().zip(self.y.rows_mut()) {
            let (x, y) = (x.to_slice().expect("row-major"), y.into_slice().expect("row-major"));
            for ((y, &x), linear) in y.chunks_exact_mut(d).zip(x).zip(self.linear.chunks_exact(d)) {
                y.iter_mut().zip(linear).for_each(|(y, &l)| *y += x * l);
            }
        }
    }
}

/// dlⱼ ← dlⱼ + xⱼᵀ dyⱼ.
struct OfSkip<'a, F> {
    x: ArrayView2<'a, F>,
    dy: ArrayView2<'a, F>,
    sums: &'a mut [F],
}

impl<F: Scalar> SimdLoop for OfSkip<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let d = self.sums.len() / self.x.ncols();
        for (x, dy) in self.x.rows().into_iter().zip(self.dy.rows()) {
            let (x, dy) = (x.to_slice().expect("row-major"), dy.to_slice().expect("row-major"));
            for ((sums, &x), dy) in self.sums.chunks_exact_mut(d).zip(x).zip(dy.chunks_exact(d)) {
                sums.iter_mut().zip(dy).for_each(|(sum, &dy)| *sum += x * dy);
            }
        }
    }
}
