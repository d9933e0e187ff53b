"""Crop geometry, sampling and the colour evidence map, exactly as the application does it."""

from __future__ import annotations

import math

import numpy as np

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)
BINS = 16

Box = tuple[float, float, float, float]
"""x, y, width, height in image pixels."""


def crop_region(box: Box, ratio: float = 0.25, minimum: float = 16.0) -> Box:
    """Box grown on every side, then its shorter side grown until the aspect is at most 2:1."""
    x, y, w, h = box
    dx, dy = max(ratio * w, minimum), max(ratio * h, minimum)
    x, y, w, h = x - dx, y - dy, w + 2 * dx, h + 2 * dy
    if w > 2 * h:
        y, h = y - (w / 2 - h) / 2, w / 2
    elif h > 2 * w:
        x, w = x - (h / 2 - w) / 2, h / 2
    return x, y, w, h


def refine_region(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Bounding box of a mask padded by max(20 px, 10 % of the side), clipped to the image."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x0, x1, y0, y1 = xs[0], xs[-1] + 1, ys[0], ys[-1] + 1
    px, py = max(20, round(0.1 * (x1 - x0))), max(20, round(0.1 * (y1 - y0)))
    x0, y0 = max(0, x0 - px), max(0, y0 - py)
    x1, y1 = min(mask.shape[1], x1 + px), min(mask.shape[0], y1 + py)
    return int(x0), int(y0), int(x1 - x0), int(y1 - y0)


def centres(start: float, length: float, size: int) -> np.ndarray:
    """Image coordinates of ``size`` crop-pixel centres along one axis."""
    return start + (np.arange(size) + 0.5) * (length / size)


def _reduce_axis(data: np.ndarray, start: float, length: float, size: int, axis: int) -> np.ndarray:
    """Resample one axis: blocks of floor(scale) pixels when scale > 2, then bilinear."""
    scale = length / size
    k = int(scale) if scale > 2 else 1
    origin = math.floor(start)
    blocks = max(1, math.ceil((start + length - origin) / k))
    index = np.clip(origin + np.arange(blocks * k), 0, data.shape[axis] - 1)
    data = np.moveaxis(data, axis, 0)[index].astype(np.float32)
    if k > 1:
        data = data.reshape(blocks, k, *data.shape[1:]).mean(1)
    p = (centres(start, length, size) - origin) / k - 0.5
    low = np.floor(p)
    frac = (p - low).astype(np.float32).reshape(-1, *([1] * (data.ndim - 1)))
    a = np.clip(low, 0, blocks - 1).astype(int)
    b = np.clip(low + 1, 0, blocks - 1).astype(int)
    return np.moveaxis(data[a] * (1 - frac) + data[b] * frac, 0, axis)


def sample_crop(image: np.ndarray, region: Box, size: int) -> np.ndarray:
    """Region of an image [H,W] or [H,W,C] stretched to ``size`` squared, as f32.

    Pixels outside the image repeat its nearest edge; ``inside`` tells where they are.
    """
    x, y, w, h = region
    x0, x1 = max(0, math.floor(x) - 1), min(image.shape[1], math.ceil(x + w) + 1)
    rows = _reduce_axis(image[:, x0:x1] if x1 > x0 else image, y, h, size, 0)
    return _reduce_axis(rows, x - (x0 if x1 > x0 else 0), w, size, 1)


def inside(region: Box, size: int, shape: tuple[int, int]) -> np.ndarray:
    """Crop pixels whose centre lies inside an image of ``shape`` = (height, width)."""
    return box_indicator(region, size, (0, 0, shape[1], shape[0])).astype(bool)


def box_indicator(region: Box, size: int, box: Box) -> np.ndarray:
    """1 where a crop pixel's centre lies in the half-open box, else 0."""
    cx, cy = centres(region[0], region[2], size), centres(region[1], region[3], size)
    in_x = (cx >= box[0]) & (cx < box[0] + box[2])
    in_y = (cy >= box[1]) & (cy < box[1] + box[3])
    return (in_y[:, None] & in_x[None]).astype(np.float32)


def normalise(rgb: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """0..255 RGB [H,W,3] -> [3,H,W]; zero where not ``valid``."""
    out = (rgb.astype(np.float32) - MEAN) / STD
    if valid is not None:
        out *= valid[..., None]
    return np.ascontiguousarray(out.transpose(2, 0, 1))


def _histogram(codes: np.ndarray) -> np.ndarray | None:
    if codes.size == 0:
        return None
    hist = np.bincount(codes, minlength=BINS**3).astype(np.float32).reshape(BINS, BINS, BINS)
    for axis in range(3):
        h = np.moveaxis(hist, axis, 0)
        padded = np.concatenate([h[:1], h, h[-1:]])
        hist = np.moveaxis((padded[:-2] + 2 * h + padded[2:]) / 4, 0, axis)
    hist = hist.reshape(-1)
    return hist / hist.sum()


def colour_evidence(rgb: np.ndarray, box: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """(p_in - p_out)/(p_in + p_out + 1e-6) of each pixel's colour, in [-1, 1]."""
    v = np.clip(np.rint(rgb), 0, 255).astype(np.int32) >> 4
    codes = (v[..., 0] * BINS + v[..., 1]) * BINS + v[..., 2]
    is_box = box > 0.5
    p_in, p_out = _histogram(codes[is_box & valid]), _histogram(codes[~is_box & valid])
    if p_in is None or p_out is None:
        return np.zeros(codes.shape, np.float32)
    table = (p_in - p_out) / (p_in + p_out + 1e-6)
    return table[codes] * valid


def stack_input(rgb: np.ndarray, region: Box, box: Box, shape: tuple[int, int]) -> np.ndarray:
    """Sampled RGB crop [S,S,3] -> network input [5,S,S]."""
    size = rgb.shape[0]
    valid = inside(region, size, shape)
    indicator = box_indicator(region, size, box)
    evidence = colour_evidence(rgb, indicator, valid)
    return np.concatenate([normalise(rgb, valid), indicator[None], evidence[None]])


def segmenter_input(image: np.ndarray, box: Box, size: int) -> tuple[np.ndarray, Box]:
    """RGB image and box -> (network input [5,S,S], crop region)."""
    region = crop_region(box)
    return stack_input(sample_crop(image, region, size), region, box, image.shape[:2]), region


def crop_mask(mask: np.ndarray, region: Box, size: int) -> np.ndarray:
    """Binary mask through the same geometry; zero outside the image."""
    valid = inside(region, size, mask.shape[:2])
    return (sample_crop(mask.astype(np.float32), region, size) >= 0.5) & valid


def paste(prob: np.ndarray, region: Box, shape: tuple[int, int]) -> np.ndarray:
    """Square probability map back into the image frame, bilinear, zero outside the region."""
    x, y, w, h = region
    size = prob.shape[0]
    x0, x1 = max(0, math.floor(x)), min(shape[1], math.ceil(x + w))
    y0, y1 = max(0, math.floor(y)), min(shape[0], math.ceil(y + h))
    out = np.zeros(shape, np.float32)
    if x1 <= x0 or y1 <= y0:
        return out
    u = (np.arange(x0, x1) + 0.5 - x) * (size / w) - 0.5
    v = (np.arange(y0, y1) + 0.5 - y) * (size / h) - 0.5
    padded = np.pad(prob.astype(np.float32), 1)
    rows = _lerp(padded, v + 1, 0)
    out[y0:y1, x0:x1] = _lerp(rows, u + 1, 1)
    return out


def _lerp(data: np.ndarray, p: np.ndarray, axis: int) -> np.ndarray:
    low = np.clip(np.floor(p).astype(int), 0, data.shape[axis] - 2)
    frac = np.clip(p - low, 0, 1).astype(np.float32)
    frac = frac[:, None] if axis == 0 else frac[None]
    return np.take(data, low, axis) * (1 - frac) + np.take(data, low + 1, axis) * frac
