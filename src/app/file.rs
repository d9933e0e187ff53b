//! Opening, saving and closing, seen from the window: everything slow runs elsewhere.

use std::path::{Path, PathBuf};

use super::App;
use super::check::Check;
use super::command::Command;
use super::document::Source;
use super::exemplar::Exemplars;
use super::export::{Purpose, Written};
use super::open::{OWN_FILE, Opened, Opening};
use super::panel::dialog::{Candidate, Dialog, Search};
use super::recent;
use super::state::{State, Tone};
use super::task::Task;
use crate::disk::name;
use crate::formats::coco::ReadError;
use crate::job::{self, Latest, Progress};
use crate::store::{self, Choice, Places, StoreError};

/// What the thread that opens a path says.
#[derive(Debug)]
pub(super) enum News {
    /// One image can be looked at.
    First(Box<Opened>),
    /// All is there, or why not; with the data sets that were opened last.
    Done(anyhow::Result<Box<Opened>>, Vec<PathBuf>),
}

/// A path that is being opened. Another path does not want it any more.
#[derive(Debug)]
pub(super) struct Pending {
    path: PathBuf,
    news: Latest<News>,
    /// How far it is.
    pub task: Task,
}

impl App {
    /// Carries out a command about opening.
    pub(super) fn perform_on_opening(&mut self, command: Command, ctx: &egui::Context) {
        match command {
            Command::Open(path) => self.open(&path, ctx),
            Command::OpenCopy { path, places, choice } => self.open_with(path, Some((places, choice)), ctx),
            Command::Abandon(then) => self.abandon(then, ctx),
            Command::OpenRecent => self.dialog = Some(Dialog::Recent(Search::default())),
            _ => {}
        }
    }

    /// Begins to open a path; asks first where changes would be lost, and waits for a file that is being written.
    pub(super) fn open(&mut self, path: &Path, ctx: &egui::Context) {
        if self.is_writing() {
            self.after_writing = Some(Command::Open(path.to_path_buf()));
            return self.state.say(Tone::Plain, "It is opened as soon as the file is written");
        }
        let has_project = |path: PathBuf| Places::of(&path, self.folders.state()).all().any(Path::is_file);
        if !path.exists() && !std::path::absolute(path).is_ok_and(has_project) {
            self.state.recent.retain(|other| other != path);
            recent::forget(self.folders.state(), path);
            return self.state.say(Tone::Error, format!("There is no {}", path.display()));
        }
        if self.may_leave(Some(path)) {
            self.abandon(Some(path.to_path_buf()), ctx);
        }
    }

    /// Opens a path or closes the window, whatever is not written.
    pub(super) fn abandon(&mut self, then: Option<PathBuf>, ctx: &egui::Context) {
        let Some(path) = then else {
            self.close_document();
            return ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        };
        self.open_with(path, None, ctx);
    }

    /// Opens a path, whatever is not written, after what was chosen was done with a person's own copy of the project.
    fn open_with(&mut self, path: PathBuf, choice: Option<(Places, Choice)>, ctx: &egui::Context) {
        let before = self.leave_document();
        let pending = Pending { path: path.clone(), news: Latest::default(), task: Task::new("Opening") };
        let (news, mut report) = (pending.news.clone(), pending.task.reporter(ctx));
        let (state, ctx) = (self.folders.state().to_path_buf(), ctx.clone());
        self.pending = Some(pending);
        let work = move || {
            // A large document takes its time to go, and lets its project go first: it may be the one that is opened.
            drop(before);
            let wake = ctx.clone();
            let cancel = report.cancel.clone();
            let opening = Opening {
                state: &state,
                choice,
                cancel: &cancel,
                progress: &mut |progress| report.tell(progress),
                first: &mut |opened| {
                    news.publish(News::First(Box::new(opened)));
                    ctx.request_repaint();
                },
                wake: Box::new(move || wake.request_repaint()),
            };
            let done = opening.open(&path).map(Box::new);
            let opened = done.as_ref().ok().and_then(|opened| opened.document.source.path());
            let recent = opened.map(|opened| recent::keep(&state, opened)).unwrap_or_default();
            news.publish(News::Done(done, recent));
            ctx.request_repaint();
        };
        if let Err(error) = job::spawn("open", work) {
            self.pending = None;
            self.state.say(Tone::Error, format!("The file cannot be opened: {error}"));
        }
    }

