"""How far the space reaches: items nobody clicked, users it never saw, items of which part is missing.

    python benchmarks/quality/reach.py cold beauty --data DATA --seed 0
    python benchmarks/quality/reach.py strangers beauty ...
    python benchmarks/quality/reach.py missing ml1m ...

cold: a tenth of the items is held out of training, and so is each user's last event on the others; recall@20, among
themselves, of the last new item that a user turned to, given what came before, beside chance and beside the nearest
neighbours of a history by content, and what the known items lose when the new ones may be recommended too.
strangers: half of the users are never trained on; both halves are asked with their last 1, 2, 5 and 10 events.
missing: 30 % of each content modality is removed at random, before training.
The recipe is `SharedSpace` with its defaults. The last line is one JSON object.
"""

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from protocol import SETS, Given, films, line, read
from sklearn.feature_extraction.text import TfidfVectorizer

from mmreco import Catalogue, SharedSpace, Training, evaluate, leave_last_out
from mmreco.splitting import Holdout, by_user, cold_items, missing_modality

LENGTHS = (1, 2, 5, 10)
TOGETHER = "all, side by side"


def space(given: Given, seed: int) -> SharedSpace:
    """The recipe."""
    return SharedSpace(max_length=given.max_length, training=Training(seed=seed))


def nearest(given: Given, test: Holdout, cold: np.ndarray) -> dict[str, np.ndarray]:
    """Whether the new item is among the 20 whose content is nearest to the mean of a history's, 0 or 1 for each user.

    By each content that the space reads, by all of it, and by TF-IDF of titles.
    """
    parts: dict[str, Any] = {}
    for name, vectors in given.dataset.content.items():
        values, there = vectors.aligned(test.histories.items)
        centred = (values - values[there].mean(axis=0)) * there[:, None]
        parts[name] = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    parts[TOGETHER] = np.concatenate(list(parts.values()), axis=1)
    parts["titles by TF-IDF"] = TfidfVectorizer(sublinear_tf=True).fit_transform([text or "" for text in given.titles])
    found = {}
    seen, wanted = test.histories.matrix(), np.searchsorted(np.flatnonzero(cold), test.targets.items_flat)
    for name, vectors in parts.items():
        scores = seen @ vectors @ vectors[cold].T  # (n, cold items)
        scores = scores.toarray() if sp.issparse(scores) else scores
        better = (scores > np.take_along_axis(scores, wanted[:, None], axis=1)).sum(axis=1)
        found[name] = (better < 20).astype(np.float64)
    return found


def cold(given: Given, seed: int) -> dict[str, Any]:
    """New items."""
    split = cold_items(given.dataset, share=0.1, seed=seed)
    test, new = split.test, split.candidates
    last = leave_last_out(split.train)
    model = space(given, seed).fit(last.train)
    among = evaluate(model, split, 20)["recall@20"]
    everywhere = evaluate(model, test, [10, 20])
    alone = evaluate(model, last, 10, candidates=~new)["ndcg@10"]
    beside = evaluate(model, last, 10)["ndcg@10"]
    content = {name: round(float(of.mean()), 4) for name, of in nearest(given, test, new).items()}
    chance = 20 / int(new.sum())
    return {
        "new_items": int(new.sum()),
        "recall@20 of new items among themselves": round(among, 4),
        "chance": round(chance, 4),
        "times_chance": round(among / chance, 2),
        "content_neighbours": content,
        "times_best_content_neighbours": round(among / max(content.values()), 2),
        "recall@20 of new items among all": round(everywhere["recall@20"], 4),
        "recall@10 of new items among all": round(everywhere["recall@10"], 4),
        "known_items_ndcg@10": {"new ones shut out": round(alone, 4), "new ones let in": round(beside, 4)},
        "known_items_lose": round(1 - beside / alone, 4),
    }


