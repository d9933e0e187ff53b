//! Writes annotation files when a person asks for it: on its own thread, in one atomic step, with the previous file kept
//! beside the new one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::document::Document;
use super::task::{Reporter, Task};
use crate::annotation::Dataset;
use crate::disk;
use crate::formats::{coco, lvis};
use crate::job::{self, Latest};
use crate::store::Target;

/// Why the annotations are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A person saves into the file that was opened.
    Save,
    /// The same, though others have written that file since: theirs is kept for good.
    Overwrite,
    /// A person wants another file besides.
    Export,
}

/// What became of a write.
#[derive(Debug)]
pub(super) struct Written {
    /// The revision that was written.
    pub revision: u64,
    /// Its version.
    pub version: u64,
    /// The file.
    pub path: PathBuf,
    /// Why it was written.
    pub purpose: Purpose,
    /// The file as it is now, and where the one before it is; or why it was not written.
    pub result: Result<(Target, Option<PathBuf>), String>,
    /// Whether a person stopped it.
    pub stopped: bool,
}

/// What is to be written.
#[derive(Debug)]
struct Order {
    dataset: Arc<Dataset>,
    revision: u64,
    version: u64,
    path: PathBuf,
    purpose: Purpose,
}

#[derive(Debug)]
struct Running {
    task: Task,
    thread: JoinHandle<()>,
}

/// Writes on a thread of its own, one file after the other.
#[derive(Debug, Default)]
pub(super) struct Exporter {
    running: Option<Running>,
    waiting: Vec<Order>,
    written: Latest<Written>,
}

impl Exporter {
    /// Writes `document` to `path` as soon as what is under way is written.
    pub(super) fn write(&mut self, document: &Document, path: &Path, purpose: Purpose, ctx: &egui::Context) {
        // Only the newest state of a file is worth its time.
        self.waiting.retain(|order| order.path != path);
        let (dataset, revision, version) = (document.shared(), document.revision(), document.version());
        self.waiting.push(Order { dataset, revision, version, path: path.to_path_buf(), purpose });
        self.next(ctx);
    }

    fn next(&mut self, ctx: &egui::Context) {
        if self.running.is_some() || self.waiting.is_empty() {
            return;
        }
        let Order { dataset, revision, version, path, purpose } = self.waiting.remove(0);
        let task = Task::new("Writing annotations");
        let (written, mut report, ctx) = (self.written.clone(), task.reporter(ctx), ctx.clone());
        let work = move || {
            let result = save(&dataset, &path, purpose, revision > 0, &mut report).map_err(|error| format!("{error:#}"));
            drop(dataset);
            written.publish(Written { revision, version, path, purpose, result, stopped: report.cancel.is_cancelled() });
            ctx.request_repaint();
        };
        match job::spawn("export", work) {
            Ok(thread) => self.running = Some(Running { task, thread }),
            Err(error) => tracing::error!(%error, "no thread for writing"),
        }
    }

    /// What became of a write, once; the next one begins.
    pub(super) fn poll(&mut self, ctx: &egui::Context) -> Option<Written> {
        let written = self.written.take()?;
        self.running = None;
        self.next(ctx);
        Some(written)
    }

    /// What is being written.
    pub(super) fn task(&mut self) -> Option<&mut Task> {
        self.running.as_mut().map(|running| &mut running.task)
    }

    /// Whether something is being written.
    pub(super) const fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Stops what is being written and forgets what waits; whether there was anything. The old file stays.
    pub(super) fn stop(&mut self) -> bool {
        self.waiting.clear();
        self.running.as_ref().inspect(|running| running.task.cancel()).is_some()
    }

    /// Waits for the write that is running: the program ends.
    pub(super) fn finish(&mut self) {
        if self.running.take().is_some_and(|running| running.thread.join().is_err()) {
            tracing::error!("the thread that writes annotations failed");
        }
    }
}

fn save(
    dataset: &Dataset,
    path: &Path,
    purpose: Purpose,
    is_edited: bool,
    report: &mut Reporter,
) -> anyhow::Result<(Target, Option<PathBuf>)> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    let kept = keep_previous(path, purpose)?;
    let cancel = report.cancel.clone();
    let save = if is_edited { lvis::save_edited } else { coco::save_with };
    save(dataset, path, &cancel, &mut |progress| report.tell(progress))?;
    Ok((Target::hashed(path)?, kept))
}

/// Where the file stands that `path` held before the last write.
pub(super) fn previous(path: &Path) -> PathBuf {
    with_ending(path, ".bak")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Gives the file at `path`, where there is one, a second name, which is returned; that of others gets a name which no
/// later write takes. The copy appears whole or not at all.
fn keep_previous(path: &Path, purpose: Purpose) -> anyhow::Result<Option<PathBuf>> {
    if !path.is_file() {
        return Ok(None);
    }
    let path = path.canonicalize()?;
    let mut kept = previous(&path);
    if purpose == Purpose::Overwrite {
        let names = (1..1000).map(|number| with_ending(&path, &format!(".others-{number}.bak")));
        kept = names.into_iter().find(|name| !name.exists()).unwrap_or(kept);
    }
    let folder = disk::temporary_folder(path.parent().unwrap_or(Path::new(".")))?;
    let copy = folder.path().join("previous");
    // The file is about to be replaced, not changed, so that a second name keeps it; some disks have no second names.
    if std::fs::hard_link(&path, &copy).is_err() {
        std::fs::copy(&path, &copy)?;
        std::fs::File::open(&copy)?.sync_all()?;
    }
    std::fs::rename(&copy, &kept)?;
    Ok(Some(kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Cancel;

    #[test]
    fn the_previous_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let dataset = Dataset::default();
        let mut report = Task::new("Writing").reporter(&egui::Context::default());
        report.cancel = Cancel::new();
        save(&dataset, &path, Purpose::Save, false, &mut report).unwrap();
        assert!(!previous(&path).exists());
        for text in ["first", "second"] {
            std::fs::write(&path, text).unwrap();
            let (target, kept) = save(&dataset, &path, Purpose::Save, false, &mut report).unwrap();
            assert_eq!(kept, Some(previous(&path.canonicalize().unwrap())));
            assert_eq!(std::fs::read_to_string(previous(&path)).unwrap(), text);
            assert!(std::fs::read_to_string(&path).unwrap().starts_with('{'));
            assert_eq!((target.is_outdated(), target.length_bytes), (false, path.metadata().unwrap().len()));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        for number in 1..3 {
            std::fs::write(&path, format!("theirs {number}")).unwrap();
            save(&dataset, &path, Purpose::Overwrite, false, &mut report).unwrap();
            save(&dataset, &path, Purpose::Save, false, &mut report).unwrap();
            let kept = with_ending(&path, &format!(".others-{number}.bak"));
            assert_eq!(std::fs::read_to_string(kept).unwrap(), format!("theirs {number}"));
        }
    }
}
