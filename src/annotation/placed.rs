//! A data set whose owner knows where each instance stands, so that an edit searches no list that may hold a million.

use super::edit::{Edit, EditError};
use super::{Dataset, InstanceId};

/// The place of an instance in [`Dataset::instances`]; `None` where it is not there.
pub type Find<'a> = &'a dyn Fn(InstanceId) -> Option<usize>;

/// What edits are applied to.
pub trait Apply {
    /// See [`Dataset::apply`].
    ///
    /// # Errors
    /// See there.
    fn apply_edit(&mut self, edit: &Edit) -> Result<Edit, EditError>;
}

impl Apply for Dataset {
    fn apply_edit(&mut self, edit: &Edit) -> Result<Edit, EditError> {
        self.apply(edit)
    }
}

/// A data set and the places of its instances, each of which has an id of its own.
pub struct Placed<'a> {
    /// The data set.
    pub dataset: &'a mut Dataset,
    /// The places before an edit.
    pub find: Find<'a>,
}

impl Apply for Placed<'_> {
    fn apply_edit(&mut self, edit: &Edit) -> Result<Edit, EditError> {
        self.dataset.apply_with(edit, Some(self.find))
    }
}

impl Dataset {
    /// The place of an instance. That it is not there is taken on trust from `find`, a place is not.
    pub(super) fn found(&self, id: InstanceId, find: Option<Find<'_>>) -> Option<usize> {
        if let Some(find) = find {
            let place = find(id)?;
            if self.instances.get(place).is_some_and(|instance| instance.id == id) {
                return Some(place);
            }
        }
        self.instances.iter().position(|instance| instance.id == id)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::annotation::{CategoryId, History, ImageId, Instance};
    use crate::geometry::Rect;

    fn instance(id: i64, x: u8) -> Box<Instance> {
        Box::new(Instance::boxed(InstanceId(id), ImageId(1), CategoryId(1), Rect::new(f64::from(x), 0.0, 4.0, 4.0)))
    }

    fn one() -> impl Strategy<Value = Edit> {
        prop_oneof![
            (0_i64..9, prop_oneof![0_usize..9, Just(usize::MAX)]).prop_map(|(id, index)| Edit::Insert { index, instance: instance(id, 0) }),
            (0_i64..9).prop_map(|id| Edit::Remove(InstanceId(id))),
            (0_i64..9, any::<u8>()).prop_map(|(id, x)| Edit::Replace(instance(id, x))),
        ]
    }

    fn many() -> impl Strategy<Value = Edit> {
        prop::collection::vec(one(), 0..5).prop_map(Edit::Batch)
    }

    /// An edit, or some as one, or a step back or, with `true`, forth.
    fn step() -> impl Strategy<Value = Result<Edit, bool>> {
        let nested = prop::collection::vec(prop_oneof![one(), many()], 1..3).prop_map(Edit::Batch);
        let edit = prop_oneof![one(), many(), nested];
        prop_oneof![2 => edit.prop_map(Ok::<Edit, bool>), 1 => any::<bool>().prop_map(Err::<Edit, bool>)]
    }

    fn places(dataset: &Dataset) -> BTreeMap<InstanceId, usize> {
        dataset.instances.iter().enumerate().map(|(place, instance)| (instance.id, place)).collect()
    }

    fn moved(history: &mut History, to: &mut impl Apply, step: &Result<Edit, bool>) -> Result<bool, EditError> {
        match step {
            Ok(edit) => history.commit(to, "edit", None, edit).map(|()| true),
            Err(false) => history.undo(to).map(|entry| entry.is_some()),
            Err(true) => history.redo(to).map(|entry| entry.is_some()),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn places_that_are_known_change_nothing_but_the_time(steps in prop::collection::vec(step(), 1..40)) {
            let (mut searched, mut placed) = (Dataset::default(), Dataset::default());
            let (mut history, mut other) = (History::default(), History::default());
            for step in &steps {
                let known = places(&placed);
                let find = |id: InstanceId| known.get(&id).copied();
                let result = moved(&mut other, &mut Placed { dataset: &mut placed, find: &find }, step);
                prop_assert_eq!(result, moved(&mut history, &mut searched, step));
                prop_assert_eq!(&placed, &searched);
                prop_assert_eq!(places(&placed).len(), placed.instances.len(), "an id came twice");
            }
        }
    }

    #[test]
    fn an_edit_whose_places_are_known_searches_nothing() {
        // The instance that stands before all others has the id that is asked for too: a search would come to it first.
        let mut dataset = Dataset { instances: [7, 1, 7].map(|id| *instance(id, 0)).to_vec(), ..Dataset::default() };
        let asked = Cell::new(0);
        let find = |id: InstanceId| {
            asked.set(asked.get() + 1);
            (id == InstanceId(7)).then_some(2)
        };
        let mut placed = Placed { dataset: &mut dataset, find: &find };
        let back = placed.apply_edit(&Edit::Batch(vec![Edit::Replace(instance(7, 9)), Edit::Replace(instance(7, 5))])).unwrap();
        assert_eq!(placed.dataset.instances.iter().map(|instance| instance.bbox.x).collect::<Vec<_>>(), [0.0, 0.0, 5.0]);
        placed.apply_edit(&back).unwrap();
        placed.apply_edit(&Edit::Remove(InstanceId(7))).unwrap();
        assert_eq!(asked.get(), 5);
        assert_eq!(dataset.instances, [7, 1].map(|id| *instance(id, 0)));
    }
}
