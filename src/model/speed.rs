//! How fast a device is, for people who wonder; nothing here decides anything.

use std::time::Instant;

use burn::tensor::{Tensor, TensorData};

use super::device::Compute;

/// Rows and columns of the matrices.
const SIDE: usize = 512;
/// Products in the timed part.
const REPEATS: usize = 8;

/// Floating point operations a second of a chain of matrix products in f32, after one chain that is not timed. The time
/// ends when a result is back in the program's memory.
pub fn matmul_flops(compute: &Compute) -> f64 {
    let device = compute.device();
    let values = (0..SIDE * SIDE).map(|i| ((i * 7919 % 1000) as f32 - 500.0) / 12_500.0).collect::<Vec<_>>();
    let factor = Tensor::<2>::from_data(TensorData::new(values, [SIDE, SIDE]), &device);
    let chain = || {
        let started = Instant::now();
        let product = (0..REPEATS).fold(factor.clone(), |product, _| product.matmul(factor.clone()));
        let sum = product.sum().into_scalar::<f32>();
        (started.elapsed().as_secs_f64(), sum)
    };
    chain();
    let (seconds, _) = chain();
    2.0 * (SIDE * SIDE * SIDE * REPEATS) as f64 / seconds
}
