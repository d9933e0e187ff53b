//! Edits and their inverses over random lists of edits.

use annotator::annotation::{Category, CategoryId, Dataset, Edit, EditError, Field, History, Image, ImageId, Instance, InstanceId, Shape};
use annotator::geometry::{Rect, Size};
use proptest::prelude::*;

fn instance(id: i64, category: i64, x: f64) -> Instance {
    Instance {
        id: InstanceId(id),
        image_id: ImageId(1),
        category_id: CategoryId(category),
        bbox: Rect::new(x, 1.0, 2.0, 3.0),
        shape: Shape::Polygons(vec![vec![x, 1.0, x + 2.0, 1.0, x, 4.0]].into()),
        area: 3.0,
        crowd: false,
        score: None,
        changed: Field::NONE,
        source: None,
    }
}

fn category(id: i64, name: &str) -> Category {
    Category { id: CategoryId(id), name: name.to_owned(), supercategory: String::new(), source: None }
}

fn image(id: i64) -> Image {
    Image { id: ImageId(id), file_name: "a.png".to_owned(), size: Size::new(20, 10), source: None }
}

fn dataset() -> Dataset {
    Dataset {
        images: vec![image(1), image(3)],
        categories: vec![category(1, "cat"), category(2, "dog")],
        instances: (1..5).map(|id| instance(id, 1 + id % 2, id as f64)).collect(),
        document: Vec::new(),
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let id = 1_i64..8;
    let leaf = prop_oneof![
        (0_usize..9, id.clone(), 1_i64..4, 0.0..9.0)
            .prop_map(|(index, id, category, x)| Edit::Insert { index, instance: Box::new(instance(id, category, x)) }),
        id.clone().prop_map(|id| Edit::Remove(InstanceId(id))),
        (id, 1_i64..4, 0.0..9.0).prop_map(|(id, category, x)| Edit::Replace(Box::new(instance(id, category, x)))),
        (0_usize..4, 1_i64..5).prop_map(|(index, id)| Edit::InsertCategory { index, category: category(id, "new") }),
        (1_i64..5).prop_map(|id| Edit::RemoveCategory(CategoryId(id))),
        (1_i64..5, "[a-c]").prop_map(|(id, name)| Edit::ReplaceCategory(category(id, &name))),
        (0_usize..4, 1_i64..4).prop_map(|(index, id)| Edit::InsertImage { index, image: image(id) }),
        (1_i64..4).prop_map(|id| Edit::RemoveImage(ImageId(id))),
        (1_i64..3, "[a-c]").prop_map(|(id, file_name)| Edit::ReplaceImage(Image {
            id: ImageId(id),
            file_name,
            size: Size::new(20, 10),
            source: None
        })),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Edit::Batch))
}

