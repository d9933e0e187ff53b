//! The palette, the help page and how the window looks.

use super::*;
use egui_kittest::kittest::NodeT as _;

#[test]
fn the_palette_and_the_help_page_know_every_command() {
    let mut window = Window::new(true);
    window.press(Key::F1);
    assert!(window.harness.query_all_by_label("Refine selected masks").count() > 1);
    window.press(Key::Escape);
    window.key(Modifiers::COMMAND, Key::P);
    window.harness.event(Event::Text("eras".to_owned()));
    window.harness.run_steps(2);
    window.press(Key::Enter);
    assert_eq!(window.app().state().tool, Tool::Eraser);
    window.press(Key::F2);
    assert!(window.harness.query_all_by_label("Steps of the segmenter").count() > 0);
}

#[test]
fn the_settings_say_that_another_device_counts_from_the_next_start_on() {
    let mut window = Window::new(true);
    let is_said = |window: &Window| window.harness.query_by_label("Counts from the next start on.").is_some();
    window.press(Key::F2);
    assert!(!is_said(&window));
    for (device, is_other) in [("CPU", true), ("Automatic", false), ("CPU", true)] {
        window.harness.get_by_label(device).click();
        window.harness.run_steps(4);
        assert_eq!(is_said(&window), is_other, "{device}");
    }
    window.press(Key::Escape);
    // Opening another data set starts no models.
    let other = window.folder.path().join("others");
    std::fs::create_dir(&other).unwrap();
    RgbImage::new(120, 80).save(other.join("d.png")).unwrap();
    window.open(&other);
    window.until("the other data set is open", |app| app.state().shown().is_some_and(|image| image.file_name == "d.png"));
    window.press(Key::F2);
    assert!(is_said(&window));
    window.press(Key::Escape);
    let mut window = window.reopened();
    window.press(Key::F2);
    window.harness.get_by_label("CPU");
    assert!(!is_said(&window), "it has started on that");
}

#[test]
fn a_search_that_finds_nothing_says_so() {
    let mut window = Window::new(true);
    for (modifiers, key) in [(Modifiers::COMMAND, Key::P), (Modifiers::NONE, Key::Slash)] {
        window.key(modifiers, key);
        assert!(window.harness.query_by_label("Nothing is called that").is_none());
        window.harness.event(Event::Text("zzzq".to_owned()));
        window.harness.run_steps(3);
        // The search for a class offers a new one instead.
        let is_offered = window.harness.query_by_label("Add class “zzzq”").is_some();
        assert_eq!((is_offered, window.harness.query_by_label("Nothing is called that").is_none()), (key == Key::Slash, is_offered));
        window.press(Key::Escape);
    }
}

#[test]
fn the_palette_lists_what_is_not_possible_now_last_and_does_not_run_it() {
    let mut window = Window::unasked(true);
    window.perform(Command::AddBox(Rect::new(10.0, 10.0, 20.0, 20.0)));
    window.perform(Command::Select(Vec::new()));
    let find = |window: &mut Window, text: &str| {
        window.key(Modifiers::COMMAND, Key::P);
        window.harness.event(Event::Text(text.to_owned()));
        window.harness.run_steps(3);
    };
    find(&mut window, "make poly");
    assert!(window.harness.query_by_label("Nothing is called that").is_none());
    assert!(window.harness.get_by_label("Make polygons").accesskit_node().is_disabled());
    window.press(Key::Enter);
    window.harness.get_by_label("Make polygons").click();
    window.harness.run_steps(3);
    window.harness.get_by_label("Make polygons");
    window.press(Key::Escape);

    find(&mut window, "mark");
    let top = |label: &str| window.harness.get_by_label(label).rect().top();
    assert!(top("Mark image reviewed") < top("Mark as crowd"));
    window.press(Key::Enter);
    assert_eq!(window.app().state().document.reviewed.len(), 1, "the first that is possible");
}

/// The events of typing this, all as one frame gets them on a slow machine.
fn typed(text: &str) -> Vec<Event> {
    let key = |key, pressed| Event::Key { key, physical_key: None, pressed, repeat: false, modifiers: Modifiers::NONE };
    let events = |letter: char| {
        let cap = match letter {
            ' ' => Key::Space,
            '/' => Key::Slash,
            letter => Key::from_name(&letter.to_uppercase().to_string()).unwrap(),
        };
        [key(cap, true), Event::Text(letter.to_string()), key(cap, false)]
    };
    text.chars().flat_map(events).collect()
}

