//! The objects of the shown image.

use egui::{Event, InputState, Modifiers, Role, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};

use super::scroll::{self, Scroll};
use super::{line, object_menu, row, title};
use crate::annotation::{Instance, InstanceId, Shape};
use crate::app::command::Command;
use crate::app::icon::{self, Icon};
use crate::app::state::State;
use crate::app::theme::{self, Palette};

const ROW: f32 = 28.0;

/// Shows the list in `height` points; only the rows that are seen are laid out. The object that is `hovered` on the canvas
/// has a brighter row. Gives the object whose row is under the pointer.
pub(crate) fn ui(ui: &mut Ui, state: &State, height: f32, hovered: Option<InstanceId>, commands: &mut Vec<Command>) -> Option<InstanceId> {
    let colors = theme::palette(state.settings.look);
    let objects: Vec<&Instance> = state.objects().collect();
    title(ui, "Objects", &objects.len().to_string(), colors);
    if objects.is_empty() {
        // What stands below does not move while objects are drawn.
        ui.vertical(|ui| {
            ui.set_min_height(height);
            ui.label(egui::RichText::new("None yet. Press R and draw a box.").size(12.5).color(colors.weak));
        });
        return None;
    }
    ui.spacing_mut().item_spacing.y = 1.0;
    let area = ScrollArea::vertical().id_salt("objects").min_scrolled_height(height).max_height(height).auto_shrink([false, false]);
    let memory = ui.scope_id().with("followed");
    let before = ui.data(|data| data.get_temp::<Followed>(memory)).unwrap_or_default();
    let last = state.selection.last().copied();
    let index = last.and_then(|id| objects.iter().position(|instance| instance.id == id));
    let offset = index.and_then(|index| {
        let top = index as f32 * (ROW + 1.0);
        if last == before.last && !before.scroll.loses(top, ROW, height) {
            return None;
        }
        let is_under = ui.rect_contains_pointer(ui.max_rect());
        before.offset_for(top, objects.len(), height, is_under)
    });
    // As wide as the last number, so that the names stand below each other.
    let width = line(ui, &objects.len().to_string(), 12.0, colors.weak, f32::INFINITY).size().x;
    let mut under = None;
    let scroll = before.scroll.show_rows(ui, area, (ROW, objects.len()), offset, |ui, rows| {
        for index in rows {
            let Some(&instance) = objects.get(index) else { continue };
            let row = Row { instance, index, width, is_hovered: hovered == Some(instance.id) };
            if row.ui(ui, state, colors, commands) {
                under = Some(instance.id);
            }
        }
    });
    ui.data_mut(|data| data.insert_temp(memory, Followed { last, scroll }));
    under
}

/// What the list keeps in sight when it changes, and how far it is scrolled.
#[derive(Clone, Copy, Debug, Default)]
struct Followed {
    /// The object that was selected last.
    last: Option<InstanceId>,
    scroll: Scroll,
}

impl Followed {
    /// How far the list of `count` objects in `height` points is to be scrolled for the row at `top`, where that is not in
    /// sight. With the pointer over the list, where a click selects, a part of the row is enough.
    fn offset_for(&self, top: f32, count: usize, height: f32, is_under: bool) -> Option<f32> {
        let offset = self.scroll.offset.min(scroll::most((ROW, count), height));
        let hidden = if is_under { ROW } else { 1.0 };
        let is_seen = top + hidden > offset && top + ROW - hidden < offset + height;
        (!is_seen).then(|| scroll::offset_of(top, (ROW, count), height))
    }
}

struct Row<'a> {
    instance: &'a Instance,
    index: usize,
    /// The room for the number, in points.
    width: f32,
    /// Whether the object is under the pointer on the canvas.
    is_hovered: bool,
}

