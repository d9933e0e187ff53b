"""Trains the mask refiner.

    python train_refiner.py --data DIR --out DIR --stages 128x16:20,256x6:15 --segmenter FILE

The lite network around the finished levels of the small one:

    python train_refiner.py --data DIR --out DIR --preset lite --start FILE --stages 128x16:10,256x6:30
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import data as D
from batches import Feed
from coarse import CoarseBatches, Pair, collect
from crop import MEAN, STD
from refiner import LITE, NANO, PICO, Refiner, noise_mask, refiner_loss, widened
from train_segmenter import iou, load_pools
from trainer import Stage, Trainer, export, half, launch, parse_stages, read_start

STARTED = time.time()
PRESETS = {"pico": PICO, "nano": NANO, "lite": LITE}
T_WEIGHTS = (0.22, 0.04, 0.22, 0.05, 0.05, 0.42)
"""How often each time index is trained; the default sequence 5, 2, 0 most."""


def work(rank: int, pools: dict, maker: D.Compositor, pairs: list[Pair], args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed * 100 + rank)
    config = PRESETS[args.preset]
    model = Refiner(config)
    if args.start:
        given = read_start(args.start)
        grows = config == LITE and "output_blocks.9.0.skip_connection.weight" not in given
        model.load_state_dict(widened(given) if grows else given, strict=not grows)
    device = torch.device(args.device)
    torch.backends.cudnn.benchmark = True
    model = model.to(device, memory_format=torch.channels_last)
    trainer = Trainer(model, args.out, args.lr, args.decay, args.ema, STARTED if device.type != "cpu" else None)
    if args.resume:
        trainer.load(args.resume)
    torch.manual_seed(int(np.random.default_rng([args.seed, rank, trainer.step]).integers(1 << 31)))
    mixture = D.Mixture(pools, maker, args.fresh)
    weights = torch.tensor(T_WEIGHTS, device=device)
    mean, std = (torch.from_numpy(v).to(device) for v in (MEAN, STD))

    def of(size: int, batch: int) -> CoarseBatches:
        return CoarseBatches(mixture, pairs, args.real, size, batch, seed=[args.seed, rank, trainer.step])

    feed = Feed(of, args.loaders, device)

    def loss_of(stage: Stage, progress: float) -> tuple[Tensor, dict[str, float]]:
        rgb, fine, coarse = (v.to(device, non_blocking=True).float() for v in feed.next(stage.size, stage.batch))
        image, fine, coarse = ((rgb - mean) / std).permute(0, 3, 1, 2), fine[:, None], coarse[:, None]
        t = torch.multinomial(weights, stage.batch, replacement=True)
        mask = noise_mask(fine, coarse, t, torch.rand(fine.shape, device=device))
        with half(device):
            logits = model(image, mask, t)
        logits = logits.float()
        loss = refiner_loss(logits, fine, args.texture)
        with torch.no_grad():
            before, after = iou(coarse - 0.5, fine), iou(logits, fine)
            first = t == 5
            parts = {"loss": float(loss)}
            if bool(first.any()):
                parts |= {"coarse5": float(before[first].mean()), "iou5": float(after[first].mean())}
        return loss, parts

    target = args.out / "refiner.safetensors" if args.export is None else args.export
    trainer.run(parse_stages(args.stages), loss_of, lambda m: export(m, "refiner", config.to_dict(), target))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True, help="folder with train/ and nuclei/")
    p.add_argument("--out", type=Path, required=True, help="checkpoints go here")
    p.add_argument("--export", type=Path, help="where the f16 EMA weights go (default: OUT)")
    p.add_argument("--stages", default="128x16:20,256x6:15", help="SIZExBATCH:MINUTES, in order")
    p.add_argument("--more-cutouts", type=Path, nargs="*", default=(), help="more folders of RGBA pictures")
    p.add_argument("--more-photos", type=Path, nargs="*", default=(), help="more COCO folders")
    p.add_argument("--segmenter", type=Path, help="weights whose masks are refined too")
    p.add_argument("--pairs", type=int, default=1200, help="objects to run segmenter and GrabCut on")
    p.add_argument("--real", type=float, default=0.3, help="share of samples from those")
    p.add_argument("--preset", choices=tuple(PRESETS), default="nano")
    p.add_argument("--start", type=Path, help="weights or checkpoint to begin with")
    p.add_argument("--resume", type=Path)
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--device", default="cpu", help="cpu, or cuda with one worker; there minutes are time on the wall")
    p.add_argument("--loaders", type=int, default=0, help="processes that draw batches beside each worker")
    p.add_argument("--scenes", type=int, default=2500, help="scenes to compose before training")
    p.add_argument("--fresh", type=float, default=0.0, help="how often a draw of a composed scene makes a new one")
    p.add_argument("--texture", type=float, default=5.0, help="weight of the texture loss")
    p.add_argument("--lr", type=float, default=6e-4)
    p.add_argument("--decay", type=float, default=0.01)
    p.add_argument("--ema", type=float, default=0.999)
    p.add_argument("--seed", type=int, default=11)
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    pools, maker = load_pools(args.data, args.scenes, args.seed, args.more_cutouts, args.more_photos)
    # exact edges count most here
    share = {"crowded": 0.09, "single": 0.13, "rotated": 0.08, "composed": 0.65, "nuclei": 0.05}
    pools = {k: (share[k], scenes) for k, (_, scenes) in pools.items()}
    items = [(s, o) for k in ("crowded", "single", "composed", "nuclei") for s in pools[k][1] for o in s.objects]
    items = [(s, o) for s, o in items if o.area >= 300]
    pairs = collect(items, args.segmenter, args.pairs, args.seed)
    launch(work, (pools, maker, pairs, args), args.workers)


if __name__ == "__main__":
    main()
