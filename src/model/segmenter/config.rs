//! The segmenter's widths.

use serde::{Deserialize, Serialize};

/// Widths of the segmenter, as the weight file stores them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmenterConfig {
    /// The crop's side in pixels, a multiple of 32.
    pub crop: usize,
    /// The mask's side: half the crop's.
    pub mask: usize,
    /// Input channels: 3 colours, box indicator, colour evidence.
    pub in_channels: usize,
    /// Channels at stride 4.
    pub c4: usize,
    /// Channels at stride 8.
    pub c8: usize,
    /// Channels at stride 16.
    pub c16: usize,
    /// Channels at stride 32.
    pub c32: usize,
    /// Attention heads.
    pub heads: usize,
    /// Length of the sinusoidal noise level code.
    pub noise_dim: usize,
    /// Length of the noise embedding.
    pub emb: usize,
    /// Residual blocks of the encoder at strides 4, 8, 16 and 32; the first networks' in files that do not say.
    #[serde(default = "first_depths")]
    pub depths: [usize; 4],
    /// Channels of last layers that see features of stride 2; 0, as in files that do not say, for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fine: usize,
    /// What conditions the denoiser besides; nothing in files that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditioning: Option<ConditioningConfig>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What files without `depths` hold.
fn first_depths() -> [usize; 4] {
    [1, 2, 2, 2]
}

/// What conditions the denoiser besides the box.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditioningConfig {
    /// The names of the classes that have an embedding.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Whether the first exemplar's colours enter the denoiser's input too, as in `MaskDiff`; an ablation.
    #[serde(default)]
    pub concat: bool,
}

impl ConditioningConfig {
    /// The place of a class, whether its name is written with capitals or not.
    pub fn class(&self, name: &str) -> Option<usize> {
        self.classes.iter().position(|class| class.eq_ignore_ascii_case(name))
    }
}

impl Default for SegmenterConfig {
    fn default() -> Self {
        Self {
            crop: 256,
            mask: 128,
            in_channels: 5,
            c4: 32,
            c8: 64,
            c16: 128,
            c32: 192,
            heads: 4,
            noise_dim: 64,
            emb: 256,
            depths: [1, 2, 5, 4],
            fine: 32,
            conditioning: None,
        }
    }
}

impl SegmenterConfig {
    /// The smallest shape that still has every part; for tests.
    pub fn tiny() -> Self {
        Self {
            crop: 64,
            mask: 32,
            c4: 8,
            c8: 8,
            c16: 16,
            c32: 16,
            heads: 2,
            noise_dim: 16,
            emb: 16,
            depths: first_depths(),
            fine: 0,
            ..Self::default()
        }
    }

    /// Whether a network can be built.
    ///
    /// # Errors
    /// The reason why not.
    pub fn check(&self) -> Result<(), &'static str> {
        let widths = [self.c4, self.c8, self.c16, self.c32];
        if self.crop == 0 || !self.crop.is_multiple_of(32) || self.crop > 4096 || self.mask * 2 != self.crop {
            return Err("the crop's side must be a multiple of 32 and twice the mask's");
        }
        if self.in_channels != 5 {
            return Err("the input has 5 channels");
        }
        if widths.iter().any(|&c| c == 0 || !c.is_multiple_of(8) || c > 8192) {
            return Err("every width must be a multiple of 8");
        }
        if !self.fine.is_multiple_of(8) || self.fine > 8192 {
            return Err("the last layers' width must be a multiple of 8");
        }
        if self.depths.iter().any(|d| !(1..=64).contains(d)) {
            return Err("every stage of the encoder has 1 to 64 blocks");
        }
        if self.conditioning.is_some() && (self.heads == 0 || !self.c16.is_multiple_of(self.heads)) {
            return Err("the heads must divide the width at stride 16 where exemplars condition the network");
        }
        if self.heads == 0 || !self.c32.is_multiple_of(self.heads) {
            return Err("the heads must divide the width at stride 32");
        }
        if self.noise_dim < 4 || !self.noise_dim.is_multiple_of(2) || self.noise_dim > 8192 || self.emb == 0 || self.emb > 8192 {
            return Err("the noise code must have an even length, the embedding a length");
        }
        Ok(())
    }
}
