//! Tools and work by hand that needs more than the data set: the wand, sizes of tools, hiding, what is drawn as one leaves.

use super::App;
use super::command::{Command, Tool};
use super::picture::Loaded;
use super::state::Tone;
use super::visibility::Visibility;
use crate::annotation::{InstanceId, Shape};
use crate::geometry::{Point, Size};
use crate::mask::{rle, wand};

/// A hide key that is held longer than this was only to peek.
const PEEK_SECS: f64 = 0.35;

/// The widest brush where no image says how wide it may be, in image pixels.
const WIDEST_PX: f64 = 8000.0;

/// The largest region that the wand takes, in pixels.
const MOST_WAND: u64 = 16 << 20;

/// What was hidden before the hide key went down, and when that was.
#[derive(Clone, Debug)]
pub(super) struct Peek {
    since: f64,
    before: Visibility,
}

impl App {
    /// Carries out what the pointer is painting though its button is still down: it belongs to the image and the tool that it
    /// was begun with. Half a box or half a move is none.
    pub(super) fn finish_gesture(&mut self) {
        for command in self.canvas.finish_gesture(&self.state) {
            self.perform_by_hand(command);
        }
    }

    pub(super) fn use_tool(&mut self, tool: Tool) {
        self.finish_gesture();
        let (image, had_outline) = (self.state.shown().map(|image| image.id), self.canvas.has_outline());
        self.canvas.put_aside(image);
        self.state.tool = tool;
        if tool != Tool::Select {
            self.state.last_tool = tool;
        }
        self.state.message = None;
        if tool == Tool::Polygon {
            self.canvas.resume(image);
        } else if had_outline {
            self.state.say(Tone::Plain, "The outline waits; the polygon tool (P) goes on with it");
        }
    }

    /// Says why nothing can be drawn on the shown image.
    pub(super) fn say_undrawable(&mut self) {
        if self.state.shown().is_some_and(|image| image.size.has_pixels()) {
            self.state.say(Tone::Warning, "The image cannot be read, so nothing can be drawn on it");
        } else {
            self.state.say_unsized();
        }
    }

    /// Ends what is being drawn on an image that turns out to be unreadable, and says why.
    pub(super) fn end_undrawable(&mut self) {
        let is_drawing = self.state.tool != Tool::Select && self.canvas.is_drawing();
        let Some(image) = self.state.shown().filter(|_| is_drawing) else { return };
        let picture = self.pictures.get(&self.state.document.image_file(image));
        if matches!(picture, Loaded::Broken(_)) && self.canvas.drop_drawing() {
            self.say_undrawable();
        }
    }

    /// Carries out a command for objects that a hand draws or changes.
    pub(super) fn perform_by_hand(&mut self, command: Command) {
        match command {
            Command::Reshape(id, rect) => self.reshape(id, rect),
            Command::Move(id, by) => self.state.move_object(id, by),
            Command::Paint(target, shape) => self.state.paint(target, shape),
            Command::Scribble(target, scribble) => self.scribble(target, scribble),
            Command::AddPolygon(points) => self.state.add_polygon(&points),
            Command::MoveVertex(vertex, to) => self.state.move_vertex(vertex, to),
            Command::RemoveVertex(vertex) => self.state.remove_vertex(vertex),
            Command::InsertVertex(vertex, at) => self.state.insert_vertex(vertex, at),
            Command::FillHoles => self.state.fill_holes(),
            Command::Wand(target, at, adds) => self.wand(target, at, adds),
            _ => {}
        }
    }

    /// Gives the brush a size; wider than the longer side of the image it is only in the way.
    pub(super) fn brush_radius(&mut self, radius_px: f64) {
        let size = self.state.shown().map(|image| image.size).filter(|size| size.has_pixels());
        let widest_px = size.map_or(WIDEST_PX, |size| f64::from(size.width.max(size.height)));
        self.state.brush_radius_px = radius_px.clamp(0.5, (0.5 * widest_px).max(0.5));
    }

    pub(super) fn wand_tolerance(&mut self, tolerance: f64) {
        self.state.wand_tolerance = tolerance.clamp(1.0, 255.0);
    }

