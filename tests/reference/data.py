"""Training data: decoded photos, composited scenes, box jitter, crops and colour changes.

Everything is a ``Scene``: an RGB image and the visible masks of objects in it.
Photos become scenes as they are; cut-outs and cut-out photo objects are pasted
over backgrounds and photos to make more.
"""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Sequence

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from crop import Box, box_indicator, crop_region, inside

cv2.setNumThreads(1)


@dataclass
class Object:
    """A binary mask cut to its bounding box."""

    x: int
    y: int
    mask: np.ndarray
    area: int
    label: str = ""
    """The name of its class; empty where that is not known."""

    @property
    def box(self) -> Box:
        return (self.x, self.y, self.mask.shape[1], self.mask.shape[0])

    def full(self, shape: tuple[int, int]) -> np.ndarray:
        out = np.zeros(shape, np.uint8)
        h, w = self.mask.shape
        out[self.y : self.y + h, self.x : self.x + w] = self.mask
        return out


@dataclass
class Scene:
    image: np.ndarray
    objects: list[Object] = field(default_factory=list)
    name: str = ""


def object_from_mask(mask: np.ndarray) -> Object | None:
    """Full-frame mask -> Object, or None when it is empty."""
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    if w == 0 or h == 0:
        return None
    cut = np.ascontiguousarray(mask[y : y + h, x : x + w].astype(np.uint8))
    return Object(x, y, cut, int(cut.sum()))


def read_rgb(path: Path, max_side: int | None = None) -> np.ndarray:
    image = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    if max_side and max(image.shape[:2]) > max_side:
        f = max_side / max(image.shape[:2])
        image = cv2.resize(image, None, fx=f, fy=f, interpolation=cv2.INTER_AREA)
    return image


def decode_mask(segmentation: dict | list, height: int, width: int) -> np.ndarray:
    """COCO polygons or RLE (compressed or not) -> full-frame u8 mask."""
    if isinstance(segmentation, list):
        rle = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        rle = coco_mask.frPyObjects(segmentation, height, width)
    else:
        rle = segmentation
    return coco_mask.decode(rle)


def encode_mask(mask: np.ndarray) -> dict:
    """Full-frame u8 mask -> compressed COCO RLE."""
    rle = coco_mask.encode(np.asfortranarray(mask))
    return {**rle, "counts": rle["counts"].decode()}


