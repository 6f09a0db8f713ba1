"""The synthetic shop: queries in the other language, and the shopper's taste.

    python benchmarks/search_synthetic.py [--multilingual] [--users 3000] [--seed 0]

*Languages*: each colour with each category, asked in Chinese of the items' English titles and the other way round;
precision@10, out of 10 or of as many as there are. With `--multilingual` also by the packaged multilingual-e5-small,
alone and with the words.
*Taste*: each shopper's last item is held out; a query for its category (open), for its colour and category, and its
title (exact) is asked with and without the shopper's vector. MRR of the item; the interval is a paired bootstrap over
shoppers. Last line: one JSON.
"""

import argparse
import json
import re

import numpy as np
import pyarrow as pa

from mmreco.data.catalogue import Catalogue
from mmreco.datasets.synthetic import SyntheticShop, synthetic_shop
from mmreco.datasets.synthetic.facts import CATEGORIES, COLOURS
from mmreco.embedding.embed import embed
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.evaluation.significance import bootstrap
from mmreco.index.vector import VectorIndex
from mmreco.models.als import ALS
from mmreco.retrieval.content_index import ContentIndex
from mmreco.retrieval.fusion import Fusion
from mmreco.retrieval.hybrid import HybridSearch
from mmreco.retrieval.lexical import LexicalIndex
from mmreco.retrieval.personal import openness, with_taste
from mmreco.splitting import leave_last_out

HAN = re.compile(r"[\u3400-\u9fff]")
MIXED = re.compile(r"[A-Za-z]+(?=[\u3400-\u9fff])|(?<=[\u3400-\u9fff])[A-Za-z]+")  # the T of T恤


def one_language(title: str, chinese: bool) -> str:
    if chinese:
        return " ".join(word for word in title.split() if HAN.search(word))
    return " ".join(re.sub(r"[\u3400-\u9fff]+", " ", MIXED.sub("", title)).split())


def languages(shop: SyntheticShop, multilingual: bool) -> dict[str, float]:
    out: dict[str, float] = {}
    titles = shop.catalogue.column("title")
    for name, chinese in (("chinese over english", True), ("english over chinese", False)):
        written = [one_language(title, not chinese) for title in titles]
        rows = np.array([row for row, title in enumerate(written) if title])
        items = pa.table({"item_id": shop.catalogue.items.ids(rows), "title": [written[row] for row in rows.tolist()]})
        part = Catalogue.from_frame(items)
        queries, right = [], []
        for category in CATEGORIES:
            for colour in COLOURS:
                en = f"{colour.en[0]} {category.en[0]}"
                queries.append(colour.zh[0] + category.zh[0] if chinese else en)
                right.append(set(shop.truth.rows(category=category.name, colour=colour.name)) & set(rows))

        def precision(found: np.ndarray, rows: np.ndarray = rows, right: list[set[int]] = right) -> float:
            hits = [
                len(want & set(rows[line[line >= 0]])) / min(10, len(want))
                for line, want in zip(found, right, strict=True)
            ]
            return float(np.mean(hits))

        lexical = LexicalIndex.build(part)
        out[f"{name}, words"] = precision(lexical.search(queries, 10).rows)
        if multilingual:
            from mmreco.encoders.text.encoder import TextEncoder

            encoder = TextEncoder("offline-multilingual", device="cpu", backend="int8")
            vectors = embed(encoder, part.items, part.texts(("title",))).embeddings
            meaning = ContentIndex("text", encoder, part.items, VectorIndex(vectors))
            out[f"{name}, multilingual"] = precision(meaning.search(meaning.encode(queries), 10).rows)
            out[f"{name}, both"] = precision(HybridSearch(part, lexical, (meaning,)).search(queries, 10).rows)
    return out


def taste(shop: SyntheticShop, weight: float) -> dict[str, object]:
    split = leave_last_out(shop.dataset)
    model = ALS().fit(split.train)
    users, items = model.user_vectors(split.test.histories), model.item_embeddings()
    users = users / np.maximum(np.linalg.norm(users, axis=1, keepdims=True), 1e-9)
    encoder = LexicalEncoder().fit([text for text in shop.catalogue.texts() if text])
    vectors = embed(encoder, shop.catalogue.items, shop.catalogue.texts()).embeddings
    meaning = ContentIndex("text", encoder, shop.catalogue.items, VectorIndex(vectors))
    search = HybridSearch(shop.catalogue, LexicalIndex.build(shop.catalogue), (meaning,), Fusion({"taste": weight}))
    targets = split.test.targets.items_flat[split.test.targets.starts[:-1]]  # one where the last moment has several
    facts, titles = shop.truth.facts, shop.catalogue.column("title")
    kinds = {
        "open": [CATEGORIES[facts.category[row]].zh[0] for row in targets],
        "colour": [COLOURS[facts.colour[row]].zh[0] + CATEGORIES[facts.category[row]].zh[0] for row in targets],
        "exact": [titles[row] for row in targets],
    }
    out: dict[str, object] = {}
    for name, queries in kinds.items():
        distinct = list(dict.fromkeys(queries))
        number = {query: at for at, query in enumerate(distinct)}
        asked = np.array([number[query] for query in queries])
        plain = search.retrieve(distinct, 200)
        found = type(plain)(plain.rows[asked], plain.features[asked], plain.names)
        rows = shop.catalogue.items.rows(items.ids.array)
        personal = with_taste(found, users, items, rows, n_items=len(shop.catalogue))
        before, after = (_mrr(search.fusion.rank(c, 100).rows, targets) for c in (found, personal))
        interval = bootstrap((after - before)[None])[0]
        out[name] = {
            "openness": round(float(openness(found, len(shop.catalogue)).mean()), 3),
            "mrr": round(float(before.mean()), 4),
            "mrr_personal": round(float(after.mean()), 4),
            "difference": [round(float(end), 4) for end in interval],
        }
        print(name, out[name], flush=True)
    return out


def _mrr(rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
    hits = rows == targets[:, None]
    return np.where(hits.any(axis=1), 1 / (1 + hits.argmax(axis=1)), 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--multilingual", action="store_true")
    parser.add_argument("--users", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weight", type=float, default=2.0, help="of the shopper's taste")
    options = parser.parse_args()
    shop = synthetic_shop(n_users=options.users, seed=options.seed)
    found = {"languages": languages(shop, options.multilingual), "taste": taste(shop, options.weight)}
    print(json.dumps({"search_synthetic": found}))


if __name__ == "__main__":
    main()
