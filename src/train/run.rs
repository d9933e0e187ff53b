//! The training loop, the same for both networks.

use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use super::checkpoint::{self, Place};
use super::event::{Event, Summary};
use super::optimizer::Optimizer;
use super::refiner::RefinerTask;
use super::segmenter::SegmenterTask;
use super::{Config, Objects, Part, Split, TrainError, What};
use crate::assist::AssistError;
use crate::formats::coco;
use crate::job::{Cancel, Meter};
use crate::model::device::Compute;
use crate::model::noise::Noise;
use crate::model::weights::{WeightError, WeightFile};

/// The share of all steps over which the learning rate rises.
const WARM_UP: f64 = 0.05;
/// A step's learning rate never falls under this share of the largest.
const LEAST_RATE: f64 = 0.02;

/// A key of a weight file's metadata and its value.
pub(super) type Note = (&'static str, String);

/// Where in the run a step lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Steps of the optimiser before it.
    pub(super) index: u64,
    /// The share of the run up to its middle, in (0, 1).
    pub(super) share: f64,
}

/// Objects whose masks are to be measured.
pub(super) struct Trial<'a> {
    pub data: &'a Objects,
    /// Which of them.
    pub chosen: &'a [usize],
    pub cancel: &'a Cancel,
    /// Hears before every object how many are done.
    pub each: &'a mut dyn FnMut(usize),
}

/// What differs between the networks.
pub(super) trait Task {
    type Network: Module;

    /// The network that the run trains.
    fn load(&self) -> Result<Self::Network, WeightError>;

    /// The network that it is measured against, and that stays where nothing is better.
    fn start(&self) -> Result<Self::Network, WeightError> {
        self.load()
    }

    fn save(&self, network: &Self::Network, path: &Path) -> Result<(), WeightError>;

    /// The network with gradients for those parameters that learn.
    fn trained(&self, network: Self::Network) -> Self::Network;

    /// The loss of one batch. `teacher` is the running average, without gradients.
    fn loss(
        &self,
        network: &Self::Network,
        teacher: &Self::Network,
        data: &Objects,
        chosen: &[usize],
        step: Step,
        noise: &mut Noise,
    ) -> Result<Tensor<1>, TrainError>;

