//! Where the weights come from.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::inside_the_program;
use crate::disk;
use crate::model::refiner::Refiner;
use crate::model::weights::{NETWORK_KEY, WeightError, WeightFile, load_checkpoint};
use crate::model::{refiner, segmenter};

/// The segmenter inside the program.
const SEGMENTER: &[u8] = include_bytes!("../../models/segmenter.safetensors");
/// The refiner inside the program.
const REFINER: &[u8] = include_bytes!("../../models/refiner.safetensors");

/// Weight files to use instead of those inside the program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelPaths {
    /// The segmenter's file.
    #[serde(serialize_with = "disk::write_path", deserialize_with = "disk::read_path")]
    pub segmenter: Option<PathBuf>,
    /// The refiner's file.
    #[serde(serialize_with = "disk::write_path", deserialize_with = "disk::read_path")]
    pub refiner: Option<PathBuf>,
}

impl ModelPaths {
    /// These paths with `path` for the network that the file there holds.
    ///
    /// # Errors
    /// When the file cannot be read or holds neither network.
    pub fn with(self, path: &Path) -> Result<Self, WeightError> {
        if is_checkpoint(path) {
            return Ok(Self { refiner: Some(path.to_owned()), ..self });
        }
        let file = WeightFile::read(path)?;
        if file.metadata(NETWORK_KEY) == Some(refiner::NETWORK) {
            return Ok(Self { refiner: Some(path.to_owned()), ..self });
        }
        file.expect_network(segmenter::NETWORK)?;
        Ok(Self { segmenter: Some(path.to_owned()), ..self })
    }

    /// These paths without those that cannot be read any more, for a start that goes on with the built-in weights.
    #[must_use]
    pub fn readable(self) -> Self {
        let keep = |path: Option<PathBuf>| {
            path.filter(|path| {
                is_checkpoint(path) && path.is_file()
                    || WeightFile::read(path).inspect_err(|error| tracing::warn!(%error, "weights are left out")).is_ok()
            })
        };
        Self { segmenter: keep(self.segmenter), refiner: keep(self.refiner) }
    }

    /// The segmenter's weights.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn segmenter_file(&self) -> Result<WeightFile, WeightError> {
        file(self.segmenter.as_deref(), SEGMENTER)
    }

    /// The refiner with its weights; a file that ends in `.pth` is taken for the published `SegRefiner` checkpoint.
    ///
    /// # Errors
    /// When the file cannot be read, or its tensors are not those of the network.
    pub fn refiner(&self, device: &Device) -> Result<Refiner, WeightError> {
        match self.refiner.as_deref() {
            Some(path) if is_checkpoint(path) => load_checkpoint(path, device),
            _ => Refiner::load(&self.refiner_file()?, device),
        }
    }

    /// The refiner's weight file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn refiner_file(&self) -> Result<WeightFile, WeightError> {
        file(self.refiner.as_deref(), REFINER)
    }
}

fn is_checkpoint(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("pth"))
}

fn file(path: Option<&Path>, embedded: &'static [u8]) -> Result<WeightFile, WeightError> {
    match path {
        Some(path) => WeightFile::read(path),
        None => WeightFile::parse(Cow::Borrowed(embedded), inside_the_program()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_the_place_of_its_own_network() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(format!("weights-{name}"));
        std::fs::write(path("a"), SEGMENTER).unwrap();
        std::fs::write(path("b"), REFINER).unwrap();
        std::fs::write(path("c"), b"no weights").unwrap();
        let paths = ModelPaths::default().with(&path("a")).unwrap().with(&path("b")).unwrap();
        assert_eq!(paths, ModelPaths { segmenter: Some(path("a")), refiner: Some(path("b")) });
        assert!(paths.clone().with(&path("c")).unwrap_err().to_string().contains("weights-c"));
        let published = paths.clone().with(Path::new("segrefiner.pth")).unwrap();
        let error = published.refiner(&Device::flex()).unwrap_err().to_string();
        assert!(error.contains("segrefiner.pth"), "{error}");
        std::fs::remove_file(path("b")).unwrap();
        assert_eq!(paths.clone().readable(), ModelPaths { refiner: None, ..paths });
    }
}
