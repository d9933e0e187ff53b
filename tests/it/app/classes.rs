//! Names of classes, one class for two, classes that go, and what undo selects.

use super::*;
use annotator::annotation::CategoryId;
use annotator::formats::lvis;

/// A window on a file of LVIS: a kitten on the first image, a cat on the second.
fn window() -> Window {
    let text = r#"{"images":[
        {"id":1,"file_name":"a.png","width":120,"height":80,"neg_category_ids":[1,4],"not_exhaustive_category_ids":[2]},
        {"id":2,"file_name":"b.png","width":120,"height":80,"neg_category_ids":[2],"not_exhaustive_category_ids":[]}],
        "annotations":[{"id":5,"image_id":1,"category_id":2,"bbox":[10,10,40,30],"area":1200},
        {"id":6,"image_id":2,"category_id":1,"bbox":[10,10,40,30],"area":1200}],
        "categories":[{"id":1,"name":"cat"},{"id":2,"name":"kitten"},{"id":3,"name":"dog"},{"id":4,"name":"bird"}]}"#;
    Window::over_lvis(text)
}

fn names(window: &Window) -> Vec<&str> {
    window.app().state().document.dataset().categories.iter().map(|class| class.name.as_str()).collect()
}

/// The absent and the not exhaustive classes of each image.
fn marks(window: &Window) -> Vec<[Vec<i64>; 2]> {
    let ids = |classes: &[CategoryId]| classes.iter().map(|class| class.0).collect::<Vec<_>>();
    let of_image = |image| {
        let marks = lvis::marks(image);
        [ids(&marks.absent), ids(&marks.not_exhaustive)]
    };
    window.app().state().document.dataset().images.iter().map(of_image).collect()
}

/// Chooses an entry of a class's menu.
fn choose(window: &mut Window, class: &str, entry: &str) {
    window.harness.get_by_label(&format!("Class {class}")).click_secondary();
    window.harness.run_steps(4);
    window.harness.get_by_label(entry).click();
    window.harness.run_steps(4);
}

fn write(window: &mut Window, text: &str) {
    window.harness.event(Event::Text(text.to_owned()));
    window.harness.run_steps(2);
}

fn undo_label(window: &Window) -> String {
    window.app().state().document.history().next_undo().map(|step| step.label.clone()).unwrap_or_default()
}

#[test]
fn a_class_is_renamed_but_not_to_nothing_or_to_a_name_that_is_taken() {
    let mut window = window();
    choose(&mut window, "kitten", "Rename…");
    window.harness.get_by_label("Rename kitten");
    write(&mut window, "dog");
    window.harness.get_by_label_contains("Another class has this name");
    window.press(Key::Enter);
    window.harness.run_steps(2);
    for _ in 0.."dog".len() {
        window.press(Key::Backspace);
    }
    window.harness.get_by_label("A class needs a name");
    window.press(Key::Enter);
    window.harness.run_steps(2);
    assert_eq!(names(&window), ["cat", "kitten", "dog", "bird"]);
    write(&mut window, " lynx ");
    window.press(Key::Enter);
    assert_eq!(names(&window), ["cat", "lynx", "dog", "bird"]);
    assert_eq!(window.class_of_first(), "lynx");
    assert!(window.harness.query_by_label("Rename kitten").is_none(), "the dialog closes");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(names(&window), ["cat", "kitten", "dog", "bird"]);
    for name in ["  ", "bird"] {
        window.perform(Command::RenameClass(CategoryId(2), name.to_owned()));
        assert_eq!(names(&window), ["cat", "kitten", "dog", "bird"]);
    }
}

#[test]
fn the_chosen_class_is_renamed_from_the_palette() {
    let mut window = window();
    window.key(Modifiers::COMMAND, Key::P);
    write(&mut window, "rename class");
    window.press(Key::Enter);
    window.harness.run_steps(4);
    window.harness.get_by_label("Rename cat");
    write(&mut window, "tiger");
    window.press(Key::Enter);
    assert_eq!(names(&window), ["tiger", "kitten", "dog", "bird"]);
}

