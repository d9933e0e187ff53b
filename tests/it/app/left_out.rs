//! Images that are left out of the data set, and come back.

use super::*;
use annotator::annotation::{CategoryId, ImageId};

const IMAGES: [&str; 3] = [
    r#"{"id": 7, "file_name": "a.png", "width": 120, "height": 80, "gain": 1.50}"#,
    r#"{"id": 2, "file_name": "b.png", "width": 120, "height": 80, "gain": 2.50}"#,
    r#"{"id": 5, "file_name": "c.png", "width": 120, "height": 80}"#,
];
const OBJECTS: [&str; 4] = [
    r#"{"id": 3, "image_id": 2, "category_id": 2, "iscrowd": 0, "area": 400.0, "bbox": [10, 10, 20, 20], "by": "me"}"#,
    r#"{"id": 9, "image_id": 7, "category_id": 1, "iscrowd": 0, "area": 400.0, "bbox": [10, 10, 20, 20]}"#,
    r#"{"id": 4, "image_id": 2, "category_id": 2, "iscrowd": 0, "area": 400.0, "bbox": [50, 10, 20, 20]}"#,
    r#"{"id": 1, "image_id": 5, "category_id": 1, "iscrowd": 0, "area": 400.0, "bbox": [10, 10, 20, 20]}"#,
];

/// A file as the program writes it, with those of [`IMAGES`] and [`OBJECTS`].
fn text(images: &[usize], objects: &[usize]) -> String {
    let list = |records: &[&str], places: &[usize]| places.iter().map(|&place| records[place]).collect::<Vec<_>>().join(",\n");
    let classes = "{\"id\": 1, \"name\": \"cat\"},\n{\"id\": 2, \"name\": \"dog\"}";
    let (images, objects) = (list(&IMAGES, images), list(&OBJECTS, objects));
    format!("{{\n\"images\": [\n{images}\n],\n\"annotations\": [\n{objects}\n],\n\"categories\": [\n{classes}\n]\n}}\n")
}

/// A window on `set.json` with these images and objects, and the file.
fn window(images: &[usize], objects: &[usize]) -> (Window, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.png", "b.png", "c.png"] {
        RgbImage::new(120, 80).save(folder.path().join(name)).unwrap();
    }
    let file = folder.path().join("set.json");
    std::fs::write(&file, text(images, objects)).unwrap();
    let mut window = Window::over(folder, file.clone(), false);
    window.open(&file);
    (window, file)
}

fn names(window: &Window) -> Vec<&str> {
    window.app().state().document.dataset().images.iter().map(|image| image.file_name.as_str()).collect()
}

/// The name of the shown image and the ids of its objects.
fn shown(window: &Window) -> (&str, Vec<i64>) {
    let state = window.app().state();
    (state.shown().unwrap().file_name.as_str(), state.objects().map(|object| object.id.0).collect())
}

