//! Reads YOLO's folder: lines of four numbers after the class are boxes, longer ones polygons, also in one file.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::names::classes;
use super::{GRAIN_PX, label_of};
use crate::annotation::{CategoryId, ImageId, Shape};
use crate::formats::exchange::{Builder, ExchangeError, Fault, Imported, Watch, read_text, stem};
use crate::formats::folder;
use crate::formats::loss::{Kind, Tally};
use crate::geometry::{Rect, Size};
use crate::job::Meter;

/// The farthest share of an image's side that is still believed.
const FARTHEST: f64 = 1e3;

/// Reads the folder `path`, or the folder of the `data.yaml` or `classes.txt` that it is. The pictures, which tell the
/// sizes, are in `images`, else in the folder `images` inside, else beside the labels.
pub(in crate::formats) fn read(path: &Path, images: Option<&Path>, watch: &mut Watch<'_>) -> Result<Imported, ExchangeError> {
    // One spelling of each path: labels are told from each other by theirs.
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (path, images) = (&*canonical(path), images.map(canonical));
    let root = if path.is_file() { path.parent().unwrap_or(Path::new(".")) } else { path };
    let classes = classes(path)?;
    let first = |name| [root.join(name), root.to_owned()].into_iter().find(|folder| folder.is_dir()).unwrap_or_default();
    let labels = first("labels");
    let pictures = images.unwrap_or_else(|| first("images"));
    let (scanned, report) = folder::scan(&pictures).map_err(ExchangeError::io(&pictures))?;
    if scanned.images.is_empty() {
        return Err(ExchangeError::Nothing { what: "picture, which would tell the sizes,", path: pictures });
    }
    let mut builder = Builder::default();
    let classes: Vec<CategoryId> = classes.iter().map(|name| builder.class(name)).collect();
    let mut tally = Tally::default();
    let mut used = HashSet::new();
    let meter = Meter::start("Reading", scanned.images.len() as u64);
    for (done, image) in scanned.images.into_iter().enumerate() {
        watch.step(&meter, done)?;
        let own = labels.join(format!("{}.txt", stem(&image.file_name)));
        let inside = root.join(label_of(&Path::new("images").join(&image.file_name)));
        let file = [own, inside, label_of(&pictures.join(&image.file_name))].into_iter().find(|file| file.exists());
        let id = builder.image(image.file_name, image.size);
        let Some(file) = file else { continue };
        let text = read_text(&file)?;
        lines(&text, &file, (id, image.size), &classes, &mut builder, &mut tally)?;
        used.insert(file);
    }
    let unused: Vec<PathBuf> = text_files(&labels)?.into_iter().filter(|file| !used.contains(file)).collect();
    if used.is_empty() && !unused.is_empty() {
        return Err(ExchangeError::Nothing { what: "picture that any of its labels is for", path: pictures });
    }
    // Where labels lie in several folders, texts elsewhere are none.
    let folders: BTreeSet<&Path> = used.iter().filter_map(|file| file.parent()).collect();
    let is_label = |file: &Path| labels != root || file.parent().is_some_and(|folder| folders.contains(folder));
    for file in unused.iter().filter(|file| is_label(file)) {
        tally.add(Kind::Picture, file.display());
    }
    Ok(Imported { dataset: builder.dataset, report, tally })
}

fn lines(
    text: &str,
    file: &Path,
    (image, size): (ImageId, Size),
    classes: &[CategoryId],
    builder: &mut Builder,
    tally: &mut Tally,
) -> Result<(), ExchangeError> {
    for (index, line) in text.lines().enumerate() {
        let fault = |fault| ExchangeError::record(file, format!("line {}", index + 1), fault);
        let mut words = line.split_whitespace();
        let Some(class) = words.next() else { continue };
        let number: u64 = class.parse().ok().ok_or_else(|| fault(Fault::Number(class.to_owned())))?;
        let class = usize::try_from(number).ok().and_then(|number| classes.get(number)).ok_or_else(|| fault(Fault::Class(number)))?;
        let (mut pixels, mut is_outside) = (Vec::new(), false);
        for (place, word) in words.enumerate() {
            let value = word.parse::<f64>().ok().filter(|value| value.abs() <= FARTHEST);
            let value = value.ok_or_else(|| fault(Fault::Number(word.to_owned())))?;
            is_outside |= !(0.0..=1.0).contains(&value);
            pixels.push(value * f64::from(if place % 2 == 0 { size.width } else { size.height }));
        }
        let (bbox, shape) = match pixels.as_slice() {
            // The edges are rounded, not the middle, which may lie between two steps.
            [x, y, width, height] => {
                let [x, y, width, height] = [x - width / 2.0, y - height / 2.0, *width, *height].map(rounded);
                (Rect::new(x, y, width, height), Shape::Box)
            }
            corners if corners.len() >= 6 && corners.len().is_multiple_of(2) => {
                (Rect::default(), Shape::Polygons(vec![corners.iter().copied().map(rounded).collect()]))
            }
            _ => return Err(fault(Fault::Count(pixels.len() + 1))),
        };
        if is_outside {
            tally.add(Kind::OutOfImage, format_args!("{} line {}", file.display(), index + 1));
        }
        builder.object(image, *class, bbox, shape);
    }
    Ok(())
}

/// The nearest multiple of the grain; never -0, which files would show.
fn rounded(value: f64) -> f64 {
    (value / GRAIN_PX).round() / (1.0 / GRAIN_PX).round() + 0.0
}

fn text_files(folder: &Path) -> Result<Vec<PathBuf>, ExchangeError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(ExchangeError::io(folder))? {
        let entry = entry.map_err(ExchangeError::io(folder))?;
        let kind = entry.file_type().map_err(ExchangeError::io(&entry.path()))?;
        if kind.is_dir() {
            files.extend(text_files(&entry.path())?);
        } else if entry.path().extension() == Some(OsStr::new("txt")) && entry.file_name() != "classes.txt" {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
