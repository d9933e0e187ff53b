//! Alternatives, corrections by strokes, uncertainty and exemplars.

use super::*;
use annotator::annotation::InstanceId;
use annotator::assist::Scribble;

#[test]
fn space_goes_round_the_alternatives_and_a_space_drag_does_not() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    let first = window.first_mask();
    window.press(Key::Space);
    window.answered();
    let second = window.first_mask();
    assert_ne!(first, second);
    assert!(window.says().starts_with("Mask 2 of 3, expected IoU 60 %"), "{}", window.says());
    window.press(Key::Space);
    let third = window.first_mask();
    assert_ne!(second, third);
    window.press(Key::Space);
    assert_eq!(window.first_mask(), first, "after the last comes the first");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.first_mask(), third);
    let place = window.position(40.0, 40.0);
    window.harness.event(Event::Key { key: Key::Space, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::NONE });
    window.harness.run_steps(2);
    window.drag((40.0, 40.0), (60.0, 50.0), Modifiers::NONE);
    window.harness.event(Event::Key { key: Key::Space, physical_key: None, pressed: false, repeat: false, modifiers: Modifiers::NONE });
    window.harness.run_steps(2);
    assert_ne!(window.position(40.0, 40.0), place, "the image was moved");
    assert_eq!(window.first_mask(), third);
}

#[test]
fn strokes_correct_the_mask_and_stay_obeyed() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    assert!(!window.first_mask().get(21, 21) && window.first_mask().get(45, 40));
    window.press(Key::Q);
    window.drag((21.0, 21.0), (24.0, 24.0), Modifiers::NONE);
    window.answered();
    assert!(window.first_mask().get(21, 21));
    window.drag((45.0, 40.0), (46.0, 40.0), Modifiers::ALT);
    window.answered();
    assert!(window.first_mask().get(21, 21) && !window.first_mask().get(45, 40));
    let id = window.app().state().objects().next().unwrap().id;
    assert_eq!(window.app().state().strokes[&id].len(), 2);
    window.key(Modifiers::COMMAND, Key::Z);
    window.drag((60.0, 30.0), (61.0, 30.0), Modifiers::NONE);
    window.answered();
    assert_eq!(window.app().state().strokes[&id].len(), 2, "the stroke that was taken back is forgotten");
    assert!(window.first_mask().get(45, 40));
}

#[test]
fn the_least_sure_object_comes_first_on_whatever_image() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.press(Key::D);
    window.draw_box((10.0, 10.0), (110.0, 70.0));
    window.answered();
    window.press(Key::A);
    window.key(Modifiers::SHIFT, Key::U);
    assert_eq!(window.app().state().image, 1, "{}", window.says());
    assert!(window.says().contains("50 %"), "{}", window.says());
    window.key(Modifiers::SHIFT, Key::U);
    assert_eq!(window.app().state().image, 0);
    window.key(Modifiers::SHIFT, Key::U);
    assert_eq!(window.app().state().image, 1, "the queue comes round");
    window.key(Modifiers::COMMAND, Key::U);
    assert_eq!(window.app().state().image, 0);
}

#[test]
fn the_queue_accepts_no_mask_that_it_only_shows() {
    let mut window = Window::new(false);
    for (from, to) in [((20.0, 20.0), (70.0, 60.0)), ((80.0, 20.0), (110.0, 60.0))] {
        window.draw_box(from, to);
        window.answered();
    }
    window.press(Key::D);
    let accepted = |window: &Window| {
        let document = &window.app().state().document;
        [1, 2].map(|id| document.judgement(InstanceId(id)).looked_at)
    };
    for sure in ["75 %", "85 %", "75 %"] {
        window.key(Modifiers::SHIFT, Key::U);
        assert!(window.says().contains(sure), "{}", window.says());
        assert_eq!(accepted(&window), [false, false]);
    }
    window.press(Key::Enter);
    assert_eq!(accepted(&window), [true, false]);
    window.key(Modifiers::SHIFT, Key::U);
    assert!(window.says().contains("85 %"), "{}", window.says());
    window.press(Key::Enter);
    assert_eq!(accepted(&window), [true, true]);
    window.key(Modifiers::SHIFT, Key::U);
    assert!(window.says().contains("No object is left"), "{}", window.says());
}

