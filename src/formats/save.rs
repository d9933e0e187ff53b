//! Saving: the new file takes the old one's place only when it is complete and on the disk.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::disk;

/// Why a file was not saved; the old one is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The file is marked as read-only.
    #[error("the file is read-only: {}", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// Something else than a file has the name, such as a device.
    #[error("this is no regular file, and stays as it is: {}", path.display())]
    NoFile {
        /// What it is.
        path: PathBuf,
    },
    /// No file can be made in the folder.
    #[error("cannot write in the folder: {source}: {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The text could not be written, for instance because the disk is full.
    #[error("cannot write the file: {source}: {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The job was cancelled.
    #[error("writing was cancelled: {}", path.display())]
    Cancelled {
        /// The file.
        path: PathBuf,
    },
    /// The new file could not take the old one's place.
    #[error("cannot replace the file: {source}: {}", path.display())]
    Replace {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Writes a file by `content` that takes the old one's place only when it is complete.
///
/// # Errors
/// When the folder or the disk does not allow it; the old file is left as it was.
pub fn replace(path: &Path, content: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> Result<(), SaveError> {
    let (path, folder, new) = begun(path)?;
    let written = || {
        let mut out = BufWriter::with_capacity(1 << 20, new.as_file());
        content(&mut out)?;
        out.flush()?;
        new.as_file().sync_all()
    };
    written().map_err(|source| SaveError::Write { path: path.clone(), source })?;
    new.persist(&path).map_err(|error| SaveError::Replace { path, source: error.error })?;
    disk::sync_names(&folder);
    Ok(())
}

/// Looks at once, before hours of work, whether [`replace`] could write a file at `path`.
///
/// # Errors
/// When the file is read-only, or its folder is missing or closed to writing.
pub fn writable(path: &Path) -> Result<(), SaveError> {
    begun(path).map(|_| ())
}

/// The file that `path` leads to, its folder, and an empty file there that is to take its place.
fn begun(path: &Path) -> Result<(PathBuf, PathBuf, NamedTempFile), SaveError> {
    // A link stays a link: the file that it leads to is replaced, or made.
    let led_to = || Some(path.parent()?.join(fs::read_link(path).ok()?));
    let path = path.canonicalize().ok().or_else(led_to).unwrap_or_else(|| path.to_owned());
    let old = fs::metadata(&path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return Err(SaveError::NoFile { path });
    }
    let old = old.map(|old| old.permissions());
    if old.as_ref().is_some_and(Permissions::readonly) {
        return Err(SaveError::ReadOnly { path });
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    match temporary(&folder, old) {
        Ok(new) => Ok((path, folder, new)),
        Err(source) => Err(SaveError::Folder { folder, source }),
    }
}

/// An empty file in `folder` with the permissions of the old one, or those that any new file gets.
fn temporary(folder: &Path, old: Option<Permissions>) -> io::Result<NamedTempFile> {
    let new = disk::temporary(folder)?;
    if let Some(old) = old {
        new.as_file().set_permissions(old)?;
    }
    Ok(new)
}
