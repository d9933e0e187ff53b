//! The network's outline drawn to the picture's edges: where the network is in doubt, each pixel goes to the side that its
//! colour, its neighbours and the network's leaning speak for together.
//!
//! The network sees a mask on a coarser grid than the picture's and was trained on outlines that are often coarse
//! themselves; the colours on both sides of this one picture's outline know more. In spirit of `GrabCut` (Rother,
//! Kolmogorov, Blake 2004), with the network's logits in place of hard labels and histograms in place of mixtures.

use super::evidence::colour_log_ratio;
use super::sigmoid;
use crate::mask::cut::least_cost;

/// A cell whose logit is farther from 0 than this keeps its side.
const DOUBT: f32 = 2.0;
/// Neighbours of the same colour pay so much for lying on different sides.
const SMOOTHNESS: f32 = 8.0;
/// A colour speaks no louder than this.
const LOUDEST: f32 = 4.0;
/// How much of the final map is the chosen side; the rest is the network's own probability.
const DECIDED: f32 = 0.75;

/// What the crop of an object shows, on a grid of `side` x `side`.
#[derive(Clone, Debug)]
pub struct Scene<'a> {
    /// Grid cells a side.
    pub side: usize,
    /// Interleaved RGB, 0..255.
    pub colours: &'a [f32],
    /// Which cells lie in the image.
    pub inside: &'a [bool],
    /// Which cells lie in the prompt's box; no cell outside of it is taken for the object.
    pub boxed: &'a [bool],
}

/// Soft values of `scene.side` squared cells, at least .5 for the object, from the `logits` of a square grid.
pub fn snapped(logits: &[f32], scene: &Scene<'_>) -> Vec<f32> {
    let side = scene.side;
    let fine = enlarged(logits, side);
    let soft: Vec<f32> = fine.iter().copied().map(sigmoid).collect();
    let colour = colour_log_ratio(scene.colours, &soft, scene.inside);
    let leaning = |((&logit, &colour), &boxed): ((&f32, &f32), &bool)| match (boxed, logit.abs() < DOUBT) {
        (false, _) => -LOUDEST,
        (true, true) => logit + colour.clamp(-LOUDEST, LOUDEST),
        (true, false) => logit,
    };
    let leaning: Vec<f32> = fine.iter().zip(&colour).zip(scene.boxed).map(leaning).collect();
    let apart = Apart::new(scene);
    let labels = least_cost(&leaning, side, |cell| scene.boxed[cell] && fine[cell].abs() < DOUBT, |a, b| apart.cost(a, b));
    let settled = |(&object, soft): (&bool, f32)| (1.0 - DECIDED) * soft + if object { DECIDED } else { 0.0 };
    labels.iter().zip(soft).map(settled).collect()
}

/// A square grid sampled bilinearly on `side` x `side` cells.
fn enlarged(values: &[f32], side: usize) -> Vec<f32> {
    let from = values.len().isqrt();
    let tap = |cell: usize| {
        let place = ((cell as f32 + 0.5) * from as f32 / side as f32 - 0.5).clamp(0.0, (from - 1) as f32);
        let low = place as usize;
        (low, (low + 1).min(from - 1), place - low as f32)
    };
    let taps: Vec<_> = (0..side).map(tap).collect();
    let mut result = Vec::with_capacity(side * side);
    for &(top, bottom, down) in &taps {
        for &(left, right, along) in &taps {
            let row = |y: usize| values[y * from + left] * (1.0 - along) + values[y * from + right] * along;
            result.push(row(top) * (1.0 - down) + row(bottom) * down);
        }
    }
    result
}

/// What two neighbouring cells pay for lying on different sides: less, the more their colours differ by the measure of this
/// crop.
struct Apart<'a> {
    pixels: &'a [[f32; 3]],
    side: usize,
    sharpness: f32,
}

impl<'a> Apart<'a> {
    fn new(scene: &Scene<'a>) -> Self {
        let (pixels, side) = (scene.colours.as_chunks::<3>().0, scene.side);
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

    const SIDE: usize = 64;

    /// A red disc on green; the network's logits are a disc that is off to the right by `off` cells.
    fn disc(off: f32) -> (Vec<f32>, Vec<f32>, Vec<bool>) {
        let far = |cell: usize, x: f32| ((cell % SIDE) as f32 - x).hypot((cell / SIDE) as f32 - 32.0);
        let cells = 0..SIDE * SIDE;
        let truth: Vec<bool> = cells.clone().map(|cell| far(cell, 32.0) < 16.0).collect();
        let colours = truth.iter().flat_map(|&red| if red { [200.0, 40.0, 40.0] } else { [40.0, 160.0, 60.0] }).collect();
        let logits = cells.map(|cell| (16.0 - far(cell, 32.0 + off)) * 0.4).collect();
        (colours, logits, truth)
    }

    #[test]
    fn an_outline_moves_to_the_edge_of_the_colours() {
        let (colours, logits, truth) = disc(3.0);
        let scene = Scene { side: SIDE, colours: &colours, inside: &[true; SIDE * SIDE], boxed: &[true; SIDE * SIDE] };
        let wrong = |labels: &mut dyn Iterator<Item = bool>| labels.zip(&truth).filter(|(label, truth)| label != *truth).count();
        assert!(wrong(&mut logits.iter().map(|&logit| logit > 0.0)) > 150);
        assert_eq!(wrong(&mut snapped(&logits, &scene).into_iter().map(|soft| soft >= 0.5)), 0);
    }

    #[test]
    fn what_the_network_is_sure_of_stays_and_the_box_holds() {
        let (colours, logits, _) = disc(20.0);
        let boxed: Vec<bool> = (0..SIDE * SIDE).map(|cell| cell % SIDE < 50).collect();
        let scene = Scene { side: SIDE, colours: &colours, inside: &[true; SIDE * SIDE], boxed: &boxed };
        for (cell, soft) in snapped(&logits, &scene).into_iter().enumerate() {
            assert!(boxed[cell] || soft < 0.5);
            assert!(!boxed[cell] || logits[cell].abs() < DOUBT || (soft >= 0.5) == (logits[cell] > 0.0));
        }
    }

    #[test]
    fn a_smaller_grid_is_enlarged_smoothly() {
        assert_eq!(enlarged(&[0.0, 4.0, 0.0, 4.0], 4)[..4], [0.0, 1.0, 3.0, 4.0]);
    }
}
