//! A soft mask on a crop, and how it comes back to the image.

use std::ops::Range;

use crate::geometry::{Point, Rect, Size};
use crate::mask::{Mask, PixelRect};

/// A soft mask on a square grid over a part of the image.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// The part of the image that the grid covers, in image coordinates; it may leave the image.
    pub rect: Rect,
    /// Grid cells a side.
    pub side: usize,
    /// How sure each cell is to be inside, in [0, 1], row-major.
    pub soft: Vec<f32>,
}

impl Patch {
    /// The soft map sampled bilinearly on `columns` x `rows` cells over the same area, row-major.
    pub fn stretched(&self, columns: usize, rows: usize) -> Vec<f32> {
        stretched(&self.soft, columns, rows)
    }

    /// The mask on an image of `size`: the soft map sampled bilinearly at pixel centres, at least .5; nothing outside the
    /// patch, and zeros around its grid.
    pub fn mask(&self, size: Size) -> Mask {
        self.mask_above(size, 0.5)
    }

    /// [`Self::mask`] with another threshold than .5.
    pub fn mask_above(&self, size: Size, threshold: f32) -> Mask {
        let mut mask = Mask::new(size);
        self.each_pixel(size, Beyond::Zero, |x, y, soft| {
            if soft >= threshold {
                mask.set(x, y, true);
            }
        });
        mask
    }

    /// How sure the surest pixel of `window` is, as [`Self::mask`] samples them; 0 where the patch covers none.
    pub(super) fn surest(&self, size: Size, window: PixelRect) -> f32 {
        let mut surest = 0.0;
        self.each_pixel(size, Beyond::Zero, |x, y, soft| {
            if window.contains(x, y) {
                surest = f32::max(surest, soft);
            }
        });
        surest
    }

    /// How sure each pixel of `window` is, row-major, sampled bilinearly; the grid's edge cells reach on to the patch's edge, and
    /// what lies beyond that is 0.
    pub(super) fn over(&self, window: PixelRect) -> Vec<f32> {
        let mut sure = vec![0.0; window.width as usize * window.height as usize];
        let far = Size::new(window.x + window.width, window.y + window.height);
        self.each_pixel(far, Beyond::Edge, |x, y, soft| {
            if window.contains(x, y) {
                sure[(y - window.y) as usize * window.width as usize + (x - window.x) as usize] = soft;
            }
        });
        sure
    }

    /// `original` with the pixels changed of which the soft map is sure: more than `margin` to the other side of .5. What
    /// lies outside the patch stays; the grid's edge cells reach on to the patch's edge.
    pub fn corrected(&self, original: &Mask, margin: f32) -> Mask {
        let mut mask = original.clone();
        self.each_pixel(original.size(), Beyond::Edge, |x, y, soft| mask.set(x, y, soft >= threshold(original.get(x, y), margin)));
        mask
    }

    /// `changed`, with the pixels of `original` where the soft map does not see a change either.
    pub(super) fn vetoed(&self, original: &Mask, mut changed: Mask) -> Mask {
        self.each_pixel(original.size(), Beyond::Edge, |x, y, soft| {
            let before = original.get(x, y);
            if (soft >= 0.5) == before {
                changed.set(x, y, before);
            }
        });
        changed
    }

    /// Takes over what `other` says of each cell whose centre it covers.
    pub(super) fn take(&mut self, other: &Self) {
        let (rect, side) = (self.rect, self.side);
        let centre = |start: f64, length: f64, place: usize| start + (place as f64 + 0.5) * length / side as f64;
        for (cell, soft) in self.soft.iter_mut().enumerate() {
            let at = Point::new(centre(rect.x, rect.width, cell % side), centre(rect.y, rect.height, cell / side));
            if other.rect.contains(at) {
                let row = Tap::at(at.y, other.rect.y, other.rect.height, other.side, Beyond::Edge);
                let column = Tap::at(at.x, other.rect.x, other.rect.width, other.side, Beyond::Edge);
                *soft = other.sample(row, column);
            }
        }
    }

    fn each_pixel(&self, size: Size, beyond: Beyond, mut each: impl FnMut(u32, u32, f32)) {
        let placed = Placed::new(self, size, beyond);
        for y in placed.rows.clone() {
            placed.each_in_row(y, &mut |x, soft| each(x, y, soft));
        }
    }

