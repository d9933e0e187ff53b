"""Box-prompted mask diffusion: the segmenter network, its schedule and its sampler.

This is the reference twin of the Rust implementation.  Module attributes carry
the same names as the tensors in ``models/segmenter.safetensors``.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Sequence

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

GROUPS = 8
STEM = 24
"""Channels at stride 2."""
SCALE = 0.5
"""b: a mask M in {0,1} is diffused as x0 = b(2M-1)."""


MOST_EXEMPLARS = 8
PATCHES = 6
TOKENS = 2 + PATCHES
"""Of one exemplar: the object's mean, the mean around it, and places of the object."""


@dataclass(frozen=True)
class ConditioningConfig:
    """What conditions the denoiser besides the box."""

    classes: tuple[str, ...] = ()
    concat: bool = False
    """Whether the first exemplar's colours enter the denoiser's input too (ablation)."""


@dataclass(frozen=True)
class SegmenterConfig:
    """Widths of the segmenter; the mask side is always half the crop side."""

    crop: int = 256
    mask: int = 128
    in_channels: int = 5
    c4: int = 32
    c8: int = 64
    c16: int = 128
    c32: int = 192
    heads: int = 4
    noise_dim: int = 64
    emb: int = 256
    depths: tuple[int, ...] = (1, 2, 5, 4)
    """Residual blocks of the encoder at strides 4, 8, 16 and 32."""
    fine: int = 32
    """Channels of last layers that see features of stride 2; 0 for none."""
    conditioning: ConditioningConfig | None = None

    def to_dict(self) -> dict:
        """As the weight file stores it: no entry for a conditioning that is not there."""
        out = asdict(self)
        if self.conditioning is None:
            del out["conditioning"]
        if not self.fine:
            del out["fine"]
        return out

    @staticmethod
    def from_dict(d: dict) -> "SegmenterConfig":
        own = d.get("conditioning")
        own = own and ConditioningConfig(tuple(own.get("classes", ())), own.get("concat", False))
        depths = tuple(d.get("depths", (1, 2, 2, 2)))
        return SegmenterConfig(**{**d, "depths": depths, "fine": d.get("fine", 0), "conditioning": own})


