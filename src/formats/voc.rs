//! Pascal VOC: an XML file of boxes for each image.
//!
//! VOC's boxes are whole pixels, its lists count; masks have no place. A crowd becomes `difficult`, and back, which is counted:
//! the assistant leaves crowds alone.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use hotcoco::convert::{coco_to_voc, voc_to_coco};

use super::exchange::{ExchangeError, Imported, Watch, by_image};
use super::library::{copy_without_references, error, from_library, to_library};
use super::loss::{Kind, Tally};
use super::stage::Stage;
use crate::annotation::{Dataset, Shape};
use crate::geometry::Rect;
use crate::job::Meter;

/// What VOC's files say of an object and a data set of masks has no place for.
const FOREIGN: [&str; 4] = ["<truncated>1", "<occluded>1", "<part>", "<actions>"];

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
    let mut tally = Tally::default();
    let copies = tempfile::tempdir().map_err(ExchangeError::io(&folder))?;
    let meter = Meter::start("Reading", files.len() as u64);
    for (done, file) in files.iter().enumerate() {
        watch.step(&meter, done)?;
        copy_without_references(file, &copies.path().join(file.file_name().unwrap_or_default()), &FOREIGN, &mut tally)?;
    }
    let labels = path.join("labels.txt");
    if labels.is_file() {
        fs::copy(&labels, copies.path().join("labels.txt")).map_err(ExchangeError::io(&labels))?;
    }
    let library = voc_to_coco(copies.path()).map_err(|refusal| error(&folder, Some(copies.path()), refusal))?;
    let dataset = from_library(library, &folder)?.dataset;
    for (image, objects) in dataset.images.iter().zip(by_image(&dataset)) {
        let difficult = objects.iter().filter(|object| object.crowd).count();
        tally.add_many(Kind::Difficult, difficult, format_args!("{} ({difficult})", image.file_name));
    }
    Ok(Imported { dataset, tally, ..Imported::default() })
}
