//! What is done with the selected objects as they are: several joined, one split into its parts, crowds, polygons. Each is
//! one step of the history.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use super::App;
use super::outline::filled;
use super::perform::plural;
use super::state::{State, Tone};
use super::transfer::Wish;
use crate::annotation::{Edit, Field, Instance, InstanceId, Shape, ShapeError};
use crate::formats::convert::{self, Policy};
use crate::formats::lvis;
use crate::geometry::Size;
use crate::mask::component::{Components, Connectivity};
use crate::mask::{polygon, rle};

/// What is done with the selected objects as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Copies them.
    Copy,
    /// Puts what was copied onto the shown image.
    Paste,
    /// Puts the boxes of what was copied onto the shown image, and proposes masks in them.
    PasteAnew,
    /// Makes one object of several.
    Join,
    /// Makes an object of each connected part.
    Split,
    /// Marks them as crowds, or takes that mark off.
    ToggleCrowd,
    /// Makes polygons of masks.
    MakePolygons,
}

impl App {
    /// Does something with the selected objects.
    pub(super) fn act(&mut self, act: Act, ctx: &egui::Context) {
        match act {
            Act::Copy => self.copy(ctx),
            Act::Paste => self.paste(),
            Act::PasteAnew => self.paste_anew(),
            Act::Join => self.state.join(),
            Act::Split => self.state.split(),
            Act::ToggleCrowd => self.state.toggle_crowd(),
            Act::MakePolygons => self.state.make_polygons(),
        }
    }
}

impl State {
    /// Gives the first selected object the pixels of all selected masks; the others go.
    fn join(&mut self) {
        let Some((image, size)) = self.shown().map(|image| (image.id, image.size)) else { return };
        let mut masks: Vec<Instance> = self.selected().filter(|instance| instance.shape != Shape::Box).cloned().collect();
        if masks.len() < 2 {
            return self.say(Tone::Plain, "Select the masks first, two or more, that are to be one");
        }
        let shape = match joined(&masks, size) {
            Ok(shape) => shape,
            Err(error) => return self.say(Tone::Error, format!("The masks cannot be joined: {error}")),
        };
        let others: Vec<InstanceId> = masks.drain(1..).map(|instance| instance.id).collect();
        let Some(mut whole) = masks.pop() else { return };
        let id = whole.id;
        whole.set_pixels(shape);
        let removed = Edit::Batch(others.iter().map(|&other| Edit::Remove(other)).collect());
        if self.commit("Join objects", Some(image), &Edit::Batch(vec![removed, Edit::Replace(Box::new(whole))])) {
            self.selection = vec![id];
            self.proposed.retain(|other| !others.contains(other));
            self.say(Tone::Plain, format!("{} objects are one now", others.len() + 1));
        }
    }

