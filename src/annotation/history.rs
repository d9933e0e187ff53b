//! Undo and redo across the whole data set.

use std::collections::BTreeSet;

use super::{Apply, Edit, EditError, ImageId, InstanceId};

/// One step that a person can take back.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What was done, in the words of the menu.
    pub label: String,
    /// The image on which it was done, so that undo can show it.
    pub image: Option<ImageId>,
    edit: Edit,
    version: u64,
}

impl Entry {
    /// A step with the edit that takes it back or, where it was taken back, does it again; `version` is what
    /// [`History::version`] is after it.
    pub fn new(label: impl Into<String>, image: Option<ImageId>, edit: Edit, version: u64) -> Self {
        Self { label: label.into(), image, edit, version }
    }

    /// The edit that takes the step back or, where it was taken back, does it again.
    pub const fn edit(&self) -> &Edit {
        &self.edit
    }

    /// What [`History::version`] is after the step.
    pub const fn version(&self) -> u64 {
        self.version
    }
}

/// The steps that were done and those that were taken back.
#[derive(Clone, Debug, Default)]
pub struct History {
    done: Vec<Entry>,
    undone: Vec<Entry>,
    commits: u64,
    /// The version before all steps.
    first: u64,
}

impl History {
    /// The history at `revision` with the steps that were done, first to last, and those that were taken back, in the
    /// order in which they were.
    pub const fn restored(done: Vec<Entry>, undone: Vec<Entry>, revision: u64) -> Self {
        Self { done, undone, commits: revision, first: 0 }
    }

    /// A history at `revision` and `version` whose steps are not known.
    pub const fn unknown(revision: u64, version: u64) -> Self {
        Self { done: Vec::new(), undone: Vec::new(), commits: revision, first: version }
    }

    /// The steps that were done and not taken back, first to last.
    pub fn done(&self) -> &[Entry] {
        &self.done
    }

    /// The steps that were taken back, the next one to do again last.
    pub fn undone(&self) -> &[Entry] {
        &self.undone
    }

    /// Applies `edit` to `dataset` and remembers how to take it back; what was undone before can no longer be redone.
    ///
    /// # Errors
    /// When the edit does not fit; nothing is changed then.
    pub fn commit(
        &mut self,
        dataset: &mut impl Apply,
        label: impl Into<String>,
        image: Option<ImageId>,
        edit: &Edit,
    ) -> Result<(), EditError> {
        let edit = dataset.apply_edit(edit)?;
        self.undone.clear();
        self.commits += 1;
        self.done.push(Entry::new(label, image, edit, self.commits));
        Ok(())
    }

    /// [`Self::commit`] of an edit that goes on with the last step and becomes a part of it; a step of its own where there
    /// is none.
    ///
    /// # Errors
    /// As for [`Self::commit`].
    pub fn amend(
        &mut self,
        dataset: &mut impl Apply,
        label: impl Into<String>,
        image: Option<ImageId>,
        edit: &Edit,
    ) -> Result<(), EditError> {
        let Some(last) = self.done.last_mut() else { return self.commit(dataset, label, image, edit) };
        let inverse = dataset.apply_edit(edit)?;
        let mut restored = BTreeSet::new();
        replaced(&last.edit, &mut restored);
        if !is_replacing(&inverse, &restored) {
            let before = std::mem::replace(&mut last.edit, Edit::Batch(Vec::new()));
            last.edit = Edit::Batch(vec![inverse, before]);
        }
        self.undone.clear();
        self.commits += 1;
        last.version = self.commits;
        Ok(())
    }

    /// Takes the last step back; `None` where there is none.
    ///
    /// # Errors
    /// When the data set was changed past this history.
    pub fn undo(&mut self, dataset: &mut impl Apply) -> Result<Option<&Entry>, EditError> {
        let moved = step(&mut self.done, &mut self.undone, dataset)?;
        self.commits += u64::from(moved.is_some());
        Ok(moved)
    }

    /// Does the step again that was taken back last; `None` where there is none.
    ///
    /// # Errors
    /// When the data set was changed past this history.
    pub fn redo(&mut self, dataset: &mut impl Apply) -> Result<Option<&Entry>, EditError> {
        let moved = step(&mut self.undone, &mut self.done, dataset)?;
        self.commits += u64::from(moved.is_some());
        Ok(moved)
    }

    /// The step that [`Self::undo`] would take back.
    pub fn next_undo(&self) -> Option<&Entry> {
        self.done.last()
    }

    /// The step that [`Self::redo`] would do again.
    pub fn next_redo(&self) -> Option<&Entry> {
        self.undone.last()
    }

    /// The step that comes next, where steps are done again or, without `redo`, taken back.
    pub fn next_step(&self, redo: bool) -> Option<&Entry> {
        if redo { self.next_redo() } else { self.next_undo() }
    }

    /// A number that grows with every change, so that others see whether there is something to save.
    pub const fn revision(&self) -> u64 {
        self.commits
    }

    /// The revision at which all first was as it is now: steps that are taken back lead to earlier versions, and every other
    /// change to a new one.
    pub fn version(&self) -> u64 {
        self.done.last().map_or(self.first, Entry::version)
    }
}

/// The instances that `edit` puts another value in the place of.
fn replaced(edit: &Edit, ids: &mut BTreeSet<InstanceId>) {
    match edit {
        Edit::Replace(instance) => drop(ids.insert(instance.id)),
        Edit::Batch(edits) => edits.iter().for_each(|edit| replaced(edit, ids)),
        _ => {}
    }
}

/// Whether `edit` does nothing but put other values in the place of some of these instances.
fn is_replacing(edit: &Edit, ids: &BTreeSet<InstanceId>) -> bool {
    match edit {
        Edit::Replace(instance) => ids.contains(&instance.id),
        Edit::Batch(edits) => edits.iter().all(|edit| is_replacing(edit, ids)),
        _ => false,
    }
}

fn step<'a>(from: &mut Vec<Entry>, to: &'a mut Vec<Entry>, dataset: &mut impl Apply) -> Result<Option<&'a Entry>, EditError> {
    let Some(mut entry) = from.pop() else { return Ok(None) };
    match dataset.apply_edit(&entry.edit) {
        Ok(inverse) => {
            entry.edit = inverse;
            to.push(entry);
            Ok(to.last())
        }
        Err(error) => {
            from.push(entry);
            Err(error)
        }
    }
}
