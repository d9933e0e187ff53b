//! Where the project of a data set stands: beside the data, or in the state folder where that cannot be written.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Project, StoreError};
use crate::mask::fnv1a;

/// The ending of project files.
pub(super) const ENDING: &str = "annotator.db";

/// The files that may be the project of a data set, the best one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    beside: PathBuf,
    elsewhere: PathBuf,
}

impl Places {
    /// The places for the file or folder `data`, an absolute path; `state` is the program's own folder.
    pub fn of(data: &Path, state: &Path) -> Self {
        let stem = data.file_stem().unwrap_or_default().to_string_lossy();
        let beside =
            if data.is_dir() { data.join(format!("annotations.{ENDING}")) } else { data.with_file_name(format!("{stem}.{ENDING}")) };
        Self { beside, elsewhere: state.join(file_name(data, ENDING)) }
    }

    /// The place beside the data.
    pub fn beside(&self) -> &Path {
        &self.beside
    }

    /// The place in the state folder.
    pub fn elsewhere(&self) -> &Path {
        &self.elsewhere
    }

    /// Both, the best one first.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        [self.beside(), self.elsewhere()].into_iter()
    }
}

/// A file name for what belongs to `data`, an absolute path, but stands in another folder.
pub fn file_name(data: &Path, ending: &str) -> String {
    let hash = fnv1a(data.to_string_lossy().bytes());
    format!("{}-{hash:016x}.{ending}", data.file_stem().unwrap_or_default().to_string_lossy())
}

/// Opens the project that stands at one of `places`, the newest one; `None` where there is none. One that is read-only
/// beside the data is copied to the state folder and opened there.
///
/// # Errors
/// As [`Project::open`].
pub fn find(places: &Places) -> Result<Option<Project>, StoreError> {
    let Some(path) = places.all().filter(|path| path.is_file()).max_by_key(|path| (changed(path), *path == places.beside())) else {
        return Ok(None);
    };
    match Project::open(path) {
        Err(StoreError::ReadOnly { .. }) if path == places.beside() => {
            copy(path, places.elsewhere())?;
            Project::open(places.elsewhere()).map(Some)
        }
        opened => opened.map(Some),
    }
}

/// When a project was last changed, in its own file or its log.
fn changed(path: &Path) -> Option<SystemTime> {
    let time = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    time(path).max(time(&log(path)))
}

fn log(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let copied = || {
        to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        if log(from).is_file() {
            std::fs::copy(log(from), log(to))?;
        } else if log(to).is_file() {
            // Of another project; it would be taken for this one's.
            std::fs::remove_file(log(to))?;
        }
        let new = tempfile::NamedTempFile::new_in(to.parent().unwrap_or(Path::new(".")))?;
        std::fs::copy(from, new.path())?;
        // The original's permissions came along.
        let mut permissions = new.path().metadata()?.permissions();
        #[expect(clippy::permissions_set_readonly_false, reason = "the copy is in the person's own folder")]
        permissions.set_readonly(false);
        std::fs::set_permissions(new.path(), permissions)?;
        new.persist(to).map(drop).map_err(|error| error.error)
    };
    copied().map_err(|error| StoreError::io(to, error))
}
