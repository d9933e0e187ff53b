"""Writes the boundary average precision of tests/data/precision.json into it, by pycocotools with OpenCV's erosion."""
import contextlib
import copy
import io
import json
import sys
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coder
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def band(rle):
    mask = coder.decode(rle).astype(np.uint8)
    height, width = mask.shape
    distance = max(int(round(0.02 * np.sqrt(height**2 + width**2))), 1)
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inner = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)[1:-1, 1:-1]
    return coder.encode(np.asfortranarray(mask - inner))


class BoundaryEval(COCOeval):
    def computeIoU(self, image, category):
        gts, dts = self._gts[image, category], self._dts[image, category]
        if not gts or not dts:
            return []
        dts = [dts[i] for i in np.argsort([-d["score"] for d in dts], kind="mergesort")][: self.params.maxDets[-1]]
        crowd = [int(g["iscrowd"]) for g in gts]
        g, d = [self.cocoGt.annToRLE(x) for x in gts], [self.cocoDt.annToRLE(x) for x in dts]
        whole = coder.iou(d, g, crowd)
        edges = coder.iou([band(x) for x in d], [band(x) for x in g], [0] * len(g))
        return np.where(np.array(crowd)[None] == 1, whole, np.minimum(whole, edges))


def main() -> None:
    path = Path(__file__).parent.parent / "data" / "precision.json"
    document = json.loads(path.read_text())
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(document["truth"])
        truth.createIndex()
        evaluation = BoundaryEval(truth, truth.loadRes(copy.deepcopy(document["results"])), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    document["boundary_stats"] = [float(value) for value in evaluation.stats[:6]]
    path.write_text(json.dumps(document, separators=(",", ":")))
    sys.stdout.write(f"{document['boundary_stats']}\n")


if __name__ == "__main__":
    main()
