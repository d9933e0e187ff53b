//! Comparisons against frozen numbers of COCO's own evaluation.

use std::path::Path;
use std::sync::Arc;

use annotator::annotation::{Dataset, Image, ImageId, Instance, Shape, Verbatim};
use annotator::evaluation::{self, Change, Overlap, Precision, PrecisionError, Stopped, Table, Watch};
use annotator::formats::coco;
use annotator::job::Cancel;
use annotator::mask::morphology;
use serde_json::{Value, json};

fn compare(truth: &Dataset, prediction: &Dataset) -> Result<Table, PrecisionError> {
    evaluation::compare(truth, prediction, &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () })
}

fn change(truth: &Dataset, before: &Dataset, after: &Dataset) -> Change {
    evaluation::change(truth, before, after, &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () }).unwrap()
}

fn precision(truth: &Dataset, prediction: &Dataset) -> Precision {
    evaluation::precision(truth, prediction, &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () }).unwrap()
}

fn precision_by(truth: &Dataset, prediction: &Dataset, overlap: Overlap) -> Precision {
    evaluation::precision_by(truth, prediction, overlap, &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () }).unwrap()
}

/// Truth, results, and their average precision of masks and of boundaries, as `tests/reference` froze them.
fn frozen_in(file: &str) -> (Dataset, Dataset, [Vec<f64>; 2]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    let mut value: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path
    };
    let (truth, report) = coco::read(&write("truth.json", &value["truth"])).unwrap();
    assert!(report.is_empty(), "{report:?}");
    let (results, report) = coco::read_results(&write("results.json", &value["results"]), &truth).unwrap();
    assert!(report.is_empty(), "{report:?}");
    let stats = ["stats", "boundary_stats"].map(|name| serde_json::from_value(value[name].take()).unwrap());
    (truth, results, stats)
}

fn frozen() -> (Dataset, Dataset, Vec<f64>) {
    let (truth, results, [stats, _]) = frozen_in("precision.json");
    (truth, results, stats)
}

#[test]
fn average_precision_is_that_of_coco() {
    let (truth, results, stats) = frozen();
    let found = precision(&truth, &results);
    for ((name, found), expected) in found.named().into_iter().zip(stats) {
        assert!((found - expected).abs() < 1e-9, "{name}: {found} is not {expected}");
    }
    let table = compare(&truth, &results).unwrap();
    assert_eq!((table.all.count, table.extra), (0, results.instances.len()));
    assert!(table.to_string().contains("AP50"), "{table}");
}

/// The data set over and over, on images of their own.
fn repeated(data: &Dataset, times: i64) -> Dataset {
    let moved = |copy: i64, id: ImageId| ImageId(id.0 + copy * 1_000_000);
    let images = |copy| data.images.iter().cloned().map(move |image| Image { id: moved(copy, image.id), ..image });
    let objects = |copy| data.instances.iter().cloned().map(move |object| Instance { image_id: moved(copy, object.image_id), ..object });
    Dataset { images: (0..times).flat_map(images).collect(), instances: (0..times).flat_map(objects).collect(), ..data.clone() }
}

#[test]
fn average_precision_of_many_images_tells_how_far_it_is_and_stops() {
    let (truth, results, _) = frozen();
    let times = 600 / truth.images.len() as i64 + 1;
    let (truth, results) = (repeated(&truth, times), repeated(&results, times));
    let (cancel, mut told) = (Cancel::new(), Vec::new());
    let mut watch = Watch { cancel: &cancel, progress: &mut |progress| told.push(progress.done) };
    let found = evaluation::precision(&truth, &results, &mut watch).unwrap();
    assert_eq!(told, [0, 256, 512]);
    let expected = precision_by(&truth, &results, Overlap::Mask);
    for ((name, found), (_, expected)) in found.named().into_iter().zip(expected.named()) {
        assert!((found - expected).abs() < 1e-9, "{name}: {found} is not {expected}");
    }
    let stopped = evaluation::precision(&truth, &results, &mut Watch { cancel: &cancel, progress: &mut |_| cancel.cancel() });
    assert!(matches!(stopped, Err(PrecisionError::Stopped(Stopped))));
}

