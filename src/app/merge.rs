//! Adds the objects of another COCO file to what is open, as one step. The file is read and compared on the thread of
//! imports and exports; where the data set changes meanwhile, it is compared once more.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use super::App;
use super::command::Command;
use super::document::Source;
use super::panel::dialog::Dialog;
use super::perform::plural;
use super::state::Tone;
use super::transfer::Done;
use crate::annotation::{Dataset, Edit};
use crate::disk;
use crate::formats::coco;
use crate::formats::merge::Additions;
use crate::job::Watch;

/// A file whose objects are to be added.
#[derive(Debug)]
pub(super) struct Merge {
    path: PathBuf,
    other: Arc<Dataset>,
    /// How many things its reader found odd.
    oddities: usize,
    /// What was open when it was asked for.
    into: Source,
    plan: Option<Plan>,
}

/// What is added, and to what.
#[derive(Debug)]
struct Plan {
    base: Weak<Dataset>,
    edit: Edit,
    objects: usize,
    classes: usize,
    left_out: Vec<String>,
}

impl Plan {
    fn new(base: &Arc<Dataset>, added: Additions) -> Self {
        Self {
            base: Arc::downgrade(base),
            objects: added.instances.len(),
            classes: added.categories.len(),
            left_out: added.tally.sentences().collect(),
            edit: added.into_edit(base),
        }
    }
}

impl App {
    /// Reads a COCO file whose objects are to be added.
    pub(super) fn add_from(&mut self, path: &Path, ctx: &egui::Context) {
        if self.is_loading() {
            return;
        }
        let (path, into) = (path.to_path_buf(), self.state.document.source.clone());
        self.state.message = None;
        self.work("Reading annotations", ctx, move |report| {
            let cancel = report.cancel.clone();
            let (other, odd) = coco::read_with(&path, &cancel, &mut |progress| report.tell(progress))?;
            Ok(Done::Merge(Box::new(Merge { path, other: Arc::new(other), oddities: odd.warnings.len(), into, plan: None })))
        });
    }

    /// Adds what was found out about the data set as it is; about an earlier one, it is found out anew.
    pub(super) fn go_on_merging(&mut self, mut merge: Merge, ctx: &egui::Context) {
        if merge.into != self.state.document.source {
            self.state.say(Tone::Warning, "Something else is open by now; nothing was added");
            return self.go_on_after_writing(ctx);
        }
        let now = Arc::downgrade(&self.state.document.shared());
        match merge.plan.take_if(|plan| plan.base.ptr_eq(&now)) {
            None => self.compare(merge, ctx),
            Some(plan) => {
                self.add(&merge, &plan);
                // Large ones take their time to go.
                rayon::spawn(move || drop((merge, plan)));
                self.go_on_after_writing(ctx);
            }
        }
    }

    fn compare(&mut self, mut merge: Merge, ctx: &egui::Context) {
        if self.is_loading() {
            return;
        }
        let dataset = self.state.document.shared();
        self.work("Comparing annotations", ctx, move |report| {
            let cancel = report.cancel.clone();
            let watch = &mut Watch { cancel: &cancel, progress: &mut |progress| report.tell(progress) };
            merge.plan = Some(Plan::new(&dataset, Additions::of(&dataset, &merge.other, false, watch)?));
            Ok(Done::Merge(Box::new(merge)))
        });
    }

    fn add(&mut self, merge: &Merge, plan: &Plan) {
        let (objects, classes) = (plan.objects, plan.classes);
        let mut left_out = plan.left_out.clone();
        if merge.oddities > 0 {
            left_out.push(format!("{} records of the file are odd: Check tells why when it is opened", merge.oddities));
        }
        let name = disk::name(&merge.path);
        let listed = if left_out.is_empty() { "" } else { "; the details are listed" };
        if objects + classes == 0 {
            self.state.say(Tone::Plain, format!("There is nothing new in {name}{listed}"));
        } else {
            self.state.forget(&plan.edit);
            if !self.state.commit_as_is("Add annotations", None, &plan.edit) {
                return;
            }
            let classes = match classes {
                0 => String::new(),
                1 => " and 1 class".to_owned(),
                _ => format!(" and {classes} classes"),
            };
            let what = format!("{objects} object{}{classes}", plural(objects));
            let undo = self.state.key(&Command::Undo);
            self.state.say(Tone::Plain, format!("Added {what} from {name}: {undo} takes that back{listed}"));
        }
        if !left_out.is_empty() {
            self.dialog = Some(Dialog::LeftOut(left_out));
        }
    }
}
