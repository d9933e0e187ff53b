//! Coarse masks to fine ones: a crop around each mask, a few steps of the discrete process, and a guard that keeps the
//! original where the result strays too far from it.

use burn::tensor::Device;
use image::RgbImage;

use super::crop::{centres_inside, frame, mask_crop, mask_region, normalised, resampled};
use super::{AssistError, Patch, planes, read, sigmoid, size_of};
use crate::geometry::{Rect, Size};
use crate::job::Cancel;
use crate::mask::{Mask, metric};
use crate::model::diffusion::process::Walk;
use crate::model::diffusion::schedule::FineShare;
use crate::model::noise::Noise;
use crate::model::refiner::Refiner;

/// Masks that go through the network together.
const BATCH: usize = 4;
/// Masks with fewer pixels are left alone: at 256 x 256 they would be all interpolation.
const SMALLEST_AREA: u64 = 64;
/// A pixel changes where the network is this sure beyond one half: on held-out masks that keeps the gain at coarse outlines
/// and halves what good ones lose.
const MARGIN: f32 = 0.2;
/// A result that overlaps its input less than this is dropped.
const LEAST_IOU: f64 = 0.6;
/// A result must have at least this share of the input's area, and at most its inverse.
const LEAST_AREA_RATIO: f64 = 0.5;

/// How to refine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefineOptions {
    /// Time indices of the discrete process, strictly falling to 0.
    pub timesteps: Vec<usize>,
    /// Where the random pixel states come from.
    pub seed: u64,
}

impl Default for RefineOptions {
    fn default() -> Self {
        Self { timesteps: vec![5, 2, 0], seed: 0 }
    }
}

/// What is known after one step.
#[derive(Clone, Debug)]
pub struct RefineStep {
    /// This step, from 1.
    pub step: usize,
    /// All steps.
    pub of: usize,
    /// Which mask of the request each patch belongs to.
    pub indices: Vec<usize>,
    /// The masks so far.
    pub masks: Vec<Patch>,
}

/// A refined mask.
#[derive(Clone, Debug, PartialEq)]
pub struct Refinement {
    /// The mask, as large as the image.
    pub mask: Mask,
    /// Whether this is the input: it was too small, or the result strayed too far from it.
    pub kept_original: bool,
    /// How much changed: 1 - `IoU` with the input.
    pub change: f64,
}

/// The refiner's input for one mask: three colour planes, the coarse mask, and the crop's place in the image; `None` for
/// an empty mask.
pub fn refiner_input(image: &RgbImage, mask: &Mask, side: usize) -> Option<(Vec<f32>, Vec<f32>, Rect)> {
    let size = Size::new(image.width(), image.height());
    let region = mask_region(mask.bbox()?, size);
    let colours = resampled(image.as_raw(), size, 3, region, side);
    let inside = centres_inside(region, side, frame(size));
    Some((normalised(&colours, &inside), mask_crop(mask, region, side), region))
}

/// A mask on its way through the network.
struct Job {
    index: usize,
    region: Rect,
    colours: Vec<f32>,
    coarse: Vec<f32>,
}

/// The refiner at work.
#[derive(Clone, Copy, Debug)]
pub struct Finisher<'a> {
    /// The network.
    pub refiner: &'a Refiner,
    /// The device that it lies on.
    pub device: &'a Device,
}

