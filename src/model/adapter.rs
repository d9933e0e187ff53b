//! What costs graphics adapters most, by kernels of our own: convolutions, and norms with their activation.
//!
//! Without an adapter's matrix units, which WGSL does not reach, Burn has one kernel for a 3x3 convolution, a thread a value
//! that adds up a thousand products one after the other, between two kernels that turn the layout round; and a norm with its
//! activation is eleven kernels. Here a convolution is one kernel and a norm two, with what surrounds them. Shapes are
//! constants in a kernel's text, so that each is compiled once; nothing has to be tried out first. Only [`super::layer`]
//! calls this, and never where gradients are recorded.

use burn::backend::wgpu::{CubeTensor, KernelSource, SourceKernel, SourceTemplate, Wgpu, into_contiguous};
use burn::nn::GroupNorm;
use burn::tensor::{DType, Device, Shape, Tensor};
use cubecl::ir::attributes::BufferIOAttr;
use cubecl::prelude::{ExecutionMode, KernelId};
use cubecl::server::KernelArguments;
use cubecl::{CubeCount, CubeDim};

use super::layer::{Filter, is_inferred};
use crate::gpu::registry::Shader;

/// Channels, and cells, of one workgroup of a convolution.
const TILE: usize = 32;
/// Values of one workgroup of a norm.
const CHUNK: usize = 4096;
/// Workgroups of one launch along an axis.
const MOST_GROUPS: usize = 65_535;
/// What the kernels add to a variance.
const EPSILON: f64 = 1e-5;

/// Whether the functions here may have `x`.
pub(super) fn takes<const D: usize>(x: &Tensor<D>) -> bool {
    is_inferred(x) && x.device() != Device::flex()
}

/// What `filter` makes of `x`, and `onto` added to it; `None` where they lie elsewhere, do not fit together, or have more
/// cells than one launch takes. Where its weight is f16, products are taken in f16.
///
/// # Shapes
/// x [N, from, H, W], onto [N, to, ⌈H / stride⌉, ⌈W / stride⌉]
pub(super) fn convolved<const D: usize>(filter: &Filter<D>, x: &Tensor<4>, onto: Option<&Tensor<4>>) -> Option<Tensor<4>> {
    let [n, from, height, width] = x.dims();
    let Filter { weight, bias, side, stride } = filter;
    let to = weight.dims()[0];
    let [rows, columns] = [height, width].map(|length| length.div_ceil(*stride));
    let groups = [(rows * columns).div_ceil(TILE), to.div_ceil(TILE), n];
    let shape = [n, to, rows, columns];
    if weight.dims()[1] != from || onto.is_some_and(|onto| onto.dims() != shape) || !fits(groups) {
        return None;
    }
    let kernel = Kernel {
        shader: Shader::Convolution,
        numbers: vec![
            ("FROM", from as u32),
            ("TO", to as u32),
            ("HEIGHT", height as u32),
            ("WIDTH", width as u32),
            ("SIDE", *side as u32),
            ("STRIDE", *stride as u32),
            ("ONTO", u32::from(onto.is_some())),
            ("HALF", u32::from(weight.dtype() == DType::F16)),
        ],
    };
    let x = primitive(x)?;
    let added = onto.map_or_else(|| Some(x.clone()), primitive)?;
    let output = kernel.launched([&x, &primitive(weight)?, &primitive(bias)?, &added], groups, Shape::from(shape));
    Some(Tensor::from_primitive::<Wgpu>(output))
}

