//! Other formats, LVIS marks and the check.

use super::*;

/// A window on a file of LVIS with two pictures.
fn lvis_window() -> Window {
    let text = r#"{"images":[
        {"id":1,"file_name":"a.png","width":120,"height":80,"neg_category_ids":[2],"not_exhaustive_category_ids":[]},
        {"id":2,"file_name":"b.png","width":120,"height":80,"neg_category_ids":[],"not_exhaustive_category_ids":[]}],
        "annotations":[],"categories":[{"id":1,"name":"cat","synset":"cat.n.01","frequency":"f","image_count":9,"instance_count":12},
        {"id":2,"name":"dog","synset":"dog.n.01","frequency":"r","image_count":9,"instance_count":12}]}"#;
    Window::over_lvis(text)
}

#[test]
fn an_image_of_lvis_is_marked_with_one_key() {
    let mut window = lvis_window();
    let marks = |window: &Window| annotator::formats::lvis::marks(window.app().state().shown().unwrap());
    let ids = |classes: &[annotator::annotation::CategoryId]| classes.iter().map(|class| class.0).collect::<Vec<_>>();
    assert_eq!(ids(&marks(&window).absent), [2]);
    window.key(Modifiers::SHIFT, Key::N);
    assert_eq!((ids(&marks(&window).absent), window.says().as_str()), (vec![2, 1], "cat is verified absent here"));
    window.key(Modifiers::SHIFT, Key::X);
    assert_eq!(ids(&marks(&window).not_exhaustive), [1]);
    window.key(Modifiers::SHIFT, Key::N);
    assert_eq!(ids(&marks(&window).absent), [2]);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(ids(&marks(&window).absent), [2, 1]);
    window.press(Key::Num2);
    window.draw_box((20.0, 20.0), (60.0, 60.0));
    assert_eq!(ids(&marks(&window).absent), [1], "an object of dog is here now");
    assert!(window.says().contains("dog was marked as absent here"), "{}", window.says());
    window.press(Key::Escape);
    window.press(Key::Escape);
    window.key(Modifiers::SHIFT, Key::N);
    assert_eq!(ids(&marks(&window).absent), [1], "{}", window.says());
    window.press(Key::V);
    window.key(Modifiers::COMMAND, Key::A);
    window.press(Key::Num1);
    assert_eq!(ids(&marks(&window).absent), Vec::<i64>::new());
    window.key(Modifiers::COMMAND, Key::Z);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((window.objects(), ids(&marks(&window).absent)), (0, vec![2, 1]));
    let out = window.data.join("out.json");
    window.perform(Command::Export(out.clone()));
    window.until("the file is written", |app| app.state().message.as_ref().is_some_and(|message| message.text.contains("out.json")));
    let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap();
    assert_eq!(file["images"][0]["neg_category_ids"], serde_json::json!([2, 1]));
    assert_eq!(file["images"][0]["not_exhaustive_category_ids"], serde_json::json!([1]));
}

