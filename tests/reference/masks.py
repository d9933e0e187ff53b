"""Freezes numbers of pycocotools and OpenCV into tests/data/{polygons,agreement,precision}.json.

Needs pycocotools 2.0.11, numpy and opencv-python; run from the project's root: python tests/reference/masks.py
"""

import contextlib
import io
import json
import math
import random

import cv2
import numpy as np
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

random.seed(7)
rng = np.random.default_rng(7)


def ring(w, h, kind):
    """A random polygon: round with some jitter, a star of free points, or thin."""
    cx, cy = random.uniform(-0.1 * w, 1.1 * w), random.uniform(-0.1 * h, 1.1 * h)
    radius = random.uniform(0.3, 0.6 * max(w, h))
    n = random.choice([3, 4, 5, 8, 20, 60])
    if kind == "free":
        points = [(random.uniform(-0.2 * w, 1.2 * w), random.uniform(-0.2 * h, 1.2 * h)) for _ in range(n)]
    elif kind == "thin":
        points = [(cx + random.uniform(-radius, radius), cy + random.uniform(-0.4, 0.4)) for _ in range(n)]
    else:
        angles = sorted(random.uniform(0, 2 * math.pi) for _ in range(n))
        points = [(cx + radius * random.uniform(0.6, 1) * math.cos(a), cy + radius * random.uniform(0.6, 1) * math.sin(a)) for a in angles]
    digits = random.choice([0, 1, 2, 6])
    return [round(v, digits) for point in points for v in point]


def polygons():
    cases = []
    for index in range(150):
        w, h = random.choice([(1, 1), (1, 17), (17, 1), (32, 24), (100, 80), (640, 480)])
        rings = [ring(w, h, random.choice(["round", "round", "free", "thin"])) for _ in range(random.choice([1, 1, 1, 2, 3]))]
        rle = coco.merge(coco.frPyObjects(rings, h, w))
        cases.append({"size": [w, h], "polygons": rings, "counts": rle["counts"].decode(), "area": int(coco.area(rle)), "bbox": coco.toBbox(rle).tolist()})
    return cases


def blob(w, h):
    noise = cv2.GaussianBlur(rng.random((h, w)).astype(np.float32), (0, 0), random.uniform(2, min(w, h) / 6))
    return (noise > np.quantile(noise, random.uniform(0.3, 0.95))).astype(np.uint8)


def boundary(mask, ratio=0.02):
    """The boundary band of the authors of boundary IoU."""
    h, w = mask.shape
    distance = max(1, int(round(ratio * math.sqrt(h * h + w * w))))
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return mask - cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)[1 : h + 1, 1 : w + 1]


def iou(a, b):
    return float((a & b).sum() / (a | b).sum())


def mean_boundary_accuracy(truth, prediction):
    h, w = truth.shape
    accuracies = []
    for i in range(5):
        radius = 1 + int(((w + h) / 300 - 1) / 5 * i)
        element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (radius * 2 + 1, radius * 2 + 1))
        band = cv2.morphologyEx(truth, cv2.MORPH_GRADIENT, element) > 0
        accuracies.append((truth == prediction)[band].mean())
    return float(np.mean(accuracies))


def agreement():
    cases = []
    for w, h in [(40, 30), (64, 64), (333, 127), (640, 480), (900, 700)]:
        for _ in range(3):
            truth = blob(w, h)
            shift = np.roll(truth, random.choice([0, 1, 3]), axis=random.choice([0, 1]))
            prediction = shift ^ (rng.random((h, w)) > 0.999).astype(np.uint8)
            text = [coco.encode(np.asfortranarray(m))["counts"].decode() for m in (truth, prediction)]
            cases.append(
                {
                    "size": [w, h],
                    "truth": text[0],
                    "prediction": text[1],
                    "iou": iou(truth, prediction),
                    "boundary_iou": iou(boundary(truth), boundary(prediction)),
                    "boundary_accuracy": mean_boundary_accuracy(truth, prediction),
                }
            )
    return cases


def precision():
    """A small data set with detections of every quality, and what COCOeval says of them."""
    w, h = 320, 240
    truth = {"images": [], "annotations": [], "categories": [{"id": c, "name": f"c{c}"} for c in (3, 9)]}
    results = []
    for image in range(11, 23):
        truth["images"].append({"id": image, "file_name": f"{image}.jpg", "width": w, "height": h})
        for _ in range(6):
            cx, cy, r = random.uniform(20, 300), random.uniform(20, 220), random.choice([8, 25, 90]) * random.uniform(0.6, 1.2)
            outline = [round(v, 1) for a in np.linspace(0, 2 * math.pi, 12, endpoint=False) for v in (cx + r * math.cos(a), cy + 0.3 * r * math.sin(a + 0.7))]
            rle = coco.frPyObjects([outline], h, w)[0]
            if coco.area(rle) == 0:
                continue
            category, crowd = random.choice([3, 9]), int(random.random() < 0.1)
            shape = {"size": [h, w], "counts": coco.decode(rle).flatten("F").tolist()} if crowd else [outline]
            if crowd:
                flat, counts, value = shape["counts"], [], 0
                run = 0
                for pixel in flat:
                    if pixel != value:
                        counts.append(run)
                        run, value = 0, pixel
                    run += 1
                shape["counts"] = counts + [run]
            truth["annotations"].append(
                {"id": len(truth["annotations"]) + 1, "image_id": image, "category_id": category, "segmentation": shape, "area": float(coco.area(rle)), "bbox": coco.toBbox(rle).tolist(), "iscrowd": crowd}
            )
            for _ in range(random.choice([0, 1, 1, 2])):
                moved = [v + random.gauss(0, random.choice([0.02, 0.1]) * r) for v in outline]
                other = coco.frPyObjects([moved], h, w)[0]
                results.append(
                    {"image_id": image, "category_id": category, "segmentation": {"size": [h, w], "counts": other["counts"].decode()}, "score": round(random.random(), 3)}
                )
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = json.loads(json.dumps(truth))
        gt.createIndex()
        evaluation = COCOeval(gt, gt.loadRes(json.loads(json.dumps(results))), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {"truth": truth, "results": results, "stats": evaluation.stats[:6].tolist()}


for name, make in [("polygons", polygons), ("agreement", agreement), ("precision", precision)]:
    with open(f"tests/data/{name}.json", "w") as file:
        json.dump(make(), file, separators=(",", ":"))