#[test]
fn a_mask_of_the_queue_is_accepted_though_a_box_beside_it_has_none() {
    let mut window = Window::unasked(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.press(Key::Enter);
    window.answered();
    window.draw_box((80.0, 20.0), (110.0, 60.0));
    window.press(Key::D);
    window.key(Modifiers::SHIFT, Key::U);
    window.press(Key::Enter);
    let state = window.app().state();
    assert!(state.objects().any(|object| object.shape == Shape::Box));
    assert!(state.objects().any(|object| state.document.judgement(object.id).looked_at), "{}", window.says());
}

#[test]
fn an_exemplar_is_kept_for_its_class_and_uncertainty_is_toggled() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.press(Key::K);
    window.press(Key::K);
    let state = window.app().state();
    let category = state.objects().next().unwrap().category_id;
    assert_eq!(state.exemplars.of(category).len(), 1, "the same object twice is one exemplar");
    assert!(window.says().contains("do not look at exemplars"), "{}", window.says());
    window.press(Key::U);
    window.answered();
    let state = window.app().state();
    assert!(state.shows_uncertainty && state.suggestions.values().all(|known| known.spread.is_some()) && !state.suggestions.is_empty());
    window.press(Key::U);
    assert!(!window.app().state().shows_uncertainty);
}

/// A window on one image of 120 x 80 pixels with these boxes, by their ids.
fn over_boxes(boxes: &[(u32, [f64; 4])]) -> Window {
    let folder = tempfile::tempdir().unwrap();
    RgbImage::from_fn(120, 80, |x, y| image::Rgb([x as u8, y as u8, 90])).save(folder.path().join("a.png")).unwrap();
    let object = |(id, bbox): &(u32, [f64; 4])| serde_json::json!({"id": id, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 4.0, "bbox": bbox});
    let json = serde_json::json!({
        "images": [{"id": 1, "file_name": "a.png", "width": 120, "height": 80}],
        "annotations": boxes.iter().map(object).collect::<Vec<_>>(),
        "categories": [{"id": 1, "name": "x"}],
    });
    Window::over_json(folder, &json)
}

/// The objects that have masks.
fn masked(window: &Window) -> Vec<i64> {
    window.app().state().objects().filter(|object| object.shape != Shape::Box).map(|object| object.id.0).collect()
}

const FOUR: [(u32, [f64; 4]); 4] =
    [(1, [5.0, 5.0, 20.0, 20.0]), (2, [30.0, 5.0, 20.0, 20.0]), (3, [55.0, 5.0, 20.0, 20.0]), (4, [80.0, 5.0, 20.0, 20.0])];

#[test]
fn a_drawn_box_gets_a_mask_by_itself_and_those_that_were_there_stay_boxes() {
    let mut window = over_boxes(&FOUR);
    for left in [5.0, 60.0] {
        window.draw_box((left, 40.0), (left + 40.0, 70.0));
    }
    window.until("both have masks", |app| app.state().objects().filter(|object| object.shape != Shape::Box).count() >= 2);
    window.answered();
    assert_eq!(masked(&window), [5, 6], "{}", window.says());
    assert_eq!(window.app().state().selection, [InstanceId(6)], "a digit is about the one that was drawn last");
    assert_eq!(window.app().state().proposed, [InstanceId(5), InstanceId(6)]);
}

