"""One row of the quality tables: `SharedSpace` with its defaults on a data set of the S3-Rec protocol.

    python benchmarks/quality/run.py beauty --data DATA --seed 0
    python benchmarks/quality/run.py --sequences FILE --attributes FILE --titles FILE --name toys

`--attributes` and `--titles` are optional: the recipe takes what there is. The last line is one JSON object.
"""

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from protocol import CUTOFFS, SETS, Given, figures, line, read

from mmreco import SharedSpace, Training, evaluate, leave_last_out


def run(given: Given, *, seed: int, progress: bool) -> dict[str, object]:
    """Both conventions on one data set."""
    outer = leave_last_out(given.dataset)
    inner, test = leave_last_out(outer.train), outer.test
    space = SharedSpace(max_length=given.max_length, training=Training(seed=seed))
    space.fit(inner.train, validation=inner.test, progress=progress)
    on_validation = evaluate(space, inner, CUTOFFS)
    print(f"validation NDCG@10 by pass: {', '.join(f'{s:.4f}' for s in space.scores_)}; pass {space.epochs_} is kept")
    strict = evaluate(space, test, CUTOFFS)
    print(f"strict, {strict}", flush=True)
    last = Training(epochs=space.epochs_, patience=None, seed=seed)
    again = replace(space, training=last).fit(outer.train, progress=progress)
    refit = evaluate(again, test, CUTOFFS)
    print(f"refit, {refit}")
    return {
        "strict": figures(strict),
        "refit": figures(refit),
        "validation": figures(on_validation),
        "passes": space.epochs_,
        "fit_seconds": {"strict": round(space.seconds_, 1), "refit": round(again.seconds_, 1)},
        "seconds_a_pass": round(again.seconds_ / space.epochs_, 2),
    }


def main() -> None:
    """Read, train twice, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("set", nargs="?", choices=sorted(SETS), help="a data set in the folder --data")
    parser.add_argument(
        "--data", default=os.environ.get("MMRECO_DATA"), help="folder of the data sets (or MMRECO_DATA)"
    )
    parser.add_argument("--sequences", type=Path, help="any S3-Rec file: user item item ...")
    parser.add_argument("--attributes", type=Path, help="JSON, item to its attributes")
    parser.add_argument("--titles", type=Path, help="a table with item_id and title")
    parser.add_argument("--name", help="what to call --sequences; its name when omitted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("build/quality"), help="where encoded titles are kept")
    parser.add_argument("--out", type=Path, help="a folder for the JSON object too")
    parser.add_argument("--progress", action="store_true")
    asked = parser.parse_args()
    start = perf_counter()
    if (asked.set is None) == (asked.sequences is None):
        parser.error("name a data set, or give --sequences FILE")
    if asked.set is not None:
        if asked.data is None:
            parser.error("say where the data is: --data FOLDER, or set MMRECO_DATA")
        name, files = asked.set, [Path(asked.data) / file for file in SETS[asked.set]]
    else:
        name, files = asked.name or asked.sequences.stem, [asked.sequences, asked.attributes, asked.titles]
    given = read(name, *files, work=asked.work, progress=asked.progress)
    print(f"{given.name}: {given.dataset!r}", flush=True)
    found = run(given, seed=asked.seed, progress=asked.progress)
    said = json.dumps(line(set=name, seed=asked.seed, **found, seconds=round(perf_counter() - start, 1)))
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / f"{name}-{asked.seed}.json").write_text(said + "\n", encoding="utf-8")
    print(said)


if __name__ == "__main__":
    main()
