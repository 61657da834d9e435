//! Every short sequence of calls on a trace: whatever was asked before, each answer is that of a fresh trace, or the panic
//! that the documentation names.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ndarray::{Array2, s};
use polytask::balance::Weights;
use polytask::data::Dataset;
use polytask::layer::Mode;
use polytask::loss::Loss;
use polytask::sharing::{AdaTt, ProgressiveExtraction};
use polytask::{Activation, Form, GramianScope, Layer, Model, Sharing, Task, Trace};

use super::custom::{Gated, TwoTrunks};

/// Sums of a few hundred products of numbers near 1, taken in another order.
const TOLERANCE: f64 = 1e-12;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Forward,
    Gramian(GramianScope),
    TaskGradients,
    Equal,
    Different,
    /// One task asks for nothing of what is shared.
    OwnAlone,
    Along,
    InputGradient,
}

const CALLS: [Call; 11] = [
    Call::Forward,
    Call::Gramian(GramianScope::SharedParameters),
    Call::Gramian(GramianScope::Sketch { sums: 2, seed: 5 }),
    Call::Gramian(GramianScope::LastSharedLayer),
    Call::Gramian(GramianScope::Representation),
    Call::TaskGradients,
    Call::Equal,
    Call::Different,
    Call::OwnAlone,
    Call::Along,
    Call::InputGradient,
];

/// A model, a batch, and what each call answers on a fresh trace.
struct Case {
    name: &'static str,
    model: Model<f64>,
    data: Dataset<f64>,
    form: Option<Form>,
    /// Row k: ∂Lₖ/∂θ, from a backward of that task alone.
    rows: Array2<f64>,
    /// ∂Lₖ/∂x, one row per task.
    inputs: Array2<f64>,
}

impl Case {
    fn new(name: &'static str, sharing: Sharing, with_product: bool, form: Option<Form>) -> Self {
        let n = 3;
        let mut builder = Model::builder(4).sharing(sharing).seed(11);
        for k in 0..n {
            let head = [Layer::dense(3, Activation::Tanh)];
            let task = Task::binary(format!("y{k}"));
            builder = builder.task(if k == 1 { task.head(head) } else { task });
        }
        if with_product {
            builder = builder.task(Task::product("both", ["y0", "y2"]));
        }
        let model = builder.build::<f64>().expect("valid settings");
        let n = model.tasks().len();
        let x = Array2::from_shape_fn((7, 4), |(i, j)| ((i * 4 + j) as f64 * 0.7 + 0.1).sin());
        let y = Array2::from_shape_fn((7, n), |(i, k)| match (i + k) % 3 {
            0 => f64::NAN,
            odd => f64::from(odd == 1),
        });
        let names: Vec<String> = model.tasks().iter().map(|task| task.name().to_owned()).collect();
        let data = Dataset::new(x, y).and_then(|data| data.with_target_names(names)).expect("a table");
        let (mut rows, mut inputs) =
            (Array2::zeros((n, model.n_parameters())), Array2::zeros((n, data.features().len())));
        for k in 0..n {
            let mut trace = model.trace(7).with_input_gradient();
            model.forward(&data.all(), &mut trace).expect("a table that fits");
            let only: Vec<f64> = (0..n).map(|l| f64::from(l == k)).collect();
            let weights = Weights { shared: only.clone(), own: only };
            let row = rows.row_mut(k).into_slice().expect("a row");
            model.network().backward(&model.pass(Mode::Train), &mut trace, &weights, row);
            let dx = model.network().input_gradient(&trace);
            inputs.row_mut(k).iter_mut().zip(&dx).for_each(|(to, &from)| *to = from);
        }
        Self { name, model, data, form, rows, inputs }
    }

    fn trace(&self) -> Trace<f64> {
        let trace = self.model.trace(7).with_input_gradient();
        match self.form {
            Some(form) => trace.gramian_form(form),
            None => trace,
        }
    }

    fn weights(&self, call: Call) -> Weights {
        let n = self.model.tasks().len();
        let of = |first: f64, step: f64| (0..n).map(|k| first + step * k as f64).collect::<Vec<f64>>();
        match call {
            Call::Equal => Weights { shared: of(0.5, 0.25), own: of(0.5, 0.25) },
            Call::Different => Weights { shared: of(0.3, 0.4), own: of(1.0, -0.2) },
            _ => {
                let mut weights = Weights { shared: of(0.3, 0.4), own: of(1.0, -0.2) };
                weights.shared[1] = 0.0;
                weights
            }
        }
    }

