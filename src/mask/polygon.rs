//! Polygons in COCO's form, a flat list x0, y0, x1, y1, ... in continuous image coordinates: to pixels and back.
//!
//! A list of polygons is their union, so a hole given as a second ring fills in; [`keyholes`] writes a hole so that it
//! stays one.

use super::{Mask, rle};
use crate::geometry::{Point, Rect, Size};

pub use super::contour::{Contour, outline, rings};

/// The pixels that pycocotools gives for the union of `polygons`, bit for bit.
pub fn rasterize(polygons: &[Vec<f64>], size: Size) -> Mask {
    rle::decode_window(size, &runs(polygons, size), super::PixelRect::of(size))
}

/// The run lengths of [`rasterize`], without the pixels. Rings of fewer than three points hold none.
pub fn runs(polygons: &[Vec<f64>], size: Size) -> Vec<u32> {
    let pixels = u32::try_from(size.pixels()).unwrap_or(u32::MAX);
    match hotcoco::mask::fr_polys(polygons, size.height, size.width) {
        Ok(runs) if size.has_pixels() => runs.counts,
        _ => vec![pixels],
    }
}

/// A number that hardly any other list of polygons has.
pub fn fingerprint(polygons: &[Vec<f64>]) -> u64 {
    let words =
        polygons.iter().flat_map(|polygon| std::iter::once(polygon.len() as u64).chain(polygon.iter().map(|value| value.to_bits())));
    super::fnv1a(words.flat_map(u64::to_le_bytes))
}

/// The area of one polygon by the shoelace formula, in square pixels, whatever its direction; 0 for fewer than three
/// points.
pub fn shoelace_area(polygon: &[f64]) -> f64 {
    let points = polygon.as_chunks::<2>().0;
    let Some(last) = points.last() else { return 0.0 };
    let mut twice = 0.0;
    let mut before = last;
    for point in points {
        twice += before[0] * point[1] - point[0] * before[1];
        before = point;
    }
    twice.abs() / 2.0
}

/// The float extent of all points; `None` where there are none.
pub fn bounds(polygons: &[Vec<f64>]) -> Option<Rect> {
    let mut points = polygons.iter().flat_map(|polygon| polygon.as_chunks::<2>().0);
    let first = *points.next()?;
    let (low, high) = points.fold((first, first), |(low, high), point| {
        ([low[0].min(point[0]), low[1].min(point[1])], [high[0].max(point[0]), high[1].max(point[1])])
    });
    Some(Rect::new(low[0], low[1], high[0] - low[0], high[1] - low[1]))
}

/// The corners of a box as one polygon, clockwise from its left top.
pub fn of_rect(rect: Rect) -> Vec<f64> {
    vec![rect.x, rect.y, rect.right(), rect.y, rect.right(), rect.bottom(), rect.x, rect.bottom()]
}

/// A ring of points in the flat form.
pub fn flat(ring: &[Point]) -> Vec<f64> {
    ring.iter().flat_map(|point| [point.x, point.y]).collect()
}

/// The points of a polygon in the flat form; a last number without a partner is left out.
pub fn points(polygon: &[f64]) -> Vec<Point> {
    polygon.as_chunks::<2>().0.iter().map(|&[x, y]| Point::new(x, y)).collect()
}

/// A closed ring with fewer points, none of the dropped ones farther than `tolerance_px` from the new line
/// (Douglas and Peucker 1973). A ring that would fall below three points is given back as it is.
pub fn simplified(ring: &[Point], tolerance_px: f64) -> Vec<Point> {
    if ring.len() < 4 || tolerance_px <= 0.0 {
        return ring.to_vec();
    }
    // The two ends of the cut: the first point, and the point farthest from it.
    let far = |from: usize| {
        let distance = |index: &usize| ring[from].distance(ring[*index]);
        (0..ring.len()).max_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(from)
    };
    let (a, b) = (0, far(0));
    let mut kept = vec![false; ring.len()];
    kept[a] = true;
    kept[b] = true;
    let mut pieces = vec![(a, b), (b, ring.len())];
    while let Some((start, end)) = pieces.pop() {
        let (from, to) = (ring[start], ring[end % ring.len()]);
        let worst = (start + 1..end).map(|index| (index, distance_to_segment(ring[index], from, to))).max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((index, distance)) = worst
            && distance > tolerance_px
        {
            kept[index] = true;
            pieces.extend([(start, index), (index, end)]);
        }
    }
    let simple: Vec<_> = ring.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(point, _)| *point).collect();
    if simple.len() < 3 { ring.to_vec() } else { simple }
}

