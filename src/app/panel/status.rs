//! The status bar: what is said, what runs and how far it is, which image, which device.

use std::time::Duration;

use egui::{Align, Color32, Layout, ProgressBar, RichText, Ui};

use crate::annotation::{Instance, Shape};
use crate::app::assistant::{Aim, Assistant, Preparing, Readiness, Running};
use crate::app::chord::spelled;
use crate::app::command::{Command, Tool, entry};
use crate::app::panel::polish;
use crate::app::state::{Message, PolishState, State, Tone};
use crate::app::task;
use crate::app::theme::{self, Palette};
use crate::app::training::Training;
use crate::geometry::Point;
use crate::job::Progress;
use crate::store::State as Storage;

/// A bar that is narrower than this, in points, leaves out what matters least.
const ROOMY: f32 = 1000.0;

/// What the bar shows besides the state.
pub(crate) struct Facts<'a> {
    /// The models.
    pub assistant: &'a Assistant,
    /// The image position under the pointer.
    pub pointer: Option<Point>,
    /// Masks that the models are asked for after those that they are at.
    pub waiting: usize,
    /// Points an image pixel.
    pub scale: f64,
    /// The adapter that draws the window.
    pub adapter: &'a str,
    /// How far the reading or writing of files is.
    pub task: Option<&'a Progress>,
}

/// Shows the bar: the facts first, so that what is said has the room that they leave and never runs into them.
pub(crate) fn ui(ui: &mut Ui, state: &State, facts: &Facts<'_>, commands: &mut Vec<Command>) {
    let spacing = ui.spacing().item_spacing;
    ui.horizontal_centered(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            facts_ui(ui, state, facts);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.spacing_mut().item_spacing = spacing;
                let room = ui.max_rect();
                ui.shrink_clip_rect(room);
                said_ui(ui, state, facts, commands);
            });
        });
    });
}

/// What runs and what is asked, and last, cut where it is too long, what is said.
fn said_ui(ui: &mut Ui, state: &State, facts: &Facts<'_>, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    if let Some(progress) = facts.task {
        task_ui(ui, progress, colors, Command::StopTask, commands);
    }
    let mut said = state.message.as_ref().map(|message| (message.text.clone(), tone(message, colors)));
    if let Some(running) = facts.assistant.running() {
        said = running_ui(ui, state, running, facts, commands);
    } else if let Some(review) = &state.review {
        let more = match &state.polish {
            PolishState::Review { undecided, .. } if review.is_polish => *undecided,
            _ => review.changes.len(),
        }
        .saturating_sub(1);
        if ui.small_button("Take (Enter)").clicked() {
            commands.push(Command::Accept);
        }
        if ui.small_button("Leave (Esc)").clicked() {
            commands.push(Command::Cancel);
        }
        if more > 0 && ui.small_button("Take all (Shift+Enter)").clicked() {
            commands.push(Command::DecideAll(true));
        }
        if state.message.as_ref().is_none_or(|message| message.tone == Tone::Plain) {
            let more = if more > 0 { format!("; {more} more") } else { String::new() };
            said = Some((format!("Refined: added is green, removed is red{more}"), colors.accent));
        }
    }
    polish::status_ui(ui, state, commands);
    training_ui(ui, state, commands);
    if !state.document.warnings.is_empty() {
        let text = RichText::new(match state.document.warnings.len() {
            1 => "1 warning".to_owned(),
            count => format!("{count} warnings"),
        })
        .size(12.0)
        .color(colors.warn);
        if ui.add(egui::Button::new(text).small()).clicked() {
            commands.push(Command::Check);
        }
    }
    if let Some((text, color)) = said.or_else(|| hint(state).map(|hint| (spelled(hint), colors.weak))) {
        ui.add(egui::Label::new(RichText::new(text).size(12.5).color(color)).truncate());
    }
}

/// What the tool in the hand does, and its keys.
fn hint(state: &State) -> Option<&'static str> {
    if state.tool == Tool::Brush && state.only_selected().is_some_and(|object| state.is_visible(object.id)) {
        return Some("Paints onto the selected object; Esc leaves it, and what is painted then is a new one");
    }
    let is_polygon = |object: &Instance| matches!(object.shape, Shape::Polygons(_)) && state.is_visible(object.id);
    if state.tool == Tool::Select && state.only_selected().is_some_and(is_polygon) {
        return Some("Drag a vertex to move it; Alt-click removes one, or adds one on an edge");
    }
    let is_drawing = state.tool != Tool::Select && state.shown().is_some();
    entry(&Command::Use(state.tool)).filter(|_| is_drawing).map(|entry| entry.tip)
}

