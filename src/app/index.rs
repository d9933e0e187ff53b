//! Where the images stand in the data set, and the objects of each. It is kept while objects come and go, because making
//! it anew would stop the window for seconds where there are a million of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::annotation::{CategoryId, Dataset, Edit, ImageId, InstanceId};

/// Objects come and go in runs, each of which takes one pass; above so many in one edit, the index is made anew.
const MOST_RUNS: usize = 8;

/// Places in the lists of a data set.
#[derive(Debug, Default)]
pub(super) struct Index {
    images: HashMap<ImageId, usize>,
    objects: HashMap<ImageId, Vec<usize>>,
    /// In the order of the ids, so that the largest is known.
    places: BTreeMap<InstanceId, usize>,
    classes: HashMap<CategoryId, usize>,
    /// How many objects each class has.
    counts: HashMap<CategoryId, usize>,
    /// Classes keep their colours while others come and go, and one that is taken out finds its own again.
    hues: HashMap<CategoryId, usize>,
}

/// An object that comes or goes.
#[derive(Debug)]
struct Move {
    id: InstanceId,
    image: ImageId,
    /// Where it comes; `None` where it goes.
    place: Option<usize>,
}

impl Move {
    /// Whether `next` is of the same run: objects that go, or that come at ascending places.
    fn goes_on(&self, next: &Self) -> bool {
        match (self.place, next.place) {
            (None, None) => true,
            (Some(place), Some(next)) => place < next,
            _ => false,
        }
    }
}

/// What an edit does to an index, found out before the edit is applied.
#[derive(Debug)]
pub(super) struct Moves {
    /// The objects that come or go; `None` where the index is to be made anew.
    objects: Option<Vec<Move>>,
    /// The objects that the edit is about, each with the class that it has before.
    classes: Vec<(InstanceId, Option<CategoryId>)>,
    /// Whether images come or go.
    pub(super) of_images: bool,
}

impl Index {
    /// The index of `dataset`.
    pub(super) fn of(dataset: &Dataset) -> Self {
        let classes = classes(dataset);
        let places = dataset.instances.iter().enumerate().map(|(place, instance)| (instance.id, place)).collect();
        let mut index = Self { images: images(dataset), hues: classes.clone(), classes, places, ..Self::default() };
        for (place, instance) in dataset.instances.iter().enumerate() {
            index.objects.entry(instance.image_id).or_default().push(place);
            *index.counts.entry(instance.category_id).or_default() += 1;
        }
        index
    }

    /// The place of an image.
    pub(super) fn image(&self, id: ImageId) -> Option<usize> {
        self.images.get(&id).copied()
    }

    /// The places of an image's objects, in file order.
    pub(super) fn objects(&self, image: ImageId) -> &[usize] {
        self.objects.get(&image).map_or(&[], Vec::as_slice)
    }

    /// The place of an object.
    pub(super) fn place(&self, id: InstanceId) -> Option<usize> {
        self.places.get(&id).copied()
    }

    /// The largest id that an object has.
    pub(super) fn largest(&self) -> Option<InstanceId> {
        self.places.last_key_value().map(|(&id, _)| id)
    }

    /// The place of a class.
    pub(super) fn class(&self, id: CategoryId) -> Option<usize> {
        self.classes.get(&id).copied()
    }

    /// How many objects a class has.
    pub(super) fn count(&self, id: CategoryId) -> usize {
        self.counts.get(&id).copied().unwrap_or_default()
    }

    /// The class that an object has.
    fn class_of(&self, id: InstanceId, dataset: &Dataset) -> Option<CategoryId> {
        self.place(id).and_then(|place| dataset.instances.get(place)).map(|instance| instance.category_id)
    }

    /// Gives the classes of `dataset` the colours again that they had in an earlier session; others get those that are free.
    pub(super) fn restore_hues(&mut self, known: &BTreeMap<CategoryId, usize>, dataset: &Dataset) {
        self.hues = known.iter().map(|(&id, &hue)| (id, hue)).collect();
        self.give_hues(dataset);
    }

