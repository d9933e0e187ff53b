//! Pascal VOC: an XML file of boxes for each image.
//!
//! VOC's boxes are whole pixels, its lists count; masks have no place. A crowd becomes `difficult`, and back, which is counted:
//! the assistant leaves crowds alone. A file that is not as VOC has it is left out and counted; where nothing else is there, it is the
//! error.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use hotcoco::convert::{coco_to_voc, voc_to_coco};

use super::exchange::{Builder, ExchangeError, Fault, Imported, Watch, read_text};
use super::library::{copy_without_references, error, from_library, to_library};
use super::loss::{Kind, Tally};
use super::picture;
use super::stage::Stage;
use crate::annotation::{Dataset, Shape};
use crate::geometry::Rect;
use crate::job::Meter;

/// What VOC's files say of an object and a data set of masks has no place for.
const FOREIGN: [&str; 4] = ["<truncated>1", "<occluded>1", "<part>", "<actions>"];
/// What an object stands between.
const OBJECT: &str = "<object>";
const OBJECT_END: &str = "</object>";
/// The end of a whole file.
const END: &[u8] = b"</annotation";

/// Writes the folder `Annotations` and the list `labels.txt` into the folder `path`.
pub(super) fn write(dataset: &Dataset, path: &Path, tally: &mut Tally, watch: &mut Watch<'_>) -> Result<(), ExchangeError> {
    let library = to_library(dataset, tally, |instance, tally| {
        if instance.shape != Shape::Box {
            tally.add(Kind::Outline, format_args!("annotation {}", instance.id));
        }
        let whole = whole_pixels(instance.bbox);
        if whole != instance.bbox {
            tally.add(Kind::Rounded, format_args!("annotation {}", instance.id));
        }
        whole
    });
    let stage = Stage::new(path)?;
    watch.step(&Meter::start("Writing", dataset.images.len() as u64), 0)?;
    coco_to_voc(&library, stage.path()).map_err(|refusal| error(path, Some(stage.path()), refusal))?;
    stage.publish()
}

/// The nearest box of whole pixels that holds at least one.
pub(super) fn whole_pixels(bbox: Rect) -> Rect {
    let (x, y) = (bbox.x.round(), bbox.y.round());
    Rect::new(x, y, (bbox.right().round() - x).max(1.0), (bbox.bottom().round() - y).max(1.0))
}

