//! Predictions of a file with ids of its own, under the ids of the truth: other programs number images and classes anew, but
//! keep their names.

use std::collections::{HashMap, HashSet};

use crate::annotation::{CategoryId, Dataset, ImageId};
use crate::formats::coco::record::NO_ID;
use crate::formats::merge::{last_part, path};

/// So many records of each kind are named.
const MOST_EXAMPLES: usize = 5;

/// A record's id and name.
type Named = (i64, String);

/// Gives `prediction` the images and classes of `truth`, and its instances their ids: those of the same names, or where the
/// files share their numbering, of the same ids. What is not in the truth gets an id that is not either. Returns one
/// sentence for each thing to know about it.
pub fn align(truth: &Dataset, prediction: &mut Dataset) -> Vec<String> {
    // A record without an id is that of no instance.
    let with_id = |record: &Named| record.0 != NO_ID;
    let classes = |dataset: &Dataset| -> Vec<Named> {
        dataset.categories.iter().map(|class| (class.id.0, class.name.clone())).filter(with_id).collect()
    };
    let images = |dataset: &Dataset| -> Vec<Named> {
        dataset.images.iter().map(|image| (image.id.0, path(&image.file_name))).filter(with_id).collect()
    };
    let used_classes = prediction.instances.iter().map(|instance| instance.category_id.0).collect();
    let used_images = prediction.instances.iter().map(|instance| instance.image_id.0).collect();
    let classes = Match::new(&classes(truth), &classes(prediction), |_| None, &used_classes);
    let images = Match::new(&images(truth), &images(prediction), |path| Some(last_part(path)), &used_images);
    for instance in &mut prediction.instances {
        instance.category_id = CategoryId(classes.id(instance.category_id.0));
        instance.image_id = ImageId(images.id(instance.image_id.0));
    }
    prediction.categories.clone_from(&truth.categories);
    prediction.images.clone_from(&truth.images);
    let mut sentences = classes.sentences("classes", "names");
    sentences.extend(images.sentences("images", "file names"));
    sentences
}

/// The ids in the truth of the records of one kind, and in words those with predictions whose id or name is another one.
#[derive(Default)]
struct Match {
    ids: HashMap<i64, i64>,
    by_name: Vec<String>,
    by_id: Vec<String>,
    unknown: Vec<String>,
}

impl Match {
    /// Matches by the whole name, then by the `end` of it where each side has it once, then by the id.
    fn new(truth: &[Named], others: &[Named], end: fn(&str) -> Option<&str>, used: &HashSet<i64>) -> Self {
        let mut names: HashMap<&str, Vec<i64>> = HashMap::new();
        // Of several with one id the first counts.
        let known: HashMap<i64, &str> = truth.iter().rev().map(|(id, name)| (*id, name.as_str())).collect();
        for (id, name) in truth.iter().filter(|(_, name)| !name.is_empty()) {
            names.entry(name).or_default().push(*id);
        }
        let (true_ends, ends) = (only(truth, end), only(others, end));
        let mut found = Self::default();
        for (id, name) in others {
            let same = names.get(name.as_str()).and_then(|same| same.iter().find(|own| *own == id).or_else(|| same.first()));
            if let Some(own) = same {
                found.ids.entry(*id).or_insert(*own);
            }
        }
        let mut claimed: HashSet<i64> = found.ids.values().copied().collect();
        for (id, name) in others {
            let Some(part) = end(name).filter(|part| !found.ids.contains_key(id) && ends.get(part) == Some(&Some(*id))) else { continue };
            if let Some(Some(own)) = true_ends.get(part)
                && claimed.insert(*own)
            {
                found.ids.insert(*id, *own);
            }
        }
        // Ids mean the same in both files only where no name contradicts that.
        let is_renumbered = found.ids.iter().any(|(id, own)| id != own);
        let theirs: HashSet<i64> = others.iter().map(|(id, _)| *id).collect();
        let mut free = (1..i64::MAX).filter(|id| !known.contains_key(id) && !theirs.contains(id));
        for (id, name) in others {
            let is_used = used.contains(id);
            match (found.ids.get(id).copied(), known.get(id)) {
                (Some(own), _) if own != *id && is_used => found.by_name.push(format!("{} {id} is {own}", quoted(name))),
                (None, Some(own)) if !is_renumbered => {
                    found.ids.insert(*id, *id);
                    if is_used && !own.is_empty() && !name.is_empty() {
                        found.by_id.push(format!("{} {id} is {}", quoted(name), quoted(own)));
                    }
                }
                (None, own) => {
                    let id_here = if own.is_some() { free.next().unwrap_or(*id) } else { *id };
                    found.ids.insert(*id, id_here);
                    if is_used {
                        found.unknown.push(format!("{} {id}", quoted(name)));
                    }
                }
                (Some(_), _) => {}
            }
        }
        found
    }

    /// The id in the truth.
    fn id(&self, id: i64) -> i64 {
        self.ids.get(&id).copied().unwrap_or(id)
    }

