//! Records as they stand in the file: numbers that are texts, and categories with one name.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use crate::annotation::{Dataset, Verbatim};
use crate::formats::coco::record::{NO_ID, quoted};
use crate::formats::{Problem, Record, Report, Warning};

/// The numbers that are written as texts: this program reads them, COCO's own tools find no such record or fail.
pub(super) fn texts(dataset: &Dataset, origin: &Arc<Path>) -> Report {
    let mut records: Vec<(Record, &Verbatim)> = Vec::new();
    let named = |id: i64, list, place, record: fn(i64) -> Record| if id == NO_ID { Record::Place(list, place) } else { record(id) };
    for (place, image) in dataset.images.iter().enumerate() {
        records.extend(image.source.as_ref().map(|source| (named(image.id.0, "images", place, Record::Image), source)));
    }
    for (place, category) in dataset.categories.iter().enumerate() {
        records.extend(category.source.as_ref().map(|source| (named(category.id.0, "categories", place, Record::Category), source)));
    }
    for instance in &dataset.instances {
        records.extend(instance.source.as_ref().map(|source| (Record::Annotation(instance.id.0), source)));
    }
    let warnings = records.into_par_iter().flat_map_iter(|(record, source)| {
        let warning = move |name| Warning { origin: Arc::clone(origin), record: record.clone(), problem: Problem::Quoted(name) };
        quoted(source.text()).into_iter().map(warning)
    });
    Report { warnings: warnings.collect() }
}

/// The categories whose name an earlier one has, as people read it.
pub(super) fn same_names(dataset: &Dataset, origin: &Arc<Path>) -> Report {
    let mut first: HashMap<String, i64> = HashMap::with_capacity(dataset.categories.len());
    let mut report = Report::default();
    for category in dataset.categories.iter().filter(|category| category.id.0 != NO_ID) {
        let words: Vec<&str> = category.name.split_whitespace().collect();
        let other = *first.entry(words.join(" ").to_lowercase()).or_insert(category.id.0);
        // Two records with one id are named by the reader.
        if other != category.id.0 {
            let record = Record::Category(category.id.0);
            report.warnings.push(Warning { origin: Arc::clone(origin), record, problem: Problem::SameName(other) });
        }
    }
    report
}
