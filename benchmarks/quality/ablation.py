"""What each ingredient brings on Beauty, strict: the recipe without it, or with what it took the place of.

    python benchmarks/quality/ablation.py --data DATA --seeds 0,1,2 --out benchmarks/quality/results

The recipe itself is `run.py beauty`. Each run is kept in `--out` and not done again. The last line is one JSON object.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from protocol import CUTOFFS, SETS, Given, figures, line, read

from mmreco import SharedSpace, Training, evaluate, leave_last_out
from mmreco.models.sharedspace import model as recipe
from mmreco.models.sharedspace import neighbours, training
from mmreco.nn.fusion import ItemTower

Patch = tuple[Any, str, Any]  # owner, name, value in its place


def without(*names: str) -> Callable[[Given], Given]:
    """The data set without these modalities, its attributes, or the words of its titles as such."""
    columns = [column for name, column in (("attributes", "category"), ("each word", "title")) if name in names]

    def taken(given: Given) -> Given:
        return given.without(*columns, content=names)

    return taken


def _averaged() -> Patch:
    summed = ItemTower.__init__

    def averaged(self: ItemTower, dim: int, **said: Any) -> None:
        summed(self, dim, **said)
        self.facts.mode = "mean"

    return ItemTower, "__init__", averaged


ROWS: Mapping[str, tuple[Callable[[Given], Given], dict[str, Any], tuple[Patch, ...]]] = {
    "ids alone": (without("text", "words", "each word", "attributes"), {}, ()),
    "ids and attributes": (without("text", "words", "each word"), {}, ()),
    "without attributes": (without("attributes"), {}, ()),
    "titles not word by word": (without("each word"), {}, ()),
    "titles word by word alone": (without("text", "words"), {}, ()),
    "titles not by MiniLM": (without("text"), {}, ()),
    "titles not by LexicalEncoder": (without("words"), {}, ()),
    "attributes and words averaged, not summed": (without(), {}, (_averaged(),)),
    "attributes and words do not fade": (without(), {}, ((training, "_FADING", 0.0),)),
    "weights not averaged": (without(), {}, ((training, "averaging", lambda steps: 0.0),)),
    "ids never hidden": (without(), {}, ((training, "id_dropout", lambda known, counts: None),)),
    "256 shared negatives": (without(), {}, ((recipe, "_NEGATIVES", 256),)),
    "GRU in place of the Transformer": (without(), {"reader": "gru"}, ()),
    "items not drawn to their neighbours": (
        without(),
        {},
        ((neighbours, "id_dropout_rate", lambda counts: np.zeros(len(counts), np.float32)),),
    ),
}


@contextmanager
def patched(patches: tuple[Patch, ...]) -> Iterator[None]:
    """The library with these names changed for a while."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in patches]
    for owner, name, value in patches:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def run(given: Given, row: str, seed: int) -> dict[str, Any]:
    """One row, strict."""
    change, fields, patches = ROWS[row]
    changed = change(given)
    outer = leave_last_out(changed.dataset)
    inner = leave_last_out(outer.train)
    with patched(patches):
        space = SharedSpace(max_length=changed.max_length, training=Training(seed=seed), **fields)
        space.fit(inner.train, validation=inner.test)
        validated = evaluate(space, inner, CUTOFFS)
        tested = evaluate(space, outer, CUTOFFS)
    return {
        "row": row,
        "seed": seed,
        "validation": figures(validated),
        "strict": figures(tested),
        "passes": space.epochs_,
        "fit_seconds": round(space.seconds_, 1),
    }


def main() -> None:
    """Run what is not there yet, print all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default=os.environ.get("MMRECO_DATA"), help="folder of the data (or MMRECO_DATA)")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--rows", help="some rows, by their place in the list, from 0; all when omitted")
    parser.add_argument("--work", type=Path, default=Path("build/quality"), help="where encoded titles are kept")
    parser.add_argument("--out", type=Path, default=Path("build/quality/results"), help="where each run is kept")
    asked = parser.parse_args()
    if asked.data is None:
        parser.error("say where the data is: --data FOLDER, or set MMRECO_DATA")
    given = read("beauty", *(Path(asked.data) / file for file in SETS["beauty"]), work=asked.work)
    asked.out.mkdir(parents=True, exist_ok=True)
    rows = list(ROWS) if asked.rows is None else [list(ROWS)[int(place)] for place in asked.rows.split(",")]
    found = []
    for seed in map(int, asked.seeds.split(",")):
        for row in rows:
            kept = asked.out / f"ablation-{list(ROWS).index(row)}-{seed}.json"
            if not kept.exists():
                kept.write_text(json.dumps(line(**run(given, row, seed))) + "\n", encoding="utf-8")
            found.append(json.loads(kept.read_text(encoding="utf-8")))
            print(f"{row}, seed {seed}: validation {found[-1]['validation']['ndcg@10']:.4f}", flush=True)
    print(json.dumps({"ablation": found}))


if __name__ == "__main__":
    main()
