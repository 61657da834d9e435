//! Calls of the engine that are compiled in this crate, once for each scalar.
//!
//! A generic function is compiled by whoever calls it, with all that it calls: layers, losses, sweeps, and ndarray below
//! them. A user's program would compile the engine again after each of its own changes. So what takes long to compile is
//! called through [`Compiled`], which is implemented here for `f32` and `f64`: the public function is one line, and its
//! body is compiled with the crate. Only coarse calls go this way, one or two for each step of a training.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::balance::Weights;
#[cfg(feature = "csv")]
use crate::data::csv::{Encoding, Table};
use crate::data::{Batch, Dataset, Source};
use crate::gradcheck::{self, CheckedFunction, GradientReport, Settings};
use crate::layer::Pass;
use crate::ledger::RowGradients;
use crate::loss::{Loss, LossFunction};
use crate::model::Predictions;
use crate::network::Trace;
#[cfg(feature = "persist")]
use crate::persist::{Reader, Writer};
#[cfg(feature = "persist")]
use crate::registry::Registry;
use crate::report::Report;
use crate::together::{Observer, TogetherOrApart, TogetherReport};
use crate::train::{History, Run, Trainer};
use crate::validation::outcome::OfFold;
use crate::validation::{CrossValidated, CrossValidation};
use crate::{Layout, Model, ModelBuilder, Network, Result, Scalar, Sharing, Task, TouchedRows};

macro_rules! compiled {
    ($($calls:tt)*) => {
        /// What is compiled once: see [the module](self).
        pub trait Compiled: Sized {
            calls!(declare $($calls)*);
        }
        impl Compiled for f32 {
            calls!(define $($calls)*);
        }
        impl Compiled for f64 {
            calls!(define $($calls)*);
        }
        #[cfg(test)]
        impl Compiled for crate::dual::Dual {
            calls!(define $($calls)*);
        }
    };
}

macro_rules! calls {
    (declare $($(#[$attribute:meta])*
        fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $output:ty)? = $body:path;)*) => {
        $($(#[$attribute])*
        fn $name($($argument: $type),*) $(-> $output)? where Self: Scalar;)*
    };
    (define $($(#[$attribute:meta])*
        fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $output:ty)? = $body:path;)*) => {
        $($(#[$attribute])* #[inline(never)]
        fn $name($($argument: $type),*) $(-> $output)? {
            $body($($argument),*)
        })*
    };
}

compiled! {
    fn loss(loss: &Loss) -> Result<Box<dyn LossFunction<Self>>> = Loss::build_here;

    fn network(
        most_numbers: usize,
        n_features: usize,
        members: usize,
        sharing: &Sharing,
        tasks: &[Task]
    ) -> Result<Network<Self>>
        = Network::assemble;
    fn trace(network: &Network<Self>, batch_size: usize) -> Trace<Self> = Network::trace_here;
    fn losses(network: &Network<Self>, trace: &mut Trace<Self>) = Network::losses_here;
    #[track_caller]
    fn backward(
        network: &Network<Self>,
        pass: &Pass<'_, Self>,
        trace: &mut Trace<Self>,
        weights: &Weights,
        gradient: &mut [Self],
        touched: Option<&mut TouchedRows>,
    ) = Network::backward_here;

    fn model(builder: &ModelBuilder) -> Result<Model<Self>> = ModelBuilder::build_here;
    #[track_caller]
    fn forward(
        model: &Model<Self>,
        pass: &Pass<'_, Self>,
        batch: &Batch<'_, Self>,
        trace: &mut Trace<Self>,
    ) -> Result<()> = Model::forward_here;
    fn forward_features(
        model: &Model<Self>,
        features: ArrayView2<'_, Self>,
        trace: &mut Trace<Self>,
    ) -> Result<()> = Model::forward_features_here;
    fn predict(model: &Model<Self>, features: ArrayView2<'_, Self>) -> Result<Predictions<Self>>
        = Model::predict_here;
    fn predict_into(
        model: &Model<Self>,
        features: ArrayView2<'_, Self>,
        trace: &mut Trace<Self>,
        predictions: &mut [ArrayViewMut2<'_, Self>],
    ) -> Result<()> = Model::predict_into_here;
    fn predict_reusing(
        model: &Model<Self>,
        features: ArrayView2<'_, Self>,
        trace: &mut Trace<Self>,
        predictions: &mut Predictions<Self>,
    ) -> Result<()> = Model::predict_reusing_here;
    fn evaluate(model: &Model<Self>, data: &Dataset<Self>) -> Result<Report> = Model::evaluate_here;
    fn evaluate_source(model: &Model<Self>, source: &mut dyn Source<Self>) -> Result<Report>
        = Model::evaluate_source_here;

    #[cfg(feature = "persist")]
    fn read_model(reader: &Reader<'_>, registry: &Registry) -> Result<Model<Self>> = Model::read_here;
    #[cfg(feature = "persist")]
    fn write_model_text(model: &Model<Self>, writer: &mut Writer) -> Result<()> = Model::write_text_here;
    #[cfg(feature = "persist")]
    fn write_model_numbers(model: &Model<Self>, writer: &mut Writer, prefix: &str) -> Result<()>
        = Model::write_numbers_here;

    fn row_gradients(model: &Model<Self>, data: &Dataset<Self>) -> Result<RowGradients> = RowGradients::of_here;
    fn cross_validation(
        settings: &CrossValidation,
        data: &Dataset<Self>,
        of_fold: &OfFold<'_>,
    ) -> Result<CrossValidated> = CrossValidation::run_here;
    fn together(
        settings: &TogetherOrApart,
        data: &Dataset<Self>,
        observe: &mut Observer<'_>,
    ) -> Result<TogetherReport> = TogetherOrApart::run_here;

    #[track_caller]
    fn gradient_report(
        theta: &[Self],
        function: &mut CheckedFunction<'_, Self>,
        layout: Option<Layout>,
        settings: Settings,
    ) -> GradientReport = gradcheck::report;

    fn fit(
        trainer: &Trainer,
        model: &mut Model<Self>,
        data: &Dataset<Self>,
        validation: Option<&Dataset<Self>>,
    ) -> Result<History> = Trainer::run;
    fn fit_source(
        trainer: &Trainer,
        model: &mut Model<Self>,
        source: &mut dyn Source<Self>,
        validation: Option<&Dataset<Self>>,
    ) -> Result<History> = Trainer::run_source;
    fn start(trainer: &Trainer, model: &Model<Self>, data: &Dataset<Self>) -> Result<Run<Self>>
        = Trainer::start_here;

    fn table(features: Array2<Self>, targets: Array2<Self>) -> Result<Dataset<Self>> = Dataset::new_here;
    #[track_caller]
    fn select(data: &Dataset<Self>, rows: &[usize]) -> Dataset<Self> = Dataset::select_here;
    fn split(data: &Dataset<Self>, share: f64, seed: u64) -> Result<(Dataset<Self>, Dataset<Self>)>
        = Dataset::split_here;
    #[cfg(feature = "csv")]
    fn encoded(encoding: &Encoding, table: &Table) -> Result<Dataset<Self>> = Encoding::apply_here;
    #[cfg(feature = "csv")]
    fn encoded_part(encoding: &Encoding, table: &Table) -> Result<Dataset<Self>> = Encoding::apply_part_here;
}
