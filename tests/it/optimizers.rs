//! One table of optimisers, and what each of them promises.
//!
//! Witnesses: a slow obvious version below, written number by number as the papers print it; PyTorch and
//! TensorFlow (`golden/make_optimizers.py`); and properties that hold whatever the numbers are.

use polytask::optim::{
    Adam, AdamW, LazyAdam, Optimizer, Plateau, PlateauState, Rule, Schedule, Sgd, Step, global_norm,
    sum_of_squares,
};
use polytask::{ErrorKind, Scalar};
use serde_json::Value;

/// One rule with settings: a row of the table.
struct Row {
    name: &'static str,
    /// Its trajectory in `golden/optimizers.json`.
    golden: &'static str,
    rule: Box<dyn Rule>,
    obvious: Obvious,
    clip: Option<f64>,
    /// What the library that made the trajectory adds to a norm before it clips.
    added_to_norm: f64,
    schedule: Schedule,
}

/// Moves one θ by the rule: step, learning rate, gradient after clipping, what is remembered.
type Obvious = Box<dyn Fn(u64, f64, f64, &mut f64, &mut [f64; 2])>;

fn table() -> Vec<Row> {
    let row = |name, rule: Box<dyn Rule>, obvious| Row {
        name,
        golden: name,
        rule,
        obvious,
        clip: None,
        added_to_norm: 0.0,
        schedule: Schedule::constant(),
    };
    let adam = Adam::new(0.01);
    let other = Adam::new(0.01).betas(0.8, 0.95).epsilon(1e-4);
    let paper = || obvious_adam(0.9, 0.999, 1e-8, false);
    vec![
        row("adam", Box::new(adam), paper()),
        row(
            "adam other betas",
            Box::new(Adam::new(0.02).betas(0.8, 0.95).epsilon(1e-4)),
            obvious_adam(0.8, 0.95, 1e-4, false),
        ),
        row("adam weight decay", Box::new(adam.weight_decay(0.1)), coupled(0.1, paper())),
        row("adam epsilon hat", Box::new(adam.epsilon_hat()), obvious_adam(0.9, 0.999, 1e-8, true)),
        Row {
            clip: Some(0.5),
            ..row(
                "adam epsilon hat clipped",
                Box::new(other.epsilon_hat()),
                obvious_adam(0.8, 0.95, 1e-4, true),
            )
        },
        Row { clip: Some(0.5), added_to_norm: 1e-6, ..row("adam clipped", Box::new(adam), paper()) },
        Row { schedule: Schedule::cosine(1000, 0.1), ..row("adam cosine", Box::new(adam), paper()) },
        row("adamw", Box::new(AdamW::new(0.01)), decoupled(0.01, paper())),
        row(
            "adamw strong decay",
            Box::new(AdamW::new(0.02).betas(0.8, 0.95).weight_decay(0.5)),
            decoupled(0.5, obvious_adam(0.8, 0.95, 1e-8, false)),
        ),
        // Without a table it is Adam; with one, see lazy_adam.rs.
        Row { golden: "adam", ..row("lazyadam", Box::new(LazyAdam::new(0.01)), paper()) },
        Row {
            golden: "adam weight decay",
            ..row(
                "lazyadam weight decay",
                Box::new(LazyAdam::new(0.01).weight_decay(0.1)),
                coupled(0.1, paper()),
            )
        },
        Row {
            golden: "adam epsilon hat clipped",
            clip: Some(0.5),
            ..row(
                "lazyadam epsilon hat clipped",
                Box::new(LazyAdam::new(0.01).betas(0.8, 0.95).epsilon(1e-4).epsilon_hat()),
                obvious_adam(0.8, 0.95, 1e-4, true),
            )
        },
        row("sgd", Box::new(Sgd::new(1e-3)), obvious_sgd(0.0, false)),
        row(
            "sgd weight decay",
            Box::new(Sgd::new(1e-3).weight_decay(0.1)),
            coupled(0.1, obvious_sgd(0.0, false)),
        ),
        row("sgd momentum", Box::new(Sgd::new(1e-4).momentum(0.9)), obvious_sgd(0.9, false)),
        row("sgd nesterov", Box::new(Sgd::new(1e-4).nesterov(0.9)), obvious_sgd(0.9, true)),
        row(
            "sgd nesterov weight decay",
            Box::new(Sgd::new(1e-4).nesterov(0.7).weight_decay(0.1)),
            coupled(0.1, obvious_sgd(0.7, true)),
        ),
        Row {
            clip: Some(0.5),
            added_to_norm: 1e-6,
            ..row("sgd clipped", Box::new(Sgd::new(0.01)), obvious_sgd(0.0, false))
        },
    ]
}

