//! The two marks that an image of LVIS has for each class: verified absent, and not labelled throughout.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::annotation::{CategoryId, Dataset, Edit, Image, ImageId, Instance, Verbatim};
use crate::formats::coco::patch::{Change, patched};
use crate::formats::coco::write::quoted;

/// A mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A person looked and there is no object of the class: LVIS' `neg_category_ids`.
    Absent,
    /// There are more objects of the class than are labelled: LVIS' `not_exhaustive_category_ids`.
    NotExhaustive,
}

/// The marks of one image, in file order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The classes that are known to be absent.
    pub absent: Vec<CategoryId>,
    /// The classes that are not labelled throughout.
    pub not_exhaustive: Vec<CategoryId>,
}

impl Marks {
    /// The classes with `mark`.
    pub const fn of(&self, mark: Mark) -> &Vec<CategoryId> {
        match mark {
            Mark::Absent => &self.absent,
            Mark::NotExhaustive => &self.not_exhaustive,
        }
    }

    /// Sets the mark of a class, or takes it off where the class has it; whether it has it now.
    pub fn toggle(&mut self, mark: Mark, class: CategoryId) -> bool {
        let classes = match mark {
            Mark::Absent => &mut self.absent,
            Mark::NotExhaustive => &mut self.not_exhaustive,
        };
        let before = classes.len();
        classes.retain(|other| *other != class);
        let set = classes.len() == before;
        if set {
            classes.push(class);
        }
        set
    }
}

/// The marks in an image's record; none where the record has none that can be read.
pub fn marks(image: &Image) -> Marks {
    #[derive(Default, Deserialize)]
    struct Record {
        neg_category_ids: Option<Vec<i64>>,
        not_exhaustive_category_ids: Option<Vec<i64>>,
    }
    let record: Record = image.source.as_ref().and_then(|text| serde_json::from_str(text.text()).ok()).unwrap_or_default();
    let ids = |ids: Option<Vec<i64>>| ids.unwrap_or_default().into_iter().map(CategoryId).collect();
    Marks { absent: ids(record.neg_category_ids), not_exhaustive: ids(record.not_exhaustive_category_ids) }
}

/// The image with these marks in its record; no other member of the record changes.
#[must_use]
pub fn with_marks(image: &Image, marks: &Marks) -> Image {
    let list = |classes: &[CategoryId]| {
        let ids: Vec<String> = classes.iter().map(ToString::to_string).collect();
        Change::Set(format!("[{}]", ids.join(", ")))
    };
    let changes = [("neg_category_ids", list(&marks.absent)), ("not_exhaustive_category_ids", list(&marks.not_exhaustive))];
    with_members(image, &changes)
}

/// The image with members of its record changed.
pub(super) fn with_members(image: &Image, changes: &[(&str, Change)]) -> Image {
    let own = || {
        let Image { id, file_name, size, .. } = image;
        format!("{{\"id\": {id}, \"file_name\": {}, \"width\": {}, \"height\": {}}}", quoted(file_name), size.width, size.height)
    };
    let text = image.source.as_ref().map_or_else(own, |source| source.text().to_owned());
    let source = patched(&text, changes).map(Verbatim::whole).or_else(|| image.source.clone());
    Image { source, ..image.clone() }
}

/// The edits that take the absent mark off each class of which `edit` puts the first object on an image, with the classes.
/// `image_of` finds an image by its id.
pub fn freed<'a>(edit: &Edit, image_of: impl Fn(ImageId) -> Option<&'a Image>) -> Vec<(Edit, CategoryId)> {
    let mut put = Vec::new();
    placed(edit, &mut put);
    let mut changed: HashMap<ImageId, Image> = HashMap::new();
    let mut freed = Vec::new();
    for instance in put {
        let image = changed.get(&instance.image_id).or_else(|| image_of(instance.image_id));
        // Many objects may be put on images without any mark, whose records need not be read.
        let Some(image) = image.filter(|image| image.source.as_ref().is_some_and(|text| text.text().contains("neg_category_ids"))) else {
            continue;
        };
        let mut marks = marks(image);
        if marks.absent.contains(&instance.category_id) {
            marks.absent.retain(|class| *class != instance.category_id);
            let image = with_marks(image, &marks);
            changed.insert(image.id, image.clone());
            freed.push((Edit::ReplaceImage(image), instance.category_id));
        }
    }
    freed
}

/// The edits that take a class out of all marks, because it goes and its heir gets its objects, where it has one.
///
/// Where more of the class was to be found than is labelled, more of the heir is. That the class was absent says nothing of
/// the heir, and the heir is no longer absent where it gets an object or more of the class was to be found.
pub fn without_class(dataset: &Dataset, class: CategoryId, heir: Option<CategoryId>) -> Vec<Edit> {
    let of_class = dataset.instances.iter().filter(|instance| instance.category_id == class);
    let images: HashSet<ImageId> = of_class.map(|instance| instance.image_id).collect();
    let marked = dataset.images.iter().filter(|image| image.source.as_ref().is_some_and(|text| text.text().contains("_category_ids")));
    let changed = marked.filter_map(|image| {
        let before = marks(image);
        let mut after = before.clone();
        let is_there = images.contains(&image.id) || before.not_exhaustive.contains(&class);
        after.absent.retain(|other| *other != class && !(Some(*other) == heir && is_there));
        after.not_exhaustive.retain(|other| *other != class);
        if let Some(heir) = heir.filter(|heir| before.not_exhaustive.contains(&class) && !before.not_exhaustive.contains(heir)) {
            after.not_exhaustive.push(heir);
        }
        (after != before).then(|| Edit::ReplaceImage(with_marks(image, &after)))
    });
    changed.collect()
}

