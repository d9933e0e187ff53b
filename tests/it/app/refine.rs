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
fn who_takes_a_refined_mask_has_accepted_it() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    let id = window.app().state().objects().next().unwrap().id;
    for (key, takes) in [(Key::Escape, false), (Key::Enter, true)] {
        window.press(Key::G);
        window.answered();
        window.press(key);
        let state = window.app().state();
        assert_eq!((state.document.judgement(id).looked_at, state.proposed.contains(&id)), (takes, !takes), "{key:?}");
    }
}

#[test]
fn a_mask_that_comes_back_is_marked_only_where_it_was_accepted() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    let id = window.app().state().objects().next().unwrap().id;
    let is_accepted = |window: &Window| window.app().state().document.judgement(id).looked_at;
    let follows = |window: &mut Window| {
        for (key, expected) in [(Key::Z, false), (Key::Y, true), (Key::Z, false)] {
            window.key(Modifiers::COMMAND, key);
            assert_eq!(is_accepted(window), expected, "{key:?}: {}", window.says());
        }
    };
    for key in [Key::G, Key::Space] {
        window.press(key);
        window.answered();
        window.press(Key::Enter);
        assert!(is_accepted(&window), "{key:?}");
        follows(&mut window);
        window.perform(Command::Select(vec![id]));
    }
    let window = window.reopened();
    assert!(!is_accepted(&window), "nor is it in the next session");
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
    window.press(Key::G);
    assert!(!window.app().is_waiting() && window.says().contains("first"), "{}", window.says());
    assert_eq!(window.app().state().review.as_ref().unwrap().changes.len(), 2, "nothing is dropped");
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
fn a_review_waits_while_another_image_is_looked_at() {
    let mut window = Window::new(false);
    for at in [20.0, 60.0] {
        window.draw_box((at, 20.0), (at + 30.0, 50.0));
    }
    window.answered();
    window.perform(Command::SelectAll);
    window.press(Key::G);
    window.answered();
    let left = |window: &Window| window.app().state().review.as_ref().map_or(0, |review| review.changes.len());
    assert_eq!(left(&window), 2);
    window.press(Key::D);
    assert_eq!(left(&window), 0, "the next image has nothing to decide");
    window.press(Key::A);
    assert!(left(&window) == 2 && window.says().contains("2 refined masks"), "{}", window.says());
    window.press(Key::Enter);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(left(&window), 1, "taking one back leaves the other to be decided");
    window.press(Key::D);
    window.press(Key::A);
    let changed = window.app().state().review.as_ref().unwrap().changes[0].id;
    window.perform(Command::Delete);
    window.press(Key::D);
    window.press(Key::A);
    assert!(left(&window) == 0 && window.app().state().document.instance(changed).is_none(), "its object is gone");
}

const PLAN: Plan = Plan { category: None, least_area: 10, strength: 0.5, band_px: None, coarse: false };

/// Three images with a mask each, the last image shown.
fn three_masks() -> Window {
    let mut window = Window::new(false);
    for image in 0..3 {
        window.perform(Command::GoTo(image));
        window.until("the image is shown", App::is_image_ready);
        window.draw_box((20.0, 20.0), (20.0 + 15.0 * f64::from(image as u8 + 2), 60.0));
        window.answered();
    }
    window
}

fn areas(window: &Window) -> Vec<u64> {
    let document = &window.app().state().document;
    let area = |image| document.objects(image).next().unwrap().mask(Size::new(120, 80)).unwrap().area();
    (0..3).map(|image| area(document.image(image).unwrap().id)).collect()
}

fn reviewing(app: &App) -> bool {
    matches!(app.state().polish, PolishState::Review { .. })
}

fn findings(window: &Window) -> Vec<Finding> {
    window.app().undecided().unwrap().to_vec()
}

#[test]
fn a_review_of_some_masks_decides_about_them_alone() {
    let mut window = three_masks();
    window.perform(Command::StartPolish(PLAN));
    window.until("every mask was looked at", reviewing);
    let before = areas(&window);
    window.key(Modifiers::SHIFT, Key::Escape);
    assert_eq!((areas(&window), findings(&window).len()), (before.clone(), 3), "no review is open");
    assert_eq!(window.says(), "No change is shown; with nothing selected, Enter shows the first of 3");
    for (modifiers, key) in [(Modifiers::SHIFT, Key::Escape), (Modifiers::NONE, Key::Escape), (Modifiers::SHIFT, Key::Enter)] {
        window.perform(Command::SelectAll);
        window.press(Key::G);
        window.answered();
        window.key(modifiers, key);
        let state = window.app().state();
        assert!(state.review.is_none() && state.image == 2 && findings(&window).len() == 3, "{modifiers:?} {key:?}");
    }
    let after = areas(&window);
    assert_eq!((after[0], after[1]), (before[0], before[1]));
    assert!(after[2] > before[2]);
    window.harness.get_by_label("Take all").click();
    window.harness.run_steps(3);
    let all = areas(&window);
    assert!(all[0] > before[0] && all[1] > before[1] && all[2] == after[2], "a mask that changed meanwhile stays");
    assert!(findings(&window).is_empty());
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((areas(&window), findings(&window).len()), (after, 2), "one step");
}

