//! COCO files: read, changed, written and read again; hostile files; saving.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use annotator::annotation::{Category, CategoryId, Dataset, Edit, Field, Image, ImageId, Instance, InstanceId, Shape};
use annotator::formats::coco::{self, ReadError, SaveError};
use annotator::formats::{Problem, Record, Report};
use annotator::geometry::{Rect, Size};
use annotator::job::Cancel;
use annotator::mask::Mask;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Everything that a writer may do and still be right: member order, number text, flags, large ids, own members.
const ODD_BUT_RIGHT: &str = r#"{
  "licenses": [{"id": 1, "name": "CC0", "extra": 1.50}],
  "annotations": [
    {"segmentation": [[1.00, 1.0, 4.50, 1.0, 4.50,3.25]], "area": 3.9375, "iscrowd": 0, "image_id": 7, "bbox": [1.00, 1.0, 3.50, 2.25], "category_id": 90, "id": 9007199254740993, "attributes": {"b": [1, 2.0], "a": null}, "track_id": 3},
    { "id": 2, "image_id": 7, "category_id": 1, "iscrowd": true, "segmentation": {"counts": [9, 2, 2, 2, 2, 2, 5], "size": [4, 6]}, "area": 6, "bbox": [2, 1, 3, 2]},
    {"id":3,"image_id":7,"category_id":1,"segmentation":{"size":[4,6],"counts":"9220003"},"area":6.0,"bbox":[2.0,1.0,3.0,2.0],"caption":"a \"quoted\" \u00e9 é \\ word","score":0.123456789012345678},
    {"id":4,"image_id":7,"category_id":1,"bbox":[0,0,2,2],"segmentation":[]},
    {"id":-5,"image_id":-3,"category_id":1,"bbox":[0.10,0.20,2e0,1.5E+0],"segmentation":null,"iscrowd":false,"area":NaN}
  ],
  "info": {"description": "é", "year": 2026, "deep": {"x": [[[]]]}},
  "videos": [],
  "images": [
    {"id": 7, "file_name": "sub\\a \"b\".jpg", "width": 6, "height": 4, "license": 1, "coco_url": "http://x/y"},
    {"license": 1, "id": -3, "height": 4, "width": 6, "file_name": "c.jpg", "date_captured": "2013-11-14 17:02:52"}
  ],
  "categories": [{"supercategory": "animal", "id": 90, "name": "cat", "keypoints": ["nose"]}, {"id": 1, "name": "dog"}]
}
"#;

pub(crate) fn parsed(text: &str) -> (Dataset, Report) {
    coco::parse(&Arc::from(text), Path::new("x.json")).unwrap()
}

