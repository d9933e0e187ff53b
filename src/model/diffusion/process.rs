//! The refiner's discrete process: every pixel shows either the fine or the coarse mask.
//!
//! `SegRefiner` (Wang et al., 2023) draws the state of each pixel anew at every step from the cumulative probability P
//! that it is fine; the network's own prediction fills the fine pixels and the ORIGINAL coarse mask all others.
//! Any falling sub-sequence of time indices that ends at 0 keeps the same marginals when the share at the next chosen
//! index stands in for the share at t - 1. The arithmetic runs on the host, in f32, one value a pixel.

use super::schedule::FineShare;

/// Why a sequence of time indices cannot be walked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepsError {
    /// There is no step.
    #[error("the list of time indices is empty")]
    Empty,
    /// The list does not fall strictly, or does not end at 0.
    #[error("time indices must fall strictly and end at 0, but they are {0:?}")]
    NotFalling(Vec<usize>),
    /// High resolution asks for a step before the last.
    #[error("high resolution needs at least two time indices")]
    OnlyOne,
    /// An index lies outside the schedule.
    #[error("time index {index} is outside a schedule of {timesteps}")]
    Outside {
        /// The index.
        index: usize,
        /// The schedule's length.
        timesteps: usize,
    },
}

/// The state of one walk back from the coarse mask.
#[derive(Clone, Debug)]
pub struct Walk {
    share: FineShare,
    steps: Vec<usize>,
    done: usize,
    fine_probability: Vec<f32>,
}

impl Walk {
    /// A walk over `pixels` pixels through the time indices `steps`, for example [5, 2, 0].
    ///
    /// # Errors
    /// When `steps` is empty, does not fall strictly to 0, or leaves the schedule.
    pub fn new(share: FineShare, steps: &[usize], pixels: usize) -> Result<Self, StepsError> {
        let (Some(&first), Some(&last)) = (steps.first(), steps.last()) else { return Err(StepsError::Empty) };
        if first >= share.timesteps() {
            return Err(StepsError::Outside { index: first, timesteps: share.timesteps() });
        }
        if last != 0 || steps.windows(2).any(|pair| pair[0] <= pair[1]) {
            return Err(StepsError::NotFalling(steps.to_vec()));
        }
        Ok(Self { share, steps: steps.to_vec(), done: 0, fine_probability: vec![0.0; pixels] })
    }

    /// The time index that the network is asked for next; `None` after the last.
    pub fn time(&self) -> Option<usize> {
        self.steps.get(self.done).copied()
    }

    /// The cumulative probability of each pixel to be fine.
    pub fn fine_probability(&self) -> &[f32] {
        &self.fine_probability
    }

    /// Takes the network's `logits` at [`Self::time`] and gives the next input mask (1 inside, 0 outside);
    /// `None` after the last step, where sigmoid(logits) is the result. `uniform` gives numbers of [0, 1); where it always
    /// gives .5 the walk is deterministic, and each pixel takes its more probable state.
    pub fn advance(&mut self, logits: &[f32], coarse: &[f32], mut uniform: impl FnMut() -> f32) -> Option<Vec<f32>> {
        let share = self.share.at(self.time()) as f32;
        let next_share = self.share.at(self.steps.get(self.done + 1).copied()) as f32;
        self.done += 1;
        for (fine, &logit) in self.fine_probability.iter_mut().zip(logits) {
            *fine = advanced(*fine, confidence(logit), share, next_share);
        }
        self.time()?;
        let pixel = |((&fine, &logit), &coarse)| {
            if uniform() < fine { f32::from(u8::from(logit >= 0.0)) } else { coarse }
        };
        Some(self.fine_probability.iter().zip(logits).zip(coarse).map(pixel).collect())
    }
}

/// How sure a logit is, in [0, 1]: `2 |sigmoid(logit) - 1/2|`.
pub fn confidence(logit: f32) -> f32 {
    2.0 * (1.0 / (1.0 + (-logit).exp()) - 0.5).abs()
}

/// The probability that a coarse pixel turns fine in one step, given `confidence`.
pub fn transition(confidence: f32, share: f32, next_share: f32) -> f32 {
    confidence * (next_share - share) / (1.0 - confidence * share)
}

