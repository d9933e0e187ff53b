"""Writes tests/data/lvis_precision.json: a made data set of LVIS, detections, and their average precision of masks and of
boundaries by lvis-api with pycocotools' masks and OpenCV's erosion."""

import json
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from lvis import LVIS, LVISEval, LVISResults
from pycocotools import mask as coder

from boundary_precision import band

np.float = float  # lvis-api is older than NumPy 1.24
WIDTH, HEIGHT, CLASSES = 96, 72, 7


class BoundaryEval(LVISEval):
    def compute_iou(self, image, category):
        gt, dt = self._get_gt_dt(image, category)
        if not gt and not dt:
            return []
        dt = [dt[i] for i in np.argsort([-d["score"] for d in dt], kind="mergesort")]
        g, d = [self.lvis_gt.ann_to_rle(x) for x in gt], [self.lvis_dt.ann_to_rle(x) for x in dt]
        if not g or not d:
            return []
        none = [0] * len(g)
        return np.minimum(coder.iou(d, g, none), coder.iou([band(x) for x in d], [band(x) for x in g], none))


def encoded(mask: np.ndarray) -> dict:
    rle = coder.encode(np.asfortranarray(mask))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def blob(rng: np.random.Generator, centre: np.ndarray, radius: float) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    axes = np.maximum(1, radius * rng.uniform(0.6, 1.4, 2)).astype(int)
    cv2.ellipse(mask, centre.astype(int).tolist(), axes.tolist(), rng.uniform(0, 180), 0, 360, 1, -1)
    return mask


def made(rng: np.random.Generator) -> tuple[dict, list[dict]]:
    images, annotations, results = [], [], []
    for image in range(11, 21):
        present = rng.permutation(CLASSES)[:3] + 1
        others = [int(c) for c in range(1, CLASSES + 1) if c not in present]
        open_classes = [int(c) for c in present if rng.random() < 0.4]
        images.append(
            {"id": image, "file_name": f"{image}.jpg", "width": WIDTH, "height": HEIGHT}
            | {"neg_category_ids": others[:2], "not_exhaustive_category_ids": open_classes}
        )
        for _ in range(5):
            centre, radius, label = rng.uniform([0, 0], [WIDTH, HEIGHT]), rng.uniform(3, 40), int(rng.choice(present))
            mask = blob(rng, centre, radius)
            x, y, w, h = cv2.boundingRect(mask)
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image, "category_id": label, "segmentation": encoded(mask)}
                | {"area": int(mask.sum()), "bbox": [x, y, w, h]}
            )
            for _ in range(int(rng.integers(0, 4))):
                moved = blob(rng, centre + rng.normal(0, 0.7, 2), radius * rng.uniform(0.93, 1.07))
                told = label if rng.random() < 0.8 else int(rng.integers(1, CLASSES + 1))
                if moved.any():
                    score = round(float(rng.random()), 3)
                    results.append({"image_id": image, "category_id": told, "segmentation": encoded(moved), "score": score})
    # More than count: the last image has 330 detections, of which the worst are no longer looked at.
    for _ in range(330):
        mask = blob(rng, rng.uniform([0, 0], [WIDTH, HEIGHT]), 4)
        if mask.any():
            score, told = round(float(rng.random() * 0.9), 3), int(rng.integers(1, CLASSES + 1))
            results.append({"image_id": 20, "category_id": told, "segmentation": encoded(mask), "score": score})
    kinds = "rrccfff"
    categories = [{"id": c, "name": f"c{c}", "synset": f"c{c}.n.01", "frequency": kinds[c - 1]} for c in range(1, CLASSES + 1)]
    return {"images": images, "categories": categories, "annotations": annotations}, results


def main() -> None:
    truth, results = made(np.random.default_rng(5))
    document = {"truth": truth, "results": results}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "truth.json"
        path.write_text(json.dumps(truth))
        for name, evaluation in (("stats", LVISEval), ("boundary_stats", BoundaryEval)):
            gt = LVIS(str(path))
            run = evaluation(gt, LVISResults(gt, json.loads(json.dumps(results))), "segm")
            run.run()
            document[name] = [float(run.results[key]) for key in "AP AP50 AP75 APs APm APl APr APc APf".split()]
    (Path(__file__).parent.parent / "data" / "lvis_precision.json").write_text(json.dumps(document, separators=(",", ":")))
    sys.stdout.write(f"{document['stats']}\n{document['boundary_stats']}\n")


if __name__ == "__main__":
    main()
