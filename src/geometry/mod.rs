//! Points, boxes and transforms. A transform is named `b_from_a`: it takes coordinates of space `a` to space `b`.
//!
//! Image coordinates are continuous: pixel (0, 0) covers the square from (0, 0) to (1, 1).

/// A point in a continuous plane, in the units of its space.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Distance from the left edge.
    pub x: f64,
    /// Distance from the top edge.
    pub y: f64,
}

impl Point {
    /// The point (`x`, `y`).
    pub const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    /// Euclidean distance to `other`.
    pub fn distance(self, other: Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// The size of a pixel grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// `width` columns and `height` rows.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// The number of pixels.
    pub const fn pixels(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// Whether there are any: the size of an image whose record does not tell it is 0.
    pub const fn has_pixels(self) -> bool {
        self.pixels() > 0
    }
}

/// An axis-aligned box in COCO's form: left, top, width, height.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Extent to the right; never negative for a box that a person drew.
    pub width: f64,
    /// Extent downwards.
    pub height: f64,
}

impl Rect {
    /// A box from its left, top, width and height.
    pub const fn new(x: f64, y: f64, width: f64, height: f64) -> Self {
        Self { x, y, width, height }
    }

    /// The smallest box that holds both points.
    pub fn from_corners(a: Point, b: Point) -> Self {
        Self::new(a.x.min(b.x), a.y.min(b.y), (a.x - b.x).abs(), (a.y - b.y).abs())
    }

    /// The right edge.
    pub fn right(self) -> f64 {
        self.x + self.width
    }

    /// The bottom edge.
    pub fn bottom(self) -> f64 {
        self.y + self.height
    }

    /// The middle.
    pub fn center(self) -> Point {
        Point::new(self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// Width times height.
    pub fn area(self) -> f64 {
        self.width * self.height
    }

    /// Whether `point` lies inside; the left and top edges belong to the box, the others do not.
    pub fn contains(self, point: Point) -> bool {
        point.x >= self.x && point.x < self.right() && point.y >= self.y && point.y < self.bottom()
    }

    /// The part of this box that lies inside a grid of `size`; width and height 0 where there is none.
    #[must_use]
    pub fn clipped(self, size: Size) -> Self {
        let left = self.x.clamp(0.0, f64::from(size.width));
        let top = self.y.clamp(0.0, f64::from(size.height));
        let right = self.right().clamp(left, f64::from(size.width));
        let bottom = self.bottom().clamp(top, f64::from(size.height));
        Self::new(left, top, right - left, bottom - top)
    }

    /// Whether there is such a box, and a part of it lies in an image of `size`.
    pub fn covers_some_of(self, size: Size) -> bool {
        self.is_drawable() && self.clipped(size).is_drawable()
    }

    /// The area that both share over the area of both together; 0 where they share none.
    pub fn iou(self, other: Self) -> f64 {
        let shared = self.shared(other);
        let all = self.area() + other.area() - shared;
        if all > 0.0 { shared / all } else { 0.0 }
    }

    /// The area that both share.
    pub fn shared(self, other: Self) -> f64 {
        let width = self.right().min(other.right()) - self.x.max(other.x);
        let height = self.bottom().min(other.bottom()) - self.y.max(other.y);
        width.max(0.0) * height.max(0.0)
    }

    /// The smallest box that holds both.
    #[must_use]
    pub fn united(self, other: Self) -> Self {
        let near = Point::new(self.x.min(other.x), self.y.min(other.y));
        Self::from_corners(near, Point::new(self.right().max(other.right()), self.bottom().max(other.bottom())))
    }

    /// This box with `margin` more on every side.
    #[must_use]
    pub fn expanded(self, margin: f64) -> Self {
        Self::new(self.x - margin, self.y - margin, self.width + 2.0 * margin, self.height + 2.0 * margin)
    }

    /// Whether all four numbers are finite and both extents positive.
    pub fn is_drawable(self) -> bool {
        [self.x, self.y, self.width, self.height].iter().all(|v| v.is_finite()) && self.width > 0.0 && self.height > 0.0
    }
}

/// A uniform scale followed by a shift: `b = a * scale + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// Units of the target space per unit of the source space.
    pub scale: f64,
    /// Where the source's origin lands.
    pub offset: Point,
}

impl Transform {
    /// Where `point` lands in the target space.
    pub fn apply(self, point: Point) -> Point {
        Point::new(point.x * self.scale + self.offset.x, point.y * self.scale + self.offset.y)
    }

    /// The transform back.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self { scale: 1.0 / self.scale, offset: Point::new(-self.offset.x / self.scale, -self.offset.y / self.scale) }
    }

    /// The largest scale at which an image of `size` fits into `view`, centred.
    pub fn fit(size: Size, view: Rect) -> Self {
        let (w, h) = (f64::from(size.width.max(1)), f64::from(size.height.max(1)));
        let scale = (view.width / w).min(view.height / h).max(1e-6);
        let center = view.center();
        Self { scale, offset: Point::new(center.x - w * scale / 2.0, center.y - h * scale / 2.0) }
    }

    /// This transform scaled by `factor` so that `anchor`, a point of the target space, keeps what is under it.
    #[must_use]
    pub fn zoomed(self, factor: f64, anchor: Point) -> Self {
        let moved = |offset: f64, anchor: f64| anchor + (offset - anchor) * factor;
        Self { scale: self.scale * factor, offset: Point::new(moved(self.offset.x, anchor.x), moved(self.offset.y, anchor.y)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zoom_keeps_the_point_under_the_cursor() {
        let ui_from_image = Transform::fit(Size::new(640, 480), Rect::new(0.0, 0.0, 800.0, 800.0));
        let cursor = Point::new(123.0, 456.0);
        let before = ui_from_image.inverse().apply(cursor);
        let after = ui_from_image.zoomed(3.7, cursor).inverse().apply(cursor);
        assert!(before.distance(after) < 1e-9);
    }

    #[test]
    fn boxes_are_alike_as_far_as_they_share_their_area() {
        let rect = Rect::new(2.0, 3.0, 4.0, 2.0);
        assert!((rect.iou(rect) - 1.0).abs() < 1e-12);
        assert!((rect.iou(Rect::new(4.0, 2.0, 4.0, 4.0)) - 0.2).abs() < 1e-12);
        for apart in [Rect::new(6.0, 3.0, 4.0, 2.0), Rect::new(20.0, 30.0, 4.0, 2.0), Rect::default()] {
            assert!(rect.iou(apart).abs() < 1e-12 && apart.iou(rect).abs() < 1e-12, "{apart:?}");
        }
        assert!(Rect::default().iou(Rect::default()).abs() < 1e-12);
    }

    #[test]
    fn clipping_a_box_outside_leaves_nothing() {
        assert_eq!(Rect::new(-10.0, -10.0, 5.0, 5.0).clipped(Size::new(4, 4)), Rect::new(0.0, 0.0, 0.0, 0.0));
        assert_eq!(Rect::new(-1.0, -1.0, 9.0, 3.0).clipped(Size::new(4, 4)), Rect::new(0.0, 0.0, 4.0, 2.0));
    }
}