    /// Which of the colours each class has, or had before it went; nothing where all have those of their places.
    pub(super) fn hues(&self) -> BTreeMap<CategoryId, usize> {
        if self.hues == self.classes { BTreeMap::new() } else { self.hues.iter().map(|(&id, &hue)| (id, hue)).collect() }
    }

    /// Gives the classes of `dataset` that have no colour yet one that no class has or had.
    fn give_hues(&mut self, dataset: &Dataset) {
        let mut taken: HashSet<usize> = self.hues.values().copied().collect();
        let mut hue = 0;
        for category in &dataset.categories {
            self.hues.entry(category.id).or_insert_with(|| {
                while !taken.insert(hue) {
                    hue += 1;
                }
                hue
            });
        }
    }

    /// Which of the colours of classes is that of one.
    pub(super) fn hue(&self, id: CategoryId) -> Option<usize> {
        self.hues.get(&id).copied()
    }

    /// What `edit` will do to the index of `dataset`.
    pub(super) fn moves(&self, edit: &Edit, dataset: &Dataset) -> Moves {
        let mut moves = Vec::new();
        let mut count = dataset.instances.len();
        let mut come = HashSet::new();
        let is_known = self.gather(edit, dataset, &mut count, &mut come, &mut moves) && moves.chunk_by(Move::goes_on).count() <= MOST_RUNS;
        let mut ids = Vec::new();
        if is_known {
            gather_ids(edit, &mut ids);
        }
        ids.sort_unstable();
        ids.dedup();
        let classes = ids.into_iter().map(|id| (id, self.class_of(id, dataset))).collect();
        Moves { objects: is_known.then_some(moves), classes, of_images: moves_images(edit) }
    }

    /// Whether `edit` is one that [`Move`]s describe; `count` is the number of objects before it, then the one after it. Those
    /// that `come` by it may stand on another image than before, and are not looked up.
    fn gather(&self, edit: &Edit, dataset: &Dataset, count: &mut usize, come: &mut HashSet<InstanceId>, moves: &mut Vec<Move>) -> bool {
        let image = |id: InstanceId, come: &HashSet<InstanceId>| {
            let place = self.place(id).filter(|_| !come.contains(&id));
            place.and_then(|place| dataset.instances.get(place)).map(|instance| instance.image_id)
        };
        match edit {
            Edit::Insert { index, instance } => {
                moves.push(Move { id: instance.id, image: instance.image_id, place: Some((*index).min(*count)) });
                come.insert(instance.id);
                *count += 1;
            }
            Edit::Remove(id) => match image(*id, come) {
                Some(image) => {
                    moves.push(Move { id: *id, image, place: None });
                    *count = count.saturating_sub(1);
                }
                None => return false,
            },
            Edit::Replace(instance) => return image(instance.id, come) == Some(instance.image_id),
            Edit::Batch(edits) => return edits.iter().all(|edit| self.gather(edit, dataset, count, come, moves)),
            Edit::InsertCategory { .. }
            | Edit::RemoveCategory(_)
            | Edit::ReplaceCategory(_)
            | Edit::InsertImage { .. }
            | Edit::RemoveImage(_)
            | Edit::ReplaceImage(_) => {}
        }
        true
    }

    /// Follows an edit that was applied, after which the data set is `dataset`.
    pub(super) fn follow(&mut self, moves: Moves, dataset: &Dataset) {
        self.classes = classes(dataset);
        let Moves { objects, classes: classes_before, of_images } = moves;
        if of_images {
            self.images = images(dataset);
        }
        self.give_hues(dataset);
        let Some(moves) = objects else {
            *self = Self { hues: std::mem::take(&mut self.hues), ..Self::of(dataset) };
            return;
        };
        for run in moves.chunk_by(Move::goes_on) {
            let images: BTreeSet<ImageId> = run.iter().map(|moved| moved.image).collect();
            let come: Vec<usize> = run.iter().filter_map(|moved| moved.place).collect();
            if come.is_empty() {
                self.take_out(run, &images);
            } else {
                self.put_in(run, &images, &come);
            }
        }
        for (id, before) in classes_before {
            let after = self.class_of(id, dataset);
            if let Some(class) = before.filter(|_| before != after) {
                let count = self.counts.entry(class).or_default();
                *count = count.saturating_sub(1);
            }
            if let Some(class) = after.filter(|_| before != after) {
                *self.counts.entry(class).or_default() += 1;
            }
        }
    }

