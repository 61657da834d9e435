//! Tells which of your answers to the book's exercises are right.
//!
//! ```text
//! cargo run --example exercises
//! ```

#[macro_use]
mod checks;
mod yours;

use checks::{Check, Outcome, outcome};

fn main() {
    std::panic::set_hook(Box::new(|_| {})); // what is wrong is printed below, in one line
    let checks: Vec<Check> = checks_of!(yours);
    let mut right = 0;
    for check in &checks {
        let text = match outcome(check) {
            Outcome::Right => {
                right += 1;
                "right".to_owned()
            }
            Outcome::ToDo => "still to do".to_owned(),
            Outcome::Wrong(what) => format!("wrong: {what}"),
        };
        println!("{:<28}{text}", check.0);
    }
    println!("\n{right} of {} right", checks.len());
}
