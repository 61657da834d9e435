//! A two-task network in plain loops and products, with a correct backward and many wrong ones.
//!
//! ```text
//! z₀ = x W₀ + b₀   a₀ = φ(z₀)   z₁ = a₀ W₁ + b₁   a₁ = φ(z₁)   o = a₁ W₂ + b₂
//! L  = price: ½ mean (o₀ − y)²  +  churn: ½ mean cross-entropy of softmax(o₁, o₂, ..)  +  decay: ½ λ |θ|²
//! ```
#![allow(dead_code)]

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use polytask::gradcheck::Probe;
use polytask::{Block, Layout, Scalar};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

pub const SMALL: [usize; 4] = [8, 16, 16, 3];
pub const LARGE: [usize; 4] = [256, 1024, 704, 10];
pub const DECAY: f64 = 1e-2;
pub const CHURN: f64 = 0.5;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    Relu,
    Tanh,
}

/// What is wrong with the backward.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bug {
    /// The gradient of a block, by number, is multiplied.
    Scaled(usize, f64),
    /// The weight gradient of a layer is a sum over the batch where the loss is a mean.
    BatchSum(usize),
    /// The bias gradient of a layer is divided by the batch twice.
    BatchMean(usize),
    /// The churn task's delta reaches the trunk this many times.
    ChurnInTrunk(f64),
    /// The weight gradient of a layer is `deltaᵀ · input`, stored as if it were `inputᵀ · delta`.
    Transposed(usize),
    /// So much more decay in a block than in the loss.
    Decay(usize, f64),
    /// The first layer's activation derivative looks at the second layer.
    MaskOfNextLayer,
    /// The first layer's activation derivative is left out.
    MaskMissing,
    /// The bias of a layer gets the delta of the last example only.
    BiasOfLastRow(usize),
    /// A layer's weight gradient uses the values before the activation.
    InputBeforeActivation,
    /// The cross-entropy's delta is softmax, without the label subtracted.
    LabelForgotten,
    /// The delta is handed to the first layer through a weight with two of its rows exchanged.
    RowsExchanged,
    /// One entry is multiplied.
    Entry(usize, f64),
    /// One entry is off by so much of the norm of its block.
    EntryOff(usize, f64),
    /// One row of a block is 0.
    RowZero(usize, usize),
    /// One column of a block is 0.
    ColumnZero(usize, usize),
    /// Two entries are exchanged.
    Swapped(usize, usize),
    /// Noise that sums to zero, of so much of the norm of the block.
    ZeroSumNoise(usize, f64),
    /// A block is not written.
    NotWritten(usize),
    /// A block is added to what was there.
    Accumulated(usize),
    /// An entry is NaN.
    NotFinite(usize),
}

pub struct Net {
    pub widths: [usize; 4],
    pub activation: Activation,
    pub decay: f64,
    pub layout: Layout,
    pub blocks: Vec<Block>,
}

pub struct Batch<F> {
    pub x: Array2<F>,
    pub price: Array1<F>,
    pub churn: Vec<usize>,
}

impl Net {
    pub fn new(widths: [usize; 4], activation: Activation) -> Self {
        let mut layout = Layout::new();
        let mut blocks = Vec::new();
        for (i, name) in ["trunk.0", "trunk.1", "head"].into_iter().enumerate() {
            blocks.push(layout.push(format!("{name}.weight"), widths[i], widths[i + 1]));
            blocks.push(layout.push(format!("{name}.bias"), 1, widths[i + 1]));
        }
        Self { widths, activation, decay: DECAY, layout, blocks }
    }

    /// θ and a batch, drawn from `seed`.
    pub fn draw(&self, seed: u64, batch: usize) -> (Vec<f64>, Batch<f64>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = |_| rng.sample::<f64, _>(StandardNormal);
        let mut theta: Vec<f64> = (0..self.layout.len()).map(&mut normal).collect();
        for (i, block) in self.blocks.iter().enumerate() {
            let spread = if i % 2 == 1 { 0.1 } else { (2.0 / block.shape().0 as f64).sqrt() };
            theta[block.range()].iter_mut().for_each(|x| *x *= spread);
        }
        let x = Array2::from_shape_simple_fn((batch, self.widths[0]), || normal(0));
        let price = Array1::from_shape_simple_fn(batch, || normal(0));
        let churn = (0..batch).map(|_| rng.random_range(0..self.widths[3] - 1)).collect();
        (theta, Batch { x, price, churn })
    }

