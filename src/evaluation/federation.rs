//! What LVIS changes about average precision (Gupta, Dollár and Girshick, 2019): an image is labelled for some classes only,
//! so a detection of any other class says nothing; and classes are grouped by how often they occur.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::annotation::{CategoryId, Dataset, ImageId, Instance};
use crate::formats::lvis::{Frequency, Marks, frequency, is_lvis, marks};

/// Detections of one image that count, over all classes.
const MOST_DETECTIONS: usize = 300;

/// Which classes each image of a data set of LVIS is labelled for.
pub(super) struct Federation {
    marks: HashMap<ImageId, Marks>,
    positive: HashSet<(CategoryId, ImageId)>,
    frequencies: HashMap<CategoryId, Frequency>,
}

impl Federation {
    /// `None` where the data set is not one of LVIS.
    pub(super) fn of(truth: &Dataset) -> Option<Self> {
        is_lvis(truth).then(|| Self {
            marks: truth.images.iter().rev().map(|image| (image.id, marks(image))).collect(),
            positive: truth.instances.iter().map(|instance| (instance.category_id, instance.image_id)).collect(),
            frequencies: truth.categories.iter().rev().filter_map(|category| Some((category.id, frequency(category)?))).collect(),
        })
    }

    /// The marks of an image, where it is one of the data set.
    pub(super) fn marks(&self, image: ImageId) -> Option<&Marks> {
        self.marks.get(&image)
    }

    /// How often a class occurs, where its record says so.
    pub(super) fn frequency(&self, class: CategoryId) -> Option<Frequency> {
        self.frequencies.get(&class).copied()
    }

    /// Whether a detection of this class on this image counts: the image has objects of it, or is known to have none.
    pub(super) fn counts(&self, class: CategoryId, image: ImageId) -> bool {
        self.positive.contains(&(class, image)) || self.marks(image).is_some_and(|marks| marks.absent.contains(&class))
    }

    /// Whether a detection of this class that finds nothing may be right all the same.
    pub(super) fn is_open(&self, class: CategoryId, image: ImageId) -> bool {
        self.marks(image).is_some_and(|marks| marks.not_exhaustive.contains(&class))
    }

    /// The best detections of each image over all classes, in the order given.
    pub(super) fn best<'a>(found: impl Iterator<Item = &'a Instance>) -> Vec<&'a Instance> {
        let found: Vec<&Instance> = found.collect();
        let mut of_image = BTreeMap::<ImageId, Vec<usize>>::new();
        for (place, instance) in found.iter().enumerate() {
            of_image.entry(instance.image_id).or_default().push(place);
        }
        let mut kept: Vec<usize> = Vec::with_capacity(found.len());
        for places in of_image.values_mut() {
            places.sort_by(|&a, &b| found[b].score.unwrap_or(0.0).total_cmp(&found[a].score.unwrap_or(0.0)));
            kept.extend(places.iter().take(MOST_DETECTIONS));
        }
        kept.sort_unstable();
        kept.into_iter().map(|place| found[place]).collect()
    }
}
