//! One run: what it needs is laid out in its folder, the program learns, and the weights get their place.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::folder::{Folder, Origin, fingerprint};
use super::process::{Slot, background, follow};
use super::{Course, Trained, free_name, name};
use crate::annotation::{Dataset, InstanceId};
use crate::app::settings::DeviceChoice;
use crate::app::task::Reporter;
use crate::assist::ModelPaths;
use crate::formats::{coco, save};
use crate::job::Progress;
use crate::train::What;

/// How a run ended that did not fail.
#[derive(Debug)]
pub(super) enum End {
    /// It came to its end.
    Trained(Trained),
    /// It was stopped; how much of it is done, where it can go on.
    Stopped(Option<f64>),
}

/// What a run begins with.
pub(super) struct Fresh {
    pub(super) course: Course,
    pub(super) dataset: Arc<Dataset>,
    /// The objects that are learned from.
    pub(super) labels: HashSet<InstanceId>,
    /// The folder of the images.
    pub(super) images: PathBuf,
    pub(super) models: ModelPaths,
}

impl Fresh {
    /// Puts all of it into `folder`, in place of the run that was there.
    fn lay_out(self, folder: &Folder, report: &mut Reporter) -> anyhow::Result<()> {
        let Self { course, dataset, labels, images, models } = self;
        let out = std::path::absolute(&course.out)?;
        // Before hours of work.
        save::writable(&out)?;
        folder.renew()?;
        let mut dataset = Arc::unwrap_or_clone(dataset);
        dataset.instances.retain(|instance| labels.contains(&instance.id));
        let cancel = report.cancel.clone();
        coco::save_with(&dataset, &folder.data(), &cancel, &mut |progress| report.tell(progress))?;
        let ModelPaths { segmenter, refiner } = models.readable();
        let start = match course.what {
            What::Segmenter => segmenter,
            What::Refiner => refiner,
        };
        let start = start.map(std::path::absolute).transpose()?;
        let labels = fingerprint(dataset.instances.iter());
        folder.write(&Origin { course: Course { out, ..course }, images: std::path::absolute(&images)?, start, labels })?;
        Ok(())
    }
}

/// All that a run needs.
pub(super) struct Lesson {
    /// The program that trains.
    pub(super) program: PathBuf,
    pub(super) device: DeviceChoice,
    /// The program's own folder.
    pub(super) state: PathBuf,
    pub(super) folder: Folder,
    /// What it begins with; `None` goes on with the run in the folder.
    pub(super) fresh: Option<Fresh>,
}

impl Lesson {
    /// Learns to the end or a stop. The folder stays where something in it can go on.
    pub(super) fn learn(self, process: &Slot, report: &mut Reporter) -> anyhow::Result<End> {
        let (cancel, folder) = (report.cancel.clone(), self.folder.clone());
        let learned = self.trained(process, report);
        let halt = folder.halt();
        if (learned.is_ok() || halt.is_none())
            && let Err(error) = folder.remove()
        {
            tracing::warn!(%error, "the folder of the training cannot be removed");
        }
        match learned {
            Err(_) if cancel.is_cancelled() => Ok(End::Stopped(halt.map(|halt| halt.share))),
            learned => learned.map(End::Trained),
        }
    }

    fn trained(self, process: &Slot, report: &mut Reporter) -> anyhow::Result<Trained> {
        let Self { program, device, state, folder, fresh } = self;
        let goes_on = fresh.is_none();
        if let Some(fresh) = fresh {
            fresh.lay_out(&folder, report)?;
        }
        let Origin { course, images, start, .. } = folder.origin().context("there is no training to go on with")?;
        let (what, weights) = (course.what, folder.weights());
        let mut learner = background(&program);
        learner.args(["--headless", "train", "--progress", "json", "--what", name(what), "--epochs", &course.epochs.to_string()]);
        learner.args(["--attended", "--device", device_name(device)]);
        learner.arg("--data").arg(folder.data()).arg("--images").arg(&images).arg("--out").arg(&weights);
        if let Some(start) = start {
            learner.arg("--start").arg(start);
        }
        if goes_on {
            learner.arg("--resume");
        }
        report.tell(Progress { label: "Training".to_owned(), done: 0, total: 0, elapsed: Duration::ZERO });
        let verdict = follow(&mut learner, &folder.errors(), process, report)?;
        let kept = || keep(&weights, &course.out, what).or_else(|error| keep_here(&weights, &state, what).context(error));
        let kept = verdict.improved.then(kept).transpose()?;
        Ok(Trained { before: verdict.iou_before, after: verdict.iou_after, held_out: verdict.held_out, weights: kept })
    }
}

const fn device_name(device: DeviceChoice) -> &'static str {
    match device {
        DeviceChoice::Auto => "auto",
        DeviceChoice::Cpu => "cpu",
        // Gradients are computed in full precision.
        DeviceChoice::Gpu | DeviceChoice::GpuHalf => "gpu",
    }
}

/// Copies `weights` to `out`, or to a free name beside it where others took that meanwhile; where they are then.
fn keep(weights: &Path, out: &Path, what: What) -> anyhow::Result<PathBuf> {
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    let out = if out.exists() { free_name(out.parent().unwrap_or(Path::new("")), &stem, what) } else { out.to_path_buf() };
    let mut new = File::open(weights)?;
    save::replace(&out, |file| {
        std::io::copy(&mut new, file)?;
        Ok(())
    })?;
    Ok(out)
}

/// Keeps `weights` in the program's own folder: hours of work are not lost because the disk of the data is full by now.
fn keep_here(weights: &Path, state: &Path, what: What) -> anyhow::Result<PathBuf> {
    let there = free_name(state, "trained", what);
    std::fs::rename(weights, &there)?;
    Ok(there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_never_take_the_place_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let name = |number: u32| folder.path().join(format!("a.refiner-{number}.safetensors"));
        let weights = folder.path().join("weights");
        std::fs::write(&weights, "new").unwrap();
        std::fs::write(name(1), "old").unwrap();
        let out = free_name(folder.path(), "a", What::Refiner);
        assert_eq!(out, name(2));
        assert_eq!(keep(&weights, &out, What::Refiner).unwrap(), name(2));
        let other = keep(&weights, &name(1), What::Refiner).unwrap();
        assert!(other != name(1) && std::fs::read_to_string(&other).unwrap() == "new", "{}", other.display());
        assert_eq!(std::fs::read_to_string(name(1)).unwrap(), "old");
        assert_eq!(std::fs::read_to_string(name(2)).unwrap(), "new");
    }
}
