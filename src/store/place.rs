//! Where the project of a data set stands: beside the data, or in the state folder where that cannot be written.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Project, StoreError};
use crate::disk;
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

/// Opens the project that stands at one of `places`, the newest one; `None` where there is none. For one that is read-only
/// beside the data the one in the state folder is opened, which begins as a copy of it.
///
/// # Errors
/// As [`Project::open`].
pub fn find(places: &Places) -> Result<Option<Project>, StoreError> {
    find_with(places, Project::open)
}

fn find_with(places: &Places, open: impl Fn(&Path) -> Result<Project, StoreError>) -> Result<Option<Project>, StoreError> {
    let Some(path) = places.all().filter(|path| path.is_file()).max_by_key(|path| (changed(path), *path == places.beside())) else {
        return Ok(None);
    };
    let opened = match open(path) {
        // It holds work of its own, however old it is.
        Err(StoreError::ReadOnly { .. }) if path == places.beside() && places.elsewhere().is_file() => open(places.elsewhere()),
        Err(StoreError::ReadOnly { .. }) if path == places.beside() => copied(path, places.elsewhere()),
        opened => opened,
    };
    opened.map(Some)
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

/// The project `to`, made of `from`, which cannot be written; it appears complete or not at all.
fn copied(from: &Path, to: &Path) -> Result<Project, StoreError> {
    let io = |error| StoreError::io(to, error);
    let folder = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io)?;
    let passing = disk::temporary_folder(folder).map_err(io)?;
    let copy = passing.path().join("copy");
    let before = changed(from);
    copy_bytes(from, &copy).map_err(io)?;
    if log(from).is_file() {
        copy_bytes(&log(from), &log(&copy)).map_err(io)?;
    }
    // Whoever may write it has moved the log into the database meanwhile, perhaps.
    if changed(from) != before {
        return Err(StoreError::InUse { path: from.to_owned() });
    }
    let project = Project::open_as(&copy, from)?;
    project.settle_at(to)
}

/// Copies a file without its permissions.
fn copy_bytes(from: &Path, to: &Path) -> std::io::Result<()> {
    std::io::copy(&mut File::open(from)?, &mut File::create(to)?).map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::annotation::ImageId;
    use crate::job::Cancel;
    use crate::store::{Change, Contents};

    #[test]
    fn a_read_only_project_is_copied_once_and_never_over_work() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::of(&folder.path().join("a.json"), &folder.path().join("state"));
        // Read-only for any user, also for one who may write everything.
        let open = |path: &Path| {
            if path == places.beside() { Err(StoreError::ReadOnly { path: path.to_owned() }) } else { Project::open(path) }
        };
        let reviewed = |project: &Project| project.load(&Cancel::new(), &mut |_| ()).unwrap().reviewed;
        let mut others = Project::create(&places, &Contents::default(), &Cancel::new(), &mut |_| ()).unwrap();
        // What was written last is in the log only.
        others.write(&Change::Reviewed(ImageId(1), true)).unwrap();
        let mut own = find_with(&places, open).unwrap().unwrap();
        assert_eq!(own.path(), places.elsewhere());
        assert_eq!(reviewed(&own), BTreeSet::from([ImageId(1)]));
        own.write(&Change::Reviewed(ImageId(2), true)).unwrap();
        drop(own);
        assert_eq!(std::fs::read_dir(folder.path().join("state")).unwrap().count(), 1, "the project and nothing else");

        others.write(&Change::Reviewed(ImageId(3), true)).unwrap();
        drop(others);
        let file = File::options().write(true).open(places.beside()).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_mins(1)).unwrap();
        let own = find_with(&places, open).unwrap().unwrap();
        assert_eq!((own.path(), reviewed(&own)), (places.elsewhere(), BTreeSet::from([ImageId(1), ImageId(2)])));
    }

    #[test]
    fn a_copy_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::of(&folder.path().join("a.json"), &folder.path().join("state"));
        std::fs::write(places.beside(), "no database, but a text that is long enough to be taken for one".repeat(99)).unwrap();
        let error = find_with(&places, |path| Err(StoreError::ReadOnly { path: path.to_owned() })).unwrap_err();
        assert!(matches!(&error, StoreError::NotAProject { path } if path == places.beside()), "{error}");
        assert_eq!(std::fs::read_dir(folder.path().join("state")).unwrap().count(), 0);
    }
}
