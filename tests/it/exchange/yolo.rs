//! YOLO's folder as trainers take it: boxes with exact numbers, pictures beside their labels, both kinds of lines read.

use super::*;

/// The objects by image and order: name, class, box.
pub(super) fn boxes(dataset: &Dataset) -> Vec<(String, String, Rect)> {
    let row = |object: &Instance| (file_name(dataset, object), class(dataset, object), object.bbox);
    let mut boxes: Vec<_> = dataset.instances.iter().map(row).collect();
    boxes.sort_by(|a, b| a.0.cmp(&b.0));
    boxes
}

fn with_pictures(dataset: &Dataset, path: &Path, pictures: &Path, watch: &mut Watch<'_>) -> Result<Tally, ExchangeError> {
    exchange::export_with(dataset.clone(), Format::YoloBoxes, path, None, None, Some(pictures), watch)
}

#[test]
fn boxes_come_back_with_their_numbers() {
    let before = dataset();
    let (after, tally, folder) = through(&before, Format::YoloBoxes);
    assert_eq!(boxes(&after.dataset), boxes(&before));
    assert!(after.dataset.instances.iter().all(|object| object.shape == Shape::Box));
    let counts = [Kind::Outline, Kind::Crowd, Kind::Box, Kind::Cut, Kind::Object].map(|kind| tally.count(kind));
    assert_eq!(counts, [4, 1, 0, 0, 0], "{tally}");
    assert!(after.tally.is_empty(), "{}", after.tally);
    let text = fs::read_to_string(folder.path().join("out/labels/sub/b & \"c\".txt")).unwrap();
    assert_eq!(text, "0 0.45625 0.5125 0.7375 0.875\n1 0.1625 0.2 0.225 0.2\n1 0.85 0.8 0.2 0.266666667\n");
    let kept = |object: &Instance| exchange::kept_iou(object, SIZE, Format::YoloBoxes, None);
    assert_eq!((kept(&before.instances[3]), kept(&before.instances[0])), (Some(1.0), Some(312.0 / 361.0)));
}

#[test]
fn boxes_are_cut_at_the_edge_of_their_image() {
    let mut before = dataset();
    before.instances[3].bbox = Rect::new(-5.0, 10.0, 20.0, 40.0);
    before.instances[2].bbox = Rect::new(40.0, 0.0, 5.0, 5.0);
    assert_eq!(exchange::kept_iou(&before.instances[2], SIZE, Format::YoloBoxes, None), None);
    let (after, tally, _folder) = through(&before, Format::YoloBoxes);
    assert_eq!((tally.count(Kind::Cut), tally.count(Kind::Object)), (1, 1), "{tally}");
    assert!(boxes(&after.dataset).iter().any(|row| row.2 == Rect::new(0.0, 10.0, 15.0, 20.0)), "{:?}", boxes(&after.dataset));
}

#[test]
fn trainers_find_the_pictures_and_their_labels() {
    let mut before = dataset();
    "images/no thing.png".clone_into(&mut before.images[2].file_name);
    let folder = tempfile::tempdir().unwrap();
    let (out, source) = (folder.path().join("out"), folder.path().join("source"));
    pictures(&before, &source);
    let (cancel, progress) = (Cancel::new(), &mut |_| ());
    let watch = &mut Watch { cancel: &cancel, progress };
    assert_eq!(with_pictures(&before, &out, &source, watch).unwrap().count(Kind::MissingPicture), 0);
    for image in &before.images {
        let picture = out.join("images").join(&image.file_name);
        assert_eq!(fs::read(&picture).unwrap(), fs::read(source.join(&image.file_name)).unwrap());
        // As Ultralytics does.
        let (head, tail) = picture.to_str().unwrap().rsplit_once("/images/").unwrap();
        let label = format!("{head}/labels/{}.txt", tail.rsplit_once('.').unwrap().0);
        assert!(Path::new(&label).is_file(), "{label}");
    }
    let yaml = fs::read_to_string(out.join("data.yaml")).unwrap();
    assert!(yaml.starts_with("train: images\nval: images\n") && !yaml.contains("path:"), "{yaml}");
    let after = import(Format::YoloBoxes, &out, None).unwrap();
    assert_eq!((boxes(&after.dataset), after.dataset.images.len()), (boxes(&before), 3));
    assert!(after.tally.is_empty(), "{}", after.tally);

    // What is done to the copy is not done to the picture.
    fs::write(out.join("images/first picture.png"), "changed").unwrap();
    assert_ne!(fs::read(source.join("first picture.png")).unwrap(), b"changed");
    fs::remove_file(source.join("first picture.png")).unwrap();
    let again = folder.path().join("again");
    let tally = with_pictures(&before, &again, &source, watch).unwrap();
    assert!(tally.count(Kind::MissingPicture) == 1 && tally.to_string().contains("first picture.png"), "{tally}");
    assert!(again.join("labels/first picture.txt").is_file() && !again.join("images/first picture.png").exists());

    // A name of another machine.
    "/elsewhere/no thing.png".clone_into(&mut before.images[2].file_name);
    fs::rename(source.join("images/no thing.png"), source.join("no thing.png")).unwrap();
    let third = folder.path().join("third");
    assert_eq!(with_pictures(&before, &third, &source, watch).unwrap().count(Kind::MissingPicture), 1);
    assert!(third.join("images/elsewhere/no thing.png").is_file());
}

