//! One batch of prompts on its way through the network: where each walk begins, what is held fixed in it, and what
//! becomes of its samples.

use std::cell::Cell;
use std::ops::ControlFlow;

use burn::tensor::Tensor;
use image::RgbImage;
use rayon::prelude::*;

use super::alternatives::{Alternative, agreement, ranked, spread};
use super::crop::{box_region, mask_crop};
use super::grow::grow;
use super::looks::{LOOKS, Looks, carried, means, with_mirrors};
use super::patch::stretched;
use super::prompt::{Prompt, Scribble};
use super::propose::{MOST_SAMPLES, Proposal, ProposeOptions, ProposeStep, Proposer};
use super::snap::{aligned, object};
use super::view::View;
use super::{AssistError, Patch, planes, read, sigmoid, stop_if};
use crate::geometry::{Rect, Size};
use crate::job::Cancel;
use crate::mask::{Mask, PixelRect};
use crate::model::diffusion::sampler::{Hold, Start, guided, sample_from};
use crate::model::diffusion::schedule::SIGNAL_SCALE;
use crate::model::noise::Noise;
use crate::model::segmenter::{Context, Features};

/// The noise level at which an edit starts.
const EDIT_LEVEL: f64 = 0.5;
/// Alternatives begin where the first mask reaches these probabilities, in this order.
const LEVELS: [f32; 3] = [0.25, 0.75, 0.1];
/// The noise levels between which guidance acts: below them it only adds artefacts, above them hardly anything is there yet
/// to be guided. The only step of a walk is guided all the same: it lies at level 1, and guidance would never act otherwise.
const GUIDED: [f64; 2] = [0.2, 0.9];

/// Boxes that were encoded together.
pub(super) struct Encoded {
    pub(super) count: usize,
    pub(super) features: Features,
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
pub(super) struct Walked {
    pub(super) logits: Vec<f32>,
    pub(super) quality: Vec<f32>,
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
    /// What the network says of fresh boxes, one sample each.
    pub(super) fn said(&self, prompts: &[Prompt], boxes: &[Rect], each: &mut dyn FnMut(ProposeStep)) -> Result<Walked, AssistError> {
        let (views, regions) = (self.views(boxes), regions(boxes));
        let of = self.looks() * self.steps();
        let mut show = |step, logits: &[f32]| {
            each(ProposeStep { step, of, first: self.first, masks: softened(logits, &regions, self.grid()) });
        };
        Ok(self.fresh(&views, prompts, boxes, &mut show)?.1)
    }

    /// The masks of fresh boxes from what the network said of them.
    pub(super) fn drawn(&self, walked: &Walked, boxes: &[Rect]) -> Vec<Proposal> {
        let proposal = |((patch, mask), &quality): ((Patch, Mask), &f32)| {
            let expected = self.proposer.calibration.expected(f64::from(quality), None);
            Proposal::single(mask, patch, expected as f32)
        };
        let patches = self.outlined(&walked.logits, &regions(boxes));
        let masks = self.masks(&patches, boxes);
        patches.into_iter().zip(masks).zip(&walked.quality).map(proposal).collect()
    }

    /// What the network makes of boxes alone: a look at each and, where edges are asked for, several more that know the
    /// colours of the first mask and are taken instead. Gives the first encoding too.
    fn fresh(&self, views: &[View], prompts: &[Prompt], boxes: &[Rect], each: Each<'_>) -> Result<(Encoded, Walked), AssistError> {
        stop_if(self.cancel)?;
        let encoded = self.proposer.encoded(views, prompts)?;
        let origin = Origin { level: 1.0, masks: None, sides: None, seed: self.options.seed };
        let first = self.walk(&encoded, &origin, views.len(), each)?;
        if !self.options.edges {
            return Ok((encoded, first));
        }
        let (grid, count) = (self.grid(), LOOKS * views.len());
        let looks = Looks::new(self.image, boxes, views);
        let input = looks.each(|index, view| {
            let logits = &first.logits[index * grid * grid..][..grid * grid];
            view.input_for(&object(&carried(logits, views[index].region, view.region), view))
        });
        let context = encoded.context.as_ref().map(|context| context.repeated(LOOKS));
        let features = self.proposer.features(input, count / 2, views.len() == 1, with_mirrors);
        let second = Encoded { count, features, context };
        let steps = self.steps();
        let walked = self.walk(&second, &origin, count, &mut |step, logits| each(steps + step, &looks.merged(logits, grid)))?;
        let quality: Vec<&[f32]> = walked.quality.chunks_exact(views.len()).collect();
        Ok((encoded, Walked { logits: looks.merged(&walked.logits, grid), quality: means(&quality) }))
    }

