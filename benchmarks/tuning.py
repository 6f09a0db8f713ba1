"""Encoders tuned on a shop's own data: does retrieval improve on items they were not tuned on?

    MMRECO_DATA=../shared/data python benchmarks/tuning.py [--quick] [--validate] [--only pictures,shop.texts]

- pictures: `fashion2k/`, 2,000 photos with titles, 1,400 to tune on and 600 held out (seed 0); SqueezeNet before and
  after tuning on the training items' titles, by `LexicalEncoder` fitted on these. Among the held-out photos: the share
  whose nearest is of the same article type (base colour), and how much of what is alike, ten at most, is among the
  ten nearest.
- texts: the same items; MiniLM before and after tuning on pairs of a title and its facts in words. Held out: is an
  item's title the first, or among the first ten, of all held-out titles for its facts?
- shop: planted shops, one a seed, 30 % of the items held out. MiniLM on reviews with titles and on titles bought one
  after the other; held out: is the title among the first ten of all held-out titles for each of the item's reviews?
  SqueezeNet on the drawn pictures and the titles; held out: how many of the ten nearest are of the same category and
  colour?

Tuned with three seeds; mean and standard deviation. `--validate` measures on a quarter of the training items, which
then are not trained on, and never looks at what is held out: so were the defaults chosen. Parts whose data or weights
are missing are named in the answer and skipped. The last line of standard output is one JSON object.
"""

import argparse
import csv
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco import Catalogue, Embeddings, ImageEncoder, LexicalEncoder, MissingExtraError, TextEncoder
from mmreco.data.interactions import Interactions
from mmreco.data.reviews import Reviews
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.datasets.synthetic.pictures import draw
from mmreco.encoders.image import tuning as image_tuning
from mmreco.encoders.text import tuning as text_tuning

NETWORK = "torchvision/squeezenet1_0"
FACTS = ("gender", "articleType", "baseColour", "season", "usage")
Figures = dict[str, float]


