//! Coarse masks to fine ones: a crop around each mask, a few steps of the discrete process, and a guard that keeps the
//! original where the result strays too far from it. Objects that such a crop would shrink much go on in
//! [`highres`](super::highres).

use burn::tensor::Device;
use image::RgbImage;
use rayon::prelude::*;

use super::colours;
use super::crop::{frame, mask_crop, mask_region};
use super::patch::threshold;
use super::second::{Doubt, is_everywhere};
use super::snap::{aligned, crispness, redrawn};
use super::view::View;
use super::{AssistError, Patch, logit, planes, read, sigmoid, size_of, stop_if};
use crate::geometry::{Rect, Size};
use crate::job::Cancel;
use crate::mask::component::{Components, Connectivity};
use crate::mask::distance::signed;
use crate::mask::{Mask, metric, morphology};
use crate::model::diffusion::process::{StepsError, Walk};
use crate::model::diffusion::schedule::FineShare;
use crate::model::noise::Noise;
use crate::model::refiner::{Refiner, RefinerConfig};
use crate::model::segmenter::Segmenter;

/// Masks that go through the network together ...
const BATCH: usize = 4;
/// ... unless its first level has at least so many channels: at 256 x 256 pixels twice as many, where the way up meets
/// the way down, are 64 MiB a mask, and WebGPU binds no more than 128 MiB everywhere.
const WIDE: usize = 128;
/// How many pixels the crops of the published network's numbers hold beyond a mask, on every side.
const PUBLISHED_MARGIN_PX: f64 = 20.0;
/// Masks with fewer pixels are left alone: at 256 x 256 they would be all interpolation.
const SMALLEST_AREA: u64 = 64;
/// A result that overlaps its input less than this is dropped.
const LEAST_IOU: f64 = 0.6;
/// A result must have at least this share of the input's area, and at most its inverse.
const LEAST_AREA_RATIO: f64 = 0.5;
/// The same two where the masks are known to be coarse.
const LEAST_OF_COARSE: f64 = 0.3;
/// A crop that the network's input shrinks more than this is refined at high resolution by [`Mode::Auto`].
const MOST_SHRINK: f64 = 2.0;

/// A mask of which the networks would change at least this share (1 - `IoU`), and more the smaller it is (see [`least_doubt`]), ...
const LEAST_DOUBT: f64 = 0.04;
/// ... or this one, where its outline is smooth, as those are that a person drew, ...
const LEAST_DOUBT_OF_SMOOTH: f64 = 0.3;
/// ... which it is where it is less ragged than this, or covers so few pixels that any outline is ragged, ...
const RAGGED: f64 = 0.13;
const SMALL: u64 = 32 * 32;
/// ... and whose outline is less crisp than this is drawn anew (at the normal strength; a stronger one asks for less), ...
const CRISP: f32 = 1.3;
/// ... unless its crop is enlarged so much that it has no crisp edges.
const LEAST_SHRINK: f64 = 0.35;
/// Where the refiner would change more than this of a mask (1 - `IoU`), the segmenter has a say.
const LEAST_BOLD: f64 = 0.01;
/// Half the thickness in image pixels, the middle not counted, that a change of a smooth mask must have.
const SMOOTH_REACH: u32 = 3;
/// Parts of a mask too thin for a 3x3 square stay where they are at least so many pixels wide or high.
const LEAST_LENGTH_OF_THIN: u32 = 12;
/// What lies between such parts no farther apart than this stays too.
const MOST_BETWEEN_THIN: u32 = 14;
/// A mask that merely fills its box stays where the segmenter would change less than this of it: some objects do fill theirs.
const LEAST_DOUBT_OF_BOX: f64 = 0.2;
/// A mask that colours alone would draw counts as coarse where so much of it changes by that: some objects have colours of their own.
const LEAST_DOUBT_OF_COLOURS: f64 = 0.09;
/// No network's word counts more than this logit where a mask is drawn anew.
const LOUDEST: f32 = 4.0;
/// How much the segmenter's word counts where a mask is drawn anew; the rest is the refiner's.
const SEEN: f32 = 0.75;

/// How closely the network looks at an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// High resolution where the longer side of the object's crop is more than twice the network's input.
    #[default]
    Auto,
    /// One crop around the object, stretched to the network's input.
    Instance,
    /// First that crop, then tiles at the image's own resolution where the network was least sure.
    HighResolution,
}

