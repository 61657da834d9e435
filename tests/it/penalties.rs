//! Terms of the objective that depend on θ alone: added once per step, after the tasks are weighed, and told apart from
//! them everywhere.

use polytask::balance::{Balance, GradDrop, UpGrad, Weights};
use polytask::data::Dataset;
use polytask::gradcheck::Verdict;
use polytask::layer::Mode;
use polytask::penalty::{BuildPenalty, Penalty, PenaltyFunction};
use polytask::prelude::*;
use polytask::train::callback::each_step;
use polytask::train::{Checkpoints, Progress};
use polytask::{ErrorKind, Layout, Result, Scalar};
use std::ops::ControlFlow;

fn data() -> Dataset<f64> {
    datasets::robot_arm::<f64>(96, 0.05, 3)
}

fn builder(sharing: Sharing) -> polytask::ModelBuilder {
    let builder = Model::builder(10).sharing(sharing).task(Task::regression("shoulder").weight(0.7));
    builder.task(Task::regression("elbow").weight(1.3)).seed(4)
}

fn trunk() -> [Layer; 1] {
    [Layer::dense(6, Activation::Tanh)]
}

/// What a penalty adds to the gradient of a step.
fn added(with: &Model<f64>, without: &[f64], gradient: &[f64]) -> f64 {
    let mut expected = without.to_vec();
    with.network().add_penalty_gradient(with.parameters(), &mut expected);
    expected.iter().zip(gradient).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The first step's gradient, by a run.
fn gradient(builder: &polytask::ModelBuilder, trainer: &Trainer, data: &Dataset<f64>) -> Vec<f64> {
    let model = builder.build::<f64>().unwrap();
    let mut run = trainer.start(&model, data).unwrap();
    let mut workspace = run.workspace(&model, None);
    run.gradient(&model, &data.all(), &mut workspace).unwrap();
    workspace.gradient().to_vec()
}

/// Whole, in six parts, balanced by gradients or along a direction: it is added once, and to what is balanced.
#[test]
fn a_penalty_is_added_once_whatever_becomes_of_the_tasks() {
    let data = data();
    let (plain, penalised) = (
        builder(Sharing::shared_trunk(trunk())),
        builder(Sharing::shared_trunk(trunk())).penalty(Penalty::l2("*.weight", 0.3)),
    );
    let model = penalised.build::<f64>().unwrap();
    let sgd = || Trainer::new(Sgd::new(0.01)).batch_size(96).in_order();
    for (name, trainer) in [
        ("whole", sgd()),
        ("in six parts", sgd().batch_size(16).accumulate(6)),
        ("balanced", sgd().balance(UpGrad::new())),
        ("along a direction", sgd().aggregate(GradDrop::new(1))),
    ] {
        let [without, with] = [&plain, &penalised].map(|builder| gradient(builder, &trainer, &data));
        assert!(added(&model, &without, &with) < 1e-15, "{name}");
        assert!(without.iter().zip(&with).any(|(a, b)| (a - b).abs() > 1e-3), "{name}: nothing was added");
        let [one, two] = [&plain, &penalised].map(|builder| {
            let mut model = builder.build::<f64>().unwrap();
            trainer.clone().steps(1).fit(&mut model, &data).unwrap()
        });
        assert_eq!(one.losses(), two.losses(), "{name}");
        assert_eq!(one.weights(), two.weights(), "{name}: the tasks are weighed without it");
        assert!(one.penalty().is_none() && two.penalty().unwrap()[0] == model.penalty(), "{name}");
    }
}

/// SGD with the penalty ½ λ ‖θ‖² is SGD with the weight decay λ.
#[test]
fn l2_is_the_weight_decay_of_sgd() {
    let data = data();
    let mut decayed = builder(Sharing::shared_trunk(trunk())).build::<f64>().unwrap();
    let mut penalised =
        builder(Sharing::shared_trunk(trunk())).penalty(Penalty::l2("*", 0.05)).build::<f64>().unwrap();
    let sgd = Sgd::new(0.05).momentum(0.9);
    Trainer::new(sgd.weight_decay(0.05)).steps(60).fit(&mut decayed, &data).unwrap();
    Trainer::new(sgd).steps(60).fit(&mut penalised, &data).unwrap();
    let pairs = decayed.parameters().iter().zip(penalised.parameters());
    // 60 steps that round differently, each by about 1e-16.
    assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-12));
}

