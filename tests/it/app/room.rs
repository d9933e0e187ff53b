//! Small windows, dialogs that keep their place, and small objects.

use egui::{Rect as Place, vec2};

use super::*;

/// A window of this size, in points, over three images.
fn sized(width: f32, height: f32, slow: bool) -> Window {
    let mut window = Window::new(slow);
    window.harness.set_size(vec2(width, height));
    window.harness.run_steps(4);
    window
}

fn place(window: &Window, label: &'static str) -> Place {
    window.harness.get_by_label_contains(label).rect()
}

#[test]
fn a_narrow_status_bar_overprints_nothing() {
    let mut window = sized(720.0, 480.0, false);
    for at in [20.0, 60.0] {
        window.draw_box((at, 20.0), (at + 30.0, 50.0));
    }
    window.answered();
    window.perform(Command::SelectAll);
    window.press(Key::G);
    window.answered();
    window.project_is_written();
    let facts = place(&window, "in project").left();
    for label in ["Take (Enter)", "Leave (Esc)", "Take all (Shift+Enter)", "Refined: added is green"] {
        assert!(place(&window, label).right() < facts, "{label}: {:?}", place(&window, label));
    }
}

#[test]
fn a_long_menu_hangs_under_the_bar_and_scrolls() {
    let mut window = sized(720.0, 480.0, true);
    let button = window.harness.get_by_label("Assistant").rect();
    window.harness.get_by_label("Assistant").click();
    window.harness.run_steps(4);
    assert!(place(&window, "Propose or accept").top() > button.bottom());
    window.harness.get_by_label_contains("Built-in weights").scroll_to_me();
    window.harness.run_steps(4);
    assert!(place(&window, "Built-in weights").bottom() < 480.0);
    assert!(place(&window, "Propose or accept").top() < 0.0, "it has scrolled");
}

#[test]
fn each_menu_fits_a_low_window() {
    for (menu, last) in [("Object", "Class not exhaustively"), ("Assistant", "Built-in weights"), ("View", "Check…")] {
        let mut window = sized(1280.0, 600.0, true);
        window.harness.get_by_label(menu).click();
        window.harness.run_steps(4);
        assert!(place(&window, last).bottom() < 600.0, "{menu}: {:?}", place(&window, last));
    }
}

#[test]
fn a_menu_under_a_menu_does_what_it_says_and_closes_both() {
    let mut window = sized(1180.0, 760.0, true);
    window.harness.get_by_label("View").click();
    window.harness.run_steps(4);
    assert!(window.harness.query_by_label_contains("Last image").is_none());
    window.harness.get_by_label("Go to").click();
    window.harness.run_steps(4);
    window.harness.get_by_label_contains("Next most uncertain image");
    window.harness.get_by_label_contains("Last image").click();
    window.harness.run_steps(4);
    assert_eq!(window.app().state().image, 2);
    for label in ["Last image", "Zoom 100 %"] {
        assert!(window.harness.query_by_label_contains(label).is_none(), "{label}");
    }
}

#[test]
fn the_keys_fit_small_windows() {
    for (width, height) in [(720.0, 480.0), (640.0, 400.0)] {
        let mut window = sized(width, height, true);
        window.press(Key::F1);
        window.harness.run_steps(4);
        let room = Place::from_min_size(egui::Pos2::ZERO, vec2(width, height));
        for label in ["Key of Open folder…", "Close"] {
            assert!(room.contains_rect(place(&window, label)), "{label}: {:?}", place(&window, label));
        }
    }
}

#[test]
fn dialogs_fit_a_small_window_and_scroll() {
    let mut window = sized(360.0, 240.0, true);
    let room = Place::from_min_size(egui::Pos2::ZERO, vec2(360.0, 240.0)).shrink(8.0);
    for (command, name) in [
        (Command::Palette, "palette"),
        (Command::SearchClass, "class search"),
        (Command::SearchImage, "image search"),
        (Command::Help, "help"),
        (Command::Import, "import"),
        (Command::ExportFormat, "export"),
        (Command::OpenPath, "path"),
        (Command::Settings, "settings"),
    ] {
        window.perform(command);
        window.harness.run_steps(4);
        let place = window.harness.ctx.memory(|memory| memory.area_rect(egui::Id::unique(name))).unwrap();
        assert!(place.width() > 200.0 && room.contains_rect(place), "{name}: {place:?}");
    }
    window.harness.get_by_label("Close").scroll_to_me();
    window.harness.run_steps(6);
    assert!(room.contains_rect(place(&window, "Close")), "{:?}", place(&window, "Close"));
}

