//! The health check of a data set: what its reader cannot see record by record, because it takes the pixels of the
//! outlines, several records, or the pictures.
//!
//! Boxes and the spread of categories are judged by hotcoco's health check; masks, near-duplicates and pictures here.
//! Nothing is repaired: a finding names the record, and a person decides.

mod duplicate;
mod image;
mod library;
mod outline;
mod record;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::{Problem, Record, Report, Warning};
use crate::annotation::{Dataset, ImageId, Instance};
use crate::geometry::Size;
use crate::job::{Cancel, Meter, Progress};

/// Images that are looked at between two looks at the cancel flag.
const CHUNK: usize = 256;

/// The size of a data set in a few numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// All images.
    pub images: usize,
    /// Images without an object.
    pub images_without_objects: usize,
    /// All objects.
    pub objects: usize,
    /// All categories.
    pub categories: usize,
    /// Objects of the most frequent category by those of the rarest one that has any.
    pub imbalance: f64,
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Health {
    /// The findings, objects first, by image.
    pub report: Report,
    /// The size of the data set.
    pub summary: Summary,
}

/// Checks `dataset`, which was read from `origin`, and its pictures where their `folder` is given. `None` when `cancel`
/// was raised.
pub fn check(
    dataset: &Dataset,
    origin: &Path,
    folder: Option<&Path>,
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress),
) -> Option<Health> {
    let origin: Arc<Path> = origin.into();
    progress(Meter::start("Checking boxes", 0).at(0));
    let (mut found, summary) = library::findings(dataset);
    if cancel.is_cancelled() {
        return None;
    }
    found.extend(objects(dataset, cancel, progress)?);
    // By image, then by object, each with all that is odd about it.
    let images: HashMap<ImageId, usize> = dataset.images.iter().enumerate().rev().map(|(place, image)| (image.id, place)).collect();
    let place = |finding: &Finding| {
        let instance = finding.instance.map(|place| (images.get(&dataset.instances[place].image_id).copied(), place));
        let category = match finding.record {
            Record::Category(id) => Some(id),
            _ => None,
        };
        (instance.is_none(), instance, category)
    };
    found.sort_by_key(place);
    let warning = |finding: Finding| Warning { origin: Arc::clone(&origin), record: finding.record, problem: finding.problem };
    let mut report = Report { warnings: found.into_iter().map(warning).collect() };
    report.append(record::texts(dataset, &origin));
    report.append(record::same_names(dataset, &origin));
    report.append(image::same_files(dataset, &origin));
    report.append(image::contradictions(dataset, &origin));
    if let Some(folder) = folder {
        report.append(image::pictures(dataset, folder, cancel, progress)?);
    }
    Some(Health { report, summary })
}

/// A problem with the object that has it, where it is one's.
struct Finding {
    instance: Option<usize>,
    record: Record,
    problem: Problem,
}

impl Finding {
    fn of(dataset: &Dataset, place: usize, problem: Problem) -> Self {
        Self { instance: Some(place), record: Record::Annotation(dataset.instances[place].id.0), problem }
    }
}

/// What the outlines of the objects tell, image by image.
fn objects(dataset: &Dataset, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> Option<Vec<Finding>> {
    let sizes = dataset.sizes();
    let mut groups: BTreeMap<ImageId, Vec<usize>> = BTreeMap::new();
    for (place, instance) in dataset.instances.iter().enumerate() {
        groups.entry(instance.image_id).or_default().push(place);
    }
    let groups: Vec<(Size, Vec<usize>)> = groups
        .into_iter()
        .filter_map(|(image, places)| Some((*sizes.get(&image)?, places)))
        .filter(|(size, _)| size.has_pixels())
        .collect();
    let meter = Meter::start("Checking objects", dataset.instances.len() as u64);
    let (mut found, mut done) = (Vec::new(), 0);
    for chunk in groups.chunks(CHUNK) {
        if cancel.is_cancelled() {
            return None;
        }
        let parts: Vec<Vec<Finding>> = chunk.par_iter().map(|(size, places)| on_image(dataset, *size, places)).collect();
        found.extend(parts.into_iter().flatten());
        done += chunk.iter().map(|(_, places)| places.len() as u64).sum::<u64>();
        progress(meter.at(done));
    }
    Some(found)
}

fn on_image(dataset: &Dataset, size: Size, places: &[usize]) -> Vec<Finding> {
    let instances: Vec<&Instance> = places.iter().map(|&place| &dataset.instances[place]).collect();
    let mut found = Vec::new();
    for (instance, &place) in instances.iter().zip(places) {
        found.extend(outline::problems(instance, size).into_iter().map(|problem| Finding::of(dataset, place, problem)));
    }
    let duplicates = duplicate::pairs(&instances, size);
    found.extend(duplicates.into_iter().map(|(index, problem)| Finding::of(dataset, places[index], problem)));
    found
}
