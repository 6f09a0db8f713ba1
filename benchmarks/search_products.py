"""Judged product search: words, meanings, both, both read again; the weights learnt on folds by query.

    MMRECO_DATA=../shared/data python benchmarks/search_products.py [--encoder offline] [--reader FOLDER]

Reads `product_search/`. *Pool* ranks the judged products of a query, *catalogue* all of them, unjudged ones counting 0.
NDCG@10, gains 2^(r-1)-1. Learnt weights are fitted on four fifths of the queries and asked of the rest, the mean of
three such divisions. Intervals: paired bootstrap over queries. Last line: one JSON.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from mmreco.arrays import F32, I64
from mmreco.data.catalogue import Catalogue
from mmreco.data.ids import IdMap
from mmreco.embedding.embed import embed
from mmreco.encoders.text.cross_encoder import CrossEncoder
from mmreco.encoders.text.encoder import TextEncoder
from mmreco.evaluation.significance import bootstrap
from mmreco.index.vector import VectorIndex
from mmreco.retrieval.content_index import ContentIndex
from mmreco.retrieval.fusion import Candidates, Fusion, reciprocal_ranks
from mmreco.retrieval.hybrid import HybridSearch
from mmreco.retrieval.lexical import LexicalIndex

FOLDS = 5
DIVISIONS = 3


class Judgements:
    """What people said of (query, product): relevance 1 to 4 by query, and NDCG@10 of rows against it."""

    def __init__(self, data: Path, items: IdMap) -> None:
        table = pq.read_table(data / "product_search" / "judgements.parquet")
        self.queries = list(dict.fromkeys(table["query"].to_pylist()))
        number = {query: at for at, query in enumerate(self.queries)}
        self.of: list[dict[int, float]] = [{} for _ in self.queries]
        rows = items.rows(table["item_id"]).tolist()
        for query, row, said in zip(table["query"].to_pylist(), rows, table["relevance"].to_pylist(), strict=True):
            self.of[number[query]][row] = float(said)
        most = max(map(len, self.of))
        self.rows = np.full((len(self.queries), most), -1, dtype=np.int64)
        self.relevance = np.full((len(self.queries), most), np.nan, dtype=np.float32)
        for at, said in enumerate(self.of):
            self.rows[at, : len(said)] = list(said)
            self.relevance[at, : len(said)] = list(said.values())

    def gains(self, relevance: F32) -> F32:
        return np.asarray(2.0 ** (relevance - 1) - 1, dtype=np.float32)

    def ndcg(self, rows: I64) -> np.ndarray:
        discounts = 1 / np.log2(np.arange(2, 12))
        out = np.full(len(self.queries), np.nan)
        for at, (line, said) in enumerate(zip(rows, self.of, strict=True)):
            gains = [2.0 ** (said[row] - 1) - 1 if row in said else 0.0 for row in line[:10].tolist()]
            ideal = np.sort([2.0 ** (r - 1) - 1 for r in said.values()])[::-1][:10]
            best = (ideal * discounts[: len(ideal)]).sum()
            if best > 0:
                out[at] = (np.array(gains) * discounts[: len(gains)]).sum() / best
        return out


def folds(n: int, division: int) -> I64:
    return np.random.default_rng(division).permutation(n) % FOLDS


def learnt(search: HybridSearch, judged: Candidates, gains: F32, asked: Candidates, division: int) -> I64:
    """Rows answered to each query by weights learnt from the other folds' queries."""
    out = np.full((len(asked.rows), 10), -1, dtype=np.int64)
    number = folds(len(asked.rows), division)
    for fold in range(FOLDS):
        teach, ask = number != fold, number == fold
        fusion = search.fusion.fit(_take(judged, teach), gains[teach])
        out[ask] = fusion.rank(_take(asked, ask), 10).rows
    return out


def _take(candidates: Candidates, lines: np.ndarray) -> Candidates:
    return Candidates(candidates.rows[lines], candidates.features[lines], candidates.names)


