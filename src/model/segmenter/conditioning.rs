//! What else the denoiser may know: exemplars of the class, or its name. Tokens enter by cross-attention at strides 32
//! and 16 (after `MaskDiff`; Le et al., 2024, which concatenates channels instead: [`ConditioningConfig::concat`]).
//!
//! Attention takes a set, so any number of exemplars will do. Its last layers start at zero and the module is skipped
//! where there is no token, so weights behave without tokens exactly as if this module were not there.

use burn::module::{Initializer, Module, ModuleMapper, Param};
use burn::nn::conv::Conv2d;
use burn::nn::{Embedding, EmbeddingConfig, GroupNorm, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::blocks::GROUPS;
use super::{ConditioningConfig, SegmenterConfig};
use crate::model::layer::{conv1, conv1_zero, conv3_zero, convolved, group_norm, normed, per_sample, unshuffled};
use crate::model::noise::Noise;

/// No more exemplars than this condition one mask.
pub const MOST_EXEMPLARS: usize = 8;
/// Tokens of one exemplar: the object's mean, the mean around it, and [`PATCHES`] places of the object.
const TOKENS: usize = 2 + PATCHES;
/// Places of the object that get a token of their own.
const PATCHES: usize = 6;
/// Added to the attention's logits where there is no token.
const ABSENT: f32 = -1e9;
/// How many pixels a side go into channels where the exemplar's colours are concatenated.
const PATCH: usize = 4;
/// The deviation of the first weights of a class, and of a kind of token.
const TABLE_DEVIATION: f32 = 0.02;

/// An exemplar as the network sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// [`TOKENS`] rows of the encoder's features at stride 16.
    values: Vec<f32>,
    /// Its colours in the mask, three planes of half the crop's side; only where the network concatenates them.
    colours: Option<Vec<f32>>,
}

impl Exemplar {
    /// The tokens of an exemplar: `f16` is [c16, cells] of its crop, `share` how much of each cell its mask covers.
    pub fn new(f16: &[f32], share: &[f32], colours: Option<Vec<f32>>) -> Self {
        let around: Vec<f32> = share.iter().map(|m| 1.0 - m).collect();
        let mut values = mean_of(f16, share);
        values.extend(mean_of(f16, &around));
        for cell in places(share) {
            values.extend(f16.chunks_exact(share.len()).map(|row| row[cell]));
        }
        Self { values, colours }
    }

    /// The mean of its features, one value a channel of stride 16.
    pub fn mean(&self) -> &[f32] {
        &self.values[..self.values.len() / TOKENS]
    }
}

/// The mean of each channel of `f16` [c16, cells], where each cell counts by its `weight`.
pub fn mean_of(f16: &[f32], weight: &[f32]) -> Vec<f32> {
    let total = weight.iter().sum::<f32>().max(1e-6);
    let mean = |channel: &[f32]| channel.iter().zip(weight).map(|(value, weight)| value * weight).sum::<f32>() / total;
    f16.chunks_exact(weight.len()).map(mean).collect()
}

/// [`PATCHES`] cells of the object, evenly spread in reading order over those that it covers at least half.
fn places(share: &[f32]) -> impl Iterator<Item = usize> {
    let mut order: Vec<usize> = (0..share.len()).collect();
    order.sort_by(|&a, &b| share[b].total_cmp(&share[a]).then(a.cmp(&b)));
    let covered = share.iter().filter(|&&m| m >= 0.5).count();
    order.truncate(covered.max(PATCHES));
    order.sort_unstable();
    (0..PATCHES).map(move |index| order[(2 * index + 1) * order.len() / (2 * PATCHES)])
}

/// What conditions one sample of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    /// Exemplars of the class, at most [`MOST_EXEMPLARS`] of which count.
    pub exemplars: Vec<Exemplar>,
    /// The class, as an index of [`ConditioningConfig::classes`].
    pub class: Option<usize>,
}

impl Condition {
    /// Whether nothing is known.
    pub const fn is_empty(&self) -> bool {
        self.exemplars.is_empty() && self.class.is_none()
    }
}

/// The tokens of a batch.
#[derive(Clone, Debug)]
pub struct Context {
    /// [N, T, E]
    tokens: Tensor<3>,
    /// [N, 1, 1, T]: 0, or [`ABSENT`].
    bias: Tensor<4>,
    /// [N, 1, 1, 1]: 1 where a sample has any token, else 0.
    present: Tensor<4>,
    /// [N, 3, S/2, S/2]
    colours: Option<Tensor<4>>,
}

