//! Where the project of a data set stands: beside the data, or in the state folder where that cannot be written.

use std::path::{Path, PathBuf};

use super::{Project, StoreError, own};
use crate::mask::fnv1a;

/// The ending of project files.
pub(super) const ENDING: &str = "annotator.db";

/// The files that may be the project of a data set, the best one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    beside: PathBuf,
    elsewhere: PathBuf,
}

impl Places {
    /// The places for the file or folder `data`, an absolute path; `state` is the program's own folder.
    pub fn of(data: &Path, state: &Path) -> Self {
        let beside = if data.is_dir() {
            data.join(format!("annotations.{ENDING}"))
        } else {
            // Names that are no text are other names still.
            let mut name = data.file_stem().unwrap_or_default().to_owned();
            name.push(format!(".{ENDING}"));
            data.with_file_name(name)
        };
        Self { beside, elsewhere: state.join(file_name(data, ENDING)) }
    }

    /// The place beside the data.
    pub fn beside(&self) -> &Path {
        &self.beside
    }

    /// The place in the state folder.
    pub fn elsewhere(&self) -> &Path {
        &self.elsewhere
    }

    /// Both, the best one first.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        [self.beside(), self.elsewhere()].into_iter()
    }
}

/// A file name for what belongs to `data`, an absolute path, but stands in another folder.
pub fn file_name(data: &Path, ending: &str) -> String {
    let hash = fnv1a(data.as_os_str().as_encoded_bytes().iter().copied());
    format!("{}-{hash:016x}.{ending}", data.file_stem().unwrap_or_default().to_string_lossy())
}

/// Opens the project that stands at one of `places`; `None` where there is none. The one in the state folder is a person's
/// own and comes first; for one that is read-only beside the data it begins as a copy of that.
///
/// # Errors
/// As [`Project::open`]; and [`StoreError::Outdated`] where the project beside the data holds other work by now than that
/// from which the own one began.
pub fn find(places: &Places) -> Result<Option<Project>, StoreError> {
    find_with(places, Project::open)
}

pub(super) fn find_with(places: &Places, open: impl Fn(&Path) -> Result<Project, StoreError>) -> Result<Option<Project>, StoreError> {
    let (beside, elsewhere) = (places.beside(), places.elsewhere());
    if elsewhere.is_file() {
        let mut project = open(elsewhere)?;
        if beside.is_file() && own::is_outdated(&mut project, beside) {
            return Err(StoreError::Outdated { places: places.clone() });
        }
        return Ok(Some(project));
    }
    if !beside.is_file() {
        return Ok(None);
    }
    match open(beside) {
        Err(StoreError::ReadOnly { .. }) => own::begin(beside, elsewhere).map(Some),
        opened => opened.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk;

    #[test]
    fn names_that_are_shown_alike_have_places_of_their_own() {
        let of = |name: &[u8]| Places::of(&Path::new("/far").join(disk::path_of(name)), Path::new("/state"));
        let (one, other) = if cfg!(unix) { (of(b"\xff.json"), of(b"\xfe.json")) } else { (of(&[0x00, 0xd8]), of(&[0x01, 0xd8])) };
        assert!(one.all().zip(other.all()).all(|(one, other)| one != other), "{one:?}, {other:?}");
        let plain = Places::of(Path::new("/far/a.json"), Path::new("/state"));
        assert_eq!(plain.beside(), Path::new("/far/a.annotator.db"));
    }
}
