//! What the pointer does on the canvas. A gesture lives from press to release and becomes one command.

use egui::{CursorIcon, Event, Modifiers, PointerButton, Pos2, Response, Ui};

use super::Canvas;
use super::stroke::Stroke;
use crate::annotation::{Instance, InstanceId, Shape};
use crate::app::command::{Command, Tool, Vertex};
use crate::app::state::State;
use crate::assist::Scribble;
use crate::geometry::{Point, Rect};

/// A pointer button is down.
#[derive(Debug)]
pub(super) enum Gesture {
    /// The image is moved.
    Pan,
    /// A box is drawn.
    Draw {
        /// The first corner.
        start: Point,
        /// The other corner.
        now: Point,
    },
    /// Objects are gathered.
    Band {
        /// The first corner.
        start: Point,
        /// The other corner.
        now: Point,
    },
    /// An object is moved, and with it those that are selected with it.
    Move {
        /// The object.
        id: InstanceId,
        /// The object that is selected alone where it was a click.
        clicked: InstanceId,
        /// Where it was taken.
        start: Point,
        /// Where it is.
        now: Point,
    },
    /// A box gets another size.
    Resize {
        /// The object.
        id: InstanceId,
        /// Its box before.
        from: Rect,
        /// The side or corner, each -1, 0 or 1.
        handle: (i8, i8),
        /// Where it was taken.
        start: Point,
        /// Where the pointer is.
        now: Point,
    },
    /// A vertex of an outline is moved.
    Vertex {
        /// The vertex.
        vertex: Vertex,
        /// Where it was taken.
        start: Point,
        /// Where it is.
        now: Point,
    },
    /// A mask is painted.
    Stroke(Box<Stroke>),
    /// A stroke says what belongs to an object.
    Scribble {
        /// The object; `None` where there is none.
        target: Option<InstanceId>,
        /// The stroke so far.
        scribble: Scribble,
    },
}

/// How near the pointer must come to a handle, in points.
const REACH: f32 = 7.0;
/// A drag that is shorter along both sides is a slip of a click, in points.
const LEAST_BOX: f64 = 4.0;
/// Half the width of a correcting stroke, in points.
pub(super) const SCRIBBLE_RADIUS: f32 = 4.0;
/// Smaller boxes around masks have no handles, which would leave no room for a click, in points.
const ROOM: f32 = 4.0 * REACH;

/// `rect` with the side or corner `handle` moved to `to`.
pub(super) fn resized(rect: Rect, handle: (i8, i8), to: Point) -> Rect {
    let along = |which: i8, low: f64, high: f64, to: f64| match which {
        -1 => (to, high),
        1 => (low, to),
        _ => (low, high),
    };
    let (left, right) = along(handle.0, rect.x, rect.right(), to.x);
    let (top, bottom) = along(handle.1, rect.y, rect.bottom(), to.y);
    Rect::from_corners(Point::new(left, top), Point::new(right, bottom))
}

/// The object with the smallest box, the first of several.
fn smallest<'a>(objects: impl Iterator<Item = &'a Instance>) -> Option<InstanceId> {
    objects.min_by(|a, b| a.bbox.area().total_cmp(&b.bbox.area())).map(|instance| instance.id)
}

