//! Other formats, in and out, on a thread of its own: an import becomes a COCO file that is opened, an export tells what it
//! lost, and what `merge` adds is read. Measures before an export what each object of the shown image would keep.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::App;
use super::command::Command;
use super::merge::Merge;
use super::panel::dialog::Dialog;
use super::state::{Measured, Tone};
use super::task::{Reporter, Task};
use crate::annotation::ImageId;
use crate::formats::coco;
use crate::formats::convert::Policy;
use crate::formats::exchange::{self, Format, Watch};
use crate::job::{self, Latest};

/// Longest wait for work that was stopped because the program ends.
const PATIENCE: Duration = Duration::from_secs(3);

/// The form that masks get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Each keeps its own.
    Own,
    /// Polygons for all.
    Polygons,
    /// Run lengths for all.
    Rle,
    /// Polygons, but run lengths for holes and where a polygon would lose more than 2 %.
    Auto,
}

/// What an export writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// The format.
    pub format: Format,
    /// The form of the masks, where the format has several.
    pub form: Form,
    /// How far a polygon may lie from the pixels' edge.
    pub tolerance_px: f64,
    /// Whether the pictures go with the labels, where the format has a place for them.
    pub with_pictures: bool,
}

impl Default for Wish {
    fn default() -> Self {
        Self { format: Format::Coco, form: Form::Own, tolerance_px: 0.75, with_pictures: true }
    }
}

impl Wish {
    /// The policy for masks; `None` where each keeps its form.
    pub const fn policy(&self) -> Option<Policy> {
        let tolerance_px = self.tolerance_px;
        match self.form {
            _ if !self.format.has_forms() => Some(Policy::Polygons { tolerance_px }),
            Form::Own => None,
            Form::Polygons => Some(Policy::Polygons { tolerance_px }),
            Form::Rle => Some(Policy::Rle { compressed: true }),
            Form::Auto => Some(Policy::Auto { tolerance_px, least_iou: 0.98 }),
        }
    }
}

/// What became of an import or export.
#[derive(Debug)]
pub(super) enum Done {
    /// A file to open, and what was left out.
    Imported(PathBuf, Vec<String>),
    /// What was written where, and what was lost.
    Exported(PathBuf, Vec<String>),
    /// A file whose objects are to be added.
    Merge(Box<Merge>),
    /// What did not work, and why.
    Failed(String, String),
}

/// The work that is under way.
#[derive(Debug, Default)]
pub(super) struct Transfer {
    done: Latest<Done>,
    running: Option<(Task, JoinHandle<()>)>,
    measured: Latest<Measured>,
}

impl Transfer {
    /// The import or export that runs.
    pub(super) fn task(&mut self) -> Option<&mut Task> {
        self.running.as_mut().map(|(task, _)| task)
    }

