"""Discrete mask-refinement diffusion: the refiner U-Net, its process and its loss.

Tensor names follow the published SegRefiner checkpoint (without its
``denoise_model.`` prefix), so that both presets share one loader.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

DEFAULT_STEPS = (5, 2, 0)


@dataclass(frozen=True)
class RefinerConfig:
    """Shape of the U-Net. ``attn_strides`` count from the unshuffled grid."""

    image: int = 256
    in_ch: int = 4
    out_ch: int = 1
    base: int = 32
    mult: tuple[int, ...] = (1, 2, 3, 4)
    n_res: int = 1
    attn_strides: tuple[int, ...] = (8,)
    heads: int = 4
    groups: int = 8
    timesteps: int = 6
    patchify: int = 4

    def to_dict(self) -> dict:
        return asdict(self)


NANO = RefinerConfig()
PICO = RefinerConfig(mult=(1, 2, 2, 2))
"""Less than half of the parameters of ``NANO``, to leave more to a segmenter."""
LITE = RefinerConfig(mult=(1, 1, 2, 3, 4), attn_strides=(16,), patchify=2)
OFFICIAL = RefinerConfig(
    base=128, mult=(1, 1, 2, 2, 4, 4), n_res=2, attn_strides=(16, 32), groups=32, patchify=1
)


class ResBlock(nn.Module):
    def __init__(self, cin: int, cout: int, emb: int, groups: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(groups, cin), nn.SiLU(), nn.Conv2d(cin, cout, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(emb, cout))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(groups, cout), nn.SiLU(), nn.Dropout(0.0), nn.Conv2d(cout, cout, 3, padding=1)
        )
        self.skip_connection = nn.Identity() if cin == cout else nn.Conv2d(cin, cout, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.in_layers(x) + self.emb_layers(emb)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(h)


class AttentionBlock(nn.Module):
    """Self-attention; channels are split into heads first, then each head into q, k, v."""

    def __init__(self, c: int, heads: int, groups: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(groups, c)
        self.qkv = nn.Conv1d(c, 3 * c, 1)
        self.proj_out = nn.Conv1d(c, c, 1)

    def forward(self, x: Tensor, emb: Tensor | None = None) -> Tensor:
        n, c, h, w = x.shape
        flat = x.reshape(n, c, h * w)
        d = c // self.heads
        q, k, v = self.qkv(self.norm(flat)).reshape(n * self.heads, 3 * d, h * w).split(d, dim=1)
        weight = torch.einsum("bdq,bdk->bqk", q * d**-0.25, k * d**-0.25).float().softmax(-1)
        out = torch.einsum("bqk,bdk->bdq", weight.to(v.dtype), v).reshape(n, c, h * w)
        return (flat + self.proj_out(out)).reshape(n, c, h, w)


class Downsample(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(c, c, 3, stride=2, padding=1)

    def forward(self, x: Tensor, emb: Tensor | None = None) -> Tensor:
        return self.op(x)


class Upsample(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x: Tensor, emb: Tensor | None = None) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class Refiner(nn.Module):
    """Image + mask [N,4,H,W] and time index -> logits [N,1,H,W]."""

    def __init__(self, cfg: RefinerConfig = NANO) -> None:
        super().__init__()
        self.cfg = cfg
        p2, emb, g = cfg.patchify**2, 4 * cfg.base, cfg.groups
        self.time_embed = nn.Embedding(cfg.timesteps, emb)
        self.input_blocks = nn.ModuleList(
            [nn.ModuleList([nn.Conv2d(cfg.in_ch * p2, cfg.base, 3, padding=1)])]
        )
        c, stride, skips = cfg.base, 1, [cfg.base]
        for level, mult in enumerate(cfg.mult):
            for _ in range(cfg.n_res):
                block: list[nn.Module] = [ResBlock(c, mult * cfg.base, emb, g)]
                c = mult * cfg.base
                if stride in cfg.attn_strides:
                    block.append(AttentionBlock(c, cfg.heads, g))
                self.input_blocks.append(nn.ModuleList(block))
                skips.append(c)
            if level + 1 < len(cfg.mult):
                self.input_blocks.append(nn.ModuleList([Downsample(c)]))
                skips.append(c)
                stride *= 2
        self.middle_block = nn.ModuleList(
            [ResBlock(c, c, emb, g), AttentionBlock(c, cfg.heads, g), ResBlock(c, c, emb, g)]
        )
        self.output_blocks = nn.ModuleList()
        for level, mult in reversed(list(enumerate(cfg.mult))):
            for i in range(cfg.n_res + 1):
                block = [ResBlock(c + skips.pop(), mult * cfg.base, emb, g)]
                c = mult * cfg.base
                if stride in cfg.attn_strides:
                    block.append(AttentionBlock(c, cfg.heads, g))
                if level > 0 and i == cfg.n_res:
                    block.append(Upsample(c))
                    stride //= 2
                self.output_blocks.append(nn.ModuleList(block))
        self.out = nn.Sequential(
            nn.GroupNorm(g, c), nn.SiLU(), nn.Conv2d(c, cfg.out_ch * p2, 3, padding=1)
        )

    def forward(self, image: Tensor, mask: Tensor, t: Tensor) -> Tensor:
        p = self.cfg.patchify
        h = torch.cat([image, mask], dim=1)
        h = F.pixel_unshuffle(h, p) if p > 1 else h
        emb = self.time_embed(t)
        skips: list[Tensor] = []
        for i, block in enumerate(self.input_blocks):
            for layer in block:
                h = layer(h) if i == 0 else layer(h, emb)
            skips.append(h)
        for layer in self.middle_block:
            h = layer(h, emb)
        for block in self.output_blocks:
            h = torch.cat([h, skips.pop()], dim=1)
            for layer in block:
                h = layer(h, emb)
        h = self.out(h)
        return F.pixel_shuffle(h, p) if p > 1 else h


def widened(nano: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of ``NANO`` under the names that they have as the inner levels of ``LITE``, which works at twice the
    resolution and so has one level more around them. The layers between those and the picture are left out."""

    def name(key: str) -> str | None:
        part, _, rest = key.partition(".")
        if part == "input_blocks":
            block, _, rest = rest.partition(".")
            return None if block == "0" else f"{part}.{int(block) + 2}.{rest}"
        return None if part == "out" else key

    return {new: value for key, value in nano.items() if (new := name(key))}


