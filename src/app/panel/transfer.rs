//! The dialogs of import and export: which format, which form of masks, what each object keeps, what was lost.

use egui::{RichText, ScrollArea, Slider, Ui};

use crate::app::command::Command;
use crate::app::state::State;
use crate::app::theme::Palette;
use crate::app::transfer::{Form, Wish};
use crate::formats::exchange::Format;

/// Chooses a format to read; whether the dialog closes.
pub(super) fn import_ui(ui: &mut Ui, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    ui.set_width(420.0);
    ui.heading("Import");
    ui.add_space(4.0);
    let note = "The data set is written as a COCO file beside what is read, and opened. Nothing that is there changes.";
    ui.label(RichText::new(note).size(12.5).color(colors.weak));
    ui.add_space(6.0);
    let mut chosen = false;
    for format in Format::ALL.into_iter().filter(|format| !format.is_json()) {
        let what = if format.is_folder() { "folder" } else { "file" };
        if ui.button(format!("{} ({what})…", format.name())).clicked() {
            commands.push(Command::ChooseImport(format));
            chosen = true;
        }
    }
    ui.add_space(8.0);
    ui.button("Close").clicked() || chosen
}

/// Chooses a format and the form of masks to write; whether the dialog closes.
pub(super) fn export_ui(ui: &mut Ui, wish: &mut Wish, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    ui.set_width(460.0);
    ui.heading("Export");
    ui.add_space(6.0);
    egui::Grid::new("export").num_columns(2).spacing([24.0, 10.0]).show(ui, |ui| {
        ui.label("Format");
        egui::ComboBox::from_id_salt("format").selected_text(wish.format.name()).show_ui(ui, |ui| {
            for format in Format::ALL {
                ui.selectable_value(&mut wish.format, format, format.name());
            }
        });
        ui.end_row();
        if wish.format.has_forms() {
            ui.label("Masks");
            ui.horizontal(|ui| {
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
        }
        let traces = wish.format.has_polygons() && !(wish.format.has_forms() && matches!(wish.form, Form::Own | Form::Rle));
        let name = ui.label("Tolerance").id;
        let slider = Slider::new(&mut wish.tolerance_px, 0.0..=10.0).step_by(0.05).suffix(" px");
        ui.add_enabled(traces, slider)
            .labelled_by(name)
            .on_hover_text("How far a polygon may lie from the mask's edge; 0 keeps every pixel");
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

/// What each object of the shown image keeps.
fn kept_ui(ui: &mut Ui, wish: &Wish, state: &State, colors: &Palette, commands: &mut Vec<Command>) {
    let Some(image) = state.shown().map(|image| image.id) else { return };
    let Some(measured) = state.measured.as_ref().filter(|measured| measured.is_of(wish, image)) else {
        // One measurement at a time: while the pointer is down the wish still changes.
        if !ui.input(|input| input.pointer.any_down()) && state.measuring != Some((*wish, image)) {
            commands.push(Command::Measure(*wish));
        }
        ui.label(RichText::new("Measuring…").color(colors.weak));
        return;
    };
    let least = measured.kept.iter().filter_map(|(_, iou)| *iou).fold(1.0, f64::min);
    let count = measured.kept.len();
    ui.label(format!("Of the {count} objects on this image each keeps an IoU of {least:.4} or more:"));
    ScrollArea::vertical().max_height(180.0).auto_shrink([false, true]).show_rows(ui, 18.0, count, |ui, rows| {
        for index in rows {
            let Some((id, iou)) = measured.kept.get(index) else { continue };
            let class = state.document.instance(*id).map_or("?", |object| state.class_name(object.category_id));
            let (text, color) = match iou {
                Some(iou) if *iou >= 1.0 => ("every pixel".to_owned(), colors.weak),
                Some(iou) => (format!("IoU {iou:.4}"), if *iou < 0.95 { colors.warn } else { colors.text }),
                None => ("is left out".to_owned(), colors.bad),
            };
            ui.label(RichText::new(format!("Object {}: {class}, {text}", index + 1)).size(13.0).color(color));
        }
    });
}

/// Lists what was lost; whether the dialog closes.
pub(super) fn losses_ui(ui: &mut Ui, losses: &[String]) -> bool {
    ui.set_width(620.0);
    ui.heading("What the format cannot hold");
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
