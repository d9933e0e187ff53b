//! The window: canvas, panels, tools, and the state behind them.
//!
//! [`State`] is read by all and written in one place, [`perform`]; panels push [`Command`]s, which stand in ONE table
//! with their names and keys. Nothing here waits: files, images and models live on threads of their own. egui's types
//! stop at this module.

mod ask;
pub mod assistant;
mod batch;
mod begin_polish;
mod canvas;
mod check;
pub mod chord;
mod class;
mod clipboard;
mod closeup;
mod color;
pub mod command;
mod digit;
mod document;
mod drawn;
mod duplicate;
mod edit;
mod exemplar;
mod export;
mod file;
mod find;
mod frame;
mod fuzzy;
mod hand;
mod icon;
mod image_folder;
mod index;
mod judged;
pub mod keymap;
mod leaving;
mod left_out;
pub mod listed;
mod merge;
mod nudge;
pub mod object;
mod open;
mod outline;
mod overtaken;
mod panel;
mod perform;
mod picture;
pub mod polish;
mod propose;
mod recent;
mod refine;
mod reshape;
mod review;
mod row;
pub mod settings;
pub mod state;
mod step;
pub mod stroke;
mod suggest;
mod task;
mod theme;
pub mod training;
pub mod transfer;
mod travel;
mod unfinished;
mod visibility;

use std::path::PathBuf;
use std::time::Instant;

use eframe::wgpu;

pub use self::document::{Document, DocumentError, Source};

use self::assistant::Assistant;
use self::canvas::Canvas;
use self::check::Check;
use self::command::Command;
use self::export::Exporter;
use self::file::Pending;
use self::panel::dialog::Dialog;
use self::panel::filmstrip::Filmstrip;
use self::picture::Pictures;
use self::settings::Folders;
use self::state::State;
use self::training::Trainer;
use self::transfer::Transfer;
use crate::assist::ModelPaths;
use crate::assist::service::Service;
use crate::job::Latest;

/// The window's content.
pub struct App {
    state: State,
    canvas: Canvas,
    pictures: Pictures,
    filmstrip: Filmstrip,
    dialog: Option<Dialog>,
    check: Check,
    assistant: Assistant,
    exporter: Exporter,
    folders: Folders,
    pending: Option<Pending>,
    /// The file that Save writes, while its bytes are read to tell whose they are.
    looking: Option<overtaken::Looking>,
    storage_failure: Option<String>,
    asked: Latest<ask::Answer>,
    after_writing: Option<Command>,
    /// What is open is left once the disk has it, where that was asked for.
    leaving: Option<leaving::Leaving>,
    peek: Option<hand::Peek>,
    nudged: Option<nudge::Nudged>,
    pasting: keymap::Pasting,
    transfer: Transfer,
    trainer: Trainer,
    polish: Option<polish::Job>,
    /// The journal of a polish job that was broken off, while it is read.
    reading: Option<begin_polish::Reading>,
    polished: Option<polish::Polished>,
    /// The journal of an earlier session, until it is known whether there is something to go on with.
    unfinished: Option<unfinished::Unfinished>,
    awaited: propose::Awaited,
    /// What the models found while a hand was drawing, until that ends.
    held: Vec<assistant::Outcome>,
    /// Weights that are being loaded, and what is said once they are in use.
    wanted_models: Option<(ModelPaths, String)>,
    proposing: Option<propose::Proposing>,
    batch: Option<batch::Batch>,
    refining: Option<refine::Refining>,
    kept: Option<refine::Kept>,
    undone_at: Option<Instant>,
    steps: step::Steps,
    adapter: String,
}

/// What the window stands on.
pub struct Base {
    /// The format of the target that is drawn into.
    pub format: wgpu::TextureFormat,
    /// The adapter that draws, for the status bar.
    pub adapter: String,
    /// Where the program keeps its own files.
    pub folders: Folders,
    /// The thread of the models.
    pub models: Option<Service>,
}

