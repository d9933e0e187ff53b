//! Finer masks for the selected objects: the models get a few at a time, so that hundreds of masks of a large image never
//! lie in memory at once; what changed is decided about when all are done.
//!
//! What nothing but the brush has made counts as coarse, and so does any mask that is refined once more because nothing came of
//! it: somebody who asks again sees that it is.

use std::sync::Arc;

use super::App;
use super::assistant::{Aim, Running, at_once};
use super::command::Command;
use super::perform::plural;
use super::state::{Change, Tone};
use crate::annotation::{ImageId, InstanceId, Shape};
use crate::assist::service::Request;
use crate::assist::{RefineOptions, Refinement};
use crate::geometry::Size;
use crate::mask::Mask;

/// How strongly masks are refined that are as they were before, when they are asked for once more.
const AGAIN: f32 = 0.9;

/// Masks that were refined, for as long as nothing came of it: the objects, and fingerprints of their outlines.
pub(super) type Kept = Vec<(InstanceId, Option<u64>)>;

/// The objects on their way through the refiner.
pub(super) struct Refining {
    /// All that it was asked about.
    asked: Kept,
    /// How strongly they are refined.
    strength: f32,
    /// See [`RefineOptions::coarse`].
    coarse: bool,
    /// Those that the models have not been asked about.
    due: Vec<InstanceId>,
    /// All that were answered for.
    answered: usize,
    /// What changed so far.
    changes: Vec<Change>,
}

impl Refining {
    /// How many wait for their turn.
    pub(super) const fn waiting(&self) -> usize {
        self.due.len()
    }

    /// Those whose turn it is, on an image of `size`.
    fn next(&mut self, size: Size) -> Vec<InstanceId> {
        let count = at_once(size).min(self.due.len());
        self.due.drain(..count).collect()
    }
}

impl App {
    /// Refines the selected masks.
    pub(super) fn refine(&mut self) {
        if self.state.review.is_some() {
            return self.state.say(Tone::Warning, "Decide about the refined mask first: Enter takes it, Esc leaves it");
        }
        if self.state.selected().all(|instance| instance.shape == Shape::Box) {
            return self.state.say(Tone::Warning, "Select an object with a mask first; for a box, press Enter");
        }
        self.keep_strokes();
        let masks: Vec<_> = self.state.selected().filter(|instance| instance.shape != Shape::Box).collect();
        let is_painted = masks.iter().all(|instance| self.state.is_painted(instance));
        let asked: Kept = masks.iter().map(|instance| (instance.id, instance.fingerprint())).collect();
        let due: Vec<InstanceId> = asked.iter().map(|(id, _)| *id).collect();
        let strength = self.state.settings.strength;
        let again = self.kept.take().is_some_and(|kept| kept == asked);
        let strength = if again { strength.max(AGAIN) } else { strength };
        self.refining = Some(Refining { asked, strength, coarse: again || is_painted, due, answered: 0, changes: Vec::new() });
        self.refine_next();
    }

    /// Gives up what the models were asked for, and what they were to be asked after that; gives what it was for.
    pub(super) fn stop_models(&mut self) -> Option<Running> {
        self.refining = None;
        self.proposing = None;
        self.assistant.cancel()
    }

    /// Asks for the next few masks; shows what changed where none are left.
    fn refine_next(&mut self) {
        let Some((image, size)) = self.state.shown().map(|image| (image.id, image.size)) else { return };
        let pixels = self.pixels();
        let Some(refining) = &mut self.refining else { return };
        let Some(pixels) = pixels else {
            refining.due.clear();
            return self.show_refined(image);
        };
        let document = &self.state.document;
        let usable = |id| Some((id, document.instance(id)?.mask(size).ok()?));
        let (ids, masks): (Vec<InstanceId>, Vec<Mask>) = refining.next(size).into_iter().filter_map(usable).unzip();
        if ids.is_empty() {
            return if refining.due.is_empty() { self.show_refined(image) } else { self.refine_next() };
        }
        let options = RefineOptions {
            strength: refining.strength,
            coarse: refining.coarse,
            band_px: self.state.settings.band_px,
            ..RefineOptions::default()
        };
        self.request(Request::Refine { image: pixels, masks, options }, Aim::Refinement, image, &ids);
    }

    /// Takes what the refiner made of the last few masks.
    pub(super) fn refined(&mut self, image: ImageId, refinements: Vec<(InstanceId, Refinement)>) {
        let Some(size) = self.state.document.dataset().image(image).map(|image| image.size) else { return };
        let Some(refining) = &mut self.refining else { return };
        refining.answered += refinements.len();
        for (id, Refinement { mask, kept_original, .. }) in refinements {
            let Some(instance) = self.state.document.instance(id).filter(|_| !kept_original && !mask.is_empty()) else { continue };
            if instance.mask(size).is_ok_and(|before| before != mask) {
                let (before, after) = (Arc::new(instance.shape.clone()), Arc::new(Shape::from_mask(&mask)));
                refining.changes.push(Change { id, before, after });
            }
        }
        if refining.due.is_empty() { self.show_refined(image) } else { self.refine_next() }
    }

    fn show_refined(&mut self, image: ImageId) {
        let Some(Refining { asked, strength, coarse, answered, changes, .. }) = self.refining.take() else { return };
        let kept = answered - changes.len();
        if answered == 0 {
            return;
        }
        if changes.is_empty() {
            let (what, them) = match answered {
                1 => ("The mask stays as it is".to_owned(), "it"),
                count => (format!("All {count} masks stay as they are"), "them"),
            };
            let more = if strength < AGAIN || !coarse {
                self.kept = Some(asked);
                format!(". {} once more changes {them} more freely", self.state.key(&Command::Refine))
            } else {
                String::new()
            };
            return self.state.say(Tone::Plain, format!("{what}: nothing clearly better was found{more}"));
        }
        self.kept = Some(asked);
        if kept > 0 {
            self.state.say(Tone::Plain, format!("{kept} mask{} kept as they were", plural(kept)));
        }
        self.start_review(image, changes, false);
        self.drop_outdated();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_masks_of_a_large_image_lie_in_memory_at_once() {
        let due: Vec<InstanceId> = (1..=7).map(InstanceId).collect();
        let mut refining = Refining { asked: Kept::new(), strength: 0.6, coarse: false, due, answered: 0, changes: Vec::new() };
        assert_eq!(refining.next(Size::new(6000, 4000)), [1, 2].map(InstanceId));
        assert_eq!(refining.next(Size::new(16_000, 16_000)), [InstanceId(3)]);
        assert_eq!((refining.next(Size::new(640, 480)).len(), refining.waiting()), (4, 0));
        assert!(refining.next(Size::new(640, 480)).is_empty());
    }
}
