//! What a Gramian tells about how the tasks get on.

use std::fmt;

use ndarray::{Array2, ArrayView2};

use super::Gramian;
use super::solver::Eigen;

/// How the gradients of K tasks lie to each other.
///
/// ```
/// use polytask::balance::diagnostics::diagnose;
/// use polytask::ndarray::array;
///
/// let report = diagnose(array![[1.0, -1.0, 0.0], [-1.0, 4.0, 0.0], [0.0, 0.0, 3.0]].view());
/// assert!((report.norms[1] - 2.0).abs() < 1e-15);
/// assert!((report.cosines[[0, 1]] + 0.5).abs() < 1e-15);
/// assert!((report.magnitude_similarity[[0, 1]] - 0.8).abs() < 1e-15);
/// assert!((report.conflicting - 1.0 / 3.0).abs() < 1e-15);     // one pair of three
/// println!("{report}");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diagnostics {
    /// The length of each gradient, ‖∇ₖ‖.
    pub norms: Vec<f64>,
    /// The cosine of the angle between each two gradients, K × K; 0 with a zero gradient.
    pub cosines: Array2<f64>,
    /// `2 ‖∇ₖ‖ ‖∇ₗ‖ / (‖∇ₖ‖² + ‖∇ₗ‖²)`, K × K: 1 for equal lengths, near 0 where one drowns the other
    /// (Yu et al., NeurIPS 2020, definition 2).
    pub magnitude_similarity: Array2<f64>,
    /// The share of the pairs of tasks whose gradients have a negative cosine; 0 for one task.
    pub conflicting: f64,
    /// The condition number of the system of gradients, the ratio of its largest to its least singular value
    /// (Senushkin et al., CVPR 2023): 1 for orthogonal gradients of equal length, infinite for dependent ones.
    pub condition: f64,
}

/// The diagnostics of a `K × K` Gramian.
///
/// ```
/// use ndarray::array;
/// use polytask::balance::diagnostics::diagnose;
///
/// let found = diagnose(array![[4.0, -1.0], [-1.0, 1.0]].view());
/// assert_eq!(found.norms, [2.0, 1.0]);
/// assert!((found.cosines[[0, 1]] + 0.5).abs() < 1e-12);
/// ```
///
/// # Panics
/// If the matrix is not square.
#[track_caller]
pub fn diagnose(gramian: ArrayView2<'_, f64>) -> Diagnostics {
    let g = Gramian::of(gramian);
    let n = g.len();
    let pairs = (0..n).flat_map(|k| (0..k).map(move |l| [k, l]));
    let conflicts = pairs.clone().filter(|&pair| g[pair] < 0.0).count();
    let mut eigen = Eigen::default();
    eigen.decompose(n, |k, l| g[[k, l]]);
    let (least, largest) = eigen
        .pairs()
        .fold((f64::INFINITY, 0.0_f64), |(least, most), (value, _)| (least.min(value), most.max(value)));
    let independent = eigen.pairs().count() == n;
    Diagnostics {
        norms: (0..n).map(|k| g.true_norm(k)).collect(),
        cosines: Array2::from_shape_fn((n, n), |(k, l)| g.cosine(k, l)),
        magnitude_similarity: Array2::from_shape_fn((n, n), |(k, l)| {
            let sum = g[[k, k]] + g[[l, l]];
            if sum > 0.0 { 2.0 * (g[[k, k]] * g[[l, l]]).sqrt() / sum } else { 1.0 }
        }),
        conflicting: conflicts as f64 / pairs.count().max(1) as f64,
        condition: if independent { (largest / least).sqrt() } else { f64::INFINITY },
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "conflicting pairs {:.0} %, condition {:.3e}", 100.0 * self.conflicting, self.condition)?;
        write!(f, "{:>4} {:>10}  cosine", "task", "norm")?;
        for (k, norm) in self.norms.iter().enumerate() {
            write!(f, "\n{k:>4} {norm:>10.3e} ")?;
            for cosine in self.cosines.row(k) {
                write!(f, " {cosine:>6.3}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_condition_is_the_ratio_of_singular_values() {
        // Rows of length 3 and 1 at right angles, turned together: singular values 3 and 1.
        let (cos, sin) = (0.6, 0.8);
        let rows = array![[3.0 * cos, 3.0 * sin], [-sin, cos]];
        let report = diagnose(rows.dot(&rows.t()).view());
        assert!((report.condition - 3.0).abs() < 1e-12);
        assert_eq!(report.conflicting, 0.0);
        let dependent = array![[1.0, 2.0], [2.0, 4.0]];
        assert_eq!(diagnose(dependent.view()).condition, f64::INFINITY);
    }

    #[test]
    fn one_task_and_zero_gradients_have_diagnostics() {
        let one = diagnose(array![[4.0]].view());
        assert_eq!((one.norms[0], one.conflicting, one.condition), (2.0, 0.0, 1.0));
        let zero = diagnose(array![[0.0, 0.0], [0.0, 0.0]].view());
        assert_eq!((zero.norms, zero.condition), (vec![0.0, 0.0], f64::INFINITY));
    }

    #[test]
    fn prints_one_line_for_each_task() {
        let text = diagnose(array![[1.0, -1.0], [-1.0, 4.0]].view()).to_string();
        assert_eq!(text.lines().count(), 4);
        assert!(text.starts_with("conflicting pairs 100 %") && text.contains("-0.500"), "{text}");
    }
}
