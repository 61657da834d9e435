//! The gradients of single rows, in factors.
//!
//! ```text
//! affine maps     inputs xᵢ and deltas δᵢₖ of every row
//! other blocks    the numbers of the gradient, from a pass of each row by itself: norms, tables of embeddings, gates of one
//!                 task, networks with products and ensembles as a whole
//! ```

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis, Zip, aview1, s};

use crate::balance::Weights;
use crate::data::{Batch, Dataset};
use crate::kernel::{self, Accumulate};
use crate::layer::Mode;
use crate::loss::Labels;
use crate::network::{RowFactors, Trace};
use crate::{Error, ErrorKind, Model, Result, Scalar};

/// How many rows go through the network at once.
const BATCH: usize = 256;

/// The gradient with respect to θ of what each row of a table adds to the loss of each task, as the model predicts (without
/// dropout), in factors: see [the module](crate::ledger).
///
/// What row i adds is wᵢ ℓ(yᵢ, tᵢ), with the weight of the row: the loss before it is divided by the total weight of the batch. So
/// the sum over rows, divided by that weight, is the gradient of the task's loss. Penalties belong to no row.
///
/// For n rows, memory is n numbers for each unit of the layers, once and once more for each task; θ itself does not count but
/// for parameters outside affine maps, which cost n × tasks numbers each and a pass of every row by itself.
///
/// ```
/// use polytask::ledger::RowGradients;
/// use polytask::prelude::*;
///
/// let data = datasets::robot_arm::<f64>(60, 0.05, 1);
/// let builder = Model::builder(10).trunk([Layer::dense(8, Activation::Tanh)]);
/// let builder = builder.task(Task::regression("shoulder")).task(Task::regression("elbow")).standardize();
/// let mut model = builder.build::<f64>()?;
/// Trainer::new(Adam::new(0.01)).epochs(5).fit(&mut model, &data)?;
///
/// let rows = RowGradients::of(&model, &data)?;
/// let norms = rows.norms(); // rows × tasks
/// let products = rows.products(0, &rows, 0); // of all pairs of rows, for the shoulder
/// assert_eq!((norms.dim(), products.dim()), ((60, 2), (60, 60)));
/// assert!((products[[7, 7]] / norms[[7, 0]].powi(2) - 1.0).abs() < 1e-12);
/// assert_eq!(rows.gradient(7, 0).len(), model.n_parameters());
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RowGradients {
    tasks: Vec<String>,
    n_parameters: usize,
    /// `rows × tasks`.
    has_label: Array2<bool>,
    maps: Vec<RowFactors>,
    rest: Rest,
}

/// The gradients of the parameters that are in no affine map.
#[derive(Clone, Debug)]
struct Rest {
    /// Where they are in θ.
    ranges: Vec<Range<usize>>,
    /// For each task `rows × numbers`.
    of_tasks: Vec<Array2<f64>>,
}

impl RowGradients {
    /// The gradients of all rows of `data`; of a large table, [select](Dataset::select) some first.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if rows do not go through the network, or into a loss, one by one: batch normalisation, ranking
    /// losses; otherwise as [`Model::evaluate`].
    pub fn of<F: Scalar>(model: &Model<F>, data: &Dataset<F>) -> Result<Self> {
        F::row_gradients(model, data)
    }

    pub(crate) fn of_here<F: Scalar>(model: &Model<F>, data: &Dataset<F>) -> Result<Self> {
        check_rows_apart(model)?;
        let (n, n_tasks) = (data.n_rows(), model.tasks().len());
        let mut has_label = Array2::from_elem((n, n_tasks), false);
        let mut maps: Vec<RowFactors> = Vec::new();
        let mut trace = model.trace(BATCH.min(n.max(1)));
        let all: Vec<usize> = (0..n).collect();
        for rows in all.chunks(BATCH) {
            let batch = Batch { dataset: data, rows };
            model.forward_at(&model.pass(Mode::Predict), &batch, &mut trace)?;
            note_labels(model, &trace, has_label.slice_mut(s![rows[0]..rows[0] + rows.len(), ..]));
            let here = model.network().row_factors(&model.pass(Mode::Predict), &mut trace);
            match maps.is_empty() {
                true => maps = here,
                false => maps.iter_mut().zip(&here).for_each(|(map, here)| append(map, here)),
            }
        }
        let rest = Rest::of(model, data, &maps, &has_label)?;
        let tasks = model.tasks().iter().map(|task| task.name().to_owned()).collect();
        Ok(Self { tasks, n_parameters: model.n_parameters(), has_label, maps, rest })
    }

