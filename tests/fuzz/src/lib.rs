//! The modules that read files, from the program's own sources.
#![allow(missing_docs, dead_code, reason = "the program's own build looks after these")]

#[path = "../../../src/annotation/mod.rs"]
pub mod annotation;
#[path = "../../../src/formats/mod.rs"]
pub mod formats;
#[path = "../../../src/geometry/mod.rs"]
pub mod geometry;
#[path = "../../../src/job/mod.rs"]
pub mod job;
#[path = "../../../src/mask/mod.rs"]
pub mod mask;
#[path = "../../../src/store/mod.rs"]
pub mod store;

pub mod pair;
