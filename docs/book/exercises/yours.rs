//! Your answers. Replace each `todo!()`, then `cargo run -p exercises`.
//!
//! Matrices are row-major slices: entry (n, i) of a B × I matrix `x` is `x[n * I + i]`.

#![allow(unused_variables)]

/// (∂L/∂w, ∂L/∂b) of L = 1/B Σ (w x + b − t)⁴.
pub fn neuron_gradient(x: &[f64], t: &[f64], w: f64, b: f64) -> (f64, f64) {
    todo!()
}

/// (dW, db, dx) of z = x W + 1 b, from dz; x is B × I, w is I × O, dz is B × O. Plain loops.
pub fn dense_backward(
    x: &[f64],
    w: &[f64],
    dz: &[f64],
    [batch, inputs, outputs]: [usize; 3],
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    todo!()
}

/// dz from z and dy, entry by entry, for SiLU: y = z / (1 + e⁻ᶻ). Finite for every finite z.
pub fn silu_backward(z: &[f64], dy: &[f64]) -> Vec<f64> {
    todo!()
}

/// dx of layer normalisation, y = (x − mean(x)) / √(variance(x) + ε), for one row.
pub fn layer_norm_backward(x: &[f64], dy: &[f64], epsilon: f64) -> Vec<f64> {
    todo!()
}

/// How full x makes each bin between ascending edges, and the derivatives of that. The first and the last bin have no end on
/// the outside.
pub fn bin_encoding(x: f64, edges: &[f64]) -> (Vec<f64>, Vec<f64>) {
    todo!()
}

/// da and the dfₑ of one row, from the logits a of a softmax gate, what each expert says, and dh, where h = Σₑ pₑ fₑ. Finite for
/// every finite a.
pub fn gate_backward(a: &[f64], f: &[Vec<f64>], dh: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    todo!()
}

/// Value and delta of the mean cross-entropy of logits z and labels 0 or 1. Finite for every finite z.
pub fn binary_cross_entropy(z: &[f64], t: &[f64]) -> (f64, Vec<f64>) {
    todo!()
}

/// |⟨gradient, v⟩ − the central difference of the loss along v with step h|.
pub fn directional_error(
    loss: &dyn Fn(&[f64]) -> f64,
    theta: &[f64],
    gradient: &[f64],
    v: &[f64],
    h: f64,
) -> f64 {
    todo!()
}

/// One step of SGD with Nesterov's momentum: u ← μ u + g, θ ← θ − α (g + μ u).
pub fn momentum_step(theta: &mut [f64], velocity: &mut [f64], gradient: &[f64], alpha: f64, mu: f64) {
    todo!()
}

/// The gradient of L = 1/B Σ (y − t)², y = tanh(x W₁ + 1 b₁) W₂ + 1 b₂, with one feature, one output and `hidden` units;
/// θ and the gradient are [W₁ | b₁ | W₂ | b₂].
pub fn two_layer_gradient(x: &[f64], t: &[f64], theta: &[f64], hidden: usize) -> Vec<f64> {
    todo!()
}

/// dh, B × H, from dy and V of each head: dy is B (one output a head), V is H, and each head has its task's weight.
pub fn trunk_delta(dy: &[Vec<f64>], v: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    todo!()
}

/// Value and delta of the mean squared error over the labels present (a missing one is NaN), weighted by row.
pub fn masked_mean_squared_error(y: &[f64], t: &[f64], w: &[f64]) -> (f64, Vec<f64>) {
    todo!()
}

/// Value and delta of RankNet for one list: the mean of softplus(−(s_i − s_j)) over the pairs with t_i > t_j.
pub fn rank_net(s: &[f64], t: &[f64]) -> (f64, Vec<f64>) {
    todo!()
}

/// The cosine of the angle between two gradients; 0 if one of them is zero. Entries may be as large as 1e200.
pub fn cosine(a: &[f64], b: &[f64]) -> f64 {
    todo!()
}

/// K softmax(r / T), with r_k the loss of the last epoch divided by that of the one before. Finite
/// for rates of any size.
pub fn dynamic_weight_average(last: &[f64], before: &[f64], temperature: f64) -> Vec<f64> {
    todo!()
}

/// (w₁, w₂) of the shortest average of two gradients with a = |∇₁|², b = ⟨∇₁, ∇₂⟩, c = |∇₂|².
pub fn min_norm_pair(a: f64, b: f64, c: f64) -> (f64, f64) {
    todo!()
}

/// Σ aᵢ bᵢ, entry i added to chain i mod 8, and the chains added up in their order.
pub fn dot_in_chains(a: &[f32], b: &[f32]) -> f32 {
    todo!()
}

/// The sum by halves: of nothing 0, of one number itself, else the sum of the sums of both halves.
pub fn pairwise_sum(numbers: &[f32]) -> f32 {
    todo!()
}

/// The bytes from `offsets[0]` up to `offsets[1]` of those that follow the header. A file begins with the length of its
/// header, 8 bytes, little-endian; then comes the header. Nothing if the file is shorter than it says.
pub fn tensor_bytes(file: &[u8], offsets: [u64; 2]) -> Option<&[u8]> {
    todo!()
}

/// Mean and standard deviation of two parts together, from (how many, mean, deviation) of each. Exact where both are the same
/// constant; a part may have no numbers.
pub fn merged_moments(one: (f64, f64, f64), other: (f64, f64, f64)) -> (f64, f64) {
    todo!()
}

/// The mean over the labels of all ranks, from (weight of the labels, mean over them) of each. Nothing where there is no label;
/// the mean of a rank without labels may be anything.
pub fn mean_over_ranks(parts: &[(f64, f64)]) -> Option<f64> {
    todo!()
}

/// Mean and standard error of the differences a − b.
pub fn paired_difference(a: &[f64], b: &[f64]) -> (f64, f64) {
    todo!()
}
