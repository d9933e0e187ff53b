//! Folders of PNG masks: one picture for each object, or one picture of class numbers for each image.
//!
//! In both, `classes.txt` has a line for each class: line 0 is the background, line n the class with number n. Without it
//! classes are called by their numbers, and the masks of a folder are all of one class.
//!
//! Other programs number the objects of an image in one picture (Pascal VOC, DAVIS, MOTS, Cityscapes): [`is_of_one`] tells such
//! a file from the mask of one object. Each of its numbers is an object, and its image is the one of its own name, but where
//! `classes.txt` tells that the folder is named after the image.
//!
//! A mask that cannot be read, or is of another size than its picture, is left out and counted; where nothing else is there,
//! it is the error. Beside a picture that EXIF turns, the first mask tells whether all lie on the stored or the upright one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};

use super::exchange::{Builder, ExchangeError, Fault, Imported, Watch, class_places, stem};
use super::label_map::LabelMap;
use super::loss::{Kind, Tally};
use super::stage::filled;
use super::{folder, label_map, picture};
use crate::annotation::{CategoryId, Dataset, Image, ImageId, Instance, Shape};
use crate::geometry::{Rect, Size};
use crate::job::Meter;
use crate::mask::Mask;

const CLASSES: &str = "classes.txt";
const BACKGROUND: &str = "background";
/// The class of masks whose names tell none.
const OBJECT: &str = "object";
/// The value of pixels that belong to no class for certain, in Pascal VOC and after it.
const VOID: u16 = 255;

/// So many values beside 0 are few: a soft edge has more.
const FEW_VALUES: usize = 8;

/// Writes `STEM/NUMBER_CLASS.png`, white on black, for each object.
pub(super) fn write_objects(dataset: &Dataset, path: &Path, tally: &mut Tally, watch: &mut Watch<'_>) -> Result<(), ExchangeError> {
    let classes = class_places(dataset);
    let stage = filled(dataset, path, watch, |stage, image, stem, objects| {
        if objects.is_empty() {
            tally.add(Kind::Image, format_args!("image {} ({})", image.id, image.file_name));
        }
        for (number, instance) in objects.into_iter().enumerate() {
            let Some(mask) = pixels(instance, image, tally) else { continue };
            let class = classes.get(&instance.category_id).copied().unwrap_or_default() + 1;
            let bytes: Vec<u8> = mask.bytes().iter().map(|inside| inside * 255).collect();
            let name = format!("{stem}/{}_{class}.png", number + 1);
            stage.write(
                &name,
                &png(&bytes, image.size, ExtendedColorType::L8).map_err(|fault| ExchangeError::record(path, name.clone(), fault))?,
            )?;
        }
        Ok(())
    })?;
    stage.write(CLASSES, class_list(dataset).as_bytes())?;
    stage.publish()
}

/// Writes `STEM.png` for each image, its values the numbers of classes; the later object lies on top.
pub(super) fn write_semantic(dataset: &Dataset, path: &Path, tally: &mut Tally, watch: &mut Watch<'_>) -> Result<(), ExchangeError> {
    let classes = class_places(dataset);
    let stage = filled(dataset, path, watch, |stage, image, stem, objects| {
        if image.size.pixels() == 0 {
            return Err(ExchangeError::NoSize { id: image.id, name: image.file_name.clone() });
        }
        // Each pixel's object, from 1, so that what a later object hides is known.
        let mut owner = vec![0_u32; image.size.pixels()];
        let mut numbers = vec![0_u16];
        let mut hidden = vec![false];
        for instance in &objects {
            let mask = pixels(instance, image, tally).unwrap_or_else(|| Mask::new(image.size));
            let own = numbers.len() as u32;
            numbers.push(classes.get(&instance.category_id).map_or(0, |place| (place + 1).min(usize::from(u16::MAX)) as u16));
            hidden.push(false);
            for (owner, _) in owner.iter_mut().zip(mask.bytes()).filter(|(_, inside)| **inside != 0) {
                hidden[*owner as usize] |= *owner != 0;
                *owner = own;
            }
        }
        for (instance, _) in objects.iter().zip(&hidden[1..]).filter(|(_, hidden)| **hidden) {
            tally.add(Kind::Overlap, format_args!("annotation {}", instance.id));
        }
        let mut of_class: BTreeMap<CategoryId, usize> = BTreeMap::new();
        for instance in &objects {
            *of_class.entry(instance.category_id).or_default() += 1;
        }
        for (class, count) in of_class.into_iter().filter(|(_, count)| *count > 1) {
            tally.add_many(Kind::Joined, count, format_args!("{count} of class {class} on image {}", image.id));
        }
        let values = owner.iter().map(|owner| numbers[*owner as usize]);
        let name = format!("{stem}.png");
        let content = if dataset.categories.len() < usize::from(VOID) {
            png(&values.map(|value| value as u8).collect::<Vec<_>>(), image.size, ExtendedColorType::L8)
        } else {
            png(&values.flat_map(u16::to_ne_bytes).collect::<Vec<_>>(), image.size, ExtendedColorType::L16)
        };
        stage.write(&name, &content.map_err(|fault| ExchangeError::record(path, name.clone(), fault))?)
    })?;
    stage.write(CLASSES, class_list(dataset).as_bytes())?;
    stage.publish()
}

