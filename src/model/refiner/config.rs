//! The refiner's shape and its presets.

use serde::{Deserialize, Serialize};

/// Shape of the refiner, as the weight file stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefinerConfig {
    /// The side of image and mask in pixels.
    pub image: usize,
    /// Input channels: 3 colours and the mask.
    pub in_ch: usize,
    /// Output channels: the mask.
    pub out_ch: usize,
    /// Channels of the first level.
    pub base: usize,
    /// Channels of each level, as multiples of `base`.
    pub mult: Vec<usize>,
    /// Residual blocks a level on the way down; one more on the way up.
    pub n_res: usize,
    /// Strides of the unshuffled grid at which blocks attend.
    pub attn_strides: Vec<usize>,
    /// Attention heads.
    pub heads: usize,
    /// Groups of every norm.
    pub groups: usize,
    /// Time indices of the discrete process.
    pub timesteps: usize,
    /// The side of the pixel blocks that go into channels; 1 for none.
    pub patchify: usize,
}

impl RefinerConfig {
    /// The light network: 2x2 blocks of pixels go into channels; 2.8 billion multiplications a step.
    pub fn lite() -> Self {
        Self { mult: vec![1, 1, 2, 3, 4], attn_strides: vec![16], patchify: 2, ..Self::nano() }
    }

    /// The network whose weights ship: `nano` with narrower lower levels, and so less than half of its parameters.
    pub fn pico() -> Self {
        Self { mult: vec![1, 2, 2, 2], ..Self::nano() }
    }

    /// The network for processors: 4x4 blocks of pixels go into channels, half the work of `lite`.
    pub fn nano() -> Self {
        Self {
            image: 256,
            in_ch: 4,
            out_ch: 1,
            base: 32,
            mult: vec![1, 2, 3, 4],
            n_res: 1,
            attn_strides: vec![8],
            heads: 4,
            groups: 8,
            timesteps: 6,
            patchify: 4,
        }
    }

    /// The published network with 118,604,673 parameters; an import, never part of the program.
    pub fn official() -> Self {
        Self { base: 128, mult: vec![1, 1, 2, 2, 4, 4], n_res: 2, attn_strides: vec![16, 32], groups: 32, patchify: 1, ..Self::nano() }
    }

    /// The smallest shape that still has every part; for tests.
    pub fn tiny() -> Self {
        Self { image: 32, base: 8, mult: vec![1, 2], attn_strides: vec![2], heads: 2, groups: 4, ..Self::nano() }
    }

    /// Whether a network can be built.
    ///
    /// # Errors
    /// The reason why not.
    pub fn check(&self) -> Result<(), &'static str> {
        let small = |value: usize, most: usize| (1..=most).contains(&value);
        if self.in_ch != 4 || self.out_ch != 1 {
            return Err("the network takes 4 channels and gives 1");
        }
        if !small(self.mult.len(), 8) || self.mult.iter().any(|&m| !small(m, 64)) || !small(self.base, 4096) || !small(self.n_res, 16) {
            return Err("levels, widths or blocks are out of range");
        }
        if !small(self.timesteps, 1000) || !small(self.patchify, 16) {
            return Err("the time indices or the patch are out of range");
        }
        let grid = self.patchify << (self.mult.len() - 1);
        if !small(self.image, 4096) || !self.image.is_multiple_of(grid) {
            return Err("the image's side must be a multiple of the patch times the lowest stride");
        }
        let divides = |part: usize| small(part, 4096) && self.mult.iter().all(|m| (m * self.base).is_multiple_of(part));
        if !divides(self.groups) || !divides(self.heads) || !self.base.is_multiple_of(self.groups) {
            return Err("groups and heads must divide every width");
        }
        Ok(())
    }
}
