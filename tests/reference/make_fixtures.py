"""Writes the small files that pin the Rust networks and crops to this implementation.

    python make_fixtures.py --out tests/data

Weights are seeded noise in tiny configurations, with nothing left at zero, so
every tensor matters. All values are f32.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from crop import (
    box_indicator,
    colour_evidence,
    crop_mask,
    crop_region,
    inside,
    normalise,
    paste,
    refine_region,
    sample_crop,
    segmenter_input,
)
from refiner import Refiner, RefinerConfig, refine
from segmenter import Condition, ConditioningConfig, Segmenter, SegmenterConfig, sample

TINY_SEGMENTER = SegmenterConfig(crop=64, mask=32, c4=8, c8=8, c16=16, c32=16, heads=2, emb=16, depths=(1, 2, 2, 2), fine=0)
TINY_REFINER = RefinerConfig(
    image=24, base=8, mult=(1, 2), n_res=1, attn_strides=(2,), heads=2, groups=4, patchify=2
)


def randomise(model: nn.Module, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=g)
            is_scale = p.ndim == 1 and name.endswith("weight")
            fan_in = p[0].numel() if p.ndim > 1 else 1
            p.copy_(1 + 0.1 * noise if is_scale else noise * (0.1 if p.ndim == 1 else fan_in**-0.5))


def write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    save_file({k: v.detach().float().contiguous() for k, v in tensors.items()}, str(path), metadata=metadata)
    print(path.name, path.stat().st_size)


def segmenter_fixture(out: Path) -> None:
    cfg = TINY_SEGMENTER
    model = Segmenter(cfg).eval()
    randomise(model, 1)
    g = torch.Generator().manual_seed(2)
    x = torch.randn(2, cfg.in_channels, cfg.crop, cfg.crop, generator=g)
    noise = torch.randn(2, 1, cfg.mask, cfg.mask, generator=g)
    x_u = torch.randn(2, 1, cfg.mask, cfg.mask, generator=g)
    x0_hat = 0.5 * torch.tanh(torch.randn(2, 1, cfg.mask, cfg.mask, generator=g))
    u = torch.tensor([0.7, 1.0])
    tensors = {f"weights.{k}": v for k, v in model.state_dict().items()}
    with torch.no_grad():
        f = model.encoder(x)
        logits, quality = model.denoiser(f, x_u, u, x0_hat)
        tensors |= {"input": x, "noise": noise, "x_u": x_u, "u": u, "x0_hat": x0_hat}
        tensors |= dict(zip(("f2", "f4", "f8", "f16", "f32"), f))
        tensors |= {"logits": logits, "quality": quality}
        for steps in (1, 4):
            z, q = sample(model, x, noise, steps)
            tensors |= {f"sample{steps}.logits": z, f"sample{steps}.quality": q}
    config = json.dumps(cfg.to_dict())
    write(
        out / "segmenter_tiny.safetensors",
        tensors,
        {"annotator.network": "segmenter", "annotator.config": config},
    )


def conditioning_fixture(out: Path) -> None:
    """A batch of four: two exemplars and a class, one exemplar, a class alone, nothing."""
    cfg = replace(TINY_SEGMENTER, fine=8, conditioning=ConditioningConfig(("cat", "dog", "cup"), concat=True))
    model = Segmenter(cfg).eval()
    randomise(model, 7)
    g = torch.Generator().manual_seed(8)
    n, side = 4, cfg.mask
    x = torch.randn(n, cfg.in_channels, cfg.crop, cfg.crop, generator=g)
    crops = torch.randn(3, cfg.in_channels, side, side, generator=g)
    masks = (torch.rand(3, 1, side // 8, side // 8, generator=g) > 0.5).float()
    masks = torch.nn.functional.interpolate(masks, scale_factor=8.0)[:, 0]
    x_u = torch.randn(n, 1, side, side, generator=g)
    x0_hat = 0.5 * torch.tanh(torch.randn(n, 1, side, side, generator=g))
    u = torch.tensor([0.7, 1.0, 0.4, 0.9])
    exemplars = model.exemplars(crops, masks)
    conditions = [Condition(exemplars[:2], 1), Condition(exemplars[2:]), Condition((), 2), Condition()]
    tensors = {f"weights.{k}": v for k, v in model.state_dict().items()}
    with torch.no_grad():
        f = model.encoder(x)
        logits, quality = model.denoise(f, x_u, u, x0_hat, model.conditioning.context(conditions))
        plain, _ = model.denoise(f, x_u, u, x0_hat, None)
    assert (plain[3] - logits[3]).abs().max() < 1e-5
    tensors |= {"input": x, "crops": crops, "masks": masks, "x_u": x_u, "u": u, "x0_hat": x0_hat}
    tensors |= {"logits": logits, "plain": plain, "quality": quality}
    config = json.dumps(cfg.to_dict())
    write(
        out / "conditioning_tiny.safetensors",
        tensors,
        {"annotator.network": "segmenter", "annotator.config": config},
    )


def refiner_fixture(out: Path) -> None:
    cfg = TINY_REFINER
    model = Refiner(cfg).eval()
    randomise(model, 3)
    g = torch.Generator().manual_seed(4)
    image = torch.randn(2, 3, cfg.image, cfg.image, generator=g)
    yy, xx = torch.meshgrid(torch.arange(cfg.image), torch.arange(cfg.image), indexing="ij")
    disc = ((xx - 10) ** 2 + (yy - 13) ** 2 < 50).float()
    coarse = torch.stack([disc, 1 - disc])[:, None]
    uniforms = [torch.rand(coarse.shape, generator=g) for _ in range(5)]
    tensors = {f"weights.{k}": v for k, v in model.state_dict().items()}
    with torch.no_grad():
        tensors |= {"image": image, "mask": coarse, "uniform": torch.stack(uniforms)}
        for t in (5, 2, 0):
            tensors[f"logits.t{t}"] = model(image, coarse, torch.full((2,), t))
        tensors["refined.520"] = refine(model, image, coarse, uniforms[:2], (5, 2, 0))
        tensors["refined.543210"] = refine(model, image, coarse, uniforms, (5, 4, 3, 2, 1, 0))
    config = json.dumps(cfg.to_dict())
    write(
        out / "refiner_tiny.safetensors",
        tensors,
        {"annotator.network": "refiner", "annotator.config": config},
    )


def picture(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """A small photo-like image with a slanted blob, and the blob's mask."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    image = np.stack([40 + x, 200 - y, 90 + 40 * np.sin(x / 7)], -1)
    blob = ((x - 0.55 * width) / 19) ** 2 + ((y - 0.5 * height - (x - 0.55 * width) * 0.3) / 12) ** 2 < 1
    image[blob] = (210, 60, 40) + 20 * np.sin(y[blob] / 3)[:, None]
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8), blob


