//! COCO to LVIS and back: classes by their synset, never by their id.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::mark::{Marks, marks, with_marks, with_members};
use super::{COCO, is_lvis, synset};
use crate::annotation::{Category, CategoryId, Dataset, Field, ImageId, Instance, Verbatim};
use crate::formats::coco::patch::{Change, patched};
use crate::formats::coco::write::quoted;
use crate::formats::loss::{Kind, Tally};

/// The members that an annotation of LVIS has.
const MEMBERS: [&str; 6] = ["area", "bbox", "category_id", "id", "image_id", "segmentation"];

/// Makes `dataset` one of LVIS: classes with synset, frequency and the counts of this file; images with their marks;
/// annotations without a crowd flag. With a `reference` the classes get the ids that they have there. A crowd is no
/// object there: its class is marked as not exhaustively labelled instead.
pub fn to_lvis(dataset: &mut Dataset, reference: Option<&[Category]>, tally: &mut Tally) {
    let new_ids = reference.map(|reference| renumber(dataset, reference, tally)).unwrap_or_default();
    let mut crowded: HashMap<ImageId, BTreeSet<CategoryId>> = HashMap::new();
    dataset.instances.retain_mut(|instance| {
        if instance.crowd {
            tally.add(Kind::CrowdObject, format_args!("annotation {}", instance.id));
            crowded.entry(instance.image_id).or_default().insert(instance.category_id);
            return false;
        }
        strip(instance, tally);
        true
    });
    let mut present: HashMap<ImageId, BTreeSet<CategoryId>> = HashMap::new();
    let (mut images, mut objects): (HashMap<CategoryId, usize>, HashMap<CategoryId, usize>) = Default::default();
    for instance in &dataset.instances {
        *objects.entry(instance.category_id).or_default() += 1;
        if present.entry(instance.image_id).or_default().insert(instance.category_id) {
            *images.entry(instance.category_id).or_default() += 1;
        }
    }
    for image in &mut dataset.images {
        let before = marks(image);
        let mut after = renamed(&before, &new_ids);
        let here = present.get(&image.id);
        after.absent.retain(|class| {
            let contradicted = here.is_some_and(|here| here.contains(class));
            if contradicted {
                tally.add(Kind::Mark, format_args!("image {}: class {class} is not absent", image.id));
            }
            !contradicted
        });
        let crowds = crowded.get(&image.id).into_iter().flatten().filter(|class| !after.not_exhaustive.contains(class));
        let crowds: Vec<CategoryId> = crowds.copied().collect();
        after.not_exhaustive.extend(crowds);
        let has_members =
            image.source.as_ref().is_some_and(|text| MARKS.iter().all(|member| text.text().contains(&format!("\"{member}\""))));
        if after != before || !has_members {
            *image = with_marks(image, &after);
        }
    }
    for category in &mut dataset.categories {
        let count = |counts: &HashMap<CategoryId, usize>| counts.get(&category.id).copied().unwrap_or(0);
        let (image_count, instance_count) = (count(&images), count(&objects));
        described(category, image_count, instance_count, tally);
    }
}

const MARKS: [&str; 2] = ["neg_category_ids", "not_exhaustive_category_ids"];

/// Makes `dataset` one of COCO: annotations with a crowd flag of 0 or 1, images with a file name, and of a data set of
/// LVIS the classes under the ids of `reference`, or where there is none those of COCO itself.
pub fn to_coco(dataset: &mut Dataset, reference: Option<&[Category]>, tally: &mut Tally) {
    let was_lvis = is_lvis(dataset);
    if was_lvis || reference.is_some() {
        let own: Vec<Category> = COCO.iter().map(coco_category).collect();
        renumber(dataset, reference.unwrap_or(&own), tally);
    }
    for image in &mut dataset.images {
        let found = marks(image);
        if found != Marks::default() {
            tally.add(Kind::Mark, format_args!("image {}", image.id));
        }
        let Some(source) = &image.source else { continue };
        let mut changes: Vec<(&str, Change)> = Vec::new();
        changes.extend(MARKS.iter().filter(|member| members(source).contains_key(**member)).map(|member| (*member, Change::Remove)));
        if stored_name(source).is_none_or(|name| name != image.file_name) {
            changes.push(("file_name", Change::Set(quoted(&image.file_name))));
        }
        if !changes.is_empty() {
            *image = with_members(image, &changes);
        }
    }
    for category in &mut dataset.categories {
        if category.source.as_ref().is_some_and(|source| members(source).contains_key("synset")) {
            tally.add(Kind::Member, format_args!("category {} (synset, synonyms, definition)", category.id));
            category.source = None;
        }
    }
    for instance in &mut dataset.instances {
        if let Some(source) = &instance.source {
            let flag = u8::from(instance.crowd).to_string();
            let stored = serde_json::from_str::<Flag>(source.text()).ok().and_then(|record| record.iscrowd);
            if stored.is_none_or(|stored| stored.as_u64() != Some(u64::from(instance.crowd))) {
                instance.source = patched(source.text(), &[("iscrowd", Change::Set(flag))]).map(Verbatim::whole);
            }
        }
    }
}

#[derive(serde::Deserialize)]
struct Flag {
    iscrowd: Option<Value>,
}

fn stored_name(source: &Verbatim) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Record {
        file_name: Option<String>,
    }
    serde_json::from_str::<Record>(source.text()).ok()?.file_name
}

