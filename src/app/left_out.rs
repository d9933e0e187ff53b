//! Images that are left out of the data set, and come back; their files are never touched.
//!
//! The history tells which images were left out: opening a folder adds every other image that it finds there.

use std::collections::HashSet;
use std::path::Path;

use super::App;
use super::command::Command;
use super::perform::plural;
use super::state::Tone;
use crate::annotation::{Category, CategoryId, Dataset, Edit, ImageId, Instance, InstanceId, LeftOut};
use crate::formats::{lvis, merge};

impl App {
    /// Carries out a command about images that are left out.
    pub(super) fn perform_on_left_out(&mut self, command: &Command, ctx: &egui::Context) {
        match command {
            Command::LeaveOut => self.leave_out(),
            Command::BringBack => self.bring_back(ctx),
            _ => {}
        }
    }

    /// Takes the shown image and its objects out of the data set, as one step, and goes on to the next image.
    fn leave_out(&mut self) {
        if self.is_loading() {
            return;
        }
        self.leave_finding();
        self.finish_gesture();
        self.keep_strokes();
        let Some((id, name)) = self.state.shown().map(|image| (image.id, image.file_name.clone())) else { return };
        if self.state.document.image_count() < 2 {
            return self.state.say(Tone::Warning, "The only image of a data set cannot be left out");
        }
        let objects: Vec<Edit> = self.state.document.objects(id).map(|object| Edit::Remove(object.id)).collect();
        let count = objects.len();
        let edit = Edit::Batch(vec![Edit::Batch(objects), Edit::RemoveImage(id)]);
        self.step_aside(&[id]);
        let shown = self.state.shown().map(|image| image.id);
        self.state.forget(&edit);
        if self.state.commit_as_is("Leave image out", Some(id), &edit) {
            self.stay_on(shown);
            let with = if count > 0 { format!(" with {count} object{}", plural(count)) } else { String::new() };
            let undo = self.state.key(&Command::Undo);
            self.state.say(Tone::Plain, format!("{name} is left out{with}; its file stays. {undo} brings it back"));
        }
    }

    /// Brings back all images that were left out, as one step. Those that the history no longer tells are found again in
    /// their folder.
    fn bring_back(&mut self, ctx: &egui::Context) {
        if self.is_loading() {
            return;
        }
        let document = &self.state.document;
        let Return { edits, images, objects, refused } = Return::of(document.dataset(), &document.history().left_out());
        if let Some(&last) = images.first() {
            let shown = self.state.shown().map(|image| image.id);
            let edit = Edit::Batch(edits);
            self.state.forget(&edit);
            if !self.state.commit_as_is("Bring images back", Some(last), &edit) {
                return;
            }
            self.stay_on(shown);
            if let Some(place) = self.state.document.place(last) {
                self.go_to(place);
            }
        }
        let is_any_forgotten = self.state.document.bring_back_forgotten();
        if is_any_forgotten && let Some(path) = self.state.document.source.path().map(Path::to_path_buf) {
            return self.open(&path, ctx);
        }
        let count = images.len();
        match refused.first() {
            Some(name) => {
                let text = format!("{name} stays left out: the number of its class is that of another class by now");
                self.state.say(Tone::Warning, text);
            }
            None if count == 0 => self.state.say(Tone::Plain, "No image was left out"),
            None => {
                let what = format!("{count} image{} and {objects} object{}", plural(count), plural(objects));
                self.state.say(Tone::Plain, format!("Brought back {what}: {} takes that back", self.state.key(&Command::Undo)));
            }
        }
    }

    /// Goes to a neighbour of the shown image where this is among those that are about to go.
    pub(super) fn step_aside(&mut self, gone: &[ImageId]) {
        if self.state.shown().is_none_or(|image| !gone.contains(&image.id)) {
            return;
        }
        self.awaited.clear();
        self.stop_models();
        let document = &self.state.document;
        let stays = |index: &usize| document.image(*index).is_some_and(|image| !gone.contains(&image.id));
        let at = self.state.image;
        let after = std::iter::successors(self.state.listed_after(at), |&index| self.state.listed_after(index));
        let before = std::iter::successors(self.state.listed_before(at), |&index| self.state.listed_before(index));
        let next = after.chain(before).chain(0..document.image_count()).find(stays);
        if let Some(index) = next {
            self.go_to(index);
        }
    }