/// A bar with words on it. Before anything is done it is empty: its round beginning would lie under a part of the words.
fn bar(share: f32, width: f32, words: String) -> ProgressBar {
    let bar = ProgressBar::new(share).desired_width(width).desired_height(14.0).text(RichText::new(words).size(11.0));
    if share > 0.0 { bar } else { bar.fill(Color32::TRANSPARENT) }
}

/// What the models are asked for, how far it is, and the button that stops it; gives what is to be said besides.
fn running_ui(ui: &mut Ui, state: &State, running: &Running, facts: &Facts<'_>, commands: &mut Vec<Command>) -> Option<(String, Color32)> {
    let colors = theme::palette(state.settings.look);
    let what = match running.aim {
        Aim::Refinement => "Refining",
        Aim::Fresh | Aim::Within(_) => "Proposing",
        Aim::Correction => "Correcting",
        Aim::Alternatives | Aim::Spread => "Sampling",
        Aim::Others(_) => "Looking for others like",
    };
    let masks = match (running.aim, running.instances.len()) {
        (Aim::Others(_), 1) => "it".to_owned(),
        (Aim::Others(_), _) => "them".to_owned(),
        (_, 1) => "mask".to_owned(),
        (_, count) => format!("{count} masks"),
    };
    let waiting = if facts.waiting > 0 { format!(", then {} more", facts.waiting) } else { String::new() };
    let preparing = match facts.assistant.readiness() {
        Readiness::Preparing(preparing) => Some(preparing),
        Readiness::Ready(_) | Readiness::Failed(_) => None,
    };
    let (until, share, far) = match preparing {
        Some(preparing) => (" when the models are ready", preparing.share(), preparing.time()),
        None if running.of > 0 => ("", running.step as f32 / running.of as f32, how_far(running)),
        None => ("", 0.0, how_far(running)),
    };
    ui.label(RichText::new(format!("{what} {masks}{waiting}{until}")).size(12.5).color(colors.accent));
    ui.add(bar(share, 150.0, far));
    if ui.small_button("Cancel (Esc)").clicked() {
        commands.push(Command::Cancel);
    }
    preparing.map(|preparing| (meanwhile(preparing, state), colors.weak))
}

/// What a person wants to know who waits for the models.
fn meanwhile(preparing: &Preparing, state: &State) -> String {
    let once = if preparing.is_long() { "This happens once, later starts are fast. " } else { "" };
    let then = if state.settings.propose_after_box { " and get their masks then" } else { "" };
    format!("{once}Boxes that you draw meanwhile are kept{then}")
}

/// How far the models are, in words; how many boxes a search looks at is an estimate, which nobody wants to read.
fn how_far(running: &Running) -> String {
    if running.of == 0 {
        return "starting".to_owned();
    }
    if !matches!(running.aim, Aim::Others(_)) {
        return format!("step {} of {}", running.step, running.of);
    }
    let left = task::left(&running.progress());
    let share = 100 * running.step / running.of;
    if left.is_empty() { format!("{share} %") } else { format!("{share} %, {left}") }
}

/// Which image, which device. A narrow bar tells only what matters most.
fn facts_ui(ui: &mut Ui, state: &State, facts: &Facts<'_>) {
    let colors = theme::palette(state.settings.look);
    let weak = |text: String| RichText::new(text).size(12.5).color(colors.weak);
    let is_roomy = ui.available_width() >= ROOMY;
    ui.spacing_mut().item_spacing.x = 14.0;
    models_ui(ui, state, facts, is_roomy);
    // What has to be said of the models needs the room.
    if is_roomy && !matches!(facts.assistant.readiness(), Readiness::Preparing(_)) {
        ui.label(weak(short(facts.adapter.split(" (").next().unwrap_or_default(), 34)))
            .on_hover_text(format!("The window is drawn by {}", facts.adapter));
    }
    if state.visibility.hides_all() {
        ui.label(RichText::new("objects hidden (H)").size(12.5).color(colors.warn)).on_hover_text("H shows them again");
    }
    if let Some(image) = state.shown() {
        ui.label(weak(format!("{} / {}", state.image + 1, state.document.image_count()))).on_hover_text("Image");
        if is_roomy {
            ui.label(weak(format!("{} × {}", image.size.width, image.size.height))).on_hover_text("Image size");
        }
        ui.label(weak(format!("{:.0} %", facts.scale * 100.0 * f64::from(ui.pixels_per_point())))).on_hover_text("Zoom");
        if let Some(at) = facts.pointer.filter(|_| is_roomy) {
            ui.label(weak(format!("{:.0}, {:.0}", at.x.floor(), at.y.floor()))).on_hover_text("Pixel under the pointer");
        }
        storage_ui(ui, state);
    }
}

