//! Where a correction changes a mask that is somebody's work: at the strokes that it does not follow yet, and what hangs
//! together with them.
//!
//! The network draws the whole object anew at each correction, and so would lose what a person made of the mask elsewhere. As
//! in `FocalClick` (Chen et al., CVPR 2022, progressive merge) a change counts only where it is of one piece with a stroke
//! that asks for it.

use super::prompt::Scribble;
use crate::mask::component::{Components, Connectivity};
use crate::mask::morphology::{Border, dilated, dilated_round, eroded};
use crate::mask::{Mask, PixelRect};

/// Half the thickness, the middle not counted, that holds a change together, in shares of the object's longer side. An outline
/// that is merely drawn a little differently all around is thinner.
const NECK: f64 = 0.006;
/// How far from a stroke the mask changes, in the same shares; a stroke that is wider than that reaches three times its radius. Where
/// a stroke contradicts all that the network sees, it would take half of the object else.
const REACH: f64 = 0.08;

/// `present` with those changes of `corrected` that go to the side of a stroke which `present` does not follow, and hang together
/// with it, near it.
pub(super) fn near_strokes(present: &Mask, corrected: &Mask, strokes: &[Scribble]) -> Mask {
    let mut result = present.clone();
    let followed = Scribble::followed(strokes, present);
    for (stroke, _) in strokes.iter().zip(followed).filter(|(_, is_followed)| !is_followed) {
        apply(&mut result, present, corrected, stroke);
    }
    result
}

fn apply(result: &mut Mask, present: &Mask, corrected: &Mask, stroke: &Scribble) {
    let mut painted = Mask::new(present.size());
    Scribble { inside: true, ..stroke.clone() }.paint(&mut painted);
    let bounds = [present, corrected, &painted].into_iter().filter_map(Mask::bounds).reduce(PixelRect::union).unwrap_or_default();
    let side = f64::from(bounds.width.max(bounds.height));
    let neck = ((side * NECK).round() as u32).max(1);
    let window = bounds.grown(neck + 1, present.size());
    let [before, after, painted] = [present, corrected, &painted].map(|mask| mask.cropped(window));
    let is_changed = |x, y| before.get(x, y) != stroke.inside && after.get(x, y) == stroke.inside;
    let changed = Mask::from_fn(window.size(), is_changed);
    let thick = dilated(&eroded(&changed, neck, Border::Neutral), neck);
    let whole = Mask::from_fn(window.size(), |x, y| thick.get(x, y) || painted.get(x, y));
    let parts = Components::of(&whole, Connectivity::Eight);
    let mut is_asked_for = vec![false; parts.len()];
    parts.for_each_run(|y, start, end, part| is_asked_for[part] |= (start..end).any(|x| painted.get(x, y)));
    // With the rims that the thickness cut off.
    let near = dilated(&parts.drawn(window.size(), |part| is_asked_for[part]), neck + 1);
    let reach = (side * REACH).max(2.0 * stroke.radius_px).round() as u32;
    let reached = dilated_round(&painted, reach);
    for y in 0..window.height {
        for x in (0..window.width).filter(|&x| near.get(x, y) && changed.get(x, y) && reached.get(x, y)) {
            result.set(window.x + x, window.y + y, stroke.inside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Point, Rect, Size};

    const SIZE: Size = Size::new(120, 80);

    fn filled(rects: &[Rect]) -> Mask {
        let mut mask = Mask::new(SIZE);
        for rect in rects {
            let part = Mask::filled(SIZE, *rect);
            mask = Mask::from_fn(SIZE, |x, y| mask.get(x, y) || part.get(x, y));
        }
        mask
    }

    #[test]
    fn only_what_hangs_together_with_a_stroke_changes() {
        let body = Rect::new(20.0, 20.0, 60.0, 40.0);
        let (arm, far) = (Rect::new(80.0, 32.0, 10.0, 6.0), Rect::new(5.0, 5.0, 10.0, 10.0));
        let present = filled(&[body]);
        // The network adds an arm and something far off, loses a corner, and draws the outline a pixel wider.
        let wider = Rect::new(19.0, 19.0, 62.0, 42.0);
        let mut corrected = filled(&[wider, arm, far]);
        (60..81).for_each(|x| (50..61).for_each(|y| corrected.set(x, y, false)));
        let click = |x, y, inside| Scribble { points: vec![Point::new(x, y)], radius_px: 2.0, inside };
        let result = near_strokes(&present, &corrected, &[click(85.0, 35.0, true)]);
        let gained = Mask::from_fn(SIZE, |x, y| result.get(x, y) && !present.get(x, y));
        assert!(result.get(88, 36) && result.get(82, 33), "the arm");
        assert!(!result.get(10, 10) && result.get(70, 55) && !result.get(40, 19), "the rest stays");
        assert!(gained.area() < 90, "{}", gained.area());
        assert_eq!(near_strokes(&present, &corrected, &[click(40.0, 40.0, true)]), present, "it agrees already");
        let cut = near_strokes(&present, &corrected, &[click(70.0, 55.0, false)]);
        assert!(!cut.get(68, 56) && !cut.get(90, 35) && cut.get(30, 30));
        // The network gives up all of the object for a stroke in it.
        let cut = near_strokes(&present, &Mask::new(SIZE), &[click(50.0, 40.0, false)]);
        assert!(present.area() - cut.area() < 300 && cut.area() < present.area(), "{}", cut.area());
    }
}
