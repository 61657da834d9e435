//! What balancing costs: training steps with the Gramian of the tasks' gradients beside plain ones.
//!
//! ```text
//! cargo bench --bench balance                  all sizes, on one thread and on all
//! cargo bench --bench balance -- M32 L         some of the sizes
//! ```
//! A step is forward, the Gramian, backward with weights that are given beforehand, Adam: no method's own arithmetic
//! on K × K numbers, which `cargo bench --bench balance_solvers` measures. All variants of a size take a step in turn,
//! round after round, so that whatever else the machine does meanwhile hits all alike; what is printed is the median
//! time, the median over the rounds of the ratio to the plain step of the same round with its middle half,
//! and the ratio of the multiplications in the matrix products. The count leaves out activations, inner products
//! and Adam.
//!
//! Beside other libraries: `python3 benches/peers/run.py --only tasks-S32 tasks-M32 tasks-M tasks-L`.

mod sizes;

use std::time::{Duration, Instant};

use polytask::Form;
use polytask::GramianScope;
use polytask::balance::{Evidence, Weights};
use polytask::optim::Optimizer;
use polytask::prelude::*;

use sizes::Size;

/// How long a size is measured on one number of threads.
const TIME: Duration = Duration::from_secs(3);
/// And at least this many rounds.
const ROUNDS: usize = 9;

/// What is asked for between forward and backward, and the form the Gramian is computed in if it is not to be chosen.
type Question = Option<(GramianScope, Option<Form>)>;

const VARIANTS: [(&str, Question); 7] = [
    ("plain", None),
    ("exact", Some((GramianScope::SharedParameters, None))),
    ("exact, gradients kept", Some((GramianScope::SharedParameters, Some(Form::Direct)))),
    ("exact, Gram form", Some((GramianScope::SharedParameters, Some(Form::Gram)))),
    ("last shared layer", Some((GramianScope::LastSharedLayer, None))),
    ("sketch of 64 sums", Some((GramianScope::Sketch { sums: 64, seed: 1 }, None))),
    ("representation", Some((GramianScope::Representation, None))),
];

/// A closure that takes one step.
fn step(size: &Size, threads: usize, question: Question) -> polytask::Result<Box<dyn FnMut()>> {
    let (mut model, data) = (size.model::<f32>()?, size.table(size.batch)?);
    let mut trace = model.trace(size.batch).threads(threads);
    if let Some((_, Some(form))) = question {
        trace = trace.gramian_form(form);
    }
    let mut gradient = vec![0.0; model.n_parameters()];
    let mut adam = Optimizer::new(Adam::new(1e-4), model.n_parameters())?;
    let ones = Weights::ones(size.tasks);
    Ok(Box::new(move || {
        model.forward(&data.all(), &mut trace).expect("a batch that fits");
        if let Some((over, _)) = question {
            std::hint::black_box(model.evidence(&mut trace).over(over).gramian());
        }
        model.backward(&mut trace, &ones, &mut gradient);
        adam.step(model.parameters_mut(), &gradient);
    }))
}

/// Multiplications per row of the batch in the products of one step; `None` where the form is chosen at run time.
fn multiplications(size: &Size, question: Question) -> Option<usize> {
    let widths = [&[size.inputs], &size.trunk[..]].concat();
    let layers: Vec<(usize, usize)> = widths.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let all: usize = layers.iter().map(|(inputs, outputs)| inputs * outputs).sum();
    let first = layers[0].0 * layers[0].1;
    let head: Vec<usize> = [&widths[widths.len() - 1..], &size.head, &[size.outputs]].concat();
    let head: usize = head.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let (k, b) = (size.tasks, size.batch);
    // Forward, and the heads' deltas and gradients; then the trunk's.
    let common = all + 3 * k * head;
    let gram_form = |(inputs, outputs): &(usize, usize)| b * (inputs + k * outputs) + inputs * outputs;
    Some(match question {
        None | Some((GramianScope::Representation, _)) => common + (all - first) + all,
        Some((GramianScope::SharedParameters, Some(Form::Direct))) => common + k * (all - first) + k * all,
        Some((GramianScope::SharedParameters, Some(Form::Gram))) => {
            common + k * (all - first) + layers.iter().map(gram_form).sum::<usize>()
        }
        Some(_) => return None,
    })
}

/// The 25 %, 50 % and 75 % points.
fn quartiles(numbers: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| sorted[(sorted.len() - 1) * quarter / 4])
}

fn measure(size: &Size, threads: usize) -> polytask::Result<()> {
    let mut steps = VARIANTS
        .map(|(_, question)| step(size, threads, question))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    // A small step is taken several times, so that the clock's own time does not count.
    let time = |steps: &mut dyn FnMut(), repeat: usize| {
        let start = Instant::now();
        (0..repeat).for_each(|_| steps());
        start.elapsed().as_secs_f64() / repeat as f64
    };
    for step in &mut steps {
        time(step, 2); // the first one takes memory
    }
    let once = time(&mut steps[0], 1);
    let repeat = ((1e-4 / once) as usize).max(1);
    let (mut rounds, start) = (Vec::new(), Instant::now());
    while rounds.len() < ROUNDS || start.elapsed() < TIME {
        // Each round begins with another variant.
        let mut round = [0.0; VARIANTS.len()];
        for i in 0..steps.len() {
            let variant = (i + rounds.len()) % steps.len();
            round[variant] = time(&mut steps[variant], repeat);
        }
        rounds.push(round);
    }
    let plural = if threads == 1 { "" } else { "s" };
    println!("\n{}, {} tasks, batch {}, {threads} thread{plural}", size.name, size.tasks, size.batch);
    println!("{:>22} {:>12} {:>9} {:>13} {:>9}", "", "µs per step", "to plain", "middle half", "by count");
    for (i, (name, question)) in VARIANTS.into_iter().enumerate() {
        let [_, middle, _] = quartiles(rounds.iter().map(|round| round[i]));
        let [low, ratio, high] = quartiles(rounds.iter().map(|round| round[i] / round[0]));
        let of = |question| multiplications(size, question);
        let count = match (of(question), of(None)) {
            (Some(count), Some(plain)) => format!("{:.2}", count as f64 / plain as f64),
            _ => "-".to_owned(),
        };
        let half = format!("{low:.2}–{high:.2}");
        println!("{name:>22} {:>12.1} {ratio:>9.2} {half:>13} {count:>9}", 1e6 * middle);
    }
    Ok(())
}

fn main() -> polytask::Result<()> {
    let mut sizes = vec![Size::small("S32", 32), Size { name: "M32", batch: 32, ..Size::medium() }];
    sizes.extend([Size::medium(), Size::large()]);
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if processors > 1 { vec![1, processors] } else { vec![1] };
    for size in sizes {
        if wanted.is_empty() || wanted.iter().any(|word| word == size.name) {
            for &threads in &threads {
                measure(&size, threads)?;
            }
        }
    }
    Ok(())
}