def read_all(read: Callable[[Path], np.ndarray], paths: Sequence[Path]) -> list[np.ndarray]:
    """What ``read`` makes of each path, several at a time."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(read, paths))


def load_coco(folder: Path, min_area: int = 0) -> list[Scene]:
    """Scenes of a folder with ``instances.json`` and ``images/``; crowds are left out."""
    data = json.loads((folder / "instances.json").read_text())
    names = {c["id"]: c["name"] for c in data["categories"]}
    by_image: dict[int, list[dict]] = {}
    for a in data["annotations"]:
        if not a.get("iscrowd"):
            by_image.setdefault(a["image_id"], []).append(a)
    pictures = read_all(read_rgb, [folder / "images" / i["file_name"] for i in data["images"]])
    scenes = []
    for info, picture in zip(data["images"], pictures):
        scene = Scene(picture, name=info["file_name"])
        h, w = scene.image.shape[:2]
        for a in by_image.get(info["id"], []):
            obj = object_from_mask(decode_mask(a["segmentation"], h, w))
            if obj is not None and obj.area >= min_area:
                obj.label = names.get(a["category_id"], "")
                scene.objects.append(obj)
        if scene.objects:
            scenes.append(scene)
    return scenes


def load_cutouts(folder: Path) -> list[np.ndarray]:
    """RGBA cut-outs, trimmed to their alpha."""
    paths = sorted(p for p in folder.iterdir() if p.suffix in (".png", ".webp"))
    out = []
    for rgba in read_all(lambda path: cv2.imread(str(path), cv2.IMREAD_UNCHANGED), paths):
        if rgba is None or rgba.ndim != 3 or rgba.shape[2] != 4:
            continue
        x, y, w, h = cv2.boundingRect((rgba[..., 3] > 127).astype(np.uint8))
        if min(w, h) >= 24:
            out.append(cv2.cvtColor(rgba[y : y + h, x : x + w], cv2.COLOR_BGRA2RGBA))
    return out


def load_backgrounds(folder: Path) -> list[np.ndarray]:
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".png", ".webp"))
    return read_all(lambda path: read_rgb(path, 512), paths)


# --- compositing -----------------------------------------------------------------------


class Compositor:
    """Makes scenes with known masks out of cut-outs, photo objects and backgrounds."""

    def __init__(
        self, photos: list[Scene], cutouts: list[list[np.ndarray]], backgrounds: list[np.ndarray]
    ) -> None:
        self.photos, self.cutouts, self.backgrounds = photos, cutouts, backgrounds
        self.donors = [(s, o) for s in photos for o in s.objects if o.area >= 3000]

    def scene(self, rng: np.random.Generator, exact: bool = False) -> Scene:
        """One scene of 1..5 pasted objects; ``exact`` uses only exact-alpha cut-outs."""
        side = int(rng.integers(224, 385))
        w, h = side, int(np.clip(side * rng.uniform(0.7, 1.4), 192, 400))
        canvas = self._background(rng, w, h)
        layers: list[np.ndarray] = []
        for i in range(int(rng.choice([1, 2, 3, 4, 5], p=[0.3, 0.3, 0.2, 0.12, 0.08]))):
            rgba = self._donor(rng, exact)
            scale = rng.uniform(0.35, 0.95) if i == 0 else rng.uniform(0.15, 0.7)
            alpha = self._paste(rng, canvas, rgba, scale * min(w, h))
            for k in range(len(layers)):
                layers[k] = layers[k] & (alpha < 128)
            layers.append(alpha >= 128)
        scene = Scene(degrade(rng, np.clip(canvas, 0, 255).astype(np.uint8)))
        for full in layers:
            obj = object_from_mask(full)
            if obj is not None and obj.area >= 500:
                scene.objects.append(obj)
        return scene

    def rotated(self, rng: np.random.Generator) -> Scene:
        """A photo turned by up to 25 degrees, its masks with it."""
        src = self.photos[int(rng.integers(len(self.photos)))]
        h, w = src.image.shape[:2]
        f = min(1.0, 400 / max(h, w))
        m = cv2.getRotationMatrix2D((w / 2, h / 2), rng.uniform(-25, 25), f * rng.uniform(0.9, 1.2))
        size = (int(w * f), int(h * f))
        m[:, 2] += np.array(size) / 2 - np.array([w, h]) / 2
        border = cv2.BORDER_REFLECT_101 if rng.random() < 0.7 else cv2.BORDER_CONSTANT
        scene = Scene(cv2.warpAffine(src.image, m, size, flags=cv2.INTER_AREA, borderMode=border), name=src.name)
        for o in src.objects:
            obj = object_from_mask(
                cv2.warpAffine(o.full((h, w)) * 255, m, size, flags=cv2.INTER_LINEAR) >= 128
            )
            if obj is not None and obj.area >= 400 and obj.area > 0.5 * o.area * f * f:
                obj.label = o.label
                scene.objects.append(obj)
        return scene

    def _background(self, rng: np.random.Generator, w: int, h: int) -> np.ndarray:
        r = rng.random()
        if r < 0.08:
            a, b = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
            t = np.linspace(0, 1, h)[:, None, None] if rng.random() < 0.5 else np.linspace(0, 1, w)[None, :, None]
            return np.broadcast_to(a * (1 - t) + b * t, (h, w, 3)).astype(np.float32).copy()
        if r < 0.45:
            src = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
        else:
            src = self.photos[int(rng.integers(len(self.photos)))].image
        sh, sw = src.shape[:2]
        f = rng.uniform(0.5, 1.0)
        cw, ch = max(16, int(sw * f)), max(16, int(sh * f))
        x, y = int(rng.integers(sw - cw + 1)), int(rng.integers(sh - ch + 1))
        bg = cv2.resize(src[y : y + ch, x : x + cw], (w, h), interpolation=cv2.INTER_LINEAR)
        if rng.random() < 0.5:
            bg = bg[:, ::-1]
        if rng.random() < 0.25:
            bg = cv2.GaussianBlur(bg, (0, 0), rng.uniform(1, 5))
        return bg.astype(np.float32)

    def _donor(self, rng: np.random.Generator, exact: bool) -> np.ndarray:
        if exact or rng.random() < 0.6:
            kind = self.cutouts[int(rng.integers(len(self.cutouts)))]
            return kind[int(rng.integers(len(kind)))]
        scene, obj = self.donors[int(rng.integers(len(self.donors)))]
        x, y, w, h = obj.box
        alpha = cv2.GaussianBlur(obj.mask * 255, (0, 0), 0.8)
        return np.dstack([scene.image[y : y + h, x : x + w], alpha])

    def _paste(
        self, rng: np.random.Generator, canvas: np.ndarray, rgba: np.ndarray, side: float
    ) -> np.ndarray:
        """Pastes in place; returns the full-frame alpha."""
        h, w = canvas.shape[:2]
        sh, sw = rgba.shape[:2]
        rgba = before_warp(rgba, side / max(sh, sw))
        sh, sw = rgba.shape[:2]
        f = side / max(sh, sw)
        angle = math.radians(rng.uniform(-30, 30) if rng.random() < 0.8 else rng.uniform(-180, 180))
        flip = -1.0 if rng.random() < 0.5 else 1.0
        stretch = math.exp(rng.normal(0, 0.12))
        c, s = math.cos(angle), math.sin(angle)
        a = np.array([[c, -s], [s, c]]) @ np.diag([f * flip * stretch, f / stretch])
        reach = 0.5 * side
        low = -0.25 * reach if rng.random() < 0.25 else 0.8 * reach
        at = np.array([_between(rng, low, w - low), _between(rng, low, h - low)])
        m = np.column_stack([a, at - a @ np.array([sw / 2, sh / 2])])
        layer = cv2.warpAffine(rgba, m, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        alpha = layer[..., 3]
        if rng.random() < 0.3:
            dx, dy = rng.uniform(-0.15, 0.15, 2) * side
            shadow = cv2.warpAffine(alpha, np.float32([[1, 0, dx], [0, 1, dy]]), (w, h))
            shadow = cv2.GaussianBlur(shadow, (0, 0), max(1.0, rng.uniform(0.02, 0.08) * side))
            canvas *= 1 - (shadow.astype(np.float32) * (rng.uniform(0.2, 0.6) / 255))[..., None]
        colour = jitter_colour(rng, layer[..., :3], 0.6).astype(np.float32)
        k = (alpha.astype(np.float32) / 255)[..., None]
        canvas *= 1 - k
        canvas += k * colour
        return alpha


def before_warp(image: np.ndarray, scale: float) -> np.ndarray:
    """What an affine warp by ``scale`` may sample: shrunk by areas to at most twice the size that it is to have."""
    return image if scale >= 0.5 else cv2.resize(image, None, fx=2 * scale, fy=2 * scale, interpolation=cv2.INTER_AREA)


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high)) if high > low else (low + high) / 2


def degrade(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Camera-like damage: blur, noise, JPEG."""
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.4))
    if rng.random() < 0.3:
        noise = rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(2, 12)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        ok, buffer = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 95))])
        if ok:
            image = cv2.imdecode(buffer, cv2.IMREAD_COLOR)
    return image


