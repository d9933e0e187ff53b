//! Reads YOLO's folder: lines of four numbers after the class are boxes, longer ones polygons, also in one file; one number
//! more than that is their confidence. Behind the corners of a polygon it is that only where every polygon of the data set has
//! one: else the line has lost its last number, and is left out. Of a pose only the box is read.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::names::{Classes, classes, file};
use super::{GRAIN_PX, label_of, split, upright};
use crate::annotation::{CategoryId, Dataset, Image, ImageId, InstanceId, Shape};
use crate::formats::exchange::{Builder, ExchangeError, Fault, Imported, Watch, read_text, stem};
use crate::formats::loss::{Kind, Tally};
use crate::formats::{Report, folder};
use crate::geometry::{Rect, Size};
use crate::job::Meter;

/// The farthest share of an image's side that is still believed.
const FARTHEST: f64 = 1e3;

/// A picture with the places where its label may be.
pub(super) struct Picture {
    /// Its name in the data set.
    pub(super) file_name: String,
    /// Its pixels when it is upright.
    pub(super) size: Size,
    /// The first of these that is there is its label.
    pub(super) labels: Vec<PathBuf>,
}

/// The pictures of a data set.
pub(super) struct Source {
    /// What their reader found odd.
    pub(super) report: Report,
    /// The pictures, in their order.
    pub(super) pictures: Vec<Picture>,
    /// Where they lie.
    pub(super) place: PathBuf,
    /// The texts that are labels of pictures.
    pub(super) texts: Vec<PathBuf>,
    /// Whether other texts may lie among those.
    pub(super) is_mixed: bool,
}

/// Reads the folder `path`, or the folder of the `data.yaml` or `classes.txt` that it is. The pictures, which tell the
/// sizes, are in `images`, else where `data.yaml` says, else in the folder `images` inside, else beside the labels.
pub(in crate::formats) fn read(path: &Path, images: Option<&Path>, watch: &mut Watch<'_>) -> Result<Imported, ExchangeError> {
    // One spelling of each path: labels are told from each other by theirs.
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (path, images) = (&*canonical(path), images.map(canonical));
    let root = if path.is_file() { path.parent().unwrap_or(Path::new(".")) } else { path };
    let file = file(path)?;
    let mut tally = Tally::default();
    let Classes { names, pose } = classes(&file, &mut tally)?;
    let named = if images.is_none() { split::named(&file, &mut tally, watch)? } else { None };
    let source = named.map_or_else(|| around(root, images, watch), Ok)?;
    if source.pictures.is_empty() {
        return Err(ExchangeError::Nothing { what: "picture, which would tell the sizes,", path: source.place });
    }
    let mut builder = Builder::default();
    let known = Known { classes: names.iter().map(|name| builder.class(name)).collect(), pose };
    let (mut used, mut first, mut polygons) = (HashSet::new(), None, Polygons::default());
    let meter = Meter::start("Reading", source.pictures.len() as u64);
    for (done, picture) in source.pictures.into_iter().enumerate() {
        watch.step(&meter, done)?;
        let id = builder.image(picture.file_name, picture.size);
        let Some(file) = picture.labels.into_iter().find(|file| file.exists()) else { continue };
        let fault = match read_text(&file) {
            Ok(text) => lines(&text, &file, (id, picture.size), &known, &mut builder, &mut polygons, &mut tally),
            Err(error) => {
                tally.add(Kind::Unreadable, &error);
                Some(error)
            }
        };
        first = first.or(fault);
        used.insert(file);
    }
    polygons.settle(&mut builder.dataset, &mut tally);
    // Texts without a single object are no labels.
    if let Some(fault) = first.filter(|_| builder.dataset.instances.is_empty()) {
        return Err(fault);
    }
    let unused: Vec<PathBuf> = source.texts.into_iter().filter(|file| !used.contains(file)).collect();
    if used.is_empty() && !unused.is_empty() {
        return Err(ExchangeError::Nothing { what: "picture that any of its labels is for", path: source.place });
    }
    // Where labels lie in several folders, texts elsewhere are none.
    let folders: BTreeSet<&Path> = used.iter().filter_map(|file| file.parent()).collect();
    let is_label = |file: &Path| !source.is_mixed || file.parent().is_some_and(|folder| folders.contains(folder));
    for file in unused.iter().filter(|file| is_label(file)) {
        tally.add(Kind::Picture, file.display());
    }
    Ok(Imported { dataset: builder.dataset, report: source.report, tally })
}

