//! What opens over the window: the palette, the class search, the keys, the settings and the
//! question what becomes of changes that cannot be written.

use std::path::{Path, PathBuf};

use egui::{Id, Key, Modal, RichText, TextEdit, Ui};

use crate::annotation::{Category, CategoryId};
use crate::app::command::{Command, TABLE};
use crate::app::fuzzy::{self, Typed};
use crate::app::panel::classes::RenameForm;
pub(crate) use crate::app::panel::images::ImageSearch;
pub(crate) use crate::app::panel::keys::KeysForm;
use crate::app::panel::menu::possible;
use crate::app::panel::path;
pub(crate) use crate::app::panel::path::PathForm;
use crate::app::panel::polish;
pub(crate) use crate::app::panel::polish::PolishForm;
pub(crate) use crate::app::panel::training::TrainingForm;
use crate::app::panel::transfer;
use crate::app::settings::{DeviceChoice, Look, Settings};
use crate::app::state::State;
use crate::app::theme::{self, Palette};
use crate::app::transfer::Wish;

/// An open dialog.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Dialog {
    /// Finds a command.
    Palette(Search),
    /// Finds or makes a class.
    Classes(Search),
    /// Finds an image.
    Images(ImageSearch),
    /// Another name for a class.
    Rename(RenameForm),
    /// Finds the class that gets the objects of this one.
    Merge(CategoryId, Search),
    /// All keys.
    Help(KeysForm),
    /// The settings, as they will be.
    Settings(Settings),
    /// Chooses a format to read.
    Import,
    /// Chooses a format to write.
    Export(Wish),
    /// What an import or export could not hold.
    Losses(Vec<String>),
    /// What was not added of another file.
    LeftOut(Vec<String>),
    /// Changes are not written and would be lost.
    Unwritten {
        /// Why they are not.
        why: String,
        /// The path to open next; none where the window closes.
        then: Option<PathBuf>,
    },
    /// Others have written the file that Save writes.
    Overtaken(PathBuf),
    /// What is to be polished.
    Polish(PolishForm),
    /// What is to be trained, or what that came to.
    Training(TrainingForm),
    /// A path that is typed.
    Path(PathForm),
    /// A choice among the annotation files of a folder.
    Several {
        /// The folder.
        folder: PathBuf,
        /// The files.
        files: Vec<PathBuf>,
    },
}

/// A search field with a list under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Search {
    query: String,
    marked: usize,
}

/// The most rows under it.
pub(super) const SHOWN: usize = 12;
/// What an empty list says.
const NOTHING: &str = "Nothing is called that";

impl Dialog {
    /// Its own, so that each dialog finds its own size.
    const fn name(&self) -> &'static str {
        match self {
            Self::Palette(_) => "palette",
            Self::Classes(_) => "class search",
            Self::Images(_) => "image search",
            Self::Rename(_) => "rename",
            Self::Merge(..) => "merge",
            Self::Help(_) => "help",
            Self::Settings(_) => "settings",
            Self::Import => "import",
            Self::Export(_) => "export",
            Self::Losses(_) => "losses",
            Self::LeftOut(_) => "left out",
            Self::Unwritten { .. } => "unwritten",
            Self::Overtaken(_) => "overtaken",
            Self::Polish(_) => "polish",
            Self::Training(_) => "training",
            Self::Path(_) => "path",
            Self::Several { .. } => "several",
        }
    }

    /// Shows the dialog; whether it stays open.
    pub(crate) fn ui(&mut self, ctx: &egui::Context, state: &State, commands: &mut Vec<Command>) -> bool {
        let colors = theme::palette(state.settings.look);
        let response =
            Modal::new(Id::unique(self.name())).backdrop_color(egui::Color32::from_black_alpha(120)).show(ctx, |ui| match self {
                Self::Palette(search) => palette_ui(ui, search, state, colors, commands),
                Self::Classes(search) => classes_ui(ui, search, state, colors, commands),
                Self::Images(search) => search.ui(ui, state, colors, commands),
                Self::Rename(form) => form.ui(ui, state, colors, commands),
                Self::Merge(class, search) => merge_ui(ui, *class, search, state, colors, commands),
                Self::Help(form) => form.ui(ui, state, colors, commands),
                Self::Settings(settings) => settings_ui(ui, settings, colors, commands),
                Self::Import => transfer::import_ui(ui, colors, commands),
                Self::Export(wish) => transfer::export_ui(ui, wish, state, colors, commands),
                Self::Losses(losses) => transfer::losses_ui(ui, "What the format cannot hold", losses),
                Self::LeftOut(records) => transfer::losses_ui(ui, "What was left out", records),
                Self::Unwritten { why, then } => unwritten_ui(ui, why, then.as_deref(), colors, commands),
                Self::Overtaken(path) => overtaken_ui(ui, path, commands),
                Self::Polish(form) => form.ui(ui, state, colors, commands),
                Self::Training(form) => form.ui(ui, state, colors, commands),
                Self::Path(form) => form.ui(ui, colors, commands),
                Self::Several { folder, files } => path::several_ui(ui, folder, files, colors, commands),
            });
        !response.inner && !response.should_close()
    }
}