pub(crate) fn written(dataset: &Dataset) -> String {
    let mut text = Vec::new();
    coco::write(dataset, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn value(text: &str) -> Value {
    serde_json::from_str(&text.replace("NaN", "\"NaN\"")).unwrap()
}

/// The file as it is written: the same values, but for what COCO itself cannot read.
fn standard(text: &str) -> Value {
    let mut file = value(text);
    for image in file["images"].as_array_mut().into_iter().flatten() {
        if let Some(name) = image.get("file_name").and_then(Value::as_str) {
            image["file_name"] = name.replace('\\', "/").into();
        }
    }
    for record in file["annotations"].as_array_mut().into_iter().flatten() {
        let flag = record.get("iscrowd").cloned().unwrap_or_default();
        let is_object = record.get("category_id").is_some_and(|class| match class {
            Value::String(text) => text.parse::<i64>().is_ok(),
            class => class.as_i64().is_some() || class.as_f64().is_some_and(|class| class.fract() == 0.0 && class.abs() < 9e15),
        });
        if is_object && !matches!(flag.as_u64(), Some(0 | 1)) {
            let is_set = flag.as_bool().unwrap_or_else(|| flag.as_f64().is_some_and(|flag| flag != 0.0));
            record["iscrowd"] = u8::from(is_set).into();
        }
    }
    file
}

fn instance(dataset: &Dataset, id: i64) -> Instance {
    dataset.instance(InstanceId(id)).unwrap().clone()
}

#[test]
fn an_untouched_file_is_written_as_it_was() {
    let (dataset, report) = parsed(ODD_BUT_RIGHT);
    assert_eq!(report.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), ["annotation -5: has no usable `area` (x.json)"]);
    let text = written(&dataset);
    assert_eq!(value(&text), standard(ODD_BUT_RIGHT));
    assert_eq!(
        value(&text).as_object().unwrap().keys().collect::<Vec<_>>(),
        value(ODD_BUT_RIGHT).as_object().unwrap().keys().collect::<Vec<_>>()
    );
    for instance in &dataset.instances {
        let record = instance.source.as_ref().unwrap().text();
        assert!(ODD_BUT_RIGHT.contains(record));
        assert_eq!(text.contains(record), instance.changed == Field::NONE, "{record}");
    }
    assert_eq!(dataset.instances.iter().filter(|instance| instance.changed == Field::NONE).count(), 1);
    let (again, _) = parsed(&text);
    assert_eq!(again.instances.len(), dataset.instances.len());
    assert!(again.instances.iter().all(|instance| instance.changed == Field::NONE));
    assert_eq!(written(&again), text);
}

#[test]
fn an_untouched_category_with_an_odd_number_stays_as_it_was() {
    let text = r#"{"images":[],"annotations":[],"categories":[{"id":1,"weight":NaN},{"id":2,"name":"x","y":[-Infinity]}]}"#;
    let (mut dataset, _) = parsed(text);
    let records = [r#"{"id":1,"weight":NaN}"#, r#"{"id":2,"name":"x","y":[-Infinity]}"#];
    assert!(records.iter().all(|record| written(&dataset).contains(record)), "{}", written(&dataset));
    dataset.categories[1].name = "z".to_owned();
    assert!(written(&dataset).contains(r#"{"id":2,"name":"z","y":[-Infinity]}"#));
}

#[test]
fn what_was_read() {
    let (dataset, _) = parsed(ODD_BUT_RIGHT);
    assert_eq!(dataset.images[0].file_name, "sub/a \"b\".jpg");
    assert_eq!(dataset.images[0].size, Size::new(6, 4));
    assert_eq!(dataset.categories[1].supercategory, "");
    assert_eq!(dataset.instances.iter().map(|instance| instance.crowd).collect::<Vec<_>>(), [false, true, false, false, false]);
    let polygon = instance(&dataset, 9_007_199_254_740_993);
    assert_eq!((polygon.area, polygon.bbox), (3.9375, Rect::new(1.0, 1.0, 3.5, 2.25)));
    assert!(matches!(instance(&dataset, 2).shape, Shape::Rle { compressed: false, .. }));
    assert!(matches!(instance(&dataset, 3).shape, Shape::Rle { compressed: true, .. }));
    assert_eq!(instance(&dataset, 3).score, Some(0.123_456_789_012_345_68));
    assert_eq!(instance(&dataset, 4).shape, Shape::Box);
    assert!((instance(&dataset, 4).area - 4.0).abs() < 1e-12);
}

#[test]
fn an_edit_changes_only_its_record() {
    let (mut dataset, _) = parsed(ODD_BUT_RIGHT);
    let before = value(&written(&dataset));
    let mut changed = instance(&dataset, 3);
    changed.set_shape(Shape::from_mask(&Mask::filled(Size::new(6, 4), Rect::new(0.0, 0.0, 2.0, 3.0))));
    let inverse = dataset.apply(&Edit::Replace(Box::new(changed))).unwrap();
    let mut moved = instance(&dataset, 4);
    moved.category_id = CategoryId(90);
    moved.score = Some(0.5);
    moved.changed = moved.changed.and(Field::CATEGORY).and(Field::SCORE);
    dataset.apply(&Edit::Replace(Box::new(moved))).unwrap();
    let text = written(&dataset);
    let after = value(&text);
    let mut expected = before.clone();
    let record = &mut expected["annotations"][2];
    record["segmentation"] = json!({"size": [4, 6], "counts": "031307"});
    record["segmentation"]["counts"] = after["annotations"][2]["segmentation"]["counts"].clone();
    record["area"] = json!(6);
    record["bbox"] = json!([0, 0, 2, 3]);
    expected["annotations"][3]["category_id"] = json!(90);
    expected["annotations"][3]["score"] = json!(0.5);
    assert_eq!(after, expected);
    assert!(text.contains(r#""caption":"a \"quoted\" \u00e9 é \\ word","score":0.123456789012345678, "iscrowd": 0}"#));
    assert_eq!(parsed(&text).0.instances[2].shape, dataset.instances[2].shape);
    dataset.apply(&inverse).unwrap();
    assert_eq!(value(&written(&dataset))["annotations"][2], before["annotations"][2]);
}

#[test]
fn new_records_and_renamed_categories() {
    let (mut dataset, _) = parsed(ODD_BUT_RIGHT);
    let id = dataset.free_instance_id();
    let mut new = Instance { id, source: None, ..instance(&dataset, 4) };
    new.set_shape(Shape::Polygons(vec![vec![0.0, 0.0, 2.5, 0.0, 2.5, 2.0]].into()));
    dataset.apply(&Edit::Insert { index: usize::MAX, instance: Box::new(new) }).unwrap();
    let category = Category { name: "lion".to_owned(), ..dataset.categories[0].clone() };
    dataset.apply(&Edit::ReplaceCategory(category)).unwrap();
    dataset.apply(&Edit::Remove(InstanceId(2))).unwrap();
    let after = value(&written(&dataset));
    let records = after["annotations"].as_array().unwrap();
    assert_eq!(records.len(), 5);
    assert_eq!(
        records[4],
        json!({"id": id.0, "image_id": 7, "category_id": 1, "segmentation": [[0, 0, 2.5, 0, 2.5, 2]], "area": 2.5, "bbox": [0, 0, 2.5, 2], "iscrowd": 0})
    );
    assert_eq!(
        records[4].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["id", "image_id", "category_id", "segmentation", "area", "bbox", "iscrowd"]
    );
    assert_eq!(after["categories"][0], json!({"supercategory": "animal", "id": 90, "name": "lion", "keypoints": ["nose"]}));
}

#[test]
fn odd_records_are_named_and_kept() {
    let text = r#"{"images":[{"id":1,"width":10,"height":10,"file_name":"a"},{"id":1,"width":3,"height":3,"file_name":"b"},{"id":2},7],
        "annotations":[
        {"id":1,"image_id":99,"category_id":1,"bbox":[0,0,1,1]},
        {"id":2,"image_id":1,"category_id":5,"bbox":[0,0,1,1]},
        {"id":2,"image_id":1,"category_id":1,"bbox":[0,0,1,1]},
        {"id":3,"category_id":1,"bbox":[0,0,1,1]},
        {"image_id":1,"category_id":1,"bbox":[0,0,1,1]},
        {"id":4,"image_id":1,"category_id":1,"segmentation":[[1,1,5,5],[1,1,5,1,5,5]],"bbox":[1,1,4,4]},
        {"id":5,"image_id":1,"category_id":1,"segmentation":[[50,50,60,50,60,60]],"bbox":[1,1,4,4]},
        {"id":6,"image_id":1,"category_id":1,"segmentation":{"size":[9,10],"counts":[90]},"bbox":[1,1,4,4]},
        {"id":7,"image_id":1,"category_id":1,"segmentation":{"size":[10,10],"counts":[90]},"bbox":[1,1,4]},
        {"id":8,"image_id":1,"category_id":1,"segmentation":[1,1,5,1,5,5],"bbox":[1,1,4,4]},
        null,
        {"id":20,"image_id":1,"category_id":1,"segmentation":[[1,1],[5,1],[5,5]],"bbox":[1,1,4,4]},
        {"id":21,"image_id":1,"category_id":1,"segmentation":[[[1,1],[5,1],[5,5]],[[6,6],[9,6],[9,9]]],"bbox":[1,1,8,8]}],
        "categories":[{"id":1,"name":"x"},{"id":1,"name":"y"},{"id":3}], "info": 1, "info": 2}"#;
    let (mut dataset, report) = parsed(text);
    let expected = [
        "`info`: stands in the file twice; the last one counts",
        "image 1: has the same id as an earlier record, which is used instead",
        "image 2: has no usable `width` and `height`",
        "image 2: has no usable `file_name`",
        "images[3]: is not an object and is only kept for saving",
        "category 1: has the same id as an earlier record, which is used instead",
        "category 3: has no usable `name`",
        "annotation 1: lies on image 99, which is not in the file",
        "annotation 2: has category 5, which is not in the file",
        "annotation 2: has the same id as an earlier record; it is kept as 22 while the file is open",
        "annotation 3: has no usable `image_id`",
        "annotations[4]: has no usable `id`",
        "annotation 4: has a polygon that has fewer than three points, left out",
        "annotation 5: has polygons that cover no pixel of the image",
        "annotation 6: the mask is 10 x 9 pixels and the image 10 x 10; its box is used",
        "annotation 7: the run lengths sum to 90, but 10 x 10 pixels are 100; its box is used",
        "annotation 7: has no usable `bbox`",
        "annotation 8: has one bare list of numbers for its outline, taken as one polygon",
        "annotations[10]: is not an object and is only kept for saving",
        "annotation 20: has points in its outline as lists of two numbers each, taken as those of polygons",
        "annotation 21: has points in its outline as lists of two numbers each, taken as those of polygons",
    ];
    let mut found: Vec<_> = report.warnings.iter().map(|warning| warning.to_string().replace(" (x.json)", "")).collect();
    let mut wanted = expected.map(str::to_owned).to_vec();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert!(report.warnings.iter().any(|warning| warning.problem == Problem::NoImage(99) && warning.record == Record::Annotation(1)));
    assert_eq!(value(&written(&dataset)), standard(text));
    let of = |id: i64| &dataset.instances.iter().find(|instance| instance.id.0 == id).unwrap().shape;
    let triangle = |at: f64, to: f64| vec![at, at, to, at, to, to];
    assert_eq!(*of(20), Shape::Polygons(vec![triangle(1.0, 5.0)].into()));
    assert_eq!(*of(21), Shape::Polygons(vec![triangle(1.0, 5.0), triangle(6.0, 9.0)].into()));
    let mut ids: Vec<_> = dataset.instances.iter().map(|instance| instance.id.0).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=8).chain(20..=24).collect::<Vec<_>>());
    // Even odd records can be edited; the rest of their text stays.
    for index in 0..dataset.instances.len() {
        let mut changed = dataset.instances[index].clone();
        changed.set_shape(Shape::Box);
        dataset.apply(&Edit::Replace(Box::new(changed))).unwrap();
    }
    assert_eq!(value(&written(&dataset))["annotations"][3]["segmentation"], json!([]));
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.json");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        coco::read(&path).unwrap_err()
    };
    let broken = read(b"{\"images\": [],\n \"annotations\": [{\"id\": 1,}]}");
    assert_eq!(broken.to_string(), format!("the file is not JSON: key must be a string at line 2 column 27: {}", path.display()));
    assert!(matches!(read(b""), ReadError::Json { .. }));
    let numbers = read(b"{\"images\": 3}").to_string();
    assert!(numbers.starts_with("the file is not a COCO or LVIS file: invalid type"), "{numbers}");
    for text in ["{}", "{\"a\": 1}", "{\"info\": 1, \"categories\": []}"] {
        let other = read(text.as_bytes()).to_string();
        assert_eq!(other, format!("the file is not a COCO or LVIS file: it has no list of images: {}", path.display()));
    }
    assert!(read(b"Dear all,").to_string().starts_with("the file is not JSON: expected value at line 1 column 1: "));
    assert!(matches!(read(b"{\"images\": [}"), ReadError::Json { .. }));
    assert!(matches!(read(b"{\"images\": []} x"), ReadError::Json { .. }));
    assert!(matches!(read("[".repeat(100_000).as_bytes()), ReadError::Results { .. }));
    assert!(matches!(read(format!("{{\"info\":{}", "[".repeat(100_000)).as_bytes()), ReadError::Json { .. }));
    assert!(matches!(read(b"{\"a\xff\": 1}"), ReadError::NotText { at: 3, .. }));
    for mark in [b"\xff\xfe{\0", b"\xfe\xff\0{"] {
        assert!(matches!(read(mark), ReadError::Utf16 { .. }));
    }
    assert_eq!(read(b"\x1f\x8b\x08\0").to_string(), format!("the file is packed (gzip), unpack it first: {}", path.display()));
    assert!(matches!(read(b"PK\x03\x04\x14\0"), ReadError::Packed { packing: "zip", .. }));
    assert!(matches!(read(b" [{\"image_id\": 1}]"), ReadError::Results { .. }));
    assert!(matches!(coco::read(&folder.path().join("none.json")), Err(ReadError::Io { .. })));
    let cancel = Cancel::new();
    cancel.cancel();
    fs::write(&path, ODD_BUT_RIGHT).unwrap();
    assert!(matches!(coco::read_with(&path, &cancel, &mut |_| ()), Err(ReadError::Cancelled { .. })));
    let mut last = None;
    coco::read_with(&path, &Cancel::new(), &mut |progress| last = Some((progress.done, progress.total))).unwrap();
    assert_eq!(last, Some((5, 5)));
}

#[test]
fn a_byte_order_mark_is_no_trouble() {
    let (dataset, _) = parsed(&format!("\u{feff}{ODD_BUT_RIGHT}"));
    assert_eq!(value(&written(&dataset)), standard(ODD_BUT_RIGHT));
}

#[test]
fn lists_that_are_missing_are_made_where_they_are_needed() {
    assert_eq!(value(&written(&Dataset::default())), json!({"images": [], "annotations": [], "categories": []}));
    for text in ["{\"info\": 1, \"images\": []}", "{\"annotations\": []}"] {
        let (dataset, report) = parsed(text);
        assert!(report.is_empty(), "{report:?}");
        assert_eq!(value(&written(&dataset)), value(text));
    }
}

#[test]
fn lvis_gets_no_crowd_flag() {
    let text = r#"{"images":[{"id":5,"width":4,"height":4,"coco_url":"http://x/val2017/000.jpg","neg_category_ids":[1],"not_exhaustive_category_ids":[]}],
        "annotations":[],"categories":[{"id":1,"name":"acorn","synset":"acorn.n.01","frequency":"r"}]}"#;
    let (mut dataset, report) = parsed(text);
    assert!(report.is_empty(), "{report:?}");
    assert_eq!(dataset.images[0].file_name, "000.jpg");
    let (other, _) = parsed(ODD_BUT_RIGHT);
    dataset.instances.push(Instance { source: None, image_id: dataset.images[0].id, ..instance(&other, 4) });
    let after = value(&written(&dataset));
    assert_eq!(
        after["annotations"][0].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["id", "image_id", "category_id", "segmentation", "area", "bbox"]
    );
}

#[test]
fn results_join_their_truth() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    let (truth, _) = parsed(ODD_BUT_RIGHT);
    let text = r#"[{"image_id":7,"category_id":1,"segmentation":{"size":[4,6],"counts":"9220003"},"score":0.236},{"image_id":8,"category_id":1,"bbox":[0,0,2.5,1],"score":0.90}]"#;
    fs::write(&path, text).unwrap();
    let (results, report) = coco::read_results(&path, &truth).unwrap();
    assert_eq!(report.warnings.len(), 1);
    assert_eq!(results.images, truth.images);
    assert!(results.instances.iter().all(|result| truth.instance(result.id).is_none()));
    assert_eq!((results.instances[0].area, results.instances[0].bbox), (6.0, Rect::new(2.0, 1.0, 3.0, 2.0)));
    assert_eq!((results.instances[1].score, &results.instances[1].shape), (Some(0.9), &Shape::Box));
    coco::save_results(&results, &path).unwrap();
    assert_eq!(value(&fs::read_to_string(&path).unwrap()), value(text));
}

