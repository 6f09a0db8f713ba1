"""Pages: one HTML file that holds everything it shows, readable in light and dark, on paper and by screen readers.

Blocks are functions that answer a piece of HTML; `page` joins them. A `Gallery` keeps each picture once, however
often it is shown. All text is escaped; nothing is asked for from outside, which the page's own policy enforces.
"""

import base64
import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmreco.encoders.image.decoding import open_picture
from mmreco.errors import DataError

__all__ = [
    "Card",
    "Gallery",
    "chips",
    "heading",
    "metrics_table",
    "mosaic",
    "page",
    "prose",
    "row",
    "sentences",
    "table",
    "tiles",
]

_STYLE = """
:root { color-scheme: light dark; --ink: #1d1b18; --soft: #6b665d; --line: #e0dbd0; --paper: #faf8f4; --card: #fff;
  --accent: #a8402f; --c0: #b8442f; --c1: #2f6f9a; --c2: #8a7426; --c3: #4d7f45; --c4: #7b5594; --c5: #55616b; }
@media (prefers-color-scheme: dark) { :root { --ink: #ece8df; --soft: #a59f93; --line: #37342f; --paper: #171614;
  --card: #211f1c; --accent: #ee8f78; --c0: #ee8a72; --c1: #72b1da; --c2: #d0b75c; --c3: #8fc084; --c4: #bf9ad6;
  --c5: #a5b2bd; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 3.5rem 1.5rem 6rem; background: var(--paper); color: var(--ink);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", "Noto Sans", "PingFang SC", "Hiragino Sans GB",
  "Microsoft YaHei", "Noto Sans CJK SC", "WenQuanYi Zen Hei", sans-serif; -webkit-text-size-adjust: 100%; }
h1 { font-size: clamp(1.9rem, 4.5vw, 2.9rem); line-height: 1.1; margin: 0; letter-spacing: -.025em;
  text-wrap: balance; }
h2 { font-size: 1.45rem; line-height: 1.25; margin: 4rem 0 .5rem; letter-spacing: -.012em; }
h3 { font-size: 1.05rem; margin: 2.2rem 0 .4rem; }
.gloss { color: var(--soft); font-weight: 400; margin-left: .5em; }
p { max-width: 44rem; margin: .4rem 0 .9rem; color: var(--soft); }
.lead { font-size: 1.15rem; margin: .9rem 0 1.6rem; }
.label { margin: .9rem 0 .3rem; font-size: .8rem; font-weight: 600; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1.2rem 2rem;
  margin: 2.2rem 0; }
.tile { display: flex; flex-direction: column; border-top: 2px solid var(--ink); padding-top: .6rem; }
.tile dt { font-size: .84rem; line-height: 1.35; }
.tile dd { order: -1; margin: 0; font-size: 2.1rem; line-height: 1.15; letter-spacing: -.02em; font-weight: 650;
  font-variant-numeric: tabular-nums; }
.tile dd.against { order: 1; font-size: .8rem; line-height: 1.35; font-weight: 400; letter-spacing: 0;
  color: var(--soft); }
.chips { display: flex; flex-wrap: wrap; gap: .35rem; margin: .2rem 0 .6rem; padding: 0; list-style: none;
  font-size: .8rem; }
.chips li { padding: .1rem .6rem; border: 1px solid var(--line); border-radius: 1rem; background: var(--card); }
.chips li.label { border-color: transparent; background: none; margin: 0; padding-left: 0; color: var(--soft); }
table { border-collapse: collapse; margin: 1.2rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); font-size: .84rem; padding-bottom: .4rem; }
th, td { padding: .45rem 0 .45rem 2rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child { text-align: left; padding-left: 0; }
thead th { font-weight: 500; color: var(--soft); font-size: .84rem; }
tbody th { font-weight: 600; }
td.best { font-weight: 700; color: var(--accent); }
.mosaic { display: grid; grid-template-columns: repeat(14, 1fr); gap: 3px; border-radius: .6rem;
  overflow: hidden; }
.row { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(7rem, 1fr); gap: .6rem; overflow-x: auto;
  padding: .1rem 0 .6rem; }
.card { position: relative; margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .55rem;
  overflow: hidden; font-size: .75rem; line-height: 1.35; }
.card.strong { border-color: var(--accent); box-shadow: 0 0 0 1px var(--accent); }
.shot { display: block; width: 100%; aspect-ratio: 1; background: var(--line) center/cover no-repeat;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.shot.none { display: grid; place-items: center; color: var(--soft); font-size: .72rem; }
.badge { position: absolute; top: .35rem; left: .35rem; padding: .05rem .45rem; border-radius: .8rem; font-size: .66rem;
  font-weight: 600; background: var(--paper); color: var(--ink); border: 1px solid var(--line); }
.strong .badge { background: var(--accent); border-color: var(--accent); color: var(--paper); }
figcaption { padding: .4rem .55rem .5rem; }
.name { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
.note { display: block; color: var(--soft); font-variant-numeric: tabular-nums; }
svg { display: block; max-width: 100%; height: auto; margin: 1.2rem 0; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
svg .axis { stroke: var(--line); }
svg polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
.c0 { --ink-of: var(--c0); } .c1 { --ink-of: var(--c1); } .c2 { --ink-of: var(--c2); } .c3 { --ink-of: var(--c3); }
.c4 { --ink-of: var(--c4); } .c5 { --ink-of: var(--c5); }
svg g polyline { stroke: var(--ink-of); } svg g circle, svg g .end { fill: var(--ink-of); font-weight: 600; }
.said { max-width: 46rem; margin: .4rem 0 1rem; padding-left: 1.1rem; color: var(--soft); }
svg .leader, svg .whisker { stroke: var(--ink-of); } svg .leader { opacity: .35; } svg .whisker { stroke-width: 2; }
.wide { overflow-x: auto; }
@media (max-width: 46rem) { .mosaic { grid-template-columns: repeat(7, 1fr); } th, td { padding-left: 1rem; }
  body { padding-top: 2rem; } }
@media print { .row { grid-auto-columns: 1fr; overflow: visible; } h2, h3 { break-after: avoid; }
  .card { break-inside: avoid; } }
"""
_HAN = re.compile(r"[\u3400-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]")


