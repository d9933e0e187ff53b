//! How well one mask agrees with another.

use super::morphology::{Border, dilated_round, eroded, eroded_round};
use super::{Mask, PixelRect};
use crate::geometry::Size;

/// Shared pixels over all pixels of both; 1 where both are empty.
///
/// # Panics
/// When the masks have different sizes.
pub fn iou(a: &Mask, b: &Mask) -> f64 {
    assert_eq!(a.size(), b.size(), "masks on different grids have no IoU");
    let (mut shared, mut all) = (0_u64, 0_u64);
    for (a, b) in a.bytes().chunks(128).zip(b.bytes().chunks(128)) {
        // 128 ones fit a byte, so that this becomes wide byte additions.
        let (mut both, mut any) = (0_u8, 0_u8);
        for (a, b) in a.iter().zip(b) {
            both += a & b;
            any += a | b;
        }
        shared += u64::from(both);
        all += u64::from(any);
    }
    ratio(shared, all)
}

/// [`iou`] of two masks whose cells come in pairs.
pub fn cell_iou(cells: impl Iterator<Item = (bool, bool)>) -> f64 {
    let (shared, all) = cells.fold((0, 0), |(shared, all), (a, b)| (shared + u64::from(a && b), all + u64::from(a || b)));
    ratio(shared, all)
}

/// The distance in pixels that [`boundary_iou`] calls the boundary: 2 % of the image's diagonal, at least 1.
pub fn boundary_distance(image: Size) -> u32 {
    let diagonal = f64::from(image.width).hypot(f64::from(image.height));
    (0.02 * diagonal).round_ties_even().max(1.0) as u32
}

/// The intersection over union of the two inner boundary bands, each the pixels that vanish when the mask shrinks
/// [`boundary_distance`] times by a 3x3 square; the border of the image counts as boundary (Cheng et al. 2021).
/// 1 where both masks are empty.
///
/// # Panics
/// When the masks have different sizes.
pub fn boundary_iou(a: &Mask, b: &Mask) -> f64 {
    assert_eq!(a.size(), b.size(), "masks on different grids have no boundary IoU");
    let distance = boundary_distance(a.size());
    let window = a.bounds().unwrap_or_default().union(b.bounds().unwrap_or_default());
    boundary_iou_at(&a.cropped(window), &b.cropped(window), distance)
}

/// [`boundary_iou`] at a distance of the caller's choice. Masks cropped to a window that holds both give the same as
/// whole ones, because what lies outside is empty either way.
pub fn boundary_iou_at(a: &Mask, b: &Mask, distance_px: u32) -> f64 {
    let band = |mask: &Mask| {
        let mut band = eroded(mask, distance_px, Border::Empty);
        for (out, &value) in band.data.iter_mut().zip(mask.bytes()) {
            *out ^= value;
        }
        band
    };
    iou(&band(a), &band(b))
}

/// Mean boundary accuracy: the share of pixels that agree with `truth` in a band around its boundary, averaged over
/// five widths up to (width + height) / 300 (Cheng et al. 2020, `CascadePSP`). Where `truth` has no boundary, 1 if the
/// masks are equal and else 0.
///
/// # Panics
/// When the masks have different sizes.
pub fn mean_boundary_accuracy(truth: &Mask, prediction: &Mask) -> f64 {
    assert_eq!(truth.size(), prediction.size(), "masks on different grids have no boundary accuracy");
    let radii = boundary_radii(truth.size());
    let window = accuracy_window(truth.bounds().unwrap_or_default(), truth.size());
    let (truth_crop, prediction_crop) = (truth.cropped(window), prediction.cropped(window));
    boundary_accuracy_at(&truth_crop, &prediction_crop, radii).unwrap_or_else(|| f64::from(u8::from(truth == prediction)))
}

/// The five band widths of [`mean_boundary_accuracy`].
pub fn boundary_radii(image: Size) -> [u32; 5] {
    let largest = (f64::from(image.width) + f64::from(image.height)) / 300.0;
    std::array::from_fn(|i| 1 + ((largest - 1.0) / 5.0 * i as f64).max(0.0) as u32)
}

/// The part of the image that [`mean_boundary_accuracy`] looks at for a truth within `bounds`.
pub fn accuracy_window(bounds: PixelRect, image: Size) -> PixelRect {
    let [.., widest] = boundary_radii(image);
    bounds.grown(2 * widest + 1, image)
}

/// [`mean_boundary_accuracy`] at radii of the caller's choice; `None` where `truth` has no boundary.
pub fn boundary_accuracy_at(truth: &Mask, prediction: &Mask, radii: [u32; 5]) -> Option<f64> {
    let mut sum = 0.0;
    let mut known: Option<(u32, f64)> = None;
    for radius in radii {
        let accuracy = match known {
            Some((before, accuracy)) if before == radius => accuracy,
            _ => band_accuracy(truth, prediction, radius)?,
        };
        known = Some((radius, accuracy));
        sum += accuracy;
    }
    Some(sum / radii.len() as f64)
}

fn band_accuracy(truth: &Mask, prediction: &Mask, radius: u32) -> Option<f64> {
    let (outer, inner) = (dilated_round(truth, radius), eroded_round(truth, radius));
    let (mut right, mut all) = (0_u64, 0_u64);
    for (((&outer, &inner), &truth), &prediction) in outer.bytes().iter().zip(inner.bytes()).zip(truth.bytes()).zip(prediction.bytes()) {
        let band = outer ^ inner;
        all += u64::from(band);
        right += u64::from(band & (1 ^ truth ^ prediction));
    }
    (all > 0).then(|| right as f64 / all as f64)
}

fn ratio(shared: u64, all: u64) -> f64 {
    if all == 0 { 1.0 } else { shared as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rect;

    #[test]
    fn distances_and_radii_of_the_papers() {
        assert_eq!([(256, 256), (640, 480), (1920, 1080)].map(|(w, h)| boundary_distance(Size::new(w, h))), [7, 16, 44]);
        assert_eq!(boundary_radii(Size::new(256, 256)), [1, 1, 1, 1, 1]);
        assert_eq!(boundary_radii(Size::new(640, 480)), [1, 1, 2, 2, 3]);
        assert_eq!(boundary_radii(Size::new(6000, 4000)), [1, 7, 13, 20, 26]);
    }

    #[test]
    fn equal_disjoint_and_empty_masks() {
        let size = Size::new(40, 30);
        let a = Mask::filled(size, Rect::new(2.0, 2.0, 9.0, 9.0));
        let b = Mask::filled(size, Rect::new(20.0, 12.0, 9.0, 9.0));
        let empty = Mask::new(size);
        assert_eq!((iou(&a, &a), boundary_iou(&a, &a), mean_boundary_accuracy(&a, &a)), (1.0, 1.0, 1.0));
        assert_eq!((iou(&a, &b), boundary_iou(&a, &b)), (0.0, 0.0));
        assert_eq!((iou(&empty, &empty), boundary_iou(&empty, &empty), mean_boundary_accuracy(&empty, &empty)), (1.0, 1.0, 1.0));
        assert!(mean_boundary_accuracy(&empty, &a) < 1e-12);
        assert!((iou(&a, &Mask::filled(size, Rect::new(2.0, 2.0, 9.0, 3.0))) - 1.0 / 3.0).abs() < 1e-12);
    }
}
