//! The window, driven as a person drives it: by keys, drags and names, without a screen.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use annotator::annotation::{Field, Shape};
use annotator::app::assistant::Readiness;
use annotator::app::command::{Command, Tool};
use annotator::app::polish::Plan;
use annotator::app::settings::Folders;
use annotator::app::state::{PolishState, Tone};
use annotator::app::transfer::{Form, Wish};
use annotator::app::{App, Base};
use annotator::assist::service::{Engine, Service};
use annotator::assist::{
    Alternative, AssistError, ModelPaths, Patch, Prompt, Proposal, ProposeOptions, ProposeStep, RefineOptions, RefineStep, Refinement,
};
use annotator::formats::coco;
use annotator::formats::exchange::Format;
use annotator::geometry::{Point, Rect, Size};
use annotator::job::Cancel;
use annotator::mask::Mask;
use annotator::store::State;
use egui::{Event, Key, Modifiers, PointerButton, pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use image::RgbImage;
use tempfile::TempDir;

/// A stand-in for the models, with the name of its weights: the ellipse inside each box; refining grows a mask by one
/// pixel. With `slow`, masks never come, only a step.
struct Stand {
    weights: String,
    slow: bool,
}

fn ellipse(size: Size, rect: Rect) -> Mask {
    let center = rect.center();
    Mask::from_fn(size, |x, y| {
        let (dx, dy) = ((f64::from(x) + 0.5 - center.x) / rect.width, (f64::from(y) + 0.5 - center.y) / rect.height);
        dx * dx + dy * dy <= 0.25
    })
}

impl Stand {
    fn start(slow: bool) -> Service {
        let name = |paths: &ModelPaths| paths.segmenter.as_ref().map_or_else(|| "stand-in".to_owned(), |path| path.display().to_string());
        let load = move |paths: &ModelPaths| Ok(Self { weights: name(paths), slow });
        Service::start_with(load, ModelPaths::default(), || {}).unwrap()
    }
}

impl Engine for Stand {
    fn propose(
        &self,
        image: &RgbImage,
        prompts: &[Prompt],
        options: &ProposeOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(ProposeStep),
    ) -> Result<Vec<Proposal>, AssistError> {
        let patch = |prompt: &Prompt| Patch { rect: prompt.rect, side: 2, soft: vec![0.0, 1.0, 1.0, 1.0] };
        each(ProposeStep { step: 1, of: options.steps, first: 0, masks: prompts.iter().map(patch).collect() });
        while self.slow && !cancel.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let size = Size::new(image.width(), image.height());
        let proposal = |prompt: &Prompt| {
            let mut mask = prompt.mask.as_ref().map_or_else(|| ellipse(size, prompt.rect), |mask| (**mask).clone());
            prompt.scribbles.iter().for_each(|scribble| scribble.paint(&mut mask));
            let other = |share: f64, expected_iou| {
                let mask = Mask::filled(size, Rect { width: prompt.rect.width * share, ..prompt.rect });
                Alternative { mask, patch: patch(prompt), expected_iou }
            };
            let others = if options.samples > 1 { vec![other(0.3, 0.6), other(0.6, 0.5)] } else { Vec::new() };
            let expected_iou = 1.0 - prompt.rect.width as f32 / 200.0;
            Proposal { others, spread: Some(patch(prompt)), ..Proposal::single(mask, patch(prompt), expected_iou) }
        };
        Ok(prompts.iter().map(proposal).collect())
    }

    fn refine(
        &self,
        _: &RgbImage,
        masks: &[Mask],
        _: &RefineOptions,
        _: &Cancel,
        _: &mut dyn FnMut(RefineStep),
    ) -> Result<Vec<Refinement>, AssistError> {
        let grown = |mask: &Mask| {
            let near = |x: u32, y: u32| mask.get(x, y) || mask.get(x + 1, y) || (x > 0 && mask.get(x - 1, y));
            Refinement { mask: Mask::from_fn(mask.size(), near), kept_original: false, change: 0.1 }
        };
        Ok(masks.iter().map(grown).collect())
    }

    fn device(&self) -> String {
        self.weights.clone()
    }
}

/// A window on a folder of its own, and the folder.
struct Window {
    harness: Harness<'static, Option<App>>,
    data: PathBuf,
    folder: TempDir,
}

impl Window {
    fn new(slow: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("images");
        std::fs::create_dir(&data).unwrap();
        for (number, name) in ["a.png", "b.png", "c.png"].into_iter().enumerate() {
            let shade = |x: u32, y: u32| image::Rgb([(x * 2) as u8, (y * 3) as u8, 60 * number as u8]);
            RgbImage::from_fn(120, 80, shade).save(data.join(name)).unwrap();
        }
        let mut window = Self::over(folder, data.clone(), slow);
        window.open(&data);
        window
    }

    fn over(folder: TempDir, data: PathBuf, slow: bool) -> Self {
        let folders = Folders::at(&folder.path().join("own"));
        let mut base = Some(Base {
            format: wgpu::TextureFormat::Rgba8Unorm,
            adapter: "test adapter".to_owned(),
            folders,
            models: Some(Stand::start(slow)),
        });
        let show = move |ui: &mut egui::Ui, app: &mut Option<App>| {
            let app = app.get_or_insert_with(|| App::new(ui.ctx(), base.take().unwrap()));
            app.show_ui(ui);
        };
        let harness = Harness::builder().with_size(egui::vec2(1180.0, 760.0)).with_max_steps(12).build_ui_state(show, None);
        Self { harness, data, folder }
    }

    /// Closes the window; its folder stays.
    fn close(mut self) -> TempDir {
        self.harness.state_mut().as_mut().unwrap().close();
        self.folder
    }

    fn app(&self) -> &App {
        self.harness.state().as_ref().unwrap()
    }

    fn perform(&mut self, command: Command) {
        let ctx = self.harness.ctx.clone();
        self.harness.state_mut().as_mut().unwrap().perform(command, &ctx);
        self.harness.run_steps(2);
    }

    fn open(&mut self, path: &Path) {
        self.perform(Command::Open(path.to_path_buf()));
        self.until("the image is shown", App::is_image_ready);
    }

    /// Steps until `holds`; frames stand for little time, so that no timer runs off meanwhile.
    fn until(&mut self, what: &str, holds: impl Fn(&App) -> bool) {
        let start = Instant::now();
        while !holds(self.app()) {
            assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
            self.harness.step();
            std::thread::sleep(Duration::from_millis(5));
        }
        self.harness.run_steps(2);
    }

    fn key(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run_steps(2);
    }

    fn press(&mut self, key: Key) {
        self.key(Modifiers::NONE, key);
    }

    fn position(&self, x: f64, y: f64) -> egui::Pos2 {
        let (x, y) = self.app().window_position(x, y);
        pos2(x, y)
    }

    /// Drags from one image position to another.
    fn drag(&mut self, from: (f64, f64), to: (f64, f64), modifiers: Modifiers) {
        let (start, end) = (self.position(from.0, from.1), self.position(to.0, to.1));
        let button = |pos, pressed| Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers };
        let events = [
            Event::PointerMoved(start),
            button(start, true),
            Event::PointerMoved(start.lerp(end, 0.5)),
            Event::PointerMoved(end),
            button(end, false),
        ];
        for event in events {
            self.harness.event_modifiers(event, modifiers);
        }
        self.harness.run_steps(2);
    }

    fn draw_box(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.press(Key::R);
        self.drag(from, to, Modifiers::NONE);
    }

    fn objects(&self) -> usize {
        self.app().state().objects().count()
    }

    fn class_of_first(&self) -> String {
        let state = self.app().state();
        state.class_name(state.objects().next().unwrap().category_id).to_owned()
    }

    fn first_mask(&self) -> Mask {
        self.app().state().objects().next().unwrap().mask(Size::new(120, 80)).unwrap()
    }

    fn has_mask(&self) -> bool {
        self.app().state().objects().next().is_some_and(|instance| instance.shape != Shape::Box)
    }

    /// Waits for what the models were asked for.
    fn answered(&mut self) {
        self.harness.run_steps(4);
        self.until("the models answer", |app| !app.is_waiting());
    }

    fn says(&self) -> String {
        self.app().state().message.clone().map(|message| message.text).unwrap_or_default()
    }
}