def conv3(cin: int, cout: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(cin, cout, 3, stride=stride, padding=1)


def conv1(cin: int, cout: int) -> nn.Conv2d:
    return nn.Conv2d(cin, cout, 1)


class Norm(nn.GroupNorm):
    """Group norm that stays in half precision where CUDA's autocast would leave it."""

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_cuda:
            return super().forward(x)
        with torch.autocast("cuda", enabled=False):
            return F.group_norm(x, self.num_groups, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)


def group_norm(channels: int) -> nn.GroupNorm:
    return Norm(GROUPS, channels, eps=1e-5)


def zero(module: nn.Module) -> nn.Module:
    """Zero a layer's weights so that its residual branch starts as the identity."""
    for p in module.parameters():
        nn.init.zeros_(p)
    return module


class Res(nn.Module):
    """x + conv2(silu(gn2(conv1(silu(gn1(x)))))); in training the share ``drop`` of samples has x alone (stochastic depth)."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.drop = 0.0
        self.gn1 = group_norm(c)
        self.conv1 = conv3(c, c)
        self.gn2 = group_norm(c)
        self.conv2 = conv3(c, c)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(F.silu(self.gn2(self.conv1(F.silu(self.gn1(x))))))
        if self.training and self.drop > 0:
            kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop
            h = h * (kept / (1 - self.drop)).to(h.dtype)
        return x + h


class Attn(nn.Module):
    """Self-attention over positions; qkv channels are [q|k|v], heads contiguous in each."""

    def __init__(self, c: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = group_norm(c)
        self.qkv = conv1(c, 3 * c)
        self.proj = zero(conv1(c, c))

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, 3, self.heads, c // self.heads, h * w).unbind(1)
        weight = torch.einsum("nhdq,nhdk->nhqk", q, k) * (c // self.heads) ** -0.5
        out = torch.einsum("nhqk,nhdk->nhdq", weight.float().softmax(-1).to(v.dtype), v)
        return x + self.proj(out.reshape(n, c, h, w))


class FiLMRes(nn.Module):
    """Residual block whose second norm is scaled and shifted by the noise embedding."""

    def __init__(self, cin: int, cout: int, emb: int) -> None:
        super().__init__()
        self.norm1 = group_norm(cin)
        self.conv1 = conv3(cin, cout)
        self.film = nn.Linear(emb, 2 * cout)
        self.norm2 = group_norm(cout)
        self.conv2 = zero(conv3(cout, cout))
        if cin != cout:
            self.skip = conv1(cin, cout)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.film(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        h = self.conv2(F.silu(h))
        return (self.skip(x) if hasattr(self, "skip") else x) + h


class Encoder(nn.Module):
    """Crop -> features at strides 2, 4, 8, 16 and 32; independent of the noise level."""

    def __init__(self, cfg: SegmenterConfig) -> None:
        super().__init__()
        d4, d8, d16, d32 = cfg.depths

        def stage(c: int, depth: int) -> nn.ModuleList:
            return nn.ModuleList([Res(c) for _ in range(depth)])

        self.stem1 = conv3(cfg.in_channels, STEM, 2)
        self.stem2_norm = group_norm(STEM)
        self.stem2 = conv3(STEM, cfg.c4, 2)
        self.stage4 = stage(cfg.c4, d4)
        self.down8 = conv3(cfg.c4, cfg.c8, 2)
        self.stage8 = stage(cfg.c8, d8)
        self.down16 = conv3(cfg.c8, cfg.c16, 2)
        self.stage16 = stage(cfg.c16, d16)
        self.down32 = conv3(cfg.c16, cfg.c32, 2)
        self.stage32 = stage(cfg.c32, d32)
        self.attn32 = Attn(cfg.c32, cfg.heads)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        f2 = F.silu(self.stem2_norm(self.stem1(x)))
        f4 = self.stem2(f2)
        for block in self.stage4:
            f4 = block(f4)
        f8 = self.down8(f4)
        for block in self.stage8:
            f8 = block(f8)
        f16 = self.down16(f8)
        for block in self.stage16:
            f16 = block(f16)
        f32 = self.down32(f16)
        for block in self.stage32:
            f32 = block(f32)
        return f2, f4, f8, f16, self.attn32(f32)


def up2(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def sinusoid(v: Tensor, dim: int) -> Tensor:
    """[sin(v w_i), cos(v w_i)] with w_i from 10 down to 0.01, geometrically."""
    half = dim // 2
    i = torch.arange(half, device=v.device, dtype=torch.float32)
    w = 10.0 ** (1.0 - 3.0 * i / (half - 1))
    a = v.float()[:, None] * w[None]
    return torch.cat([a.sin(), a.cos()], dim=1)


@dataclass
class Exemplar:
    """Tokens [TOKENS, c16] of an exemplar, and its colours in the mask [3, S/2, S/2]."""

    values: Tensor
    colours: Tensor | None = None


def places(share: Tensor) -> Tensor:
    """PATCHES cells evenly spread, in reading order, over those that the mask covers at least half."""
    order = torch.sort(share, descending=True, stable=True)[1]
    order = order[: max(int((share >= 0.5).sum()), PATCHES)].sort()[0]
    return order[[(2 * i + 1) * len(order) // (2 * PATCHES) for i in range(PATCHES)]]


def exemplar_values(f16: Tensor, share: Tensor) -> Tensor:
    """f16 [c16, h, w] of the exemplar's crop and the share of each cell in its mask [h, w] -> [TOKENS, c16]."""
    f, m = f16.flatten(1), share.flatten()
    inside = (f * m).sum(1) / m.sum().clamp(min=1e-6)
    around = (f * (1 - m)).sum(1) / (1 - m).sum().clamp(min=1e-6)
    return torch.cat([inside[None], around[None], f[:, places(m)].T])


@dataclass
class Condition:
    """What conditions one sample."""

    exemplars: Sequence[Exemplar] = ()
    label: int | None = None


@dataclass
class Context:
    """Tokens of a batch [N, T, E], their bias [N, 1, 1, T], who has any [N, 1, 1, 1], colours [N, 3, S/2, S/2]."""

    tokens: Tensor
    bias: Tensor
    present: Tensor
    colours: Tensor | None


class CrossAttn(nn.Module):
    """x + proj(attention of positions over tokens)."""

    def __init__(self, c: int, heads: int, emb: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = group_norm(c)
        self.query = conv1(c, c)
        self.kv = nn.Linear(emb, 2 * c)
        self.proj = zero(conv1(c, c))

    def forward(self, x: Tensor, context: Context) -> Tensor:
        n, c, h, w = x.shape
        d, t = c // self.heads, context.tokens.shape[1]
        q = self.query(self.norm(x)).reshape(n, self.heads, d, h * w)
        k, v = self.kv(context.tokens).reshape(n, t, 2, self.heads, d).permute(2, 0, 3, 4, 1)
        score = torch.einsum("nhdq,nhdk->nhqk", q, k) * d**-0.5 + context.bias
        out = torch.einsum("nhqk,nhdk->nhdq", score.float().softmax(-1).to(v.dtype), v)
        return x + self.proj(out.reshape(n, c, h, w)) * context.present


class Conditioning(nn.Module):
    """Exemplars and class names to tokens, and the attention through which they enter the denoiser."""

    def __init__(self, cfg: SegmenterConfig) -> None:
        super().__init__()
        own = cfg.conditioning
        self.mask = cfg.mask
        self.token = nn.Linear(cfg.c16, cfg.emb)
        self.kinds = nn.Embedding(3, cfg.emb)
        nn.init.normal_(self.kinds.weight, std=0.02)
        if own.classes:
            self.classes = nn.Embedding(len(own.classes), cfg.emb)
            nn.init.normal_(self.classes.weight, std=0.02)
        self.cross32 = CrossAttn(cfg.c32, cfg.heads, cfg.emb)
        self.cross16 = CrossAttn(cfg.c16, cfg.heads, cfg.emb)
        if own.concat:
            self.concat = zero(conv3(48, cfg.c8))

    def context(self, conditions: Sequence[Condition], padded: bool = False) -> Context | None:
        """The tokens of a batch, or None where no sample has a condition; ``padded`` to equal sizes of all batches."""
        if not padded and not any(c.exemplars or c.label is not None for c in conditions):
            return None
        n, device = len(conditions), self.kinds.weight.device
        most = max(min(len(c.exemplars), MOST_EXEMPLARS) for c in conditions)
        slots = TOKENS * (MOST_EXEMPLARS if padded else most)
        values = torch.zeros(n, slots, self.token.in_features, device=device)
        bias = torch.full((n, slots + 1), -1e9)
        present = torch.zeros(n)
        colours = torch.zeros(n, 3, self.mask, self.mask, device=device)
        for i, c in enumerate(conditions):
            shown = c.exemplars[:MOST_EXEMPLARS]
            if shown:
                values[i, : TOKENS * len(shown)] = torch.cat([e.values for e in shown])
                bias[i, : TOKENS * len(shown)] = 0
                if shown[0].colours is not None and hasattr(self, "concat"):
                    colours[i] = shown[0].colours
            if c.label is not None:
                bias[i, slots] = 0
            present[i] = bool(shown) or c.label is not None
        kinds = self.kinds(torch.arange(slots, device=device).remainder(TOKENS).clamp(max=2))
        if hasattr(self, "classes"):
            label = self.classes(torch.tensor([c.label or 0 for c in conditions], device=device))[:, None]
        else:
            label = torch.zeros(n, 1, self.kinds.embedding_dim, device=device)
        tokens = torch.cat([self.token(values) + kinds, label], dim=1) if slots else label
        return Context(
            tokens,
            bias[:, None, None].to(device),
            present[:, None, None, None].to(device),
            colours if hasattr(self, "concat") else None,
        )


class Fine(nn.Module):
    """What the finest features, of stride 2, change in the logits; four cells of theirs lie in one of stride 4."""

    def __init__(self, c4: int, c: int) -> None:
        super().__init__()
        self.conv1 = conv3(c4 + 4 * STEM, c)
        self.norm2 = group_norm(c)
        self.conv2 = zero(conv3(c, 4))

    def forward(self, f2: Tensor, h: Tensor) -> Tensor:
        x = self.conv1(torch.cat([h, F.pixel_unshuffle(f2, 2)], dim=1))
        return self.conv2(F.silu(self.norm2(x)))


class Denoiser(nn.Module):
    """Noisy mask + encoder features + noise level -> mask logits and predicted IoU."""

    def __init__(self, cfg: SegmenterConfig) -> None:
        super().__init__()
        c4, c8, c16, c32, emb = cfg.c4, cfg.c8, cfg.c16, cfg.c32, cfg.emb
        self.noise_dim = cfg.noise_dim
        self.noise_mlp1 = nn.Linear(cfg.noise_dim, emb)
        self.noise_mlp2 = nn.Linear(emb, emb)
        self.input_conv = conv3(32, c8)
        self.lat8 = conv1(c8, c8)
        self.res8 = FiLMRes(c8, c8, emb)
        self.down16 = conv3(c8, c16, 2)
        self.lat16 = conv1(c16, c16)
        self.res16 = FiLMRes(c16, c16, emb)
        self.down32 = conv3(c16, c32, 2)
        self.lat32 = conv1(c32, c32)
        self.res32a = FiLMRes(c32, c32, emb)
        self.attn32 = Attn(c32, cfg.heads)
        self.res32b = FiLMRes(c32, c32, emb)
        self.up16 = conv1(c32, c16)
        self.upres16 = FiLMRes(2 * c16, c16, emb)
        self.up8 = conv1(c16, c8)
        self.upres8 = FiLMRes(2 * c8, c8, emb)
        self.up4 = conv1(c8, c4)
        self.upres4 = FiLMRes(2 * c4, c4, emb)
        self.out_norm = group_norm(c4)
        self.out_conv = conv3(c4, 4)
        if cfg.fine:
            self.fine = Fine(c4, cfg.fine)
        self.quality1 = nn.Linear(c32, 64)
        self.quality2 = nn.Linear(64, 1)

    def forward(
        self,
        features: tuple[Tensor, ...],
        x_u: Tensor,
        u: Tensor,
        x0_hat: Tensor,
        conditioning: Conditioning | None = None,
        context: Context | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Returns (logits [N,1,S/2,S/2], quality [N]); conditioning and context go together."""
        f2, f4, f8, f16, f32 = features
        abar = alpha_bar(u)
        emb = sinusoid(torch.log(abar / (1 - abar)).clamp(-10, 10), self.noise_dim)
        emb = self.noise_mlp2(F.silu(self.noise_mlp1(emb)))
        x_in = x_u / (SCALE**2 * abar + 1 - abar).sqrt()[:, None, None, None]
        x = torch.cat([F.pixel_unshuffle(x_in, 4), F.pixel_unshuffle(x0_hat, 4)], dim=1)
        x = self.input_conv(x)
        if context is not None and context.colours is not None:
            colours = context.colours
            if colours.shape[-2:] != x_u.shape[-2:]:
                colours = F.interpolate(colours, x_u.shape[-2:], mode="bilinear", align_corners=False)
            x = x + conditioning.concat(F.pixel_unshuffle(colours, 4)) * context.present
        a = self.res8(x + self.lat8(f8), emb)
        b = self.res16(self.down16(a) + self.lat16(f16), emb)
        h = self.res32a(self.down32(b) + self.lat32(f32), emb)
        h = self.attn32(h)
        if context is not None:
            h = conditioning.cross32(h, context)
        mid = self.res32b(h, emb)
        h = self.upres16(torch.cat([up2(self.up16(mid)), b], dim=1), emb)
        if context is not None:
            h = conditioning.cross16(h, context)
        h = self.upres8(torch.cat([up2(self.up8(h)), a], dim=1), emb)
        h = self.upres4(torch.cat([up2(self.up4(h)), f4], dim=1), emb)
        h = F.silu(self.out_norm(h))
        out = self.out_conv(h)
        if hasattr(self, "fine"):
            out = out + self.fine(f2, h)
        logits = F.pixel_shuffle(out, 2)
        quality = self.quality2(F.silu(self.quality1(mid.mean(dim=(2, 3)))))
        return logits, quality.sigmoid()[:, 0]


class Segmenter(nn.Module):
    """Encoder (run once per box) and denoiser (run once per diffusion step)."""

    def __init__(self, cfg: SegmenterConfig = SegmenterConfig()) -> None:
        super().__init__()
        self.cfg = cfg
        self.encoder = Encoder(cfg)
        self.denoiser = Denoiser(cfg)
        if cfg.conditioning is not None:
            self.conditioning = Conditioning(cfg)

    def denoise(
        self, features: tuple[Tensor, ...], x_u: Tensor, u: Tensor, x0_hat: Tensor, context: Context | None
    ) -> tuple[Tensor, Tensor]:
        """A denoiser call with the tokens of ``context``, where there are any."""
        return self.denoiser(features, x_u, u, x0_hat, getattr(self, "conditioning", None), context)

    def exemplars(self, crops: Tensor, masks: Tensor) -> list[Exemplar]:
        """Tokens of exemplars from their inputs [N, 5, S/2, S/2] and masks [N, S/2, S/2]."""
        with torch.no_grad():
            features = self.encoder.forward(crops)[3].float()
        shares = F.avg_pool2d(masks[:, None], 16)[:, 0]
        return [Exemplar(exemplar_values(*of), c[:3] * m) for *of, c, m in zip(features, shares, crops, masks)]


def alpha_bar(u: Tensor) -> Tensor:
    """Cosine schedule on u in [0,1], clamped to [1e-5, 1-1e-5]."""
    norm = math.cos(math.pi / 2 * 0.008 / 1.008) ** 2
    return (torch.cos(math.pi / 2 * (u.float() + 0.008) / 1.008) ** 2 / norm).clamp(1e-5, 1 - 1e-5)


def diffuse(x0: Tensor, u: Tensor, eps: Tensor) -> Tensor:
    """x_u = sqrt(abar) x0 + sqrt(1-abar) eps, one u per sample."""
    abar = alpha_bar(u)[:, None, None, None]
    return abar.sqrt() * x0 + (1 - abar).sqrt() * eps


def x0_from_logits(logits: Tensor) -> Tensor:
    return SCALE * torch.tanh(logits.float() / 2)


@torch.no_grad()
def sample(model: Segmenter, crop: Tensor, noise: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Deterministic (eta = 0) sampling; returns (logits, quality) of the last call."""
    features = model.encoder(crop)
    n = crop.shape[0]
    x, x0_hat = noise, torch.zeros_like(noise)
    for i in range(steps):
        u = torch.full((n,), 1 - i / steps, device=crop.device)
        u_next = torch.full((n,), 1 - (i + 1) / steps, device=crop.device)
        logits, quality = model.denoiser(features, x, u, x0_hat)
        x0_hat = x0_from_logits(logits)
        if i + 1 < steps:
            abar = alpha_bar(u)[:, None, None, None]
            eps = (x - abar.sqrt() * x0_hat) / (1 - abar).sqrt()
            x = diffuse(x0_hat, u_next, eps)
    return logits, quality
