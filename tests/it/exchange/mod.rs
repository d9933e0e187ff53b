//! Every format: written, read again and compared, by us and by COCO's own evaluation; what is lost is counted.

mod cvat;
mod hostile;
mod numbers;
mod pair;
mod reference;
mod synset;
mod yolo;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use annotator::annotation::{Category, CategoryId, Dataset, Field, Image, ImageId, Instance, InstanceId, Shape, Verbatim};
use annotator::formats::convert::Policy;
use annotator::formats::exchange::{self, ExchangeError, Format, Imported, Watch};
use annotator::formats::loss::{Kind, Tally};
use annotator::formats::{Problem, coco, lvis};
use annotator::geometry::{Rect, Size};
use annotator::job::Cancel;
use annotator::mask::{Mask, metric};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

fn export(dataset: &Dataset, format: Format, path: &Path) -> Result<Tally, ExchangeError> {
    let (cancel, progress) = (Cancel::new(), &mut |_| ());
    let policy = Some(Policy::Polygons { tolerance_px: 0.0 }).filter(|_| !format.has_forms());
    exchange::export(dataset.clone(), format, path, policy, None, &mut Watch { cancel: &cancel, progress })
}

fn import(format: Format, path: &Path, images: Option<&Path>) -> Result<Imported, ExchangeError> {
    let (cancel, progress) = (Cancel::new(), &mut |_| ());
    exchange::import(format, path, images, None, &mut Watch { cancel: &cancel, progress })
}

fn instance(id: i64, image: i64, category: i64, shape: Shape) -> Instance {
    let bbox = shape.bounds().unwrap_or(Rect::new(2.0, 3.0, 9.0, 6.0));
    let area = shape.area().unwrap_or_else(|| bbox.area());
    let (image_id, category_id) = (ImageId(image), CategoryId(category));
    let (crowd, score, source) = (false, None, None);
    Instance { id: InstanceId(id), image_id, category_id, bbox, shape, area, crowd, score, changed: Field::NONE, source }
}

const SIZE: Size = Size::new(40, 30);

/// Large ids with gaps, a folder in a name, names that XML and YAML write otherwise, an image without objects, holes,
/// several parts, a box, a crowd, run lengths.
fn dataset() -> Dataset {
    let names = [(1 << 40, "first picture.png"), (7, "sub/b & \"c\".png"), (-3, "nothing.png")];
    let image = |(id, name): (i64, &str)| Image { id: ImageId(id), file_name: name.to_owned(), size: SIZE, source: None };
    let classes = [(90, "cat: 'big' & <small>"), (3, "dog, \"x\" # y"), (17, "unused")];
    let category = |(id, name): (i64, &str)| {
        let supercategory = if id == 3 { "animal" } else { "" }.to_owned();
        Category { id: CategoryId(id), name: name.to_owned(), supercategory, source: None }
    };
    let ring = Mask::from_fn(SIZE, |x, y| x.abs_diff(20).max(y.abs_diff(15)) <= 9 && x.abs_diff(20).max(y.abs_diff(15)) >= 4);
    let parts = Shape::Polygons(vec![vec![1.0, 1.0, 9.0, 1.0, 9.0, 9.0, 1.0, 9.0], vec![20.0, 12.0, 31.5, 12.0, 25.25, 28.75]].into());
    let triangle = Shape::Polygons(vec![vec![3.5, 2.25, 33.0, 4.0, 17.75, 28.5]].into());
    let mut crowd = instance(5, 7, 3, Shape::from_mask(&Mask::filled(SIZE, Rect::new(30.0, 20.0, 8.0, 8.0))));
    crowd.crowd = true;
    let instances = vec![
        instance(9_007_199_254_740_993, 1 << 40, 90, Shape::from_mask(&ring)),
        instance(2, 1 << 40, 3, parts),
        instance(-4, 7, 90, triangle),
        instance(8, 7, 3, Shape::Box),
        crowd,
    ];
    let info = Verbatim::whole("{\"year\": 2026}".to_owned());
    let document = vec![("info".to_owned(), Some(info)), ("images".to_owned(), None)];
    Dataset { images: names.map(image).into(), categories: classes.map(category).into(), instances, document }
}

