//! Masks in the form in which they are drawn: bytes of the bounding box only, in tiles that fit a texture, each with a
//! rim of one pixel of what lies beside it, so that outlines know their neighbours.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::annotation::Shape;
use crate::geometry::{Point, Rect, Size};
use crate::mask::{Mask, PixelRect, polygon, rle};

/// The longest side of a tile without its rim, in pixels.
pub(super) const TILE_PX: u32 = 2048;

/// A piece of a mask, ready for the device.
#[derive(Clone, Debug)]
pub(super) struct Crop {
    /// Unlike that of any other crop.
    pub key: u64,
    /// What it covers of the image, in image pixels, without the rim.
    pub area: PixelRect,
    /// Row-major, 0 or 255, `area` with a rim of one pixel.
    pub values: Arc<[u8]>,
}

impl Crop {
    /// A crop of `area`, with its rim, of the mask `local` whose left top pixel lies at `corner` of the image.
    pub(super) fn new(area: PixelRect, local: &Mask, corner: (u32, u32)) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (width, height) = (area.width as usize + 2, area.height as usize + 2);
        let mut values = vec![0; width * height];
        // With the rim, positions begin one before the area, which may lie outside the image: they are counted from there.
        let (left, top) = (u64::from(corner.0) + 1, u64::from(corner.1) + 1);
        let (first, last) = (u64::from(area.x).max(left), (u64::from(area.x) + width as u64).min(left + u64::from(local.size().width)));
        for row in 0..height {
            let at = u64::from(area.y) + row as u64;
            if first >= last || at < top || at >= top + u64::from(local.size().height) {
                continue;
            }
            let from = &local.row((at - top) as u32)[(first - left) as usize..(last - left) as usize];
            let to = &mut values[row * width + (first - u64::from(area.x)) as usize..][..from.len()];
            to.iter_mut().zip(from).for_each(|(to, &inside)| *to = if inside != 0 { 255 } else { 0 });
        }
        Self { key: NEXT.fetch_add(1, Ordering::Relaxed), area, values: values.into() }
    }

    /// Columns and rows of the values.
    pub(super) const fn size(&self) -> (u32, u32) {
        (self.area.width + 2, self.area.height + 2)
    }

    /// Whether an image position lies inside the mask.
    pub(super) fn contains(&self, point: Point) -> bool {
        if !self.area.to_rect().contains(point) {
            return false;
        }
        let (x, y) = (point.x as u32 - self.area.x + 1, point.y as u32 - self.area.y + 1);
        self.values.get((y * self.size().0 + x) as usize).is_some_and(|&value| value != 0)
    }
}

/// The tiles of a mask of the whole image.
pub(super) fn of_mask(mask: &Mask) -> Vec<Crop> {
    let Some(bounds) = mask.bounds() else { return Vec::new() };
    tiles(bounds, mask, (0, 0))
}

/// The tiles of an object's outline on an image; none for a bare box. The cost follows the object's box, not the image.
pub(super) fn of_shape(shape: &Shape, image: Size) -> Vec<Crop> {
    match shape {
        Shape::Box => Vec::new(),
        Shape::Rle { size, counts, .. } => {
            let Some(bounds) = rle::bounds(*size, counts) else { return Vec::new() };
            placed(&rle::decode_window(*size, counts, bounds), bounds.x, bounds.y)
        }
        Shape::Polygons(polygons) => {
            let Some(bounds) = polygon::bounds(polygons) else { return Vec::new() };
            let bounds = bounds.clipped(image);
            let (left, top) = (bounds.x.floor(), bounds.y.floor());
            let grid = Size::new((bounds.right().ceil() - left).max(1.0) as u32, (bounds.bottom().ceil() - top).max(1.0) as u32);
            let moved: Vec<Vec<f64>> = polygons
                .iter()
                .map(|ring| ring.iter().enumerate().map(|(index, value)| value - if index % 2 == 0 { left } else { top }).collect())
                .collect();
            placed(&polygon::rasterize(&moved, grid), left as u32, top as u32)
        }
    }
}

fn placed(local: &Mask, left: u32, top: u32) -> Vec<Crop> {
    let Some(bounds) = local.bounds() else { return Vec::new() };
    let area = PixelRect::new(bounds.x + left, bounds.y + top, bounds.width, bounds.height);
    tiles(area, local, (left, top))
}

/// `area` in pieces of at most [`TILE_PX`], of the mask `local` whose left top pixel lies at `corner`.
fn tiles(area: PixelRect, local: &Mask, corner: (u32, u32)) -> Vec<Crop> {
    let mut crops = Vec::new();
    for y in (area.y..area.bottom()).step_by(TILE_PX as usize) {
        for x in (area.x..area.right()).step_by(TILE_PX as usize) {
            let tile = PixelRect::new(x, y, TILE_PX.min(area.right() - x), TILE_PX.min(area.bottom() - y));
            crops.push(Crop::new(tile, local, corner));
        }
    }
    crops
}

/// The tiles of what is in `a` but not in `b`, two masks of one size.
pub(super) fn of_difference(a: &Mask, b: &Mask) -> Vec<Crop> {
    let only = Mask::from_fn(a.size(), |x, y| a.get(x, y) && !b.get(x, y));
    of_mask(&only)
}

/// Whether `rect` of the image meets the pixels of `area`.
pub(super) fn meets(area: PixelRect, rect: Rect) -> bool {
    let area = area.to_rect();
    area.x < rect.right() && rect.x < area.right() && area.y < rect.bottom() && rect.y < area.bottom()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_of_runs_holds_the_same_pixels_as_the_mask() {
        // Rows 1 and 2 of columns 2 to 4 of a grid of 4 rows and 6 columns.
        let shape = Shape::Rle { size: Size::new(6, 4), counts: [9, 2, 2, 2, 2, 2, 5].into(), compressed: true };
        let crops = of_shape(&shape, Size::new(6, 4));
        assert_eq!(crops.len(), 1);
        assert_eq!(crops[0].area, PixelRect::new(2, 1, 3, 2));
        assert_eq!(crops[0].values.iter().filter(|&&value| value != 0).count(), 6);
        assert!(crops[0].contains(Point::new(2.5, 1.5)));
        assert!(!crops[0].contains(Point::new(1.5, 1.5)));
    }

    #[test]
    fn outlines_far_outside_the_image_are_harmless() {
        let image = Size::new(8, 8);
        let far = Shape::Polygons([vec![-1e12, 2.0, 1e12, 2.0, 1e12, 6.0, -1e12, 6.0]].into());
        assert!(of_shape(&far, image).iter().all(|crop| crop.area.right() <= 8 && crop.area.bottom() <= 8));
        let long = Shape::Rle { size: Size::new(2, 2), counts: [1, 4_000_000].into(), compressed: false };
        assert_eq!(of_shape(&long, image).len(), 1);
    }

    #[test]
    fn tiles_know_what_lies_beside_them() {
        let area = PixelRect::new(0, 0, TILE_PX + 3, 2);
        let crops = tiles(area, &Mask::from_fn(Size::new(TILE_PX + 3, 3), |_, _| true), (0, 0));
        assert_eq!(crops.len(), 2);
        assert_eq!(crops[1].area, PixelRect::new(TILE_PX, 0, 3, 2));
        let (width, _) = crops[0].size();
        assert_eq!(crops[0].values[(width + width - 1) as usize], 255, "the rim on the right belongs to the next tile");
        assert_eq!(crops[0].values[width as usize], 0, "the rim on the left lies outside");
    }
}
