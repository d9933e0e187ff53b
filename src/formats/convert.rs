//! From one form of outline to another, with what is lost on the way.

use rayon::prelude::*;

use crate::annotation::{Dataset, Instance, InstanceId, Shape, ShapeError};
use crate::geometry::Size;
use crate::job::{Cancel, Meter, Progress};
use crate::mask::{polygon, rle};

/// Instances that are converted between two looks at the cancel flag.
const CHUNK: usize = 1 << 12;

/// The form that outlines get.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Policy {
    /// Polygons, no point of the pixel outline farther from them than this.
    Polygons {
        /// 0 keeps every pixel; around 1 gives outlines as people draw them.
        tolerance_px: f64,
    },
    /// Run lengths.
    Rle {
        /// As the compressed string, not as a list.
        compressed: bool,
    },
    /// Polygons where an outline has no hole and keeps at least this `IoU`; run lengths for the others.
    Auto {
        /// As for [`Self::Polygons`].
        tolerance_px: f64,
        /// The smallest `IoU` that is good enough, in 0..=1.
        least_iou: f64,
    },
}

impl Policy {
    /// How far a polygon may lie from the pixels' edge; 0 for run lengths.
    pub const fn tolerance_px(self) -> f64 {
        match self {
            Self::Polygons { tolerance_px } | Self::Auto { tolerance_px, .. } => tolerance_px,
            Self::Rle { .. } => 0.0,
        }
    }
}

/// What a conversion did to one instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// The instance.
    pub id: InstanceId,
    /// The `IoU` of the new pixels with the old ones; an error where it could not be converted and is as it was.
    pub iou: Result<f64, ShapeError>,
}

/// Gives every instance of `dataset` the form that `policy` asks for; one that has it already, and one that has only a
/// box, is left alone. Returns an entry for each one that changed or could not be.
pub fn convert(dataset: &mut Dataset, policy: Policy) -> Vec<Loss> {
    convert_with(dataset, policy, &Cancel::new(), &mut |_| ()).unwrap_or_default()
}

/// [`convert`] with the means to stop it and to see how far it is; `None` when `cancel` was raised, with a part of the
/// data set converted.
pub fn convert_with(dataset: &mut Dataset, policy: Policy, cancel: &Cancel, progress: &mut dyn FnMut(Progress)) -> Option<Vec<Loss>> {
    let sizes = dataset.sizes();
    let one = |instance: &mut Instance| {
        let size = match &instance.shape {
            Shape::Rle { size, .. } => *size,
            _ => sizes.get(&instance.image_id).copied()?,
        };
        let converted = converted(instance, size, policy).transpose()?;
        let iou = converted.map(|(shape, iou)| {
            instance.set_shape(shape);
            iou
        });
        Some(Loss { id: instance.id, iou })
    };
    let meter = Meter::start("Converting masks", dataset.instances.len() as u64);
    let mut losses = Vec::new();
    for (number, chunk) in dataset.instances.chunks_mut(CHUNK).enumerate() {
        if cancel.is_cancelled() {
            return None;
        }
        progress(meter.at((number * CHUNK) as u64));
        losses.par_extend(chunk.par_iter_mut().filter_map(one));
    }
    Some(losses)
}

/// The outline of `instance` in the form that `policy` asks for, and the `IoU` of the pixels; `None` where it has that form
/// already, or is only a box.
///
/// # Errors
/// When the instance's own run lengths do not fit the image.
pub fn converted(instance: &Instance, size: Size, policy: Policy) -> Result<Option<(Shape, f64)>, ShapeError> {
    let (shape, has_form) = match (&instance.shape, policy) {
        (Shape::Box, _) => return Ok(None),
        (shape @ Shape::Polygons(_), Policy::Polygons { .. } | Policy::Auto { .. }) => (shape, true),
        (shape @ Shape::Rle { compressed: stored, .. }, Policy::Rle { compressed }) => (shape, *stored == compressed),
        (shape, _) => (shape, false),
    };
    if has_form {
        return Ok(None);
    }
    let counts = shape.runs(instance.bbox, size)?;
    let as_runs = |compressed| Shape::Rle { size, counts: counts.as_ref().into(), compressed };
    let (tolerance_px, least_iou) = match policy {
        Policy::Rle { compressed } => return Ok(Some((as_runs(compressed), 1.0))),
        Policy::Polygons { tolerance_px } => (tolerance_px, 0.0),
        Policy::Auto { tolerance_px, least_iou } => (tolerance_px, least_iou),
    };
    let (polygons, has_hole) = traced(&counts, size, tolerance_px)?;
    let iou = iou(&counts, &polygon::runs(&polygons, size));
    // Polygons of an empty mask would be no outline at all.
    let keep_runs = polygons.is_empty() || matches!(policy, Policy::Auto { .. }) && (iou < least_iou || has_hole);
    if !keep_runs {
        return Ok(Some((Shape::Polygons(polygons.into()), iou)));
    }
    Ok(None)
}

