//! Steps of the history that were done elsewhere.

use super::*;
use annotator::annotation::{CategoryId, InstanceId};
use annotator::app::chord::Chord;
use annotator::app::command::entry;

const TEXT: &str = r#"{"images":[{"id":1,"file_name":"a.png","width":120,"height":80},
    {"id":2,"file_name":"b.png","width":120,"height":80},{"id":3,"file_name":"c.png","width":120,"height":80}],
    "annotations":[{"id":1,"image_id":1,"category_id":2,"bbox":[10,10,20,20],"area":400,"iscrowd":0},
    {"id":2,"image_id":2,"category_id":2,"bbox":[10,10,20,20],"area":400,"iscrowd":0}],
    "categories":[{"id":1,"name":"cat"},{"id":2,"name":"dog"}]}"#;

fn classes(window: &Window) -> usize {
    window.app().state().document.dataset().categories.len()
}

#[test]
fn a_step_of_another_image_is_shown_before_it_is_taken_back_or_done_again() {
    let mut window = Window::over_lvis(TEXT);
    let count = |window: &Window| window.app().state().document.dataset().instances.len();
    let image = |window: &Window| window.app().state().image;
    let mut settings = window.app().state().settings.clone();
    settings.propose_after_box = false;
    window.perform(Command::Change(settings.clone()));
    window.perform(Command::AddBox(Rect::new(50.0, 20.0, 40.0, 30.0)));
    window.perform(Command::GoTo(2));
    window.perform(Command::Undo);
    assert_eq!((count(&window), image(&window), window.says().as_str()), (3, 0, "Ctrl+Z again takes back: Draw box"));
    window.perform(Command::Undo);
    assert_eq!((count(&window), window.says().as_str()), (2, "Taken back: Draw box"));
    window.perform(Command::GoTo(2));
    window.perform(Command::Redo);
    assert_eq!((count(&window), image(&window), window.says().as_str()), (2, 0, "Ctrl+Shift+Z again redoes: Draw box"));
    window.perform(Command::Redo);
    assert_eq!(count(&window), 3);

    settings.keymap.set(entry(&Command::Undo).unwrap(), Chord::parsed("F5").unwrap());
    window.perform(Command::Change(settings));
    window.perform(Command::GoTo(1));
    window.perform(Command::Undo);
    assert_eq!(window.says(), "F5 again takes back: Draw box");
}

#[test]
fn a_step_of_many_images_is_named_first_unless_it_was_just_done() {
    let mut window = Window::over_lvis(TEXT);
    let merge = |window: &mut Window| window.perform(Command::MergeClass(CategoryId(2), CategoryId(1)));
    merge(&mut window);
    assert_eq!(classes(&window), 1);
    window.perform(Command::Undo);
    assert_eq!(classes(&window), 2, "it was just done");
    window.perform(Command::Redo);
    assert_eq!(classes(&window), 1, "so was this");

    window.perform(Command::GoTo(2));
    window.perform(Command::Undo);
    let state = window.app().state();
    assert_eq!((classes(&window), state.image, window.says().as_str()), (1, 2, "Ctrl+Z again takes back, on 2 images: Merge class"));
    window.perform(Command::GoTo(1));
    window.perform(Command::Undo);
    assert_eq!(classes(&window), 1, "who goes on is told again");
    window.perform(Command::Undo);
    assert_eq!(classes(&window), 2);
}

#[test]
fn a_step_about_classes_is_taken_back_where_it_was_done() {
    let mut window = Window::over_lvis(TEXT);
    let now = |window: &Window| (classes(window), window.app().state().image);
    window.perform(Command::GoTo(1));
    window.perform(Command::Select(vec![InstanceId(2)]));
    window.perform(Command::Assign(CategoryId(1)));
    window.perform(Command::GoTo(2));
    window.perform(Command::MergeClass(CategoryId(2), CategoryId(1)));
    assert_eq!(now(&window), (1, 2));
    window.perform(Command::Undo);
    assert_eq!((now(&window), window.says().as_str()), ((2, 2), "Taken back: Merge class"), "its object is on another image");
    window.perform(Command::Redo);
    assert_eq!(now(&window), (1, 2));
    window.perform(Command::GoTo(1));
    window.perform(Command::Undo);
    assert_eq!((now(&window), window.says().as_str()), ((1, 1), "Ctrl+Z again takes back, on 1 image: Merge class"));
    window.perform(Command::Undo);
    assert_eq!(now(&window), (2, 1));
}

