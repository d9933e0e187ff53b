//! The half of the segmenter that runs once a diffusion step.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{GroupNorm, Linear, LinearConfig};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor, TensorData};

use super::blocks::{Attention, FilmRes, GROUPS};
use super::encoder::STEM;
use super::{Conditioning, Context, Features, SegmenterConfig};
use crate::model::diffusion::schedule::{SIGNAL_SCALE, alpha_bar, log_snr};
use crate::model::layer::{
    conv1, conv3, conv3_zero, convolved, convolved_beside, convolved_onto, group_norm, joined, normed_silu, per_sample, shuffled, silu,
    unshuffled, upsampled,
};

/// How many pixels a side go into channels at the input.
const PATCH: usize = 4;

/// What one denoiser call says.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// Mask logits [N, 1, S/2, S/2].
    pub logits: Tensor<4>,
    /// The `IoU` that the network expects of its mask, in [0, 1]: `[N]`.
    pub quality: Tensor<1>,
}

/// What the finest features, of stride 2, change in the logits; four cells of theirs lie in one of stride 4.
#[derive(Module, Debug)]
struct Fine {
    conv1: Conv2d,
    norm2: GroupNorm,
    conv2: Conv2d,
}

impl Fine {
    fn new(c4: usize, channels: usize, device: &Device) -> Self {
        Self {
            conv1: conv3([c4 + 4 * STEM, channels], 1, device),
            norm2: group_norm(GROUPS, channels, device),
            conv2: conv3_zero([channels, 4], device),
        }
    }

    /// # Shapes
    /// [N, 96, S/4, S/4] and [N, c4, S/4, S/4] -> [N, 4, S/4, S/4]
    fn forward(&self, f2: Tensor<4>, h: Tensor<4>) -> Tensor<4> {
        let x = convolved(&self.conv1, joined(h, f2));
        convolved(&self.conv2, normed_silu(&self.norm2, x))
    }
}

/// The mask denoiser.
#[derive(Module, Debug)]
pub struct Denoiser {
    noise_mlp1: Linear,
    noise_mlp2: Linear,
    input_conv: Conv2d,
    lat8: Conv2d,
    res8: FilmRes,
    down16: Conv2d,
    lat16: Conv2d,
    res16: FilmRes,
    down32: Conv2d,
    lat32: Conv2d,
    res32a: FilmRes,
    attn32: Attention,
    res32b: FilmRes,
    up16: Conv2d,
    upres16: FilmRes,
    up8: Conv2d,
    upres8: FilmRes,
    up4: Conv2d,
    upres4: FilmRes,
    out_norm: GroupNorm,
    out_conv: Conv2d,
    fine: Option<Fine>,
    quality1: Linear,
    quality2: Linear,
    noise_dim: usize,
}

impl Denoiser {
    /// A denoiser with random weights.
    pub fn new(config: &SegmenterConfig, device: &Device) -> Self {
        let SegmenterConfig { c4, c8, c16, c32, heads, noise_dim, emb, fine, .. } = *config;
        let film = |channels| FilmRes::new(channels, emb, device);
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        Self {
            noise_mlp1: linear(noise_dim, emb),
            noise_mlp2: linear(emb, emb),
            input_conv: conv3([2 * PATCH * PATCH, c8], 1, device),
            lat8: conv1([c8, c8], device),
            res8: film([c8, c8]),
            down16: conv3([c8, c16], 2, device),
            lat16: conv1([c16, c16], device),
            res16: film([c16, c16]),
            down32: conv3([c16, c32], 2, device),
            lat32: conv1([c32, c32], device),
            res32a: film([c32, c32]),
            attn32: Attention::new(c32, heads, device),
            res32b: film([c32, c32]),
            up16: conv1([c32, c16], device),
            upres16: film([2 * c16, c16]),
            up8: conv1([c16, c8], device),
            upres8: film([2 * c8, c8]),
            up4: conv1([c8, c4], device),
            upres4: film([2 * c4, c4]),
            out_norm: group_norm(GROUPS, c4, device),
            out_conv: conv3([c4, 4], 1, device),
            fine: (fine > 0).then(|| Fine::new(c4, fine, device)),
            quality1: linear(c32, 64),
            quality2: linear(64, 1),
            noise_dim,
        }
    }

