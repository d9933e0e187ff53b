"""Samples for the refiner: objects with synthetic masks, and with masks that a method really made for them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import cv2
import numpy as np
import torch
from torch.utils.data import IterableDataset

from batches import own_rng
from crop import crop_region, paste, refine_region, segmenter_input
from data import (
    Crop,
    Mixture,
    Object,
    Scene,
    corrupt,
    fast_crop,
    grabcut,
    jitter_box,
    jitter_colour,
    mask_crop,
    mask_iou,
    object_from_mask,
    synthetic,
)
from evaluate import grabcut_mask, load_segmenter
from segmenter import sample


@dataclass
class Pair:
    """An object with a mask that some method really produced for it."""

    scene: Scene
    truth: Object
    coarse: Object


def _refiner_crop(
    rng: np.random.Generator, scene: Scene, region: tuple, size: int, masks: list[Object]
) -> tuple[np.ndarray, list[np.ndarray]]:
    flip = bool(rng.random() < 0.5)
    rgb = jitter_colour(rng, fast_crop(scene.image, region, size, flip), 0.8)
    crops = [(mask_crop(m, region, size, flip) >= 128).astype(np.uint8) for m in masks]
    if rng.random() < 0.15:
        rgb, crops = rgb[::-1], [np.ascontiguousarray(c[::-1]) for c in crops]
    return rgb, crops


def refiner_sample(
    rng: np.random.Generator, scene: Scene, truth: Object, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Augmented (image [S,S,3], truth [S,S], coarse [S,S]) of an object, in bytes; masks are 0 or 1."""
    x, y, w, h = jitter_box(rng, truth.box)
    height, width = scene.image.shape[:2]
    px, py = max(20, 0.1 * w), max(20, 0.1 * h)
    x0, y0 = max(0, int(x - px)), max(0, int(y - py))
    x1, y1 = min(width, int(x + w + px)), min(height, int(y + h + py))
    image, (fine,) = _refiner_crop(rng, scene, (x0, y0, x1 - x0, y1 - y0), size, [truth])
    r = rng.random()
    if r < 0.06:
        coarse = cut_out(image, fine)
    elif r < 0.16:
        coarse = corrupt(rng, fine, 0.5)
    elif r < 0.26:
        coarse = brushed(rng, fine)
    else:
        coarse = synthetic(rng, fine)
    return image, fine, coarse if coarse.any() else fine


def cut_out(image: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """What GrabCut makes of the object's box."""
    x, y, w, h = cv2.boundingRect(fine)
    box = np.zeros_like(fine)
    box[y : y + h, x : x + w] = 1
    return grabcut(Crop(image, np.ones_like(fine), box, fine), 128)


def brushed(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """What a broad round brush reaches, laid on a little too far."""
    def brush(share: float) -> np.ndarray:
        width = max(3, int(share * mask.shape[0])) | 1
        return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))

    reached = cv2.morphologyEx(mask, cv2.MORPH_OPEN, brush(rng.uniform(0.03, 0.15)))
    return cv2.dilate(reached, brush(rng.uniform(0.01, 0.05)))


def pair_sample(
    rng: np.random.Generator, pair: Pair, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Like ``refiner_sample`` with a mask that a method produced."""
    region = refine_region(pair.coarse.full(pair.scene.image.shape[:2]))
    image, (fine, coarse) = _refiner_crop(rng, pair.scene, region, size, [pair.truth, pair.coarse])
    return image, fine, coarse


class CoarseBatches(IterableDataset):
    """Draws batches of (images [N,S,S,3], truths [N,S,S], coarse masks [N,S,S]) in bytes, without end."""

    def __init__(self, mixture: Mixture, pairs: list[Pair], real: float, size: int, batch: int, seed: list[int]) -> None:
        self.mixture, self.pairs, self.real = mixture, pairs, real
        self.size, self.batch, self.seed = size, batch, seed

    def __iter__(self) -> Iterator[list[torch.Tensor]]:
        rng = own_rng(self.seed)
        while True:
            yield [torch.from_numpy(np.stack(v)) for v in zip(*(self.sample(rng) for _ in range(self.batch)))]

    def sample(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self.pairs and rng.random() < self.real:
            return pair_sample(rng, self.pairs[int(rng.integers(len(self.pairs)))], self.size)
        return refiner_sample(rng, *self.mixture.draw(rng), self.size)


@torch.no_grad()
def segmenter_pairs(
    items: list[tuple[Scene, Object]], weights: Path, least: float, seed: int
) -> list[Pair]:
    """The segmenter's masks (1 and 4 steps) of objects, from slightly wrong boxes."""
    model, rng = load_segmenter(weights), np.random.default_rng(seed)
    size, pairs = model.cfg.crop, []
    for scene, obj in items:
        box = jitter_box(rng, obj.box)
        x, region = segmenter_input(scene.image, box, size)
        noise = torch.from_numpy(rng.standard_normal((1, 1, size // 2, size // 2), dtype=np.float32))
        logits, _ = sample(model, torch.from_numpy(x)[None], noise, 4 if rng.random() < 0.25 else 1)
        mask = paste(logits[0, 0].sigmoid().numpy(), region, scene.image.shape[:2]) >= 0.5
        pairs += _pair(scene, obj, mask, least)
    return pairs


def grabcut_pairs(items: list[tuple[Scene, Object]], least: float, side: int = 200) -> list[Pair]:
    """GrabCut's masks of objects, computed on crops of at most ``side`` pixels."""
    pairs = []
    for scene, obj in items:
        x, y, w, h = (int(v) for v in crop_region(obj.box, 0.4))
        height, width = scene.image.shape[:2]
        x0, y0, x1, y1 = max(0, x), max(0, y), min(width, x + w), min(height, y + h)
        f = min(1.0, side / max(x1 - x0, y1 - y0))
        small = cv2.resize(scene.image[y0:y1, x0:x1], None, fx=f, fy=f, interpolation=cv2.INTER_AREA)
        box = tuple(int(round(v * f)) for v in (obj.x - x0, obj.y - y0, obj.box[2], obj.box[3]))
        if min(box[2:]) < 4:
            continue
        cut = cv2.resize(
            grabcut_mask(small, box, 3).astype(np.float32), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR
        )
        mask = np.zeros((height, width), bool)
        mask[y0:y1, x0:x1] = cut >= 0.5
        pairs += _pair(scene, obj, mask, least)
    return pairs


def _pair(scene: Scene, obj: Object, mask: np.ndarray, least: float) -> list[Pair]:
    coarse = object_from_mask(mask)
    good = coarse is not None and mask_iou(obj.full(mask.shape).astype(bool), mask) >= least
    return [Pair(scene, obj, coarse)] if good else []


def collect(
    items: list[tuple[Scene, Object]], weights: Path | None, count: int, seed: int
) -> list[Pair]:
    """Real masks for a random choice of objects: three in four from the segmenter."""
    if weights is None or count == 0:
        return []
    rng, start = np.random.default_rng(seed), time.time()
    chosen = [items[i] for i in rng.permutation(len(items))[:count]]
    cut = count * 3 // 4
    pairs = segmenter_pairs(chosen[:cut], weights, 0.6, seed) + grabcut_pairs(chosen[cut:], 0.55)
    print(f"collected {len(pairs)} real masks in {time.time() - start:.0f} s", flush=True)
    return pairs
