//! Losses on mask logits. Each gives one number for the batch.

use burn::tensor::activation::sigmoid;
use burn::tensor::module::{avg_pool2d, conv2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions};
use burn::tensor::{Device, Tensor, TensorData};

/// Binary cross entropy of logits against targets in [0, 1], mean over all values.
///
/// # Shapes
/// both `[N, 1, H, W]` -> `[1]`
pub fn cross_entropy(logits: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    let stable = (logits.clone().abs() * -1.0).exp().log1p();
    (logits.clone().clamp_min(0.0) - logits * target + stable).mean()
}

/// `1 - 2 sum(ab) / (sum(a^2) + sum(b^2) + 1e-5)` for each sample.
///
/// # Shapes
/// both `[N, 1, H, W]`, in [0, 1] -> `[N]`
pub fn dice_each(probability: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    let [n, c, h, w] = probability.dims();
    let (a, b) = (probability.reshape([n, c * h * w]), target.reshape([n, c * h * w]));
    let both = (a.clone() * b.clone()).sum_dim(1);
    let either = (a.clone() * a).sum_dim(1) + (b.clone() * b).sum_dim(1) + 1e-5;
    (both / either * -2.0 + 1.0).reshape([n])
}

/// The mean of [`dice_each`].
pub fn dice(probability: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    dice_each(probability, target).mean()
}

/// The gradient magnitude of a 3x3-averaged map, zero-padded throughout (`SegRefiner`'s texture loss).
///
/// # Shapes
/// `[N, 1, H, W]` -> `[N, 1, H, W]`
pub fn texture(map: Tensor<4>) -> Tensor<4> {
    let device = map.device();
    let mean = avg_pool2d(map, AvgPoolOptions::new([3, 3]).with_stride([1, 1]).with_padding([1, 1]));
    let gradient = conv2d(mean, sobel(&device), None, ConvOptions::new([1, 1], [1, 1], [1, 1], 1));
    let [n, _, h, w] = gradient.dims();
    let gradient = gradient.reshape([n, 2, h * w]);
    ((gradient.clone() * gradient).sum_dim(1) + 1e-4).sqrt().reshape([n, 1, h, w])
}

fn sobel(device: &Device) -> Tensor<4> {
    let x = [1.0_f32, 0.0, -1.0, 2.0, 0.0, -2.0, 1.0, 0.0, -1.0];
    let y = [1.0_f32, 2.0, 1.0, 0.0, 0.0, 0.0, -1.0, -2.0, -1.0];
    let kernels = x.into_iter().chain(y).map(|value| value / 4.0).collect();
    Tensor::from_data(TensorData::new(kernels, [2, 1, 3, 3]), &device.clone().without_autodiff())
}

/// The refiner's loss: cross entropy plus 5 times the mean absolute difference of the textures.
///
/// # Shapes
/// both `[N, 1, H, W]` -> `[1]`
pub fn refining(logits: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    let textures = (texture(sigmoid(logits.clone())) - texture(target.clone())).abs().mean();
    cross_entropy(logits, target) + textures * 5.0
}

/// The segmenter's loss against ground truth: cross entropy plus dice.
///
/// No [`texture`]: the twin that trained the weights has none either, and lets cells beside outlines count more (`--edges`).
///
/// # Shapes
/// both `[N, 1, H, W]` -> `[1]`
pub fn segmenting(logits: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    cross_entropy(logits.clone(), target.clone()) + dice(sigmoid(logits), target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn centre_block() -> Tensor<4> {
        let inside = |index: usize| (1..4).contains(&(index / 5)) && (1..4).contains(&(index % 5));
        let data = (0..25).map(|index| f32::from(u8::from(inside(index)))).collect();
        Tensor::from_data(TensorData::new(data, [1, 1, 5, 5]), &Device::flex())
    }

    #[test]
    fn the_texture_is_the_published_oracle() {
        let block = centre_block();
        let values: Vec<f32> = texture(block.clone()).try_into_vec_as().unwrap();
        let rows = [0.314_429, 0.497_005, 0.555_646, 0.497_005, 0.314_429, 0.497_005, 0.628_619, 0.555_646, 0.628_619, 0.497_005];
        for (actual, expected) in values.iter().zip(rows) {
            assert!((actual - expected).abs() < 1e-5, "{actual} is not {expected}");
        }
        assert!((values[12] - 0.01).abs() < 1e-6);
        assert!((values.iter().sum::<f32>() / 25.0 - 0.488_136).abs() < 1e-5);
        let distance = (texture(block.clone()) - texture(Tensor::zeros_like(&block))).abs().mean();
        assert!((distance.into_scalar::<f32>() - 0.478_136).abs() < 1e-5);
    }

    #[test]
    fn cross_entropy_and_dice_are_the_textbook_ones() {
        let block = centre_block();
        let logits = block.clone() * 4.0 - 1.0;
        let expected = (9.0 * (1.0 + (-3.0_f64).exp()).ln() + 16.0 * (1.0 + (-1.0_f64).exp()).ln()) / 25.0;
        let actual = cross_entropy(logits, block.clone()).into_scalar::<f32>();
        assert!((f64::from(actual) - expected).abs() < 1e-6);
        assert!(dice(block.clone(), block.clone()).into_scalar::<f32>() < 1e-5);
        assert!((dice(Tensor::zeros_like(&block), block).into_scalar::<f32>() - 1.0).abs() < 1e-6);
    }
}
