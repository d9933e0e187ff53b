//! What a change of masks gained: the same objects before and after, by size and by where the masks came from.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use super::{Agreement, Scale, Scores, agreement};
use crate::annotation::{Dataset, Instance, InstanceId, Verbatim};

/// A group of objects before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What the group has in common.
    pub name: String,
    /// Before.
    pub before: Scores,
    /// After.
    pub after: Scores,
    /// Objects whose `IoU` fell by more than 0.01.
    pub worse: usize,
}

/// All objects before and after, and groups of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// All, then small, medium and large ones.
    pub by_size: Vec<Row>,
    /// By the `source` that the record before names, where some do.
    pub by_source: Vec<Row>,
    /// Objects that are missing in one of both, or that cannot be compared; they do not count.
    pub left_out: usize,
}

/// One object.
struct Compared<'a> {
    scale: Scale,
    source: Option<&'a str>,
    before: Agreement,
    after: Agreement,
}

/// Compares `before` and `after` with `truth`, object by object. Crowds are left out.
pub fn change(truth: &Dataset, before: &Dataset, after: &Dataset) -> Change {
    let sizes = truth.sizes();
    let index = |dataset: &'_ Dataset| -> HashMap<InstanceId, usize> {
        dataset.instances.iter().enumerate().map(|(place, instance)| (instance.id, place)).collect()
    };
    let (old, new) = (index(before), index(after));
    let sources: HashMap<InstanceId, String> =
        before.instances.iter().filter_map(|instance| Some((instance.id, named_source(instance)?))).collect();
    let objects: Vec<&Instance> = truth.instances.iter().filter(|instance| !instance.crowd).collect();
    let compared: Vec<Compared<'_>> = objects
        .par_iter()
        .filter_map(|object| {
            let size = *sizes.get(&object.image_id)?;
            let of = |dataset: &Dataset, places: &HashMap<InstanceId, usize>| {
                let other = dataset.instances.get(*places.get(&object.id)?).filter(|other| other.image_id == object.image_id)?;
                agreement(object, other, size).ok()
            };
            let source = sources.get(&object.id).map(String::as_str);
            Some(Compared { scale: Scale::of(object.area), source, before: of(before, &old)?, after: of(after, &new)? })
        })
        .collect();
    let row = |name: &str, wanted: &dyn Fn(&Compared<'_>) -> bool| {
        let chosen: Vec<&Compared<'_>> = compared.iter().filter(|one| wanted(one)).collect();
        Row {
            name: name.to_owned(),
            before: Scores::of(chosen.iter().map(|one| &one.before)),
            after: Scores::of(chosen.iter().map(|one| &one.after)),
            worse: chosen.iter().filter(|one| one.after.iou < one.before.iou - 0.01).count(),
        }
    };
    let scaled = |scale| move |one: &Compared<'_>| one.scale == scale;
    let by_size = vec![
        row("all", &|_| true),
        row("small", &scaled(Scale::Small)),
        row("medium", &scaled(Scale::Medium)),
        row("large", &scaled(Scale::Large)),
    ];
    let names: BTreeSet<&str> = compared.iter().filter_map(|one| one.source).collect();
    let by_source = names.into_iter().map(|name| row(name, &|one| one.source == Some(name))).collect();
    Change { by_size, by_source, left_out: objects.len() - compared.len() }
}

/// The member `source` of the record, where it is text.
fn named_source(instance: &Instance) -> Option<String> {
    let record: serde_json::Value = serde_json::from_str(instance.source.as_ref().map(Verbatim::text)?).ok()?;
    Some(record.get("source")?.as_str()?.to_owned())
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.by_source.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(8) + 1;
        writeln!(f, "{:<widest$}{:>6}{:>16}{:>17}{:>16}{:>7}", "objects", "count", "IoU", "boundary IoU", "mBA", "worse")?;
        for row in self.by_size.iter().chain(&self.by_source) {
            if row.before.count == 0 {
                continue;
            }
            let cell = |value: fn(&Scores) -> f64| format!("{:.3} -> {:.3}", value(&row.before), value(&row.after));
            let (iou, boundary, accuracy) = (cell(|s| s.iou), cell(|s| s.boundary_iou), cell(|s| s.boundary_accuracy));
            writeln!(f, "{:<widest$}{:>6}{iou:>16}{boundary:>17}{accuracy:>16}{:>7}", row.name, row.before.count, row.worse)?;
        }
        if self.left_out > 0 {
            writeln!(f, "{} objects are not in both files and do not count", self.left_out)?;
        }
        Ok(())
    }
}
