//! Any data set becomes one of LVIS, whose annotations have exactly six members, and one of COCO again, whose
//! annotations have a flag of 0 or 1.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use annotator_fuzz::annotation::Dataset;
use annotator_fuzz::formats::coco;
use annotator_fuzz::formats::exchange::{self, Format, Watch};
use annotator_fuzz::formats::lvis;
use annotator_fuzz::job::Cancel;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const MEMBERS: [&str; 6] = ["area", "bbox", "category_id", "id", "image_id", "segmentation"];

/// What is written for `dataset`, and whether it could be parsed as JSON: Python's `NaN` cannot.
fn through(dataset: Dataset, format: Format, path: &Path) -> (Dataset, Option<Value>) {
    let watch = &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () };
    exchange::export(dataset, format, path, None, None, watch).expect("there is room for a file");
    let (dataset, _) = coco::read(path).expect("what was written can be read");
    (dataset, serde_json::from_slice(&std::fs::read(path).expect("it is there")).ok())
}

fn annotations(file: Option<&Value>) -> impl Iterator<Item = &serde_json::Map<String, Value>> {
    file.and_then(|file| file.get("annotations")?.as_array()).into_iter().flatten().filter_map(Value::as_object)
}

fuzz_target!(|data: &[u8]| {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let Ok((dataset, _)) = coco::parse(&Arc::from(source), Path::new("x.json")) else { return };
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = folder.path().join("a.json");
    let objects = dataset.instances.iter().filter(|object| !object.crowd).count();
    lvis::save_edited(&dataset, &path, &Cancel::new(), &mut |_| ()).expect("there is room for a file");
    let (edited, _) = coco::read(&path).expect("what was written can be read");
    assert_eq!(edited.instances.len(), dataset.instances.len());

    let (dataset, file) = through(dataset, Format::Lvis, &path);
    assert_eq!(dataset.instances.len(), objects);
    for record in annotations(file.as_ref()) {
        let mut members: Vec<&str> = record.keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, MEMBERS);
    }
    let (dataset, file) = through(dataset, Format::Coco, &path);
    assert_eq!(dataset.instances.len(), objects);
    for record in annotations(file.as_ref()) {
        assert!(record.get("iscrowd").is_some_and(|flag| flag == 0), "{record:?}");
    }
});
