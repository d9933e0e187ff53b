"""What both training scripts share: worker processes, schedule, EMA, checkpoints, export.

Training runs one single-threaded process per core and averages gradients between
them; that is about twice as fast on a CPU as one process with several threads.
"""

from __future__ import annotations

import copy
import json
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


MEET = 8
"""Workers train on their own for as many steps, then go on from the mean of their weights."""


@dataclass
class Stage:
    """Train at this crop size until this many minutes of processor time have passed in all."""

    size: int
    batch: int
    until: float


def parse_stages(text: str) -> list[Stage]:
    """"128x32:40,256x8:20" = 40 minutes at 128 px with batch 32, then 20 at 256 px."""
    stages, total = [], 0.0
    for part in text.split(","):
        shape, minutes = part.split(":")
        size, batch = shape.split("x")
        total += float(minutes)
        stages.append(Stage(int(size), int(batch), total))
    return stages


def half(device: torch.device) -> torch.autocast:
    """Half precision, but where a processor's products in it are several times slower than others."""
    is_fast = device.type != "cpu" or torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_fast)


def learning_rate(progress: float, peak: float, warmup: float = 0.03) -> float:
    if progress < warmup:
        return peak * (0.05 + 0.95 * progress / warmup)
    x = min(1.0, (progress - warmup) / (1 - warmup))
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * x)))


class Trainer:
    """State of one run. ``minutes`` counts the processor time of one worker over all resumed parts; on an accelerator
    it is the time on the wall since ``started``, and the learning rate follows what is left of it at the first step."""

    def __init__(
        self, model: nn.Module, out: Path, lr: float, decay: float, ema: float, started: float | None = None
    ) -> None:
        self.started = started
        self.model, self.out, self.lr, self.ema_rate = model, out, lr, ema
        self.ema = copy.deepcopy(model).requires_grad_(False)
        self.params = [p for p in model.parameters() if p.requires_grad]
        decayed = [p for p in self.params if p.ndim > 1]
        others = [p for p in self.params if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}],
            lr=lr,
            fused=True,
        )
        self.step, self.samples, self.minutes = 0, 0, 0.0
        self.usual_norm = 0.5
        self.world = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint; layers that it lacks stay as they are."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"], strict=False)
        self.ema.load_state_dict(state["ema"], strict=False)
        if "optimiser" in state:
            before = dict(enumerate(self.in_groups(state["model"])))
            moments = {before[i]: m for i, m in state["optimiser"]["state"].items()}
            now = enumerate(self.in_groups(self.model.state_dict()))
            kept = {i: moments[name] for i, name in now if name in moments}
            self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": kept})
        self.step, self.samples, self.minutes = state["step"], state["samples"], state["minutes"]

    def in_groups(self, tensors: dict[str, Tensor]) -> list[str]:
        """Names of trained tensors in the order of the optimiser's groups."""
        frozen = {name for name, p in self.model.named_parameters() if not p.requires_grad}
        names = [name for name in tensors if name not in frozen]
        return [n for n in names if tensors[n].ndim > 1] + [n for n in names if tensors[n].ndim <= 1]

    def save(self, name: str = "last.pt") -> None:
        if self.rank:
            return
        state = {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "samples": self.samples,
            "minutes": self.minutes,
        }
        part = self.out / (name + ".part")
        torch.save(state, part)
        part.replace(self.out / name)

    def update(self, loss: Tensor, batch: int, progress: float) -> float:
        """One optimiser step; returns the gradient norm."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for p in self.params:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        # a few pictures of little contrast have gradients ten times as long, which would rule their steps
        most = 2 * self.usual_norm
        norm = float(nn.utils.clip_grad_norm_(self.params, most))
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(progress, self.lr)
        if math.isfinite(norm):
            self.optimiser.step()
            self.usual_norm += 0.02 * (min(norm, most) - self.usual_norm)
        self.step += 1
        if self.meets():
            self.average()
        self.samples += batch * self.world
        rate = min(self.ema_rate, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            everything = [p.data for p in self.model.parameters()]
            torch._foreach_lerp_(list(self.ema.parameters()), everything, 1 - rate)
        return norm

    def meets(self) -> bool:
        """Whether the workers wait for each other after this step."""
        return self.world > 1 and self.step % MEET == 0

    def average(self) -> None:
        """Gives all workers the mean of their weights."""
        flat = torch.cat([p.data.flatten() for p in self.params])
        dist.all_reduce(flat)
        flat /= self.world
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

    def agree(self, value: float) -> float:
        """The first worker's value, so that all leave a loop at the same step."""
        if self.world == 1:
            return value
        t = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(t, 0)
        return float(t)

    def run(
        self,
        stages: list[Stage],
        loss_of: Callable[[Stage, float], tuple[Tensor, dict[str, float]]],
        export: Callable[[nn.Module], None],
        save_every: float = 60.0,
        steps: int | None = None,
    ) -> None:
        """Train until the last stage's time is up; in the first stage for ``steps`` steps where that is given."""
        total, begin = stages[-1].until, self.step
        last, saved, seen = time.process_time(), time.time(), 0
        first = 0.0 if self.started is None else (time.time() - self.started) / 60
        sums: dict[str, list[float]] = {}
        logged = time.time()

        def report() -> None:
            text = " ".join(f"{k} {sum(v) / len(v):.4f}" for k, v in sums.items())
            rate = seen * stage.batch * self.world / (time.time() - logged)
            print(
                f"{time.strftime('%H:%M:%S')} min {minutes:.1f} step {self.step} samples {self.samples} "
                f"S {stage.size} {rate:.1f}/s {text}",
                flush=True,
            )
            sums.clear()

        while True:
            now = time.process_time()
            self.minutes = self.minutes + (now - last) / 60 if self.started is None else (time.time() - self.started) / 60
            last = now
            minutes = self.minutes
            progress = (self.step - begin) / steps if steps else (minutes - first) / (total - first)
            if (self.step % MEET == 0 or self.world == 1) and self.agree(progress) >= 1:
                break
            progress, minutes = min(progress, 1.0), min(minutes, stages[-1].until - 1e-6)
            stage = stages[0] if steps else next(s for s in stages if minutes < s.until)
            loss, parts = loss_of(stage, progress)
            parts["norm"] = self.update(loss, stage.batch, progress)
            for k, v in parts.items():
                sums.setdefault(k, []).append(v)
            seen += 1
            if self.rank == 0 and time.time() - logged > (30 if self.started is None else 10):
                report()
                seen, logged = 0, time.time()
            if self.rank == 0 and time.time() - saved > save_every:
                self.save()
                export(self.ema)
                saved = time.time()
        if self.rank == 0 and seen:
            report()
        self.save()
        self.save("final.pt")
        if self.rank == 0:
            export(self.ema)


