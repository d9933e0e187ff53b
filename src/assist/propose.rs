//! Prompts to masks: several boxes make one batch; the encoder runs once a box, the denoiser once a step and sample.
//!
//! A fresh box starts from noise alone. An edit starts from the present mask at a middle noise level, and what strokes
//! cover is held fixed in every step and painted into the result, so a correction is always obeyed. Alternatives start
//! from the first mask made larger or smaller, because noise alone hardly moves weights that were trained on the first
//! step: `src/headless/propose.rs` can measure that.

use burn::tensor::{Device, Tensor};
use image::RgbImage;
use rayon::prelude::*;

use super::alternatives::Alternative;
use super::calibration::Calibration;
use super::crop::{box_region, shares};
use super::exclusive::{Claim, settled};
use super::memory::Memory;
use super::patch::stretched;
use super::prompt::{ExemplarCrop, Prompt};
use super::view::View;
use super::walk::{Encoded, Walked, Work};
use super::{AssistError, Patch, planes, read, size_of, stop_if};
use crate::geometry::{Rect, Size};
use crate::job::Cancel;
use crate::mask::Mask;
use crate::model::segmenter::{Condition, Exemplar, Features, Segmenter};

/// Boxes that go through the networks together; in several looks at each, more would only cost memory.
const BATCH: usize = 4;
/// No more samples of one object than this.
pub const MOST_SAMPLES: usize = 16;
/// How to propose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProposeOptions {
    /// Diffusion steps, 1 at least; the shipped weights are most exact with 1.
    pub steps: usize,
    /// Where the noise comes from; another seed gives another mask.
    pub seed: u64,
    /// Masks that are looked for in each box, at most [`MOST_SAMPLES`]; from 2 on there are alternatives and a spread.
    pub samples: usize,
    /// Strength of classifier-free guidance by exemplars and class; 1 is none.
    pub guidance: f64,
    /// Whether the network looks again, at several crops and with the colours of the first mask, and the outline comes to the
    /// picture's own pixels.
    pub edges: bool,
}

impl Default for ProposeOptions {
    fn default() -> Self {
        Self { steps: 1, seed: 0, samples: 1, guidance: 1.0, edges: true }
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
    /// The `IoU` with the truth that is to be expected, in [0, 1].
    pub expected_iou: f32,
    /// How well the samples agree, in [0, 1]: the mean `IoU` of every pair; `None` for a single one.
    pub agreement: Option<f64>,
    /// How far the samples differ along the boundary, in [0, 1]; `None` for a single sample.
    pub spread: Option<Patch>,
    /// Masks that differ from this one, the most promising first.
    pub others: Vec<Alternative>,
}

impl Proposal {
    /// A single mask.
    pub const fn single(mask: Mask, patch: Patch, expected_iou: f32) -> Self {
        Self { mask, patch, expected_iou, agreement: None, spread: None, others: Vec::new() }
    }
}

/// The segmenter at work.
#[derive(Clone, Copy, Debug)]
pub struct Proposer<'a> {
    /// The network.
    pub segmenter: &'a Segmenter,
    /// The device that it lies on.
    pub device: &'a Device,
    /// From the quality head to the expected `IoU`.
    pub calibration: Calibration,
    /// What was encoded lately.
    pub memory: &'a Memory,
}