    fn take_out(&mut self, run: &[Move], images: &BTreeSet<ImageId>) {
        let mut gone: Vec<usize> = run.iter().filter_map(|moved| self.places.remove(&moved.id)).collect();
        gone.sort_unstable();
        for image in images {
            if let Some(list) = self.objects.get_mut(image) {
                list.retain(|place| gone.binary_search(place).is_err());
            }
        }
        self.shift(gone.first(), |place| place - gone.partition_point(|&other| other < place));
    }

    fn put_in(&mut self, run: &[Move], images: &BTreeSet<ImageId>, come: &[usize]) {
        // How many of the objects that were there stand before each that comes.
        let before: Vec<usize> = come.iter().enumerate().map(|(number, place)| place - number).collect();
        self.shift(come.first(), |place| place + before.partition_point(|&count| count <= place));
        for (moved, &place) in run.iter().zip(come) {
            self.places.insert(moved.id, place);
            self.objects.entry(moved.image).or_default().push(place);
        }
        for image in images {
            if let Some(list) = self.objects.get_mut(image) {
                list.sort_unstable();
            }
        }
    }

    /// Changes all places from `first` on.
    fn shift(&mut self, first: Option<&usize>, change: impl Fn(usize) -> usize) {
        // The last objects have none behind them.
        let Some(&first) = first.filter(|first| **first < self.places.len()) else { return };
        let places = self.places.values_mut().chain(self.objects.values_mut().flatten());
        places.filter(|place| **place >= first).for_each(|place| *place = change(*place));
    }
}

/// Gathers the objects that come, go or change by `edit`.
fn gather_ids(edit: &Edit, ids: &mut Vec<InstanceId>) {
    match edit {
        Edit::Insert { instance, .. } | Edit::Replace(instance) => ids.push(instance.id),
        Edit::Remove(id) => ids.push(*id),
        Edit::Batch(edits) => edits.iter().for_each(|edit| gather_ids(edit, ids)),
        _ => {}
    }
}

/// Whether images come or go by `edit`.
fn moves_images(edit: &Edit) -> bool {
    match edit {
        Edit::InsertImage { .. } | Edit::RemoveImage(_) => true,
        Edit::Batch(edits) => edits.iter().any(moves_images),
        _ => false,
    }
}

fn images(dataset: &Dataset) -> HashMap<ImageId, usize> {
    // Of several images with one id the first counts.
    dataset.images.iter().enumerate().rev().map(|(place, image)| (image.id, place)).collect()
}

