//! What opens over the window: the palette, the class search, the keys, the settings and the
//! question what becomes of changes that cannot be written.

use std::path::{Path, PathBuf};

use egui::{Align2, Context, Id, Key, Margin, Modal, RichText, ScrollArea, TextEdit, Ui, Vec2, vec2};

use crate::annotation::CategoryId;
use crate::app::command::{Command, Entry, TABLE};
use crate::app::fuzzy;
use crate::app::panel::class_search;
use crate::app::panel::classes::RenameForm;
use crate::app::panel::color::ColorForm;
pub(crate) use crate::app::panel::images::ImageSearch;
use crate::app::panel::keys;
pub(crate) use crate::app::panel::keys::KeysForm;
use crate::app::panel::menu::possible;
use crate::app::panel::path;
pub(crate) use crate::app::panel::path::{Candidate, PathForm};
use crate::app::panel::polish;
pub(crate) use crate::app::panel::polish::PolishForm;
use crate::app::panel::start;
pub(crate) use crate::app::panel::training::TrainingForm;
use crate::app::panel::transfer;
use crate::app::settings::{ColorBy, DeviceChoice, Look, Settings};
use crate::app::state::State;
use crate::app::theme::{self, Palette};
use crate::app::transfer::Wish;
use crate::disk;
use crate::store::{Choice, Places};

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
    /// Another colour for a class.
    Color(ColorForm),
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
    /// What did not work, and why.
    Failed(String, String),
    /// What was not added of another file.
    LeftOut(Vec<String>),
    /// Changes are not written and would be lost.
    Unwritten {
        /// Why they are not.
        why: String,
        /// The path to open next; none where the window closes.
        then: Option<PathBuf>,
    },
    /// Training is under way, which stops with what is open.
    StopsTraining {
        /// The path to open next; none where the window closes.
        then: Option<PathBuf>,
    },
    /// Others have written the file that Save writes.
    Overtaken(PathBuf),
    /// Others have changed the project since a person's own copy of it began.
    Outdated {
        /// The path to open.
        path: PathBuf,
        /// Where both projects are.
        places: Places,
    },
    /// What is to be polished.
    Polish(PolishForm),
    /// What is to be trained, or what that came to.
    Training(TrainingForm),
    /// Finds one of the data sets that were opened last.
    Recent(Search),
    /// A path that is typed.
    Path(PathForm),
    /// A choice among the annotation files of a folder.
    Several {
        /// The folder.
        folder: PathBuf,
        /// The files.
        files: Vec<Candidate>,
    },
}

/// A search field with a list under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Search {
    query: String,
    marked: usize,
    /// Whether the arrows have marked the row.
    is_moved: bool,
    /// Whether no row is marked before anything is typed.
    is_careful: bool,
    /// Whether Enter came together with text, whose rows come with the next frame.
    is_entered: bool,
}

