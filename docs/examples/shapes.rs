//! What is in the picture, and where? One network tells the class of a shape by softmax and draws a box around it.
//!
//! ```text
//! cargo run --release --example shapes [-- PICTURE.svg]
//! ```
//! Prints accuracy and mean overlap (IoU) on images it has not seen, and draws 24 of these with the true and the
//! predicted boxes to `target/shapes.svg`, or where you say.

use std::fmt::Write;

use polytask::prelude::*;

const CLASSES: [&str; 3] = ["ellipse", "rectangle", "triangle"];
const SIDE: usize = 16;

const STEPS: u64 = 4_000;

fn main() -> polytask::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "target/shapes.svg".into());
    let train = datasets::shapes::<f32>(20_000, 0.05, 1);
    let test = datasets::shapes::<f32>(2_000, 0.05, 2);

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
    let trainer = Trainer::new(AdamW::new(0.002).weight_decay(0.02)).schedule(Schedule::cosine(STEPS, 0.0));
    trainer.batch_size(64).steps(STEPS).fit(&mut model, &train)?;

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

/// The images of `data` six in a row, as an SVG: the true box in green, the predicted one in orange, and below each
/// image the predicted class, in red where it is wrong.
fn draw(model: &Model<f32>, data: &Dataset<f32>) -> polytask::Result<String> {
    const PIXEL: usize = 8;
    const IMAGE: usize = SIDE * PIXEL;
    const CELL: [usize; 2] = [IMAGE + 20, IMAGE + 40];
    const HEAD: usize = 56;
    let predicted = model.predict(data.features())?;
    let (width, height) = (6 * CELL[0] + 20, data.n_rows().div_ceil(6) * CELL[1] + HEAD + 4);
    let mut svg = String::new();
    let mut put = |line: String| writeln!(svg, "{line}").expect("a string takes all text");
    put(format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="14" fill="#222">"##
    ));
    put(r##"<rect width="100%" height="100%" fill="#fff"/>"##.into());
    put(r##"<text x="20" y="34" font-size="18" font-weight="bold">Images the network has not seen</text>"##
        .into());
    for (x, colour, text) in
        [(width - 330, TRUE, "true box"), (width - 200, PREDICTED, "predicted box and class")]
    {
        put(format!(
            r##"<rect x="{x}" y="22" width="14" height="14" fill="none" stroke="{colour}" stroke-width="3"/>"##
        ));
        put(format!(r##"<text x="{}" y="34">{text}</text>"##, x + 22));
    }
    for row in 0..data.n_rows() {
        let (left, top) = (20 + row % 6 * CELL[0], HEAD + row / 6 * CELL[1]);
        put(format!(r##"<g transform="translate({left} {top})">"##));
        put(pixels(data.feature_row(row), PIXEL));
        let truth = data.target_row(row);
        let guess = predicted["box"].row(row).to_vec();
        for (bounds, colour) in [(&truth[1..], TRUE), (&guess[..], PREDICTED)] {
            let [x0, y0, x1, y1] = std::array::from_fn(|i| bounds[i] * IMAGE as f32);
            put(format!(
                r##"<rect x="{x0:.1}" y="{y0:.1}" width="{:.1}" height="{:.1}" fill="none" stroke="{colour}" stroke-width="2.5"/>"##,
                (x1 - x0).max(0.0),
                (y1 - y0).max(0.0)
            ));
        }
        let probabilities = predicted["shape"].row(row);
        let class = (0..CLASSES.len())
            .fold(0, |best, c| if probabilities[c] > probabilities[best] { c } else { best });
        let colour = if class == truth[0] as usize { "#222" } else { "#d00" };
        let (name, percent) = (CLASSES[class], 100.0 * probabilities[class]);
        put(format!(
            r##"<text y="{}" fill="{colour}">{name} <tspan fill="#888">{percent:.0} %</tspan></text>"##,
            IMAGE + 18
        ));
        put("</g>".into());
    }
    put("</svg>".into());
    Ok(svg)
}

const TRUE: &str = "#1b9e4b";
const PREDICTED: &str = "#ff7f0e";

/// An image as squares of `size`, in 16 shades from black to white; equal neighbours in a row are one rectangle.
fn pixels(image: &[f32], size: usize) -> String {
    let shade = |value: &f32| (value.clamp(0.0, 1.0) * 15.0).round() as usize;
    let mut svg = String::from(r##"<g shape-rendering="crispEdges">"##);
    for (y, row) in image.chunks(SIDE).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| shade(a) == shade(b)) {
            let (shade, width) = (shade(&run[0]), run.len() * size);
            write!(
                svg,
                r##"<rect x="{}" y="{}" width="{width}" height="{size}" fill="#{shade:x}{shade:x}{shade:x}"/>"##,
                x * size,
                y * size
            )
            .expect("a string takes all text");
            x += run.len();
        }
    }
    svg + "</g>"
}