    /// One prediction.
    ///
    /// # Shapes
    /// noisy mask and previous signal [N, 1, S/2, S/2], one noise level in [0, 1] a sample
    pub fn forward(&self, features: &Features, noisy: Tensor<4>, levels: &[f64], signal: Tensor<4>) -> Prediction {
        self.forward_with(features, noisy, levels, signal, None)
    }

    /// As [`Self::forward`], with tokens.
    pub fn forward_with(
        &self,
        features: &Features,
        noisy: Tensor<4>,
        levels: &[f64],
        signal: Tensor<4>,
        condition: Option<(&Conditioning, &Context)>,
    ) -> Prediction {
        let device = noisy.device().without_autodiff();
        let embedding = silu(self.embedding(levels, &device));
        let gain = |&u: &f64| {
            let share = alpha_bar(u);
            (SIGNAL_SCALE.powi(2) * share + 1.0 - share).sqrt().recip() as f32
        };
        let noisy = noisy * per_sample(levels.iter().map(gain).collect(), &device);
        let x = joined(unshuffled(noisy, PATCH), unshuffled(signal, PATCH));
        let told = |x, tell: fn(&Conditioning, Tensor<4>, &Context) -> Tensor<4>| match condition {
            Some((layers, context)) => tell(layers, x, context),
            None => x,
        };
        let x = told(convolved(&self.input_conv, x), Conditioning::at_input);
        let a = self.res8.forward(convolved_onto(&self.lat8, features.f8.clone(), x), &embedding);
        let [a, b] = convolved_beside(&self.down16, a);
        let b = self.res16.forward(convolved_onto(&self.lat16, features.f16.clone(), b), &embedding);
        let [b, h] = convolved_beside(&self.down32, b);
        let h = convolved_onto(&self.lat32, features.f32.clone(), h);
        let h = told(self.attn32.forward(self.res32a.forward(h, &embedding)), Conditioning::at32);
        let middle = self.res32b.forward(h, &embedding);
        let up = |conv: &Conv2d, x, skip| joined(upsampled(convolved(conv, x)), skip);
        let h = told(self.upres16.forward(up(&self.up16, middle.clone(), b), &embedding), Conditioning::at16);
        let h = self.upres8.forward(up(&self.up8, h, a), &embedding);
        let h = self.upres4.forward(up(&self.up4, h, features.f4.clone()), &embedding);
        let h = normed_silu(&self.out_norm, h);
        let [h, cells] = convolved_beside(&self.out_conv, h);
        let cells = match &self.fine {
            Some(fine) => cells + fine.forward(features.f2.clone(), h),
            None => cells,
        };
        Prediction { logits: shuffled(cells, 2), quality: self.quality(middle) }
    }

    fn embedding(&self, levels: &[f64], device: &Device) -> Tensor<2> {
        let code: Vec<f32> = levels.iter().flat_map(|&u| sinusoid(log_snr(u), self.noise_dim)).collect();
        let code = Tensor::from_data(TensorData::new(code, [levels.len(), self.noise_dim]), device);
        self.noise_mlp2.forward(silu(self.noise_mlp1.forward(code)))
    }

    fn quality(&self, middle: Tensor<4>) -> Tensor<1> {
        let [n, c, h, w] = middle.dims();
        let pooled = middle.reshape([n, c, h * w]).mean_dim(2).reshape([n, c]);
        sigmoid(self.quality2.forward(silu(self.quality1.forward(pooled)))).reshape([n])
    }
}

/// [sin(v `w_i`) | cos(v `w_i`)] with `length` / 2 frequencies that fall geometrically from 10 to .01.
fn sinusoid(value: f64, length: usize) -> impl Iterator<Item = f32> {
    let half = length / 2;
    let angle = move |i: usize| value * 10.0_f64.powf(1.0 - 3.0 * i as f64 / (half - 1) as f64);
    (0..half).map(move |i| angle(i).sin() as f32).chain((0..half).map(move |i| angle(i).cos() as f32))
}
