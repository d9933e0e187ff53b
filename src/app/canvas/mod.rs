//! The middle of the window: the image with its masks and boxes, and the pointer's work on them.

mod crop;
mod gesture;
mod image;
mod object;
mod outline;
mod overlay;
mod paint;
mod scribble;
mod stroke;
mod view;

use std::collections::HashMap;
use std::sync::Arc;

use eframe::{egui_wgpu, wgpu};
use egui::{Align2, FontId, Pos2, Response, Role, Sense, Ui, WidgetInfo};

pub(super) use self::view::View;

use self::crop::Crop;
use self::gesture::Gesture;
use self::image::ImageTextures;
use self::object::Objects;
use self::outline::DroppedOutline;
use self::scribble::Force;
use super::assistant::Assistant;
use super::command::{Command, Vertex};
use super::panel::{object_menu, start};
use super::picture::Loaded;
use super::state::State;
use super::theme;
use crate::annotation::{ImageId, InstanceId};
use crate::geometry::{Point, Size};

/// The canvas: the view, the gesture under way, and what was made for the screen.
pub(super) struct Canvas {
    /// Where the image lies.
    pub view: View,
    gesture: Option<Gesture>,
    /// The vertex that was taken last.
    vertex: Option<Vertex>,
    outline: Vec<Point>,
    /// Outlines that were not finished, by their images.
    put_aside: HashMap<ImageId, Vec<Point>>,
    /// The outline that was dropped last.
    dropped: Option<DroppedOutline>,
    pointer: Option<Pos2>,
    hovered: Option<InstanceId>,
    /// The object whose row in the list is under the pointer.
    row: Option<InstanceId>,
    /// The object that gets a new mask, and the box that it is looked for in.
    asked: Option<(InstanceId, crate::geometry::Rect)>,
    moved_by_space: bool,
    /// Whether the shown image cannot be read, so that nothing is drawn on it.
    is_broken: bool,
    textures: ImageTextures,
    objects: Objects,
    compared: HashMap<(InstanceId, usize), [Arc<[Crop]>; 3]>,
    force: Option<Force>,
    format: wgpu::TextureFormat,
}

impl Canvas {
    /// Lets go of the vertex that was taken last.
    pub(super) const fn drop_vertex(&mut self) {
        self.vertex = None;
    }

    /// A canvas for a target of `format`.
    pub(super) fn new(format: wgpu::TextureFormat) -> Self {
        Self {
            view: View::default(),
            gesture: None,
            vertex: None,
            outline: Vec::new(),
            put_aside: HashMap::new(),
            dropped: None,
            pointer: None,
            hovered: None,
            row: None,
            asked: None,
            moved_by_space: false,
            is_broken: false,
            textures: ImageTextures::default(),
            objects: Objects::default(),
            compared: HashMap::new(),
            force: None,
            format,
        }
    }

    /// The image position under the pointer.
    pub(super) fn pointer(&self) -> Option<Point> {
        self.pointer.map(|pointer| self.view.image(pointer))
    }

    /// The object under the pointer.
    pub(super) const fn hovered(&self) -> Option<InstanceId> {
        self.hovered
    }

    /// Lights an object, whose row in the list is under the pointer.
    pub(super) const fn light(&mut self, object: Option<InstanceId>) {
        self.row = object;
    }

    /// The object that is lit because it, or its row, is under the pointer.
    pub(super) fn lit(&self) -> Option<InstanceId> {
        self.hovered.or(self.row)
    }

    /// Whether a pointer button is down on the canvas.
    pub(super) const fn is_busy(&self) -> bool {
        self.gesture.is_some()
    }

    /// Whether a gesture or an outline of several points is under way.
    pub(super) fn is_drawing(&self) -> bool {
        self.is_busy() || self.has_outline()
    }

