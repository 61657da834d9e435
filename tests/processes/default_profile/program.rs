//! Trains and predicts in both types, with every kind of product.

use polytask::prelude::*;

fn run<F: polytask::Scalar>() -> polytask::Result<()> {
    let data = datasets::robot_arm::<F>(300, 0.05, 1);
    let mut model = Model::builder(10)
        .trunk([Layer::dense(19, Activation::Relu), Layer::dense(10, Activation::Tanh)])
        .task(Task::regression("shoulder"))
        .task(Task::regression("elbow").head([Layer::dense(3, Activation::Gelu)]))
        .build()?;
    Trainer::new(Adam::new(0.01)).batch_size(33).steps(20).fit(&mut model, &data)?;
    println!("{}", model.evaluate(&data)?);
    println!("{}", model.predict(data.features().slice(polytask::ndarray::s![..1, ..]))?["elbow"]);
    Ok(())
}

fn main() -> polytask::Result<()> {
    run::<f32>()?;
    run::<f64>()
}
