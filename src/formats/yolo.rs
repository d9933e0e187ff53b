//! YOLO segmentation as Ultralytics has it: `data.yaml` with the classes and a text file for each image, a line an object:
//! the class from 0 and the corners of one polygon, each divided by the image's width or height.
//!
//! An object is one polygon there; parts and holes are joined by lines without width, so that it stays one.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use hotcoco::convert::yolo_to_coco;

use super::exchange::{Builder, ExchangeError, Fault, Imported, Watch, class_places, counted_polygon, stem};
use super::folder;
use super::library::{self, Names};
use super::loss::{Kind, Tally};
use super::stage::filled;
use crate::annotation::{CategoryId, Dataset, ImageId, Shape};
use crate::geometry::{Rect, Size};
use crate::job::Meter;

/// Nine decimals keep a ten-thousandth of a pixel on the largest picture.
const DECIMALS: usize = 9;
/// Corners are read in ten-thousandths of a pixel, so that whole pixels come back whole.
pub(super) const GRAIN_PX: f64 = 1e-4;
/// The farthest share of an image's side that is still believed.
const FARTHEST: f64 = 1e3;

/// Writes `data.yaml` and the folder `labels` into the folder `path`; the pictures belong into `images` beside it.
pub(super) fn write(
    dataset: &Dataset,
    path: &Path,
    tolerance_px: f64,
    tally: &mut Tally,
    watch: &mut Watch<'_>,
) -> Result<(), ExchangeError> {
    let classes = class_places(dataset);
    let stage = filled(dataset, path, watch, |stage, image, stem, objects| {
        if image.size.pixels() == 0 {
            return Err(ExchangeError::NoSize { id: image.id, name: image.file_name.clone() });
        }
        let mut text = String::new();
        for instance in objects {
            let Some(polygon) = counted_polygon(instance, image.size, tolerance_px, GRAIN_PX, tally) else { continue };
            if instance.shape == Shape::Box {
                tally.add(Kind::Box, format_args!("annotation {}", instance.id));
            }
            text.push_str(&classes.get(&instance.category_id).copied().unwrap_or_default().to_string());
            for corner in polygon.as_chunks::<2>().0 {
                text.push_str(&share(corner[0], image.size.width));
                text.push_str(&share(corner[1], image.size.height));
            }
            text.push('\n');
        }
        stage.write(&format!("labels/{stem}.txt"), text.as_bytes())
    })?;
    stage.write("data.yaml", data_yaml(dataset, tally).as_bytes())?;
    stage.publish()
}

fn share(value: f64, side: u32) -> String {
    let text = format!(" {:.DECIMALS$}", value / f64::from(side));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn data_yaml(dataset: &Dataset, tally: &mut Tally) -> String {
    let mut text = format!("path: .\ntrain: images\nval: images\nnc: {}\nnames:\n", dataset.categories.len());
    let mut names = Names::default();
    for (place, category) in dataset.categories.iter().enumerate() {
        let name = names.plain(&category.name, &format!("class {}", category.id), tally);
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        // Writing to a string cannot fail.
        writeln!(text, "  {place}: \"{quoted}\"").unwrap_or_default();
    }
    text
}

/// Reads the folder `path`, or the folder of the `data.yaml` that it is. The pictures, which tell the sizes, are in
/// `images`, else in the folder `images` inside, else beside the labels.
pub(super) fn read(path: &Path, images: Option<&Path>, watch: &mut Watch<'_>) -> Result<Imported, ExchangeError> {
    let root = if path.is_file() { path.parent().unwrap_or(Path::new(".")) } else { path };
    let classes = classes(&if path.is_file() { path.to_owned() } else { root.join("data.yaml") })?;
    let labels = [root.join("labels"), root.to_owned()].into_iter().find(|folder| folder.is_dir()).unwrap_or_default();
    let pictures = images.map_or_else(
        || [root.join("images"), root.to_owned()].into_iter().find(|folder| folder.is_dir()).unwrap_or_default(),
        Path::to_owned,
    );
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
        let file = labels.join(format!("{}.txt", stem(&image.file_name)));
        let id = builder.image(image.file_name, image.size);
        match fs::read(&file) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).ok().ok_or_else(|| ExchangeError::record(&file, "the file", Fault::Text))?;
                lines(&text, &file, (id, image.size), &classes, &mut builder)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (),
            Err(error) => return Err(ExchangeError::io(&file)(error)),
        }
        used.insert(file);
    }
    for file in text_files(&labels)?.into_iter().filter(|file| !used.contains(file)) {
        tally.add(Kind::Picture, file.display());
    }
    Ok(Imported { dataset: builder.dataset, report, tally })
}

/// The names in `data.yaml`.
fn classes(file: &Path) -> Result<Vec<String>, ExchangeError> {
    // The library reads whole folders: it gets one that holds only the list of classes.
    let folder = tempfile::tempdir().map_err(ExchangeError::io(file))?;
    let copy = folder.path().join("data.yaml");
    fs::copy(file, &copy).map_err(ExchangeError::io(file))?;
    let library = yolo_to_coco(folder.path(), &HashMap::new()).map_err(|refusal| library::error(file, Some(&copy), refusal))?;
    Ok(library.categories.into_iter().map(|category| category.name).collect())
}

fn lines(
    text: &str,
    file: &Path,
    (image, size): (ImageId, Size),
    classes: &[CategoryId],
    builder: &mut Builder,
) -> Result<(), ExchangeError> {
    for (index, line) in text.lines().enumerate() {
        let fault = |fault| ExchangeError::record(file, format!("line {}", index + 1), fault);
        let mut words = line.split_whitespace();
        let Some(class) = words.next() else { continue };
        let number: u64 = class.parse().ok().ok_or_else(|| fault(Fault::Number(class.to_owned())))?;
        let class = usize::try_from(number).ok().and_then(|number| classes.get(number)).ok_or_else(|| fault(Fault::Class(number)))?;
        let mut numbers = Vec::new();
        for (place, word) in words.enumerate() {
            let value = word.parse::<f64>().ok().filter(|value| value.abs() <= FARTHEST);
            let value = value.ok_or_else(|| fault(Fault::Number(word.to_owned())))?;
            let side = if place % 2 == 0 { size.width } else { size.height };
            numbers.push((value * f64::from(side) / GRAIN_PX).round() / (1.0 / GRAIN_PX).round());
        }
        let (bbox, shape) = match numbers.as_slice() {
            [x, y, width, height] => (Rect::new(x - width / 2.0, y - height / 2.0, *width, *height), Shape::Box),
            corners if corners.len() >= 6 && corners.len().is_multiple_of(2) => (Rect::default(), Shape::Polygons(vec![numbers])),
            _ => return Err(fault(Fault::Count(numbers.len() + 1))),
        };
        builder.object(image, *class, bbox, shape);
    }
    Ok(())
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
