//! What became of each mask of a refinement, as `refine --report` writes it.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::annotation::Instance;
use crate::assist::{Mode, RefineOptions, Refinement};
use crate::formats::save::replace;
use crate::mask::{Mask, metric};

/// What became of a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It changed.
    Refined,
    /// The refiner found nothing to change.
    Kept,
    /// The result strayed too far from the mask, or the refiner leaves masks of this size alone.
    Distrusted,
    /// It has fewer pixels than asked for.
    Small,
    /// It is empty or does not fit its image.
    Unusable,
}

/// One mask; areas are in pixels.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Record {
    id: i64,
    image_id: i64,
    category_id: i64,
    /// What became of it.
    pub(super) outcome: Outcome,
    /// 1 - `IoU` of before and after.
    change: f64,
    area_before: u64,
    added: u64,
    removed: u64,
}

impl Record {
    /// The record of a mask that went through the refiner.
    pub(super) fn new(instance: &Instance, before: &Mask, refinement: &Refinement) -> Self {
        let after = &refinement.mask;
        let area = before.area();
        if refinement.kept_original {
            return Self::untouched(instance, area, Outcome::Distrusted);
        }
        if after.is_empty() || after == before {
            return Self::untouched(instance, area, Outcome::Kept);
        }
        // From the IoU and both areas: shared = iou (a + b) / (1 + iou).
        let overlap = metric::iou(before, after);
        let shared = (overlap * (area + after.area()) as f64 / (1.0 + overlap)).round() as u64;
        let (added, removed) = (after.area().saturating_sub(shared), area.saturating_sub(shared));
        Self { outcome: Outcome::Refined, change: refinement.change, added, removed, ..Self::untouched(instance, area, Outcome::Refined) }
    }

    /// The record of a mask that is as it was.
    pub(super) fn untouched(instance: &Instance, area: u64, outcome: Outcome) -> Self {
        let (id, image_id, category_id) = (instance.id.0, instance.image_id.0, instance.category_id.0);
        Self { id, image_id, category_id, outcome, change: 0.0, area_before: area, added: 0, removed: 0 }
    }
}

/// All masks of a run, with its options.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    mode: &'static str,
    strength: f32,
    band_px: Option<u32>,
    timesteps: Vec<usize>,
    seed: u64,
    deterministic: bool,
    coarse: bool,
    plain: bool,
    least_area: u64,
    masks: Vec<Record>,
}

impl Report {
    /// A report without a mask.
    pub(super) fn new(options: &RefineOptions, least_area: u64) -> Self {
        let mode = match options.mode {
            Mode::Auto => "auto",
            Mode::Instance => "instance",
            Mode::HighResolution => "hr",
        };
        let RefineOptions { timesteps, seed, deterministic, strength, band_px, coarse, plain, .. } = options.clone();
        Self { mode, strength, band_px, timesteps, seed, deterministic, coarse, plain, least_area, masks: Vec::new() }
    }

    /// Adds a mask.
    pub(super) fn add(&mut self, record: Record) {
        self.masks.push(record);
    }

    /// How many masks met this fate.
    pub(super) fn count(&self, outcome: Outcome) -> usize {
        self.masks.iter().filter(|record| record.outcome == outcome).count()
    }

    /// Writes the report, the largest change first; an existing file is replaced only once the new one is complete.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn save(&mut self, path: &Path) -> anyhow::Result<()> {
        self.masks.sort_by(|a, b| b.change.total_cmp(&a.change));
        replace(path, |out| Ok(serde_json::to_writer_pretty(out, self)?))
            .with_context(|| format!("cannot write the report {}", path.display()))
    }
}
