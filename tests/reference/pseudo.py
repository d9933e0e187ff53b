"""Masks for photos that have boxes only, as the segmenter draws them.

    python pseudo.py --photos BOXES --segmenter segmenter.safetensors --out PHOTOS [--device cuda --workers 14]

Each box is looked at through several crops and their mirror images, first on its own and then with the colours of the first
mask; a mask is kept where the crops agree and it reaches the sides of its box. Objects that have masks already keep them.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import deque
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import cv2
import numpy as np
import torch
from pycocotools import mask as coco_mask

import data as D
from batches import Crops, as_input
from crop import Box, crop_region, paste
from evaluate import load_segmenter
from segmenter import Segmenter, x0_from_logits
from trainer import half

SHARES = (0.12, 0.25, 0.45)
"""How much of a box its crops show on every side."""
AT_ONCE = 64
"""Boxes that are looked at together."""
AHEAD = 8
"""Groups of boxes whose crops are made before they are needed."""
LEAST_SIDE = 24
"""Smaller boxes are left out."""
LEAST_REACH = 0.8
"""A mask's own box covers as much of the box that it was drawn for."""


@dataclass
class Asked:
    """A box of a photo of ``shape`` (height, width)."""

    photo: Path
    shape: tuple[int, int]
    box: Box


def crops_of(asked: Asked, size: int) -> list[D.Crop]:
    """The crops of a box."""
    image = D.read_rgb(asked.photo)
    return [D.crop_box(image, asked.box, size, share) for share in SHARES]


@torch.no_grad()
def looked_at(model: Segmenter, crops: Crops) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities [N,S/2,S/2] of a second look at crops and their mirror images, and the expected IoU [N]."""
    device, size = crops.rgb.device, crops.rgb.shape[1]

    def both(prior: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with half(device):
            logits, quality = model.denoiser(model.encoder(x), noise, torch.ones(len(x), device=device), prior)
        straight, mirrored = logits.float().chunk(2)
        return (straight + mirrored.flip(-1)) / 2, quality.float().view(2, -1).mean(0)

    x = crops.input()
    x = torch.cat([x, x.flip(-1)])
    noise = torch.randn(1, 1, size // 2, size // 2, generator=torch.Generator().manual_seed(0)).to(device)
    noise = noise.expand(len(x), -1, -1, -1)
    first, _ = both(torch.zeros_like(noise))
    told = crops.evidence(as_input(first > 0, size))
    x[:, 4] = torch.cat([told, told.flip(-1)])
    second, quality = both(x0_from_logits(torch.cat([first, first.flip(-1)])))
    return second[:, 0].sigmoid(), quality


def drawn(asked: Asked, looks: np.ndarray, agree: float) -> dict | None:
    """A mask as compressed RLE from the probabilities [len(SHARES),M,M] of a box's crops; nothing where these agree less than
    ``agree`` by IoU."""
    each = [paste(p.astype(np.float32), crop_region(asked.box, s), asked.shape) for p, s in zip(looks, SHARES)]
    x, y, w, h = asked.box
    window = np.s_[max(0, round(y)) : round(y + h), max(0, round(x)) : round(x + w)]
    mask = np.zeros(asked.shape, np.uint8)
    mask[window] = sum(each)[window] >= 0.5 * len(each)
    if not mask.any() or min(D.mask_iou((p[window] >= 0.5).astype(np.uint8), mask[window]) for p in each) < agree:
        return None
    return D.encode_mask(mask)


def masks_of(pool: Executor, model: Segmenter, asked: Sequence[Asked], agree: float, expect: float) -> list[dict | None]:
    """For each box its mask, or nothing where it is not expected to be good."""
    device, size = next(model.parameters()).device, model.cfg.crop
    groups = [asked[i : i + AT_ONCE] for i in range(0, len(asked), AT_ONCE)]
    ahead, waiting = deque(), []
    for k in range(len(groups) + AHEAD):
        if k < len(groups):
            ahead.append([pool.submit(crops_of, a, size) for a in groups[k]])
        if k < AHEAD:
            continue
        group = groups[k - AHEAD]
        crops = Crops.of([c for future in ahead.popleft() for c in future.result()]).to(device)
        prob, quality = looked_at(model, crops)
        prob = prob.view(len(group), len(SHARES), *prob.shape[1:]).half().cpu().numpy()
        quality = quality.view(len(group), -1).mean(1).tolist()
        waiting += [pool.submit(drawn, a, p, agree) if q >= expect else None for a, p, q in zip(group, prob, quality)]
    return [w and w.result() for w in waiting]


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--photos", type=Path, required=True, help="COCO folder")
    p.add_argument("--segmenter", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--device", default="cpu")
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--agree", type=float, default=0.85, help="least IoU of each look with the mask")
    p.add_argument("--expect", type=float, default=0.75, help="least expected IoU")
    p.add_argument("--limit", type=int, help="photos to use")
    args = p.parse_args()
    torch.set_num_threads(2 if args.device == "cpu" else 1)
    told = json.loads((args.photos / "instances.json").read_text())
    told["images"] = told["images"][: args.limit]
    images = {i["id"]: i for i in told["images"]}
    annotations = [a for a in told["annotations"] if a["image_id"] in images and not a.get("iscrowd")]
    done = [a for a in annotations if a.get("segmentation")]
    todo = [a for a in annotations if not a.get("segmentation") and min(a["bbox"][2:]) >= LEAST_SIDE]

    def asked(a: dict) -> Asked:
        image = images[a["image_id"]]
        return Asked(args.photos / "images" / image["file_name"], (image["height"], image["width"]), tuple(a["bbox"]))

    with ProcessPoolExecutor(args.workers) as pool:
        model = load_segmenter(args.segmenter).to(args.device)
        masks = masks_of(pool, model, [asked(a) for a in todo], args.agree, args.expect)
    kept = []
    for a, m in zip(todo, masks):
        if m:
            _, _, w, h = coco_mask.toBbox(m)
            if w * h >= LEAST_REACH * a["bbox"][2] * a["bbox"][3]:
                kept.append({**a, "segmentation": m, "area": float(coco_mask.area(m))})
    args.out.mkdir(parents=True, exist_ok=True)
    if not (args.out / "images").exists():
        os.symlink((args.photos / "images").resolve(), args.out / "images")
    (args.out / "instances.json").write_text(json.dumps({**told, "annotations": done + kept}))
    sure = sum(m is not None for m in masks)
    print(f"{len(todo)} boxes, {sure} sure, {len(kept)} masks beside {len(done)}", flush=True)


if __name__ == "__main__":
    main()