/// The outline of `mask` as polygons for a file: one per connected part, each hole joined to its part by a line that
/// is walked both ways, so that a reader that takes the union keeps the hole.
///
/// With a tolerance of 0, [`rasterize`] gives back `mask` exactly.
pub fn keyholes(mask: &Mask, tolerance_px: f64) -> Vec<Vec<f64>> {
    joined(&rings(mask), tolerance_px)
}

/// [`keyholes`] of an outline that is known already.
pub fn joined(rings: &[Contour], tolerance_px: f64) -> Vec<Vec<f64>> {
    let mut parts: Vec<Vec<Point>> = Vec::new();
    let mut part_of_outer = vec![0; rings.len()];
    for (index, ring) in rings.iter().enumerate().filter(|(_, ring)| ring.outer.is_none()) {
        part_of_outer[index] = parts.len();
        parts.push(simplified(&ring.points, tolerance_px));
    }
    for ring in rings {
        if let Some(outer) = ring.outer {
            join(&mut parts[part_of_outer[outer]], &simplified(&ring.points, tolerance_px));
        }
    }
    parts.iter().map(|part| flat(part)).collect()
}

/// The part of a polygon that lies on a grid of `size` (Sutherland and Hodgman 1974); empty where that encloses nothing.
/// Parts of it that lie apart stay joined along the grid's edge.
pub fn clipped(polygon: &[f64], size: Size) -> Vec<f64> {
    let mut ring = points(polygon);
    // The distance of (x, y) from each edge is a x + b y + c, positive inside.
    let (right, bottom) = (f64::from(size.width), f64::from(size.height));
    for (a, b, c) in [(1.0, 0.0, 0.0), (-1.0, 0.0, right), (0.0, 1.0, 0.0), (0.0, -1.0, bottom)] {
        let inside = |point: Point| a * point.x + b * point.y + c;
        let Some(mut before) = ring.last().copied() else { break };
        let mut kept = Vec::with_capacity(ring.len() + 4);
        for point in ring {
            let (from, to) = (inside(before), inside(point));
            if from * to < 0.0 {
                let share = from / (from - to);
                kept.push(Point::new(before.x + share * (point.x - before.x), before.y + share * (point.y - before.y)));
            }
            if to >= 0.0 {
                kept.push(point);
            }
            before = point;
        }
        ring = kept;
    }
    let polygon: Vec<f64> = ring.iter().flat_map(|point| [point.x.clamp(0.0, right), point.y.clamp(0.0, bottom)]).collect();
    if shoelace_area(&polygon) > 0.0 { polygon } else { Vec::new() }
}

/// Several polygons as one, each joined to those before by a line that is walked both ways; what an even-odd fill, and
/// pycocotools, make of it are the pixels of exactly one of them. Empty where there are none.
pub fn bridged(polygons: &[Vec<f64>]) -> Vec<f64> {
    let mut parts = polygons.iter().map(|polygon| points(polygon));
    let mut ring = parts.next().unwrap_or_default();
    for part in parts {
        join(&mut ring, &part);
    }
    flat(&ring)
}

/// Puts `hole` into `ring` at the ring's point nearest to the hole's first point.
fn join(ring: &mut Vec<Point>, hole: &[Point]) {
    let Some(&start) = hole.first() else { return };
    let nearest = (0..ring.len()).min_by(|&a, &b| ring[a].distance(start).total_cmp(&ring[b].distance(start)));
    let Some(at) = nearest else { return };
    let bridge = ring[at];
    let detour = hole.iter().copied().chain([start, bridge]);
    let rest = ring.split_off(at + 1);
    ring.extend(detour.chain(rest));
}