    fn activate<F: Scalar>(&self, z: &Array2<F>) -> Array2<F> {
        z.mapv(|z| match self.activation {
            Activation::Relu => z.max(F::ZERO),
            Activation::Tanh => z.tanh(),
        })
    }

    /// φ′ from the values after the activation.
    fn slope<F: Scalar>(&self, a: F) -> F {
        match self.activation {
            Activation::Relu if a > F::ZERO => F::ONE,
            Activation::Relu => F::ZERO,
            Activation::Tanh => F::ONE - a * a,
        }
    }

    pub fn probe<F: Scalar>(
        &self,
        theta: &[F],
        batch: &Batch<F>,
        bug: Option<Bug>,
        probe: &mut Probe<'_, F>,
    ) -> F {
        let n = F::from_f64(batch.x.nrows() as f64);
        let affine = |input: &Array2<F>, layer: usize| {
            input.dot(&self.blocks[2 * layer].of(theta)) + self.blocks[2 * layer + 1].of(theta)
        };
        let z0 = affine(&batch.x, 0);
        let a0 = self.activate(&z0);
        let z1 = affine(&a0, 1);
        let a1 = self.activate(&z1);
        let out = affine(&a1, 2);
        if self.activation == Activation::Relu {
            z0.iter().chain(&z1).for_each(|&z| probe.kink(z));
        }

        let half = F::from_f64(0.5);
        let mut price_delta = Array2::zeros(out.raw_dim());
        let mut churn_delta = Array2::zeros(out.raw_dim());
        let mut loss = F::ZERO;
        for (i, row) in out.outer_iter().enumerate() {
            let residual = row[0] - batch.price[i];
            loss += half * residual * residual / n;
            price_delta[[i, 0]] = residual / n;

            let largest = row.slice(s![1..]).fold(row[1], |m, &o| m.max(o));
            let total: F = row.slice(s![1..]).iter().map(|&o| (o - largest).exp()).sum();
            let weight = F::from_f64(CHURN) / n;
            loss += weight * (total.ln() + largest - row[1 + batch.churn[i]]);
            for (class, &o) in row.iter().skip(1).enumerate() {
                let label = if class == batch.churn[i] && bug != Some(Bug::LabelForgotten) {
                    F::ONE
                } else {
                    F::ZERO
                };
                churn_delta[[i, 1 + class]] = weight * ((o - largest).exp() / total - label);
            }
        }
        let decay = F::from_f64(self.decay);
        loss +=
            half * decay * theta.chunks(512).map(|part| part.iter().map(|&x| x * x).sum::<F>()).sum::<F>();

        let caches = [(&batch.x, &batch.x), (&z0, &a0), (&z1, &a1)];
        if let Some(gradient) = probe.gradient() {
            self.backward(theta, &price_delta, &churn_delta, caches, bug, gradient);
            self.patch(theta, bug, gradient);
        }
        if let Some(part) = probe.task_gradient("price") {
            self.backward(theta, &price_delta, &Array2::zeros(out.raw_dim()), caches, None, part);
            part.iter_mut().zip(theta).for_each(|(d, &x)| *d += -decay * x);
        }
        if let Some(part) = probe.task_gradient("churn") {
            self.backward(theta, &Array2::zeros(out.raw_dim()), &churn_delta, caches, None, part);
            part.iter_mut().zip(theta).for_each(|(d, &x)| *d += -decay * x);
        }
        loss
    }

