//! Writes YOLO's folder: an object is one polygon or one box there. Parts and holes are joined by lines without width, so
//! that an object stays one polygon.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use super::{GRAIN_PX, label_of};
use crate::annotation::{Dataset, Image, Instance, Shape};
use crate::formats::exchange::{ExchangeError, Watch, class_places, counted_polygon};
use crate::formats::folder::{Finder, is_picture};
use crate::formats::library::Names;
use crate::formats::loss::{Kind, Tally};
use crate::formats::picture::{self, Header, turn};
use crate::formats::stage::{Stage, filled};
use crate::geometry::{Rect, Size};

/// Nine decimals keep a ten-thousandth of a pixel on the largest picture.
const DECIMALS: usize = 9;

/// Writes `data.yaml` and the folder `labels` into the folder `path`: boxes, or polygons with this tolerance. The pictures
/// are copied from the folder `pictures` into `images`; without one they belong there.
pub(in crate::formats) fn write(
    dataset: &Dataset,
    path: &Path,
    tolerance_px: Option<f64>,
    pictures: Option<&Path>,
    tally: &mut Tally,
    watch: &mut Watch<'_>,
) -> Result<(), ExchangeError> {
    let (classes, finder) = (class_places(dataset), Finder::new(&dataset.images));
    let stage = filled(dataset, path, watch, |stage, image, stem, objects| {
        if image.size.pixels() == 0 {
            return Err(ExchangeError::NoSize { id: image.id, name: image.file_name.clone() });
        }
        let mut text = String::new();
        for instance in objects {
            let numbers = match tolerance_px {
                Some(tolerance_px) => polygon(instance, image.size, tolerance_px, tally),
                None => middle_and_sides(instance, image.size, tally).map(Vec::from),
            };
            let Some(numbers) = numbers else { continue };
            text.push_str(&classes.get(&instance.category_id).copied().unwrap_or_default().to_string());
            for pair in numbers.as_chunks::<2>().0 {
                text.push_str(&share(pair[0], image.size.width));
                text.push_str(&share(pair[1], image.size.height));
            }
            text.push('\n');
        }
        let picture = picture_name(image, stem);
        stage.write(&label_of(Path::new(&picture)).to_string_lossy(), text.as_bytes())?;
        pictures.map_or(Ok(()), |folder| copied(stage, &finder.path(folder, &image.file_name), &picture, image, tally))
    })?;
    stage.write("data.yaml", data_yaml(dataset, tally).as_bytes())?;
    stage.publish()
}

/// The picture's place: its own name in the folder `images`, and its label's name but for the ending.
fn picture_name(image: &Image, stem: &str) -> String {
    let ending = Path::new(&image.file_name).extension().and_then(OsStr::to_str);
    ending.map_or_else(|| format!("images/{stem}"), |ending| format!("images/{stem}.{ending}"))
}

fn copied(stage: &Stage, from: &Path, picture: &str, image: &Image, tally: &mut Tally) -> Result<(), ExchangeError> {
    // A data set may name any file of the disk, and an export is given away.
    if !is_picture(picture) || !from.is_file() {
        tally.add(Kind::MissingPicture, from.display());
        return Ok(());
    }
    // Where the size does not tell, nothing is known.
    let is_turned = |header: Header| turn(header.exif_orientation).is_some() && !header.is_unsure() && header.size == image.size;
    if picture::header(from).is_ok_and(is_turned) {
        tally.add(Kind::Turned, format_args!("image {} ({})", image.id, image.file_name));
    }
    stage.copy(picture, from)
}

/// The corners of the object's polygon, counted where that is a box.
fn polygon(instance: &Instance, size: Size, tolerance_px: f64, tally: &mut Tally) -> Option<Vec<f64>> {
    let polygon = counted_polygon(&within(instance, size), size, tolerance_px, GRAIN_PX, tally)?;
    if instance.shape == Shape::Box {
        tally.add(Kind::Box, format_args!("annotation {}", instance.id));
    }
    Some(polygon)
}

/// The middle, the width and the height of the object's box; what that loses is counted, also that there is none.
fn middle_and_sides(instance: &Instance, size: Size, tally: &mut Tally) -> Option<[f64; 4]> {
    let Some(bbox) = inside(instance.bbox, size) else {
        tally.add(Kind::Object, format_args!("annotation {}", instance.id));
        return None;
    };
    let sides = |bbox: Rect| [bbox.x, bbox.y, bbox.right(), bbox.bottom()];
    if sides(bbox).iter().zip(sides(instance.bbox)).any(|(new, old)| (new - old).abs() > GRAIN_PX / 2.0) {
        tally.add(Kind::Cut, format_args!("annotation {}", instance.id));
    }
    if instance.shape != Shape::Box {
        tally.add(Kind::Outline, format_args!("annotation {}", instance.id));
    }
    let middle = bbox.center();
    Some([middle.x, middle.y, bbox.width, bbox.height])
}

/// The part of a box that lies in the image: Ultralytics refuses every object of an image for one that leaves it. `None`
/// where there is none.
pub(in crate::formats) fn inside(bbox: Rect, size: Size) -> Option<Rect> {
    let part = bbox.covers_some_of(size).then(|| bbox.clipped(size));
    part.filter(|bbox| bbox.width.min(bbox.height) >= GRAIN_PX)
}

/// The object, or where it leaves the image, its pixels: Ultralytics refuses every object of an image for one corner outside.
pub(in crate::formats) fn within(instance: &Instance, size: Size) -> Cow<'_, Instance> {
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
