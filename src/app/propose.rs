//! Masks for the boxes of the shown image: the models get a few boxes at a time, so that what is done stays when a person
//! goes on, and masks of a large image never all lie in memory at once.

use std::collections::HashSet;

use super::App;
use super::assistant::{Aim, Running, at_once};
use super::command::{Command, Tool};
use super::duplicate::Duplicate;
use super::perform::plural;
use super::state::{State, Tone};
use crate::annotation::{ImageId, Instance, InstanceId, Shape};
use crate::assist::Proposal;
use crate::assist::service::Request;
use crate::mask::Mask;
use crate::store::Judgement;

/// The most boxes that the models get together.
const MOST: usize = 16;

/// The boxes of an image on their way through the segmenter.
#[derive(Default)]
pub(super) struct Proposing {
    /// Those that the models have not been asked about.
    due: Vec<InstanceId>,
    /// Those that have a mask now.
    found: usize,
    /// Those in which nothing was found.
    empty: usize,
    /// Those with a mask that may be none of the objects that were looked for.
    doubted: usize,
    /// Those with a mask that is nearly the one of another object.
    duplicates: Vec<Duplicate>,
}

impl Proposing {
    /// How many wait for their turn.
    pub(super) const fn waiting(&self) -> usize {
        self.due.len()
    }
}

/// The boxes of the shown image that the models are to be asked about later: those that a hand drew, the last one last, and
/// those whose turn was given to something else.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    ids: Vec<InstanceId>,
    /// When they are asked about by themselves, in seconds of the window's clock.
    pub(super) due: Option<f64>,
}

impl Awaited {
    /// Adds boxes, each once; from `due` on, where there is one, all that wait are asked about.
    pub(super) fn add(&mut self, ids: &[InstanceId], due: Option<f64>) {
        // Those that wait for Enter alone are not asked about by themselves.
        if due.is_some() && self.due.is_none() {
            self.ids.clear();
        }
        self.ids.retain(|id| !ids.contains(id));
        self.ids.extend(ids);
        self.due = due.or(self.due);
    }

    /// Leaves boxes out that are asked about now.
    fn leave(&mut self, ids: &[InstanceId]) {
        self.ids.retain(|id| !ids.contains(id));
        self.due = self.due.filter(|_| !self.ids.is_empty());
    }

    /// Waits for none any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl App {
    pub(super) fn boxes(&self) -> impl Iterator<Item = &Instance> {
        self.state.objects().filter(|instance| instance.shape == Shape::Box)
    }

    /// The selected boxes of the shown image.
    pub(super) fn selected_boxes(&self) -> Vec<InstanceId> {
        self.state.selected().filter(|instance| instance.shape == Shape::Box).map(|instance| instance.id).collect()
    }

    /// Proposes masks for all boxes of the shown image.
    pub(super) fn propose(&mut self) {
        self.awaited.clear();
        let ids: Vec<InstanceId> = self.boxes().map(|instance| instance.id).collect();
        if ids.is_empty() && self.state.shown().is_some() {
            let key = self.state.key(&Command::Use(Tool::Box));
            return self.state.say(Tone::Plain, format!("Every object of this image has a mask; {key} draws a box"));
        }
        self.propose_for(&ids);
    }

    /// Lets a box that was drawn wait for its mask, which is asked for from `due` on where the settings say so.
    pub(super) fn await_mask(&mut self, id: InstanceId, due: f64) {
        let is_asked = self.state.settings.propose_after_box;
        if is_asked || self.awaited.due.is_none() {
            self.awaited.add(&[id], is_asked.then_some(due));
        }
    }

    /// Proposes masks for the boxes that were drawn by hand, and those whose turn was given to something else.
    pub(super) fn propose_awaited(&mut self) {
        let Awaited { ids, .. } = std::mem::take(&mut self.awaited);
        self.propose_for(&ids);
    }

    /// Proposes masks for selected boxes. Where the one that was drawn last is among them, those that were drawn before it
    /// and wait go along.
    pub(super) fn propose_selected(&mut self, mut ids: Vec<InstanceId>) {
        if self.awaited.ids.last().is_some_and(|last| ids.contains(last)) {
            ids.retain(|id| !self.awaited.ids.contains(id));
            ids.append(&mut self.awaited.ids);
        }
        self.propose_for(&ids);
    }

