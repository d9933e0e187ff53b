//! The images that steps of the history left out of the data set.

use super::{Category, Edit, History, Image, Instance};

/// An image that was left out, with what came out with it.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftOut<'a> {
    /// Its place among the images.
    pub index: usize,
    /// The image.
    pub image: &'a Image,
    /// Its objects, in the order in which they come back, each with the place where it does.
    pub objects: Vec<(usize, &'a Instance)>,
    /// The classes that were taken out since, the first one first: its objects may be of them.
    pub classes: Vec<&'a Category>,
}

impl History {
    /// The images that were left out and did not come back, the last one last. It looks at every step: nothing for each
    /// frame.
    pub fn left_out(&self) -> Vec<LeftOut<'_>> {
        let mut left_out = Vec::new();
        for entry in self.done() {
            follow(entry.edit(), &mut left_out);
        }
        left_out
    }
}

/// Follows a step that `inverse` reverses: what this puts in, the step took out.
fn follow<'a>(inverse: &'a Edit, left_out: &mut Vec<LeftOut<'a>>) {
    match inverse {
        Edit::InsertImage { index, image } => {
            left_out.push(LeftOut { index: *index, image, objects: Vec::new(), classes: Vec::new() });
        }
        Edit::RemoveImage(id) => left_out.retain(|left| left.image.id != *id),
        Edit::Insert { index, instance } => {
            if let Some(left) = left_out.iter_mut().rfind(|left| left.image.id == instance.image_id) {
                left.objects.push((*index, &**instance));
            }
        }
        Edit::InsertCategory { category, .. } => left_out.iter_mut().for_each(|left| left.classes.push(category)),
        Edit::Batch(edits) => edits.iter().for_each(|edit| follow(edit, left_out)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{CategoryId, Dataset, ImageId, InstanceId};
    use crate::geometry::{Rect, Size};

    #[test]
    fn what_was_left_out_is_known_until_it_comes_back() {
        let image = |id| Image { id: ImageId(id), file_name: format!("{id}.png"), size: Size::new(9, 9), source: None };
        let object = |id, on| Instance::boxed(InstanceId(id), ImageId(on), CategoryId(3), Rect::new(1.0, 1.0, 2.0, 2.0));
        let class = Category { id: CategoryId(3), name: "cat".to_owned(), supercategory: String::new(), source: None };
        let mut dataset = Dataset {
            images: [1, 2, 3].map(image).to_vec(),
            categories: vec![class.clone()],
            instances: vec![object(5, 2), object(6, 1), object(7, 2)],
            ..Dataset::default()
        };
        let whole = dataset.clone();
        let mut history = History::default();
        let mut commit = |history: &mut History, edit: Edit| history.commit(&mut dataset, "step", None, &edit);
        let removed = Edit::Batch(vec![Edit::Remove(InstanceId(5)), Edit::Remove(InstanceId(7))]);
        assert!(commit(&mut history, Edit::RemoveImage(ImageId(2))).is_err(), "it has objects");
        commit(&mut history, Edit::Batch(vec![removed, Edit::RemoveImage(ImageId(2))])).unwrap();
        commit(&mut history, Edit::Remove(InstanceId(6))).unwrap();
        commit(&mut history, Edit::RemoveCategory(CategoryId(3))).unwrap();
        let left_out = history.left_out();
        assert_eq!(left_out.len(), 1, "{left_out:?}");
        let left = left_out.first().unwrap();
        assert_eq!((left.index, left.image, left.classes.as_slice()), (1, &image(2), [&class].as_slice()));
        assert_eq!(left.objects.iter().map(|(place, object)| (*place, object.id.0)).collect::<Vec<_>>(), [(1, 7), (0, 5)]);
        commit(&mut history, Edit::InsertImage { index: 9, image: image(2) }).unwrap();
        assert!(history.left_out().is_empty());
        history.undo(&mut dataset).unwrap();
        assert_eq!(history.left_out().len(), 1, "it is out again");
        while history.undo(&mut dataset).unwrap().is_some() {}
        assert!(history.left_out().is_empty());
        assert_eq!(dataset, whole);
    }
}
