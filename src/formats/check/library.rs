//! hotcoco's health check of boxes and of the spread of categories, over records that are named by their places, because
//! its ids cannot be negative or equal.

use std::collections::HashMap;

use hotcoco::quality::healthcheck;
use hotcoco::types;

use super::{Finding, Summary};
use crate::annotation::{Dataset, ImageId};
use crate::formats::{Problem, Record};
use crate::geometry::Size;

/// A box that leaves the image by less than this, in pixels, was rounded.
const ROUNDING_PX: f64 = 0.05;

/// Stands for a record that the data set does not have.
const NOWHERE: u64 = u64::MAX;

pub(super) fn findings(dataset: &Dataset) -> (Vec<Finding>, Summary) {
    let health = healthcheck(&twin(dataset));
    let sizes = dataset.sizes();
    let mut found = Vec::new();
    for finding in health.errors.iter().chain(&health.warnings) {
        for &place in &finding.affected_ids {
            found.extend(translated(dataset, &sizes, finding.code, place as usize));
        }
    }
    let summary = Summary {
        images: health.summary.num_images,
        images_without_objects: health.summary.images_without_annotations,
        objects: health.summary.num_annotations,
        categories: health.summary.num_categories,
        imbalance: health.summary.imbalance_ratio,
    };
    (found, summary)
}

/// The finding in this program's words; `None` for what is said elsewhere: unknown ids by the reader, near-duplicates with
/// their partner and `IoU` by the comparison of masks.
fn translated(dataset: &Dataset, sizes: &HashMap<ImageId, Size>, code: &str, place: usize) -> Option<Finding> {
    let of_object = |problem| Some(Finding::of(dataset, place, problem));
    let of_category = |problem| {
        let category = dataset.categories.get(place)?;
        // The objects of two records with one id are the first one's; the reader has named the other.
        let is_first = dataset.categories[..place].iter().all(|earlier| earlier.id != category.id);
        is_first.then_some(Finding { instance: None, record: Record::Category(category.id.0), problem })
    };
    match code {
        "degenerate_bbox" => of_object(Problem::FlatBox),
        "zero_area" => of_object(Problem::NoArea),
        "extreme_aspect_ratio" => of_object(Problem::NarrowBox),
        "bbox_out_of_bounds" => {
            let instance = dataset.instances.get(place)?;
            let size = *sizes.get(&instance.image_id)?;
            let (bbox, width, height) = (instance.bbox, f64::from(size.width), f64::from(size.height));
            let by_px = [-bbox.x, -bbox.y, bbox.right() - width, bbox.bottom() - height].into_iter().fold(0.0, f64::max);
            (size.has_pixels() && by_px > ROUNDING_PX).then(|| Finding::of(dataset, place, Problem::BoxOutside { by_px }))
        }
        "zero_dimensions" => {
            let image = dataset.images.get(place)?;
            Some(Finding { instance: None, record: Record::Image(image.id.0), problem: Problem::NoSize })
        }
        "zero_instance_category" => of_category(Problem::UnusedCategory),
        "low_instance_category" => of_category(Problem::RareCategory),
        _ => None,
    }
}

fn twin(dataset: &Dataset) -> types::Dataset {
    let images: HashMap<_, _> = dataset.images.iter().enumerate().rev().map(|(place, image)| (image.id, place as u64)).collect();
    let categories: HashMap<_, _> = dataset.categories.iter().enumerate().rev().map(|(place, class)| (class.id, place as u64)).collect();
    types::Dataset {
        images: (0..)
            .zip(&dataset.images)
            .map(|(id, image)| types::Image { id, width: image.size.width, height: image.size.height, ..types::Image::default() })
            .collect(),
        categories: (0..)
            .zip(&dataset.categories)
            // By place too, because the counts go by name.
            .map(|(id, _)| types::Category { id, name: id.to_string(), ..types::Category::default() })
            .collect(),
        annotations: (0..)
            .zip(&dataset.instances)
            .map(|(id, instance)| types::Annotation {
                id,
                image_id: images.get(&instance.image_id).copied().unwrap_or(NOWHERE),
                category_id: categories.get(&instance.category_id).copied().unwrap_or(NOWHERE),
                bbox: Some([instance.bbox.x, instance.bbox.y, instance.bbox.width, instance.bbox.height]),
                area: Some(instance.area),
                ..types::Annotation::default()
            })
            .collect(),
        ..types::Dataset::default()
    }
}
