//! Opening, keeping and saving work, and weights.

use super::*;

/// Why what is open would be lost if it was closed now; `None` where it would not.
fn at_risk(app: &App) -> Option<String> {
    match app.state().document.kept_within(LIMIT) {
        State::Written => None,
        State::Writing => Some("the disk does not answer".to_owned()),
        State::Failing(why) => Some(why),
    }
}

#[test]
fn work_is_kept_without_saving_and_comes_back() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.key(Modifiers::SHIFT, Key::M);
    window.press(Key::D);
    window.press(Key::A);
    window.project_is_written();
    assert!(!window.data.join("annotations.json").exists(), "nothing else is written");
    let masks = window.first_mask();
    let Window { harness, data, folder } = window;
    let mut second = Window::over(tempfile::tempdir().unwrap(), data.clone(), false);
    second.perform(Command::Open(data.clone()));
    second.until("the second window says something", |app| app.state().message.is_some());
    assert!(second.says().contains("open in another window"), "{}", second.says());
    drop(harness);
    let mut again = Window::over(folder, data.clone(), false);
    again.open(&data);
    assert!(again.says().contains("Reopened"), "{}", again.says());
    assert_eq!(again.first_mask(), masks);
    assert_eq!(again.app().state().document.reviewed.len(), 1);
    again.key(Modifiers::COMMAND, Key::Z);
    again.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(again.objects(), 0, "the steps of the last time are taken back");
    again.key(Modifiers::COMMAND, Key::Y);
    again.key(Modifiers::COMMAND, Key::Y);
    assert_eq!(again.first_mask(), masks);
}

#[test]
fn saving_writes_coco_beside_the_images() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.key(Modifiers::COMMAND, Key::S);
    window.file_is_written();
    let (dataset, report) = coco::read(&window.data.join("annotations.json")).unwrap();
    assert!(report.is_empty(), "{report:?}");
    assert_eq!((dataset.images.len(), dataset.instances.len(), dataset.categories.len()), (3, 1, 1));
    let written = &dataset.instances[0];
    assert_eq!(written.mask(Size::new(120, 80)).unwrap(), window.first_mask());
    assert_eq!((written.changed, written.crowd), (Field::NONE, false));

    // Another program changes the file; nothing here is newer, so the file counts.
    let file = window.data.join("annotations.json");
    let Window { harness, data, folder } = window;
    drop(harness);
    let text = std::fs::read_to_string(&file).unwrap().replace("\"object\"", "\"other thing\"");
    std::fs::write(&file, &text).unwrap();
    let mut again = Window::over(folder, data.clone(), false);
    again.open(&data);
    assert_eq!((again.class_of_first().as_str(), again.objects()), ("other thing", 1));
    again.press(Key::Tab);
    again.press(Key::Delete);
    again.key(Modifiers::COMMAND, Key::S);
    again.until("the file is written", |app| !app.state().document.is_changed());
    assert_eq!(coco::read(&file).unwrap().0.instances.len(), 0);
    assert_eq!(std::fs::read_to_string(data.join("annotations.json.bak")).unwrap(), text, "the file before is kept");
}

#[test]
fn a_file_with_another_date_but_the_same_bytes_leaves_the_steps() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.key(Modifiers::COMMAND, Key::S);
    window.file_is_written();
    let file = std::fs::File::options().write(true).open(window.data.join("annotations.json")).unwrap();
    for minutes in [1, 2] {
        file.set_modified(std::time::SystemTime::now() + Duration::from_mins(minutes)).unwrap();
        window = window.reopened();
        assert!(window.says().contains("Reopened"), "{}", window.says());
    }
    window.key(Modifiers::COMMAND, Key::Z);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.objects(), 0, "the steps of the last time are taken back");
}

// Elsewhere an open file cannot be removed.
#[cfg(unix)]
#[test]
fn a_project_that_is_removed_with_its_folder_is_at_risk_until_the_folder_is_there() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.project_is_written();
    std::fs::remove_dir_all(&window.data).unwrap();
    let why = at_risk(window.app()).unwrap();
    assert!(why.contains("removed or replaced"), "{why}");
    std::fs::create_dir(&window.data).unwrap();
    window.project_is_written();
    assert_eq!(at_risk(window.app()), None);
}

