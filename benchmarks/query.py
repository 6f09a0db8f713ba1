"""What a text query costs beside the encoder that reads it and the index it asks, and how much memory it takes.

Titles of made-up words over vectors of 384 numbers. Two encoders read the queries: one that adds up a drawn vector a
word, and a transformer of MiniLM's size (6 layers, 384 wide, drawn weights). Both place the items by drawn vectors, as
a million titles through a transformer would take hours and change nothing of what a query costs. Each query is timed
three times in turn, in processor time: the encoder alone, the index alone, and `Recommender.search`, by meaning and as
it is by default (words and meanings).

Run `OMP_NUM_THREADS=1 python benchmarks/query.py [--items 1000000]`. The last line is one JSON.
"""

import argparse
import json
import resource
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch

from mmreco.arrays import F32
from mmreco.data.catalogue import Catalogue
from mmreco.data.dataset import Dataset
from mmreco.data.ids import IdMap
from mmreco.data.interactions import Interactions
from mmreco.models import Popular
from mmreco.recommender import Recommender

DIM, WORDS = 384, 50_000
PER_TITLE, PER_QUERY = 8, 3


def words() -> np.ndarray:
    """Made-up words, pronounceable, none twice."""
    rng = np.random.default_rng(0)
    syllables = np.array([a + b for a in "bdfgklmnprstvz" for b in "aeiou"])
    drawn = syllables[rng.integers(len(syllables), size=(2 * WORDS, 4))]
    return np.array(list(dict.fromkeys("".join(row) for row in drawn))[:WORDS])


class Words:
    """A drawn vector a word, added up; the items' are drawn at large."""

    dim, fingerprint = DIM, "drawn"

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def encode(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        """As documents."""
        return self.encode_document(contents)

    def encode_document(self, contents: Sequence[str], *, batch_size: int = 64) -> F32:
        """A drawn vector an item."""
        vectors = self.rng.standard_normal((len(contents), DIM), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def encode_query(self, queries: Sequence[str], *, batch_size: int = 64) -> F32:
        """The sum of its words."""
        sums = [sum(_drawn(word) for word in query.split()) for query in queries]
        vectors = np.asarray(sums, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Transformer(Words):
    """Six layers of 384 with drawn weights over 30,522 word pieces, the mean of all states."""

    fingerprint = "transformer"

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        layer = torch.nn.TransformerEncoderLayer(DIM, 12, 1_536, batch_first=True, activation="gelu")
        self.pieces = torch.nn.Embedding(30_522, DIM)
        self.layers = torch.nn.TransformerEncoder(layer, 6, enable_nested_tensor=False).eval()

    def encode_query(self, queries: Sequence[str], *, batch_size: int = 64) -> F32:
        """The mean of the states of its pieces."""
        with torch.inference_mode():
            numbers = [[hash(word[at : at + 4]) % 30_522 for word in q.split() for at in (0, 4)] for q in queries]
            states = [self.layers(self.pieces(torch.tensor([own]))).mean(dim=1) for own in numbers]
            vectors = torch.nn.functional.normalize(torch.cat(states), dim=1)
        return np.asarray(vectors.numpy(), dtype=np.float32)


def _drawn(word: str) -> F32:
    return np.random.default_rng(np.frombuffer(word.encode(), dtype=np.uint8)).standard_normal(DIM).astype(np.float32)


def milliseconds(act: Callable[[], Any]) -> float:
    """The processor time of a call, which other work on the machine changes least."""
    begun = time.process_time()
    act()
    return 1_000 * (time.process_time() - begun)


def measured(recommender: Recommender, encoder: Words, queries: Sequence[str]) -> dict[str, float]:
    """Medians over the queries, in milliseconds, and what one more costs than encoder and index do."""
    index = recommender._state.content["text"].index
    taken: dict[str, list[float]] = {name: [] for name in ("encoder", "index", "meaning", "both", "words")}
    matches: tuple[Literal["meaning", "both", "words"], ...] = ("meaning", "both", "words")
    for query in queries:
        vector = encoder.encode_query([query])
        taken["encoder"].append(milliseconds(lambda: encoder.encode_query([query])))  # noqa: B023  # called at once
        taken["index"].append(milliseconds(lambda: index.search(vector, 10)))  # noqa: B023
        for match in matches:
            taken[match].append(milliseconds(lambda: recommender.search(text=[query], k=10, match=match)))  # noqa: B023
    medians = {f"{name}_ms": round(float(np.median(values)), 3) for name, values in taken.items()}
    sums = np.add(taken["encoder"], taken["index"])
    ratios = {f"{match}_ratio": round(float(np.median(taken[match] / sums)), 3) for match in ("meaning", "both")}
    return medians | ratios


def peak_bytes(recommender: Recommender, query: str) -> int:
    """What one query holds at its most."""
    tracemalloc.start()
    recommender.search(text=[query], k=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--quality", default="exact")
    given = parser.parse_args()
    rng, vocabulary = np.random.default_rng(1), words()
    share = 1 / np.arange(1, WORDS + 1) ** 0.8
    titles = vocabulary[rng.choice(WORDS, size=(given.items, PER_TITLE), p=share / share.sum())]
    items = IdMap(pa.array([f"sku-{row}" for row in range(given.items)], pa.large_string()))
    table = pa.table({"title": pa.array([" ".join(row) for row in titles], pa.large_string())})
    queries = [
        " ".join(rng.permutation(titles[row])[:PER_QUERY]) for row in rng.integers(given.items, size=given.queries)
    ]
    log = Interactions.from_histories([["sku-1"]], items=items)
    shop = Dataset(Catalogue(items, table), log)
    figures: dict[str, Any] = {"items": given.items, "quality": given.quality, "threads": torch.get_num_threads()}
    begun = time.perf_counter()
    encoder: Words = Words()
    recommender = Recommender.fit(shop, model=Popular(), text=[encoder], image=[], quality=given.quality)
    figures["fit_s"] = round(time.perf_counter() - begun, 1)
    for name, own in (("words", encoder), ("transformer", Transformer())):
        content = recommender._state.content["text"]
        content.__dict__["encoder"] = own  # the same items, read by another
        recommender.search(text=queries[:1], k=10)  # what is made once
        figures[name] = measured(recommender, own, queries)
    figures["peak_mb_of_a_query"] = round(peak_bytes(recommender, queries[0]) / 1e6, 2)
    figures["resident_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
