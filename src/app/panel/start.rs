//! The page that is shown where nothing is open, and the data sets that were opened last.

use std::path::{Path, PathBuf};

use egui::{Button, Label, Rect, RichText, ScrollArea, Ui, UiBuilder, pos2, vec2};

use super::dialog::Search;
use super::{line, row, tail};
use crate::app::command::Command;
use crate::app::document::Source;
use crate::app::fuzzy;
use crate::app::state::State;
use crate::app::theme::{self, Palette};
use crate::disk;

/// The room that the page takes without the list, in points.
const SIZE: egui::Vec2 = vec2(400.0, 250.0);
const ROW: f32 = 26.0;
/// What stands over the list, in points.
const HEAD: f32 = 44.0;

/// Shows the page in `area`, or says there that the data set has no image.
pub(crate) fn ui(ui: &mut Ui, area: Rect, state: &State, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    if state.document.source != Source::Nothing {
        ui.put(area, Label::new(RichText::new("There are no images in this data set").color(colors.weak)));
        return;
    }
    let list = if state.recent.is_empty() { 0.0 } else { HEAD + ROW * state.recent.len() as f32 };
    let height = (SIZE.y + list).min(area.height() - 8.0);
    let card = Rect::from_center_size(area.center(), vec2(SIZE.x.min(area.width()), height.max(SIZE.y)));
    ui.scope_builder(UiBuilder::new().max_rect(card), |ui| {
        ui.vertical_centered(|ui| {
            ui.label(RichText::new("Annotate images").size(26.0));
            ui.add_space(2.0);
            ui.label(RichText::new("Draw a box, and a diffusion model proposes the mask.").color(colors.weak));
            ui.add_space(22.0);
            for (command, text) in [(Command::OpenFolder, "Open a folder of images"), (Command::OpenFile, "Open a COCO file")] {
                let button = Button::new(RichText::new(text).size(15.0)).min_size(vec2(250.0, 38.0));
                let button = if command == Command::OpenFolder { button.fill(colors.accent.gamma_multiply(0.45)) } else { button };
                if ui.add(button).clicked() {
                    commands.push(command);
                }
                ui.add_space(4.0);
            }
            ui.add_space(14.0);
            ui.label(RichText::new("or drop one here   ·   F1 shows all keys").color(colors.weak));
            if !state.recent.is_empty() {
                ui.add_space(18.0);
                ui.label(RichText::new("Opened last").size(13.0).strong());
                rows_ui(ui, &state.recent, colors, commands);
            }
        });
    });
}

/// A row for each path, which opens it.
fn rows_ui(ui: &mut Ui, paths: &[PathBuf], colors: &Palette, commands: &mut Vec<Command>) {
    ui.spacing_mut().item_spacing.y = 0.0;
    ScrollArea::vertical().id_salt("recent").show(ui, |ui| {
        for path in paths {
            let (rect, response) = row(ui, ROW, &described(path), false, colors);
            let (name, left, right) = (disk::name(path), rect.left() + 10.0, rect.right() - 10.0);
            let name = line(ui, &name, 13.5, colors.text, (right - left) * 0.6);
            let folder = tail(ui, &folder_of(path), 12.5, colors.weak, right - left - name.size().x - 14.0);
            let at = |x: f32, height: f32| pos2(x, rect.center().y - height / 2.0);
            let (start, end) = (at(left, name.size().y), at(right - folder.size().x, folder.size().y));
            ui.painter().galley(start, name, colors.text);
            ui.painter().galley(end, folder, colors.weak);
            if response.on_hover_text(path.display().to_string()).clicked() {
                commands.push(Command::Open(path.clone()));
            }
        }
    });
}

/// Finds one of the data sets that were opened last; whether the dialog closes.
pub(super) fn search_ui(ui: &mut Ui, search: &mut Search, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    let paths: Vec<&PathBuf> = state.others_opened().collect();
    let names: Vec<String> = paths.iter().map(|path| described(path)).collect();
    let found = fuzzy::ranked(search.query(), names.iter().map(String::as_str));
    let rows: Vec<(String, String)> = found.iter().filter_map(|&index| Some((names.get(index)?.clone(), String::new()))).collect();
    let chosen = search.ui(ui, "Find a data set that was opened lately", &rows, colors);
    let path = chosen.and_then(|row| paths.get(*found.get(row)?));
    commands.extend(path.map(|&path| Command::Open(path.clone())));
    path.is_some()
}

fn folder_of(path: &Path) -> String {
    path.parent().map(|folder| folder.display().to_string()).unwrap_or_default()
}

/// Name and folder of a data set in one line.
fn described(path: &Path) -> String {
    format!("{}  ·  {}", disk::name(path), folder_of(path))
}
