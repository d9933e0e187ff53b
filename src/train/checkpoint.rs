//! The whole state of a run in one file, so that a run that was stopped goes on bit by bit as if it had not been.
//!
//! The file is a burnpack of f32 tensors: every weight, and for each learning parameter its two moments and its average.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::store::bridge;
use burn::store::burn_pack::{Reader, Tensor as PackTensor, Writer};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::optimizer::{Optimizer, Snapshot};
use super::{Part, TrainError, What};

/// Where in the run the checkpoint was taken, and of which run it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) what: What,
    pub(super) part: Part,
    pub(super) snp_step: f64,
    pub(super) snp_noisy: f64,
    pub(super) conditioned: bool,
    #[serde(default)]
    pub(super) concat: bool,
    pub(super) batch: usize,
    pub(super) epochs: usize,
    pub(super) learning_rate: f64,
    pub(super) seed: u64,
    pub(super) holdout: f64,
    /// Objects that are learned from.
    pub(super) objects: usize,
    /// Stands for these objects and the weights that the run started from; nothing in older files.
    #[serde(default)]
    pub(super) inputs: Option<u64>,
    /// Objects with a coarse mask of their own.
    #[serde(default)]
    pub(super) coarse: usize,
    /// Finished epochs.
    pub(super) epoch: usize,
    /// Finished steps of the epoch after them.
    pub(super) step: usize,
    /// The sum of their losses.
    pub(super) loss_sum: f64,
    /// The optimiser's steps over all epochs.
    pub(super) steps: u64,
    pub(super) iou_before: f64,
    pub(super) best_iou: f64,
    pub(super) best_epoch: usize,
}

impl Place {
    /// Whether a run whose first place is `first` may go on from here.
    pub(super) fn fits(&self, first: &Self, path: &Path) -> Result<(), TrainError> {
        let same = [
            ("network", self.what == first.what),
            ("learning part", (self.part, self.conditioned, self.concat) == (first.part, first.conditioned, first.concat)),
            (
                "weights of the SNP losses",
                [self.snp_step, self.snp_noisy].map(f64::to_bits) == [first.snp_step, first.snp_noisy].map(f64::to_bits),
            ),
            ("batch", self.batch == first.batch),
            ("number of epochs", self.epochs == first.epochs),
            ("learning rate", self.learning_rate.to_bits() == first.learning_rate.to_bits()),
            ("seed", self.seed == first.seed),
            ("held-out share", self.holdout.to_bits() == first.holdout.to_bits()),
            ("data", self.objects == first.objects),
            ("data or start", self.inputs.is_none() || self.inputs == first.inputs),
            ("coarse masks", self.coarse == first.coarse),
        ];
        match same.into_iter().find(|(_, same)| !same) {
            Some((what, _)) => Err(TrainError::OtherRun { what, path: path.to_owned() }),
            None => Ok(()),
        }
    }

    /// How much of the run is done, from 0 to 1.
    fn share(&self) -> f64 {
        let steps = self.objects.div_ceil(self.batch.max(1)).max(1);
        let epochs = self.epoch as f64 + (self.step as f64 / steps as f64).min(1.0);
        (epochs / self.epochs.max(1) as f64).min(1.0)
    }
}

/// How far a run came that has a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Halt {
    /// How much of it is done, from 0 to 1.
    pub share: f64,
    /// When the checkpoint was written; `None` where the disk does not say.
    pub since: Option<SystemTime>,
}

/// How far the run came that writes `out`; `None` where there is no checkpoint to go on from. Reads no weights.
pub fn halted(out: &Path) -> Option<Halt> {
    let path = path_beside(out);
    let reader = Reader::from_file_exact(&path).ok()?;
    let place: Place = serde_json::from_str(reader.metadata().get("place")?).ok()?;
    let since = path.metadata().and_then(|data| data.modified()).ok();
    Some(Halt { share: place.share(), since })
}

/// The checkpoint of the run that writes `out`.
pub fn path_beside(out: &Path) -> PathBuf {
    // A dot elsewhere in the name belongs to it.
    let name = if out.extension().is_some_and(|extension| extension == "safetensors") { out.with_extension("") } else { out.to_owned() };
    let mut name = name.into_os_string();
    name.push(".checkpoint");
    name.into()
}

