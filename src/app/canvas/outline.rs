//! Polygons by hand: an outline that is drawn point by point, and the vertices of the selected object.

use egui::{Color32, Painter, Pos2, Shape as Drawn, Stroke, vec2};

use super::Canvas;
use super::gesture::Gesture;
use crate::annotation::{ImageId, Instance, InstanceId, Shape};
use crate::app::command::{Command, Tool, Vertex};
use crate::app::state::State;
use crate::geometry::Point;
use crate::mask::polygon;

/// How near the pointer must come to a vertex or an edge, in points.
const REACH: f32 = 8.0;
/// More vertices than this in sight are not drawn as dots, which would hide the object.
const DOTS: usize = 1500;
/// Rings are lines where one image pixel has at least so many points, ...
const LINES_FROM: f64 = 1.5;
/// ... unless those in sight have more vertices than this: lines are the processor's work in every frame.
const LINES: usize = 20_000;

/// An outline that was dropped before it was closed.
pub(super) struct DroppedOutline {
    image: ImageId,
    /// The data set's revision at that time.
    revision: u64,
    points: Vec<Point>,
}

impl Canvas {
    /// Adds a point to the outline that is drawn; one at its beginning, or twice in one place, closes it.
    pub(super) fn add_point(&mut self, at: Pos2, commands: &mut Vec<Command>) {
        let point = self.view.image_inside(at);
        let closes = self.outline.len() > 2 && self.outline.first().is_some_and(|&first| self.view.ui(first).distance(at) <= REACH);
        // The vertices of a small outline may be near each other.
        if closes || self.outline.last().is_some_and(|&last| !self.is_drag(last, point)) {
            commands.extend(self.finish_outline());
        } else {
            self.dropped = None;
            self.outline.push(point);
        }
    }

    /// Ends the outline that is drawn; `None` where it has too few points, which stay.
    pub(crate) fn finish_outline(&mut self) -> Option<Command> {
        (self.outline.len() > 2).then(|| Command::AddPolygon(std::mem::take(&mut self.outline)))
    }

    /// Takes the last point of the outline back; false where none is drawn.
    pub(crate) fn take_point(&mut self) -> bool {
        self.outline.pop().is_some()
    }

    /// Drops the outline that is drawn on the shown image; whether there was one. [`Self::bring_back`] has it again.
    pub(crate) fn drop_outline(&mut self, state: &State) -> bool {
        let Some(image) = state.shown().filter(|_| self.has_outline()) else { return false };
        let points = std::mem::take(&mut self.outline);
        self.dropped = Some(DroppedOutline { image: image.id, revision: state.document.revision(), points });
        true
    }

    /// Goes on with the outline that was dropped last, where nothing was done since; whether there is one.
    pub(crate) fn bring_back(&mut self, state: &State) -> bool {
        let shown = state.shown().map(|image| image.id);
        let is_newest = |dropped: &mut DroppedOutline| Some(dropped.image) == shown && dropped.revision == state.document.revision();
        let Some(dropped) = self.dropped.take_if(is_newest) else { return false };
        self.outline = dropped.points;
        true
    }

    /// Whether an outline is being drawn.
    pub(crate) fn has_outline(&self) -> bool {
        !self.outline.is_empty()
    }

