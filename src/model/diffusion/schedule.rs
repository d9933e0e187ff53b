//! Noise schedules, as plain numbers on the host.

use std::f64::consts::FRAC_PI_2;

/// Half the range of the diffused mask: `x0 = SIGNAL_SCALE * (2 M - 1)`.
pub const SIGNAL_SCALE: f64 = 0.5;

/// The cosine schedule's share of signal power at noise level `u` in [0, 1], clamped to [1e-5, 1 - 1e-5]
/// (Nichol and Dhariwal, 2021, with offset .008).
pub fn alpha_bar(u: f64) -> f64 {
    let at = |u: f64| (FRAC_PI_2 * (u + 0.008) / 1.008).cos().powi(2);
    (at(u) / at(0.0)).clamp(1e-5, 1.0 - 1e-5)
}

/// The logarithm of the signal-to-noise ratio at `u`, clamped to [-10, 10].
pub fn log_snr(u: f64) -> f64 {
    let signal = alpha_bar(u);
    (signal / (1.0 - signal)).ln().clamp(-10.0, 10.0)
}

/// The refiner's discrete schedule: how likely a pixel still shows the fine mask at time index t.
#[derive(Clone, Debug, PartialEq)]
pub struct FineShare(Vec<f64>);

impl FineShare {
    /// Falls evenly from .8 at index 0 to 0 at the last of `timesteps` indices (`SegRefiner`, Wang et al., 2023).
    pub fn new(timesteps: usize) -> Self {
        let last = timesteps.saturating_sub(1).max(1) as f64;
        Self((0..timesteps).map(|t| 0.8 * (1.0 - t as f64 / last)).collect())
    }

    /// The share at index `t`; 1 for `None`, which stands for "after the last step".
    pub fn at(&self, t: Option<usize>) -> f64 {
        t.and_then(|t| self.0.get(t).copied()).unwrap_or(1.0)
    }

    /// The number of time indices.
    pub fn timesteps(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_schedule_runs_from_signal_to_noise() {
        assert!((alpha_bar(0.0) - (1.0 - 1e-5)).abs() < 1e-12);
        assert!((alpha_bar(1.0) - 1e-5).abs() < 1e-12);
        assert!(alpha_bar(0.3) > alpha_bar(0.6));
        assert!((log_snr(0.0) - 10.0).abs() < 1e-12 && (log_snr(1.0) + 10.0).abs() < 1e-12);
    }

    #[test]
    fn the_fine_share_is_the_published_table() {
        let share = FineShare::new(6);
        for (t, expected) in [0.8, 0.64, 0.48, 0.32, 0.16, 0.0].into_iter().enumerate() {
            assert!((share.at(Some(t)) - expected).abs() < 1e-12);
        }
        assert!((share.at(None) - 1.0).abs() < 1e-12);
        let betas = (0..6).map(|t| share.at(Some(t)) / share.at(t.checked_sub(1)));
        for (beta, expected) in betas.zip([0.8, 0.8, 0.75, 2.0 / 3.0, 0.5, 0.0]) {
            assert!((beta - expected).abs() < 1e-12);
        }
    }
}
