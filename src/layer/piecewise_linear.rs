//! Piecewise-linear embeddings of numbers: each feature becomes a meter of bins, filled up to its value, and then a vector.
//!
//! Y. Gorishniy, I. Rubachev and A. Babenko, "On embeddings for numerical features in tabular deep learning", NeurIPS
//! 2022, equation 1; the skip and the first values of 0, with which the layer begins linear, as in Y. Gorishniy, A.
//! Kotelnikov and A. Babenko, "TabM", ICLR 2025. For a feature x with edges b₀ < b₁ < … < b_T:
//!
//! ```text
//! r   = (x − bₜ₋₁) / (bₜ − bₜ₋₁)                       of bin t = 1 … T
//! eₜ  = r, but at least 0 if t > 1, and at most 1 if t < T
//! yⱼ  = xⱼ lⱼ + eⱼ Wⱼ + bⱼ                             see feature_maps.rs
//!
//! ∂eₜ/∂x = 1 / (bₜ − bₜ₋₁) in the bin where x is, 0 in the others
//! ```
//! Why: bins below x are full (1), those above it are empty (0), and one is part full. So eⱼ Wⱼ is a line with a kink
//! at each edge, whose slopes are learnt. The first and the last bin have no end on the outside, where the line goes
//! on.

use std::ops::Range;

use super::feature_maps::FeatureMaps;
use super::{BuildContext, BuildLayer, BuiltLayer, Pass, Propagation};
use crate::arena::{ActivationBlock, Arena, Chunk};
use crate::kernel::Accumulate;
use crate::{Block, Error, ErrorKind, Init, Result, Scalar};

/// Settings of a piecewise-linear embedding of numbers: `yⱼ = xⱼ lⱼ + eⱼ Wⱼ + bⱼ` for each feature xⱼ, a vector of `width`
/// numbers; eⱼ says how far xⱼ fills each bin. y is all of them side by side, `batch × features·width`.
///
/// The bins of a feature lie between quantiles of the rows that the model is first fitted on, which are part of the
/// model (the running state `edges`, features × bins + 1): [`Model::fit_scaling`](crate::Model::fit_scaling), which
/// [`Trainer`](crate::Trainer) calls, computes them, from the features as the network sees them, with equal weights for
/// all rows. A batch before that is an error. A feature that has few values has fewer bins. Such a layer must read
/// features; one with [edges of your own](Self::with_edges) may stand anywhere.
///
/// The parameters are `weight` (W₁, W₂ … one below the other, features·bins × width, first 0), `linear` (l, the skip) and
/// `bias` (b, features × width each). Gorishniy et al., 2022.
///
/// ```
/// use polytask::layer::PiecewiseLinear;
/// use polytask::prelude::*;
///
/// // A step, which a small network of smooth units is slow to learn.
/// let x = ndarray::Array2::from_shape_fn((200, 1), |(i, _)| i as f64);
/// let y = x.mapv(|x| if x < 70.0 { 0.0 } else { 1.0 });
/// let data = Dataset::new(x, y)?.with_target_names(["level"])?;
/// let layers = [Layer::piecewise_linear(20, 4), Layer::dense(8, Activation::Tanh)];
/// let builder = Model::builder(1).trunk(layers).task(Task::regression("level")).standardize();
/// let mut model = builder.build::<f64>()?;
/// assert!(model.forward(&data.all(), &mut model.trace(200)).is_err()); // no bins yet
/// Trainer::new(Adam::new(0.01)).batch_size(50).epochs(200).fit(&mut model, &data)?;
/// let predicted = model.predict(ndarray::array![[50.0], [90.0], [1000.0]].view())?;
/// assert!(predicted["level"][[0, 0]].abs() < 0.1 && (predicted["level"][[1, 0]] - 1.0).abs() < 0.1);
///
/// let by_hand = PiecewiseLinear::with_edges([0.0, 1.0, 3.0], 2);
/// assert!(Model::builder(1).trunk([by_hand]).task(Task::regression("level")).build::<f64>().is_ok());
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub struct PiecewiseLinear {
    bins: Bins,
    width: usize,
}

