//! The truth that a person edits: a data set of images, categories and instances, changed only through invertible
//! [`Edit`]s. Pure: no files, no clock, no serde.

mod bulk;
mod dataset;
mod edit;
mod history;
mod left_out;
mod placed;
mod shape;

pub use dataset::{Category, CategoryId, Dataset, Field, Image, ImageId, Instance, InstanceId, Shape, Verbatim};
pub use edit::{Edit, EditError};
pub use history::{Entry, History};
pub use left_out::LeftOut;
pub use placed::{Apply, Find, Placed};
pub use shape::ShapeError;