impl Context {
    /// The same tokens without gradients.
    #[must_use]
    pub fn inner(&self) -> Self {
        Self {
            tokens: self.tokens.clone().inner(),
            bias: self.bias.clone().inner(),
            present: self.present.clone().inner(),
            colours: self.colours.clone().map(Tensor::inner),
        }
    }

    /// The tokens of one sample `count` times over.
    #[must_use]
    pub fn repeated(&self, count: usize) -> Self {
        if count == 1 {
            return self.clone();
        }
        Self {
            tokens: self.tokens.clone().repeat_dim(0, count),
            bias: self.bias.clone().repeat_dim(0, count),
            present: self.present.clone().repeat_dim(0, count),
            colours: self.colours.clone().map(|colours| colours.repeat_dim(0, count)),
        }
    }
}

/// Attention of positions over tokens: `x + proj(attention(query(norm(x)), kv(tokens)))`.
#[derive(Module, Debug)]
struct CrossAttention {
    norm: GroupNorm,
    query: Conv2d,
    kv: Linear,
    proj: Conv2d,
    heads: usize,
}

impl CrossAttention {
    fn new(channels: usize, config: &SegmenterConfig, device: &Device) -> Self {
        Self {
            norm: group_norm(GROUPS, channels, device),
            query: conv1([channels, channels], device),
            kv: LinearConfig::new(config.emb, 2 * channels).init(device),
            proj: conv1_zero([channels, channels], device),
            heads: config.heads,
        }
    }

    fn forward(&self, x: Tensor<4>, context: &Context) -> Tensor<4> {
        let [n, c, h, w] = x.dims();
        let (heads, depth, count) = (self.heads, c / self.heads, context.tokens.dims()[1]);
        let queries = convolved(&self.query, normed(&self.norm, x.clone())).reshape([n, heads, depth, h * w]);
        let kv = self.kv.forward(context.tokens.clone());
        let part = |from: usize| kv.clone().narrow(2, from, c).reshape([n, count, heads, depth]).permute([0, 2, 3, 1]);
        let scores = (queries * (depth as f64).powf(-0.5)).swap_dims(2, 3).matmul(part(0)) + context.bias.clone();
        let found = part(c).matmul(softmax(scores, 3).swap_dims(2, 3));
        x + convolved(&self.proj, found.reshape([n, c, h, w])) * context.present.clone()
    }
}

/// The conditioning's layers.
#[derive(Module, Debug)]
pub struct Conditioning {
    token: Linear,
    kinds: Embedding,
    classes: Option<Embedding>,
    cross32: CrossAttention,
    cross16: CrossAttention,
    concat: Option<Conv2d>,
    token_width: usize,
    mask_side: usize,
}

impl Conditioning {
    /// Layers that do nothing yet.
    pub fn new(config: &SegmenterConfig, own: &ConditioningConfig, device: &Device) -> Self {
        let table = |rows| {
            EmbeddingConfig::new(rows, config.emb)
                .with_initializer(Initializer::Normal { mean: 0.0, std: f64::from(TABLE_DEVIATION) })
                .init(device)
        };
        Self {
            token: LinearConfig::new(config.c16, config.emb).init(device),
            kinds: table(3),
            classes: (!own.classes.is_empty()).then(|| table(own.classes.len())),
            cross32: CrossAttention::new(config.c32, config, device),
            cross16: CrossAttention::new(config.c16, config, device),
            concat: own.concat.then(|| conv3_zero([3 * PATCH * PATCH, config.c8], device)),
            token_width: config.c16,
            mask_side: config.mask,
        }
    }