    /// Makes an object of each connected part of the selected masks; the largest part stays the object that it was.
    fn split(&mut self) {
        let Some((image, size)) = self.shown().map(|image| (image.id, image.size)) else { return };
        let mut free = self.document.free_instance_ids();
        let (mut replaced, mut inserted, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        for instance in self.selected().filter(|instance| instance.shape != Shape::Box) {
            let mut shapes = parts(instance, size).into_iter();
            let Some(largest) = shapes.next() else { continue };
            let mut part = instance.clone();
            part.set_pixels(largest);
            ids.push(part.id);
            replaced.push(Edit::Replace(Box::new(part)));
            for (shape, id) in shapes.zip(free.by_ref()) {
                let mut part = Instance { id, score: None, source: None, ..instance.clone() };
                part.set_pixels(shape);
                part.changed = Field::NONE;
                ids.push(id);
                inserted.push(Edit::Insert { index: usize::MAX, instance: Box::new(part) });
            }
        }
        if inserted.is_empty() {
            return self.say(Tone::Plain, "The selection has no mask of several parts");
        }
        if self.commit("Split objects", Some(image), &Edit::Batch(vec![Edit::Batch(replaced), Edit::Batch(inserted)])) {
            self.visibility.show_all(&ids);
            self.say(Tone::Plain, format!("Split into {} objects", ids.len()));
            self.selection = ids;
        }
    }

    /// Marks the selected objects as crowds or, where all are, as single objects.
    fn toggle_crowd(&mut self) {
        let Some((image, size)) = self.shown().map(|image| (image.id, image.size)) else { return };
        if lvis::is_lvis(self.document.dataset()) {
            return self.say(Tone::Warning, "LVIS has no crowds; the mark that a class is not exhaustively labelled stands for them");
        }
        let crowd = self.selected().any(|instance| !instance.crowd);
        let marked = |instance: &Instance| {
            let mut instance = Instance { crowd, changed: instance.changed.and(Field::CROWD), ..instance.clone() };
            // COCO has the outlines of crowds as lists of run lengths.
            if crowd && matches!(instance.shape, Shape::Polygons(_)) {
                let counts = instance.shape.runs(instance.bbox, size).ok()?.into();
                instance.set_shape(Shape::Rle { size, counts, compressed: false });
            }
            Some(Edit::Replace(Box::new(instance)))
        };
        let edits: Vec<Edit> = self.selected().filter(|instance| instance.crowd != crowd).filter_map(marked).collect();
        if edits.is_empty() {
            return self.say(Tone::Plain, "Select the objects first that are crowds");
        }
        let (label, said) = if crowd { ("Mark as crowd", "Marked as crowd") } else { ("Take crowd mark off", "No longer marked as crowd") };
        if self.commit(label, Some(image), &Edit::Batch(edits)) {
            self.say(Tone::Plain, said);
        }
    }

    /// Gives the selected masks polygons, whose vertices can be moved.
    fn make_polygons(&mut self) {
        let Some((image, size)) = self.shown().map(|image| (image.id, image.size)) else { return };
        let policy = Policy::Polygons { tolerance_px: Wish::default().tolerance_px };
        let (mut shapes, mut least, mut lost) = (Vec::new(), 1.0_f64, 0);
        for instance in self.selected().filter(|instance| !instance.crowd) {
            let Ok(Some((shape, iou))) = convert::converted(instance, size, policy) else { continue };
            let has_hole = |shape: &Shape| shape.runs(instance.bbox, size).is_ok_and(|counts| filled(size, &counts).is_some());
            lost += usize::from(has_hole(&instance.shape) && !has_hole(&shape));
            least = least.min(iou);
            shapes.push((instance.id, shape));
        }
        if shapes.is_empty() {
            return self.say(Tone::Plain, "The selection has no mask of pixels that can have polygons; crowds keep their pixels");
        }
        let count = self.set_shapes("Make polygons", Some(image), shapes.into_iter()).len();
        if count > 0 {
            let holes = if lost > 0 { format!("; {lost} lost holes") } else { String::new() };
            let tone = if lost > 0 { Tone::Warning } else { Tone::Plain };
            let least = (least * 100.0).floor() / 100.0;
            self.say(tone, format!("{count} mask{} of polygons now, IoU at least {least:.2}{holes}", plural(count)));
        }
    }
}

/// The outline that holds the pixels of all these masks: polygons where all are and none overlaps another, else run lengths.
fn joined(masks: &[Instance], size: Size) -> Result<Shape, ShapeError> {
    let runs = |instance: &Instance| instance.shape.runs(instance.bbox, size).map(Cow::into_owned);
    let single = masks.iter().map(runs).collect::<Result<Vec<_>, _>>()?;
    let sum: u64 = single.iter().map(|runs| rle::area(runs)).sum();
    let counts = rle::union(size, single);
    let rings = |instance: &Instance| if let Shape::Polygons(rings) = &instance.shape { Some(Arc::clone(rings)) } else { None };
    let polygons: Option<Vec<Arc<[Vec<f64>]>>> = masks.iter().map(rings).collect();
    Ok(match polygons {
        Some(polygons) if rle::area(&counts) == sum => Shape::Polygons(polygons.concat().into()),
        _ => Shape::from_runs(size, counts),
    })
}

/// The connected parts of an object's mask, the largest first; none where it is one part. Polygons that are a part each stay.
fn parts(instance: &Instance, size: Size) -> Vec<Shape> {
    let Ok(counts) = instance.shape.runs(instance.bbox, size) else { return Vec::new() };
    let window = rle::bounds(size, &counts).unwrap_or_default();
    let mut parts = Components::of(&rle::decode_window(size, &counts, window), Connectivity::Eight).parts();
    if parts.len() < 2 {
        return Vec::new();
    }
    parts.sort_by_cached_key(|(_, mask)| Reverse(mask.area()));
    let rings: Vec<(&Vec<f64>, Vec<u32>)> = match &instance.shape {
        Shape::Polygons(rings) => rings.iter().map(|ring| (ring, polygon::runs(std::slice::from_ref(ring), size))).collect(),
        _ => Vec::new(),
    };
    let polygons = |counts: &[u32]| match &instance.shape {
        Shape::Polygons(_) => own_rings(&rings, counts, size).map(|rings| Shape::Polygons(rings.into())),
        _ => None,
    };
    let shape = |counts: Vec<u32>| polygons(&counts).unwrap_or(Shape::from_runs(size, counts));
    parts.iter().map(|(place, mask)| shape(rle::encode_placed(mask, window.x + place.x, window.y + place.y, size))).collect()
}

/// Those of some polygons, each with its run lengths, that lie in a part with run lengths `counts`, where they hold all of it.
fn own_rings(rings: &[(&Vec<f64>, Vec<u32>)], counts: &[u32], size: Size) -> Option<Vec<Vec<f64>>> {
    let own = rings.iter().filter(|(_, runs)| rle::intersection(runs, counts) > 0);
    let own: Vec<Vec<f64>> = own.map(|(ring, _)| (*ring).clone()).collect();
    (rle::merged(&polygon::runs(&own, size)) == counts).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{CategoryId, ImageId};
    use crate::geometry::Rect;
    use crate::mask::Mask;

    const SIZE: Size = Size::new(30, 20);

    fn with(shape: Shape) -> Instance {
        let mut instance = Instance::boxed(InstanceId(1), ImageId(1), CategoryId(1), Rect::default());
        instance.set_shape(shape);
        instance
    }

    fn square(x: f64) -> Vec<f64> {
        polygon::of_rect(Rect::new(x, 2.0, 5.0, 5.0))
    }

    #[test]
    fn polygons_stay_polygons_where_they_can() {
        let [one, two, near] = [1.0, 9.0, 3.0].map(|x| with(Shape::Polygons([square(x)].into())));
        let apart = joined(&[one.clone(), two.clone()], SIZE).unwrap();
        assert_eq!(apart, Shape::Polygons([square(1.0), square(9.0)].into()));
        assert_eq!(parts(&with(apart), SIZE), [1.0, 9.0].map(|x| Shape::Polygons([square(x)].into())));
        let over = joined(&[one.clone(), near], SIZE).unwrap();
        assert!(matches!(over, Shape::Rle { .. }) && over.area() == Some(35.0), "{over:?}");
        assert_eq!(parts(&one, SIZE), []);
    }

    #[test]
    fn the_parts_of_a_mask_are_its_pixels_the_largest_first() {
        let small = Mask::from_fn(SIZE, |x, y| x < 2 && y < 2);
        let large = Mask::from_fn(SIZE, |x, y| x > 10 && y > 10);
        let both = Mask::from_fn(SIZE, |x, y| small.get(x, y) || large.get(x, y));
        let expected = [Shape::from_mask(&large), Shape::from_mask(&small)];
        assert_eq!(parts(&with(Shape::from_mask(&both)), SIZE), expected);
        let [large, small] = expected.map(with);
        assert_eq!(joined(&[large, small], SIZE).unwrap(), Shape::from_mask(&both));
    }
}
