//! What a person gets from the segmenter beyond the first mask: corrections by strokes, alternatives, how sure it is,
//! exemplars, and the queue of what it is least sure of.

use std::sync::Arc;

use super::App;
use super::assistant::{Aim, Patch, Running};
use super::perform::plural;
use super::state::{Suggestion, Tone};
use super::stroke::{Stroke, in_force};
use crate::annotation::{Image, ImageId, Instance, InstanceId, Shape};
use crate::assist::Patch as Soft;
use crate::assist::service::Request;
use crate::assist::{Prompt, Proposal, ProposeOptions, Scribble};
use crate::geometry::Size;
use crate::mask::{Mask, rle};
use crate::store::Judgement;

/// A mask that is this like the present one is no alternative to it.
const SAME: f64 = 0.9;

impl App {
    /// What the segmenter is told about an object: its box, its class and the exemplars of the class.
    pub(super) fn prompt(&self, instance: &Instance) -> Prompt {
        let class = self.state.document.category(instance.category_id).map(|category| category.name.clone());
        let exemplars = self.state.exemplars.of(instance.category_id);
        // A first mask that missed a part of the object has a smaller box than the one that was drawn.
        let rect = self.state.drawn.of(instance).map_or(instance.bbox, |drawn| drawn.united(instance.bbox));
        Prompt { rect, exemplars, class, ..Prompt::default() }
    }

    pub(super) fn propose_options(&self) -> ProposeOptions {
        let settings = &self.state.settings;
        let guidance = f64::from(settings.guidance);
        ProposeOptions { steps: settings.steps, guidance, edges: settings.edges, ..ProposeOptions::default() }
    }

    /// Corrects an object's mask by one more stroke.
    pub(super) fn scribble(&mut self, target: Option<InstanceId>, scribble: Scribble) {
        // The mask that the stroke before asked for may have come while this one was drawn.
        self.take_outcomes();
        let Some((image, size)) = self.state.shown().map(|image| (image.id, image.size)) else { return };
        let Some(instance) = target.and_then(|id| self.state.document.instance(id)).cloned() else {
            let first =
                if self.state.objects().next().is_some() { "Select the object first" } else { "Draw a box around the object first (R)" };
            return self.state.say(Tone::Plain, format!("{first}, then say with Q what belongs to it"));
        };
        let waits = self.assistant.running().is_some_and(|running| running.aim == Aim::Correction && running.instances == [instance.id]);
        if !waits {
            self.keep_in_force(&instance, size);
        }
        let stroke = Stroke { scribble, onto: instance.fingerprint() };
        self.state.strokes.entry(instance.id).or_default().push(stroke);
        let Some(pixels) = self.pixels() else { return };
        let prompts = vec![self.correction(&instance, size)];
        let request = Request::Propose { image: pixels, prompts, options: self.propose_options() };
        self.request(request, Aim::Correction, image, &[instance.id]);
    }

    /// What the segmenter is told to correct an object's mask by its strokes.
    fn correction(&self, instance: &Instance, size: Size) -> Prompt {
        let scribbles = self.state.scribbles(instance.id);
        Prompt { mask: instance.outlined(size).map(Arc::new), keeps_mask: !self.is_proposal(instance), scribbles, ..self.prompt(instance) }
    }

    /// Whether an object's mask is a model's that nobody has accepted, or still to come.
    fn is_proposal(&self, instance: &Instance) -> bool {
        instance.shape == Shape::Box || self.state.document.judgement(instance.id).is_open()
    }

    /// Whether an object has this mask already.
    fn has_mask(&self, id: InstanceId, mask: &Mask) -> bool {
        let present = self.state.document.instance(id).and_then(|object| object.outlined(mask.size()));
        present.is_some_and(|present| present == *mask)
    }

    /// Gives an object its corrected mask, which nobody has accepted yet; whether it has it now.
    fn correct(&mut self, image: ImageId, id: InstanceId, mask: &Mask, expected_iou: Option<f32>) -> bool {
        let Some(is_proposal) = self.state.document.instance(id).map(|instance| self.is_proposal(instance)) else { return false };
        let before = self.state.document.judgement(id);
        if self.state.set_masks("Correct mask", image, &[(id, mask)]).is_empty() {
            return false;
        }
        let expected = expected_iou.or(before.expected_iou).filter(|_| is_proposal);
        self.state.document.judge(expected.map(|iou| (id, Judgement::expected(iou))));
        self.state.suggestions.remove(&id);
        true
    }

