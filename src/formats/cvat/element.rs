//! The elements of CVAT's files (CVAT, `dump_as_cvat_annotation`): the labels of a task, a job or a project; `<image>`
//! elements; in them `<box>` and `<ellipse>`, with a rotation in degrees clockwise about their centres, `<polygon>`, and
//! `<mask>`, run lengths row by row inside a box, the first one of pixels that are not the object's.
//!
//! An element that is not as CVAT writes it is left out and counted; where nothing else is there, it is the error.

use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::TAU;
use std::path::Path;
use std::str::FromStr;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::super::exchange::{Builder, ExchangeError, Fault, Imported};
use super::super::library::{FARTHEST, restored};
use super::super::loss::{Kind, Tally};
use super::super::picture::MOST_PIXELS;
use crate::annotation::{ImageId, Shape};
use crate::geometry::{Point, Rect, Size};
use crate::mask::{Mask, rle};

/// Corners of the polygon that stands for an ellipse.
const ELLIPSE_CORNERS: u32 = 64;
/// The members of an image that are read.
const OF_IMAGE: [&str; 4] = ["id", "name", "width", "height"];
/// The members of shapes that are read.
const OF_SHAPE: [&str; 16] =
    ["label", "points", "xtl", "ytl", "xbr", "ybr", "rotation", "cx", "cy", "rx", "ry", "rle", "left", "top", "width", "height"];

/// Reads `text`, a file without references. Errors name the file `path`.
///
/// # Errors
/// When the XML is broken or of a video, or nothing in it can be used.
pub(super) fn read(text: &str, path: &Path) -> Result<Imported, ExchangeError> {
    let mut file = File {
        path,
        reader: Reader::from_str(text),
        builder: Builder::default(),
        tally: Tally::default(),
        seen: BTreeMap::new(),
        lost: BTreeMap::new(),
        unknown: BTreeMap::new(),
        redrawn: BTreeMap::new(),
        folders: Vec::new(),
        first: None,
    };
    loop {
        match file.event()? {
            Event::Start(element) => match element.name().as_ref() {
                b"label" => file.label()?,
                b"image" => {
                    let image = file.image(&element);
                    file.shapes(image.as_ref())?;
                }
                b"track" => return Err(broken(path, "it holds the tracks of a video; only CVAT for images is read")),
                _ => {}
            },
            Event::Empty(element) if element.name().as_ref() == b"image" => drop(file.image(&element)),
            Event::End(element) if element.name().as_ref() == b"annotations" => return file.imported(),
            _ => {}
        }
    }
}

fn broken(path: &Path, message: impl Into<String>) -> ExchangeError {
    ExchangeError::Library { message: message.into(), path: path.to_owned() }
}

/// An image whose shapes are read.
struct Place {
    id: ImageId,
    size: Size,
    name: String,
}

/// A file that is being read.
struct File<'a> {
    path: &'a Path,
    reader: Reader<&'a [u8]>,
    builder: Builder,
    tally: Tally,
    /// How many elements of each name there were, which numbers them.
    seen: BTreeMap<String, usize>,
    /// The members that a data set of masks has no place for, and how often each is there.
    lost: BTreeMap<String, usize>,
    /// The shapes that are no masks.
    unknown: BTreeMap<String, usize>,
    /// The shapes that became polygons.
    redrawn: BTreeMap<String, usize>,
    /// The subset and the task of each image.
    folders: Vec<[Option<String>; 2]>,
    /// What is wrong with the first element that cannot be used.
    first: Option<ExchangeError>,
}

