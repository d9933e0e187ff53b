//! The search for an image, by its name or its place. Only a few rows are laid out, and names are compared only when the
//! text has changed, so that a folder of 100,000 images costs nothing.

use std::path::Path;

use egui::{RichText, Ui};

use super::dialog::{SHOWN, Search};
use crate::app::command::Command;
use crate::app::fuzzy;
use crate::app::state::State;
use crate::app::theme::Palette;

/// Finds an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ImageSearch {
    search: Search,
    /// The images that fit, the best first, as many as are shown.
    found: Vec<usize>,
    /// How many more fit.
    more: usize,
    /// The text that they fit, and among how many images.
    sought: Option<(String, usize)>,
}

impl ImageSearch {
    /// Shows the search; whether it closes.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
        let sought = (self.search.query().to_owned(), state.document.image_count());
        if self.sought.as_ref() != Some(&sought) {
            let mut found = found(&sought.0, state);
            self.more = found.len().saturating_sub(SHOWN);
            found.truncate(SHOWN);
            self.found = found;
            self.sought = Some(sought);
        }
        let name = |index: usize| state.document.image(index).map(|image| image.file_name.clone()).unwrap_or_default();
        let rows: Vec<(String, String)> = self.found.iter().map(|&index| (name(index), (index + 1).to_string())).collect();
        let chosen = self.search.ui(ui, "Find an image by its name, or type its number", &rows, colors);
        if self.more > 0 {
            ui.label(RichText::new(format!("and {} more", self.more)).color(colors.weak));
        }
        let chosen = chosen.and_then(|index| self.found.get(index));
        commands.extend(chosen.map(|&index| Command::GoTo(index)));
        chosen.is_some()
    }
}

/// The images that fit what was typed: that of this number, then one whose name is this number, then those with such a name;
/// without any text all, from the shown one on.
fn found(query: &str, state: &State) -> Vec<usize> {
    let count = state.document.image_count();
    if query.is_empty() {
        return (state.image..count).collect();
    }
    let number = query.strip_prefix('#').unwrap_or(query);
    let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).filter(|&place| place < count);
    let names: Vec<&str> = state.document.dataset().images.iter().map(|image| image.file_name.as_str()).collect();
    let named = fuzzy::ranked(query, names.iter().copied()).into_iter().filter(|&index| Some(index) != place);
    // Many names are numbers with zeros before them.
    let is_number = |name: &str| Path::new(name).file_stem().is_some_and(|stem| stem.to_string_lossy().trim_start_matches('0') == number);
    let (numbers, others): (Vec<usize>, Vec<usize>) = named.partition(|&index| is_number(names[index]));
    place.into_iter().chain(numbers).chain(others).collect()
}
