//! Between COCO and LVIS.

use super::*;

#[test]
fn coco_and_lvis_meet_by_synset() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"{"info":{"v":1},"images":[
        {"id":5,"width":6,"height":4,"coco_url":"http://x/val2017/000.jpg","neg_category_ids":[2, 9],"not_exhaustive_category_ids":[7]},
        {"id":6,"width":6,"height":4,"file_name":"1.jpg","neg_category_ids":[],"not_exhaustive_category_ids":[]}],
        "annotations":[{"id":1,"image_id":5,"category_id":7,"area":6.00,"bbox":[2,1,3,2],"segmentation":[[2,1,5,1,5,3,2,3]]},
        {"id":2,"image_id":5,"category_id":9,"area":6.00,"bbox":[2,1,3,2],"segmentation":[[2,1,5,1,5,3,2,3]]}],
        "categories":[{"id":7,"name":"fireplug","synset":"fireplug.n.01","frequency":"c","image_count":99,"instance_count":99,"def":"d","synonyms":["fireplug"]},
        {"id":9,"name":"acorn","synset":"acorn.n.01","frequency":"r","image_count":1,"instance_count":1,"def":"d","synonyms":["acorn"]},
        {"id":2,"name":"cat","synset":"cat.n.01","frequency":"f","image_count":0,"instance_count":0,"def":"d","synonyms":["cat"]}]}"#;
    let (read, report) = coco::parse(&Arc::from(text), Path::new("lvis.json")).unwrap();
    assert!(report.is_empty());
    let classes = read.categories.clone();
    let path = folder.path().join("out.json");
    let saved = |tally: Tally| (serde_json::from_str::<Value>(&fs::read_to_string(&path).unwrap()).unwrap(), tally);

    let (same, tally) = saved(export(&read, Format::Lvis, &path).unwrap());
    let mut expected: Value = serde_json::from_str(text).unwrap();
    // The object of class 9 contradicts the mark; the counts are those of this file.
    expected["images"][0]["neg_category_ids"] = json!([2]);
    expected["categories"][0]["image_count"] = json!(1);
    expected["categories"][0]["instance_count"] = json!(1);
    assert_eq!(same, expected);
    assert_eq!(tally.count(Kind::Mark), 1);

    let own = lvis::COCO.iter().map(|class| {
        let (name, supercategory) = (class.name.to_owned(), class.supercategory.to_owned());
        Category { id: CategoryId(class.id), name, supercategory, source: None }
    });
    let own: Vec<Category> = own.collect();
    let watch = &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () };
    let (coco_file, tally) = saved(exchange::export(read, Format::Coco, &path, None, Some(&own), watch).unwrap());
    let ids: Vec<_> = coco_file["annotations"].as_array().unwrap().iter().map(|record| record["category_id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [11, 91]);
    assert!(coco_file["annotations"].as_array().unwrap().iter().all(|record| record["iscrowd"] == 0));
    let categories = coco_file["categories"].as_array().unwrap();
    assert_eq!((categories.len(), &categories[10]), (81, &json!({"id": 11, "name": "fire hydrant", "supercategory": "outdoor"})));
    assert_eq!(coco_file["images"][0], json!({"id":5,"width":6,"height":4,"coco_url":"http://x/val2017/000.jpg","file_name":"000.jpg"}));
    assert_eq!((tally.count(Kind::Mark), tally.count(Kind::Counterpart)), (1, 1));

    let (back, _) = coco::read(&path).unwrap();
    let watch = &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () };
    let tally = exchange::export(back, Format::Lvis, &path, None, Some(&classes), watch).unwrap();
    let (again, tally) = saved(tally);
    let ids: Vec<_> = again["annotations"].as_array().unwrap().iter().map(|record| record["category_id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [7, 9]);
    let mut members: Vec<_> = again["annotations"][0].as_object().unwrap().keys().cloned().collect();
    members.sort();
    assert_eq!(members, ["area", "bbox", "category_id", "id", "image_id", "segmentation"]);
    assert_eq!((&again["categories"][0]["frequency"], &again["categories"][0]["instance_count"]), (&json!("c"), &json!(1)));
    assert_eq!(tally.count(Kind::Counterpart), 78);
}

#[test]
fn without_a_reference_classes_keep_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    let (file, path) = (folder.path().join("lvis.json"), folder.path().join("out.json"));
    let object = |id: i64, class: i64| json!({"id": id, "image_id": 5, "category_id": class, "area": 6, "bbox": [2, 1, 3, 2], "segmentation": [[2, 1, 5, 1, 5, 3, 2, 3]]});
    let before = json!({
        "images": [{"id": 5, "width": 6, "height": 4, "file_name": "a.jpg"}],
        "annotations": [object(1, 1), object(2, 12)],
        "categories": [{"id": 1, "name": "zebra_fish"}, {"id": 12, "name": "cat"}, {"id": 30, "name": "screw"}]
    });
    let (read, _) = coco::parse(&Arc::from(before.to_string().as_str()), Path::new("x.json")).unwrap();
    export(&read, Format::Lvis, &file).unwrap();
    let (lvis, _) = coco::read(&file).unwrap();
    let tally = export(&lvis, Format::Coco, &path).unwrap();
    assert_eq!(tally.count(Kind::Counterpart), 0, "{tally}");
    let after: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(after["categories"], before["categories"]);
    let ids = after["annotations"].as_array().unwrap().iter().map(|record| record["category_id"].as_i64().unwrap());
    assert_eq!(ids.collect::<Vec<_>>(), [1, 12]);
}

#[test]
fn a_data_set_of_nothing_but_objects_has_no_flags_in_lvis() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.json");
    let text = r#"{"annotations":[{"id":1,"image_id":7,"category_id":3,"segmentation":[[0,0,1,0,1,1]],"area":0.5,"bbox":[0,0,1,1]}]}"#;
    let (read, _) = coco::parse(&Arc::from(text), Path::new("x.json")).unwrap();
    export(&read, Format::Lvis, &path).unwrap();
    let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(file, serde_json::from_str::<Value>(text).unwrap());
}

#[test]
fn a_crowd_becomes_a_mark_in_lvis() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.json");
    let tally = export(&dataset(), Format::Lvis, &path).unwrap();
    let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!((tally.count(Kind::CrowdObject), tally.count(Kind::Synset)), (1, 3));
    assert_eq!(file["images"][1]["not_exhaustive_category_ids"], json!([3]));
    assert_eq!(file["images"][2]["neg_category_ids"], json!([]));
    assert_eq!(file["annotations"].as_array().unwrap().len(), 4);
    assert_eq!(file["categories"][1]["frequency"], "r");
    assert_eq!((&file["categories"][1]["image_count"], &file["categories"][1]["instance_count"]), (&json!(2), &json!(2)));
}
