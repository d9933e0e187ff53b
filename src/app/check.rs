//! The health check of the open data set, on a thread of its own: what it found, and where each finding leads.

use std::sync::Arc;

use super::App;
use super::command::Target;
use super::document::Document;
use super::state::Tone;
use crate::annotation::{ImageId, InstanceId};
use crate::formats::check::{Health, check};
use crate::formats::{Problem, Record, Severity, Warning};
use crate::job::{self, Cancel, Latest, Progress};

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// The record and what is odd about it.
    pub text: String,
    /// How much it weighs.
    pub severity: Severity,
    /// Its kind.
    pub code: &'static str,
    /// What a click on it shows.
    pub target: Option<Target>,
}

impl From<&Warning> for Row {
    fn from(warning: &Warning) -> Self {
        let target = match (&warning.problem, &warning.record) {
            (Problem::DuplicateId { kept_as }, _) => Some(Target::Object(InstanceId(*kept_as))),
            (_, Record::Annotation(id)) => Some(Target::Object(InstanceId(*id))),
            (_, Record::Image(id)) => Some(Target::Image(ImageId(*id))),
            _ => None,
        };
        let (problem, text) = (&warning.problem, format!("{} {}", warning.record, warning.problem));
        Self { text, severity: problem.severity(), code: problem.code(), target }
    }
}

/// The check of the open document.
#[derive(Default)]
pub(super) struct Check {
    /// Whether its window is shown.
    pub open: bool,
    /// The kind of finding that is listed; all where none is chosen.
    pub kind: Option<&'static str>,
    /// How far a check that runs has come.
    pub progress: Option<Progress>,
    /// What was found, the gravest first, with the document's revision.
    pub found: Option<(u64, Arc<[Row]>)>,
    running: Option<Running>,
}

struct Running {
    cancel: Cancel,
    revision: u64,
    progress: Latest<Progress>,
    result: Latest<Option<Health>>,
}

impl Check {
    /// Whether a check runs.
    pub(super) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Stops a check that runs.
    pub(super) fn cancel(&mut self) {
        if let Some(running) = self.running.take() {
            running.cancel.cancel();
        }
        self.progress = None;
    }

    fn start(&mut self, document: &Document, ctx: &egui::Context) -> std::io::Result<()> {
        self.cancel();
        let running =
            Running { cancel: Cancel::new(), revision: document.revision(), progress: Latest::default(), result: Latest::default() };
        let (cancel, progress, result) = (running.cancel.clone(), running.progress.clone(), running.result.clone());
        let (dataset, folder, ctx) = (document.shared(), document.image_folder.clone(), ctx.clone());
        let origin = document.source.path().map(std::path::Path::to_path_buf).unwrap_or_default();
        job::spawn("check", move || {
            let health = check(&dataset, &origin, Some(&folder), &cancel, &mut |at| {
                progress.publish(at);
                ctx.request_repaint();
            });
            result.publish(health);
            ctx.request_repaint();
        })?;
        self.running = Some(running);
        Ok(())
    }

    /// Takes what the thread has found; true when it has just come to its end.
    fn poll(&mut self, document: &Document) -> bool {
        let Some(running) = &self.running else { return false };
        self.progress = running.progress.take().or_else(|| self.progress.take());
        let Some(health) = running.result.take() else { return false };
        let revision = running.revision;
        self.cancel();
        let Some(health) = health else { return false };
        let known = |target: &Target| match target {
            Target::Object(id) => document.instance(*id).is_some(),
            Target::Image(_) => true,
        };
        let rows = document.warnings.iter().chain(&health.report.warnings).map(Row::from);
        let mut rows: Vec<Row> = rows.filter(|row| row.target.as_ref().is_none_or(known)).collect();
        rows.sort_by_key(|row| row.severity);
        self.found = Some((revision, rows.into()));
        true
    }
}

impl App {
    /// Shows the window of the check and begins one.
    pub(super) fn check(&mut self, ctx: &egui::Context) {
        self.check.open = true;
        if let Err(error) = self.check.start(&self.state.document, ctx) {
            self.state.say(Tone::Error, format!("The check cannot run: {error}"));
        }
    }

    /// Takes what a running check has found.
    pub(super) fn collect_check(&mut self) {
        if self.check.poll(&self.state.document)
            && let Some((_, rows)) = &self.check.found
        {
            let count = rows.len();
            let text = if count == 1 { "The check found 1 thing".to_owned() } else { format!("The check found {count} things") };
            self.state.say(Tone::Plain, text);
        }
    }

    /// Goes to what a finding is about.
    pub(super) fn lead_to(&mut self, target: Target) {
        let (image, instance) = match target {
            Target::Image(image) => (image, None),
            Target::Object(id) => match self.state.document.instance(id) {
                Some(instance) => (instance.image_id, Some((id, instance.bbox))),
                None => return self.state.say(Tone::Warning, "This object is not there any more"),
            },
        };
        let Some(index) = self.state.document.place(image) else {
            return self.state.say(Tone::Warning, "The image of this object is not in the file");
        };
        self.go_to(index);
        if let Some((id, bbox)) = instance {
            self.state.selection = vec![id];
            self.canvas.view.show(bbox);
        }
    }
}
