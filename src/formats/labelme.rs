//! labelme: a JSON file for each image, its shapes polygons, rectangles, or masks that are PNG pictures in base64.
//!
//! Parts of one object are shapes with the same label and `group_id`. Masks stay masks, so that holes stay holes. labelme
//! has no list of classes; `labels.txt`, which its `--labels` option takes, holds theirs.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ExtendedColorType, ImageEncoder as _, ImageFormat, ImageReader};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::exchange::{Builder, ExchangeError, Fault, Imported, Watch, class_places, read_text};
use super::loss::{Kind, Tally};
use super::picture::MOST_PIXELS;
use super::stage::filled;
use crate::annotation::{Dataset, Instance, Shape};
use crate::geometry::{Point, Rect, Size};
use crate::job::Meter;
use crate::mask::{Mask, PixelRect, polygon, rle};

/// The version of labelme whose form is written.
const VERSION: &str = "5.5.0";
/// The flag of a shape that covers a crowd.
const CROWD: &str = "iscrowd";
/// The farthest coordinate that is still believed, in pixels.
const FARTHEST: f64 = 1e7;
/// Corners of the polygon that stands for a circle.
const CIRCLE_CORNERS: u32 = 64;

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    version: Option<String>,
    #[serde(default)]
    flags: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(default)]
    shapes: Vec<serde_json::Value>,
    image_path: String,
    image_data: Option<serde_json::Value>,
    #[serde(deserialize_with = "side")]
    image_height: u32,
    #[serde(deserialize_with = "side")]
    image_width: u32,
}

/// A whole number of pixels, also as `20.0`.
fn side<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = f64::deserialize(deserializer)?;
    if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) {
        return Ok(number as u32);
    }
    Err(D::Error::custom(format!("{number} is no count of pixels")))
}

/// A group's number, also as `1.0`.
fn group<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.map(|number| number as i64))
}

#[derive(Deserialize, Serialize)]
struct Outline {
    label: String,
    points: Vec<[f64; 2]>,
    #[serde(default, deserialize_with = "group")]
    group_id: Option<i64>,
    #[serde(default)]
    description: Option<String>,
    shape_type: Option<String>,
    #[serde(default)]
    flags: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(default)]
    mask: Option<String>,
    /// What the program does not know.
    #[serde(flatten)]
    others: BTreeMap<String, serde_json::Value>,
}

impl Outline {
    /// The members with something in them that a data set of masks has no place for.
    fn lost(&self) -> Vec<&str> {
        let mut lost: Vec<&str> = self.others.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str()).collect();
        if self.description.as_ref().is_some_and(|text| !text.is_empty()) {
            lost.push("description");
        }
        lost.extend(self.flags.iter().flatten().map(|(name, _)| name.as_str()).filter(|name| *name != CROWD));
        lost
    }
}

/// Writes a file for each image into the folder `path`.
pub(super) fn write(dataset: &Dataset, path: &Path, tally: &mut Tally, watch: &mut Watch<'_>) -> Result<(), ExchangeError> {
    let classes = class_places(dataset);
    let json = |error| ExchangeError::record(path, "the file", Fault::Json(error));
    let stage = filled(dataset, path, watch, |stage, image, stem, objects| {
        let mut shapes = Vec::new();
        for (number, instance) in (1..).zip(objects) {
            let label = classes.get(&instance.category_id).map_or("", |place| dataset.categories[*place].name.as_str());
            for outline in outlines(instance, number, label, tally).map_err(|fault| ExchangeError::record(path, "a mask", fault))? {
                shapes.push(serde_json::to_value(outline).map_err(json)?);
            }
        }
        let image_path = image.file_name.rsplit('/').next().unwrap_or_default().to_owned();
        let (image_height, image_width) = (image.size.height, image.size.width);
        let version = Some(VERSION.to_owned());
        let file = File { version, flags: Some(BTreeMap::new()), shapes, image_path, image_data: None, image_height, image_width };
        stage.write(&format!("{stem}.json"), &serde_json::to_vec_pretty(&file).map_err(json)?)
    })?;
    let labels: Vec<String> = dataset.categories.iter().map(|category| category.name.replace(['\r', '\n'], " ")).collect();
    stage.write("labels.txt", (labels.join("\n") + "\n").as_bytes())?;
    stage.publish()
}

