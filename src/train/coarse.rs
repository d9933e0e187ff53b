//! Coarse masks made from true ones, as inputs for the refiner.
//!
//! `SegRefiner` (Wang et al., 2023, after `CascadePSP`) grows and shrinks random windows until the overlap with the truth
//! falls under a target. A refiner that never sees a good mask learns to spoil it, so the target reaches up to .98 and
//! some masks stay as they are; others go through a grid of few cells, as a network's small output does, have an outline
//! that wobbles, or lose their holes. Kinds and shares are those that the weights were trained with
//! (`synthetic` of `tests/reference/data.py`), so that fine-tuning goes on where that ended.

use crate::assist::Patch;
use crate::assist::crop::{frame, mask_crop, mask_region, resampled};
use crate::geometry::{Point, Size};
use crate::mask::distance::signed;
use crate::mask::morphology::fill_holes;
use crate::mask::{Mask, brush, metric, polygon};
use crate::model::noise::Noise;

/// How a mask is made coarse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Random windows grown or shrunk until the `IoU` falls under this.
    Perturbed(f64),
    /// Through a grid of few cells and back, as a network's small output.
    Grid,
    /// Outlines through a tenth of their points, a part cut off, as of hasty clicks.
    Polygon,
    /// Strokes of a broad brush, their ends and lines missed by up to half of it.
    Brushed,
}

/// `truth` with `fault`; never empty unless `truth` is. The work is done on a square of `side` pixels around the object, so
/// that errors scale with it; pixels on which the fault has no say keep the truth's full resolution.
pub fn faulty(truth: &Mask, fault: Fault, side: usize, noise: &mut Noise) -> Mask {
    let Some(bounds) = truth.bbox() else { return truth.clone() };
    let rect = mask_region(bounds, truth.size());
    let pixels = mask_crop(truth, rect, side);
    let small = Mask::from_fn(Size::new(side as u32, side as u32), |x, y| pixels[y as usize * side + x as usize] >= 0.5);
    let coarse = match fault {
        Fault::Perturbed(target) => perturbed(small.clone(), &small, target, noise),
        Fault::Grid => through_grid(&small, noise),
        Fault::Polygon => thinned(&small, 0.1, noise),
        Fault::Brushed => brushed(&small, noise),
    };
    let pasted = |mask: &Mask| {
        let soft = mask.bytes().iter().map(|&value| f32::from(value)).collect();
        Patch { rect, side, soft }.corrected(&Mask::new(truth.size()), 0.0)
    };
    let (before, after) = (pasted(&small), pasted(&coarse));
    let mut result = truth.clone();
    for y in 0..truth.size().height {
        for ((result, before), after) in result.row_mut(y).iter_mut().zip(before.row(y)).zip(after.row(y)) {
            if before != after {
                *result = *after;
            }
        }
    }
    if result.is_empty() { truth.clone() } else { result }
}

/// A coarse version of a square `truth`; never empty unless `truth` is.
pub fn synthesised(truth: &Mask, noise: &mut Noise) -> Mask {
    let kind = noise.uniform();
    let coarse = if kind < 0.17 {
        truth.clone()
    } else if kind < 0.5 {
        misdrawn(truth, noise.between(0.7, 0.98), noise)
    } else if kind < 0.68 {
        through_grid(truth, noise)
    } else if kind < 0.9 {
        wobbled(truth, noise)
    } else {
        expanded(truth, noise)
    };
    if coarse.is_empty() { truth.clone() } else { coarse }
}

/// `truth` through some of its outlines' points, then perturbed until the `IoU` with it is under `target`.
pub(super) fn misdrawn(truth: &Mask, target: f64, noise: &mut Noise) -> Mask {
    let drawn = thinned(truth, noise.between(0.1, 0.5), noise);
    perturbed(if drawn.is_empty() { truth.clone() } else { drawn }, truth, target, noise)
}

