//! A person's own copy of a project that they cannot write: what it began from, and what becomes of it where the shared
//! project holds other work by now.

use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::place::ENDING;
use super::project::{folder_of, with_ending};
use super::{Places, Project, StoreError, Target};
use crate::disk;
use crate::mask::fnv1a;

/// What becomes of a person's own copy where the shared project has changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Work goes on in the own copy.
    Own,
    /// Work begins anew from the shared project; the own copy gets another name.
    Shared,
}

impl Choice {
    /// Does what was chosen with the own copy at one of `places`, so that opening asks no more; where the copy is kept if it
    /// has another name by now.
    ///
    /// # Errors
    /// When one of the projects cannot be read, or the copy is open in another window; both are then as before.
    pub fn settle(self, places: &Places) -> Result<Option<PathBuf>, StoreError> {
        let path = places.elsewhere();
        // Nothing is put aside for a project that cannot be read.
        let now = Snapshot::of(places.beside(), folder_of(path))?.origin;
        let mut own = Project::open(path)?;
        match self {
            Self::Own => own.set_origin(now).map(|()| None),
            Self::Shared => {
                // What is in the log goes into the file.
                drop(own);
                put_aside(path).map(Some)
            }
        }
    }
}

/// What a copy began from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// Tells the lengths and dates of the files apart.
    pub stamp: u64,
    /// Tells the work in the project apart.
    pub work: u64,
}

/// A project as it is now, in a folder that goes with the value.
struct Snapshot {
    // It goes before its folder.
    project: Project,
    origin: Origin,
    _folder: TempDir,
}

impl Snapshot {
    /// A copy of the project `from`, which perhaps cannot be written, in a new folder in `folder`.
    fn of(from: &Path, folder: &Path) -> Result<Self, StoreError> {
        let io = |error| StoreError::io(folder, error);
        std::fs::create_dir_all(folder).map_err(io)?;
        let passing = disk::temporary_folder(folder).map_err(io)?;
        let copy = passing.path().join("copy");
        let before = stamp(from);
        copy_bytes(from, &copy).map_err(io)?;
        if log(from).is_file() {
            copy_bytes(&log(from), &log(&copy)).map_err(io)?;
        }
        // Whoever may write it has moved the log into the database meanwhile, perhaps.
        if stamp(from) != before {
            return Err(StoreError::InUse { path: from.to_owned() });
        }
        let project = Project::open_as(&copy, from)?;
        let origin = Origin { stamp: before, work: project.work()? };
        Ok(Self { project, origin, _folder: passing })
    }
}

/// The project `to`, made of `from`, which cannot be written; it appears complete or not at all.
pub(super) fn begin(from: &Path, to: &Path) -> Result<Project, StoreError> {
    let mut now = Snapshot::of(from, folder_of(to))?;
    now.project.set_origin(now.origin)?;
    now.project.settle_at(to)
}

/// Whether the project `shared` holds other work than that from which `own` began. What cannot be told now is looked at next
/// time.
pub(super) fn is_outdated(own: &mut Project, shared: &Path) -> bool {
    has_news(own, shared).unwrap_or_else(|error| {
        tracing::warn!(%error, "the shared project cannot be compared");
        false
    })
}

fn has_news(own: &mut Project, shared: &Path) -> Result<bool, StoreError> {
    let origin = own.origin()?;
    if origin.is_some_and(|origin| origin.stamp == stamp(shared)) {
        return Ok(false);
    }
    let now = Snapshot::of(shared, folder_of(own.path()))?.origin;
    // Somebody may have done no more than look at it.
    let is_same = origin.is_some_and(|origin| origin.work == now.work);
    if is_same {
        own.set_origin(now)?;
    }
    Ok(!is_same)
}

/// Gives the project at `path`, which nobody has open, a name that no data set looks for.
fn put_aside(path: &Path) -> Result<PathBuf, StoreError> {
    // Another window has opened it meanwhile.
    if log(path).exists() {
        return Err(StoreError::InUse { path: path.to_owned() });
    }
    let name = disk::name(path);
    let stem = name.strip_suffix(ENDING).unwrap_or(&name);
    let numbered = |number: u32| path.with_file_name(format!("{stem}aside-{number}.{ENDING}"));
    let aside = (1..u32::MAX).map(numbered).find(|path| !path.exists()).unwrap_or_default();
    std::fs::rename(path, &aside).map_err(|error| StoreError::io(path, error))?;
    disk::sync_names(folder_of(path));
    Ok(aside)
}

/// A number for the lengths and dates of a project's file and its log.
fn stamp(path: &Path) -> u64 {
    let files = [path, log(path).as_path()].map(|path| Target::of(path).map_or([0; 2], |file| [file.length_bytes, file.modified_ns]));
    fnv1a(files.into_iter().flatten().flat_map(u64::to_le_bytes))
}

