//! Lines and dots over two axes.

use super::drawing::{Anchor, Drawing, Pen, cut, width_of};
use super::ticks::{self, Ticks};

/// An axis: its name, whether it is logarithmic, its range and its ticks, which follow from the data if not given.
///
/// ```
/// use polytask::plot::{Axis, Chart};
///
/// let chart = Chart::new("Squares", Axis::linear("n"), Axis::log("n²"))
///     .line("squares", (1..10).map(f64::from).map(|n| [n, n * n]));
/// assert!(chart.drawing().svg().contains("polyline"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    name: String,
    is_log: bool,
    range: Option<[f64; 2]>,
    ticks: Option<Vec<(f64, String)>>,
}

impl Axis {
    /// An axis with equal steps.
    pub fn linear(name: impl Into<String>) -> Self {
        Self { name: name.into(), is_log: false, range: None, ticks: None }
    }

    /// An axis with equal factors; numbers that are not positive are gaps.
    pub fn log(name: impl Into<String>) -> Self {
        Self { is_log: true, ..Self::linear(name) }
    }

    /// From where to where; what lies outside is drawn at the border. A range that is empty, not finite or, of a
    /// logarithmic axis, not positive is not used.
    pub fn range(self, low: f64, high: f64) -> Self {
        let is_usable = low < high && (high - low).is_finite() && (!self.is_log || low > 0.0);
        Self { range: is_usable.then_some([low, high]), ..self }
    }

    /// Ticks and what is written beside them.
    ///
    /// ```
    /// use polytask::plot::{Axis, Chart, Pen};
    ///
    /// let x = Axis::linear("month").range(0.0, 3.0).ticks([(0.5, "May"), (1.5, "June"), (2.5, "July")]);
    /// let chart = Chart::new("Visits", x, Axis::linear("visits").range(0.0, 100.0))
    ///     .line_with(Pen::colour(2), "", [[0.5, 30.0], [1.5, 250.0], [2.5, 60.0]])
    ///     .size(400.0, 200.0);
    /// let svg = chart.drawing().svg();
    /// assert!(svg.contains("June") && svg.contains("#009e73"));
    /// assert!(svg.contains(">100<") && !svg.contains(">250<")); // what lies outside stretches no axis
    /// ```
    pub fn ticks<S: Into<String>>(self, ticks: impl IntoIterator<Item = (f64, S)>) -> Self {
        Self { ticks: Some(ticks.into_iter().map(|(at, name)| (at, name.into())).collect()), ..self }
    }

    /// The number as it is measured along the axis.
    fn scale(&self, x: f64) -> f64 {
        match self.is_log {
            true if x > 0.0 => x.log10(),
            true => f64::NAN,
            false => x,
        }
    }

    /// The range with some room around the data; (0, 1) without data.
    fn fitted(&self, values: impl Iterator<Item = f64>) -> Fitted {
        let [low, high] = match self.range {
            Some(range) => range.map(|x| self.scale(x)),
            None => {
                let values = values.map(|x| self.scale(x)).filter(|x| x.abs() < LARGEST);
                let [low, high] = values
                    .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], x| [low.min(x), high.max(x)]);
                match high - low {
                    spread if spread > 1e-9 * low.abs().max(high.abs()) => {
                        [low - 0.03 * spread, high + 0.03 * spread]
                    }
                    // A constant stands in the middle.
                    _ if low.is_finite() => {
                        let room = if self.is_log { 0.5 } else { (0.5 * low.abs()).max(1e-12) };
                        let room = if low == 0.0 && !self.is_log { 1.0 } else { room };
                        [low - room, high + room]
                    }
                    _ => [0.0, 1.0],
                }
            }
        };
        let ticks = match &self.ticks {
            Some(ticks) => {
                let marks = ticks.iter().map(|(at, name)| (self.scale(*at), name.clone())).collect();
                Ticks { marks, from: String::new() }
            }
            None if self.is_log => ticks::log(low, high),
            None => ticks::linear(low, high),
        };
        Fitted { is_log: self.is_log, range: [low, high], ticks }
    }
}

/// Numbers beyond are gaps: the difference of two of them must be finite.
const LARGEST: f64 = 1e300;

/// An axis whose range and ticks are known, in its own measure.
struct Fitted {
    is_log: bool,
    range: [f64; 2],
    ticks: Ticks,
}

