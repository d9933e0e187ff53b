//! Every format under one roof: which there are, reading one of them into a data set, writing a data set as one of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde::de::IgnoredAny;

use super::coco::{self, record::NO_ID};
use super::convert::{self, Policy};
pub use super::fault::{ExchangeError, Fault};
pub use super::format::Format;
use super::loss::{Kind, Tally};
use super::picture::MOST_PIXELS;
use super::{Report, cvat, folder, labelme, lvis, masks, voc, yolo};
use crate::annotation::{Category, CategoryId, Dataset, Field, Image, ImageId, Instance, InstanceId, Shape, Verbatim};
use crate::geometry::{Rect, Size};
pub use crate::job::Watch;

/// What reading gave.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// The data set.
    pub dataset: Dataset,
    /// What the reader found odd.
    pub report: Report,
    /// What was left out.
    pub tally: Tally,
}

/// Reads the data set at `path`. `images` is the folder of its pictures, where the format does not say their sizes;
/// `reference` the data set that results belong to.
///
/// # Errors
/// When the file or folder cannot be read, or a record is not as the format has it; the error names it.
pub fn import(
    format: Format,
    path: &Path,
    images: Option<&Path>,
    reference: Option<&Dataset>,
    watch: &mut Watch<'_>,
) -> Result<Imported, ExchangeError> {
    let plain = |(dataset, report)| Imported { dataset, report, tally: Tally::default() };
    match format {
        Format::Coco | Format::Lvis => Ok(plain(coco::read_with(&coco::file_of(path)?, watch.cancel, watch.progress)?)),
        Format::Results => {
            let truth = reference.ok_or_else(|| ExchangeError::NoReference { path: path.to_owned() })?;
            Ok(plain(coco::read_results(path, truth)?))
        }
        Format::YoloSeg | Format::YoloBoxes => yolo::read(path, images, watch),
        Format::Voc => voc::read(path, watch),
        Format::Cvat => cvat::read(path),
        Format::Labelme => labelme::read(path, watch),
        Format::Masks => masks::read_objects(path, images, watch),
        Format::Semantic => masks::read_semantic(path, images, watch),
    }
}

/// Writes `dataset` at `path`. `policy` is the form that masks get where the format has several; its tolerance counts
/// wherever masks become polygons. In COCO and LVIS the classes get the ids that `reference` has for their synset or name;
/// without one they keep their own.
///
/// # Errors
/// When the disk does not allow it, or the format cannot hold the data set at all. Nothing is half-written.
pub fn export(
    dataset: Dataset,
    format: Format,
    path: &Path,
    policy: Option<Policy>,
    reference: Option<&[Category]>,
    watch: &mut Watch<'_>,
) -> Result<Tally, ExchangeError> {
    export_with(dataset, format, path, policy, reference, None, watch)
}

