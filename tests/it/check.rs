//! The health check: each kind of fault is found once, at its record, and a sound file has none.

use std::path::Path;
use std::sync::Arc;

use annotator::annotation::Dataset;
use annotator::formats::check::check;
use annotator::formats::{Problem, Record, Report, coco};
use annotator::geometry::Size;
use annotator::job::Cancel;
use image::RgbImage;
use image::metadata::Orientation;

/// Two images of 20 x 10 pixels; `annotations` are the records between the brackets.
fn dataset(annotations: &str) -> (Dataset, Report) {
    let text = format!(
        r#"{{"images":[{{"id":1,"width":20,"height":10,"file_name":"a.png"}},{{"id":2,"width":20,"height":10,"file_name":"b.png"}}],
        "annotations":[{annotations}],"categories":[{{"id":1,"name":"x"}},{{"id":2,"name":"y"}}]}}"#
    );
    coco::parse(&Arc::from(text), Path::new("x.json")).unwrap()
}

/// What is found about objects, as "annotation id: code".
fn objects(annotations: &str) -> Vec<String> {
    let (dataset, mut report) = dataset(annotations);
    report.append(check(&dataset, Path::new("x.json"), None, &Cancel::new(), &mut |_| ()).unwrap().report);
    let objects = report.warnings.iter().filter(|warning| !matches!(warning.record, Record::Category(_)));
    objects.map(|warning| format!("{}: {}", warning.record, warning.problem.code())).collect()
}

const SOUND: &str = r#"{"id":1,"image_id":1,"category_id":1,"segmentation":[[2,2,12,2,12,8,2,8]],"area":60,"bbox":[2,2,10,6]},
    {"id":2,"image_id":1,"category_id":2,"segmentation":{"size":[10,20],"counts":[150,5,5,5,35]},"area":10,"bbox":[15,0,2,5]},
    {"id":3,"image_id":2,"category_id":1,"segmentation":[],"area":60,"bbox":[2,2,10,6]}"#;

#[test]
fn a_sound_data_set_has_no_findings() {
    assert_eq!(objects(SOUND), Vec::<String>::new());
}

