//! Where images lie, how large they are, and which annotation file a folder goes on with.

use super::*;

/// Annotations of others for the pictures of [`Window::new`].
const THEIRS: &str = r#"{"images": [{"id": 7, "file_name": "a.png", "width": 120, "height": 80}],
    "annotations": [{"id": 3, "image_id": 7, "category_id": 1, "bbox": [10, 10, 40, 30], "area": 1200}],
    "categories": [{"id": 1, "name": "kite"}]}"#;

/// Waits for what is shown in the place of an image that cannot be read.
fn card_is_shown(window: &mut Window) {
    let start = Instant::now();
    while window.harness.query_by_label("Choose image folder…").is_none() {
        assert!(start.elapsed() < LIMIT, "no card: {}", window.says());
        window.harness.step();
    }
}

/// A window on [`THEIRS`] where the picture is missing.
fn without_pictures() -> Window {
    let folder = tempfile::tempdir().unwrap();
    // Deep enough that folders beside it, where pictures are looked for too, are its own.
    let file = folder.path().join("data/set/set.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, THEIRS).unwrap();
    let mut window = Window::over(folder, file.clone(), false);
    window.perform(Command::Open(file));
    window.until("the file is open", |app| app.state().shown().is_some());
    window.all_is_read();
    card_is_shown(&mut window);
    window
}

#[test]
fn a_file_that_comes_into_an_untouched_folder_is_read() {
    let mut window = Window::new(false);
    window.press(Key::D);
    window.project_is_written();
    std::fs::write(window.data.join("annotations.json"), THEIRS).unwrap();
    let mut window = window.reopened();
    assert!(window.says().contains("annotations.json was not here"), "{}", window.says());
    assert_eq!(window.app().state().document.image_count(), 3);
    assert_eq!(window.app().state().shown().unwrap().file_name, "b.png");
    window.press(Key::A);
    assert_eq!((window.objects(), window.class_of_first().as_str()), (1, "kite"));
}

#[test]
fn what_is_said_of_an_unreadable_image_lies_above_its_objects() {
    let window = without_pictures();
    assert_eq!(window.objects(), 1);
    let texts = window.harness.output().shapes.iter().filter_map(|shape| match &shape.shape {
        egui::Shape::Text(text) => Some(text.galley.text().to_owned()),
        _ => None,
    });
    let texts: Vec<String> = texts.collect();
    let card = texts.iter().position(|text| text == "This image cannot be read").unwrap();
    let name = texts.iter().rposition(|text| text == "kite").unwrap();
    assert!(name < card, "{texts:?}");
}

#[test]
fn nothing_is_drawn_on_an_unreadable_image() {
    let mut window = without_pictures();
    let before = window.app().state().objects().next().unwrap().clone();
    for tool in [Tool::Box, Tool::Polygon, Tool::Brush, Tool::Eraser, Tool::Wand, Tool::Prompt] {
        window.perform(Command::Use(tool));
        window.drag((15.0, 15.0), (30.0, 25.0), Modifiers::NONE);
        assert_eq!(window.says(), "The image cannot be read, so nothing can be drawn on it", "{tool:?}");
        assert!(window.app().state().objects().eq([&before]), "{tool:?}");
    }
}

#[test]
fn what_is_being_drawn_ends_where_the_image_turns_out_to_be_unreadable() {
    let mut window = Window::unasked(true);
    window.all_is_read();
    let (sound, broken) = (window.data.clone(), window.folder.path().join("broken"));
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("a.png"), "no picture").unwrap();
    for tool in [Tool::Polygon, Tool::Box, Tool::Brush] {
        window.perform(Command::UseImageFolder(sound.clone()));
        window.until("the image is shown", App::is_image_ready);
        window.perform(Command::Use(tool));
        let corners = [(20.0, 20.0), (70.0, 20.0), (70.0, 60.0)];
        if tool == Tool::Polygon {
            for at in corners {
                window.drag(at, at, Modifiers::NONE);
            }
        }
        let [start, _, end] = corners.map(|(x, y)| window.position(x, y));
        let button = |pos, pressed| Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE };
        if tool != Tool::Polygon {
            for event in [Event::PointerMoved(start), button(start, true), Event::PointerMoved(end)] {
                window.harness.event(event);
            }
            window.harness.run_steps(2);
        }
        window.perform(Command::UseImageFolder(broken.clone()));
        card_is_shown(&mut window);
        window.harness.run_steps(2);
        assert_eq!(window.says(), "The image cannot be read, so nothing can be drawn on it", "{tool:?}");
        window.harness.event(button(end, false));
        window.press(Key::Enter);
        assert_eq!(window.objects(), 0, "{tool:?}");
    }
}

#[test]
fn a_file_that_came_into_a_folder_can_be_opened_itself() {
    let mut window = Window::new(false);
    window.project_is_written();
    let file = window.data.join("annotations.json");
    std::fs::write(&file, THEIRS).unwrap();
    let folder = window.close();
    let mut window = Window::over(folder, file.clone(), false);
    window.open(&file);
    assert_eq!((window.objects(), window.class_of_first().as_str()), (1, "kite"));
}

