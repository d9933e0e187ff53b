//! Opens a folder of images or a COCO file, with the working copy where there is one. Runs on its own thread.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::document::{Document, Source};
use super::session;
use crate::annotation::Dataset;
use crate::formats::{coco, folder};
use crate::job::{Cancel, Progress};

/// What opening gave: the document, and a note for the status bar.
#[derive(Debug)]
pub(super) struct Opened {
    /// The document.
    pub document: Document,
    /// What to tell the person.
    pub note: String,
    /// The image that was shown last time.
    pub image: usize,
}

/// Opens `path`; `state` is the folder for what cannot stand beside the data.
///
/// # Errors
/// When there is no such path, or it holds neither images nor a COCO file.
pub(super) fn open(path: &Path, state: &Path, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> anyhow::Result<Opened> {
    let path = std::path::absolute(path)?;
    if !path.exists() {
        anyhow::bail!("there is no {}", path.display());
    }
    let (mut document, note) =
        if path.is_dir() { open_folder(&path, state, cancel, progress)? } else { open_file(&path, state, cancel, progress)? };
    let session = session::read(state, &path);
    document.reviewed = session.reviewed.iter().map(|&id| crate::annotation::ImageId(id)).collect();
    let image = session.image.min(document.image_count().saturating_sub(1));
    Ok(Opened { document, note, image })
}

fn open_folder(path: &Path, state: &Path, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> anyhow::Result<(Document, String)> {
    let (scanned, report) = folder::scan(path)?;
    if scanned.images.is_empty() {
        let files = json_files(path);
        return match files.as_slice() {
            [file] => open_file(file, state, cancel, progress),
            [] => anyhow::bail!("there are no images and no COCO file in {}", path.display()),
            _ => anyhow::bail!("there are several JSON files and no images in {}: open one of the files", path.display()),
        };
    }
    let working = working_copy(path, state);
    let target = path.join("annotations.json");
    let newest = newest(&[&working, &target]);
    let (dataset, note) = if let Some(file) = newest {
        let (mut dataset, _) = coco::read_with(file, cancel, progress).with_context(|| format!("cannot read {}", file.display()))?;
        let added = add_images(&mut dataset, scanned);
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let more = if added > 0 { format!(", {added} new images") } else { String::new() };
        (dataset, format!("Reopened your work from {name}{more}"))
    } else {
        let count = scanned.images.len();
        (scanned, format!("Opened {count} images"))
    };
    let resumed = newest == Some(working.as_path());
    let mut document = Document::new(dataset, Source::Folder(path.to_path_buf()));
    document.image_folder = path.to_path_buf();
    document.target = target.is_file().then_some(target);
    document.working_copy = Some(working);
    document.warnings = report.warnings;
    if resumed {
        document.mark_changed();
    }
    Ok((document, note))
}

fn open_file(path: &Path, state: &Path, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> anyhow::Result<(Document, String)> {
    let working = working_copy(path, state);
    let resumed = newest(&[&working, path]) == Some(working.as_path());
    let read = if resumed { &working } else { path };
    let (dataset, report) = coco::read_with(read, cancel, progress).with_context(|| format!("cannot read {}", read.display()))?;
    let note = if resumed {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        format!("Reopened your unsaved work on {name}; Save writes it into the file")
    } else {
        format!("Opened {} images, {} objects", dataset.images.len(), dataset.instances.len())
    };
    let image_folder = image_folder(path, &dataset);
    let mut document = Document::new(dataset, Source::File(path.to_path_buf()));
    document.image_folder = image_folder;
    document.target = Some(path.to_path_buf());
    document.working_copy = Some(working);
    document.warnings = report.warnings;
    if resumed {
        document.mark_changed();
    }
    Ok((document, note))
}

/// Where the working copy of `path` stands: beside the data, or in `state` where that cannot be written.
pub(super) fn working_copy(path: &Path, state: &Path) -> PathBuf {
    let (folder, name) = if path.is_dir() {
        (path.to_path_buf(), "annotations.annotator.json".to_owned())
    } else {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        (path.parent().map(Path::to_path_buf).unwrap_or_default(), format!("{stem}.annotator.json"))
    };
    if is_writable(&folder) { folder.join(name) } else { state.join(session::file_name(path, "annotator.json")) }
}

fn is_writable(folder: &Path) -> bool {
    tempfile::Builder::new().prefix(".annotator-").tempfile_in(folder).is_ok()
}

fn newest<'a>(files: &[&'a Path]) -> Option<&'a Path> {
    let age = |file: &Path| file.metadata().and_then(|data| data.modified()).ok();
    files.iter().copied().filter_map(|file| Some((age(file)?, file))).max_by_key(|&(time, _)| time).map(|(_, file)| file)
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_coco = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) && !name.ends_with(".annotator.json")
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_coco).collect();
    files.sort();
    files
}

fn add_images(dataset: &mut Dataset, scanned: Dataset) -> usize {
    let known: HashSet<String> = dataset.images.iter().map(|image| image.file_name.clone()).collect();
    let mut next = dataset.images.iter().map(|image| image.id.0).max().unwrap_or(0);
    let before = dataset.images.len();
    for mut image in scanned.images {
        if !known.contains(&image.file_name) {
            next += 1;
            image.id = crate::annotation::ImageId(next);
            dataset.images.push(image);
        }
    }
    dataset.images.len() - before
}

/// The folder in which the first images of the file are found: beside it, in a folder beside it, or one level up.
fn image_folder(file: &Path, dataset: &Dataset) -> PathBuf {
    let beside = file.parent().unwrap_or(Path::new(".")).to_path_buf();
    let above = beside.parent().map(Path::to_path_buf);
    let mut candidates = vec![beside.clone()];
    for root in [Some(beside.clone()), above].into_iter().flatten() {
        let mut inside: Vec<PathBuf> =
            std::fs::read_dir(&root).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        inside.sort_by_key(|path| (!path.ends_with("images"), path.clone()));
        candidates.push(root);
        candidates.extend(inside.into_iter().take(64));
    }
    let has = |folder: &PathBuf| dataset.images.iter().take(3).any(|image| folder.join(&image.file_name).is_file());
    candidates.into_iter().find(has).unwrap_or(beside)
}