/// Writes the state; an older checkpoint is replaced only once the new one is complete.
pub(super) fn write<M: Module>(path: &Path, place: &Place, network: &M, optimizer: &Optimizer) -> Result<(), TrainError> {
    let wrong = |reason: String| TrainError::Checkpoint { reason, path: path.to_owned() };
    let mut weights = Weights::default();
    network.visit(&mut weights);
    let mut tensors = weights.tensors;
    let mut times = BTreeMap::new();
    for (name, Snapshot { moment_1, moment_2, average, time }) in optimizer.snapshot() {
        for (kind, values) in [("moment_1", moment_1), ("moment_2", moment_2), ("average", average)] {
            tensors.push(pack(format!("{kind}/{name}"), values));
        }
        times.insert(name, time);
    }
    let json = |value: Result<String, serde_json::Error>| value.map_err(|error| wrong(error.to_string()));
    Writer::new(tensors)
        .with_metadata("place", &json(serde_json::to_string(place))?)
        .with_metadata("times", &json(serde_json::to_string(&times))?)
        .auto_extension(false)
        .overwrite(true)
        .write_to_file(path)
        .map_err(|error| wrong(error.to_string()))
}

/// Reads the state into `network`, whose weights are replaced.
pub(super) fn read<M: Module>(path: &Path, network: M, device: &Device) -> Result<(Place, M, Optimizer), TrainError> {
    let wrong = |reason: &dyn ToString| TrainError::Checkpoint { reason: reason.to_string(), path: path.to_owned() };
    let reader = Reader::from_file_exact(path).map_err(|error| wrong(&error))?;
    let json = |key: &str| reader.metadata().get(key).cloned().ok_or_else(|| wrong(&"it is of another program"));
    let place: Place = serde_json::from_str(&json("place")?).map_err(|error| wrong(&error))?;
    let times: BTreeMap<String, usize> = serde_json::from_str(&json("times")?).map_err(|error| wrong(&error))?;
    let mut values = BTreeMap::new();
    for tensor in reader.into_tensors().map_err(|error| wrong(&error))? {
        let name = tensor.name.clone();
        let data = bridge::into_data(tensor).map_err(|error| wrong(&error))?;
        values.insert(name, data.try_into_vec::<f32>().map_err(|error| wrong(&format!("{error:?}")))?);
    }
    let mut snapshots = BTreeMap::new();
    for (name, time) in times {
        let mut take = |kind: &str| values.remove(&format!("{kind}/{name}")).ok_or_else(|| wrong(&format!("{kind} of {name} is missing")));
        let snapshot = Snapshot { moment_1: take("moment_1")?, moment_2: take("moment_2")?, average: take("average")?, time };
        snapshots.insert(name, snapshot);
    }
    let mut restored = Restored { path: Vec::new(), values, missing: None };
    let network = network.map(&mut restored);
    match restored.missing {
        Some(name) => Err(wrong(&format!("the weights {name} are missing or of another shape"))),
        None => Ok((place.clone(), network, Optimizer::restored(place.steps, snapshots, device))),
    }
}

fn pack(name: String, values: Vec<f32>) -> PackTensor {
    let count = values.len();
    bridge::from_data(TensorData::new(values, [count]), name, None)
}

#[derive(Default)]
struct Weights {
    path: Vec<String>,
    tensors: Vec<PackTensor>,
}

impl ModuleVisitor for Weights {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = param.val().inner().to_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
        self.tensors.push(pack(format!("weight/{}", self.path.join(".")), values));
    }
}

struct Restored {
    path: Vec<String>,
    values: BTreeMap<String, Vec<f32>>,
    missing: Option<String>,
}

impl ModuleMapper for Restored {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let shape = param.lazy_shape();
        match self.values.remove(&format!("weight/{name}")) {
            Some(values) if values.len() == shape.num_elements() => param.map(|tensor| {
                let learns = tensor.is_require_grad();
                let value = Tensor::<D>::from_data(TensorData::new(values, shape), &tensor.device().without_autodiff());
                if learns { value.autodiff().require_grad() } else { value.to_device(&tensor.device()) }
            }),
            _ => {
                self.missing.get_or_insert(name);
                param
            }
        }
    }
}
