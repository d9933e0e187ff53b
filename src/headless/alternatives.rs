//! The file of alternatives: every distinct mask that was found for an object, the one in the data set first; and what
//! such a file is worth against the truth.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::annotation::{Dataset, Instance, Shape};
use crate::assist::Proposal;
use crate::evaluation::{Watch, agreement};
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

/// What alternatives add to the first masks.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Measured {
    /// Objects that have any.
    objects: usize,
    /// The mean count of an object's masks.
    masks: f64,
    /// The share of objects with more than one mask.
    several: f64,
    /// The mean `IoU` of the first masks.
    iou_first: f64,
    /// The mean `IoU` of the best ones.
    iou_best: f64,
    /// The share of objects whose first mask is as good as the best.
    first_is_best: f64,
}

/// What the alternatives in the file at `path` are worth.
pub(super) fn measured(truth: &Dataset, path: &Path, watch: &mut Watch<'_>) -> anyhow::Result<Measured> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let records: Vec<Record> =
        serde_json::from_str(&text).with_context(|| format!("this is no file of alternatives: {}", path.display()))?;
    let mut of_object = BTreeMap::<i64, Vec<Record>>::new();
    for record in records {
        of_object.entry(record.annotation_id).or_default().push(record);
    }
    let objects: HashMap<i64, &Instance> = truth.instances.iter().map(|instance| (instance.id.0, instance)).collect();
    let known = |(id, mut records): (i64, Vec<Record>)| {
        records.sort_by_key(|record| record.rank);
        Some((*objects.get(&id)?, records))
    };
    let found: Vec<(&Instance, Vec<Record>)> = of_object.into_iter().filter_map(known).collect();
    anyhow::ensure!(!found.is_empty(), "no alternative belongs to an object of the truth: {}", path.display());
    let ious = watch.map("comparing alternatives", &found, |(object, records)| {
        let ious = records.iter().map(|record| iou(object, record)).collect::<anyhow::Result<Vec<f64>>>();
        ious.with_context(|| format!("annotation {}: {}", object.id, path.display()))
    })?;
    let ious = ious.into_iter().collect::<anyhow::Result<Vec<Vec<f64>>>>()?;
    let mean = |value: &dyn Fn(&[f64]) -> f64| ious.iter().map(|ious| value(ious)).sum::<f64>() / ious.len() as f64;
    let best = |ious: &[f64]| ious.iter().copied().fold(0.0, f64::max);
    let one_if = |is_so: bool| f64::from(u8::from(is_so));
    Ok(Measured {
        objects: ious.len(),
        masks: mean(&|ious| ious.len() as f64),
        several: mean(&|ious| one_if(ious.len() > 1)),
        iou_first: mean(&|ious| ious[0]),
        iou_best: mean(&best),
        first_is_best: mean(&|ious| one_if(ious[0] + AS_GOOD >= best(ious))),
    })
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { objects, masks, several, iou_first, iou_best, first_is_best } = *self;
        let [several, first_is_best] = [several, first_is_best].map(|share| share * 100.0);
        writeln!(f, "alternatives of {objects} objects: {masks:.2} masks each, {several:.1} % have more than one")?;
        write!(
            f,
            "mean IoU of the first {iou_first:.3}, of the best {iou_best:.3}; the first is within {AS_GOOD} of the best for {first_is_best:.1} %"
        )
    }
}

fn iou(object: &Instance, record: &Record) -> anyhow::Result<f64> {
    let Runs { size: [height, width], counts } = &record.segmentation;
    let size = Size::new(*width, *height);
    let shape = Shape::Rle { size, counts: counts.as_slice().into(), compressed: false };
    let prediction = Instance { shape, ..object.clone() };
    Ok(agreement(object, &prediction, size)?.iou)
}
