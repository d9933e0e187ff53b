//! `eval --kshot`: what K exemplars of a class add to box -> mask, on base and on novel classes.
//!
//! The objects that are measured stay the same over all K and seeds; a seed chooses the exemplars, which lie on other
//! images, and of which a class may have fewer: the table says how many were shown. Novel classes are those of PASCAL VOC,
//! as in `MaskDiff` (Le et al., 2024), or those that are named; weights for this protocol must not have been conditioned on
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::pictures::{FEW, Task, each_batch, tasks};
use super::terminal::Terminal;
use super::{ModelOptions, Outcome, unless_cancelled};
use crate::annotation::{CategoryId, Dataset, Field, Instance, Shape};
use crate::assist::{Engine as _, ExemplarCrop, Prompt, ProposeOptions};
use crate::evaluation::{Watch, precision};
use crate::job::Cancel;
use crate::mask::metric;
use crate::model::noise::Noise;
use crate::model::segmenter::MOST_EXEMPLARS;

/// COCO's names of the 20 classes of PASCAL VOC.
const VOC: [&str; 20] = [
    "person",
    "bird",
    "cat",
    "cow",
    "dog",
    "horse",
    "sheep",
    "airplane",
    "bicycle",
    "boat",
    "bus",
    "car",
    "motorcycle",
    "train",
    "bottle",
    "chair",
    "couch",
    "dining table",
    "potted plant",
    "tv",
];

/// The options of the few-shot protocol.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Options {
    /// Measure box to mask with K exemplars of the class, for example 1,5,10 (8 at most count), instead of a file
    #[arg(long, value_name = "K", value_delimiter = ',', requires = "images", conflicts_with_all = ["pred", "json"])]
    pub(super) kshot: Vec<usize>,
    /// Choices of exemplars for each K
    #[arg(long, requires = "kshot", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    seeds: u32,
    /// Strength of the guidance, beside 1, which is none
    #[arg(long, requires = "kshot", default_value_t = 1.5)]
    guidance: f64,
    /// Objects of each class that are measured
    #[arg(long, requires = "kshot", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Names of the novel classes, instead of those of VOC
    #[arg(long, requires = "kshot", value_name = "NAMES", value_delimiter = ',')]
    novel: Vec<String>,
    /// Measure what the network says at its first look, which is several times as fast
    #[arg(long, requires = "kshot")]
    plain: bool,
}

/// The exemplars of a class for a setting, as indices of instances.
type Chosen = BTreeMap<(CategoryId, usize), Vec<usize>>;

/// One way to propose.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Setting {
    shots: usize,
    seed: u32,
    guidance: f64,
}

/// A measured object under one setting.
struct Measured {
    setting: usize,
    object: usize,
    iou: f64,
    score: f32,
    /// As run lengths: masks of all settings lie in memory.
    shape: Shape,
}

/// What is asked for and what is known so far.
struct Protocol<'a> {
    data: &'a Dataset,
    settings: Vec<Setting>,
    chosen: Chosen,
    crops: BTreeMap<usize, Arc<ExemplarCrop>>,
    measured: Vec<Measured>,
}