#[test]
fn boundary_precision_is_that_of_the_reference() {
    let (truth, results, stats) = frozen_in("precision.json");
    for (overlap, stats) in [Overlap::Mask, Overlap::Boundary].into_iter().zip(stats) {
        for ((name, found), expected) in precision_by(&truth, &results, overlap).named().into_iter().zip(stats) {
            assert!((found - expected).abs() < 1e-9, "{name} by {overlap:?}: {found} is not {expected}");
        }
    }
}

#[test]
fn precision_on_lvis_is_that_of_lvis() {
    let (truth, results, [masks, boundaries]) = frozen_in("lvis_precision.json");
    let [by_library, by_mask, by_boundary] =
        [precision(&truth, &results), precision_by(&truth, &results, Overlap::Mask), precision_by(&truth, &results, Overlap::Boundary)];
    for (found, stats) in [(by_library, &masks), (by_mask, &masks), (by_boundary, &boundaries)] {
        assert_eq!((found.named().len(), stats.len()), (9, 9));
        for ((name, found), expected) in found.named().into_iter().zip(stats) {
            assert!((found - expected).abs() < 1e-9, "{name}: {found} is not {expected}");
        }
    }
    let table = compare(&truth, &results).unwrap().to_string();
    assert!(table.contains("APr") && table.contains("boundary"), "{table}");
}

#[test]
fn a_change_is_told_by_size_and_source() {
    let (truth, ..) = frozen();
    let grown = |times: u32, source: &str| {
        let mut data = truth.clone();
        for instance in &mut data.instances {
            let mask = instance.mask(truth.image(instance.image_id).unwrap().size).unwrap();
            instance.set_shape(Shape::from_mask(&morphology::dilated(&mask, times)));
            let text: Arc<str> = format!("{{\"id\": {}, \"source\": \"{source} {}\"}}", instance.id, instance.id.0 % 2).into();
            instance.source = Verbatim::new(&text, 0..text.len());
        }
        data
    };
    let (before, mut after) = (grown(4, "grown"), grown(1, "other"));
    let lost = after.instances.iter().position(|instance| !instance.crowd).unwrap();
    after.instances.remove(lost);
    let told = change(&truth, &before, &after);
    let objects = truth.instances.iter().filter(|instance| !instance.crowd).count();
    assert_eq!((told.by_size[0].before.count, told.left_out), (objects - 1, 1));
    assert!(told.by_size[0].after.iou > told.by_size[0].before.iou + 0.05);
    let gains = |row: &&evaluation::Row| row.before.count > 0 && row.boundary_ap[1] > row.boundary_ap[0] + 0.05;
    assert!(told.by_size.iter().take(1).chain(&told.by_source).all(|row| gains(&row)), "{told}");
    assert_eq!(told.by_source.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["grown 0", "grown 1"]);
    assert_eq!(told.by_source.iter().map(|row| row.before.count).sum::<usize>(), objects - 1);
    assert_eq!(told.by_size.iter().map(|row| row.worse).sum::<usize>(), 0);
    let back = change(&truth, &after, &before);
    assert_eq!(back.by_size[0].worse, objects - 1);
    assert!(told.to_string().contains("grown 1") && told.to_string().contains(" -> "), "{told}");
}

#[test]
fn the_truth_is_equal_to_itself() {
    let (truth, ..) = frozen();
    let table = compare(&truth, &truth).unwrap();
    let objects = truth.instances.iter().filter(|instance| !instance.crowd).count();
    assert_eq!((table.all.count, table.missing, table.extra, table.unusable), (objects, 0, 0, 0));
    assert!(
        [table.all.iou, table.all.boundary_iou, table.all.boundary_accuracy, table.all.above_90].iter().all(|v| (v - 1.0).abs() < 1e-12)
    );
    assert_eq!(table.small.count + table.medium.count + table.large.count, objects);
    assert!(table.precision.is_none());
    let certain = Dataset {
        instances: truth
            .instances
            .iter()
            .filter(|instance| !instance.crowd)
            .cloned()
            .map(|mut instance| {
                instance.score = Some(1.0);
                instance
            })
            .collect(),
        ..truth.clone()
    };
    let perfect = compare(&truth, &certain).unwrap().precision.unwrap();
    assert!((perfect.ap - 1.0).abs() < 1e-9);
}