#[test]
fn the_settings_wrap_in_a_narrow_window() {
    // As wide as small windows are with the largest text.
    for (width, height) in [(450.0, 300.0), (360.0, 240.0)] {
        let mut window = sized(width, height, true);
        window.perform(Command::Settings);
        window.harness.run_steps(4);
        let dialog = window.harness.ctx.memory(|memory| memory.area_rect(egui::Id::unique("settings"))).unwrap();
        for label in ["Only near the outline", "Automatic", "CPU", "Propose masks a moment", "Draw proposed outlines", "Every step is in"] {
            let label_place = place(&window, label);
            assert!(dialog.left() < label_place.left() && label_place.right() < dialog.right(), "{label}: {label_place:?} in {dialog:?}");
        }
    }
}

#[test]
fn a_dialog_is_as_wide_as_it_wants_in_a_large_window() {
    let mut window = sized(1180.0, 760.0, true);
    window.perform(Command::Palette);
    window.harness.run_steps(4);
    let place = window.harness.ctx.memory(|memory| memory.area_rect(egui::Id::unique("palette"))).unwrap();
    assert!((440.0..480.0).contains(&place.width()) && place.height() > 300.0, "{place:?}");
}

#[test]
fn a_search_stays_where_it_is_while_its_list_gets_shorter() {
    let mut window = sized(1180.0, 760.0, true);
    window.perform(Command::Palette);
    window.harness.run_steps(4);
    let area = |window: &Window| window.harness.ctx.memory(|memory| memory.area_rect(egui::Id::unique("palette"))).unwrap();
    let before = area(&window);
    window.harness.event(Event::Text("rename class".to_owned()));
    window.harness.run_steps(6);
    let after = area(&window);
    assert!(after.height() < before.height() - 100.0, "{after:?}");
    assert_eq!(after.min, before.min);
}

#[test]
fn the_field_of_a_path_stays_where_it_is_while_its_list_gets_shorter() {
    let mut window = sized(1180.0, 760.0, true);
    for name in ["one", "two", "three", "four"] {
        std::fs::create_dir(window.folder.path().join(name)).unwrap();
    }
    window.perform(Command::OpenPath);
    window.harness.run_steps(4);
    let area = |window: &Window| window.harness.ctx.memory(|memory| memory.area_rect(egui::Id::unique("path"))).unwrap();
    let before = area(&window);
    window.harness.event(Event::Text("nothing".to_owned()));
    window.harness.run_steps(6);
    let after = area(&window);
    assert!(after.height() < before.height() - 80.0, "{before:?} {after:?}");
    assert_eq!(after.min, before.min);
}

#[test]
fn the_classes_of_the_polish_dialog_have_room() {
    let mut window = sized(1180.0, 760.0, true);
    window.all_is_read();
    for number in 1..=12 {
        window.perform(Command::NewClass(format!("kind {number}")));
    }
    window.perform(Command::Polish);
    window.harness.run_steps(4);
    window.harness.get_by_role(egui::Role::ComboBox).click();
    window.harness.run_steps(6);
    window.harness.get_by_label("kind 11").click();
    window.harness.run_steps(4);
    window.harness.get_by_value("kind 11");
}

#[test]
fn the_export_dialog_shows_all_formats() {
    let mut window = sized(1180.0, 760.0, true);
    window.perform(Command::ExportFormat);
    window.harness.run_steps(4);
    window.harness.get_by_role(egui::Role::ComboBox).click();
    window.harness.run_steps(6);
    window.harness.get_by_label("PNG of class numbers").click();
    window.harness.run_steps(4);
    window.harness.get_by_value("PNG of class numbers");
}

#[test]
fn a_low_window_has_all_tools_above_the_film_strip() {
    let window = sized(900.0, 600.0, true);
    let tool = place(&window, "Brightness and contrast");
    assert!(tool.bottom() < place(&window, "Image a.png").top() && tool.width() > 21.0, "{tool:?}");
}

