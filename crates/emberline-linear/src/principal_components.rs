//! Covariances of vectors that come one by one, and the directions in which they vary most.

use faer::linalg::solvers::SelfAdjointEigen;
use faer::{MatRef, Side};

use super::LinearError;
use super::sweep::add_transposed_product;

/// Rows per matrix product: enough that the product, and not the memory of the covariance, takes the time.
const BLOCK_ROWS: usize = 256;

/// Sums for the covariance matrix of vectors of `length` numbers, `[d, d]`, whatever the number of vectors.
///
/// Vectors are summed in blocks of rows, so that the batches they came in change nothing. Their order changes the last
/// bits: exact sums of `d²` products would take longer than all else.
///
/// ```
/// let mut covariance = emberline_linear::Covariance::new(2);
/// for vector in [[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]] {
///     covariance.add(&vector);
/// }
/// let found = covariance.principal_components(1)?;
/// assert!((found.components[1] - 2.0 * found.components[0]).abs() < 1e-12);
/// # Ok::<(), emberline_linear::LinearError>(())
/// ```
pub struct Covariance {
    length: usize,
    /// The mean of the first block. Deviations from it are small, so that the squares of means cancel no digits.
    origin: Vec<f64>,
    /// Deviations that are not summed yet, `[rows, d]`.
    block: Vec<f64>,
    /// The sum of the deviations, `[d]`.
    sum: Vec<f64>,
    /// The sum of their products, `[d, d]`.
    products: Vec<f64>,
    rows: usize,
}

/// The largest eigenvalues of a covariance matrix.
pub struct PrincipalComponents {
    /// Unit vectors `[k, d]`, the direction of most variance first. Of the two of one direction, the one whose largest
    /// number by absolute value (the first of several) is positive.
    pub components: Vec<f64>,
    /// The share of the whole variance that lies in each direction, `[k]`.
    pub explained_variance: Vec<f64>,
}

impl Covariance {
    /// No vectors yet.
    pub fn new(length: usize) -> Self {
        Self {
            length,
            origin: Vec::new(),
            block: Vec::new(),
            sum: vec![0.0; length],
            products: vec![0.0; length * length],
            rows: 0,
        }
    }

    /// How many vectors were added.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a vector.
    pub fn add(&mut self, vector: &[f64]) {
        self.rows += 1;
        self.block.extend_from_slice(vector);
        if self.block.len() == BLOCK_ROWS * self.length {
            self.sum_block();
        }
    }

    fn sum_block(&mut self) {
        if self.block.is_empty() {
            return;
        }
        let rows = self.block.len() / self.length;
        if self.origin.is_empty() {
            self.origin = vec![0.0; self.length];
            for row in self.block.chunks_exact(self.length) {
                self.origin.iter_mut().zip(row).for_each(|(origin, x)| *origin += x / rows as f64);
            }
        }
        for row in self.block.chunks_exact_mut(self.length) {
            for ((x, origin), sum) in row.iter_mut().zip(&self.origin).zip(&mut self.sum) {
                *x -= origin;
                *sum += *x;
            }
        }
        add_transposed_product(rows, self.length, self.length, &self.block, &self.block, &mut self.products);
        self.block.clear();
    }

    /// The `k` directions of most variance of at least two vectors.
    ///
    /// # Errors
    /// When the eigenvalues can't be found, which finite numbers do not cause.
    pub fn principal_components(mut self, k: usize) -> Result<PrincipalComponents, LinearError> {
        self.sum_block();
        let (d, n) = (self.length, self.rows as f64);
        let mut covariance = self.products;
        for (i, row) in covariance.chunks_exact_mut(d).enumerate() {
            for (value, sum) in row.iter_mut().zip(&self.sum) {
                *value = (*value - self.sum[i] / n * sum) / (n - 1.0);
            }
        }
        let eigen = SelfAdjointEigen::new(MatRef::from_column_major_slice(&covariance, d, d), Side::Lower)
            .map_err(|_| LinearError::Eigenvalues { features: d })?;
        // Rounding may leave a variance of 0 a little below it; MLlib takes singular values, which are not negative.
        let variances: Vec<f64> = eigen.S().column_vector().iter().map(|value| value.abs()).collect();
        let total: f64 = variances.iter().sum();
        // They come in rising order.
        let mut components = Vec::with_capacity(k * d);
        for column in (d - k..d).rev() {
            let direction: Vec<f64> = eigen.U().col(column).iter().copied().collect();
            let largest =
                direction.iter().fold(0.0_f64, |best, x| if x.abs() > best.abs() { *x } else { best });
            components.extend(direction.iter().map(|x| if largest < 0.0 { -x } else { *x }));
        }
        let explained_variance = variances.iter().rev().take(k).map(|variance| variance / total).collect();
        Ok(PrincipalComponents { components, explained_variance })
    }
}
