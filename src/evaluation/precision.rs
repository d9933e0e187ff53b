//! COCO's and LVIS' average precision of masks or boxes, by the `hotcoco` port of pycocotools and lvis-api.

use std::collections::{BTreeMap, HashMap};

use hotcoco::params::IouType;
use hotcoco::{Annotation, EvalMode, Segmentation, StreamingEval};
use serde::Serialize;

use super::federation::Federation;
use crate::annotation::{Category, CategoryId, Dataset, Image, ImageId, Instance, Shape};
use crate::geometry::Rect;
use crate::job::{Meter, Stopped, Watch};

/// So many images lie between two looks at the cancel flag.
const CHUNK: usize = 256;

/// Average precision at up to 100 detections an image and class, for LVIS 300 an image; a value is -1 where there is
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

/// An image with its objects and what was found on it.
struct Page<'a> {
    image: &'a Image,
    objects: Vec<&'a Instance>,
    found: Vec<&'a Instance>,
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
/// When the evaluation refuses its input, or the comparison was stopped.
pub fn precision(truth: &Dataset, prediction: &Dataset, watch: &mut Watch<'_>) -> Result<Precision, PrecisionError> {
    measured(truth, prediction, IouType::Segm, watch)
}

/// As [`precision`], of the boxes alone.
///
/// # Errors
/// As [`precision`].
pub fn box_precision(truth: &Dataset, prediction: &Dataset, watch: &mut Watch<'_>) -> Result<Precision, PrecisionError> {
    measured(truth, prediction, IouType::Bbox, watch)
}

fn measured(truth: &Dataset, prediction: &Dataset, kind: IouType, watch: &mut Watch<'_>) -> Result<Precision, PrecisionError> {
    let federation = Federation::of(truth);
    let numbers: HashMap<CategoryId, u64> =
        truth.categories.iter().enumerate().rev().map(|(place, category)| (category.id, place as u64 + 1)).collect();
    let annotation = |image_id: u64, instance: &Instance| {
        Some(Annotation {
            image_id,
            category_id: *numbers.get(&instance.category_id)?,
            bbox: Some(corners(instance.bbox)),
            area: Some(instance.area),
            segmentation: Some(segmentation(instance)),
            iscrowd: instance.crowd,
            score: instance.score,
            ..Annotation::default()
        })
    };
    // A result with a box would be taken for one of boxes, and its area for that of the box. What its record says of its area
    // does not count, as in `COCO.loadRes`.
    let result = |image_id: u64, instance: &Instance| {
        let result = annotation(image_id, instance)?;
        Some(match kind {
            IouType::Bbox => Annotation { segmentation: None, area: Some(instance.bbox.area()), ..result },
            _ => Annotation { bbox: None, area: instance.shape.area().or(result.area), ..result },
        })
    };
    let mode = if federation.is_some() { EvalMode::Lvis } else { EvalMode::Coco };
    let mut evaluation = StreamingEval::new(mode.default_params(kind), mode, classes(truth, federation.as_ref()))?;
    let pages = pages(truth, prediction);
    let meter = Meter::start("matching detections", pages.len() as u64);
    // The evaluation knows only ids from 0; ours may be negative. It goes by the order of ids where scores are equal.
    let mut number: u64 = 0;
    for chunk in pages.chunks(CHUNK) {
        watch.step(&meter, number as usize)?;
        let (mut images, mut objects, mut found) = (Vec::with_capacity(chunk.len()), Vec::new(), Vec::new());
        for page in chunk {
            number += 1;
            images.push(image(page.image, number, federation.as_ref(), &numbers));
            objects.extend(page.objects.iter().filter_map(|instance| annotation(number, instance)));
            found.extend(page.found.iter().filter_map(|instance| result(number, instance)));
        }
        evaluation.update(images, objects, found)?;
    }
    let mut evaluation = evaluation.finalize();
    evaluation.accumulate();
    evaluation.summarize_lines();
    let Some(&[ap, ap50, ap75, small, medium, large, a, b, c, ..]) = evaluation.stats() else { return Err(PrecisionError::Incomplete) };
    Ok(Precision { ap, ap50, ap75, small, medium, large, by_frequency: federation.map(|_| [a, b, c]) })
}

/// The images of `truth` in the order of their ids; of several with one id the first counts.
fn pages<'a>(truth: &'a Dataset, prediction: &'a Dataset) -> Vec<Page<'a>> {
    let mut pages: BTreeMap<ImageId, Page<'a>> =
        truth.images.iter().rev().map(|image| (image.id, Page { image, objects: Vec::new(), found: Vec::new() })).collect();
    for instance in &truth.instances {
        if let Some(page) = pages.get_mut(&instance.image_id) {
            page.objects.push(instance);
        }
    }
    for instance in prediction.instances.iter().filter(|instance| instance.score.is_some_and(|score| !score.is_nan())) {
        if let Some(page) = pages.get_mut(&instance.image_id) {
            page.found.push(instance);
        }
    }
    pages.into_values().collect()
}

/// The classes of `truth`, by their places from 1.
fn classes(truth: &Dataset, federation: Option<&Federation>) -> Vec<hotcoco::Category> {
    let class = |(category, id): (&Category, u64)| hotcoco::Category {
        id,
        name: id.to_string(),
        frequency: federation.and_then(|all| all.frequency(category.id)).map(|frequency| frequency.letter().to_owned()),
        ..hotcoco::Category::default()
    };
    truth.categories.iter().zip(1..).map(class).collect()
}

fn image(image: &Image, id: u64, federation: Option<&Federation>, numbers: &HashMap<CategoryId, u64>) -> hotcoco::Image {
    let marks = federation.and_then(|all| all.marks(image.id)).cloned().unwrap_or_default();
    let places = |ids: &[CategoryId]| ids.iter().filter_map(|id| numbers.get(id).copied()).collect::<Vec<u64>>();
    hotcoco::Image {
        id,
        width: image.size.width,
        height: image.size.height,
        neg_category_ids: places(&marks.absent),
        not_exhaustive_category_ids: places(&marks.not_exhaustive),
        ..hotcoco::Image::default()
    }
}

fn corners(bbox: Rect) -> [f64; 4] {
    [bbox.x, bbox.y, bbox.width, bbox.height]
}

fn segmentation(instance: &Instance) -> Segmentation {
    match &instance.shape {
        Shape::Box => Segmentation::Rect(corners(instance.bbox)),
        Shape::Polygons(polygons) => Segmentation::Polygon(polygons.to_vec()),
        Shape::Rle { size, counts, .. } => Segmentation::UncompressedRle { size: [size.height, size.width], counts: counts.to_vec() },
    }
}
