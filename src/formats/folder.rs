//! A folder of pictures: as a data set without annotations, and as the place of those of a data set.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rayon::prelude::*;

use super::picture;
use super::{Problem, Record, Report, Warning};
use crate::annotation::{Dataset, Image, ImageId};
use crate::job::{Cancel, Meter, Progress};

/// The endings that a picture's name may have.
pub const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"];

/// Images that are looked at between two looks at the cancel flag.
const CHUNK: usize = 1 << 11;

/// Folders within folders that are looked through.
const DEEPEST: usize = 16;

/// A data set of the pictures in `folder` and the folders in it, in the order in which a person counts (2 before 10),
/// with ids from 1. Hidden files and folders are passed over; a picture whose size cannot be read is in the report.
///
/// # Errors
/// When `folder` itself cannot be listed.
pub fn scan(folder: &Path) -> io::Result<(Dataset, Report)> {
    scan_with(folder, &|_| false, &Cancel::new(), &mut |_| ())
}

/// [`scan`] without the pictures whose names are `known`, with the means to stop it and to see how far it is.
///
/// # Errors
/// As [`scan`]; [`io::ErrorKind::Interrupted`] when `cancel` was raised.
pub fn scan_with(
    folder: &Path,
    known: &dyn Fn(&str) -> bool,
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress),
) -> io::Result<(Dataset, Report)> {
    let mut names = Vec::new();
    let mut report = Report::default();
    progress(Meter::start("Listing the folder", 0).at(0));
    list(folder, "", 0, &mut names, &mut report)?;
    names.retain(|name| !known(name));
    names.sort_by(|a, b| natural(a, b));
    let meter = Meter::start("Looking at images", names.len() as u64);
    let mut sizes = Vec::with_capacity(names.len());
    for chunk in names.chunks(CHUNK) {
        if cancel.is_cancelled() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "stopped"));
        }
        progress(meter.at(sizes.len() as u64));
        sizes.par_extend(chunk.par_iter().map(|name| picture::size(&folder.join(name))));
    }
    let mut dataset = Dataset::default();
    for (file_name, size) in names.into_iter().zip(sizes) {
        match size {
            Ok(size) => {
                let id = ImageId(dataset.images.len() as i64 + 1);
                dataset.images.push(Image { id, file_name, size, source: None });
            }
            Err(error) => report.warnings.push(warning(folder.join(file_name), &error)),
        }
    }
    Ok((dataset, report))
}

/// Finds the pictures of a data set in a folder, those too whose names are paths of the machine on which it was made.
#[derive(Clone, Debug, Default)]
pub struct Finder {
    /// The last parts that several names have.
    shared: HashSet<String>,
}

impl Finder {
    /// For the data set of these images.
    pub fn new(images: &[Image]) -> Self {
        let mut finder = Self::default();
        // Where no name has a folder in it, each is what it says.
        if images.iter().any(|image| has_folder(&image.file_name)) {
            let mut seen = HashSet::with_capacity(images.len());
            let parts = images.iter().map(|image| last_part(&image.file_name));
            finder.shared = parts.filter(|part| !seen.insert(*part)).map(str::to_owned).collect();
        }
        finder
    }

    /// Where the picture of the image with this name lies: there as seen from `folder`, or, where nothing is there, in `folder`
    /// itself under the last part of its name, if no other image has the same.
    pub fn path(&self, folder: &Path, file_name: &str) -> PathBuf {
        let (path, name) = (folder.join(file_name), last_part(file_name));
        if !has_folder(file_name) || self.shared.contains(name) || path.exists() {
            return path;
        }
        let own = folder.join(name);
        if own.is_file() { own } else { path }
    }

    /// Why the picture of the image with this name is not taken from `folder` itself although a file of the last part of its
    /// name lies there; `None` where none lies there or none is needed.
    pub fn refusal(&self, folder: &Path, file_name: &str) -> Option<String> {
        let name = last_part(file_name);
        let is_refused = has_folder(file_name) && self.shared.contains(name) && !folder.join(file_name).exists();
        (is_refused && folder.join(name).is_file()).then(|| format!("{name} is there, but more than one record ends in it"))
    }
}

/// Whether the name leads into another folder, by the separators of any system.
fn has_folder(name: &str) -> bool {
    name.contains(['/', '\\'])
}

