//! The menu bar, from the command table.

use egui::{Button, MenuBar, RichText, Ui};

use crate::app::command::{Command, Menu, TABLE};
use crate::app::state::{PolishState, State};
use crate::app::theme;

/// Shows the bar.
pub(crate) fn ui(ui: &mut Ui, state: &State, commands: &mut Vec<Command>) {
    let colors = theme::palette(state.settings.look);
    MenuBar::new().ui(ui, |ui| {
        for (menu, name) in Menu::BAR {
            ui.menu_button(name, |ui| {
                ui.set_min_width(220.0);
                for entry in TABLE.iter().filter(|entry| entry.menu == menu) {
                    let keys = state.settings.keymap.first(entry);
                    let name = named(state, &entry.command, entry.name);
                    let button = Button::new(name).shortcut_text(RichText::new(keys).color(colors.weak));
                    let response = ui.add_enabled(possible(state, &entry.command), button).on_hover_text(entry.tip);
                    if response.clicked() {
                        commands.push(entry.command.clone());
                        ui.close();
                    }
                }
            });
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.add_space(8.0);
            let unsaved = if state.document.is_changed() { "  ·  not saved to the file yet" } else { "" };
            ui.label(RichText::new(format!("{}{unsaved}", state.document.name())).color(colors.weak));
        });
    });
}

/// Undo and redo say what they would do.
fn named(state: &State, command: &Command, name: &str) -> String {
    let history = state.document.history();
    let step = match command {
        Command::Undo => history.next_undo(),
        Command::Redo => history.next_redo(),
        _ => None,
    };
    step.map_or_else(|| name.to_owned(), |step| format!("{name}: {}", step.label))
}

/// Whether a command would do something now.
pub(crate) fn possible(state: &State, command: &Command) -> bool {
    let history = state.document.history();
    match command {
        Command::Undo => history.next_undo().is_some(),
        Command::Redo => history.next_redo().is_some(),
        Command::ToggleMark(_) => state.shown().is_some() && crate::formats::lvis::is_lvis(state.document.dataset()),
        Command::Delete | Command::Refine | Command::FillHoles | Command::NextAlternative | Command::UseAsExemplar => {
            !state.selection.is_empty()
        }
        Command::ForgetExemplars => !state.exemplars.is_empty(),
        Command::DecideAll(_) => state.review.is_some(),
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
