//! Objects that are much larger than the network's input, as `SegRefiner` (Wang et al., 2023) treats high-resolution
//! images: all steps but the last run on a thumbnail, the last one on tiles of the image's own resolution, placed where
//! the thumbnail is least sure and averaged where they overlap.
//!
//! The thumbnail is the object's crop, averaged while it shrinks, and not the whole image by nearest neighbours: that is
//! what the weights have seen. What is in memory beside image and mask is bounded by [`MOST_TILES`].

use std::collections::HashMap;

use image::RgbImage;

use super::crop::mask_crop;
use super::refine::{self, Finisher, Job, RefineOptions, RefineStep, States, soft};
use super::view::View;
use super::{AssistError, Patch, patch, planes, read, stop_if};
use crate::geometry::{Point, Size};
use crate::job::Cancel;
use crate::mask::{Mask, PixelRect};

/// Tiles of one object at most; the least certain ones first.
const MOST_TILES: usize = 256;
/// A thumbnail pixel asks for a tile where its probability to be fine is under this share of the largest one.
const UNSURE: f32 = 0.9;
/// Tiles that overlap more than this are not both used.
const MOST_OVERLAP: f64 = 0.3;

impl Finisher<'_> {
    /// The mask of one large object with the pixels changed that the network is sure of; `None` for an empty mask.
    /// `each` sees the thumbnail after every step and every batch of tiles.
    pub(super) fn high_resolution(
        &self,
        image: &RgbImage,
        (index, masks): (usize, &[Mask]),
        options: &RefineOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(RefineStep),
    ) -> Result<Option<Mask>, AssistError> {
        let (side, mask) = (self.refiner.config.image, &masks[index]);
        let steps = options.timesteps.len() - 1;
        let mut show = |step, of, thumbnail: &Patch| each(RefineStep { step, of, indices: vec![index], masks: vec![thumbnail.clone()] });
        let Some(job) = Job::new(image, index, mask, &self.refiner.config, options) else { return Ok(None) };
        let (coarse, region) = (job.coarse.clone(), job.view.region);
        let colours = planes(job.view.planes(), [1, 3, side, side], self.device);
        let mut walk = self.walk(options, side * side)?;
        let mut states = States::new(options);
        let mut thumbnail = Patch { rect: region, side, soft: coarse.clone() };
        let mut shown = coarse.clone();
        for step in 1..=steps {
            let Some(time) = walk.time() else { break };
            stop_if(cancel)?;
            let input = planes(shown, [1, 1, side, side], self.device);
            let logits = read(self.refiner.forward(colours.clone(), input, &[time]))?;
            thumbnail = soft(region, side, &logits);
            show(step, steps + 1, &thumbnail);
            shown = walk.advance(&logits, &coarse, || states.draw()).unwrap_or_default();
        }
        let doubt = self.doubts(image, masks, std::slice::from_ref(&job), std::slice::from_ref(&thumbnail), options)?.remove(0);
        let anew = doubt.as_ref().and_then(|doubt| job.redrawn(mask, &thumbnail.soft, doubt, options));
        let anew = anew.map(|patch| patch.corrected(mask, 0.0));
        let agreed = || refine::agreed(mask, thumbnail.corrected(mask, options.margin()), doubt.as_ref());
        let mut refined = anew.clone().unwrap_or_else(agreed);
        let mask = anew.as_ref().unwrap_or(mask);
        let tiles = tiles(&thumbnail, walk.fine_probability(), &refined);
        let of = steps + tiles.len().div_ceil(self.at_once());
        let mut maps: Vec<Patch> = Vec::with_capacity(tiles.len());
        for (batch, tiles) in tiles.chunks(self.at_once()).enumerate() {
            stop_if(cancel)?;
            let patches = self.last_step(image, &refined, tiles)?;
            for patch in &patches {
                thumbnail.take(patch);
            }
            show(steps + batch + 1, of, &thumbnail);
            maps.extend(patches);
        }
        let margin = options.margin();
        patch::averaged(&maps, mask.size(), |x, y, soft| refined.set(x, y, soft >= patch::threshold(mask.get(x, y), margin)));
        Ok(Some(refined))
    }

    /// The last step on some tiles of the image.
    fn last_step(&self, image: &RgbImage, mask: &Mask, tiles: &[PixelRect]) -> Result<Vec<Patch>, AssistError> {
        let (side, count) = (self.refiner.config.image, tiles.len());
        let (mut colours, mut coarse) = (Vec::new(), Vec::new());
        for tile in tiles {
            let rect = tile.to_rect();
            colours.extend(View::over(image, rect, side).planes());
            coarse.extend(mask_crop(mask, rect, side));
        }
        let colours = planes(colours, [count, 3, side, side], self.device);
        let coarse = planes(coarse, [count, 1, side, side], self.device);
        let logits = read(self.refiner.forward(colours, coarse, &vec![0; count]))?;
        Ok(tiles.iter().zip(logits.chunks_exact(side * side)).map(|(tile, logits)| soft(tile.to_rect(), side, logits)).collect())
    }
}

