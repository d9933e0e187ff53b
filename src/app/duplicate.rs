//! Objects that are there twice, drawn, pasted or found: nothing is in the way of one, but it is said when it comes, as long
//! as the person looks there.

use std::collections::BTreeSet;

use super::command::Command;
use super::perform::plural;
use super::state::{State, Tone};
use crate::annotation::{Instance, InstanceId, Shape};
use crate::geometry::Size;
use crate::mask::rle;

/// From this `IoU` on two objects are taken for one. The check of a data set asks for more: nobody sees its objects come.
const LEAST_IOU: f64 = 0.8;
/// Masks of that `IoU` have boxes of at least this one; fewer pairs need to be compared.
const LEAST_BOX_IOU: f64 = 0.5;

/// An object, and the one that it is nearly the same as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Duplicate {
    id: InstanceId,
    other: InstanceId,
}

impl State {
    /// Those of the objects `ids`, all of one image, that are nearly the same as another visible one of it, of whatever
    /// class. Of two among `ids` it is the later one.
    pub(super) fn duplicates(&self, ids: &[InstanceId]) -> Vec<Duplicate> {
        let first = ids.first().and_then(|&id| self.document.instance(id));
        let Some(image) = first.and_then(|object| self.document.image_of(object.image_id)) else { return Vec::new() };
        let (size, ids): (Size, BTreeSet<InstanceId>) = (image.size, ids.iter().copied().collect());
        let objects: Vec<&Instance> = self.document.objects(image.id).filter(|object| self.is_visible(object.id)).collect();
        let new = objects.iter().enumerate().filter(|(_, object)| ids.contains(&object.id));
        let duplicate = |(place, object): (usize, &&Instance)| {
            let others = objects.iter().enumerate().filter(|(at, other)| *at < place || !ids.contains(&other.id));
            let alike = others.filter_map(|(_, other)| Some((other.id, iou(object, other, size)?)));
            let (other, _) = alike.max_by(|a, b| a.1.total_cmp(&b.1))?;
            Some(Duplicate { id: object.id, other })
        };
        new.filter_map(duplicate).collect()
    }

    /// Says of an object that was drawn, or got another place, which one it is nearly the same as, where it is.
    pub(super) fn say_duplicate(&mut self, id: InstanceId) {
        let said = self.new_said(&[id]);
        self.say_unless_warned(said);
    }

    /// What there is to say of one object that was drawn, moved or pasted, or of several that were pasted together, on the shown
    /// image; `None` where none of them is there twice.
    pub(super) fn new_said(&self, ids: &[InstanceId]) -> Option<String> {
        let duplicates = self.duplicates(ids);
        let first = duplicates.first()?;
        let undo = self.key(&Command::Undo);
        Some(match (duplicates.len(), ids.len()) {
            (_, 1) => format!("Nearly the same as {}: {undo} takes it back", self.numbered(first.other)?),
            (1, all) => format!("1 of {all} pasted objects nearly repeats another here: {undo} takes all back"),
            (count, all) => format!("{count} of {all} pasted objects nearly repeat others here: {undo} takes all back"),
        })
    }

    /// Says which objects of the shown image that got other outlines are there twice.
    pub(super) fn say_duplicates(&mut self, duplicates: &[Duplicate]) {
        let said = self.duplicates_said(duplicates);
        self.say_unless_warned(said);
    }

    /// Says `text` of objects of an image that got masks, after which of them are there twice.
    pub(super) fn say_masks(&mut self, ids: &[InstanceId], text: String) {
        let duplicates = self.duplicates(ids);
        self.say_with_duplicates(&duplicates, text);
    }

    /// Says `text` of objects that got masks, after which of them are there twice; of other images it is how many are.
    pub(super) fn say_with_duplicates(&mut self, duplicates: &[Duplicate], text: String) {
        let elsewhere = duplicates.iter().filter(|duplicate| self.is_elsewhere(duplicate)).count();
        let text = match elsewhere {
            0 => text,
            1 => format!("{text}; one on another image nearly repeats an object there"),
            count => format!("{text}; {count} on other images nearly repeat objects there"),
        };
        match self.duplicates_said(duplicates) {
            Some(said) => self.say(Tone::Warning, format!("{said}. {text}")),
            None if elsewhere > 0 => self.say(Tone::Warning, text),
            None => self.say(Tone::Plain, text),
        }
    }

