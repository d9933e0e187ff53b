//! What a change of masks gained: the same objects before and after, by size and by where the masks came from.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Serialize;

use super::{Agreement, Overlap, Scale, Scores, Stopped, Watch, agreement, has_their_ids, precision_by, stands_for};
use crate::annotation::{Dataset, Instance, InstanceId, Verbatim};

/// Sources with a row of their own, those with the most objects.
const MOST_SOURCES: usize = 24;

/// A group of objects before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What the group has in common.
    pub name: String,
    /// Before.
    #[serde(skip_serializing_if = "Scores::is_empty")]
    pub before: Scores,
    /// After.
    #[serde(skip_serializing_if = "Scores::is_empty")]
    pub after: Scores,
    /// Boundary average precision before and after, of the group alone. A mask without a score counts with 1.
    pub boundary_ap: [f64; 2],
    /// Objects whose `IoU` fell by more than 0.01.
    pub worse: usize,
}

/// All objects before and after, and groups of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// All, then small, medium and large ones.
    pub by_size: Vec<Row>,
    /// By the `source` that the record before names, where some do; the most frequent ones.
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
    /// The object, then its mask before and after.
    instances: [&'a Instance; 3],
}

/// Compares `before` and `after` with `truth`, object by object. Crowds are left out, and all where the ids of one are those
/// of other objects.
///
/// # Errors
/// When the comparison was stopped.
pub fn change<'a>(truth: &'a Dataset, before: &'a Dataset, after: &'a Dataset, watch: &mut Watch<'_>) -> Result<Change, Stopped> {
    let sizes = truth.sizes();
    let index = |dataset: &'_ Dataset| -> HashMap<InstanceId, usize> {
        let with_ids: &[Instance] = if has_their_ids(truth, dataset) { &dataset.instances } else { &[] };
        with_ids.iter().enumerate().map(|(place, instance)| (instance.id, place)).collect()
    };
    let (old, new) = (index(before), index(after));
    let sources: HashMap<InstanceId, String> =
        before.instances.iter().filter_map(|instance| Some((instance.id, named_source(instance)?))).collect();
    let objects: Vec<&'a Instance> = truth.instances.iter().filter(|instance| !instance.crowd).collect();
    let compared = watch.map("comparing changes", &objects, |&object| {
        let size = *sizes.get(&object.image_id).filter(|size| size.has_pixels())?;
        let of = |dataset: &'a Dataset, places: &HashMap<InstanceId, usize>| {
            let other = dataset.instances.get(*places.get(&object.id)?).filter(|other| stands_for(other, object))?;
            Some((agreement(object, other, size).ok()?, other))
        };
        let source = sources.get(&object.id).map(String::as_str);
        let ((before, old), (after, new)) = (of(before, &old)?, of(after, &new)?);
        Some(Compared { scale: Scale::of(object.area), source, before, after, instances: [object, old, new] })
    })?;
    let compared: Vec<Compared<'_>> = compared.into_iter().flatten().collect();
    let mut row = |name: &str, chosen: &[&Compared<'_>]| -> Result<Row, Stopped> {
        Ok(Row {
            name: name.to_owned(),
            before: Scores::of(chosen.iter().map(|one| &one.before)),
            after: Scores::of(chosen.iter().map(|one| &one.after)),
            boundary_ap: boundary_ap(truth, chosen, watch)?,
            worse: chosen.iter().filter(|one| one.after.iou < one.before.iou - 0.01).count(),
        })
    };
    let scaled = |scale| compared.iter().filter(|one| one.scale == scale).collect::<Vec<_>>();
    let by_size = vec![
        row("all", &compared.iter().collect::<Vec<_>>())?,
        row("small", &scaled(Scale::Small))?,
        row("medium", &scaled(Scale::Medium))?,
        row("large", &scaled(Scale::Large))?,
    ];
    let mut named = BTreeMap::<&str, Vec<&Compared<'_>>>::new();
    for one in &compared {
        if let Some(name) = one.source {
            named.entry(name).or_default().push(one);
        }
    }
    let mut largest: Vec<(&str, Vec<&Compared<'_>>)> = named.into_iter().collect();
    largest.sort_by_key(|(_, chosen)| std::cmp::Reverse(chosen.len()));
    largest.truncate(MOST_SOURCES);
    largest.sort_by_key(|(name, _)| *name);
    let by_source = largest.iter().map(|(name, chosen)| row(name, chosen)).collect::<Result<_, _>>()?;
    Ok(Change { by_size, by_source, left_out: objects.len() - compared.len() })
}

/// The boundary average precision of these objects alone, before and after.
fn boundary_ap(truth: &Dataset, objects: &[&Compared<'_>], watch: &mut Watch<'_>) -> Result<[f64; 2], Stopped> {
    let part = |place: usize| {
        let scored = |one: &&Compared<'_>| {
            let instance = one.instances[place].clone();
            Instance { category_id: one.instances[0].category_id, score: instance.score.or(Some(1.0)), ..instance }
        };
        truth.with_instances(objects.iter().map(scored).collect())
    };
    let objects = part(0);
    let mut ap = |place: usize| precision_by(&objects, &part(place), Overlap::Boundary, watch).map(|found| found.ap);
    Ok([ap(1)?, ap(2)?])
}

/// The member `source` of the record, where it is text.
fn named_source(instance: &Instance) -> Option<String> {
    let record: serde_json::Value = serde_json::from_str(instance.source.as_ref().map(Verbatim::text)?).ok()?;
    Some(record.get("source")?.as_str()?.to_owned())
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.by_source.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(8) + 1;
        writeln!(
            f,
            "{:<widest$}{:>6}{:>16}{:>17}{:>16}{:>17}{:>7}",
            "objects", "count", "IoU", "boundary IoU", "mBA", "boundary AP", "worse"
        )?;
        for row in self.by_size.iter().chain(&self.by_source) {
            if row.before.count == 0 {
                continue;
            }
            let cell = |value: fn(&Scores) -> f64| format!("{:.3} -> {:.3}", value(&row.before), value(&row.after));
            let (iou, boundary, accuracy) = (cell(|s| s.iou), cell(|s| s.boundary_iou), cell(|s| s.boundary_accuracy));
            let precision = row.boundary_ap.map(|value| format!("{value:.3}")).join(" -> ");
            let (count, worse) = (row.before.count, row.worse);
            writeln!(f, "{:<widest$}{count:>6}{iou:>16}{boundary:>17}{accuracy:>16}{precision:>17}{worse:>7}", row.name)?;
        }
        if self.left_out > 0 {
            writeln!(f, "{} objects are not in both files and do not count", self.left_out)?;
        }
        Ok(())
    }
}
