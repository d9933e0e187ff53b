//! The top level of a file and the members of an object, with where in the text each value stands.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A value at the top level.
pub(super) enum Member<'a> {
    /// One of the three lists that the program reads, record by record.
    List(Vec<&'a RawValue>),
    /// Anything else.
    Other(&'a RawValue),
}

/// The names of the lists that the program reads.
pub(super) const LISTS: [&str; 3] = ["images", "annotations", "categories"];

/// The top level of a data set, in file order.
pub(super) struct Document<'a>(pub Vec<(String, Member<'a>)>);

/// Finds the records of a [`Document`]. Now and then it calls the function with the record that it is at; false ends the
/// work with an error.
pub(super) struct Finder<'f>(pub &'f mut dyn FnMut(&str) -> bool);

/// Records that are found between two calls.
const STRIDE: usize = 1 << 14;

impl<'de> DeserializeSeed<'de> for Finder<'_> {
    type Value = Document<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Finder<'_> {
    type Value = Document<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a data set: an object with `images`, `annotations` and `categories`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let member = if LISTS.contains(&key.as_str()) {
                Member::List(map.next_value_seed(Records(&mut *self.0))?)
            } else {
                Member::Other(map.next_value()?)
            };
            members.push((key, member));
        }
        Ok(Document(members))
    }
}

/// Finds the records of one list; `null` is an empty one.
pub(super) struct Records<'f>(pub &'f mut dyn FnMut(&str) -> bool);

impl<'de> DeserializeSeed<'de> for Records<'_> {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Records<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut records: Vec<&RawValue> = Vec::new();
        while let Some(record) = list.next_element::<&RawValue>()? {
            records.push(record);
            if records.len().is_multiple_of(STRIDE) && !(self.0)(record.get()) {
                return Err(Error::custom("cancelled"));
            }
        }
        Ok(records)
    }
}

/// The members of any object, in file order.
pub(super) struct Members<'a>(pub Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Where `part`, a slice of `whole`, stands in it.
pub(super) fn range_in(whole: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

/// `text` with Python's `NaN`, `Infinity` and `-Infinity` replaced by strings of the same length, which no number can
/// be, so that places in the two texts agree; `None` where there is nothing to replace.
pub(in crate::formats) fn standard(text: &str) -> Option<String> {
    const WORDS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];
    let mut standard = String::with_capacity(text.len());
    let (mut copied, mut at) = (0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = string_end(bytes, at),
            b'N' | b'-' | b'I' => {
                if let Some(word) = WORDS.iter().find(|word| bytes[at..].starts_with(word.as_bytes())) {
                    standard.push_str(&text[copied..at]);
                    standard.push('"');
                    standard.extend(std::iter::repeat_n('?', word.len() - 2));
                    standard.push('"');
                    at += word.len();
                    copied = at;
                } else {
                    at += 1;
                }
            }
            _ => at += 1,
        }
    }
    standard.push_str(&text[copied..]);
    (copied > 0).then_some(standard)
}

/// The place after the string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_text_has_the_same_places() {
        let text = r#"{"NaN \" NaN": [NaN, -Infinity, -1, Infinity, "é Infinity"]}"#;
        let other = standard(text).unwrap();
        assert_eq!(other.len(), text.len());
        assert_eq!(other, r#"{"NaN \" NaN": ["?", "???????", -1, "??????", "é Infinity"]}"#);
        assert_eq!(standard("{}"), None);
        assert_eq!(standard("\"NaN"), None);
    }
}
