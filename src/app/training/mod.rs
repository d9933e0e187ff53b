//! Training from the window: the same program learns without a window, as a process of its own, from a copy of the labels.
//! A lost device or a full memory takes that process alone with it. New weights get a name of their own, and only where
//! they are no worse than those before.

mod process;

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;

use self::process::{Slot, follow, kill};
use super::App;
use super::command::Command;
use super::document::Document;
use super::panel::dialog::{Dialog, TrainingForm};
use super::perform::plural;
use super::settings::DeviceChoice;
use super::state::Tone;
use super::task::{Reporter, Task};
use crate::annotation::{Dataset, Instance, InstanceId};
use crate::assist::ModelPaths;
use crate::disk;
use crate::formats::{coco, save};
use crate::job::{self, Latest, Progress};
use crate::train::{self, What};

/// What learns, for how long, and where its weights go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// The network.
    pub what: What,
    /// Rounds over the images.
    pub epochs: u32,
    /// The weight file to write.
    pub out: PathBuf,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Mean `IoU` on the objects that were held out, before.
    pub before: f64,
    /// That of the new weights, where there are some.
    pub after: f64,
    /// Objects that were held out.
    pub held_out: usize,
    /// The new weights; none where they were no better.
    pub weights: Option<PathBuf>,
}

impl Trained {
    /// It in words.
    pub fn sentence(&self) -> String {
        let Self { before, after, held_out, weights } = self;
        let objects = format!("{held_out} held-out object{}", plural(*held_out));
        match weights {
            Some(_) => format!("IoU {before:.3} before, {after:.3} after, on {objects}"),
            None => format!("no better than before on {objects} (IoU {before:.3}); the weights stay as they are"),
        }
    }
}

/// How training stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Training {
    /// Nothing has been trained on this data set.
    #[default]
    Idle,
    /// A run is under way, so far.
    Running(Progress),
    /// The last run is over.
    Ended {
        /// What it came to, or why it failed.
        result: Result<Trained, String>,
        /// Whether a person has looked at that.
        is_seen: bool,
    },
}

/// The masks of a document that can be learned from. What a model proposed and nobody looked at is none of them.
pub(super) fn labels(document: &Document) -> impl Iterator<Item = &Instance> {
    document.dataset().instances.iter().filter(move |instance| {
        let judgement = document.judgement(instance.id);
        let is_proposed = judgement.expected_iou.is_some() && !judgement.looked_at && !document.reviewed.contains(&instance.image_id);
        train::is_usable(instance) && !is_proposed
    })
}

/// The name of a network.
const fn name(what: What) -> &'static str {
    match what {
        What::Segmenter => "segmenter",
        What::Refiner => "refiner",
    }
}

/// A weight file in `folder` that does not exist yet.
pub(super) fn free_name(folder: &Path, stem: &str, what: What) -> PathBuf {
    let numbered = |number: u32| folder.join(format!("{stem}.{}-{number}.safetensors", name(what)));
    (1..u32::MAX).map(numbered).find(|path| !path.exists()).unwrap_or_default()
}

#[derive(Debug)]
struct Running {
    task: Task,
    process: Slot,
    ended: Latest<Result<Trained, String>>,
    thread: JoinHandle<()>,
}

/// Trains, one run at a time.
#[derive(Debug, Default)]
pub(super) struct Trainer {
    /// The program that trains; this one where there is none.
    program: Option<PathBuf>,
    running: Option<Running>,
}

impl Trainer {
    fn start(&mut self, lesson: Lesson, ctx: &egui::Context) -> std::io::Result<()> {
        let task = Task::new("Training");
        let (process, ended) = (Slot::default(), Latest::default());
        let (mut report, ctx) = (task.reporter(ctx), ctx.clone());
        let (own, slot) = (Arc::clone(&process), ended.clone());
        let work = move || {
            slot.publish(lesson.learn(&own, &mut report).map_err(|error| format!("{error:#}")));
            ctx.request_repaint();
        };
        let thread = job::spawn("training", work)?;
        self.running = Some(Running { task, process, ended, thread });
        Ok(())
    }

    /// Ends the run, nothing of which stays; the thread that clears up after it.
    pub(super) fn stop(&mut self) -> Option<JoinHandle<()>> {
        let Running { task, process, thread, .. } = self.running.take()?;
        task.cancel();
        kill(&process);
        Some(thread)
    }

    /// Ends the run and waits until it is cleared up: the program ends.
    pub(super) fn finish(&mut self) {
        if self.stop().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that trains failed");
        }
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        self.finish();
    }
}

/// All that a run needs.
struct Lesson {
    program: PathBuf,
    dataset: Arc<Dataset>,
    labels: HashSet<InstanceId>,
    images: PathBuf,
    models: ModelPaths,
    device: DeviceChoice,
    course: Course,
    state: PathBuf,
}

