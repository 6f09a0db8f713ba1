"""Plots lie where the figures are, and say in words what they show."""

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest

from mmreco.errors import DataError
from mmreco.report import curves, scatter, whiskers


def test_curves_lie_where_the_figures_are() -> None:
    svg = curves({"ALS": [(1, 0.0), (2, 0.5), (3, 1.0)], "Popular": [(1, 0.0), (3, 1.0)]}, x="k", y="recall@k")
    root = ElementTree.fromstring(svg)
    drawn = [p.get("points", "").split() for p in root.iter("polyline")]
    (x1, y1), (x2, y2), (x3, y3) = (map(float, point.split(",")) for point in drawn[0])
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.2)
    assert y1 > y3  # up is better
    names = {t.text: float(t.get("y", "0")) for t in root.iter("text") if t.get("class") == "end"}
    assert abs(names["ALS"] - names["Popular"]) >= 12  # names of curves that end together do not cover each other
    assert root.get("aria-label") == "recall@k by k: ALS, Popular"
    assert [t.text for t in root.iter("title")][2] == "ALS: 1 at 3"


def test_curves_of_one_point_and_of_zeros() -> None:
    ElementTree.fromstring(curves({"ALS": [(10, 0.0)]}, x="k", y="recall"))


def test_curves_without_a_point() -> None:
    with pytest.raises(DataError, match="no points"):
        curves({"ALS": []}, x="k", y="recall")


def test_dots_lie_where_the_figures_are() -> None:
    root = ElementTree.fromstring(
        scatter({"ALS": (0.1, 0.4), "Popular": (0.2, 0.2), "<EASE>": (0.1, 0.4)}, x="p", y="a")
    )
    (x1, y1), (x2, y2), (x3, y3) = [(float(c.get("cx", 0)), float(c.get("cy", 0))) for c in root.iter("circle")]
    assert (x1, y1) == (x3, y3)
    assert x1 < x2
    assert y1 < y2  # up is more
    zero = next(float(t.get("y", 0)) - 4 for t in root.iter("text") if t.text == "0" and t.get("text-anchor") == "end")
    assert zero - y1 == pytest.approx(2 * (zero - y2), abs=0.2)
    names = {t.text: float(t.get("y", "0")) for t in root.iter("text") if t.get("class") == "end"}
    assert abs(names["ALS"] - names["<EASE>"]) >= 12
    assert root.get("aria-label") == "a against p: ALS, Popular, <EASE>"


def test_many_names_stay_inside() -> None:
    root = ElementTree.fromstring(scatter({f"model {n}": (0.5, 0.0) for n in range(30)}, x="p", y="a"))
    height = float(root.get("viewBox", "").split()[3])
    places = sorted(float(t.get("y", "0")) for t in root.iter("text") if t.get("class") == "end")
    assert places[0] > 0
    assert places[-1] < height
    assert min(b - a for a, b in pairwise(places)) >= 12


def test_whiskers_reach_from_end_to_end() -> None:
    root = ElementTree.fromstring(whiskers({"ALS": (0.1, 0.2, 0.4), "Popular": (0.0, 0.05, 0.1)}, x="ndcg@10"))
    lines = [(float(t.get("x1", 0)), float(t.get("x2", 0))) for t in root.iter("line") if t.get("class") == "whisker"]
    dots = [float(c.get("cx", 0)) for c in root.iter("circle")]
    assert lines[0][0] < dots[0] < lines[0][1]
    assert lines[1][1] == lines[0][0]
    assert (lines[0][1] - lines[0][0]) == pytest.approx(3 * (lines[1][1] - lines[1][0]), abs=0.2)
    assert "ALS: 0.2, 0.1 to 0.4" in [t.text for t in root.iter("title")]


def test_nothing_to_draw() -> None:
    ElementTree.fromstring(scatter({"one": (0, 0)}, x="x", y="y"))
    with pytest.raises(DataError, match="scatter: no dots"):
        scatter({}, x="x", y="y")
    with pytest.raises(DataError, match="whiskers: no lines"):
        whiskers({}, x="x")