#[test]
fn shares_are_those_of_the_upright_picture() {
    let folder = tempfile::tempdir().unwrap();
    let (root, pictures) = (folder.path(), folder.path().join("images"));
    for name in ["labels", "images"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    let turned = crate::picture::png(&image::RgbImage::new(8, 4), image::metadata::Orientation::Rotate90);
    fs::write(pictures.join("a.png"), turned).unwrap();
    fs::write(root.join("labels/a.txt"), "0 0.5 0.5 0.25 0.5\n").unwrap();
    let mut found = Vec::new();
    for (name, text) in [
        ("classes.txt", "cat\n"),
        ("data.yaml", "train: images\nval: images\nnames:\n  0: cat\n"),
        ("data.yaml", "train: list.lst\nval: list.lst\nnames:\n  0: cat\n"),
    ] {
        fs::write(root.join("list.lst"), "images/a.png\n").unwrap();
        fs::write(root.join(name), text).unwrap();
        let imported = import(Format::YoloBoxes, root, None).unwrap().dataset;
        assert_eq!((imported.images[0].size, imported.instances[0].bbox), (Size::new(4, 8), Rect::new(1.5, 2.0, 1.0, 4.0)), "{text}");
        fs::remove_file(root.join(name)).unwrap();
        found.push(imported);
    }

    let mut before = found.swap_remove(0);
    let (cancel, progress) = (Cancel::new(), &mut |_| ());
    let watch = &mut Watch { cancel: &cancel, progress };
    let tally = with_pictures(&before, &root.join("upright"), &pictures, watch).unwrap();
    assert_eq!(tally.count(Kind::Turned), 0, "{tally}");
    assert_eq!(import(Format::YoloBoxes, &root.join("upright"), None).unwrap().dataset, before);
    before.images[0].size = Size::new(8, 4);
    let tally = with_pictures(&before, &root.join("stored"), &pictures, watch).unwrap();
    assert!(tally.count(Kind::Turned) == 1 && tally.to_string().contains("(a.png)"), "{tally}");
}

#[test]
fn no_file_but_a_picture_is_copied_and_a_stopped_copy_leaves_nothing() {
    let mut before = dataset();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    pictures(&before, &source);
    let cancel = Cancel::new();
    let mut stop = |progress: annotator::job::Progress| {
        if progress.done == 1 {
            cancel.cancel();
        }
    };
    let stopped = with_pictures(&before, &folder.path().join("out"), &source, &mut Watch { cancel: &cancel, progress: &mut stop });
    assert!(matches!(stopped, Err(ExchangeError::Cancelled)), "{stopped:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    fs::write(folder.path().join("secret"), "x").unwrap();
    "../secret".clone_into(&mut before.images[2].file_name);
    let (cancel, progress) = (Cancel::new(), &mut |_| ());
    let tally = with_pictures(&before, &folder.path().join("out"), &source, &mut Watch { cancel: &cancel, progress }).unwrap();
    assert_eq!(tally.count(Kind::MissingPicture), 1, "{tally}");
    assert!(folder.path().join("out/labels/secret.txt").is_file() && !folder.path().join("out/images/secret").exists());
}

#[test]
fn boxes_and_polygons_of_one_file_are_read_with_the_names_of_classes_txt() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in ["labels", "images"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    image::RgbImage::new(8, 8).save(root.join("images/a.png")).unwrap();
    let lines = "0 0.5 0.5 0.25 0.5\n2 0 0 0.5 0 0.5 0.5\n\n1 1.25 0.5 0.5 0.5\n";
    fs::write(root.join("labels/a.txt"), lines).unwrap();
    let error = import(Format::YoloBoxes, root, None).unwrap_err().to_string();
    assert!(error.contains("data.yaml or classes.txt"), "{error}");
    for place in ["classes.txt", "labels/classes.txt"] {
        fs::write(root.join(place), "cat\n\n dog \r\n").unwrap();
        let whole = import(Format::YoloSeg, root, None).unwrap();
        let imported = import(Format::YoloBoxes, root, None).unwrap();
        assert_eq!(imported.dataset, whole.dataset);
        let shapes: Vec<_> = imported.dataset.instances.iter().map(|object| (object.bbox, object.shape.clone())).collect();
        let triangle = Shape::Polygons(vec![vec![0.0, 0.0, 4.0, 0.0, 4.0, 4.0]].into());
        let (near, far) = (Rect::new(3.0, 2.0, 2.0, 4.0), Rect::new(8.0, 2.0, 4.0, 4.0));
        assert_eq!(shapes, [(near, Shape::Box), (Rect::new(0.0, 0.0, 4.0, 4.0), triangle), (far, Shape::Box)]);
        let names: Vec<_> = imported.dataset.instances.iter().map(|object| class(&imported.dataset, object)).collect();
        assert_eq!(names, ["cat", "dog", "1"]);
        assert_eq!(imported.tally.count(Kind::OutOfImage), 1, "{}", imported.tally);
        assert!(imported.tally.to_string().ends_with("a.txt line 4"), "{}", imported.tally);
        fs::remove_file(root.join(place)).unwrap();
    }
    fs::write(root.join("classes.txt"), "\n").unwrap();
    let error = import(Format::YoloBoxes, &root.join("classes.txt"), None).unwrap_err().to_string();
    assert!(error.ends_with("classes.txt"), "{error}");
}

/// A folder with pictures that have a box each.
fn labelled(root: &Path, names: &[&str]) {
    for name in names {
        let (picture, label) = (root.join("images").join(name), root.join("labels").join(name).with_extension("txt"));
        for path in [&picture, &label] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        image::RgbImage::new(8, 8).save(picture).unwrap();
        fs::write(label, "0 0.5 0.5 0.25 0.5\n").unwrap();
    }
}

#[test]
fn a_line_that_cannot_be_used_is_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    labelled(root, &["a.png"]);
    fs::write(root.join("data.yaml"), "names: [x, y]\n").unwrap();
    let read = |lines: &str| {
        fs::write(root.join("labels/a.txt"), lines).unwrap();
        import(Format::YoloBoxes, root, None)
    };
    let sound = "1.0 0.5 0.5 0.25 0.5 0.75\n0 0.5 0.5 0.25 0.5\n";
    let imported = read(sound).unwrap();
    assert!(imported.tally.is_empty(), "{}", imported.tally);
    let row = |object: &Instance| (class(&imported.dataset, object), object.bbox, object.score);
    let rows: Vec<_> = imported.dataset.instances.iter().map(row).collect();
    let bbox = Rect::new(3.0, 2.0, 2.0, 4.0);
    assert_eq!(rows, [("y".to_owned(), bbox, Some(0.75)), ("x".to_owned(), bbox, None)]);
    for (line, fault) in [
        ("0 0.5 nan 0.25 0.5", "`nan` is no usable number"),
        ("0 0.5 0.5 -0.2 0.5", "its box has a width or height that is not above 0"),
        ("0 0.5 0.5 0.25 0", "its box has a width or height that is not above 0"),
        ("0 0.5 0.5 0.25 0.5 1.5", "`1.5` is no usable number"),
        ("0.5 0.5 0.5 0.25 0.5", "`0.5` is no usable number"),
        ("7 0.5 0.5 0.25 0.5", "class 7 has no name in the list of classes"),
        ("0 0.5 0.5 0.25", "4 numbers are no class with a box or a polygon"),
    ] {
        let imported = read(&format!("{sound}{line}\n")).unwrap();
        assert_eq!((imported.dataset.instances.len(), imported.tally.count(Kind::Unreadable)), (2, 1), "{line}");
        assert!(imported.tally.to_string().ends_with(&format!("a.txt line 3 ({fault})")), "{}", imported.tally);
        // Where no line can be used, the texts are no labels.
        let error = read(line).unwrap_err().to_string();
        assert!(error.starts_with(&format!("line 1: {fault}: ")) && error.ends_with("a.txt"), "{error}");
    }
}

#[test]
fn a_label_that_is_no_text_is_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    labelled(root, &["a.png", "b.png"]);
    fs::write(root.join("data.yaml"), "names: [x]\n").unwrap();
    fs::write(root.join("labels/a.txt"), b"0 0.5 0.5 \xff 0.5\n").unwrap();
    let imported = import(Format::YoloBoxes, root, None).unwrap();
    assert_eq!((imported.dataset.instances.len(), imported.tally.count(Kind::Unreadable)), (1, 1), "{}", imported.tally);
    assert!(imported.tally.to_string().contains("labels/a.txt"), "{}", imported.tally);
    fs::remove_file(root.join("labels/b.txt")).unwrap();
    let error = import(Format::YoloBoxes, root, None).unwrap_err().to_string();
    assert!(error.ends_with("labels/a.txt"), "{error}");
}