    /// Forgets the strokes of an object that were taken back or painted over.
    pub(super) fn keep_in_force(&mut self, object: &Instance, size: Size) {
        let Some(strokes) = self.state.strokes.get_mut(&object.id) else { return };
        let mut in_force = in_force(strokes, object, size).into_iter();
        strokes.retain(|_| in_force.next().unwrap_or(false));
    }

    /// Paints an object's strokes over its mask.
    fn paint_strokes(&self, id: InstanceId, mask: &mut Mask) {
        self.state.scribbles(id).iter().for_each(|scribble| scribble.paint(mask));
    }

    /// Paints the strokes of a correction that is about to be dropped over the mask that its object has, as a step, so that
    /// they are obeyed where they were painted. A box without a mask stays one.
    pub(super) fn keep_strokes(&mut self) {
        let Some(running) = self.assistant.running().filter(|running| running.aim == Aim::Correction) else { return };
        let (image, object) = (running.image, running.instances.first().and_then(|&id| self.state.document.instance(id)));
        let Some(object) = object.filter(|object| object.shape != Shape::Box && running.still_fits(object)) else { return };
        let (id, size) = (object.id, self.state.document.image_of(image).map(|image| image.size));
        let Some(before) = size.and_then(|size| object.mask(size).ok()) else { return };
        let mut mask = before.clone();
        self.paint_strokes(id, &mut mask);
        if mask != before && self.correct(image, id, &mask, None) {
            // Its answer would still fit once this step is taken back.
            self.assistant.cancel();
        }
    }

    /// Shows the next of the masks that are known for the selected object, or looks for them; a box gets its first one.
    pub(super) fn next_alternative(&mut self) {
        let Some((image, size)) = self.state.shown().map(|image| (image.id, image.size)) else { return };
        let boxes = self.selected_boxes();
        if !boxes.is_empty() {
            return self.propose_for(&boxes);
        }
        let Some(instance) = self.state.only_selected().cloned() else {
            return self.state.say(Tone::Plain, "Select one object to see other masks for it");
        };
        let Ok(present) = instance.shape.runs(instance.bbox, size) else { return };
        let known = self.state.suggestions.get(&instance.id);
        match known.and_then(|known| Some((known, known.position(&present)?))) {
            Some((known, at)) if known.masks.len() > 1 => {
                let next = (at + 1) % known.masks.len();
                self.show_alternative(image, instance.id, next);
            }
            Some(_) => self.state.say(Tone::Plain, "The model finds no other mask here; Q corrects this one"),
            None => self.look_around(instance.id, image, Aim::Alternatives),
        }
    }

    /// Looks for other masks and for where they disagree.
    fn look_around(&mut self, id: InstanceId, image: ImageId, aim: Aim) {
        let Some(pixels) = self.pixels() else { return };
        self.keep_strokes();
        let Some(instance) = self.state.document.instance(id).cloned() else { return };
        let options = ProposeOptions { samples: self.state.settings.samples, ..self.propose_options() };
        if let Some(size) = self.state.shown().map(|image| image.size) {
            self.keep_in_force(&instance, size);
        }
        let prompt = Prompt { scribbles: self.state.scribbles(id), ..self.prompt(&instance) };
        let request = Request::Propose { image: pixels, prompts: vec![prompt], options };
        self.request(request, aim, image, &[instance.id]);
    }

    /// Whether an object of a request is as it was when that was sent.
    pub(super) fn is_as_sent(&self, running: &Running, id: InstanceId) -> bool {
        self.state.document.instance(id).is_some_and(|object| running.still_fits(object))
    }

    /// The objects of a request that are as they were when it was sent, each with its answer.
    pub(super) fn still_wanted<T>(&self, running: &Running, answers: Vec<T>) -> Vec<(InstanceId, T)> {
        let mut pairs: Vec<(InstanceId, T)> = running.instances.iter().copied().zip(answers).collect();
        pairs.retain(|(id, _)| self.is_as_sent(running, *id));
        pairs
    }

