//! How good predicted masks are: against the truth object by object, and as COCO counts detections.
//!
//! Objects are matched by annotation id, as when a file was refined or its boxes were filled with masks. Detections that
//! have scores and no ids of the truth are measured by average precision instead.

mod alignment;
mod boundary;
mod change;
mod federation;
mod object;
mod precision;
mod reliability;

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Serialize;

use crate::annotation::{CategoryId, Dataset, ImageId, Instance, InstanceId, Shape};
use crate::geometry::Rect;
pub use crate::job::{Stopped, Watch};

pub use alignment::align;
pub use boundary::{Overlap, precision_by};
pub use change::{Change, Row, change};
pub use object::{Agreement, agreement};
pub use precision::{Precision, PrecisionError, box_precision, precision};
pub use reliability::{Bin, Reliability};

/// Fewer predictions with the ids of other objects are mistakes of their own.
const FEWEST_FOREIGN: usize = 3;
/// So small a share of them likewise.
const FOREIGN_SHARE: f64 = 0.02;

/// The size of an object by its stored area, in COCO's classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Below 32 x 32 pixels.
    Small,
    /// Up to 96 x 96 pixels.
    Medium,
    /// Above that.
    Large,
}

impl Scale {
    /// The class of an object with this area, in square pixels.
    pub fn of(area: f64) -> Self {
        if area < 32.0 * 32.0 {
            Self::Small
        } else if area <= 96.0 * 96.0 {
            Self::Medium
        } else {
            Self::Large
        }
    }
}

/// Means over a group of objects. An object without a prediction counts with 0 everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Scores {
    /// Objects in the group.
    pub count: usize,
    /// Mean intersection over union, 0..=1.
    pub iou: f64,
    /// Mean boundary `IoU`, 0..=1.
    pub boundary_iou: f64,
    /// Mean boundary accuracy, 0..=1.
    pub boundary_accuracy: f64,
    /// The share of objects with an `IoU` above 0.9.
    pub above_90: f64,
}

impl Scores {
    /// Whether the group has no objects, of which no mean tells anything.
    fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn of<'a>(agreements: impl Iterator<Item = &'a Agreement>) -> Self {
        let mut sum = Self::default();
        for one in agreements {
            sum.count += 1;
            sum.iou += one.iou;
            sum.boundary_iou += one.boundary_iou;
            sum.boundary_accuracy += one.boundary_accuracy;
            sum.above_90 += f64::from(u8::from(one.iou > 0.9));
        }
        let n = sum.count.max(1) as f64;
        Self {
            count: sum.count,
            iou: sum.iou / n,
            boundary_iou: sum.boundary_iou / n,
            boundary_accuracy: sum.boundary_accuracy / n,
            above_90: sum.above_90 / n,
        }
    }
}

/// What came out of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Table {
    /// All objects.
    #[serde(skip_serializing_if = "Scores::is_empty")]
    pub all: Scores,
    /// Small ones.
    #[serde(skip_serializing_if = "Scores::is_empty")]
    pub small: Scores,
    /// Medium ones.
    #[serde(skip_serializing_if = "Scores::is_empty")]
    pub medium: Scores,
    /// Large ones.
    #[serde(skip_serializing_if = "Scores::is_empty")]
    pub large: Scores,
    /// Objects of the truth for which there is no prediction with their id, or only a box in place of a mask; they count
    /// with 0.
    pub missing: usize,
    /// Predictions whose id no object of the truth has; they do not count.
    pub extra: usize,
    /// Objects that could not be compared, because their mask or their image's size cannot be used; they do not count.
    pub unusable: usize,
    /// Average precision, where the predictions have scores.
    pub precision: Option<Precision>,
    /// Scores against `IoU`, where predictions with the ids of objects have scores.
    pub reliability: Option<Reliability>,
    /// Boundary average precision, likewise.
    pub boundary_precision: Option<Precision>,
    /// Average precision of boxes, where the predictions have scores and no masks.
    pub box_precision: Option<Precision>,
    /// Why something is not measured, one sentence each.
    pub notes: Vec<String>,
}