impl Canvas {
    /// Takes this frame's pointer input.
    pub(super) fn interact(&mut self, ui: &Ui, response: &Response, state: &State, commands: &mut Vec<Command>) {
        self.wheel(ui, response, state, commands);
        let (events, modifiers, space) = ui.input(|input| (input.events.clone(), input.modifiers, input.key_down(egui::Key::Space)));
        for event in &events {
            match event {
                Event::PointerButton { pos, button, pressed: true, .. } if response.contains_pointer() && self.gesture.is_none() => {
                    self.gesture = match button {
                        PointerButton::Middle => Some(Gesture::Pan),
                        PointerButton::Primary if space => {
                            self.moved_by_space = true;
                            Some(Gesture::Pan)
                        }
                        PointerButton::Primary => self.begin(*pos, modifiers, state, commands),
                        PointerButton::Secondary if state.tool == Tool::Prompt => self.begin(*pos, Modifiers::ALT, state, commands),
                        _ => None,
                    };
                }
                event => self.follow(event, state, modifiers, commands),
            }
        }
        self.pointer = ui.input(|input| input.pointer.latest_pos()).filter(|_| response.contains_pointer() || self.gesture.is_some());
        let hovered = match (self.pointer, &self.gesture) {
            (Some(pointer), None) if state.tool == Tool::Select => self.hit(self.view.image(pointer), state),
            _ => None,
        };
        // Its row, which is laid out before the canvas, follows in the next frame.
        if std::mem::replace(&mut self.hovered, hovered) != hovered {
            ui.ctx().request_repaint();
        }
        if response.contains_pointer() {
            ui.ctx().set_cursor_icon(self.cursor(state, space));
        }
    }

    fn wheel(&mut self, ui: &Ui, response: &Response, state: &State, commands: &mut Vec<Command>) {
        if !response.contains_pointer() {
            return;
        }
        let (scroll, pinch, modifiers, pointer) =
            ui.input(|input| (input.smooth_scroll_delta(), input.zoom_delta(), input.modifiers, input.pointer.latest_pos()));
        let Some(pointer) = pointer else { return };
        if modifiers.alt {
            if scroll.y != 0.0 || scroll.x != 0.0 {
                let factor = f64::from((scroll.x + scroll.y) / 220.0).exp();
                commands.push(match state.tool {
                    Tool::Wand => Command::WandTolerance(state.wand_tolerance * factor),
                    _ => Command::BrushRadius(state.brush_radius_px * factor),
                });
            }
            return;
        }
        let factor = f64::from(pinch) * f64::from(scroll.y / 240.0).exp();
        if (factor - 1.0).abs() > 1e-6 {
            self.view.zoom(factor, pointer);
        }
        if scroll.x != 0.0 {
            self.view.pan(egui::vec2(scroll.x, 0.0));
        }
    }

    fn begin(&mut self, at: Pos2, modifiers: Modifiers, state: &State, commands: &mut Vec<Command>) -> Option<Gesture> {
        let size = state.shown()?.size;
        if state.review.is_some() {
            return None;
        }
        if state.tool != Tool::Select && (self.is_broken || !size.has_pixels()) {
            commands.push(Command::SayUndrawable);
            return None;
        }
        let (start, inside) = (self.view.image(at), self.view.image_inside(at));
        self.vertex = None;
        match state.tool {
            Tool::Box => Some(Gesture::Draw { start: inside, now: inside }),
            Tool::Polygon => {
                self.add_point(at, commands);
                None
            }
            Tool::Wand => {
                let target = state.only_selected().filter(|instance| state.is_visible(instance.id)).map(|instance| instance.id);
                commands.push(Command::Wand(target, inside, !modifiers.command));
                None
            }
            Tool::Brush | Tool::Eraser => self.begin_stroke(start, modifiers, state, commands),
            Tool::Prompt => self.begin_scribble(at, !modifiers.alt, state, commands),
            Tool::Select => {
                let adds = modifiers.shift || modifiers.command;
                if let Some((id, from, handle)) = self.handle_at(at, state).filter(|_| !adds) {
                    return Some(Gesture::Resize { id, from, handle, start: inside, now: inside });
                }
                if modifiers.alt {
                    commands.extend(self.vertex_command(at, state));
                    return None;
                }
                if let Some(vertex) = self.vertex_at(at, state) {
                    self.vertex = Some(vertex);
                    return Some(Gesture::Vertex { vertex, start: inside, now: inside });
                }
                let Some(hit) = self.hit(start, state) else { return Some(Gesture::Band { start: inside, now: inside }) };
                if adds {
                    commands.push(Command::ToggleSelected(hit));
                    return None;
                }
                let selected = self.selected_at(start, state);
                if selected.is_none() {
                    commands.push(Command::Select(vec![hit]));
                }
                let clicked = self.next_below(hit, start, state).unwrap_or(hit);
                Some(Gesture::Move { id: selected.unwrap_or(hit), clicked, start: inside, now: inside })
            }
        }
    }

