//! Going from image to image, and the film strip.

use super::*;
use annotator::annotation::{CategoryId, InstanceId};
use annotator::app::listed::Only;

/// A window on so many images, `0.png` and so on; these objects have a box each, by their images and classes.
fn window(count: usize, objects: &[(usize, i64)]) -> Window {
    let folder = tempfile::tempdir().unwrap();
    let name = |index: usize| format!("{index}.png");
    for index in 0..count {
        RgbImage::new(60, 40).save(folder.path().join(name(index))).unwrap();
    }
    let image = |index: usize| serde_json::json!({"id": index, "file_name": name(index), "width": 60, "height": 40});
    let object = |(id, (image, class)): (usize, &(usize, i64))| serde_json::json!({"id": id + 1, "image_id": image, "category_id": class, "iscrowd": 0, "area": 400.0, "bbox": [10, 10, 20, 20]});
    let json = serde_json::json!({
        "images": (0..count).map(image).collect::<Vec<_>>(),
        "annotations": objects.iter().enumerate().map(object).collect::<Vec<_>>(),
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    });
    Window::over_json(folder, &json)
}

fn shown(window: &Window) -> usize {
    window.app().state().image
}

/// Types into the search for an image and takes the first row.
fn search(window: &mut Window, text: &str) -> usize {
    window.key(Modifiers::COMMAND, Key::G);
    window.harness.event(Event::Text(text.to_owned()));
    window.harness.run_steps(3);
    window.press(Key::Enter);
    shown(window)
}

#[test]
fn an_image_is_found_by_its_name_or_its_number() {
    let mut window = window(30, &[]);
    assert_eq!(search(&mut window, "7.png"), 7);
    assert_eq!(search(&mut window, "7"), 6, "a number counts from 1");
    assert_eq!(search(&mut window, "#30"), 29);
    assert_eq!(search(&mut window, "25.p"), 25);
    window.key(Modifiers::COMMAND, Key::G);
    window.harness.event(Event::Text("png".to_owned()));
    window.harness.run_steps(3);
    window.harness.get_by_label("and 18 more");
    window.harness.event(Event::Text("zzz".to_owned()));
    window.harness.run_steps(3);
    window.harness.get_by_label("Nothing is called that");
    window.press(Key::Enter);
    window.press(Key::Escape);
    window.harness.run_steps(2);
    assert_eq!(shown(&window), 25);
    window.press(Key::Home);
    assert_eq!(shown(&window), 0);
    window.press(Key::End);
    assert_eq!(shown(&window), 29);
}

#[test]
fn the_next_image_with_a_class_or_without_objects_is_found_around_the_end() {
    let mut window = window(4, &[(0, 1), (1, 2), (3, 1)]);
    window.perform(Command::Assign(CategoryId(1)));
    window.perform(Command::Go(Way::OfClass));
    assert_eq!(shown(&window), 3);
    window.perform(Command::Go(Way::OfClass));
    assert_eq!(shown(&window), 0);
    window.perform(Command::Go(Way::Empty));
    assert_eq!(shown(&window), 2);
    window.perform(Command::Go(Way::Empty));
    assert_eq!((shown(&window), window.says().as_str()), (2, "Every other image has an object"));
    window.perform(Command::Go(Way::First));
    window.perform(Command::Select(vec![InstanceId(1)]));
    window.press(Key::Delete);
    window.press(Key::End);
    window.perform(Command::Go(Way::OfClass));
    assert_eq!((shown(&window), window.says().as_str()), (3, "No other image has an object of cat"));
}

#[test]
fn the_film_strip_keeps_the_shown_image_in_sight_when_the_window_is_resized() {
    let mut window = window(30, &[]);
    window.harness.set_size(egui::vec2(1600.0, 760.0));
    window.harness.run_steps(4);
    window.perform(Command::GoTo(15));
    let is_in_sight = |window: &Window, width: f32| {
        let image = window.harness.query_by_label("Image 15.png").map(|image| image.rect());
        image.is_some_and(|image| image.left() >= 0.0 && image.right() <= width)
    };
    assert!(is_in_sight(&window, 1600.0));
    window.harness.set_size(egui::vec2(720.0, 480.0));
    window.harness.run_steps(4);
    assert!(is_in_sight(&window, 720.0));
}

