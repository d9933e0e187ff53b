//! One frame: the keys' commands, layout of the panels, then the commands that they pushed.

use std::path::PathBuf;
use std::time::Duration;

use egui::{CentralPanel, CursorIcon, Frame, Margin, Panel, Role, ScrollArea, Sense, Ui, WidgetInfo, vec2};

use super::assistant::{Aim, Outcome};
use super::command::Command;
use super::document::{ImageFile, Source};
use super::keymap;
use super::panel::filmstrip::{Filmstrip, NOTE};
use super::panel::{check, classes, menu, objects, polish, status, toolbar};
use super::picture::Loaded;
use super::{App, propose, refine, theme};

/// So long after something was taken back the background waits with steps of its own.
const REDO_TIME: Duration = Duration::from_secs(20);

/// A window that is lower than this, in points, has a lower film strip.
const LOW: f32 = 440.0;

/// In a panel that is lower than this, in points, the lists' headings stand closer.
const LOW_LISTS: f32 = 236.0;

/// How much of its panel the list of objects has until a person moves the line under it.
const OBJECTS_SHARE: f32 = 0.4;

/// The part of that for all that is no row, in points.
const OBJECTS_REST: f32 = 44.0;

impl App {
    /// Shows the window's content and carries out what was asked for.
    pub fn show_ui(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        self.collect(&ctx);
        self.collect_transfer(&ctx);
        self.collect_training();
        self.collect_check();
        self.watch_close(&ctx);
        self.take_outcomes();
        self.tick_batch(&ctx);
        self.tick_polish(&ctx);
        // Before the pointer: on a slow machine a key and the drag that follows it, or the end of one before it, may come in one frame.
        let released = self.canvas.release_before_keys(&ctx, &self.state);
        self.perform_all(released, &ctx);
        let mut commands = self.input(&ctx);
        if commands.contains(&Command::NextAlternative) && self.canvas.take_moved_by_space() {
            commands.retain(|command| *command != Command::NextAlternative);
        }
        self.perform_all(commands, &ctx);
        self.want_pictures();
        self.state.follow_colors();
        let mut commands = Vec::new();
        self.panels(ui, &mut commands);
        check::ui(&ctx, &mut self.check, &self.state, &mut commands);
        if let Some(mut dialog) = self.dialog.take()
            && dialog.ui(&ctx, &self.state, &mut commands)
        {
            self.dialog = Some(dialog);
        }
        self.perform_all(commands, &ctx);
        self.state.document.choose(self.state.category);
        self.keep_exemplars(&ctx);
        self.timers(&ctx);
    }

    /// Takes what the models found, but nothing that would change what a hand is drawing.
    pub(super) fn take_outcomes(&mut self) {
        self.held.extend(self.assistant.poll());
        let (is_busy, has_outline) = (self.canvas.is_busy(), self.canvas.has_outline());
        // A step of its own would end what a person has just taken back and may do again.
        let may_redo = self.state.document.history().next_redo().is_some() && self.undone_at.is_some_and(|at| at.elapsed() < REDO_TIME);
        let (later, now) = std::mem::take(&mut self.held).into_iter().partition(|outcome| match outcome {
            Outcome::Refined(..) => is_busy || has_outline,
            Outcome::Batched(_) => is_busy || may_redo,
            _ => is_busy,
        });
        self.held = later;
        for outcome in now {
            self.receive(outcome);
        }
    }

    fn perform_all(&mut self, commands: Vec<Command>, ctx: &egui::Context) {
        for command in commands {
            self.perform(command, ctx);
            ctx.request_repaint();
        }
    }

    fn input(&mut self, ctx: &egui::Context) -> Vec<Command> {
        let dropped = ctx.input(|input| input.raw.dropped_files.first().map(|file| file.path().to_path_buf()));
        let mut commands: Vec<Command> = dropped.map(opened).into_iter().collect();
        let typing = ctx.text_edit_focused();
        ctx.input_mut(|input| self.pasting.follow(input, typing));
        // An open menu has the keys, Esc above all.
        if self.dialog.is_none() && !egui::Popup::is_any_open(ctx) {
            commands.extend(ctx.input_mut(|input| keymap::pressed(input, typing, &self.state.settings.keymap)));
        }
        commands
    }

    /// Masks that the models are asked for after those that they are at.
    fn waiting(&self) -> usize {
        let refined = self.refining.as_ref().map(refine::Refining::waiting);
        refined.or_else(|| self.proposing.as_ref().map(propose::Proposing::waiting)).unwrap_or(0)
    }

    fn want_pictures(&mut self) {
        let document = &self.state.document;
        if document.source == Source::Nothing {
            return;
        }
        let file = |index: usize| document.image(index).map(|image| document.image_file(image));
        let state = &self.state;
        let at = state.image;
        let next = state.listed_after(at);
        let near = [Some(at), next, state.listed_before(at), next.and_then(|next| state.listed_after(next))];
        let whole: Vec<ImageFile> = near.into_iter().flatten().filter_map(file).collect();
        let thumbnails: Vec<ImageFile> = self.filmstrip.seen().iter().copied().filter_map(file).collect();
        self.pictures.want(&whole, &thumbnails);
    }