    /// A stroke from `at` on, unless that lies outside of the image.
    fn begin_scribble(&self, at: Pos2, inside: bool, state: &State, commands: &mut Vec<Command>) -> Option<Gesture> {
        let (start, point) = (self.view.image(at), self.view.image_inside(at));
        let radius_px = (f64::from(SCRIBBLE_RADIUS) / self.view.scale()).max(0.71);
        if (start.x - point.x).hypot(start.y - point.y) > radius_px {
            return None;
        }
        let target = state.only_selected().map(|instance| instance.id).or_else(|| self.hit(point, state));
        if let Some(id) = target.filter(|&id| !state.is_selected(id)) {
            commands.push(Command::Select(vec![id]));
        }
        Some(Gesture::Scribble { target, scribble: Scribble { points: vec![point], radius_px, inside } })
    }

    fn begin_stroke(&self, at: Point, modifiers: Modifiers, state: &State, commands: &mut Vec<Command>) -> Option<Gesture> {
        let size = state.shown()?.size;
        let inside = (state.tool == Tool::Brush) != modifiers.command;
        let under = || self.hit(at, state).and_then(|id| state.document.instance(id)).filter(|_| !inside);
        let target: Option<&Instance> = state.only_selected().filter(|instance| state.is_visible(instance.id)).or_else(under);
        if target.is_none() && !inside {
            return None;
        }
        let outlined = target.filter(|instance| instance.shape != Shape::Box);
        let counts = match outlined.map(|instance| instance.shape.runs(instance.bbox, size)).transpose() {
            Ok(counts) => counts,
            Err(error) => {
                tracing::warn!(%error, "an outline cannot be painted");
                return None;
            }
        };
        if let Some(instance) = target.filter(|instance| !state.is_selected(instance.id)) {
            commands.push(Command::Select(vec![instance.id]));
        }
        let id = target.map(|instance| instance.id);
        let stroke = Stroke::begin(id, size, counts.as_deref(), at, state.brush_radius_px, inside);
        Some(Gesture::Stroke(Box::new(stroke)))
    }

    /// Lets a gesture go on with the pointer, or end with its button.
    fn follow(&mut self, event: &Event, state: &State, modifiers: Modifiers, commands: &mut Vec<Command>) {
        match event {
            Event::PointerMoved(pos) => self.advance(*pos),
            Event::PointerButton { pos, pressed: false, .. } => {
                self.advance(*pos);
                self.release(state, modifiers, commands);
            }
            _ => {}
        }
    }

    fn advance(&mut self, to: Pos2) {
        let (point, held) = (self.view.image(to), self.view.image_inside(to));
        match &mut self.gesture {
            Some(Gesture::Pan) => self.view.pan(self.pointer.map_or(egui::Vec2::ZERO, |from| to - from)),
            Some(
                Gesture::Draw { now, .. }
                | Gesture::Band { now, .. }
                | Gesture::Move { now, .. }
                | Gesture::Resize { now, .. }
                | Gesture::Vertex { now, .. },
            ) => {
                *now = held;
            }
            Some(Gesture::Stroke(stroke)) => stroke.extend(point),
            Some(Gesture::Scribble { scribble, .. })
                if scribble.points.last().is_none_or(|last| last.distance(held) > 0.5 * scribble.radius_px) =>
            {
                scribble.points.push(held);
            }
            Some(Gesture::Scribble { .. }) | None => {}
        }
        self.pointer = Some(to);
    }

