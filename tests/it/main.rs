//! The integration tests: one binary, one module a subject.
#![allow(clippy::unwrap_used, clippy::get_unwrap, reason = "a test that cannot go on has failed")]

mod adapter;
mod annotation;
#[cfg(feature = "gui")]
mod app;
mod assist;
mod check;
mod evaluation;
mod exact;
mod exchange;
mod formats;
mod gpu;
mod headless;
mod layers;
mod mask;
mod merge;
mod model;
mod picture;
mod shader;
mod store;
mod train;
mod window;
