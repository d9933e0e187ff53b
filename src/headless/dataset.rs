//! Reading and writing COCO files for the headless commands, with the reader's warnings on the terminal.

use std::path::{Path, PathBuf};

use super::pictures::Walk;
use super::terminal::Terminal;
use crate::annotation::{Dataset, Field, Instance, Shape};
use crate::formats::coco::{self, ReadError};
use crate::formats::{Report, save};
use crate::job::Cancel;
use crate::mask::Mask;

/// More warnings of one file than this are counted, not printed.
const MOST_WARNINGS: usize = 20;

/// Reads the COCO file at `path`, or the one that belongs to the folder `path`, and shows what its reader warns of.
///
/// # Errors
/// When the file cannot be read or is no COCO file, or `cancel` was raised.
pub(super) fn read(path: &Path, terminal: &mut Terminal, cancel: &Cancel) -> Result<Dataset, ReadError> {
    let path = &coco::file_of(path)?;
    let read = coco::read_with(path, cancel, &mut |progress| terminal.progress(&progress));
    terminal.finish();
    let (dataset, report) = read?;
    warn(&report, path, terminal);
    Ok(dataset)
}

/// As [`read`]; a bare list of results is understood as predictions for `truth`.
///
/// # Errors
/// As [`read`].
pub(super) fn read_predictions(path: &Path, truth: &Dataset, terminal: &mut Terminal, cancel: &Cancel) -> Result<Dataset, ReadError> {
    match read(path, terminal, cancel) {
        Err(ReadError::Results { .. }) => {
            let (dataset, report) = coco::read_results(path, truth)?;
            warn(&report, path, terminal);
            Ok(dataset)
        }
        other => other,
    }
}

/// Shows what a reader found odd.
pub(super) fn warn(report: &Report, path: &Path, terminal: &mut Terminal) {
    for warning in report.warnings.iter().take(MOST_WARNINGS) {
        terminal.warning(&warning.to_string());
    }
    if report.warnings.len() > MOST_WARNINGS {
        terminal.warning(&format!("{} more warnings: {}", report.warnings.len() - MOST_WARNINGS, path.display()));
    }
}

/// Looks at once, before hours of work, whether files can be written at the `paths`.
///
/// # Errors
/// When a file is read-only, or its folder is missing or closed to writing.
pub(super) fn writable<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> anyhow::Result<()> {
    for path in paths {
        anyhow::ensure!(!path.is_dir(), "the output is a folder, not a file: {}", path.display());
        save::writable(path)?;
    }
    Ok(())
}

/// Looks at once whether the files of some options stand for themselves alone.
///
/// # Errors
/// When one of `written` is another one of them, or one of `others`, which are read or written too.
pub(super) fn apart<'a>(
    written: impl IntoIterator<Item = &'a PathBuf>,
    others: impl IntoIterator<Item = &'a PathBuf>,
) -> anyhow::Result<()> {
    let place = |path: &PathBuf| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.clone());
    let mut taken: Vec<PathBuf> = others.into_iter().map(place).collect();
    for path in written {
        anyhow::ensure!(!taken.contains(&place(path)), "two options name one file, which would be overwritten: {}", path.display());
        taken.push(place(path));
    }
    Ok(())
}

/// Looks at once whether the folder of the images is there.
///
/// # Errors
/// When it is not.
pub(super) fn folder(path: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(path.is_dir(), "there is no folder {}", path.display());
    Ok(())
}

/// Gives `instance` the shape of `mask`, which must hold a pixel; false, and nothing changed, where it does not.
pub(super) fn set_mask(instance: &mut Instance, mask: &Mask, score: Option<f64>) -> bool {
    if mask.is_empty() {
        return false;
    }
    instance.set_mask(mask);
    if let Some(score) = score {
        instance.score = Some((score * 1e4).round() / 1e4);
        instance.changed = instance.changed.and(Field::SCORE);
    }
    true
}

/// Leaves `instance` nothing but its box.
pub(super) fn drop_mask(instance: &mut Instance) {
    if instance.shape != Shape::Box {
        instance.set_shape(Shape::Box);
    }
    if instance.score.take().is_some() {
        instance.changed = instance.changed.and(Field::SCORE);
    }
}

/// The sentences about annotations that no image could be looked at for, with their `fate`; empty where there were none.
/// Some are `stray`, on no image of the file.
pub(super) fn unseen(walk: &Walk, stray: usize, fate: &str) -> String {
    let unreadable = match walk.unreadable {
        0 => String::new(),
        1 => format!("; 1 image could not be read, its {} annotations {fate}", walk.left),
        images => format!("; {images} images could not be read, their {} annotations {fate}", walk.left),
    };
    let stray = match stray {
        0 => String::new(),
        count => format!("; {count} annotations lie on no image of the file and {fate}"),
    };
    unreadable + &stray
}
