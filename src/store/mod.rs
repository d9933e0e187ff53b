//! The project on disk: an embedded `SQLite` database that holds the working state beside the data it belongs to.
//!
//! A [`Project`] holds every record of a [`crate::annotation::Dataset`] with its source text, the steps of the history,
//! the marks that no annotation format has a place for, and what was last exported where. It is created whole or not at
//! all ([`Project::create`]), belongs to one process at a time, and knows its own format.
//!
//! A [`Writer`] owns the project while a person works. Each [`Change`] is one transaction on the writer's thread. The
//! database is in WAL mode with `synchronous = FULL`: a change that is reported as written survives the end of the
//! process at any moment, and a power cut as far as the disk keeps its promise to have written. What cannot be written
//! waits in memory, and the writer says why.
//!
//! The store does not read or write annotation files: see [`crate::formats`].

mod change;
mod codec;
mod create;
mod error;
mod judgement;
mod load;
mod place;
mod project;
mod schema;
mod writer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

pub use change::{Change, Move};
pub use error::StoreError;
pub use judgement::{Judgement, Judgements};
pub use place::{Places, file_name, find};
pub use project::Project;
pub use writer::{State, Writer};

use crate::annotation::{Dataset, History, ImageId};

/// Everything that a project holds.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The data set as it is now.
    pub dataset: Dataset,
    /// The steps that lead to it; its revision is the project's.
    pub history: History,
    /// The images that a person marked as reviewed.
    pub reviewed: BTreeSet<ImageId>,
    /// What was said of the outlines that objects have or had; [`Project::first`] leaves it out.
    pub judged: Judgements,
    /// The image that was shown last.
    pub shown: Option<ImageId>,
    /// The annotation file that holds what the project held at revision `exported`.
    pub target: Option<Target>,
    /// The revision that the target holds.
    pub exported: u64,
}

/// An annotation file as it was when the program last read or wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub length_bytes: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub modified_ns: u64,
}

impl Target {
    /// The file at `path` as it is now.
    ///
    /// # Errors
    /// When there is none that can be seen.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let data = path.metadata()?;
        let since = data.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self { path: path.to_owned(), length_bytes: data.len(), modified_ns: since.as_nanos() as u64 })
    }

    /// Whether the file is no longer as it was; a file that is gone is.
    pub fn is_outdated(&self) -> bool {
        Self::of(&self.path).ok().as_ref() != Some(self)
    }
}
