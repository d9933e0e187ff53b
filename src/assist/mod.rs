//! From image and prompt to mask: boxes become proposals through the segmenter, coarse masks become fine ones through
//! the refiner.
//!
//! [`Assistant`] is plain code on whatever thread calls it; [`service`] owns the one thread that does so in the program.

pub mod alternatives;
pub mod calibration;
mod colours;
pub mod crop;
pub mod evidence;
mod exclusive;
mod find;
mod grow;
mod highres;
mod local;
mod looks;
mod memory;
mod models;
mod patch;
mod prompt;
mod propose;
mod refine;
mod second;
pub mod service;
pub mod snap;
mod view;
mod walk;

pub use alternatives::Alternative;
pub use calibration::Calibration;
pub use find::{Found, is_taken};
pub use memory::Memory;
pub use models::ModelPaths;
pub use patch::Patch;
pub use prompt::{ExemplarCrop, Prompt, Scribble};
pub use propose::{MOST_SAMPLES, Proposal, ProposeOptions, ProposeStep, Proposer};
pub use refine::{Finisher, Mode, RefineOptions, RefineStep, Refinement};
pub use service::Engine;
pub use view::View;

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;

use crate::geometry::{Rect, Size};
use crate::job::Cancel;
use crate::mask::Mask;
use crate::model::device::{Compute, ComputeChoice, DeviceError, open};
use crate::model::diffusion::process::StepsError;
use crate::model::layer::halved;
use crate::model::refiner::Refiner;
use crate::model::segmenter::Segmenter;
use crate::model::weights::WeightError;

/// Why the assistant could not help.
#[derive(Debug, thiserror::Error)]
pub enum AssistError {
    /// The work was stopped on request.
    #[error("stopped")]
    Cancelled,
    /// No device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The weights cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// The image has no pixels.
    #[error("the image is empty")]
    EmptyImage,
    /// A box has no area, a number that is not finite, or lies far from the image.
    #[error("box {0} has no area on the image")]
    BadBox(usize),
    /// A mask is not as large as the image.
    #[error("mask {index} is {}x{} pixels, the image {}x{}", mask.width, mask.height, image.width, image.height)]
    MaskSize {
        /// Its place in the request.
        index: usize,
        /// The mask's size.
        mask: Size,
        /// The image's size.
        image: Size,
    },
    /// The refiner's time indices cannot be walked.
    #[error(transparent)]
    Steps(#[from] StepsError),
    /// The device did not give its result back.
    #[error("the device lost its result: {0}")]
    Read(String),
}

/// Both networks on one device.
#[derive(Debug)]
pub struct Assistant {
    compute: Compute,
    segmenter: Segmenter,
    refiner: Refiner,
    calibration: Calibration,
    memory: Memory,
}

impl Assistant {
    /// Opens a device and loads both networks: from `paths` where it names files, else those inside the program.
    ///
    /// # Errors
    /// When the device cannot be opened or a weight file cannot be used.
    pub fn load(choice: ComputeChoice, paths: &ModelPaths) -> Result<Self, AssistError> {
        Self::load_on(open(choice)?, paths)
    }

    /// As [`Self::load`], on a device that is open already.
    ///
    /// # Errors
    /// When a weight file cannot be used.
    pub fn load_on(compute: Compute, paths: &ModelPaths) -> Result<Self, AssistError> {
        let device = compute.device();
        let file = paths.segmenter_file()?;
        let mut segmenter = Segmenter::load(&file, &device)?;
        let mut refiner = paths.refiner(&device)?;
        if compute.is_half() {
            (segmenter, refiner) = (halved(segmenter), halved(refiner));
        }
        Ok(Self { compute, segmenter, refiner, calibration: Calibration::of(&file), memory: Memory::default() })
    }

    /// As [`Self::load_on`], with each network run once. On a graphics adapter this compiles and tunes the kernels, which
    /// takes from seconds to minutes the first time and is remembered in the user's cache folder.
    ///
    /// # Errors
    /// As for [`Self::load_on`], and when the device cannot do the work.
    pub fn warmed_on(compute: Compute, paths: &ModelPaths) -> Result<Self, AssistError> {
        let found = Self::load_on(compute, paths)?;
        let image = RgbImage::new(64, 64);
        let rect = Rect::new(8.0, 8.0, 48.0, 48.0);
        let steps = ProposeOptions { steps: 1, ..ProposeOptions::default() };
        found.propose(&image, &[rect.into()], &steps, &Cancel::new(), &mut |_| {})?;
        let mask = Mask::filled(Size::new(64, 64), rect);
        let last = RefineOptions { timesteps: vec![0], ..RefineOptions::default() };
        found.refine(&image, &[mask], &last, &Cancel::new(), &mut |_| {})?;
        Ok(found)
    }

