//! What a check says when it cannot tell, when the function misbehaves, and how a report reads.

use std::cell::Cell;

use crate::gradcheck_net::{Activation, Batch, Bug, Net, SMALL};
use polytask::gradcheck::{self, Coverage, Fault, GradientReport, Probe, Uncertain, Verdict};
use polytask::{Layout, Scalar};

fn check<L: FnMut(&[f64], &mut Probe<'_, f64>) -> f64>(theta: &[f64], function: L) -> GradientReport {
    gradcheck::check(theta, function).run()
}

/// L = Σ xᵢ²/2, with the gradient changed by `spoil`.
fn bowl(theta: &[f64], probe: &mut Probe<'_, f64>, spoil: impl Fn(&mut [f64])) -> f64 {
    if let Some(gradient) = probe.gradient() {
        gradient.copy_from_slice(theta);
        spoil(gradient);
    }
    theta.iter().map(|x| 0.5 * x * x).sum()
}

#[test]
fn faults_before_differencing() {
    let theta = [1.0, 2.0, -3.0];
    let calls = Cell::new(0.0);
    let count = || {
        calls.set(calls.get() + 1.0);
        calls.get()
    };
    let fault = |report: GradientReport| {
        assert_eq!(report.verdict, Verdict::Fail);
        assert!(report.blocks.is_empty() && report.to_string().contains("FAILED before"), "{report}");
        report.fault.expect("a fault")
    };

    assert!(matches!(fault(check(&theta, |_, _| f64::INFINITY)), Fault::LossNotFinite { .. }));
    let drifting = fault(check(&theta, |theta, probe| bowl(theta, probe, |_| {}) + count()));
    assert!(matches!(drifting, Fault::LossNotRepeatable { .. }));
    let other = fault(check(&theta, |theta, probe| {
        let extra = if probe.gradient().is_some() { 1e-9 } else { 0.0 };
        bowl(theta, probe, |_| {}) + extra
    }));
    assert!(matches!(other, Fault::LossDependsOnGradient { .. }));
    let mut farthest = 0.0_f64;
    let remembers = fault(check(&theta, |theta, probe| {
        farthest = farthest.max((theta[0] - 1.0).abs());
        bowl(theta, probe, |_| {}) + farthest
    }));
    assert!(matches!(remembers, Fault::LossRemembers { .. }));
    let unsteady = fault(check(&theta, |theta, probe| bowl(theta, probe, |g| g[1] += 1e-9 * count())));
    assert!(matches!(unsteady, Fault::GradientNotRepeatable { ref name, .. } if name == "theta[1]"));
    let infinite = fault(check(&theta, |theta, probe| bowl(theta, probe, |g| g[2] = f64::INFINITY)));
    assert!(matches!(infinite, Fault::GradientNotFinite { ref name, count: 1, .. } if name == "theta[2]"));
    let nan = fault(check(&theta, |theta, probe| bowl(theta, probe, |g| g[2] = f64::NAN)));
    assert!(matches!(nan, Fault::GradientNotFinite { ref name, count: 1, .. } if name == "theta[2]"));
    let unwritten = fault(check(&theta, |theta, probe| {
        if let Some(gradient) = probe.gradient() {
            gradient[..2].copy_from_slice(&theta[..2]);
        }
        theta.iter().map(|x| 0.5 * x * x).sum()
    }));
    assert_eq!(unwritten, Fault::NotWritten { name: "theta[2]".into(), count: 1, of: 3 });
    let added = fault(check(&theta, |theta, probe| {
        if let Some(gradient) = probe.gradient() {
            gradient.iter_mut().zip(theta).for_each(|(d, x)| *d += x);
        }
        theta.iter().map(|x| 0.5 * x * x).sum()
    }));
    assert_eq!(added, Fault::AddedToRubbish { name: "theta[0]".into(), count: 3, of: 3 });
}

/// L = Σ |xᵢ|, telling of its kinks or keeping quiet.
fn absolute(theta: &[f64], probe: &mut Probe<'_, f64>, tells: bool) -> f64 {
    if tells {
        theta.iter().for_each(|&x| probe.kink(x));
    }
    if let Some(gradient) = probe.gradient() {
        gradient.iter_mut().zip(theta).for_each(|(d, x)| *d = x.signum());
    }
    theta.iter().map(|x| x.abs()).sum()
}

