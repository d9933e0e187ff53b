//! Copies, and what is done with the selected objects as they are.

use annotator::app::object::Act;

use super::*;

const SIZE: Size = Size::new(120, 80);

fn disk(x: f64) -> Mask {
    ellipse(SIZE, Rect::new(x, 20.0, 20.0, 20.0))
}

fn paint(window: &mut Window, x: f64) {
    window.perform(Command::Paint(None, Shape::from_mask(&disk(x))));
}

/// Holds the keys that paste as long as the system repeats them so many times.
fn hold_paste(window: &mut Window, times: usize) {
    for _ in 0..times {
        window.harness.event(Event::Paste("object".to_owned()));
    }
    window.harness.event(Event::Key { key: Key::V, physical_key: None, pressed: false, repeat: false, modifiers: Modifiers::COMMAND });
    window.harness.run_steps(2);
}

fn paste(window: &mut Window) {
    hold_paste(window, 1);
}

#[test]
fn hidden_objects_are_neither_selected_nor_visited() {
    let mut window = Window::unasked(true);
    window.draw_box((10.0, 10.0), (40.0, 40.0));
    window.draw_box((60.0, 20.0), (110.0, 70.0));
    let ids: Vec<_> = window.app().state().objects().map(|object| object.id).collect();
    window.perform(Command::SetHidden(ids[0], true));
    window.key(Modifiers::COMMAND, Key::A);
    assert_eq!(window.app().state().selection, ids[1..]);
    window.press(Key::Tab);
    assert_eq!(window.app().state().selection, ids[1..]);
    window.perform(Command::SetHidden(ids[1], true));
    window.perform(Command::Select(Vec::new()));
    window.press(Key::Tab);
    assert!(window.app().state().selection.is_empty() && window.says().contains("hidden"), "{}", window.says());
}

#[test]
fn boxes_of_what_was_copied_get_new_masks_on_the_next_image() {
    let mut window = Window::new(false);
    paint(&mut window, 40.0);
    window.harness.event(Event::Copy);
    window.harness.step();
    let copied = window.app().state().only_selected().unwrap().clone();
    window.press(Key::D);
    window.until("the image is shown", App::is_image_ready);
    window.key(Modifiers::SHIFT, Key::V);
    window.answered();
    let pasted = window.app().state().objects().next().unwrap().clone();
    assert!(pasted.shape != Shape::Box && pasted.category_id == copied.category_id);
    assert_eq!(window.app().state().document.judgement(pasted.id).expected_iou.map(|sure| sure > 0.0), Some(true));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.app().state().objects().next().map(|object| (object.bbox, &object.shape)), Some((copied.bbox, &Shape::Box)));
}

#[test]
fn objects_are_copied_to_another_image_and_beside_themselves() {
    let mut window = Window::unasked(true);
    paste(&mut window);
    assert!(window.says().contains("Nothing is copied"), "{}", window.says());
    paint(&mut window, 80.0);
    window.draw_box((20.0, 20.0), (60.0, 60.0));
    window.key(Modifiers::COMMAND, Key::A);
    window.harness.event(Event::Copy);
    window.harness.step();
    let copied = &window.harness.output().platform_output.commands;
    let has_names = |command: &egui::OutputCommand| matches!(command, egui::OutputCommand::CopyText(text) if text == "object\nobject");
    assert!(copied.iter().any(has_names), "{copied:?}");
    let outlines = |window: &Window| -> Vec<(Rect, Shape)> {
        window.app().state().objects().map(|object| (object.bbox, object.shape.clone())).collect()
    };
    let before = outlines(&window);

    window.press(Key::D);
    window.until("the image is shown", App::is_image_ready);
    paste(&mut window);
    assert_eq!(outlines(&window), before, "{}", window.says());
    assert_eq!(window.app().state().selection.len(), 2);
    assert_eq!(window.app().state().document.history().next_undo().unwrap().label, "Paste 2 objects");
    paste(&mut window);
    let all = outlines(&window);
    assert_eq!((all.len(), &all[..2]), (4, before.as_slice()));
    for (copy, original) in all[2..].iter().zip(&before) {
        assert!((copy.0.x - original.0.x).abs() >= 1.0 && (copy.0.width - original.0.width).abs() < 1e-9, "{copy:?}");
    }
    for left in [2, 0] {
        window.key(Modifiers::COMMAND, Key::Z);
        assert_eq!(window.objects(), left);
    }
}

#[test]
fn a_key_that_is_held_down_pastes_once() {
    let mut window = Window::unasked(true);
    paint(&mut window, 40.0);
    window.harness.event(Event::Copy);
    window.harness.run_steps(2);
    hold_paste(&mut window, 5);
    assert_eq!(window.objects(), 2, "{}", window.says());
    hold_paste(&mut window, 2);
    assert_eq!(window.objects(), 3, "{}", window.says());
}

#[test]
fn masks_are_joined_and_split_again() {
    let mut window = Window::unasked(true);
    for x in [10.0, 60.0] {
        paint(&mut window, x);
    }
    let first = window.app().state().objects().next().unwrap().id;
    window.key(Modifiers::COMMAND, Key::A);
    window.press(Key::J);
    let (left, right) = (disk(10.0), disk(60.0));
    assert_eq!(window.objects(), 1, "{}", window.says());
    assert_eq!(window.first_mask(), Mask::from_fn(SIZE, |x, y| left.get(x, y) || right.get(x, y)));
    window.perform(Command::Act(Act::Split));
    assert_eq!((window.objects(), window.app().state().selection.len()), (2, 2), "{}", window.says());
    assert_eq!((window.app().state().objects().next().unwrap().id, window.first_mask()), (first, left));
    window.perform(Command::Act(Act::Split));
    assert!(window.says().contains("no mask of several parts"), "{}", window.says());
    for count in [1, 2] {
        window.key(Modifiers::COMMAND, Key::Z);
        assert_eq!(window.objects(), count);
    }
}

#[test]
fn masks_become_polygons_and_crowds() {
    let mut window = Window::unasked(true);
    paint(&mut window, 40.0);
    let first = |window: &Window| window.app().state().objects().next().unwrap().clone();
    window.perform(Command::Act(Act::MakePolygons));
    assert!(matches!(first(&window).shape, Shape::Polygons(_)), "{}", window.says());
    assert!(annotator::mask::metric::iou(&window.first_mask(), &disk(40.0)) > 0.85, "{}", window.says());
    assert!(window.says().contains("IoU at least"), "{}", window.says());

    window.perform(Command::Act(Act::ToggleCrowd));
    let crowd = first(&window);
    assert!(crowd.crowd && crowd.changed.contains(Field::CROWD), "{}", window.says());
    assert!(matches!(crowd.shape, Shape::Rle { compressed: false, .. }), "COCO has crowds as lists of run lengths");
    window.harness.get_by_label("Object 1: object, crowd");
    window.perform(Command::Act(Act::MakePolygons));
    assert_eq!(first(&window), crowd, "a crowd keeps its pixels");
    window.perform(Command::Act(Act::ToggleCrowd));
    assert!(!first(&window).crowd);
    for _ in 0..2 {
        window.key(Modifiers::COMMAND, Key::Z);
    }
    assert!(!first(&window).crowd && matches!(first(&window).shape, Shape::Polygons(_)), "marking is one step");
}