#[test]
fn every_fault_of_an_object_is_found_at_its_record() {
    let base = r#""image_id":1,"category_id":1"#;
    let cases = [
        (r#""segmentation":[[2,2,12,2,12,8,2,8]],"area":90,"bbox":[2,2,10,6]"#, "area_disagrees"),
        (r#""segmentation":[[2,2,12,2,12,8,2,8]],"area":60,"bbox":[6,2,10,6]"#, "box_disagrees"),
        (r#""segmentation":{"size":[10,20],"counts":[150,5,45]},"area":9,"bbox":[15,0,1,5]"#, "area_disagrees"),
        (r#""segmentation":{"size":[10,20],"counts":[150,5,45]},"area":5,"bbox":[10,0,1,5]"#, "box_disagrees"),
        (r#""segmentation":{"size":[10,20],"counts":[200]},"area":5,"bbox":[1,0,1,5]"#, "empty_mask"),
        (r#""segmentation":[[50,2,60,2,60,8]],"area":30,"bbox":[5,2,10,6]"#, "empty_mask"),
        (r#""segmentation":{"size":[10,20],"counts":[150]},"area":5,"bbox":[1,0,1,5]"#, "bad_run_lengths"),
        (r#""segmentation":[],"area":60,"bbox":[12,2,10,6]"#, "box_outside"),
        (r#""segmentation":[],"area":60,"bbox":[2,-3,10,6]"#, "box_outside"),
        (r#""segmentation":[],"area":0,"bbox":[2,2,0,6]"#, "flat_box"),
        (r#""segmentation":[],"area":0,"bbox":[2,2,6,6]"#, "no_area"),
        (r#""segmentation":[],"area":1,"bbox":[2,2,10,0.3]"#, "narrow_box"),
    ];
    for (members, code) in cases {
        let found = objects(&format!("{SOUND},{{\"id\":9,{base},{members}}}"));
        assert!(found.contains(&format!("annotation 9: {code}")), "{members}: {found:?}");
        assert!(found.iter().all(|finding| finding.starts_with("annotation 9: ")), "{members}: {found:?}");
    }
    let unknown = r#"{"id":1,"image_id":7,"category_id":1,"bbox":[0,0,1,1]},{"id":1,"image_id":1,"category_id":8,"bbox":[0,0,1,1]}"#;
    assert_eq!(objects(unknown), ["annotation 1: unknown_image", "annotation 1: unknown_category", "annotation 1: duplicate_id"]);
}

#[test]
fn nearly_equal_masks_of_one_image_name_each_other() {
    let square = |id: u32, image: u32, category: u32, left: f64| {
        let right = left + 10.0;
        format!(
            r#"{{"id":{id},"image_id":{image},"category_id":{category},"segmentation":[[{left},0,{right},0,{right},10,{left},10]],"area":100,"bbox":[{left},0,10,10]}}"#
        )
    };
    let runs =
        r#"{"id":5,"image_id":1,"category_id":1,"segmentation":{"size":[10,20],"counts":[0,100,100]},"area":100,"bbox":[0,0,10,10]}"#;
    let all = [square(1, 1, 1, 0.0), square(2, 1, 2, 0.0), square(3, 2, 1, 0.0), square(4, 1, 1, 4.0), runs.to_owned()].join(",");
    let (dataset, _) = dataset(&all);
    let health = check(&dataset, Path::new("x.json"), None, &Cancel::new(), &mut |_| ()).unwrap();
    let pairs: Vec<_> = health
        .report
        .warnings
        .iter()
        .filter_map(|warning| match (&warning.record, &warning.problem) {
            (Record::Annotation(id), Problem::NearDuplicate { other, iou, same_category }) => Some((*id, *other, *iou, *same_category)),
            _ => None,
        })
        .collect();
    assert_eq!(pairs, [(2, 1, 1.0, false), (5, 1, 1.0, true), (5, 2, 1.0, false)]);
    assert_eq!((health.summary.images, health.summary.objects, health.summary.images_without_objects), (2, 5, 0));
}

#[test]
fn pictures_that_are_missing_broken_turned_or_of_another_size() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    RgbImage::new(20, 10).save(at("a.png")).unwrap();
    let (mut dataset, _) = dataset("");
    let findings = |dataset: &Dataset| {
        let mut last = None;
        let health = check(dataset, Path::new("x.json"), Some(folder.path()), &Cancel::new(), &mut |at| last = Some(at)).unwrap();
        assert_eq!(last.unwrap().fraction(), Some(1.0));
        let images = health.report.warnings.into_iter().filter(|warning| matches!(warning.record, Record::Image(_)));
        images.map(|warning| (warning.record, warning.problem)).collect::<Vec<_>>()
    };
    assert_eq!(findings(&dataset), [(Record::Image(2), Problem::NoPicture("b.png".to_owned()))]);
    RgbImage::new(10, 20).save(at("b.png")).unwrap();
    let size = Problem::PictureSize { stored: Size::new(20, 10), found: Size::new(10, 20) };
    assert_eq!(findings(&dataset), [(Record::Image(2), size)]);
    std::fs::write(at("b.png"), "no picture").unwrap();
    assert!(matches!(findings(&dataset).as_slice(), [(Record::Image(2), Problem::Picture(_))]));
    std::fs::write(at("b.png"), crate::picture::jpeg(&RgbImage::new(20, 10), Orientation::Rotate90)).unwrap();
    assert_eq!(findings(&dataset), [(Record::Image(2), Problem::Turned { orientation: 6 })]);
    dataset.images[1].file_name = r"C:\elsewhere\b.png".to_owned();
    assert_eq!(findings(&dataset), [(Record::Image(2), Problem::Turned { orientation: 6 })], "the last part of the name is found");
    dataset.images[1].size = Size::new(10, 20);
    assert!(findings(&dataset).is_empty(), "the record was made on the upright picture");
    dataset.images[1].size = Size::new(20, 10);
    dataset.images[1].file_name = "a.png".to_owned();
    assert_eq!(findings(&dataset), [(Record::Image(2), Problem::SameFile(1))]);
    dataset.images[0].size.width = 0;
    assert!(findings(&dataset).contains(&(Record::Image(1), Problem::NoSize)));
}

#[test]
fn a_picture_that_is_cut_off_is_found_and_what_stands_behind_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    RgbImage::new(20, 10).save(at("a.png")).unwrap();
    let (dataset, _) = dataset("");
    let findings = || {
        let health = check(&dataset, Path::new("x.json"), Some(folder.path()), &Cancel::new(), &mut |_| ()).unwrap();
        let images = health.report.warnings.into_iter().filter(|warning| matches!(warning.record, Record::Image(_)));
        images.map(|warning| format!("{} {}", warning.record, warning.problem)).collect::<Vec<_>>()
    };
    let png = std::fs::read(at("a.png")).unwrap();
    for bytes in [png, crate::picture::jpeg(&RgbImage::new(20, 10), Orientation::NoTransforms)] {
        std::fs::write(at("b.png"), [bytes.as_slice(), &[0; 100]].concat()).unwrap();
        assert_eq!(findings(), Vec::<String>::new());
        std::fs::write(at("b.png"), &bytes[..bytes.len() - 10]).unwrap();
        let found = findings();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("image 2 cannot be opened: the picture is cut off: "), "{found:?}");
    }
}

#[test]
fn a_class_that_is_there_is_not_absent() {
    let text = r#"{"images":[{"id":5,"width":6,"height":4,"file_name":"a.jpg","neg_category_ids":[2, 7],"not_exhaustive_category_ids":[]},
        {"id":6,"width":6,"height":4,"file_name":"b.jpg","neg_category_ids":[7],"not_exhaustive_category_ids":[]}],
        "annotations":[{"id":1,"image_id":5,"category_id":7,"area":6,"bbox":[2,1,3,2],"segmentation":[[2,1,5,1,5,3,2,3]]}],
        "categories":[{"id":7,"name":"x","synset":"x.n.01"},{"id":2,"name":"y","synset":"y.n.01"}]}"#;
    let (dataset, _) = coco::parse(&Arc::from(text), Path::new("x.json")).unwrap();
    let health = check(&dataset, Path::new("x.json"), None, &Cancel::new(), &mut |_| ()).unwrap();
    let found: Vec<_> = health.report.warnings.iter().filter(|warning| matches!(warning.record, Record::Image(_))).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0].record, &found[0].problem), (&Record::Image(5), &Problem::NotAbsent(7)));
}

#[test]
fn a_check_can_be_cancelled() {
    let (dataset, _) = dataset(SOUND);
    let cancel = Cancel::new();
    cancel.cancel();
    assert!(check(&dataset, Path::new("x.json"), None, &cancel, &mut |_| ()).is_none());
}

/// What is found in a whole file, as "record problem".
fn found(text: &str) -> Vec<String> {
    let (dataset, mut report) = coco::parse(&Arc::from(text), Path::new("x.json")).unwrap();
    report.append(check(&dataset, Path::new("x.json"), None, &Cancel::new(), &mut |_| ()).unwrap().report);
    report.warnings.iter().map(|warning| format!("{} {}", warning.record, warning.problem.code())).collect()
}

#[test]
fn numbers_that_are_texts_are_found() {
    let text = r#"{"images":[{"id":"1","width":"20","height":10,"file_name":"a.png"}],
        "annotations":[{"id":3,"image_id":"1","category_id":1,"bbox":[1,1,8,8],"area":64,"note":NaN}],"categories":[{"id":1,"name":"1"}]}"#;
    let mut found = found(text);
    found.retain(|finding| finding.ends_with("number_as_text"));
    assert_eq!(found, ["image 1 number_as_text", "image 1 number_as_text", "annotation 3 number_as_text"]);
}

#[test]
fn categories_of_one_name_as_people_read_it_are_found_once() {
    let text = r#"{"images":[],"annotations":[],"categories":[{"id":1,"name":"Car"},{"id":2,"name":"car"},{"id":3,"name":"Car "},
        {"id":4,"name":"cart"},{"id":4,"name":"cart"}]}"#;
    let mut found = found(text);
    found.retain(|finding| !finding.ends_with("unused_category"));
    assert_eq!(found, ["category 4 duplicate_id", "category 2 same_name", "category 3 same_name"]);
}

#[test]
fn a_category_of_two_records_has_the_objects_of_both() {
    let text = r#"{"images":[{"id":1,"width":20,"height":10,"file_name":"a.png"}],
        "annotations":[{"id":3,"image_id":1,"category_id":1,"bbox":[1,1,8,8],"area":64}],"categories":[{"id":1,"name":"x"},{"id":1,"name":"y"}]}"#;
    assert_eq!(found(text), ["category 1 duplicate_id", "category 1 rare_category"]);
}

