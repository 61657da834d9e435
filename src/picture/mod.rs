//! Pictures, as SVG text: how each task learned, who pulled where, and what came of it.
//!
//! ```
//! use polytask::picture;
//! use polytask::prelude::*;
//!
//! let (train, test) = datasets::robot_arm::<f64>(400, 0.05, 42).split(0.8, 42)?;
//! let mut model = Model::builder(10)
//!     .trunk([Layer::dense(10, Activation::Relu)])
//!     .task(Task::regression("shoulder"))
//!     .task(Task::regression("elbow"))
//!     .build::<f64>()?;
//! let history = Trainer::new(Adam::new(0.01)).epochs(3).fit_validated(&mut model, &train, &test)?;
//! let curves: String = picture::learning_curves(&history); // std::fs::write("curves.svg", curves)
//! assert!(curves.starts_with("<svg") && curves.contains("elbow"));
//! # Ok::<(), polytask::Error>(())
//! ```
//!
//! One style for all: the colours of Okabe and Ito (*Color Universal Design*, 2008), which people with any colour
//! vision can tell apart, and a dash pattern beside each colour, so that a print in grey can be read too. The ground is
//! white. The same numbers give the same text. Names are escaped.
//!
//! Numbers may be missing: NaN and infinities are gaps. No coordinate in a picture is anything but a finite number;
//! a picture of nothing says that there is nothing to show.
//!
//! [`Chart`] and [`Drawing`] are what these pictures are made of, for pictures of your own.

mod chart;
mod drawing;
mod predictions;
mod training;

pub use chart::{Axis, Chart, sheet};
pub use drawing::{Anchor, Drawing, Pen};
pub use predictions::{confusion_matrix, predicted_against_true};
pub use training::{gradient_cosines, gradient_diagnostics, learning_curves, task_weights};
