//! From what the network says of its mask to the `IoU` that is to be expected: an affine map, fitted on held-out objects
//! and kept in the weight file.

use serde::{Deserialize, Serialize};

use super::Proposal;
use crate::mask::{Mask, metric};
use crate::model::weights::WeightFile;

/// The metadata entry that holds the calibration as JSON.
pub const CALIBRATION_KEY: &str = "annotator.calibration";
/// Fewer objects than this fit nothing.
const FEWEST: usize = 8;

/// An affine map of the quality head and of how well the samples agree. Weights that were never calibrated have the
/// identity of the quality head.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Offset and slope of the quality head, for one sample.
    pub single: [f64; 2],
    /// Offset, slope of the quality head and slope of the agreement, for several samples.
    pub several: [f64; 3],
}

impl Default for Calibration {
    fn default() -> Self {
        Self { single: [0.0, 1.0], several: [0.0, 1.0, 0.0] }
    }
}

/// What is known about one held-out mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// What the quality head said, in [0, 1].
    pub quality: f64,
    /// How well the samples agree, in [0, 1]; `None` for a single one.
    pub agreement: Option<f64>,
    /// The true `IoU`.
    pub iou: f64,
}

impl Observation {
    /// What `proposal`, made without a calibration, tells beside the `truth`.
    pub fn of(proposal: &Proposal, truth: &Mask) -> Self {
        let (quality, iou) = (f64::from(proposal.expected_iou), metric::iou(&proposal.mask, truth));
        Self { quality, agreement: proposal.agreement, iou }
    }
}

impl Calibration {
    /// The calibration of a weight file; the identity where it has none or one of another form.
    pub fn of(file: &WeightFile) -> Self {
        let read = |text| serde_json::from_str(text).inspect_err(|error| tracing::warn!(%error, "the calibration is left out")).ok();
        file.metadata(CALIBRATION_KEY).and_then(read).unwrap_or_default()
    }

    /// The `IoU` that is to be expected, in [0, 1].
    pub fn expected(&self, quality: f64, agreement: Option<f64>) -> f64 {
        let value = match agreement {
            None => self.single[0] + self.single[1] * quality,
            Some(agreement) => self.several[0] + self.several[1] * quality + self.several[2] * agreement,
        };
        value.clamp(0.0, 1.0)
    }

    /// The least-squares fit; `None` where there are too few observations. Slopes are never negative, so that a better
    /// looking mask never counts less.
    pub fn fitted(observations: &[Observation]) -> Option<Self> {
        if observations.len() < FEWEST {
            return None;
        }
        let targets: Vec<f64> = observations.iter().map(|one| one.iou).collect();
        let qualities: Vec<f64> = observations.iter().map(|one| one.quality).collect();
        let single = line(&qualities, &targets);
        let agreements: Option<Vec<f64>> = observations.iter().map(|one| one.agreement).collect();
        let several = match agreements {
            Some(agreements) => plane(&qualities, &agreements, &targets),
            None => [single[0], single[1], 0.0],
        };
        Some(Self { single, several })
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn covariance(a: &[f64], b: &[f64]) -> f64 {
    let (ma, mb) = (mean(a), mean(b));
    a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum::<f64>() / a.len().max(1) as f64
}

/// Offset and slope.
fn line(x: &[f64], y: &[f64]) -> [f64; 2] {
    let slope = (covariance(x, y) / covariance(x, x).max(1e-9)).max(0.0);
    [mean(y) - slope * mean(x), slope]
}

/// Offset and two slopes; where one would be negative, the other stands alone.
fn plane(x: &[f64], z: &[f64], y: &[f64]) -> [f64; 3] {
    let (xx, zz, xz) = (covariance(x, x) + 1e-9, covariance(z, z) + 1e-9, covariance(x, z));
    let (xy, zy) = (covariance(x, y), covariance(z, y));
    let determinant = xx * zz - xz * xz;
    let (of_x, of_z) = ((xy * zz - zy * xz) / determinant, (zy * xx - xy * xz) / determinant);
    if of_z < 0.0 {
        let [offset, slope] = line(x, y);
        return [offset, slope, 0.0];
    }
    if of_x < 0.0 {
        let [offset, slope] = line(z, y);
        return [offset, 0.0, slope];
    }
    [mean(y) - of_x * mean(x) - of_z * mean(z), of_x, of_z]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_finds_the_map_that_made_the_numbers() {
        let observation = |index: usize| {
            let (quality, agreement) = (0.3 + 0.05 * (index % 13) as f64, 0.5 + 0.04 * (index % 11) as f64);
            Observation { quality, agreement: Some(agreement), iou: 0.1 + 0.5 * quality + 0.3 * agreement }
        };
        let fitted = Calibration::fitted(&(0..143).map(observation).collect::<Vec<_>>()).unwrap();
        for (actual, expected) in fitted.several.into_iter().zip([0.1, 0.5, 0.3]) {
            assert!((actual - expected).abs() < 1e-5, "{fitted:?}");
        }
        assert!((fitted.expected(0.6, Some(0.8)) - 0.64).abs() < 1e-5);
        assert!(Calibration::fitted(&[observation(1)]).is_none());
    }

    #[test]
    fn a_misleading_quality_counts_for_nothing() {
        let observation = |index: usize| {
            let quality = 0.02 * index as f64;
            Observation { quality, agreement: None, iou: 1.0 - quality }
        };
        let fitted = Calibration::fitted(&(0..40).map(observation).collect::<Vec<_>>()).unwrap();
        assert!((fitted.single[1]).abs() < 1e-9 && (fitted.single[0] - 0.61).abs() < 1e-9, "{fitted:?}");
        assert!((Calibration::default().expected(0.7, Some(0.2)) - 0.7).abs() < 1e-9);
    }
}
