//! Objects that are copied to other images, as a camera that stands still or the next frame of a film asks for. The system's
//! clipboard gets the names of their classes only.

use super::App;
use super::command::Command;
use super::edit::{moved, rounded};
use super::object::Act;
use super::perform::plural;
use super::state::{State, Tone};
use crate::annotation::{Field, Instance, Shape};
use crate::geometry::{Point, Rect, Size};
use crate::mask::{polygon, rle};

/// How far a copy lies beside an object that has its place, in points of the screen.
const STEP: f64 = 16.0;

impl App {
    /// Copies the selected objects.
    pub(super) fn copy(&mut self, ctx: &egui::Context) {
        let names = self.state.copy_selected();
        // The window hears of the key that pastes only where the system has something to paste.
        if !names.is_empty() {
            ctx.copy_text(names);
        }
    }

    /// Puts what was copied onto the shown image.
    pub(super) fn paste(&mut self) {
        let step_px = (STEP / self.canvas.view.scale()).round().clamp(1.0, 1e4);
        self.state.paste(step_px, false);
    }

    /// Puts the boxes of what was copied onto the shown image, and proposes masks in them.
    pub(super) fn paste_anew(&mut self) {
        if self.state.paste(0.0, true) {
            self.propose_for(&self.state.selection.clone());
        }
    }
}

impl State {
    /// Copies the selected objects; gives the names of their classes, one a line.
    fn copy_selected(&mut self) -> String {
        let copied = |instance: &Instance| Instance { score: None, changed: Field::NONE, source: None, ..instance.clone() };
        let copied: Vec<(Instance, bool)> = self.selected().map(|instance| (copied(instance), self.is_painted(instance))).collect();
        let count = copied.len();
        if count == 0 {
            self.say(Tone::Plain, "Select the objects first that are to be copied");
            return String::new();
        }
        let names: Vec<&str> = copied.iter().map(|(instance, _)| self.class_name(instance.category_id)).collect();
        let names = names.join("\n");
        self.clipboard = copied;
        let them = if count == 1 { "it" } else { "them" };
        let paste = self.key(&Command::Act(Act::Paste));
        self.say(Tone::Plain, format!("{count} object{} copied: {paste} puts {them} onto any image", plural(count)));
        names
    }

    /// Puts what was copied onto the shown image, at the same place or steps of `step_px` pixels beside what lies there, or its
    /// boxes alone, at the same place; whether anything was.
    fn paste(&mut self, step_px: f64, as_boxes: bool) -> bool {
        let Some((image, size)) = self.shown().map(|image| (image.id, image.size)) else { return false };
        if self.clipboard.is_empty() {
            let copy = self.key(&Command::Act(Act::Copy));
            self.say(Tone::Plain, format!("Nothing is copied yet; {copy} copies the selected objects"));
            return false;
        }
        if !size.has_pixels() {
            self.say_unsized();
            return false;
        }
        // Boxes are where the object is looked for.
        let by = if as_boxes { Point::default() } else { self.free_place(step_px, size) };
        let ids = self.document.free_instance_ids();
        let placed = self.clipboard.iter().filter_map(|(copied, is_painted)| {
            let boxed = as_boxes.then(|| Instance { shape: Shape::Box, crowd: false, ..copied.clone() });
            Some((placed(boxed.as_ref().unwrap_or(copied), by, size)?, *is_painted && !as_boxes))
        });
        let placed = placed.zip(ids).map(|((instance, is_painted), id)| (Instance { id, image_id: image, ..instance }, is_painted));
        let (pasted, painted): (Vec<Instance>, Vec<bool>) = placed.unzip();
        let (count, outside) = (pasted.len(), self.clipboard.len() - pasted.len());
        if count == 0 {
            self.say(Tone::Warning, "Nothing of what was copied lies on this image");
            return false;
        }
        let label = if count == 1 { "Paste object".to_owned() } else { format!("Paste {count} objects") };
        self.message = None;
        let ids = self.insert_all(&label, image, pasted);
        if ids.is_empty() {
            return false;
        }
        self.judge_painted(ids.iter().zip(painted).filter(|(_, is_painted)| *is_painted).map(|(&id, _)| id));
        let said = self.new_said(&ids);
        self.selection = ids;
        // What the change did to a mark of LVIS is worth more.
        if self.message.is_none() {
            let outside = if outside > 0 { format!("; {outside} outside this image left out") } else { String::new() };
            match said {
                Some(said) => self.say(Tone::Warning, format!("{said}{outside}")),
                None => self.say(Tone::Plain, format!("{count} object{} pasted{outside}", plural(count))),
            }
        }
        true
    }

