//! A part of an image as the networks see it: a crop, and their inputs made of that.

use image::RgbImage;

use super::crop::{SHARE, centres_inside, frame, normalised, region, resampled};
use super::evidence::colour_evidence;
use crate::geometry::{Rect, Size};

/// A crop on a grid of `side` x `side`, row-major.
#[derive(Clone, Debug)]
pub struct View {
    /// The crop's place in the image; it may leave the image.
    pub region: Rect,
    /// Grid cells a side.
    pub side: usize,
    /// Interleaved RGB, 0..255.
    pub colours: Vec<f32>,
    /// Which cells lie in the image.
    pub inside: Vec<bool>,
    /// Which cells lie in the box.
    pub boxed: Vec<bool>,
}

impl View {
    /// The crop around `rect` of `image`.
    pub fn new(image: &RgbImage, rect: Rect, side: usize) -> Self {
        Self::around(image, rect, SHARE, side)
    }

    /// [`Self::new`] with `share` of each side of `rect` beyond it.
    pub fn around(image: &RgbImage, rect: Rect, share: f64, side: usize) -> Self {
        let region = region(rect, share);
        Self { boxed: centres_inside(region, side, rect), ..Self::over(image, region, side) }
    }

    /// A part of the image without a box: all of it counts as boxed.
    pub fn over(image: &RgbImage, region: Rect, side: usize) -> Self {
        let size = Size::new(image.width(), image.height());
        Self {
            region,
            side,
            colours: resampled(image.as_raw(), size, 3, region, side),
            inside: centres_inside(region, side, frame(size)),
            boxed: vec![true; side * side],
        }
    }

    /// Three normalised colour planes.
    pub fn planes(&self) -> Vec<f32> {
        normalised(&self.colours, &self.inside)
    }

    /// The segmenter's input: three colour planes, the box, and how much each colour speaks for the box.
    pub fn input(&self) -> Vec<f32> {
        self.input_for(&self.boxed)
    }

    /// The segmenter's input for a second look: colours speak for `object`, the cells of a first mask, instead of the box.
    pub fn input_for(&self, object: &[bool]) -> Vec<f32> {
        let mut input = self.planes();
        input.extend(self.boxed.iter().map(|&boxed| f32::from(u8::from(boxed))));
        input.extend(colour_evidence(&self.colours, object, &self.inside));
        input
    }
}
