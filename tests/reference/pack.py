"""Shrinks training data to a folder of the same form that fits through a narrow door, to train somewhere else.

    python pack.py --data DATA --more-photos DIR … --more-cutouts DIR … --out PACK
    python train_segmenter.py --data PACK --more-photos PACK/more/0 … --more-cutouts PACK/cutouts/0 … --device cuda …
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from data import cut, decode_mask, encode_mask


# Masks are drawn to the picture's edges from this many pixels a side on, ...
SMALLEST_EDGED = 32
# ... by the colours up to this many pixels around them, ...
AROUND = 25
# ... where they remain what they are by this IoU.
LEAST_IOU_EDGED = 0.8


def shrink(source: Path, target: Path, longest: int, quality: int) -> tuple[int, int]:
    """A WebP copy whose longer side is at most ``longest``; returns its (width, height)."""
    image = Image.open(source)
    image = image.convert("RGBA" if image.mode in ("RGBA", "LA", "P") else "RGB")
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    target.parent.mkdir(parents=True, exist_ok=True)
    image.save(target, "webp", quality=quality, method=4)
    return image.size


def pack_pictures(pool: ProcessPoolExecutor, source: Path, target: Path, longest: int, quality: int) -> None:
    paths = sorted(p for p in source.iterdir() if p.suffix.lower() in (".jpg", ".png", ".webp"))
    targets = [target / f"{p.stem}.webp" for p in paths]
    list(pool.map(shrink, paths, targets, [longest] * len(paths), [quality] * len(paths)))


def to_edges(source: Path, masks: list[np.ndarray], reach: float) -> list[np.ndarray]:
    """``masks`` with the pixels up to ``reach`` from their outlines as GrabCut divides them: polygons cut corners. Masks that
    are small or would change much stay, and so do parts that a square of side 5 does not fit into."""
    if reach <= 0:
        return masks
    image = cv2.imread(str(source), cv2.IMREAD_COLOR)
    for step in (reach, reach, min(reach, 1.2)):
        masks = [edged(m, image, step) for m in masks]
    return masks


def around(mask: np.ndarray) -> tuple[slice, slice]:
    """The part of the picture whose colours count for a mask's outline."""
    x, y, w, h = cv2.boundingRect(mask)
    return np.s_[max(0, y - AROUND) : y + h + AROUND, max(0, x - AROUND) : x + w + AROUND]


def edged(mask: np.ndarray, image: np.ndarray, reach: float) -> np.ndarray:
    if min(cv2.boundingRect(mask)[2:]) < SMALLEST_EDGED:
        return mask
    window = around(mask)
    before = np.ascontiguousarray(mask[window])
    inner, outer = (cv2.distanceTransform(m, cv2.DIST_L2, 5) for m in (before, 1 - before))
    thick = cv2.morphologyEx(before, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    inside = np.where((inner > reach) | (thick == 0), cv2.GC_FGD, cv2.GC_PR_FGD)
    labels = np.where(before > 0, inside, np.where(outer > reach, cv2.GC_BGD, cv2.GC_PR_BGD)).astype(np.uint8)
    if min((labels == side).sum() for side in (cv2.GC_BGD, cv2.GC_FGD)) < SMALLEST_EDGED:
        return mask
    after = mask.copy()
    after[window] = cut(np.ascontiguousarray(image[window]), labels, 1)
    return after if (after & mask).sum() >= LEAST_IOU_EDGED * (after | mask).sum() else mask


def shrink_photo(source: Path, target: Path, longest: int, quality: int, annotations: list[dict], reach: float) -> tuple:
    """A photo smaller, and its objects with it: masks as compressed RLE, boxes of those that have none. Returns its
    (width, height) and the objects."""
    width, height = Image.open(source).size
    segmentations = [a["segmentation"] for a in annotations if a.get("segmentation")]
    masks = to_edges(source, [decode_mask(s, height, width) for s in segmentations], reach)
    size = shrink(source, target, longest, quality)
    if size != (width, height):
        masks = [(cv2.resize(m * 255, size, interpolation=cv2.INTER_AREA) >= 128).astype(np.uint8) for m in masks]
    smaller = (size[0] / width, size[1] / height) * 2
    objects, left = [], iter(masks)
    for a in annotations:
        own = {k: a[k] for k in ("id", "image_id", "category_id")} | {"iscrowd": a.get("iscrowd", 0)}
        if a.get("segmentation"):
            objects.append({**own, "segmentation": encode_mask(next(left))})
        else:
            objects.append({**own, "bbox": [v * k for v, k in zip(a["bbox"], smaller)]})
    return size, objects


def pack_coco(pool: ProcessPoolExecutor, source: Path, target: Path, longest: int, quality: int, reach: float) -> None:
    """Photos smaller, and their objects with them."""
    data = json.loads((source / "instances.json").read_text())
    names = [Path(i["file_name"]) for i in data["images"]]
    of_image = {i["id"]: [] for i in data["images"]}
    for a in data["annotations"]:
        of_image[a["image_id"]].append(a)
    count = len(names)
    shrunk = pool.map(
        shrink_photo,
        [source / "images" / n for n in names],
        [target / "images" / f"{n.stem}.webp" for n in names],
        [longest] * count,
        [quality] * count,
        of_image.values(),
        [reach] * count,
        chunksize=8,
    )
    images, annotations = [], []
    for i, name, ((width, height), objects) in zip(data["images"], names, shrunk):
        images.append({"id": i["id"], "width": width, "height": height, "file_name": f"{name.stem}.webp"})
        annotations += objects
    out = {"images": images, "annotations": annotations, "categories": data["categories"]}
    (target / "instances.json").write_text(json.dumps(out, separators=(",", ":")))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True, help="folder with train/ and nuclei/")
    p.add_argument("--more-cutouts", type=Path, nargs="*", default=())
    p.add_argument("--more-photos", type=Path, nargs="*", default=())
    p.add_argument("--boxes", type=Path, help="COCO folder of photos that have boxes only")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--longest", type=int, default=640, help="longest side of photos")
    p.add_argument("--quality", type=int, default=72)
    p.add_argument("--reach", type=float, default=0, help="pixels that photos' outlines may move to the picture's edges")
    args = p.parse_args()
    with ProcessPoolExecutor() as pool:
        for index, folder in enumerate([args.data / "train" / "cutouts", *args.more_cutouts]):
            target = args.out / ("train/cutouts" if index == 0 else f"cutouts/{index - 1}")
            pack_pictures(pool, folder, target, 256, args.quality)
        pack_pictures(pool, args.data / "train" / "backgrounds", args.out / "train" / "backgrounds", 384, args.quality)
        photos = [(args.data / "train" / "photos", args.out / "train" / "photos")]
        photos += [(folder, args.out / "more" / str(i)) for i, folder in enumerate(args.more_photos)]
        for source, target in photos:
            pack_coco(pool, source, target, args.longest, args.quality, args.reach)
        if args.boxes:
            pack_coco(pool, args.boxes, args.out / "boxes", args.longest, args.quality, 0)
        pack_coco(pool, args.data / "nuclei" / "train", args.out / "nuclei" / "train", args.longest, args.quality, 0)


if __name__ == "__main__":
    main()