#[test]
fn a_kink_is_told_from_a_mistake() {
    for tells in [true, false] {
        let mut function = |theta: &[f64], probe: &mut Probe<'_, f64>| absolute(theta, probe, tells);
        let on = check(&[1.0, 0.0, -2.0], &mut function);
        assert_eq!(
            (on.verdict, on.blocks[0].uncertain),
            (Verdict::Inconclusive, Some(Uncertain::OnKink)),
            "{on}"
        );
        assert!(on.to_string().contains("theta lies on a kink"));
        assert_eq!(on.margin, tells.then_some(0.0));
        // A kink closer than the first step is stepped around, whichever side it is on.
        for near in [3e-8, -3e-8] {
            let beside = check(&[1.0, near, -2.0], &mut function);
            assert!(beside.passed(), "{beside}");
            assert!(beside.blocks[0].error < 1e-6, "{beside}");
        }
    }
    let within = check(&[1.0, 1e-12, -2.0], |theta, probe| absolute(theta, probe, true));
    assert_eq!(within.verdict, Verdict::Inconclusive, "{within}");
}

#[test]
fn a_mistake_larger_than_the_kink_fails_even_there() {
    let report = check(&[1.0, 0.0, -2.0], |theta, probe| {
        let loss = absolute(theta, probe, true);
        if let Some(gradient) = probe.gradient() {
            gradient[1] = 40.0;
        }
        loss
    });
    assert_eq!(report.verdict, Verdict::Fail);
    assert_eq!(report.blocks[0].worst.as_ref().unwrap().name, "theta[1]");
}

/// θ₀ + θ₁ by four rectifiers whose derivative at 0 is 0, times `factor` in the gradient.
fn rectifiers(theta: &[f64], probe: &mut Probe<'_, f64>, tells: bool, factor: f64) -> f64 {
    let z = [theta[0], -theta[0], theta[1], -theta[1]];
    if tells {
        z.into_iter().for_each(|z| probe.kink(z));
    }
    if let Some(gradient) = probe.gradient() {
        let on = z.map(|z| if z > 0.0 { factor } else { 0.0 });
        gradient.copy_from_slice(&[on[0] + on[1], on[2] + on[3]]);
    }
    z[0].max(0.0) - z[1].max(0.0) + z[2].max(0.0) - z[3].max(0.0)
}

/// At several kinks the slopes of the two sides are no bound on a right derivative: here they are 1, and it is 0.
#[test]
fn several_kinks_at_once_are_no_mistake_and_hide_none() {
    for (theta, on_kinks) in [([0.0, 0.0], 4), ([0.0, 0.7], 2), ([1e-12, -0.7], 2)] {
        for coverage in [Coverage::Every, Coverage::Directions(2)] {
            for tells in [true, false] {
                // Silent kinks so near are seen as on θ by the differences, and as beside it by the gradient by hand.
                let near_and_silent = !tells && theta[0] != 0.0;
                let check = |factor| {
                    gradcheck::check(&theta, move |theta, probe| rectifiers(theta, probe, tells, factor))
                        .coverage(coverage)
                };
                let right = check(1.0).run();
                if !near_and_silent {
                    let found = (right.verdict, right.blocks[0].uncertain);
                    assert_eq!(found, (Verdict::Inconclusive, Some(Uncertain::OnKink)), "{right}");
                    assert!(right.to_string().contains(".off_kinks()"), "{right}");
                }
                assert_eq!(right.on_kinks, if tells { on_kinks } else { 0 });
                let line = format!("smallest distance to a kink: 0, in {on_kinks} of 4 decisions");
                assert_eq!(right.to_string().contains(&line), tells, "{right}");
                let beside = check(1.0).off_kinks().run();
                assert!(beside.passed() && beside.moved.is_some(), "{beside}");

                for factor in [2.0, 1.01, -1.0, 0.0] {
                    for wrong in [check(factor).run(), check(factor).off_kinks().run()] {
                        assert_eq!(wrong.verdict, Verdict::Fail, "{factor}\n{wrong}");
                        // Where all entries lie on kinks, it is beside them that it is found.
                        let beside = wrong.to_string().contains(".off_kinks()");
                        assert!(beside || !tells || theta[1] != 0.0, "{wrong}");
                    }
                }
            }
        }
    }
}

