//! The strokes that an object's mask was corrected by, and which of them its outline still has.

use crate::annotation::Instance;
use crate::assist::Scribble;
use crate::geometry::Size;

/// A stroke, and the outline that it was painted on.
#[derive(Clone, Debug, PartialEq)]
pub struct Stroke {
    /// What was painted.
    pub scribble: Scribble,
    /// The fingerprint of the outline before it; `None` for a box without a mask.
    pub onto: Option<u64>,
}

/// Which of `strokes`, in the order of painting, the mask of an object on an image of `size` follows. Where its outline is one that a stroke was painted on,
/// that stroke and those after it were taken back, though they may have agreed with it all along.
pub fn in_force(strokes: &[Stroke], object: &Instance, size: Size) -> Vec<bool> {
    let outline = object.fingerprint();
    let kept = strokes.iter().position(|stroke| stroke.onto == outline).unwrap_or(strokes.len());
    let mask = object.outlined(size);
    let mut in_force = mask.map_or_else(Vec::new, |mask| Scribble::followed(&scribbles(&strokes[..kept]), &mask));
    in_force.resize(strokes.len(), false);
    in_force
}

/// What was painted by `strokes`.
pub fn scribbles(strokes: &[Stroke]) -> Vec<Scribble> {
    strokes.iter().map(|stroke| stroke.scribble.clone()).collect()
}