#[test]
fn saving_replaces_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let (dataset, _) = parsed(ODD_BUT_RIGHT);
    coco::save(&dataset, &path).unwrap();
    coco::save(&dataset, &path).unwrap();
    assert_eq!(written(&coco::read(&path).unwrap().0), written(&dataset));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let missing = folder.path().join("no/such/a.json");
    assert!(matches!(coco::save(&dataset, &missing), Err(SaveError::Folder { .. })));
    assert!(matches!(coco::save(&dataset, folder.path()), Err(SaveError::NoFile { .. })));
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let error = coco::save(&Dataset::default(), &path).unwrap_err();
    assert!(matches!(error, SaveError::ReadOnly { .. }) && error.to_string().contains("a.json"));
    assert_eq!(written(&coco::read(&path).unwrap().0), written(&dataset));
}

#[cfg(unix)]
#[test]
fn links_and_permissions_survive_saving() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real.json"), folder.path().join("link.json"));
    fs::write(&real, "{}").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&real, &link).unwrap();
    coco::save(&parsed(ODD_BUT_RIGHT).0, &link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(coco::read(&real).unwrap().0.instances.len(), 5);
    fs::remove_file(&real).unwrap();
    coco::save(&parsed(ODD_BUT_RIGHT).0, &link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && real.is_file(), "the file that a link leads to is made");
    let socket = folder.path().join("socket");
    let _open = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = coco::save(&Dataset::default(), &socket).unwrap_err();
    assert!(matches!(error, SaveError::NoFile { .. }) && error.to_string().contains("socket"), "{error}");
    assert!(!fs::metadata(&socket).unwrap().is_file());
}

