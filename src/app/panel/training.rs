//! Training: the form before it, and what the last run came to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use egui::{Button, DragValue, Grid, RichText, TextEdit, Ui};

use crate::annotation::ImageId;
use crate::app::command::Command;
use crate::app::document::Document;
use crate::app::perform::plural;
use crate::app::state::State;
use crate::app::task;
use crate::app::theme::Palette;
use crate::app::training::{self, Course, Step, Stopped, Trained, Training};
use crate::disk;
use crate::job::Progress;
use crate::train::{self, What};

/// With fewer masks there is nothing to learn from and to measure with.
const LEAST: usize = 2;

/// The form of a run that is about to start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TrainingForm {
    /// The masks that can be learned from, ...
    objects: usize,
    /// ... the images that they lie on, ...
    images: usize,
    /// ... and those that a model proposed and nobody looked at.
    unseen: usize,
    /// The folder and the beginning of the names of weights.
    place: (PathBuf, String),
    what: What,
    epochs: u32,
    out: String,
    /// Whether there is such a file.
    is_taken: bool,
    /// The run that can go on.
    stopped: Option<Stopped>,
    /// Whether Start was clicked and would drop it.
    asks: bool,
}

impl TrainingForm {
    /// A form for what `document` holds, where a run was `stopped`.
    pub(crate) fn new(document: &Document, stopped: Option<Stopped>) -> Self {
        let labels: Vec<ImageId> = training::labels(document).map(|label| label.image_id).collect();
        let usable = document.dataset().instances.iter().filter(|instance| train::is_usable(instance)).count();
        let (objects, images) = (labels.len(), labels.into_iter().collect::<BTreeSet<_>>().len());
        let (project, source) = (document.project_path(), document.source.path());
        let folder = project.as_deref().or(source).and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default();
        let stem = source.and_then(Path::file_stem).unwrap_or_default().to_string_lossy().into_owned();
        let epochs = u32::try_from(train::Config::default().epochs).unwrap_or(1);
        let unseen = usable - objects;
        let (place, what, out) = ((folder, stem), What::default(), String::new());
        let mut form = Self { objects, images, unseen, place, what, epochs, out, is_taken: false, stopped, asks: false };
        form.name_weights();
        form
    }

    fn name_weights(&mut self) {
        let (folder, stem) = &self.place;
        self.out = training::free_name(folder, stem, self.what).display().to_string();
        self.is_taken = false;
    }

    /// Shows the form; whether it closes.
    pub(crate) fn ui(&mut self, ui: &mut Ui, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
        ui.heading("Train the assistant");
        ui.add_space(4.0);
        let note = "The weights in use learn from your masks in the background, as a program of its own. \
                    A fifth of the images is held out and shows whether it helped.";
        ui.label(RichText::new(note).color(colors.weak));
        ui.add_space(8.0);
        match &state.training {
            Training::Running(progress) => return running_ui(ui, progress, commands),
            Training::Ended { result, .. } if ended_ui(ui, result, state, colors, commands) => return true,
            Training::Ended { .. } | Training::Idle => {}
        }
        if self.stopped_ui(ui, colors, commands) {
            return true;
        }
        self.choices_ui(ui);
        ui.add_space(6.0);
        self.labels_ui(ui, colors);
        ui.add_space(8.0);
        let can_start = self.objects >= LEAST && !self.out.trim().is_empty();
        ui.horizontal(|ui| {
            let start = match (&self.stopped, self.asks) {
                (None, _) => RichText::new("Start"),
                (Some(_), false) => RichText::new("Start anew"),
                (Some(_), true) => RichText::new("Start anew, what was learned is dropped").color(colors.bad),
            };
            let starts = ui.add_enabled(can_start, Button::new(start)).clicked() && self.start(commands);
            ui.button("Close").clicked() || starts
        })
        .inner
    }

    /// The run that was stopped; whether it goes on.
    fn stopped_ui(&self, ui: &mut Ui, colors: &Palette, commands: &mut Vec<Command>) -> bool {
        let Some(Stopped { what, share, ago, is_outdated }) = &self.stopped else { return false };
        let text = format!("Go on with the training that was stopped ({}, {ago})", training::percent(*share));
        let tip = format!("The {} learns on, with the masks of when that training began", training::name(*what));
        let goes_on = ui.horizontal(|ui| {
            let goes_on = ui.button(text).on_hover_text(tip).clicked();
            if goes_on {
                commands.push(Command::Training(Step::Resume));
            }
            if ui.button("Discard").on_hover_text("Removes what that training has learned").clicked() {
                commands.push(Command::Training(Step::Discard));
            }
            goes_on
        });
        if *is_outdated {
            ui.label(RichText::new("The masks have changed since it began; it goes on with those of then.").color(colors.warn));
        }
        ui.add_space(4.0);
        ui.separator();
        ui.add_space(4.0);
        goes_on.inner
    }

