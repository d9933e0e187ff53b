//! Every format: written, read again and compared, by us and by COCO's own evaluation; what is lost is counted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use annotator::annotation::{Category, CategoryId, Dataset, Field, Image, ImageId, Instance, InstanceId, Shape, Verbatim};
use annotator::formats::coco;
use annotator::formats::convert::Policy;
use annotator::formats::exchange::{self, ExchangeError, Format, Imported, Watch};
use annotator::formats::loss::{Kind, Tally};
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
    let parts = Shape::Polygons(vec![vec![1.0, 1.0, 9.0, 1.0, 9.0, 9.0, 1.0, 9.0], vec![20.0, 12.0, 31.5, 12.0, 25.25, 28.75]]);
    let triangle = Shape::Polygons(vec![vec![3.5, 2.25, 33.0, 4.0, 17.75, 28.5]]);
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
fn hostile_files_are_named_with_their_record() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("yolo/labels")).unwrap();
    fs::create_dir_all(root.join("yolo/images")).unwrap();
    image::RgbImage::new(8, 8).save(root.join("yolo/images/a.png")).unwrap();
    fs::write(root.join("yolo/data.yaml"), "names: [x]\n").unwrap();
    for (line, said) in [
        ("0 0.1 0.2 0.3", "line 2: 4 numbers"),
        ("1 0 0 1 0 1 1", "line 2: class 1 has no name"),
        ("x 0 0 1 0 1 1", "line 2: `x`"),
        ("0 0 0 1 nan 1 1", "line 2: `nan`"),
        ("0 0 0 1 1e99 1 1", "line 2: `1e99`"),
        ("0 0 0 1 0 1 1 1", "line 2: 8 numbers"),
    ] {
        fs::write(root.join("yolo/labels/a.txt"), format!("0 0.5 0.5 1 1\n{line}\n")).unwrap();
        let error = import(Format::YoloSeg, &root.join("yolo"), None).unwrap_err().to_string();
        assert!(error.starts_with(said) && error.ends_with("a.txt"), "{error}");
    }
    fs::write(root.join("yolo/data.yaml"), "nc: 3\n").unwrap();
    let error = import(Format::YoloSeg, &root.join("yolo"), None).unwrap_err().to_string();
    assert!(error.contains("names") && error.contains("yolo/data.yaml"), "{error}");

    fs::create_dir_all(root.join("voc")).unwrap();
    let voc = |text: &str| {
        fs::write(root.join("voc/a.xml"), text).unwrap();
        import(Format::Voc, &root.join("voc"), None).unwrap_err().to_string()
    };
    for text in ["<annotation><filename>a.jpg</filename><object><name>x &amp; y</name></object></annotation>", "<annotation>", "<a></b>"] {
        let error = voc(text);
        assert!(error.contains("voc/a.xml") && !error.contains("/tmp/.tmp/"), "{error}");
    }

    for text in ["", "<annotations>", "<annotations><image id='0'/></annotations>", "<box/>", "<a", "\u{1}"] {
        fs::write(root.join("c.xml"), text).unwrap();
        let error = import(Format::Cvat, &root.join("c.xml"), None).unwrap_err().to_string();
        assert!(error.contains("c.xml"), "{error}");
    }

    fs::create_dir_all(root.join("lm")).unwrap();
    let shape = |shape: Value| json!({"imagePath": "a.png", "imageHeight": 4, "imageWidth": 4, "imageData": null, "shapes": [shape]});
    for (file, said) in [
        (json!({"imagePath": "a.png"}), "the file: "),
        (json!({"imagePath": "a.png", "imageHeight": 4_000_000, "imageWidth": 4_000_000}), "the file: has no usable `imageWidth"),
        (shape(json!(7)), "shapes[0]: "),
        (shape(json!({"label": "x", "points": [[0, 0]]})), "shapes[0]: has no usable `points`"),
        (shape(json!({"label": "x", "points": [[0, 0], [1, 1e300], [2, 2]]})), "shapes[0]: `1"),
        (shape(json!({"label": "x", "points": [[0, 0], [1, 1]], "shape_type": "mask", "mask": "%"})), "shapes[0]: its mask is not base64"),
        (
            shape(json!({"label": "x", "points": [[0, 0], [1, 1]], "shape_type": "mask", "mask": "AAAA"})),
            "shapes[0]: its mask cannot be read",
        ),
        (shape(json!({"label": "x", "points": [[0, 0], [1, 1]], "shape_type": "mask"})), "shapes[0]: has no usable `mask`"),
    ] {
        fs::write(root.join("lm/a.json"), file.to_string()).unwrap();
        let error = import(Format::Labelme, &root.join("lm"), None).unwrap_err().to_string();
        assert!(error.starts_with(said) && error.ends_with("lm/a.json"), "{error}");
    }
    fs::write(root.join("lm/a.json"), shape(json!({"label": "x", "points": [[0, 0], [1, 1]], "shape_type": "line"})).to_string()).unwrap();
    assert_eq!(import(Format::Labelme, &root.join("lm"), None).unwrap().tally.count(Kind::Unsupported), 1);

    fs::create_dir_all(root.join("masks/a")).unwrap();
    fs::write(root.join("masks/classes.txt"), "background\nx\n").unwrap();
    image::GrayImage::from_pixel(3, 3, image::Luma([9])).save(root.join("masks/a/1_2.png")).unwrap();
    let error = import(Format::Masks, &root.join("masks"), None).unwrap_err().to_string();
    assert!(error.starts_with("the mask: class 2 has no name") && error.ends_with("a/1_2.png"), "{error}");
    fs::write(root.join("masks/a/1_1.png"), b"\x89PNG\r\n").unwrap();
    let error = import(Format::Semantic, &root.join("masks"), None).unwrap_err().to_string();
    assert!(error.starts_with("the mask: ") && error.ends_with("a/1_1.png"), "{error}");
    for format in Format::ALL {
        let error = import(format, &root.join("nowhere"), None).unwrap_err().to_string();
        assert!(error.contains("nowhere"), "{format:?}: {error}");
    }
}