/// The pictures in `images`, else in the folder `images` inside of `root`, else in `root`.
fn around(root: &Path, images: Option<PathBuf>, watch: &mut Watch<'_>) -> Result<Source, ExchangeError> {
    let first = |name| [root.join(name), root.to_owned()].into_iter().find(|folder| folder.is_dir()).unwrap_or_default();
    let labels = first("labels");
    let place = images.unwrap_or_else(|| first("images"));
    let (scanned, report) = folder::scan(&place).map_err(ExchangeError::io(&place))?;
    let look = |image: &Image| upright(&place.join(&image.file_name)).unwrap_or(image.size);
    let sizes = watch.map("Looking at images", &scanned.images, look)?;
    let picture = |(image, size): (Image, Size)| {
        let own = labels.join(format!("{}.txt", stem(&image.file_name)));
        let inside = root.join(label_of(&Path::new("images").join(&image.file_name)));
        let labels = vec![own, inside, label_of(&place.join(&image.file_name))];
        Picture { file_name: image.file_name, size, labels }
    };
    let pictures: Vec<Picture> = scanned.images.into_iter().zip(sizes).map(picture).collect();
    // Without a picture nothing is read.
    let texts = if pictures.is_empty() { Vec::new() } else { text_files(&labels)? };
    Ok(Source { report, pictures, texts, is_mixed: labels == root, place })
}

/// The polygons of a data set, as far as their confidences go.
#[derive(Default)]
struct Polygons {
    /// Whether one has none.
    is_any_plain: bool,
    /// Those that have one, with their files, lines and counts of numbers.
    scored: Vec<(InstanceId, Rc<Path>, usize, usize)>,
}

impl Polygons {
    /// Leaves those with a confidence out and counts them where others have none: they have lost a number.
    fn settle(self, dataset: &mut Dataset, tally: &mut Tally) {
        if !self.is_any_plain || self.scored.is_empty() {
            return;
        }
        for (_, file, line, count) in &self.scored {
            tally.add(Kind::Unreadable, format_args!("{} line {line} ({})", file.display(), Fault::Count(*count)));
        }
        let left_out: HashSet<InstanceId> = self.scored.iter().map(|(id, ..)| *id).collect();
        dataset.instances.retain(|object| !left_out.contains(&object.id));
    }
}

/// What the lines of all labels have in common.
struct Known {
    /// The classes by their numbers.
    classes: Vec<CategoryId>,
    /// How many numbers of a pose stand behind each box.
    pose: usize,
}

/// Adds the objects of `text`. A line that cannot be read is left out and counted; returns what is wrong with the first one.
fn lines(
    text: &str,
    file: &Path,
    (image, size): (ImageId, Size),
    known: &Known,
    builder: &mut Builder,
    polygons: &mut Polygons,
    tally: &mut Tally,
) -> Option<ExchangeError> {
    let (mut first, name): (_, Rc<Path>) = (None, file.into());
    for (index, line) in text.lines().enumerate() {
        let at = |fault| ExchangeError::record(file, format!("line {}", index + 1), fault);
        let object = match parsed(line, size, known) {
            Ok(Some(object)) => object,
            Ok(None) => continue,
            Err(fault) => {
                tally.add(Kind::Unreadable, format_args!("{} line {} ({fault})", file.display(), index + 1));
                first = first.or_else(|| Some(at(fault)));
                continue;
            }
        };
        if object.has_pose {
            tally.add(Kind::Member, format_args!("{} line {} (keypoints)", file.display(), index + 1));
        }
        if object.is_outside {
            tally.add(Kind::OutOfImage, format_args!("{} line {}", file.display(), index + 1));
        }
        let corners: usize = if let Shape::Polygons(rings) = &object.shape { rings.iter().map(Vec::len).sum() } else { 0 };
        let added = builder.object(image, object.class, object.bbox, object.shape);
        added.score = object.score;
        match object.score {
            _ if corners == 0 => {}
            // Besides the corners there are the class and the confidence.
            Some(_) => polygons.scored.push((added.id, Rc::clone(&name), index + 1, corners + 2)),
            None => polygons.is_any_plain = true,
        }
    }
    first
}