    fn sample(&self, row: Tap, column: Tap) -> f32 {
        let at = |row: Option<usize>, column: Option<usize>| match (row, column) {
            (Some(row), Some(column)) => self.soft[row * self.side + column],
            _ => 0.0,
        };
        let line = |place| at(row.low, place) * (1.0 - row.share) + at(row.high, place) * row.share;
        line(column.low) * (1.0 - column.share) + line(column.high) * column.share
    }
}

/// The value from which on a pixel is inside: `margin` beyond .5, seen from the side on which it `was`.
pub(super) fn threshold(was: bool, margin: f32) -> f32 {
    if was { 0.5 - margin } else { 0.5 + margin }
}

/// The mean of the soft maps that cover each pixel, row by row: memory does not grow with the image's height.
pub(super) fn averaged(patches: &[Patch], size: Size, mut each: impl FnMut(u32, u32, f32)) {
    let placed: Vec<Placed<'_>> = patches.iter().map(|patch| Placed::new(patch, size, Beyond::Edge)).collect();
    let mut sums = vec![(0.0_f32, 0.0_f32); size.width as usize];
    for y in 0..size.height {
        let mut covered = false;
        for patch in placed.iter().filter(|patch| patch.rows.contains(&y)) {
            covered = true;
            patch.each_in_row(y, &mut |x, soft| {
                let (sum, count) = &mut sums[x as usize];
                *sum += soft;
                *count += 1.0;
            });
        }
        if covered {
            for (x, (sum, count)) in sums.iter_mut().enumerate().filter(|(_, (_, count))| *count > 0.0) {
                each(x as u32, y, *sum / *count);
                (*sum, *count) = (0.0, 0.0);
            }
        }
    }
}

/// A patch with the image's rows and columns that it covers.
struct Placed<'a> {
    patch: &'a Patch,
    rows: Range<u32>,
    columns: Vec<(u32, Tap)>,
    beyond: Beyond,
}

impl<'a> Placed<'a> {
    fn new(patch: &'a Patch, size: Size, beyond: Beyond) -> Self {
        let range = |start: f64, length: f64, extent: u32| {
            let end = f64::from(extent);
            start.floor().clamp(0.0, end) as u32..(start + length).ceil().clamp(0.0, end) as u32
        };
        let rect = patch.rect;
        let tap = |x: u32| (x, Tap::at(f64::from(x) + 0.5, rect.x, rect.width, patch.side, beyond));
        let columns = range(rect.x, rect.width, size.width).map(tap).collect();
        Self { patch, rows: range(rect.y, rect.height, size.height), columns, beyond }
    }

    fn each_in_row(&self, y: u32, each: &mut impl FnMut(u32, f32)) {
        let row = Tap::at(f64::from(y) + 0.5, self.patch.rect.y, self.patch.rect.height, self.patch.side, self.beyond);
        for &(x, column) in &self.columns {
            each(x, self.patch.sample(row, column));
        }
    }
}

/// A square grid of `values` sampled bilinearly on `columns` x `rows` cells over the same area; its edge cells reach on to
/// the edge. All row-major.
pub(super) fn stretched(values: &[f32], columns: usize, rows: usize) -> Vec<f32> {
    let side = values.len().isqrt();
    if side == 0 {
        return vec![0.0; columns * rows];
    }
    let tap = |cell: usize, count: usize| {
        let place = ((cell as f32 + 0.5) * side as f32 / count as f32 - 0.5).clamp(0.0, (side - 1) as f32);
        let low = place as usize;
        (low, (low + 1).min(side - 1), place - low as f32)
    };
    let across: Vec<_> = (0..columns).map(|column| tap(column, columns)).collect();
    let mut result = Vec::with_capacity(columns * rows);
    for (top, bottom, down) in (0..rows).map(|row| tap(row, rows)) {
        for &(left, right, along) in &across {
            let mix = |y: usize| values[y * side + left] * (1.0 - along) + values[y * side + right] * along;
            result.push(mix(top) * (1.0 - down) + mix(bottom) * down);
        }
    }
    result
}

/// What lies around the grid.
#[derive(Clone, Copy, PartialEq)]
enum Beyond {
    Zero,
    Edge,
}

/// Two neighbouring cells and the share of the second; `None` stands for the zeros around the grid.
#[derive(Clone, Copy)]
struct Tap {
    low: Option<usize>,
    high: Option<usize>,
    share: f32,
}