#[test]
fn the_scroll_bar_of_the_film_strip_lies_under_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("images");
    std::fs::create_dir(&data).unwrap();
    for number in 10..30 {
        RgbImage::new(12, 8).save(data.join(format!("{number}.png"))).unwrap();
    }
    let mut window = Window::over(folder, data.clone(), true);
    window.open(&data);
    window.harness.run_steps(4);
    let strip = place(&window, "Image 10.png");
    let bars: Vec<Place> = window.harness.query_all_by_role(egui::Role::ScrollBar).map(|bar| bar.rect()).collect();
    let below: Vec<&Place> = bars.iter().filter(|bar| bar.width() > bar.height() && bar.bottom() > strip.top()).collect();
    assert!(!below.is_empty() && below.iter().all(|bar| bar.top() >= strip.bottom() - 0.5), "{bars:?} under {strip:?}");
}

#[test]
fn a_low_window_has_two_classes_above_the_film_strip() {
    let mut window = sized(640.0, 400.0, true);
    for name in ["one", "two", "three"] {
        window.perform(Command::NewClass(name.to_owned()));
    }
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.harness.run_steps(2);
    let strip = place(&window, "Image a.png").top();
    for label in ["Object 1: three", "Class one", "Class two"] {
        assert!(place(&window, label).bottom() < strip, "{label}: {:?} over {strip}", place(&window, label));
    }
}

#[test]
fn a_low_window_with_large_text_has_classes_above_the_film_strip() {
    // As much as 900 × 600 has with text of twice the size, and the harness's own margin around it.
    let mut window = sized(466.0, 316.0, true);
    let names = ["Class one", "Class two", "Class three", "Class four"];
    for name in names {
        window.perform(Command::NewClass(name.trim_start_matches("Class ").to_owned()));
    }
    for at in [10.0, 50.0] {
        window.draw_box((at, 20.0), (at + 30.0, 50.0));
    }
    window.harness.run_steps(2);
    // Down to the margins of the side panel and the strip.
    let (top, bottom) = (place(&window, "Find or add class…").bottom(), place(&window, "Image a.png").top() - 18.0);
    let seen = |row: Place| (row.bottom().min(bottom) - row.top().max(top)).max(0.0);
    let rows = |name: &'static str| window.harness.query_all_by_label_contains(name).map(|row| seen(row.rect())).sum::<f32>();
    let classes: f32 = names.into_iter().map(rows).sum();
    assert!(classes >= 1.5 * 26.0, "{classes} points from {top} to {bottom}");
}

#[test]
fn the_export_dialog_stays_where_it_is_and_lists_what_loses() {
    let mut window = Window::new(false);
    window.press(Key::B);
    window.drag((30.0, 40.0), (60.0, 40.0), Modifiers::NONE);
    window.key(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::E);
    window.until("the masks are measured", |app| app.state().measured.is_some());
    window.harness.run_steps(4);
    window.harness.get_by_label("Objects on this image that keep every pixel: 1 of 1");
    assert!(window.harness.query_by_label_contains("IoU").is_none());
    let before = place(&window, "Close");
    window.harness.get_by_label("Polygons").click();
    let start = Instant::now();
    while window.harness.query_by_label_contains("keep every pixel: 0 of 1").is_none() {
        assert!(start.elapsed() < LIMIT, "it is never measured");
        window.harness.step();
        assert_eq!(place(&window, "Close"), before);
    }
    assert!(place(&window, "IoU 0.").bottom() < before.top());
}

#[test]
fn a_small_object_is_shown_large_in_a_review_and_left_where_it_is_by_tab() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (28.0, 26.0));
    window.answered();
    let scale = |window: &Window| window.position(120.0, 0.0).x - window.position(0.0, 0.0).x;
    let fitted = scale(&window);
    window.press(Key::Escape);
    window.press(Key::Tab);
    assert!((scale(&window) - fitted).abs() < 0.1, "it is well visible");
    window.press(Key::G);
    window.answered();
    assert!(window.app().state().review.is_some());
    assert!(scale(&window) > 1.1 * fitted, "{} and {fitted}", scale(&window));
}

#[test]
fn a_tool_that_draws_tells_its_keys_as_long_as_nothing_else_is_said() {
    let mut window = Window::unasked(true);
    let hints = [(Key::P, "Enter or the first point closes it"), (Key::B, "drag erases"), (Key::M, "takes it out")];
    for (key, hint) in hints {
        window.press(key);
        window.harness.get_by_label_contains(hint);
    }
    window.perform(Command::ToggleReviewed);
    assert!(window.harness.query_by_label_contains("takes it out").is_none(), "{}", window.says());
    window.press(Key::V);
    for (_, hint) in hints {
        assert!(window.harness.query_by_label_contains(hint).is_none(), "{hint}");
    }
}
