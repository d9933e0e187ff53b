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

mod ahead;
mod change;
mod codec;
mod create;
mod error;
mod judgement;
mod load;
mod own;
mod path;
mod place;
mod project;
mod schema;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

pub use ahead::is_ahead;
pub use change::{Change, Move};
pub use error::StoreError;
pub use judgement::{Judgement, Judgements};
pub use own::Choice;
pub use place::{Places, file_name, find};
pub use project::Project;
pub use writer::{State, Writer};

use crate::annotation::{CategoryId, Dataset, History, ImageId, InstanceId};
use crate::mask::fnv1a;

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
    /// The class that was chosen last.
    pub class: Option<CategoryId>,
    /// The colours that a person chose for classes: red, green and blue.
    pub colors: BTreeMap<CategoryId, [u8; 3]>,
    /// Which of the usual colours each class has, or had before it went; nothing where all have those of their places.
    pub hues: BTreeMap<CategoryId, usize>,
    /// The digits that a person gave to classes.
    pub digits: BTreeMap<u8, CategoryId>,
    /// The objects that are exemplars of a class, the oldest first.
    pub exemplars: Vec<(CategoryId, InstanceId)>,
    /// The digits of classes that went, by the version of the step that they went with.
    pub digits_away: BTreeMap<(CategoryId, u64), u8>,
    /// The exemplars of classes that went, with the version of the step that they went with.
    pub exemplars_away: Vec<(CategoryId, u64, InstanceId)>,
    /// The annotation file that holds what the project held at version `exported`.
    pub target: Option<Target>,
    /// The version that the target holds.
    pub exported: u64,
    /// The folder that a person chose for the images.
    pub image_folder: Option<PathBuf>,
    /// The names of images of the folder that were left out before the history begins.
    pub left_out: BTreeSet<String>,
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
    /// The hash of its bytes; `None` where it is not known.
    pub hash: Option<u64>,
}

impl Target {
    /// The file at `path` as it is now, without its hash.
    ///
    /// # Errors
    /// When there is none that can be seen.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let data = path.metadata()?;
        let since = data.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self { path: path.to_owned(), length_bytes: data.len(), modified_ns: since.as_nanos() as u64, hash: None })
    }

    /// The file at `path` as it is now; all of it is read.
    ///
    /// # Errors
    /// When there is none that can be read.
    pub fn hashed(path: &Path) -> std::io::Result<Self> {
        let target = Self::of(path)?;
        let mut failure = None;
        let bytes = BufReader::with_capacity(1 << 20, File::open(path)?).bytes();
        let hash = fnv1a(bytes.map_while(|byte| byte.map_err(|error| failure = Some(error)).ok()));
        if let Some(error) = failure {
            return Err(error);
        }
        // The hash of a file that is written meanwhile is that of no state.
        let hash = Some(hash).filter(|_| !target.is_outdated());
        Ok(Self { hash, ..target })
    }

    /// The file as it is now, where it was written since with the same bytes; all of it may be read.
    pub fn touched(&self) -> Option<Self> {
        if !self.is_in_doubt() {
            return None;
        }
        Self::hashed(&self.path).ok().filter(|now| now.hash == self.hash)
    }

    /// Whether the file was written since and is as long as it was, so that only its bytes tell whether they are others.
    pub fn is_in_doubt(&self) -> bool {
        let is_rewritten = |now: Self| now.length_bytes == self.length_bytes && now.modified_ns != self.modified_ns;
        self.hash.is_some() && Self::of(&self.path).is_ok_and(is_rewritten)
    }

    /// Whether the file is no longer as it was; a file that is gone is.
    pub fn is_outdated(&self) -> bool {
        let stamp = |target: &Self| (target.length_bytes, target.modified_ns);
        !Self::of(&self.path).is_ok_and(|now| stamp(&now) == stamp(self))
    }
}