impl Search {
    /// What was typed.
    pub(super) fn query(&self) -> &str {
        self.query.trim()
    }

    /// Shows the field and `rows` (name, note); the chosen row.
    pub(super) fn ui(&mut self, ui: &mut Ui, hint: &str, rows: &[(String, String)], colors: &Palette) -> Option<usize> {
        ui.set_width(440.0);
        let steps = ui.input_mut(|input| {
            let down = input.count_and_consume_key(egui::Modifiers::NONE, Key::ArrowDown);
            down as isize - input.count_and_consume_key(egui::Modifiers::NONE, Key::ArrowUp) as isize
        });
        let enter = ui.input(|input| input.key_pressed(Key::Enter));
        let field = ui.add(
            TextEdit::singleline(&mut self.query).hint_text(hint.to_owned()).desired_width(f32::INFINITY).margin(egui::Margin::same(8)),
        );
        if field.changed() {
            self.marked = 0;
            // The rows below still belong to the text before.
            ui.ctx().request_repaint();
        }
        // Asking again each frame would break input methods off.
        if !enter && !field.has_focus() {
            field.request_focus();
        }
        self.marked = self.marked.saturating_add_signed(steps).min(rows.len().saturating_sub(1));
        ui.add_space(4.0);
        let mut chosen = (enter && !rows.is_empty()).then_some(self.marked);
        for (index, (name, note)) in rows.iter().enumerate() {
            let (rect, response) = super::row(ui, 28.0, name, index == self.marked, colors);
            let note = super::line(ui, note, 12.5, colors.weak, 160.0);
            let right = rect.right() - 10.0 - note.size().x;
            ui.painter().galley(egui::pos2(right, rect.center().y - note.size().y / 2.0), note, colors.weak);
            let name = super::line(ui, name, 14.0, colors.text, right - rect.left() - 20.0);
            ui.painter().galley(egui::pos2(rect.left() + 10.0, rect.center().y - name.size().y / 2.0), name, colors.text);
            if response.clicked() {
                chosen = Some(index);
            }
        }
        if rows.is_empty() && !self.query.trim().is_empty() {
            ui.label(RichText::new(NOTHING).color(colors.weak));
        }
        chosen
    }
}

fn palette_ui(ui: &mut Ui, search: &mut Search, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    let possible: Vec<_> = TABLE.iter().filter(|entry| possible(state, &entry.command) && entry.command != Command::Palette).collect();
    let found = fuzzy::ranked(&search.query, possible.iter().map(|entry| entry.name));
    let found: Vec<_> = found.into_iter().filter_map(|index| possible.get(index)).take(SHOWN).collect();
    let rows: Vec<(String, String)> = found.iter().map(|entry| (entry.name.to_owned(), state.settings.keymap.first(entry))).collect();
    let chosen = search.ui(ui, "Find a command", &rows, colors).and_then(|index| found.get(index));
    commands.extend(chosen.map(|entry| entry.command.clone()));
    chosen.is_some()
}