#[test]
fn work_of_ones_own_is_kept_and_the_file_is_named() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.project_is_written();
    std::fs::write(window.data.join("annotations.json"), THEIRS).unwrap();
    let window = window.reopened();
    assert_eq!((window.objects(), window.class_of_first().as_str()), (1, "object"));
    assert!(window.says().contains("annotations.json was not read"), "{}", window.says());
}

#[test]
fn a_folder_goes_on_with_the_file_that_it_was_exported_to() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    let file = window.data.join("labels.json");
    window.perform(Command::Export(file.clone()));
    window.file_is_written();
    window.project_is_written();
    rename_class(&file);
    let window = window.reopened();
    assert_eq!((window.objects(), window.class_of_first().as_str()), (1, "other thing"));
    assert!(window.says().contains("changed by others"), "{}", window.says());
    assert_eq!(window.app().state().document.target.as_deref(), Some(file.as_path()));
}

#[test]
fn sizes_that_a_file_lacks_are_those_of_the_images() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.png", "b.png"] {
        RgbImage::new(120, 80).save(folder.path().join(name)).unwrap();
    }
    let told = r#"{"id": 8, "file_name": "b.png", "width": 120, "height": 80, "gain": 1.50}"#;
    let gone = r#"{"id": 9, "file_name": "gone.png"}"#;
    let text = format!(r#"{{"images": [{{"id": 7, "file_name": "a.png"}}, {told}, {gone}], "annotations": [], "categories": []}}"#);
    let file = folder.path().join("set.json");
    std::fs::write(&file, text).unwrap();
    let mut window = Window::over(folder, file.clone(), false);
    window.open(&file);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    assert!(window.has_mask());

    window.press(Key::D);
    for tool in [Key::R, Key::B] {
        window.press(Key::D);
        card_is_shown(&mut window);
        window.press(tool);
        window.drag((0.1, 0.1), (0.3, 0.3), Modifiers::NONE);
        assert!(window.says().contains("tells no size"), "{tool:?}: {}", window.says());
        assert_eq!(window.objects(), 0);
        window.press(Key::A);
    }
    window.press(Key::A);

    window.key(Modifiers::COMMAND, Key::S);
    window.file_is_written();
    let written = std::fs::read_to_string(&file).unwrap();
    for record in [r#"{"id": 7, "file_name": "a.png", "width": 120, "height": 80}"#, told, gone] {
        assert!(written.contains(record), "{written}");
    }
    let window = window.reopened();
    assert_eq!(window.app().state().shown().unwrap().size, Size::new(120, 80));
}

#[test]
fn the_folder_of_the_images_can_be_chosen_and_is_kept() {
    for size in ["", r#", "width": 120, "height": 80"#] {
        let folder = tempfile::tempdir().unwrap();
        let (sets, pictures) = (folder.path().join("sets"), folder.path().join("far/away/pictures"));
        std::fs::create_dir(&sets).unwrap();
        std::fs::create_dir_all(&pictures).unwrap();
        RgbImage::new(120, 80).save(pictures.join("a.png")).unwrap();
        let file = sets.join("set.json");
        let text = format!(r#"{{"images": [{{"id": 7, "file_name": "a.png"{size}}}], "annotations": [], "categories": []}}"#);
        std::fs::write(&file, text).unwrap();
        let mut window = Window::over(folder, file.clone(), false);
        window.perform(Command::Open(file));
        window.until("the file is open", |app| app.state().shown().is_some());
        card_is_shown(&mut window);
        window.perform(Command::UseImageFolder(pictures.clone()));
        window.until("the image is shown", |app| app.is_image_ready() && !app.state().document.is_loading());
        assert_eq!(window.app().state().shown().unwrap().size, Size::new(120, 80));
        assert!(window.harness.query_by_label("Choose image folder…").is_none());
        let window = window.reopened();
        assert_eq!(window.app().state().document.image_folder, pictures);
    }
}

#[test]
fn a_picture_is_found_by_its_last_name_and_shown_as_its_record_sees_it() {
    for (width, height) in [(120, 80), (80, 120)] {
        let folder = tempfile::tempdir().unwrap();
        let turned = crate::picture::png(&RgbImage::new(80, 120), image::metadata::Orientation::Rotate90);
        std::fs::write(folder.path().join("a.png"), turned).unwrap();
        let image = serde_json::json!({"id": 7, "file_name": "/elsewhere/pictures/a.png", "width": width, "height": height});
        let json = serde_json::json!({"images": [image], "annotations": [], "categories": []});
        let mut window = Window::over_json(folder, &json);
        window.draw_box((20.0, 20.0), (70.0, 60.0));
        window.answered();
        let found = window.app().state().objects().next().unwrap().mask(Size::new(width, height));
        assert!(window.has_mask() && found.is_ok(), "{}", window.says());
        let notice = window.harness.query_by_label_contains("Shown as stored");
        assert_eq!(notice.is_some(), width < height, "viewers turn what is upright here no more");
    }
}
