//! Masks for boxes that nobody waits for.

use annotator::annotation::InstanceId;

use super::*;

const PLAN: Plan = Plan { category: None, least_area: 10, strength: 0.5, band_px: None, coarse: false };

/// A window on three images with five boxes each, a crowd without a mask on the first (16), and a box on a fourth one
/// whose file is missing (17).
fn over_boxes(slow: bool) -> Window {
    let folder = tempfile::tempdir().unwrap();
    let image = |id: u32| serde_json::json!({"id": id, "file_name": format!("{id}.png"), "width": 120, "height": 80});
    let object = |id: u32, image: u32, crowd: u32| {
        let bbox = [f64::from(id % 6) * 18.0 + 2.0, 10.0, 14.0, 30.0];
        serde_json::json!({"id": id, "image_id": image, "category_id": 1, "iscrowd": crowd, "area": 4.0, "bbox": bbox})
    };
    for id in 1..=3 {
        RgbImage::from_pixel(120, 80, image::Rgb([40 * id, 90, 60])).save(folder.path().join(format!("{id}.png"))).unwrap();
    }
    let objects = (1..=15).map(|id| object(id, id.div_ceil(5), 0)).chain([object(16, 1, 1), object(17, 4, 0)]);
    let json = serde_json::json!({
        "images": (1..=4).map(image).collect::<Vec<_>>(),
        "annotations": objects.collect::<Vec<_>>(),
        "categories": [{"id": 1, "name": "x"}],
    });
    let path = folder.path().join("instances.json");
    std::fs::write(&path, json.to_string()).unwrap();
    let mut window = Window::over(folder, path.clone(), slow);
    window.open(&path);
    window
}

/// The objects without a mask.
fn bare(window: &Window) -> Vec<i64> {
    let objects = &window.app().state().document.dataset().instances;
    objects.iter().filter(|object| object.shape == Shape::Box).map(|object| object.id.0).collect()
}

fn is_done(app: &App) -> bool {
    app.state().batch.is_none()
}

#[test]
fn masks_that_were_asked_for_come_though_a_person_goes_on() {
    let mut window = Window::unasked(false);
    for image in 0..3 {
        window.perform(Command::GoTo(image));
        window.until("the image is shown", App::is_image_ready);
        window.draw_box((20.0, 20.0), (70.0, 60.0));
    }
    assert_eq!(bare(&window), [1, 2, 3]);
    // Each image is left before the models answer.
    let mut commands: Vec<Command> = [1, 0, 1].into_iter().flat_map(|next| [Command::Propose, Command::GoTo(next)]).collect();
    commands.push(Command::Select(vec![InstanceId(2)]));
    window.perform_at_once(commands);
    window.until("the masks come", is_done);
    assert!(bare(&window).is_empty());
    assert_eq!(window.says(), "3 masks proposed in the background");
    let state = window.app().state();
    assert!(state.document.dataset().instances.iter().all(|object| state.confidence(object).is_some()));
    assert_eq!((state.image, state.selection.clone()), (1, vec![InstanceId(2)]));
    for (image, id) in [(0, 1), (2, 3)] {
        window.perform(Command::GoTo(image));
        assert_eq!(window.says(), "1 proposed mask still to look at");
        window.press(Key::Enter);
        assert_eq!(window.app().state().selection, [InstanceId(id)]);
    }
    window.press(Key::Enter);
    assert_eq!(window.says(), "Accepted");
    for image in [1, 2, 1] {
        window.perform(Command::GoTo(image));
        assert_eq!(window.says() == "", image == 2, "what was accepted is not gone through again: {}", window.says());
    }
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((bare(&window).len(), window.app().state().image), (0, 2), "the image is shown first");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(bare(&window).len(), 1, "each image was a step of its own");
}

#[test]
fn masks_that_come_in_the_background_are_told_of_and_esc_ends_them() {
    let mut window = Window::new(true);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.step_is_shown();
    window.press(Key::D);
    assert_eq!(window.says(), "In the background: 1 mask for the image before");
    window.until("the models are asked", App::is_batch_asked);
    window.press(Key::Escape);
    assert!(window.app().is_batch_asked(), "the tool is nearer");
    window.press(Key::Escape);
    assert!(is_done(window.app()) && !window.app().is_batch_asked());
    assert_eq!(window.says(), "0 masks proposed in the background; 1 not looked at");
}

