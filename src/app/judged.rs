//! What was said of the outlines of objects. An outline that comes back, by undo or in the next session, is judged as it
//! was, and a judgement never comes to another outline by itself: whoever moves a painted mask as a whole judges it anew.

use std::collections::HashMap;

use crate::annotation::{Edit, Instance, InstanceId};
use crate::store::{Judgement, Judgements};

/// All judgements of a document. None is dropped: there is at most one for each outline that an object ever had, a few
/// bytes beside what the history keeps of that.
#[derive(Debug, Default)]
pub(super) struct Judged {
    all: Judgements,
    /// Those of the outlines that objects have now.
    present: HashMap<InstanceId, Judgement>,
}

impl Judged {
    /// The judgements that a project holds; `object` finds an object.
    pub(super) fn restored<'a>(all: Judgements, object: impl Fn(InstanceId) -> Option<&'a Instance>) -> Self {
        let present = all.iter().filter_map(|(&(id, fingerprint), &judgement)| {
            let has_it = object(id).and_then(Instance::fingerprint) == Some(fingerprint);
            has_it.then_some((id, judgement))
        });
        Self { present: present.collect(), all }
    }

    /// What was said of the outline that an object has.
    pub(super) fn of(&self, id: InstanceId) -> Judgement {
        self.present.get(&id).copied().unwrap_or_default()
    }

    /// Takes what is said of the outline that an object has; puts what is known of it by then into `news`, unless that was
    /// known before. There is nothing to judge about a box.
    pub(super) fn take(&mut self, instance: &Instance, said: Judgement, news: &mut Judgements) {
        let Some(fingerprint) = instance.fingerprint() else { return };
        let outline = (instance.id, fingerprint);
        let known = self.all.get(&outline).copied().unwrap_or_default();
        let judgement = known.and(said);
        if judgement != Judgement::default() {
            self.present.insert(instance.id, judgement);
        }
        if judgement != known {
            self.all.insert(outline, judgement);
            news.insert(outline, judgement);
        }
    }

    /// Follows an edit that was applied, or the one that takes it back; `object` finds an object as it is after it. Where the
    /// edit `is_new`, another outline of an object that was looked at is looked at too; a step of the history brings outlines
    /// of which all that was said is known.
    pub(super) fn follow<'a>(
        &mut self,
        edit: &Edit,
        is_new: bool,
        object: &impl Fn(InstanceId) -> Option<&'a Instance>,
        news: &mut Judgements,
    ) {
        let (id, said) = match edit {
            Edit::Batch(edits) => {
                for edit in edits {
                    self.follow(edit, is_new, object, news);
                }
                return;
            }
            Edit::Replace(instance) => {
                let looked_at = is_new && self.of(instance.id).looked_at;
                (instance.id, Judgement { looked_at, ..Judgement::default() })
            }
            // An id may come to another object.
            Edit::Insert { instance, .. } => (instance.id, Judgement::default()),
            Edit::Remove(id) => (*id, Judgement::default()),
            Edit::InsertCategory { .. }
            | Edit::RemoveCategory(_)
            | Edit::ReplaceCategory(_)
            | Edit::InsertImage { .. }
            | Edit::RemoveImage(_)
            | Edit::ReplaceImage(_) => return,
        };
        self.present.remove(&id);
        // Most objects have no judgement, and a fingerprint takes its time.
        let is_known = self.all.range((id, u64::MIN)..=(id, u64::MAX)).next().is_some();
        if let Some(instance) = object(id).filter(|_| is_known) {
            self.take(instance, said, news);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{CategoryId, Dataset, Field, ImageId, Shape};
    use crate::geometry::{Rect, Size};

    /// An object with `area` pixels, or a box.
    fn instance(id: i64, area: Option<u32>) -> Instance {
        let runs = |area| Shape::Rle { size: Size::new(4, 4), counts: [16 - area, area].into(), compressed: true };
        Instance {
            id: InstanceId(id),
            image_id: ImageId(1),
            category_id: CategoryId(1),
            bbox: Rect::new(0.0, 0.0, 4.0, 4.0),
            shape: area.map_or(Shape::Box, runs),
            area: 16.0,
            crowd: false,
            score: None,
            changed: Field::NONE,
            source: None,
        }
    }

    fn replace(id: i64, area: Option<u32>) -> Edit {
        Edit::Replace(Box::new(instance(id, area)))
    }

    fn insert(id: i64, area: Option<u32>) -> Edit {
        Edit::Insert { index: 0, instance: Box::new(instance(id, area)) }
    }

    /// A data set with one object, and what is said of it.
    struct Session {
        dataset: Dataset,
        judged: Judged,
        stored: Judgements,
    }

    impl Session {
        fn new(area: Option<u32>) -> Self {
            let dataset = Dataset { instances: vec![instance(1, area)], ..Dataset::default() };
            Self { dataset, judged: Judged::default(), stored: Judgements::new() }
        }

        /// Makes a new edit; gives the one that takes it back.
        fn apply(&mut self, edit: &Edit) -> Edit {
            self.follow(edit, true)
        }

        /// Makes an edit of the history; gives the one that reverses it.
        fn step(&mut self, edit: &Edit) -> Edit {
            self.follow(edit, false)
        }

        fn follow(&mut self, edit: &Edit, is_new: bool) -> Edit {
            let inverse = self.dataset.apply(edit).unwrap();
            let dataset = &self.dataset;
            self.judged.follow(edit, is_new, &|id| dataset.instance(id), &mut self.stored);
            // After each edit the judgements are those that the next session has.
            let restored = Judged::restored(self.stored.clone(), |id| dataset.instance(id));
            assert_eq!((&restored.all, &restored.present), (&self.judged.all, &self.judged.present), "{edit:?}");
            inverse
        }

        fn say(&mut self, said: Judgement) {
            let mut news = Judgements::new();
            self.judged.take(&self.dataset.instances[0], said, &mut news);
            self.stored.extend(news);
        }

        fn now(&self) -> (Option<f32>, bool) {
            let Judgement { expected_iou, looked_at, .. } = self.judged.of(InstanceId(1));
            (expected_iou, looked_at)
        }
    }

    #[test]
    fn an_outline_that_comes_back_is_judged_as_it_was() {
        let mut session = Session::new(None);
        session.say(Judgement::LOOKED_AT);
        assert_eq!(session.now(), (None, false), "a box has no outline");
        let to_box = session.apply(&replace(1, Some(5)));
        session.say(Judgement::expected(0.5));
        session.say(Judgement::LOOKED_AT);
        assert_eq!(session.now(), (Some(0.5), true));
        let to_mask = session.step(&to_box);
        assert_eq!(session.now(), (None, false));
        session.apply(&replace(1, Some(6)));
        assert_eq!(session.now(), (None, false), "another mask of the box");
        session.step(&to_mask);
        assert_eq!(session.now(), (Some(0.5), true));
    }

    #[test]
    fn another_outline_of_an_object_is_not_judged_but_looked_at_where_the_object_was() {
        let mut session = Session::new(Some(5));
        session.say(Judgement::expected(0.5));
        let back = session.apply(&replace(1, Some(6)));
        assert_eq!(session.now(), (None, false));
        session.say(Judgement::expected(0.75));
        session.say(Judgement::LOOKED_AT);
        session.apply(&Edit::Batch(vec![replace(1, Some(7))]));
        assert_eq!(session.now(), (None, true));
        session.apply(&replace(1, Some(6)));
        assert_eq!(session.now(), (Some(0.75), true));
        let again = session.step(&back);
        assert_eq!(session.now(), (Some(0.5), false), "of this outline nobody has said anything");
        session.step(&again);
        assert_eq!(session.now(), (Some(0.75), true));
        let back = session.apply(&replace(1, Some(5)));
        assert_eq!(session.now(), (Some(0.5), true), "a person made it so");
        session.step(&back);
        assert_eq!(session.now(), (Some(0.75), true));
    }

    #[test]
    fn only_the_outline_that_was_painted_counts_as_painted() {
        let mut session = Session::new(Some(5));
        let is_painted = |session: &Session| session.judged.of(InstanceId(1)).painted;
        assert!(!is_painted(&session));
        session.say(Judgement::PAINTED);
        session.say(Judgement::LOOKED_AT);
        assert!(is_painted(&session));
        let back = session.apply(&replace(1, Some(6)));
        assert!(!is_painted(&session) && session.now().1, "another outline is looked at and not painted");
        session.step(&back);
        assert!(is_painted(&session));
    }

    #[test]
    fn an_object_with_the_id_of_another_one_is_not_judged() {
        let mut session = Session::new(Some(5));
        session.say(Judgement::expected(0.5).and(Judgement::LOOKED_AT));
        let back = session.apply(&Edit::Remove(InstanceId(1)));
        assert_eq!(session.now(), (None, false));
        let away = session.apply(&insert(1, Some(6)));
        assert_eq!(session.now(), (None, false));
        session.step(&away);
        session.step(&back);
        assert_eq!(session.now(), (Some(0.5), true));
        session.apply(&Edit::Batch(vec![Edit::Remove(InstanceId(1)), insert(1, Some(6))]));
        assert_eq!(session.now(), (None, false));
    }

    #[test]
    fn only_what_is_new_is_stored() {
        let mut session = Session::new(Some(5));
        session.say(Judgement::expected(0.5));
        let mut news = Judgements::new();
        session.judged.take(&session.dataset.instances[0], Judgement::expected(0.5), &mut news);
        session.judged.follow(&replace(1, Some(5)), true, &|id| session.dataset.instance(id), &mut news);
        assert!(news.is_empty());
        session.judged.take(&session.dataset.instances[0], Judgement::LOOKED_AT, &mut news);
        assert_eq!(news.into_values().collect::<Vec<_>>(), [Judgement::expected(0.5).and(Judgement::LOOKED_AT)]);
    }
}
