//! Opening, saving and what is remembered between runs, seen from the window: everything slow runs elsewhere.

use std::path::{Path, PathBuf};

use super::App;
use super::autosave::{Purpose, Written};
use super::check::Check;
use super::command::Command;
use super::document::Source;
use super::open::{self, Opened};
use super::session::{self, Session};
use super::state::Tone;
use crate::job::{self, Cancel};

impl App {
    /// Begins to open a path.
    pub(super) fn open(&mut self, path: &Path, ctx: &egui::Context) {
        self.close_document();
        self.opening = true;
        self.opening_cancel = Cancel::new();
        self.check.cancel();
        let (path, state, ctx, slot) = (path.to_path_buf(), self.folders.state().to_path_buf(), ctx.clone(), self.opened.clone());
        let (cancel, progress) = (self.opening_cancel.clone(), self.opening_progress.clone());
        let work = move || {
            let mut tell = |at| {
                progress.publish(at);
                ctx.request_repaint();
            };
            slot.publish(open::open(&path, &state, &cancel, &mut tell).map_err(|error| format!("{error:#}")));
            ctx.request_repaint();
        };
        if let Err(error) = job::spawn("open", work) {
            self.opening = false;
            self.state.say(Tone::Error, format!("The file cannot be opened: {error}"));
        }
    }

    /// Takes what threads have finished: an opened file, a chosen path, a written file.
    pub(super) fn collect(&mut self, ctx: &egui::Context) {
        if let Some(command) = self.asked.take() {
            self.perform(command, ctx);
        }
        self.opening_shown = self.opening_progress.take().or_else(|| self.opening_shown.take()).filter(|_| self.opening);
        if let Some(opened) = self.opened.take() {
            self.opening = false;
            match opened {
                Ok(opened) => self.show(opened, ctx),
                Err(_) if self.opening_cancel.is_cancelled() => self.state.say(Tone::Plain, "Opening was cancelled"),
                Err(error) => self.state.say(Tone::Error, error),
            }
        }
        if let Some(written) = self.autosave.poll() {
            self.tell(written);
        }
    }

    fn show(&mut self, opened: Opened, ctx: &egui::Context) {
        let settings = self.state.settings.clone();
        self.state = super::state::State::new(settings);
        self.state.category = opened.document.dataset().categories.first().map(|category| category.id);
        self.autosave.start(opened.document.revision());
        self.state.document = opened.document;
        self.state.image = opened.image;
        self.check = Check::default();
        self.pictures.clear();
        self.canvas.view.fit();
        self.state.say(Tone::Plain, opened.note);
        ctx.send_viewport_cmd(egui::ViewportCommand::Title(format!("{} — annotator", self.state.document.name())));
    }

    fn tell(&mut self, written: Written) {
        let name = written.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match (written.error, written.purpose) {
            (Some(error), _) => self.state.say(Tone::Error, format!("{name} could not be written: {error}")),
            (None, Purpose::Keep) => {}
            (None, purpose) => {
                if purpose == Purpose::Save {
                    self.state.document.target = Some(written.path.clone());
                    self.state.document.mark_saved(written.revision);
                    self.drop_working_copy(written.revision);
                }
                self.state.say(Tone::Plain, format!("Wrote {}", written.path.display()));
            }
        }
    }

