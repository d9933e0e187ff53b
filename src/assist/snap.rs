//! Outlines drawn to the picture's edges. Where a rough mask is drawn anew, each cell that the networks are in doubt of goes to
//! the side that its colour, its neighbours and their leaning speak for together, in spirit of `GrabCut` (Rother, Kolmogorov,
//! Blake 2004), with logits in place of hard labels and histograms in place of mixtures. Every outline then comes to edges
//! that lie within a few of the picture's own pixels, as a crop's grid blurs them.

use std::ops::RangeInclusive;

use image::RgbImage;

use super::evidence::colour_log_ratio;
use super::patch::{Patch, stretched};
use super::view::View;
use super::{logit, sigmoid};
use crate::geometry::{Point, Rect};
use crate::mask::Mask;
use crate::mask::cut::least_cost;
use crate::mask::morphology::{Border, dilated, eroded};

/// A cell whose logit is farther from 0 than this keeps its side.
const DOUBT: f32 = 2.0;
/// Neighbours of the same colour pay so much for lying on different sides.
const SMOOTHNESS: f32 = 8.0;
/// A colour speaks no louder than this.
const LOUDEST: f32 = 4.0;
/// Colours around an outline are looked at within so many cells of it.
const NEAR: f32 = 12.0;
/// Pixels of the picture along a cell of a crop that hides where edges lie, while one pixel of an outline still counts.
const BLURRED: RangeInclusive<f64> = 0.7..=4.0;

/// The view's cells that belong to the object by `leaning`, logits for each cell, and by the picture's edges.
pub fn redrawn(leaning: &[f32], view: &View) -> Vec<bool> {
    let soft: Vec<f32> = leaning.iter().copied().map(sigmoid).collect();
    let colour = colour_log_ratio(&view.colours, &soft, &view.inside);
    let side = |((&value, &colour), &boxed): ((&f32, &f32), &bool)| match (boxed, value.abs() < DOUBT) {
        (false, _) => -LOUDEST,
        (true, true) => value + colour.clamp(-LOUDEST, LOUDEST),
        (true, false) => value,
    };
    let sides: Vec<f32> = leaning.iter().zip(&colour).zip(&view.boxed).map(side).collect();
    let apart = Apart::new(view.colours.as_chunks().0, view.side, SMOOTHNESS, 1.0, |_| true);
    least_cost(&sides, view.side, |cell| view.boxed[cell] && leaning[cell].abs() < DOUBT, |a, b| apart.cost(a, b))
}

/// `mask`, which was cut from `patch`, with its outline on the edges of `image` that lie close by: a crop's grid is rarely the
/// picture's own, and blurs its edges. First the outline moves by up to three pixels, where that goes against little of what
/// `patch` says, then by one more wherever the colours say so. Nothing beyond `within` is added, and parts of the mask too
/// thin for that stay as they are, as does all of it where the crop was enlarged, or so much reduced that a pixel is little.
///
/// # Panics
/// When `mask` and `image` differ in size.
pub(super) fn aligned(mut mask: Mask, patch: &Patch, image: &RgbImage, within: Rect) -> Mask {
    let cell_px = patch.rect.width.max(patch.rect.height) / patch.side as f64;
    let Some(bounds) = mask.bounds().filter(|_| BLURRED.contains(&cell_px)) else { return mask };
    let window = bounds.grown(PULL.reach + NUDGE.reach + 1, mask.size());
    let places = || (window.y..window.bottom()).flat_map(|y| (window.x..window.right()).map(move |x| (x, y)));
    let ground = Ground {
        pixels: places().map(|(x, y)| image.get_pixel(x, y).0.map(f32::from)).collect(),
        logits: patch.over(window).into_iter().map(logit).collect(),
        open: places().map(|(x, y)| within.contains(Point::new(f64::from(x) + 0.5, f64::from(y) + 0.5))).collect(),
    };
    let moved = NUDGE.applied(&PULL.applied(&mask.cropped(window), &ground), &ground);
    mask.paste(&moved, window.x, window.y);
    mask
}