    fn choices_ui(&mut self, ui: &mut Ui) {
        let before = self.what;
        Grid::new("training").num_columns(2).spacing([24.0, 12.0]).show(ui, |ui| {
            ui.label("What learns");
            ui.horizontal(|ui| {
                let networks =
                    [(What::Segmenter, "Segmenter", "Makes a mask of a box"), (What::Refiner, "Refiner", "Makes a rough mask a fine one")];
                for (what, text, tip) in networks {
                    ui.selectable_value(&mut self.what, what, text).on_hover_text(tip);
                }
            });
            ui.end_row();
            let name = ui.label("Rounds over the images").id;
            ui.add(DragValue::new(&mut self.epochs).range(1..=1000)).labelled_by(name);
            ui.end_row();
            let name = ui.label("New weights").id;
            if ui.add(TextEdit::singleline(&mut self.out).desired_width(360.0)).labelled_by(name).changed() {
                self.is_taken = false;
            }
            ui.end_row();
        });
        if self.what != before {
            self.name_weights();
        }
    }

    fn labels_ui(&self, ui: &mut Ui, colors: &Palette) {
        let Self { objects, images, unseen, .. } = self;
        let text = format!("{objects} mask{} on {images} image{} to learn from", plural(*objects), plural(*images));
        ui.label(RichText::new(text).color(colors.weak));
        if *unseen > 0 {
            let text = format!("{unseen} proposed mask{} that nobody accepted left out", plural(*unseen));
            ui.label(RichText::new(text).color(colors.weak));
        }
        if *objects < LEAST {
            let text = "Two masks at least are needed: draw them, or accept what is proposed (Enter).";
            ui.label(RichText::new(text).color(colors.warn));
        }
        if self.is_taken {
            ui.label(RichText::new("There is a file of this name; choose another one.").color(colors.warn));
        }
    }

    /// Starts unless the weights would take the place of others, and what was learned before is not dropped unasked; whether
    /// it did.
    fn start(&mut self, commands: &mut Vec<Command>) -> bool {
        let out = disk::meant(Path::new(self.out.trim()));
        self.is_taken = out.exists();
        if self.is_taken || (self.stopped.is_some() && !std::mem::replace(&mut self.asks, true)) {
            return false;
        }
        commands.push(Command::Training(Step::Start(Course { what: self.what, epochs: self.epochs, out })));
        true
    }
}

/// How far the run is; whether the dialog closes.
fn running_ui(ui: &mut Ui, progress: &Progress, commands: &mut Vec<Command>) -> bool {
    let share = progress.fraction().map(|share| format!(", {:.0} %", share * 100.0)).unwrap_or_default();
    ui.label(format!("{}{share}", progress.label));
    let left = task::left(progress);
    if !left.is_empty() {
        ui.label(left);
    }
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        let stops = ui.button("Stop training").clicked();
        if stops {
            commands.push(Command::StopTraining);
        }
        ui.button("Close").clicked() || stops
    })
    .inner
}

/// What the last run came to; whether its weights are taken.
fn ended_ui(ui: &mut Ui, result: &Result<Trained, String>, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    let mut takes = false;
    match result {
        Err(error) => {
            ui.label(RichText::new(format!("The last training failed: {error}")).color(colors.bad));
        }
        Ok(trained) => {
            ui.label(format!("The last training: {}.", trained.sentence()));
            let models = &state.settings.models;
            let is_used = |path: &PathBuf| [&models.segmenter, &models.refiner].into_iter().any(|used| used.as_ref() == Some(path));
            match &trained.weights {
                Some(path) if is_used(path) => {
                    ui.label(RichText::new("The models use its weights; Assistant > Built-in weights goes back.").color(colors.weak));
                }
                Some(path) => {
                    ui.label(RichText::new(path.display().to_string()).color(colors.weak));
                    takes = ui.button("Use these weights").clicked();
                    if takes {
                        commands.push(Command::UseWeights(path.clone()));
                    }
                }
                None => {}
            }
        }
    }
    ui.add_space(4.0);
    ui.separator();
    ui.add_space(4.0);
    takes
}
