//! Deterministic sampling of the continuous process (DDIM with eta 0; Song, Meng and Ermon, 2021), generic over the
//! network: the denoiser predicts mask logits z, and `b tanh(z / 2)` is its guess of the clean signal.

use std::ops::ControlFlow;

use burn::tensor::Tensor;

use super::schedule::{SIGNAL_SCALE, alpha_bar};

/// Logits of known pixels, and the most that guidance makes of any.
const LOGIT_LIMIT: f64 = 12.0;

/// The clean signal that mask logits stand for.
pub fn signal(logits: Tensor<4>) -> Tensor<4> {
    (logits * 0.5).tanh() * SIGNAL_SCALE
}

/// Where a walk begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// The noise level, in (0, 1].
    pub level: f64,
    /// The mask at that level.
    pub noisy: Tensor<4>,
    /// What is believed of the clean signal; zeros where nothing is known (self-conditioning).
    pub signal: Tensor<4>,
}

impl Start {
    /// Noise alone, at level 1.
    pub fn noise(noise: Tensor<4>) -> Self {
        Self { level: 1.0, signal: Tensor::zeros_like(&noise), noisy: noise }
    }

    /// A known mask, so far noised that it can still change (`SDEdit`; Meng et al., 2022). `clean` lies in
    /// [-[`SIGNAL_SCALE`], [`SIGNAL_SCALE`]]. It is not taken for the network's own guess: told so, the network keeps to
    /// it more than to the image (measured: a little worse in edits, and no better in alternatives).
    pub fn mask(clean: Tensor<4>, noise: Tensor<4>, level: f64) -> Self {
        let share = alpha_bar(level);
        Self { level, signal: Tensor::zeros_like(&clean), noisy: clean * share.sqrt() + noise * (1.0 - share).sqrt() }
    }
}

/// Pixels whose side is known, whatever the network says of them.
#[derive(Clone, Debug)]
pub struct Hold {
    known: Tensor<4>,
    free: Tensor<4>,
}

impl Hold {
    /// `sides` is 1 where a pixel is inside, -1 where it is outside and 0 where the network decides.
    pub fn new(sides: &Tensor<4>) -> Self {
        Self { known: sides.clone() * LOGIT_LIMIT, free: sides.clone().abs() * -1.0 + 1.0 }
    }

    /// `logits` with the known pixels as sure as can be.
    pub fn held(&self, logits: Tensor<4>) -> Tensor<4> {
        logits * self.free.clone() + self.known.clone()
    }
}

/// Classifier-free guidance (Ho and Salimans, 2022): how the logits change with the condition, `strength` times; 1 is
/// the conditional prediction itself.
pub fn guided(plain: Tensor<4>, conditional: Tensor<4>, strength: f64) -> Tensor<4> {
    (plain.clone() + (conditional - plain) * strength).clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
}

/// Walks from `noise` at level 1 to a mask in `steps` equal steps; see [`sample_from`].
pub fn sample(
    noise: Tensor<4>,
    steps: usize,
    denoise: impl FnMut(Tensor<4>, f64, Tensor<4>) -> Tensor<4>,
    each: impl FnMut(usize, &Tensor<4>) -> ControlFlow<()>,
) -> Option<Tensor<4>> {
    sample_from(Start::noise(noise), steps, denoise, each)
}

