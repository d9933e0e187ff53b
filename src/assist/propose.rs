//! Boxes to masks: several boxes make one batch; the encoder runs once a box, the denoiser once a step.

use std::ops::ControlFlow;

use burn::tensor::Device;
use image::RgbImage;

use super::crop::{box_region, centres_inside, frame, normalised, resampled};
use super::evidence::colour_evidence;
use super::{AssistError, Patch, planes, read, sigmoid, size_of};
use crate::geometry::{Rect, Size};
use crate::job::Cancel;
use crate::mask::Mask;
use crate::model::diffusion::sampler::sample;
use crate::model::noise::Noise;
use crate::model::segmenter::Segmenter;

/// Boxes that go through the networks together; more would only cost memory.
const BATCH: usize = 8;

/// How to propose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposeOptions {
    /// Diffusion steps, 1 at least; the shipped weights are most exact with 1.
    pub steps: usize,
    /// Where the noise comes from; another seed gives another mask.
    pub seed: u64,
}

impl Default for ProposeOptions {
    fn default() -> Self {
        Self { steps: 1, seed: 0 }
    }
}

/// What is known after one diffusion step.
#[derive(Clone, Debug)]
pub struct ProposeStep {
    /// This step, from 1.
    pub step: usize,
    /// All steps of this batch.
    pub of: usize,
    /// The index of the box that `masks[0]` belongs to.
    pub first: usize,
    /// The masks so far, one a box of this batch.
    pub masks: Vec<Patch>,
}

/// A proposed mask.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The mask, as large as the image.
    pub mask: Mask,
    /// The soft map that it was cut from.
    pub patch: Patch,
    /// The `IoU` with the truth that the network expects, in [0, 1].
    pub expected_iou: f32,
}

/// The segmenter's input for one box: five planes of `side` x `side`, and the crop's place in the image.
pub fn segmenter_input(image: &RgbImage, rect: Rect, side: usize) -> (Vec<f32>, Rect) {
    segmenter_input_of(image, rect, side, |_| {})
}

/// As [`segmenter_input`], with the crop's colours (interleaved RGB, 0..255) changed before anything is made of them.
pub fn segmenter_input_of(image: &RgbImage, rect: Rect, side: usize, recolour: impl FnOnce(&mut [f32])) -> (Vec<f32>, Rect) {
    let size = Size::new(image.width(), image.height());
    let region = box_region(rect);
    let mut colours = resampled(image.as_raw(), size, 3, region, side);
    recolour(&mut colours);
    let inside = centres_inside(region, side, frame(size));
    let boxed = centres_inside(region, side, rect);
    let mut input = normalised(&colours, &inside);
    input.extend(boxed.iter().map(|&boxed| f32::from(u8::from(boxed))));
    input.extend(colour_evidence(&colours, &boxed, &inside));
    (input, region)
}

/// The segmenter at work.
#[derive(Clone, Copy, Debug)]
pub struct Proposer<'a> {
    /// The network.
    pub segmenter: &'a Segmenter,
    /// The device that it lies on.
    pub device: &'a Device,
}

