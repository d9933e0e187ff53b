//! The dialogs of import and export: which format, which form of masks, what each object keeps, what was lost.

use egui::{RichText, ScrollArea, Slider, Ui};

use super::choice;
use crate::annotation::InstanceId;
use crate::app::command::Command;
use crate::app::state::State;
use crate::app::theme::Palette;
use crate::app::transfer::{Form, Wish};
use crate::formats::exchange::Format;

/// Height of the list of what objects lose, in points, where the window has room for it.
const LIST: f32 = 180.0;

/// Chooses a format to read; whether the dialog closes.
pub(super) fn import_ui(ui: &mut Ui, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    ui.heading("Import");
    ui.add_space(4.0);
    let note = "The data set is written as a COCO file beside what is read, and opened. Nothing that is there changes.";
    ui.label(RichText::new(note).size(12.5).color(colors.weak));
    ui.add_space(6.0);
    let mut chosen = false;
    // One reader takes both of YOLO's.
    for format in Format::ALL.into_iter().filter(|format| !format.is_json() && *format != Format::YoloBoxes) {
        let what = if format.is_folder() { "folder" } else { "file" };
        if ui.button(format!("{} ({what})…", format.read_name())).clicked() {
            commands.push(Command::ChooseImport(format));
            chosen = true;
        }
    }
    ui.add_space(8.0);
    ui.button("Close").clicked() || chosen
}

/// Chooses a format and the form of masks to write; whether the dialog closes.
pub(super) fn export_ui(ui: &mut Ui, wish: &mut Wish, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    ui.heading("Export");
    ui.add_space(6.0);
    egui::Grid::new("export").num_columns(2).spacing([24.0, 10.0]).show(ui, |ui| {
        ui.label("Format");
        choice(ui, "format").selected_text(wish.format.name()).show_ui(ui, |ui| {
            for format in Format::ALL {
                ui.selectable_value(&mut wish.format, format, format.name());
            }
        });
        ui.end_row();
        ui.label("Masks");
        ui.horizontal(|ui| {
            if !wish.format.has_forms() {
                ui.disable();
            }
            let forms = [
                (Form::Own, "As they are", "Each mask keeps its form"),
                (Form::Polygons, "Polygons", "A hole is joined to the outside by a cut"),
                (Form::Rle, "RLE", "Run lengths keep every pixel"),
                (Form::Auto, "Auto", "Polygons; run lengths for holes and where a polygon would lose more than 2 %"),
            ];
            for (form, text, tip) in forms {
                ui.selectable_value(&mut wish.form, form, text).on_hover_text(tip);
            }
        });
        ui.end_row();
        let traces = wish.format.has_polygons() && !(wish.format.has_forms() && matches!(wish.form, Form::Own | Form::Rle));
        let name = ui.label("Tolerance").id;
        let slider = Slider::new(&mut wish.tolerance_px, 0.0..=10.0).step_by(0.05).suffix(" px");
        ui.add_enabled(traces, slider)
            .labelled_by(name)
            .on_hover_text("How far a polygon may lie from the mask's edge; 0 keeps every pixel");
        ui.end_row();
        ui.label("Images");
        ui.add_enabled(wish.format.is_yolo(), egui::Checkbox::new(&mut wish.with_pictures, "Copy them into the folder"))
            .on_hover_text("Training with YOLO needs them beside the labels");
        ui.end_row();
    });
    ui.add_space(6.0);
    kept_ui(ui, wish, state, colors, commands);
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        let writes = ui.button("Export…").clicked();
        if writes {
            commands.push(Command::ChooseExport(*wish));
        }
        ui.button("Close").clicked() || writes
    })
    .inner
}

/// How many objects of the shown image keep every pixel, and what each of the others keeps, the worst first. The list has
/// its place while nothing is known yet, so that the dialog stays where it is.
fn kept_ui(ui: &mut Ui, wish: &Wish, state: &State, colors: &Palette, commands: &mut Vec<Command>) {
    let Some(image) = state.shown().map(|image| image.id) else { return };
    let measured = state.measured.as_ref().filter(|measured| measured.is_of(wish, image));
    // One measurement at a time: while the pointer is down the wish still changes.
    if measured.is_none() && !ui.input(|input| input.pointer.any_down()) && state.measuring != Some((*wish, image)) {
        commands.push(Command::Measure(*wish));
    }
    let kept = measured.map(|measured| measured.kept.as_slice()).unwrap_or_default();
    let losing = |object: &(usize, &(InstanceId, Option<f64>))| object.1.1.is_none_or(|iou| iou < 1.0);
    let mut lossy: Vec<(usize, &(InstanceId, Option<f64>))> = kept.iter().enumerate().filter(losing).collect();
    lossy.sort_by(|(_, (_, a)), (_, (_, b))| a.unwrap_or(-1.0).total_cmp(&b.unwrap_or(-1.0)));
    let (text, color) = if measured.is_none() {
        ("Measuring…".to_owned(), colors.weak)
    } else {
        let rest = if lossy.is_empty() { "" } else { "; the others:" };
        let whole = kept.len() - lossy.len();
        (format!("Objects on this image that keep every pixel: {whole} of {}{rest}", kept.len()), colors.text)
    };
    ui.label(RichText::new(text).color(color));
    let height = (ui.ctx().content_rect().height() - 330.0).clamp(54.0, LIST);
    let area = ScrollArea::vertical().min_scrolled_height(height).max_height(height).auto_shrink([false, false]);
    area.show_rows(ui, 18.0, lossy.len(), |ui, rows| {
        for (index, (id, iou)) in lossy.get(rows).unwrap_or_default() {
            let class = state.document.instance(*id).map_or("?", |object| state.class_name(object.category_id));
            let (text, color) = match iou {
                Some(iou) => (format!("IoU {iou:.4}"), if *iou < 0.95 { colors.warn } else { colors.text }),
                None => ("is left out".to_owned(), colors.bad),
            };
            ui.label(RichText::new(format!("Object {}: {class}, {text}", index + 1)).size(13.0).color(color));
        }
    });
}

/// Lists what was lost, or tells what failed; whether the dialog closes.
pub(super) fn losses_ui(ui: &mut Ui, heading: &str, losses: &[String]) -> bool {
    ui.heading(heading);
    ui.add_space(6.0);
    ScrollArea::vertical().max_height(420.0).auto_shrink([false, true]).show(ui, |ui| {
        for text in losses {
            ui.add(egui::Label::new(RichText::new(text).size(13.0)).wrap());
            ui.add_space(4.0);
        }
    });
    ui.add_space(8.0);
    ui.button("Close").clicked()
}
