//! Transforms of targets: what a network learns in place of a skewed quantity, and how its predictions come back.
//!
//! ```text
//! log           y = ln x                                             x > 0
//! log1p         y = ln(1 + x)                                        x > −1
//! Box-Cox       y = (xᵘ − 1) / u, ln x for u = 0                     x > 0        u is called λ
//! Yeo-Johnson   y = ((1 + x)ᵘ − 1) / u, ln(1 + x) for u = 0          x ≥ 0
//!               y = −((1 − x)²⁻ᵘ − 1) / (2 − u), −ln(1 − x) for u = 2   x < 0
//! ```
//! G. E. P. Box and D. R. Cox, "An analysis of transformations", 1964; I.-K. Yeo and R. A. Johnson, "A new family of power
//! transformations to improve normality or symmetry", Biometrika 87, 2000.
//!
//! Fitted is the λ that makes the labels likeliest to be normal, as by `scipy.stats.boxcox` and `yeojohnson`: the maximum
//! over λ of
//!
//! ```text
//! ℓ(λ) = −W/2 ln V(λ) + (λ − 1) S        V: variance of the transformed labels    W: their weight
//! S = Σ w ln x  (Box-Cox)                S = Σ w sign(x) ln(1 + |x|)  (Yeo-Johnson)
//! ```
//! found where its derivative, −W V′/(2V) + S, changes its sign. With t = ln x − the mean of ln x in the place of ln x, V
//! and S of Box-Cox are divided by powers of the geometric mean, which moves ℓ by a constant and no number out of range.
//!
//! A prediction is brought back by the inverse, which is monotone: a median or a quantile stays one. A mean does not: the
//! inverse of a predicted mean of ln x is the median of x where the errors of ln x are symmetric, and lies below the mean
//! of x. Nothing is added for that, because how much depends on the spread around each prediction, which is not known.

use ndarray::{ArrayView1, ArrayView2};

use crate::{Error, ErrorKind, Result, Scalar};

/// A transform of the labels of a task before it learns them: see
/// [`Task::transform`](crate::Task::transform).
///
/// ```
/// use polytask::data::TargetTransform;
/// use polytask::ndarray::array;
///
/// let (labels, box_cox) = (array![[1.0], [10.0], [100.0]], TargetTransform::box_cox());
/// let fitted = box_cox.fit(labels.view(), None)?;
/// assert!(fitted[0].lambda().is_some_and(|lambda| lambda.abs() < 1e-9)); // equal factors: the logarithm
/// assert_eq!(TargetTransform::Log.fit(labels.view(), None)?[0].apply(1.0), 0.0);
/// # Ok::<(), polytask::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "persist", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "persist", serde(rename_all = "snake_case", deny_unknown_fields))]
pub enum TargetTransform {
    /// The natural logarithm, of labels above 0.
    Log,
    /// The natural logarithm of one more, of labels above −1.
    Log1p,
    /// A power or the logarithm, of labels above 0.
    BoxCox {
        /// The power λ; fitted to the training labels if `None`.
        lambda: Option<f64>,
    },
    /// A power or the logarithm of labels of either sign.
    YeoJohnson {
        /// The power λ; fitted to the training labels if `None`.
        lambda: Option<f64>,
    },
}

/// A transform of one column whose settings are known.
///
/// ```
/// use polytask::data::FittedTransform;
///
/// let root = FittedTransform::BoxCox(0.5);
/// assert!((root.apply(9.0) - 4.0).abs() < 1e-12 && (root.undo(4.0) - 9.0).abs() < 1e-12); // 2 (√x − 1)
/// assert_eq!(root.undo(-2.5), 0.0); // no label lies below 0
/// assert_eq!(FittedTransform::BoxCox(-1.0).undo(1.5), f64::INFINITY); // 1 − 1/x stays below 1
/// assert!(root.apply(f64::NAN).is_nan()); // a missing label
/// assert!(!root.is_in_domain(-1.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FittedTransform {
    /// ln x.
    Log,
    /// ln(1 + x).
    Log1p,
    /// The transform of Box and Cox with this λ.
    BoxCox(f64),
    /// The transform of Yeo and Johnson with this λ.
    YeoJohnson(f64),
}

/// Between minus this number and this number a λ is looked for; a larger one says that no power makes the labels normal.
const LARGEST_LAMBDA: f64 = 16.0;

impl TargetTransform {
    /// Box-Cox with a λ fitted to the training labels.
    pub fn box_cox() -> Self {
        Self::BoxCox { lambda: None }
    }

    /// Yeo-Johnson with a λ fitted to the training labels.
    pub fn yeo_johnson() -> Self {
        Self::YeoJohnson { lambda: None }
    }

