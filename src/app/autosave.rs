//! Keeps a working copy of the annotations on disk: a moment after each change, on its own thread, in one atomic step,
//! and once more when the window closes.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use super::document::Document;
use crate::annotation::Dataset;
use crate::formats::coco;
use crate::job::{self, Latest};

/// Time from a change to the write, so that a burst of changes is one write.
const DELAY_SECS: f64 = 0.25;

/// Why the annotations are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To keep them while working.
    Keep,
    /// A person saves into the file that was opened.
    Save,
    /// A person wants another file besides.
    Export,
}

/// What became of a write.
#[derive(Debug)]
pub(super) struct Written {
    /// The revision that was written.
    pub revision: u64,
    /// The file.
    pub path: PathBuf,
    /// Why it was written.
    pub purpose: Purpose,
    /// Why it did not work.
    pub error: Option<String>,
}

/// Writes on a thread of its own, one write at a time.
#[derive(Debug, Default)]
pub(super) struct Autosave {
    seen: u64,
    due: Option<f64>,
    running: Option<JoinHandle<()>>,
    written: Latest<Written>,
    kept: u64,
}

impl Autosave {
    /// Says that revision `revision` is on disk already.
    pub(super) fn start(&mut self, revision: u64) {
        self.finish();
        *self = Self { seen: revision, kept: revision, ..Self::default() };
    }

    /// The time, in seconds, at which [`Self::tick`] wants to be called next.
    pub(super) const fn due(&self) -> Option<f64> {
        self.due
    }

    /// Whether the last change is on disk.
    pub(super) const fn is_kept(&self, revision: u64) -> bool {
        self.kept == revision
    }

    /// Looks whether there is something to write at `now` seconds, and starts the write.
    pub(super) fn tick(&mut self, document: &Document, now: f64, wake: impl FnOnce() + Send + 'static) {
        if document.revision() != self.seen {
            self.seen = document.revision();
            self.due = Some(now + DELAY_SECS);
        }
        let Some(path) = &document.working_copy else { return };
        if self.due.is_some_and(|due| now >= due) && !self.is_running() {
            self.due = None;
            self.write(document.dataset().clone(), path.clone(), document.revision(), Purpose::Keep, wake);
        }
    }

    /// Writes `document` to `path` because a person asked for it.
    pub(super) fn save(&mut self, document: &Document, path: &Path, purpose: Purpose, wake: impl FnOnce() + Send + 'static) {
        self.finish();
        if purpose == Purpose::Save {
            // What waited to be kept is written with this.
            self.due = None;
            self.seen = document.revision();
        }
        self.write(document.dataset().clone(), path.to_path_buf(), document.revision(), purpose, wake);
    }

    /// What became of the last write, once.
    pub(super) fn poll(&mut self) -> Option<Written> {
        let written = self.written.take()?;
        self.note(&written);
        Some(written)
    }

    fn note(&mut self, written: &Written) {
        match (&written.error, written.purpose) {
            (None, Purpose::Keep | Purpose::Save) => self.kept = self.kept.max(written.revision),
            // The working copy has to hold what the file does not.
            (Some(_), Purpose::Save) => self.seen = u64::MAX,
            _ => {}
        }
    }

    /// Waits for the write that is running.
    pub(super) fn finish(&mut self) {
        if let Some(running) = self.running.take()
            && running.join().is_err()
        {
            tracing::error!("the thread that writes annotations failed");
        }
    }

    /// Writes what is not on disk yet, here and now: the window closes.
    pub(super) fn flush(&mut self, document: &Document) {
        self.finish();
        if let Some(written) = self.written.take() {
            self.note(&written);
        }
        let Some(path) = &document.working_copy else { return };
        if self.kept != document.revision()
            && let Err(error) = coco::save(document.dataset(), path)
        {
            tracing::error!(%error, path = %path.display(), "the working copy could not be written");
        }
    }

    fn is_running(&self) -> bool {
        self.running.as_ref().is_some_and(|running| !running.is_finished())
    }

    fn write(&mut self, dataset: Dataset, path: PathBuf, revision: u64, purpose: Purpose, wake: impl FnOnce() + Send + 'static) {
        let written = self.written.clone();
        let work = move || {
            let folder_made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            let error = folder_made.map_err(anyhow::Error::from).and_then(|()| coco::save(&dataset, &path).map_err(Into::into)).err();
            let error = error.map(|error| format!("{error:#}"));
            written.publish(Written { revision, path, purpose, error });
            wake();
        };
        match job::spawn("save", work) {
            Ok(handle) => self.running = Some(handle),
            Err(error) => tracing::error!(%error, "no thread for writing"),
        }
    }
}
