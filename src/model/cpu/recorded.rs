//! Convolutions and norms whose gradients are recorded, so that training takes as little time as looking does.
//!
//! Forward they are those of [`super`]. The gradient of a convolution's weight is a product of matrices for each band of rows,
//! that of its input a convolution with the kernel turned round; a norm with its activation keeps its input alone and goes over
//! it twice.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::module::Module as _;
use burn::nn::GroupNorm;
use burn::tensor::{DType, Device, Tensor, TensorData};
use bytemuck::cast_slice_mut;
use rayon::prelude::*;

use super::{Unfolding, doubled, floats, moments, primitive, slope, sum, zeros};
use crate::model::layer::Filter;

/// Whether the functions here may have `x` and a `parameter`.
pub(in crate::model) fn takes<const D: usize>(x: &Tensor<4>, parameter: &Tensor<D>) -> bool {
    let devices = [x.device(), parameter.device()];
    let is_cpu = |device: &Device| device.clone().without_autodiff() == Device::flex();
    [x.dtype(), parameter.dtype()] == [DType::F32; 2] && devices.iter().all(is_cpu) && devices.iter().any(Device::is_autodiff)
}

/// As [`super::convolved`].
///
/// # Shapes
/// x [N, from, H, W] -> [N, to, ⌈H / stride⌉, ⌈W / stride⌉]
///
/// # Panics
/// Where [`takes`] is false.
pub(in crate::model) fn convolved(x: Tensor<4>, filter: Filter<4>) -> Tensor<4> {
    let Filter { weight, bias, side, stride } = filter;
    let ((x, x_node), (weight, weight_node), (bias, bias_node)) = (apart(x), apart(weight), apart(bias));
    let [x, y] = super::convolved(x, Filter { weight: weight.clone(), bias, side, stride }, None);
    let y = primitive(y);
    let output = match Convolution.prepare::<NoCheckpointing>([x_node, weight_node, bias_node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(Convolved { x, weight, stride }, y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

/// As [`super::normed_silu`], of a norm with the affine part \[gamma, beta\].
///
/// # Shapes
/// x [N, C, H, W], scale and shift [N, C, 1, 1] -> [N, C, H, W]
///
/// # Panics
/// Where [`takes`] is false.
pub(in crate::model) fn normed_silu(norm: &GroupNorm, affine: [Tensor<1>; 2], x: Tensor<4>, film: Option<[Tensor<4>; 2]>) -> Tensor<4> {
    let [n, channels, _, _] = x.dims();
    let film = film.unwrap_or_else(|| [(); 2].map(|()| Tensor::zeros([n, channels, 1, 1], &Device::flex())));
    let ((x, x_node), [(gamma, gamma_node), (beta, beta_node)]) = (apart(x), affine.map(apart));
    let [(scale, scale_node), (shift, shift_node)] = film.map(apart);
    let [x, copy] = doubled(x);
    let y = primitive(super::normed_silu(&norm.valid(), copy, Some([scale.clone(), shift.clone()])));
    let nodes = [x_node, gamma_node, beta_node, scale_node, shift_node];
    let output = match Norm.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let [gamma, beta] = [gamma, beta].map(|of_channel| of_channel.reshape([1, channels, 1, 1]));
            prepared.finish(Normed { x, gamma, beta, scale, shift, groups: norm.num_groups, epsilon: norm.epsilon }, y)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

/// The values of a tensor, and its place among what is recorded.
fn apart<const D: usize>(x: Tensor<D>) -> (Tensor<D>, NodeGuard) {
    let recorded = x.autodiff().try_into_primitive::<Autodiff<Flex>>();
    let (values, node) = recorded.expect("a tensor of the CPU device").into_parts();
    (Tensor::from_primitive::<Flex>(values), node)
}

/// Adds the `gradient` of the tensor at `parent`, which is only made where somebody wants it.
fn register<const D: usize>(parent: Option<NodeId>, grads: &mut Gradients, gradient: impl FnOnce() -> Tensor<D>) {
    if let Some(parent) = parent {
        grads.register::<Flex>(parent, primitive(gradient()));
    }
}

#[derive(Debug)]
struct Convolution;

/// What a convolution was made of.
#[derive(Clone, Debug)]
struct Convolved {
    x: Tensor<4>,
    weight: Tensor<4>,
    stride: usize,
}

impl Backward<Flex, 3> for Convolution {
    type State = Convolved;

    fn backward(self, ops: Ops<Convolved, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = Tensor::<4>::from_primitive::<Flex>(grads.consume::<Flex>(&ops.node));
        let ([x, weight, bias], Convolved { x: input, weight: kernel, stride }) = (ops.parents.map(|parent| Some(parent?.id)), ops.state);
        let ([_, from, height, width], [to, _, side, _]) = (input.dims(), kernel.dims());
        let unfolding = Unfolding { from, height, width, side, stride };
        register(bias, grads, || gradient.clone().sum_dim(3).sum_dim(2).sum_dim(0).reshape([to]));
        // What nothing else holds is not copied.
        let (input, shape) = (input.into_data(), gradient.dims());
        let gradient = gradient.into_data();
        register(weight, grads, || of_weight(unfolding, floats(&input), floats(&gradient), shape).reshape([to, from, side, side]));
        register(x, grads, || of_input(unfolding, kernel, Tensor::from_data(gradient, &Device::flex())));
    }
}

/// The sum over all bands of rows of their `gradient` times what the kernel saw for them, always in the same order.
///
/// # Shapes
/// x [N, from, H, W], gradient [N, to, rows, columns] in `shape` -> [to, from * side * side]
fn of_weight(unfolding: Unfolding, x: &[f32], gradient: &[f32], [n, to, rows, columns]: [usize; 4]) -> Tensor<2> {
    let sample = unfolding.from * unfolding.height * unfolding.width;
    let (depth, band) = (unfolding.depth(), unfolding.band(n));
    let bands = rows.div_ceil(band);
    let matrix = |values, shape: [usize; 2]| Tensor::<2>::from_data(TensorData::new(values, shape), &Device::flex());
    let product = |index: usize| {
        let first = index % bands * band;
        let last = rows.min(first + band);
        let seen = unfolding.block(&x[index / bands * sample..][..sample], first..last);
        let count = (last - first) * columns;
        let mut wanted = Vec::with_capacity(to * count);
        for plane in gradient[index / bands * to * rows * columns..].chunks_exact(rows * columns).take(to) {
            wanted.extend_from_slice(&plane[first * columns..last * columns]);
        }
        matrix(wanted, [to, count]).matmul(matrix(seen, [depth, count]).transpose())
    };
    let products: Vec<Tensor<2>> = (0..n * bands).into_par_iter().map(product).collect();
    products.into_iter().reduce(|a, b| a + b).unwrap_or_else(|| Tensor::zeros([to, depth], &Device::flex()))
}

/// # Shapes
/// kernel [to, from, side, side], gradient [N, to, rows, columns] -> [N, from, H, W]
fn of_input(unfolding: Unfolding, kernel: Tensor<4>, gradient: Tensor<4>) -> Tensor<4> {
    let (device, Unfolding { from, height, width, side, stride }) = (Device::flex(), unfolding);
    if stride == 1 {
        let turned = Filter { weight: kernel.swap_dims(0, 1).flip([2, 3]), bias: Tensor::zeros([from], &device), side, stride };
        let [_, spread] = super::convolved(gradient, turned, None);
        return spread;
    }
    let ([n, to, rows, columns], cells) = (gradient.dims(), height * width);
    let weight = kernel.reshape([to, unfolding.depth()]).transpose();
    let gradient = gradient.into_data();
    let mut spread = zeros(n * from * cells);
    spread.par_chunks_mut(from * cells).zip(floats(&gradient).par_chunks(to * rows * columns)).for_each(|(planes, wanted)| {
        let wanted = Tensor::<2>::from_data(TensorData::new(wanted.to_vec(), [to, rows * columns]), &device);
        let seen = weight.clone().matmul(wanted).into_data();
        let seen = floats(&seen).par_chunks(unfolding.taps().len() * rows * columns);
        planes.par_chunks_mut(cells).zip(seen).for_each(|(plane, seen)| unfolding.fold(plane, seen));
    });
    Tensor::from_data(TensorData::new(spread, [n, from, height, width]), &device)
}

#[derive(Debug)]
struct Norm;

/// What a norm with its activation was made of; gamma and beta are [1, C, 1, 1].
#[derive(Clone, Debug)]
struct Normed {
    x: Tensor<4>,
    gamma: Tensor<4>,
    beta: Tensor<4>,
    scale: Tensor<4>,
    shift: Tensor<4>,
    groups: usize,
    epsilon: f64,
}

impl Backward<Flex, 5> for Norm {
    type State = Normed;

    fn backward(self, ops: Ops<Normed, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = Tensor::<4>::from_primitive::<Flex>(grads.consume::<Flex>(&ops.node));
        let Normed { x: input, gamma: g, beta: b, scale: by, shift: off, groups, epsilon } = ops.state;
        let [x, gamma, beta, scale, shift] = ops.parents.map(|parent| Some(parent?.id));
        let (channels, by) = (input.dims()[1], by + 1.0);
        let (gain, offset) = (g.clone() * by.clone(), b.clone() * by.clone() + off);
        let [of_x, of_gain, of_offset] = of_norm([input, gradient, gain, offset], groups, epsilon);
        let of_channels = |of_planes: &Tensor<4>| (of_planes.clone() * by.clone()).sum_dim(0).reshape([channels]);
        register(gamma, grads, || of_channels(&of_gain));
        register(beta, grads, || of_channels(&of_offset));
        register(scale, grads, || of_gain * g + of_offset.clone() * b);
        register(shift, grads, || of_offset);
        register(x, grads, || of_x);
    }
}

/// The gradients of x and, by planes, of the `gain` and the `offset` in silu(z * gain + offset), where z is x normed over each of
/// so many `groups`.
///
/// # Shapes
/// \[x, gradient, gain, offset\] are [N, C, H, W] twice and [N, C, 1, 1] twice -> [N, C, H, W], [N, C, 1, 1], [N, C, 1, 1]
fn of_norm([x, gradient, gain, offset]: [Tensor<4>; 4], groups: usize, epsilon: f64) -> [Tensor<4>; 3] {
    let (device, [n, channels, height, width]) = (gradient.device(), gradient.dims());
    let (plane, members) = (height * width, channels / groups);
    let [x, gain, offset] = [x, gain, offset].map(Tensor::into_data);
    let [x, gain, offset] = [&x, &gain, &offset].map(floats);
    let (mut bytes, shape, dtype) = gradient.into_data().into_parts();
    let values: &mut [f32] = cast_slice_mut(&mut bytes);
    let mut sums = vec![[0.0_f32; 2]; n * channels];
    let groups = values.par_chunks_mut(members * plane).zip(x.par_chunks(members * plane)).zip(sums.par_chunks_mut(members));
    groups.enumerate().for_each(|(index, ((values, x), sums))| {
        let (mean, spread) = moments(x, epsilon);
        let (mut level, mut tilt) = (0.0, 0.0);
        let first = index * members;
        for (member, (values, x)) in values.chunks_mut(plane).zip(x.chunks(plane)).enumerate() {
            let (gain, offset) = (gain[first + member], offset[first + member]);
            for (value, x) in values.iter_mut().zip(x) {
                *value *= slope((x - mean) * spread * gain + offset);
            }
            let of_gain = sum(values, x, |value, x| value * (x - mean)) * f64::from(spread);
            let of_offset = sum(values, x, |value, _| value);
            sums[member] = [of_gain as f32, of_offset as f32];
            tilt += f64::from(gain) * of_gain;
            level += f64::from(gain) * of_offset;
        }
        let count = x.len() as f64;
        let (level, tilt) = ((level / count) as f32, (tilt / count) as f32 * spread);
        for (member, (values, x)) in values.chunks_mut(plane).zip(x.chunks(plane)).enumerate() {
            let gain = gain[first + member];
            for (value, x) in values.iter_mut().zip(x) {
                *value = spread * (gain * *value - level - (x - mean) * tilt);
            }
        }
    });
    let of_planes = |which: usize| {
        let sums = sums.iter().map(|sums| sums[which]).collect();
        Tensor::from_data(TensorData::new(sums, [n, channels, 1, 1]), &device)
    };
    let (of_gain, of_offset) = (of_planes(0), of_planes(1));
    [Tensor::from_data(TensorData::from_bytes(bytes, shape, dtype), &device), of_gain, of_offset]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layer::{conv1, conv3, group_norm};
    use crate::model::noise::Noise;
    use burn::module::Param;
    use burn::tensor::activation::sigmoid;

    fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
        let values = Noise::new(seed).normals(shape.iter().product());
        Tensor::<D>::from_data(TensorData::new(values, shape), &Device::flex().autodiff()).require_grad()
    }

    fn agree<const D: usize>(name: &str, ours: Tensor<D>, burns: Tensor<D>) {
        assert_eq!(ours.dims(), burns.dims());
        let size = burns.clone().abs().max().into_scalar::<f32>().max(1.0);
        let worst = (ours - burns).abs().max().into_scalar::<f32>();
        assert!(worst < 2e-5 * size, "{name} is off by {worst} of {size}");
    }

    #[test]
    fn gradients_of_convolutions_are_those_of_burn() {
        let device = Device::flex().autodiff();
        let shapes = [(1, 3, 2, [1, 1]), (2, 7, 5, [13, 9]), (1, 40, 8, [64, 50]), (3, 4, 6, [2, 3]), (5, 1, 1, [6, 1])];
        for (n, from, to, [height, width]) in shapes {
            for conv in [conv3([from, to], 1, &device), conv3([from, to], 2, &device), conv1([from, to], &device)] {
                let (weight, bias) = (conv.weight.val(), conv.bias.as_ref().unwrap().val());
                let [ours, burns] = [(); 2].map(|()| random([n, from, height, width], 1));
                let filter = Filter { weight: weight.clone(), bias: bias.clone(), side: conv.kernel_size[0], stride: conv.stride[0] };
                assert!(takes(&ours, &weight));
                let y = [convolved(ours.clone(), filter), conv.forward(burns.clone())];
                let [a, b] = y.each_ref().map(|y| (y.clone() * random(y.dims(), 2).detach()).sum().backward());
                let [y, expected] = y.map(Tensor::inner);
                agree("the output", y, expected);
                agree("of x", ours.grad(&a).unwrap(), burns.grad(&b).unwrap());
                agree("of the weight", weight.grad(&a).unwrap(), weight.grad(&b).unwrap());
                agree("of the bias", bias.grad(&a).unwrap(), bias.grad(&b).unwrap());
            }
        }
    }

    #[test]
    fn gradients_of_norms_are_those_of_burn() {
        let mut norm = group_norm(3, 6, &Device::flex().autodiff());
        norm.gamma = Some(Param::from_tensor(random([6], 4)));
        norm.beta = Some(Param::from_tensor(random([6], 5)));
        let affine = [&norm.gamma, &norm.beta].map(|part| part.as_ref().unwrap().val());
        for (n, height, width) in [(2, 40, 41), (1, 1, 2)] {
            let leaves = || [random([n, 6, height, width], 6), random([n, 6, 1, 1], 7), random([n, 6, 1, 1], 8)];
            for is_told in [false, true] {
                let [ours, burns] = [leaves(), leaves()];
                let [x, scale, shift] = ours.clone();
                let y = normed_silu(&norm, affine.clone(), x * 3.0 + 10.0, is_told.then_some([scale, shift]));
                let [x, scale, shift] = burns.clone();
                let v = norm.forward(x * 3.0 + 10.0);
                let v = if is_told { v * (scale + 1.0) + shift } else { v };
                let expected = v.clone() * sigmoid(v);
                let [a, b] = [&y, &expected].map(|y| (y.clone() * random(y.dims(), 9).detach()).sum().backward());
                agree("the output", y.inner(), expected.inner());
                let [gamma, beta] = &affine;
                agree("of gamma", gamma.grad(&a).unwrap(), gamma.grad(&b).unwrap());
                agree("of beta", beta.grad(&a).unwrap(), beta.grad(&b).unwrap());
                let told = if is_told { 3 } else { 1 };
                for (name, (ours, burns)) in ["of x", "of the scale", "of the shift"].into_iter().zip(ours.iter().zip(&burns)).take(told) {
                    agree(name, ours.grad(&a).unwrap(), burns.grad(&b).unwrap());
                }
            }
        }
    }

    #[test]
    fn what_needs_no_gradient_gets_none() {
        let device = Device::flex().autodiff();
        let conv = conv3([2, 3], 1, &device);
        let (weight, bias) = (conv.weight.val(), conv.bias.as_ref().unwrap().val());
        let x = random([1, 2, 4, 4], 1).inner();
        assert!(takes(&x, &weight) && !takes(&x, &weight.clone().inner()));
        let y = convolved(x, Filter { weight: weight.clone(), bias: bias.clone().detach(), side: 3, stride: 1 });
        let gradients = y.sum().backward();
        assert!(weight.grad(&gradients).is_some());
        assert!(bias.grad(&gradients).is_none());
    }
}
