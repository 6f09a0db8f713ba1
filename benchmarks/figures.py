"""The figures that README and Results publish, computed from the files that the benchmarks wrote.

    python benchmarks/figures.py     # prints them, one a line

`tests/test_figures.py` compares them with the pages, cell by cell.
"""

import json
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


def _range(pattern: str, key: str) -> str:
    values = [run[key] for run in runs(pattern)]
    return f"{min(values):.0f} to {max(values):.0f} s"


def _times(part: str, way: str, reference: str) -> str:
    """How many times as fast as the reference a way of `benchmarks/embedding.py` is, by the rates it printed."""
    found = runs("embedding.json")[0]["embedding"][part]
    return f"{found[way]['a_second'] / found[reference]['a_second']:.2f} times"


def _exact(batch: int) -> str:
    """How many times as long FAISS' `IndexFlatIP` takes as exact search."""
    return f"{kept('search-vectors', 'search', f'beside_peers[200000-{batch}]', 'times', 'IndexFlatIP'):.2f} times"


def _new_items(name: str, key: str, form: str) -> str:
    return format(runs(f"cold-{name}-0.json")[0][key], form)


def _strangers(what: str) -> str:
    known = [run["ndcg@10 by events known"] for run in runs("strangers-beauty-*.json")]
    means = [np.mean([run[events][what] for run in known]) for events in ("1", "2", "5", "10")]
    return f"{min(means):.2f} to {max(means):.2f}"


AMONG = "recall@20 of new items among themselves"
TIMES = "times_best_content_neighbours"
LANGUAGES = ("search_synthetic", "languages")
PACE = ("speed", "dim 64")
FIGURES: dict[str, Callable[[], str]] = {
    "Beauty strict recall@10": lambda: spread("beauty-*.json", "strict", "recall@10"),
    "Beauty strict ndcg@10": lambda: spread("beauty-*.json", "strict", "ndcg@10"),
    "Beauty refit recall@10": lambda: spread("beauty-*.json", "refit", "recall@10"),
    "Beauty refit ndcg@10": lambda: spread("beauty-*.json", "refit", "ndcg@10"),
    "MovieLens ndcg@10": lambda: f"{kept('missing-ml1m-0', 'ndcg@10', 'whole'):.4f}",
    "MovieLens ids ndcg@10": lambda: f"{kept('shop-ml_last-SharedSpace-0', 'new ndcg@10'):.4f}",
    "MovieLens times ndcg@10": lambda: f"{kept('shop-ml_last_times-SharedSpace-0', 'new ndcg@10'):.4f}",
    "MovieLens times recall@10": lambda: f"{kept('shop-ml_last_times-SharedSpace-0', 'new recall@10'):.4f}",
    "new items Beauty": lambda: _new_items("beauty", AMONG, ".3f"),
    "new items Beauty, times content": lambda: f"{_new_items('beauty', TIMES, '.2f')} times",
    "new items MovieLens": lambda: _new_items("ml1m", AMONG, ".3f"),
    "new items MovieLens, times content": lambda: f"{_new_items('ml1m', TIMES, '.2f')} times",
    "strangers": lambda: _strangers("ratio"),
    "strangers, standard error": lambda: _strangers("standard_error_of_ratio"),
    "missing Beauty": lambda: f"{runs('missing-beauty-0.json')[0]['kept']:.1%}",
    "missing MovieLens": lambda: f"{runs('missing-ml1m-0.json')[0]['kept']:.1%}",
    "training speed": lambda: f"{runs('speed.json')[0]['speed']['dim 64']['times']:.1f} times",
    "Online Retail": lambda: spread("shop-retail-SharedSpace-[0-9].json", "new ndcg@10"),
    "Online Retail, repeats": lambda: spread("shop-retail-SharedSpace-[0-9].json", "all ndcg@10"),
    "MovieLens by time": lambda: spread("shop-ml_time-SharedSpace-[0-9].json", "new ndcg@10"),
    "last click": lambda: f"{kept('shop-synthetic_last-SharedSpace-0', 'new ndcg@10'):.3f}",
    "last click, next": lambda: f"{kept('shop-synthetic_last-SharedSpace-next-0', 'new ndcg@10'):.3f}",
    "last click, TwoTower": lambda: f"{kept('shop-synthetic_last-TwoTower-0', 'new ndcg@10'):.3f}",
    "by time": lambda: f"{kept('shop-synthetic_time-SharedSpace-0', 'new ndcg@10'):.3f}",
    "by time, NCF": lambda: f"{kept('shop-synthetic_time-NCF-0', 'new ndcg@10'):.3f}",
    "notebook": lambda: f"{kept('notebook-online_retail', 'ndcg@10', 'SharedSpace', 'new'):.3f}",
    "notebook, repeats": lambda: f"{kept('notebook-online_retail', 'ndcg@10', 'SharedSpace', 'new and repeats'):.3f}",
    "titles a second": lambda: _times("texts", "mmreco", "sentence_transformers"),
    "photos a second": lambda: _times("jpegs_1000", "mmreco", "plain_loop"),
    "exact, one": lambda: _exact(1),
    "exact, 64": lambda: _exact(64),
    "Chinese over English": lambda: f"{kept('search-synthetic', *LANGUAGES, 'chinese over english, words'):.2f}",
    "product search": lambda: f"{kept('search-products', 'search_products', 'catalogue both'):.3f}",
}

