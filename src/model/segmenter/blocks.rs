//! The segmenter's residual and attention blocks.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{GroupNorm, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::model::layer::{
    attended, conv1, conv1_zero, conv3, conv3_zero, convolved, convolved_onto, film_silu, group_norm, normed, normed_silu,
    normed_silu_beside,
};

/// Groups of every norm in the segmenter.
pub(super) const GROUPS: usize = 8;

/// `x + conv2(silu(gn2(conv1(silu(gn1(x))))))`.
#[derive(Module, Debug)]
pub(super) struct Res {
    gn1: GroupNorm,
    conv1: Conv2d,
    gn2: GroupNorm,
    conv2: Conv2d,
}

impl Res {
    pub(super) fn new(channels: usize, device: &Device) -> Self {
        Self {
            gn1: group_norm(GROUPS, channels, device),
            conv1: conv3([channels, channels], 1, device),
            gn2: group_norm(GROUPS, channels, device),
            conv2: conv3([channels, channels], 1, device),
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [x, h] = normed_silu_beside(&self.gn1, x);
        let h = convolved(&self.conv1, h);
        convolved_onto(&self.conv2, normed_silu(&self.gn2, h), x)
    }
}

/// Self-attention over positions: `x + proj(attention(norm(x)))`. The channels of `qkv` are [q | k | v], each split
/// into heads.
#[derive(Module, Debug)]
pub(super) struct Attention {
    norm: GroupNorm,
    qkv: Conv2d,
    proj: Conv2d,
    heads: usize,
}

impl Attention {
    pub(super) fn new(channels: usize, heads: usize, device: &Device) -> Self {
        Self {
            norm: group_norm(GROUPS, channels, device),
            qkv: conv1([channels, 3 * channels], device),
            proj: conv1_zero([channels, channels], device),
            heads,
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [n, c, h, w] = x.dims();
        let heads = self.heads;
        let qkv = convolved(&self.qkv, normed(&self.norm, x.clone())).reshape([n, 3 * heads, c / heads, h * w]);
        let part = |index: usize| qkv.clone().narrow(1, index * heads, heads);
        convolved_onto(&self.proj, attended(part(0), part(1), part(2)).reshape([n, c, h, w]), x)
    }
}

/// A residual block whose second norm is scaled and shifted by the noise embedding.
#[derive(Module, Debug)]
pub(super) struct FilmRes {
    norm1: GroupNorm,
    conv1: Conv2d,
    film: Linear,
    norm2: GroupNorm,
    conv2: Conv2d,
    skip: Option<Conv2d>,
}

impl FilmRes {
    pub(super) fn new([from, to]: [usize; 2], embedding: usize, device: &Device) -> Self {
        Self {
            norm1: group_norm(GROUPS, from, device),
            conv1: conv3([from, to], 1, device),
            film: LinearConfig::new(embedding, 2 * to).init(device),
            norm2: group_norm(GROUPS, to, device),
            conv2: conv3_zero([to, to], device),
            skip: (from != to).then(|| conv1([from, to], device)),
        }
    }

    /// # Shapes
    /// x [N, from, H, W], embedding after silu [N, E] -> [N, to, H, W]
    pub(super) fn forward(&self, x: Tensor<4>, embedding: &Tensor<2>) -> Tensor<4> {
        let [x, h] = normed_silu_beside(&self.norm1, x);
        let h = convolved(&self.conv1, h);
        let [n, c, _, _] = h.dims();
        let film = self.film.forward(embedding.clone()).reshape([n, 2 * c, 1, 1]);
        let (scale, shift) = (film.clone().narrow(1, 0, c), film.narrow(1, c, c));
        let h = film_silu(&self.norm2, h, scale, shift);
        let x = match &self.skip {
            Some(skip) => convolved(skip, x),
            None => x,
        };
        convolved_onto(&self.conv2, h, x)
    }
}
