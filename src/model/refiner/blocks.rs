//! The refiner's layers. Tuples stand for `PyTorch`'s `Sequential`: an activation keeps its index in the tensor names.

use burn::module::Module;
use burn::nn::activation::SiLU;
use burn::nn::conv::{Conv1d, Conv1dConfig, Conv2d};
use burn::nn::{Dropout, DropoutConfig, GroupNorm, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::model::layer::{
    attended, conv1, conv3, convolved, convolved_onto, group_norm, normed, normed_silu, normed_silu_beside, pointwise, upsampled,
};

/// One layer of a block.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a module cannot be boxed, and there are few layers")]
pub(super) enum Layer {
    /// The first convolution.
    Conv(Conv2d),
    /// A residual block that sees the time index.
    Res(ResBlock),
    /// Self-attention over positions.
    Attention(AttentionBlock),
    /// Halves the grid.
    Down(Downsample),
    /// Doubles the grid.
    Up(Upsample),
}

impl Layer {
    /// # Shapes
    /// x [N, C, H, W], time embedding after silu [N, E]
    pub(super) fn forward(&self, x: Tensor<4>, embedding: &Tensor<2>) -> Tensor<4> {
        match self {
            Self::Conv(conv) => convolved(conv, x),
            Self::Res(block) => block.forward(x, embedding),
            Self::Attention(block) => block.forward(x),
            Self::Down(layer) => convolved(&layer.op, x),
            Self::Up(layer) => convolved(&layer.conv, upsampled(x)),
        }
    }
}

/// `skip(x) + conv(silu(norm(conv(silu(norm(x))) + linear(silu(embedding)))))`.
#[derive(Module, Debug)]
pub(super) struct ResBlock {
    in_layers: (GroupNorm, SiLU, Conv2d),
    emb_layers: (SiLU, Linear),
    out_layers: (GroupNorm, SiLU, Dropout, Conv2d),
    skip_connection: Option<Conv2d>,
}

impl ResBlock {
    pub(super) fn new([from, to]: [usize; 2], embedding: usize, groups: usize, device: &Device) -> Self {
        Self {
            in_layers: (group_norm(groups, from, device), SiLU::new(), conv3([from, to], 1, device)),
            emb_layers: (SiLU::new(), LinearConfig::new(embedding, to).init(device)),
            out_layers: (group_norm(groups, to, device), SiLU::new(), DropoutConfig::new(0.0).init(), conv3([to, to], 1, device)),
            skip_connection: (from != to).then(|| conv1([from, to], device)),
        }
    }

    fn forward(&self, x: Tensor<4>, embedding: &Tensor<2>) -> Tensor<4> {
        let [x, h] = normed_silu_beside(&self.in_layers.0, x);
        let h = convolved(&self.in_layers.2, h);
        let [n, c, _, _] = h.dims();
        let h = h + self.emb_layers.1.forward(embedding.clone()).reshape([n, c, 1, 1]);
        let x = match &self.skip_connection {
            Some(skip) => convolved(skip, x),
            None => x,
        };
        convolved_onto(&self.out_layers.3, normed_silu(&self.out_layers.0, h), x)
    }
}

/// Self-attention whose channels are split into heads first, then each head into [q | k | v].
#[derive(Module, Debug)]
pub(super) struct AttentionBlock {
    norm: GroupNorm,
    qkv: Conv1d,
    proj_out: Conv1d,
    heads: usize,
}

impl AttentionBlock {
    pub(super) fn new(channels: usize, heads: usize, groups: usize, device: &Device) -> Self {
        Self {
            norm: group_norm(groups, channels, device),
            qkv: Conv1dConfig::new(channels, 3 * channels, 1).init(device),
            proj_out: Conv1dConfig::new(channels, channels, 1).init(device),
            heads,
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [n, c, h, w] = x.dims();
        let (heads, depth) = (self.heads, c / self.heads);
        let qkv = pointwise(&self.qkv, normed(&self.norm, x.clone())).reshape([n, heads, 3 * depth, h * w]);
        let part = |index: usize| qkv.clone().narrow(2, index * depth, depth);
        x + pointwise(&self.proj_out, attended(part(0), part(1), part(2)).reshape([n, c, h, w]))
    }
}

/// A 3x3 convolution with stride 2.
#[derive(Module, Debug)]
pub(super) struct Downsample {
    op: Conv2d,
}

impl Downsample {
    pub(super) fn new(channels: usize, device: &Device) -> Self {
        Self { op: conv3([channels, channels], 2, device) }
    }
}

/// Enlargement by 2, then a 3x3 convolution.
#[derive(Module, Debug)]
pub(super) struct Upsample {
    conv: Conv2d,
}

impl Upsample {
    pub(super) fn new(channels: usize, device: &Device) -> Self {
        Self { conv: conv3([channels, channels], 1, device) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::noise::Noise;
    use burn::tensor::TensorData;

    /// A plain triple loop over one sample, to show which channel belongs to which head and part.
    fn naive(x: &[f32], qkv: &[f32], heads: usize, depth: usize, places: usize) -> Vec<f32> {
        let mut out = x.to_vec();
        for head in 0..heads {
            let row = |part: usize, channel: usize| &qkv[(head * 3 * depth + part * depth + channel) * places..][..places];
            for query in 0..places {
                let score = |key: usize| (0..depth).map(|d| row(0, d)[query] * row(1, d)[key]).sum::<f32>() / (depth as f32).sqrt();
                let weights: Vec<f32> = (0..places).map(|key| score(key).exp()).collect();
                let total: f32 = weights.iter().sum();
                for d in 0..depth {
                    let value: f32 = (0..places).map(|key| weights[key] * row(2, d)[key]).sum();
                    out[(head * depth + d) * places + query] += value / total;
                }
            }
        }
        out
    }

    #[test]
    fn heads_are_split_before_queries_keys_and_values() {
        let (heads, depth, places) = (2, 4, 6);
        let device = Device::flex();
        let mut block = AttentionBlock::new(heads * depth, heads, 4, &device);
        let identity = (0..64).map(|i| f32::from(u8::from(i / 8 == i % 8))).collect::<Vec<_>>();
        block.proj_out.weight = burn::module::Param::from_data(TensorData::new(identity, [8, 8, 1]), &device);
        block.proj_out.bias = None;
        let x = Noise::new(1).normals(heads * depth * places);
        let input = Tensor::<4>::from_data(TensorData::new(x.clone(), [1, heads * depth, 2, 3]), &device);
        let normed = block.norm.forward(input.clone().reshape([1, heads * depth, places]));
        let qkv: Vec<f32> = block.qkv.forward(normed).try_into_vec_as().unwrap();
        let actual: Vec<f32> = block.forward(input).try_into_vec_as().unwrap();
        for (actual, expected) in actual.iter().zip(naive(&x, &qkv, heads, depth, places)) {
            assert!((actual - expected).abs() < 1e-4);
        }
    }
}
