//! A brush stroke on its way: the mask as it becomes, and what the screen needs to follow it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::crop::{Crop, TILE_PX};
use super::overlay::{Capsule, touches};
use crate::annotation::{InstanceId, Shape};
use crate::geometry::{Point, Size};
use crate::mask::{Mask, PixelRect, brush, rle};

/// A stroke that the pointer still holds.
#[derive(Debug)]
pub(super) struct Stroke {
    /// The object that is painted; `None` for a new one.
    pub target: Option<InstanceId>,
    /// Whether the stroke adds.
    pub inside: bool,
    radius_px: f64,
    last: Point,
    /// The grid of the image.
    size: Size,
    /// The part of the image that the stroke and its object have reached, so that a stroke costs what it covers.
    window: PixelRect,
    /// The mask under the window.
    mask: Mask,
    capsules: Arc<Vec<Capsule>>,
    tiles: Vec<Crop>,
    cells: BTreeSet<(u32, u32)>,
    changed: bool,
}

/// Pixels by which the window grows beyond what a stroke needs now.
const ROOM_PX: u32 = 512;

impl Stroke {
    /// A stroke on an image of `size` over the mask with run lengths `counts`, none for a new one, that begins with a dab
    /// at `at`.
    pub(super) fn begin(target: Option<InstanceId>, size: Size, counts: Option<&[u32]>, at: Point, radius_px: f64, inside: bool) -> Self {
        let window = counts.and_then(|counts| rle::bounds(size, counts)).unwrap_or_default();
        let mask = counts.map_or_else(|| Mask::new(Size::default()), |counts| rle::decode_window(size, counts, window));
        let mut stroke = Self {
            target,
            inside,
            radius_px,
            last: at,
            size,
            window,
            mask,
            capsules: Arc::default(),
            tiles: Vec::new(),
            cells: BTreeSet::new(),
            changed: false,
        };
        stroke.add_tiles(window, |_| true);
        stroke.extend(at);
        stroke
    }

    /// Draws on to `to`.
    pub(super) fn extend(&mut self, to: Point) {
        let capsule = Capsule { start: self.last, end: to, radius_px: self.radius_px, inside: self.inside };
        self.last = to;
        let reach = crate::geometry::Rect::from_corners(capsule.start, capsule.end).expanded(self.radius_px + 2.0);
        let reach = PixelRect::around(reach, self.size);
        // A tile is made from the mask before the first capsule that touches it.
        self.add_tiles(reach, |area| touches(&capsule, area));
        // Nothing can be erased outside.
        let reach = if self.inside { reach } else { reach.intersection(self.window) };
        if !reach.is_empty() {
            self.cover(reach);
            let local = |point: Point| Point::new(point.x - f64::from(self.window.x), point.y - f64::from(self.window.y));
            let (start, end) = (local(capsule.start), local(capsule.end));
            self.changed |= brush::stroke(&mut self.mask, start, end, capsule.radius_px, capsule.inside).is_some();
        }
        Arc::make_mut(&mut self.capsules).push(capsule);
    }

    /// Lets the window hold `area`.
    fn cover(&mut self, area: PixelRect) {
        let wanted = self.window.union(area);
        if wanted == self.window {
            return;
        }
        let window = wanted.grown(ROOM_PX, self.size);
        let mut mask = Mask::new(window.size());
        if !self.window.is_empty() {
            mask.paste(&self.mask, self.window.x - window.x, self.window.y - window.y);
        }
        (self.window, self.mask) = (window, mask);
    }

    /// What the screen shows: textures and the capsules to stamp over them.
    pub(super) fn tiles(&self) -> (&[Crop], &Arc<Vec<Capsule>>) {
        (&self.tiles, &self.capsules)
    }

    /// The outline with the whole stroke; `None` where nothing changed.
    pub(super) fn finish(self) -> Option<Shape> {
        let counts = || rle::encode_placed(&self.mask, self.window.x, self.window.y, self.size);
        self.changed.then(|| Shape::from_runs(self.size, counts()))
    }

    fn add_tiles(&mut self, area: PixelRect, wanted: impl Fn(PixelRect) -> bool) {
        if area.is_empty() {
            return;
        }
        let size = self.size;
        for row in area.y / TILE_PX..=(area.bottom() - 1) / TILE_PX {
            for column in area.x / TILE_PX..=(area.right() - 1) / TILE_PX {
                let (x, y) = (column * TILE_PX, row * TILE_PX);
                let tile = PixelRect::new(x, y, TILE_PX.min(size.width - x), TILE_PX.min(size.height - y));
                if wanted(tile) && self.cells.insert((column, row)) {
                    self.tiles.push(Crop::new(tile, &self.mask, (self.window.x, self.window.y)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stroke_in_its_window_is_the_stroke_on_the_whole_image() {
        let size = Size::new(3000, 1500);
        let mut whole = Mask::new(size);
        let path = [Point::new(100.0, 90.0), Point::new(140.5, 700.0), Point::new(2990.0, 1490.0), Point::new(-40.0, 20.0)];
        let mut counts: Option<Vec<u32>> = None;
        for inside in [true, false, true] {
            let radius_px = if inside { 30.0 } else { 12.0 };
            let mut stroke = Stroke::begin(None, size, counts.as_deref(), path[0], radius_px, inside);
            brush::stroke(&mut whole, path[0], path[0], radius_px, inside);
            for pair in path.windows(2) {
                stroke.extend(pair[1]);
                brush::stroke(&mut whole, pair[0], pair[1], radius_px, inside);
            }
            let Some(Shape::Rle { counts: painted, .. }) = stroke.finish() else { panic!("nothing changed") };
            assert_eq!(*painted, rle::encode(&whole));
            counts = Some(painted.to_vec());
        }
        let nothing = Stroke::begin(None, size, None, path[0], 9.0, false);
        assert_eq!(nothing.finish(), None);
    }
}
