//! What was odd about a file that could be read all the same.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::annotation::ShapeError;
use crate::geometry::Size;

/// The oddities of one file, in file order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// One for each odd thing.
    pub warnings: Vec<Warning>,
}

impl Report {
    /// Whether nothing was odd.
    pub const fn is_empty(&self) -> bool {
        self.warnings.is_empty()
    }

    /// Puts the warnings of `other` behind these.
    pub fn append(&mut self, mut other: Self) {
        self.warnings.append(&mut other.warnings);
    }
}

/// One odd thing: what it is, and the file and record that have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// The file.
    pub origin: Arc<Path>,
    /// The record in the file.
    pub record: Record,
    /// What is odd, and what was done about it.
    pub problem: Problem,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.record, self.problem, self.origin.display())
    }
}

/// A record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The file as a whole.
    File,
    /// A top-level member.
    Member(String),
    /// An image by its id.
    Image(i64),
    /// A category by its id.
    Category(i64),
    /// An annotation by its id.
    Annotation(i64),
    /// A record without an id of its own: the list that it is in, and its place there from 0.
    Place(&'static str, usize),
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => write!(f, "the file"),
            Self::Member(name) => write!(f, "`{name}`"),
            Self::Image(id) => write!(f, "image {id}"),
            Self::Category(id) => write!(f, "category {id}"),
            Self::Annotation(id) => write!(f, "annotation {id}"),
            Self::Place(list, index) => write!(f, "{list}[{index}]"),
        }
    }
}

/// What can be odd about a record.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// A record that is no JSON object.
    #[error("is not an object and is only kept for saving")]
    NotAnObject,
    /// A member that is missing or has a value of the wrong kind.
    #[error("has no usable `{0}`")]
    Member(&'static str),
    /// An id that an earlier record has.
    #[error("has the same id as an earlier record; it is kept under another one while the file is open")]
    DuplicateId,
    /// An image id or category id that an earlier record has; the first one counts.
    #[error("has the same id as an earlier record, which is used instead")]
    Shadowed,
    /// A top-level member that a later one replaces.
    #[error("stands in the file twice; the last one counts")]
    Repeated,
    /// An annotation whose image is not in the file.
    #[error("lies on image {0}, which is not in the file")]
    NoImage(i64),
    /// An annotation whose category is not in the file.
    #[error("has category {0}, which is not in the file")]
    NoCategory(i64),
    /// An outline that is neither polygons nor run lengths.
    #[error("has an outline that is neither polygons nor run lengths; its box is used")]
    Outline,
    /// A flat list of numbers where a list of polygons is expected.
    #[error("has one bare list of numbers for its outline, taken as one polygon")]
    BarePolygon,
    /// A polygon with fewer than three points, an odd number of coordinates, or a coordinate that is no number or far
    /// away.
    #[error("has a polygon that {}, left out", fault(*numbers, *far))]
    Polygon {
        /// Coordinates of the polygon.
        numbers: usize,
        /// Whether a coordinate is no number, or farther than any image reaches.
        far: bool,
    },
    /// Polygons that cover no pixel of the image.
    #[error("has polygons that cover no pixel of the image")]
    NoPixels,
    /// Run lengths that do not fit; the box is used.
    #[error("{0}; its box is used")]
    Shape(#[from] ShapeError),
    /// A picture that could not be opened.
    #[error("cannot be opened: {0}")]
    Picture(String),
    /// A picture of another size than the data set says.
    #[error("is {} x {} pixels in the file and {} x {} in the picture", stored.width, stored.height, found.width, found.height)]
    PictureSize {
        /// The size in the data set.
        stored: Size,
        /// The size of the picture.
        found: Size,
    },
}

fn fault(numbers: usize, far: bool) -> &'static str {
    match numbers {
        _ if far => "holds a number far outside any image",
        0..6 => "has fewer than three points",
        _ => "has an odd number of coordinates",
    }
}