fn saved(window: &mut Window, file: &Path) -> String {
    window.key(Modifiers::COMMAND, Key::S);
    window.file_is_written();
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn an_image_is_left_out_with_its_objects_and_comes_back_at_its_place() {
    let (mut window, file) = window(&[0, 1, 2], &[0, 1, 2, 3]);
    window.press(Key::D);
    window.perform(Command::ToggleReviewed);
    window.key(Modifiers::SHIFT, Key::L);
    assert_eq!(shown(&window), ("c.png", vec![1]), "the next one is shown");
    assert!(window.says().contains("b.png is left out with 2 objects"), "{}", window.says());
    assert_eq!(saved(&mut window, &file), text(&[0, 2], &[1, 3]));
    assert!(file.with_file_name("b.png").is_file());

    window.perform(Command::Undo);
    assert_eq!((shown(&window), window.app().state().image), (("b.png", vec![3, 4]), 1));
    assert!(window.app().state().document.reviewed.contains(&ImageId(2)));
    assert_eq!(saved(&mut window, &file), text(&[0, 1, 2], &[0, 1, 2, 3]));
    window.perform(Command::Redo);
    assert_eq!((names(&window), shown(&window)), (vec!["a.png", "c.png"], ("c.png", vec![1])));
    window.press(Key::A);
    window.perform(Command::Undo);
    assert_eq!((names(&window), shown(&window).0), (vec!["a.png", "b.png", "c.png"], "b.png"));

    window.press(Key::D);
    window.perform(Command::LeaveOut);
    assert_eq!((shown(&window).0, window.app().state().image), ("b.png", 1), "behind the last one there is none");
    window.perform(Command::LeaveOut);
    window.perform(Command::LeaveOut);
    assert_eq!((names(&window), window.says().contains("The only image")), (vec!["a.png"], true));
    window.project_is_written();
    let mut window = window.reopened();
    assert_eq!(names(&window), ["a.png"]);
    window.perform(Command::Undo);
    window.perform(Command::Undo);
    assert_eq!(saved(&mut window, &file), text(&[0, 1, 2], &[0, 1, 2, 3]), "after a restart too");
}

#[test]
fn an_image_comes_back_with_its_class() {
    let (mut window, file) = window(&[0, 1], &[0, 1, 2]);
    window.press(Key::D);
    window.perform(Command::LeaveOut);
    window.perform(Command::DeleteClass(Some(CategoryId(2))));
    assert_eq!(window.app().state().document.dataset().categories.len(), 1, "{}", window.says());
    window.perform(Command::BringBack);
    assert_eq!(shown(&window), ("b.png", vec![3, 4]));
    assert_eq!(window.class_of_first(), "dog");
    assert_eq!(saved(&mut window, &file), text(&[0, 1], &[0, 1, 2]));
    window.perform(Command::BringBack);
    assert_eq!(window.says(), "No image was left out");
    window.perform(Command::Undo);
    assert_eq!(shown(&window), ("a.png", vec![9]));

    window.perform(Command::NewClass("bird".to_owned()));
    window.perform(Command::BringBack);
    assert!(window.says().contains("b.png stays left out"), "2 is the number of another class by now: {}", window.says());
    assert_eq!(names(&window), ["a.png"]);
}

#[test]
fn an_image_of_a_folder_stays_out_until_it_is_brought_back() {
    let mut window = Window::new(false);
    window.press(Key::End);
    window.until("the image is shown", App::is_image_ready);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.perform(Command::LeaveOut);
    window.project_is_written();
    RgbImage::new(120, 80).save(window.data.join("d.png")).unwrap();
    let mut window = window.reopened();
    assert_eq!(names(&window), ["a.png", "b.png", "d.png"]);
    assert_eq!(window.app().state().document.dataset().images.last().unwrap().id, ImageId(4), "3 is that of c.png");
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    assert_eq!(shown(&window), ("b.png", vec![1]));
    window.perform(Command::BringBack);
    assert_eq!(names(&window), ["a.png", "b.png", "c.png", "d.png"]);
    assert_eq!(shown(&window), ("c.png", vec![2]), "1 is another object by now");
    assert!(window.has_mask());
    window.perform(Command::Undo);
    assert_eq!((names(&window), shown(&window).0), (vec!["a.png", "b.png", "d.png"], "d.png"));
}

#[test]
fn an_image_stays_out_where_the_file_of_its_folder_is_read_anew() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.press(Key::D);
    window.perform(Command::LeaveOut);
    let file = window.data.join("labels.json");
    window.perform(Command::Export(file.clone()));
    window.file_is_written();
    window.project_is_written();
    rename_class(&file);
    let mut window = window.reopened();
    assert!(window.says().contains("changed by others"), "{}", window.says());
    assert_eq!(names(&window), ["a.png", "c.png"]);
    window.project_is_written();
    let mut window = window.reopened();
    assert_eq!(names(&window), ["a.png", "c.png"]);
    window.perform(Command::BringBack);
    window.until("it is found again", |app| app.state().document.image_count() == 3 && !app.state().document.is_loading());
    assert_eq!(names(&window), ["a.png", "c.png", "b.png"]);
}