    /// The mean `IoU` over the objects of a trial, by the network alone.
    fn measure(&self, network: &Self::Network, trial: Trial<'_>) -> Result<f64, TrainError>;

    /// As [`Self::measure`], with all that a person's masks go through besides the network; gives also what is to be noted in
    /// the weight file.
    fn judge(&self, network: &Self::Network, trial: Trial<'_>) -> Result<(f64, Option<Note>), TrainError>;

    /// What is noted in the file that the run starts from.
    fn noted(&self) -> Result<Option<Note>, WeightError> {
        Ok(None)
    }

    /// The network in a file that [`Self::save`] wrote.
    fn read(&self, path: &Path) -> Result<Self::Network, WeightError>;
}

/// Trains, writes the best weights to `config.out`, and says what happens through `each`.
///
/// # Errors
/// When the data, weights or checkpoint cannot be used, the loss diverges, or `cancel` was raised; in the last case the
/// checkpoint is written and the run can go on with [`Config::resume`].
pub fn run(config: &Config, compute: &Compute, cancel: &Cancel, each: &mut dyn FnMut(Event)) -> Result<Summary, TrainError> {
    check(config)?;
    let (dataset, report) = coco::read(&coco::file_of(&config.data)?)?;
    let (mut data, left_out) = Objects::new(&dataset, &config.images);
    for message in report.warnings.iter().map(ToString::to_string).chain(left_out) {
        each(Event::Warning { message });
    }
    if let Some(path) = &config.coarse {
        let (coarse, report) = coco::read(&coco::file_of(path)?)?;
        for warning in report.warnings {
            each(Event::Warning { message: warning.to_string() });
        }
        if data.add_coarse(&coarse) == 0 {
            return Err(TrainError::Setting("no object has a coarse mask; they belong together by their ids"));
        }
    }
    let split = data.readable_split(config.holdout, config.seed, each);
    if data.len() < 2 {
        return Err(TrainError::TooFew { usable: data.len(), data: config.data.clone() });
    }
    let device = compute.device();
    match config.what {
        What::Segmenter => {
            let classes = dataset.categories.iter().map(|category| (category.id, category.name.clone())).collect();
            let task = SegmenterTask::new(config, device.clone(), classes, split.train.clone());
            Run { config, task, data, split, device }.go(&compute.to_string(), cancel, each)
        }
        What::Refiner => {
            let task = RefinerTask::new(config, device.clone());
            Run { config, task, data, split, device }.go(&compute.to_string(), cancel, each)
        }
    }
}

fn check(config: &Config) -> Result<(), TrainError> {
    if config.epochs == 0 || config.batch == 0 {
        return Err(TrainError::Setting("epochs and batch must be 1 at least"));
    }
    if !(config.learning_rate.is_finite() && config.learning_rate > 0.0) {
        return Err(TrainError::Setting("the learning rate must be a positive number"));
    }
    if !(config.snp_step.is_finite() && config.snp_step >= 0.0 && config.snp_noisy.is_finite() && config.snp_noisy >= 0.0) {
        return Err(TrainError::Setting("the weights of the SNP losses must be 0 or positive numbers"));
    }
    if config.what == What::Segmenter && config.part == Part::Conditioning && !config.conditioned {
        return Err(TrainError::Setting("training the layers for exemplars and classes needs --conditioned"));
    }
    if config.concat && !config.conditioned {
        return Err(TrainError::Setting("--concat is for new layers for exemplars and classes: it needs --conditioned"));
    }
    if config.what == What::Refiner && (config.conditioned || config.snp_step > 0.0 || config.snp_noisy > 0.0) {
        return Err(TrainError::Setting("--conditioned, --snp-step and --snp-noisy are for the segmenter alone"));
    }
    if config.what == What::Segmenter && config.coarse.is_some() {
        return Err(TrainError::Setting("coarse masks are for the refiner alone"));
    }
    let same = |start: &PathBuf| start.canonicalize().is_ok_and(|start| config.out.canonicalize().is_ok_and(|out| out == start));
    if config.start.as_ref().is_some_and(same) {
        return Err(TrainError::Setting("--out must be another file than --start, which stays where training does not help"));
    }
    if !(config.holdout > 0.0 && config.holdout < 1.0) {
        return Err(TrainError::Setting("the held-out share must lie between 0 and 1"));
    }
    let checkpoint = checkpoint::path_beside(&config.out);
    if config.resume && !checkpoint.is_file() {
        return Err(TrainError::NoCheckpoint { path: checkpoint });
    }
    Ok(())
}

struct Run<'a, T> {
    config: &'a Config,
    task: T,
    data: Objects,
    split: Split,
    device: Device,
}

impl<T: Task> Run<'_, T> {
    fn go(&self, device: &str, cancel: &Cancel, each: &mut dyn FnMut(Event)) -> Result<Summary, TrainError> {
        let config = self.config;
        let checkpoint = checkpoint::path_beside(&config.out);
        let plain = self.task.load()?;
        let (mut place, mut network, mut optimizer) = if config.resume {
            let read = checkpoint::read(&checkpoint, self.task.trained(plain), &self.device)?;
            read.0.fits(&self.first_place(0.0)?, &checkpoint)?;
            if read.0.best_epoch > 0 {
                // The end asks for them: that they are gone must be said now.
                self.task.read(&config.out)?;
            }
            read
        } else {
            let iou = self.measured(&self.task.start()?, cancel, None, each)?;
            (self.first_place(iou)?, self.task.trained(plain), Optimizer::new())
        };
        let (parameters, trained) = counted(&network);
        each(Event::Started {
            what: config.what,
            device: device.to_owned(),
            objects: self.split.train.len(),
            held_out: self.split.held_out.len(),
            parameters,
            trained,
            epoch: place.epoch,
            iou: place.iou_before,
        });
        while place.epoch < config.epochs {
            network = self.epoch(&mut place, network, &mut optimizer, cancel, each)?;
            let average = optimizer.averaged(network.clone()).valid();
            let iou = self.measured(&average, cancel, Some(&checkpoint), each).map_err(|error| match error {
                TrainError::Cancelled { .. } => self.stopped(&place, &network, &optimizer),
                error => error,
            })?;
            let loss = place.loss_sum / place.step.max(1) as f64;
            let best = iou > place.best_iou;
            place = Place { epoch: place.epoch + 1, step: 0, loss_sum: 0.0, steps: optimizer.steps(), ..place };
            if best {
                (place.best_iou, place.best_epoch) = (iou, place.epoch);
                self.task.save(&average, &config.out)?;
            }
            checkpoint::write(&checkpoint, &place, &network, &optimizer)?;
            each(Event::Epoch { epoch: place.epoch, of: config.epochs, loss, iou, best });
        }
        // An epoch is chosen by the network alone; whether that helps is told by masks as a person gets them.
        let start = self.task.start()?;
        let mut judged =
            |network: &T::Network, label: &str| self.tried(label, cancel, Some(&checkpoint), each, |trial| self.task.judge(network, trial));
        let (iou_before, note_before) = judged(&start, "Judging the start")?;
        let (iou_best, note_best) =
            if place.best_epoch > 0 { judged(&self.task.read(&config.out)?, "Judging the best epoch")? } else { (iou_before, None) };
        let improved = place.best_epoch > 0 && iou_best >= iou_before;
        if !improved {
            if place.best_epoch > 0 {
                place.best_epoch = 0;
                checkpoint::write(&checkpoint, &place, &network, &optimizer)?;
            }
            self.task.save(&start, &config.out)?;
        }
        // Where few objects give nothing to note of new weights, what was noted of the start comes nearest.
        let note = match note_best.filter(|_| improved) {
            Some(note) => Some(note),
            None => self.task.noted()?.or(note_before),
        };
        if let Some((key, value)) = note {
            WeightFile::read(&config.out)?.save_with(key, &value, &config.out)?;
        }
        let summary = Summary {
            iou_before,
            iou_after: if improved { iou_best } else { iou_before },
            improved,
            best_epoch: place.best_epoch,
            held_out: self.split.held_out.len(),
            out: config.out.clone(),
        };
        each(Event::Finished(summary.clone()));
        Ok(summary)
    }

