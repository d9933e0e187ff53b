//! The pictures that `data.yaml` names, as Ultralytics takes them: `train`, `val` and `test` are folders of pictures or lists
//! of them, which start from the folder `path`. That one starts from the folder of the file, not from where the program runs.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::names::strings;
use super::read::{Picture, Source, text_files};
use super::{label_of, upright};
use crate::annotation::Image;
use crate::formats::exchange::{ExchangeError, Fault, Watch, read_text};
use crate::formats::loss::{Kind, Tally};
use crate::formats::{Problem, Record, Report, Warning, folder};
use crate::geometry::Size;

/// The members that name pictures.
const SPLITS: [&str; 3] = ["train", "val", TEST];
/// The one that no trainer needs: exports name it also where they have no picture for it.
const TEST: &str = "test";

/// A folder or list, with the member that names it.
type Split = (&'static str, String);

/// The pictures that `file` names, each once; `None` where it names none. What is not there and what lies elsewhere is
/// counted.
///
/// # Errors
/// When a folder or list that is needed is not there.
pub(super) fn named(file: &Path, tally: &mut Tally, watch: &mut Watch<'_>) -> Result<Option<Source>, ExchangeError> {
    if file.extension() == Some(OsStr::new("txt")) {
        return Ok(None);
    }
    let text = read_text(file)?;
    let fault = |fault| ExchangeError::record(file, "the file", fault);
    let member = |name: &'static str| -> Result<Vec<String>, ExchangeError> {
        let texts = strings(&text, name).map_err(|error| fault(Fault::Yaml(error)))?;
        texts.ok_or_else(|| fault(Fault::Member(name)))
    };
    let mut splits: Vec<Split> = Vec::new();
    for name in SPLITS {
        splits.extend(member(name)?.into_iter().map(|place| (name, place)));
    }
    if splits.is_empty() {
        return Ok(None);
    }
    let home = file.parent().unwrap_or(Path::new("."));
    let root = root(home, member("path")?.into_iter().next(), &splits, tally).map_err(fault)?;
    let mut found = Found::default();
    let mut seen = HashSet::new();
    for (name, place) in splits {
        match led_to(&root, &place) {
            Some(place) if place.is_dir() && seen.insert(place.clone()) => found.folder(&place, watch)?,
            Some(place) if !place.is_dir() && seen.insert(place.clone()) => found.list(&place, &root, tally, watch)?,
            Some(_) => {}
            None if name == TEST => tally.add(Kind::NotFound, cleaned(&root.join(place)).display()),
            None => return Err(fault(Fault::Place { member: name, place: cleaned(&root.join(place)) })),
        }
    }
    let folders: BTreeSet<&Path> = found.pictures.iter().filter_map(|(path, _)| path.parent()).collect();
    for place in folders.into_iter().filter(|place| !place.starts_with(home)) {
        tally.add(Kind::Elsewhere, place.display());
    }
    found.source(home, root).map(Some)
}

/// The folder that all `splits` start from: the one that is `wanted`, else `home`, the folder of the file. That one also where
/// the wanted one is gone and the splits are there, as in a data set that was moved.
fn root(home: &Path, wanted: Option<String>, splits: &[Split], tally: &mut Tally) -> Result<PathBuf, Fault> {
    let Some(wanted) = wanted else { return Ok(home.to_owned()) };
    let place = cleaned(&home.join(wanted));
    if place.is_dir() {
        return Ok(place.canonicalize().unwrap_or(place));
    }
    if !splits.iter().all(|(name, split)| *name == TEST || led_to(home, split).is_some()) {
        return Err(Fault::Place { member: "path", place });
    }
    tally.add(Kind::NotFound, place.display());
    Ok(home.to_owned())
}

/// The folder or list at `place`, seen from `root`. Some exports write `../` before what lies in `root`.
fn led_to(root: &Path, place: &str) -> Option<PathBuf> {
    let places = [Some(place), place.strip_prefix("../")].into_iter().flatten();
    places.map(|place| cleaned(&root.join(place))).find(|place| place.exists())
}