/// How to refine.
#[derive(Clone, Debug, PartialEq)]
pub struct RefineOptions {
    /// Time indices of the discrete process, strictly falling to 0.
    pub timesteps: Vec<usize>,
    /// Where the random pixel states come from.
    pub seed: u64,
    /// Whether each pixel takes its more probable state instead of a random one.
    pub deterministic: bool,
    /// How closely to look.
    pub mode: Mode,
    /// How easily a pixel changes: 0 keeps the input, 1 takes the networks' mask; between them a pixel changes
    /// where the network is sure of the other side by (1 - strength) / 2 beyond one half, and where the change is not just
    /// a sliver along the outline: it must be thicker than 2.5 (1 - strength) pixels of the network's
    /// input, and than one of the image. The stronger, the more readily a rough outline is drawn anew.
    pub strength: f32,
    /// Pixels farther than this from the input's outline stay (the larger of the distances along x and y).
    pub band_px: Option<u32>,
    /// Whether the masks are known to be coarse, as those are that somebody brushed in a hurry: no outline counts as good because
    /// it is smooth or crisp, and all may change more.
    pub coarse: bool,
    /// Whether the result is `SegRefiner`'s own: each pixel that the refiner takes for the object with a probability of one
    /// half at least. There is no second opinion, nothing is drawn anew or kept from changing, and strength and band do
    /// not count.
    pub plain: bool,
}

impl RefineOptions {
    /// The [`Self::strength`] that keeps the gain at coarse outlines and spares good ones.
    pub const STRENGTH: f32 = 0.6;

    /// The options for `SegRefiner`'s own result by `network`; the published one takes every step, as for its published
    /// numbers.
    pub fn plain(network: &RefinerConfig) -> Self {
        let usual = Self { plain: true, ..Self::default() };
        if is_published(network) { Self { timesteps: (0..network.timesteps).rev().collect(), ..usual } } else { usual }
    }

    /// How sure the network must be beyond one half before a pixel changes.
    pub(super) fn margin(&self) -> f32 {
        if self.plain { 0.0 } else { 0.5 * (1.0 - self.strength.clamp(0.0, 1.0)) }
    }

    /// Whether a mask of which the networks would change this share (1 - `IoU`) stays, if `least` is changed at the normal
    /// strength.
    fn leaves(&self, change: f64, least: f64) -> bool {
        change <= least * f64::from(self.reserve())
    }

    /// How much speaks against drawing a mask anew: 1 at the normal strength, 0 at full strength, where every mask that the
    /// networks change is.
    fn reserve(&self) -> f32 {
        (1.0 - self.strength.clamp(0.0, 1.0)) / (1.0 - Self::STRENGTH)
    }

    /// Half the thickness in pixels, the middle not counted, that a change must have where one pixel of the network's
    /// input stands for `shrink` pixels of the image.
    fn least_reach(&self, shrink: f64) -> u32 {
        (f64::from(self.margin()) * 2.5 * shrink.min(4.0) - 1e-6).ceil() as u32
    }
}

impl Default for RefineOptions {
    fn default() -> Self {
        Self {
            timesteps: vec![5, 2, 0],
            seed: 0,
            deterministic: false,
            mode: Mode::Auto,
            strength: Self::STRENGTH,
            band_px: None,
            coarse: false,
            plain: false,
        }
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
    /// Whether this is the input: it was too small, it fills the picture, or the result strayed too far from it.
    pub kept_original: bool,
    /// How much changed: 1 - `IoU` with the input.
    pub change: f64,
}

/// A mask on its way through the network.
pub(super) struct Job {
    pub(super) index: usize,
    pub(super) view: View,
    pub(super) coarse: Vec<f32>,
}

impl Job {
    /// The crop around mask `index` for `network`; `None` where that mask is empty.
    pub(super) fn new(image: &RgbImage, index: usize, mask: &Mask, network: &RefinerConfig, options: &RefineOptions) -> Option<Self> {
        let (region, side) = (region(mask.bbox()?, mask.size(), network, options), network.image);
        Some(Self { index, coarse: mask_crop(mask, region, side), view: View::over(image, region, side) })
    }

    /// Whether the mask's outline follows nothing in the picture, and that counts.
    pub(super) fn is_rough(&self, options: &RefineOptions) -> bool {
        if options.plain || options.coarse {
            return options.coarse;
        }
        let coarse: Vec<bool> = self.coarse.iter().map(|&value| value >= 0.5).collect();
        shrink(self.view.region, self.view.side) >= LEAST_SHRINK
            && crispness(&signed(&coarse, self.view.side), &self.view) * options.reserve() < CRISP
    }