/// Where the edges come from.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
enum Bins {
    /// This many bins, between quantiles.
    Quantiles(usize),
    /// The same for each feature.
    Edges(Vec<f64>),
}

/// More bins would be wider than any layer.
const MOST_BINS: usize = 1 << 16;

impl PiecewiseLinear {
    /// An embedding of each feature in `width` numbers, by at most `bins` bins between quantiles; at least 1 of each.
    pub fn new(bins: usize, width: usize) -> Self {
        Self { bins: Bins::Quantiles(bins), width }
    }

    /// An embedding with the bins between these edges, at least two numbers in ascending order, the same for each feature:
    /// in the unit that the layer reads, which is that of standardised features if the model standardises.
    pub fn with_edges(edges: impl IntoIterator<Item = f64>, width: usize) -> Self {
        Self { bins: Bins::Edges(edges.into_iter().collect()), width }
    }
}

impl From<PiecewiseLinear> for super::Layer {
    fn from(piecewise: PiecewiseLinear) -> Self {
        Self::PiecewiseLinear(piecewise)
    }
}

impl<F: Scalar> BuildLayer<F> for PiecewiseLinear {
    fn build(&self, context: &mut BuildContext<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        let name = context.name().to_owned();
        let place = |what: &str| format!("{what} of {name}");
        let (edges, n_bins) = match &self.bins {
            Bins::Quantiles(bins) => {
                if !(1..=MOST_BINS).contains(bins) {
                    let expected = format!("from 1 to {MOST_BINS}");
                    return Err(Error::new(ErrorKind::Setting, place("bins"), expected, bins));
                }
                let Some(edges) = context.quantiles_of_features(*bins) else {
                    let expected = "features, since its bins lie between their quantiles";
                    let found = "what another layer computes";
                    return Err(Error::new(ErrorKind::Setting, place("input"), expected, found)
                        .advise("put it first, or give it edges with PiecewiseLinear::with_edges"));
                };
                (Edges::Fitted(edges), *bins)
            }
            Bins::Edges(edges) => {
                let edges: Vec<F> = edges.iter().map(|&edge| F::from_f64(edge)).collect();
                let ascends = edges.windows(2).all(|pair| pair[0] < pair[1]);
                if edges.len() < 2 || !ascends || !edges.iter().all(|edge| edge.is_finite()) {
                    let expected = format!("at least two finite numbers of {}, in ascending order", F::NAME);
                    let found = format!("{:?}", &edges[..edges.len().min(8)]);
                    return Err(Error::new(ErrorKind::Setting, place("edges"), expected, found));
                }
                let n_bins = edges.len() - 1;
                (Edges::Given(edges), n_bins)
            }
        };
        let maps = FeatureMaps::build(n_bins, self.width, Init::Zeros, context)?;
        Ok(Box::new(BuiltPiecewise { edges, n_bins, maps }))
    }
}

#[derive(Debug)]
enum Edges<F> {
    /// In the running state, a row for each feature; bins of width 0, at the end, are not used.
    Fitted(Block),
    Given(Vec<F>),
}

impl<F: Scalar> Edges<F> {
    /// The edges of feature j, without those of bins that are not used: at least one bin, unless there are none yet.
    fn of<'a>(&'a self, pass: &Pass<'a, F>, j: usize) -> &'a [F] {
        match self {
            Self::Given(edges) => edges,
            Self::Fitted(block) => used(*block, pass.state, j),
        }
    }
}

fn used<F: Scalar>(block: Block, state: &[F], j: usize) -> &[F] {
    let n = block.shape().1;
    let edges = &state[block.range()][j * n..(j + 1) * n];
    let used = edges.windows(2).take_while(|pair| pair[0] < pair[1]).count();
    &edges[..used + 1]
}

/// The bin where x is, given at least two edges.
fn bin_of<F: Scalar>(edges: &[F], x: F) -> usize {
    let inner = &edges[1..edges.len() - 1];
    inner.partition_point(|&edge| edge <= x)
}

#[derive(Debug)]
struct BuiltPiecewise<F> {
    edges: Edges<F>,
    n_bins: usize,
    maps: FeatureMaps,
}

