//! Boxes, brush, classes, selection and undo.

use annotator::annotation::InstanceId;

use super::*;

#[test]
fn a_drawn_box_gets_a_mask_and_every_step_is_taken_back() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    assert_eq!(window.objects(), 1);
    let bbox = window.app().state().objects().next().unwrap().bbox;
    assert!(Point::new(bbox.x, bbox.y).distance(Point::new(20.0, 20.0)) < 0.1, "{bbox:?}");
    assert!((bbox.width - 50.0).abs() < 0.1 && (bbox.height - 40.0).abs() < 0.1, "{bbox:?}");
    window.answered();
    assert!(window.has_mask(), "{}", window.says());
    window.key(Modifiers::COMMAND, Key::Z);
    assert!(!window.has_mask());
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.objects(), 0);
    window.key(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    window.key(Modifiers::COMMAND, Key::Y);
    assert!(window.has_mask());
}

#[test]
fn boxes_drawn_together_are_proposed_together() {
    let mut window = Window::unasked(false);
    window.draw_box((5.0, 5.0), (40.0, 40.0));
    window.draw_box((60.0, 20.0), (110.0, 70.0));
    window.harness.run_steps(4);
    assert!(!window.has_mask());
    window.press(Key::Enter);
    window.answered();
    let state = window.app().state();
    assert!(state.objects().all(|instance| instance.shape != Shape::Box));
    assert_eq!(state.document.history().next_undo().unwrap().label, "Propose masks");
    assert_eq!((state.selection.len(), state.proposed.len()), (1, 2));
    window.press(Key::Enter);
    assert_eq!(window.app().state().proposed.len(), 1, "Enter accepts the first and goes to the second");
    window.press(Key::Enter);
    assert!(window.app().state().selection.is_empty());
}

#[test]
fn masks_that_wait_for_enter_wait_until_their_image_is_shown_again() {
    let mut window = Window::unasked(false);
    window.draw_box((5.0, 5.0), (40.0, 40.0));
    window.draw_box((60.0, 20.0), (110.0, 70.0));
    window.press(Key::Enter);
    window.answered();
    window.press(Key::D);
    assert!(window.app().state().proposed.is_empty());
    window.press(Key::A);
    assert_eq!(window.says(), "2 proposed masks still to look at");
    assert!(window.app().state().selection.is_empty(), "none is accepted unseen");
    for said in ["2 proposed masks to look at", "Accepted; 1 proposed mask to look at"] {
        window.press(Key::Enter);
        assert_eq!(window.says(), said);
    }
    window.press(Key::D);
    window.press(Key::A);
    assert_eq!(window.says(), "1 proposed mask still to look at");
    window.press(Key::Enter);
    window.press(Key::Enter);
    assert_eq!(window.says(), "Accepted");
    window.press(Key::D);
    window.press(Key::A);
    assert_eq!(window.says(), "", "nothing is left");
}

#[test]
fn masks_that_came_one_by_one_all_wait_for_enter() {
    let mut window = Window::new(false);
    for (left, top) in [(5.0, 5.0), (60.0, 5.0), (20.0, 45.0)] {
        window.draw_box((left, top), (left + 30.0, top + 30.0));
        window.answered();
    }
    let ids: Vec<_> = window.app().state().objects().map(|object| object.id).collect();
    assert_eq!(window.app().state().proposed, ids);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.app().state().proposed, ids[..2], "the last one is a box again");
    window.press(Key::Enter);
    window.answered();
    assert_eq!(window.app().state().proposed, ids, "each once");
    let accepted = |window: &Window| ids.iter().filter(|&&id| window.app().state().document.judgement(id).looked_at).count();
    window.perform(Command::Select(Vec::new()));
    window.press(Key::Enter);
    assert_eq!((window.says().as_str(), accepted(&window)), ("3 proposed masks to look at", 0));
    window.press(Key::Enter);
    assert_eq!((window.says().as_str(), accepted(&window)), ("Accepted; 2 proposed masks to look at", 1));
    window.press(Key::Enter);
    window.press(Key::Enter);
    assert_eq!((window.says().as_str(), accepted(&window)), ("Accepted", 3));
}

#[test]
fn escape_stops_the_model_and_the_box_stays() {
    let mut window = Window::new(true);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.harness.run_steps(4);
    assert!(window.harness.query_by_label("Cancel (Esc)").is_some(), "the status bar shows the running job");
    window.press(Key::Escape);
    window.harness.run_steps(4);
    assert!(window.harness.query_by_label("Cancel (Esc)").is_none());
    assert_eq!(window.objects(), 1);
    assert!(!window.has_mask());
}

