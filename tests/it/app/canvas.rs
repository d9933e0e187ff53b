//! Boxes by hand, those that masks were proposed in, and what of an image is seen.

use super::*;

const SIZE: Size = Size::new(120, 80);

fn steps(window: &Window) -> usize {
    window.app().state().document.history().done().len()
}

/// The box that the first object's mask was proposed in.
fn drawn(window: &Window) -> Option<Rect> {
    let state = window.app().state();
    state.drawn.of(state.objects().next().unwrap())
}

fn is_near(rect: Rect, expected: Rect) -> bool {
    let sides = |rect: Rect| [rect.x, rect.y, rect.right(), rect.bottom()];
    sides(rect).iter().zip(sides(expected)).all(|(side, expected)| (side - expected).abs() < 0.3)
}

/// Points an image pixel.
fn zoom(window: &Window) -> f32 {
    window.position(1.0, 0.0).x - window.position(0.0, 0.0).x
}

#[test]
fn a_mask_is_proposed_anew_when_its_box_gets_other_sides() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    let object = window.app().state().objects().next().unwrap().clone();
    let (before, count) = (window.first_mask(), steps(&window));
    window.press(Key::V);
    window.perform(Command::Select(vec![object.id]));
    window.drag((70.4, 40.0), (70.4, 40.0), Modifiers::NONE);
    window.answered();
    assert!(steps(&window) == count && window.first_mask() == before, "a click beside an edge is no other box");
    window.perform(Command::Select(vec![object.id]));
    window.drag((70.0, 60.0), (100.0, 70.0), Modifiers::NONE);
    window.answered();
    let larger = Rect::new(20.0, 20.0, 80.0, 50.0);
    let after = window.first_mask();
    assert!(annotator::mask::metric::iou(&after, &ellipse(SIZE, larger)) > 0.97, "{}", window.says());
    assert!(is_near(drawn(&window).unwrap(), larger));
    let state = window.app().state();
    let present = state.objects().next().unwrap();
    assert_eq!((state.objects().count(), present.id, present.category_id), (1, object.id, object.category_id));
    assert_eq!((steps(&window), state.selection.as_slice()), (count + 1, [object.id].as_slice()), "it is one step");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.first_mask(), before);
    assert!(is_near(drawn(&window).unwrap(), Rect::new(20.0, 20.0, 50.0, 40.0)), "the box before is there again");
    window.key(Modifiers::COMMAND, Key::Y);
    assert!(window.first_mask() == after && is_near(drawn(&window).unwrap(), larger));

    // The next session knows no more than that the mask was proposed: the box is the one around it.
    let mut window = window.reopened();
    window.perform(Command::Select(vec![object.id]));
    window.drag((100.0, 70.0), (60.0, 60.0), Modifiers::NONE);
    window.answered();
    assert!(is_near(drawn(&window).unwrap(), Rect::new(20.0, 20.0, 40.0, 40.0)), "{:?}", drawn(&window));
}

#[test]
fn a_new_mask_can_be_left_or_taken_before_it_is_whole() {
    let mut window = Window::new(true);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.step_is_shown();
    window.press(Key::Enter);
    let id = window.app().state().objects().next().unwrap().id;
    let (before, count) = (window.first_mask(), steps(&window));
    let enlarge = |window: &mut Window| {
        window.press(Key::V);
        window.perform(Command::Select(vec![id]));
        window.drag((70.0, 60.0), (100.0, 70.0), Modifiers::NONE);
        window.step_is_shown();
    };
    for (modifiers, key) in [(Modifiers::NONE, Key::Escape), (Modifiers::COMMAND, Key::Z)] {
        enlarge(&mut window);
        window.key(modifiers, key);
        let is_stopped = !window.app().is_waiting();
        assert!(is_stopped && window.has_mask() && steps(&window) == count, "{}", window.says());
        assert_eq!(window.first_mask(), before);
        assert!(is_near(drawn(&window).unwrap(), Rect::new(20.0, 20.0, 50.0, 40.0)));
    }
    assert_eq!(window.says(), "Stopped; the mask stays as it was, and nothing is taken back");
    enlarge(&mut window);
    window.press(Key::Enter);
    assert!(window.first_mask() != before && steps(&window) == count + 1, "{}", window.says());
    assert!(is_near(drawn(&window).unwrap(), Rect::new(20.0, 20.0, 80.0, 50.0)));
}

#[test]
fn a_mask_that_a_hand_has_painted_is_not_proposed_anew() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    let id = window.app().state().objects().next().unwrap().id;
    let mask = ellipse(SIZE, Rect::new(20.0, 20.0, 60.0, 40.0));
    window.perform(Command::Paint(Some(id), Shape::from_mask(&mask)));
    let count = steps(&window);
    window.press(Key::V);
    window.perform(Command::Select(vec![id]));
    window.drag((80.0, 60.0), (100.0, 70.0), Modifiers::NONE);
    window.answered();
    assert!(window.first_mask() == mask && steps(&window) == count && drawn(&window).is_none());
}

#[test]
fn a_box_that_is_no_box_is_told_of() {
    let mut window = Window::new(true);
    window.draw_box((30.0, 30.0), (31.0, 60.0));
    assert!(window.objects() == 0 && window.says().contains("Too small for a box"), "{}", window.says());
    window.draw_box((-2.0, 20.0), (-1.0, 60.0));
    assert!(window.objects() == 0 && window.says().contains("outside the image"), "{}", window.says());
    window.draw_box((-2.0, 20.0), (30.0, 60.0));
    assert_eq!(window.objects(), 1, "a part of it lies on the image");
    window.perform(Command::ActualSize);
    window.draw_box((80.0, 30.0), (83.0, 33.0));
    assert!(window.objects() == 1 && window.says().contains("Too small for a box"), "a slip of a click: {}", window.says());
    window.perform(Command::Fit);
    window.draw_box((80.0, 30.0), (83.0, 33.0));
    assert_eq!(window.objects(), 2, "who looks closely means it");
}

#[test]
fn what_was_seen_before_a_review_is_seen_after_it() {
    let mut window = Window::new(false);
    let fitted = zoom(&window);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.perform(Command::ActualSize);
    let corners = |window: &Window| [window.position(0.0, 0.0), window.position(120.0, 80.0)];
    let before = corners(&window);
    for key in [Key::Escape, Key::Enter] {
        window.press(Key::G);
        window.answered();
        assert!(window.app().state().review.is_some() && zoom(&window) > 3.0, "{}", zoom(&window));
        window.press(key);
        assert!(corners(&window).iter().zip(before).all(|(corner, before)| corner.distance(before) < 0.1), "{:?}", corners(&window));
    }
    window.press(Key::D);
    assert!((zoom(&window) - 1.0).abs() < 0.01, "a zoom of the hand goes from image to image");
    window.press(Key::A);
    for _ in 0..5 {
        window.perform(Command::ZoomOut);
    }
    window.press(Key::Tab);
    assert!(zoom(&window) > 3.0, "{}", zoom(&window));
    window.press(Key::D);
    assert!((zoom(&window) - fitted).abs() < 0.01, "one that brought an object near does not");
}
