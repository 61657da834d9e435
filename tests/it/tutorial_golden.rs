//! The tutorial's program does what TensorFlow's 1.x graph API did with the same data and initial weights:
//! the first gradients, both losses at each of 1000 steps, the final weights, the losses on test data.

use polytask::balance::Weights;
use polytask::optim::Optimizer;
use polytask::prelude::*;

use crate::tutorial_record::{self, BLOCKS, dataset, f64_record, tutorial};

#[test]
fn f64_agrees_with_tensorflow_at_every_step() {
    tutorial_record::assert_f64_agrees();
}

#[test]
fn f32_agrees_with_tensorflow_at_every_step() {
    tutorial_record::assert_f32_agrees();
}

#[test]
fn first_gradients_agree_with_tensorflow() {
    let tensors = f64_record();
    let (model, train) = (tutorial(&tensors), dataset(&tensors, ""));
    let rows: Vec<usize> = (0..32).collect();
    let mut trace = model.trace(32);
    let mut gradient = vec![f64::NAN; model.n_parameters()];
    model.forward(&train.batch(&rows), &mut trace).expect("a batch that fits");
    model.backward(&mut trace, &Weights::ones(2), &mut gradient);
    for (block, name) in BLOCKS {
        let block = model.network().layout().block(block).expect("a block of that name");
        let recorded = &tensors[&format!("first_grad_{name}")];
        let scale = recorded.iter().fold(0.0_f64, |max, g| max.max(g.abs()));
        let error =
            block.of(&gradient).iter().zip(recorded).fold(0.0_f64, |max, (a, b)| max.max((a - b).abs()));
        println!("{name}: {:.1e}", error / scale);
        assert!(error <= 1e-13 * scale, "{name}: {error:e} of {scale:e}");
    }
}

/// The same step by hand, without `fit`.
#[test]
fn the_loop_by_hand_is_what_fit_does() {
    let tensors = f64_record();
    let train = dataset(&tensors, "");
    let (mut fitted, mut by_hand) = (tutorial(&tensors), tutorial(&tensors));
    let trainer = Trainer::new(Adam::new(0.01)).steps(40).seed(3);
    let history = trainer.fit(&mut fitted, &train).expect("a training");

    let mut adam = Optimizer::new(Adam::new(0.01), by_hand.n_parameters()).expect("valid settings");
    let mut sampler = polytask::data::Sampler::shuffled(&train, 32, 3).expect("valid settings");
    let mut trace = by_hand.trace(32);
    let mut gradient = vec![0.0; by_hand.n_parameters()];
    for step in 0..40 {
        by_hand.forward(&sampler.next_batch(&train), &mut trace).expect("a batch that fits");
        assert_eq!(trace.losses(), history.losses().row(step).as_slice().expect("a contiguous row"));
        by_hand.backward(&mut trace, &Weights::ones(2), &mut gradient);
        adam.step(by_hand.parameters_mut(), &gradient);
    }
    assert_eq!(fitted.parameters(), by_hand.parameters());
}
