//! What costs the CPU device most, done by hand: 3x3 convolutions, and norms with their activation.
//!
//! Burn's own convolution there turns its weights and its whole input round in one thread at each call, and its sigmoid
//! is one thread's scalar exponential. Here most convolutions are [`winograd`]'s; of the others bands of rows are spread over
//! the threads, each as a block of columns that stays in the processor's cache, and Burn multiplies the matrices (on those
//! threads: this device keeps no queue). Only [`super::layer`] calls this; where gradients are recorded it calls [`recorded`].

#![allow(clippy::inline_always, reason = "what is not inlined into its caller is compiled without the caller's instructions")]

pub(super) mod recorded;
mod winograd;

use std::ops::Range;

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::module::Param;
use burn::nn::GroupNorm;
use burn::tensor::{Device, Tensor, TensorData};
use bytemuck::{cast_slice, cast_slice_mut};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::layer::{Filter, is_inferred};

/// Floats of one block of columns: half a MiB.
const BLOCK: usize = 1 << 17;
/// Values of an activation for one thread at a time.
const RUN: usize = 1 << 13;

/// Whether the functions here may have `x`.
pub(super) fn takes<const D: usize>(x: &Tensor<D>) -> bool {
    is_inferred(x) && x.device() == Device::flex()
}

/// `x`, which is not copied where nothing else holds it, and `onto` with what `filter`, of stride 1 or 2, makes of `x` added to
/// it.
///
/// # Shapes
/// x [N, from, H, W], onto [N, to, ⌈H / stride⌉, ⌈W / stride⌉], zeros without
pub(super) fn convolved(x: Tensor<4>, filter: Filter<4>, onto: Option<Tensor<4>>) -> [Tensor<4>; 2] {
    let (device, Filter { weight, bias, side, stride }) = (x.device(), filter);
    let [n, from, height, width] = x.dims();
    let unfolding = Unfolding { from, height, width, side, stride };
    let ([rows, columns], to) = (unfolding.output(), weight.dims()[0]);
    let (data, bias) = (x.into_data(), bias.into_data());
    let onto = onto.map_or_else(|| TensorData::new(zeros(n * to * rows * columns), [n, to, rows, columns]), Tensor::into_data);
    let (mut sums, shape, dtype) = onto.into_parts();
    let output: &mut [f32] = cast_slice_mut(&mut sums);
    if winograd::is_for(&unfolding, n, to) {
        // Into its data it would be copied, as the layer holds it.
        let weight = primitive(weight).to_contiguous();
        winograd::add(&unfolding, floats(&data), in_place(&weight), floats(&bias), output);
    } else {
        unfolded(&unfolding, floats(&data), &weight, floats(&bias), output);
    }
    [data, TensorData::from_bytes(sums, shape, dtype)].map(|data| Tensor::from_data(data, &device))
}

/// Adds the convolution of `x` with `weight` and `bias` to `output`, as products of matrices.
///
/// # Shapes
/// x [N, from, H, W], weight [to, from, side, side], bias `[to]`, output [N, to, rows, columns]
fn unfolded(unfolding: &Unfolding, x: &[f32], weight: &Tensor<4>, bias: &[f32], output: &mut [f32]) {
    let ([rows, columns], depth, to, device) = (unfolding.output(), unfolding.depth(), bias.len(), weight.device());
    let sample = unfolding.from * unfolding.height * unfolding.width;
    let (weight, n) = (weight.clone().reshape([to, depth]), x.len() / sample);
    let band = unfolding.band(n);
    let bands = rows.div_ceil(band);
    let mut places: Vec<Vec<&mut [f32]>> = (0..n * bands).map(|_| Vec::with_capacity(to)).collect();
    for (index, plane) in output.chunks_mut(rows * columns).enumerate() {
        for (place, part) in places[index / to * bands..].iter_mut().zip(plane.chunks_mut(band * columns)) {
            place.push(part);
        }
    }
    places.into_par_iter().enumerate().for_each(|(index, place)| {
        let planes = &x[index / bands * sample..][..sample];
        let (first, count) = (index % bands * band, place.first().map_or(0, |part| part.len()));
        let block = unfolding.block(planes, first..first + count / columns);
        let block = Tensor::<2>::from_data(TensorData::new(block, [depth, count]), &device);
        let sums = weight.clone().matmul(block).into_data();
        let sums = cast_slice::<u8, f32>(sums.as_bytes()).chunks_exact(count);
        for ((part, sums), bias) in place.into_iter().zip(sums).zip(bias) {
            part.iter_mut().zip(sums).for_each(|(value, sum)| *value += sum + bias);
        }
    });
}