fn log(path: &Path) -> PathBuf {
    with_ending(path, "-wal")
}

/// Copies a file without its permissions.
fn copy_bytes(from: &Path, to: &Path) -> std::io::Result<()> {
    std::io::copy(&mut File::open(from)?, &mut File::create(to)?).map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, SystemTime};

    use super::super::place::find_with;
    use super::*;
    use crate::annotation::ImageId;
    use crate::job::Cancel;
    use crate::store::{Change, Contents};

    /// Opens projects; the one beside the data is read-only for any user, also for one who may write everything.
    fn opener(places: &Places) -> impl Fn(&Path) -> Result<Project, StoreError> {
        let beside = places.beside().to_owned();
        move |path| if path == beside { Err(StoreError::ReadOnly { path: path.to_owned() }) } else { Project::open(path) }
    }

    fn reviewed(project: &Project) -> BTreeSet<i64> {
        project.load(&Cancel::new(), &mut |_| ()).unwrap().reviewed.into_iter().map(|image| image.0).collect()
    }

    fn mark(project: &mut Project, image: i64) {
        project.write(&Change::Reviewed(ImageId(image), true)).unwrap();
    }

    #[test]
    fn a_read_only_project_is_copied_once_and_asked_about_when_others_have_worked_on() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::of(&folder.path().join("a.json"), &folder.path().join("state"));
        let open = || find_with(&places, opener(&places)).map(Option::unwrap);
        let count = || std::fs::read_dir(folder.path().join("state")).unwrap().count();
        let mut others = Project::create(&places, &Contents::default(), &Cancel::new(), &mut |_| ()).unwrap();
        // What was written last is in the log only.
        mark(&mut others, 1);
        let mut own = open().unwrap();
        assert_eq!((own.path(), reviewed(&own)), (places.elsewhere(), BTreeSet::from([1])));
        mark(&mut own, 2);
        own.refill(&own.load(&Cancel::new(), &mut |_| ()).unwrap(), &Cancel::new(), &mut |_| ()).unwrap();
        drop(own);
        assert_eq!(count(), 1, "the project and nothing else");

        others.write(&Change::Shown(ImageId(1))).unwrap();
        assert_eq!(reviewed(&open().unwrap()), BTreeSet::from([1, 2]), "others have looked at it");
        mark(&mut others, 3);
        drop(others);
        for _ in 0..2 {
            assert!(matches!(open(), Err(StoreError::Outdated { places: both }) if both == places), "it is asked until it is answered");
        }
        assert_eq!(Choice::Own.settle(&places).unwrap(), None);
        assert_eq!(reviewed(&open().unwrap()), BTreeSet::from([1, 2]));
        let file = File::options().write(true).open(places.beside()).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_mins(1)).unwrap();
        drop(file);
        assert_eq!(reviewed(&open().unwrap()), BTreeSet::from([1, 2]), "another date alone is no news");

        mark(&mut Project::open(places.beside()).unwrap(), 4);
        assert!(matches!(open(), Err(StoreError::Outdated { .. })));
        let aside = Choice::Shared.settle(&places).unwrap().unwrap();
        assert_eq!(reviewed(&open().unwrap()), BTreeSet::from([1, 3, 4]));
        assert_eq!(reviewed(&Project::open(&aside).unwrap()), BTreeSet::from([1, 2]), "{}", aside.display());
        assert_eq!(count(), 2);
    }

    #[test]
    fn an_own_copy_that_is_open_or_that_nothing_can_follow_stays_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::of(&folder.path().join("a.json"), &folder.path().join("state"));
        drop(Project::create(&places, &Contents::default(), &Cancel::new(), &mut |_| ()).unwrap());
        let own = find_with(&places, opener(&places)).unwrap().unwrap();
        assert!(matches!(Choice::Shared.settle(&places), Err(StoreError::InUse { .. })));
        drop(own);
        std::fs::write(places.beside(), "no database, but a text that is long enough to be taken for one".repeat(99)).unwrap();
        assert!(matches!(Choice::Shared.settle(&places), Err(StoreError::NotAProject { .. })));
        let own = find_with(&places, opener(&places)).unwrap().unwrap();
        assert_eq!(own.path(), places.elsewhere(), "work goes on where the shared project is broken");
    }

    #[test]
    fn a_copy_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::of(&folder.path().join("a.json"), &folder.path().join("state"));
        std::fs::write(places.beside(), "no database, but a text that is long enough to be taken for one".repeat(99)).unwrap();
        let error = find_with(&places, opener(&places)).unwrap_err();
        assert!(matches!(&error, StoreError::NotAProject { path } if path == places.beside()), "{error}");
        assert_eq!(std::fs::read_dir(folder.path().join("state")).unwrap().count(), 0);
    }
}
