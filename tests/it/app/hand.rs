//! Tools by hand, and the keys that people know.

use super::*;

fn polygons(window: &Window) -> Vec<Vec<f64>> {
    match &window.app().state().objects().next().unwrap().shape {
        Shape::Polygons(rings) => rings.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn click(window: &mut Window, at: (f64, f64), modifiers: Modifiers) {
    window.drag(at, at, modifiers);
}

#[test]
fn a_polygon_is_drawn_and_its_vertices_move_come_and_go() {
    let mut window = Window::new(true);
    window.press(Key::P);
    for at in [(20.0, 20.0), (80.0, 20.0), (100.0, 70.0), (80.0, 60.0)] {
        click(&mut window, at, Modifiers::NONE);
    }
    window.press(Key::Delete);
    assert_eq!(window.objects(), 0, "Del takes the last point back");
    click(&mut window, (20.0, 60.0), Modifiers::NONE);
    window.press(Key::Enter);
    let drawn = polygons(&window);
    let near = |ring: &[f64], expected: &[f64]| ring.len() == expected.len() && ring.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.3);
    assert!(near(&drawn[0], &[20.0, 20.0, 80.0, 20.0, 100.0, 70.0, 20.0, 60.0]), "{drawn:?}");

    window.press(Key::V);
    window.drag((100.0, 70.0), (80.0, 60.0), Modifiers::NONE);
    assert!(near(&polygons(&window)[0], &[20.0, 20.0, 80.0, 20.0, 80.0, 60.0, 20.0, 60.0]), "{:?}", polygons(&window));
    assert!((window.app().state().objects().next().unwrap().area - 2400.0).abs() < 30.0);
    click(&mut window, (50.0, 20.0), Modifiers::ALT);
    assert!(near(&polygons(&window)[0], &[20.0, 20.0, 50.0, 20.0, 80.0, 20.0, 80.0, 60.0, 20.0, 60.0]), "{:?}", polygons(&window));
    click(&mut window, (80.0, 20.0), Modifiers::ALT);
    click(&mut window, (50.0, 20.0), Modifiers::ALT);
    assert!(near(&polygons(&window)[0], &[20.0, 20.0, 80.0, 60.0, 20.0, 60.0]), "{:?}", polygons(&window));
    click(&mut window, (20.0, 20.0), Modifiers::ALT);
    assert_eq!(polygons(&window)[0].len(), 6, "three points are the fewest");
    for _ in 0..5 {
        window.key(Modifiers::COMMAND, Key::Z);
    }
    assert_eq!(window.objects(), 0);

    window.press(Key::P);
    for at in [(20.0, 20.0), (80.0, 20.0), (80.0, 60.0), (20.0, 20.0)] {
        click(&mut window, at, Modifiers::NONE);
    }
    assert_eq!(polygons(&window)[0].len(), 6, "the first point closes it");
    click(&mut window, (50.0, 50.0), Modifiers::NONE);
    window.press(Key::Escape);
    window.press(Key::Enter);
    assert_eq!(window.objects(), 1);
}

#[test]
fn a_dropped_outline_comes_back_unless_something_was_done_since() {
    let mut window = Window::new(true);
    let points = [(20.0, 20.0), (80.0, 20.0), (80.0, 60.0)];
    let begin = |window: &mut Window| {
        window.press(Key::P);
        for at in points {
            click(window, at, Modifiers::NONE);
        }
        window.press(Key::Escape);
        assert!(window.says().starts_with("Outline dropped"), "{}", window.says());
    };
    begin(&mut window);
    window.press(Key::Escape);
    assert_eq!(window.app().state().tool, Tool::Select);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((window.says().as_str(), window.app().state().tool), ("The outline is back", Tool::Polygon));
    window.press(Key::Enter);
    assert_eq!((window.objects(), polygons(&window)[0].len()), (1, 6));

    begin(&mut window);
    window.press(Key::D);
    window.press(Key::A);
    window.perform(Command::AddBox(Rect::new(5.0, 5.0, 10.0, 10.0)));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.objects(), 1, "the box is the newest step");
    window.press(Key::Enter);
    assert_eq!(window.objects(), 1, "no outline is under way");
}

#[test]
fn the_vertices_of_a_small_outline_may_be_near_each_other() {
    let mut window = Window::new(true);
    window.perform(Command::ActualSize);
    window.press(Key::P);
    for at in [(20.0, 20.0), (25.0, 20.0), (20.0, 25.0)] {
        click(&mut window, at, Modifiers::NONE);
    }
    window.press(Key::Enter);
    assert_eq!(window.objects(), 1, "{}", window.says());
    assert_eq!(polygons(&window)[0].len(), 6);
    for at in [(60.0, 40.0), (60.0, 40.0), (70.0, 40.0), (70.0, 46.0), (70.0, 46.0)] {
        click(&mut window, at, Modifiers::NONE);
    }
    assert_eq!(window.objects(), 2, "twice in one place closes it");
}

