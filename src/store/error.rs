//! Why the project file cannot be used.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::Places;

/// Why a project file cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("the project is open in another window, close that one first: {}", path.display())]
    InUse {
        /// The project file.
        path: PathBuf,
    },
    /// A newer version of the program made it.
    #[error("a newer version of the program made the project (format {found}, this one knows up to {known}), nothing was changed: {}", path.display())]
    Newer {
        /// The project file.
        path: PathBuf,
        /// The format of the file.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// The file is something else.
    #[error("the file is not a project of this program, move it away to begin anew: {}", path.display())]
    NotAProject {
        /// The file.
        path: PathBuf,
    },
    /// A record of the file makes no sense.
    #[error("the project is damaged at {record}, move it away to begin anew: {}", path.display())]
    Damaged {
        /// The project file.
        path: PathBuf,
        /// The record.
        record: String,
    },
    /// There is no room left.
    #[error("the disk is full: {}", path.display())]
    Full {
        /// The project file.
        path: PathBuf,
    },
    /// The file or its folder is read-only.
    #[error("the project file is read-only: {}", path.display())]
    ReadOnly {
        /// The project file.
        path: PathBuf,
    },
    /// The project beside the data holds other work than that from which a person's own copy of it began.
    #[error("the shared project has changed since you began your own copy: {}", places.beside().display())]
    Outdated {
        /// Where both are.
        places: Places,
    },
    /// The file that was open is no longer in its place, and it cannot be made anew there.
    #[error("others removed or replaced the project file: {}", path.display())]
    Removed {
        /// The project file.
        path: PathBuf,
    },
    /// The file or its folder cannot be read or written.
    #[error("cannot write the project: {source}: {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The database refuses.
    #[error("cannot use the project: {source}: {}", path.display())]
    Database {
        /// The project file.
        path: PathBuf,
        /// What the database says.
        source: rusqlite::Error,
    },
    /// The job was cancelled.
    #[error("opening was cancelled: {}", path.display())]
    Cancelled {
        /// The project file.
        path: PathBuf,
    },
}

impl StoreError {
    /// Names the usual causes of a database error.
    pub(super) fn of(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse { path },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            Some(ErrorCode::NotADatabase) => Self::NotAProject { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, record: "the database itself".to_owned() },
            _ => Self::Database { path, source },
        }
    }

    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full { path },
            std::io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            _ => Self::Io { path, source },
        }
    }
}