/// What a part of the picture holds, pixel by pixel, whatever the mask there is.
struct Ground {
    pixels: Vec<[f32; 3]>,
    /// What a soft map says.
    logits: Vec<f32>,
    /// Where a mask may grow.
    open: Vec<bool>,
}

/// A move of an outline to the edges of the picture.
struct Move {
    /// How many pixels it may go.
    reach: u32,
    /// Parts of the mask that hold no square of side 2 `holds` + 1 stay.
    holds: u32,
    /// How much a soft map's logits count; 0 for colours alone.
    trust: f32,
    /// How much sharper than those of a crop the differences of colours are taken that only outline pixels are measured by.
    sharper: f32,
}

const PULL: Move = Move { reach: 3, holds: 2, trust: 1.5, sharper: 8.0 };
const NUDGE: Move = Move { reach: 1, holds: 1, trust: 0.0, sharper: 4.0 };

impl Move {
    /// `mask` with its outline moved on the `ground` under it.
    fn applied(&self, mask: &Mask, ground: &Ground) -> Mask {
        let width = mask.size().width as usize;
        let (outer, inner) = (dilated(mask, self.reach), eroded(mask, self.reach, Border::Neutral));
        let thick = dilated(&eroded(mask, self.holds, Border::Neutral), self.holds);
        let is_free = |cell: usize| {
            let may_change = if mask.bytes()[cell] > 0 { thick.bytes()[cell] > 0 } else { ground.open[cell] };
            outer.bytes()[cell] > inner.bytes()[cell] && may_change
        };
        let free: Vec<bool> = (0..ground.pixels.len()).map(is_free).collect();
        let side = |((&inside, &free), &logit): ((&u8, &bool), &f32)| {
            if free { self.trust * logit } else { 2.0 * f32::from(inside) - 1.0 }
        };
        let sides: Vec<f32> = mask.bytes().iter().zip(&free).zip(&ground.logits).map(side).collect();
        let apart = Apart::new(&ground.pixels, width, SMOOTHNESS, self.sharper, |cell| free[cell]);
        let cells = least_cost(&sides, width, |cell| free[cell], |a, b| apart.cost(a, b));
        Mask::from_fn(mask.size(), |x, y| cells[y as usize * width + x as usize])
    }
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

/// The view's cells that `logits`, a square grid over the same crop, give to the object; those of the box where that is none.
pub(crate) fn object(logits: &[f32], view: &View) -> Vec<bool> {
    let object: Vec<bool> = stretched(logits, view.side, view.side).into_iter().map(|logit| logit > 0.0).collect();
    if object.contains(&true) { object } else { view.boxed.clone() }
}

/// What two neighbouring cells pay for lying on different sides: less, the more their colours differ by the measure of their
/// surroundings.
pub(super) struct Apart<'a> {
    pixels: &'a [[f32; 3]],
    width: usize,
    smoothness: f32,
    sharpness: f32,
}

impl<'a> Apart<'a> {
    /// `smoothness` for the same colour, and by the mean difference of the neighbours of which one `counts`, `times` as sharp as usual.
    pub(super) fn new(pixels: &'a [[f32; 3]], width: usize, smoothness: f32, times: f32, counts: impl Fn(usize) -> bool) -> Self {
        let pairs = (0..pixels.len()).flat_map(|cell| {
            let right = (cell % width + 1 < width).then_some((cell, cell + 1));
            let below = (cell + width < pixels.len()).then_some((cell, cell + width));
            right.into_iter().chain(below)
        });
        let counted = pairs.filter(|&(a, b)| counts(a) || counts(b));
        let (sum, count) = counted.fold((0.0_f32, 0.0_f32), |(sum, count), (a, b)| (sum + distance(pixels[a], pixels[b]), count + 1.0));
        Self { pixels, width, smoothness, sharpness: times / (2.0 * sum / count.max(1.0) + 1e-6) }
    }

