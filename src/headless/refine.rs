//! `refine`: masks to better masks.
//!
//! An annotation keeps its record where the refiner found nothing to improve or did not trust its own result.
//! Crowds (`iscrowd: 1`), annotations that are only a box, and those that the options leave out are skipped.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::ValueEnum;
use image::RgbImage;

use super::pictures::{FEW, Task, each_batch, stray, tasks};
use super::refinement::{Outcome as Fate, Record, Report};
use super::terminal::Terminal;
use super::{ModelOptions, Outcome, dataset, unless_cancelled};
use crate::annotation::{CategoryId, Dataset, Instance, Shape};
use crate::assist::{Engine as _, Mode, RefineOptions};
use crate::disk;
use crate::formats::coco;
use crate::job::{Cancel, Meter};
use crate::mask::Mask;
use crate::model::refiner::RefinerConfig;

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
    /// How closely to look
    #[arg(long, value_enum, default_value_t)]
    mode: Look,
    /// Only objects of these classes, by name; a name with a comma in it stands alone
    #[arg(long, value_name = "NAME,...")]
    only_category: Vec<String>,
    /// Only masks of at least so many pixels; fewer than 64 are never refined
    #[arg(long, value_name = "PIXELS", default_value_t = 64)]
    min_area: u64,
    /// From 0, which keeps every mask, to 1, which takes what both networks make of it, unless that strays too far or
    /// the mask fills the picture; a mask that merely fills its box becomes what the segmenter proposes for that
    #[arg(long, value_name = "SHARE", default_value_t = RefineOptions::STRENGTH, value_parser = share)]
    strength: f32,
    /// Take the masks to be coarse, as those are that were brushed in a hurry or come from a rough method: each is drawn anew, also
    /// where its outline looks like one that a person took care of
    #[arg(long)]
    coarse: bool,
    /// Change only what lies so near to the outline of the mask
    #[arg(long, value_name = "PIXELS")]
    band: Option<u32>,
    /// Take SegRefiner's own result: each pixel of probability 1/2 or more, without the segmenter's second opinion, redrawing or
    /// anything that keeps a mask from changing; numbers of the published checkpoint are of `--mode instance --min-area 512`
    #[arg(long, conflicts_with_all = ["strength", "band", "coarse"])]
    plain: bool,
    /// Time indices of the diffusion process, falling to 0 [default: 5,2,0; all six with `--plain` and the published checkpoint]
    #[arg(long, value_name = "T,...", value_delimiter = ',')]
    timesteps: Vec<usize>,
    /// Give each pixel its more probable state between steps instead of a random one; gains less
    #[arg(long)]
    deterministic: bool,
    /// Also write what became of each mask as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    models: ModelOptions,
}

/// How closely the refiner looks at an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Look {
    /// `hr` for objects more than twice as large as the refiner's input, else `instance`
    #[default]
    Auto,
    /// One crop around each object
    Instance,
    /// That crop, then tiles at the image's own resolution where the refiner is unsure
    Hr,
}

impl From<Look> for Mode {
    fn from(look: Look) -> Self {
        match look {
            Look::Auto => Self::Auto,
            Look::Instance => Self::Instance,
            Look::Hr => Self::HighResolution,
        }
    }
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("it must lie between 0 and 1".to_owned()),
    }
}

impl Arguments {
    fn options(&self, network: &RefinerConfig) -> RefineOptions {
        let usual = if self.plain { RefineOptions::plain(network) } else { RefineOptions::default() };
        RefineOptions {
            timesteps: if self.timesteps.is_empty() { usual.timesteps } else { self.timesteps.clone() },
            seed: self.models.seed,
            deterministic: self.deterministic,
            mode: self.mode.into(),
            strength: self.strength,
            band_px: self.band,
            coarse: self.coarse,
            plain: self.plain,
        }
    }