    fn show_alternative(&mut self, image: ImageId, id: InstanceId, index: usize) {
        let Some(size) = self.state.document.image_of(image).map(|image| image.size) else { return };
        let Some((counts, expected, of)) = self.state.suggestions.get(&id).and_then(|known| {
            let (counts, expected) = known.masks.get(index)?;
            Some((counts.clone(), *expected, known.masks.len()))
        }) else {
            return;
        };
        let is_empty = rle::area(&counts) == 0;
        let shape = (id, Shape::from_runs(size, counts));
        if is_empty || self.state.set_shapes("Next alternative", Some(image), std::iter::once(shape)).is_empty() {
            return;
        }
        if let Some(known) = self.state.suggestions.get_mut(&id) {
            known.shown = index;
        }
        let sure = expected.map(|value| format!(", expected IoU {:.0} %", value * 100.0)).unwrap_or_default();
        self.state.document.judge(expected.map(|value| (id, Judgement::expected(value))));
        self.state.say_masks(&[id], format!("Mask {} of {of}{sure}: Space shows the next, Enter accepts", index + 1));
    }

    /// Takes the masks as they are shown, though the segmenter has not come to its end.
    pub(super) fn accept_early(&mut self) {
        let aim = self.assistant.running().map(|running| running.aim);
        let (label, corrects) = match aim {
            Some(Aim::Fresh) => ("Propose masks", false),
            Some(Aim::Correction) => ("Correct mask", true),
            Some(Aim::Within(_)) => ("Propose masks", true),
            Some(Aim::Refinement) => return self.state.say(Tone::Plain, "The refiner is not done yet; Esc stops it"),
            Some(Aim::Others(_)) => return self.state.say(Tone::Plain, "The search is not done yet; Esc stops it"),
            // The mask that is shown is the one that is taken.
            Some(Aim::Alternatives | Aim::Spread) | None => {
                self.stop_models();
                return self.accept();
            }
        };
        let Some((running, shown)) = self.assistant.take_shown() else { return };
        let Some(size) = self.state.document.dataset().image(running.image).map(|image| image.size) else { return };
        let mask = |(id, soft): &(InstanceId, Soft)| {
            let mut mask = soft.mask(size);
            match self.state.document.instance(*id) {
                Some(object) if running.aim == Aim::Correction => self.correction(object, size).settle(&mut mask),
                _ if corrects => self.paint_strokes(*id, &mut mask),
                _ => {}
            }
            (*id, mask)
        };
        let fits = |(id, _): &&(InstanceId, Soft)| self.is_as_sent(&running, *id);
        let masks = shown.iter().filter(fits).map(mask);
        let (same, others): (Vec<(InstanceId, Mask)>, Vec<_>) = masks.partition(|(id, mask)| self.has_mask(*id, mask));
        let others: Vec<(InstanceId, &Mask)> = others.iter().map(|(id, mask)| (*id, mask)).collect();
        let mut done = self.state.set_masks(label, running.image, &others);
        done.extend(same.iter().map(|(id, _)| *id));
        for id in &done {
            self.state.suggestions.remove(id);
            if let Aim::Within(rect) = running.aim {
                self.state.keep_box(*id, rect);
            }
        }
        self.state.document.judge(done.iter().map(|&id| (id, Judgement::LOOKED_AT)));
        self.state.leave_proposed(&done);
        self.state.selection.clear();
        let (count, rest) = (done.len(), running.instances.len() - done.len());
        let rest = if rest > 0 && running.aim == Aim::Fresh { format!("; {rest} stayed a box") } else { String::new() };
        self.state.say_masks(&done, format!("{count} mask{} accepted as shown{rest}", plural(count)));
        if running.aim == Aim::Fresh {
            self.propose_rest();
        }
    }

