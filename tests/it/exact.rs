//! What COCO and LVIS files keep, to the letter: flags, names, ids, numbers, outlines, marks and counts.

use std::fs;

use annotator::annotation::{Category, CategoryId, Edit, Instance, InstanceId, Shape};
use annotator::formats::convert::{Policy, convert};
use annotator::formats::exchange::{self, Format, Watch};
use annotator::formats::{Problem, Record, coco, lvis};
use annotator::geometry::{Rect, Size};
use annotator::job::Cancel;
use annotator::mask::{Mask, polygon};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::formats::{parsed, written};

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A file with one image of 6 x 4 pixels, one class and these annotations.
fn with_annotations(records: &str) -> String {
    format!(
        r#"{{"images":[{{"id":1,"width":6,"height":4,"file_name":"a.jpg"}}],"annotations":[{records}],"categories":[{{"id":1,"name":"c"}}]}}"#
    )
}

#[test]
fn a_flag_is_written_as_0_or_1_and_nothing_else_of_its_record_changes() {
    let base = r#""image_id":1,"category_id":1,"bbox":[0,0,2.00,2],"area":4.00,"segmentation":[[0,0,2,0,2,2]]"#;
    for (stored, expected) in [
        (r#","iscrowd":0,"#, r#","iscrowd":0,"#),
        (r#","iscrowd":1,"#, r#","iscrowd":1,"#),
        (r#", "iscrowd" : true,"#, r#", "iscrowd" : 1,"#),
        (r#","iscrowd":false,"#, r#","iscrowd":0,"#),
        (r#","iscrowd":1.0,"#, r#","iscrowd":1,"#),
        (r#","iscrowd":null,"#, r#","iscrowd":0,"#),
    ] {
        let record = |flag: &str| format!("{{\"id\":3,{base}{flag}\"x\":1.50}}");
        let (dataset, report) = parsed(&with_annotations(&record(stored)));
        assert!(report.is_empty(), "{report:?}");
        let text = written(&dataset);
        assert!(text.contains(&record(expected)), "{stored}: {text}");
        assert_eq!(written(&parsed(&text).0), text);
    }
    let missing = written(&parsed(&with_annotations(&format!("{{\"id\":3,{base}}}"))).0);
    assert!(missing.contains(&format!("{{\"id\":3,{base}, \"iscrowd\": 0}}")), "{missing}");
    let caption = r#"{"id":3,"image_id":1,"caption":"two dogs"}"#;
    assert!(written(&parsed(&with_annotations(caption)).0).contains(caption), "a caption has no flag");
}

#[test]
fn a_flag_never_follows_from_the_form_of_the_outline() {
    let runs = r#""segmentation":{"size":[4,6],"counts":"9220003"},"area":6,"bbox":[2,1,3,2]"#;
    let ring = r#""segmentation":[[1,1,4,1,4,3]],"area":3,"bbox":[1,1,3,2]"#;
    let records = [(1, runs, 0), (2, ring, 1), (3, runs, 1), (4, ring, 0)]
        .map(|(id, outline, flag)| format!(r#"{{"id":{id},"image_id":1,"category_id":1,{outline},"iscrowd":{flag}}}"#));
    let text = with_annotations(&records.join(","));
    for policy in [Policy::Rle { compressed: true }, Policy::Rle { compressed: false }, Policy::Polygons { tolerance_px: 0.0 }] {
        let (mut dataset, _) = parsed(&text);
        assert_eq!(value(&written(&dataset)), value(&text));
        assert!(!convert(&mut dataset, policy).is_empty());
        let after = value(&written(&dataset));
        let flags: Vec<_> = after["annotations"].as_array().unwrap().iter().map(|record| record["iscrowd"].as_u64().unwrap()).collect();
        assert_eq!(flags, [0, 1, 1, 0], "{policy:?}");
    }
}

#[test]
fn folders_are_read_with_backslashes_and_written_with_slashes() {
    let text = r#"{"images":[{"id":1,"width":6,"height":4,"file_name":"sub\\a \u00e9\".jpg","x":"c:\\d"},
        {"id":2,"width":6,"height":4,"file_name":"b\/c.jpg","path":"c:\\d\\c.jpg"}],"annotations":[],"categories":[]}"#;
    let (dataset, _) = parsed(text);
    let names: Vec<_> = dataset.images.iter().map(|image| image.file_name.as_str()).collect();
    assert_eq!(names, ["sub/a é\".jpg", "b/c.jpg"]);
    let after = written(&dataset);
    assert!(after.contains(r#"{"id":1,"width":6,"height":4,"file_name":"sub/a é\".jpg","x":"c:\\d"}"#), "{after}");
    assert!(after.contains(r#"{"id":2,"width":6,"height":4,"file_name":"b\/c.jpg","path":"c:\\d\\c.jpg"}"#), "untouched: {after}");
}

#[test]
fn images_without_objects_stay() {
    let text = r#"{"images":[{"id":5,"width":6,"height":4,"file_name":"a.jpg","flickr_url":"f"},{"id":4,"width":1,"height":1,"file_name":"b.jpg"}],
        "annotations":[{"id":1,"image_id":4,"category_id":1,"bbox":[0,0,1,1],"area":1,"iscrowd":0}],"categories":[{"id":1,"name":"c"}]}"#;
    let (mut dataset, report) = parsed(text);
    assert!(report.is_empty());
    assert_eq!(value(&written(&dataset)), value(text));
    dataset.apply(&Edit::Remove(InstanceId(1))).unwrap();
    assert_eq!(value(&written(&dataset))["images"], value(text)["images"]);
}

#[test]
fn ids_keep_every_digit() {
    for id in [i64::from(u32::MAX) + 1, (1 << 53) + 1, i64::MAX, -1, 0, i64::MIN + 1] {
        let text = format!(
            r#"{{"images":[{{"id":{id},"width":6,"height":4,"file_name":"a"}}],"annotations":[
            {{"id":{id},"image_id":{id},"category_id":{id},"bbox":[0,0,2,2],"area":4,"iscrowd":0}}],"categories":[{{"id":{id},"name":"c"}}]}}"#
        );
        let (mut dataset, report) = parsed(&text);
        assert!(report.is_empty(), "{report:?}");
        let object = &dataset.instances[0];
        assert_eq!((dataset.images[0].id.0, object.id.0, object.image_id.0, object.category_id.0), (id, id, id, id));
        assert_eq!(value(&written(&dataset)), value(&text));
        let (new, class) = (dataset.free_instance_id(), dataset.free_category_id());
        assert_eq!((new.0, class.0), if id == i64::MAX { (1, 1) } else { (id + 1, id + 1) });
        let instance = Instance { id: new, source: None, ..object.clone() };
        dataset.apply(&Edit::Insert { index: usize::MAX, instance: Box::new(instance) }).unwrap();
        let after = value(&written(&dataset));
        assert_eq!(after["annotations"][0], value(&text)["annotations"][0]);
        assert_eq!((&after["annotations"][1]["id"], &after["annotations"][1]["image_id"]), (&json!(new.0), &json!(id)));
    }
}

#[test]
fn ids_that_no_program_can_hold_are_named_and_kept() {
    for id in ["18446744073709551615", "1e30", "0.5", "\"x\"", "[]"] {
        let text = with_annotations(&format!(r#"{{"id":{id},"image_id":1,"category_id":1,"bbox":[0,0,2,2],"area":4,"iscrowd":0}}"#));
        let (dataset, report) = parsed(&text);
        assert_eq!(report.warnings.len(), 1, "{report:?}");
        assert_eq!(report.warnings[0].record, Record::Place("annotations", 0));
        assert!(matches!(report.warnings[0].problem, Problem::Unusable { member: "id", .. }), "{report:?}");
        assert_eq!(value(&written(&dataset)), value(&text));
    }
}

#[test]
fn classes_with_gaps_keep_their_numbers_and_a_renamed_one_its_members() {
    let text = r#"{"images":[],"annotations":[],"categories":[{"id":90,"name":"toothbrush","supercategory":"indoor","keypoints":["a"],"skeleton":[[1, 2]]},
        {"id":13,"name":"stop sign","supercategory":"outdoor"}]}"#;
    let (mut dataset, _) = parsed(text);
    assert_eq!(dataset.free_category_id(), CategoryId(91));
    dataset.apply(&Edit::ReplaceCategory(Category { name: "brush".to_owned(), ..dataset.categories[0].clone() })).unwrap();
    let mut expected = value(text);
    expected["categories"][0]["name"] = json!("brush");
    assert_eq!(value(&written(&dataset)), expected);
}

#[test]
fn a_box_and_area_that_do_not_fit_the_outline_stay() {
    let text = with_annotations(
        r#"{"id":1,"image_id":1,"category_id":1,"segmentation":[[1.25,1,4,1,4,3]],"area":7.50,"bbox":[0.10,1,9.99,2],"iscrowd":0},
        {"id":2,"image_id":1,"category_id":1,"segmentation":{"size":[4,6],"counts":"9220003"},"area":5,"bbox":[2,1,3.5,2],"iscrowd":0}"#,
    );
    let (mut dataset, _) = parsed(&text);
    assert_eq!((dataset.instances[0].area, dataset.instances[0].bbox), (7.5, Rect::new(0.1, 1.0, 9.99, 2.0)));
    assert_eq!(value(&written(&dataset)), value(&text));
    // An edit of another member leaves them too.
    dataset.instances[0].category_id = CategoryId(7);
    dataset.instances[0].changed = annotator::annotation::Field::CATEGORY;
    let mut expected = value(&text);
    expected["annotations"][0]["category_id"] = json!(7);
    assert_eq!(value(&written(&dataset)), expected);
    assert!(written(&dataset).contains(r#""area":7.50,"bbox":[0.10,1,9.99,2]"#));
}

#[test]
fn an_edited_polygon_gets_the_area_inside_its_points_and_their_extent() {
    let (mut dataset, _) = parsed(&with_annotations(
        r#"{"id":1,"image_id":1,"category_id":1,"segmentation":[[0,0,1,0,1,1]],"area":1,"bbox":[0,0,1,1],"iscrowd":0,"x":2.50}"#,
    ));
    let mut edited = dataset.instances[0].clone();
    let ring = vec![0.5, 0.25, 5.25, 0.25, 5.25, 3.75];
    edited.set_shape(Shape::Polygons(vec![ring.clone(), vec![0.0, 3.0, 1.0, 3.0, 1.0, 4.0, 0.0, 4.0]].into()));
    dataset.apply(&Edit::Replace(Box::new(edited))).unwrap();
    let record = value(&written(&dataset))["annotations"][0].clone();
    // 4.75 x 3.5 / 2 and one square.
    assert_eq!((record["area"].as_f64(), &record["bbox"]), (Some(9.3125), &json!([0, 0.25, 5.25, 3.75])));
    let pixels = polygon::rasterize(&[ring], Size::new(6, 4)).area() as f64;
    assert!((pixels - 8.3125).abs() > 0.1, "pixels would give another area");
    let mut rest = record.as_object().unwrap().clone();
    for member in ["segmentation", "area", "bbox"] {
        rest.remove(member).unwrap();
    }
    assert_eq!(Value::Object(rest), json!({"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "x": 2.5}));
}

#[test]
fn run_lengths_keep_their_form_when_they_are_edited() {
    let (mut dataset, _) = parsed(&with_annotations(
        r#"{"id":1,"image_id":1,"category_id":1,"segmentation":{"size":[4,6],"counts":[9,2,2,2,2,2,5]},"area":6,"bbox":[2,1,3,2],"iscrowd":0},
        {"id":2,"image_id":1,"category_id":1,"segmentation":{"size":[4,6],"counts":"9220003"},"area":6,"bbox":[2,1,3,2],"iscrowd":0},
        {"id":3,"image_id":1,"category_id":1,"segmentation":[[0,0,1,0,1,1]],"area":1,"bbox":[0,0,1,1],"iscrowd":0}"#,
    ));
    let mask = Mask::filled(Size::new(6, 4), Rect::new(1.0, 1.0, 2.0, 3.0));
    for instance in &mut dataset.instances {
        instance.set_mask(&mask);
        assert_eq!((instance.area, instance.bbox), (6.0, Rect::new(1.0, 1.0, 2.0, 3.0)));
    }
    let after = value(&written(&dataset));
    assert_eq!(after["annotations"][0]["segmentation"], json!({"size": [4, 6], "counts": [5, 3, 1, 3, 12]}));
    for place in [1, 2] {
        assert!(after["annotations"][place]["segmentation"]["counts"].is_string());
    }
    assert!(parsed(&written(&dataset)).0.instances.iter().all(|object| object.mask(mask.size()).unwrap() == mask));
}

#[test]
fn a_second_ring_fills_in_and_a_hole_takes_run_lengths_or_a_bridge() {
    let size = Size::new(12, 12);
    let square = |low: f64, high: f64| vec![low, low, high, low, high, high, low, high];
    let union = polygon::rasterize(&[square(1.0, 11.0), square(4.0, 8.0)], size);
    assert_eq!(union, polygon::rasterize(&[square(1.0, 11.0)], size));
    let ring = Mask::from_fn(size, |x, y| (1..11).contains(&x) && (1..11).contains(&y) && !((4..8).contains(&x) && (4..8).contains(&y)));
    let bridged = polygon::keyholes(&ring, 0.0);
    assert_eq!(polygon::rasterize(&bridged, size), ring);
    // The bridge runs there and back, so that points come twice.
    let mut points: Vec<[u64; 2]> = bridged[0].as_chunks::<2>().0.iter().map(|point| point.map(f64::to_bits)).collect();
    let count = points.len();
    points.sort_unstable();
    points.dedup();
    assert!(bridged.len() == 1 && points.len() < count, "{bridged:?}");

    let text = format!(
        r#"{{"images":[{{"id":1,"width":12,"height":12,"file_name":"a.jpg"}}],"annotations":[{{"id":1,"image_id":1,"category_id":1,
        "segmentation":{bridged:?},"area":84,"bbox":[1,1,10,10],"iscrowd":0}}],"categories":[{{"id":1,"name":"c"}}]}}"#
    );
    let (mut dataset, report) = parsed(&text);
    assert!(report.is_empty());
    assert_eq!(value(&written(&dataset)), value(&text));
    // A new record, and every format that has polygons, keeps each point.
    dataset.instances[0].source = None;
    assert_eq!(parsed(&written(&dataset)).0.instances[0].shape, Shape::Polygons(bridged.clone().into()));
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("pictures")).unwrap();
    image::RgbImage::new(12, 12).save(folder.path().join("pictures/a.png")).unwrap();
    for format in [Format::Labelme, Format::YoloSeg, Format::Cvat] {
        let path = folder.path().join(format!("{format:?}"));
        let watch = &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () };
        let tally = exchange::export(dataset.clone(), format, &path, Some(Policy::Polygons { tolerance_px: 0.0 }), None, watch).unwrap();
        assert_eq!(tally.iou_range(), None, "{tally}");
        let again = exchange::import(format, &path, Some(&folder.path().join("pictures")), None, watch).unwrap().dataset;
        assert_eq!(again.instances[0].shape, Shape::Polygons(bridged.clone().into()), "{format:?}");
    }
}

#[test]
fn run_lengths_that_do_not_fill_the_image_are_an_error_at_their_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    let (truth, report) = parsed(&with_annotations(
        r#"{"id":77,"image_id":1,"category_id":1,"segmentation":{"size":[4,6],"counts":[9,2]},"area":2,"bbox":[2,1,1,2],"iscrowd":0}"#,
    ));
    let said = "annotation 77: the run lengths sum to 11, but 6 x 4 pixels are 24; its box is used (x.json)";
    assert_eq!(report.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [said]);
    fs::write(&path, r#"[{"image_id":1,"category_id":1,"segmentation":{"size":[4,6],"counts":"92"},"bbox":[2,1,1,2],"score":0.5}]"#)
        .unwrap();
    let (_, report) = coco::read_results(&path, &truth).unwrap();
    assert!(report.warnings[0].to_string().starts_with("annotations[0]: the run lengths sum to 11"), "{report:?}");
}

#[test]
fn results_become_a_data_set_with_ids() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let (truth, _) = parsed(&with_annotations(r#"{"id":77,"image_id":1,"category_id":1,"bbox":[2,1,1,2],"area":2,"iscrowd":0}"#));
    fs::write(
        &path,
        r#"[{"image_id":1,"category_id":1,"segmentation":{"size":[4,6],"counts":"9220003"},"score":0.50,"x":1},
        {"image_id":1,"category_id":1,"bbox":[0,0,2.50,1],"score":0.90}]"#,
    )
    .unwrap();
    let watch = &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () };
    let results = exchange::import(Format::Results, &path, None, Some(&truth), watch).unwrap().dataset;
    exchange::export(results, Format::Coco, &path, None, None, watch).unwrap();
    let file = value(&fs::read_to_string(&path).unwrap());
    let expected = json!([
        {"image_id":1,"category_id":1,"segmentation":{"size":[4,6],"counts":"9220003"},"score":0.5,"x":1,"id":78,"area":6,"bbox":[2,1,3,2],"iscrowd":0},
        {"image_id":1,"category_id":1,"bbox":[0,0,2.5,1],"score":0.9,"id":79,"area":2.5,"iscrowd":0}
    ]);
    assert_eq!(file["annotations"], expected);
}

/// A file of LVIS whose counts are those of a larger one.
const LVIS: &str = r#"{"images":[
    {"id":5,"width":6,"height":4,"coco_url":"http://x/val2017/000.jpg","neg_category_ids":[2],"not_exhaustive_category_ids":[7]},
    {"id":6,"width":6,"height":4,"coco_url":"http://x/val2017/001.jpg","neg_category_ids":[],"not_exhaustive_category_ids":[]}],
    "annotations":[{"id":1,"image_id":5,"category_id":7,"area":6.00,"bbox":[2,1,3,2],"segmentation":[[2,1,5,1,5,3,2,3]]},
    {"id":2,"image_id":5,"category_id":7,"area":6.00,"bbox":[2,1,3,2],"segmentation":[[2,1,5,1,5,3,2,3]]}],
    "categories":[{"id":7,"name":"fireplug","synset":"fireplug.n.01","frequency":"c","image_count":99,"instance_count":199,"def":"d","synonyms":["fireplug"]},
    {"id":2,"name":"cat","synset":"cat.n.01","frequency":"f","image_count":0,"instance_count":0,"def":"d","synonyms":["cat"]}]}"#;

#[test]
fn an_edited_file_of_lvis_is_saved_with_its_own_counts_and_an_untouched_one_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let (mut dataset, report) = parsed(LVIS);
    assert!(report.is_empty(), "{report:?}");
    coco::save(&dataset, &path).unwrap();
    assert_eq!(value(&fs::read_to_string(&path).unwrap()), value(LVIS));

    // An object of a new class and, with a score, one of a class that was verified absent.
    let mut put = |id: i64, class: i64| {
        let instance =
            Instance { id: InstanceId(id), category_id: CategoryId(class), source: None, score: Some(0.5), ..dataset.instances[0].clone() };
        let edit = Edit::Insert { index: usize::MAX, instance: Box::new(instance) };
        let freed = lvis::freed(&edit, |id| dataset.image(id));
        let edits = std::iter::once(edit).chain(freed.iter().map(|(edit, _)| edit.clone())).collect();
        dataset.apply(&Edit::Batch(edits)).unwrap();
        freed.into_iter().map(|(_, class)| class.0).collect::<Vec<_>>()
    };
    assert_eq!(put(3, 2), [2]);
    assert_eq!(put(4, 2), Vec::<i64>::new());
    assert_eq!(put(5, 8), Vec::<i64>::new());
    let class = Category { id: CategoryId(8), name: "banana".to_owned(), supercategory: String::new(), source: None };
    dataset.categories.push(class);
    dataset.instances[1].score = Some(0.25);
    dataset.instances[1].changed = annotator::annotation::Field::SCORE;
    lvis::save_edited(&dataset, &path, &Cancel::new(), &mut |_| ()).unwrap();
    let after = value(&fs::read_to_string(&path).unwrap());
    let mut expected = value(LVIS);
    expected["images"][0]["neg_category_ids"] = json!([]);
    for (place, images, objects) in [(0, 1, 2), (1, 1, 2)] {
        expected["categories"][place]["image_count"] = json!(images);
        expected["categories"][place]["instance_count"] = json!(objects);
    }
    assert_eq!(after["images"], expected["images"]);
    assert_eq!(after["categories"].as_array().unwrap()[..2], expected["categories"].as_array().unwrap()[..]);
    let new = json!({"id":8,"name":"banana","synset":"banana.n.02","synonyms":["banana"],"def":"","frequency":"r","image_count":1,"instance_count":1});
    assert_eq!(after["categories"][2], new);
    for record in after["annotations"].as_array().unwrap() {
        let mut members: Vec<_> = record.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["area", "bbox", "category_id", "id", "image_id", "segmentation"]);
    }
    assert_eq!(after["annotations"][1], expected["annotations"][1]);

    // A file of COCO has no counts to set right.
    let (plain, _) = parsed(&with_annotations(""));
    lvis::save_edited(&plain, &path, &Cancel::new(), &mut |_| ()).unwrap();
    assert_eq!(value(&fs::read_to_string(&path).unwrap()), value(&with_annotations("")));
}

