//! Coarse masks made from true ones, as inputs for the refiner.
//!
//! `SegRefiner` (Wang et al., 2023, after `CascadePSP`) grows and shrinks random windows until the overlap with the truth
//! falls under a target. A refiner that never sees a good mask learns to spoil it, so the target reaches up to .98 and
//! some masks stay as they are; others go through a grid of few cells, as a network's small output does.

use crate::geometry::Point;
use crate::mask::{Mask, metric, polygon};
use crate::model::noise::Noise;

/// A coarse version of a square `truth`; never empty unless `truth` is.
pub fn synthesised(truth: &Mask, noise: &mut Noise) -> Mask {
    let kind = noise.uniform();
    let coarse = if kind < 0.15 {
        truth.clone()
    } else if kind < 0.6 {
        let start = if noise.chance(0.3) { thinned(truth, noise) } else { truth.clone() };
        perturbed(start, truth, noise.between(0.7, 0.98), noise)
    } else if kind < 0.85 {
        through_grid(truth, noise)
    } else {
        thinned(truth, noise)
    };
    if coarse.is_empty() { truth.clone() } else { coarse }
}

/// Random windows grown or shrunk until the `IoU` with `truth` is under `target`.
fn perturbed(mut mask: Mask, truth: &Mask, target: f64, noise: &mut Noise) -> Mask {
    let size = truth.size();
    for _ in 0..250 {
        for _ in 0..4 {
            let (left, top) = (noise.below(size.width as usize), noise.below(size.height as usize));
            let width = 1 + noise.below(size.width as usize - left);
            let height = 1 + noise.below(size.height as usize - top);
            if noise.chance(0.25) {
                mask.set((left + width / 2) as u32, (top + height / 2) as u32, noise.chance(0.5));
            }
            let radius = usize::midpoint(3, noise.below(7));
            let (x_radius, y_radius) = match noise.below(4) {
                0 | 1 => (radius, radius),
                2 => (radius, radius / 2),
                _ => (radius / 2, radius),
            };
            let grow = noise.chance(0.5);
            change_window(&mut mask, [left, top, width, height], [x_radius, y_radius], grow);
        }
        if metric::iou(&mask, truth) < target {
            break;
        }
    }
    mask
}

/// Grows (or shrinks) the part of `mask` in a window of left, top, width, height by a rectangle of the given radii.
fn change_window(mask: &mut Mask, [left, top, width, height]: [usize; 4], [x_radius, y_radius]: [usize; 2], grow: bool) {
    let source: Vec<bool> =
        (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| mask.get((left + x) as u32, (top + y) as u32)).collect();
    // Separable: rows first, then columns. `grow` looks for an inside pixel in reach, shrinking for an outside one.
    let spread = |cells: &[bool], length: usize, radius: usize, at: &dyn Fn(usize, usize) -> usize, lines: usize| {
        let mut result = cells.to_vec();
        for line in 0..lines {
            for place in 0..length {
                let (first, last) = (place.saturating_sub(radius), (place + radius).min(length - 1));
                result[at(line, place)] = (first..=last).any(|near| cells[at(line, near)] == grow) == grow;
            }
        }
        result
    };
    let rows = spread(&source, width, x_radius, &|line, place| line * width + place, height);
    let both = spread(&rows, height, y_radius, &|line, place| place * width + line, width);
    for (index, inside) in both.into_iter().enumerate() {
        mask.set((left + index % width) as u32, (top + index / width) as u32, inside);
    }
}

/// Through a coarse grid with noisy cells and back, bilinearly or in blocks.
fn through_grid(truth: &Mask, noise: &mut Noise) -> Mask {
    let size = truth.size();
    let side = ((size.width as f64 * noise.between(0.09, 0.5)) as usize).max(4);
    let blocks = noise.chance(0.2);
    let rect = crate::assist::crop::frame(size);
    let mut cells = crate::assist::crop::resampled(truth.bytes(), size, 1, rect, side);
    let strength = noise.between(0.0, 0.2) as f32;
    for (cell, error) in cells.iter_mut().zip(noise.normals(side * side)) {
        *cell += strength * error;
    }
    if blocks {
        let cell = |v: u32, extent: u32| (v as usize * side / extent as usize).min(side - 1);
        return Mask::from_fn(size, |x, y| cells[cell(y, size.height) * side + cell(x, size.width)] >= 0.5);
    }
    crate::assist::Patch { rect, side, soft: cells }.mask(size)
}

/// The outlines through a random tenth of their points; rings with fewer than 10 points vanish, holes survive.
fn thinned(truth: &Mask, noise: &mut Noise) -> Mask {
    let (mut parts, mut holes) = (Vec::new(), Vec::new());
    for contour in polygon::rings(truth) {
        let group = if contour.outer.is_some() { &mut holes } else { &mut parts };
        group.extend(thinned_ring(&contour.points, noise));
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

fn thinned_ring(corners: &[Point], noise: &mut Noise) -> Option<Vec<f64>> {
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
    let mut kept: Vec<usize> = noise.shuffle(points.len()).into_iter().take((points.len() / 10).max(4)).collect();
    kept.sort_unstable();
    Some(kept.into_iter().flat_map(|index| [points[index].x, points[index].y]).collect())
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

    #[test]
    fn windows_grow_and_shrink_by_their_radius() {
        let mut mask = Mask::filled(Size::new(20, 20), Rect::new(8.0, 8.0, 4.0, 4.0));
        change_window(&mut mask, [0, 0, 20, 20], [2, 1], true);
        assert_eq!(mask.bbox(), Some(Rect::new(6.0, 7.0, 8.0, 6.0)));
        change_window(&mut mask, [0, 0, 20, 20], [2, 1], false);
        assert_eq!(mask.bbox(), Some(Rect::new(8.0, 8.0, 4.0, 4.0)));
        assert_eq!(mask.area(), 16);
    }
}
