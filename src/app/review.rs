//! Deciding about refined masks, one at a time: each that is taken is one step of the history. A review shows the masks
//! of one image; that of a polished data set goes from image to image, and what was left in it comes back by undo too.

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;

use super::App;
use super::command::Command;
use super::document::Document;
use super::polish::{Finding, Job, Next, Polished};
use super::state::{Change, PolishState, Review, Tone};
use crate::annotation::{Edit, ImageId, InstanceId, Shape};
use crate::geometry::Size;
use crate::store::Judgement;

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
            let size = self.state.document.image_of(instance.image_id).map_or_else(Size::default, |image| image.size);
            self.canvas.view.show_closely(change.closeup(instance.bbox, size));
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
        self.state.document.forget_mark();
        let is_outdated = is_outdated(&self.state.document, &change);
        if takes && !is_outdated {
            if self.state.set_shapes("Refine mask", Some(image), std::iter::once(taken(&change))).is_empty() {
                return;
            }
            // Who takes it has looked at it.
            self.state.leave_proposed(&[change.id]);
            self.state.document.judge([(change.id, Judgement::LOOKED_AT)]);
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
            0 if is_polish => format!("; all changes are decided, {} takes the last decision back", self.state.key(&Command::Undo)),
            0 => String::new(),
            _ => format!("; {left} more to look at"),
        };
        self.state.say(tone, format!("{what}{more}"));
    }

    /// Takes or leaves all changes that are left of the review, as one step. Without one it takes those of the polished data
    /// set, as the button of their list does.
    pub(super) fn decide_all(&mut self, takes: bool) {
        let Some(review) = &self.state.review else {
            return match self.polished.as_ref().map_or(0, |polished| polished.findings.len()) {
                0 => self.state.say(Tone::Plain, "There are no refined masks to decide about"),
                _ if takes => self.decide_polished(true),
                count => {
                    self.state.say(Tone::Plain, format!("No change is shown; with nothing selected, Enter shows the first of {count}"));
                }
            };
        };
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
        self.state.document.forget_mark();
        let document = &self.state.document;
        let Some(polished) = &mut self.polished else { return };
        let refined = |finding: &Finding| finding.refined(document).map(|(instance, after)| (instance.id, after));
        let shapes: Vec<(InstanceId, Shape)> = polished.findings.par_iter().filter_map(refined).collect();
        let fresh: HashSet<InstanceId> = shapes.iter().map(|(id, _)| *id).collect();
        polished.findings.retain(|finding| fresh.contains(&InstanceId(finding.id)));
        let image = self.state.shown().map(|image| image.id);
        let note = format!("; {} takes that back", self.state.key(&Command::Undo));
        if self.commit_all(takes, image, shapes, &note) {
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
        if self.polish.is_some() {
            // It goes on until it can end: what the models are asked for is still wanted.
            if !self.is_loading() {
                self.assistant.cancel_later();
                self.end_polish(true);
            }
            return;
        }
        if let Some(goes_on) = self.close_polished() {
            self.leave_finding();
            let rest = "The rest of the review is kept: Polish data set goes on with it";
            self.state.say(Tone::Plain, if goes_on { rest } else { "All changes are decided" });
        }
        self.sync_polish();
    }

    /// Moves polishing on; called every frame.
    pub(super) fn tick_polish(&mut self, ctx: &egui::Context) {
        self.collect_journal(ctx);
        self.collect_unfinished();
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
        match self.polish.as_mut().filter(|job| may_ask || job.has_ended()).map(|job| job.next(&self.state.document)) {
            Some(Next::Ask(request)) => {
                if !self.assistant.start_later(request) {
                    self.pause_polish();
                    self.state.say(Tone::Warning, "There is no model here to polish with");
                }
            }
            Some(Next::Finished) => self.end_polish(false),
            Some(Next::Wait) | None => {}
        }
        if !self.state.document.is_loading() && self.polish.as_ref().is_some_and(Job::has_ended) {
            ctx.request_repaint();
        }
        self.sync_polish();
    }

    /// Takes what the models found for the job.
    pub(super) fn polished(&mut self, outcome: Result<Vec<crate::assist::Refinement>, String>) {
        let Some(job) = self.polish.as_mut().filter(|job| !job.has_ended()) else { return };
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
        let Some(job) = self.polish.as_mut().filter(|job| !job.has_ended()) else { return };
        job.pause(true);
        self.state.say(Tone::Error, format!("Polishing rests, there is no model: {message}; Go on tries once more"));
    }

    /// Ends the job and lists what it has found, now or in one of the next frames. Whoever stopped it sees the largest change
    /// next; a job may also end while a person draws: nothing is shown unasked.
    pub(super) fn end_polish(&mut self, is_stopped: bool) {
        // What is read so far are one image's objects: the others would pass for gone.
        if self.state.document.is_loading() {
            return;
        }
        let Some(mut job) = self.polish.take() else { return };
        if !job.end(is_stopped, &self.state.document) {
            self.polish = Some(job);
            return self.sync_polish();
        }
        // Where comparing took many frames, the person is at something else by now.
        let shows = is_stopped && self.dialog.is_none() && !self.canvas.is_busy();
        let polished = job.finish();
        let summary = polished.summary();
        let is_empty = polished.findings.is_empty();
        self.polished = Some(polished);
        if is_empty {
            self.close_polished();
        }
        if shows {
            self.show_finding(0);
        }
        let next = if is_empty || shows { "" } else { "; with nothing selected, Enter begins the review" };
        self.state.say(Tone::Plain, format!("{summary}{next}"));
        self.sync_polish();
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
    pub(super) fn sync_polish(&mut self) {
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
    use crate::annotation::{CategoryId, Dataset, Image, Instance};
    use crate::app::document::Source;
    use crate::app::settings::Folders;
    use crate::app::{App, Base};
    use crate::geometry::{Point, Rect};
    use crate::mask::Mask;
    use crate::store::Contents;

    fn app(folder: &std::path::Path, ctx: &egui::Context) -> App {
        let format = wgpu::TextureFormat::Rgba8Unorm;
        App::new(ctx, Base { format, adapter: String::new(), folders: Folders::at(folder), models: None })
    }

    #[test]
    fn a_small_change_of_a_large_mask_is_brought_near() {
        let (folder, ctx) = (tempfile::tempdir().unwrap(), egui::Context::default());
        let mut app = app(folder.path(), &ctx);
        let (size, hole) = (Size::new(1000, 800), Rect::new(300.0, 300.0, 10.0, 10.0));
        let (whole, hole) = (Mask::filled(size, Rect::new(100.0, 100.0, 800.0, 600.0)), Mask::filled(size, hole));
        let refined = Mask::from_fn(size, |x, y| whole.get(x, y) && !hole.get(x, y));
        let mut instance = Instance::boxed(InstanceId(1), ImageId(1), CategoryId(1), Rect::default());
        instance.set_mask(&whole);
        let shape = |mask: &Mask| Arc::new(Shape::from_mask(mask));
        let change = Change { id: InstanceId(1), before: shape(&whole), after: shape(&refined) };
        let images = vec![Image { id: ImageId(1), file_name: "1.png".to_owned(), size, source: None }];
        let dataset = Dataset { images, instances: vec![instance], ..Dataset::default() };
        app.state.document = Document::new(Contents { dataset, ..Contents::default() }, Source::Nothing, false);
        let area = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(1000.0, 800.0));
        app.canvas.view.layout(area, size);
        assert!(app.canvas.view.scale() < 1.0, "all is seen");
        app.start_review(ImageId(1), vec![change], false);
        app.canvas.view.layout(area, size);
        let seen = app.canvas.view.visible();
        assert!(app.canvas.view.scale() > 2.0 && seen.contains(Point::new(305.0, 305.0)), "{seen:?}");
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
