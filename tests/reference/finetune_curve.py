"""Held-out quality of box -> mask against the number of labelled objects that ``annotator --headless train`` saw.

    python finetune_curve.py --program annotator --data SET --out DIR [--start FILE]

SET is a folder with ``train`` and ``val``, each COCO JSON beside ``images``. ``val`` is only measured, with its
ground-truth boxes; the program holds out a part of what it is given by itself. ``--start scratch`` begins with random
weights of the shipped shape.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import time
from pathlib import Path

import numpy as np
import torch

from segmenter import Segmenter, SegmenterConfig
from trainer import export


def subset(source: Path, count: int, per_image: int, seed: int, out: Path) -> int:
    """Writes the first ``count`` usable objects of the images in random order; returns how many there are."""
    coco = json.loads(source.read_text())
    rng = np.random.default_rng(seed)
    of_image: dict[int, list[dict]] = {}
    for a in coco["annotations"]:
        if not a.get("iscrowd") and a["area"] >= 64:
            of_image.setdefault(a["image_id"], []).append(a)
    chosen: list[dict] = []
    for i in rng.permutation(len(coco["images"])):
        own = of_image.get(coco["images"][i]["id"], [])
        chosen += [own[k] for k in rng.permutation(len(own))[:per_image]]
    chosen = chosen[:count]
    images = {a["image_id"] for a in chosen}
    coco |= {"annotations": chosen, "images": [i for i in coco["images"] if i["id"] in images]}
    out.write_text(json.dumps(coco))
    return len(chosen)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", type=Path, required=True)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--start", help="weights, or `scratch`; the built-in ones without")
    p.add_argument("--counts", type=int, nargs="*", default=[0, 5, 10, 20, 50, 100])
    p.add_argument("--scope", default="last")
    p.add_argument("--samples", type=int, default=300, help="objects that are seen in all, rounds times objects")
    p.add_argument("--rate", default="2e-4")
    p.add_argument("--per-image", type=int, default=5)
    p.add_argument("--measured", type=int, default=100)
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    truth = args.out / "truth.json"
    subset(args.data / "val" / "instances.json", args.measured, 10, 1, truth)
    start = args.start
    if start == "scratch":
        torch.manual_seed(args.seed)
        start, config = args.out / "scratch.safetensors", SegmenterConfig()
        export(Segmenter(config), "segmenter", config.to_dict(), start)

    def run(*options: object) -> str:
        command = [str(args.program), "--headless", *map(str, options)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    for count in args.counts:
        weights, seconds, given, rounds = start, 0.0, 0, 0
        if count:
            labels = args.out / "labels.json"
            given = subset(args.data / "train" / "instances.json", count, args.per_image, args.seed, labels)
            weights, rounds = args.out / f"{count}.safetensors", max(1, min(20, args.samples // given))
            began = time.time()
            run(
                *("train", "--data", labels, "--images", args.data / "train" / "images", "--out", weights, "--device", "cpu"),
                *("--scope", args.scope, "--epochs", rounds, "--learning-rate", args.rate, "--seed", args.seed),
                *(("--start", start) if start else ()),
            )
            seconds = time.time() - began
        proposed = args.out / "proposed.json"
        own = ("--segmenter", weights) if weights else ()
        run("propose", "--data", truth, "--images", args.data / "val" / "images", "--out", proposed, "--device", "cpu", *own)
        table = run("eval", "--data", truth, "--pred", proposed)
        found = re.search(r"^all\b.*$", table, re.M)
        print(f"{given:4d} objects, {rounds:2d} rounds, {seconds:5.0f} s: {found.group(0) if found else table}", flush=True)


if __name__ == "__main__":
    main()
