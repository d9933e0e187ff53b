//! The window of the health check: the findings, each of which leads to its object.

use egui::{Align, Layout, ProgressBar, RichText, ScrollArea, Ui, Window};

use super::{choice, line, row};
use crate::app::check::{Check, Found, Row};
use crate::app::command::Command;
use crate::app::state::State;
use crate::app::task;
use crate::app::theme;
use crate::formats::Severity;

const ROW: f32 = 24.0;
/// So large at first, in the corner over the film strip, that most of the image stays in sight.
const SIZE: egui::Vec2 = egui::vec2(500.0, 360.0);

/// Shows the window where it is open.
pub(crate) fn ui(ctx: &egui::Context, check: &mut Check, state: &State, commands: &mut Vec<Command>) {
    let mut open = check.open;
    let size = SIZE.min(ctx.content_rect().size() - egui::Vec2::splat(40.0));
    Window::new("Check")
        .open(&mut open)
        .default_size(size)
        .default_pos(ctx.content_rect().left_bottom() + egui::vec2(68.0, -SIZE.y - 180.0))
        .min_width(size.x.min(360.0))
        .show(ctx, |ui| content_ui(ui, check, state, commands));
    if !open {
        check.close();
    }
}

fn content_ui(ui: &mut Ui, check: &mut Check, state: &State, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    if check.is_running() {
        let share = check.progress.as_ref().and_then(crate::job::Progress::fraction).unwrap_or(0.0);
        let label = check.progress.as_ref().map_or("Checking", |progress| &progress.label).to_owned();
        let left = check.progress.as_ref().map(task::left).unwrap_or_default();
        ui.horizontal(|ui| {
            ui.label(label);
            ui.add(ProgressBar::new(share).desired_width(180.0).text(RichText::new(left).size(11.0)));
            if ui.button("Stop the check").clicked() {
                check.cancel();
            }
        });
    }
    let Some(found) = check.found.clone() else { return };
    ui.horizontal(|ui| {
        kinds_ui(ui, check, &found);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if !check.is_running() && ui.button("Check again").clicked() {
                commands.push(Command::CheckAgain);
            }
            if found.revision != state.document.revision() {
                ui.label(RichText::new("changed since").size(12.5).color(colors.warn));
            }
        });
    });
    let range = check.kind.and_then(|kind| found.kinds.get(kind)).map_or(0..found.rows.len(), |(_, range)| range.clone());
    let listed: &[Row] = found.rows.get(range).unwrap_or_default();
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
fn kinds_ui(ui: &mut Ui, check: &mut Check, found: &Found) {
    let name = |code: &str, count: usize| format!("{} ({count})", code.replace('_', " "));
    let all = name("all findings", found.rows.len());
    let chosen = check.kind.and_then(|kind| found.kinds.get(kind));
    let text = chosen.map_or_else(|| all.clone(), |(code, range)| name(code, range.len()));
    choice(ui, "kind").width(220.0).selected_text(text).show_ui(ui, |ui| {
        ui.selectable_value(&mut check.kind, None, all);
        for (place, (code, range)) in found.kinds.iter().enumerate() {
            ui.selectable_value(&mut check.kind, Some(place), name(code, range.len()));
        }
    });
}
