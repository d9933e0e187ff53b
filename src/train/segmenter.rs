//! What the segmenter learns from a batch, and how it is measured.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::module::Module as _;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor, TensorData};

use super::augment::{Mirror, jittered, recoloured};
use super::coarse::misdrawn;
use super::run::{Note, Step, Task, Trial};
use super::{Config, Objects, Part, TrainError};
use crate::annotation::CategoryId;
use crate::assist::calibration::{CALIBRATION_KEY, Observation};
use crate::assist::crop::{SHARE, mask_crop};
use crate::assist::snap::object;
use crate::assist::{Calibration, ExemplarCrop, Memory, ModelPaths, Prompt, ProposeOptions, Proposer, View, planes, read};
use crate::geometry::{Rect, Size};
use crate::mask::Mask;
use crate::model::diffusion::sampler::signal;
use crate::model::diffusion::schedule::{SIGNAL_SCALE, alpha_bar};
use crate::model::layer::per_sample;
use crate::model::loss::{dice, segmenting};
use crate::model::noise::Noise;
use crate::model::segmenter::{Condition, ConditioningConfig, Context, Features, NETWORK, Segmenter};
use crate::model::weights::{WeightError, WeightFile, save};

/// The share of batches that are looked at again, with the colours of a first mask, as every proposal is.
const SECOND_LOOK_SHARE: f64 = 0.35;
/// Half the crops hold between these shares of the box beyond it, as the looks at a box do.
const SHARES: [f64; 2] = [0.12, 0.7];
/// The share of samples that start from noise alone, as the first step of every proposal does.
const ONE_STEP_SHARE: f64 = 0.5;
/// The share of the run over which the SNP losses come in.
const SNP_RISE: f64 = 0.1;
/// How far apart the two noise levels of the consistency loss may lie.
const LEVEL_GAP: f64 = 0.3;
/// How often a sample is not told its class, and how often it sees no exemplar, so that guidance has something to compare
/// with. Where masks are asked for the class is known as a rule, and exemplars are not.
const DROPPED: [f64; 2] = [0.2, 0.5];
/// No more exemplars than this are shown at once while training.
const SHOWN: usize = 4;
/// Weight of the predicted `IoU`'s error.
const QUALITY_WEIGHT: f64 = 0.1;
/// Samples of each object that is judged, as many as the window looks for: their agreement is calibrated too.
const SAMPLES: usize = 4;

/// Teaching the segmenter.
pub(super) struct SegmenterTask {
    part: Part,
    snp_step: f64,
    snp_noisy: f64,
    conditioned: bool,
    concat: bool,
    seed: u64,
    classes: BTreeMap<CategoryId, String>,
    /// The objects that may be shown as exemplars.
    train: Vec<usize>,
    paths: ModelPaths,
    device: Device,
}

impl SegmenterTask {
    pub(super) fn new(config: &Config, device: Device, classes: BTreeMap<CategoryId, String>, train: Vec<usize>) -> Self {
        let Config { part, snp_step, snp_noisy, conditioned, concat, seed, .. } = *config;
        let paths = ModelPaths { segmenter: config.start.clone(), refiner: None };
        Self { part, snp_step, snp_noisy, conditioned, concat, seed, classes, train, paths, device }
    }

    /// What each of `chosen` is told besides its box; `None` where the network would not listen.
    fn context(&self, network: &Segmenter, data: &Objects, chosen: &[usize], noise: &mut Noise) -> Result<Option<Context>, TrainError> {
        let (Some(layers), Some(known)) = (&network.conditioning, &network.config.conditioning) else { return Ok(None) };
        let plain = network.valid();
        let memory = Memory::default();
        let proposer = Proposer { segmenter: &plain, device: &self.device, calibration: Calibration::default(), memory: &memory };
        let mut conditions = Vec::with_capacity(chosen.len());
        for &index in chosen {
            let name = self.classes.get(&data.category(index));
            let class = name.and_then(|name| known.class(name)).filter(|_| !noise.chance(DROPPED[0]));
            let mut exemplars = Vec::new();
            if !noise.chance(DROPPED[1]) {
                let count = 1 + noise.below(SHOWN);
                for crop in self.exemplars(data, index, count, noise) {
                    exemplars.push(proposer.exemplar(&crop)?);
                }
            }
            conditions.push(Condition { exemplars, class });
        }
        Ok(layers.context(&conditions, &self.device))
    }

