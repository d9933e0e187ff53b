//! The file of alternatives: every distinct mask that was found for an object, the one in the data set first; and what
//! such a file is worth against the truth.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::annotation::{Dataset, Instance, Shape};
use crate::assist::Proposal;
use crate::evaluation::agreement;
use crate::formats::save::replace;
use crate::geometry::Size;
use crate::mask::{Mask, rle};

/// The first mask counts as good as the best within this difference of `IoU`.
const AS_GOOD: f64 = 0.01;

/// One mask of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    annotation_id: i64,
    image_id: i64,
    category_id: i64,
    /// From 1, the most promising first.
    rank: usize,
    score: f32,
    segmentation: Runs,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Runs {
    /// Height and width.
    size: [u32; 2],
    counts: Vec<u32>,
}

/// The records of one object, whose mask in the data set is `mask`.
pub(super) fn records(instance: &Instance, mask: &Mask, proposal: &Proposal) -> Vec<Record> {
    let first = (mask, proposal.expected_iou);
    let all = std::iter::once(first).chain(proposal.others.iter().map(|other| (&other.mask, other.expected_iou)));
    let record = |(index, (mask, score)): (usize, (&Mask, f32))| Record {
        annotation_id: instance.id.0,
        image_id: instance.image_id.0,
        category_id: instance.category_id.0,
        rank: index + 1,
        score,
        segmentation: Runs { size: [mask.size().height, mask.size().width], counts: rle::encode(mask) },
    };
    all.enumerate().map(record).collect()
}

/// Writes `records` as a JSON list.
pub(super) fn write(records: &[Record], path: &Path) -> anyhow::Result<()> {
    replace(path, |out| Ok(serde_json::to_writer(out, records)?)).with_context(|| format!("cannot write {}", path.display()))
}

/// What the alternatives in the file at `path` add to the first masks, in words.
pub(super) fn measured(truth: &Dataset, path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let records: Vec<Record> =
        serde_json::from_str(&text).with_context(|| format!("this is no file of alternatives: {}", path.display()))?;
    let mut of_object = BTreeMap::<i64, Vec<Record>>::new();
    for record in records {
        of_object.entry(record.annotation_id).or_default().push(record);
    }
    let objects: HashMap<i64, &Instance> = truth.instances.iter().map(|instance| (instance.id.0, instance)).collect();
    let (mut count, mut masks, mut first, mut best, mut as_good, mut distinct) = (0_usize, 0_usize, 0.0, 0.0, 0_usize, 0_usize);
    for (id, mut records) in of_object {
        let Some(&object) = objects.get(&id) else { continue };
        records.sort_by_key(|record| record.rank);
        let ious = records.into_iter().map(|record| iou(object, record)).collect::<anyhow::Result<Vec<f64>>>();
        let ious = ious.with_context(|| format!("annotation {id}: {}", path.display()))?;
        let most = ious.iter().copied().fold(0.0, f64::max);
        count += 1;
        masks += ious.len();
        distinct += usize::from(ious.len() > 1);
        first += ious[0];
        best += most;
        as_good += usize::from(ious[0] + AS_GOOD >= most);
    }
    anyhow::ensure!(count > 0, "no alternative belongs to an object of the truth: {}", path.display());
    let n = count as f64;
    Ok(format!(
        "alternatives of {count} objects: {:.2} masks each, {:.1} % have more than one\nmean IoU of the first {:.3}, of the best {:.3}; the first is within {AS_GOOD} of the best for {:.1} %",
        masks as f64 / n,
        distinct as f64 / n * 100.0,
        first / n,
        best / n,
        as_good as f64 / n * 100.0
    ))
}

fn iou(object: &Instance, record: Record) -> anyhow::Result<f64> {
    let [height, width] = record.segmentation.size;
    let size = Size::new(width, height);
    let shape = Shape::Rle { size, counts: record.segmentation.counts, compressed: false };
    let prediction = Instance { shape, ..object.clone() };
    Ok(agreement(object, &prediction, size)?.iou)
}