/// The outline of `instance` as one polygon whose numbers are multiples of `grain_px`, and the `IoU` of the pixels; parts
/// are joined by lines without width. `None` where there is no pixel. A box is four corners.
///
/// # Errors
/// When the instance's own run lengths do not fit the image.
pub fn one_polygon(instance: &Instance, size: Size, tolerance_px: f64, grain_px: f64) -> Result<Option<(Vec<f64>, f64)>, ShapeError> {
    let counts = instance.shape.runs(instance.bbox, size)?;
    let rounded = |polygon: Vec<f64>| -> Vec<f64> { polygon.into_iter().map(|v| (v / grain_px).round() * grain_px).collect() };
    let kept = |polygon: Vec<f64>| {
        let iou = iou(&counts, &polygon::runs(std::slice::from_ref(&polygon), size));
        (polygon, iou)
    };
    let own = match &instance.shape {
        Shape::Box => Some(polygon::of_rect(instance.bbox)),
        Shape::Polygons(polygons) => Some(polygon::bridged(polygons)),
        Shape::Rle { .. } => None,
    };
    let own = own.map(|polygon| kept(rounded(polygon)));
    let is_single = !matches!(&instance.shape, Shape::Polygons(polygons) if polygons.len() > 1);
    if let Some(own) = own
        && (is_single || own.1 >= 1.0)
    {
        return Ok((!own.0.is_empty()).then_some(own));
    }
    // Parts that overlap would cut holes into each other: their union is traced instead.
    let tolerance_px = if matches!(instance.shape, Shape::Polygons(_)) { 0.0 } else { tolerance_px };
    let (polygons, _) = traced(&counts, size, tolerance_px)?;
    Ok((!polygons.is_empty()).then(|| kept(rounded(polygon::bridged(&polygons)))))
}

/// The outlines of run lengths as polygons, holes joined to their parts, and whether there is a hole.
fn traced(counts: &[u32], size: Size, tolerance_px: f64) -> Result<(Vec<Vec<f64>>, bool), ShapeError> {
    rle::check(size, counts)?;
    // Only the part of the image that the object covers is unpacked.
    let window = rle::bounds(size, counts).unwrap_or_default();
    let mut rings = polygon::rings(&rle::decode_window(size, counts, window));
    for point in rings.iter_mut().flat_map(|ring| &mut ring.points) {
        point.x += f64::from(window.x);
        point.y += f64::from(window.y);
    }
    Ok((polygon::joined(&rings, tolerance_px), rings.iter().any(|ring| ring.outer.is_some())))
}

/// The `IoU` of two masks on the same grid; 1 where both are empty.
pub(super) fn iou(a: &[u32], b: &[u32]) -> f64 {
    rle::iou(a, b).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::{CategoryId, Field, Image, ImageId};
    use crate::geometry::Rect;
    use crate::mask::Mask;

    fn dataset(mask: &Mask) -> Dataset {
        let image = Image { id: ImageId(1), file_name: "a.png".to_owned(), size: mask.size(), source: None };
        let instance = Instance {
            id: InstanceId(1),
            image_id: ImageId(1),
            category_id: CategoryId(1),
            bbox: Rect::default(),
            shape: Shape::from_mask(mask),
            area: 0.0,
            crowd: false,
            score: None,
            changed: Field::NONE,
            source: None,
        };
        Dataset { images: vec![image], instances: vec![instance], ..Dataset::default() }
    }

    #[test]
    fn there_and_back_keeps_every_pixel() {
        let mask = Mask::from_fn(Size::new(20, 15), |x, y| (x.abs_diff(9).pow(2) + y.abs_diff(7).pow(2)).abs_diff(25) < 20);
        let mut dataset = dataset(&mask);
        let loss = convert(&mut dataset, Policy::Polygons { tolerance_px: 0.0 });
        assert_eq!(loss, [Loss { id: InstanceId(1), iou: Ok(1.0) }]);
        assert!(matches!(dataset.instances[0].shape, Shape::Polygons(_)));
        assert_eq!(dataset.instances[0].bbox, mask.bbox().unwrap());
        convert(&mut dataset, Policy::Rle { compressed: false });
        assert_eq!(dataset.instances[0].mask(mask.size()).unwrap(), mask);
        assert!(convert(&mut dataset, Policy::Rle { compressed: false }).is_empty());
    }

    #[test]
    fn one_polygon_has_the_pixels_of_all_parts() {
        let mask = Mask::from_fn(Size::new(20, 15), |x, y| (x / 4 + y / 5) % 2 == 0 && !(x % 4 == 1 && y % 5 == 2));
        let mut instance = dataset(&mask).instances.remove(0);
        let (polygon, iou) = one_polygon(&instance, mask.size(), 0.0, 0.01).unwrap().unwrap();
        assert_eq!((polygon::rasterize(&[polygon], mask.size()), iou), (mask.clone(), 1.0));
        let square = |x: f64| vec![x, 1.0, x + 6.0, 1.0, x + 6.0, 7.0, x, 7.0];
        instance.set_shape(Shape::Polygons([square(1.0), square(4.0)].into()));
        let (polygon, iou) = one_polygon(&instance, mask.size(), 0.0, 0.01).unwrap().unwrap();
        assert_eq!((polygon::rasterize(&[polygon], mask.size()).area(), iou), (54, 1.0));
        instance.set_shape(Shape::from_mask(&Mask::new(mask.size())));
        assert_eq!(one_polygon(&instance, mask.size(), 0.0, 0.01), Ok(None));
    }

    #[test]
    fn auto_keeps_run_lengths_for_holes() {
        let ring = Mask::from_fn(Size::new(9, 9), |x, y| x.abs_diff(4).max(y.abs_diff(4)) == 3);
        assert!(convert(&mut dataset(&ring), Policy::Auto { tolerance_px: 0.0, least_iou: 0.9 }).is_empty());
        let full = Mask::from_fn(Size::new(9, 9), |x, y| x.abs_diff(4).max(y.abs_diff(4)) <= 3);
        assert_eq!(convert(&mut dataset(&full), Policy::Auto { tolerance_px: 0.0, least_iou: 0.9 }).len(), 1);
    }
}
