//! `calibrate`: from what the network says of its masks to the `IoU` that is to be expected, on objects that it was not
//! trained on.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use super::pictures::{each_batch, tasks};
use super::propose::prompt;
use super::terminal::Terminal;
use super::{ModelOptions, Outcome, dataset, unless_cancelled};
use crate::annotation::Shape;
use crate::assist::calibration::{CALIBRATION_KEY, Calibration, Observation};
use crate::assist::{Assistant, Engine as _, MOST_SAMPLES, Prompt, ProposeOptions};
use crate::evaluation::Reliability;
use crate::formats::save::replace;
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
    let data = dataset::read(&arguments.data, terminal, cancel)?;
    dataset::writable(&arguments.out)?;
    let paths = arguments.models.paths();
    let file = paths.segmenter_file()?;
    let assistant = Assistant::load(arguments.models.device.into(), &paths)?.calibrated(Calibration::default());
    let usable = |instance: &crate::annotation::Instance| !instance.crowd && instance.shape != Shape::Box && instance.area >= 16.0;
    let stride = data.instances.iter().filter(|instance| usable(instance)).count().div_ceil(arguments.limit as usize).max(1);
    let mut seen = 0_usize;
    let mut chosen = tasks(&data, &arguments.images, usable);
    for task in &mut chosen {
        task.instances.retain(|_| {
            seen += 1;
            (seen - 1).is_multiple_of(stride)
        });
    }
    chosen.retain(|task| !task.instances.is_empty());
    let options = ProposeOptions { samples: arguments.samples as usize, seed: arguments.models.seed, ..ProposeOptions::default() };
    let mut observations = Vec::new();
    let walk = each_batch(chosen, "measuring masks", terminal, cancel, |picture, task, batch, terminal| {
        for &index in batch {
            let instance = &data.instances[index];
            let Ok(truth) = instance.mask(task.size) else {
                terminal.warning(&format!("the mask of annotation {} cannot be drawn: {}", instance.id, task.path.display()));
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
    let fitted = Calibration::fitted(&observations).with_context(|| {
        format!("only {} objects could be measured, too few to calibrate: {}", observations.len(), arguments.data.display())
    })?;
    let bytes = file.with_metadata(CALIBRATION_KEY, &serde_json::to_string(&fitted)?)?;
    replace(&arguments.out, |out| out.write_all(&bytes)).with_context(|| format!("cannot write {}", arguments.out.display()))?;
    terminal.finish();
    terminal.message(&format!("before, on {} objects\n{}", observations.len(), reliability(&observations, &Calibration::default())));
    // Each half is judged by what the other one was fitted to.
    let (even, odd): (Vec<_>, Vec<_>) = observations.iter().enumerate().partition(|(index, _)| index.is_multiple_of(2));
    let halves = [even, odd].map(|half| half.into_iter().map(|(_, one)| *one).collect::<Vec<Observation>>());
    if let [Some(first), Some(second)] = [0, 1].map(|half: usize| Calibration::fitted(&halves[half])) {
        let crossed = [pairs(&halves[0], &second, true), pairs(&halves[1], &first, true)].concat();
        let single = [pairs(&halves[0], &second, false), pairs(&halves[1], &first, false)].concat();
        for (name, pairs) in [("one sample", single), ("all samples", crossed)] {
            if let Some(table) = Reliability::new(&pairs) {
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

fn reliability(observations: &[Observation], calibration: &Calibration) -> String {
    Reliability::new(&pairs(observations, calibration, false)).map(|table| table.to_string().trim_end().to_owned()).unwrap_or_default()
}
