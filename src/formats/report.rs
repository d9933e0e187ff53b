//! What was odd about a file that could be read all the same.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::picture;
use crate::annotation::ShapeError;
use crate::geometry::{Rect, Size};

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

    /// How many of the warnings are of this weight.
    pub fn count(&self, severity: Severity) -> usize {
        self.warnings.iter().filter(|warning| warning.problem.severity() == severity).count()
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

/// How much a problem weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Readers or training fail on it, or take it for something else.
    Error,
    /// Most likely not what was meant.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
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
    /// An id or a reference to one that is there and cannot be used.
    #[error("has no usable `{member}`: it is {why}")]
    Unusable {
        /// The member.
        member: &'static str,
        /// What it is.
        why: &'static str,
    },
    /// A number that is written as a text.
    #[error("has its `{0}` as a text, which other programs do not take for a number")]
    Quoted(&'static str),
    /// An id that an earlier record has.
    #[error("has the same id as an earlier record; it is kept as {kept_as} while the file is open")]
    DuplicateId {
        /// The id that it has meanwhile.
        kept_as: i64,
    },
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
    /// Points as lists of two numbers where a polygon's numbers are expected.
    #[error("has points in its outline as lists of two numbers each, taken as those of polygons")]
    PointLists,
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
    /// Run lengths that hold no pixel.
    #[error("has a mask without a pixel")]
    EmptyMask,
    /// An area that is neither the pixels of the outline nor the area inside its polygons.
    #[error("has the area {stored}, but its outline covers {found}")]
    Area {
        /// The area in the data set, in square pixels.
        stored: f64,
        /// The pixels of the outline.
        found: f64,
    },
    /// A box that is not around the outline.
    #[error("has the box {}, but its outline lies in {}", numbers(*stored), numbers(*found))]
    Bbox {
        /// The box in the data set.
        stored: Rect,
        /// The extent of the outline.
        found: Rect,
    },
    /// A box without width or height.
    #[error("has a box without width or height")]
    FlatBox,
    /// A box that leaves the image.
    #[error("has a box that reaches {by_px:.2} pixels out of the image")]
    BoxOutside {
        /// How far, in pixels.
        by_px: f64,
    },
    /// A box that is very long and narrow.
    #[error("has a box that is more than 20 times as long as wide")]
    NarrowBox,
    /// The area 0 beside a box that has one.
    #[error("has the area 0")]
    NoArea,
    /// A mask that is nearly the one of another object on the same image.
    #[error("has nearly the mask of annotation {other}, IoU {iou:.3}{}", if *same_category { "" } else { ", in another category" })]
    NearDuplicate {
        /// The other object's id.
        other: i64,
        /// The `IoU` of the two.
        iou: f64,
        /// Whether both have the same category.
        same_category: bool,
    },
    /// An image without width or height.
    #[error("has no width or no height")]
    NoSize,
    /// Two images with one file.
    #[error("has the same file as image {0}")]
    SameFile(i64),
    /// An image of LVIS with an object of a class that its marks call absent.
    #[error("has an object of class {0}, which is marked as verified absent there")]
    NotAbsent(i64),
    /// Two categories with one name, as people read it.
    #[error("has the name of category {0}, or one that only differs by spaces or capitals")]
    SameName(i64),
    /// A category that no object has.
    #[error("has no object")]
    UnusedCategory,
    /// A category that few objects have.
    #[error("has fewer than 10 objects")]
    RareCategory,
    /// A picture that is not in the folder.
    #[error("has no picture `{0}` in the folder")]
    NoPicture(String),
    /// A picture that EXIF asks viewers to turn; masks lie on the pixels as they are stored.
    #[error("is {} in other viewers, as its EXIF entry asks; masks lie on the pixels as they are stored", picture::turn(*orientation).unwrap_or("not turned"))]
    Turned {
        /// The EXIF orientation, 2 to 8.
        orientation: u8,
    },
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
        _ if far => "holds something that is no number, or lies far outside any image",
        0..6 => "has fewer than three points",
        _ => "has an odd number of coordinates",
    }
}

fn numbers(rect: Rect) -> String {
    format!("[{:.2}, {:.2}, {:.2}, {:.2}]", rect.x, rect.y, rect.width, rect.height)
}

impl Problem {
    /// The problem's kind as one word for programs; part of the JSON report, so that it never changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::Member(_) | Self::Unusable { .. } => "unusable_member",
            Self::Quoted(_) => "number_as_text",
            Self::DuplicateId { .. } | Self::Shadowed => "duplicate_id",
            Self::Repeated => "repeated_member",
            Self::NoImage(_) => "unknown_image",
            Self::NoCategory(_) => "unknown_category",
            Self::Outline => "unknown_outline",
            Self::BarePolygon => "bare_polygon",
            Self::PointLists => "point_lists",
            Self::Polygon { .. } => "bad_polygon",
            Self::NoPixels | Self::EmptyMask => "empty_mask",
            Self::Shape(_) => "bad_run_lengths",
            Self::Area { .. } => "area_disagrees",
            Self::Bbox { .. } => "box_disagrees",
            Self::FlatBox => "flat_box",
            Self::BoxOutside { .. } => "box_outside",
            Self::NarrowBox => "narrow_box",
            Self::NoArea => "no_area",
            Self::NearDuplicate { .. } => "near_duplicate",
            Self::NoSize => "no_size",
            Self::SameFile(_) => "same_file",
            Self::NotAbsent(_) => "absent_class_present",
            Self::SameName(_) => "same_name",
            Self::UnusedCategory => "unused_category",
            Self::RareCategory => "rare_category",
            Self::NoPicture(_) => "missing_picture",
            Self::Turned { .. } => "turned_picture",
            Self::Picture(_) => "unreadable_picture",
            Self::PictureSize { .. } => "picture_size",
        }
    }

    /// How much the problem weighs.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::NotAnObject
            | Self::Member(_)
            | Self::Unusable { .. }
            | Self::Quoted(_)
            | Self::DuplicateId { .. }
            | Self::Shadowed
            | Self::NoImage(_)
            | Self::NoCategory(_)
            | Self::Outline
            | Self::Shape(_)
            | Self::NoSize
            | Self::NoPicture(_)
            | Self::Picture(_)
            | Self::PictureSize { .. } => Severity::Error,
            Self::NarrowBox | Self::UnusedCategory | Self::RareCategory | Self::Turned { .. } => Severity::Note,
            Self::Repeated
            | Self::BarePolygon
            | Self::PointLists
            | Self::Polygon { .. }
            | Self::NoPixels
            | Self::EmptyMask
            | Self::Area { .. }
            | Self::Bbox { .. }
            | Self::FlatBox
            | Self::BoxOutside { .. }
            | Self::NoArea
            | Self::NearDuplicate { .. }
            | Self::NotAbsent(_)
            | Self::SameName(_)
            | Self::SameFile(_) => Severity::Warning,
        }
    }
}
