//! Boundary average precision (Cheng et al., 2021): the average precision of COCO or LVIS with the smaller of mask `IoU` and
//! boundary `IoU` in place of the mask `IoU`. Their own evaluations have no place for another overlap, so the matching is here.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::federation::Federation;
use super::precision::Precision;
use crate::annotation::{CategoryId, Dataset, ImageId, Instance};
use crate::formats::lvis::Frequency;
use crate::geometry::Size;
use crate::job::{Stopped, Watch};
use crate::mask::morphology::{Border, eroded};
use crate::mask::{Mask, PixelRect, metric, rle};

/// Detections of one image and category that count; for LVIS see [`Federation::best`].
const MOST_DETECTIONS: usize = 100;
/// `IoU` thresholds 0.5, 0.55, ..., 0.95.
const THRESHOLDS: usize = 10;
/// COCO's area classes: all, small, medium, large.
const RANGES: [(f64, f64); 4] = [(0.0, 1e10), (0.0, 1024.0), (1024.0, 9216.0), (9216.0, 1e10)];

/// What is taken for the overlap of two masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Mask `IoU`, as COCO does.
    Mask,
    /// The smaller of mask `IoU` and boundary `IoU`; for crowds the mask `IoU`.
    Boundary,
}

/// A mask, ready to be compared.
struct Prepared<'a> {
    runs: Cow<'a, [u32]>,
    area: u64,
    window: PixelRect,
    /// The inner boundary band in `window`.
    band: Option<Mask>,
}

impl<'a> Prepared<'a> {
    /// `None` where the mask does not fit the image.
    fn new(instance: &'a Instance, size: Size, overlap: Overlap) -> Option<Self> {
        let runs = instance.shape.runs(instance.bbox, size).ok()?;
        let window = rle::bounds(size, &runs).unwrap_or_default();
        let band = (overlap == Overlap::Boundary).then(|| {
            let mut band = rle::decode_window(size, &runs, window);
            let inner = eroded(&band, metric::boundary_distance(size), Border::Empty);
            for y in 0..window.height {
                for (out, &inner) in band.row_mut(y).iter_mut().zip(inner.row(y)) {
                    *out ^= inner;
                }
            }
            band
        });
        Some(Self { area: rle::area(&runs), runs, window, band })
    }

    /// Those of `instances` that fit the image.
    fn all(instances: &[&'a Instance], size: Size, overlap: Overlap) -> Vec<(&'a Instance, Self)> {
        instances.iter().filter_map(|&instance| Some((instance, Self::new(instance, size, overlap)?))).collect()
    }

    fn overlap(&self, truth: &Self, crowd: bool) -> f64 {
        let ratio = |shared: u64, all: u64| if all == 0 { 0.0 } else { shared as f64 / all as f64 };
        let shared = rle::intersection(&self.runs, &truth.runs);
        if crowd {
            return ratio(shared, self.area);
        }
        let whole = ratio(shared, self.area + truth.area - shared);
        let (Some(band), Some(true_band)) = (&self.band, &truth.band) else { return whole };
        let both = self.window.intersection(truth.window);
        let part = |band: &Mask, window: PixelRect| {
            if both.is_empty() {
                Mask::new(Size::new(0, 0))
            } else {
                band.cropped(PixelRect { x: both.x - window.x, y: both.y - window.y, ..both })
            }
        };
        let (a, b) = (part(band, self.window), part(true_band, truth.window));
        let shared = a.bytes().iter().zip(b.bytes()).filter(|&(&a, &b)| a & b == 1).count() as u64;
        whole.min(ratio(shared, band.area() + true_band.area() - shared))
    }
}

/// One detection: its score, and for each range and threshold whether it found an object and whether it does not count.
struct Detection {
    score: f64,
    matched: [[bool; THRESHOLDS]; 4],
    ignored: [[bool; THRESHOLDS]; 4],
}

/// For each range and threshold the average precision of a class; `None` without an object to find.
type Curve = [[Option<f64>; THRESHOLDS]; 4];

/// One image and category: its detections, best first, and how many objects count in each range.
struct Group {
    detections: Vec<Detection>,
    objects: [usize; 4],
}

/// The objects and the detections of one image and category.
#[derive(Default)]
struct Pair<'a> {
    objects: Vec<&'a Instance>,
    found: Vec<&'a Instance>,
}