fn classes(dataset: &Dataset) -> HashMap<CategoryId, usize> {
    dataset.categories.iter().enumerate().map(|(place, category)| (category.id, place)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::annotation::{Category, Image, Instance};
    use crate::geometry::{Rect, Size};

    fn instance(id: i64, image: i64) -> Instance {
        Instance::boxed(InstanceId(id), ImageId(image), CategoryId(1), Rect::new(0.0, 0.0, 4.0, 4.0))
    }

    fn insert(index: usize, id: i64, image: i64) -> Edit {
        Edit::Insert { index, instance: Box::new(instance(id, image)) }
    }

    /// Objects that come or go together, each with the place and the image where it comes, and whether they come in order.
    fn together() -> impl Strategy<Value = (BTreeMap<i64, (usize, i64)>, bool)> {
        let place = prop_oneof![0_usize..40, Just(usize::MAX)];
        (prop::collection::btree_map(1_i64..60, (place, 0_i64..4), 0..20), any::<bool>())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_index_that_follows_any_edits_is_the_one_made_anew(batches in prop::collection::vec(together(), 1..12)) {
            let mut dataset = Dataset::default();
            let mut index = Index::of(&dataset);
            for (objects, is_in_order) in batches {
                let edit = |(id, (place, image))| match dataset.instance(InstanceId(id)) {
                    Some(_) => Edit::Remove(InstanceId(id)),
                    None => insert(place, id, image),
                };
                let mut edits: Vec<Edit> = objects.into_iter().map(edit).collect();
                if is_in_order {
                    edits.sort_by_key(|edit| if let Edit::Insert { index, .. } = edit { Some(*index) } else { None });
                }
                let edit = Edit::Batch(edits);
                let moves = index.moves(&edit, &dataset);
                dataset.apply(&edit).unwrap();
                index.follow(moves, &dataset);
                let fresh = Index::of(&dataset);
                prop_assert_eq!(&index.places, &fresh.places);
                prop_assert_eq!(index.largest(), dataset.instances.iter().map(|instance| instance.id).max());
                prop_assert_eq!(index.count(CategoryId(1)), dataset.instances.len());
                for image in 0..4 {
                    prop_assert_eq!(index.objects(ImageId(image)), fresh.objects(ImageId(image)));
                }
            }
        }
    }

    #[test]
    fn many_that_come_or_go_together_do_not_make_the_index_anew() {
        let dataset = Dataset { instances: (1..=30).map(|id| instance(id, id % 3)).collect(), ..Dataset::default() };
        let index = Index::of(&dataset);
        let is_followed = |edits: Vec<Edit>| index.moves(&Edit::Batch(edits), &dataset).objects.is_some();
        assert!(is_followed((40..60).map(|id| insert(usize::MAX, id, 1)).collect()), "last");
        assert!(is_followed((0..20).map(|number| insert(number * 2, 40 + number as i64, 1)).collect()), "here and there");
        assert!(is_followed((5..25).map(|id| Edit::Remove(InstanceId(id))).collect()), "out");
        assert!(!is_followed((40..60).map(|id| insert(0, id, 1)).collect()), "each before the one before it");
    }

    #[test]
    fn an_index_that_follows_is_the_one_made_anew() {
        let mut dataset = Dataset::default();
        let mut index = Index::of(&dataset);
        let many = Edit::Batch((20..40).map(|id| insert(0, id, id % 3)).collect());
        let edits = [
            insert(usize::MAX, 1, 1),
            insert(0, 2, 1),
            insert(1, 3, 2),
            Edit::Batch(vec![insert(1, 4, 1), Edit::Remove(InstanceId(2)), insert(9, 5, 2)]),
            Edit::Replace(Box::new(instance(4, 2))),
            many,
            Edit::Remove(InstanceId(25)),
            Edit::Batch(vec![Edit::Remove(InstanceId(1)), Edit::Remove(InstanceId(39)), insert(3, 1, 7)]),
            Edit::Batch(vec![Edit::Remove(InstanceId(1)), insert(3, 1, 6), Edit::Remove(InstanceId(1)), insert(0, 50, 6)]),
            Edit::Batch(vec![Edit::Remove(InstanceId(50)), insert(0, 50, 5), Edit::Replace(Box::new(instance(50, 6)))]),
        ];
        let mut inverses = Vec::new();
        let step = |edit: &Edit, index: &mut Index, dataset: &mut Dataset| {
            let moves = index.moves(edit, dataset);
            let inverse = dataset.apply(edit).unwrap();
            index.follow(moves, dataset);
            let fresh = Index::of(dataset);
            assert_eq!(index.places, fresh.places, "{edit:?}");
            for image in 0..8 {
                assert_eq!(index.objects(ImageId(image)), fresh.objects(ImageId(image)), "{edit:?}");
            }
            inverse
        };
        for edit in &edits {
            inverses.push(step(edit, &mut index, &mut dataset));
        }
        for edit in inverses.iter().rev() {
            step(edit, &mut index, &mut dataset);
        }
        assert!(dataset.instances.is_empty());
    }

    #[test]
    fn the_objects_of_each_class_are_counted() {
        let mut dataset = Dataset { instances: (1..=4).map(|id| instance(id, 1)).collect(), ..Dataset::default() };
        let mut index = Index::of(&dataset);
        let of_class = |id, class| Edit::Replace(Box::new(Instance { category_id: CategoryId(class), ..instance(id, 1) }));
        let mut step = |edit: &Edit| {
            let moves = index.moves(edit, &dataset);
            let inverse = dataset.apply(edit).unwrap();
            index.follow(moves, &dataset);
            (inverse, [1, 2].map(|class| index.count(CategoryId(class))))
        };
        let (back, counts) = step(&Edit::Batch(vec![of_class(2, 2), of_class(3, 2), of_class(3, 1), of_class(3, 2)]));
        assert_eq!(counts, [2, 2], "what changes twice counts once");
        assert_eq!(step(&Edit::Batch(vec![Edit::Remove(InstanceId(2)), insert(0, 9, 2)])).1, [3, 1]);
        assert_eq!(step(&Edit::Batch((20..40).map(|id| insert(0, id, 1)).collect())).1, [23, 1], "made anew");
        assert_eq!(step(&Edit::Batch(vec![Edit::Remove(InstanceId(9)), insert(usize::MAX, 2, 1)])).1, [23, 1]);
        assert_eq!(step(&back).1, [24, 0]);
    }

    #[test]
    fn classes_keep_their_colours() {
        let class = |id| Category { id: CategoryId(id), name: String::new(), supercategory: String::new(), source: None };
        let mut dataset = Dataset { categories: [4, 7, 9].map(class).to_vec(), ..Dataset::default() };
        let mut index = Index::of(&dataset);
        let mut step = |edit: Edit| {
            let moves = index.moves(&edit, &dataset);
            dataset.apply(&edit).unwrap();
            index.follow(moves, &dataset);
            [4, 7, 9, 2].map(|id| index.hue(CategoryId(id)).filter(|_| index.class(CategoryId(id)).is_some()))
        };
        assert_eq!(step(Edit::RemoveCategory(CategoryId(4))), [None, Some(1), Some(2), None]);
        assert_eq!(step(Edit::InsertCategory { index: 0, category: class(2) }), [None, Some(1), Some(2), Some(3)], "4 may come back");
        let many =
            Edit::Batch((20..40).map(|id| insert(0, id, 1)).chain([Edit::InsertCategory { index: 9, category: class(4) }]).collect());
        assert_eq!(step(many), [Some(0), Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn an_image_stands_where_its_id_comes_first() {
        let image = |id| Image { id: ImageId(id), file_name: String::new(), size: Size::new(4, 3), source: None };
        let dataset = Dataset { images: [7, 2, 7].map(image).to_vec(), ..Dataset::default() };
        let index = Index::of(&dataset);
        assert_eq!([7, 2, 3].map(|id| index.image(ImageId(id))), [Some(0), Some(1), None]);
    }

    #[test]
    fn images_that_come_and_go_are_followed() {
        let image = |id| Image { id: ImageId(id), file_name: String::new(), size: Size::new(4, 3), source: None };
        let mut dataset = Dataset { images: [7, 2, 5].map(image).to_vec(), instances: vec![instance(1, 2)], ..Dataset::default() };
        let mut index = Index::of(&dataset);
        let left_out = Edit::Batch(vec![Edit::Remove(InstanceId(1)), Edit::RemoveImage(ImageId(2))]);
        let mut step = |edit: &Edit| {
            let moves = index.moves(edit, &dataset);
            let inverse = dataset.apply(edit).unwrap();
            index.follow(moves, &dataset);
            (inverse, [7, 2, 5].map(|id| index.image(ImageId(id))), index.objects(ImageId(2)).to_vec())
        };
        let (inverse, places, objects) = step(&left_out);
        assert_eq!((places, objects), ([Some(0), None, Some(1)], Vec::new()));
        let (_, places, objects) = step(&inverse);
        assert_eq!((places, objects), ([Some(0), Some(1), Some(2)], vec![0]));
    }
}