fn pictures(dataset: &Dataset, folder: &Path) {
    for image in &dataset.images {
        let path = folder.join(&image.file_name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::new(image.size.width, image.size.height).save(path).unwrap();
    }
}

/// The dataset through a format and back.
fn through(dataset: &Dataset, format: Format) -> (Imported, Tally, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format.ending().map_or("out".to_owned(), |ending| format!("out.{ending}")));
    let tally = export(dataset, format, &path).unwrap();
    let images = folder.path().join("pictures");
    pictures(dataset, &images);
    let imported = import(format, &path, Some(&images)).unwrap();
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    (imported, tally, folder)
}

fn file_name(dataset: &Dataset, instance: &Instance) -> String {
    dataset.image(instance.image_id).unwrap().file_name.clone()
}

fn class(dataset: &Dataset, instance: &Instance) -> String {
    dataset.category(instance.category_id).unwrap().name.clone()
}

/// The objects by image and order: name, class, pixels.
fn objects(dataset: &Dataset) -> Vec<(String, String, Mask)> {
    let mut objects: Vec<_> = dataset
        .instances
        .iter()
        .map(|object| {
            let size = dataset.image(object.image_id).unwrap().size;
            (file_name(dataset, object), class(dataset, object), object.mask(size).unwrap())
        })
        .collect();
    objects.sort_by(|a, b| a.0.cmp(&b.0));
    objects
}

const WITH_PIXELS: [Format; 4] = [Format::YoloSeg, Format::Cvat, Format::Labelme, Format::Masks];

#[test]
fn every_object_comes_back_with_its_pixels() {
    let before = dataset();
    for format in WITH_PIXELS {
        let (after, tally, _folder) = through(&before, format);
        let after = after.dataset;
        assert_eq!(objects(&after).len(), 5, "{format:?}");
        for (old, new) in objects(&before).iter().zip(objects(&after)) {
            assert_eq!((&old.0, &old.1), (&new.0, &new.1), "{format:?}");
            assert!(metric::iou(&old.2, &new.2) > 0.999, "{format:?} {}", old.0);
        }
        let names: Vec<_> = after.categories.iter().map(|category| category.name.as_str()).collect();
        assert_eq!(names, before.categories.iter().map(|category| category.name.as_str()).collect::<Vec<_>>(), "{format:?}");
        assert_eq!(after.images.len(), 3, "{format:?}");
        assert!(after.images.iter().all(|image| image.size == SIZE), "{format:?}");
        assert_eq!(tally.count(Kind::Crowd), usize::from(format != Format::Labelme), "{format:?}");
        assert_eq!((tally.count(Kind::Member), tally.count(Kind::Group), tally.count(Kind::Id)), (1, 1, 11), "{format:?}");
        let polygon = matches!(format, Format::YoloSeg | Format::Cvat);
        assert_eq!(tally.count(Kind::Bridged), usize::from(polygon), "{format:?}");
        assert_eq!(tally.count(Kind::Box), usize::from(matches!(format, Format::YoloSeg | Format::Masks)), "{format:?}");
    }
}

#[test]
fn an_outline_that_cannot_take_another_form_is_not_left_out() {
    let mut before = dataset();
    before.images[0].size = Size::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let tally = export(&before, Format::Results, &path).unwrap();
    assert_eq!((tally.count(Kind::Unshaped), tally.count(Kind::Object)), (1, 0), "{tally}");
    let written: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(written.as_array().unwrap().len(), before.instances.len());
}

