//! Asks for a path in the window: a field to type it into, with what the folder holds under it, and the choice among
//! several annotation files of one folder.

use std::path::{Path, PathBuf};

use egui::text::{CCursor, CCursorRange};
use egui::{Key, Label, Modifiers, RichText, TextEdit, Ui};

use crate::app::ask::{Wanted, wanted, with_path};
use crate::app::command::Command;
use crate::app::theme::Palette;
use crate::app::training::spoken;
use crate::disk;
use crate::store::{self, Places};

/// Entries of a folder that are looked at; more would make typing slow.
const LISTED: usize = 4000;
/// Entries that are shown.
const SHOWN: usize = 8;

/// A path that is being typed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PathForm {
    command: Command,
    /// Where what is typed begins, unless it is a whole path.
    folder: PathBuf,
    text: String,
    /// What was typed last, and the path that it means.
    typed: (String, PathBuf),
    in_place: bool,
    listed: (PathBuf, Vec<String>),
    /// What is to be selected of the text.
    cursor: Option<CCursorRange>,
}

impl PathForm {
    /// A form for the path that `command` needs, which begins in `folder`, until another one is typed or pasted over it;
    /// `in_place` of a system dialog that cannot be shown.
    pub(crate) fn new(command: Command, folder: &Path, in_place: bool) -> Self {
        let mut text = folder.display().to_string();
        if !text.ends_with(std::path::MAIN_SEPARATOR) {
            text.push(std::path::MAIN_SEPARATOR);
        }
        let typed = (text.clone(), folder.to_path_buf());
        let cursor = Some(CCursorRange::select_all_str(&text));
        Self { command, folder: folder.to_path_buf(), text, typed, in_place, listed: (PathBuf::new(), Vec::new()), cursor }
    }

    /// Shows the form; whether it closes.
    pub(super) fn ui(&mut self, ui: &mut Ui, colors: &Palette, commands: &mut Vec<Command>) -> bool {
        let wanted = match self.command {
            Command::OpenPath => None,
            _ => Some(wanted(&self.command)),
        };
        ui.heading(match wanted {
            None => "Path of a file or folder to open".to_owned(),
            Some(Wanted::Folder) => "Path of the folder".to_owned(),
            Some(Wanted::File(name, _)) => format!("Path of the file ({name})"),
            Some(Wanted::New(name, _)) => format!("Path to write to ({name})"),
        });
        if self.in_place {
            let note = "The system's file dialog cannot be shown: no desktop portal and no zenity answers.";
            ui.label(RichText::new(note).size(12.5).color(colors.warn));
        }
        ui.add_space(6.0);
        // Before the field, which would take the key for itself.
        let completes = ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Tab));
        let enter = super::is_entered(ui);
        let id = ui.scope_id().with("path");
        if let Some(cursor) = self.cursor.take() {
            super::select(ui, id, cursor);
        }
        super::focused(ui, id, TextEdit::singleline(&mut self.text).hint_text("Path").lock_focus(true), enter);
        let names = self.entries(wanted);
        let chosen = names.first().cloned().filter(|_| completes);
        let clicked = entries_ui(ui, &names, colors);
        if let Some(name) = chosen.or(clicked) {
            self.complete(&name);
            ui.ctx().request_repaint();
        }
        let path = self.path();
        let (fits, says) = judged(&path, wanted);
        ui.label(RichText::new(says).size(12.5).color(if fits { colors.weak } else { colors.warn }));
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            let goes = ui.add_enabled(fits, egui::Button::new("Go on")).clicked() || (enter && fits);
            if goes {
                commands.push(with_path(&self.command, path));
            }
            ui.button("Close").clicked() || goes
        })
        .inner
    }

    /// What is typed; `~` is the person's own folder.
    fn path(&mut self) -> PathBuf {
        if self.typed.0 != self.text {
            let text = self.text.trim();
            let path = match text.strip_prefix("~/").zip(directories::BaseDirs::new()) {
                Some((rest, folders)) => folders.home_dir().join(rest),
                None => self.folder.join(text),
            };
            self.typed = (self.text.clone(), disk::meant(&path));
        }
        self.typed.1.clone()
    }

    /// The folder of what is typed, and the beginning of a name in it.
    fn parts(&mut self) -> (PathBuf, String) {
        let path = self.path();
        if self.text.ends_with(std::path::is_separator) {
            return (path, String::new());
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (path.parent().map(Path::to_path_buf).unwrap_or_default(), name)
    }

    /// The entries of the folder that begin as what is typed and may be, or lead to, what is wanted.
    fn entries(&mut self, wanted: Option<Wanted>) -> Vec<String> {
        let (folder, start) = self.parts();
        if self.listed.0 != folder {
            let name = |entry: std::fs::DirEntry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_folder = entry.path().is_dir();
                (!name.starts_with('.')).then(|| if is_folder { format!("{name}{}", std::path::MAIN_SEPARATOR) } else { name })
            };
            let mut names: Vec<String> = std::fs::read_dir(&folder).into_iter().flatten().flatten().take(LISTED).filter_map(name).collect();
            names.sort_by_key(|name| (!name.ends_with(std::path::MAIN_SEPARATOR), name.to_lowercase()));
            self.listed = (folder, names);
        }
        let start = start.to_lowercase();
        let fits = |name: &&String| {
            let ending = Path::new(name.as_str()).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            let is_wanted = match wanted {
                Some(Wanted::Folder) => false,
                Some(Wanted::File(_, known)) => ending.eq_ignore_ascii_case(known),
                None => ending.eq_ignore_ascii_case("json"),
                Some(Wanted::New(..)) => true,
            };
            (is_wanted || name.ends_with(std::path::MAIN_SEPARATOR)) && name.to_lowercase().starts_with(&start)
        };
        self.listed.1.iter().filter(fits).take(SHOWN).cloned().collect()
    }

    fn complete(&mut self, name: &str) {
        let (folder, _) = self.parts();
        self.text = folder.join(name).display().to_string();
        self.cursor = Some(CCursorRange::one(CCursor::end_of_str(&self.text)));
    }
}

