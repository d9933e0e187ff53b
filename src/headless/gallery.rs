//! `eval --gallery`: the objects whose masks are furthest from the truth, as one picture.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use image::codecs::png::PngEncoder;
use image::imageops::{FilterType, crop_imm, overlay, resize};
use image::{ExtendedColorType, ImageEncoder as _, Rgb, RgbImage};

use super::eval::watched;
use super::pictures::{FEW, each_batch, tasks};
use super::terminal::Terminal;
use super::{Outcome, dataset};
use crate::annotation::{Dataset, Instance, InstanceId};
use crate::evaluation::{Agreement, worst};
use crate::formats::save::replace;
use crate::geometry::Size;
use crate::job::Cancel;
use crate::mask::{Mask, PixelRect};

/// Pixels a side of the square that each object is fitted into.
const TILE: u32 = 240;
/// Objects in a row.
const COLUMNS: u32 = 6;
/// Pixels between the tiles.
const GAP: u32 = 4;
/// What of the image around both masks is shown, as a share of their larger side.
const AROUND: f64 = 0.15;
const TRUTH: Rgb<u8> = Rgb([60, 230, 90]);
const PREDICTION: Rgb<u8> = Rgb([255, 60, 60]);

/// The options of the gallery.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Options {
    /// Also draw the worst objects into this PNG: outlines of the truth green, of the prediction red
    #[arg(long, value_name = "PNG", requires = "images", requires = "pred")]
    gallery: Option<PathBuf>,
    /// How many objects the gallery shows
    #[arg(long, requires = "gallery", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=240))]
    worst: u16,
}

impl Options {
    /// Looks at once whether the picture can be written.
    ///
    /// # Errors
    /// When it cannot.
    pub(super) fn writable(&self) -> anyhow::Result<()> {
        dataset::writable(&self.gallery)
    }
}

/// Draws the gallery where one is asked for, and lists its objects in the order of its tiles.
///
/// # Errors
/// When the picture cannot be written, or no image can be read. A single image that cannot is a warning, and its tiles stay
/// empty.
pub(super) fn run(
    options: &Options,
    truth: &Dataset,
    predictions: &Dataset,
    images: &Path,
    terminal: &mut Terminal,
    cancel: &Cancel,
) -> anyhow::Result<Outcome> {
    let Some(path) = &options.gallery else { return Ok(Outcome::Done) };
    let found = watched(terminal, cancel, |watch| worst(truth, predictions, usize::from(options.worst), watch))?;
    let place = |id: InstanceId| found.iter().position(|(other, _)| *other == id);
    let rows = (found.len() as u32).div_ceil(COLUMNS).max(1);
    let mut sheet = RgbImage::new(COLUMNS * (TILE + GAP) - GAP, rows * (TILE + GAP) - GAP);
    let wanted = tasks(truth, images, |instance| place(instance.id).is_some());
    let walk = each_batch(wanted, FEW, "gallery", terminal, cancel, |picture, _, batch, _| {
        for &index in batch {
            let object = &truth.instances[index];
            let (Some(place), Some(other)) = (place(object.id), predictions.instances.iter().find(|other| other.id == object.id)) else {
                continue;
            };
            let tile = tile(picture, object, other)?;
            let (column, row) = (place as u32 % COLUMNS, place as u32 / COLUMNS);
            overlay(&mut sheet, &tile, i64::from(column * (TILE + GAP)), i64::from(row * (TILE + GAP)));
        }
        Ok(Outcome::Done)
    })?;
    if walk.outcome == Outcome::Cancelled {
        return Ok(Outcome::Cancelled);
    }
    let mut png = Vec::new();
    PngEncoder::new(&mut png).write_image(&sheet, sheet.width(), sheet.height(), ExtendedColorType::Rgb8)?;
    replace(path, |out| out.write_all(&png)).with_context(|| format!("cannot write {}", path.display()))?;
    terminal.finish();
    terminal.message(&listed(truth, &found));
    Ok(Outcome::Done)
}

/// The part of `picture` around both masks, fitted into a tile, with their outlines.
fn tile(picture: &RgbImage, object: &Instance, other: &Instance) -> anyhow::Result<RgbImage> {
    let size = Size::new(picture.width(), picture.height());
    let (truth, prediction) = (object.mask(size)?, other.mask(size)?);
    let bounds = truth.bounds().unwrap_or_default().union(prediction.bounds().unwrap_or_default());
    let margin = (AROUND * f64::from(bounds.width.max(bounds.height))).ceil() as u32 + 4;
    let window = bounds.grown(margin, size);
    let scale = f64::from(TILE) / f64::from(window.width.max(window.height).max(1));
    let fitted = |length: u32| ((f64::from(length) * scale).round() as u32).clamp(1, TILE);
    let (width, height) = (fitted(window.width), fitted(window.height));
    let part = crop_imm(picture, window.x, window.y, window.width, window.height).to_image();
    let mut drawn = resize(&part, width, height, if scale > 1.0 { FilterType::Triangle } else { FilterType::Lanczos3 });
    outline(&mut drawn, &truth, window, scale, TRUTH);
    outline(&mut drawn, &prediction, window, scale, PREDICTION);
    let mut tile = RgbImage::new(TILE, TILE);
    overlay(&mut tile, &drawn, i64::from((TILE - width) / 2), i64::from((TILE - height) / 2));
    Ok(tile)
}

/// Draws the border of `mask`, of which `drawn` shows `window`, one pixel wide.
fn outline(drawn: &mut RgbImage, mask: &Mask, window: PixelRect, scale: f64, color: Rgb<u8>) {
    let source = |at: u32, origin: u32, end: u32| (((f64::from(at) + 0.5) / scale) as u32 + origin).min(end - 1);
    let inside = |x: u32, y: u32| mask.get(source(x, window.x, window.x + window.width), source(y, window.y, window.y + window.height));
    let (width, height) = drawn.dimensions();
    for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
        let is_border = |x: u32, y: u32| x >= width || y >= height || !inside(x, y);
        let beside = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)];
        if inside(x, y) && beside.into_iter().any(|(x, y)| is_border(x, y)) {
            drawn.put_pixel(x, y, color);
        }
    }
}

/// One line for each tile, in reading order.
fn listed(truth: &Dataset, found: &[(InstanceId, Agreement)]) -> String {
    let line = |(id, agreement): &(InstanceId, Agreement)| {
        let object = truth.instances.iter().find(|object| object.id == *id)?;
        let image = truth.images.iter().find(|image| image.id == object.image_id).map_or("", |image| &image.file_name);
        let class = truth.category(object.category_id).map_or("", |category| &category.name);
        Some(format!("\n{:.3}  annotation {id}  {class}  {image}", agreement.iou))
    };
    let lines: String = found.iter().filter_map(line).collect();
    format!("the {} objects with the lowest IoU, in the gallery's order{lines}", found.len())
}
