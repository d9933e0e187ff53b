//! The round brush: a stroke from one pointer position to the next is a capsule. CPU twin of `shaders/brush.wgsl`.

use super::{Mask, PixelRect, polygon, span_of_other};
use crate::geometry::Point;

/// Sets (or clears, where `inside` is false) every pixel whose centre lies within `radius_px` of the line from `from`
/// to `to`, and returns the rectangle of the pixels that changed; `None` where none did.
///
/// The cost follows the stroke, not the mask: each row finds its ends by bisection, since a capsule is convex.
pub fn stroke(mask: &mut Mask, from: Point, to: Point, radius_px: f64, inside: bool) -> Option<PixelRect> {
    let extent = extent(mask, from, to, radius_px);
    let value = u8::from(inside);
    let mut changed = PixelRect::default();
    for y in extent.y..extent.bottom() {
        let Some((start, end)) = span(from, to, radius_px, y, extent) else { continue };
        let row = &mut mask.row_mut(y)[start as usize..end as usize];
        let Some((first, last)) = span_of_other(row, value) else { continue };
        row[first..=last].fill(value);
        changed = changed.union(PixelRect::new(start + first as u32, y, (last - first + 1) as u32, 1));
    }
    (!changed.is_empty()).then_some(changed)
}

/// Whether the centre of pixel (x, y) lies within `radius_px` of the line from `from` to `to`.
pub fn covers(from: Point, to: Point, radius_px: f64, x: u32, y: u32) -> bool {
    polygon::distance_to_segment(Point::new(f64::from(x) + 0.5, f64::from(y) + 0.5), from, to) <= radius_px
}

/// The pixels that a stroke may touch.
fn extent(mask: &Mask, from: Point, to: Point, radius_px: f64) -> PixelRect {
    let finite = [from.x, from.y, to.x, to.y, radius_px].iter().all(|v| v.is_finite());
    if !finite || radius_px < 0.0 {
        return PixelRect::default();
    }
    PixelRect::around(crate::geometry::Rect::from_corners(from, to).expanded(radius_px), mask.size())
}

/// The covered columns of row `y` as (first, one past the last), within `extent`.
fn span(from: Point, to: Point, radius_px: f64, y: u32, extent: PixelRect) -> Option<(u32, u32)> {
    let center_y = f64::from(y) + 0.5;
    // Where the line comes nearest to this row; the distance grows to both sides of it.
    let (top, bottom) = if from.y <= to.y { (from, to) } else { (to, from) };
    let nearest_x = if center_y <= top.y {
        top.x
    } else if center_y >= bottom.y {
        bottom.x
    } else {
        top.x + (bottom.x - top.x) * (center_y - top.y) / (bottom.y - top.y)
    };
    let (low, high) = (extent.x, extent.right());
    if low >= high {
        return None;
    }
    let covered = |x: u32| covers(from, to, radius_px, x, y);
    let middle = ((nearest_x - 0.5).floor().max(0.0) as u32).clamp(low, high - 1);
    let seed = [middle, middle.saturating_add(1), middle.saturating_sub(1)].into_iter().find(|&x| x >= low && x < high && covered(x))?;
    // covered(x) is true from `start` to `end` and false elsewhere.
    let start = bisect(low, seed, covered);
    let end = bisect(seed, high, |x| !covered(x));
    Some((start, end))
}

/// The first of `low..high` for which `holds`, or `high`; `holds` is false, then true.
fn bisect(mut low: u32, mut high: u32, holds: impl Fn(u32) -> bool) -> u32 {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    #[test]
    fn a_dab_is_a_disc() {
        let mut mask = Mask::new(Size::new(9, 9));
        let at = Point::new(4.5, 4.5);
        assert_eq!(stroke(&mut mask, at, at, 2.0, true), Some(PixelRect::new(2, 2, 5, 5)));
        assert_eq!(mask.area(), 13);
        assert_eq!(stroke(&mut mask, at, at, 2.0, true), None);
        assert_eq!(stroke(&mut mask, at, at, 0.1, false), Some(PixelRect::new(4, 4, 1, 1)));
    }

    #[test]
    fn strokes_outside_or_without_sense_change_nothing() {
        let mut mask = Mask::new(Size::new(5, 5));
        let far = Point::new(-50.0, 3.0);
        assert_eq!(stroke(&mut mask, far, far, 4.0, true), None);
        assert_eq!(stroke(&mut mask, Point::new(f64::NAN, 0.0), far, 4.0, true), None);
        assert_eq!(stroke(&mut mask, far, far, f64::INFINITY, true), None);
        assert!(mask.is_empty());
    }
}
