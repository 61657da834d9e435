//! Shapes and words on a white ground, written as SVG: the one place that writes that language.

use std::fmt::Write as _;

/// How a line is drawn: colour, width in pixels, dashes, opacity.
///
/// ```
/// use polytask::plot::{Drawing, Pen};
///
/// let mut drawing = Drawing::new("A line", [100.0, 50.0]);
/// drawing.line([0.0, 25.0], [100.0, 25.0], Pen::series(1).width(3.0));
/// assert!(drawing.svg().contains("stroke=\"#d55e00\""));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pen {
    colour: &'static str,
    width: f64,
    dashes: &'static str,
    opacity: f64,
}

/// Okabe and Ito's colours without yellow, which is hard to see on white: blue, vermilion, green, purple, orange, sky,
/// black.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// Six, which has no divisor in common with the seven colours: 42 lines differ in one or the other.
const DASHES: [&str; 6] = ["", "8 3", "2 3", "9 3 2 3", "14 4", "5 2 1 2 1 2"];

impl Pen {
    /// For words and axes: a dark grey.
    pub const INK: Self = Self::solid("#333333");
    /// For what stands behind: a light grey.
    pub const GRID: Self = Self { width: 1.0, ..Self::solid("#dddddd") };
    /// For words on a dark ground: white.
    pub const PAPER: Self = Self::solid("#ffffff");
    /// For annotations: a mid grey.
    pub const ASIDE: Self = Self { width: 1.0, ..Self::solid("#707070") };

    const fn solid(colour: &'static str) -> Self {
        Self { colour, width: 2.0, dashes: "", opacity: 1.0 }
    }

    /// The pen of the k-th of several lines, in a colour and with dashes of its own.
    pub fn series(k: usize) -> Self {
        Self { dashes: DASHES[k % DASHES.len()], ..Self::colour(k) }
    }

    /// The same colour without dashes.
    pub fn colour(k: usize) -> Self {
        Self::solid(COLOURS[k % COLOURS.len()])
    }

    /// Another width, in pixels; 2 unless said otherwise.
    pub fn width(self, width: f64) -> Self {
        Self { width, ..self }
    }

    /// Short dashes.
    pub fn dashed(self) -> Self {
        Self { dashes: "4 4", ..self }
    }

    /// From 0, invisible, to 1.
    ///
    /// ```
    /// use polytask::plot::{Drawing, Pen};
    ///
    /// let svg = |pen: Pen| {
    ///     let mut drawing = Drawing::new("A line", [100.0, 50.0]);
    ///     drawing.line([0.0, 25.0], [100.0, 25.0], pen);
    ///     drawing.svg()
    /// };
    /// assert!(!svg(Pen::colour(0)).contains("stroke-dasharray"));
    /// let faint = svg(Pen::colour(0).dashed().opacity(0.5).width(3.0));
    /// for style in [r#"stroke-dasharray="4 4""#, r#"stroke-opacity="0.5""#, r#"stroke-width="3""#] {
    ///     assert!(faint.contains(style));
    /// }
    /// ```
    pub fn opacity(self, opacity: f64) -> Self {
        Self { opacity, ..self }
    }