/// How a sample is unfolded for a convolution (im2col).
#[derive(Clone, Copy, Debug)]
struct Unfolding {
    /// Channels.
    from: usize,
    height: usize,
    width: usize,
    /// Of the kernel, 1 or 3.
    side: usize,
    stride: usize,
}

impl Unfolding {
    /// Rows and columns of what comes out.
    fn output(&self) -> [usize; 2] {
        [self.height, self.width].map(|length| length.div_ceil(self.stride))
    }

    /// How many values make one of the output.
    const fn depth(&self) -> usize {
        self.from * self.side * self.side
    }

    /// So many rows of the output are one piece of work where there are `n` samples.
    fn band(&self, n: usize) -> usize {
        let [rows, columns] = self.output();
        let share = rows.div_ceil(rayon::current_num_threads().div_ceil(n.max(1)));
        (BLOCK / (self.depth() * columns)).clamp(1, share)
    }

    /// Where the places of the kernel lie in one of 3x3, row by row.
    fn taps(&self) -> Range<usize> {
        if self.side == 1 { 4..5 } else { 0..9 }
    }

    /// What each place of the kernel sees of each channel for some rows of the output, [from * side * side, rows * columns].
    fn block(&self, planes: &[f32], rows: Range<usize>) -> Vec<f32> {
        let Self { height, width, stride, .. } = *self;
        let [_, columns] = self.output();
        let mut block = Vec::with_capacity(self.depth() * rows.len() * columns);
        for plane in planes.chunks_exact(height * width) {
            for tap in self.taps() {
                for row in rows.clone() {
                    // Row -1 is larger than any.
                    let source = (row * stride + tap / 3).wrapping_sub(1);
                    let end = block.len() + columns;
                    if source < height {
                        extend(&mut block, &plane[source * width..][..width], tap % 3, stride, columns);
                    }
                    block.resize(end, 0.0);
                }
            }
        }
        block
    }

    /// Adds what [`Self::block`] says of one channel and all rows back to where it was seen.
    fn fold(&self, plane: &mut [f32], block: &[f32]) {
        let [rows, columns] = self.output();
        for (tap, values) in self.taps().zip(block.chunks_exact(rows * columns)) {
            for (row, values) in values.chunks_exact(columns).enumerate() {
                // Row and column -1 are larger than any.
                let y = (row * self.stride + tap / 3).wrapping_sub(1);
                let Some(line) = plane.chunks_exact_mut(self.width).nth(y) else { continue };
                for (column, value) in values.iter().enumerate() {
                    if let Some(place) = line.get_mut((column * self.stride + tap % 3).wrapping_sub(1)) {
                        *place += value;
                    }
                }
            }
        }
    }
}

/// Adds what column `tap` of a kernel sees of a row: `row[i * stride + tap - 1]` for i in 0..`count`, but nothing beyond
/// the row's end.
fn extend(values: &mut Vec<f32>, row: &[f32], tap: usize, stride: usize, count: usize) {
    let (left, next) = match tap {
        0 => {
            values.push(0.0);
            (count - 1, stride - 1)
        }
        _ => (count, tap - 1),
    };
    let row = row.get(next..).unwrap_or_default();
    if stride == 1 {
        values.extend_from_slice(&row[..left.min(row.len())]);
    } else {
        let (pairs, rest) = row.as_chunks::<2>();
        values.extend(pairs.iter().take(left).map(|pair| pair[0]));
        values.extend(rest.iter().take(left.saturating_sub(pairs.len())));
    }
}

/// `x * sigmoid(x)`.
pub(super) fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let arch = Arch::new();
    changed(x, RUN, |_, values| arch.dispatch(Activation { values, scale: 1.0, shift: 0.0 }))
}

