//! Deterministic sampling of the continuous process (DDIM with eta 0; Song, Meng and Ermon, 2021), generic over the
//! network: the denoiser predicts mask logits z, and `b tanh(z / 2)` is its guess of the clean signal.

use std::ops::ControlFlow;

use burn::tensor::Tensor;

use super::schedule::{SIGNAL_SCALE, alpha_bar};

/// The clean signal that mask logits stand for.
pub fn signal(logits: Tensor<4>) -> Tensor<4> {
    (logits * 0.5).tanh() * SIGNAL_SCALE
}

/// Walks from `noise` at level 1 to a mask in `steps` equal steps.
///
/// `denoise(x_u, u, previous signal)` gives the logits; the previous signal is zero at first (self-conditioning).
/// `each(step from 1, logits)` sees every prediction and may stop the walk.
///
/// # Shapes
/// noise, signal and logits [N, 1, S, S]; returns the logits of the last call, `None` where the walk was stopped.
pub fn sample(
    noise: Tensor<4>,
    steps: usize,
    mut denoise: impl FnMut(Tensor<4>, f64, Tensor<4>) -> Tensor<4>,
    mut each: impl FnMut(usize, &Tensor<4>) -> ControlFlow<()>,
) -> Option<Tensor<4>> {
    let steps = steps.max(1);
    let mut previous = Tensor::zeros_like(&noise);
    let mut x = noise;
    for step in 0..steps {
        let level = |step: usize| 1.0 - step as f64 / steps as f64;
        let logits = denoise(x.clone(), level(step), previous);
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
        previous = guess;
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
}
