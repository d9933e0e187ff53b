//! An open project.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tempfile::NamedTempFile;

use super::change::set;
use super::load::Reader;
use super::own::Origin;
use super::schema::{MIGRATIONS, migrate};
use super::{Change, Contents, Judgements, Places, StoreError, create};
use crate::annotation::History;
use crate::disk::{self, Identity};
use crate::job::{Cancel, Progress};
use crate::mask::fnv1a;

/// So long a lock is waited for: a process that has just ended, or was broken off, may take seconds to let go.
const PATIENCE: Duration = Duration::from_secs(4);

/// A project that this process owns until the value goes; on disk, or in memory while no disk takes it.
#[derive(Debug)]
pub struct Project {
    connection: Connection,
    path: PathBuf,
    /// The file that was opened; another one may have its name by now.
    file: Option<Identity>,
    homeless: Option<Homeless>,
}

/// Why a project is in memory, and where it wants to go.
#[derive(Debug)]
struct Homeless {
    why: String,
    places: Places,
}

impl Project {
    /// Makes a project at the first of `places` that takes one; it appears there complete or not at all. Where no place
    /// takes it, the project lives in memory: see [`Self::unwritten`].
    ///
    /// # Errors
    /// When the job was cancelled, or when there is a project already: another process has just made it.
    pub fn create(places: &Places, contents: &Contents, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> Result<Self, StoreError> {
        let mut why = Vec::new();
        for path in places.all() {
            match Self::create_at(path, contents, cancel, progress) {
                Ok(project) => return Ok(project),
                Err(error @ (StoreError::InUse { .. } | StoreError::Cancelled { .. })) => return Err(error),
                Err(error) => why.push(error.to_string()),
            }
        }
        let path = places.beside().to_owned();
        let mut connection = Connection::open_in_memory().map_err(|error| StoreError::of(&path, error))?;
        migrate(&mut connection, MIGRATIONS, &path)?;
        create::fill(&connection, &path, contents, cancel, progress)?;
        let homeless = Homeless { why: why.join("; "), places: places.clone() };
        Ok(Self { connection, path, file: None, homeless: Some(homeless) })
    }

    fn create_at(path: &Path, contents: &Contents, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> Result<Self, StoreError> {
        let new = temporary(path)?;
        {
            let mut connection = Connection::open(new.path()).map_err(|error| StoreError::of(path, error))?;
            // Nothing of value can be lost before the file gets its name.
            connection
                .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;")
                .map_err(|error| StoreError::of(path, error))?;
            migrate(&mut connection, MIGRATIONS, path)?;
            create::fill(&connection, path, contents, cancel, progress)?;
        }
        settle(new, path)?;
        Self::open(path)
    }

    /// Opens the project at `path` and locks it against other processes until the value goes. What an ended process left
    /// behind is recovered.
    ///
    /// # Errors
    /// When another process has it open, or it is damaged, of a newer version, read-only or no project.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_as(path, path)
    }

    /// As [`Self::open`] for the database `file`, which errors call `path`.
    pub(super) fn open_as(file: &Path, path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(file, flags).map_err(|error| StoreError::of(path, error))?;
        // Its lock would fail as a fault of the disk.
        if connection.is_readonly(rusqlite::MAIN_DB).map_err(|error| StoreError::of(path, error))? {
            return Err(StoreError::ReadOnly { path: path.to_owned() });
        }
        prepare(&mut connection).map_err(|error| StoreError::of(path, error))?;
        migrate(&mut connection, MIGRATIONS, path)?;
        Ok(Self { connection, path: path.to_owned(), file: Identity::of(file), homeless: None })
    }

    /// The project file; for a project in memory the one that it wants to be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why the project is in memory only; `None` where it is on disk.
    pub fn unwritten(&self) -> Option<&str> {
        self.homeless.as_ref().map(|homeless| homeless.why.as_str())
    }

    /// What is needed to show the image that was shown last: all but the history, the judgements and the instances of other
    /// images.
    ///
    /// # Errors
    /// When the project cannot be read.
    pub fn first(&self) -> Result<Contents, StoreError> {
        Reader { connection: &self.connection, path: &self.path }.first()
    }

    /// Everything.
    ///
    /// # Errors
    /// When the project cannot be read or the job was cancelled.
    pub fn load(&self, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> Result<Contents, StoreError> {
        Reader { connection: &self.connection, path: &self.path }.all(cancel, progress)
    }

    /// What was said of the outlines that objects have or had.
    ///
    /// # Errors
    /// When the project cannot be read.
    pub fn judged(&self) -> Result<Judgements, StoreError> {
        Reader { connection: &self.connection, path: &self.path }.judged()
    }

    /// The steps, and whether they are done or taken back.
    ///
    /// # Errors
    /// When the project cannot be read.
    pub fn history(&self) -> Result<History, StoreError> {
        Reader { connection: &self.connection, path: &self.path }.history()
    }

    /// Gives the project other contents, as one transaction; its lock stays.
    ///
    /// # Errors
    /// When the job was cancelled or the disk does not take them; the project is then as before.
    pub fn refill(&mut self, contents: &Contents, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> Result<(), StoreError> {
        create::fill(&self.connection, &self.path, contents, cancel, progress)
    }

    /// Writes one change as one transaction, which is on the disk when this returns.
    ///
    /// # Errors
    /// When the disk does not take it; the project is then as before.
    pub fn write(&mut self, change: &Change) -> Result<(), StoreError> {
        change.write(&mut self.connection).map_err(|error| StoreError::of(&self.path, error))
    }

    /// Moves a project from memory to the first of its places that takes it by now, and makes the file of one on disk anew
    /// where others removed it. Does nothing for one that is in its place.
    ///
    /// # Errors
    /// When still no place takes it.
    pub fn settle(&mut self) -> Result<(), StoreError> {
        let Some(homeless) = &self.homeless else { return self.restore() };
        let mut result = Ok(());
        for path in homeless.places.clone().all() {
            result = self.settle_at(path).map(|project| *self = project);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    /// Makes the file anew where others removed it.
    fn restore(&mut self) -> Result<(), StoreError> {
        if Identity::of(&self.path) == self.file {
            return Ok(());
        }
        // What has the name by now is left alone, and a folder that was removed or moved as a whole is not made anew.
        let has_folder = self.path.parent().is_some_and(Path::is_dir);
        if self.path.exists() || !has_folder {
            return Err(StoreError::Removed { path: self.path.clone() });
        }
        *self = self.settle_at(&self.path)?;
        Ok(())
    }

    /// Copies the project to `path`, where it appears complete or not at all, and opens it there.
    pub(super) fn settle_at(&self, path: &Path) -> Result<Self, StoreError> {
        let new = temporary(path)?;
        // Names are bytes, not always text.
        let name = ValueRef::Text(new.path().as_os_str().as_encoded_bytes());
        self.connection.execute("VACUUM INTO ?1", [ToSqlOutput::Borrowed(name)]).map_err(|error| StoreError::of(path, error))?;
        settle(new, path)?;
        Self::open(path)
    }

    /// What the project began from where it is a copy.
    pub(super) fn origin(&self) -> Result<Option<Origin>, StoreError> {
        let reader = Reader { connection: &self.connection, path: &self.path };
        let origin = reader.number("origin_stamp")?.zip(reader.number("origin_work")?);
        Ok(origin.map(|(stamp, work)| Origin { stamp, work }))
    }

    /// Keeps what the project began from.
    pub(super) fn set_origin(&mut self, origin: Origin) -> Result<(), StoreError> {
        let written = self.connection.transaction().and_then(|transaction| {
            set(&transaction, "origin_stamp", origin.stamp as i64)?;
            set(&transaction, "origin_work", origin.work as i64)?;
            transaction.commit()
        });
        written.map_err(|error| StoreError::of(&self.path, error))
    }

    /// A number that is another one after every step and every mark of a person, and where the annotation file was read
    /// anew; none of it where somebody has only looked.
    pub(super) fn work(&self) -> Result<u64, StoreError> {
        let first = self.first()?;
        let file = first.target.and_then(|target| target.hash).unwrap_or(0);
        let counted = [first.history.revision(), file, first.dataset.images.len() as u64];
        let marked = first.reviewed.into_iter().map(|image| image.0 as u64);
        Ok(fnv1a(counted.into_iter().chain(marked).flat_map(u64::to_le_bytes)))
    }

    #[cfg(test)]
    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// Sets the connection up and takes the lock, which this process holds from then on.
fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;")?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(32);
    // A transaction that changes nothing fails on a read-only file and takes the lock.
    connection.transaction_with_behavior(TransactionBehavior::Exclusive)?.commit()
}

/// The folder that holds `path`.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// The file that `SQLite` keeps beside the project at `path` under this ending.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// An empty file beside `path`, which goes with the value unless it gets a name.
fn temporary(path: &Path) -> Result<NamedTempFile, StoreError> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder).and_then(|()| disk::temporary(folder)).map_err(|error| StoreError::io(folder, error))
}

/// Gives a complete project file its name.
fn settle(new: NamedTempFile, path: &Path) -> Result<(), StoreError> {
    let io = |error| StoreError::io(path, error);
    new.as_file().sync_all().map_err(io)?;
    // A project that is there by now is that of another window; what else has the name is in the way.
    let taken = |error| if path.is_file() { StoreError::InUse { path: path.to_owned() } } else { io(error) };
    if path.exists() {
        return Err(taken(std::io::ErrorKind::AlreadyExists.into()));
    }
    // A log that another project of this name left would be taken for this one's.
    for ending in ["-wal", "-shm", "-journal"] {
        let name = with_ending(path, ending);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(StoreError::io(&name, error)),
            _ => {}
        }
    }
    new.persist_noclobber(path).map_err(|error| taken(error.error))?;
    if let Some(folder) = path.parent() {
        disk::sync_names(folder);
    }
    Ok(())
}