/// `silu(norm(x) * (1 + scale) + shift)` with film = \[scale, shift\], or `silu(norm(x))`; a norm without an affine part has
/// scale 1 and shift 0.
///
/// # Shapes
/// x [N, C, H, W], scale and shift [N, C, 1, 1] -> [N, C, H, W]
pub(super) fn normed_silu(norm: &GroupNorm, x: Tensor<4>, film: Option<[Tensor<4>; 2]>) -> Tensor<4> {
    let [_, channels, height, width] = x.dims();
    let (plane, members) = (height * width, channels / norm.num_groups);
    let of_channel = |part: &Option<Param<Tensor<1>>>| part.as_ref().map(|part| part.val().into_data());
    let (gamma, beta, film) = (of_channel(&norm.gamma), of_channel(&norm.beta), film.map(|film| film.map(Tensor::into_data)));
    let at = |data: &Option<TensorData>, channel: usize, otherwise| data.as_ref().map_or(otherwise, |data| floats(data)[channel]);
    let arch = Arch::new();
    changed(x, members * plane, |index, values| {
        let (mean, spread) = moments(values, norm.epsilon);
        for (member, values) in values.chunks_mut(plane).enumerate() {
            // Of all samples' channels, and of one sample's.
            let place = index * members + member;
            let channel = place % channels;
            let scale = at(&gamma, channel, 1.0) * spread;
            let shift = at(&beta, channel, 0.0) - mean * scale;
            let (scale, shift) = match &film {
                Some([more, other]) => (scale * (1.0 + floats(more)[place]), shift * (1.0 + floats(more)[place]) + floats(other)[place]),
                None => (scale, shift),
            };
            arch.dispatch(Activation { values, scale, shift });
        }
    })
}

/// silu(x * scale + shift) of each value.
struct Activation<'a> {
    values: &'a mut [f32],
    scale: f32,
    shift: f32,
}

impl WithSimd for Activation<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for value in self.values {
            *value = activated(*value * self.scale + self.shift);
        }
    }
}

/// `x`, which is not copied in one thread where nothing else holds it, and a copy of it.
pub(super) fn doubled(x: Tensor<4>) -> [Tensor<4>; 2] {
    let device = x.device();
    let data = x.into_data();
    let copy: Vec<f32> = floats(&data).par_iter().copied().collect();
    let copy = TensorData::new(copy, data.shape().clone());
    [data, copy].map(|data| Tensor::from_data(data, &device))
}

/// Each r x r block of pixels moved into channels, as [`super::layer::unshuffled`] says.
///
/// # Shapes
/// [N, C, H, W] -> [N, C * r * r, H / r, W / r]
pub(super) fn unshuffled(x: Tensor<4>, r: usize) -> Tensor<4> {
    let (device, [n, c, h, w]) = (x.device(), x.dims());
    let (rows, columns) = (h / r, w / r);
    let data = x.into_data();
    let input = floats(&data);
    let mut output = zeros(input.len());
    output.par_chunks_mut(rows * columns).enumerate().for_each(|(index, plane)| {
        let (source, dy, dx) = (&input[index / (r * r) * h * w..][..h * w], index / r % r, index % r);
        for (to, from) in plane.chunks_exact_mut(columns).zip(source.chunks_exact(r * w)) {
            to.iter_mut().zip(from[dy * w + dx..].iter().step_by(r)).for_each(|(to, from)| *to = *from);
        }
    });
    Tensor::from_data(TensorData::new(output, [n, c * r * r, rows, columns]), &device)
}

/// The channels of `first` and then those of `second`.
///
/// # Shapes
/// [N, A, H, W], [N, B, H, W] -> [N, A + B, H, W]
pub(super) fn joined(first: Tensor<4>, second: Tensor<4>) -> Tensor<4> {
    let (device, [n, a, height, width], b) = (first.device(), first.dims(), second.dims()[1]);
    let parts = [first, second].map(|part| primitive(part).to_contiguous());
    let [first, second] = parts.each_ref().map(in_place);
    let plane = height * width;
    let mut output = zeros(n * (a + b) * plane);
    output.par_chunks_mut(plane).enumerate().for_each(|(index, to)| {
        let (sample, channel) = (index / (a + b), index % (a + b));
        let from = if channel < a { &first[(sample * a + channel) * plane..] } else { &second[(sample * b + channel - a) * plane..] };
        to.copy_from_slice(&from[..plane]);
    });
    Tensor::from_data(TensorData::new(output, [n, a + b, height, width]), &device)
}

/// So many zeros, written by all threads. Those that the system hands out would be read first, as the page of zeros that all
/// share, and to make a page of it one's own then halts the other threads.
fn zeros(count: usize) -> Vec<f32> {
    rayon::iter::repeat_n(0.0, count).collect()
}

/// What a tensor for which [`takes`] is true consists of.
fn primitive<const D: usize>(x: Tensor<D>) -> FlexTensor {
    x.try_into_primitive::<Flex>().expect("a tensor of the CPU device")
}

/// The numbers of a contiguous tensor, where they lie.
fn in_place(x: &FlexTensor) -> &[f32] {
    x.as_slice().expect("a contiguous tensor of f32")
}