#[test]
fn work_goes_on_in_memory_where_nothing_can_be_written_and_is_not_lost_by_closing() {
    let mut window = Window::new(false);
    let blocked = |window: &Window| at_risk(window.app()).is_some();
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    assert!(!blocked(&window));

    // Names that are taken by folders keep files from being made, for any user.
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("images");
    std::fs::create_dir_all(data.join("annotations.annotator.db")).unwrap();
    std::fs::create_dir(folder.path().join("own")).unwrap();
    std::fs::write(folder.path().join("own/state"), "a file where a folder is wanted").unwrap();
    RgbImage::new(120, 80).save(data.join("a.png")).unwrap();
    let mut window = Window::over(folder, data.clone(), false);
    window.open(&data);
    window.until("it is said", |app| app.state().message.as_ref().is_some_and(|message| message.text.contains("in memory only")));
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.until("the mask is at risk", |app| at_risk(app).is_some());
    assert!(window.has_mask());
    let root = egui::ViewportId::ROOT;
    window.harness.input_mut().viewports.get_mut(&root).unwrap().events.push(egui::ViewportEvent::Close);
    window.harness.step();
    assert!(window.harness.output().viewport_output[&root].commands.contains(&egui::ViewportCommand::CancelClose));
    window.harness.run_steps(2);
    window.harness.get_by_label("Stay").click();
    window.harness.run_steps(2);
    window.perform(Command::Open(data.join("a.png")));
    assert!(window.harness.query_by_label("Lose it and go on").is_some());
    window.harness.get_by_label("Stay").click();
    window.harness.run_steps(2);
    assert_eq!(window.objects(), 1);
    std::fs::remove_dir(data.join("annotations.annotator.db")).unwrap();
    window.project_is_written();
    assert!(!blocked(&window));
    let masks = window.first_mask();
    let Window { harness, data, folder } = window;
    drop(harness);
    let mut again = Window::over(folder, data.clone(), false);
    again.open(&data);
    assert_eq!(again.first_mask(), masks);
}

#[test]
fn a_broken_image_is_named_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_path_buf();
    std::fs::write(data.join("broken.png"), b"no picture").unwrap();
    RgbImage::new(16, 16).save(data.join("good.png")).unwrap();
    let file = data.join("set.json");
    let text = r#"{"images": [{"id": 1, "file_name": "broken.png", "width": 16, "height": 16},
        {"id": 2, "file_name": "good.png", "width": 16, "height": 16}], "annotations": [], "categories": []}"#;
    std::fs::write(&file, text).unwrap();
    let mut window = Window::over(folder, data, false);
    window.perform(Command::Open(file));
    window.until("the file is open", |app| app.state().shown().is_some());
    window.press(Key::D);
    window.until("the good image is shown", App::is_image_ready);
    assert_eq!(window.app().state().image, 1);
}

#[test]
fn trained_weights_are_taken_and_given_back() {
    let mut window = Window::new(false);
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/segmenter.safetensors");
    let uses = |name: String| move |app: &App| *app.readiness() == Readiness::Ready(name.clone());
    window.perform(Command::UseWeights(weights.clone()));
    window.until("the weights are loaded", uses(weights.display().to_string()));
    assert_eq!(window.app().state().settings.models.segmenter, Some(weights.clone()));

    window.perform(Command::UseWeights(window.data.join("a.png")));
    assert!(window.app().state().message.as_ref().unwrap().text.contains("a.png"));
    assert_eq!(window.app().state().settings.models.segmenter, Some(weights));

    window.perform(Command::BuiltInWeights);
    window.until("the built-in weights are back", uses("stand-in".to_owned()));
}