#[test]
fn sizes_beyond_any_picture_are_refused_before_memory_is_taken() {
    let text = r#"{"images":[{"id":9,"width":4000000000,"height":4000000000,"file_name":"a.jpg"}],"annotations":[
        {"id":1,"image_id":9,"category_id":1,"bbox":[0,0,2,2],"area":4,"iscrowd":0}],"categories":[{"id":1,"name":"c"}]}"#;
    let folder = tempfile::tempdir().unwrap();
    for format in Format::ALL {
        let path = folder.path().join("out");
        let watch = &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () };
        let written = exchange::export(parsed(text).0, format, &path, None, None, watch);
        if format.is_json() {
            written.unwrap();
            fs::remove_file(&path).unwrap();
        } else {
            let error = written.unwrap_err().to_string();
            assert!(error.contains("image 9") && error.contains("4000000000"), "{format:?}: {error}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{format:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn untouched_numbers_keep_their_text(numbers in prop::collection::vec("-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", 6..9), edit in any::<bool>()) {
        let ring = numbers.join(", ");
        let own = format!("\"x\":[{ring}],\"score2\":{}", numbers[0]);
        let record = format!(r#"{{"id":1,"image_id":1,"category_id":1,"segmentation":[[{ring}]],"area":{},"bbox":[{}],"iscrowd":0,{own}}}"#, numbers[1], numbers[..4].join(","));
        let (mut dataset, _) = parsed(&with_annotations(&record));
        if edit {
            dataset.instances[0].set_shape(Shape::Polygons(vec![vec![0.0, 0.0, 1.0, 0.0, 1.0, 1.0]].into()));
            let text = written(&dataset);
            prop_assert!(text.contains(&own), "{}", text);
            prop_assert_eq!(&value(&text)["annotations"][0]["area"], &json!(0.5));
        } else {
            prop_assert!(written(&dataset).contains(&record));
        }
    }
}