    /// Forgets what was drawn and made for the screen: another document is shown.
    pub(super) fn forget(&mut self) {
        self.abort();
        self.put_aside.clear();
        self.dropped = None;
        self.objects = Objects::default();
        self.compared.clear();
        self.force = None;
    }

    /// Whether Space, which was released, moved the image; the next time it has not yet.
    pub(super) fn take_moved_by_space(&mut self) -> bool {
        std::mem::take(&mut self.moved_by_space)
    }

    /// Ends the gesture without a command; whether there was one.
    pub(super) fn abort(&mut self) -> bool {
        let had_outline = !std::mem::take(&mut self.outline).is_empty();
        self.gesture.take().is_some() || had_outline
    }

    /// Ends an outline and a gesture that would change something, without a command; whether there was either. Moving the image
    /// goes on.
    pub(super) fn drop_drawing(&mut self) -> bool {
        let had_outline = !std::mem::take(&mut self.outline).is_empty();
        self.drop_gesture() || had_outline
    }

    /// Ends the gesture on an image; an outline of several points waits there for [`Self::resume`].
    pub(super) fn put_aside(&mut self, image: Option<ImageId>) {
        if let Some(image) = image.filter(|_| !self.outline.is_empty()) {
            self.put_aside.insert(image, std::mem::take(&mut self.outline));
        }
        self.abort();
    }

    /// Goes on with the outline that waits on an image.
    pub(super) fn resume(&mut self, image: Option<ImageId>) {
        if let Some(outline) = image.and_then(|image| self.put_aside.remove(&image)) {
            self.outline = outline;
        }
    }

    /// Shows the canvas in the room that is left.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &State, picture: &Loaded, assistant: &Assistant, commands: &mut Vec<Command>) {
        let colors = theme::palette(state.settings.look);
        let area = ui.available_rect_before_wrap();
        let painter = ui.painter_at(area);
        painter.rect_filled(area, 0.0, colors.canvas);
        let Some(image) = state.shown() else {
            start::ui(ui, area, state, commands);
            return;
        };
        let response = ui.allocate_rect(area, Sense::click_and_drag());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Canvas"));
        hold_focus(ui, &response);
        self.asked = assistant.asked_box();
        self.view.follow_review(state.review.is_some());
        self.view.layout(area, known_size(image.size, picture));
        self.vertex = self.taken_vertex(state);
        self.is_broken = matches!(picture, Loaded::Broken(_));
        let is_over_button = self.is_broken && ui.rect_contains_pointer(folder_button(area));
        if !is_over_button || self.is_busy() {
            self.interact(ui, &response, state, commands);
        }
        object_menu::ui(&response, self.hovered.filter(|_| state.review.is_none()), state, commands);
        let mut turned = None;
        match picture {
            Loaded::Ready(picture) => {
                self.textures.paint(&painter, &self.view, picture, state.settings.light);
                turned = picture.turn;
            }
            Loaded::Waiting => {
                let place =
                    self.view.ui_rect(crate::geometry::Rect::new(0.0, 0.0, f64::from(image.size.width), f64::from(image.size.height)));
                painter.rect_filled(place, 2.0, colors.panel);
                painter.text(area.center(), Align2::CENTER_CENTER, "Loading…", FontId::proportional(14.0), colors.weak);
            }
            Loaded::Broken(_) => {}
        }
        let (masks, lines) = self.masks(state, assistant, ui.pixels_per_point());
        if !masks.layers.is_empty() {
            painter.add(egui_wgpu::Callback::new_paint_callback(area, masks));
        }
        painter.extend(lines);
        if self.objects.is_late() {
            ui.ctx().request_repaint();
        }
        self.paint_marks(&painter, state, assistant, colors);
        if let Loaded::Broken(reason) = picture {
            broken_ui(ui, area, &image.file_name, reason, colors, commands);
        }
        self.paint_pointer(&painter, state);
        if let Some(turn) = turned {
            turned_ui(ui, area, turn, colors);
        }
    }
}

