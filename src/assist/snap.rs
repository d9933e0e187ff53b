//! The network's outline drawn to the picture's edges: where the network is in doubt, each pixel goes to the side that its
//! colour, its neighbours and the network's leaning speak for together.
//!
//! The network sees a mask on a coarser grid than the picture's and was trained on outlines that are often coarse
//! themselves; the colours on both sides of this one picture's outline know more. In spirit of `GrabCut` (Rother,
//! Kolmogorov, Blake 2004), with the network's logits in place of hard labels and histograms in place of mixtures.

use super::evidence::colour_log_ratio;
use super::patch::stretched;
use super::sigmoid;
use super::view::View;
use crate::mask::cut::least_cost;

/// A cell whose logit is farther from 0 than this keeps its side ...
const DOUBT: f32 = 1.0;
/// ... and farther than this where a rough mask is drawn anew.
const DOUBT_OF_ROUGH: f32 = 2.0;
/// Neighbours of the same colour pay so much for lying on different sides.
const SMOOTHNESS: f32 = 8.0;
/// A colour speaks no louder than this.
const LOUDEST: f32 = 4.0;
/// Colours around an outline are looked at within so many cells of it.
const NEAR: f32 = 12.0;
/// How much of the final map is the chosen side; the rest is the network's own probability.
const DECIDED: f32 = 0.75;

/// Soft values of the view's cells, at least .5 for the object, from the `logits` of a square grid over the same crop.
pub fn snapped(logits: &[f32], view: &View) -> Vec<f32> {
    let fine = stretched(logits, view.side, view.side);
    let soft: Vec<f32> = fine.iter().copied().map(sigmoid).collect();
    let labels = decided(&fine, &soft, view, DOUBT);
    let settled = |(&object, soft): (&bool, f32)| (1.0 - DECIDED) * soft + if object { DECIDED } else { 0.0 };
    labels.iter().zip(soft).map(settled).collect()
}

/// The view's cells that belong to the object by `leaning`, logits for each cell, and by the picture's edges.
pub(super) fn redrawn(leaning: &[f32], view: &View) -> Vec<bool> {
    let soft: Vec<f32> = leaning.iter().copied().map(sigmoid).collect();
    decided(leaning, &soft, view, DOUBT_OF_ROUGH)
}

/// How much more the colours change along the outline that each cell has its signed `distance` from than around it: near
/// 1 for an outline that follows nothing in the picture. 1 where there is no outline.
pub(super) fn crispness(distance: &[f32], view: &View) -> f32 {
    let steps = steepness(view);
    let (mut on, mut near) = ((0.0, 0.0), (0.0, 0.0));
    for (&distance, step) in distance.iter().zip(steps) {
        if distance > 0.0 && distance < 1.0 {
            on = (on.0 + step, on.1 + 1.0);
        }
        if distance.abs() <= NEAR {
            near = (near.0 + step, near.1 + 1.0);
        }
    }
    if on.1 > 0.0 && near.0 > 0.0 { (on.0 / on.1) / (near.0 / near.1) } else { 1.0 }
}

/// How much the colours change at each cell, smoothed over its neighbours.
fn steepness(view: &View) -> Vec<f32> {
    let (pixels, side) = (view.colours.as_chunks::<3>().0, view.side as i32);
    let at = |x: i32, y: i32| pixels[(y.clamp(0, side - 1) * side + x.clamp(0, side - 1)) as usize];
    let step = |x: i32, y: i32| {
        let mut change = [[0.0_f32; 3]; 2];
        for (shift, weight) in [(-1, 1.0), (0, 2.0), (1, 1.0)] {
            let pairs = [(at(x + 1, y + shift), at(x - 1, y + shift)), (at(x + shift, y + 1), at(x + shift, y - 1))];
            for (change, (after, before)) in change.iter_mut().zip(pairs) {
                for (change, (after, before)) in change.iter_mut().zip(after.into_iter().zip(before)) {
                    *change += weight * (after - before);
                }
            }
        }
        change.as_flattened().iter().map(|change| change * change).sum::<f32>().sqrt()
    };
    (0..side).flat_map(|y| (0..side).map(move |x| (x, y))).map(|(x, y)| step(x, y)).collect()
}

/// The cells of the object: those that `leaning` is sure of, by more than `doubt`, and of the others those that cost least,
/// with colours by `soft`.
fn decided(leaning: &[f32], soft: &[f32], view: &View, doubt: f32) -> Vec<bool> {
    let colour = colour_log_ratio(&view.colours, soft, &view.inside);
    let side = |((&value, &colour), &boxed): ((&f32, &f32), &bool)| match (boxed, value.abs() < doubt) {
        (false, _) => -LOUDEST,
        (true, true) => value + colour.clamp(-LOUDEST, LOUDEST),
        (true, false) => value,
    };
    let sides: Vec<f32> = leaning.iter().zip(&colour).zip(&view.boxed).map(side).collect();
    let apart = Apart::new(view);
    least_cost(&sides, view.side, |cell| view.boxed[cell] && leaning[cell].abs() < doubt, |a, b| apart.cost(a, b))
}