    /// Up to `count` random objects of the class of `index`.
    fn exemplars(&self, data: &Objects, index: usize, count: usize, noise: &mut Noise) -> Vec<Arc<ExemplarCrop>> {
        let mates = data.classmates(index, &self.train);
        let mut crops = Vec::new();
        for place in noise.shuffle(mates.len()).into_iter().take(count) {
            // An image that cannot be read was warned of elsewhere.
            let Ok((image, mask)) = data.get(mates[place]) else { continue };
            crops.extend(ExemplarCrop::new(&image, &mask).map(Arc::new));
        }
        crops
    }

    /// What is seen of each of `chosen`, and their true masks as the network is to draw them, [N, 1, S/2, S/2].
    fn batch(network: &Segmenter, data: &Objects, chosen: &[usize], noise: &mut Noise) -> Result<(Vec<Seen>, Vec<f32>), TrainError> {
        let (side, grid) = (network.config.crop, network.config.mask);
        let (mut batch, mut targets) = (Vec::new(), Vec::new());
        for &index in chosen {
            let (image, mask) = data.get(index)?;
            let rect = jittered(mask.bbox().unwrap_or_default(), noise);
            let share = if noise.chance(0.5) { SHARE } else { noise.between(SHARES[0], SHARES[1]) };
            let mut view = View::around(&image, rect, share, side);
            recoloured(&mut view.colours, noise);
            let mut target = mask_crop(&mask, view.region, grid);
            let mirror = Mirror::random(noise);
            mirror.apply(&mut target, grid);
            targets.extend(target);
            batch.push(Seen { view, mirror });
        }
        Ok((batch, targets))
    }

    /// The crops of a first look, [N, 5, S, S]; now and then those of a second one, which knows the first mask's colours.
    fn crops(&self, network: &Segmenter, batch: &[Seen], noise: &mut Noise) -> Result<Tensor<4>, TrainError> {
        let (side, grid, n) = (network.config.crop, network.config.mask, batch.len());
        let tensor = |values| planes(values, [n, 5, side, side], &self.device);
        let first = tensor(batch.iter().flat_map(|seen| seen.input(View::input)).collect());
        if !noise.chance(SECOND_LOOK_SHARE) {
            return Ok(first);
        }
        let network = network.valid();
        let shape = [n, 1, grid, grid];
        let start = planes(noise.normals(n * grid * grid), shape, &self.device);
        let blank = Tensor::zeros(shape, &self.device);
        let found = network.denoise(&network.encoder.forward(first), start, &vec![1.0; n], blank, None);
        let mut logits = read(found.logits)?;
        let again = |(seen, logits): (&Seen, &mut [f32])| {
            seen.mirror.apply(logits, grid);
            seen.input(|view| view.input_for(&object(logits, view)))
        };
        Ok(tensor(batch.iter().zip(logits.chunks_exact_mut(grid * grid)).flat_map(again).collect()))
    }

    fn features(&self, network: &Segmenter, crops: Tensor<4>) -> Features {
        match self.part {
            Part::Denoiser | Part::Conditioning => network.encoder.valid().forward(crops),
            Part::Deep => network.encoder.deep(network.encoder.valid().shallow(crops)),
            Part::All => network.encoder.forward(crops),
        }
    }
}

/// What is seen of one object.
struct Seen {
    view: View,
    mirror: Mirror,
}

impl Seen {
    /// The mirror image of an input that is made of the view.
    fn input(&self, of: impl FnOnce(&View) -> Vec<f32>) -> Vec<f32> {
        let mut input = of(&self.view);
        self.mirror.apply(&mut input, self.view.side);
        input
    }
}

/// A batch of masks on its way through the diffusion.
struct Diffused {
    clean: Tensor<4>,
    epsilon: Tensor<4>,
}

