//! Several looks at one object: crops that hold more or less of what lies around, and the mirror image of each. What the
//! network says of them is averaged, which errs less than any of them.

use burn::tensor::Tensor;
use image::RgbImage;
use rayon::prelude::*;

use super::Patch;
use super::view::View;
use crate::geometry::Rect;

/// How much of each side the crops hold beyond the box, on every side, besides that of a first look.
const SHARES: [f64; 2] = [0.12, 0.45];
/// The same for long boxes, of whose outlines a crop shows more the less it holds beside them.
const CLOSE_SHARES: [f64; 2] = [0.12, 0.05];
/// A box is long from so many times a crop's side on, in pixels.
const LONG: f64 = 0.8;
/// Looks at one object: the crops and their mirror images.
pub(super) const LOOKS: usize = 2 * (1 + SHARES.len());

/// The crops of some objects.
pub(super) struct Looks<'a> {
    /// The crop of each object at a first look, about which [`Self::merged`] speaks.
    first: &'a [View],
    /// For each of [`shares`] the crop of each object.
    others: Vec<Vec<View>>,
}

impl<'a> Looks<'a> {
    /// The crops around each of `rects`, of which those of a first look are there already.
    pub(super) fn new(image: &RgbImage, rects: &[Rect], first: &'a [View]) -> Self {
        let around = |of: usize| {
            let crop = |(&rect, view): (&Rect, &View)| View::around(image, rect, shares(rect, view.side)[of], view.side);
            rects.par_iter().zip(first).map(crop).collect()
        };
        Self { first, others: (0..SHARES.len()).into_par_iter().map(around).collect() }
    }

    /// The crops of all objects, one width after another.
    fn crops(&self) -> impl Iterator<Item = &[View]> {
        std::iter::once(self.first).chain(self.others.iter().map(Vec::as_slice))
    }

    /// What `of` makes of each crop in a row: `of(i, view)` of the crops of object `i`.
    pub(super) fn each(&self, of: impl Fn(usize, &View) -> Vec<f32> + Sync) -> Vec<f32> {
        let crops: Vec<(usize, &View)> = self.crops().flat_map(|views| views.iter().enumerate()).collect();
        let parts: Vec<Vec<f32>> = crops.into_par_iter().map(|(index, view)| of(index, view)).collect();
        parts.concat()
    }

