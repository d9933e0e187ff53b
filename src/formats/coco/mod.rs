//! COCO JSON, and LVIS as far as it is the same: every record that nobody changed is written back as the text that was
//! read, unknown members, number text and all.
//!
//! Reading keeps the whole file as one shared text. One pass finds the records, a second parses them on all cores; an
//! odd record takes a slower path that saves what can be saved and says what could not. Python's `NaN` and `Infinity`
//! are accepted and written back.

pub(super) mod document;
mod find;
pub(super) mod patch;
mod read;
pub(crate) mod record;
pub(super) mod save;
mod segmentation;
pub(super) mod write;

pub use super::save::SaveError;
pub use find::file_of;
pub use read::{ReadError, parse, read, read_results, read_with};
pub use save::{save, save_results, save_results_with, save_with};
pub use write::{write, write_results};