fn classes_ui(ui: &mut Ui, search: &mut Search, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    let categories = &state.document.dataset().categories;
    let query = search.query().to_owned();
    let found = fuzzy::ranked(&query, categories.iter().map(|category| category.name.as_str()));
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut ids: Vec<Option<CategoryId>> = Vec::new();
    for category in found.into_iter().take(SHOWN).filter_map(|index| categories.get(index)) {
        rows.push((category.name.clone(), category.supercategory.clone()));
        ids.push(Some(category.id));
    }
    if !query.is_empty() && !categories.iter().any(|category| category.name == query) {
        // Whoever types a new name and Enter means no class that only has its letters somewhere.
        let is_begun = rows.first().is_some_and(|(name, _)| Typed::of(&query, name) != Typed::Letters);
        let place = if is_begun { rows.len() } else { 0 };
        rows.insert(place, (format!("Add class “{query}”"), "new".to_owned()));
        ids.insert(place, None);
    }
    let chosen = search.ui(ui, "Find a class, or type the name of a new one", &rows, colors);
    if ids.iter().all(Option::is_none) {
        let note = if query.is_empty() { "There are no classes yet: type a name." } else { NOTHING };
        ui.label(RichText::new(note).color(colors.weak));
    }
    match chosen.and_then(|index| ids.get(index)) {
        Some(Some(id)) => commands.push(Command::Assign(*id)),
        Some(None) => commands.push(Command::NewClass(query)),
        None => return false,
    }
    true
}

fn merge_ui(ui: &mut Ui, from: CategoryId, search: &mut Search, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    let others: Vec<&Category> = state.document.dataset().categories.iter().filter(|category| category.id != from).collect();
    let found = fuzzy::ranked(&search.query, others.iter().map(|category| category.name.as_str()));
    let found: Vec<&Category> = found.into_iter().filter_map(|index| others.get(index).copied()).take(SHOWN).collect();
    let rows: Vec<(String, String)> = found.iter().map(|category| (category.name.clone(), category.supercategory.clone())).collect();
    ui.heading(format!("Merge {} into", state.class_name(from)));
    ui.add_space(6.0);
    let chosen = search.ui(ui, "Find the class that gets its objects", &rows, colors).and_then(|index| found.get(index));
    commands.extend(chosen.map(|into| Command::MergeClass(from, into.id)));
    chosen.is_some()
}

fn settings_ui(ui: &mut Ui, settings: &mut Settings, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    ui.set_width(480.0);
    let before = settings.clone();
    ui.heading("Settings");
    ui.add_space(8.0);
    let height = (ui.ctx().content_rect().height() - 200.0).max(120.0);
    egui::ScrollArea::vertical().max_height(height).show(ui, |ui| settings_grid(ui, settings));
    ui.add_space(6.0);
    ui.label(
        RichText::new("Every step is in the project file at once; your annotation file is written only when you save.")
            .size(12.5)
            .color(colors.weak),
    );
    ui.add_space(8.0);
    if *settings != before {
        commands.push(Command::Change(settings.clone()));
    }
    ui.button("Close").clicked()
}

