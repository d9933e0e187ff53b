//! A folder that appears whole or not at all: it is filled under another name beside its place and then renamed. One that
//! is there already, empty, keeps its place, which may be a link, a mount point or where a shell stands: it is filled in a
//! folder inside, whose contents then move up.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::exchange::{ExchangeError, Watch, by_image, stems};
use crate::annotation::{Dataset, Image, Instance};
use crate::disk;
use crate::job::Meter;

/// A folder that is being filled. Dropped before [`Stage::publish`], it leaves nothing behind.
#[derive(Debug)]
pub struct Stage {
    folder: TempDir,
    target: PathBuf,
    is_inside: bool,
}

impl Stage {
    /// A stage for the folder `target`, which must not exist yet or be empty.
    ///
    /// # Errors
    /// When `target` holds something, or nothing can be made beside it or, where it exists, in it.
    pub fn new(target: &Path) -> Result<Self, ExchangeError> {
        // What a process that ended left there is nothing.
        let is_empty = |mut entries: fs::ReadDir| entries.all(|entry| entry.is_ok_and(|entry| disk::is_temporary(&entry.file_name())));
        let is_inside = match fs::read_dir(target).map(is_empty) {
            Ok(false) => return Err(ExchangeError::NotEmpty { path: target.to_owned() }),
            Ok(true) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !target.is_symlink() => false,
            Err(error) => return Err(ExchangeError::io(target)(error)),
        };
        let parent = match target.parent() {
            _ if is_inside => target,
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let folder = disk::temporary_folder(parent).map_err(ExchangeError::io(parent))?;
        Ok(Self { folder, target: target.to_owned(), is_inside })
    }

    /// The folder to fill.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes one file of the folder; folders on the way to it are made.
    ///
    /// # Errors
    /// When the disk does not allow it.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), ExchangeError> {
        let (path, shown) = self.place(name)?;
        fs::write(&path, content).map_err(ExchangeError::io(&shown))
    }

    /// Copies the file `from` into the folder, under `name`; folders on the way to it are made.
    ///
    /// # Errors
    /// When the file cannot be read, or the disk does not allow it, for instance because it is full.
    pub fn copy(&self, name: &str, from: &Path) -> Result<(), ExchangeError> {
        let mut source = File::open(from).map_err(ExchangeError::io(from))?;
        let (path, shown) = self.place(name)?;
        let copied = File::create(&path).and_then(|mut file| io::copy(&mut source, &mut file));
        copied.map(|_| ()).map_err(ExchangeError::io(&shown))
    }

    /// Where the file `name` is written, and where a person will find it.
    fn place(&self, name: &str) -> Result<(PathBuf, PathBuf), ExchangeError> {
        let (path, shown) = (self.path().join(name), self.target.join(name));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(ExchangeError::io(&shown))?;
        }
        Ok((path, shown))
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// When something took the place meanwhile.
    pub fn publish(self) -> Result<(), ExchangeError> {
        if self.is_inside {
            return self.move_up();
        }
        let path = self.folder.keep();
        fs::rename(&path, &self.target).map_err(ExchangeError::io(&self.target)).inspect_err(|_| {
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(%error, path = %path.display(), "the unfinished folder could not be removed");
            }
        })
    }

    fn move_up(self) -> Result<(), ExchangeError> {
        let fault = |source| ExchangeError::Io { path: self.target.clone(), source };
        let names = |folder: &Path| -> io::Result<Vec<_>> { fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect() };
        let (found, made) = (names(&self.target).map_err(fault)?, names(self.path()).map_err(fault)?);
        if found.iter().any(|name| !disk::is_temporary(name)) {
            return Err(ExchangeError::NotEmpty { path: self.target.clone() });
        }
        let moved = made.iter().try_for_each(|name| fs::rename(self.path().join(name), self.target.join(name)));
        if let Err(error) = moved {
            // Whole or not at all: what was moved goes back, and then with the folder.
            for name in made.iter().filter(|name| !self.path().join(name).exists()) {
                fs::rename(self.target.join(name), self.path().join(name)).ok();
            }
            return Err(fault(error));
        }
        if let Err(error) = self.folder.close() {
            tracing::warn!(%error, path = %self.target.display(), "the emptied folder could not be removed");
        }
        Ok(())
    }
}

/// A stage for the folder `target` that `each` has filled with what it makes of every image: its place, its file name
/// without the ending, and its objects.
///
/// # Errors
/// As [`Stage::new`]; when two images would have the same files, `watch` was cancelled, or `each` fails.
pub(super) fn filled(
    dataset: &Dataset,
    target: &Path,
    watch: &mut Watch<'_>,
    mut each: impl FnMut(&Stage, &Image, &str, Vec<&Instance>) -> Result<(), ExchangeError>,
) -> Result<Stage, ExchangeError> {
    let stems = stems(dataset)?;
    let stage = Stage::new(target)?;
    let meter = Meter::start("Writing", dataset.images.len() as u64);
    for (place, objects) in by_image(dataset).into_iter().enumerate() {
        watch.step(&meter, place)?;
        each(&stage, &dataset.images[place], &stems[place], objects)?;
    }
    Ok(stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        let stage = Stage::new(&target).unwrap();
        stage.write("a/b.txt", b"1").unwrap();
        assert!(!target.exists());
        drop(stage);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::create_dir(&target).unwrap();
        let stage = Stage::new(&target).unwrap();
        stage.write("a/b.txt", b"1").unwrap();
        stage.publish().unwrap();
        assert_eq!(fs::read(target.join("a/b.txt")).unwrap(), b"1");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(matches!(Stage::new(&target), Err(ExchangeError::NotEmpty { .. })));
        assert!(Stage::new(&folder.path().join("none/out")).unwrap_err().to_string().contains("none"));
    }

    #[cfg(unix)]
    #[test]
    fn an_empty_folder_is_filled_where_it_is() {
        use std::os::unix::fs::{MetadataExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("out"), folder.path().join("link"));
        symlink(&target, &link).unwrap();
        assert!(Stage::new(&link).is_err(), "nothing is there, and only the link could be replaced");
        fs::create_dir(&target).unwrap();
        let inode = target.metadata().unwrap().ino();
        drop(Stage::new(&link).unwrap());
        let stage = Stage::new(&link).unwrap();
        stage.write("a/b.txt", b"1").unwrap();
        stage.write("c.txt", b"2").unwrap();
        // What another one has begun there, or has left, is nothing as long as it is not complete.
        let late = Stage::new(&link).unwrap();
        late.write("c.txt", b"3").unwrap();
        stage.publish().unwrap();
        assert!(matches!(late.publish(), Err(ExchangeError::NotEmpty { .. })), "somebody else was faster");
        assert!(link.is_symlink());
        assert_eq!(target.metadata().unwrap().ino(), inode);
        assert_eq!((fs::read(target.join("a/b.txt")).unwrap(), fs::read(link.join("c.txt")).unwrap()), (b"1".to_vec(), b"2".to_vec()));
        assert_eq!(fs::read_dir(&target).unwrap().count(), 2, "nothing else is left");
    }
}
