//! Beginning to polish a data set, or going on with a job that was broken off. A long journal of that job is read on a thread
//! of its own.

use std::collections::HashSet;
use std::path::PathBuf;

use super::App;
use super::command::Command;
use super::document::Document;
use super::panel::dialog::{Dialog, PolishForm};
use super::panel::polish::Earlier;
use super::polish::{self, Job, Plan, Polished, Told};
use super::state::Tone;
use super::task;
use crate::annotation::InstanceId;
use crate::job::Latest;

/// A journal up to this length is read in a few milliseconds.
const SHORT_BYTES: u64 = 1 << 20;

/// What a journal is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// The form of a job.
    Form,
    /// The job, which goes on.
    Job,
}

/// A journal that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    path: PathBuf,
    need: Need,
    told: Latest<Option<Told>>,
}

impl App {
    /// Carries out a command that begins to polish, unless the models work on a whole data set already.
    pub(super) fn perform_on_polish(&mut self, command: Command, ctx: &egui::Context) {
        match command {
            _ if self.is_batch_running() => {}
            Command::Polish => self.ask_polish(ctx),
            Command::StartPolish(plan) => self.start_polish(Some(plan), ctx),
            _ => self.start_polish(None, ctx),
        }
    }

    /// Asks what is to be polished.
    fn ask_polish(&mut self, ctx: &egui::Context) {
        if !self.is_loading() && !self.is_polishing() {
            self.unfinished = None;
            self.read_journal(Need::Form, ctx);
        }
    }

    /// Starts to polish by `plan`; without one, goes on with the job that was broken off.
    fn start_polish(&mut self, plan: Option<Plan>, ctx: &egui::Context) {
        if self.is_loading() || self.is_polishing() {
            return;
        }
        self.unfinished = None;
        // What was said before would pass for a word on this job.
        self.state.message = None;
        self.leave_finding();
        self.close_polished();
        match plan {
            Some(plan) => self.begin_polish(plan, None, ctx),
            None => self.read_journal(Need::Job, ctx),
        }
        self.sync_polish();
    }

    /// Takes a journal that was read.
    pub(super) fn collect_journal(&mut self, ctx: &egui::Context) {
        // A form never takes the place of a dialog that somebody types in.
        if self.dialog.is_some() && self.reading.as_ref().is_some_and(|reading| reading.need == Need::Form) {
            return;
        }
        let Some(told) = self.reading.as_ref().and_then(|reading| reading.told.take()) else { return };
        let Some(Reading { path, need, .. }) = self.reading.take() else { return };
        let is_wanted = self.polish.is_none() && !self.state.document.is_loading() && self.journal_path() == Some(path);
        if is_wanted {
            // The word that it is read has had its time.
            self.state.message = self.state.message.take().filter(|message| message.tone != Tone::Plain);
            self.use_journal(need, told, ctx);
        }
    }

    /// Whether a polish job runs or rests; says so.
    fn is_polishing(&mut self) -> bool {
        if self.polish.is_some() {
            self.state.say(Tone::Warning, "A polish job runs already; Stop polishing ends it");
        }
        self.polish.is_some()
    }

    pub(super) fn journal_path(&self) -> Option<PathBuf> {
        Some(polish::journal_path(self.folders.state(), self.state.document.source.path()?))
    }

    /// Reads the journal of the open document, and does then what it is needed for.
    fn read_journal(&mut self, need: Need, ctx: &egui::Context) {
        let Some(path) = self.journal_path() else { return self.use_journal(need, None, ctx) };
        let is_long = path.metadata().is_ok_and(|data| data.len() > SHORT_BYTES);
        if !is_long {
            return self.use_journal(need, polish::read(&path), ctx);
        }
        let journal = path.clone();
        match task::answer("journal", ctx, move || polish::read(&journal)) {
            Ok(told) => {
                self.reading = Some(Reading { path, need, told });
                self.state.say(Tone::Plain, "Reading what polishing has found so far…");
            }
            Err(error) => self.state.say(Tone::Error, format!("Polishing cannot start: {error}")),
        }
    }

    fn use_journal(&mut self, need: Need, told: Option<Told>, ctx: &egui::Context) {
        match (need, told) {
            (Need::Form, told) => self.show_form(told),
            (Need::Job, Some(told)) => self.begin_polish(told.plan.clone(), Some(told), ctx),
            (Need::Job, None) => self.state.say(Tone::Plain, "There is no polishing to go on with"),
        }
    }

    fn show_form(&mut self, told: Option<Told>) {
        let is_done = self.polished.as_ref().is_some_and(Polished::is_done);
        let earlier = told.filter(|_| !is_done).and_then(|told| earlier(&told, &self.state.document));
        let plan = Plan {
            category: None,
            least_area: 512,
            strength: self.state.settings.strength,
            band_px: self.state.settings.band_px,
            coarse: false,
        };
        self.dialog = Some(Dialog::Polish(PolishForm::new(plan, earlier)));
    }

