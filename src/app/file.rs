//! Opening, saving and closing, seen from the window: everything slow runs elsewhere.

use std::path::{Path, PathBuf};

use super::App;
use super::check::Check;
use super::command::Command;
use super::document::Source;
use super::export::{Purpose, Written, previous};
use super::open::{Opened, Opening};
use super::panel::dialog::Dialog;
use super::state::{State, Tone};
use crate::job::{self, Cancel, Latest, Progress};
use crate::store;

/// What the thread that opens a path says.
#[derive(Debug)]
pub(super) enum News {
    /// One image can be looked at.
    First(Box<Opened>),
    /// All is there, or why not.
    Done(Result<Box<Opened>, String>),
}

/// A path that is being opened.
#[derive(Debug)]
pub(super) struct Pending {
    news: Latest<News>,
    progress: Latest<Progress>,
    cancel: Cancel,
    /// What the status bar says about it.
    pub text: String,
}

impl Pending {
    fn new() -> Self {
        Self { news: Latest::default(), progress: Latest::default(), cancel: Cancel::new(), text: "Opening…".to_owned() }
    }
}

/// Another path does not want it any more.
impl Drop for Pending {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl App {
    /// Begins to open a path; asks first where changes would be lost.
    pub(super) fn open(&mut self, path: &Path, ctx: &egui::Context) {
        if let Some(why) = self.state.document.at_risk() {
            self.dialog = Some(Dialog::Unwritten { why, then: Some(path.to_path_buf()) });
            return;
        }
        self.abandon(Some(path.to_path_buf()), ctx);
    }

    /// Opens a path or closes the window, whatever is not written.
    pub(super) fn abandon(&mut self, then: Option<PathBuf>, ctx: &egui::Context) {
        self.close_document();
        let Some(path) = then else {
            return ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        };
        let pending = Pending::new();
        let (news, slot, cancel) = (pending.news.clone(), pending.progress.clone(), pending.cancel.clone());
        let (state, ctx) = (self.folders.state().to_path_buf(), ctx.clone());
        self.pending = Some(pending);
        let work = move || {
            let wake = ctx.clone();
            let opening = Opening {
                state: &state,
                cancel: &cancel,
                progress: &mut |progress| {
                    slot.publish(progress);
                    ctx.request_repaint();
                },
                first: &mut |opened| {
                    news.publish(News::First(Box::new(opened)));
                    ctx.request_repaint();
                },
                wake: Box::new(move || wake.request_repaint()),
            };
            let done = opening.open(&path).map(Box::new).map_err(|error| format!("{error:#}"));
            news.publish(News::Done(done));
            ctx.request_repaint();
        };
        if let Err(error) = job::spawn("open", work) {
            self.pending = None;
            self.state.say(Tone::Error, format!("The file cannot be opened: {error}"));
        }
    }

    /// Takes what threads have finished: an opened file, a chosen path, a written file, a project that is behind.
    pub(super) fn collect(&mut self, ctx: &egui::Context) {
        if let Some(command) = self.asked.take() {
            self.perform(command, ctx);
        }
        if let Some(pending) = &mut self.pending {
            if let Some(progress) = pending.progress.take() {
                let share = progress.fraction().map(|share| format!(" {:.0} %", share * 100.0)).unwrap_or_default();
                pending.text = format!("{}…{share}", progress.label);
            }
            match pending.news.take() {
                None => {}
                Some(News::First(opened)) => self.show(*opened, ctx),
                Some(News::Done(Ok(opened))) => {
                    self.pending = None;
                    self.complete(*opened, ctx);
                }
                Some(News::Done(Err(error))) => {
                    self.close_document();
                    self.state.say(Tone::Error, error);
                }
            }
        }
        if let Some(written) = self.exporter.poll() {
            self.tell(written);
        }
        self.watch_storage(ctx);
    }

    fn show(&mut self, opened: Opened, ctx: &egui::Context) {
        let settings = self.state.settings.clone();
        self.state = State::new(settings);
        self.state.category = opened.document.dataset().categories.first().map(|category| category.id);
        self.state.document = opened.document;
        self.state.image = opened.image;
        self.check = Check::default();
        tracing::debug!(whole = !self.state.document.is_loading(), "the first image is shown");
        self.pictures.clear();
        self.canvas.view.fit();
        self.state.say(Tone::Plain, opened.note);
        ctx.send_viewport_cmd(egui::ViewportCommand::Title(self.title()));
    }

    /// Takes the whole document in the place of the part that was shown meanwhile.
    fn complete(&mut self, opened: Opened, ctx: &egui::Context) {
        if !self.state.document.is_loading() {
            return self.show(opened, ctx);
        }
        self.state.document = opened.document;
        tracing::debug!("the rest is read");
        self.remember_shown();
        self.state.say(Tone::Plain, opened.note);
    }

    /// Stores which image is shown.
    pub(super) fn remember_shown(&self) {
        if let Some(image) = self.state.shown() {
            self.state.document.show(image.id);
        }
    }

    fn title(&self) -> String {
        let mark = if self.storage_failure.is_some() { " (NOT WRITTEN)" } else { "" };
        format!("{}{mark} — annotator", self.state.document.name())
    }

    /// Says when the project cannot be written, and when it can again.
    fn watch_storage(&mut self, ctx: &egui::Context) {
        let failure = match self.state.document.storage() {
            store::State::Failing(why) => Some(why),
            _ => None,
        };
        if failure == self.storage_failure {
            return;
        }
        if let Some(why) = &failure {
            let text = format!("Your work is in memory only: {why}. It is tried again all the time; Ctrl+E writes elsewhere");
            self.state.say(Tone::Error, text);
        } else if self.state.document.source != Source::Nothing {
            self.state.say(Tone::Plain, "The project is written again");
        }
        self.storage_failure = failure;
        ctx.send_viewport_cmd(egui::ViewportCommand::Title(self.title()));
    }

    fn tell(&mut self, written: Written) {
        let Written { revision, path, purpose, result } = written;
        match result {
            Err(error) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.state.say(Tone::Error, format!("{name} could not be written: {error}"));
            }
            Ok(target) => {
                self.state.document.mark_exported(target, revision, purpose == Purpose::Save);
                let kept = previous(&path);
                let name = kept.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let kept = if kept.is_file() { format!("; the file before it is {name}") } else { String::new() };
                self.state.say(Tone::Plain, format!("Wrote {}{kept}", path.display()));
            }
        }
    }

    /// Keeps the window open where changes would be lost, and asks.
    pub(super) fn watch_close(&mut self, ctx: &egui::Context) {
        if ctx.input(|input| input.viewport().close_requested())
            && let Some(why) = self.state.document.at_risk()
        {
            ctx.send_viewport_cmd(egui::ViewportCommand::CancelClose);
            self.dialog = Some(Dialog::Unwritten { why, then: None });
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
        self.exporter.write(document, path, if own { Purpose::Save } else { Purpose::Export }, move || ctx.request_repaint());
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

    /// Lets go of what is open; the project is written as far as the disk takes it.
    pub(super) fn close_document(&mut self) {
        self.assistant.cancel();
        self.pending = None;
        self.exporter.finish();
        self.state = State::new(self.state.settings.clone());
    }
}