fn python(script: &str, words: &[&Path]) -> Option<Value> {
    let python = std::env::var_os("ANNOTATOR_PYTHON").or_else(|| {
        std::io::Write::write_all(&mut std::io::stderr(), b"skipped: ANNOTATOR_PYTHON names no Python with pycocotools\n").unwrap();
        None
    })?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let output = Command::new(python).arg(script).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn coco_itself_finds_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("original.json");
    let mut before = dataset();
    // An object that is only a box has no pixels for pycocotools.
    before.instances.remove(3);
    coco::save(&before, &original).unwrap();
    for format in WITH_PIXELS {
        let (after, ..) = through(&before, format);
        let path = folder.path().join("after.json");
        export(&after.dataset, Format::Coco, &path).unwrap();
        let Some(found) = python("check_exchange.py", &[&original, &path]) else { return };
        assert_eq!((found["ap"].as_f64(), found["objects"].as_u64()), (Some(1.0), Some(4)), "{format:?}");
        assert!(python("check_coco.py", &[&path]).is_some());
    }
    let path = folder.path().join("after.json");
    for policy in [
        None,
        Some(Policy::Rle { compressed: true }),
        Some(Policy::Rle { compressed: false }),
        Some(Policy::Polygons { tolerance_px: 0.0 }),
    ] {
        let watch = &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () };
        let tally = exchange::export(before.clone(), Format::Coco, &path, policy, None, watch).unwrap();
        assert!(tally.is_empty(), "{tally}");
        let found = python("check_exchange.py", &[&original, &path]).unwrap();
        assert_eq!((found["ap"].as_f64(), found["objects"].as_u64()), (Some(1.0), Some(4)), "{policy:?}");
    }
    let lvis = folder.path().join("lvis.json");
    export(&before, Format::Lvis, &lvis).unwrap();
    let found = python("check_exchange.py", &[&original, &lvis]).unwrap();
    assert_eq!((found["ap"].as_f64(), found["objects"].as_u64()), (Some(1.0), Some(3)));
}

