//! Kinks: the derivative is right on both sides, however near, and at the kink it is what the documents say.

use ndarray::{Array2, ArrayView2, array};
use polytask::data::Dataset;
use polytask::gradcheck::{self, GradientReport, Probe, Uncertain};
use polytask::layer::Dense;
use polytask::loss::{Labels, Loss, LossFunction};
use polytask::{Activation, Init, Model, Task};

/// Near enough that a step of ∛ε times the scale of θ, some 1e-5, would cross the kink if nobody told.
const NEAR: f64 = 1e-6;

/// The check of a network of one unit whose z is the bias of its trunk.
fn at(activation: Activation, z: f64) -> GradientReport {
    let data = Dataset::new(array![[0.0], [1.0]], array![[f64::NAN], [3.0]]).unwrap();
    let mut model = Model::builder(1)
        .trunk([Dense::new(1, activation).init(Init::Constant(0.5))])
        .task(Task::regression("y0"))
        .build::<f64>()
        .unwrap();
    let layout = model.network().layout().clone();
    let bias = layout.block("trunk.0.bias").expect("a trunk of one layer");
    model.parameters_mut()[bias.range()].fill(z - 0.5);
    let mut trace = model.trace(2);
    let loss = |theta: &[f64], probe: &mut Probe<'_, f64>| model.probe(theta, &data.all(), &mut trace, probe);
    gradcheck::check(model.parameters(), loss).named(&layout).allow_zero().run()
}

#[test]
fn activations_on_both_sides_and_at_the_kink() {
    for (activation, left, here, right, at_kink) in [
        (Activation::Relu, 0.0, 0.0, 1.0, Some(Uncertain::OnKink)),
        (Activation::LeakyRelu { slope: 0.3 }, 0.3, 0.3, 1.0, Some(Uncertain::OnKink)),
        (Activation::Elu { alpha: 0.4 }, 0.4, 0.4, 1.0, Some(Uncertain::OnKink)),
        (Activation::Elu { alpha: 1.0 }, 1.0, 1.0, 1.0, None),
    ] {
        for (z, derivative) in [(-NEAR, left), (0.0, here), (NEAR, right)] {
            let by_hand: f64 = activation.derivative(z);
            assert!((by_hand - derivative).abs() <= NEAR, "{activation:?} at {z}: {by_hand}");
        }
        for z in [-NEAR, NEAR] {
            let report = at(activation, z);
            assert!(report.passed(), "{activation:?} at {z}\n{report}");
            let told = report.margin.is_some_and(|margin| (margin - NEAR).abs() < 1e-9);
            assert!(told && report.on_kinks == 0, "{activation:?} at {z}\n{report}");
        }
        let here = at(activation, 0.0);
        assert_eq!((here.margin, here.on_kinks), (Some(0.0), 1), "{activation:?}\n{here}");
        let doubts: Vec<_> = here.blocks.iter().filter_map(|block| block.uncertain).collect();
        if let Some(doubt) = at_kink {
            assert!(doubts.contains(&doubt), "{activation:?} at the kink: {doubts:?}");
        }
    }
}

/// The delta as the derivative of the value, as a function of the outputs for one label.
fn check(loss: &dyn LossFunction<f64>, outputs: &[f64], target: f64) -> GradientReport {
    let targets = array![[target]];
    let labels = Labels::new(targets.view());
    gradcheck::check(outputs, |outputs: &[f64], probe| {
        let outputs = ArrayView2::from_shape((1, outputs.len()), outputs).expect("one row");
        let mut delta = Array2::zeros(outputs.dim());
        let value = loss.value_and_delta(outputs, &labels, delta.view_mut());
        loss.branches(outputs, &labels, &mut |side| probe.branch(side));
        if let Some(gradient) = probe.gradient() {
            gradient.copy_from_slice(delta.as_slice().expect("row-major"));
        }
        value
    })
    .allow_zero()
    .run()
}

#[test]
fn losses_on_both_sides_and_at_the_kink() {
    let target = 0.7;
    for (loss, outputs, moved, kink, here) in [
        (Loss::mean_absolute_error(), vec![0.0], 0, target, 0.0),
        (Loss::huber(0.6), vec![0.0], 0, target + 0.6, 0.6),
        (Loss::huber(0.6), vec![0.0], 0, target - 0.6, -0.6),
        (Loss::smooth_l1(0.6), vec![0.0], 0, target + 0.6, 1.0),
        (Loss::smooth_l1(0.6), vec![0.0], 0, target - 0.6, -1.0),
        (Loss::quantiles([0.1, 0.9]), vec![0.0, 0.0], 0, target, 0.0),
        (Loss::quantiles([0.1, 0.9]), vec![0.0, 0.0], 1, target, 0.0),
        (Loss::poisson(), vec![0.0], 0, 30.0, 30.0_f64.exp() - target),
        (Loss::gaussian(), vec![target + 1e-5, 0.0], 1, -30.0, 0.5 * (1.0 - 1e-10 * 30.0_f64.exp())),
    ] {
        let built = loss.build::<f64>().unwrap();
        let place = |side: f64| format!("{loss:?}, output {moved} at {kink} + {side:e}");
        let mut sides = Vec::new();
        for side in [-NEAR, NEAR] {
            let mut outputs = outputs.clone();
            outputs[moved] = kink + side;
            let report = check(&*built, &outputs, target);
            assert!(report.passed(), "{}\n{report}", place(side));
            let targets = array![[target]];
            let outputs = Array2::from_shape_vec((1, outputs.len()), outputs).unwrap();
            let mut taken = Vec::new();
            built.branches(outputs.view(), &Labels::new(targets.view()), &mut |side| taken.push(side));
            sides.push(taken);
        }
        assert_ne!(sides[0], sides[1], "{}: both sides of the kink are seen", place(0.0));

        let mut outputs = Array2::from_shape_vec((1, outputs.len()), outputs).unwrap();
        outputs[[0, moved]] = kink;
        let (targets, mut delta) = (array![[target]], Array2::zeros(outputs.dim()));
        built.value_and_delta(outputs.view(), &Labels::new(targets.view()), delta.view_mut());
        let found = delta[[0, moved]];
        assert!((found - here).abs() <= 1e-9 * here.abs().max(1.0), "{}: delta {found:e}", place(0.0));
    }
}

/// LambdaRank jumps where two scores change places: its delta is right between the jumps, however near.
#[test]
fn a_ranking_on_both_sides_of_a_tie() {
    let loss = Loss::lambda_rank().build::<f64>().unwrap();
    let targets = array![[0.0], [2.0], [3.0], [1.0]];
    let labels = Labels::new(targets.view());
    for apart in [-1e-7, 1e-7] {
        let scores = [0.3, 0.5, 0.5 + apart, -1.0];
        let report = gradcheck::check(&scores, |scores: &[f64], probe| {
            let outputs = ArrayView2::from_shape((4, 1), scores).expect("one column");
            let mut delta = Array2::zeros((4, 1));
            let value = loss.value_and_delta(outputs, &labels, delta.view_mut());
            loss.branches(outputs, &labels, &mut |side| probe.branch(side));
            if let Some(gradient) = probe.gradient() {
                gradient.copy_from_slice(delta.as_slice().expect("one column"));
            }
            value
        })
        .run();
        assert!(report.passed(), "{apart:e}\n{report}");
    }
}