/// Any JSON, shallow.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3_i64..12).prop_map(Value::from),
        "[0-9a-z\\\\\"]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..7).prop_map(Value::from),
            prop::collection::vec((member(), inner), 0..7).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn member() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "id",
        "image_id",
        "category_id",
        "segmentation",
        "bbox",
        "area",
        "iscrowd",
        "score",
        "size",
        "counts",
        "width",
        "height",
        "file_name",
        "name",
        "x",
    ])
    .prop_map(str::to_owned)
}

fn record() -> impl Strategy<Value = Value> {
    prop_oneof![4 => prop::collection::vec((member(), json()), 0..9).prop_map(|members| Value::Object(members.into_iter().collect())), 1 => json()]
}

/// Outlines of every form on an image of 24 x 18 pixels, with a box and a score.
fn shape() -> impl Strategy<Value = (Shape, [f64; 4], Option<f64>)> {
    let size = Size::new(24, 18);
    let coordinate = prop_oneof![(0_u32..2400).prop_map(|v| f64::from(v) / 100.0), -5.0..30.0_f64];
    let polygon = prop::collection::vec(coordinate, 6..20).prop_map(|mut polygon| {
        polygon.truncate(polygon.len() / 2 * 2);
        polygon
    });
    let runs = (prop::collection::vec(any::<bool>(), size.pixels()), any::<bool>()).prop_map(move |(inside, compressed)| {
        let mask = Mask::from_fn(size, |x, y| inside[(y * size.width + x) as usize]);
        match Shape::from_mask(&mask) {
            Shape::Rle { size, counts, .. } => Shape::Rle { size, counts, compressed },
            other => other,
        }
    });
    let shape = prop_oneof![Just(Shape::Box), prop::collection::vec(polygon, 1..4).prop_map(|rings| Shape::Polygons(rings.into())), runs];
    (shape, prop::array::uniform4(0.0..20.0_f64), prop::option::of(0.0..1.0_f64))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_is_read_and_written_without_loss(
        images in prop::collection::vec(record(), 0..4),
        annotations in prop::collection::vec(record(), 0..6),
        categories in prop::collection::vec(record(), 0..4),
        edit in any::<bool>(),
    ) {
        let text = json!({"images": images, "x": 1, "annotations": annotations, "categories": categories}).to_string();
        let (mut dataset, _) = parsed(&text);
        prop_assert_eq!(value(&written(&dataset)), standard(&text));
        if edit {
            for instance in &mut dataset.instances {
                instance.set_shape(Shape::Polygons(vec![vec![0.0, 0.0, 1.0, 0.0, 1.0, 1.0]].into()));
                instance.score = None;
                instance.changed = instance.changed.and(Field::SCORE).and(Field::CATEGORY);
            }
            let text = written(&dataset);
            prop_assert_eq!(value(&text)["annotations"].as_array().unwrap().len(), annotations.len());
        }
    }

    #[test]
    fn a_new_data_set_comes_back_equal(shapes in prop::collection::vec(shape(), 0..12)) {
        let mut dataset = Dataset::default();
        let size = Size::new(24, 18);
        for id in 1..4 {
            dataset.images.push(Image { id: ImageId(id * 7 - 10), file_name: format!("d/{id} \"é\".png"), size, source: None });
        }
        dataset.categories.push(Category { id: CategoryId(-2), name: "a\\b\u{1F600}".to_owned(), supercategory: String::new(), source: None });
        for (place, (shape, bbox, score)) in shapes.into_iter().enumerate() {
            let mut new = Instance {
                id: InstanceId(place as i64 * 1_000_003 - 5),
                image_id: dataset.images[place % 3].id,
                category_id: CategoryId(-2),
                bbox: Rect::new(bbox[0], bbox[1], bbox[2], bbox[3]),
                shape: Shape::Box,
                area: bbox[2] * bbox[3],
                crowd: place % 2 == 1,
                score,
                changed: Field::NONE,
                source: None,
            };
            new.set_shape(shape);
            new.changed = Field::NONE;
            dataset.instances.push(new);
        }
        let text = written(&dataset);
        let (mut again, report) = parsed(&text);
        // Thin polygons may hold no pixel; nothing else may be odd.
        prop_assert!(report.warnings.iter().all(|warning| warning.problem == Problem::NoPixels), "{:?}", report);
        prop_assert_eq!(written(&again), text);
        again.document.clear();
        let forget = |source: &mut Option<_>| *source = None;
        again.images.iter_mut().for_each(|image| forget(&mut image.source));
        again.categories.iter_mut().for_each(|category| forget(&mut category.source));
        again.instances.iter_mut().for_each(|instance| forget(&mut instance.source));
        prop_assert_eq!(again, dataset);
    }

    #[test]
    fn damaged_text_never_panics(at in 0_usize..2000, byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = ODD_BUT_RIGHT.as_bytes().to_vec();
        let at = at % bytes.len();
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok((dataset, _)) = coco::parse(&Arc::from(text.as_str()), Path::new("x.json")) {
            written(&dataset);
        }
    }
}

