"""Product photos, leave-one-out nearest neighbour: how often it is of the same article type.

    MMRECO_DATA=../shared/data python benchmarks/pictures_fashion.py [--sample 0] [--fit]

Reads `fashion2k/` (2,000 photos of 60 x 80) and `weights/squeezenet1_0_imagenet_fp16.safetensors`. Cosine, ties to the
lower row. References on the same photos: SqueezeNet with its last map averaged 0.670, pixels 0.594, random CNN 0.391.
With `--fit` a CNN is also trained on the photos themselves, with and without their titles.
"""

import argparse
import csv
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from mmreco.arrays import F32
from mmreco.data.catalogue import Catalogue
from mmreco.data.embeddings import Embeddings
from mmreco.embedding.embed import embed
from mmreco.encoders.image.encoder import ImageEncoder
from mmreco.encoders.text.lexical import LexicalEncoder

REFERENCE = 0.670


def nearest_alike(vectors: F32, kinds: np.ndarray) -> float:
    scores = vectors @ vectors.T  # (n, n)
    np.fill_diagonal(scores, -np.inf)
    return float((kinds[scores.argmax(axis=1)] == kinds).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=0, help="the first so many photos; 0 is all")
    parser.add_argument("--fit", action="store_true", help="also train on the photos")
    options = parser.parse_args()
    if "MMRECO_DATA" not in os.environ:
        sys.exit("skipped: MMRECO_DATA is not set")
    data = Path(os.environ["MMRECO_DATA"])
    with (data / "fashion2k" / "styles.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows = rows[: options.sample or len(rows)]
    kinds = np.array([row["articleType"] for row in rows])
    table = pa.table(
        {
            "item_id": [row["id"] for row in rows],
            "title": [row["productDisplayName"] for row in rows],
            "image": [str(data / "fashion2k" / "images" / f"{row['id']}.jpg") for row in rows],
        }
    )
    shop = Catalogue.from_frame(table)
    found: dict[str, float] = {}
    seconds: dict[str, float] = {}

    def measure(name: str, encoder: ImageEncoder) -> None:
        start = time.perf_counter()
        vectors = embed(encoder, shop.items, shop.images()).embeddings.vectors
        seconds[f"{name}, encode"] = round(time.perf_counter() - start, 1)
        found[name] = nearest_alike(vectors, kinds)
        print(f"{name}: {found[name]:.3f}", flush=True)

    weights = data / "weights" / "squeezenet1_0_imagenet_fp16.safetensors"
    measure("squeezenet", ImageEncoder("torchvision/squeezenet1_0", weights=weights))
    if not options.sample and found["squeezenet"] < REFERENCE - 0.01:
        sys.exit(f"squeezenet finds {found['squeezenet']:.3f}; expected {REFERENCE} within 0.01")
    if options.fit:
        titles = [title or "" for title in shop.texts()]
        text = Embeddings(shop.items, LexicalEncoder(dim=128).fit(titles).encode(titles))
        measure("random", ImageEncoder("mmreco/picturecnn-128-16", weights="random"))
        for name, given in (("fit", None), ("fit with titles", text)):
            start = time.perf_counter()
            encoder = ImageEncoder.fit(shop, text=given)
            seconds[name] = round(time.perf_counter() - start, 1)
            measure(name, encoder)
    print(json.dumps({"photos": len(rows), "same_type": found, "reference": REFERENCE, "seconds": seconds}))


if __name__ == "__main__":
    main()
