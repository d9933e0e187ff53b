//! Writes annotation files when a person asks for it: on its own thread, in one atomic step, with the previous file kept
//! beside the new one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::document::Document;
use crate::annotation::Dataset;
use crate::formats::{coco, lvis};
use crate::job::{self, Latest};
use crate::store::Target;

/// Why the annotations are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
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
    /// The file as it is now, or why it was not written.
    pub result: Result<Target, String>,
}

/// Writes on a thread of its own, one write at a time.
#[derive(Debug, Default)]
pub(super) struct Exporter {
    running: Option<JoinHandle<()>>,
    written: Latest<Written>,
}

impl Exporter {
    /// Begins to write `document` to `path`.
    pub(super) fn write(&mut self, document: &Document, path: &Path, purpose: Purpose, wake: impl FnOnce() + Send + 'static) {
        self.finish();
        let (dataset, revision) = (document.shared(), document.revision());
        let (written, path) = (self.written.clone(), path.to_path_buf());
        let work = move || {
            let result = save(&dataset, &path, revision > 0).map_err(|error| format!("{error:#}"));
            drop(dataset);
            written.publish(Written { revision, path, purpose, result });
            wake();
        };
        match job::spawn("export", work) {
            Ok(handle) => self.running = Some(handle),
            Err(error) => tracing::error!(%error, "no thread for writing"),
        }
    }

    /// What became of the last write, once.
    pub(super) fn poll(&mut self) -> Option<Written> {
        self.written.take()
    }

    /// Waits for the write that is running.
    pub(super) fn finish(&mut self) {
        if self.running.take().is_some_and(|running| running.join().is_err()) {
            tracing::error!("the thread that writes annotations failed");
        }
    }
}

fn save(dataset: &Arc<Dataset>, path: &Path, is_edited: bool) -> anyhow::Result<Target> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    keep_previous(path)?;
    if is_edited {
        lvis::save_edited(dataset, path)?;
    } else {
        coco::save(dataset, path)?;
    }
    Ok(Target::of(path)?)
}

/// Where the file stands that `path` held before the last write.
pub(super) fn previous(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".bak");
    name.into()
}

/// Gives the file at `path`, where there is one, a second name; the copy appears whole or not at all.
fn keep_previous(path: &Path) -> anyhow::Result<()> {
    if !path.is_file() {
        return Ok(());
    }
    let path = path.canonicalize()?;
    let folder = tempfile::Builder::new().prefix(".annotator-").tempdir_in(path.parent().unwrap_or(Path::new(".")))?;
    let copy = folder.path().join("previous");
    // The file is about to be replaced, not changed, so that a second name keeps it; some disks have no second names.
    if std::fs::hard_link(&path, &copy).is_err() {
        std::fs::copy(&path, &copy)?;
        std::fs::File::open(&copy)?.sync_all()?;
    }
    std::fs::rename(&copy, previous(&path))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_previous_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let dataset = Arc::new(Dataset::default());
        save(&dataset, &path, false).unwrap();
        assert!(!previous(&path).exists());
        for text in ["first", "second"] {
            std::fs::write(&path, text).unwrap();
            let target = save(&dataset, &path, false).unwrap();
            assert_eq!(std::fs::read_to_string(previous(&path)).unwrap(), text);
            assert!(std::fs::read_to_string(&path).unwrap().starts_with('{'));
            assert_eq!((target.is_outdated(), target.length_bytes), (false, path.metadata().unwrap().len()));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
