"""Photos to products: taught by the shop's own pairs, by what is written, and with a detector that finds the product.

    MMRECO_DATA=../shared/data python benchmarks/photos.py [--only grocery,new,words,drawn,types,detector]

- grocery: `grocery/`, phone photos of 81 products and one studio picture of each. Is the photo's product the first, or
  among the first five, of all 81 by the cosine? SqueezeNet as it is, and with a layer learnt from the training photos
  (`projected`); asked on the validation photos.
- new: the same, but every fourth product (seed 0) has no photo to learn from; asked with all photos of these, against
  all 81. Intervals by bootstrap over products, 95 %.
- words, drawn: `fashion2k/`, and a synthetic shop, of 30 % of whose items (seed 0) nothing is written. Queries are a
  colour with a kind of product; fashion2k is also asked for each title that was taken away. Among the items without
  words: how many of the first ten are of that colour and kind; is the item among the first ten? By
  `WordedImageEncoder`, by chance, and without any tuning: through the picture of the item whose title suits the query
  best.
- types: `fashion2k/`, tuned by the titles, or by the article types, of 70 % (seed 0). Photos of the others ask all
  photos but themselves: is the nearest of the same article type? SqueezeNet as it is, the layer's vectors, and both
  side by side.
- detector: `Detector.fit` on 70 % of the pictures of a synthetic shop and of `fashion2k/`, asked on scenes of 256
  pixels made of the others: how many products have a box that overlaps by half or more among as many boxes as there
  are products (recall); how often the best box is of a product (first).

The last line of standard output is one JSON object.
"""

import argparse
import csv
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pyarrow as pa

from mmreco import Catalogue, Detector, Embeddings, ImageEncoder, LexicalEncoder, TextEncoder
from mmreco.data.boxes import overlap
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.datasets.synthetic.facts import CATEGORIES, COLOURS
from mmreco.datasets.synthetic.pictures import draw, photograph
from mmreco.detection.foreground import cut_out
from mmreco.detection.scenes import Scenes
from mmreco.encoders.image.decoding import open_picture
from mmreco.encoders.image.projection import projected
from mmreco.encoders.image.worded import WordedImageEncoder

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


