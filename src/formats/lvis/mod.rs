//! What LVIS adds to COCO: synsets, and per image the classes that are known to be absent or not labelled throughout.
//!
//! The records themselves are read and written by [`super::coco`]; the marks live in the image's own record, so that a
//! file that nobody touched comes back as it was.

mod count;
mod mapping;
mod mark;
mod synset;

pub use count::{save, save_edited};
pub(super) use mapping::MARKS;
pub use mapping::{to_coco, to_lvis};
pub use mark::{Mark, Marks, freed, marks, with_marks, without_class};
pub use synset::{COCO, CocoClass, with_name, with_synset};

use serde::Deserialize;

use crate::annotation::{Category, Dataset};

/// Whether the data set is one of LVIS: its images have LVIS' marks, or its classes have synsets and its annotations no
/// crowd flag.
pub fn is_lvis(dataset: &Dataset) -> bool {
    let has = |text: Option<&crate::annotation::Verbatim>, member: &str| text.is_some_and(|text| text.text().contains(member));
    let has_flags = dataset.instances.first().is_some_and(|instance| has(instance.source.as_ref(), "\"iscrowd\""));
    dataset.images.first().is_some_and(|image| has(image.source.as_ref(), "\"neg_category_ids\""))
        || !has_flags && dataset.categories.iter().any(|category| has(category.source.as_ref(), "\"synset\""))
}

/// How often a class occurs in LVIS' training set (Gupta, Dollár and Girshick, 2019).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Frequency {
    /// On up to 10 images.
    #[serde(rename = "r")]
    Rare,
    /// On 11 to 100 images.
    #[serde(rename = "c")]
    Common,
    /// On more images.
    #[serde(rename = "f")]
    Frequent,
}

impl Frequency {
    /// That of a class on so many images of the training set.
    pub const fn of(image_count: usize) -> Self {
        match image_count {
            0..=10 => Self::Rare,
            11..=100 => Self::Common,
            _ => Self::Frequent,
        }
    }

    /// As LVIS writes it.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Rare => "r",
            Self::Common => "c",
            Self::Frequent => "f",
        }
    }
}

/// How often a class occurs, where its record says so.
pub fn frequency(category: &Category) -> Option<Frequency> {
    #[derive(Deserialize)]
    struct Record {
        frequency: Frequency,
    }
    category.source.as_ref().and_then(|text| Some(serde_json::from_str::<Record>(text.text()).ok()?.frequency))
}

/// The synset of a class: its own where the record has one, else the one that LVIS uses for a class of COCO of that name.
pub fn synset(category: &Category) -> Option<String> {
    stored_synset(category).or_else(|| with_name(&category.name).map(|class| class.synset.to_owned()))
}

/// The synset in the record of a class; an empty one is none.
pub(super) fn stored_synset(category: &Category) -> Option<String> {
    #[derive(Deserialize)]
    struct Record {
        synset: Option<String>,
    }
    let stored = category.source.as_ref().and_then(|text| serde_json::from_str::<Record>(text.text()).ok()?.synset);
    stored.filter(|synset| !synset.is_empty())
}
