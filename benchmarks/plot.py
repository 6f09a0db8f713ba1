"""Recall against queries a second, drawn from a run of `test_approximate.py`.

Usage: python benchmarks/plot.py .benchmarks/*/0001_*.json [--out docs/plots]
"""

import argparse
import json
from pathlib import Path

from mmreco.report.plots import curves

INKS = ("#2563a8", "#b5532a", "#3d7a4a", "#7a4b94")
STYLE = (
    "text { font: 12px sans-serif; fill: #444 } .axis { stroke: #ddd } polyline { fill: none; stroke-width: 2 }"
    + "".join(
        f" .c{n} polyline, .c{n} circle {{ stroke: {ink} }} .c{n} circle, .c{n} text {{ fill: {ink} }}"
        for n, ink in enumerate(INKS)
    )
)  # a page has its own; a file stands alone


def main() -> None:
    """One picture for each number of items."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, help="what `make bench` saved")
    parser.add_argument("--out", type=Path, default=Path("docs/plots"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for bench in json.loads(asked.run.read_text(encoding="utf-8"))["benchmarks"]:
        noted = bench["extra_info"]
        lines = {
            name.removeprefix("curve "): [(recall, queries) for recall, queries in points]
            for name, points in noted.items()
            if name.startswith("curve ")
        }
        if lines:
            path = asked.out / f"recall-{bench['param']}.svg"
            drawn = curves(lines, x="recall@10", y="queries a second")
            alone = drawn.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1).replace(
                ">", f"><style>{STYLE}</style>", 1
            )
            path.write_text(alone, encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main()
