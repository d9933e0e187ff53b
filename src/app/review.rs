//! Deciding about refined masks, one at a time: each that is taken is one step of the history. A review shows the masks
//! of one image; that of a polished data set goes from image to image, and what was left in it comes back by undo too.

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;

use super::App;
use super::document::Document;
use super::panel::dialog::{Dialog, PolishForm};
use super::polish::{self, Finding, Job, Next, Plan, Polished, Told};
use super::state::{Change, PolishState, Review, Tone};
use crate::annotation::{Edit, ImageId, InstanceId, Shape};

impl App {
    /// Shows `changes` of an image, to be decided one by one.
    pub(super) fn start_review(&mut self, image: ImageId, changes: Vec<Change>, is_polish: bool) {
        self.put_review_off();
        self.state.review = Some(Review { image, changes, is_polish });
        self.show_change();
    }

    /// Ends the review; one of refined masks goes on when its image is shown again.
    pub(super) fn put_review_off(&mut self) {
        if let Some(mut review) = self.state.review.take().filter(|review| !review.is_polish) {
            let earlier = self.state.put_off.remove(&review.image).map_or_else(Vec::new, |review| review.changes);
            let is_other = |change: &Change| review.changes.iter().all(|own| own.id != change.id);
            let others: Vec<Change> = earlier.into_iter().filter(is_other).collect();
            review.changes.extend(others);
            self.state.put_off.insert(review.image, review);
        }
    }

    /// Goes on with the review of the shown image, where one was put off.
    pub(super) fn take_review_up(&mut self) {
        let Some(review) = self.state.shown().map(|image| image.id).and_then(|image| self.state.put_off.remove(&image)) else { return };
        self.state.review = Some(review);
        self.drop_outdated();
        if let Some(review) = &self.state.review {
            let left = review.changes.len();
            self.state.say(Tone::Plain, format!("{left} refined mask{} still to look at", super::perform::plural(left)));
        }
        self.show_change();
    }

    /// Drops the changes of masks that are no longer as they were when they were refined.
    pub(super) fn drop_outdated(&mut self) {
        let Some(mut review) = self.state.review.take() else { return };
        let document = &self.state.document;
        review.changes.retain(|change| !is_outdated(document, change));
        self.state.review = Some(review).filter(|review| !review.changes.is_empty());
    }

    fn show_change(&mut self) {
        let Some(change) = self.state.review.as_ref().and_then(|review| review.changes.first()) else { return };
        self.state.selection = vec![change.id];
        if let Some(instance) = self.state.document.instance(change.id) {
            self.canvas.view.show_closely(instance.bbox);
        }
    }

    /// Takes or leaves the change that is shown, and shows the next one. A mask that changed since it was refined stays.
    pub(super) fn decide(&mut self, takes: bool) {
        if takes && self.is_loading() {
            return;
        }
        let Some(review) = &self.state.review else { return };
        let (image, is_polish) = (review.image, review.is_polish);
        let Some(change) = review.changes.first().cloned() else {
            self.state.review = None;
            return;
        };
        let is_outdated = is_outdated(&self.state.document, &change);
        let after = std::iter::once(taken(&change));
        if takes && !is_outdated && self.state.set_shapes("Refine mask", Some(image), after).is_empty() {
            return;
        }
        if let Some(review) = &mut self.state.review {
            review.changes.retain(|other| other.id != change.id);
        }
        self.drop_outdated();
        let mut left = self.state.review.as_ref().map_or(0, |review| review.changes.len());
        if is_polish && let Some(polished) = &mut self.polished {
            let place = polished.findings.iter().position(|finding| finding.id == change.id.0);
            if !is_outdated {
                let steps = self.state.document.history().done().len();
                polished.decide(takes, steps, |finding| finding.id == change.id.0);
            }
            self.show_finding(place.unwrap_or(0));
            left = self.polished.as_ref().map_or(0, |polished| polished.findings.len());
            if self.state.review.is_none() {
                self.take_review_up();
            }
        }
        self.show_change();
        let (tone, what) = match (takes, is_outdated) {
            (true, true) => (Tone::Warning, "The mask changed since it was refined and stays as it is"),
            (true, false) => (Tone::Plain, "Took the refined mask"),
            (false, _) => (Tone::Plain, "Left the mask as it was"),
        };
        let more = match left {
            0 if is_polish => "; all changes are decided, Ctrl+Z takes the last decision back".to_owned(),
            0 => String::new(),
            _ => format!("; {left} more to look at"),
        };
        self.state.say(tone, format!("{what}{more}"));
    }

    /// Takes or leaves all changes that are left of the review, as one step.
    pub(super) fn decide_all(&mut self, takes: bool) {
        let Some(review) = &self.state.review else { return };
        if review.is_polish {
            return self.decide_polished(takes);
        }
        self.drop_outdated();
        let Some(review) = &self.state.review else { return };
        let (image, shapes) = (review.image, review.changes.iter().map(taken).collect());
        if self.commit_all(takes, Some(image), shapes, "") {
            self.state.review = None;
        }
    }