#[test]
fn boxes_that_are_left_of_broken_masks_are_no_duplicates() {
    let object = |id: u32, outline: &str| {
        format!(r#"{{"id":{id},"image_id":1,"category_id":1,"segmentation":{outline},"area":50,"bbox":[0,0,10,10]}}"#)
    };
    let broken = r#"{"size":[10,20],"counts":[7]}"#;
    let near = |second: &str| {
        let found = objects(&[object(1, "[]"), object(2, second)].join(","));
        found.iter().filter(|finding| finding.ends_with("near_duplicate")).count()
    };
    assert_eq!((near("[]"), near("null"), near(broken), near("[[1,1,2,2]]")), (1, 1, 0, 0));
}

#[test]
fn an_id_that_cannot_be_used_tells_why() {
    let text = r#"{"images":[{"id":1.5,"width":20,"height":10,"file_name":"a.png"}],"annotations":[
        {"id":1e30,"image_id":1.5,"category_id":"x","bbox":[1,1,8,8]},{"image_id":null,"category_id":1,"bbox":[1,1,8,8]}],
        "categories":[{"id":1,"name":"x"}]}"#;
    let (_, report) = coco::parse(&Arc::from(text), Path::new("x.json")).unwrap();
    let mut said: Vec<String> = report.warnings.iter().map(|warning| format!("{} {}", warning.record, warning.problem)).collect();
    said.sort();
    let expected = [
        "annotations[0] has no usable `category_id`: it is no number",
        "annotations[0] has no usable `id`: it is a number that is too large",
        "annotations[0] has no usable `image_id`: it is no whole number",
        "annotations[1] has no usable `id`",
        "annotations[1] has no usable `image_id`",
        "images[0] has no usable `id`: it is no whole number",
    ];
    assert_eq!(said, expected);
}