SECONDS: dict[str, Callable[[], str]] = {
    "Beauty": lambda: seconds("beauty-*.json"),
    "Online Retail": lambda: _range("shop-retail-SharedSpace-[0-9].json", "fit_seconds"),
    "MovieLens by time": lambda: _range("shop-ml_time-SharedSpace-[0-9].json", "fit_seconds"),
    "MovieLens times": lambda: f"{kept('shop-ml_last_times-SharedSpace-0', 'fit_seconds'):,.0f} s",
    "new items": lambda: seconds("cold-beauty-0.json"),
    "new films": lambda: seconds("cold-ml1m-0.json"),
    "strangers": lambda: seconds("strangers-beauty-*.json"),
    "missing": lambda: seconds("missing-beauty-0.json"),
    "missing MovieLens": lambda: f"{round(kept('missing-ml1m-0', 'seconds'), -2):,.0f} s",
    "product search": lambda: f"{kept('search-products', 'seconds'):.0f} s",
    "languages": lambda: f"{kept('search-synthetic', 'seconds'):.0f} s",
    "training": lambda: f"{sum(kept('speed', *PACE, who, 'seconds_a_pass') for who in ('ours', 'plain')) * 20:.0f} s",
    "embedding": lambda: f"{kept('embedding', 'seconds'):.0f} s",
    "exact": lambda: f"{kept('search-vectors', 'seconds'):.0f} s",
    "notebook": lambda: f"{kept('notebook-online_retail', 'seconds'):.0f} s",
}
BESIDE: dict[str, Callable[[], str]] = {  # what stands beside it; figures of papers are in sources.py
    "EASE, retail": lambda: f"{kept('shop-retail-EASE-0', 'new ndcg@10'):.3f}",
    "EASE, retail, repeats": lambda: f"{kept('shop-retail-EASE-0', 'all ndcg@10'):.3f}",
    "UserKNN by time": lambda: f"{kept('compare-ml1m', 'temporal', 'models', 'UserKNN', 'ndcg@10'):.3f}",
    "titles by TF-IDF": lambda: f"{kept('cold-beauty-0', 'content_neighbours', 'titles by TF-IDF'):.3f}",
    "content of films": lambda: f"{max(runs('cold-ml1m-0.json')[0]['content_neighbours'].values()):.3f}",
    "words alone": lambda: f"{kept('search-products', 'search_products', 'catalogue words'):.3f}",
    "multilingual alone": lambda: f"{kept('search-synthetic', *LANGUAGES, 'chinese over english, multilingual'):.2f}",
    "known items lose, Beauty": lambda: f"{kept('cold-beauty-0', 'known_items_lose'):.1%}",
    "new items among all, Beauty": lambda: f"{kept('cold-beauty-0', 'recall@10 of new items among all'):.1%}",
    "known items lose, MovieLens": lambda: f"{kept('cold-ml1m-0', 'known_items_lose'):.1%}",
    "FAISS": lambda: "1",
}


if __name__ == "__main__":
    for name, figure in (*FIGURES.items(), *SECONDS.items(), *BESIDE.items()):
        print(f"{name}: {figure()}")