impl Diffused {
    fn new(masks: &[f32], shape: [usize; 4], noise: &mut Noise, device: &Device) -> Self {
        let clean = masks.iter().map(|&m| SIGNAL_SCALE as f32 * (2.0 * m - 1.0)).collect();
        Self { clean: planes(clean, shape, device), epsilon: planes(noise.normals(masks.len()), shape, device) }
    }

    fn at(&self, levels: &[f64]) -> Tensor<4> {
        let device = self.clean.device();
        let share = |of: fn(f64) -> f64| per_sample(levels.iter().map(|&u| of(u).sqrt() as f32).collect(), &device);
        self.clean.clone() * share(alpha_bar) + self.epsilon.clone() * share(|u| 1.0 - alpha_bar(u))
    }
}

impl Task for SegmenterTask {
    type Network = Segmenter;

    fn load(&self) -> Result<Segmenter, WeightError> {
        let file = self.paths.segmenter_file()?;
        let network = Segmenter::load(&file, &self.device)?;
        if !self.conditioned {
            return Ok(network);
        }
        if self.concat && network.config.conditioning.as_ref().is_some_and(|known| !known.concat) {
            return Err(file.bad_config("its layers for exemplars take no colours, so --concat cannot be had"));
        }
        let own = ConditioningConfig { classes: self.classes.values().cloned().collect(), concat: self.concat };
        Ok(network.conditioned(own, self.seed, &self.device))
    }

    /// New classes of weights that know others are noise to them before they are trained; new layers change nothing.
    fn start(&self) -> Result<Segmenter, WeightError> {
        let network = Segmenter::load(&self.paths.segmenter_file()?, &self.device)?;
        if network.conditioning.is_some() { Ok(network) } else { self.load() }
    }

    fn read(&self, path: &Path) -> Result<Segmenter, WeightError> {
        Segmenter::load(&WeightFile::read(path)?, &self.device)
    }

    fn save(&self, network: &Segmenter, path: &Path) -> Result<(), WeightError> {
        save(network, NETWORK, &network.config, path)
    }

    fn trained(&self, mut network: Segmenter) -> Segmenter {
        network.encoder = match self.part {
            Part::Denoiser | Part::Conditioning => network.encoder.no_grad(),
            Part::Deep => network.encoder.shallow_frozen(),
            Part::All => network.encoder,
        };
        if self.part == Part::Conditioning {
            network.denoiser = network.denoiser.no_grad();
        }
        network.train()
    }

    fn loss(
        &self,
        network: &Segmenter,
        teacher: &Segmenter,
        data: &Objects,
        chosen: &[usize],
        step: Step,
        noise: &mut Noise,
    ) -> Result<Tensor<1>, TrainError> {
        let (batch, masks) = Self::batch(network, data, chosen, noise)?;
        let crops = self.crops(network, &batch, noise)?;
        let (n, side) = (chosen.len(), network.config.mask);
        let shape = [n, 1, side, side];
        let target = planes(masks.clone(), shape, &self.device);
        let features = self.features(network, crops);
        let levels: Vec<f64> = (0..n).map(|_| if noise.chance(ONE_STEP_SHARE) { 1.0 } else { noise.between(0.0, 1.0) }).collect();
        let diffused = Diffused::new(&masks, shape, noise, &self.device);
        let noisy = diffused.at(&levels);
        let blank = Tensor::zeros(shape, &self.device);
        let context = self.context(network, data, chosen, noise)?;
        let context = context.as_ref();
        let plain_context = context.map(Context::inner);

        let prior = if levels.iter().any(|&u| u < 1.0) && noise.chance(0.5) {
            let first = network.valid().denoise(&detached(&features), noisy.clone(), &levels, blank.clone(), plain_context.as_ref());
            // The first step of a proposal has no prior.
            let later = levels.iter().map(|&u| f32::from(u8::from(u < 1.0))).collect();
            signal(first.logits) * per_sample(later, &self.device)
        } else {
            blank.clone()
        };
        let prediction = network.denoise(&features, noisy, &levels, prior, context);
        let quality = Tensor::<1>::from_data(TensorData::new(overlaps(&prediction.logits, &masks), [n]), &self.device);
        let error = (prediction.quality - quality).powf_scalar(2.0).mean();
        let mut loss = segmenting(prediction.logits.clone(), target.clone()) + error * QUALITY_WEIGHT;
        if self.snp_step > 0.0 && step.index.is_multiple_of(2) {
            let calmer: Vec<f64> = levels.iter().map(|u| (u - noise.between(0.0, LEVEL_GAP)).max(0.01)).collect();
            let taught = teacher.denoise(&detached(&features), diffused.at(&calmer), &calmer, blank.clone(), plain_context.as_ref());
            loss = loss + dice(sigmoid(prediction.logits), sigmoid(taught.logits)) * risen(self.snp_step, step.share);
        }
        if self.snp_noisy > 0.0 && step.index % 4 == 1 {
            let wrong = Diffused::new(&mislabelled(&masks, side, noise), shape, noise, &self.device);
            let levels: Vec<f64> = (0..n).map(|_| noise.between(0.05, 0.95)).collect();
            let seen_through = network.denoise(&features, wrong.at(&levels), &levels, blank, context);
            loss = loss + segmenting(seen_through.logits, target) * risen(self.snp_noisy, step.share);
        }
        Ok(loss)
    }