    /// The file holds everything, so that the working copy is not needed any more.
    fn drop_working_copy(&mut self, revision: u64) {
        let Some(path) = self.state.document.working_copy.as_ref().filter(|_| revision == self.state.document.revision()) else { return };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, path = %path.display(), "the working copy could not be removed");
            }
            _ => {}
        }
    }

    /// Saves to the file that was opened; for a folder without one, beside the images.
    pub(super) fn save(&mut self, ctx: &egui::Context) {
        let document = &self.state.document;
        match (&document.target, &document.source) {
            (Some(target), _) => self.write(&target.clone(), ctx),
            (None, Source::Folder(folder)) if !folder.join("annotations.json").exists() => {
                self.write(&folder.join("annotations.json"), ctx);
            }
            (None, Source::Nothing) => {}
            (None, _) => self.ask(&Command::ExportAs, ctx),
        }
    }

    /// Writes the annotations to a path.
    pub(super) fn write(&mut self, path: &Path, ctx: &egui::Context) {
        let document = &self.state.document;
        let own = match (&document.target, &document.source) {
            (Some(target), _) => target == path,
            (None, Source::Folder(folder)) => path.parent() == Some(folder),
            (None, _) => false,
        };
        let ctx = ctx.clone();
        self.autosave.save(document, path, if own { Purpose::Save } else { Purpose::Export }, move || ctx.request_repaint());
    }

    /// Shows the system's dialog for a path; the answer comes as a command.
    pub(super) fn ask(&mut self, command: &Command, ctx: &egui::Context) {
        let mut dialog = rfd::AsyncFileDialog::new();
        if let Some(folder) = self.state.document.source.path().and_then(Path::parent) {
            dialog = dialog.set_directory(folder);
        }
        let (ctx, slot) = (ctx.clone(), self.asked.clone());
        let answer = move |path: Option<PathBuf>, wrap: &dyn Fn(PathBuf) -> Command| {
            if let Some(path) = path {
                slot.publish(wrap(path));
                ctx.request_repaint();
            }
        };
        let path = |handle: Option<rfd::FileHandle>| handle.map(|handle| handle.path().to_path_buf());
        let started = match command {
            Command::OpenFolder => {
                let future = dialog.pick_folder();
                job::spawn("dialog", move || answer(path(pollster::block_on(future)), &Command::Open))
            }
            Command::OpenFile => {
                let future = dialog.add_filter("COCO annotations", &["json"]).pick_file();
                job::spawn("dialog", move || answer(path(pollster::block_on(future)), &Command::Open))
            }
            Command::ChooseImport(format) => {
                let format = *format;
                job::spawn("dialog", move || {
                    let picked = pollster::block_on(async {
                        match format.ending() {
                            Some(ending) => dialog.add_filter(format.name(), &[ending]).pick_file().await,
                            None => dialog.pick_folder().await,
                        }
                    });
                    answer(path(picked), &|path| Command::ImportFrom(format, path));
                })
            }
            Command::ChooseExport(wish) => {
                let wish = *wish;
                let name = wish.format.ending().map_or_else(|| "export".to_owned(), |ending| format!("annotations.{ending}"));
                let future = dialog.set_file_name(name).save_file();
                job::spawn("dialog", move || answer(path(pollster::block_on(future)), &|path| Command::ExportTo(wish, path)))
            }
            Command::LoadWeights => {
                let future = dialog.add_filter("Weights", &["safetensors"]).pick_file();
                job::spawn("dialog", move || answer(path(pollster::block_on(future)), &Command::UseWeights))
            }
            _ => {
                let future = dialog.add_filter("COCO annotations", &["json"]).set_file_name("annotations.json").save_file();
                job::spawn("dialog", move || answer(path(pollster::block_on(future)), &Command::Export))
            }
        };
        if let Err(error) = started {
            self.state.say(Tone::Error, format!("The dialog cannot be shown: {error}"));
        }
    }

    /// Stores which image is shown and which are reviewed.
    pub(super) fn remember(&mut self) {
        let document = &self.state.document;
        let Some(path) = document.source.path() else { return };
        let reviewed = document.reviewed.iter().map(|id| id.0).collect();
        let session = Session { path: path.to_path_buf(), image: self.state.image, reviewed };
        if let Err(error) = session::write(self.folders.state(), &session) {
            tracing::warn!(%error, "the marks could not be stored");
        }
    }

    /// Puts everything on disk that is not there yet.
    pub(super) fn close_document(&mut self) {
        self.assistant.cancel();
        if self.state.document.source != Source::Nothing {
            self.autosave.flush(&self.state.document);
            self.remember();
        }
    }
}