/// `norm` of `x`, times 1 + scale and plus shift where they are given, then `v * sigmoid(v)` where `silu` is set; `None` where
/// it is no norm for the kernels.
///
/// # Shapes
/// x [N, C, H, W], scale and shift [N, C, 1, 1] -> [N, C, H, W]
pub(super) fn normed(norm: &GroupNorm, x: &Tensor<4>, film: Option<[&Tensor<4>; 2]>, silu: bool) -> Option<Tensor<4>> {
    let shape @ [n, channels, height, width] = x.dims();
    let cells = height * width;
    let values = channels / norm.num_groups * cells;
    let chunks = values.div_ceil(CHUNK);
    let groups = [chunks, norm.num_groups, n];
    let is_known = (norm.epsilon - EPSILON).abs() < EPSILON / 1e3;
    if !is_known || film.is_some_and(|film| film.iter().any(|by| by.dims() != [n, channels, 1, 1])) || !fits(groups) {
        return None;
    }
    let moments = Kernel { shader: Shader::Moments, numbers: vec![("GROUPS", norm.num_groups as u32), ("VALUES", values as u32)] };
    let kernel = Kernel {
        shader: Shader::Norm,
        numbers: vec![
            ("CHANNELS", channels as u32),
            ("GROUPS", norm.num_groups as u32),
            ("CELLS", cells as u32),
            ("FILM", u32::from(film.is_some())),
            ("SILU", u32::from(silu)),
        ],
    };
    let x = primitive(x)?;
    let [gamma, beta] = [primitive(&norm.gamma.as_ref()?.val())?, primitive(&norm.beta.as_ref()?.val())?];
    let [scale, shift] = match film {
        Some([scale, shift]) => [primitive(scale)?, primitive(shift)?],
        None => [x.clone(), x.clone()],
    };
    let moments = moments.launched([&x], groups, Shape::from([n, norm.num_groups, chunks, 2]));
    let output = kernel.launched([&x, &moments, &gamma, &beta, &scale, &shift], groups, Shape::from(shape));
    Some(Tensor::from_primitive::<Wgpu>(output))
}

/// Whether one launch takes so many workgroups.
fn fits(groups: [usize; 3]) -> bool {
    groups.iter().all(|&count| count <= MOST_GROUPS)
}

/// The buffer of a tensor, its values in order.
fn primitive<const D: usize>(x: &Tensor<D>) -> Option<CubeTensor> {
    x.clone().try_into_primitive::<Wgpu>().ok().map(into_contiguous)
}

/// A shader with the numbers that it is compiled for.
#[derive(Debug)]
struct Kernel {
    shader: Shader,
    numbers: Vec<(&'static str, u32)>,
}

impl Kernel {
    /// The tensor of `shape` that it makes of `inputs` in so many workgroups. A launch that fails spoils its output alone.
    fn launched<const N: usize>(self, inputs: [&CubeTensor; N], groups: [usize; 3], shape: Shape) -> CubeTensor {
        let CubeTensor { client, device, dtype, .. } = inputs[0];
        let buffer = client.empty(shape.num_elements() * size_of::<f32>());
        let output = CubeTensor::new_contiguous(client.clone(), device.clone(), shape, buffer, *dtype);
        let read = |told: KernelArguments, input: &CubeTensor| told.with_buffer_io(input.handle.clone().binding(), BufferIOAttr::ReadOnly);
        let told = inputs.into_iter().fold(KernelArguments::new(), read);
        let told = told.with_buffer_io(output.handle.clone().binding(), BufferIOAttr::WriteOnly);
        let [across, down, deep] = groups.map(|count| count as u32);
        // How many threads a workgroup has stands in the text.
        let kernel = Box::new(SourceKernel::new(self, CubeDim::new_single()));
        client.launch(kernel, CubeCount::Static(across, down, deep), told);
        output
    }
}

impl KernelSource for Kernel {
    fn source(&self) -> SourceTemplate {
        let text = self.shader.source_with(&self.numbers);
        SourceTemplate::new(if self.numbers.contains(&("HALF", 1)) {
            format!("enable f16;\n{}", text.replace("alias Real = f32;", "alias Real = f16;"))
        } else {
            text
        })
    }

    fn id(&self) -> KernelId {
        // Unchecked: without counters in loops, which all end.
        KernelId::new::<Self>().mode(ExecutionMode::Unchecked).info((self.shader, self.numbers.clone()))
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}