fn obvious_adam(beta1: f64, beta2: f64, epsilon: f64, epsilon_hat: bool) -> Obvious {
    Box::new(move |t, alpha, g, theta, [m, v]| {
        let t = t as i32;
        *m = beta1 * *m + (1.0 - beta1) * g;
        *v = beta2 * *v + (1.0 - beta2) * g.powi(2);
        if epsilon_hat {
            let alpha_t = alpha * (1.0 - beta2.powi(t)).sqrt() / (1.0 - beta1.powi(t));
            *theta -= alpha_t * *m / (v.sqrt() + epsilon);
        } else {
            let (m_hat, v_hat) = (*m / (1.0 - beta1.powi(t)), *v / (1.0 - beta2.powi(t)));
            *theta -= alpha * m_hat / (v_hat.sqrt() + epsilon);
        }
    })
}

fn obvious_sgd(momentum: f64, nesterov: bool) -> Obvious {
    Box::new(move |_, alpha, g, theta, [u, _]| {
        *u = momentum * *u + g;
        *theta -= alpha * if nesterov { g + momentum * *u } else { *u };
    })
}

fn coupled(decay: f64, rule: Obvious) -> Obvious {
    Box::new(move |t, alpha, g, theta, memory| rule(t, alpha, g + decay * *theta, theta, memory))
}

fn decoupled(decay: f64, rule: Obvious) -> Obvious {
    Box::new(move |t, alpha, g, theta, memory| {
        *theta -= alpha * decay * *theta;
        rule(t, alpha, g, theta, memory);
    })
}

impl Row {
    fn optimizer<F: Scalar>(&self, n_parameters: usize) -> Optimizer<F> {
        let optimizer = Optimizer::from_rule(&*self.rule, n_parameters).unwrap();
        let optimizer = optimizer.schedule(self.schedule.clone()).unwrap();
        match self.clip {
            Some(max_norm) => optimizer.clip_norm(max_norm).unwrap(),
            None => optimizer,
        }
    }

    /// θ after each of `n_steps` steps on the problem, each step ended by `after`.
    fn run<F: Scalar>(&self, n_steps: usize, mut after: impl FnMut(usize, &mut Optimizer<F>)) -> Vec<[F; 5]> {
        let mut optimizer = self.optimizer(5);
        let (mut problem, mut theta) = (Problem::new(), Problem::START.map(F::from_f64));
        (1..=n_steps)
            .map(|t| {
                let gradient = problem.gradient(&theta);
                let step = optimizer.begin(Some(global_norm(&gradient) + self.added_to_norm));
                optimizer.update(&step, 0..5, &mut theta, &gradient);
                after(t, &mut optimizer);
                theta
            })
            .collect()
    }
}

/// The problem of `golden/make_optimizers.py`.
struct Problem {
    state: u64,
    step: usize,
}

impl Problem {
    const CURVATURE: [f64; 5] = [1.0, 1000.0, 1e-6, 1.0, 0.1];
    const TARGET: [f64; 5] = [3.0, 0.25, -2.0, 1.0, -0.5];
    const START: [f64; 5] = [1.0, -1.0, 0.5, 2.0, 0.0];

