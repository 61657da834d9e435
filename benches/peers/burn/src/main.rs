//! burn: its `Linear`, its autodiff on the `flex` device (plain Rust on the CPU), its Adam.

#[path = "../../worker.rs"]
mod worker;

use burn::module::Param;
use burn::nn::Linear;
use burn::nn::loss::{MseLoss, Reduction};
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::activation::relu;
use worker::{Workload, serve};

#[derive(Module, Debug)]
struct Net {
    trunk: Vec<Linear>,
    heads: Vec<Vec<Linear>>,
}

impl Net {
    fn loss(&self, x: &Tensor<2>, ys: &[Tensor<2>]) -> Tensor<1> {
        let z = self.trunk.iter().fold(x.clone(), |a, layer| relu(layer.forward(a)));
        let losses = self.heads.iter().zip(ys).map(|(head, y)| {
            let (last, hidden) = head.split_last().expect("a head has a layer");
            let a = hidden.iter().fold(z.clone(), |a, layer| relu(layer.forward(a)));
            MseLoss::new().forward(last.forward(a), y.clone(), Reduction::Mean)
        });
        losses.reduce(|a, b| a + b).expect("a network has a task")
    }
}

fn main() {
    let workload = Workload::from_args();
    let device = Device::flex().autodiff();
    let matrix = |numbers: &[f32], cols: usize| {
        Tensor::<2>::from_data(TensorData::new(numbers.to_vec(), [numbers.len() / cols, cols]), &device)
    };
    let x = matrix(&workload.x, workload.inputs);
    let ys: Vec<_> = workload.ys.iter().map(|y| matrix(y, workload.outputs)).collect();
    let (trunk, heads) = workload.build(|[n_in, n_out], weight, bias| Linear {
        weight: Param::from_data(TensorData::new(weight.to_vec(), [n_in, n_out]), &device),
        bias: Some(Param::from_data(TensorData::new(bias.to_vec(), [n_out]), &device)),
    });
    let adam = AdamConfig::new().with_beta_1(0.9).with_beta_2(0.999).with_epsilon(1e-8).init();
    serve(
        (Some(Net { trunk, heads }), adam),
        |(net, adam)| {
            let before = net.take().expect("a network");
            let gradients = GradientsParams::from_grads(before.loss(&x, &ys).backward(), &before);
            *net = Some(adam.step(workload.learning_rate, before, gradients));
        },
        |(net, _)| f64::from(net.as_ref().expect("a network").loss(&x, &ys).into_scalar::<f32>()),
    );
}
