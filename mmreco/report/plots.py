"""Plots: SVG that is drawn in the page's own colours, and said in words for who cannot see it."""

import html
import math
from collections.abc import Mapping, Sequence

from mmreco.errors import DataError

__all__ = ["curves", "scatter", "whiskers"]

_LABEL = 44.0  # points between the middles of two labels
_INKS = 6  # colours of curves, named in the page's style


def curves(lines: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str) -> str:
    """One curve a name over common axes, as SVG; each is named where it ends.

    Raises
    ------
    DataError
        There is no point to draw.
    """
    points = [point for line in lines.values() for point in line]
    if not points:
        raise DataError("curves: no points; expected at least one line with one point")
    low, high = min(p[0] for p in points), max(p[0] for p in points)
    step = _step(max(p[1] for p in points))
    top = step * max(1, math.ceil(max(p[1] for p in points) / step - 1e-9))
    left, right, bottom, above = 52, 470, 224, 26

    def at(point: tuple[float, float]) -> tuple[float, float]:
        share = (point[0] - low) / (high - low) if high > low else 0.5
        return left + share * (right - left), bottom - point[1] / top * (bottom - above)

    parts = []
    for tick in range(round(top / step) + 1):
        height = at((low, tick * step))[1]
        parts.append(f'<line class="axis" x1="{left}" y1="{height:.1f}" x2="{right}" y2="{height:.1f}"/>')
        parts.append(f'<text x="{left - 8}" y="{height + 4:.1f}" text-anchor="end">{tick * step:,g}</text>')
    last = -math.inf
    for value in sorted({p[0] for p in points}):
        place = at((value, 0))[0]
        if place - last >= _LABEL:
            parts.append(f'<text x="{place:.1f}" y="{bottom + 18}" text-anchor="middle">{value:g}</text>')
            last = place
    parts.append(f'<text x="{(left + right) / 2}" y="{bottom + 36}" text-anchor="middle">{_text(x)}</text>')
    parts.append(f'<text x="0" y="{above - 14}">{_text(y)}</text>')
    ends = _apart([at(line[-1])[1] if line else bottom for line in lines.values()])
    for number, ((name, line), end) in enumerate(zip(lines.items(), ends, strict=True)):
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in map(at, line))
        dots = "".join(
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3"><title>{_text(name)}: {p[1]:.4g} at {p[0]:g}</title></circle>'
            for p, (px, py) in zip(line, map(at, line), strict=True)
        )
        said = f'<text class="end" x="{right + 12}" y="{end + 4:.1f}">{_text(name)}</text>'
        parts.append(f'<g class="c{number % _INKS}"><polyline points="{path}"/>{dots}{said}</g>')
    label = _text(f"{y} by {x}: {', '.join(lines)}")
    return f'<svg viewBox="0 0 600 268" width="600" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def scatter(dots: Mapping[str, tuple[float, float]], *, x: str, y: str) -> str:
    """One dot a name, named at the right side by a line that leads to it, as SVG.

    Raises
    ------
    DataError
        There is no dot to draw.
    """
    if not dots:
        raise DataError("scatter: no dots; expected one at least")
    wide, high = _scale([p[0] for p in dots.values()]), _scale([p[1] for p in dots.values()])
    left, right, above = 52, 420, 26
    bottom = max(224, above + 16 * len(dots))

    def at(point: tuple[float, float]) -> tuple[float, float]:
        return left + point[0] / wide[-1] * (right - left), bottom - point[1] / high[-1] * (bottom - above)

    parts = []
    for tick in high:
        height = at((0, tick))[1]
        parts.append(f'<line class="axis" x1="{left}" y1="{height:.1f}" x2="{right}" y2="{height:.1f}"/>')
        parts.append(f'<text x="{left - 8}" y="{height + 4:.1f}" text-anchor="end">{tick:.4g}</text>')
    parts += [
        f'<text x="{at((tick, 0))[0]:.1f}" y="{bottom + 18}" text-anchor="middle">{tick:.4g}</text>' for tick in wide
    ]
    parts.append(f'<text x="{(left + right) / 2}" y="{bottom + 36}" text-anchor="middle">{_text(x)}</text>')
    parts.append(f'<text x="0" y="{above - 14}">{_text(y)}</text>')
    ends = _apart([at(point)[1] for point in dots.values()], most=bottom)
    for number, ((name, point), end) in enumerate(zip(dots.items(), ends, strict=True)):
        px, py = at(point)
        told = f"<title>{_text(name)}: {point[1]:.4g} at {point[0]:.4g}</title>"
        parts.append(
            f'<g class="c{number % _INKS}">'
            f'<line class="leader" x1="{px:.1f}" y1="{py:.1f}" x2="{right + 8}" y2="{end:.1f}"/>'
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4">{told}</circle>'
            f'<text class="end" x="{right + 12}" y="{end + 4:.1f}">{_text(name)}</text></g>'
        )
    label = _text(f"{y} against {x}: {', '.join(dots)}")
    return f'<svg viewBox="0 0 600 {bottom + 44}" width="600" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def whiskers(lines: Mapping[str, tuple[float, float, float]], *, x: str) -> str:
    """One line a name: a dot where the figure is, and a whisker from the lower to the upper end of its interval.

    Parameters
    ----------
    lines : name to lower end, figure, upper end
    x : what is measured

    Raises
    ------
    DataError
        There is no line to draw.
    """
    if not lines:
        raise DataError("whiskers: no lines; expected one at least")
    ticks = _scale([end for line in lines.values() for end in line])
    left, right, step = 150, 580, 22
    bottom = 8 + step * len(lines)

    def at(value: float) -> float:
        return left + value / ticks[-1] * (right - left)

    parts = []
    for tick in ticks:
        parts.append(f'<line class="axis" x1="{at(tick):.1f}" y1="0" x2="{at(tick):.1f}" y2="{bottom}"/>')
        parts.append(f'<text x="{at(tick):.1f}" y="{bottom + 18}" text-anchor="middle">{tick:.4g}</text>')
    parts.append(f'<text x="{(left + right) / 2}" y="{bottom + 36}" text-anchor="middle">{_text(x)}</text>')
    for number, (name, (low, middle, high)) in enumerate(lines.items()):
        y = 4 + step * (number + 0.5)
        told = f"<title>{_text(name)}: {middle:.4g}, {low:.4g} to {high:.4g}</title>"
        parts.append(
            f'<g class="c0"><text x="{left - 10}" y="{y + 4:.1f}" text-anchor="end">{_text(name)}</text>'
            f'<line class="whisker" x1="{at(low):.1f}" y1="{y:.1f}" x2="{at(high):.1f}" y2="{y:.1f}"/>'
            f'<circle cx="{at(middle):.1f}" cy="{y:.1f}" r="4">{told}</circle></g>'
        )
    label = _text(f"{x}, with intervals: {', '.join(lines)}")
    return f'<svg viewBox="0 0 600 {bottom + 44}" width="600" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _text(words: str) -> str:
    return html.escape(words, quote=True)


def _scale(values: Sequence[float]) -> list[float]:
    """Round numbers from 0 to the largest of `values` or a little beyond, about five."""
    step = _step(max(values))
    return [step * tick for tick in range(max(1, math.ceil(max(values) / step - 1e-9)) + 1)]


def _step(high: float) -> float:
    """A round number that parts `high` into about five."""
    if high <= 0:
        return 1.0
    size: float = 10.0 ** math.floor(math.log10(high / 5))
    return next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= high / 5)


def _apart(heights: Sequence[float], least: float = 16.0, most: float = math.inf) -> list[float]:
    """Heights of labels, moved down until none lies on another, and up again where they would pass `most`."""
    out = list(heights)
    last = -math.inf
    for number in sorted(range(len(out)), key=lambda n: heights[n]):
        last = out[number] = max(out[number], last + least)
    for number in sorted(range(len(out)), key=lambda n: -out[n]):
        most = out[number] = min(out[number], most)
        most -= least
    return out
