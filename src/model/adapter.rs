//! What costs graphics adapters most, by kernels of our own: convolutions, and norms with their activation.
//!
//! Without an adapter's matrix units, which WGSL does not reach, Burn has one kernel for a 3x3 convolution, a thread a value
//! that adds up a thousand products one after the other, between two kernels that turn the layout round; and a norm with its
//! activation is eleven kernels. Here a convolution is one kernel and a norm two, with what surrounds them. Shapes are
//! constants in a kernel's text, so that each is compiled once; nothing has to be tried out first. Only [`super::layer`]
//! calls this, and never where gradients are recorded.

use burn::backend::wgpu::{CubeTensor, KernelSource, SourceKernel, SourceTemplate, Wgpu, into_contiguous};
use burn::nn::GroupNorm;
use burn::nn::conv::Conv2d;
use burn::tensor::{DType, Device, Shape, Tensor};
use cubecl::prelude::KernelId;
use cubecl::server::{Handle, KernelArguments};
use cubecl::{CubeCount, CubeDim};

use crate::gpu::registry::Shader;

/// Channels, and cells, of one workgroup of a convolution.
const TILE: usize = 32;
/// Values of one workgroup of a norm.
const CHUNK: usize = 4096;
/// What the kernels add to a variance.
const EPSILON: f64 = 1e-5;

/// Whether the functions here may have `x`.
pub(super) fn takes<const D: usize>(x: &Tensor<D>) -> bool {
    let device = x.device();
    x.dtype() == DType::F32 && device != Device::flex() && !device.is_autodiff() && !x.is_require_grad()
}

/// What `conv` makes of `x`, and `onto` added to it; `None` where it is no convolution for the kernel.
///
/// # Shapes
/// x [N, from, H, W], onto [N, to, ⌈H / stride⌉, ⌈W / stride⌉]
pub(super) fn convolved(conv: &Conv2d, x: &Tensor<4>, onto: Option<&Tensor<4>>) -> Option<Tensor<4>> {
    let [n, from, height, width] = x.dims();
    let (side, stride) = (conv.kernel_size[0], conv.stride[0]);
    let weight = conv.weight.val();
    let to = weight.dims()[0];
    let [x, weight, bias] = [primitive(x)?, primitive(&weight)?, primitive(&conv.bias.as_ref()?.val())?];
    let onto = match onto {
        Some(onto) => Some(primitive(onto)?),
        None => None,
    };
    let [rows, columns] = [height, width].map(|length| length.div_ceil(stride));
    let kernel = Kernel {
        shader: Shader::Convolution,
        threads: [8, 8, 4],
        numbers: vec![
            ("FROM", from as u32),
            ("TO", to as u32),
            ("HEIGHT", height as u32),
            ("WIDTH", width as u32),
            ("SIDE", side as u32),
            ("STRIDE", stride as u32),
            ("ONTO", u32::from(onto.is_some())),
        ],
    };
    let groups = [(rows * columns).div_ceil(TILE), to.div_ceil(TILE), n];
    let onto = onto.map_or_else(|| nothing(&x), |onto| onto.handle);
    Some(kernel.launched(&x, groups, vec![weight.handle, bias.handle, onto], [n, to, rows, columns]))
}

/// `norm` of `x`, times 1 + scale and plus shift where they are given, then `v * sigmoid(v)` where `silu` is set; `None` where
/// it is no norm for the kernels.
///
/// # Shapes
/// x [N, C, H, W], scale and shift [N, C, 1, 1] -> [N, C, H, W]
pub(super) fn normed(norm: &GroupNorm, x: &Tensor<4>, film: Option<[&Tensor<4>; 2]>, silu: bool) -> Option<Tensor<4>> {
    if (norm.epsilon - EPSILON).abs() > EPSILON / 1e3 {
        return None;
    }
    let shape @ [n, channels, height, width] = x.dims();
    let (groups, cells) = (norm.num_groups, height * width);
    let values = channels / groups * cells;
    let chunks = values.div_ceil(CHUNK);
    let [x, gamma, beta] = [primitive(x)?, primitive(&norm.gamma.as_ref()?.val())?, primitive(&norm.beta.as_ref()?.val())?];
    let moments =
        Kernel { shader: Shader::Moments, threads: [256, 1, 1], numbers: vec![("GROUPS", groups as u32), ("VALUES", values as u32)] };
    let moments = primitive(&moments.launched::<4>(&x, [chunks, groups, n], Vec::new(), [n, groups, chunks, 2]))?;
    let kernel = Kernel {
        shader: Shader::Norm,
        threads: [256, 1, 1],
        numbers: vec![
            ("CHANNELS", channels as u32),
            ("GROUPS", groups as u32),
            ("CELLS", cells as u32),
            ("FILM", u32::from(film.is_some())),
            ("SILU", u32::from(silu)),
        ],
    };
    let [scale, shift] = match film {
        Some([scale, shift]) => [primitive(scale)?.handle, primitive(shift)?.handle],
        None => [nothing(&x), nothing(&x)],
    };
    Some(kernel.launched(&x, [chunks, groups, n], vec![moments.handle, gamma.handle, beta.handle, scale, shift], shape))
}

/// The buffer of a tensor, its values in order.
fn primitive<const D: usize>(x: &Tensor<D>) -> Option<CubeTensor> {
    x.clone().try_into_primitive::<Wgpu>().ok().map(into_contiguous)
}

/// A buffer that a kernel is given and does not read.
fn nothing(beside: &CubeTensor) -> Handle {
    beside.client.empty(size_of::<f32>())
}

/// A shader with the numbers that it is compiled for.
#[derive(Debug)]
struct Kernel {
    shader: Shader,
    threads: [u32; 3],
    numbers: Vec<(&'static str, u32)>,
}

impl Kernel {
    /// The tensor of `shape` that it writes, from `x` and `more`; `groups` are its workgroups.
    fn launched<const D: usize>(self, x: &CubeTensor, groups: [usize; 3], more: Vec<Handle>, shape: [usize; D]) -> Tensor<D> {
        let shape = Shape::from(shape);
        let buffer = x.client.empty(shape.num_elements() * size_of::<f32>());
        let output = CubeTensor::new_contiguous(x.client.clone(), x.device.clone(), shape, buffer, x.dtype);
        let [across, down, deep] = groups.map(|count| count as u32);
        let buffers = [x.handle.clone()].into_iter().chain(more).chain([output.handle.clone()]).map(Handle::binding).collect();
        let threads = CubeDim::new_3d(self.threads[0], self.threads[1], self.threads[2]);
        let count = CubeCount::Static(across, down, deep);
        x.client.launch(Box::new(SourceKernel::new(self, threads)), count, KernelArguments::new().with_buffers(buffers));
        Tensor::from_primitive::<Wgpu>(output)
    }
}

impl KernelSource for Kernel {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(self.shader.source_with(&self.numbers))
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info((self.shader, self.numbers.clone()))
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}
