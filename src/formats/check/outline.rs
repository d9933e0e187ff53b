//! One object: does it have pixels, and do its area and box follow from them.

use crate::annotation::{Instance, Shape};
use crate::formats::Problem;
use crate::geometry::{Rect, Size};
use crate::mask::{polygon, rle};

/// Areas may differ by this share, because some writers round and some count pixels.
const AREA_SHARE: f64 = 0.02;
/// Areas may differ by this much, in square pixels.
const AREA_PX: f64 = 2.0;
/// An edge of the box may lie this far from the outline's, in pixels: some writers count pixels, some edges.
const EDGE_PX: f64 = 2.0;

/// What is odd about the outline of `instance` on an image of `size`. Outlines that do not fit the image at all are for the
/// reader to name.
pub(super) fn problems(instance: &Instance, size: Size) -> Vec<Problem> {
    let stored = instance.area;
    let near = |area: f64| (stored - area).abs() <= AREA_PX.max(AREA_SHARE * area);
    let mut problems = Vec::new();
    match &instance.shape {
        Shape::Box => return problems,
        Shape::Rle { counts, .. } => {
            let area = rle::area(counts) as f64;
            if area == 0.0 {
                return vec![Problem::EmptyMask];
            }
            if !near(area) {
                problems.push(Problem::Area { stored, found: area });
            }
        }
        Shape::Polygons(polygons) => {
            // Drawing costs more than adding up, and few objects need it.
            if !instance.shape.area().is_some_and(near) {
                let found = rle::area(&polygon::runs(polygons, size)) as f64;
                // The reader has said that there is no pixel.
                if found > 0.0 && !near(found) {
                    problems.push(Problem::Area { stored, found });
                }
            }
        }
    }
    if let Some(found) = instance.shape.bounds()
        && !is_near(instance.bbox, found)
        // Writers clip the box where polygons leave the image.
        && !is_near(instance.bbox, found.clipped(size))
    {
        problems.push(Problem::Bbox { stored: instance.bbox, found });
    }
    problems
}

fn is_near(a: Rect, b: Rect) -> bool {
    let edges = [(a.x, b.x), (a.y, b.y), (a.right(), b.right()), (a.bottom(), b.bottom())];
    edges.into_iter().all(|(a, b)| (a - b).abs() <= EDGE_PX)
}
