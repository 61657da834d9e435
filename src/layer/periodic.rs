//! Periodic embeddings of numbers: each feature becomes waves of learnt frequencies, and then a vector.
//!
//! Y. Gorishniy, I. Rubachev and A. Babenko, "On embeddings for numerical features in tabular deep learning", NeurIPS
//! 2022, section 3.3; the first frequencies are normal with deviation 0.1 as in D. Holzmüller, L. Grinsztajn and
//! I. Steinwart, "Better by default", NeurIPS 2024. Feature xⱼ with k frequencies cⱼ:
//!
//! ```text
//! forward     v = 2π cⱼ xⱼ        eⱼ = [sin v | cos v]          batch × 2k
//!             yⱼ = xⱼ lⱼ + eⱼ Wⱼ + bⱼ                           see feature_maps.rs
//!
//! backward    dv = cos v ∘ de_sin − sin v ∘ de_cos              de = [de_sin | de_cos] from feature_maps.rs
//!             dc = Σ over rows of 2π xⱼ dv                      (gradient)
//!             dx = … + 2π Σₜ cₜ dvₜ                             (propagate)
//! ```
//! Why: sin′ = cos and cos′ = −sin, and v is a product, in which c acts with factor 2π x and x with factor 2π c.

use std::f64::consts::TAU;
use std::ops::Range;

use super::feature_maps::FeatureMaps;
use super::{BuildContext, BuildLayer, BuiltLayer, Pass, Propagation};
use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::kernel::Accumulate;
use crate::{Block, Error, ErrorKind, Init, Result, Scalar};

/// Settings of a periodic embedding of numbers: `yⱼ = xⱼ lⱼ + [sin 2πcⱼxⱼ | cos 2πcⱼxⱼ] Wⱼ + bⱼ` for each feature xⱼ, a
/// vector of `width` numbers; y is all of them side by side, `batch × features·width`.
///
/// The parameters are `frequency` (c, features × k, first normal with a small deviation), `weight` (W₁, W₂ … one below the
/// other, features·2k × width), `linear` (l, the skip) and `bias` (b, features × width each). Standardise the features: a
/// frequency of 0.1 is a wave of ten deviations. Gorishniy et al., 2022.
///
/// ```
/// use polytask::layer::Periodic;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(7, 0.05, 1);
/// let layers = [Periodic::new(6, 4).deviation(0.3).into(), Layer::dense(16, Activation::Relu)];
/// let builder = Model::builder(10).trunk(layers).task(Task::regression("elbow")).standardize();
/// let mut model = builder.build::<f64>()?;
/// model.fit_scaling(&data)?;
/// let shape = |name| model.network().layout().block(name).expect("of the first layer").shape();
/// assert_eq!((shape("trunk.0.frequency"), shape("trunk.0.weight")), ((10, 6), (10 * 12, 4)));
/// assert_eq!(shape("trunk.1.weight"), (10 * 4, 16));
/// let checks = model.check_gradients(&data.all())?;
/// assert!(checks.passed(), "{checks}");
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct Periodic {
    frequencies: usize,
    width: usize,
    deviation: f64,
}

impl Periodic {
    /// An embedding of each feature in `width` numbers, by `frequencies` sines and as many cosines; at least 1 of each.
    pub fn new(frequencies: usize, width: usize) -> Self {
        Self { frequencies, width, deviation: 0.1 }
    }

    /// The standard deviation of the first frequencies, positive. It says how fast the network may change with a feature,
    /// and matters most of all the settings. (Default: 0.1.)
    #[must_use]
    pub fn deviation(self, deviation: f64) -> Self {
        Self { deviation, ..self }
    }
}

impl From<Periodic> for super::Layer {
    fn from(periodic: Periodic) -> Self {
        Self::Periodic(periodic)
    }
}

impl<F: Scalar> BuildLayer<F> for Periodic {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        let fault = |what: &str, expected: &str, found: String| {
            let place = format!("{what} of {}", context.name());
            Err(Error::new(ErrorKind::Setting, place, expected, found))
        };
        if self.frequencies == 0 {
            return fault("frequencies", "at least 1", "0".to_owned());
        }
        if !(self.deviation > 0.0 && self.deviation.is_finite()) {
            return fault("deviation", "positive and finite", self.deviation.to_string());
        }
        let (n, k) = (context.input().width(), self.frequencies);
        let frequency = context.parameter("frequency", n, k, Init::Normal(self.deviation));
        let t = k.saturating_mul(2);
        let init = Init::Uniform((t as f64).sqrt().recip());
        Ok(Box::new(BuiltPeriodic { frequency, maps: FeatureMaps::build(t, self.width, init, context)? }))
    }
}

