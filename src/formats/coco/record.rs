//! One record of each kind, from its text. A record of the usual form is parsed in one go; any other one is taken apart
//! member by member, and what is odd is named.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_json::Value;

use super::document::{Members, standard};
use super::segmentation::{FARTHEST, Segmentation, from_value};
use crate::annotation::{Category, CategoryId, Field, Image, ImageId, Instance, InstanceId, Shape};
use crate::formats::Problem;
use crate::geometry::{Rect, Size};

/// Stands for an id that a record does not have; no file uses it.
pub(crate) const NO_ID: i64 = i64::MIN;

/// A value with what was odd about its record.
pub(super) struct Parsed<T> {
    pub value: T,
    pub problems: Vec<Problem>,
}

/// An image record. One without an id has [`NO_ID`].
pub(super) fn image(text: &str) -> Parsed<Image> {
    #[derive(Deserialize)]
    struct Record<'a> {
        id: i64,
        width: u32,
        height: u32,
        #[serde(borrow)]
        file_name: Cow<'a, str>,
    }
    let mut problems = Vec::new();
    let (id, size, file_name) = if let Ok(record) = serde_json::from_str::<Record<'_>>(text) {
        (record.id, Size::new(record.width, record.height), record.file_name)
    } else {
        let loose = Loose::of(text, &mut problems);
        let side = |name| loose.integer(name).and_then(|side| u32::try_from(side).ok());
        let file_name = loose.text("file_name").or_else(|| {
            // LVIS names pictures by where they came from.
            loose.text("coco_url").and_then(|url| url.rsplit('/').next().map(str::to_owned))
        });
        let size = side("width").zip(side("height")).map(|(width, height)| Size::new(width, height));
        note(&mut problems, loose.is_object, &[("width` and `height", size.is_some()), ("file_name", file_name.is_some())]);
        let id = loose.integer("id");
        problems.extend(id.is_none().then(|| loose.unusable("id")).flatten());
        (id.unwrap_or(NO_ID), size.unwrap_or_default(), file_name.unwrap_or_default().into())
    };
    let value = Image { id: ImageId(id), file_name: file_name.replace('\\', "/"), size, source: None };
    Parsed { value, problems }
}

/// Whether an image record tells how large the image is.
pub(super) fn tells_size(text: &str) -> bool {
    let tells = |text: &str| image(text).value.size.has_pixels();
    tells(text) || standard(text).is_some_and(|text| tells(&text))
}

/// The `file_name` of an image record as it stands there; `None` where there is none.
pub(in crate::formats) fn stored_name(text: &str) -> Option<String> {
    Loose::of(standard(text).as_deref().unwrap_or(text), &mut Vec::new()).text("file_name")
}

/// A category record. One without an id has [`NO_ID`], one without a name is called by its id.
pub(super) fn category(text: &str) -> Parsed<Category> {
    let mut problems = Vec::new();
    // The writer asks about the text as it stood in the file, which may hold Python's `NaN`.
    let twin = standard(text);
    let loose = Loose::of(twin.as_deref().unwrap_or(text), &mut problems);
    let (id, name) = (loose.integer("id"), loose.text("name"));
    problems.extend(id.is_none().then(|| loose.unusable("id")).flatten());
    note(&mut problems, loose.is_object, &[("name", name.is_some())]);
    let id = id.unwrap_or(NO_ID);
    let value = Category {
        id: CategoryId(id),
        name: name.unwrap_or_else(|| format!("category {id}")),
        supercategory: loose.text("supercategory").unwrap_or_default(),
        source: None,
    };
    Parsed { value, problems }
}

