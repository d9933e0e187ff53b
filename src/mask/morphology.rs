//! Growing, shrinking and cleaning masks.

use super::component::{Components, Connectivity};
use super::{Mask, PixelRect};
use crate::geometry::Size;

/// What lies outside the grid when a mask shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// Nothing: a mask that touches the edge shrinks away from it.
    Empty,
    /// Whatever does not matter: a mask that touches the edge keeps touching it.
    Neutral,
}

/// `mask` grown `times` times by a 3x3 square, which is once by a square of side 2 x times + 1. The cost per pixel does
/// not depend on `times`.
#[must_use]
pub fn dilated(mask: &Mask, times: u32) -> Mask {
    window_sums(mask, times, |sum, _| sum > 0)
}

/// `mask` shrunk `times` times by a 3x3 square. The cost per pixel does not depend on `times`.
#[must_use]
pub fn eroded(mask: &Mask, times: u32, border: Border) -> Mask {
    let side = u64::from(times) * 2 + 1;
    window_sums(mask, times, |sum, inside_grid| u64::from(sum) == if border == Border::Empty { side } else { u64::from(inside_grid) })
}

/// Passes a window of 2 x reach + 1 first over the rows and then over the columns of the result; `keep` sees the number
/// of set pixels in the window and the number of its pixels that lie on the grid.
fn window_sums(mask: &Mask, reach: u32, keep: impl Fn(u32, u32) -> bool) -> Mask {
    let (width, height) = (mask.size().width as usize, mask.size().height as usize);
    let reach = reach as usize;
    let span = |at: usize, length: usize| at.saturating_sub(reach)..(at + reach + 1).min(length);
    let mut rows = Mask::new(mask.size());
    let mut before = vec![0_u32; width + 1];
    for y in 0..height {
        for (x, &value) in mask.row(y as u32).iter().enumerate() {
            before[x + 1] = before[x] + u32::from(value);
        }
        for (x, out) in rows.row_mut(y as u32).iter_mut().enumerate() {
            let window = span(x, width);
            *out = u8::from(keep(before[window.end] - before[window.start], window.len() as u32));
        }
    }
    let mut result = Mask::new(mask.size());
    let mut sums = vec![0_u32; width];
    let mut window = 0..0;
    for y in 0..height {
        let next = span(y, height);
        for entering in window.end..next.end {
            for (sum, &value) in sums.iter_mut().zip(rows.row(entering as u32)) {
                *sum += u32::from(value);
            }
        }
        for leaving in window.start..next.start {
            for (sum, &value) in sums.iter_mut().zip(rows.row(leaving as u32)) {
                *sum -= u32::from(value);
            }
        }
        window = next;
        let rows_inside = window.len() as u32;
        for (out, &sum) in result.row_mut(y as u32).iter_mut().zip(&sums) {
            *out = u8::from(keep(sum, rows_inside));
        }
    }
    result
}

/// The farthest that a row of the ellipse reaches: distances are kept in bytes, so that many fit a register.
const MOST: u32 = 254;

/// Half the width of each row of the ellipse that `OpenCV` draws (in a square of side 2 x radius + 1), top to bottom.
pub fn ellipse(radius: u32) -> Vec<u32> {
    let r = f64::from(radius);
    let half_width = |dy: f64| if radius == 0 { 0 } else { (r * ((r * r - dy * dy) / (r * r)).sqrt()).round_ties_even() as u32 };
    (0..=2 * radius).map(|row| half_width(f64::from(row) - r)).collect()
}

/// `mask` grown once by [`ellipse`], whose rows reach at most 254 pixels to each side.
#[must_use]
pub fn dilated_round(mask: &Mask, radius: u32) -> Mask {
    let element = ellipse(radius);
    let size = mask.size();
    let mut result = Mask::new(size);
    let distances: Vec<Vec<u8>> = (0..size.height).map(|y| distances_in_row(mask.row(y))).collect();
    for y in 0..size.height {
        let out = result.row_mut(y);
        for (row, &half_width) in element.iter().enumerate() {
            let Some(source) = (i64::from(y) + row as i64 - i64::from(radius)).try_into().ok().and_then(|y: usize| distances.get(y)) else {
                continue;
            };
            let limit = half_width.min(MOST) as u8;
            for (out, &distance) in out.iter_mut().zip(source) {
                *out |= u8::from(distance <= limit);
            }
        }
    }
    result
}

/// `mask` shrunk once by [`ellipse`]; what lies outside the grid does not matter.
#[must_use]
pub fn eroded_round(mask: &Mask, radius: u32) -> Mask {
    inverted(&dilated_round(&inverted(mask), radius))
}

/// The pixels that are not in `mask`.
#[must_use]
pub fn inverted(mask: &Mask) -> Mask {
    Mask { size: mask.size, data: mask.data.iter().map(|&value| 1 - value).collect() }
}

/// For each pixel of a row the columns to the nearest set pixel, at most 255.
fn distances_in_row(row: &[u8]) -> Vec<u8> {
    let mut distances = vec![u8::MAX; row.len()];
    let mut since = u8::MAX;
    for (distance, &value) in distances.iter_mut().zip(row) {
        since = if value == 0 { since.saturating_add(1) } else { 0 };
        *distance = since;
    }
    since = u8::MAX;
    for (distance, &value) in distances.iter_mut().zip(row).rev() {
        since = if value == 0 { since.saturating_add(1) } else { 0 };
        *distance = since.min(*distance);
    }
    distances
}