#[test]
fn a_drawn_box_gets_a_mask_and_every_step_is_taken_back() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    assert_eq!(window.objects(), 1);
    let bbox = window.app().state().objects().next().unwrap().bbox;
    assert!(Point::new(bbox.x, bbox.y).distance(Point::new(20.0, 20.0)) < 0.1, "{bbox:?}");
    assert!((bbox.width - 50.0).abs() < 0.1 && (bbox.height - 40.0).abs() < 0.1, "{bbox:?}");
    window.answered();
    assert!(window.has_mask(), "{}", window.says());
    window.key(Modifiers::COMMAND, Key::Z);
    assert!(!window.has_mask());
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.objects(), 0);
    window.key(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    window.key(Modifiers::COMMAND, Key::Y);
    assert!(window.has_mask());
}

#[test]
fn boxes_drawn_together_are_proposed_together() {
    let mut window = Window::new(false);
    let settings = annotator::app::settings::Settings { propose_after_box: false, ..window.app().state().settings.clone() };
    window.perform(Command::Change(settings));
    window.draw_box((5.0, 5.0), (40.0, 40.0));
    window.draw_box((60.0, 20.0), (110.0, 70.0));
    window.harness.run_steps(4);
    assert!(!window.has_mask());
    window.press(Key::Enter);
    window.answered();
    let state = window.app().state();
    assert!(state.objects().all(|instance| instance.shape != Shape::Box));
    assert_eq!(state.document.history().next_undo().unwrap().label, "Propose masks");
    assert_eq!((state.selection.len(), state.proposed.len()), (1, 2));
    window.press(Key::Enter);
    assert_eq!(window.app().state().proposed.len(), 1, "Enter accepts the first and goes to the second");
    window.press(Key::Enter);
    assert!(window.app().state().selection.is_empty());
}