#[test]
fn a_worse_prediction_scores_worse() {
    let (truth, ..) = frozen();
    let mut shrunk = truth.clone();
    let size = truth.images[0].size;
    for instance in &mut shrunk.instances {
        let mask = instance.mask(size).unwrap();
        instance.set_shape(Shape::from_mask(&morphology::dilated(&mask, 3)));
    }
    let dropped = shrunk.instances.iter().position(|instance| !instance.crowd).unwrap();
    shrunk.instances.remove(dropped);
    let table = compare(&truth, &shrunk).unwrap();
    assert_eq!(table.missing, 1);
    assert!(table.all.iou < 0.9 && table.all.boundary_iou < table.all.iou);
    assert!(table.small.count > 0 && table.small.iou < 0.9);
    let text = table.to_string();
    assert!(text.contains("boundary IoU") && text.contains("1 objects have no prediction"), "{text}");
    assert!(serde_json::to_string(&table).unwrap().contains("\"boundary_iou\""));
}

#[test]
fn a_box_is_no_prediction_of_a_mask() {
    let (truth, ..) = frozen();
    let mut boxes = truth.clone();
    let object = boxes.instances.iter().position(|instance| !instance.crowd).unwrap();
    boxes.instances[object].set_shape(Shape::Box);
    let table = compare(&truth, &boxes).unwrap();
    assert_eq!((table.missing, table.unusable), (1, 0));
    assert!((table.all.iou * table.all.count as f64 - (table.all.count - 1) as f64).abs() < 1e-9, "{table}");
    assert_eq!(compare(&boxes, &boxes).unwrap().missing, 0, "a truth without a mask is equal to itself");
}

#[test]
fn a_comparison_shows_how_far_it_is_and_can_be_stopped() {
    let (truth, results, _) = frozen();
    let mut told = Vec::new();
    let mut watch = Watch { cancel: &Cancel::new(), progress: &mut |progress| told.push(progress.label) };
    evaluation::compare(&truth, &results, &mut watch).unwrap();
    told.dedup();
    assert_eq!(told, ["comparing masks", "matching detections", "comparing boundaries"]);
    let cancel = Cancel::new();
    cancel.cancel();
    let mut watch = Watch { cancel: &cancel, progress: &mut |_| () };
    assert!(matches!(evaluation::compare(&truth, &results, &mut watch), Err(PrecisionError::Stopped(Stopped))));
    assert_eq!(evaluation::change(&truth, &truth, &truth, &mut watch), Err(Stopped));
}

/// A data set of squares of 10 pixels, as triangles or boxes: the id, the image and the left side of each, with a score or
/// none.
fn squares(objects: &[(i64, i64, i64, Option<f64>)], are_masks: bool) -> Dataset {
    let object = |&(id, image, x, score): &(i64, i64, i64, Option<f64>)| {
        let segmentation = if are_masks { json!([[x, 10, x + 10, 10, x, 20]]) } else { json!([]) };
        let mut record = json!({"id": id, "image_id": image, "category_id": 1, "bbox": [x, 10, 10, 10], "area": 100, "iscrowd": 0});
        record["segmentation"] = segmentation;
        if let Some(score) = score {
            record["score"] = score.into();
        }
        record
    };
    let images: Vec<Value> = (1..3).map(|id| json!({"id": id, "file_name": format!("{id}.png"), "width": 60, "height": 40})).collect();
    let objects: Vec<Value> = objects.iter().map(object).collect();
    let text = json!({"images": images, "annotations": objects, "categories": [{"id": 1, "name": "square"}]}).to_string();
    coco::parse(&Arc::from(text), Path::new("squares.json")).unwrap().0
}

