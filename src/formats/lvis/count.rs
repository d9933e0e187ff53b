//! The members of a class that LVIS asks for, with the counts of one file.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::{Map, Value};

use super::{Frequency, is_lvis, synset};
use crate::annotation::{Category, CategoryId, Dataset, ImageId, Verbatim};
use crate::formats::coco;
use crate::formats::coco::patch::{Change, patched};
use crate::formats::coco::save::save_as;
use crate::formats::coco::write::{Form, quoted};
use crate::formats::loss::{Kind, Tally};
use crate::formats::save::SaveError;
use crate::job::{Cancel, Progress};

/// How many images and objects each class has.
#[derive(Default)]
pub(super) struct Counts {
    pairs: HashSet<(ImageId, CategoryId)>,
    classes: HashMap<CategoryId, (usize, usize)>,
}

impl Counts {
    /// The counts of `dataset`.
    pub(super) fn of(dataset: &Dataset) -> Self {
        Self::of_pairs(dataset.instances.iter().map(|instance| (instance.image_id, instance.category_id)))
    }

    fn of_pairs(objects: impl Iterator<Item = (ImageId, CategoryId)>) -> Self {
        let mut counts = Self::default();
        for (image, class) in objects {
            let entry = counts.classes.entry(class).or_default();
            entry.0 += usize::from(counts.pairs.insert((image, class)));
            entry.1 += 1;
        }
        counts
    }

    /// Whether an object of `class` is on `image`.
    pub(super) fn is_on(&self, class: CategoryId, image: ImageId) -> bool {
        self.pairs.contains(&(image, class))
    }

    /// The images with an object of `class`, and the objects.
    fn of_class(&self, class: CategoryId) -> (usize, usize) {
        self.classes.get(&class).copied().unwrap_or_default()
    }
}

/// Saves a data set that [`super::to_lvis`] made one of LVIS, as [`coco::save_with`] does.
///
/// # Errors
/// As [`coco::save_with`].
pub fn save(dataset: &Dataset, path: &Path, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> Result<(), SaveError> {
    // Without images and classes nothing else tells that it is one.
    save_as(dataset, Form { classes: &dataset.categories, is_lvis: true }, path, cancel, progress)
}

/// Saves a data set that was edited, as [`coco::save_with`] does; where it is one of LVIS, with the counts of its classes
/// as they are now. One that nobody edited is for [`coco::save_with`], so that it stays as it was, be its counts right or
/// wrong.
///
/// # Errors
/// As [`coco::save_with`].
pub fn save_edited(dataset: &Dataset, path: &Path, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> Result<(), SaveError> {
    if !is_lvis(dataset) {
        return coco::save_with(dataset, path, cancel, progress);
    }
    let counts = Counts::of(dataset);
    let mut classes = dataset.categories.clone();
    for class in &mut classes {
        if class.source.is_some() {
            recounted(class, &counts);
        } else {
            described(class, &counts, &mut Tally::default());
        }
    }
    save_as(dataset, Form { classes: &classes, is_lvis: true }, path, cancel, progress)
}

/// Gives a class the members that LVIS asks for; those that it has stay, but for an empty synset, and the counts are of this
/// file.
pub(super) fn described(category: &mut Category, counts: &Counts, tally: &mut Tally) {
    let (image_count, instance_count) = counts.of_class(category.id);
    let own = format!("{{\"id\": {}, \"name\": {}}}", category.id, quoted(&category.name));
    let text = category.source.as_ref().map_or(own, |source| source.text().to_owned());
    let found: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
    let mut changes = Vec::new();
    let is_nameless = found.get("synset").and_then(Value::as_str).is_some_and(str::is_empty);
    let mut missing = |name: &'static str, value: String| {
        if !found.contains_key(name) || name == "synset" && is_nameless {
            changes.push((name, Change::Set(value)));
        }
    };
    let name = synset(category).unwrap_or_default();
    if name.is_empty() {
        tally.add(Kind::Synset, format_args!("{} ({})", category.name, category.id));
    }
    missing("synset", quoted(&name));
    missing("synonyms", format!("[{}]", quoted(&category.name)));
    missing("def", quoted(""));
    missing("frequency", quoted(Frequency::of(image_count).letter()));
    changes.extend(corrections(&found, (image_count, instance_count), true));
    if let Some(text) = patched(&text, &changes) {
        category.source = Some(Verbatim::whole(text));
    }
}

/// Gives a class the counts of this file where it has counts; nothing else changes.
fn recounted(category: &mut Category, counts: &Counts) {
    let Some(text) = category.source.as_ref().map(Verbatim::text) else { return };
    let Ok(found) = serde_json::from_str::<Map<String, Value>>(text) else { return };
    let changes: Vec<_> = corrections(&found, counts.of_class(category.id), false).collect();
    if !changes.is_empty()
        && let Some(text) = patched(text, &changes)
    {
        category.source = Some(Verbatim::whole(text));
    }
}

/// What has to change for a record to have these counts of images and objects; `adds` those that it lacks.
fn corrections(found: &Map<String, Value>, counts: (usize, usize), adds: bool) -> impl Iterator<Item = (&'static str, Change)> {
    [("image_count", counts.0), ("instance_count", counts.1)].into_iter().filter_map(move |(name, count)| {
        let stored = found.get(name);
        let is_right = stored.map_or(!adds, |stored| stored.as_u64() == Some(count as u64));
        (!is_right).then(|| (name, Change::Set(count.to_string())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequency_is_kept_and_counts_are_not() {
        let text = r#"{"id":3,"name":"x","synset":"x.n.01","frequency":"f","image_count":900,"instance_count":2}"#;
        let mut category = Category {
            id: CategoryId(3),
            name: "x".to_owned(),
            supercategory: String::new(),
            source: Some(Verbatim::whole(text.to_owned())),
        };
        let on = |image| (ImageId(image), CategoryId(3));
        described(&mut category, &Counts::of_pairs([on(1), on(1)].into_iter()), &mut Tally::default());
        let after: Value = serde_json::from_str(category.source.as_ref().unwrap().text()).unwrap();
        let members = (after["frequency"].as_str(), after["image_count"].as_u64(), after["instance_count"].as_u64());
        assert_eq!(members, (Some("f"), Some(1), Some(2)));
        let mut own = Category { source: Some(Verbatim::whole(r#"{"id":3, "instance_count": 1}"#.to_owned())), ..category.clone() };
        recounted(&mut own, &Counts::of_pairs([on(1), on(2), on(2)].into_iter()));
        assert_eq!(own.source.unwrap().text(), r#"{"id":3, "instance_count": 3}"#);

        let nameless = Verbatim::whole(r#"{"id":3,"name":"cat","synset":""}"#.to_owned());
        let mut cat = Category { name: "cat".to_owned(), source: Some(nameless), ..category };
        described(&mut cat, &Counts::default(), &mut Tally::default());
        assert!(cat.source.unwrap().text().contains(r#""synset":"cat.n.01""#));
    }
}