    /// The names of the tasks.
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// How many rows there are.
    pub fn n_rows(&self) -> usize {
        self.has_label.nrows()
    }

    /// Whether a row has a label of a task, of a weight above 0.
    ///
    /// # Panics
    /// If there is no such row or task.
    #[track_caller]
    pub fn has_label(&self, row: usize, task: usize) -> bool {
        self.has_label[[row, task]]
    }

    /// ‖gᵢₖ‖, `rows × tasks`; NaN where a row has no label of the task.
    pub fn norms(&self) -> Array2<f64> {
        let squares_of = |matrix: &Array2<f64>| matrix.map_axis(Axis(1), |row| row.dot(&row));
        let mut squares = Array2::zeros(self.has_label.dim());
        for map in &self.maps {
            let inputs = squares_of(&map.inputs) + bias_of(map);
            for (mut of_task, delta) in squares.columns_mut().into_iter().zip(&map.deltas) {
                if let Some(delta) = delta {
                    of_task += &(&inputs * squares_of(delta));
                }
            }
        }
        for (mut of_task, rest) in squares.columns_mut().into_iter().zip(&self.rest.of_tasks) {
            of_task += &squares_of(rest);
        }
        Zip::from(&mut squares).and(&self.has_label).for_each(|square, &has_label| {
            *square = if has_label { square.sqrt() } else { f64::NAN };
        });
        squares
    }

    /// ⟨gᵢₖ, gⱼₗ⟩ for every row i of these and row j of `other`, `rows × other rows`, where k is `task` and l is `other_task`; NaN
    /// where one of the two has no label. `other` is of the same model with the same θ.
    ///
    /// # Panics
    /// If there is no such task, or `other` is of a network of other shapes.
    #[track_caller]
    pub fn products(&self, task: usize, other: &Self, other_task: usize) -> Array2<f64> {
        self.assert_same_network(other);
        let shape = (self.n_rows(), other.n_rows());
        let mut sum = Array2::zeros(shape);
        let (mut inputs, mut deltas) = (Array2::zeros(shape), Array2::zeros(shape));
        for (here, there) in self.maps.iter().zip(&other.maps) {
            let (Some(delta), Some(other_delta)) = (&here.deltas[task], &there.deltas[other_task]) else {
                continue;
            };
            let start = vec![bias_of(here); shape.1];
            kernel::product(
                here.inputs.view(),
                there.inputs.t(),
                Accumulate::Bias(&start),
                inputs.view_mut(),
            );
            kernel::product(delta.view(), other_delta.t(), Accumulate::Write, deltas.view_mut());
            Zip::from(&mut sum).and(&inputs).and(&deltas).for_each(|sum, x, d| *sum += x * d);
        }
        let (rest, other_rest) = (&self.rest.of_tasks[task], &other.rest.of_tasks[other_task]);
        kernel::product(rest.view(), other_rest.t(), Accumulate::Add, sum.view_mut());
        for ((i, j), product) in sum.indexed_iter_mut() {
            if !(self.has_label[[i, task]] && other.has_label[[j, other_task]]) {
                *product = f64::NAN;
            }
        }
        sum
    }

    /// The gradient of one row for one task, laid out like θ; 0 where the row has no label.
    ///
    /// # Panics
    /// If there is no such row or task.
    #[track_caller]
    pub fn gradient(&self, row: usize, task: usize) -> Vec<f64> {
        let mut gradient = vec![0.0; self.n_parameters];
        for map in &self.maps {
            let Some(delta) = &map.deltas[task] else { continue };
            let delta = delta.row(row);
            let places = gradient[map.range.clone()].chunks_exact_mut(delta.len());
            let bias = map.has_bias.then_some(1.0);
            for (places, x) in places.zip(map.inputs.row(row).iter().copied().chain(bias)) {
                places.iter_mut().zip(delta).for_each(|(to, d)| *to = x * d);
            }
        }
        let mut rest = self.rest.of_tasks[task].row(row).to_vec().into_iter();
        for range in &self.rest.ranges {
            gradient[range.clone()].iter_mut().zip(&mut rest).for_each(|(to, from)| *to = from);
        }
        gradient
    }

    #[track_caller]
    pub(super) fn assert_same_network(&self, other: &Self) {
        let shapes = |rows: &Self| -> Vec<_> { rows.maps.iter().map(|map| map.range.clone()).collect() };
        assert_eq!(
            (&self.tasks, self.n_parameters, shapes(self)),
            (&other.tasks, other.n_parameters, shapes(other)),
            "tasks, parameters and affine maps of two networks whose gradients are compared"
        );
    }
}

