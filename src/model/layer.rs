//! Layers that both networks share. Shapes are [N, C, H, W] unless said.

use std::borrow::Cow;

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::conv::{Conv1d, Conv2d, Conv2dConfig};
use burn::nn::{GroupNorm, GroupNormConfig, PaddingConfig2d};
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::{adapter, cpu};

/// Of every 3x3 convolution.
const PADDING: PaddingConfig2d = PaddingConfig2d::Explicit(1, 1, 1, 1);

/// A 3x3 convolution with padding 1 and a bias.
pub fn conv3(channels: [usize; 2], stride: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [3, 3]).with_stride([stride, stride]).with_padding(PADDING).init(device)
}

/// A 1x1 convolution with a bias.
pub fn conv1(channels: [usize; 2], device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [1, 1]).init(device)
}

/// A 1x1 convolution whose weight and bias start at 0, so that its branch starts as nothing.
pub fn conv1_zero(channels: [usize; 2], device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [1, 1]).with_initializer(burn::module::Initializer::Zeros).init(device)
}

/// A 3x3 convolution whose weight and bias start at 0.
pub fn conv3_zero(channels: [usize; 2], device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [3, 3]).with_padding(PADDING).with_initializer(burn::module::Initializer::Zeros).init(device)
}

/// A group norm with epsilon 1e-5 and an affine part.
pub fn group_norm(groups: usize, channels: usize, device: &Device) -> GroupNorm {
    GroupNormConfig::new(groups, channels).init(device)
}

/// A convolution with a padding of (side - 1) / 2, as both devices' own code takes it.
pub(super) struct Filter<const D: usize> {
    /// [to, from, side, side], or with as many values in the same order
    pub(super) weight: Tensor<D>,
    /// `[to]`
    pub(super) bias: Tensor<1>,
    /// 1 or 3.
    pub(super) side: usize,
    pub(super) stride: usize,
}

impl Filter<4> {
    /// `conv`, where it is 3x3 with padding 1 or 1x1, with a bias.
    fn of(conv: &Conv2d) -> Option<Self> {
        let is_known = matches!((conv.kernel_size, &conv.padding), ([3, 3], &PADDING) | ([1, 1], PaddingConfig2d::Valid));
        let is_plain = is_known && conv.stride[0] == conv.stride[1] && conv.dilation == [1, 1] && conv.groups == 1;
        let (weight, bias) = (conv.weight.val(), conv.bias.as_ref()?.val());
        is_plain.then_some(Self { weight, bias, side: conv.kernel_size[0], stride: conv.stride[0] })
    }
}

/// Whether `x` holds f32 values for which no gradients are recorded.
pub(super) fn is_inferred<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && !x.device().is_autodiff() && !x.is_require_grad()
}

/// What `conv` makes of `x`; faster than its own `forward` on an adapter, where it is a 3x3 convolution on the CPU, and where
/// gradients are recorded there.
pub fn convolved(conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    if let Some(filter) = on_cpu(conv, &x) {
        let [_, y] = cpu::convolved(x, filter, None);
        return y;
    }
    if let Some(filter) = recorded_on_cpu(conv, &x) {
        return cpu::recorded::convolved(x, filter);
    }
    on_adapter(conv, &x, None).unwrap_or_else(|| whole(conv).forward(x))
}

/// `x` and [`convolved`] of it. A clone of `x` in its place would be copied on the CPU.
pub fn convolved_beside(conv: &Conv2d, x: Tensor<4>) -> [Tensor<4>; 2] {
    match on_cpu(conv, &x) {
        Some(filter) => cpu::convolved(x, filter, None),
        None => [x.clone(), convolved(conv, x)],
    }
}

/// `onto` + [`convolved`] of `x`.
pub fn convolved_onto(conv: &Conv2d, x: Tensor<4>, onto: Tensor<4>) -> Tensor<4> {
    match on_cpu(conv, &x) {
        Some(filter) if cpu::takes(&onto) => {
            let [_, y] = cpu::convolved(x, filter, Some(onto));
            y
        }
        _ => on_adapter(conv, &x, Some(&onto)).unwrap_or_else(|| onto + convolved(conv, x)),
    }
}

/// `module` with the weights of its convolutions in half precision (f16), for an adapter's own kernel.
pub fn halved<M: Module>(module: M) -> M {
    module.map(&mut Halved)
}

struct Halved;

impl ModuleMapper for Halved {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // [to, from, side, side] of a convolution; nothing else has four axes.
        if D == 4 { param.map(|weight| weight.cast(DType::F16)) } else { param }
    }
}

