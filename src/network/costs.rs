//! The cost of each way to compute the tasks' Gramian in an affine layer, from shapes alone.
//!
//! With K tasks, a batch of B rows, a layer of I inputs and O outputs, and a sketch with m random sums, the
//! multiplications are:
//!
//! ```text
//! direct    K B I O                    + c (K(K+1)/2 + K) I O
//! Gram      B² I + K B² O + B I O      + c (K(K+1)/2 + K) B O
//! sketch    a B I + K B m O + B I O    + c K(K+1)/2 m O
//! ```
//! A table of N vectors of d numbers has at most U = min(B, N) of its rows read by a batch. With s the cost of finding the
//! sum that a row of the batch belongs to:
//!
//! ```text
//! direct    K (B + N) d                + c (K(K+1)/2 + K) N d
//! sums      K B d + s B + K B d + (B + N) d    + c K(K+1)/2 U d
//! ```
//! c is the cost of a multiplication in an inner product, whose numbers are converted to f64, and a is the cost
//! of adding an input to its sum. So the Gram form is cheaper for batches of fewer than about (K − 1) I O / (I
//! + K O) rows.

/// c: the number of multiplications in a matrix product that take as long as one in an inner product.
const INNER_PRODUCT: f64 = 8.0;

/// a: the number of multiplications in a matrix product that take as long as adding one input to its sum.
const ADDING: f64 = 16.0;

/// s: the number of multiplications in a matrix product that take as long as finding the sum of a row.
const FINDING: f64 = 100.0;

/// The shapes that the costs depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shapes {
    pub(super) n_tasks: usize,
    pub(super) rows: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

/// The costs of the direct form and of the Gram form.
fn exact(shapes: Shapes) -> [f64; 2] {
    let [n, rows, inputs, outputs] = shapes.numbers();
    let passes = INNER_PRODUCT * (n * (n + 1.0) / 2.0 + n);
    let direct = n * rows * inputs * outputs + passes * inputs * outputs;
    let gram = rows * rows * (inputs + n * outputs) + rows * inputs * outputs + passes * rows * outputs;
    [direct, gram]
}

/// Whether the Gram form costs less than the direct form.
pub(super) fn gram_is_cheaper(shapes: Shapes) -> bool {
    let [direct, gram] = exact(shapes);
    gram < direct
}

/// Whether a sketch with `sums` sums costs less than both ways to the exact Gramian.
pub(super) fn sketch_is_cheaper(shapes: Shapes, sums: usize) -> bool {
    let [direct, gram] = exact(shapes);
    let [n, rows, inputs, outputs] = shapes.numbers();
    let sums = sums as f64;
    let gradients = n * rows * sums * outputs + INNER_PRODUCT * n * (n + 1.0) / 2.0 * sums * outputs;
    let sketch = ADDING * rows * inputs + gradients + rows * inputs * outputs;
    sums < inputs && sketch < direct.min(gram)
}

/// Whether the Gramian of a table of vectors, whose shapes are its numbers of rows and columns, costs less from the sums of
/// the indices in a batch than from the gradients of the table.
pub(super) fn sums_are_cheaper(table: Shapes) -> bool {
    let [n, rows, vectors, width] = table.numbers();
    let pairs = n * (n + 1.0) / 2.0;
    let direct = n * (rows + vectors) * width + INNER_PRODUCT * (pairs + n) * vectors * width;
    let inner_products = INNER_PRODUCT * pairs * rows.min(vectors) * width;
    let sums = 2.0 * n * rows * width + FINDING * rows + (rows + vectors) * width + inner_products;
    sums < direct
}

impl Shapes {
    fn numbers(self) -> [f64; 4] {
        [self.n_tasks, self.rows, self.inputs, self.outputs].map(|count| count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Shapes = Shapes { n_tasks: 8, rows: 32, inputs: 512, outputs: 512 };

    #[test]
    fn few_rows_of_a_wide_layer_take_the_gram_form() {
        assert!(gram_is_cheaper(WIDE));
        assert!(!gram_is_cheaper(Shapes { rows: 4096, ..WIDE }));
        // (K − 1) I O / (I + K O) is 398 rows.
        assert!(
            gram_is_cheaper(Shapes { rows: 350, ..WIDE }) && !gram_is_cheaper(Shapes { rows: 450, ..WIDE })
        );
        assert!(!gram_is_cheaper(Shapes { n_tasks: 1, rows: 512, ..WIDE }), "one task has nothing to share");
    }

    #[test]
    fn tables_with_more_vectors_than_a_batch_has_rows_take_the_sums() {
        let table = Shapes { n_tasks: 2, rows: 256, inputs: 100_000, outputs: 16 };
        assert!(sums_are_cheaper(table) && sums_are_cheaper(Shapes { inputs: 1000, ..table }));
        assert!(!sums_are_cheaper(Shapes { inputs: 20, ..table }));
    }

    #[test]
    fn a_sketch_needs_fewer_sums_than_inputs() {
        let many = Shapes { rows: 4096, ..WIDE };
        assert!(sketch_is_cheaper(many, 16));
        assert!(!sketch_is_cheaper(many, 512) && !sketch_is_cheaper(many, 500));
    }
}
