//! From a data set to the text of a file.
//!
//! Three things are set right even in records that nobody changed, because COCO's own evaluation and other systems fail on
//! them: `iscrowd` is 0 or 1, the folders in a file name are separated by `/`, and an image's record tells its width and
//! height, where they are known. LVIS has none of these faults.

use std::borrow::Cow;
use std::io::{self, Write};

use super::document::LISTS;
use super::patch::{Change, patched};
use super::record;
use crate::annotation::{Category, Dataset, Field, Image, Instance, Shape};
use crate::formats::lvis;
use crate::mask::rle;

/// Writes the data set, one record a line. Records that nobody changed are written as the text that was read; of a
/// changed one only the changed members are new.
///
/// # Errors
/// When `out` fails.
pub fn write(dataset: &Dataset, mut out: impl Write) -> io::Result<()> {
    write_each(dataset, Form::of(dataset), &mut out, &mut |_| Ok(()))
}

/// What a file is to hold besides a data set's records.
#[derive(Clone, Copy, Debug)]
pub(in crate::formats) struct Form<'a> {
    /// Its classes.
    pub(in crate::formats) classes: &'a [Category],
    /// Whether it is one of LVIS.
    pub(in crate::formats) is_lvis: bool,
}

impl<'a> Form<'a> {
    pub(super) fn of(dataset: &'a Dataset) -> Self {
        Self { classes: &dataset.categories, is_lvis: lvis::is_lvis(dataset) }
    }
}

/// Told now and then how many annotations are written; an error ends the writing.
pub(super) type Each<'a> = &'a mut dyn FnMut(usize) -> io::Result<()>;

/// Annotations that are written between two calls of [`Each`].
const CHUNK: usize = 1 << 12;

pub(super) fn write_each(dataset: &Dataset, form: Form<'_>, out: &mut impl Write, each: Each<'_>) -> io::Result<()> {
    let mut missing: Vec<&str> = LISTS.to_vec();
    let mut separator = "{";
    for (key, value) in &dataset.document {
        write!(out, "{separator}\n{}: ", quoted(key))?;
        separator = ",";
        if let Some(value) = value {
            out.write_all(value.text().as_bytes())?;
        } else {
            missing.retain(|name| name != key);
            list(dataset, form, key, out, each)?;
        }
    }
    for name in missing {
        // A file that lacked a list does not get an empty one.
        let length = [dataset.images.len(), dataset.instances.len(), form.classes.len()];
        let is_empty = LISTS.iter().zip(length).any(|(list, length)| *list == name && length == 0);
        if dataset.document.is_empty() || !is_empty {
            write!(out, "{separator}\n{}: ", quoted(name))?;
            separator = ",";
            list(dataset, form, name, out, each)?;
        }
    }
    out.write_all(if separator == "{" { b"{}\n" } else { b"\n}\n" })
}

/// Writes the instances as a bare list of results, the form that COCO's evaluation takes.
///
/// # Errors
/// When `out` fails.
pub fn write_results(dataset: &Dataset, mut out: impl Write) -> io::Result<()> {
    write_results_each(dataset, &mut out, &mut |_| Ok(()))
}

pub(super) fn write_results_each(dataset: &Dataset, out: &mut impl Write, each: Each<'_>) -> io::Result<()> {
    // COCO's reader looks at the first result: where that has a box, all must have one, and their areas are those of boxes.
    let has_boxes = dataset.instances.iter().any(|instance| instance.shape == Shape::Box);
    records(&dataset.instances, |instance| result(instance, has_boxes), out, each)?;
    out.write_all(b"\n")
}

fn list(dataset: &Dataset, form: Form<'_>, name: &str, out: &mut impl Write, each: Each<'_>) -> io::Result<()> {
    match name {
        "images" => records(&dataset.images, image, out, &mut |_| Ok(())),
        "categories" => records(form.classes, category, out, &mut |_| Ok(())),
        _ => records(&dataset.instances, |instance| annotation(instance, form.is_lvis), out, each),
    }
}

fn records<T>(records: &[T], text: impl Fn(&T) -> Cow<'_, str>, out: &mut impl Write, each: Each<'_>) -> io::Result<()> {
    let mut separator = "[\n";
    for (place, record) in records.iter().enumerate() {
        if place % CHUNK == 0 {
            each(place)?;
        }
        out.write_all(separator.as_bytes())?;
        out.write_all(text(record).as_bytes())?;
        separator = ",\n";
    }
    out.write_all(if records.is_empty() { b"[]" } else { b"\n]" })
}