fn number(word: &str, is_usable: impl Fn(f64) -> bool) -> Result<f64, Fault> {
    word.parse::<f64>().ok().filter(|value| is_usable(*value)).ok_or_else(|| Fault::Number(word.to_owned()))
}

/// An object as a line has it.
struct Object {
    class: CategoryId,
    bbox: Rect,
    shape: Shape,
    score: Option<f64>,
    is_outside: bool,
    has_pose: bool,
}

/// The object of a line on an image of `size`; `None` where the line is empty. A number behind those of a box or polygon is
/// the confidence that Ultralytics' predictions have.
fn parsed(line: &str, size: Size, known: &Known) -> Result<Option<Object>, Fault> {
    let mut words = line.split_whitespace();
    let Some(class) = words.next() else { return Ok(None) };
    // Tables of numbers have the class as `0.0`.
    let class = number(class, |value| value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value))?;
    let mut values = words.map(|word| number(word, |value| value.abs() <= FARTHEST)).collect::<Result<Vec<f64>, Fault>>()?;
    let class = known.classes.get(class as usize).copied().ok_or(Fault::Class(class as u64))?;
    let count = values.len() + 1;
    // Only the confidence stands behind the points.
    let has_pose = known.pose > 0 && matches!(values.len().checked_sub(known.pose), Some(4 | 5));
    if has_pose {
        values.drain(4..known.pose + 4);
    } else if known.pose > 0 && values.len() > 5 {
        return Err(Fault::Count(count));
    }
    let (shares, score) = match values.as_slice() {
        [shares @ .., score] if shares.len() == 4 || shares.len() >= 6 && shares.len().is_multiple_of(2) => (shares, Some(*score)),
        shares => (shares, None),
    };
    if let Some(score) = score.filter(|score| !(0.0..=1.0).contains(score)) {
        return Err(Fault::Number(score.to_string()));
    }
    let sides = [size.width, size.height].into_iter().cycle();
    let pixels: Vec<f64> = shares.iter().zip(sides).map(|(share, side)| share * f64::from(side)).collect();
    let (bbox, shape) = match pixels.as_slice() {
        // The edges are rounded, not the middle, which may lie between two steps.
        [x, y, width, height] => {
            let [x, y, width, height] = [x - width / 2.0, y - height / 2.0, *width, *height].map(rounded);
            if width.min(height) <= 0.0 {
                return Err(Fault::Flat);
            }
            (Rect::new(x, y, width, height), Shape::Box)
        }
        corners if corners.len() >= 6 && corners.len().is_multiple_of(2) => {
            (Rect::default(), Shape::Polygons([corners.iter().copied().map(rounded).collect()].into()))
        }
        _ => return Err(Fault::Count(count)),
    };
    let is_outside = shares.iter().any(|share| !(0.0..=1.0).contains(share));
    Ok(Some(Object { class, bbox, shape, score, is_outside, has_pose }))
}

/// The nearest multiple of the grain; never -0, which files would show.
fn rounded(value: f64) -> f64 {
    (value / GRAIN_PX).round() / (1.0 / GRAIN_PX).round() + 0.0
}

/// The texts in `folder` and the folders in it, but for lists of classes.
pub(super) fn text_files(folder: &Path) -> Result<Vec<PathBuf>, ExchangeError> {
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