impl Proposer<'_> {
    /// A mask for each of `boxes` (image coordinates), in the same order.
    ///
    /// `each` sees every step of every batch. The noise depends on the seed alone, so a box gives the same mask whatever
    /// else is asked for with it.
    ///
    /// # Errors
    /// When a box has no area, the image no pixels, `cancel` was raised, or the device failed.
    pub fn propose(
        &self,
        image: &RgbImage,
        boxes: &[Rect],
        options: &ProposeOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(ProposeStep),
    ) -> Result<Vec<Proposal>, AssistError> {
        let size = size_of(image)?;
        let near = |(index, &rect): (usize, &Rect)| near(rect, size).ok_or(AssistError::BadBox(index));
        let boxes = boxes.iter().enumerate().map(near).collect::<Result<Vec<Rect>, _>>()?;
        let mut proposals = Vec::with_capacity(boxes.len());
        for (batch, boxes) in boxes.chunks(BATCH).enumerate() {
            let mut step = |step: ProposeStep| each(ProposeStep { first: batch * BATCH, ..step });
            proposals.extend(self.batch(image, boxes, *options, cancel, &mut step)?);
        }
        Ok(proposals)
    }

    fn batch(
        &self,
        image: &RgbImage,
        boxes: &[Rect],
        options: ProposeOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(ProposeStep),
    ) -> Result<Vec<Proposal>, AssistError> {
        let (size, count, device) = (size_of(image)?, boxes.len(), self.device);
        let (side, mask) = (self.segmenter.config.crop, self.segmenter.config.mask);
        let (mut input, mut regions) = (Vec::with_capacity(count * 5 * side * side), Vec::with_capacity(count));
        for &rect in boxes {
            let (values, region) = segmenter_input(image, rect, side);
            input.extend(values);
            regions.push(region);
        }
        if cancel.is_cancelled() {
            return Err(AssistError::Cancelled);
        }
        let features = self.segmenter.encoder.forward(planes(input, [count, 5, side, side], device));
        let noise = Noise::new(options.seed).normals(mask * mask).repeat(count);

        let of = options.steps.max(1);
        let (mut quality, mut patches, mut failure) = (None, Vec::new(), None);
        let result = sample(
            planes(noise, [count, 1, mask, mask], device),
            of,
            |x, level, signal| {
                let prediction = self.segmenter.denoiser.forward(&features, x, &vec![level; count], signal);
                quality = Some(prediction.quality);
                prediction.logits
            },
            |step, logits| {
                match read(logits.clone()) {
                    Ok(values) => patches = softened(&values, &regions, mask),
                    Err(error) => {
                        failure = Some(error);
                        return ControlFlow::Break(());
                    }
                }
                each(ProposeStep { step, of, first: 0, masks: patches.clone() });
                if cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        let (Some(_), Some(quality)) = (result, quality) else { return Err(failure.unwrap_or(AssistError::Cancelled)) };
        let proposal =
            |((patch, expected_iou), &rect): ((Patch, f32), &Rect)| Proposal { mask: likeliest(&patch, rect, size), patch, expected_iou };
        Ok(patches.into_iter().zip(read(quality)?).zip(boxes).map(proposal).collect())
    }
}

/// The mask of a patch. A box holds an object, so where no pixel reaches one half the surest ones are taken, and the
/// whole box where the grid has no pixel of it.
fn likeliest(patch: &Patch, rect: Rect, size: Size) -> Mask {
    let surest = patch.soft.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    [0.5, 0.5 * surest]
        .into_iter()
        .map(|threshold| patch.mask_above(size, threshold))
        .find(|mask| !mask.is_empty())
        .unwrap_or_else(|| Mask::filled(size, rect))
}

/// The part of a box within an image's size around the image; `None` where there is none. A crop of any larger box would
/// hold nothing but outside.
fn near(rect: Rect, image: Size) -> Option<Rect> {
    let (w, h) = (f64::from(image.width), f64::from(image.height));
    let (left, right) = (rect.x.max(-w), rect.right().min(2.0 * w));
    let (top, bottom) = (rect.y.max(-h), rect.bottom().min(2.0 * h));
    let part = Rect::new(left, top, right - left, bottom - top);
    (rect.is_drawable() && part.is_drawable()).then_some(part)
}

fn softened(logits: &[f32], regions: &[Rect], side: usize) -> Vec<Patch> {
    let patch = |(logits, &rect): (&[f32], &Rect)| Patch { rect, side, soft: logits.iter().copied().map(sigmoid).collect() };
    logits.chunks_exact(side * side).zip(regions).map(patch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_always_gets_a_mask() {
        let (rect, size) = (Rect::new(0.0, 0.0, 4.0, 4.0), Size::new(4, 4));
        let patch = |rect, soft: [f32; 4]| Patch { rect, side: 4, soft: soft.repeat(4) };
        assert_eq!(likeliest(&patch(rect, [0.0, 0.5, 0.9, 0.0]), rect, size).area(), 8);
        assert_eq!(likeliest(&patch(rect, [0.0, 0.1, 0.3, 0.2]), rect, size).area(), 8);
        assert_eq!(likeliest(&patch(Rect::new(9.0, 9.0, 4.0, 4.0), [1.0; 4]), rect, size).area(), 16);
    }
}
