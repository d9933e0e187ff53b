"""Batches of the segmenter: drawn as bytes on processors, made the network's input on any device."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

import data as D
from crop import BINS, MEAN, STD
from segmenter import MOST_EXEMPLARS


def _stacked(arrays: Iterable[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(list(arrays)))


@dataclass
class Crops:
    """Crops [N,S,S,3] of u8, whether pixels lie in the image and in the box [N,S,S], masks [N,M,M]; 0 or 1."""

    rgb: Tensor
    valid: Tensor
    indicator: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> "Crops":
        return _each(self, lambda t: t.to(device, non_blocking=True))

    @staticmethod
    def of(crops: Sequence[D.Crop]) -> "Crops":
        names = [f.name for f in fields(D.Crop)]
        return Crops(*(_stacked(getattr(c, name) for c in crops) for name in names))

    def input(self, evidence: bool = True) -> Tensor:
        """The network's input [N,5,S,S]; its last channel is 0 without ``evidence``."""
        mean, std = (torch.from_numpy(v).to(self.rgb.device) for v in (MEAN, STD))
        valid, box = self.valid[..., None], self.indicator
        colours = (self.rgb.float() - mean) / std * valid
        told = self.evidence(box) if evidence else torch.zeros_like(box, dtype=torch.float32)
        x = torch.cat([colours, box[..., None].float(), told[..., None]], dim=-1)
        return x.permute(0, 3, 1, 2)

    def repeated(self, multiple: int) -> "Crops":
        """As many crops as ``multiple`` divides, the last ones being the first ones again: batches of few sizes."""
        rows = torch.arange(-(-len(self.rgb) // multiple) * multiple, device=self.rgb.device) % len(self.rgb)
        return _each(self, lambda t: t[rows])

    def evidence(self, inside: Tensor) -> Tensor:
        """What ``crop.colour_evidence`` says of each crop, for the masks ``inside`` [N,S,S]: [N,S,S] in [-1, 1]."""
        n, cells = len(inside), BINS**3
        code = self.rgb.int() >> 4
        code = ((code[..., 0] * BINS + code[..., 1]) * BINS + code[..., 2]).long().flatten(1)
        own = (inside > 0).flatten(1).float()
        seen = self.valid.flatten(1).float()
        counts = torch.zeros(2, n, cells, device=code.device)
        counts[0].scatter_add_(1, code, own * seen)
        counts[1].scatter_add_(1, code, (1 - own) * seen)
        told = (counts.sum(2) > 0).all(0)
        cube = counts.view(2 * n, BINS, BINS, BINS)
        for axis in (1, 2, 3):
            first, last = cube.narrow(axis, 0, 1), cube.narrow(axis, BINS - 1, 1)
            before = torch.cat([first, cube.narrow(axis, 0, BINS - 1)], axis)
            after = torch.cat([cube.narrow(axis, 1, BINS - 1), last], axis)
            cube = (before + 2 * cube + after) / 4
        p = cube.view(2, n, cells)
        p = p / p.sum(2, keepdim=True).clamp(min=1e-6)
        table = (p[0] - p[1]) / (p[0] + p[1] + 1e-6) * told[:, None]
        return (table.gather(1, code) * seen).view_as(inside)


@dataclass
class Batch:
    """Objects, and what else is told of them."""

    crops: Crops
    labels: Tensor
    """The class of each object, -1 where it is not told."""
    listens: bool
    """Whether any object is told its class or shown exemplars."""
    exemplars: Crops | None
    """All exemplars of the batch, and whose each is."""
    owners: Tensor
    brought: Tensor | None
    """Where objects are looked at again: masks of somebody else [N,M,M], empty where the network's own is looked at."""
    wrong: Tensor | None
    """Wrong labels [N,M,M], where the loss of noisy labels is due."""

    def to(self, device: torch.device) -> "Batch":
        return _each(self, lambda t: t.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        return _each(self, lambda t: t.pin_memory() if t.numel() else t)


def _each(of: Batch | Crops, change) -> Batch | Crops:
    """``of`` with all of its tensors changed."""
    new = {}
    for f in fields(of):
        value = getattr(of, f.name)
        if isinstance(value, Tensor):
            new[f.name] = change(value)
        elif isinstance(value, Crops):
            new[f.name] = _each(value, change)
    return replace(of, **new)


@dataclass
class Told:
    """How often a sample is told more than its box, and what batches hold besides."""

    classes: tuple[str, ...] = ()
    drop_class: float = 0.5
    """Share of samples that are not told their class, and that see no exemplars; some have neither (guidance)."""
    drop_exemplars: float = 0.2
    listen: float = 1.0
    """Share of batches in which any sample is told anything besides its box."""
    second_look: float = 0.35
    """Share of batches that are looked at again, with the colours and the shape of a first mask."""
    wrong: float = 0.0
    """Share of batches with wrong labels."""
    strong: float = 0.0
    """Share of samples that are turned, and of those whose picture is made worse."""


class Batches(IterableDataset):
    """Draws batches without end; in each loader process with a random sequence of its own."""

    def __init__(
        self, mixture: D.Mixture, exemplars: D.Exemplars | None, told: Told, size: int, batch: int, seed: Sequence[int]
    ) -> None:
        self.mixture, self.exemplars, self.told = mixture, exemplars, told
        self.size, self.batch, self.seed = size, batch, list(seed)

    def __iter__(self) -> Iterator[Batch]:
        rng = own_rng(self.seed)
        while True:
            yield self.draw(rng)

    def draw(self, rng: np.random.Generator) -> Batch:
        told = self.told
        drawn = [self.mixture.draw(rng) for _ in range(self.batch)]
        crops = [D.augmented_crop(rng, *d, self.size, told.strong) for d in drawn]
        listens = bool(told.classes) and rng.random() < told.listen
        labels, shown, owners = [-1] * self.batch, [], []
        for i, (scene, obj) in enumerate(drawn if listens else ()):
            if obj.label in told.classes and rng.random() >= told.drop_class:
                labels[i] = told.classes.index(obj.label)
            if rng.random() >= told.drop_exemplars:
                new = self.exemplars.draw(rng, scene, obj, int(rng.integers(1, MOST_EXEMPLARS + 1)))
                shown += [D.crop_object(*d, self.size // 2) for d in new]
                owners += [i] * len(new)
        brought = wrong = None
        if rng.random() < told.second_look:
            brought = _stacked(D.brought(rng, c) if rng.random() < 0.5 else 0 * c.mask for c in crops)
        if rng.random() < told.wrong:
            wrong = _stacked(D.corrupt(rng, c.mask) for c in crops)
        return Batch(
            Crops.of(crops),
            torch.tensor(labels),
            listens,
            Crops.of(shown) if shown else None,
            torch.tensor(owners, dtype=torch.long),
            brought,
            wrong,
        )


def own_rng(seed: Sequence[int]) -> np.random.Generator:
    """A random sequence of this loader process's own."""
    worker = get_worker_info()
    return np.random.default_rng([*seed, worker.id if worker else 0])


class Feed:
    """Batches of the size and number that are asked for, drawn by processes beside this one, or in it where ``loaders`` is 0,
    into memory from which the device reads; what ``of(size, batch)`` gives draws them. Other shapes than the last are dropped."""

    def __init__(self, of: Callable[[int, int], IterableDataset], loaders: int, device: torch.device) -> None:
        self.of, self.loaders, self.pin = of, loaders, device.type == "cuda"
        self.shape, self.batches = None, iter(())

    def next(self, size: int, batch: int):
        if self.shape != (size, batch):
            ahead = 2 if self.loaders else None
            drawn = DataLoader(
                self.of(size, batch), batch_size=None, num_workers=self.loaders, pin_memory=self.pin, prefetch_factor=ahead
            )
            self.shape, self.batches = (size, batch), iter(drawn)
        return next(self.batches)


def as_input(masks: Tensor, size: int) -> Tensor:
    """Masks [N,1,M,M] as large as the crop: [N,S,S]."""
    return F.interpolate(masks.float(), (size, size), mode="nearest")[:, 0]