fn image(image: &Image) -> Cow<'_, str> {
    image.source.as_ref().map_or_else(
        || {
            let Image { id, file_name, size, .. } = image;
            format!("{{\"id\": {id}, \"file_name\": {}, \"width\": {}, \"height\": {}}}", quoted(file_name), size.width, size.height).into()
        },
        |source| {
            let text = source.text();
            let mut changes = Vec::new();
            if text.contains('\\') && record::stored_name(text).is_some_and(|name| name.contains('\\')) {
                changes.push(("file_name", Change::Set(quoted(&image.file_name))));
            }
            if image.size.has_pixels() && !record::tells_size(text) {
                changes.push(("width", Change::Set(image.size.width.to_string())));
                changes.push(("height", Change::Set(image.size.height.to_string())));
            }
            let patched = (!changes.is_empty()).then(|| patched(text, &changes)).flatten();
            patched.map_or_else(|| text.into(), Cow::Owned)
        },
    )
}

fn category(category: &Category) -> Cow<'_, str> {
    let (name, group) = (quoted(&category.name), quoted(&category.supercategory));
    let fresh = || format!("{{\"id\": {}, \"name\": {name}, \"supercategory\": {group}}}", category.id).into();
    let Some(source) = &category.source else { return fresh() };
    let stored = record::category(source.text()).value;
    let mut changes = Vec::new();
    if stored.name != category.name {
        changes.push(("name", Change::Set(name.clone())));
    }
    if stored.supercategory != category.supercategory {
        changes.push(("supercategory", Change::Set(group.clone())));
    }
    if changes.is_empty() { source.text().into() } else { patched(source.text(), &changes).map_or_else(fresh, Cow::Owned) }
}

fn annotation(instance: &Instance, is_lvis: bool) -> Cow<'_, str> {
    // LVIS has no crowds and no scores: its annotations have six members.
    let foreign = if is_lvis { Field::CROWD.and(Field::SCORE) } else { Field::NONE };
    let crowd = if is_lvis { String::new() } else { format!(", \"iscrowd\": {}", u8::from(instance.crowd)) };
    let score = instance.score.filter(|_| !is_lvis).map_or_else(String::new, |score| format!(", \"score\": {}", number(score)));
    stored(instance, foreign).unwrap_or_else(|| {
        format!(
            "{{\"id\": {}, \"image_id\": {}, \"category_id\": {}, \"segmentation\": {}, \"area\": {}, \"bbox\": {}{crowd}{score}}}",
            instance.id,
            instance.image_id,
            instance.category_id,
            segmentation(&instance.shape),
            number(instance.area),
            bbox(instance),
        )
        .into()
    })
}

fn result(instance: &Instance, has_boxes: bool) -> Cow<'_, str> {
    stored(instance, Field::CROWD).unwrap_or_else(|| {
        // A missing score would make the evaluation fail; a certain result has 1.
        let (image, category, score) = (instance.image_id, instance.category_id, number(instance.score.unwrap_or(1.0)));
        let outline = match &instance.shape {
            Shape::Box => format!("\"bbox\": {}", bbox(instance)),
            shape if has_boxes => format!("\"segmentation\": {}, \"bbox\": {}", segmentation(shape), bbox(instance)),
            shape => format!("\"segmentation\": {}", segmentation(shape)),
        };
        format!("{{\"image_id\": {image}, \"category_id\": {category}, {outline}, \"score\": {score}}}").into()
    })
}

/// The record's own text with the changed members replaced, but for those in `foreign`, which the kind of file does not
/// have; `None` where it has none.
fn stored(instance: &Instance, foreign: Field) -> Option<Cow<'_, str>> {
    let source = instance.source.as_ref()?;
    let changed = instance.changed.without(foreign);
    if changed == Field::NONE {
        return Some(source.text().into());
    }
    let mut changes = Vec::new();
    if changed.contains(Field::SHAPE) {
        changes.push(("segmentation", Change::Set(segmentation(&instance.shape))));
        changes.push(("area", Change::Set(number(instance.area))));
        changes.push(("bbox", Change::Set(bbox(instance))));
    }
    if changed.contains(Field::CATEGORY) {
        changes.push(("category_id", Change::Set(instance.category_id.to_string())));
    }
    if changed.contains(Field::SCORE) {
        changes.push(("score", instance.score.map_or(Change::Remove, |score| Change::Set(number(score)))));
    }
    if changed.contains(Field::CROWD) {
        changes.push(("iscrowd", Change::Set(u8::from(instance.crowd).to_string())));
    }
    patched(source.text(), &changes).map(Cow::Owned)
}