#[test]
fn escape_stops_the_model_and_the_box_stays() {
    let mut window = Window::new(true);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.harness.run_steps(4);
    assert!(window.harness.query_by_label("Cancel (Esc)").is_some(), "the status bar shows the running job");
    window.press(Key::Escape);
    window.harness.run_steps(4);
    assert!(window.harness.query_by_label("Cancel (Esc)").is_none());
    assert_eq!(window.objects(), 1);
    assert!(!window.has_mask());
}

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

#[test]
fn classes_are_made_searched_and_given() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    assert_eq!(window.class_of_first(), "object");
    window.press(Key::Slash);
    window.harness.event(Event::Text("zebra".to_owned()));
    window.harness.run_steps(2);
    window.press(Key::B);
    assert_eq!(window.app().state().tool, Tool::Box, "a bare letter does nothing while typing");
    window.press(Key::Enter);
    assert_eq!(window.class_of_first(), "zebra");
    window.press(Key::Num1);
    assert_eq!(window.class_of_first(), "object");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.class_of_first(), "zebra");
    window.harness.get_by_label("Class object").click();
    window.harness.run_steps(2);
    assert_eq!(window.class_of_first(), "object");
    window.draw_box((80.0, 10.0), (110.0, 40.0));
    let state = window.app().state();
    assert_eq!(state.class_name(state.objects().last().unwrap().category_id), "object", "the last class sticks");
}

#[test]
fn the_brush_paints_and_erases() {
    let mut window = Window::new(false);
    window.press(Key::B);
    window.drag((30.0, 40.0), (60.0, 40.0), Modifiers::NONE);
    assert_eq!(window.objects(), 1);
    let painted = window.first_mask();
    let mut expected = Mask::new(Size::new(120, 80));
    annotator::mask::brush::stroke(&mut expected, Point::new(30.0, 40.0), Point::new(60.0, 40.0), 12.0, true);
    assert!(annotator::mask::metric::iou(&painted, &expected) > 0.98, "the stroke goes where the pointer went");
    window.drag((45.0, 20.0), (45.0, 60.0), Modifiers::COMMAND);
    let erased = window.first_mask();
    assert!(erased.area() < painted.area() && !erased.get(45, 40));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.first_mask(), painted);
    window.press(Key::CloseBracket);
    assert!(window.app().state().brush_radius_px > 12.0);
}

