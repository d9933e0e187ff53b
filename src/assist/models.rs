//! Where the weights come from.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::inside_the_program;
use crate::model::weights::{WeightError, WeightFile};

/// The segmenter inside the program.
const SEGMENTER: &[u8] = include_bytes!("../../models/segmenter.safetensors");
/// The refiner inside the program.
const REFINER: &[u8] = include_bytes!("../../models/refiner.safetensors");

/// Weight files to use instead of those inside the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelPaths {
    /// The segmenter's file.
    pub segmenter: Option<PathBuf>,
    /// The refiner's file.
    pub refiner: Option<PathBuf>,
}

impl ModelPaths {
    /// The segmenter's weights.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn segmenter_file(&self) -> Result<WeightFile, WeightError> {
        file(self.segmenter.as_deref(), SEGMENTER)
    }

    /// The refiner's weights.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn refiner_file(&self) -> Result<WeightFile, WeightError> {
        file(self.refiner.as_deref(), REFINER)
    }
}

fn file(path: Option<&Path>, embedded: &'static [u8]) -> Result<WeightFile, WeightError> {
    match path {
        Some(path) => WeightFile::read(path),
        None => WeightFile::parse(Cow::Borrowed(embedded), inside_the_program()),
    }
}
