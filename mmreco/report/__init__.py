"""Reports: self-contained HTML pages, for the demo and for a comparison of models."""

from mmreco.report.comparison import comparison_page
from mmreco.report.page import (
    Card,
    Gallery,
    chips,
    heading,
    metrics_table,
    mosaic,
    page,
    prose,
    row,
    sentences,
    table,
    tiles,
)
from mmreco.report.plots import curves, scatter, whiskers

__all__ = [
    "Card",
    "Gallery",
    "chips",
    "comparison_page",
    "curves",
    "heading",
    "metrics_table",
    "mosaic",
    "page",
    "prose",
    "row",
    "scatter",
    "sentences",
    "table",
    "tiles",
    "whiskers",
]
