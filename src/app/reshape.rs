//! Other sides for a box. Where it is the one that a mask was proposed in, the mask is proposed anew.

use super::App;
use super::assistant::Aim;
use super::edit::{TOO_SMALL, rounded};
use super::state::{State, Tone};
use crate::annotation::{ImageId, Instance, InstanceId, Shape};
use crate::assist::service::Request;
use crate::assist::{Prompt, Proposal};
use crate::geometry::Rect;

/// A box that is smaller is not meant, in image pixels.
const LEAST_PX: f64 = 1.0;

impl App {
    /// Gives a box other sides, or proposes a mask anew in them.
    pub(super) fn reshape(&mut self, id: InstanceId, rect: Rect) {
        if rect.width < LEAST_PX || rect.height < LEAST_PX {
            return self.state.say(Tone::Warning, TOO_SMALL);
        }
        match self.state.document.instance(id).map(|instance| instance.shape == Shape::Box) {
            Some(true) => self.state.reshape(id, rect),
            Some(false) => self.propose_within(id, rect),
            None => {}
        }
    }

    /// Asks for a new mask of an object in another box; strokes that its mask follows are obeyed.
    fn propose_within(&mut self, id: InstanceId, rect: Rect) {
        let Some((image, size)) = self.state.shown().map(|image| (image.id, image.size)) else { return };
        let Some(pixels) = self.pixels() else { return };
        self.keep_strokes();
        let Some(instance) = self.state.document.instance(id).cloned() else { return };
        self.keep_in_force(&instance, size);
        let rect = rounded(rect.clipped(size));
        let scribbles = self.state.scribbles(id);
        let prompt = Prompt { rect, scribbles, ..self.prompt(&instance) };
        let request = Request::Propose { image: pixels, prompts: vec![prompt], options: self.propose_options() };
        self.request(request, Aim::Within(rect), image, &[id]);
    }

    /// Takes the mask that was found in another box.
    pub(super) fn proposed_within(&mut self, image: ImageId, id: InstanceId, rect: Rect, proposal: Proposal) {
        if self.state.set_proposals(image, &[(id, proposal)]).is_empty() {
            return self.state.say(Tone::Plain, "Nothing was found in this box; the mask stays as it was");
        }
        self.state.keep_box(id, rect);
        self.state.suggestions.remove(&id);
        self.state.add_proposed(&[id]);
        let text = "A new mask in this box: Enter accepts, G refines; undo brings the one before back";
        self.state.say_masks(&[id], text.to_owned());
    }
}

impl State {
    /// The box whose handles change an object: its own, or the one that its mask was proposed in as long as it is that
    /// mask. Where only that the mask was proposed is known, it is the box around it.
    pub(super) fn held_box(&self, instance: &Instance) -> Option<Rect> {
        if instance.shape == Shape::Box {
            return Some(instance.bbox);
        }
        let is_proposed = || self.document.judgement(instance.id).expected_iou.is_some();
        self.drawn.of(instance).or_else(|| is_proposed().then_some(instance.bbox))
    }

    /// Keeps the box that an object's mask was proposed in.
    pub(super) fn keep_box(&mut self, id: InstanceId, rect: Rect) {
        let outline = self.document.instance(id).and_then(Instance::fingerprint);
        self.drawn.keep(id, outline, rect);
    }
}