fn last_part(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

fn warning(path: PathBuf, error: &dyn std::error::Error) -> Warning {
    Warning { origin: path.into(), record: Record::File, problem: Problem::Picture(error.to_string()) }
}

fn list(root: &Path, below: &str, depth: usize, names: &mut Vec<String>, report: &mut Report) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        // A name that is no text has no place in a data set.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        // Links to folders are not followed, because they may lead round in a circle.
        let is_folder = entry.file_type()?.is_dir();
        if name.starts_with('.') {
            continue;
        }
        if is_folder && depth < DEEPEST {
            if let Err(error) = list(root, &path, depth + 1, names, report) {
                report.warnings.push(warning(entry.path(), &error));
            }
        } else if !is_folder && is_picture(&name) {
            names.push(path);
        }
    }
    Ok(())
}

/// Whether the name has the ending of a picture.
pub(super) fn is_picture(name: &str) -> bool {
    Path::new(name)
        .extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// Orders names so that numbers in them count as numbers.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    while !left.is_empty() && !right.is_empty() {
        let (number_a, number_b) = (digits(left), digits(right));
        let (head_a, head_b) = if number_a > 0 && number_b > 0 {
            (number_a, number_b)
        } else {
            (left.chars().next().map_or(0, char::len_utf8), right.chars().next().map_or(0, char::len_utf8))
        };
        let ((head_a, tail_a), (head_b, tail_b)) = (left.split_at(head_a), right.split_at(head_b));
        let order = if number_a > 0 && number_b > 0 {
            let (a, b) = (head_a.trim_start_matches('0'), head_b.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        } else {
            head_a.cmp(head_b)
        };
        if order.is_ne() {
            return order;
        }
        (left, right) = (tail_a, tail_b);
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_as_people_do() {
        let mut names = ["b", "a10", "a2", "a02", "a", "é1", "a2b"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a", "a02", "a2", "a2b", "a10", "b", "é1"]);
    }

    #[test]
    fn a_name_of_another_machine_is_found_by_its_last_part() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("train")).unwrap();
        for name in ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "train/d.jpg"] {
            fs::write(at(name), "").unwrap();
        }
        let names = ["/home/me/data/a.jpg", r"C:\data\b.jpg", "../../x/c.jpg", r"val\c.jpg", "train/d.jpg", "train/e.jpg"];
        let image = |name: &str| Image { id: ImageId(1), file_name: name.to_owned(), size: crate::geometry::Size::default(), source: None };
        let images = names.map(image);
        let finder = Finder::new(&images);
        let found = |name: &str| finder.path(folder.path(), name);
        assert_eq!((found(names[0]), found(names[1])), (at("a.jpg"), at("b.jpg")));
        for name in &names[2..] {
            assert_eq!(found(name), at(name), "two images have it, it is there, or nothing is");
        }
        let told = names.map(|name| finder.refusal(folder.path(), name).is_some());
        assert_eq!(told, [false, false, true, true, false, false], "only where a file is there that two names end in");
        assert_eq!(Finder::new(&images[..3]).path(folder.path(), names[2]), at("c.jpg"));
        assert_eq!(Finder::new(&[image("c.jpg"), image(names[2])]).path(folder.path(), names[2]), at(names[2]));
    }

    #[test]
    fn a_folder_with_good_and_bad_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("sub")).unwrap();
        for name in ["10.png", "2.PNG", "sub/1.jpg", ".hidden.png"] {
            image::RgbImage::new(4, 3).save(at(name)).unwrap();
        }
        fs::write(at("broken.jpg"), b"\xff\xd8\xff").unwrap();
        fs::write(at("notes.txt"), b"hello").unwrap();
        let (dataset, report) = scan(folder.path()).unwrap();
        let names: Vec<_> = dataset.images.iter().map(|image| image.file_name.as_str()).collect();
        assert_eq!(names, ["2.PNG", "10.png", "sub/1.jpg"]);
        assert_eq!(report.warnings.len(), 1);
        assert!(report.warnings[0].to_string().contains("broken.jpg"));
        let (new, _) = scan_with(folder.path(), &|name| name == "10.png", &Cancel::new(), &mut |_| ()).unwrap();
        assert_eq!(new.images.iter().map(|image| image.file_name.as_str()).collect::<Vec<_>>(), ["2.PNG", "sub/1.jpg"]);
        let stopped = Cancel::new();
        stopped.cancel();
        assert!(scan_with(folder.path(), &|_| false, &stopped, &mut |_| ()).is_err());
        assert!(scan(&at("nowhere")).is_err());
    }
}
