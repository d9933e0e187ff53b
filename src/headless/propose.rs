//! `propose`: boxes to masks.
//!
//! Only boxes are looked at; a mask that the file holds is replaced unseen, and goes where no new one is found, so that it
//! never passes for a prediction. Everything else of the file stays: ids, order, unknown members, the text of records that
//! are not touched. Crowds (`iscrowd: 1`) are skipped.

use std::cell::RefCell;
use std::path::PathBuf;

use image::RgbImage;

use super::pictures::{ALL, Task, Turn, each_batch, stray, tasks};
use super::terminal::Terminal;
use super::{ModelOptions, Outcome, alternatives, dataset, others, unless_cancelled};
use crate::annotation::{Dataset, Instance};
use crate::assist::{Assistant, Engine as _, MOST_SAMPLES, Prompt, Proposal, ProposeOptions, ProposeStep, RefineOptions};
use crate::formats::{coco, lvis};
use crate::geometry::Rect;
use crate::job::Cancel;
use crate::mask::Mask;

/// The options of `propose`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The COCO file whose boxes are to become masks; a mask that an object has is not kept, and looked at by `--others` alone
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The folder that the images' file names start from
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// The COCO file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Diffusion steps for each mask; the shipped weights are most exact with 1
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    steps: u32,
    /// Masks to look for in each box; nearly equal ones count once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MOST_SAMPLES as i64))]
    samples: u32,
    /// Write all distinct masks of each box to this file, the most promising first
    #[arg(long, value_name = "FILE")]
    alternatives: Option<PathBuf>,
    /// Take the network's first look as it is: faster, but the outline is not drawn to the picture's edges
    #[arg(long)]
    plain: bool,
    /// Look on each image for more objects like those that have a mask there, class by class, and add them
    #[arg(long)]
    others: bool,
    /// Let the refiner improve each mask
    #[arg(long)]
    refine: bool,
    #[command(flatten)]
    models: ModelOptions,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Outcome> {
    dataset::folder(&arguments.images)?;
    dataset::writable(std::iter::once(&arguments.out).chain(&arguments.alternatives))?;
    dataset::apart(&arguments.alternatives, [&arguments.data, &arguments.out])?;
    let mut data = dataset::read(&arguments.data, terminal, cancel)?;
    let mut found = Vec::new();
    let models = Models::load(arguments, terminal, cancel)?;
    let others = if arguments.others { others::add(&mut data, &arguments.images, &models.assistant, terminal, cancel)? } else { Some(0) };
    let Some(others) = others else { return Ok(Outcome::Cancelled) };
    let wanted = |instance: &Instance| !instance.crowd;
    let (tasks, stray) = (tasks(&data, &arguments.images, wanted), stray(&data, wanted));
    let (mut has_new, mut unusable) = (vec![false; data.instances.len()], 0);
    let walk = each_batch(tasks, ALL, "boxes to masks", terminal, cancel, |picture, task, all, turn| {
        let usable = usable(&data, task, all, turn.terminal);
        unusable += all.len() - usable.len();
        let prompts: Vec<Prompt> = usable.iter().map(|&index| prompt(&data, &data.instances[index])).collect();
        let mut left = usable.into_iter();
        models.masks(picture, &prompts, turn, &mut |turn, proposal, mask| {
            let Some(index) = left.next() else { return };
            let instance = &mut data.instances[index];
            let score = f64::from(proposal.expected_iou);
            if dataset::set_mask(instance, &mask, Some(score)) {
                has_new[index] = true;
                if arguments.alternatives.is_some() {
                    found.extend(alternatives::records(instance, &mask, &proposal));
                }
            } else {
                unusable += 1;
                let message = format!("no object was found in the box of annotation {}: {}", instance.id, task.path.display());
                turn.terminal.warning(&message);
            }
        })
    })?;
    if walk.outcome == Outcome::Cancelled {
        return Ok(Outcome::Cancelled);
    }
    walk.warn_of_turned(terminal);
    for (instance, has_new) in data.instances.iter_mut().zip(&has_new) {
        if wanted(instance) && !has_new {
            dataset::drop_mask(instance);
        }
    }
    coco::save(&data, &arguments.out)?;
    if let Some(path) = &arguments.alternatives {
        alternatives::write(&found, path)?;
    }
    terminal.finish();
    if lvis::is_lvis(&data) {
        terminal.warning("the scores were left out: annotations of LVIS have none");
    }
    terminal.message(&format!(
        "wrote {}: {} masks from boxes{}, {} crowds skipped, {unusable} boxes without a mask{}",
        arguments.out.display(),
        has_new.iter().filter(|&&has_new| has_new).count(),
        if others > 0 { format!(" ({others} of objects that were found besides)") } else { String::new() },
        data.instances.iter().filter(|instance| instance.crowd).count(),
        dataset::unseen(&walk, stray, "keep only their boxes")
    ));
    Ok(Outcome::Done)
}

