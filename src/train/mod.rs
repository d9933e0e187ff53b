//! Fine-tuning on a person's own data set: a held-out part measures it, the best weights are kept, and a run that was
//! stopped goes on exactly where it was.
//!
//! The result never replaces weights that were better: when no epoch beats the start on the held-out objects, the start
//! is what gets written, and [`Summary::improved`] says so.

mod augment;
mod checkpoint;
pub mod coarse;
pub mod compose;
mod data;
mod event;
mod optimizer;
mod refiner;
mod run;
mod segmenter;

pub use checkpoint::{Halt, halted, path_beside};
pub use data::{Objects, Split, is_usable};
pub use event::{Event, Summary};
pub use run::run;

use std::path::PathBuf;

use crate::assist::AssistError;
use crate::formats::coco::ReadError;
use crate::model::weights::WeightError;

/// The network to train.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// Box to mask.
    #[default]
    Segmenter,
    /// Coarse mask to fine mask.
    Refiner,
}

/// How much of the segmenter learns. The refiner always learns whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The denoiser only.
    Denoiser,
    /// The denoiser and the encoder's stages at strides 16 and 32.
    #[default]
    Deep,
    /// Everything.
    All,
    /// The layers for exemplars and class names only; the rest stays as it is.
    Conditioning,
}

/// A training run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The network.
    pub what: What,
    /// The COCO file with the objects.
    pub data: PathBuf,
    /// The folder that its image paths start from.
    pub images: PathBuf,
    /// The weight file to write; the checkpoint lies beside it.
    pub out: PathBuf,
    /// Weights to start from; those inside the program where there are none.
    pub start: Option<PathBuf>,
    /// A COCO file with coarse masks of the same objects, by their ids, for the refiner to learn from besides synthetic ones.
    pub coarse: Option<PathBuf>,
    /// How often each object is seen.
    pub epochs: usize,
    /// Objects a step.
    pub batch: usize,
    /// The largest learning rate; it warms up and falls along a cosine.
    pub learning_rate: f64,
    /// Everything random follows from it.
    pub seed: u64,
    /// Whether to go on from the checkpoint beside `out`, which must be there.
    pub resume: bool,
    /// The share of the images that is held out to measure.
    pub holdout: f64,
    /// How much of the segmenter learns.
    pub part: Part,
    /// Weight of the loss by which the masks of two noise levels of one trajectory must agree; 0 is none. It and the next
    /// one are the SNP losses, which together cost half as much again; their weights grow from 0 over the first tenth of the
    /// steps.
    pub snp_step: f64,
    /// Weight of the loss by which labels that were made wrong must be seen through; 0 is none.
    pub snp_noisy: f64,
    /// Whether weights without layers for exemplars and class names get some, with the data set's classes.
    pub conditioned: bool,
    /// Whether those layers put the first exemplar's colours into the denoiser's input too, as `MaskDiff` does; an ablation.
    pub concat: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            what: What::default(),
            data: PathBuf::new(),
            images: PathBuf::new(),
            out: PathBuf::new(),
            start: None,
            coarse: None,
            epochs: 10,
            batch: 4,
            learning_rate: 2e-4,
            seed: 0,
            resume: false,
            holdout: 0.2,
            part: Part::default(),
            snp_step: 0.0,
            snp_noisy: 0.0,
            conditioned: false,
            concat: false,
        }
    }
}

/// Why training did not come to an end.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// It was stopped on request; the checkpoint is written, once there is anything to go on from.
    #[error("stopped; {}", checkpoint.as_ref().map_or("nothing was learned yet".to_owned(), |path| format!("--resume goes on from {}", path.display())))]
    Cancelled {
        /// Where the checkpoint lies.
        checkpoint: Option<PathBuf>,
    },
    /// The data set cannot be read.
    #[error(transparent)]
    Data(#[from] ReadError),
    /// There is nothing to learn from, or nothing to measure with.
    #[error("only {usable} objects have a mask on a readable image; training needs 2 at least: {}", data.display())]
    TooFew {
        /// Usable objects.
        usable: usize,
        /// The data set.
        data: PathBuf,
    },
    /// A setting makes no sense.
    #[error("{0}")]
    Setting(&'static str),
    /// An object's image cannot be read, has another size than the data set says, or its mask holds nothing.
    #[error("annotation {id} is left out: {reason}")]
    Lost {
        /// The object.
        id: i64,
        /// What is wrong with which image.
        reason: String,
    },
    /// The weights cannot be read or written.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// The networks could not be measured.
    #[error(transparent)]
    Assist(#[from] AssistError),
    /// A run should go on that left no checkpoint.
    #[error("there is no checkpoint to go on from: {}", path.display())]
    NoCheckpoint {
        /// Where it would lie.
        path: PathBuf,
    },
    /// The checkpoint belongs to another run.
    #[error("the checkpoint is of a run with other {what}: {}", path.display())]
    OtherRun {
        /// The setting that differs.
        what: &'static str,
        /// The checkpoint.
        path: PathBuf,
    },
    /// The checkpoint cannot be read or written.
    #[error("cannot access the checkpoint ({reason}): {}", path.display())]
    Checkpoint {
        /// What is wrong.
        reason: String,
        /// The checkpoint.
        path: PathBuf,
    },
    /// The loss became infinite or no number; the weights on disk are those of the best epoch.
    #[error("the loss became {0}; a smaller learning rate may help")]
    Diverged(f32),
}
