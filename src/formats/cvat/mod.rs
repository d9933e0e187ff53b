//! CVAT for images 1.1: one XML file with polygons and boxes, in hundredths of a pixel, and masks with every pixel. Ellipses
//! and turned boxes are read as polygons.
//!
//! A polygon is one ring there; parts are joined by lines without width, so that an object stays one.

mod element;
mod write;

pub(super) use self::write::write;

use std::path::Path;

use hotcoco::convert::cvat_to_coco;

use super::exchange::{ExchangeError, Imported};
use super::library::{copy_without_references, error, from_library};
use super::loss::{Kind, Tally};

/// CVAT's files have two decimals.
pub(super) const GRAIN_PX: f64 = 0.01;

/// What CVAT's files say of an object and a data set of masks has no place for.
const FOREIGN: [&str; 3] = ["<attribute name=", " occluded=\"1\"", " group_id="];

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
    let own = element::read(&text, path, &mut builder, &mut tally)?;
    tally.add_many(Kind::Unsupported, stats.skipped_unsupported.saturating_sub(own), "polylines, points, cuboids, tags");
    Ok(Imported { dataset: builder.dataset, tally, ..Imported::default() })
}