/// The most rows under it.
pub(super) const SHOWN: usize = 12;
/// Height of a search with all its rows, in points.
const SEARCH: f32 = 560.0;
/// Width and height of the window that a dialog leaves free or has its frame in, in points.
const MARGIN: f32 = 40.0;
/// Room around the content for what is painted a little beside it, as the edge of a button under the pointer.
const EDGE: i8 = 2;
/// Width of a slider with its number, the widest control of the settings, in points.
const CONTROLS: f32 = 210.0;
/// Width between the names and the controls of the settings, in points.
const GUTTER: f32 = 24.0;
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
            Self::Color(_) => "color",
            Self::Merge(..) => "merge",
            Self::Help(_) => "help",
            Self::Settings(_) => "settings",
            Self::Import => "import",
            Self::Export(_) => "export",
            Self::Losses(_) => "losses",
            Self::Failed(..) => "failed",
            Self::LeftOut(_) => "left out",
            Self::Unwritten { .. } => "unwritten",
            Self::StopsTraining { .. } => "stops training",
            Self::Overtaken(_) => "overtaken",
            Self::Outdated { .. } => "outdated",
            Self::Polish(_) => "polish",
            Self::Training(_) => "training",
            Self::Recent(_) => "recent",
            Self::Path(_) => "path",
            Self::Several { .. } => "several",
        }
    }

    /// How wide the content is where the window has room for it, in points.
    fn width(&self, ctx: &Context) -> f32 {
        match self {
            Self::Rename(_) | Self::Color(_) => 400.0,
            Self::Import => 420.0,
            Self::Palette(_) | Self::Classes(_) | Self::Images(_) | Self::Merge(..) => 440.0,
            Self::Export(_) | Self::Polish(_) | Self::StopsTraining { .. } => 460.0,
            Self::Settings(_) => 480.0,
            Self::Unwritten { .. } | Self::Overtaken(_) | Self::Outdated { .. } | Self::Several { .. } => 520.0,
            Self::Training(_) => 540.0,
            Self::Path(_) => 560.0,
            Self::Losses(_) | Self::Failed(..) | Self::LeftOut(_) | Self::Recent(_) => 620.0,
            Self::Help(_) => keys::width(ctx),
        }
    }

    /// Shows the dialog; whether it stays open.
    pub(crate) fn ui(&mut self, ctx: &Context, state: &State, commands: &mut Vec<Command>) -> bool {
        let id = Id::unique(self.name());
        let mut area = Modal::default_area(id);
        if self.is_search() {
            // The field stays where it is while the list under it changes.
            let top = ((ctx.content_rect().height() - SEARCH) / 2.0).max(0.3 * MARGIN);
            area = area.anchor(Align2::CENTER_TOP, vec2(0.0, top));
        }
        let modal = Modal::new(id).area(area).backdrop_color(egui::Color32::from_black_alpha(120));
        let response = modal.show(ctx, |ui| fitted_ui(ui, self.width(ctx), |ui| self.content_ui(ui, state, commands)));
        !response.inner && !response.should_close()
    }

    /// Whether it is a field with a list under it.
    const fn is_search(&self) -> bool {
        matches!(self, Self::Palette(_) | Self::Classes(_) | Self::Images(_) | Self::Merge(..) | Self::Recent(_) | Self::Path(_))
    }

    fn content_ui(&mut self, ui: &mut Ui, state: &State, commands: &mut Vec<Command>) -> bool {
        let colors = theme::palette(state.settings.look);
        match self {
            Self::Palette(search) => palette_ui(ui, search, state, colors, commands),
            Self::Classes(search) => class_search::choose_ui(ui, search, state, colors, commands),
            Self::Images(search) => search.ui(ui, state, colors, commands),
            Self::Rename(form) => form.ui(ui, state, colors, commands),
            Self::Color(form) => form.ui(ui, state, commands),
            Self::Merge(class, search) => class_search::merge_ui(ui, *class, search, state, colors, commands),
            Self::Help(form) => form.ui(ui, state, colors, commands),
            Self::Settings(settings) => settings_ui(ui, settings, state.started_on, colors, commands),
            Self::Import => transfer::import_ui(ui, colors, commands),
            Self::Export(wish) => transfer::export_ui(ui, wish, state, colors, commands),
            Self::Losses(losses) => transfer::losses_ui(ui, "What the format cannot hold", losses),
            Self::Failed(what, why) => transfer::losses_ui(ui, what, std::slice::from_ref(why)),
            Self::LeftOut(records) => transfer::losses_ui(ui, "What was left out or needs a look", records),
            Self::Unwritten { why, then } => unwritten_ui(ui, why, then.as_deref(), colors, commands),
            Self::StopsTraining { then } => stops_training_ui(ui, then.as_deref(), commands),
            Self::Overtaken(path) => overtaken_ui(ui, path, commands),
            Self::Outdated { path, places } => outdated_ui(ui, path, places, commands),
            Self::Polish(form) => form.ui(ui, state, colors, commands),
            Self::Training(form) => form.ui(ui, state, colors, commands),
            Self::Recent(search) => start::search_ui(ui, search, state, colors, commands),
            Self::Path(form) => form.ui(ui, colors, commands),
            Self::Several { folder, files } => path::several_ui(ui, folder, files, colors, commands),
        }
    }
}

