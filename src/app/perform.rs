//! The one place where commands are carried out.

use std::path::Path;
use std::sync::Arc;

use super::App;
use super::assistant::{Aim, Outcome, Running};
use super::command::{Command, Tool, entry};
use super::panel::dialog::{Dialog, ImageSearch, KeysForm, Search};
use super::picture::Loaded;
use super::state::Tone;
use super::theme;
use crate::annotation::{ImageId, InstanceId};
use crate::assist::ModelPaths;
use crate::assist::service::Request;
use crate::geometry::{Point, Rect, Size};
use crate::store::Judgement;

/// Time from the last box to the proposal, in seconds.
const PROPOSE_DELAY_SECS: f64 = 0.4;

impl App {
    /// Carries out one command.
    pub fn perform(&mut self, command: Command, ctx: &egui::Context) {
        tracing::debug!(name = entry(&command).map_or("", |entry| entry.name), "command");
        let before = self.state.standing();
        self.carry_out(command, ctx);
        self.state.end_message(&before);
    }

    fn carry_out(&mut self, command: Command, ctx: &egui::Context) {
        match command {
            Command::OpenFile
            | Command::OpenFolder
            | Command::ChooseImageFolder
            | Command::ExportAs
            | Command::LoadWeights
            | Command::AddFrom
            | Command::ChooseImport(_)
            | Command::ChooseExport(_) => self.ask(&command, ctx),
            Command::OpenPath => self.ask_in_window(Command::OpenPath, false),
            Command::StopTask => drop(self.stop_task()),
            Command::Import | Command::ImportFrom(..) | Command::ExportFormat | Command::ExportTo(..) | Command::Measure(_) => {
                self.perform_on_transfer(command, ctx);
            }
            Command::AddFile(path) => self.add_from(&path, ctx),
            Command::ToggleMark(mark) => self.state.toggle_mark(mark),
            Command::Open(_) | Command::OpenCopy { .. } | Command::OpenRecent | Command::Abandon(_) => {
                self.perform_on_opening(command, ctx);
            }
            Command::UseImageFolder(folder) => self.use_image_folder(&folder, ctx),
            Command::Save => self.save(ctx),
            Command::Export(path) => self.write(&path, ctx),
            Command::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
            Command::Undo | Command::Delete if self.canvas.take_point() => {}
            Command::Undo | Command::Redo => self.step(command == Command::Redo),
            Command::Delete => self.delete(),
            Command::LeaveOut | Command::BringBack => self.perform_on_left_out(&command, ctx),
            Command::SelectAll
            | Command::SelectClass
            | Command::Select(_)
            | Command::SelectRow(_)
            | Command::SelectTo(_)
            | Command::ToggleSelected(_) => self.state.perform_on_selection(command),
            Command::Act(act) => self.act(act, ctx),
            Command::Accept => self.accept(),
            Command::Cancel => self.cancel(),
            Command::Propose => self.propose(),
            Command::ProposeAll | Command::PauseProposing | Command::StopProposing => self.perform_on_batch(&command),
            Command::Refine => self.refine(),
            Command::FindOthers => self.find_others(),
            Command::NextAlternative => self.next_alternative(),
            Command::ToggleUncertainty => self.toggle_uncertainty(),
            Command::NextUncertain => self.next_uncertain(),
            Command::NextUncertainImage => self.next_uncertain_image(),
            Command::UseAsExemplar => self.use_as_exemplar(),
            Command::ForgetExemplars => self.forget_exemplars(),
            Command::DecideAll(takes) => self.decide_all(takes),
            Command::Polish | Command::StartPolish(_) | Command::ResumePolish => self.perform_on_polish(command, ctx),
            Command::PausePolish => self.pause_polish(),
            Command::StopPolish => self.stop_polish(),
            Command::ShowChange(index) => self.show_finding(index),
            Command::TakePolished => self.decide_polished(true),
            Command::Train | Command::Training(_) | Command::StopTraining => self.perform_on_training(command, ctx),
            Command::UseWeights(path) => self.use_weights(&path),
            Command::BuiltInWeights => self.use_models(ModelPaths::default(), "The models use the built-in weights".to_owned()),
            Command::NextImage | Command::PreviousImage | Command::GoTo(_) | Command::Go(_) | Command::ListOnly(_) | Command::ListAll => {
                self.travel(&command);
            }
            Command::NextObject | Command::PreviousObject => self.next_object(if command == Command::NextObject { 1 } else { -1 }),
            Command::ToggleReviewed => self.toggle_reviewed(),
            Command::Use(tool) => self.use_tool(tool),
            Command::RepeatTool => self.use_tool(self.state.last_tool),
            Command::EndPeek => self.end_peek(ctx),
            Command::BrushSmaller | Command::BrushLarger => self.resize_tool(command == Command::BrushLarger),
            Command::WandTolerance(tolerance) => self.wand_tolerance(tolerance),
            Command::BrushRadius(radius_px) => self.brush_radius(radius_px),
            Command::ToggleHidden | Command::SetHidden(..) | Command::HideOthers | Command::ShowAll => {
                self.perform_on_hidden(&command, ctx);
            }
            Command::Fit | Command::FitSelected | Command::ActualSize | Command::ZoomIn | Command::ZoomOut => {
                self.perform_on_view(&command, ctx);
            }
            Command::ClassNumber(_) | Command::SetDigit(..) => self.perform_on_digit(&command),
            Command::Assign(id) => self.state.assign(id),
            Command::NewClass(name) => self.state.assign_new(name.trim()),
            Command::AskName(_) | Command::RenameClass(..) | Command::AskMerge(_) | Command::MergeClass(..) | Command::DeleteClass(_) => {
                self.perform_on_class(command);
            }
            Command::AskColor(_) | Command::SetColor(..) | Command::ToggleColors => self.perform_on_color(&command, ctx),
            Command::SearchClass | Command::SearchImage | Command::Palette | Command::Help => self.open_dialog(&command),
            Command::Settings => self.dialog = Some(Dialog::Settings(self.state.settings.clone())),
            Command::Check | Command::CheckAgain => self.check(command == Command::Check, ctx),
            Command::LeadTo(target) => self.lead_to(target),
            Command::Change(settings) => self.change_settings(settings, ctx),
            Command::SayUndrawable => self.say_undrawable(),
            Command::AddBox(rect) => self.add_box(rect, ctx),
            Command::Reshape(..)
            | Command::Move(..)
            | Command::Paint(..)
            | Command::Scribble(..)
            | Command::AddPolygon(_)
            | Command::MoveVertex(..)
            | Command::RemoveVertex(_)
            | Command::InsertVertex(..)
            | Command::FillHoles
            | Command::Wand(..) => self.perform_by_hand(command),
            Command::Nudge(right, down) => self.nudge(Point::new(f64::from(right), f64::from(down)), ctx),
        }
    }

