//! A small writer of charts as SVG: axes, lines, points, bars, words. The same input gives the same text.

use std::fmt::Write as _;

pub const COLOURS: [&str; 6] = ["#1f5fa8", "#c8501e", "#2f8a4b", "#7a4fa3", "#b08900", "#5a5a5a"];

const WIDTH: f64 = 640.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 52.0;

/// A drawing in pixels, from the top left.
pub struct Drawing {
    height: f64,
    body: String,
}

impl Drawing {
    pub fn new(height: f64) -> Self {
        Self { height, body: String::new() }
    }

    pub fn line(&mut self, [x0, y0]: [f64; 2], [x1, y1]: [f64; 2], style: &str) {
        let _ = writeln!(self.body, r#"<line x1="{x0:.1}" y1="{y0:.1}" x2="{x1:.1}" y2="{y1:.1}" {style}/>"#);
    }

    pub fn path(&mut self, points: &[[f64; 2]], style: &str) {
        let points: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(self.body, r#"<polyline fill="none" points="{}" {style}/>"#, points.join(" "));
    }

    pub fn dot(&mut self, [x, y]: [f64; 2], radius: f64, style: &str) {
        let _ = writeln!(self.body, r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" {style}/>"#);
    }

    pub fn frame(&mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], style: &str) {
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="6" {style}/>"#
        );
    }

    /// Words around a point: `anchor` is start, middle or end.
    pub fn text(&mut self, [x, y]: [f64; 2], anchor: &str, colour: &str, words: &str) {
        let words = words.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="{colour}">{words}</text>"#
        );
    }

    /// A line with a head at its end.
    pub fn arrow(&mut self, from: [f64; 2], to: [f64; 2], colour: &str, width: f64) {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let length = dx.hypot(dy).max(1e-9);
        let (ux, uy) = (dx / length, dy / length);
        let back = [to[0] - 9.0 * ux, to[1] - 9.0 * uy];
        self.line(from, back, &format!(r#"stroke="{colour}" stroke-width="{width}""#));
        let side = |s: f64| [back[0] - s * 4.5 * uy, back[1] + s * 4.5 * ux];
        let ([x1, y1], [x2, y2]) = (side(1.0), side(-1.0));
        let _ = writeln!(
            self.body,
            r#"<polygon points="{:.1},{:.1} {x1:.1},{y1:.1} {x2:.1},{y2:.1}" fill="{colour}"/>"#,
            to[0], to[1]
        );
    }

    pub fn finish(self, title: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {0}\" width=\"{WIDTH}\" height=\"{0}\" \
             font-family=\"sans-serif\" font-size=\"13\" role=\"img\">\n<title>{title}</title>\n\
             <rect width=\"{WIDTH}\" height=\"{0}\" fill=\"#ffffff\"/>\n{1}</svg>\n",
            self.height, self.body
        )
    }
}

/// One axis: its range, whether it is logarithmic, its ticks and its name.
pub struct Axis {
    pub range: [f64; 2],
    pub is_log: bool,
    pub ticks: Vec<(f64, String)>,
    pub name: &'static str,
}

impl Axis {
    pub fn linear(range: [f64; 2], ticks: &[f64], name: &'static str) -> Self {
        Self { range, is_log: false, ticks: ticks.iter().map(|&t| (t, format!("{t}"))).collect(), name }
    }

    /// Powers of ten, from 10 to the first exponent to 10 to the second.
    pub fn log(exponents: [i32; 2], every: i32, name: &'static str) -> Self {
        let ticks = (exponents[0]..=exponents[1]).filter(|e| (e - exponents[0]) % every == 0);
        let ticks = ticks.map(|e| (10_f64.powi(e), format!("1e{e}"))).collect();
        Self { range: exponents.map(|e| 10_f64.powi(e)), is_log: true, ticks, name }
    }

    /// Where a number lies, from 0 to 1.
    fn share(&self, x: f64) -> f64 {
        let scale = |x: f64| if self.is_log { x.max(1e-300).log10() } else { x };
        let [low, high] = self.range.map(scale);
        ((scale(x) - low) / (high - low)).clamp(-0.02, 1.02)
    }
}

/// A chart with two axes.
pub struct Chart {
    pub drawing: Drawing,
    x: Axis,
    y: Axis,
    legend: usize,
}

impl Chart {
    pub fn new(height: f64, x: Axis, y: Axis) -> Self {
        let mut chart = Self { drawing: Drawing::new(height), x, y, legend: 0 };
        let (left, right, top, bottom) = (LEFT, WIDTH - RIGHT, TOP, height - BOTTOM);
        let grey = r##"stroke="#dddddd""##;
        for (at, label) in std::mem::take(&mut chart.x.ticks) {
            let x = chart.place([at, chart.y.range[0]])[0];
            chart.drawing.line([x, top], [x, bottom], grey);
            chart.drawing.text([x, bottom + 18.0], "middle", "#333333", &label);
        }
        for (at, label) in std::mem::take(&mut chart.y.ticks) {
            let y = chart.place([chart.x.range[0], at])[1];
            chart.drawing.line([left, y], [right, y], grey);
            chart.drawing.text([left - 8.0, y + 4.0], "end", "#333333", &label);
        }
        let black = r##"stroke="#333333""##;
        chart.drawing.line([left, bottom], [right, bottom], black);
        chart.drawing.line([left, top], [left, bottom], black);
        let (x, y) = (chart.x.name, chart.y.name);
        chart.drawing.text([(left + right) / 2.0, height - 12.0], "middle", "#333333", x);
        chart.drawing.text([8.0, top - 8.0], "start", "#333333", y);
        chart
    }

    /// The pixel of a point.
    pub fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (width, height) = (WIDTH - LEFT - RIGHT, self.drawing.height - TOP - BOTTOM);
        [LEFT + width * self.x.share(x), TOP + height * (1.0 - self.y.share(y))]
    }

    pub fn line(&mut self, points: &[[f64; 2]], colour: &str, extra: &str) {
        let points: Vec<_> = points.iter().map(|&point| self.place(point)).collect();
        self.drawing.path(&points, &format!(r#"stroke="{colour}" stroke-width="2" {extra}"#));
    }

    pub fn dot(&mut self, point: [f64; 2], radius: f64, colour: &str) {
        let point = self.place(point);
        self.drawing.dot(point, radius, &format!(r#"fill="{colour}" fill-opacity="0.75""#));
    }

    /// A line of the legend, at the top right.
    pub fn name(&mut self, colour: &str, words: &str) {
        let y = TOP + 16.0 + 18.0 * self.legend as f64;
        self.legend += 1;
        let stroke = format!(r#"stroke="{colour}" stroke-width="3""#);
        self.drawing.line([WIDTH - 230.0, y - 4.0], [WIDTH - 208.0, y - 4.0], &stroke);
        self.drawing.text([WIDTH - 200.0, y], "start", "#333333", words);
    }
}