    fn begin_polish(&mut self, plan: Plan, told: Option<Told>, ctx: &egui::Context) {
        // What is asked for by now comes before a form that waits.
        self.reading = None;
        let wake = ctx.clone();
        match Job::start(&self.state.document, self.folders.state(), (plan, told), move || wake.request_repaint()) {
            Ok(job) => {
                let is_done = job.progress().done == job.progress().total;
                self.polish = Some(job);
                // Nothing is left to wait for but the person who goes on.
                if is_done {
                    self.end_polish(true);
                }
            }
            Err(error) => self.state.say(Tone::Error, format!("Polishing cannot start: {error}")),
        }
    }
}

/// How far the job came that `told` is of; `None` where nothing is left of it.
fn earlier(told: &Told, document: &Document) -> Option<Earlier> {
    let findings = told.findings.iter().map(|finding| InstanceId(finding.id));
    let known: HashSet<InstanceId> = findings.chain(told.decided.iter().copied()).collect();
    let objects = document.dataset().instances.iter();
    let left = objects.filter(|instance| told.plan.covers(instance) && !known.contains(&instance.id)).count();
    let undecided = told.findings.iter().filter(|finding| finding.after.is_some()).count();
    (left > 0 || undecided > 0).then_some(Earlier { done: known.len(), left, undecided })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::app::Base;
    use crate::app::command::Command;
    use crate::app::document::Source;
    use crate::app::settings::Folders;
    use crate::store::Contents;

    const PLAN: Plan = Plan { category: None, least_area: 0, strength: 0.5, band_px: None, coarse: false };

    /// A window over a folder without images, whose journal has `count` findings, with the journal's path and text.
    fn app(folder: &std::path::Path, ctx: &egui::Context, is_loading: bool, count: usize) -> (App, PathBuf, String) {
        let format = wgpu::TextureFormat::Rgba8Unorm;
        let mut app = App::new(ctx, Base { format, adapter: String::new(), folders: Folders::at(folder), models: None });
        app.state.document = Document::new(Contents::default(), Source::Folder(folder.to_path_buf()), is_loading);
        let path = app.journal_path().unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let finding = |id| {
            let finding = r#""before":7,"change":0.5,"added":1,"removed":2,"after":"0n0""#;
            format!("{{\"finding\":{{\"id\":{id},{finding}}}}}\n")
        };
        let plan = serde_json::to_string(&PLAN).unwrap();
        let text: String = std::iter::once(format!("{{\"plan\":{plan}}}\n")).chain((0..count).map(finding)).collect();
        std::fs::write(&path, &text).unwrap();
        assert_eq!(polish::read(&path).unwrap().findings.len(), count);
        (app, path, text)
    }

    #[test]
    fn no_finding_is_lost_while_objects_are_read() {
        let (folder, ctx) = (tempfile::tempdir().unwrap(), egui::Context::default());
        let (mut app, path, text) = app(folder.path(), &ctx, true, 1);
        for command in [Command::Polish, Command::ResumePolish, Command::StartPolish(PLAN)] {
            app.state.message = None;
            app.perform(command, &ctx);
            assert!(app.polish.is_none() && app.polished.is_none() && app.dialog.is_none());
            assert_eq!(app.state.message.as_ref().unwrap().tone, Tone::Warning);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        let told = polish::read(&path).unwrap();
        app.polish = Some(Job::start(&app.state.document, app.folders.state(), (told.plan.clone(), Some(told)), || {}).unwrap());
        app.state.message = None;
        app.perform(Command::StopPolish, &ctx);
        assert!(app.polish.is_some() && polish::read(&path).unwrap().findings.len() == 1);
        assert_eq!(app.state.message.as_ref().unwrap().tone, Tone::Warning, "it says why it goes on");
    }

    #[test]
    fn the_window_does_not_wait_for_a_long_journal() {
        let (folder, ctx) = (tempfile::tempdir().unwrap(), egui::Context::default());
        let (mut app, path, _) = app(folder.path(), &ctx, false, 20_000);
        let until = |app: &mut App, holds: &dyn Fn(&App) -> bool| {
            let start = Instant::now();
            while !holds(app) {
                assert!(start.elapsed() < Duration::from_mins(3), "nothing comes");
                std::thread::sleep(Duration::from_millis(2));
                app.tick_polish(&ctx);
            }
        };
        app.perform(Command::Polish, &ctx);
        assert!(app.reading.is_some() && app.dialog.is_none());
        until(&mut app, &|app| matches!(app.dialog, Some(Dialog::Polish(_))));
        app.perform(Command::ResumePolish, &ctx);
        assert!(app.reading.is_some() && app.polish.is_none());
        until(&mut app, &|app| app.reading.is_none() && app.polish.is_none());
        let said = &app.state.message.as_ref().unwrap().text;
        assert_eq!(said, "Polished: no change to decide about", "all objects are gone");
        assert!(!path.exists());
    }
}