@dataclass(frozen=True)
class Card:
    """One item as it is shown.

    Parameters
    ----------
    picture : path, or None where the item has none
    title : optional
    note : below the title, optional
    badge : a word on the picture, optional
    strong : optional
        Whether the card stands out, e.g. an answer that came true.
    """

    picture: Path | None
    title: str
    note: str = ""
    badge: str = ""
    strong: bool = False


@dataclass
class Gallery:
    """The pictures of a page, each held once as a small JPEG.

    Parameters
    ----------
    size : pixels, optional
        Of the longer side.
    """

    size: int = 128
    _known: dict[Path, str | None] = field(default_factory=dict)
    _rules: list[str] = field(default_factory=list)

    def name(self, picture: Path) -> str | None:
        """The class of the picture in the page's style; None for a picture that cannot be read."""
        if picture not in self._known:
            self._known[picture] = self._kept(picture)
        return self._known[picture]

    def style(self) -> str:
        """The rules that hold the pictures."""
        return "\n".join(self._rules)

    def _kept(self, picture: Path) -> str | None:
        try:
            opened = open_picture(picture, size=self.size)
        except DataError:
            return None
        opened.thumbnail((self.size, self.size))
        written = io.BytesIO()
        opened.save(written, "JPEG", quality=80, optimize=True)
        name = f"s{len(self._rules)}"
        data = base64.b64encode(written.getvalue()).decode()
        self._rules.append(f".{name}{{background-image:url(data:image/jpeg;base64,{data})}}")
        return name


