//! YOLO segmentation as Ultralytics has it: `data.yaml` with the classes and a text file for each image, a line an object:
//! the class from 0 and the corners of one polygon, each divided by the image's width or height.
//!
//! An object is one polygon there; parts and holes are joined by lines without width, so that it stays one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use yaml_rust2::ScanError;
use yaml_rust2::parser::{Event, Parser};

use super::exchange::{Builder, ExchangeError, Fault, Imported, Watch, class_places, counted_polygon, read_text, stem};
use super::folder;
use super::library::Names;
use super::loss::{Kind, Tally};
use super::stage::filled;
use crate::annotation::{CategoryId, Dataset, ImageId, Instance, Shape};
use crate::geometry::{Rect, Size};
use crate::job::Meter;

/// Nine decimals keep a ten-thousandth of a pixel on the largest picture.
const DECIMALS: usize = 9;
/// Corners are read in ten-thousandths of a pixel, so that whole pixels come back whole.
pub(super) const GRAIN_PX: f64 = 1e-4;
/// The farthest share of an image's side that is still believed.
const FARTHEST: f64 = 1e3;
/// The highest class number that is still believed.
const MOST_CLASSES: usize = 1 << 20;

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
            let is_box = instance.shape == Shape::Box;
            let instance = &*within(instance, image.size);
            let Some(polygon) = counted_polygon(instance, image.size, tolerance_px, GRAIN_PX, tally) else { continue };
            if is_box {
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

/// The object, or where it leaves the image, its pixels: Ultralytics refuses every object of an image for one corner outside.
pub(super) fn within(instance: &Instance, size: Size) -> Cow<'_, Instance> {
    let leaves = |x: f64, y: f64| x.min(y) < 0.0 || x > f64::from(size.width) || y > f64::from(size.height);
    let bbox = instance.bbox;
    let is_outside = match &instance.shape {
        Shape::Box => leaves(bbox.x, bbox.y) || leaves(bbox.right(), bbox.bottom()),
        Shape::Polygons(polygons) => polygons.iter().flat_map(|polygon| polygon.as_chunks::<2>().0).any(|&[x, y]| leaves(x, y)),
        Shape::Rle { .. } => false,
    };
    let Some(Ok(counts)) = is_outside.then(|| instance.shape.runs(bbox, size)) else { return Cow::Borrowed(instance) };
    let shape = Shape::from_runs(size, counts.into_owned());
    Cow::Owned(Instance { shape, ..instance.clone() })
}

fn share(value: f64, side: u32) -> String {
    let text = format!(" {:.DECIMALS$}", value / f64::from(side));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn data_yaml(dataset: &Dataset, tally: &mut Tally) -> String {
    let mut text = format!("train: images\nval: images\nnc: {}\nnames:\n", dataset.categories.len());
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
    // One spelling of each path: labels are told from each other by theirs.
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (path, images) = (&*canonical(path), images.map(canonical));
    let root = if path.is_file() { path.parent().unwrap_or(Path::new(".")) } else { path };
    let classes = classes(&if path.is_file() { path.to_owned() } else { root.join("data.yaml") })?;
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
        let file = [own, beside(&pictures.join(&image.file_name))].into_iter().find(|file| file.exists());
        let id = builder.image(image.file_name, image.size);
        let Some(file) = file else { continue };
        let text = read_text(&file)?;
        lines(&text, &file, (id, image.size), &classes, &mut builder)?;
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

/// Where Ultralytics looks for a picture's label: the last folder `images` of its path is `labels` then.
fn beside(picture: &Path) -> PathBuf {
    let parts: Vec<&OsStr> = picture.iter().collect();
    let images = parts.iter().rposition(|part| *part == "images");
    let path: PathBuf = parts.iter().enumerate().map(|(at, part)| if Some(at) == images { OsStr::new("labels") } else { part }).collect();
    path.with_extension("txt")
}

/// The names in `data.yaml`: a list, or a map from the numbers. A number that the map leaves out is named by itself.
fn classes(file: &Path) -> Result<Vec<String>, ExchangeError> {
    let fault = |fault| ExchangeError::record(file, "the file", fault);
    let names = names(&read_text(file)?).map_err(|error| fault(Fault::Yaml(error)))?;
    let names = names.filter(|names| !names.is_empty()).ok_or_else(|| fault(Fault::Member("names")))?;
    let count = names.keys().last().map_or(0, |last| last + 1);
    Ok((0..count).map(|number| names.get(&number).cloned().unwrap_or_else(|| number.to_string())).collect())
}

/// The scalars of the top level's `names` by their numbers; `None` where these are something else. Events are read one by
/// one, so that neither depth nor aliases of a hostile file cost anything.
fn names(text: &str) -> Result<Option<BTreeMap<usize, String>>, ScanError> {
    let mut parser = Parser::new_from_str(text);
    let (mut depth, mut is_key) = (0_usize, false);
    loop {
        match parser.next_token()?.0 {
            Event::Scalar(key, ..) if depth == 1 && is_key && key == "names" => break,
            // At the top level keys and values take turns.
            Event::Scalar(..) | Event::Alias(_) if depth == 1 => is_key = !is_key,
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                depth += 1;
                is_key = depth == 1;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                depth = depth.saturating_sub(1);
                is_key = depth == 1;
            }
            Event::StreamEnd => return Ok(None),
            _ => {}
        }
    }
    let is_list = match parser.next_token()?.0 {
        Event::SequenceStart(..) => true,
        Event::MappingStart(..) => false,
        _ => return Ok(None),
    };
    let (mut names, mut number) = (BTreeMap::new(), None::<String>);
    loop {
        match parser.next_token()?.0 {
            Event::Scalar(name, ..) if is_list => drop(names.insert(names.len(), name)),
            Event::Scalar(text, ..) => match number.take() {
                None => number = Some(text),
                Some(number) => match number.parse().ok().filter(|number| *number <= MOST_CLASSES) {
                    Some(number) => drop(names.insert(number, text)),
                    None => return Ok(None),
                },
            },
            Event::SequenceEnd | Event::MappingEnd => return Ok(Some(names)),
            _ => return Ok(None),
        }
    }
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
