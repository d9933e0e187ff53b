//! The list of objects, and what a right click on an object offers.

use super::*;

/// A window with two boxes that proposes nothing by itself, and their ids.
fn window() -> (Window, [annotator::annotation::InstanceId; 2]) {
    let mut window = Window::unasked(true);
    for x in [10.0, 70.0] {
        window.perform(Command::AddBox(Rect::new(x, 20.0, 40.0, 30.0)));
    }
    window.perform(Command::Select(Vec::new()));
    let ids: Vec<_> = window.app().state().objects().map(|object| object.id).collect();
    (window, [ids[0], ids[1]])
}

fn right_click(window: &mut Window, x: f64, y: f64) {
    let pos = window.position(x, y);
    window.harness.event(Event::PointerMoved(pos));
    for pressed in [true, false] {
        window.harness.event(Event::PointerButton { pos, button: PointerButton::Secondary, pressed, modifiers: Modifiers::NONE });
    }
    window.harness.run_steps(4);
}

fn has_menu(window: &Window) -> bool {
    window.harness.query_by_label_contains("Make polygons").is_some()
}

#[test]
fn an_object_is_lit_where_it_or_its_row_is_under_the_pointer() {
    let (mut window, ids) = window();
    window.press(Key::V);
    assert_eq!(window.app().lit(), None);
    window.harness.get_by_label("Object 2: object").hover();
    window.harness.run_steps(2);
    assert_eq!(window.app().lit(), Some(ids[1]));
    let at = window.position(30.0, 35.0);
    window.harness.event(Event::PointerMoved(at));
    window.harness.run_steps(2);
    assert_eq!(window.app().lit(), Some(ids[0]));
    let outside = window.position(60.0, 5.0);
    window.harness.event(Event::PointerMoved(outside));
    window.harness.run_steps(2);
    assert_eq!(window.app().lit(), None);
}

#[test]
fn rows_are_selected_one_by_one_and_up_to_one() {
    let (mut window, _) = window();
    for x in [10.0, 40.0, 70.0] {
        window.perform(Command::AddBox(Rect::new(x, 55.0, 20.0, 10.0)));
    }
    let ids: Vec<_> = window.app().state().objects().map(|object| object.id).collect();
    let click = |window: &mut Window, row: usize, modifiers| {
        window.harness.get_by_label(&format!("Object {row}: object")).click_modifiers(modifiers);
        window.harness.run_steps(2);
        let mut selected = window.app().state().selection.clone();
        selected.sort();
        selected
    };
    assert_eq!(click(&mut window, 2, Modifiers::NONE), [ids[1]]);
    assert_eq!(click(&mut window, 4, Modifiers::SHIFT), ids[1..4]);
    assert_eq!(click(&mut window, 1, Modifiers::SHIFT), ids[..2], "from where it began");
    assert_eq!(click(&mut window, 5, Modifiers::COMMAND), [ids[0], ids[1], ids[4]]);
    assert_eq!(click(&mut window, 1, Modifiers::COMMAND), [ids[1], ids[4]]);
    window.perform(Command::SetHidden(ids[2], true));
    assert_eq!(click(&mut window, 1, Modifiers::SHIFT), [ids[0], ids[1], ids[3], ids[4]], "not what is hidden between them");
    window.perform(Command::Select(Vec::new()));
    assert_eq!(click(&mut window, 3, Modifiers::SHIFT), [ids[2]], "there is no other end");
    let pos = window.harness.get_by_label("Object 5: object").rect().center();
    window.harness.event(Event::PointerMoved(pos));
    for pressed in [true, false] {
        window.harness.event(Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers: Modifiers::SHIFT });
    }
    window.harness.run_steps(2);
    assert_eq!(window.app().state().selection, [ids[3], ids[4], ids[2]], "Shift was down when the button was, whatever is down now");
}

#[test]
fn a_right_click_on_a_row_selects_it_and_offers_what_can_be_done() {
    let (mut window, ids) = window();
    window.harness.get_by_label("Object 2: object").click_secondary();
    window.harness.run_steps(4);
    assert_eq!(window.app().state().selection, [ids[1]]);
    window.harness.get_by_label_contains("Hide or show").click();
    window.harness.run_steps(4);
    assert!(!window.app().state().is_visible(ids[1]) && window.app().state().is_visible(ids[0]));
    assert!(!has_menu(&window), "it closes");
    window.perform(Command::ShowAll);
    window.perform(Command::SelectAll);
    window.harness.get_by_label("Object 1: object").click_secondary();
    window.harness.run_steps(4);
    assert_eq!(window.app().state().selection, ids, "what is selected stays so");
}

