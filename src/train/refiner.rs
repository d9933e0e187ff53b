//! What the refiner learns from a batch, and how it is measured.

use std::path::Path;

use burn::module::Module as _;
use burn::tensor::{Device, Tensor};

use super::augment::{Mirror, jittered, recoloured};
use super::coarse::synthesised;
use super::run::{Note, Step, Task, Trial};
use super::{Config, Objects, TrainError};
use crate::assist::crop::{centres_inside, frame, mask_crop, mask_region, normalised, resampled};
use crate::assist::{Finisher, Mode, ModelPaths, Patch, RefineOptions, planes};
use crate::geometry::{Rect, Size};
use crate::mask::{Mask, metric};
use crate::model::diffusion::process::noised;
use crate::model::diffusion::schedule::FineShare;
use crate::model::loss::refining;
use crate::model::noise::Noise;
use crate::model::refiner::{NETWORK, Refiner};
use crate::model::segmenter::Segmenter;
use crate::model::weights::{WeightError, WeightFile, save};

/// How often each time index is trained, in percent; those of the default sequence 5, 2, 0 most.
const TIME_SHARES: [usize; 6] = [22, 4, 22, 5, 5, 42];

/// The share of samples with a coarse mask of their own, where an object has one; the others are synthetic.
const OWN_SHARE: f64 = 0.5;

/// Teaching the refiner.
pub(super) struct RefinerTask {
    paths: ModelPaths,
    device: Device,
}

impl RefinerTask {
    pub(super) fn new(config: &Config, device: Device) -> Self {
        Self { paths: ModelPaths { segmenter: None, refiner: config.start.clone() }, device }
    }
}

/// A time index.
fn time(timesteps: usize, noise: &mut Noise) -> usize {
    if timesteps != TIME_SHARES.len() {
        return noise.below(timesteps);
    }
    let mut left = noise.below(TIME_SHARES.iter().sum());
    TIME_SHARES
        .iter()
        .position(|&share| {
            let here = left < share;
            left = left.saturating_sub(share);
            here
        })
        .unwrap_or(0)
}

fn square(values: &[f32], side: usize) -> Mask {
    let size = Size::new(side as u32, side as u32);
    Mask::from_bytes(size, values.iter().map(|&value| value as u8).collect()).unwrap_or_else(|| Mask::new(size))
}

fn numbers(mask: &Mask) -> Vec<f32> {
    mask.bytes().iter().map(|&value| f32::from(value)).collect()
}

impl Task for RefinerTask {
    type Network = Refiner;

    fn load(&self) -> Result<Refiner, WeightError> {
        self.paths.refiner(&self.device)
    }

    fn read(&self, path: &Path) -> Result<Refiner, WeightError> {
        Refiner::load(&WeightFile::read(path)?, &self.device)
    }

    fn save(&self, network: &Refiner, path: &Path) -> Result<(), WeightError> {
        save(network, NETWORK, &network.config, path)
    }

    fn trained(&self, network: Refiner) -> Refiner {
        network.train()
    }

    fn loss(
        &self,
        network: &Refiner,
        _teacher: &Refiner,
        data: &Objects,
        chosen: &[usize],
        _step: Step,
        noise: &mut Noise,
    ) -> Result<Tensor<1>, TrainError> {
        let (side, n) = (network.config.image, chosen.len());
        let share = FineShare::new(network.config.timesteps);
        let (mut images, mut shown, mut targets, mut times) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for &index in chosen {
            let (image, mask) = data.get(index)?;
            let size = mask.size();
            let own = if noise.chance(OWN_SHARE) { data.coarse(index, &mask) } else { None };
            let region = match own.as_ref().and_then(Mask::bbox) {
                Some(bounds) => mask_region(bounds, size),
                None => mask_region(jittered(mask.bbox().unwrap_or_default(), noise).clipped(size), size),
            };
            let mut colours = resampled(image.as_raw(), size, 3, region, side);
            recoloured(&mut colours, noise);
            let mut pixels = normalised(&colours, &centres_inside(region, side, frame(size)));
            let mut truth = mask_crop(&mask, region, side);
            let mirror = Mirror::random(noise);
            mirror.apply(&mut pixels, side);
            mirror.apply(&mut truth, side);
            let coarse = match &own {
                Some(own) => {
                    let mut coarse = mask_crop(own, region, side);
                    mirror.apply(&mut coarse, side);
                    coarse
                }
                None => numbers(&synthesised(&square(&truth, side), noise)),
            };
            let t = time(network.config.timesteps, noise);
            shown.extend(noised(&truth, &coarse, share.at(Some(t)), || noise.uniform()));
            images.extend(pixels);
            targets.extend(truth);
            times.push(t);
        }
        let tensor = |values, channels| planes(values, [n, channels, side, side], &self.device);
        let logits = network.forward(tensor(images, 3), tensor(shown, 1), &times);
        Ok(refining(logits, tensor(targets, 1)))
    }

    /// In one crop around each object.
    fn measure(&self, network: &Refiner, trial: Trial<'_>) -> Result<f64, TrainError> {
        let finisher = Finisher { refiner: network, segmenter: None, device: &self.device };
        let options = RefineOptions { mode: Mode::Instance, plain: true, ..usual(network) };
        mean_iou(finisher, &options, trial)
    }

    /// With the second opinion of the segmenter inside the program.
    fn judge(&self, network: &Refiner, trial: Trial<'_>) -> Result<(f64, Option<Note>), TrainError> {
        let segmenter = Segmenter::load(&self.paths.segmenter_file()?, &self.device)?;
        let finisher = Finisher { refiner: network, segmenter: Some(&segmenter), device: &self.device };
        Ok((mean_iou(finisher, &usual(network), trial)?, None))
    }
}

/// The options by default, with time indices that the network has.
fn usual(network: &Refiner) -> RefineOptions {
    let (usual, count) = (RefineOptions::default(), network.config.timesteps);
    if count == TIME_SHARES.len() { usual } else { RefineOptions { timesteps: (0..count).rev().collect(), ..usual } }
}

/// The mean `IoU` of refined masks: objects' own coarse ones, else synthetic ones that are the same in every epoch.
fn mean_iou(finisher: Finisher<'_>, options: &RefineOptions, trial: Trial<'_>) -> Result<f64, TrainError> {
    let Trial { data, chosen, cancel, each } = trial;
    let mut sum = 0.0;
    for (done, &index) in chosen.iter().enumerate() {
        each(done);
        let (image, mask) = data.get(index)?;
        let synthetic = || coarse_on_image(&mask, finisher.refiner.config.image, &mut Noise::new(index as u64));
        let coarse = data.coarse(index, &mask).unwrap_or_else(synthetic);
        let refined = finisher.refine(&image, &[coarse], options, cancel, &mut |_| {})?;
        sum += refined.first().map_or(0.0, |refined| metric::iou(&refined.mask, &mask));
    }
    Ok(sum / chosen.len().max(1) as f64)
}

fn coarse_on_image(mask: &Mask, side: usize, noise: &mut Noise) -> Mask {
    let bounds: Rect = mask.bbox().unwrap_or_default();
    let rect = mask_region(bounds, mask.size());
    let coarse = synthesised(&square(&mask_crop(mask, rect, side), side), noise);
    Patch { rect, side, soft: numbers(&coarse) }.mask(mask.size())
}
