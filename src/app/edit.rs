//! The changes that a person makes to the data set, each one step of the history.

use super::class::CHOOSE;
use super::command::Command;
use super::document::DocumentError;
use super::perform::plural;
use super::state::{State, Tone};
use crate::annotation::{Category, CategoryId, Edit, Field, ImageId, Instance, InstanceId, Shape, ShapeError};
use crate::formats::lvis::{self, Mark};
use crate::geometry::{Point, Rect, Size};
use crate::mask::{Mask, rle};
use crate::store::Judgement;

/// The name of the class that is made where something is drawn before any has a name.
const UNNAMED: &str = "object";
/// The smallest box that is taken for one, in image pixels.
const SMALLEST_PX: f64 = 2.0;
/// Said of smaller ones.
pub(super) const TOO_SMALL: &str = "Too small for a box: drag from one corner to the other";

impl State {
    pub(super) fn commit(&mut self, label: &str, image: Option<ImageId>, edit: &Edit) -> bool {
        let freed = lvis::freed(edit, |id| self.document.image_of(id));
        let whole = || Edit::Batch(std::iter::once(edit).chain(freed.iter().map(|(edit, _)| edit)).cloned().collect());
        let done = if freed.is_empty() { self.commit_as_is(label, image, edit) } else { self.commit_as_is(label, image, &whole()) };
        if done {
            self.forget(edit);
        }
        if let Some((_, class)) = freed.first().filter(|_| done) {
            let name = self.class_name(*class).to_owned();
            self.say(Tone::Warning, format!("{name} was marked as absent here and is not any more"));
        }
        done
    }

    /// [`Self::commit`] of an edit that sees to the marks of LVIS itself and leaves all outlines as they are.
    pub(super) fn commit_as_is(&mut self, label: &str, image: Option<ImageId>, edit: &Edit) -> bool {
        let result = self.document.commit(label, image, edit);
        self.is_done(label, result)
    }

    /// [`Self::commit`] of an edit that goes on with the last step and becomes a part of it.
    pub(super) fn amend(&mut self, label: &str, image: Option<ImageId>, edit: &Edit) -> bool {
        let result = self.document.amend(label, image, edit);
        let done = self.is_done(label, result);
        if done {
            self.forget(edit);
        }
        done
    }

    fn is_done(&mut self, label: &str, result: Result<(), DocumentError>) -> bool {
        match result {
            Ok(()) => true,
            Err(error) => {
                self.say(Tone::Error, format!("{label} did not work: {error}"));
                false
            }
        }
    }

    /// The class for new objects, and the edit that makes it where there is none yet.
    fn class_for_new(&self) -> (CategoryId, Option<Edit>) {
        let dataset = self.document.dataset();
        let known = self.category.filter(|&id| self.document.category(id).is_some());
        if let Some(id) = known.or_else(|| dataset.categories.first().map(|category| category.id)) {
            return (id, None);
        }
        let edit = new_category(dataset.free_category_id(), UNNAMED, 0);
        (dataset.free_category_id(), Some(edit))
    }

    /// Adds an object, which is seen though all others may be hidden.
    pub(super) fn insert(&mut self, label: &str, mut instance: Instance) -> Option<InstanceId> {
        let (category_id, first) = self.class_for_new();
        instance.category_id = category_id;
        let (id, image) = (instance.id, instance.image_id);
        let mut edits: Vec<Edit> = first.into_iter().collect();
        edits.push(Edit::Insert { index: usize::MAX, instance: Box::new(instance) });
        self.commit(label, Some(image), &Edit::Batch(edits)).then(|| {
            self.choose_class(category_id);
            self.selection = vec![id];
            self.visibility.show(id);
            id
        })
    }

    pub(super) fn new_instance(&self, image: ImageId, bbox: Rect) -> Instance {
        Instance::boxed(self.document.free_instance_id(), image, CategoryId(0), bbox)
    }

    /// Says why nothing can be drawn on an image whose size is not known.
    pub(super) fn say_unsized(&mut self) {
        let text = "Nothing can be drawn here: this image's record tells no size, and its file could not be read. \
            File > Choose image folder… says where it is";
        self.say(Tone::Warning, text);
    }

