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
from pycocotools import mask as coco_mask

from data import decode_mask


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


def pack_coco(pool: ProcessPoolExecutor, source: Path, target: Path, longest: int, quality: int) -> None:
    """Images smaller, and masks with them, as compressed RLE."""
    data = json.loads((source / "instances.json").read_text())
    names = [Path(i["file_name"]) for i in data["images"]]
    sizes = pool.map(
        shrink,
        [source / "images" / n for n in names],
        [target / "images" / f"{n.stem}.webp" for n in names],
        [longest] * len(names),
        [quality] * len(names),
    )
    size_of = {i["id"]: (i["width"], i["height"], size) for i, size in zip(data["images"], sizes)}
    annotations = []
    for a in data["annotations"]:
        width, height, size = size_of[a["image_id"]]
        mask = decode_mask(a["segmentation"], height, width)
        if size != (width, height):
            mask = (cv2.resize(mask * 255, size, interpolation=cv2.INTER_AREA) >= 128).astype(np.uint8)
        rle = coco_mask.encode(np.asfortranarray(mask))
        rle["counts"] = rle["counts"].decode()
        own = {k: a[k] for k in ("id", "image_id", "category_id")}
        annotations.append({**own, "iscrowd": a.get("iscrowd", 0), "segmentation": rle})
    images = [{"id": i["id"], "file_name": f"{n.stem}.webp"} for i, n in zip(data["images"], names)]
    out = {"images": images, "annotations": annotations, "categories": data["categories"]}
    (target / "instances.json").write_text(json.dumps(out, separators=(",", ":")))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True, help="folder with train/ and nuclei/")
    p.add_argument("--more-cutouts", type=Path, nargs="*", default=())
    p.add_argument("--more-photos", type=Path, nargs="*", default=())
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--longest", type=int, default=640, help="longest side of photos")
    p.add_argument("--quality", type=int, default=72)
    args = p.parse_args()
    with ProcessPoolExecutor() as pool:
        for index, folder in enumerate([args.data / "train" / "cutouts", *args.more_cutouts]):
            target = args.out / ("train/cutouts" if index == 0 else f"cutouts/{index - 1}")
            pack_pictures(pool, folder, target, 256, args.quality)
        pack_pictures(pool, args.data / "train" / "backgrounds", args.out / "train" / "backgrounds", 384, args.quality)
        photos = [(args.data / "train" / "photos", args.out / "train" / "photos")]
        photos += [(folder, args.out / "more" / str(i)) for i, folder in enumerate(args.more_photos)]
        for source, target in [*photos, (args.data / "nuclei" / "train", args.out / "nuclei" / "train")]:
            pack_coco(pool, source, target, args.longest, args.quality)


if __name__ == "__main__":
    main()
