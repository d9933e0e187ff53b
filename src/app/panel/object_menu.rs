//! What can be done with the selected objects, by a right click on one of them.

use egui::{Popup, Response, SetOpenCommand, Ui};

use super::menu::entry_ui;
use crate::annotation::InstanceId;
use crate::app::command::{Command, entry};
use crate::app::object::Act;
use crate::app::state::State;

static GROUPS: [&[Command]; 4] = [
    &[Command::SearchClass, Command::Act(Act::Copy), Command::ToggleHidden],
    &[Command::Refine, Command::NextAlternative, Command::FindOthers],
    &[
        Command::FillHoles,
        Command::Act(Act::Join),
        Command::Act(Act::Split),
        Command::Act(Act::MakePolygons),
        Command::Act(Act::ToggleCrowd),
    ],
    &[Command::Delete],
];

/// Shows the menu where `response` was clicked with the right button and the object `under` the pointer is there; that is
/// selected first.
pub(crate) fn ui(response: &Response, under: Option<InstanceId>, state: &State, commands: &mut Vec<Command>) {
    let opened = under.filter(|_| response.secondary_clicked());
    if let Some(id) = opened.filter(|&id| !state.is_selected(id)) {
        commands.push(Command::Select(vec![id]));
    }
    let opens = opened.map(|_| SetOpenCommand::Bool(true));
    Popup::menu(response).open_memory(opens).at_pointer_fixed().show(|ui| entries_ui(ui, state, commands));
}

fn entries_ui(ui: &mut Ui, state: &State, commands: &mut Vec<Command>) {
    ui.set_min_width(220.0);
    for (number, group) in GROUPS.iter().enumerate() {
        if number > 0 {
            ui.separator();
        }
        for entry in group.iter().filter_map(entry) {
            entry_ui(ui, entry, state, commands);
        }
    }
}
