"""What pictures add to words, with 95 % intervals: films, fashion, groceries.

    MMRECO_DATA=../shared/data python benchmarks/pictures_and_words.py [--only films,fashion,grocery] [--out FOLDER]

- films: MovieLens-1M, a tenth of the films without events, as `quality/reach.py cold` has it. By the content nearest to
  a history, and by `SharedSpace` (`--epochs` of them, the same for both): titles and genres alone, or with the posters.
  Recall@20 of the new film among the new ones and, by the space, among all, and NDCG@10 of known films.
- fashion: `fashion2k/`. Which other product is nearest: of the same article type, of the same colour? By the title's
  words (MiniLM and the shop's own, as `search` averages them), by the picture (SqueezeNet; CLIP's vectors beside it),
  and by both, as `search(text=, image=)` adds them up. With whole titles, with titles of which all words that name a
  type or a colour are taken out, and with what stands before "Men", "Women" and the like: the maker. Titles that do not
  name the fact asked for are counted apart.
- grocery: validation photos, taken with a phone, ask for their product among 81, each with a studio picture, a name and
  a description. The shopper types the kind of product ("Apple"), sends the photo, or both. Alike: among the products of
  that kind only, of photos whose kind has several.

Nothing is tuned. Differences are paired: by user, product or, for photos, by the product they show, drawn again. What
encoders made is kept under `--work`. The last line is one JSON object.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "quality"))
import reach
from photos import NETWORK, WEIGHTS, Grocery, gain_interval, read
from protocol import Given, films, line

from mmreco import (
    ImageEncoder,
    LexicalEncoder,
    SharedSpace,
    TextEncoder,
    Training,
    embed,
    evaluate,
    leave_last_out,
)
from mmreco.data.ids import IdMap
from mmreco.encoders.queries import encode_document, encode_query, vocabulary_coverage
from mmreco.evaluation.significance import bootstrap
from mmreco.splitting import cold_items

WEARERS = {"men", "mens", "women", "womens", "boys", "girls", "kids", "unisex", "men's", "women's", "boy's", "girl's"}
Figures = dict[str, dict[str, list[float]]]


def interval(values: np.ndarray, groups: np.ndarray | None = None) -> list[float]:
    """The mean of `values`, shape `(n,)`, and the ends of its interval; `groups` are drawn whole."""
    ends = bootstrap(values[None])[0] if groups is None else gain_interval(np.zeros(len(values)), values, groups)
    return [round(float(v), 4) for v in (np.nanmean(values), *ends)]


def side_by_side(ways: dict[str, np.ndarray], first: str, groups: np.ndarray | None = None) -> Figures:
    """The mean of each way, and how far it is above the way named `first`."""
    means = {way: interval(values, groups) for way, values in ways.items()}
    above = {way: interval(values - ways[first], groups) for way, values in ways.items() if way != first}
    return {"mean": means, f"above {first}": above}


def space(given: Given, seed: int, epochs: int) -> dict[str, np.ndarray]:
    """A figure a user, by question, of the space trained on what `given` knows of the films."""
    split = cold_items(given.dataset, share=0.1, seed=seed)
    last = leave_last_out(split.train)
    training = Training(seed=seed, epochs=epochs, patience=None)
    model = SharedSpace(max_length=given.max_length, training=training).fit(last.train)
    among, everywhere = evaluate(model, split, 20), evaluate(model, replace(split, candidates=None), 20)
    known = evaluate(model, last, 10, candidates=~split.candidates)
    return {
        "new films among themselves, recall@20": among.per_user["recall@20"],
        "new films among all, recall@20": everywhere.per_user["recall@20"],
        "known films, ndcg@10": known.per_user["ndcg@10"],
    }


def of_films(data: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """New and known films, with and without posters."""
    given = films(data, work=asked.work)
    split = cold_items(given.dataset, share=0.1, seed=asked.seed)
    content = reach.nearest(given, split.test, split.candidates)
    near = {"words": content["text"], "posters": content["image"], "both": content[reach.TOGETHER]}
    found: dict[str, Any] = {"users": len(split.test), "nearest content, recall@20": side_by_side(near, "words")}
    print(json.dumps(found), file=sys.stderr, flush=True)
    if asked.epochs:
        words = space(given.without("image", content=["image"]), asked.seed, asked.epochs)
        both = space(given, asked.seed, asked.epochs)
        found["epochs"] = asked.epochs
        for what, values in words.items():
            ways = {"words": values, "words and posters": both[what]}
            found[f"SharedSpace, {what}"] = side_by_side(ways, "words")
    return found


def standardised(cosines: np.ndarray) -> np.ndarray:
    """Cosines of each query, in deviations above those it has with all items."""
    return (cosines - cosines.mean(axis=1, keepdims=True)) / np.maximum(cosines.std(axis=1, keepdims=True), 1e-4)


def of_words(queries: list[str], texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of queries and texts, and the same standardised, shape `(n, m)`: of each encoder as far as it knows."""
    encoders = (LexicalEncoder().fit([text for text in texts if text]), TextEncoder("offline"))
    known = np.stack([vocabulary_coverage(encoder, queries) for encoder in encoders])  # (2, n)
    shares = (known / np.maximum(known.sum(axis=0), 1e-9))[:, :, None]  # of what no encoder knows nothing is said
    cosines = [encode_query(encoder, queries) @ encode_document(encoder, texts).T for encoder in encoders]
    plain, raised = (
        sum(share * of for share, of in zip(shares, each, strict=True))
        for each in (cosines, [standardised(of) for of in cosines])
    )
    return np.asarray(plain), np.asarray(raised)