    fn new() -> Self {
        Self { state: 42, step: 0 }
    }

    fn gradient<F: Scalar>(&mut self, theta: &[F; 5]) -> [F; 5] {
        self.step += 1;
        std::array::from_fn(|i| {
            self.state = (1103515245 * self.state + 12345) % (1 << 31);
            let noise = self.state as f64 / f64::from(1 << 30) - 1.0;
            let silent = i == 3 && !(10..=100).contains(&self.step);
            let g = Self::CURVATURE[i] * (theta[i].to_f64() - Self::TARGET[i] + noise);
            F::from_f64(if silent { 0.0 } else { g })
        })
    }
}

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/optimizers.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

/// The same formula in another order of operations: about 1e-16 a step, over 1000 steps, on numbers near 1.
const SAME: f64 = 1e-12;

fn assert_same(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= SAME * b.abs().max(1.0), "{what} [{i}]: {a:e} for {b:e}");
    }
}

#[test]
fn every_rule_of_the_crate_has_a_row() {
    let mut found = 0;
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/optim")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let Some(rule) = line.strip_prefix("impl RuleSettings for ") else { continue };
            let debug = rule.replace('{', "{ ");
            let has_row = table().iter().any(|row| format!("{:?}", row.rule).starts_with(debug.trim_end()));
            assert!(has_row, "{rule} has no row");
            found += 1;
        }
    }
    assert_eq!(found, 4, "rules in src/optim");
}

#[test]
fn trajectories_are_those_of_pytorch_and_tensorflow() {
    let golden = golden();
    let trajectories = golden["trajectories"].as_object().unwrap();
    let has_row = |name: &String| table().iter().any(|row| row.golden == name);
    assert!(trajectories.keys().all(has_row), "each trajectory has its row");
    for row in table() {
        let found = row.run::<f64>(1000, |_, _| {});
        for (step, expected) in trajectories[row.golden].as_object().unwrap() {
            let t: usize = step.parse().unwrap();
            assert_same(&found[t - 1], &numbers(expected), &format!("{} at step {t}", row.name));
        }
    }
}

#[test]
fn trajectories_are_those_of_the_obvious_formula() {
    for row in table() {
        let found = row.run::<f64>(1000, |_, _| {});
        let (mut problem, mut theta, mut memory) = (Problem::new(), Problem::START, [[0.0; 2]; 5]);
        for t in 1..=1000 {
            let gradient = problem.gradient(&theta);
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt() + row.added_to_norm;
            let scale = row.clip.map_or(1.0, |max| (max / norm).min(1.0));
            let alpha = row.rule.learning_rate() * row.schedule.factor(t);
            for i in 0..5 {
                (row.obvious)(t, alpha, scale * gradient[i], &mut theta[i], &mut memory[i]);
            }
            assert_same(&found[t as usize - 1], &theta, &format!("{} at step {t}", row.name));
        }
    }
}

#[test]
fn single_precision_follows_double() {
    for row in table() {
        let (single, double) = (row.run::<f32>(100, |_, _| {}), row.run::<f64>(100, |_, _| {}));
        // Each step rounds numbers up to 3 by 1.2e-7 of themselves, and no rule here amplifies that.
        let tolerance = 100.0 * 3.0 * f64::from(f32::EPSILON);
        for (a, b) in single[99].iter().zip(double[99]) {
            assert!((a.to_f64() - b).abs() < tolerance, "{}: {a} for {b}", row.name);
        }
    }
}

