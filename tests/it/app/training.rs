//! Training from the window, by a process of its own.

use annotator::app::settings::{DeviceChoice, Settings};
use annotator::app::training::{Course, Step, Training};
use annotator::model::segmenter::{self, Segmenter, SegmenterConfig};
use annotator::model::weights::save;
use annotator::train::What;
use burn::tensor::Device;

use super::*;
use crate::model::seeded;

/// The button that goes on with a run, but for how far that is.
const GO_ON: &str = "Go on with the training that was stopped (";

/// A window on four images with an octagon each, whose models are tiny and which trains by the program itself.
fn over_octagons() -> Window {
    let folder = tempfile::tempdir().unwrap();
    let image = |id: u32| serde_json::json!({"id": id, "file_name": format!("{id}.png"), "width": 120, "height": 80});
    let object = |id: u32| {
        let x = 10 * id;
        let ring = [x + 10, 20, x + 30, 20, x + 40, 30, x + 40, 50, x + 30, 60, x + 10, 60, x, 50, x, 30];
        serde_json::json!({"id": id, "image_id": id, "category_id": 1, "iscrowd": 0, "area": 1400, "bbox": [x, 20, 40, 40],
            "segmentation": [ring]})
    };
    for id in 1..=4 {
        let inside = |x: u32, y: u32| x > 10 * id && x < 10 * id + 40 && y > 20 && y < 60;
        let shade = |x: u32, y: u32| image::Rgb(if inside(x, y) { [210, 80, 40] } else { [60, (y * 2) as u8, 170] });
        RgbImage::from_fn(120, 80, shade).save(folder.path().join(format!("{id}.png"))).unwrap();
    }
    let json = serde_json::json!({
        "images": (1..=4).map(image).collect::<Vec<_>>(),
        "annotations": (1..=4).map(object).collect::<Vec<_>>(),
        "categories": [{"id": 1, "name": "octagon"}],
    });
    let weights = folder.path().join("tiny.safetensors");
    let network = seeded(Segmenter::new(&SegmenterConfig::tiny(), &Device::flex()), 1);
    save(&network, segmenter::NETWORK, &network.config, &weights).unwrap();
    let mut window = Window::over_json(folder, &json);
    train_with(&mut window, env!("CARGO_BIN_EXE_annotator"));
    let settings = Settings { device: DeviceChoice::Cpu, ..window.app().state().settings.clone() };
    window.perform(Command::Change(settings));
    window.perform(Command::UseWeights(weights.clone()));
    window.until("the tiny weights are in use", move |app| app.state().settings.models.segmenter.as_ref() == Some(&weights));
    window
}

fn train_with(window: &mut Window, program: &str) {
    window.harness.state_mut().as_mut().unwrap().train_with(PathBuf::from(program));
}

/// What a run has left in the program's own folder and beside the data.
fn leftovers(folder: &Path) -> usize {
    let names = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let is_run = |name: &std::ffi::OsString| annotator::disk::is_temporary(name) || name.to_string_lossy().ends_with(".training");
    let own = names(&folder.join("own/state")).filter(is_run).count();
    own + names(folder).filter(|name| name.to_string_lossy().contains("segmenter-")).count()
}

fn is_training(app: &App) -> bool {
    matches!(app.state().training, Training::Running(_))
}

#[test]
fn training_runs_beside_the_window_and_says_whether_it_helped() {
    let mut window = over_octagons();
    let out = window.data.with_file_name("instances.segmenter-1.safetensors");
    let course = Course { what: What::Segmenter, epochs: 1, out: out.clone() };
    assert!(!window.says().is_empty());
    window.perform(Command::Training(Step::Start(course.clone())));
    assert!(is_training(window.app()));
    assert_eq!(window.says(), "", "nothing that was said before stands beside it");
    window.perform(Command::Training(Step::Start(course)));
    assert_eq!(window.says(), "Training is under way; Stop training ends it");
    window.draw_box((80.0, 20.0), (110.0, 60.0));
    window.answered();
    window.until("it is trained", |app| !is_training(app));
    assert_eq!(window.objects(), 2, "one goes on meanwhile");
    let Training::Ended { result, is_seen: false } = window.app().state().training.clone() else {
        panic!("nobody has seen what it came to")
    };
    let trained = result.unwrap();
    assert_eq!((trained.held_out, trained.weights.is_some()), (1, out.exists()));
    assert_eq!(leftovers(window.folder.path()), usize::from(out.exists()));

    window.harness.get_by_label("Training result…");
    window.perform(Command::Train);
    assert!(window.harness.query_by_label("Training result…").is_none());
    window.harness.get_by_label(&format!("The last training: {}.", trained.sentence()));
    if let Some(weights) = trained.weights {
        window.harness.get_by_label("Use these weights").click();
        window.until("they are in use", move |app| app.state().settings.models.segmenter.as_ref() == Some(&weights));
    }
}

/// Starts a run of so many rounds and waits until some of them are over.
fn train_a_while(window: &mut Window, epochs: u32) {
    let out = window.data.with_file_name("instances.segmenter-1.safetensors");
    window.perform(Command::Training(Step::Start(Course { what: What::Segmenter, epochs, out })));
    window.until("it has learned", |app| label(app).is_some_and(|label| label.contains("Epoch ") && !label.contains("Epoch 1 of")));
}

/// What a run is at.
fn label(app: &App) -> Option<&str> {
    if let Training::Running(progress) = &app.state().training { Some(&progress.label) } else { None }
}