def layered(taught: ImageEncoder, base: np.ndarray) -> np.ndarray:
    """What the encoder makes of pictures whose vectors by the network below its layer are known."""
    layer = taught.copied().module.linear
    out = base @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()  # type: ignore[union-attr]
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def precision(scores: np.ndarray, right: np.ndarray, k: int = 10) -> float:
    """The share of the best `k` of each line that are right, of as many as can be; lines without any are left out."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(right, best, axis=1).sum(axis=1)
    able = np.minimum(right.sum(axis=1), k)
    return round(float((hits[able > 0] / able[able > 0]).mean()), 3)


def by_words(
    plain: ImageEncoder, text: Any, shop: Catalogue, silent: np.ndarray, queries: list[str], right: np.ndarray
) -> dict[str, float]:
    """How well queries find items without words, `right[q, i]` of those."""
    worded = WordedImageEncoder.fit(plain, text, shop)
    paths = shop.images()
    seen = np.array([path is not None for path in paths])
    base = np.zeros((len(paths), plain.dim), dtype=np.float32)
    base[seen] = plain.encode([path for path in paths if path is not None])
    asked = worded.encode_words(queries)
    known = np.flatnonzero(~silent & seen)
    titles = text.encode([shop.texts()[row] or "" for row in known])
    nearest = known[(asked @ titles.T).argmax(axis=1)]
    return {
        "chance": precision(np.random.default_rng(0).random(right.shape), right),
        "untuned": precision(base[nearest] @ base[silent].T, right),
        "tuned": precision(asked @ layered(worded.image, base[silent]).T, right),
    }


def words(data: Path) -> dict[str, Any]:
    plain, found = squeezenet(data), {}
    rows = read(data / "fashion2k" / "styles.csv")
    silent = np.random.default_rng(0).permutation(len(rows)) < 3 * len(rows) // 10
    titles = np.array([row["productDisplayName"] for row in rows])
    kinds = np.array([f"{row['baseColour']} {row['articleType']}" for row in rows])
    shop = Catalogue.from_frame(
        pa.table(
            {
                "item_id": [row["id"] for row in rows],
                "title": [None if mute else title for title, mute in zip(titles, silent, strict=True)],
                "image": [str(data / "fashion2k" / "images" / f"{row['id']}.jpg") for row in rows],
            }
        )
    )
    queries = sorted(set(kinds[silent]))
    right = np.array([kinds[silent] == query for query in queries])
    itself = np.eye(int(silent.sum()), dtype=bool)
    for name, text in (
        ("own words", LexicalEncoder(dim=128).fit(list(titles[~silent]))),
        ("MiniLM", TextEncoder("offline")),
    ):
        found[f"fashion2k, colour and kind, {name}"] = by_words(plain, text, shop, silent, queries, right)
        found[f"fashion2k, own title, {name}"] = by_words(plain, text, shop, silent, list(titles[silent]), itself)
    return found


def drawn(data: Path) -> dict[str, Any]:
    plain, found = squeezenet(data), {}
    planted = synthetic_shop(600, 100)
    with tempfile.TemporaryDirectory() as folder:
        pictured = draw(planted, folder)
        facts = planted.truth.facts
        mute = (np.random.default_rng(0).permutation(600) < 180) & planted.truth.pictured
        texts = pa.array([None if m else t for m, t in zip(mute, pictured.texts(), strict=True)], pa.string())
        table = {"item_id": pictured.items.array, "title": texts, "image": pictured.table["image"]}
        own = Catalogue.from_frame(pa.table(table))
        pairs = sorted(set(zip(facts.category[mute].tolist(), facts.colour[mute].tolist(), strict=True)))
        right = np.array([(facts.category[mute] == c) & (facts.colour[mute] == h) for c, h in pairs])
        text = LexicalEncoder(dim=128).fit([title for title in own.texts() if title])
        for language in ("en", "zh"):
            asked = [f"{getattr(COLOURS[h], language)[0]} {getattr(CATEGORIES[c], language)[0]}" for c, h in pairs]
            found[f"synthetic shop, {language}"] = by_words(plain, text, own, mute, asked, right)
    return found


def types(data: Path) -> dict[str, Any]:
    plain = squeezenet(data)
    rows = read(data / "fashion2k" / "styles.csv")
    kinds = np.array([row["articleType"] for row in rows])
    table = {
        "item_id": [row["id"] for row in rows],
        "title": [row["productDisplayName"] for row in rows],
        "image": [str(data / "fashion2k" / "images" / f"{row['id']}.jpg") for row in rows],
    }
    shop = Catalogue.from_frame(pa.table(table))
    held = np.random.default_rng(0).permutation(len(rows)) < 3 * len(rows) // 10
    taught_on = shop.take(np.flatnonzero(~held))
    titles = [title or "" for title in taught_on.texts()]
    told = {
        "titles": LexicalEncoder(dim=128).fit(titles).encode(titles),
        "categories": (kinds[~held, None] == np.unique(kinds[~held])[None]).astype(np.float32),
    }
    base = plain.encode([path or "" for path in shop.images()])

    def alike(vectors: np.ndarray) -> float:
        scores = vectors[held] @ vectors.T
        scores[np.arange(len(scores)), np.flatnonzero(held)] = -np.inf
        return round(float((kinds[scores.argmax(axis=1)] == kinds[held]).mean()), 3)

    found: dict[str, Any] = {"photos": int(held.sum()), "before": alike(base)}
    for name, vectors in told.items():
        tuned = layered(projected(plain, taught_on, text=Embeddings(taught_on.items, vectors)), base)
        found |= {name: alike(tuned), f"{name}, both": alike(np.hstack([base, tuned]))}
    return found


def found_boxes(detector: Detector, pictures: list[Any], n: int = 300) -> dict[str, float]:
    scenes = Scenes([cut_out(open_picture(picture)) for picture in pictures], [], 256)
    rng = np.random.default_rng(99)
    right: list[bool] = []
    first: list[bool] = []
    for _ in range(n):
        scene = scenes.draw(rng)
        if len(scene.boxes):
            (found,) = detector.detect([scene.picture])
            common = overlap(scene.boxes, found.corners[: len(scene.boxes)])
            right += (common.max(axis=1, initial=0) >= 0.5).tolist()
            first.append(bool(common[:, :1].max(initial=0) >= 0.5))
    return {"products": len(right), "recall": round(float(np.mean(right)), 3), "first": round(float(np.mean(first)), 3)}


def detector(data: Path) -> dict[str, Any]:
    planted = synthetic_shop(400, 100).truth.facts
    rows = read(data / "fashion2k" / "styles.csv")
    sets: dict[str, list[Any]] = {
        "synthetic shop": [photograph(planted, row) for row in range(400)],
        "fashion2k": [data / "fashion2k" / "images" / f"{row['id']}.jpg" for row in rows],
    }
    found: dict[str, Any] = {}
    for name, pictures in sets.items():
        cut, start = len(pictures) * 7 // 10, process_time()
        taught = Detector.fit(pictures[:cut])
        found[name] = {
            "seconds of processor time": round(process_time() - start),
            **found_boxes(taught, pictures[cut:]),
        }
    return found


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "grocery": grocery,
    "new": new,
    "words": words,
    "drawn": drawn,
    "types": types,
    "detector": detector,
}


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