    /// Backpropagation. `caches` holds each layer's input, before and after its activation.
    fn backward<F: Scalar>(
        &self,
        theta: &[F],
        price: &Array2<F>,
        churn: &Array2<F>,
        caches: [(&Array2<F>, &Array2<F>); 3],
        bug: Option<Bug>,
        gradient: &mut [F],
    ) {
        let n = F::from_f64(price.nrows() as f64);
        let mut delta = price + churn;
        for layer in (0..3).rev() {
            let (before, input) = caches[layer];
            let (weight, bias) = (self.blocks[2 * layer], self.blocks[2 * layer + 1]);
            let input = if bug == Some(Bug::InputBeforeActivation) && layer == 1 { before } else { input };
            let mut product = input.t().dot(&delta);
            if bug == Some(Bug::BatchSum(layer)) {
                product.mapv_inplace(|d| d * n);
            }
            if bug == Some(Bug::Transposed(layer)) {
                let flat: Vec<F> = product.t().iter().copied().collect();
                product = Array2::from_shape_vec(weight.shape(), flat).unwrap();
            }
            let mut sums = delta.sum_axis(Axis(0));
            if bug == Some(Bug::BatchMean(layer)) {
                sums.mapv_inplace(|d| d / n);
            }
            if bug == Some(Bug::BiasOfLastRow(layer)) {
                sums = delta.row(delta.nrows() - 1).to_owned();
            }
            self.write(theta, 2 * layer, product.view(), bug, gradient);
            self.write(theta, 2 * layer + 1, sums.view().insert_axis(Axis(0)), bug, gradient);
            debug_assert_eq!(bias.len(), sums.len());
            if layer == 0 {
                return;
            }
            if let (2, Some(Bug::ChurnInTrunk(times))) = (layer, bug) {
                delta = price + churn.mapv(|d| d * F::from_f64(times));
            }
            let mut through = weight.of(theta).to_owned();
            if bug == Some(Bug::RowsExchanged) && layer == 1 {
                for column in 0..through.ncols() {
                    through.swap([0, column], [1, column]);
                }
            }
            delta = delta.dot(&through.t());
            let a = caches[layer].1;
            let wrong = if layer == 1 { bug } else { None };
            for ((row, unit), d) in delta.indexed_iter_mut() {
                *d *= match wrong {
                    Some(Bug::MaskMissing) => F::ONE,
                    Some(Bug::MaskOfNextLayer) => self.slope(caches[2].1[[row, unit % caches[2].1.ncols()]]),
                    _ => self.slope(a[[row, unit]]),
                };
            }
        }
    }

    /// Writes the gradient of one block, decay included.
    fn write<F: Scalar>(
        &self,
        theta: &[F],
        block: usize,
        values: ArrayView2<'_, F>,
        bug: Option<Bug>,
        gradient: &mut [F],
    ) {
        if bug == Some(Bug::NotWritten(block)) {
            return;
        }
        let range = self.blocks[block].range();
        for ((d, &value), &x) in gradient[range.clone()].iter_mut().zip(values).zip(&theta[range]) {
            let value = value + F::from_f64(self.decay) * x;
            *d = if bug == Some(Bug::Accumulated(block)) { *d + value } else { value };
        }
    }

    /// The bugs that change a finished gradient.
    pub fn patch<F: Scalar>(&self, theta: &[F], bug: Option<Bug>, gradient: &mut [F]) {
        let norm = |block: usize, gradient: &[F]| {
            gradient[self.blocks[block].range()].iter().map(|g| g.to_f64().powi(2)).sum::<f64>().sqrt()
        };
        let owner = |index: usize| self.blocks.iter().position(|b| b.range().contains(&index)).unwrap();
        match bug {
            Some(Bug::Scaled(block, factor)) => {
                gradient[self.blocks[block].range()].iter_mut().for_each(|g| *g *= F::from_f64(factor));
            }
            Some(Bug::Decay(block, extra)) => {
                let range = self.blocks[block].range();
                for (g, &x) in gradient[range.clone()].iter_mut().zip(&theta[range]) {
                    *g += F::from_f64(extra) * x;
                }
            }
            Some(Bug::Entry(index, factor)) => gradient[index] *= F::from_f64(factor),
            Some(Bug::EntryOff(index, part)) => {
                let off = part * norm(owner(index), gradient);
                gradient[index] += F::from_f64(off);
            }
            Some(Bug::RowZero(block, row)) => self.blocks[block].of_mut(gradient).row_mut(row).fill(F::ZERO),
            Some(Bug::ColumnZero(block, column)) => {
                self.blocks[block].of_mut(gradient).column_mut(column).fill(F::ZERO);
            }
            Some(Bug::Swapped(i, j)) => gradient.swap(i, j),
            Some(Bug::ZeroSumNoise(block, part)) => {
                let size = part * norm(block, gradient);
                let mut rng = ChaCha8Rng::seed_from_u64(7);
                let range = self.blocks[block].range();
                let mut noise: Vec<f64> = range.clone().map(|_| rng.sample(StandardNormal)).collect();
                let mean = noise.iter().sum::<f64>() / noise.len() as f64;
                noise.iter_mut().for_each(|e| *e -= mean);
                let length = noise.iter().map(|e| e * e).sum::<f64>().sqrt();
                for (g, e) in gradient[range].iter_mut().zip(noise) {
                    *g += F::from_f64(e * size / length);
                }
            }
            Some(Bug::NotFinite(index)) => gradient[index] = F::NAN,
            _ => {}
        }
    }
}