/// `conv` with its weight in f32 again, for Burn's own kernels.
fn whole(conv: &Conv2d) -> Cow<'_, Conv2d> {
    if conv.weight.val().dtype() == DType::F32 {
        return Cow::Borrowed(conv);
    }
    let mut whole = conv.clone();
    whole.weight = whole.weight.map(|weight| weight.cast(DType::F32));
    Cow::Owned(whole)
}

/// `conv` for the CPU's own code, where that can have it of `x`.
fn on_cpu(conv: &Conv2d, x: &Tensor<4>) -> Option<Filter<4>> {
    let filter = Filter::of(conv)?;
    let is_fit = filter.side == 3 && matches!(filter.stride, 1 | 2) && cpu::takes(x) && cpu::takes(&filter.weight);
    is_fit.then_some(filter)
}

/// `conv` for the CPU's own code with gradients, where that can have it of `x`.
fn recorded_on_cpu(conv: &Conv2d, x: &Tensor<4>) -> Option<Filter<4>> {
    let filter = Filter::of(conv)?;
    (matches!(filter.stride, 1 | 2) && cpu::recorded::takes(x, &filter.weight)).then_some(filter)
}

/// What an adapter's own kernel makes of it, where it can.
fn on_adapter(conv: &Conv2d, x: &Tensor<4>, onto: Option<&Tensor<4>>) -> Option<Tensor<4>> {
    if adapter::takes(x) { adapter::convolved(&Filter::of(conv)?, x, onto) } else { None }
}

/// What `conv`, of one place and with a bias, makes of each cell of `x`.
///
/// # Shapes
/// [N, C, H, W] -> [N, to, H, W]
pub fn pointwise(conv: &Conv1d, x: Tensor<4>) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let on_adapter = |bias: &Param<Tensor<1>>| {
        let filter = Filter { weight: conv.weight.val(), bias: bias.val(), side: 1, stride: 1 };
        if adapter::takes(&x) { adapter::convolved(&filter, &x, None) } else { None }
    };
    conv.bias.as_ref().and_then(on_adapter).unwrap_or_else(|| {
        let y = conv.forward(x.reshape([n, c, h * w]));
        let to = y.dims()[1];
        y.reshape([n, to, h, w])
    })
}

/// `x * sigmoid(x)`.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if cpu::takes(&x) { cpu::silu(x) } else { x.clone() * sigmoid(x) }
}

/// `norm(x)`.
pub fn normed(norm: &GroupNorm, x: Tensor<4>) -> Tensor<4> {
    normed_on_adapter(norm, &x, None, false).unwrap_or_else(|| norm.forward(x))
}

/// `silu(norm(x))`.
pub fn normed_silu(norm: &GroupNorm, x: Tensor<4>) -> Tensor<4> {
    if is_fit(norm, &x) {
        return cpu::normed_silu(norm, x, None);
    }
    if let Some(affine) = recorded_affine(norm, &x) {
        return cpu::recorded::normed_silu(norm, affine, x, None);
    }
    normed_on_adapter(norm, &x, None, true).unwrap_or_else(|| silu(norm.forward(x)))
}

/// `x` and [`normed_silu`] of it. A clone of `x` in its place would be copied by one thread on the CPU.
pub fn normed_silu_beside(norm: &GroupNorm, x: Tensor<4>) -> [Tensor<4>; 2] {
    let [x, copy] = if is_fit(norm, &x) { cpu::doubled(x) } else { [x.clone(), x] };
    [x, normed_silu(norm, copy)]
}

/// `silu(norm(x) * (1 + scale) + shift)`.
///
/// # Shapes
/// x [N, C, H, W], scale and shift [N, C, 1, 1] -> [N, C, H, W]
pub fn film_silu(norm: &GroupNorm, x: Tensor<4>, scale: Tensor<4>, shift: Tensor<4>) -> Tensor<4> {
    if is_fit(norm, &x) && cpu::takes(&scale) && cpu::takes(&shift) {
        return cpu::normed_silu(norm, x, Some([scale, shift]));
    }
    if let Some(affine) = recorded_affine(norm, &x) {
        return cpu::recorded::normed_silu(norm, affine, x, Some([scale, shift]));
    }
    let film = Some([&scale, &shift]);
    normed_on_adapter(norm, &x, film, true).unwrap_or_else(|| silu(norm.forward(x) * (scale + 1.0) + shift))
}

fn normed_on_adapter(norm: &GroupNorm, x: &Tensor<4>, film: Option<[&Tensor<4>; 2]>, silu: bool) -> Option<Tensor<4>> {
    if adapter::takes(x) { adapter::normed(norm, x, film, silu) } else { None }
}

/// Whether the CPU's own code can have `norm` of `x`.
fn is_fit(norm: &GroupNorm, x: &Tensor<4>) -> bool {
    norm.gamma.as_ref().is_none_or(|gamma| cpu::takes(&gamma.val())) && cpu::takes(x)
}