#[test]
fn pieces_in_any_order_have_the_bits_of_the_whole() {
    fn check<F: Scalar>(row: &Row) {
        let gradient: Vec<F> = (0..67).map(|i| F::from_f64((f64::from(i) - 30.0) * 0.37)).collect();
        let (mut whole, mut cut) = (row.optimizer::<F>(67), row.optimizer::<F>(67));
        let mut theta = vec![F::ONE; 67];
        let mut theta_cut = theta.clone();
        for _ in 0..20 {
            whole.step(&mut theta, &gradient);
            let step = cut.begin(Some(global_norm(&gradient)));
            for range in [40..67, 0..1, 17..17, 1..40] {
                cut.update(&step, range.clone(), &mut theta_cut[range.clone()], &gradient[range]);
            }
        }
        assert_eq!(theta, theta_cut, "{}", row.name);
        assert_eq!((whole.moments(), whole.count()), (cut.moments(), 20), "{}", row.name);
    }
    for row in table() {
        check::<f32>(&row);
        check::<f64>(&row);
    }
}

#[test]
fn a_restored_optimiser_goes_on_as_if_never_stopped() {
    for row in table() {
        let straight = row.run::<f32>(60, |_, _| {});
        let stopped = row.run::<f32>(60, |t, optimizer| {
            if t == 25 {
                let mut fresh = row.optimizer(5);
                fresh.restore(optimizer.moments(), optimizer.count()).unwrap();
                *optimizer = fresh;
            }
        });
        assert_eq!(straight, stopped, "{}", row.name);
    }
}

#[test]
fn every_rule_finds_the_minimum_of_a_quadratic() {
    for row in table() {
        let mut optimizer = row.optimizer::<f64>(3);
        let mut theta = [5.0, -5.0, 0.0];
        for t in 0..3000 {
            // At a constant rate Adam may circle the minimum for ever, at the distance of a step.
            optimizer.scale_learning_rate(0.05 * 0.998_f64.powi(t) / row.rule.learning_rate());
            let gradient = [theta[0] - 1.0, 2.0 * (theta[1] + 1.0), 0.5 * (theta[2] - 2.0)];
            let step = optimizer.begin(Some(global_norm(&gradient)));
            // Weight decay moves the minimum.
            let step = Step { decay_scale: 0.0, ..step };
            optimizer.update(&step, 0..3, &mut theta, &gradient);
        }
        let distance = global_norm(&[theta[0] - 1.0, theta[1] + 1.0, theta[2] - 2.0]);
        assert!(distance < 1e-3, "{}: {distance:e} away", row.name);
    }
}

#[test]
fn settings_name_every_field_and_pass_their_own_check() {
    for row in table() {
        row.rule.check().unwrap();
        let settings = row.rule.settings();
        assert!(settings.contains(&("learning_rate", row.rule.learning_rate())), "{}", row.name);
        // `Adam { learning_rate: 0.01, .. }`: as many fields as colons.
        let debug = format!("{:?}", row.rule);
        assert_eq!(settings.len(), debug.matches(": ").count(), "{debug}");
        for (name, _) in settings {
            assert!(debug.contains(&format!("{name}: ")), "{name} in {debug}");
        }
        assert!(row.name.split(' ').next() == Some(row.rule.name()), "{}", row.name);
        let twin = (row.rule.build::<f32>(), row.rule.build::<f64>());
        assert_eq!(twin.0.settings(), twin.1.settings());
    }
}

#[test]
fn nothing_to_update_is_no_fault() {
    for row in table() {
        let mut optimizer = row.optimizer::<f32>(0);
        optimizer.step(&mut [], &[]);
        assert_eq!(optimizer.count(), 1);
    }
}

#[test]
fn the_first_step_of_adam_has_the_size_of_the_learning_rate() {
    let mut optimizer = Optimizer::<f64>::new(Adam::new(0.01), 4).unwrap();
    let mut theta = [0.0; 4];
    let gradient = [1e6, -1.0, 1e-3, 0.0];
    optimizer.step(&mut theta, &gradient);
    for (theta, g) in theta.iter().zip(gradient) {
        let expected = -0.01 * g / (g.abs() + 1e-8);
        assert!((theta - expected).abs() < 1e-16, "{theta} for {expected}");
    }
}

