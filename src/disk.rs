//! Files under names that nobody looks for, until they are complete and take their own; what tells files apart; and paths
//! in words and in files, though they may be no text.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
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

/// The name of a file or folder in words; the whole path where it has none.
pub fn name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()
}

/// The path that is meant by one that was shown in words, where a sign stands for what is no text; `path` itself where that
/// is there, or where several are shown like it.
pub fn meant(path: &Path) -> PathBuf {
    let is_unsure = |shown: &str| shown.contains(char::REPLACEMENT_CHARACTER);
    if !is_unsure(&path.to_string_lossy()) || path.exists() {
        return path.to_path_buf();
    }
    let mut meant = PathBuf::new();
    for part in path.components() {
        let (shown, exact) = (part.as_os_str().to_string_lossy(), meant.join(part));
        let mut alike = Vec::new();
        if is_unsure(&shown) && !exact.exists() {
            let names = fs::read_dir(&meant).into_iter().flatten().flatten().map(|entry| entry.file_name());
            alike.extend(names.filter(|name| name.to_string_lossy() == shown));
        }
        meant = if let [name] = alike.as_slice() { meant.join(name) } else { exact };
    }
    meant
}

/// A path as bytes, of which [`path_of`] makes the same one on this system.
#[cfg(unix)]
pub fn path_bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes().to_vec()
}

/// A path as bytes, of which [`path_of`] makes the same one on this system.
#[cfg(not(unix))]
pub fn path_bytes(path: &Path) -> Vec<u8> {
    use std::os::windows::ffi::OsStrExt as _;
    path.as_os_str().encode_wide().flat_map(u16::to_le_bytes).collect()
}

/// The path of which [`path_bytes`] made the bytes.
#[cfg(unix)]
pub fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    OsStr::from_bytes(bytes).into()
}

/// The path of which [`path_bytes`] made the bytes.
#[cfg(not(unix))]
pub fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::windows::ffi::OsStringExt as _;
    let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    std::ffi::OsString::from_wide(&units).into()
}

/// A path in a file of text: as text, or as bytes where it is none.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes(Vec<u8>),
}

/// Writes a path that may be no text; for serde.
///
/// # Errors
/// When the serializer fails.
pub fn write_path<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    let written = |path: &PathBuf| path.to_str().map_or_else(|| Written::Bytes(path_bytes(path)), |text| Written::Text(text.to_owned()));
    Serialize::serialize(&path.as_ref().map(written), serializer)
}

/// Reads what [`write_path`] wrote; for serde.
///
/// # Errors
/// When it is no path.
pub fn read_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let written: Option<Written> = Deserialize::deserialize(deserializer)?;
    Ok(written.map(|written| match written {
        Written::Text(text) => text.into(),
        Written::Bytes(bytes) => path_of(&bytes),
    }))
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

    #[test]
    fn a_name_in_words_is_never_empty() {
        assert_eq!(name(Path::new("far/a.png")), "a.png");
        assert_eq!(name(Path::new("/")), "/");
    }

    // Elsewhere such names cannot be given, or are other ones.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_path_that_is_no_text_is_found_by_what_is_shown_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let named = |bytes: &[u8]| folder.path().join(path_of(bytes));
        let shown = |path: &Path| PathBuf::from(path.to_string_lossy().into_owned());
        let inner = named(b"b\xffd/n\xfft.json");
        assert_eq!(path_of(&path_bytes(&inner)), inner);
        fs::create_dir(named(b"b\xffd")).unwrap();
        assert_eq!(meant(&shown(&inner)), named(b"b\xffd").join("n\u{fffd}t.json"), "a file that is not there yet");
        fs::write(&inner, "").unwrap();
        assert_eq!(meant(&shown(&inner)), inner);
        assert_eq!(meant(&inner), inner);
        fs::write(named(b"b\xffd/n\xfet.json"), "").unwrap();
        assert_eq!(meant(&shown(&inner)), named(b"b\xffd").join("n\u{fffd}t.json"), "either may be meant");
    }
}
