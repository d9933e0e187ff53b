//! Weight files: safetensors with `PyTorch`'s tensor names, f16 on disk, f32 in memory.
//!
//! Two metadata entries say what a file is: `annotator.network` names the network, `annotator.config` holds its shape as
//! JSON. Names and shapes are compared with the network BEFORE anything is loaded, so a wrong file gives an error that
//! names the file and the tensor, and no half-loaded network.

mod checkpoint;
mod file;

pub use checkpoint::load_checkpoint;
pub use file::WeightFile;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::burn_pack::Tensor as PackTensor;
use burn::store::{
    BurnToPyTorchAdapter, FloatCastAdapter, ModuleAdapter as _, ModuleSnapshot as _, PyTorchToBurnAdapter, SafetensorsStore,
};
use burn::tensor::DType;
use serde::Serialize;

use super::census::{Entry, census};
use crate::formats::save::SaveError;

/// The metadata entry that names the network.
pub const NETWORK_KEY: &str = "annotator.network";
/// The metadata entry that holds the config as JSON.
pub const CONFIG_KEY: &str = "annotator.config";

/// Why weights could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WeightError {
    /// The file could not be read.
    #[error("cannot access the weights: {source}: {}", path.display())]
    Io {
        /// What the system said.
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// The file is no weight file, or is cut short.
    #[error("this is not a whole weight file ({reason}): {}", path.display())]
    Format {
        /// What is wrong.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// The file holds another network.
    #[error("the file holds the network {found:?}, not {expected:?}: {}", path.display())]
    Network {
        /// The network that was asked for.
        expected: String,
        /// What the file says; empty where it says nothing.
        found: String,
        /// The file.
        path: PathBuf,
    },
    /// The config is missing, is no JSON, or describes no network.
    #[error("the network's config cannot be used ({reason}): {}", path.display())]
    Config {
        /// What is wrong.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// The file lacks tensors of the network, or has others.
    #[error("the tensors are not those of the network: missing {missing}; not expected {extra}: {}", path.display())]
    Names {
        /// The names that the file lacks; `none` where there are none, the rest counted where there are many.
        missing: String,
        /// The names that the network lacks, likewise.
        extra: String,
        /// The file.
        path: PathBuf,
    },
    /// A tensor has another shape than the network's.
    #[error("tensor {tensor} has shape {found:?}, the network needs {expected:?}: {}", path.display())]
    Shape {
        /// The tensor's name.
        tensor: String,
        /// The network's shape.
        expected: Vec<usize>,
        /// The file's shape.
        found: Vec<usize>,
        /// The file.
        path: PathBuf,
    },
    /// Burn refused a tensor.
    #[error("the weights cannot be used ({reason}): {}", path.display())]
    Store {
        /// What it said.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// The file could not be written.
    #[error(transparent)]
    Save(#[from] SaveError),
}

/// Writes `module` as f16 with `PyTorch`'s names; equal weights give equal files. An existing file is replaced only once the
/// new one is complete.
///
/// # Errors
/// When the file cannot be written.
pub fn save<M: Module>(module: &M, network: &str, config: &impl Serialize, path: &Path) -> Result<(), WeightError> {
    let refused = |reason: String| WeightError::Store { reason, path: path.to_owned() };
    let config = serde_json::to_string(config).map_err(|error| refused(error.to_string()))?;
    let mut store = SafetensorsStore::from_bytes(None)
        .clear_metadata()
        .metadata(CONFIG_KEY, config)
        .with_to_adapter(BurnToPyTorchAdapter.chain(FloatCastAdapter::to(DType::F16)))
        .skip_enum_variants(true);
    module.save_into(&mut store).map_err(|error| refused(error.to_string()))?;
    let bytes = store.get_bytes().map_err(|error| refused(error.to_string()))?;
    WeightFile::parse(bytes.into(), path)?.save_with(NETWORK_KEY, network, path)
}

/// Puts `tensors`, named as in a weight file and of any float type, into `module` as f32.
fn apply<M: Module>(mut module: M, tensors: Vec<PackTensor>, path: &Path) -> Result<M, WeightError> {
    compare(&census(&module), &tensors, path)?;
    let adapter = PyTorchToBurnAdapter.chain(FloatCastAdapter::to(DType::F32));
    let result = module.apply(tensors, None, Some(Box::new(adapter)), true);
    let problem = result.errors.first().map(ToString::to_string).or_else(|| result.missing.first().map(|(name, _)| name.clone()));
    match problem {
        Some(reason) => Err(WeightError::Store { reason, path: path.to_owned() }),
        None => Ok(module),
    }
}

fn compare(expected: &[Entry], tensors: &[PackTensor], path: &Path) -> Result<(), WeightError> {
    let mut found: BTreeMap<&str, Vec<usize>> =
        tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.iter().copied().collect())).collect();
    let pairs: Vec<_> = expected.iter().map(|entry| (entry, found.remove(entry.name.as_str()))).collect();
    let missing: Vec<&str> = pairs.iter().filter(|(_, found)| found.is_none()).map(|(entry, _)| entry.name.as_str()).collect();
    let extra: Vec<&str> = found.into_keys().collect();
    if !missing.is_empty() || !extra.is_empty() {
        return Err(WeightError::Names { missing: listed(&missing), extra: listed(&extra), path: path.to_owned() });
    }
    for (Entry { name, shape }, found) in pairs {
        if let Some(found) = found.filter(|found| found != shape) {
            return Err(WeightError::Shape { tensor: name.clone(), expected: shape.clone(), found, path: path.to_owned() });
        }
    }
    Ok(())
}

/// Names for people: all of a few, else the first and the number of the others.
fn listed(names: &[&str]) -> String {
    const MOST: usize = 20;
    match names.len() {
        0 => "none".to_owned(),
        1..=MOST => names.join(", "),
        count => format!("{} and {} more", names[..MOST].join(", "), count - MOST),
    }
}