#[test]
fn what_a_silent_parameter_leaves_behind_is_forgotten() {
    for row in table().iter().filter(|row| row.rule.n_moments() > 0) {
        let mut optimizer = row.optimizer::<f32>(1);
        let mut theta = [0.0];
        optimizer.step(&mut theta, &[1.0]);
        for _ in 0..1000 {
            optimizer.step(&mut theta, &[0.0]);
            assert!(!optimizer.moments()[0][0].is_subnormal(), "{}", row.name);
        }
    }
}

#[test]
fn decay_can_be_left_out_of_a_piece() {
    let pairs: [(Box<dyn Rule>, Box<dyn Rule>); 4] = [
        (Box::new(Adam::new(0.1).weight_decay(0.3)), Box::new(Adam::new(0.1))),
        (Box::new(LazyAdam::new(0.1).weight_decay(0.3)), Box::new(LazyAdam::new(0.1))),
        (Box::new(AdamW::new(0.1)), Box::new(AdamW::new(0.1).weight_decay(0.0))),
        (Box::new(Sgd::new(0.1).weight_decay(0.3)), Box::new(Sgd::new(0.1))),
    ];
    for (with, without) in pairs {
        let mut theta = [[2.0_f32; 2]; 2];
        for (rule, theta) in [&with, &without].into_iter().zip(&mut theta) {
            let mut optimizer = Optimizer::from_rule(&**rule, 2).unwrap();
            let step = optimizer.begin(None);
            // λ θ is larger than this gradient and against it, so that even Adam's first step shows it.
            optimizer.update(&step, 0..1, &mut theta[..1], &[-0.1]);
            optimizer.update(&Step { decay_scale: 0.0, ..step }, 1..2, &mut theta[1..], &[-0.1]);
        }
        assert_eq!(theta[0][1], theta[1][1], "{with:?}");
        assert_ne!(theta[0][0], theta[1][0], "{with:?}");
    }
}

#[test]
fn clipping_keeps_the_direction_and_bounds_the_length() {
    let gradient: Vec<f64> = (0..100).map(|i| f64::from(i) - 50.0).collect();
    let norm = global_norm(&gradient);
    for max in [0.1 * norm, norm, 2.0 * norm] {
        let mut sgd = Optimizer::new(Sgd::new(1.0), 100).unwrap().clip_norm(max).unwrap();
        let mut theta = vec![0.0; 100];
        sgd.step(&mut theta, &gradient);
        let scale = if max < norm { 0.1 } else { 1.0 };
        let expected: Vec<f64> = gradient.iter().map(|g| -scale * g).collect();
        assert_same(&theta, &expected, "a clipped step");
    }
}

#[test]
fn the_norm_is_that_of_the_obvious_sum() {
    for n in [0, 1, 15, 16, 17, 1000] {
        let gradient: Vec<f32> = (0..n).map(|i| (i as f32).sin() * 1e15).collect();
        let sum: f64 = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum();
        // Sums of n squares in two orders differ by less than n roundings.
        assert!((sum_of_squares(&gradient) - sum).abs() <= n as f64 * f64::EPSILON * sum, "{n}");
        assert_eq!(global_norm(&gradient), sum_of_squares(&gradient).sqrt());
    }
    // Squares that overflow f32 do not overflow the norm.
    assert_eq!(global_norm(&[3e30_f32, 4e30]) as f32, 5e30);
    for at in 0..20 {
        let mut gradient = [1.0_f64; 20];
        gradient[at] = f64::NAN;
        assert!(global_norm(&gradient).is_nan());
        gradient[at] = f64::NEG_INFINITY;
        assert_eq!(global_norm(&gradient), f64::INFINITY);
    }
}

#[test]
fn a_gradient_that_is_not_finite_is_not_hidden() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut optimizer = Optimizer::new(Sgd::new(0.1), 2).unwrap().clip_norm(1.0).unwrap();
        let mut theta = [1.0, 1.0];
        optimizer.step(&mut theta, &[bad, 1.0]);
        assert!(theta[0].is_nan());
    }
}