/// Real files, not part of the project: `ANNOTATOR_COCO_JSON` names a folder of them.
#[test]
#[ignore = "needs a folder of real COCO files in ANNOTATOR_COCO_JSON"]
fn real_files_come_back_equal() {
    let folder = PathBuf::from(std::env::var_os("ANNOTATOR_COCO_JSON").unwrap());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let start = Instant::now();
        let (dataset, report) = match coco::read(&path) {
            Err(ReadError::Results { .. }) => continue,
            read => read.unwrap(),
        };
        let read = start.elapsed();
        let out = tempfile::NamedTempFile::new().unwrap();
        let start = Instant::now();
        coco::save(&dataset, out.path()).unwrap();
        let saved = start.elapsed();
        let text = fs::read_to_string(&path).unwrap();
        let again = fs::read_to_string(out.path()).unwrap();
        // A flag that is `false` becomes 0; of LVIS, whose annotations have none, nothing changes.
        let expected = if annotator::formats::lvis::is_lvis(&dataset) { value(&text) } else { standard(&text) };
        let equal = expected == value(&again);
        assert!(equal && again.len() + 10 * dataset.instances.len() + 100_000 > text.len(), "{}", path.display());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let line = format!(
            "{name}: {} images, {} objects, {} warnings, read {read:?}, saved {saved:?}\n",
            dataset.images.len(),
            dataset.instances.len(),
            report.warnings.len()
        );
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
        for warning in report.warnings.iter().take(5) {
            std::io::Write::write_all(&mut std::io::stderr(), format!("    {warning}\n").as_bytes()).unwrap();
        }
    }
}