    fn release(&mut self, state: &State, modifiers: Modifiers, commands: &mut Vec<Command>) {
        match self.gesture.take() {
            None | Some(Gesture::Pan) => {}
            Some(Gesture::Scribble { target, scribble }) => commands.push(Command::Scribble(target, scribble)),
            Some(Gesture::Draw { start, now }) => {
                // What is no box is told of as a click is.
                let end = if self.is_box(start, now) { now } else { start };
                commands.push(Command::AddBox(Rect::from_corners(start, end)));
            }
            Some(Gesture::Band { start, now }) => {
                let band = Rect::from_corners(start, now);
                let inside = |instance: &&Instance| state.is_visible(instance.id) && band.contains(instance.bbox.center());
                let mut ids: Vec<InstanceId> = if modifiers.shift { state.selection.clone() } else { Vec::new() };
                ids.extend(
                    state.objects().filter(inside).map(|instance| instance.id).filter(|id| !state.is_selected(*id) || !modifiers.shift),
                );
                commands.push(Command::Select(ids));
            }
            Some(Gesture::Move { id, clicked, start, now }) => {
                if self.is_drag(start, now) {
                    commands.push(Command::Move(id, Point::new(now.x - start.x, now.y - start.y)));
                } else if state.selection != [clicked] && state.document.instance(clicked).is_some() {
                    commands.push(Command::Select(vec![clicked]));
                }
            }
            Some(Gesture::Vertex { vertex, start, now }) => {
                if self.is_drag(start, now) {
                    commands.push(Command::MoveVertex(vertex, now));
                }
            }
            Some(Gesture::Resize { id, from, handle, start, now }) => {
                let rect = resized(from, handle, now);
                if rect != from && self.is_drag(start, now) {
                    commands.push(Command::Reshape(id, rect));
                }
            }
            Some(Gesture::Stroke(stroke)) => {
                let target = stroke.target;
                commands.extend(stroke.finish().map(|shape| Command::Paint(target, shape)));
            }
        }
    }