/// Random windows grown or shrunk until the `IoU` with `truth` is under `target`.
fn perturbed(mut mask: Mask, truth: &Mask, target: f64, noise: &mut Noise) -> Mask {
    let size = truth.size();
    for _ in 0..250 {
        if metric::iou(&mask, truth) < target {
            break;
        }
        for _ in 0..4 {
            let (left, top) = (noise.below(size.width as usize), noise.below(size.height as usize));
            let width = 1 + noise.below(size.width as usize - left);
            let height = 1 + noise.below(size.height as usize - top);
            if noise.chance(0.25) {
                mask.set((left + width / 2) as u32, (top + height / 2) as u32, noise.chance(0.5));
            }
            let side = 3 + noise.below(7);
            let element = match noise.below(4) {
                0 => Element::square(side),
                1 => Element::ellipse(side, side),
                2 => Element::ellipse(side, side / 2),
                _ => Element::ellipse(side / 2, side),
            };
            change_window(&mut mask, [left, top, width, height], &element, noise.chance(0.5));
        }
    }
    mask
}

/// A structuring element: for each row its offset from the middle, and the first and last column offset.
struct Element(Vec<[isize; 3]>);

impl Element {
    fn square(side: usize) -> Self {
        let (middle, side) = ((side / 2) as isize, side as isize);
        Self((0..side).map(|row| [row - middle, -middle, side - 1 - middle]).collect())
    }

    /// The ellipse that `OpenCV` draws in a box of `width` x `height`.
    fn ellipse(width: usize, height: usize) -> Self {
        let (r, c, last) = ((height / 2) as isize, (width / 2) as isize, width as isize - 1);
        let row = |row: isize| {
            let dy = row - r;
            let share = if r == 0 { 0.0 } else { ((r * r - dy * dy) as f64 / (r * r) as f64).sqrt() };
            let dx = (c as f64 * share).round_ties_even() as isize;
            [dy, (c - dx).max(0) - c, (c + dx).min(last) - c]
        };
        Self((0..height as isize).map(row).collect())
    }
}

/// Grows (or shrinks) the part of `mask` in a window of left, top, width, height; what lies around it does not count.
fn change_window(mask: &mut Mask, [left, top, width, height]: [usize; 4], element: &Element, grow: bool) {
    let seed = u8::from(grow);
    // How many pixels that spread lie before each column: whether a span holds one is a difference.
    let before: Vec<u32> = (top..top + height)
        .flat_map(|y| {
            let row = &mask.row(y as u32)[left..left + width];
            let mut count = 0;
            std::iter::once(0).chain(row.iter().map(move |&value| {
                count += u32::from(value == seed);
                count
            }))
        })
        .collect();
    let column = |at: isize| at.clamp(0, width as isize) as usize;
    for y in 0..height {
        for x in 0..width {
            let reached = element.0.iter().any(|&[dy, first, last]| {
                let Some(line) = y.checked_add_signed(dy).filter(|&line| line < height) else { return false };
                let counts = &before[line * (width + 1)..][..=width];
                counts[column(x as isize + last + 1)] > counts[column(x as isize + first)]
            });
            if reached {
                mask.set((left + x) as u32, (top + y) as u32, grow);
            }
        }
    }
}

/// Strokes of a round brush from left to right through what they find of `truth`, as a hand covers an object in a hurry.
fn brushed(truth: &Mask, noise: &mut Noise) -> Mask {
    let size = truth.size();
    let radius = f64::from(size.width) * noise.between(0.03, 0.07);
    let mut mask = Mask::new(size);
    let mut slip = || radius * noise.between(-0.5, 0.5);
    let mut line = 0.5 * radius;
    while line < f64::from(size.height) {
        let mut end = 0;
        for run in truth.row(line as u32).chunk_by(|a, b| a == b) {
            let start = end as f64;
            end += run.len();
            if run[0] == 0 {
                continue;
            }
            let (first, last) = (start + radius + slip(), end as f64 - radius + slip());
            let (from, to) = (Point::new(first.min(last), line + slip()), Point::new(first.max(last), line + slip()));
            brush::stroke(&mut mask, from, to, radius, true);
        }
        line += 1.5 * radius;
    }
    mask
}

