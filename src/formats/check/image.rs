//! Images: their files, and whether those are what the data set says.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::CHUNK;
use crate::annotation::{Dataset, Image};
use crate::formats::folder::Finder;
use crate::formats::lvis;
use crate::formats::picture::{self, PictureError};
use crate::formats::{Problem, Record, Report, Warning};
use crate::job::{Cancel, Meter, Progress};

/// The images whose file an earlier image has.
pub(super) fn same_files(dataset: &Dataset, origin: &Arc<Path>) -> Report {
    let mut first: HashMap<&str, i64> = HashMap::with_capacity(dataset.images.len());
    let mut report = Report::default();
    for image in dataset.images.iter().filter(|image| !image.file_name.is_empty()) {
        let other = *first.entry(&image.file_name).or_insert(image.id.0);
        // Two records with one id are named by the reader.
        if other != image.id.0 {
            let record = Record::Image(image.id.0);
            report.warnings.push(Warning { origin: Arc::clone(origin), record, problem: Problem::SameFile(other) });
        }
    }
    report
}

/// The images of LVIS with an object of a class that their marks call absent.
pub(super) fn contradictions(dataset: &Dataset, origin: &Arc<Path>) -> Report {
    let mut report = Report::default();
    if !lvis::is_lvis(dataset) {
        return report;
    }
    let present: HashSet<_> = dataset.instances.iter().map(|instance| (instance.image_id, instance.category_id)).collect();
    for image in &dataset.images {
        let absent = lvis::marks(image).absent;
        for class in absent.into_iter().filter(|class| present.contains(&(image.id, *class))) {
            let (record, problem) = (Record::Image(image.id.0), Problem::NotAbsent(class.0));
            report.warnings.push(Warning { origin: Arc::clone(origin), record, problem });
        }
    }
    report
}

/// What is wrong with the pictures of `dataset` in `folder`: those that are missing, cut off or cannot be opened, those whose
/// size is not the one in the data set, so that masks would not fit, and those that EXIF turns. `None` when `cancel` was raised.
pub(super) fn pictures(dataset: &Dataset, folder: &Path, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> Option<Report> {
    let meter = Meter::start("Checking pictures", dataset.images.len() as u64);
    let (finder, mut report) = (Finder::new(&dataset.images), Report::default());
    for (number, chunk) in dataset.images.chunks(CHUNK).enumerate() {
        if cancel.is_cancelled() {
            return None;
        }
        let parts: Vec<Vec<Warning>> = chunk.par_iter().map(|image| on_disk(image, &finder.path(folder, &image.file_name))).collect();
        report.warnings.extend(parts.into_iter().flatten());
        progress(meter.at((number * CHUNK + chunk.len()) as u64));
    }
    Some(report)
}

fn on_disk(image: &Image, path: &Path) -> Vec<Warning> {
    let mut problems = Vec::new();
    match picture::complete(path).map(|stored| stored.seen_by(image.size)) {
        Ok(header) => {
            if header.size != image.size {
                problems.push(Problem::PictureSize { stored: image.size, found: header.size });
            }
            if picture::turn(header.exif_orientation).is_some() {
                problems.push(Problem::Turned { orientation: header.exif_orientation });
            }
        }
        Err(PictureError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            problems.push(Problem::NoPicture(image.file_name.clone()));
        }
        Err(error) => problems.push(Problem::Picture(error.to_string())),
    }
    let origin: Arc<Path> = path.into();
    let warning = |problem| Warning { origin: Arc::clone(&origin), record: Record::Image(image.id.0), problem };
    problems.into_iter().map(warning).collect()
}
