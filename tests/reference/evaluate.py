"""Measures box -> mask and mask refinement at full image resolution.

    python evaluate.py --data DIR --cache FILE [--segmenter F] [--refiner F]

Boxes are the ground truth's. The filled box, the ellipse in it and GrabCut are
measured on the same objects; GrabCut's masks are computed once and cached.
"""

from __future__ import annotations

import argparse
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from crop import crop_mask, normalise, paste, refine_region, sample_crop, segmenter_input
from data import load_coco
from metrics import boundary_iou, iou
from refiner import DEFAULT_STEPS, Refiner, RefinerConfig, refine
from segmenter import Segmenter, SegmenterConfig, sample
from trainer import read_weights

SETS = ("ecssd", "davis", "coco")
LIMIT = {"ecssd": 200, "davis": 67, "coco": 200}
MIN_AREA = 200
MARGIN = 0.2
"""The refiner changes a pixel only when its probability is this far beyond one half."""


@dataclass
class Case:
    """One object to measure on."""

    key: str
    image: np.ndarray
    mask: np.ndarray
    box: tuple[int, int, int, int]


def load_cases(root: Path, name: str, limit: int, seed: int = 7) -> list[Case]:
    """A fixed sample of a set's objects."""
    found = [(s, i, o) for s in load_coco(root / "dev" / name, MIN_AREA) for i, o in enumerate(s.objects)]
    order = np.random.default_rng(seed).permutation(len(found))[:limit]
    return [
        Case(f"{name}/{s.name}/{i}", s.image, o.full(s.image.shape[:2]).astype(bool), o.box)
        for s, i, o in (found[k] for k in sorted(order))
    ]


def box_mask(case: Case) -> np.ndarray:
    out = np.zeros(case.mask.shape, bool)
    x, y, w, h = case.box
    out[y : y + h, x : x + w] = True
    return out


def ellipse_mask(case: Case) -> np.ndarray:
    x, y, w, h = case.box
    ys, xs = np.ogrid[: case.mask.shape[0], : case.mask.shape[1]]
    dx, dy = (xs + 0.5 - x - w / 2) / (w / 2), (ys + 0.5 - y - h / 2) / (h / 2)
    return dx**2 + dy**2 <= 1


def grabcut_mask(image: np.ndarray, box: tuple[int, int, int, int], rounds: int = 5) -> np.ndarray:
    """OpenCV's GrabCut started from the box; the filled box when it fails."""
    labels = np.zeros(image.shape[:2], np.uint8)
    x, y, w, h = box
    try:
        cv2.setRNGSeed(0)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(image[..., ::-1].copy(), labels, box, *models, rounds, cv2.GC_INIT_WITH_RECT)
        out = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    except cv2.error:
        out = np.zeros(image.shape[:2], bool)
    if not out.any():
        out[y : y + h, x : x + w] = True
    return out


def cached_grabcut(cases: list[Case], path: Path) -> list[np.ndarray]:
    """GrabCut masks, kept as compressed bits in one npz file."""
    stored = dict(np.load(path)) if path.exists() else {}
    fresh = False
    for c in cases:
        if c.key not in stored:
            bits = np.packbits(grabcut_mask(c.image, c.box)).tobytes()
            stored[c.key] = np.frombuffer(zlib.compress(bits), np.uint8)
            fresh = True
    if fresh:
        np.savez(path, **stored)
    out = []
    for c in cases:
        bits = np.frombuffer(zlib.decompress(stored[c.key].tobytes()), np.uint8)
        out.append(np.unpackbits(bits, count=c.mask.size).reshape(c.mask.shape).astype(bool))
    return out


def load_segmenter(path: Path) -> Segmenter:
    config, tensors = read_weights(path)
    model = Segmenter(SegmenterConfig.from_dict(config))
    model.load_state_dict(tensors)
    return model.eval().to(memory_format=torch.channels_last)


def load_refiner(path: Path) -> Refiner:
    config, tensors = read_weights(path)
    config = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
    model = Refiner(RefinerConfig(**config))
    model.load_state_dict(tensors)
    return model.eval().to(memory_format=torch.channels_last)