/// Through a coarse grid with noisy cells and back, bilinearly or in blocks.
fn through_grid(truth: &Mask, noise: &mut Noise) -> Mask {
    let size = truth.size();
    let side = ((size.width as f64 * noise.between(0.09, 0.5)) as usize).max(4);
    let blocks = noise.chance(0.2);
    let rect = frame(size);
    let mut cells = resampled(truth.bytes(), size, 1, rect, side);
    let strength = noise.between(0.0, 0.2) as f32;
    for (cell, error) in cells.iter_mut().zip(noise.normals(side * side)) {
        *cell += strength * error;
    }
    if blocks {
        let cell = |v: u32, extent: u32| (v as usize * side / extent as usize).min(side - 1);
        return Mask::from_fn(size, |x, y| cells[cell(y, size.height) * side + cell(x, size.width)] >= 0.5);
    }
    Patch { rect, side, soft: cells }.mask(size)
}

/// The outline moved in and out by a smooth random field, as a network's errors are.
fn wobbled(truth: &Mask, noise: &mut Noise) -> Mask {
    let (size, side) = (truth.size(), truth.size().width as usize);
    let inside: Vec<bool> = truth.bytes().iter().map(|&value| value != 0).collect();
    let cells = 3 + noise.below(9);
    let field = Patch { rect: frame(size), side: cells, soft: noise.normals(cells * cells) }.stretched(side, size.height as usize);
    let reach = side as f64 / 256.0 * noise.between(1.5, 10.0);
    let shift = noise.between(-0.4, 0.4);
    let moved = signed(&inside, side).into_iter().zip(field).map(|(distance, field)| {
        let moved = f64::from(distance) + reach * (f64::from(field) + shift);
        u8::from(moved > 0.0)
    });
    Mask::from_bytes(size, moved.collect()).unwrap_or_else(|| truth.clone())
}

/// The outer outlines through few of their points, all holes closed.
fn expanded(truth: &Mask, noise: &mut Noise) -> Mask {
    let tolerance = f64::from(truth.size().width) / 256.0 * noise.between(1.5, 9.0);
    let few = |ring: &Vec<Point>| polygon::flat(&polygon::simplified(ring, tolerance));
    let outlines: Vec<Vec<f64>> = polygon::outline(&fill_holes(truth)).iter().map(few).collect();
    polygon::rasterize(&outlines, truth.size())
}

/// The outlines through a random share of their points, a part cut off; rings with fewer than 10 points vanish, holes survive.
fn thinned(truth: &Mask, share: f64, noise: &mut Noise) -> Mask {
    let (mut parts, mut holes) = (Vec::new(), Vec::new());
    for contour in polygon::rings(truth) {
        let group = if contour.outer.is_some() { &mut holes } else { &mut parts };
        group.extend(thinned_ring(&contour.points, share, noise));
    }
    let mut mask = polygon::rasterize(&parts, truth.size());
    let holes = polygon::rasterize(&holes, truth.size());
    for y in 0..truth.size().height {
        for x in 0..truth.size().width {
            if holes.get(x, y) {
                mask.set(x, y, false);
            }
        }
    }
    mask
}

