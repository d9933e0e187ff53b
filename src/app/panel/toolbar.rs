//! The tools, at the left.

use egui::{Ui, vec2};

use super::icon_button;
use crate::app::chord::spelled;
use crate::app::command::{Command, Tool, entry};
use crate::app::icon::Icon;
use crate::app::panel::menu::possible;
use crate::app::settings::Light;
use crate::app::state::State;
use crate::app::theme;

const TOOLS: [(Icon, Command); 7] = [
    (Icon::Select, Command::Use(Tool::Select)),
    (Icon::Box, Command::Use(Tool::Box)),
    (Icon::Polygon, Command::Use(Tool::Polygon)),
    (Icon::Wand, Command::Use(Tool::Wand)),
    (Icon::Brush, Command::Use(Tool::Brush)),
    (Icon::Eraser, Command::Use(Tool::Eraser)),
    (Icon::Prompt, Command::Use(Tool::Prompt)),
];
const MODELS: [(Icon, Command); 2] = [(Icon::Propose, Command::Propose), (Icon::Refine, Command::Refine)];
const STEPS: [(Icon, Command); 3] = [(Icon::Undo, Command::Undo), (Icon::Redo, Command::Redo), (Icon::Fit, Command::Fit)];

/// Side of a button, in points.
const SIDE: f32 = 36.0;
/// Its side in the lowest windows.
const LEAST_SIDE: f32 = 22.0;
/// Between two buttons, in points.
const GAP: f32 = 3.0;
/// Room for all that is no button, in points.
const REST: f32 = 72.0;

/// Shows the tools: smaller ones in a low window, and where those do not fit, they scroll and an arrow tells so.
pub(crate) fn ui(ui: &mut Ui, state: &State, commands: &mut Vec<Command>) {
    ui.spacing_mut().item_spacing = vec2(0.0, GAP);
    let count = (TOOLS.len() + MODELS.len() + STEPS.len() + 1) as f32;
    let side = ((ui.available_height() - REST) / count - GAP).clamp(LEAST_SIDE, SIDE);
    let area = egui::ScrollArea::vertical().auto_shrink([false, false]);
    let area = area.scroll_bar_visibility(egui::scroll_area::ScrollBarVisibility::AlwaysHidden);
    let output = area.show(ui, |ui| ui.vertical_centered(|ui| tools_ui(ui, state, side, commands)));
    let (room, offset) = (output.inner_rect, output.state.unclamped_offset().y);
    let more = [(offset > 1.0, room.center_top(), -4.0), (output.content_size.y - offset > room.height() + 1.0, room.center_bottom(), 4.0)];
    for (_, edge, tip) in more.into_iter().filter(|(is_more, ..)| *is_more) {
        let at = edge - vec2(0.0, tip);
        let points = vec![at + vec2(-7.0, -tip), at + vec2(7.0, -tip), at + vec2(0.0, tip)];
        let accent = theme::palette(state.settings.look).accent;
        ui.painter().add(egui::Shape::convex_polygon(points, accent, egui::Stroke::NONE));
    }
}

fn tools_ui(ui: &mut Ui, state: &State, side: f32, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    for (group, items) in [&TOOLS[..], &MODELS[..], &STEPS[..]].into_iter().enumerate() {
        if group > 0 {
            ui.add_space(4.0);
            ui.separator();
            ui.add_space(4.0);
        }
        for (icon, command) in items {
            let Some(entry) = entry(command) else { continue };
            let lit = *command == Command::Use(state.tool);
            let response = ui.add_enabled_ui(possible(state, command), |ui| icon_button(ui, *icon, entry.name, side, lit, colors)).inner;
            let key = state.settings.keymap.first(entry);
            let keys = if key.is_empty() { key } else { format!("  ({key})") };
            if response.on_hover_text(format!("{}{keys}\n{}", entry.name, spelled(entry.tip))).clicked() {
                commands.push(command.clone());
            }
        }
    }
    light_ui(ui, state, side, commands);
    let size = match state.tool {
        Tool::Brush | Tool::Eraser => Some((format!("{:.0} px", state.brush_radius_px * 2.0), "Brush width: [ and ], or Alt+wheel")),
        Tool::Wand => Some((format!("± {:.0}", state.wand_tolerance), "How far colours may differ: [ and ], or Alt+wheel")),
        _ => None,
    };
    if let Some((text, tip)) = size {
        ui.add_space(4.0);
        ui.separator();
        ui.add_space(4.0);
        ui.label(egui::RichText::new(text).size(11.5).color(colors.weak)).on_hover_text(spelled(tip));
    }
}

/// The button for brightness and contrast, with its sliders.
fn light_ui(ui: &mut Ui, state: &State, side: f32, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    let mut settings = state.settings.clone();
    let lit = settings.light != Light::default();
    let response = icon_button(ui, Icon::Light, "Brightness and contrast", side, lit, colors);
    let response = response.on_hover_text("Brightness and contrast\nHow images are shown; they stay as they are");
    egui::Popup::menu(&response).align(egui::RectAlign::RIGHT_START).close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside).show(
        |ui| {
            egui::Grid::new("light").num_columns(2).spacing([16.0, 8.0]).show(ui, |ui| {
                for (name, value) in [("Brightness", &mut settings.light.brightness), ("Contrast", &mut settings.light.contrast)] {
                    let label = ui.label(name).id;
                    ui.add(egui::Slider::new(value, -1.0..=1.0).step_by(0.05).fixed_decimals(2)).labelled_by(label);
                    ui.end_row();
                }
            });
            if ui.add_enabled(lit, egui::Button::new("As the image is")).clicked() {
                settings.light = Light::default();
            }
        },
    );
    if settings != state.settings {
        commands.push(Command::Change(settings));
    }
}
