//! Whether a score means what it says: expected against real `IoU`, in bins.

use std::fmt;

use serde::Serialize;

/// Bins of equal width over 0..=1.
const BINS: usize = 10;

/// The objects whose score lies in one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bin {
    /// The bin's lower end.
    pub from: f64,
    /// Objects in it.
    pub count: usize,
    /// Their mean score.
    pub expected: f64,
    /// Their mean `IoU`.
    pub iou: f64,
}

/// Scores against `IoU`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reliability {
    /// The bins that hold any object, lowest first.
    pub bins: Vec<Bin>,
    /// The expected calibration error: the mean distance of expected and real `IoU` of the bins, weighted by their objects
    /// (Naeini et al., 2015).
    pub calibration_error: f64,
    /// The mean distance of expected and real `IoU` of the objects.
    pub mean_error: f64,
}

impl Reliability {
    /// Of (score, `IoU`) pairs; `None` where there are none.
    pub fn new(pairs: &[(f64, f64)]) -> Option<Self> {
        let mut bins: Vec<Bin> = (0..BINS).map(|index| Bin { from: index as f64 / BINS as f64, ..Bin::default() }).collect();
        for &(score, iou) in pairs {
            let bin = &mut bins[((score * BINS as f64) as usize).min(BINS - 1)];
            bin.count += 1;
            bin.expected += score;
            bin.iou += iou;
        }
        bins.retain(|bin| bin.count > 0);
        for bin in &mut bins {
            bin.expected /= bin.count as f64;
            bin.iou /= bin.count as f64;
        }
        let mean = |sum: f64| sum / pairs.len() as f64;
        let calibration_error = mean(bins.iter().map(|bin| bin.count as f64 * (bin.expected - bin.iou).abs()).sum());
        let mean_error = mean(pairs.iter().map(|(score, iou)| (score - iou).abs()).sum());
        (!pairs.is_empty()).then_some(Self { bins, calibration_error, mean_error })
    }
}

impl fmt::Display for Reliability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<10}{:>8}{:>10}{:>8}", "score", "count", "expected", "IoU")?;
        for Bin { from, count, expected, iou } in &self.bins {
            writeln!(f, "{:<10}{count:>8}{expected:>10.3}{iou:>8.3}", format!("{from:.1}-{:.1}", from + 1.0 / BINS as f64))?;
        }
        writeln!(f, "expected calibration error {:.3}, mean error {:.3}", self.calibration_error, self.mean_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_distance_of_the_bins_means() {
        let found = Reliability::new(&[(0.9, 0.7), (0.9, 0.9), (0.25, 0.25), (1.0, 1.0)]).unwrap();
        assert_eq!(found.bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [1, 3]);
        assert!((found.calibration_error - 3.0 * (2.8_f64 / 3.0 - 2.6 / 3.0) / 4.0).abs() < 1e-9, "{found:?}");
        assert!((found.mean_error - 0.05).abs() < 1e-9);
        assert!(Reliability::new(&[]).is_none());
    }
}
