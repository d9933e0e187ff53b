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
        let first = self.instances.iter().position(|instance| ids.contains(&instance.id))?;
        let rest = self.instances.split_off(first);
        for (index, instance) in (first..).zip(rest) {
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

    /// Only for places in ascending order, as [`Self::remove_all`] gives them, or all at the end.
    fn insert_all(&mut self, edits: &[Edit]) -> Option<Vec<Edit>> {
        // A place behind the end is the end, where those before it already are.
        let new = (self.instances.len()..)
            .zip(edits)
            .map(|(end, edit)| if let Edit::Insert { index, instance } = edit { Some(((*index).min(end), &**instance)) } else { None });
        let new: Vec<(usize, &Instance)> = new.collect::<Option<_>>()?;
        let ids: HashSet<InstanceId> = new.iter().map(|(_, instance)| instance.id).collect();
        let is_ascending = new.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if !is_ascending || ids.len() != new.len() || !self.holds(|id| ids.contains(&id), 0) {
            return None;
        }
        let first = new.first().map(|(index, _)| *index)?;
        let mut old = self.instances.split_off(first).into_iter();
        self.instances.reserve(old.len() + new.len());
        for (index, instance) in &new {
            let missing = index - self.instances.len();
            self.instances.extend(old.by_ref().take(missing));
            self.instances.push((**instance).clone());
        }
        self.instances.extend(old);
        Some(new.iter().map(|(_, instance)| Edit::Remove(instance.id)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{CategoryId, ImageId};
    use crate::geometry::Rect;

    fn instance(id: i64) -> Instance {
        Instance::boxed(InstanceId(id), ImageId(1), CategoryId(1), Rect::new(0.0, 0.0, 4.0, 4.0))
    }

    #[test]
    fn many_that_come_last_come_in_one_pass() {
        let insert = |(index, id): (usize, i64)| Edit::Insert { index, instance: Box::new(instance(id)) };
        let dataset = Dataset { instances: (1..4).map(instance).collect(), ..Dataset::default() };
        for places in [[usize::MAX; 4], [1, 9, usize::MAX, 7], [0, 1, 2, 3], [3, 4, 5, 6]] {
            let edits: Vec<Edit> = places.into_iter().zip(10..).map(insert).collect();
            let (mut at_once, mut one_by_one) = (dataset.clone(), dataset.clone());
            let inverse = at_once.apply_bulk(&edits).expect("one pass");
            for edit in &edits {
                one_by_one.apply(edit).unwrap();
            }
            assert_eq!(at_once, one_by_one, "{places:?}");
            at_once.apply(&inverse).unwrap();
            assert_eq!(at_once, dataset, "{places:?}");
        }
    }
}
