"""The figures that README and Results publish, computed from the files that the benchmarks wrote.

    python benchmarks/figures.py     # prints them, one a line

`tests/test_figures.py` compares them with the pages, cell by cell.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "quality" / "results"


def runs(pattern: str) -> list[Any]:
    """The JSON objects of these files, in order of their names."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob(pattern))]
    if not found:
        raise FileNotFoundError(f"no result file {pattern}")
    return found


def spread(pattern: str, *path: str) -> str:
    """Mean and standard deviation over seeds."""
    values = []
    for run in runs(pattern):
        for key in path:
            run = run[key]
        values.append(run)
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"


def seconds(pattern: str) -> str:
    """The median time of a run, for all that it does."""
    return f"{np.median([run['seconds'] for run in runs(pattern)]):.0f} s"


def kept(name: str, *path: str) -> float:
    """One number of one file."""
    value: Any = runs(f"{name}.json")[0]
    for key in path:
        value = value[key]
    return float(value)


def written(page: str, row: str, column: int) -> str:
    """A cell of a table in a page: of the one row that begins so."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("|")]
    found = [row_cells for row_cells in cells if row_cells[0].strip().replace("*", "").startswith(row)]
    if len(found) != 1:
        raise LookupError(f"{page}: {len(found)} rows begin with {row!r}; expected one")
    return found[0][column].strip().replace("*", "")


def _range(pattern: str, key: str) -> str:
    values = [run[key] for run in runs(pattern)]
    return f"{min(values):.0f} to {max(values):.0f} s"


def _embedding_seconds() -> str:
    """What `benchmarks/embedding.py` takes by the rates it printed: six rounds of every way, and the distillation."""
    total = 98.0
    for row, n in (("2,000 titles", 2_000), ("512 posters", 512), ("256 JPEGs", 256)):
        cells = [written("docs/guides/embedding.md", row, column) for column in range(1, 8)]
        rate = float(cells[0].split()[0])
        total += 6 * n / rate * (1 + sum(1 / float(cell.split()[0]) for cell in cells[1:] if cell))
    return f"{round(total, -2):,.0f} s"


def _graph_seconds() -> str:
    built = [
        written("docs/benchmarks.md", row, 1)
        for row in ("mmreco, high, two threads", "hnswlib (M 16, 200), two threads")
    ]
    return f"{sum(int(cell.split()[0]) for cell in built)} s to build"


def _new_items(name: str, key: str, form: str) -> str:
    return format(runs(f"cold-{name}-0.json")[0][key], form)


def _strangers() -> str:
    known = [run["ndcg@10 by events known"] for run in runs("strangers-beauty-*.json")]
    ratios = [np.mean([run[events]["ratio"] for run in known]) for events in ("1", "2", "5", "10")]
    return f"{min(ratios):.2f} to {max(ratios):.2f}"


AMONG = "recall@20 of new items among themselves"
TIMES = "times_best_content_neighbours"
LANGUAGES = ("search_synthetic", "languages")
PACE = ("speed", "dim 64")
FIGURES: dict[str, Callable[[], str]] = {
    "Beauty strict recall@10": lambda: spread("beauty-*.json", "strict", "recall@10"),
    "Beauty strict ndcg@10": lambda: spread("beauty-*.json", "strict", "ndcg@10"),
    "Beauty refit recall@10": lambda: spread("beauty-*.json", "refit", "recall@10"),
    "Beauty refit ndcg@10": lambda: spread("beauty-*.json", "refit", "ndcg@10"),
    "MovieLens ids ndcg@10": lambda: ", ".join(
        written("docs/benchmarks.md", f"SharedSpace, defaults, seed {seed}", 2) for seed in (0, 1, 2)
    ),
    "new items Beauty": lambda: _new_items("beauty", AMONG, ".3f"),
    "new items Beauty, times content": lambda: f"{_new_items('beauty', TIMES, '.2f')} times",
    "new items MovieLens": lambda: _new_items("ml1m", AMONG, ".3f"),
    "new items MovieLens, times content": lambda: f"{_new_items('ml1m', TIMES, '.2f')} times",
    "strangers": _strangers,
    "missing Beauty": lambda: f"{runs('missing-beauty-0.json')[0]['kept']:.1%}",
    "missing MovieLens": lambda: f"{runs('missing-ml1m-0.json')[0]['kept']:.1%}",
    "training speed": lambda: f"{runs('speed.json')[0]['speed']['dim 64']['times']:.1f} times",
    "Online Retail": lambda: spread("shop-retail-SharedSpace-[0-9].json", "new ndcg@10"),
    "Online Retail, repeats": lambda: spread("shop-retail-SharedSpace-[0-9].json", "all ndcg@10"),
    "MovieLens by time": lambda: f"{runs('shop-ml_time-SharedSpace-0.json')[0]['new ndcg@10']:.4f}",
    "last click": lambda: written("docs/benchmarks.md", "synthetic shop, last event", 2).split(";")[0],
    "EASE MovieLens": lambda: f"{runs('independent.json')[0]['EASE']['ours'][0]:.4f}",
    "titles a second": lambda: written("docs/guides/embedding.md", "2,000 titles of Beauty, MiniLM", 3),
    "photos a second": lambda: written("docs/guides/embedding.md", "256 JPEGs of 1000 x 1000", 3),
    "graph, a million": lambda: f"{written('docs/benchmarks.md', 'hnswlib (M 16, 200), two threads', 3)} times",
    "Chinese over English": lambda: f"{kept('search-synthetic', *LANGUAGES, 'chinese over english, words'):.2f}",
    "product search": lambda: f"{kept('search-products', 'search_products', 'catalogue both'):.3f}",
}

SECONDS: dict[str, Callable[[], str]] = {
    "Beauty": lambda: seconds("beauty-*.json"),
    "MovieLens ids": lambda: "1,500 to 2,600 s",  # 25 to 43 minutes, by docs/benchmarks.md
    "Online Retail": lambda: _range("shop-retail-SharedSpace-[0-9].json", "fit_seconds"),
    "MovieLens by time": lambda: f"{kept('shop-ml_time-SharedSpace-0', 'fit_seconds'):.0f} s",
    "new items": lambda: seconds("cold-beauty-0.json"),
    "new films": lambda: seconds("cold-ml1m-0.json"),
    "strangers": lambda: seconds("strangers-beauty-*.json"),
    "missing": lambda: seconds("missing-beauty-0.json"),
    "missing MovieLens": lambda: f"{round(kept('missing-ml1m-0', 'seconds'), -2):,.0f} s",
    "product search": lambda: f"{kept('search-products', 'seconds'):.0f} s",
    "languages": lambda: f"{kept('search-synthetic', 'seconds'):.0f} s",
    "training": lambda: f"{sum(kept('speed', *PACE, who, 'seconds_a_pass') for who in ('ours', 'plain')) * 20:.0f} s",
    "embedding": _embedding_seconds,
    "graph": _graph_seconds,
}
BESIDE: dict[str, Callable[[], str]] = {  # what stands beside it; figures of papers are in quality/table.py
    "EASE, retail": lambda: f"{kept('shop-retail-EASE-0', 'new ndcg@10'):.3f}",
    "EASE, retail, repeats": lambda: f"{kept('shop-retail-EASE-0', 'all ndcg@10'):.3f}",
    "UserKNN by time": lambda: f"{kept('compare-ml1m', 'temporal', 'models', 'UserKNN', 'ndcg@10'):.3f}",
    "titles by TF-IDF": lambda: f"{kept('cold-beauty-0', 'content_neighbours', 'titles by TF-IDF'):.3f}",
    "content of films": lambda: f"{max(runs('cold-ml1m-0.json')[0]['content_neighbours'].values()):.3f}",
    "words alone": lambda: f"{kept('search-products', 'search_products', 'catalogue words'):.3f}",
    "multilingual alone": lambda: f"{kept('search-synthetic', *LANGUAGES, 'chinese over english, multilingual'):.2f}",
    "HSTU-large": lambda: written("docs/benchmarks.md", "HSTU-large", 2),
    "hnswlib": lambda: "1",
}


if __name__ == "__main__":
    for name, figure in (*FIGURES.items(), *SECONDS.items(), *BESIDE.items()):
        print(f"{name}: {figure()}")
