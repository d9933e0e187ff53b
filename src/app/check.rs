//! The health check of the open data set, on a thread of its own: what it found, and where each finding leads.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::App;
use super::command::Target;
use super::document::Document;
use super::perform::plural;
use super::state::Tone;
use crate::annotation::{CategoryId, Dataset, ImageId, InstanceId};
use crate::formats::check::{Health, check};
use crate::formats::{Problem, Record, Severity, Warning};
use crate::job::{self, Cancel, Latest, Progress};

/// So many classes are named of which the same is found.
const NAMED: usize = 3;

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

impl Row {
    /// What `warning` says of a record of `dataset`, with the name of its class.
    fn new(warning: &Warning, dataset: &Dataset) -> Self {
        let target = match (&warning.problem, &warning.record) {
            (Problem::DuplicateId { kept_as }, _) => Some(Target::Object(InstanceId(*kept_as))),
            (_, Record::Annotation(id)) => Some(Target::Object(InstanceId(*id))),
            (_, Record::Image(id)) => Some(Target::Image(ImageId(*id))),
            _ => None,
        };
        let class = |id: i64| dataset.category(CategoryId(id)).map(|category| format!("class “{}” ({id})", category.name));
        let record = match warning.record {
            Record::Category(id) => class(id),
            _ => None,
        };
        let problem = match warning.problem {
            Problem::NotAbsent(id) => class(id).map(|class| format!("has an object of {class}, which is marked as verified absent there")),
            _ => None,
        };
        let record = record.unwrap_or_else(|| warning.record.to_string());
        let text = format!("{record} {}", problem.unwrap_or_else(|| warning.problem.to_string()));
        Self { text, severity: warning.problem.severity(), code: warning.problem.code(), target }
    }

    /// What all of `warnings` say, each of a class of `dataset`, in one line; `None` where there are none.
    fn of_classes(warnings: &[&Warning], dataset: &Dataset) -> Option<Self> {
        let (&first, others) = warnings.split_first()?;
        let row = Self::new(first, dataset);
        if others.is_empty() {
            return Some(row);
        }
        let name = |warning: &&Warning| match warning.record {
            Record::Category(id) => dataset.category(CategoryId(id)).map_or_else(|| id.to_string(), |class| class.name.clone()),
            _ => warning.record.to_string(),
        };
        let names: Vec<String> = warnings.iter().take(NAMED).map(name).collect();
        let left = warnings.len() - names.len();
        let left = if left > 0 { format!(" and {left} other{}", plural(left)) } else { String::new() };
        let said = first.problem.to_string();
        let said = said.strip_prefix("has ").unwrap_or(&said);
        let text = format!("{} classes have {said}: {}{left}", warnings.len(), names.join(", "));
        Some(Self { text, ..row })
    }
}

/// What a check found, ready to be listed.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The document's revision.
    pub revision: u64,
    /// The findings, the gravest first, each kind together.
    pub rows: Vec<Row>,
    /// Each kind with its rows.
    pub kinds: Vec<(&'static str, Range<usize>)>,
}

impl Found {
    /// What `health` says of `dataset`, and what its reader said that still is so.
    fn new(revision: u64, dataset: &Dataset, read: &[Warning], health: &Health) -> Self {
        let objects: HashSet<InstanceId> = dataset.instances.iter().map(|instance| instance.id).collect();
        let is_there = |row: &Row| !matches!(row.target, Some(Target::Object(id)) if !objects.contains(&id));
        // Of hundreds of classes the same may be found, which would bury all else.
        let (mut unused, mut rare, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for warning in read.iter().chain(&health.report.warnings) {
            match warning.problem {
                Problem::UnusedCategory => unused.push(warning),
                Problem::RareCategory => rare.push(warning),
                _ => rows.extend(Some(Row::new(warning, dataset)).filter(is_there)),
            }
        }
        rows.extend([unused, rare].iter().filter_map(|classes| Row::of_classes(classes, dataset)));
        rows.sort_by_key(|row| (row.severity, row.code));
        let mut kinds: Vec<(&'static str, Range<usize>)> = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            match kinds.last_mut() {
                Some((code, range)) if *code == row.code => range.end = place + 1,
                _ => kinds.push((row.code, place..place + 1)),
            }
        }
        Self { revision, rows, kinds }
    }
}

/// The check of the open document.
#[derive(Default)]
pub(super) struct Check {
    /// Whether its window is shown.
    pub open: bool,
    /// The kind of finding that is listed, by its place in [`Found::kinds`]; all where none is chosen.
    pub kind: Option<usize>,
    /// How far a check that runs has come.
    pub progress: Option<Progress>,
    /// What was found.
    pub found: Option<Arc<Found>>,
    running: Option<Running>,
}