#[test]
fn boxes_are_measured_as_boxes() {
    let truth = squares(&[(1, 1, 10, None)], true);
    let table = compare(&truth, &squares(&[(7, 1, 12, Some(0.9))], false)).unwrap();
    // An IoU of 2/3 is above four of the ten thresholds.
    let found = table.box_precision.unwrap();
    assert!((found.ap - 0.4).abs() < 1e-6 && (found.ap50 - 1.0).abs() < 1e-6 && found.ap75.abs() < 1e-6, "{found:?}");
    assert!(table.precision.is_none() && table.boundary_precision.is_none() && table.all.count == 0, "{table:?}");
    let text = table.to_string();
    assert!(text.starts_with("the predictions have no masks: only their boxes are measured\nboxes    AP 0.400"), "{text}");
    let masks = compare(&truth, &squares(&[(7, 1, 10, Some(0.9))], true)).unwrap();
    assert!(masks.box_precision.is_none() && (masks.precision.unwrap().ap - 1.0).abs() < 1e-6);
    let plain = compare(&truth, &squares(&[(1, 1, 12, None)], false)).unwrap();
    assert!(plain.box_precision.is_none() && plain.to_string().contains("no prediction has a score"), "{plain}");
}

#[test]
fn a_result_is_as_large_as_its_mask_whatever_its_record_says() {
    let truth = squares(&[(1, 1, 10, None)], true);
    let mut found = squares(&[(7, 1, 10, Some(0.9))], true);
    found.instances[0].area = 1e6;
    let precision = compare(&truth, &found).unwrap().precision.unwrap();
    // Half a square of ten pixels is small.
    assert!((precision.small - 1.0).abs() < 1e-6 && precision.large < 0.0, "{precision:?}");
}

#[test]
fn what_is_missing_is_said() {
    let truth = squares(&[(1, 1, 10, None), (2, 2, 10, None), (3, 2, 40, None)], true);
    let empty = compare(&truth, &squares(&[], true)).unwrap().to_string();
    assert!(empty.contains("there are no predictions\n") && empty.contains("3 objects have no prediction"), "{empty}");
    let same = compare(&truth, &truth).unwrap();
    assert!(same.all.count == 3 && same.to_string().contains("no prediction has a score"), "{same}");
    let part = compare(&truth, &squares(&[(1, 1, 10, Some(0.5)), (2, 2, 10, None)], true)).unwrap().to_string();
    assert!(part.contains("1 predictions have no score and do not count for average precision"), "{part}");
    let bare = compare(&squares(&[(1, 1, 10, None)], false), &truth).unwrap().to_string();
    assert!(bare.contains("1 objects of the truth have only a box"), "{bare}");
}

#[test]
fn ids_of_other_objects_tell_nothing() {
    let truth = squares(&[(1, 1, 10, None), (2, 2, 10, None), (3, 2, 40, None)], true);
    let renumbered = squares(&[(3, 1, 10, None), (1, 2, 10, None), (2, 2, 40, None)], true);
    let table = compare(&truth, &renumbered).unwrap();
    assert_eq!((table.all.count, table.missing), (0, 3), "{table}");
    assert!(table.to_string().contains("the ids of the predictions are those of other objects"), "{table}");
    let one_moved = squares(&[(1, 1, 10, None), (2, 2, 10, None), (3, 1, 40, None)], true);
    assert_eq!(compare(&truth, &one_moved).unwrap().missing, 1);
}

#[test]
fn some_ids_of_other_objects_tell_nothing_either() {
    // The ids are those of the truth on the first image; on the second one object was deleted and the rest numbered anew.
    let object = |id: i64, image: i64, place: i64| (id, image, 12 * place, None);
    let here = |image: i64, first: i64| (0..5).map(move |place| object(first + place, image, place));
    let truth = squares(&here(1, 1).chain(here(2, 6)).collect::<Vec<_>>(), true);
    let anew = squares(&here(1, 1).chain((1..5).map(|place| object(5 + place, 2, place))).collect::<Vec<_>>(), true);
    let table = compare(&truth, &anew).unwrap();
    assert_eq!((table.all.count, table.missing), (0, 10), "{table}");
    assert!(table.to_string().contains("the ids of the predictions are those of other objects"), "{table}");
    let shown = serde_json::to_value(&table).unwrap();
    assert!(shown.get("all").is_none() && shown.get("large").is_none(), "no mean of nothing: {shown}");
    // Where nothing else fits the objects, the predictions are bad ones of theirs.
    let bad = squares(&here(1, 1).chain((6..11).map(|id| object(id, 2, 4))).collect::<Vec<_>>(), true);
    assert_eq!(compare(&truth, &bad).unwrap().all.count, 10);
    assert_eq!(change(&truth, &truth, &anew).left_out, 10);
}