#[test]
fn saving_lvis_counts_anew_and_a_renamed_class_keeps_its_members() {
    let mut window = lvis_window();
    let (file, same) = (window.data.join("lvis.json"), window.data.join("same.json"));
    let value = |path: &Path| serde_json::from_str::<serde_json::Value>(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut expected = value(&file);
    window.perform(Command::Export(same.clone()));
    window.until("the file is written", |app| app.state().message.as_ref().is_some_and(|message| message.text.contains("same.json")));
    assert_eq!(value(&same), expected, "nobody edited it, so that its counts stay");

    window.press(Key::Num2);
    window.draw_box((20.0, 20.0), (60.0, 60.0));
    window.perform(Command::RenameClass(annotator::annotation::CategoryId(2), "hound".to_owned()));
    window.key(Modifiers::COMMAND, Key::S);
    window.file_is_written();
    expected["images"][0]["neg_category_ids"] = serde_json::json!([]);
    for (place, count) in [(0, 0), (1, 1)] {
        expected["categories"][place]["image_count"] = count.into();
        expected["categories"][place]["instance_count"] = count.into();
    }
    expected["categories"][1]["name"] = "hound".into();
    let mut after = value(&file);
    let objects = after["annotations"].as_array_mut().unwrap().split_off(0);
    assert_eq!(after, expected);
    let mut members: Vec<_> = objects[0].as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!((objects.len(), members), (1, vec!["area", "bbox", "category_id", "id", "image_id", "segmentation"]));
}

#[test]
fn only_lvis_has_marks() {
    let mut window = Window::new(true);
    window.key(Modifiers::SHIFT, Key::N);
    assert!(window.says().contains("Only data sets of LVIS"), "{}", window.says());
}

#[test]
fn another_format_is_written_and_read() {
    let mut window = Window::new(false);
    window.press(Key::B);
    window.drag((30.0, 40.0), (60.0, 40.0), Modifiers::NONE);
    let painted = window.first_mask();
    window.key(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::E);
    window.harness.get_by_label("Export");
    window.until("the masks are measured", |app| app.state().measured.is_some());
    window.harness.get_by_label_contains("every pixel");
    window.harness.get_by_label("Close").click();
    window.harness.run_steps(2);
    let wish = Wish { format: Format::YoloSeg, form: Form::Own, tolerance_px: 4.0, with_pictures: true };
    window.perform(Command::Measure(wish));
    window.until("the masks are measured", |app| app.state().measured.as_ref().is_some_and(|measured| measured.wish == wish));
    let kept = window.app().state().measured.as_ref().unwrap().kept[0].1.unwrap();
    assert!((0.5..0.999).contains(&kept), "{kept}");
    let wish = Wish { format: Format::Labelme, ..wish };
    let target = window.data.join("labelme");
    window.perform(Command::ExportTo(wish, target.clone()));
    window.until("the folder is written", |app| app.state().message.as_ref().is_some_and(|message| message.text.starts_with("Wrote")));
    assert!(target.join("a.json").is_file());
    assert!(window.says().ends_with("nothing was lost"), "{}", window.says());
    for name in ["a.png", "b.png", "c.png"] {
        std::fs::copy(window.data.join(name), target.join(name)).unwrap();
    }
    window.key(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::I);
    window.harness.get_by_label("labelme (folder)…");
    window.harness.get_by_label("YOLO (folder)…");
    window.harness.get_by_label("Close").click();
    window.harness.run_steps(2);
    window.perform(Command::ImportFrom(Format::Labelme, target.clone()));
    window.until("the import is open", |app| {
        app.is_image_ready() && app.state().document.source.path() == Some(&target.join("annotations.coco.json"))
    });
    assert_eq!((window.objects(), window.first_mask()), (1, painted));
    window.perform(Command::ImportFrom(Format::Cvat, target.join("a.json")));
    window.until("the fault is told", |app| app.state().message.as_ref().is_some_and(|message| message.tone == Tone::Error));
    assert!(window.says().contains("a.json"), "{}", window.says());
}

#[test]
fn yolo_takes_the_pictures_along_and_is_read_where_it_lies() {
    let mut window = Window::new(false);
    window.press(Key::B);
    window.drag((30.0, 40.0), (60.0, 40.0), Modifiers::NONE);
    let painted = window.first_mask();
    for (name, with_pictures) in [("alone", false), ("yolo", true)] {
        let target = window.data.join(name);
        window.perform(Command::ExportTo(Wish { format: Format::YoloBoxes, with_pictures, ..Wish::default() }, target.clone()));
        window.until("the folder is written", |app| {
            app.state().message.as_ref().is_some_and(|message| message.text.starts_with(&format!("Wrote {}", target.display())))
        });
        window.harness.get_by_label_contains("masks became boxes");
        window.harness.get_by_label("Close").click();
        window.harness.run_steps(2);
        assert!(target.join("labels/a.txt").is_file());
        assert_eq!(target.join("images/a.png").is_file(), with_pictures);
    }
    let target = window.data.join("yolo");
    window.perform(Command::ImportFrom(Format::YoloBoxes, target.clone()));
    window.until("the import is open", |app| {
        app.is_image_ready() && app.state().document.source.path() == Some(&target.join("annotations.coco.json"))
    });
    let object = window.app().state().objects().next().unwrap().clone();
    assert_eq!((window.objects(), object.shape, Some(object.bbox)), (1, Shape::Box, painted.bbox()));
}

#[test]
fn findings_of_the_check_lead_to_their_objects() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_path_buf();
    for name in ["a.png", "b.png"] {
        RgbImage::new(40, 30).save(data.join(name)).unwrap();
    }
    let file = data.join("set.json");
    let text = r#"{"images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30},
        {"id": 2, "file_name": "b.png", "width": 40, "height": 30}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 1, "bbox": [1, 1, 8, 8], "area": 64},
        {"id": 5, "image_id": 2, "category_id": 1, "bbox": [30, 20, 20, 9], "area": 180}],
        "categories": [{"id": 1, "name": "x"}]}"#;
    std::fs::write(&file, text).unwrap();
    let mut window = Window::over(folder, data, true);
    window.open(&file);
    window.press(Key::F3);
    window.until("the check is done", |app| !app.findings().is_empty());
    let findings = window.app().findings();
    assert_eq!(findings.len(), 3, "{findings:?}");
    assert_eq!(window.app().state().image, 0);
    let outside = "annotation 6 has a box that reaches 10.00 pixels out of the image";
    window.harness.get_by_label(outside).click();
    window.harness.run_steps(3);
    let state = window.app().state();
    assert_eq!((state.image, state.only_selected().map(|instance| instance.id.0)), (1, Some(6)));
    // The one with the same id leads to the object that was kept under another id.
    window.press(Key::A);
    window.harness.get_by_label("annotation 5 has the same id as an earlier record; it is kept as 6 while the file is open").click();
    window.harness.run_steps(3);
    let state = window.app().state();
    assert_eq!((state.image, state.only_selected().map(|instance| instance.id.0)), (1, Some(6)));
    window.press(Key::Delete);
    assert!(window.harness.query_by_label("changed since").is_some());
    window.harness.get_by_label("Check again").click();
    window.until("the check is done again", |app| app.findings().len() == 1);
}

#[test]
fn why_an_import_failed_stays_until_it_is_closed() {
    let mut window = Window::new(false);
    let yolo = window.data.join("yolo");
    for name in ["images", "labels"] {
        std::fs::create_dir_all(yolo.join(name)).unwrap();
    }
    RgbImage::new(8, 8).save(yolo.join("images/a.png")).unwrap();
    std::fs::write(yolo.join("labels/a.txt"), "3 0.5 0.5 0.25 0.5\n").unwrap();
    std::fs::write(yolo.join("data.yaml"), "names: [x]\n").unwrap();
    window.perform(Command::ImportFrom(Format::YoloBoxes, yolo));
    window.until("the fault is told", |app| app.state().message.as_ref().is_some_and(|message| message.tone == Tone::Error));
    let why = window.says();
    assert!(why.contains("line 1: ") && why.contains("a.txt"), "{why}");
    window.perform(Command::Undo);
    assert_eq!(window.says(), "Nothing to take back");
    window.harness.get_by_label("Reading YOLO did not work");
    window.harness.get_by_label(&why);
    window.harness.get_by_label("Close").click();
    window.harness.run_steps(2);
    assert!(window.harness.query_by_label("Reading YOLO did not work").is_none());
}
