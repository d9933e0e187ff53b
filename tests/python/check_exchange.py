"""Compares a COCO file that went through another format with the one that it came from, by COCO's own evaluation.

Usage: check_exchange.py ORIGINAL CONVERTED [segm|bbox]
CONVERTED may be a bare list of results. Files of LVIS are read as far as they are those of COCO: without crowds, images
named by the end of their address. Images are matched by their name without ending, classes by their name. Prints AP at
IoU 0.50:0.95, and for masks how many have exactly the pixels of one in ORIGINAL.
"""

import contextlib
import json
import os
import sys

from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

kind = sys.argv[3] if len(sys.argv) > 3 else "segm"


def load(path):
    coco = COCO(path)
    for record in coco.dataset["annotations"]:
        record.setdefault("iscrowd", 0)
    return coco


def stem(image):
    name = image.get("file_name") or image["coco_url"].rsplit("/")[-1]
    return os.path.splitext(name.replace("\\", "/"))[0]


with contextlib.redirect_stdout(sys.stderr):
    truth = load(sys.argv[1])
    with open(sys.argv[2]) as file:
        is_list = isinstance(json.load(file), list)
    other = truth.loadRes(sys.argv[2]) if is_list else load(sys.argv[2])

image_ids = {stem(image): image["id"] for image in truth.dataset["images"]}
class_ids = {category["name"]: category["id"] for category in truth.dataset["categories"]}
results = []
for record in other.dataset["annotations"]:
    image = other.imgs[record["image_id"]]
    result = {
        "image_id": image_ids[stem(image)],
        "category_id": class_ids[other.cats[record["category_id"]]["name"]],
        "bbox": [float(value) for value in record["bbox"]],
        "score": 1.0,
    }
    if kind == "segm":
        result["segmentation"] = other.annToRLE(record)
    results.append(result)
found = {"objects": len(results)}
if kind == "segm":

    def pixels(image_id, category_id, runs):
        return image_id, category_id, rle.decode(runs).tobytes()

    masks = {pixels(a["image_id"], a["category_id"], truth.annToRLE(a)) for a in truth.dataset["annotations"]}
    found["equal"] = sum(pixels(r["image_id"], r["category_id"], r["segmentation"]) in masks for r in results)
with contextlib.redirect_stdout(sys.stderr):
    evaluation = COCOeval(truth, truth.loadRes(results), kind)
    # Some images have more than the 100 objects that count otherwise.
    evaluation.params.maxDets = [len(results)]
    evaluation.evaluate()
    evaluation.accumulate()
precision = evaluation.eval["precision"][:, :, :, 0, 0]
found["ap"] = float(precision[precision > -1].mean())
print(json.dumps(found))
