//! `refine`: masks to better masks.
//!
//! An annotation keeps its record where the refiner found nothing to improve or did not trust its own result.
//! Crowds (`iscrowd: 1`) and annotations that are only a box are skipped.

use std::path::PathBuf;

use super::pictures::{each_batch, tasks};
use super::terminal::Terminal;
use super::{ModelOptions, Outcome, dataset, unless_cancelled};
use crate::annotation::Shape;
use crate::assist::{Assistant, Engine as _, RefineOptions};
use crate::formats::coco;
use crate::job::Cancel;

/// The options of `refine`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The COCO file whose masks are to be refined
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The folder that the images' file names start from
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// The COCO file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    models: ModelOptions,
}

/// What became of the instances.
#[derive(Debug, Default)]
struct Counts {
    refined: usize,
    kept: usize,
    unusable: usize,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Outcome> {
    let mut data = dataset::read(&arguments.data, terminal, cancel)?;
    dataset::writable(&arguments.out)?;
    let assistant = Assistant::load(arguments.models.device.into(), &arguments.models.paths())?;
    let options = RefineOptions { seed: arguments.models.seed, ..RefineOptions::default() };
    let crowds = data.instances.iter().filter(|instance| instance.crowd).count();
    let boxes = data.instances.iter().filter(|instance| !instance.crowd && instance.shape == Shape::Box).count();
    let tasks = tasks(&data, &arguments.images, |instance| !instance.crowd && instance.shape != Shape::Box);
    let mut counts = Counts::default();
    let walk = each_batch(tasks, "masks to better masks", terminal, cancel, |picture, task, batch, terminal| {
        let (mut indices, mut masks) = (Vec::new(), Vec::new());
        for &index in batch {
            let instance = &data.instances[index];
            match instance.shape.mask(instance.bbox, task.size) {
                Ok(mask) if !mask.is_empty() => {
                    indices.push(index);
                    masks.push(mask);
                }
                Ok(_) => terminal.warning(&format!("the mask of annotation {} is empty: {}", instance.id, task.path.display())),
                Err(error) => terminal.warning(&format!("the mask of annotation {}: {error}: {}", instance.id, task.path.display())),
            }
        }
        counts.unusable += batch.len() - indices.len();
        let refined = assistant.refine(picture, &masks, &options, cancel, &mut |_| ());
        let Some(refinements) = unless_cancelled(refined)? else { return Ok(Outcome::Cancelled) };
        for (index, refinement) in indices.into_iter().zip(refinements) {
            let changed = !refinement.kept_original && dataset::set_mask(&mut data.instances[index], &refinement.mask, None);
            *(if changed { &mut counts.refined } else { &mut counts.kept }) += 1;
        }
        Ok(Outcome::Done)
    })?;
    if walk.outcome == Outcome::Cancelled {
        return Ok(Outcome::Cancelled);
    }
    coco::save(&data, &arguments.out)?;
    terminal.finish();
    terminal.message(&format!(
        "wrote {}: {} masks refined, {} kept, {crowds} crowds and {boxes} boxes skipped, {} masks unusable{}",
        arguments.out.display(),
        counts.refined,
        counts.kept,
        counts.unusable,
        dataset::unreadable(&walk)
    ));
    Ok(Outcome::Done)
}