#[test]
fn every_bare_box_of_the_data_set_gets_a_mask_a_few_at_a_time() {
    let mut window = over_boxes(false);
    window.perform(Command::ProposeAll);
    window.until("all are seen to", is_done);
    assert_eq!(bare(&window), [16, 17], "the crowd and the box without a picture");
    assert_eq!(window.says(), "15 masks proposed in the background; 1 left out");
    let state = window.app().state();
    assert!(state.image == 0 && state.selection.is_empty());
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((bare(&window).len(), window.app().state().image), (2, 2), "the image is shown first");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(bare(&window), [15, 16, 17], "undo takes one batch back");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(bare(&window), [11, 12, 13, 14, 15, 16, 17]);
    window.key(Modifiers::SHIFT, Key::U);
    assert!(window.says().starts_with("Least sure: expected IoU 93 %"), "{}", window.says());
    window.perform(Command::ProposeAll);
    window.until("all are seen to", is_done);
    assert_eq!(window.says(), "5 masks proposed in the background; 1 left out");
}

#[test]
fn masks_wait_for_the_end_of_a_stroke_and_spare_a_box_that_was_changed() {
    let mut window = over_boxes(false);
    window.press(Key::B);
    let pos = window.position(60.0, 66.0);
    let button = |pressed| Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE };
    window.harness.event(Event::PointerMoved(pos));
    window.harness.event(button(true));
    window.harness.run_steps(2);
    window.perform(Command::ProposeAll);
    window.until("the models are asked", App::is_batch_asked);
    let rect = Rect::new(3.0, 12.0, 20.0, 20.0);
    window.perform(Command::Reshape(InstanceId(1), rect));
    for _ in 0..20 {
        window.harness.step();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(bare(&window).len(), 17, "no mask comes under the brush");
    window.harness.event(button(false));
    window.harness.run_steps(2);
    window.until("all are seen to", is_done);
    assert_eq!(window.objects(), 7, "the stroke is there");
    assert_eq!(bare(&window), [1, 16, 17]);
    assert_eq!(window.app().state().document.instance(InstanceId(1)).unwrap().bbox, rect);
    assert_eq!(window.says(), "14 masks proposed in the background; 1 stayed a box; 1 left out");
}

#[test]
fn proposing_for_all_images_is_paused_and_stopped() {
    let mut window = over_boxes(true);
    window.perform(Command::ProposeAll);
    window.until("the models are asked", App::is_batch_asked);
    window.harness.get_by_label("Pause").click();
    window.harness.run_steps(4);
    assert!(!window.app().is_batch_asked() && !is_done(window.app()));
    window.harness.get_by_label("Go on").click();
    window.harness.run_steps(4);
    window.until("the models are asked again", App::is_batch_asked);
    window.harness.get_by_label("Stop").click();
    window.harness.run_steps(4);
    assert!(is_done(window.app()) && !window.app().is_batch_asked());
    assert_eq!(bare(&window).len(), 17);
    assert_eq!(window.says(), "0 masks proposed in the background; 16 not looked at");
}

#[test]
fn polishing_and_proposing_for_all_images_exclude_each_other() {
    let mut window = over_boxes(true);
    window.press(Key::B);
    window.drag((50.0, 66.0), (70.0, 66.0), Modifiers::NONE);
    window.perform(Command::ProposeAll);
    window.perform(Command::StartPolish(PLAN));
    assert!(window.app().state().polish == PolishState::Idle && window.says().starts_with("Masks are proposed"), "{}", window.says());
    window.perform(Command::StopProposing);
    window.perform_at_once(vec![Command::StartPolish(PLAN), Command::PausePolish, Command::ProposeAll]);
    assert!(is_done(window.app()) && window.says().starts_with("A polish job"), "{}", window.says());
    assert!(matches!(window.app().state().polish, PolishState::Running { paused: true, .. }));
}

#[test]
fn boxes_that_are_left_take_turns_with_a_polish_job() {
    let mut window = over_boxes(false);
    window.press(Key::B);
    window.drag((50.0, 66.0), (70.0, 66.0), Modifiers::NONE);
    window.perform_at_once(vec![Command::StartPolish(PLAN), Command::Propose, Command::GoTo(1)]);
    window.until("both are done", |app| is_done(app) && !matches!(app.state().polish, PolishState::Running { .. }));
    assert_eq!(bare(&window), [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17]);
    assert_ne!(window.app().state().polish, PolishState::Idle, "the job found its change");
}
