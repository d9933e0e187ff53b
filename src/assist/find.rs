//! Objects like some that are there, without boxes: boxes of their sizes are laid over the image, and in what the segmenter
//! takes for the object of each lies its next box, so that they walk onto objects; those that come together are one.
//!
//! That is `DiffusionInst`'s way from noisy boxes to objects (Gu et al. 2022) with the segmenter in the place of a head of
//! its own. What is kept is what the network thinks well of and whose features are near those of an object that is looked
//! for, in the way of few-shot prototypes: the network has no idea what an object is that nobody has shown it.

use image::RgbImage;
use rayon::prelude::*;

use super::crop::{box_region, mask_crop};
use super::propose::Proposer;
use super::view::View;
use super::{AssistError, planes, read, size_of, stop_if};
use crate::geometry::{Rect, Size};
use crate::job::Cancel;
use crate::mask::Mask;
use crate::mask::component::{Components, Connectivity};
use crate::model::noise::Noise;

/// No more objects than these are looked for together.
pub const MOST_LIKE: usize = 8;
/// The side of the crops, in pixels: coarse, as only boxes are wanted.
const SIDE: usize = 128;
/// The side of their masks.
const GRID: usize = SIDE / 2;
/// The side of the features that tell objects apart.
const CELLS: usize = SIDE / 16;
/// The first boxes are so much larger than the objects, in times.
const ROOM: f64 = 1.15;
/// From one of the first boxes to the next, in sides.
const STRIDE: f64 = 0.5;
/// No more first boxes than these; they lie farther apart where there would be.
const MOST_BOXES: usize = 2000;
/// No more boxes than these go into the next round.
const MOST_KEPT: usize = 300;
/// How often boxes move.
const ROUNDS: usize = 3;
/// Boxes that go through the network together.
const BATCH: usize = 16;
/// Boxes that overlap more than this walk on as one ...
const SAME: f64 = 0.7;
/// ... and more than this stand for one object in the end, also with one that is known.
const COPY: f64 = 0.4;
/// A box that lies in another with so much of it shows a part of that one's object.
const WITHIN: f64 = 0.7;
/// The areas of what is kept, in times the smallest and the largest one of those that are looked for.
const AREAS: [f64; 2] = [0.2, 5.0];
/// What is kept has at least this quality times squared likeness. On 10 images of nuclei with three known ones .99 of what
/// is kept are nuclei, and .51 of them are found; of balloons on 8 photos .79 and .65.
const ENOUGH: f32 = 0.6;

/// A box on its way to an object.
#[derive(Clone)]
struct Walker {
    /// The next box: that of what the network takes for the object.
    rect: Rect,
    /// What the network expects of its mask, times how far the box stayed where it was.
    promise: f32,
    quality: f32,
    /// The mean of the features in the mask.
    features: Vec<f32>,
}