/// Average precision of the predictions that have a score, by the `overlap` of choice; -1 where there is no object to find.
/// Masks that do not fit their image are left out. Where `truth` is one of LVIS, only classes that an image is labelled for
/// count.
///
/// # Errors
/// When the comparison was stopped.
pub fn precision_by(truth: &Dataset, prediction: &Dataset, overlap: Overlap, watch: &mut Watch<'_>) -> Result<Precision, Stopped> {
    let mut pairs: BTreeMap<(CategoryId, ImageId), Pair<'_>> = BTreeMap::new();
    let sizes: BTreeMap<ImageId, Size> = truth.images.iter().rev().map(|image| (image.id, image.size)).collect();
    let known: std::collections::BTreeSet<CategoryId> = truth.categories.iter().map(|category| category.id).collect();
    let key = |instance: &Instance| {
        (sizes.contains_key(&instance.image_id) && known.contains(&instance.category_id))
            .then_some((instance.category_id, instance.image_id))
    };
    for instance in &truth.instances {
        if let Some(key) = key(instance) {
            pairs.entry(key).or_default().objects.push(instance);
        }
    }
    let federation = Federation::of(truth);
    let scored = prediction.instances.iter().filter(|instance| instance.score.is_some_and(|score| !score.is_nan()));
    let scored = if federation.is_some() { Federation::best(scored) } else { scored.collect() };
    for instance in scored {
        let counts = |&(class, image): &(CategoryId, ImageId)| federation.as_ref().is_none_or(|all| all.counts(class, image));
        if let Some(key) = key(instance).filter(counts) {
            pairs.entry(key).or_default().found.push(instance);
        }
    }
    for pair in pairs.values_mut() {
        pair.found.sort_by(|a, b| b.score.unwrap_or(0.0).total_cmp(&a.score.unwrap_or(0.0)));
        if federation.is_none() {
            pair.found.truncate(MOST_DETECTIONS);
        }
    }
    let pairs: Vec<((CategoryId, ImageId), Pair<'_>)> = pairs.into_iter().collect();
    let groups: Vec<(CategoryId, Group)> = watch.map("comparing boundaries", &pairs, |((category, image), pair)| {
        let is_open = federation.as_ref().is_some_and(|all| all.is_open(*category, *image));
        (*category, matched(pair, is_open, sizes[image], overlap))
    })?;
    let mut by_category: BTreeMap<CategoryId, Vec<&Group>> = BTreeMap::new();
    for (category, group) in &groups {
        by_category.entry(*category).or_default().push(group);
    }
    let curve = |groups: &Vec<&Group>| -> Curve {
        std::array::from_fn(|range| std::array::from_fn(|threshold| mean_precision(groups, range, threshold)))
    };
    let curves: Vec<(CategoryId, Curve)> = by_category.iter().map(|(category, groups)| (*category, curve(groups))).collect();
    let mean_of = |range: usize, thresholds: std::ops::Range<usize>, wanted: &dyn Fn(CategoryId) -> bool| {
        let values = curves.iter().filter(|(category, _)| wanted(*category)).flat_map(|(_, curve)| &curve[range][thresholds.clone()]);
        let values: Vec<f64> = values.flatten().copied().collect();
        if values.is_empty() { -1.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
    };
    let mean = |range, thresholds| mean_of(range, thresholds, &|_| true);
    let all = 0..THRESHOLDS;
    let of_frequency = |all: &Federation, wanted| mean_of(0, 0..THRESHOLDS, &|class| all.frequency(class) == Some(wanted));
    let frequencies = [Frequency::Rare, Frequency::Common, Frequency::Frequent];
    Ok(Precision {
        ap: mean(0, all.clone()),
        ap50: mean(0, 0..1),
        ap75: mean(0, 5..6),
        small: mean(1, all.clone()),
        medium: mean(2, all.clone()),
        large: mean(3, all),
        by_frequency: federation.as_ref().map(|all| frequencies.map(|wanted| of_frequency(all, wanted))),
    })
}

/// COCO's greedy matching: the best detection first takes the object that it overlaps most, one that counts if it can. Where
/// the class `is_open`, a detection that finds nothing does not count.
fn matched(pair: &Pair<'_>, is_open: bool, size: Size, overlap: Overlap) -> Group {
    let (truths, found) = (Prepared::all(&pair.objects, size, overlap), Prepared::all(&pair.found, size, overlap));
    let overlaps: Vec<Vec<f64>> =
        found.iter().map(|(_, one)| truths.iter().map(|(object, truth)| one.overlap(truth, object.crowd)).collect()).collect();
    let outside = |area: f64, range: usize| area < RANGES[range].0 || area > RANGES[range].1;
    let blank = |&(instance, _): &(&Instance, Prepared<'_>)| Detection {
        score: instance.score.unwrap_or(0.0),
        matched: [[false; THRESHOLDS]; 4],
        ignored: [[false; THRESHOLDS]; 4],
    };
    let mut group = Group { detections: found.iter().map(blank).collect(), objects: [0; 4] };
    for range in 0..RANGES.len() {
        let ignored: Vec<bool> = truths.iter().map(|(object, _)| object.crowd || outside(object.area, range)).collect();
        group.objects[range] = ignored.iter().filter(|&&ignored| !ignored).count();
        let mut order: Vec<usize> = (0..truths.len()).collect();
        order.sort_by_key(|&index| ignored[index]);
        for threshold in 0..THRESHOLDS {
            // As NumPy spaces them: an IoU may lie exactly on a threshold.
            let least = if threshold + 1 == THRESHOLDS { 0.95 } else { 0.5 + threshold as f64 * ((0.95 - 0.5) / 9.0) };
            let mut taken = vec![false; truths.len()];
            for (place, detection) in group.detections.iter_mut().enumerate() {
                let mut best: Option<(usize, f64)> = None;
                for &object in &order {
                    if taken[object] && !truths[object].0.crowd {
                        continue;
                    }
                    if best.is_some_and(|(best, _)| !ignored[best] && ignored[object]) {
                        break;
                    }
                    let overlap = overlaps[place][object];
                    if overlap >= best.map_or(least, |(_, best)| best) {
                        best = Some((object, overlap));
                    }
                }
                detection.matched[range][threshold] = best.is_some();
                detection.ignored[range][threshold] = match best {
                    Some((object, _)) => {
                        taken[object] = true;
                        ignored[object]
                    }
                    None => is_open || outside(found[place].1.area as f64, range),
                };
            }
        }
    }
    group
}

/// The mean over 101 recall levels of the best precision at that recall or above; `None` without an object to find.
fn mean_precision(groups: &[&Group], range: usize, threshold: usize) -> Option<f64> {
    let objects: usize = groups.iter().map(|group| group.objects[range]).sum();
    if objects == 0 {
        return None;
    }
    let mut detections: Vec<&Detection> = groups.iter().flat_map(|group| &group.detections).collect();
    detections.sort_by(|a, b| b.score.total_cmp(&a.score));
    let (mut hits, mut seen) = (0_usize, 0_usize);
    let mut curve: Vec<(f64, f64)> = Vec::new();
    for detection in detections {
        if !detection.ignored[range][threshold] {
            seen += 1;
            hits += usize::from(detection.matched[range][threshold]);
        }
        curve.push((hits as f64 / objects as f64, hits as f64 / (seen as f64 + f64::EPSILON)));
    }
    let mut best = 0.0_f64;
    for (_, precision) in curve.iter_mut().rev() {
        best = best.max(*precision);
        *precision = best;
    }
    let at = |recall: f64| curve.get(curve.partition_point(|(found, _)| *found < recall)).map_or(0.0, |(_, precision)| *precision);
    Some((0..=100).map(|step| at(f64::from(step) * 0.01)).sum::<f64>() / 101.0)
}
