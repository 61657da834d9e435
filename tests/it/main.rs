//! The promises of the crate, one file each. They are one program, because each test program compiles the crate's
//! generic code again; what needs a process of its own is in `tests/processes` and `tests/allocation.rs`.

mod affinity;
mod allocations;
mod balancers;
mod batch_ensemble;
mod batch_norm;
mod book;
mod calibration;
mod callbacks;
mod card;
mod checkpoints;
mod column_names;
mod comparisons;
mod data;
mod data_allocation;
#[cfg(feature = "parquet")]
mod data_arrow;
mod data_columns;
mod data_csv;
mod data_npy;
mod data_npz;
mod determinism;
mod dropout;
mod embeddings;
mod estimator_callbacks;
mod estimator_intervals;
mod estimator_members;
mod estimator_mixed;
mod estimator_stack;
mod estimators;
mod evaluation;
mod examples;
mod finite_steps;
mod golden_files;
mod gradcheck_honest;
mod gradcheck_net;
mod gradcheck_planted;
mod gradients;
mod gramian;
mod groups;
mod hostile_files;
mod hostile_input;
mod hostile_labels;
mod hostile_settings;
mod importance;
mod label_weights;
mod layers;
mod lazy_adam;
mod ledger;
mod losses;
mod masking;
mod metrics;
mod model_check;
mod model_columns;
mod monitors;
mod onnx;
mod onnx_columns;
mod optimizers;
mod parameter_groups;
mod penalties;
mod persistence;
mod persistence_python;
mod planted_bugs;
mod plots;
mod products;
mod random_trainings;
mod ranks;
mod ranks_failing;
mod ranks_jobs;
mod registry;
mod resuming;
#[cfg(unix)]
mod saving;
mod selection;
mod serving;
mod shapes;
mod silent_faults;
mod standardized_targets;
mod stream;
mod target_transforms;
mod thresholds;
mod together;
mod together_curves;
mod together_interrupt;
mod together_page;
mod tutorial;
mod tutorial_golden;
mod tutorial_record;
mod undefined_losses;
mod validation;

// Programs of the documentation that more than one test runs.
#[path = "../../docs/examples/balance_toy/problem.rs"]
mod toy;
#[path = "../../docs/examples/balance_toy/two_scales.rs"]
mod two_scales;