    /// By the network alone: colours and edges of the picture would hide what it has learned.
    fn measure(&self, network: &Segmenter, trial: Trial<'_>) -> Result<f64, TrainError> {
        let options = ProposeOptions { guidance: 1.0, edges: false, ..ProposeOptions::default() };
        Ok(mean_iou(&self.observed(network, &options, trial)?))
    }

    fn judge(&self, network: &Segmenter, trial: Trial<'_>) -> Result<(f64, Option<Note>), TrainError> {
        let options = ProposeOptions { samples: SAMPLES, ..ProposeOptions::default() };
        let observed = self.observed(network, &options, trial)?;
        let fitted = Calibration::fitted(&observed).and_then(|fitted| serde_json::to_string(&fitted).ok());
        Ok((mean_iou(&observed), fitted.map(|fitted| (CALIBRATION_KEY, fitted))))
    }

    fn noted(&self) -> Result<Option<Note>, WeightError> {
        let file = self.paths.segmenter_file()?;
        Ok(file.metadata(CALIBRATION_KEY).map(|calibration| (CALIBRATION_KEY, calibration.to_owned())))
    }
}

impl SegmenterTask {
    /// How good the masks of a trial are, and how good the network says they are.
    fn observed(&self, network: &Segmenter, options: &ProposeOptions, trial: Trial<'_>) -> Result<Vec<Observation>, TrainError> {
        let Trial { data, chosen, cancel, each } = trial;
        let memory = Memory::default();
        let proposer = Proposer { segmenter: network, device: &self.device, calibration: Calibration::default(), memory: &memory };
        let mut observed = Vec::new();
        for (done, &index) in chosen.iter().enumerate() {
            each(done);
            let (image, mask) = data.get(index)?;
            let rect = mask.bbox().unwrap_or_default();
            let mut prompt = Prompt::from(rect);
            if network.conditioning.is_some() {
                prompt.class = self.classes.get(&data.category(index)).cloned();
                prompt.exemplars = self.exemplars(data, index, SHOWN, &mut Noise::new(0));
            }
            let proposals = proposer.propose(&image, &[prompt], options, cancel, &mut |_| {})?;
            observed.extend(proposals.first().map(|proposal| Observation::of(proposal, &mask)));
        }
        Ok(observed)
    }
}

fn mean_iou(observed: &[Observation]) -> f64 {
    observed.iter().map(|one| one.iou).sum::<f64>() / observed.len().max(1) as f64
}

fn detached(features: &Features) -> Features {
    features.map(|feature| feature.clone().inner())
}

/// The `IoU` of each predicted mask with its truth.
fn overlaps(logits: &Tensor<4>, masks: &[f32]) -> Vec<f32> {
    let n = logits.dims()[0];
    let values = logits.clone().inner().try_into_vec_as::<f32>().unwrap_or_else(|_| vec![0.0; masks.len()]);
    let size = masks.len() / n.max(1);
    let overlap = |(logits, masks): (&[f32], &[f32])| {
        let pairs = || logits.iter().zip(masks).map(|(&logit, &mask)| (logit > 0.0, mask > 0.5));
        let both = pairs().filter(|&(a, b)| a && b).count();
        let either = pairs().filter(|&(a, b)| a || b).count();
        both as f32 / either.max(1) as f32
    };
    values.chunks_exact(size).zip(masks.chunks_exact(size)).map(overlap).collect()
}

