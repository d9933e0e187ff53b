//! What is remembered about a path besides its annotations: the image that was shown and the reviewed marks. Kept in
//! the state folder, because no annotation format has a place for them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The memory of one path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Session {
    /// The path that was opened.
    pub path: PathBuf,
    /// The index of the image that was shown.
    pub image: usize,
    /// The ids of the images that are marked as reviewed.
    pub reviewed: Vec<i64>,
}

/// A file name for what belongs to `path` but stands elsewhere.
pub(super) fn file_name(path: &Path, ending: &str) -> String {
    // FNV-1a: short, and the same on every platform and in every version.
    let hash = path
        .to_string_lossy()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("{stem}-{hash:016x}.{ending}")
}

/// The memory of `path`; an empty one where there is none.
pub(super) fn read(state: &Path, path: &Path) -> Session {
    let file = state.join(file_name(path, "session.json"));
    std::fs::read_to_string(file).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Stores the memory.
///
/// # Errors
/// When the state folder cannot be written.
pub(super) fn write(state: &Path, session: &Session) -> anyhow::Result<()> {
    std::fs::create_dir_all(state)?;
    let mut file = tempfile::NamedTempFile::new_in(state)?;
    serde_json::to_writer(&mut file, session)?;
    file.persist(state.join(file_name(&session.path, "session.json")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back() {
        let state = tempfile::tempdir().unwrap();
        let session = Session { path: "/data/a.json".into(), image: 3, reviewed: vec![7, 9] };
        write(state.path(), &session).unwrap();
        assert_eq!(read(state.path(), Path::new("/data/a.json")), session);
        assert_eq!(read(state.path(), Path::new("/data/b.json")), Session::default());
    }
}
