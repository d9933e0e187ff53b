//! The networks, their weight files, the diffusion around them and the device that they run on.
//!
//! Every Burn call of a process comes from ONE thread at a time; `assist::service` keeps that promise for the program.
//! Random numbers come from the host ([`noise`]), so that a seed gives the same start on every device.

mod adapter;
pub mod census;
mod cpu;
pub mod device;
pub mod diffusion;
pub mod layer;
pub mod loss;
pub mod noise;
pub mod refiner;
pub mod segmenter;
pub mod speed;
pub mod weights;