/// A data set with a file of annotations beside its folder of images, as most come.
fn data_set(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    RgbImage::new(120, 80).save(folder.path().join("images/a.png")).unwrap();
    let text = r#"{"images": [{"id": 7, "file_name": "a.png", "width": 120, "height": 80}],
        "annotations": [{"id": 3, "image_id": 7, "category_id": 1, "bbox": [10, 10, 40, 30], "area": 1200}],
        "categories": [{"id": 1, "name": "kite"}]}"#;
    std::fs::write(folder.path().join(name), text).unwrap();
    folder
}

#[test]
fn a_folder_is_opened_with_the_coco_file_that_belongs_to_it() {
    let folder = data_set("instances.json");
    let (data, file) = (folder.path().join("images"), folder.path().join("instances.json"));
    let mut window = Window::over(folder, data.clone(), true);
    for path in [data.parent().unwrap(), &data] {
        window.open(path);
        assert_eq!((window.objects(), window.class_of_first().as_str()), (1, "kite"));
        assert_eq!(window.app().state().document.source.path(), Some(file.as_path()));
        let names = |app: &App| app.state().message.as_ref().is_some_and(|message| message.text.contains("instances.json"));
        window.until("the file is named", names);
        window.perform(Command::Open(data.join("a.png")));
        window.until("it is closed", |app| app.state().shown().is_none() && app.state().message.is_some());
    }
}

#[test]
fn a_folder_with_several_coco_files_asks_which() {
    let folder = data_set("instances.json");
    let data = folder.path().to_path_buf();
    std::fs::copy(data.join("instances.json"), data.join("polished.json")).unwrap();
    let mut window = Window::over(folder, data.clone(), true);
    let asks = |window: &mut Window| {
        window.perform(Command::Open(data.clone()));
        let start = Instant::now();
        while window.harness.query_by_label("Which annotations?").is_none() {
            assert!(start.elapsed() < LIMIT, "it never asked: {}", window.says());
            window.harness.step();
        }
        window.harness.run_steps(2);
        let top = |name: &str| window.harness.get_by_label(name).rect().top();
        top("polished.json") < top("instances.json")
    };
    assert!(!asks(&mut window), "by name");
    assert!(window.harness.query_by_label_contains("has work in a project").is_none());
    window.harness.get_by_label("polished.json").click();
    window.until("the file is open", App::is_image_ready);
    assert_eq!(window.app().state().document.source.path(), Some(data.join("polished.json").as_path()));
    window.all_is_read();
    window.project_is_written();
    assert!(asks(&mut window), "what was opened comes first");
    assert!(window.harness.query_by_label_contains("has work in a project").is_none(), "the file has all of it");
    window.harness.get_by_label("polished.json").click();
    window.until("the file is open", App::is_image_ready);
    window.all_is_read();
    window.draw_box((60.0, 20.0), (100.0, 60.0));
    window.project_is_written();
    assert!(asks(&mut window));
    window.harness.get_by_label_contains("has work in a project");
}

#[test]
fn a_path_can_be_typed_and_is_completed() {
    let folder = data_set("instances.json");
    let data = folder.path().to_path_buf();
    let mut window = Window::over(folder, data.clone(), true);
    window.perform(Command::OpenPath);
    for _ in 0..200 {
        window.harness.key_press(Key::Backspace);
    }
    window.harness.run_steps(2);
    window.harness.event(Event::Text(format!("{}/inst", data.display())));
    window.harness.run_steps(2);
    window.harness.get_by_label_contains("There is no such file or folder");
    window.press(Key::Tab);
    window.press(Key::Enter);
    window.until("the file is open", App::is_image_ready);
    assert_eq!(window.app().state().document.source.path(), Some(data.join("instances.json").as_path()));
}

#[test]
fn a_path_that_is_typed_takes_the_place_of_the_folder_unless_an_arrow_keeps_it() {
    let folder = data_set("instances.json");
    let data = folder.path().to_path_buf();
    let mut window = Window::over(folder, data.clone(), true);
    let typed = |window: &mut Window, text: String| {
        window.harness.event(Event::Text(text));
        window.harness.run_steps(2);
        window.harness.get_by_role(egui::Role::TextInput).value().unwrap_or_default()
    };
    let file = data.join("instances.json").display().to_string();
    window.perform(Command::OpenPath);
    assert_eq!(typed(&mut window, file.clone()), file);
    window.press(Key::Enter);
    window.until("the file is open", App::is_image_ready);

    window.perform(Command::OpenPath);
    window.press(Key::ArrowRight);
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let kept = typed(&mut window, name(&data));
    assert!(kept.len() > name(&data).len() && kept.ends_with(&name(&data)), "{kept}");
}

