//! Many edits of one kind in one pass over the instances: one by one, each would search and move a list that may hold a
//! million.

use std::collections::{HashMap, HashSet};

use super::{Dataset, Edit, Instance, InstanceId};

/// From so many edits on, a pass over all instances is worth it.
const FEWEST: usize = 3;

impl Dataset {
    /// Applies edits that are all of one kind and fit; `None`, with nothing changed, where they are not or do not.
    pub(super) fn apply_bulk(&mut self, edits: &[Edit]) -> Option<Edit> {
        if edits.len() < FEWEST {
            return None;
        }
        let inverses = match edits[0] {
            Edit::Remove(_) => self.remove_all(edits),
            Edit::Replace(_) => self.replace_all(edits),
            Edit::Insert { .. } => self.insert_all(edits),
            _ => None,
        }?;
        Some(Edit::Batch(inverses))
    }

    /// Whether the data set holds each of `ids` once.
    fn holds(&self, ids: impl Fn(InstanceId) -> bool, count: usize) -> bool {
        self.instances.iter().filter(|instance| ids(instance.id)).count() == count
    }

    fn remove_all(&mut self, edits: &[Edit]) -> Option<Vec<Edit>> {
        let ids = edits.iter().map(|edit| if let Edit::Remove(id) = edit { Some(*id) } else { None });
        let ids: HashSet<InstanceId> = ids.collect::<Option<_>>()?;
        if ids.len() != edits.len() || !self.holds(|id| ids.contains(&id), ids.len()) {
            return None;
        }
        let mut inverses = Vec::with_capacity(edits.len());
        let all = std::mem::take(&mut self.instances);
        self.instances.reserve_exact(all.len() - edits.len());
        for (index, instance) in all.into_iter().enumerate() {
            if ids.contains(&instance.id) {
                inverses.push(Edit::Insert { index, instance: Box::new(instance) });
            } else {
                self.instances.push(instance);
            }
        }
        Some(inverses)
    }

    fn replace_all(&mut self, edits: &[Edit]) -> Option<Vec<Edit>> {
        let new = edits.iter().map(|edit| if let Edit::Replace(instance) = edit { Some((instance.id, &**instance)) } else { None });
        let new: HashMap<InstanceId, &Instance> = new.collect::<Option<_>>()?;
        if new.len() != edits.len() || !self.holds(|id| new.contains_key(&id), new.len()) {
            return None;
        }
        let replaced = self.instances.iter_mut().filter_map(|old| {
            let new = new.get(&old.id)?;
            Some(Edit::Replace(Box::new(std::mem::replace(old, (**new).clone()))))
        });
        Some(replaced.collect())
    }

    /// Only for places in ascending order, as [`Self::remove_all`] gives them.
    fn insert_all(&mut self, edits: &[Edit]) -> Option<Vec<Edit>> {
        let new = edits.iter().map(|edit| if let Edit::Insert { index, instance } = edit { Some((*index, &**instance)) } else { None });
        let new: Vec<(usize, &Instance)> = new.collect::<Option<_>>()?;
        let ids: HashSet<InstanceId> = new.iter().map(|(_, instance)| instance.id).collect();
        let is_ascending = new.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let is_inside = new.iter().enumerate().all(|(place, (index, _))| *index <= self.instances.len() + place);
        if !is_ascending || !is_inside || ids.len() != new.len() || !self.holds(|id| ids.contains(&id), 0) {
            return None;
        }
        let all = std::mem::take(&mut self.instances);
        self.instances.reserve_exact(all.len() + new.len());
        let mut old = all.into_iter();
        for (index, instance) in &new {
            let missing = index - self.instances.len();
            self.instances.extend(old.by_ref().take(missing));
            self.instances.push((**instance).clone());
        }
        self.instances.extend(old);
        Some(new.iter().map(|(_, instance)| Edit::Remove(instance.id)).collect())
    }
}
