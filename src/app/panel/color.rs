//! Another colour for a class, as it is chosen.

use egui::{Button, Color32, CornerRadius, DragValue, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};

use super::is_entered;
use crate::annotation::CategoryId;
use crate::app::command::Command;
use crate::app::state::State;
use crate::app::theme;

/// Colours to choose from, in rows of so many.
const COLORS: usize = 48;
const ROW: usize = 12;
/// The side of one of them, in points.
const SIDE: f32 = 22.0;

/// A colour for a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColorForm {
    class: CategoryId,
    color: Color32,
}

impl ColorForm {
    /// A form that begins with the colour that the class has.
    pub(crate) const fn of(class: CategoryId, color: Color32) -> Self {
        Self { class, color }
    }

    /// Shows the form; whether it closes.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &State, commands: &mut Vec<Command>) -> bool {
        ui.heading(format!("Colour of {}", state.class_name(self.class)));
        ui.add_space(6.0);
        self.swatches_ui(ui);
        ui.add_space(4.0);
        ui.horizontal(|ui| {
            swatch(ui, self.color, false);
            let [mut red, mut green, mut blue, _] = self.color.to_array();
            for (value, name) in [(&mut red, "red "), (&mut green, "green "), (&mut blue, "blue ")] {
                ui.add(DragValue::new(value).prefix(name));
            }
            self.color = Color32::from_rgb(red, green, blue);
        });
        ui.add_space(8.0);
        let enter = is_entered(ui);
        ui.horizontal(|ui| {
            let takes = ui.button("Take colour").clicked() || enter;
            let is_chosen = state.document.color(self.class).is_some();
            let resets = ui.add_enabled(is_chosen, Button::new("Usual colour")).clicked();
            if takes {
                let [red, green, blue, _] = self.color.to_array();
                commands.push(Command::SetColor(self.class, Some([red, green, blue])));
            } else if resets {
                commands.push(Command::SetColor(self.class, None));
            }
            ui.button("Close").clicked() || takes || resets
        })
        .inner
    }

    fn swatches_ui(&mut self, ui: &mut Ui) {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        for first in (0..COLORS).step_by(ROW) {
            ui.horizontal(|ui| {
                for color in (first..first + ROW).map(theme::class_color) {
                    if swatch(ui, color, color == self.color).clicked() {
                        self.color = color;
                    }
                }
            });
        }
    }
}

fn swatch(ui: &mut Ui, color: Color32, is_chosen: bool) -> egui::Response {
    let (rect, response) = ui.allocate_exact_size(vec2(SIDE, SIDE), Sense::click());
    let [red, green, blue, _] = color.to_array();
    response.widget_info(|| WidgetInfo::labeled(egui::Role::ColorWell, true, format!("Colour {red}, {green}, {blue}")));
    ui.painter().rect_filled(rect, CornerRadius::same(4), color);
    if is_chosen || response.hovered() {
        let stroke = Stroke::new(if is_chosen { 2.0 } else { 1.0 }, ui.visuals().strong_text_color());
        ui.painter().rect_stroke(rect, CornerRadius::same(4), stroke, StrokeKind::Inside);
    }
    response
}