#[test]
fn two_classes_become_one_in_one_step_and_marks_of_lvis_with_them() {
    let mut window = window();
    let before = marks(&window);
    window.perform(Command::Assign(CategoryId(2)));
    choose(&mut window, "kitten", "Merge into…");
    window.harness.get_by_label("Merge kitten into");
    write(&mut window, "cat");
    window.press(Key::Enter);
    assert_eq!((names(&window), window.class_of_first().as_str()), (vec!["cat", "dog", "bird"], "cat"));
    assert_eq!(window.says(), "kitten is cat now: 1 object; marks changed on 2 images");
    assert_eq!(undo_label(&window), "Merge class");
    assert_eq!(window.app().state().category, Some(CategoryId(1)), "what is drawn next is of the class that stays");
    let expected: [[Vec<i64>; 2]; 2] = [[vec![4], vec![1]], [vec![], vec![]]];
    assert_eq!(marks(&window), expected);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((names(&window), window.class_of_first().as_str()), (vec!["cat", "kitten", "dog", "bird"], "kitten"));
    assert_eq!(marks(&window), before);
    assert!(window.app().state().document.history().next_undo().is_none(), "it was one step");
    window.key(Modifiers::COMMAND, Key::Y);
    window.key(Modifiers::COMMAND, Key::S);
    window.file_is_written();
    let text = std::fs::read_to_string(window.data.join("lvis.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["annotations"][0]["category_id"], 1);
    assert_eq!(file["images"][1]["neg_category_ids"], serde_json::json!([]));
    assert_eq!(file["categories"].as_array().unwrap().len(), 3);
}

#[test]
fn only_a_class_without_objects_is_deleted() {
    let mut window = window();
    choose(&mut window, "cat", "Delete 1 object");
    assert_eq!(names(&window).len(), 4, "an object of another image has it");
    window.press(Key::Escape);
    window.perform(Command::DeleteClass(Some(CategoryId(1))));
    assert_eq!((names(&window).len(), window.says().as_str()), (4, "1 object has this class: merge it into another one"));
    choose(&mut window, "bird", "Delete");
    assert_eq!(names(&window), ["cat", "kitten", "dog"]);
    assert_eq!(marks(&window)[0], [vec![1_i64], vec![2]], "no image names a class that is not there");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(names(&window), ["cat", "kitten", "dog", "bird"]);
    assert_eq!(marks(&window)[0], [vec![1_i64, 4], vec![2]]);
}

#[test]
fn the_class_that_drawing_made_gets_the_first_name_where_no_object_would_keep_it() {
    let mut window = Window::new(true);
    window.draw_box((20.0, 20.0), (50.0, 60.0));
    window.press(Key::Escape);
    window.perform(Command::SelectAll);
    window.perform(Command::NewClass("zebra".to_owned()));
    assert_eq!((names(&window), undo_label(&window).as_str()), (vec!["zebra"], "Rename class"));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(names(&window), ["object"]);
    window.draw_box((60.0, 20.0), (90.0, 60.0));
    window.perform(Command::NewClass("zebra".to_owned()));
    assert_eq!(names(&window), ["object", "zebra"], "the other object is still what it was");
    assert_eq!(window.class_of_first(), "object");
}

#[test]
fn what_undo_brings_back_is_selected() {
    let mut window = Window::new(true);
    window.draw_box((20.0, 20.0), (50.0, 60.0));
    window.draw_box((60.0, 20.0), (90.0, 60.0));
    window.press(Key::Escape);
    let ids: Vec<_> = window.app().state().objects().map(|object| object.id).collect();
    window.perform(Command::Select(Vec::new()));
    window.perform(Command::NewClass("zebra".to_owned()));
    window.perform(Command::Select(vec![ids[0]]));
    window.press(Key::Delete);
    window.perform(Command::Select(vec![ids[1]]));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.app().state().selection, [ids[0]]);
    window.press(Key::Num2);
    let state = window.app().state();
    let classes: Vec<&str> = state.objects().map(|object| state.class_name(object.category_id)).collect();
    assert_eq!(classes, ["zebra", "object"]);
}

#[test]
fn a_new_name_makes_a_class_though_another_has_its_letters() {
    let mut window = window();
    for (text, class) in [("kt", "kt"), ("bi", "bird"), ("CAT", "cat"), ("ki", "kitten")] {
        window.press(Key::Slash);
        write(&mut window, text);
        window.harness.run_steps(2);
        window.press(Key::Enter);
        let state = window.app().state();
        assert_eq!(state.category.map(|id| state.class_name(id)), Some(class), "{text}");
    }
    assert_eq!(names(&window), ["cat", "kitten", "dog", "bird", "kt"]);
    window.perform(Command::AskMerge(Some(CategoryId(3))));
    write(&mut window, "kte");
    window.harness.run_steps(2);
    assert!(window.harness.query_by_label_contains("Add class").is_none());
    window.press(Key::Enter);
    assert_eq!(names(&window), ["cat", "kitten", "bird", "kt"], "what matches takes the objects");
}

fn chosen(window: &Window) -> &str {
    let state = window.app().state();
    state.category.map_or("none", |id| state.class_name(id))
}

#[test]
fn enter_alone_takes_the_class_that_was_used_last_and_merges_nothing() {
    let mut window = window();
    for id in [4, 3] {
        window.perform(Command::Assign(CategoryId(id)));
    }
    window.press(Key::Slash);
    window.press(Key::Enter);
    assert_eq!(chosen(&window), "dog");
    window.press(Key::Slash);
    window.press(Key::ArrowDown);
    window.press(Key::Enter);
    assert_eq!(chosen(&window), "bird", "the one before it is next");

    window.perform(Command::AskMerge(Some(CategoryId(3))));
    window.press(Key::Enter);
    window.harness.run_steps(2);
    window.harness.get_by_label("Merge dog into");
    write(&mut window, "b");
    window.press(Key::Backspace);
    window.press(Key::Enter);
    window.harness.run_steps(2);
    assert_eq!(names(&window), ["cat", "kitten", "dog", "bird"]);
    window.press(Key::ArrowDown);
    window.press(Key::Enter);
    assert_eq!(names(&window), ["cat", "kitten", "bird"], "the first step marks the first row");
    assert_eq!(window.says(), "dog is cat now: 0 objects");
}

#[test]
fn the_class_before_is_chosen_again_where_the_chosen_one_is_taken_back() {
    let mut window = window();
    window.perform(Command::Assign(CategoryId(3)));
    window.draw_box((60.0, 20.0), (90.0, 60.0));
    window.press(Key::Slash);
    write(&mut window, "wolf");
    window.press(Key::Enter);
    assert_eq!((chosen(&window), undo_label(&window).as_str()), ("wolf", "Add class"));
    for (key, class) in [(Key::Z, "dog"), (Key::Y, "wolf"), (Key::Z, "dog")] {
        window.key(Modifiers::COMMAND, key);
        assert_eq!(chosen(&window), class);
    }
    window.perform(Command::Assign(CategoryId(4)));
    window.perform(Command::Select(Vec::new()));
    window.perform(Command::DeleteClass(None));
    assert_eq!(chosen(&window), "bird", "an object has it");
    window.key(Modifiers::COMMAND, Key::Z);
    window.perform(Command::DeleteClass(None));
    assert_eq!((names(&window).len(), chosen(&window)), (3, "dog"));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((names(&window).len(), chosen(&window)), (4, "bird"));
}

#[test]
fn classes_have_their_colours_in_the_next_session_too() {
    let mut window = Window::unasked(true);
    window.all_is_read();
    for name in ["ant", "bee", "cow"] {
        window.perform(Command::NewClass(name.to_owned()));
    }
    let colors = |window: &Window| {
        let state = window.app().state();
        state.document.dataset().categories.iter().map(|class| state.color(class.id)).collect::<Vec<_>>()
    };
    let all = colors(&window);
    let first = window.app().state().document.dataset().categories[0].id;
    window.perform(Command::DeleteClass(Some(first)));
    assert_eq!(colors(&window), all[1..]);
    window.project_is_written();
    let mut window = window.reopened();
    assert_eq!((names(&window), colors(&window).as_slice()), (vec!["bee", "cow"], &all[1..]));
    window.perform(Command::NewClass("dog".to_owned()));
    assert!(!all.contains(&colors(&window)[2]), "one that went may come back");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(chosen(&window), "cow", "as in the session before");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((names(&window), colors(&window)), (vec!["ant", "bee", "cow"], all));
}

#[test]
fn among_many_classes_a_slip_is_no_new_class() {
    let folder = tempfile::tempdir().unwrap();
    RgbImage::new(120, 80).save(folder.path().join("a.png")).unwrap();
    let name = |id: u32| if id == 41 { "cat".to_owned() } else { format!("thing {id}") };
    let classes: Vec<_> = (1..=60).map(|id| serde_json::json!({"id": id, "name": name(id)})).collect();
    let json = serde_json::json!({
        "images": [{"id": 1, "file_name": "a.png", "width": 120, "height": 80}],
        "annotations": [],
        "categories": classes,
    });
    let mut window = Window::over_json(folder, &json);
    for (text, class) in [("catt", "cat"), ("thing 42", "thing 42"), ("zebra", "zebra")] {
        window.press(Key::Slash);
        write(&mut window, text);
        window.harness.run_steps(2);
        window.press(Key::Enter);
        assert_eq!(chosen(&window), class, "{text}");
    }
    assert_eq!(names(&window).len(), 61);
}

#[test]
fn text_and_enter_in_one_frame_take_what_the_text_means() {
    let mut window = window();
    window.press(Key::Slash);
    window.harness.run_steps(2);
    let enter = Event::Key { key: Key::Enter, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::NONE };
    window.harness.input_mut().events.extend([Event::Text("bird".to_owned()), enter]);
    window.harness.run_steps(3);
    assert_eq!(chosen(&window), "bird");
    assert_eq!(names(&window).len(), 4);
}

#[test]
fn the_menu_of_a_class_opens_below_the_pointer_and_not_beside_it_to_the_left() {
    let mut window = window();
    let at = window.harness.get_by_label("Class cat").rect().center();
    window.harness.get_by_label("Class cat").click_secondary();
    window.harness.run_steps(4);
    let entry = window.harness.get_by_label("Rename…").rect();
    assert!(entry.top() > at.y && entry.right() > at.x + 40.0, "{entry:?} for a click at {at:?}");
}

#[test]
fn what_a_class_is_meant_for_is_said() {
    let mut window = Window::new(false);
    for name in ["nut", "bolt"] {
        window.perform(Command::NewClass(name.to_owned()));
        assert_eq!(window.says(), format!("Next objects: {name}"));
    }
    window.draw_box((5.0, 5.0), (40.0, 40.0));
    window.answered();
    window.press(Key::Num1);
    assert_eq!((window.class_of_first().as_str(), window.says().as_str()), ("nut", "Class of 1 object: nut"));
    window.press(Key::Enter);
    window.press(Key::Num2);
    assert_eq!((window.class_of_first().as_str(), window.says().as_str()), ("nut", "Next objects: bolt"));
}