#[test]
fn the_keys_find_a_review_that_waits() {
    let mut window = three_masks();
    window.key(Modifiers::SHIFT, Key::Enter);
    assert_eq!(window.says(), "There are no refined masks to decide about");
    window.perform(Command::StartPolish(PLAN));
    window.until("every mask was looked at", reviewing);
    assert!(window.says().ends_with("Enter begins the review"), "{}", window.says());
    let (before, all) = (areas(&window), findings(&window));
    window.perform(Command::GoTo(1));
    window.press(Key::Enter);
    let shown = |window: &Window| window.app().state().review.as_ref().map(|review| review.changes[0].id.0);
    assert_eq!((window.app().state().image, shown(&window)), (0, Some(all[0].id)));
    window.press(Key::D);
    assert!(shown(&window).is_none() && areas(&window) == before, "another image is looked at");
    window.press(Key::Enter);
    assert_eq!((window.app().state().image, shown(&window)), (0, Some(all[0].id)));
    window.press(Key::D);
    window.key(Modifiers::SHIFT, Key::Enter);
    assert!(findings(&window).is_empty() && window.says().starts_with("Took 3 refined masks"), "{}", window.says());
    assert!(areas(&window).iter().zip(&before).all(|(after, before)| after > before));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((areas(&window), findings(&window)), (before, all), "one step");
}

#[test]
fn enter_begins_a_review_before_boxes_get_masks_and_only_where_nothing_is_selected() {
    let mut window = three_masks();
    let settings = annotator::app::settings::Settings { propose_after_box: false, ..window.app().state().settings.clone() };
    window.perform(Command::Change(settings));
    let mask = window.app().state().objects().next().unwrap().id;
    window.draw_box((90.0, 10.0), (110.0, 40.0));
    window.perform(Command::StartPolish(PLAN));
    window.until("every mask was looked at", reviewing);
    assert!(window.says().ends_with("; with nothing selected, Enter begins the review"), "{}", window.says());
    let offers = |window: &Window| ["Begin", "Begin (Enter)"].map(|label| window.harness.query_by_label(label).is_some());
    window.perform(Command::Select(vec![mask]));
    assert_eq!(offers(&window), [true, false]);
    window.press(Key::Enter);
    assert!(window.app().state().review.is_none() && window.app().state().document.judgement(mask).looked_at);
    assert!(window.app().state().selection.is_empty());
    assert_eq!(offers(&window), [false, true]);
    window.press(Key::Enter);
    assert!(window.app().state().review.is_some() && !window.app().is_waiting(), "{}", window.says());
    assert!(window.app().state().document.dataset().instances.iter().any(|object| object.shape == Shape::Box));
}

#[test]
fn nothing_that_was_said_before_stands_beside_a_job_that_starts() {
    let mut window = three_masks();
    assert!(!window.says().is_empty());
    window.perform_at_once(vec![Command::StartPolish(PLAN), Command::PausePolish]);
    assert!(matches!(window.app().state().polish, PolishState::Running { paused: true, .. }));
    assert_eq!(window.says(), "");
}

#[test]
fn a_polish_job_that_ends_shows_nothing_unasked() {
    let mut window = three_masks();
    window.press(Key::P);
    let click = |window: &mut Window, at| window.drag(at, at, Modifiers::NONE);
    click(&mut window, (90.0, 20.0));
    click(&mut window, (110.0, 20.0));
    window.perform(Command::StartPolish(PLAN));
    window.until("every mask was looked at", reviewing);
    let state = window.app().state();
    assert!(state.image == 2 && state.review.is_none() && window.says().contains("3 masks changed"), "{}", window.says());
    click(&mut window, (110.0, 60.0));
    window.press(Key::Enter);
    assert_eq!(window.objects(), 2, "the outline is whole");
    // A click on a line shows it; what is decided next is the one below.
    let ids: Vec<i64> = findings(&window).iter().map(|finding| finding.id).collect();
    let shown = |window: &Window| window.app().state().review.as_ref().unwrap().changes[0].id.0;
    window.perform(Command::ShowChange(1));
    assert_eq!(shown(&window), ids[1]);
    window.press(Key::Escape);
    assert_eq!(shown(&window), ids[2]);
    window.press(Key::Escape);
    assert_eq!(shown(&window), ids[0]);
}