#[test]
fn reading_and_writing_can_be_stopped_and_leave_nothing_half_done() {
    let folder = data_set("instances.json");
    let data = folder.path().to_path_buf();
    let record = r#"{"id": 3, "image_id": 7, "category_id": 1, "bbox": [10, 10, 40, 30], "area": 1200}"#;
    let text = std::fs::read_to_string(data.join("instances.json")).unwrap();
    let many: Vec<String> = (0..200_000).map(|id| record.replace("\"id\": 3,", &format!("\"id\": {id},"))).collect();
    let text = text.replace(record, &many.join(","));
    std::fs::write(data.join("instances.json"), &text).unwrap();
    let mut window = Window::over(folder, data.clone(), true);
    window.perform(Command::Open(data.clone()));
    window.harness.step();
    window.harness.get_by_label("Stop").click();
    window.until("it is stopped", |app| app.state().message.as_ref().is_some_and(|message| message.text == "Opening stopped"));
    assert!(window.app().state().shown().is_none());

    window.open(&data);
    window.perform_at_once(vec![Command::Save, Command::Cancel]);
    window.until("it is stopped or done", |app| app.state().message.as_ref().is_some_and(|message| !message.text.starts_with("Opened")));
    assert!(window.says().starts_with("Stopped;"), "{}", window.says());
    assert_eq!(std::fs::read_to_string(data.join("instances.json")).unwrap(), text);
    // What was asked for while a file is written comes after it.
    let other = data.join("other.json");
    window.perform_at_once(vec![Command::Export(other.clone()), Command::Open(data.join("instances.json"))]);
    window.until("the other is open", |app| app.is_image_ready() && app.state().message.as_ref().is_some_and(|m| m.text.starts_with("Re")));
    assert_eq!(coco::read(&other).unwrap().0.instances.len(), 200_000);
    let leftovers = std::fs::read_dir(&data).unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(leftovers.count(), 0);
}

#[test]
fn a_data_set_that_is_copied_is_saved_where_the_copy_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    RgbImage::new(120, 80).save(data.join("a.png")).unwrap();
    let text = r#"{"images": [{"id": 1, "file_name": "a.png", "width": 120, "height": 80}], "categories": [{"id": 1, "name": "x"}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 400, "bbox": [5, 5, 20, 20]}]}"#;
    std::fs::write(data.join("set.json"), text).unwrap();
    let mut window = Window::over(folder, data.join("set.json"), false);
    window.open(&data.join("set.json"));
    window.project_is_written();
    let folder = window.close();
    let [copy, other] = ["copy", "other"].map(|name| folder.path().join(name));
    for copy in [&copy, &other] {
        std::fs::create_dir(copy).unwrap();
        for entry in std::fs::read_dir(&data).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
        }
    }
    std::fs::write(other.join("set.json"), text.replace("\"x\"", "\"y\"")).unwrap();
    let mut window = Window::over(folder, copy.clone(), false);
    window.open(&copy.join("set.json"));
    assert!(window.says().contains("Reopened"), "{}", window.says());
    window.press(Key::Tab);
    window.press(Key::Delete);
    window.key(Modifiers::COMMAND, Key::S);
    window.file_is_written();
    assert_eq!(coco::read(&copy.join("set.json")).unwrap().0.instances.len(), 0);
    assert_eq!(std::fs::read_to_string(data.join("set.json")).unwrap(), text, "the first one is as it was");

    window.open(&other.join("set.json"));
    assert_eq!(window.class_of_first(), "y", "as long as the first one, and another one");
}