impl App {
    /// An empty window.
    pub fn new(ctx: &egui::Context, base: Base) -> Self {
        let settings = base.folders.settings();
        theme::apply(ctx, settings.look);
        ctx.set_zoom_factor(settings.zoom);
        let wake = ctx.clone();
        Self {
            state: State { recent: recent::list(base.folders.state()), ..State::new(settings) },
            canvas: Canvas::new(base.format),
            pictures: Pictures::start(move || wake.request_repaint()),
            filmstrip: Filmstrip::default(),
            dialog: None,
            assistant: Assistant::new(base.models),
            check: Check::default(),
            exporter: Exporter::default(),
            folders: base.folders,
            pending: None,
            looking: None,
            storage_failure: None,
            asked: Latest::default(),
            after_writing: None,
            leaving: None,
            peek: None,
            nudged: None,
            pasting: keymap::Pasting::default(),
            transfer: Transfer::default(),
            trainer: Trainer::default(),
            polish: None,
            reading: None,
            polished: None,
            unfinished: None,
            awaited: propose::Awaited::default(),
            held: Vec::new(),
            wanted_models: None,
            proposing: None,
            batch: None,
            refining: None,
            kept: None,
            undone_at: None,
            steps: step::Steps::default(),
            adapter: base.adapter,
        }
    }

    /// The state, for tests.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// How far the models are; for tests.
    pub const fn readiness(&self) -> &assistant::Readiness {
        self.assistant.readiness()
    }

    /// The object that is lit because the pointer is over it or over its row; for tests.
    pub fn lit(&self) -> Option<crate::annotation::InstanceId> {
        self.canvas.lit()
    }

    /// Whether the models have been asked for something and have not answered yet; for tests.
    pub const fn is_waiting(&self) -> bool {
        self.assistant.running().is_some()
    }

    /// Whether what is open is left as soon as the disk has it; for tests.
    pub const fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Whether a step of the models is shown; for tests.
    pub fn is_step_shown(&self) -> bool {
        self.assistant.patches().next().is_some()
    }

    /// The findings of the last check, in words; for tests.
    pub fn findings(&self) -> Vec<String> {
        self.check.found.iter().flat_map(|found| found.rows.iter().map(|row| row.text.clone())).collect()
    }

    /// The changes of a polished data set that are not decided about, where there is a review of them; for tests.
    pub fn undecided(&self) -> Option<&[polish::Finding]> {
        self.polished.as_ref().map(|polished| polished.findings.as_slice())
    }

    /// Where an image position lies in the window, in points; for tests.
    pub fn window_position(&self, x: f64, y: f64) -> (f32, f32) {
        let position = self.canvas.view.ui(crate::geometry::Point::new(x, y));
        (position.x, position.y)
    }

    /// Whether the shown image is decoded; for tests.
    pub fn is_image_ready(&self) -> bool {
        self.state
            .shown()
            .is_some_and(|image| matches!(self.pictures.get(&self.state.document.image_file(image)), picture::Loaded::Ready(_)))
    }

    /// Puts everything on disk that is not there yet; the window closes.
    pub fn close(&mut self) {
        self.trainer.finish();
        self.transfer.finish();
        self.exporter.finish();
        self.close_polished();
        self.close_document();
    }
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.show_ui(ui);
    }

    fn on_exit(&mut self) {
        self.close();
    }

    fn clear_color(&self, _visuals: &egui::Visuals) -> [f32; 4] {
        theme::palette(self.state.settings.look).panel.to_normalized_gamma_f32()
    }
}

/// Opens the window, with `path` in it where there is one, and returns when it is closed.
///
/// # Errors
/// When there is no screen or no graphics device.
pub fn run(path: Option<PathBuf>) -> anyhow::Result<()> {
    let viewport = egui::ViewportBuilder::default()
        .with_title("annotator")
        .with_app_id("annotator")
        .with_inner_size([1360.0, 860.0])
        .with_min_inner_size([720.0, 480.0])
        .with_drag_and_drop(true);
    let options = eframe::NativeOptions { viewport, ..eframe::NativeOptions::default() };
    let create = move |creation: &eframe::CreationContext<'_>| {
        let target = creation.wgpu_render_state.as_ref().ok_or("the window has no wgpu device")?;
        let folders = Folders::of_user();
        let settings = folders.settings();
        let base = Base {
            format: target.target_format,
            adapter: crate::gpu::device::described(&target.adapter.get_info()),
            models: assistant::start(settings.device, settings.models, &creation.egui_ctx),
            folders,
        };
        let mut app = App::new(&creation.egui_ctx, base);
        if let Some(path) = path {
            app.perform(Command::Open(path), &creation.egui_ctx);
        }
        Ok(Box::new(app) as Box<dyn eframe::App>)
    };
    eframe::run_native("annotator", options, Box::new(create)).map_err(|error| anyhow::anyhow!("the window cannot be opened: {error}"))
}