    /// Zooms, a step around the middle or to what a command names.
    fn perform_on_view(&mut self, command: &Command, ctx: &egui::Context) {
        let (objects, view) = (self.state.selected(), &mut self.canvas.view);
        match command {
            Command::Fit => view.fit(),
            Command::FitSelected => {
                if let Some(rect) = objects.map(|object| object.bbox).reduce(Rect::united) {
                    view.fit_to(rect);
                }
            }
            Command::ActualSize => view.zoom_to(1.0 / f64::from(ctx.pixels_per_point())),
            Command::ZoomIn => view.zoom(1.25, view.center()),
            Command::ZoomOut => view.zoom(0.8, view.center()),
            _ => {}
        }
    }

    /// Opens the dialog that a command is about.
    fn open_dialog(&mut self, command: &Command) {
        self.dialog = match command {
            Command::SearchClass => Some(Dialog::Classes(Search::default())),
            Command::SearchImage => Some(Dialog::Images(ImageSearch::default())),
            Command::Palette => Some(Dialog::Palette(Search::default())),
            Command::Help => Some(Dialog::Help(KeysForm::default())),
            _ => None,
        };
    }

    fn add_box(&mut self, rect: Rect, ctx: &egui::Context) {
        self.state.message = None;
        let Some(id) = self.state.add_box(rect) else { return };
        self.state.say_duplicate(id);
        self.await_mask(id, ctx.input(|input| input.time) + PROPOSE_DELAY_SECS);
    }

    /// Uses the weights at `path` for the network that they belong to.
    fn use_weights(&mut self, path: &Path) {
        match self.state.settings.models.clone().with(path) {
            Ok(models) => self.use_models(models, format!("The models use {}", path.display())),
            Err(error) => self.state.say(Tone::Error, error.to_string()),
        }
    }

    /// Asks for other weights; they are kept in the settings once they are in use.
    fn use_models(&mut self, models: ModelPaths, note: String) {
        self.assistant.load(models.clone());
        self.wanted_models = Some((models, note));
    }