#[test]
fn selected_boxes_get_masks_alone_and_all_do_where_none_is_selected() {
    let mut window = over_boxes(&FOUR);
    let asked = |window: &mut Window, selected: &[i64], key: Key| {
        window.perform(Command::Select(selected.iter().map(|&id| InstanceId(id)).collect()));
        window.press(key);
        window.answered();
        masked(window)
    };
    assert_eq!(asked(&mut window, &[2], Key::Space), [2]);
    assert_eq!(asked(&mut window, &[3, 4], Key::Enter), [2, 3, 4]);
    assert_eq!(window.app().state().selection, [InstanceId(3), InstanceId(4)], "a person has chosen both");
    assert_eq!(asked(&mut window, &[2, 3, 4], Key::Enter), [2, 3, 4], "accepted");
    assert_eq!(asked(&mut window, &[], Key::Enter), [1, 2, 3, 4]);
}

#[test]
fn enter_on_a_mask_asks_for_none_of_the_boxes_beside_it() {
    let mut window = over_boxes(&FOUR);
    window.press(Key::B);
    window.drag((50.0, 60.0), (70.0, 60.0), Modifiers::NONE);
    window.press(Key::Enter);
    assert!(!window.app().is_waiting());
    assert_eq!((masked(&window), window.says().as_str()), (vec![5], "Accepted"));
    assert!(window.app().state().document.judgement(InstanceId(5)).looked_at);
}

#[test]
fn a_box_outside_the_image_holds_up_no_other() {
    let mut window = over_boxes(&[(7, [500.0, 10.0, 20.0, 20.0]), (8, [20.0, 20.0, 50.0, 40.0])]);
    window.press(Key::Enter);
    window.until("a mask", |app| app.state().objects().any(|object| object.shape != Shape::Box));
    let masks: Vec<i64> = window.app().state().objects().filter(|object| object.shape != Shape::Box).map(|object| object.id.0).collect();
    assert_eq!(masks, [8]);
    window.press(Key::Escape);
    window.perform(Command::Propose);
    assert!(window.says().ends_with("cover no pixel of the image: 7"), "{}", window.says());
}

#[test]
fn what_was_changed_while_the_model_worked_stays_as_it_is() {
    let mut window = Window::new(true);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.step_is_shown();
    let id = window.app().state().objects().next().unwrap().id;
    window.perform(Command::Move(id, Point::new(10.0, 5.0)));
    window.press(Key::Enter);
    assert!(!window.has_mask(), "the mask is of the place before");
    assert!(window.says().contains("1 stayed a box"), "{}", window.says());
}

#[test]
fn what_is_known_of_a_mask_goes_when_a_hand_changes_it() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    let id = window.app().state().objects().next().unwrap().id;
    let drawn = |window: &Window| {
        let state = window.app().state();
        state.drawn.of(state.objects().next().unwrap())
    };
    let rect = drawn(&window);
    assert!(rect.is_some());
    window.press(Key::Space);
    window.answered();
    assert_eq!(drawn(&window), rect, "other masks are looked for in the box that was drawn");
    let judgement = |window: &Window| window.app().state().document.judgement(id);
    assert_eq!(judgement(&window).expected_iou, Some(0.6));
    window.perform(Command::Move(id, Point::new(3.0, 0.0)));
    assert!(drawn(&window).is_none() && judgement(&window).expected_iou.is_none());
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((drawn(&window), judgement(&window).expected_iou), (rect, Some(0.6)), "they are of the outline that is there again");
    window.key(Modifiers::COMMAND, Key::Y);
    assert!(judgement(&window).expected_iou.is_none());
    window.press(Key::Q);
    window.drag((45.0, 40.0), (46.0, 40.0), Modifiers::ALT);
    window.answered();
    assert!(judgement(&window).expected_iou.is_none(), "of a mask that it was given the model always thinks well");
    assert_eq!(window.app().state().strokes[&id].len(), 1);
    assert!(!judgement(&window).looked_at, "only Enter accepts");
    window.press(Key::Enter);
    window.perform(Command::Select(vec![id]));
    window.press(Key::V);
    window.press(Key::Delete);
    assert!(window.app().state().strokes.is_empty() && !judgement(&window).looked_at, "the id may come to another object");
    window.key(Modifiers::COMMAND, Key::Z);
    assert!(judgement(&window).looked_at, "a person accepted the mask that is there again");
}

