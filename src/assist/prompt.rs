//! What a person tells the segmenter about one object: its box, and where there is more, its present mask, strokes,
//! exemplars and class.

use std::sync::Arc;

use image::RgbImage;

use super::crop::{box_region, mask_crop};
use super::local::near_strokes;
use super::view::View;
use crate::geometry::{Point, Rect};
use crate::mask::{Mask, PixelRect, brush};

/// The side of an exemplar's crop, in pixels.
const EXEMPLAR_SIDE: usize = 128;

/// One object to segment.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    /// The box, in image coordinates.
    pub rect: Rect,
    /// The mask that is there already; the result is then a change of it rather than a new one.
    pub mask: Option<Arc<Mask>>,
    /// Whether that mask is somebody's work: it changes only around the strokes that it does not follow yet.
    pub keeps_mask: bool,
    /// What certainly belongs to the object and what does not; later strokes count over earlier ones.
    pub scribbles: Vec<Scribble>,
    /// Other objects of its class.
    pub exemplars: Vec<Arc<ExemplarCrop>>,
    /// The name of its class; it counts where the weights know it.
    pub class: Option<String>,
}

impl From<Rect> for Prompt {
    fn from(rect: Rect) -> Self {
        Self { rect, ..Self::default() }
    }
}

impl Prompt {
    /// Whether the result is a change of something that is there, rather than a mask from noise alone.
    pub const fn is_edit(&self) -> bool {
        self.mask.is_some() || !self.scribbles.is_empty()
    }

    /// Makes `mask`, a result, obey the strokes, and keeps what is somebody's work elsewhere.
    pub fn settle(&self, mask: &mut Mask) {
        if let Some(present) = self.mask.as_ref().filter(|_| self.keeps_mask && !self.scribbles.is_empty()) {
            *mask = near_strokes(present, mask, &self.scribbles);
        }
        self.scribbles.iter().for_each(|scribble| scribble.paint(mask));
    }

    /// The box with room for what was painted as inside.
    pub fn area(&self) -> Rect {
        let painted = self.scribbles.iter().filter(|scribble| scribble.inside).filter_map(Scribble::bounds);
        painted.fold(self.rect, Rect::united)
    }
}

/// A stroke that says on which side its pixels lie; a click is one with a single point.
#[derive(Clone, Debug, PartialEq)]
pub struct Scribble {
    /// The middle line, in image coordinates; one point at least.
    pub points: Vec<Point>,
    /// Half its width, in image pixels.
    pub radius_px: f64,
    /// Whether its pixels belong to the object.
    pub inside: bool,
}

impl Scribble {
    /// Puts the stroke's pixels on their side.
    pub fn paint(&self, mask: &mut Mask) {
        self.draw(mask, self.inside);
    }

    /// For each of `strokes`, in the order of painting, whether `mask` has its pixels on its side; those that a later one
    /// covers do not count.
    pub fn followed(strokes: &[Self], mask: &Mask) -> Vec<bool> {
        let mut covered = Mask::new(mask.size());
        let mut followed: Vec<bool> = strokes.iter().rev().map(|stroke| stroke.is_followed(mask, &mut covered)).collect();
        followed.reverse();
        followed
    }

    /// Adds the stroke's pixels to `covered`.
    fn is_followed(&self, mask: &Mask, covered: &mut Mask) -> bool {
        let window = self.bounds().map(|rect| PixelRect::around(rect, mask.size())).unwrap_or_default();
        let before = covered.cropped(window);
        self.draw(covered, true);
        let (now, mask) = (covered.cropped(window), mask.cropped(window));
        let pixels = now.bytes().iter().zip(before.bytes()).zip(mask.bytes());
        pixels.filter(|((now, before), _)| now != before).all(|(_, &inside)| (inside != 0) == self.inside)
    }