    pub(super) fn cost(&self, a: usize, b: usize) -> f32 {
        let is_diagonal = a % self.width != b % self.width && a / self.width != b / self.width;
        let near = if is_diagonal { std::f32::consts::FRAC_1_SQRT_2 } else { 1.0 };
        self.smoothness * near * (-self.sharpness * distance(self.pixels[a], self.pixels[b])).exp()
    }
}

fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use crate::mask::distance::signed;
    use crate::mask::metric::iou;

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
        assert_eq!(wrong(&mut redrawn(&logits, &view).into_iter()), 0);
    }

    /// A red disc with a tail of one pixel on green, its mask, and an undecided patch with cells of so many pixels.
    fn tailed_disc(cell_px: f64) -> (RgbImage, Mask, Patch) {
        let size = Size::new(64, 64);
        let disc = Mask::from_fn(size, |x, y| x.abs_diff(32).pow(2) + y.abs_diff(32).pow(2) < 256 || y == 32 && x > 40);
        let image = RgbImage::from_fn(64, 64, |x, y| image::Rgb(if disc.get(x, y) { [200, 40, 40] } else { [40, 160, 60] }));
        let side = (64.0 / cell_px) as usize;
        (image, disc, Patch { rect: Rect::new(0.0, 0.0, 64.0, 64.0), side, soft: vec![0.5; side * side] })
    }

    #[test]
    fn an_outline_comes_to_the_pixels_of_the_edge() {
        let (image, disc, patch) = tailed_disc(1.0);
        let everywhere = Rect::new(0.0, 0.0, 64.0, 64.0);
        let brought = |mask: &Mask, within| aligned(mask.clone(), &patch, &image, within);
        assert_eq!(brought(&disc, everywhere), disc, "what follows the edge, and a tail of one pixel, stay");
        let grown = dilated(&disc, 1);
        assert_eq!(brought(&grown, everywhere), disc);
        let body = dilated(&eroded(&disc, 3, Border::Neutral), 3);
        let shrunk = eroded(&body, 1, Border::Neutral);
        assert!(iou(&shrunk, &body) < 0.9 && iou(&brought(&shrunk, everywhere), &body) > 0.99);
        let left = brought(&shrunk, Rect::new(0.0, 0.0, 32.0, 64.0));
        assert!((32..64).all(|x| (0..64).all(|y| shrunk.get(x, y) || !left.get(x, y))), "nothing is added beyond the box");
        assert!(left.get(17, 32) && !shrunk.get(17, 32));
        for cell_px in [0.5, 5.0] {
            let (_, _, patch) = tailed_disc(cell_px);
            assert_eq!(aligned(grown.clone(), &patch, &image, everywhere), grown, "{cell_px}");
        }
        assert!(aligned(Mask::new(disc.size()), &patch, &image, everywhere).is_empty());
    }

    #[test]
    fn an_outline_is_pulled_to_an_edge_close_by_unless_the_networks_are_sure() {
        let (image, disc, patch) = tailed_disc(1.0);
        let everywhere = Rect::new(0.0, 0.0, 64.0, 64.0);
        let body = dilated(&eroded(&disc, 3, Border::Neutral), 3);
        let grown = dilated(&body, 3);
        let brought = |sureness: f32| {
            let soft = grown.bytes().iter().map(|&inside| if inside > 0 { sureness } else { 1.0 - sureness }).collect();
            iou(&aligned(grown.clone(), &Patch { soft, ..patch.clone() }, &image, everywhere), &body)
        };
        assert!(brought(0.5) > 0.97 && brought(0.6) > 0.97);
        assert!(brought(0.9999) < iou(&dilated(&body, 1), &body), "one pixel at most");
    }

    #[test]
    fn what_the_networks_are_sure_of_stays_and_the_box_holds() {
        let (view, logits, _) = disc(20.0);
        for (cell, object) in redrawn(&logits, &view).into_iter().enumerate() {
            assert!(view.boxed[cell] || !object);
            assert!(!view.boxed[cell] || logits[cell].abs() < DOUBT || object == (logits[cell] > 0.0));
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
