//! CVAT for images 1.1: one XML file with polygons and boxes, in hundredths of a pixel, and with masks and turned boxes,
//! which are read.
//!
//! An object is one polygon there; parts and holes are joined by lines without width, so that it stays one.

mod element;

use std::io::Write as _;
use std::path::Path;

use hotcoco::convert::{coco_to_cvat, cvat_to_coco};

use super::exchange::{ExchangeError, Imported, Watch, counted_polygon};
use super::library::{copy_without_references, error, from_library, to_library};
use super::loss::{Kind, Tally};
use super::save::replace;
use crate::annotation::{Dataset, Shape};
use crate::job::Meter;

/// CVAT's files have two decimals.
pub(super) const GRAIN_PX: f64 = 0.01;

/// What CVAT's files say of an object and a data set of masks has no place for.
const FOREIGN: [&str; 3] = ["<attribute name=", " occluded=\"1\"", " group_id="];

/// Writes the file.
pub(super) fn write(
    dataset: &Dataset,
    path: &Path,
    tolerance_px: f64,
    tally: &mut Tally,
    watch: &mut Watch<'_>,
) -> Result<(), ExchangeError> {
    let sizes = dataset.sizes();
    let meter = Meter::start("Tracing", dataset.instances.len() as u64);
    let mut stopped = Ok(());
    let library = to_library(dataset, tally, |place, tally| {
        if place % 256 == 0 && stopped.is_ok() {
            stopped = watch.step(&meter, place);
        }
        let instance = &dataset.instances[place];
        if instance.shape == Shape::Box || stopped.is_err() {
            return Some((instance.bbox, None));
        }
        let size = sizes.get(&instance.image_id).copied().unwrap_or_default();
        let polygon = counted_polygon(instance, size, tolerance_px, GRAIN_PX, tally)?;
        Some((instance.bbox, Some(vec![polygon])))
    });
    stopped?;
    // The library writes by name, so that it gets a file of its own first.
    let folder = tempfile::tempdir().map_err(ExchangeError::io(path))?;
    let file = folder.path().join("annotations.xml");
    coco_to_cvat(&library, &file).map_err(|refusal| error(path, Some(&file), refusal))?;
    let text = std::fs::read(&file).map_err(ExchangeError::io(&file))?;
    Ok(replace(path, |out| out.write_all(&text))?)
}

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<Imported, ExchangeError> {
    let folder = tempfile::tempdir().map_err(ExchangeError::io(path))?;
    let copy = folder.path().join("annotations.xml");
    let mut tally = Tally::default();
    copy_without_references(path, &copy, &FOREIGN, &mut tally)?;
    let (library, stats) = cvat_to_coco(&copy).map_err(|refusal| error(path, Some(&copy), refusal))?;
    tally.add_many(Kind::Object, stats.skipped_degenerate, "polygons with fewer than three points");
    if library.images.is_empty() {
        return Err(ExchangeError::Library { message: "there is no <image> in the file".to_owned(), path: path.to_owned() });
    }
    let mut builder = from_library(library, path)?;
    let text = std::fs::read_to_string(&copy).map_err(ExchangeError::io(path))?;
    let masks = element::read(&text, path, &mut builder, &mut tally)?;
    tally.add_many(Kind::Unsupported, stats.skipped_unsupported.saturating_sub(masks), "polylines, points, cuboids, tags");
    Ok(Imported { dataset: builder.dataset, tally, ..Imported::default() })
}
