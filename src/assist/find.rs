//! Objects like some that are there, without boxes: boxes of their sizes are laid over the image, and in what the segmenter
//! takes for the object of each lies its next box, so that they walk onto objects; those that come together are one.
//!
//! That is `DiffusionInst`'s way from noisy boxes to objects (Gu et al. 2022) with the segmenter in the place of a head of
//! its own. What is kept is what the network thinks well of and whose features are near those of an object that is looked
//! for, in the way of few-shot prototypes: the network has no idea what an object is that nobody has shown it.

use std::sync::Arc;

use image::RgbImage;
use rayon::prelude::*;

use super::crop::{box_region, shares};
use super::prompt::ExemplarCrop;
use super::propose::Proposer;
use super::view::View;
use super::{AssistError, planes, read, size_of, stop_if};
use crate::geometry::{Rect, Size};
use crate::job::Cancel;
use crate::mask::Mask;
use crate::mask::component::{Components, Connectivity};
use crate::model::noise::Noise;
use crate::model::segmenter::{Exemplar, mean_of};

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
const MOST_KEPT: usize = 500;
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
/// A box that is larger than this, in times, does not take what lies in it.
const LARGER: f64 = 4.0;
/// The areas of what is kept, in times the smallest and the largest one of those that are looked for.
const AREAS: [f64; 2] = [0.2, 5.0];
/// What is sure has at least this quality times squared likeness. On 10 images of nuclei with three known ones all that is
/// sure are nuclei, and .55 of the others are found; of balloons on 8 photos .93 and .41.
const SURE: f32 = 0.6;
/// What is kept besides has at least this, for whoever looks at each.
const POSSIBLE: f32 = 0.45;
/// No more than these are kept besides.
const MOST_POSSIBLE: usize = 20;

/// A box of an object that was looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// In image coordinates.
    pub rect: Rect,
    /// The quality that the network expects of the object's mask, times its squared likeness.
    pub score: f32,
}

impl Found {
    /// Whether hardly any like it is none of the objects that were looked for.
    pub fn is_sure(&self) -> bool {
        self.score >= SURE
    }
}

/// A box on its way to an object.
struct Walker {
    /// The next box: that of what the network takes for the object.
    rect: Rect,
    /// How far the box stayed where it was, in [0, 1].
    steadiness: f32,
    /// The quality that the network expects of the object's mask, times its squared likeness.
    score: f32,
}

