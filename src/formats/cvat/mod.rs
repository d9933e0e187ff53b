//! CVAT for images 1.1: one XML file with polygons and boxes, in hundredths of a pixel, and masks with every pixel. Ellipses
//! and turned boxes are read as polygons.
//!
//! A polygon is one ring there; parts are joined by lines without width, so that an object stays one.

mod element;
mod write;

pub(super) use self::write::write;

use std::path::Path;

use super::exchange::{ExchangeError, Imported, read_text};
use super::library::without_references;

/// CVAT's files have two decimals.
pub(super) const GRAIN_PX: f64 = 0.01;

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<Imported, ExchangeError> {
    element::read(&without_references(&read_text(path)?), path)
}