/// An annotation record. Ids that it lacks are [`NO_ID`]; area and box follow from the outline where they are missing.
/// `image_size` gives the size of the image with an id.
pub(super) fn instance(text: &str, image_size: impl Fn(i64) -> Option<Size>) -> Parsed<Instance> {
    let mut problems = Vec::new();
    let record = serde_json::from_str::<Annotation<'_>>(text).unwrap_or_else(|_| Annotation::loose(text, &mut problems));
    let references = [("image_id", record.image_id), ("category_id", record.category_id)];
    problems.extend(references.into_iter().filter(|(_, id)| id.is_none()).filter_map(|(name, _)| unusable(text, name)));
    let image_size = record.image_id.and_then(image_size);
    let shape = record.segmentation.map_or(Shape::Box, |outline| outline.into_shape(image_size, &mut problems));
    let bbox = record.bbox.filter(|bbox| {
        let usable = bbox.iter().all(|v| v.abs() <= FARTHEST);
        if !usable {
            problems.push(Problem::Member("bbox"));
        }
        usable
    });
    let bbox = bbox.map(|[x, y, width, height]| Rect::new(x, y, width, height));
    let bbox = bbox.or_else(|| shape.bounds()).unwrap_or_default();
    let value = Instance {
        id: InstanceId(record.id.unwrap_or(NO_ID)),
        image_id: ImageId(record.image_id.unwrap_or(NO_ID)),
        category_id: CategoryId(record.category_id.unwrap_or(NO_ID)),
        bbox,
        area: record.area.or_else(|| shape.area()).unwrap_or_else(|| bbox.area()),
        shape,
        crowd: record.iscrowd.is_set,
        score: record.score,
        // A record without a class, as a caption, is no object and needs no flag.
        changed: if record.iscrowd.is_standard || record.category_id.is_none() { Field::NONE } else { Field::CROWD },
        source: None,
    };
    Parsed { value, problems }
}

/// Why the record has no id that is called `name`; `None` where it is no record at all.
pub(super) fn unusable(text: &str, name: &'static str) -> Option<Problem> {
    Loose::of(text, &mut Vec::new()).unusable(name)
}

/// Whole numbers that COCO's own reader does not take as texts.
const NUMBERS: [&str; 5] = ["id", "image_id", "category_id", "width", "height"];

/// The members of a record that are numbers written as texts.
pub(in crate::formats) fn quoted(text: &str) -> Vec<&'static str> {
    let twin = standard(text);
    let loose = Loose::of(twin.as_deref().unwrap_or(text), &mut Vec::new());
    let is_quoted = |name: &&str| loose.text(name).is_some_and(|text| text.parse::<i64>().is_ok());
    NUMBERS.into_iter().filter(is_quoted).collect()
}

/// Whether an annotation record tells an outline, sound or not.
pub(in crate::formats) fn tells_outline(text: &str) -> bool {
    let twin = standard(text);
    let loose = Loose::of(twin.as_deref().unwrap_or(text), &mut Vec::new());
    loose.get("segmentation").is_some_and(|value| !value.is_null() && value.as_array().is_none_or(|parts| !parts.is_empty()))
}

#[derive(Deserialize)]
struct Annotation<'a> {
    id: Option<i64>,
    image_id: Option<i64>,
    category_id: Option<i64>,
    #[serde(borrow)]
    segmentation: Option<Segmentation<'a>>,
    area: Option<f64>,
    bbox: Option<[f64; 4]>,
    #[serde(default)]
    iscrowd: Flag,
    score: Option<f64>,
}

impl Annotation<'static> {
    fn loose(text: &str, problems: &mut Vec<Problem>) -> Self {
        let loose = Loose::of(text, problems);
        let (image_id, category_id) = (loose.integer("image_id"), loose.integer("category_id"));
        let outline = loose.get("segmentation").filter(|value| !value.is_null());
        let segmentation = outline.as_ref().and_then(|value| from_value(value, problems));
        if outline.is_some() && segmentation.is_none() {
            problems.push(Problem::Outline);
        }
        let bbox = loose.numbers("bbox").and_then(|numbers| <[f64; 4]>::try_from(numbers).ok());
        let (area, score) = (loose.number("area"), loose.number("score"));
        let sound = |name: &str, found: bool| found || loose.is_absent(name);
        let flag = loose.get("iscrowd").filter(|flag| !flag.is_null());
        let is_set = flag.as_ref().and_then(|flag| match flag {
            Value::Bool(value) => Some(*value),
            Value::String(text) => ["0", "1"].iter().position(|digit| digit == text).map(|value| value > 0),
            other => other.as_f64().map(|value| value != 0.0),
        });
        let members = [
            ("bbox", sound("bbox", bbox.is_some())),
            ("area", sound("area", area.is_some())),
            ("score", sound("score", score.is_some())),
            ("iscrowd", flag.is_none() || is_set.is_some()),
        ];
        note(problems, loose.is_object, &members);
        let is_standard = matches!(flag.and_then(|flag| flag.as_u64()), Some(0 | 1));
        let iscrowd = Flag { is_set: is_set.unwrap_or_default(), is_standard };
        Self { id: loose.integer("id"), image_id, category_id, segmentation, area, bbox, iscrowd, score }
    }
}

