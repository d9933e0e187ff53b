//! The two diffusions: a continuous one for the segmenter, a discrete one for the refiner. No network lives here.

pub mod process;
pub mod sampler;
pub mod schedule;