#[test]
fn ids_count_as_lost_where_they_do_not_come_back() {
    let mut before = through(&dataset(), Format::Labelme).0.dataset;
    let ids = |dataset: &Dataset| {
        let of_object = |object: &Instance| (object.id, file_name(dataset, object), object.image_id, object.category_id);
        dataset.instances.iter().map(of_object).collect::<Vec<_>>()
    };
    for format in [Format::YoloSeg, Format::Cvat, Format::Labelme] {
        let (after, tally, _folder) = through(&before, format);
        assert_eq!((ids(&after.dataset), tally.count(Kind::Id)), (ids(&before), 0), "{format:?}");
    }
    // A file of its own for each image is found by its name, and CVAT's one file has the images in their order.
    let mut unsorted = before.clone();
    "z.png".clone_into(&mut unsorted.images[0].file_name);
    for (format, lost) in [(Format::Cvat, 0), (Format::Labelme, 11)] {
        let (after, tally, _folder) = through(&unsorted, format);
        assert_eq!((ids(&after.dataset) == ids(&unsorted), tally.count(Kind::Id)), (lost == 0, lost), "{format:?}");
    }
    let name = before.categories[0].name.clone();
    before.categories[1].name = name;
    let (after, tally, _folder) = through(&before, Format::Labelme);
    assert!(ids(&after.dataset) != ids(&before) && tally.count(Kind::Id) == 11, "{tally}");
}

#[test]
fn labelme_keeps_parts_boxes_masks_and_crowds() {
    let before = dataset();
    let (after, tally, folder) = through(&before, Format::Labelme);
    let by_name = |dataset: &Dataset| {
        let mut shapes: Vec<_> = dataset.instances.iter().map(|object| (file_name(dataset, object), object.shape.clone())).collect();
        shapes.sort_by(|a, b| a.0.cmp(&b.0));
        shapes
    };
    assert_eq!(by_name(&before), by_name(&after.dataset));
    assert_eq!(after.dataset.instances.iter().filter(|object| object.crowd).count(), 1);
    assert_eq!(tally.count(Kind::Pixels), 0);
    let file: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("out/sub/b & \"c\".json")).unwrap()).unwrap();
    assert_eq!((&file["imagePath"], &file["imageHeight"]), (&json!("b & \"c\".png"), &json!(30)));
    assert_eq!(file["shapes"][0]["shape_type"], "polygon");
    assert_eq!(file["shapes"][1]["points"], json!([[2.0, 3.0], [11.0, 9.0]]));
}

#[test]
fn voc_has_whole_boxes_and_difficult_ones() {
    let mut before = dataset();
    let error = {
        let mut twice = before.clone();
        twice.images[2].file_name = "other/first picture.jpg".to_owned();
        let folder = tempfile::tempdir().unwrap();
        let error = export(&twice, Format::Voc, &folder.path().join("out")).unwrap_err().to_string();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        error
    };
    assert!(error.contains("first picture"), "{error}");
    before.instances[2].bbox = Rect::new(0.6, 0.6, 0.2, 0.2);
    let (after, tally, _folder) = through(&before, Format::Voc);
    assert_eq!((tally.count(Kind::Outline), tally.count(Kind::Rounded), tally.count(Kind::Crowd)), (4, 2, 0));
    assert!(after.tally.to_string().contains("1 difficult objects became crowds") && after.tally.count(Kind::Difficult) == 1);
    let boxes: Vec<_> = after.dataset.instances.iter().map(|object| (class(&after.dataset, object), object.bbox, object.crowd)).collect();
    let (cat, dog) = (before.categories[0].name.clone(), before.categories[1].name.clone());
    assert!(boxes.contains(&(cat.clone(), Rect::new(11.0, 6.0, 19.0, 19.0), false)), "{boxes:?}");
    assert!(boxes.contains(&(dog.clone(), Rect::new(2.0, 3.0, 9.0, 6.0), false)), "{boxes:?}");
    assert!(boxes.contains(&(dog, Rect::new(30.0, 20.0, 8.0, 8.0), true)), "{boxes:?}");
    assert!(boxes.contains(&(cat, Rect::new(1.0, 1.0, 1.0, 1.0), false)), "{boxes:?}");
}

