//! Saving a data set as a file of COCO.

use std::path::Path;

use crate::annotation::Dataset;
use crate::formats::save::{SaveError, replace};

/// Saves the data set at `path`, see [`super::write`]: whoever looks sees the old file or the new one, never a part.
///
/// # Errors
/// When the folder or the disk does not allow it; the old file is left as it was.
pub fn save(dataset: &Dataset, path: &Path) -> Result<(), SaveError> {
    replace(path, |out| super::write(dataset, out))
}

/// Saves the instances as a bare list of results, see [`super::write_results`].
///
/// # Errors
/// As [`save`].
pub fn save_results(dataset: &Dataset, path: &Path) -> Result<(), SaveError> {
    replace(path, |out| super::write_results(dataset, out))
}