/// No tie is a trunk for each task to the bit; a strong one makes the trunks one.
#[test]
fn the_tie_goes_from_independent_trunks_to_one() {
    let data = data();
    let trained = |sharing: Sharing, steps: u64| {
        let mut model = builder(sharing).build::<f64>().unwrap();
        Trainer::new(Sgd::new(0.01)).steps(steps).fit(&mut model, &data).unwrap();
        model
    };
    let independent = trained(Sharing::independent(trunk()), 50);
    assert_eq!(trained(Sharing::soft(0.0, trunk()), 50).parameters(), independent.parameters());
    let one = trained(Sharing::soft(40.0, trunk()), 200);
    let n = one.network().layout().block("trunk.elbow.0.weight").unwrap().range().start;
    let (shoulder, elbow) = one.parameters()[..2 * n].split_at(n);
    // Where they come to rest they are apart by the difference of the tasks' gradients over λ K = 80.
    assert!(shoulder.iter().zip(elbow).all(|(a, b)| (a - b).abs() < 0.05));
    let (shoulder, elbow) = independent.parameters()[..2 * n].split_at(n);
    assert!(shoulder.iter().zip(elbow).any(|(a, b)| (a - b).abs() > 0.5));
    assert_eq!(one.network().layout().n_shared(), 0);
}

/// The tie of three trunks against its definition over pairs.
#[test]
fn the_tie_is_the_sum_over_pairs() {
    let model = builder(Sharing::soft(0.8, trunk())).task(Task::regression("wrist")).build::<f64>().unwrap();
    let n = 10 * 6 + 6;
    let trunks: Vec<&[f64]> = model.parameters()[..3 * n].chunks(n).collect();
    let mut expected = (0.0, vec![0.0; model.n_parameters()]);
    for a in 0..3 {
        for b in (0..3).filter(|&b| b != a) {
            for i in 0..n {
                let apart = trunks[a][i] - trunks[b][i];
                // Every pair is met twice.
                expected.0 += 0.5 * 0.8 * apart * apart / 2.0;
                expected.1[a * n + i] += 0.8 * apart;
            }
        }
    }
    let mut found = vec![0.0; model.n_parameters()];
    model.network().add_penalty_gradient(model.parameters(), &mut found);
    assert!((model.penalty() - expected.0).abs() < 1e-12 * expected.0);
    assert!(found.iter().zip(&expected.1).all(|(a, b)| (a - b).abs() < 1e-13));
    assert!(model.summary().contains("\npenalty: the tie of soft sharing, now "), "{}", model.summary());
}

/// `Ω = λ Σ θ⁴` of one block, with a gradient of which the caller says how wrong it is.
#[derive(Debug, Clone)]
struct Quartic {
    block: &'static str,
    factor: f64,
}

#[derive(Debug)]
struct BuiltQuartic(polytask::Block, f64);

impl<F: Scalar> BuildPenalty<F> for Quartic {
    fn build(&self, layout: &Layout) -> Result<Box<dyn PenaltyFunction<F>>> {
        Ok(Box::new(BuiltQuartic(layout.block(self.block).expect("a block"), self.factor)))
    }
}

impl<F: Scalar> PenaltyFunction<F> for BuiltQuartic {
    fn name(&self) -> &str {
        "quartic"
    }
    fn value(&self, theta: &[F]) -> f64 {
        theta[self.0.range()].iter().map(|x| x.to_f64().powi(4)).sum()
    }
    fn add_gradient(&self, theta: &[F], gradient: &mut [F]) {
        let range = self.0.range();
        let factor = F::from_f64(4.0 * self.1);
        gradient[range.clone()].iter_mut().zip(&theta[range]).for_each(|(g, &x)| *g += factor * x.powi(3));
    }
}

