//! `eval --strokes`: how much a person's strokes correct.
//!
//! Each stroke is a click at the middle of the largest error, inside where a part of the object is missing and outside where
//! something else was taken for it; the next one corrects what came of it. As in the click protocols of interactive segmentation
//! (Sofiiuk et al., "Reviving iterative training with mask guidance", 2022).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::pictures::{FEW, each_batch, tasks};
use super::terminal::Terminal;
use super::{ModelOptions, Outcome, unless_cancelled};
use crate::annotation::{Dataset, Instance, InstanceId, Shape};
use crate::assist::{Engine as _, Prompt, ProposeOptions, Scribble};
use crate::geometry::Point;
use crate::job::Cancel;
use crate::mask::component::{Components, Connectivity};
use crate::mask::distance::signed;
use crate::mask::{Mask, metric};

/// Half the width of a stroke, as a share of the object's longer side, and no more than the error has room for.
const RADIUS: f64 = 0.02;
/// A stroke that takes more than this of the `IoU` made the mask worse.
const WORSE: f64 = 0.003;

/// The options of the click protocol.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Options {
    /// Also measure how far so many strokes, one after the other, correct each mask of --pred
    #[arg(long, value_name = "K", requires_all = ["pred", "images"], value_parser = clap::value_parser!(u32).range(1..=20))]
    strokes: Option<u32>,
    /// Take the masks for a person's work, which strokes change around themselves alone
    #[arg(long, requires = "strokes")]
    keep: bool,
}

/// What is measured after each number of strokes.
#[derive(Clone, Debug, Default)]
struct Sum {
    iou: f64,
    boundary_iou: f64,
    worse: usize,
}

pub(super) fn run(
    options: &Options,
    models: &ModelOptions,
    [truth, predictions]: [&Dataset; 2],
    images: &Path,
    terminal: &mut Terminal,
    cancel: &Cancel,
) -> anyhow::Result<Outcome> {
    let Some(strokes) = options.strokes else { return Ok(Outcome::Done) };
    let assistant = models.load(terminal)?;
    let how = ProposeOptions { seed: models.seed, ..ProposeOptions::default() };
    let known: HashMap<InstanceId, &Instance> = predictions.instances.iter().map(|instance| (instance.id, instance)).collect();
    let is_measured = |instance: &Instance| {
        let has_masks = |instance: &Instance| instance.shape != Shape::Box && !instance.crowd;
        has_masks(instance) && known.get(&instance.id).is_some_and(|other| has_masks(other) && other.image_id == instance.image_id)
    };
    let (mut sums, mut count) = (vec![Sum::default(); strokes as usize + 1], 0_usize);
    let walk = each_batch(tasks(truth, images, is_measured), FEW, "strokes", terminal, cancel, |picture, task, batch, _| {
        for instance in batch.iter().map(|&index| &truth.instances[index]) {
            let mask = |instance: &Instance| instance.mask(task.size).ok().filter(|mask| !mask.is_empty());
            let Some((truth, mut mask)) = mask(instance).zip(mask(known[&instance.id])) else { continue };
            let (mut scribbles, mut before) = (Vec::new(), None);
            count += 1;
            for sum in &mut sums {
                if before.is_some()
                    && let Some(stroke) = next_stroke(&truth, &mask)
                {
                    scribbles.push(stroke);
                    let rect = mask.bbox().unwrap_or(instance.bbox);
                    let present = Some(Arc::new(mask.clone()));
                    let prompt = Prompt { mask: present, keeps_mask: options.keep, scribbles: scribbles.clone(), ..Prompt::from(rect) };
                    let found = unless_cancelled(assistant.propose(picture, &[prompt], &how, cancel, &mut |_| ()))?;
                    let Some(found) = found.and_then(|found| found.into_iter().next()) else { return Ok(Outcome::Cancelled) };
                    mask = found.mask;
                }
                let iou = metric::iou(&truth, &mask);
                sum.iou += iou;
                sum.boundary_iou += metric::boundary_iou(&truth, &mask);
                sum.worse += usize::from(before.is_some_and(|before| iou < before - WORSE));
                before = Some(iou);
            }
        }
        Ok(Outcome::Done)
    })?;
    terminal.finish();
    if walk.outcome == Outcome::Done {
        terminal.message(table(&sums, count).trim_end());
    }
    Ok(walk.outcome)
}

