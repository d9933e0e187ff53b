//! Masks for boxes that nobody waits for: those of images that a person has left before they came, and those of the whole
//! data set. The models get a few boxes at a time, after everything else that they are asked for; the answer is one step
//! of the history, so that a crash loses a few masks at most. Pictures are decoded on threads of their own, two ahead.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use image::RgbImage;

use super::App;
use super::assistant::{Outcome, at_once};
use super::command::Command;
use super::document::Document;
use super::duplicate::Duplicate;
use super::perform::plural;
use super::state::Tone;
use crate::annotation::{Image, ImageId, Instance, InstanceId, Shape};
use crate::assist::Proposal;
use crate::assist::service::Request;
use crate::formats::picture;
use crate::geometry::{Rect, Size};
use crate::job::{Progress, Stopwatch, spawn};

/// The most boxes that the models get together: a request that comes between starts them anew.
const MOST: usize = 4;

/// The most pictures that are decoded and wait.
const AHEAD: usize = 2;

/// Boxes of an image, with its pixels.
struct Part {
    image: ImageId,
    pixels: Arc<RgbImage>,
    ids: Vec<InstanceId>,
    /// Whether the models failed at it once.
    has_failed: bool,
}

/// Boxes on their way to masks in the background.
#[derive(Default)]
pub(super) struct Batch {
    /// Those whose picture nobody has begun to decode, by image.
    due: VecDeque<(ImageId, Vec<InstanceId>)>,
    /// Those whose picture is being decoded.
    decoding: Option<(ImageId, Vec<InstanceId>, Receiver<RgbImage>)>,
    /// Those whose picture is decoded.
    ready: VecDeque<Part>,
    /// Those that the models look at, with the boxes as they were when the models were asked.
    asked: Option<(Part, Vec<Rect>)>,
    total: usize,
    /// Those that are seen to: that have a mask now, ...
    done: usize,
    /// ... from here or from elsewhere; ...
    found: usize,
    /// ... in which nothing was found, or that were changed meanwhile; ...
    empty: usize,
    /// ... that cannot be used, or whose picture cannot.
    left_out: usize,
    /// Those with a mask that is nearly the one of another object.
    duplicates: Vec<Duplicate>,
    time: Stopwatch,
}

impl Batch {
    fn new() -> Self {
        Self { time: Stopwatch::started(), ..Self::default() }
    }

    /// Takes back what the models have not answered; whether there was any.
    fn take_back(&mut self) -> bool {
        let Some((part, _)) = self.asked.take() else { return false };
        self.ready.push_front(part);
        true
    }

    /// Takes the picture that was decoded, and has the next one decoded where there is room for it.
    fn decode(&mut self, document: &Document, ctx: &egui::Context) {
        if let Some((image, ids, receiver)) = self.decoding.take() {
            let size = document.image_of(image).map(|image| image.size);
            match receiver.try_recv() {
                Err(TryRecvError::Empty) => self.decoding = Some((image, ids, receiver)),
                Ok(pixels) if size == Some(Size::new(pixels.width(), pixels.height())) => {
                    self.ready.push_back(Part { image, pixels: Arc::new(pixels), ids, has_failed: false });
                }
                Ok(_) | Err(TryRecvError::Disconnected) => {
                    self.done += ids.len();
                    self.left_out += ids.len();
                }
            }
        }
        if self.decoding.is_none()
            && self.ready.len() < AHEAD
            && let Some((image, ids)) = self.due.pop_front()
        {
            let file = document.image_of(image).map(|image| document.image_file(image)).unwrap_or_default();
            let (sender, receiver) = sync_channel(1);
            let wake = ctx.clone();
            let work = move || {
                match picture::load_for(&file.path, file.told) {
                    // Nobody listens any more where the batch was stopped.
                    Ok(pixels) => drop(sender.send(pixels)),
                    Err(error) => tracing::warn!(%error, "the boxes of an image get no masks"),
                }
                drop(sender);
                wake.request_repaint();
            };
            self.decoding = Some((image, ids, receiver));
            // Without a thread nothing is sent, as where there is no picture.
            if let Err(error) = spawn("proposals", work) {
                tracing::warn!(%error, "no thread for decoding an image");
            }
        }
    }

