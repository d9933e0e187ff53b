//! The images in a strip at the bottom. Only what is seen is laid out, so that a folder of 100,000 images costs
//! nothing.

use std::collections::HashMap;

use egui::style::ScrollStyle;
use egui::{Align2, FontId, Rect, Response, RichText, Role, ScrollArea, Sense, TextureHandle, TextureOptions, Ui, WidgetInfo, pos2, vec2};

use super::tail;
use crate::app::command::Command;
use crate::app::document::ImageFile;
use crate::app::icon::{self, Icon};
use crate::app::picture::Pictures;
use crate::app::state::State;
use crate::app::theme::{self, Palette};

const CELL: egui::Vec2 = vec2(104.0, 84.0);
const GAP: f32 = 6.0;
/// Height of the scroll bar, which has room of its own under the images, in points.
const BAR: f32 = 6.0;
const KEPT: usize = 400;
/// Height of the line above the strip that tells which images are listed, in points.
pub(crate) const NOTE: f32 = 26.0;

/// The strip and its textures.
#[derive(Default)]
pub(crate) struct Filmstrip {
    textures: HashMap<ImageFile, TextureHandle>,
    /// The place that was brought into sight, of how many, and the width of the strip, in points, in which it was.
    shown: Option<(usize, usize, u32)>,
    /// Whether it is in sight: a strip goes no further in a frame than it could in the one before.
    is_settled: bool,
    seen: Vec<usize>,
}

impl Filmstrip {
    /// The indices of the images whose thumbnails are wanted.
    pub(crate) fn seen(&self) -> &[usize] {
        &self.seen
    }

    /// Shows the strip.
    pub(crate) fn ui(&mut self, ui: &mut Ui, state: &State, pictures: &Pictures, commands: &mut Vec<Command>) {
        let colors = theme::palette(state.settings.look);
        if let Some(text) = state.listed_text() {
            listed_ui(ui, &text, colors, commands);
        }
        let (count, place) = (state.listed_count(), state.listed_place(state.image));
        let (step, width) = (CELL.x + GAP, ui.available_width());
        let cell = vec2(CELL.x, CELL.y.min(ui.available_height() - BAR));
        ui.spacing_mut().scroll = ScrollStyle { bar_width: BAR, floating_allocated_width: BAR, ..ScrollStyle::thin() };
        let mut area = ScrollArea::horizontal().id_salt("filmstrip").auto_shrink([false, false]);
        let shown = Some((place, count, width.round() as u32));
        let is_new = self.shown != shown;
        if is_new || !self.is_settled {
            let most = (count as f32 * step - width).max(0.0);
            area = area.horizontal_scroll_offset((place as f32 * step - (width - CELL.x) / 2.0).clamp(0.0, most));
            self.shown = shown;
            self.is_settled = !is_new;
            if is_new {
                ui.ctx().request_repaint();
            }
        }
        area.show_viewport(ui, |ui, viewport| {
            let origin = ui.min_rect().min;
            ui.set_min_size(vec2(count as f32 * step, cell.y));
            let first = (viewport.left() / step).floor().max(0.0) as usize;
            let last = ((viewport.right() / step).ceil().max(0.0) as usize).min(count);
            self.seen.clear();
            for place in first.min(last)..last {
                let Some(index) = state.listed_image(place) else { continue };
                self.seen.push(index);
                let rect = Rect::from_min_size(origin + vec2(place as f32 * step, 0.0), cell);
                if self.cell_ui(ui, state, pictures, index, rect).is_some_and(|response| response.clicked()) {
                    commands.push(Command::GoTo(index));
                }
            }
        });
    }

    /// Shows an image of the strip.
    fn cell_ui(&mut self, ui: &Ui, state: &State, pictures: &Pictures, index: usize, rect: Rect) -> Option<Response> {
        let colors = theme::palette(state.settings.look);
        let image = state.document.image(index)?;
        let response = ui.interact(rect, ui.scope_id().with(("image", index)), Sense::click());
        let shown = index == state.image;
        response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, shown, format!("Image {}", image.file_name)));
        let painter = ui.painter();
        let fill = if response.hovered() { colors.hovered } else { colors.raised };
        painter.rect_filled(rect, 6.0, fill);
        let frame = Rect::from_min_max(rect.min + vec2(3.0, 3.0), rect.max - vec2(3.0, 20.0));
        let file = state.document.image_file(image);
        if let Some(texture) = self.texture(ui.ctx(), &file, pictures) {
            let size = texture.size_vec2();
            let scale = (frame.width() / size.x).min(frame.height() / size.y);
            let place = Rect::from_center_size(frame.center(), size * scale);
            painter.image(texture.id(), place, Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)), egui::Color32::WHITE);
        }
        let objects = state.document.object_count(image.id);
        let note = if objects > 0 { objects.to_string() } else { String::new() };
        let corner = rect.right_bottom() - vec2(6.0, 4.0);
        let note = painter.text(corner, Align2::RIGHT_BOTTOM, note, FontId::proportional(11.0), colors.accent);
        let name = tail(ui, &image.file_name, 11.0, colors.weak, note.left() - rect.left() - 10.0);
        painter.galley(pos2(rect.left() + 6.0, rect.bottom() - 4.0 - name.size().y), name, colors.weak);
        if state.document.reviewed.contains(&image.id) {
            let mark = Rect::from_center_size(rect.right_top() + vec2(-12.0, 12.0), vec2(17.0, 17.0));
            painter.circle_filled(mark.center(), 9.0, colors.good);
            icon::paint(painter, mark.shrink(3.0), Icon::Tick, colors.canvas);
        }
        if shown {
            painter.rect_stroke(rect, 6.0, egui::Stroke::new(2.0, colors.accent), egui::StrokeKind::Inside);
        }
        Some(response.on_hover_text(&image.file_name))
    }

    fn texture(&mut self, ctx: &egui::Context, file: &ImageFile, pictures: &Pictures) -> Option<&TextureHandle> {
        if !self.textures.contains_key(file) {
            if self.textures.len() >= KEPT {
                self.textures.clear();
            }
            let image = pictures.thumbnail(file)?;
            self.textures.insert(file.clone(), ctx.load_texture("thumbnail", image, TextureOptions::LINEAR));
        }
        self.textures.get(file)
    }
}

/// Tells which images are listed, and offers all.
fn listed_ui(ui: &mut Ui, text: &str, colors: &Palette, commands: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        ui.label(RichText::new(text).size(12.5).color(colors.accent));
        if ui.small_button("Show all images").clicked() {
            commands.push(Command::ListAll);
        }
    });
}
