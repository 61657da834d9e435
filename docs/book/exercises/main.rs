//! Tells which of your answers to the book's exercises are right.
//!
//! ```text
//! cargo run -p exercises
//! cargo run -p exercises -- cosine                 one of them
//! cargo run -p exercises --features solutions      judges the book's solutions instead
//! ```

#[cfg(feature = "solutions")]
#[path = "solutions.rs"]
mod answers;
#[macro_use]
mod checks;
#[cfg(not(feature = "solutions"))]
#[path = "yours.rs"]
mod answers;

use std::process::{Command, ExitCode};

use checks::{Check, Outcome, outcome};

fn main() -> ExitCode {
    let checks: Vec<Check> = checks_of!(answers);
    if let Some(name) = std::env::args().nth(1) {
        return one(&checks, &name);
    }
    // A process for each: an answer that calls itself for ever ends its own and no other.
    let program = std::env::current_exe().expect("this program");
    let mut right = 0;
    for (name, _) in &checks {
        let child = Command::new(&program).arg(name).output().expect("this program once more");
        let said = String::from_utf8_lossy(&child.stdout);
        right += usize::from(child.status.success());
        match said.is_empty() {
            true => println!("{name:<28}wrong: it never comes back; does it call itself for ever?"),
            false => print!("{said}"),
        }
    }
    println!("\n{right} of {} right", checks.len());
    ExitCode::SUCCESS
}

/// Judges one answer; fails unless it is right.
fn one(checks: &[Check], name: &str) -> ExitCode {
    std::panic::set_hook(Box::new(|_| {})); // what is wrong is printed below, in one line
    let Some(check) = checks.iter().find(|check| check.0 == name) else {
        eprintln!("no exercise is called {name}");
        return ExitCode::FAILURE;
    };
    let outcome = outcome(check);
    let text = match &outcome {
        Outcome::Right => "right",
        Outcome::ToDo => "still to do",
        Outcome::Wrong(what) => &format!("wrong: {what}"),
    };
    println!("{name:<28}{text}");
    ExitCode::from(u8::from(outcome != Outcome::Right))
}