impl Row<'_> {
    /// Shows the row; whether it is under the pointer.
    fn ui(&self, ui: &mut Ui, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
        let (instance, number) = (self.instance, self.index + 1);
        let class = state.class_name(instance.category_id);
        let is_accepted = is_accepted(state, instance);
        let marks = [(instance.crowd, ", crowd"), (is_accepted, ", accepted")];
        let marks: String = marks.into_iter().filter(|(has, _)| *has).map(|(_, mark)| mark).collect();
        let selected = state.is_selected(instance.id);
        let visible = state.is_visible(instance.id);
        let (rect, response) = row(ui, ROW, &format!("Object {number}: {class}{marks}"), selected, colors);
        let painter = ui.painter().clone();
        if self.is_hovered && !selected {
            painter.rect_filled(rect, 5.0, colors.hovered);
        }
        let swatch = egui::Rect::from_center_size(pos2(rect.left() + 15.0, rect.center().y), vec2(11.0, 11.0));
        let color = state.object_color(instance);
        if instance.shape == Shape::Box {
            painter.rect_stroke(swatch, 2.0, egui::Stroke::new(1.6, color), egui::StrokeKind::Inside);
        } else {
            painter.rect_filled(swatch, 3.0, color);
        }
        let eye = egui::Rect::from_center_size(pos2(rect.right() - 15.0, rect.center().y), vec2(24.0, 24.0));
        let mut room = egui::Rect::from_x_y_ranges(rect.left() + 28.0..=eye.left() - 4.0, rect.y_range());
        if is_accepted {
            let tick = egui::Rect::from_center_size(pos2(room.right() - 7.0, rect.center().y), vec2(13.0, 13.0));
            icon::paint(&painter, tick, Icon::Tick, colors.good);
            room.set_right(room.right() - 18.0);
        }
        self.text_ui(ui, state, class, room, if visible { colors.text } else { colors.weak }, colors);

        let eye_response = ui.interact(eye, response.id.with("eye"), Sense::click());
        let verb = if visible { "Hide" } else { "Show" };
        eye_response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("{verb} object {number}")));
        let is_under = response.hovered() || eye_response.hovered();
        if is_under || !visible {
            let eye_color = if eye_response.hovered() { colors.text } else { colors.weak };
            icon::paint(&painter, eye.shrink(4.0), if visible { Icon::Shown } else { Icon::Hidden }, eye_color);
        }
        if eye_response.clicked() {
            commands.push(Command::SetHidden(instance.id, visible));
        } else if response.clicked() {
            let modifiers = ui.input(held_at_click);
            commands.push(match (modifiers.shift, modifiers.command) {
                (true, _) => Command::SelectTo(instance.id),
                (false, true) => Command::ToggleSelected(instance.id),
                (false, false) => Command::SelectRow(instance.id),
            });
        }
        object_menu::ui(&response, Some(instance.id), state, commands);
        is_under
    }

    /// The number and the class; at the right what is known of the object, and its size where there is room.
    fn text_ui(&self, ui: &Ui, state: &State, class: &str, room: egui::Rect, color: egui::Color32, colors: &Palette) {
        let paint = |galley: std::sync::Arc<egui::Galley>, left: f32, color| {
            ui.painter().galley(pos2(left, room.center().y - galley.size().y / 2.0), galley, color);
        };
        let number = line(ui, &(self.index + 1).to_string(), 12.0, colors.weak, self.width + 1.0);
        paint(number, room.left(), colors.weak);
        let note = line(ui, &note(state, self.instance), 12.0, colors.weak, 90.0);
        let (left, mut right) = (room.left() + self.width + 8.0, room.right() - note.size().x);
        paint(note, right, colors.weak);
        let bbox = self.instance.bbox;
        let size = line(ui, &format!("{:.0} × {:.0}", bbox.width, bbox.height), 12.0, colors.weak, f32::INFINITY);
        let whole = line(ui, class, 13.5, color, f32::INFINITY);
        if left + whole.size().x + size.size().x + 18.0 <= right {
            right -= size.size().x + 8.0;
            paint(size, right, colors.weak);
        }
        paint(line(ui, class, 13.5, color, right - left - 6.0), left, color);
    }
}

/// The modifier keys that were down when the button was let go in this frame; by its end they may be up again.
fn held_at_click(input: &InputState) -> Modifiers {
    let released = input.events.iter().rev().find_map(|event| match event {
        Event::PointerButton { pressed: false, modifiers, .. } => Some(*modifiers),
        _ => None,
    });
    released.unwrap_or(input.modifiers)
}

/// Whether a person has looked at the mask that the object has, and waits for no other.
fn is_accepted(state: &State, instance: &Instance) -> bool {
    state.document.judgement(instance.id).looked_at && !state.proposed.contains(&instance.id)
}

fn note(state: &State, instance: &Instance) -> String {
    if instance.crowd {
        return "crowd".to_owned();
    }
    if is_accepted(state, instance) {
        return String::new();
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