/// Tiles of the thumbnail's side (or the image's, where that is smaller) around its unsure pixels, the least sure first;
/// those that `mask` fills or leaves empty have no outline to refine.
fn tiles(thumbnail: &Patch, fine_probability: &[f32], mask: &Mask) -> Vec<PixelRect> {
    let (rect, side, size) = (thumbnail.rect, thumbnail.side, mask.size());
    let limit = UNSURE * fine_probability.iter().copied().fold(0.0, f32::max);
    let mut unsure: Vec<usize> = (0..fine_probability.len()).filter(|&cell| fine_probability[cell] < limit).collect();
    unsure.sort_by(|&a, &b| fine_probability[a].total_cmp(&fine_probability[b]));
    let centre = |cell: usize| {
        let along = |start: f64, length: f64, place: usize| start + (place as f64 + 0.5) * length / side as f64;
        Point::new(along(rect.x, rect.width, cell % side), along(rect.y, rect.height, cell / side))
    };
    let tile = Size::new((side as u32).min(size.width), (side as u32).min(size.height));
    let mut chosen = spread(unsure.into_iter().map(centre), tile, size);
    chosen.retain(|tile| {
        let area = mask.cropped(*tile).area();
        area > 0 && area < tile.size().pixels() as u64
    });
    chosen.truncate(MOST_TILES);
    chosen
}

/// Tiles around `centres`, moved into the image; one that overlaps an earlier one too much is left out. Buckets of a
/// tile's size keep the search among neighbours: there can be tens of thousands of centres.
fn spread(centres: impl Iterator<Item = Point>, tile: Size, image: Size) -> Vec<PixelRect> {
    let place = |centre: f64, length: u32, extent: u32| (centre - f64::from(length) / 2.0).clamp(0.0, f64::from(extent - length)) as u32;
    // IoU > limit of two equal tiles, as a bound on the shared area.
    let most_shared = 2.0 * MOST_OVERLAP / (1.0 + MOST_OVERLAP) * tile.pixels() as f64;
    let overlaps = |a: &PixelRect, b: &PixelRect| a.intersection(*b).size().pixels() as f64 > most_shared;
    let mut buckets: HashMap<(u32, u32), Vec<PixelRect>> = HashMap::new();
    let mut chosen = Vec::new();
    for centre in centres {
        let (x, y) = (place(centre.x, tile.width, image.width), place(centre.y, tile.height, image.height));
        let rect = PixelRect::new(x, y, tile.width, tile.height);
        let (column, row) = (x / tile.width, y / tile.height);
        let near = |step: u32| [step.saturating_sub(1), step, step + 1];
        let mut neighbours = near(row).into_iter().flat_map(|row| near(column).map(|column| (column, row)));
        if neighbours.any(|key| buckets.get(&key).is_some_and(|tiles| tiles.iter().any(|other| overlaps(other, &rect)))) {
            continue;
        }
        buckets.entry((column, row)).or_default().push(rect);
        chosen.push(rect);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assist::crop::frame;
    use crate::geometry::Rect;
    use crate::model::noise::Noise;

    fn iou(a: PixelRect, b: PixelRect) -> f64 {
        let shared = a.intersection(b).size().pixels() as f64;
        shared / (2.0 * a.size().pixels() as f64 - shared)
    }

    #[test]
    fn tiles_are_those_of_a_plain_search() {
        let (tile, image) = (Size::new(256, 256), Size::new(3000, 2000));
        let mut noise = Noise::new(4);
        let centres: Vec<Point> = (0..3000).map(|_| Point::new(noise.between(0.0, 3000.0), noise.between(0.0, 2000.0))).collect();
        let mut plain: Vec<PixelRect> = Vec::new();
        for centre in &centres {
            let start = |v: f64, extent: f64| (v - 128.0).clamp(0.0, extent - 256.0) as u32;
            let rect = PixelRect::new(start(centre.x, 3000.0), start(centre.y, 2000.0), 256, 256);
            if plain.iter().all(|other| iou(*other, rect) <= 0.3) {
                plain.push(rect);
            }
        }
        assert_eq!(spread(centres.into_iter(), tile, image), plain);
        assert!(plain.len() > 60);
    }

    #[test]
    fn tiles_lie_on_unsure_outlines_and_in_the_image() {
        let size = Size::new(1200, 90);
        let mask = Mask::filled(size, Rect::new(0.0, 0.0, 600.0, 90.0));
        let thumbnail = Patch { rect: frame(size), side: 64, soft: vec![0.5; 64 * 64] };
        let sure: Vec<f32> = (0..64 * 64).map(|cell| if (30..34).contains(&(cell % 64)) || cell % 64 > 60 { 0.1 } else { 0.8 }).collect();
        let tiles = tiles(&thumbnail, &sure, &mask);
        assert!(!tiles.is_empty() && tiles.iter().all(|tile| tile.x < 600 && tile.right() > 600 && tile.bottom() <= 90), "{tiles:?}");
        assert!(super::tiles(&thumbnail, &vec![0.8; 64 * 64], &mask).is_empty(), "nothing is unsure");
        let small = Mask::filled(Size::new(40, 300), Rect::new(0.0, 0.0, 40.0, 150.0));
        let thumbnail = Patch { rect: frame(small.size()), ..thumbnail };
        let half: Vec<f32> = (0..64 * 64).map(|cell| if cell / 64 == 32 { 0.0 } else { 0.8 }).collect();
        assert!(super::tiles(&thumbnail, &half, &small).iter().all(|tile| (tile.width, tile.height) == (40, 64)));
    }
}
