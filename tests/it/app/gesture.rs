//! What is drawn while the pointer button is still down, as the person goes elsewhere or takes something back.

use super::*;

fn button(pos: egui::Pos2, pressed: bool) -> Event {
    Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE }
}

/// Drags from one image position to another and keeps the button down; where the pointer is then.
fn begin(window: &mut Window, from: (f64, f64), to: (f64, f64)) -> egui::Pos2 {
    let (start, end) = (window.position(from.0, from.1), window.position(to.0, to.1));
    for event in [Event::PointerMoved(start), button(start, true), Event::PointerMoved(start.lerp(end, 0.5)), Event::PointerMoved(end)] {
        window.harness.event(event);
    }
    window.harness.run_steps(2);
    end
}

fn release(window: &mut Window, at: egui::Pos2) {
    window.harness.event(button(at, false));
    window.harness.run_steps(2);
}

/// Whether the first object is a stroke of the brush along this line.
fn is_stroke(window: &Window, from: (f64, f64), to: (f64, f64)) -> bool {
    let mut stroke = Mask::new(Size::new(120, 80));
    annotator::mask::brush::stroke(&mut stroke, Point::new(from.0, from.1), Point::new(to.0, to.1), 12.0, true);
    annotator::mask::metric::iou(&window.first_mask(), &stroke) > 0.98
}

#[test]
fn a_stroke_stays_on_the_image_that_it_was_begun_on() {
    let mut window = Window::unasked(true);
    window.press(Key::B);
    let end = begin(&mut window, (30.0, 40.0), (60.0, 40.0));
    assert_eq!(window.objects(), 0, "the button is still down");
    window.press(Key::D);
    release(&mut window, end);
    assert_eq!((window.app().state().image, window.objects()), (1, 0));
    window.press(Key::A);
    assert_eq!(window.objects(), 1);
    assert!(is_stroke(&window, (30.0, 40.0), (60.0, 40.0)));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.objects(), 0, "it is a step as any other");
}

#[test]
fn half_a_box_and_half_a_move_are_dropped_as_one_goes_on() {
    let mut window = Window::unasked(true);
    let boxes = |window: &Window| {
        let instances = &window.app().state().document.dataset().instances;
        instances.iter().map(|instance| instance.bbox).collect::<Vec<Rect>>()
    };
    window.press(Key::R);
    let end = begin(&mut window, (20.0, 20.0), (70.0, 60.0));
    window.press(Key::D);
    release(&mut window, end);
    assert_eq!((window.app().state().image, boxes(&window)), (1, Vec::new()));
    window.until("the image is shown", App::is_image_ready);
    let end = begin(&mut window, (20.0, 20.0), (70.0, 60.0));
    window.press(Key::V);
    release(&mut window, end);
    assert_eq!((window.app().state().tool, boxes(&window)), (Tool::Select, Vec::new()));
    let place = Rect::new(20.0, 20.0, 30.0, 30.0);
    window.perform(Command::AddBox(place));
    for (from, to) in [((35.0, 35.0), (60.0, 50.0)), ((50.0, 50.0), (70.0, 60.0))] {
        let end = begin(&mut window, from, to);
        window.press(Key::A);
        release(&mut window, end);
        assert_eq!((window.app().state().image, boxes(&window)), (0, vec![place]));
        window.press(Key::D);
        window.until("the image is shown", App::is_image_ready);
        window.perform(Command::SelectAll);
    }
}

#[test]
fn a_stroke_stays_with_its_tool() {
    let mut window = Window::unasked(true);
    window.press(Key::B);
    let end = begin(&mut window, (30.0, 40.0), (60.0, 40.0));
    window.press(Key::R);
    release(&mut window, end);
    assert_eq!((window.app().state().tool, window.objects()), (Tool::Box, 1));
    assert!(is_stroke(&window, (30.0, 40.0), (60.0, 40.0)));
}

#[test]
fn an_image_is_left_out_with_the_stroke_on_it() {
    let mut window = Window::unasked(true);
    window.all_is_read();
    window.press(Key::B);
    let end = begin(&mut window, (30.0, 40.0), (60.0, 40.0));
    window.perform(Command::LeaveOut);
    release(&mut window, end);
    let dataset = window.app().state().document.dataset();
    assert_eq!((dataset.images.len(), dataset.instances.len()), (2, 0), "{}", window.says());
    window.perform(Command::Undo);
    assert!(is_stroke(&window, (30.0, 40.0), (60.0, 40.0)));
}

#[test]
fn undo_and_redo_drop_what_is_being_drawn_and_nothing_else() {
    let mut window = Window::unasked(true);
    window.press(Key::B);
    window.drag((20.0, 20.0), (40.0, 20.0), Modifiers::NONE);
    window.drag((20.0, 50.0), (40.0, 50.0), Modifiers::NONE);
    window.key(Modifiers::COMMAND, Key::Z);
    let painted = window.first_mask();
    for (key, said) in [(Key::Z, "nothing is taken back"), (Key::Y, "nothing is done again")] {
        let end = begin(&mut window, (70.0, 60.0), (90.0, 60.0));
        window.key(Modifiers::COMMAND, key);
        release(&mut window, end);
        assert_eq!(window.says(), format!("Dropped what the mouse was doing; {said}"));
        assert_eq!((window.objects(), window.first_mask()), (1, painted.clone()));
    }
    window.key(Modifiers::COMMAND, Key::Y);
    assert!(window.first_mask().area() > painted.area(), "what was taken back before is still there");
    window.key(Modifiers::COMMAND, Key::Z);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.objects(), 0);
}

#[test]
fn who_erases_the_last_pixel_is_told_that_the_object_is_gone() {
    let mut window = Window::unasked(true);
    window.press(Key::B);
    window.drag((30.0, 40.0), (40.0, 40.0), Modifiers::NONE);
    window.perform(Command::BrushRadius(60.0));
    window.drag((35.0, 40.0), (36.0, 40.0), Modifiers::COMMAND);
    assert_eq!(window.objects(), 0);
    assert_eq!(window.says(), "Erased all of it: the object is deleted; Ctrl+Z brings it back");
    window.key(Modifiers::COMMAND, Key::Z);
    assert!(is_stroke(&window, (30.0, 40.0), (40.0, 40.0)));
}