    /// Takes what the segmenter answered to a request that was not for fresh boxes.
    pub(super) fn suggested(&mut self, running: &Running, proposals: Vec<Proposal>) {
        let Some(size) = self.state.document.dataset().image(running.image).map(|image| image.size) else { return };
        let Some((&id, proposal)) = running.instances.first().zip(proposals.into_iter().next()) else { return };
        if !self.is_as_sent(running, id) {
            return self.state.say(Tone::Plain, "The object was changed meanwhile and stays as it is");
        }
        if let Aim::Within(rect) = running.aim {
            return self.proposed_within(running.image, id, rect, proposal);
        }
        if running.aim == Aim::Correction {
            // A step that changes nothing would still make pixels of a polygon.
            if self.has_mask(id, &proposal.mask) {
                self.state.say(Tone::Plain, "The mask has what you painted on this side already");
            } else if proposal.mask.is_empty() {
                self.state.say(Tone::Warning, "Nothing would be left of the object, so it stays as it was");
            } else if self.correct(running.image, id, &proposal.mask, Some(proposal.expected_iou)) {
                self.state.say_masks(&[id], "Corrected: what you painted is held fixed; Enter accepts".to_owned());
            }
            return;
        }
        let present = self.state.document.instance(id).filter(|instance| instance.shape != Shape::Box);
        let runs = |instance: &Instance| Some(rle::merged(&instance.shape.runs(instance.bbox, size).ok()?));
        let Some(present) = present.and_then(runs) else { return };
        let suggestion = suggestion(present, self.state.document.judgement(id).expected_iou, proposal);
        let found = suggestion.masks.len();
        self.state.suggestions.insert(id, suggestion);
        match running.aim {
            Aim::Alternatives if found > 1 => self.show_alternative(running.image, id, 1),
            Aim::Alternatives => self.state.say(Tone::Plain, "The model finds no other mask here; Q corrects this one"),
            _ => self.state.say(Tone::Plain, "Tinted is where the samples disagree"),
        }
    }

    pub(super) fn toggle_uncertainty(&mut self) {
        let image = self.state.shown().map(|image| image.id);
        let chosen = self.state.only_selected().filter(|instance| instance.shape != Shape::Box).cloned();
        let is_new = chosen.as_ref().is_some_and(|instance| !self.state.suggestions.contains_key(&instance.id));
        self.state.shows_uncertainty = !self.state.shows_uncertainty || is_new;
        if !self.state.shows_uncertainty {
            return self.state.say(Tone::Plain, "Uncertainty is hidden");
        }
        match chosen.zip(image) {
            Some((instance, image)) if is_new => self.look_around(instance.id, image, Aim::Spread),
            Some(_) => self.state.say(Tone::Plain, "Tinted is where the samples disagree"),
            None => self.state.say(Tone::Plain, "Uncertainty is shown; select an object with a mask and press U"),
        }
    }

    /// Goes to the object that the model is least sure of and that nobody has accepted yet; that accepts nothing.
    pub(super) fn next_uncertain(&mut self) {
        if self.is_loading() {
            return;
        }
        let state = &self.state;
        let open = |instance: &&Instance| !state.document.judgement(instance.id).looked_at && instance.shape != Shape::Box;
        let sure = |instance: &Instance| state.confidence(instance);
        let all =
            state.document.dataset().instances.iter().filter(open).filter(|instance| !state.document.reviewed.contains(&instance.image_id));
        let judged = all.filter_map(|instance| Some((instance, state.visited_objects.contains(&instance.id), sure(instance)?)));
        // Those that the queue has shown come last, and then all over again.
        let least = judged.min_by(|a, b| a.1.cmp(&b.1).then(a.2.total_cmp(&b.2)));
        let Some((instance, was_shown, sure)) = least else {
            return self.state.say(Tone::Plain, "No object is left whose mask the model has judged and nobody has accepted");
        };
        let (id, image, bbox) = (instance.id, instance.image_id, instance.bbox);
        let Some(index) = self.state.document.place(image) else { return };
        self.go_to(index);
        if was_shown {
            self.state.visited_objects.clear();
        }
        self.state.visited_objects.insert(id);
        self.state.add_proposed(&[id]);
        self.state.selection = vec![id];
        self.canvas.view.show(bbox);
        self.state.say(Tone::Plain, format!("Least sure: expected IoU {:.0} %; Space shows other masks, Enter accepts", sure * 100.0));
    }

