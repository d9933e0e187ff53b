//! The two marks that an image of LVIS has for each class: verified absent, and not labelled throughout.

use serde::Deserialize;

use crate::annotation::{CategoryId, Dataset, Edit, Image, Instance, Verbatim};
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
pub fn freed(dataset: &Dataset, edit: &Edit) -> Vec<(Edit, CategoryId)> {
    let mut put = Vec::new();
    placed(edit, &mut put);
    let mut freed: Vec<(Edit, CategoryId)> = Vec::new();
    for instance in put {
        let changed = freed.iter().rev().find_map(|(edit, _)| match edit {
            Edit::ReplaceImage(image) if image.id == instance.image_id => Some(image),
            _ => None,
        });
        let Some(image) = changed.or_else(|| dataset.image(instance.image_id)) else { continue };
        let mut marks = marks(image);
        if marks.absent.contains(&instance.category_id) {
            marks.absent.retain(|class| *class != instance.category_id);
            freed.push((Edit::ReplaceImage(with_marks(image, &marks)), instance.category_id));
        }
    }
    freed
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
    use crate::annotation::ImageId;
    use crate::geometry::Size;

    fn image(text: &str) -> Image {
        Image { id: ImageId(5), file_name: "a.jpg".to_owned(), size: Size::new(4, 3), source: Some(Verbatim::whole(text.to_owned())) }
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
}
