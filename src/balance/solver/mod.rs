//! The small problems that balancing methods come down to, solved exactly for a few dozen tasks.

mod cholesky;
mod cone;
mod eigen;
mod fair;
mod learned;
mod min_norm;
mod nonnegative;
mod simplex;

pub(super) use cone::DualCone;
pub(super) use eigen::Eigen;
pub(super) use fair::Fair;
pub(super) use learned::Learned;
pub(super) use min_norm::MinNorm;
pub(super) use simplex::{project_onto_simplex, softmax};