pub(super) fn run(
    options: &Options,
    models: &ModelOptions,
    data: &Dataset,
    images: &Path,
    terminal: &mut Terminal,
    cancel: &Cancel,
) -> anyhow::Result<Outcome> {
    let assistant = models.load(terminal)?;
    if !assistant.takes_exemplars() {
        terminal.warning("these weights do not look at exemplars; every K gives the same masks");
    }
    let mut settings = vec![Setting { shots: 0, seed: 0, guidance: 1.0 }];
    for &shots in &options.kshot {
        for guidance in [1.0, options.guidance] {
            settings.extend((0..options.seeds).map(|seed| Setting { shots, seed, guidance }));
        }
    }
    let (targets, chosen) = sampled(data, &settings, options);
    anyhow::ensure!(!targets.is_empty(), "no class has objects with masks on two images");
    let mut protocol = Protocol { data, settings, chosen, crops: BTreeMap::new(), measured: Vec::new() };

    let shown: BTreeSet<usize> = protocol.chosen.values().flatten().copied().collect();
    let cut = each_batch(only(data, images, &shown), FEW, "exemplars", terminal, cancel, |picture, task, batch, _| {
        for &index in batch {
            let mask = data.instances[index].mask(task.size).ok();
            protocol.crops.extend(mask.and_then(|mask| ExemplarCrop::new(picture, &mask)).map(|crop| (index, Arc::new(crop))));
        }
        Ok(Outcome::Done)
    })?;
    if cut.outcome == Outcome::Cancelled {
        return Ok(cut.outcome);
    }
    let walk = each_batch(only(data, images, &targets), FEW, "box to mask", terminal, cancel, |picture, task, batch, _| {
        for &index in batch {
            let instance = &data.instances[index];
            let Some(truth) = instance.mask(task.size).ok().filter(|mask| !mask.is_empty()) else { continue };
            for (place, setting) in protocol.settings.clone().into_iter().enumerate() {
                let exemplars = protocol.exemplars(instance.category_id, place);
                let prompt = Prompt { exemplars, ..Prompt::from(truth.bbox().unwrap_or_default()) };
                let how =
                    ProposeOptions { guidance: setting.guidance, seed: models.seed, edges: !options.plain, ..ProposeOptions::default() };
                let found = assistant.propose(picture, &[prompt], &how, cancel, &mut |_| ());
                let Some(found) = unless_cancelled(found)? else { return Ok(Outcome::Cancelled) };
                protocol.measured.extend(found.into_iter().map(|proposal| Measured {
                    setting: place,
                    object: index,
                    iou: metric::iou(&proposal.mask, &truth),
                    score: proposal.expected_iou,
                    shape: Shape::from_mask(&proposal.mask),
                }));
            }
        }
        Ok(Outcome::Done)
    })?;
    terminal.finish();
    if walk.outcome == Outcome::Done {
        terminal.message(protocol.table(&options.novel, cancel)?.trim_end());
    }
    Ok(walk.outcome)
}

/// The objects to measure, and the exemplars of each class for each setting. Classes on a single image are left out.
fn sampled(data: &Dataset, settings: &[Setting], options: &Options) -> (BTreeSet<usize>, Chosen) {
    let mut of_class = BTreeMap::<CategoryId, Vec<usize>>::new();
    for (index, instance) in data.instances.iter().enumerate() {
        if !instance.crowd && instance.shape != Shape::Box && instance.area >= 100.0 {
            of_class.entry(instance.category_id).or_default().push(index);
        }
    }
    let (mut targets, mut chosen) = (BTreeSet::new(), BTreeMap::new());
    for (class, objects) in of_class {
        let image = |index: &usize| data.instances[*index].image_id;
        let order = |seed: u64| Noise::new(seed).shuffle(objects.len()).into_iter().map(|place| objects[place]);
        let measured: Vec<usize> = order(0).take((options.limit as usize).min(objects.len() / 2)).collect();
        let others: BTreeSet<_> = measured.iter().map(image).collect();
        if measured.is_empty() || !objects.iter().any(|index| !others.contains(&image(index))) {
            continue;
        }
        for (place, setting) in settings.iter().enumerate() {
            let shown = order(1 + u64::from(setting.seed)).filter(|index| !others.contains(&image(index)));
            chosen.insert((class, place), shown.take(setting.shots.min(MOST_EXEMPLARS)).collect());
        }
        targets.extend(measured);
    }
    (targets, chosen)
}

/// The tasks of these instances alone.
fn only(data: &Dataset, images: &Path, wanted: &BTreeSet<usize>) -> Vec<Task> {
    let mut all = tasks(data, images, |instance| !instance.crowd);
    for task in &mut all {
        task.instances.retain(|index| wanted.contains(index));
    }
    all.retain(|task| !task.instances.is_empty());
    all
}

