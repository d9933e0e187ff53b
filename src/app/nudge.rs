//! The arrow keys: small steps of the selected objects, or of the vertex that was taken last. Several in a row are one step
//! of the history.

use super::App;
use super::command::{Tool, Vertex};
use super::edit::{beside, ids, moving, within};
use super::outline::with_vertex;
use super::state::{State, Tone};
use crate::annotation::{Instance, Shape};
use crate::geometry::{Point, Rect};

/// After a longer pause the next nudge is a step of its own.
const PAUSE_SECS: f64 = 2.0;

/// Nudges in a row.
#[derive(Clone, Debug)]
pub(super) struct Nudged {
    /// The objects as they were before the first one.
    before: Vec<Instance>,
    /// The vertex, where not the objects are moved.
    vertex: Option<Vertex>,
    /// How far it has gone.
    by: Point,
    /// The revision of the data set after the last one.
    revision: u64,
    /// When the last one was.
    at: f64,
}

impl App {
    /// Moves the selected objects, or the vertex that was taken last, by so many image pixels.
    pub(super) fn nudge(&mut self, step: Point, ctx: &egui::Context) {
        if self.canvas.is_busy() || self.state.review.is_some() {
            return;
        }
        if self.state.tool != Tool::Select {
            return self.state.say(Tone::Plain, "The arrow keys move objects with the select tool (V)");
        }
        let now = ctx.input(|input| input.time);
        let vertex = self.canvas.taken_vertex(&self.state);
        let row = self.nudged.take().filter(|row| row.vertex == vertex && now - row.at <= PAUSE_SECS);
        self.nudged = self.state.nudge(step, vertex, row, now);
    }
}

impl State {
    /// Moves the selected objects or a vertex, after the nudges in `row`; gives back the row that the next one goes on with.
    fn nudge(&mut self, step: Point, vertex: Option<Vertex>, row: Option<Nudged>, now: f64) -> Option<Nudged> {
        let (image, size) = self.shown().map(|image| (image.id, image.size))?;
        if !size.has_pixels() {
            self.say_unsized();
            return None;
        }
        let selected: Vec<Instance> = self.selected().filter(|object| self.is_visible(object.id)).cloned().collect();
        if selected.is_empty() {
            self.say(Tone::Plain, "Select the objects first that are to be moved");
            return None;
        }
        let revision = self.document.revision();
        let row = row.filter(|row| row.revision == revision && ids(&row.before) == ids(&selected));
        let is_first = row.is_none();
        let (before, so_far) = row.map_or((selected, Point::default()), |row| (row.before, row.by));
        let by = within(extent(&before, vertex), Point::new(so_far.x + step.x, so_far.y + step.y), size);
        if by == so_far {
            return (!is_first).then_some(Nudged { before, vertex, by, revision, at: now });
        }
        let moved = |object: &Instance| match vertex {
            Some(vertex) => Ok(with_vertex(object.clone(), vertex, by)),
            None => beside(object.clone(), by, size),
        };
        let edit = self.moved(&before, moved)?;
        let label = if vertex.is_some() { "Move vertex".to_owned() } else { moving(before.len()) };
        let painted = if vertex.is_some() { Vec::new() } else { self.painted(&before) };
        let is_done = if is_first { self.commit(&label, Some(image), &edit) } else { self.amend(&label, Some(image), &edit) };
        if is_done {
            self.judge_painted(painted);
        }
        is_done.then(|| Nudged { before, vertex, by, revision: self.document.revision(), at: now })
    }
}

/// What has to stay on the image: the vertex, or all objects.
fn extent(objects: &[Instance], vertex: Option<Vertex>) -> Rect {
    let place = |vertex: Vertex| {
        let Shape::Polygons(rings) = &objects.first()?.shape else { return None };
        let &[x, y] = rings.get(vertex.ring)?.as_chunks::<2>().0.get(vertex.index)?;
        Some(Rect::new(x, y, 0.0, 0.0))
    };
    let all = || objects.iter().map(|object| object.bbox).reduce(Rect::united);
    vertex.map_or_else(all, place).unwrap_or_default()
}
