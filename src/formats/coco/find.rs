//! Which COCO file a folder stands for: people name the folder of a data set, or that of its images.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rayon::prelude::*;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::ReadError;

/// Images whose names are compared with the files of a folder.
const COMPARED: usize = 8;
/// So many folders in a folder without a COCO file are looked at for one, the first by name.
const PARTS: usize = 16;

/// The COCO file that `path` stands for: itself, or for a folder the one in it, in the folder `annotations` in it, or, where
/// it holds most images of that file, one level up. `annotations.json` in the folder goes before all others.
///
/// # Errors
/// [`ReadError::NoFile`] and [`ReadError::Several`], for a folder without or with several such files.
pub fn file_of(path: &Path) -> Result<PathBuf, ReadError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    // The folder above `images` and `.` is not in their names.
    let path = &std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let usual = path.join("annotations.json");
    if usual.is_file() {
        return Ok(usual);
    }
    let mut files = data_sets(path, |_| true);
    if files.is_empty()
        && let Some(above) = path.parent()
    {
        // Beside a folder of this name lie masks and the like under the same names.
        let is_other = |other: &PathBuf| !path.ends_with("images") && other != path && other.is_dir();
        // Only looked for where a file names an image that is here.
        let others = LazyLock::new(|| listed(above).into_iter().filter(is_other).collect::<Vec<_>>());
        files = data_sets(above, |names| 2 * names.iter().filter(|name| is_inside(path, above, &others, name)).count() > names.len());
    }
    match files.len() {
        0 => Err(ReadError::NoFile { path: path.to_owned(), below: below(path) }),
        1 => Ok(files.remove(0)),
        _ => Err(ReadError::Several { path: path.to_owned(), files }),
    }
}

/// The COCO files one level below `folder`, as data sets in parts have them.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = listed(folder).into_iter().filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.iter().take(PARTS).flat_map(|part| data_sets(part, |_| true)).collect()
}

/// The entries of a folder.
fn listed(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Whether the image `name` of a file in `above` lies in `folder`, and not as well in one of the `others` beside it, as the frames of
/// several films do.
fn is_inside(folder: &Path, above: &Path, others: &impl Deref<Target = Vec<PathBuf>>, name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    let has = |folder: &Path| [folder.join(name), folder.join(last)].iter().any(|path| path.is_file());
    let from_above = above.join(name);
    (from_above.starts_with(folder) && from_above.is_file()) || (has(folder) && !others.iter().any(|other| has(other)))
}

/// The COCO files of a folder and of `annotations` in it whose first images `wanted` takes, by name.
fn data_sets(folder: &Path, wanted: impl Fn(&[String]) -> bool + Sync) -> Vec<PathBuf> {
    let is_json = |path: &PathBuf| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) && path.is_file();
    let mut files: Vec<PathBuf> = listed(folder).into_iter().chain(listed(&folder.join("annotations"))).filter(is_json).collect::<Vec<_>>();
    files = files.into_par_iter().filter(|file| first_images(file).is_some_and(|names| wanted(&names))).collect();
    files.sort();
    files
}

/// The names of the first images of a COCO file; `None` where it is none. Reads no further than needed.
fn first_images(path: &Path) -> Option<Vec<String>> {
    let mut text = BufReader::with_capacity(1 << 16, File::open(path).ok()?);
    let mark = "\u{feff}".as_bytes();
    if text.fill_buf().ok()?.starts_with(mark) {
        text.consume(mark.len());
    }
    let mut names = Vec::new();
    // The visitor ends with an error as soon as it knows enough, so that how it ended says nothing.
    serde_json::Deserializer::from_reader(text).deserialize_map(Members(&mut names)).ok();
    (!names.is_empty()).then_some(names)
}

struct Members<'a>(&'a mut Vec<String>);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the members of a COCO file")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "images" => {
                    map.next_value_seed(Images(self.0))?;
                    return Err(A::Error::custom("enough is known"));
                }
                // A file of labelme, one for each image.
                "shapes" => return Err(A::Error::custom("another format")),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Record {
    file_name: Option<String>,
    coco_url: Option<String>,
}

struct Images<'a>(&'a mut Vec<String>);

impl<'de> DeserializeSeed<'de> for Images<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Images<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of images")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while self.0.len() < COMPARED
            && let Some(record) = list.next_element::<Record>()?
        {
            self.0.extend(record.file_name.or_else(|| Some(record.coco_url?.rsplit('/').next()?.to_owned())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = r#"{"info": {}, "images": [{"id": 1, "file_name": "a.png"}], "annotations": [], "categories": []}"#;

    #[test]
    fn a_folder_stands_for_its_one_coco_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("images")).unwrap();
        std::fs::create_dir_all(at("other")).unwrap();
        std::fs::write(at("images/a.png"), "").unwrap();
        std::fs::write(at("labelme.json"), r#"{"version": "5", "shapes": [], "images": [{"file_name": "a.png"}]}"#).unwrap();
        std::fs::write(at("results.json"), "[]").unwrap();
        std::fs::write(at("broken.json"), r#"{"images": [7"#).unwrap();
        assert!(matches!(file_of(folder.path()), Err(ReadError::NoFile { below, .. }) if below.is_empty()));
        std::fs::write(at("other/_annotations.coco.json"), SET).unwrap();
        let parts = file_of(folder.path()).unwrap_err().to_string();
        assert!(parts.contains("other/_annotations.coco.json"), "{parts}");
        std::fs::remove_file(at("other/_annotations.coco.json")).unwrap();
        for part in 0..=PARTS {
            let part = at(&format!("parts/{part:02}"));
            std::fs::create_dir_all(&part).unwrap();
            std::fs::write(part.join("set.json"), SET).unwrap();
        }
        let Err(ReadError::NoFile { below, .. }) = file_of(&at("parts")) else { panic!("the parts are several") };
        assert!(below.len() == PARTS && !below.contains(&at("parts/16/set.json")), "{below:?}");
        std::fs::write(at("set.json"), format!("\u{feff}{SET}")).unwrap();
        assert_eq!(file_of(folder.path()).unwrap(), at("set.json"));
        assert_eq!(file_of(&at("images")).unwrap(), at("set.json"), "the file above holds this folder's image");
        assert!(file_of(&at("other")).is_err(), "the file above holds no image of this folder");
        std::fs::create_dir_all(at("film")).unwrap();
        std::fs::write(at("film/a.png"), "").unwrap();
        assert!(file_of(&at("film")).is_err(), "the image of the file above may be another of this name");
        assert_eq!(file_of(&at("images")).unwrap(), at("set.json"));
        let more = SET.replace(r#""images": ["#, r#""images": [{"id": 2, "file_name": "b.png"}, "#);
        std::fs::write(at("set.json"), &more).unwrap();
        assert!(file_of(&at("images")).is_err(), "of the file above the half is elsewhere");
        std::fs::write(at("set.json"), SET).unwrap();
        std::fs::create_dir(at("annotations")).unwrap();
        std::fs::write(at("annotations/val.json"), SET).unwrap();
        let several = file_of(folder.path()).unwrap_err();
        assert!(several.to_string().contains("set.json") && several.to_string().contains("val.json"), "{several}");
        std::fs::write(at("annotations.json"), SET).unwrap();
        assert_eq!(file_of(folder.path()).unwrap(), at("annotations.json"));
        assert_eq!(file_of(&at("set.json")).unwrap(), at("set.json"));
    }
}