    /// Adds a box to the shown image.
    pub fn add_box(&mut self, rect: Rect) -> Option<InstanceId> {
        let (image, size) = self.shown().map(|image| (image.id, image.size))?;
        if !size.has_pixels() {
            self.say_unsized();
            return None;
        }
        let bbox = rounded(rect.clipped(size));
        if bbox.width < SMALLEST_PX || bbox.height < SMALLEST_PX {
            self.say(Tone::Warning, if touches(rect, size) { TOO_SMALL } else { "This box lies outside the image" });
            return None;
        }
        let instance = self.new_instance(image, bbox);
        self.insert("Draw box", instance)
    }

    /// Adds boxes of a class to an image, as one step; gives back those that are there now.
    pub(super) fn add_boxes(&mut self, label: &str, image: ImageId, class: CategoryId, rects: &[Rect]) -> Vec<InstanceId> {
        let ids = self.document.free_instance_ids();
        let instances = ids.zip(rects).map(|(id, &rect)| Instance::boxed(id, image, class, rounded(rect))).collect();
        self.insert_all(label, image, instances)
    }

    /// Adds objects of an image behind all others, as one step; gives back the ids of those that are there now.
    pub(super) fn insert_all(&mut self, label: &str, image: ImageId, instances: Vec<Instance>) -> Vec<InstanceId> {
        let ids: Vec<InstanceId> = instances.iter().map(|instance| instance.id).collect();
        let insert = |instance| Edit::Insert { index: usize::MAX, instance: Box::new(instance) };
        if !self.commit(label, Some(image), &Edit::Batch(instances.into_iter().map(insert).collect())) {
            return Vec::new();
        }
        self.visibility.show_all(&ids);
        ids
    }

    /// Gives an object, or a new one, the mask that the brush made of its own; an object without any pixel left is deleted.
    pub fn paint(&mut self, target: Option<InstanceId>, shape: Shape) {
        let present = target.and_then(|id| self.document.instance(id));
        let is_painted = present.is_none_or(|instance| instance.shape == Shape::Box || self.is_painted(instance));
        let id = self.set_by_hand(target, shape).filter(|_| is_painted);
        self.judge_painted(id);
    }

    /// Gives an object, or a new one, an outline of pixels; gives back which has it, and says where it is there twice then.
    /// An object without any pixel left is deleted.
    pub(super) fn set_by_hand(&mut self, target: Option<InstanceId>, shape: Shape) -> Option<InstanceId> {
        let image = self.shown()?.id;
        let is_empty = shape.area() == Some(0.0);
        self.message = None;
        match target.and_then(|id| self.document.instance(id)).cloned() {
            None if is_empty => None,
            None => {
                let mut instance = self.new_instance(image, Rect::default());
                instance.set_shape(shape);
                instance.changed = Field::NONE;
                let id = self.insert("Paint object", instance)?;
                self.say_duplicate(id);
                Some(id)
            }
            Some(instance) if is_empty => {
                if self.commit("Erase object", Some(image), &Edit::Remove(instance.id)) {
                    self.selection.retain(|&id| id != instance.id);
                    self.proposed.retain(|&id| id != instance.id);
                    let undo = self.key(&Command::Undo);
                    self.say(Tone::Plain, format!("Erased all of it: the object is deleted; {undo} brings it back"));
                }
                None
            }
            Some(mut instance) => {
                let id = instance.id;
                instance.set_pixels(shape);
                if !self.commit("Paint mask", Some(image), &Edit::Replace(Box::new(instance))) {
                    return None;
                }
                let duplicates = self.duplicates(&[id]);
                self.say_duplicates(&duplicates);
                Some(id)
            }
        }
    }

    /// Whether nothing but the brush has made the mask, wherever it was moved as a whole.
    pub(super) fn is_painted(&self, instance: &Instance) -> bool {
        self.document.judgement(instance.id).painted
    }

    /// Keeps that nothing but the brush has made the masks that objects have now.
    pub(super) fn judge_painted(&mut self, ids: impl IntoIterator<Item = InstanceId>) {
        self.document.judge(ids.into_iter().map(|id| (id, Judgement::PAINTED)));
    }

    /// Gives a box other sides.
    pub fn reshape(&mut self, id: InstanceId, rect: Rect) {
        let Some(mut instance) = self.document.instance(id).cloned() else { return };
        instance.bbox = rounded(rect);
        instance.set_shape(Shape::Box);
        self.message = None;
        if self.commit("Resize box", Some(instance.image_id), &Edit::Replace(Box::new(instance))) {
            self.say_duplicate(id);
        }
    }

