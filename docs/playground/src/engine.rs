//! Two models that learn from the same rows, step by step: the one that was set up, and for comparison one whose tasks
//! share nothing.

use polytask::balance::{Balance, Balancer, Equal, Evidence, Weights};
use polytask::data::Dataset;
use polytask::ndarray::Array2;
use polytask::optim::Optimizer;
use polytask::{Model, Predictions, Result, Scalar, Sharing, Task, Trace};

use crate::arrows::Arrows;
use crate::plane::{self, Plane, SIDE};
use crate::setup::Setup;

/// The points of the grid.
const POINTS: usize = SIDE * SIDE;

/// What is to be drawn. Fields have a value for each point of the grid, row by row from the top left.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Both targets, one after the other.
    pub targets: Vec<f32>,
    /// What the model predicts of them.
    pub predictions: Vec<f32>,
    /// What the heads read, unit by unit: first what the head of A reads, then that of B.
    pub units: Vec<f32>,
    /// `x, y, label of A, label of B` for each row; a missing label is NaN.
    pub rows: Vec<f32>,
    /// Figures, in the order of [`Figures::list`].
    pub figures: Vec<f64>,
}

/// The figures of one moment.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// How many steps were taken.
    pub steps: u64,
    /// The loss of each task on the rows, at the parameters that the last step began with.
    pub losses: [f64; 2],
    /// The share of each target's variance over the plane that is not predicted: 0 is perfect, 1 is no better than the mean.
    pub errors: [f64; 2],
    /// The losses of the tasks with a network each.
    pub losses_apart: [f64; 2],
    /// The errors of the tasks with a network each.
    pub errors_apart: [f64; 2],
    /// The tasks' gradients at the last step, in the plane that they span.
    pub arrows: Arrows,
    /// How many parameters are shared, A's own and B's own.
    pub parameters: [usize; 3],
    /// Of the steps taken: in how many the gradients opposed each other, and in how many the direction opposed one of them.
    pub conflicts: [u64; 2],
}

impl Figures {
    /// All of them in one list.
    pub fn list(&self) -> Vec<f64> {
        let Self { losses, errors, losses_apart, errors_apart, arrows, .. } = self;
        let mut list = vec![self.steps as f64];
        list.extend([losses, errors, losses_apart, errors_apart].into_iter().flatten());
        list.extend(self.parameters.map(|n| n as f64));
        list.extend(self.conflicts.map(|n| n as f64));
        list.extend(arrows.list());
        list
    }
}

/// A model that learns.
struct Learner<F: Scalar> {
    model: Model<F>,
    trace: Trace<F>,
    balancer: Balancer,
    optimizer: Optimizer<F>,
    gradient: Vec<F>,
    weights: Weights,
    predictions: Predictions<F>,
    grid_trace: Trace<F>,
}

impl<F: Scalar> Learner<F> {
    fn new(setup: &Setup, sharing: Sharing, method: impl Balance + 'static) -> Result<Self> {
        let model = Model::builder(2)
            .sharing(sharing)
            .task(Task::regression("a"))
            .task(Task::regression("b"))
            .seed(setup.seed)
            .build::<F>()?;
        Ok(Self {
            trace: model.trace(setup.rows),
            balancer: Balancer::new(method, 2)?,
            optimizer: Optimizer::from_rule(&*setup.optimiser(), model.n_parameters())?,
            gradient: vec![F::ZERO; model.n_parameters()],
            weights: Weights::ones(2),
            predictions: model.predictions(POINTS),
            grid_trace: model.trace(POINTS),
            model,
        })
    }

    /// A training step on all rows. `compares` asks for the Gramian even where the method does not.
    fn step(&mut self, data: &Dataset<F>, compares: bool) -> Result<bool> {
        let Self { model, trace, balancer, optimizer, gradient, weights, .. } = self;
        model.forward(&data.all(), trace)?;
        if !trace.losses().iter().all(|loss| loss.is_finite()) {
            return Ok(false);
        }
        weights.clone_from(balancer.weights(&mut model.evidence(trace)));
        if compares {
            model.evidence(trace).gramian();
        }
        model.backward(trace, weights, gradient);
        optimizer.step(model.parameters_mut(), gradient);
        Ok(true)
    }

    /// The share of each target's variance over the grid that is not predicted.
    fn errors(&mut self, grid: &Array2<F>, targets: &[Vec<f64>; 2]) -> Result<[f64; 2]> {
        self.model.predict_reusing(grid.view(), &mut self.grid_trace, &mut self.predictions)?;
        Ok([0, 1].map(|k| {
            let predicted = &self.predictions[["a", "b"][k]];
            let squares = targets[k].iter().zip(predicted).map(|(t, p)| (t - p.to_f64()) * (t - p.to_f64()));
            squares.sum::<f64>() / targets[k].iter().map(|t| t * t).sum::<f64>()
        }))
    }

    fn losses(&self) -> [f64; 2] {
        let losses = self.trace.losses();
        [losses[0], losses[1]]
    }
}