    fn views(&self, boxes: &[Rect]) -> Vec<View> {
        boxes.par_iter().map(|&rect| View::new(self.image, rect, self.proposer.segmenter.config.crop)).collect()
    }

    /// How often the network looks at a fresh box.
    fn looks(&self) -> usize {
        1 + usize::from(self.options.edges)
    }

    /// The soft maps of `logits`, a whole number of grids for each region, on the finer one of a crop where edges are
    /// asked for.
    fn outlined(&self, logits: &[f32], regions: &[Rect]) -> Vec<Patch> {
        let grid = self.grid();
        if !self.options.edges {
            return softened(logits, regions, grid);
        }
        let side = self.proposer.segmenter.config.crop;
        let outlined = |(logits, &rect): (&[f32], &Rect)| {
            let soft = stretched(logits, side, side).into_iter().map(sigmoid).collect();
            Patch { rect, side, soft }
        };
        let pairs: Vec<_> = logits.chunks_exact(grid * grid).zip(regions.iter().cycle()).collect();
        pairs.into_par_iter().map(outlined).collect()
    }

    /// The mask of each of `patches` about a box, within that and with the outline on the picture's own pixels where edges are
    /// asked for.
    fn masks(&self, patches: &[Patch], boxes: &[Rect]) -> Vec<Mask> {
        let (image, size, edges) = (self.image, self.size, self.options.edges);
        let mask = |(patch, &rect): (&Patch, &Rect)| {
            let mask = likeliest(patch, rect, size);
            if edges { aligned(kept(&mask, boxed(rect, size)), patch, image, rect) } else { mask }
        };
        patches.par_iter().zip(boxes).map(mask).collect()
    }