    /// Takes what threads have finished: an opened file, a chosen path, a written file, a project that is behind.
    pub(super) fn collect(&mut self, ctx: &egui::Context) {
        if let Some(answer) = self.asked.take() {
            self.answered(answer, ctx);
        }
        match self.pending.as_mut().and_then(|pending| pending.news.take()) {
            None => {}
            Some(News::First(opened)) => self.show(*opened, ctx),
            Some(News::Done(Ok(opened), recent)) => {
                self.pending = None;
                self.state.recent = recent;
                self.complete(*opened, ctx);
                self.crop_exemplars(ctx);
                self.look_for_polish(ctx);
            }
            Some(News::Done(Err(error), _)) => self.explain(error),
        }
        if let Some(written) = self.exporter.poll(ctx) {
            self.tell(written);
            self.go_on_after_writing(ctx);
        }
        self.collect_look(ctx);
        self.watch_storage(ctx);
        self.go_on_leaving(ctx);
        // Before the keys, one of which may finish it.
        self.end_undrawable();
    }

    /// Says why a path cannot be opened, or asks what is meant.
    fn explain(&mut self, error: anyhow::Error) {
        let path = self.pending.take().map(|pending| pending.path);
        self.close_document();
        if let (Some(StoreError::Outdated { places }), Some(path)) = (error.downcast_ref::<StoreError>(), path) {
            self.dialog = Some(Dialog::Outdated { path, places: places.clone() });
            return;
        }
        match error.downcast::<ReadError>() {
            Ok(ReadError::Several { path, files }) => {
                let files = Candidate::all(files, self.folders.state());
                self.dialog = Some(Dialog::Several { folder: path, files });
            }
            Ok(error) => self.state.say(Tone::Error, error.to_string()),
            Err(error) => self.state.say(Tone::Error, format!("{error:#}")),
        }
    }

    /// Whether a file is being written, which closing or opening waits for.
    pub(super) fn is_writing(&self) -> bool {
        self.exporter.is_busy() || self.transfer.is_busy() || self.looking.is_some()
    }

    /// Does what waits for the writing, once all is written.
    pub(super) fn go_on_after_writing(&mut self, ctx: &egui::Context) {
        let is_writing = self.is_writing();
        if let Some(command) = self.after_writing.take_if(|_| !is_writing) {
            self.perform(command, ctx);
        }
    }

    /// Stops the reading or writing that the status bar shows; whether there was any.
    pub(super) fn stop_task(&mut self) -> bool {
        if self.pending.is_some() {
            self.close_document();
            self.state.say(Tone::Plain, "Opening stopped");
            return true;
        }
        self.after_writing = None;
        if self.leaving.take().is_some() {
            self.state.say(Tone::Plain, "It stays open");
            return true;
        }
        if self.looking.take().is_some() || self.stop_transfer() {
            self.state.say(Tone::Plain, "Stopped; nothing was written");
            return true;
        }
        self.exporter.stop()
    }

    /// How far the reading or writing is that the status bar shows.
    pub(super) fn task(&mut self) -> Option<Progress> {
        let task = self.pending.as_mut().map(|pending| &mut pending.task);
        let task = task.or_else(|| self.transfer.task()).or_else(|| self.exporter.task());
        let task = task.or_else(|| self.looking.as_mut().map(|looking| &mut looking.task));
        task.map(|task| task.progress().clone())
    }

    fn show(&mut self, opened: Opened, ctx: &egui::Context) {
        self.state = self.state.fresh();
        self.state.category = opened.document.class();
        self.state.exemplars = Exemplars::known(opened.document.exemplars(), opened.document.exemplars_away());
        self.state.document = opened.document;
        self.state.image = opened.image;
        self.check = Check::default();
        self.canvas.forget();
        tracing::debug!(whole = !self.state.document.is_loading(), "the first image is shown");
        self.pictures.clear();
        self.canvas.view.fit();
        self.arrive();
        self.state.begin_walk();
        let note = match self.state.left_to_look_at() {
            Some(left) => format!("{}; {left}", opened.note),
            None => opened.note,
        };
        self.state.say(Tone::Plain, note);
        ctx.send_viewport_cmd(egui::ViewportCommand::Title(self.title()));
    }