#[derive(Debug)]
struct BuiltPeriodic {
    frequency: Block,
    maps: FeatureMaps,
}

/// dvₜ, from `e` and `de` of a feature.
fn delta_of_wave<F: Scalar>(e: &[F], de: &[F], t: usize) -> F {
    let k = e.len() / 2;
    e[k + t] * de[t] - e[t] * de[k + t]
}

impl<F: Scalar> BuiltLayer<F> for BuiltPeriodic {
    fn output(&self) -> ActivationBlock {
        self.maps.output
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let (c, k, tau) = (&pass.theta[self.frequency.range()], self.frequency.shape().1, F::from_f64(TAU));
        let (x, mut e) = values.pair((self.maps.input, 0..1), (self.maps.encoded, 0..1));
        for (x, e) in x.rows().into_iter().zip(e.rows_mut()) {
            let e = e.into_slice().expect("row-major");
            for ((&x, c), e) in x.iter().zip(c.chunks_exact(k)).zip(e.chunks_exact_mut(2 * k)) {
                let (sines, cosines) = e.split_at_mut(k);
                for ((&c, sin), cos) in c.iter().zip(sines).zip(cosines) {
                    let v = tau * c * x;
                    (*sin, *cos) = (v.sin(), v.cos());
                }
            }
        }
        self.maps.forward(pass, values);
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        let (x, frequency, tau) =
            (graph.value(self.maps.input), graph.parameter(self.frequency), graph.number(TAU));
        let rates = graph.node("Mul", &[&frequency, &tau]);
        let x = graph.reshape_rows(&x, &[self.maps.input.width(), 1]);
        let v = graph.node("Mul", &[&x, &rates]);
        let waves = [graph.node("Sin", &[&v]), graph.node("Cos", &[&v])];
        let e = graph.side_by_side(&waves);
        self.maps.export(graph, &e);
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        self.maps.propagate(pass, deltas, to.lanes); // `gradient` reads de as well
        let Some((lanes, start)) = to.target::<F>() else { return };
        let (c, k, tau) = (&pass.theta[self.frequency.range()], self.frequency.shape().1, F::from_f64(TAU));
        let (e, adds) = (values.get(self.maps.encoded), matches!(start, Accumulate::Add));
        for lane in 0..to.lanes {
            self.maps.input_delta(pass, deltas, (lane, lanes.start + lane, adds), |row, j, de| {
                let e = e.row(row).to_slice().map(|e| &e[2 * k * j..2 * k * (j + 1)]).expect("row-major");
                let terms = c[k * j..k * (j + 1)].iter().enumerate();
                tau * terms.map(|(t, &c)| c * delta_of_wave(e, de, t)).sum::<F>()
            });
        }
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        std::iter::once(self.frequency.range()).chain(self.maps.pieces()).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]) {
        if piece != self.frequency.range() {
            return self.maps.gradient(chunks, lane, piece, gradient);
        }
        let (k, tau) = (self.frequency.shape().1, F::from_f64(TAU));
        gradient.fill(F::ZERO);
        for chunk in chunks {
            let (x, e) = (chunk.values.get(self.maps.input), chunk.values.get(self.maps.encoded));
            let de = chunk.deltas.lanes_of(self.maps.encoded, lane..lane + 1);
            for ((x, e), de) in x.rows().into_iter().zip(e.rows()).zip(de.rows()) {
                let (e, de) = (e.to_slice().expect("row-major"), de.to_slice().expect("row-major"));
                let features = e.chunks_exact(2 * k).zip(de.chunks_exact(2 * k)).zip(x);
                for (dc, ((e, de), &x)) in gradient.chunks_exact_mut(k).zip(features) {
                    dc.iter_mut().enumerate().for_each(|(t, dc)| *dc += tau * x * delta_of_wave(e, de, t));
                }
            }
        }
    }
}