#[test]
fn schedules_are_those_of_pytorch() {
    let schedules = [
        ("steps", Schedule::steps(7, 0.3)),
        ("exponential", Schedule::exponential(0.9)),
        ("cosine", Schedule::cosine(20, 0.1)),
        ("one cycle", Schedule::one_cycle(40)),
        ("one cycle with", Schedule::one_cycle_with(25, 0.5, 0.1, 0.005)),
        ("warm-up cosine", Schedule::cosine(20, 0.0).warm_up(5)),
    ];
    let golden = golden();
    assert_eq!(golden["schedules"].as_object().unwrap().len(), schedules.len());
    for (name, schedule) in schedules {
        schedule.check().unwrap();
        let expected = numbers(&golden["schedules"][name]);
        let found: Vec<f64> = (1..=expected.len() as u64).map(|t| schedule.factor(t)).collect();
        assert_same(&found, &expected, name);
    }
}

#[test]
fn schedules_stay_where_they_end() {
    for (schedule, end) in [
        (Schedule::constant(), 1.0),
        (Schedule::exponential(0.5), 0.0),
        (Schedule::cosine(20, 0.25).warm_up(3), 0.25),
        (Schedule::one_cycle_with(2, 0.1, 0.5, 0.125), 0.125),
        (Schedule::custom(|t| 1.0 / t as f64), 1.0 / u64::MAX as f64),
    ] {
        assert_eq!(schedule.factor(u64::MAX), end, "{schedule:?}");
        assert!((1..100).all(|t| (0.0..=1.0).contains(&schedule.factor(t))), "{schedule:?}");
    }
}

#[test]
fn a_plateau_is_that_of_pytorch_and_can_be_restored() {
    let golden = golden();
    let expected = numbers(&golden["plateau"]["scales"]);
    let new = || Plateau::new().factor(0.5).patience(2);
    let mut plateau = new();
    for (metric, expected) in numbers(&golden["plateau"]["metrics"]).into_iter().zip(expected) {
        assert_eq!(plateau.observe(metric), expected);
        let state = plateau.state();
        plateau = new();
        plateau.restore(state).unwrap();
    }
    // A negative metric gets better downwards too.
    let mut plateau = Plateau::new().threshold(0.1).patience(0);
    assert_eq!([-1.0, -1.2, -1.25].map(|x| plateau.observe(x)), [1.0, 1.0, 0.1]);
    // The scale never becomes 0.
    let mut plateau = Plateau::new().factor(1e-200).patience(0);
    assert!((0..5).all(|_| plateau.observe(f64::NAN) > 0.0));
}

