//! The box-prompted mask diffusion network: an encoder that runs once a box, a denoiser that runs once a step.
//!
//! The network sees a square crop around the box (five channels: normalised colour, box indicator, colour evidence) and
//! gives mask logits at half the crop's side. Field names are the tensor names of the weight file.

mod blocks;
mod conditioning;
mod config;
mod denoiser;
mod encoder;

pub use conditioning::{Condition, Conditioning, Context, Exemplar, MOST_EXEMPLARS, mean_of};
pub use config::{ConditioningConfig, SegmenterConfig};
pub use denoiser::{Denoiser, Prediction};
pub use encoder::{Encoder, Features};

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::weights::{WeightError, WeightFile};

/// The name of this network in weight files.
pub const NETWORK: &str = "segmenter";

/// Encoder and denoiser.
#[derive(Module, Debug)]
pub struct Segmenter {
    /// Crop to features, once a box.
    pub encoder: Encoder,
    /// Noisy mask and features to logits, once a step.
    pub denoiser: Denoiser,
    /// Exemplars and class names to tokens, where the weights have it.
    pub conditioning: Option<Conditioning>,
    /// The widths.
    #[module(skip)]
    pub config: SegmenterConfig,
}

impl Segmenter {
    /// A network with random weights; they are drawn when first used.
    pub fn new(config: &SegmenterConfig, device: &Device) -> Self {
        Self {
            encoder: Encoder::new(config, device),
            denoiser: Denoiser::new(config, device),
            conditioning: config.conditioning.as_ref().map(|own| Conditioning::new(config, own, device)),
            config: config.clone(),
        }
    }

    /// This network with new conditioning layers, which change nothing before they are trained; where it has such layers,
    /// with places for the classes that they do not know, which are to be trained.
    #[must_use]
    pub fn conditioned(mut self, own: ConditioningConfig, seed: u64, device: &Device) -> Self {
        let (layers, own) = match (self.conditioning.take(), self.config.conditioning.take()) {
            (Some(layers), Some(mut known)) => {
                let new: Vec<String> = own.classes.into_iter().filter(|name| known.class(name).is_none()).collect();
                let layers = layers.with_classes(new.len(), seed, device);
                known.classes.extend(new);
                (layers, known)
            }
            _ => (Conditioning::new(&self.config, &own, device).seeded(seed), own),
        };
        self.conditioning = Some(layers);
        self.config.conditioning = Some(own);
        self
    }

    /// The network of a weight file.
    ///
    /// # Errors
    /// When the file holds another network, or its tensors do not fit the config it names.
    pub fn load(file: &WeightFile, device: &Device) -> Result<Self, WeightError> {
        file.expect_network(NETWORK)?;
        let config: SegmenterConfig = file.config()?;
        config.check().map_err(|reason| file.bad_config(reason))?;
        file.load_into(Self::new(&config, device))
    }

    /// Encoder and one denoiser call, as training uses them.
    ///
    /// # Shapes
    /// crop [N, 5, S, S], noisy and signal [N, 1, S/2, S/2], one level in [0, 1] a sample
    pub fn forward(&self, crop: Tensor<4>, noisy: Tensor<4>, levels: &[f64], signal: Tensor<4>) -> Prediction {
        self.denoiser.forward(&self.encoder.forward(crop), noisy, levels, signal)
    }

    /// One denoiser call, with the tokens of `context` where there are any.
    pub fn denoise(
        &self,
        features: &Features,
        noisy: Tensor<4>,
        levels: &[f64],
        signal: Tensor<4>,
        context: Option<&Context>,
    ) -> Prediction {
        self.denoiser.forward_with(features, noisy, levels, signal, self.conditioning.as_ref().zip(context))
    }
}
