"""Photos to products: taught by the shop's own pairs, by what is written, and with a detector that finds the product.

    MMRECO_DATA=../shared/data python benchmarks/photos.py [--only grocery,new]

- grocery: `grocery/`, phone photos of 81 products and one studio picture of each. Is the photo's product the first, or
  among the first five, of all 81 by the cosine? SqueezeNet as it is, and with a layer learnt from the training photos
  (`projected`); asked on the validation photos.
- new: the same, but every fourth product (seed 0) has no photo to learn from; asked with all photos of these, against
  all 81. Intervals by bootstrap over products, 95 %.

The last line of standard output is one JSON object.
"""

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco import Catalogue, ImageEncoder
from mmreco.encoders.image.projection import projected

NETWORK = "torchvision/squeezenet1_0"
WEIGHTS = Path("weights") / "squeezenet1_0_imagenet_fp16.safetensors"
DRAWS = 2_000


def squeezenet(data: Path) -> ImageEncoder:
    return ImageEncoder(NETWORK, weights=data / WEIGHTS, backend="bfloat16")


class Grocery:
    """The studio pictures as a catalogue, and the photos with the class each is of."""

    def __init__(self, data: Path) -> None:
        top = data / "grocery"
        self.names = [row["Class Name (str)"] for row in read(top / "classes.csv")]
        iconic = {name: str(top / "iconic" / f"{name}.jpg") for name in self.names}
        self.shop = Catalogue.from_frame(pa.table({"item_id": self.names, "image": list(iconic.values())}))
        photos = read(top / "photos.csv")
        self.paths = [str(top / "photos" / row["photo"]) for row in photos]
        self.of = np.array([int(row["fine"]) for row in photos])
        self.train = np.array([row["split"] == "train" for row in photos])

    def pairs(self, rows: np.ndarray) -> list[tuple[str, str]]:
        return [(self.names[self.of[row]], self.paths[row]) for row in rows]

    def ranks(self, encoder: ImageEncoder, rows: np.ndarray) -> np.ndarray:
        """How many products stand before the right one, for each photo."""
        products = encoder.encode([path or "" for path in self.shop.images()])
        scores = encoder.encode([self.paths[row] for row in rows]) @ products.T  # (n, 81)
        right = np.take_along_axis(scores, self.of[rows][:, None], axis=1)
        return (scores > right).sum(axis=1)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def recalls(ranks: np.ndarray) -> dict[str, float]:
    return {f"recall@{k}": round(float((ranks < k).mean()), 3) for k in (1, 5)}


def gain_interval(before: np.ndarray, after: np.ndarray, groups: np.ndarray) -> list[float]:
    """What is gained on average, lowest and highest of 95 %, over draws of whole groups."""
    distinct, place = np.unique(groups, return_inverse=True)
    counts = np.bincount(place)
    sums = np.bincount(place, weights=after.astype(float) - before)
    drawn = np.random.default_rng(0).integers(0, len(distinct), (DRAWS, len(distinct)))
    gains = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return [round(float(v), 3) for v in np.quantile(gains, (0.025, 0.975))]


def grocery(data: Path) -> dict[str, Any]:
    store = Grocery(data)
    plain, asked = squeezenet(data), np.flatnonzero(~store.train)
    start = perf_counter()
    taught = projected(plain, store.shop, photos=store.pairs(np.flatnonzero(store.train)))
    seconds = round(perf_counter() - start)
    before, after = store.ranks(plain, asked), store.ranks(taught, asked)
    return {"photos": len(asked), "before": recalls(before), "after": recalls(after), "seconds": seconds}


def new(data: Path) -> dict[str, Any]:
    store = Grocery(data)
    left_out = np.random.default_rng(0).permutation(len(store.names))[: len(store.names) // 4]
    barred = np.isin(store.of, left_out)
    plain, asked = squeezenet(data), np.flatnonzero(barred)
    taught = projected(plain, store.shop, photos=store.pairs(np.flatnonzero(store.train & ~barred)))
    before, after = store.ranks(plain, asked), store.ranks(taught, asked)
    gains = {f"gain@{k}, 95 %": gain_interval(before < k, after < k, store.of[asked]) for k in (1, 5)}
    return {"products": len(left_out), "photos": len(asked), "before": recalls(before), "after": recalls(after)} | gains


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {"grocery": grocery, "new": new}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    options = parser.parse_args()
    if "MMRECO_DATA" not in os.environ:
        sys.exit("skipped: MMRECO_DATA is not set")
    found: dict[str, Any] = {}
    for name in options.only.split(","):
        found[name] = PARTS[name](Path(os.environ["MMRECO_DATA"]))
        print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