#[test]
fn a_right_click_on_the_canvas_offers_it_with_the_select_tool_on_an_object_alone() {
    let (mut window, ids) = window();
    window.press(Key::R);
    right_click(&mut window, 30.0, 35.0);
    assert!(!has_menu(&window) && window.app().state().selection.is_empty(), "another tool");
    window.press(Key::V);
    right_click(&mut window, 60.0, 5.0);
    assert!(!has_menu(&window), "no object is there");
    right_click(&mut window, 30.0, 35.0);
    assert!(has_menu(&window));
    assert_eq!(window.app().state().selection, [ids[0]]);
    window.press(Key::Escape);
    window.harness.run_steps(2);
    assert!(!has_menu(&window));
    assert_eq!((window.objects(), window.app().state().selection.len()), (2, 1), "Escape closes the menu alone");
}

#[test]
fn a_mask_that_was_accepted_has_a_mark() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.harness.get_by_label("Object 1: object");
    window.press(Key::Enter);
    window.harness.get_by_label("Object 1: object, accepted");
}

#[test]
fn the_classes_stay_where_they_are_while_objects_are_drawn_and_go_with_the_line_above_them() {
    let mut window = Window::unasked(true);
    let top = |window: &Window| window.harness.get_by_label("Classes").rect().top();
    let before = top(&window);
    for number in 0..9 {
        window.perform(Command::AddBox(Rect::new(f64::from(number) * 12.0, 20.0, 10.0, 30.0)));
        let now = top(&window);
        assert!((now - before).abs() < 0.5, "{now} with {} objects, {before} without", window.objects());
    }
    let line = window.harness.get_by_label("Between objects and classes").rect().center();
    let end = line - egui::vec2(0.0, 60.0);
    let button = |pos, pressed| Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE };
    for event in [Event::PointerMoved(line), button(line, true), Event::PointerMoved(end), button(end, false)] {
        window.harness.event(event);
        window.harness.step();
    }
    window.harness.run_steps(2);
    let moved = before - top(&window);
    assert!((moved - 60.0).abs() < 2.0, "{moved}");
}

#[test]
fn objects_of_one_class_are_selected_shown_alone_and_brought_close() {
    let (mut window, ids) = window();
    window.perform(Command::AddBox(Rect::new(40.0, 60.0, 20.0, 10.0)));
    window.perform(Command::NewClass("cat".to_owned()));
    let cat = window.app().state().selection[0];
    window.perform(Command::SelectAll);
    assert_eq!(window.app().state().selection.len(), 3);
    window.perform(Command::Select(vec![ids[1]]));
    window.perform(Command::SelectClass);
    assert_eq!(window.app().state().selection, ids, "the other class is left out");
    window.perform(Command::HideOthers);
    let seen = |window: &Window, id| window.app().state().is_visible(id);
    assert!(seen(&window, ids[0]) && seen(&window, ids[1]) && !seen(&window, cat));
    window.perform(Command::Select(vec![cat]));
    window.perform(Command::HideOthers);
    assert!(!seen(&window, ids[0]) && seen(&window, cat), "a selected one is shown");
    window.perform(Command::SelectClass);
    window.perform(Command::ShowAll);
    assert!(ids.iter().all(|&id| seen(&window, id)));
    window.perform(Command::Fit);
    let width = |window: &Window| window.position(60.0, 60.0).x - window.position(40.0, 60.0).x;
    let before = width(&window);
    window.perform(Command::FitSelected);
    window.harness.run_steps(2);
    let close = width(&window);
    assert!(close > before, "{before} -> {close}");
    window.perform(Command::Select(ids.to_vec()));
    window.perform(Command::FitSelected);
    window.harness.run_steps(2);
    let seen = window.position(10.0, 20.0).x..window.position(110.0, 20.0).x;
    assert!(width(&window) < close && seen.start > 0.0 && seen.end < 1180.0, "{seen:?}");
}
