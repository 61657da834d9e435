//! Layers, a loss and sharing forms of a user's own, written against the public contracts.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2, Zip};
use polytask::layer::{BuildLayer, BuiltLayer, Chain, Flow, Into, Mode, Site};
use polytask::loss::{Labels, LossFunction};
use polytask::sharing::{BuildSharing, BuiltSharing, Piece, Representation};
use polytask::trace::{Arena, Chunk, Slot};
use polytask::{Block, Init, Layer, Result, Scalar};

/// `y = x ∘ s`, one factor per feature.
#[derive(Clone, Debug)]
pub struct Scale;

#[derive(Debug)]
struct BuiltScale {
    factors: Block,
    input: Slot,
    output: Slot,
}

impl<F: Scalar> BuildLayer<F> for Scale {
    fn build(&self, site: &mut Site<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        let input = site.input();
        let factors = site.parameter("factors", 1, input.width(), Init::Constant(1.5));
        Ok(Box::new(BuiltScale { factors, input, output: site.slot(input.width()) }))
    }
}

impl<F: Scalar> BuiltLayer<F> for BuiltScale {
    fn output(&self) -> Slot {
        self.output
    }

    fn forward(&self, theta: &[F], _mode: Mode, values: &mut Arena<F>) {
        let (x, mut y) = values.pair((self.input, 0..1), (self.output, 0..1));
        y.assign(&x);
        y *= &self.factors.of(theta);
    }

    fn propagate(&self, theta: &[F], _values: &Arena<F>, deltas: &mut Arena<F>, flow: &Flow) {
        let n = flow.lanes;
        let (first, adds) = match flow.into {
            Into::Nowhere => return,
            Into::Set(lane) => (lane, false),
            Into::Add(lane) => (lane, true),
        };
        let (dy, mut dx) = deltas.pair((self.output, 0..n), (self.input, first..first + n));
        for (mut dx, dy) in dx.rows_mut().into_iter().zip(dy.rows()) {
            Zip::from(&mut dx).and(&dy).and(&theta[self.factors.range()]).for_each(|dx, &dy, &s| {
                *dx = if adds { *dx + dy * s } else { dy * s };
            });
        }
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        vec![self.factors.range()]
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, _piece: Range<usize>, gradient: &mut [F]) {
        gradient.fill(F::ZERO);
        for chunk in chunks {
            let (x, dy) = (chunk.values.get(self.input), chunk.deltas.lanes_of(self.output, lane..lane + 1));
            for ((_, column), (&x, &dy)) in x.indexed_iter().map(|(at, _)| at).zip(x.iter().zip(&dy)) {
                gradient[column] += x * dy;
            }
        }
    }
}

/// `y = x²`: a layer without parameters.
#[derive(Clone, Debug)]
pub struct Square;

#[derive(Debug)]
struct BuiltSquare {
    input: Slot,
    output: Slot,
}

impl<F: Scalar> BuildLayer<F> for Square {
    fn build(&self, site: &mut Site<'_>) -> Result<Box<dyn BuiltLayer<F>>> {
        let input = site.input();
        Ok(Box::new(BuiltSquare { input, output: site.slot(input.width()) }))
    }
}

impl<F: Scalar> BuiltLayer<F> for BuiltSquare {
    fn output(&self) -> Slot {
        self.output
    }

    fn forward(&self, _theta: &[F], _mode: Mode, values: &mut Arena<F>) {
        let (x, mut y) = values.pair((self.input, 0..1), (self.output, 0..1));
        y.zip_mut_with(&x, |y, &x| *y = x * x);
    }

    fn propagate(&self, _theta: &[F], values: &Arena<F>, deltas: &mut Arena<F>, flow: &Flow) {
        let (first, adds) = match flow.into {
            Into::Nowhere => return,
            Into::Set(lane) => (lane, false),
            Into::Add(lane) => (lane, true),
        };
        for lane in 0..flow.lanes {
            let to = first + lane..first + lane + 1;
            let (dy, mut dx) = deltas.pair((self.output, lane..lane + 1), (self.input, to));
            Zip::from(&mut dx).and(&dy).and(&values.get(self.input)).for_each(|dx, &dy, &x| {
                let through = (x + x) * dy;
                *dx = if adds { *dx + through } else { through };
            });
        }
    }

    fn pieces(&self) -> Vec<Range<usize>> {
        Vec::new()
    }

    fn gradient(&self, _chunks: &[Chunk<F>], _lane: usize, piece: Range<usize>, _gradient: &mut [F]) {
        panic!("a layer without parameters has no piece {piece:?}");
    }
}

/// The weighted mean of (y − t)⁴ over the labels present.
#[derive(Clone, Debug)]
pub struct Quartic;

impl<F: Scalar> LossFunction<F> for Quartic {
    fn value_and_delta(
        &self,
        outputs: ArrayView2<'_, F>,
        labels: &Labels<'_, F>,
        mut delta: ArrayViewMut2<'_, F>,
    ) -> F {
        delta.fill(F::ZERO);
        let total = labels.total_weight();
        if total == 0.0 {
            return F::ZERO;
        }
        let (rate, mut value) = (F::from_f64(1.0 / total), F::ZERO);
        for ((at, &t), &y) in labels.targets.indexed_iter().zip(&outputs) {
            if !t.is_nan() {
                let (r, w) = (y - t, rate * labels.weight(at.0));
                value += w * r.powi(4);
                delta[at] = w * F::from_f64(4.0) * r.powi(3);
            }
        }
        value
    }
}

