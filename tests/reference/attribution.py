"""Lists the training images with licence and source; sets under one licence take one row.

    python attribution.py --data DIR --out models/ATTRIBUTION.csv
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import furniture

CALTECH = "https://data.caltech.edu/records/mzrjq-6wc02"
GROCERY = "https://github.com/marcusklasson/GroceryStoreDataset"
LOMIRI = "https://gitlab.com/ubports/development/core/lomiri-wallpapers"
OPEN_IMAGES = "https://storage.googleapis.com/openimages/web/index.html"
FURNITURE = "https://www.sweethome3d.com/import-models/"
LIBRARIES = {
    "BlendSwap-CC-0": ("", "CC0"),
    "BlendSwap-CC-BY": ("", "CC BY 3.0"),
    "KatorLegaz": ("Andrew Kator and Jennifer Legaz", "CC BY 3.0 US"),
    "Reallusion": ("Reallusion", "CC BY 3.0 US"),
    "Scopia": ("Scopia Visual Interfaces Systems, s.l.; eTeks", "CC BY 3.0"),
}
"""Author and licence of Sweet Home 3D's furniture; BlendSwap's name an author for each model."""
CUTOUTS = (
    (
        "YCB Object and Model Set, as converted in tmc_wrs_gazebo",
        "395 rendered cut-outs of 79 objects",
        "B. Calli, A. Singh, A. Walsman, S. Srinivasa, P. Abbeel, A. M. Dollar; Toyota Motor Corporation",
        "CC BY 4.0",
        "https://creativecommons.org/licenses/by/4.0/",
        "https://github.com/hsr-project/tmc_wrs_gazebo",
    ),
    (
        "Gazebo models",
        "201 rendered cut-outs",
        "Nathan Koenig, Open Source Robotics Foundation and the models' authors",
        "CC BY 3.0",
        "https://creativecommons.org/licenses/by/3.0/",
        "https://github.com/osrf/gazebo_models",
    ),
    (
        "Scratch 1.4 media",
        "86 photographic costumes",
        "Lifelong Kindergarten Group, MIT Media Lab",
        "CC BY-SA 3.0",
        "https://creativecommons.org/licenses/by-sa/3.0/",
        "https://scratch.mit.edu",
    ),
)
"""Cut-outs of which a whole set has one licence."""
PHOTOS = (
    (
        "Oxford-IIIT Pet",
        "1,895 photos of the trainval list",
        "O. M. Parkhi, A. Vedaldi, A. Zisserman, C. V. Jawahar; the photos' owners",
        "CC BY-SA 4.0",
        "https://creativecommons.org/licenses/by-sa/4.0/",
        "https://www.robots.ox.ac.uk/~vgg/data/pets/",
    ),
    (
        "Microcontroller detection",
        "141 photos",
        "Gilbert Tanner",
        "MIT",
        "",
        "https://github.com/TannerGilbert/Tensorflow-Object-Detection-API-Train-Model",
    ),
    (
        "Kuih data set",
        "150 photos",
        "Roboflow workspace kuih-ketayap",
        "CC BY 4.0",
        "https://creativecommons.org/licenses/by/4.0/",
        "https://universe.roboflow.com/kuih-ketayap/kuih-dataset",
    ),
    (
        "Mushroom Detection",
        "32 photos",
        "Pennsylvania State University",
        "CC BY 4.0",
        "https://creativecommons.org/licenses/by/4.0/",
        "https://universe.roboflow.com/pennsylvania-state-university-sofmp/mushroom-detection-smart-bounding-boxes",
    ),
)
"""Photos of which a whole set has one licence."""
STAMPS = "https://github.com/deepin-community/tuxpaint-stamps"
COLUMNS = ("set", "file", "author", "licence", "licence_url", "source")


def photo_rows(folder: Path) -> list[tuple[str, ...]]:
    data = json.loads((folder / "instances.json").read_text())
    licences = {item["id"]: item for item in data["licenses"]}
    rows = []
    for image in data["images"]:
        licence = licences[image["license"]]
        name, url = licence["name"], licence["url"]
        if "flickr_url" in image:
            author = "the photo's owner on Flickr"
            rows.append(("COCO 2017", image["file_name"], author, name, url, image["flickr_url"]))
        else:
            rows.append(("Caltech 101", "all images of 24 classes", "Fei-Fei Li et al.", name, url, CALTECH))
    return sorted(set(rows))


def open_images_rows(folder: Path) -> list[tuple[str, ...]]:
    """Photos whose file name is their id in Open Images, which lists their owners, and gives masks or boxes of their objects."""
    data = json.loads((folder / "instances.json").read_text())
    given = "masks" if all(a.get("segmentation") for a in data["annotations"]) else "boxes"
    licence, url = f"CC BY 2.0 ({given} CC BY 4.0)", "http://creativecommons.org/licenses/by/2.0/"
    owner = "the photo's owner on Flickr"
    return sorted(("Open Images", i["file_name"], owner, licence, url, OPEN_IMAGES) for i in data["images"])


def background_rows(folder: Path) -> list[tuple[str, ...]]:
    rows = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("lomiri_"):
            author = path.stem.rsplit("_by_", 1)[-1].strip("_").replace("_", " ")
            rows.append(("Lomiri wallpapers", path.name, author, "CC BY / CC BY-SA", "", LOMIRI))
        else:
            rows.append(("Grocery Store Dataset", "500 images", "Marcus Klasson et al.", "MIT", "", GROCERY))
    return sorted(set(rows))


def furniture_rows(folder: Path) -> list[tuple[str, ...]]:
    rows = []
    for library in sorted(folder.glob("*.sh3f")):
        author, licence = LIBRARIES[library.stem]
        for model in furniture.entries(library):
            name = library.stem + "/" + Path(model["icon"]).name if not author else library.stem + ", all models"
            rows.append(("Sweet Home 3D furniture 1.8", name, author or model.get("creator", ""), licence, "", FURNITURE))
    return sorted(set(rows))


def stamp_rows(origin: Path) -> list[tuple[str, ...]]:
    """Stamps of Tux Paint, from lines ``FILE.png: AUTHOR, LICENCE``."""
    found = []
    for line in origin.read_text().splitlines():
        name, _, rest = line.partition(".png: ")
        if rest:
            author, _, licence = rest.rpartition(", ") if ", " in rest else ("", "", rest)
            found.append(("Tux Paint stamps", f"{name}.png", author, licence, "", STAMPS))
    return sorted(found)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--more-photos", type=Path, nargs="*", default=(), help="folders with more photos of COCO")
    p.add_argument("--open-images", type=Path, nargs="+", required=True, help="folders with photos of Open Images")
    p.add_argument("--furniture", type=Path, required=True, help="folder with *.sh3f")
    p.add_argument("--stamps", type=Path, required=True, help="list of Tux Paint's stamps")
    p.add_argument("--out", type=Path, required=True)
    args = p.parse_args()
    photos = [args.data / "train" / "photos", *args.more_photos]
    rows = sorted({row for folder in photos for row in photo_rows(folder)})
    rows += sorted({row for folder in args.open_images for row in open_images_rows(folder)})
    rows += background_rows(args.data / "train" / "backgrounds") + furniture_rows(args.furniture)
    with args.out.open("w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
        writer.writerows([*CUTOUTS, *stamp_rows(args.stamps)])
        writer.writerow(("Fluent Emoji 3D", "all 1,621 cut-outs", "Microsoft", "MIT", "", "https://github.com/microsoft/fluentui-emoji"))
        writer.writerows(PHOTOS)
        writer.writerow(("DSB 2018 stage 1 with fixes", "all 120 training images", "", "CC0", "", "https://bbbc.broadinstitute.org/BBBC038"))


if __name__ == "__main__":
    main()