fn advanced(fine: f32, confidence: f32, share: f32, next_share: f32) -> f32 {
    fine + (1.0 - fine) * transition(confidence, share, next_share)
}

/// A training input: each pixel shows `fine` with the share of index `t`, else `coarse`.
pub fn noised(fine: &[f32], coarse: &[f32], share: f64, mut uniform: impl FnMut() -> f32) -> Vec<f32> {
    fine.iter().zip(coarse).map(|(&fine, &coarse)| if f64::from(uniform()) < share { fine } else { coarse }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P after each step for a constant confidence `p`.
    fn probabilities(p: f32, steps: &[usize]) -> (Vec<f32>, Vec<f32>) {
        let share = FineShare::new(6);
        let (mut fine, mut ks, mut ps) = (0.0, Vec::new(), Vec::new());
        for (index, &t) in steps.iter().enumerate() {
            let next = share.at(steps.get(index + 1).copied()) as f32;
            ks.push(transition(p, share.at(Some(t)) as f32, next));
            fine = advanced(fine, p, share.at(Some(t)) as f32, next);
            ps.push(fine);
        }
        (ks, ps)
    }

    #[track_caller]
    fn assert_close(actual: &[f32], expected: &[f32]) {
        assert_eq!(actual.len(), expected.len());
        assert!(actual.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{actual:?} is not {expected:?}");
    }

    #[test]
    fn the_recursion_gives_the_published_vectors() {
        let all = [5, 4, 3, 2, 1, 0];
        let (k, p) = probabilities(1.0, &all);
        assert_close(&k, &[0.16, 0.190_476, 0.235_294, 0.307_692, 0.444_444, 1.0]);
        assert_close(&p, &[0.16, 0.32, 0.48, 0.64, 0.8, 1.0]);
        let (k, p) = probabilities(0.9, &all);
        assert_close(&k, &[0.144, 0.168_224, 0.202_247, 0.253_521, 0.339_623, 0.642_857]);
        assert_close(&p, &[0.144, 0.288, 0.432, 0.576, 0.72, 0.9]);
        assert_close(&probabilities(0.5, &all).1, &[0.08, 0.16, 0.24, 0.32, 0.4, 0.5]);
    }

    #[test]
    fn a_sub_sequence_keeps_the_marginals() {
        assert_close(&probabilities(1.0, &[5, 2, 0]).1, &[0.48, 0.8, 1.0]);
    }

    #[test]
    fn fine_pixels_show_the_prediction_and_others_the_coarse_mask() {
        let mut walk = Walk::new(FineShare::new(6), &[5, 2, 0], 3).unwrap();
        let draws = [0.9, 0.1, 0.1];
        let mut draw = draws.into_iter();
        let next = walk.advance(&[20.0, 20.0, -20.0], &[0.0, 0.0, 1.0], || draw.next().unwrap()).unwrap();
        assert_eq!(next, [0.0, 1.0, 0.0], "P is .48 everywhere");
        assert_eq!(walk.time(), Some(2));
        walk.advance(&[1.0; 3], &[0.0; 3], || 0.5).unwrap();
        assert_eq!(walk.advance(&[1.0; 3], &[0.0; 3], || 0.5), None);
    }

    #[test]
    fn a_constant_draw_gives_the_more_probable_state() {
        let mut walk = Walk::new(FineShare::new(6), &[5, 2, 0], 2).unwrap();
        // P is .48 p first and .8 p afterwards.
        assert_eq!(walk.advance(&[20.0, 0.5], &[0.0; 2], || 0.5).unwrap(), [0.0, 0.0]);
        assert_eq!(walk.advance(&[20.0, 0.5], &[0.0; 2], || 0.5).unwrap(), [1.0, 0.0]);
    }

    #[test]
    fn bad_sequences_are_refused() {
        let share = FineShare::new(6);
        assert!(matches!(Walk::new(share.clone(), &[], 1), Err(StepsError::Empty)));
        assert!(matches!(Walk::new(share.clone(), &[6, 0], 1), Err(StepsError::Outside { index: 6, timesteps: 6 })));
        assert!(matches!(Walk::new(share.clone(), &[5, 2], 1), Err(StepsError::NotFalling(_))));
        assert!(matches!(Walk::new(share, &[2, 2, 0], 1), Err(StepsError::NotFalling(_))));
    }
}
