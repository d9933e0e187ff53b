//! The arrow keys.

use super::*;

const SIZE: Size = Size::new(120, 80);

/// Holds a key down until the system has repeated it so many times.
fn hold(window: &mut Window, modifiers: Modifiers, key: Key, times: usize) {
    let event = |pressed| Event::Key { key, physical_key: None, pressed, repeat: false, modifiers };
    for _ in 0..times {
        window.harness.event(event(true));
    }
    window.harness.event(event(false));
    window.harness.step();
}

fn arrow(window: &mut Window, key: Key, times: usize) {
    hold(window, Modifiers::NONE, key, times);
}

fn undo(window: &mut Window) {
    window.key(Modifiers::COMMAND, Key::Z);
}

fn outlines(window: &Window) -> Vec<(Rect, Shape)> {
    window.app().state().objects().map(|object| (object.bbox, object.shape.clone())).collect()
}

fn steps(window: &Window) -> usize {
    window.app().state().document.history().done().len()
}

fn left(window: &Window) -> f64 {
    outlines(window)[0].0.x
}

fn square(x: f64, y: f64) -> Vec<Point> {
    [(0.0, 0.0), (20.0, 0.0), (20.0, 20.0), (0.0, 20.0)].map(|(right, down)| Point::new(x + right, y + down)).to_vec()
}

