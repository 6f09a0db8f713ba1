"""The plots of docs/plots, light and dark: quality, cost, and recall against queries a second.

    python benchmarks/plot.py                             # quality and cost, from what benchmarks/figures.py reads
    python benchmarks/plot.py .benchmarks/*/0001_*.json   # recall, from what `make bench` saved

An SVG follows the reader's colour scheme. `tests/test_figures.py` compares the first two with the result files.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from mmreco.report.plots import curves

HERE = Path(__file__).parent
INKS = (("#2563a8", "#7db3ec"), ("#b5532a", "#e8936b"), ("#3d7a4a", "#86c894"), ("#7a4b94", "#c39bdb"))
GREY, OURS = ("#9aa5b1", "#6b7683"), ("#2563a8", "#7db3ec")


def style(light: bool) -> str:
    """The rules of one colour scheme."""
    ink = 0 if light else 1
    rules = [
        "text { fill: " + ("#444" if light else "#ccc") + " } .axis { stroke: " + ("#ddd" if light else "#444") + " }"
    ]
    rules += [
        f".c{n} polyline, .c{n} circle {{ stroke: {pair[ink]} }} .c{n} circle, .c{n} text {{ fill: {pair[ink]} }}"
        for n, pair in enumerate(INKS)
    ]
    rules += [f".grey {{ fill: {GREY[ink]} }} .ours {{ fill: {OURS[ink]} }}"]
    return " ".join(rules)


STYLE = (
    "text { font: 12px sans-serif } polyline { fill: none; stroke-width: 2 } "
    f"{style(True)} @media (prefers-color-scheme: dark) {{ {style(False)} }}"
)  # a page has its own; a file stands alone


def standing_alone(drawn: str) -> str:
    """An SVG of a page as a file of its own."""
    named = drawn.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return named.replace(">", f"><style>{STYLE}</style>", 1)


def bars(title: str, rows: Sequence[tuple[str, float, bool]], form: str = ".4f") -> str:
    """Horizontal bars, a row each: its name, its value, and whether it is ours."""
    most, height = max(value for _, value, _ in rows), 24
    parts = [f'<text x="0" y="14" font-weight="bold">{escape(title)}</text>']
    for row, (name, value, ours) in enumerate(rows):
        y = 26 + row * height
        width = 280 * value / most
        parts.append(f'<text x="222" y="{y + 14}" text-anchor="end">{escape(name)}</text>')
        kind = "ours" if ours else "grey"
        parts.append(f'<rect class="{kind}" x="230" y="{y}" width="{width:.1f}" height="18" rx="2"/>')
        parts.append(f'<text x="{236 + width:.1f}" y="{y + 14}">{value:{form}}</text>')
    end = 30 + len(rows) * height
    label = escape("; ".join(f"{name} {value:{form}}" for name, value, _ in rows))
    opening = f'<svg viewBox="0 0 580 {end}" width="580" role="img" aria-label="{escape(title)}: {label}">'
    return f"{opening}{''.join(parts)}</svg>"


def quality() -> str:
    """NDCG@10 of Beauty by the strict protocol, beside the published figures."""
    sys.path.insert(0, str(HERE / "quality"))
    from table import PUBLISHED

    runs: list[Any] = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((HERE / "quality" / "results").glob("beauty-*.json"))
    ]
    rows = [
        (f"{who}", figures[3], False) for who, convention, figures, _ in PUBLISHED["beauty"] if convention == "strict"
    ]
    rows.append(("mmreco SharedSpace", float(np.mean([run["strict"]["ndcg@10"] for run in runs])), True))
    rows.sort(key=lambda row: row[1])
    return standing_alone(bars("Amazon Beauty, strict protocol, NDCG@10", rows))


def cost() -> str:
    """How many times as fast as the usual way, the way of the others being 1."""
    sys.path.insert(0, str(HERE))
    from figures import FIGURES

    rows = [("the usual way", 1.0, False)]
    rows += [
        (label, float(FIGURES[name]().split()[0]), True)
        for label, name in (
            ("titles, MiniLM (plain loop)", "titles a second"),
            ("exact search, 64 queries (FAISS)", "exact, 64"),
            ("photos, SqueezeNet (plain loop)", "photos a second"),
            ("training, ids (padded loop)", "training speed"),
        )
    ]
    return standing_alone(bars("Times as fast as the usual way", rows, ".2f"))


def main() -> None:
    """The plots of quality and cost, or one picture for each number of items of a run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, nargs="?", help="what `make bench` saved")
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "plots")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.run is None:
        (asked.out / "quality-beauty.svg").write_text(quality(), encoding="utf-8")
        (asked.out / "cost.svg").write_text(cost(), encoding="utf-8")
        return
    for bench in json.loads(asked.run.read_text(encoding="utf-8"))["benchmarks"]:
        noted = bench["extra_info"]
        lines = {
            name.removeprefix("curve "): [(recall, queries) for recall, queries in points]
            for name, points in noted.items()
            if name.startswith("curve ")
        }
        if lines:
            path = asked.out / f"recall-{bench['param']}.svg"
            path.write_text(standing_alone(curves(lines, x="recall@10", y="queries a second")), encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main()
