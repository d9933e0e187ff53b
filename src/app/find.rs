//! Other objects like the selected ones: the models look for their boxes, which then get their masks as drawn ones do.

use super::App;
use super::assistant::{Aim, Running};
use super::perform::plural;
use super::state::Tone;
use crate::annotation::{Instance, InstanceId, Shape};
use crate::assist::MOST_LIKE;
use crate::assist::service::Request;
use crate::geometry::Rect;

impl App {
    /// Looks over the shown image for objects like the selected ones, which have masks and are of one class.
    pub(super) fn find_others(&mut self) {
        let Some((image, size)) = self.state.shown().map(|image| (image.id, image.size)) else { return };
        let chosen: Vec<Instance> = self.state.selected().filter(|object| object.shape != Shape::Box && !object.crowd).cloned().collect();
        let Some(first) = chosen.first() else {
            return self.state.say(Tone::Plain, "Select an object with a mask first; others like it are looked for");
        };
        if chosen.iter().any(|object| object.category_id != first.category_id) {
            return self.state.say(Tone::Plain, "Select objects of one class; what is found gets that class");
        }
        let Some(pixels) = self.pixels() else { return };
        let masks = chosen.iter().take(MOST_LIKE).filter_map(|object| Some((object.id, object.mask(size).ok()?)));
        let (ids, like): (Vec<InstanceId>, Vec<_>) = masks.unzip();
        let taken = self.state.objects().map(|object| object.bbox).collect();
        self.request(Request::Find { image: pixels, like, taken }, Aim::Others, image, &ids);
    }

    /// Adds the boxes that were found and has masks proposed for them.
    pub(super) fn found_others(&mut self, running: &Running, rects: &[Rect]) {
        let class = running.instances.iter().find_map(|&id| self.state.document.instance(id)).map(|object| object.category_id);
        let Some(class) = class.filter(|_| self.state.document.image_of(running.image).is_some()) else {
            return self.state.say(Tone::Plain, "What others were to be like is gone; nothing was added");
        };
        if rects.is_empty() {
            return self.state.say(Tone::Plain, "Nothing else like it was found here; select several to look for more");
        }
        let ids = self.state.add_boxes("Find others", running.image, class, rects);
        self.state.say(Tone::Plain, format!("{} object{} found", ids.len(), plural(ids.len())));
        if self.state.shown().is_some_and(|image| image.id == running.image) {
            self.state.selection.clear();
            self.propose();
        } else {
            self.propose_later(running.image, ids);
        }
    }
}
