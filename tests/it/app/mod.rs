//! The window, driven as a person drives it: by keys, drags and names, without a screen.

mod batch;
mod canvas;
mod chosen;
mod classes;
mod coarse;
mod count;
mod draw;
mod duplicate;
mod file;
mod find;
mod format;
mod gesture;
mod hand;
mod image_folder;
mod leave;
mod left_out;
mod list;
mod look;
mod merge;
mod nudge;
mod object;
mod open;
mod preparing;
mod refine;
mod room;
mod row;
mod step;
mod suggest;
mod training;
mod travel;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use annotator::annotation::{Field, Shape};
use annotator::app::assistant::Readiness;
use annotator::app::command::{Command, Tool, Way};
use annotator::app::polish::{Finding, Plan};
use annotator::app::settings::Folders;
use annotator::app::state::{PolishState, Tone};
use annotator::app::transfer::{Form, Wish};
use annotator::app::{App, Base};
use annotator::assist::service::{Engine, Service};
use annotator::assist::{
    Alternative, AssistError, ExemplarCrop, Found, ModelPaths, Patch, Prompt, Proposal, ProposeOptions, ProposeStep, RefineOptions,
    RefineStep, Refinement,
};
use annotator::formats::coco;
use annotator::formats::exchange::Format;
use annotator::geometry::{Point, Rect, Size};
use annotator::job::Cancel;
use annotator::mask::Mask;
use annotator::model::device::DeviceError;
use annotator::store::State;
use egui::{Event, Key, Modifiers, PointerButton, pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use image::RgbImage;
use tempfile::TempDir;

/// What has not come by then never does, on however busy a machine.
const LIMIT: Duration = Duration::from_mins(10);

/// A stand-in for the models, with the name of its weights: the ellipse inside each box; refining widens a mask by one
/// pixel on each side, by two where it is coarse. With `slow`, masks never come, only a step. While its device is `away`,
/// nothing is refined.
struct Stand {
    weights: String,
    slow: bool,
    away: Arc<AtomicBool>,
}

fn ellipse(size: Size, rect: Rect) -> Mask {
    let center = rect.center();
    Mask::from_fn(size, |x, y| {
        let (dx, dy) = ((f64::from(x) + 0.5 - center.x) / rect.width, (f64::from(y) + 0.5 - center.y) / rect.height);
        dx * dx + dy * dy <= 0.25
    })
}

impl Stand {
    fn start(slow: bool, away: Arc<AtomicBool>) -> Service {
        let name = |paths: &ModelPaths| paths.segmenter.as_ref().map_or_else(|| "stand-in".to_owned(), |path| path.display().to_string());
        let load = move |paths: &ModelPaths| {
            let stand = Self { weights: name(paths), slow, away: Arc::clone(&away) };
            if stand.answers() { Ok(stand) } else { Err(AssistError::Device(DeviceError::NoAdapter)) }
        };
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
        options: &RefineOptions,
        _: &Cancel,
        _: &mut dyn FnMut(RefineStep),
    ) -> Result<Vec<Refinement>, AssistError> {
        if !self.answers() {
            return Err(AssistError::Read("nothing came back".to_owned()));
        }
        let by = if options.coarse { 2 } else { 1 };
        let grown = |mask: &Mask| {
            let near = |x: u32, y: u32| (x.saturating_sub(by)..=x + by).any(|x| mask.get(x, y));
            Refinement { mask: Mask::from_fn(mask.size(), near), kept_original: false, change: 0.1 }
        };
        Ok(masks.iter().map(grown).collect())
    }

    /// A box of the first one's size, to the right of all others; where several are looked for, a doubtful one beside it too.
    fn find(
        &self,
        _: &RgbImage,
        like: &[Arc<ExemplarCrop>],
        taken: &[Rect],
        cancel: &Cancel,
        each: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Found>, AssistError> {
        each(1, 2);
        while self.slow && !cancel.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (side, right) = (like[0].box_area_px.sqrt(), taken.iter().map(|rect| rect.right()).fold(0.0, f64::max));
        let found = |place: f64, score| Found { rect: Rect::new(right + 2.0 + place * (side + 2.0), 20.0, side, side), score };
        Ok([found(0.0, 0.8), found(1.0, 0.5)].into_iter().take(like.len()).collect())
    }

    fn device(&self) -> String {
        self.weights.clone()
    }

    fn answers(&self) -> bool {
        !self.away.load(Ordering::Relaxed)
    }
}

/// A window on a folder of its own, and the folder.
struct Window {
    harness: Harness<'static, Option<App>>,
    data: PathBuf,
    folder: TempDir,
}

/// Gives the class in `file` another name, as others do who write it; what it held before.
fn rename_class(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, text.replace("\"object\"", "\"other thing\"")).unwrap();
    text
}

/// The wheel goes up by so much.
fn wheel(unit: egui::MouseWheelUnit, up: f32, modifiers: Modifiers) -> Event {
    let source = egui::MouseWheelSource::Wheel;
    Event::MouseWheel { unit, delta: egui::vec2(0.0, up), phase: egui::TouchPhase::Move, source, modifiers }
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
        Self::with(folder, data, Stand::start(slow, Arc::default()))
    }

    fn with(folder: TempDir, data: PathBuf, models: Service) -> Self {
        let folders = Folders::at(&folder.path().join("own"));
        let mut base =
            Some(Base { format: wgpu::TextureFormat::Rgba8Unorm, adapter: "test adapter".to_owned(), folders, models: Some(models) });
        let show = move |ui: &mut egui::Ui, app: &mut Option<App>| {
            let app = app.get_or_insert_with(|| App::new(ui.ctx(), base.take().unwrap()));
            app.show_ui(ui);
        };
        let builder = Harness::builder().with_size(egui::vec2(1180.0, 760.0)).with_max_steps(12);
        // What stands for a name that is no text is in no font of the window's own.
        let builder = if data.to_str().is_none() { builder.allow_missing_glyphs() } else { builder };
        let harness = builder.build_ui_state(show, None);
        Self { harness, data, folder }
    }

    /// A window that proposes nothing by itself.
    fn unasked(slow: bool) -> Self {
        let mut window = Self::new(slow);
        let settings = annotator::app::settings::Settings { propose_after_box: false, ..window.app().state().settings.clone() };
        window.perform(Command::Change(settings));
        window
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

    /// Performs all in one frame, so that nothing comes to its end in between.
    fn perform_at_once(&mut self, commands: Vec<Command>) {
        let ctx = self.harness.ctx.clone();
        for command in commands {
            self.harness.state_mut().as_mut().unwrap().perform(command, &ctx);
        }
        self.harness.run_steps(2);
    }

    /// A window on the file `instances.json` in `folder` that holds this.
    fn over_json(folder: TempDir, json: &serde_json::Value) -> Self {
        let path = folder.path().join("instances.json");
        std::fs::write(&path, json.to_string()).unwrap();
        let mut window = Self::over(folder, path.clone(), false);
        window.open(&path);
        window
    }

    /// A window on a file of LVIS with this text, of pictures `a.png` and `b.png`.
    fn over_lvis(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        for name in ["a.png", "b.png"] {
            RgbImage::new(120, 80).save(data.join(name)).unwrap();
        }
        let file = data.join("lvis.json");
        std::fs::write(&file, text).unwrap();
        let mut window = Self::over(folder, data, true);
        window.open(&file);
        window
    }

    /// The same folder in the next session.
    fn reopened(self) -> Self {
        let (data, folder) = (self.data.clone(), self.close());
        let mut window = Self::over(folder, data.clone(), false);
        window.open(&data);
        window
    }

    /// Opens it and waits until all of it is read: before that no edit is possible.
    fn open(&mut self, path: &Path) {
        self.perform(Command::Open(path.to_path_buf()));
        self.until("the image is shown", |app| app.is_image_ready() && !app.is_leaving());
        self.all_is_read();
    }

    /// Steps until `holds`; frames stand for little time, so that no timer runs off meanwhile.
    fn until(&mut self, what: &str, holds: impl Fn(&App) -> bool) {
        let start = Instant::now();
        while !holds(self.app()) {
            assert!(start.elapsed() < LIMIT, "never: {what}");
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

    fn all_is_read(&mut self) {
        self.until("all is read", |app| !app.state().document.is_loading());
    }

    fn project_is_written(&mut self) {
        self.until("the project is written", |app| app.state().document.storage() == State::Written);
    }

    fn file_is_written(&mut self) {
        self.until("the file is written", |app| !app.state().document.is_changed());
    }

    /// Waits for what the models were asked for.
    fn answered(&mut self) {
        self.harness.run_steps(4);
        self.until("the models answer", |app| !app.is_waiting());
    }

    /// Waits for a step of a slow model.
    fn step_is_shown(&mut self) {
        self.until("a step is shown", App::is_step_shown);
    }

    fn says(&self) -> String {
        self.app().state().message.clone().map(|message| message.text).unwrap_or_default()
    }
}