impl Fitted {
    /// Where a number lies, from 0 to 1.
    fn share(&self, x: f64) -> f64 {
        let x = match self.is_log {
            true if x > 0.0 => x.log10(),
            true => f64::NAN,
            false => x,
        };
        let [low, high] = self.range;
        let x = if x.abs() < LARGEST { x } else { f64::NAN };
        ((x - low) / (high - low)).clamp(-0.02, 1.02)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mark {
    Line,
    Dots(f64),
}

#[derive(Clone, Debug, PartialEq)]
struct Series {
    name: String,
    points: Vec<[f64; 2]>,
    mark: Mark,
    pen: Pen,
}

/// A chart with two axes; what is drawn later lies above.
///
/// ```
/// use polytask::plot::{Axis, Chart, Pen};
///
/// let chart = Chart::new("Squares", Axis::linear("x"), Axis::linear("x²"))
///     .line("exact", (0..=20).map(|i| [f64::from(i) / 10.0, f64::from(i * i) / 100.0]))
///     .dots(Pen::colour(1), 4.0, "measured", [[0.5, 0.26], [1.5, 2.24]]);
/// let svg = chart.drawing().svg();
/// assert!(svg.contains("measured") && svg.matches("<circle").count() >= 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    title: String,
    x: Axis,
    y: Axis,
    size: [f64; 2],
    series: Vec<Series>,
}

const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const BOTTOM: f64 = 48.0;
const LEGEND_ROW: f64 = 18.0;
const LEGEND_MARK: f64 = 30.0;

impl Chart {
    /// An empty chart of 640 × 360 pixels.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self { title: title.into(), x, y, size: [640.0, 360.0], series: Vec::new() }
    }

    /// Another width and height, at least 240 × 160 pixels.
    pub fn size(self, width: f64, height: f64) -> Self {
        Self { size: [width.max(240.0), height.max(160.0)], ..self }
    }

    /// A line in the next colour and dashes. Without a name it is not in the legend.
    pub fn line(self, name: impl Into<String>, points: impl IntoIterator<Item = [f64; 2]>) -> Self {
        let pen = Pen::series(self.series.len());
        self.line_with(pen, name, points)
    }

    /// A line in a pen of your choice.
    pub fn line_with(
        self,
        pen: Pen,
        name: impl Into<String>,
        points: impl IntoIterator<Item = [f64; 2]>,
    ) -> Self {
        self.with(name.into(), points.into_iter().collect(), Mark::Line, pen)
    }

    /// Dots of a radius in pixels.
    pub fn dots(
        self,
        pen: Pen,
        radius: f64,
        name: impl Into<String>,
        points: impl IntoIterator<Item = [f64; 2]>,
    ) -> Self {
        self.with(name.into(), points.into_iter().collect(), Mark::Dots(radius), pen)
    }

    fn with(mut self, name: String, points: Vec<[f64; 2]>, mark: Mark, pen: Pen) -> Self {
        self.series.push(Series { name, points, mark, pen });
        self
    }