    /// Proposes masks for boxes of the shown image; those that the models are at already keep their turn.
    pub(super) fn propose_for(&mut self, ids: &[InstanceId]) {
        self.awaited.leave(ids);
        let Some((image, size)) = self.state.shown().map(|image| (image.id, image.size)) else { return };
        let under_way = self.assistant.running().filter(|running| running.aim == Aim::Fresh && running.image == image);
        let is_due = |instance: &&Instance| under_way.is_none_or(|running| !running.still_fits(instance));
        let instances = ids.iter().filter_map(|&id| self.state.document.instance(id));
        let boxes = instances.filter(|instance| instance.image_id == image && instance.shape == Shape::Box);
        let (due, outside): (Vec<&Instance>, Vec<&Instance>) =
            boxes.filter(is_due).partition(|instance| instance.bbox.covers_some_of(size));
        let due: Vec<InstanceId> = due.iter().map(|instance| instance.id).collect();
        let outside: Vec<String> = outside.iter().map(|instance| instance.id.to_string()).collect();
        let is_under_way = under_way.is_some();
        if !outside.is_empty() {
            let text = format!("Left out, as their boxes cover no pixel of the image: {}", outside.join(", "));
            self.state.say(Tone::Warning, text);
        }
        if is_under_way {
            let proposing = self.proposing.get_or_insert_default();
            let known: HashSet<InstanceId> = proposing.due.iter().copied().collect();
            proposing.due.extend(due.into_iter().filter(|id| !known.contains(id)));
        } else if !due.is_empty() {
            self.proposing = Some(Proposing { due, ..Proposing::default() });
            self.propose_next();
        }
    }

    /// Asks for the next few masks.
    fn propose_next(&mut self) {
        let Some((image, size)) = self.state.shown().map(|image| (image.id, image.size)) else { return };
        let Some(pixels) = self.pixels() else {
            self.proposing = None;
            return;
        };
        while let Some(proposing) = self.proposing.as_mut().filter(|proposing| !proposing.due.is_empty()) {
            let count = at_once(size).min(MOST).min(proposing.due.len());
            let ids: Vec<InstanceId> = proposing.due.drain(..count).collect();
            let instances = ids.iter().filter_map(|&id| self.state.document.instance(id));
            let boxes = instances.filter(|instance| instance.shape == Shape::Box);
            let (ids, prompts): (Vec<InstanceId>, Vec<_>) = boxes.map(|instance| (instance.id, self.prompt(instance))).unzip();
            if !ids.is_empty() {
                let request = Request::Propose { image: pixels, prompts, options: self.propose_options() };
                return self.request(request, Aim::Fresh, image, &ids);
            }
        }
        self.proposing = None;
    }

    /// Goes on with the boxes that are left after those of the last request; later, where the models are at something else.
    pub(super) fn propose_rest(&mut self) {
        let is_left = self.proposing.as_ref().is_some_and(|proposing| proposing.waiting() > 0);
        if is_left && self.assistant.running().is_none() {
            return self.propose_next();
        }
        if let Some(proposing) = self.proposing.take().filter(|_| is_left) {
            self.awaited.add(&proposing.due, Some(0.0));
        }
    }

    /// Takes the masks for boxes that the models found. The selection stays where a person has chosen other objects, or one
    /// that has a mask now.
    pub(super) fn proposed(&mut self, running: &Running, proposals: Vec<Proposal>) {
        let proposals = self.still_wanted(running, proposals);
        let doubted: Vec<InstanceId> = proposals.iter().map(|(id, _)| *id).filter(|id| self.state.doubts.contains_key(id)).collect();
        let done = self.state.set_proposals(running.image, &proposals);
        let proposing = self.proposing.get_or_insert_default();
        proposing.found += done.len();
        proposing.empty += proposals.len() - done.len();
        proposing.doubted += done.iter().filter(|id| doubted.contains(id)).count();
        proposing.duplicates.extend(self.state.duplicates(&done));
        let duplicates = proposing.duplicates.clone();
        let (found, empty, doubted) = (proposing.found, proposing.empty, proposing.doubted);
        if self.state.shown().is_some_and(|image| image.id == running.image) {
            self.state.add_proposed(&done);
            let is_asked = |id: &InstanceId| running.instances.contains(id);
            if let Some(&first) = done.first()
                && self.state.selection.iter().all(is_asked)
                && !self.state.selection.iter().any(|id| done.contains(id))
            {
                self.state.selection = vec![first];
            }
        }
        if found + empty > 0 {
            let unsure = less_sure(doubted, found);
            let more = if empty > 0 { format!("; {empty} stayed a box: nothing was found in it") } else { String::new() };
            let text = format!("{found} mask{} proposed: Enter accepts, G refines{unsure}{more}", plural(found));
            self.state.say_with_duplicates(&duplicates, text);
        }
        self.propose_rest();
    }