impl Tap {
    /// The cells around the image coordinate `at`.
    fn at(at: f64, start: f64, length: f64, side: usize, beyond: Beyond) -> Self {
        let place = (at - start) * (side as f64 / length) - 0.5;
        let place = if beyond == Beyond::Edge { place.clamp(0.0, (side - 1) as f64) } else { place };
        let low = place.floor();
        let cell = |place: f64| (place >= 0.0 && place < side as f64).then_some(place as usize);
        Self { low: cell(low), high: cell(low + 1.0), share: (place - low) as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assist::crop;

    #[test]
    fn an_identity_patch_comes_back_unchanged() {
        let mask = Mask::from_fn(Size::new(16, 16), |x, y| (x * 7 + y * 3) % 5 == 0);
        let rect = crop::frame(mask.size());
        let patch = Patch { rect, side: 16, soft: crop::mask_crop(&mask, rect, 16) };
        assert_eq!(patch.mask(mask.size()), mask);
    }

    #[test]
    fn a_correction_changes_only_what_it_is_sure_of() {
        let original = Mask::from_fn(Size::new(4, 1), |x, _| x < 2);
        let patch = Patch { rect: Rect::new(0.0, 0.0, 4.0, 4.0), side: 4, soft: [0.1, 0.4, 0.6, 0.9].repeat(4) };
        assert_eq!(patch.corrected(&original, 0.2).bytes(), [0, 1, 0, 1]);
        assert_eq!(patch.corrected(&original, 0.0).bytes(), [0, 0, 1, 1]);
        let whole = Patch { rect: Rect::new(0.0, 0.0, 2.0, 1.0), side: 1, soft: vec![0.8] };
        assert_eq!(whole.corrected(&Mask::new(Size::new(4, 1)), 0.2).bytes(), [1, 1, 0, 0]);
    }

    #[test]
    fn a_change_stays_where_the_patch_sees_it_too() {
        let (original, changed) = (Mask::from_fn(Size::new(4, 1), |x, _| x < 2), Mask::from_fn(Size::new(4, 1), |x, _| x % 2 == 1));
        assert_eq!(changed.bytes(), [0, 1, 0, 1]);
        let with = |soft: [f32; 4]| {
            let patch = Patch { rect: Rect::new(0.0, 0.0, 4.0, 4.0), side: 4, soft: soft.repeat(4) };
            patch.vetoed(&original, changed.clone()).bytes().to_vec()
        };
        assert_eq!(with([0.1, 0.1, 0.9, 0.9]), [0, 1, 0, 1]);
        assert_eq!(with([0.9, 0.9, 0.1, 0.1]), [1, 1, 0, 0]);
        assert_eq!(with([0.1, 0.9, 0.9, 0.1]), [0, 1, 0, 0]);
    }

    #[test]
    fn overlapping_patches_are_averaged_and_seen_in_a_thumbnail() {
        let patch = |x: f64, soft: f32| Patch { rect: Rect::new(x, 0.0, 4.0, 4.0), side: 2, soft: vec![soft; 4] };
        let patches = [patch(0.0, 0.2), patch(2.0, 1.0)];
        let mut row = [-1.0_f32; 7];
        averaged(&patches, Size::new(7, 3), |x, y, soft| {
            if y == 2 {
                row[x as usize] = soft;
            }
        });
        assert!(row.iter().zip([0.2, 0.2, 0.6, 0.6, 1.0, 1.0, -1.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{row:?}");
        let mut thumbnail = Patch { rect: Rect::new(0.0, 0.0, 8.0, 8.0), side: 4, soft: vec![0.5; 16] };
        thumbnail.take(&patches[0]);
        assert_eq!(&thumbnail.soft[..8], [0.2, 0.2, 0.5, 0.5, 0.2, 0.2, 0.5, 0.5]);
    }

    #[test]
    fn only_the_patch_is_touched() {
        let patch = Patch { rect: Rect::new(-2.0, 3.0, 6.0, 4.0), side: 4, soft: vec![1.0; 16] };
        let mask = patch.mask(Size::new(10, 10));
        assert_eq!(mask.bbox(), Some(Rect::new(0.0, 3.0, 4.0, 4.0)));
        assert!(Patch { rect: Rect::new(50.0, 50.0, 4.0, 4.0), ..patch }.mask(Size::new(10, 10)).is_empty());
    }
}