struct Running {
    cancel: Cancel,
    revision: u64,
    progress: Latest<Progress>,
    result: Latest<Option<Found>>,
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

    /// Closes the window; whether it was open.
    pub(super) fn close(&mut self) -> bool {
        self.cancel();
        std::mem::take(&mut self.open)
    }

    fn start(&mut self, document: &Document, ctx: &egui::Context) -> std::io::Result<()> {
        self.cancel();
        let running =
            Running { cancel: Cancel::new(), revision: document.revision(), progress: Latest::default(), result: Latest::default() };
        let (cancel, progress, result) = (running.cancel.clone(), running.progress.clone(), running.result.clone());
        let (dataset, folder, ctx) = (document.shared(), document.image_folder.clone(), ctx.clone());
        let origin = document.source.path().map(std::path::Path::to_path_buf).unwrap_or_default();
        let (read, revision) = (document.warnings.clone(), running.revision);
        job::spawn("check", move || {
            let health = check(&dataset, &origin, Some(&folder), &cancel, &mut |at| {
                progress.publish(at);
                ctx.request_repaint();
            });
            result.publish(health.map(|health| Found::new(revision, &dataset, &read, &health)));
            ctx.request_repaint();
        })?;
        self.running = Some(running);
        Ok(())
    }

    /// Takes what the thread has found; true when it has just come to its end.
    fn poll(&mut self) -> bool {
        let Some(running) = &self.running else { return false };
        self.progress = running.progress.take().or_else(|| self.progress.take());
        let Some(found) = running.result.take() else { return false };
        self.cancel();
        let Some(found) = found else { return false };
        self.kind = None;
        self.found = Some(Arc::new(found));
        true
    }
}

impl App {
    /// Shows the window of the check and begins one; where that is open and `toggles`, closes it.
    pub(super) fn check(&mut self, toggles: bool, ctx: &egui::Context) {
        if (toggles && self.check.close()) || self.is_loading() {
            return;
        }
        self.check.open = true;
        if let Err(error) = self.check.start(&self.state.document, ctx) {
            self.state.say(Tone::Error, format!("The check cannot run: {error}"));
        }
    }

    /// Takes what a running check has found.
    pub(super) fn collect_check(&mut self) {
        if self.check.poll()
            && let Some(found) = &self.check.found
        {
            let count = found.rows.len();
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::annotation::Category;
    use crate::formats::Report;
    use crate::formats::check::Summary;

    #[test]
    fn findings_name_the_classes_that_are_known() {
        let category = Category { id: CategoryId(3), name: "kite".to_owned(), supercategory: String::new(), source: None };
        let dataset = Dataset { categories: vec![category], ..Dataset::default() };
        let said =
            |record: Record, problem: Problem| Row::new(&Warning { origin: Path::new("a.json").into(), record, problem }, &dataset).text;
        assert_eq!(said(Record::Category(3), Problem::UnusedCategory), "class “kite” (3) has no object");
        assert_eq!(said(Record::Category(4), Problem::UnusedCategory), "category 4 has no object");
        let found = said(Record::Image(1), Problem::NotAbsent(3));
        assert_eq!(found, "image 1 has an object of class “kite” (3), which is marked as verified absent there");
    }

    #[test]
    fn classes_of_which_the_same_is_found_share_a_line_behind_what_is_graver() {
        let class = |id: i64| Category { id: CategoryId(id), name: format!("class {id}"), supercategory: String::new(), source: None };
        let dataset = Dataset { categories: (1..=38).map(class).collect(), ..Dataset::default() };
        let of = |record: Record, problem: Problem| Warning { origin: Path::new("a.json").into(), record, problem };
        let mut warnings: Vec<Warning> = (1..=38).map(|id| of(Record::Category(id), Problem::RareCategory)).collect();
        warnings.extend([7, 8].map(|id| of(Record::Category(id), Problem::UnusedCategory)));
        warnings.push(of(Record::Image(1), Problem::NoSize));
        let summary = Summary { images: 1, images_without_objects: 1, objects: 0, categories: 38, imbalance: 1.0 };
        let health = Health { report: Report { warnings }, summary };
        let found = Found::new(0, &dataset, &[], &health);
        let texts: Vec<&str> = found.rows.iter().map(|row| row.text.as_str()).collect();
        let expected = [
            "image 1 has no width or no height",
            "38 classes have fewer than 10 objects: class 1, class 2, class 3 and 35 others",
            "2 classes have no object: class 7, class 8",
        ];
        assert_eq!(texts, expected);
    }
}