#[test]
fn too_rough_is_not_a_pass() {
    // A loss rounded to single precision has noise of 1e-7 of its value, and is flat over shorter distances.
    let rounded = |offset: f64| {
        check(&[1.0, 2.0, -3.0], |theta, probe| f64::from((bowl(theta, probe, |_| {}) + offset) as f32))
    };
    let near = rounded(0.0);
    assert!(near.verdict != Verdict::Fail && near.blocks[0].resolution > 1e-4, "{near}");
    let far = rounded(1e4);
    assert_eq!(
        (far.verdict, far.blocks[0].uncertain),
        (Verdict::Inconclusive, Some(Uncertain::Rough)),
        "{far}"
    );
}

#[test]
fn what_was_not_tested_is_said() {
    let unused = |theta: &[f64], probe: &mut Probe<'_, f64>| {
        if let Some(gradient) = probe.gradient() {
            gradient.fill(0.0);
            gradient[0] = 2.0 * theta[0];
        }
        theta[0] * theta[0]
    };
    let mut layout = Layout::new();
    layout.push("used", 1, 1);
    layout.push("unused", 2, 2);
    let theta = [1.5, 1.0, 2.0, 3.0, 4.0];
    for coverage in [Coverage::Every, Coverage::Directions(3)] {
        let report = gradcheck::check(&theta, unused).named(&layout).coverage(coverage).run();
        assert_eq!(report.verdict, Verdict::Inconclusive, "{report}");
        assert_eq!(report.block("unused").unwrap().uncertain, Some(Uncertain::Zero));
        assert_eq!(report.block("used").unwrap().verdict, Verdict::Pass);
        assert_eq!((report.untested(), report.n_entries()), (4, 5));
        let allowed = gradcheck::check(&theta, unused).named(&layout).coverage(coverage).allow_zero().run();
        assert!(allowed.passed() && allowed.to_string().contains("untested: 4 of 5 entries"), "{allowed}");
        let only = gradcheck::check(&theta, unused).named(&layout).only("used").run();
        assert!(only.passed() && only.blocks.len() == 1, "{only}");
    }
    // A gradient that should not be 0 is a failure, not a doubt.
    let report = gradcheck::check(&theta, |theta, probe| bowl(theta, probe, |g| g[1..].fill(0.0)))
        .named(&layout)
        .run();
    assert_eq!(report.block("unused").unwrap().verdict, Verdict::Fail, "{report}");
}

/// Of many draws, no more errors may escape than the bound says; and the bound must not be idle.
#[test]
fn the_bound_on_missed_errors_holds() {
    let theta: Vec<f64> = (0..50).map(|i| (i as f64 * 0.7).sin() + 1.5).collect();
    let (mut missed, mut bound) = (0, 0.0);
    let draws = 400;
    for seed in 0..draws {
        // Two equal and opposite errors, which plain signs would miss in half of all directions.
        let spoil = |g: &mut [f64]| {
            g[3] += 1.5e-2;
            g[40] -= 1.5e-2;
        };
        let check = gradcheck::check(&theta, |theta, probe| bowl(theta, probe, spoil));
        let report = check.coverage(Coverage::Directions(1)).tolerance(4e-4).seed(seed).run();
        missed += usize::from(report.passed());
        let block = &report.blocks[0];
        bound += block.miss_probability(report.coverage, 1.5e-2 * 2.0_f64.sqrt() / block.norm);
    }
    assert!(missed > 0, "the test is too easy");
    // Three standard deviations of a count of that mean.
    assert!((missed as f64) < bound + 3.0 * bound.sqrt(), "{missed} missed, {bound} allowed");
    assert!(bound < 0.7 * draws as f64, "{bound}");
}

#[test]
fn seeds_reproduce() {
    let net = Net::new(SMALL, Activation::Tanh);
    let (theta, batch) = net.draw(5, 8);
    let run = |seed| {
        let check = gradcheck::check(&theta, |theta, probe| net.probe(theta, &batch, None, probe));
        let mut report = check.named(&net.layout).coverage(Coverage::Directions(2)).seed(seed).run();
        report.elapsed = std::time::Duration::ZERO;
        report
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).blocks, run(4).blocks);
}

