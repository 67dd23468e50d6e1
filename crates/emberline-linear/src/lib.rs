//! Linear models in memory: numbers in, numbers out, no Arrow and no DataFusion. A crate of its own, so that its loops are
//! optimised in every profile.
//!
//! [`fit_logistic`], [`fit_hinge`] and [`fit_least_squares`] solve MLlib's logistic regression, support vector machine and
//! linear regression (`ml/classification/LogisticRegression.scala`, `LinearSVC.scala`, `ml/regression/
//! LinearRegression.scala`): the same objectives, the same meaning of `standardization`, `elasticNetParam` and weights, the
//! same choice among equivalent solutions. The result is a [`LogisticModel`] or a [`LinearModel`], which predicts.
//!
//! | stage | lives in |
//! |---|---|
//! | a borrowed `[N, d]` matrix of `f32` or `f64` | `matrix` |
//! | labels and weights, checked | `examples` |
//! | weighted means and standard deviations | `moments` |
//! | `X·B`, a row-wise loss, and `Xᵀ·R` in one pass over row blocks | `sweep` |
//! | loss, penalty and gradient in standardized space | `objective` |
//! | coordinates in which ridge losses are nearly round | `preconditioner` |
//! | the same for fewer rows than features | `row_basis` |
//! | many problems over one matrix | `path` |
//! | L-BFGS, OWL-QN and bounds, fed one evaluation at a time | `minimizer` |
//! | losses, training, and the way back to the original scale | `logistic`, `hinge`, `least_squares` |
//! | covariances and their eigenvectors | `principal_components` |
//! | least squares from products of features, solved at once | `normal_equations` |
//! | margins, probabilities, decisions | `model` |
//! | work shared among threads | `threads` |
//!
//! # Own minimizer, borrowed matrix product
//!
//! The minimizer is ours. `argmin` 0.11 applies one L1 factor to every coordinate, so an
//! unpenalized intercept is out of reach, and asks for value and gradient in separate calls. `liblbfgs` 0.1 penalizes a
//! range of coordinates by one factor, which rules out `standardization = false`, and was last released in 2022. `lbfgs`
//! 0.3 has neither a line search nor L1. The first two own the loop, whereas solving many problems over one matrix wants
//! the opposite: every problem says where it wants to be evaluated, and one product serves all of them.
//!
//! Products go through `gemm`. On 5,000 x 1,280 features and 7 columns one value and gradient take 12 ms on one AVX2 core
//! in `f64`, against 18 ms with `matrixmultiply`. Widening `f32` features a block at a time is as fast as keeping an `f64`
//! copy and needs no memory for it. `f32` products take 5 ms, but leave 2e-8 of noise in the gradient where `f64` leaves
//! 4e-10: enough for MLlib's default tolerance, too little for the finer ones that its users may ask for.
//!
//! # Many problems at once
//!
//! A path of penalties over folds takes a fifth of the iterations that its problems take alone: coordinates from the
//! features' products, which all share, make the losses nearly round; each solution starts on the line through the two
//! before; and passes are in single precision, where features are, until there is next to nothing left to gain, which double
//! precision then verifies. On 10 penalties, 5 folds, 5,000 x 1,280 features and 7 classes that is 215 iterations in place of
//! 1,391. Where there are fewer rows than features, rows take the features' place (`row_basis`), and a problem begins with what
//! the one before found out about curvature.
//!
//! # Determinism
//!
//! Rows are cut into blocks and blocks into lanes by the shape of the matrix alone, and lanes are summed in order, so the
//! number of threads never changes a bit of the result. A different processor may: `gemm` picks its kernels and tiles by
//! the processor.

mod error;
mod examples;
mod hinge;
mod least_squares;
mod logistic;
mod matrix;
mod minimizer;
mod model;
mod moments;
mod normal_equations;
mod objective;
mod options;
mod path;
mod preconditioner;
mod principal_components;
mod row_basis;
mod sweep;
mod threads;

pub use error::LinearError;
pub use examples::{Examples, checked_weights};
pub use hinge::{LinearFit, LinearModel, fit_hinge};
pub use least_squares::{Solver, fit_least_squares};
pub use logistic::{
    Bounds, Family, LogisticFit, LogisticOptions, LogisticProblem, fit_logistic, fit_logistic_many,
};
pub use matrix::Matrix;
pub use minimizer::Stop;
pub use model::{Decision, LogisticModel, dot, first_largest, softmax};
pub use options::LinearOptions;
pub use principal_components::{Covariance, PrincipalComponents};
pub use sweep::multiply_transposed;
