//! Whether a project that is not open holds more than its annotation file: a look at two numbers and the reviewed marks.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::StoreError;
use super::load::Reader;
use super::project::with_ending;

/// Whether the project file at `path` holds work that its annotation file lacks, which holds no reviewed marks at all. It does
/// where that cannot be told: where a window has it open or was broken off, and where an older version of the program wrote it.
/// Nothing is locked, brought to a newer format or written.
pub fn is_ahead(path: &Path) -> bool {
    let Some(uri) = uri(path) else { return true };
    // The log holds what was written last.
    with_ending(path, "-wal").exists()
        || has_work(&uri, path).unwrap_or_else(|error| {
            tracing::warn!(%error, "it is not known what is in the project");
            true
        })
}

fn has_work(uri: &str, path: &Path) -> Result<bool, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags).map_err(|error| StoreError::of(path, error))?;
    let reader = Reader { connection: &connection, path };
    let marks = connection.query_row("SELECT EXISTS (SELECT 1 FROM reviewed)", [], |row| row.get(0));
    let has_marks: bool = marks.map_err(|error| StoreError::of(path, error))?;
    Ok(has_marks || reader.version()? != reader.number("exported")?.unwrap_or(0))
}

/// The database at `path` as one that nobody writes, so that reading it makes no file beside it; `None` for a name that is no
/// text.
fn uri(path: &Path) -> Option<String> {
    let name = path.to_str()?.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let name = if cfg!(windows) { format!("/{}", name.replace('\\', "/")) } else { name };
    Some(format!("file:{name}?immutable=1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::ImageId;
    use crate::job::Cancel;
    use crate::store::{Contents, Places, Project};

    #[test]
    fn a_project_is_ahead_where_its_file_has_another_version_or_no_marks_or_nobody_can_tell() {
        let folder = tempfile::tempdir().unwrap();
        let places = |name: &str| Places::of(&folder.path().join(name), &folder.path().join("state"));
        let create = |name: &str, contents: Contents| {
            let places = places(name);
            drop(Project::create(&places, &contents, &Cancel::new(), &mut |_| ()).unwrap());
            places.beside().to_owned()
        };
        let same = create("50 % #1.json", Contents::default());
        let other = create("50 % #2.json", Contents { exported: 7, ..Contents::default() });
        let reviewed = create("50 % #3.json", Contents { reviewed: [ImageId(1)].into(), ..Contents::default() });
        let count = || std::fs::read_dir(folder.path()).unwrap().count();
        let before = count();
        assert_eq!([&same, &other, &reviewed].map(|path| is_ahead(path)), [false, true, true]);
        assert_eq!(count(), before, "nothing is left beside them");
        let project = Project::open(&same).unwrap();
        assert!(is_ahead(&same), "it is open");
        drop(project);
        assert!(!is_ahead(&same));
        std::fs::write(&same, "no database").unwrap();
        assert!(is_ahead(&same));
    }
}