def _without(candidates: Candidates, *names: str) -> Candidates:
    kept = [at for at, name in enumerate(candidates.names) if name.rstrip("0123456789") not in names]
    return Candidates(candidates.rows, candidates.features[:, :, kept], tuple(candidates.names[at] for at in kept))


def _first(search: HybridSearch, found: Candidates, n: int) -> Candidates:
    """The first `n` candidates alone."""
    first = search.fusion.rank(found, n).rows
    chosen = (found.rows[:, :, None] == first[:, None, :]).any(axis=2) & (found.rows >= 0)
    return Candidates(np.where(chosen, found.rows, -1), found.features, found.names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", action="append", default=[], help="'offline', a folder or a hub name; repeatable")
    parser.add_argument("--reader", help="a cross-encoder's folder or hub name")
    options = parser.parse_args()
    if "MMRECO_DATA" not in os.environ:
        sys.exit("skipped: MMRECO_DATA is not set")
    data = Path(os.environ["MMRECO_DATA"])
    shop = Catalogue.read(data / "product_search" / "items.parquet")
    judgements = Judgements(data, shop.items)
    queries, gains = judgements.queries, judgements.gains(judgements.relevance)
    lexical = LexicalIndex.build(shop)
    meanings: list[ContentIndex] = []
    for name in options.encoder or ["offline"]:
        encoder = TextEncoder(name, device="cpu", max_length=96, backend="int8")
        for texts in (shop.texts(("title",)), shop.texts()):
            vectors = embed(encoder, shop.items, texts).embeddings
            meanings.append(ContentIndex("text", encoder, shop.items, VectorIndex(vectors)))
    search = HybridSearch(shop, lexical, tuple(meanings))
    pool = search.describe(queries, judgements.rows)
    found = search.describe(queries, search.retrieve(queries, 100).rows)
    lines: dict[str, np.ndarray] = {}

    def note(name: str, values: np.ndarray) -> None:
        lines[name] = values
        print(f"{name:34s} {np.nanmean(values):.4f}", flush=True)

    only_words = ("meaning", "feedback", "reader", "letters")
    only_meanings = ("exact", "all_words", "words", "letters", "reader")
    for place, judged in (("pool", pool), ("catalogue", found)):
        note(f"{place} words", judgements.ndcg(Fusion().rank(_without(judged, *only_words), 10).rows))
        note(f"{place} meanings", judgements.ndcg(Fusion().rank(_without(judged, *only_meanings), 10).rows))
        note(f"{place} both", judgements.ndcg(Fusion().rank(judged, 10).rows))
        got = [judgements.ndcg(learnt(search, pool, gains, judged, d)) for d in range(DIVISIONS)]
        note(f"{place} both, learnt", np.mean(got, axis=0))
    sides = [lexical.search(queries, 100), *(meaning.search(meaning.encode(queries), 100) for meaning in meanings)]
    note("catalogue reciprocal ranks", judgements.ndcg(reciprocal_ranks(sides, 10).rows))
    if options.reader:
        reading = replace(search, reader=CrossEncoder(options.reader, device="cpu", backend="int8"))
        start = time.process_time()
        first = reading.read(queries, _first(search, found, 30))
        print(f"reader: {1e3 * (time.process_time() - start) / len(queries):.0f} ms of processor time a query")
        pool = reading.read(queries, pool)
        for place, judged in (("pool", pool), ("catalogue", first)):
            note(f"{place} both, read", judgements.ndcg(Fusion().rank(judged, 10).rows))
            got = [judgements.ndcg(learnt(reading, pool, gains, judged, d)) for d in range(DIVISIONS)]
            note(f"{place} both, read, learnt", np.mean(got, axis=0))
    result: dict[str, Any] = {name: round(float(np.nanmean(values)), 4) for name, values in lines.items()}
    for place in ("pool", "catalogue"):
        for part in ("words", "meanings"):
            for both in ("both", "both, learnt"):
                interval = bootstrap((lines[f"{place} {both}"] - lines[f"{place} {part}"])[None])[0]
                result[f"{place} {both} - {part}"] = [round(float(end), 4) for end in interval]
    print(json.dumps({"search_products": result}))


if __name__ == "__main__":
    main()
