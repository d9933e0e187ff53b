//! The process that trains: its start, what it says on the way, and its end.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

use crate::app::task::Reporter;
use crate::job::Progress;

/// A line that the process writes.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum News {
    Progress {
        label: String,
        done: u64,
        total: u64,
    },
    Finished(Verdict),
    #[serde(other)]
    Other,
}

/// What the process says at its end.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Verdict {
    /// Mean `IoU` on the objects that were held out, before.
    pub(super) iou_before: f64,
    /// That of the weights that it wrote.
    pub(super) iou_after: f64,
    /// Whether these are no worse.
    pub(super) improved: bool,
    /// Objects that were held out.
    pub(super) held_out: usize,
}

/// The process: none before its start and after its end.
pub(super) type Slot = Arc<Mutex<Option<Child>>>;

fn lock(slot: &Slot) -> MutexGuard<'_, Option<Child>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How much later than the window the process gets its turn, from 0 to 19.
#[cfg(unix)]
const NICENESS: &str = "10";

/// A command that runs `program` at a low priority: the window that a person works in goes first.
#[cfg(unix)]
pub(super) fn background(program: &Path) -> Process {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let nice = std::env::split_paths(&folders).map(|folder| folder.join("nice")).find(|nice| nice.is_file());
    // It becomes the program, which has its process id then. About a missing program the plain start says more.
    let Some(nice) = nice.filter(|_| program.is_file()) else { return Process::new(program) };
    let mut command = Process::new(nice);
    command.args(["-n", NICENESS]).arg(program);
    command
}

/// A command that runs `program` at a low priority: the window that a person works in goes first.
#[cfg(windows)]
pub(super) fn background(program: &Path) -> Process {
    use std::os::windows::process::CommandExt as _;
    const BELOW_NORMAL_PRIORITY_CLASS: u32 = 0x4000;
    let mut command = Process::new(program);
    command.creation_flags(BELOW_NORMAL_PRIORITY_CLASS);
    command
}

/// Lets the process end after the step that it is at, where there is one: its input ends.
pub(super) fn end(slot: &Slot) {
    drop(lock(slot).as_mut().and_then(|process| process.stdin.take()));
}

/// Ends the process at once, where there is one.
pub(super) fn kill(slot: &Slot) {
    if let Some(process) = lock(slot).as_mut()
        && let Err(error) = process.kill()
    {
        tracing::warn!(%error, "the training process cannot be ended");
    }
}

/// Starts the process and tells of its progress until it ends; what it came to.
///
/// # Errors
/// When it cannot be started, is ended, or fails: what it said last on its error stream, which goes to the file `errors`.
pub(super) fn follow(learner: &mut Process, errors: &Path, process: &Slot, report: &mut Reporter) -> anyhow::Result<Verdict> {
    // It stops where its input ends: this program is gone then.
    learner.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(errors)?);
    let mut started = learner.spawn().with_context(|| format!("cannot start {}", learner.get_program().display()))?;
    let lines = started.stdout.take();
    *lock(process) = Some(started);
    // Whoever stopped it until now found no process.
    if report.cancel.is_cancelled() {
        kill(process);
    }
    let mut verdict = None;
    for line in lines.into_iter().flat_map(|lines| BufReader::new(lines).lines()).map_while(Result::ok) {
        match serde_json::from_str(&line) {
            // Its times are those of a part of the run.
            Ok(News::Progress { label, done, total }) => {
                report.tell(Progress { label: format!("Training: {label}"), done, total, elapsed: Duration::ZERO });
            }
            Ok(News::Finished(finished)) => verdict = Some(finished),
            Ok(News::Other) => {}
            Err(error) => tracing::warn!(%error, "a line of the training process"),
        }
    }
    let ended = lock(process).take();
    let status = ended.map(|mut ended| ended.wait()).transpose()?;
    if let Some(verdict) = verdict.filter(|_| status.is_some_and(|status| status.success())) {
        return Ok(verdict);
    }
    let said = std::fs::read_to_string(errors).unwrap_or_default();
    match last_error(&said) {
        Some(error) => anyhow::bail!("{error}"),
        None => anyhow::bail!("the process ended too early ({})", status.unwrap_or_default()),
    }
}

