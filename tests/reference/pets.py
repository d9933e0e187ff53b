"""A COCO folder of the Oxford-IIIT Pet photos, with masks from their trimaps.

    python pets.py --images images --trimaps annotations/trimaps --names annotations/trainval.txt --out PETS

A trimap has a band of some pixels along the outline that belongs to neither side; there the mask follows the picture's edges.
"""

from __future__ import annotations

import argparse
import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from data import cut, encode_mask
from pack import around

PET, BACKGROUND = 1, 2
# Pets that cover less than this share of the picture are mistakes of the trimaps.
LEAST_SHARE = 0.01


def pet(image: np.ndarray, trimap: np.ndarray) -> np.ndarray | None:
    """The mask of the pet of a BGR picture with its trimap (1 pet, 2 background, 3 between), as u8."""
    is_pet, is_background = (trimap == side for side in (PET, BACKGROUND))
    if is_pet.mean() < LEAST_SHARE or not is_background.any():
        return None
    to_pet, to_background = (cv2.distanceTransform(1 - side.astype(np.uint8), cv2.DIST_L2, 5) for side in (is_pet, is_background))
    middle = (to_pet <= to_background).astype(np.uint8)
    window = around(middle)
    between = np.where(middle > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    labels = np.where(is_pet, cv2.GC_FGD, np.where(is_background, cv2.GC_BGD, between)).astype(np.uint8)[window]
    if (labels == cv2.GC_BGD).any():
        middle[window] = cut(np.ascontiguousarray(image[window]), np.ascontiguousarray(labels), 1)
    return middle


def segmentation(image: Path, trimap: Path) -> dict | None:
    """The mask of one photo as compressed RLE; nothing where it shows no pet."""
    pixels, sides = cv2.imread(str(image), cv2.IMREAD_COLOR), cv2.imread(str(trimap), cv2.IMREAD_GRAYSCALE)
    if pixels is None or sides is None or pixels.shape[:2] != sides.shape:
        return None
    mask = pet(pixels, sides)
    return None if mask is None else encode_mask(mask)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--images", type=Path, nargs="+", required=True, help="folders of photos NAME.jpg")
    p.add_argument("--trimaps", type=Path, nargs="+", required=True, help="for each of them a folder of trimaps NAME.png")
    p.add_argument("--names", type=Path, required=True, help="annotations/trainval.txt")
    p.add_argument("--without", type=Path, help="a file with the names of photos to leave out")
    p.add_argument("--out", type=Path, required=True)
    args = p.parse_args()
    (args.out / "images").mkdir(parents=True, exist_ok=True)
    left_out = set(args.without.read_text().split()) if args.without else set()
    # NAME CLASS-ID SPECIES BREED-ID, where species 1 is a cat.
    names = {line.split()[0]: int(line.split()[2]) for line in args.names.read_text().splitlines() if line[:1] not in ("#", "")}
    pairs = zip(args.images, args.trimaps, strict=True)
    found = {p.stem: (p, trimaps / f"{p.stem}.png") for images, trimaps in pairs for p in sorted(images.glob("*.jpg"))}
    chosen = [name for name in sorted(names) if name in found and name not in left_out]
    with ProcessPoolExecutor() as pool:
        masks = list(pool.map(segmentation, *zip(*(found[name] for name in chosen)), chunksize=16))
    images, annotations = [], []
    for name, rle in zip(chosen, masks):
        if rle is None:
            continue
        shutil.copyfile(found[name][0], args.out / "images" / f"{name}.jpg")
        number, (height, width) = len(images) + 1, rle["size"]
        images.append({"id": number, "width": width, "height": height, "file_name": f"{name}.jpg", "exhaustive": False})
        own = {"id": number, "image_id": number, "category_id": names[name], "iscrowd": 0}
        area, box = float(coco_mask.area(rle)), coco_mask.toBbox(rle).tolist()
        annotations.append({**own, "area": area, "bbox": box, "segmentation": rle})
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    out = {"images": images, "annotations": annotations, "categories": categories}
    (args.out / "instances.json").write_text(json.dumps(out, separators=(",", ":")))
    print(f"{len(images)} photos, {len(chosen) - len(images)} left out")


if __name__ == "__main__":
    main()