    /// Goes to the unreviewed image with the lowest mean confidence.
    pub(super) fn next_uncertain_image(&mut self) {
        if self.is_loading() {
            return;
        }
        let state = &self.state;
        let mean = |image: &Image| {
            let sure: Vec<f64> = state.document.objects(image.id).filter_map(|instance| state.confidence(instance)).collect();
            (!sure.is_empty()).then(|| sure.iter().sum::<f64>() / sure.len() as f64)
        };
        let open = (0..state.document.image_count()).filter(|&index| index != state.image);
        let judged = open.filter_map(|index| {
            let image = state.document.image(index).filter(|image| !state.document.reviewed.contains(&image.id))?;
            Some((index, state.visited.contains(&image.id), mean(image)?))
        });
        // Those that the queue has shown come last, and then all over again.
        let least = judged.min_by(|a, b| a.1.cmp(&b.1).then(a.2.total_cmp(&b.2)));
        match least {
            Some((index, was_shown, sure)) => {
                if was_shown {
                    self.state.visited.clear();
                }
                self.go_to(index);
                let shown = self.state.shown().map(|image| image.id);
                self.state.visited.extend(shown);
                self.state.say(Tone::Plain, format!("The least sure image: expected IoU {:.0} % on average", sure * 100.0));
            }
            None => self.state.say(Tone::Plain, "No other unreviewed image has masks that the model has judged"),
        }
    }
}

/// The present mask, then what else was found, the most promising first.
fn suggestion(present: Vec<u32>, expected: Option<f32>, proposal: Proposal) -> Suggestion {
    let Proposal { mask, expected_iou, spread, others, .. } = proposal;
    let is_present = |counts: &[u32]| rle::iou(&present, counts).is_none_or(|iou| iou > SAME);
    let first = rle::encode(&mask);
    let expected = expected.or(is_present(&first).then_some(expected_iou));
    let others = others.into_iter().map(|other| (rle::encode(&other.mask), other.expected_iou));
    let found = std::iter::once((first, expected_iou)).chain(others).filter(|(counts, _)| !is_present(counts) && rle::area(counts) > 0);
    let mut masks: Vec<(Vec<u32>, Option<f32>)> = found.map(|(counts, sure)| (counts, Some(sure))).collect();
    masks.insert(0, (present, expected));
    Suggestion { masks, shown: 0, spread: spread.as_ref().map(Patch::new) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Base;
    use crate::app::command::Command;
    use crate::app::document::{Document, Source};
    use crate::app::settings::Folders;
    use crate::assist::Alternative;
    use crate::geometry::{Rect, Size};
    use crate::store::Contents;

    #[test]
    fn masks_are_kept_as_run_lengths_and_found_again() {
        let size = Size::new(40, 30);
        let mask = |width: f64| Mask::filled(size, Rect::new(4.0, 4.0, width, 10.0));
        let patch = Soft { rect: Rect::new(0.0, 0.0, 40.0, 40.0), side: 1, soft: vec![0.0] };
        let other = |mask| Alternative { mask, patch: patch.clone(), expected_iou: 0.3 };
        let others = vec![other(mask(5.0)), other(Mask::new(size)), other(mask(20.0))];
        let proposal = Proposal { others, ..Proposal::single(mask(20.0), patch.clone(), 0.5) };
        let known = suggestion(rle::encode(&mask(20.0)), None, proposal);
        let expected = [(rle::encode(&mask(20.0)), Some(0.5)), (rle::encode(&mask(5.0)), Some(0.3))];
        assert_eq!(known.masks, expected, "neither empty masks nor near-copies");
        // As a file may have them: with runs of length 0.
        let mut counts = rle::encode(&mask(5.0));
        counts[0] -= 1;
        counts.insert(1, 0);
        counts.insert(2, 1);
        assert_eq!([known.position(&counts), known.position(&rle::encode(&mask(6.0)))], [Some(1), None]);
    }

    #[test]
    fn the_queue_waits_until_all_objects_are_read() {
        let (folder, ctx) = (tempfile::tempdir().unwrap(), egui::Context::default());
        let format = wgpu::TextureFormat::Rgba8Unorm;
        let mut app = App::new(&ctx, Base { format, adapter: String::new(), folders: Folders::at(folder.path()), models: None });
        app.state.document = Document::new(Contents::default(), Source::Folder(folder.path().to_path_buf()), true);
        for command in [Command::NextUncertain, Command::NextUncertainImage] {
            app.perform(command, &ctx);
            let message = app.state.message.take().unwrap();
            assert!(message.text.contains("still being read"), "{}", message.text);
        }
    }
}
