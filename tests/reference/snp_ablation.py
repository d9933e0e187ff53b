"""What each loss of step noise perception changes: equal budgets, several seeds, 1 to 8 steps.

    python snp_ablation.py --data DIR --start FILE --out DIR
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from evaluate import LIMIT, SETS, load_cases, load_segmenter, segment
from metrics import iou
from train_segmenter import load_pools, parse, work

ARMS = {"plain": (0.0, 0.0), "+ L_step": (0.5, 0.0), "+ L_noisy": (0.0, 0.5), "both": (0.5, 0.5)}
STEPS = (1, 2, 4, 8)


def measured(weights: Path, cases: dict[str, list], size: int) -> dict[str, float]:
    """Mean IoU over the sets by number of steps, and the IoU of the 1-step with the 4-step mask ("agree")."""
    model, rows = load_segmenter(weights), []
    for of_set in cases.values():
        found = []
        for case in of_set:
            masks, _ = segment(model, case, STEPS, size)
            found.append([iou(masks[n], case.mask) for n in STEPS] + [iou(masks[1], masks[4])])
        rows.append(np.mean(found, 0))
    return dict(zip([*map(str, STEPS), "agree"], np.mean(rows, 0).tolist()))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--start", type=Path, required=True, help="weights that all arms start from")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--steps", type=int, default=250, help="optimiser steps of each run")
    p.add_argument("--stage", default="128x16", help="SIZExBATCH")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--share", type=float, default=0.3, help="share of the measured objects")
    args = p.parse_args()
    torch.set_num_threads(1)
    cases = {n: load_cases(args.data, n, max(1, int(LIMIT[n] * args.share))) for n in SETS}
    size = int(args.stage.split("x")[0])
    pools, maker = load_pools(args.data, 600, 1)
    results: dict[str, list[dict[str, float]]] = {"start": [measured(args.start, cases, size)]}
    print("start", results["start"], flush=True)
    for seed in range(1, args.seeds + 1):
        for arm, (step, noisy) in ARMS.items():
            out = args.out / f"{seed}-{list(ARMS).index(arm)}"
            options = f"--start {args.start} --stages {args.stage}:1 --steps {args.steps} --seed {seed} --lr 4e-4 --ema 0.98"
            losses = f"--step-weight {step} --noisy-weight {noisy} --snp-from 0 --snp-every 2 --second-look 0 --conditioned --listen 0"
            given = ["--data", str(args.data), "--out", str(out), *options.split(), *losses.split()]
            work(0, pools, maker, *parse(given))
            results.setdefault(arm, []).append(measured(out / "segmenter.safetensors", cases, size))
            print(seed, arm, results[arm][-1], flush=True)
            (args.out / "ablation.json").write_text(json.dumps(results, indent=1))
    for arm, rows in results.items():
        values = {k: [r[k] for r in rows] for k in rows[0]}
        print(f"{arm:10s}" + "".join(f"  {k} {np.mean(v):.4f} +- {np.std(v):.4f}" for k, v in values.items()))


if __name__ == "__main__":
    main()