/// The last error on an error stream, or the last line where none is called so.
fn last_error(said: &str) -> Option<&str> {
    let mut lines = said.lines().rev().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("note: "));
    let last = lines.clone().next();
    lines.find_map(|line| line.strip_prefix("error: ")).or(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::task::Task;
    use crate::train::{Event, Summary, What};

    fn news(event: &Event) -> News {
        serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap()
    }

    #[test]
    fn what_training_writes_is_understood() {
        let progress = Progress { label: "Epoch 1 of 2".to_owned(), done: 1, total: 4, elapsed: Duration::from_millis(1500) };
        let told = News::Progress { label: "Epoch 1 of 2".to_owned(), done: 1, total: 4 };
        assert_eq!(news(&Event::Progress(progress)), told);
        let summary = Summary { iou_before: 0.5, iou_after: 0.75, improved: true, best_epoch: 2, held_out: 3, out: "w".into() };
        let verdict = Verdict { iou_before: 0.5, iou_after: 0.75, improved: true, held_out: 3 };
        assert_eq!(news(&Event::Finished(summary)), News::Finished(verdict));
        let started = Event::Started {
            what: What::Refiner,
            device: "CPU".to_owned(),
            objects: 4,
            held_out: 1,
            parameters: 9,
            trained: 9,
            epoch: 0,
            iou: 0.5,
        };
        let epoch = Event::Epoch { epoch: 1, of: 2, loss: 0.5, iou: 0.7, best: true };
        for event in [Event::Warning { message: "a.png".to_owned() }, started, epoch] {
            assert_eq!(news(&event), News::Other);
        }
        let line = r#"{"event":"message","message":"any"}"#;
        assert_eq!(serde_json::from_str::<News>(line).unwrap(), News::Other);
    }

    #[test]
    fn the_last_error_is_told() {
        assert_eq!(last_error("warning: x\nerror: no such file: a\n\nFor more information, try '--help'.\n"), Some("no such file: a"));
        assert_eq!(last_error("one\n two \n\n"), Some("two"));
        assert_eq!(last_error("thread 'main' panicked at x:\nlost\nnote: run with `RUST_BACKTRACE=1`\n"), Some("lost"));
        assert_eq!(last_error("\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_goes_behind_the_window() {
        let niceness = |command: &mut Process| {
            let said = command.output().unwrap().stdout;
            String::from_utf8(said).unwrap().trim().parse::<i32>().unwrap()
        };
        let own = niceness(&mut Process::new("nice"));
        let learner = niceness(background(Path::new("/bin/sh")).args(["-c", "nice"]));
        assert_eq!(learner, (own + 10).min(19));
        assert_eq!(background(Path::new("no/such/program")).get_program(), "no/such/program");
    }

    #[cfg(unix)]
    #[test]
    fn a_process_ends_with_its_input_or_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let errors = folder.path().join("errors.txt");
        let task = Task::new("Training");
        let scripts = [("cat; echo 'error: its input ended' >&2", true, "its input ended"), ("exec sleep 600", false, "signal: 9")];
        for (script, ends, why) in scripts {
            let (slot, mut report) = (Slot::default(), task.reporter(&egui::Context::default()));
            let other = Arc::clone(&slot);
            let stop = crate::job::spawn("stop", move || {
                while lock(&other).is_none() {
                    std::thread::sleep(Duration::from_millis(2));
                }
                if ends { end(&other) } else { kill(&other) }
            });
            let failure = follow(background(Path::new("/bin/sh")).args(["-c", script]), &errors, &slot, &mut report).unwrap_err();
            assert!(failure.to_string().contains(why), "{failure}");
            stop.unwrap().join().unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_process_is_followed_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let errors = folder.path().join("errors.txt");
        let mut task = Task::new("Training");
        let mut report = task.reporter(&egui::Context::default());
        let mut run = |script: &str| follow(Process::new("sh").args(["-c", script]), &errors, &Slot::default(), &mut report);
        let verdict = run(r#"
            echo '{"event":"progress","label":"Epoch 1 of 1","done":1,"total":2,"elapsed_secs":1.0,"remaining_secs":1.0}'
            echo 'no event'
            echo '{"event":"finished","iou_before":0.5,"iou_after":0.6,"improved":true,"best_epoch":1,"held_out":2,"out":"w"}'"#);
        assert_eq!(verdict.unwrap(), Verdict { iou_before: 0.5, iou_after: 0.6, improved: true, held_out: 2 });
        let failure = run("echo 'error: the disk is full' >&2; exit 1").unwrap_err();
        assert_eq!(failure.to_string(), "the disk is full");
        assert!(run("kill -9 $$").unwrap_err().to_string().contains("ended too early (signal: 9"));
        let told = task.progress().clone();
        assert_eq!((told.label.as_str(), told.done, told.total), ("Training: Epoch 1 of 1", 1, 2));
        // One that is stopped before it is there ends at once.
        task.cancel();
        let mut report = task.reporter(&egui::Context::default());
        follow(Process::new("sh").args(["-c", "exec sleep 600"]), &errors, &Slot::default(), &mut report).unwrap_err();
    }
}