#[test]
fn a_planted_mistake_is_found_in_the_penalty() {
    for sharing in [Sharing::shared_trunk(trunk()), Sharing::soft(0.2, trunk())] {
        let is_tied = matches!(sharing, Sharing::SoftSharing(_));
        let block = if is_tied { "trunk.elbow.0.weight" } else { "trunk.0.weight" };
        let check = |factor: f64| {
            let penalty = Penalty::custom(Quartic { block, factor });
            let model = builder(sharing.clone()).penalty(penalty).build::<f64>().unwrap();
            model.check_gradients(&data().batch(&[0, 1, 2, 3, 4])).unwrap()
        };
        let right = check(1.0);
        assert!(right.passed(), "{right}");
        assert_eq!(right.penalties.len(), 1 + usize::from(is_tied));
        for factor in [0.0, -1.0, 2.0] {
            let wrong = check(factor);
            assert_eq!(wrong.sum.verdict, Verdict::Fail, "{wrong}");
            assert!(wrong.tasks.iter().all(|(_, report)| report.passed()), "{wrong}");
            let (name, report) = wrong.penalties.last().unwrap();
            let blamed: Vec<_> = report.failed().map(|block| block.name.as_str()).collect();
            assert_eq!((name.as_str(), blamed), ("quartic", vec![block]), "{wrong}");
            assert!(wrong.penalties[..wrong.penalties.len() - 1].iter().all(|(_, other)| other.passed()));
            assert!(wrong.to_string().contains("A mistake is in the penalty quartic"), "{wrong}");
        }
    }
}

#[test]
fn a_penalty_that_is_not_finite_ends_the_training_where_it_was() {
    let penalty = Penalty::custom(Quartic { block: "trunk.0.weight", factor: 1.0 });
    let mut model = builder(Sharing::shared_trunk(trunk())).penalty(penalty).build::<f64>().unwrap();
    model.parameters_mut()[0] = 1e100;
    let before = model.parameters().to_vec();
    let error = Trainer::new(Sgd::new(0.01)).steps(3).fit(&mut model, &data()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Value);
    assert!(error.to_string().starts_with("penalty quartic at step 1: expected a finite number"), "{error}");
    assert_eq!(model.parameters(), before);
}

#[test]
fn settings_of_no_use_say_why() {
    let refused = |builder: polytask::ModelBuilder, kind: ErrorKind, words: &[&str]| {
        let error = builder.build::<f32>().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        words.iter().for_each(|word| assert!(error.to_string().contains(word), "{error}"));
    };
    let shared = || builder(Sharing::shared_trunk(trunk()));
    for strength in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
        let l2 = shared().penalty(Penalty::l2("*", strength));
        refused(l2, ErrorKind::Setting, &["strength of L2 of \"*\"", "at least 0 within the range of f32"]);
        let soft = builder(Sharing::soft(strength, trunk()));
        refused(soft, ErrorKind::Setting, &["strength of the tie of soft sharing", "at least 0"]);
    }
    let unknown = shared().penalty(Penalty::l2("tronk.*", 0.1));
    refused(unknown, ErrorKind::Name, &["L2 of \"tronk.*\"", "trunk.0.weight", "none that matches"]);
    let empty = builder(Sharing::soft(0.1, Vec::<Layer>::new()));
    refused(empty, ErrorKind::Setting, &["layers of soft sharing", "nothing to tie"]);
    let soft = builder(Sharing::soft(0.1, trunk())).build::<f64>().unwrap();
    let error =
        Trainer::new(Sgd::new(0.1)).balance(UpGrad::new().every(2)).start(&soft, &data()).unwrap_err();
    assert!(error.to_string().contains("parameters that tasks share"), "{error}");
}

