//! Refined masks and the polish job.

use super::*;

#[test]
fn a_refined_mask_waits_for_a_decision() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    let before = window.first_mask();
    window.press(Key::G);
    window.answered();
    assert!(window.app().state().review.is_some());
    assert_eq!(window.first_mask(), before);
    window.press(Key::Escape);
    assert_eq!(window.first_mask(), before);
    window.press(Key::G);
    window.answered();
    window.press(Key::Enter);
    assert!(window.first_mask().area() > before.area());
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.first_mask(), before);
}

#[test]
fn refined_masks_are_decided_one_by_one_or_together() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (50.0, 50.0));
    window.draw_box((60.0, 20.0), (90.0, 60.0));
    window.answered();
    let masks =
        |window: &Window| -> Vec<Mask> { window.app().state().objects().map(|object| object.mask(Size::new(120, 80)).unwrap()).collect() };
    let before = masks(&window);
    assert_eq!(before.len(), 2);
    let refine = |window: &mut Window| {
        window.perform(Command::SelectAll);
        window.press(Key::G);
        window.answered();
        assert_eq!(window.app().state().review.as_ref().unwrap().changes.len(), 2);
    };
    refine(&mut window);
    window.press(Key::Escape);
    window.press(Key::Enter);
    assert!(window.app().state().review.is_none());
    let after = masks(&window);
    assert_eq!(after[0], before[0], "the first was left");
    assert!(after[1].area() > before[1].area(), "the second was taken");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(masks(&window), before);

    refine(&mut window);
    window.key(Modifiers::SHIFT, Key::Enter);
    assert!(masks(&window).iter().zip(&before).all(|(after, before)| after.area() > before.area()));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(masks(&window), before, "all at once is one step");
    refine(&mut window);
    window.key(Modifiers::SHIFT, Key::Escape);
    assert!(window.app().state().review.is_none());
    assert_eq!(masks(&window), before);
}

#[test]
fn a_data_set_is_polished_paused_and_gone_on_with() {
    let mut window = Window::new(false);
    for image in 0..3 {
        window.perform(Command::GoTo(image));
        window.until("the image is shown", App::is_image_ready);
        window.draw_box((20.0, 20.0), (20.0 + 15.0 * f64::from(image as u8 + 2), 60.0));
        window.answered();
    }
    let area = |window: &Window, image: usize| {
        let document = &window.app().state().document;
        let id = document.image(image).unwrap().id;
        document.objects(id).next().unwrap().mask(Size::new(120, 80)).unwrap().area()
    };
    let before: Vec<u64> = (0..3).map(|image| area(&window, image)).collect();
    let plan = Plan { category: None, least_area: 10, strength: 0.5, band_px: None };
    window.perform(Command::StartPolish(plan.clone()));
    let reviewing = |app: &App| matches!(app.state().polish, PolishState::Review(_));
    window.until("every mask was looked at", reviewing);
    let PolishState::Review(findings) = window.app().state().polish.clone() else { unreachable!() };
    assert_eq!(findings.len(), 3);
    assert!(findings.windows(2).all(|pair| pair[0].change >= pair[1].change), "the largest change comes first");
    let first = window.app().state().image;
    assert_eq!(first, 0, "the narrowest object changes most");
    window.press(Key::Enter);
    assert!(area(&window, 0) > before[0]);
    assert!(window.app().state().image != 0, "the next change is shown");

    // The window is closed in the middle of the review and opened again: two changes are left.
    let (data, folder) = (window.data.clone(), window.close());
    let mut window = Window::over(folder, data.clone(), false);
    window.open(&data);
    window.perform(Command::ResumePolish);
    window.until("the review goes on", reviewing);
    let PolishState::Review(findings) = window.app().state().polish.clone() else { unreachable!() };
    assert_eq!(findings.len(), 2);
    window.press(Key::Escape);
    window.perform(Command::DecideAll(true));
    assert_eq!(window.app().state().polish, PolishState::Idle);
    let after: Vec<u64> = (0..3).map(|image| area(&window, image)).collect();
    assert_eq!((0..3).filter(|&image| after[image] > before[image]).count(), 2);
    window.perform(Command::ResumePolish);
    assert_eq!(window.app().state().polish, PolishState::Idle, "nothing is left to go on with");

    window.perform(Command::StartPolish(Plan { least_area: 1_000_000, ..plan.clone() }));
    window.until("nothing is to be done", |app| app.state().polish == PolishState::Idle);
    window.perform(Command::StartPolish(plan));
    window.perform(Command::PausePolish);
    if let PolishState::Running { paused, .. } = window.app().state().polish {
        assert!(paused && window.harness.query_by_label("Go on").is_some());
        window.perform(Command::PausePolish);
    }
    window.until("it went on", reviewing);
}
