//! The mask refiner: the U-Net of `SegRefiner` (Wang et al., 2023) with configurable widths and an optional patchified
//! input and output. Field names are the tensor names of the published checkpoint, so one loader serves both presets.

mod blocks;
mod config;

pub use config::RefinerConfig;

use burn::module::Module;
use burn::nn::activation::SiLU;
use burn::nn::conv::Conv2d;
use burn::nn::{Embedding, EmbeddingConfig, GroupNorm};
use burn::tensor::{Device, Int, Tensor, TensorData};

use self::blocks::{AttentionBlock, Downsample, Layer, ResBlock, Upsample};
use super::layer::{conv3, convolved, group_norm, joined, normed_silu, shuffled, silu, unshuffled};
use super::weights::{WeightError, WeightFile};

/// The name of this network in weight files.
pub const NETWORK: &str = "refiner";

/// The refiner U-Net.
#[derive(Module, Debug)]
pub struct Refiner {
    time_embed: Embedding,
    input_blocks: Vec<Vec<Layer>>,
    middle_block: Vec<Layer>,
    output_blocks: Vec<Vec<Layer>>,
    out: (GroupNorm, SiLU, Conv2d),
    /// The shape of the U-Net.
    #[module(skip)]
    pub config: RefinerConfig,
}

impl Refiner {
    /// A network with random weights; they are drawn when first used.
    pub fn new(config: &RefinerConfig, device: &Device) -> Self {
        let (base, embedding, groups, patch) = (config.base, 4 * config.base, config.groups, config.patchify.pow(2));
        let res = |from: usize, to: usize| Layer::Res(ResBlock::new([from, to], embedding, groups, device));
        let attention = |channels: usize| Layer::Attention(AttentionBlock::new(channels, config.heads, groups, device));
        let attends = |stride: usize| config.attn_strides.contains(&stride);

        let mut input_blocks = vec![vec![Layer::Conv(conv3([config.in_ch * patch, base], 1, device))]];
        let (mut channels, mut stride, mut skips) = (base, 1, vec![base]);
        for (level, multiple) in config.mult.iter().enumerate() {
            for _ in 0..config.n_res {
                let mut block = vec![res(channels, multiple * base)];
                channels = multiple * base;
                block.extend(attends(stride).then(|| attention(channels)));
                input_blocks.push(block);
                skips.push(channels);
            }
            if level + 1 < config.mult.len() {
                input_blocks.push(vec![Layer::Down(Downsample::new(channels, device))]);
                skips.push(channels);
                stride *= 2;
            }
        }
        let middle_block = vec![res(channels, channels), attention(channels), res(channels, channels)];
        let mut output_blocks = Vec::new();
        for (level, multiple) in config.mult.iter().enumerate().rev() {
            for index in 0..=config.n_res {
                let mut block = vec![res(channels + skips.pop().unwrap_or(0), multiple * base)];
                channels = multiple * base;
                block.extend(attends(stride).then(|| attention(channels)));
                if level > 0 && index == config.n_res {
                    block.push(Layer::Up(Upsample::new(channels, device)));
                    stride /= 2;
                }
                output_blocks.push(block);
            }
        }
        Self {
            time_embed: EmbeddingConfig::new(config.timesteps, embedding).init(device),
            input_blocks,
            middle_block,
            output_blocks,
            out: (group_norm(groups, channels, device), SiLU::new(), conv3([channels, config.out_ch * patch], 1, device)),
            config: config.clone(),
        }
    }

    /// The network of a weight file.
    ///
    /// # Errors
    /// When the file holds another network, or its tensors do not fit the config it names.
    pub fn load(file: &WeightFile, device: &Device) -> Result<Self, WeightError> {
        file.expect_network(NETWORK)?;
        let config: RefinerConfig = file.config()?;
        config.check().map_err(|reason| file.bad_config(reason))?;
        file.load_into(Self::new(&config, device))
    }

    /// Mask logits for a noised mask.
    ///
    /// # Shapes
    /// normalised image [N, 3, S, S], mask of zeros and ones [N, 1, S, S], one time index a sample -> [N, 1, S, S]
    pub fn forward(&self, image: Tensor<4>, mask: Tensor<4>, times: &[usize]) -> Tensor<4> {
        let times: Vec<i32> = times.iter().map(|&t| t as i32).collect();
        let count = times.len();
        let device = mask.device().without_autodiff();
        let times = Tensor::<1, Int>::from_data(TensorData::new(times, [count]), &device);
        let embedding = self.time_embed.forward(times.reshape([count, 1])).reshape([count, 4 * self.config.base]);
        let embedding = silu(embedding);

        let through = |layers: &[Layer], x| layers.iter().fold(x, |x, layer| layer.forward(x, &embedding));
        let mut x = unshuffled(joined(image, mask), self.config.patchify);
        let mut skips = Vec::with_capacity(self.input_blocks.len());
        for block in &self.input_blocks {
            x = through(block, x);
            skips.push(x.clone());
        }
        x = through(&self.middle_block, x);
        for block in &self.output_blocks {
            if let Some(skip) = skips.pop() {
                x = joined(x, skip);
            }
            x = through(block, x);
        }
        let (norm, _, conv) = &self.out;
        shuffled(convolved(conv, normed_silu(norm, x)), self.config.patchify)
    }
}