def _latest(asked: Holdout, n: int) -> Holdout:
    """The same question with the last `n` events of each history, of the users who have as many."""
    able = asked.take(np.flatnonzero(asked.histories.lengths >= n))
    ends = able.histories.starts[1:]
    kept = np.zeros(able.histories.n_events, dtype=np.bool_)
    kept[(ends[:, None] - 1 - np.arange(n)).flatten()] = True
    return Holdout(able.histories.keep(kept), able.targets)


def strangers(given: Given, seed: int) -> dict[str, Any]:
    """New users."""
    split = by_user(given.dataset, share=0.5, seed=seed)
    known = leave_last_out(split.train)
    model = space(given, seed).fit(known.train)
    curve = {}
    for n in LENGTHS:
        found = {
            who: evaluate(model, _latest(asked, n), 10)
            for who, asked in (("trained", known.test), ("strangers", split.test))
        }
        means = {who: report["ndcg@10"] for who, report in found.items()}
        errors = {who: float(r.per_user["ndcg@10"].std() / np.sqrt(r.n)) / r["ndcg@10"] for who, r in found.items()}
        curve[str(n)] = {
            **{who: round(mean, 4) for who, mean in means.items()},
            "ratio": round(means["strangers"] / means["trained"], 4),
            "standard_error_of_ratio": round(float(np.hypot(*errors.values())), 4),
            "users": {who: report.n for who, report in found.items()},
        }
    return {"ndcg@10 by events known": curve}


def missing(given: Given, seed: int) -> dict[str, Any]:
    """Items of which part is missing."""
    outer = leave_last_out(given.dataset)
    inner = leave_last_out(outer.train)
    holed = {
        name: missing_modality(vectors, share=0.3, seed=seed + (1 if name == "image" else 2))  # a title's two readings
        for name, vectors in given.dataset.content.items()  # go together
    }
    catalogue = given.dataset.catalogue
    table = catalogue.table
    if "text" in holed and catalogue.has("title"):  # whose title is missing says no word of it
        left = holed["text"].aligned(catalogue.items)[1]
        titles = pa.array([title if there else None for title, there in zip(given.titles, left, strict=True)])
        table = table.set_column(table.column_names.index("title"), "title", titles)
    lacking = replace(inner.train, catalogue=Catalogue(catalogue.items, table), content=holed)
    found = {}
    for name, train in (("whole", inner.train), ("30 % missing", lacking)):
        model = space(given, seed).fit(train, validation=inner.test)
        report = evaluate(model, outer, 10)
        print(f"{name}, pass {model.epochs_} of {len(model.scores_)} looks kept\n{report}", flush=True)
        found[name] = round(report["ndcg@10"], 4)
    return {"ndcg@10": found, "kept": round(found["30 % missing"] / found["whole"], 4)}


QUESTIONS: dict[str, Callable[[Given, int], dict[str, Any]]] = {
    "cold": cold,
    "strangers": strangers,
    "missing": missing,
}


def main() -> None:
    """Read, train, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument("set", choices=[*SETS, "ml1m"])
    parser.add_argument("--data", default=os.environ.get("MMRECO_DATA"), help="folder of the data (or MMRECO_DATA)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("build/quality"), help="where encoded content is kept")
    parser.add_argument("--out", type=Path, help="a folder for the JSON object too")
    asked = parser.parse_args()
    if asked.data is None:
        parser.error("say where the data is: --data FOLDER, or set MMRECO_DATA")
    start, data = perf_counter(), Path(asked.data)
    if asked.set == "ml1m":
        given = films(data, work=asked.work)
    else:
        given = read(asked.set, *(data / file for file in SETS[asked.set]), work=asked.work)
    found = QUESTIONS[asked.question](given, asked.seed)
    about = {"question": asked.question, "set": asked.set, "seed": asked.seed}
    said = json.dumps(line(**about, **found, seconds=round(perf_counter() - start, 1)))
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / f"{asked.question}-{asked.set}-{asked.seed}.json").write_text(said + "\n", encoding="utf-8")
    print(said)


if __name__ == "__main__":
    main()
