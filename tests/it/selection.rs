//! DSelect-k: shares that are exactly 0 or 1 once decided, and what regularises them.

use polytask::data::Dataset;
use polytask::prelude::*;
use polytask::sharing::DSelectK;

const EXPERTS: usize = 5;

fn model(entropy: f64) -> Model<f64> {
    let form = DSelectK::new(EXPERTS, 2, [Layer::dense(6, Activation::Tanh)]).entropy(entropy);
    let builder = Model::builder(10).sharing(form.into()).task(Task::regression("shoulder"));
    builder.task(Task::regression("elbow")).seed(3).build().expect("valid settings")
}

fn data() -> Dataset<f64> {
    datasets::robot_arm::<f64>(200, 0.05, 3)
}

fn range(model: &Model<f64>, block: &str) -> std::ops::Range<usize> {
    model.network().layout().block(block).expect("a block").range()
}

/// Both selectors of `task` choose these experts.
fn decide(model: &mut Model<f64>, task: &str, experts: [usize; 2]) {
    let codes = range(model, &format!("gate.{task}.codes"));
    let digit = |at: usize| if experts[at / 3] >> (at % 3) & 1 == 1 { 0.6 } else { -0.6 };
    model.parameters_mut()[codes].iter_mut().enumerate().for_each(|(at, z)| *z = digit(at));
}

/// A task whose digits are decided reads the experts that they number and no other, and leaves the digits as they are.
#[test]
fn decided_shares_are_exactly_0_elsewhere() {
    let (data, mut model) = (data(), model(0.1));
    decide(&mut model, "shoulder", [4, 1]);
    decide(&mut model, "elbow", [2, 2]);
    let before = model.predict(data.features()).unwrap();
    for expert in 0..EXPERTS {
        let mut other = model.clone();
        let weight = range(&model, &format!("expert.{expert}.0.weight"));
        other.parameters_mut()[weight].iter_mut().for_each(|w| *w = 7.0 * *w + 1.0);
        let after = other.predict(data.features()).unwrap();
        for (task, reads) in [("shoulder", [1, 4].contains(&expert)), ("elbow", expert == 2)] {
            assert_eq!(before[task] != after[task], reads, "{task}, expert {expert}");
        }
    }
    // Nothing is undecided: no entropy, and each of four selectors has all of its mass on experts.
    assert_eq!(model.penalty(), 4.0);
    let codes = model.parameters()[range(&model, "gate.elbow.codes")].to_vec();
    Trainer::new(Sgd::new(0.05)).steps(30).fit(&mut model, &data).unwrap();
    assert_eq!(model.parameters()[range(&model, "gate.elbow.codes")], codes);
}

/// The value by its definition, over all numbers, for digits between.
#[test]
fn the_penalty_is_its_definition() {
    let mut model = model(0.3);
    let (mut expected, mut seen) = (0.0, 0);
    for task in ["shoulder", "elbow"] {
        let codes = range(&model, &format!("gate.{task}.codes"));
        for (i, at) in codes.enumerate() {
            model.parameters_mut()[at] = 0.3 * (i as f64 * 1.3 + 0.2).sin();
        }
        let codes = &model.parameters()[range(&model, &format!("gate.{task}.codes"))];
        for codes in codes.chunks(3) {
            let step = |t: f64| 0.5 + 1.5 * t - 2.0 * t.powi(3);
            let single = |e: usize| {
                let digits = codes.iter().enumerate();
                digits.map(|(b, &z)| if e >> b & 1 == 1 { step(z) } else { 1.0 - step(z) }).product::<f64>()
            };
            expected -= 0.3 * (0..8).map(|e| single(e) * single(e).ln()).sum::<f64>();
            expected += 1.0 / (0..EXPERTS).map(single).sum::<f64>();
            seen += 1;
        }
    }
    assert_eq!(seen, 4);
    assert!((model.penalty() - expected).abs() < 1e-12 * expected, "{} {expected}", model.penalty());
}

/// The stronger the penalty, the more is decided.
#[test]
fn entropy_presses_for_decisions() {
    let data = data();
    let undecided = |entropy: f64| {
        let mut model = model(entropy);
        Trainer::new(Adam::new(0.01)).steps(400).fit(&mut model, &data).unwrap();
        let codes = ["shoulder", "elbow"].map(|task| range(&model, &format!("gate.{task}.codes")));
        codes.into_iter().flatten().filter(|&at| model.parameters()[at].abs() < 0.5).count()
    };
    assert!(undecided(1.0) == 0 && undecided(1e-6) > 0, "{} {}", undecided(1.0), undecided(1e-6));
}