    /// Keeps the weights that were asked for, or says why they cannot be used.
    fn loaded(&mut self, result: Result<(), String>) {
        let wanted = self.wanted_models.take();
        match (result, wanted) {
            (Ok(()), Some((models, note))) => {
                self.state.settings.models = models;
                self.store_settings();
                self.state.say(Tone::Plain, note);
            }
            (Ok(()), None) => {}
            (Err(message), wanted) => {
                self.state.say(Tone::Error, format!("These weights cannot be used: {message}"));
                // At the start, with weights of an earlier time: the window has its own.
                if wanted.is_none() && self.state.settings.models != ModelPaths::default() {
                    self.use_models(ModelPaths::default(), format!("The models use the built-in weights: {message}"));
                }
            }
        }
    }

    fn change_settings(&mut self, settings: super::settings::Settings, ctx: &egui::Context) {
        self.state.settings = settings;
        theme::apply(ctx, self.state.settings.look);
        ctx.set_zoom_factor(self.state.settings.zoom);
        self.store_settings();
    }

    fn store_settings(&mut self) {
        if let Err(error) = self.folders.store(&self.state.settings) {
            self.state.say(Tone::Warning, format!("The settings cannot be stored: {error}"));
        }
    }

    pub(super) fn accept(&mut self) {
        if self.state.review.is_some() {
            return self.decide(true);
        }
        if self.canvas.has_outline() {
            match self.canvas.finish_outline() {
                Some(Command::AddPolygon(points)) => self.state.add_polygon(&points),
                _ => self.state.say(Tone::Plain, "An outline needs three points; Esc leaves it"),
            }
            return;
        }
        if self.assistant.running().is_some() {
            return self.accept_early();
        }
        let shown: Vec<InstanceId> = self.state.selection.clone();
        // A review that waits comes before boxes and masks that do.
        if shown.is_empty() && self.polished.as_ref().is_some_and(|polished| !polished.findings.is_empty()) {
            return self.show_finding(0);
        }
        let looked_at = self.state.proposed.iter().any(|id| shown.contains(id));
        let boxes = self.selected_boxes();
        if !looked_at && !boxes.is_empty() {
            return self.propose_selected(boxes);
        }
        self.state.leave_proposed(&shown);
        if shown.is_empty() && self.state.proposed.is_empty() && self.boxes().next().is_some() {
            return self.propose();
        }
        self.state.document.judge(shown.iter().map(|&id| (id, Judgement::LOOKED_AT)));
        if let Some(&next) = self.state.proposed.first() {
            self.state.selection = vec![next];
            let left = self.state.proposed.len();
            let accepted = if shown.is_empty() { "" } else { "Accepted; " };
            self.state.say(Tone::Plain, format!("{accepted}{left} proposed mask{} to look at", plural(left)));
        } else if !shown.is_empty() {
            self.state.selection.clear();
            self.state.say(Tone::Plain, "Accepted");
        }
    }

    fn cancel(&mut self) {
        self.awaited.clear();
        // As the status bar offers it.
        if self.state.review.is_some() && self.assistant.running().is_none() {
            return self.decide(false);
        }
        if self.canvas.drop_outline(&self.state) {
            let key = self.state.key(&Command::Undo);
            return self.state.say(Tone::Plain, format!("Outline dropped; {key} brings it back"));
        }
        if self.canvas.abort() {
            return;
        }
        if let Some(running) = self.stop_models() {
            let what = match running.aim {
                Aim::Refinement => "Refining stopped",
                Aim::Fresh => "Proposal stopped; the boxes stay",
                Aim::Others(_) => "Search stopped",
                _ => "Stopped; the mask stays as it was",
            };
            return self.state.say(Tone::Plain, what);
        }
        if self.check.close() {
            return;
        }
        // While a document is read one can look at it already, and leave what one has selected.
        if (self.pending.is_none() || self.state.selection.is_empty()) && self.stop_task() {
            return;
        }
        if self.state.selection.is_empty() && self.state.tool == Tool::Select {
            self.stop_batch();
        } else if self.state.selection.is_empty() {
            self.state.tool = Tool::Select;
        }
        self.state.selection.clear();
    }

