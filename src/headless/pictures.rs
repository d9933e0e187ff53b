//! The images of a data set one after the other, each decoded while the one before is worked on: two images are in
//! memory at most, whatever the size of the data set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};

use anyhow::Context as _;
use image::RgbImage;

use super::Outcome;
use super::terminal::Terminal;
use crate::annotation::{Dataset, Image, ImageId, Instance};
use crate::formats::folder::Finder;
use crate::formats::picture::{self, Picture};
use crate::geometry::Size;
use crate::job::{Cancel, Meter, spawn};

/// So many instances go to the models at a time: enough to be fast, few enough to stop soon.
pub(super) const FEW: usize = 8;
/// All instances of an image go to the models together.
pub(super) const ALL: usize = usize::MAX;

/// An image that is to be worked on.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// Its file.
    pub(super) path: PathBuf,
    /// Its size as the data set states it.
    pub(super) size: Size,
    /// Which instances of the data set lie on it, by index.
    pub(super) instances: Vec<usize>,
    /// Why a file of its name is not taken for it.
    pub(super) refusal: Option<String>,
}

/// The images that hold at least one instance that is `wanted`, in file order. Instances whose image the data set
/// lacks are in no task.
pub(super) fn tasks(dataset: &Dataset, folder: &Path, wanted: impl Fn(&Instance) -> bool) -> Vec<Task> {
    let mut by_image = BTreeMap::<ImageId, Vec<usize>>::new();
    for (index, instance) in dataset.instances.iter().enumerate() {
        if wanted(instance) {
            by_image.entry(instance.image_id).or_default().push(index);
        }
    }
    let finder = Finder::new(&dataset.images);
    let task = |image: &Image| {
        let instances = by_image.remove(&image.id)?;
        let (path, refusal) = (finder.path(folder, &image.file_name), finder.refusal(folder, &image.file_name));
        Some(Task { path, size: image.size, instances, refusal })
    };
    dataset.images.iter().filter_map(task).collect()
}

/// How many instances that are `wanted` lie on images that the data set lacks.
pub(super) fn stray(dataset: &Dataset, wanted: impl Fn(&Instance) -> bool) -> usize {
    let known = dataset.sizes();
    dataset.instances.iter().filter(|instance| wanted(instance) && !known.contains_key(&instance.image_id)).count()
}

/// How a walk over the images ended.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// Whether it reached the last image.
    pub(super) outcome: Outcome,
    /// Images that could not be read.
    pub(super) unreadable: usize,
    /// Instances on those images.
    pub(super) left: usize,
    /// The images of which their records do not tell whether masks lie on them as they are stored.
    unsure: Vec<PathBuf>,
}

impl Walk {
    /// Warns of images that were taken as they are stored though EXIF turns them.
    pub(super) fn warn_of_turned(&self, terminal: &mut Terminal) {
        if let Some(note) = picture::unsure_note(&self.unsure) {
            terminal.warning(&note);
        }
    }
}

/// What a piece of work on one image tells the person.
pub(super) struct Turn<'a> {
    pub(super) terminal: &'a mut Terminal,
    meter: &'a Meter,
    /// Instances that had their turn before.
    before: u64,
}

impl Turn<'_> {
    /// Tells that the first `done` instances of this piece are done.
    pub(super) fn progress(&mut self, done: usize) {
        self.terminal.progress(&self.meter.at(self.before + done as u64));
    }
}

/// Calls `work` with each image and the indices of some of its instances, `most` of them at a time, until all had their turn.
/// An image that cannot be read is a warning.
///
/// # Errors
/// Those of `work`, with the image's name; and when no image could be read.
pub(super) fn each_batch(
    tasks: Vec<Task>,
    most: usize,
    label: &str,
    terminal: &mut Terminal,
    cancel: &Cancel,
    work: impl FnMut(&RgbImage, &Task, &[usize], &mut Turn<'_>) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Walk> {
    let images = tasks.len();
    let walk = each_readable(tasks, most, label, terminal, cancel, work)?;
    let is_whole = walk.outcome == Outcome::Done && images > 0;
    anyhow::ensure!(!is_whole || walk.unreadable < images, "none of the {images} images could be read");
    Ok(walk)
}

/// As [`each_batch`], though no image may be readable.
///
/// # Errors
/// Those of `work`, with the image's name.
pub(super) fn each_readable(
    tasks: Vec<Task>,
    most: usize,
    label: &str,
    terminal: &mut Terminal,
    cancel: &Cancel,
    mut work: impl FnMut(&RgbImage, &Task, &[usize], &mut Turn<'_>) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Walk> {
    let total = tasks.iter().map(|task| task.instances.len() as u64).sum();
    let meter = Meter::start(label, total);
    let mut walk = Walk { outcome: Outcome::Done, unreadable: 0, left: 0, unsure: Vec::new() };
    let mut done = 0;
    for (task, picture) in decode(tasks, cancel)? {
        match picture {
            Ok(picture) => {
                if picture.header().is_unsure() {
                    walk.unsure.push(task.path.clone());
                }
                for batch in task.instances.chunks(most) {
                    let mut turn = Turn { terminal: &mut *terminal, meter: &meter, before: done };
                    turn.progress(0);
                    if !cancel.is_cancelled() {
                        walk.outcome = work(&picture.pixels, &task, batch, &mut turn).with_context(|| task.path.display().to_string())?;
                    }
                    if cancel.is_cancelled() || walk.outcome == Outcome::Cancelled {
                        return Ok(Walk { outcome: Outcome::Cancelled, ..walk });
                    }
                    done += batch.len() as u64;
                }
            }
            Err(message) => {
                terminal.warning(&message);
                walk.unreadable += 1;
                walk.left += task.instances.len();
                done += task.instances.len() as u64;
            }
        }
        terminal.progress(&meter.at(done));
    }
    if cancel.is_cancelled() {
        walk.outcome = Outcome::Cancelled;
    }
    Ok(walk)
}

/// Decodes the images of `tasks` on a thread of its own, one ahead of the reader. An image that cannot be read, or
/// that has another size than stated, comes as a message that names its file.
///
/// # Errors
/// When the operating system refuses another thread.
fn decode(tasks: Vec<Task>, cancel: &Cancel) -> std::io::Result<Receiver<(Task, Result<Picture, String>)>> {
    let (sender, receiver) = sync_channel(1);
    let cancel = cancel.clone();
    spawn("decode", move || {
        for task in tasks {
            let picture = load(&task);
            if cancel.is_cancelled() || sender.send((task, picture)).is_err() {
                break;
            }
        }
    })?;
    Ok(receiver)
}

fn load(task: &Task) -> Result<Picture, String> {
    let picture = picture::open_for(&task.path, task.size).map_err(|error| match &task.refusal {
        Some(refusal) => format!("{error}; {refusal}"),
        None => error.to_string(),
    })?;
    let found = picture.header().size;
    if found == task.size {
        return Ok(picture);
    }
    Err(format!(
        "the image has {} x {} pixels, the data set says {} x {}: {}",
        found.width,
        found.height,
        task.size.width,
        task.size.height,
        task.path.display()
    ))
}
