//! Plots, as the text of an SVG file: learning curves, weights, cosines of gradients, predictions,
//! which tasks help each other, which labels look wrong, which columns matter.
//!
//! ```
//! use polytask::plot;
//! use polytask::prelude::*;
//!
//! let (train, test) = datasets::robot_arm::<f64>(400, 0.05, 42).split(0.8, 42)?;
//! let mut model = Model::builder(10)
//!     .trunk([Layer::dense(10, Activation::Relu)])
//!     .task(Task::regression("shoulder"))
//!     .task(Task::regression("elbow"))
//!     .build::<f64>()?;
//! let history = Trainer::new(Adam::new(0.01)).epochs(3).fit_validated(&mut model, &train, &test)?;
//! let curves: String = plot::learning_curves(&history); // std::fs::write("curves.svg", curves)
//! assert!(curves.starts_with("<svg") && curves.contains("elbow"));
//! # Ok::<(), polytask::Error>(())
//! ```
//!
//! All share one style: the colours of Okabe and Ito (*Color Universal Design*, 2008), which people with any colour
//! vision can tell apart, and a dash pattern for each colour, so that a plot printed in grey can be read too, on white. The
//! same numbers give the same text. Names are escaped.
//!
//! NaN and infinities are gaps; every coordinate in the file is a finite number, and an empty plot says that there is
//! nothing to show. Tick labels have as many digits as it takes to tell them apart; where that would be long, they are
//! differences from a round number, which the name of the axis gives.
//!
//! [`Chart`] and [`Drawing`] are what these plots are made of, for plots of your own.

mod chart;
mod columns;
mod drawing;
mod predictions;
mod tasks_and_rows;
mod ticks;
mod training;

pub use chart::{Axis, Chart, sheet};
pub use columns::{importance, partial_dependence};
pub(crate) use drawing::escape;
pub use drawing::{Anchor, Drawing, Pen};
pub use predictions::{confusion_matrix, predicted_against_true, reliability};
pub use tasks_and_rows::{affinity_map, suspect_labels, taught_map};
pub use training::{gradient_cosines, gradient_diagnostics, learning_curves, task_weights};
