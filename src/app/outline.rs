//! The changes that a person makes to outlines, each one step of the history.

use super::command::{Command, Vertex};
use super::perform::plural;
use super::state::{State, Tone};
use crate::annotation::{Edit, Field, Instance, InstanceId, Shape};
use crate::geometry::{Point, Rect, Size};
use crate::mask::{morphology, polygon, rle};

impl State {
    /// Adds an object with this outline to the shown image.
    pub fn add_polygon(&mut self, points: &[Point]) {
        let Some(image) = self.shown().map(|image| image.id) else { return };
        let mut instance = self.new_instance(image, Rect::default());
        instance.set_shape(Shape::Polygons([polygon::flat(&points.iter().map(|&point| hundredths(point)).collect::<Vec<_>>())].into()));
        instance.changed = Field::NONE;
        if instance.bbox.is_drawable() {
            self.message = None;
            if let Some(id) = self.insert("Draw polygon", instance) {
                self.say_duplicate(id);
            }
        } else {
            self.say(Tone::Plain, "This outline encloses nothing");
        }
    }

    /// Moves a vertex.
    pub fn move_vertex(&mut self, vertex: Vertex, to: Point) {
        let to = hundredths(to);
        self.change_ring("Move vertex", vertex, |ring| {
            let known = ring.get_mut(vertex.index)?;
            (*known != to).then(|| *known = to)
        });
    }

    /// Puts a vertex into a ring.
    pub fn insert_vertex(&mut self, vertex: Vertex, at: Point) {
        self.change_ring("Add vertex", vertex, |ring| (vertex.index <= ring.len()).then(|| ring.insert(vertex.index, hundredths(at))));
    }

    /// Takes a vertex away; a ring of three goes with it where there are others.
    pub fn remove_vertex(&mut self, vertex: Vertex) {
        self.change_ring("Remove vertex", vertex, |ring| {
            (vertex.index < ring.len()).then(|| {
                ring.remove(vertex.index);
            })
        });
    }

    fn change_ring(&mut self, label: &str, vertex: Vertex, change: impl FnOnce(&mut Vec<Point>) -> Option<()>) {
        let Some(mut instance) = self.document.instance(vertex.id).cloned() else { return };
        let Shape::Polygons(rings) = &instance.shape else { return };
        let mut rings = rings.to_vec();
        let Some(mut points) = rings.get(vertex.ring).map(|ring| polygon::points(ring)) else { return };
        if change(&mut points).is_none() {
            return;
        }
        if points.len() > 2 {
            rings[vertex.ring] = polygon::flat(&points);
        } else if rings.len() > 1 {
            rings.remove(vertex.ring);
        } else {
            let key = self.key(&Command::Delete);
            return self.say(Tone::Plain, format!("An outline needs three points; {key} deletes the object"));
        }
        instance.set_shape(Shape::Polygons(rings.into()));
        self.commit(label, Some(instance.image_id), &Edit::Replace(Box::new(instance)));
    }

    /// Fills the holes of the selected masks.
    pub fn fill_holes(&mut self) {
        let Some((image, size)) = self.shown().map(|image| (image.id, image.size)) else { return };
        let filled = |instance: &Instance| {
            let counts = instance.shape.runs(instance.bbox, size).ok().filter(|_| instance.shape != Shape::Box)?;
            Some((instance.id, Shape::from_runs(size, filled(size, &counts)?)))
        };
        let shapes: Vec<(InstanceId, Shape)> = self.selected().filter_map(filled).collect();
        match self.set_shapes("Fill holes", Some(image), shapes.into_iter()).len() {
            0 => self.say(Tone::Plain, "The selection has no mask with holes"),
            count => self.say(Tone::Plain, format!("Filled the holes of {count} mask{}", plural(count))),
        }
    }
}

/// The run lengths of a mask with its holes filled; `None` where it has none. Only the part that it covers is unpacked.
pub(super) fn filled(size: Size, counts: &[u32]) -> Option<Vec<u32>> {
    let window = rle::bounds(size, counts)?;
    let mask = rle::decode_window(size, counts, window);
    let filled = morphology::fill_holes(&mask);
    (filled != mask).then(|| rle::encode_placed(&filled, window.x, window.y, size))
}

/// An object with a vertex so far beside its place.
pub(super) fn with_vertex(mut instance: Instance, vertex: Vertex, by: Point) -> Instance {
    let Shape::Polygons(rings) = &instance.shape else { return instance };
    let mut rings = rings.to_vec();
    if let Some([x, y]) = rings.get_mut(vertex.ring).and_then(|ring| ring.as_chunks_mut::<2>().0.get_mut(vertex.index)) {
        *x += by.x;
        *y += by.y;
        instance.set_shape(Shape::Polygons(rings.into()));
    }
    instance
}

/// Hundredths of a pixel: what COCO files have.
fn hundredths(point: Point) -> Point {
    Point::new((point.x * 100.0).round() / 100.0, (point.y * 100.0).round() / 100.0)
}