impl Finisher<'_> {
    /// A finer mask for each of `masks`, in the same order. `each` sees every step of every batch.
    ///
    /// # Errors
    /// When a mask is not as large as the image, the time indices do not fall to 0, `cancel` was raised, or the device
    /// failed.
    pub fn refine(
        &self,
        image: &RgbImage,
        masks: &[Mask],
        options: &RefineOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(RefineStep),
    ) -> Result<Vec<Refinement>, AssistError> {
        let size = size_of(image)?;
        if let Some((index, mask)) = masks.iter().enumerate().find(|(_, mask)| mask.size() != size) {
            return Err(AssistError::MaskSize { index, mask: mask.size(), image: size });
        }
        let share = FineShare::new(self.refiner.config.timesteps);
        Walk::new(share, &options.timesteps, 0)?;
        let mut results: Vec<Refinement> = masks.iter().map(kept).collect();
        let large: Vec<usize> = (0..masks.len()).filter(|&index| masks[index].area() >= SMALLEST_AREA).collect();
        let side = self.refiner.config.image;
        for indices in large.chunks(BATCH) {
            let job = |&index: &usize| {
                let (colours, coarse, region) = refiner_input(image, &masks[index], side)?;
                Some(Job { index, region, colours, coarse })
            };
            let jobs: Vec<Job> = indices.iter().filter_map(job).collect();
            for (job, patch) in jobs.iter().zip(self.batch(&jobs, options, cancel, each)?) {
                let mask = &masks[job.index];
                results[job.index] = guarded(mask, patch.corrected(mask, MARGIN));
            }
        }
        Ok(results)
    }

    fn batch(
        &self,
        jobs: &[Job],
        options: &RefineOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(RefineStep),
    ) -> Result<Vec<Patch>, AssistError> {
        let (side, count, device) = (self.refiner.config.image, jobs.len(), self.device);
        let share = FineShare::new(self.refiner.config.timesteps);
        let mut walk = Walk::new(share, &options.timesteps, count * side * side)?;
        // One stream a mask, so that a result does not depend on the batch around it.
        let mut streams: Vec<Noise> = (0..count).map(|_| Noise::new(options.seed)).collect();
        let image = planes(jobs.iter().flat_map(|job| job.colours.iter().copied()).collect(), [count, 3, side, side], device);
        let coarse: Vec<f32> = jobs.iter().flat_map(|job| job.coarse.iter().copied()).collect();
        let (mut shown, mut step) = (coarse.clone(), 0);
        while let Some(time) = walk.time() {
            if cancel.is_cancelled() {
                return Err(AssistError::Cancelled);
            }
            step += 1;
            let mask = planes(shown, [count, 1, side, side], device);
            let logits = read(self.refiner.forward(image.clone(), mask, &vec![time; count]))?;
            let patches: Vec<Patch> = jobs
                .iter()
                .zip(logits.chunks_exact(side * side))
                .map(|(job, logits)| Patch { rect: job.region, side, soft: logits.iter().copied().map(sigmoid).collect() })
                .collect();
            let indices = jobs.iter().map(|job| job.index).collect();
            each(RefineStep { step, of: options.timesteps.len(), indices, masks: patches.clone() });
            let mut pixel = 0;
            let uniform = || {
                pixel += 1;
                streams[(pixel - 1) / (side * side)].uniform()
            };
            match walk.advance(&logits, &coarse, uniform) {
                Some(next) => shown = next,
                None => return Ok(patches),
            }
        }
        Ok(Vec::new())
    }
}

fn kept(mask: &Mask) -> Refinement {
    Refinement { mask: mask.clone(), kept_original: true, change: 0.0 }
}

fn guarded(original: &Mask, refined: Mask) -> Refinement {
    let overlap = metric::iou(original, &refined);
    let ratio = refined.area() as f64 / original.area().max(1) as f64;
    if overlap < LEAST_IOU || !(LEAST_AREA_RATIO..=LEAST_AREA_RATIO.recip()).contains(&ratio) {
        return kept(original);
    }
    Refinement { mask: refined, kept_original: false, change: 1.0 - overlap }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(side: u32) -> Mask {
        Mask::filled(Size::new(40, 40), Rect::new(5.0, 5.0, f64::from(side), f64::from(side)))
    }

    #[test]
    fn a_result_that_strays_too_far_is_dropped() {
        let original = square(20);
        assert_eq!(guarded(&original, square(12)), kept(&original));
        assert_eq!(guarded(&original, Mask::new(original.size())), kept(&original));
        let close = guarded(&original, square(19));
        assert!(!close.kept_original && (close.change - (1.0 - 361.0 / 400.0)).abs() < 1e-12);
    }
}