/// The numbers of [`takes`]'s type.
fn floats(data: &TensorData) -> &[f32] {
    cast_slice(data.as_bytes())
}

/// `x` after `change(index, values)` of each `length` values, in place where nothing else holds them.
fn changed<const D: usize>(x: Tensor<D>, length: usize, change: impl Fn(usize, &mut [f32]) + Sync) -> Tensor<D> {
    let device = x.device();
    let (mut bytes, shape, dtype) = x.into_data().into_parts();
    let values: &mut [f32] = cast_slice_mut(&mut bytes);
    if values.len() <= RUN {
        values.chunks_mut(length).enumerate().for_each(|(index, values)| change(index, values));
    } else {
        values.par_chunks_mut(length).enumerate().for_each(|(index, values)| change(index, values));
    }
    Tensor::from_data(TensorData::from_bytes(bytes, shape, dtype), &device)
}

/// The mean of `values`, and 1 by their standard deviation.
fn moments(values: &[f32], epsilon: f64) -> (f32, f32) {
    Arch::new().dispatch(Moments { values, epsilon })
}

struct Moments<'a> {
    values: &'a [f32],
    epsilon: f64,
}

impl WithSimd for Moments<'_> {
    type Output = (f32, f32);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f32, f32) {
        let Self { values, epsilon } = self;
        let count = values.len() as f64;
        let mean = (sum(values, values, |value, _| value) / count) as f32;
        let variance = sum(values, values, |value, _| (value - mean).powi(2)) / count;
        (mean, (variance + epsilon).sqrt().recip() as f32)
    }
}

/// The sum of `of` over pairs of values, in lanes that a compiler can keep in one register, and those in f64.
#[inline(always)]
fn sum(values: &[f32], others: &[f32], of: impl Fn(f32, f32) -> f32) -> f64 {
    let block = |(values, others): (&[f32], &[f32])| {
        let mut lanes = [0.0_f32; 16];
        let ((whole, rest), (others, other_rest)) = (values.as_chunks::<16>(), others.as_chunks::<16>());
        for (values, others) in whole.iter().zip(others) {
            lanes.iter_mut().zip(values.iter().zip(others)).for_each(|(lane, (&value, &other))| *lane += of(value, other));
        }
        let rest = rest.iter().zip(other_rest).map(|(&value, &other)| of(value, other));
        f64::from(lanes.iter().sum::<f32>() + rest.sum::<f32>())
    };
    values.chunks(1024).zip(others.chunks(1024)).map(block).sum()
}

