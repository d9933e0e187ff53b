//! The boxes that masks were proposed in.

use std::collections::HashMap;

use crate::annotation::{Instance, InstanceId};
use crate::geometry::Rect;

/// The boxes that masks were proposed in, each as long as its object has that very mask: a hand that changes the mask ends
/// it, and undo brings it back.
#[derive(Clone, Debug, Default)]
pub struct Drawn {
    /// By object, with the fingerprints of its outlines.
    boxes: HashMap<InstanceId, Vec<(u64, Rect)>>,
}

impl Drawn {
    /// The box that the present mask of an object was proposed in.
    pub fn of(&self, instance: &Instance) -> Option<Rect> {
        let known = self.boxes.get(&instance.id)?;
        let present = instance.fingerprint()?;
        known.iter().find(|(outline, _)| *outline == present).map(|(_, rect)| *rect)
    }

    /// Keeps the box that the outline with this fingerprint was proposed in; nothing where there is no outline.
    pub(super) fn keep(&mut self, id: InstanceId, outline: Option<u64>, rect: Rect) {
        let Some(outline) = outline else { return };
        let known = self.boxes.entry(id).or_default();
        known.retain(|(other, _)| *other != outline);
        known.push((outline, rect));
    }

    /// Forgets an object.
    pub(super) fn forget(&mut self, id: InstanceId) {
        self.boxes.remove(&id);
    }
}