#[test]
fn training_that_is_stopped_goes_on_with_the_masks_of_when_it_began() {
    let mut window = over_octagons();
    train_a_while(&mut window, 200);
    window.press(Key::Escape);
    window.press(Key::Escape);
    assert!(is_training(window.app()), "it is too dear for a key that is pressed so often");
    window.harness.get_by_label("Stop").click();
    window.until("it is stopped", |app| !is_training(app));
    assert!(window.says().starts_with("Training stopped; it can go on from "), "{}", window.says());
    assert_eq!(window.app().state().training, Training::Idle);

    window.perform(Command::Train);
    window.harness.get_by_label_contains(GO_ON);
    assert!(window.harness.query_by_label_contains("The masks have changed").is_none());
    window.press(Key::Escape);
    window.perform(Command::SelectAll);
    window.perform(Command::Delete);
    window.perform(Command::Train);
    window.harness.get_by_label_contains("The masks have changed");
    window.harness.get_by_label("3 masks on 3 images to learn from");
    window.harness.get_by_label_contains(GO_ON).click();
    window.until("it goes on", is_training);
    let is_anew = std::cell::Cell::new(false);
    window.until("it is trained", |app| {
        is_anew.set(is_anew.get() || label(app).is_some_and(|label| label.contains("Epoch 1 of")));
        !is_training(app)
    });
    assert!(!is_anew.get(), "it begins where it was");
    let Training::Ended { result, .. } = window.app().state().training.clone() else { panic!("it came to nothing") };
    let weights = result.unwrap().weights;
    assert_eq!(leftovers(window.folder.path()), usize::from(weights.is_some()), "its folder is gone");
    window.perform(Command::Train);
    assert!(window.harness.query_by_label_contains(GO_ON).is_none());
}

#[test]
fn training_that_ended_with_its_window_can_go_on_or_be_discarded() {
    let mut window = over_octagons();
    let file = window.data.clone();
    train_a_while(&mut window, 1000);
    window.project_is_written();
    window.perform(Command::Open(file));
    assert!(is_training(window.app()), "it asks first");
    window.harness.get_by_label("Training is under way");
    window.harness.get_by_label("It stops when instances.json is opened and can go on later.");
    assert!(window.harness.query_by_label("Something would be lost").is_none());
    window.harness.get_by_label("Stop it and open").click();
    window.harness.run_steps(3);
    assert_eq!(window.app().state().training, Training::Idle);
    let mut window = window.reopened();
    assert_eq!(leftovers(window.folder.path()), 1);
    window.perform(Command::Train);
    window.harness.get_by_label_contains(GO_ON);
    assert!(window.harness.query_by_label_contains("The masks have changed").is_none());
    window.harness.get_by_label("Start anew").click();
    window.harness.run_steps(2);
    assert_eq!(window.app().state().training, Training::Idle, "it asks first");
    window.harness.get_by_label("Start anew, what was learned is dropped");
    window.harness.get_by_label("Discard").click();
    window.harness.run_steps(3);
    assert_eq!(window.says(), "The training that was stopped is discarded");
    window.harness.get_by_label("Start");
    assert_eq!(leftovers(window.folder.path()), 0);
}

#[test]
fn training_that_has_learned_nothing_leaves_nothing_behind() {
    let mut window = over_octagons();
    let out = window.data.with_file_name("instances.segmenter-1.safetensors");
    let course = Course { what: What::Segmenter, epochs: 1000, out };
    // Nothing comes between them: the second stop ends it at once.
    let stops = [Command::StopTraining, Command::StopTraining];
    window.perform_at_once([Command::Training(Step::Start(course))].into_iter().chain(stops).collect());
    window.until("it is stopped", |app| !is_training(app));
    assert_eq!(window.says(), "Training stopped; nothing was learned yet");
    assert_eq!(leftovers(window.folder.path()), 0);
}

#[test]
fn a_run_that_fails_says_why() {
    let mut window = over_octagons();
    let out = window.data.with_file_name("instances.segmenter-1.safetensors");
    let course = Course { what: What::Segmenter, epochs: 1, out };
    train_with(&mut window, "no/such/program");
    window.perform(Command::Training(Step::Start(course.clone())));
    window.until("it failed", |app| !is_training(app));
    assert!(window.says().starts_with("Training failed: cannot start no/such/program"), "{}", window.says());
    train_with(&mut window, env!("CARGO_BIN_EXE_annotator"));
    std::fs::remove_file(window.folder.path().join("1.png")).unwrap();
    std::fs::remove_file(window.folder.path().join("2.png")).unwrap();
    std::fs::remove_file(window.folder.path().join("3.png")).unwrap();
    window.perform(Command::Training(Step::Start(course)));
    window.until("it failed", |app| !is_training(app));
    assert!(window.says().starts_with("Training failed: only 1 objects have a mask"), "{}", window.says());
    assert_eq!(leftovers(window.folder.path()), 0);
}

#[test]
fn only_masks_that_a_person_saw_are_labels() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.perform(Command::Train);
    window.harness.get_by_label("0 masks on 0 images to learn from");
    window.harness.get_by_label("1 proposed mask that nobody accepted left out");
    window.harness.get_by_label_contains("Two masks at least are needed");
    window.press(Key::Escape);
    window.press(Key::Enter);
    window.perform(Command::Train);
    window.harness.get_by_label("1 mask on 1 image to learn from");
    window.harness.get_by_label("Start").click();
    window.harness.run_steps(2);
    assert_eq!(window.app().state().training, Training::Idle, "one mask is too few");
}
