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
