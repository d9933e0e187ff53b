//! Which key does what: a preset, with the keys that the person changed. Commands go by their names in the table.

use std::collections::BTreeMap;

use egui::{Event, Key};
use serde::{Deserialize, Serialize};

use super::chord::Chord;
use super::command::{Command, Entry, Menu, TABLE, entry};

/// Keys as another program has them, where it has the command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The keys of the table.
    #[default]
    Own,
    /// Those of labelme.
    Labelme,
    /// Those of CVAT.
    Cvat,
}

impl Preset {
    /// All presets with their names.
    pub const ALL: [(Self, &'static str); 3] = [(Self::Own, "annotator"), (Self::Labelme, "labelme"), (Self::Cvat, "CVAT")];

    /// The commands with other keys than in the table.
    const fn changed(self) -> &'static [(&'static str, &'static [&'static str])] {
        match self {
            Self::Own => &[],
            Self::Labelme => &[
                ("Open folder…", &["Ctrl+U"]),
                ("Export COCO as…", &["Ctrl+Shift+S"]),
                ("Previous image", &["A", "PgUp"]),
                ("Next image", &["D", "PgDn"]),
                ("Box", &["Ctrl+R"]),
                ("Polygon", &["Ctrl+N"]),
                ("Select", &["Ctrl+J"]),
                ("Class…", &["Ctrl+E"]),
                ("Hide or show", &["T"]),
                ("Fit image", &["Ctrl+F"]),
            ],
            Self::Cvat => &[
                ("Next image", &["F", "PgDn"]),
                ("Previous image", &["D", "PgUp"]),
                ("Fit image", &["Ctrl+F"]),
                ("Class…", &["Ctrl+L"]),
                ("Select", &["V"]),
                ("Delete", &["Del"]),
            ],
        }
    }
}

/// The person's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Keymap {
    /// What the keys are without changes.
    pub preset: Preset,
    /// The keys of commands that were changed, as settings keep them.
    pub changed: BTreeMap<String, Vec<String>>,
}

impl Keymap {
    /// The keys of a line of the table.
    pub fn keys(&self, entry: &Entry) -> Vec<Chord> {
        if let Some(texts) = self.changed.get(entry.name) {
            return texts.iter().filter_map(|text| Chord::parsed(text)).collect();
        }
        let preset = self.preset.changed();
        if let Some((_, texts)) = preset.iter().find(|(name, _)| *name == entry.name) {
            return texts.iter().filter_map(|text| Chord::parsed(text)).collect();
        }
        let taken: Vec<Chord> = preset.iter().flat_map(|(_, texts)| texts.iter().filter_map(|text| Chord::parsed(text))).collect();
        entry.keys.iter().copied().filter(|chord| !taken.contains(chord)).collect()
    }

    /// The first key of a line of the table, as on its cap; empty where it has none.
    pub fn first(&self, entry: &Entry) -> String {
        self.keys(entry).first().map(|chord| chord.shown()).unwrap_or_default()
    }

    /// What a sentence calls a command: its first key, or its name where it has none.
    pub fn called(&self, command: &Command) -> String {
        let Some(entry) = entry(command) else { return String::new() };
        let key = self.first(entry);
        if key.is_empty() { entry.name.to_owned() } else { key }
    }