impl<'a> File<'a> {
    fn event(&mut self) -> Result<Event<'a>, ExchangeError> {
        match self.reader.read_event() {
            Ok(Event::Eof) => Err(broken(self.path, "there is no whole <annotations> in the file")),
            Ok(event) => Ok(event),
            Err(error) => Err(broken(self.path, error.to_string())),
        }
    }

    /// Adds the class of a `<label>`.
    fn label(&mut self) -> Result<(), ExchangeError> {
        let mut name = String::new();
        loop {
            match self.event()? {
                Event::Start(child) => {
                    let content = self.reader.read_text(child.name()).map_err(|error| broken(self.path, error.to_string()))?;
                    let content = String::from_utf8_lossy(&content);
                    match (child.name().as_ref(), content.trim()) {
                        (b"name", text) => name = restored(text),
                        (_, "") | (b"type", "any") => {}
                        (other, _) => count(&mut self.lost, format!("label {}", String::from_utf8_lossy(other))),
                    }
                }
                Event::End(_) => break,
                _ => {}
            }
        }
        if !name.is_empty() {
            self.builder.class(&name);
        }
        Ok(())
    }

    /// Adds the image; `None`, and counted, where it cannot be used.
    fn image(&mut self, element: &BytesStart<'_>) -> Option<Place> {
        let number = self.numbered("image");
        let name = member(element, "name").map(|name| name.replace('\\', "/")).filter(|name| !name.is_empty());
        match name.clone().ok_or(Fault::Member("name")).and_then(|name| Ok((name, image_size(element)?))) {
            Ok((name, size)) => {
                self.lose(element, &OF_IMAGE);
                self.folders.push(["subset", "task_id"].map(|name| member(element, name).filter(|folder| !folder.is_empty())));
                Some(Place { id: self.builder.image(name.clone(), size), size, name })
            }
            Err(fault) => {
                self.unusable(format!("image {}", name.unwrap_or_else(|| number.to_string())), fault);
                None
            }
        }
    }

    /// Adds what stands in an `<image>`.
    fn shapes(&mut self, image: Option<&Place>) -> Result<(), ExchangeError> {
        loop {
            match self.event()? {
                Event::Start(element) => {
                    let attributes = self.attributes()?;
                    self.shape(&element, image, attributes);
                }
                Event::Empty(element) => self.shape(&element, image, Vec::new()),
                Event::End(_) => return Ok(()),
                _ => {}
            }
        }
    }

    /// The names of the attributes in a shape, which is read to its end.
    fn attributes(&mut self) -> Result<Vec<String>, ExchangeError> {
        let (mut names, mut depth) = (Vec::new(), 1);
        while depth > 0 {
            let event = self.event()?;
            if let Event::Start(child) | Event::Empty(child) = &event
                && child.name().as_ref() == b"attribute"
            {
                names.extend(member(child, "name"));
            }
            match event {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth -= 1,
                _ => {}
            }
        }
        Ok(names)
    }

    /// Adds a shape; counted where it has no pixels or cannot be used.
    fn shape(&mut self, element: &BytesStart<'_>, image: Option<&Place>, attributes: Vec<String>) {
        let kind = String::from_utf8_lossy(element.name().as_ref()).into_owned();
        let number = self.numbered(&kind);
        let Some(image) = image else {
            return self.tally.add(Kind::OnLeftOut, format_args!("{}: {kind} {number}", self.path.display()));
        };
        let label = member(element, "label").filter(|label| !label.is_empty()).ok_or(Fault::Member("label"));
        let shape = match kind.as_str() {
            "box" => boxed(element),
            "polygon" => polygon(element).map(outlined),
            "mask" => mask(element, image.size).map(outlined),
            "ellipse" => ellipse(element).map(outlined),
            _ => return count(&mut self.unknown, kind),
        };
        let record = format!("{kind} {number} (image {})", image.name);
        match label.and_then(|label| Ok((label, shape?))) {
            Ok((label, Some((bbox, shape)))) => {
                match kind.as_str() {
                    "box" if shape != Shape::Box => count(&mut self.redrawn, "turned box".to_owned()),
                    "ellipse" => count(&mut self.redrawn, kind),
                    _ => {}
                }
                self.lose(element, &OF_SHAPE);
                for name in attributes {
                    count(&mut self.lost, format!("attribute {name}"));
                }
                let class = self.builder.class(&label);
                self.builder.object(image.id, class, bbox, shape);
            }
            Ok((_, None)) => self.tally.add(Kind::Object, format_args!("{}: {record}", self.path.display())),
            Err(fault) => self.unusable(record, fault),
        }
    }

    /// How many elements of this name there were, with this one.
    fn numbered(&mut self, kind: &str) -> usize {
        let seen = self.seen.entry(kind.to_owned()).or_default();
        *seen += 1;
        *seen
    }

    /// Counts the members besides `known` that say something.
    fn lose(&mut self, element: &BytesStart<'_>, known: &[&str]) {
        for member in element.attributes().flatten() {
            let name = String::from_utf8_lossy(member.key.as_ref()).into_owned();
            // CVAT writes these where nobody has chosen anything.
            let is_default = matches!(&*member.value, b"" | b"0" | b"manual");
            if !is_default && !known.contains(&name.as_str()) {
                count(&mut self.lost, name);
            }
        }
    }

    fn unusable(&mut self, record: String, fault: Fault) {
        self.tally.add(Kind::Unreadable, format_args!("{}: {record}: {fault}", self.path.display()));
        self.first.get_or_insert_with(|| ExchangeError::record(self.path, record, fault));
    }

    /// Puts images of one name, which the tasks of a project may have, into folders of their subset or task.
    fn tell_apart(&mut self) {
        let images = &mut self.builder.dataset.images;
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, image) in images.iter().enumerate() {
            places.entry(image.file_name.clone()).or_default().push(place);
        }
        for (name, places) in places.into_iter().filter(|(_, places)| places.len() > 1) {
            let folders =
                [0, 1].map(|which| -> Vec<&String> { places.iter().filter_map(|place| self.folders[*place][which].as_ref()).collect() });
            let apart = folders.into_iter().find(|folders| folders.iter().collect::<BTreeSet<_>>().len() == places.len());
            for (place, folder) in places.iter().zip(apart.into_iter().flatten()) {
                images[*place].file_name = format!("{folder}/{name}");
            }
            let names: Vec<&str> = places.iter().map(|place| images[*place].file_name.as_str()).collect();
            self.tally.add_many(Kind::SameName, names.len(), names.join(", "));
        }
    }

    fn imported(mut self) -> Result<Imported, ExchangeError> {
        if self.builder.dataset.instances.is_empty()
            && let Some(fault) = self.first.take()
        {
            return Err(fault);
        }
        if self.builder.dataset.images.is_empty() {
            return Err(broken(self.path, "there is no <image> in the file"));
        }
        self.tell_apart();
        let file = self.path.display();
        self.tally.add_named(Kind::Member, &file, &self.lost);
        self.tally.add_named(Kind::Unsupported, &file, &self.unknown);
        self.tally.add_named(Kind::Redrawn, &file, &self.redrawn);
        Ok(Imported { dataset: self.builder.dataset, tally: self.tally, ..Imported::default() })
    }
}