    /// The pixels of the shown image; says why where there are none.
    pub(super) fn pixels(&mut self) -> Option<Arc<image::RgbImage>> {
        let image = self.state.shown()?;
        match self.pictures.get(&self.state.document.image_file(image)) {
            Loaded::Ready(picture) => {
                let (size, (width, height)) = (image.size, picture.pixels.dimensions());
                if size == Size::new(width, height) {
                    return Some(Arc::clone(&picture.pixels));
                }
                let text = format!("The file has {width} x {height} pixels, the annotations say {} x {}", size.width, size.height);
                self.state.say(Tone::Warning, text);
                None
            }
            Loaded::Waiting => {
                self.state.say(Tone::Warning, "The image is still loading");
                None
            }
            Loaded::Broken(_) => {
                self.state.say(Tone::Warning, "The image cannot be read, so there is nothing to look at");
                None
            }
        }
    }

    pub(super) fn request(&mut self, request: Request, aim: Aim, image: ImageId, ids: &[InstanceId]) {
        // A warning is still read while the model works.
        self.state.message = self.state.message.take().filter(|message| message.tone == Tone::Warning);
        if aim != Aim::Refinement && !self.held.iter().any(|outcome| matches!(outcome, Outcome::Refined(..))) {
            self.refining = None;
        }
        // A further stroke on the same object asks anew for all of them.
        let goes_on = |running: &Running| running.aim == aim && running.instances == ids;
        if !self.assistant.running().is_some_and(goes_on) {
            self.keep_strokes();
        }
        // Boxes that waited for their masks are seen to afterwards.
        if aim != Aim::Fresh && self.assistant.running().is_some_and(|running| running.aim == Aim::Fresh) {
            let waiting = self.boxes_waiting();
            self.awaited.add(&waiting, Some(0.0));
        }
        let objects = ids.iter().filter_map(|&id| self.state.document.instance(id)).collect();
        if !self.assistant.start(request, aim, image, objects) {
            self.state.say(Tone::Warning, "There is no model here; the brush (B) makes masks by hand");
        }
    }

    /// Takes what the models found.
    pub(super) fn receive(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Failed(message) => {
                // Weights may fail to load while the refiner works.
                if self.assistant.running().is_none() {
                    self.refining = None;
                    self.proposing = None;
                }
                self.state.say(Tone::Error, format!("The model failed: {message}"));
            }
            Outcome::Proposed(running, proposals) if running.aim != Aim::Fresh => self.suggested(&running, proposals),
            Outcome::Proposed(running, proposals) => self.proposed(&running, proposals),
            Outcome::Found(running, found) => self.found_others(&running, found),
            Outcome::Batched(outcome) => self.batched(outcome),
            Outcome::Polished(outcome) => self.polished(outcome),
            Outcome::Unpolished(message) => self.unpolished(&message),
            Outcome::Loaded(result) => self.loaded(result),
            Outcome::Refined(running, refinements) => self.refined(running.image, self.still_wanted(&running, refinements)),
        }
    }

    pub(super) fn go_to(&mut self, index: usize) {
        let count = self.state.document.image_count();
        if count == 0 || index == self.state.image && self.state.review.is_none() {
            return;
        }
        if index >= count {
            return self.state.say(Tone::Plain, format!("This is the last image{}", self.state.listed_note()));
        }
        self.finish_gesture();
        let before = self.state.shown().map(|image| image.id);
        self.canvas.put_aside(before);
        self.keep_strokes();
        let waiting = self.boxes_waiting();
        let stopped = self.stop_models().map(|running| running.aim);
        self.awaited.clear();
        self.state.image = index;
        self.canvas.view.leave();
        self.remember_shown();
        self.state.selection.clear();
        self.state.begin_walk();
        self.put_review_off();
        if self.state.tool == Tool::Polygon {
            self.canvas.resume(self.state.shown().map(|image| image.id));
        }
        self.state.message = None;
        if let Some(text) = self.state.left_to_look_at() {
            self.state.say(Tone::Plain, text);
        }
        match stopped {
            Some(Aim::Others(_)) => self.state.say(Tone::Warning, "The search for others stopped, as its image was left"),
            Some(Aim::Refinement) => self.state.say(Tone::Warning, "Refining stopped, as its image was left"),
            _ => {}
        }
        if let Some(before) = before {
            self.propose_later(before, waiting);
        }
        self.take_review_up();
    }

    fn toggle_reviewed(&mut self) {
        if self.is_loading() {
            return;
        }
        let Some(image) = self.state.shown().map(|image| image.id) else { return };
        let marked = !self.state.document.reviewed.contains(&image);
        self.state.document.review(image, marked);
        self.state.say(Tone::Plain, if marked { "Marked as reviewed" } else { "No longer marked as reviewed" });
    }
}

pub(super) const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