fn members(source: &Verbatim) -> Map<String, Value> {
    serde_json::from_str(source.text()).unwrap_or_default()
}

fn coco_category(class: &super::CocoClass) -> Category {
    Category { id: CategoryId(class.id), name: class.name.to_owned(), supercategory: class.supercategory.to_owned(), source: None }
}

/// Gives the classes of `dataset` the ids that those with the same synset, else the same name, have in `reference`; the
/// others get new ones and stay. Returns the new id of each old one.
fn renumber(dataset: &mut Dataset, reference: &[Category], tally: &mut Tally) -> HashMap<CategoryId, CategoryId> {
    let by_synset: HashMap<String, CategoryId> = reference.iter().rev().filter_map(|other| Some((synset(other)?, other.id))).collect();
    let by_name: HashMap<&str, CategoryId> = reference.iter().rev().map(|other| (other.name.as_str(), other.id)).collect();
    let mut categories = reference.to_vec();
    let mut next = reference.iter().map(|category| category.id.0).max().unwrap_or(0);
    let mut new_ids = HashMap::new();
    for category in &dataset.categories {
        let known = synset(category).and_then(|name| by_synset.get(&name)).or_else(|| by_name.get(category.name.as_str()));
        let id = known.copied().unwrap_or_else(|| {
            next = next.saturating_add(1);
            tally.add(Kind::Counterpart, format_args!("{} ({} -> {next})", category.name, category.id));
            let id = CategoryId(next);
            let text = category.source.as_ref().and_then(|text| patched(text.text(), &[("id", Change::Set(next.to_string()))]));
            categories.push(Category { id, source: text.map(Verbatim::whole), ..category.clone() });
            id
        });
        new_ids.entry(category.id).or_insert(id);
    }
    dataset.categories = categories;
    for instance in &mut dataset.instances {
        if let Some(id) = new_ids.get(&instance.category_id).filter(|id| **id != instance.category_id) {
            instance.category_id = *id;
            instance.changed = instance.changed.and(Field::CATEGORY);
        }
    }
    new_ids
}

fn renamed(marks: &Marks, new_ids: &HashMap<CategoryId, CategoryId>) -> Marks {
    let list = |classes: &[CategoryId]| classes.iter().map(|class| new_ids.get(class).copied().unwrap_or(*class)).collect();
    Marks { absent: list(&marks.absent), not_exhaustive: list(&marks.not_exhaustive) }
}

/// Leaves an annotation only the members that LVIS knows.
fn strip(instance: &mut Instance, tally: &mut Tally) {
    let Some(source) = &instance.source else { return };
    let found = members(source);
    let lost: Vec<&str> = found.keys().map(String::as_str).filter(|name| !MEMBERS.contains(name) && *name != "iscrowd").collect();
    if !lost.is_empty() {
        tally.add(Kind::Member, format_args!("annotation {} ({})", instance.id, lost.join(", ")));
    }
    if found.len() != MEMBERS.len() || !lost.is_empty() || MEMBERS.iter().any(|name| !found.contains_key(*name)) {
        instance.source = None;
        instance.score = None;
    }
}

/// Gives a class the members that LVIS asks for; those that it has stay, but the counts are of this file.
fn described(category: &mut Category, image_count: usize, instance_count: usize, tally: &mut Tally) {
    let own = format!("{{\"id\": {}, \"name\": {}}}", category.id, quoted(&category.name));
    let text = category.source.as_ref().map_or(own, |source| source.text().to_owned());
    let found: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
    let mut changes = Vec::new();
    let mut missing = |name: &'static str, value: String| {
        if !found.contains_key(name) {
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
    // The rule of Gupta, Dollár and Girshick 2019: in up to 10 images of the training set rare, in up to 100 common.
    let frequency = match image_count {
        0..=10 => "r",
        11..=100 => "c",
        _ => "f",
    };
    missing("frequency", quoted(frequency));
    for (name, count) in [("image_count", image_count), ("instance_count", instance_count)] {
        if found.get(name).and_then(Value::as_u64) != Some(count as u64) {
            changes.push((name, Change::Set(count.to_string())));
        }
    }
    if let Some(text) = patched(&text, &changes) {
        category.source = Some(Verbatim::whole(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_coco_has_a_synset() {
        let hydrant = Category { id: CategoryId(3), name: "fire hydrant".to_owned(), supercategory: String::new(), source: None };
        assert_eq!(synset(&hydrant).as_deref(), Some("fireplug.n.01"));
        let own = Category { source: Some(Verbatim::whole(r#"{"id":3,"synset":"x.n.01"}"#.to_owned())), ..hydrant };
        assert_eq!(synset(&own).as_deref(), Some("x.n.01"));
    }

    #[test]
    fn frequency_is_kept_and_counts_are_not() {
        let text = r#"{"id":3,"name":"x","synset":"x.n.01","frequency":"f","image_count":900,"instance_count":2}"#;
        let mut category = Category {
            id: CategoryId(3),
            name: "x".to_owned(),
            supercategory: String::new(),
            source: Some(Verbatim::whole(text.to_owned())),
        };
        described(&mut category, 1, 2, &mut Tally::default());
        let after: Value = serde_json::from_str(category.source.unwrap().text()).unwrap();
        assert_eq!(
            (after["frequency"].as_str(), after["image_count"].as_u64(), after["instance_count"].as_u64()),
            (Some("f"), Some(1), Some(2))
        );
    }
}
