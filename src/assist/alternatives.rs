//! Several samples of one object: which of them are worth showing, in what order, and where they disagree.

use super::Patch;
use crate::mask::{Mask, metric};

/// Two masks with a larger `IoU` are shown as one.
const SAME: f64 = 0.9;
/// Disagreement is shown this many cells around the boundary.
const BAND: usize = 3;

/// One of several masks for an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// The mask, as large as the image.
    pub mask: Mask,
    /// The soft map that it was cut from.
    pub patch: Patch,
    /// The `IoU` with the truth that is to be expected, in [0, 1].
    pub expected_iou: f32,
}

/// Those of `others` that differ from `first` and from each other, the most promising first.
///
/// The first mask keeps its place: the quality head is not sure enough to choose between it and masks that were pushed
/// away from it (mean `IoU` over 60 objects .690 for the first, .677 for the one of four with the best predicted quality,
/// .724 for the best of four). Nor is any other expected to be better than it: they start from a mask, and of a mask that it was
/// given the network always thinks well.
pub fn ranked(first: &Alternative, mut others: Vec<Alternative>) -> Vec<Alternative> {
    others.sort_by(|a, b| b.expected_iou.total_cmp(&a.expected_iou));
    let mut distinct: Vec<Alternative> = Vec::new();
    for next in others {
        if std::iter::once(first).chain(&distinct).all(|known| metric::iou(&known.mask, &next.mask) <= SAME) {
            distinct.push(Alternative { expected_iou: next.expected_iou.min(first.expected_iou), ..next });
        }
    }
    distinct
}

/// How well soft maps on one grid agree: the mean `IoU` of every pair; 1 for fewer than two.
pub fn agreement(maps: &[&[f32]]) -> f64 {
    let (mut sum, mut pairs) = (0.0, 0.0_f64);
    for (index, a) in maps.iter().enumerate() {
        for b in &maps[..index] {
            sum += metric::cell_iou(a.iter().zip(*b).map(|(&a, &b)| (a >= 0.5, b >= 0.5)));
            pairs += 1.0;
        }
    }
    if pairs > 0.0 { sum / pairs } else { 1.0 }
}

/// How far the samples differ in each cell of a grid of `side` x `side`: twice their standard deviation, in [0, 1], and 0
/// away from the boundary of their mean.
pub fn spread(maps: &[&[f32]], side: usize) -> Vec<f32> {
    let count = maps.len().max(1) as f32;
    let mean: Vec<f32> = (0..side * side).map(|cell| maps.iter().map(|map| map[cell]).sum::<f32>() / count).collect();
    let band = band(&mean, side);
    let deviation = |cell: usize| (maps.iter().map(|map| (map[cell] - mean[cell]).powi(2)).sum::<f32>() / count).sqrt();
    (0..side * side).map(|cell| if band[cell] { (2.0 * deviation(cell)).min(1.0) } else { 0.0 }).collect()
}

/// The cells within [`BAND`] of one on the other side.
fn band(mean: &[f32], side: usize) -> Vec<bool> {
    let inside: Vec<bool> = mean.iter().map(|&value| value >= 0.5).collect();
    let near = |at: usize| at.saturating_sub(BAND)..(at + BAND + 1).min(side);
    let is_near = |cell: usize| {
        let (x, y) = (cell % side, cell / side);
        near(y).any(|row| near(x).any(|column| inside[row * side + column] != inside[cell]))
    };
    (0..side * side).map(is_near).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Rect, Size};

    fn alternative(width: f64, expected_iou: f32) -> Alternative {
        let mask = Mask::filled(Size::new(40, 20), Rect::new(0.0, 0.0, width, 20.0));
        Alternative { mask, patch: Patch { rect: Rect::default(), side: 1, soft: vec![1.0] }, expected_iou }
    }

    #[test]
    fn near_copies_are_one_and_the_best_of_the_others_comes_next() {
        let others =
            vec![alternative(20.0, 0.6), alternative(11.0, 0.1), alternative(10.0, 0.7), alternative(36.0, 0.8), alternative(39.0, 0.9)];
        let found = ranked(&alternative(21.0, 0.75), others);
        assert_eq!(found.iter().map(|one| one.mask.area()).collect::<Vec<_>>(), [780, 200]);
        assert!(found.iter().all(|one| one.expected_iou <= 0.75), "none is expected to beat the first");
    }

    #[test]
    fn samples_differ_only_near_the_boundary_of_their_mean() {
        let side = 16;
        let half = |edge: usize| (0..side * side).map(|cell| f32::from(u8::from(cell % side < edge))).collect::<Vec<_>>();
        let (a, mut b) = (half(8), half(9));
        b[side - 1] = 1.0;
        let maps = [a.as_slice(), b.as_slice()];
        let spread = spread(&maps, side);
        assert!((spread[8] - 1.0).abs() < 1e-6 && spread[0] < 1e-6, "{spread:?}");
        assert!(spread[side * 9 + 15] < 1e-6, "far from the boundary");
        assert!((agreement(&maps) - 128.0 / 145.0).abs() < 1e-9);
        assert!((agreement(&maps[..1]) - 1.0).abs() < 1e-9);
    }
}