    /// Takes the whole document in the place of the part that was shown meanwhile.
    fn complete(&mut self, opened: Opened, ctx: &egui::Context) {
        if !self.state.document.is_loading() {
            return self.show(opened, ctx);
        }
        self.state.document = opened.document;
        self.arrive();
        self.state.begin_walk();
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
            let key = self.state.key(&Command::ExportAs);
            let text = format!("Your work is in memory only: {why}. It is tried again all the time; {key} writes elsewhere");
            self.state.say(Tone::Error, text);
        } else if self.state.document.source != Source::Nothing {
            self.state.say(Tone::Plain, "The project is written again");
        }
        self.storage_failure = failure;
        ctx.send_viewport_cmd(egui::ViewportCommand::Title(self.title()));
    }

    fn tell(&mut self, written: Written) {
        let Written { revision, version, path, purpose, result, stopped } = written;
        match result {
            Err(_) if stopped => self.state.say(Tone::Plain, format!("Stopped; {} is as it was", path.display())),
            Err(error) => self.state.say(Tone::Error, format!("{} could not be written: {error}", name(&path))),
            Ok((target, kept)) => {
                self.state.document.mark_exported(target, revision, version, purpose != Purpose::Export);
                let kept = kept.map(|kept| format!("; the file before it is {}", name(&kept))).unwrap_or_default();
                self.state.say(Tone::Plain, format!("Wrote {}{kept}", path.display()));
            }
        }
    }

    /// Keeps the window open where changes would be lost, and asks; and until a file is written.
    pub(super) fn watch_close(&mut self, ctx: &egui::Context) {
        if !ctx.input(|input| input.viewport().close_requested()) {
            return;
        }
        if self.is_writing() {
            ctx.send_viewport_cmd(egui::ViewportCommand::CancelClose);
            self.after_writing = Some(Command::Quit);
            self.state.say(Tone::Plain, "The window closes as soon as the file is written; Esc stops the writing");
        } else if !self.may_leave(None) {
            ctx.send_viewport_cmd(egui::ViewportCommand::CancelClose);
        }
    }

    /// Saves to the file that was opened; for a folder without one, beside the images.
    pub(super) fn save(&mut self, ctx: &egui::Context) {
        // What is there meanwhile is one image's objects.
        if self.is_loading() || self.looks_first(Command::Save, ctx) {
            return;
        }
        let document = &self.state.document;
        match (&document.target, &document.source) {
            (Some(target), _) if self.is_overtaken() => {
                self.dialog = Some(Dialog::Overtaken(target.clone()));
            }
            (Some(target), _) if document.is_written() && target.is_file() => {
                let text = format!("{} holds everything already", target.display());
                self.state.say(Tone::Plain, text);
            }
            (Some(target), _) => self.write(&target.clone(), ctx),
            (None, Source::Folder(folder)) if !folder.join(OWN_FILE).exists() => {
                self.write(&folder.join(OWN_FILE), ctx);
            }
            (None, Source::Nothing) => {}
            (None, _) => self.ask(&Command::ExportAs, ctx),
        }
    }

    /// Writes the annotations to a path. What others wrote into the file that is saved is kept.
    pub(super) fn write(&mut self, path: &Path, ctx: &egui::Context) {
        if self.is_loading() {
            return;
        }
        let document = &self.state.document;
        let own = match (&document.target, &document.source) {
            (Some(target), _) => target == path,
            (None, Source::Folder(folder)) => path.parent() == Some(folder),
            (None, _) => false,
        };
        if own && self.looks_first(Command::Export(path.to_path_buf()), ctx) {
            return;
        }
        let purpose = match own {
            false => Purpose::Export,
            true if self.is_overtaken() => Purpose::Overwrite,
            true => Purpose::Save,
        };
        self.exporter.write(&self.state.document, path, purpose, ctx);
    }

    /// Lets go of what is open; the project is written as far as the disk takes it.
    pub(super) fn close_document(&mut self) {
        drop(self.leave_document());
    }

    /// Leaves what is open to the caller, who lets it go.
    fn leave_document(&mut self) -> State {
        self.keep_strokes();
        self.stop_models();
        self.awaited.clear();
        self.trainer.leave();
        self.drop_batch();
        self.held.clear();
        // It would ask about what is no longer there.
        self.dialog = None;
        self.canvas.forget();
        self.pending = None;
        self.looking = None;
        self.leaving = None;
        let fresh = self.state.fresh();
        std::mem::replace(&mut self.state, fresh)
    }
}