/// [`export`] with the pictures in the folder `pictures`, copied to where YOLO looks for them; no other format takes them.
///
/// # Errors
/// As [`export`].
pub fn export_with(
    mut dataset: Dataset,
    format: Format,
    path: &Path,
    policy: Option<Policy>,
    reference: Option<&[Category]>,
    pictures: Option<&Path>,
    watch: &mut Watch<'_>,
) -> Result<Tally, ExchangeError> {
    let mut tally = Tally::default();
    let tolerance_px = policy.map_or(0.0, Policy::tolerance_px);
    if format.is_json() {
        if let Some(policy) = policy.filter(|_| format.has_forms()) {
            shaped(&mut dataset, policy, &mut tally, watch)?;
        }
        if format == Format::Lvis {
            placed(&mut dataset, &mut tally);
        }
        match format {
            Format::Lvis => lvis::to_lvis(&mut dataset, reference, &mut tally),
            Format::Coco => lvis::to_coco(&mut dataset, reference, &mut tally),
            _ => as_results(&mut dataset, &mut tally),
        }
        if watch.cancel.is_cancelled() {
            return Err(ExchangeError::Cancelled);
        }
        match format {
            Format::Results => coco::save_results_with(&dataset, path, watch.cancel, watch.progress)?,
            Format::Lvis => lvis::save(&dataset, path, watch.cancel, watch.progress)?,
            _ => coco::save_with(&dataset, path, watch.cancel, watch.progress)?,
        }
        return Ok(tally);
    }
    if let Some(image) = dataset.images.iter().find(|image| image.size.pixels() as u64 > MOST_PIXELS) {
        return Err(ExchangeError::TooLarge { id: image.id, size: image.size });
    }
    usable(&mut dataset, &mut tally);
    lost_members(&dataset, format, &mut tally);
    match format {
        Format::YoloSeg => yolo::write(&dataset, path, Some(tolerance_px), pictures, &mut tally, watch)?,
        Format::YoloBoxes => yolo::write(&dataset, path, None, pictures, &mut tally, watch)?,
        Format::Voc => voc::write(&dataset, path, &mut tally, watch)?,
        Format::Cvat => cvat::write(&dataset, path, &mut tally, watch)?,
        Format::Labelme => labelme::write(&dataset, path, &mut tally, watch)?,
        Format::Masks => masks::write_objects(&dataset, path, &mut tally, watch)?,
        _ => masks::write_semantic(&dataset, path, &mut tally, watch)?,
    }
    Ok(tally)
}

fn shaped(dataset: &mut Dataset, policy: Policy, tally: &mut Tally, watch: &mut Watch<'_>) -> Result<(), ExchangeError> {
    let losses = convert::convert_with(dataset, policy, watch.cancel, watch.progress).ok_or(ExchangeError::Cancelled)?;
    for loss in losses {
        match loss.iou {
            Ok(iou) => tally.add_iou(loss.id.0, iou),
            Err(error) => tally.add(Kind::Unshaped, format_args!("annotation {} ({error})", loss.id)),
        }
    }
    Ok(())
}

/// A result has an image, a class, an outline and a score. COCO's own reader takes the area of results from their
/// outlines, and only from compressed run lengths, so that polygons become those.
fn as_results(dataset: &mut Dataset, tally: &mut Tally) {
    placed(dataset, tally);
    let sizes = dataset.sizes();
    for instance in &mut dataset.instances {
        if instance.crowd {
            tally.add(Kind::Crowd, format_args!("annotation {}", instance.id));
        }
        // A record of a data set is no result: it has members that results do not have, and perhaps no score.
        if instance.score.is_some() && instance.source.as_ref().is_some_and(|source| is_result(source.text())) {
            continue;
        }
        lost_of_instance(instance, tally);
        instance.source = None;
        let size = sizes.get(&instance.image_id).copied().unwrap_or_default();
        match convert::converted(instance, size, Policy::Rle { compressed: true }) {
            Ok(Some((shape, _))) => instance.shape = shape,
            Ok(None) => (),
            Err(error) => tally.add(Kind::Unshaped, format_args!("annotation {} ({error})", instance.id)),
        }
    }
    let others = dataset.document.iter().filter(|(_, value)| value.is_some()).count() + 2;
    tally.add_many(Kind::Member, others, "the images, classes and other members of the file: a list of results has none");
}

/// Whether a record has no id of its own, as results have none.
fn is_result(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Record {
        id: Option<IgnoredAny>,
    }
    serde_json::from_str::<Record>(text).is_ok_and(|record| record.id.is_none())
}

/// Leaves out the records without an image or a class: captions, and what is broken.
fn placed(dataset: &mut Dataset, tally: &mut Tally) {
    dataset.instances.retain(|instance| {
        let kept = instance.image_id.0 != NO_ID && instance.category_id.0 != NO_ID;
        if !kept {
            tally.add(Kind::Object, format_args!("annotation {}", instance.id));
        }
        kept
    });
}

