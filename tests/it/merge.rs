//! Two data sets become one: classes and marks of LVIS, a file with itself, and the command.

use std::path::Path;
use std::process::{Command, Output};

use annotator::annotation::{CategoryId, Dataset};
use annotator::formats::lvis;
use annotator::formats::merge::Additions;
use annotator::job::{Cancel, Watch};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::formats::{parsed, written};

fn added(dataset: &Dataset, other: &Dataset, adds_images: bool) -> Additions {
    Additions::of(dataset, other, adds_images, &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () }).unwrap()
}

#[test]
fn synsets_tell_classes_where_both_have_them() {
    let classes = |records: &str| parsed(&format!(r#"{{"images":[],"annotations":[],"categories":[{records}]}}"#)).0;
    let first = classes(r#"{"id":1,"name":"cat","synset":"cat.n.01"}"#);
    let second = r#"{"id":7,"name":"kitty","synset":"cat.n.01"},{"id":8,"name":"cat","synset":"cat.n.02"},{"id":9,"name":"cat"}"#;
    let additions = added(&first, &classes(second), true);
    assert_eq!(additions.categories.iter().map(|class| class.id.0).collect::<Vec<_>>(), [8]);
}

#[test]
fn a_new_object_takes_the_mark_of_an_absent_class_off() {
    let file = |name: &str, marks: &str, object: &str, class: &str| {
        let image = format!(r#""id":1,"file_name":"{name}","width":9,"height":9,"neg_category_ids":{marks}"#);
        let image = format!(r#"{image},"not_exhaustive_category_ids":[]"#);
        parsed(&format!(r#"{{"images":[{{{image}}}],"annotations":[{object}],"categories":[{class}]}}"#)).0
    };
    let first = file("a.png", "[2]", "", r#"{"id":2,"name":"dog","synset":"dog.n.01"}"#);
    let object = r#"{"id":1,"image_id":1,"category_id":5,"bbox":[1,1,4,4],"area":16,"segmentation":[[1,1,5,1,5,5]]}"#;
    let second = file("a.png", "[]", object, r#"{"id":5,"name":"hound","synset":"dog.n.01"}"#);
    let additions = added(&first, &second, false);
    assert_eq!(additions.instances.len(), 1);
    assert!(lvis::marks(&additions.marked[0]).absent.is_empty());
    // The marks of a new image are of the classes here.
    let elsewhere = file("b.png", "[5]", "", r#"{"id":5,"name":"dog"}"#);
    assert_eq!(lvis::marks(&added(&first, &elsewhere, true).images[0]).absent, [CategoryId(2)]);
}

fn record(id: Option<i64>, mut members: Value) -> Value {
    if let Some(id) = id {
        members["id"] = id.into();
    }
    members
}

/// A file whose ids may be missing, taken twice or lead nowhere.
fn file() -> impl Strategy<Value = String> {
    let id = || prop::option::of(1_i64..4);
    let name = prop::sample::select(vec!["", "a.png", "x/a.png", "b.png"]);
    let image = (id(), name, 0..2).prop_map(|(id, name, side)| record(id, json!({"file_name": name, "width": 8 * side, "height": 8})));
    let synset = prop::sample::select(vec!["", "c.n.01", "d.n.01"]);
    let class = (id(), "[cd]", synset).prop_map(|(id, name, synset)| record(id, json!({"name": name, "synset": synset})));
    let object = (id(), 1_i64..5, 1_i64..5, 0..3).prop_map(|(id, image, class, x)| {
        record(id, json!({"image_id": image, "category_id": class, "bbox": [x, 1, 3, 3], "area": 9, "iscrowd": 0}))
    });
    let lists = (prop::collection::vec(image, 0..5), prop::collection::vec(object, 0..6), prop::collection::vec(class, 0..4));
    lists.prop_map(|(images, annotations, categories)| {
        json!({"info": {}, "images": images, "annotations": annotations, "categories": categories}).to_string()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_adds_nothing_to_itself(text in file(), adds_images in any::<bool>()) {
        let dataset = parsed(&text).0;
        let additions = added(&dataset, &dataset, adds_images);
        prop_assert!(additions.is_empty(), "{:?}", additions);
        let mut same = dataset.clone();
        additions.add_to(&mut same);
        prop_assert_eq!(written(&same), written(&dataset));
    }

    #[test]
    fn an_edit_adds_what_is_added_without_images(first in file(), second in file()) {
        let (mut one, second) = (parsed(&first).0, parsed(&second).0);
        let (mut two, before) = (one.clone(), one.clone());
        let additions = added(&one, &second, false);
        let inverse = one.apply(&additions.clone().into_edit(&before)).unwrap();
        additions.add_to(&mut two);
        prop_assert_eq!(&one, &two);
        one.apply(&inverse).unwrap();
        prop_assert_eq!(&one, &before);
    }
}

fn run(folder: &Path, words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_annotator")).current_dir(folder).args(words.split_whitespace()).output().unwrap()
}

#[test]
fn files_become_one() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: Value| std::fs::write(folder.path().join(name), value.to_string()).unwrap();
    let object = |id: i64, image: i64, class: i64, x: i64| {
        let bbox = [x, 1, 3, 3];
        json!({"id": id, "image_id": image, "category_id": class, "bbox": bbox, "area": 9, "iscrowd": 0, "by": "b"})
    };
    let image = |id: i64, name: &str| json!({"id": id, "file_name": name, "width": 9, "height": 9});
    write(
        "a.json",
        json!({"info": {"year": 1}, "images": [image(1, "a.png")], "annotations": [object(1, 1, 1, 0)],
            "categories": [{"id": 1, "name": "cat"}]}),
    );
    write(
        "b.json",
        json!({"info": {"year": 2}, "images": [image(1, "b.png"), image(2, "a.png")],
            "annotations": [object(1, 2, 2, 0), object(2, 2, 2, 4), object(3, 1, 1, 0)],
            "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]}),
    );
    let output = run(folder.path(), "--headless merge --data a.json --with b.json --with a.json --out out.json");
    let (said, warned) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}{warned}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "b.json: 2 objects added, 1 left out as copies, 1 classes added, 1 images added",
            "a.json: 0 objects added, 1 left out as copies, 0 classes added, 0 images added",
            "wrote out.json: 2 images, 3 objects"
        ]
    );
    assert!(warned.contains("warning: 1 top-level members of the other file differ and were left out: `info` (b.json)"), "{warned}");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(folder.path().join("out.json")).unwrap()).unwrap();
    assert_eq!(file["info"], json!({"year": 1}));
    assert_eq!(file["images"], json!([image(1, "a.png"), image(3, "b.png")]));
    assert_eq!(file["categories"], json!([{"id": 1, "name": "cat"}, {"id": 3, "name": "dog"}]));
    assert_eq!(file["annotations"], json!([object(1, 1, 1, 0), object(2, 1, 1, 4), object(3, 3, 3, 0)]));

    // One that is no COCO file is an error that names it, and nothing is written.
    std::fs::write(folder.path().join("c.json"), "{").unwrap();
    let output = run(folder.path(), "--headless merge --data a.json --with c.json --out none.json --progress json");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Value = serde_json::from_str(String::from_utf8_lossy(&output.stdout).lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "error");
    assert!(last["message"].as_str().is_some_and(|told| told.contains("c.json") && said.contains(told)), "{last} {said}");
    assert!(!folder.path().join("none.json").exists());
}

#[test]
fn a_later_file_shows_that_the_end_of_a_name_is_not_enough() {
    let folder = tempfile::tempdir().unwrap();
    for (file, name) in [("a.json", "1.png"), ("b.json", "train/1.png"), ("c.json", "val/1.png")] {
        let image = json!({"id": 1, "file_name": name, "width": 9, "height": 9});
        let document = json!({"images": [image], "annotations": [], "categories": []});
        std::fs::write(folder.path().join(file), document.to_string()).unwrap();
    }
    let images = |words: &str| {
        let output = run(folder.path(), &format!("--headless merge --data a.json {words} --out out.json"));
        let text = std::fs::read_to_string(folder.path().join("out.json")).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        (file["images"].as_array().unwrap().len(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (count, warned) = images("--with b.json");
    assert_eq!(count, 1);
    let told = "1 images were taken for those here by the ends of their names alone: image 1 (train/1.png) for 1.png (b.json)";
    assert!(warned.contains(told), "{warned}");
    assert_eq!(images("--with b.json --with c.json").0, 3);
}
