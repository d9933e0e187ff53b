//! Changes of the classes themselves: another name, one class for two, none where no object has it.

use std::collections::BTreeSet;

use super::App;
use super::command::Command;
use super::edit::with_class;
use super::panel::classes::RenameForm;
use super::panel::dialog::{Dialog, Search};
use super::perform::plural;
use super::state::{State, Tone};
use crate::annotation::{Category, CategoryId, Edit, Instance};
use crate::formats::lvis;

/// What is said where a command needs a class and none is chosen.
pub(super) const CHOOSE: &str = "Choose a class first";

impl App {
    /// Carries out a command about the classes themselves.
    pub(super) fn perform_on_class(&mut self, command: Command) {
        match command {
            Command::AskName(id) => self.ask_of_class(id, |class| Dialog::Rename(RenameForm::of(class))),
            Command::AskMerge(id) => self.ask_of_class(id, |class| Dialog::Merge(class.id, Search::careful())),
            Command::RenameClass(id, name) => self.state.rename_class(id, name.trim()),
            Command::DeleteClass(id) => self.state.delete_class(id),
            Command::MergeClass(from, into) => self.state.merge_class(from, into),
            _ => {}
        }
    }

    fn ask_of_class(&mut self, id: Option<CategoryId>, dialog: impl FnOnce(&Category) -> Dialog) {
        match self.state.class(id) {
            Some(class) => self.dialog = Some(dialog(class)),
            None => self.state.say(Tone::Warning, CHOOSE),
        }
    }
}

impl State {
    /// A class, or the chosen one.
    pub(super) fn class(&self, id: Option<CategoryId>) -> Option<&Category> {
        self.document.category(id.or(self.category)?)
    }

    /// Selects the objects of the image that are seen and of a class of the selected ones, or of the chosen class where nothing
    /// is selected.
    pub(super) fn select_class(&mut self) {
        let of_selected: BTreeSet<CategoryId> = self.selected().map(|instance| instance.category_id).collect();
        let classes = if of_selected.is_empty() { self.category.into_iter().collect() } else { of_selected };
        self.selection = self.visible().filter(|instance| classes.contains(&instance.category_id)).map(|instance| instance.id).collect();
    }

    /// The objects of a class on all images. It looks at every object: nothing for each frame.
    pub(super) fn instances_of(&self, class: CategoryId) -> impl Iterator<Item = &Instance> {
        self.document.dataset().instances.iter().filter(move |instance| instance.category_id == class)
    }

    /// Why a class cannot have a name.
    pub(super) fn name_fault(&self, id: CategoryId, name: &str) -> Option<&'static str> {
        if name.is_empty() {
            return Some("A class needs a name");
        }
        let is_taken = self.document.dataset().categories.iter().any(|other| other.id != id && other.name == name);
        is_taken.then_some("Another class has this name; merging makes one of the two")
    }

    /// Gives a class another name.
    pub(super) fn rename_class(&mut self, id: CategoryId, name: &str) {
        let Some(class) = self.class(Some(id)).filter(|class| class.name != name).cloned() else { return };
        if let Some(fault) = self.name_fault(id, name) {
            return self.say(Tone::Warning, fault);
        }
        let text = format!("Class {} is called {name} now", class.name);
        if self.commit("Rename class", None, &Edit::ReplaceCategory(Category { name: name.to_owned(), ..class })) {
            self.say(Tone::Plain, text);
        }
    }

    /// Takes a class out, or the chosen one, that no object has.
    fn delete_class(&mut self, id: Option<CategoryId>) {
        let Some(class) = self.class(id).cloned() else { return self.say(Tone::Warning, CHOOSE) };
        let count = self.instances_of(class.id).count();
        if count > 0 {
            self.say(Tone::Warning, in_use(count));
        } else if self.remove_class("Delete class", class.id, None).is_some() {
            self.say(Tone::Plain, format!("Class {} deleted: {} brings it back", class.name, self.key(&Command::Undo)));
        }
    }

    /// Gives all objects of a class another one, and takes the class out.
    fn merge_class(&mut self, from: CategoryId, into: CategoryId) {
        let (Some(old), Some(new)) = (self.class(Some(from)).cloned(), self.class(Some(into)).cloned()) else { return };
        if from == into {
            return;
        }
        let count = self.instances_of(from).count();
        if let Some(marked) = self.remove_class("Merge class", from, Some(into)) {
            let marks = if marked > 0 { format!("; marks changed on {marked} image{}", plural(marked)) } else { String::new() };
            self.say(Tone::Plain, format!("{} is {} now: {count} object{}{marks}", old.name, new.name, plural(count)));
        }
    }

    /// Takes a class out, all of whose objects go to its heir; on how many images that changed marks of LVIS.
    fn remove_class(&mut self, label: &str, class: CategoryId, heir: Option<CategoryId>) -> Option<usize> {
        let moved = heir.map_or_else(Vec::new, |heir| self.instances_of(class).map(|instance| with_class(instance, heir)).collect());
        let marks = lvis::without_class(self.document.dataset(), class, heir);
        let marked = marks.len();
        // Batches of one kind each are done in one pass.
        let edit = Edit::Batch(vec![Edit::Batch(moved), Edit::Batch(marks), Edit::RemoveCategory(class)]);
        let was_chosen = self.category == Some(class);
        self.commit_as_is(label, None, &edit).then(|| {
            self.forget(&Edit::RemoveCategory(class));
            self.category = heir.filter(|_| was_chosen).or(self.category);
            marked
        })
    }
}

/// Why a class with so many objects cannot be deleted.
pub(super) fn in_use(count: usize) -> String {
    format!("{count} object{} {} this class: merge it into another one", plural(count), if count == 1 { "has" } else { "have" })
}
