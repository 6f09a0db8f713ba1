"""Reports: one HTML file that holds everything it shows, readable in light and dark, on paper and by screen readers.

Blocks are functions that answer a piece of HTML; `page` joins them. A `Gallery` keeps each picture once, however
often it is shown.
"""

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmreco.encoders.pictures import open_picture
from mmreco.errors import DataError

__all__ = ["Card", "Gallery", "curves", "heading", "metrics_table", "page", "prose", "row"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1b19; --soft: #6b675f; --line: #d9d4ca; --paper: #fbfaf7; --card: #fff;
  --accent: #9c3b2e; }
@media (prefers-color-scheme: dark) { :root { --ink: #eae6dd; --soft: #a39d91; --line: #3a3732; --paper: #191815;
  --card: #23211d; --accent: #e08a75; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 3rem 1.5rem 5rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 "Inter", "Helvetica Neue", "Noto Sans", "Noto Sans CJK SC", "PingFang SC", sans-serif; }
h1 { font-size: 2.1rem; line-height: 1.15; margin: 0 0 .4rem; letter-spacing: -.02em; }
h2 { font-size: 1.3rem; margin: 3rem 0 .4rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
p { max-width: 46rem; margin: .4rem 0 .8rem; color: var(--soft); }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem 1.1rem .4rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
th { font-weight: 600; color: var(--soft); font-size: .85rem; }
td.best { font-weight: 700; color: var(--accent); }
.row { display: flex; gap: .6rem; overflow-x: auto; padding: .4rem 0 .8rem; }
.card { flex: 0 0 7rem; margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  overflow: hidden; font-size: .74rem; line-height: 1.3; }
.shot { display: block; width: 100%; aspect-ratio: 1; background: var(--line) center/cover no-repeat; }
.shot.none { display: grid; place-items: center; color: var(--soft); }
figcaption { padding: .4rem .5rem .5rem; }
.note { display: block; color: var(--soft); }
svg { max-width: 100%; height: auto; margin: 1rem 0; }
svg text { fill: var(--soft); font-size: 12px; }
svg .axis { stroke: var(--line); }
"""
_INKS = ("#9c3b2e", "#3f6f8f", "#8a7a3a", "#5d7f4e", "#7a5a8c", "#4f5b66")


@dataclass(frozen=True)
class Card:
    """One item as it is shown: its picture if it has one, its title and a note below."""

    picture: Path | None
    title: str
    note: str = ""


@dataclass
class Gallery:
    """The pictures of a page, each held once as a small JPEG.

    Parameters
    ----------
    size : pixels, optional
        Of the longer side.
    """

    size: int = 112
    _known: dict[Path, str] = field(default_factory=dict)
    _rules: list[str] = field(default_factory=list)

    def name(self, picture: Path) -> str | None:
        """The class of the picture in the page's style; None for a picture that cannot be read."""
        if picture not in self._known:
            try:
                opened = open_picture(picture, size=self.size)
            except DataError:
                return None
            opened.thumbnail((self.size, self.size))
            written = io.BytesIO()
            opened.save(written, "JPEG", quality=80)
            data = base64.b64encode(written.getvalue()).decode()
            self._known[picture] = f"s{len(self._known)}"
            self._rules.append(f".{self._known[picture]}{{background-image:url(data:image/jpeg;base64,{data})}}")
        return self._known[picture]

    def style(self) -> str:
        """The rules that hold the pictures."""
        return "\n".join(self._rules)


def page(title: str, blocks: Iterable[str], gallery: Gallery | None = None) -> str:
    """The whole document; it asks for nothing from outside."""
    body = "\n".join(blocks)
    pictures = gallery.style() if gallery else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}\n{pictures}</style>\n</head>\n"
        f"<body>\n<h1>{html.escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def heading(text: str, *, level: int = 2) -> str:
    """A heading of this level."""
    return f"<h{level}>{html.escape(text)}</h{level}>"


def prose(text: str) -> str:
    """A paragraph."""
    return f"<p>{html.escape(text)}</p>"


def metrics_table(models: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> str:
    """A line a model, a column a metric; the best of each column stands out."""
    best = {name: max(figures[name] for figures in models.values()) for name in names}
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("model", *names))
    lines = []
    for model, figures in models.items():
        cells = "".join(
            f'<td class="{"best" if figures[name] == best[name] else ""}">{figures[name]:.4f}</td>' for name in names
        )
        lines.append(f"<tr><td>{html.escape(model)}</td>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def row(cards: Iterable[Card], gallery: Gallery) -> str:
    """Items side by side."""
    shown = []
    for card in cards:
        name = gallery.name(card.picture) if card.picture else None
        title = html.escape(card.title)
        shot = (
            f'<span class="shot {name}" role="img" aria-label="{title}"></span>'
            if name
            else '<span class="shot none">no picture</span>'
        )
        note = f'<span class="note">{html.escape(card.note)}</span>' if card.note else ""
        shown.append(f'<figure class="card">{shot}<figcaption>{title}{note}</figcaption></figure>')
    return f'<div class="row">{"".join(shown)}</div>'


def curves(lines: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str) -> str:
    """One curve a name over common axes, as SVG with its legend.

    Raises
    ------
    DataError
        There is no point to draw.
    """
    points = [point for line in lines.values() for point in line]
    if not points:
        raise DataError("curves: no points; expected at least one line with one point")
    low, high = min(p[0] for p in points), max(p[0] for p in points)
    top = max(p[1] for p in points) * 1.08 or 1.0
    left, right, bottom, above = 60, 520, 250, 16

    def at(point: tuple[float, float]) -> tuple[float, float]:
        share = (point[0] - low) / (high - low) if high > low else 0.5
        return left + share * (right - left), bottom - point[1] / top * (bottom - above)

    parts = [f'<line class="axis" x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}"/>']
    for tick in range(5):
        value = top * tick / 4
        _, height = at((low, value))
        parts.append(f'<line class="axis" x1="{left}" y1="{height:.1f}" x2="{right}" y2="{height:.1f}"/>')
        parts.append(f'<text x="{left - 8}" y="{height + 4:.1f}" text-anchor="end">{value:.3f}</text>')
    parts += [
        f'<text x="{at((value, 0))[0]:.1f}" y="{bottom + 18}" text-anchor="middle">{value:g}</text>'
        for value in sorted({p[0] for p in points})
    ]
    parts.append(f'<text x="{(left + right) / 2}" y="{bottom + 38}" text-anchor="middle">{html.escape(x)}</text>')
    parts.append(f'<text x="{left}" y="{above - 4}" text-anchor="start">{html.escape(y)}</text>')
    for number, (name, line) in enumerate(lines.items()):
        ink = _INKS[number % len(_INKS)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in map(at, line))
        parts.append(f'<polyline fill="none" stroke="{ink}" stroke-width="2" points="{path}"/>')
        parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{ink}"/>' for px, py in map(at, line)]
        height = above + 10 + 20 * number
        parts.append(f'<circle cx="{right + 24}" cy="{height}" r="5" fill="{ink}"/>')
        parts.append(f'<text x="{right + 36}" y="{height + 4}">{html.escape(name)}</text>')
    label = html.escape(f"{y} by {x}: {', '.join(lines)}")
    return f'<svg viewBox="0 0 680 296" width="680" role="img" aria-label="{label}">{"".join(parts)}</svg>'
