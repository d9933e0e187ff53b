//! A second opinion on a mask that is to be refined: what the segmenter, told the mask's box, colours and shape, takes for
//! the object.
//!
//! The refiner sees outlines and keeps to the mask that it is given; the segmenter judges the whole of it and so finds
//! parts that a rough mask missed, or that another method took for the object.
//! A mask that merely fills its box has no outline to speak of; there the segmenter proposes one.

use image::RgbImage;

use super::crop::mask_crop;
use super::looks::{LOOKS, Looks, with_mirrors};
use super::refine::{Finisher, Job, RefineOptions, RefineStep};
use super::view::View;
use super::{AssistError, Calibration, Memory, Patch, Prompt, ProposeOptions, ProposeStep, Proposer, planes, read, sigmoid};
use crate::geometry::Rect;
use crate::job::Cancel;
use crate::mask::Mask;
use crate::model::diffusion::schedule::SIGNAL_SCALE;
use crate::model::noise::Noise;

/// How sure of the mask the segmenter is told to be, of 1.
const BELIEF: f64 = 0.8;
/// The same of a mask that is known to be coarse.
const BELIEF_OF_COARSE: f64 = 0.4;

/// A mask that covers at least this share of its box says where an object is, and nothing about its outline ...
const BOXED: f64 = 0.98;
/// ... unless that is a bar, such as a cable or the mark of a lane, with a side shorter than this or one that is so many
/// times as long as the other, ...
const NARROWEST_PX: f64 = 8.0;
const LONGEST: f64 = 8.0;
/// ... or it covers this share of the image: what somebody says fills the picture (a table under all that it shows) may. Such
/// a mask is not refined either, unless it is known to be coarse.
const EVERYWHERE: f64 = 0.9;

/// What there is to say about a mask whose outline follows nothing in the picture, or of which the refiner would change much.
pub(super) struct Doubt {
    /// Whether it is the outline.
    pub(super) is_rough: bool,
    /// What the segmenter sees on the job's grid, where there is a segmenter.
    pub(super) opinion: Option<Patch>,
}

impl Finisher<'_> {
    /// The `masks` that merely fill their boxes, where there is a segmenter to look into these.
    pub(super) fn boxes(&self, masks: &[Mask], options: &RefineOptions) -> Vec<usize> {
        if self.segmenter.is_none() || options.plain {
            return Vec::new();
        }
        let is_box = |mask: &Mask| {
            let area = mask.area() as f64;
            let fills = |rect: Rect| {
                let (short, long) = (rect.width.min(rect.height), rect.width.max(rect.height));
                short >= NARROWEST_PX && long <= LONGEST * short && area >= BOXED * rect.area()
            };
            !is_everywhere(mask) && mask.bbox().is_some_and(fills)
        };
        (0..masks.len()).filter(|&index| is_box(&masks[index])).collect()
    }

    /// What the segmenter proposes for the boxes of those of `masks` that `indices` name. `each` sees its steps.
    pub(super) fn seen_in(
        &self,
        image: &RgbImage,
        masks: &[Mask],
        indices: &[usize],
        options: &RefineOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(RefineStep),
    ) -> Result<Vec<Mask>, AssistError> {
        let Some(segmenter) = self.segmenter else { return Ok(Vec::new()) };
        let proposer = Proposer { segmenter, device: self.device, calibration: Calibration::default(), memory: &Memory::default() };
        let prompts: Vec<Prompt> = indices.iter().filter_map(|&index| masks[index].bbox()).map(Prompt::from).collect();
        let propose = ProposeOptions { seed: options.seed, ..ProposeOptions::default() };
        let proposals = proposer.propose(image, &prompts, &propose, cancel, &mut |ProposeStep { step, of, first, masks }| {
            each(RefineStep { step, of, indices: indices[first..first + masks.len()].to_vec(), masks });
        })?;
        Ok(proposals.into_iter().map(|proposal| proposal.mask).collect())
    }

    /// The doubt about the mask of each of `jobs`, of which the refiner says `patches`; where there is none, the segmenter is not
    /// asked.
    pub(super) fn doubts(
        &self,
        image: &RgbImage,
        masks: &[Mask],
        jobs: &[Job],
        patches: &[Patch],
        options: &RefineOptions,
    ) -> Result<Vec<Option<Doubt>>, AssistError> {
        let mut doubts: Vec<Option<Doubt>> = jobs.iter().zip(patches).map(|(job, patch)| job.doubt(patch, options)).collect();
        let asked: Vec<(&Job, &mut Doubt)> = jobs.iter().zip(&mut doubts).filter_map(|(job, doubt)| Some((job, doubt.as_mut()?))).collect();
        let Some(segmenter) = self.segmenter.filter(|_| !asked.is_empty()) else { return Ok(doubts) };
        let (crop, grid, count) = (segmenter.config.crop, segmenter.config.mask, LOOKS * asked.len());
        let seen = |index: usize| &masks[asked[index].0.index];
        let rects: Vec<Rect> = (0..asked.len()).map(|index| seen(index).bbox().unwrap_or_default()).collect();
        let first: Vec<View> = rects.iter().map(|&rect| View::new(image, rect, crop)).collect();
        let looks = Looks::new(image, &rects, &first);
        let input = looks.each(|index, view| {
            let object: Vec<bool> = mask_crop(seen(index), view.region, crop).into_iter().map(|value| value >= 0.5).collect();
            view.input_for(&object)
        });
        let belief = if options.coarse { BELIEF_OF_COARSE } else { BELIEF };
        let side = |value: f32| (belief * SIGNAL_SCALE) as f32 * (2.0 * value - 1.0);
        let believed = looks.each(|index, view| mask_crop(seen(index), view.region, grid).into_iter().map(side).collect());
        let seen_at_once =
            |values, [channels, side]: [usize; 2]| with_mirrors(planes(values, [count / 2, channels, side, side], self.device));
        let features = segmenter.encoder.forward(seen_at_once(input, [5, crop]));
        let noise = planes(Noise::new(0).normals(grid * grid).repeat(count), [count, 1, grid, grid], self.device);
        let believed = seen_at_once(believed, [1, grid]);
        let logits = read(segmenter.denoise(&features, noise, &vec![1.0; count], believed, None).logits)?;
        let logits = looks.merged(&logits, grid);
        for (((job, doubt), view), logits) in asked.into_iter().zip(&first).zip(logits.chunks_exact(grid * grid)) {
            let seen = Patch { rect: view.region, side: grid, soft: logits.iter().copied().map(sigmoid).collect() };
            let mut found = Patch { rect: job.view.region, side: job.view.side, soft: vec![0.0; job.view.side * job.view.side] };
            found.take(&seen);
            doubt.opinion = Some(found);
        }
        Ok(doubts)
    }
}

/// Whether the mask is said to fill the picture.
pub(super) fn is_everywhere(mask: &Mask) -> bool {
    mask.area() as f64 >= EVERYWHERE * mask.size().pixels() as f64
}
