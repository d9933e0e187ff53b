//! `convert`: the same data set with another form of masks, and what that loses.

use std::path::PathBuf;

use clap::ValueEnum;

use super::terminal::Terminal;
use super::{Outcome, dataset};
use crate::formats::coco;
use crate::formats::convert::{Policy, convert};
use crate::job::Cancel;

/// A mask that keeps less of itself than this is worth a warning.
const LEAST_IOU: f64 = 0.95;
/// So many lossy masks are named one by one.
const MOST_NAMED: usize = 10;

/// The options of `convert`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The COCO file to convert
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The COCO file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The form of the masks to write
    #[arg(long, value_enum, value_name = "FORM")]
    to: Form,
    /// How far a polygon may lie from the pixels' edge; 0 keeps every pixel
    #[arg(long, value_name = "PIXELS", default_value_t = 0.75)]
    tolerance: f64,
}

/// The form of a mask in a COCO file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Polygons for all; a hole is joined to the outside by a cut
    Polygon,
    /// Compressed run lengths
    Rle,
    /// Polygons, but run lengths for a mask with holes or where a polygon would lose more than 2 %
    Auto,
}

impl Form {
    const fn policy(self, tolerance_px: f64) -> Policy {
        match self {
            Self::Polygon => Policy::Polygons { tolerance_px },
            Self::Rle => Policy::Rle { compressed: true },
            Self::Auto => Policy::Auto { tolerance_px, least_iou: 0.98 },
        }
    }
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal, cancel: &Cancel) -> anyhow::Result<Outcome> {
    anyhow::ensure!(arguments.tolerance >= 0.0, "the tolerance {} is less than 0", arguments.tolerance);
    let mut data = dataset::read(&arguments.data, terminal, cancel)?;
    dataset::writable(&arguments.out)?;
    let losses = convert(&mut data, arguments.to.policy(arguments.tolerance));
    let mut ious = Vec::with_capacity(losses.len());
    let (mut failed, mut named) = (0, 0);
    for loss in &losses {
        match &loss.iou {
            Ok(iou) => {
                ious.push(*iou);
                if *iou < LEAST_IOU && named < MOST_NAMED {
                    named += 1;
                    terminal.warning(&format!("the new mask of annotation {} has an IoU of {iou:.3} with the old one", loss.id));
                }
            }
            Err(error) => {
                failed += 1;
                terminal.warning(&format!("annotation {} stays as it was: {error}", loss.id));
            }
        }
    }
    if cancel.is_cancelled() {
        return Ok(Outcome::Cancelled);
    }
    coco::save(&data, &arguments.out)?;
    let lowest = ious.iter().copied().fold(1.0, f64::min);
    let mean = if ious.is_empty() { 1.0 } else { ious.iter().sum::<f64>() / ious.len() as f64 };
    terminal.message(&format!(
        "wrote {}: {} masks converted, {failed} could not be; IoU with the old masks {mean:.4} on average, {lowest:.4} at least",
        arguments.out.display(),
        ious.len()
    ));
    Ok(Outcome::Done)
}