    /// Ends a gesture whose button was let go before the first key of this frame went down; what that asks for.
    pub(crate) fn release_before_keys(&mut self, ctx: &egui::Context, state: &State) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.gesture.is_none() {
            return commands;
        }
        let (events, modifiers) = ctx.input(|input| (input.events.clone(), input.modifiers));
        let is_key = |event: &Event| matches!(event, Event::Key { pressed: true, .. });
        let is_release = |event: &Event| matches!(event, Event::PointerButton { pressed: false, .. });
        let before: Vec<&Event> = events.iter().take_while(|event| !is_key(event)).collect();
        let Some(end) = before.iter().position(|event| is_release(event)).filter(|_| before.len() < events.len()) else {
            return commands;
        };
        for event in &before[..=end] {
            self.follow(event, state, modifiers, &mut commands);
        }
        commands
    }

    /// Ends the gesture though the button is still down; what that asks for. What is painted was meant where it is, all else
    /// only where the button would have been let go.
    pub(crate) fn finish_gesture(&mut self, state: &State) -> Vec<Command> {
        let mut commands = Vec::new();
        if !matches!(self.gesture, Some(Gesture::Stroke(_) | Gesture::Scribble { .. })) {
            self.gesture = None;
        }
        self.release(state, Modifiers::NONE, &mut commands);
        commands
    }

    /// Ends a gesture that would change something, without a command; whether there was one. Moving the image goes on.
    pub(crate) fn drop_gesture(&mut self) -> bool {
        self.gesture.take_if(|gesture| !matches!(gesture, Gesture::Pan)).is_some()
    }

    /// Whether the pointer went so far that more than a click was meant.
    pub(super) fn is_drag(&self, start: Point, now: Point) -> bool {
        start.distance(now) * self.view.scale() >= 3.0
    }

    /// Whether the pointer went so far that a box was meant.
    fn is_box(&self, start: Point, now: Point) -> bool {
        let far_px = (now.x - start.x).abs().max((now.y - start.y).abs());
        far_px * self.view.scale() >= LEAST_BOX
    }

    /// The selected object whose box has handles, and that box: its own, or the one that its mask is proposed in.
    pub(super) fn held(&self, state: &State) -> Option<(InstanceId, Rect)> {
        let instance = state.only_selected().filter(|instance| state.is_visible(instance.id))?;
        if instance.shape == Shape::Box {
            return Some((instance.id, instance.bbox));
        }
        // The vertices of polygons come first.
        if state.tool != Tool::Select || state.review.is_some() || matches!(instance.shape, Shape::Polygons(_)) {
            return None;
        }
        let asked = self.asked.filter(|(id, _)| *id == instance.id).map(|(_, rect)| rect);
        let rect = asked.or_else(|| state.held_box(instance))?;
        (self.view.ui_rect(rect).size().min_elem() >= ROOM).then_some((instance.id, rect))
    }

    /// The handle of the selected box at a point of the window.
    fn handle_at(&self, at: Pos2, state: &State) -> Option<(InstanceId, Rect, (i8, i8))> {
        let (id, held) = self.held(state)?;
        let rect = self.view.ui_rect(held);
        let side = |value: f32, low: f32, high: f32| match ((value - low).abs() <= REACH, (value - high).abs() <= REACH) {
            (true, _) => Some(-1),
            (_, true) => Some(1),
            _ => (value > low && value < high).then_some(0),
        };
        let handle = (side(at.x, rect.left(), rect.right())?, side(at.y, rect.top(), rect.bottom())?);
        (handle != (0, 0)).then_some((id, held, handle))
    }

    /// The smallest visible object at an image position.
    pub(super) fn hit(&self, at: Point, state: &State) -> Option<InstanceId> {
        smallest(state.objects().filter(|instance| self.covers(instance, at, state)))
    }

    /// The smallest selected object there, which a drag takes though others lie over it.
    fn selected_at(&self, at: Point, state: &State) -> Option<InstanceId> {
        smallest(state.selected().filter(|instance| self.covers(instance, at, state)))
    }

    /// The object below the one that is selected alone, among those there that have the place of `hit`, as copies do.
    fn next_below(&self, hit: InstanceId, at: Point, state: &State) -> Option<InstanceId> {
        let (place, selected) = (state.document.instance(hit)?.bbox, state.only_selected()?.id);
        let copies = state.objects().filter(|instance| instance.bbox == place && self.covers(instance, at, state));
        copies.map(|instance| instance.id).skip_while(|&id| id != selected).nth(1)
    }

    /// Whether an object is visible at an image position.
    fn covers(&self, instance: &Instance, at: Point, state: &State) -> bool {
        instance.bbox.expanded(1.0).contains(at)
            && state.is_visible(instance.id)
            && (instance.shape == Shape::Box || self.objects.known(instance.id).iter().any(|crop| crop.contains(at)))
    }

    fn cursor(&self, state: &State, space: bool) -> CursorIcon {
        match (&self.gesture, state.tool) {
            (Some(Gesture::Pan), _) => CursorIcon::Grabbing,
            (None, _) if space => CursorIcon::Grab,
            (_, Tool::Box | Tool::Prompt | Tool::Polygon | Tool::Wand) => CursorIcon::Crosshair,
            (_, Tool::Brush | Tool::Eraser) => CursorIcon::None,
            (Some(Gesture::Move { .. }), _) => CursorIcon::Move,
            (_, Tool::Select) if self.pointer.is_some_and(|at| self.vertex_at(at, state).is_some()) => CursorIcon::PointingHand,
            (_, Tool::Select) => match self.pointer.and_then(|at| self.handle_at(at, state)).map(|(_, _, handle)| handle) {
                Some((0, _)) => CursorIcon::ResizeVertical,
                Some((_, 0)) => CursorIcon::ResizeHorizontal,
                Some((x, y)) if x == y => CursorIcon::ResizeNwSe,
                Some(_) => CursorIcon::ResizeNeSw,
                None if self.hovered.is_some() => CursorIcon::PointingHand,
                None => CursorIcon::Default,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_can_be_drawn_past_the_other() {
        let rect = Rect::new(10.0, 10.0, 20.0, 20.0);
        assert_eq!(resized(rect, (1, 0), Point::new(4.0, 99.0)), Rect::new(4.0, 10.0, 6.0, 20.0));
        assert_eq!(resized(rect, (-1, -1), Point::new(0.0, 5.0)), Rect::new(0.0, 5.0, 30.0, 25.0));
    }
}
