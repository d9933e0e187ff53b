//! Other objects like the selected ones, or like the exemplars of the chosen class: the models look for their boxes, which
//! then get their masks as drawn ones do.

use std::sync::Arc;

use super::App;
use super::assistant::{Aim, Running};
use super::state::Tone;
use crate::annotation::{Instance, InstanceId, Shape};
use crate::assist::service::Request;
use crate::assist::{ExemplarCrop, Found, is_taken};
use crate::geometry::Rect;
use crate::model::segmenter::MOST_EXEMPLARS;

impl App {
    /// Looks over the shown image for objects like the selected ones, which have masks and are of one class; like the
    /// exemplars of the chosen class where none is selected.
    pub(super) fn find_others(&mut self) {
        if self.is_loading() {
            return;
        }
        let Some((image, size)) = self.state.shown().map(|image| (image.id, image.size)) else { return };
        let Some(pixels) = self.pixels() else { return };
        let chosen: Vec<&Instance> = self.state.selected().filter(|object| object.shape != Shape::Box && !object.crowd).collect();
        let class = chosen.first().map(|object| object.category_id).or(self.state.category);
        if chosen.iter().any(|object| Some(object.category_id) != class) {
            return self.state.say(Tone::Plain, "Select objects of one class; what is found gets that class");
        }
        let crop = |object: &&Instance| ExemplarCrop::new(&pixels, &object.mask(size).ok()?).map(|crop| (object.id, Arc::new(crop)));
        let (ids, crops): (Vec<InstanceId>, Vec<_>) = chosen.iter().filter_map(crop).take(MOST_EXEMPLARS).unzip();
        let kept = class.map(|class| self.state.exemplars.of(class)).unwrap_or_default();
        let like = if crops.is_empty() { kept } else { crops };
        let Some(class) = class.filter(|_| !like.is_empty()) else {
            return self.state.say(Tone::Plain, "Select an object with a mask first; others like it are looked for");
        };
        let taken = self.state.objects().map(|object| object.bbox).collect();
        self.request(Request::Find { image: pixels, like, taken }, Aim::Others(class), image, &ids);
    }

    /// Adds the boxes that were found and has masks proposed for them, last those that are not sure. The selection stays
    /// where a person has chosen other objects.
    pub(super) fn found_others(&mut self, running: &Running, mut found: Vec<Found>) {
        let Aim::Others(class) = running.aim else { return };
        // It may have been left out meanwhile.
        if self.state.document.image_of(running.image).is_none() {
            return;
        }
        if self.state.document.category(class).is_none() {
            return self.state.say(Tone::Plain, "The class of what was looked for is gone; nothing was added");
        }
        // Some may have been drawn meanwhile.
        let present: Vec<Rect> = self.state.document.objects(running.image).map(|object| object.bbox).collect();
        found.retain(|other| !is_taken(other.rect, &present));
        if found.is_empty() {
            return self.state.say(Tone::Plain, "Nothing else like it was found here; select several to look for more");
        }
        let rects: Vec<Rect> = found.iter().map(|other| other.rect).collect();
        let ids = self.state.add_boxes("Find others", running.image, class, &rects);
        if ids.is_empty() {
            return;
        }
        let doubts = ids.iter().zip(&found).filter(|(_, other)| !other.is_sure());
        self.state.doubts.extend(doubts.map(|(&id, other)| (id, other.score)));
        let is_shown = self.state.shown().is_some_and(|image| image.id == running.image);
        if !is_shown || self.assistant.running().is_some() {
            return self.propose_later(running.image, ids);
        }
        if self.state.selection.iter().all(|id| running.instances.contains(id)) {
            self.state.selection.clear();
        }
        self.propose_for(&ids);
    }
}