    /// What there is to doubt about the mask where the refiner says `patch`: its outline, or so large a change.
    pub(super) fn doubt(&self, patch: &Patch, options: &RefineOptions) -> Option<Doubt> {
        let is_rough = self.is_rough(options);
        let margin = options.margin();
        let sides = self.coarse.iter().zip(&patch.soft).map(|(&coarse, &soft)| (coarse >= 0.5, soft >= threshold(coarse >= 0.5, margin)));
        let is_bold = || !options.plain && 1.0 - metric::cell_iou(sides) > LEAST_BOLD;
        (is_rough || is_bold()).then_some(Doubt { is_rough, opinion: None })
    }

    /// `mask`, this job's, drawn anew, where its outline is rough and both networks together do not agree with it. The refiner's
    /// probabilities are `soft`.
    pub(super) fn redrawn(&self, mask: &Mask, soft: &[f32], doubt: &Doubt, options: &RefineOptions) -> Option<Patch> {
        if !doubt.is_rough {
            return None;
        }
        let refined = soft.iter().map(|&soft| logit(soft).clamp(-LOUDEST, LOUDEST));
        let leaning: Vec<f32> = match &doubt.opinion {
            Some(opinion) => refined.zip(&opinion.soft).map(|(refined, &seen)| SEEN * logit(seen) + (1.0 - SEEN) * refined).collect(),
            None => refined.collect(),
        };
        let agreement = metric::cell_iou(self.coarse.iter().zip(&leaning).map(|(&coarse, &leaning)| (coarse >= 0.5, leaning > 0.0)));
        let least = if options.coarse { 0.0 } else { least_doubt(mask) };
        if options.leaves(1.0 - agreement, least) {
            return None;
        }
        let soft = redrawn(&leaning, &self.view).into_iter().map(|object| f32::from(u8::from(object))).collect();
        Some(Patch { rect: self.view.region, side: self.view.side, soft })
    }
}

/// The random states of the pixels of one mask, or the middle of their range.
pub(super) struct States(Option<Noise>);

impl States {
    pub(super) fn new(options: &RefineOptions) -> Self {
        Self((!options.deterministic).then(|| Noise::new(options.seed)))
    }

    pub(super) fn draw(&mut self) -> f32 {
        self.0.as_mut().map_or(0.5, Noise::uniform)
    }
}

/// The refiner at work.
#[derive(Clone, Copy, Debug)]
pub struct Finisher<'a> {
    /// The network.
    pub refiner: &'a Refiner,
    /// The segmenter, for a second opinion on each mask.
    pub segmenter: Option<&'a Segmenter>,
    /// The device that they lie on.
    pub device: &'a Device,
}

