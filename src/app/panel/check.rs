//! The window of the health check: the findings, each of which leads to its object.

use egui::{Align, ComboBox, Layout, ProgressBar, RichText, ScrollArea, Ui, Window};

use super::{line, row};
use crate::app::check::{Check, Row};
use crate::app::command::Command;
use crate::app::state::State;
use crate::app::theme;
use crate::formats::Severity;

const ROW: f32 = 24.0;
/// So large at first, in the corner over the film strip, that most of the image stays in sight.
const SIZE: egui::Vec2 = egui::vec2(460.0, 230.0);

/// Shows the window where it is open.
pub(crate) fn ui(ctx: &egui::Context, check: &mut Check, state: &State, commands: &mut Vec<Command>) {
    let mut open = check.open;
    Window::new("Check")
        .open(&mut open)
        .default_size(SIZE)
        .default_pos(ctx.content_rect().left_bottom() + egui::vec2(68.0, -SIZE.y - 220.0))
        .min_width(360.0)
        .show(ctx, |ui| content_ui(ui, check, state, commands));
    if !open {
        check.cancel();
    }
    check.open = open;
}

fn content_ui(ui: &mut Ui, check: &mut Check, state: &State, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    if check.is_running() {
        let share = check.progress.as_ref().and_then(crate::job::Progress::fraction).unwrap_or(0.0);
        let label = check.progress.as_ref().map_or("Checking", |progress| &progress.label).to_owned();
        ui.horizontal(|ui| {
            ui.label(label);
            ui.add(ProgressBar::new(share).desired_width(180.0));
            if ui.button("Stop the check").clicked() {
                check.cancel();
            }
        });
    }
    let Some((revision, rows)) = check.found.clone() else { return };
    ui.horizontal(|ui| {
        kinds_ui(ui, check, &rows);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if !check.is_running() && ui.button("Check again").clicked() {
                commands.push(Command::Check);
            }
            if revision != state.document.revision() {
                ui.label(RichText::new("changed since").size(12.5).color(colors.warn));
            }
        });
    });
    let listed: Vec<&Row> = rows.iter().filter(|row| check.kind.is_none_or(|kind| kind == row.code)).collect();
    if listed.is_empty() {
        ui.label(RichText::new("Nothing is odd.").color(colors.good));
    }
    ui.spacing_mut().item_spacing.y = 1.0;
    ScrollArea::vertical().auto_shrink([false, false]).show_rows(ui, ROW, listed.len(), |ui, range| {
        for finding in listed.get(range).unwrap_or_default() {
            finding_ui(ui, finding, colors, commands);
        }
    });
}

fn finding_ui(ui: &mut Ui, finding: &Row, colors: &theme::Palette, commands: &mut Vec<Command>) {
    let (rect, response) = row(ui, ROW, &finding.text, false, colors);
    let dot = match finding.severity {
        Severity::Error => colors.bad,
        Severity::Warning => colors.warn,
        Severity::Note => colors.weak,
    };
    ui.painter().circle_filled(egui::pos2(rect.left() + 10.0, rect.center().y), 4.0, dot);
    let color = if finding.target.is_some() { colors.text } else { colors.weak };
    let text = line(ui, &finding.text, 13.0, color, rect.width() - 30.0);
    ui.painter().galley(egui::pos2(rect.left() + 22.0, rect.center().y - text.size().y / 2.0), text, color);
    let clicked = response.clicked();
    response.on_hover_text(format!("{}: {}", finding.severity.name(), finding.text));
    if clicked && let Some(target) = finding.target {
        commands.push(Command::LeadTo(target));
    }
}

/// The choice of one kind of finding, with how many there are of each.
fn kinds_ui(ui: &mut Ui, check: &mut Check, rows: &[Row]) {
    let mut kinds: Vec<(Severity, &'static str, usize)> = Vec::new();
    for row in rows {
        match kinds.iter_mut().find(|(_, code, _)| *code == row.code) {
            Some((.., count)) => *count += 1,
            None => kinds.push((row.severity, row.code, 1)),
        }
    }
    let name = |code: &str, count: usize| format!("{} ({count})", code.replace('_', " "));
    let all = name("all findings", rows.len());
    let chosen = check.kind.and_then(|kind| kinds.iter().find(|(_, code, _)| *code == kind));
    let text = chosen.map_or_else(|| all.clone(), |(_, code, count)| name(code, *count));
    ComboBox::from_id_salt("kind").width(220.0).selected_text(text).show_ui(ui, |ui| {
        ui.selectable_value(&mut check.kind, None, all);
        for (_, code, count) in kinds {
            ui.selectable_value(&mut check.kind, Some(code), name(code, count));
        }
    });
}
