//! The seam to `hotcoco`, whose reader and writer of VOC files the program uses.
//!
//! Its records have unsigned ids, so records are counted there. It takes the text of XML as it stands, so references
//! such as `&amp;` are replaced before it reads a file and put back into the names afterwards.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use hotcoco::convert::ConvertError;

use super::exchange::{Builder, ExchangeError, Fault};
use super::loss::{Kind, Tally};
use super::picture::MOST_PIXELS;
use crate::annotation::{Dataset, Instance, Shape};
use crate::geometry::{Rect, Size};

/// The data set as the library has it, with boxes alone: each record's id is its place, from 1. `place` gives the box of an
/// object.
pub(super) fn to_library(dataset: &Dataset, tally: &mut Tally, place: impl Fn(&Instance, &mut Tally) -> Rect) -> hotcoco::Dataset {
    let mut names = Names::default();
    let images = (1..).zip(&dataset.images).map(|(id, image)| hotcoco::Image {
        id,
        file_name: names.plain(&image.file_name, &format!("image {}", image.id), tally),
        width: image.size.width,
        height: image.size.height,
        ..hotcoco::Image::default()
    });
    let images = images.collect();
    let mut names = Names::default();
    let categories = (1..).zip(&dataset.categories).map(|(id, category)| hotcoco::Category {
        id,
        name: names.plain(&category.name, &format!("class {}", category.id), tally),
        ..hotcoco::Category::default()
    });
    let categories = categories.collect();
    let image_places: HashMap<_, usize> = dataset.images.iter().enumerate().rev().map(|(place, image)| (image.id, place)).collect();
    let class_places = super::exchange::class_places(dataset);
    let mut annotations = Vec::with_capacity(dataset.instances.len());
    for (id, instance) in (1..).zip(&dataset.instances) {
        let known = image_places.get(&instance.image_id).zip(class_places.get(&instance.category_id));
        let Some((&image, &class)) = known else { continue };
        let bbox = place(instance, tally);
        annotations.push(hotcoco::Annotation {
            id,
            image_id: image as u64 + 1,
            category_id: class as u64 + 1,
            bbox: Some([bbox.x, bbox.y, bbox.width, bbox.height]),
            iscrowd: instance.crowd,
            ..hotcoco::Annotation::default()
        });
    }
    hotcoco::Dataset { images, annotations, categories, ..hotcoco::Dataset::default() }
}

/// Names that differ from each other and hold no control characters.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// `text` as such a name, or `instead` where nothing is left of it; a change is counted.
    pub(super) fn plain(&mut self, text: &str, instead: &str, tally: &mut Tally) -> String {
        let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut plain = spaced.trim().to_owned();
        // The library makes files of the names of images: one like `/` or `a/..` would lead out of the folder.
        if Path::new(&plain).file_name().is_none() {
            instead.clone_into(&mut plain);
        }
        while !self.0.insert(plain.clone()) {
            plain.push('_');
        }
        if plain != text {
            tally.add(Kind::Name, format_args!("{text:?} -> {plain:?}"));
        }
        plain
    }
}

/// The farthest coordinate that is still believed, in pixels.
pub(super) const FARTHEST: f64 = 1e7;

/// The beginning of the program's data set: what the library's holds, which was read at `path`.
///
/// # Errors
/// When an image is larger than any picture, or an object has a number that is none or lies far outside.
pub(super) fn from_library(library: hotcoco::Dataset, path: &Path) -> Result<Builder, ExchangeError> {
    let mut builder = Builder::default();
    let mut images = HashMap::new();
    for image in library.images {
        let file_name = restored(&image.file_name).replace('\\', "/");
        let size = Size::new(image.width, image.height);
        if size.pixels() as u64 > MOST_PIXELS {
            return Err(ExchangeError::record(path, format!("image {file_name}"), Fault::Member("width` and `height")));
        }
        images.insert(image.id, (builder.image(file_name.clone(), size), file_name));
    }
    let classes: HashMap<u64, _> =
        library.categories.iter().map(|category| (category.id, builder.class(&restored(&category.name)))).collect();
    for (place, record) in library.annotations.into_iter().enumerate() {
        let Some(((image, name), &class)) = images.get(&record.image_id).zip(classes.get(&record.category_id)) else { continue };
        let [x, y, width, height] = record.bbox.unwrap_or_default();
        if let Some(far) = [x, y, width, height].iter().find(|value| value.is_nan() || value.abs() > FARTHEST) {
            return Err(ExchangeError::record(path, format!("object {} (image {name})", place + 1), Fault::Number(far.to_string())));
        }
        builder.object(*image, class, Rect::new(x, y, width, height), Shape::Box).crowd = record.iscrowd;
    }
    Ok(builder)
}

