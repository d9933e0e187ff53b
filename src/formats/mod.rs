//! Files in and out: data sets and pictures. Readers give the value together with a [`Report`] of what was odd; only a
//! file that cannot be read at all is an error.

pub mod check;
pub mod coco;
pub mod convert;
pub mod folder;
pub mod picture;
mod report;

pub use report::{Problem, Record, Report, Severity, Warning};