    /// Says that something is there twice. What the same change did to a mark of LVIS is worth more.
    fn say_unless_warned(&mut self, said: Option<String>) {
        let is_warned = self.message.as_ref().is_some_and(|message| message.tone != Tone::Plain);
        if let Some(said) = said.filter(|_| !is_warned) {
            self.say(Tone::Warning, said);
        }
    }

    /// Whether both objects are still there, on an image that is not shown.
    fn is_elsewhere(&self, duplicate: &Duplicate) -> bool {
        let shown = self.shown().map(|image| image.id);
        let is_there = |id| self.document.instance(id).is_some_and(|object| Some(object.image_id) != shown);
        is_there(duplicate.id) && is_there(duplicate.other)
    }

    /// What there is to say of objects of the shown image that got masks; `None` where none of them is there twice.
    fn duplicates_said(&self, duplicates: &[Duplicate]) -> Option<String> {
        let present = |duplicate: &Duplicate| Some((duplicate.id, self.number(duplicate.id)?, self.numbered(duplicate.other)?));
        let mut present = duplicates.iter().filter_map(present);
        let (id, number, other) = present.next()?;
        let more = match present.count() {
            0 => String::new(),
            count => format!(", and {count} other{} likewise", plural(count)),
        };
        let is_chosen = self.only_selected().is_some_and(|instance| instance.id == id);
        let (first, key) = (if is_chosen { "" } else { "select it, and " }, self.key(&Command::Delete));
        Some(format!("Object {number} is nearly the same as {other}{more}: {first}{key} deletes it"))
    }

    /// The number of an object in the list of the shown image.
    fn number(&self, id: InstanceId) -> Option<usize> {
        self.objects().position(|instance| instance.id == id).map(|place| place + 1)
    }

    /// An object by its number and class.
    fn numbered(&self, id: InstanceId) -> Option<String> {
        let class = self.class_name(self.document.instance(id)?.category_id);
        Some(format!("object {} ({class})", self.number(id)?))
    }
}

/// The `IoU` of two objects on an image of `size`: of their boxes where one has no mask. `None` where they are two.
fn iou(a: &Instance, b: &Instance, size: Size) -> Option<f64> {
    let of_boxes = a.bbox.iou(b.bbox);
    if a.crowd != b.crowd || of_boxes < LEAST_BOX_IOU {
        return None;
    }
    let iou = if a.shape == Shape::Box || b.shape == Shape::Box {
        of_boxes
    } else {
        rle::iou(&a.shape.runs(a.bbox, size).ok()?, &b.shape.runs(b.bbox, size).ok()?)?
    };
    (iou >= LEAST_IOU).then_some(iou)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{CategoryId, ImageId};
    use crate::geometry::{Point, Rect};
    use crate::mask::Mask;

    #[test]
    fn masks_are_compared_where_both_have_one_and_else_boxes() {
        let size = Size::new(40, 30);
        let rect = Rect::new(5.0, 5.0, 20.0, 20.0);
        let boxed = |bbox| Instance::boxed(InstanceId(1), ImageId(1), CategoryId(1), bbox);
        let masked = |mask: &Mask| {
            let mut instance = boxed(Rect::default());
            instance.set_mask(mask);
            instance
        };
        let covers = |x: u32, y: u32| rect.contains(Point::new(f64::from(x) + 0.5, f64::from(y) + 0.5));
        // Two triangles in one box share only their diagonal.
        let upper = masked(&Mask::from_fn(size, |x, y| covers(x, y) && x >= y));
        let lower = masked(&Mask::from_fn(size, |x, y| covers(x, y) && x <= y));
        assert_eq!((upper.bbox, lower.bbox), (rect, rect));
        assert!(iou(&upper, &lower, size).is_none());
        assert!(iou(&upper, &boxed(rect), size).is_some(), "of a mask and a box the boxes count");
        assert!(iou(&upper, &upper, size).is_some());
        assert!(iou(&boxed(rect), &boxed(Rect { width: 17.0, ..rect }), size).is_some());
        assert!(iou(&boxed(rect), &boxed(Rect { width: 15.0, ..rect }), size).is_none());
        assert!(iou(&boxed(rect), &Instance { crowd: true, ..boxed(rect) }, size).is_none());
    }
}