/// Shows `content`, `width` points wide, or what of it the window has room for; the rest scrolls into sight.
fn fitted_ui<R>(ui: &mut Ui, width: f32, content: impl FnOnce(&mut Ui) -> R) -> R {
    let room = (ui.ctx().content_rect().size() - Vec2::splat(MARGIN)).max(Vec2::splat(MARGIN));
    // The least is the most, too: a dialog grows with its content.
    let area = ScrollArea::both().content_margin(Margin::same(EDGE)).min_scrolled_width(room.x).min_scrolled_height(room.y);
    let content = |ui: &mut Ui| {
        ui.set_width(width.min(room.x - 2.0 * f32::from(EDGE)));
        content(ui)
    };
    area.max_width(room.x).max_height(room.y).show(ui, content).inner
}

impl Search {
    /// A search that chooses nothing by Enter alone.
    pub(crate) fn careful() -> Self {
        Self { is_careful: true, ..Self::default() }
    }

    /// What was typed.
    pub(super) fn query(&self) -> &str {
        self.query.trim()
    }

    /// Whether Enter chooses a row.
    fn is_marked(&self) -> bool {
        !self.is_careful || self.is_moved || !self.query().is_empty()
    }

    /// Shows the field and `rows` (name, note); the chosen row.
    pub(super) fn ui(&mut self, ui: &mut Ui, hint: &str, rows: &[(String, String)], colors: &Palette) -> Option<usize> {
        self.free_ui(ui, hint, rows, rows.len(), colors)
    }

    /// As [`Self::ui`], where only the first `free` rows can be chosen; the others are grey.
    fn free_ui(&mut self, ui: &mut Ui, hint: &str, rows: &[(String, String)], free: usize, colors: &Palette) -> Option<usize> {
        let steps = ui.input_mut(|input| {
            let down = input.count_and_consume_key(egui::Modifiers::NONE, Key::ArrowDown);
            down as isize - input.count_and_consume_key(egui::Modifiers::NONE, Key::ArrowUp) as isize
        });
        let is_moved = steps != 0;
        let enter = super::is_entered(ui);
        let id = ui.scope_id().with("query");
        let field = super::focused(ui, id, TextEdit::singleline(&mut self.query).hint_text(hint.to_owned()), enter);
        if field.changed() {
            (self.marked, self.is_moved) = (0, false);
            // The rows below still belong to the text before.
            self.is_entered = enter;
            ui.ctx().request_repaint();
        }
        // The first step only marks the first row.
        let steps = if self.is_marked() { steps } else { (steps - 1).max(0) };
        self.is_moved |= is_moved;
        self.marked = self.marked.saturating_add_signed(steps).min(free.saturating_sub(1));
        ui.add_space(4.0);
        let marked = Some(self.marked).filter(|_| self.is_marked() && free > 0);
        let chooses = !field.changed() && (std::mem::take(&mut self.is_entered) || enter);
        let mut chosen = marked.filter(|_| chooses);
        for (index, (name, note)) in rows.iter().enumerate() {
            let row = |ui: &mut Ui| row_ui(ui, name, note, Some(index) == marked, colors);
            if ui.add_enabled_ui(index < free, row).inner {
                chosen = Some(index);
            }
        }
        if rows.is_empty() && !self.query.trim().is_empty() {
            ui.label(RichText::new(NOTHING).color(colors.weak));
        }
        chosen
    }
}

