"""Questions on items answered from reviews, and the polarity of aspects.

    MMRECO_DATA=../shared/data python benchmarks/questions.py [--encoder offline] [--reader FOLDER] [--part dev]

Reads `subjqa/electronics_*.parquet`: the sentences of all reviews of a product are ranked for a question that was asked
of it; MRR@5 of the first that overlaps a human span, over the questions that have one; AUROC of "no answer", a question
against the one review that it was asked of, by the confidence of its best sentence. And `aspects_zh/`: macro-F1 of the
polarity of an aspect, trained on the train part, asked on the test part; needs `--aspects`. Last line: one JSON.
"""

import argparse
import ast
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from sklearn.metrics import f1_score, roc_auc_score

from mmreco.arrays import F32
from mmreco.data.ids import IdMap
from mmreco.data.reviews import Reviews
from mmreco.encoders.text.cross_encoder import CrossEncoder
from mmreco.encoders.text.encoder import TextEncoder
from mmreco.questions.answers import SIGNS, ItemQuestions
from mmreco.questions.polarity import Polarity
from mmreco.questions.sentences import sentence_spans
from mmreco.text.segmentation import segment

NONE = "ANSWERNOTFOUND"


class Cached:
    """An encoder that encodes each text once."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder, self._known = encoder, {}
        self.dim, self.fingerprint = encoder.dim, encoder.fingerprint

    def encode(self, contents: list[str], *, batch_size: int = 64) -> F32:
        new = [text for text in dict.fromkeys(contents) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encoder.encode_query(new), strict=True))
        return np.stack([self._known[text] for text in contents])


def subjqa(data: Path, part: str, encoder: Any, reader: Any) -> dict[str, Any]:
    tables = {
        name: pq.read_table(data / "subjqa" / f"electronics_{name}.parquet").to_pylist() for name in ("train", "dev")
    }
    every = [row for name in ("train", "dev") for row in tables[name]]
    asked = tables[part]
    texts = {(row["item_id"], row["review_id"]): row["review"].removesuffix(" ANSWERNOTFOUND") for row in every}
    ids = IdMap.of(sorted({item for item, _ in texts}))
    reviews = Reviews.from_rows(ids, ids.rows([item for item, _ in texts]), list(texts.values()))
    full = ItemQuestions(reviews, encoder=encoder, reader=reader)
    place: dict[tuple[str, str], list[tuple[int, int]]] = {key: sentence_spans(text) for key, text in texts.items()}
    by_item: dict[str, list[tuple[str, str]]] = {}
    for key in texts:
        by_item.setdefault(key[0], []).append(key)
    spans: dict[tuple[str, str], dict[tuple[str, str], list[tuple[int, int]]]] = {}
    for row in every:
        if row["human_ans_spans"] != NONE:
            key = (row["item_id"], row["question"])
            spans.setdefault(key, {}).setdefault((row["item_id"], row["review_id"]), []).append(
                ast.literal_eval(row["human_ans_indices"])
            )
    ranks: dict[str, list[float]] = {name: [] for name in ("words", "all")}
    for item, question in dict.fromkeys((r["item_id"], r["question"]) for r in asked):
        right = spans.get((item, question))
        if not right:
            continue
        units = [(key, span) for key in by_item[item] for span in place[key]]
        hits = np.array([any(a < e and s < b for s, e in right.get(key, ())) for key, (a, b) in units])
        if not hits.any():
            continue
        said = [texts[key][a:b] for key, (a, b) in units]
        signs = full.signs(question, said)
        for name, scores in (("words", signs["words"]), ("all", sum(SIGNS[n] * v for n, v in signs.items()))):
            first = np.flatnonzero(hits[np.argsort(-np.asarray(scores), kind="stable")])[0]
            ranks[name].append(1 / (1 + first) if first < 5 else 0.0)
    answerable, sure, words = [], [], []
    for row in asked:
        key = (row["item_id"], row["review_id"])
        said = [texts[key][a:b] for a, b in place[key]]
        if not said:
            continue
        answerable.append(row["human_ans_spans"] != NONE)
        sure.append(float(full.rank(row["question"], said)[1].max()))
        words.append(float(ItemQuestions(reviews).signs(row["question"], said)["words"].max()))
    return {
        "questions": len(ranks["all"]),
        "mrr5_bm25": round(float(np.mean(ranks["words"])), 4),
        "mrr5": round(float(np.mean(ranks["all"])), 4),
        "auroc_bm25": round(float(roc_auc_score(answerable, words)), 4),
        "auroc": round(float(roc_auc_score(answerable, sure)), 4),
    }


def aspects_zh(data: Path, encoder: Any) -> dict[str, Any]:
    """Macro-F1 on each set: TF-IDF of words and of letters by sklearn, and `Polarity` without and with an encoder."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    found: dict[str, list[float]] = {}
    for name in ("camera", "notebook", "phone"):
        parts = [
            pq.read_table(data / "aspects_zh" / f"{name}_{part}.parquet").to_pylist() for part in ("train", "test")
        ]
        (train, good), (test, right) = (
            ([row["text"].replace(" ", "") for row in rows], np.array([row["polarity"] == "Positive" for row in rows]))
            for rows in parts
        )
        for kind, terms in (
            ("tfidf words", TfidfVectorizer(analyzer=segment)),
            ("tfidf letters", TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)),
        ):
            rule = LogisticRegression(C=10, max_iter=1000).fit(terms.fit_transform(train), good)
            found.setdefault(kind, []).append(f1_score(right, rule.predict(terms.transform(test)), average="macro"))
        for kind, reading in (("polarity", None), ("polarity, encoder", encoder)):
            said = Polarity(encoder=reading).fit(train, good).score(test) > 0.5
            found.setdefault(kind, []).append(f1_score(right, said, average="macro"))
    return {kind: round(float(np.mean(values)), 4) for kind, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="offline", help="of questions and sentences")
    parser.add_argument("--reader", help="a cross-encoder's folder or hub name")
    parser.add_argument("--part", default="dev", choices=("train", "dev"))
    parser.add_argument("--aspects", action="store_true", help="also the polarity of aspects")
    options = parser.parse_args()
    if "MMRECO_DATA" not in os.environ:
        sys.exit("skipped: MMRECO_DATA is not set")
    data = Path(os.environ["MMRECO_DATA"])
    encoder = Cached(TextEncoder(options.encoder, device="cpu", backend="int8", max_length=96))
    reader = CrossEncoder(options.reader, device="cpu", backend="int8") if options.reader else None
    found = {"subjqa": subjqa(data, options.part, encoder, reader)}
    if options.aspects:
        found["aspects_zh"] = aspects_zh(data, TextEncoder("offline-multilingual", device="cpu", backend="int8"))
    print(json.dumps({"questions": found}))


if __name__ == "__main__":
    main()