    /// Whether an import or export runs.
    pub(super) const fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Stops what runs and gives it a moment to leave nothing half-written behind: the program ends.
    pub(super) fn finish(&mut self) {
        let Some((task, thread)) = self.running.take() else { return };
        task.cancel();
        let start = Instant::now();
        while !thread.is_finished() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl App {
    /// Takes what the thread has finished.
    pub(super) fn collect_transfer(&mut self, ctx: &egui::Context) {
        if let Some(measured) = self.transfer.measured.take() {
            self.state.measured = Some(measured);
        }
        // An import opens another file, which would end what is being drawn.
        if self.canvas.is_drawing() && self.after_writing.is_none() {
            return;
        }
        let Some(done) = self.transfer.done.take() else { return };
        self.transfer.running = None;
        match done {
            Done::Failed(what, why) => {
                self.after_writing = None;
                self.state.say(Tone::Error, why.clone());
                // The status bar has no room for all of it, and the next key takes it away.
                self.dialog = Some(Dialog::Failed(what, why));
            }
            // Something else is to be opened, or the window is to close: the file is there for another time.
            Done::Imported(..) if self.after_writing.is_some() => self.go_on_after_writing(ctx),
            Done::Imported(path, losses) => {
                self.perform(Command::Open(path), ctx);
                self.show_losses(losses);
            }
            Done::Merge(merge) => self.go_on_merging(*merge, ctx),
            Done::Exported(path, losses) => {
                let what = if losses.is_empty() { "nothing was lost" } else { "what it cannot hold is listed" };
                self.state.say(Tone::Plain, format!("Wrote {}: {what}", path.display()));
                self.show_losses(losses);
                self.go_on_after_writing(ctx);
            }
        }
    }

    /// Carries out a command about other formats.
    pub(super) fn perform_on_transfer(&mut self, command: Command, ctx: &egui::Context) {
        match command {
            Command::Import => self.dialog = Some(Dialog::Import),
            Command::ImportFrom(format, path) => self.import(format, &path, ctx),
            Command::ExportFormat => self.dialog = Some(Dialog::Export(Wish::default())),
            Command::ExportTo(wish, path) => self.export(wish, &path, ctx),
            Command::Measure(wish) => self.measure(wish, ctx),
            _ => {}
        }
    }

    fn show_losses(&mut self, losses: Vec<String>) {
        if !losses.is_empty() {
            self.dialog = Some(Dialog::Losses(losses));
        }
    }

    /// Reads a data set of another format into a COCO file and opens that.
    fn import(&mut self, format: Format, path: &Path, ctx: &egui::Context) {
        let path = path.to_path_buf();
        self.state.message = None;
        self.work(&format!("Reading {}", format.read_name()), ctx, move |report| {
            let cancel = report.cancel.clone();
            let mut progress = |progress| report.tell(progress);
            let imported = exchange::import(format, &path, None, None, &mut Watch { cancel: &cancel, progress: &mut progress })?;
            let target = free_name(&path);
            coco::save_with(&imported.dataset, &target, &cancel, &mut progress)?;
            Ok(Done::Imported(target, imported.tally.sentences().collect()))
        });
    }

    /// Writes the data set in another format.
    fn export(&mut self, wish: Wish, path: &Path, ctx: &egui::Context) {
        if self.is_loading() {
            return;
        }
        let (path, dataset) = (path.to_path_buf(), self.state.document.shared());
        let pictures = wish.with_pictures.then(|| self.state.document.image_folder.clone());
        self.state.message = None;
        self.work(&format!("Writing {}", wish.format.name()), ctx, move |report| {
            let cancel = report.cancel.clone();
            let watch = &mut Watch { cancel: &cancel, progress: &mut |progress| report.tell(progress) };
            let dataset = Arc::unwrap_or_clone(dataset);
            let tally = exchange::export_with(dataset, wish.format, &path, wish.policy(), None, pictures.as_deref(), watch)?;
            let kept = tally.iou_range().map(|(mean, least)| {
                format!("{} masks took another form: IoU {mean:.4} on average, {least:.4} at least", tally.ious.len())
            });
            Ok(Done::Exported(path, kept.into_iter().chain(tally.sentences()).collect()))
        });
    }

    /// Finds out what each object of the shown image would keep.
    fn measure(&mut self, wish: Wish, ctx: &egui::Context) {
        let Some((image, size)) = self.state.shown().map(|image| (image.id, image.size)) else { return };
        let objects: Vec<_> = self.state.objects().cloned().collect();
        self.state.measuring = Some((wish, image));
        let (slot, ctx) = (self.transfer.measured.clone(), ctx.clone());
        let work = move || {
            let kept = objects.iter().map(|object| (object.id, exchange::kept_iou(object, size, wish.format, wish.policy()))).collect();
            slot.publish(Measured { wish, image, kept });
            ctx.request_repaint();
        };
        if let Err(error) = job::spawn("measure", work) {
            self.state.say(Tone::Error, format!("The work cannot begin: {error}"));
        }
    }

    /// Stops the import or export; whether one was running. What it had done leaves nothing behind.
    pub(super) fn stop_transfer(&mut self) -> bool {
        self.transfer.done = Latest::default();
        self.transfer.running.take().is_some()
    }

    pub(super) fn work(
        &mut self,
        label: &str,
        ctx: &egui::Context,
        work: impl FnOnce(&mut Reporter) -> anyhow::Result<Done> + Send + 'static,
    ) {
        if self.transfer.is_busy() {
            return self.state.say(Tone::Warning, "Another import or export is under way; Esc stops it");
        }
        let task = Task::new(label);
        let (slot, mut report, ctx) = (self.transfer.done.clone(), task.reporter(ctx), ctx.clone());
        let failed = format!("{label} did not work");
        let work = move || {
            slot.publish(work(&mut report).unwrap_or_else(|error| Done::Failed(failed, format!("{error:#}"))));
            ctx.request_repaint();
        };
        match job::spawn("transfer", work) {
            Ok(thread) => self.transfer.running = Some((task, thread)),
            Err(error) => self.state.say(Tone::Error, format!("The work cannot begin: {error}")),
        }
    }
}

impl Measured {
    /// Whether this is what `wish` would keep on `image`.
    pub(super) fn is_of(&self, wish: &Wish, image: ImageId) -> bool {
        self.wish == *wish && self.image == image
    }
}

/// A COCO file that does not exist yet: in the imported folder, or beside the imported file.
fn free_name(path: &Path) -> PathBuf {
    let (folder, stem) = if path.is_dir() {
        (path.to_path_buf(), "annotations".to_owned())
    } else {
        (path.parent().map(Path::to_path_buf).unwrap_or_default(), path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
    };
    let name = |number: u32| folder.join(if number == 1 { format!("{stem}.coco.json") } else { format!("{stem}-{number}.coco.json") });
    (1..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_default()
}
