//! What a polish job has found about one object, and whether that still fits the document.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::annotation::{Instance, InstanceId, Shape};
use crate::app::document::Document;
use crate::assist::Refinement;
use crate::mask::{Mask, metric, rle};

/// What was found about one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The object's id.
    pub id: i64,
    /// The fingerprint of its mask before.
    pub before: u64,
    /// 1 - `IoU` of before and after.
    pub change: f64,
    /// Pixels that came in.
    pub added: u64,
    /// Pixels that went out.
    pub removed: u64,
    /// The mask after as COCO's compressed string; `None` where the refiner kept it.
    pub after: Option<String>,
}

impl Finding {
    /// What `refinement` makes of the mask `before`.
    pub(super) fn new(id: InstanceId, before: &Mask, refinement: &Refinement) -> Self {
        let after = &refinement.mask;
        let old = rle::encode(before);
        let kept = Self { id: id.0, before: rle::fingerprint(&old), change: 0.0, added: 0, removed: 0, after: None };
        if refinement.kept_original || after.is_empty() || after == before {
            return kept;
        }
        let counts = rle::encode(after);
        let shared = rle::intersection(&old, &counts);
        Self {
            change: 1.0 - metric::iou(before, after),
            added: rle::area(&counts) - shared,
            removed: before.area() - shared,
            after: Some(rle::to_text(&counts)),
            ..kept
        }
    }

    /// The largest change first.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        other.change.total_cmp(&self.change).then(self.id.cmp(&other.id))
    }

    /// The object, where its mask is as it was when the refiner looked at it, and the outline that it found.
    pub(crate) fn refined<'a>(&self, document: &'a Document) -> Option<(&'a Instance, Shape)> {
        let counts = rle::from_text(self.after.as_deref()?).ok()?;
        let instance = document.instance(InstanceId(self.id))?;
        let size = document.image_of(instance.image_id)?.size;
        instance.shape.runs(instance.bbox, size).ok().filter(|counts| rle::fingerprint(counts) == self.before)?;
        rle::check(size, &counts).ok()?;
        Some((instance, Shape::from_runs(size, counts)))
    }
}
