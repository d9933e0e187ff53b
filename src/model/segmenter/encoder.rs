//! The half of the segmenter that does not depend on the noise level.

use burn::module::Module;
use burn::nn::GroupNorm;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};

use super::SegmenterConfig;
use super::blocks::{Attention, GROUPS, Res};
use crate::model::layer::{conv3, convolved, convolved_beside, group_norm, normed_silu, unshuffled};

/// Channels at stride 2, between the two stem convolutions.
pub(super) const STEM: usize = 24;

/// What the encoder knows about a crop, at strides 2, 4, 8, 16 and 32.
#[derive(Clone, Debug)]
pub struct Features {
    /// [N, 96, S/4, S/4]: the 24 channels at stride 2, of which four cells lie in one of stride 4.
    pub f2: Tensor<4>,
    /// [N, c4, S/4, S/4]
    pub f4: Tensor<4>,
    /// [N, c8, S/8, S/8]
    pub f8: Tensor<4>,
    /// [N, c16, S/16, S/16]
    pub f16: Tensor<4>,
    /// [N, c32, S/32, S/32]
    pub f32: Tensor<4>,
}

impl Features {
    /// `of` each of them.
    #[must_use]
    pub fn map(&self, of: impl Fn(&Tensor<4>) -> Tensor<4>) -> Self {
        let Self { f2, f4, f8, f16, f32 } = self;
        Self { f2: of(f2), f4: of(f4), f8: of(f8), f16: of(f16), f32: of(f32) }
    }

    /// One of these samples `count` times over.
    #[must_use]
    pub fn repeated(&self, count: usize) -> Self {
        if count == 1 { self.clone() } else { self.map(|feature| feature.clone().repeat_dim(0, count)) }
    }
}

/// The crop encoder.
#[derive(Module, Debug)]
pub struct Encoder {
    stem1: Conv2d,
    stem2_norm: GroupNorm,
    stem2: Conv2d,
    stage4: Vec<Res>,
    down8: Conv2d,
    stage8: Vec<Res>,
    down16: Conv2d,
    stage16: Vec<Res>,
    down32: Conv2d,
    stage32: Vec<Res>,
    attn32: Attention,
}

impl Encoder {
    /// An encoder with random weights.
    pub fn new(config: &SegmenterConfig, device: &Device) -> Self {
        let SegmenterConfig { in_channels, c4, c8, c16, c32, heads, depths: [d4, d8, d16, d32], .. } = *config;
        let blocks = |count: usize, channels| (0..count).map(|_| Res::new(channels, device)).collect();
        Self {
            stem1: conv3([in_channels, STEM], 2, device),
            stem2_norm: group_norm(GROUPS, STEM, device),
            stem2: conv3([STEM, c4], 2, device),
            stage4: blocks(d4, c4),
            down8: conv3([c4, c8], 2, device),
            stage8: blocks(d8, c8),
            down16: conv3([c8, c16], 2, device),
            stage16: blocks(d16, c16),
            down32: conv3([c16, c32], 2, device),
            stage32: blocks(d32, c32),
            attn32: Attention::new(c32, heads, device),
        }
    }

    /// Everything that the denoiser needs to know about the crop.
    ///
    /// # Shapes
    /// [N, 5, S, S] -> [`Features`]; S is a multiple of 32
    pub fn forward(&self, crop: Tensor<4>) -> Features {
        self.deep(self.shallow(crop))
    }

    /// The stages at strides 2, 4 and 8.
    ///
    /// # Shapes
    /// [N, 5, S, S] -> [`Features`], the first three
    pub fn shallow(&self, crop: Tensor<4>) -> [Tensor<4>; 3] {
        let through = |blocks: &[Res], x| blocks.iter().fold(x, |x, block| block.forward(x));
        let f2 = normed_silu(&self.stem2_norm, convolved(&self.stem1, crop));
        let [f2, f4] = convolved_beside(&self.stem2, f2);
        let [f4, f8] = convolved_beside(&self.down8, through(&self.stage4, f4));
        [unshuffled(f2, 2), f4, through(&self.stage8, f8)]
    }

    /// This encoder with the parameters of [`Self::shallow`] held as they are.
    #[must_use]
    pub fn shallow_frozen(self) -> Self {
        Self {
            stem1: self.stem1.no_grad(),
            stem2_norm: self.stem2_norm.no_grad(),
            stem2: self.stem2.no_grad(),
            stage4: self.stage4.no_grad(),
            down8: self.down8.no_grad(),
            stage8: self.stage8.no_grad(),
            ..self
        }
    }

    /// The stages at strides 16 and 32, on top of [`Self::shallow`].
    pub fn deep(&self, [f2, f4, f8]: [Tensor<4>; 3]) -> Features {
        let through = |blocks: &[Res], x| blocks.iter().fold(x, |x, block| block.forward(x));
        let [f8, f16] = convolved_beside(&self.down16, f8);
        let [f16, f32] = convolved_beside(&self.down32, through(&self.stage16, f16));
        Features { f2, f4, f8, f16, f32: self.attn32.forward(through(&self.stage32, f32)) }
    }
}