/// Reads the XML files in `path` or in the folder `Annotations` in it.
pub(super) fn read(path: &Path, watch: &mut Watch<'_>) -> Result<Imported, ExchangeError> {
    let inner = path.join("Annotations");
    let folder = if inner.is_dir() { inner } else { path.to_owned() };
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(ExchangeError::io(&folder))? {
        let file = entry.map_err(ExchangeError::io(&folder))?.path();
        if file.extension() == Some(OsStr::new("xml")) {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(ExchangeError::Nothing { what: "XML file", path: folder });
    }
    files.sort();
    let root = if folder.ends_with("Annotations") { folder.parent().unwrap_or(path) } else { path };
    let places = [root.join("JPEGImages"), root.join("images"), folder.clone()];
    let (mut tally, mut first, mut parts) = (Tally::default(), None, Vec::new());
    let meter = Meter::start("Reading", files.len() as u64);
    for (done, file) in files.iter().enumerate() {
        watch.step(&meter, done)?;
        // What a file that is left out would have lost does not count.
        let mut with_file = tally.clone();
        match read_file(file, &places, &mut with_file) {
            Ok(part) => {
                tally = with_file;
                parts.push((file.as_path(), part));
            }
            Err(fault) => {
                tally.add(Kind::Unreadable, &fault);
                first.get_or_insert(fault);
            }
        }
    }
    let dataset = joined(parts, &path.join("labels.txt"), &mut tally)?;
    // Files without a single object are no labels.
    if let Some(fault) = first.filter(|_| dataset.instances.is_empty()) {
        return Err(fault);
    }
    Ok(Imported { dataset, tally, ..Imported::default() })
}

/// The data set of one file. The library stops at the first fault, so that it gets a copy of each file alone. A size that the file
/// does not tell is that of the picture, where it is in one of `places`.
fn read_file(file: &Path, places: &[PathBuf], tally: &mut Tally) -> Result<Dataset, ExchangeError> {
    let copies = tempfile::tempdir().map_err(ExchangeError::io(file))?;
    let copy = copies.path().join(file.file_name().unwrap_or_default());
    copy_without_references(file, &copy, &FOREIGN, tally)?;
    let folder = file.parent().unwrap_or(file);
    let library = voc_to_coco(copies.path()).or_else(|refusal| {
        let whole = error(folder, Some(copies.path()), refusal);
        usable_objects(&copy, file, tally).ok_or(whole)
    })?;
    // The library takes what is cut off for whole.
    let text = fs::read(&copy).map_err(ExchangeError::io(file))?;
    if !text.windows(END.len()).rev().any(|part| part == END) {
        return Err(ExchangeError::record(file, "the file", Fault::CutOff));
    }
    let mut dataset = from_library(library, file)?.dataset;
    for image in dataset.images.iter_mut().filter(|image| !image.size.has_pixels()) {
        let size = places.iter().find_map(|place| picture::size(&place.join(&image.file_name)).ok());
        image.size = size.ok_or_else(|| ExchangeError::record(file, format!("image {}", image.file_name), Fault::NoSize))?;
    }
    Ok(dataset)
}

/// What the library makes of those objects in the file `copy` that it takes; the others of `file` are counted. `None` where it takes
/// none, or stumbles over something else.
fn usable_objects(copy: &Path, file: &Path, tally: &mut Tally) -> Option<hotcoco::Dataset> {
    let (text, folder) = (fs::read_to_string(copy).ok()?, copy.parent()?);
    let mut objects = text.split(OBJECT);
    let start = objects.next().unwrap_or_default();
    let mut objects: Vec<&str> = objects.collect();
    let (last, end) = objects.pop()?.split_once(OBJECT_END)?;
    objects.push(last);
    let read = |objects: &[&str]| {
        let objects = objects.iter().map(|object| format!("{OBJECT}{}{OBJECT_END}", object.trim_end().trim_end_matches(OBJECT_END)));
        fs::write(copy, format!("{start}{}{end}", objects.collect::<String>())).map_err(|error| error.to_string())?;
        voc_to_coco(folder).map_err(|refusal| refusal.to_string())
    };
    let mut usable = Vec::new();
    for (number, object) in objects.into_iter().enumerate() {
        match read(&[object]) {
            Ok(_) => usable.push(object),
            Err(reason) => {
                let reason = reason.split_once(&format!("{}: ", copy.display())).map_or(reason.as_str(), |(_, reason)| reason);
                tally.add(Kind::Unreadable, format_args!("object {} of {} ({reason})", number + 1, file.display()));
            }
        }
    }
    if usable.is_empty() { None } else { read(&usable).ok() }
}

/// The data sets of the files as one. The classes are those of the list `labels`, then the others as they come; without a list
/// they are in the order of their names.
fn joined(parts: Vec<(&Path, Dataset)>, labels: &Path, tally: &mut Tally) -> Result<Dataset, ExchangeError> {
    let mut builder = Builder::default();
    if labels.is_file() {
        for name in read_text(labels)?.lines().map(str::trim).filter(|name| !name.is_empty()) {
            builder.class(name);
        }
    } else {
        let names: BTreeSet<&str> = parts.iter().flat_map(|(_, part)| &part.categories).map(|class| class.name.as_str()).collect();
        for name in names {
            builder.class(name);
        }
    }
    let mut files_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, Dataset { images, categories, instances, .. }) in parts {
        // A file is of one image.
        let Some(image) = images.into_iter().next() else { continue };
        let difficult = instances.iter().filter(|object| object.crowd).count();
        tally.add_many(Kind::Difficult, difficult, format_args!("{} ({difficult})", image.file_name));
        files_of.entry(image.file_name.clone()).or_default().push(file.display().to_string());
        let id = builder.image(image.file_name, image.size);
        for object in instances {
            let Some(class) = categories.iter().find(|class| class.id == object.category_id) else { continue };
            let class = builder.class(&class.name);
            builder.object(id, class, object.bbox, object.shape).crowd = object.crowd;
        }
    }
    for (name, files) in files_of.into_iter().filter(|(_, files)| files.len() > 1) {
        tally.add_many(Kind::SameName, files.len(), format_args!("{name} ({})", files.join(", ")));
    }
    Ok(builder.dataset)
}