    fn panels(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let colors = theme::palette(self.state.settings.look);
        let panel = |x, y| Frame::new().fill(colors.panel).inner_margin(Margin::symmetric(x, y));
        let task = self.task();
        self.state.follow_listed();
        let (hovered, mut lit) = (self.canvas.hovered(), None);
        let (state, polished) = (&self.state, self.polished.as_ref());
        let opened = state.document.source != Source::Nothing;
        Panel::top("menu").frame(panel(8, 4)).show_separator_line(true).show(ui, |ui| menu::ui(ui, state, commands));
        Panel::bottom("status").frame(panel(12, 0)).exact_size(30.0).show(ui, |ui| {
            let facts = status::Facts {
                assistant: &self.assistant,
                waiting: self.waiting(),
                pointer: self.canvas.pointer(),
                scale: self.canvas.view.scale(),
                adapter: &self.adapter,
                task: task.as_ref(),
            };
            status::ui(ui, state, &facts, commands);
        });
        if opened {
            let (filmstrip, pictures): (&mut Filmstrip, _) = (&mut self.filmstrip, &self.pictures);
            let note = if state.listed.is_some() { NOTE } else { 0.0 };
            let strip = note + if ui.ctx().content_rect().height() < LOW { 76.0 } else { 106.0 };
            Panel::bottom("filmstrip").frame(panel(10, 8)).exact_size(strip).show(ui, |ui| filmstrip.ui(ui, state, pictures, commands));
            Panel::left("tools").frame(panel(6, 10)).exact_size(56.0).resizable(false).show(ui, |ui| toolbar::ui(ui, state, commands));
            Panel::right("lists").frame(panel(12, 10)).default_size(270.0).size_range(200.0..=460.0).show(ui, |ui| {
                // Each list has two rows at least, in a low panel a part of them; where there is no room for that, all move
                // together.
                ScrollArea::vertical().id_salt("lists").auto_shrink([false, false]).show(ui, |ui| {
                    if let Some(polished) = polished {
                        polish::list_ui(ui, state, &polished.findings, ui.available_height() * 0.3, commands);
                        ui.separator();
                    }
                    let height = ui.available_height();
                    let is_low = height < LOW_LISTS;
                    if is_low {
                        ui.spacing_mut().item_spacing.y = 2.0;
                        ui.spacing_mut().interact_size.y = 18.0;
                    }
                    let memory = ui.scope_id().with("share of objects");
                    let share = ui.data(|data| data.get_temp(memory)).unwrap_or(OBJECTS_SHARE);
                    let room = if is_low {
                        (height * 0.5 - 33.0).max(30.0)
                    } else {
                        (height * share - OBJECTS_REST).min(height - 185.0).max(57.0)
                    };
                    lit = ui.push_id("objects", |ui| objects::ui(ui, state, room, hovered, commands)).inner;
                    let (above, below, heading, least) = if is_low { (0.0, 0.0, 30.0, 40.0) } else { (8.0, 4.0, 70.0, 53.0) };
                    ui.add_space(above);
                    let by = divider_ui(ui);
                    // In a low panel each list has its least.
                    if by.abs() > 0.0 && !is_low {
                        ui.data_mut(|data| data.insert_temp(memory, (room + by + OBJECTS_REST) / height));
                        ui.ctx().request_repaint();
                    }
                    ui.add_space(below);
                    ui.push_id("classes", |ui| {
                        let height = ui.available_height() - heading;
                        classes::ui(ui, state, height.max(least), is_low, commands);
                    });
                });
            });
        }
        let picture = state.shown().map_or(Loaded::Waiting, |image| self.pictures.get(&state.document.image_file(image)));
        let (canvas, assistant) = (&mut self.canvas, &self.assistant);
        canvas.light(lit);
        CentralPanel::no_frame().show(ui, |ui| canvas.ui(ui, state, &picture, assistant, commands));
    }

    fn timers(&mut self, ctx: &egui::Context) {
        let now = ctx.input(|input| input.time);
        // What is held back comes first: it may be the mask that is waited for.
        let waits = !self.held.is_empty() || self.assistant.running().is_some_and(|running| running.aim != Aim::Fresh);
        if self.awaited.due.is_some_and(|due| now >= due && !self.canvas.is_busy() && !waits) {
            self.propose_awaited();
            ctx.request_repaint();
        }
        if let Some(due) = self.awaited.due {
            ctx.request_repaint_after(Duration::from_secs_f64((due - now).max(0.02)));
        }
    }
}

/// Shows the line between the lists; gives back how far it is dragged down.
fn divider_ui(ui: &mut Ui) -> f32 {
    let line = ui.separator();
    let handle = ui.interact(line.rect.expand2(vec2(0.0, 4.0)), ui.scope_id().with("divider"), Sense::DRAG);
    handle.widget_info(|| WidgetInfo::labeled(Role::Splitter, true, "Between objects and classes"));
    handle.on_hover_and_drag_cursor(CursorIcon::ResizeVertical).drag_delta().y
}

/// What a dropped path asks for.
fn opened(path: PathBuf) -> Command {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors")) {
        Command::UseWeights(path)
    } else {
        Command::Open(path)
    }
}
