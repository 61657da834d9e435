//! candle: its `Linear`, its autograd, and its AdamW without weight decay, which is Adam.

#[path = "../../worker.rs"]
mod worker;

use candle_core::{Device, Result, Tensor, Var};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW};
use worker::{Workload, serve};

struct Net {
    trunk: Vec<Linear>,
    heads: Vec<Vec<Linear>>,
    x: Tensor,
    ys: Vec<Tensor>,
}

impl Net {
    fn loss(&self) -> Result<Tensor> {
        let mut z = self.x.clone();
        for layer in &self.trunk {
            z = layer.forward(&z)?.relu()?;
        }
        let mut total = Tensor::new(0_f32, &Device::Cpu)?;
        for (head, y) in self.heads.iter().zip(&self.ys) {
            let (last, hidden) = head.split_last().expect("a head has a layer");
            let mut a = z.clone();
            for layer in hidden {
                a = layer.forward(&a)?.relu()?;
            }
            total = (total + candle_nn::loss::mse(&last.forward(&a)?, y)?)?;
        }
        Ok(total)
    }
}

fn main() -> Result<()> {
    let workload = Workload::from_args();
    let matrix =
        |numbers: &[f32], cols| Tensor::from_slice(numbers, (numbers.len() / cols, cols), &Device::Cpu);
    let mut variables = Vec::new();
    let mut variable = |tensor: Tensor| {
        let variable = Var::from_tensor(&tensor).unwrap();
        variables.push(variable.clone());
        variable.as_tensor().clone()
    };
    let (trunk, heads) = workload.build(|[_, n_out], weight, bias| {
        let weight = matrix(weight, n_out).unwrap().t().unwrap().contiguous().unwrap();
        Linear::new(variable(weight), Some(variable(Tensor::new(bias, &Device::Cpu).unwrap())))
    });
    let x = matrix(&workload.x, workload.inputs)?;
    let ys = workload.ys.iter().map(|y| matrix(y, workload.outputs)).collect::<Result<_>>()?;
    let settings =
        ParamsAdamW { lr: workload.learning_rate, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 };
    serve(
        (Net { trunk, heads, x, ys }, AdamW::new(variables, settings)?),
        |(net, adam)| adam.backward_step(&net.loss().unwrap()).unwrap(),
        |(net, _)| f64::from(net.loss().unwrap().to_scalar::<f32>().unwrap()),
    );
    Ok(())
}
