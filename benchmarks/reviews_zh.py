"""Chinese shopping reviews, good or bad: five folds of LexicalEncoder and Sentiment, the encoder fitted inside each.

    MMRECO_DATA=../shared/data python benchmarks/reviews_zh.py [--dim 256] [--sample 0]

Reads `zh_reviews/online_shopping_10_cats.csv` (SophonPlus/ChineseNlpCorpus: cat, label, review). Protocol: stratified
folds, shuffled with seed 0; accuracy and macro-F1 at a probability of one half, means over the folds. Segmentation is
timed once: the folds cut the same texts, so their words are remembered.
"""

import argparse
import csv
import functools
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedKFold

import mmreco.text.segmentation
from mmreco.encoders.text.lexical import LexicalEncoder
from mmreco.encoders.text.sentiment import Sentiment
from mmreco.text.segmentation import segment_all

FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--sample", type=int, default=0, help="so many reviews, drawn with seed 0; 0 is all")
    options = parser.parse_args()
    if "MMRECO_DATA" not in os.environ:
        sys.exit("skipped: MMRECO_DATA is not set")
    source = Path(os.environ["MMRECO_DATA"]) / "zh_reviews" / "online_shopping_10_cats.csv"
    with source.open(encoding="utf-8", newline="") as file:
        rows = [(row["review"], int(row["label"])) for row in csv.DictReader(file)]
    if options.sample:
        rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[: options.sample]]
    texts = [text for text, _ in rows]
    good = np.array([label for _, label in rows])
    stars = np.where(good == 1, 5, 1).astype(np.float32)

    mmreco.text.segmentation.segment = functools.cache(mmreco.text.segmentation.segment)
    start = time.perf_counter()
    segment_all(texts)
    segmenting = time.perf_counter() - start
    print(f"{len(texts):,} reviews, {sum(map(len, texts)):,} characters, cut in {segmenting:.1f} s", flush=True)

    scores = []
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for fold, (train, test) in enumerate(folds.split(texts, good)):
        start = time.perf_counter()
        taught = [texts[i] for i in train]
        encoder = LexicalEncoder(dim=options.dim).fit(taught)
        fitting = time.perf_counter() - start
        sentiment = Sentiment().fit(encoder.encode(taught), stars[train])
        said = sentiment.score(encoder.encode([texts[i] for i in test])) > 0.5
        scores.append((accuracy_score(good[test], said), f1_score(good[test], said, average="macro")))
        seconds = time.perf_counter() - start
        print(
            f"fold {fold}: accuracy {scores[-1][0]:.4f}, macro-F1 {scores[-1][1]:.4f}, {len(encoder.terms_):,} terms, "
            f"{fitting:.0f} s to fit the encoder, {seconds:.0f} s in all",
            flush=True,
        )
    accuracy, macro = np.mean(scores, axis=0)
    print(
        json.dumps(
            {
                "benchmark": "reviews_zh",
                "reviews": len(texts),
                "dim": options.dim,
                "accuracy": round(float(accuracy), 4),
                "macro_f1": round(float(macro), 4),
                "majority": round(float(max(good.mean(), 1 - good.mean())), 4),
                "segment_seconds": round(segmenting, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
