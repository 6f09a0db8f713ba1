"""Where a figure of Results comes from: figures of a page that no result file gives.

    python benchmarks/sources.py docs/benchmarks.md     # prints what has no source; exit code 1 if there is any

A comment at the head of a section names its files: `<!-- from: shop-retail-*.json speed.json -->`, in
`benchmarks/quality/results`. A figure is a number with a decimal point, or with a unit of time, memory or share. It is
traced if a file holds it, rounded as it is shown; or if it is the mean, the standard deviation or the 95 % interval
over the files of one pattern. `PUBLISHED` are the figures of papers, `SETTINGS` what was chosen and not measured.
Tables that `benchmarks/quality/table.py` writes are left out, as it checks them itself.
"""

import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "quality" / "results"
T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # Student's t, by the number of runs
PUBLISHED = {
    "0.0890": "GRAM, 2025, Beauty, strict, Recall@10",
    "0.0531": "GRAM, 2025, Beauty, strict, NDCG@10; SASRec with sampled softmax, eSASRec benchmark, 2025, refit",
    "0.0928": "eSASRec benchmark, 2025, Beauty, refit, Recall@10",
    "0.1720": "HSTU, generative-recommenders, 2024, MovieLens-1M, NDCG@10",
    "0.3097": "the same, Recall@10",
    "0.1893": "HSTU-large, generative-recommenders, 2024, MovieLens-1M, NDCG@10",
    "0.3294": "the same, Recall@10",
    "0.1772": "eSASRec benchmark, 2025, MovieLens-1M, NDCG@10",
    "0.3133": "the same, Recall@10",
    "0.1857": "SASRec, 3,000 negatives, Klenitskiy and Vasilev, 2023, MovieLens-1M, NDCG@10",
    "0.3159": "the same, Recall@10",
    "0.1865": "HSTU with time features, RecTools, MovieLens-1M, NDCG@10",
    "0.3205": "the same, Recall@10",
    "0.2164": "HSTU-large with time features, RecTools, MovieLens-1M, NDCG@10",
    "0.3642": "the same, Recall@10",
}
SETTINGS = {
    "95": "% of an interval, or of calls",
    "0.95": "recall at which queries a second are compared",
    "30": "% of each modality taken away",
    "24": "GiB of the machine",
    "5": "% of NDCG@10 given up for variety",
    "0.6": "weight of calibration; share of reasons aimed at",
    "0.52": "weight of calibration",
    "50": "ms aimed at for a reason",
}
UNIT = r"(?:%|x(?! \d)\b|ms\b|s\b|µs\b|GiB\b|MiB\b|times\b|倍)"
FIGURE = re.compile(
    r"(?<![\w.,/-])(\d*\.\d+|\d[\d,]*(?:\.\d+)?(?=(?:(?:, | to | and | 到 |、)\d[\d,.]*)*\s?" + UNIT + r"))"
    r"(?=((?:(?:, | to | and | ± | 到 |、)\d[\d,.]*)*\s?%)?)"
)
WRITTEN = re.compile(r"<!-- (?!from)(.*?): begin -->.*?<!-- \1: end -->", re.DOTALL)


def prose(text: str) -> str:
    """A text without code, what a program wrote, targets of links and versions."""
    text = re.sub(r"^```.*?^```", "", WRITTEN.sub("", text), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`]*`|<!--.*?-->|\]\([^)]*\)", " ", text, flags=re.DOTALL)
    return re.sub(r"\b\d+\.\d+\.\d+\b|\b(?:Python|torch|faiss-cpu) \d[\d.]*", " ", text)


def sections(page: str) -> Iterator[tuple[str, list[str], str]]:
    """Heading, patterns of its files and text of each section, code of a shell not taken for a heading."""
    code = re.sub(r"^```.*?^```", _blank, page, flags=re.DOTALL | re.MULTILINE)
    heads = [match.start() for match in re.finditer(r"^#+ .*$", code, flags=re.MULTILINE)]
    for start, end in zip(heads, [*heads[1:], len(page)], strict=True):
        text = page[start:end]
        named = re.findall(r"<!-- from: (.*?) -->", text, flags=re.DOTALL)
        yield text.partition("\n")[0].lstrip("# "), " ".join(named).split(), text


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def figures(text: str) -> list[tuple[str, bool]]:
    """The figures of a text, in order, and whether each is a percentage."""
    return [(match[1], bool(match[2])) for match in FIGURE.finditer(prose(text))]


@cache
def numbers(pattern: str) -> tuple[float, ...]:
    """All that the files of a pattern hold, and what sums them up."""
    paths = sorted(RESULTS.glob(pattern))
    if not paths:
        raise FileNotFoundError(f"no result file {pattern}")
    runs = [dict(_leaves(json.loads(path.read_text(encoding="utf-8")))) for path in paths]
    found = [value for run in runs for value in run.values()]
    for key in set.intersection(*(set(run) for run in runs)) if len(runs) > 1 else ():
        values = [run[key] for run in runs]
        spread = float(np.std(values, ddof=1))
        found += [float(np.mean(values)), spread, spread * T95.get(len(values), 2.0) / len(values) ** 0.5]
        if all(("users",) in run for run in runs):  # as explain.py asks more of one seed than of the others
            found.append(float(np.average(values, weights=[run["users",] for run in runs])))
    return tuple(found)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _leaves(inner, (*path, str(place)))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


def traced(figure: str, percent: bool, values: tuple[float, ...]) -> bool:
    """Whether one of the values is shown so."""
    shown = float(figure.replace(",", ""))
    half = 0.5 * 10.0 ** -len(figure.partition(".")[2]) + 1e-9
    held = np.abs(np.asarray(values, dtype=np.float64))
    return bool((np.abs(held * (100 if percent else 1) - shown) <= half).any())


def untraced(page: str, also: frozenset[str] = frozenset()) -> list[str]:
    """Figures without a source, each with the heading of its section; those of `also` have one elsewhere."""
    found = []
    for heading, patterns, text in sections(page):
        values = tuple(value for pattern in patterns for value in numbers(pattern))
        known = also | set(PUBLISHED) | set(SETTINGS)
        found += [
            f"{heading}: {figure}"
            for figure, percent in figures(text)
            if figure not in known and not traced(figure, percent, values)
        ]
    return found


def main() -> int:
    """Print what has no source."""
    found = [line for name in sys.argv[1:] for line in untraced((ROOT / name).read_text(encoding="utf-8"))]
    print("\n".join(found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