impl Proposer<'_> {
    /// Boxes of objects like those of `like`, of this image or others, the surest first and some that are not sure last; none
    /// where [`is_taken`] says so.
    ///
    /// `each` gets how many boxes were looked at in all rounds, and of how many; that is an estimate, and only goes down.
    ///
    /// # Errors
    /// When the image has no pixels, `cancel` was raised, or the device failed.
    pub fn find(
        &self,
        image: &RgbImage,
        like: &[Arc<ExemplarCrop>],
        taken: &[Rect],
        cancel: &Cancel,
        each: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Found>, AssistError> {
        let size = size_of(image)?;
        let encoded = like.iter().map(|crop| self.memory.exemplar(crop, || self.exemplar(crop)));
        let encoded: Vec<Exemplar> = encoded.collect::<Result<_, AssistError>>()?;
        let mut areas: Vec<f64> = like.iter().map(|crop| crop.box_area_px).collect();
        areas.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (areas.first(), areas.last()) else { return Ok(Vec::new()) };
        let wanted = least * AREAS[0]..=most * AREAS[1];

        let mut boxes = laid(size, &sides(&areas));
        let mut found: Vec<Walker> = Vec::new();
        let mut looked_at = 0;
        for round in 1..=ROUNDS {
            let mut walkers = Vec::new();
            let all = in_all(looked_at, boxes.len(), round);
            for some in boxes.chunks(BATCH) {
                stop_if(cancel)?;
                each(looked_at, all);
                looked_at += some.len();
                walkers.extend(self.walked(image, some, size, &encoded)?);
            }
            walkers.retain(|walker| wanted.contains(&walker.rect.area()) && !is_taken(walker.rect, taken));
            if round == ROUNDS {
                found = best(walkers);
            } else {
                let apart = distinct(walkers, |walker| walker.score * walker.steadiness, |a, b| a.iou(b) > SAME);
                boxes = apart.iter().map(|walker| walker.rect).take(MOST_KEPT).collect();
            }
        }
        Ok(found.into_iter().map(|Walker { rect, score, .. }| Found { rect, score }).collect())
    }

    /// Each of `boxes` after its next step; those in which nothing is seen are gone.
    fn walked(&self, image: &RgbImage, boxes: &[Rect], size: Size, like: &[Exemplar]) -> Result<Vec<Walker>, AssistError> {
        let input: Vec<f32> = boxes.par_iter().flat_map_iter(|&rect| View::new(image, rect, SIDE).input()).collect();
        let (count, shape) = (boxes.len(), [boxes.len(), 1, GRID, GRID]);
        let features = self.segmenter.encoder.forward(planes(input, [count, 5, SIDE, SIDE], self.device));
        let noise = planes(Noise::new(0).normals(GRID * GRID).repeat(count), shape, self.device);
        let blank = planes(vec![0.0; count * GRID * GRID], shape, self.device);
        let said = self.segmenter.denoise(&features, noise, &vec![1.0; count], blank, None);
        let (logits, quality, f16) = (read(said.logits)?, read(said.quality)?, read(features.f16)?);
        let of = |length: usize, index: usize| index * (length / count)..(index + 1) * (length / count);
        let step = |(index, &from): (usize, &Rect)| {
            let object = largest(&logits[of(logits.len(), index)])?;
            let (cells, region) = (object.bbox()?, box_region(from));
            let (sx, sy) = (region.width / GRID as f64, region.height / GRID as f64);
            let next = Rect::new(region.x + cells.x * sx, region.y + cells.y * sy, cells.width * sx, cells.height * sy).clipped(size);
            let inside: Vec<f32> = object.bytes().iter().map(|&inside| f32::from(inside)).collect();
            let features = mean_of(&f16[of(f16.len(), index)], &shares(&inside, CELLS));
            let likeness = like.iter().map(|exemplar| cosine(exemplar.mean(), &features)).fold(0.0, f32::max);
            let (steadiness, score) = (from.iou(next) as f32, quality[index] * likeness * likeness);
            next.is_drawable().then_some(Walker { rect: next, steadiness, score })
        };
        Ok(boxes.iter().enumerate().filter_map(step).collect())
    }
}