/// The pixels of an object; `None`, and counted, where it has none.
fn pixels(instance: &Instance, image: &Image, tally: &mut Tally) -> Option<Mask> {
    let mask = instance.mask(image.size).ok().filter(|mask| !mask.is_empty());
    match (&mask, &instance.shape) {
        (None, _) => tally.add(Kind::Object, format_args!("annotation {}", instance.id)),
        (_, Shape::Box) => tally.add(Kind::Box, format_args!("annotation {}", instance.id)),
        _ => (),
    }
    mask
}

fn png(bytes: &[u8], size: Size, color: ExtendedColorType) -> Result<Vec<u8>, Fault> {
    let mut png = Vec::new();
    PngEncoder::new(&mut png).write_image(bytes, size.width, size.height, color)?;
    Ok(png)
}

fn class_list(dataset: &Dataset) -> String {
    let names = dataset.categories.iter().map(|category| category.name.replace(['\r', '\n'], " "));
    std::iter::once(BACKGROUND.to_owned()).chain(names).fold(String::new(), |list, name| list + &name + "\n")
}

/// Whether a file is the mask of one object rather than numbers of objects. That is one with a single value beside 0, which is
/// 255 or of a grey picture of up to 8 bits, and a grey one in which no value but 0 is as frequent as white: its other values are
/// soft edges. A palette and 16 bits are for numbers, also where an image has a single object.
fn is_of_one(map: &LabelMap, numbers: &[(u16, usize)]) -> bool {
    let white = u16::MAX >> (16 - map.bits.min(16));
    let most = numbers.iter().max_by_key(|(value, pixels)| (*pixels, *value));
    let is_white = map.bits >= 8 && !map.has_palette && most.is_some_and(|(value, _)| *value == white);
    let is_single = map.bits <= 8 && !map.has_palette && numbers.len() <= 1;
    is_white || is_single || matches!(numbers, [(VOID, _)])
}

/// The values beside 0, in order, and how many pixels have each.
fn numbers(values: &[u16]) -> Vec<(u16, usize)> {
    let mut pixels = vec![0_usize; 1 << 16];
    for value in values {
        pixels[usize::from(*value)] += 1;
    }
    (0..=u16::MAX).zip(pixels).skip(1).filter(|(_, pixels)| *pixels > 0).collect()
}