fn count(counts: &mut BTreeMap<String, usize>, name: String) {
    *counts.entry(name).or_default() += 1;
}

/// An outline with a box that its pixels will tell.
fn outlined(shape: Option<Shape>) -> Option<(Rect, Shape)> {
    shape.map(|shape| (Rect::default(), shape))
}

fn image_size(element: &BytesStart<'_>) -> Result<Size, Fault> {
    let side = |name| number::<u32>(&member(element, name).ok_or(Fault::Member(name))?);
    let size = Size::new(side("width")?, side("height")?);
    if size.pixels() as u64 > MOST_PIXELS {
        return Err(Fault::Member("width` and `height"));
    }
    Ok(size)
}

fn member(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let value = element.try_get_attribute(name).ok()??.value;
    Some(restored(std::str::from_utf8(&value).ok()?))
}

/// The rotation of a box or an ellipse.
fn rotation(element: &BytesStart<'_>) -> Result<f64, Fault> {
    member(element, "rotation").map_or(Ok(0.0), |_| coordinate(element, "rotation"))
}

/// The box, or the polygon that it is with a rotation; `None` where its edges are the wrong way round.
fn boxed(element: &BytesStart<'_>) -> Result<Option<(Rect, Shape)>, Fault> {
    let side = |name| coordinate(element, name);
    let (left, top) = (side("xtl")?, side("ytl")?);
    let bbox = Rect::new(left, top, side("xbr")? - left, side("ybr")? - top);
    let degrees = rotation(element)?;
    if bbox.width.min(bbox.height) < 0.0 {
        return Ok(None);
    }
    let shape = if degrees == 0.0 { Shape::Box } else { Shape::Polygons([turned_box(bbox, degrees)].into()) };
    Ok(Some((bbox, shape)))
}