/// Edits of one kind, most of which fit.
fn same_kind() -> impl Strategy<Value = Vec<Edit>> {
    let insert = |(index, id): (usize, i64)| Edit::Insert { index, instance: Box::new(instance(id, 1, 0.5)) };
    let replace = |(id, x)| Edit::Replace(Box::new(instance(id, 2, x)));
    prop_oneof![
        prop::collection::vec((1_i64..6).prop_map(|id| Edit::Remove(InstanceId(id))), 2..5),
        prop::collection::vec((1_i64..6, 0.0..9.0).prop_map(replace), 2..5),
        prop::collection::vec((0_usize..9, 5_i64..12).prop_map(insert), 2..6),
        prop::collection::btree_set(0_usize..9, 2..6).prop_map(move |places| places.into_iter().zip(20..).map(insert).collect()),
        (2_i64..6).prop_map(move |count| (20..20 + count).map(|id| insert((usize::MAX, id))).collect()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_and_its_inverse_change_nothing(edits in prop::collection::vec(edit(), 0..20)) {
        let mut data = dataset();
        for edit in &edits {
            let before = data.clone();
            let Ok(inverse) = data.apply(edit) else {
                prop_assert_eq!(&data, &before);
                continue;
            };
            let after = data.clone();
            let again = data.apply(&inverse).unwrap();
            prop_assert_eq!(&data, &before);
            data.apply(&again).unwrap();
            prop_assert_eq!(&data, &after);
        }
    }

    #[test]
    fn many_edits_at_once_are_the_same_as_one_by_one(edits in same_kind()) {
        let (mut at_once, mut one_by_one) = (dataset(), dataset());
        let applied = at_once.apply(&Edit::Batch(edits.clone()));
        let steps: Result<Vec<Edit>, _> = edits.iter().map(|edit| one_by_one.apply(edit)).collect();
        prop_assert_eq!(applied.is_ok(), steps.is_ok());
        if let Ok(inverse) = applied {
            prop_assert_eq!(&at_once, &one_by_one);
            let again = at_once.apply(&inverse).unwrap();
            prop_assert_eq!(&at_once, &dataset());
            at_once.apply(&again).unwrap();
            prop_assert_eq!(&at_once, &one_by_one);
        } else {
            prop_assert_eq!(&at_once, &dataset());
        }
    }

    #[test]
    fn history_walks_back_and_forth(edits in prop::collection::vec(edit(), 0..20), walk in prop::collection::vec(any::<bool>(), 0..40)) {
        let (mut data, mut history) = (dataset(), History::default());
        let mut states = vec![data.clone()];
        for edit in &edits {
            if history.commit(&mut data, "edit", Some(ImageId(1)), edit).is_ok() {
                states.push(data.clone());
            }
        }
        let mut at = states.len() - 1;
        for back in walk {
            let moved = if back { history.undo(&mut data).unwrap().is_some() } else { history.redo(&mut data).unwrap().is_some() };
            let expected = if back { at > 0 } else { at + 1 < states.len() };
            prop_assert_eq!(moved, expected);
            if moved {
                at = if back { at - 1 } else { at + 1 };
            }
            prop_assert_eq!(&data, &states[at]);
        }
    }
}

#[test]
fn an_image_goes_alone_and_only_where_it_could_come_back() {
    let mut data = dataset();
    assert_eq!(data.apply(&Edit::RemoveImage(ImageId(1))), Err(EditError::ImageInUse(ImageId(1))));
    assert_eq!(data.apply(&Edit::InsertImage { index: 0, image: image(3) }), Err(EditError::ImageExists(ImageId(3))));
    assert_eq!(data.apply(&Edit::RemoveImage(ImageId(3))), Ok(Edit::InsertImage { index: 1, image: image(3) }));
    data.images = vec![image(3), image(3)];
    assert_eq!(data.apply(&Edit::RemoveImage(ImageId(3))), Err(EditError::ImageTwice(ImageId(3))));
    assert_eq!(data.apply(&Edit::InsertImage { index: 0, image: image(1) }), Err(EditError::ImageInUse(ImageId(1))));
}

#[test]
fn an_edit_that_goes_on_with_a_step_is_taken_back_with_it() {
    let (mut data, mut history) = (dataset(), History::default());
    let replace = |id: i64, x: f64| Edit::Replace(Box::new(instance(id, 1, x)));
    history.amend(&mut data, "move", None, &replace(1, 5.0)).unwrap();
    let first = history.next_undo().unwrap().edit().clone();
    history.amend(&mut data, "move", None, &Edit::Batch(vec![replace(1, 6.0)])).unwrap();
    assert_eq!(history.next_undo().unwrap().edit(), &first, "it brings back what was there before both");
    history.amend(&mut data, "move", None, &Edit::Batch(vec![replace(2, 7.0), Edit::Remove(InstanceId(3))])).unwrap();
    assert_eq!((history.done().len(), history.revision()), (1, 3));
    let after = data.clone();
    history.undo(&mut data).unwrap();
    assert_eq!(data, dataset());
    history.redo(&mut data).unwrap();
    assert_eq!(data, after);
    history.undo(&mut data).unwrap();
    assert!(history.amend(&mut data, "move", None, &replace(99, 1.0)).is_err());
    assert!(history.next_redo().is_some(), "what failed is nothing");
}

#[test]
fn a_new_edit_after_undo_drops_what_was_undone() {
    let (mut data, mut history) = (dataset(), History::default());
    history.commit(&mut data, "delete", None, &Edit::Remove(InstanceId(1))).unwrap();
    history.undo(&mut data).unwrap();
    assert_eq!(history.next_redo().unwrap().label, "delete");
    history.commit(&mut data, "delete", None, &Edit::Remove(InstanceId(2))).unwrap();
    assert!(history.next_redo().is_none());
    assert!(history.commit(&mut data, "again", None, &Edit::Remove(InstanceId(2))).is_err());
    assert_eq!(history.next_undo().unwrap().label, "delete");
}