impl Protocol<'_> {
    fn exemplars(&self, class: CategoryId, setting: usize) -> Vec<Arc<ExemplarCrop>> {
        let chosen = self.chosen.get(&(class, setting)).into_iter().flatten();
        chosen.filter_map(|index| self.crops.get(index)).cloned().collect()
    }

    fn table(&self, named: &[String], cancel: &Cancel) -> anyhow::Result<String> {
        let is_novel = |name: &str| if named.is_empty() { VOC.contains(&name) } else { named.iter().any(|other| other == name) };
        let novel: BTreeSet<CategoryId> =
            self.data.categories.iter().filter(|category| is_novel(&category.name)).map(|category| category.id).collect();
        let mut text = String::new();
        write!(text, "{:<4}{:>6}{:>9}{:>8}{:>9}", "K", "shown", "guidance", "classes", "objects")?;
        writeln!(text, "{:>17}{:>17}{:>17}", "IoU", "AP", "AP50")?;
        let mut kinds: Vec<(usize, f64)> = Vec::new();
        for setting in &self.settings {
            let kind = (setting.shots, setting.guidance);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        for (shots, guidance) in kinds {
            for (name, wants_novel) in [("base", false), ("novel", true)] {
                let of_kind = |(_, setting): &(usize, &Setting)| (setting.shots, setting.guidance) == (shots, guidance);
                let runs = self.settings.iter().enumerate().filter(of_kind);
                let runs = runs.map(|(place, _)| self.run(place, (&novel, wants_novel), cancel)).collect::<anyhow::Result<Vec<_>>>()?;
                let count = runs.first().map_or(0, |run| run.count);
                if count > 0 {
                    let of = |value: fn(&Run) -> f64| spread(&runs.iter().map(value).collect::<Vec<f64>>());
                    let [iou, ap, ap50] = [of(|run| run.iou), of(|run| run.ap), of(|run| run.ap50)];
                    let shown = match ends(runs.iter().flat_map(|run| run.shown)) {
                        [least, most] if least == most => most.to_string(),
                        [least, most] => format!("{least}-{most}"),
                    };
                    writeln!(text, "{shots:<4}{shown:>6}{guidance:>9.1}{name:>8}{count:>9}{iou:>17}{ap:>17}{ap50:>17}")?;
                }
            }
        }
        Ok(text)
    }

    /// The means of one setting over the objects of base or novel classes.
    fn run(&self, setting: usize, (novel, wants_novel): (&BTreeSet<CategoryId>, bool), cancel: &Cancel) -> anyhow::Result<Run> {
        let wanted =
            |one: &&Measured| one.setting == setting && novel.contains(&self.data.instances[one.object].category_id) == wants_novel;
        let measured: Vec<&Measured> = self.measured.iter().filter(wanted).collect();
        let count = measured.len();
        if count == 0 {
            return Ok(Run::default());
        }
        let truth = self.data.with_instances(measured.iter().map(|one| self.data.instances[one.object].clone()).collect());
        let predicted = |one: &&Measured| {
            let mut instance = self.data.instances[one.object].clone();
            instance.set_shape(one.shape.clone());
            Instance { score: Some(f64::from(one.score)), changed: Field::NONE, ..instance }
        };
        let predictions = self.data.with_instances(measured.iter().map(predicted).collect());
        let found = precision(&truth, &predictions, &mut Watch { cancel, progress: &mut |_| () })?;
        let shown = |one: &&Measured| self.exemplars(self.data.instances[one.object].category_id, setting).len();
        let shown = ends(measured.iter().map(shown));
        let iou = measured.iter().map(|one| one.iou).sum::<f64>() / count as f64;
        Ok(Run { count, shown, iou, ap: found.ap, ap50: found.ap50 })
    }
}

/// One seed's means.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    count: usize,
    /// The fewest and the most exemplars that an object had.
    shown: [usize; 2],
    iou: f64,
    ap: f64,
    ap50: f64,
}

/// The smallest and the largest of `counts`.
fn ends(counts: impl Iterator<Item = usize> + Clone) -> [usize; 2] {
    [counts.clone().min(), counts.max()].map(Option::unwrap_or_default)
}

/// Mean and standard deviation over the seeds.
fn spread(values: &[f64]) -> String {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    format!("{mean:.4} ± {deviation:.4}")
}
