//! `calibrate`: from what the network says of its masks to the `IoU` that is to be expected, on objects that it was not
//! trained on.

use std::path::PathBuf;

use anyhow::Context as _;

use super::pictures::{FEW, Task, each_batch, tasks};
use super::propose::prompt;
use super::terminal::Terminal;
use super::{ModelOptions, Outcome, dataset, unless_cancelled};
use crate::annotation::Shape;
use crate::assist::calibration::{CALIBRATION_KEY, Calibration, Observation};
use crate::assist::{Engine as _, MOST_SAMPLES, Prompt, ProposeOptions};
use crate::evaluation::Reliability;
use crate::job::Cancel;

/// The options of `calibrate`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// A COCO file with true masks that the segmenter was not trained on
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The folder that the images' file names start from
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// The weight file to write: the segmenter's, with the calibration in its metadata
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Masks to look for in each box, so that their agreement counts too
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=MOST_SAMPLES as i64))]
    samples: u32,
    /// No more objects than this, spread over the file
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(8..))]
    limit: u32,
    #[command(flatten)]
    models: ModelOptions,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Outcome> {
    dataset::folder(&arguments.images)?;
    dataset::writable([&arguments.out])?;
    let data = dataset::read(&arguments.data, terminal, cancel)?;
    let paths = arguments.models.paths();
    let file = paths.segmenter_file()?;
    let assistant = arguments.models.load(terminal)?.calibrated(Calibration::default());
    let usable = |instance: &crate::annotation::Instance| !instance.crowd && instance.shape != Shape::Box && instance.area >= 16.0;
    let chosen = thinned(tasks(&data, &arguments.images, usable), arguments.limit as usize);
    let options = ProposeOptions { samples: arguments.samples as usize, seed: arguments.models.seed, ..ProposeOptions::default() };
    let mut observations = Vec::new();
    let walk = each_batch(chosen, FEW, "measuring masks", terminal, cancel, |picture, task, batch, turn| {
        for &index in batch {
            let instance = &data.instances[index];
            let Ok(truth) = instance.mask(task.size) else {
                turn.terminal.warning(&format!("the mask of annotation {} cannot be drawn: {}", instance.id, task.path.display()));
                continue;
            };
            let Some(rect) = truth.bbox() else { continue };
            let found = assistant.propose(picture, &[Prompt { rect, ..prompt(&data, instance) }], &options, cancel, &mut |_| ());
            let Some(found) = unless_cancelled(found)? else { return Ok(Outcome::Cancelled) };
            observations.extend(found.iter().map(|proposal| Observation::of(proposal, &truth)));
        }
        Ok(Outcome::Done)
    })?;
    if walk.outcome == Outcome::Cancelled {
        return Ok(Outcome::Cancelled);
    }
    walk.warn_of_turned(terminal);
    let fitted = Calibration::fitted(&observations).with_context(|| {
        format!("only {} objects could be measured, too few to calibrate: {}", observations.len(), arguments.data.display())
    })?;
    file.save_with(CALIBRATION_KEY, &serde_json::to_string(&fitted)?, &arguments.out)?;
    terminal.finish();
    let names = [("one sample", false), ("all samples", true)].into_iter().take(arguments.samples.min(2) as usize);
    let before = Calibration::of(&file);
    for (name, several) in names.clone() {
        if let Some(table) = Reliability::new(&pairs(&observations, &before, several)) {
            let (count, table) = (observations.len(), table.to_string());
            terminal.message(&format!("before, with {name}, on {count} objects\n{}", table.trim_end()));
        }
    }
    // Each half is judged by what the other one was fitted to.
    let (even, odd): (Vec<_>, Vec<_>) = observations.iter().enumerate().partition(|(index, _)| index.is_multiple_of(2));
    let halves = [even, odd].map(|half| half.into_iter().map(|(_, one)| *one).collect::<Vec<Observation>>());
    if let [Some(first), Some(second)] = [0, 1].map(|half: usize| Calibration::fitted(&halves[half])) {
        for (name, several) in names {
            let crossed = [pairs(&halves[0], &second, several), pairs(&halves[1], &first, several)].concat();
            if let Some(table) = Reliability::new(&crossed) {
                terminal.message(&format!("after, with {name}, each half by the fit to the other\n{}", table.to_string().trim_end()));
            }
        }
    }
    let Calibration { single: [a, b], several: [c, d, e] } = fitted;
    terminal.message(&format!(
        "wrote {}: expected IoU = {a:.3} + {b:.3} quality, with several samples {c:.3} + {d:.3} quality + {e:.3} agreement",
        arguments.out.display()
    ));
    Ok(Outcome::Done)
}

fn pairs(observations: &[Observation], calibration: &Calibration, several: bool) -> Vec<(f64, f64)> {
    let expected = |one: &Observation| calibration.expected(one.quality, one.agreement.filter(|_| several));
    observations.iter().map(|one| (expected(one), one.iou)).collect()
}

/// The `tasks` with `most` of their instances, evenly spread over all.
fn thinned(mut tasks: Vec<Task>, most: usize) -> Vec<Task> {
    let total: usize = tasks.iter().map(|task| task.instances.len()).sum();
    let (most, mut seen) = (most.min(total), 0);
    for task in &mut tasks {
        task.instances.retain(|_| {
            seen += 1;
            seen * most / total > (seen - 1) * most / total
        });
    }
    tasks.retain(|task| !task.instances.is_empty());
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    #[test]
    fn as_many_objects_as_asked_for_are_spread_over_all() {
        let left = |most: usize| {
            let task =
                |first: usize| Task { path: PathBuf::new(), size: Size::new(1, 1), instances: (first..first + 7).collect(), refusal: None };
            let tasks = thinned((0..43).map(|index| task(7 * index)).collect(), most);
            tasks.into_iter().flat_map(|task| task.instances).collect::<Vec<usize>>()
        };
        assert_eq!(left(300).len(), 300);
        assert_eq!(left(301), (0..301).collect::<Vec<usize>>());
        assert_eq!(left(1000).len(), 301);
        let few = left(8);
        assert_eq!(few.len(), 8);
        assert!(few.windows(2).all(|pair| (37..=38).contains(&(pair[1] - pair[0]))), "{few:?}");
        assert!(thinned(Vec::new(), 8).is_empty());
    }
}