#[test]
fn of_a_pose_the_box_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    labelled(root, &["a.png"]);
    fs::write(root.join("data.yaml"), "kpt_shape: [2, 3]\nnames: [x]\n").unwrap();
    let lines = ["", " 0.4 0.4 2 0 0 0", " 0.4 0.4 2 0 0 0 0.75", " 0.1 0.1 0.2 0.1"].map(|rest| format!("0 0.5 0.5 0.25 0.5{rest}\n"));
    fs::write(root.join("labels/a.txt"), lines.concat()).unwrap();
    let imported = import(Format::YoloSeg, root, None).unwrap();
    let bbox = Rect::new(3.0, 2.0, 2.0, 4.0);
    let rows: Vec<_> = imported.dataset.instances.iter().map(|object| (object.shape.clone(), object.bbox, object.score)).collect();
    assert_eq!(rows, [(Shape::Box, bbox, None), (Shape::Box, bbox, None), (Shape::Box, bbox, Some(0.75))]);
    assert_eq!((imported.tally.count(Kind::Member), imported.tally.count(Kind::Unreadable)), (2, 1), "{}", imported.tally);
    assert!(imported.tally.to_string().contains("a.txt line 2 (keypoints)"), "{}", imported.tally);
    fs::write(root.join("data.yaml"), "kpt_shape: 17\nnames: [x]\n").unwrap();
    let error = import(Format::YoloSeg, root, None).unwrap_err().to_string();
    assert!(error.contains("`kpt_shape`") && error.ends_with("data.yaml"), "{error}");
}