/// Any outline on a small image.
fn outline(size: Size) -> impl Strategy<Value = Shape> {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let corner = (0.0..width, 0.0..height).prop_map(|(x, y)| [(x * 100.0).round() / 100.0, (y * 100.0).round() / 100.0]);
    let ring = prop::collection::vec(corner, 3..7).prop_map(|corners| corners.concat());
    prop_oneof![
        prop::collection::vec(any::<bool>(), size.pixels())
            .prop_map(move |bits| { Shape::from_mask(&Mask::from_bytes(size, bits.into_iter().map(u8::from).collect()).unwrap()) }),
        prop::collection::vec(ring, 1..4).prop_map(Shape::Polygons),
    ]
}

fn any_dataset() -> impl Strategy<Value = Dataset> {
    let size = (1_u32..14, 1_u32..14).prop_map(|(width, height)| Size::new(width, height));
    let image = size.prop_flat_map(|size| (Just(size), prop::collection::vec((outline(size), 0_i64..3), 0..4)));
    prop::collection::vec(image, 1..4).prop_map(|images| {
        let mut dataset = Dataset::default();
        let names = ["a", "B & b", "ü <c>"];
        for (id, name) in (0..).zip(names) {
            dataset.categories.push(Category { id: CategoryId(id), name: name.to_owned(), supercategory: String::new(), source: None });
        }
        for (place, (size, shapes)) in images.into_iter().enumerate() {
            let id = ImageId(100 - place as i64);
            dataset.images.push(Image { id, file_name: format!("{place} é.png"), size, source: None });
            for (shape, class) in shapes {
                let instance = instance(dataset.instances.len() as i64 * 7 - 9, id.0, class, shape);
                dataset.instances.push(instance);
            }
        }
        dataset
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_is_what_was_written_and_the_loss_is_as_told(before in any_dataset()) {
        for format in WITH_PIXELS {
            let (after, tally, _folder) = through(&before, format);
            let mut old = before.clone();
            let empty = |object: &Instance| object.mask(before.image(object.image_id).unwrap().size).unwrap().is_empty();
            if format == Format::Masks {
                old.instances.retain(|object| !empty(object));
            } else {
                old.instances.retain(|object| matches!(object.shape, Shape::Polygons(_)) || !empty(object));
            }
            // Parts of nothing but empty polygons are one of nothing.
            if tally.count(Kind::Object) > before.instances.len() - old.instances.len() {
                continue;
            }

            let (old_objects, new_objects) = (objects(&old), objects(&after.dataset));
            prop_assert_eq!(old_objects.len(), new_objects.len(), "{:?}", format);
            let mut order: Vec<&Instance> = old.instances.iter().collect();
            order.sort_by_key(|object| file_name(&old, object));
            for ((object, old), new) in order.iter().zip(&old_objects).zip(&new_objects) {
                prop_assert_eq!((&old.0, &old.1), (&new.0, &new.1));
                let told = tally.ious.iter().find(|(id, _)| *id == object.id.0).map_or(1.0, |(_, iou)| *iou);
                let found = if old.2 == new.2 { 1.0 } else { metric::iou(&old.2, &new.2) };
                prop_assert!((found - told).abs() < 1e-9, "{:?}: {} has IoU {}, told {}", format, object.id, found, told);
            }
        }
    }

    #[test]
    fn class_numbers_come_back(before in any_dataset()) {
        let (after, _, _folder) = through(&before, Format::Semantic);
        for object in &after.dataset.instances {
            let size = after.dataset.image(object.image_id).unwrap().size;
            let mask = object.mask(size).unwrap();
            let (name, class) = (file_name(&after.dataset, object), class(&after.dataset, object));
            let mut union = Mask::new(size);
            for (_, _, mask) in objects(&before).iter().filter(|other| other.0 == name && other.1 == class) {
                union = Mask::from_fn(size, |x, y| union.get(x, y) || mask.get(x, y));
            }
            prop_assert!((0..size.height).all(|y| (0..size.width).all(|x| !mask.get(x, y) || union.get(x, y))));
        }
    }

    #[test]
    fn damaged_files_never_panic(at in 0_usize..4000, byte in any::<u8>(), cut in any::<bool>()) {
        for format in [Format::Cvat, Format::Labelme, Format::YoloSeg, Format::Voc, Format::Masks] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("out.xml");
            export(&dataset(), format, &path).unwrap();
            pictures(&dataset(), &folder.path().join("pictures"));
            let mut files = Vec::new();
            list(&path, &mut files);
            files.sort();
            let file = &files[at % files.len()];
            let mut bytes = fs::read(file).unwrap();
            if bytes.is_empty() { continue }
            let place = at % bytes.len();
            if cut { bytes.truncate(place) } else { bytes[place] = byte }
            fs::write(file, bytes).unwrap();
            if let Err(error) = import(format, &path, Some(&folder.path().join("pictures"))) {
                prop_assert!(error.to_string().contains("out.xml"), "{}", error);
            }
        }
    }
}

fn list(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_file() {
        return files.push(path.to_owned());
    }
    for entry in fs::read_dir(path).unwrap() {
        list(&entry.unwrap().path(), files);
    }
}

/// Real files, not part of the project: `ANNOTATOR_COCO_JSON` names a folder of them.
#[test]
#[ignore = "needs a folder of real COCO files in ANNOTATOR_COCO_JSON"]
fn real_files_go_through_every_format() {
    let folder = PathBuf::from(std::env::var_os("ANNOTATOR_COCO_JSON").unwrap());
    let original = folder.join("instances_val2014_100.json");
    let (before, _) = coco::read(&original).unwrap();
    let out = tempfile::tempdir().unwrap();
    for format in [Format::Cvat, Format::Labelme, Format::Masks] {
        let path = out.path().join(format!("{format:?}"));
        export(&before, format, &path).unwrap();
        let after = import(format, &path, None).unwrap().dataset;
        let file = out.path().join("after.json");
        export(&after, Format::Coco, &file).unwrap();
        let Some(found) = python("check_exchange.py", &[&original, &file]) else { return };
        let ap = found["ap"].as_f64().unwrap();
        std::io::Write::write_all(&mut std::io::stderr(), format!("{format:?}: AP {ap}, {} objects\n", found["objects"]).as_bytes())
            .unwrap();
        assert!(ap > 0.999, "{format:?}: {ap}");
    }
    let lvis = folder.join("lvis_val_100.json");
    let (before, _) = coco::read(&lvis).unwrap();
    let file = out.path().join("lvis.json");
    assert!(export(&before, Format::Lvis, &file).unwrap().is_empty());
    let value = |path: &Path| serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(value(&file), value(&lvis));
}

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
    let (lvis, report) = coco::parse(&Arc::from(text), Path::new("lvis.json")).unwrap();
    assert!(report.is_empty());
    let path = folder.path().join("out.json");
    let saved = |tally: Tally| (serde_json::from_str::<Value>(&fs::read_to_string(&path).unwrap()).unwrap(), tally);

    let (same, tally) = saved(export(&lvis, Format::Lvis, &path).unwrap());
    let mut expected: Value = serde_json::from_str(text).unwrap();
    // The object of class 9 contradicts the mark; the counts are those of this file.
    expected["images"][0]["neg_category_ids"] = json!([2]);
    expected["categories"][0]["image_count"] = json!(1);
    expected["categories"][0]["instance_count"] = json!(1);
    assert_eq!(same, expected);
    assert_eq!(tally.count(Kind::Mark), 1);

    let (coco_file, tally) = saved(export(&lvis, Format::Coco, &path).unwrap());
    let ids: Vec<_> = coco_file["annotations"].as_array().unwrap().iter().map(|record| record["category_id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [11, 91]);
    assert!(coco_file["annotations"].as_array().unwrap().iter().all(|record| record["iscrowd"] == 0));
    let categories = coco_file["categories"].as_array().unwrap();
    assert_eq!((categories.len(), &categories[10]), (81, &json!({"id": 11, "name": "fire hydrant", "supercategory": "outdoor"})));
    assert_eq!(coco_file["images"][0], json!({"id":5,"width":6,"height":4,"coco_url":"http://x/val2017/000.jpg","file_name":"000.jpg"}));
    assert_eq!((tally.count(Kind::Mark), tally.count(Kind::Counterpart)), (1, 1));

    let (back, _) = coco::read(&path).unwrap();
    let watch = &mut Watch { cancel: &Cancel::new(), progress: &mut |_| () };
    let tally = exchange::export(back, Format::Lvis, &path, None, Some(&lvis.categories), watch).unwrap();
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