/// Values in the history, in its files, in what callbacks are shown, and after a resume.
#[test]
fn the_penalty_is_reported_apart() {
    let data = data();
    let build = || builder(Sharing::soft(0.2, trunk())).penalty(Penalty::l2("head.*", 0.1)).build().unwrap();
    let folder = std::env::temp_dir().join(format!("polytask-penalties-{}", std::process::id()));
    let trainer =
        Trainer::new(Adam::new(0.01)).steps(8).checkpoint(Checkpoints::new(&folder)).resume_from(&folder);
    let mut whole: Model<f64> = build();
    let seen = |at: &Progress<'_>| {
        assert!(at.penalty.is_some_and(|penalty| penalty > 0.0), "{:?}", at.penalty);
        ControlFlow::Continue(())
    };
    let expected =
        Trainer::new(Adam::new(0.01)).steps(8).callback(each_step(seen)).fit(&mut whole, &data).unwrap();
    trainer.clone().steps(5).fit(&mut build(), &data).unwrap();
    let mut resumed: Model<f64> = build();
    let history = trainer.fit(&mut resumed, &data).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(resumed.parameters(), whole.parameters());
    assert_eq!(history.penalty(), expected.penalty());
    assert_eq!(history.penalty().unwrap().len(), 8);
    let (mut csv, mut json) = (Vec::new(), Vec::new());
    history.write_csv(&mut csv).unwrap();
    history.write_json(&mut json).unwrap();
    let (csv, json): (_, serde_json::Value) =
        (String::from_utf8(csv).unwrap(), serde_json::from_slice(&json).unwrap());
    let header = "step,loss.shoulder,loss.elbow,weight.shoulder,weight.elbow,penalty,validation.shoulder";
    assert!(csv.starts_with(header), "{csv}");
    assert_eq!(json["penalty"][7], history.penalty().unwrap()[7]);
    // Evaluation is of predictions, so it is without.
    let report = whole.evaluate(&data).unwrap();
    let losses = 0.7 * report["shoulder"].loss + 1.3 * report["elbow"].loss;
    assert!((report.total_loss() - losses).abs() < 1e-12);
}

#[test]
fn a_penalty_is_saved_and_cast_with_the_model() {
    let build = |sharing| builder(sharing).penalty(Penalty::l2("*.weight", 0.1)).build::<f64>().unwrap();
    for model in [build(Sharing::soft(0.2, trunk())), build(Sharing::shared_trunk(trunk()))] {
        let loaded = Model::<f64>::from_bytes(&model.to_bytes().unwrap()).unwrap();
        assert_eq!(loaded.penalty(), model.penalty());
        assert_eq!(loaded.network().penalties().len(), model.network().penalties().len());
        let single = model.cast::<f32>().unwrap();
        assert!((single.penalty() - model.penalty()).abs() < 1e-5 * model.penalty());
    }
    let plain = builder(Sharing::shared_trunk(trunk())).build::<f64>().unwrap();
    let text = String::from_utf8_lossy(&plain.to_bytes().unwrap()).into_owned();
    assert!(!text.contains("penalt"), "a file without one is as before");
}

/// A network alone says what of the objective its backward is of: the tasks' losses.
#[test]
fn backward_of_the_network_is_without_it() {
    let data = data();
    let model = builder(Sharing::soft(0.5, trunk())).build::<f64>().unwrap();
    let (mut trace, mut by_network) = (model.trace(96), vec![f64::NAN; model.n_parameters()]);
    let mut by_model = by_network.clone();
    model.forward(&data.all(), &mut trace).unwrap();
    model.backward(&mut trace, &Weights::ones(2), &mut by_model);
    model.forward(&data.all(), &mut trace).unwrap();
    model.network().backward(&model.pass(Mode::Train), &mut trace, &Weights::ones(2), &mut by_network);
    assert!(added(&model, &by_network, &by_model) == 0.0 && by_network != by_model);
}