#[test]
fn a_count_of_classes_that_is_not_that_of_their_names_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    labelled(root, &["a.png"]);
    for (stated, count) in [("nc: 1\n", 0), ("nc: 2\n", 1), ("nc: many\n", 0)] {
        fs::write(root.join("data.yaml"), format!("{stated}names: [x]\n")).unwrap();
        let imported = import(Format::YoloBoxes, root, None).unwrap();
        assert_eq!((imported.dataset.instances.len(), imported.tally.count(Kind::ClassCount)), (1, count), "{}", imported.tally);
    }
}

#[test]
fn a_number_behind_the_corners_is_the_confidence() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    labelled(root, &["a.png"]);
    fs::write(root.join("data.yaml"), "names: [x]\n").unwrap();
    fs::write(root.join("labels/a.txt"), "0 0 0 0.5 0 0.5 0.5 0.75\n0 0.5 0.5 0.25 0.5\n0 0 0 0.5 0 0.5 0.5 0.5\n").unwrap();
    let imported = import(Format::YoloSeg, root, None).unwrap();
    assert!(imported.tally.is_empty(), "{}", imported.tally);
    let rows: Vec<_> = imported.dataset.instances.iter().map(|object| (object.shape.clone(), object.score)).collect();
    let triangle = Shape::Polygons(vec![vec![0.0, 0.0, 4.0, 0.0, 4.0, 4.0]].into());
    assert_eq!(rows, [(triangle.clone(), Some(0.75)), (Shape::Box, None), (triangle, Some(0.5))]);
}

