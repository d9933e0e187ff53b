//! COCO to LVIS and back: classes by their synset, never by their id.

use std::collections::{BTreeSet, HashMap};

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::count::{Counts, described};
use super::mark::{Marks, marks, with_marks, with_members};
use super::{is_lvis, synset};
use crate::annotation::{Category, CategoryId, Dataset, Field, ImageId, Instance, Verbatim};
use crate::formats::coco::patch::{Change, patched};
use crate::formats::coco::record::stored_name;
use crate::formats::coco::write::{self, quoted};
use crate::formats::loss::{Kind, Tally};

/// The members that an annotation of LVIS has.
const MEMBERS: [&str; 6] = ["area", "bbox", "category_id", "id", "image_id", "segmentation"];

/// The members that only a class of LVIS has.
const OF_CLASS: [&str; 6] = ["synset", "synonyms", "def", "frequency", "image_count", "instance_count"];

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
    let counts = Counts::of(dataset);
    for image in &mut dataset.images {
        let before = marks(image);
        let mut after = renamed(&before, &new_ids);
        after.absent.retain(|class| {
            let contradicted = counts.is_on(*class, image.id) || crowded.get(&image.id).is_some_and(|crowded| crowded.contains(class));
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
        described(category, &counts, tally);
    }
}

pub(in crate::formats) const MARKS: [&str; 2] = ["neg_category_ids", "not_exhaustive_category_ids"];

/// Makes `dataset` one of COCO: annotations with a crowd flag of 0 or 1, images with a file name. With a `reference` the
/// classes get the ids that they have there, by synset or name; without one they keep their own.
pub fn to_coco(dataset: &mut Dataset, reference: Option<&[Category]>, tally: &mut Tally) {
    let was_lvis = is_lvis(dataset);
    if let Some(reference) = reference {
        renumber(dataset, reference, tally);
    }
    for image in &mut dataset.images {
        let found = marks(image);
        if found != Marks::default() {
            tally.add(Kind::Mark, format_args!("image {}", image.id));
        }
        let Some(source) = &image.source else { continue };
        let mut changes: Vec<(&str, Change)> = Vec::new();
        changes.extend(MARKS.iter().filter(|member| members(source).contains_key(**member)).map(|member| (*member, Change::Remove)));
        if stored_name(source.text()).is_none() {
            changes.push(("file_name", Change::Set(quoted(&image.file_name))));
        }
        if !changes.is_empty() {
            *image = with_members(image, &changes);
        }
    }
    if was_lvis {
        for category in &mut dataset.categories {
            let Some(source) = category.source.as_ref().filter(|source| members(source).contains_key("synset")) else { continue };
            let text = patched(source.text(), &OF_CLASS.map(|member| (member, Change::Remove)));
            tally.add(Kind::Member, format_args!("category {} (synset, synonyms, definition)", category.id));
            category.source = text.map(Verbatim::whole);
        }
    }
    for instance in &mut dataset.instances {
        if was_lvis {
            instance.changed = instance.changed.and(Field::CROWD);
        }
        if let Some(source) = &instance.source
            && let Some(text) = completed(source.text(), instance)
        {
            instance.source = Some(Verbatim::whole(text));
        }
    }
}

/// The record with what COCO's evaluation asks of every annotation, where that is missing, as in a result; `None` where
/// nothing is, and of records that are no objects: captions, panoptic pictures.
fn completed(text: &str, instance: &Instance) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Record {
        id: Option<IgnoredAny>,
        category_id: Option<IgnoredAny>,
        area: Option<IgnoredAny>,
        bbox: Option<IgnoredAny>,
    }
    let Record { id, category_id, area, bbox } = serde_json::from_str(text).ok()?;
    category_id?;
    let values = [("id", id, instance.id.to_string()), ("area", area, write::number(instance.area)), ("bbox", bbox, write::bbox(instance))];
    let missing = values.into_iter().filter(|(_, stored, _)| stored.is_none());
    let changes: Vec<(&str, Change)> = missing.map(|(name, _, value)| (name, Change::Set(value))).collect();
    if changes.is_empty() { None } else { patched(text, &changes) }
}

fn members(source: &Verbatim) -> Map<String, Value> {
    serde_json::from_str(source.text()).unwrap_or_default()
}

/// Gives the classes of `dataset` the ids that those with the same synset, else the same name and no other synset, have in
/// `reference`; the others get new ones and stay. Returns the new id of each old one.
fn renumber(dataset: &mut Dataset, reference: &[Category], tally: &mut Tally) -> HashMap<CategoryId, CategoryId> {
    let by_synset: HashMap<String, CategoryId> = reference.iter().rev().filter_map(|other| Some((synset(other)?, other.id))).collect();
    let by_name: HashMap<&str, &Category> = reference.iter().rev().map(|other| (other.name.as_str(), other)).collect();
    let mut categories = reference.to_vec();
    let mut next = reference.iter().map(|category| category.id.0).max().unwrap_or(0);
    let mut new_ids = HashMap::new();
    for category in &dataset.categories {
        let own = synset(category);
        // One name with two synsets is two classes.
        let is_other = |other: &Category| own.is_some() && synset(other).is_some_and(|name| Some(&name) != own.as_ref());
        let named = || by_name.get(category.name.as_str()).filter(|other| !is_other(other)).map(|other| other.id);
        let known = own.as_ref().and_then(|name| by_synset.get(name)).copied().or_else(named);
        let id = known.unwrap_or_else(|| {
            next = next.saturating_add(1);
            tally.add(Kind::Counterpart, format_args!("{} ({} -> {next})", category.name, category.id));
            let id = CategoryId(next);
            let text = category.source.as_ref().and_then(|text| patched(text.text(), &[("id", Change::Set(next.to_string()))]));
            categories.push(Category { id, source: text.map(Verbatim::whole), ..category.clone() });
            id
        });
        new_ids.entry(category.id).or_insert(id);
    }
    // An id without a class must not come to mean one of the reference.
    let taken: BTreeSet<CategoryId> = categories.iter().map(|category| category.id).collect();
    for instance in &dataset.instances {
        let id = instance.category_id;
        if taken.contains(&id) && !new_ids.contains_key(&id) {
            next = next.saturating_add(1);
            tally.add(Kind::Counterpart, format_args!("class {id}, which has no record (-> {next})"));
            new_ids.insert(id, CategoryId(next));
        }
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
    fn an_empty_synset_is_none_and_one_name_with_two_synsets_is_two_classes() {
        let class = |id: i64, name: &str, synset: &str| {
            let source = Verbatim::whole(format!(r#"{{"id":{id},"name":"{name}","synset":"{synset}"}}"#));
            Category { id: CategoryId(id), name: name.to_owned(), supercategory: String::new(), source: Some(source) }
        };
        let reference = [class(10, "bolt", ""), class(11, "nut", ""), class(12, "bow", "bow.n.04"), class(13, "screw", "")];
        let categories = vec![class(1, "nut", ""), class(2, "bolt", ""), class(3, "bow", "bow.n.08"), class(4, "screw", "screw.n.04")];
        let mut dataset = Dataset { categories, ..Dataset::default() };
        let mut tally = Tally::default();
        let new_ids = renumber(&mut dataset, &reference, &mut tally);
        let ids: Vec<i64> = (1..=4).map(|id| new_ids[&CategoryId(id)].0).collect();
        assert_eq!((ids, tally.count(Kind::Counterpart)), (vec![11, 10, 14, 13], 1), "{tally}");
    }
}