/// By hand for two small blocks, and at their kinks.
#[test]
fn the_lassos_have_the_values_and_gradients_of_their_formulas() {
    let build = |penalty: Penalty| {
        let builder =
            Model::builder(2).trunk([Layer::dense(2, Activation::Tanh)]).task(Task::regression("y"));
        let mut model = builder.penalty(penalty).build::<f64>().unwrap();
        model.parameters_mut()[..4].copy_from_slice(&[3.0, -4.0, 0.0, 0.0]);
        let mut gradient = vec![0.0; model.n_parameters()];
        model.network().add_penalty_gradient(model.parameters(), &mut gradient);
        assert!(gradient[4..].iter().all(|g| *g == 0.0), "of no other block");
        (model.penalty(), gradient[..4].to_vec())
    };
    assert_eq!(build(Penalty::l1("trunk.0.weight", 0.5)), (3.5, vec![0.5, -0.5, 0.0, 0.0]));
    let (value, gradient) = build(Penalty::group_lasso("trunk.0.weight", 0.5));
    let root = 2.0_f64.sqrt();
    assert!((value - 0.5 * root * 5.0).abs() < 1e-12, "{value}");
    for (found, expected) in gradient.iter().zip([0.3 * root, -0.4 * root, 0.0, 0.0]) {
        assert!((found - expected).abs() < 1e-12, "{gradient:?}");
    }
}

#[test]
fn the_lassos_agree_with_differences_and_say_where_their_kinks_are() {
    let data = data();
    for penalty in [Penalty::l1("*.weight", 0.3), Penalty::group_lasso("trunk.0.weight", 0.3)] {
        let builder = builder(Sharing::shared_trunk(trunk())).penalty(penalty.clone());
        let mut model = builder.build::<f64>().unwrap();
        let checks = model.check_gradients(&data.batch(&[0, 1, 2, 3, 4])).unwrap();
        assert!(checks.passed(), "{penalty:?}: {checks}");
        model.parameters_mut().fill(0.0);
        let checks = model.gradient_check(&data.batch(&[0, 1, 2, 3, 4])).allow_zero().run().unwrap();
        // A length grows alike on both sides of its kink, and the differences there are 0 as well.
        let expected =
            if matches!(penalty, Penalty::L1 { .. }) { Verdict::Inconclusive } else { Verdict::Pass };
        assert_eq!(checks.penalties[0].1.verdict, expected, "{penalty:?}: {checks}");
        let bytes = builder.build::<f64>().unwrap().to_bytes().unwrap();
        let loaded = Model::<f64>::from_bytes(&bytes).unwrap();
        assert_eq!(loaded.penalty(), builder.build::<f64>().unwrap().penalty());
        for strength in [-0.1, f64::NAN, f64::INFINITY] {
            let penalty = match penalty {
                Penalty::L1 { .. } => Penalty::l1("*.weight", strength),
                _ => Penalty::group_lasso("*.weight", strength),
            };
            let error = builder.clone().penalty(penalty).build::<f64>().unwrap_err();
            assert!(
                error.kind() == ErrorKind::Setting && error.to_string().contains("strength of"),
                "{error}"
            );
        }
    }
}

/// A feature that says nothing loses its weights to the group lasso, and one that says all keeps them.
#[test]
fn the_group_lasso_shuts_useless_features_out() {
    let x = ndarray::Array2::from_shape_fn((200, 2), |(i, j)| ((i * 3 + j) as f64 * [0.7, 1.9][j]).sin());
    let y = ndarray::Array2::from_shape_fn((200, 1), |(i, _)| 2.0 * x[[i, 0]]);
    let data = Dataset::new(x, y).unwrap().with_target_names(["y"]).unwrap();
    let length_of_rows = |penalty: Option<Penalty>| {
        let builder = Model::builder(2).trunk(trunk()).task(Task::regression("y")).seed(2);
        let builder = match penalty {
            Some(penalty) => builder.penalty(penalty),
            None => builder,
        };
        let mut model = builder.build::<f64>().unwrap();
        Trainer::new(Adam::new(0.005)).batch_size(50).epochs(300).fit(&mut model, &data).unwrap();
        let weight = model.network().layout().block("trunk.0.weight").unwrap();
        let weight = weight.of(model.parameters()).to_owned();
        [0, 1].map(|j| weight.row(j).dot(&weight.row(j)).sqrt())
    };
    let (plain, grouped) =
        (length_of_rows(None), length_of_rows(Some(Penalty::group_lasso("trunk.0.weight", 0.05))));
    assert!(grouped[1] < 0.2 * grouped[0] && plain[1] > 0.5 * plain[0], "{plain:?} {grouped:?}");
}