impl Finisher<'_> {
    /// A finer mask for each of `masks`, in the same order. `each` sees every step of every batch.
    ///
    /// # Errors
    /// When a mask is not as large as the image, the time indices do not fall to 0 (or are fewer than two where
    /// [`Mode::HighResolution`] is asked for), `cancel` was raised, or the device failed.
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
        self.walk(options, 0)?;
        if options.mode == Mode::HighResolution && options.timesteps.len() < 2 {
            return Err(StepsError::OnlyOne.into());
        }
        let mut results: Vec<Refinement> = masks.iter().map(kept).collect();
        if options.strength <= 0.0 && !options.plain {
            return Ok(results);
        }
        let boxes = self.boxes(masks, options);
        for (&index, seen) in boxes.iter().zip(self.seen_in(image, masks, &boxes, options, cancel, each)?) {
            results[index] = unboxed(&masks[index], seen, options);
        }
        let is_left = |mask: &Mask| !options.plain && !options.coarse && is_everywhere(mask);
        let has_outline = |(index, mask): &(usize, &Mask)| mask.area() >= SMALLEST_AREA && !boxes.contains(index) && !is_left(mask);
        let outlined: Vec<usize> = masks.iter().enumerate().filter(has_outline).map(|(index, _)| index).collect();
        let (coloured, mut others) = self.drawn_by_colours(image, masks, outlined, options, cancel)?;
        let coarse = RefineOptions { coarse: true, ..options.clone() };
        for (index, refinement) in self.outlines(image, masks, &coloured, &coarse, cancel, each)? {
            if options.leaves(refinement.change, LEAST_DOUBT_OF_COLOURS) {
                others.push(index);
            } else {
                results[index] = refinement;
            }
        }
        for (index, refinement) in self.outlines(image, masks, &others, options, cancel, each)? {
            results[index] = refinement;
        }
        Ok(results)
    }

    /// Those of `indices` whose `masks` colours alone would draw, and all others; nobody is asked where there is no segmenter to
    /// say more.
    fn drawn_by_colours(
        &self,
        image: &RgbImage,
        masks: &[Mask],
        indices: Vec<usize>,
        options: &RefineOptions,
        cancel: &Cancel,
    ) -> Result<(Vec<usize>, Vec<usize>), AssistError> {
        if self.segmenter.is_none() || options.plain || options.coarse {
            return Ok((Vec::new(), indices));
        }
        let judged = |index: usize| stop_if(cancel).map(|()| (index, colours::would_draw(image, &masks[index])));
        let judged: Vec<(usize, bool)> = indices.into_par_iter().map(judged).collect::<Result<_, _>>()?;
        let of = |side: bool| judged.iter().filter(|(_, by_colours)| *by_colours == side).map(|(index, _)| *index).collect();
        Ok((of(true), of(false)))
    }

    /// A finer mask for each of `masks` that `indices` name, with its index, in any order.
    fn outlines(
        &self,
        image: &RgbImage,
        masks: &[Mask],
        indices: &[usize],
        options: &RefineOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(RefineStep),
    ) -> Result<Vec<(usize, Refinement)>, AssistError> {
        let (network, side, size) = (&self.refiner.config, self.refiner.config.image, size_of(image)?);
        let is_close = |&index: &usize| {
            let shrink = masks[index].bbox().map_or(0.0, |bbox| shrink(region(bbox, size, network, options), side));
            options.mode == Mode::HighResolution || options.mode == Mode::Auto && options.timesteps.len() > 1 && shrink > MOST_SHRINK
        };
        let (close, large): (Vec<usize>, Vec<usize>) = indices.iter().partition(|index| is_close(index));
        let mut results = Vec::with_capacity(indices.len());
        for indices in large.chunks(self.at_once()) {
            let jobs: Vec<Job> = indices.iter().filter_map(|&index| Job::new(image, index, &masks[index], network, options)).collect();
            let patches = self.batch(&jobs, options, cancel, each)?;
            let doubts = self.doubts(image, masks, &jobs, &patches, options)?;
            for ((job, doubt), patch) in jobs.iter().zip(doubts).zip(patches) {
                let mask = &masks[job.index];
                let refinement = if options.plain {
                    settled(mask, patch.mask(size), 0, options)
                } else if let Some(patch) = doubt.as_ref().and_then(|doubt| job.redrawn(mask, &patch.soft, doubt, options)) {
                    settled(mask, aligned(patch.corrected(mask, 0.0), &patch, image, frame(size)), 0, options)
                } else {
                    let reach = options.least_reach(shrink(job.view.region, side));
                    settled(mask, agreed(mask, patch.corrected(mask, options.margin()), doubt.as_ref()), reach, options)
                };
                results.push((job.index, refinement));
            }
        }
        for index in close {
            let mask = &masks[index];
            if let Some(refined) = self.high_resolution(image, (index, masks), options, cancel, each)? {
                results.push((index, settled(mask, refined, options.least_reach(1.0), options)));
            }
        }
        Ok(results)
    }

    /// How many masks or tiles go through the network together.
    pub(super) const fn at_once(&self) -> usize {
        at_once(&self.refiner.config)
    }

    /// The walk of `options` over `pixels` pixels.
    pub(super) fn walk(&self, options: &RefineOptions, pixels: usize) -> Result<Walk, StepsError> {
        Walk::new(FineShare::new(self.refiner.config.timesteps), &options.timesteps, pixels)
    }

    /// The network's soft map of each of `jobs`.
    fn batch(
        &self,
        jobs: &[Job],
        options: &RefineOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(RefineStep),
    ) -> Result<Vec<Patch>, AssistError> {
        let (side, count, device) = (self.refiner.config.image, jobs.len(), self.device);
        let mut walk = self.walk(options, count * side * side)?;
        // One stream a mask, so that a result does not depend on the batch around it.
        let mut states: Vec<States> = (0..count).map(|_| States::new(options)).collect();
        let image = planes(jobs.iter().flat_map(|job| job.view.planes()).collect(), [count, 3, side, side], device);
        let coarse: Vec<f32> = jobs.iter().flat_map(|job| job.coarse.iter().copied()).collect();
        let (mut shown, mut step) = (coarse.clone(), 0);
        while let Some(time) = walk.time() {
            stop_if(cancel)?;
            step += 1;
            let mask = planes(shown, [count, 1, side, side], device);
            let logits = read(self.refiner.forward(image.clone(), mask, &vec![time; count]))?;
            let patches: Vec<Patch> =
                jobs.iter().zip(logits.chunks_exact(side * side)).map(|(job, logits)| soft(job.view.region, side, logits)).collect();
            let indices = jobs.iter().map(|job| job.index).collect();
            each(RefineStep { step, of: options.timesteps.len(), indices, masks: patches.clone() });
            let mut pixel = 0;
            let uniform = || {
                pixel += 1;
                states[(pixel - 1) / (side * side)].draw()
            };
            match walk.advance(&logits, &coarse, uniform) {
                Some(next) => shown = next,
                None => return Ok(patches),
            }
        }
        Ok(Vec::new())
    }
}