#[test]
fn classes_are_made_searched_and_given() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    assert_eq!(window.class_of_first(), "object");
    window.press(Key::Slash);
    window.harness.event(Event::Text("zebra".to_owned()));
    window.harness.run_steps(2);
    window.press(Key::B);
    assert_eq!(window.app().state().tool, Tool::Box, "a bare letter does nothing while typing");
    window.press(Key::Enter);
    assert_eq!(window.class_of_first(), "zebra");
    window.press(Key::Slash);
    window.harness.event(Event::Text("lion".to_owned()));
    window.harness.run_steps(2);
    window.press(Key::Enter);
    assert_eq!(window.class_of_first(), "lion");
    window.press(Key::Num1);
    assert_eq!(window.class_of_first(), "zebra");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.class_of_first(), "lion");
    window.harness.get_by_label("Class zebra").click();
    window.harness.run_steps(2);
    assert_eq!(window.class_of_first(), "zebra");
    window.draw_box((80.0, 10.0), (110.0, 40.0));
    let state = window.app().state();
    assert_eq!(state.class_name(state.objects().last().unwrap().category_id), "zebra", "the last class sticks");
}

#[test]
fn the_brush_paints_and_erases() {
    let mut window = Window::new(false);
    window.press(Key::B);
    window.drag((30.0, 40.0), (60.0, 40.0), Modifiers::NONE);
    assert_eq!(window.objects(), 1);
    let painted = window.first_mask();
    let mut expected = Mask::new(Size::new(120, 80));
    annotator::mask::brush::stroke(&mut expected, Point::new(30.0, 40.0), Point::new(60.0, 40.0), 12.0, true);
    assert!(annotator::mask::metric::iou(&painted, &expected) > 0.98, "the stroke goes where the pointer went");
    window.drag((45.0, 20.0), (45.0, 60.0), Modifiers::COMMAND);
    let erased = window.first_mask();
    assert!(erased.area() < painted.area() && !erased.get(45, 40));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.first_mask(), painted);
    window.press(Key::CloseBracket);
    assert!(window.app().state().brush_radius_px > 12.0);
}

#[test]
fn objects_are_selected_moved_resized_and_deleted() {
    let mut window = Window::new(true);
    window.draw_box((20.0, 20.0), (60.0, 60.0));
    window.press(Key::Escape);
    window.press(Key::V);
    window.drag((40.0, 40.0), (50.0, 45.0), Modifiers::NONE);
    let bbox = window.app().state().objects().next().unwrap().bbox;
    assert!((bbox.x - 30.0).abs() < 0.2 && (bbox.y - 25.0).abs() < 0.2, "{bbox:?}");
    window.drag((70.0, 65.0), (90.0, 75.0), Modifiers::NONE);
    let bbox = window.app().state().objects().next().unwrap().bbox;
    assert!((bbox.width - 60.0).abs() < 0.3 && (bbox.height - 50.0).abs() < 0.3, "{bbox:?}");
    window.press(Key::Delete);
    assert_eq!(window.objects(), 0);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.objects(), 1);
    window.press(Key::Tab);
    assert_eq!(window.app().state().selection.len(), 1);
}

/// A window with boxes in these places that proposes nothing by itself, and their ids.
fn over_boxes(places: &[Rect]) -> (Window, Vec<InstanceId>) {
    let mut window = Window::unasked(true);
    for &place in places {
        window.perform(Command::AddBox(place));
    }
    window.perform(Command::Select(Vec::new()));
    window.press(Key::V);
    let ids = window.app().state().objects().map(|object| object.id).collect();
    (window, ids)
}

fn click(window: &mut Window, at: (f64, f64)) {
    window.drag(at, at, Modifiers::NONE);
}

/// Whether the boxes begin at about these positions.
fn begin_at(window: &Window, expected: &[(f64, f64)]) -> bool {
    let boxes: Vec<Rect> = window.app().state().objects().map(|object| object.bbox).collect();
    let is_near = |(rect, (x, y)): (&Rect, &(f64, f64))| (rect.x - x).abs() < 0.3 && (rect.y - y).abs() < 0.3;
    boxes.len() == expected.len() && boxes.iter().zip(expected).all(is_near)
}