impl<F: Scalar> BuiltLayer<F> for BuiltPiecewise<F> {
    fn output(&self) -> ActivationBlock {
        self.maps.output
    }

    fn forward(&self, pass: &Pass<'_, F>, values: &mut Arena<F>) {
        let (x, mut e) = values.pair((self.maps.input, 0..1), (self.maps.encoded, 0..1));
        for (j, x) in x.columns().into_iter().enumerate() {
            let edges = self.edges.of(pass, j);
            for (&x, e) in x.iter().zip(e.rows_mut()) {
                let e = &mut e.into_slice().expect("row-major")[j * self.n_bins..(j + 1) * self.n_bins];
                e.fill(F::ZERO);
                if edges.len() > 1 {
                    let bin = bin_of(edges, x);
                    e[..bin].fill(F::ONE);
                    e[bin] = (x - edges[bin]) / (edges[bin + 1] - edges[bin]);
                }
            }
        }
        self.maps.forward(pass, values);
    }

    #[cfg(feature = "onnx")]
    fn export(&self, graph: &mut crate::onnx::Graph) -> Result<()> {
        let (n, t) = (self.maps.input.width(), self.n_bins);
        // Within a bin the number rises from 0 to 1; below the first and beyond the last it goes on, elsewhere it stops.
        let (mut begins, mut widths) = (vec![0.0; n * t], vec![1.0; n * t]);
        let (mut least, mut most) = (vec![0.0; n * t], vec![0.0; n * t]);
        for j in 0..n {
            let edges = match &self.edges {
                Edges::Given(edges) => edges.iter().map(|edge| edge.to_f64()).collect(),
                Edges::Fitted(block) => used(*block, graph.running_state(), j).to_vec(),
            };
            for (bin, edge) in edges.windows(2).enumerate() {
                let at = j * t + bin;
                (begins[at], widths[at]) = (edge[0], edge[1] - edge[0]);
                least[at] = if bin == 0 { f64::NEG_INFINITY } else { 0.0 };
                most[at] = if bin + 2 == edges.len() { f64::INFINITY } else { 1.0 };
            }
        }
        let x = graph.value(self.maps.input);
        let x = graph.reshape_rows(&x, &[n, 1]);
        let [begins, widths, least, most] =
            [begins, widths, least, most].map(|numbers| graph.constant(&[n, t], &numbers));
        let distance = graph.node("Sub", &[&x, &begins]);
        let share = graph.node("Div", &[&distance, &widths]);
        let bounded = graph.node("Max", &[&share, &least]);
        let e = graph.node("Min", &[&bounded, &most]);
        self.maps.export(graph, &e);
        Ok(())
    }

    fn propagate(&self, pass: &Pass<'_, F>, values: &Arena<F>, deltas: &mut Arena<F>, to: Propagation) {
        let Some((lanes, start)) = to.target::<F>() else { return };
        self.maps.propagate(pass, deltas, to.lanes);
        let (x, adds) = (values.get(self.maps.input), matches!(start, Accumulate::Add));
        for lane in 0..to.lanes {
            self.maps.input_delta(pass, deltas, (lane, lanes.start + lane, adds), |row, j, de| {
                let edges = self.edges.of(pass, j);
                if edges.len() < 2 {
                    return F::ZERO;
                }
                let bin = bin_of(edges, x[[row, j]]);
                de[bin] / (edges[bin + 1] - edges[bin])
            });
        }
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        self.maps.pieces()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: Range<usize>, gradient: &mut [F]) {
        self.maps.gradient(chunks, lane, piece, gradient);
    }

    fn branches(&self, pass: &Pass<'_, F>, values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        for (j, x) in values.get(self.maps.input).columns().into_iter().enumerate() {
            let edges = self.edges.of(pass, j);
            if edges.len() < 3 {
                continue; // one line without a kink
            }
            for &x in x {
                let bin = bin_of(edges, x);
                let distance = |at: usize| (x - edges[at]).to_f64().abs();
                let below = if bin > 0 { distance(bin) } else { f64::INFINITY };
                let above = if bin + 2 < edges.len() { distance(bin + 1) } else { f64::INFINITY };
                record(bin as i64, below.min(above));
            }
        }
    }
}
