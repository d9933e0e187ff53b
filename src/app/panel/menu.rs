//! The menu bar, from the command table.

use egui::{Button, Label, MenuBar, RichText, ScrollArea, Ui};

use crate::annotation::Shape;
use crate::app::chord::spelled;
use crate::app::command::{Command, Entry, Menu, TABLE, Tool};
use crate::app::object::Act;
use crate::app::state::{PolishState, State};
use crate::app::theme;
use crate::app::training::Training;
use crate::formats::lvis::Mark;

/// Shows the bar.
pub(crate) fn ui(ui: &mut Ui, state: &State, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    MenuBar::new().ui(ui, |ui| {
        for (menu, name) in Menu::BAR {
            menu_ui(ui, menu, name, state, commands);
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.add_space(8.0);
            let unsaved = if state.document.is_changed() { "  ·  not saved to the file yet" } else { "" };
            ui.add(Label::new(RichText::new(format!("{}{unsaved}", state.document.name())).color(colors.weak)).truncate());
        });
    });
}

/// A menu that hangs under the bar, or beside the one that it stands under, and scrolls where the window ends.
fn menu_ui(ui: &mut Ui, menu: Menu, name: &str, state: &State, commands: &mut Vec<Command>) {
    let height = ui.ctx().content_rect().height() - 56.0;
    ui.menu_button(name, |ui| {
        let area = ScrollArea::vertical().min_scrolled_height(height).max_height(height);
        area.show(ui, |ui| entries_ui(ui, menu, state, commands));
    });
}

/// The lines of a menu; a menu under it stands at the place of its first line.
fn entries_ui(ui: &mut Ui, menu: Menu, state: &State, commands: &mut Vec<Command>) {
    ui.set_min_width(220.0);
    let mut under = menu;
    for entry in TABLE {
        let above = entry.menu.above().filter(|(above, _)| *above == menu);
        if entry.menu == menu && begins_group(&entry.command) {
            ui.separator();
        }
        match above {
            Some((_, name)) if entry.menu != under => {
                under = entry.menu;
                menu_ui(ui, under, name, state, commands);
            }
            None if entry.menu == menu => entry_ui(ui, entry, state, commands),
            _ => {}
        }
    }
}

/// Whether a line stands over the line of this command in its menu.
const fn begins_group(command: &Command) -> bool {
    matches!(
        command,
        Command::Save
            | Command::Import
            | Command::Settings
            | Command::SelectAll
            | Command::LeaveOut
            | Command::AskName(_)
            | Command::FillHoles
            | Command::ToggleHidden
            | Command::ToggleMark(Mark::Absent)
            | Command::Propose
            | Command::Refine
            | Command::Polish
            | Command::RepeatTool
            | Command::Fit
            | Command::ToggleUncertainty
            | Command::Check
    )
}

/// A line of a menu: a command with its key, grey where it would do nothing.
pub(super) fn entry_ui(ui: &mut Ui, entry: &Entry, state: &State, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    let keys = state.settings.keymap.first(entry);
    let name = named(state, &entry.command, entry.name);
    let button = Button::new(name).shortcut_text(RichText::new(keys).color(colors.weak));
    let response = ui.add_enabled(possible(state, &entry.command), button).on_hover_text(spelled(entry.tip));
    if response.clicked() {
        commands.push(entry.command.clone());
        ui.close();
    }
}

/// Undo and redo say what they would do.
fn named(state: &State, command: &Command, name: &str) -> String {
    let history = state.document.history();
    let step = match command {
        Command::Undo => state.undo().or_else(|| history.next_undo().map(|step| step.label.as_str())),
        Command::Redo => history.next_redo().map(|step| step.label.as_str()),
        _ => None,
    };
    step.map_or_else(|| name.to_owned(), |step| format!("{name}: {step}"))
}

/// Whether a command would do something now.
pub(crate) fn possible(state: &State, command: &Command) -> bool {
    let history = state.document.history();
    match command {
        Command::Undo => state.undo().is_some() || history.next_undo().is_some(),
        Command::Redo => history.next_redo().is_some(),
        Command::ToggleMark(_) => state.shown().is_some() && crate::formats::lvis::is_lvis(state.document.dataset()),
        Command::Act(Act::Paste | Act::PasteAnew) => !state.clipboard.is_empty(),
        Command::Nudge(..) => state.tool == Tool::Select && !state.selection.is_empty(),
        Command::Act(Act::Join) => state.selection.len() > 1,
        Command::Act(Act::Split | Act::MakePolygons) | Command::FillHoles => state.selected().any(|object| object.shape != Shape::Box),
        Command::ListAll => state.listed.is_some(),
        Command::Act(_)
        | Command::Delete
        | Command::Refine
        | Command::NextAlternative
        | Command::UseAsExemplar
        | Command::HideOthers
        | Command::FitSelected => !state.selection.is_empty(),
        Command::SelectClass => !state.selection.is_empty() || state.class(None).is_some(),
        Command::AskName(id) | Command::AskColor(id) | Command::DeleteClass(id) => state.class(*id).is_some(),
        Command::AskMerge(id) => state.class(*id).is_some() && state.document.dataset().categories.len() > 1,
        Command::OpenRecent => state.others_opened().next().is_some(),
        Command::LeaveOut => state.document.image_count() > 1,
        Command::ForgetExemplars => !state.exemplars.is_empty(),
        Command::DecideAll(takes) => {
            state.review.is_some() || (*takes && matches!(state.polish, PolishState::Review { undecided: 1.., .. }))
        }
        Command::PauseProposing | Command::StopProposing => state.batch.is_some(),
        Command::StopTraining => matches!(state.training, Training::Running(_)),
        Command::PausePolish => matches!(state.polish, PolishState::Running { .. }),
        Command::StopPolish => state.polish != PolishState::Idle,
        Command::OpenFile
        | Command::OpenFolder
        | Command::OpenPath
        | Command::Import
        | Command::Settings
        | Command::Quit
        | Command::Palette
        | Command::Help
        | Command::Use(_)
        | Command::RepeatTool
        | Command::BrushSmaller
        | Command::BrushLarger => true,
        _ => state.shown().is_some(),
    }
}