/// The sides of the first boxes, from sorted areas: one for objects of about one size, else two.
fn sides(areas: &[f64]) -> Vec<f64> {
    let side = |at: usize| areas[at].sqrt() * ROOM;
    let last = areas.len() - 1;
    if side(last) > 1.5 * side(0) { vec![side(0), side(last)] } else { vec![side(areas.len() / 2)] }
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

/// How many boxes all rounds look at, from `boxes` of this round on: later ones have no more, and not more than are kept.
fn in_all(looked_at: usize, boxes: usize, round: usize) -> usize {
    looked_at + boxes + (ROUNDS - round) * boxes.min(MOST_KEPT)
}

/// What is sure, each object once, and what is possible besides, the surest first.
fn best(mut walkers: Vec<Walker>) -> Vec<Walker> {
    walkers.retain(|walker| walker.score >= POSSIBLE);
    let mut found = distinct(walkers, |walker| walker.score, is_copy);
    let sure = found.partition_point(|walker| walker.score >= SURE);
    found.truncate(sure + MOST_POSSIBLE);
    found
}

/// The largest connected part of what a grid of logits takes for the object.
fn largest(logits: &[f32]) -> Option<Mask> {
    let size = Size::new(GRID as u32, GRID as u32);
    let mask = Mask::from_fn(size, |x, y| logits[y as usize * GRID + x as usize] > 0.0);
    let parts = Components::of(&mask, Connectivity::Eight);
    let part = (0..parts.len()).max_by_key(|&part| parts.areas()[part])?;
    Some(Mask::from_fn(size, |x, y| parts.part_at(x, y) == Some(part)))
}

/// The largest by `worth` come first; those that are a copy of one before are left out.
fn distinct(mut walkers: Vec<Walker>, worth: impl Fn(&Walker) -> f32, is_copy: impl Fn(Rect, Rect) -> bool) -> Vec<Walker> {
    walkers.sort_by(|a, b| worth(b).total_cmp(&worth(a)));
    let mut kept: Vec<Walker> = Vec::new();
    for walker in walkers {
        if kept.iter().all(|other| !is_copy(walker.rect, other.rect)) {
            kept.push(walker);
        }
    }
    kept
}

/// Whether two boxes stand for one object.
fn is_copy(a: Rect, b: Rect) -> bool {
    a.iou(b) > COPY || a.shared(b) > WITHIN * a.area().min(b.area())
}

/// Whether one of the boxes `taken` holds the object of `rect`; much larger ones hold others too, as a bowl holds apples.
pub fn is_taken(rect: Rect, taken: &[Rect]) -> bool {
    taken.iter().any(|&other| is_copy(rect, other) && other.area() <= LARGER * rect.area())
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
        assert_eq!(sides(&[100.0, 121.0, 144.0]), [11.0 * ROOM]);
        assert_eq!(sides(&[100.0, 900.0]), [10.0 * ROOM, 30.0 * ROOM]);
    }

    #[test]
    fn a_copy_is_left_out_and_the_surest_stays() {
        let walker = |x: f64, score| Walker { rect: Rect::new(x, 0.0, 10.0, 10.0), steadiness: 1.0, score };
        let kept = distinct(vec![walker(1.0, 0.8), walker(0.0, 0.9), walker(20.0, 0.7)], |walker| walker.score, is_copy);
        assert_eq!(kept.iter().map(|walker| walker.rect.x).collect::<Vec<_>>(), [0.0, 20.0]);
    }

    #[test]
    fn what_is_less_sure_comes_after_what_is_sure_and_is_no_copy_of_it() {
        let walker = |x: f64, score| Walker { rect: Rect::new(x, 0.0, 10.0, 10.0), steadiness: 1.0, score };
        let some = vec![walker(20.0, 0.5), walker(0.0, 0.9), walker(1.0, 0.55), walker(40.0, 0.4), walker(60.0, 0.7)];
        let kept: Vec<f64> = best(some).iter().map(|walker| walker.rect.x).collect();
        assert_eq!(kept, [0.0, 60.0, 20.0]);
        let many = (0..100).map(|at: u8| walker(f64::from(at) * 20.0, if at < 30 { 0.5 } else { 0.8 })).collect();
        assert_eq!(best(many).len(), 70 + MOST_POSSIBLE, "all that are sure, and a few besides");
        let found = |score| Found { rect: Rect::default(), score };
        assert!(found(0.6).is_sure() && !found(0.59).is_sure());
    }

    #[test]
    fn the_share_of_all_rounds_that_is_done_never_goes_down() {
        for rounds in [[475, 331, 249], [2000, 500, 500], [4, 0, 0], [16, 16, 16]] {
            let (mut looked_at, mut last) = (0, 0.0);
            for (round, boxes) in (1..).zip(rounds) {
                let all = in_all(looked_at, boxes, round);
                for part in 0..=boxes {
                    let share = (looked_at + part) as f64 / all as f64;
                    assert!(share >= last && share <= 1.0, "{rounds:?}: {share} after {last}");
                    last = share;
                }
                looked_at += boxes;
            }
            assert!((last - 1.0).abs() < 1e-9, "{rounds:?}: {last}");
        }
    }

    #[test]
    fn a_known_object_is_not_found_again_and_what_holds_others_hides_nothing() {
        let rect = |x: f64, side: f64| Rect::new(x, 0.0, side, side);
        assert!(is_taken(rect(1.0, 10.0), &[rect(50.0, 10.0), rect(0.0, 10.0)]));
        assert!(is_taken(rect(1.0, 10.0), &[rect(0.0, 15.0)]), "a part of it");
        assert!(!is_taken(rect(1.0, 10.0), &[rect(0.0, 100.0)]));
        assert!(!is_taken(rect(20.0, 10.0), &[rect(0.0, 15.0)]));
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
