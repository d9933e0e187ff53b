//! YOLO as Ultralytics has it: `data.yaml` with the classes, a folder `images`, and in the folder `labels` a text file for
//! each picture, a line an object: the class from 0, then a box (its middle and its sides) or the corners of one polygon,
//! each divided by the width or height of the upright image: trainers turn pictures as EXIF says before they look at labels.
//!
//! `data.yaml` names no `path`: without one Ultralytics starts from the folder of that file, wherever it is moved. Pictures
//! are copied, never linked, because Ultralytics repairs JPEG files where they are.

mod names;
mod read;
mod split;
mod write;

pub(super) use self::read::read;
pub(super) use self::write::{inside, within, write};

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::picture::{self, PictureError};
use crate::geometry::Size;

/// Coordinates are read in ten-thousandths of a pixel, so that whole pixels come back whole.
pub(super) const GRAIN_PX: f64 = 1e-4;

/// The size of the picture at `path` after the turn by EXIF.
fn upright(path: &Path) -> Result<Size, PictureError> {
    picture::header(path).map(|header| header.seen_by(Size::new(header.size.height, header.size.width)).size)
}

/// Where Ultralytics looks for a picture's label: the last folder `images` of its path is `labels` then.
fn label_of(picture: &Path) -> PathBuf {
    let parts: Vec<&OsStr> = picture.iter().collect();
    let images = parts.iter().rposition(|part| *part == "images");
    let path: PathBuf = parts.iter().enumerate().map(|(at, part)| if Some(at) == images { OsStr::new("labels") } else { part }).collect();
    path.with_extension("txt")
}
