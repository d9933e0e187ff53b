//! The objects of the shown image.

use egui::{Role, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};

use super::{line, row, title};
use crate::annotation::{Instance, InstanceId, Shape};
use crate::app::command::Command;
use crate::app::icon::{self, Icon};
use crate::app::state::State;
use crate::app::theme::{self, Palette};

const ROW: f32 = 28.0;

/// Shows the list in `height` points; only the rows that are seen are laid out.
pub(crate) fn ui(ui: &mut Ui, state: &State, height: f32, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    let objects: Vec<&Instance> = state.objects().collect();
    title(ui, "Objects", &objects.len().to_string(), colors);
    if objects.is_empty() {
        ui.label(egui::RichText::new("None yet. Press R and draw a box.").size(12.5).color(colors.weak));
        return;
    }
    ui.spacing_mut().item_spacing.y = 1.0;
    let mut area = ScrollArea::vertical().id_salt("objects").min_scrolled_height(height).max_height(height).auto_shrink([false, false]);
    if let Some(index) = to_show(ui, state, &objects) {
        area = area.vertical_scroll_offset((index as f32 * (ROW + 1.0) - height * 0.4).max(0.0));
    }
    area.show_rows(ui, ROW, objects.len(), |ui, rows| {
        for index in rows {
            if let Some(instance) = objects.get(index) {
                object_ui(ui, state, instance, index, colors, commands);
            }
        }
    });
}

/// The row of the object that was selected last, in the frame after it was selected elsewhere.
fn to_show(ui: &Ui, state: &State, objects: &[&Instance]) -> Option<usize> {
    let last = state.selection.last().copied();
    let memory = ui.scope_id().with("selected");
    let before = ui.data_mut(|data| data.get_temp::<Option<InstanceId>>(memory)).flatten();
    if before == last {
        return None;
    }
    ui.data_mut(|data| data.insert_temp(memory, last));
    let inside = ui.rect_contains_pointer(ui.max_rect());
    objects.iter().position(|instance| Some(instance.id) == last).filter(|_| !inside)
}

fn object_ui(ui: &mut Ui, state: &State, instance: &Instance, index: usize, colors: &Palette, commands: &mut Vec<Command>) {
    let class = state.class_name(instance.category_id);
    let name = format!("Object {}: {class}{}", index + 1, if instance.crowd { ", crowd" } else { "" });
    let selected = state.is_selected(instance.id);
    let visible = state.is_visible(instance.id);
    let (rect, response) = row(ui, ROW, &name, selected, colors);
    let painter = ui.painter().clone();
    let swatch = egui::Rect::from_center_size(pos2(rect.left() + 15.0, rect.center().y), vec2(11.0, 11.0));
    let color = state.color(instance.category_id);
    if instance.shape == Shape::Box {
        painter.rect_stroke(swatch, 2.0, egui::Stroke::new(1.6, color), egui::StrokeKind::Inside);
    } else {
        painter.rect_filled(swatch, 3.0, color);
    }
    let text_color = if visible { colors.text } else { colors.weak };
    let eye = egui::Rect::from_center_size(pos2(rect.right() - 15.0, rect.center().y), vec2(24.0, 24.0));
    let note = note(state, instance);
    let note = line(ui, &note, 12.0, colors.weak, 90.0);
    let note_left = eye.left() - 4.0 - note.size().x;
    painter.galley(pos2(note_left, rect.center().y - note.size().y / 2.0), note, colors.weak);
    let label = line(ui, class, 13.5, text_color, note_left - rect.left() - 34.0);
    painter.galley(pos2(rect.left() + 28.0, rect.center().y - label.size().y / 2.0), label, text_color);

    let eye_response = ui.interact(eye, response.id.with("eye"), Sense::click());
    let verb = if visible { "Hide" } else { "Show" };
    eye_response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("{verb} object {}", index + 1)));
    if response.hovered() || eye_response.hovered() || !visible {
        let eye_color = if eye_response.hovered() { colors.text } else { colors.weak };
        icon::paint(&painter, eye.shrink(4.0), if visible { Icon::Shown } else { Icon::Hidden }, eye_color);
    }
    if eye_response.clicked() {
        commands.push(Command::SetHidden(instance.id, visible));
    } else if response.clicked() {
        let adds = ui.input(|input| input.modifiers.shift || input.modifiers.command);
        commands.push(if adds { Command::ToggleSelected(instance.id) } else { Command::Select(vec![instance.id]) });
    }
}

fn note(state: &State, instance: &Instance) -> String {
    if instance.crowd {
        return "crowd".to_owned();
    }
    if let Some(expected) = state.document.judgement(instance.id).expected_iou {
        let several = state.suggestions.get(&instance.id).filter(|known| known.masks.len() > 1);
        let of = several.map(|known| format!("{} of {}  ", known.shown + 1, known.masks.len())).unwrap_or_default();
        return format!("{of}≈ {:.0} %", expected * 100.0);
    }
    match (instance.score, instance.shape == Shape::Box) {
        (Some(score), _) => format!("{:.0} %", score * 100.0),
        (None, true) => "box".to_owned(),
        (None, false) => String::new(),
    }
}