    /// Takes or leaves all changes of the polished data set, as one step.
    pub(super) fn decide_polished(&mut self, takes: bool) {
        if self.is_loading() {
            return;
        }
        let document = &self.state.document;
        let Some(polished) = &mut self.polished else { return };
        let refined = |finding: &Finding| finding.refined(document).map(|(instance, after)| (instance.id, after));
        let shapes: Vec<(InstanceId, Shape)> = polished.findings.par_iter().filter_map(refined).collect();
        let fresh: HashSet<InstanceId> = shapes.iter().map(|(id, _)| *id).collect();
        polished.findings.retain(|finding| fresh.contains(&InstanceId(finding.id)));
        let image = self.state.shown().map(|image| image.id);
        if self.commit_all(takes, image, shapes, "; Ctrl+Z takes that back") {
            self.leave_finding();
            let steps = self.state.document.history().done().len();
            if let Some(polished) = &mut self.polished {
                polished.decide(takes, steps, |_| true);
            }
        }
        self.sync_polish();
    }

    /// Says how many were taken or left, and `note`; false where they cannot be taken.
    fn commit_all(&mut self, takes: bool, image: Option<ImageId>, shapes: Vec<(InstanceId, Shape)>, note: &str) -> bool {
        let count = shapes.len();
        if takes && count > 0 && self.state.set_shapes("Refine masks", image, shapes.into_iter()).is_empty() {
            return false;
        }
        let verb = if takes { "Took" } else { "Left" };
        self.state.say(Tone::Plain, format!("{verb} {count} refined mask{}{note}", super::perform::plural(count)));
        true
    }

    /// Ends the review where it shows a change of the polished data set.
    pub(super) fn leave_finding(&mut self) {
        if self.state.review.take_if(|review| review.is_polish).is_some() {
            self.take_review_up();
        }
    }

    /// Offers the polished changes once more that were left, where nothing was done since; whether there were any.
    pub(super) fn put_left_back(&mut self) -> bool {
        let steps = self.state.document.history().done().len();
        let Some(polished) = &mut self.polished else { return false };
        let Some((label, place)) = polished.left(steps).zip(polished.put_back(false, steps)) else { return false };
        self.show_finding(place);
        self.state.say(Tone::Plain, format!("Taken back: {label}"));
        true
    }

    /// Follows a step of the history, which `inverse` reverses: polished changes whose taking was taken back are offered
    /// once more, and those of masks that are done again are out of the list.
    pub(super) fn review_again(&mut self, redo: bool, inverse: &Edit) {
        let steps = self.state.document.history().done().len();
        let Some(polished) = &mut self.polished else { return };
        if redo {
            let mut ids = HashSet::new();
            gather_reshaped(&self.state.document, inverse, &mut ids);
            polished.decide(true, steps, |finding| ids.contains(&InstanceId(finding.id)));
            self.sync_polish();
        } else if let Some(place) = polished.put_back(true, steps + 1) {
            self.show_finding(place);
        }
    }

    /// Ends the review of the polished data set; whether there was one and there is more to go on with.
    pub(super) fn close_polished(&mut self) -> Option<bool> {
        self.polished.take().map(Polished::close)
    }

    /// Whether objects are still being read; says so.
    pub(super) fn is_loading(&mut self) -> bool {
        let is_loading = self.state.document.is_loading();
        if is_loading {
            self.state.say(Tone::Warning, "Objects of other images are still being read; try again in a moment");
        }
        is_loading
    }

    /// Asks what is to be polished.
    pub(super) fn ask_polish(&mut self) {
        if self.is_loading() || self.is_polishing() {
            return;
        }
        let is_done = self.polished.as_ref().is_some_and(Polished::is_done);
        let told = self.journal().filter(|_| !is_done).map(|told| {
            let undecided = told.findings.iter().filter(|finding| finding.after.is_some()).count();
            (told.findings.len() + told.decided.len(), undecided)
        });
        let plan = Plan { category: None, least_area: 512, strength: self.state.settings.strength, band_px: self.state.settings.band_px };
        self.dialog = Some(Dialog::Polish(PolishForm::new(plan, told)));
    }

    /// Whether a polish job runs or rests; says so.
    fn is_polishing(&mut self) -> bool {
        if self.polish.is_some() {
            self.state.say(Tone::Warning, "A polish job runs already; Stop polishing ends it");
        }
        self.polish.is_some()
    }

    fn journal(&self) -> Option<Told> {
        polish::read(&polish::journal_path(self.folders.state(), self.state.document.source.path()?))
    }