    /// Σ wₖ ∇ₖ, with the shared weights up to `n_shared` and the own ones from there on.
    fn combined(&self, weights: &Weights) -> Vec<f64> {
        let n_shared = self.model.network().layout().n_shared();
        let column = |p: usize| {
            let weights = if p < n_shared { &weights.shared } else { &weights.own };
            self.rows.column(p).iter().zip(weights).map(|(g, w)| g * w).sum()
        };
        (0..self.model.n_parameters()).map(column).collect()
    }

    /// Whether the network has what a Gramian is asked over.
    fn has(&self, call: Call) -> bool {
        match call {
            Call::Gramian(over) => self.model.network().check_over(over).is_ok(),
            _ => true,
        }
    }

    /// Makes a call, where `before` is the last backward since the forward, and says what is wrong.
    fn make(&self, call: Call, trace: &mut Trace<f64>, before: Option<Call>) -> Result<(), String> {
        let (network, n_shared) = (self.model.network(), self.model.network().layout().n_shared());
        let shared = self.rows.slice(s![.., ..n_shared]);
        match call {
            Call::Forward => self.model.forward(&self.data.all(), trace).map_err(|error| error.to_string()),
            Call::Gramian(over) => {
                let found = network.gramian_over(over, &self.model.pass(Mode::Train), trace).to_owned();
                let expected = match over {
                    GramianScope::SharedParameters => shared.dot(&shared.t()),
                    _ => {
                        let mut fresh = self.trace();
                        self.model.forward(&self.data.all(), &mut fresh).expect("a table that fits");
                        network.gramian_over(over, &self.model.pass(Mode::Train), &mut fresh).to_owned()
                    }
                };
                near(&found, &expected)
            }
            Call::TaskGradients => near(self.model.task_gradients(trace), shared),
            Call::Equal | Call::Different | Call::OwnAlone => {
                let (weights, mut found) = (self.weights(call), vec![f64::NAN; self.model.n_parameters()]);
                network.backward(&self.model.pass(Mode::Train), trace, &weights, &mut found);
                near(&found, &self.combined(&weights))
            }
            Call::Along => {
                let own = self.weights(Call::Different).own;
                let direction: Vec<f64> = (0..n_shared).map(|i| (i as f64).cos()).collect();
                let mut found = vec![f64::NAN; self.model.n_parameters()];
                network.backward_along(&self.model.pass(Mode::Train), trace, &direction, &own, &mut found);
                let mut expected = self.combined(&Weights { shared: own.clone(), own });
                expected[..n_shared].copy_from_slice(&direction);
                near(&found, &expected)
            }
            Call::InputGradient => {
                let found = network.input_gradient(trace);
                match before {
                    // Of weights that differ it is no gradient of anything.
                    Some(Call::Different | Call::OwnAlone) => Ok(()),
                    Some(Call::Equal) => {
                        let weights = self.weights(Call::Equal).own;
                        let expected: Vec<f64> = self
                            .inputs
                            .columns()
                            .into_iter()
                            .map(|column| column.iter().zip(&weights).map(|(d, w)| d * w).sum())
                            .collect();
                        near(&found, &expected)
                    }
                    _ => Err("an input gradient of no backward".to_owned()),
                }
            }
        }
    }

    /// Makes the calls in order on one trace.
    fn walk(&self, calls: &[Call]) {
        let mut trace = self.trace();
        self.model.forward(&self.data.all(), &mut trace).expect("a table that fits");
        let mut before = None;
        for (i, &call) in calls.iter().enumerate() {
            let place = format!("{}, {:?}: {:?}", self.name, self.form, &calls[..=i]);
            let outcome = catch_unwind(AssertUnwindSafe(|| self.make(call, &mut trace, before)));
            match outcome {
                Ok(outcome) => outcome.unwrap_or_else(|wrong| panic!("{place}: {wrong}")),
                Err(cause) => {
                    let said = cause.downcast_ref::<String>().expect("a panic says something");
                    let is_documented =
                        said.contains("the input gradient needs a backward pass of the summed loss");
                    assert!(call == Call::InputGradient && is_documented, "{place}: {said}");
                    return;
                }
            }
            before = match call {
                Call::Equal | Call::Different | Call::OwnAlone => Some(call),
                Call::Forward | Call::Along => None,
                _ => before,
            };
        }
    }
}