#[test]
fn a_message_names_the_key_that_the_person_has_chosen() {
    let mut window = Window::unasked(true);
    let draw = |window: &mut Window, keys: &[&str]| {
        let mut settings = window.app().state().settings.clone();
        settings.keymap.changed.insert("Undo".to_owned(), keys.iter().map(|&key| key.to_owned()).collect());
        window.perform(Command::Change(settings));
        window.perform(Command::AddBox(Rect::new(50.0, 20.0, 40.0, 30.0)));
        window.says()
    };
    assert_eq!(draw(&mut window, &[]), "");
    assert_eq!(draw(&mut window, &["Ctrl+B"]), "Nearly the same as object 1 (object): Ctrl+B takes it back");
    window.perform(Command::Delete);
    assert_eq!(window.says(), "Delete object: Ctrl+B brings it back");
    assert_eq!(draw(&mut window, &[]), "Nearly the same as object 1 (object): Undo takes it back");
}

#[test]
fn a_mark_of_review_is_taken_back_where_it_is_the_newest() {
    let mut window = Window::unasked(true);
    window.all_is_read();
    let now = |window: &Window| (window.objects(), window.app().state().document.reviewed.len());
    let undo = |window: &mut Window| window.key(Modifiers::COMMAND, Key::Z);
    window.key(Modifiers::SHIFT, Key::M);
    window.harness.get_by_label("Edit").click();
    window.harness.run_steps(4);
    window.harness.get_by_label_contains("Undo: Mark image reviewed").click();
    window.harness.run_steps(4);
    assert_eq!((now(&window), window.says().as_str()), ((0, 0), "Taken back: no longer marked as reviewed"));

    window.perform(Command::AddBox(Rect::new(50.0, 20.0, 40.0, 30.0)));
    window.key(Modifiers::SHIFT, Key::M);
    window.perform(Command::ZoomIn);
    undo(&mut window);
    assert_eq!(now(&window), (1, 0), "looking closer is no change");
    undo(&mut window);
    assert_eq!(now(&window), (0, 0));
    window.perform(Command::Redo);
    for _ in 0..2 {
        window.key(Modifiers::SHIFT, Key::M);
    }
    undo(&mut window);
    assert_eq!((now(&window), window.says().as_str()), ((1, 1), "Taken back: marked as reviewed again"));

    window.key(Modifiers::SHIFT, Key::M);
    window.perform(Command::AddBox(Rect::new(5.0, 5.0, 20.0, 30.0)));
    for left in [1, 0] {
        undo(&mut window);
        assert_eq!(now(&window), (left, 0), "the mark is older");
    }

    window.perform(Command::Redo);
    window.key(Modifiers::SHIFT, Key::M);
    window.perform(Command::GoTo(1));
    undo(&mut window);
    assert_eq!((now(&window), window.says().as_str()), ((1, 1), "Ctrl+Z again takes back: Draw box"));
    undo(&mut window);
    assert_eq!(now(&window), (0, 1), "what was announced is done");
}

#[test]
fn what_was_said_of_a_step_goes_with_the_next_change_or_selection() {
    let mut window = Window::unasked(true);
    window.all_is_read();
    window.perform(Command::AddBox(Rect::new(50.0, 20.0, 40.0, 30.0)));
    window.press(Key::V);
    let taken_back = |window: &mut Window| {
        window.perform(Command::Undo);
        assert_eq!(window.says(), "Taken back: Move object");
    };
    window.perform(Command::Nudge(3, 0));
    taken_back(&mut window);
    window.perform(Command::ZoomIn);
    assert_eq!(window.says(), "Taken back: Move object", "looking closer changes nothing");
    window.perform(Command::Nudge(0, 3));
    assert_eq!(window.says(), "");
    taken_back(&mut window);
    window.perform(Command::Select(Vec::new()));
    assert_eq!(window.says(), "");
}

#[test]
fn a_box_whose_mask_is_taken_back_is_selected_where_nothing_is() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.press(Key::Enter);
    assert!(window.has_mask() && window.app().state().selection.is_empty());
    window.key(Modifiers::COMMAND, Key::Z);
    assert!(!window.has_mask());
    window.press(Key::Delete);
    assert_eq!(window.objects(), 0);
}
