//! Others like the selected objects.

use super::*;

#[test]
fn others_are_found_and_get_masks_and_two_steps_take_them_back() {
    let mut window = Window::new(false);
    window.key(Modifiers::SHIFT, Key::W);
    assert!(window.says().contains("Select an object with a mask"), "{}", window.says());
    window.draw_box((10.0, 20.0), (40.0, 50.0));
    window.answered();
    window.key(Modifiers::SHIFT, Key::W);
    window.answered();
    window.answered();
    let class = window.app().state().objects().next().unwrap().category_id;
    let others: Vec<_> = window.app().state().objects().skip(1).cloned().collect();
    assert_eq!(others.len(), 1, "{}", window.says());
    assert!(others[0].bbox.x >= 40.0 && others[0].shape != Shape::Box && others[0].category_id == class);
    window.key(Modifiers::COMMAND, Key::Z);
    assert!(window.app().state().objects().nth(1).unwrap().shape == Shape::Box);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.app().state().objects().count(), 1);
}

#[test]
fn what_is_less_sure_comes_last_and_is_marked() {
    let mut window = Window::new(false);
    for left in [5.0, 30.0] {
        window.draw_box((left, 20.0), (left + 20.0, 40.0));
    }
    window.answered();
    window.perform(Command::SelectAll);
    window.key(Modifiers::SHIFT, Key::W);
    window.answered();
    window.answered();
    let state = window.app().state();
    let sure: Vec<Option<f64>> = state.objects().map(|object| state.confidence(object)).collect();
    assert_eq!(sure.len(), 4, "{}", window.says());
    assert!(sure[2].is_some_and(|sure| sure > 0.8) && sure[3] == Some(0.5), "{sure:?}");
    assert_eq!(window.says(), "2 masks proposed: Enter accepts, G refines; the last one is less sure");
    let ids: Vec<_> = state.objects().map(|object| object.id).collect();
    assert_eq!(state.proposed, ids, "nobody has accepted those that were drawn");
    assert_eq!(state.selection, ids[2..3], "the sure one is looked at first");
}

#[test]
fn exemplars_of_the_chosen_class_serve_on_other_images() {
    let mut window = Window::new(false);
    window.draw_box((10.0, 20.0), (40.0, 50.0));
    window.answered();
    window.press(Key::K);
    window.press(Key::D);
    window.answered();
    window.key(Modifiers::SHIFT, Key::W);
    window.answered();
    window.answered();
    assert_eq!(window.app().state().image, 1);
    let found: Vec<_> = window.app().state().objects().map(|object| object.bbox.area()).collect();
    assert!(found.len() == 1 && (600.0..1000.0).contains(&found[0]), "{found:?}: {}", window.says());
}

#[test]
fn exemplars_come_back_with_their_project() {
    let mut window = Window::new(false);
    for (from, to) in [((10.0, 20.0), (40.0, 50.0)), ((60.0, 20.0), (90.0, 70.0))] {
        window.draw_box(from, to);
        window.answered();
        window.press(Key::K);
    }
    window.press(Key::Delete);
    window.project_is_written();
    let mut window = window.reopened();
    let class = window.app().state().category.unwrap();
    window.until("the crop is made", move |app| !app.state().exemplars.of(class).is_empty());
    assert_eq!(window.app().state().exemplars.of(class).len(), 1, "the object of the other one is gone");
    window.press(Key::D);
    window.until("the image is shown", App::is_image_ready);
    window.key(Modifiers::SHIFT, Key::W);
    window.answered();
    window.answered();
    assert_eq!(window.app().state().image, 1);
    assert_eq!(window.objects(), 1, "{}", window.says());
    window.perform(Command::ForgetExemplars);
    window.project_is_written();
    let window = window.reopened();
    assert!(window.app().state().exemplars.is_empty());
}

#[test]
fn a_class_that_comes_back_has_its_digit_and_its_exemplars() {
    let mut window = Window::new(false);
    window.draw_box((10.0, 20.0), (40.0, 50.0));
    window.answered();
    window.press(Key::K);
    let class = window.app().state().category.unwrap();
    window.perform(Command::SetDigit(class, Some(7)));
    window.press(Key::Delete);
    let known = |window: &Window| {
        let state = window.app().state();
        (state.class_of_digit(7), state.exemplars.of(class).len(), state.document.exemplars().len())
    };
    assert_eq!((window.objects(), known(&window)), (0, (Some(class), 1, 1)));
    window.perform(Command::DeleteClass(Some(class)));
    window.perform(Command::NewClass("other".to_owned()));
    assert_eq!(window.app().state().document.dataset().categories[0].id, class);
    assert_eq!(known(&window), (None, 0, 0), "another class has the id by now");
    for expected in [(None, 0, 0), (Some(class), 1, 1)] {
        window.perform(Command::Undo);
        assert_eq!(known(&window), expected, "{}", window.says());
    }
    window.perform(Command::Redo);
    assert_eq!(known(&window), (None, 0, 0));
    window.perform(Command::Undo);
    assert_eq!(known(&window), (Some(class), 1, 1));
}

#[test]
fn a_class_that_comes_back_after_a_restart_has_its_digit_and_its_exemplars() {
    let mut window = Window::new(false);
    window.draw_box((10.0, 20.0), (40.0, 50.0));
    window.answered();
    window.press(Key::K);
    let class = window.app().state().category.unwrap();
    window.perform(Command::SetDigit(class, Some(7)));
    window.perform(Command::Select(Vec::new()));
    window.perform(Command::NewClass("other".to_owned()));
    let heir = window.app().state().document.dataset().categories[1].id;
    let known = |window: &Window| {
        let state = window.app().state();
        (state.class_of_digit(7), state.document.exemplars().len())
    };
    assert_eq!(known(&window), (Some(class), 1));
    window.perform(Command::MergeClass(class, heir));
    assert_eq!(known(&window), (None, 0));
    for _ in 0..2 {
        window.project_is_written();
        window = window.reopened();
        assert_eq!(known(&window), (None, 0));
        window.perform(Command::Undo);
        assert_eq!(known(&window), (Some(class), 1), "{}", window.says());
        window.until("the crop is made", move |app| !app.state().exemplars.of(class).is_empty());
        window.perform(Command::Redo);
        assert_eq!(known(&window), (None, 0), "{}", window.says());
    }
}

#[test]
fn a_search_is_shown_and_escape_stops_it() {
    let mut window = Window::new(true);
    window.press(Key::B);
    window.drag((20.0, 20.0), (40.0, 20.0), Modifiers::NONE);
    window.key(Modifiers::SHIFT, Key::W);
    window.until("the search begins", App::is_waiting);
    window.press(Key::Escape);
    assert!(window.says().contains("Search stopped"), "{}", window.says());
    assert_eq!(window.app().state().objects().count(), 1);
}
