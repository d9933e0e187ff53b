//! Files in and out: data sets and pictures. Readers give the value together with a [`Report`] of what was odd; only a
//! file that cannot be read at all is an error. [`exchange`] knows every format; what one cannot hold, [`loss`] counts;
//! [`merge`] makes one data set of two.

pub mod check;
pub mod coco;
pub mod convert;
mod cvat;
pub mod exchange;
mod fault;
pub mod folder;
mod format;
mod jpeg;
mod label_map;
mod labelme;
mod library;
pub mod loss;
pub mod lvis;
mod masks;
pub mod merge;
pub mod picture;
mod report;
pub mod save;
pub mod stage;
mod voc;
mod yolo;

pub use report::{Problem, Record, Report, Severity, Warning};