#[test]
fn class_numbers_show_the_later_object_and_say_what_it_hides() {
    let before = dataset();
    let (after, tally, folder) = through(&before, Format::Semantic);
    assert_eq!((tally.count(Kind::Overlap), tally.count(Kind::Joined)), (2, 2));
    let picture = image::open(folder.path().join("out/first picture.png")).unwrap().into_luma8();
    assert_eq!((picture.get_pixel(12, 10).0, picture.get_pixel(25, 20).0, picture.get_pixel(39, 29).0), ([1], [2], [0]));
    assert_eq!(after.dataset.instances.len(), 4);
    let image = image::GrayImage::from_pixel(2, 1, image::Luma([255]));
    image.save(folder.path().join("out/nothing.png")).unwrap();
    fs::remove_file(folder.path().join("pictures/nothing.png")).unwrap();
    let again = import(Format::Semantic, &folder.path().join("out"), Some(&folder.path().join("pictures"))).unwrap();
    assert_eq!(again.tally.count(Kind::Picture), 1);
    let alone = import(Format::Semantic, &folder.path().join("out"), None).unwrap();
    assert_eq!((alone.tally.count(Kind::Void), alone.dataset.instances.len()), (1, 4));
}

#[test]
fn many_classes_take_two_bytes() {
    let mut before = dataset();
    let class = |id| Category { id: CategoryId(id), name: format!("c{id}"), supercategory: String::new(), source: None };
    before.categories.extend((1000..1400).map(class));
    before.instances[4].category_id = CategoryId(1390);
    let (after, ..) = through(&before, Format::Semantic);
    let last = objects(&after.dataset).into_iter().find(|object| object.1 == "c1390").unwrap();
    assert_eq!(last.2, before.instances[4].mask(SIZE).unwrap());
}

#[test]
fn a_folder_that_is_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.txt"), "x").unwrap();
    for format in Format::ALL.into_iter().filter(|format| format.is_folder()) {
        let error = export(&dataset(), format, folder.path()).unwrap_err();
        assert!(matches!(error, ExchangeError::NotEmpty { .. }), "{error}");
        let cancel = Cancel::new();
        cancel.cancel();
        let watch = &mut Watch { cancel: &cancel, progress: &mut |_| () };
        let path = folder.path().join("new");
        let stopped = exchange::export(dataset(), format, &path, None, None, watch);
        assert!(matches!(stopped, Err(ExchangeError::Cancelled)), "{format:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{format:?}");
    }
}

#[test]
fn results_are_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    let mut scored = dataset();
    scored.instances[0].score = Some(0.25);
    let tally = export(&scored, Format::Results, &path).unwrap();
    assert_eq!(tally.count(Kind::Crowd), 1);
    let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let scores: Vec<_> = file.as_array().unwrap().iter().map(|record| record["score"].as_f64().unwrap()).collect();
    assert_eq!(scores, [0.25, 1.0, 1.0, 1.0, 1.0]);
    let watch = &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () };
    let read = exchange::import(Format::Results, &path, None, Some(&scored), watch).unwrap().dataset;
    assert_eq!(objects(&read), objects(&scored));
    export(&read, Format::Results, &path).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&fs::read_to_string(&path).unwrap()).unwrap(), file);
    assert!(matches!(import(Format::Results, &path, None), Err(ExchangeError::NoReference { .. })));
}

#[test]
fn coco_is_written_with_whole_flags_and_forward_slashes() {
    let text = r#"{"images":[{"id":1,"width":6,"height":4,"file_name":"a\\b.jpg"}],"annotations":[
        {"id":1,"image_id":1,"category_id":1,"bbox":[0,0,2,2],"area":4.00,"segmentation":[[0,0,2,0,2,2]],"iscrowd":true,"x":1.50},
        {"id":2,"image_id":1,"category_id":1,"bbox":[0,0,2,2],"area":4.00,"segmentation":[[0,0,2,0,2,2]]}],"categories":[{"id":1,"name":"c"}]}"#;
    let (read, _) = coco::parse(&Arc::from(text), Path::new("x.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.json");
    assert!(export(&read, Format::Coco, &path).unwrap().is_empty());
    let mut expected: Value = serde_json::from_str(text).unwrap();
    expected["images"][0]["file_name"] = json!("a/b.jpg");
    expected["annotations"][0]["iscrowd"] = json!(1);
    expected["annotations"][1]["iscrowd"] = json!(0);
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), expected);
    assert!(written.contains("\"x\":1.50") && written.contains("4.00"));
}