#[test]
fn the_brush_gets_no_wider_than_the_image() {
    let mut window = Window::new(true);
    window.press(Key::B);
    for _ in 0..20 {
        window.press(Key::CloseBracket);
    }
    assert!((window.app().state().brush_radius_px - 60.0).abs() < 1e-9, "{}", window.app().state().brush_radius_px);
    window.press(Key::OpenBracket);
    assert!((window.app().state().brush_radius_px - 48.0).abs() < 1e-9);
}

#[test]
fn an_outline_that_is_not_finished_waits_on_its_image() {
    let mut window = Window::new(true);
    window.press(Key::P);
    for at in [(20.0, 20.0), (80.0, 20.0), (80.0, 60.0)] {
        click(&mut window, at, Modifiers::NONE);
    }
    window.press(Key::B);
    assert!(window.says().contains("The outline waits"), "{}", window.says());
    window.press(Key::D);
    window.press(Key::P);
    window.press(Key::Enter);
    assert_eq!(window.objects(), 0, "it waits on the other image");
    window.press(Key::A);
    window.until("the image is shown", App::is_image_ready);
    window.press(Key::Enter);
    assert_eq!(polygons(&window)[0].len(), 6);
}

#[test]
fn the_wand_takes_like_colour_and_holes_are_filled() {
    let disk = |x: u32, y: u32| (f64::from(x) - 60.0).hypot(f64::from(y) - 40.0);
    let colour = |x, y| if disk(x, y) < 30.0 && disk(x, y) > 10.0 { image::Rgb([200, 60, 40]) } else { image::Rgb([20, 30, 40]) };
    let folder = Window::new(true).close();
    let data = folder.path().join("images");
    RgbImage::from_fn(120, 80, colour).save(data.join("b.png")).unwrap();
    let mut window = Window::over(folder, data.clone(), true);
    window.open(&data);
    window.press(Key::D);
    window.until("the image is shown", App::is_image_ready);
    window.press(Key::M);
    click(&mut window, (60.5, 20.5), Modifiers::NONE);
    let ring = Mask::from_fn(Size::new(120, 80), |x, y| disk(x, y) < 30.0 && disk(x, y) > 10.0);
    assert_eq!(window.first_mask(), ring);
    window.press(Key::X);
    let full = Mask::from_fn(Size::new(120, 80), |x, y| disk(x, y) < 30.0);
    assert_eq!(window.first_mask(), full, "{}", window.says());
    click(&mut window, (60.5, 40.5), Modifiers::COMMAND);
    assert_eq!(window.first_mask(), ring, "Ctrl takes out");
    let before = window.app().state().wand_tolerance;
    window.press(Key::CloseBracket);
    assert!(window.app().state().wand_tolerance > before);
    window.press(Key::V);
    window.press(Key::N);
    assert_eq!(window.app().state().tool, Tool::Wand, "N takes the last tool again");
}

#[test]
fn the_hide_key_toggles_when_tapped_and_peeks_when_held() {
    let mut window = Window::new(true);
    let key = |window: &mut Window, pressed, repeat| {
        let event = Event::Key { key: Key::H, physical_key: None, pressed, repeat, modifiers: Modifiers::NONE };
        window.harness.event(event);
        window.harness.step();
    };
    window.press(Key::H);
    assert!(window.app().state().visibility.hides_all());
    window.press(Key::H);
    assert!(!window.app().state().visibility.hides_all());
    key(&mut window, true, false);
    for _ in 0..8 {
        key(&mut window, true, true);
        assert!(window.app().state().visibility.hides_all());
    }
    key(&mut window, false, false);
    window.harness.step();
    assert!(!window.app().state().visibility.hides_all(), "it was only a peek");
    window.press(Key::H);
    window.key(Modifiers::SHIFT, Key::H);
    assert!(!window.app().state().visibility.hides_all());

    window.draw_box((10.0, 10.0), (40.0, 40.0));
    window.press(Key::Escape);
    window.press(Key::Escape);
    window.press(Key::H);
    assert!(window.app().state().visibility.hides_all());
    window.draw_box((50.0, 10.0), (90.0, 40.0));
    let seen = |window: &Window| {
        let state = window.app().state();
        state.objects().map(|object| state.is_visible(object.id)).collect::<Vec<bool>>()
    };
    assert_eq!(seen(&window), [false, true], "what is drawn is seen, though all else is hidden");
    window.press(Key::Escape);
    window.press(Key::Escape);
    assert!(window.app().state().selection.is_empty());
    key(&mut window, true, false);
    assert_eq!(seen(&window), [true, true]);
    for _ in 0..8 {
        key(&mut window, true, true);
    }
    key(&mut window, false, false);
    window.harness.step();
    assert_eq!(seen(&window), [false, true], "a peek leaves all as it was");
}

