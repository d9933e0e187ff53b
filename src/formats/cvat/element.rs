//! What the library passes over in CVAT's files (CVAT, `dump_as_cvat_annotation`): `<mask>` elements, run lengths row by
//! row inside a box, the first one of pixels that are not the object's; and the rotation of boxes, in degrees clockwise
//! about their centres.

use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::super::exchange::{Builder, ExchangeError, Fault};
use super::super::library::restored;
use super::super::loss::{Kind, Tally};
use crate::annotation::{ImageId, Instance, Shape};
use crate::geometry::{Rect, Size};
use crate::mask::Mask;

/// Adds the masks of `text`, a file without references, to the images of `builder`, where the first of a name counts, and
/// turns its boxes, which become polygons; returns how many masks there are. Errors name the file `path`.
///
/// # Errors
/// When the XML is broken, or a mask's members are no such numbers, do not fill its box or lie outside its image.
pub(super) fn read(text: &str, path: &Path, builder: &mut Builder, tally: &mut Tally) -> Result<usize, ExchangeError> {
    let images: HashMap<String, (ImageId, Size)> =
        builder.dataset.images.iter().rev().map(|image| (image.file_name.clone(), (image.id, image.size))).collect();
    let (mut reader, mut name, mut count) = (Reader::from_str(text), String::new(), 0);
    // Boxes stand in the file in the order in which the library has read them.
    let mut next = 0;
    let broken = |error: &dyn std::fmt::Display| ExchangeError::Library { message: error.to_string(), path: path.to_owned() };
    loop {
        match reader.read_event().map_err(|error| broken(&error))? {
            Event::Eof => return Ok(count),
            Event::Start(element) | Event::Empty(element) => match element.name().as_ref() {
                b"image" => name = member(&element, "name").unwrap_or_default().replace('\\', "/"),
                b"box" => {
                    let Some((rect, polygon)) = boxed(&element) else { continue };
                    let image = images.get(&name).map(|(image, _)| *image);
                    let is_it = |one: &Instance| Some(one.image_id) == image && one.shape == Shape::Box && near(one.bbox, rect);
                    let place = builder.dataset.instances[next..].iter().position(is_it).map(|place| next + place);
                    next = place.map_or(next, |place| place + 1);
                    match (place, polygon) {
                        (Some(place), Some(polygon)) => builder.dataset.instances[place].set_shape(Shape::Polygons([polygon].into())),
                        (None, Some(_)) => tally.add(Kind::Member, format_args!("the rotation of a box on {name}")),
                        (_, None) => {}
                    }
                }
                b"mask" => {
                    count += 1;
                    let Some(&(image, size)) = images.get(&name) else { continue };
                    let wrong = |fault| ExchangeError::record(path, format!("mask {count} (image {name})"), fault);
                    let label = member(&element, "label").ok_or_else(|| wrong(Fault::Member("label")))?;
                    let mask = mask(&element, size).map_err(wrong)?;
                    if !mask.is_empty() {
                        let class = builder.class(&label);
                        builder.object(image, class, Rect::default(), Shape::from_mask(&mask));
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
}

fn member(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let value = element.try_get_attribute(name).ok()??.value;
    Some(restored(std::str::from_utf8(&value).ok()?))
}

/// A box without its rotation, and the polygon that it is where it has one.
fn boxed(element: &BytesStart<'_>) -> Option<(Rect, Option<Vec<f64>>)> {
    let value = |name| member(element, name)?.trim().parse::<f64>().ok().filter(|value| value.is_finite());
    let [left, top, right, bottom] = [value("xtl")?, value("ytl")?, value("xbr")?, value("ybr")?];
    let rect = Rect::new(left, top, right - left, bottom - top);
    let Some(angle) = value("rotation").filter(|angle| *angle != 0.0) else { return Some((rect, None)) };
    let (middle, (sin, cos)) = (rect.center(), angle.to_radians().sin_cos());
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom)].map(|(x, y)| (x - middle.x, y - middle.y));
    let hundredths = |value: f64| (value * 100.0).round() / 100.0;
    let polygon = corners.into_iter().flat_map(|(x, y)| [middle.x + x * cos - y * sin, middle.y + x * sin + y * cos].map(hundredths));
    Some((rect, Some(polygon.collect())))
}

fn near(a: Rect, b: Rect) -> bool {
    [a.x - b.x, a.y - b.y, a.width - b.width, a.height - b.height].iter().all(|difference| difference.abs() < 0.01)
}

fn number<T: FromStr>(text: &str) -> Result<T, Fault> {
    text.trim().parse().ok().ok_or_else(|| Fault::Number(text.trim().to_owned()))
}

/// The mask of an image of `size`.
fn mask(element: &BytesStart<'_>, size: Size) -> Result<Mask, Fault> {
    let text = |name| member(element, name).ok_or(Fault::Member(name));
    let side = |name| number::<u32>(&text(name)?);
    let (left, top, place) = (side("left")?, side("top")?, Size::new(side("width")?, side("height")?));
    let fits = |from: u32, length: u32, all: u32| from.checked_add(length).is_some_and(|end| end <= all);
    if !fits(left, place.width, size.width) || !fits(top, place.height, size.height) {
        return Err(Fault::Size { mask: Size::new(left.saturating_add(place.width), top.saturating_add(place.height)), place: size });
    }
    let mut mask = Mask::new(size);
    let (mut at, mut object) = (0_usize, false);
    for run in text("rle")?.split(',') {
        let end = number::<u32>(run)? as usize + at;
        if end > place.pixels() {
            return Err(Fault::Member("rle"));
        }
        while object && at < end {
            let (x, y) = (at % place.width as usize, at / place.width as usize);
            let length = (place.width as usize - x).min(end - at);
            mask.row_mut(top + y as u32)[left as usize + x..][..length].fill(1);
            at += length;
        }
        (at, object) = (end, !object);
    }
    if at == place.pixels() { Ok(mask) } else { Err(Fault::Member("rle")) }
}
