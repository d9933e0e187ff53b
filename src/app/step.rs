//! Taking steps of the history back and doing them again. None is taken unseen: one of another image is shown first, one of
//! several images is named, and the next press takes it. What the pointer is still drawing comes before all of them, and so
//! do another mask that an object waits for and a mark of review that is newer.

use std::collections::BTreeSet;
use std::time::Instant;

use super::App;
use super::assistant::Aim;
use super::command::{Command, Tool};
use super::document::Document;
use super::left_out::images_out;
use super::perform::plural;
use super::polish::Polished;
use super::state::Tone;
use crate::annotation::{Edit, ImageId};

/// What tells whether a step would come as a surprise. A `bool` is whether a step is done again, not taken back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Steps {
    /// The revision at which the person came to the shown image.
    arrived: u64,
    /// The last step that was taken, with the revision after it.
    taken: Option<(bool, u64)>,
    /// The step of several images that was announced last, with the revision then.
    announced: Option<(bool, u64)>,
}

impl App {
    /// Takes the last step back, or does it again; one that would not be seen is announced, and taken the next time.
    pub(super) fn step(&mut self, redo: bool) {
        if self.canvas.drop_gesture() {
            let what = if redo { "done again" } else { "taken back" };
            return self.state.say(Tone::Plain, format!("Dropped what the mouse was doing; nothing is {what}"));
        }
        if !redo && self.canvas.bring_back(&self.state) {
            self.state.tool = Tool::Polygon;
            return self.state.say(Tone::Plain, "The outline is back");
        }
        // It would be the newest step.
        if !redo && matches!(self.assistant.running().map(|running| running.aim), Some(Aim::Within(_) | Aim::Alternatives)) {
            self.stop_models();
            return self.state.say(Tone::Plain, "Stopped; the mask stays as it was, and nothing is taken back");
        }
        let shown = self.state.shown().map(|image| image.id);
        if !redo && let Some(is_reviewed) = self.state.document.take_mark_back(shown) {
            let what = if is_reviewed { "marked as reviewed again" } else { "no longer marked as reviewed" };
            return self.state.say(Tone::Plain, format!("Taken back: {what}"));
        }
        self.leave_finding();
        self.canvas.drop_vertex();
        if !redo && self.put_left_back() {
            return;
        }
        let next = self.state.document.history().next_step(redo).and_then(|entry| entry.image);
        // The step leads to its image, which leaves this one. What is done again would be lost by a new step.
        if !redo && next.is_some() && next != self.state.shown().map(|image| image.id) {
            self.keep_strokes();
        }
        if !self.announces(redo) {
            self.take_step(redo);
        }
    }

    /// Says that what the person does next is done on the image that is shown now.
    pub(super) const fn arrive(&mut self) {
        self.steps.arrived = self.state.document.revision();
        self.steps.announced = None;
    }

    /// Shows the image of the next step, or says on how many it was done, where it would come as a surprise; whether it
    /// would.
    fn announces(&mut self, redo: bool) -> bool {
        let document = &self.state.document;
        let (history, revision) = (document.history(), document.revision());
        let is_known = self.steps.announced.take() == Some((redo, revision));
        // Going away would make a step of the strokes, and what is done again would be lost by it.
        let is_held = redo && self.assistant.running().is_some_and(|running| running.aim == Aim::Correction);
        let next = history.next_step(redo);
        let Some(next) = next.filter(|_| !is_known && !is_held && !document.is_loading()) else { return false };
        let is_idle = revision == self.steps.arrived;
        let reviews = |polished: &Polished| !redo && polished.is_last(history.done().len());
        if !is_idle && self.polished.as_ref().is_some_and(reviews) {
            return false;
        }
        let mut images = BTreeSet::new();
        gather_images(document, next.edit(), &mut images);
        if images.is_empty() {
            images.extend(next.image);
        }
        let (label, count) = (next.label.clone(), images.len());
        let place = images.first().and_then(|&image| document.place(image));
        let is_elsewhere = place.is_some_and(|place| place != self.state.image);
        // One of the whole data set, as one about classes, was done from any image.
        let is_wide = count > 1 || is_elsewhere && next.image.is_none();
        let key = self.state.key(if redo { &Command::Redo } else { &Command::Undo });
        let verb = if redo { "redoes" } else { "takes back" };
        match place {
            _ if is_wide => {
                if !is_idle && self.steps.taken != Some((redo, revision)) {
                    return false;
                }
                self.steps.announced = Some((redo, revision));
                self.state.say(Tone::Plain, format!("{key} again {verb}, on {count} image{}: {label}", plural(count)));
            }
            Some(place) if is_elsewhere => {
                self.go_to(place);
                self.state.say(Tone::Plain, format!("{key} again {verb}: {label}"));
            }
            _ => return false,
        }
        true
    }

    fn take_step(&mut self, redo: bool) {
        let entry = self.state.document.history().next_step(redo);
        let gone = entry.map_or_else(Vec::new, |entry| images_out(entry.edit()));
        self.step_aside(&gone);
        let shown = self.state.shown().map(|image| image.id);
        match self.state.document.step(redo) {
            Ok(None) => self.state.say(Tone::Plain, if redo { "Nothing to do again" } else { "Nothing to take back" }),
            Err(error) => self.state.say(Tone::Error, error.to_string()),
            Ok(Some(entry)) => {
                self.undone_at = Some(Instant::now());
                self.steps.taken = Some((redo, self.state.document.revision()));
                self.stay_on(shown);
                let place = entry.image.and_then(|id| self.state.document.place(id));
                if let Some(index) = place.filter(|&index| index != self.state.image) {
                    self.go_to(index);
                }
                let document = &self.state.document;
                self.state.selection.retain(|&id| document.instance(id).is_some());
                self.state.leave_proposed(&[]);
                if images_out(entry.edit()).is_empty() {
                    self.state.select_brought(entry.edit());
                }
                self.state.forget_in_step(entry.edit(), entry.version());
                self.drop_outdated();
                self.review_again(redo, entry.edit());
                self.state.say(Tone::Plain, format!("{}: {}", if redo { "Done again" } else { "Taken back" }, entry.label));
            }
        }
    }
}

/// Gathers the images that `edit` changes, or objects of which it does.
fn gather_images(document: &Document, edit: &Edit, images: &mut BTreeSet<ImageId>) {
    match edit {
        Edit::Batch(edits) => edits.iter().for_each(|edit| gather_images(document, edit, images)),
        Edit::Insert { instance, .. } | Edit::Replace(instance) => drop(images.insert(instance.image_id)),
        Edit::Remove(id) => images.extend(document.instance(*id).map(|instance| instance.image_id)),
        Edit::InsertImage { image, .. } | Edit::ReplaceImage(image) => drop(images.insert(image.id)),
        Edit::RemoveImage(id) => drop(images.insert(*id)),
        Edit::InsertCategory { .. } | Edit::RemoveCategory(_) | Edit::ReplaceCategory(_) => {}
    }
}