#[test]
fn reviewed_marks_follow_the_files_of_images() {
    let folder = data_set("instances.json");
    let file = folder.path().join("instances.json");
    let mut window = Window::over(folder, file.clone(), false);
    window.open(&file);
    window.perform(Command::ToggleReviewed);
    window.project_is_written();
    let folder = window.close();
    let text = std::fs::read_to_string(&file).unwrap().replace(": 7,", ": 8,");
    let added = r#""images": [{"id": 7, "file_name": "b.png", "width": 120, "height": 80}, "#;
    std::fs::write(&file, text.replace("\"images\": [", added)).unwrap();
    let mut window = Window::over(folder, file.clone(), false);
    window.open(&file);
    let reviewed: Vec<i64> = window.app().state().document.reviewed.iter().map(|id| id.0).collect();
    assert_eq!((reviewed, window.app().state().document.dataset().images.len()), (vec![8], 2));
}

#[test]
fn unsaved_work_outlives_a_file_that_others_change() {
    let folder = data_set("instances.json");
    let file = folder.path().join("instances.json");
    let mut window = Window::over(folder, file.clone(), false);
    window.open(&file);
    window.draw_box((60.0, 20.0), (100.0, 60.0));
    window.answered();
    window.project_is_written();
    let folder = window.close();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("kite", "other thing")).unwrap();
    let mut window = Window::over(folder, file.clone(), false);
    window.open(&file);
    assert_eq!((window.objects(), window.class_of_first().as_str()), (2, "kite"));
    assert!(window.says().contains("changed by others"), "{}", window.says());
}

#[test]
fn what_others_wrote_is_asked_about_and_kept() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.key(Modifiers::COMMAND, Key::S);
    window.file_is_written();
    let file = window.data.join("annotations.json");
    let text = std::fs::read_to_string(&file).unwrap();
    window.key(Modifiers::COMMAND, Key::S);
    window
        .until("it is said", |app| app.state().message.as_ref().is_some_and(|message| message.text.ends_with("holds everything already")));
    assert!(!window.data.join("annotations.json.bak").exists());

    let theirs = text.replace("\"object\"", "\"other thing\"");
    std::fs::write(&file, &theirs).unwrap();
    window.draw_box((80.0, 20.0), (100.0, 60.0));
    window.answered();
    window.key(Modifiers::COMMAND, Key::S);
    window.harness.run_steps(3);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), theirs, "nothing is written unasked");
    window.harness.get_by_label("Keep theirs aside and save").click();
    window.file_is_written();
    assert_eq!(coco::read(&file).unwrap().0.instances.len(), 2);
    window.draw_box((30.0, 65.0), (50.0, 75.0));
    window.answered();
    window.key(Modifiers::COMMAND, Key::S);
    window.file_is_written();
    assert_eq!(coco::read(&file).unwrap().0.instances.len(), 3);
    assert_eq!(std::fs::read_to_string(window.data.join("annotations.json.others-1.bak")).unwrap(), theirs);
}

#[test]
fn a_project_opens_though_its_file_is_broken_or_gone() {
    let folder = data_set("instances.json");
    let file = folder.path().join("instances.json");
    let mut window = Window::over(folder, file.clone(), false);
    window.open(&file);
    let objects = window.app().state().document.dataset().instances.len();
    window.project_is_written();
    let mut folder = window.close();
    for (is_gone, said) in [(false, "your work in the project"), (true, "is gone")] {
        if is_gone {
            std::fs::remove_file(&file).unwrap();
        } else {
            std::fs::write(&file, "{\"images\": [").unwrap();
        }
        let mut window = Window::over(folder, file.clone(), false);
        window.open(&file);
        assert!(window.says().contains(said), "{}", window.says());
        assert_eq!(window.app().state().document.dataset().instances.len(), objects);
        folder = window.close();
    }
}

/// Waits for a button and clicks it.
fn click(window: &mut Window, label: &str) {
    let start = Instant::now();
    while window.harness.query_by_label(label).is_none() {
        assert!(start.elapsed() < LIMIT, "no {label}: {}", window.says());
        window.harness.step();
    }
    window.harness.get_by_label(label).click();
    window.until("the image is shown", App::is_image_ready);
    window.all_is_read();
}