    fn first_place(&self, iou: f64) -> Result<Place, TrainError> {
        let Config { what, part, snp_step, snp_noisy, conditioned, concat, batch, epochs, learning_rate, seed, holdout, .. } = *self.config;
        Ok(Place {
            what,
            part,
            snp_step,
            snp_noisy,
            conditioned,
            concat,
            batch,
            epochs,
            learning_rate,
            seed,
            holdout,
            objects: self.split.train.len(),
            inputs: Some(inputs(self.config, &self.data, &self.split)?),
            coarse: self.data.coarse_count(),
            epoch: 0,
            step: 0,
            loss_sum: 0.0,
            steps: 0,
            iou_before: iou,
            best_iou: iou,
            best_epoch: 0,
        })
    }

    /// The rest of the epoch that `place` stands in.
    fn epoch(
        &self,
        place: &mut Place,
        mut network: T::Network,
        optimizer: &mut Optimizer,
        cancel: &Cancel,
        each: &mut dyn FnMut(Event),
    ) -> Result<T::Network, TrainError> {
        let (config, train) = (self.config, &self.split.train);
        let order = Noise::new(mixed(config.seed, place.epoch as u64, u64::MAX)).shuffle(train.len());
        let batches: Vec<&[usize]> = order.chunks(config.batch).collect();
        let total = batches.len() * config.epochs;
        let meter = Meter::start(format!("Epoch {} of {}", place.epoch + 1, config.epochs), (batches.len() - place.step) as u64);
        let first = place.step;
        for (index, batch) in batches.iter().enumerate().skip(first) {
            if cancel.is_cancelled() {
                return Err(self.stopped(place, &network, optimizer));
            }
            let chosen: Vec<usize> =
                batch.iter().map(|&place| train[place]).filter(|&object| self.data.is_readable(object, each)).collect();
            place.step = index + 1;
            if chosen.is_empty() {
                continue;
            }
            let mut noise = Noise::new(mixed(config.seed, place.epoch as u64, index as u64));
            let teacher = optimizer.averaged(network.clone()).valid();
            let done = (place.epoch * batches.len() + index) as f64;
            let step = Step { index: optimizer.steps(), share: (done + 0.5) / total.max(1) as f64 };
            let loss = self.task.loss(&network, &teacher, &self.data, &chosen, step, &mut noise)?;
            let gradients = loss.backward();
            let loss = loss.into_scalar::<f32>();
            if !loss.is_finite() {
                return Err(TrainError::Diverged(loss));
            }
            network = optimizer.step(rate(config.learning_rate, step.share), network, gradients);
            place.steps = optimizer.steps();
            place.loss_sum += f64::from(loss);
            each(Event::Progress(meter.at((index + 1 - first) as u64)));
        }
        Ok(network)
    }