    /// Goes on showing an image, whose place may be another one by now.
    pub(super) fn stay_on(&mut self, image: Option<ImageId>) {
        if let Some(place) = image.and_then(|image| self.state.document.place(image)) {
            self.state.image = place;
        }
    }
}

/// What brings images back.
#[derive(Debug, Default)]
struct Return {
    edits: Vec<Edit>,
    /// The images, the one that was left out last first.
    images: Vec<ImageId>,
    objects: usize,
    /// The names of the images that cannot come back.
    refused: Vec<String>,
}

impl Return {
    /// Of images that were left out of what is now `dataset`, the last one first, so that each finds its place.
    fn of(dataset: &Dataset, left_out: &[LeftOut<'_>]) -> Self {
        let wanted: HashSet<InstanceId> = left_out.iter().flat_map(|left| left.objects.iter().map(|(_, object)| object.id)).collect();
        let mut taken: HashSet<InstanceId> = dataset.instances.iter().map(|own| own.id).filter(|id| wanted.contains(id)).collect();
        let mut free = dataset.free_instance_ids().filter(|id| !wanted.contains(id));
        let mut classes: Vec<Category> = Vec::new();
        let mut whole = Self::default();
        for left in left_out.iter().rev() {
            let Some(missing) = missing_classes(dataset, &classes, left) else {
                whole.refused.push(left.image.file_name.clone());
                continue;
            };
            classes.extend(missing);
            let insert = |(index, object): &(usize, &Instance)| {
                // An id may have come to an object that was drawn since.
                let id = if taken.insert(object.id) { object.id } else { free.next().unwrap_or(object.id) };
                let is_same = id == object.id;
                let instance = if is_same { (*object).clone() } else { merge::moved(object, id, object.image_id, object.category_id) };
                Edit::Insert { index: *index, instance: Box::new(instance) }
            };
            let objects: Vec<Edit> = left.objects.iter().map(insert).collect();
            whole.objects += objects.len();
            whole.images.push(left.image.id);
            whole.edits.push(Edit::InsertImage { index: left.index, image: left.image.clone() });
            whole.edits.push(Edit::Batch(objects));
        }
        let insert = |category| Edit::InsertCategory { index: usize::MAX, category };
        whole.edits.insert(0, Edit::Batch(classes.into_iter().map(insert).collect()));
        whole
    }
}

/// The classes that an image that was left out needs and that were taken out since, without those in `coming`; `None` where
/// another class has the id of one of them.
fn missing_classes(dataset: &Dataset, coming: &[Category], left: &LeftOut<'_>) -> Option<Vec<Category>> {
    let marks = lvis::marks(left.image);
    let of_objects = left.objects.iter().map(|(_, object)| object.category_id);
    let needed: HashSet<CategoryId> = of_objects.chain(marks.absent).chain(marks.not_exhaustive).collect();
    let mut seen = HashSet::new();
    let mut missing = Vec::new();
    // Of several that had one id the first was the image's.
    for class in left.classes.iter().filter(|class| needed.contains(&class.id) && seen.insert(class.id)) {
        match dataset.category(class.id).or_else(|| coming.iter().find(|other| other.id == class.id)) {
            Some(other) if other.name == class.name => {}
            Some(_) => return None,
            None => missing.push((*class).clone()),
        }
    }
    Some(missing)
}

/// The images that `edit` takes out.
pub(super) fn images_out(edit: &Edit) -> Vec<ImageId> {
    match edit {
        Edit::RemoveImage(id) => vec![*id],
        Edit::Batch(edits) => edits.iter().flat_map(images_out).collect(),
        _ => Vec::new(),
    }
}