def beta_bar(timesteps: int = 6) -> Tensor:
    """Probability that a pixel is still in its fine state at time index t."""
    return torch.linspace(0.8, 0.0, timesteps)


def noise_mask(fine: Tensor, coarse: Tensor, t: Tensor, uniform: Tensor) -> Tensor:
    """Forward process: each pixel shows the fine mask with probability beta_bar[t]."""
    keep = uniform < beta_bar().to(fine.device)[t][:, None, None, None]
    return torch.where(keep, fine, coarse)


@torch.no_grad()
def refine(
    model: Refiner,
    image: Tensor,
    coarse: Tensor,
    uniforms: list[Tensor],
    steps: tuple[int, ...] = DEFAULT_STEPS,
) -> Tensor:
    """Reverse process over a decreasing list of time indices ending at 0.

    ``uniforms`` holds one U[0,1) field per step but the last. Returns the
    logits of the last call.
    """
    bars = beta_bar(model.cfg.timesteps).tolist()
    mask, fine_prob = coarse, torch.zeros_like(coarse)
    for i, t in enumerate(steps):
        index = torch.full((image.shape[0],), t, dtype=torch.long, device=image.device)
        logits = model(image, mask, index)
        if i + 1 == len(steps):
            return logits
        p = 2 * (logits.float().sigmoid() - 0.5).abs()
        k = p * (bars[steps[i + 1]] - bars[t]) / (1 - p * bars[t])
        fine_prob = fine_prob + (1 - fine_prob) * k
        fine = uniforms[i] < fine_prob
        mask = torch.where(fine, (logits >= 0).to(coarse.dtype), coarse)
    raise ValueError("steps must not be empty")


_SOBEL = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]) / 4


def texture(x: Tensor) -> Tensor:
    """Gradient magnitude of a 3x3-averaged map (zero padding throughout)."""
    x = F.avg_pool2d(x, 3, stride=1, padding=1)
    kernel = torch.stack([_SOBEL, _SOBEL.t()])[:, None].to(x)
    g = F.conv2d(x, kernel, padding=1)
    return (g.square().sum(1, keepdim=True) + 1e-4).sqrt()


def refiner_loss(logits: Tensor, target: Tensor, texture_weight: float = 5.0) -> Tensor:
    bce = F.binary_cross_entropy_with_logits(logits, target)
    return bce + texture_weight * (texture(logits.sigmoid()) - texture(target)).abs().mean()
