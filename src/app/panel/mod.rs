//! The panels around the canvas. Each reads the state and pushes commands.

pub(super) mod check;
mod class_search;
pub(super) mod classes;
pub(super) mod color;
pub(super) mod dialog;
pub(super) mod filmstrip;
mod images;
mod keys;
pub(super) mod menu;
pub(super) mod object_menu;
pub(super) mod objects;
mod path;
pub(super) mod polish;
mod scroll;
pub(super) mod start;
pub(super) mod status;
pub(super) mod toolbar;
mod training;
mod transfer;

use egui::style::{ScrollStyle, StyleModifier};
use egui::text::CCursorRange;
use egui::{ComboBox, Event, Id, Key, Margin, Response, Role, Sense, TextEdit, Ui, WidgetInfo, vec2};

use super::icon::{self, Icon};
use super::theme::Palette;

/// A square button with an icon and a name for screen readers and tooltips.
fn icon_button(ui: &mut Ui, icon: Icon, name: &str, side: f32, lit: bool, colors: &Palette) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::click());
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::selected(Role::Button, enabled, lit, name));
    let fill = match (lit, response.hovered()) {
        (true, _) => colors.accent.gamma_multiply(0.3),
        (false, true) => colors.hovered,
        (false, false) => egui::Color32::TRANSPARENT,
    };
    let color = if !enabled {
        colors.weak.gamma_multiply(0.5)
    } else if lit {
        colors.accent
    } else {
        colors.text
    };
    ui.painter().rect_filled(rect, 7.0, fill);
    icon::paint(ui.painter(), rect.shrink(side * 0.24), icon, color);
    response
}

/// Whether Enter was pressed; where it is held down, that was meant for what was there before.
fn is_entered(ui: &Ui) -> bool {
    let is_enter = |event: &Event| matches!(event, Event::Key { key: Key::Enter, pressed: true, repeat: false, .. });
    ui.input(|input| input.events.iter().any(is_enter))
}

/// Shows the field `id` with the focus, which it has before: what is typed in the frame that opens it is its own. Asking again
/// each frame would break input methods off. The frame of an `enter` leaves the focus where that takes it.
fn focused(ui: &mut Ui, id: Id, field: TextEdit<'_>, enter: bool) -> Response {
    if !ui.memory(|memory| memory.has_focus(id)) {
        ui.memory_mut(|memory| memory.request_focus(id));
    }
    let response = ui.add(field.id(id).desired_width(f32::INFINITY).margin(Margin::same(8)));
    // In its first frame egui takes the focus away again.
    if !enter && !response.has_focus() {
        response.request_focus();
    }
    response
}

/// Selects this of the text of the field `id`, which is shown next.
fn select(ui: &Ui, id: Id, range: CCursorRange) {
    let mut state = TextEdit::load_state(ui.ctx(), id).unwrap_or_default();
    state.cursor.set_char_range(Some(range));
    TextEdit::store_state(ui.ctx(), id, state);
}

/// A row of a list: a response that covers the whole width, and the place for its content.
fn row(ui: &mut Ui, height: f32, name: &str, lit: bool, colors: &Palette) -> (egui::Rect, Response) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, enabled, lit, name));
    let fill = match (lit, response.hovered()) {
        (true, _) => colors.accent.gamma_multiply(0.25),
        (false, true) => colors.hovered,
        (false, false) => egui::Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, 5.0, fill);
    (rect, response)
}

/// Text in one line, cut at `width` points.
fn line(ui: &Ui, text: &str, size: f32, color: egui::Color32, width: f32) -> std::sync::Arc<egui::Galley> {
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), egui::FontId::proportional(size), color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(width.max(1.0));
    ui.painter().layout_job(job)
}

/// The end of `text` in one line of `width` points: what tells file names apart.
fn tail(ui: &Ui, text: &str, size: f32, color: egui::Color32, width: f32) -> std::sync::Arc<egui::Galley> {
    let whole = line(ui, text, size, color, f32::INFINITY);
    if whole.size().x <= width {
        return whole;
    }
    let starts: Vec<usize> = text.char_indices().map(|(start, _)| start).skip(1).collect();
    let from = |start: usize| {
        let end = text.get(start..).unwrap_or_default();
        line(ui, &format!("…{end}"), size, color, f32::INFINITY)
    };
    // Letters are not equally wide: only what is laid out tells what fits.
    let first = starts.partition_point(|&start| from(start).size().x > width);
    starts.get(first).map_or_else(|| line(ui, "…", size, color, width), |&start| from(start))
}

/// A choice whose list is as high as the window where it needs to be.
fn choice(ui: &Ui, name: &str) -> ComboBox<'static> {
    let room = (ui.ctx().content_rect().height() - 40.0).max(80.0);
    // Where not all have room, what tells so is always there.
    let style = StyleModifier::new(|style| style.spacing.scroll = ScrollStyle::thin());
    ComboBox::from_id_salt(name).height(room).popup_style(style)
}

/// The small heading of a part of a panel.
fn title(ui: &mut Ui, text: &str, note: &str, colors: &Palette) {
    ui.horizontal(|ui| title_words(ui, text, note, colors));
}

/// The words of such a heading.
fn title_words(ui: &mut Ui, text: &str, note: &str, colors: &Palette) {
    ui.label(egui::RichText::new(text).size(13.0).strong());
    ui.label(egui::RichText::new(note).size(12.0).color(colors.weak));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_a_name_fits_and_has_its_end_whole() {
        let ctx = egui::Context::default();
        let output = ctx.run_ui(egui::RawInput::default(), |ui| {
            let fitted = |text: &str, width: f32| tail(ui, text, 11.0, egui::Color32::WHITE, width);
            for text in ["drift-straight_00030.jpg", "illi-till_WWMM.png", "WWMM-illi.jpg", "a.png"] {
                for width in (20..180).step_by(7).map(|width| width as f32) {
                    let galley = fitted(text, width);
                    let shown = galley.text().trim_start_matches('…');
                    assert!(galley.size().x <= width && !galley.elided, "{text} in {width}: {}", galley.text());
                    assert!(!shown.is_empty() && text.ends_with(shown), "{text} in {width}: {}", galley.text());
                }
                assert_eq!(fitted(text, 300.0).text(), text);
            }
            assert!(fitted("drift-straight_00030.jpg", 96.0).text().ends_with("_00030.jpg"));
        });
        output.drop_without_applying_deltas();
    }
}