    /// Moves an object, and with it those that are selected with it; they stay on the image, and painted masks painted ones.
    pub fn move_object(&mut self, id: InstanceId, by: Point) {
        let Some((image, size)) = self.shown().map(|image| (image.id, image.size)) else { return };
        let objects: Vec<Instance> = self.moved_with(id).cloned().collect();
        let Some(by) = self.way(id, by) else { return };
        let Some(edit) = self.moved(&objects, |object| beside(object.clone(), by, size)) else { return };
        let painted = self.painted(&objects);
        self.message = None;
        if !self.commit(&moving(objects.len()), Some(image), &edit) {
            return;
        }
        self.judge_painted(painted);
        if objects.len() == 1 {
            self.say_duplicate(id);
        } else {
            let duplicates = self.duplicates(&ids(&objects));
            self.say_duplicates(&duplicates);
        }
    }

    /// An object, and those that are selected with it and move with it.
    pub(super) fn moved_with(&self, id: InstanceId) -> impl Iterator<Item = &Instance> {
        let is_along = move |other: InstanceId| self.is_selected(id) && self.is_selected(other) && self.is_visible(other);
        self.objects().filter(move |object| object.id == id || is_along(object.id))
    }

    /// As much of the way `by` as leaves an object, and those that move with it, on the image.
    pub(super) fn way(&self, id: InstanceId, by: Point) -> Option<Point> {
        let extent = self.moved_with(id).map(|object| object.bbox).reduce(Rect::united)?;
        Some(within(extent, by, self.shown()?.size))
    }

    /// The edit that makes of each of `objects` what `by` does; says so where a mask cannot be moved.
    pub(super) fn moved(&mut self, objects: &[Instance], by: impl Fn(&Instance) -> Result<Instance, ShapeError>) -> Option<Edit> {
        match objects.iter().map(by).collect::<Result<Vec<Instance>, ShapeError>>() {
            Ok(moved) => Some(Edit::Batch(moved.into_iter().map(|object| Edit::Replace(Box::new(object))).collect())),
            Err(error) => {
                self.say(Tone::Error, format!("The mask cannot be moved: {error}"));
                None
            }
        }
    }

    /// Those of `objects` whose masks nothing but the brush has made.
    pub(super) fn painted(&self, objects: &[Instance]) -> Vec<InstanceId> {
        objects.iter().filter(|object| self.is_painted(object)).map(|object| object.id).collect()
    }

    /// Deletes the selected objects.
    pub fn delete_selected(&mut self) {
        let ids: Vec<InstanceId> = self.selected().map(|instance| instance.id).collect();
        let label = if ids.len() == 1 { "Delete object".to_owned() } else { format!("Delete {} objects", ids.len()) };
        let edits: Vec<Edit> = ids.iter().map(|&id| Edit::Remove(id)).collect();
        let image = self.shown().map(|image| image.id);
        if !ids.is_empty() && self.commit(&label, image, &Edit::Batch(edits)) {
            self.selection.clear();
            self.proposed.retain(|id| !ids.contains(id));
            let them = if ids.len() == 1 { "it" } else { "them" };
            self.say(Tone::Plain, format!("{label}: {} brings {them} back", self.key(&Command::Undo)));
        }
    }

    /// Gives the selection a class, which what is drawn next has too.
    pub fn assign(&mut self, category: CategoryId) {
        self.assign_with(category, None);
    }

    /// Makes a class and assigns it.
    pub fn assign_new(&mut self, name: &str) {
        let dataset = self.document.dataset();
        let known = dataset.categories.iter().find(|category| category.name == name).map(|category| category.id);
        if let Some(id) = self.unnamed().filter(|_| known.is_none()) {
            self.choose_class(id);
            return self.rename_class(id, name);
        }
        let id = known.unwrap_or_else(|| dataset.free_category_id());
        let edit = known.is_none().then(|| new_category(id, name, usize::MAX));
        self.assign_with(id, edit);
    }

    /// The class that was made because something was drawn before any had a name, where all that was drawn is selected:
    /// a new class would leave it without an object, so that it gets the name itself.
    fn unnamed(&self) -> Option<CategoryId> {
        let dataset = self.document.dataset();
        let [class] = dataset.categories.as_slice() else { return None };
        let is_made = class.name == UNNAMED && class.source.is_none();
        let count = self.selected().count();
        (is_made && count > 0 && count == dataset.instances.len()).then_some(class.id)
    }

