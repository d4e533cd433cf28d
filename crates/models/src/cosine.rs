//! Embeddings that are compared by their cosine.

use burn::tensor::Tensor;

/// Each row divided by its length.
pub(crate) fn unit_rows(rows: Tensor<2>) -> Tensor<2> {
    let length = rows.clone().powi_scalar(2).sum_dim(1).sqrt();
    rows / length
}