#[test]
fn what_a_data_set_of_masks_has_no_place_for_is_counted_on_the_way_in() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let read = |format: Format, path: &str| import(format, &root.join(path), None).unwrap().tally;
    let shape = |rest: Value| {
        let mut shape = json!({"label": "x", "points": [[0, 0], [3, 0], [3, 3]], "shape_type": "polygon", "group_id": null, "description": "", "flags": {}});
        shape.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        shape
    };
    let shapes =
        [json!({}), json!({"description": "behind"}), json!({"flags": {"hard": false, "iscrowd": true}}), json!({"mask": null, "z": 3})];
    let file = json!({"imagePath": "a.png", "imageHeight": 4, "imageWidth": 4, "imageData": null, "flags": {"night": true}, "shapes": shapes.map(shape)});
    fs::create_dir(root.join("lm")).unwrap();
    fs::write(root.join("lm/a.json"), file.to_string()).unwrap();
    let tally = read(Format::Labelme, "lm");
    assert_eq!(tally.count(Kind::Member), 4, "{tally}");
    assert!(tally.to_string().contains("shapes[2] (hard)") && tally.to_string().contains("shapes[3] (z)"), "{tally}");

    let object = |rest: &str| {
        format!("<object><name>x</name>{rest}<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></object>")
    };
    let objects = [object("<truncated>0</truncated>"), object("<truncated>1</truncated><occluded>1</occluded>")].concat();
    fs::create_dir(root.join("voc")).unwrap();
    let size = "<size><width>4</width><height>4</height><depth>3</depth></size>";
    fs::write(root.join("voc/a.xml"), format!("<annotation><filename>a.jpg</filename>{size}{objects}</annotation>")).unwrap();
    let tally = read(Format::Voc, "voc");
    assert!(tally.count(Kind::Member) == 2 && tally.to_string().contains("a.xml: occluded (1), truncated (1)"), "{tally}");

    let boxes = r#"<box label="x" xtl="0" ytl="0" xbr="2" ybr="2" occluded="1"><attribute name="color">red</attribute></box>
        <box label="x" xtl="0" ytl="0" xbr="2" ybr="2" occluded="0"></box><points label="x" points="1,1"></points>"#;
    fs::write(root.join("c.xml"), format!(r#"<annotations><image id="0" name="a" width="4" height="4">{boxes}</image></annotations>"#))
        .unwrap();
    let tally = read(Format::Cvat, "c.xml");
    assert_eq!((tally.count(Kind::Member), tally.count(Kind::Unsupported)), (2, 1), "{tally}");
}

#[test]
fn the_masks_of_cvat_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.xml");
    let file = |members: &str| {
        let mask = format!(r#"<mask label="A &amp; B" occluded="0" {members} z_order="0"></mask>"#);
        let other = r#"<polygon label="x" points="0,0;3,0;3,3"></polygon><points label="x" points="1,1"/>"#;
        let image = format!(r#"<image id="0" name="a&lt;b.jpg" width="6" height="5">{other}{mask}</image>"#);
        fs::write(
            &path,
            format!(r#"<?xml version="1.0"?><annotations>{image}<image id="1" name="c" width="2" height="2"/></annotations>"#),
        )
        .unwrap();
    };
    // Rows .##, ###, #.. in a box at (2, 1).
    file(r#"rle="1, 6, 2" left="2" top="1" width="3" height="3""#);
    let imported = import(Format::Cvat, &path, None).unwrap();
    let dataset = &imported.dataset;
    assert_eq!((dataset.instances.len(), imported.tally.count(Kind::Unsupported)), (2, 1), "{}", imported.tally);
    let object = &dataset.instances[1];
    assert_eq!((object.area, object.bbox), (6.0, Rect::new(2.0, 1.0, 3.0, 3.0)));
    assert_eq!(dataset.categories.iter().find(|class| class.id == object.category_id).unwrap().name, "A & B");
    let mask = object.shape.mask(object.bbox, Size::new(6, 5)).unwrap();
    let rows: Vec<String> = (0..5).map(|y| (0..6).map(|x| if mask.get(x, y) { '#' } else { '.' }).collect()).collect();
    assert_eq!(rows, ["......", "...##.", "..###.", "..#...", "......"]);

    let told = |members: &str| {
        file(members);
        let tally = import(Format::Cvat, &path, None).unwrap().tally;
        assert_eq!(tally.count(Kind::Unreadable), 1, "{members}: {tally}");
        tally.to_string()
    };
    for (members, said) in [
        (r#"rle="1, 6" left="2" top="1" width="3" height="3""#, "has no usable `rle`"),
        (r#"rle="1, 9999999999" left="2" top="1" width="3" height="3""#, "`9999999999`"),
        (r#"rle="1, 60" left="2" top="1" width="3" height="3""#, "has no usable `rle`"),
        (r#"rle="9" left="4" top="1" width="3" height="3""#, "7 x 4"),
        (r#"rle="9" left="-1" top="1" width="3" height="3""#, "`-1`"),
        (r#"rle="9" top="1" width="3" height="3""#, "has no usable `left`"),
    ] {
        let told = told(members);
        assert!(told.contains("c.xml: mask 1 (image a<b.jpg): ") && told.contains(said), "{members}: {told}");
    }
}

#[test]
fn the_turned_boxes_of_cvat_are_polygons() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.xml");
    let boxed =
        |label: &str, rotation: &str| format!(r#"<box label="{label}" xtl="10.00" ytl="60.00" xbr="110.00" ybr="80.00"{rotation}/>"#);
    let image = format!(
        r#"<image id="0" name="a" width="200" height="200">{}{}<mask label="x" rle="0, 4" left="0" top="0" width="2" height="2"/>{}</image>"#,
        boxed("before", ""),
        boxed("turned", r#" rotation="90.00""#),
        boxed("after", r#" rotation="0""#)
    );
    fs::write(&path, format!("<annotations>{image}</annotations>")).unwrap();
    let imported = import(Format::Cvat, &path, None).unwrap();
    assert_eq!(imported.tally.kinds.keys().collect::<Vec<_>>(), [&Kind::Redrawn], "{}", imported.tally);
    let objects = &imported.dataset.instances;
    let turned: Vec<&Instance> = objects.iter().filter(|object| matches!(object.shape, Shape::Polygons(_))).collect();
    assert_eq!((objects.len(), turned.len()), (4, 1));
    let class = imported.dataset.categories.iter().find(|class| class.id == turned[0].category_id).unwrap();
    assert_eq!(class.name, "turned");
    assert_eq!((turned[0].bbox, turned[0].area), (Rect::new(50.0, 20.0, 20.0, 100.0), 2000.0));
}

#[test]
fn a_number_that_is_none_or_far_away_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("voc")).unwrap();
    for number in ["nan", "inf", "-1e300"] {
        let corners = format!("<xmin>{number}</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax>");
        let size = "<size><width>4</width><height>4</height><depth>3</depth></size>";
        let object = format!("<object><name>x</name><bndbox>{corners}</bndbox></object>");
        fs::write(root.join("voc/a.xml"), format!("<annotation><filename>a.jpg</filename>{size}{object}</annotation>")).unwrap();
        let rings = format!(r#"<polygon label="x" points="1,1;{number},2;2,2"/>"#);
        fs::write(
            root.join("c.xml"),
            format!(r#"<annotations><image id="0" name="a.jpg" width="4" height="4">{rings}</image></annotations>"#),
        )
        .unwrap();
        for (format, path) in [(Format::Voc, "voc"), (Format::Cvat, "c.xml")] {
            let error = import(format, &root.join(path), None).unwrap_err().to_string();
            assert!(error.contains(&root.join(path).display().to_string()), "{format:?} {number}: {error}");
        }
    }
    let image = r#"<annotations><image id="0" name="a.jpg" width="4000000000" height="4000000000"/></annotations>"#;
    fs::write(root.join("c.xml"), image).unwrap();
    let error = import(Format::Cvat, &root.join("c.xml"), None).unwrap_err().to_string();
    assert!(error.starts_with("image a.jpg: ") && error.ends_with("c.xml"), "{error}");
}
