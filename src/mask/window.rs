//! A rectangle of whole pixels.

use crate::geometry::{Rect, Size};

/// A rectangle of whole pixels: left, top, columns, rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PixelRect {
    /// The leftmost column.
    pub x: u32,
    /// The topmost row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl PixelRect {
    /// A rectangle from its left column, top row, columns and rows.
    pub const fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self { x, y, width, height }
    }

    /// The whole of a grid.
    pub const fn of(size: Size) -> Self {
        Self::new(0, 0, size.width, size.height)
    }

    /// The pixels of a grid of `size` that `rect` touches; empty where there are none.
    pub fn around(rect: Rect, size: Size) -> Self {
        if ![rect.x, rect.y, rect.right(), rect.bottom()].iter().all(|v| v.is_finite()) {
            return Self::default();
        }
        let clipped = rect.clipped(size);
        let (left, top) = (clipped.x.floor() as u32, clipped.y.floor() as u32);
        Self::new(left, top, clipped.right().ceil() as u32 - left, clipped.bottom().ceil() as u32 - top)
    }

    /// One past the rightmost column.
    pub const fn right(self) -> u32 {
        self.x.saturating_add(self.width)
    }

    /// One past the lowest row.
    pub const fn bottom(self) -> u32 {
        self.y.saturating_add(self.height)
    }

    /// Columns and rows.
    pub const fn size(self) -> Size {
        Size::new(self.width, self.height)
    }

    /// Whether the pixel in column `x` and row `y` lies inside.
    pub const fn contains(self, x: u32, y: u32) -> bool {
        x >= self.x && x < self.right() && y >= self.y && y < self.bottom()
    }

    /// Whether no pixel lies inside.
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// The pixels that lie in both; empty where there are none.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let (right, bottom) = (self.right().min(other.right()), self.bottom().min(other.bottom()));
        Self::new(x, y, right.saturating_sub(x), bottom.saturating_sub(y))
    }

    /// The smallest rectangle that holds both; an empty one adds nothing.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return if self.is_empty() { other } else { self };
        }
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        Self::new(x, y, self.right().max(other.right()) - x, self.bottom().max(other.bottom()) - y)
    }

    /// This rectangle with `margin` more pixels on every side, as far as a grid of `size` has them.
    #[must_use]
    pub fn grown(self, margin: u32, size: Size) -> Self {
        let (x, y) = (self.x.saturating_sub(margin), self.y.saturating_sub(margin));
        let right = self.right().saturating_add(margin).min(size.width);
        let bottom = self.bottom().saturating_add(margin).min(size.height);
        Self::new(x, y, right.saturating_sub(x), bottom.saturating_sub(y))
    }

    /// The same rectangle in continuous coordinates.
    pub fn to_rect(self) -> Rect {
        Rect::new(f64::from(self.x), f64::from(self.y), f64::from(self.width), f64::from(self.height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn union_and_intersection_of_disjoint_rectangles() {
        let (a, b) = (PixelRect::new(1, 1, 2, 2), PixelRect::new(5, 6, 1, 1));
        assert!(a.intersection(b).is_empty());
        assert_eq!(a.union(b), PixelRect::new(1, 1, 5, 6));
        assert_eq!(a.union(PixelRect::default()), a);
        assert_eq!(a.grown(3, Size::new(4, 9)), PixelRect::new(0, 0, 4, 6));
    }

    #[test]
    fn around_takes_every_touched_pixel() {
        let size = Size::new(10, 10);
        assert_eq!(PixelRect::around(Rect::new(0.5, 1.0, 2.0, 2.0), size), PixelRect::new(0, 1, 3, 2));
        assert!(PixelRect::around(Rect::new(40.0, 40.0, 2.0, 2.0), size).is_empty());
        assert!(PixelRect::around(Rect::new(f64::NAN, 0.0, 2.0, 2.0), size).is_empty());
    }
}
