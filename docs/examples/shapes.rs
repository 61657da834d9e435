//! What is in the picture, and where? One network tells the class of a shape by softmax and draws a box around it.
//!
//! ```text
//! cargo run --release --example shapes [-- PICTURE.svg]
//! ```
//! Prints accuracy and mean overlap (IoU) on images it has not seen, and draws 24 of these with the true and the
//! predicted boxes to `target/shapes.svg`, or where you say.

use polytask::plot::{Anchor, Drawing, Pen};
use polytask::prelude::*;

const CLASSES: [&str; 3] = ["ellipse", "rectangle", "triangle"];
const SIDE: usize = 16;

fn main() -> polytask::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "target/shapes.svg".into());
    let model = train(4_000)?;
    let test = datasets::shapes::<f32>(2_000, 0.05, 2); // another seed: images it has not seen
    println!("{}", model.evaluate(&test)?);
    let first_24: Vec<usize> = (0..24).collect();
    let picture = draw(&model, &test.select(&first_24))?;
    match std::fs::write(&path, picture) {
        Ok(()) => println!("24 of these images are drawn in {path}"),
        Err(error) => {
            eprintln!("{path}: {error}");
            std::process::exit(1);
        }
    }
    Ok(())
}

/// A network trained on 20 000 images; 4000 steps take about two seconds.
pub fn train(steps: u64) -> polytask::Result<Model<f32>> {
    let train = datasets::shapes::<f32>(20_000, 0.05, 1);
    let mut model = Model::builder(train.n_features())
        .trunk([Layer::dense(256, Activation::Relu), Layer::dense(128, Activation::Relu)])
        .task(Task::classes("shape", CLASSES.len()))
        .task(
            Task::new("box", Loss::smooth_l1(0.05)) // less than a pixel, which is 1/16
                .columns(["x0", "y0", "x1", "y1"])
                .weight(10.0)
                .metric(Metric::MeanIou),
        )
        .seed(1)
        .build::<f32>()?;
    let trainer = Trainer::new(AdamW::new(0.002).weight_decay(0.02)).schedule(Schedule::cosine(steps, 0.0));
    trainer.batch_size(64).steps(steps).fit(&mut model, &train)?;
    Ok(model)
}

/// The images of `data` six in a row, as an SVG: the true box dashed, the predicted one solid, and below each image the
/// predicted class, and the true one where it is another.
pub fn draw(model: &Model<f32>, data: &Dataset<f32>) -> polytask::Result<String> {
    const PIXEL: f64 = 8.0;
    const IMAGE: f64 = SIDE as f64 * PIXEL;
    let (true_box, guessed_box) = (Pen::colour(5).width(2.5).dashed(), Pen::colour(4).width(2.5));
    let predicted = model.predict(data.features())?;
    let n_rows = data.n_rows().div_ceil(6) as f64;
    let title = "Images the network has not seen";
    let mut drawing = Drawing::new(title, [6.0 * (IMAGE + 20.0) + 20.0, n_rows * (IMAGE + 40.0) + 60.0]);
    drawing.text([20.0, 34.0], Anchor::Start, Pen::INK, title);
    for (x, pen, words) in [(560.0, true_box, "true box"), (690.0, guessed_box, "predicted box and class")] {
        drawing.line([x, 30.0], [x + 26.0, 30.0], pen);
        drawing.text([x + 34.0, 34.0], Anchor::Start, Pen::INK, words);
    }
    for row in 0..data.n_rows() {
        let corner = [20.0 + (row % 6) as f64 * (IMAGE + 20.0), 56.0 + (row / 6) as f64 * (IMAGE + 40.0)];
        let image: Vec<f64> = data.feature_row(row).iter().map(|&shade| f64::from(shade)).collect();
        drawing.image(corner, PIXEL, SIDE, &image);
        let truth = data.target_row(row);
        let guess = predicted["box"].row(row).to_vec();
        for (bounds, pen) in [(&guess[..], guessed_box), (&truth[1..], true_box)] {
            let [x0, y0, x1, y1] = std::array::from_fn(|i| f64::from(bounds[i]) * IMAGE);
            drawing.frame([corner[0] + x0, corner[1] + y0], [x1 - x0, y1 - y0], pen);
        }
        let probabilities = predicted["shape"].row(row);
        let class = (0..CLASSES.len())
            .fold(0, |best, c| if probabilities[c] > probabilities[best] { c } else { best });
        let (name, percent, true_class) = (CLASSES[class], 100.0 * probabilities[class], truth[0] as usize);
        let (words, pen) = match class == true_class {
            true => (format!("{name}, {percent:.0} %"), Pen::INK),
            false => (format!("{name}: no, {}", CLASSES[true_class]), Pen::colour(1)),
        };
        drawing.text([corner[0], corner[1] + IMAGE + 18.0], Anchor::Start, pen, &words);
    }
    Ok(drawing.svg())
}