/// One trunk for all tasks, and for each task factors of its own: `hₖ = h ∘ sₖ`.
#[derive(Clone, Debug)]
pub struct Gated(pub Vec<Layer>);

#[derive(Debug)]
struct BuiltGated<F> {
    trunk: Chain<F>,
    gates: Vec<BuiltScale>,
}

impl<F: Scalar> BuildSharing<F> for Gated {
    fn build(&self, tasks: &[&str], site: &mut Site<'_>) -> Result<Box<dyn BuiltSharing<F>>> {
        let trunk = site.named("trunk", |site| Chain::<F>::build(&self.0, site))?;
        site.end_shared();
        let input = trunk.output();
        let gate = |task: &&str| {
            let factors = site.named(&format!("gate.{task}"), |site| {
                site.parameter("factors", 1, input.width(), Init::Constant(0.8))
            });
            BuiltScale { factors, input, output: site.slot(input.width()) }
        };
        let gates = tasks.iter().map(gate).collect();
        Ok(Box::new(BuiltGated { trunk, gates }))
    }
}

impl<F: Scalar> BuiltSharing<F> for BuiltGated<F> {
    fn representation(&self, task: usize) -> Representation {
        Representation { slot: self.gates[task].output, is_shared: false }
    }

    fn forward(&self, theta: &[F], mode: Mode, values: &mut Arena<F>) {
        self.trunk.forward(theta, mode, values);
        for gate in &self.gates {
            gate.forward(theta, mode, values);
        }
    }

    fn propagate(
        &self,
        theta: &[F],
        values: &Arena<F>,
        deltas: &mut Arena<F>,
        lanes: usize,
        into_input: bool,
    ) {
        for (k, gate) in self.gates.iter().enumerate() {
            let into = match (lanes, k) {
                (1, 0) => Into::Set(0),
                (1, _) => Into::Add(0),
                _ => Into::Set(k),
            };
            gate.propagate(theta, values, deltas, &Flow { lanes: 1, into });
        }
        let into = if into_input { Into::Set(0) } else { Into::Nowhere };
        self.trunk.propagate(theta, values, deltas, &Flow { lanes, into });
    }

    fn pieces(&self) -> Vec<Piece> {
        let trunk = self.trunk.pieces().map(|range| Piece { range, owner: None });
        let gates = self.gates.iter().enumerate();
        trunk.chain(gates.map(|(k, gate)| Piece { range: gate.factors.range(), owner: Some(k) })).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        match piece.owner {
            Some(task) => self.gates[task].gradient(chunks, 0, piece.range.clone(), gradient),
            None => {
                let of_trunk = self.trunk.gradient(chunks, lane, piece.range.clone(), gradient);
                of_trunk.expect("the piece is one of the trunk's");
            }
        }
    }

    fn branches(&self, theta: &[F], values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.trunk.branches(theta, values, record);
    }
}

/// Two trunks side by side: tasks 0, 2, … read the first, tasks 1, 3, … the second.
#[derive(Clone, Debug)]
pub struct TwoTrunks(pub Vec<Layer>);

#[derive(Debug)]
struct BuiltTwoTrunks<F> {
    trunks: [Chain<F>; 2],
}

impl<F: Scalar> BuildSharing<F> for TwoTrunks {
    fn build(&self, _tasks: &[&str], site: &mut Site<'_>) -> Result<Box<dyn BuiltSharing<F>>> {
        let even = site.named("even", |site| Chain::<F>::build(&self.0, site))?;
        let odd = site.named("odd", |site| Chain::<F>::build(&self.0, site))?;
        site.end_shared();
        Ok(Box::new(BuiltTwoTrunks { trunks: [even, odd] }))
    }
}

impl<F: Scalar> BuiltSharing<F> for BuiltTwoTrunks<F> {
    fn representation(&self, task: usize) -> Representation {
        Representation { slot: self.trunks[task % 2].output(), is_shared: true }
    }

    fn forward(&self, theta: &[F], mode: Mode, values: &mut Arena<F>) {
        self.trunks.iter().for_each(|trunk| trunk.forward(theta, mode, values));
    }

    fn propagate(
        &self,
        theta: &[F],
        values: &Arena<F>,
        deltas: &mut Arena<F>,
        lanes: usize,
        into_input: bool,
    ) {
        let into = |set| if into_input { set } else { Into::Nowhere };
        let [even, odd] = &self.trunks;
        even.propagate(theta, values, deltas, &Flow { lanes, into: into(Into::Set(0)) });
        odd.propagate(theta, values, deltas, &Flow { lanes, into: into(Into::Add(0)) });
    }

    fn pieces(&self) -> Vec<Piece> {
        let pieces = self.trunks.iter().flat_map(Chain::pieces);
        pieces.map(|range| Piece { range, owner: None }).collect()
    }

    fn gradient(&self, chunks: &[Chunk<F>], lane: usize, piece: &Piece, gradient: &mut [F]) {
        let of = |trunk: &Chain<F>, gradient: &mut [F]| {
            trunk.gradient(chunks, lane, piece.range.clone(), gradient)
        };
        let [even, odd] = &self.trunks;
        of(even, gradient).or_else(|| of(odd, gradient)).expect("the piece is one of the two trunks'");
    }

    fn branches(&self, theta: &[F], values: &Arena<F>, record: &mut dyn FnMut(i64, f64)) {
        self.trunks.iter().for_each(|trunk| trunk.branches(theta, values, record));
    }
}
