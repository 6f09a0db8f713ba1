"""A comparison of models as a page: figures with intervals, curves, who is served, and lists side by side.

Shoppers stand at even distances among those asked, not chosen by hand.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mmreco.data.catalogue import Catalogue
from mmreco.errors import DataError, IncompatibleError
from mmreco.evaluation.comparison import Comparison
from mmreco.report.page import Card, Gallery, heading, page, prose, row, sentences, table, tiles
from mmreco.report.plots import curves, scatter, whiskers
from mmreco.storage.outputs import OutputFolder

__all__ = ["comparison_page"]

_CURVES = 6  # models in one plot of curves
_LISTS = 5  # models whose answers stand side by side
_SHOWN = 8  # items a row
_PARTS = 5  # lengths of history told apart
_BESIDE = ("recall", "mrr", "coverage", "novelty", "popularity", "category_diversity", "diversity", "miscalibration")


def comparison_page(
    comparisons: Mapping[str, Comparison], catalogue: Catalogue, path: str | Path, *, title: str = "Models compared"
) -> Path:
    """Write the page to `path`, which comes back.

    Parameters
    ----------
    comparisons : by what the split is called, e.g. "leave last out"
    catalogue : of the items compared on
        Titles and pictures are shown where there are any.
    path : of the HTML file
    title : optional

    Raises
    ------
    DataError
        There is no comparison, or a file of this name is there that mmreco did not write.
    IncompatibleError
        A comparison is over other items than `catalogue`.
    """
    if not comparisons:
        raise DataError("comparison_page: no comparison; expected one at least, by the name of its split")
    for name, found in comparisons.items():
        if found.test.targets.items != catalogue.items:
            raise IncompatibleError(
                f"comparison {name!r} is over {len(found.test.targets.items)} items, the catalogue of {len(catalogue)}"
                "; give the catalogue that was compared on"
            )
    gallery = Gallery(size=112)
    blocks = [block for name, found in comparisons.items() for block in _split(name, found, catalogue, gallery)]
    target = Path(path)
    folder = OutputFolder.open(target.parent)
    lead = f"{len(catalogue):,} items; every model ranks all of them, without what the shopper has had already."
    return folder.write(target.name, page(title, blocks, gallery, lead=lead))


def _split(name: str, found: Comparison, catalogue: Catalogue, gallery: Gallery) -> Iterator[str]:
    yield heading(name[:1].upper() + name[1:])
    best = found.names[0]
    result = found.results[best]
    low, high = found.intervals()[best]
    fastest = max(found.results, key=lambda n: found.results[n].users_per_second)
    yield tiles(
        [
            (f"{result.report[found.metric]:.3f}", f"{found.metric}, {best}", f"95 % interval {low:.3f} to {high:.3f}"),
            (f"{result.report.n:,}", "users asked", f"{len(found.names)} models"),
            (f"{found.results[fastest].users_per_second:,.0f}", "users a second, at best", fastest),
        ]
    )
    yield sentences(found.verdict())
    yield _figures(found)
    report = found.reports
    middle = {n: (found.intervals()[n][0], report[n][found.metric], found.intervals()[n][1]) for n in found.names}
    yield whiskers(middle, x=f"{found.metric}, 95 % intervals over users")
    yield from _curves(found)
    yield from _crowd(found)
    yield from _segments(found)
    yield from _lists(found, catalogue, gallery)


def _figures(found: Comparison) -> str:
    cut = found.metric.partition("@")[2]
    beside = [f"{name}@{cut}" for name in _BESIDE if all(f"{name}@{cut}" in r for r in found.reports.values())]
    against = [f"p {found.baseline}"] if found.p_baseline else []
    head = ["model", found.metric, *beside, *against, "fit s", "users/s", "MiB"]
    lines = []
    for name, result in found.results.items():
        p = [_p(found.p_baseline.get(name))] if against else []
        memory = "" if np.isnan(result.memory_mb) else f"{result.memory_mb:,.0f}"
        costs = [f"{result.fit_seconds:,.1f}", f"{result.users_per_second:,.0f}", memory]
        lines.append([name, *(f"{result.report[m]:.4f}" for m in (found.metric, *beside)), *p, *costs])
    caption = (
        "Best first. Popularity: mean share of trained users that have an answer. Miscalibration: how far the "
        "categories of the answers are from those of the history; 0 is alike. MiB: how far memory rose in fitting."
    )
    return table(head, lines, strong=[(0, 1)], caption=caption)


def _p(p: float | None) -> str:
    return "" if p is None else f"{p:.4f}" if p >= 0.001 else f"{p:.0e}"


def _curves(found: Comparison) -> Iterator[str]:
    chosen = _some(found, _CURVES)
    kind = found.metric.partition("@")[0]
    cuts = sorted({int(n.partition("@")[2]) for n in found.reports[chosen[0]] if n.startswith("recall@")})
    yield heading("By width", level=3)
    yield prose(_those(found, chosen) + "Recall of the first k answers.")
    yield curves(
        {name: [(k, found.reports[name][f"recall@{k}"]) for k in cuts] for name in chosen}, x="k", y="recall@k"
    )
    lengths = found.test.histories.lengths
    parts = _by_length(lengths)
    if len(parts) < 2:
        return
    yield heading("By length of history", level=3)
    yield prose(f"Users in {len(parts)} groups of about {len(lengths) // len(parts):,}, by events known of them.")
    of = {name: found.reports[name].per_user[found.metric] for name in chosen}
    lines = {
        name: [(float(lengths[rows].mean().round(1)), float(np.nanmean(of[name][rows]))) for rows in parts]
        for name in chosen
    }
    yield curves(lines, x="events in the history, mean of the group", y=f"{kind}@{found.metric.partition('@')[2]}")


def _by_length(lengths: np.ndarray) -> list[np.ndarray]:
    """Rows of users in groups of about one size, nobody of one length in two groups."""
    ends = np.unique(np.quantile(lengths, np.linspace(0, 1, _PARTS + 1)[1:-1]))
    group = np.searchsorted(ends, lengths, side="left")
    return [np.flatnonzero(group == number) for number in np.unique(group)]


def _crowd(found: Comparison) -> Iterator[str]:
    cut = found.metric.partition("@")[2]
    if not all(f"popularity@{cut}" in report for report in found.reports.values()):
        return
    yield heading("Popularity against accuracy", level=3)
    yield prose("Higher is more accurate; further to the right, the answers are what more people have already.")
    dots = {name: (r[f"popularity@{cut}"], r[found.metric]) for name, r in found.reports.items()}
    yield scatter(dots, x="mean popularity of the answers", y=found.metric)


def _segments(found: Comparison) -> Iterator[str]:
    first = next(iter(found.reports.values())).segments
    if not first:
        return
    yield heading("By segment", level=3)
    yield prose(
        "Users by the length of their history: new have fewer than five events, light up to the median of the others, "
        "heavy more. Items by their events in training: the head holds half of all, cold items have none; only the "
        "targets of the segment count."
    )
    head = ["model", *(f"{name} ({int(part['users']):,})" for name, part in first.items())]
    lines, values = [], []
    for name, report in found.reports.items():
        figures = [report.segments[segment][found.metric] for segment in first]
        lines.append([name, *(f"{value:.4f}" for value in figures)])
        values.append(figures)
    best = np.argmax(np.array(values), axis=0)
    strong = [(int(line), column) for column, line in enumerate(best, start=1)]
    yield table(head, lines, strong=strong, caption=f"{found.metric}; users counted in brackets")


def _lists(found: Comparison, catalogue: Catalogue, gallery: Gallery) -> Iterator[str]:
    chosen = _some(found, _LISTS)
    histories, targets = found.test.histories, found.test.targets
    yield heading("The same shoppers, side by side")
    yield prose(_those(found, chosen) + "What came true stands out.")
    for line, user in enumerate(found.shown):
        yield heading(histories.users.ids([int(user)])[0], level=3)
        wanted = targets.history(int(user))
        before = [_card(catalogue, int(item)) for item in histories.history(int(user))[-(_SHOWN - 1) :]]
        after = [_card(catalogue, int(item), badge="next", strong=True) for item in wanted[:1]]
        yield row([*before, *after], gallery, label="History, oldest first")
        for name in chosen:
            rows = [int(item) for item in found.results[name].rows[line][:_SHOWN] if item >= 0]
            cards = [_card(catalogue, item, strong=item in wanted) for item in rows]
            yield row(cards, gallery, label=name)


def _card(catalogue: Catalogue, item: int, *, badge: str = "", strong: bool = False) -> Card:
    one = catalogue.take([item])
    title = one.column("title")[0] if one.has("title") else None
    return Card(one.images()[0], title or one.items.ids([0])[0], badge=badge, strong=strong)


def _some(found: Comparison, many: int) -> list[str]:
    """The best models, and the baseline where it is not among them."""
    best = found.names[:many]
    if found.baseline is not None and found.baseline in found.results and found.baseline not in best:
        best = [*best[: many - 1], found.baseline]
    return best


def _those(found: Comparison, chosen: list[str]) -> str:
    if len(chosen) == len(found.names):
        return ""
    best = [name for name, other in zip(chosen, found.names, strict=False) if name == other]
    return f"The best {len(best)} models{'' if len(best) == len(chosen) else f' and {found.baseline}'}. "
