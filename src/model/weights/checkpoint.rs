//! The published `SegRefiner` checkpoint, imported from a file that the user has.
//!
//! The file is a pickle; the reader only takes tensors from it and runs nothing. A bare dictionary and one nested under
//! `state_dict` are both accepted.

use std::path::Path;

use burn::store::bridge;
use burn::store::burn_pack::Tensor as PackTensor;
use burn::store::pytorch::PytorchReader;
use burn::tensor::Device;

use super::{WeightError, apply};
use crate::model::refiner::{Refiner, RefinerConfig};

/// What every tensor of the network is called first in the checkpoint.
const PREFIX: &str = "denoise_model.";

/// Reads the published checkpoint (453 tensors, 452 MiB as f32).
///
/// # Errors
/// When the file cannot be read, or its tensors are not those of the published network.
pub fn load_checkpoint(path: &Path, device: &Device) -> Result<Refiner, WeightError> {
    load_as(path, &RefinerConfig::official(), device)
}

fn load_as(path: &Path, config: &RefinerConfig, device: &Device) -> Result<Refiner, WeightError> {
    let format = |error: &dyn std::fmt::Display| WeightError::Format { reason: error.to_string(), path: path.to_owned() };
    let mut tensors = PytorchReader::new(path).map_err(|error| format(&error))?.into_tensors();
    if tensors.keys().any(|name| name.starts_with("state_dict.")) {
        tensors = PytorchReader::with_top_level_key(path, "state_dict").map_err(|error| format(&error))?.into_tensors();
    }
    let mut tensors: Vec<PackTensor> = tensors
        .into_iter()
        .filter_map(|(name, tensor)| {
            let mut tensor = bridge::from_pytorch(tensor);
            name.strip_prefix(PREFIX)?.clone_into(&mut tensor.name);
            Some(tensor)
        })
        .collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    apply(Refiner::new(config, device), tensors, path)
}
