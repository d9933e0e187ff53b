//! Writes CVAT's file: boxes and polygons in hundredths of a pixel, masks as run lengths with every pixel.

use std::io;
use std::path::Path;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::super::exchange::{ExchangeError, Watch, by_image, class_places, counted_polygon};
use super::super::library::Names;
use super::super::loss::{Kind, Tally};
use super::super::save::replace;
use super::GRAIN_PX;
use crate::annotation::{Dataset, Instance, Shape};
use crate::geometry::{Rect, Size};
use crate::job::Meter;
use crate::mask::rle;

/// An attribute with its value.
type Member = (&'static str, String);

/// Writes the file.
pub(in crate::formats) fn write(dataset: &Dataset, path: &Path, tally: &mut Tally, watch: &mut Watch<'_>) -> Result<(), ExchangeError> {
    let mut names = Names::default();
    let classes = dataset.categories.iter();
    let labels: Vec<String> = classes.map(|category| names.plain(&category.name, &format!("class {}", category.id), tally)).collect();
    let places = class_places(dataset);
    let mut names = Names::default();
    let mut out = Writer::new_with_indent(Vec::new(), b' ', 2);
    begin(&mut out, &labels).map_err(ExchangeError::io(path))?;
    let meter = Meter::start("Writing", dataset.images.len() as u64);
    for (place, objects) in by_image(dataset).into_iter().enumerate() {
        watch.step(&meter, place)?;
        let image = &dataset.images[place];
        let name = names.plain(&image.file_name, &format!("image {}", image.id), tally);
        let mut shapes = Vec::with_capacity(objects.len());
        for instance in objects {
            let label = places.get(&instance.category_id).and_then(|place| labels.get(*place));
            let Some((label, (kind, members))) = label.zip(shape(instance, image.size, tally)) else { continue };
            let mut all = vec![("label", label.clone()), ("occluded", "0".to_owned())];
            all.extend(members);
            shapes.push(element(kind, &all));
        }
        let Size { width, height } = image.size;
        let members = [("id", (place + 1).to_string()), ("name", name), ("width", width.to_string()), ("height", height.to_string())];
        put(&mut out, element("image", &members), shapes).map_err(ExchangeError::io(path))?;
    }
    out.write_event(Event::End(BytesEnd::new("annotations"))).map_err(ExchangeError::io(path))?;
    let text = out.into_inner();
    Ok(replace(path, |out| io::Write::write_all(out, &text))?)
}

/// What stands before the images: the labels.
fn begin(out: &mut Writer<Vec<u8>>, labels: &[String]) -> io::Result<()> {
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    out.write_event(Event::Start(BytesStart::new("annotations")))?;
    out.create_element("version").write_text_content(BytesText::new("1.1"))?;
    for name in ["meta", "task", "labels"] {
        out.write_event(Event::Start(BytesStart::new(name)))?;
    }
    for label in labels {
        out.write_event(Event::Start(BytesStart::new("label")))?;
        out.create_element("name").write_text_content(BytesText::new(label))?;
        out.write_event(Event::End(BytesEnd::new("label")))?;
    }
    for name in ["labels", "task", "meta"] {
        out.write_event(Event::End(BytesEnd::new(name)))?;
    }
    Ok(())
}

fn put(out: &mut Writer<Vec<u8>>, image: BytesStart<'_>, shapes: Vec<BytesStart<'_>>) -> io::Result<()> {
    out.write_event(Event::Start(image))?;
    for shape in shapes {
        out.write_event(Event::Empty(shape))?;
    }
    out.write_event(Event::End(BytesEnd::new("image")))
}

fn element(name: &'static str, members: &[Member]) -> BytesStart<'static> {
    let mut element = BytesStart::new(name);
    for (name, value) in members {
        element.push_attribute((*name, value.as_str()));
    }
    element
}

/// The name of the element that an object is, and where it lies; `None`, and counted, where it has no pixels.
fn shape(instance: &Instance, size: Size, tally: &mut Tally) -> Option<(&'static str, Vec<Member>)> {
    match &instance.shape {
        Shape::Box => Some(("box", sides(instance.bbox))),
        Shape::Polygons(_) => {
            let polygon = counted_polygon(instance, size, 0.0, GRAIN_PX, tally)?;
            let points: Vec<String> = polygon.as_chunks::<2>().0.iter().map(|[x, y]| format!("{x:.2},{y:.2}")).collect();
            Some(("polygon", vec![("points", points.join(";"))]))
        }
        Shape::Rle { size, counts, .. } => {
            let runs = runs(*size, counts);
            if runs.is_none() {
                tally.add(Kind::Object, format_args!("annotation {}", instance.id));
            }
            Some(("mask", runs?))
        }
    }
}

fn sides(bbox: Rect) -> Vec<Member> {
    let sides = [("xtl", bbox.x), ("ytl", bbox.y), ("xbr", bbox.right()), ("ybr", bbox.bottom())];
    sides.map(|(name, value)| (name, format!("{value:.2}"))).into()
}

/// The run lengths row by row inside the mask's box, the first one of pixels that are not the object's.
fn runs(size: Size, counts: &[u32]) -> Option<Vec<Member>> {
    let place = rle::bounds(size, counts)?;
    let mask = rle::decode_window(size, counts, place);
    let pixels = mask.bytes();
    let nothing = (pixels.first() == Some(&1)).then_some(0);
    let lengths = nothing.into_iter().chain(pixels.chunk_by(|a, b| a == b).map(<[u8]>::len));
    let text: Vec<String> = lengths.map(|length| length.to_string()).collect();
    let sides = [("left", place.x), ("top", place.y), ("width", place.width), ("height", place.height)];
    let sides = sides.into_iter().map(|(name, value)| (name, value.to_string()));
    Some(std::iter::once(("rle", text.join(", "))).chain(sides).collect())
}