/// Reads the PNG files in the folders of `path`: each folder is an image, each file an object, or each number in a file.
pub(super) fn read_objects(path: &Path, images: Option<&Path>, watch: &mut Watch<'_>) -> Result<Imported, ExchangeError> {
    let mut source = Source::open(path, images)?;
    let meter = Meter::start("Reading", source.files.len() as u64);
    for (done, name) in std::mem::take(&mut source.files).into_iter().enumerate() {
        watch.step(&meter, done)?;
        let file = path.join(&name);
        let (folder, leaf) = name.rsplit_once('/').unwrap_or(("", &name));
        // Some data sets have their masks in a folder of this name beside the picture's.
        let folder = folder.strip_suffix("/masks").unwrap_or(folder);
        let Some(map) = source.values(&file)? else { continue };
        let numbers = numbers(&map.values);
        let is_of_one = is_of_one(&map, &numbers);
        let own = stem(&name);
        let known = |stem: &str| !source.has_pictures || source.images.contains_key(stem);
        let stem_of_image = if !is_of_one && known(&own) && !(source.has_classes && known(folder)) { own.as_str() } else { folder };
        if stem_of_image.is_empty() {
            source.unusable(&file, Fault::Folder);
            continue;
        }
        let Some(image) = source.image(stem_of_image, map.size, &file) else { continue };
        let number = stem(leaf).rsplit_once('_').and_then(|(_, class)| class.parse().ok()).filter(|_| source.has_classes);
        let class = match number {
            Some(number) => source.class(number, &file),
            None => Some(source.builder.class(OBJECT)),
        };
        let Some(class) = class else { continue };
        if is_of_one {
            if (2..=FEW_VALUES).contains(&numbers.len()) {
                let values: Vec<String> = numbers.iter().map(|(value, _)| value.to_string()).collect();
                source.tally.add(Kind::Fused, format_args!("{} ({})", file.display(), values.join(", ")));
            }
            source.object(image, class, &map, |value| value != 0, &file);
            continue;
        }
        let has_void = map.bits <= 8 && numbers.len() > 1 && numbers.iter().any(|(value, _)| *value == VOID);
        if has_void {
            source.tally.add(Kind::Void, file.display());
        }
        let objects = numbers.iter().filter(|(value, _)| !(has_void && *value == VOID));
        if !numbers.is_empty() {
            source.tally.add(Kind::Several, format_args!("{} ({})", file.display(), objects.clone().count()));
        }
        for (number, _) in objects {
            watch.step(&meter, done)?;
            source.object(image, class, &map, |value| value == *number, &file);
        }
    }
    source.imported()
}

/// Reads the PNG files in `path`: each file is an image, each of its values an object of that class.
pub(super) fn read_semantic(path: &Path, images: Option<&Path>, watch: &mut Watch<'_>) -> Result<Imported, ExchangeError> {
    let mut source = Source::open(path, images)?;
    let meter = Meter::start("Reading", source.files.len() as u64);
    for (done, name) in std::mem::take(&mut source.files).into_iter().enumerate() {
        watch.step(&meter, done)?;
        let file = path.join(&name);
        let Some(map) = source.values(&file)? else { continue };
        let Some(image) = source.image(&stem(&name), map.size, &file) else { continue };
        for (value, _) in numbers(&map.values) {
            if value == VOID && source.classes.len() < usize::from(VOID) {
                source.tally.add(Kind::Void, file.display());
                continue;
            }
            let Some(class) = source.class(u64::from(value), &file) else { continue };
            source.object(image, class, &map, |other| other == value, &file);
        }
    }
    source.imported()
}

/// An image whose masks are read.
struct Place {
    id: ImageId,
    size: Size,
    /// Its file, until a mask has told whether all lie on the stored or the upright picture.
    picture: Option<PathBuf>,
}

/// A folder of masks that is being read.
struct Source {
    files: Vec<String>,
    classes: Vec<CategoryId>,
    has_classes: bool,
    images: BTreeMap<String, Place>,
    has_pictures: bool,
    builder: Builder,
    tally: Tally,
    /// What is wrong with the first mask that cannot be used.
    first: Option<ExchangeError>,
}

impl Source {
    fn open(path: &Path, pictures: Option<&Path>) -> Result<Self, ExchangeError> {
        let mut files = Vec::new();
        find(path, "", &mut files)?;
        let list = path.join(CLASSES);
        if files.is_empty() && !list.is_file() {
            return Err(ExchangeError::Nothing { what: "PNG file", path: path.to_owned() });
        }
        files.sort_by(|a, b| folder::natural(a, b));
        let mut source = Self {
            files,
            classes: Vec::new(),
            has_classes: false,
            images: BTreeMap::new(),
            has_pictures: pictures.is_some(),
            builder: Builder::default(),
            tally: Tally::default(),
            first: None,
        };
        if list.is_file() {
            let text = fs::read_to_string(&list).map_err(ExchangeError::io(&list))?;
            source.classes = text.lines().skip(1).map(|name| source.builder.class(name)).collect();
            source.has_classes = true;
        }
        if let Some(pictures) = pictures {
            let (scanned, _) = folder::scan(pictures).map_err(ExchangeError::io(pictures))?;
            for image in scanned.images {
                let id = source.builder.image(image.file_name.clone(), image.size);
                let picture = Some(pictures.join(&image.file_name));
                source.images.insert(stem(&image.file_name), Place { id, size: image.size, picture });
            }
        }
        Ok(source)
    }

