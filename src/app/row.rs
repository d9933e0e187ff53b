//! Going through the objects of the shown image, by keys or by the rows of the list. Where one that was come to like that is
//! deleted, the next one is selected, so that several go one after the other. One that was selected on the canvas leaves
//! nothing selected: a person who looks at the image does not know which comes next.

use super::App;
use super::command::Command;
use super::state::{State, Tone};
use crate::annotation::{Instance, InstanceId};

impl App {
    /// Selects the object that is so many further in the list, around the end, and brings it into sight.
    pub(super) fn next_object(&mut self, step: isize) {
        let ids: Vec<InstanceId> = self.state.visible().map(|instance| instance.id).collect();
        if ids.is_empty() {
            let are_hidden = self.state.objects().next().is_some();
            let why = if are_hidden { "All objects are hidden; Shift+H shows them" } else { "There are no objects on this image" };
            return self.state.say(Tone::Plain, why);
        }
        let at = self.state.selection.last().and_then(|last| ids.iter().position(|id| id == last));
        let next = match (at, step > 0) {
            (Some(at), _) => (at as isize + step).rem_euclid(ids.len() as isize) as usize,
            (None, true) => 0,
            (None, false) => ids.len() - 1,
        };
        self.state.step_to(ids[next]);
        if let Some(instance) = self.state.document.instance(ids[next]) {
            self.canvas.view.show(instance.bbox);
        }
    }

    /// Deletes the selected objects. Where a person goes through the objects, the next one is selected, and brought into sight
    /// if nothing of it is seen.
    pub(super) fn delete(&mut self) {
        let next = self.state.after_stepped();
        self.state.delete_selected();
        let Some(next) = next.filter(|_| self.state.selection.is_empty()) else { return };
        self.state.step_to(next);
        let bbox = self.state.document.instance(next).map(|instance| instance.bbox);
        if let Some(bbox) = bbox.filter(|&bbox| self.canvas.view.visible().shared(bbox) <= 0.0) {
            self.canvas.view.show(bbox);
        }
    }
}

impl State {
    /// Carries out a command that selects objects.
    pub(super) fn perform_on_selection(&mut self, command: Command) {
        match command {
            Command::SelectAll => self.selection = self.visible().map(|instance| instance.id).collect(),
            Command::SelectClass => self.select_class(),
            Command::Select(ids) => (self.selection, self.stepped) = (ids, None),
            Command::SelectRow(id) => self.step_to(id),
            Command::SelectTo(id) => self.select_to(id),
            Command::ToggleSelected(id) if self.is_selected(id) => self.selection.retain(|&other| other != id),
            Command::ToggleSelected(id) => self.selection.push(id),
            _ => {}
        }
    }

    /// Selects an object that a person has come to by going through the objects.
    pub(super) fn step_to(&mut self, id: InstanceId) {
        (self.selection, self.stepped) = (vec![id], Some(id));
    }

    /// Selects the objects of the list from the one that was selected last to `id`, without hidden ones between them. The former
    /// stays the last one, so that another end can be chosen.
    pub(super) fn select_to(&mut self, id: InstanceId) {
        let objects: Vec<InstanceId> = self.objects().map(|instance| instance.id).collect();
        let place = |id: InstanceId| objects.iter().position(|&other| other == id);
        let from = self.selection.iter().rev().copied().find(|&from| place(from).is_some()).unwrap_or(id);
        let (Some(start), Some(end)) = (place(from), place(id)) else { return };
        let is_taken = |&other: &InstanceId| other != from && (other == id || self.is_visible(other));
        let mut taken: Vec<InstanceId> = objects[start.min(end)..=start.max(end)].iter().copied().filter(is_taken).collect();
        taken.push(from);
        (self.selection, self.stepped) = (taken, None);
    }

    /// The object that is next once the one that a person has come to is deleted: the one behind it in the list, else the one
    /// before it, without those that are hidden.
    fn after_stepped(&self) -> Option<InstanceId> {
        let id = self.only_selected().map(|instance| instance.id).filter(|&id| self.stepped == Some(id))?;
        let is_before = |instance: &&Instance| instance.id != id;
        let is_seen = |instance: &&Instance| self.is_visible(instance.id);
        let after = self.objects().skip_while(is_before).skip(1).find(is_seen);
        after.or_else(|| self.objects().rev().skip_while(is_before).skip(1).find(is_seen)).map(|instance| instance.id)
    }
}