#[test]
fn objects_are_selected_moved_resized_and_deleted() {
    let mut window = Window::new(true);
    window.draw_box((20.0, 20.0), (60.0, 60.0));
    window.press(Key::Escape);
    window.press(Key::V);
    window.drag((40.0, 40.0), (50.0, 45.0), Modifiers::NONE);
    let bbox = window.app().state().objects().next().unwrap().bbox;
    assert!((bbox.x - 30.0).abs() < 0.2 && (bbox.y - 25.0).abs() < 0.2, "{bbox:?}");
    window.drag((70.0, 65.0), (90.0, 75.0), Modifiers::NONE);
    let bbox = window.app().state().objects().next().unwrap().bbox;
    assert!((bbox.width - 60.0).abs() < 0.3 && (bbox.height - 50.0).abs() < 0.3, "{bbox:?}");
    window.press(Key::Delete);
    assert_eq!(window.objects(), 0);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(window.objects(), 1);
    window.press(Key::Tab);
    assert_eq!(window.app().state().selection.len(), 1);
}

#[test]
fn images_follow_each_other_and_undo_goes_back_to_its_own() {
    let mut window = Window::new(true);
    window.draw_box((20.0, 20.0), (60.0, 60.0));
    window.press(Key::D);
    assert_eq!(window.app().state().image, 1);
    window.press(Key::PageDown);
    window.press(Key::D);
    assert_eq!(window.app().state().image, 2, "there is nothing behind the last image");
    window.press(Key::A);
    assert_eq!(window.app().state().image, 1);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((window.app().state().image, window.objects()), (0, 0));
    window.harness.get_by_label("Image c.png").click();
    window.harness.run_steps(2);
    assert_eq!(window.app().state().image, 2);
}

#[test]
fn work_is_kept_without_saving_and_comes_back() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.press(Key::M);
    window.press(Key::D);
    window.press(Key::A);
    window.until("the project is written", |app| app.state().document.storage() == State::Written);
    assert!(!window.data.join("annotations.json").exists(), "nothing else is written");
    let masks = window.first_mask();
    let Window { harness, data, folder } = window;
    let mut second = Window::over(tempfile::tempdir().unwrap(), data.clone(), false);
    second.perform(Command::Open(data.clone()));
    second.until("the second window says something", |app| app.state().message.is_some());
    assert!(second.says().contains("open in another window"), "{}", second.says());
    drop(harness);
    let mut again = Window::over(folder, data.clone(), false);
    again.open(&data);
    again.until("all is read", |app| !app.state().document.is_loading());
    assert!(again.says().contains("Reopened"), "{}", again.says());
    assert_eq!(again.first_mask(), masks);
    assert_eq!(again.app().state().document.reviewed.len(), 1);
    again.key(Modifiers::COMMAND, Key::Z);
    again.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(again.objects(), 0, "the steps of the last time are taken back");
    again.key(Modifiers::COMMAND, Key::Y);
    again.key(Modifiers::COMMAND, Key::Y);
    assert_eq!(again.first_mask(), masks);
}

#[test]
fn saving_writes_coco_beside_the_images() {
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.key(Modifiers::COMMAND, Key::S);
    window.until("the file is written", |app| !app.state().document.is_changed());
    let (dataset, report) = coco::read(&window.data.join("annotations.json")).unwrap();
    assert!(report.is_empty(), "{report:?}");
    assert_eq!((dataset.images.len(), dataset.instances.len(), dataset.categories.len()), (3, 1, 1));
    let written = &dataset.instances[0];
    assert_eq!(written.mask(Size::new(120, 80)).unwrap(), window.first_mask());
    assert_eq!((written.changed, written.crowd), (Field::NONE, false));

    // Another program changes the file; nothing here is newer, so the file counts.
    let file = window.data.join("annotations.json");
    let Window { harness, data, folder } = window;
    drop(harness);
    let text = std::fs::read_to_string(&file).unwrap().replace("\"object\"", "\"other thing\"");
    std::fs::write(&file, &text).unwrap();
    let mut again = Window::over(folder, data.clone(), false);
    again.open(&data);
    again.until("all is read", |app| !app.state().document.is_loading());
    assert_eq!((again.class_of_first().as_str(), again.objects()), ("other thing", 1));
    again.press(Key::Tab);
    again.press(Key::Delete);
    again.key(Modifiers::COMMAND, Key::S);
    again.until("the file is written", |app| !app.state().document.is_changed());
    assert_eq!(coco::read(&file).unwrap().0.instances.len(), 0);
    assert_eq!(std::fs::read_to_string(data.join("annotations.json.bak")).unwrap(), text, "the file before is kept");
}

