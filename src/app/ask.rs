//! Asks for a path: by the system's dialog, or, where that cannot be shown, by a field to type it into.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::App;
use super::command::Command;
use super::panel::dialog::{Dialog, PathForm};
use super::state::Tone;
use crate::job;

/// A dialog that is gone after so little time was never on the screen.
const UNSEEN: Duration = Duration::from_millis(600);

/// What the system's dialog gave.
#[derive(Debug)]
pub(super) enum Answer {
    /// A path.
    Path(Command, PathBuf),
    /// Nothing, and there was no dialog to see.
    Unseen(Command),
}

/// What is to be named for a command that needs a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A file that is there, with this ending.
    File(&'static str, &'static str),
    /// A folder that is there.
    Folder,
    /// A file or folder to write.
    New(&'static str, Option<&'static str>),
}

/// What `command` needs.
pub(super) fn wanted(command: &Command) -> Wanted {
    match command {
        Command::OpenFolder | Command::ChooseImageFolder => Wanted::Folder,
        Command::OpenFile | Command::AddFrom => Wanted::File("COCO annotations", "json"),
        Command::LoadWeights => Wanted::File("Weights", "safetensors"),
        Command::ChooseImport(format) => format.ending().map_or(Wanted::Folder, |ending| Wanted::File(format.name(), ending)),
        Command::ChooseExport(wish) => Wanted::New(wish.format.name(), wish.format.ending()),
        _ => Wanted::New("COCO annotations", Some("json")),
    }
}

/// `command` with the path that it asked for.
pub(super) fn with_path(command: &Command, path: PathBuf) -> Command {
    match command {
        Command::OpenFolder | Command::OpenFile | Command::OpenPath => Command::Open(path),
        Command::ChooseImageFolder => Command::UseImageFolder(path),
        Command::AddFrom => Command::AddFile(path),
        Command::LoadWeights => Command::UseWeights(path),
        Command::ChooseImport(format) => Command::ImportFrom(*format, path),
        Command::ChooseExport(wish) => Command::ExportTo(*wish, path),
        _ => Command::Export(path),
    }
}

impl App {
    /// Shows the system's dialog for the path that `command` needs; the answer comes in a later frame.
    pub(super) fn ask(&mut self, command: &Command, ctx: &egui::Context) {
        if !has_dialogs() {
            return self.ask_in_window(command.clone(), true);
        }
        let mut dialog = rfd::AsyncFileDialog::new();
        if let Some(folder) = self.state.document.source.path().and_then(Path::parent) {
            dialog = dialog.set_directory(folder);
        }
        let wanted = wanted(command);
        let (ctx, slot, command) = (ctx.clone(), self.asked.clone(), command.clone());
        let work = move || {
            let began = Instant::now();
            let picked = pollster::block_on(async {
                match wanted {
                    Wanted::Folder => dialog.pick_folder().await,
                    Wanted::File(name, ending) => dialog.add_filter(name, &[ending]).pick_file().await,
                    Wanted::New(name, ending) => {
                        let file = ending.map_or_else(|| "export".to_owned(), |ending| format!("annotations.{ending}"));
                        let dialog = ending.map_or(dialog.clone(), |ending| dialog.add_filter(name, &[ending]));
                        dialog.set_file_name(file).save_file().await
                    }
                }
            });
            match picked {
                Some(handle) => slot.publish(Answer::Path(command, handle.path().to_path_buf())),
                None if began.elapsed() < UNSEEN => slot.publish(Answer::Unseen(command)),
                None => return,
            }
            ctx.request_repaint();
        };
        if let Err(error) = job::spawn("dialog", work) {
            self.state.say(Tone::Error, format!("The dialog cannot be shown: {error}"));
        }
    }

    /// Takes what the system's dialog gave.
    pub(super) fn answered(&mut self, answer: Answer, ctx: &egui::Context) {
        match answer {
            Answer::Path(command, path) => self.perform(with_path(&command, path), ctx),
            Answer::Unseen(command) => self.ask_in_window(command, true),
        }
    }

    /// Asks for a path by a field of the window's own.
    pub(super) fn ask_in_window(&mut self, command: Command, in_place: bool) {
        let folder = self.state.document.source.path().and_then(Path::parent).map(Path::to_path_buf);
        let folder = folder.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
        if in_place {
            self.state.say(Tone::Warning, "The system's file dialog cannot be shown; type the path instead");
        }
        self.dialog = Some(Dialog::Path(PathForm::new(command, &folder, in_place)));
    }
}

/// Whether the system has dialogs at all: elsewhere always; on Linux a desktop portal on the session bus, or zenity.
fn has_dialogs() -> bool {
    if cfg!(any(windows, target_os = "macos")) {
        return true;
    }
    let is_there = |path: PathBuf| path.exists();
    let variable = std::env::var_os;
    let bus = variable("DBUS_SESSION_BUS_ADDRESS").is_some()
        || variable("XDG_RUNTIME_DIR").is_some_and(|folder| is_there(Path::new(&folder).join("bus")));
    bus || variable("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| is_there(folder.join("zenity"))))
}