/// Both models, and what they learn from.
pub struct Engine<F: Scalar> {
    data: Dataset<F>,
    grid: Array2<F>,
    targets: [Vec<f64>; 2],
    model: Learner<F>,
    apart: Learner<F>,
    /// The model's layers under heads that hand on what they read.
    units: Model<F>,
    figures: Figures,
}

/// The head's name begins with this.
const HEAD: &str = "head.";

impl<F: Scalar> Engine<F> {
    /// Draws the rows and the first parameters.
    ///
    /// # Errors
    /// None that the settings can cause.
    pub fn new(setup: &Setup) -> Result<Self> {
        let plane = Plane::new(setup);
        let points = plane::grid();
        let targets = [0, 1].map(|k| points.iter().map(|&at| plane.targets(at)[k]).collect());
        let model = Learner::new(setup, setup.sharing(), setup.method())?;
        let layout = model.model.network().layout();
        let mut parameters = [layout.n_shared(), 0, 0];
        for (name, block) in layout.blocks().filter(|(_, block)| block.range().start >= layout.n_shared()) {
            parameters[if name.split('.').any(|part| part == "a") { 1 } else { 2 }] += block.len();
        }
        Ok(Self {
            data: plane::rows(setup, &plane)?,
            grid: Array2::from_shape_fn((POINTS, 2), |(i, k)| F::from_f64(points[i][k])),
            targets,
            apart: Learner::new(setup, Sharing::independent(setup.layers()), Equal::sum())?,
            units: units(setup)?,
            figures: Figures { parameters, ..Figures::default() },
            model,
        })
    }
}

/// The model's sharing form with a head for each task that has an output for each unit that it reads: the identity.
fn units<F: Scalar>(setup: &Setup) -> Result<Model<F>> {
    let task =
        |name: &str| Task::regression(name).columns((0..setup.width).map(|unit| format!("{name}{unit}")));
    let mut model =
        Model::builder(2).sharing(setup.sharing()).task(task("a")).task(task("b")).build::<F>()?;
    let heads: Vec<_> = {
        let blocks = model.network().layout().blocks();
        blocks.filter(|(name, _)| name.starts_with(HEAD)).map(|(_, block)| block).collect()
    };
    for block in heads {
        let mut values = block.of_mut(model.parameters_mut());
        let is_weight = values.nrows() == setup.width && values.ncols() == setup.width;
        values.indexed_iter_mut().for_each(|((i, j), value)| {
            *value = if is_weight && i == j { F::ONE } else { F::ZERO };
        });
    }
    Ok(model)
}

impl<F: Scalar> Engine<F> {
    /// Takes a step, unless a loss is no longer finite. Says whether it did.
    ///
    /// # Errors
    /// None that the settings can cause.
    pub fn step(&mut self) -> Result<bool> {
        if !self.model.step(&self.data, true)? {
            return Ok(false);
        }
        self.apart.step(&self.data, false)?;
        let figures = &mut self.figures;
        figures.steps += 1;
        figures.losses = self.model.losses();
        figures.losses_apart = self.apart.losses();
        let gramian = self.model.trace.gramian().expect("it was asked for");
        figures.arrows = Arrows::new(gramian, &self.model.weights.shared);
        figures.conflicts[0] += u64::from(figures.arrows.cosine < 0.0);
        figures.conflicts[1] += u64::from(figures.arrows.opposes());
        Ok(true)
    }

    /// The figures now.
    ///
    /// # Errors
    /// None that the settings can cause.
    pub fn figures(&mut self) -> Result<Figures> {
        self.figures.errors = self.model.errors(&self.grid, &self.targets)?;
        self.figures.errors_apart = self.apart.errors(&self.grid, &self.targets)?;
        Ok(self.figures.clone())
    }

    /// Computes all that is to be drawn; the units, which take a third of the time, only if they are asked for.
    ///
    /// # Errors
    /// None that the settings can cause.
    pub fn look(&mut self, view: &mut View, units: bool) -> Result<()> {
        view.figures = self.figures()?.list();
        let narrow = |value: &F| value.to_f64() as f32;
        view.predictions.clear();
        for task in ["a", "b"] {
            view.predictions.extend(self.model.predictions[task].iter().map(narrow));
        }
        if units {
            self.look_at_units(view)?;
        }
        view.targets.clear();
        view.targets.extend(self.targets.iter().flatten().map(|&target| target as f32));
        view.rows.clear();
        for row in 0..self.data.n_rows() {
            view.rows.extend(self.data.feature_row(row).iter().chain(self.data.target_row(row)).map(narrow));
        }
        Ok(())
    }

    fn look_at_units(&mut self, view: &mut View) -> Result<()> {
        let from = self.model.model.network().layout();
        for (name, block) in from.blocks().filter(|(name, _)| !name.starts_with(HEAD)) {
            let to = self.units.network().layout().block(name).expect("the same sharing form");
            to.of_mut(self.units.parameters_mut()).assign(&block.of(self.model.model.parameters()));
        }
        let units = self.units.predict(self.grid.view())?;
        view.units.clear();
        for task in ["a", "b"] {
            view.units
                .extend(units[task].columns().into_iter().flatten().map(|value: &F| value.to_f64() as f32));
        }
        Ok(())
    }
}