    fn assign_with(&mut self, category: CategoryId, first: Option<Edit>) {
        let makes = first.is_some();
        let mut edits: Vec<Edit> = first.into_iter().collect();
        let count = self.selected().count();
        for instance in self.selected().filter(|instance| instance.category_id != category) {
            edits.push(with_class(instance, category));
        }
        let image = self.shown().map(|image| image.id);
        let label = if makes { "Add class" } else { "Set class" };
        self.message = None;
        if edits.is_empty() || self.commit(label, image, &Edit::Batch(edits)) {
            self.choose_class(category);
            let name = self.class_name(category).to_owned();
            // What the change did to a mark of LVIS is worth more.
            if self.message.as_ref().is_none_or(|message| message.tone != Tone::Warning) {
                let whose = if count == 0 { "Next objects".to_owned() } else { format!("Class of {count} object{}", plural(count)) };
                self.say(Tone::Plain, format!("{whose}: {name}"));
            }
        }
    }

    /// Sets a mark of LVIS for the chosen class on the shown image, or takes it off.
    pub fn toggle_mark(&mut self, mark: Mark) {
        let Some(image) = self.shown().cloned() else { return };
        if !lvis::is_lvis(self.document.dataset()) {
            return self.say(Tone::Warning, "Only data sets of LVIS have this mark; Export as… makes one of any");
        }
        let Some(class) = self.category.filter(|&id| self.document.category(id).is_some()) else {
            return self.say(Tone::Warning, CHOOSE);
        };
        let name = self.class_name(class).to_owned();
        let objects = self.objects().filter(|object| object.category_id == class).count();
        if mark == Mark::Absent && objects > 0 {
            let said = format!("{name} is not absent: objects of it are labelled here ({objects})");
            return self.say(Tone::Warning, said);
        }
        let mut marks = lvis::marks(&image);
        let set = marks.toggle(mark, class);
        let (label, state) = match (mark, set) {
            (Mark::Absent, true) => ("Mark class absent", "is verified absent here"),
            (Mark::Absent, false) => ("Take absent mark off", "is no longer marked as absent here"),
            (Mark::NotExhaustive, true) => ("Mark class not exhaustive", "is not exhaustively labelled here"),
            (Mark::NotExhaustive, false) => ("Take not exhaustive mark off", "is exhaustively labelled here again"),
        };
        if self.commit(label, Some(image.id), &Edit::ReplaceImage(lvis::with_marks(&image, &marks))) {
            self.say(Tone::Plain, format!("{name} {state}"));
        }
    }

    /// Selects the objects of the shown image that a step of the history brought, or where none is selected, left as boxes;
    /// `edit` is the one that takes them out again, or gives them their masks.
    pub(super) fn select_brought(&mut self, edit: &Edit) {
        let mut ids = Vec::new();
        taken_out(edit, &mut ids);
        if ids.is_empty() && self.selection.is_empty() {
            masked(edit, &mut ids);
            ids.retain(|&id| self.document.instance(id).is_some_and(|instance| instance.shape == Shape::Box));
        }
        let image = self.shown().map(|image| image.id);
        ids.retain(|&id| self.document.instance(id).is_some_and(|instance| Some(instance.image_id) == image));
        if !ids.is_empty() {
            self.selection = ids;
        }
    }

    /// Gives objects new masks in one step; gives back which have one now. An empty mask leaves the object as it was.
    pub fn set_masks(&mut self, label: &str, image: ImageId, masks: &[(InstanceId, &Mask)]) -> Vec<InstanceId> {
        let shapes = masks.iter().filter(|(_, mask)| !mask.is_empty()).map(|(id, mask)| (*id, Shape::from_mask(mask)));
        self.set_shapes(label, Some(image), shapes)
    }

    /// [`Self::set_masks`] with outlines of their pixels, none of which is empty.
    pub fn set_shapes(
        &mut self,
        label: &str,
        image: Option<ImageId>,
        shapes: impl Iterator<Item = (InstanceId, Shape)>,
    ) -> Vec<InstanceId> {
        let mut edits = Vec::new();
        let (mut done, mut drawn) = (Vec::new(), Vec::new());
        for (id, shape) in shapes {
            let Some(mut instance) = self.document.instance(id).cloned() else { continue };
            let held = self.held_box(&instance);
            instance.set_pixels(shape);
            drawn.extend(held.map(|rect| (id, instance.fingerprint(), rect)));
            edits.push(Edit::Replace(Box::new(instance)));
            done.push(id);
        }
        if done.is_empty() || !self.commit(label, image, &Edit::Batch(edits)) {
            return Vec::new();
        }
        for (id, outline, rect) in drawn {
            self.drawn.keep(id, outline, rect);
        }
        done
    }
}