def words_in(text: str) -> set[str]:
    """The words of a text, without the plural's s."""
    return {word.rstrip("s") for word in re.findall(r"[a-z']+", text.lower())}


def maker(title: str) -> str:
    """What stands before "Men", "Women" and the like; the first word where none does."""
    words = title.split()
    at = [place for place, word in enumerate(words) if word.lower() in WEARERS]
    return " ".join(words[: at[0]] if at and at[0] else words[:1])


def of_fashion(data: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """The nearest other product by title, by picture and by both."""
    rows = read(data / "fashion2k" / "styles.csv")
    items = IdMap.of([row["id"] for row in rows])
    titles = [row["productDisplayName"] for row in rows]
    facts = {
        "type": np.array([row["articleType"] for row in rows]),
        "colour": np.array([row["baseColour"] for row in rows]),
    }
    looks = ImageEncoder(NETWORK, weights=data / WEIGHTS)
    pictures = [str(data / "fashion2k" / "images" / f"{row['id']}.jpg") for row in rows]
    seen = embed(looks, items, pictures, store=asked.work / "fashion2k" / "image", shard_size=256).embeddings.vectors
    held = np.load(data / "fashion2k" / "clip_vitb32.npz")
    place = {str(one): at for at, one in enumerate(held["ids"])}
    clip = next(held[name] for name in held.files if name != "ids")[[place[row["id"]] for row in rows]]
    told = set().union(*(words_in(value) for fact in facts.values() for value in fact))
    readings = {
        "whole titles": titles,
        "no words of types and colours": [
            " ".join(word for word in title.split() if not words_in(word) & told) for title in titles
        ],
        "maker alone": [maker(title) for title in titles],
    }
    found: dict[str, Any] = {"products": len(rows)}
    silent = {
        what: np.array([not words_in(value) & words_in(title) for value, title in zip(fact, titles, strict=True)])
        for what, fact in facts.items()
    }
    found["share whose title does not name it"] = {what: round(float(of.mean()), 4) for what, of in silent.items()}
    for name, texts in readings.items():
        words, raised = of_words(texts, texts)
        found[f"{name}, products without a word"] = sum(not text for text in texts)
        ways = {"words": words, "picture": alike(seen), "picture by CLIP": alike(clip)}
        ways |= {f"words and {way}": raised + standardised(ways[way]) for way in ("picture", "picture by CLIP")}
        for what, fact in facts.items():
            hits = {way: (fact[nearest(scores)] == fact).astype(np.float64) for way, scores in ways.items()}
            found[f"{name}, {what}"] = side_by_side(hits, "words")
            if name == "whole titles":
                few = {way: of[silent[what]] for way, of in hits.items()}
                found[f"{name} that do not name it, {what}"] = side_by_side(few, "words")
    return found


def alike(vectors: np.ndarray) -> np.ndarray:
    """The cosine of each with each."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors @ vectors.T / (lengths * lengths.T))


def nearest(scores: np.ndarray) -> np.ndarray:
    """The best other row of each."""
    scores = scores.copy()
    np.fill_diagonal(scores, -np.inf)
    return scores.argmax(axis=1)


def of_grocery(data: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Photos ask for their product, with and without the kind of product typed beside."""
    store = Grocery(data)
    classes = read(data / "grocery" / "classes.csv")
    kinds = np.array([row["Coarse Class Name (str)"] for row in classes])
    described = {row["name"]: row["description"] for row in read(data / "grocery" / "products.csv")}
    texts = [f"{name.replace('-', ' ')}. {described[name]}" for name in store.names]
    looks, rows = ImageEncoder(NETWORK, weights=data / WEIGHTS), np.flatnonzero(~store.train)
    work, of = asked.work / "grocery", store.of[rows]
    studio = embed(looks, store.shop.items, store.shop.images(), store=work / "studio").embeddings.vectors
    paths = [store.paths[row] for row in rows]
    photos = embed(looks, IdMap.of([Path(p).name for p in paths]), paths, store=work / "photos").embeddings.vectors
    words, raised = of_words([kind.replace("-", " ") for kind in kinds[of]], texts)
    ways = {"words": words, "picture": photos @ studio.T}
    ways["words and picture"] = raised + standardised(ways["picture"])
    found: dict[str, Any] = {"photos": len(rows), "products": len(texts), "kinds": len(set(kinds))}
    for k in (1, 5):
        found[f"recall@{k}"] = of_photos({way: found_in(scores, of, k) for way, scores in ways.items()}, of)
    same = kinds[of][:, None] == kinds  # (n, 81)
    several = same.sum(axis=1) > 1
    closed = {way: np.where(same, scores, -np.inf)[several] for way, scores in ways.items()}
    hits = {way: found_in(scores, of[several], 1) for way, scores in closed.items()}
    hits["chance"] = (1 / same.sum(axis=1))[several]
    found["alike, recall@1"] = {"photos": int(several.sum())} | of_photos(hits, of[several])
    return found


def of_photos(hits: dict[str, np.ndarray], products: np.ndarray) -> Figures:
    """Side by side, the products drawn again, and how far both together are above the picture."""
    beyond = interval(hits["words and picture"] - hits["picture"], products)
    return side_by_side(hits, "words", products) | {"above picture": {"words and picture": beyond}}


def found_in(scores: np.ndarray, wanted: np.ndarray, k: int) -> np.ndarray:
    """How likely `wanted[q]` is among the best `k` of line `q`, ties in any order."""
    right = np.take_along_axis(scores, wanted[:, None], axis=1)
    before, tied = (scores > right).sum(axis=1), (scores == right).sum(axis=1)
    return np.clip((k - before) / tied, 0.0, 1.0)


QUESTIONS: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "grocery": of_grocery,
    "fashion": of_fashion,
    "films": of_films,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(QUESTIONS), help=f"of {', '.join(QUESTIONS)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--epochs", type=int, default=6, help="of the spaces of films; 0 asks the nearest content alone"
    )
    parser.add_argument("--work", type=Path, default=Path("build/quality"), help="where encoded content is kept")
    parser.add_argument("--out", type=Path, help="a folder for the JSON objects too, one a question")
    asked = parser.parse_args(arguments)
    if "MMRECO_DATA" not in os.environ:
        sys.exit("skipped: MMRECO_DATA is not set")
    data, found = Path(os.environ["MMRECO_DATA"]), {}
    for question in asked.only.split(","):
        start = perf_counter()
        answer = QUESTIONS[question](data, asked)
        about = {"of": question, "seed": asked.seed}
        found[question] = line(**about, **answer, seconds=round(perf_counter() - start, 1))
        print(json.dumps(found[question]), file=sys.stderr, flush=True)
        if asked.out is not None:
            asked.out.mkdir(parents=True, exist_ok=True)
            path = asked.out / f"pictures-{question}-{asked.seed}.json"
            path.write_text(json.dumps(found[question]) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