    /// The chart drawn: title, legend, axes, data.
    pub fn drawing(&self) -> Drawing {
        let [width, height] = self.size;
        let legend = self.legend(width - 24.0);
        let rows = legend.last().map_or(0, |(_, row, ..)| row + 1);
        let top = 46.0 + LEGEND_ROW * rows as f64;
        let height = height.max(top + BOTTOM + 80.0);
        let (right, bottom) = (width - RIGHT, height - BOTTOM);
        let mut drawing = Drawing::new(&self.title, [width, height]);
        drawing.text([12.0, 20.0], Anchor::Start, Pen::INK, &cut(&self.title, width - 24.0));
        for (left, row, series, name) in legend {
            let y = 40.0 + LEGEND_ROW * row as f64;
            match series.mark {
                Mark::Line => drawing.line([left, y - 4.0], [left + 24.0, y - 4.0], series.pen),
                Mark::Dots(radius) => drawing.dot([left + 12.0, y - 4.0], radius.clamp(3.0, 5.0), series.pen),
            }
            drawing.text([left + LEGEND_MARK, y], Anchor::Start, Pen::INK, &name);
        }

        // Only points that can be drawn stretch the axes.
        let is_number = |x: f64, axis: &Axis| axis.scale(x).abs() < LARGEST;
        let all = || self.series.iter().flat_map(|series| &series.points);
        let drawn = || all().filter(|[x, y]| is_number(*x, &self.x) && is_number(*y, &self.y));
        let (x, y) = (self.x.fitted(drawn().map(|p| p[0])), self.y.fitted(drawn().map(|p| p[1])));
        let place =
            |[px, py]: [f64; 2]| [LEFT + (right - LEFT) * x.share(px), bottom - (bottom - top) * y.share(py)];
        // The name may be cut, but not what was taken from the numbers.
        let named = |axis: &Axis, from: &str, room: f64| {
            let name = cut(&axis.name, room - width_of(from)) + from;
            name.trim_start().to_owned()
        };
        let inside = |ticks: &Fitted, at: f64| (ticks.range[0]..=ticks.range[1]).contains(&at);
        for (at, name) in x.ticks.marks.iter().filter(|(at, _)| inside(&x, *at)) {
            let at = LEFT + (right - LEFT) * (at - x.range[0]) / (x.range[1] - x.range[0]);
            drawing.line([at, top], [at, bottom], Pen::GRID);
            drawing.text([at, bottom + 18.0], Anchor::Middle, Pen::INK, name);
        }
        for (at, name) in y.ticks.marks.iter().filter(|(at, _)| inside(&y, *at)) {
            let at = bottom - (bottom - top) * (at - y.range[0]) / (y.range[1] - y.range[0]);
            drawing.line([LEFT, at], [right, at], Pen::GRID);
            drawing.text([LEFT - 8.0, at + 4.0], Anchor::End, Pen::INK, name);
        }
        drawing.line([LEFT, bottom], [right, bottom], Pen::INK.width(1.0));
        drawing.line([LEFT, top], [LEFT, bottom], Pen::INK.width(1.0));
        drawing.text(
            [0.5 * (LEFT + right), height - 10.0],
            Anchor::Middle,
            Pen::INK,
            &named(&self.x, &x.ticks.from, right - LEFT),
        );
        drawing.text_upwards(
            [16.0, 0.5 * (top + bottom)],
            Anchor::Middle,
            Pen::INK,
            &named(&self.y, &y.ticks.from, bottom - top),
        );
        for series in &self.series {
            let points: Vec<[f64; 2]> = series.points.iter().map(|&point| place(point)).collect();
            match series.mark {
                Mark::Line => drawing.path(&points, series.pen),
                Mark::Dots(radius) => points.iter().for_each(|&p| drawing.dot(p, radius, series.pen)),
            }
        }
        if drawn().next().is_none() {
            let middle = [0.5 * (LEFT + right), 0.5 * (top + bottom)];
            drawing.text(middle, Anchor::Middle, Pen::ASIDE, "nothing to show");
        }
        drawing
    }

    /// Where each name of the legend stands: left edge, row, series, name.
    fn legend(&self, width: f64) -> Vec<(f64, usize, &Series, String)> {
        let (mut left, mut row, mut places) = (12.0, 0, Vec::new());
        for series in self.series.iter().filter(|series| !series.name.is_empty()) {
            let name = cut(&series.name, width - LEGEND_MARK);
            let needed = LEGEND_MARK + width_of(&name) + 16.0;
            if left > 12.0 && left + needed > width + 24.0 {
                (left, row) = (12.0, row + 1);
            }
            places.push((left, row, series, name));
            left += needed;
        }
        places
    }
}

/// Charts side by side, `columns` in a row, as one drawing.
///
/// ```
/// use polytask::plot::{Axis, Chart, sheet};
///
/// let chart = |name: &str| Chart::new(name, Axis::linear("step"), Axis::linear("loss")).size(300.0, 200.0);
/// let drawing = sheet("Three tasks", &[chart("a"), chart("b"), chart("c")], 2);
/// assert_eq!(drawing.size(), [600.0, 400.0]); // two in a row
/// ```
///
/// # Panics
/// If `columns` is 0.
#[track_caller]
pub fn sheet(title: impl Into<String>, charts: &[Chart], columns: usize) -> Drawing {
    assert!(columns > 0, "{} charts in rows of 0", charts.len());
    let drawings: Vec<Drawing> = charts.iter().map(Chart::drawing).collect();
    let size = |side: usize| drawings.iter().map(|drawing| drawing.size()[side]).fold(0.0, f64::max);
    let (width, height) = (size(0), size(1));
    let n_rows = drawings.len().div_ceil(columns);
    let n_columns = columns.min(drawings.len());
    let mut all = Drawing::new(title, [width * n_columns as f64, height * n_rows as f64]);
    for (i, drawing) in drawings.iter().enumerate() {
        all.place([width * (i % columns) as f64, height * (i / columns) as f64], drawing);
    }
    all
}