/// The size that the record of an image tells, or else its file.
fn known_size(told: Size, picture: &Loaded) -> Size {
    match picture {
        Loaded::Ready(picture) if told.pixels() == 0 => Size::new(picture.pixels.width(), picture.pixels.height()),
        _ => told,
    }
}

/// Gives the canvas the keyboard where nothing else has it, so that Tab and Enter are its own.
fn hold_focus(ui: &Ui, response: &Response) {
    let (free, is_reached) = ui.memory(|memory| (memory.focused().is_none(), memory.is_above_modal_layer(ui.layer_id())));
    if !is_reached {
        return;
    }
    if free || (response.contains_pointer() && ui.input(|input| input.pointer.any_pressed())) {
        response.request_focus();
    }
    let filter = egui::EventFilter { tab: true, horizontal_arrows: true, vertical_arrows: true, escape: true };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
}

/// Says that other viewers turn the image, which lies here as its masks do.
fn turned_ui(ui: &mut Ui, area: egui::Rect, turn: &str, colors: &theme::Palette) {
    let place = egui::Rect::from_min_size(area.left_top() + egui::vec2(12.0, 8.0), egui::vec2(area.width() - 24.0, 22.0));
    let text = format!("Shown as stored; by its EXIF entry it is {turn} in other viewers");
    let text = egui::RichText::new(text).size(12.5).color(colors.warn).background_color(colors.panel);
    let label = egui::Label::new(text).selectable(false);
    ui.put(place, label).on_hover_text("Masks and boxes in COCO files lie on the pixels as they are stored");
}

/// Where it is said that an image is not seen.
fn broken_card(area: egui::Rect) -> egui::Rect {
    egui::Rect::from_center_size(area.center(), egui::vec2(460.0_f32.min(area.width() - 40.0), 176.0))
}

/// Where the button on [`broken_card`] is.
fn folder_button(area: egui::Rect) -> egui::Rect {
    egui::Rect::from_center_size(broken_card(area).center_bottom() - egui::vec2(0.0, 28.0), egui::vec2(190.0, 28.0))
}

/// Says over the objects why an image is not seen, and offers to say where the images are.
fn broken_ui(ui: &mut Ui, area: egui::Rect, name: &str, reason: &str, colors: &theme::Palette, commands: &mut Vec<Command>) {
    let painter = ui.painter_at(area);
    let card = broken_card(area);
    painter.rect(card, 10.0, colors.panel, egui::Stroke::new(1.0, colors.bad.gamma_multiply(0.6)), egui::StrokeKind::Inside);
    painter.text(
        card.center_top() + egui::vec2(0.0, 22.0),
        Align2::CENTER_TOP,
        "This image cannot be read",
        FontId::proportional(17.0),
        colors.text,
    );
    let text = format!("{name}\n{reason}");
    let galley = painter.layout(text, FontId::proportional(13.0), colors.weak, card.width() - 40.0);
    painter.galley(card.center_top() + egui::vec2(-galley.size().x / 2.0, 54.0), galley, colors.weak);
    if ui.put(folder_button(area), egui::Button::new("Choose image folder…")).clicked() {
        commands.push(Command::ChooseImageFolder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{Dataset, Image};
    use crate::app::document::{Document, Source};
    use crate::app::settings::Settings;
    use crate::store::Contents;

    /// An image without an object, and the canvas for it, where a pixel is a point.
    pub(super) fn empty_image() -> (State, Canvas) {
        let image = Image { id: ImageId(1), file_name: "a.png".to_owned(), size: Size::new(40, 30), source: None };
        let dataset = Dataset { images: vec![image], ..Dataset::default() };
        let mut state = State::new(Settings::default());
        state.document = Document::new(Contents { dataset, ..Contents::default() }, Source::Folder("data".into()), false);
        (state, Canvas::new(wgpu::TextureFormat::Rgba8Unorm))
    }
}