/// The names of the members that a record's text has besides `known`, without those that are `null`.
fn others(source: Option<&Verbatim>, known: &[&str]) -> Vec<String> {
    type Members = BTreeMap<String, Option<IgnoredAny>>;
    let parsed = |text: &str| serde_json::from_str::<Members>(text).ok();
    // Python's `NaN` is no JSON.
    let members = source.and_then(|source| parsed(source.text()).or_else(|| parsed(&coco::document::standard(source.text())?)));
    let members = members.unwrap_or_default().into_iter();
    members.filter(|(name, value)| value.is_some() && !known.contains(&name.as_str())).map(|(name, _)| name).collect()
}

/// Counts the members of annotations that only COCO knows.
fn lost_of_instance(instance: &Instance, tally: &mut Tally) {
    let known = ["id", "image_id", "category_id", "segmentation", "area", "bbox", "iscrowd", "score"];
    let lost = others(instance.source.as_ref(), &known);
    if !lost.is_empty() {
        tally.add(Kind::Member, format_args!("annotation {} ({})", instance.id, lost.join(", ")));
    }
}

/// Leaves out the objects without a known image or class, and those whose run lengths fit no image.
fn usable(dataset: &mut Dataset, tally: &mut Tally) {
    placed(dataset, tally);
    let sizes = dataset.sizes();
    let classes: HashSet<CategoryId> = dataset.categories.iter().map(|category| category.id).collect();
    dataset.instances.retain(|instance| {
        let size = sizes.get(&instance.image_id);
        let fits = size.is_some_and(|size| size.has_pixels() && instance.shape.runs(instance.bbox, *size).is_ok());
        let kept = fits && classes.contains(&instance.category_id);
        if !kept {
            tally.add(Kind::Object, format_args!("annotation {}", instance.id));
        }
        kept
    });
}

/// Counts what none of the other formats holds.
fn lost_members(dataset: &Dataset, format: Format, tally: &mut Tally) {
    let names: Vec<&str> = dataset.document.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name.as_str()).collect();
    tally.add_many(Kind::Member, names.len(), names.join(", "));
    if matches!(format, Format::Masks | Format::Semantic) || !is_counted(dataset, format) {
        let ids = dataset.images.len() + dataset.instances.len() + dataset.categories.len();
        tally.add_many(Kind::Id, ids, "of images, annotations and classes");
    }
    for category in dataset.categories.iter().filter(|category| !category.supercategory.is_empty()) {
        tally.add(Kind::Group, format_args!("{} ({})", category.name, category.supercategory));
    }
    for category in &dataset.categories {
        let lost = others(category.source.as_ref(), &["id", "name", "supercategory"]);
        if !lost.is_empty() {
            tally.add(Kind::Member, format_args!("category {} ({})", category.id, lost.join(", ")));
        }
    }
    for image in &dataset.images {
        if lvis::marks(image) != lvis::Marks::default() {
            tally.add(Kind::Mark, format_args!("image {}", image.id));
        }
        let known = ["id", "width", "height", "file_name", lvis::MARKS[0], lvis::MARKS[1]];
        let lost = others(image.source.as_ref(), &known);
        if !lost.is_empty() {
            tally.add(Kind::Member, format_args!("image {} ({})", image.id, lost.join(", ")));
        }
    }
    for instance in &dataset.instances {
        lost_of_instance(instance, tally);
        if instance.crowd && !matches!(format, Format::Voc | Format::Labelme) {
            tally.add(Kind::Crowd, format_args!("annotation {}", instance.id));
        }
        if let Some(score) = instance.score {
            tally.add(Kind::Score, format_args!("annotation {} ({score})", instance.id));
        }
    }
}