impl Lesson {
    fn learn(self, process: &Slot, report: &mut Reporter) -> anyhow::Result<Trained> {
        let Self { program, dataset, labels, images, models, device, course, state } = self;
        let out = std::path::absolute(&course.out)?;
        // Before hours of work.
        save::writable(&out)?;
        std::fs::create_dir_all(&state)?;
        let folder = disk::temporary_folder(&state)?;
        let (data, weights) = (folder.path().join("data.json"), folder.path().join("weights.safetensors"));
        let mut dataset = Arc::unwrap_or_clone(dataset);
        dataset.instances.retain(|instance| labels.contains(&instance.id));
        let cancel = report.cancel.clone();
        coco::save_with(&dataset, &data, &cancel, &mut |progress| report.tell(progress))?;
        drop(dataset);
        let mut learner = Process::new(program);
        learner.args(["--headless", "train", "--progress", "json", "--what", name(course.what), "--epochs", &course.epochs.to_string()]);
        learner.args(["--attended", "--device", device_name(device)]);
        learner.arg("--data").arg(&data).arg("--images").arg(&images).arg("--out").arg(&weights);
        let ModelPaths { segmenter, refiner } = models.readable();
        let start = match course.what {
            What::Segmenter => segmenter,
            What::Refiner => refiner,
        };
        if let Some(start) = start {
            learner.arg("--start").arg(start);
        }
        report.tell(Progress { label: "Training".to_owned(), done: 0, total: 0, elapsed: Duration::ZERO });
        let verdict = follow(&mut learner, &folder.path().join("errors.txt"), process, report)?;
        anyhow::ensure!(!cancel.is_cancelled(), "stopped");
        let kept = || keep(&weights, &out, course.what).or_else(|error| keep_here(&weights, &state, course.what).context(error));
        let kept = verdict.improved.then(kept).transpose()?;
        Ok(Trained { before: verdict.iou_before, after: verdict.iou_after, held_out: verdict.held_out, weights: kept })
    }
}

const fn device_name(device: DeviceChoice) -> &'static str {
    match device {
        DeviceChoice::Auto => "auto",
        DeviceChoice::Cpu => "cpu",
        DeviceChoice::Gpu => "gpu",
    }
}

/// Copies `weights` to `out`, or to a free name beside it where others took that meanwhile; where they are then.
fn keep(weights: &Path, out: &Path, what: What) -> anyhow::Result<PathBuf> {
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    let out = if out.exists() { free_name(out.parent().unwrap_or(Path::new("")), &stem, what) } else { out.to_path_buf() };
    let mut new = File::open(weights)?;
    save::replace(&out, |file| {
        std::io::copy(&mut new, file)?;
        Ok(())
    })?;
    Ok(out)
}

/// Keeps `weights` in the program's own folder: hours of work are not lost because the disk of the data is full by now.
fn keep_here(weights: &Path, state: &Path, what: What) -> anyhow::Result<PathBuf> {
    let there = free_name(state, "trained", what);
    std::fs::rename(weights, &there)?;
    Ok(there)
}

impl App {
    /// Lets another program train; for tests.
    pub fn train_with(&mut self, program: PathBuf) {
        self.trainer.program = Some(program);
    }

    /// Carries out a command about training.
    pub(super) fn perform_on_training(&mut self, command: Command, ctx: &egui::Context) {
        match command {
            Command::Train => self.ask_training(),
            Command::StartTraining(course) => self.start_training(course, ctx),
            Command::StopTraining if self.trainer.stop().is_some() => {
                self.state.training = Training::Idle;
                self.state.say(Tone::Plain, "Training stopped; nothing of it is kept");
            }
            _ => {}
        }
    }

    /// Asks what is to be trained, or shows what the last run came to.
    fn ask_training(&mut self) {
        if self.is_loading() {
            return;
        }
        if let Training::Ended { is_seen, .. } = &mut self.state.training {
            *is_seen = true;
        }
        self.dialog = Some(Dialog::Training(TrainingForm::new(&self.state.document)));
    }

    fn start_training(&mut self, course: Course, ctx: &egui::Context) {
        if self.is_loading() {
            return;
        }
        if self.trainer.running.is_some() {
            return self.state.say(Tone::Warning, "Training is under way; Stop training ends it");
        }
        let started = self.lesson(course).and_then(|lesson| self.trainer.start(lesson, ctx));
        match started {
            Ok(()) => self.collect_training(),
            Err(error) => self.state.say(Tone::Error, format!("Training cannot begin: {error}")),
        }
    }

    fn lesson(&self, course: Course) -> std::io::Result<Lesson> {
        let (document, settings) = (&self.state.document, &self.state.settings);
        Ok(Lesson {
            program: self.trainer.program.clone().map_or_else(std::env::current_exe, Ok)?,
            dataset: document.shared(),
            labels: labels(document).map(|label| label.id).collect(),
            images: document.image_folder.clone(),
            models: settings.models.clone(),
            device: settings.device,
            course,
            state: self.folders.state().to_path_buf(),
        })
    }

    /// Takes how far the run is and what it came to; called every frame.
    pub(super) fn collect_training(&mut self) {
        let Some(running) = &mut self.trainer.running else { return };
        let Some(result) = running.ended.take() else {
            self.state.training = Training::Running(running.task.progress().clone());
            return;
        };
        self.trainer.running = None;
        match &result {
            Ok(trained) => self.state.say(Tone::Plain, format!("Trained: {}", trained.sentence())),
            Err(error) => self.state.say(Tone::Error, format!("Training failed: {error}")),
        }
        let is_seen = matches!(self.dialog, Some(Dialog::Training(_)));
        if is_seen {
            self.dialog = Some(Dialog::Training(TrainingForm::new(&self.state.document)));
        }
        self.state.training = Training::Ended { result, is_seen };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_never_take_the_place_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let name = |number: u32| folder.path().join(format!("a.refiner-{number}.safetensors"));
        let weights = folder.path().join("weights");
        std::fs::write(&weights, "new").unwrap();
        std::fs::write(name(1), "old").unwrap();
        let out = free_name(folder.path(), "a", What::Refiner);
        assert_eq!(out, name(2));
        assert_eq!(keep(&weights, &out, What::Refiner).unwrap(), name(2));
        let other = keep(&weights, &name(1), What::Refiner).unwrap();
        assert!(other != name(1) && std::fs::read_to_string(&other).unwrap() == "new", "{}", other.display());
        assert_eq!(std::fs::read_to_string(name(1)).unwrap(), "old");
        assert_eq!(std::fs::read_to_string(name(2)).unwrap(), "new");
    }
}