impl Proposer<'_> {
    /// Boxes of objects like those of `like`, the surest first; none where an object with a box of `taken` lies.
    ///
    /// `each` gets the boxes that are looked at and how many there are, by the round.
    ///
    /// # Errors
    /// When the image has no pixels, a mask another size, `cancel` was raised, or the device failed.
    pub fn find(
        &self,
        image: &RgbImage,
        like: &[Mask],
        taken: &[Rect],
        cancel: &Cancel,
        each: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Rect>, AssistError> {
        let size = size_of(image)?;
        if let Some((index, mask)) = like.iter().enumerate().find(|(_, mask)| mask.size() != size) {
            return Err(AssistError::MaskSize { index, mask: mask.size(), image: size });
        }
        let known: Vec<(Rect, &Mask)> = like.iter().filter_map(|mask| Some((mask.bbox()?, mask))).take(MOST_LIKE).collect();
        let rects: Vec<Rect> = known.iter().map(|(rect, _)| *rect).collect();
        let looked_for = self.seen(image, &rects, |index, view| mask_crop(known[index].1, view.region, GRID))?;
        let areas = rects.iter().map(|rect| rect.area());
        let (least, most) = (areas.clone().fold(f64::INFINITY, f64::min) * AREAS[0], areas.fold(0.0, f64::max) * AREAS[1]);

        let mut boxes = laid(size, &sides(&rects));
        let mut found = Vec::new();
        for round in 0..ROUNDS {
            found.clear();
            for (done, part) in boxes.chunks(BATCH).enumerate() {
                stop_if(cancel)?;
                each(round * boxes.len() + done * BATCH, ROUNDS * boxes.len());
                found.extend(self.walked(image, part, size)?);
            }
            found.retain(|walker| (least..=most).contains(&walker.rect.area()));
            found.sort_by(|a, b| b.promise.total_cmp(&a.promise));
            found = distinct(std::mem::take(&mut found), |a, b| overlap(a, b) > SAME);
            found.truncate(MOST_KEPT);
            boxes = found.iter().map(|walker| walker.rect).collect();
        }

        let score = |walker: &Walker| {
            let likeness = looked_for.iter().map(|(_, features)| cosine(features, &walker.features)).fold(0.0, f32::max);
            walker.quality * likeness * likeness
        };
        let free = |rect: Rect| taken.iter().all(|&other| overlap(rect, other) <= COPY && shared(rect, other) <= WITHIN * rect.area());
        let scored = found.into_iter().map(|walker| Walker { promise: score(&walker), ..walker });
        let mut scored: Vec<Walker> = scored.filter(|walker| walker.promise >= ENOUGH && free(walker.rect)).collect();
        scored.sort_by(|a, b| b.promise.total_cmp(&a.promise));
        let is_copy = |a: Rect, b: Rect| overlap(a, b) > COPY || shared(a, b) > WITHIN * a.area().min(b.area());
        Ok(distinct(scored, is_copy).into_iter().map(|walker| walker.rect).collect())
    }

    /// The quality that the network expects of an object in each of `boxes`, and the mean of its features in the mask that
    /// `share` gives on a grid of [`GRID`] cells a side.
    fn seen(
        &self,
        image: &RgbImage,
        boxes: &[Rect],
        share: impl Fn(usize, &View) -> Vec<f32>,
    ) -> Result<Vec<(f32, Vec<f32>)>, AssistError> {
        if boxes.is_empty() {
            return Ok(Vec::new());
        }
        let looked = self.looked(image, boxes)?;
        let shares = looked.views.iter().enumerate().map(|(index, view)| share(index, view));
        Ok(shares.enumerate().map(|(index, share)| (looked.quality[index], looked.features(index, &share))).collect())
    }

    /// Each of `boxes` after its next step; those in which nothing is seen are gone.
    fn walked(&self, image: &RgbImage, boxes: &[Rect], size: Size) -> Result<Vec<Walker>, AssistError> {
        let looked = self.looked(image, boxes)?;
        let step = |(index, &from): (usize, &Rect)| {
            let object = largest(&looked.logits[index * GRID * GRID..][..GRID * GRID])?;
            let (cells, region) = (object.bbox()?, box_region(from));
            let (sx, sy) = (region.width / GRID as f64, region.height / GRID as f64);
            let next = Rect::new(region.x + cells.x * sx, region.y + cells.y * sy, cells.width * sx, cells.height * sy).clipped(size);
            let share: Vec<f32> = object.bytes().iter().map(|&inside| f32::from(inside)).collect();
            let quality = looked.quality[index];
            let promise = quality * overlap(from, next) as f32;
            next.is_drawable().then(|| Walker { rect: next, promise, quality, features: looked.features(index, &share) })
        };
        Ok(boxes.iter().enumerate().filter_map(step).collect())
    }

    fn looked(&self, image: &RgbImage, boxes: &[Rect]) -> Result<Looked, AssistError> {
        let views: Vec<View> = boxes.par_iter().map(|&rect| View::new(image, rect, SIDE)).collect();
        let input: Vec<f32> = views.par_iter().flat_map_iter(View::input).collect();
        let (count, shape) = (boxes.len(), [boxes.len(), 1, GRID, GRID]);
        let features = self.segmenter.encoder.forward(planes(input, [count, 5, SIDE, SIDE], self.device));
        let noise = planes(Noise::new(0).normals(GRID * GRID).repeat(count), shape, self.device);
        let blank = planes(vec![0.0; count * GRID * GRID], shape, self.device);
        let said = self.segmenter.denoise(&features, noise, &vec![1.0; count], blank, None);
        Ok(Looked { views, logits: read(said.logits)?, quality: read(said.quality)?, f16: read(features.f16)? })
    }
}

/// What the network says of some boxes.
struct Looked {
    views: Vec<View>,
    logits: Vec<f32>,
    quality: Vec<f32>,
    f16: Vec<f32>,
}

impl Looked {
    /// The mean of the features of box `index` in the mask `share`, one value a channel.
    fn features(&self, index: usize, share: &[f32]) -> Vec<f32> {
        let mut weights = [0.0_f32; CELLS * CELLS];
        for (at, value) in share.iter().enumerate() {
            weights[at / GRID * CELLS / GRID * CELLS + at % GRID * CELLS / GRID] += value;
        }
        let total: f32 = weights.iter().sum::<f32>().max(1e-6);
        let length = self.f16.len() / self.views.len();
        let channels = self.f16[index * length..][..length].chunks_exact(CELLS * CELLS);
        channels.map(|channel| channel.iter().zip(&weights).map(|(value, weight)| value * weight).sum::<f32>() / total).collect()
    }
}

/// The sides of the first boxes: one for objects of about one size, else two.
fn sides(rects: &[Rect]) -> Vec<f64> {
    let mut sides: Vec<f64> = rects.iter().map(|rect| rect.area().sqrt()).collect();
    sides.sort_by(f64::total_cmp);
    match (sides.first(), sides.last()) {
        (Some(&least), Some(&most)) if most > 1.5 * least => vec![least * ROOM, most * ROOM],
        (Some(_), _) => vec![sides[sides.len() / 2] * ROOM],
        _ => Vec::new(),
    }
}

