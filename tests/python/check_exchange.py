"""Compares a COCO file that went through another format with the one that it came from, by COCO's own evaluation.

Usage: check_exchange.py ORIGINAL CONVERTED [segm|bbox]
Images are matched by their name without folder ending, classes by their name. Prints AP at IoU 0.50:0.95.
"""

import contextlib
import json
import os
import sys

from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

kind = sys.argv[3] if len(sys.argv) > 3 else "segm"
with contextlib.redirect_stdout(sys.stderr):
    truth, other = COCO(sys.argv[1]), COCO(sys.argv[2])


def stem(image):
    return os.path.splitext(image["file_name"].replace("\\", "/"))[0]


image_ids = {stem(image): image["id"] for image in truth.dataset["images"]}
class_ids = {category["name"]: category["id"] for category in truth.dataset["categories"]}
results = []
for record in other.dataset["annotations"]:
    image = other.imgs[record["image_id"]]
    result = {
        "image_id": image_ids[stem(image)],
        "category_id": class_ids[other.cats[record["category_id"]]["name"]],
        "bbox": record["bbox"],
        "score": 1.0,
    }
    if kind == "segm":
        result["segmentation"] = other.annToRLE(record)
    results.append(result)
with contextlib.redirect_stdout(sys.stderr):
    evaluation = COCOeval(truth, truth.loadRes(results), kind)
    # Some images have more than the 100 objects that count otherwise.
    evaluation.params.maxDets = [len(results)]
    evaluation.evaluate()
    evaluation.accumulate()
precision = evaluation.eval["precision"][:, :, :, 0, 0]
print(json.dumps({"ap": float(precision[precision > -1].mean()), "objects": len(results)}))