fn bias_of(map: &RowFactors) -> f64 {
    if map.has_bias { 1.0 } else { 0.0 }
}

fn append(map: &mut RowFactors, more: &RowFactors) {
    let rows = |to: &mut Array2<f64>, from: &Array2<f64>| {
        to.append(Axis(0), from.view()).expect("of the same width");
    };
    rows(&mut map.inputs, &more.inputs);
    for (to, from) in map.deltas.iter_mut().zip(&more.deltas) {
        if let (Some(to), Some(from)) = (to, from) {
            rows(to, from);
        }
    }
}

/// Fails if the gradient of a row depends on which others are in its batch.
fn check_rows_apart<F: Scalar>(model: &Model<F>) -> Result<()> {
    let refuse = |place: String, found: &str, advice: &str| {
        Err(Error::new(ErrorKind::Setting, place, "rows that do not depend on one another", found)
            .advise(advice))
    };
    if model.network().needs_whole_batches() {
        let found = "a layer that takes means over a batch";
        return refuse("gradients of rows, network".into(), found, "use Layer::layer_norm instead");
    }
    let compares = |k: usize| model.tasks()[k].has_loss() && model.network().loss(k).compares_rows();
    match (0..model.tasks().len()).find(|&k| compares(k)) {
        None => Ok(()),
        Some(k) => {
            let place = format!("gradients of rows, task {:?}", model.tasks()[k].name());
            refuse(place, "a loss that compares rows with one another", "leave the task out")
        }
    }
}

/// Notes which rows of the batch in the trace have labels of which tasks.
fn note_labels<F: Scalar>(
    model: &Model<F>,
    trace: &Trace<F>,
    mut has_label: ndarray::ArrayViewMut2<'_, bool>,
) {
    for (k, _) in model.tasks().iter().enumerate().filter(|(_, task)| task.has_loss()) {
        let labels = trace.labels(k);
        for (i, has_label) in has_label.column_mut(k).iter_mut().enumerate() {
            let weight = [labels.weight(i)];
            let targets: ArrayView2<'_, F> = labels.targets.slice(s![i..=i, ..]);
            let own = Labels { weights: Some(aview1(&weight)), ..Labels::new(targets) };
            *has_label = model.network().loss(k).total(&own) > 0.0;
        }
    }
}

impl Rest {
    /// By a pass of each row by itself, if there is a parameter outside `maps`.
    fn of<F: Scalar>(
        model: &Model<F>,
        data: &Dataset<F>,
        maps: &[RowFactors],
        has_label: &Array2<bool>,
    ) -> Result<Self> {
        let ranges = outside(maps, model.n_parameters());
        let n_numbers = ranges.iter().map(Range::len).sum();
        let (n, n_tasks) = has_label.dim();
        let mut of_tasks = vec![Array2::zeros((n, n_numbers)); n_tasks];
        if n_numbers == 0 {
            return Ok(Self { ranges, of_tasks });
        }
        let (mut trace, mut gradient) = (model.trace(1), vec![F::ZERO; model.n_parameters()]);
        for row in 0..n {
            model.forward_at(
                &model.pass(Mode::Predict),
                &Batch { dataset: data, rows: &[row] },
                &mut trace,
            )?;
            for k in (0..n_tasks).filter(|&k| has_label[[row, k]]) {
                let only: Vec<f64> = (0..n_tasks).map(|l| if l == k { 1.0 } else { 0.0 }).collect();
                let weights = Weights { shared: only.clone(), own: only };
                model.backward_of_losses(&mut trace, &weights, &mut gradient, None);
                let total = model.network().loss(k).total(&trace.labels(k));
                let numbers = ranges.iter().flat_map(|range| &gradient[range.clone()]);
                of_tasks[k].row_mut(row).iter_mut().zip(numbers).for_each(|(to, g)| *to = total * g.to_f64());
            }
        }
        Ok(Self { ranges, of_tasks })
    }
}

/// The ranges of θ that are in none of the maps.
fn outside(maps: &[RowFactors], n: usize) -> Vec<Range<usize>> {
    let mut covered: Vec<&Range<usize>> = maps.iter().map(|map| &map.range).collect();
    covered.sort_by_key(|range| range.start);
    let starts = std::iter::once(0).chain(covered.iter().map(|range| range.end));
    let ends = covered.iter().map(|range| range.start).chain([n]);
    starts.zip(ends).filter(|(start, end)| start < end).map(|(start, end)| start..end).collect()
}
