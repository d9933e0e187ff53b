//! Prompts to masks: several boxes make one batch; the encoder runs once a box, the denoiser once a step and sample.
//!
//! A fresh box starts from noise alone. An edit starts from the present mask at a middle noise level, and what strokes
//! cover is held fixed in every step and painted into the result, so a correction is always obeyed. Alternatives start
//! from the first mask made larger or smaller, because noise alone hardly moves weights that were trained on the first
//! step: `src/headless/propose.rs` can measure that.

use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor};
use image::RgbImage;

use super::alternatives::{Alternative, agreement, ranked, spread};
use super::calibration::Calibration;
use super::crop::{box_region, centres_inside, frame, mask_crop, normalised, resampled};
use super::evidence::colour_evidence;
use super::grow::grow;
use super::memory::Memory;
use super::prompt::{ExemplarCrop, Prompt, Scribble};
use super::{AssistError, Patch, planes, read, sigmoid, size_of};
use crate::geometry::{Rect, Size};
use crate::job::Cancel;
use crate::mask::Mask;
use crate::model::diffusion::sampler::{Hold, Start, guided, sample_from};
use crate::model::diffusion::schedule::SIGNAL_SCALE;
use crate::model::noise::Noise;
use crate::model::segmenter::{Condition, Context, Exemplar, Features, Segmenter};

/// Boxes that go through the networks together; more would only cost memory.
const BATCH: usize = 8;
/// No more samples of one object than this.
pub const MOST_SAMPLES: usize = 16;
/// The noise level at which an edit starts.
const EDIT_LEVEL: f64 = 0.5;
/// Alternatives begin where the first mask reaches these probabilities, in this order.
const LEVELS: [f32; 3] = [0.25, 0.75, 0.1];
/// Guidance is left out below this noise level, where it only adds artefacts.
const GUIDED_FROM: f64 = 0.2;

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
}

impl Default for ProposeOptions {
    fn default() -> Self {
        Self { steps: 1, seed: 0, samples: 1, guidance: 1.5 }
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
    /// From the quality head to the expected `IoU`.
    pub calibration: Calibration,
    /// What was encoded lately.
    pub memory: &'a Memory,
}

/// Boxes that were encoded together.
struct Encoded {
    features: Features,
    regions: Vec<Rect>,
    context: Option<Context>,
}

/// Where one walk begins: every sample at the same level.
struct Origin {
    level: f64,
    /// The mask of each sample, in {0, 1}; noise alone without.
    masks: Option<Vec<f32>>,
    /// The sides that strokes settle, one grid a sample.
    sides: Option<Vec<f32>>,
    seed: u64,
}

/// What one walk found.
struct Walked {
    logits: Vec<f32>,
    quality: Vec<f32>,
}

/// Who hears of steps: the step of one walk, and its logits.
type Each<'a> = &'a mut dyn FnMut(usize, &[f32]);

impl Proposer<'_> {
    /// A mask for each of `prompts`, in the same order.
    ///
    /// `each` sees every step of every batch. The noise depends on the seed alone, so a box gives the same mask whatever
    /// else is asked for with it.
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
        let size = size_of(image)?;
        let near = |(index, prompt): (usize, &Prompt)| near(prompt.area(), size).ok_or(AssistError::BadBox(index));
        let boxes = prompts.iter().enumerate().map(near).collect::<Result<Vec<Rect>, _>>()?;
        let alone = options.samples > 1 || prompts.iter().any(Prompt::is_edit);
        let batch = if alone { 1 } else { BATCH };
        let mut proposals = Vec::with_capacity(prompts.len());
        for (index, (prompts, boxes)) in prompts.chunks(batch).zip(boxes.chunks(batch)).enumerate() {
            let first = index * batch;
            let work = Work { proposer: self, image, size, options: *options, cancel, first };
            match prompts {
                [prompt] => proposals.push(work.one(prompt, boxes, each)?),
                _ => proposals.extend(work.several(prompts, boxes, each)?),
            }
        }
        Ok(proposals)
    }

    /// Encodes the boxes; a single one may be remembered.
    fn encoded(&self, image: &RgbImage, prompts: &[Prompt], boxes: &[Rect]) -> Result<Encoded, AssistError> {
        let (side, count) = (self.segmenter.config.crop, boxes.len());
        let (mut input, mut regions) = (Vec::with_capacity(count * 5 * side * side), Vec::with_capacity(count));
        for &rect in boxes {
            let (values, region) = segmenter_input(image, rect, side);
            input.extend(values);
            regions.push(region);
        }
        let encode = |input| self.segmenter.encoder.forward(planes(input, [count, 5, side, side], self.device));
        let features = if count == 1 { self.memory.features(input, encode) } else { encode(input) };
        let conditions = prompts.iter().map(|prompt| self.condition(prompt)).collect::<Result<Vec<_>, _>>()?;
        let context = self.segmenter.conditioning.as_ref().and_then(|layers| layers.context(&conditions, self.device));
        Ok(Encoded { features, regions, context })
    }

    /// The part of a prompt that the weights can be conditioned on.
    fn condition(&self, prompt: &Prompt) -> Result<Condition, AssistError> {
        let Some(known) = &self.segmenter.config.conditioning else { return Ok(Condition::default()) };
        let class = prompt.class.as_ref().and_then(|name| known.classes.iter().position(|class| class == name));
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
        let cells = side / 16;
        let share = |cell: usize| {
            let corner = cell / cells * 16 * side + cell % cells * 16;
            (0..16).map(|row| crop.mask[corner + row * side..][..16].iter().sum::<f32>()).sum::<f32>() / 256.0
        };
        let shares: Vec<f32> = (0..cells * cells).map(share).collect();
        let colours =
            || crop.input[..3 * side * side].iter().enumerate().map(|(at, value)| value * crop.mask[at % (side * side)]).collect();
        Ok(Exemplar::new(&read(features.f16)?, &shares, (side == self.segmenter.config.mask).then(colours)))
    }
}

