//! A brush stroke on its way: the mask as it becomes, and what the screen needs to follow it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::crop::{Crop, TILE_PX};
use super::overlay::{Capsule, touches};
use crate::annotation::InstanceId;
use crate::geometry::Point;
use crate::mask::{Mask, PixelRect, brush};

/// A stroke that the pointer still holds.
#[derive(Debug)]
pub(super) struct Stroke {
    /// The object that is painted; `None` for a new one.
    pub target: Option<InstanceId>,
    /// Whether the stroke adds.
    pub inside: bool,
    radius_px: f64,
    last: Point,
    mask: Mask,
    capsules: Arc<Vec<Capsule>>,
    tiles: Vec<Crop>,
    cells: BTreeSet<(u32, u32)>,
    changed: bool,
}

impl Stroke {
    /// A stroke over `mask` that begins with a dab at `at`.
    pub(super) fn begin(target: Option<InstanceId>, mask: Mask, at: Point, radius_px: f64, inside: bool) -> Self {
        let mut stroke = Self {
            target,
            inside,
            radius_px,
            last: at,
            mask,
            capsules: Arc::default(),
            tiles: Vec::new(),
            cells: BTreeSet::new(),
            changed: false,
        };
        if let Some(bounds) = stroke.mask.bounds() {
            stroke.add_tiles(bounds, |_| true);
        }
        stroke.extend(at);
        stroke
    }

    /// Draws on to `to`.
    pub(super) fn extend(&mut self, to: Point) {
        let capsule = Capsule { start: self.last, end: to, radius_px: self.radius_px, inside: self.inside };
        self.last = to;
        let reach = crate::geometry::Rect::from_corners(capsule.start, capsule.end).expanded(self.radius_px + 2.0);
        // A tile is made from the mask before the first capsule that touches it.
        self.add_tiles(PixelRect::around(reach, self.mask.size()), |area| touches(&capsule, area));
        self.changed |= brush::stroke(&mut self.mask, capsule.start, capsule.end, capsule.radius_px, capsule.inside).is_some();
        Arc::make_mut(&mut self.capsules).push(capsule);
    }

    /// What the screen shows: textures and the capsules to stamp over them.
    pub(super) fn tiles(&self) -> (&[Crop], &Arc<Vec<Capsule>>) {
        (&self.tiles, &self.capsules)
    }

    /// The mask with the whole stroke; `None` where nothing changed.
    pub(super) fn finish(self) -> Option<Mask> {
        self.changed.then_some(self.mask)
    }

    fn add_tiles(&mut self, area: PixelRect, wanted: impl Fn(PixelRect) -> bool) {
        if area.is_empty() {
            return;
        }
        let size = self.mask.size();
        for row in area.y / TILE_PX..=(area.bottom() - 1) / TILE_PX {
            for column in area.x / TILE_PX..=(area.right() - 1) / TILE_PX {
                let (x, y) = (column * TILE_PX, row * TILE_PX);
                let tile = PixelRect::new(x, y, TILE_PX.min(size.width - x), TILE_PX.min(size.height - y));
                if wanted(tile) && self.cells.insert((column, row)) {
                    let mask = &self.mask;
                    let inside = |x: i64, y: i64| u32::try_from(x).is_ok_and(|x| u32::try_from(y).is_ok_and(|y| mask.get(x, y)));
                    self.tiles.push(Crop::new(tile, inside));
                }
            }
        }
    }
}