    /// The boxes of the shown image that wait for a mask that was asked for.
    pub(super) fn boxes_waiting(&self) -> Vec<InstanceId> {
        let running = self.assistant.running().filter(|running| running.aim == Aim::Fresh);
        let is_asked = |id: &InstanceId| {
            (self.awaited.due.is_some() && self.awaited.ids.contains(id))
                || running.is_some_and(|running| running.instances.contains(id))
                || self.proposing.as_ref().is_some_and(|proposing| proposing.due.contains(id))
        };
        self.boxes().map(|instance| instance.id).filter(is_asked).collect()
    }
}

impl State {
    /// Gives objects the masks that were found, as one step, with the `IoU` that is to be expected of each; gives back which
    /// have one now.
    pub(super) fn set_proposals(&mut self, image: ImageId, proposals: &[(InstanceId, Proposal)]) -> Vec<InstanceId> {
        let masks: Vec<(InstanceId, &Mask)> = proposals.iter().map(|(id, proposal)| (*id, &proposal.mask)).collect();
        let done = self.set_masks("Propose masks", image, &masks);
        let expected = proposals.iter().map(|(id, proposal)| {
            let doubt = self.doubts.remove(id).unwrap_or(1.0);
            (*id, Judgement::expected(proposal.expected_iou.min(doubt)))
        });
        self.document.judge(expected.filter(|(id, _)| done.contains(id)));
        done
    }

    /// Puts masks to those of the shown image that nobody accepted yet, each once and the new ones last.
    pub(super) fn add_proposed(&mut self, ids: &[InstanceId]) {
        self.leave_proposed(ids);
        self.proposed.extend(ids);
    }

    /// Goes on with the masks of the shown image that a model proposed and nobody accepted, whenever that was.
    pub(super) fn begin_walk(&mut self) {
        let document = &self.document;
        let is_reviewed = self.shown().is_some_and(|image| document.reviewed.contains(&image.id));
        let is_open = |object: &&Instance| !is_reviewed && object.shape != Shape::Box && document.judgement(object.id).is_open();
        self.proposed = self.objects().filter(is_open).map(|object| object.id).collect();
    }

    /// How many masks of the shown image nobody has accepted yet, in words; `None` where there are none.
    pub(super) fn left_to_look_at(&self) -> Option<String> {
        let count = self.proposed.len();
        (count > 0).then(|| format!("{count} proposed mask{} still to look at", plural(count)))
    }

    /// Leaves masks out of those that nobody accepted yet, and what is gone or a box again.
    pub(super) fn leave_proposed(&mut self, ids: &[InstanceId]) {
        let document = &self.document;
        let is_mask = |id| document.instance(id).is_some_and(|instance| instance.shape != Shape::Box);
        self.proposed.retain(|&id| !ids.contains(&id) && is_mask(id));
    }
}

/// How many of the masks that were found, the last ones, may be none of what was looked for.
fn less_sure(doubted: usize, found: usize) -> String {
    let which = match doubted {
        0 => return String::new(),
        1 if found == 1 => "it is".to_owned(),
        1 => "the last one is".to_owned(),
        2 if found == 2 => "both are".to_owned(),
        count if count == found => format!("all {count} are"),
        count => format!("the last {count} are"),
    };
    format!("; {which} less sure")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_which_masks_are_less_sure() {
        let cases = [
            (0, 2, ""),
            (1, 1, "; it is less sure"),
            (1, 2, "; the last one is less sure"),
            (2, 2, "; both are less sure"),
            (2, 3, "; the last 2 are less sure"),
            (3, 3, "; all 3 are less sure"),
        ];
        for (doubted, found, said) in cases {
            assert_eq!(less_sure(doubted, found), said);
        }
    }
}
