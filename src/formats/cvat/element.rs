//! What the library passes over in CVAT's files (CVAT, `dump_as_cvat_annotation`): `<mask>` elements, run lengths row by
//! row inside a box, the first one of pixels that are not the object's; `<ellipse>` elements; and the rotation of boxes and
//! ellipses, in degrees clockwise about their centres.

use std::collections::HashMap;
use std::f64::consts::TAU;
use std::path::Path;
use std::str::FromStr;
use std::vec::IntoIter;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::super::exchange::{Builder, ExchangeError, Fault};
use super::super::library::{FARTHEST, restored};
use super::super::loss::{Kind, Tally};
use crate::annotation::{ImageId, Instance, InstanceId, Shape};
use crate::geometry::{Point, Rect, Size};
use crate::mask::{Mask, rle};

/// Corners of the polygon that stands for an ellipse.
const ELLIPSE_CORNERS: u32 = 64;

/// Adds the masks and ellipses of `text`, a file without references, to the images of `builder`, where the first of a name
/// counts, each at its place among the objects that the library has read, and turns boxes, which become polygons; a box whose
/// edges are the wrong way round is left out. Returns how many it has added or counted. Errors name the file `path`.
///
/// # Errors
/// When the XML is broken, a mask's members are no such numbers, do not fill its box or lie outside its image, or an
/// ellipse's or the rotation of a box are no such numbers.
pub(super) fn read(text: &str, path: &Path, builder: &mut Builder, tally: &mut Tally) -> Result<usize, ExchangeError> {
    let images = builder.dataset.images.iter().rev().map(|image| (image.file_name.clone(), (image.id, image.size))).collect();
    let library = std::mem::take(&mut builder.dataset.instances).into_iter();
    let mut shapes = Shapes { path, images, library, builder, tally, boxes: 0, masks: 0, ellipses: 0 };
    let broken = |error: quick_xml::Error| ExchangeError::Library { message: error.to_string(), path: path.to_owned() };
    let (mut reader, mut image) = (Reader::from_str(text), None);
    loop {
        match reader.read_event().map_err(broken)? {
            Event::Eof => break,
            Event::Start(element) if element.name().as_ref() == b"image" => {
                image = member(&element, "name").map(|name| name.replace('\\', "/"));
            }
            Event::End(element) if element.name().as_ref() == b"image" => image = None,
            Event::Start(element) => {
                let Some(image) = &image else { continue };
                shapes.add(&element, image)?;
                reader.read_to_end(element.name()).map_err(broken)?;
            }
            Event::Empty(element) => {
                let Some(image) = &image else { continue };
                shapes.add(&element, image)?;
            }
            _ => {}
        }
    }
    while shapes.passed_on() {}
    Ok(shapes.masks + shapes.ellipses)
}

/// The objects of a file, in its order.
struct Shapes<'a> {
    path: &'a Path,
    images: HashMap<String, (ImageId, Size)>,
    /// The boxes and polygons, in the order in which the library has read them, which is that of the file.
    library: IntoIter<Instance>,
    builder: &'a mut Builder,
    tally: &'a mut Tally,
    boxes: usize,
    masks: usize,
    ellipses: usize,
}

impl Shapes<'_> {
    fn add(&mut self, element: &BytesStart<'_>, image: &str) -> Result<(), ExchangeError> {
        match element.name().as_ref() {
            b"box" => {
                self.boxes += 1;
                let record = |fault| ExchangeError::record(self.path, format!("box {} (image {image})", self.boxes), fault);
                let degrees = rotation(element).map_err(record)?;
                let Some(mut instance) = self.library.next() else { return Ok(()) };
                let bbox = instance.bbox;
                if bbox.width.min(bbox.height) < 0.0 {
                    self.tally.add(Kind::Object, format_args!("a box on {image}"));
                    return Ok(());
                }
                if degrees != 0.0 {
                    instance.set_shape(Shape::Polygons([turned_box(bbox, degrees)].into()));
                }
                self.keep(instance);
            }
            // The library counts those of fewer points.
            b"polygon" if member(element, "points").is_some_and(|points| points.split(';').count() > 2) => {
                self.passed_on();
            }
            b"mask" => {
                self.masks += 1;
                self.own(element, image, format!("mask {} (image {image})", self.masks), mask)?;
            }
            b"ellipse" => {
                self.ellipses += 1;
                self.own(element, image, format!("ellipse {} (image {image})", self.ellipses), |element, _| ellipse(element))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Gives the data set the next object of the library; whether there was one.
    fn passed_on(&mut self) -> bool {
        let Some(instance) = self.library.next() else { return false };
        self.keep(instance);
        true
    }

    fn keep(&mut self, instance: Instance) {
        let instances = &mut self.builder.dataset.instances;
        instances.push(Instance { id: InstanceId(instances.len() as i64 + 1), ..instance });
    }

    /// Adds what `shape` makes of an element that the library does not know; counted where that has no pixels.
    fn own(
        &mut self,
        element: &BytesStart<'_>,
        image: &str,
        record: String,
        shape: impl FnOnce(&BytesStart<'_>, Size) -> Result<Option<Shape>, Fault>,
    ) -> Result<(), ExchangeError> {
        let Some(&(image, size)) = self.images.get(image) else { return Ok(()) };
        let label = member(element, "label").ok_or(Fault::Member("label"));
        match label.and_then(|label| Ok((label, shape(element, size)?))) {
            Ok((label, Some(shape))) => {
                let class = self.builder.class(&label);
                self.builder.object(image, class, Rect::default(), shape);
            }
            Ok((_, None)) => self.tally.add(Kind::Object, record),
            Err(fault) => return Err(ExchangeError::record(self.path, record, fault)),
        }
        Ok(())
    }
}

fn member(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let value = element.try_get_attribute(name).ok()??.value;
    Some(restored(std::str::from_utf8(&value).ok()?))
}

/// The rotation of a box or an ellipse.
fn rotation(element: &BytesStart<'_>) -> Result<f64, Fault> {
    member(element, "rotation").map_or(Ok(0.0), |_| coordinate(element, "rotation"))
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
    let text = member(element, name).ok_or(Fault::Member(name))?;
    let value: f64 = number(&text)?;
    if value.abs() <= FARTHEST { Ok(value) } else { Err(Fault::Number(text)) }
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
