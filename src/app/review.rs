//! Deciding about refined masks, one at a time: each that is taken is one step of the history. A review shows the masks
//! of one image; that of a polished data set goes from image to image.

use std::sync::Arc;

use super::App;
use super::panel::dialog::{Dialog, PolishForm};
use super::polish::{self, Finding, Job, Next, Plan, Polished, Told};
use super::state::{Change, PolishState, Review, Tone};
use crate::annotation::{Edit, ImageId, InstanceId};
use crate::geometry::Size;
use crate::mask::{PixelRect, rle};

impl App {
    /// Shows `changes` of an image, to be decided one by one.
    pub(super) fn start_review(&mut self, image: ImageId, changes: Vec<Change>) {
        self.state.review = Some(Review { image, changes });
        self.show_change();
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
        let Some(review) = &mut self.state.review else { return };
        if review.changes.is_empty() {
            self.state.review = None;
            return;
        }
        let (image, change) = (review.image, review.changes.remove(0));
        let left = review.changes.len();
        if left == 0 {
            self.state.review = None;
        }
        if takes {
            self.state.set_masks("Refine mask", image, &[(change.id, &change.after)]);
        }
        if let Some(polished) = &mut self.polished {
            polished.decide(change.id);
            if left == 0 {
                self.show_finding(0);
            }
        }
        self.show_change();
        let more = if left > 0 { format!("; {left} more to look at") } else { String::new() };
        self.state.say(Tone::Plain, format!("{}{more}", if takes { "Took the refined mask" } else { "Left the mask as it was" }));
    }

    /// Takes or leaves all changes that are left, as one step.
    pub(super) fn decide_all(&mut self, takes: bool) {
        let review = self.state.review.take();
        let image = review.as_ref().map(|review| review.image).or_else(|| self.state.shown().map(|image| image.id));
        let shown = review.map(|review| review.changes).unwrap_or_default();
        let polished = self.polished.take();
        let others = polished.iter().flat_map(|polished| &polished.findings);
        let others = others.filter(|finding| shown.iter().all(|change| change.id.0 != finding.id));
        let others = others.filter_map(|finding| self.change(finding)).map(|(_, change)| change);
        let edit = |change: Change| {
            let mut instance = self.state.document.instance(change.id)?.clone();
            instance.set_mask(&change.after);
            Some(Edit::Replace(Box::new(instance)))
        };
        let edits: Vec<Edit> = shown.iter().cloned().chain(others).filter_map(edit).collect();
        let count = edits.len();
        if takes && let Err(error) = self.state.document.commit("Refine masks", image, &Edit::Batch(edits)) {
            return self.state.say(Tone::Error, error.to_string());
        }
        if let Some(mut polished) = polished {
            polished.decide_all();
        }
        self.sync_polish();
        let verb = if takes { "Took" } else { "Left" };
        self.state.say(Tone::Plain, format!("{verb} {count} refined mask{}", super::perform::plural(count)));
    }

    /// Asks what is to be polished.
    pub(super) fn ask_polish(&mut self) {
        let told = self.journal();
        let plan = Plan { category: None, least_area: 512, strength: self.state.settings.strength, band_px: self.state.settings.band_px };
        self.dialog = Some(Dialog::Polish(PolishForm::new(plan, told.as_ref().map(|told| told.findings.len() + told.decided.len()))));
    }

    fn journal(&self) -> Option<Told> {
        polish::read(&polish::journal_path(self.folders.state(), self.state.document.source.path()?))
    }

    /// Starts to polish by `plan`; without one, goes on with the job that was broken off.
    pub(super) fn start_polish(&mut self, plan: Option<Plan>, ctx: &egui::Context) {
        self.polished = None;
        self.assistant.cancel_later();
        let (plan, told) = match (plan, self.journal()) {
            (Some(plan), _) => (plan, None),
            (None, Some(told)) => (told.plan.clone(), Some(told)),
            (None, None) => return self.state.say(Tone::Plain, "There is no polishing to go on with"),
        };
        let wake = ctx.clone();
        match Job::start(&self.state.document, self.folders.state(), (plan, told), move || wake.request_repaint()) {
            Ok(job) => self.polish = Some(job),
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
            return self.review_polished();
        }
        if self.polished.take().is_some() {
            self.state.review = None;
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
            Some(Next::Finished) => self.review_polished(),
            Some(Next::Wait) | None => {}
        }
        self.sync_polish();
    }

    /// Takes what the models found for the job.
    pub(super) fn polished(&mut self, outcome: Result<Vec<crate::assist::Refinement>, String>) {
        let Some(job) = &mut self.polish else { return };
        let failure = match outcome {
            Ok(refinements) => job.answered(&refinements).err().map(|error| format!("The polish journal cannot be written: {error}")),
            Err(message) => Some(format!("Polishing rests, the model failed: {message}")),
        };
        if let Some(text) = failure {
            job.pause(true);
            self.state.say(Tone::Error, text);
        }
    }

    fn review_polished(&mut self) {
        let Some(job) = self.polish.take() else { return };
        let mut polished = job.finish();
        if polished.findings.is_empty() {
            polished.decide_all();
        }
        let count = polished.findings.len();
        let text = match count {
            0 => "Polished: every mask stays as it is".to_owned(),
            _ => format!("Polished: {count} mask{} changed, the largest change first", super::perform::plural(count)),
        };
        self.polished = Some(polished);
        self.show_finding(0);
        self.state.say(Tone::Plain, text);
    }

    /// Shows the change at `index` of the polished ones; those of objects that changed meanwhile are dropped.
    pub(super) fn show_finding(&mut self, index: usize) {
        let next = loop {
            let Some(finding) = self.polished.as_ref().and_then(|polished| polished.findings.get(index)) else { break None };
            let found = self.change(finding);
            if found.is_some() {
                break found;
            }
            let id = InstanceId(finding.id);
            if let Some(polished) = &mut self.polished {
                polished.decide(id);
            }
        };
        match next {
            Some((image, change)) => {
                let place = self.state.document.place(image);
                if let Some(place) = place.filter(|&place| place != self.state.image) {
                    self.go_to(place);
                }
                self.start_review(image, vec![change]);
            }
            None => self.polished = self.polished.take().filter(|polished| !polished.findings.is_empty()),
        }
        self.sync_polish();
    }

    /// The change of a finding, where its object is as it was.
    fn change(&self, finding: &Finding) -> Option<(ImageId, Change)> {
        let instance = self.state.document.instance(InstanceId(finding.id))?;
        let size: Size = self.state.document.dataset().image(instance.image_id)?.size;
        let before = instance.mask(size).ok().filter(|mask| polish::fingerprint(mask) == finding.before)?;
        let counts = rle::from_text(finding.after.as_deref()?).ok()?;
        rle::check(size, &counts).ok()?;
        let after = rle::decode_window(size, &counts, PixelRect::of(size));
        Some((instance.image_id, Change { id: instance.id, before: Arc::new(before), after: Arc::new(after) }))
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