#[test]
fn several_selected_objects_move_together_and_a_click_leaves_one_of_them() {
    let (mut window, ids) = over_boxes(&[10.0, 40.0, 70.0].map(|x| Rect::new(x, 20.0, 20.0, 20.0)));
    window.key(Modifiers::COMMAND, Key::A);
    window.drag((20.0, 30.0), (25.0, 40.0), Modifiers::NONE);
    assert!(begin_at(&window, &[(15.0, 30.0), (45.0, 30.0), (75.0, 30.0)]), "{}", window.says());
    assert_eq!(window.app().state().selection, ids);
    assert_eq!(window.app().state().document.history().next_undo().unwrap().label, "Move 3 objects");
    click(&mut window, (55.0, 40.0));
    assert_eq!(window.app().state().selection, ids[1..2]);
    window.press(Key::Delete);
    assert_eq!((window.objects(), window.says().as_str()), (2, "Delete object: Ctrl+Z brings it back"));
    window.key(Modifiers::COMMAND, Key::A);
    window.press(Key::Delete);
    assert_eq!((window.objects(), window.says().as_str()), (0, "Delete 2 objects: Ctrl+Z brings them back"));
}

#[test]
fn a_drag_moves_the_selected_object_and_a_click_selects_what_lies_over_it() {
    let (mut window, ids) = over_boxes(&[Rect::new(20.0, 10.0, 80.0, 60.0), Rect::new(40.0, 20.0, 30.0, 30.0)]);
    window.perform(Command::Select(vec![ids[0]]));
    window.drag((55.0, 35.0), (60.0, 40.0), Modifiers::NONE);
    assert!(begin_at(&window, &[(25.0, 15.0), (40.0, 20.0)]), "{}", window.says());
    assert_eq!(window.app().state().selection, ids[..1]);
    click(&mut window, (60.0, 40.0));
    assert_eq!(window.app().state().selection, ids[1..]);
    window.drag((55.0, 35.0), (58.0, 35.0), Modifiers::NONE);
    assert!(begin_at(&window, &[(25.0, 15.0), (43.0, 20.0)]), "{}", window.says());
}

#[test]
fn clicks_go_through_the_objects_of_one_place() {
    let place = Rect::new(40.0, 20.0, 30.0, 30.0);
    let (mut window, ids) = over_boxes(&[Rect::new(20.0, 10.0, 80.0, 60.0), place, place, place]);
    for expected in [1, 2, 3, 1] {
        click(&mut window, (55.0, 35.0));
        assert_eq!(window.app().state().selection, [ids[expected]]);
    }
}

#[test]
fn images_follow_each_other_and_undo_goes_back_to_its_own() {
    let mut window = Window::new(true);
    window.draw_box((20.0, 20.0), (60.0, 60.0));
    window.press(Key::D);
    assert_eq!(window.app().state().image, 1);
    window.press(Key::PageDown);
    window.press(Key::D);
    assert_eq!(window.app().state().image, 2, "there is nothing behind the last image");
    window.press(Key::A);
    assert_eq!(window.app().state().image, 1);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((window.app().state().image, window.objects()), (0, 1), "the image is shown first");
    assert_eq!(window.says(), "Ctrl+Z again takes back: Draw box");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((window.app().state().image, window.objects()), (0, 0));
    window.harness.get_by_label("Image c.png").click();
    window.harness.run_steps(2);
    assert_eq!(window.app().state().image, 2);
}

#[test]
fn enter_takes_the_mask_that_is_shown_while_the_model_still_works() {
    let mut window = Window::new(true);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.step_is_shown();
    window.press(Key::Enter);
    assert!(!window.app().is_waiting() && window.has_mask(), "{}", window.says());
    assert_eq!(window.says(), "1 mask accepted as shown");
    // The step has 0 in the first of four cells and 1 in the others.
    let patch = Patch { rect: Rect::new(20.0, 20.0, 50.0, 40.0), side: 2, soft: vec![0.0, 1.0, 1.0, 1.0] };
    let (mask, expected) = (window.first_mask(), patch.mask(Size::new(120, 80)));
    assert!(annotator::mask::metric::iou(&mask, &expected) > 0.98 && !mask.get(25, 25) && mask.get(60, 50));
    window.key(Modifiers::COMMAND, Key::Z);
    assert!(!window.has_mask(), "it is one step");
}