@torch.no_grad()
def segment(
    model: Segmenter, case: Case, steps: tuple[int, ...], size: int, evidence: bool = True
) -> tuple[dict[int, np.ndarray], dict[int, float]]:
    """Full-resolution masks and predicted qualities, by number of steps."""
    x, region = segmenter_input(case.image, case.box, size)
    if not evidence:
        x[4] = 0
    noise = torch.randn(1, 1, size // 2, size // 2, generator=torch.Generator().manual_seed(0))
    masks, quality = {}, {}
    for n in steps:
        logits, q = sample(model, torch.from_numpy(x)[None], noise, n)
        masks[n] = paste(logits[0, 0].sigmoid().numpy(), region, case.mask.shape) >= 0.5
        quality[n] = float(q[0])
    return masks, quality


@torch.no_grad()
def refined(
    model: Refiner, image: np.ndarray, mask: np.ndarray, steps: tuple[int, ...] = DEFAULT_STEPS
) -> np.ndarray:
    """Crop, refine, paste with the map's edge repeated; doubtful pixels keep the input.

    The whole input comes back when the result departs too far from it.
    """
    if np.count_nonzero(mask) < 16:
        return mask
    size = model.cfg.image
    region = refine_region(mask)
    rgb = torch.from_numpy(normalise(sample_crop(image, region, size)))[None]
    coarse = torch.from_numpy(crop_mask(mask, region, size).astype(np.float32))[None, None]
    g = torch.Generator().manual_seed(0)
    uniforms = [torch.rand(coarse.shape, generator=g) for _ in steps[:-1]]
    prob = refine(model, rgb, coarse, uniforms, steps)[0, 0].sigmoid().numpy()
    x, y, w, h = region
    soft = mask.astype(np.float32)
    soft[y : y + h, x : x + w] = cv2.resize(prob, (w, h), interpolation=cv2.INTER_LINEAR)
    out = np.where(mask, soft > 0.5 - MARGIN, soft >= 0.5 + MARGIN)
    area = np.count_nonzero(out) / np.count_nonzero(mask)
    return out if iou(out, mask) >= 0.6 and 0.5 <= area <= 2 else mask


def mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--cache", type=Path, required=True, help="npz with GrabCut masks")
    p.add_argument("--segmenter", type=Path)
    p.add_argument("--refiner", type=Path)
    p.add_argument("--size", type=int, help="crop side instead of the one in the weights")
    p.add_argument("--steps", type=int, nargs="*", default=[1, 4])
    p.add_argument("--share", type=float, default=1.0, help="share of the objects to use")
    p.add_argument("--no-evidence", action="store_true")
    p.add_argument("--no-baselines", action="store_true")
    p.add_argument("--json", type=Path, help="write the table here too")
    p.add_argument("--threads", type=int, default=1)
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    seg = load_segmenter(args.segmenter) if args.segmenter else None
    ref = load_refiner(args.refiner) if args.refiner else None
    size = args.size or (seg.cfg.crop if seg else 256)

    table: dict[str, dict[str, list[float]]] = {}
    quality_error: list[float] = []
    for name in SETS:
        cases = load_cases(args.data, name, max(1, int(LIMIT[name] * args.share)))
        grab = [] if args.no_baselines else cached_grabcut(cases, args.cache)
        rows: dict[str, list[tuple[float, float]]] = {}

        def add(method: str, mask: np.ndarray, case: Case) -> None:
            rows.setdefault(method, []).append((iou(mask, case.mask), boundary_iou(mask, case.mask)))

        for i, case in enumerate(cases):
            inputs: dict[str, np.ndarray] = {}
            if grab:
                add("box", box_mask(case), case)
                add("ellipse", ellipse_mask(case), case)
                inputs["GrabCut"] = grab[i]
            if seg:
                masks, quality = segment(seg, case, tuple(args.steps), size, not args.no_evidence)
                for n, m in masks.items():
                    inputs[f"segmenter {n} step{'s' * (n > 1)}"] = m
                    quality_error.append(abs(quality[n] - iou(m, case.mask)))
            for method, m in inputs.items():
                add(method, m, case)
            if ref:
                for method, m in inputs.items():
                    add(f"{method} + refiner", refined(ref, case.image, m), case)
                add("ground truth + refiner", refined(ref, case.image, case.mask), case)
        for method, values in rows.items():
            table.setdefault(method, {})[name] = [mean([v[0] for v in values]), mean([v[1] for v in values])]
        print(name, len(cases), {k: round(v[name][0], 3) for k, v in table.items() if name in v}, flush=True)

    print(f"\n{'method':34s}" + "".join(f"{n:>15s}" for n in SETS) + f"{'mean':>15s}")
    for method, row in table.items():
        row["mean"] = [mean([row[n][k] for n in SETS]) for k in (0, 1)]
        print(f"{method:34s}" + "".join(f"{row[n][0]:8.3f}/{row[n][1]:.3f} " for n in (*SETS, "mean")))
    if quality_error:
        print(f"mean |predicted IoU - IoU| {mean(quality_error):.3f}")
    if args.json:
        args.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