    /// One prompt, whatever it holds.
    pub(super) fn one(&self, prompt: &Prompt, boxes: &[Rect], each: &mut dyn FnMut(ProposeStep)) -> Result<Proposal, AssistError> {
        let views = self.views(boxes);
        let (grid, region) = (self.grid(), views[0].region);
        let sides = (!prompt.scribbles.is_empty()).then(|| Scribble::sides(&prompt.scribbles, region, grid));
        let varies = self.options.samples > 1;
        let walks = self.looks() + usize::from(prompt.is_edit()) + usize::from(varies);
        let (of, done) = (walks * self.steps(), Cell::new(0));
        let mut show = |step, logits: &[f32]| {
            let masks = softened(&logits[..grid * grid], &[region], grid);
            each(ProposeStep { step: done.get() + step, of, first: self.first, masks });
        };
        let present = match &prompt.mask {
            Some(mask) if mask.size() != self.size => {
                return Err(AssistError::MaskSize { index: self.first, mask: mask.size(), image: self.size });
            }
            Some(mask) => Some(mask_crop(mask, region, grid)),
            None => None,
        };
        let (encoded, mut found) = self.fresh(&views, std::slice::from_ref(prompt), boxes, &mut show)?;
        done.set(self.looks() * self.steps());
        if prompt.is_edit() {
            // What a stroke reached is in a mask that follows it.
            let is_followed = prompt.mask.as_ref().map(|mask| Scribble::followed(&prompt.scribbles, mask));
            let mut mask = present.unwrap_or_else(|| found.logits.iter().map(|&z| f32::from(u8::from(z > 0.0))).collect());
            for (index, scribble) in prompt.scribbles.iter().enumerate() {
                if is_followed.as_ref().is_none_or(|is_followed| !is_followed[index]) {
                    grow(&mut mask, &found.logits, scribble, region, grid);
                }
            }
            let edit = Origin { level: EDIT_LEVEL, masks: Some(mask), sides: sides.clone(), seed: self.options.seed };
            // Of a mask that it was given the network always thinks well.
            found.logits = self.walk(&encoded, &edit, 1, &mut show)?.logits;
            done.update(|done| done + self.steps());
        }
        if varies {
            let more = self.options.samples.min(MOST_SAMPLES) - 1;
            let others = self.variations(&found.logits, sides.as_deref(), more);
            let walked = self.walk(&encoded, &others, more, &mut show)?;
            found.logits.extend(walked.logits);
            found.quality.extend(walked.quality);
        }
        Ok(self.proposal(&found, prompt, boxes[0]))
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

    fn proposal(&self, found: &Walked, prompt: &Prompt, rect: Rect) -> Proposal {
        let region = box_region(rect);
        let soft = softened(&found.logits, &[region], self.grid());
        let maps: Vec<&[f32]> = soft.iter().map(|patch| patch.soft.as_slice()).collect();
        let several = maps.len() > 1;
        let agreement = several.then(|| agreement(&maps));
        let spread = several.then(|| Patch { rect: region, side: self.grid(), soft: spread(&maps, self.grid()) });
        let alternative = |((patch, mut mask), &quality): ((Patch, Mask), &f32)| {
            prompt.settle(&mut mask);
            let expected = self.proposer.calibration.expected(f64::from(quality), agreement);
            Alternative { mask, patch, expected_iou: expected as f32 }
        };
        let patches = self.outlined(&found.logits, &[region]);
        let masks = self.masks(&patches, &vec![rect; patches.len()]);
        let mut all = patches.into_iter().zip(masks).zip(&found.quality).map(alternative).collect::<Vec<_>>().into_iter();
        let first = all.next().unwrap_or_else(|| unsampled(rect, self.size));
        let others = ranked(&first, all.collect());
        Proposal { mask: first.mask, patch: first.patch, expected_iou: first.expected_iou, agreement, spread, others }
    }

    fn walk(&self, encoded: &Encoded, origin: &Origin, count: usize, each: Each<'_>) -> Result<Walked, AssistError> {
        let Proposer { segmenter, device, .. } = *self.proposer;
        stop_if(self.cancel)?;
        let grid = self.grid();
        let shape = [count, 1, grid, grid];
        let features = encoded.features.repeated(count / encoded.count);
        let context = encoded.context.as_ref().map(|context| context.repeated(count / encoded.count));
        // Boxes share their noise, so that one gives the same mask whatever else is asked for; samples that begin alike do not.
        let alike = if origin.masks.is_some() { LEVELS.len() } else { count };
        let groups = (0..count.div_ceil(alike)).map(|group| Noise::new(origin.seed.wrapping_add(group as u64)).normals(grid * grid));
        let values: Vec<f32> = groups.flat_map(|values| values.repeat(alike)).take(count * grid * grid).collect();
        let noise = planes(values, shape, device);
        let hold = origin.sides.as_ref().map(|sides| Hold::new(&planes(sides.repeat(count), shape, device)));
        let start = match &origin.masks {
            None => Start::noise(noise),
            Some(masks) => {
                let known = |at: usize| origin.sides.as_ref().map_or(0.0, |sides| sides[at % (grid * grid)]);
                let side = |(at, &mask): (usize, &f32)| if known(at) == 0.0 { 2.0 * mask - 1.0 } else { known(at) };
                let clean = masks.iter().enumerate().map(|value| SIGNAL_SCALE as f32 * side(value)).collect();
                Start::mask(planes(clean, shape, device), noise, origin.level)
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
                let guides = context.is_some() && is_guided(level, self.steps()) && (self.options.guidance - 1.0).abs() > 1e-6;
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

    const fn grid(&self) -> usize {
        self.proposer.segmenter.config.mask
    }

    fn steps(&self) -> usize {
        self.options.steps.max(1)
    }
}

/// Whether guidance acts at `level` in a walk of so many steps.
fn is_guided(level: f64, steps: usize) -> bool {
    level >= GUIDED[0] && (level <= GUIDED[1] || steps == 1)
}

/// The mask of a patch. A box holds an object, so where no pixel of it reaches one half its surest ones are taken, none
/// beyond it, and the whole box where the patch says nothing of it.
fn likeliest(patch: &Patch, rect: Rect, size: Size) -> Mask {
    let (found, window) = (patch.mask(size), boxed(rect, size));
    if !found.cropped(window).is_empty() {
        return found;
    }
    let surest = patch.surest(size, window);
    let likely = if surest > 0.0 { patch.mask_above(size, 0.5 * surest) } else { Mask::filled(size, window.to_rect()) };
    kept(&likely, window)
}

/// The part of `mask` within `window`.
fn kept(mask: &Mask, window: PixelRect) -> Mask {
    let mut kept = Mask::new(mask.size());
    kept.paste(&mask.cropped(window), window.x, window.y);
    kept
}

/// The pixels whose centre lies in `rect`; those that it touches where it is too thin for any.
fn boxed(rect: Rect, size: Size) -> PixelRect {
    let part = rect.clipped(size);
    let first = |edge: f64| (edge - 0.5).ceil() as u32;
    let (x, y) = (first(part.x), first(part.y));
    let window = PixelRect::new(x, y, first(part.right()).saturating_sub(x), first(part.bottom()).saturating_sub(y));
    if window.is_empty() { PixelRect::around(rect, size) } else { window }
}

/// What stands for a walk without samples: the filled box, of which nothing is to be expected.
fn unsampled(rect: Rect, size: Size) -> Alternative {
    Alternative { mask: Mask::filled(size, rect), patch: Patch { rect, side: 1, soft: vec![1.0] }, expected_iou: 0.0 }
}

/// The parts of the image that the crops around `boxes` cover.
fn regions(boxes: &[Rect]) -> Vec<Rect> {
    boxes.iter().copied().map(box_region).collect()
}

/// The soft maps of `logits`, a whole number of grids of `side` cells a side for each region.
fn softened(logits: &[f32], regions: &[Rect], side: usize) -> Vec<Patch> {
    let soft = |logits: &[f32]| logits.iter().copied().map(sigmoid).collect();
    let patch = |(logits, &rect): (&[f32], &Rect)| Patch { rect, side, soft: soft(logits) };
    logits.chunks_exact(side * side).zip(regions.iter().cycle()).map(patch).collect()
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

    #[test]
    fn what_is_only_likely_stays_in_its_box() {
        let size = Size::new(8, 8);
        let (frame, column) = (Rect::new(0.0, 0.0, 8.0, 8.0), Rect::new(5.0, 1.0, 1.0, 6.0));
        let patch = |row: [f32; 8]| Patch { rect: frame, side: 8, soft: row.repeat(8) };
        let likely = |row, rect| likeliest(&patch(row), rect, size);
        let filled = Mask::filled(size, column);
        let around = [0.4, 0.4, 0.4, 0.4, 0.4, 0.3, 0.4, 0.4];
        assert_eq!(likely(around, column), filled, "the cells around a thin box are surer");
        let elsewhere = [0.9, 0.0, 0.0, 0.0, 0.0, 0.2, 0.0, 0.0];
        assert_eq!(likely(elsewhere, column), filled, "what is found elsewhere is another object");
        let thinner = Rect::new(5.6, 1.0, 0.3, 6.0);
        for row in [around, elsewhere, [0.0; 8]] {
            assert_eq!(likely(row, thinner), filled, "no centre of a pixel lies in it");
        }
        let beyond = [0.0, 0.0, 0.0, 0.7, 0.8, 0.9, 0.0, 0.0];
        assert_eq!(likely(beyond, column).area(), 24, "what is found in a box may reach beyond it");
        assert!(likely(around, Rect::new(20.0, 1.0, 5.0, 5.0)).is_empty(), "a box that lies outside");
    }

    #[test]
    fn a_single_step_is_guided_and_the_first_of_several_is_not() {
        let guided = |steps: usize| (0..steps).map(|step| is_guided(1.0 - step as f64 / steps as f64, steps)).collect::<Vec<bool>>();
        assert_eq!(guided(1), [true]);
        assert_eq!(guided(4), [false, true, true, true]);
        assert_eq!(guided(8), [false, true, true, true, true, true, true, false]);
    }
}
