//! `coarsen`: coarse masks from true ones, so that what `refine` gains can be measured with `eval --before`.
//!
//! Each annotation says in the member `source` what was done to it.

use std::path::PathBuf;

use clap::ValueEnum;

use super::terminal::Terminal;
use super::{Outcome, dataset};
use crate::annotation::{Image, Instance, Shape, Verbatim};
use crate::formats::coco;
use crate::job::{Cancel, Meter};
use crate::mask::{Mask, metric};
use crate::model::noise::Noise;
use crate::train::coarse::{Fault, faulty};

/// The square on which faults are made, as large as the refiner's input.
const SIDE: usize = 256;
/// A perturbed mask that is better than asked for is made anew, so often in all, ...
const TRIES: u32 = 8;
/// ... each time from an `IoU` that is lower by this share.
const WORSE: f64 = 0.03;

/// The options of `coarsen`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The COCO file with the true masks
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The COCO file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What is done to each mask
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// The IoU with the truth under which a perturbed mask falls; masks of a few dozen pixels may stay above it
    #[arg(long, value_name = "IOU", default_value_t = 0.8)]
    iou: f64,
    /// The seed; the same seed gives the same masks
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// What is done to a mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Random windows grow or shrink by squares and ellipses
    #[default]
    Perturbed,
    /// Through a grid of few cells and back
    Grid,
    /// Polygons through a tenth of the outline's points, a part cut off
    Polygon,
    /// Strokes of a broad brush from left to right over the object
    Brushed,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Outcome> {
    anyhow::ensure!((0.1..1.0).contains(&arguments.iou), "the IoU {} does not lie between 0.1 and 1", arguments.iou);
    let mut data = dataset::read(&arguments.data, terminal, cancel)?;
    dataset::writable([&arguments.out])?;
    let (fault, source) = match arguments.kind {
        Kind::Perturbed => (Fault::Perturbed(arguments.iou), format!("perturbed {}", arguments.iou)),
        Kind::Grid => (Fault::Grid, "grid".to_owned()),
        Kind::Polygon => (Fault::Polygon, "polygon".to_owned()),
        Kind::Brushed => (Fault::Brushed, "brushed".to_owned()),
    };
    let sizes: std::collections::HashMap<_, _> = data.images.iter().map(|Image { id, size, .. }| (*id, *size)).collect();
    let meter = Meter::start("true masks to coarse ones", data.instances.len() as u64);
    let mut count = 0;
    for (place, instance) in data.instances.iter_mut().enumerate() {
        terminal.progress(&meter.at(place as u64));
        if cancel.is_cancelled() {
            return Ok(Outcome::Cancelled);
        }
        let Some(&size) = sizes.get(&instance.image_id) else { continue };
        if instance.crowd || instance.shape == Shape::Box {
            continue;
        }
        match instance.mask(size) {
            Ok(mask) if !mask.is_empty() => {
                // One stream an object: a mask does not depend on what else is in the file.
                let stream = arguments.seed ^ (instance.id.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                dataset::set_mask(instance, &coarse(&mask, fault, &mut Noise::new(stream)), None);
                name_source(instance, &source);
                count += 1;
            }
            Ok(_) => {}
            Err(error) => terminal.warning(&format!("the mask of annotation {}: {error}: {}", instance.id, arguments.data.display())),
        }
    }
    coco::save(&data, &arguments.out)?;
    terminal.finish();
    terminal.message(&format!("wrote {}: {count} coarse masks", arguments.out.display()));
    Ok(Outcome::Done)
}

/// `truth` with `fault`. The square that faults are made on has other pixels than the image, so that a perturbed mask may come
/// out better than asked for.
fn coarse(truth: &Mask, fault: Fault, noise: &mut Noise) -> Mask {
    let mut coarse = faulty(truth, fault, SIDE, noise);
    if let Fault::Perturbed(iou) = fault {
        for again in 1..TRIES {
            if metric::iou(&coarse, truth) < iou {
                break;
            }
            coarse = faulty(truth, Fault::Perturbed(iou * (1.0 - WORSE * f64::from(again))), SIDE, noise);
        }
    }
    coarse
}

/// Adds the member `source` to the record, where it has none.
fn name_source(instance: &mut Instance, source: &str) {
    let Some(text) = instance.source.as_ref().map(Verbatim::text) else { return };
    let has_one = serde_json::from_str::<serde_json::Value>(text).is_ok_and(|record| record.get("source").is_some());
    if let Some(open) = text.trim_end().strip_suffix('}').filter(|_| !has_one) {
        let text: std::sync::Arc<str> = format!("{open}, \"source\": {}}}", serde_json::Value::from(source)).into();
        instance.source = Verbatim::new(&text, 0..text.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    #[test]
    fn a_perturbed_mask_is_as_bad_as_asked_for() {
        for radius in [40_u32, 240] {
            let truth = Mask::from_fn(Size::new(900, 700), |x, y| x.abs_diff(400).pow(2) + y.abs_diff(330).pow(2) < radius.pow(2));
            for seed in 0..12 {
                let found = metric::iou(&coarse(&truth, Fault::Perturbed(0.9), &mut Noise::new(seed)), &truth);
                assert!(found < 0.9 && found > 0.5, "{found} for radius {radius}, seed {seed}");
            }
        }
    }
}
