//! A key with its modifiers, and how it reads on key caps.

use egui::os::OperatingSystem;
use egui::{Event, Key, ModifierNames, Modifiers};

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chord {
    /// Which modifiers are down.
    pub modifiers: Modifiers,
    /// The key.
    pub key: Key,
}

impl Chord {
    /// The words by which settings keep it, the same on each system, as `Ctrl+Shift+Z`.
    pub fn text(self) -> String {
        let mut text = String::new();
        for (down, name) in [(self.modifiers.command, "Ctrl+"), (self.modifiers.shift, "Shift+"), (self.modifiers.alt, "Alt+")] {
            if down {
                text.push_str(name);
            }
        }
        text.push_str(match self.key {
            Key::OpenBracket => "[",
            Key::CloseBracket => "]",
            Key::Slash => "/",
            Key::PageUp => "PgUp",
            Key::PageDown => "PgDn",
            Key::Delete => "Del",
            Key::Escape => "Esc",
            Key::Plus => "+",
            Key::Minus => "-",
            Key::Equals => "=",
            key => key.name(),
        });
        text
    }

    /// The words on this system's key caps.
    pub fn shown(self) -> String {
        self.shown_on(OperatingSystem::default())
    }

    fn shown_on(self, system: OperatingSystem) -> String {
        // Names, as not all signs of a Mac's caps are in the window's fonts.
        let names = ModifierNames::NAMES;
        let modifiers = names.format(&self.modifiers, system.is_mac());
        let key = bare(self.key).text();
        if modifiers.is_empty() { key } else { format!("{modifiers}{}{key}", names.concat) }
    }

    /// The chord behind an event of the system's clipboard, which comes in the place of its keys.
    pub(super) const fn of_clipboard(event: &Event) -> Option<Self> {
        match event {
            Event::Copy => Some(ctrl(Key::C)),
            Event::Cut => Some(ctrl(Key::X)),
            Event::Paste(_) | Event::PasteImage(_) => Some(ctrl(Key::V)),
            _ => None,
        }
    }

    /// The chord that settings keep as `text`.
    pub fn parsed(text: &str) -> Option<Self> {
        let mut modifiers = Modifiers::NONE;
        let mut rest = text;
        loop {
            let parts = [("Ctrl+", Modifiers::COMMAND), ("Shift+", Modifiers::SHIFT), ("Alt+", Modifiers::ALT)];
            let Some((name, modifier)) = parts.into_iter().find(|(name, _)| rest.starts_with(name)) else { break };
            rest = &rest[name.len()..];
            modifiers |= modifier;
        }
        let key = Key::ALL.iter().copied().find(|&key| Self { modifiers: Modifiers::NONE, key }.text() == rest)?;
        Some(Self { modifiers, key })
    }
}

/// A sentence with the keys' names of this system.
pub(super) fn spelled(text: &str) -> String {
    spelled_on(text, OperatingSystem::default())
}

fn spelled_on(text: &str, system: OperatingSystem) -> String {
    let names = ModifierNames::NAMES;
    if system.is_mac() { text.replace(names.ctrl, names.mac_cmd).replace(names.alt, names.mac_alt) } else { text.to_owned() }
}

/// A key alone.
pub(super) const fn bare(key: Key) -> Chord {
    Chord { modifiers: Modifiers::NONE, key }
}

/// A key with Ctrl, or what stands for it.
pub(super) const fn ctrl(key: Key) -> Chord {
    Chord { modifiers: Modifiers::COMMAND, key }
}

/// A key with Shift.
pub(super) const fn shift(key: Key) -> Chord {
    Chord { modifiers: Modifiers::SHIFT, key }
}

/// A key with both.
pub(super) const fn ctrl_shift(key: Key) -> Chord {
    Chord { modifiers: Modifiers::COMMAND.plus(Modifiers::SHIFT), key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cap_reads_as_people_write_it() {
        for (chord, text) in [(ctrl_shift(Key::Z), "Ctrl+Shift+Z"), (bare(Key::OpenBracket), "["), (ctrl(Key::Plus), "Ctrl++")] {
            assert_eq!((chord.text().as_str(), Chord::parsed(text)), (text, Some(chord)));
        }
        assert_eq!(Chord::parsed("Ctrl+nonsense"), None);
    }

    #[test]
    fn each_system_has_its_own_names_of_keys() {
        let alt = Chord { modifiers: Modifiers::ALT, key: Key::PageDown };
        for (chord, usual, mac) in [
            (ctrl(Key::S), "Ctrl+S", "Cmd+S"),
            (ctrl_shift(Key::Z), "Ctrl+Shift+Z", "Shift+Cmd+Z"),
            (shift(Key::Escape), "Shift+Esc", "Shift+Esc"),
            (alt, "Alt+PgDn", "Option+PgDn"),
            (bare(Key::OpenBracket), "[", "["),
        ] {
            let shown = [OperatingSystem::Nix, OperatingSystem::Windows, OperatingSystem::Mac].map(|system| chord.shown_on(system));
            assert_eq!(shown, [usual, usual, mac]);
        }
        let tip = "Ctrl takes it out, Alt+wheel changes how like";
        assert_eq!(spelled_on(tip, OperatingSystem::Nix), tip);
        assert_eq!(spelled_on(tip, OperatingSystem::Mac), "Cmd takes it out, Option+wheel changes how like");
    }
}
