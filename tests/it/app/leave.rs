//! What would be lost if what is open was left.

use annotator::annotation::{CategoryId, Dataset, Image, ImageId, Instance, InstanceId};
use annotator::app::{Document, Source};
use annotator::store::{Contents, Judgement, Places, Project, Writer};

use super::*;

/// A document with one mask, and the file that keeps its project out of its folder.
fn document(folder: &Path) -> (Document, PathBuf) {
    let (data, state) = (folder.join("data"), folder.join("state"));
    for blocked in [&data, &state] {
        std::fs::write(blocked, "a file where a folder is wanted").unwrap();
    }
    let size = Size::new(120, 80);
    let mut instance = Instance::boxed(InstanceId(1), ImageId(1), CategoryId(1), Rect::new(10.0, 10.0, 40.0, 30.0));
    instance.set_mask(&ellipse(size, instance.bbox));
    let images = vec![Image { id: ImageId(1), file_name: "a.png".to_owned(), size, source: None }];
    let contents = Contents { dataset: Dataset { images, instances: vec![instance], ..Dataset::default() }, ..Contents::default() };
    let project = Project::create(&Places::of(&data.join("a.json"), &state), &contents, &Cancel::new(), &mut |_| ()).unwrap();
    let mut document = Document::new(contents, Source::Nothing, false);
    document.keep_with(Writer::start(project, || ()).unwrap());
    (document, data)
}

#[test]
fn what_a_person_accepted_is_at_risk_until_the_project_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut document, data) = document(folder.path());
    assert!(matches!(document.storage(), State::Failing(_)));
    document.judge([(InstanceId(1), Judgement::expected(0.8))]);
    assert_eq!(document.kept_within(LIMIT), State::Written, "a model tells that again");
    document.judge([(InstanceId(1), Judgement::LOOKED_AT)]);
    assert!(matches!(document.kept_within(LIMIT), State::Failing(_)));
    std::fs::remove_file(&data).unwrap();
    std::fs::create_dir(&data).unwrap();
    let start = Instant::now();
    while document.kept() != State::Written {
        assert!(start.elapsed() < LIMIT, "still {:?}", document.kept());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_window_closes_at_once_where_the_project_has_everything() {
    let mut window = Window::unasked(true);
    window.perform(Command::AddBox(Rect::new(10.0, 20.0, 40.0, 30.0)));
    window.project_is_written();
    let root = egui::ViewportId::ROOT;
    window.harness.input_mut().viewports.get_mut(&root).unwrap().events.push(egui::ViewportEvent::Close);
    window.harness.step();
    assert!(!window.harness.output().viewport_output[&root].commands.contains(&egui::ViewportCommand::CancelClose));
    assert!(!window.app().is_leaving());
}
