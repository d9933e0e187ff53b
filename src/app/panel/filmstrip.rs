//! The images in a strip at the bottom. Only what is seen is laid out, so that a folder of 100,000 images costs
//! nothing.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

use egui::{Align2, FontId, Role, ScrollArea, Sense, TextureHandle, TextureOptions, Ui, WidgetInfo, pos2, vec2};

use super::tail;
use crate::app::command::Command;
use crate::app::icon::{self, Icon};
use crate::app::picture::Pictures;
use crate::app::state::State;
use crate::app::theme;

const CELL: egui::Vec2 = vec2(104.0, 84.0);
const GAP: f32 = 6.0;
const KEPT: usize = 400;

/// The strip and its textures.
#[derive(Default)]
pub(crate) struct Filmstrip {
    textures: HashMap<PathBuf, TextureHandle>,
    /// The shown image that was brought into sight, and the width of the strip, in points, in which it was.
    shown: Option<(usize, u32)>,
    seen: Range<usize>,
}

impl Filmstrip {
    /// The indices of the images whose thumbnails are wanted.
    pub(crate) fn seen(&self) -> Range<usize> {
        self.seen.clone()
    }

    /// Shows the strip.
    pub(crate) fn ui(&mut self, ui: &mut Ui, state: &State, pictures: &Pictures, commands: &mut Vec<Command>) {
        let colors = theme::palette(state.settings.look);
        let count = state.document.image_count();
        let step = CELL.x + GAP;
        let cell = vec2(CELL.x, CELL.y.min(ui.available_height()));
        let mut area = ScrollArea::horizontal().id_salt("filmstrip").auto_shrink([false, false]);
        let shown = Some((state.image, ui.available_width().round() as u32));
        if self.shown != shown {
            self.shown = shown;
            area = area.horizontal_scroll_offset((state.image as f32 * step - (ui.available_width() - CELL.x) / 2.0).max(0.0));
        }
        area.show_viewport(ui, |ui, viewport| {
            let origin = ui.min_rect().min;
            ui.set_min_size(vec2(count as f32 * step, cell.y));
            let first = (viewport.left() / step).floor().max(0.0) as usize;
            let last = ((viewport.right() / step).ceil().max(0.0) as usize).min(count);
            self.seen = first.min(last)..last;
            for index in self.seen.clone() {
                let Some(image) = state.document.image(index) else { continue };
                let rect = egui::Rect::from_min_size(origin + vec2(index as f32 * step, 0.0), cell);
                let response = ui.interact(rect, ui.scope_id().with(("image", index)), Sense::click());
                let shown = index == state.image;
                response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, shown, format!("Image {}", image.file_name)));
                let painter = ui.painter();
                let fill = if response.hovered() { colors.hovered } else { colors.raised };
                painter.rect_filled(rect, 6.0, fill);
                let frame = egui::Rect::from_min_max(rect.min + vec2(3.0, 3.0), rect.max - vec2(3.0, 20.0));
                let path = state.document.image_path(image);
                if let Some(texture) = self.texture(ui.ctx(), &path, pictures) {
                    let size = texture.size_vec2();
                    let scale = (frame.width() / size.x).min(frame.height() / size.y);
                    let place = egui::Rect::from_center_size(frame.center(), size * scale);
                    painter.image(texture.id(), place, egui::Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)), egui::Color32::WHITE);
                }
                let objects = state.document.object_count(image.id);
                let note = if objects > 0 { objects.to_string() } else { String::new() };
                let note = painter.text(
                    rect.right_bottom() - vec2(6.0, 4.0),
                    Align2::RIGHT_BOTTOM,
                    note,
                    FontId::proportional(11.0),
                    colors.accent,
                );
                let name = tail(ui, &image.file_name, 11.0, colors.weak, note.left() - rect.left() - 10.0);
                ui.painter().galley(pos2(rect.left() + 6.0, rect.bottom() - 4.0 - name.size().y), name, colors.weak);
                if state.document.reviewed.contains(&image.id) {
                    let mark = egui::Rect::from_center_size(rect.right_top() + vec2(-12.0, 12.0), vec2(17.0, 17.0));
                    ui.painter().circle_filled(mark.center(), 9.0, colors.good);
                    icon::paint(ui.painter(), mark.shrink(3.0), Icon::Tick, colors.canvas);
                }
                if shown {
                    ui.painter().rect_stroke(rect, 6.0, egui::Stroke::new(2.0, colors.accent), egui::StrokeKind::Inside);
                }
                if response.on_hover_text(&image.file_name).clicked() {
                    commands.push(Command::GoTo(index));
                }
            }
        });
    }

    fn texture(&mut self, ctx: &egui::Context, path: &PathBuf, pictures: &Pictures) -> Option<&TextureHandle> {
        if !self.textures.contains_key(path) {
            if self.textures.len() >= KEPT {
                self.textures.clear();
            }
            let image = pictures.thumbnail(path)?;
            self.textures.insert(path.clone(), ctx.load_texture("thumbnail", image, TextureOptions::LINEAR));
        }
        self.textures.get(path)
    }
}