    /// The same layers with first weights that follow from `seed` alone, whatever the device draws.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Self {
        self.map(&mut Drawn { path: Vec::new(), noise: Noise::new(seed) })
    }

    /// These layers with `count` classes more, whose first weights follow from `seed`.
    #[must_use]
    pub fn with_classes(self, count: usize, seed: u64, device: &Device) -> Self {
        if count == 0 {
            return self;
        }
        let width = self.kinds.weight.dims()[1];
        let values: Vec<f32> = Noise::new(seed).normals(count * width).into_iter().map(|value| value * TABLE_DEVIATION).collect();
        let new = Tensor::from_data(TensorData::new(values, [count, width]), device);
        let known = self.classes.map(|table| table.weight.val());
        let weight = Param::from_tensor(Tensor::cat(known.into_iter().chain([new]).collect(), 0));
        Self { classes: Some(Embedding { weight }), ..self }
    }

    /// The tokens of a batch; `None` where no sample has a condition.
    pub fn context(&self, conditions: &[Condition], device: &Device) -> Option<Context> {
        if conditions.iter().all(Condition::is_empty) {
            return None;
        }
        let (n, width) = (conditions.len(), self.token_width);
        let shown = |condition: &Condition| condition.exemplars.len().min(MOST_EXEMPLARS);
        let slots = conditions.iter().map(shown).max().unwrap_or(0) * TOKENS;
        let (mut values, mut bias, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
        let (mut classes, mut present, mut colours) = (Vec::new(), Vec::new(), Vec::new());
        let plane = self.mask_side * self.mask_side;
        for condition in conditions {
            let own = shown(condition) * TOKENS;
            values.extend(condition.exemplars.iter().take(MOST_EXEMPLARS).flat_map(|exemplar| &exemplar.values));
            values.resize(values.len() + (slots - own) * width, 0.0);
            kinds.extend((0..slots).map(|slot| (slot % TOKENS).min(2) as i32));
            bias.extend((0..slots).map(|slot| if slot < own { 0.0 } else { ABSENT }));
            bias.push(if condition.class.is_some() { 0.0 } else { ABSENT });
            classes.push(condition.class.unwrap_or(0) as i32);
            present.push(f32::from(u8::from(!condition.is_empty())));
            let first = condition.exemplars.first().and_then(|exemplar| exemplar.colours.as_deref());
            colours.extend_from_slice(first.unwrap_or(&vec![0.0; 3 * plane]));
        }
        let ints = |values: Vec<i32>, columns| Tensor::<2, Int>::from_data(TensorData::new(values, [n, columns]), device);
        let class = match &self.classes {
            Some(table) => table.forward(ints(classes, 1)),
            None => Tensor::zeros([n, 1, self.kinds.weight.dims()[1]], device),
        };
        let tokens = if slots == 0 {
            class
        } else {
            let values = Tensor::<3>::from_data(TensorData::new(values, [n, slots, width]), device);
            Tensor::cat(vec![self.token.forward(values) + self.kinds.forward(ints(kinds, slots)), class], 1)
        };
        let colours = || Tensor::from_data(TensorData::new(colours, [n, 3, self.mask_side, self.mask_side]), device);
        Some(Context {
            tokens,
            bias: Tensor::from_data(TensorData::new(bias, [n, 1, 1, slots + 1]), device),
            present: per_sample(present, device),
            colours: self.concat.as_ref().map(|_| colours()),
        })
    }

    pub(super) fn at32(&self, x: Tensor<4>, context: &Context) -> Tensor<4> {
        self.cross32.forward(x, context)
    }

    pub(super) fn at16(&self, x: Tensor<4>, context: &Context) -> Tensor<4> {
        self.cross16.forward(x, context)
    }

    /// What the exemplar's colours add to the denoiser's input at stride 8.
    pub(super) fn at_input(&self, x: Tensor<4>, context: &Context) -> Tensor<4> {
        match (&self.concat, &context.colours) {
            (Some(concat), Some(colours)) => x + convolved(concat, unshuffled(colours.clone(), PATCH)) * context.present.clone(),
            _ => x,
        }
    }
}

/// Draws first weights on the host. Layers that start at zero and norms are left as they are.
struct Drawn {
    path: Vec<String>,
    noise: Noise,
}

impl ModuleMapper for Drawn {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let starts_at_zero = self.path.iter().any(|name| name == "proj" || name == "concat");
        let kind = self.path.last().map_or("", String::as_str);
        if starts_at_zero || !matches!(kind, "weight" | "bias") {
            return param;
        }
        let shape = param.lazy_shape();
        let sides: Vec<usize> = shape.iter().copied().collect();
        let deviation = match (kind, D) {
            ("bias", _) => 0.0,
            _ if self.path.iter().any(|name| name == "kinds" || name == "classes") => TABLE_DEVIATION,
            // Linear weights lie [in, out], convolutions [out, in, 1, 1].
            (_, 2) => (sides[0] as f32).sqrt().recip(),
            _ => (sides[1] as f32).sqrt().recip(),
        };
        let values: Vec<f32> = self.noise.normals(shape.num_elements()).into_iter().map(|value| value * deviation).collect();
        param.map(|tensor| Tensor::from_data(TensorData::new(values, shape), &tensor.device()).set_require_grad(tensor.is_require_grad()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_means_and_places_of_the_object() {
        let share = [0.0, 1.0, 0.5, 0.0];
        let exemplar = Exemplar::new(&[1.0, 2.0, 5.0, 7.0], &share, None);
        assert_eq!(exemplar.values.len(), TOKENS);
        assert!((exemplar.values[0] - 3.0).abs() < 1e-6);
        assert!((exemplar.values[1] - (1.0 + 2.5 + 7.0) / 2.5).abs() < 1e-6);
        assert_eq!(places(&[0.0, 0.9, 0.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]).collect::<Vec<_>>(), [1, 3, 4, 6, 7, 8]);
    }
}