fn placed<'a>(edit: &'a Edit, put: &mut Vec<&'a Instance>) {
    match edit {
        Edit::Insert { instance, .. } | Edit::Replace(instance) => put.push(instance),
        Edit::Batch(edits) => edits.iter().for_each(|edit| placed(edit, put)),
        _ => (),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{Field, InstanceId, Shape};
    use crate::geometry::{Rect, Size};

    fn image(text: &str) -> Image {
        Image { id: ImageId(5), file_name: "a.jpg".to_owned(), size: Size::new(4, 3), source: Some(Verbatim::whole(text.to_owned())) }
    }

    fn object(id: i64, on: i64, class: i64) -> Instance {
        Instance {
            id: InstanceId(id),
            image_id: ImageId(on),
            category_id: CategoryId(class),
            bbox: Rect::new(0.0, 0.0, 1.0, 1.0),
            shape: Shape::Box,
            area: 1.0,
            crowd: false,
            score: None,
            changed: Field::NONE,
            source: None,
        }
    }

    #[test]
    fn only_the_marks_change() {
        let before = image(r#"{"id":5,"x":1.50,"neg_category_ids":[3, 1],"not_exhaustive_category_ids":[]}"#);
        let mut changed = marks(&before);
        assert_eq!(changed, Marks { absent: vec![CategoryId(3), CategoryId(1)], not_exhaustive: vec![] });
        assert!(!changed.toggle(Mark::Absent, CategoryId(3)));
        assert!(changed.toggle(Mark::NotExhaustive, CategoryId(9)));
        let after = with_marks(&before, &changed);
        assert_eq!(after.source.unwrap().text(), r#"{"id":5,"x":1.50,"neg_category_ids":[1],"not_exhaustive_category_ids":[9]}"#);
    }

    #[test]
    fn an_image_of_the_program_gets_a_record() {
        let new = Image { source: None, ..image("") };
        assert_eq!(marks(&new), Marks::default());
        let after = with_marks(&new, &Marks::default());
        let text = r#"{"id": 5, "file_name": "a.jpg", "width": 4, "height": 3, "neg_category_ids": [], "not_exhaustive_category_ids": []}"#;
        assert_eq!(after.source.unwrap().text(), text);
        assert_eq!(marks(&image("[broken")), Marks::default());
    }

    #[test]
    fn the_marks_of_classes_that_come_to_one_image_go_one_after_the_other() {
        let marked = image(r#"{"id":5,"neg_category_ids":[3, 1, 4]}"#);
        let plain = Image { id: ImageId(6), ..image(r#"{"id":6}"#) };
        let put = |id, on, class| Edit::Insert { index: usize::MAX, instance: Box::new(object(id, on, class)) };
        let edit = Edit::Batch(vec![put(1, 5, 3), put(2, 6, 3), put(3, 5, 3), put(4, 5, 4), put(5, 9, 1)]);
        let freed = freed(&edit, |id| [&marked, &plain].into_iter().find(|image| image.id == id));
        assert_eq!(freed.iter().map(|(_, class)| class.0).collect::<Vec<_>>(), [3, 4]);
        let Some((Edit::ReplaceImage(last), _)) = freed.last() else { panic!("no image") };
        assert_eq!(marks(last).absent, [CategoryId(1)]);
    }

    #[test]
    fn of_the_marks_of_a_class_that_goes_its_heir_gets_those_that_hold_for_it() {
        let with = |id: i64, absent: &str, not_exhaustive: &str| {
            let text = format!(r#"{{"id":{id},"neg_category_ids":{absent},"not_exhaustive_category_ids":{not_exhaustive}}}"#);
            Image { id: ImageId(id), ..image(&text) }
        };
        // Objects of class 1 are on image 5 only.
        let images =
            vec![with(5, "[2,3]", "[1]"), with(6, "[1,2]", "[]"), with(7, "[1]", "[3]"), with(8, "[2]", "[3,2,1]"), with(9, "[3]", "[2]")];
        let dataset = Dataset { images, instances: vec![object(1, 5, 1), object(2, 9, 2)], ..Dataset::default() };
        let changed = |heir: Option<i64>| {
            let edits = without_class(&dataset, CategoryId(1), heir.map(CategoryId));
            let text = |edit: Edit| match edit {
                Edit::ReplaceImage(image) => image.source.unwrap().text().replace("_category_ids", ""),
                other => panic!("{other:?}"),
            };
            edits.into_iter().map(text).collect::<Vec<_>>()
        };
        let expected = [
            r#"{"id":5,"neg":[3],"not_exhaustive":[2]}"#,
            r#"{"id":6,"neg":[2],"not_exhaustive":[]}"#,
            r#"{"id":7,"neg":[],"not_exhaustive":[3]}"#,
            r#"{"id":8,"neg":[],"not_exhaustive":[3, 2]}"#,
        ];
        assert_eq!(changed(Some(2)), expected);
        let expected = [
            r#"{"id":5,"neg":[2, 3],"not_exhaustive":[]}"#,
            r#"{"id":6,"neg":[2],"not_exhaustive":[]}"#,
            r#"{"id":7,"neg":[],"not_exhaustive":[3]}"#,
            r#"{"id":8,"neg":[2],"not_exhaustive":[3, 2]}"#,
        ];
        assert_eq!(changed(None), expected);
    }
}
