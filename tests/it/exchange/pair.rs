//! Each reader with its writer, over random data sets: what the format holds comes back, what it cannot hold is counted.

use super::*;

/// Any outline on a small image.
fn outline(size: Size) -> impl Strategy<Value = Shape> {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let corner = (0.0..width, 0.0..height).prop_map(|(x, y)| [(x * 100.0).round() / 100.0, (y * 100.0).round() / 100.0]);
    let ring = prop::collection::vec(corner, 3..7).prop_map(|corners| corners.concat());
    prop_oneof![
        prop::collection::vec(any::<bool>(), size.pixels())
            .prop_map(move |bits| { Shape::from_mask(&Mask::from_bytes(size, bits.into_iter().map(u8::from).collect()).unwrap()) }),
        prop::collection::vec(ring, 1..4).prop_map(|rings| Shape::Polygons(rings.into())),
    ]
}

/// What an object has besides its outline: whether it is only a box, the box in quarters of a pixel, crowd, score.
type Rest = (bool, [f64; 4], bool, Option<f64>);

fn rest(size: Size) -> impl Strategy<Value = Rest> {
    let quarter = |side: u32| (0..side * 4, 1..=side * 4).prop_map(move |(low, length)| (low, length.min(side * 4 - low)));
    let bbox = (quarter(size.width), quarter(size.height)).prop_map(|((x, w), (y, h))| [x, y, w, h].map(|v| f64::from(v) / 4.0));
    (
        prop::bool::weighted(0.2),
        bbox,
        prop::bool::weighted(0.2),
        prop::option::weighted(0.2, (0_u32..100).prop_map(|v| f64::from(v) / 100.0)),
    )
}

fn any_dataset() -> impl Strategy<Value = Dataset> {
    let size = (1_u32..14, 1_u32..14).prop_map(|(width, height)| Size::new(width, height));
    let image = size.prop_flat_map(|size| (Just(size), prop::collection::vec((outline(size), 0_i64..3, rest(size)), 0..4)));
    prop::collection::vec(image, 1..4).prop_map(|images| {
        let mut dataset = Dataset::default();
        let names = ["a", "B & b", "ü <c>"];
        for (id, name) in (0..).zip(names) {
            dataset.categories.push(Category { id: CategoryId(id), name: name.to_owned(), supercategory: String::new(), source: None });
        }
        for (place, (size, shapes)) in images.into_iter().enumerate() {
            let id = ImageId(100 - place as i64);
            dataset.images.push(Image { id, file_name: format!("{place} é.png"), size, source: None });
            for (shape, class, (is_box, [x, y, width, height], crowd, score)) in shapes {
                let shape = if is_box { Shape::Box } else { shape };
                let mut object = instance(dataset.instances.len() as i64 * 7 - 9, id.0, class, shape.clone());
                object.bbox = Rect::new(x, y, width, height);
                object.set_shape(shape);
                dataset.instances.push(Instance { crowd, score, changed: Field::NONE, ..object });
            }
        }
        dataset
    })
}

fn count(dataset: &Dataset, holds: impl Fn(&Instance) -> bool) -> usize {
    dataset.instances.iter().filter(|object| holds(object)).count()
}