fn first_ring(window: &Window) -> Vec<f64> {
    match &outlines(window)[0].1 {
        Shape::Polygons(rings) => rings[0].clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nudges_move_every_shape_exactly_and_are_one_step() {
    let mut window = Window::unasked(true);
    let mask = ellipse(SIZE, Rect::new(70.0, 30.0, 20.0, 12.0));
    window.perform(Command::AddBox(Rect::new(10.25, 20.5, 15.0, 10.0)));
    window.perform(Command::AddPolygon(square(30.25, 10.0)));
    window.perform(Command::Paint(None, Shape::from_mask(&mask)));
    window.key(Modifiers::COMMAND, Key::A);
    let (before, count) = (outlines(&window), steps(&window));
    arrow(&mut window, Key::ArrowRight, 3);
    hold(&mut window, Modifiers::SHIFT, Key::ArrowDown, 1);
    arrow(&mut window, Key::ArrowUp, 1);
    let after = outlines(&window);
    assert_eq!(after[0].0, Rect::new(13.25, 29.5, 15.0, 10.0), "{}", window.says());
    assert_eq!(after[1].1, Shape::Polygons(vec![square(33.25, 19.0).iter().flat_map(|point| [point.x, point.y]).collect()].into()));
    let expected = Mask::from_fn(SIZE, |x, y| x >= 3 && y >= 9 && mask.get(x - 3, y - 9));
    assert_eq!(after[2].1.mask(after[2].0, SIZE).unwrap(), expected);
    assert_eq!(steps(&window), count + 1);
    assert_eq!(window.app().state().document.history().next_undo().unwrap().label, "Move 3 objects");
    undo(&mut window);
    assert_eq!(outlines(&window), before);
    window.key(Modifiers::COMMAND, Key::Y);
    assert_eq!(outlines(&window), after);
    let mut again = window.reopened();
    assert_eq!(outlines(&again), after);
    undo(&mut again);
    assert_eq!(outlines(&again), before, "also in the next session");
}

#[test]
fn a_nudge_stops_at_the_border_and_changes_nothing_there() {
    let mut window = Window::unasked(true);
    window.perform(Command::AddBox(Rect::new(90.0, 10.0, 20.0, 20.0)));
    hold(&mut window, Modifiers::SHIFT, Key::ArrowRight, 3);
    assert!((left(&window) - 100.0).abs() < 1e-9);
    arrow(&mut window, Key::ArrowLeft, 1);
    assert!((left(&window) - 99.0).abs() < 1e-9, "what went past the border is forgotten");
    arrow(&mut window, Key::ArrowRight, 1);
    window.harness.run_steps(12);
    let count = steps(&window);
    arrow(&mut window, Key::ArrowRight, 2);
    assert_eq!(steps(&window), count, "there is nothing to take back");
    arrow(&mut window, Key::ArrowLeft, 1);
    assert_eq!(steps(&window), count + 1, "after a pause");
    undo(&mut window);
    assert!((left(&window) - 100.0).abs() < 1e-9);
}

#[test]
fn a_pause_another_edit_and_another_selection_end_a_row_of_nudges() {
    let mut window = Window::unasked(true);
    window.perform(Command::AddBox(Rect::new(60.0, 40.0, 20.0, 20.0)));
    window.perform(Command::AddBox(Rect::new(10.0, 10.0, 20.0, 20.0)));
    let ids: Vec<_> = window.app().state().objects().map(|object| object.id).collect();
    window.perform(Command::Select(vec![ids[0]]));
    let count = steps(&window);
    arrow(&mut window, Key::ArrowRight, 2);
    window.harness.run_steps(12);
    arrow(&mut window, Key::ArrowRight, 2);
    assert_eq!(steps(&window), count + 2, "a pause");
    window.perform(Command::Select(ids.clone()));
    arrow(&mut window, Key::ArrowRight, 1);
    assert_eq!(steps(&window), count + 3, "another selection");
    undo(&mut window);
    window.perform(Command::Select(ids));
    arrow(&mut window, Key::ArrowRight, 1);
    assert_eq!(steps(&window), count + 3, "a step that was taken back is not gone on with");
    for expected in [64.0, 62.0, 60.0] {
        undo(&mut window);
        assert!((left(&window) - expected).abs() < 1e-9, "{}", left(&window));
    }
}

#[test]
fn only_the_select_tool_has_the_arrows() {
    let mut window = Window::unasked(true);
    window.perform(Command::AddBox(Rect::new(10.0, 10.0, 20.0, 20.0)));
    window.press(Key::B);
    let count = steps(&window);
    arrow(&mut window, Key::ArrowRight, 1);
    assert!(window.says().contains("select tool"), "{}", window.says());
    window.press(Key::V);
    window.key(Modifiers::COMMAND, Key::P);
    window.press(Key::ArrowDown);
    window.press(Key::Escape);
    assert_eq!(steps(&window), count, "a list has them too");
    window.perform(Command::Select(Vec::new()));
    arrow(&mut window, Key::ArrowRight, 1);
    assert!(window.says().contains("Select the objects first"), "{}", window.says());
    assert_eq!(steps(&window), count);
}

#[test]
fn a_vertex_that_was_clicked_is_nudged_alone() {
    let mut window = Window::unasked(true);
    window.perform(Command::AddPolygon(square(30.0, 20.0)));
    let id = window.app().state().selection[0];
    let (ring, count) = (first_ring(&window), steps(&window));
    window.drag((50.0, 20.0), (50.0, 20.0), Modifiers::NONE);
    assert_eq!((first_ring(&window), steps(&window)), (ring.clone(), count), "a click leaves it where it is");
    arrow(&mut window, Key::ArrowRight, 2);
    arrow(&mut window, Key::ArrowUp, 1);
    let mut expected = ring.clone();
    (expected[2], expected[3]) = (52.0, 19.0);
    assert_eq!((first_ring(&window), steps(&window)), (expected.clone(), count + 1));
    hold(&mut window, Modifiers::SHIFT, Key::ArrowUp, 3);
    expected[3] = 0.0;
    assert_eq!(first_ring(&window), expected, "it stops at the border");
    undo(&mut window);
    assert_eq!(first_ring(&window), ring);

    window.perform(Command::Select(Vec::new()));
    window.perform(Command::Select(vec![id]));
    arrow(&mut window, Key::ArrowRight, 1);
    let whole: Vec<f64> = ring.iter().enumerate().map(|(index, value)| if index % 2 == 0 { value + 1.0 } else { *value }).collect();
    assert_eq!(first_ring(&window), whole, "the object, once it was selected anew");
}
