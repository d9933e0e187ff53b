//! One predicted mask against one true one, looking only at the part of the image that they cover.

use serde::Serialize;

use crate::annotation::{Instance, ShapeError};
use crate::geometry::Size;
use crate::mask::{metric, rle};

/// How well two masks of one object agree; all values in 0..=1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Agreement {
    /// Intersection over union.
    pub iou: f64,
    /// `IoU` of the boundary bands.
    pub boundary_iou: f64,
    /// Mean boundary accuracy.
    pub boundary_accuracy: f64,
}

/// How well `prediction` agrees with `truth` on an image of `size`.
///
/// # Errors
/// When a mask does not fit the image.
pub fn agreement(truth: &Instance, prediction: &Instance, size: Size) -> Result<Agreement, ShapeError> {
    let (true_runs, other_runs) = (truth.shape.runs(truth.bbox, size)?, prediction.shape.runs(prediction.bbox, size)?);
    let (true_area, other_area) = (rle::area(&true_runs), rle::area(&other_runs));
    let shared = rle::intersection(&true_runs, &other_runs);
    let all = true_area + other_area - shared;
    if all == 0 {
        return Ok(Agreement { iou: 1.0, boundary_iou: 1.0, boundary_accuracy: 1.0 });
    }
    let (true_bounds, other_bounds) = (rle::bounds(size, &true_runs), rle::bounds(size, &other_runs));
    let (true_bounds, other_bounds) = (true_bounds.unwrap_or_default(), other_bounds.unwrap_or_default());
    let both = true_bounds.union(other_bounds);
    let crops = |window| [&true_runs, &other_runs].map(|runs| rle::decode_window(size, runs, window));
    let [true_crop, other_crop] = crops(both);
    let boundary_iou = metric::boundary_iou_at(&true_crop, &other_crop, metric::boundary_distance(size));
    let [true_crop, other_crop] = crops(metric::accuracy_window(true_bounds, size));
    let boundary_accuracy = metric::boundary_accuracy_at(&true_crop, &other_crop, metric::boundary_radii(size));
    let equal = f64::from(u8::from(shared == all));
    Ok(Agreement { iou: shared as f64 / all as f64, boundary_iou, boundary_accuracy: boundary_accuracy.unwrap_or(equal) })
}