/// The distance from `point` to the nearest point of the segment from `a` to `b`.
pub fn distance_to_segment(point: Point, a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let length_squared = dx * dx + dy * dy;
    if length_squared <= 0.0 {
        return point.distance(a);
    }
    let t = (((point.x - a.x) * dx + (point.y - a.y) * dy) / length_squared).clamp(0.0, 1.0);
    point.distance(Point::new(a.x + t * dx, a.y + t * dy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pixel_and_a_sliver() {
        let size = Size::new(4, 4);
        let pixel = rasterize(&[vec![1.0, 1.0, 2.0, 1.0, 2.0, 2.0, 1.0, 2.0]], size);
        assert_eq!((pixel.area(), pixel.get(1, 1)), (1, true));
        assert!(rasterize(&[vec![1.0, 1.0, 1.2, 1.0, 1.2, 3.0, 1.0, 3.0]], size).is_empty());
        assert!(rasterize(&[vec![1.0, 1.0, 2.0, 2.0]], size).is_empty());
        assert_eq!(rasterize(&[of_rect(Rect::new(0.0, 0.0, 4.0, 4.0))], size).area(), 16);
        assert_eq!(rasterize(&[], size).area(), 0);
        assert_eq!(rasterize(&[of_rect(Rect::new(0.0, 0.0, 4.0, 4.0))], Size::new(0, 3)).area(), 0);
        assert!(rasterize(&[vec![f64::NAN, 1e300, -1e300, f64::INFINITY, 2.0, 2.0, 3.0]], size).area() <= 16);
    }

    #[test]
    fn shoelace_and_extent_are_of_the_vertices() {
        let triangle = vec![0.5, 0.0, 4.5, 0.0, 0.5, 3.0];
        assert!((shoelace_area(&triangle) - 6.0).abs() < 1e-12);
        assert_eq!(bounds(&[triangle]), Some(Rect::new(0.5, 0.0, 4.0, 3.0)));
        assert_eq!((shoelace_area(&[]), bounds(&[])), (0.0, None));
        assert!(shoelace_area(&[1.0, 2.0, 3.0]).abs() < 1e-12);
    }

    #[test]
    fn a_ring_with_a_hole_keeps_it_in_a_file() {
        let mask = Mask::from_fn(Size::new(7, 7), |x, y| (1..6).contains(&x) && (1..6).contains(&y) && !(x == 3 && y == 3));
        let polygons = keyholes(&mask, 0.0);
        assert_eq!(polygons.len(), 1);
        assert_eq!(rasterize(&polygons, mask.size()), mask);
        assert!((shoelace_area(&polygons[0]) - 24.0).abs() < 1e-12);
    }

    #[test]
    fn parts_become_one_polygon_with_the_same_pixels() {
        let mask = Mask::from_fn(Size::new(12, 9), |x, y| (x / 3 + y / 4) % 2 == 0 && !(x == 1 && y == 1));
        let parts = keyholes(&mask, 0.0);
        assert!(parts.len() > 2);
        assert_eq!(rasterize(&[bridged(&parts)], mask.size()), mask);
        assert!(bridged(&[]).is_empty());
    }

    #[test]
    fn a_polygon_is_cut_at_the_edges() {
        let size = Size::new(8, 6);
        let inside = vec![0.0, 0.0, 8.0, 1.5, 3.25, 6.0];
        assert_eq!(clipped(&inside, size), inside);
        for (rect, expected) in [
            (Rect::new(-2.0, 1.0, 4.0, 3.0), Rect::new(0.0, 1.0, 2.0, 3.0)),
            (Rect::new(6.5, 4.0, 9.0, 9.0), Rect::new(6.5, 4.0, 1.5, 2.0)),
            (Rect::new(-9.0, -9.0, 40.0, 40.0), Rect::new(0.0, 0.0, 8.0, 6.0)),
        ] {
            let cut = clipped(&of_rect(rect), size);
            let found = bounds(std::slice::from_ref(&cut)).unwrap();
            let differences =
                [found.x - expected.x, found.y - expected.y, found.right() - expected.right(), found.bottom() - expected.bottom()];
            assert!(differences.iter().all(|difference| difference.abs() < 1e-9), "{cut:?}");
            assert!((shoelace_area(&cut) - expected.area()).abs() < 1e-9, "{cut:?}");
        }
        let triangle = clipped(&[-4.0, 0.0, 4.0, 0.0, 0.0, 8.0], size);
        assert!((shoelace_area(&triangle) - (16.0 - 1.0)).abs() < 1e-9, "{triangle:?}");
        for outside in [of_rect(Rect::new(8.0, 0.0, 3.0, 3.0)), of_rect(Rect::new(-3.0, -3.0, 2.0, 2.0)), vec![1.0, 1.0, 2.0, 2.0]] {
            assert!(clipped(&outside, size).is_empty(), "{outside:?}");
        }
    }

    #[test]
    fn a_straight_line_loses_its_middle_points() {
        let ring: Vec<_> =
            [(0, 0), (1, 0), (2, 0), (4, 0), (4, 4), (2, 4), (0, 4)].map(|(x, y)| Point::new(f64::from(x), f64::from(y))).into();
        assert_eq!(simplified(&ring, 0.1).len(), 4);
        assert_eq!(simplified(&ring[..3], 9.0).len(), 3);
        assert!(simplified(&ring, 100.0).len() >= 3);
    }
}
