//! The `segmentation` member: polygons, run lengths as a list, or run lengths as a compressed string.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::annotation::{Shape, ShapeError};
use crate::formats::Problem;
use crate::geometry::Size;
use crate::mask::{polygon, rle};

/// The farthest coordinate that is still believed, in pixels; far beyond any picture, and small enough that areas stay
/// exact.
pub(super) const FARTHEST: f64 = 1e7;

/// An outline as it stands in the file.
#[derive(Debug, PartialEq)]
pub(super) enum Segmentation<'a> {
    Polygons(Vec<Vec<f64>>),
    Rle { size: [u32; 2], counts: Counts<'a> },
}

/// Run lengths as they stand in the file.
#[derive(Debug, PartialEq)]
pub(super) enum Counts<'a> {
    Text(Cow<'a, str>),
    List(Vec<u32>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Segmentation<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Segmentation<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of polygons or run lengths")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut polygons = Vec::with_capacity(1);
                while let Some(polygon) = seq.next_element()? {
                    polygons.push(polygon);
                }
                Ok(Segmentation::Polygons(polygons))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                #[derive(Deserialize)]
                #[serde(field_identifier, rename_all = "lowercase")]
                enum Key {
                    Size,
                    Counts,
                    #[serde(other)]
                    Other,
                }
                let (mut size, mut counts) = (None, None);
                while let Some(key) = map.next_key()? {
                    match key {
                        Key::Size => size = Some(map.next_value()?),
                        Key::Counts => counts = Some(map.next_value()?),
                        Key::Other => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                let size = size.ok_or_else(|| A::Error::missing_field("size"))?;
                let counts = counts.ok_or_else(|| A::Error::missing_field("counts"))?;
                Ok(Segmentation::Rle { size, counts })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Counts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Counts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("run lengths as a string or a list")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Counts::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Counts::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut counts = Vec::new();
                while let Some(count) = seq.next_element()? {
                    counts.push(count);
                }
                Ok(Counts::List(counts))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The same from a value whose form is not the usual one; `None` where it holds no outline.
pub(super) fn from_value(value: &Value, problems: &mut Vec<Problem>) -> Option<Segmentation<'static>> {
    match value {
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_number) => {
            problems.push(Problem::BarePolygon);
            Some(Segmentation::Polygons(vec![items.iter().filter_map(Value::as_f64).collect()]))
        }
        Value::Array(items) => {
            let points = |item: &Value| item.as_array().filter(|items| !items.is_empty())?.iter().map(point).collect::<Option<Vec<_>>>();
            if items.iter().any(|item| points(item).is_some()) {
                problems.push(Problem::PointLists);
            }
            // What is no number becomes one that is refused later, so that the polygon is named.
            let numbers = |item: &Value| item.as_array().into_iter().flatten().map(|number| number.as_f64().unwrap_or(f64::NAN)).collect();
            let polygons = items.iter().map(|item| points(item).map_or_else(|| numbers(item), |points| points.concat())).collect();
            Some(Segmentation::Polygons(polygons))
        }
        Value::Object(members) => {
            let side = |index: usize| whole(members.get("size")?.get(index)?);
            let size = [side(0)?, side(1)?];
            let counts = match members.get("counts")? {
                Value::String(text) => Counts::Text(Cow::Owned(text.clone())),
                Value::Array(counts) => Counts::List(counts.iter().map(whole).collect::<Option<_>>()?),
                _ => return None,
            };
            Some(Segmentation::Rle { size, counts })
        }
        _ => None,
    }
}

/// `[x, y]`.
fn point(value: &Value) -> Option<[f64; 2]> {
    let [x, y] = value.as_array()?.as_slice() else { return None };
    Some([x.as_f64()?, y.as_f64()?])
}

fn whole(value: &Value) -> Option<u32> {
    let number = value.as_f64()?;
    ((0.0..=f64::from(u32::MAX)).contains(&number) && number.fract() == 0.0).then_some(number as u32)
}

impl Segmentation<'_> {
    /// The outline on an image of `image`, or on its own grid where the image is not known; what cannot be used is left
    /// out and named.
    pub(super) fn into_shape(self, image: Option<Size>, problems: &mut Vec<Problem>) -> Shape {
        match self {
            Self::Polygons(mut polygons) => {
                if polygons.len() >= 3 && polygons.iter().all(|polygon| polygon.len() == 2) {
                    problems.push(Problem::PointLists);
                    polygons = vec![polygons.concat()];
                }
                polygons.retain(|polygon| {
                    let far = polygon.iter().any(|v| v.is_nan() || v.abs() > FARTHEST);
                    let usable = !far && polygon.len() >= 6 && polygon.len().is_multiple_of(2);
                    if !usable {
                        problems.push(Problem::Polygon { numbers: polygon.len(), far });
                    }
                    usable
                });
                if polygons.is_empty() {
                    return Shape::Box;
                }
                if image.is_some_and(|image| covers_nothing(&polygons, image)) {
                    problems.push(Problem::NoPixels);
                }
                Shape::Polygons(polygons.into())
            }
            Self::Rle { size: [height, width], counts } => {
                let size = Size::new(width, height);
                match runs(size, image, counts) {
                    Ok((counts, compressed)) => Shape::Rle { size, counts: counts.into(), compressed },
                    Err(error) => {
                        problems.push(Problem::Shape(error));
                        Shape::Box
                    }
                }
            }
        }
    }
}

fn runs(size: Size, image: Option<Size>, counts: Counts<'_>) -> Result<(Vec<u32>, bool), ShapeError> {
    if let Some(image) = image
        && image != size
    {
        return Err(ShapeError::Size { mask: size, image });
    }
    let (counts, compressed) = match counts {
        Counts::Text(text) => (rle::from_text(&text)?, true),
        Counts::List(counts) => (counts, false),
    };
    rle::check(size, &counts)?;
    Ok((counts, compressed))
}

/// Whether the polygons cover no pixel. Only those that are very thin or beside the image are drawn to find out.
fn covers_nothing(polygons: &[Vec<f64>], image: Size) -> bool {
    let suspicious = polygon::bounds(polygons).is_some_and(|bounds| {
        let seen = bounds.clipped(image);
        seen.width < 2.0 || seen.height < 2.0
    });
    suspicious && rle::area(&polygon::runs(polygons, image)) == 0
}