    /// The sides of a grid of `side` x `side` cells over `region`: 1 inside, -1 outside, 0 where no stroke goes. A
    /// stroke covers a cell at least.
    pub fn sides(scribbles: &[Self], region: Rect, side: usize) -> Vec<f32> {
        let (sx, sy) = (side as f64 / region.width, side as f64 / region.height);
        let size = crate::geometry::Size::new(side as u32, side as u32);
        let mut sides = vec![0.0; side * side];
        for scribble in scribbles {
            let points = scribble.points.iter().map(|at| Point::new((at.x - region.x) * sx, (at.y - region.y) * sy)).collect();
            let mut cells = Mask::new(size);
            let scaled = Self { points, radius_px: (scribble.radius_px * sx.min(sy)).max(0.75), inside: true };
            scaled.draw(&mut cells, true);
            for (value, _) in sides.iter_mut().zip(cells.bytes()).filter(|(_, cell)| **cell != 0) {
                *value = if scribble.inside { 1.0 } else { -1.0 };
            }
        }
        sides
    }

    fn draw(&self, mask: &mut Mask, inside: bool) {
        let first = self.points.first().copied();
        for (from, to) in first.into_iter().chain(self.points.iter().copied()).zip(&self.points) {
            brush::stroke(mask, from, *to, self.radius_px, inside);
        }
    }

    fn bounds(&self) -> Option<Rect> {
        let at = |point: &Point| Rect::from_corners(*point, *point);
        self.points.iter().map(at).reduce(Rect::united).map(|rect| rect.expanded(self.radius_px))
    }
}

/// An object with its mask, cut out of its image: what the network learns about a class without training.
#[derive(Clone, Debug, PartialEq)]
pub struct ExemplarCrop {
    /// The segmenter's input, five planes.
    pub(super) input: Vec<f32>,
    /// The mask on the same grid, 0 or 1.
    pub(super) mask: Vec<f32>,
    /// Pixels a side.
    pub(super) side: usize,
    /// The area of the object's box, in image pixels.
    pub box_area_px: f64,
}

impl ExemplarCrop {
    /// The exemplar at `mask`; `None` where the mask is empty or not of the image's size.
    pub fn new(image: &RgbImage, mask: &Mask) -> Option<Self> {
        let rect = mask.bbox().filter(|_| mask.size() == crate::geometry::Size::new(image.width(), image.height()))?;
        let input = View::new(image, rect, EXEMPLAR_SIDE).input();
        Some(Self { input, mask: mask_crop(mask, box_region(rect), EXEMPLAR_SIDE), side: EXEMPLAR_SIDE, box_area_px: rect.area() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    #[test]
    fn strokes_land_on_the_grid_and_later_ones_win() {
        let click = |x, y, inside| Scribble { points: vec![Point::new(x, y)], radius_px: 1.0, inside };
        let region = Rect::new(10.0, 10.0, 80.0, 40.0);
        let sides = Scribble::sides(&[click(50.0, 30.0, true), click(15.0, 15.0, false)], region, 8);
        assert_eq!(sides.iter().filter(|&&v| v > 0.0).count(), 4, "{sides:?}");
        assert!((sides[8] + 1.0).abs() < 1e-6, "{sides:?}");
        let both = Scribble::sides(&[click(50.0, 30.0, true), click(50.0, 30.0, false)], region, 8);
        assert!(both.iter().all(|&v| v <= 0.0));
    }

    #[test]
    fn a_mask_follows_the_strokes_that_are_painted_into_it() {
        let line = Scribble { points: vec![Point::new(2.0, 2.0), Point::new(9.0, 4.0)], radius_px: 1.5, inside: true };
        let across = Scribble { points: vec![Point::new(5.0, 0.0), Point::new(5.0, 7.0)], radius_px: 1.0, inside: false };
        let strokes = [line.clone(), across];
        let mut mask = Mask::new(Size::new(12, 8));
        assert_eq!(Scribble::followed(&strokes, &mask), [false, true]);
        strokes[0].paint(&mut mask);
        assert!(mask.area() > 20);
        assert_eq!(Scribble::followed(&strokes, &mask), [true, false]);
        strokes[1].paint(&mut mask);
        assert_eq!(Scribble::followed(&strokes, &mask), [true, true], "what the later stroke took does not count");
        let prompt = Prompt { scribbles: vec![line], ..Prompt::from(Rect::new(5.0, 5.0, 2.0, 2.0)) };
        assert_eq!(prompt.area(), Rect::new(0.5, 0.5, 10.0, 6.5));
    }
}