    /// Starts to polish by `plan`; without one, goes on with the job that was broken off.
    pub(super) fn start_polish(&mut self, plan: Option<Plan>, ctx: &egui::Context) {
        if self.is_loading() || self.is_polishing() {
            return;
        }
        self.leave_finding();
        self.close_polished();
        let (plan, told) = match (plan, self.journal()) {
            (Some(plan), _) => (plan, None),
            (None, Some(told)) => (told.plan.clone(), Some(told)),
            (None, None) => return self.state.say(Tone::Plain, "There is no polishing to go on with"),
        };
        let wake = ctx.clone();
        match Job::start(&self.state.document, self.folders.state(), (plan, told), move || wake.request_repaint()) {
            Ok(job) => {
                let is_done = job.progress().done == job.progress().total;
                self.polish = Some(job);
                // Nothing is left to wait for but the person who goes on.
                if is_done {
                    self.show_polished();
                }
            }
            Err(error) => self.state.say(Tone::Error, format!("Polishing cannot start: {error}")),
        }
        self.sync_polish();
    }

    /// Lets polishing rest or go on.
    pub(super) fn pause_polish(&mut self) {
        if let Some(job) = &mut self.polish {
            let rests = !job.is_paused();
            job.pause(rests);
            if rests {
                self.assistant.cancel_later();
            }
        }
        self.sync_polish();
    }

    /// Ends polishing, or the review of it; a job that is ended shows what it has found.
    pub(super) fn stop_polish(&mut self) {
        self.assistant.cancel_later();
        if self.polish.is_some() {
            return self.show_polished();
        }
        if let Some(goes_on) = self.close_polished() {
            self.leave_finding();
            let rest = "The rest of the review is kept: Polish data set goes on with it";
            self.state.say(Tone::Plain, if goes_on { rest } else { "All changes are decided" });
        }
        self.sync_polish();
    }

    /// Moves polishing on; called every frame.
    pub(super) fn tick_polish(&mut self) {
        let source = self.state.document.source.path();
        if self.polish.as_ref().is_some_and(|job| Some(job.source.as_path()) != source) {
            self.polish = None;
            self.assistant.cancel_later();
        }
        if self.polished.as_ref().is_some_and(|polished| Some(polished.source()) != source) {
            self.close_polished();
        }
        // The batch has the place of what can wait first.
        let may_ask = !self.is_batch_asked();
        match self.polish.as_mut().filter(|_| may_ask).map(|job| job.next(&self.state.document)) {
            Some(Next::Ask(request)) => {
                if !self.assistant.start_later(request) {
                    self.pause_polish();
                    self.state.say(Tone::Warning, "There is no model here to polish with");
                }
            }
            Some(Next::Finished) => self.end_polish(),
            Some(Next::Wait) | None => {}
        }
        self.sync_polish();
    }

    /// Takes what the models found for the job.
    pub(super) fn polished(&mut self, outcome: Result<Vec<crate::assist::Refinement>, String>) {
        let Some(job) = &mut self.polish else { return };
        let failure = match outcome {
            Ok(refinements) => job.answered(&refinements).err().map(|error| format!("The polish journal cannot be written: {error}")),
            Err(message) => match job.failed() {
                Some(count) => {
                    let text =
                        format!("{count} mask{} left out, the model failed twice: {message}", super::perform::plural(count as usize));
                    return self.state.say(Tone::Warning, text);
                }
                None => Some(format!("Polishing rests, the model failed: {message}; Go on tries once more")),
            },
        };
        if let Some(text) = failure {
            job.pause(true);
            self.state.say(Tone::Error, text);
        }
    }

    /// Lets polishing rest where there are no models, which is no fault of the masks.
    pub(super) fn unpolished(&mut self, message: &str) {
        let Some(job) = &mut self.polish else { return };
        job.pause(true);
        self.state.say(Tone::Error, format!("Polishing rests, there is no model: {message}; Go on tries once more"));
    }

    /// Ends the job and lists what it has found. A job may end while a person draws: nothing is shown unasked.
    fn end_polish(&mut self) {
        // What is read so far are one image's objects: the others would pass for gone.
        if self.state.document.is_loading() {
            return;
        }
        let Some(job) = self.polish.take() else { return };
        let polished = job.finish(&self.state.document);
        self.state.say(Tone::Plain, polished.summary());
        let is_empty = polished.findings.is_empty();
        self.polished = Some(polished);
        if is_empty {
            self.close_polished();
        }
        self.sync_polish();
    }

    /// Ends the job as a person wishes, who sees the largest change next.
    fn show_polished(&mut self) {
        self.end_polish();
        let summary = self.state.message.take();
        self.show_finding(0);
        self.state.message = summary;
    }