/// The colour that goes with a message.
const fn tone(message: &Message, colors: &Palette) -> Color32 {
    match message.tone {
        Tone::Plain => colors.text,
        Tone::Warning => colors.warn,
        Tone::Error => colors.bad,
    }
}

/// How far training is, or that it is over.
fn training_ui(ui: &mut Ui, state: &State, commands: &mut Vec<Command>) {
    match &state.training {
        Training::Running(progress) => task_ui(ui, progress, theme::palette(state.settings.look), Command::StopTraining, commands),
        Training::Ended { is_seen: false, .. } if ui.small_button("Training result…").clicked() => commands.push(Command::Train),
        Training::Ended { .. } | Training::Idle => {}
    }
}

/// How far work is, how long it may take, and the button that stops it.
fn task_ui(ui: &mut Ui, progress: &Progress, colors: &Palette, stop: Command, commands: &mut Vec<Command>) {
    ui.label(RichText::new(&progress.label).size(12.5).color(colors.accent));
    let left = task::left(progress);
    let text = match progress.fraction() {
        Some(share) if left.is_empty() => format!("{:.0} %", share * 100.0),
        Some(share) => format!("{:.0} %, {left}", share * 100.0),
        None => "…".to_owned(),
    };
    ui.add(bar(progress.fraction().unwrap_or(0.0), 170.0, text));
    if ui.small_button("Stop").clicked() {
        commands.push(stop);
    }
    ui.separator();
}

fn storage_ui(ui: &mut Ui, state: &State) {
    let colors = theme::palette(state.settings.look);
    let path = state.document.project_path().map(|path| path.display().to_string()).unwrap_or_default();
    let (text, color, tip) = match state.document.storage() {
        _ if state.document.is_loading() => ("reading", colors.weak, "Objects of other images are still being read".to_owned()),
        Storage::Written => ("in project", colors.weak, format!("Every change is on the disk, in {path}")),
        Storage::Writing => ("writing…", colors.weak, format!("The last change is on its way to {path}")),
        Storage::Failing(why) => ("not written", colors.bad, format!("Your changes are in memory only: {why}")),
    };
    ui.label(RichText::new(text).size(12.5).color(color)).on_hover_text(tip);
}

/// How the models are.
fn models_ui(ui: &mut Ui, state: &State, facts: &Facts<'_>, is_roomy: bool) {
    let colors = theme::palette(state.settings.look);
    let longest = if is_roomy { 28 } else { 10 };
    let (color, text, tip) = match facts.assistant.readiness() {
        Readiness::Ready(device) => (colors.good, short(device, longest), format!("The models are ready; they run on {device}")),
        Readiness::Preparing(preparing) => {
            ui.ctx().request_repaint_after(Duration::from_secs(1));
            let (label, time) = (preparing.label(), preparing.time());
            let once = if preparing.is_long() { " once" } else { "" };
            let text = format!("{}{once}: {time}", if is_roomy { label } else { "Preparing" });
            (colors.warn, text, format!("{label}: {time}. {}", meanwhile(preparing, state)))
        }
        Readiness::Failed(reason) => (colors.bad, "no model".to_owned(), format!("The models cannot be used: {reason}")),
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        let (rect, _) = ui.allocate_exact_size(egui::vec2(9.0, 9.0), egui::Sense::hover());
        ui.painter().circle_filled(rect.center(), 4.0, color);
        ui.label(RichText::new(text).size(12.5).color(colors.weak)).on_hover_text(tip);
    });
}

fn short(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}