/// The polygon; `None` where it has fewer than three points.
fn polygon(element: &BytesStart<'_>) -> Result<Option<Shape>, Fault> {
    let text = member(element, "points").ok_or(Fault::Member("points"))?;
    let mut corners = Vec::new();
    for point in text.split(';').filter(|point| !point.trim().is_empty()) {
        let (x, y) = point.split_once(',').ok_or(Fault::Member("points"))?;
        corners.extend([near(x)?, near(y)?]);
    }
    Ok((corners.len() > 4).then(|| Shape::Polygons([corners].into())))
}

/// The polygon that a box with a rotation is.
fn turned_box(bbox: Rect, degrees: f64) -> Vec<f64> {
    let (x, y) = (bbox.width / 2.0, bbox.height / 2.0);
    turned(bbox.center(), degrees, [(-x, -y), (x, -y), (x, y), (-x, y)])
}

/// The polygon that an ellipse is; `None` where it has no extent.
fn ellipse(element: &BytesStart<'_>) -> Result<Option<Shape>, Fault> {
    let value = |name| coordinate(element, name);
    let (middle, radii) = (Point::new(value("cx")?, value("cy")?), Point::new(value("rx")?, value("ry")?));
    let degrees = rotation(element)?;
    if radii.x.min(radii.y) <= 0.0 {
        return Ok(None);
    }
    let corner = |index| {
        let (sin, cos) = (TAU * f64::from(index) / f64::from(ELLIPSE_CORNERS)).sin_cos();
        (radii.x * cos, radii.y * sin)
    };
    Ok(Some(Shape::Polygons([turned(middle, degrees, (0..ELLIPSE_CORNERS).map(corner))].into())))
}

/// The polygon with these corners, seen from `middle` and turned about it, in hundredths of a pixel.
fn turned(middle: Point, degrees: f64, corners: impl IntoIterator<Item = (f64, f64)>) -> Vec<f64> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let hundredths = |value: f64| (value * 100.0).round() / 100.0;
    let place = |(x, y): (f64, f64)| [middle.x + x * cos - y * sin, middle.y + x * sin + y * cos].map(hundredths);
    corners.into_iter().flat_map(place).collect()
}

fn coordinate(element: &BytesStart<'_>, name: &'static str) -> Result<f64, Fault> {
    near(&member(element, name).ok_or(Fault::Member(name))?)
}

/// A coordinate that is not far outside of any image.
fn near(text: &str) -> Result<f64, Fault> {
    let value: f64 = number(text)?;
    if value.abs() <= FARTHEST { Ok(value) } else { Err(Fault::Number(text.trim().to_owned())) }
}

fn number<T: FromStr>(text: &str) -> Result<T, Fault> {
    text.trim().parse().ok().ok_or_else(|| Fault::Number(text.trim().to_owned()))
}

/// The mask on an image of `size`; `None` where it has no pixels.
fn mask(element: &BytesStart<'_>, size: Size) -> Result<Option<Shape>, Fault> {
    let text = |name| member(element, name).ok_or(Fault::Member(name));
    let side = |name| number::<u32>(&text(name)?);
    let (left, top, place) = (side("left")?, side("top")?, Size::new(side("width")?, side("height")?));
    let fits = |from: u32, length: u32, all: u32| from.checked_add(length).is_some_and(|end| end <= all);
    if !fits(left, place.width, size.width) || !fits(top, place.height, size.height) {
        return Err(Fault::Size { mask: Size::new(left.saturating_add(place.width), top.saturating_add(place.height)), place: size });
    }
    let mut mask = Mask::new(place);
    let (mut at, mut object) = (0_usize, false);
    for run in text("rle")?.split(',') {
        let end = number::<u32>(run)? as usize + at;
        if end > place.pixels() {
            return Err(Fault::Member("rle"));
        }
        while object && at < end {
            let (x, y) = (at % place.width as usize, at / place.width as usize);
            let length = (place.width as usize - x).min(end - at);
            mask.row_mut(y as u32)[x..][..length].fill(1);
            at += length;
        }
        (at, object) = (end, !object);
    }
    if at != place.pixels() {
        return Err(Fault::Member("rle"));
    }
    Ok((!mask.is_empty()).then(|| Shape::from_runs(size, rle::encode_placed(&mask, left, top, size))))
}