/// The entries; the one that was clicked.
fn entries_ui(ui: &mut Ui, names: &[String], colors: &Palette) -> Option<String> {
    let mut clicked = None;
    ui.add_space(2.0);
    for (index, name) in names.iter().enumerate() {
        let (rect, response) = super::row(ui, 22.0, name, false, colors);
        let text = super::line(ui, name, 13.0, colors.text, rect.width() - 60.0);
        ui.painter().galley(egui::pos2(rect.left() + 10.0, rect.center().y - text.size().y / 2.0), text, colors.text);
        if index == 0 {
            let at = rect.right_center() - egui::vec2(10.0, 0.0);
            ui.painter().text(at, egui::Align2::RIGHT_CENTER, "Tab", egui::FontId::proportional(11.5), colors.weak);
        }
        if response.clicked() {
            clicked = Some(name.clone());
        }
    }
    clicked
}

/// Whether a path is what is wanted, and what to say of it.
fn judged(path: &Path, wanted: Option<Wanted>) -> (bool, &'static str) {
    let has_folder = || path.parent().is_some_and(|folder| folder.as_os_str().is_empty() || folder.is_dir());
    match wanted {
        None if path.exists() => (true, ""),
        Some(Wanted::Folder) if path.is_dir() => (true, ""),
        Some(Wanted::File(..)) if path.is_file() => (true, ""),
        Some(Wanted::New(_, None)) if has_folder() && path.file_name().is_some() => (true, ""),
        Some(Wanted::New(_, Some(_))) if path.is_dir() => (false, "This is a folder; add a file name."),
        // On the way to a file.
        Some(Wanted::File(..)) if path.is_dir() => (false, ""),
        Some(Wanted::New(..)) if path.is_file() => (true, "There is a file of this name; it is replaced."),
        Some(Wanted::New(..)) if has_folder() => (true, ""),
        None => (false, "There is no such file or folder."),
        Some(Wanted::New(..) | Wanted::Folder) => (false, "There is no such folder."),
        Some(Wanted::File(..)) => (false, "There is no such file."),
    }
}

/// One of several annotation files that belong to a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    path: PathBuf,
    has_project: bool,
    /// What is known of it, in words.
    note: String,
}

impl Candidate {
    /// What is known of `files`, those with a project first; `state` is the program's own folder.
    pub(crate) fn all(files: Vec<PathBuf>, state: &Path) -> Vec<Self> {
        let mut all: Vec<Self> = files.into_iter().map(|path| Self::of(path, state)).collect();
        all.sort_by_key(|file| !file.has_project);
        all
    }

    fn of(path: PathBuf, state: &Path) -> Self {
        let places = Places::of(&path, state);
        let has_project = places.all().any(Path::is_file);
        let is_ahead = places.all().any(|project| project.is_file() && store::is_ahead(project));
        let since = path.metadata().and_then(|data| data.modified()).ok();
        let changed = since.map(|since| format!("changed {}", spoken(since.elapsed().unwrap_or_default())));
        let worked = is_ahead.then(|| "has work in a project".to_owned());
        let note = changed.into_iter().chain(worked).collect::<Vec<_>>().join(", ");
        Self { path, has_project, note }
    }
}

/// Chooses one of several annotation files that belong to a folder; whether the dialog closes.
pub(super) fn several_ui(ui: &mut Ui, folder: &Path, files: &[Candidate], colors: &Palette, commands: &mut Vec<Command>) -> bool {
    ui.heading("Which annotations?");
    ui.add_space(4.0);
    let text = format!("Several COCO files belong to {}:", folder.display());
    ui.label(RichText::new(text).size(12.5).color(colors.weak));
    ui.add_space(6.0);
    let mut chosen = false;
    egui::ScrollArea::vertical().max_height(320.0).auto_shrink([false, true]).show(ui, |ui| {
        for Candidate { path, note, .. } in files {
            let name = path.strip_prefix(folder).or_else(|_| path.strip_prefix(folder.parent().unwrap_or(folder))).unwrap_or(path);
            ui.horizontal(|ui| {
                if ui.button(name.display().to_string()).clicked() {
                    commands.push(Command::Open(path.clone()));
                    chosen = true;
                }
                ui.add(Label::new(RichText::new(note).size(12.5).color(colors.weak)).truncate());
            });
        }
    });
    ui.add_space(8.0);
    ui.button("Close").clicked() || chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_on_the_way_to_a_file_is_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = Some(Wanted::File("COCO annotations", "json"));
        assert_eq!(judged(folder.path(), wanted), (false, ""));
        assert_eq!(judged(&folder.path().join("none"), wanted), (false, "There is no such file."));
    }
}