fn near<'a, 'b>(
    found: impl IntoIterator<Item = &'a f64>,
    expected: impl IntoIterator<Item = &'b f64>,
) -> Result<(), String> {
    let off = found.into_iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, |most, off| {
        // A NaN must not be lost.
        if off > most || off.is_nan() { off } else { most }
    });
    if off < TOLERANCE { Ok(()) } else { Err(format!("off by {off:e}")) }
}

fn cases() -> Vec<Case> {
    let layers = || vec![Layer::dense(6, Activation::Tanh), Layer::dense(5, Activation::Softplus)];
    let ple = || {
        let first = ProgressiveExtraction::new(1, 1, [Layer::dense(3, Activation::Tanh)]);
        let second = first.level(1, 1, [Layer::dense(4, Activation::Softplus)]);
        Sharing::from(second.level(1, 1, [Layer::dense(3, Activation::Tanh)]))
    };
    let adatt = || {
        let first = AdaTt::new(2, [Layer::dense(3, Activation::Tanh)]);
        Sharing::from(first.level(1, [Layer::dense(4, Activation::Softplus)]))
    };
    let (none, mut cases): ([Layer; 0], _) = ([], Vec::new());
    for form in [None, Some(Form::Direct), Some(Form::Gram)] {
        cases.extend([
            Case::new("shared trunk", Sharing::shared_trunk(layers()), false, form),
            Case::new("no trunk", Sharing::shared_trunk(Vec::<Layer>::new()), false, form),
            Case::new("independent", Sharing::independent(layers()), false, form),
            Case::new("gated", Sharing::custom(Gated(layers())), false, form),
            Case::new("two trunks", Sharing::custom(TwoTrunks(layers())), false, form),
            Case::new("MMoE", Sharing::mmoe(2, layers()), false, form),
            Case::new("OMoE", Sharing::omoe(2, layers()), false, form),
            Case::new("cross-stitch", Sharing::cross_stitch(layers()), false, form),
            Case::new("CGC", Sharing::cgc(1, 1, layers()), false, form),
            Case::new("soft sharing", Sharing::soft(0.4, layers()), false, form),
            Case::new("DSelect-k", Sharing::dselect_k(3, 2, layers()), false, form),
            Case::new("AdaTT", adatt(), false, form),
            Case::new("PLE", ple(), false, form),
            Case::new("MMoE behind a stem", Sharing::mmoe(2, layers()).with_stem(layers()), false, form),
            Case::new("PLE behind a stem", ple().with_stem(layers()), false, form),
            Case::new(
                "independent behind a stem",
                Sharing::independent(layers()).with_stem(layers()),
                false,
                form,
            ),
            Case::new("a stem alone", Sharing::shared_trunk(none.clone()).with_stem(layers()), false, form),
        ]);
    }
    cases.extend([
        Case::new("product", Sharing::shared_trunk(layers()), true, None),
        Case::new("product, independent", Sharing::independent(layers()), true, None),
        Case::new("product, gated", Sharing::custom(Gated(layers())), true, None),
        Case::new("product, MMoE", Sharing::mmoe(2, layers()), true, None),
        Case::new("product, PLE", ple(), true, None),
        Case::new("product, DSelect-k", Sharing::dselect_k(3, 2, layers()), true, None),
        Case::new("product, AdaTT", adatt(), true, None),
        Case::new("product, CGC behind a stem", Sharing::cgc(1, 1, layers()).with_stem(layers()), true, None),
    ]);
    cases
}

#[test]
fn every_sequence_of_three_calls_answers_as_a_fresh_trace() {
    for case in cases() {
        let calls: Vec<Call> = CALLS.into_iter().filter(|&call| case.has(call)).collect();
        for &first in &calls {
            for &second in &calls {
                for &third in &calls {
                    case.walk(&[first, second, third]);
                }
            }
        }
    }
}

#[test]
fn an_input_gradient_follows_a_backward() {
    for case in cases() {
        case.walk(&[Call::Equal, Call::InputGradient]);
        let mut trace = case.trace();
        case.model.forward(&case.data.all(), &mut trace).expect("a table that fits");
        case.make(Call::Equal, &mut trace, None).expect("a backward");
        case.make(Call::InputGradient, &mut trace, Some(Call::Equal)).expect("an input gradient");
    }
}

/// A loss that is not known yet cannot be sent back.
#[test]
#[should_panic(expected = "backward needs a batch whose losses have been computed")]
fn nothing_goes_back_before_the_losses() {
    let task = Task::new("y", Loss::mean_squared_error());
    let model = Model::builder(1).task(task).build::<f64>().expect("valid settings");
    let mut trace = model.trace(1);
    trace.begin(1);
    model.task_gradients(&mut trace);
}
