//! Images, categories and instances, with the source text of each record that was read from a file.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::geometry::{Rect, Size};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// An image's id in the file; never renumbered.
    ImageId
);
id!(
    /// A category's id in the file; never renumbered, not contiguous.
    CategoryId
);
id!(
    /// An annotation's id in the file; never renumbered.
    InstanceId
);

/// The text of a record as it stood in the file that it was read from.
#[derive(Clone, Debug)]
pub struct Verbatim {
    source: Arc<str>,
    range: Range<usize>,
}

impl Verbatim {
    /// The part `range` of `source`; `None` where `range` does not lie on character borders inside `source`.
    pub fn new(source: &Arc<str>, range: Range<usize>) -> Option<Self> {
        source.get(range.clone())?;
        Some(Self { source: Arc::clone(source), range })
    }

    /// A whole text of its own.
    pub fn whole(text: String) -> Self {
        Self { range: 0..text.len(), source: text.into() }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.source[self.range.clone()]
    }
}

impl PartialEq for Verbatim {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

/// An image of the data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Its id in the file.
    pub id: ImageId,
    /// Path relative to the image folder, with forward slashes.
    pub file_name: String,
    /// That of the stored pixels, or that after the turn by EXIF where the record tells this one.
    pub size: Size,
    /// The record as read, or as an edit of its members left it; `None` for an image that the program added.
    pub source: Option<Verbatim>,
}

/// A class of instances.
#[derive(Clone, Debug, PartialEq)]
pub struct Category {
    /// Its id in the file.
    pub id: CategoryId,
    /// The name a person sees.
    pub name: String,
    /// The group it belongs to; may be empty.
    pub supercategory: String,
    /// The record as read, or as a change of its members left it; `None` for a category that the program added.
    pub source: Option<Verbatim>,
}

/// The outline of an instance in the form that its file stores. Clones share it, so that a copy of a data set is small.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Only the bounding box is known.
    Box,
    /// The union of polygons; each a flat list x0, y0, x1, y1, ... in image coordinates.
    Polygons(Arc<[Vec<f64>]>),
    /// Column-major run lengths that begin with zeros and sum to `size.pixels()`.
    Rle {
        /// The grid, which is the image's.
        size: Size,
        /// Run lengths.
        counts: Arc<[u32]>,
        /// Whether the file stores the compressed string rather than the list.
        compressed: bool,
    },
}

/// A part of an instance that an edit may change; what was not changed is written back as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field(u8);

impl Field {
    /// Nothing changed.
    pub const NONE: Self = Self(0);
    /// `segmentation`, `area` and `bbox`.
    pub const SHAPE: Self = Self(1);
    /// `category_id`.
    pub const CATEGORY: Self = Self(2);
    /// `score`.
    pub const SCORE: Self = Self(4);
    /// `iscrowd`, also where the record has it in another form than 0 or 1, or not at all.
    pub const CROWD: Self = Self(8);

    /// The set as bits, to be stored.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set that [`Self::bits`] gave.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without those in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// One annotated object.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Its id in the file.
    pub id: InstanceId,
    /// The image that it lies on.
    pub image_id: ImageId,
    /// Its class.
    pub category_id: CategoryId,
    /// The bounding box as stored, in image coordinates.
    pub bbox: Rect,
    /// The outline.
    pub shape: Shape,
    /// The area as stored, in square pixels.
    pub area: f64,
    /// Whether the outline covers a crowd rather than one object.
    pub crowd: bool,
    /// A model's confidence, where there is one.
    pub score: Option<f64>,
    /// What differs from `source`.
    pub changed: Field,
    /// The record as read; `None` for an instance that the program added.
    pub source: Option<Verbatim>,
}

impl Instance {
    /// A new object of which only the box is known.
    pub fn boxed(id: InstanceId, image_id: ImageId, category_id: CategoryId, bbox: Rect) -> Self {
        Self {
            id,
            image_id,
            category_id,
            bbox,
            shape: Shape::Box,
            area: bbox.area(),
            crowd: false,
            score: None,
            changed: Field::NONE,
            source: None,
        }
    }
}

/// A whole data set, in file order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// The images.
    pub images: Vec<Image>,
    /// The classes.
    pub categories: Vec<Category>,
    /// The objects of all images.
    pub instances: Vec<Instance>,
    /// The file's other top-level members in file order, with `images`, `annotations` and `categories` marking
    /// their own places by an empty value (`None`).
    pub document: Vec<(String, Option<Verbatim>)>,
}

impl Dataset {
    /// The image with this id.
    pub fn image(&self, id: ImageId) -> Option<&Image> {
        self.images.iter().find(|image| image.id == id)
    }

    /// The category with this id.
    pub fn category(&self, id: CategoryId) -> Option<&Category> {
        self.categories.iter().find(|category| category.id == id)
    }

    /// The instance with this id.
    pub fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.id == id)
    }

    /// The instances on one image, in file order.
    pub fn instances_on(&self, image: ImageId) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(move |instance| instance.image_id == image)
    }

    /// Other instances on the same images, of the same classes.
    #[must_use]
    pub fn with_instances(&self, instances: Vec<Instance>) -> Self {
        Self { images: self.images.clone(), categories: self.categories.clone(), instances, document: Vec::new() }
    }

    /// The size of each image; of several with one id the first counts.
    pub fn sizes(&self) -> HashMap<ImageId, Size> {
        self.images.iter().rev().map(|image| (image.id, image.size)).collect()
    }

    /// An instance id that no instance has: the largest plus one, or the smallest free one where there is no larger.
    pub fn free_instance_id(&self) -> InstanceId {
        InstanceId(free(self.instances.iter().map(|instance| instance.id.0)))
    }

    /// Instance ids that no instance has, from [`Self::free_instance_id`] on.
    pub fn free_instance_ids(&self) -> impl Iterator<Item = InstanceId> + use<> {
        let first = self.free_instance_id().0;
        let used: HashSet<i64> = self.instances.iter().map(|instance| instance.id.0).filter(|&id| id > first).collect();
        (first..=i64::MAX).filter(move |id| !used.contains(id)).map(InstanceId)
    }

    /// A category id that no category and no instance has: the largest plus one, or the smallest free one where there is
    /// no larger.
    pub fn free_category_id(&self) -> CategoryId {
        let used = self.instances.iter().map(|instance| instance.category_id.0);
        CategoryId(free(self.categories.iter().map(|category| category.id.0).chain(used)))
    }
}

fn free(used: impl Iterator<Item = i64> + Clone) -> i64 {
    let next = used.clone().max().unwrap_or(0).checked_add(1);
    next.unwrap_or_else(|| {
        let used: HashSet<i64> = used.collect();
        (1..i64::MAX).find(|id| !used.contains(id)).unwrap_or(0)
    })
}
