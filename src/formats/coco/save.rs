//! Saving a data set as a file of COCO.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use super::write::{Each, Form};
use crate::annotation::Dataset;
use crate::formats::save::{SaveError, replace};
use crate::job::{Cancel, Meter, Progress};

/// Saves the data set at `path`, see [`super::write`]: whoever looks sees the old file or the new one, never a part.
///
/// # Errors
/// When the folder or the disk does not allow it; the old file is left as it was.
pub fn save(dataset: &Dataset, path: &Path) -> Result<(), SaveError> {
    save_with(dataset, path, &Cancel::new(), &mut |_| ())
}

/// [`save`] with the means to stop it and to see how far it is, in annotations.
///
/// # Errors
/// As [`save`], and when `cancel` was raised.
pub fn save_with(dataset: &Dataset, path: &Path, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> Result<(), SaveError> {
    save_as(dataset, Form::of(dataset), path, cancel, progress)
}

/// [`save_with`] in another form.
pub(in crate::formats) fn save_as(
    dataset: &Dataset,
    form: Form<'_>,
    path: &Path,
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), SaveError> {
    watched(dataset, path, cancel, progress, |out, each| super::write::write_each(dataset, form, out, each))
}

/// Saves the instances as a bare list of results, see [`super::write_results`].
///
/// # Errors
/// As [`save`].
pub fn save_results(dataset: &Dataset, path: &Path) -> Result<(), SaveError> {
    save_results_with(dataset, path, &Cancel::new(), &mut |_| ())
}

/// [`save_results`] with the means to stop it and to see how far it is.
///
/// # Errors
/// As [`save_with`].
pub fn save_results_with(dataset: &Dataset, path: &Path, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> Result<(), SaveError> {
    watched(dataset, path, cancel, progress, |out, each| super::write::write_results_each(dataset, out, each))
}

fn watched(
    dataset: &Dataset,
    path: &Path,
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress),
    write: impl FnOnce(&mut BufWriter<&File>, Each<'_>) -> io::Result<()>,
) -> Result<(), SaveError> {
    let meter = Meter::start("Writing annotations", dataset.instances.len() as u64);
    let mut each = |done: usize| {
        progress(meter.at(done as u64));
        if cancel.is_cancelled() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    };
    let saved = replace(path, |out| {
        write(out, &mut each)?;
        each(dataset.instances.len())
    });
    match saved {
        Err(SaveError::Write { path, .. }) if cancel.is_cancelled() => Err(SaveError::Cancelled { path }),
        saved => saved,
    }
}
