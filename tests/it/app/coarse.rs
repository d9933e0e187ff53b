//! Which masks count as coarse when they are refined.

use annotator::annotation::InstanceId;
use annotator::app::object::Act;

use super::*;

fn paint(window: &mut Window, from: (f64, f64), to: (f64, f64)) {
    window.press(Key::B);
    window.drag(from, to, Modifiers::NONE);
}

/// Refines the masks of these objects, and leaves them as they are; whether they counted as coarse. To be asked once of an
/// outline: one that is refined once more counts as coarse.
fn is_coarse(window: &mut Window, ids: &[InstanceId]) -> bool {
    window.perform(Command::Select(ids.to_vec()));
    window.press(Key::G);
    window.answered();
    let change = window.app().state().review.as_ref().unwrap().changes[0].clone();
    window.key(Modifiers::SHIFT, Key::Escape);
    assert!(window.app().state().review.is_none());
    window.perform(Command::Fit);
    let width = |shape: &Shape| shape.bounds().unwrap().width;
    width(&change.after) - width(&change.before) > 3.0
}

fn ids(window: &Window) -> Vec<InstanceId> {
    window.app().state().objects().map(|object| object.id).collect()
}

fn is_painted(window: &Window, id: InstanceId) -> bool {
    window.app().state().document.judgement(id).painted
}

#[test]
fn a_painted_mask_counts_as_coarse_also_after_undo_and_in_the_next_session() {
    let mut window = Window::new(false);
    paint(&mut window, (30.0, 40.0), (60.0, 40.0));
    let id = ids(&window)[0];
    paint(&mut window, (60.0, 40.0), (60.0, 50.0));
    let whole = window.first_mask();
    window.key(Modifiers::COMMAND, Key::Z);
    assert!(window.first_mask().area() < whole.area());
    assert!(is_coarse(&mut window, &[id]));
    window.perform(Command::Redo);
    assert_eq!(window.first_mask(), whole);
    assert!(is_coarse(&mut window, &[id]));
    let mut window = window.reopened();
    assert!(is_coarse(&mut window, &[id]));
    window.press(Key::G);
    window.answered();
    window.press(Key::Enter);
    assert!(!is_coarse(&mut window, &[id]), "the refiner has made this one");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.first_mask(), whole);
    assert!(is_coarse(&mut window, &[id]));
}

#[test]
fn painting_another_object_leaves_a_painted_mask_coarse() {
    let mut window = Window::unasked(false);
    paint(&mut window, (30.0, 20.0), (60.0, 20.0));
    window.perform(Command::Select(Vec::new()));
    paint(&mut window, (30.0, 60.0), (60.0, 60.0));
    let [first, second] = ids(&window)[..] else { panic!("two objects") };
    window.perform(Command::Select(vec![first]));
    paint(&mut window, (60.0, 20.0), (70.0, 20.0));
    window.key(Modifiers::COMMAND, Key::Z);
    assert!(is_coarse(&mut window, &[first]));
    assert!(is_coarse(&mut window, &[second]));
    // A box has no outline that the brush could have gone on with.
    window.draw_box((84.0, 20.0), (108.0, 40.0));
    paint(&mut window, (90.0, 30.0), (100.0, 30.0));
    let third = ids(&window)[2];
    assert!(is_coarse(&mut window, &[third]));
}

#[test]
fn a_mask_that_anything_but_the_brush_had_a_part_in_is_not_coarse() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    let proposed = window.first_mask();
    paint(&mut window, (60.0, 40.0), (75.0, 40.0));
    assert!(window.first_mask().area() > proposed.area());
    let first = ids(&window)[0];
    assert!(!is_coarse(&mut window, &[first]));
    window.perform(Command::Wand(None, Point::new(100.0, 30.0), true));
    let second = ids(&window)[1];
    assert!(!is_coarse(&mut window, &[second]));
    window.perform(Command::Select(Vec::new()));
    paint(&mut window, (90.0, 60.0), (100.0, 60.0));
    let third = ids(&window)[2];
    assert!(!is_coarse(&mut window, &[first, third]), "one of them was proposed");
    assert!(is_coarse(&mut window, &[third]));
}

#[test]
fn a_painted_mask_counts_as_coarse_wherever_it_is_moved_as_a_whole() {
    let mut window = Window::unasked(false);
    paint(&mut window, (30.0, 40.0), (60.0, 40.0));
    let (id, before) = (ids(&window)[0], window.first_mask());
    window.perform(Command::Move(id, Point::new(10.0, 4.0)));
    window.press(Key::V);
    window.perform(Command::Nudge(3, 0));
    window.perform(Command::Nudge(0, -2));
    let moved = window.first_mask();
    assert!(moved != before && moved.area() == before.area() && is_painted(&window, id), "{}", window.says());
    for _ in 0..2 {
        window.perform(Command::Undo);
        assert!(is_painted(&window, id));
    }
    assert_eq!(window.first_mask(), before);
    for _ in 0..2 {
        window.perform(Command::Redo);
        assert!(is_painted(&window, id));
    }
    assert_eq!(window.first_mask(), moved);
    let mut window = window.reopened();
    assert!(is_painted(&window, id) && is_coarse(&mut window, &[id]));
}

#[test]
fn a_copy_of_a_painted_mask_counts_as_coarse_and_that_of_another_one_does_not() {
    let mut window = Window::unasked(false);
    paint(&mut window, (30.0, 40.0), (60.0, 40.0));
    window.perform(Command::Wand(None, Point::new(100.0, 30.0), true));
    window.perform(Command::Select(ids(&window)));
    window.perform(Command::Act(Act::Copy));
    window.perform(Command::GoTo(1));
    window.until("the image is shown", App::is_image_ready);
    window.perform(Command::Act(Act::Paste));
    let [painted, other] = ids(&window)[..] else { panic!("two objects: {}", window.says()) };
    assert!(is_painted(&window, painted) && !is_painted(&window, other));
    assert!(is_coarse(&mut window, &[painted]));
}

#[test]
fn a_mask_that_was_not_painted_is_not_when_it_is_moved() {
    let mut window = Window::unasked(false);
    window.perform(Command::Wand(None, Point::new(100.0, 30.0), true));
    let (id, before) = (ids(&window)[0], window.first_mask());
    window.press(Key::V);
    window.perform(Command::Nudge(-5, 0));
    window.perform(Command::Move(id, Point::new(-5.0, 0.0)));
    assert!(window.first_mask() != before && !is_painted(&window, id), "{}", window.says());
}
