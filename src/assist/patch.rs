//! A soft mask on a crop, and how it comes back to the image.

use crate::geometry::{Rect, Size};
use crate::mask::Mask;

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

    /// `original` with the pixels changed of which the soft map is sure: more than `margin` to the other side of .5. What
    /// lies outside the patch stays; the grid's edge cells reach on to the patch's edge.
    pub fn corrected(&self, original: &Mask, margin: f32) -> Mask {
        let mut mask = original.clone();
        self.each_pixel(original.size(), Beyond::Edge, |x, y, soft| {
            let threshold = if original.get(x, y) { 0.5 - margin } else { 0.5 + margin };
            mask.set(x, y, soft >= threshold);
        });
        mask
    }

    fn each_pixel(&self, size: Size, beyond: Beyond, mut each: impl FnMut(u32, u32, f32)) {
        let range = |start: f64, length: f64, extent: u32| {
            let end = f64::from(extent);
            start.floor().clamp(0.0, end) as u32..(start + length).ceil().clamp(0.0, end) as u32
        };
        let columns: Vec<(u32, Tap)> = range(self.rect.x, self.rect.width, size.width)
            .map(|x| (x, Tap::new(x, self.rect.x, self.rect.width, self.side, beyond)))
            .collect();
        for y in range(self.rect.y, self.rect.height, size.height) {
            let row = Tap::new(y, self.rect.y, self.rect.height, self.side, beyond);
            for &(x, column) in &columns {
                each(x, y, self.sample(row, column));
            }
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
    fn new(pixel: u32, start: f64, length: f64, side: usize, beyond: Beyond) -> Self {
        let place = (f64::from(pixel) + 0.5 - start) * (side as f64 / length) - 0.5;
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
    fn only_the_patch_is_touched() {
        let patch = Patch { rect: Rect::new(-2.0, 3.0, 6.0, 4.0), side: 4, soft: vec![1.0; 16] };
        let mask = patch.mask(Size::new(10, 10));
        assert_eq!(mask.bbox(), Some(Rect::new(0.0, 3.0, 4.0, 4.0)));
        assert!(Patch { rect: Rect::new(50.0, 50.0, 4.0, 4.0), ..patch }.mask(Size::new(10, 10)).is_empty());
    }
}
