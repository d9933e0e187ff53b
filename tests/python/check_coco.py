"""Reads a COCO file with pycocotools, the format's reference, and prints what it finds as JSON.

Usage: check_coco.py FILE
Prints one object per annotation: id, image_id, category_id, area and box of the decoded mask, area and bbox as stored.
"""

import contextlib
import json
import sys

from pycocotools import mask as rle
from pycocotools.coco import COCO

with contextlib.redirect_stdout(sys.stderr):
    coco = COCO(sys.argv[1])
found = []
for record in coco.dataset["annotations"]:
    row = {key: record[key] for key in ("id", "image_id", "category_id", "area", "bbox", "iscrowd")}
    if record.get("segmentation"):
        encoded = coco.annToRLE(record)
        assert coco.annToMask(record).sum() == rle.area(encoded)
        row["mask_area"] = int(rle.area(encoded))
        row["mask_bbox"] = [float(value) for value in rle.toBbox(encoded)]
    found.append(row)
print(json.dumps(found))
