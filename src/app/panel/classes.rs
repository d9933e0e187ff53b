//! The classes: their colours, their keys, how many objects of the image have each.

use std::collections::HashMap;

use egui::{ScrollArea, Ui, pos2, vec2};

use super::{line, row, title};
use crate::app::command::{Command, entry};
use crate::app::state::State;
use crate::app::theme;
use crate::formats::lvis::{self, Mark};

const ROW: f32 = 26.0;

/// Shows the list in at most `height` points.
pub(crate) fn ui(ui: &mut Ui, state: &State, height: f32, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    let categories = &state.document.dataset().categories;
    title(ui, "Classes", &categories.len().to_string(), colors);
    ui.horizontal(|ui| {
        let tip = entry(&Command::SearchClass).map_or("", |entry| entry.tip);
        if ui.button("Find or add class…").on_hover_text(tip).clicked() {
            commands.push(Command::SearchClass);
        }
        ui.label(egui::RichText::new("/").monospace().color(colors.weak));
    });
    let mut counts: HashMap<_, usize> = HashMap::new();
    for instance in state.objects() {
        *counts.entry(instance.category_id).or_default() += 1;
    }
    let marks = state.shown().map(lvis::marks).unwrap_or_default();
    ui.spacing_mut().item_spacing.y = 1.0;
    ScrollArea::vertical().id_salt("classes").max_height(height).auto_shrink([false, false]).show_rows(
        ui,
        ROW,
        categories.len(),
        |ui, rows| {
            for index in rows {
                let Some(category) = categories.get(index) else { continue };
                let lit = state.category == Some(category.id);
                let (rect, response) = row(ui, ROW, &format!("Class {}", category.name), lit, colors);
                let painter = ui.painter();
                painter.circle_filled(pos2(rect.left() + 15.0, rect.center().y), 5.5, theme::class_color(index));
                let mut right = rect.right() - 8.0;
                if index < 9 {
                    let cap = egui::Rect::from_center_size(pos2(right - 8.0, rect.center().y), vec2(17.0, 17.0));
                    painter.rect_filled(cap, 4.0, colors.raised);
                    let key = line(ui, &(index + 1).to_string(), 11.5, colors.weak, 16.0);
                    painter.galley(cap.center() - key.size() / 2.0, key, colors.weak);
                }
                right -= 26.0;
                if let Some(count) = counts.get(&category.id) {
                    let count = line(ui, &count.to_string(), 12.0, colors.weak, 40.0);
                    right -= count.size().x;
                    painter.galley(pos2(right, rect.center().y - count.size().y / 2.0), count, colors.weak);
                }
                for (mark, word) in [(Mark::Absent, "absent"), (Mark::NotExhaustive, "not all")] {
                    if marks.of(mark).contains(&category.id) {
                        let word = line(ui, word, 11.5, colors.warn, 60.0);
                        right -= word.size().x + 6.0;
                        painter.galley(pos2(right, rect.center().y - word.size().y / 2.0), word, colors.warn);
                    }
                }
                let name = line(ui, &category.name, 13.5, colors.text, right - rect.left() - 36.0);
                painter.galley(pos2(rect.left() + 28.0, rect.center().y - name.size().y / 2.0), name, colors.text);
                let tip = "Gives the selection this class; what is drawn next has it too";
                if response.on_hover_text(tip).clicked() {
                    commands.push(Command::Assign(category.id));
                }
            }
        },
    );
}