def page(
    title: str, blocks: Iterable[str], gallery: Gallery | None = None, *, lead: str = "", language: str = "en"
) -> str:
    """The whole document; it asks for nothing from outside.

    Parameters
    ----------
    title : the heading, and what a browser's tab says
    blocks : HTML, as the functions of this module answer it
    gallery : the one the blocks were made with, where they show pictures
    lead : a line below the title, optional
    language : of the page, as in HTML's `lang`
    """
    body = "\n".join(blocks)
    pictures = gallery.style() if gallery else ""
    below = f'<p class="lead">{_text(lead)}</p>' if lead else ""
    return (
        f'<!doctype html>\n<html lang="{html.escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}\n{pictures}</style>\n</head>\n"
        f"<body>\n<header><h1>{_text(title)}</h1>{below}</header>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def heading(text: str, *, level: int = 2, gloss: str = "") -> str:
    """A heading of this level; `gloss` says it again in a second language."""
    also = f' <span class="gloss"{_language(gloss)}>{_text(gloss)}</span>' if gloss else ""
    return f"<h{level}{_language(text)}>{_text(text)}{also}</h{level}>"


def prose(text: str) -> str:
    """A paragraph."""
    return f"<p{_language(text)}>{_text(text)}</p>"


def tiles(figures: Iterable[tuple[str, str, str]]) -> str:
    """The figures that matter most, large: a value, what it is, and what it is to be held against."""
    shown = "".join(
        f'<div class="tile"><dt>{_text(what)}</dt><dd>{_text(value)}</dd>'
        f'<dd class="against">{_text(against)}</dd></div>'
        for value, what, against in figures
    )
    return f'<dl class="tiles">{shown}</dl>'


def chips(words: Iterable[str], *, label: str = "") -> str:
    """Short facts side by side."""
    shown = "".join(f"<li>{_text(word)}</li>" for word in words)
    before = f'<li class="label">{_text(label)}</li>' if label else ""
    return f'<ul class="chips">{before}{shown}</ul>'


def table(
    head: Sequence[str], lines: Sequence[Sequence[str]], *, strong: Iterable[tuple[int, int]] = (), caption: str = ""
) -> str:
    """Words in lines and columns; the first of a line is its name, and the `strong` places (line, column) stand out."""
    standing = set(strong)
    top = "".join(f'<th scope="col">{_text(name)}</th>' for name in head)
    written = []
    for number, (name, *cells) in enumerate(lines):
        shown = "".join(
            f"<td{' class=best' if (number, column) in standing else ''}>{_text(cell)}</td>"
            for column, cell in enumerate(cells, start=1)
        )
        written.append(f'<tr><th scope="row">{_text(name)}</th>{shown}</tr>')
    said = f"<caption>{_text(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table>{said}<thead><tr>{top}</tr></thead><tbody>{"".join(written)}</tbody></table></div>'
    )


def sentences(said: Iterable[str]) -> str:
    """Sentences, one below the other."""
    return f'<ul class="said">{"".join(f"<li>{_text(one)}</li>" for one in said)}</ul>'


def metrics_table(models: Mapping[str, Mapping[str, float]], names: Sequence[str], *, caption: str = "") -> str:
    """A line a model, a column a metric; the best of each column stands out."""
    best = {name: max(figures[name] for figures in models.values()) for name in names}
    lines = [[model, *(f"{figures[name]:.4f}" for name in names)] for model, figures in models.items()]
    strong = [
        (line, column)
        for line, figures in enumerate(models.values())
        for column, name in enumerate(names, start=1)
        if figures[name] == best[name]
    ]
    return table(["model", *names], lines, strong=strong, caption=caption)


def mosaic(pictures: Iterable[tuple[Path, str]], gallery: Gallery) -> str:
    """Pictures edge to edge in rows of fourteen, each with the words that stand for it."""
    shown = [_shot(path, title, gallery) for path, title in pictures]
    return f'<div class="mosaic">{"".join(shown)}</div>'


def row(cards: Iterable[Card], gallery: Gallery, *, label: str = "") -> str:
    """Items side by side, with what they are in front."""
    shown = []
    for card in cards:
        title = _text(card.title)
        note = f'<span class="note">{_text(card.note)}</span>' if card.note else ""
        badge = f'<span class="badge">{_text(card.badge)}</span>' if card.badge else ""
        shown.append(
            f'<figure class="card{" strong" if card.strong else ""}" title="{title}">'
            f"{_shot(card.picture, card.title, gallery)}{badge}"
            f'<figcaption><span class="name"{_language(card.title)}>{title}</span>{note}</figcaption></figure>'
        )
    said = f'<p class="label">{_text(label)}</p>' if label else ""
    return f'{said}<div class="row">{"".join(shown)}</div>'


def _shot(picture: Path | None, title: str, gallery: Gallery) -> str:
    name = gallery.name(picture) if picture else None
    if name is None:
        return '<span class="shot none">no picture</span>'
    return f'<span class="shot {name}" role="img" aria-label="{_text(title)}"></span>'


def _text(words: str) -> str:
    return html.escape(words, quote=True)


def _language(words: str) -> str:
    """What a screen reader must know of words in Chinese alone."""
    return ' lang="zh-Hans"' if _HAN.search(words) and not _LATIN.search(words) else ""
