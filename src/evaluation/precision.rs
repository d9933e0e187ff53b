//! COCO's and LVIS' average precision of masks, by the `hotcoco` port of pycocotools and lvis-api.

use std::collections::{BTreeSet, HashMap};

use hotcoco::params::IouType;
use hotcoco::{Annotation, COCO, COCOeval, Segmentation};
use serde::Serialize;

use super::federation::Federation;
use crate::annotation::{CategoryId, Dataset, Instance, Shape};
use crate::geometry::Rect;
use crate::job::Stopped;

/// Average precision of masks at up to 100 detections an image and class, for LVIS 300 an image; a value is -1 where there is
/// no object to find.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Precision {
    /// Mean over the `IoU` thresholds 0.5, 0.55, ..., 0.95.
    pub ap: f64,
    /// At `IoU` 0.5.
    pub ap50: f64,
    /// At `IoU` 0.75.
    pub ap75: f64,
    /// Small objects.
    pub small: f64,
    /// Medium objects.
    pub medium: f64,
    /// Large objects.
    pub large: f64,
    /// LVIS: rare, common and frequent classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_frequency: Option<[f64; 3]>,
}

impl Precision {
    /// The values with their usual names.
    pub fn named(&self) -> Vec<(&'static str, f64)> {
        let Self { ap, ap50, ap75, small, medium, large, by_frequency } = *self;
        let mut named = vec![("AP", ap), ("AP50", ap50), ("AP75", ap75), ("APs", small), ("APm", medium), ("APl", large)];
        named.extend(by_frequency.into_iter().flat_map(|values| ["APr", "APc", "APf"].into_iter().zip(values)));
        named
    }
}

/// Why a comparison gave no average precision.
#[derive(Debug, thiserror::Error)]
pub enum PrecisionError {
    /// The evaluation refuses its input.
    #[error("average precision cannot be computed: {0}")]
    Input(#[from] hotcoco::Error),
    /// The evaluation gave fewer values than COCO defines.
    #[error("average precision came out incomplete")]
    Incomplete,
    /// The comparison was stopped on request.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Average precision of the predictions that have a score. Those on images or of categories that `truth` does not have
/// are left out, as in COCO's own evaluation. Where `truth` is one of LVIS, only classes that an image is labelled for count.
///
/// # Errors
/// When the evaluation refuses its input.
pub fn precision(truth: &Dataset, prediction: &Dataset) -> Result<Precision, PrecisionError> {
    // The evaluation knows only ids from 0; ours may be negative. It goes by the order of ids where scores are equal.
    let ids: BTreeSet<_> = truth.images.iter().map(|image| image.id).collect();
    let images: HashMap<_, _> = ids.into_iter().zip(1_u64..).collect();
    let categories: HashMap<_, _> =
        truth.categories.iter().enumerate().rev().map(|(place, category)| (category.id, place as u64 + 1)).collect();
    let annotation = |id: usize, instance: &Instance| {
        Some(Annotation {
            id: id as u64 + 1,
            image_id: *images.get(&instance.image_id)?,
            category_id: *categories.get(&instance.category_id)?,
            bbox: Some(corners(instance.bbox)),
            area: Some(instance.area),
            segmentation: Some(segmentation(instance)),
            iscrowd: instance.crowd,
            score: instance.score,
            ..Annotation::default()
        })
    };
    let federation = Federation::of(truth);
    let places = |ids: &[CategoryId]| ids.iter().filter_map(|id| categories.get(id).copied()).collect::<Vec<u64>>();
    let dataset = hotcoco::Dataset {
        images: truth
            .images
            .iter()
            .map(|image| {
                let marks = federation.as_ref().and_then(|federation| federation.marks(image.id)).cloned().unwrap_or_default();
                hotcoco::Image {
                    id: images.get(&image.id).copied().unwrap_or_default(),
                    width: image.size.width,
                    height: image.size.height,
                    neg_category_ids: places(&marks.absent),
                    not_exhaustive_category_ids: places(&marks.not_exhaustive),
                    ..hotcoco::Image::default()
                }
            })
            .collect(),
        categories: truth
            .categories
            .iter()
            .zip(1..)
            .map(|(category, id)| hotcoco::Category {
                id,
                name: id.to_string(),
                frequency: federation
                    .as_ref()
                    .and_then(|federation| federation.frequency(category.id))
                    .map(|frequency| frequency.letter().to_owned()),
                ..hotcoco::Category::default()
            })
            .collect(),
        annotations: truth.instances.iter().enumerate().filter_map(|(place, instance)| annotation(place, instance)).collect(),
        ..hotcoco::Dataset::default()
    };
    let scored = prediction.instances.iter().filter(|instance| instance.score.is_some_and(|score| !score.is_nan()));
    // A result with a box would be taken for one of boxes, and its area for that of the box.
    let result = |(place, instance)| annotation(place, instance).map(|result| Annotation { bbox: None, ..result });
    let results = scored.enumerate().filter_map(result).collect();
    let truth = COCO::from_dataset(dataset);
    let results = truth.load_res_anns(results)?;
    let mut evaluation = match &federation {
        Some(_) => COCOeval::new_lvis(truth, results, IouType::Segm),
        None => COCOeval::new(truth, results, IouType::Segm),
    };
    evaluation.evaluate()?;
    evaluation.accumulate();
    evaluation.summarize_lines();
    let Some(&[ap, ap50, ap75, small, medium, large, a, b, c, ..]) = evaluation.stats() else { return Err(PrecisionError::Incomplete) };
    Ok(Precision { ap, ap50, ap75, small, medium, large, by_frequency: federation.map(|_| [a, b, c]) })
}

fn corners(bbox: Rect) -> [f64; 4] {
    [bbox.x, bbox.y, bbox.width, bbox.height]
}

fn segmentation(instance: &Instance) -> Segmentation {
    match &instance.shape {
        Shape::Box => Segmentation::Rect(corners(instance.bbox)),
        Shape::Polygons(polygons) => Segmentation::Polygon(polygons.clone()),
        Shape::Rle { size, counts, .. } => Segmentation::UncompressedRle { size: [size.height, size.width], counts: counts.clone() },
    }
}