#[test]
fn settings_out_of_range_are_errors() {
    let bad: [Box<dyn Rule>; 22] = [
        Box::new(Adam::new(f64::NAN)),
        Box::new(Adam::new(0.0)),
        Box::new(Adam::new(-0.1)),
        Box::new(Adam::new(f64::INFINITY)),
        Box::new(Adam::new(0.1).betas(1.0, 0.999)),
        Box::new(Adam::new(0.1).betas(0.9, -0.1)),
        Box::new(Adam::new(0.1).betas(0.9, f64::NAN)),
        Box::new(Adam::new(0.1).epsilon(0.0)),
        Box::new(Adam::new(0.1).epsilon(1e-50)),
        Box::new(Adam::new(0.1).weight_decay(-1.0)),
        Box::new(LazyAdam::new(0.0)),
        Box::new(LazyAdam::new(0.1).betas(0.9, 1.0)),
        Box::new(LazyAdam::new(0.1).epsilon(0.0)),
        Box::new(LazyAdam::new(0.1).weight_decay(f64::NAN)),
        Box::new(AdamW::new(f64::NAN)),
        Box::new(AdamW::new(0.1).betas(0.9, 1.5)),
        Box::new(AdamW::new(0.1).epsilon(f64::NAN)),
        Box::new(AdamW::new(0.1).weight_decay(f64::INFINITY)),
        Box::new(Sgd::new(0.0)),
        Box::new(Sgd::new(0.1).momentum(1.0)),
        Box::new(Sgd::new(0.1).nesterov(0.0)),
        Box::new(Sgd::new(0.1).weight_decay(f64::NAN)),
    ];
    for rule in bad {
        let error = Optimizer::<f32>::from_rule(&*rule, 3).expect_err(&format!("{rule:?}"));
        assert_eq!(error.kind(), ErrorKind::Setting, "{error}");
        assert!(error.to_string().starts_with(rule.name()), "{error}");
    }
    let optimizer = || Optimizer::<f32>::new(Adam::new(0.1), 3).unwrap();
    for max_norm in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(optimizer().clip_norm(max_norm).unwrap_err().kind(), ErrorKind::Setting);
    }
    for schedule in [
        Schedule::steps(0, 0.5),
        Schedule::steps(5, 0.0),
        Schedule::steps(5, 1.5),
        Schedule::exponential(f64::NAN),
        Schedule::cosine(0, 0.0),
        Schedule::cosine(10, -0.1),
        Schedule::one_cycle(1),
        Schedule::one_cycle_with(10, 1.0, 0.1, 0.1),
        Schedule::one_cycle_with(10, 0.5, 0.0, 0.1),
        Schedule::one_cycle_with(10, 0.5, 0.1, f64::NAN),
    ] {
        let debug = format!("{schedule:?}");
        assert_eq!(optimizer().schedule(schedule).expect_err(&debug).kind(), ErrorKind::Setting);
    }
    for plateau in [
        Plateau::new().factor(0.0),
        Plateau::new().factor(1.0),
        Plateau::new().threshold(f64::NAN),
        Plateau::new().least(2.0),
    ] {
        assert_eq!(plateau.check().expect_err(&format!("{plateau:?}")).kind(), ErrorKind::Setting);
    }
}

#[test]
fn a_state_that_does_not_fit_is_an_error_and_changes_nothing() {
    let mut adam = Optimizer::<f32>::new(Adam::new(0.1), 2).unwrap();
    adam.step(&mut [0.0, 0.0], &[1.0, 2.0]);
    let before = adam.moments().map(<[f32]>::to_vec);
    let bad: [([&[f32]; 2], ErrorKind); 3] = [
        ([&[1.0], &[1.0, 1.0]], ErrorKind::Shape),
        ([&[1.0, 1.0], &[]], ErrorKind::Shape),
        ([&[1.0, 1.0], &[1.0, f32::NAN]], ErrorKind::Value),
    ];
    for (moments, kind) in bad {
        assert_eq!(adam.restore(moments, 7).unwrap_err().kind(), kind);
        assert_eq!((adam.moments().map(<[f32]>::to_vec), adam.count()), (before.clone(), 1));
    }
    let moments = [&before[0][..], &before[1][..]];
    assert_eq!(adam.clone().restore(moments, u64::MAX).unwrap_err().kind(), ErrorKind::Value);
    let mut plateau = Plateau::new();
    plateau.restore(PlateauState { best: 1.0, waited: u64::MAX, scale: 1.0 }).unwrap();
    assert_eq!(plateau.observe(1.0), 0.1);
    for scale in [0.0, -1.0, 2.0, f64::NAN] {
        let state = PlateauState { best: 1.0, waited: 0, scale };
        assert_eq!(Plateau::new().restore(state).unwrap_err().kind(), ErrorKind::Value);
    }
}

#[test]
#[should_panic(expected = "2 numbers of θ and 3 of the gradient")]
fn a_gradient_of_another_length_panics() {
    Optimizer::<f32>::new(Sgd::new(0.1), 2).unwrap().step(&mut [0.0; 2], &[0.0; 3]);
}

#[test]
#[should_panic(expected = "clipping needs the norm")]
fn clipping_without_a_norm_panics() {
    Optimizer::<f32>::new(Sgd::new(0.1), 2).unwrap().clip_norm(1.0).unwrap().begin(None);
}
