//! Objects of another file, added to what is open.

use super::*;

const OPENED: &str = r#"{"images":[{"id":1,"file_name":"a.png","width":120,"height":80},
    {"id":2,"file_name":"b.png","width":120,"height":80}],
    "annotations":[{"id":1,"image_id":1,"category_id":1,"bbox":[10,10,20,20],"area":400,"iscrowd":0}],
    "categories":[{"id":1,"name":"cat"}]}"#;

const OTHER: &str = r#"{"images":[{"id":5,"file_name":"a.png","width":120,"height":80},
    {"id":6,"file_name":"b.png","width":80,"height":120},{"id":7,"file_name":"z.png","width":9,"height":9}],
    "annotations":[{"id":1,"image_id":5,"category_id":2,"bbox":[10,10,20,20],"area":400,"iscrowd":0,"hue":3},
    {"id":2,"image_id":5,"category_id":1,"bbox":[40,40,20,20],"area":400,"iscrowd":0,"note":"theirs"},
    {"id":3,"image_id":6,"category_id":1,"bbox":[40,40,20,20],"area":400,"iscrowd":0},
    {"id":4,"image_id":7,"category_id":1,"bbox":[1,1,4,4],"area":16,"iscrowd":0}],
    "categories":[{"id":1,"name":"dog"},{"id":2,"name":"cat"}]}"#;

#[test]
fn objects_of_another_file_come_in_one_step_and_what_is_left_out_is_listed() {
    let mut window = Window::over_lvis(OPENED);
    let other = window.data.join("other.json");
    std::fs::write(&other, OTHER).unwrap();
    let counts = |window: &Window| (window.objects(), window.app().state().document.dataset().categories.len());
    window.perform(Command::AddFile(other.clone()));
    window.until("the objects are added", |app| app.state().message.as_ref().is_some_and(|message| message.text.starts_with("Added")));
    assert!(window.says().starts_with("Added 1 object and 1 class from other.json"), "{}", window.says());
    window.harness.get_by_label_contains("1 images have another size here and were left out: image 6 (b.png): 80 x 120, here 120 x 80");
    window.harness.get_by_label_contains("1 images are not in the data set and were left out: image 7 (z.png)");
    window.harness.get_by_label_contains("2 objects lie on images that were left out");
    window.harness.get_by_label_contains("1 objects are there already");
    window.harness.get_by_label_contains("`hue` of annotation 1");
    window.harness.get_by_label("Close").click();
    window.harness.run_steps(2);
    assert_eq!(counts(&window), (2, 2));
    let theirs = window.app().state().objects().nth(1).unwrap();
    assert!(theirs.source.as_ref().unwrap().text().contains("theirs"));
    assert_eq!(window.app().state().class_name(theirs.category_id), "dog");

    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(counts(&window), (1, 1), "one step takes all back");
    window.key(Modifiers::COMMAND, Key::Y);
    assert_eq!(counts(&window), (2, 2));

    window.perform(Command::AddFile(other));
    window.until("they are compared", |app| app.state().message.as_ref().is_some_and(|message| message.text.contains("nothing new")));
    assert_eq!(counts(&window), (2, 2));
}

#[test]
fn a_file_that_cannot_be_read_adds_nothing() {
    let mut window = Window::over_lvis(OPENED);
    let other = window.data.join("other.json");
    std::fs::write(&other, "no json").unwrap();
    window.perform(Command::AddFile(other));
    window.until("the fault is told", |app| app.state().message.as_ref().is_some_and(|message| message.tone == Tone::Error));
    assert!(window.says().contains("other.json"), "{}", window.says());
    assert_eq!(window.objects(), 1);
}