#[test]
fn the_film_strip_goes_to_the_shown_image_where_all_had_room_before() {
    let mut window = window(15, &[]);
    window.harness.set_size(egui::vec2(1600.0, 1000.0));
    window.harness.run_steps(4);
    window.perform(Command::GoTo(9));
    window.harness.set_size(egui::vec2(900.0, 600.0));
    window.harness.run_steps(4);
    let image = window.harness.get_by_label("Image 9.png").rect();
    assert!(image.left() >= 0.0 && image.right() <= 900.0, "{image:?}");
}

fn of_class(class: i64) -> Command {
    Command::ListOnly(Only::OfClass(Some(CategoryId(class))))
}

fn is_in_strip(window: &Window, index: usize) -> bool {
    window.harness.query_by_label(&format!("Image {index}.png")).is_some()
}

#[test]
fn only_the_images_with_a_class_are_listed_and_gone_through() {
    let mut window = window(6, &[(1, 1), (1, 1), (2, 2), (4, 1)]);
    window.harness.get_by_label("Class cat").click_secondary();
    window.harness.run_steps(4);
    window.harness.get_by_label("Show only images with it").click();
    window.harness.run_steps(4);
    assert_eq!(shown(&window), 1, "the first of them");
    window.harness.get_by_label("Only images with cat: 2");
    assert_eq!([1, 2, 4].map(|index| is_in_strip(&window, index)), [true, false, true]);
    window.press(Key::D);
    assert_eq!(shown(&window), 4);
    window.press(Key::D);
    assert_eq!((shown(&window), window.says().as_str()), (4, "This is the last image; not all images are listed"));
    for (key, index) in [(Key::A, 1), (Key::A, 1), (Key::End, 4), (Key::Home, 1)] {
        window.press(key);
        assert_eq!(shown(&window), index, "{key:?}");
    }
    assert_eq!(search(&mut window, "2.png"), 2, "a search finds all");
    window.press(Key::D);
    assert_eq!(shown(&window), 4);
    window.perform(Command::Go(Way::Empty));
    assert!(window.says().ends_with("; not all images are listed"), "{}", window.says());

    window.harness.get_by_label("Show all images").click();
    window.harness.run_steps(4);
    assert!(window.app().state().listed.is_none() && is_in_strip(&window, 2));
    window.press(Key::D);
    assert_eq!(shown(&window), 5);
}

#[test]
fn a_list_keeps_its_images_while_they_are_worked_on_and_follows_those_that_go() {
    let mut window = window(5, &[(0, 1), (2, 1), (3, 1), (4, 2)]);
    window.perform(of_class(1));
    window.perform(Command::SelectAll);
    window.perform(Command::Assign(CategoryId(2)));
    window.press(Key::D);
    window.press(Key::A);
    assert_eq!(shown(&window), 0, "it has no cat any more");
    window.press(Key::D);
    window.perform(Command::LeaveOut);
    assert_eq!(window.app().state().shown().unwrap().file_name, "3.png", "the next one of the list");
    window.harness.get_by_label("Only images with cat: 2");
    window.perform(Command::Undo);
    window.harness.get_by_label("Only images with cat: 3");
    window.perform(Command::ListOnly(Only::Empty));
    assert_eq!(window.app().state().shown().unwrap().file_name, "1.png");
    window.perform(Command::ToggleReviewed);
    window.perform(Command::ListOnly(Only::Unreviewed));
    assert_eq!((shown(&window), window.app().state().listed_count()), (2, 4));
    window.perform(of_class(1));
    assert_eq!((shown(&window), window.app().state().listed_count()), (2, 2));
    window.perform(Command::MergeClass(CategoryId(1), CategoryId(2)));
    assert!(window.app().state().listed.is_none(), "its class is gone: {}", window.says());
    window.perform(of_class(1));
    assert!(window.app().state().listed.is_none() && window.says().contains("Choose a class"), "{}", window.says());
}

#[test]
fn the_objects_of_a_class_on_all_images_are_counted() {
    let mut window = window(3, &[(0, 1), (1, 1), (2, 2)]);
    let counts = |window: &Window| [1, 2].map(|class| window.app().state().document.class_count(CategoryId(class)));
    assert_eq!(counts(&window), [2, 1]);
    window.perform(Command::SelectAll);
    window.perform(Command::Assign(CategoryId(2)));
    assert_eq!(counts(&window), [1, 2]);
    window.perform(Command::Delete);
    assert_eq!(counts(&window), [1, 1]);
    window.perform(Command::Undo);
    window.perform(Command::Undo);
    assert_eq!(counts(&window), [2, 1]);
}