/// Whether a reader that counts records from 1, images by their names, objects image by image and classes of one name as one,
/// gives them the ids that they have. CVAT's one file keeps the images in their order.
fn is_counted(dataset: &Dataset, format: Format) -> bool {
    let Dataset { images, categories, instances, .. } = dataset;
    let is_after =
        |a: &Image, b: &Image| Path::new(&a.file_name) < Path::new(&b.file_name) && folder::natural(&a.file_name, &b.file_name).is_lt();
    let names: HashSet<&str> = categories.iter().map(|category| category.name.as_str()).collect();
    names.len() == categories.len()
        && (format == Format::Cvat || images.is_sorted_by(is_after))
        && instances.is_sorted_by_key(|instance| instance.image_id)
        && images.iter().zip(1..).all(|(image, count)| image.id == ImageId(count))
        && categories.iter().zip(1..).all(|(category, count)| category.id == CategoryId(count))
        && instances.iter().zip(1..).all(|(instance, count)| instance.id == InstanceId(count))
}

/// The `IoU` that `instance`, on an image of `size`, keeps with its pixels in `format`; `None` where it is left out.
pub fn kept_iou(instance: &Instance, size: Size, format: Format, policy: Option<Policy>) -> Option<f64> {
    let counts = instance.shape.runs(instance.bbox, size).ok()?;
    let traced = |instance: &Instance, grain_px| {
        Some(convert::one_polygon(instance, size, policy.map_or(0.0, Policy::tolerance_px), grain_px).ok()??.1)
    };
    match format {
        Format::Lvis if instance.crowd => None,
        Format::Results => Some(1.0),
        Format::Coco | Format::Lvis => {
            let Some(policy) = policy else { return Some(1.0) };
            Some(convert::converted(instance, size, policy).ok()?.map_or(1.0, |(_, iou)| iou))
        }
        Format::YoloSeg => traced(&yolo::within(instance, size), yolo::GRAIN_PX),
        Format::YoloBoxes => {
            let bbox = Shape::Box.runs(yolo::inside(instance.bbox, size)?, size).ok()?;
            Some(convert::iou(&counts, &bbox))
        }
        Format::Cvat if instance.shape == Shape::Box => Some(1.0),
        Format::Cvat if matches!(instance.shape, Shape::Polygons(_)) => traced(instance, cvat::GRAIN_PX),
        Format::Voc => {
            let bbox = Shape::Box.runs(voc::whole_pixels(instance.bbox), size).ok()?;
            Some(convert::iou(&counts, &bbox))
        }
        Format::Labelme if matches!(instance.shape, Shape::Box | Shape::Polygons(_)) => Some(1.0),
        Format::Cvat | Format::Labelme | Format::Masks | Format::Semantic => (crate::mask::rle::area(&counts) > 0).then_some(1.0),
    }
}

/// A text file, without the mark that some editors put before it.
pub(super) fn read_text(path: &Path) -> Result<String, ExchangeError> {
    let bytes = std::fs::read(path).map_err(ExchangeError::io(path))?;
    let text = String::from_utf8(bytes).ok().ok_or_else(|| ExchangeError::record(path, "the file", Fault::Text))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The name of each image's file of labels: its own without the ending, or "image" and its id where it has none.
///
/// # Errors
/// When two images would have the same.
pub(super) fn stems(dataset: &Dataset) -> Result<Vec<String>, ExchangeError> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    let mut stems = Vec::with_capacity(dataset.images.len());
    for image in &dataset.images {
        let stem = match stem(&image.file_name) {
            stem if stem.is_empty() => format!("image {}", image.id),
            stem => stem,
        };
        if let Some(first) = seen.insert(stem.to_lowercase(), &image.file_name) {
            return Err(ExchangeError::SameName { first: first.to_owned(), second: image.file_name.clone(), name: stem });
        }
        stems.push(stem);
    }
    Ok(stems)
}

/// A file name without its ending, kept inside the folder that it is joined to.
pub(super) fn stem(file_name: &str) -> String {
    let inside: Vec<&str> = file_name.split('/').filter(|part| !matches!(*part, "" | "." | "..") && !part.ends_with(':')).collect();
    let mut name = inside.join("/");
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    if let Some(dot) = name[start..].rfind('.').filter(|dot| *dot > 0) {
        name.truncate(start + dot);
    }
    name
}