const fn at_once(config: &RefinerConfig) -> usize {
    if is_published(config) { 1 } else { BATCH }
}

/// Whether the network is as wide as the published one.
const fn is_published(config: &RefinerConfig) -> bool {
    config.base >= WIDE
}

/// The soft mask of `logits` over `region`.
pub(super) fn soft(region: Rect, side: usize, logits: &[f32]) -> Patch {
    Patch { rect: region, side, soft: logits.iter().copied().map(sigmoid).collect() }
}

/// The crop around a mask with the bounds `bbox`.
fn region(bbox: Rect, size: Size, network: &RefinerConfig, options: &RefineOptions) -> Rect {
    if options.plain && is_published(network) { bbox.expanded(PUBLISHED_MARGIN_PX).clipped(size) } else { mask_region(bbox, size) }
}

/// How many image pixels of `region` one of `side` pixels stands for, along the longer side.
fn shrink(region: Rect, side: usize) -> f64 {
    region.width.max(region.height) / side as f64
}

/// The share of a mask (1 - `IoU`) that the networks must change to have it drawn anew: about as many pixels of every size,
/// because that is how far they are off themselves.
fn least_doubt(mask: &Mask) -> f64 {
    if is_smooth(mask) { LEAST_DOUBT_OF_SMOOTH } else { (LEAST_DOUBT_OF_SMOOTH * SMALL as f64 / mask.area() as f64).max(LEAST_DOUBT) }
}

/// Whether the outline is as smooth as one that a person drew.
fn is_smooth(mask: &Mask) -> bool {
    mask.area() < SMALL || morphology::raggedness(mask) < RAGGED
}

fn kept(mask: &Mask) -> Refinement {
    Refinement { mask: mask.clone(), kept_original: true, change: 0.0 }
}

/// `refined`, with `original`'s pixels where a second opinion takes the other side of a change.
pub(super) fn agreed(original: &Mask, refined: Mask, doubt: Option<&Doubt>) -> Mask {
    match doubt.and_then(|doubt| doubt.opinion.as_ref()) {
        Some(opinion) => opinion.vetoed(original, refined),
        None => refined,
    }
}

/// `refined` without slivers, with the thin parts of `original` and within the band that `options` allow, if it passes the guard; as it is where they ask for
/// that.
fn settled(original: &Mask, refined: Mask, least_reach: u32, options: &RefineOptions) -> Refinement {
    if options.plain {
        return Refinement { change: 1.0 - metric::iou(original, &refined), mask: refined, kept_original: false };
    }
    // What a person drew is changed for larger reasons.
    let least_reach = if least_reach > 0 && !options.coarse && is_smooth(original) { least_reach.max(SMOOTH_REACH) } else { least_reach };
    let mut refined = without_slivers(original, refined, least_reach);
    if !options.coarse && options.reserve() > 0.0 {
        keep_thin_parts(original, &mut refined);
    }
    guarded(original, banded(original, refined, options), options)
}

/// `seen`, what the segmenter takes for the object of a box, in the place of the mask that fills it.
fn unboxed(filled: &Mask, seen: Mask, options: &RefineOptions) -> Refinement {
    let mask = banded(filled, seen, options);
    let change = 1.0 - metric::iou(filled, &mask);
    if options.leaves(change, LEAST_DOUBT_OF_BOX) {
        return Refinement { kept_original: false, ..kept(filled) };
    }
    if mask.is_empty() { kept(filled) } else { Refinement { mask, kept_original: false, change } }
}

/// `refined` within the band around the outline of `original` that `options` allow.
fn banded(original: &Mask, refined: Mask, options: &RefineOptions) -> Mask {
    match options.band_px {
        Some(reach) => near_outline(original, &refined, reach),
        None => refined,
    }
}