/// A row of a search; whether it was clicked.
fn row_ui(ui: &mut Ui, name: &str, note: &str, lit: bool, colors: &Palette) -> bool {
    let (rect, response) = super::row(ui, 28.0, name, lit, colors);
    let note = super::line(ui, note, 12.5, colors.weak, 160.0);
    let right = rect.right() - 10.0 - note.size().x;
    ui.painter().galley(egui::pos2(right, rect.center().y - note.size().y / 2.0), note, colors.weak);
    let name = super::line(ui, name, 14.0, colors.text, right - rect.left() - 20.0);
    ui.painter().galley(egui::pos2(rect.left() + 10.0, rect.center().y - name.size().y / 2.0), name, colors.text);
    response.clicked()
}

/// Finds a command; those that would do nothing now come last, grey. Whether the dialog closes.
fn palette_ui(ui: &mut Ui, search: &mut Search, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    let entries = TABLE.iter().filter(|entry| entry.command != Command::Palette);
    let (free, others): (Vec<&Entry>, Vec<&Entry>) = entries.partition(|entry| possible(state, &entry.command));
    let [free, others] = [free, others].map(|entries| {
        let found = fuzzy::ranked(&search.query, entries.iter().map(|entry| entry.name));
        found.into_iter().filter_map(|index| entries.get(index).copied()).collect::<Vec<&Entry>>()
    });
    let free_count = free.len().min(SHOWN);
    let found: Vec<&Entry> = free.into_iter().chain(others).take(SHOWN).collect();
    let rows: Vec<(String, String)> = found.iter().map(|entry| (entry.name.to_owned(), state.settings.keymap.first(entry))).collect();
    let chosen = search.free_ui(ui, "Find a command", &rows, free_count, colors).and_then(|index| found.get(index));
    commands.extend(chosen.map(|entry| entry.command.clone()));
    chosen.is_some()
}

fn settings_ui(ui: &mut Ui, settings: &mut Settings, started_on: DeviceChoice, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    let before = settings.clone();
    ui.heading("Settings");
    ui.add_space(8.0);
    let height = (ui.ctx().content_rect().height() - 200.0).max(120.0);
    ScrollArea::vertical().max_height(height).show(ui, |ui| {
        settings_grid(ui, settings, started_on, colors);
        // Longer than a column, and they wrap in the whole width.
        ui.add_space(6.0);
        ui.checkbox(&mut settings.propose_after_box, "Propose masks a moment after the last box");
        ui.checkbox(&mut settings.edges, "Draw proposed outlines to the picture's edges").on_hover_text(
            "The network looks again at several crops, and the outline comes to the picture's own pixels; several times slower",
        );
    });
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

fn settings_grid(ui: &mut Ui, settings: &mut Settings, started_on: DeviceChoice, colors: &Palette) {
    // What the controls leave is for their names, which wrap.
    let names = (ui.available_width() - GUTTER - CONTROLS).max(60.0);
    egui::Grid::new("settings").num_columns(2).max_col_width(names).spacing([GUTTER, 12.0]).show(ui, |ui| {
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
                ui.selectable_value(&mut settings.device, choice, text);
            }
        });
        ui.end_row();
        ui.label("");
        ui.selectable_value(&mut settings.device, DeviceChoice::GpuHalf, "GPU, half precision")
            .on_hover_text("Faster on some graphics cards, and masks differ by single pixels; annotator --headless doctor measures it");
        ui.end_row();
        if settings.device != started_on {
            ui.label("");
            ui.label(RichText::new("Counts from the next start on.").size(12.5).color(colors.weak));
            ui.end_row();
        }
        ui.label("Looks");
        ui.horizontal(|ui| {
            ui.selectable_value(&mut settings.look, Look::Dark, "Dark");
            ui.selectable_value(&mut settings.look, Look::Light, "Light");
        });
        ui.end_row();
        let name = ui.label("Size of text").id;
        zoom_ui(ui, &mut settings.zoom).labelled_by(name);
        ui.end_row();
        let name = ui.label("Strength of masks").id;
        ui.add(egui::Slider::new(&mut settings.opacity, 0.05..=0.9).step_by(0.05).fixed_decimals(2)).labelled_by(name);
        ui.end_row();
        ui.label("Colour by");
        ui.horizontal(|ui| {
            ui.selectable_value(&mut settings.color_by, ColorBy::Class, "Class");
            ui.selectable_value(&mut settings.color_by, ColorBy::Object, "Object")
                .on_hover_text("Neighbours of one class have other colours");
        });
        ui.end_row();
    });
}