/// `iscrowd` as 0 or 1, or as some writers have it, false or true.
#[derive(Clone, Copy, Default)]
struct Flag {
    is_set: bool,
    /// Whether it is 0 or 1.
    is_standard: bool,
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("0, 1, true or false")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag { is_set: value, is_standard: false })
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Flag, E> {
                Ok(Flag { is_set: value != 0, is_standard: value < 2 })
            }

            fn visit_unit<E: Error>(self) -> Result<Flag, E> {
                Ok(Flag::default())
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn note(problems: &mut Vec<Problem>, is_object: bool, members: &[(&'static str, bool)]) {
    if is_object {
        problems.extend(members.iter().filter(|(_, sound)| !sound).map(|(name, _)| Problem::Member(name)));
    }
}

/// A record of unusual form: its members one by one, the last of equal names.
struct Loose<'a> {
    members: Members<'a>,
    is_object: bool,
}

impl<'a> Loose<'a> {
    fn of(text: &'a str, problems: &mut Vec<Problem>) -> Self {
        if let Ok(members) = serde_json::from_str(text) {
            return Self { members, is_object: true };
        }
        problems.push(Problem::NotAnObject);
        Self { members: Members(Vec::new()), is_object: false }
    }

    /// The value of a member; one that cannot be held, as a number that is too large, is given as an empty string.
    fn get(&self, name: &str) -> Option<Value> {
        let (_, text) = self.members.0.iter().rev().find(|(key, _)| key == name)?;
        Some(serde_json::from_str(text.get()).unwrap_or_else(|_| Value::String(String::new())))
    }

    fn is_absent(&self, name: &str) -> bool {
        matches!(self.get(name), None | Some(Value::Null))
    }

    fn text(&self, name: &str) -> Option<String> {
        let (_, text) = self.members.0.iter().rev().find(|(key, _)| key == name)?;
        serde_json::from_str(text.get()).ok()
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.as_f64()
    }

    fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        self.get(name)?.as_array()?.iter().map(Value::as_f64).collect()
    }

    /// Why [`Self::integer`] gives nothing; `None` where the record is no object.
    fn unusable(&self, member: &'static str) -> Option<Problem> {
        let why = match self.get(member) {
            _ if !self.is_object => return None,
            None | Some(Value::Null) => return Some(Problem::Member(member)),
            Some(Value::Number(number)) if number.as_f64().is_some_and(|number| number.fract() != 0.0) => "no whole number",
            Some(Value::Number(_)) => "a number that is too large",
            Some(_) => "no number",
        };
        Some(Problem::Unusable { member, why })
    }

    /// A whole number, also as `7.0` or `"7"`.
    fn integer(&self, name: &str) -> Option<i64> {
        let value = self.get(name)?;
        let exact = |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64);
        value.as_i64().or_else(|| exact(value.as_f64()?)).or_else(|| value.as_str()?.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parsed<Instance> {
        instance(text, |id| (id == 1).then_some(Size::new(6, 4)))
    }

    #[test]
    fn every_form_of_the_crowd_flag() {
        let is_standard = |instance: &Instance| instance.changed == Field::NONE;
        for (text, crowd) in [("0", false), ("1", true), ("true", true), ("false", false), ("null", false), ("1.0", true), ("2", true)] {
            let record = format!(r#"{{"id":1,"image_id":1,"category_id":1,"bbox":[0,0,1,1],"iscrowd":{text}}}"#);
            let parsed = parsed(&record);
            assert_eq!((parsed.value.crowd, parsed.problems.len()), (crowd, 0), "{text}");
            assert_eq!(is_standard(&parsed.value), matches!(text, "0" | "1"), "{text}");
        }
        for (text, crowd, problems) in [("\"1\"", true, 0), ("\"0\"", false, 0), ("\"yes\"", false, 1), ("[]", false, 1)] {
            let parsed = parsed(&format!(r#"{{"id":1,"image_id":1,"category_id":1,"bbox":[0,0,1,1],"iscrowd":{text}}}"#));
            assert_eq!((parsed.value.crowd, parsed.problems.len()), (crowd, problems), "{text}");
        }
        let missing = parsed(r#"{"id":1,"image_id":1,"category_id":1,"bbox":[0,0,1,1]}"#).value;
        assert!(!missing.crowd && !is_standard(&missing));
        assert!(is_standard(&parsed(r#"{"id":1,"image_id":1,"caption":"two dogs"}"#).value));
        assert!(is_standard(&parsed(r#"{"id":1.0,"image_id":1,"category_id":1,"iscrowd":1}"#).value), "also by the slower path");
    }

    #[test]
    fn ids_that_are_floats_strings_or_large() {
        let parsed = parsed(r#"{"id":9007199254740995,"image_id":1.0,"category_id":"7","bbox":[0,0,1,1]}"#);
        assert_eq!((parsed.value.id.0, parsed.value.image_id.0, parsed.value.category_id.0), (9_007_199_254_740_995, 1, 7));
        assert!(parsed.problems.is_empty());
    }

    #[test]
    fn run_lengths_in_both_forms() {
        for (counts, form) in [("\"9220003\"", true), ("[9,2,2,2,2,2,5]", false), ("[9.0,2,2,2,2,2,5]", false)] {
            let record = format!(r#"{{"id":1,"image_id":1,"category_id":1,"segmentation":{{"size":[4,6],"counts":{counts}}}}}"#);
            let parsed = parsed(&record);
            assert!(matches!(parsed.value.shape, Shape::Rle { compressed, .. } if compressed == form), "{counts}");
            assert_eq!((parsed.value.area, parsed.value.bbox), (6.0, Rect::new(2.0, 1.0, 3.0, 2.0)));
        }
    }

    #[test]
    fn odd_outlines_become_boxes_with_a_reason() {
        let odd = [
            "[[1,1,2,2]]",
            "[[1,1,2,2,3]]",
            "[[1,1,2,2,3,\"x\"]]",
            "[[1,1,2,2,3,1e300]]",
            "[[1,1,2,2,3,1e999]]",
            "[3]",
            "7",
            "\"no\"",
            "[[]]",
            "[null]",
            "{\"size\":[4,6]}",
            "{\"size\":[4,6],\"counts\":[9,2]}",
            "{\"size\":[4,6],\"counts\":[9,-2]}",
            "{\"size\":[4,6],\"counts\":\"92 0003\"}",
            "{\"size\":[6,4],\"counts\":\"9220003\"}",
            "{\"size\":[4,6],\"counts\":{}}",
        ];
        for segmentation in odd {
            let parsed = parsed(&format!(r#"{{"id":1,"image_id":1,"category_id":1,"segmentation":{segmentation},"bbox":[1,1,2,2]}}"#));
            assert_eq!(parsed.value.shape, Shape::Box, "{segmentation}");
            assert!(!parsed.problems.is_empty(), "{segmentation}");
            assert_eq!(parsed.value.bbox, Rect::new(1.0, 1.0, 2.0, 2.0));
        }
    }

    #[test]
    fn records_that_are_no_objects() {
        for text in ["null", "3", "[]", "\"x\""] {
            assert_eq!(parsed(text).problems, [Problem::NotAnObject]);
            assert_eq!(image(text).problems, [Problem::NotAnObject]);
            assert_eq!(category(text).value.id.0, NO_ID);
        }
    }
}