/// `refined` with those changes only that hold a square of side 2 `reach` + 1: outlines that the network merely draws a
/// little differently stay, so that a mask that was exact remains so.
fn without_slivers(original: &Mask, refined: Mask, reach: u32) -> Mask {
    let bounds = original.bounds().unwrap_or_default().union(refined.bounds().unwrap_or_default());
    if reach == 0 || bounds.is_empty() {
        return refined;
    }
    let window = bounds.grown(reach + 2, original.size());
    let before = original.cropped(window);
    let mut after = refined.cropped(window);
    let mut changed = after.clone();
    for y in 0..window.height {
        for (changed, &before) in changed.row_mut(y).iter_mut().zip(before.row(y)) {
            *changed ^= before;
        }
    }
    let thick = morphology::dilated(&morphology::eroded(&changed, reach, morphology::Border::Neutral), reach + 1);
    for y in 0..window.height {
        for ((after, &before), &thick) in after.row_mut(y).iter_mut().zip(before.row(y)).zip(thick.row(y)) {
            if thick == 0 {
                *after = before;
            }
        }
    }
    let mut result = Mask::new(original.size());
    result.paste(&after, window.x, window.y);
    result
}

/// Gives `refined` the parts of `original` that are too thin for a 3x3 square and long, and what lies between such parts: ropes
/// and antennas, which the networks hardly see, and nobody draws by mistake.
fn keep_thin_parts(original: &Mask, refined: &mut Mask) {
    let reach = MOST_BETWEEN_THIN / 2;
    let Some(window) = original.bounds().map(|bounds| bounds.grown(reach + 1, original.size())) else { return };
    let original = original.cropped(window);
    let mut thin = original.clone();
    let thick = morphology::dilated(&morphology::eroded(&thin, 1, morphology::Border::Neutral), 1);
    for y in 0..window.height {
        for (thin, &thick) in thin.row_mut(y).iter_mut().zip(thick.row(y)) {
            *thin &= 1 - thick;
        }
    }
    let parts = Components::of(&thin, Connectivity::Eight);
    let bounds = parts.bounds();
    let long = parts.drawn(window.size(), |part| bounds[part].width.max(bounds[part].height) >= LEAST_LENGTH_OF_THIN);
    if long.is_empty() {
        return;
    }
    let kept = morphology::eroded(&morphology::dilated(&long, reach), reach, morphology::Border::Neutral);
    let mut after = refined.cropped(window);
    for y in 0..window.height {
        for ((after, &before), &kept) in after.row_mut(y).iter_mut().zip(original.row(y)).zip(kept.row(y)) {
            if kept > 0 {
                *after = before;
            }
        }
    }
    refined.paste(&after, window.x, window.y);
}

/// `refined` up to `reach` pixels from the outline of `original`, which shows everywhere else.
fn near_outline(original: &Mask, refined: &Mask, reach: u32) -> Mask {
    let Some(bounds) = original.bounds() else { return original.clone() };
    let window = bounds.grown(reach.saturating_add(1), original.size());
    let before = original.cropped(window);
    let (outer, inner) = (morphology::dilated(&before, reach), morphology::eroded(&before, reach, morphology::Border::Neutral));
    let mut after = refined.cropped(window);
    for y in 0..window.height {
        for ((after, &outer), &inner) in after.row_mut(y).iter_mut().zip(outer.row(y)).zip(inner.row(y)) {
            *after = *after & outer | inner;
        }
    }
    let mut result = Mask::new(original.size());
    result.paste(&after, window.x, window.y);
    result
}

