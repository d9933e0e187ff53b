//! Files under names that nobody looks for, until they are complete and take their own; and what tells files apart.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use tempfile::{Builder, NamedTempFile, TempDir};

/// What the names of files begin and end with that are not complete yet.
const AFFIXES: (&str, &str) = (".annotator-", ".tmp");

/// Letters and digits between the two.
const LENGTH: usize = 6;

/// A file that is not complete and was not written to for so long was left by a process that ended.
const AGE: Duration = Duration::from_hours(24);

/// An empty folder in `folder`, which goes with the value unless it gets a name; otherwise as [`temporary`].
///
/// # Errors
/// When the folder does not allow it.
pub fn temporary_folder(folder: &Path) -> io::Result<TempDir> {
    sweep(folder);
    builder(0o777, |builder| builder.tempdir_in(folder))
}

/// An empty file in `folder`, which goes with the value unless it gets a name. What processes that ended left of such
/// files in the folder is removed.
///
/// # Errors
/// When the folder does not allow it.
pub fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    sweep(folder);
    builder(0o666, |builder| builder.tempfile_in(folder))
}

/// What `make` makes with a name that nobody looks for and, on Unix, the permissions `mode` as far as the process gives them.
fn builder<T>(mode: u32, make: impl FnOnce(&Builder<'_, '_>) -> io::Result<T>) -> io::Result<T> {
    let mut builder = Builder::new();
    builder.prefix(AFFIXES.0).suffix(AFFIXES.1).rand_bytes(LENGTH);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = mode;
    make(&builder)
}

/// Brings the names in `folder` to the disk. Where a folder cannot be synchronised, the files themselves are safe.
pub fn sync_names(folder: &Path) {
    if let Ok(folder) = File::open(folder)
        && let Err(error) = folder.sync_all()
    {
        tracing::debug!(%error, "the folder cannot be synchronised");
    }
}

/// What tells a file apart from another one that has its name later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u64, u64);

impl Identity {
    /// The device and the inode of the file at `path`; `None` where there is none.
    #[cfg(unix)]
    pub fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        path.metadata().ok().map(|data| Self(data.dev(), data.ino()))
    }

    /// The same for every file at `path`, because none can take the name of an open one; `None` where there is none.
    #[cfg(not(unix))]
    pub fn of(path: &Path) -> Option<Self> {
        path.exists().then_some(Self(0, 0))
    }
}

fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_temporary(&entry.file_name()) && is_left(entry)) {
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Err(error) = removed {
            tracing::debug!(%error, path = %path.display(), "what is unfinished cannot be removed");
        }
    }
}

/// Whether `name` is one of those of files and folders that are not complete yet.
pub fn is_temporary(name: &OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(AFFIXES.0)?.strip_suffix(AFFIXES.1));
    random.is_some_and(|random| random.len() == LENGTH && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn is_left(entry: &DirEntry) -> bool {
    // Of a link, its own.
    let data = entry.metadata().ok().filter(|data| data.is_file() || data.is_dir());
    data.and_then(|data| data.modified().ok()?.elapsed().ok()).is_some_and(|age| age > AGE)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_ended_processes_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let age = |name: &str, age: Duration| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        };
        let others =
            [".annotator-Ab12.tmp", ".annotator-Ab12Cd.tmp.png", "annotator-Ab12Cd.tmp", ".annotator-Ab-2Cd.tmp", ".annotator-.tmp"];
        for name in others {
            age(name, 9 * AGE);
        }
        age(".annotator-Ab12Cd.tmp", 2 * AGE);
        age(".annotator-Young1.tmp", AGE / 2);
        let new = temporary(folder.path()).unwrap();
        assert!(is_temporary(new.path().file_name().unwrap()), "{new:?}");
        assert!(!folder.path().join(".annotator-Ab12Cd.tmp").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), others.len() + 2);
    }
}