    /// An assistant of networks that are in memory already.
    pub fn from_networks(compute: Compute, segmenter: Segmenter, refiner: Refiner) -> Self {
        Self { compute, segmenter, refiner, calibration: Calibration::default(), memory: Memory::default() }
    }

    /// The same networks with another calibration.
    #[must_use]
    pub fn calibrated(self, calibration: Calibration) -> Self {
        Self { calibration, ..self }
    }

    /// The device that it works on.
    pub const fn compute(&self) -> &Compute {
        &self.compute
    }

    /// The segmenter.
    pub const fn segmenter(&self) -> &Segmenter {
        &self.segmenter
    }

    /// The refiner.
    pub const fn refiner(&self) -> &Refiner {
        &self.refiner
    }

    /// See [`Proposer::propose_in_turn`].
    ///
    /// # Errors
    /// See there.
    pub fn propose_in_turn(
        &self,
        image: &RgbImage,
        prompts: &[Prompt],
        options: &ProposeOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(ProposeStep),
        found: &mut dyn FnMut(Vec<Proposal>) -> Result<(), AssistError>,
    ) -> Result<(), AssistError> {
        self.proposer(&self.compute.device()).propose_in_turn(image, prompts, options, cancel, each, found)
    }

    const fn proposer<'a>(&'a self, device: &'a Device) -> Proposer<'a> {
        Proposer { segmenter: &self.segmenter, device, calibration: self.calibration, memory: &self.memory }
    }
}

impl Engine for Assistant {
    fn propose(
        &self,
        image: &RgbImage,
        prompts: &[Prompt],
        options: &ProposeOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(ProposeStep),
    ) -> Result<Vec<Proposal>, AssistError> {
        let device = self.compute.device();
        self.proposer(&device).propose(image, prompts, options, cancel, each)
    }

    fn refine(
        &self,
        image: &RgbImage,
        masks: &[Mask],
        options: &RefineOptions,
        cancel: &Cancel,
        each: &mut dyn FnMut(RefineStep),
    ) -> Result<Vec<Refinement>, AssistError> {
        let device = self.compute.device();
        Finisher { refiner: &self.refiner, segmenter: Some(&self.segmenter), device: &device }.refine(image, masks, options, cancel, each)
    }

    fn find(
        &self,
        image: &RgbImage,
        like: &[Arc<ExemplarCrop>],
        taken: &[Rect],
        cancel: &Cancel,
        each: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Found>, AssistError> {
        let device = self.compute.device();
        self.proposer(&device).find(image, like, taken, cancel, each)
    }

    fn device(&self) -> String {
        self.compute.to_string()
    }

    fn takes_exemplars(&self) -> bool {
        self.segmenter.conditioning.is_some()
    }

    fn answers(&self) -> bool {
        self.compute.answers()
    }
}

/// The size of `image`.
///
/// # Errors
/// When it has no pixels.
fn size_of(image: &RgbImage) -> Result<Size, AssistError> {
    let size = Size::new(image.width(), image.height());
    if size.pixels() == 0 { Err(AssistError::EmptyImage) } else { Ok(size) }
}

/// An error once `cancel` was raised.
fn stop_if(cancel: &Cancel) -> Result<(), AssistError> {
    if cancel.is_cancelled() { Err(AssistError::Cancelled) } else { Ok(()) }
}

pub(crate) fn planes(values: Vec<f32>, shape: [usize; 4], device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, AssistError> {
    tensor.try_into_vec_as::<f32>().map_err(|error| AssistError::Read(error.to_string()))
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// The inverse of [`sigmoid`], within [-9, 9].
fn logit(share: f32) -> f32 {
    let share = share.clamp(1.234e-4, 1.0 - 1.234e-4);
    (share / (1.0 - share)).ln()
}

/// A name for weights that have no file.
fn inside_the_program() -> &'static Path {
    Path::new("(inside the program)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logit_is_the_inverse_of_its_share() {
        assert!([-7.0, 0.0, 2.5].into_iter().all(|value: f32| (logit(sigmoid(value)) - value).abs() < 0.01));
        assert!(logit(0.0).is_finite() && logit(1.0).is_finite());
    }
}