/// What was found so far.
#[derive(Default)]
struct Found {
    pictures: Vec<(PathBuf, Size)>,
    known: HashSet<PathBuf>,
    /// The folders of labels.
    labels: BTreeSet<PathBuf>,
    report: Report,
}

impl Found {
    fn add(&mut self, path: PathBuf, size: Size) {
        if self.known.insert(path.clone()) {
            self.pictures.push((path, size));
        }
    }

    /// Adds the pictures of a folder and the folders in it.
    fn folder(&mut self, place: &Path, watch: &mut Watch<'_>) -> Result<(), ExchangeError> {
        let (scanned, report) = folder::scan(place).map_err(ExchangeError::io(place))?;
        self.report.append(report);
        let look = |image: &Image| upright(&place.join(&image.file_name)).unwrap_or(image.size);
        let sizes = watch.map("Looking at images", &scanned.images, look)?;
        for (image, size) in scanned.images.into_iter().zip(sizes) {
            self.add(place.join(image.file_name), size);
        }
        let label = label_of(&place.join("any"));
        self.labels.extend(label.parent().filter(|folder| folder.is_dir()).map(Path::to_path_buf));
        Ok(())
    }

    /// Adds the pictures of a list, a path a line, which starts from the folder of the list, else from `root`.
    fn list(&mut self, list: &Path, root: &Path, tally: &mut Tally, watch: &mut Watch<'_>) -> Result<(), ExchangeError> {
        let text = read_text(list)?;
        let beside = list.parent().unwrap_or(root);
        let mut paths = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut places = [beside, root].into_iter().map(|folder| cleaned(&folder.join(line)));
            match places.find(|place| folder::is_picture(line) && place.is_file()) {
                Some(place) => paths.push(place),
                None => tally.add(Kind::NotFound, line),
            }
        }
        let sizes = watch.map("Looking at images", &paths, |path| upright(path))?;
        for (path, size) in paths.into_iter().zip(sizes) {
            match size {
                Ok(size) => self.add(path, size),
                Err(error) => {
                    let problem = Problem::Picture(error.to_string());
                    self.report.warnings.push(Warning { origin: path.into(), record: Record::File, problem });
                }
            }
        }
        Ok(())
    }

    /// The pictures with their names as seen from the folder `images` in `home`, where all lie in it, else from `home`.
    fn source(self, home: &Path, place: PathBuf) -> Result<Source, ExchangeError> {
        let inside = home.join("images");
        let base: &Path = if self.pictures.iter().all(|(path, _)| path.starts_with(&inside)) { &inside } else { home };
        let picture = |(path, size): (PathBuf, Size)| {
            // A name that is no text has no place in a data set.
            Some(Picture { file_name: seen_from(base, &path)?, size, labels: vec![label_of(&path)] })
        };
        let pictures = self.pictures.into_iter().filter_map(picture).collect();
        let mut texts = BTreeSet::new();
        for folder in &self.labels {
            texts.extend(text_files(folder)?);
        }
        Ok(Source { report: self.report, pictures, texts: texts.into_iter().collect(), is_mixed: true, place })
    }
}

/// A path without `.` and `..`.
fn cleaned(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

/// `path` as seen from the folder `base`; whole where both have nothing in common, `None` where it is no text.
fn seen_from(base: &Path, path: &Path) -> Option<String> {
    let shared = base.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return path.to_str().map(str::to_owned);
    }
    let up = base.components().skip(shared).map(|_| Some(".."));
    let down = path.components().skip(shared).map(|part| part.as_os_str().to_str());
    Some(up.chain(down).collect::<Option<Vec<&str>>>()?.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_seen_from_a_folder() {
        let seen = |base: &str, path: &str| seen_from(Path::new(base), Path::new(path)).unwrap();
        assert_eq!(seen("/a/b", "/a/b/c/d.png"), "c/d.png");
        assert_eq!(seen("/a/b", "/a/x/d.png"), "../x/d.png");
        assert_eq!(seen("/a/b", "/d.png"), "../../d.png");
        assert_eq!(cleaned(Path::new("/a/./b/../c")), Path::new("/a/c"));
        assert_eq!(cleaned(Path::new("/a/../../c")), Path::new("/c"));
    }
}