impl Proposer<'_> {
    /// A mask for each of `prompts`, in the same order.
    ///
    /// `each` sees every step of every batch. The noise depends on the seed alone, so a box gives the same mask whatever
    /// else is asked for with it, but where its object shares a part with another one: see [`settled`].
    ///
    /// # Errors
    /// When a box has no area, the image no pixels, a mask another size, `cancel` was raised, or the device failed.
    pub fn propose(
        &self,
        image: &RgbImage,
        prompts: &[Prompt],
        options: &ProposeOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(ProposeStep),
    ) -> Result<Vec<Proposal>, AssistError> {
        let mut proposals = Vec::with_capacity(prompts.len());
        self.propose_in_turn(image, prompts, options, cancel, each, &mut |some| {
            proposals.extend(some);
            Ok(())
        })?;
        Ok(proposals)
    }

    /// [`Self::propose`], a few masks at a time: `found` gets those that come next in order. However many objects an image
    /// has, masks as large as it are there for a few of them only.
    ///
    /// # Errors
    /// See there; and those of `found`.
    pub fn propose_in_turn(
        &self,
        image: &RgbImage,
        prompts: &[Prompt],
        options: &ProposeOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(ProposeStep),
        found: &mut dyn FnMut(Vec<Proposal>) -> Result<(), AssistError>,
    ) -> Result<(), AssistError> {
        let size = size_of(image)?;
        let near = |(index, prompt): (usize, &Prompt)| near(prompt.area(), size).ok_or(AssistError::BadBox(index));
        let boxes = prompts.iter().enumerate().map(near).collect::<Result<Vec<Rect>, _>>()?;
        let work = |first| Work { proposer: self, image, size, options: *options, cancel, first };
        if options.samples > 1 || prompts.len() == 1 || prompts.iter().any(Prompt::is_edit) {
            return prompts.iter().enumerate().try_for_each(|(index, prompt)| {
                let proposal = work(index).one(prompt, &boxes[index..=index], each)?;
                found(vec![proposal])
            });
        }
        let mut said = Vec::with_capacity(prompts.len().div_ceil(BATCH));
        for (index, (prompts, boxes)) in prompts.chunks(BATCH).zip(boxes.chunks(BATCH)).enumerate() {
            said.push(work(index * BATCH).said(prompts, boxes, each)?);
        }
        self.settle(&mut said, &boxes);
        said.iter().zip(boxes.chunks(BATCH)).enumerate().try_for_each(|(index, (walked, boxes))| {
            stop_if(cancel)?;
            found(work(index * BATCH).drawn(walked, boxes))
        })
    }

    /// Gives what several objects claim to one of them.
    fn settle(&self, said: &mut [Walked], boxes: &[Rect]) {
        let cells = self.segmenter.config.mask.pow(2);
        let logits = said.iter().flat_map(|walked| walked.logits.chunks_exact(cells));
        let claims: Vec<Claim<'_>> =
            boxes.iter().zip(logits).map(|(&rect, logits)| Claim { rect, region: box_region(rect), logits }).collect();
        let settled = settled(&claims);
        for (walked, settled) in said.iter_mut().zip(settled.chunks(BATCH)) {
            walked.logits = settled.concat();
        }
    }

    /// Encodes what is seen of the boxes; a single one may be remembered.
    pub(super) fn encoded(&self, views: &[View], prompts: &[Prompt]) -> Result<Encoded, AssistError> {
        let inputs: Vec<Vec<f32>> = views.par_iter().map(View::input).collect();
        let features = self.features(inputs.concat(), views.len(), views.len() == 1, |crops| crops);
        let conditions = prompts.iter().map(|prompt| self.condition(prompt)).collect::<Result<Vec<_>, _>>()?;
        let context = self.segmenter.conditioning.as_ref().and_then(|layers| layers.context(&conditions, self.device));
        Ok(Encoded { count: views.len(), features, context })
    }

    /// The features of what `seen` makes of `count` inputs; they are remembered where there is but one `is_single` box.
    pub(super) fn features(&self, input: Vec<f32>, count: usize, is_single: bool, seen: fn(Tensor<4>) -> Tensor<4>) -> Features {
        let side = self.segmenter.config.crop;
        let encode = |input| self.segmenter.encoder.forward(seen(planes(input, [count, 5, side, side], self.device)));
        if is_single { self.memory.features(input, encode) } else { encode(input) }
    }

    /// The part of a prompt that the weights can be conditioned on.
    fn condition(&self, prompt: &Prompt) -> Result<Condition, AssistError> {
        let Some(known) = &self.segmenter.config.conditioning else { return Ok(Condition::default()) };
        let class = prompt.class.as_ref().and_then(|name| known.class(name));
        let exemplars = prompt.exemplars.iter().map(|crop| self.memory.exemplar(crop, || self.exemplar(crop)));
        Ok(Condition { exemplars: exemplars.collect::<Result<_, _>>()?, class })
    }

    /// The tokens of an exemplar.
    ///
    /// # Errors
    /// When the device failed.
    pub fn exemplar(&self, crop: &ExemplarCrop) -> Result<Exemplar, AssistError> {
        let side = crop.side;
        let features = self.segmenter.encoder.forward(planes(crop.input.clone(), [1, 5, side, side], self.device));
        let config = &self.segmenter.config;
        let plane = |plane: &[f32]| {
            let seen: Vec<f32> = plane.iter().zip(&crop.mask).map(|(value, inside)| value * inside).collect();
            stretched(&seen, config.mask, config.mask)
        };
        let colours = || crop.input.chunks_exact(side * side).take(3).flat_map(plane).collect();
        let is_concatenated = config.conditioning.as_ref().is_some_and(|own| own.concat);
        Ok(Exemplar::new(&read(features.f16)?, &shares(&crop.mask, side / 16), is_concatenated.then(colours)))
    }
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
