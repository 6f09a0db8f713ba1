"""Words: exact titles and three words of a title stand first; folded Chinese; typing errors; speed.

    MMRECO_DATA=../shared/data python benchmarks/search_words.py [--items 1000000]

Reads `online_retail/` (the commonest description of each product) and `fashion2k/`; the synthetic catalogue otherwise.
Speed is processor time of one query at a time, over `--items` made-up titles whose words are as frequent as in a
real catalogue (a Zipf law). Last line: one JSON.
"""

import argparse
import csv
import json
import os
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mmreco.data.catalogue import Catalogue
from mmreco.datasets.synthetic import synthetic_shop
from mmreco.retrieval.lexical import LexicalIndex
from mmreco.retrieval.terms import compact
from mmreco.text.segmentation import segment

FEES = {"POST", "DOT", "M", "m", "D", "S", "B", "C2", "CRUK", "PADS", "AMAZONFEE", "BANK CHARGES"}


def online_retail(data: Path) -> Catalogue:
    table = pq.read_table(data / "online_retail" / "online_retail.parquet", columns=["StockCode", "Description"])
    table = table.filter(pc.is_valid(table["Description"]))
    said: dict[str, Counter[str]] = {}
    for code, title in zip(table["StockCode"].to_pylist(), table["Description"].to_pylist(), strict=True):
        if code not in FEES:
            said.setdefault(str(code), Counter())[title.strip()] += 1
    titles = {code: counts.most_common(1)[0][0] for code, counts in said.items()}
    titles = {code: title for code, title in titles.items() if len(segment(title)) >= 2}
    return Catalogue.from_frame(pa.table({"item_id": list(titles), "title": list(titles.values())}))


def fashion(data: Path) -> Catalogue:
    with (data / "fashion2k" / "styles.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["productDisplayName"].strip()]  # one item has no title
    return Catalogue.from_frame(
        pa.table({"item_id": [r["id"] for r in rows], "title": [r["productDisplayName"] for r in rows]})
    )


def words_first(
    index: LexicalIndex, catalogue: Catalogue, rng: np.random.Generator, n: int = 1_000
) -> dict[str, float]:
    """Shares of queries whose first answer has the very title, or holds all of three words of a title."""
    titles = catalogue.column("title")
    rows = rng.permutation(len(titles))[:n]
    asked = [titles[row] for row in rows]
    best = index.search(asked, 1).rows[:, 0]
    exact = np.mean([b >= 0 and compact(titles[b]) == compact(title) for b, title in zip(best, asked, strict=True)])
    distinct = [list(dict.fromkeys(segment(title))) for title in asked]
    three = [list(rng.permutation(w)[:3]) for w in distinct if len(w) >= 3]
    best = index.search([" ".join(w) for w in three], 1).rows[:, 0]
    holds = np.mean([b >= 0 and set(w) <= set(segment(titles[b])) for b, w in zip(best, three, strict=True)])
    slips = [_slip(w, rng) for w in distinct if any(len(x) >= 5 and x.isalpha() for x in w)]
    said = [title for title, w in zip(asked, distinct, strict=True) if any(len(x) >= 5 and x.isalpha() for x in w)]
    best = index.search(slips, 5).rows
    found = np.mean(
        [any(r >= 0 and compact(titles[r]) == compact(t) for r in line) for line, t in zip(best, said, strict=True)]
    )
    return {"exact_title": float(exact), "three_words": float(holds), "one_slip_top5": float(found)}


def _slip(words: list[str], rng: np.random.Generator) -> str:
    """The words with one letter of a long one left out."""
    at = int(rng.choice([i for i, word in enumerate(words) if len(word) >= 5 and word.isalpha()]))
    word, place = words[at], int(rng.integers(1, len(words[at])))
    return " ".join([*words[:at], word[:place] + word[place + 1 :], *words[at + 1 :]])


def traditional(seed: int = 0) -> dict[str, float]:
    """Precision@10 of colour and category, asked in simplified and in traditional Chinese, on the synthetic shop."""
    from opencc import OpenCC  # type: ignore[import-untyped]

    from mmreco.datasets.synthetic.facts import CATEGORIES, COLOURS

    shop = synthetic_shop(seed=seed)
    index = LexicalIndex.build(shop.catalogue)
    to_traditional = OpenCC("s2t").convert
    out = {}
    for name, convert in (("simplified", str), ("traditional", to_traditional)):
        hits = []
        for category in CATEGORIES:
            for colour in COLOURS:
                query = convert(colour.zh[0] + category.zh[0])
                right = set(shop.truth.rows(category=category.name, colour=colour.name).tolist())
                best = index.search([query], 10).rows[0].tolist()
                hits.append(len(right & set(best)) / min(10, len(right)))
        out[name] = float(np.mean(hits))
    return out


def speed(n_items: int, seed: int = 0) -> dict[str, float]:
    """Processor time to build (s) and of a query (ms), over made-up titles of eight words, some of them very common."""
    rng = np.random.default_rng(seed)
    n_words = 200_000
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    names = ["".join(rng.choice(letters, size)) for size in rng.integers(3, 10, n_words)]
    chances = 1 / (np.arange(n_words) + 20.0)
    drawn = rng.choice(n_words, size=(n_items, 8), p=chances / chances.sum())
    titles = [" ".join([names[word] for word in line]) for line in drawn.tolist()]
    catalogue = Catalogue.from_frame(pa.table({"item_id": [f"i{row}" for row in range(n_items)], "title": titles}))
    start = time.process_time()
    index = LexicalIndex.build(catalogue)
    built = time.process_time() - start
    queries = [" ".join(titles[row].split()[: rng.integers(1, 5)]) for row in rng.integers(n_items, size=300)]
    slips = [_slip(q.split(), rng) for q in queries if any(len(w) >= 5 for w in q.split())]
    index.search(["warm up the vocabulary"], 10)
    out: dict[str, float] = {"items": n_items, "build_s": built}
    for name, asked in (("words", queries), ("slips", slips)):
        times = []
        for query in asked:
            start = time.process_time()
            index.search([query], 10)
            times.append(time.process_time() - start)
        out[f"{name}_p50_ms"], out[f"{name}_p99_ms"] = (float(x) for x in np.quantile(times, [0.5, 0.99]) * 1e3)
    start = time.process_time()
    index.add(Catalogue.from_frame(pa.table({"item_id": ["new"], "title": [titles[0]]})))
    out["add_one_s"] = time.process_time() - start
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    options = parser.parse_args()
    found: dict[str, dict[str, float]] = {"chinese": traditional()}
    if "MMRECO_DATA" in os.environ:
        data = Path(os.environ["MMRECO_DATA"])
        for name, catalogue in (("online_retail", online_retail(data)), ("fashion2k", fashion(data))):
            found[name] = words_first(LexicalIndex.build(catalogue), catalogue, np.random.default_rng(0))
            print(name, found[name])
    if options.items:
        found["speed"] = speed(options.items)
    print(json.dumps({"search_words": found}))


if __name__ == "__main__":
    main()