#[test]
fn a_polished_mask_that_was_taken_by_mistake_is_offered_again() {
    let mut window = three_masks();
    window.perform(Command::StartPolish(PLAN));
    window.until("every mask was looked at", reviewing);
    let all = findings(&window);
    window.perform(Command::ShowChange(0));
    window.press(Key::Enter);
    assert_eq!(findings(&window), all[1..]);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(findings(&window), all);
    assert_eq!(window.app().state().review.as_ref().unwrap().changes[0].id.0, all[0].id);

    // It is kept that it was taken back.
    let mut window = window.reopened();
    window.perform(Command::ResumePolish);
    assert_eq!(findings(&window).len(), 3);
}

#[test]
fn every_decision_about_a_polished_data_set_can_be_taken_back() {
    let mut window = three_masks();
    window.perform(Command::StartPolish(PLAN));
    window.until("every mask was looked at", reviewing);
    let (before, all) = (areas(&window), findings(&window));
    let undo = |window: &mut Window| window.key(Modifiers::COMMAND, Key::Z);
    let shown = |window: &Window| window.app().state().review.as_ref().unwrap().changes[0].id.0;

    window.perform(Command::ShowChange(1));
    window.key(Modifiers::SHIFT, Key::Escape);
    assert!(findings(&window).is_empty() && window.says().starts_with("Left 3 refined masks"), "{}", window.says());
    assert_eq!(window.app().state().polish.undo(), Some("Leave refined masks"));
    undo(&mut window);
    assert_eq!((findings(&window), shown(&window), window.says().as_str()), (all.clone(), all[0].id, "Taken back: Leave refined masks"));

    window.key(Modifiers::SHIFT, Key::Enter);
    let taken = areas(&window);
    assert!(findings(&window).is_empty() && taken.iter().zip(&before).all(|(after, before)| after > before));
    undo(&mut window);
    assert_eq!((findings(&window), areas(&window)), (all.clone(), before.clone()));
    window.perform(Command::Redo);
    assert_eq!((findings(&window).len(), areas(&window)), (0, taken), "what is taken again is out of the list again");
    undo(&mut window);
    assert_eq!((findings(&window), areas(&window)), (all.clone(), before.clone()));

    // The second is left, the third taken, the first left.
    window.perform(Command::ShowChange(1));
    for key in [Key::Escape, Key::Enter, Key::Escape] {
        window.press(key);
    }
    assert!(findings(&window).is_empty() && window.app().state().review.is_none());
    for back in [&[0_usize][..], &[0, 2], &[0, 1, 2]] {
        undo(&mut window);
        assert_eq!(findings(&window), back.iter().map(|&place| all[place].clone()).collect::<Vec<_>>());
    }
    assert_eq!((areas(&window), shown(&window)), (before, all[1].id));

    // So it is in the journal, which stays until a review is closed that has nothing undecided.
    let mut window = window.reopened();
    window.perform(Command::ResumePolish);
    assert_eq!(findings(&window).len(), 3);
    window.key(Modifiers::SHIFT, Key::Escape);
    window.harness.get_by_label("Done").click();
    window.harness.run_steps(3);
    assert_eq!(window.app().state().polish, PolishState::Idle);
    window.perform(Command::ResumePolish);
    assert!(window.says().contains("no polishing"), "{}", window.says());
}

#[test]
fn a_mask_that_changed_since_it_was_refined_is_not_replaced() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.press(Key::G);
    window.answered();
    let before = window.first_mask();
    window.press(Key::Space);
    window.answered();
    let other = window.first_mask();
    assert_ne!(other, before);
    window.press(Key::Enter);
    assert!(window.first_mask() == other && window.app().state().review.is_none());

    let mut window = three_masks();
    window.perform(Command::StartPolish(PLAN));
    window.until("every mask was looked at", reviewing);
    let (before, all) = (areas(&window), findings(&window));
    window.perform(Command::ShowChange(0));
    let id = window.app().state().review.as_ref().unwrap().changes[0].id;
    window.perform(Command::Move(id, Point::new(5.0, 0.0)));
    window.press(Key::Enter);
    assert_eq!((areas(&window), findings(&window)), (before, all[1..].to_vec()));
    let review = window.app().state().review.as_ref().unwrap();
    assert_eq!(review.changes[0].id.0, all[1].id, "the next one is shown and not taken unseen");
}

