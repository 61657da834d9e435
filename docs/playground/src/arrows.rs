//! The tasks' gradients as arrows. Two vectors of any length lie in a plane; their inner products say how.

use polytask::ndarray::ArrayView2;

/// The gradients of both tasks with respect to the shared parameters, and what the balancing method makes of them, in the
/// plane that they span: the first axis lies along ∇A.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrows {
    /// The cosine of the angle between ∇A and ∇B; 0 where one of them is 0.
    pub cosine: f64,
    /// ∇A and ∇B.
    pub gradients: [[f64; 2]; 2],
    /// Each without what opposes the other: what PCGrad adds up.
    pub projected: [[f64; 2]; 2],
    /// The direction, `d = w_A ∇A + w_B ∇B`.
    pub direction: [f64; 2],
    /// The weights.
    pub weights: [f64; 2],
    /// `⟨d, ∇ₖ⟩`: a small step against d lowers the loss of task k where this is above 0, and raises it below.
    pub served: [f64; 2],
}

fn combine(a: f64, x: [f64; 2], b: f64, y: [f64; 2]) -> [f64; 2] {
    [a * x[0] + b * y[0], a * x[1] + b * y[1]]
}

impl Arrows {
    /// From the 2 × 2 Gramian and the weights of the shared parameters.
    pub fn new(gramian: ArrayView2<'_, f64>, weights: &[f64]) -> Self {
        let [aa, ab, bb] = [gramian[[0, 0]], gramian[[0, 1]], gramian[[1, 1]]];
        let (a, b) = (aa.sqrt(), bb.sqrt());
        let cosine = if a * b > 0.0 { (ab / (a * b)).clamp(-1.0, 1.0) } else { 0.0 };
        let gradients = [[a, 0.0], [b * cosine, b * (1.0 - cosine * cosine).sqrt()]];
        let [to_a, to_b] = gradients;
        let along = |square: f64| if square > 0.0 { -ab.min(0.0) / square } else { 0.0 };
        let (w_a, w_b) = (weights[0], weights[1]);
        Self {
            cosine,
            gradients,
            projected: [combine(1.0, to_a, along(bb), to_b), combine(1.0, to_b, along(aa), to_a)],
            direction: combine(w_a, to_a, w_b, to_b),
            weights: [w_a, w_b],
            served: [w_a * aa + w_b * ab, w_a * ab + w_b * bb],
        }
    }

    /// Whether a small step against the direction raises the loss of a task, by more than rounding.
    pub fn opposes(&self) -> bool {
        let length = |x: [f64; 2]| (x[0] * x[0] + x[1] * x[1]).sqrt();
        (0..2).any(|k| self.served[k] < -1e-6 * length(self.direction) * length(self.gradients[k]))
    }

    /// All numbers, in the order of the fields.
    pub fn list(&self) -> Vec<f64> {
        let mut list = vec![self.cosine];
        list.extend(self.gradients.iter().chain(&self.projected).flatten());
        list.extend(self.direction.iter().chain(&self.weights).chain(&self.served));
        list
    }
}

#[cfg(test)]
mod tests {
    use polytask::balance::{Balancer, FixedEvidence, PcGrad};
    use polytask::ndarray::array;

    use super::*;

    #[test]
    fn arrows_have_the_products_of_the_gradients() -> polytask::Result<()> {
        let gramian = array![[4.0, -3.0], [-3.0, 9.0]];
        let weights = Balancer::new(PcGrad::new(), 2)?
            .weights(&mut FixedEvidence::from_gramian(&gramian))
            .shared
            .clone();
        let arrows = Arrows::new(gramian.view(), &weights);
        let dot = |x: [f64; 2], y: [f64; 2]| x[0] * y[0] + x[1] * y[1];
        let [a, b] = arrows.gradients;
        assert!((dot(a, a) - 4.0).abs() < 1e-12 && (dot(a, b) + 3.0).abs() < 1e-12);
        assert!((dot(b, b) - 9.0).abs() < 1e-12 && (arrows.cosine + 0.5).abs() < 1e-12);
        // Each projection is at a right angle to the other gradient, and their sum is PCGrad's direction.
        let [a_left, b_left] = arrows.projected;
        assert!(dot(a_left, b).abs() < 1e-12 && dot(b_left, a).abs() < 1e-12);
        let sum = combine(1.0, a_left, 1.0, b_left);
        assert!((0..2).all(|i| (sum[i] - arrows.direction[i]).abs() < 1e-12));
        assert!(
            (0..2).all(|k| (arrows.served[k] - dot(arrows.direction, arrows.gradients[k])).abs() < 1e-12)
        );
        Ok(())
    }

    #[test]
    fn a_gradient_of_zero_is_no_arrow() {
        let arrows = Arrows::new(array![[0.0, 0.0], [0.0, 1.0]].view(), &[1.0, 1.0]);
        assert_eq!((arrows.cosine, arrows.gradients[0], arrows.direction), (0.0, [0.0, 0.0], [0.0, 1.0]));
        assert_eq!(arrows.list().len(), 15);
    }
}