#[test]
fn work_goes_on_in_memory_where_nothing_can_be_written_and_is_not_lost_by_closing() {
    let mut window = Window::new(false);
    let blocked = |window: &Window| window.app().state().document.at_risk().is_some();
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    assert!(!blocked(&window));

    // Names that are taken by folders keep files from being made, for any user.
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("images");
    std::fs::create_dir_all(data.join("annotations.annotator.db")).unwrap();
    std::fs::create_dir(folder.path().join("own")).unwrap();
    std::fs::write(folder.path().join("own/state"), "a file where a folder is wanted").unwrap();
    RgbImage::new(120, 80).save(data.join("a.png")).unwrap();
    let mut window = Window::over(folder, data.clone(), false);
    window.open(&data);
    window.until("it is said", |app| app.state().message.as_ref().is_some_and(|message| message.text.contains("in memory only")));
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.harness.run_steps(4);
    assert!(window.has_mask() && blocked(&window));
    window.perform(Command::Open(data.join("a.png")));
    assert!(window.harness.query_by_label("Lose them and go on").is_some());
    window.harness.get_by_label("Stay").click();
    window.harness.run_steps(2);
    assert_eq!(window.objects(), 1);
    std::fs::remove_dir(data.join("annotations.annotator.db")).unwrap();
    window.until("the project is written", |app| app.state().document.storage() == State::Written);
    assert!(!blocked(&window));
    let masks = window.first_mask();
    let Window { harness, data, folder } = window;
    drop(harness);
    let mut again = Window::over(folder, data.clone(), false);
    again.open(&data);
    again.until("all is read", |app| !app.state().document.is_loading());
    assert_eq!(again.first_mask(), masks);
}

#[test]
fn a_broken_image_is_named_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_path_buf();
    std::fs::write(data.join("broken.png"), b"no picture").unwrap();
    RgbImage::new(16, 16).save(data.join("good.png")).unwrap();
    let file = data.join("set.json");
    let text = r#"{"images": [{"id": 1, "file_name": "broken.png", "width": 16, "height": 16},
        {"id": 2, "file_name": "good.png", "width": 16, "height": 16}], "annotations": [], "categories": []}"#;
    std::fs::write(&file, text).unwrap();
    let mut window = Window::over(folder, data, false);
    window.perform(Command::Open(file));
    window.until("the file is open", |app| app.state().shown().is_some());
    window.press(Key::D);
    window.until("the good image is shown", App::is_image_ready);
    assert_eq!(window.app().state().image, 1);
}

#[test]
fn the_palette_and_the_help_page_know_every_command() {
    let mut window = Window::new(true);
    window.press(Key::F1);
    assert!(window.harness.query_all_by_label("Refine selected masks").count() > 1);
    window.press(Key::Escape);
    window.key(Modifiers::COMMAND, Key::P);
    window.harness.event(Event::Text("eras".to_owned()));
    window.harness.run_steps(2);
    window.press(Key::Enter);
    assert_eq!(window.app().state().tool, Tool::Eraser);
    window.press(Key::F2);
    assert!(window.harness.query_all_by_label("Steps of the segmenter").count() > 0);
}

/// Small images of the whole window, drawn by the software adapter.
#[test]
fn the_window_looks_as_it_should() {
    let Some(gpu) = crate::gpu::gpu() else { return };
    if gpu.info.device_type != wgpu::DeviceType::Cpu {
        return; // The images are the software adapter's.
    }
    let mut window = Window::new(false);
    window.draw_box((20.0, 20.0), (70.0, 60.0));
    window.answered();
    window.press(Key::V);
    let options = egui_kittest::SnapshotOptions::new().output_path("tests/snapshots").threshold(1.2).max_failed_pixels(200);
    window.until("the thumbnails are there", App::is_image_ready);
    std::thread::sleep(Duration::from_millis(200));
    window.harness.remove_cursor();
    window.harness.run_steps(8);
    window.harness.snapshot_options("mask", &options);
    window.press(Key::G);
    window.answered();
    window.harness.remove_cursor();
    window.harness.run_steps(2);
    window.harness.snapshot_options("review", &options);
}

#[test]
fn trained_weights_are_taken_and_given_back() {
    let mut window = Window::new(false);
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/segmenter.safetensors");
    let uses = |name: String| move |app: &App| *app.readiness() == Readiness::Ready(name.clone());
    window.perform(Command::UseWeights(weights.clone()));
    window.until("the weights are loaded", uses(weights.display().to_string()));
    assert_eq!(window.app().state().settings.models.segmenter, Some(weights.clone()));

    window.perform(Command::UseWeights(window.data.join("a.png")));
    assert!(window.app().state().message.as_ref().unwrap().text.contains("a.png"));
    assert_eq!(window.app().state().settings.models.segmenter, Some(weights));

    window.perform(Command::BuiltInWeights);
    window.until("the built-in weights are back", uses("stand-in".to_owned()));
}