#[test]
fn a_polygon_that_lost_a_number_has_no_confidence_where_no_other_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    labelled(root, &["a.png", "b.png"]);
    fs::write(root.join("data.yaml"), "names: [x]\n").unwrap();
    // The other polygon is in another file, which is read later. Boxes may have a confidence all the same.
    fs::write(root.join("labels/a.txt"), "0 0.5 0.5 0.25 0.5 0.75\n0 0 0 0.5 0 0.5 0.5 0.5\n").unwrap();
    fs::write(root.join("labels/b.txt"), "0 0 0 0.5 0 0.5 0.5\n").unwrap();
    let imported = import(Format::YoloSeg, root, None).unwrap();
    let rows: Vec<_> = imported.dataset.instances.iter().map(|object| (object.shape.clone(), object.score)).collect();
    let triangle = Shape::Polygons(vec![vec![0.0, 0.0, 4.0, 0.0, 4.0, 4.0]].into());
    assert_eq!(rows, [(Shape::Box, Some(0.75)), (triangle, None)]);
    assert_eq!(imported.tally.count(Kind::Unreadable), 1, "{}", imported.tally);
    let named = imported.tally.to_string();
    assert!(named.ends_with("a.txt line 2 (8 numbers are no class with a box or a polygon)"), "{named}");
}

fn names(imported: &Imported) -> Vec<&str> {
    imported.dataset.images.iter().map(|image| image.file_name.as_str()).collect()
}

#[test]
fn pictures_are_those_that_data_yaml_names() {
    let folder = tempfile::tempdir().unwrap();
    let (home, far) = (folder.path().join("home"), folder.path().join("far"));
    labelled(&home, &["train/b.png", "train/a.png", "val/c.png", "extra/d.png"]);
    labelled(&far, &["e.png"]);
    let yaml = |text: &str| {
        fs::write(home.join("data.yaml"), format!("names: [x]\n{text}")).unwrap();
        import(Format::YoloBoxes, &home, None)
    };
    let near = yaml("path: .\ntrain: images/train\nval: [images/val, ./images/train]\ntest: # none\n").unwrap();
    assert_eq!((names(&near), near.dataset.instances.len()), (vec!["train/a.png", "train/b.png", "val/c.png"], 3));
    assert!(near.tally.is_empty(), "{}", near.tally);
    // As some exports have it.
    assert_eq!(names(&yaml("train: ../images/val\n").unwrap()), ["val/c.png"]);

    // Seen from the folder of the file, so that a COCO file there finds them.
    let path = format!("path: {}\ntrain: images\nval: images\n", far.display());
    for text in ["path: ../far\ntrain: images\nval: images\n", path.as_str()] {
        let outside = yaml(text).unwrap();
        assert_eq!((names(&outside), outside.dataset.instances.len()), (vec!["../far/images/e.png"], 1));
        assert_eq!(outside.tally.count(Kind::Elsewhere), 1);
        assert!(outside.tally.to_string().ends_with("far/images"), "{}", outside.tally);
    }

    fs::write(home.join("train.txt"), "./images/val/c.png\nimages/train/a.png\nimages/gone.png\n\n").unwrap();
    let listed = yaml("train: train.txt\nval: train.txt\n").unwrap();
    assert_eq!((names(&listed), listed.dataset.instances.len()), (vec!["val/c.png", "train/a.png"], 2));
    assert_eq!(listed.tally.count(Kind::NotFound), 1);
}

#[test]
fn what_data_yaml_names_and_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    labelled(home, &["a.png"]);
    let yaml = |text: &str| {
        fs::write(home.join("data.yaml"), format!("names: [x]\n{text}")).unwrap();
        import(Format::YoloBoxes, home, None)
    };
    for (text, member, place) in [
        ("train: images\nval: images/val\n", "`val`", "images/val"),
        ("path: /nowhere/set\ntrain: images/train\n", "`path`", "/nowhere/set"),
        ("train: {a: b}\n", "`train`", ""),
    ] {
        let error = yaml(text).unwrap_err().to_string();
        assert!(error.contains(member) && error.contains(place) && error.ends_with("data.yaml"), "{error}");
    }
    // A data set that was moved, and the member that no trainer needs.
    for text in ["path: /nowhere/set\ntrain: images\n", "train: images\ntest: images/test\n"] {
        let imported = yaml(text).unwrap();
        assert_eq!((names(&imported), imported.tally.count(Kind::NotFound)), (vec!["a.png"], 1), "{text}");
    }
}