/// What the library says, with the path; `instead` is the copy that it was given in place of `path`.
pub(super) fn error(path: &Path, instead: Option<&Path>, error: ConvertError) -> ExchangeError {
    match error {
        ConvertError::Io(source) => ExchangeError::Io { path: path.to_owned(), source },
        error => {
            let message = error.to_string();
            let message = match instead {
                Some(copy) => restored(&message.replace(&copy.display().to_string(), &path.display().to_string())),
                None => message,
            };
            ExchangeError::Library { message, path: path.to_owned() }
        }
    }
}

/// Stand-ins for the five characters that XML writes as references, from a range that no text uses.
const STAND_INS: [(char, char); 5] = [('&', '\u{f0000}'), ('<', '\u{f0001}'), ('>', '\u{f0002}'), ('"', '\u{f0003}'), ('\'', '\u{f0004}')];

/// Copies an XML file with its references replaced by characters. `foreign` are the beginnings of elements that the library
/// passes over: those that are there are counted, each by its name.
///
/// # Errors
/// When the file cannot be read or the copy not be written.
pub(super) fn copy_without_references(from: &Path, to: &Path, foreign: &[&str], tally: &mut Tally) -> Result<(), ExchangeError> {
    let bytes = fs::read(from).map_err(ExchangeError::io(from))?;
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => {
            let mut lost = BTreeMap::new();
            for element in foreign {
                let name = element.trim_start_matches('<').split('>').next().unwrap_or_default();
                let count = text.matches(element).count();
                if count > 0 {
                    lost.insert(name.to_owned(), count);
                }
            }
            tally.add_named(Kind::Member, from.display(), &lost);
            without_references(&text).into_bytes()
        }
        Err(error) => error.into_bytes(),
    };
    fs::write(to, bytes).map_err(ExchangeError::io(to))
}

/// The text of an XML file with its references replaced by characters, those of XML's own five by their stand-ins.
pub(super) fn without_references(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let reference = rest[1..].find(';').filter(|end| *end <= 10).and_then(|end| Some((character(&rest[1..=end])?, end + 2)));
        let (character, length) = reference.unwrap_or(('&', 1));
        let stand_in = STAND_INS.iter().find(|(special, _)| *special == character && length > 1);
        plain.push(stand_in.map_or(character, |(_, stand_in)| *stand_in));
        rest = &rest[length..];
    }
    plain.push_str(rest);
    plain
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = number.strip_prefix('x').map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
            char::from_u32(code?)
        }
    }
}

/// `text` with the characters that stand-ins stand for.
pub(super) fn restored(text: &str) -> String {
    let special = |c: char| STAND_INS.iter().find(|(_, stand_in)| *stand_in == c).map_or(c, |(special, _)| *special);
    text.chars().map(special).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_a_folder() {
        let (mut names, mut tally) = (Names::default(), Tally::default());
        let plain = ["//\n", "a/..", "..", " ", "b/c.png"].map(|text| names.plain(text, "image 3", &mut tally));
        assert_eq!(plain, ["image 3", "image 3_", "image 3__", "image 3___", "b/c.png"]);
        assert_eq!(tally.count(Kind::Name), 4);
    }

    #[test]
    fn references_become_characters_and_come_back() {
        let text = "<name a=\"x &quot;y&quot;\">Tools &amp; &#72;ardware &lt;&#x3c; &nope; & &";
        let plain = without_references(text);
        assert!(plain.starts_with("<name a=\"x \u{f0003}y"));
        assert_eq!(restored(&plain), "<name a=\"x \"y\"\">Tools & Hardware << &nope; & &");
    }
}
