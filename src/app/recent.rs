//! The data sets that were opened last: a small file for each, so that windows which are open at once never write the same
//! one, and none loses what another keeps.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::state::State;
use crate::disk;
use crate::store;

/// So many are offered.
const KEPT: usize = 8;

/// The ending of the files.
const ENDING: &str = "recent";

impl State {
    /// The data sets that were opened last, without the one that is open.
    pub(super) fn others_opened(&self) -> impl Iterator<Item = &PathBuf> {
        let open = self.document.source.path();
        self.recent.iter().filter(move |path| Some(path.as_path()) != open)
    }
}

/// The folder of the files in the program's own folder `state`.
fn folder(state: &Path) -> PathBuf {
    state.join(ENDING)
}

/// The file for `data`, an absolute path.
fn place(state: &Path, data: &Path) -> PathBuf {
    folder(state).join(store::file_name(data, ENDING))
}

/// The data sets, the one that was opened last first.
pub(super) fn list(state: &Path) -> Vec<PathBuf> {
    files(state).take(KEPT).filter_map(|file| Some(disk::path_of(&std::fs::read(file).ok()?))).collect()
}

/// Remembers that `data`, an absolute path, is opened now, and gives the list.
pub(super) fn keep(state: &Path, data: &Path) -> Vec<PathBuf> {
    if let Err(error) = write(state, data) {
        tracing::warn!(%error, "what was opened cannot be remembered");
    }
    list(state)
}

/// Forgets `data`.
pub(super) fn forget(state: &Path, data: &Path) {
    remove(&place(state, data));
}

fn write(state: &Path, data: &Path) -> io::Result<()> {
    let folder = folder(state);
    std::fs::create_dir_all(&folder)?;
    let mut file = disk::temporary(&folder)?;
    file.write_all(&disk::path_bytes(data))?;
    file.as_file().set_modified(SystemTime::now())?;
    file.persist(place(state, data))?;
    files(state).skip(KEPT).for_each(|file| remove(&file));
    Ok(())
}

fn remove(file: &Path) {
    if let Err(error) = std::fs::remove_file(file) {
        // Another window may have removed it.
        tracing::debug!(%error, path = %file.display(), "what was opened cannot be forgotten");
    }
}

/// The files, the newest first.
fn files(state: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder(state)).into_iter().flatten().flatten().map(|entry| entry.path());
    let dated = |path: PathBuf| Some((path.metadata().ok()?.modified().ok()?, path));
    let is_one = |path: &PathBuf| path.extension().is_some_and(|ending| ending == ENDING);
    let mut files: Vec<(SystemTime, PathBuf)> = entries.filter(is_one).filter_map(dated).collect();
    files.sort();
    files.into_iter().rev().map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_eight_are_kept_the_newest_first_and_without_loss() {
        let state = tempfile::tempdir().unwrap();
        assert!(list(state.path()).is_empty());
        let odd = |number: u8| {
            let name = if cfg!(unix) { vec![b's', 0xff, b'a' + number] } else { vec![b's', 0, 0x00, 0xd8, b'a' + number, 0] };
            Path::new("/far").join(disk::path_of(&name))
        };
        for number in 1..=10 {
            assert_eq!(keep(state.path(), &odd(number)).first(), Some(&odd(number)));
        }
        assert_eq!(keep(state.path(), &odd(5)).len(), KEPT, "no path is there twice");
        forget(state.path(), &odd(9));
        forget(state.path(), &odd(9));
        assert_eq!(list(state.path()), [5, 10, 8, 7, 6, 4, 3].map(odd));
        assert_eq!(std::fs::read_dir(folder(state.path())).unwrap().count(), 7, "nothing else is left");
    }

    #[test]
    fn windows_that_are_open_at_once_lose_nothing() {
        let state = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for number in 0..KEPT {
                let state = state.path();
                scope.spawn(move || keep(state, Path::new(&format!("/far/{number}.json"))));
            }
        });
        let mut kept = list(state.path());
        kept.sort();
        let all: Vec<PathBuf> = (0..KEPT).map(|number| PathBuf::from(format!("/far/{number}.json"))).collect();
        assert_eq!(kept, all);
    }
}