#[test]
fn single_precision_is_compared_with_double() {
    let net = Net::new(SMALL, Activation::Tanh);
    let (theta, batch) = net.draw(5, 8);
    let single: Vec<f32> = theta.iter().map(|&x| x as f32).collect();
    let narrow = Batch {
        x: batch.x.mapv(|x| x as f32),
        price: batch.price.mapv(|y| y as f32),
        churn: batch.churn.clone(),
    };
    let run = |bug: Option<Bug>| {
        let narrow = |theta: &[f32], probe: &mut Probe<'_, f32>| net.probe(theta, &narrow, bug, probe);
        let wide = |theta: &[f64], probe: &mut Probe<'_, f64>| net.probe(theta, &batch, None, probe);
        gradcheck::compare(&single, narrow, wide).named(&net.layout).run()
    };
    let good = run(None);
    assert!(good.passed() && good.same_sides, "{good}");
    assert!(good.blocks.iter().all(|b| b.error < 1e-5 && b.ulps < 100.0), "{good}");
    // 1e-3 of an entry that carries most of its block's norm.
    let bad = run(Some(Bug::EntryOff(150, 1e-3)));
    assert!(!bad.passed(), "{bad}");
    assert_eq!(bad.blocks.iter().filter(|b| !b.passed).count(), 1);
    assert_eq!(bad.blocks[2].worst, net.layout.name_of(150));
    assert!(bad.to_string().lines().all(|line| line.chars().count() <= 80), "{bad}");
}

/// In `f32` finite differences see gross mistakes, and say how rough they are about the rest.
#[test]
fn single_precision_differences_are_not_trusted_far() {
    fn squares<F: Scalar>(theta: &[F], probe: &mut Probe<'_, F>, factor: f64) -> F {
        if let Some(gradient) = probe.gradient() {
            gradient.iter_mut().zip(theta).for_each(|(d, &x)| *d = F::from_f64(factor) * x);
        }
        theta.iter().map(|&x| x * x).sum()
    }
    let theta = [0.5_f32, -1.0, 2.0];
    let right = gradcheck::check(&theta, |theta, probe| squares(theta, probe, 2.0)).run();
    assert!(right.passed(), "{right}");
    assert!(right.to_string().contains("can escape in f32: check in f64"), "{right}");
    let wrong = gradcheck::check(&theta, |theta, probe| squares(theta, probe, 1.0)).run();
    assert_eq!(wrong.verdict, Verdict::Fail, "{wrong}");
}

#[test]
fn settings_are_checked() {
    let panics = |f: &dyn Fn()| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("a panic");
    };
    let start = || gradcheck::check(&[1.0, 2.0], |theta, probe| bowl(theta, probe, |_| {}));
    panics(&|| drop(start().tolerance(0.0)));
    panics(&|| drop(start().tolerance(f64::NAN)));
    panics(&|| drop(start().coverage(Coverage::Directions(0))));
    panics(&|| drop(start().batch(0)));
    panics(&|| drop(start().named(&Layout::new())));
    panics(&|| drop(start().only("no such block").run()));
}

/// The report without the errors of what passed, which are rounding and so differ between processors.
fn without_noise(report: &str) -> String {
    let quiet = |line: &str| match line.strip_suffix("  pass") {
        Some(row) => format!("{}.......{}  pass", &row[..row.len() - 15], &row[row.len() - 8..]),
        None => line.to_owned(),
    };
    report.lines().map(quiet).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_report_reads_like_this() {
    let net = Net::new(SMALL, Activation::Relu);
    let (theta, batch) = net.draw(1, 8);
    let text = |bug, coverage| {
        let check = gradcheck::check(&theta, |theta, probe| net.probe(theta, &batch, bug, probe));
        without_noise(&check.named(&net.layout).coverage(coverage).run().to_string())
    };
    let recorded = include_str!("gradcheck_reports.txt");
    let now = [
        text(None, Coverage::Auto),
        text(Some(Bug::ChurnInTrunk(0.0)), Coverage::Directions(2)),
        text(Some(Bug::EntryOff(17, 0.01)), Coverage::Directions(2)),
        text(Some(Bug::Accumulated(1)), Coverage::Auto),
    ]
    .join("\n\n----\n\n");
    if std::env::var_os("RECORD").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/gradcheck_reports.txt"), now + "\n")
            .unwrap();
    } else {
        assert_eq!(now.trim(), recorded.trim(), "record anew with RECORD=1, and read the difference\n{now}");
    }
}
