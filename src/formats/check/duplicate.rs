//! Objects of one image that cover nearly the same pixels.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::annotation::{Field, Instance, Shape};
use crate::formats::Problem;
use crate::formats::coco::record;
use crate::geometry::Size;
use crate::mask::rle;

/// From this `IoU` on two masks are taken for one object that was outlined twice.
const LEAST_IOU: f64 = 0.9;
/// Masks of that `IoU` have boxes of at least this one; fewer pairs need to be drawn.
const LEAST_BOX_IOU: f64 = 0.7;

/// The later object of each pair of near-duplicates among `instances`, all on one image of `size`, by its place.
pub(super) fn pairs(instances: &[&Instance], size: Size) -> Vec<(usize, Problem)> {
    let mut order: Vec<usize> = (0..instances.len()).collect();
    order.sort_by(|&a, &b| instances[a].bbox.x.total_cmp(&instances[b].bbox.x));
    let runs: Vec<OnceCell<Option<Cow<'_, [u32]>>>> = vec![OnceCell::new(); instances.len()];
    let runs = |place: usize| {
        let instance = instances[place];
        runs[place].get_or_init(|| instance.shape.runs(instance.bbox, size).ok().filter(|_| !is_broken(instance))).as_deref()
    };
    let mut found = Vec::new();
    for (rank, &a) in order.iter().enumerate() {
        let right = instances[a].bbox.right();
        for &b in order[rank + 1..].iter().take_while(|&&b| instances[b].bbox.x < right) {
            let (first, second) = (instances[a.min(b)], instances[a.max(b)]);
            if first.crowd != second.crowd || first.bbox.iou(second.bbox) < LEAST_BOX_IOU {
                continue;
            }
            let Some(iou) = runs(a).zip(runs(b)).and_then(|(a, b)| rle::iou(a, b)) else { continue };
            if iou >= LEAST_IOU {
                let same_category = first.category_id == second.category_id;
                found.push((a.max(b), Problem::NearDuplicate { other: first.id.0, iou, same_category }));
            }
        }
    }
    found
}

/// Whether the record has an outline that the reader could not use: what is left, the box, is not what the object covers.
fn is_broken(instance: &Instance) -> bool {
    let is_as_read = instance.shape == Shape::Box && !instance.changed.contains(Field::SHAPE);
    is_as_read && instance.source.as_ref().is_some_and(|source| record::tells_outline(source.text()))
}
