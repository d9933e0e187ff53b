//! The palette, the help page and how the window looks.

use super::*;

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
