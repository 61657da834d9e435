//! The crate's dense layer with one thing wrong.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::ArrayView2;
use polytask::arena::{ActivationBlock, Arena, Chunk};
use polytask::kernel;
use polytask::layer::{BuildContext, BuildLayer, BuiltLayer, Dense, InputDelta, Pass, Propagation};
use polytask::{Result, Scalar};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LayerBug {
    /// The weight gradient is multiplied.
    Weight(f64),
    /// The bias gradient is multiplied.
    Bias(f64),
    /// Both are.
    Both(f64),
    /// The bias gradient is the delta of the last row.
    BiasOfLastRow,
    /// The bias gradient is the sum of dy, not of dz; for tanh.
    BiasWithoutDerivative,
    /// The weight gradient is `xᵀ dy`, not `xᵀ dz`; for tanh.
    WeightWithoutDerivative,
    /// The weight gradient is `dzᵀ x`.
    Transposed,
    /// One row of the weight gradient is 0.
    RowZero(usize),
    /// One column of the weight gradient is 0.
    ColumnZero(usize),
    /// One entry of the weight gradient is multiplied.
    Entry(usize, f64),
    /// One entry of the weight gradient is NaN.
    EntryNan(usize),
    /// The gradient is summed over the first chunk of rows alone.
    FirstChunkOnly,
    /// The gradient is added to what the buffer held.
    AddedToBuffer,
    /// The bias gradient is not written.
    BiasNotWritten,
    /// The gradient is off by something else every time.
    GradientDrifts,
    /// ∂L/∂x is left as it was.
    InputForgotten,
    /// ∂L/∂x is added to what was there, although nothing belongs there.
    InputAdded,
    /// ∂L/∂x overwrites that of another layer that reads the same input.
    InputOverwritten,
    /// ∂L/∂x of the last row of each chunk is 0.
    InputLastRowZero,
    /// ∂L/∂x is `dz W`, with W not transposed.
    InputThroughW,
    /// dz = dy.
    DerivativeForgotten,
    /// dz = dy ∘ φ′(z)².
    DerivativeTwice,
    /// dz = dy ∘ [x > 0], the mask of the layer before.
    MaskOfInput,
    /// The output is another one every time.
    OutputDrifts,
    /// The output depends on what θ was before.
    OutputRemembers,
}

/// A dense layer to be built with a bug.
#[derive(Clone, Debug)]
pub struct Spoiled(pub Dense, pub LayerBug);

#[derive(Debug)]
struct BuiltSpoiled<F> {
    dense: Box<dyn BuiltLayer<F>>,
    bug: LayerBug,
    input: ActivationBlock,
    weight: Range<usize>,
    calls: AtomicU64,
    /// Σθ of the last call, and of the last one that was at another θ.
    seen: Mutex<[f64; 2]>,
}

impl<F: Scalar> BuildLayer<F> for Spoiled {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        let input = context.input();
        let dense: Box<dyn BuiltLayer<F>> = self.0.build(context)?;
        let pieces = dense.pieces();
        assert_eq!(pieces.len(), 1, "the bugs are planted in small layers");
        let start = pieces[0].start;
        let weight = start..start + input.width() * dense.output().width();
        Ok(Box::new(BuiltSpoiled {
            dense,
            bug: self.1,
            input,
            weight,
            calls: AtomicU64::new(0),
            seen: Mutex::new([0.0; 2]),
        }))
    }
}

impl<F: Scalar> BuiltSpoiled<F> {
    fn w<'t>(&self, theta: &'t [F]) -> ArrayView2<'t, F> {
        let shape = (self.input.width(), self.dense.output().width());
        ArrayView2::from_shape(shape, &theta[self.weight.clone()]).expect("in × out")
    }

    /// `∂L/∂x = dz · w` of one lane, to where `to` wants it.
    fn input_delta(&self, w: ArrayView2<'_, F>, deltas: &mut Arena<F>, to: Propagation) {
        let Some((lanes, start)) = to.target() else { return };
        let (dz, dx) = deltas.pair((self.dense.output(), 0..to.lanes), (self.input, lanes));
        kernel::product(dz, w, start, dx);
    }

    fn next_call(&self) -> F {
        F::from_f64(1e-3 * self.calls.fetch_add(1, Ordering::Relaxed) as f64)
    }
}