fn guarded(original: &Mask, refined: Mask, options: &RefineOptions) -> Refinement {
    let (least, least_ratio) = if options.coarse { (LEAST_OF_COARSE, LEAST_OF_COARSE) } else { (LEAST_IOU, LEAST_AREA_RATIO) };
    let overlap = metric::iou(original, &refined);
    let ratio = refined.area() as f64 / original.area().max(1) as f64;
    if overlap < least || !(least_ratio..=least_ratio.recip()).contains(&ratio) {
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
    fn what_goes_through_together_can_be_bound() {
        for config in [RefinerConfig::nano(), RefinerConfig::lite(), RefinerConfig::official()] {
            let side = config.image / config.patchify;
            let widest_bytes = 2 * config.base * side * side * 4 * at_once(&config);
            assert!(widest_bytes < 128 << 20, "{config:?}");
        }
    }

    #[test]
    fn a_plain_result_is_as_the_network_left_it() {
        let (original, plain) = (square(20), RefineOptions::plain(&RefinerConfig::lite()));
        let far = settled(&original, square(12), 0, &RefineOptions { band_px: Some(1), ..plain.clone() });
        assert!(far.mask == square(12) && !far.kept_original && far.change > 0.6, "{}", far.change);
        assert_eq!(plain.least_reach(4.0), 0);
        assert_eq!(plain.timesteps, [5, 2, 0]);
        let published = RefineOptions::plain(&RefinerConfig::official());
        assert_eq!(published.timesteps, [5, 4, 3, 2, 1, 0]);
        let region = |network: RefinerConfig| region(Rect::new(300.0, 60.0, 400.0, 300.0), Size::new(800, 380), &network, &published);
        assert_eq!(region(RefinerConfig::official()), Rect::new(280.0, 40.0, 440.0, 340.0));
        assert_eq!(region(RefinerConfig::lite()), Rect::new(260.0, 30.0, 480.0, 350.0));
    }

    #[test]
    fn the_published_network_sees_the_crops_that_it_knows() {
        let official = RefinerConfig::official();
        let large = Mask::filled(Size::new(800, 380), Rect::new(300.0, 60.0, 400.0, 300.0));
        let image = RgbImage::new(800, 380);
        let view = |options: &RefineOptions| Job::new(&image, 0, &large, &official, options).unwrap().view.region;
        assert_eq!(view(&RefineOptions::plain(&official)), Rect::new(280.0, 40.0, 440.0, 340.0));
        assert_eq!(view(&RefineOptions::default()), Rect::new(260.0, 30.0, 480.0, 350.0));
        assert!(Job::new(&image, 0, &Mask::new(large.size()), &official, &RefineOptions::default()).is_none());
    }

    #[test]
    fn a_result_that_strays_too_far_is_dropped() {
        let original = square(20);
        let guarded = |refined, coarse| guarded(&original, refined, &RefineOptions { coarse, ..RefineOptions::default() });
        assert_eq!(guarded(square(12), false), kept(&original));
        assert_eq!([true, false].map(|coarse| guarded(Mask::new(original.size()), coarse)), [(); 2].map(|()| kept(&original)));
        assert_eq!(guarded(square(12), true).mask, square(12));
        assert_eq!(guarded(square(10), true), kept(&original));
        let close = guarded(square(19), false);
        assert!(!close.kept_original && (close.change - (1.0 - 361.0 / 400.0)).abs() < 1e-12);
    }

    #[test]
    fn a_box_becomes_what_is_seen_in_it_where_that_is_much_less() {
        let filled = square(20);
        let with = |seen: &Mask, strength| unboxed(&filled, seen.clone(), &RefineOptions { strength, ..RefineOptions::default() });
        let same = Refinement { mask: filled.clone(), kept_original: false, change: 0.0 };
        let (most, half) = (square(19), square(15));
        assert_eq!([with(&most, 0.6), with(&half, 0.01)], [same.clone(), same]);
        for (seen, strength) in [(&most, 1.0), (&half, 0.6)] {
            let change = 1.0 - metric::iou(&filled, seen);
            assert_eq!(with(seen, strength), Refinement { mask: seen.clone(), kept_original: false, change });
        }
        assert_eq!(with(&Mask::new(filled.size()), 0.6), kept(&filled));
    }

    #[test]
    fn only_the_band_around_the_outline_changes() {
        let (original, mut refined) = (square(20), square(30));
        refined.set(12, 12, false);
        refined.set(6, 6, false);
        let banded = near_outline(&original, &refined, 3);
        let mut expected = Mask::filled(original.size(), Rect::new(5.0, 5.0, 23.0, 23.0));
        expected.set(6, 6, false);
        assert_eq!(banded, expected, "grown by 3, and the hole in the middle is closed");
        assert_eq!(near_outline(&original, &refined, 0), original);
        assert_eq!(near_outline(&original, &refined, u32::MAX), refined);
    }

    #[test]
    fn full_strength_draws_a_rough_outline_anew() {
        let size = Size::new(300, 300);
        let disc = Mask::from_fn(size, |x, y| x.abs_diff(150).pow(2) + y.abs_diff(150).pow(2) < 8100);
        let image = RgbImage::from_fn(300, 300, |x, y| image::Rgb(if disc.get(x, y) { [200, 40, 40] } else { [40, 160, 60] }));
        let rough = Mask::filled(size, Rect::new(68.0, 72.0, 160.0, 160.0));
        let network = RefinerConfig { image: 128, ..RefinerConfig::nano() };
        let job = Job::new(&image, 0, &rough, &network, &RefineOptions::default()).unwrap();
        let unsure: Vec<f32> = job.coarse.iter().map(|&value| 0.2 + 0.6 * value).collect();
        let opinion = |mask: &Mask| {
            let cells: Vec<bool> = mask_crop(mask, job.view.region, job.view.side).into_iter().map(|value| value >= 0.5).collect();
            let soft = signed(&cells, job.view.side).into_iter().map(|distance| sigmoid(distance / 4.0)).collect();
            Patch { rect: job.view.region, side: job.view.side, soft }
        };
        let with = |opinion: &Patch, strength| {
            let options = RefineOptions { strength, ..RefineOptions::default() };
            let doubt = Doubt { is_rough: true, opinion: Some(opinion.clone()) };
            job.is_rough(&options).then(|| job.redrawn(&rough, &unsure, &doubt, &options))?
        };
        let anew = with(&opinion(&disc), 1.0).unwrap().corrected(&rough, 0.0);
        assert!(metric::iou(&rough, &disc) < 0.9 && metric::iou(&anew, &disc) > 0.98, "{}", metric::iou(&anew, &disc));
        assert_eq!(with(&opinion(&disc), 0.1), None);
        assert_eq!(with(&opinion(&rough), 1.0), None, "nothing to change");
    }

    #[test]
    fn small_masks_are_drawn_anew_for_larger_reasons() {
        // A square whose outline chance gnawed at.
        let gnawed = |side: u32| {
            let is_in = |x: u32, y: u32| x < side && y < side;
            let is_deep = |x: u32, y: u32| x.min(y) > 2 && is_in(x + 3, y + 3);
            Mask::from_fn(Size::new(300, 300), |x, y| is_deep(x, y) || is_in(x, y) && ((x * 7919) ^ (y * 10_007)) % 5 < 3)
        };
        let masks = [40, 60, 120, 280].map(gnawed);
        assert!(!masks.iter().any(is_smooth), "{:?}", masks.each_ref().map(morphology::raggedness));
        let least = masks.each_ref().map(least_doubt);
        let changed_px = [0, 1].map(|index| least[index] * masks[index].area() as f64);
        assert!(changed_px.iter().all(|changed| (changed - 307.2).abs() < 1e-6), "{changed_px:?}");
        assert!(least[2..].iter().all(|least| (least - LEAST_DOUBT).abs() < 1e-9), "{least:?}");
        assert!([gnawed(20), square(20)].iter().all(|mask| (least_doubt(mask) - LEAST_DOUBT_OF_SMOOTH).abs() < 1e-9));
    }

    #[test]
    fn slivers_do_not_change_a_mask() {
        let original = square(20);
        assert_eq!(without_slivers(&original, square(21), 1), original, "one row is no change");
        assert_eq!(without_slivers(&original, square(21), 0), square(21));
        let mut thick = square(20);
        for (x, y) in (28..31).flat_map(|x| (10..16).map(move |y| (x, y))).chain((10..24).map(|x| (x, 4))) {
            thick.set(x, y, true);
        }
        let kept = without_slivers(&original, thick, 1);
        assert!(kept.get(30, 12) && !kept.get(15, 4), "a bump stays, a line goes");
        let edge = Mask::from_fn(original.size(), |x, _| x >= 37);
        let bumped = Mask::from_fn(original.size(), |x, y| x >= 37 || x >= 34 && y < 2);
        assert_eq!(without_slivers(&edge, bumped.clone(), 1), bumped, "the image's border cuts a bump, and does not make it thin");
        assert_eq!(without_slivers(&Mask::new(original.size()), Mask::new(original.size()), 1).area(), 0);
    }

    #[test]
    fn a_rope_stays_and_a_spur_goes() {
        let mut original = square(20);
        (25..38).for_each(|x| original.set(x, 8, true));
        (25..30).for_each(|x| original.set(x, 16, true));
        let with = |options: RefineOptions| settled(&original, square(20), 0, &options).mask;
        let mut roped = square(20);
        (25..38).for_each(|x| roped.set(x, 8, true));
        assert_eq!(with(RefineOptions::default()), roped);
        assert_eq!(with(RefineOptions { coarse: true, ..RefineOptions::default() }), square(20));
        assert_eq!(with(RefineOptions { strength: 1.0, ..RefineOptions::default() }), square(20));
    }

    #[test]
    fn spots_between_ropes_go_and_those_beside_them_stay() {
        let mut original = square(20);
        (25..38).for_each(|x| [8, 18].into_iter().for_each(|y| original.set(x, y, true)));
        let spotted = |y| {
            let mut mask = original.clone();
            (y..y + 3).for_each(|y| (29..33).for_each(|x| mask.set(x, y, true)));
            settled(&original, mask.clone(), 0, &RefineOptions::default()).mask == mask
        };
        assert!(!spotted(11) && spotted(20) && spotted(4));
    }

    #[test]
    fn strength_is_how_little_must_be_certain() {
        let margin = |strength| RefineOptions { strength, ..RefineOptions::default() }.margin();
        assert!([(0.0, 0.5), (0.6, 0.2), (1.0, 0.0)].into_iter().all(|(strength, expected)| (margin(strength) - expected).abs() < 1e-6));
    }
}