    /// How far from their own place what was copied covers no object of the shown image exactly.
    fn free_place(&self, step_px: f64, size: Size) -> Point {
        let bounds = self.clipboard.iter().map(|(copied, _)| copied.bbox).reduce(Rect::united).unwrap_or_default();
        // Back where the image ends.
        let along = |low: f64, high: f64, end: u32, far: f64| if high + far > f64::from(end) && low >= far { -far } else { far };
        let is_taken = |by: Point| {
            let is_there = |(copied, _): &(Instance, bool)| {
                let place = shifted(copied.bbox, by).clipped(size);
                self.objects().any(|object| is_same(object.bbox.clipped(size), place))
            };
            self.clipboard.iter().any(is_there)
        };
        (0..=u8::MAX)
            .map(|count| f64::from(count) * step_px)
            .map(|far| {
                let down = along(bounds.y, bounds.bottom(), size.height, far);
                Point::new(along(bounds.x, bounds.right(), size.width, far), down)
            })
            .find(|&by| !is_taken(by))
            .unwrap_or_default()
    }
}

fn shifted(rect: Rect, by: Point) -> Rect {
    Rect { x: rect.x + by.x, y: rect.y + by.y, ..rect }
}

fn is_same(a: Rect, b: Rect) -> bool {
    [a.x - b.x, a.y - b.y, a.width - b.width, a.height - b.height].iter().all(|difference| difference.abs() < 0.02)
}

/// A copy so many whole pixels beside its original, as far as an image of `size` has it; `None` where nothing is left.
fn placed(copied: &Instance, by: Point, size: Size) -> Option<Instance> {
    let mut instance = copied.clone();
    match &copied.shape {
        Shape::Box => {
            instance.bbox = rounded(shifted(copied.bbox, by).clipped(size));
            instance.set_shape(Shape::Box);
        }
        Shape::Polygons(rings) => {
            let rings = rings.iter().map(|ring| polygon::clipped(&moved(ring, by), size)).filter(|ring| !ring.is_empty());
            instance.set_shape(Shape::Polygons(rings.collect()));
        }
        Shape::Rle { size: grid, counts, compressed } => {
            let counts = rle::moved(*grid, counts, (by.x as i64, by.y as i64), size).into();
            instance.set_shape(Shape::Rle { size, counts, compressed: *compressed });
        }
    }
    instance.changed = Field::NONE;
    (instance.area > 0.0 && instance.bbox.is_drawable()).then_some(instance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{CategoryId, ImageId, InstanceId};
    use crate::mask::Mask;

    #[test]
    fn a_copy_is_cut_at_the_image_s_edge_and_exact_inside() {
        let mut copied = Instance::boxed(InstanceId(1), ImageId(1), CategoryId(1), Rect::new(4.0, 2.0, 4.0, 3.0));
        let place = |copied: &Instance, x: f64, y: f64| placed(copied, Point::new(x, y), Size::new(10, 8));
        assert_eq!(place(&copied, 4.0, 0.0).unwrap().bbox, Rect::new(8.0, 2.0, 2.0, 3.0));
        assert_eq!(place(&copied, 6.0, 0.0), None);

        copied.set_shape(Shape::Polygons(vec![polygon::of_rect(copied.bbox), vec![0.0, 0.0, 2.0, 0.0, 0.0, 2.0]].into()));
        copied.changed = Field::NONE;
        assert_eq!(place(&copied, 0.0, 0.0), Some(copied.clone()));
        let cut = place(&copied, -4.0, 0.0).unwrap();
        assert_eq!((cut.bbox, cut.area), (Rect::new(0.0, 2.0, 4.0, 3.0), 12.0));

        let mask = Mask::from_fn(Size::new(20, 20), |x, y| (4..14).contains(&x) && (2..5).contains(&y) && (x + y) % 3 > 0);
        copied.set_shape(Shape::from_mask(&mask));
        copied.crowd = true;
        let cut = place(&copied, 0.0, 1.0).unwrap();
        let expected = Mask::from_fn(Size::new(10, 8), |x, y| y > 0 && mask.get(x, y - 1));
        assert_eq!((cut.mask(expected.size()).unwrap(), cut.crowd), (expected, true));
    }
}
