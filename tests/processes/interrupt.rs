//! A real Ctrl-C ends a training with the model so far, and the next training runs to its end.
#![cfg(unix)]

use std::io::Write;
use std::process::Command;

use polytask::prelude::*;
use polytask::train::callback::{Interrupt, each_step};
use std::ops::ControlFlow;

/// Says to a child that it is one.
const CHILD: &str = "POLYTASK_INTERRUPT_CHILD";

/// Not a test by itself: what `a_program_that_ignores_ctrl_c_trains_all_the_same` starts.
#[test]
fn the_child() {
    if std::env::var_os(CHILD).is_some() {
        let data = datasets::robot_arm::<f32>(200, 0.05, 1);
        let mut model = Model::builder(10).task(Task::regression("elbow")).build::<f32>().unwrap();
        let trainer = Trainer::new(Adam::new(0.01)).steps(30).callback(Interrupt::on_ctrl_c().unwrap());
        assert_eq!(trainer.fit(&mut model, &data).unwrap().n_steps(), 30);
    }
}

/// A shell script starts a program in the background with SIGINT ignored.
#[cfg(target_os = "linux")]
#[test]
fn a_program_that_ignores_ctrl_c_trains_all_the_same() {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' INT; exec \"$0\" --exact interrupt::the_child"])
        .arg(std::env::current_exe().unwrap());
    assert!(shell.env(CHILD, "").status().expect("a shell").success());
}

/// Whether this program was started with SIGINT ignored, as a script's background jobs are.
fn ignores_interrupts() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 0b10 != 0)
}

/// The only one that trains in this process: the signal is the whole process's.
#[test]
fn ctrl_c_ends_a_training_cleanly() {
    if ignores_interrupts() {
        // Past the capture of a test's output, so that it is seen.
        let skipped = "SKIPPED: the tests were started with SIGINT ignored, and so the library ignores it";
        return writeln!(std::io::stderr(), "{skipped}").expect("standard error");
    }
    let data = datasets::robot_arm::<f32>(200, 0.05, 1);
    let build = || Model::builder(10).task(Task::regression("elbow")).build::<f32>().unwrap();
    let press = each_step(|progress| {
        if progress.step == 10 {
            let id = std::process::id().to_string();
            assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
        }
        ControlFlow::Continue(())
    });
    let adam = || Trainer::new(Adam::new(0.01));
    let endless = adam().steps(u64::MAX / 2).callback(press).callback(Interrupt::on_ctrl_c().unwrap());
    let mut model = build();
    let begun = model.parameters().to_vec();
    let history =
        endless.callback(polytask::train::callback::Budget::time(std::time::Duration::from_secs(60)));
    let history = history.fit(&mut model, &data).unwrap();
    assert_eq!(history.stopped_by(), Some("interrupt"));
    assert_ne!(model.parameters(), begun);

    let again = adam().steps(30).callback(Interrupt::on_ctrl_c().unwrap());
    assert_eq!(again.fit(&mut build(), &data).unwrap().n_steps(), 30);
}