/// Walks from `start` to a mask in `steps` equal steps.
///
/// `denoise(x_u, u, believed signal)` gives the logits; what it holds fixed in them stays fixed in the whole walk.
/// `each(step from 1, logits)` sees every prediction and may stop the walk.
///
/// # Shapes
/// noisy, signal and logits [N, 1, S, S]; returns the logits of the last call, `None` where the walk was stopped.
pub fn sample_from(
    start: Start,
    steps: usize,
    mut denoise: impl FnMut(Tensor<4>, f64, Tensor<4>) -> Tensor<4>,
    mut each: impl FnMut(usize, &Tensor<4>) -> ControlFlow<()>,
) -> Option<Tensor<4>> {
    let steps = steps.max(1);
    let Start { level: first, noisy: mut x, signal: mut believed } = start;
    let level = |step: usize| first * (1.0 - step as f64 / steps as f64);
    for step in 0..steps {
        let logits = denoise(x.clone(), level(step), believed);
        if each(step + 1, &logits).is_break() {
            return None;
        }
        if step + 1 == steps {
            return Some(logits);
        }
        let guess = signal(logits);
        let (now, next) = (alpha_bar(level(step)), alpha_bar(level(step + 1)));
        let epsilon = (x - guess.clone() * now.sqrt()) / (1.0 - now).sqrt();
        x = guess.clone() * next.sqrt() + epsilon * (1.0 - next).sqrt();
        believed = guess;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn tensor(values: [f32; 4]) -> Tensor<4> {
        Tensor::from_data(TensorData::new(values.to_vec(), [1, 1, 2, 2]), &Device::flex())
    }

    #[test]
    fn a_perfect_denoiser_sees_the_noise_shrink_along_one_line() {
        let truth = tensor([30.0, -30.0, 30.0, 30.0]);
        let start = [0.3, -0.7, 1.1, 0.2];
        let mut seen = Vec::new();
        let result = sample(
            tensor(start),
            4,
            |x, u, _| {
                seen.push((u, x.try_into_vec_as::<f32>().unwrap()));
                truth.clone()
            },
            |_, _| ControlFlow::Continue(()),
        );
        assert_eq!(result.unwrap().try_into_vec_as::<f32>().unwrap(), [30.0, -30.0, 30.0, 30.0]);
        assert_eq!(seen.iter().map(|(u, _)| *u).collect::<Vec<_>>(), [1.0, 0.75, 0.5, 0.25]);
        let one = alpha_bar(1.0);
        for (u, x) in seen {
            for (index, clean) in [0.5, -0.5, 0.5, 0.5].into_iter().enumerate() {
                let noise = (f64::from(start[index]) - one.sqrt() * clean) / (1.0 - one).sqrt();
                let expected = alpha_bar(u).sqrt() * clean + (1.0 - alpha_bar(u)).sqrt() * noise;
                assert!((f64::from(x[index]) - expected).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn a_walk_can_be_stopped() {
        let mut calls = 0;
        let stopped = sample(
            tensor([0.0; 4]),
            8,
            |x, _, _| x,
            |step, _| {
                calls = step;
                if step == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        assert!(stopped.is_none());
        assert_eq!(calls, 3);
    }

    #[test]
    fn an_edit_starts_in_the_middle_and_keeps_what_is_held() {
        let clean = tensor([0.5, -0.5, 0.5, -0.5]);
        let hold = Hold::new(&tensor([1.0, 0.0, -1.0, 0.0]));
        let mut seen = Vec::new();
        let denoise = |_: Tensor<4>, u: f64, believed: Tensor<4>| {
            seen.push((u, believed.try_into_vec_as::<f32>().unwrap()));
            hold.held(tensor([-3.0, -3.0, 3.0, 3.0]))
        };
        let start = Start::mask(clean, tensor([0.0; 4]), 0.5);
        assert!((start.noisy.clone().try_into_vec_as::<f32>().unwrap()[0] - (alpha_bar(0.5).sqrt() * 0.5) as f32).abs() < 1e-6);
        let result = sample_from(start, 2, denoise, |_, _| ControlFlow::Continue(())).unwrap();
        assert_eq!(result.try_into_vec_as::<f32>().unwrap(), [12.0, -3.0, -12.0, 3.0]);
        assert_eq!(seen.iter().map(|(u, _)| *u).collect::<Vec<_>>(), [0.5, 0.25]);
        assert_eq!(seen[0].1, [0.0; 4]);
        assert!(seen[1].1[0] > 0.499 && seen[1].1[2] < -0.499, "what is held is believed in later steps: {:?}", seen[1].1);
    }

    #[test]
    fn guidance_goes_beyond_the_condition() {
        let guide = |strength| guided(tensor([1.0, 0.0, -1.0, 8.0]), tensor([2.0, 0.0, -2.0, 11.0]), strength);
        assert_eq!(guide(1.0).try_into_vec_as::<f32>().unwrap(), [2.0, 0.0, -2.0, 11.0]);
        assert_eq!(guide(1.5).try_into_vec_as::<f32>().unwrap(), [2.5, 0.0, -2.5, 12.0]);
    }
}
