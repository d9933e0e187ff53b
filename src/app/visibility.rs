//! Which objects are drawn.

use std::collections::BTreeSet;

use crate::annotation::InstanceId;

/// Objects that a person hid: some, or all but those that were drawn or shown since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visibility {
    hidden: BTreeSet<InstanceId>,
    all_but: Option<BTreeSet<InstanceId>>,
}

impl Visibility {
    /// Whether an object is drawn.
    pub fn shows(&self, id: InstanceId) -> bool {
        !self.hidden.contains(&id) && self.all_but.as_ref().is_none_or(|shown| shown.contains(&id))
    }

    /// Whether all are hidden but a few.
    pub const fn hides_all(&self) -> bool {
        self.all_but.is_some()
    }

    /// Hides one object.
    pub fn hide(&mut self, id: InstanceId) {
        self.hidden.insert(id);
    }

    /// Shows one object, though all others may be hidden.
    pub fn show(&mut self, id: InstanceId) {
        self.hidden.remove(&id);
        if let Some(shown) = &mut self.all_but {
            shown.insert(id);
        }
    }

    /// Shows some objects, though all others may be hidden.
    pub fn show_all(&mut self, ids: &[InstanceId]) {
        for &id in ids {
            self.show(id);
        }
    }

    /// Hides all objects, or shows those again that were not hidden one by one.
    pub fn toggle_all(&mut self) {
        self.all_but = if self.hides_all() { None } else { Some(BTreeSet::new()) };
    }

    /// Forgets an object: its id may come to another one.
    pub fn forget(&mut self, id: InstanceId) {
        self.hidden.remove(&id);
        if let Some(shown) = &mut self.all_but {
            shown.remove(&id);
        }
    }
}
