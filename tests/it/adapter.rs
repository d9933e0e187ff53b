//! The layers that an adapter has kernels of its own for, against what the CPU makes of the same numbers.

use annotator::model::device::has_half;
use annotator::model::layer::{
    conv1, conv3, convolved, convolved_beside, convolved_onto, film_silu, group_norm, halved, normed, normed_silu, pointwise,
};
use annotator::model::noise::Noise;
use burn::module::Module;
use burn::nn::conv::Conv1dConfig;
use burn::tensor::{Device, Tensor, TensorData};

use crate::model::{difference, on_gpu, seeded};

/// Of both devices, for sums of a few hundred terms.
const TOLERANCE: f32 = 1e-4;

/// Samples, channels in and out, height, width and stride: a single cell, one row, one column, odd sides, one cell and one
/// channel more than a workgroup has, sums shorter and longer than a workgroup holds at once, many workgroups, more cells than
/// one launch takes.
const SHAPES: [([usize; 5], usize); 11] = [
    ([1, 1, 1, 1, 1], 1),
    ([2, 3, 5, 1, 37], 1),
    ([1, 5, 4, 29, 1], 2),
    ([3, 7, 33, 3, 11], 1),
    ([2, 24, 32, 10, 7], 2),
    ([1, 5, 24, 20, 21], 2),
    ([6, 64, 40, 5, 6], 1),
    ([1, 40, 64, 9, 9], 1),
    ([2, 16, 4, 8, 8], 1),
    ([1, 2, 3, 300, 301], 1),
    ([1, 1, 1, 1450, 1450], 1),
];

fn noise(seed: u64, shape: [usize; 4], device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(Noise::new(seed).normals(shape.iter().product()), shape), device)
}

fn values(x: Tensor<4>) -> Vec<f32> {
    x.try_into_vec_as().unwrap()
}

/// `of` a layer and its seeded input, on both devices; the adapter's memory holds numbers that are none before.
fn assert_same<M: Module>(device: &Device, case: &str, layer: impl Fn(&Device) -> M, of: impl Fn(&M, &Device) -> Tensor<4>) {
    let on = |device: &Device| of(&seeded(layer(device), 7), device);
    let expected = on(&Device::flex());
    drop(Tensor::<4>::full(expected.dims(), f32::NAN, device).into_data());
    let actual = on(device);
    assert_eq!(actual.dims(), expected.dims(), "{case}");
    let off = difference(&values(actual), &values(expected));
    assert!(off < TOLERANCE, "{case} is off by {off}");
}

fn convolutions_match(device: &Device) {
    for (seed, ([n, from, to, height, width], stride)) in SHAPES.into_iter().enumerate() {
        let input = |device: &Device| noise(seed as u64, [n, from, height, width], device);
        let [rows, columns] = [height, width].map(|side| side.div_ceil(stride));
        let onto = |device: &Device| noise(99, [n, to, rows, columns], device);
        let case = format!("{from} to {to} channels, {n} x {height} x {width}, stride {stride}");
        assert_same(device, &case, |d| conv3([from, to], stride, d), |layer, d| convolved(layer, input(d)));
        assert_same(device, &case, |d| conv3([from, to], stride, d), |layer, d| convolved_onto(layer, input(d), onto(d)));
        let both = |layer: &_, d: &_| {
            let [x, y] = convolved_beside(layer, input(d));
            assert_eq!(values(x), values(input(d)), "{case}: the input is as it was");
            y
        };
        assert_same(device, &case, |d| conv3([from, to], stride, d), both);
        assert_same(device, &case, |d| conv1([from, to], d), |layer, d| convolved(layer, input(d)));
        assert_same(device, &case, |d| Conv1dConfig::new(from, to, 1).init(d), |layer, d| pointwise(layer, input(d)));
    }
}

#[test]
fn convolutions_on_an_adapter_are_the_cpus() {
    on_gpu(convolutions_match);
}

/// Weights and products in half precision: as far off as eleven bits are, and no farther.
fn halves_match(device: &Device) {
    if !has_half(device) {
        return;
    }
    let mut farthest: f32 = 0.0;
    for (seed, ([n, from, to, height, width], stride)) in SHAPES.into_iter().enumerate() {
        let of = |layer: &_, device: &Device| values(convolved(layer, noise(seed as u64, [n, from, height, width], device)));
        let on = |device: &Device| seeded(conv3([from, to], stride, device), 7);
        let (expected, actual) = (of(&on(&Device::flex()), &Device::flex()), of(&halved(on(device)), device));
        let largest = expected.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
        let off = difference(&actual, &expected) / largest;
        assert!(off < 4e-3, "{from} to {to} channels, {n} x {height} x {width}: off by {off} of {largest}");
        farthest = farthest.max(off);
    }
    assert!(farthest > 1e-4, "{farthest}");
}

#[test]
fn convolutions_in_half_precision_are_nearly_the_cpus() {
    on_gpu(halves_match);
}

/// A view of a larger tensor, with its axes turned: its values do not lie in order.
fn views_match(device: &Device) {
    let view = |device: &Device| noise(3, [9, 4, 2, 5], device).permute([2, 1, 0, 3]).narrow(1, 1, 3);
    assert_same(device, "a view", |d| conv3([3, 6], 1, d), |layer, d| convolved(layer, view(d)));
    assert_same(device, "a view's norm", |d| group_norm(3, 3, d), |layer, d| normed_silu(layer, view(d)));
}

#[test]
fn views_on_an_adapter_are_read_in_order() {
    on_gpu(views_match);
}

/// Samples, channels, groups, height and width: three values, one chunk, a full one, one value more, several.
const NORMED: [[usize; 5]; 6] =
    [[1, 8, 8, 1, 3], [3, 6, 2, 5, 7], [2, 8, 8, 64, 64], [1, 4, 4, 17, 241], [2, 24, 8, 80, 81], [1, 16, 1, 33, 65]];

fn norms_match(device: &Device) {
    for (seed, [n, channels, groups, height, width]) in NORMED.into_iter().enumerate() {
        // Far from 0 beside what they differ by, as squares' means would not bear.
        let input = |device: &Device| noise(seed as u64, [n, channels, height, width], device) * 0.5 + 4.0;
        let [scale, shift] = [1, 2].map(|seed| move |device: &Device| noise(seed, [n, channels, 1, 1], device));
        let layer = |device: &Device| group_norm(groups, channels, device);
        let case = format!("{channels} channels in {groups} groups, {n} x {height} x {width}");
        assert_same(device, &case, layer, |norm, d| normed(norm, input(d)));
        assert_same(device, &case, layer, |norm, d| normed_silu(norm, input(d)));
        assert_same(device, &case, layer, |norm, d| film_silu(norm, input(d), scale(d), shift(d)));
    }
}

#[test]
fn norms_on_an_adapter_are_the_cpus() {
    on_gpu(norms_match);
}
