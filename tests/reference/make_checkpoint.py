"""Writes two tiny checkpoints in the published refiner's form, and prints the numbers that the Rust test expects.

    python make_checkpoint.py --out tests/data
"""

from __future__ import annotations

import argparse
from collections import OrderedDict
from pathlib import Path

import torch

from refiner import Refiner, RefinerConfig

TINY = RefinerConfig(
    image=8, base=4, mult=(1,), n_res=1, attn_strides=(1,), heads=2, groups=2, patchify=1
)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--out", type=Path, required=True)
    out = p.parse_args().out
    torch.manual_seed(0)
    model = Refiner(TINY)
    state = OrderedDict((f"denoise_model.{k}", v.clone()) for k, v in model.state_dict().items())
    for axis in "xy":
        state[f"loss_texture.sobel.conv_{axis}.weight"] = torch.zeros(1, 1, 3, 3)
    torch.save(state, out / "refiner_bare.pth")
    torch.save({"state_dict": state, "meta": {"epoch": 1}}, out / "refiner_nested.pth")
    image = torch.arange(192).reshape(1, 3, 8, 8) / 100
    mask = (torch.arange(64).reshape(1, 1, 8, 8) % 3 == 0).float()
    with torch.no_grad():
        logits = model(image, mask, torch.tensor([5]))
    print([round(v, 6) for v in logits.flatten()[:6].tolist()])


if __name__ == "__main__":
    main()