/// Compares the masks of `prediction` with those of `truth`. Crowds are no objects and are left out.
///
/// Where no prediction has the id of an object, as in a list of detections, or the ids are those of other objects, the scores
/// by object are empty. Predictions that are all boxes are measured as boxes; there are no scores by object where the truth
/// has masks.
///
/// # Errors
/// When the average precision cannot be computed, or the comparison was stopped.
pub fn compare(truth: &Dataset, prediction: &Dataset, watch: &mut Watch<'_>) -> Result<Table, PrecisionError> {
    let count = |counts: &dyn Fn(&Instance) -> bool| prediction.instances.iter().filter(|instance| counts(instance)).count();
    let (all, boxes) = (prediction.instances.len(), count(&|instance| instance.shape == Shape::Box));
    let scored = count(&|instance| instance.score.is_some());
    let has_masks = truth.instances.iter().any(|object| object.shape != Shape::Box);
    let are_boxes = boxes > 0 && boxes == all;
    let mut table = if are_boxes && has_masks { Table::default() } else { by_object(truth, prediction, watch)? };
    let mut note = |is_so: bool, text: String| table.notes.extend(is_so.then_some(text));
    note(all == 0, "there are no predictions".to_owned());
    note(are_boxes && has_masks, "the predictions have no masks: only their boxes are measured".to_owned());
    note(all > 0 && scored == 0, "no prediction has a score, which average precision needs".to_owned());
    note(scored > 0 && scored < all, format!("{} predictions have no score and do not count for average precision", all - scored));
    let filled = boxes > 0 && !are_boxes && has_masks && scored > 0;
    note(filled, format!("{boxes} predictions have only a box and count as masks of all its pixels for average precision"));
    let bare = truth.instances.iter().filter(|object| object.shape == Shape::Box && !object.crowd).count();
    let is_bare = bare > 0 && !are_boxes && all > 0;
    note(is_bare, format!("{bare} objects of the truth have only a box, and count as masks of all its pixels"));
    let is_foreign = !has_their_ids(truth, prediction);
    note(is_foreign, "the ids of the predictions are those of other objects: nothing is measured by object".to_owned());
    if scored > 0 && are_boxes {
        table.box_precision = Some(box_precision(truth, prediction, watch)?);
    } else if scored > 0 {
        table.precision = Some(precision(truth, prediction, watch)?);
        table.boundary_precision = Some(precision_by(truth, prediction, Overlap::Boundary, watch)?);
    }
    Ok(table)
}

/// Whether the ids of the predictions are not plainly those of other objects, on other images or in other places: of most, or
/// of some of which another prediction has the place, as where objects were deleted and the rest numbered anew.
fn has_their_ids(truth: &Dataset, prediction: &Dataset) -> bool {
    let objects: HashMap<InstanceId, &Instance> = truth.instances.iter().map(|object| (object.id, object)).collect();
    let places: Vec<(&Instance, &Instance)> =
        prediction.instances.iter().filter_map(|other| Some((other, *objects.get(&other.id)?))).collect();
    let touches = |a: &Instance, b: &Instance| a.bbox.expanded(1.0).shared(b.bbox.expanded(1.0)) > 0.0;
    let is_here = |(other, object): &(&Instance, &Instance)| other.image_id == object.image_id && touches(other, object);
    let strayed: Vec<&Instance> = places.iter().filter(|pair| !is_here(pair)).map(|(_, object)| *object).collect();
    if 2 * strayed.len() > places.len() {
        return false;
    }
    if strayed.len() < FEWEST_FOREIGN {
        return true;
    }
    let mut groups: HashMap<(ImageId, CategoryId), Vec<&Instance>> = HashMap::new();
    let mut by_side: Vec<&Instance> = prediction.instances.iter().collect();
    by_side.sort_by(|a, b| a.bbox.x.total_cmp(&b.bbox.x));
    for other in by_side {
        groups.entry((other.image_id, other.category_id)).or_default().push(other);
    }
    let has_other = |object: &Instance| {
        let Some(group) = groups.get(&(object.image_id, object.category_id)) else { return false };
        // Boxes that share half of their union start no farther apart.
        let Rect { x, width, .. } = object.bbox;
        let first = group.partition_point(|other| other.bbox.x < x - 1.5 * width);
        group[first..].iter().take_while(|other| other.bbox.x <= x + width / 2.0).any(|other| {
            let overlap = object.bbox.iou(other.bbox);
            // One that fits the object with its own id better belongs to that.
            let own = objects.get(&other.id).filter(|own| own.image_id == other.image_id);
            overlap > 0.5 && own.is_none_or(|own| own.bbox.iou(other.bbox) < overlap)
        })
    };
    let foreign = strayed.into_iter().filter(|object| has_other(object)).count();
    foreign < FEWEST_FOREIGN || foreign as f64 <= FOREIGN_SHARE * places.len() as f64
}

/// An object of the truth, the prediction with its id, and how well they agree; `None` where they cannot be compared.
struct Pair<'a> {
    object: &'a Instance,
    other: Option<&'a Instance>,
    agreement: Option<Agreement>,
}

fn pairs<'a>(truth: &'a Dataset, prediction: &'a Dataset, watch: &mut Watch<'_>) -> Result<Vec<Pair<'a>>, Stopped> {
    let sizes = truth.sizes();
    let with_ids: &[Instance] = if has_their_ids(truth, prediction) { &prediction.instances } else { &[] };
    let predictions: HashMap<InstanceId, &'a Instance> = with_ids.iter().map(|instance| (instance.id, instance)).collect();
    let objects: Vec<&'a Instance> = truth.instances.iter().filter(|instance| !instance.crowd).collect();
    watch.map("comparing masks", &objects, |&object| {
        let other = predictions.get(&object.id).copied().filter(|other| stands_for(other, object));
        let size = sizes.get(&object.image_id).copied().filter(|size| size.has_pixels());
        let agreement = size.and_then(|size| other.map_or(Some(Agreement::default()), |other| agreement(object, other, size).ok()));
        Pair { object, other, agreement }
    })
}

