//! All keys, and the person's changes to them.

use egui::{Context, Event, Grid, Key, Label, Modifiers, RichText, ScrollArea, Ui, vec2};

use crate::app::chord::{Chord, spelled};
use crate::app::command::{Command, Entry, Menu, POINTER, TABLE};
use crate::app::keymap::Preset;
use crate::app::settings::Settings;
use crate::app::state::State;
use crate::app::theme::Palette;

/// The page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeysForm {
    /// The command that waits for a key.
    waiting: Option<&'static str>,
    /// Which command lost the key that was given last.
    taken: Option<String>,
}

impl KeysForm {
    /// Shows the page, in two columns where the window is wide enough; whether it closes.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
        let count = columns(ui.ctx());
        let mut settings = state.settings.clone();
        self.take_key(ui, &mut settings);
        ui.horizontal_wrapped(|ui| {
            ui.heading("Keys");
            ui.add_space(16.0);
            for (preset, name) in Preset::ALL {
                ui.selectable_value(&mut settings.keymap.preset, preset, name);
            }
            if !settings.keymap.changed.is_empty() && ui.button("Undo my changes").clicked() {
                settings.keymap.changed.clear();
            }
        });
        let note = "Click a key to change it, with the right button to have it back.";
        ui.label(RichText::new(note).size(12.5).color(colors.weak));
        if let Some(taken) = &self.taken {
            ui.label(RichText::new(taken).size(12.5).color(colors.warn));
        }
        let conflicts = settings.keymap.conflicts();
        for (chord, names) in &conflicts {
            let text = format!("{} stands at {}: only the first is heard", chord.shown(), names.join(" and "));
            ui.label(RichText::new(text).size(12.5).color(colors.bad));
        }
        ui.add_space(4.0);
        let entries: Vec<&'static Entry> = TABLE.iter().filter(|entry| entry.menu != Menu::None).collect();
        let pointer: Vec<(&str, &str)> =
            std::iter::once(("1 … 9", "Class of the selection and of what is drawn next")).chain(POINTER.iter().copied()).collect();
        let lines = (entries.len() + pointer.len()).div_ceil(count);
        let height = (ui.ctx().content_rect().height() - 220.0).max(60.0);
        ScrollArea::vertical().min_scrolled_height(height).max_height(height).show(ui, |ui| {
            ui.columns(count, |columns| {
                for (number, column) in columns.iter_mut().enumerate() {
                    column.spacing_mut().interact_size.y = 17.0;
                    column.spacing_mut().button_padding = vec2(0.0, 1.0);
                    let grid = Grid::new(("keys", count, number)).num_columns(2).min_col_width(110.0);
                    grid.min_row_height(17.0).spacing([12.0, 4.0]).show(column, |ui| {
                        for index in number * lines..(number + 1) * lines {
                            if let Some(&entry) = entries.get(index) {
                                let clashes = conflicts.iter().any(|(_, names)| names.contains(&entry.name));
                                self.key_ui(ui, entry, &mut settings, clashes, colors);
                                ui.add(named(entry.name)).on_hover_text(spelled(entry.tip));
                            } else if let Some((key, name)) = index.checked_sub(entries.len()).and_then(|index| pointer.get(index)) {
                                ui.label(RichText::new(spelled(key)).size(12.5).color(colors.weak));
                                ui.add(named(&spelled(name)));
                            }
                            ui.end_row();
                        }
                    });
                }
            });
        });
        ui.add_space(8.0);
        if settings != state.settings {
            commands.push(Command::Change(settings));
        }
        ui.button("Close").clicked()
    }

    /// The button with a command's keys.
    fn key_ui(&mut self, ui: &mut Ui, entry: &'static Entry, settings: &mut Settings, clashes: bool, colors: &Palette) {
        let keys: Vec<String> = settings.keymap.keys(entry).iter().map(|chord| chord.shown()).collect();
        let is_changed = settings.keymap.changed.contains_key(entry.name);
        let (text, color) = if self.waiting == Some(entry.name) {
            ("press a key".to_owned(), colors.warn)
        } else if keys.is_empty() {
            ("—".to_owned(), colors.weak)
        } else {
            (keys.join("   "), if clashes { colors.bad } else { colors.accent })
        };
        let text = RichText::new(text).size(12.5).color(color);
        let text = if is_changed { text.underline() } else { text };
        let response = ui.add(egui::Button::new(text).frame(false));
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Key of {}", entry.name)));
        if response.clicked() {
            self.waiting = Some(entry.name);
        }
        if response.secondary_clicked() {
            settings.keymap.reset(entry);
        }
    }

    /// Gives the key that was pressed to the command that waits for one; Esc leaves it as it was.
    fn take_key(&mut self, ui: &Ui, settings: &mut Settings) {
        let Some(entry) = self.waiting.and_then(|name| TABLE.iter().find(|entry| entry.name == name)) else { return };
        let key = ui.input_mut(|input| {
            let is_key = |event: &Event| matches!(event, Event::Key { pressed: true, .. }) || Chord::of_clipboard(event).is_some();
            let place = input.events.iter().position(is_key)?;
            match input.events.remove(place) {
                Event::Key { key, modifiers, .. } => Some((key, modifiers)),
                event => Chord::of_clipboard(&event).map(|chord| (chord.key, chord.modifiers)),
            }
        });
        let Some((key, modifiers)) = key else { return };
        self.waiting = None;
        if key != Key::Escape {
            let parts = [(modifiers.command, Modifiers::COMMAND), (modifiers.shift, Modifiers::SHIFT), (modifiers.alt, Modifiers::ALT)];
            let modifiers = parts.into_iter().filter(|(down, _)| *down).fold(Modifiers::NONE, |all, (_, one)| all | one);
            let chord = Chord { modifiers, key };
            let losers = settings.keymap.set(entry, chord);
            self.taken = (!losers.is_empty()).then(|| format!("{} was taken from {}", chord.shown(), losers.join(" and ")));
        }
    }
}

/// How many columns of keys the window has room for.
fn columns(ctx: &Context) -> usize {
    if ctx.content_rect().width() < 830.0 { 1 } else { 2 }
}

/// Width of the page, in points.
pub(super) fn width(ctx: &Context) -> f32 {
    430.0 * columns(ctx) as f32
}

/// What a key does, in lines as long as there is room for.
fn named(name: &str) -> Label {
    Label::new(RichText::new(name).size(13.0)).wrap()
}
