//! The tools, at the left.

use egui::{Ui, vec2};

use super::icon_button;
use crate::app::command::{Command, Tool, entry};
use crate::app::icon::Icon;
use crate::app::panel::menu::possible;
use crate::app::state::State;
use crate::app::theme;

const TOOLS: [(Icon, Command); 5] = [
    (Icon::Select, Command::Use(Tool::Select)),
    (Icon::Box, Command::Use(Tool::Box)),
    (Icon::Brush, Command::Use(Tool::Brush)),
    (Icon::Eraser, Command::Use(Tool::Eraser)),
    (Icon::Prompt, Command::Use(Tool::Prompt)),
];
const MODELS: [(Icon, Command); 2] = [(Icon::Propose, Command::Propose), (Icon::Refine, Command::Refine)];
const STEPS: [(Icon, Command); 3] = [(Icon::Undo, Command::Undo), (Icon::Redo, Command::Redo), (Icon::Fit, Command::Fit)];

/// Shows the tools.
pub(crate) fn ui(ui: &mut Ui, state: &State, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    ui.spacing_mut().item_spacing = vec2(0.0, 3.0);
    ui.vertical_centered(|ui| {
        for (group, items) in [&TOOLS[..], &MODELS[..], &STEPS[..]].into_iter().enumerate() {
            if group > 0 {
                ui.add_space(4.0);
                ui.separator();
                ui.add_space(4.0);
            }
            for (icon, command) in items {
                let Some(entry) = entry(command) else { continue };
                let lit = *command == Command::Use(state.tool);
                let response =
                    ui.add_enabled_ui(possible(state, command), |ui| icon_button(ui, *icon, entry.name, 40.0, lit, colors)).inner;
                let keys = entry.keys.first().map(|chord| format!("  ({})", chord.text())).unwrap_or_default();
                if response.on_hover_text(format!("{}{keys}\n{}", entry.name, entry.tip)).clicked() {
                    commands.push(command.clone());
                }
            }
        }
        if matches!(state.tool, Tool::Brush | Tool::Eraser) {
            ui.add_space(4.0);
            ui.separator();
            ui.add_space(4.0);
            ui.label(egui::RichText::new(format!("{:.0} px", state.brush_radius_px * 2.0)).size(11.5).color(colors.weak))
                .on_hover_text("Brush width: [ and ], or Alt+wheel");
        }
    });
}
