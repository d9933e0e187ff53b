//! What is chosen of classes: the one that is drawn next, what the list shows, colours and digits.

use annotator::annotation::{CategoryId, InstanceId};
use annotator::app::settings::ColorBy;
use egui::Color32;

use super::*;

/// A data set of so many classes, `class 1` and so on under these ids, with two overlapping objects of the first one.
fn json(ids: &[i64]) -> serde_json::Value {
    let object = |id: i64| serde_json::json!({"id": id, "image_id": 1, "category_id": ids[0], "iscrowd": 0, "area": 1200.0, "bbox": [10 * id, 10, 40, 30]});
    let class = |(index, id): (usize, &i64)| serde_json::json!({"id": id, "name": format!("class {}", index + 1)});
    serde_json::json!({
        "images": [{"id": 1, "file_name": "a.png", "width": 120, "height": 80}],
        "annotations": [object(1), object(2)],
        "categories": ids.iter().enumerate().map(class).collect::<Vec<_>>(),
    })
}

fn window(ids: &[i64]) -> Window {
    let folder = tempfile::tempdir().unwrap();
    RgbImage::new(120, 80).save(folder.path().join("a.png")).unwrap();
    Window::over_json(folder, &json(ids))
}

fn chosen(window: &Window) -> String {
    let state = window.app().state();
    state.category.map(|id| state.class_name(id).to_owned()).unwrap_or_default()
}

fn color(window: &Window, class: i64) -> Color32 {
    window.app().state().color(CategoryId(class))
}

fn object_color(window: &Window, object: i64) -> Color32 {
    let state = window.app().state();
    state.object_color(state.document.instance(InstanceId(object)).unwrap())
}

/// The classes that the digits from 1 to 9 give; 0 is none.
fn digits(window: &Window) -> Vec<i64> {
    let state = window.app().state();
    (1..=9).map(|digit| state.class_of_digit(digit).map_or(0, |class| class.0)).collect()
}

/// Whether the row of a class is in sight.
fn is_seen(window: &Window, name: &str) -> bool {
    window.harness.query_by_label(&format!("Class {name}")).is_some()
}

#[test]
fn the_chosen_class_and_its_colour_are_there_the_next_time() {
    let mut window = window(&[1, 2, 3]);
    assert_eq!(chosen(&window), "class 1");
    window.perform(Command::Assign(CategoryId(2)));
    let usual = color(&window, 2);
    window.perform(Command::SetColor(CategoryId(2), Some([1, 2, 3])));
    window.perform(Command::SetColor(CategoryId(3), Some([4, 5, 6])));
    window.perform(Command::SetColor(CategoryId(3), None));
    window.project_is_written();
    let mut again = window.reopened();
    assert_eq!((chosen(&again).as_str(), color(&again, 2)), ("class 2", Color32::from_rgb(1, 2, 3)));
    assert_ne!(color(&again, 3), Color32::from_rgb(4, 5, 6));
    again.draw_box((60.0, 50.0), (100.0, 70.0));
    let drawn = again.app().state().only_selected().map(|object| object.category_id);
    assert_eq!(drawn, Some(CategoryId(2)));
    again.perform(Command::SetColor(CategoryId(2), None));
    assert_eq!(color(&again, 2), usual);
}

#[test]
fn what_is_chosen_of_a_class_stays_with_its_name_where_others_wrote_the_file() {
    let mut window = window(&[1, 2, 3]);
    window.perform(Command::Assign(CategoryId(2)));
    window.perform(Command::SetColor(CategoryId(2), Some([1, 2, 3])));
    window.perform(Command::SetDigit(CategoryId(2), Some(9)));
    window.project_is_written();
    let again = Window::over_json(window.close(), &json(&[1, 20, 2]));
    assert_eq!(digits(&again), [1, 0, 2, 0, 0, 0, 0, 0, 20]);
    assert_eq!((chosen(&again).as_str(), color(&again, 20)), ("class 2", Color32::from_rgb(1, 2, 3)));
    assert_ne!(color(&again, 2), Color32::from_rgb(1, 2, 3));
}

#[test]
fn the_list_follows_the_chosen_class_and_the_selection_but_not_against_the_wheel() {
    let ids: Vec<i64> = (1..=97).collect();
    let mut window = window(&ids);
    window.harness.run_steps(2);
    assert!(is_seen(&window, "class 1") && !is_seen(&window, "class 70"));
    window.perform(Command::Assign(CategoryId(70)));
    window.harness.run_steps(2);
    assert!(is_seen(&window, "class 70") && !is_seen(&window, "class 1"));
    let at = window.harness.get_by_label("Class class 70").rect().center();
    window.harness.event(Event::PointerMoved(at));
    window.harness.event(wheel(egui::MouseWheelUnit::Point, 700.0, Modifiers::NONE));
    window.harness.run_steps(30);
    assert!(!is_seen(&window, "class 70"), "the wheel has scrolled");
    window.perform(Command::Select(vec![InstanceId(2)]));
    window.harness.run_steps(2);
    assert!(is_seen(&window, "class 1"), "the class of the object");
    window.perform(Command::Assign(CategoryId(90)));
    window.harness.run_steps(2);
    assert!(is_seen(&window, "class 90"));
}

