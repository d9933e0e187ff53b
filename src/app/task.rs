//! Work with files on a thread of its own, as the status bar shows it: how far it is, how long it may still take, and
//! the flag that stops it.

use std::time::{Duration, Instant};

use crate::job::{self, Cancel, Latest, Progress};

/// Time between two reports that reach the window; more of them would only draw frames that nobody sees.
const INTERVAL: Duration = Duration::from_millis(100);

/// An estimate from less time than this would only jump about.
const SETTLED: Duration = Duration::from_millis(800);

/// Does `work` on a thread called `name`; the answer comes with a frame of its own.
///
/// # Errors
/// When the operating system refuses another thread.
pub(super) fn answer<T: Send + 'static>(
    name: &str,
    ctx: &egui::Context,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<Latest<T>> {
    let (answer, ctx) = (Latest::default(), ctx.clone());
    let slot = answer.clone();
    job::spawn(name, move || {
        slot.publish(work());
        ctx.request_repaint();
    })?;
    Ok(answer)
}

/// The window's side of the work. The work is told to stop when this is dropped.
#[derive(Debug)]
pub(super) struct Task {
    cancel: Cancel,
    slot: Latest<Progress>,
    progress: Progress,
}

impl Task {
    /// Work that has not said anything yet; `label` says what it is.
    pub(super) fn new(label: &str) -> Self {
        let progress = Progress { label: label.to_owned(), done: 0, total: 0, elapsed: Duration::ZERO };
        Self { cancel: Cancel::new(), slot: Latest::default(), progress }
    }

    /// The work's side.
    pub(super) fn reporter(&self, ctx: &egui::Context) -> Reporter {
        Reporter { cancel: self.cancel.clone(), slot: self.slot.clone(), ctx: ctx.clone(), last: None }
    }

    /// How far it is.
    pub(super) fn progress(&mut self) -> &Progress {
        if let Some(progress) = self.slot.take() {
            self.progress = progress;
        }
        &self.progress
    }

    /// Asks it to stop.
    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// The work's side of a [`Task`].
#[derive(Debug)]
pub(super) struct Reporter {
    /// Raised when the work is no longer wanted.
    pub cancel: Cancel,
    slot: Latest<Progress>,
    ctx: egui::Context,
    last: Option<(Instant, String)>,
}

impl Reporter {
    /// Tells how far the work is.
    pub(super) fn tell(&mut self, progress: Progress) {
        let is_news = self.last.as_ref().is_none_or(|(at, label)| at.elapsed() >= INTERVAL || *label != progress.label);
        if is_news {
            self.last = Some((Instant::now(), progress.label.clone()));
            self.slot.publish(progress);
            self.ctx.request_repaint();
        }
    }
}

/// The time that is left, in words; empty where it cannot be told.
pub(super) fn left(progress: &Progress) -> String {
    if progress.total > 0 && progress.done >= progress.total {
        return "finishing".to_owned();
    }
    let Some(left) = progress.remaining().filter(|_| progress.elapsed >= SETTLED) else { return String::new() };
    match left.as_secs_f64().ceil() as u64 {
        secs @ 0..90 => format!("about {secs} s left"),
        secs => format!("about {} min left", secs.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_told_once_it_is_worth_something() {
        let at = |elapsed_ms, done| Progress { label: "x".into(), done, total: 100, elapsed: Duration::from_millis(elapsed_ms) };
        assert_eq!(left(&at(100, 50)), "");
        assert_eq!(left(&at(2000, 0)), "");
        assert_eq!(left(&at(2000, 20)), "about 8 s left");
        assert_eq!(left(&at(2000, 100)), "finishing");
        assert_eq!(left(&at(60_000, 20)), "about 4 min left");
    }

    #[test]
    fn the_window_hears_each_label_and_not_more_than_it_can_show() {
        let mut task = Task::new("Opening");
        let mut reporter = task.reporter(&egui::Context::default());
        assert_eq!(task.progress().label, "Opening");
        let at = |label: &str, done| Progress { label: label.to_owned(), done, total: 9, elapsed: Duration::ZERO };
        reporter.tell(at("Reading", 1));
        reporter.tell(at("Reading", 2));
        assert_eq!(task.progress().done, 1);
        reporter.tell(at("Storing", 3));
        assert_eq!(task.progress().label, "Storing");
        drop(task);
        assert!(reporter.cancel.is_cancelled());
    }
}