/// The size of text, which changes when the handle is let go: the slider would move under the pointer.
fn zoom_ui(ui: &mut Ui, zoom: &mut f32) -> egui::Response {
    let id = ui.scope_id().with("zoom");
    let mut shown = ui.data(|data| data.get_temp(id)).unwrap_or(*zoom);
    let slider = ui.add(egui::Slider::new(&mut shown, 0.7..=2.0).step_by(0.1).fixed_decimals(1));
    if slider.dragged() {
        ui.data_mut(|data| data.insert_temp(id, shown));
    } else {
        ui.data_mut(|data| data.remove::<f32>(id));
        *zoom = shown;
    }
    slider
}

fn overtaken_ui(ui: &mut Ui, path: &Path, commands: &mut Vec<Command>) -> bool {
    ui.heading("Others have changed the file");
    ui.add_space(6.0);
    let name = disk::name(path);
    ui.label(format!("{name} is no longer as it was read or written here. Your work is in the project; the file can wait."));
    ui.label("To write over it keeps theirs beside it, in a file of its own.");
    let saves = Command::Export(path.to_path_buf());
    choices_ui(ui, "Leave the file", [("Export COCO as…", Command::ExportAs), ("Keep theirs aside and save", saves)], commands)
}

fn outdated_ui(ui: &mut Ui, path: &Path, places: &Places, commands: &mut Vec<Command>) -> bool {
    ui.heading("The shared project has changed");
    ui.add_space(6.0);
    ui.label(format!("Others have worked in {} since you began your own copy, which has nothing of that.", disk::name(places.beside())));
    ui.label("To begin anew from it keeps your own copy too, in a file of its own.");
    let opens = |choice| Command::OpenCopy { path: path.to_path_buf(), places: places.clone(), choice };
    let choices = [("Go on with your own copy", opens(Choice::Own)), ("Begin anew from the shared one", opens(Choice::Shared))];
    choices_ui(ui, "Open neither", choices, commands)
}

fn unwritten_ui(ui: &mut Ui, why: &str, then: Option<&Path>, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    ui.heading("Something would be lost");
    ui.add_space(6.0);
    ui.label(RichText::new(why).color(colors.bad));
    ui.label("It is lost if you go on now. Stay until that is done; annotations can be exported to another place meanwhile.");
    let leaves = Command::Abandon(then.map(Path::to_path_buf));
    choices_ui(ui, "Stay", [("Export COCO as…", Command::ExportAs), ("Lose it and go on", leaves)], commands)
}

fn stops_training_ui(ui: &mut Ui, then: Option<&Path>, commands: &mut Vec<Command>) -> bool {
    ui.heading("Training is under way");
    ui.add_space(6.0);
    let (when, leaves) = match then {
        None => ("with the window".to_owned(), "Stop it and close"),
        Some(path) => (format!("when {} is opened", disk::name(path)), "Stop it and open"),
    };
    ui.label(format!("It stops {when} and can go on later."));
    choices_ui(ui, "Stay", [(leaves, Command::Abandon(then.map(Path::to_path_buf)))], commands)
}

/// Buttons for doing nothing and for commands; whether one was pressed.
fn choices_ui<const N: usize>(ui: &mut Ui, nothing: &str, choices: [(&str, Command); N], commands: &mut Vec<Command>) -> bool {
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