/// Squares of `sides` evenly over an image of `size`.
fn laid(size: Size, sides: &[f64]) -> Vec<Rect> {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let places = |extent: f64, side: f64, stride: f64| -> Vec<f64> {
        let steps = ((extent - side).max(0.0) / stride).ceil() as usize;
        (0..=steps).map(|step| (extent - side).max(0.0) * step as f64 / steps.max(1) as f64).collect()
    };
    let mut boxes = Vec::new();
    for &side in sides {
        let fits = (width / (STRIDE * side)).max(1.0) * (height / (STRIDE * side)).max(1.0);
        let stride = STRIDE * side * (fits * sides.len() as f64 / MOST_BOXES as f64).sqrt().max(1.0);
        for y in places(height, side, stride) {
            boxes.extend(places(width, side, stride).into_iter().map(|x| Rect::new(x, y, side.min(width), side.min(height))));
        }
    }
    boxes
}

/// The largest connected part of what a grid of logits takes for the object.
fn largest(logits: &[f32]) -> Option<Mask> {
    let size = Size::new(GRID as u32, GRID as u32);
    let mask = Mask::from_fn(size, |x, y| logits[y as usize * GRID + x as usize] > 0.0);
    let parts = Components::of(&mask, Connectivity::Eight);
    let part = (0..parts.len()).max_by_key(|&part| parts.areas()[part])?;
    Some(Mask::from_fn(size, |x, y| parts.part_at(x, y) == Some(part)))
}

/// Those that are no copy of one before.
fn distinct(walkers: Vec<Walker>, is_copy: impl Fn(Rect, Rect) -> bool) -> Vec<Walker> {
    let mut kept: Vec<Walker> = Vec::new();
    for walker in walkers {
        if kept.iter().all(|other| !is_copy(walker.rect, other.rect)) {
            kept.push(walker);
        }
    }
    kept
}

/// The area that two boxes share.
fn shared(a: Rect, b: Rect) -> f64 {
    let width = a.right().min(b.right()) - a.x.max(b.x);
    let height = a.bottom().min(b.bottom()) - a.y.max(b.y);
    width.max(0.0) * height.max(0.0)
}

/// The `IoU` of two boxes.
fn overlap(a: Rect, b: Rect) -> f64 {
    let shared = shared(a, b);
    shared / (a.area() + b.area() - shared).max(f64::MIN_POSITIVE)
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_cover_the_image_and_are_never_too_many() {
        let size = Size::new(200, 100);
        let boxes = laid(size, &[40.0]);
        assert!(boxes.iter().all(|rect| rect.x >= 0.0 && rect.right() <= 200.0 && rect.bottom() <= 100.0));
        for (x, y) in [(0.0, 0.0), (199.0, 99.0), (101.0, 53.0)] {
            assert!(boxes.iter().any(|rect| rect.contains(crate::geometry::Point::new(x, y))), "{x}, {y}");
        }
        assert_eq!(boxes.len(), 9 * 4);
        assert!(laid(Size::new(20_000, 20_000), &[10.0, 30.0]).len() < MOST_BOXES * 11 / 10);
        assert_eq!(laid(Size::new(10, 10), &[40.0]), [Rect::new(0.0, 0.0, 10.0, 10.0)], "larger than the image");
    }

    #[test]
    fn objects_of_two_sizes_are_looked_for_in_both() {
        let rect = |side: f64| Rect::new(0.0, 0.0, side, side);
        assert_eq!(sides(&[rect(10.0), rect(12.0), rect(11.0)]), [11.0 * ROOM]);
        assert_eq!(sides(&[rect(10.0), rect(30.0)]), [10.0 * ROOM, 30.0 * ROOM]);
        assert!(sides(&[]).is_empty());
    }

    #[test]
    fn a_copy_is_left_out_and_the_first_stays() {
        let walker = |x: f64, promise| Walker { rect: Rect::new(x, 0.0, 10.0, 10.0), promise, quality: promise, features: Vec::new() };
        let kept = distinct(vec![walker(0.0, 0.9), walker(1.0, 0.8), walker(20.0, 0.7)], |a, b| overlap(a, b) > SAME);
        assert_eq!(kept.iter().map(|walker| walker.rect.x).collect::<Vec<_>>(), [0.0, 20.0]);
    }

    #[test]
    fn the_largest_part_is_the_object() {
        let mut logits = vec![-1.0; GRID * GRID];
        logits[0] = 3.0;
        (10 * GRID + 10..10 * GRID + 14).for_each(|at| logits[at] = 1.0);
        assert_eq!(largest(&logits).unwrap().bbox(), Some(Rect::new(10.0, 10.0, 4.0, 1.0)));
        assert!(largest(&[-1.0; GRID * GRID]).is_none());
    }
}
