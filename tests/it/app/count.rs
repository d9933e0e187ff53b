//! What a document keeps, so that no edit looks at all objects, is what a look at all of them finds.

use std::collections::BTreeSet;

use annotator::annotation::{Category, CategoryId, Dataset, Edit, History, Image, ImageId, Instance, InstanceId};
use annotator::app::{Document, DocumentError, Source};
use annotator::geometry::{Rect, Size};
use annotator::store::Contents;
use proptest::prelude::*;

/// An object; one in seven has the largest id that there is.
fn instance() -> impl Strategy<Value = Box<Instance>> {
    let id = prop_oneof![6 => -2_i64..9, 1 => Just(i64::MAX)];
    (id, 1_i64..4, 1_i64..3).prop_map(|(id, image, class)| {
        Box::new(Instance::boxed(InstanceId(id), ImageId(image), CategoryId(class), Rect::new(1.0, 2.0, 3.0, 4.0)))
    })
}

fn one() -> impl Strategy<Value = Edit> {
    prop_oneof![
        3 => (instance(), prop_oneof![0_usize..9, Just(usize::MAX)]).prop_map(|(instance, index)| Edit::Insert { index, instance }),
        1 => instance().prop_map(|instance| Edit::Remove(instance.id)),
        1 => instance().prop_map(Edit::Replace),
    ]
}

/// An edit, or some as one, or a step back or, with `true`, forth.
fn step() -> impl Strategy<Value = Result<Edit, bool>> {
    let edit = prop_oneof![one(), prop::collection::vec(one(), 0..5).prop_map(Edit::Batch)];
    prop_oneof![2 => edit.prop_map(Ok::<Edit, bool>), 1 => any::<bool>().prop_map(Err::<Edit, bool>)]
}

fn dataset() -> Dataset {
    let image = |id| Image { id: ImageId(id), file_name: String::new(), size: Size::new(9, 9), source: None };
    let class = |id| Category { id: CategoryId(id), name: String::new(), supercategory: String::new(), source: None };
    Dataset { images: [1, 2, 3].map(image).to_vec(), categories: [1, 2].map(class).to_vec(), ..Dataset::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_what_is_counted(steps in prop::collection::vec(step(), 1..40)) {
        let (mut plain, mut history) = (dataset(), History::default());
        let mut document = Document::new(Contents { dataset: dataset(), ..Contents::default() }, Source::Nothing, false);
        for step in &steps {
            let (expected, result) = match step {
                Ok(edit) => (history.commit(&mut plain, "edit", None, edit), document.commit("edit", None, edit)),
                Err(false) => (history.undo(&mut plain).map(|_| ()), document.step(false).map(|_| ())),
                Err(true) => (history.redo(&mut plain).map(|_| ()), document.step(true).map(|_| ())),
            };
            prop_assert_eq!(result, expected.map_err(DocumentError::Edit));
            prop_assert_eq!(document.dataset(), &plain);
            for class in [1, 2, 3].map(CategoryId) {
                prop_assert_eq!(document.class_count(class), plain.instances.iter().filter(|object| object.category_id == class).count());
            }
            for image in [1, 2, 3].map(ImageId) {
                prop_assert!(document.objects(image).eq(plain.instances_on(image)));
            }
            let ids: BTreeSet<InstanceId> = plain.instances.iter().map(|object| object.id).collect();
            for &id in &ids {
                prop_assert_eq!(document.instance(id), plain.instance(id));
            }
            prop_assert_eq!(document.free_instance_id(), plain.free_instance_id());
            let free: Vec<InstanceId> = document.free_instance_ids().take(3).collect();
            prop_assert_eq!(&free, &plain.free_instance_ids().take(3).collect::<Vec<_>>());
            prop_assert!(free.iter().all(|id| !ids.contains(id)));
        }
    }
}