/// `mask` with every hole filled: the outside pixels from which no path over edges leads to the border of the grid.
#[must_use]
pub fn fill_holes(mask: &Mask) -> Mask {
    let Some(bounds) = mask.bounds() else { return mask.clone() };
    // One empty pixel around, so that all that is open lies in one part, the first.
    let framed = framed(mask, bounds);
    let outside = Components::of_background(&framed, Connectivity::Four);
    let mut filled = mask.clone();
    outside.for_each_run(|y, start, end, part| {
        if part != 0 {
            let left = (bounds.x + start - 1) as usize;
            filled.row_mut(bounds.y + y - 1)[left..left + (end - start) as usize].fill(1);
        }
    });
    filled
}

fn framed(mask: &Mask, bounds: PixelRect) -> Mask {
    let mut framed = Mask::new(Size::new(bounds.width + 2, bounds.height + 2));
    framed.paste(&mask.cropped(bounds), 1, 1);
    framed
}

/// How ragged the outline is: the pixels that the majority of their 5 x 5 neighbours would change, for each step of the
/// outline along a pixel's side. 0 for an empty mask; about .05 where a hand drew, .2 where chance gnawed at the outline.
pub fn raggedness(mask: &Mask) -> f64 {
    let Some(PixelRect { x: left, y: top, width, height }) = mask.bounds() else { return 0.0 };
    let (left, width) = (left as usize, width as usize);
    let row = |at: i64| (0..i64::from(height)).contains(&at).then(|| &mask.row(top + at as u32)[left..left + width]);
    let empty = vec![0; width];
    let (mut changed, mut steps) = (0_usize, 0_usize);
    for at in 0..i64::from(height) {
        // Two empty columns on each side.
        let mut columns = vec![0_u32; width + 4];
        for near in (at - 2..=at + 2).filter_map(row) {
            columns[2..].iter_mut().zip(near).for_each(|(sum, &value)| *sum += u32::from(value));
        }
        let here = row(at).unwrap_or(&empty);
        let majority = columns.windows(5).map(|window| window.iter().sum::<u32>() > 12);
        changed += here.iter().zip(majority).filter(|&(&value, majority)| majority != (value > 0)).count();
        let differing = |a: &[u8], b: &[u8]| a.iter().zip(b).filter(|(a, b)| a != b).count();
        steps += differing(here, row(at - 1).unwrap_or(&empty)) + differing(&here[1..], here);
        steps += usize::from(here[0] > 0) + usize::from(here[width - 1] > 0);
        if row(at + 1).is_none() {
            steps += differing(here, &empty);
        }
    }
    changed as f64 / steps.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smooth_outlines_are_told_from_ragged_ones() {
        let disc = Mask::from_fn(Size::new(80, 60), |x, y| x.abs_diff(40).pow(2) + y.abs_diff(30).pow(2) < 600);
        let gnawed = Mask::from_fn(disc.size(), |x, y| disc.get(x, y) && !(disc.size().width - x + 3 * y).is_multiple_of(7));
        let square = Mask::from_fn(disc.size(), |x, y| (10..30).contains(&x) && (20..50).contains(&y));
        assert!(raggedness(&disc) < 0.05 && raggedness(&gnawed) > 0.15, "{} and {}", raggedness(&disc), raggedness(&gnawed));
        // Of a square's 100 steps, the median takes three pixels at each corner.
        assert!((raggedness(&square) - 0.12).abs() < 1e-9, "{}", raggedness(&square));
        assert!(raggedness(&Mask::new(disc.size())) < f64::EPSILON);
        let whole = Mask::from_fn(disc.size(), |_, _| true);
        assert!((raggedness(&whole) - 12.0 / 280.0).abs() < 1e-9, "{}", raggedness(&whole));
    }

    #[test]
    fn the_ellipse_of_opencv() {
        assert_eq!(ellipse(1), [0, 1, 0]);
        assert_eq!(ellipse(4), [0, 3, 3, 4, 4, 4, 3, 3, 0]);
        assert_eq!(ellipse(0), [0]);
    }

    #[test]
    fn growing_and_shrinking_a_dot() {
        let mut mask = Mask::new(Size::new(9, 9));
        mask.set(4, 4, true);
        assert_eq!(dilated(&mask, 2).area(), 25);
        assert_eq!(eroded(&dilated(&mask, 3), 3, Border::Empty), mask);
        assert_eq!(dilated_round(&mask, 1).area(), 5);
        assert_eq!(eroded_round(&dilated_round(&mask, 1), 1), mask);
    }

    #[test]
    fn the_border_counts_only_where_asked() {
        let full = Mask::from_fn(Size::new(5, 4), |_, _| true);
        assert_eq!(eroded(&full, 1, Border::Empty).area(), 6);
        assert_eq!(eroded(&full, 9, Border::Neutral), full);
        assert_eq!(eroded_round(&full, 2), full);
        assert!(eroded(&full, u32::from(u16::MAX), Border::Empty).is_empty());
    }

    #[test]
    fn holes_are_filled() {
        let ring = Mask::from_fn(Size::new(8, 7), |x, y| x < 5 && (x.abs_diff(2).max(y.abs_diff(3)) == 2) || (x, y) == (7, 0));
        assert_eq!(fill_holes(&ring).area(), 26);
        let diamond = Mask::from_fn(Size::new(3, 3), |x, y| x.abs_diff(1) + y.abs_diff(1) == 1);
        assert_eq!(fill_holes(&diamond).area(), 5);
    }
}