    /// The line of the table that `fits` a key; of several the first.
    pub fn entry(&self, fits: impl Fn(&Chord) -> bool) -> Option<&'static Entry> {
        TABLE.iter().find(|entry| self.keys(entry).iter().any(&fits))
    }

    /// The keys that stand at more than one command, with the commands' names; only the first of them is heard.
    pub fn conflicts(&self) -> Vec<(Chord, Vec<&'static str>)> {
        let mut all: Vec<(Chord, Vec<&'static str>)> = Vec::new();
        for entry in TABLE {
            for chord in self.keys(entry) {
                match all.iter_mut().find(|(known, _)| *known == chord) {
                    Some((_, names)) => names.push(entry.name),
                    None => all.push((chord, vec![entry.name])),
                }
            }
        }
        all.retain(|(_, names)| names.len() > 1);
        all
    }

    /// Gives a command one key in place of those that it has. Other commands lose it, whose names come back; those that no page
    /// shows keep theirs, as nobody could give them another.
    pub fn set(&mut self, entry: &Entry, chord: Chord) -> Vec<&'static str> {
        let mut losers = Vec::new();
        for other in TABLE.iter().filter(|other| other.name != entry.name && other.menu != Menu::None) {
            let mut keys = self.keys(other);
            if keys.contains(&chord) {
                keys.retain(|key| *key != chord);
                self.changed.insert(other.name.to_owned(), keys.iter().map(|key| key.text()).collect());
                losers.push(other.name);
            }
        }
        self.changed.insert(entry.name.to_owned(), vec![chord.text()]);
        losers
    }

    /// Gives a command the keys of the preset again.
    pub fn reset(&mut self, entry: &Entry) {
        self.changed.remove(entry.name);
    }
}

/// The commands whose keys were pressed in this frame; takes the key presses out of the input.
///
/// While text is being typed only the keys with Ctrl and the function keys count, and of those none that edits text. What
/// follows a key that opens a field is for the field: it stays in the input.
pub fn pressed(input: &mut egui::InputState, typing: bool, keymap: &Keymap) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut events = std::mem::take(&mut input.events).into_iter();
    let mut has_text = false;
    for event in events.by_ref() {
        let (command, is_taken) = heard(&event, typing, keymap);
        let opens = command.as_ref().is_some_and(opens_field);
        commands.extend(command);
        if opens {
            // The texts of the keys before are not for the field.
            input.events.retain(|event| !matches!(event, Event::Text(_) | Event::Paste(_)));
            has_text = matches!(event, Event::Key { modifiers, .. } if !modifiers.command);
        }
        if !is_taken {
            input.events.push(event);
        }
        if opens {
            break;
        }
    }
    // Nor is the text of the key itself, which comes right behind it.
    let own = usize::from(has_text && matches!(events.as_slice(), [Event::Text(_), ..]));
    input.events.extend(events.skip(own));
    commands
}

/// The command that an event asks for, and whether that takes the event out of the input.
fn heard(event: &Event, typing: bool, keymap: &Keymap) -> (Option<Command>, bool) {
    let (key, pressed, modifiers, repeat) = match (event, Chord::of_clipboard(event)) {
        (Event::Key { key, pressed, modifiers, repeat, .. }, _) => (*key, *pressed, *modifiers, *repeat),
        (_, Some(chord)) => (chord.key, true, chord.modifiers, false),
        _ => return (None, false),
    };
    let is_hide = |chord: &Chord| chord.key == key;
    if !pressed && !typing && entry(&Command::ToggleHidden).is_some_and(|hide| keymap.keys(hide).iter().any(is_hide)) {
        return (Some(Command::EndPeek), false);
    }
    // Space held down moves the image; only its release can tell that it was tapped.
    if pressed == (key == Key::Space) {
        return (None, false);
    }
    let chord = |chord: &Chord| {
        chord.key == key
            && chord.modifiers.command == modifiers.command
            && chord.modifiers.alt == modifiers.alt
            && (chord.modifiers.shift == modifiers.shift || matches!(key, Key::Slash | Key::Plus))
    };
    let Some(entry) = keymap.entry(chord) else { return (None, false) };
    let edits_text = matches!(key, Key::A | Key::C | Key::V | Key::X | Key::Y | Key::Z);
    let function_key = matches!(key, Key::F1 | Key::F2 | Key::F3);
    if typing && !function_key && (!modifiers.command || edits_text) {
        return (None, false);
    }
    let counts = !repeat || is_repeated(&entry.command);
    (counts.then(|| entry.command.clone()), true)
}

/// Whether a command opens a field in which the keys after it are typed.
const fn opens_field(command: &Command) -> bool {
    matches!(
        command,
        Command::SearchClass
            | Command::SearchImage
            | Command::Palette
            | Command::OpenRecent
            | Command::OpenPath
            | Command::AskName(_)
            | Command::AskMerge(_)
    )
}