fn thinned_ring(corners: &[Point], share: f64, noise: &mut Noise) -> Option<Vec<f64>> {
    let steps = |(a, b): (Point, Point)| {
        let count = a.distance(b).max(1.0) as usize;
        (0..count).map(move |i| {
            let share = i as f64 / count as f64;
            Point::new(a.x + (b.x - a.x) * share, a.y + (b.y - a.y) * share)
        })
    };
    let next = corners.iter().copied().cycle().skip(1);
    let points: Vec<Point> = corners.iter().copied().zip(next).flat_map(steps).collect();
    if points.len() < 10 {
        return None;
    }
    let points = cut(points, noise);
    let count = ((share * points.len() as f64) as usize).max(4);
    let mut kept: Vec<usize> = noise.shuffle(points.len()).into_iter().take(count).collect();
    kept.sort_unstable();
    Some(kept.into_iter().flat_map(|index| [points[index].x, points[index].y]).collect())
}

/// `points` of a ring without a tenth of it that lies together: one of those places where the ring nearly meets itself
/// again, so that thin parts and spikes go.
fn cut(mut points: Vec<Point>, noise: &mut Noise) -> Vec<Point> {
    let (count, gone) = (points.len(), points.len() / 10);
    let chord = |&start: &usize| points[start].distance(points[(start + gone) % count]);
    let mut starts: Vec<usize> = (0..count).collect();
    starts.sort_by(|a, b| chord(a).total_cmp(&chord(b)));
    let start = starts[noise.below(count.div_ceil(10))];
    points.rotate_left(start);
    points.split_off(gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Rect, Size};

    fn disc() -> Mask {
        Mask::from_fn(Size::new(128, 128), |x, y| Point::new(f64::from(x), f64::from(y)).distance(Point::new(60.0, 66.0)) < 40.0)
    }

    #[test]
    fn coarse_masks_are_worse_but_never_far_off() {
        let (truth, mut noise) = (disc(), Noise::new(2));
        let overlaps: Vec<f64> = (0..60).map(|_| metric::iou(&synthesised(&truth, &mut noise), &truth)).collect();
        assert!(overlaps.iter().all(|&iou| iou > 0.4), "{overlaps:?}");
        assert!(overlaps.iter().filter(|&&iou| iou > 0.999).count() >= 3, "some stay as they are");
        assert!(overlaps.iter().filter(|&&iou| iou < 0.97).count() >= 20, "most do not");
    }

    /// The disc with a round hole in its middle.
    fn ring() -> Mask {
        let disc = disc();
        Mask::from_fn(disc.size(), |x, y| disc.get(x, y) && x.abs_diff(60).pow(2) + y.abs_diff(66).pow(2) > 225)
    }

    #[test]
    fn a_wobble_moves_an_outline_both_ways() {
        let (truth, mut noise) = (disc(), Noise::new(6));
        let (mut grown, mut shrunk) = (0, 0);
        for _ in 0..40 {
            let moved = wobbled(&truth, &mut noise);
            let has = |before: u8, after: u8| truth.bytes().iter().zip(moved.bytes()).any(|(&a, &b)| (a, b) == (before, after));
            grown += u32::from(has(0, 1));
            shrunk += u32::from(has(1, 0));
            assert!(moved.get(60, 66) && !moved.get(0, 0), "it does not reach so far");
        }
        assert!(grown > 20 && shrunk > 20, "{grown} grown, {shrunk} shrunk");
    }

    #[test]
    fn what_is_expanded_has_no_hole() {
        let (disc, ring, mut noise) = (disc(), ring(), Noise::new(3));
        for _ in 0..20 {
            let coarse = expanded(&ring, &mut noise);
            assert!(coarse.get(60, 66) && metric::iou(&coarse, &disc) > 0.8, "{}", metric::iou(&coarse, &disc));
        }
        let coarse: Vec<Mask> = (0..200).map(|_| synthesised(&ring, &mut noise)).collect();
        let closed = coarse.iter().filter(|coarse| coarse.get(60, 66)).count();
        let same = coarse.iter().filter(|coarse| **coarse == ring).count();
        assert!((8..100).contains(&closed) && (17..60).contains(&same), "{closed} closed, {same} as they were");
    }

    #[test]
    fn a_mask_is_misdrawn_until_it_is_bad_enough() {
        let (truth, mut noise) = (disc(), Noise::new(4));
        for target in [0.6, 0.7, 0.8, 0.9] {
            let found = metric::iou(&misdrawn(&truth, target, &mut noise), &truth);
            assert!(found < target && found > 0.3, "{found} for {target}");
        }
        assert!(metric::iou(&misdrawn(&truth, 1.0, &mut noise), &truth) > 0.75, "few points alone are enough");
    }

    #[test]
    fn windows_grow_and_shrink_by_their_element() {
        let mut mask = Mask::filled(Size::new(20, 20), Rect::new(8.0, 8.0, 4.0, 4.0));
        change_window(&mut mask, [0, 0, 20, 20], &Element::square(5), true);
        assert_eq!(mask.bbox(), Some(Rect::new(6.0, 6.0, 8.0, 8.0)));
        change_window(&mut mask, [0, 0, 20, 20], &Element::square(5), false);
        assert_eq!(mask, Mask::filled(mask.size(), Rect::new(8.0, 8.0, 4.0, 4.0)));
        change_window(&mut mask, [0, 0, 20, 8], &Element::square(9), true);
        assert_eq!(mask.area(), 16, "a window grows by what it holds, not by its surroundings");
    }

    #[test]
    fn elements_are_those_of_opencv() {
        let rows = |element: Element| element.0.iter().map(|[dy, first, last]| (*dy, *first, *last)).collect::<Vec<_>>();
        assert_eq!(rows(Element::square(4)), [(-2, -2, 1), (-1, -2, 1), (0, -2, 1), (1, -2, 1)]);
        assert_eq!(rows(Element::ellipse(5, 5)), [(-2, 0, 0), (-1, -2, 2), (0, -2, 2), (1, -2, 2), (2, 0, 0)]);
        assert_eq!(rows(Element::ellipse(5, 2)), [(-1, 0, 0), (0, -2, 2)]);
        assert_eq!(rows(Element::ellipse(1, 3)), [(-1, 0, 0), (0, 0, 0), (1, 0, 0)]);
    }

    #[test]
    fn a_cut_takes_a_spike() {
        let arm = |y: f64| move |x: i32| Point::new(f64::from(x), y);
        let (there, back) = ((20..60).map(arm(0.0)), (20..60).rev().map(arm(1.0)));
        let body = (0..160).map(|i| Point::new(20.0 - f64::from(i.min(160 - i)), f64::from(i)));
        let ring: Vec<Point> = there.chain(back).chain(body).collect();
        let kept = cut(ring.clone(), &mut Noise::new(1));
        assert_eq!(kept.len(), ring.len() - ring.len() / 10);
        let lost: Vec<&Point> = ring.iter().filter(|point| !kept.contains(point)).collect();
        assert_eq!(lost.len(), ring.len() / 10);
        assert!(lost.iter().all(|point| point.x > 30.0), "it lies on the spike: {lost:?}");
    }

    #[test]
    fn faults_meet_their_target_at_full_resolution() {
        let truth =
            Mask::from_fn(Size::new(900, 700), |x, y| Point::new(f64::from(x), f64::from(y)).distance(Point::new(400.0, 330.0)) < 240.0);
        let overlap = |fault, seed| metric::iou(&faulty(&truth, fault, 128, &mut Noise::new(seed)), &truth);
        for (seed, target) in [(1, 0.7), (2, 0.8), (3, 0.9), (4, 0.95)] {
            let found = overlap(Fault::Perturbed(target), seed);
            assert!(found < target + 0.01 && found > target - 0.12, "{found} is far from {target}");
        }
        for fault in [Fault::Grid, Fault::Polygon, Fault::Brushed] {
            let found = overlap(fault, 5);
            assert!((0.7..0.999).contains(&found), "{fault:?}: {found}");
        }
        assert_eq!(faulty(&truth, Fault::Perturbed(2.0), 128, &mut Noise::new(1)).size(), truth.size());
    }
}