fn outlines(instance: &Instance, number: i64, label: &str, tally: &mut Tally) -> Result<Vec<Outline>, Fault> {
    let outline = |points: Vec<[f64; 2]>, kind: &str, group_id: Option<i64>, mask: Option<String>| Outline {
        label: label.to_owned(),
        points,
        group_id,
        description: Some(String::new()),
        shape_type: Some(kind.to_owned()),
        flags: Some(instance.crowd.then(|| (CROWD.to_owned(), true.into())).into_iter().collect()),
        mask,
        others: BTreeMap::new(),
    };
    Ok(match &instance.shape {
        Shape::Box => {
            let bbox = instance.bbox;
            vec![outline(vec![[bbox.x, bbox.y], [bbox.right(), bbox.bottom()]], "rectangle", None, None)]
        }
        Shape::Polygons(polygons) => {
            let group = (polygons.len() > 1).then_some(number);
            polygons.iter().map(|polygon| outline(polygon.as_chunks::<2>().0.to_vec(), "polygon", group, None)).collect()
        }
        Shape::Rle { size, counts, .. } => {
            let Some(place) = rle::bounds(*size, counts) else {
                tally.add(Kind::Object, format_args!("annotation {}", instance.id));
                return Ok(Vec::new());
            };
            let mask = rle::decode_window(*size, counts, place);
            let mut png = Vec::new();
            let encoder = image::codecs::png::PngEncoder::new(&mut png);
            encoder.write_image(mask.bytes(), place.width, place.height, ExtendedColorType::L8)?;
            let (left, top) = (f64::from(place.x), f64::from(place.y));
            let last = [f64::from(place.right() - 1), f64::from(place.bottom() - 1)];
            vec![outline(vec![[left, top], last], "mask", None, Some(STANDARD.encode(png)))]
        }
    })
}