    /// How far it is; the estimate leaves pauses out.
    fn progress(&self) -> Progress {
        Progress { label: "Proposing".to_owned(), done: self.done as u64, total: self.total as u64, elapsed: self.time.elapsed() }
    }

    /// What it did, in words.
    fn summary(&self) -> String {
        let found = format!("{} mask{} proposed in the background", self.found, plural(self.found));
        let rest = [(self.empty, "stayed a box"), (self.left_out, "left out"), (self.total - self.done, "not looked at")];
        let rest = rest.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("; {count} {what}"));
        std::iter::once(found).chain(rest).collect()
    }
}

impl App {
    /// Carries out a command for boxes that nobody waits for.
    pub(super) fn perform_on_batch(&mut self, command: &Command) {
        match command {
            Command::ProposeAll => self.propose_all(),
            Command::PauseProposing => self.pause_batch(),
            Command::StopProposing => self.stop_batch(),
            _ => {}
        }
    }

    /// Whether masks are proposed in the background; says so.
    pub(super) fn is_batch_running(&mut self) -> bool {
        if self.batch.is_some() {
            self.state.say(Tone::Warning, "Masks are proposed in the background; polishing can start when that is done or stopped");
        }
        self.batch.is_some()
    }

    /// Whether the models are asked about boxes that nobody waits for; for tests too.
    pub fn is_batch_asked(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.asked.is_some())
    }

    /// Lets boxes of an image that a person leaves get their masks in the background, before those whose picture nobody has
    /// begun to decode.
    pub(super) fn propose_later(&mut self, image: ImageId, ids: Vec<InstanceId>) {
        let count = ids.len();
        if count == 0 {
            return;
        }
        let batch = self.batch.get_or_insert_with(Batch::new);
        batch.total += count;
        batch.due.push_front((image, ids));
        let text = if batch.time.rests() {
            format!("Proposing is paused; {count} box{} of the image before wait", if count == 1 { "" } else { "es" })
        } else {
            format!("In the background: {count} mask{} for the image before", plural(count))
        };
        self.state.say(Tone::Plain, text);
    }

    /// Asks for a mask for every box of the data set.
    fn propose_all(&mut self) {
        if self.is_loading() {
            return;
        }
        if self.polish.is_some() {
            return self.state.say(Tone::Warning, "A polish job is under way; Stop polishing ends it");
        }
        let document = &self.state.document;
        let boxes = |image: &Image| -> (ImageId, Vec<InstanceId>) {
            let bare = document.objects(image.id).filter(|object| object.shape == Shape::Box && !object.crowd);
            (image.id, bare.map(|object| object.id).collect())
        };
        let due: VecDeque<(ImageId, Vec<InstanceId>)> =
            document.dataset().images.iter().map(boxes).filter(|(_, ids)| !ids.is_empty()).collect();
        let total: usize = due.iter().map(|(_, ids)| ids.len()).sum();
        // What one that runs has still to do is among them.
        self.drop_batch();
        if total == 0 {
            return self.state.say(Tone::Plain, "Every object of the data set has a mask");
        }
        self.batch = Some(Batch { due, total, ..Batch::new() });
    }

    /// Lets the batch rest or go on.
    fn pause_batch(&mut self) {
        let Some(batch) = &mut self.batch else { return };
        if batch.time.rests() {
            return batch.time.go_on();
        }
        batch.time.rest();
        if batch.take_back() {
            self.assistant.cancel_later();
        }
    }

    /// Ends the batch as a person wishes; the masks that came stay.
    pub(super) fn stop_batch(&mut self) {
        if let Some(batch) = self.drop_batch() {
            self.state.say_with_duplicates(&batch.duplicates, batch.summary());
        }
    }

    /// Gives up the boxes that wait, and what the models were asked for.
    pub(super) fn drop_batch(&mut self) -> Option<Batch> {
        let batch = self.batch.take()?;
        if batch.asked.is_some() {
            self.assistant.cancel_later();
        }
        self.held.retain(|outcome| !matches!(outcome, Outcome::Batched(_)));
        self.state.batch = None;
        Some(batch)
    }

    /// Moves the batch on; called every frame.
    pub(super) fn tick_batch(&mut self, ctx: &egui::Context) {
        self.state.batch = None;
        let Some(mut batch) = self.batch.take() else { return };
        // Whoever pauses or stops polishing gives up what waits, though it may be this.
        let is_held = self.held.iter().any(|outcome| matches!(outcome, Outcome::Batched(_)));
        if !self.assistant.has_later() && !is_held {
            batch.take_back();
        }
        batch.decode(&self.state.document, ctx);
        let rests = batch.time.rests() || self.assistant.has_later() || self.state.document.is_loading();
        if !rests
            && batch.asked.is_none()
            && let Some(request) = self.batch_request(&mut batch)
            && !self.assistant.start_later(request)
        {
            return self.state.say(Tone::Warning, "There is no model here; the boxes stay as they are");
        }
        if batch.done == batch.total {
            return self.state.say_with_duplicates(&batch.duplicates, batch.summary());
        }
        self.state.batch = Some((batch.progress(), batch.time.rests()));
        self.batch = Some(batch);
    }

    /// What to ask the models for next.
    fn batch_request(&self, batch: &mut Batch) -> Option<Request> {
        while let Some(mut part) = batch.ready.pop_front() {
            let size = Size::new(part.pixels.width(), part.pixels.height());
            let ids = part.ids.split_off(at_once(size).min(MOST).min(part.ids.len()));
            if !ids.is_empty() {
                batch.ready.push_front(Part { pixels: Arc::clone(&part.pixels), ids, has_failed: false, ..part });
            }
            // An id may have come to an object of another image.
            let is_bare = |object: &&Instance| object.shape == Shape::Box && object.image_id == part.image;
            let bare = part.ids.iter().filter_map(|&id| self.state.document.instance(id)).filter(is_bare);
            let (within, outside): (Vec<&Instance>, Vec<&Instance>) = bare.partition(|object| object.bbox.covers_some_of(size));
            batch.left_out += outside.len();
            batch.done += part.ids.len() - within.len();
            if !within.is_empty() {
                let prompts = within.iter().map(|object| self.prompt(object)).collect();
                let image = Arc::clone(&part.pixels);
                let ids = within.iter().map(|object| object.id).collect();
                batch.asked = Some((Part { ids, ..part }, within.iter().map(|object| object.bbox).collect()));
                return Some(Request::Propose { image, prompts, options: self.propose_options() });
            }
        }
        None
    }

    /// Takes what the models found in the boxes, where these are as they were. The selection stays.
    pub(super) fn batched(&mut self, outcome: Result<Vec<Proposal>, String>) {
        let Some(batch) = &mut self.batch else { return };
        let Some((mut part, boxes)) = batch.asked.take() else { return };
        let proposals = match outcome {
            Ok(proposals) => proposals,
            Err(message) => {
                batch.time.rest();
                let more = if std::mem::replace(&mut part.has_failed, true) {
                    batch.done += part.ids.len();
                    batch.left_out += part.ids.len();
                    "Go on leaves these boxes out"
                } else {
                    batch.ready.push_front(part);
                    "Go on tries once more"
                };
                return self.state.say(Tone::Error, format!("Proposing rests, the model failed: {message}; {more}"));
            }
        };
        batch.done += part.ids.len();
        let document = &self.state.document;
        let is_bare = |id: InstanceId, rect: Rect| {
            let object = document.instance(id);
            object.is_some_and(|object| object.shape == Shape::Box && object.bbox == rect && object.image_id == part.image)
        };
        let sent = part.ids.iter().copied().zip(boxes).zip(proposals);
        let wanted = sent.filter(|((id, rect), _)| is_bare(*id, *rect));
        let proposals: Vec<(InstanceId, Proposal)> = wanted.map(|((id, _), proposal)| (id, proposal)).collect();
        let done = self.state.set_proposals(part.image, &proposals);
        batch.found += done.len();
        batch.empty += part.ids.len() - done.len();
        let duplicates = self.state.duplicates(&done);
        batch.duplicates.extend(&duplicates);
        self.state.say_duplicates(&duplicates);
        if self.state.shown().is_some_and(|image| image.id == part.image) {
            self.state.add_proposed(&done);
        }
    }
}