def _entry(rank: int, world: int, port: int, main: Callable, args: tuple) -> None:
    torch.set_num_threads(1)
    if world > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        dist.init_process_group("gloo", rank=rank, world_size=world)
    main(rank, *args)


def launch(main: Callable, args: tuple, workers: int) -> None:
    """Runs ``main(rank, *args)`` in forked workers, which share what is already loaded."""
    torch.set_num_threads(1)
    if workers == 1:
        main(0, *args)
        return
    mp.start_processes(
        _entry, (workers, 29000 + os.getpid() % 1000, main, args), nprocs=workers, start_method="fork"
    )


def read_start(path: Path) -> dict[str, Tensor]:
    """Weights to begin with: an exported file, or the average of a checkpoint."""
    if path.suffix == ".safetensors":
        return read_weights(path)[1]
    return torch.load(path, map_location="cpu", weights_only=True)["ema"]


def export(model: nn.Module, network: str, config: dict, path: Path) -> None:
    """Half-precision safetensors with the network's name and configuration in its metadata."""
    tensors = {k: v.detach().to(torch.float16).contiguous().cpu() for k, v in model.state_dict().items()}
    metadata = {"annotator.network": network, "annotator.config": json.dumps(config)}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(tensors, str(part), metadata=metadata)
    part.replace(path)


def read_weights(path: Path) -> tuple[dict, dict[str, Tensor]]:
    """(configuration, f32 tensors) of an exported file."""
    with safe_open(str(path), "pt") as f:
        config = json.loads(f.metadata()["annotator.config"])
        return config, {k: f.get_tensor(k).float() for k in f.keys()}