fn segmentation(shape: &Shape) -> String {
    match shape {
        Shape::Box => "[]".to_owned(),
        Shape::Polygons(polygons) => {
            let rings: Vec<_> = polygons.iter().map(|polygon| numbers(polygon)).collect();
            format!("[{}]", rings.join(", "))
        }
        Shape::Rle { size, counts, compressed } => {
            let counts = if *compressed {
                quoted(&rle::to_text(counts))
            } else {
                let counts: Vec<_> = counts.iter().map(ToString::to_string).collect();
                format!("[{}]", counts.join(", "))
            };
            format!("{{\"size\": [{}, {}], \"counts\": {counts}}}", size.height, size.width)
        }
    }
}

pub(in crate::formats) fn bbox(instance: &Instance) -> String {
    let bbox = instance.bbox;
    numbers(&[bbox.x, bbox.y, bbox.width, bbox.height])
}

fn numbers(values: &[f64]) -> String {
    let mut text = String::with_capacity(values.len() * 8 + 2);
    text.push('[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(&number(*value));
    }
    text.push(']');
    text
}

/// The shortest text that reads back as the same number; JSON has none for what is not finite, which becomes 0.
pub(in crate::formats) fn number(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { "0".to_owned() }
}

pub(in crate::formats) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{CategoryId, ImageId, InstanceId, Verbatim};
    use crate::geometry::{Rect, Size};

    #[test]
    fn numbers_are_short_and_exact() {
        assert_eq!([1.0, 0.5, -3.25, 1e-7, 123.45, f64::NAN].map(number), ["1", "0.5", "-3.25", "0.0000001", "123.45", "0"]);
    }

    #[test]
    fn a_size_that_a_record_lacks_is_written_once_it_is_known() {
        let written = |text: &str, size| {
            let source = Some(Verbatim::whole(text.to_owned()));
            image(&Image { id: ImageId(1), file_name: "a.png".to_owned(), size, source }).into_owned()
        };
        let (unknown, known) = (Size::default(), Size::new(6, 4));
        let lacking = r#"{"id": 1, "file_name": "a.png", "gain": 1.50}"#;
        assert_eq!(written(lacking, unknown), lacking);
        assert_eq!(written(lacking, known), r#"{"id": 1, "file_name": "a.png", "gain": 1.50, "width": 6, "height": 4}"#);
        assert_eq!(written(r#"{"width": null, "id": 1, "gain": NaN}"#, known), r#"{"width": 6, "id": 1, "gain": NaN, "height": 4}"#);
        let whole = r#"{"id": 1, "file_name": "a.png", "width": 6.0, "height": "4"}"#;
        assert_eq!(written(whole, known), whole, "what tells the size stays as it is");
    }

    #[test]
    fn a_new_data_set_has_the_three_lists() {
        let mut dataset = Dataset::default();
        let mut text = Vec::new();
        write(&dataset, &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "{\n\"images\": [],\n\"annotations\": [],\n\"categories\": []\n}\n");
        dataset.instances.push(Instance {
            id: InstanceId(3),
            image_id: ImageId(1),
            category_id: CategoryId(2),
            bbox: Rect::new(1.0, 1.0, 2.0, 2.5),
            shape: Shape::Rle { size: Size::new(6, 4), counts: [9, 2, 2, 2, 2, 2, 5].into(), compressed: true },
            area: 6.0,
            crowd: false,
            score: None,
            changed: Field::NONE,
            source: None,
        });
        assert_eq!(
            annotation(&dataset.instances[0], false),
            r#"{"id": 3, "image_id": 1, "category_id": 2, "segmentation": {"size": [4, 6], "counts": "9220003"}, "area": 6, "bbox": [1, 1, 2, 2.5], "iscrowd": 0}"#
        );
        assert!(!annotation(&dataset.instances[0], true).contains("iscrowd"));
    }
}
