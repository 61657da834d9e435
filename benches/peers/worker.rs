//! What the Rust peers share: the workload that the driver names on the command line, and the loop that answers
//! its commands. `worker.py` is the same for Python.

use std::collections::HashMap;
use std::io::BufRead;
use std::time::Instant;

/// A network, a batch to train it on, and the numbers that all peers begin with.
#[allow(dead_code)] // not every peer has modes, or sets its threads itself
pub struct Workload {
    pub batch: usize,
    pub inputs: usize,
    /// Widths of the trunk's layers.
    pub trunk: Vec<usize>,
    pub tasks: usize,
    /// Widths of each head's hidden layers.
    pub head: Vec<usize>,
    pub outputs: usize,
    pub learning_rate: f64,
    pub threads: usize,
    pub mode: String,
    /// `batch × inputs`.
    pub x: Vec<f32>,
    /// One per task, `batch × outputs`.
    pub ys: Vec<Vec<f32>>,
    /// The weight (`in × out`) and bias of every layer: the trunk, then head after head.
    pub parameters: Vec<f32>,
}

impl Workload {
    /// Reads the command line, and the file that it names.
    pub fn from_args() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let args: HashMap<&str, &str> =
            words.chunks(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
        let number = |name: &str| args[name].parse().unwrap();
        let numbers = |name: &str| args[name].split(',').filter_map(|width| width.parse().ok()).collect();
        let (batch, inputs, tasks, outputs) =
            (number("--batch"), number("--inputs"), number("--tasks"), number("--outputs"));

        let file = std::fs::read(args["--numbers"]).unwrap();
        let mut file = file.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        let x = file.by_ref().take(batch * inputs).collect();
        let ys = (0..tasks).map(|_| file.by_ref().take(batch * outputs).collect()).collect();
        Self {
            batch,
            inputs,
            trunk: numbers("--trunk"),
            tasks,
            head: numbers("--head"),
            outputs,
            learning_rate: args["--rate"].parse().unwrap(),
            threads: number("--threads"),
            mode: args["--mode"].to_owned(),
            x,
            ys,
            parameters: file.collect(),
        }
    }

    /// The widths before and after each layer of the trunk, and of one head.
    pub fn widths(&self) -> (Vec<usize>, Vec<usize>) {
        let trunk = [&[self.inputs], &self.trunk[..]].concat();
        let head = [&trunk[trunk.len() - 1..], &self.head, &[self.outputs]].concat();
        (trunk, head)
    }

    /// Builds the trunk and the heads, each a list of layers, from their weights (`in × out`) and biases.
    #[allow(dead_code)]
    pub fn build<L>(&self, mut layer: impl FnMut([usize; 2], &[f32], &[f32]) -> L) -> (Vec<L>, Vec<Vec<L>>) {
        let mut rest = &self.parameters[..];
        let mut stack = |widths: &[usize]| -> Vec<L> {
            let layers = widths.windows(2).map(|w| {
                let (weight, after) = rest.split_at(w[0] * w[1]);
                let (bias, after) = after.split_at(w[1]);
                rest = after;
                layer([w[0], w[1]], weight, bias)
            });
            layers.collect()
        };
        let (trunk, head) = self.widths();
        (stack(&trunk), (0..self.tasks).map(|_| stack(&head)).collect())
    }
}

/// Answers the driver until it hangs up: `run N` takes N steps and says how long they took, `loss` says the sum
/// of the tasks' losses.
pub fn serve<S>(mut state: S, step: impl Fn(&mut S), loss: impl Fn(&mut S) -> f64) {
    println!(r#"{{"ready": true}}"#);
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().split_once(' ') {
            Some(("run", n)) => {
                let n: usize = n.parse().unwrap();
                let start = Instant::now();
                (0..n).for_each(|_| step(&mut state));
                println!(r#"{{"steps": {n}, "seconds": {:e}}}"#, start.elapsed().as_secs_f64());
            }
            _ => println!(r#"{{"loss": {:e}}}"#, loss(&mut state)),
        }
    }
}
