//! Training from the window: the same program learns without a window, as a process of its own, from a copy of the labels.
//! A lost device or a full memory takes that process alone with it, and what was stopped can go on later. New weights get
//! a name of their own, and only where they are no worse than those before.

mod folder;
mod lesson;
mod process;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use self::folder::Folder;
pub(crate) use self::folder::{Stopped, spoken};
use self::lesson::{End, Fresh, Lesson};
use self::process::{Slot, end, kill};
use super::App;
use super::command::Command;
use super::document::Document;
use super::panel::dialog::{Dialog, TrainingForm};
use super::perform::plural;
use super::state::Tone;
use super::task::Task;
use crate::annotation::Instance;
use crate::job::{self, Latest, Progress};
use crate::train::{self, What};

/// How long a program that ends waits for the process to end as well, which goes on without it.
const PATIENCE: Duration = Duration::from_secs(3);

/// What learns, for how long, and where its weights go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// The network.
    pub what: What,
    /// Rounds over the images.
    pub epochs: u32,
    /// The weight file to write.
    pub out: PathBuf,
}

/// What is done about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It starts, in place of one that was stopped.
    Start(Course),
    /// The one that was stopped goes on.
    Resume,
    /// What the one that was stopped has learned is removed.
    Discard,
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
        let is_proposed = document.judgement(instance.id).is_open() && !document.reviewed.contains(&instance.image_id);
        train::is_usable(instance) && !is_proposed
    })
}

/// A share in words.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", (share * 100.0).floor())
}

/// The name of a network.
pub(super) const fn name(what: What) -> &'static str {
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
    ended: Latest<Result<End, String>>,
    thread: JoinHandle<()>,
    /// Whether it was asked to end.
    is_stopping: bool,
}

/// Trains, one run at a time.
#[derive(Debug, Default)]
pub(super) struct Trainer {
    /// The program that trains; this one where there is none.
    program: Option<PathBuf>,
    running: Option<Running>,
    /// The thread of a run that was let go of, which may not have ended yet.
    left: Option<JoinHandle<()>>,
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
        self.running = Some(Running { task, process, ended, thread, is_stopping: false });
        Ok(())
    }

    /// Whether the folder of a run may be in use.
    fn is_busy(&self) -> bool {
        self.running.is_some() || self.is_ending()
    }

    fn is_ending(&self) -> bool {
        self.left.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Lets go of the run, which ends after its step and can go on later.
    pub(super) fn leave(&mut self) {
        if let Some(Running { task, process, thread, .. }) = self.running.take() {
            task.cancel();
            end(&process);
            self.left = Some(thread);
        }
    }

    /// [`Self::leave`], and a little time for the end: the program ends.
    pub(super) fn finish(&mut self) {
        self.leave();
        let Some(thread) = self.left.take() else { return };
        let start = Instant::now();
        while !thread.is_finished() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        if thread.is_finished() && thread.join().is_err() {
            tracing::error!("the thread that trains failed");
        }
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        self.finish();
    }
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
            Command::Training(Step::Start(course)) => self.start_training(Some(course), ctx),
            Command::Training(Step::Resume) => self.start_training(None, ctx),
            Command::Training(Step::Discard) => self.discard_training(),
            Command::StopTraining => self.stop_training(),
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
        self.dialog = Some(self.training_form());
    }

    fn training_form(&self) -> Dialog {
        let document = &self.state.document;
        let stopped = if self.trainer.is_busy() { None } else { self.training_folder().stopped(document) };
        Dialog::Training(TrainingForm::new(document, stopped))
    }

    /// Where the run of what is open has its folder.
    fn training_folder(&self) -> Folder {
        Folder::of(self.folders.state(), self.state.document.source.path().unwrap_or(Path::new("")))
    }

    /// Starts a run by `course`; without one, goes on with the run that was stopped.
    fn start_training(&mut self, course: Option<Course>, ctx: &egui::Context) {
        if self.is_loading() {
            return;
        }
        if self.trainer.running.is_some() {
            return self.state.say(Tone::Warning, "Training is under way; Stop training ends it");
        }
        if self.trainer.is_ending() {
            return self.state.say(Tone::Warning, "The training before is ending; try again in a moment");
        }
        let started = self.lesson(course).and_then(|lesson| self.trainer.start(lesson, ctx));
        match started {
            Ok(()) => {
                // What the run before came to would pass for a word on this one.
                self.state.message = None;
                self.collect_training();
            }
            Err(error) => self.state.say(Tone::Error, format!("Training cannot begin: {error}")),
        }
    }

    fn lesson(&self, course: Option<Course>) -> std::io::Result<Lesson> {
        let (document, settings) = (&self.state.document, &self.state.settings);
        let fresh = course.map(|course| Fresh {
            course,
            dataset: document.shared(),
            labels: labels(document).map(|label| label.id).collect(),
            images: document.image_folder.clone(),
            models: settings.models.clone(),
        });
        Ok(Lesson {
            program: self.trainer.program.clone().map_or_else(std::env::current_exe, Ok)?,
            device: settings.device,
            state: self.folders.state().to_path_buf(),
            folder: self.training_folder(),
            fresh,
        })
    }

    /// Lets the run end after its step; asked once more, at once.
    fn stop_training(&mut self) {
        let Some(running) = &mut self.trainer.running else { return };
        running.task.cancel();
        if std::mem::replace(&mut running.is_stopping, true) {
            kill(&running.process);
        } else {
            end(&running.process);
            self.state.say(Tone::Plain, "Training stops after this step; Stop again ends it at once");
        }
    }

    /// Removes what the run that was stopped has learned.
    fn discard_training(&mut self) {
        if self.trainer.is_busy() {
            return;
        }
        match self.training_folder().remove() {
            Ok(()) => self.state.say(Tone::Plain, "The training that was stopped is discarded"),
            Err(error) => self.state.say(Tone::Error, format!("The training cannot be discarded: {error}")),
        }
        self.refresh_training_form();
    }

    /// Shows how things stand by now, where the form is open; whether it is.
    fn refresh_training_form(&mut self) -> bool {
        let is_open = matches!(self.dialog, Some(Dialog::Training(_)));
        if is_open {
            self.dialog = Some(self.training_form());
        }
        is_open
    }

    /// Takes how far the run is and what it came to; called every frame.
    pub(super) fn collect_training(&mut self) {
        // The form was made while the folder was in use.
        if self.trainer.left.take_if(|thread| thread.is_finished()).is_some() {
            self.refresh_training_form();
        }
        let Some(running) = &mut self.trainer.running else { return };
        let Some(result) = running.ended.take() else {
            let mut progress = running.task.progress().clone();
            if running.is_stopping {
                "Training: stopping".clone_into(&mut progress.label);
            }
            self.state.training = Training::Running(progress);
            return;
        };
        self.trainer.running = None;
        let is_seen = self.refresh_training_form();
        let (tone, text) = match &result {
            Ok(End::Trained(trained)) => (Tone::Plain, format!("Trained: {}", trained.sentence())),
            Ok(End::Stopped(Some(share))) => (Tone::Plain, format!("Training stopped; it can go on from {}", percent(*share))),
            Ok(End::Stopped(None)) => (Tone::Plain, "Training stopped; nothing was learned yet".to_owned()),
            Err(error) => (Tone::Error, format!("Training failed: {error}")),
        };
        self.state.say(tone, text);
        self.state.training = match result {
            Ok(End::Trained(trained)) => Training::Ended { result: Ok(trained), is_seen },
            Ok(End::Stopped(_)) => Training::Idle,
            Err(error) => Training::Ended { result: Err(error), is_seen },
        };
    }
}