def halves(n: int, validate: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows to tune on, 70 %, and rows held out, by seed 0; to validate, both are of the first."""
    order = np.random.default_rng(0).permutation(n)
    tuning, held = np.split(order, [n * 7 // 10])
    return tuple(np.split(tuning, [len(tuning) * 3 // 4])) if validate else (tuning, held)  # type: ignore[return-value]


def told(runs: Sequence[Figures]) -> dict[str, list[float]]:
    """Mean and standard deviation of each figure."""
    return {
        name: [round(float(np.mean([run[name] for run in runs])), 4), round(float(np.std([r[name] for r in runs])), 4)]
        for name in runs[0]
    }


def least(runs: Sequence[Figures]) -> Figures:
    """The lowest of each figure."""
    return {name: round(min(run[name] for run in runs), 4) for name in runs[0]}


def compared(before: Sequence[Figures], tuned: Callable[[int], Figures], seeds: Sequence[int]) -> dict[str, Any]:
    """Figures before, after tuning with each seed, what each seed gained, and the seconds one tuning took."""
    start = perf_counter()
    after = [tuned(seed) for seed in seeds]
    seconds = round((perf_counter() - start) / len(seeds), 1)
    firsts = list(before) * (len(after) // len(before))
    gains = [{name: late[name] - early[name] for name in early} for early, late in zip(firsts, after, strict=True)]
    found = {"before": told(before), "after": told(after), "gain": told(gains), "least_gain": least(gains)}
    found |= {"seeds": list(seeds), "seconds_a_seed": seconds}
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def nearest(vectors: np.ndarray) -> np.ndarray:
    """The ten nearest others of each row, `(n, 10)`; ties to the lower row."""
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :10]


def alike(vectors: np.ndarray, kinds: dict[str, np.ndarray]) -> Figures:
    """Is the nearest of the same kind, and how much of the same kind, ten at most, is among the ten nearest?"""
    near, found = nearest(vectors), {}
    for name, kind in kinds.items():
        same = kind[near] == kind[:, None]  # (n, 10)
        others = np.minimum(10, (kind[:, None] == kind).sum(axis=1) - 1)
        found[f"{name}_nearest"] = float(same[:, 0].mean())
        found[f"{name}_recall@10"] = float((same.sum(axis=1)[others > 0] / others[others > 0]).mean())
    return found


def answers(encoder: TextEncoder, asked: Sequence[str], titles: Sequence[str], right: np.ndarray) -> Figures:
    """Is the right title first, and among ten? Titles of the same words count as one."""
    scores = encoder.encode(asked) @ encoder.encode(titles).T  # (n, titles)
    better = (scores > scores[np.arange(len(asked)), right][:, None]).sum(axis=1)
    return {"recall@1": float((better < 1).mean()), "recall@10": float((better < 10).mean())}


def lexical(catalogue: Catalogue) -> Embeddings:
    """What is written about each item, by an encoder that has read nothing else."""
    said = [text or "" for text in catalogue.texts(["title"])]
    return Embeddings(catalogue.items, LexicalEncoder().fit(said).encode(said))


def pictures(data: Path, rows: list[dict[str, str]], options: argparse.Namespace) -> dict[str, Any]:
    """SqueezeNet on real photos."""
    table = pa.table(
        {
            "item_id": [row["id"] for row in rows],
            "title": [row["productDisplayName"] for row in rows],
            "image": [str(data / "fashion2k/images" / f"{row['id']}.jpg") for row in rows],
        }
    )
    shop = Catalogue.from_frame(table)
    tuning, held = halves(len(rows), options.validate)
    kinds = {
        name: np.array([rows[at][column] for at in held]) for name, column in (("type", FACTS[1]), ("colour", FACTS[2]))
    }
    photos = [shop.images()[at] for at in held.tolist()]
    given = ImageEncoder(NETWORK, weights=weights_of(data), size=options.size)
    known = shop.take(tuning)
    text = lexical(known)

    def tuned(seed: int) -> Figures:
        return alike(image_tuning.tuned(given, known, text, seed=seed, **options.how).encode(photos), kinds)

    found = compared([alike(given.encode(photos), kinds)], tuned, options.seeds)
    larger = ImageEncoder(NETWORK, weights=weights_of(data))
    found["before_at_224"] = told([alike(larger.encode(photos), kinds)])
    return {"tuned_on": len(tuning), "held_out": len(held), **found}


def texts(rows: list[dict[str, str]], options: argparse.Namespace) -> dict[str, Any]:
    """MiniLM on titles and facts."""
    tuning, held = halves(len(rows), options.validate)
    facts = [" ".join(row[name] for name in FACTS) for row in rows]
    titles = [row["productDisplayName"] for row in rows]
    pairs = [(titles[at], facts[at]) for at in tuning]
    asked, listed = [facts[at] for at in held], [titles[at] for at in held]
    given = TextEncoder("offline")

    def tuned(seed: int) -> Figures:
        with tempfile.TemporaryDirectory() as folder:
            better = text_tuning.tuned(given, pairs, folder, seed=seed, **options.how)
            return answers(better, asked, listed, np.arange(len(held)))

    before = answers(given, asked, listed, np.arange(len(held)))
    return {"tuned_on": len(tuning), "held_out": len(held), **compared([before], tuned, options.seeds)}


class Planted:
    """One planted shop, its pictures drawn, parted into what is tuned on and what is held out."""

    def __init__(self, folder: str, seed: int, options: argparse.Namespace) -> None:
        n = 200 if options.quick else 600
        shop = synthetic_shop(n, n // 2 if options.quick else 2 * n, seed=seed)
        self.catalogue, self.shop = draw(shop, folder, seed=seed), shop
        self.tuning, self.held = halves(n, options.validate)
        self.known = self.catalogue.take(self.tuning)
        facts = shop.truth.facts
        seen = self.held[shop.truth.pictured[self.held]]
        self.photos = [self.catalogue.images()[at] for at in seen.tolist()]
        self.kinds = {"category_and_colour": (facts.category * 100 + facts.colour)[seen]}
        titles = self.catalogue.texts(["title"])
        self.titles = [titles[at] or "" for at in self.held.tolist()]
        places = {int(at): place for place, at in enumerate(self.held)}
        said = zip(shop.reviews.items_flat.tolist(), shop.reviews.texts, strict=True)
        asked = [(text, places[at]) for at, text in said if at in places and len(text) >= 20]
        self.asked, self.right = [text for text, _ in asked], np.array([place for _, place in asked])

    def pairs(self, options: argparse.Namespace, seed: int) -> list[tuple[str, str]]:
        """Of the items that are tuned on: reviews with titles, and titles bought one after the other."""
        reviews: Reviews = self.shop.reviews
        events: Interactions = self.shop.interactions
        said = text_tuning.said_of(self.known, reviews)
        most = 100 if options.quick else len(said) // 2
        return said + text_tuning.bought_together(self.known, events, most=most, seed=seed)


def shops(data: Path | None, options: argparse.Namespace) -> dict[str, Any]:
    """Text and pictures of planted shops, one a seed."""
    with tempfile.TemporaryDirectory() as top:
        planted = [Planted(f"{top}/{seed}", seed, options) for seed in options.seeds]
        found: dict[str, Any] = {"items": len(planted[0].catalogue), "held_out": len(planted[0].held)}
        model = TextEncoder("offline")

        def read(seed: int) -> Figures:
            shop = planted[options.seeds.index(seed)]
            with tempfile.TemporaryDirectory() as folder:
                better = text_tuning.tuned(model, shop.pairs(options, seed), folder, seed=seed, **options.how)
                return answers(better, shop.asked, shop.titles, shop.right)

        if "texts" in options.shop:
            before = [answers(model, shop.asked, shop.titles, shop.right) for shop in planted]
            found["review_to_title"] = {
                "pairs": len(planted[0].pairs(options, 0)),
                **compared(before, read, options.seeds),
            }
        if data is None:
            return {**found, "pictures": {"skipped": "no weights of SqueezeNet"}}
        given = ImageEncoder(NETWORK, weights=weights_of(data), size=options.size)

        def looked(seed: int) -> Figures:
            shop = planted[options.seeds.index(seed)]
            better = image_tuning.tuned(given, shop.known, lexical(shop.known), seed=seed, **options.how)
            return share(better, shop)

        def share(encoder: ImageEncoder, shop: Planted) -> Figures:
            vectors = encoder.encode(shop.photos)
            near, kind = nearest(vectors), shop.kinds["category_and_colour"]
            return {"precision@10": float((kind[near] == kind[:, None]).mean()), **alike(vectors, shop.kinds)}

        if "pictures" in options.shop:
            found["pictures"] = compared([share(given, shop) for shop in planted], looked, options.seeds)
    return found


def weights_of(data: Path) -> Path:
    return data / "weights/squeezenet1_0_imagenet_fp16.safetensors"


def main() -> int:
    """Run every part that the machine has what it needs for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed and few items, to see that it runs")
    parser.add_argument("--validate", action="store_true", help="measure on a part of the training items")
    parser.add_argument("--only", default="pictures,texts,shop.texts,shop.pictures")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=96, help="pixels the network sees; the photos have 60 x 80")
    parser.add_argument("--epochs", type=int, help="in place of the default")
    parser.add_argument("--rate", type=float, help="in place of the default")
    options = parser.parse_args()
    options.how = {name: getattr(options, name) for name in ("epochs", "rate") if getattr(options, name)}
    options.seeds = list(range(1 if options.quick else options.seeds))
    parts = options.only.split(",")
    options.shop = [part.removeprefix("shop.") for part in parts if part.startswith("shop.")]
    figures: dict[str, Any] = {"validate": options.validate, "size": options.size, **options.how}
    data = Path(os.environ.get("MMRECO_DATA") or "/nowhere")
    styles = data / "fashion2k/styles.csv"
    weighed = weights_of(data).is_file()
    rows: list[dict[str, str]] = []
    if styles.is_file():
        with styles.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))[: 200 if options.quick else None]
    missing = {"skipped": "MMRECO_DATA names no folder with fashion2k and the weights"}
    if "pictures" in parts:
        figures["pictures"] = pictures(data, rows, options) if rows and weighed else missing
    try:
        if "texts" in parts:
            figures["texts"] = texts(rows, options) if rows else missing
        if options.shop:
            figures["shop"] = shops(data if weighed else None, options)
    except MissingExtraError as error:
        figures["skipped"] = str(error)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