/// Whether a command is done again and again while its key is held down; all others are done once for each press.
const fn is_repeated(command: &Command) -> bool {
    matches!(
        command,
        Command::Undo
            | Command::Redo
            | Command::NextImage
            | Command::PreviousImage
            | Command::Go(_)
            | Command::NextObject
            | Command::PreviousObject
            | Command::Nudge(..)
            | Command::BrushSmaller
            | Command::BrushLarger
            | Command::ZoomIn
            | Command::ZoomOut
    )
}

/// Which key of the system's clipboard is held down: the events that come in its place do not say that they are repeats.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pasting {
    held: Option<Key>,
}

impl Pasting {
    /// Follows the keys, and takes the repeats out of the input unless text is being typed.
    pub fn follow(&mut self, input: &mut egui::InputState, typing: bool) {
        input.events.retain(|event| {
            if let Some(chord) = Chord::of_clipboard(event) {
                return self.held.replace(chord.key) != Some(chord.key) || typing;
            }
            let ends = match event {
                Event::WindowFocused(has_focus) => !has_focus,
                // Of these, one may be let go when the next is down already; there are others that stand for them.
                Event::Key { key, pressed: false, .. } => self.held == Some(*key) || !matches!(key, Key::C | Key::V | Key::X),
                _ => false,
            };
            self.held = self.held.filter(|_| !ends);
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::command::Tool;
    use crate::app::object::Act;

    #[test]
    fn every_key_of_the_table_reads_back() {
        for chord in TABLE.iter().flat_map(|entry| entry.keys) {
            assert_eq!(Chord::parsed(&chord.text()), Some(*chord));
        }
    }

    #[test]
    fn a_key_that_is_held_down_decides_once() {
        let pressed = |key, modifiers, repeat| {
            let mut input = egui::InputState::default();
            input.events.push(Event::Key { key, physical_key: None, pressed: true, repeat, modifiers });
            pressed(&mut input, false, &Keymap::default())
        };
        for (key, modifiers, command) in [
            (Key::Enter, egui::Modifiers::NONE, Command::Accept),
            (Key::Escape, egui::Modifiers::NONE, Command::Cancel),
            (Key::Enter, egui::Modifiers::SHIFT, Command::DecideAll(true)),
            (Key::Escape, egui::Modifiers::SHIFT, Command::DecideAll(false)),
        ] {
            assert_eq!(pressed(key, modifiers, false), [command]);
            assert_eq!(pressed(key, modifiers, true), []);
        }
        for key in [Key::J, Key::Delete, Key::X, Key::H] {
            assert_eq!(pressed(key, egui::Modifiers::NONE, false).len(), 1, "{key:?}");
            assert_eq!(pressed(key, egui::Modifiers::NONE, true), [], "{key:?}");
        }
        for (key, modifiers, command) in [
            (Key::D, egui::Modifiers::NONE, Command::NextImage),
            (Key::Z, egui::Modifiers::COMMAND, Command::Undo),
            (Key::CloseBracket, egui::Modifiers::NONE, Command::BrushLarger),
            (Key::ArrowLeft, egui::Modifiers::SHIFT, Command::Nudge(-10, 0)),
        ] {
            assert_eq!(pressed(key, modifiers, true), [command]);
        }
    }

    #[test]
    fn what_follows_a_key_that_opens_a_field_is_typed() {
        let key = |key, modifiers| Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers };
        let text = |text: &str| Event::Text(text.to_owned());
        let (b, e) = (key(Key::B, egui::Modifiers::NONE), key(Key::E, egui::Modifiers::NONE));
        for (opener, own, command) in [
            (key(Key::Slash, egui::Modifiers::NONE), Some(text("/")), Command::SearchClass),
            (key(Key::G, egui::Modifiers::COMMAND), None, Command::SearchImage),
            (key(Key::P, egui::Modifiers::COMMAND), None, Command::Palette),
        ] {
            let mut input = egui::InputState::default();
            input.events.extend([b.clone(), text("b"), opener]);
            input.events.extend(own);
            input.events.extend([e.clone(), text("e"), text("/")]);
            let commands = pressed(&mut input, false, &Keymap::default());
            assert_eq!(commands, [Command::Use(Tool::Brush), command]);
            assert_eq!(input.events, [e.clone(), text("e"), text("/")]);
        }
    }

    #[test]
    fn a_paste_key_that_is_held_down_pastes_once() {
        let mut pasting = Pasting::default();
        let mut passes = |event: Event, typing| {
            let mut input = egui::InputState::default();
            input.events.push(event);
            pasting.follow(&mut input, typing);
            !input.events.is_empty()
        };
        let paste = || Event::Paste("cat".to_owned());
        let release = |key| Event::Key { key, physical_key: None, pressed: false, repeat: false, modifiers: egui::Modifiers::NONE };
        assert!(passes(Event::Copy, false));
        assert!(passes(paste(), false), "another key");
        assert!(passes(release(Key::C), false));
        assert!(!passes(paste(), false), "it is held down still");
        assert!(passes(paste(), true), "text repeats");
        for end in [release(Key::V), Event::WindowFocused(false), release(Key::Paste)] {
            assert!(passes(end, false));
            assert!(passes(paste(), false));
            assert!(!passes(paste(), false));
        }
    }

    #[test]
    fn copy_and_paste_of_the_system_stand_for_their_keys() {
        let pressed = |event, typing, keymap: &Keymap| {
            let mut input = egui::InputState::default();
            input.events.push(event);
            (pressed(&mut input, typing, keymap), input.events.len())
        };
        let paste = || Event::Paste("cat".to_owned());
        let mut keymap = Keymap::default();
        assert_eq!(pressed(Event::Copy, false, &keymap), (vec![Command::Act(Act::Copy)], 0));
        assert_eq!(pressed(paste(), false, &keymap), (vec![Command::Act(Act::Paste)], 0));
        assert_eq!(pressed(paste(), true, &keymap), (vec![], 1), "text is pasted");
        assert_eq!(pressed(Event::Cut, false, &keymap), (vec![], 1));
        let entry = |name: &str| TABLE.iter().find(|entry| entry.name == name).unwrap();
        keymap.set(entry("Paste"), Chord::parsed("F5").unwrap());
        assert_eq!(pressed(paste(), false, &keymap), (vec![], 1), "another key pastes now");
        keymap.set(entry("Brush"), Chord::parsed("Ctrl+V").unwrap());
        assert_eq!(pressed(paste(), false, &keymap).0, [entry("Brush").command.clone()]);
    }

    #[test]
    fn no_preset_has_a_conflict_or_a_command_that_is_not_there() {
        for (preset, name) in Preset::ALL {
            assert_eq!(Keymap { preset, ..Keymap::default() }.conflicts(), [], "{name}");
            for (command, keys) in preset.changed() {
                assert!(TABLE.iter().any(|entry| entry.name == *command), "{name}: {command}");
                assert!(keys.iter().all(|key| Chord::parsed(key).is_some()), "{name}: {keys:?}");
            }
        }
    }

    #[test]
    fn changed_keys_go_before_the_preset_and_conflicts_are_found() {
        let entry = |name: &str| TABLE.iter().find(|entry| entry.name == name).unwrap();
        let mut keys = Keymap { preset: Preset::Cvat, ..Keymap::default() };
        assert_eq!(keys.first(entry("Next image")), "F");
        assert_eq!(keys.first(entry("Box")), "R");
        assert_eq!(keys.set(entry("Brush"), Chord::parsed("R").unwrap()), ["Box"]);
        assert_eq!([keys.first(entry("Brush")), keys.first(entry("Box"))], ["R", "W"], "its other key stays");
        assert_eq!(keys.conflicts(), []);
        keys.reset(entry("Box"));
        assert_eq!(keys.conflicts(), [(Chord::parsed("R").unwrap(), vec!["Box", "Brush"])]);
        keys.reset(entry("Brush"));
        assert_eq!(keys.first(entry("Brush")), "B");
        assert_eq!(keys.set(entry("Brush"), Chord::parsed("PgDn").unwrap()), ["Next image"]);
        assert_eq!(keys.keys(entry("Next image")), [Chord::parsed("F").unwrap()]);
    }
}