def jitter_colour(rng: np.random.Generator, image: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Saturation, per-channel gain, contrast, gamma; sometimes grey. One matrix and one LUT."""
    grey = np.array([0.299, 0.587, 0.114])
    sat = 0.0 if rng.random() < 0.06 * strength else 1 + rng.uniform(-0.5, 0.4) * strength
    m = sat * np.eye(3) + (1 - sat) * np.tile(grey, (3, 1))
    m = np.diag(1 + rng.uniform(-0.12, 0.12, 3) * strength) @ m
    if rng.random() < 0.08 * strength:
        m = m[rng.permutation(3)]
    out = cv2.transform(image, m)
    ramp = np.arange(256) / 255
    gamma = math.exp(rng.uniform(-0.35, 0.35) * strength)
    contrast, shift = 1 + rng.uniform(-0.3, 0.3) * strength, rng.uniform(-0.12, 0.12) * strength
    lut = np.clip(((ramp**gamma - 0.5) * contrast + 0.5 + shift) * 255, 0, 255)
    return cv2.LUT(out, lut.astype(np.uint8))


# --- crops -----------------------------------------------------------------------------


def jitter_box(rng: np.random.Generator, box: Box) -> Box:
    """Each edge moved: mostly within 10 % of the side, at times within 25 %, at times exact."""
    r = rng.random()
    if r < 0.35:
        return box
    d = rng.uniform(-1, 1, 4) * (0.25 if r > 0.9 else 0.10) * rng.uniform(0.3, 1)
    x, y, w, h = box
    x0, y0, x1, y1 = x + d[0] * w, y + d[1] * h, x + w * (1 + d[2]), y + h * (1 + d[3])
    return (x0, y0, max(2.0, x1 - x0), max(2.0, y1 - y0))


def fast_crop(
    image: np.ndarray, region: Box, size: int, flip: bool = False, border: int = cv2.BORDER_REPLICATE
) -> np.ndarray:
    """Close to ``crop.sample_crop`` but in u8 with OpenCV; optionally mirrored."""
    x, y, w, h = region
    sx, sy = w / size, h / size
    if max(sx, sy) > 2:
        kx, ky = (int(s) if s > 2 else 1 for s in (sx, sy))
        x0, y0 = max(0, int(x) - 2 * kx), max(0, int(y) - 2 * ky)
        x1, y1 = min(image.shape[1], int(x + w) + 2 * kx), min(image.shape[0], int(y + h) + 2 * ky)
        bw, bh = (x1 - x0) // kx, (y1 - y0) // ky
        if bw >= 1 and bh >= 1:
            part = image[y0 : y0 + bh * ky, x0 : x0 + bw * kx]
            image = cv2.resize(part, (bw, bh), interpolation=cv2.INTER_AREA)
            x, y, sx, sy = (x - x0) / kx, (y - y0) / ky, sx / kx, sy / ky
    m = np.array([[sx, 0, x + 0.5 * sx - 0.5], [0, sy, y + 0.5 * sy - 0.5]])
    if flip:
        m[0] = [-sx, 0, x + (size - 0.5) * sx - 0.5]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, m, (size, size), flags=flags, borderMode=border)


def mask_crop(obj: Object, region: Box, size: int, flip: bool = False) -> np.ndarray:
    """0..255 crop of an object's mask, zero outside it."""
    pad = 2
    mask = cv2.copyMakeBorder(obj.mask, pad, pad, pad, pad, cv2.BORDER_CONSTANT) * 255
    local = (region[0] - obj.x + pad, region[1] - obj.y + pad, region[2], region[3])
    return fast_crop(mask, local, size, flip, cv2.BORDER_CONSTANT)


@dataclass
class Crop:
    """What the segmenter is shown of one object, in bytes: RGB [S,S,3]; whether pixels lie in the image and in the box
    [S,S]; the mask [S/2,S/2]; all but the colours 0 or 1."""

    rgb: np.ndarray
    valid: np.ndarray
    indicator: np.ndarray
    mask: np.ndarray


def crop_box(image: np.ndarray, box: Box, size: int, ratio: float = 0.25) -> Crop:
    """A box as it is, with so much around it; without a mask, which is as large as the crop."""
    region = crop_region(box, ratio)
    valid, indicator = inside(region, size, image.shape[:2]), box_indicator(region, size, box)
    mask = np.zeros((size, size), np.uint8)
    return Crop(fast_crop(image, region, size), valid.astype(np.uint8), indicator.astype(np.uint8), mask)


def crop_object(scene: Scene, obj: Object, size: int) -> Crop:
    """One object as it is; its mask as large as the crop."""
    mask = mask_crop(obj, crop_region(obj.box), size) >= 128
    return replace(crop_box(scene.image, obj.box, size), mask=mask.astype(np.uint8))


def turned(rng: np.random.Generator, scene: Scene, obj: Object, longest: int) -> tuple[Scene, Object]:
    """What lies around an object turned, sheared and stretched a little, the object's longer side at most ``longest`` pixels;
    as it was where too little of it would be left."""
    region = crop_region(obj.box, 0.6)
    x, y, w, h = region
    f = min(1.0, longest / max(obj.box[2:]))
    side = (max(8, round(w * f)), max(8, round(h * f)))
    top, left = max(0, math.floor(y)), max(0, math.floor(x))
    window = np.s_[top : math.ceil(y + h), left : math.ceil(x + w)]
    image, mask = scene.image[window], obj.full(scene.image.shape[:2])[window] * 255
    shape = mask.shape
    image, mask = (before_warp(a, f) for a in (image, mask))
    ky, kx = (after / before for after, before in zip(mask.shape, shape))
    centre = np.array([(x + w / 2 - left) * kx, (y + h / 2 - top) * ky])
    angle = math.radians(float(np.clip(rng.normal(0, 14), -40, 40)))
    c, s, shear, stretch = math.cos(angle), math.sin(angle), rng.normal(0, 0.08), math.exp(rng.normal(0, 0.12))
    a = np.array([[c, -s], [s, c]]) @ np.array([[1, shear], [0, 1]]) @ np.diag([f / kx * stretch, f / ky / stretch])
    m = np.column_stack([a, np.array(side) / 2 - a @ centre])
    border = cv2.BORDER_REFLECT_101 if rng.random() < 0.8 else cv2.BORDER_CONSTANT
    new = object_from_mask(cv2.warpAffine(mask, m, side, flags=cv2.INTER_LINEAR) >= 128)
    if new is None or new.area < 0.7 * obj.area * f * f or new.area < 64:
        return scene, obj
    new.label = obj.label
    return Scene(cv2.warpAffine(image, m, side, flags=cv2.INTER_LINEAR, borderMode=border), [new], scene.name), new


def coarser(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """A picture as if it had had fewer pixels."""
    f = rng.uniform(0.25, 0.8)
    small = cv2.resize(image, None, fx=f, fy=f, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC)


def augmented_crop(rng: np.random.Generator, scene: Scene, obj: Object, size: int, strong: float = 0.0) -> Crop:
    """One object, augmented; by the probability ``strong`` each it is turned, and its picture is worse than it was."""
    if rng.random() < strong:
        scene, obj = turned(rng, scene, obj, size)
    box = jitter_box(rng, obj.box)
    region = crop_region(box, 0.25 if rng.random() < 0.5 else float(rng.uniform(0.12, 0.7)))
    flip = bool(rng.random() < 0.5)
    rgb = fast_crop(scene.image, region, size, flip)
    if rng.random() < strong:
        rgb = coarser(rng, rgb) if rng.random() < 0.3 else degrade(rng, rgb)
    rgb = jitter_colour(rng, rgb)
    mask = mask_crop(obj, region, size // 2, flip)
    valid = inside(region, size, scene.image.shape[:2])
    indicator = box_indicator(region, size, box)
    if flip:
        valid, indicator = valid[:, ::-1], indicator[:, ::-1]
    if rng.random() < 0.1:
        rgb, mask, valid, indicator = rgb[::-1], mask[::-1], valid[::-1], indicator[::-1]
    return Crop(rgb, *(a.astype(np.uint8) for a in (valid, indicator, mask >= 128)))


VOC_CLASSES = frozenset(
    "person bird cat cow dog horse sheep airplane bicycle boat bus car motorcycle train bottle chair couch tv".split()
    + ["dining table", "potted plant"]
)
"""COCO's names of the 20 classes of PASCAL VOC: the novel ones of few-shot protocols."""


class Exemplars:
    """Objects by class, to be shown beside another object of that class."""

    def __init__(self, scenes: list[Scene]) -> None:
        self.of_class: dict[str, list[tuple[Scene, Object]]] = {}
        for s in scenes:
            for o in s.objects:
                if o.label:
                    self.of_class.setdefault(o.label, []).append((s, o))

    def draw(
        self, rng: np.random.Generator, scene: Scene, obj: Object, count: int
    ) -> list[tuple[Scene, Object]]:
        """Up to ``count`` objects of ``obj``'s class from other images."""
        others = [c for c in self.of_class.get(obj.label, []) if c[0].name != scene.name]
        return [others[i] for i in rng.permutation(len(others))[:count]]


class Mixture:
    """Draws (scene, object) from several pools, smaller objects a little less often.

    With a ``maker`` a draw from the composed scenes makes a new one by the probability ``fresh``, in the place of an old one.
    """

    def __init__(
        self, pools: dict[str, tuple[float, list[Scene]]], maker: Compositor | None = None, fresh: float = 0.0
    ) -> None:
        self.names, self.maker, self.fresh = list(pools), maker, fresh
        self.weights = np.array([w for w, _ in pools.values()])
        self.weights /= self.weights.sum()
        self.items: list[list[tuple[Scene, Object]]] = []
        self.cumulative: list[np.ndarray] = []
        for _, scenes in pools.values():
            items = [(s, o) for s in scenes for o in s.objects]
            p = np.array([min(1.0, o.area / 2500) ** 0.5 for _, o in items])
            self.items.append(items)
            self.cumulative.append(np.cumsum(p / p.sum()))

    def draw(self, rng: np.random.Generator) -> tuple[Scene, Object]:
        k = int(rng.choice(len(self.items), p=self.weights))
        i = min(int(np.searchsorted(self.cumulative[k], rng.random())), len(self.items[k]) - 1)
        if self.maker and self.names[k] in ("composed", "rotated") and rng.random() < self.fresh:
            scene = self.maker.scene(rng) if self.names[k] == "composed" else self.maker.rotated(rng)
            if scene.objects:
                self.items[k][i] = (scene, scene.objects[int(rng.integers(len(scene.objects)))])
        return self.items[k][i]


# --- wrong masks -----------------------------------------------------------------------


def mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def polygonise(rng: np.random.Generator, mask: np.ndarray, keep: float = 0.1) -> np.ndarray:
    """Cuts a run of contour points off, then keeps a random share of them as a polygon."""
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    polygons = []
    for contour in contours:
        points = contour[:, 0]
        n = len(points)
        if n < 10:
            continue
        cut = int(0.1 * n)
        chord = np.square(points - np.roll(points, -cut, axis=0)).sum(1)
        start = int(rng.choice(np.argsort(chord)[: max(1, math.ceil(0.1 * n))]))
        points = np.roll(points, -start - cut, axis=0)[: n - cut]
        count = int(keep * len(points))
        if count >= 3:
            polygons.append(points[np.sort(rng.choice(len(points), count, replace=False))])
    if not polygons:
        return mask.copy()
    out = np.zeros_like(mask)
    cv2.fillPoly(out, polygons, 1)
    return out


def _element(rng: np.random.Generator) -> np.ndarray:
    s = int(rng.integers(3, 10))
    kind = int(rng.integers(4))
    if kind == 0:
        return cv2.getStructuringElement(cv2.MORPH_RECT, (s, s))
    size = [(s, s), (s, s // 2), (s // 2, s)][kind - 1]
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size)


def perturb(rng: np.random.Generator, mask: np.ndarray, target: float) -> np.ndarray:
    """Polygonised, then dilated and eroded in random rectangles until the IoU with ``mask`` is low enough."""
    current = polygonise(rng, mask, float(rng.uniform(0.1, 0.5)))
    h, w = mask.shape
    for _ in range(60):
        if mask_iou(current, mask) < target:
            break
        for _ in range(4):
            lx, ly = int(rng.integers(w)), int(rng.integers(h))
            lw, lh = int(rng.integers(lx + 1, w + 1)), int(rng.integers(ly + 1, h + 1))
            part = current[ly:lh, lx:lw]
            if rng.random() < 0.25:
                part[(lh - ly) // 2, (lw - lx) // 2] = int(rng.integers(2))
            change = cv2.dilate if rng.random() < 0.5 else cv2.erode
            current[ly:lh, lx:lw] = change(part, _element(rng))
    return current


def corrupt(rng: np.random.Generator, mask: np.ndarray, worst: float = 0.6) -> np.ndarray:
    """A wrong label for a u8 mask: perturbed, or its filled box, or the ellipse in it."""
    x, y, w, h = cv2.boundingRect(mask)
    r = rng.random()
    if w < 4 or h < 4:
        return mask
    if r < 0.2:
        out = np.zeros_like(mask)
        if r < 0.1:
            out[y : y + h, x : x + w] = 1
        else:
            cv2.ellipse(out, (x + w // 2, y + h // 2), (w // 2, h // 2), 0, 0, 360, 1, -1)
    else:
        out = perturb(rng, mask, float(rng.uniform(worst, 0.95)))
    return out


def wobble(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """Outline moved by a smooth random field, in and out, as a network's errors are."""
    inner = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    outer = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)
    size = mask.shape[0]
    grid = rng.normal(0, 1, (int(rng.integers(3, 12)),) * 2).astype(np.float32)
    field = cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
    amount = size / 256 * rng.uniform(1.5, 10)
    return (inner - outer + amount * (field + rng.uniform(-0.4, 0.4)) > 0).astype(np.uint8)


def low_resolution(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """Through a coarser grid, softly, and back; thresholded."""
    side = int(rng.integers(24, 129) * mask.shape[0] / 256)
    small = cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.3, 1.2)) + rng.normal(0, 0.08, small.shape)
    if rng.random() < 0.3:
        small = (small >= 0.5).astype(np.float32)
    kind = cv2.INTER_NEAREST if rng.random() < 0.2 else cv2.INTER_LINEAR
    return (cv2.resize(small.astype(np.float32), mask.shape[::-1], interpolation=kind) >= 0.5).astype(np.uint8)


def simplified(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """Outlines replaced by polygons of few points."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    eps = mask.shape[0] / 256 * rng.uniform(1.5, 9)
    out = np.zeros_like(mask)
    cv2.fillPoly(out, [cv2.approxPolyDP(c, eps, True) for c in contours if len(c) > 3], 1)
    return out


def synthetic(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """One imperfect version of a square u8 mask; at times the mask itself."""
    r = rng.random()
    if r < 0.17:
        return mask
    if r < 0.50:
        out = perturb(rng, mask, float(rng.uniform(0.7, 0.98)))
    elif r < 0.68:
        out = low_resolution(rng, mask)
    elif r < 0.90:
        out = wobble(rng, mask)
    else:
        out = simplified(rng, mask)
    return out if out.any() else mask


def cut(image: np.ndarray, labels: np.ndarray, rounds: int) -> np.ndarray:
    """Which pixels of ``image`` are inside by GrabCut, which changes ``labels`` [H,W]; always the same for the same."""
    cv2.setRNGSeed(0)
    cv2.grabCut(image, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), rounds, cv2.GC_INIT_WITH_MASK)
    return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)


def grabcut(crop: Crop, side: int = 96) -> np.ndarray:
    """What GrabCut makes of the crop's box on ``side`` x ``side`` cells, as large as the crop's mask."""
    labels = cv2.resize(crop.indicator, (side, side), interpolation=cv2.INTER_NEAREST) * cv2.GC_PR_FGD
    try:
        inside = cut(cv2.resize(crop.rgb, (side, side), interpolation=cv2.INTER_AREA), labels, 2).astype(np.float32)
    except cv2.error:
        return crop.mask
    return (cv2.resize(inside, crop.mask.shape[::-1], interpolation=cv2.INTER_LINEAR) >= 0.5).astype(np.uint8)


def brought(rng: np.random.Generator, crop: Crop) -> np.ndarray:
    """A mask that somebody might bring for an object: right, a little wrong, or very wrong."""
    r = rng.random()
    if r < 0.15:
        out = grabcut(crop)
    elif r < 0.5:
        out = corrupt(rng, crop.mask, 0.5)
    else:
        out = synthetic(rng, crop.mask)
    return out if out.any() else crop.mask
