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
/// Constants of the training loss, which stand in the checkpoint too.
const LOSS: &str = "loss_texture.";

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
        .filter(|(name, _)| !name.starts_with(LOSS))
        .map(|(name, tensor)| {
            let mut tensor = bridge::from_pytorch(tensor);
            name.strip_prefix(PREFIX).unwrap_or(&name).clone_into(&mut tensor.name);
            tensor
        })
        .collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    apply(Refiner::new(config, device), tensors, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Tensor, TensorData};

    /// The first logits, as `tests/reference/make_checkpoint.py` prints them.
    const EXPECTED: [f32; 6] = [0.246_346, 0.421_482, -0.037_903, 0.139_829, 0.489_712, -0.168_949];

    #[test]
    fn bare_and_nested_checkpoints_load_and_compute_as_their_maker() {
        let tiny = RefinerConfig {
            image: 8,
            base: 4,
            mult: vec![1],
            attn_strides: vec![1],
            heads: 2,
            groups: 2,
            patchify: 1,
            ..RefinerConfig::nano()
        };
        let device = Device::flex();
        let values = |count: i32, of: fn(i32) -> f32| (0..count).map(of).collect::<Vec<f32>>();
        let image = Tensor::from_data(TensorData::new(values(192, |i| i as f32 / 100.0), [1, 3, 8, 8]), &device);
        let mask = Tensor::from_data(TensorData::new(values(64, |i| f32::from(u8::from(i % 3 == 0))), [1, 1, 8, 8]), &device);
        for name in ["refiner_bare.pth", "refiner_nested.pth"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
            let network = load_as(&path, &tiny, &device).unwrap();
            let logits: Vec<f32> = network.forward(image.clone(), mask.clone(), &[5]).try_into_vec_as().unwrap();
            for (actual, expected) in logits.iter().zip(EXPECTED) {
                assert!((actual - expected).abs() < 1e-5, "{name}: {logits:?}");
            }
            let error = load_checkpoint(&path, &device).unwrap_err();
            let WeightError::Names { missing, extra, .. } = error else { panic!("{error}") };
            assert!(missing.contains("input_blocks.10.0.emb_layers.1.bias") && missing.ends_with(" more"), "{missing}");
            assert!(!extra.contains("loss_texture"), "{extra}");
        }
        let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert!(matches!(load_checkpoint(&other, &device), Err(WeightError::Format { .. })));
    }
}
