//! `AdamW` with one gradient norm over all parameters, and a running average of the weights.
//!
//! The arithmetic of a parameter is Burn's. The book-keeping is ours, because Burn's own optimiser clips each parameter
//! by itself, puts a restored state on the default device, and has no average; states are kept by name, flattened, so
//! that a checkpoint restores them bit by bit.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer as _};
use burn::tensor::{Device, Gradients, Tensor, TensorData};

/// The largest gradient norm that goes through unshrunk.
const CLIP_NORM: f32 = 1.0;
/// Share of the old average that survives a step, once it has warmed up.
const AVERAGE_DECAY: f64 = 0.998;

/// The optimiser's memory.
pub(super) struct Optimizer {
    rule: AdamW,
    steps: u64,
    states: BTreeMap<String, State>,
}

/// The memory of one parameter, flattened.
struct State {
    adam: AdamWState<1>,
    average: Tensor<1>,
}

/// The memory of one parameter, as numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Snapshot {
    pub(super) moment_1: Vec<f32>,
    pub(super) moment_2: Vec<f32>,
    pub(super) average: Vec<f32>,
    pub(super) time: usize,
}

impl Optimizer {
    pub(super) fn new() -> Self {
        let rule = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.01).build();
        Self { rule, steps: 0, states: BTreeMap::new() }
    }

    /// Moves every parameter of `module` that has a gradient.
    pub(super) fn step<M: Module>(&mut self, rate: f64, module: M, mut gradients: Gradients) -> M {
        let mut collected = Collected { path: Path::default(), gradients: &mut gradients, found: BTreeMap::new() };
        module.visit(&mut collected);
        let found = collected.found;
        let squares = found.values().map(|gradient| (gradient.clone() * gradient.clone()).sum());
        let norm = squares.reduce(|a, b| a + b).map_or(0.0, |sum| sum.into_scalar::<f32>().sqrt());
        let scale = if norm > CLIP_NORM { CLIP_NORM / norm } else { 1.0 };
        self.steps += 1;
        module.map(&mut Stepped { path: Path::default(), optimizer: self, found, scale, rate })
    }

    /// `module` with the running averages in the place of its parameters.
    pub(super) fn averaged<M: Module>(&self, module: M) -> M {
        module.map(&mut Averaged { path: Path::default(), states: &self.states })
    }

    /// Steps so far.
    pub(super) const fn steps(&self) -> u64 {
        self.steps
    }

    /// The memory by parameter name.
    pub(super) fn snapshot(&self) -> BTreeMap<String, Snapshot> {
        let numbers = |tensor: &Tensor<1>| tensor.to_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
        let snapshot = |state: &State| Snapshot {
            moment_1: numbers(&state.adam.momentum.moment_1),
            moment_2: numbers(&state.adam.momentum.moment_2),
            average: numbers(&state.average),
            time: state.adam.momentum.time,
        };
        self.states.iter().map(|(name, state)| (name.clone(), snapshot(state))).collect()
    }

    /// The optimiser that a snapshot was taken of.
    pub(super) fn restored(steps: u64, snapshots: BTreeMap<String, Snapshot>, device: &Device) -> Self {
        let tensor = |values: Vec<f32>| {
            let count = values.len();
            Tensor::<1>::from_data(TensorData::new(values, [count]), device)
        };
        let state = |(name, saved): (String, Snapshot)| {
            let momentum = AdaptiveMomentumState::new(saved.time, tensor(saved.moment_1), tensor(saved.moment_2));
            (name, State { adam: AdamWState::new(momentum), average: tensor(saved.average) })
        };
        Self { steps, states: snapshots.into_iter().map(state).collect(), ..Self::new() }
    }
}

/// Where a walk over a module is.
#[derive(Default)]
struct Path(Vec<String>);

impl Path {
    fn name(&self) -> String {
        self.0.join(".")
    }
}

struct Collected<'a> {
    path: Path,
    gradients: &'a mut Gradients,
    found: BTreeMap<String, Tensor<1>>,
}

impl ModuleVisitor for Collected<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.0.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad_remove(self.gradients) {
            let count = gradient.shape().num_elements();
            self.found.insert(self.path.name(), gradient.reshape([count]));
        }
    }
}

struct Stepped<'a> {
    path: Path,
    optimizer: &'a mut Optimizer,
    found: BTreeMap<String, Tensor<1>>,
    scale: f32,
    rate: f64,
}

impl ModuleMapper for Stepped<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.0.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
        let Some(gradient) = self.found.remove(&name) else { return param };
        let (id, tensor, mapper) = param.consume();
        let shape = tensor.shape();
        let weight = tensor.inner().reshape([shape.num_elements()]);
        let state = self.optimizer.states.remove(&name);
        let (adam, average) = state.map_or_else(|| (None, weight.clone()), |state| (Some(state.adam), state.average));
        let (weight, adam) = self.optimizer.rule.step(self.rate, weight, gradient * self.scale, adam);
        // About the last third of all steps so far, until the decay is reached.
        let decay = AVERAGE_DECAY.min(self.optimizer.steps as f64 / (3 + self.optimizer.steps) as f64);
        let average = average * decay + weight.clone() * (1.0 - decay);
        if let Some(adam) = adam {
            self.optimizer.states.insert(name, State { adam, average });
        }
        Param::from_mapped_value(id, weight.reshape(shape).autodiff().require_grad(), mapper)
    }
}

struct Averaged<'a> {
    path: Path,
    states: &'a BTreeMap<String, State>,
}

impl ModuleMapper for Averaged<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.0.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.states.get(&self.path.name()) {
            Some(state) => param.map(|tensor| state.average.clone().reshape(tensor.shape())),
            None => param,
        }
    }
}