/// A window on what `window`, which is closed, had open.
fn reopened(window: Window) -> Window {
    let data = window.data.clone();
    let mut window = Window::over(window.close(), data.clone(), false);
    window.open(&data);
    window
}

#[test]
fn the_queue_goes_on_in_the_next_session_and_no_file_tells_of_it() {
    let mut window = Window::new(false);
    for (from, to) in [((20.0, 20.0), (70.0, 60.0)), ((80.0, 20.0), (110.0, 60.0))] {
        window.draw_box(from, to);
        window.answered();
    }
    window.key(Modifiers::COMMAND, Key::S);
    window.file_is_written();
    window.key(Modifiers::SHIFT, Key::U);
    assert!(window.says().contains("75 %"), "{}", window.says());
    window.press(Key::Enter);
    assert!(!window.app().state().document.is_changed());
    let file = window.data.join("annotations.json");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(["expected", "looked", "score"].iter().all(|word| !text.contains(word)), "{text}");

    let mut window = reopened(window);
    window.key(Modifiers::SHIFT, Key::U);
    assert!(window.says().contains("85 %"), "{}", window.says());
    window.press(Key::Enter);

    // Another program changes the file, but no mask.
    std::fs::write(&file, text.replace("\"object\"", "\"other thing\"")).unwrap();
    let mut window = reopened(window);
    assert_eq!(window.class_of_first(), "other thing");
    window.key(Modifiers::SHIFT, Key::U);
    assert!(window.says().contains("No object is left"), "{}", window.says());
    let state = window.app().state();
    assert!(state.objects().all(|object| state.confidence(object).is_some()));
}

#[test]
fn a_proposal_that_is_done_again_in_the_next_session_is_judged_as_it_was() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    let id = window.app().state().objects().next().unwrap().id;
    let judgement = |window: &Window| window.app().state().document.judgement(id);
    let proposed = judgement(&window);
    assert!(proposed.expected_iou.is_some() && !proposed.looked_at);
    window.key(Modifiers::COMMAND, Key::Z);
    assert!(!window.has_mask() && judgement(&window).expected_iou.is_none());
    let mut window = reopened(window);
    window.key(Modifiers::COMMAND, Key::Y);
    assert!(window.has_mask());
    assert_eq!(judgement(&window), proposed);
}

#[test]
fn a_mask_that_comes_late_leaves_the_selection_alone() {
    let mut window = Window::new(false);
    window.draw_box((10.0, 10.0), (40.0, 40.0));
    window.answered();
    let first = window.app().state().objects().next().unwrap().id;
    window.draw_box((50.0, 20.0), (90.0, 60.0));
    window.perform(Command::Select(vec![first]));
    window.answered();
    let state = window.app().state();
    assert!(state.objects().all(|object| object.shape != Shape::Box));
    assert_eq!(state.selection, [first]);
}

#[test]
fn many_boxes_get_their_masks_a_few_at_a_time() {
    let place = |id: u32| (id, [f64::from(id % 7) * 16.0, f64::from(id / 7) * 18.0, 14.0, 16.0]);
    let mut window = over_boxes(&(1..=20).map(place).collect::<Vec<_>>());
    let boxes = |window: &Window| window.app().state().objects().filter(|object| object.shape == Shape::Box).count();
    window.press(Key::Enter);
    window.answered();
    assert_eq!(boxes(&window), 0);
    assert!(window.says().starts_with("20 masks proposed"), "{}", window.says());
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(boxes(&window), 4, "the first sixteen were a step of their own");
}