    fn sentences(&self, kind: &str, names: &str) -> Vec<String> {
        let all = [
            (&self.by_name, format!("{kind} have other ids than in the truth and were matched by their {names}")),
            (&self.by_id, format!("{kind} have other {names} than in the truth and were matched by their ids")),
            (&self.unknown, format!("{kind} with predictions are not in the truth and do not count")),
        ];
        let sentence = |(records, what): (&Vec<String>, String)| {
            let first: Vec<&str> = records.iter().take(MOST_EXAMPLES).map(String::as_str).collect();
            let more = if records.len() > MOST_EXAMPLES { ", …" } else { "" };
            (!records.is_empty()).then(|| format!("{} {what}: {}{more}", records.len(), first.join(", ")))
        };
        all.into_iter().filter_map(sentence).collect()
    }
}

/// The ids by the `end` of the name; `None` for an end that several have.
fn only(records: &[Named], end: fn(&str) -> Option<&str>) -> HashMap<&str, Option<i64>> {
    let mut ends = HashMap::new();
    for (id, name) in records {
        if let Some(part) = end(name).filter(|part| !part.is_empty()) {
            ends.entry(part).and_modify(|known| *known = None).or_insert(Some(*id));
        }
    }
    ends
}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{Category, Image, Instance, InstanceId};
    use crate::geometry::{Rect, Size};

    /// One object of each class on each image.
    fn file(images: &[(i64, &str)], classes: &[(i64, &str)]) -> Dataset {
        let image =
            |(id, name): &(i64, &str)| Image { id: ImageId(*id), file_name: (*name).to_owned(), size: Size::new(9, 9), source: None };
        let class = |(id, name): &(i64, &str)| Category {
            id: CategoryId(*id),
            name: (*name).to_owned(),
            supercategory: String::new(),
            source: None,
        };
        let pairs = images.iter().flat_map(|(image, _)| classes.iter().map(move |(class, _)| (ImageId(*image), CategoryId(*class))));
        let boxed = |(place, (image, class)): (usize, (ImageId, CategoryId))| {
            Instance::boxed(InstanceId(place as i64), image, class, Rect::new(1.0, 1.0, 3.0, 3.0))
        };
        Dataset {
            images: images.iter().map(image).collect(),
            categories: classes.iter().map(class).collect(),
            instances: pairs.enumerate().map(boxed).collect(),
            document: Vec::new(),
        }
    }

    /// The ids in the truth of images and classes, and what is said.
    fn aligned(truth: &Dataset, prediction: &Dataset) -> (Vec<i64>, Vec<i64>, Vec<String>) {
        let (classes, mut prediction) = (prediction.categories.len(), prediction.clone());
        let said = align(truth, &mut prediction);
        let images = prediction.instances.iter().step_by(classes).map(|instance| instance.image_id.0).collect();
        (images, prediction.instances.iter().take(classes).map(|instance| instance.category_id.0).collect(), said)
    }

    #[test]
    fn names_tell_records_of_other_ids() {
        let truth = file(&[(7, "s/a.png"), (8, "b.png")], &[(17, "cat"), (18, "dog")]);
        let (images, classes, said) = aligned(&truth, &truth);
        assert_eq!((images, classes, said), (vec![7, 8], vec![17, 18], Vec::new()));
        let other = file(&[(1, ".\\b.png"), (8, "a.png")], &[(18, "cat"), (1, "dog"), (17, "cow")]);
        let (images, classes, said) = aligned(&truth, &other);
        assert_eq!((images, &classes[..2]), (vec![8, 7], &[17, 18][..]));
        assert!(![17, 18].contains(&classes[2]), "{classes:?}");
        assert_eq!(
            said,
            [
                "2 classes have other ids than in the truth and were matched by their names: `cat` 18 is 17, `dog` 1 is 18",
                "1 classes with predictions are not in the truth and do not count: `cow` 17",
                "2 images have other ids than in the truth and were matched by their file names: `b.png` 1 is 8, `a.png` 8 is 7"
            ]
        );
    }

    #[test]
    fn a_record_without_an_id_tells_nothing() {
        let truth = file(&[(7, "a.png"), (8, "b.png")], &[(17, "cat"), (18, "dog")]);
        let other = file(&[(NO_ID, "a.png"), (8, "b.png")], &[(NO_ID, "cat"), (18, "dog")]);
        assert_eq!(aligned(&truth, &other), (vec![NO_ID, 8], vec![NO_ID, 18], Vec::new()));
    }

    #[test]
    fn ids_tell_records_where_no_name_contradicts_them() {
        let truth = file(&[(7, "a.png"), (8, "b.png")], &[(17, "cat"), (18, "dog")]);
        let other = file(&[(7, "x/1.png"), (8, "")], &[(17, "cat"), (18, "Dog")]);
        let (images, classes, said) = aligned(&truth, &other);
        assert_eq!((images, classes), (vec![7, 8], vec![17, 18]));
        assert_eq!(
            said,
            [
                "1 classes have other names than in the truth and were matched by their ids: `Dog` 18 is `dog`",
                "1 images have other file names than in the truth and were matched by their ids: `x/1.png` 7 is `a.png`"
            ]
        );
    }
}