/// The objects that `edit` takes out.
fn taken_out(edit: &Edit, ids: &mut Vec<InstanceId>) {
    match edit {
        Edit::Remove(id) => ids.push(*id),
        Edit::Batch(edits) => edits.iter().for_each(|edit| taken_out(edit, ids)),
        _ => {}
    }
}

/// The objects that `edit` gives masks.
fn masked(edit: &Edit, ids: &mut Vec<InstanceId>) {
    match edit {
        Edit::Replace(instance) if instance.shape != Shape::Box => ids.push(instance.id),
        Edit::Batch(edits) => edits.iter().for_each(|edit| masked(edit, ids)),
        _ => {}
    }
}

/// The edit that gives an object another class.
pub(super) fn with_class(instance: &Instance, class: CategoryId) -> Edit {
    let changed = instance.changed.and(Field::CATEGORY);
    Edit::Replace(Box::new(Instance { category_id: class, changed, ..instance.clone() }))
}

fn new_category(id: CategoryId, name: &str, index: usize) -> Edit {
    Edit::InsertCategory { index, category: Category { id, name: name.to_owned(), supercategory: String::new(), source: None } }
}

/// Whether a box, which may be as narrow as a point, lies on an image of `size`.
fn touches(rect: Rect, size: Size) -> bool {
    rect.right() > 0.0 && rect.bottom() > 0.0 && rect.x < f64::from(size.width) && rect.y < f64::from(size.height)
}

/// What moving so many objects is called.
pub(super) fn moving(count: usize) -> String {
    if count == 1 { "Move object".to_owned() } else { format!("Move {count} objects") }
}

/// The ids of `objects`.
pub(super) fn ids(objects: &[Instance]) -> Vec<InstanceId> {
    objects.iter().map(|object| object.id).collect()
}

/// Hundredths of a pixel: what COCO files have.
pub(super) fn rounded(rect: Rect) -> Rect {
    let round = |value: f64| (value * 100.0).round() / 100.0;
    Rect::new(round(rect.x), round(rect.y), round(rect.width), round(rect.height))
}

/// As much of the way `by` as leaves a box on an image of `size`; what lies outside goes no further out.
pub(super) fn within(bbox: Rect, by: Point, size: Size) -> Point {
    let along = |low: f64, high: f64, end: u32, by: f64| by.clamp((-low).min(0.0), (f64::from(end) - high).max(0.0));
    Point::new(along(bbox.x, bbox.right(), size.width, by.x), along(bbox.y, bbox.bottom(), size.height, by.y))
}

/// How far an outline moves on the way `by`: pixels by whole ones.
pub(super) fn step_of(shape: &Shape, by: Point) -> Point {
    match shape {
        Shape::Rle { .. } => Point::new(by.x.round(), by.y.round()),
        Shape::Box | Shape::Polygons(_) => by,
    }
}

/// An object so far beside its place on an image of `size`.
pub(super) fn beside(mut instance: Instance, by: Point, size: Size) -> Result<Instance, ShapeError> {
    let (bbox, by) = (instance.bbox, step_of(&instance.shape, by));
    match &instance.shape {
        Shape::Box => {
            instance.bbox = rounded(Rect { x: bbox.x + by.x, y: bbox.y + by.y, ..bbox });
            instance.set_shape(Shape::Box);
        }
        Shape::Polygons(polygons) => instance.set_shape(Shape::Polygons(polygons.iter().map(|ring| moved(ring, by)).collect())),
        Shape::Rle { .. } => {
            let counts = rle::moved(size, &instance.shape.runs(bbox, size)?, (by.x as i64, by.y as i64), size);
            instance.set_pixels(Shape::from_runs(size, counts));
        }
    }
    Ok(instance)
}

pub(super) fn moved(ring: &[f64], by: Point) -> Vec<f64> {
    ring.iter().enumerate().map(|(index, value)| value + if index % 2 == 0 { by.x } else { by.y }).collect()
}
