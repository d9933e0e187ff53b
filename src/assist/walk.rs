//! One batch of prompts on its way through the network: where each walk begins, what is held fixed in it, and what
//! becomes of its samples.

use std::ops::ControlFlow;

use burn::tensor::Tensor;
use image::RgbImage;

use super::alternatives::{Alternative, agreement, ranked, spread};
use super::crop::mask_crop;
use super::grow::grow;
use super::prompt::{Prompt, Scribble};
use super::propose::{MOST_SAMPLES, Proposal, ProposeOptions, ProposeStep, Proposer};
use super::{AssistError, Patch, planes, read, sigmoid};
use crate::geometry::{Rect, Size};
use crate::job::Cancel;
use crate::mask::Mask;
use crate::model::diffusion::sampler::{Hold, Start, guided, sample_from};
use crate::model::diffusion::schedule::SIGNAL_SCALE;
use crate::model::noise::Noise;
use crate::model::segmenter::{Context, Features};

/// The noise level at which an edit starts.
const EDIT_LEVEL: f64 = 0.5;
/// Alternatives begin where the first mask reaches these probabilities, in this order.
const LEVELS: [f32; 3] = [0.25, 0.75, 0.1];
/// Guidance is left out below this noise level, where it only adds artefacts.
const GUIDED_FROM: f64 = 0.2;

/// Boxes that were encoded together.
pub(super) struct Encoded {
    pub(super) features: Features,
    pub(super) regions: Vec<Rect>,
    pub(super) context: Option<Context>,
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

/// One batch on its way.
pub(super) struct Work<'a> {
    pub(super) proposer: &'a Proposer<'a>,
    pub(super) image: &'a RgbImage,
    pub(super) size: Size,
    pub(super) options: ProposeOptions,
    pub(super) cancel: &'a Cancel,
    /// The index of the batch's first prompt.
    pub(super) first: usize,
}

impl Work<'_> {
    /// Fresh boxes, one sample each.
    pub(super) fn several(
        &self,
        prompts: &[Prompt],
        boxes: &[Rect],
        each: &mut dyn FnMut(ProposeStep),
    ) -> Result<Vec<Proposal>, AssistError> {
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
    pub(super) fn one(&self, prompt: &Prompt, boxes: &[Rect], each: &mut dyn FnMut(ProposeStep)) -> Result<Proposal, AssistError> {
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
            // Of a mask that it was given the network always thinks well.
            found.logits = self.walk(&encoded, &edit, 1, &mut show)?.logits;
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
