//! The names and shapes of a network's tensors as `PyTorch` would call them, read without allocating a single weight.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// A tensor's name and shape in a weight file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Dotted path.
    pub name: String,
    /// `PyTorch`'s shape.
    pub shape: Vec<usize>,
}

/// Every tensor of `module`, sorted by name.
pub fn census<M: Module>(module: &M) -> Vec<Entry> {
    let mut visitor = Visitor::default();
    module.visit(&mut visitor);
    visitor.entries.sort();
    visitor.entries
}

#[derive(Default)]
struct Visitor {
    /// Path segments, each with the container it was entered from.
    stack: Vec<(String, String)>,
    entries: Vec<Entry>,
}

impl ModuleVisitor for Visitor {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.stack.push((name.to_owned(), container_type.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.stack.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let mut shape: Vec<usize> = param.lazy_shape().iter().copied().collect();
        let mut path: Vec<&str> =
            self.stack.iter().filter(|(_, container)| !container.starts_with("Enum:")).map(|(name, _)| name.as_str()).collect();
        let holder = self.stack.last().map_or("", |(_, container)| container.as_str());
        if let Some(last) = path.last_mut() {
            *last = match (holder, *last) {
                ("Struct:GroupNorm", "gamma") => "weight",
                ("Struct:GroupNorm", "beta") => "bias",
                (_, name) => name,
            };
            if holder == "Struct:Linear" && *last == "weight" {
                shape.reverse();
            }
        }
        self.entries.push(Entry { name: path.join("."), shape });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::refiner::{Refiner, RefinerConfig};
    use crate::model::segmenter::{Segmenter, SegmenterConfig};
    use burn::tensor::Device;

    #[test]
    fn the_official_refiner_has_the_published_tensors() {
        let refiner = Refiner::new(&RefinerConfig::official(), &Device::flex());
        let published = include_str!("../../tests/data/segrefiner_official_keys.tsv");
        let mut expected: Vec<Entry> = published
            .lines()
            .map(|line| {
                let (name, shape) = line.split_once('\t').unwrap();
                let shape = shape.trim_matches(['[', ']']).split(", ").map(|n| n.parse().unwrap()).collect();
                Entry { name: name.strip_prefix("denoise_model.").unwrap().to_owned(), shape }
            })
            .collect();
        expected.sort();
        let actual = census(&refiner);
        assert_eq!(actual.len(), 453);
        assert_eq!(actual, expected);
        assert_eq!(actual.iter().map(|entry| entry.shape.iter().product::<usize>()).sum::<usize>(), 118_604_673);
    }

    #[test]
    fn the_shipped_networks_have_their_known_sizes() {
        let device = Device::flex();
        let count = |entries: &[Entry]| entries.iter().map(|entry| entry.shape.iter().product::<usize>()).sum::<usize>();
        let segmenter = Segmenter::new(&SegmenterConfig::default(), &device);
        assert_eq!(count(&census(&segmenter.encoder)), 4_774_496);
        assert_eq!(count(&census(&segmenter.denoiser)), 3_425_321);
        assert_eq!(count(&census(&Refiner::new(&RefinerConfig::pico(), &device))), 1_526_768);
        assert_eq!(count(&census(&Refiner::new(&RefinerConfig::nano(), &device))), 3_683_440);
        assert_eq!(count(&census(&Refiner::new(&RefinerConfig::lite(), &device))), 3_775_620);
    }
}