    /// Makes the brush, or what the wand takes, larger or smaller.
    pub(super) fn resize_tool(&mut self, is_larger: bool) {
        let factor = if is_larger { 1.25 } else { 1.0 / 1.25 };
        match self.state.tool {
            Tool::Wand => self.wand_tolerance(self.state.wand_tolerance * factor),
            _ => self.brush_radius(self.state.brush_radius_px * factor),
        }
    }

    /// Takes the region of like colour at an image position into an object or out of it.
    fn wand(&mut self, target: Option<InstanceId>, at: Point, adds: bool) {
        let Some(pixels) = self.pixels() else { return };
        let size = Size::new(pixels.width(), pixels.height());
        let seed = ((at.x as u32).min(size.width.saturating_sub(1)), (at.y as u32).min(size.height.saturating_sub(1)));
        let tolerance = self.state.wand_tolerance.round() as u8;
        let Some(region) = wand::like_region(pixels.as_raw(), size, seed, tolerance, MOST_WAND) else {
            return self.state.say(Tone::Warning, "The region is too large for the wand; [ makes it choosier");
        };
        let present = target.and_then(|id| self.state.document.instance(id)).filter(|instance| instance.shape != Shape::Box);
        let counts = present.and_then(|instance| Some(instance.shape.runs(instance.bbox, size).ok()?.into_owned()));
        if counts.is_none() && !adds {
            return self.state.say(Tone::Plain, "Select the object first that the region is taken out of");
        }
        // Only the part of the image that either covers.
        let bounds = counts.as_ref().and_then(|counts| rle::bounds(size, counts)).unwrap_or_default();
        let window = bounds.union(region.bounds().unwrap_or_default());
        let (mut mask, region) = (rle::decode_window(size, counts.as_deref().unwrap_or_default(), window), region.cropped(window));
        for y in 0..window.height {
            for x in (0..window.width).filter(|&x| region.get(x, y)) {
                mask.set(x, y, adds);
            }
        }
        let counts = rle::encode_placed(&mask, window.x, window.y, size);
        self.state.set_by_hand(target, Shape::from_runs(size, counts));
    }

    /// Hides what is selected, or all, or shows it again.
    fn toggle_hidden(&mut self, ctx: &egui::Context) {
        let since = ctx.input(|input| input.time);
        self.peek = Some(Peek { since, before: self.state.visibility.clone() });
        let ids: Vec<InstanceId> = self.state.selected().map(|instance| instance.id).collect();
        if ids.is_empty() {
            return self.state.visibility.toggle_all();
        }
        let hides = ids.iter().any(|&id| self.state.is_visible(id));
        for id in ids {
            self.set_hidden(id, hides);
        }
    }

    /// What hides objects or shows them.
    pub(super) fn perform_on_hidden(&mut self, command: &Command, ctx: &egui::Context) {
        match *command {
            Command::ToggleHidden => self.toggle_hidden(ctx),
            Command::SetHidden(id, hides) => self.set_hidden(id, hides),
            Command::HideOthers => self.hide_others(),
            Command::ShowAll => self.state.visibility = Visibility::default(),
            _ => {}
        }
    }

    /// Hides every object of the image but the selected ones.
    fn hide_others(&mut self) {
        let all: Vec<InstanceId> = self.state.objects().map(|instance| instance.id).collect();
        for id in all {
            self.set_hidden(id, !self.state.is_selected(id));
        }
    }

    /// Hides one object or shows it.
    fn set_hidden(&mut self, id: InstanceId, hides: bool) {
        if hides {
            self.state.visibility.hide(id);
        } else {
            self.state.visibility.show(id);
        }
    }

    /// The hide key was let go: after a while that was a peek, and all is as it was.
    pub(super) fn end_peek(&mut self, ctx: &egui::Context) {
        let now = ctx.input(|input| input.time);
        if let Some(peek) = self.peek.take().filter(|peek| now - peek.since >= PEEK_SECS) {
            self.state.visibility = peek.before;
        }
    }
}
