//! Binary masks on a pixel grid. Each function here is also the CPU twin of a shader where one exists.
//!
//! A mask that many places keep is better kept as run lengths ([`rle`]); [`Mask`] is the form in which pixels are
//! painted, compared and shown.

pub mod brush;
pub mod component;
mod contour;
pub mod cut;
pub mod distance;
pub mod metric;
pub mod morphology;
pub mod overlay;
pub mod polygon;
pub mod rle;
pub mod wand;
mod window;

pub use window::PixelRect;

use crate::geometry::{Rect, Size};

/// A binary mask: row-major, one byte a pixel, 0 outside and 1 inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    size: Size,
    data: Vec<u8>,
}

impl Mask {
    /// An empty mask.
    pub fn new(size: Size) -> Self {
        Self { size, data: vec![0; size.pixels()] }
    }

    /// A mask from row-major bytes, every non-zero byte being inside; `None` if `data` does not have `size.pixels()` bytes.
    pub fn from_bytes(size: Size, mut data: Vec<u8>) -> Option<Self> {
        for value in &mut data {
            *value = u8::from(*value != 0);
        }
        (data.len() == size.pixels()).then_some(Self { size, data })
    }

    /// A mask that holds the pixels (x, y) for which `inside` is true.
    pub fn from_fn(size: Size, mut inside: impl FnMut(u32, u32) -> bool) -> Self {
        let mut mask = Self::new(size);
        for y in 0..size.height {
            for x in 0..size.width {
                mask.set(x, y, inside(x, y));
            }
        }
        mask
    }

    /// The pixels whose centre lies inside `rect`.
    pub fn filled(size: Size, rect: Rect) -> Self {
        Self::from_fn(size, |x, y| rect.contains(crate::geometry::Point::new(f64::from(x) + 0.5, f64::from(y) + 0.5)))
    }

    /// Columns and rows.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// The bytes, row-major, each 0 or 1.
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// One row, left to right.
    pub fn row(&self, y: u32) -> &[u8] {
        let width = self.size.width as usize;
        &self.data[y as usize * width..][..width]
    }

    /// One row, left to right, to be written with 0 and 1 only.
    pub(crate) fn row_mut(&mut self, y: u32) -> &mut [u8] {
        let width = self.size.width as usize;
        &mut self.data[y as usize * width..][..width]
    }

    /// Whether (x, y) is inside the mask; false outside the grid.
    pub fn get(&self, x: u32, y: u32) -> bool {
        x < self.size.width && y < self.size.height && self.data[self.index(x, y)] != 0
    }

    /// Sets one pixel.
    ///
    /// # Panics
    /// When (x, y) is outside the grid.
    pub fn set(&mut self, x: u32, y: u32, inside: bool) {
        let index = self.index(x, y);
        self.data[index] = u8::from(inside);
    }

    /// The number of pixels inside.
    pub fn area(&self) -> u64 {
        self.data.iter().map(|&v| u64::from(v)).sum()
    }

    /// Whether no pixel is inside.
    pub fn is_empty(&self) -> bool {
        self.data.iter().all(|&v| v == 0)
    }

    /// The smallest box that holds every pixel; `None` for an empty mask.
    pub fn bbox(&self) -> Option<Rect> {
        self.bounds().map(PixelRect::to_rect)
    }

    /// The smallest pixel rectangle that holds every pixel; `None` for an empty mask.
    pub fn bounds(&self) -> Option<PixelRect> {
        let (mut left, mut right, mut top, mut bottom) = (u32::MAX, 0, None, 0);
        for y in 0..self.size.height {
            let row = self.row(y);
            if let Some((first, last)) = span_of_other(row, 0) {
                left = left.min(first as u32);
                right = right.max(last as u32);
                top.get_or_insert(y);
                bottom = y;
            }
        }
        let top = top?;
        Some(PixelRect::new(left, top, right - left + 1, bottom - top + 1))
    }

    /// The part of this mask under `window`, on a grid of the window's size; what lies outside this grid is empty.
    #[must_use]
    pub fn cropped(&self, window: PixelRect) -> Self {
        let mut crop = Self::new(window.size());
        let shared = window.intersection(PixelRect::of(self.size));
        if shared.is_empty() {
            return crop;
        }
        for y in shared.y..shared.bottom() {
            let from = &self.row(y)[shared.x as usize..shared.right() as usize];
            crop.row_mut(y - window.y)[(shared.x - window.x) as usize..][..from.len()].copy_from_slice(from);
        }
        crop
    }

    /// Writes `crop` over this mask with its left top pixel at (`x`, `y`); what falls outside this grid is left out.
    pub fn paste(&mut self, crop: &Self, x: u32, y: u32) {
        let shared = PixelRect::new(x, y, crop.size.width, crop.size.height).intersection(PixelRect::of(self.size));
        if shared.is_empty() {
            return;
        }
        for row in shared.y..shared.bottom() {
            let from = &crop.row(row - y)[..shared.width as usize];
            self.row_mut(row)[shared.x as usize..][..from.len()].copy_from_slice(from);
        }
    }

    fn index(&self, x: u32, y: u32) -> usize {
        assert!(x < self.size.width && y < self.size.height, "pixel ({x}, {y}) is outside {:?}", self.size);
        y as usize * self.size.width as usize + x as usize
    }
}

/// A number that other bytes hardly have (FNV-1a); files keep it, so it stays the same.
pub(crate) fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The first and the last place in `row` that does not hold `value`; `None` where all do. Looks at many bytes at once.
fn span_of_other(row: &[u8], value: u8) -> Option<(usize, usize)> {
    const BLOCK: usize = 64;
    let differs = |block: &[u8]| block.iter().fold(0, |any, &v| any | (v ^ value)) != 0;
    let first = row.chunks(BLOCK).position(differs)? * BLOCK;
    let last = row.chunks(BLOCK).rposition(differs)? * BLOCK;
    let other = |&v: &u8| v != value;
    Some((first + row[first..].iter().position(other)?, last + row[last..(last + BLOCK).min(row.len())].iter().rposition(other)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_box_has_its_own_bounds() {
        let rect = Rect::new(2.0, 1.0, 3.0, 2.0);
        let mask = Mask::filled(Size::new(7, 5), rect);
        assert_eq!(mask.area(), 6);
        assert_eq!(mask.bbox(), Some(rect));
        assert_eq!(Mask::new(Size::new(3, 3)).bbox(), None);
    }
    #[test]
    fn a_crop_pasted_back_changes_nothing() {
        let mask = Mask::from_fn(Size::new(9, 7), |x, y| (x * 3 + y * 5) % 4 == 0);
        let window = PixelRect::new(2, 1, 5, 4);
        let crop = mask.cropped(window);
        assert_eq!(crop.size(), Size::new(5, 4));
        assert!((0..4).all(|y| (0..5).all(|x| crop.get(x, y) == mask.get(x + 2, y + 1))));
        let mut copy = mask.clone();
        copy.paste(&crop, 2, 1);
        assert_eq!(copy, mask);
        assert_eq!(
            mask.cropped(PixelRect::new(7, 5, 4, 4)).area(),
            [(7, 5), (8, 5), (7, 6), (8, 6)].iter().filter(|p| mask.get(p.0, p.1)).count() as u64
        );
    }
}