def crop_fixture(out: Path) -> None:
    """Crops of one image: inside it, hanging over its edge, and shrunk more than twice."""
    image, mask = picture(80, 56)
    tensors: dict[str, Tensor] = {
        "image": torch.from_numpy(image.astype(np.float32)),
        "mask": torch.from_numpy(mask.astype(np.float32)),
    }
    cases = {
        "whole": ((33.0, 16.0, 39.0, 33.0), 24),
        "edge": ((70.5, -3.0, 25.5, 40.0), 24),
        "shrunk": ((8.0, 6.0, 70.0, 46.0), 12),
        "thin": ((20.0, 30.0, 60.0, 3.0), 24),
    }
    for name, (box, size) in cases.items():
        x, region = segmenter_input(image, box, size)
        rgb = sample_crop(image, region, size)
        tensors |= {
            f"{name}.box": torch.tensor(box),
            f"{name}.region": torch.tensor(region),
            f"{name}.rgb": torch.from_numpy(rgb),
            f"{name}.input": torch.from_numpy(x),
            f"{name}.mask": torch.from_numpy(crop_mask(mask, region, size).astype(np.float32)),
        }
        valid = inside(region, size, image.shape[:2])
        again = colour_evidence(rgb, box_indicator(region, size, box), valid)
        assert np.array_equal(again, x[4])
    soft = np.random.default_rng(6).random((24, 24)).astype(np.float32)
    region = crop_region(cases["edge"][0])
    refine_box = refine_region(mask)
    tensors |= {
        "paste.map": torch.from_numpy(soft),
        "paste.edge": torch.from_numpy(paste(soft, region, image.shape[:2])),
        "refine.region": torch.tensor(refine_box).float(),
        "refine.image": torch.from_numpy(normalise(sample_crop(image, refine_box, 32))),
        "refine.mask": torch.from_numpy(crop_mask(mask, refine_box, 32).astype(np.float32)),
    }
    write(out / "crop_fixture.safetensors", tensors, {})


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--out", type=Path, required=True)
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    segmenter_fixture(args.out)
    conditioning_fixture(args.out)
    refiner_fixture(args.out)
    crop_fixture(args.out)


if __name__ == "__main__":
    main()