/// Whether `other` is a prediction of `object`. A box stands for a mask only where the truth is no better.
fn stands_for(other: &Instance, object: &Instance) -> bool {
    other.image_id == object.image_id && (other.shape != Shape::Box || object.shape == Shape::Box)
}

/// The `count` objects whose predictions agree least with them, and how well these agree, the worst first. Objects without a
/// prediction are not among them.
///
/// # Errors
/// When the comparison was stopped.
pub fn worst(truth: &Dataset, prediction: &Dataset, count: usize, watch: &mut Watch<'_>) -> Result<Vec<(InstanceId, Agreement)>, Stopped> {
    let mut found: Vec<(InstanceId, Agreement)> = pairs(truth, prediction, watch)?
        .into_iter()
        .filter(|pair| pair.other.is_some())
        .filter_map(|pair| Some((pair.object.id, pair.agreement?)))
        .collect();
    found.sort_by(|a, b| a.1.iou.total_cmp(&b.1.iou));
    found.truncate(count);
    Ok(found)
}

fn by_object(truth: &Dataset, prediction: &Dataset, watch: &mut Watch<'_>) -> Result<Table, Stopped> {
    let known: HashSet<_> = truth.instances.iter().map(|instance| (instance.id, instance.image_id)).collect();
    let pairs = pairs(truth, prediction, watch)?;
    let mut table = Table {
        missing: pairs.iter().filter(|pair| pair.other.is_none()).count(),
        extra: prediction.instances.iter().filter(|other| !known.contains(&(other.id, other.image_id))).count(),
        ..Table::default()
    };
    if table.missing == pairs.len() {
        return Ok(table);
    }
    let usable: Vec<(&Pair<'_>, Agreement)> = pairs.iter().filter_map(|pair| Some((pair, pair.agreement?))).collect();
    let scores = |of: &dyn Fn(Scale) -> bool| {
        Scores::of(usable.iter().filter(|(pair, _)| of(Scale::of(pair.object.area))).map(|(_, agreement)| agreement))
    };
    table.unusable = pairs.len() - usable.len();
    table.all = scores(&|_| true);
    [table.small, table.medium, table.large] = [Scale::Small, Scale::Medium, Scale::Large].map(|scale| scores(&|of| of == scale));
    let scored: Vec<(f64, f64)> = usable.iter().filter_map(|(pair, agreement)| Some((pair.other?.score?, agreement.iou))).collect();
    table.reliability = Reliability::new(&scored);
    Ok(table)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.all.count > 0 {
            writeln!(f, "{:<8}{:>9}{:>9}{:>14}{:>8}{:>11}", "objects", "count", "IoU", "boundary IoU", "mBA", "IoU > .9")?;
            for (name, scores) in [("all", self.all), ("small", self.small), ("medium", self.medium), ("large", self.large)] {
                if scores.count == 0 {
                    writeln!(f, "{name:<8}{:>9}{:>9}{:>14}{:>8}{:>11}", 0, "-", "-", "-", "-")?;
                } else {
                    let Scores { count, iou, boundary_iou, boundary_accuracy, above_90 } = scores;
                    writeln!(f, "{name:<8}{count:>9}{iou:>9.3}{boundary_iou:>14.3}{boundary_accuracy:>8.3}{:>10.1}%", above_90 * 100.0)?;
                }
            }
        }
        for (count, what) in [
            (self.missing, "objects have no prediction with their id, or only a box, and count as 0"),
            (self.extra, "predictions have an id that no object has"),
            (self.unusable, "objects could not be compared"),
        ] {
            if count > 0 && (self.all.count > 0 || self.precision.is_none()) {
                writeln!(f, "{count} {what}")?;
            }
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        if let Some(reliability) = &self.reliability {
            write!(f, "{reliability}")?;
        }
        for (name, precision) in [("masks", &self.precision), ("boundary", &self.boundary_precision), ("boxes", &self.box_precision)] {
            if let Some(precision) = precision {
                let cells: Vec<String> = precision
                    .named()
                    .into_iter()
                    .map(|(name, value)| format!("{name} {}", if value < 0.0 { "-".to_owned() } else { format!("{value:.3}") }))
                    .collect();
                writeln!(f, "{name:<8} {}", cells.join("  "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_borders_of_the_scales() {
        assert_eq!([1023.9, 1024.0, 9216.0, 9216.5].map(Scale::of), [Scale::Small, Scale::Medium, Scale::Medium, Scale::Large]);
    }
}