#[test]
fn keys_are_changed_and_conflicts_shown() {
    let mut window = Window::new(true);
    window.press(Key::F1);
    window.harness.run_steps(4);
    window.harness.get_by_label("Key of Brush").click();
    window.harness.run_steps(2);
    window.press(Key::R);
    window.harness.run_steps(2);
    window.harness.get_by_label("R was taken from Box");
    assert!(window.harness.query_by_label_contains("stands at").is_none());
    window.harness.get_by_label("Key of Box").click_secondary();
    window.harness.run_steps(4);
    window.harness.get_by_label_contains("R stands at Box and Brush");
    window.harness.get_by_label("CVAT").click();
    window.harness.run_steps(4);
    window.harness.get_by_label("Key of Brush").click();
    window.harness.run_steps(2);
    window.press(Key::Y);
    assert!(window.harness.query_by_label_contains("stands at").is_none());
    window.press(Key::Escape);
    window.press(Key::Y);
    assert_eq!(window.app().state().tool, Tool::Brush);
    window.press(Key::B);
    assert_eq!(window.app().state().tool, Tool::Brush, "B is free now");
    window.press(Key::F);
    assert_eq!(window.app().state().image, 1, "F is the next image in CVAT");
}

#[test]
fn every_key_of_the_table_does_what_it_says() {
    let mut window = Window::new(true);
    let tool = |window: &mut Window, key| {
        window.press(key);
        window.app().state().tool
    };
    for (key, expected) in [
        (Key::R, Tool::Box),
        (Key::W, Tool::Box),
        (Key::P, Tool::Polygon),
        (Key::B, Tool::Brush),
        (Key::E, Tool::Eraser),
        (Key::Q, Tool::Prompt),
        (Key::M, Tool::Wand),
        (Key::V, Tool::Select),
        (Key::N, Tool::Wand),
    ] {
        assert_eq!(tool(&mut window, key), expected, "{key:?}");
    }
    window.press(Key::Escape);
    assert_eq!(window.app().state().tool, Tool::Select);
    let shows = |window: &mut Window, modifiers, key, label: &str| {
        window.key(modifiers, key);
        let shown = window.harness.query_all_by_label_contains(label).count() > 0;
        window.press(Key::Escape);
        window.harness.run_steps(2);
        assert!(shown, "{key:?} shows {label}");
    };
    shows(&mut window, Modifiers::COMMAND, Key::P, "Open folder…");
    shows(&mut window, Modifiers::NONE, Key::F1, "Key of Brush");
    shows(&mut window, Modifiers::NONE, Key::F2, "Steps of the segmenter");
    shows(&mut window, Modifiers::NONE, Key::Slash, "There are no classes yet");
    window.key(Modifiers::SHIFT, Key::M);
    window.key(Modifiers::COMMAND | Modifiers::SHIFT, Key::D);
    assert_eq!(window.app().state().image, 1);
    window.key(Modifiers::COMMAND | Modifiers::SHIFT, Key::D);
    window.key(Modifiers::COMMAND | Modifiers::SHIFT, Key::D);
    assert_eq!(window.app().state().image, 1, "the first is reviewed");
    window.press(Key::PageUp);
    assert_eq!(window.app().state().image, 0);
    let (left, _) = window.app().window_position(0.0, 0.0);
    window.key(Modifiers::COMMAND, Key::Num0);
    assert!((window.app().window_position(0.0, 0.0).0 - left).abs() > 1.0);
    window.press(Key::D);
    assert!((window.app().window_position(0.0, 0.0).0 - left).abs() > 1.0, "the zoom stays");
    window.press(Key::F);
    assert!((window.app().window_position(0.0, 0.0).0 - left).abs() < 0.1);
    window.press(Key::B);
    let radius = window.app().state().brush_radius_px;
    window.press(Key::CloseBracket);
    window.press(Key::OpenBracket);
    assert!((window.app().state().brush_radius_px - radius).abs() < 1e-9);
    let at = window.position(60.0, 40.0);
    window.harness.event(Event::PointerMoved(at));
    window.harness.event_modifiers(wheel(egui::MouseWheelUnit::Line, 3.0, Modifiers::ALT), Modifiers::ALT);
    window.harness.run_steps(4);
    assert!(window.app().state().brush_radius_px > radius, "Alt and the wheel");
}

#[test]
fn brightness_and_contrast_stay() {
    let mut window = Window::new(true);
    window.harness.get_by_label("Brightness and contrast").click();
    window.harness.run_steps(3);
    assert!(window.harness.query_all_by_label("Brightness").count() > 0, "the sliders are shown");
    let light = annotator::app::settings::Light { brightness: 0.3, contrast: 0.2 };
    let settings = annotator::app::settings::Settings { light, ..window.app().state().settings.clone() };
    window.perform(Command::Change(settings));
    window.press(Key::D);
    window.until("the image is shown", App::is_image_ready);
    assert_eq!(window.app().state().settings.light, light);
    let folder = window.close();
    let data = folder.path().join("images");
    let mut again = Window::over(folder, data, true);
    again.harness.run_steps(2);
    assert_eq!(again.app().state().settings.light, light, "also the next time");
}