fn table(sums: &[Sum], count: usize) -> String {
    let mut text = format!("{:<8}{:>9}{:>9}{:>14}{:>8}\n", "strokes", "objects", "IoU", "boundary IoU", "worse");
    let of = |sum: f64| sum / count.max(1) as f64;
    for (strokes, sum) in sums.iter().enumerate() {
        writeln!(text, "{strokes:<8}{count:>9}{:>9.3}{:>14.3}{:>8}", of(sum.iou), of(sum.boundary_iou), sum.worse).ok();
    }
    text
}

/// The click that a person would correct `mask` by; `None` where it is the `truth`.
fn next_stroke(truth: &Mask, mask: &Mask) -> Option<Scribble> {
    let size = truth.size();
    let error = |inside| Mask::from_fn(size, |x, y| truth.get(x, y) == inside && mask.get(x, y) != inside);
    let largest = |inside| Some((largest_middle(&error(inside))?, inside));
    let (middle, inside) = [largest(true), largest(false)].into_iter().flatten().max_by_key(|(middle, inside)| (middle.area, *inside))?;
    let side = truth.bbox().map_or(0.0, |rect| rect.width.max(rect.height));
    let radius_px = (RADIUS * side).min(middle.depth_px).max(0.5);
    Some(Scribble { points: vec![middle.at], radius_px, inside })
}

/// The middle of a part of an error.
struct Middle {
    area: u64,
    at: Point,
    depth_px: f64,
}

/// The pixel of the largest part of `error` that lies deepest in it.
fn largest_middle(error: &Mask) -> Option<Middle> {
    let parts = Components::of(error, Connectivity::Four);
    let (largest, &area) = parts.areas().iter().enumerate().max_by_key(|(_, area)| **area)?;
    let (window, part) = parts.parts().swap_remove(largest);
    // One empty cell around, as the image's border ends an error too.
    let (width, height) = (window.width + 2, window.height + 2);
    let is_inside = |x: u32, y: u32| (1..=window.width).contains(&x) && (1..=window.height).contains(&y) && part.get(x - 1, y - 1);
    let inside: Vec<bool> = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| is_inside(x, y)).collect();
    let depths = signed(&inside, width as usize);
    let deepest = (0..depths.len()).max_by(|&a, &b| depths[a].total_cmp(&depths[b]))?;
    let along = |start: u32, place: usize| f64::from(start) + place as f64 - 0.5;
    let at = Point::new(along(window.x, deepest % width as usize), along(window.y, deepest / width as usize));
    Some(Middle { area, at, depth_px: f64::from(depths[deepest]) - 0.5 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Rect, Size};

    #[test]
    fn a_stroke_goes_to_the_middle_of_the_largest_error() {
        let size = Size::new(60, 40);
        let truth = Mask::filled(size, Rect::new(0.0, 5.0, 40.0, 20.0));
        let of = |x: f64, width: f64| Mask::filled(size, Rect::new(x, 5.0, width, 20.0));
        let missing = next_stroke(&truth, &of(11.0, 29.0)).unwrap();
        assert_eq!((missing.inside, missing.points[0].x), (true, 5.5));
        assert!((10.0..20.0).contains(&missing.points[0].y) && missing.radius_px < 1.0, "{missing:?}");
        let extra = next_stroke(&truth, &of(0.0, 51.0)).unwrap();
        assert_eq!((extra.inside, extra.points[0].x), (false, 45.5));
        assert_eq!(next_stroke(&truth, &truth), None);
    }
}
