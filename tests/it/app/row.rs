//! Going through the objects by the rows of the list and by Tab, where several are deleted one after the other; rows that come
//! into sight and stay there, those of the classes too.

use annotator::annotation::{CategoryId, InstanceId};

use super::*;

/// A window on an image with so many boxes, each a little further to the right than the one before.
fn window(count: i64) -> Window {
    let folder = tempfile::tempdir().unwrap();
    RgbImage::new(120, 80).save(folder.path().join("a.png")).unwrap();
    let object =
        |id: i64| serde_json::json!({"id": id, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 400.0, "bbox": [2 * id, 10, 20, 20]});
    let json = serde_json::json!({
        "images": [{"id": 1, "file_name": "a.png", "width": 120, "height": 80}],
        "annotations": (1..=count).map(object).collect::<Vec<_>>(),
        "categories": [{"id": 1, "name": "cat"}],
    });
    Window::over_json(folder, &json)
}

fn selected(window: &Window) -> Vec<i64> {
    window.app().state().selection.iter().map(|id| id.0).collect()
}

/// Where the row of the object with this number stands; none where it is out of sight.
fn row(window: &Window, number: usize) -> Option<egui::Pos2> {
    window.harness.query_by_label(&format!("Object {number}: cat")).map(|row| row.rect().min)
}

fn click(window: &mut Window, number: usize) {
    window.harness.get_by_label(&format!("Object {number}: cat")).click();
    window.harness.run_steps(4);
}

#[test]
fn several_objects_are_deleted_from_the_list_one_after_the_other() {
    let mut window = window(40);
    let at = row(&window, 3).unwrap();
    click(&mut window, 3);
    window.press(Key::Delete);
    window.press(Key::Delete);
    assert_eq!((selected(&window), window.objects()), (vec![5], 38));
    assert_eq!(row(&window, 3), Some(at), "the list stays where it is");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(selected(&window), [4]);

    window.harness.event(Event::PointerMoved(at));
    window.harness.event(wheel(egui::MouseWheelUnit::Point, -300.0, Modifiers::NONE));
    window.harness.run_steps(30);
    assert!(row(&window, 1).is_none(), "the wheel has scrolled");
    let at = row(&window, 15).unwrap();
    click(&mut window, 15);
    let next = selected(&window)[0] + 1;
    window.press(Key::Delete);
    assert_eq!((selected(&window), row(&window, 15)), (vec![next], Some(at)), "where it was scrolled too");
}

#[test]
fn where_the_last_object_is_deleted_the_one_before_it_is_next_without_those_that_are_hidden() {
    let mut window = window(40);
    window.key(Modifiers::SHIFT, Key::Tab);
    assert!(selected(&window) == [40] && row(&window, 40).is_some());
    window.press(Key::Delete);
    assert!(selected(&window) == [39] && row(&window, 39).is_some());
    window.perform(Command::SetHidden(InstanceId(38), true));
    window.press(Key::Delete);
    assert_eq!(selected(&window), [37]);
    assert!(row(&window, 37).is_some(), "it is in sight");
}

#[test]
fn an_object_that_was_selected_on_the_canvas_leaves_nothing_selected() {
    let mut window = window(4);
    click(&mut window, 1);
    window.press(Key::Escape);
    window.drag((3.0, 15.0), (3.0, 15.0), Modifiers::NONE);
    assert_eq!(selected(&window), [1]);
    window.press(Key::Delete);
    assert!(selected(&window).is_empty() && window.objects() == 3);
}

#[test]
fn a_row_that_is_in_sight_stays_where_it_is_when_its_object_is_selected_elsewhere() {
    let mut window = window(40);
    let at = row(&window, 5).unwrap();
    window.perform(Command::Select(vec![InstanceId(5)]));
    window.harness.run_steps(2);
    assert_eq!(row(&window, 5), Some(at));
    window.perform(Command::Select(vec![InstanceId(30)]));
    window.harness.run_steps(2);
    assert!(row(&window, 30).is_some() && row(&window, 5).is_none());
}

/// A window with forty classes of which the last one is chosen.
fn window_with_classes() -> Window {
    let folder = tempfile::tempdir().unwrap();
    RgbImage::new(120, 80).save(folder.path().join("a.png")).unwrap();
    let class = |id: i64| serde_json::json!({"id": id, "name": format!("kind {id}")});
    let json = serde_json::json!({
        "images": [{"id": 1, "file_name": "a.png", "width": 120, "height": 80}],
        "annotations": [],
        "categories": (1..=40).map(class).collect::<Vec<_>>(),
    });
    let mut window = Window::over_json(folder, &json);
    window.perform(Command::Assign(CategoryId(40)));
    window.harness.run_steps(4);
    window
}

fn class_row(window: &Window, name: &str) -> Option<egui::Rect> {
    window.harness.query_by_label(&format!("Class {name}")).map(|row| row.rect())
}

#[test]
fn the_row_of_a_new_object_comes_into_sight_and_stays_there() {
    let mut window = window(40);
    let settings = annotator::app::settings::Settings { propose_after_box: false, ..window.app().state().settings.clone() };
    window.perform(Command::Change(settings));
    window.perform(Command::Select(vec![InstanceId(40)]));
    window.harness.run_steps(4);
    let end = row(&window, 40).unwrap();
    for (number, x) in [(41, 50.0), (42, 60.0)] {
        window.perform(Command::AddBox(Rect::new(x, 40.0, 30.0, 20.0)));
        window.harness.run_steps(10);
        let at = row(&window, number).unwrap();
        assert!((at.y - end.y).abs() < 2.0, "{number} is at {at:?}, the end of the list at {end:?}");
    }
}

#[test]
fn the_row_of_a_new_class_comes_into_sight_and_stays_there() {
    let mut window = window_with_classes();
    let end = class_row(&window, "kind 40").unwrap();
    window.perform(Command::NewClass("zebra".to_owned()));
    window.harness.run_steps(10);
    let at = class_row(&window, "zebra").unwrap();
    assert!((at.top() - end.top()).abs() < 2.0, "it is at {at:?}, the end of the list at {end:?}");
}

#[test]
fn the_chosen_class_stays_in_sight_where_the_list_gets_lower_unless_a_person_has_scrolled_away() {
    let mut window = window_with_classes();
    let at = class_row(&window, "kind 40").unwrap().center();
    window.harness.set_size(egui::vec2(1180.0, 560.0));
    window.harness.run_steps(6);
    let strip = window.harness.get_by_label_contains("Image a.png").rect().top();
    let low = class_row(&window, "kind 40").unwrap();
    assert!(low.bottom() < strip, "{low:?} over {strip}");

    window.harness.set_size(egui::vec2(1180.0, 760.0));
    window.harness.run_steps(6);
    window.harness.event(Event::PointerMoved(at));
    window.harness.event(wheel(egui::MouseWheelUnit::Point, 2000.0, Modifiers::NONE));
    window.harness.run_steps(60);
    assert!(class_row(&window, "kind 1").is_some() && class_row(&window, "kind 40").is_none());
    window.harness.set_size(egui::vec2(1180.0, 560.0));
    window.harness.run_steps(6);
    assert!(class_row(&window, "kind 1").is_some() && class_row(&window, "kind 40").is_none());
}