/// The view's cells that `logits`, a square grid over the same crop, give to the object; those of the box where that is none.
pub(crate) fn object(logits: &[f32], view: &View) -> Vec<bool> {
    let object: Vec<bool> = stretched(logits, view.side, view.side).into_iter().map(|logit| logit > 0.0).collect();
    if object.contains(&true) { object } else { view.boxed.clone() }
}

/// What two neighbouring cells pay for lying on different sides: less, the more their colours differ by the measure of this
/// crop.
struct Apart<'a> {
    pixels: &'a [[f32; 3]],
    side: usize,
    sharpness: f32,
}

impl<'a> Apart<'a> {
    fn new(view: &'a View) -> Self {
        let (pixels, side) = (view.colours.as_chunks::<3>().0, view.side);
        let pairs = (0..pixels.len()).flat_map(|cell| {
            let right = (cell % side + 1 < side).then_some((cell, cell + 1));
            let below = (cell + side < pixels.len()).then_some((cell, cell + side));
            right.into_iter().chain(below)
        });
        let (sum, count) = pairs.fold((0.0_f32, 0.0_f32), |(sum, count), (a, b)| (sum + distance(pixels[a], pixels[b]), count + 1.0));
        Self { pixels, side, sharpness: 1.0 / (2.0 * sum / count.max(1.0) + 1e-6) }
    }

    fn cost(&self, a: usize, b: usize) -> f32 {
        let is_diagonal = a % self.side != b % self.side && a / self.side != b / self.side;
        let near = if is_diagonal { std::f32::consts::FRAC_1_SQRT_2 } else { 1.0 };
        SMOOTHNESS * near * (-self.sharpness * distance(self.pixels[a], self.pixels[b])).exp()
    }
}

fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rect;
    use crate::mask::distance::signed;

    const SIDE: usize = 64;

    /// A red disc on green in a box of 50 columns, logits that are a disc `off` cells to the right, and the truth.
    fn disc(off: f32) -> (View, Vec<f32>, Vec<bool>) {
        let far = |cell: usize, x: f32| ((cell % SIDE) as f32 - x).hypot((cell / SIDE) as f32 - 32.0);
        let cells = 0..SIDE * SIDE;
        let truth: Vec<bool> = cells.clone().map(|cell| far(cell, 32.0) < 16.0).collect();
        let colours = truth.iter().flat_map(|&red| if red { [200.0, 40.0, 40.0] } else { [40.0, 160.0, 60.0] }).collect();
        let logits = cells.map(|cell| (16.0 - far(cell, 32.0 + off)) * 0.4).collect();
        let boxed = (0..SIDE * SIDE).map(|cell| cell % SIDE < 50).collect();
        (View { region: Rect::default(), side: SIDE, colours, inside: vec![true; SIDE * SIDE], boxed }, logits, truth)
    }

    #[test]
    fn an_outline_moves_to_the_edge_of_the_colours() {
        let (view, logits, truth) = disc(2.0);
        let wrong = |labels: &mut dyn Iterator<Item = bool>| labels.zip(&truth).filter(|(label, truth)| label != *truth).count();
        assert!(wrong(&mut logits.iter().map(|&logit| logit > 0.0)) > 100);
        assert_eq!(wrong(&mut snapped(&logits, &view).into_iter().map(|soft| soft >= 0.5)), 0);
    }

    #[test]
    fn what_the_network_is_sure_of_stays_and_the_box_holds() {
        let (view, logits, _) = disc(20.0);
        for (cell, soft) in snapped(&logits, &view).into_iter().enumerate() {
            assert!(view.boxed[cell] || soft < 0.5);
            assert!(!view.boxed[cell] || logits[cell].abs() < DOUBT || (soft >= 0.5) == (logits[cell] > 0.0));
        }
    }

    #[test]
    fn a_rough_outline_is_recognised_and_drawn_anew() {
        let (view, _, truth) = disc(0.0);
        let view = View { boxed: vec![true; SIDE * SIDE], ..view };
        let rough: Vec<bool> = (0..SIDE * SIDE).map(|cell| (cell % SIDE).abs_diff(30).max((cell / SIDE).abs_diff(33)) < 13).collect();
        let [crisp, vague] = [&truth, &rough].map(|mask| crispness(&signed(mask, SIDE), &view));
        assert!(crisp > 3.0 * vague, "{crisp} and {vague}");
        let leaning = |mask: &[bool]| signed(mask, SIDE).into_iter().map(|distance| distance / 8.0).collect::<Vec<f32>>();
        assert_eq!(redrawn(&leaning(&rough), &view), truth);
        assert_eq!(redrawn(&leaning(&truth), &view), truth);
        assert!((crispness(&signed(&[true; SIDE * SIDE], SIDE), &view) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_smaller_grid_is_enlarged_smoothly() {
        assert_eq!(stretched(&[0.0, 4.0, 0.0, 4.0], 4, 4)[..4], [0.0, 1.0, 3.0, 4.0]);
    }
}