    /// The vertex of the selected object at a point of the window.
    pub(super) fn vertex_at(&self, at: Pos2, state: &State) -> Option<Vertex> {
        let (id, rings) = rings(state)?;
        let each = rings.iter().enumerate().flat_map(|(ring, values)| {
            polygon::points(values).into_iter().enumerate().map(move |(index, point)| (Vertex { id, ring, index }, point))
        });
        let distance = |point: Point| self.view.ui(point).distance(at);
        let near = each.map(|(vertex, point)| (vertex, distance(point))).filter(|(_, distance)| *distance <= REACH);
        near.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(vertex, _)| vertex)
    }

    /// The vertex that was taken last, as long as the selected object has it.
    pub(crate) fn taken_vertex(&self, state: &State) -> Option<Vertex> {
        let (id, rings) = rings(state)?;
        let has = |vertex: &Vertex| vertex.id == id && rings.get(vertex.ring).is_some_and(|ring| vertex.index < ring.len() / 2);
        self.vertex.filter(has)
    }

    /// What Alt-click does at a point of the window: takes the vertex there away, or puts one on the edge there.
    pub(super) fn vertex_command(&self, at: Pos2, state: &State) -> Option<Command> {
        if let Some(vertex) = self.vertex_at(at, state) {
            return Some(Command::RemoveVertex(vertex));
        }
        let (id, rings) = rings(state)?;
        let point = self.view.image(at);
        let reach = f64::from(REACH) / self.view.scale();
        let edges = rings.iter().enumerate().flat_map(|(ring, values)| {
            let points = polygon::points(values);
            let count = points.len();
            (0..count).map(move |index| (ring, index, polygon::distance_to_segment(point, points[index], points[(index + 1) % count])))
        });
        let (ring, index, _) = edges.filter(|edge| edge.2 <= reach).min_by(|a, b| a.2.total_cmp(&b.2))?;
        Some(Command::InsertVertex(Vertex { id, ring, index: index + 1 }, point))
    }

    /// Whether the rings of the polygons among these objects, which are in sight, are drawn as lines, because pixels are so large on
    /// the screen that a mask's outline would have steps.
    pub(super) fn has_lines<'a>(&self, objects: impl Iterator<Item = &'a Instance>) -> bool {
        let vertices = |instance: &Instance| match &instance.shape {
            Shape::Polygons(rings) => rings.iter().map(|ring| ring.len() / 2).sum(),
            _ => 0,
        };
        self.view.scale() >= LINES_FROM && objects.map(vertices).sum::<usize>() <= LINES
    }

    /// Rings as lines.
    pub(super) fn lines(&self, rings: &[Vec<f64>], stroke: Stroke) -> impl Iterator<Item = Drawn> {
        rings
            .iter()
            .map(move |ring| Drawn::closed_line(polygon::points(ring).into_iter().map(|point| self.view.ui(point)).collect(), stroke))
    }

    /// Draws the outline under way and the vertices of the selected object.
    pub(super) fn paint_outline(&self, painter: &Painter, state: &State) {
        if let Some((id, rings)) = rings(state) {
            let color = state.document.instance(id).map_or(Color32::WHITE, |instance| state.object_color(instance));
            self.paint_vertices(painter, rings, color);
        }
        if self.outline.is_empty() {
            return;
        }
        let color = state.next_color();
        let mut points: Vec<Pos2> = self.outline.iter().map(|&point| self.view.ui(point)).collect();
        let closes = points.len() > 2 && self.pointer.is_some_and(|at| at.distance(points[0]) <= REACH);
        let dots = points.clone();
        points.extend(self.pointer.map(|at| if closes { dots[0] } else { at }));
        if points.len() > 2 {
            painter.add(Drawn::closed_line(points.clone(), Stroke::new(1.0, color.gamma_multiply(0.4))));
        }
        painter.line(points, Stroke::new(1.8, color));
        for (index, &at) in dots.iter().enumerate() {
            let radius = if index == 0 && closes { 6.0 } else { 3.5 };
            painter.circle(at, radius, Color32::WHITE, Stroke::new(1.5, color));
        }
    }

    fn paint_vertices(&self, painter: &Painter, rings: &[Vec<f64>], color: Color32) {
        let area = painter.clip_rect();
        let seen = |at: &Pos2| area.contains(*at);
        let dots: Vec<Pos2> = rings.iter().flat_map(|ring| polygon::points(ring)).map(|point| self.view.ui(point)).filter(seen).collect();
        if dots.len() <= DOTS {
            for at in dots {
                let square = egui::Rect::from_center_size(at, vec2(5.0, 5.0));
                painter.rect(square, 1, Color32::WHITE, Stroke::new(1.0, color), egui::StrokeKind::Middle);
            }
        }
        let taken = self.vertex.and_then(|vertex| rings.get(vertex.ring)?.as_chunks::<2>().0.get(vertex.index));
        if let Some(&[x, y]) = taken {
            let square = egui::Rect::from_center_size(self.view.ui(Point::new(x, y)), vec2(8.0, 8.0));
            painter.rect(square, 1, color, Stroke::new(1.5, Color32::WHITE), egui::StrokeKind::Middle);
        }
        let Some(Gesture::Vertex { vertex, now, .. }) = &self.gesture else { return };
        let Some(points) = rings.get(vertex.ring).map(|ring| polygon::points(ring)).filter(|points| points.len() > 1) else { return };
        let count = points.len();
        let (before, after) = (points[(vertex.index + count - 1) % count], points[(vertex.index + 1) % count]);
        painter.line([before, *now, after].map(|point| self.view.ui(point)).to_vec(), Stroke::new(1.8, Color32::WHITE));
    }
}

/// The outlines whose vertices can be moved; none of an object under review, whose changes they would cover.
fn rings(state: &State) -> Option<(InstanceId, &[Vec<f64>])> {
    let reviewed = state.review.as_ref().and_then(|review| review.changes.first()).map(|change| change.id);
    let instance = state.only_selected().filter(|instance| state.tool == Tool::Select && state.is_visible(instance.id))?;
    if reviewed == Some(instance.id) {
        return None;
    }
    match &instance.shape {
        Shape::Polygons(rings) => Some((instance.id, rings)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use egui::pos2;

    use super::super::tests::empty_image;
    use super::*;
    use crate::app::state::{Change, Review};

    #[test]
    fn rings_are_lines_where_pixels_are_large() {
        let (mut state, mut canvas) = empty_image();
        state.add_polygon(&[Point::new(5.0, 5.0), Point::new(30.0, 5.0), Point::new(30.0, 25.0)]);
        canvas.view.zoom_to(LINES_FROM / 2.0);
        assert!(!canvas.has_lines(state.objects()));
        canvas.view.zoom_to(LINES_FROM);
        assert!(canvas.has_lines(state.objects()));
        let spiral = |step: usize| Point::new(20.0 + 15.0 * (step as f64).cos(), 15.0 + 12.0 * (step as f64).sin());
        state.add_polygon(&(0..LINES).map(spiral).collect::<Vec<_>>());
        assert!(!canvas.has_lines(state.objects()), "there are too many vertices");
    }

    #[test]
    fn an_object_under_review_shows_no_vertices() {
        let (mut state, canvas) = empty_image();
        state.add_polygon(&[Point::new(5.0, 5.0), Point::new(30.0, 5.0), Point::new(30.0, 25.0)]);
        assert!(canvas.vertex_at(pos2(30.0, 5.0), &state).is_some());
        let object = state.only_selected().unwrap();
        let (image, shape) = (object.image_id, Arc::new(object.shape.clone()));
        let change = Change { id: object.id, before: Arc::clone(&shape), after: shape };
        state.review = Some(Review { image, changes: vec![change], is_polish: false });
        assert!(rings(&state).is_none());
        assert!(canvas.vertex_at(pos2(30.0, 5.0), &state).is_none());
    }
}
