//! The integration tests: one binary, one module a subject.
#![allow(clippy::unwrap_used, clippy::get_unwrap, reason = "a test that cannot go on has failed")]

mod assist;
mod gpu;
mod layers;
mod model;
mod shader;
mod train;