    fn stroke(self) -> String {
        let Self { colour, width, dashes, opacity } = self;
        let mut style = format!(r#"stroke="{colour}" stroke-width="{width}""#);
        if !dashes.is_empty() {
            let _ = write!(style, r#" stroke-dasharray="{dashes}""#);
        }
        if opacity < 1.0 {
            let _ = write!(style, r#" stroke-opacity="{opacity}""#);
        }
        style
    }

    fn fill(self) -> String {
        match self.opacity < 1.0 {
            true => format!(r#"fill="{}" fill-opacity="{}""#, self.colour, self.opacity),
            false => format!(r#"fill="{}""#, self.colour),
        }
    }
}

/// On which side of its point a text stands.
///
/// ```
/// use polytask::plot::{Anchor, Drawing, Pen};
///
/// let mut drawing = Drawing::new("A scale", [220.0, 40.0]);
/// drawing.text([10.0, 24.0], Anchor::Start, Pen::INK, "nothing");
/// drawing.text([210.0, 24.0], Anchor::End, Pen::INK, "all");
/// drawing.text_upwards([110.0, 20.0], Anchor::Middle, Pen::ASIDE, "half");
/// let svg = drawing.svg();
/// assert!(["start", "middle", "end"].iter().all(|at| svg.contains(&format!(r#"text-anchor="{at}""#))));
/// assert!(svg.contains("rotate(-90 110.0 20.0)"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Anchor {
    /// The text begins at the point.
    Start,
    /// The text is centred on the point.
    Middle,
    /// The text ends at the point.
    End,
}

impl Anchor {
    fn word(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}

/// A drawing in pixels, from the top left. A shape with a coordinate that is not finite is left out.
///
/// ```
/// use polytask::plot::{Anchor, Drawing, Pen};
///
/// let mut drawing = Drawing::new("Two boxes", [200.0, 60.0]);
/// drawing.panel([10.0, 10.0], [60.0, 40.0]);
/// drawing.panel([130.0, 10.0], [60.0, 40.0]);
/// drawing.arrow([70.0, 30.0], [130.0, 30.0], Pen::INK);
/// drawing.text([100.0, 24.0], Anchor::Middle, Pen::INK, "W < 1");
/// assert!(drawing.svg().contains("W &lt; 1"));
/// ```
///
/// What is not finite is a gap, and one drawing can be placed in another:
///
/// ```
/// use polytask::plot::{Drawing, Pen};
///
/// let mut curve = Drawing::new("A curve with a gap", [100.0, 100.0]);
/// curve.frame([0.0, 0.0], [100.0, 100.0], Pen::GRID);
/// curve.path(&[[0.0, 90.0], [20.0, 60.0], [f64::NAN, 0.0], [60.0, 30.0], [90.0, 20.0]], Pen::colour(0));
/// curve.dot([90.0, 20.0], 4.0, Pen::colour(1));
/// curve.bar([70.0, 80.0], [f64::INFINITY, 10.0], Pen::INK);        // left out
/// let mut pair = Drawing::new("Two", [curve.size()[0] + 120.0, 100.0]);
/// pair.place([0.0, 0.0], &curve);
/// pair.image([120.0, 0.0], 50.0, 2, &[0.0, 0.0, 1.0, 0.5]); // two rows of two; equal neighbours are one
/// let svg = pair.svg();
/// assert_eq!((svg.matches("<polyline").count(), svg.matches("<circle").count()), (2, 1));
/// assert_eq!(svg.matches("<rect").count(), 1 + 1 + 3);             // the ground, the frame, the image
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    title: String,
    size: [f64; 2],
    body: String,
}

impl Drawing {
    /// An empty drawing of that width and height; the title is what a screen reader says.
    pub fn new(title: impl Into<String>, size: [f64; 2]) -> Self {
        Self { title: title.into(), size, body: String::new() }
    }

    /// Width and height.
    pub fn size(&self) -> [f64; 2] {
        self.size
    }

    /// A straight line.
    pub fn line(&mut self, from: [f64; 2], to: [f64; 2], pen: Pen) {
        self.put([from, to], |[[x0, y0], [x1, y1]]| {
            format!(r#"<line x1="{x0:.1}" y1="{y0:.1}" x2="{x1:.1}" y2="{y1:.1}" {}/>"#, pen.stroke())
        });
    }

    /// A line through points, broken where one is not finite; a point without neighbours is a dot.
    pub fn path(&mut self, points: &[[f64; 2]], pen: Pen) {
        for run in points.chunk_by(|a, b| is_finite(a) == is_finite(b)).filter(|run| is_finite(&run[0])) {
            if let [point] = run {
                self.dot(*point, 1.5 * pen.width, pen);
                continue;
            }
            let points: Vec<String> = run.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
            let (points, stroke) = (points.join(" "), pen.stroke());
            let _ = writeln!(self.body, r#"<polyline fill="none" points="{points}" {stroke}/>"#);
        }
    }

    /// A disc in the pen's colour.
    pub fn dot(&mut self, centre: [f64; 2], radius: f64, pen: Pen) {
        self.put([centre], |[[x, y]]| {
            format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" {}/>"#, pen.fill())
        });
    }

    /// The outline of a rectangle.
    pub fn frame(&mut self, corner: [f64; 2], size: [f64; 2], pen: Pen) {
        self.rectangle(corner, size, &format!(r#"fill="none" {}"#, pen.stroke()));
    }

    /// A box with round corners and a light fill, to write in.
    pub fn panel(&mut self, corner: [f64; 2], size: [f64; 2]) {
        self.rectangle(corner, size, r##"rx="6" fill="#f4f6f8" stroke="#888888""##);
    }

    /// A rectangle filled in the pen's colour.
    pub fn bar(&mut self, corner: [f64; 2], size: [f64; 2], pen: Pen) {
        self.rectangle(corner, size, &pen.fill());
    }

    fn rectangle(&mut self, corner: [f64; 2], size: [f64; 2], style: &str) {
        self.put([corner, size], |[[x, y], [width, height]]| {
            let (width, height) = (width.max(0.0), height.max(0.0));
            format!(r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" {style}/>"#)
        });
    }

    /// Words at a point, in the pen's colour.
    pub fn text(&mut self, at: [f64; 2], anchor: Anchor, pen: Pen, words: &str) {
        let anchor = anchor.word();
        self.put([at], |[[x, y]]| {
            let (fill, words) = (pen.fill(), escape(words));
            format!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" {fill}>{words}</text>"#)
        });
    }

    /// Words read from the bottom up, at a point.
    pub fn text_upwards(&mut self, at: [f64; 2], anchor: Anchor, pen: Pen, words: &str) {
        let anchor = anchor.word();
        self.put([at], |[[x, y]]| {
            let (fill, words) = (pen.fill(), escape(words));
            let turn = format!(r#"transform="rotate(-90 {x:.1} {y:.1})""#);
            format!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" {turn} {fill}>{words}</text>"#)
        });
    }

    /// A line with a head at its end.
    pub fn arrow(&mut self, from: [f64; 2], to: [f64; 2], pen: Pen) {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let length = dx.hypot(dy).max(1e-9);
        let (ux, uy) = (dx / length, dy / length);
        let back = [to[0] - 9.0 * ux, to[1] - 9.0 * uy];
        self.line(from, back, pen);
        let side = |s: f64| [back[0] - s * 4.5 * uy, back[1] + s * 4.5 * ux];
        self.put([to, side(1.0), side(-1.0)], |[[x0, y0], [x1, y1], [x2, y2]]| {
            format!(r#"<polygon points="{x0:.1},{y0:.1} {x1:.1},{y1:.1} {x2:.1},{y2:.1}" {}/>"#, pen.fill())
        });
    }

    /// An image of `width` columns in 16 shades from 0, black, to 1, white, each number a square of `pixel` pixels;
    /// what is not a number is black.
    ///
    /// # Panics
    /// If `width` is 0.
    #[track_caller]
    pub fn image(&mut self, corner: [f64; 2], pixel: f64, width: usize, values: &[f64]) {
        assert!(width > 0, "an image of {} numbers in rows of 0", values.len());
        let shade = |value: &f64| (value.clamp(0.0, 1.0) * 15.0).round() as usize;
        let _ = writeln!(self.body, r#"<g shape-rendering="crispEdges">"#);
        for (y, row) in values.chunks(width).enumerate() {
            let mut x = 0;
            // Equal neighbours are one rectangle.
            for run in row.chunk_by(|a, b| shade(a) == shade(b)) {
                let at = [corner[0] + x as f64 * pixel, corner[1] + y as f64 * pixel];
                let shade = shade(&run[0]);
                let style = format!(r##"fill="#{shade:x}{shade:x}{shade:x}""##);
                self.rectangle(at, [run.len() as f64 * pixel, pixel], &style);
                x += run.len();
            }
        }
        let _ = writeln!(self.body, "</g>");
    }

    /// Another drawing within this one, its top left at a point.
    pub fn place(&mut self, at: [f64; 2], drawing: &Drawing) {
        let body = &drawing.body;
        self.put([at], |[[x, y]]| format!("<g transform=\"translate({x:.1} {y:.1})\">\n{body}</g>"));
    }

    fn put<const N: usize>(&mut self, points: [[f64; 2]; N], write: impl FnOnce([[f64; 2]; N]) -> String) {
        if points.iter().all(is_finite) {
            self.body += &write(points);
            self.body.push('\n');
        }
    }

    /// The drawing as the text of an SVG file.
    pub fn svg(&self) -> String {
        let ([width, height], title) = (self.size, escape(&self.title));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" font-family=\"sans-serif\" font-size=\"13\" role=\"img\">\n\
             <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}</svg>\n",
            self.body
        )
    }
}

fn is_finite(point: &[f64; 2]) -> bool {
    point.iter().all(|x| x.is_finite())
}

/// Text as XML: marks are named, and characters that XML forbids are left out.
pub(crate) fn escape(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '&' => text += "&amp;",
            '<' => text += "&lt;",
            '>' => text += "&gt;",
            '"' => text += "&quot;",
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    text
}

/// How wide words are in a sans-serif of 13 pixels, about: characters of East Asia are square.
pub(super) fn width_of(words: &str) -> f64 {
    words.chars().map(|c| if c >= '\u{1100}' { 13.0 } else { 7.6 }).sum()
}

/// The words, cut to fit into some pixels.
pub(super) fn cut(words: &str, width: f64) -> String {
    if width_of(words) <= width {
        return words.to_owned();
    }
    let mut short = String::new();
    for c in words.chars() {
        short.push(c);
        if width_of(&short) + 10.0 > width {
            short.pop();
            break;
        }
    }
    short + "…"
}