/// `x * sigmoid(x)` of one number, without a branch so that loops over it are vectorised.
#[inline(always)]
fn activated(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// The derivative of [`activated`].
#[inline(always)]
fn slope(x: f32) -> f32 {
    let share = 1.0 / (1.0 + exp(-x));
    share * (1.0 + x * (1.0 - share))
}

/// e^x to a relative 1e-5, for x cut to [-87, 88]: 2^n by the exponent's bits, times the series of 2^f for f in [-½, ½].
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// 1.5 * 2^23: a number added to it is rounded to a whole one, which the lowest bits then hold.
    const ROUNDER: f32 = 12_582_912.0;
    const SERIES: [f32; 7] = [1.540_35e-4, 1.333_36e-3, 9.618_13e-3, 5.550_41e-2, 0.240_226_5, std::f32::consts::LN_2, 1.0];
    let x = x.clamp(-87.0, 88.0) * std::f32::consts::LOG2_E;
    let shifted = x + ROUNDER;
    let rest = x - (shifted - ROUNDER);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    SERIES.iter().fold(0.0, |sum, factor| sum * rest + factor) * power
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::noise::Noise;
    use burn::nn::GroupNormConfig;
    use burn::tensor::activation::sigmoid;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;

    fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
        let values = Noise::new(seed).normals(shape.iter().product());
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
        assert_eq!(a.dims(), b.dims());
        (a - b).abs().max().into_scalar::<f32>()
    }

    #[test]
    fn convolutions_are_those_of_burn() {
        let small = [(1, 3, 2, [1, 1]), (2, 7, 5, [13, 9]), (1, 40, 8, [64, 50]), (3, 4, 6, [2, 3]), (5, 1, 1, [6, 1])];
        let large = [(1, 16, 16, [16, 16]), (3, 17, 31, [19, 13]), (9, 20, 65, [5, 6]), (70, 16, 24, [1, 2]), (2, 24, 50, [3, 400])];
        let is_winograd = |(n, from, to, [height, width]): (usize, usize, usize, [usize; 2])| {
            winograd::is_for(&Unfolding { from, height, width, side: 3, stride: 1 }, n, to)
        };
        assert!(!small.into_iter().any(is_winograd));
        // Where vectors hold one number there is no such way.
        assert!(large.into_iter().all(is_winograd) || matches!(Arch::new(), Arch::Scalar));
        let shapes = small.into_iter().chain(large);
        for (n, from, to, [height, width]) in shapes {
            for stride in [1, 2] {
                let (x, weight, bias) = (random([n, from, height, width], 1), random([to, from, 3, 3], 2), random([to], 3));
                let options = ConvOptions::new([stride; 2], [1, 1], [1, 1], 1);
                let expected = conv2d(x.clone(), weight.clone(), Some(bias.clone()), options);
                let [x, y] = convolved(x, Filter { weight: weight.clone(), bias: bias.clone(), side: 3, stride }, None);
                let worst = difference(y, expected.clone());
                assert!(worst < 1e-4, "{n} x {from} -> {to}, {height} x {width}, stride {stride}: off by {worst}");
                let onto = random(expected.dims(), 9);
                let [_, y] = convolved(x, Filter { weight, bias, side: 3, stride }, Some(onto.clone()));
                assert!(difference(y, expected + onto) < 1e-4);
            }
        }
    }

    #[test]
    fn parts_of_larger_tensors_are_read_from_where_they_begin() {
        let (many, weights) = (random([3, 16, 16, 16], 1), random([40, 16, 3, 3], 2));
        let [x, other] = [1, 2].map(|sample| many.clone().narrow(0, sample, 1));
        let expected = Tensor::cat(vec![x.clone(), other.clone()], 1);
        assert!(difference(joined(x.clone(), other), expected) == 0.0);
        let (weight, bias) = (weights.narrow(0, 8, 24), random([24], 3));
        let expected = conv2d(x.clone(), weight.clone(), Some(bias.clone()), ConvOptions::new([1, 1], [1, 1], [1, 1], 1));
        let [_, y] = convolved(x, Filter { weight, bias, side: 3, stride: 1 }, None);
        assert!(difference(y, expected) < 1e-4);
    }

    #[test]
    fn norms_and_activations_are_those_of_burn() {
        let mut norm = GroupNormConfig::new(3, 6).init(&Device::flex());
        norm.gamma = Some(Param::from_tensor(random([6], 4)));
        norm.beta = Some(Param::from_tensor(random([6], 5)));
        for x in [random([2, 6, 40, 41], 6) * 3.0 + 10.0, random([1, 6, 1, 2], 7)] {
            let expected = norm.forward(x.clone());
            let expected = expected.clone() * sigmoid(expected);
            let kept = x.clone();
            let [same, copy] = doubled(x.clone());
            assert!(difference(same, copy.clone()) == 0.0);
            assert!(difference(normed_silu(&norm, copy, None), expected) < 1e-5);
            let [n, c, _, _] = x.dims();
            let (scale, shift): (Tensor<4>, Tensor<4>) = (random([n, c, 1, 1], 10), random([n, c, 1, 1], 11));
            let told = norm.forward(x.clone()) * (scale.clone() + 1.0) + shift.clone();
            let told = told.clone() * sigmoid(told);
            assert!(difference(normed_silu(&norm, x.clone(), Some([scale, shift])), told) < 1e-5);
            assert!(difference(silu(x.clone()), x.clone() * sigmoid(x.clone())) < 1e-5);
            assert!(difference(x, kept) == 0.0, "a tensor that is still held does not change");
        }
    }

    #[test]
    fn the_activation_holds_at_every_size() {
        for step in -4000..=4000 {
            let x = step as f32 / 20.0;
            let expected = f64::from(x) / (1.0 + f64::from(-x).exp());
            assert!((f64::from(activated(x)) - expected).abs() < 1e-5 * expected.abs().max(1e-3), "at {x}: {}", activated(x));
        }
        assert!(activated(f32::NAN).is_nan());
        assert!(activated(0.0).abs() < f32::MIN_POSITIVE);
    }

    #[test]
    fn only_plain_floats_on_the_cpu_are_taken() {
        let x = random([1, 1, 2, 2], 8);
        assert!(takes(&x));
        assert!(!takes(&Tensor::<4>::zeros([1, 1, 2, 2], &Device::flex().autodiff())));
        assert!(!takes(&x.cast(burn::tensor::DType::F64)));
    }
}