/// Reads the JSON files in the folder `path` and the folders in it, or one file.
pub(super) fn read(path: &Path, watch: &mut Watch<'_>) -> Result<Imported, ExchangeError> {
    let root = if path.is_file() { path.parent().unwrap_or(Path::new("")) } else { path };
    let mut files = if path.is_file() { vec![path.to_owned()] } else { Vec::new() };
    if !path.is_file() {
        find(path, &mut files)?;
    }
    if files.is_empty() {
        return Err(ExchangeError::Nothing { what: "JSON file", path: path.to_owned() });
    }
    files.sort();
    let mut builder = Builder::default();
    let mut tally = Tally::default();
    if let Ok(text) = read_text(&root.join("labels.txt")) {
        // labelme's own lists begin with these two, which are no classes.
        for name in text.lines().filter(|name| !matches!(*name, "" | "__ignore__" | "_background_")) {
            builder.class(name);
        }
    }
    let meter = Meter::start("Reading", files.len() as u64);
    let mut first = None;
    for (done, file) in files.iter().enumerate() {
        watch.step(&meter, done)?;
        let fault = read_file(file, root, &mut builder, &mut tally).unwrap_or_else(|error| {
            tally.add(Kind::Unreadable, &error);
            Some(error)
        });
        first = first.or(fault);
    }
    // Files without a single object are no labels.
    if let Some(fault) = first.filter(|_| builder.dataset.instances.is_empty()) {
        return Err(fault);
    }
    Ok(Imported { dataset: builder.dataset, tally, ..Imported::default() })
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), ExchangeError> {
    for entry in fs::read_dir(folder).map_err(ExchangeError::io(folder))? {
        let entry = entry.map_err(ExchangeError::io(folder))?;
        let kind = entry.file_type().map_err(ExchangeError::io(&entry.path()))?;
        if kind.is_dir() {
            find(&entry.path(), files)?;
        } else if entry.path().extension() == Some(OsStr::new("json")) && !is_own(&entry.file_name()) {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Whether the program wrote a COCO file of this name beside the labels.
fn is_own(name: &OsStr) -> bool {
    name.to_string_lossy().ends_with(".coco.json")
}

/// Adds the image of a file with its objects. A shape that cannot be read is left out and counted; returns what is wrong with
/// the first one.
///
/// # Errors
/// When the file is not labelme's, or tells no size; nothing was added then.
fn read_file(path: &Path, root: &Path, builder: &mut Builder, tally: &mut Tally) -> Result<Option<ExchangeError>, ExchangeError> {
    let text = read_text(path)?;
    let file: File = serde_json::from_str(&text).map_err(|error| ExchangeError::record(path, "the file", Fault::Json(error)))?;
    let size = Size::new(file.image_width, file.image_height);
    if size.pixels() == 0 || size.pixels() as u64 > MOST_PIXELS {
        return Err(ExchangeError::record(path, "the file", Fault::Member("imageWidth` and `imageHeight")));
    }
    let below = path.parent().and_then(|folder| folder.strip_prefix(root).ok()).map(|below| below.to_string_lossy().replace('\\', "/"));
    let image_path = file.image_path.replace('\\', "/");
    let file_name = match below {
        Some(below) if !below.is_empty() => format!("{below}/{image_path}"),
        _ => image_path,
    };
    let image = builder.image(file_name, size);
    if file.flags.is_some_and(|flags| !flags.is_empty()) {
        tally.add(Kind::Member, format_args!("{}: flags of the image", path.display()));
    }
    let (mut first, mut groups) = (None, HashMap::<(String, i64), usize>::new());
    for (index, shape) in file.shapes.into_iter().enumerate() {
        let read = serde_json::from_value(shape).map_err(Fault::Json);
        let (outline, found) = match read.and_then(|outline: Outline| shape_of(&outline, size).map(|found| (outline, found))) {
            Ok(read) => read,
            Err(fault) => {
                tally.add(Kind::Unreadable, format_args!("{}: shapes[{index}] ({fault})", path.display()));
                first = first.or_else(|| Some(ExchangeError::record(path, format!("shapes[{index}]"), fault)));
                continue;
            }
        };
        let lost = outline.lost();
        if !lost.is_empty() {
            tally.add(Kind::Member, format_args!("{}: shapes[{index}] ({})", path.display(), lost.join(", ")));
        }
        let crowd = outline.flags.as_ref().and_then(|flags| flags.get(CROWD)).is_some_and(|flag| flag == true);
        let Some((bbox, shape)) = found else {
            let why = if kind(&outline) == "polygon" { Kind::Object } else { Kind::Unsupported };
            tally.add(why, format_args!("{}: shapes[{index}] ({})", path.display(), kind(&outline)));
            continue;
        };
        let group = outline.group_id.map(|group| (outline.label.clone(), group));
        if let Some(place) = group.as_ref().and_then(|group| groups.get(group)) {
            let whole = &mut builder.dataset.instances[*place];
            if let Some(joined) = joined(whole, &shape, bbox, size) {
                whole.set_shape(joined);
                whole.changed = crate::annotation::Field::NONE;
                continue;
            }
        }
        if let Some(group) = group {
            groups.insert(group, builder.dataset.instances.len());
        }
        let class = builder.class(&outline.label);
        builder.object(image, class, bbox, shape).crowd = crowd;
    }
    Ok(first)
}

fn kind(outline: &Outline) -> &str {
    outline.shape_type.as_deref().unwrap_or("polygon")
}

/// The outline of both; `None` where one of them has no pixels.
fn joined(whole: &Instance, part: &Shape, part_bbox: Rect, size: Size) -> Option<Shape> {
    if let (Shape::Polygons(old), Shape::Polygons(new)) = (&whole.shape, part) {
        return Some(Shape::Polygons(old.iter().chain(new.iter()).cloned().collect()));
    }
    let (old, new) = (whole.mask(size).ok()?, part.mask(part_bbox, size).ok()?);
    Some(Shape::from_mask(&Mask::from_fn(size, |x, y| old.get(x, y) || new.get(x, y))))
}

/// The box and outline of a shape; `None` where it is of a kind that has no pixels, or a polygon of fewer than three corners.
fn shape_of(outline: &Outline, size: Size) -> Result<Option<(Rect, Shape)>, Fault> {
    if let Some(far) = outline.points.iter().flatten().find(|value| value.abs() > FARTHEST) {
        return Err(Fault::Number(far.to_string()));
    }
    let points: Vec<Point> = outline.points.iter().map(|&[x, y]| Point::new(x, y)).collect();
    Ok(match (kind(outline), points.as_slice()) {
        ("polygon", points) if points.len() > 2 => Some((Rect::default(), Shape::Polygons([polygon::flat(points)].into()))),
        ("rectangle", [a, b] | [a, _, b, _]) => Some((Rect::from_corners(*a, *b), Shape::Box)),
        ("circle", [center, edge]) => {
            let radius = center.distance(*edge);
            let corner = |index| {
                let angle = std::f64::consts::TAU * f64::from(index) / f64::from(CIRCLE_CORNERS);
                Point::new(center.x + radius * angle.cos(), center.y + radius * angle.sin())
            };
            let ring: Vec<Point> = (0..CIRCLE_CORNERS).map(corner).collect();
            Some((Rect::default(), Shape::Polygons([polygon::flat(&ring)].into())))
        }
        ("mask", [a, b]) => {
            let mask = outline.mask.as_ref().ok_or(Fault::Member("mask"))?;
            Some((Rect::default(), mask_of(mask, Rect::from_corners(*a, *b), size)?))
        }
        ("rectangle" | "circle" | "mask", _) => return Err(Fault::Member("points")),
        _ => None,
    })
}

fn mask_of(text: &str, place: Rect, size: Size) -> Result<Shape, Fault> {
    let png = STANDARD.decode(text.trim())?;
    let mut reader = ImageReader::with_format(Cursor::new(png), ImageFormat::Png);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(size.width);
    limits.max_image_height = Some(size.height);
    reader.limits(limits);
    let picture = reader.decode()?.into_luma8();
    // Both corners are pixels of the mask.
    let rect =
        PixelRect::new(place.x.round() as u32, place.y.round() as u32, place.width.round() as u32 + 1, place.height.round() as u32 + 1);
    let found = Size::new(picture.width(), picture.height());
    if found != rect.size() {
        return Err(Fault::Size { mask: found, place: rect.size() });
    }
    let crop = Mask::from_bytes(found, picture.into_raw()).ok_or(Fault::Member("mask"))?;
    let mut mask = Mask::new(size);
    mask.paste(&crop, rect.x, rect.y);
    Ok(Shape::from_mask(&mask))
}
