//! The README and the pages of the book, so that `cargo test --doc` runs their Rust blocks.

macro_rules! pages {
    ($($page:literal => $name:ident),* $(,)?) => {
        $(
            #[doc = include_str!(concat!("../docs/book/src/", $page))]
            pub struct $name;
        )*
    };
}

pages! {
    "one-neuron.md" => OneNeuron,
    "dense-layer.md" => DenseLayer,
    "activations.md" => Activations,
    "losses.md" => Losses,
    "checking-gradients.md" => CheckingGradients,
    "optimisers.md" => Optimisers,
    "first-training.md" => FirstTraining,
    "two-heads.md" => TwoHeads,
    "from-tensorflow.md" => FromTensorFlow,
    "missing-labels.md" => MissingLabels,
    "kinds-of-task.md" => KindsOfTask,
    "normalisation.md" => Normalisation,
    "embeddings.md" => Embeddings,
    "mixtures-of-experts.md" => MixturesOfExperts,
    "when-tasks-fight.md" => WhenTasksFight,
    "weighting-losses.md" => WeightingLosses,
    "gradient-surgery.md" => GradientSurgery,
    "what-makes-it-fast.md" => WhatMakesItFast,
    "saving-and-serving.md" => SavingAndServing,
    "larger-than-memory.md" => LargerThanMemory,
    "more-machines.md" => MoreMachines,
    "numbers.md" => Numbers,
    "honest-evaluation.md" => HonestEvaluation,
    "../../../README.md" => Readme,
    "../../zh/README.md" => ChineseReadme,
    "../../zh/from-tensorflow.md" => ChineseFromTensorFlow,
}