#[test]
fn a_mask_of_a_box_that_moved_meanwhile_is_dropped() {
    let mut window = Window::unasked(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    let id = window.app().state().objects().next().unwrap().id;
    window.perform_at_once(vec![Command::Propose, Command::Move(id, Point::new(10.0, 5.0))]);
    window.answered();
    assert!(!window.has_mask(), "the mask is of the place before");
}

/// A stroke of a few pixels around a position.
fn stroke(x: f64, y: f64) -> Scribble {
    Scribble { points: vec![Point::new(x, y)], radius_px: 3.0, inside: true }
}

/// A window with a slow model and two painted objects, and these.
fn two_painted() -> (Window, [InstanceId; 2]) {
    let mut window = Window::new(true);
    for y in [15.0, 65.0] {
        window.perform(Command::Select(Vec::new()));
        window.press(Key::B);
        window.drag((20.0, y), (40.0, y), Modifiers::NONE);
    }
    let ids: Vec<InstanceId> = window.app().state().objects().map(|object| object.id).collect();
    (window, [ids[0], ids[1]])
}

#[test]
fn a_stroke_is_obeyed_though_one_goes_on_before_the_model_answers() {
    let (mut window, [first, second]) = two_painted();
    let label = |window: &Window| window.app().state().document.history().next_undo().unwrap().label.clone();
    window.perform(Command::Scribble(Some(first), stroke(80.0, 10.0)));
    assert!(!window.first_mask().get(80, 10));
    window.press(Key::D);
    window.press(Key::A);
    assert!(window.first_mask().get(80, 10) && window.first_mask().get(30, 15));
    assert_eq!(label(&window), "Correct mask");

    window.perform(Command::Scribble(Some(first), stroke(90.0, 20.0)));
    window.perform(Command::Scribble(Some(second), stroke(90.0, 70.0)));
    assert!(window.first_mask().get(90, 20), "a stroke on another object comes first");
    window.perform(Command::Scribble(Some(first), stroke(100.0, 20.0)));
    let count = |id: InstanceId| window.app().state().strokes[&id].len();
    assert_eq!((count(first), count(second)), (3, 1), "none is forgotten");

    let before = window.first_mask();
    window.press(Key::Escape);
    assert_eq!(window.first_mask(), before, "Esc leaves the mask as it was");
}

#[test]
fn what_refines_a_mask_or_closes_the_document_obeys_a_stroke_first() {
    let (mut window, [first, _]) = two_painted();
    window.perform(Command::Select(vec![first]));
    window.perform(Command::Scribble(Some(first), stroke(80.0, 10.0)));
    window.press(Key::G);
    window.answered();
    assert!(window.first_mask().get(80, 10));
    let review = window.app().state().review.as_ref().unwrap();
    let refined = review.changes[0].after.mask(Rect::default(), Size::new(120, 80)).unwrap();
    assert!(refined.get(80, 10), "it is the corrected mask that was refined");
    window.press(Key::Escape);
    window.perform(Command::Scribble(Some(first), stroke(90.0, 20.0)));
    let window = window.reopened();
    assert!(window.first_mask().get(90, 20));
}

#[test]
fn a_stroke_that_changes_nothing_is_no_step_and_leaves_a_polygon_one() {
    for slow in [false, true] {
        let mut window = Window::new(slow);
        window.all_is_read();
        window.until("the image is shown", App::is_image_ready);
        let corners = [(20.0, 20.0), (70.0, 20.0), (70.0, 60.0), (20.0, 60.0)];
        window.perform(Command::AddPolygon(corners.map(|(x, y)| Point::new(x, y)).to_vec()));
        let now = |window: &Window| {
            let state = window.app().state();
            (state.objects().next().unwrap().clone(), state.document.history().done().len())
        };
        let before = now(&window);
        assert!(matches!(before.0.shape, Shape::Polygons(_)));
        window.perform(Command::Scribble(Some(before.0.id), stroke(45.0, 40.0)));
        if slow {
            window.step_is_shown();
            window.press(Key::Enter);
            assert!(window.says().starts_with("1 mask accepted as shown"), "{}", window.says());
        } else {
            window.answered();
            assert_eq!(window.says(), "The mask has what you painted on this side already");
            let whole = Scribble { radius_px: 200.0, inside: false, ..stroke(45.0, 40.0) };
            window.perform(Command::Scribble(Some(before.0.id), whole));
            window.answered();
            assert_eq!(window.says(), "Nothing would be left of the object, so it stays as it was");
        }
        assert_eq!(now(&window), before);
    }
}