    /// The numbers in `file`; `None`, and counted, where it cannot be read.
    fn values(&mut self, file: &Path) -> Result<Option<LabelMap>, ExchangeError> {
        match label_map::read(file) {
            Ok(mask) => Ok(Some(mask)),
            Err(ExchangeError::Record { fault, .. }) => {
                self.unusable(file, fault);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn unusable(&mut self, file: &Path, fault: Fault) {
        self.tally.add(Kind::Unreadable, format_args!("{} ({fault})", file.display()));
        self.first.get_or_insert_with(|| ExchangeError::record(file, "the mask", fault));
    }

    /// The image called `stem`; `None`, and counted, where there are pictures but none of that name, or it is of another size
    /// than the mask.
    fn image(&mut self, stem: &str, size: Size, file: &Path) -> Option<ImageId> {
        if !self.images.contains_key(stem) {
            if self.has_pictures {
                self.tally.add(Kind::Picture, file.display());
                return None;
            }
            let id = self.builder.image(format!("{stem}.png"), size);
            self.images.insert(stem.to_owned(), Place { id, size, picture: None });
        }
        let place = self.images.get_mut(stem)?;
        let is_seen = |picture: &Path| picture::header(picture).is_ok_and(|header| header.seen_by(size).size == size);
        if place.size != size && place.picture.as_deref().is_some_and(is_seen) {
            place.size = size;
            self.builder.resize(place.id, size);
        }
        if place.size == size {
            place.picture = None;
            return Some(place.id);
        }
        let known = place.size;
        self.unusable(file, Fault::Size { mask: size, place: known });
        None
    }

    /// The class with this number; `None`, and counted, where the list of classes has none.
    fn class(&mut self, number: u64, file: &Path) -> Option<CategoryId> {
        if !self.has_classes {
            return Some(self.builder.class(&format!("class {number}")));
        }
        let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let class = place.and_then(|place| self.classes.get(place)).copied();
        if class.is_none() {
            self.unusable(file, Fault::Class(number));
        }
        class
    }

    /// Adds the object whose pixels have the values that `holds`; counted where there are none.
    fn object(&mut self, image: ImageId, class: CategoryId, map: &LabelMap, holds: impl Fn(u16) -> bool, file: &Path) {
        let bytes = map.values.iter().map(|value| u8::from(holds(*value))).collect();
        match Mask::from_bytes(map.size, bytes).filter(|mask| !mask.is_empty()) {
            Some(mask) => drop(self.builder.object(image, class, Rect::default(), Shape::from_mask(&mask))),
            None => self.tally.add(Kind::Object, file.display()),
        }
    }

    fn imported(self) -> Result<Imported, ExchangeError> {
        let (dataset, tally) = (self.builder.dataset, self.tally);
        match self.first.filter(|_| dataset.instances.is_empty()) {
            Some(fault) => Err(fault),
            None => Ok(Imported { dataset, tally, ..Imported::default() }),
        }
    }
}

fn find(root: &Path, below: &str, files: &mut Vec<String>) -> Result<(), ExchangeError> {
    let folder = root.join(below);
    for entry in fs::read_dir(&folder).map_err(ExchangeError::io(&folder))? {
        let entry = entry.map_err(ExchangeError::io(&folder))?;
        let kind = entry.file_type().map_err(ExchangeError::io(&entry.path()))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let name = if below.is_empty() { name } else { format!("{below}/{name}") };
        if kind.is_dir() {
            find(root, &name, files)?;
        } else if PathBuf::from(&name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png")) {
            files.push(name);
        }
    }
    Ok(())
}