/// Gamma and beta of `norm`, where the CPU's own code with gradients can have it of `x`.
fn recorded_affine(norm: &GroupNorm, x: &Tensor<4>) -> Option<[Tensor<1>; 2]> {
    let affine = [norm.gamma.as_ref()?.val(), norm.beta.as_ref()?.val()];
    cpu::recorded::takes(x, &affine[0]).then_some(affine)
}

/// The channels of `first` and then those of `second`.
///
/// # Shapes
/// [N, A, H, W], [N, B, H, W] -> [N, A + B, H, W]
pub fn joined(first: Tensor<4>, second: Tensor<4>) -> Tensor<4> {
    if cpu::takes(&first) && cpu::takes(&second) { cpu::joined(first, second) } else { Tensor::cat(vec![first, second], 1) }
}

/// Nearest-neighbour enlargement by 2.
///
/// # Shapes
/// [N, C, H, W] -> [N, C, 2H, 2W]
pub fn upsampled(x: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let options = InterpolateOptions::new(InterpolateMode::Nearest).with_align_corners(false);
    interpolate(x, options.with_output_size([2 * height, 2 * width]))
}

/// Moves each r x r block of pixels into channels; channel `c * r * r + dy * r + dx` as in `PyTorch`.
///
/// # Shapes
/// [N, C, H, W] -> [N, C * r * r, H / r, W / r]
pub fn unshuffled(x: Tensor<4>, r: usize) -> Tensor<4> {
    if cpu::takes(&x) {
        return cpu::unshuffled(x, r);
    }
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h / r, r, w / r, r]).permute([0, 1, 3, 5, 2, 4]).reshape([n, c * r * r, h / r, w / r])
}

/// The inverse of [`unshuffled`].
///
/// # Shapes
/// [N, C * r * r, H, W] -> [N, C, H * r, W * r]
pub fn shuffled(x: Tensor<4>, r: usize) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let c = c / (r * r);
    x.reshape([n, c, r, r, h, w]).permute([0, 1, 4, 2, 5, 3]).reshape([n, c, h * r, w * r])
}

/// Softmax attention over positions.
///
/// # Shapes
/// queries, keys, values [N, heads, d, L] -> [N, heads, d, L]; weights are softmax(qᵀk / √d) over the keys.
pub fn attended(queries: Tensor<4>, keys: Tensor<4>, values: Tensor<4>) -> Tensor<4> {
    let scale = (queries.dims()[2] as f64).powf(-0.5);
    let weights = softmax((queries * scale).swap_dims(2, 3).matmul(keys), 3);
    values.matmul(weights.swap_dims(2, 3))
}

/// One number a sample, shaped to multiply [N, C, H, W].
pub fn per_sample(values: Vec<f32>, device: &Device) -> Tensor<4> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n, 1, 1, 1]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffling_follows_pytorch_and_inverts() {
        let device = Device::flex();
        let x = Tensor::<4>::from_data(TensorData::new((0..32).map(|v| v as f32).collect(), [1, 2, 4, 4]), &device);
        let y = unshuffled(x.clone(), 2);
        assert_eq!(y.dims(), [1, 8, 2, 2]);
        let first: Vec<f32> = y.clone().slice([0..1, 1..2]).try_into_vec_as().unwrap();
        assert_eq!(first, [1.0, 3.0, 9.0, 11.0], "channel 1 is dy 0, dx 1");
        let back: Vec<f32> = shuffled(y, 2).try_into_vec_as().unwrap();
        assert_eq!(back, x.try_into_vec_as::<f32>().unwrap());
    }

    #[test]
    fn enlarging_repeats_each_pixel() {
        let device = Device::flex();
        let x = Tensor::<4>::from_data(TensorData::new(vec![1.0_f32, 2.0, 3.0, 4.0], [1, 1, 2, 2]), &device);
        let y: Vec<f32> = upsampled(x).try_into_vec_as().unwrap();
        assert_eq!(y, [1., 1., 2., 2., 1., 1., 2., 2., 3., 3., 4., 4., 3., 3., 4., 4.]);
    }

    #[test]
    fn channels_are_joined_as_burn_does() {
        let on = |device: &Device| {
            let of = |shape: [usize; 4]| {
                Tensor::<4>::from_data(TensorData::new((0..shape.iter().product()).map(|v: usize| v as f32).collect(), shape), device)
            };
            joined(of([2, 3, 2, 5]), of([2, 5, 2, 1]).repeat_dim(3, 5)).try_into_vec_as::<f32>().unwrap()
        };
        assert_eq!(on(&Device::flex()), on(&Device::flex().autodiff()));
    }
}
