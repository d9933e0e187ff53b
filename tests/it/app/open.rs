//! What was opened before, what cannot be opened, and what counts as saved.

use super::*;

/// A folder of this name with one image.
fn image_folder(folder: &TempDir, name: &str) -> PathBuf {
    let data = folder.path().join(name);
    std::fs::create_dir(&data).unwrap();
    RgbImage::new(120, 80).save(data.join("a.png")).unwrap();
    data
}

#[test]
fn data_sets_are_offered_again_until_they_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (image_folder(&folder, "first"), image_folder(&folder, "second"));
    let mut window = Window::over(folder, first.clone(), true);
    for data in [&first, &second] {
        window.open(data);
    }
    assert_eq!(window.app().state().recent, [second.clone(), first.clone()]);
    std::fs::remove_dir_all(&first).unwrap();
    window.perform(Command::OpenRecent);
    window.harness.get_by_label_contains("first  ·  ").click();
    window.harness.run_steps(2);
    assert_eq!(window.says(), format!("There is no {}", first.display()));
    assert_eq!(window.app().state().recent, std::slice::from_ref(&second));

    let mut window = Window::over(window.close(), second.clone(), true);
    window.harness.run_steps(2);
    window.harness.get_by_label_contains("second  ·  ").click();
    window.until("it is open again", App::is_image_ready);
    assert_eq!(window.app().state().document.source.path(), Some(second.as_path()));
    assert_eq!(window.app().state().recent, [second]);
}

#[test]
fn a_file_that_is_no_data_set_is_refused_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().to_path_buf(), folder.path().join("bad.json"));
    let mut window = Window::over(folder, data.clone(), true);
    let cases = [
        ("{\"a\": 1}", "the file is not a COCO or LVIS file: it has no list of images"),
        ("Dear all,", "the file is not JSON: expected value at line 1 column 1"),
    ];
    for (text, why) in cases {
        std::fs::write(&file, text).unwrap();
        window.perform(Command::Open(file.clone()));
        window.until("it is refused", |app| app.state().message.is_some());
        assert_eq!(window.says(), format!("{why}: {}", file.display()));
        assert!(!data.join("bad.annotator.db").exists() && window.app().state().recent.is_empty());
    }
    std::fs::write(&file, "{\"images\": []}").unwrap();
    window.perform(Command::Open(file));
    window.until("it is open", |app| app.state().message.is_some());
    window.harness.get_by_label("There are no images in this data set");
}

#[test]
fn what_is_taken_back_to_the_saved_state_counts_as_saved() {
    let mut window = Window::new(false);
    let is_changed = |window: &Window| window.app().state().document.is_changed();
    let times = |window: &mut Window, key: Key| {
        for _ in 0..2 {
            window.key(Modifiers::COMMAND, key);
        }
    };
    window.draw_box((20.0, 20.0), (50.0, 60.0));
    window.answered();
    window.key(Modifiers::COMMAND, Key::S);
    window.file_is_written();
    window.draw_box((60.0, 20.0), (90.0, 60.0));
    window.answered();
    assert!(is_changed(&window));
    times(&mut window, Key::Z);
    assert!(window.objects() == 1 && !is_changed(&window));
    window.project_is_written();

    window = window.reopened();
    assert!(window.says().starts_with("Reopened 3 images"), "{}", window.says());
    assert!(!is_changed(&window));
    times(&mut window, Key::Y);
    assert!(window.objects() == 2 && is_changed(&window));
    window.project_is_written();
    window = window.reopened();
    assert!(window.says().contains("Save writes it"), "{}", window.says());
    times(&mut window, Key::Z);
    assert!(!is_changed(&window));

    // Others may write the file: the steps that were taken back are nowhere else.
    window.project_is_written();
    let file = window.data.join("annotations.json");
    let ours = rename_class(&file);
    window = window.reopened();
    assert!(window.says().contains("changed by others"), "{}", window.says());
    times(&mut window, Key::Y);
    assert_eq!(window.objects(), 2);
    times(&mut window, Key::Z);
    window.project_is_written();
    std::fs::write(&file, ours).unwrap();
    window = window.reopened();
    assert!(!is_changed(&window));

    // Behind another edit the saved state is out of reach.
    times(&mut window, Key::Z);
    assert!(window.objects() == 0 && is_changed(&window));
    window.draw_box((30.0, 30.0), (60.0, 70.0));
    window.answered();
    assert!(window.objects() == 1 && is_changed(&window));
    times(&mut window, Key::Z);
    assert!(is_changed(&window));
}
