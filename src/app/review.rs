//! Deciding about refined masks, one at a time: each that is taken is one step of the history. A review shows the masks
//! of one image; that of a polished data set goes from image to image.

use std::sync::Arc;

use super::App;
use super::panel::dialog::{Dialog, PolishForm};
use super::polish::{self, Finding, Job, Next, Plan, Polished, Told};
use super::state::{Change, PolishState, Review, Tone};
use crate::annotation::{ImageId, InstanceId, Shape};
use crate::geometry::Size;
use crate::mask::rle;

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
        review.changes.retain(|change| document.instance(change.id).is_some_and(|instance| instance.shape == *change.before));
        self.state.review = Some(review).filter(|review| !review.changes.is_empty());
    }

    fn show_change(&mut self) {
        let Some(change) = self.state.review.as_ref().and_then(|review| review.changes.first()) else { return };
        self.state.selection = vec![change.id];
        if let Some(instance) = self.state.document.instance(change.id) {
            self.canvas.view.show(instance.bbox);
        }
    }

    /// Takes or leaves the change that is shown, and shows the next one.
    pub(super) fn decide(&mut self, takes: bool) {
        if takes && self.is_loading() {
            return;
        }
        let Some(review) = &mut self.state.review else { return };
        if review.changes.is_empty() {
            self.state.review = None;
            return;
        }
        let (image, change, is_polish) = (review.image, review.changes.remove(0), review.is_polish);
        let mut left = review.changes.len();
        if left == 0 {
            self.state.review = None;
        }
        let after = takes.then(|| taken(&change)).into_iter();
        let took = !self.state.set_shapes("Refine mask", Some(image), after).is_empty();
        if is_polish && let Some(polished) = &mut self.polished {
            let place = polished.findings.iter().position(|finding| finding.id == change.id.0);
            if took {
                polished.take(change.id);
            } else {
                polished.decide(change.id);
            }
            self.show_finding(place.unwrap_or(0));
            left = self.polished.as_ref().map_or(0, |polished| polished.findings.len());
            if self.state.review.is_none() {
                self.take_review_up();
            }
        }
        self.show_change();
        let more = if left > 0 { format!("; {left} more to look at") } else { String::new() };
        self.state.say(Tone::Plain, format!("{}{more}", if took { "Took the refined mask" } else { "Left the mask as it was" }));
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
        if self.commit_all(takes, Some(image), shapes) {
            self.state.review = None;
        }
    }

    /// Takes or leaves all changes of the polished data set, as one step.
    pub(super) fn decide_polished(&mut self, takes: bool) {
        if takes && self.is_loading() {
            return;
        }
        let findings = self.polished.iter().flat_map(|polished| &polished.findings);
        let shapes = findings.filter_map(|finding| Some(taken(&self.change(finding)?.1))).collect();
        let image = self.state.shown().map(|image| image.id);
        if self.commit_all(takes, image, shapes) {
            self.leave_finding();
            if let Some(mut polished) = self.polished.take() {
                polished.decide_all();
            }
        }
        self.sync_polish();
    }

    /// Says how many were taken or left; false where they cannot be taken.
    fn commit_all(&mut self, takes: bool, image: Option<ImageId>, shapes: Vec<(InstanceId, Shape)>) -> bool {
        let count = shapes.len();
        if takes && count > 0 && self.state.set_shapes("Refine masks", image, shapes.into_iter()).is_empty() {
            return false;
        }
        let verb = if takes { "Took" } else { "Left" };
        self.state.say(Tone::Plain, format!("{verb} {count} refined mask{}", super::perform::plural(count)));
        true
    }

    /// Ends the review where it shows a change of the polished data set.
    pub(super) fn leave_finding(&mut self) {
        if self.state.review.take_if(|review| review.is_polish).is_some() {
            self.take_review_up();
        }
    }

    /// Offers a polished change that was taken once more, where its object is again as it was.
    pub(super) fn review_again(&mut self) {
        let Some(mut polished) = self.polished.take() else { return };
        let place = polished.put_back(|finding| self.change(finding).is_some());
        self.polished = Some(polished);
        if let Some(place) = place {
            self.show_finding(place);
        }
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
        let told = self.journal().map(|told| {
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
        self.polished = None;
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
        if self.polished.take().is_some() {
            self.leave_finding();
            self.state.say(Tone::Plain, "The rest of the review is kept: Polish data set goes on with it");
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
            self.polished = None;
        }
        match self.polish.as_mut().map(Job::next) {
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

    /// Ends the job and lists what it has found. A job may end while a person draws: nothing is shown unasked.
    fn end_polish(&mut self) {
        let Some(job) = self.polish.take() else { return };
        let mut polished = job.finish();
        self.state.say(Tone::Plain, polished.summary());
        if polished.findings.is_empty() {
            polished.decide_all();
        } else {
            self.polished = Some(polished);
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
        while let Some(polished) = &self.polished {
            let Some(finding) = polished.findings.get(index).or_else(|| polished.findings.first()) else {
                self.polished = None;
                break;
            };
            let id = InstanceId(finding.id);
            if let Some((image, change)) = self.change(finding) {
                if let Some(place) = self.state.document.place(image).filter(|&place| place != self.state.image) {
                    self.go_to(place);
                }
                self.start_review(image, vec![change], true);
                break;
            }
            if let Some(polished) = &mut self.polished {
                polished.decide(id);
            }
        }
        self.sync_polish();
    }

    /// The change of a finding, where its object is as it was.
    fn change(&self, finding: &Finding) -> Option<(ImageId, Change)> {
        let instance = self.state.document.instance(InstanceId(finding.id))?;
        let size: Size = self.state.document.dataset().image(instance.image_id)?.size;
        instance.shape.runs(instance.bbox, size).ok().filter(|counts| polish::fingerprint(counts) == finding.before)?;
        let counts = rle::from_text(finding.after.as_deref()?).ok()?;
        rle::check(size, &counts).ok()?;
        let after = Arc::new(Shape::Rle { size, counts, compressed: true });
        Some((instance.image_id, Change { id: instance.id, before: Arc::new(instance.shape.clone()), after }))
    }

    /// Tells the panels how polishing stands.
    fn sync_polish(&mut self) {
        self.state.polish = match (&self.polish, &self.polished) {
            (Some(job), _) => PolishState::Running { progress: job.progress(), paused: job.is_paused() },
            (None, Some(Polished { findings, .. })) => {
                // The list is long and rarely changes.
                match std::mem::take(&mut self.state.polish) {
                    PolishState::Review(list) if list.len() == findings.len() => PolishState::Review(list),
                    _ => PolishState::Review(findings.clone()),
                }
            }
            (None, None) => PolishState::Idle,
        };
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
    use crate::app::document::{Document, Source};
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