/// A window on a file of LVIS with two pictures.
fn lvis_window() -> Window {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    for name in ["a.png", "b.png"] {
        RgbImage::new(120, 80).save(data.join(name)).unwrap();
    }
    let text = r#"{"images":[
        {"id":1,"file_name":"a.png","width":120,"height":80,"neg_category_ids":[2],"not_exhaustive_category_ids":[]},
        {"id":2,"file_name":"b.png","width":120,"height":80,"neg_category_ids":[],"not_exhaustive_category_ids":[]}],
        "annotations":[],"categories":[{"id":1,"name":"cat","synset":"cat.n.01"},{"id":2,"name":"dog","synset":"dog.n.01"}]}"#;
    let file = data.join("lvis.json");
    std::fs::write(&file, text).unwrap();
    let mut window = Window::over(folder, data, true);
    window.open(&file);
    window
}

#[test]
fn an_image_of_lvis_is_marked_with_one_key() {
    let mut window = lvis_window();
    let marks = |window: &Window| annotator::formats::lvis::marks(window.app().state().shown().unwrap());
    let ids = |classes: &[annotator::annotation::CategoryId]| classes.iter().map(|class| class.0).collect::<Vec<_>>();
    assert_eq!(ids(&marks(&window).absent), [2]);
    window.press(Key::N);
    assert_eq!((ids(&marks(&window).absent), window.says().as_str()), (vec![2, 1], "cat is verified absent here"));
    window.press(Key::X);
    assert_eq!(ids(&marks(&window).not_exhaustive), [1]);
    window.press(Key::N);
    assert_eq!(ids(&marks(&window).absent), [2]);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(ids(&marks(&window).absent), [2, 1]);
    window.press(Key::Num2);
    window.draw_box((20.0, 20.0), (60.0, 60.0));
    assert_eq!(ids(&marks(&window).absent), [1], "an object of dog is here now");
    assert!(window.says().contains("dog was marked as absent here"), "{}", window.says());
    window.press(Key::Escape);
    window.press(Key::Escape);
    window.press(Key::N);
    assert_eq!(ids(&marks(&window).absent), [1], "{}", window.says());
    window.press(Key::V);
    window.key(Modifiers::COMMAND, Key::A);
    window.press(Key::Num1);
    assert_eq!(ids(&marks(&window).absent), Vec::<i64>::new());
    window.key(Modifiers::COMMAND, Key::Z);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!((window.objects(), ids(&marks(&window).absent)), (0, vec![2, 1]));
    let out = window.data.join("out.json");
    window.perform(Command::Export(out.clone()));
    window.until("the file is written", |app| app.state().message.as_ref().is_some_and(|message| message.text.contains("out.json")));
    let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap();
    assert_eq!(file["images"][0]["neg_category_ids"], serde_json::json!([2, 1]));
    assert_eq!(file["images"][0]["not_exhaustive_category_ids"], serde_json::json!([1]));
}

#[test]
fn only_lvis_has_marks() {
    let mut window = Window::new(true);
    window.press(Key::N);
    assert!(window.says().contains("Only data sets of LVIS"), "{}", window.says());
}