    fn stopped(&self, place: &Place, network: &T::Network, optimizer: &Optimizer) -> TrainError {
        let checkpoint = checkpoint::path_beside(&self.config.out);
        match checkpoint::write(&checkpoint, place, network, optimizer) {
            Ok(()) => TrainError::Cancelled { checkpoint: Some(checkpoint) },
            Err(error) => error,
        }
    }

    fn measured(
        &self,
        network: &T::Network,
        cancel: &Cancel,
        checkpoint: Option<&Path>,
        each: &mut dyn FnMut(Event),
    ) -> Result<f64, TrainError> {
        self.tried("Measuring held-out objects", cancel, checkpoint, each, |trial| self.task.measure(network, trial))
    }

    /// What `of` finds out on the held-out objects.
    fn tried<R>(
        &self,
        label: &str,
        cancel: &Cancel,
        checkpoint: Option<&Path>,
        each: &mut dyn FnMut(Event),
        of: impl FnOnce(Trial<'_>) -> Result<R, TrainError>,
    ) -> Result<R, TrainError> {
        let chosen = &self.split.held_out;
        let meter = Meter::start(label, chosen.len() as u64);
        let mut done = |count: usize| each(Event::Progress(meter.at(count as u64)));
        of(Trial { data: &self.data, chosen, cancel, each: &mut done }).map_err(|error| told(error, checkpoint))
    }
}

/// The error; where measuring was stopped, one that says where the run's checkpoint lies, if it has one yet.
fn told(error: TrainError, checkpoint: Option<&Path>) -> TrainError {
    match error {
        TrainError::Assist(AssistError::Cancelled) => TrainError::Cancelled { checkpoint: checkpoint.map(Path::to_owned) },
        error => error,
    }
}

/// A number that stands for the objects that are learned from and the weights that the run starts from.
///
/// # Errors
/// When these cannot be read.
fn inputs(config: &Config, data: &Objects, split: &Split) -> Result<u64, TrainError> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(|source| WeightError::Io { path: path.clone(), source });
    let start = config.start.as_ref().map(read).transpose()?.unwrap_or_default();
    let start = start.chunks(8).map(|bytes| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    let objects = split.train.iter().flat_map(|&index| data.marks(index));
    Ok(start.chain(objects).fold(0, |sum, next| mixed(sum, next, 0)))
}

/// A learning rate that rises linearly, then falls along a cosine, after this share of the run.
fn rate(largest: f64, share: f64) -> f64 {
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * share).cos());
    largest * (share / WARM_UP).min(1.0) * cosine.max(LEAST_RATE)
}

/// A seed for one step (`SplitMix64` over the three numbers).
fn mixed(seed: u64, epoch: u64, step: u64) -> u64 {
    let round = |value: u64| {
        let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    };
    round(round(round(seed) ^ epoch) ^ step)
}

/// All parameters, and those that learn.
fn counted<M: Module>(network: &M) -> (usize, usize) {
    struct Counter(usize, usize);
    impl ModuleVisitor for Counter {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let count = param.lazy_shape().num_elements();
            self.0 += count;
            self.1 += if param.val().is_require_grad() { count } else { 0 };
        }
    }
    let mut counter = Counter(0, 0);
    network.visit(&mut counter);
    (counter.0, counter.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls() {
        let rates: Vec<f64> = (0..100).map(|step| rate(1.0, (f64::from(step) + 0.5) / 100.0)).collect();
        assert!(rates[0] < 0.2 && rates[6] > 0.95 && rates[99] < 0.03);
        assert!(rates.iter().all(|&rate| rate > 0.0));
    }

    #[test]
    fn every_step_has_its_own_seed() {
        let seeds: std::collections::BTreeSet<u64> = (0..50).flat_map(|epoch| (0..50).map(move |step| mixed(1, epoch, step))).collect();
        assert_eq!(seeds.len(), 2500);
    }
}
