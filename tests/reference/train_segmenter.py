"""Trains the box-prompted segmenter.

    python train_segmenter.py --data DIR --out DIR --stages 128x24:50,256x8:20 --workers 2

Layers for exemplars and class names besides (``--conditioned``), or only these, on top of finished weights that stay as
they are:

    python train_segmenter.py --data DIR --out DIR --train conditioning --start FILE --stages 128x16:20
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import data as D
from batches import Batch, Batches, Feed, Told, as_input
from segmenter import (
    SCALE,
    Condition,
    ConditioningConfig,
    Context,
    Exemplar,
    Segmenter,
    SegmenterConfig,
    diffuse,
    x0_from_logits,
)
from trainer import Stage, Trainer, export, half, launch, parse_stages, read_start

STARTED = time.time()


@dataclass
class Options:
    """What of the recipe is switched on."""

    one_step: float = 0.5
    """Share of samples at u = 1, the path that a single step takes."""
    self_cond: float = 0.5
    step_weight: float = 0.5
    noisy_weight: float = 0.5
    snp_from: float = 0.5
    """Progress after which the two extra losses are applied, on one batch of ``snp_every`` each."""
    snp_every: int = 4
    no_evidence: bool = False


def load_pools(
    root: Path,
    scenes: int,
    seed: int,
    more_cutouts: Sequence[Path] = (),
    more_photos: Sequence[Path] = (),
    only_labelled: bool = False,
    without: frozenset[str] = frozenset(),
    own_pools: Sequence[tuple[float, Path]] = (),
) -> tuple[dict[str, tuple[float, list[D.Scene]]], D.Compositor]:
    start = time.time()
    photos = D.load_coco(root / "train" / "photos", min_area=100)
    nuclei = D.load_coco(root / "nuclei" / "train", min_area=60)
    classes = {o.label for s in photos for o in s.objects}

    def more(folder: Path) -> list[D.Scene]:
        scenes = D.load_coco(folder, min_area=100)
        for o in (o for s in scenes for o in s.objects):
            o.label = o.label if o.label in classes else ""
        return scenes

    photos += [s for folder in more_photos for s in more(folder)]
    own = {f"own {i}": (share, more(folder)) for i, (share, folder) in enumerate(own_pools)}
    others = [s for _, scenes in own.values() for s in scenes]
    for scene in photos + nuclei + others:
        scene.objects = [o for o in scene.objects if o.label not in without]
    photos = [s for s in photos if s.objects]
    cutouts = [D.load_cutouts(f) for f in [root / "train" / "cutouts", *more_cutouts]]
    backgrounds = D.load_backgrounds(root / "train" / "backgrounds")
    print(
        f"loaded {len(photos)} photos ({sum(len(s.objects) for s in photos)} objects), {len(others)} in pools of their own "
        f"({sum(len(s.objects) for s in others)}), {len(nuclei)} nuclei images, "
        f"{sum(map(len, cutouts))} cut-outs, {len(backgrounds)} backgrounds in {time.time() - start:.0f} s",
        flush=True,
    )
    rng = np.random.default_rng(seed)
    maker = D.Compositor(photos, cutouts, backgrounds)
    start = time.time()
    composed = [] if only_labelled else [maker.scene(rng) for _ in range(scenes)]
    rotated = [maker.rotated(rng) for _ in range(scenes // 3)]
    print(f"composed {len(composed)} + {len(rotated)} scenes in {time.time() - start:.0f} s", flush=True)
    if only_labelled:
        return {"photos": (0.6, photos), "rotated": (0.25, rotated), "nuclei": (0.15, nuclei)}, maker
    crowded = [s for s in photos if not s.name.startswith("caltech")]
    single = [s for s in photos if s.name.startswith("caltech")]
    return {
        "crowded": (0.4, crowded),
        "single": (0.12, single),
        "rotated": (0.13, rotated),
        "composed": (0.30, composed),
        "nuclei": (0.05, nuclei),
        **own,
    }, maker


def dice_loss(prob: Tensor, target: Tensor) -> Tensor:
    """Per sample: 1 - 2 sum(ab) / (sum(a^2) + sum(b^2))."""
    a, b = prob.flatten(1), target.flatten(1)
    return 1 - 2 * (a * b).sum(1) / (a.square().sum(1) + b.square().sum(1) + 1e-5)


def mask_loss(logits: Tensor, target: Tensor, edges: float = 0.0) -> Tensor:
    """BCE and dice; cells near an outline count up to 1 + ``edges`` times as much in the first."""
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if edges > 0:
        reach = target.shape[-1] // 8 | 1
        across = F.avg_pool2d(target, (1, reach), 1, (0, reach // 2), count_include_pad=False)
        around = F.avg_pool2d(across, (reach, 1), 1, (reach // 2, 0), count_include_pad=False)
        weight = 1 + 2 * edges * (around - target).abs()
        bce = bce * (weight / weight.mean((2, 3), keepdim=True))
    return (bce.flatten(1).mean(1) + dice_loss(logits.sigmoid(), target)).mean()


def iou(logits: Tensor, target: Tensor) -> Tensor:
    a, b = (logits > 0).flatten(1), (target > 0.5).flatten(1)
    return (a & b).sum(1) / (a | b).sum(1).clamp(min=1)


def work(rank: int, pools: dict, maker: D.Compositor, args: argparse.Namespace, options: Options, told: Told) -> None:
    torch.manual_seed(args.seed * 100 + rank)
    device = torch.device(args.device)
    torch.backends.cudnn.benchmark = True
    shown, own = None, None
    frozen = args.train == "conditioning"
    if frozen or args.conditioned:
        shown = D.Exemplars([s for name in ("photos", "crowded", "single", "nuclei") for s in pools.get(name, (0, []))[1]])
        told = replace(told, classes=tuple(sorted(shown.of_class)))
        own = ConditioningConfig(told.classes, args.concat)
    config = SegmenterConfig(depths=tuple(args.depths), fine=args.fine, conditioning=own)
    model = Segmenter(config)
    if args.start:
        missing, extra = model.load_state_dict(read_start(args.start), strict=False)
        new = [name for name in missing if name.startswith("encoder.stage")]
        if extra or any(name not in new and not name.startswith(("conditioning.", "denoiser.fine.")) for name in missing):
            raise SystemExit(f"{args.start} holds other weights: {[*missing, *extra][:3]}")
        for name in new:  # blocks that are added change nothing at first
            if ".conv2." in name:
                torch.nn.init.zeros_(model.get_parameter(name))
    if frozen:  # nothing but the plain look is learned
        told = replace(told, second_look=0.0, wrong=0.0)
        model.encoder.requires_grad_(False)
        model.denoiser.requires_grad_(False)
    for block in [*model.encoder.stage16, *model.encoder.stage32]:
        block.drop = args.drop
    model = model.to(device, memory_format=torch.channels_last)
    trainer = Trainer(model, args.out, args.lr, args.decay, args.ema, STARTED if device.type != "cpu" else None)
    if args.resume:
        trainer.load(args.resume)
    rng = np.random.default_rng([args.seed, rank, trainer.step])
    torch.manual_seed(int(rng.integers(1 << 31)))
    mixture = D.Mixture(pools, maker, args.fresh)

    def of(size: int, batch: int) -> Batches:
        return Batches(mixture, shown, told, size, batch, seed=[args.seed, rank, trainer.step])

    feed = Feed(of, args.loaders, device)

    def context_of(batch: Batch) -> Context | None:
        """The tokens of a batch; on an accelerator always as many, so that it is compiled once."""
        padded = own is not None and device.type != "cpu"
        if not batch.listens and not padded:
            return None
        exemplars: list[list[Exemplar]] = [[] for _ in batch.labels]
        if batch.exemplars is not None:
            crops = batch.exemplars if device.type == "cpu" else batch.exemplars.repeated(64)
            with half(device):
                found = model.exemplars(crops.input(), crops.mask.float())
            for owner, exemplar in zip(batch.owners.tolist(), found):
                exemplars[owner].append(exemplar)
        labels = [label if label >= 0 else None for label in batch.labels.tolist()]
        return model.conditioning.context([Condition(*c) for c in zip(exemplars, labels)], padded)

    def eager(features: tuple[Tensor, ...], x_u: Tensor, u: Tensor, x0_hat: Tensor, context: Context | None) -> tuple[Tensor, Tensor]:
        """A denoiser call that is never compiled."""
        return model.denoiser.forward(features, x_u, u, x0_hat, getattr(model, "conditioning", None), context)

    @torch.no_grad()
    def first_look(x: Tensor, batch: Batch, context: Context | None) -> Tensor:
        """First masks as x0; ``x`` gets their colours. Half are masks that the network did not make: of its own
        training objects it makes fewer errors than of others, and it is to judge any mask."""
        n, size = len(x), x.shape[-1]
        with half(device):
            noise = torch.randn(n, 1, size // 2, size // 2, device=device)
            one = torch.ones(n, device=device)
            logits, _ = eager(model.encoder.forward(x), noise, one, torch.zeros_like(noise), context)
        theirs = batch.brought[:, None].float()
        given = theirs.amax((1, 2, 3), keepdim=True) > 0
        sure = SCALE * (0.6 + 0.4 * torch.rand(n, 1, 1, 1, device=device))
        prior = torch.where(given, sure * (2 * theirs - 1), x0_from_logits(logits))
        x[:, 4] = batch.crops.evidence(as_input(prior > 0, size))
        return prior

    def loss_of(stage: Stage, progress: float) -> tuple[Tensor, dict[str, float]]:
        batch = feed.next(stage.size, stage.batch).to(device)
        n = stage.batch
        x = batch.crops.input(not options.no_evidence)
        mask = batch.crops.mask[:, None].float()
        context = context_of(batch)
        again = batch.brought is not None
        seen = first_look(x, batch, context) if again else torch.zeros_like(mask)
        x0, eps = SCALE * (2 * mask - 1), torch.randn_like(mask)
        chance = torch.rand(2, n, device=device)
        u = torch.where(chance[0] < options.one_step, torch.ones_like(chance[0]), chance[1])
        x_u = diffuse(x0, u, eps)
        with half(device):
            features = model.encoder(x)
            prior = seen if rng.random() < 0.8 else torch.zeros_like(mask)
            if not again and options.one_step < 1 and rng.random() < options.self_cond:
                with torch.no_grad():
                    first, _ = eager(features, x_u, u, prior, context)
                prior = x0_from_logits(first) * (u < 1)[:, None, None, None]
            logits, quality = model.denoise(features, x_u, u, prior, context)
        logits = logits.float()
        with torch.no_grad():
            score = iou(logits, mask)
            first_step = u == 1
            of_first = (score * first_step).sum() / first_step.sum().clamp(min=1)
        loss = mask_loss(logits, mask, args.edges) + 0.1 * (quality.float() - score).square().mean()
        parts = {"loss": loss.item(), "again" if again else "iou1": of_first.item()}
        if frozen or progress < options.snp_from:
            return loss, parts
        zero = torch.zeros_like(mask)
        if trainer.step % options.snp_every == 0 and options.step_weight > 0:
            # two noise levels of one trajectory should agree; the cleaner one teaches
            later = (u - 0.3 * torch.rand(n, device=device)).clamp(min=0.01)
            with half(), torch.no_grad():
                teacher, _ = trainer.ema.denoiser(features, diffuse(x0, later, eps), later, zero)
            loss = loss + options.step_weight * dice_loss(
                logits.sigmoid(), teacher.float().sigmoid()
            ).mean()
        if batch.wrong is not None and options.noisy_weight > 0:
            # a wrong label is diffused, the right one is asked for
            wrong = batch.wrong[:, None].float()
            v = torch.rand(n, device=device) * 0.9 + 0.05
            with half(device):
                other, _ = eager(features, diffuse(SCALE * (2 * wrong - 1), v, eps), v, zero, None)
            loss = loss + options.noisy_weight * mask_loss(other.float(), mask)
        return loss, parts

    stages = parse_stages(args.stages)
    if args.compile:
        model.encoder.compile()
        model.denoiser.compile()
        loss_of(stages[0], 0.0)[0].backward()
    target = args.out / "segmenter.safetensors" if args.export is None else args.export
    trainer.run(
        stages,
        loss_of,
        lambda m: export(m, "segmenter", config.to_dict(), target),
        steps=args.steps,
    )


def parse(arguments: Sequence[str] | None = None) -> tuple[argparse.Namespace, Options, Told]:
    """The command line's settings."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True, help="folder with train/ and nuclei/")
    p.add_argument("--more-cutouts", type=Path, nargs="*", default=(), help="more folders of RGBA pictures")
    p.add_argument("--more-photos", type=Path, nargs="*", default=(), help="more COCO folders; they add no classes")
    p.add_argument("--own-pools", nargs="*", default=(), help="SHARE:DIR, COCO folders that samples are drawn from besides")
    p.add_argument("--out", type=Path, required=True, help="checkpoints go here")
    p.add_argument("--export", type=Path, help="where the f16 EMA weights go (default: OUT)")
    p.add_argument("--stages", default="128x24:50,256x8:20", help="SIZExBATCH:MINUTES, in order")
    p.add_argument("--resume", type=Path)
    p.add_argument("--start", type=Path, help="weights or checkpoint to begin with")
    p.add_argument("--depths", type=int, nargs=4, default=(1, 2, 5, 4), help="encoder blocks at strides 4, 8, 16, 32")
    p.add_argument("--fine", type=int, default=32, help="channels of last layers that see stride 2; 0 for none")
    p.add_argument("--train", choices=("all", "conditioning"), default="all")
    p.add_argument("--conditioned", action="store_true", help="train layers for exemplars and class names with all others")
    p.add_argument("--drop-exemplars", type=float, default=0.2, help="share of samples that see no exemplars")
    p.add_argument("--listen", type=float, default=1.0, help="share of batches with class names and exemplars")
    p.add_argument("--concat", action="store_true", help="ablation: the first exemplar's colours as input channels")
    p.add_argument("--without-voc", action="store_true", help="never show objects of VOC's classes (few-shot protocol)")
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--device", default="cpu", help="cpu, or cuda with one worker; there minutes are time on the wall")
    p.add_argument("--compile", action="store_true", help="compile the network before training")
    p.add_argument("--loaders", type=int, default=0, help="processes that draw batches beside each worker")
    p.add_argument("--scenes", type=int, default=3000, help="scenes to compose before training")
    p.add_argument("--fresh", type=float, default=0.0, help="how often a draw of a composed scene makes a new one")
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--decay", type=float, default=0.03)
    p.add_argument("--ema", type=float, default=0.999)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--one-step", type=float, default=0.5)
    p.add_argument("--step-weight", type=float, default=0.5)
    p.add_argument("--noisy-weight", type=float, default=0.5)
    p.add_argument("--snp-from", type=float, default=0.5)
    p.add_argument("--snp-every", type=int, default=4, help="batches from one use of an SNP loss to the next")
    p.add_argument("--steps", type=int, help="optimiser steps instead of the stages' minutes")
    p.add_argument("--second-look", type=float, default=0.35, help="share of batches that see a first mask")
    p.add_argument("--edges", type=float, default=0.0, help="how much more cells beside an outline count, in times")
    p.add_argument("--strong", type=float, default=0.0, help="share of samples that are turned, and of those made worse")
    p.add_argument("--drop", type=float, default=0.0, help="share of samples that skip a block of the encoder at strides 16 and 32")
    p.add_argument("--no-evidence", action="store_true", help="ablation: evidence channel set to 0")
    args = p.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    options = Options(
        one_step=args.one_step,
        step_weight=args.step_weight,
        noisy_weight=args.noisy_weight,
        snp_from=args.snp_from,
        snp_every=args.snp_every,
        no_evidence=args.no_evidence,
    )
    told = Told(
        drop_exemplars=args.drop_exemplars,
        listen=args.listen,
        second_look=args.second_look,
        wrong=1 / args.snp_every if args.noisy_weight > 0 else 0.0,
        strong=args.strong,
    )
    return args, options, told


def own_pools(texts: Sequence[str]) -> list[tuple[float, Path]]:
    """(share, folder) of each "SHARE:DIR"."""
    parts = [text.partition(":") for text in texts]
    return [(float(share), Path(folder)) for share, _, folder in parts]


def main() -> None:
    args, options, told = parse()
    torch.set_num_threads(1)
    without = D.VOC_CLASSES if args.without_voc else frozenset()
    only_labelled = args.train == "conditioning"
    pools, maker = load_pools(
        args.data, args.scenes, args.seed, args.more_cutouts, args.more_photos, only_labelled, without, own_pools(args.own_pools)
    )
    launch(work, (pools, maker, args, options, told), args.workers)


if __name__ == "__main__":
    main()