    /// The transform, if it need not be fitted.
    pub(crate) fn fixed(self) -> Option<FittedTransform> {
        match self {
            Self::Log => Some(FittedTransform::Log),
            Self::Log1p => Some(FittedTransform::Log1p),
            Self::BoxCox { lambda } => lambda.map(FittedTransform::BoxCox),
            Self::YeoJohnson { lambda } => lambda.map(FittedTransform::YeoJohnson),
        }
    }

    /// The transform with a fitted λ.
    pub(crate) fn with_lambda(self, lambda: f64) -> FittedTransform {
        match self {
            Self::BoxCox { .. } => FittedTransform::BoxCox(lambda),
            Self::YeoJohnson { .. } => FittedTransform::YeoJohnson(lambda),
            Self::Log => FittedTransform::Log,
            Self::Log1p => FittedTransform::Log1p,
        }
    }

    /// Which labels it takes, for a message.
    fn domain(self) -> &'static str {
        match self {
            Self::Log | Self::BoxCox { .. } => "a label above 0, as its transform needs",
            Self::Log1p => "a label above -1, as its transform needs",
            Self::YeoJohnson { .. } => "a finite label",
        }
    }

    /// Fails if λ is not finite.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::BoxCox { lambda: Some(lambda) } | Self::YeoJohnson { lambda: Some(lambda) }
                if !lambda.is_finite() =>
            {
                Err(Error::new(
                    ErrorKind::Setting,
                    "lambda of a target's transform",
                    "a finite number",
                    lambda,
                ))
            }
            _ => Ok(()),
        }
    }

    /// Fails at the first label of `targets` (`rows × columns`) that it does not take; NaN is a missing label.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] names row and column.
    pub(crate) fn check_labels<F: Scalar>(self, targets: ArrayView2<'_, F>) -> Result<()> {
        let known = self.with_lambda(0.0);
        let is_wrong = |x: &F| !x.is_nan() && !known.is_in_domain(x.to_f64());
        match targets.indexed_iter().find(|(_, x)| is_wrong(x)) {
            None => Ok(()),
            Some(((row, column), x)) => {
                let place = format!("row {row}, target column {column}");
                Err(Error::new(ErrorKind::Value, place, self.domain(), x)
                    .advise("TargetTransform::YeoJohnson takes any number; TargetTransform::Log1p takes 0"))
            }
        }
    }

    /// The transform of each column of `targets` (`rows × columns`, NaN where a label is missing), with λ fitted where it is
    /// not given; without `weights` all rows count equally.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if a label is outside the domain, or a λ is to be fitted and there are no two labels that
    /// differ, or none from −16 to 16 is the best; [`ErrorKind::Setting`] if the given one is not finite.
    ///
    /// # Panics
    /// If there is not one weight per row.
    #[track_caller]
    pub fn fit<F: Scalar>(
        self,
        targets: ArrayView2<'_, F>,
        weights: Option<ArrayView1<'_, F>>,
    ) -> Result<Vec<FittedTransform>> {
        if let Some(weights) = weights {
            assert_eq!(weights.len(), targets.nrows(), "weights, and rows of the targets");
        }
        self.check()?;
        self.check_labels(targets)?;
        let weight = |row: usize| weights.map_or(1.0, |weights| weights[row].to_f64());
        let of_column = |(c, column): (usize, ArrayView1<'_, F>)| {
            if let Some(fixed) = self.fixed() {
                return Ok(fixed);
            }
            let labels: Vec<(f64, f64)> = (column.iter().enumerate())
                .map(|(row, x)| (x.to_f64(), weight(row)))
                .filter(|(x, weight)| !x.is_nan() && *weight > 0.0)
                .collect();
            let lambda =
                likeliest(self, &labels).map_err(|error| error.within(format!("target column {c}")))?;
            Ok(self.with_lambda(lambda))
        };
        targets.columns().into_iter().enumerate().map(of_column).collect()
    }
}

impl FittedTransform {
    /// λ, of the transforms that have one.
    pub fn lambda(self) -> Option<f64> {
        match self {
            Self::Log | Self::Log1p => None,
            Self::BoxCox(lambda) | Self::YeoJohnson(lambda) => Some(lambda),
        }
    }

    /// Whether the transform is defined for a label.
    pub fn is_in_domain(self, x: f64) -> bool {
        x.is_finite()
            && match self {
                Self::Log | Self::BoxCox(_) => x > 0.0,
                Self::Log1p => x > -1.0,
                Self::YeoJohnson(_) => true,
            }
    }