#[test]
fn a_polish_job_that_is_stopped_or_started_anew_loses_nothing_unasked() {
    let mut window = three_masks();
    window.perform_at_once(vec![Command::StartPolish(PLAN), Command::StopPolish]);
    assert!(window.says().starts_with("0 of 3 looked at"), "{}", window.says());
    window.perform_at_once(vec![Command::ResumePolish, Command::PausePolish, Command::Polish]);
    assert!(window.harness.query_by_label("Start").is_none(), "a job rests");
    window.perform(Command::StartPolish(PLAN));
    assert!(matches!(window.app().state().polish, PolishState::Running { paused: true, .. }));
    window.perform(Command::PausePolish);
    window.until("every mask was looked at", reviewing);
    window.perform(Command::StopPolish);
    window.perform(Command::Polish);
    window.harness.get_by_label("Start").click();
    window.harness.run_steps(3);
    let anew = "Start anew, 3 findings are dropped";
    assert!(window.harness.query_by_label(anew).is_some(), "it asks first");
    window.harness.get_by_label("Review the 3 left").click();
    window.harness.run_steps(3);
    assert_eq!(findings(&window).len(), 3);
    window.perform(Command::Polish);
    window.harness.get_by_label("Start").click();
    window.harness.run_steps(3);
    window.harness.get_by_label(anew).click();
    window.harness.run_steps(1);
    window.until("every mask was looked at anew", reviewing);
    assert_eq!(findings(&window).len(), 3);
}

#[test]
fn polishing_rests_while_the_models_are_gone_and_leaves_nothing_out() {
    let window = three_masks();
    let (data, folder, away) = (window.data.clone(), window.close(), Arc::new(AtomicBool::new(false)));
    let mut window = Window::with(folder, data.clone(), Stand::start(false, Arc::clone(&away)));
    window.open(&data);
    window.until("the models are ready", |app| matches!(app.readiness(), Readiness::Ready(_)));
    let rests = |app: &App| {
        let untouched = matches!(&app.state().polish, PolishState::Running { progress, paused: true } if progress.done == 0);
        untouched && matches!(app.readiness(), Readiness::Failed(why) if why.contains("no graphics adapter"))
    };
    away.store(true, Ordering::Relaxed);
    window.perform(Command::StartPolish(PLAN));
    window.until("it rests", rests);
    for _ in 0..3 {
        window.perform(Command::PausePolish);
        window.until("it rests again", rests);
        assert!(window.says().starts_with("Polishing rests, there is no model: no graphics adapter"), "{}", window.says());
    }
    away.store(false, Ordering::Relaxed);
    window.perform(Command::PausePolish);
    window.until("every mask was looked at", reviewing);
    assert_eq!(findings(&window).len(), 3);
    assert!(matches!(window.app().readiness(), Readiness::Ready(_)));
}

#[test]
fn a_data_set_is_polished_paused_and_gone_on_with() {
    let mut window = three_masks();
    let before = areas(&window);
    window.perform(Command::StartPolish(PLAN));
    window.until("every mask was looked at", reviewing);
    let findings = findings(&window);
    assert_eq!(findings.len(), 3);
    assert!(findings.windows(2).all(|pair| pair[0].change >= pair[1].change), "the largest change comes first");
    window.perform(Command::ShowChange(0));
    assert_eq!(window.app().state().image, 0, "the narrowest object changes most");
    window.press(Key::Enter);
    assert!(areas(&window)[0] > before[0]);
    assert!(window.app().state().image != 0, "the next change is shown");

    // The window is closed in the middle of the review and opened again: two changes are left.
    let mut window = window.reopened();
    window.until("it is said", |app| {
        let text = app.state().message.as_ref().map_or("", |message| message.text.as_str());
        text.ends_with("; a polish of 2 masks waits for review: Assistant > Polish data set")
    });
    window.perform(Command::ResumePolish);
    assert_eq!(self::findings(&window).len(), 2, "nothing is left to look at");
    window.press(Key::Escape);
    window.perform(Command::DecideAll(true));
    assert!(self::findings(&window).is_empty());
    let after = areas(&window);
    assert_eq!((0..3).filter(|&image| after[image] > before[image]).count(), 2);
    window.perform(Command::ResumePolish);
    assert_eq!(window.app().state().polish, PolishState::Idle, "nothing is left to go on with");

    window.perform(Command::StartPolish(Plan { least_area: 1_000_000, ..PLAN }));
    window.until("nothing is to be done", |app| app.state().polish == PolishState::Idle);
    window.perform_at_once(vec![Command::StartPolish(PLAN), Command::PausePolish]);
    assert!(matches!(window.app().state().polish, PolishState::Running { paused: true, .. }));
    assert!(window.harness.query_by_label("Go on").is_some());
    window.perform(Command::PausePolish);
    window.until("it went on", reviewing);
}

#[test]
fn what_is_refined_to_no_avail_is_told_in_plain_words() {
    let mut window = Window::unasked(false);
    let whole = Mask::filled(Size::new(120, 80), Rect::new(0.0, 0.0, 120.0, 80.0));
    window.perform(Command::Paint(None, Shape::from_mask(&whole)));
    let same = "The mask stays as it is: nothing clearly better was found";
    for more in [". G once more changes it more freely", ""] {
        window.press(Key::G);
        window.answered();
        assert_eq!(window.says(), format!("{same}{more}"));
    }
}