/// The weight of an SNP loss after this share of the run.
fn risen(weight: f64, share: f64) -> f64 {
    weight * (share / SNP_RISE).min(1.0)
}

/// Wrong labels: now and then the filled box, or the ellipse in it, else a mask that is misdrawn. What is smaller than four
/// cells stays.
fn mislabelled(masks: &[f32], side: usize, noise: &mut Noise) -> Vec<f32> {
    let size = Size::new(side as u32, side as u32);
    let wrong = |mask: &[f32]| {
        let bytes = mask.iter().map(|&value| value as u8).collect();
        let truth = Mask::from_bytes(size, bytes).unwrap_or_else(|| Mask::new(size));
        let wrong = match truth.bbox() {
            Some(bounds) if bounds.width.min(bounds.height) >= 4.0 => match noise.uniform() {
                ..0.1 => Mask::filled(size, bounds),
                0.1..0.2 => ellipse(size, bounds),
                _ => misdrawn(&truth, noise.between(0.6, 0.95), noise),
            },
            _ => truth,
        };
        wrong.bytes().iter().map(|&value| f32::from(value)).collect::<Vec<f32>>()
    };
    masks.chunks_exact(side * side).flat_map(wrong).collect()
}

/// The pixels whose centre lies in the ellipse that fills `rect`.
fn ellipse(size: Size, rect: Rect) -> Mask {
    let middle = rect.center();
    let across = |at: u32, middle: f64, extent: f64| (f64::from(at) + 0.5 - middle) / (extent / 2.0);
    Mask::from_fn(size, |x, y| across(x, middle.x, rect.width).hypot(across(y, middle.y, rect.height)) <= 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::metric;

    #[test]
    fn wrong_labels_are_boxes_ellipses_and_masks_that_are_misdrawn() {
        const SIDE: usize = 64;
        let size = Size::new(SIDE as u32, SIDE as u32);
        // A triangle, which is neither its box nor the ellipse in that.
        let truth = Mask::from_fn(size, |x, y| (10..50).contains(&y) && (10..=y).contains(&x));
        let bounds = truth.bbox().unwrap();
        let (filled, round) = (Mask::filled(size, bounds), ellipse(size, bounds));
        assert_eq!(round.bbox(), Some(bounds));
        let numbers: Vec<f32> = truth.bytes().iter().map(|&value| f32::from(value)).collect();
        let labels = mislabelled(&numbers.repeat(300), SIDE, &mut Noise::new(5));
        let (mut boxes, mut ellipses, mut others) = (0, 0, Vec::new());
        for label in labels.chunks_exact(SIDE * SIDE) {
            let label = Mask::from_bytes(size, label.iter().map(|&value| value as u8).collect()).unwrap();
            if label == filled {
                boxes += 1;
            } else if label == round {
                ellipses += 1;
            } else {
                others.push(metric::iou(&label, &truth));
            }
        }
        assert!((12..=52).contains(&boxes) && (12..=52).contains(&ellipses), "{boxes} boxes, {ellipses} ellipses");
        let mean = others.iter().sum::<f64>() / others.len() as f64;
        assert!(others.iter().all(|&iou| iou < 0.95) && mean > 0.5, "{mean}: {others:?}");

        let thin: Vec<f32> = (0..SIDE * SIDE).map(|cell| f32::from(u8::from(cell % SIDE == 7))).collect();
        assert_eq!(mislabelled(&thin, SIDE, &mut Noise::new(5)), thin);
    }

    #[test]
    fn snp_losses_come_in_over_the_first_tenth() {
        for (share, expected) in [(0.0, 0.0), (0.05, 0.25), (0.1, 0.5), (0.9, 0.5)] {
            assert!((risen(0.5, share) - expected).abs() < 1e-12, "{share}");
        }
    }
}