fn settings_grid(ui: &mut Ui, settings: &mut Settings) {
    egui::Grid::new("settings").num_columns(2).spacing([24.0, 12.0]).show(ui, |ui| {
        let name = ui.label("Steps of the segmenter").id;
        ui.add(egui::Slider::new(&mut settings.steps, 1..=20))
            .labelled_by(name)
            .on_hover_text("More steps show the mask as it forms; the shipped weights are most exact with 1");
        ui.end_row();
        let name = ui.label("Alternatives looked for").id;
        ui.add(egui::Slider::new(&mut settings.samples, 2..=8))
            .labelled_by(name)
            .on_hover_text("Masks that are sampled when Space asks for another one; nearly equal ones are shown once");
        ui.end_row();
        let name = ui.label("Guidance by exemplars").id;
        ui.add(egui::Slider::new(&mut settings.guidance, 1.0..=3.0).step_by(0.1).fixed_decimals(1))
            .labelled_by(name)
            .on_hover_text("How strongly exemplars and the class pull at the mask, with weights that know them; 1 is no extra pull");
        ui.end_row();
        polish::refiner_ui(ui, &mut settings.strength, &mut settings.band_px);
        ui.label("Models run on");
        ui.horizontal(|ui| {
            for (choice, text) in [(DeviceChoice::Auto, "Automatic"), (DeviceChoice::Gpu, "GPU"), (DeviceChoice::Cpu, "CPU")] {
                ui.selectable_value(&mut settings.device, choice, text).on_hover_text("Counts from the next start on");
            }
        });
        ui.end_row();
        ui.label("Looks");
        ui.horizontal(|ui| {
            ui.selectable_value(&mut settings.look, Look::Dark, "Dark");
            ui.selectable_value(&mut settings.look, Look::Light, "Light");
        });
        ui.end_row();
        let name = ui.label("Size of text").id;
        ui.add(egui::Slider::new(&mut settings.zoom, 0.7..=2.0).step_by(0.1).fixed_decimals(1)).labelled_by(name);
        ui.end_row();
        let name = ui.label("Strength of masks").id;
        ui.add(egui::Slider::new(&mut settings.opacity, 0.05..=0.9).step_by(0.05).fixed_decimals(2)).labelled_by(name);
        ui.end_row();
        ui.label("");
        ui.checkbox(&mut settings.propose_after_box, "Propose masks a moment after the last box");
        ui.end_row();
        ui.label("");
        ui.checkbox(&mut settings.edges, "Draw proposed outlines to the picture's edges").on_hover_text(
            "The network looks again at several crops, and the pixels in doubt go where colours and edges say; several times slower",
        );
        ui.end_row();
    });
}

fn overtaken_ui(ui: &mut Ui, path: &Path, commands: &mut Vec<Command>) -> bool {
    ui.set_width(520.0);
    ui.heading("Others have changed the file");
    ui.add_space(6.0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    ui.label(format!("{name} is no longer as it was read or written here. Your work is in the project; the file can wait."));
    ui.label("To write over it keeps theirs beside it, in a file of its own.");
    let saves = Command::Export(path.to_path_buf());
    choices_ui(ui, "Leave the file", [("Export COCO as…", Command::ExportAs), ("Keep theirs aside and save", saves)], commands)
}

fn unwritten_ui(ui: &mut Ui, why: &str, then: Option<&Path>, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    ui.set_width(520.0);
    ui.heading("Something would be lost");
    ui.add_space(6.0);
    ui.label(RichText::new(why).color(colors.bad));
    ui.label("It is lost if you go on now. Stay until that is done; annotations can be exported to another place meanwhile.");
    let leaves = Command::Abandon(then.map(Path::to_path_buf));
    choices_ui(ui, "Stay", [("Export COCO as…", Command::ExportAs), ("Lose it and go on", leaves)], commands)
}

/// Buttons for doing nothing and for commands; whether one was pressed.
fn choices_ui(ui: &mut Ui, nothing: &str, choices: [(&str, Command); 2], commands: &mut Vec<Command>) -> bool {
    ui.add_space(10.0);
    let choose = |ui: &mut Ui| {
        let mut is_chosen = ui.button(nothing).clicked();
        for (name, command) in choices {
            if ui.button(name).clicked() {
                commands.push(command);
                is_chosen = true;
            }
        }
        is_chosen
    };
    ui.horizontal(choose).inner
}