/// The objects of each image, by the place of the image.
pub(super) fn by_image(dataset: &Dataset) -> Vec<Vec<&Instance>> {
    let places: HashMap<ImageId, usize> = dataset.images.iter().enumerate().rev().map(|(place, image)| (image.id, place)).collect();
    let mut objects = vec![Vec::new(); dataset.images.len()];
    for instance in &dataset.instances {
        if let Some(place) = places.get(&instance.image_id) {
            objects[*place].push(instance);
        }
    }
    objects
}

/// The outline of `instance` as one polygon, as [`convert::one_polygon`] makes it; what that loses is counted, also that there is
/// none.
pub(super) fn counted_polygon(instance: &Instance, size: Size, tolerance_px: f64, grain_px: f64, tally: &mut Tally) -> Option<Vec<f64>> {
    let Ok(Some((polygon, iou))) = convert::one_polygon(instance, size, tolerance_px, grain_px) else {
        tally.add(Kind::Object, format_args!("annotation {}", instance.id));
        return None;
    };
    if matches!(&instance.shape, Shape::Polygons(polygons) if polygons.len() > 1) {
        tally.add(Kind::Bridged, format_args!("annotation {}", instance.id));
    }
    if iou < 1.0 || matches!(instance.shape, Shape::Rle { .. }) {
        tally.add_iou(instance.id.0, iou);
    }
    Some(polygon)
}

/// The place of each class in the list.
pub(super) fn class_places(dataset: &Dataset) -> HashMap<CategoryId, usize> {
    dataset.categories.iter().enumerate().rev().map(|(place, category)| (category.id, place)).collect()
}

/// Builds a data set with ids from 1.
#[derive(Debug, Default)]
pub struct Builder {
    /// What is built so far.
    pub dataset: Dataset,
    classes: HashMap<String, CategoryId>,
}

impl Builder {
    /// Adds an image.
    pub fn image(&mut self, file_name: String, size: Size) -> ImageId {
        let id = ImageId(self.dataset.images.len() as i64 + 1);
        self.dataset.images.push(Image { id, file_name, size, source: None });
        id
    }

    /// Gives an image another size.
    pub fn resize(&mut self, id: ImageId, size: Size) {
        let place = usize::try_from(id.0 - 1).ok();
        if let Some(image) = place.and_then(|place| self.dataset.images.get_mut(place)) {
            image.size = size;
        }
    }

    /// The class of this name, added where it is new.
    pub fn class(&mut self, name: &str) -> CategoryId {
        if let Some(id) = self.classes.get(name) {
            return *id;
        }
        let id = CategoryId(self.dataset.categories.len() as i64 + 1);
        self.dataset.categories.push(Category { id, name: name.to_owned(), supercategory: String::new(), source: None });
        self.classes.insert(name.to_owned(), id);
        id
    }

    /// Adds an object; the box and area are those of `shape` where it is an outline.
    pub fn object(&mut self, image_id: ImageId, category_id: CategoryId, bbox: Rect, shape: Shape) -> &mut Instance {
        let id = InstanceId(self.dataset.instances.len() as i64 + 1);
        let (score, source, area) = (None, None, bbox.area());
        let mut instance =
            Instance { id, image_id, category_id, bbox, shape: Shape::Box, area, crowd: false, score, changed: Field::NONE, source };
        instance.set_shape(shape);
        instance.changed = Field::NONE;
        self.dataset.instances.push(instance);
        let last = self.dataset.instances.len() - 1;
        &mut self.dataset.instances[last]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_stay_inside_their_folder() {
        for (name, expected) in
            [("a.jpg", "a"), ("s/a.b.png", "s/a.b"), ("../x/.hidden", "x/.hidden"), ("/etc/p", "etc/p"), ("s.d/a", "s.d/a")]
        {
            assert_eq!(stem(name), expected);
        }
    }
}
