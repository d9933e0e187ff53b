"""Takes the pictures with alpha out of Sweet Home 3D's furniture libraries, as cut-outs to train on.

    python furniture.py --libraries /usr/share/sweethome3d/furniture --out CUTOUTS

The libraries come with Debian's package sweethome3d-furniture: Scopia, BlendSwap (CC0 and CC BY), Kator Legaz, Reallusion.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from zipfile import ZipFile

CATALOGUE = "PluginFurnitureCatalog.properties"


def entries(library: Path) -> list[dict[str, str]]:
    """One per model, with its ``name``, ``icon`` and ``creator`` where the library says them."""
    models: dict[str, dict[str, str]] = {}
    with ZipFile(library) as archive:
        for line in archive.read(CATALOGUE).decode("latin-1").splitlines():
            key, _, value = line.partition("=")
            field, _, number = key.strip().partition("#")
            if number.isdigit():
                models.setdefault(number, {})[field] = value.strip()
    return [m for m in models.values() if "icon" in m]


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--libraries", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for library in sorted(args.libraries.glob("*.sh3f")):
        with ZipFile(library) as archive:
            for icon in {m["icon"].lstrip("/") for m in entries(library)}:
                (args.out / f"{library.stem}__{Path(icon).name}").write_bytes(archive.read(icon))


if __name__ == "__main__":
    main()