/// One batch on its way.
struct Work<'a> {
    proposer: &'a Proposer<'a>,
    image: &'a RgbImage,
    size: Size,
    options: ProposeOptions,
    cancel: &'a Cancel,
    first: usize,
}

impl Work<'_> {
    /// Fresh boxes, one sample each.
    fn several(&self, prompts: &[Prompt], boxes: &[Rect], each: &mut dyn FnMut(ProposeStep)) -> Result<Vec<Proposal>, AssistError> {
        let encoded = self.encoded(prompts, boxes)?;
        let of = self.steps();
        let origin = Origin { level: 1.0, masks: None, sides: None, seed: self.options.seed };
        let mut show = |step, logits: &[f32]| {
            each(ProposeStep { step, of, first: self.first, masks: softened(logits, &encoded.regions, self.grid()) });
        };
        let walked = self.walk(&encoded, &origin, boxes.len(), &mut show)?;
        let patches = softened(&walked.logits, &encoded.regions, self.grid());
        let proposal = |((patch, &quality), &rect): ((Patch, &f32), &Rect)| {
            let expected = self.proposer.calibration.expected(f64::from(quality), None);
            Proposal::single(likeliest(&patch, rect, self.size), patch, expected as f32)
        };
        Ok(patches.into_iter().zip(&walked.quality).zip(boxes).map(proposal).collect())
    }

    /// One prompt, whatever it holds.
    fn one(&self, prompt: &Prompt, boxes: &[Rect], each: &mut dyn FnMut(ProposeStep)) -> Result<Proposal, AssistError> {
        let encoded = self.encoded(std::slice::from_ref(prompt), boxes)?;
        let (grid, region) = (self.grid(), encoded.regions[0]);
        let sides = (!prompt.scribbles.is_empty()).then(|| Scribble::sides(&prompt.scribbles, region, grid));
        let varies = self.options.samples > 1;
        let walks = 1 + usize::from(prompt.is_edit()) + usize::from(varies);
        let (of, mut done) = (walks * self.steps(), 0);
        let mut show = |step, logits: &[f32]| {
            let masks = softened(&logits[..grid * grid], &encoded.regions, grid);
            each(ProposeStep { step: done + step, of, first: self.first, masks });
            if step == self.steps() {
                done += step;
            }
        };
        let origin = Origin { level: 1.0, masks: None, sides: None, seed: self.options.seed };
        let present = match &prompt.mask {
            Some(mask) if mask.size() != self.size => {
                return Err(AssistError::MaskSize { index: self.first, mask: mask.size(), image: self.size });
            }
            Some(mask) => Some(mask_crop(mask, region, grid)),
            None => None,
        };
        let mut found = self.walk(&encoded, &origin, 1, &mut show)?;
        if prompt.is_edit() {
            // What older strokes reached is in the present mask already.
            let newest = if present.is_some() { prompt.scribbles.len().saturating_sub(1) } else { 0 };
            let mut mask = present.unwrap_or_else(|| found.logits.iter().map(|&z| f32::from(u8::from(z > 0.0))).collect());
            for scribble in &prompt.scribbles[newest..] {
                grow(&mut mask, &found.logits, scribble, region, grid);
            }
            let edit = Origin { level: EDIT_LEVEL, masks: Some(mask), sides: sides.clone(), ..origin };
            found = self.walk(&encoded, &edit, 1, &mut show)?;
        }
        if varies {
            let more = self.options.samples.min(MOST_SAMPLES) - 1;
            let others = self.variations(&found.logits, sides.as_deref(), more);
            let walked = self.walk(&encoded, &others, more, &mut show)?;
            found.logits.extend(walked.logits);
            found.quality.extend(walked.quality);
        }
        Ok(self.proposal(&found, prompt, boxes[0], region))
    }

    /// Where alternatives to a mask begin.
    fn variations(&self, logits: &[f32], sides: Option<&[f32]>, count: usize) -> Origin {
        let mask = |index: usize| {
            let level = LEVELS[index % LEVELS.len()];
            logits.iter().map(move |&logit| f32::from(u8::from(sigmoid(logit) >= level)))
        };
        let masks = (0..count).flat_map(mask).collect();
        Origin { level: EDIT_LEVEL, masks: Some(masks), sides: sides.map(<[f32]>::to_vec), seed: self.options.seed }
    }

    fn proposal(&self, found: &Walked, prompt: &Prompt, rect: Rect, region: Rect) -> Proposal {
        let patches = softened(&found.logits, &[region].repeat(found.quality.len()), self.grid());
        let maps: Vec<&[f32]> = patches.iter().map(|patch| patch.soft.as_slice()).collect();
        let several = maps.len() > 1;
        let agreement = several.then(|| agreement(&maps));
        let spread = several.then(|| Patch { rect: region, side: self.grid(), soft: spread(&maps, self.grid()) });
        let alternative = |(patch, &quality): (Patch, &f32)| {
            let mut mask = likeliest(&patch, rect, self.size);
            prompt.scribbles.iter().for_each(|scribble| scribble.paint(&mut mask));
            let expected = self.proposer.calibration.expected(f64::from(quality), agreement);
            Alternative { mask, patch, expected_iou: expected as f32 }
        };
        let mut all = patches.into_iter().zip(&found.quality).map(alternative).collect::<Vec<_>>().into_iter();
        let first = all.next().unwrap_or_else(|| unsampled(rect, self.size));
        let others = ranked(&first, all.collect());
        Proposal { mask: first.mask, patch: first.patch, expected_iou: first.expected_iou, agreement, spread, others }
    }

    fn walk(&self, encoded: &Encoded, origin: &Origin, count: usize, each: Each<'_>) -> Result<Walked, AssistError> {
        let Proposer { segmenter, device, .. } = *self.proposer;
        if self.cancel.is_cancelled() {
            return Err(AssistError::Cancelled);
        }
        let grid = self.grid();
        let shape = [count, 1, grid, grid];
        let features = encoded.features.repeated(count / encoded.regions.len());
        let context = encoded.context.as_ref().map(|context| context.repeated(count / encoded.regions.len()));
        let noise = || planes(Noise::new(origin.seed).normals(grid * grid).repeat(count), shape, device);
        let hold = origin.sides.as_ref().map(|sides| Hold::new(&planes(sides.repeat(count), shape, device)));
        let start = match &origin.masks {
            None => Start::noise(noise()),
            Some(masks) => {
                let known = |at: usize| origin.sides.as_ref().map_or(0.0, |sides| sides[at % (grid * grid)]);
                let side = |(at, &mask): (usize, &f32)| if known(at) == 0.0 { 2.0 * mask - 1.0 } else { known(at) };
                let clean = masks.iter().enumerate().map(|value| SIGNAL_SCALE as f32 * side(value)).collect();
                Start::mask(planes(clean, shape, device), noise(), origin.level)
            }
        };
        let (mut quality, mut logits, mut failure) = (None, Vec::new(), None);
        let result = sample_from(
            start,
            self.steps(),
            |x, level, signal| {
                let levels = vec![level; count];
                let prediction = segmenter.denoise(&features, x.clone(), &levels, signal.clone(), context.as_ref());
                quality = Some(prediction.quality);
                let guides = context.is_some() && level >= GUIDED_FROM && (self.options.guidance - 1.0).abs() > 1e-6;
                let told = if guides {
                    let plain = segmenter.denoise(&features, x, &levels, signal, None);
                    guided(plain.logits, prediction.logits, self.options.guidance)
                } else {
                    prediction.logits
                };
                hold.as_ref().map_or_else(|| told.clone(), |hold| hold.held(told.clone()))
            },
            |step, predicted: &Tensor<4>| {
                match read(predicted.clone()) {
                    Ok(values) => logits = values,
                    Err(error) => {
                        failure = Some(error);
                        return ControlFlow::Break(());
                    }
                }
                each(step, &logits);
                if self.cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        match (result, quality) {
            (Some(_), Some(quality)) => Ok(Walked { logits, quality: read(quality)? }),
            _ => Err(failure.unwrap_or(AssistError::Cancelled)),
        }
    }

    fn encoded(&self, prompts: &[Prompt], boxes: &[Rect]) -> Result<Encoded, AssistError> {
        if self.cancel.is_cancelled() {
            return Err(AssistError::Cancelled);
        }
        self.proposer.encoded(self.image, prompts, boxes)
    }

    const fn grid(&self) -> usize {
        self.proposer.segmenter.config.mask
    }

    fn steps(&self) -> usize {
        self.options.steps.max(1)
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

/// What stands for a walk without samples: the filled box, of which nothing is to be expected.
fn unsampled(rect: Rect, size: Size) -> Alternative {
    Alternative { mask: Mask::filled(size, rect), patch: Patch { rect, side: 1, soft: vec![1.0] }, expected_iou: 0.0 }
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