    /// What is learnt in the place of a label.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Self::Log => libm::log(x),
            Self::Log1p => libm::log1p(x),
            Self::BoxCox(lambda) => power(lambda, libm::log(x)).0,
            Self::YeoJohnson(lambda) if x < 0.0 => -power(2.0 - lambda, libm::log1p(-x)).0,
            Self::YeoJohnson(lambda) => power(lambda, libm::log1p(x)).0,
        }
    }

    /// The label in whose place this is learnt: the inverse of [`apply`](Self::apply). Where a number is beyond what the
    /// transform reaches, the end of the domain that it is beyond: 0 or infinity for Box-Cox, an infinity for Yeo-Johnson.
    pub fn undo(self, y: f64) -> f64 {
        match self {
            Self::Log => libm::exp(y),
            Self::Log1p => libm::expm1(y),
            Self::BoxCox(lambda) => libm::exp(root(lambda, y)),
            Self::YeoJohnson(lambda) if y < 0.0 => -libm::expm1(root(2.0 - lambda, -y)),
            Self::YeoJohnson(lambda) => libm::expm1(root(lambda, y)),
        }
    }
}

/// (eᵘᵗ − 1) / u, which is t for u = 0, and its derivative with respect to u.
fn power(u: f64, t: f64) -> (f64, f64) {
    let z = u * t;
    if z.abs() < 1e-5 {
        // Two terms more of the series are below the rounding of the first.
        return (t * (1.0 + z / 2.0 + z * z / 6.0), t * t * (0.5 + z / 3.0 + z * z / 8.0));
    }
    let grown = libm::expm1(z);
    (grown / u, (z * (grown + 1.0) - grown) / (u * u))
}

/// The t with (eᵘᵗ − 1) / u = y: minus or plus infinity where y is beyond what this reaches.
fn root(u: f64, y: f64) -> f64 {
    match u * y {
        _ if u == 0.0 => y,
        // u y + 1 is a power of a positive number.
        product if product <= -1.0 => -u.signum() * f64::INFINITY,
        product => libm::log1p(product) / u,
    }
}

/// The λ that makes labels, each with its weight, likeliest to be normal.
fn likeliest(transform: TargetTransform, labels: &[(f64, f64)]) -> Result<f64> {
    let refuse = |expected: &str, found: String| {
        Err(Error::new(ErrorKind::Value, "labels to fit lambda to", expected, found)
            .advise("give lambda, or take another transform"))
    };
    if labels.iter().all(|(x, _)| *x == labels[0].0) {
        return refuse("two that differ", format!("{} labels, all equal", labels.len()));
    }
    let total: f64 = labels.iter().map(|(_, weight)| weight).sum();
    let mean =
        |of: &dyn Fn(f64) -> f64| labels.iter().map(|&(x, weight)| weight * of(x)).sum::<f64>() / total;
    let is_box_cox = matches!(transform, TargetTransform::BoxCox { .. });
    let middle = if is_box_cox { mean(&libm::log) } else { 0.0 };
    let sum = if is_box_cox { 0.0 } else { mean(&|x: f64| x.signum() * libm::log1p(x.abs())) };
    let transformed = |lambda: f64, x: f64| match is_box_cox {
        true => power(lambda, libm::log(x) - middle),
        false if x < 0.0 => {
            let (y, slope) = power(2.0 - lambda, libm::log1p(-x));
            (-y, slope)
        }
        false => power(lambda, libm::log1p(x)),
    };
    // The derivative of −ℓ/W with respect to λ, V′/(2V) − S/W.
    let slope = |lambda: f64| {
        let (mut y_mean, mut d_mean) = (0.0, 0.0);
        let all: Vec<(f64, f64)> = labels.iter().map(|&(x, _)| transformed(lambda, x)).collect();
        for ((y, d), (_, weight)) in all.iter().zip(labels) {
            y_mean += weight / total * y;
            d_mean += weight / total * d;
        }
        let (mut variance, mut covariance) = (0.0, 0.0);
        for ((y, d), (_, weight)) in all.iter().zip(labels) {
            variance += weight / total * (y - y_mean) * (y - y_mean);
            covariance += weight / total * (y - y_mean) * (d - d_mean);
        }
        covariance / variance - sum
    };
    let mut ends = [-1.0, 1.0];
    let are_around = |[low, high]: [f64; 2]| slope(low) < 0.0 && slope(high) > 0.0;
    while !are_around(ends) {
        ends = ends.map(|end| 2.0 * end);
        if ends[1] > LARGEST_LAMBDA {
            return refuse(
                "some whose likeliest lambda is from -16 to 16",
                format!("{} labels", labels.len()),
            );
        }
    }
    let [mut low, mut high] = ends;
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high || high - low < 1e-13 {
            return Ok(middle);
        }
        if slope(middle) > 0.0 { high = middle } else { low = middle }
    }
}