impl<F: Scalar> BuiltLayer<F> for BuiltSpoiled<F> {
    fn output(&self) -> ActivationBlock {
        self.dense.output()
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        self.dense.forward(pass, values);
        let wrong = match self.bug {
            LayerBug::OutputDrifts => self.next_call(),
            LayerBug::OutputRemembers => {
                let now = pass.theta.iter().map(|x| x.to_f64()).sum();
                let mut seen = self.seen.lock().expect("no thread has panicked");
                if seen[0] != now {
                    *seen = [now, seen[0]];
                }
                F::from_f64(1e-3 * seen[1])
            }
            _ => return,
        };
        values.get_mut(self.output())[[0, 0]] += wrong;
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let ended = to.wanted(false);
        match self.bug {
            LayerBug::InputForgotten => self.dense.propagate(pass, values, deltas, ended),
            LayerBug::InputAdded => {
                let adds = Propagation { input: InputDelta::Add(0), ..to };
                self.dense.propagate(pass, values, deltas, adds);
            }
            LayerBug::InputOverwritten => {
                let sets = Propagation { input: InputDelta::Write(0), ..to };
                self.dense.propagate(pass, values, deltas, sets);
            }
            LayerBug::InputLastRowZero => {
                self.dense.propagate(pass, values, deltas, to);
                let last = values.rows() - 1;
                deltas.get_mut(self.input).row_mut(last).fill(F::ZERO);
            }
            LayerBug::InputThroughW => {
                self.dense.propagate(pass, values, deltas, ended);
                self.input_delta(self.w(pass.theta), deltas, to);
            }
            LayerBug::DerivativeForgotten => {
                self.input_delta(self.w(pass.theta).reversed_axes(), deltas, to);
            }
            LayerBug::DerivativeTwice => {
                self.dense.propagate(pass, values, deltas, ended);
                self.dense.propagate(pass, values, deltas, to);
            }
            LayerBug::MaskOfInput => {
                let x = values.get(self.input);
                deltas.get_mut(self.output()).zip_mut_with(&x, |dz, &x| {
                    if x <= F::ZERO {
                        *dz = F::ZERO;
                    }
                });
                self.input_delta(self.w(pass.theta).reversed_axes(), deltas, to);
            }
            _ => self.dense.propagate(pass, values, deltas, to),
        }
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        self.dense.pieces()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]) {
        let before = gradient.to_vec();
        let chunks = if self.bug == LayerBug::FirstChunkOnly { &chunks[..1] } else { chunks };
        self.dense.gradient(chunks, lane, piece, gradient);
        let (dw, db) = gradient.split_at_mut(self.weight.len());
        let n = self.output().width();
        let times = |part: &mut [F], factor: f64| part.iter_mut().for_each(|g| *g *= F::from_f64(factor));
        match self.bug {
            LayerBug::Weight(factor) => times(dw, factor),
            LayerBug::Bias(factor) => times(db, factor),
            LayerBug::Both(factor) => {
                times(dw, factor);
                times(db, factor);
            }
            LayerBug::BiasOfLastRow => {
                let last = chunks.last().expect("a batch has rows").deltas.get(self.output());
                db.iter_mut().zip(last.row(last.nrows() - 1)).for_each(|(g, &d)| *g = d);
            }
            LayerBug::BiasWithoutDerivative | LayerBug::WeightWithoutDerivative => {
                let part = if self.bug == LayerBug::BiasWithoutDerivative { db } else { dw };
                part.fill(F::ZERO);
                for chunk in chunks {
                    let (x, y) = (chunk.values.get(self.input), chunk.values.get(self.output()));
                    let dz = chunk.deltas.get(self.output());
                    for ((row, unit), &dz) in dz.indexed_iter() {
                        let dy = dz / (F::ONE - y[[row, unit]] * y[[row, unit]]);
                        match part.len() == n {
                            true => part[unit] += dy,
                            false => (0..x.ncols()).for_each(|i| part[i * n + unit] += x[[row, i]] * dy),
                        }
                    }
                }
            }
            LayerBug::Transposed => {
                let right = dw.to_vec();
                dw.iter_mut().enumerate().for_each(|(i, g)| *g = right[i % n * n + i / n]);
            }
            LayerBug::RowZero(row) => times(&mut dw[row * n..(row + 1) * n], 0.0),
            LayerBug::ColumnZero(column) => dw.iter_mut().skip(column).step_by(n).for_each(|g| *g = F::ZERO),
            LayerBug::Entry(i, factor) => times(&mut dw[i..=i], factor),
            LayerBug::EntryNan(i) => dw[i] = F::NAN,
            LayerBug::AddedToBuffer => gradient.iter_mut().zip(before).for_each(|(g, b)| *g += b),
            LayerBug::BiasNotWritten => db.copy_from_slice(&before[before.len() - n..]),
            LayerBug::GradientDrifts => dw[0] += self.next_call(),
            _ => {}
        }
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.dense.branches(pass, values, record);
    }
}