    /// Shows the change at `index` of the polished ones, the first where there are not so many; those of objects that
    /// changed meanwhile are dropped.
    pub(super) fn show_finding(&mut self, index: usize) {
        if self.is_loading() {
            return;
        }
        let document = &self.state.document;
        let found = self.polished.as_mut().and_then(|polished| {
            let place = polished.place_of_fresh(index, |finding| finding.refined(document).is_some())?;
            change(document, polished.findings.get(place)?)
        });
        if let Some((image, change)) = found {
            if let Some(place) = self.state.document.place(image).filter(|&place| place != self.state.image) {
                self.go_to(place);
            }
            self.start_review(image, vec![change], true);
        }
        self.sync_polish();
    }

    /// Tells the panels how polishing stands.
    fn sync_polish(&mut self) {
        let steps = self.state.document.history().done().len();
        self.state.polish = match (&self.polish, &self.polished) {
            (Some(job), _) => PolishState::Running { progress: job.progress(), paused: job.is_paused() },
            (None, Some(polished)) => PolishState::Review { undecided: polished.findings.len(), undo: polished.left(steps) },
            (None, None) => PolishState::Idle,
        };
    }
}

/// The change of a finding and its image, where its object is as it was.
fn change(document: &Document, finding: &Finding) -> Option<(ImageId, Change)> {
    let (instance, after) = finding.refined(document)?;
    Some((instance.image_id, Change { id: instance.id, before: Arc::new(instance.shape.clone()), after: Arc::new(after) }))
}

/// Whether a mask is no longer as it was when it was refined.
fn is_outdated(document: &Document, change: &Change) -> bool {
    document.instance(change.id).is_none_or(|instance| instance.shape != *change.before)
}

/// Gathers the objects that a step, which `inverse` reverses, took away or gave another outline.
fn gather_reshaped(document: &Document, inverse: &Edit, ids: &mut HashSet<InstanceId>) {
    match inverse {
        Edit::Batch(edits) => edits.iter().for_each(|edit| gather_reshaped(document, edit, ids)),
        Edit::Replace(before) if document.instance(before.id).is_some_and(|now| now.shape == before.shape) => {}
        Edit::Replace(instance) | Edit::Insert { instance, .. } => {
            ids.insert(instance.id);
        }
        _ => {}
    }
}

/// What taking a change gives its object.
fn taken(change: &Change) -> (InstanceId, Shape) {
    (change.id, Shape::clone(&change.after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::command::Command;
    use crate::app::document::Source;
    use crate::app::settings::Folders;
    use crate::app::{App, Base};
    use crate::store::Contents;

    fn app(folder: &std::path::Path, ctx: &egui::Context) -> App {
        let format = wgpu::TextureFormat::Rgba8Unorm;
        App::new(ctx, Base { format, adapter: String::new(), folders: Folders::at(folder), models: None })
    }

    #[test]
    fn no_finding_is_lost_while_objects_are_read() {
        let (folder, ctx) = (tempfile::tempdir().unwrap(), egui::Context::default());
        let mut app = app(folder.path(), &ctx);
        app.state.document = Document::new(Contents::default(), Source::Folder(folder.path().to_path_buf()), true);
        let path = polish::journal_path(app.folders.state(), folder.path());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let plan = Plan { category: None, least_area: 0, strength: 0.5, band_px: None };
        let text = format!(
            "{{\"plan\":{}}}\n{}\n",
            serde_json::to_string(&plan).unwrap(),
            r#"{"finding":{"id":1,"before":7,"change":0.5,"added":1,"removed":2,"after":"0n0"}}"#
        );
        std::fs::write(&path, &text).unwrap();
        assert_eq!(polish::read(&path).unwrap().findings.len(), 1);
        for command in [Command::Polish, Command::ResumePolish, Command::StartPolish(plan)] {
            app.state.message = None;
            app.perform(command, &ctx);
            assert!(app.polish.is_none() && app.polished.is_none() && app.dialog.is_none());
            assert_eq!(app.state.message.as_ref().unwrap().tone, Tone::Warning);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        let told = polish::read(&path).unwrap();
        app.polish = Some(Job::start(&app.state.document, app.folders.state(), (told.plan.clone(), Some(told)), || {}).unwrap());
        app.perform(Command::StopPolish, &ctx);
        assert!(app.polish.is_some() && polish::read(&path).unwrap().findings.len() == 1);
    }

    #[test]
    fn cancel_leaves_the_mask_under_review_before_it_stops_anything_else() {
        let (folder, ctx) = (tempfile::tempdir().unwrap(), egui::Context::default());
        let mut app = app(folder.path(), &ctx);
        app.state.review = Some(Review { image: ImageId(1), changes: Vec::new(), is_polish: false });
        app.after_writing = Some(Command::Quit);
        app.perform(Command::Cancel, &ctx);
        assert!(app.state.review.is_none() && app.after_writing.is_some());
        app.perform(Command::Cancel, &ctx);
        assert!(app.after_writing.is_none());
    }
}