    /// The classes asked for; `None` stands for all.
    fn categories(&self, data: &Dataset) -> anyhow::Result<Option<HashSet<CategoryId>>> {
        if self.only_category.is_empty() {
            return Ok(None);
        }
        let mut wanted = HashSet::new();
        for names in &self.only_category {
            let is_one = data.categories.iter().any(|category| category.name == *names);
            let names = if is_one { vec![names.as_str()] } else { names.split(',').collect() };
            for name in names {
                let mut found = data.categories.iter().filter(|category| category.name == name).map(|category| category.id).peekable();
                anyhow::ensure!(found.peek().is_some(), "there is no class {name:?}: {}", self.data.display());
                wanted.extend(found);
            }
        }
        Ok(Some(wanted))
    }
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Outcome> {
    dataset::folder(&arguments.images)?;
    dataset::writable(std::iter::once(&arguments.out).chain(&arguments.report))?;
    dataset::apart(&arguments.report, [&arguments.data, &arguments.out])?;
    let mut data = dataset::read(&arguments.data, terminal, cancel)?;
    let categories = arguments.categories(&data)?;
    let assistant = arguments.models.load(terminal)?;
    let options = arguments.options(&assistant.refiner().config);
    let crowds = data.instances.iter().filter(|instance| instance.crowd).count();
    let boxes = data.instances.iter().filter(|instance| !instance.crowd && instance.shape == Shape::Box).count();
    let wanted = |instance: &Instance| {
        let of_class = categories.as_ref().is_none_or(|categories| categories.contains(&instance.category_id));
        !instance.crowd && instance.shape != Shape::Box && of_class
    };
    // Time indices that cannot be walked are refused at once.
    assistant.refine(&RgbImage::new(1, 1), &[], &options, cancel, &mut |_| ())?;
    let (tasks, stray) = (tasks(&data, &arguments.images, wanted), stray(&data, wanted));
    let mut report = Report::new(&options, arguments.min_area);
    let walk = each_batch(tasks, FEW, "masks to better masks", terminal, cancel, |picture, task, batch, turn| {
        let (mut indices, mut masks) = (Vec::new(), Vec::new());
        for (index, mask) in usable(&data, task, batch, turn.terminal, &mut report) {
            if mask.area() < arguments.min_area {
                report.add(Record::untouched(&data.instances[index], mask.area(), Fate::Small));
            } else {
                indices.push(index);
                masks.push(mask);
            }
        }
        let name = disk::name(&task.path);
        let mut meter = None;
        let mut each = |step: crate::assist::RefineStep| {
            // Tiles of a large object, which come in the last of several steps: a person must see that it goes on.
            if options.timesteps.len() > 1 && step.of > options.timesteps.len() {
                let meter = meter.get_or_insert_with(|| Meter::start(format!("tiles of {name}"), step.of as u64));
                turn.terminal.progress(&meter.at(step.step as u64));
            }
        };
        let refined = assistant.refine(picture, &masks, &options, cancel, &mut each);
        let Some(refinements) = unless_cancelled(refined)? else { return Ok(Outcome::Cancelled) };
        for ((index, before), refinement) in indices.into_iter().zip(masks).zip(refinements) {
            let record = Record::new(&data.instances[index], &before, &refinement);
            if record.outcome == Fate::Refined {
                dataset::set_mask(&mut data.instances[index], &refinement.mask, None);
            } else if options.plain && refinement.mask.is_empty() {
                dataset::drop_mask(&mut data.instances[index]);
            }
            report.add(record);
        }
        Ok(Outcome::Done)
    })?;
    if walk.outcome == Outcome::Cancelled {
        return Ok(Outcome::Cancelled);
    }
    walk.warn_of_turned(terminal);
    coco::save(&data, &arguments.out)?;
    if let Some(path) = &arguments.report {
        report.save(path)?;
    }
    terminal.finish();
    terminal.message(&format!(
        "wrote {}: {} masks refined, {} kept{}, {crowds} crowds and {boxes} boxes skipped, {} masks unusable{}",
        arguments.out.display(),
        report.count(Fate::Refined),
        report.count(Fate::Kept) + report.count(Fate::Distrusted),
        match report.count(Fate::Small) {
            0 => String::new(),
            small => format!(", {small} too small"),
        },
        report.count(Fate::Unusable),
        dataset::unseen(&walk, stray, "are as they were")
    ));
    Ok(Outcome::Done)
}

/// The masks of `batch`; those that cannot be used are warnings.
fn usable(data: &Dataset, task: &Task, batch: &[usize], terminal: &mut Terminal, report: &mut Report) -> Vec<(usize, Mask)> {
    let mut masks = Vec::with_capacity(batch.len());
    for &index in batch {
        let instance = &data.instances[index];
        match instance.shape.mask(instance.bbox, task.size) {
            Ok(mask) if !mask.is_empty() => {
                masks.push((index, mask));
                continue;
            }
            Ok(_) => terminal.warning(&format!("the mask of annotation {} is empty: {}", instance.id, task.path.display())),
            Err(error) => terminal.warning(&format!("the mask of annotation {}: {error}: {}", instance.id, task.path.display())),
        }
        report.add(Record::untouched(instance, 0, Fate::Unusable));
    }
    masks
}
