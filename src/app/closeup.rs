//! Where to look at a refined mask: at what changed, and at so much around it that one knows where one is.

use super::state::Change;
use crate::geometry::{Rect, Size};
use crate::mask::rle;

/// It has at least this share of the width and the height of the object; as much again is seen on each side.
const LEAST: f64 = 0.25;
/// Pixels around what changed.
const MARGIN: u32 = 4;

impl Change {
    /// The part of an image of `size` that shows what changed; `bbox` is the object's box.
    pub(super) fn closeup(&self, bbox: Rect, size: Size) -> Rect {
        let (Ok(before), Ok(after)) = (self.before.runs(bbox, size), self.after.runs(bbox, size)) else { return bbox };
        let Some(changed) = rle::bounds(size, &rle::difference(&before, &after)) else { return bbox };
        let changed = changed.grown(MARGIN, size).to_rect();
        let (width, height) = (changed.width.max(bbox.width * LEAST), changed.height.max(bbox.height * LEAST));
        let center = changed.center();
        Rect::new(center.x - width / 2.0, center.y - height / 2.0, width, height).clipped(size)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::annotation::{InstanceId, Shape};
    use crate::mask::Mask;

    const SIZE: Size = Size::new(1000, 800);
    const OBJECT: Rect = Rect::new(100.0, 100.0, 800.0, 600.0);

    /// What is looked at where a refined mask lacks the pixels of `hole`.
    fn closeup(hole: Rect) -> Rect {
        let (before, hole) = (Mask::filled(SIZE, OBJECT), Mask::filled(SIZE, hole));
        let after = Mask::from_fn(SIZE, |x, y| before.get(x, y) && !hole.get(x, y));
        let shape = |mask: &Mask| Arc::new(Shape::from_mask(mask));
        Change { id: InstanceId(1), before: shape(&before), after: shape(&after) }.closeup(OBJECT, SIZE)
    }

    #[test]
    fn what_changed_is_shown_with_a_part_of_the_object() {
        assert_eq!(closeup(Rect::new(480.0, 380.0, 20.0, 20.0)), Rect::new(390.0, 315.0, 200.0, 150.0));
        assert_eq!(closeup(Rect::new(200.0, 200.0, 500.0, 20.0)), Rect::new(196.0, 135.0, 508.0, 150.0), "all that changed");
        assert_eq!(closeup(Rect::new(896.0, 380.0, 4.0, 4.0)), Rect::new(798.0, 307.0, 200.0, 150.0));
        assert_eq!(closeup(Rect::default()), OBJECT, "nothing changed");
    }
}