#[test]
fn the_classes_have_the_larger_share_of_the_panel() {
    let ids: Vec<i64> = (1..=97).collect();
    let mut window = window(&ids);
    window.harness.run_steps(2);
    let first = window.harness.get_by_label("Class class 1").rect();
    assert!(first.top() < 370.0, "{first:?}");
}

#[test]
fn objects_have_colours_of_their_own_and_keep_them() {
    let mut window = window(&[1]);
    assert_eq!(object_color(&window, 1), object_color(&window, 2));
    window.perform(Command::ToggleColors);
    let (first, second) = (object_color(&window, 1), object_color(&window, 2));
    assert_ne!(first, second);
    window.perform(Command::Select(vec![InstanceId(1)]));
    window.press(Key::Delete);
    assert_eq!(object_color(&window, 2), second);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((object_color(&window, 1), object_color(&window, 2)), (first, second));
    let again = window.reopened();
    assert_eq!(again.app().state().settings.color_by, ColorBy::Object);
    assert_ne!(object_color(&again, 1), object_color(&again, 2));
}

#[test]
fn a_colour_is_chosen_in_the_menu_of_a_class_and_stays_out_of_the_file() {
    let mut window = window(&[1, 2]);
    window.harness.get_by_label("Class class 2").click_secondary();
    window.harness.run_steps(4);
    window.harness.get_by_label("Colour…").click();
    window.harness.run_steps(4);
    window.harness.get_by_label("Colour of class 2");
    window.harness.get_by_label("Colour 255, 107, 129").click();
    window.harness.run_steps(2);
    window.harness.get_by_label("Take colour").click();
    window.harness.run_steps(4);
    assert!(window.harness.query_by_label("Take colour").is_none());
    assert_eq!(window.app().state().document.color(CategoryId(2)), Some([255, 107, 129]));
    assert_eq!(color(&window, 2), Color32::from_rgb(255, 107, 129));
    window.perform(Command::SetColor(CategoryId(2), Some([1, 2, 3])));
    assert!(window.app().state().document.history().next_undo().is_none(), "it is no step");
    window.draw_box((60.0, 50.0), (100.0, 70.0));
    window.answered();
    window.key(Modifiers::COMMAND, Key::S);
    window.file_is_written();
    let text = std::fs::read_to_string(window.folder.path().join("instances.json")).unwrap();
    assert!(!text.to_lowercase().contains("color"), "{text}");
}

#[test]
fn a_digit_is_given_in_the_menu_of_a_class_and_the_others_stay() {
    let ids: Vec<i64> = (1..=12).collect();
    let mut window = window(&ids);
    assert_eq!(digits(&window), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    window.perform(Command::Assign(CategoryId(12)));
    window.harness.run_steps(2);
    window.harness.get_by_label("Class class 12").click_secondary();
    window.harness.run_steps(4);
    window.harness.get_by_label("7").click();
    window.harness.run_steps(4);
    assert_eq!(digits(&window), [1, 2, 3, 4, 5, 6, 12, 8, 9]);
    assert_eq!(window.says(), "7 gives class 12 now");
    assert!(window.harness.query_by_label("Merge into…").is_none(), "the menu closes");
    assert!(window.app().state().document.history().next_undo().is_none(), "it is no step");
    window.press(Key::Num3);
    assert_eq!(chosen(&window), "class 3");
    window.press(Key::Num7);
    assert_eq!(chosen(&window), "class 12");

    window.perform(Command::SetDigit(CategoryId(2), Some(9)));
    window.project_is_written();
    let mut again = window.reopened();
    assert_eq!(digits(&again), [1, 0, 3, 4, 5, 6, 12, 8, 2], "a class has one digit");
    again.press(Key::Num2);
    assert_eq!((chosen(&again).as_str(), again.says().contains("No class has the key 2")), ("class 12", true));
    again.perform(Command::SetDigit(CategoryId(12), Some(9)));
    assert_eq!(digits(&again), [1, 2, 3, 4, 5, 6, 7, 8, 12]);
    again.perform(Command::SetDigit(CategoryId(12), None));
    assert_eq!(digits(&again), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(again.says(), "class 12 has no key any more");
}

#[test]
fn a_digit_goes_with_its_class() {
    let mut window = window(&[1, 2, 3]);
    window.perform(Command::SetDigit(CategoryId(3), Some(1)));
    assert_eq!(digits(&window)[..3], [3, 2, 0]);
    window.perform(Command::DeleteClass(Some(CategoryId(3))));
    assert_eq!(digits(&window)[..3], [1, 2, 0]);
    window.perform(Command::NewClass("new".to_owned()));
    assert_eq!(digits(&window)[..3], [1, 2, 3], "it has the id of the one that went, but not its digit");
    window.project_is_written();
    assert_eq!(digits(&window.reopened())[..3], [1, 2, 3]);
}