/// The folder once a box was drawn in its data set and a session ended.
fn drawn_in(folder: TempDir, data: &Path, from: (f64, f64), to: (f64, f64)) -> TempDir {
    let mut window = Window::over(folder, data.to_path_buf(), false);
    window.open(data);
    window.draw_box(from, to);
    window.answered();
    window.project_is_written();
    window.close()
}

#[test]
fn a_shared_project_that_changed_is_asked_about_and_no_work_is_lost() {
    let mut window = Window::new(false);
    window.project_is_written();
    let data = window.data.clone();
    let mut folder = window.close();
    let places = annotator::store::Places::of(&data, &folder.path().join("own/state"));
    let before = std::fs::read(places.beside()).unwrap();
    folder = drawn_in(folder, &data, (20.0, 20.0), (70.0, 60.0));

    // A copy of which nobody knows what it began from.
    std::fs::create_dir_all(places.elsewhere().parent().unwrap()).unwrap();
    std::fs::write(places.elsewhere(), before).unwrap();
    let mut window = Window::over(folder, data.clone(), false);
    window.perform(Command::Open(data.clone()));
    click(&mut window, "Go on with your own copy");
    assert_eq!(window.objects(), 0);
    assert_eq!(window.app().state().document.project_path().as_deref(), Some(places.elsewhere()));
    window.perform(Command::ToggleReviewed);
    window.project_is_written();
    let mut window = window.reopened();
    assert_eq!(window.app().state().document.reviewed.len(), 1, "it is asked once");
    window.project_is_written();
    folder = window.close();

    let own = std::fs::read(places.elsewhere()).unwrap();
    std::fs::remove_file(places.elsewhere()).unwrap();
    folder = drawn_in(folder, &data, (80.0, 20.0), (100.0, 60.0));
    std::fs::write(places.elsewhere(), &own).unwrap();
    let mut window = Window::over(folder, data.clone(), false);
    window.perform(Command::Open(data));
    click(&mut window, "Begin anew from the shared one");
    assert_eq!((window.objects(), window.app().state().document.reviewed.len()), (2, 0));
    assert!(window.says().contains("your own copy is kept as"), "{}", window.says());
    assert!(!places.elsewhere().exists());
    let kept: Vec<_> = std::fs::read_dir(places.elsewhere().parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let aside = kept.iter().find(|path| path.to_string_lossy().ends_with("aside-1.annotator.db")).unwrap();
    let project = annotator::store::Project::open(aside).unwrap();
    assert_eq!(project.first().unwrap().reviewed.len(), 1, "the work is in it");
}

// Elsewhere such names cannot be given.
#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_are_opened_saved_and_typed() {
    let folder = data_set("instances.json");
    let named = |name: &[u8]| folder.path().join(annotator::disk::path_of(name));
    let [file, other] = [named(b"s\xfft.json"), named(b"s\xfet.json")];
    std::fs::rename(folder.path().join("instances.json"), &file).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&other, text.replace("kite", "other thing")).unwrap();
    let mut window = Window::over(folder, file.clone(), false);
    window.open(&file);
    window.press(Key::Tab);
    window.press(Key::Delete);
    window.key(Modifiers::COMMAND, Key::S);
    window.file_is_written();
    window = window.reopened();
    assert_eq!((window.objects(), window.app().state().document.target.as_deref()), (0, Some(file.as_path())));
    assert_eq!(coco::read(&file).unwrap().0.instances.len(), 0);
    window.open(&other);
    assert_eq!((window.objects(), window.class_of_first().as_str()), (1, "other thing"), "each has a project of its own");

    std::fs::remove_file(&file).unwrap();
    window.perform(Command::OpenPath);
    for _ in 0..200 {
        window.harness.key_press(Key::Backspace);
    }
    window.harness.run_steps(2);
    window.harness.event(Event::Text(other.display().to_string()));
    window.harness.run_steps(2);
    window.press(Key::Enter);
    window.until("it is opened again", |app| app.state().message.as_ref().is_some_and(|message| message.text.starts_with("Reopened")));
    assert_eq!(window.app().state().document.source.path(), Some(other.as_path()));
}
