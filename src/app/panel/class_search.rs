//! The searches for a class: the one that the selection gets, which may be new, and the one that gets another's objects.

use egui::{RichText, Ui};

use super::dialog::{SHOWN, Search};
use crate::annotation::{Category, CategoryId};
use crate::app::command::Command;
use crate::app::fuzzy::{self, Typed};
use crate::app::state::State;
use crate::app::theme::Palette;

/// Among more classes than these a name that is not there is sooner a slip than a new class.
const MANY: usize = 50;

/// Finds or makes a class; whether the dialog closes.
pub(super) fn choose_ui(ui: &mut Ui, search: &mut Search, state: &State, colors: &Palette, commands: &mut Vec<Command>) -> bool {
    let categories = &state.document.dataset().categories;
    let query = search.query().to_owned();
    let found = if query.is_empty() { lately(state) } else { fitting(&query, categories) };
    let mut rows: Vec<(String, String)> = found.iter().map(|class| named(class)).collect();
    let mut ids: Vec<Option<CategoryId>> = found.iter().map(|class| Some(class.id)).collect();
    if !query.is_empty() && !categories.iter().any(|category| category.name == query) {
        // Whoever types a new name and Enter means no class that only has its letters somewhere.
        let typed = if categories.len() > MANY { Typed::with_slips } else { Typed::of };
        let is_meant = found.first().is_some_and(|class| !matches!(typed(&query, &class.name), Typed::Part | Typed::Letters));
        let place = if is_meant { rows.len() } else { 0 };
        rows.insert(place, (format!("Add class “{query}”"), "new".to_owned()));
        ids.insert(place, None);
    }
    let chosen = search.ui(ui, "Find a class, or type the name of a new one", &rows, colors);
    if ids.is_empty() {
        ui.label(RichText::new("There are no classes yet: type a name.").color(colors.weak));
    }
    match chosen.and_then(|index| ids.get(index)) {
        Some(Some(id)) => commands.push(Command::Assign(*id)),
        Some(None) => commands.push(Command::NewClass(query)),
        None => return false,
    }
    true
}

/// Finds the class that gets the objects of `from`; whether the dialog closes.
pub(super) fn merge_ui(
    ui: &mut Ui,
    from: CategoryId,
    search: &mut Search,
    state: &State,
    colors: &Palette,
    commands: &mut Vec<Command>,
) -> bool {
    let others: Vec<&Category> = state.document.dataset().categories.iter().filter(|category| category.id != from).collect();
    let found = fuzzy::ranked(search.query(), others.iter().map(|category| category.name.as_str()));
    let found: Vec<&Category> = found.into_iter().filter_map(|index| others.get(index).copied()).take(SHOWN).collect();
    let rows: Vec<(String, String)> = found.iter().map(|class| named(class)).collect();
    ui.heading(format!("Merge {} into", state.class_name(from)));
    ui.add_space(6.0);
    let chosen = search.ui(ui, "Find the class that gets its objects", &rows, colors).and_then(|index| found.get(index));
    commands.extend(chosen.map(|into| Command::MergeClass(from, into.id)));
    chosen.is_some()
}

/// The first rows where nothing was typed: the chosen class, those that were used last, then the others.
fn lately(state: &State) -> Vec<&Category> {
    let used = state.category.iter().chain(&state.used_classes).filter_map(|&id| state.document.category(id));
    let mut rows: Vec<&Category> = Vec::new();
    for class in used.chain(&state.document.dataset().categories) {
        if rows.len() == SHOWN {
            break;
        }
        if rows.iter().all(|row| row.id != class.id) {
            rows.push(class);
        }
    }
    rows
}

/// The first rows for what was typed.
fn fitting<'a>(query: &str, categories: &'a [Category]) -> Vec<&'a Category> {
    let names = categories.iter().map(|category| category.name.as_str());
    let found = if categories.len() > MANY { fuzzy::ranked_with_near(query, names) } else { fuzzy::ranked(query, names) };
    found.into_iter().take(SHOWN).filter_map(|index| categories.get(index)).collect()
}

fn named(class: &Category) -> (String, String) {
    (class.name.clone(), class.supercategory.clone())
}