#[test]
fn another_format_is_written_and_read() {
    let mut window = Window::new(false);
    window.press(Key::B);
    window.drag((30.0, 40.0), (60.0, 40.0), Modifiers::NONE);
    let painted = window.first_mask();
    window.key(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::E);
    window.harness.get_by_label("Export");
    window.until("the masks are measured", |app| app.state().measured.is_some());
    window.harness.get_by_label_contains("every pixel");
    window.harness.get_by_label("Close").click();
    window.harness.run_steps(2);
    let wish = Wish { format: Format::YoloSeg, form: Form::Own, tolerance_px: 4.0 };
    window.perform(Command::Measure(wish));
    window.until("the masks are measured", |app| app.state().measured.as_ref().is_some_and(|measured| measured.wish == wish));
    let kept = window.app().state().measured.as_ref().unwrap().kept[0].1.unwrap();
    assert!((0.5..0.999).contains(&kept), "{kept}");
    let wish = Wish { format: Format::Labelme, ..wish };
    let target = window.data.join("labelme");
    window.perform(Command::ExportTo(wish, target.clone()));
    window.until("the folder is written", |app| app.state().message.as_ref().is_some_and(|message| message.text.starts_with("Wrote")));
    assert!(target.join("a.json").is_file());
    window.harness.get_by_label_contains("records lost their ids");
    window.harness.get_by_label("Close").click();
    window.harness.run_steps(2);
    for name in ["a.png", "b.png", "c.png"] {
        std::fs::copy(window.data.join(name), target.join(name)).unwrap();
    }
    window.key(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::I);
    window.harness.get_by_label("labelme (folder)…");
    window.harness.get_by_label("Close").click();
    window.harness.run_steps(2);
    window.perform(Command::ImportFrom(Format::Labelme, target.clone()));
    window.until("the import is open", |app| {
        app.is_image_ready() && app.state().document.source.path() == Some(&target.join("annotations.coco.json"))
    });
    assert_eq!((window.objects(), window.first_mask()), (1, painted));
    window.perform(Command::ImportFrom(Format::Cvat, target.join("a.json")));
    window.until("the fault is told", |app| app.state().message.as_ref().is_some_and(|message| message.tone == Tone::Error));
    assert!(window.says().contains("a.json"), "{}", window.says());
}

#[test]
fn findings_of_the_check_lead_to_their_objects() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_path_buf();
    for name in ["a.png", "b.png"] {
        RgbImage::new(40, 30).save(data.join(name)).unwrap();
    }
    let file = data.join("set.json");
    let text = r#"{"images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30},
        {"id": 2, "file_name": "b.png", "width": 40, "height": 30}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 1, "bbox": [1, 1, 8, 8], "area": 64},
        {"id": 5, "image_id": 2, "category_id": 1, "bbox": [30, 20, 20, 9], "area": 180}],
        "categories": [{"id": 1, "name": "x"}]}"#;
    std::fs::write(&file, text).unwrap();
    let mut window = Window::over(folder, data, true);
    window.open(&file);
    window.press(Key::F3);
    window.until("the check is done", |app| !app.findings().is_empty());
    let findings = window.app().findings();
    assert_eq!(findings.len(), 3, "{findings:?}");
    assert_eq!(window.app().state().image, 0);
    let outside = "annotation 6 has a box that reaches 10.00 pixels out of the image";
    window.harness.get_by_label(outside).click();
    window.harness.run_steps(3);
    let state = window.app().state();
    assert_eq!((state.image, state.only_selected().map(|instance| instance.id.0)), (1, Some(6)));
    // The one with the same id leads to the object that was kept under another id.
    window.press(Key::A);
    window.harness.get_by_label("annotation 5 has the same id as an earlier record; it is kept as 6 while the file is open").click();
    window.harness.run_steps(3);
    let state = window.app().state();
    assert_eq!((state.image, state.only_selected().map(|instance| instance.id.0)), (1, Some(6)));
    window.press(Key::Delete);
    assert!(window.harness.query_by_label("changed since").is_some());
    window.harness.get_by_label("Check again").click();
    window.until("the check is done again", |app| app.findings().len() == 1);
}

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
    assert_eq!(window.app().state().scribbles[&id].len(), 2);
    window.key(Modifiers::COMMAND, Key::Z);
    window.drag((60.0, 30.0), (61.0, 30.0), Modifiers::NONE);
    window.answered();
    assert_eq!(window.app().state().scribbles[&id].len(), 2, "the stroke that was taken back is forgotten");
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
    assert!(window.says().contains("No object is left"), "{}", window.says());
    window.key(Modifiers::COMMAND, Key::U);
    assert_eq!(window.app().state().image, 1);
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
    assert_eq!(state.exemplars[&category].len(), 1, "the same object twice is one exemplar");
    assert!(window.says().contains("do not look at exemplars"), "{}", window.says());
    window.press(Key::U);
    window.answered();
    let state = window.app().state();
    assert!(state.shows_uncertainty && state.suggestions.values().all(|known| known.spread.is_some()) && !state.suggestions.is_empty());
    window.press(Key::U);
    assert!(!window.app().state().shows_uncertainty);
}