/// Those of `batch` whose box covers a part of the image; the others are warnings.
fn usable(data: &Dataset, task: &Task, batch: &[usize], terminal: &mut Terminal) -> Vec<usize> {
    let covers = |&index: &usize| {
        let instance = &data.instances[index];
        let covers = instance.bbox.covers_some_of(task.size);
        if !covers {
            let Rect { x, y, width, height } = instance.bbox;
            terminal.warning(&format!(
                "the box [{x}, {y}, {width}, {height}] of annotation {} covers no pixel of its image: {}",
                instance.id,
                task.path.display()
            ));
        }
        covers
    };
    batch.iter().copied().filter(covers).collect()
}

/// What the segmenter is told about an object: its box and its class.
pub(super) fn prompt(data: &Dataset, instance: &Instance) -> Prompt {
    Prompt { class: data.category(instance.category_id).map(|class| class.name.clone()), ..Prompt::from(instance.bbox) }
}

/// The loaded models with the options of each call.
struct Models {
    assistant: Assistant,
    propose: ProposeOptions,
    refine: Option<RefineOptions>,
    cancel: Cancel,
}

impl Models {
    fn load(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Self> {
        let seed = arguments.models.seed;
        Ok(Self {
            assistant: arguments.models.load(terminal)?,
            propose: ProposeOptions {
                steps: arguments.steps as usize,
                seed,
                samples: arguments.samples as usize,
                edges: !arguments.plain,
                ..ProposeOptions::default()
            },
            refine: arguments.refine.then(|| RefineOptions { seed, ..RefineOptions::default() }),
            cancel: cancel.clone(),
        })
    }

    /// Gives `found` a proposal for each prompt, in order, with its mask as it is to be written.
    fn masks(
        &self,
        picture: &RgbImage,
        prompts: &[Prompt],
        turn: &mut Turn<'_>,
        found: &mut dyn FnMut(&mut Turn<'_>, Proposal, Mask),
    ) -> anyhow::Result<Outcome> {
        let (turn, cancel) = (RefCell::new(turn), &self.cancel);
        let mut each = |step: ProposeStep| turn.borrow_mut().progress(step.first);
        let proposed = self.assistant.propose_in_turn(picture, prompts, &self.propose, cancel, &mut each, &mut |proposals| {
            let mut masks = proposals.iter().map(|proposal| proposal.mask.clone()).collect::<Vec<_>>();
            if let Some(options) = &self.refine {
                let refinements = self.assistant.refine(picture, &masks, options, cancel, &mut |_| ())?;
                masks = refinements.into_iter().map(|refinement| refinement.mask).collect();
            }
            proposals.into_iter().zip(masks).for_each(|(proposal, mask)| found(&mut turn.borrow_mut(), proposal, mask));
            Ok(())
        });
        Ok(if unless_cancelled(proposed)?.is_some() { Outcome::Done } else { Outcome::Cancelled })
    }
}