    /// The mean for each object, on its first crop, of the logits of all looks, which are grids of `side` x `side`: those of
    /// the crops in the order of [`Self::each`], then those of their mirror images.
    pub(super) fn merged(&self, logits: &[f32], side: usize) -> Vec<f32> {
        let count = self.first.len() * side * side;
        let (plain, mirror) = logits.split_at(logits.len() / 2);
        let of_crop = |((views, plain), mirror): ((&[View], &[f32]), &[f32])| -> Vec<f32> {
            let mean = means(&[plain, &mirrored(mirror, side)]);
            let pairs = mean.chunks_exact(side * side).zip(views.iter().zip(self.first));
            pairs.flat_map(|(logits, (view, first))| carried(logits, view.region, first.region)).collect()
        };
        let crops: Vec<_> = self.crops().zip(plain.chunks_exact(count)).zip(mirror.chunks_exact(count)).collect();
        let parts: Vec<Vec<f32>> = crops.into_par_iter().map(of_crop).collect();
        means(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }
}

/// What the crops around `rect`, of `side` x `side` cells, hold beyond it, besides that of a first look.
fn shares(rect: Rect, side: usize) -> [f64; 2] {
    if rect.width.max(rect.height) < LONG * side as f64 { SHARES } else { CLOSE_SHARES }
}

/// Crops, or what belongs to them, and after them their mirror images.
///
/// # Shapes
/// [N, C, H, W] -> [2 N, C, H, W]
pub(super) fn with_mirrors(crops: Tensor<4>) -> Tensor<4> {
    Tensor::cat(vec![crops.clone(), crops.flip([3])], 0)
}

/// Rows of `side` values, each the other way round.
fn mirrored(values: &[f32], side: usize) -> Vec<f32> {
    values.chunks_exact(side).flat_map(|row| row.iter().rev().copied()).collect()
}

/// The mean of each place over `lists` of one length.
pub(super) fn means(lists: &[&[f32]]) -> Vec<f32> {
    let count = lists.first().map_or(0, |list| list.len());
    (0..count).map(|at| lists.iter().map(|list| list[at]).sum::<f32>() / lists.len() as f32).collect()
}

/// Logits of a square grid over `from`, sampled on one over `to`; outside where that reaches farther.
pub(super) fn carried(logits: &[f32], from: Rect, to: Rect) -> Vec<f32> {
    if from == to {
        return logits.to_vec();
    }
    let side = logits.len().isqrt();
    let mut carried = Patch { rect: to, side, soft: vec![-1.0; logits.len()] };
    carried.take(&Patch { rect: from, side, soft: logits.to_vec() });
    carried.soft
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_of_a_mirror_is_the_crop() {
        let values: Vec<f32> = (0..12_u8).map(f32::from).collect();
        assert_eq!(mirrored(&values, 3)[..6], [2.0, 1.0, 0.0, 5.0, 4.0, 3.0]);
        assert_eq!(means(&[&values, &mirrored(&mirrored(&values, 3), 3)]), values);
    }

    #[test]
    fn logits_are_carried_to_a_wider_crop_and_back() {
        let (near, far) = (Rect::new(10.0, 20.0, 32.0, 32.0), Rect::new(2.0, 12.0, 48.0, 48.0));
        let slope: Vec<f32> = (0..256).map(|at| (at % 16) as f32 + 1.0).collect();
        let wide = carried(&slope, near, far);
        assert!((wide[0] + 1.0).abs() < 1e-6 && wide.iter().filter(|&&logit| logit > 0.0).count() < 144);
        let back = carried(&wide, far, near);
        // Inside, where the wider grid holds the slope too.
        for at in 0..256 {
            if (3..13).contains(&(at % 16)) && (3..13).contains(&(at / 16)) {
                assert!((back[at] - slope[at]).abs() < 0.1, "{at}: {} for {}", back[at], slope[at]);
            }
        }
    }

    #[test]
    fn a_long_box_is_looked_at_from_closer() {
        let image = RgbImage::new(600, 600);
        let rects = [257.0, 255.0].map(|long| Rect::new(250.0, 150.0, 200.0, long));
        let first = rects.map(|rect| View::new(&image, rect, 320));
        let looks = Looks::new(&image, &rects, &first);
        let heights = [0, 1].map(|object| looks.crops().map(|views| views[object].region.height.round()).collect::<Vec<f64>>());
        assert_eq!(heights, [[386.0, 319.0, 289.0], [383.0, 316.0, 485.0]]);
    }

    #[test]
    fn every_look_has_its_word_about_the_first_crop() {
        let image = RgbImage::from_fn(80, 60, |x, _| image::Rgb([x as u8; 3]));
        let rects = [Rect::new(20.0, 20.0, 30.0, 20.0), Rect::new(5.0, 5.0, 20.0, 40.0)];
        let first = rects.map(|rect| View::new(&image, rect, 32));
        let looks = Looks::new(&image, &rects, &first);
        let boxed = |_: usize, view: &View| view.boxed.iter().map(|&boxed| if boxed { 3.0 } else { -3.0 }).collect();
        let plain = looks.each(boxed);
        assert_eq!(plain.len(), LOOKS / 2 * rects.len() * 32 * 32);
        let all = [plain.as_slice(), &mirrored(&plain, 32)].concat();
        let merged = looks.merged(&all, 32);
        for (view, logits) in first.iter().zip(merged.chunks_exact(32 * 32)) {
            let wrong = view.boxed.iter().zip(logits).filter(|&(&boxed, &logit)| boxed != (logit > 0.0)).count();
            assert!(wrong < 70, "{wrong} cells of 1024: no more than along the border of the box");
            assert!(logits.iter().all(|logit| logit.abs() <= 3.0));
        }
    }
}