/// What every format but COCO and LVIS loses.
fn lost_everywhere(before: &Dataset, format: Format, tally: &Tally) -> bool {
    let crowds = if matches!(format, Format::Labelme | Format::Voc) { 0 } else { count(before, |object| object.crowd) };
    let ids = before.images.len() + before.categories.len() + before.instances.len();
    (tally.count(Kind::Crowd), tally.count(Kind::Score), tally.count(Kind::Id))
        == (crowds, count(before, |object| object.score.is_some()), ids)
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
                old.instances.retain(|object| !matches!(object.shape, Shape::Rle { .. }) || !empty(object));
            }
            prop_assert!(lost_everywhere(&before, format, &tally), "{:?}: {}", format, tally);
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
            let boxes = if matches!(format, Format::YoloSeg | Format::Masks) { count(&old, |object| object.shape == Shape::Box) } else { 0 };
            prop_assert_eq!(tally.count(Kind::Box), boxes, "{:?}", format);
            if format == Format::Labelme {
                let mut found: Vec<&Instance> = after.dataset.instances.iter().collect();
                found.sort_by_key(|object| file_name(&after.dataset, object));
                let kept = |object: &&Instance| (object.shape.clone(), object.bbox, object.crowd);
                prop_assert_eq!(order.iter().map(kept).collect::<Vec<_>>(), found.iter().map(kept).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn voc_keeps_whole_boxes_classes_and_crowds(before in any_dataset()) {
        let (after, tally, _folder) = through(&before, Format::Voc);
        prop_assert!(lost_everywhere(&before, Format::Voc, &tally), "{}", tally);
        let whole = |bbox: Rect| {
            let (left, top) = (bbox.x.round(), bbox.y.round());
            Rect::new(left, top, (bbox.right().round() - left).max(1.0), (bbox.bottom().round() - top).max(1.0))
        };
        let rows = |dataset: &Dataset| {
            let row = |object: &Instance| (file_name(dataset, object), class(dataset, object), whole(object.bbox), object.crowd);
            let mut rows: Vec<_> = dataset.instances.iter().map(row).collect();
            rows.sort_by(|a, b| a.0.cmp(&b.0));
            rows
        };
        prop_assert_eq!(rows(&before), rows(&after.dataset));
        prop_assert!(after.dataset.instances.iter().all(|object| object.shape == Shape::Box && object.bbox == whole(object.bbox)));
        let names = |dataset: &Dataset| dataset.images.iter().map(|image| (image.file_name.clone(), image.size)).collect::<Vec<_>>();
        prop_assert_eq!(names(&before), names(&after.dataset));
        prop_assert_eq!(tally.count(Kind::Outline), count(&before, |object| object.shape != Shape::Box));
        prop_assert_eq!(tally.count(Kind::Rounded), count(&before, |object| object.bbox != whole(object.bbox)));
    }

    #[test]
    fn yolo_keeps_every_box(before in any_dataset()) {
        let (after, tally, _folder) = through(&before, Format::YoloBoxes);
        prop_assert!(lost_everywhere(&before, Format::YoloBoxes, &tally), "{}", tally);
        let mut old = before.clone();
        old.instances.retain(|object| object.bbox.is_drawable());
        prop_assert_eq!(tally.count(Kind::Object), before.instances.len() - old.instances.len());
        prop_assert_eq!((tally.count(Kind::Outline), tally.count(Kind::Cut)), (count(&old, |object| object.shape != Shape::Box), 0));
        let (old, new) = (yolo::boxes(&old), yolo::boxes(&after.dataset));
        prop_assert_eq!(old.len(), new.len());
        for (old, new) in old.iter().zip(&new) {
            prop_assert_eq!((&old.0, &old.1), (&new.0, &new.1));
            let sides = |bbox: Rect| [bbox.x, bbox.y, bbox.width, bbox.height];
            let is_same = sides(old.2).iter().zip(sides(new.2)).all(|(old, new)| (old - new).abs() < 1e-9);
            prop_assert!(is_same, "{:?} became {:?}", old, new);
        }
    }

    #[test]
    fn lvis_keeps_all_but_crowds_and_scores(before in any_dataset()) {
        let mut before = before;
        for (place, image) in before.images.iter_mut().enumerate() {
            let absent = vec![CategoryId(place as i64), CategoryId(2)];
            *image = lvis::with_marks(image, &lvis::Marks { absent, not_exhaustive: vec![CategoryId(1)] });
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lvis.json");
        let tally = export(&before, Format::Lvis, &path).unwrap();
        let after = import(Format::Lvis, &path, None).unwrap();
        prop_assert!(after.report.warnings.iter().all(|warning| warning.problem == Problem::NoPixels), "{:?}", after.report);
        let after = after.dataset;
        prop_assert_eq!(tally.count(Kind::CrowdObject), count(&before, |object| object.crowd));
        let row = |object: &Instance| (object.id, object.image_id, object.category_id, object.shape.clone(), object.bbox, object.area);
        let kept: Vec<_> = before.instances.iter().filter(|object| !object.crowd).map(row).collect();
        prop_assert_eq!(kept, after.instances.iter().map(row).collect::<Vec<_>>());
        let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for record in file["annotations"].as_array().unwrap() {
            let mut members: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
            members.sort_unstable();
            prop_assert_eq!(members, ["area", "bbox", "category_id", "id", "image_id", "segmentation"]);
        }
        for (record, class) in file["categories"].as_array().unwrap().iter().zip(&before.categories) {
            let images: BTreeSet<ImageId> =
                after.instances.iter().filter(|object| object.category_id == class.id).map(|object| object.image_id).collect();
            let objects = count(&after, |object| object.category_id == class.id);
            prop_assert_eq!((&record["image_count"], &record["instance_count"]), (&json!(images.len()), &json!(objects)));
        }
        let mut contradicted = 0;
        for (old, new) in before.images.iter().zip(&after.images) {
            // Crowds are here too, though LVIS has no records of them.
            let is_here = |class: &CategoryId| before.instances_on(new.id).any(|object| object.category_id == *class);
            let (old, marks) = (lvis::marks(old), lvis::marks(new));
            contradicted += old.absent.iter().filter(|class| is_here(class)).count();
            prop_assert_eq!(&marks.absent, &old.absent.iter().copied().filter(|class| !is_here(class)).collect::<Vec<_>>());
            let mut crowded: BTreeSet<CategoryId> =
                before.instances_on(new.id).filter(|object| object.crowd).map(|object| object.category_id).collect();
            crowded.insert(CategoryId(1));
            prop_assert_eq!(marks.not_exhaustive.into_iter().collect::<BTreeSet<_>>(), crowded);
        }
        prop_assert_eq!(tally.count(Kind::Mark), contradicted);
        // A second time nothing is left to change.
        prop_assert!(export(&after, Format::Lvis, &path).unwrap().kinds.keys().all(|kind| *kind == Kind::Synset));
        prop_assert_eq!(serde_json::from_str::<Value>(&fs::read_to_string(&path).unwrap()).unwrap(), file);
    }

    #[test]
    fn results_keep_outline_class_and_score(before in any_dataset()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        let tally = export(&before, Format::Results, &path).unwrap();
        prop_assert_eq!((tally.count(Kind::Crowd), tally.count(Kind::Member)), (count(&before, |object| object.crowd), 2));
        let (after, _) = coco::read_results(&path, &before).unwrap();
        let row = |object: &Instance| {
            let mask = object.mask(before.image(object.image_id).unwrap().size).unwrap();
            let bbox = Some(object.bbox).filter(|_| object.shape == Shape::Box);
            (object.image_id, object.category_id, mask, bbox, object.score.unwrap_or(1.0))
        };
        prop_assert_eq!(before.instances.iter().map(row).collect::<Vec<_>>(), after.instances.iter().map(row).collect::<Vec<_>>());
        let is_readable = |object: &Instance| matches!(object.shape, Shape::Box | Shape::Rle { compressed: true, .. });
        prop_assert!(after.instances.iter().all(is_readable));
        prop_assert!(after.instances.iter().all(|object| object.score.is_some() && before.instance(object.id).is_none()));
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
        for format in [Format::Cvat, Format::Labelme, Format::YoloSeg, Format::YoloBoxes, Format::Voc, Format::Masks] {
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