#[test]
fn what_is_typed_in_the_frame_that_opens_a_field_and_the_next_one_stands_in_it() {
    let mut window = Window::unasked(true);
    window.perform(Command::AddBox(Rect::new(10.0, 10.0, 20.0, 20.0)));
    window.press(Key::V);
    let opener = |key| Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::COMMAND };
    for opening in [typed("/"), vec![opener(Key::G)], vec![opener(Key::P)]] {
        window.harness.input_mut().events.extend(opening.into_iter().chain(typed("zebra fi")));
        window.harness.step();
        window.harness.input_mut().events.extend(typed("shb"));
        window.harness.step();
        window.harness.run_steps(2);
        let value = |window: &Window| window.harness.get_by_role(egui::accesskit::Role::TextInput).value();
        assert_eq!(value(&window).as_deref(), Some("zebra fishb"));
        window.press(Key::Backspace);
        assert_eq!(value(&window).as_deref(), Some("zebra fish"), "the cursor stands at the end");
        window.press(Key::Escape);
        let state = window.app().state();
        assert_eq!((state.tool, state.visible().count(), state.image), (Tool::Select, 1, 0));
    }
    window.harness.input_mut().events.extend(typed("/"));
    window.harness.run_steps(3);
    let value = window.harness.get_by_role(egui::accesskit::Role::TextInput).value();
    assert_eq!(value.unwrap_or_default(), "");
    window.press(Key::Escape);

    let enter = Event::Key { key: Key::Enter, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::NONE };
    window.harness.input_mut().events.extend(typed("/zebra fish").into_iter().chain([enter]));
    window.harness.run_steps(4);
    assert_eq!(window.class_of_first(), "zebra fish");
}

#[test]
fn what_is_typed_in_the_frame_that_opens_a_form_takes_the_place_of_its_text() {
    let mut window = Window::unasked(true);
    window.perform(Command::AddBox(Rect::new(10.0, 10.0, 20.0, 20.0)));
    let mut settings = window.app().state().settings.clone();
    for (name, key) in [("Rename class…", "Ctrl+B"), ("Open path…", "Ctrl+M")] {
        settings.keymap.changed.insert(name.to_owned(), vec![key.to_owned()]);
    }
    window.perform(Command::Change(settings));
    let value = |window: &Window| window.harness.get_by_role(egui::accesskit::Role::TextInput).value();
    for key in [Key::B, Key::M] {
        let opener = Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::COMMAND };
        window.harness.input_mut().events.extend(std::iter::once(opener).chain(typed("zebra fi")));
        window.harness.step();
        window.harness.input_mut().events.extend(typed("shb"));
        window.harness.step();
        window.harness.run_steps(2);
        assert_eq!(value(&window).as_deref(), Some("zebra fishb"), "{key:?}");
        window.press(Key::Backspace);
        assert_eq!(value(&window).as_deref(), Some("zebra fish"), "the cursor stands at the end");
        window.press(Key::Escape);
    }
    window.perform(Command::AskName(None));
    window.harness.event(Event::Text("zebra".to_owned()));
    window.harness.run_steps(2);
    assert_eq!(value(&window).as_deref(), Some("zebra"), "the old name is selected until something is typed");
}

#[test]
fn enter_starts_the_polish_dialog() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.perform(Command::Polish);
    window.harness.get_by_label("Start");
    window.press(Key::Enter);
    assert!(window.harness.query_by_label("Start").is_none());
    window.until("it is polished", |app| matches!(app.state().polish, PolishState::Review { .. }));
}

#[test]
fn the_check_is_closed_by_its_key_and_by_escape() {
    let mut window = Window::new(true);
    let mut is_open_after = |key: Key| {
        window.press(key);
        // It fades away.
        window.harness.run_steps(3);
        ["Check again", "Stop the check"].into_iter().any(|label| window.harness.query_all_by_label(label).count() > 0)
    };
    for key in [Key::F3, Key::Escape] {
        assert!(is_open_after(Key::F3));
        assert!(!is_open_after(key), "{key:?}");
    }
}

/// Small images of the whole window, drawn by the software adapter.

#[test]
fn the_window_looks_as_it_should() {
    let Some(gpu) = crate::gpu::gpu() else { return };
    if gpu.info.device_type != wgpu::DeviceType::Cpu {
        return; // The images are the software adapter's.
    }
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.press(Key::V);
    let options = egui_kittest::SnapshotOptions::new().output_path("tests/snapshots").threshold(1.2).max_failed_pixels(200);
    window.until("the thumbnails are there", App::is_image_ready);
    std::thread::sleep(Duration::from_millis(200));
    window.harness.remove_cursor();
    window.harness.run_steps(8);
    window.harness.snapshot_options("mask", &options);
    window.press(Key::G);
    window.answered();
    window.harness.remove_cursor();
    window.harness.run_steps(2);
    window.harness.snapshot_options("review", &options);
}
